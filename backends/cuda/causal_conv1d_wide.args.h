/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_CUDA_CAUSAL_CONV1D_WIDE_ARGS_H
#define SEGUE_CUDA_CAUSAL_CONV1D_WIDE_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

struct causal_conv1d_wide_args { /* behind one pointer for each operand, in the same order */
    VIEW x, weight, bias, pre_gate, post_gate, cu_seqlens, seq_idx, cache_seqlens, slot, h_in, h_out, y;
    i64 sequences, tokens, pool;
    i64 columns; /* of the state */
    i32 channels;
    i32 silu;
    i32 strip, strips, rows; /* tokens of a strip; strips side by side; groups along axis 1 */
    i32 wide_x, wide_y;      /* 16-byte accesses are aligned */
};

#endif
