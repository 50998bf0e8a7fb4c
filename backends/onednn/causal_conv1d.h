/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the convolution's row and its kernels. */
#ifndef SEGUE_ONEDNN_CAUSAL_CONV1D_H
#define SEGUE_ONEDNN_CAUSAL_CONV1D_H

#include "engine/tile.h"

struct conv_job {
    struct segue_tile_job tile;
    const segue_causal_conv1d *op;
    int64_t width, columns; /* w, and l (0 without a state) */
    /* Where a worker's scratch holds what, in floats. [block][w-1+token][lane]: x, the last w-1 rows before the
     * tile in front; y takes its place. [block][token][lane]: gate. [block][tap][lane]: weight. [block][lane]:
     * bias, row. [w-1+token] of int32: tags. */
    uint64_t x, gate, weight, bias, row, tags;
    int64_t x_pitch, gate_pitch; /* from block to block */
};

extern const struct segue_tile_kernel segue_conv_base, segue_conv_avx2, segue_conv_avx512;

#endif
