/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_LSH_BUCKETS_ARGS_H
#define SEGUE_GPU_LSH_BUCKETS_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

/* Items that share a token's columns, and tokens of a tile. */
#define LSH_ACROSS(group) ((group) >= 8 ? 8 : (group))
#define LSH_TOKENS(group) ((group) / LSH_ACROSS(group) * 4)

struct lsh_buckets_args { /* behind one pointer for each operand, in the same order, and for the workspace */
    VIEW x, R, R_2, keep;
    i64 row;     /* b h of the first groups along axis 1 */
    i64 buckets; /* where [b h r t] of them begins in the workspace, without the rounds' offsets */
    i64 tokens;
    i32 heads, rounds, width; /* h, r, k */
    i32 columns, columns_2;   /* f; g or 0 */
    i32 pad_bucket;           /* its number; 0 = tokens that keep masks are hashed, too */
    i32 parts;                /* groups that share a row's tiles */
};

#endif
