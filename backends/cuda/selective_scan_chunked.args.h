/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_CUDA_SELECTIVE_SCAN_CHUNKED_ARGS_H
#define SEGUE_CUDA_SELECTIVE_SCAN_CHUNKED_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

#define CHUNKED_LANES 8 /* chunks of a channel at once */
#define CHUNKED_RUN 16  /* tokens of a chunk */
#define CHUNKED_CHANNELS(group) ((group) / CHUNKED_LANES)

struct selective_scan_chunked_args { /* behind one pointer for each operand, in the same order */
    VIEW u, delta, A, B, C, D, z, delta_bias, cu_seqlens, slot, h_in, h_out, y;
    i64 sequence; /* of the first groups along axis 1 */
    i64 tokens, pool;
    i32 channels, channels_B, channels_C; /* all; of one group of B, of C */
    i32 softplus;
    i32 wide_u, wide_delta, wide_B, wide_C, wide_z, wide_y; /* 16-byte accesses are aligned */
};

#endif
