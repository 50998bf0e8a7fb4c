/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the row of the matrix-state recurrence in chunks and its kernel: arXiv:2405.21060 section 6, arXiv:2312.06635 section 4.
 * For a chunk of C tokens of one head, with S before it, P_t the product of its decays up to token t:
 *     A = Q K^T,   W[t][s] = scale A[t][s] gain_s P_t / P_s for s <= t, else 0
 *     Y = W V + scale P_t (Q S),   S' = P_C S + K^T U,   U[s] = gain_s P_C / P_s V[s]
 * The four products are of bf16 with sums in f32, by product.h in pairs, or by oneDNN where that is faster (tiles of AMX): Q, K and V
 * are exact, W, U and S are rounded as factors only. A is the same for all heads that share q and k, since gains and decays go into V.
 * Quotients are products of the decays between: nothing is divided by a decay, and one that is 0 leaves nothing undefined. */
#ifndef SEGUE_ONEDNN_GATED_RECURRENCE_TILES_BF16_H
#define SEGUE_ONEDNN_GATED_RECURRENCE_TILES_BF16_H

#include "dnnl_products.h"
#include "engine/tile.h"

#include <stdatomic.h>

/* CHUNK: tokens. */
enum { CHUNK = 64 };

enum chunk_product { SCORES, LOOK, READ, WRITE, CHUNK_PRODUCTS };

struct chunk_job {
    const segue_gated_recurrence *op;
    const struct segue_cpu *cpu;
    const struct chunk_kernel *kernel;
    const struct dnnl_products *products; /* NULL: our own */
    struct segue_sequences sequences;
    int64_t heads, keys, values; /* h, k, v */
    int64_t panels, panel;       /* of each sequence; heads in one, at most */
    int64_t stretch; /* tokens whose A is computed at once, before all heads of a panel go through them */
    int64_t turns;   /* MOD: heads that lie so far apart share q and k; else 1 */
    int64_t stream;  /* 1 = y is written past the caches */
    /* Where a worker's scratch holds what, in floats. For the panel: S and its bf16 copy [head][k][v], D [head][v]. For the stretch:
     * q, k in bf16, scores [chunk][t][s]. For a chunk: k in rows and turned; U, v, W in bf16; y and z [token][v]; what
     * oneDNN makes of Q S, W V and K^T U; rows of tensors whose elements do not lie side by side; what oneDNN needs. */
    uint64_t S, half, D, q, k, scores, plain, turned, U, v, W, y, z, read, look, written, rows, hand, floats;
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
