/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_ROTARY_ARGS_H
#define SEGUE_GPU_ROTARY_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

#define ROTARY_POWERS 16 /* binary digits of a pair's number, at most */

struct rotary_args { /* behind one pointer for each operand, in the same order */
    VIEW x, pos, cos, sin, y;
    i64 power[ROTARY_POWERS];  /* base^(-2^k / m) in 2^-64, without a sign */
    i64 rows, tokens;          /* rows: tokens of all batch rows */
    i64 position, shift;       /* of the first token, without pos; of xPos */
    i32 heads, pairs, passing; /* passing: channels behind those that turn */
    i32 interleaved;
    i32 width, each;   /* items that share a token, a power of two; tokens of a group */
    i32 groups, parts; /* along axis 1; groups that share a token's heads, along axis 2 */
    float rate;        /* 1 / xpos_base, negative for the inverse scale; 0 = no scale */
};

#endif
