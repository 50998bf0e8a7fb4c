/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the rows of l2_norm and gated_norm and the kernel that both have. A "channel" of their tile loop
 * is a head, or a group of channels: what one norm is taken over. */
#ifndef SEGUE_ONEDNN_NORM_H
#define SEGUE_ONEDNN_NORM_H

#include "engine/tile.h"

enum { NORM_MOST_ROWS = 128 }; /* taken at once */

struct norm_job {
    struct segue_tile_job tile;
    const segue_tensor *x, *z, *y;           /* [b t h d] */
    const segue_tensor *weight_of, *bias_of; /* [h d]; absent ones have no dtype, like an absent z */
    const segue_tensor *cu_seqlens;          /* NULL: l2_norm has none */
    int64_t layer, sigmoid, gate_last;       /* 0 or 1: RMS or layer; act(z); where the gate is */
    double divisor, eps;                     /* what is divided by: sqrt(sum of squares / divisor + eps) */
    uint64_t v, gate, weight, bias;          /* where a worker's scratch holds what, in floats */
    int64_t pitch;                           /* of its rows: d, rounded up to whole lanes */
    int64_t rows;                            /* of v and gate: taken at once */
    int64_t by_heads;                        /* 1 = they are heads of one token, 0 = tokens of one head */
};

extern const struct segue_tile_kernel segue_norm_base, segue_norm_avx2, segue_norm_avx512;

/* Everything behind eps, and tile: what is before it is set. Scratch has room for any strides, since these
 * may change from run to run. */
void segue_norm_plan(struct norm_job *job, const struct segue_cpu *cpu);
/* For accepts(): why scratch memory is not for x [b t h d]; NULL = it is. */
const char *segue_norm_refuses(const segue_tensor *x);

#endif
