/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the row of attention on tiles and its kernels. */
#ifndef SEGUE_ONEDNN_ATTENTION_TILES_H
#define SEGUE_ONEDNN_ATTENTION_TILES_H

#include "attention_sequence.h"
#include "dnnl_products.h"

#include <stdatomic.h>

/* Queries of all heads of a group that a tile has at most, and keys that are packed at once. In bf16, where oneDNN multiplies:
 * queries of a panel, and keys by which panels grow, so that few shapes are needed. */
enum { TILE_QUERIES = 384, TILE_KEYS = 256, PANEL = 48, GRAIN = 32, QUEUES = 16 };

enum tiles_rule {               /* what is looked at beside the interval of key slots that a query sees */
                  RULE_LOW = 1, /* positions */
                  RULE_HIGH = 2,
                  RULE_LABELS = 4,
                  RULE_SELF = 8,
                  RULE_SLOPES = 16,
                  RULE_CAP = 32,
                  RULE_UNIT = 64,
                  RULE_SCALE = 128, /* where q does not have it already */
                  RULE_BEYOND = 256 /* positions of queries may lie behind int32 */
};

struct tiles_place { /* a tile: some query slots, with all query heads of one key head */
    struct attention_sequence sequence;
    int64_t head, slot, slots;
};

struct tiles_job {
    const segue_attention *op;
    const struct segue_cpu *cpu;
    const struct tiles_kernel *kernel;
    int64_t group, keys, values; /* query heads of a key head; k, v */
    int64_t tiles;               /* of all sequences, of one key head */
    int64_t chunk;               /* no longer than all slots */
    int64_t piece_slots, piece_lanes,
        pieces; /* slots of a tile that see the same chunks, with what fills their last
                                               * vector; one piece without chunks */
    int64_t tile_keys, rules, stream, bf16_fast;
    int64_t most_queries, most_keys; /* that scratch is for, whatever the number of slots */
    int64_t keys_pitch,
        block_pitch; /* k in whole lanes; floats of a block of V, which do not begin in one cache set */
    float scale, cap, self_value;
    float *scratch;     /* all workers' */
    int64_t kept_tiles; /* of a head, from the first one on, that stay packed; two more come and go */
    /* Where a worker's scratch holds what, in floats: two struct tile_view; of each packed tile struct tile_packed, K [key][k]
     * and V [block of v][key][v]; Q [panel][k][lane], O [panel][v][lane], S [key][lane] of one panel; rows [lane][k or v]. */
    int64_t K_floats, V_floats;
    uint64_t views, packed, K, V, Q, O, S, rows, floats;
    int bf16; /* products of bf16: */
    const struct dnnl_products
        *products; /* by oneDNN: of GRAIN keys scores and sums, of two GRAIN, ...; NULL: our own, in pairs */
    uint64_t P, T, hand;      /* weights in bf16 and sums [v][lane] of one panel; what oneDNN needs */
    int64_t lane_step, grain; /* queries and keys come by so many at least */
    atomic_int failed;
    /* Heads are dealt out to queues; units: tiles of all heads. */
    int64_t units, queues;
    atomic_llong taken, next[QUEUES];
};

struct tiles_kernel {
    int64_t lanes, block;
    void (*work)(struct tiles_job *job, int64_t worker, float *scratch); /* until no tile is left */
    int64_t view_floats, packed_floats; /* of what it knows of a tile's queries, and of packed keys */
};

extern const struct tiles_kernel segue_attention_tile_base, segue_attention_tile_avx2,
    segue_attention_tile_avx512;

/* The next tile that nobody has; 0: none is left. early: a second one for a worker that still has one, as long as
 * there are enough for all. */
int segue_attention_next_tile(struct tiles_job *job, int64_t worker, int early, struct tiles_place *out);

#endif
