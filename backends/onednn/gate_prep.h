/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the row of gate_prep and its kernels. A "channel" of the tile loop is a head. */
#ifndef SEGUE_ONEDNN_GATE_PREP_H
#define SEGUE_ONEDNN_GATE_PREP_H

#include "engine/tile.h"

enum { GATE_LINE = 16 }; /* floats that lines in scratch are rounded up to */

struct gate_job {
    struct segue_tile_job tile;
    const segue_gate_prep *op;
    int64_t flat;  /* 1 = the heads of a token lie behind each other and make one line; 0 = a line each */
    int64_t pitch; /* from head to head among the weights: k where flat, else that rounded up */
    uint64_t x, delta, g, key; /* where a worker's scratch holds what: GATE_FLOATS of each */
    /* Weights of each head and channel; three, made of A, A_log or l; one number a head. */
    uint64_t bias, a, b, c, heads;
};

/* Floats of a block, which stays in the first-level cache; side by side at most. */
enum { GATE_FLOATS = 2048, GATE_COLUMNS = 512 };

/* Column stride of [.. h k] whose heads lie behind each other, 0 = they do not. */
static inline int64_t gate_step(const segue_tensor *t)
{
    const int h = t->rank - 2, k = t->rank - 1;
    if (t->shape[k] == 1) return t->stride[h];
    return t->stride[h] == t->shape[k] * t->stride[k] || t->shape[h] == 1 ? t->stride[k] : 0;
}

extern const struct segue_tile_kernel segue_gates_base, segue_gates_avx2, segue_gates_avx512;

#endif
