/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_ATTENTION_MERGE_ARGS_H
#define SEGUE_GPU_ATTENTION_MERGE_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

struct attention_merge_args {            /* behind one pointer for each operand, in the same order */
    VIEW o, lse, log_weight, y, lse_out; /* o: of the first part, [b t h v] */
    i64 rows, tokens, heads;             /* rows: of all batch rows, tokens and heads */
    i64 part;                            /* elements from part to part of o */
    i32 parts, count;                    /* count: v */
    i32 width, each;                     /* items that share a row, a power of two; rows of a group */
    i32 groups;                          /* along axis 1 */
    i32 plus_inf_empty;
};

#endif
