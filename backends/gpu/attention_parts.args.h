/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_ATTENTION_PARTS_ARGS_H
#define SEGUE_GPU_ATTENTION_PARTS_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

struct attention_parts_args { /* behind pointers to the parts, cu_seqlens, o_index, y and lse */
    VIEW parts, cu_seqlens, o_index, y, lse;
    i64 sequence;        /* of the first groups along axis 1 */
    i32 queries, rows_y; /* slots; rows of y */
    i32 heads, group;    /* of keys; query heads that read one */
    i32 columns, count;  /* of a value; parts */
    i32 rows, reserved;  /* of a part */
};

#endif
