/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the convolution's row and its kernels. */
#ifndef SEGUE_ONEDNN_CAUSAL_CONV1D_H
#define SEGUE_ONEDNN_CAUSAL_CONV1D_H

#include "engine/tile.h"

enum conv_way {                /* how x, gates and y are reached */
                CONV_PACKED,   /* through scratch, whatever their strides */
                CONV_CHANNELS, /* in place: channels are contiguous and lie in lanes */
                CONV_TIME      /* in place: tokens are contiguous and lie in lanes */
};

struct conv_job {
    struct segue_tile_job tile;
    const segue_causal_conv1d *op;
    enum conv_way way;
    int bf16_fast;          /* the CPU has AVX512_BF16 */
    int64_t width, columns; /* w, and l (0 without a state) */
    /* Where a worker's scratch holds what, in floats. Rows of pitch floats, one for each channel of the panel:
     * x: w-1 rows before the tile, then the tile's (in place: the sequence's first w-1); y takes its place.
     * gate: the tile's. row: 1. weight, bias: w and 1, of weight_pitch: the panel's channels, or (by_time) all.
     * [w-1+token] of int32: tags. */
    uint64_t x, gate, weight, bias, row, tags;
    int64_t pitch, weight_pitch;
};

extern const struct segue_tile_kernel segue_conv_base, segue_conv_avx2, segue_conv_avx512;

#endif
