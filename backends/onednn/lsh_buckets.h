/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the row of lsh_buckets and its kernels. */
#ifndef SEGUE_ONEDNN_LSH_BUCKETS_H
#define SEGUE_ONEDNN_LSH_BUCKETS_H

#include "engine/tile.h"

struct lsh_job {
    const segue_lsh_buckets *op;
    const struct lsh_kernel *kernel;
    int64_t batches, heads, rounds, tokens;
    int64_t count, stride;      /* buckets of a round, the pad bucket included; between rounds */
    uint64_t staged, R, R_2, x; /* where a worker's scratch holds what; then the buckets' numbers of tokens */
    uint64_t ends, scratch_floats; /* a worker's; a multiple of 16 */
    float *scratch;                /* all workers' */
    int32_t *buckets;              /* [b h r t] without the rounds' offsets */
};

struct lsh_kernel {  /* one instruction set's */
    int64_t tokens;  /* of a tile, at most */
    int64_t columns; /* what a round's columns are rounded up to */
    void (*rotations)(const struct lsh_job *job, int64_t h,
                      float *scratch); /* what a head's tiles have in common */
    /* The buckets of one tile's tokens, in all rounds. */
    void (*hash)(const struct lsh_job *job, int64_t b, int64_t h, int64_t first, int64_t tokens,
                 float *scratch);
};

static inline int64_t lsh_columns(const segue_tensor *R)
{
    return R->dtype.bits ? R->shape[3] : 0;
}

extern const struct lsh_kernel segue_lsh_base, segue_lsh_avx2, segue_lsh_avx512;

#endif
