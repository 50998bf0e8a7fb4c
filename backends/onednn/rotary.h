/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the row of rotary and its kernels. A "channel" of the tile loop is a head. */
#ifndef SEGUE_ONEDNN_ROTARY_H
#define SEGUE_ONEDNN_ROTARY_H

#include "engine/tile.h"

struct rotary_pairs { /* made once for a plan */
    const uint64_t
        *turn; /* [pairs], from one position to the next, in 2^-64 turns: p times it drops whole turns */
    const float *rate; /* [pairs]: log of the scale of xPos for each position */
};

struct rotary_job {
    struct segue_tile_job tile;
    const segue_rotary *op;
    const struct rotary_pairs *pairs;
    int64_t count;    /* of pairs */
    int64_t straight; /* 1 = the channels of a head lie side by side, in x and in y */
    int64_t bf16_fast;
    /* Where a worker's scratch holds what: of each channel that turns its cosine, sine (INTERLEAVED: both twice, the first sine
     * negative) and scale; the words of the angles; one head's channels. */
    uint64_t cosine, sine, scale, word, head;
};

extern const struct segue_tile_kernel segue_rotary_base, segue_rotary_avx2, segue_rotary_avx512;

#endif
