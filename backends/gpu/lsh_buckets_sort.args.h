/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_LSH_BUCKETS_SORT_ARGS_H
#define SEGUE_GPU_LSH_BUCKETS_SORT_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

#define LSH_BITS(group) ((group) > 128 ? 4 : 5) /* of a digit: counts of all items stay below 32 KiB */

struct lsh_buckets_sort_args { /* behind the pointers of its operands, the workspace among them */
    VIEW bucket_in, bucket, perm, inverse;
    i64 row;               /* b h r of the first groups along axis 1 */
    i64 buckets, from, to; /* where each list [b h r t] begins in the workspace */
    i64 tokens, stride;
    i32 heads, rounds;
    i32 shift; /* of the digit that this pass sorts by */
    i32 last;  /* 1: the last pass, which knows slots */
};

#endif
