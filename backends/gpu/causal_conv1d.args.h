/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_CAUSAL_CONV1D_ARGS_H
#define SEGUE_GPU_CAUSAL_CONV1D_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

#define SPAN 64 /* tokens that an item walks */

struct causal_conv1d_args { /* behind one pointer for each operand, in the same order */
    VIEW x, weight, bias, pre_gate, post_gate, cu_seqlens, seq_idx, cache_seqlens, slot, h_in, h_out, y;
    i64 sequences, tokens, pool;
    i64 columns; /* of the state */
    i64 pieces;  /* sequences, or what piece_at() numbers */
    i32 channels;
    i32 silu;
    i32 spans, rows; /* groups along axes 1 and 2 */
    i32 searched;    /* pieces are what piece_at() numbers */
    i32 reserved;
};

#endif
