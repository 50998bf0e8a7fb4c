/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the row of attention_merge and its kernels. A "channel" of the tile loop is a head. */
#ifndef SEGUE_ONEDNN_ATTENTION_MERGE_H
#define SEGUE_ONEDNN_ATTENTION_MERGE_H

#include "engine/tile.h"

struct merge_job {
    struct segue_tile_job tile;
    const segue_attention_merge *op;
    int64_t straight; /* 1 = the channels of a head lie side by side, in o and in y */
    int64_t bf16_fast;
    int64_t pitch; /* from part to part among logs and weights: the heads, rounded up */
    /* Where a worker's scratch holds what: logs and weights [parts pitch]; logs of a head's sums [pitch]; of the parts of a head that
     * are there, their weights [parts] and where their channels lie [parts] (pointers); a part's and a result's channels [v]. */
    uint64_t log, weight, log_out, share, row, part, head;
};

extern const struct segue_tile_kernel segue_merge_base, segue_merge_avx2, segue_merge_avx512;

#endif
