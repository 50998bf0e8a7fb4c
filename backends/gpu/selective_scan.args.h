/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_SELECTIVE_SCAN_ARGS_H
#define SEGUE_GPU_SELECTIVE_SCAN_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

/* An item has SCAN_STATES of a channel's n states, so a channel SCAN_SLICES items, and a group SCAN_CHANNELS. */
#define SCAN_WANTED(n) ((n) <= 4 ? (n) : (n) <= 16 ? 4 : (n) <= 64 ? 8 : 16)
#define SCAN_STATES(n, group) (SCAN_WANTED(n) * (group) >= (n) ? SCAN_WANTED(n) : ((n) + (group)-1) / (group))
#define SCAN_SLICES(n, group) (((n) + SCAN_STATES(n, group) - 1) / SCAN_STATES(n, group))
#define SCAN_CHANNELS(n, group) ((group) / SCAN_SLICES(n, group))

struct selective_scan_args { /* behind one pointer for each operand, in the same order */
    VIEW u, delta, A, B, C, D, z, delta_bias, cu_seqlens, slot, h_in, h_out, y;
    i64 sequence; /* of the first groups along axis 1 */
    i64 tokens, pool;
    i32 channels, channels_B, channels_C; /* all; of one group of B, of C */
    i32 softplus;
};

#endif
