/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_L2_NORM_ARGS_H
#define SEGUE_GPU_L2_NORM_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

struct l2_norm_args { /* behind one pointer for each operand, in the same order */
    VIEW x, y;
    i64 rows, tokens, heads; /* rows: of all batch rows, tokens and heads */
    i32 count;               /* elements of a row */
    i32 width, each;         /* items that share a row, a power of two; rows of a group */
    i32 groups;              /* along axis 1 */
    float eps, far_eps;      /* far_eps: 2^192 eps */
};

#endif
