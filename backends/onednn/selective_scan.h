/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the scan's row and its kernels. */
#ifndef SEGUE_ONEDNN_SELECTIVE_SCAN_H
#define SEGUE_ONEDNN_SELECTIVE_SCAN_H

#include "engine/tile.h"

struct scan_job {
    struct segue_tile_job tile;
    const segue_selective_scan *op;
    int64_t states, row_pitch; /* n, and n rounded up to whole blocks */
    int64_t tile_pitch;        /* floats from block to block of u, delta, x and y */
    int64_t strip_blocks;      /* at most, in u, delta, x and y */
    int64_t direct;            /* 1 = one token; A and h are read and written where they are */
    int64_t bf16_fast;         /* the CPU has AVX512_BF16 */
    /* Where a worker's scratch holds what, in floats. [block][n][lane]: A and h. [block][lane]: range (max
     * |A|), peak (the tile's max |delta|), D, bias. [block of the strip][token][lane]: u, delta (times log2
     * e), x (delta u; in the place of u where nothing needs that any more), y. [token][n] or
     * [token][n][lane]: B, C. [n]: row. */
    uint64_t A, h, range, peak, D, bias, u, delta, x, y, B, C, row;
};

extern const struct segue_tile_kernel segue_scan_base, segue_scan_avx2, segue_scan_avx512;

#endif
