/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the feature map's row and its kernels. A "channel" of the tile loop is a head. */
#ifndef SEGUE_ONEDNN_FEATURE_MAP_H
#define SEGUE_ONEDNN_FEATURE_MAP_H

#include "engine/tile.h"

enum { FEATURE_LINE = 32 }; /* floats that rows in scratch are rounded up to: two vectors of the widest lanes */

struct feature_job {
    struct segue_tile_job tile;
    const segue_feature_map *op;
    int64_t width, projections; /* k, m (0 without W) */
    int64_t length;             /* COSREW: resolved */
    int64_t by_peak; /* 1 = M or R of whole sequences: these are read once before anything is written */
    float scale, eps, shift;
    /* Where a worker's scratch holds what, in floats. x, u, y: rows of so many floats, for `rows` tokens of a head. W: [k][m]
     * of each head, or once where all have the same; bias: [m] likewise. peak: M or R of each head. */
    uint64_t x, u, y, W, bias, peak;
    int64_t x_pitch, u_pitch, y_pitch, rows;
    int64_t
        by_heads; /* 1 = rows are heads of one token, as they lie in memory; 0 = tokens of one head, for its W */
};

extern const struct segue_tile_kernel segue_features_base, segue_features_avx2, segue_features_avx512;

#endif
