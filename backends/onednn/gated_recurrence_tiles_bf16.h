/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the row of the matrix-state recurrence in chunks and its kernel: arXiv:2405.21060 section 6, arXiv:2312.06635 section 4.
 * For a chunk of C tokens of one head, with S before it, P_t the product of its decays up to token t:
 *     A = Q K^T,   W[t][s] = scale A[t][s] gain_s P_t / P_s for s <= t, else 0
 *     Y = W V + scale P_t (Q S),   S' = P_C S + K^T U,   U[s] = gain_s P_C / P_s V[s]
 * The four products are oneDNN's, of bf16 with sums in f32: Q, K and V are exact, W, U and S are rounded as factors only. Gains and
 * decays go into V, not K, so that Q S and K^T U are one product for all heads that share q and k, side by side. Quotients are
 * products of the decays between: nothing is divided by a decay, and one that is 0 leaves nothing undefined. */
#ifndef SEGUE_ONEDNN_GATED_RECURRENCE_TILES_BF16_H
#define SEGUE_ONEDNN_GATED_RECURRENCE_TILES_BF16_H

#include "dnnl_products.h"
#include "engine/tile.h"

#include <stdatomic.h>

/* CHUNK: tokens. STRETCH: chunks whose A is computed at once, for all heads that share it, and which a batch of heads then goes
 * through with its states in the second-level cache. BATCH: such heads of one product; those left over come one by one. */
enum { CHUNK = 64, STRETCH = 4, BATCH = 4 };

enum chunk_product { SCORES, LOOK, READ_ONE, WRITE_ONE, READ_BATCH, WRITE_BATCH, CHUNK_PRODUCTS };

struct chunk_job {
    const segue_gated_recurrence *op;
    const struct segue_cpu *cpu;
    const struct chunk_kernel *kernel;
    const struct dnnl_products *products;
    struct segue_sequences sequences;
    int64_t heads, keys, values; /* h, k, v */
    int64_t panels, panel;       /* of each sequence; heads in one, at most */
    int64_t turns;               /* MOD: heads that lie so far apart share q and k; else 1 */
    int64_t stream;              /* 1 = y is written past the caches */
    /* Where a worker's scratch holds what, in floats. For the panel: S and its bf16 copy [batch][k][head][v], D [head][v]. For the
     * stretch: q, k [token][k] in bf16, scores [chunk][t][s]. For a batch and chunk: read [t][head][v], written [k][head][v], U
     * [s][head][v] in bf16, P [head]. For a head: gates [token], W [t][s] and v [token][v] in bf16, y, z [token][v]; rows of
     * tensors whose elements do not lie side by side; what oneDNN needs. */
    uint64_t S, half, D, q, k, scores, read, written, U, P, gates, W, v, y, z, rows, hand, floats;
    float *scratch; /* all workers' */
    int64_t units;  /* panels of all sequences */
    atomic_int failed;
    atomic_llong next;
};

struct chunk_kernel {
    void (*work)(struct chunk_job *job, float *scratch); /* until no panel is left */
};

extern const struct chunk_kernel segue_chunk_base, segue_chunk_avx2, segue_chunk_avx512;

#endif
