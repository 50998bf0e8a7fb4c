/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the general row of attention and its kernels.
 *
 * A unit of work is a tile of query slots of one sequence, with all query heads of some key heads: their rows (slot, head) share
 * each line of keys and values. A sequence's key slots are cut into parts, each with sums of its own, which are merged along one
 * binary tree over the parts, whoever computed them. Where parts begin, and blocks of keys within them, is fixed: neither threads nor
 * the batch nor the other queries of a call change a bit. */
#ifndef SEGUE_ONEDNN_ATTENTION_H
#define SEGUE_ONEDNN_ATTENTION_H

#include "attention_sequence.h"

enum {
    ATTENTION_ROWS = 32,  /* at most, in a unit */
    ATTENTION_BLOCK = 64, /* key slots taken at once */
    ATTENTION_PART = 256, /* key slots of a part */
    ATTENTION_NODES =
        80 /* of the tree, that a worker may have at once: three for each doubling of the parts, and some */
};

struct attention_row {  /* of a unit; nothing visible: low > high, and self_there = 0 */
    int64_t query, out; /* rows of q and of y; -1: none */
    int64_t slot, head; /* within the sequence; of q */
    int64_t position;
    int32_t low, high;        /* positions that it sees */
    int32_t self, self_there; /* its own position, if the self rule holds there */
    int32_t label, labelled;
};

struct attention_span { /* key slots [first, last) of a sequence */
    int64_t first, last;
};

struct attention_unit {
    struct attention_sequence in;
    int64_t slot, slots;           /* of queries */
    int64_t key_head, key_heads;   /* the key heads; */
    int64_t head, heads;           /* the first query head of the first of them, and how many of each */
    struct attention_span sees[2]; /* what any row may see; ascending, disjoint */
};

struct attention_node { /* parts [start, start + size), merged */
    int64_t start, size;
    float *state;
};

struct attention_worker { /* in workspace */
    const struct attention_job *job;
    struct attention_unit unit;
    struct attention_row row[ATTENTION_ROWS]; /* [key head][slot][head] */
    int64_t rows;
    float *scratch;
    struct attention_node head[ATTENTION_NODES], tail[ATTENTION_NODES];
    int64_t heads, tails; /* nodes of a unit that began before this worker's share, or that goes on behind it */
    int64_t ends;         /* 1 = the first of these ends in this share */
};

struct attention_job {
    const segue_attention *op;
    const struct attention_kernel *kernel;
    int64_t sequences, heads, key_heads, keys, values; /* keys, values: widths of k and v */
    int64_t tile;                                      /* query slots of a unit, at most */
    int64_t unit_keys, unit_heads;                     /* key heads of a unit, and query heads of each */
    int64_t sides;                                     /* units that share a tile */
    int64_t listed;           /* 1 = key slots are not simply rows that are all there */
    int64_t regular;          /* 1 = positions of queries and keys are slots */
    int64_t plain;            /* 1 = a score is a scaled product, and no more */
    int64_t k_there, v_there; /* 1 = used where they lie, 0 = packed */
    int64_t bf16_fast;
    int64_t key_pitch, value_pitch; /* widths, rounded up to whole lines */
    int64_t state_floats, nodes;    /* nodes: at most, for so many key slots */
    float scale;
    /* Where a worker's scratch holds what, in floats. */
    uint64_t q, scores, k, v, bias, states;
    uint64_t worker_bytes;
    int32_t parts; /* of this run */
    char *workers;
};

struct attention_kernel { /* one instruction set's */
    int64_t lanes;
    void (*begin)(struct attention_worker *w); /* rows and queries of w->unit */
    void (*part)(struct attention_worker *w, int64_t part, float *state);
    void (*merge)(const struct attention_worker *w, float *state, const float *later);
    void (*end)(struct attention_worker *w, float *state); /* writes y and lse */
};

extern const struct attention_kernel segue_attention_base, segue_attention_avx2, segue_attention_avx512;

/* attention_split.c */
void segue_attention_share(const struct segue_cpu *cpu, struct attention_job *job, segue_buffer workspace);

#endif
