/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the row of the matrix-state recurrence and its kernels. */
#ifndef SEGUE_ONEDNN_GATED_RECURRENCE_H
#define SEGUE_ONEDNN_GATED_RECURRENCE_H

#include "engine/tile.h"

enum segue_step_layout { STEP_NEVER, STEP_VALUES, STEP_KEYS }; /* which axis of the states lies side by side */

struct recurrence_map { /* features in place of q and k, as feature_map has them */
    int64_t on;         /* 0: q and k themselves */
    int64_t is;         /* IDENTITY, ELU1 or RELU */
    float scale, eps;
};

struct recurrence_job {
    struct segue_tile_job tile; /* whose channels are parts of state heads */
    const segue_gated_recurrence *op;
    int64_t heads, keys, values; /* h, k, v */
    int64_t parts;               /* of one head's value columns */
    int64_t vectors;             /* of LANES value columns in a head; the last may be partial */
    int64_t part_vectors;        /* at most, in one part */
    int64_t part_floats;         /* of a part's state in scratch */
    int64_t pitch;               /* keys, rounded up to whole lanes */
    int64_t readers;             /* heads of y that read one state head */
    int64_t step;      /* segue_step_layout: how sequences of one token are computed where the state is */
    int64_t bf16_fast; /* the CPU has AVX512_BF16 */
    struct recurrence_map map;
    /* Where a worker's scratch holds what, in floats. For each part of the panel: S [unit][k][column], frame
     * [k], D [column], n [k]. For the tile: decay, gain, inverse [token], blocks, R, U, product, q,
     * k, gk [token][k], and v, z and y [token][column], where their elements do not lie side by
     * side. */
    uint64_t S, frame, D, n, decay, gain, inverse, blocks, R, U, product, q, k, gk, v, z, y;
};

struct recurrence_kernel {
    struct segue_tile_kernel tile; /* of parts of heads, one lane each */
    void (*padding)(const struct segue_tile *tile);
    int64_t lanes, block, widest; /* columns in lanes, tokens of a block, vectors of a unit */
    int64_t block_floats;         /* of struct token_block */
};

struct segue_sequences segue_recurrence_sequences(const segue_gated_recurrence *op);

/* For accepts(): why scratch memory is not for it; NULL = it is. */
const char *segue_recurrence_refuses(const segue_gated_recurrence *op);

/* For a row that computes by the recurrence: a job whose op, a stack's, is there until it has run. */
void segue_recurrence_plan(const segue_gated_recurrence *op, const struct segue_cpu *cpu,
                           struct recurrence_job *job);

extern const struct recurrence_kernel segue_recurrence_base, segue_recurrence_avx2, segue_recurrence_avx512;

#endif
