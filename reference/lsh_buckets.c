/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Angular LSH and the sort by bucket (arXiv:2001.04451 section 2; google/trax efficient_attention.py; huggingface/transformers
 * modeling_reformer.py). For every head and round r, n1 = 2 f and n2 = 2 g buckets of each factor:
 *
 *     y_f = sum over k of R_k,r,f x_k                                       [b t h r f]
 *     bucket = the first of the largest among y_0 .. y_f-1, -y_0 .. -y_f-1
 *     bucket = bucket + n1 that of R_2,   n1 n2 where keep is 0 and pad_bucket asks for it
 *     bucket = bucket + stride r                                            [b h r t]
 *
 * Scores that are NaN never are the largest; where all are, the bucket is 0. Item r t + token lies in that slot of its
 * round which is the number of items before it: those of smaller buckets, and of its own the earlier tokens. */
#include "operands.h"

static int64_t columns(const segue_tensor *R)
{
    return present(R) ? R->shape[3] : 0;
}

/* Of a round, without the pad bucket. */
static int64_t bucket_count(const segue_lsh_buckets *op)
{
    return 2 * columns(&op->R) * (present(&op->R_2) ? 2 * columns(&op->R_2) : 1);
}

static int64_t stride_of(const segue_lsh_buckets *op)
{
    return op->bucket_stride ? op->bucket_stride : bucket_count(op) + op->pad_bucket;
}

static int64_t scores_of(const segue_lsh_buckets *op)
{
    const int64_t f = columns(&op->R), g = columns(&op->R_2), most = f > g ? f : g;
    return most ? most : 1;
}

/* Numbers that segue_reference_lsh_buckets() works in: scores of a token, then (as integers) a round's buckets. */
int64_t segue_reference_lsh_buckets_work(const segue_op_header *header)
{
    const segue_lsh_buckets *op = (const segue_lsh_buckets *)header;
    return size_sum(scores_of(op), op->perm.shape[3]);
}

static int64_t first_of_largest(const real *y, int64_t count)
{
    real largest = -INFINITY;
    int64_t best = 0;
    for (int64_t i = 0; i < 2 * count; i++) {
        const real score = i < count ? y[i] : -y[i - count];
        if (real_above(score, largest)) largest = score, best = i;
    }
    return best;
}

static int64_t hash(const segue_lsh_buckets *op, const segue_tensor *R, int64_t b, int64_t h, int64_t r,
                    int64_t t, real *y)
{
    for (int64_t f = 0; f < R->shape[3]; f++) {
        y[f] = 0;
        for (int64_t k = 0; k < R->shape[1]; k++)
            y[f] = mac(y[f], load(R, h, k, r, f), load(&op->x, b, t, h, k));
    }
    return first_of_largest(y, R->shape[3]);
}

/* Without the offset of the round. y: scores that it was decided by. */
static int64_t bucket_of(const segue_lsh_buckets *op, int64_t b, int64_t h, int64_t r, int64_t t, real *y)
{
    y[0] = 0;
    if (present(&op->bucket_in))
        return clamped(load_int_at(&op->bucket_in, b, h, r, t) - r * stride_of(op), stride_of(op) - 1);
    if (op->pad_bucket && !load_int(&op->keep, b, t)) return bucket_count(op);
    const int64_t second = present(&op->R_2) ? hash(op, &op->R_2, b, h, r, t, y) : 0;
    return hash(op, &op->R, b, h, r, t, y) + 2 * columns(&op->R) * second;
}

static int64_t slot_of(const int32_t *bucket, int64_t t, int64_t tokens)
{
    int64_t before = 0;
    for (int64_t i = 0; i < tokens; i++) before += bucket[i] < bucket[t];
    for (int64_t i = 0; i < t; i++) before += bucket[i] == bucket[t];
    return before;
}

static void sort_round(const segue_lsh_buckets *op, int64_t b, int64_t h, int64_t r, real *work)
{
    const int64_t tokens = op->perm.shape[3];
    int32_t *const bucket = (int32_t *)(void *)(work + scores_of(op));
    real all = 0;
    for (int64_t t = 0; t < tokens; t++) {
        bucket[t] = (int32_t)bucket_of(op, b, h, r, t, work);
        if (present(&op->bucket)) store_int(&op->bucket, bucket[t] + r * stride_of(op), work[0], b, h, r, t);
        all = all + work[0];
    }
    for (int64_t t = 0; t < tokens; t++) {
        const int64_t slot = slot_of(bucket, t, tokens);
        store_int(&op->perm, r * tokens + t, all, b, h, r, slot);
        if (present(&op->inverse)) store_int(&op->inverse, r * tokens + slot, all, b, h, r, t);
    }
}

void segue_reference_lsh_buckets(const segue_op_header *header, real *work)
{
    const segue_lsh_buckets *op = (const segue_lsh_buckets *)header;
    for (int64_t b = 0; b < op->perm.shape[0]; b++)
        for (int64_t h = 0; h < op->perm.shape[1]; h++)
            for (int64_t r = 0; r < op->perm.shape[2]; r++) sort_round(op, b, h, r, work);
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_lsh_buckets *op = (const void *)header;
    const double f = (double)columns(&op->R), g = present(&op->R_2) ? 2 * (double)columns(&op->R_2) : 1;
    const double count = 2 * f * g + (double)op->pad_bucket, rounds = (double)op->perm.shape[2];
    const double stride = op->bucket_stride ? (double)op->bucket_stride : count;
    (void)dev;
    if (present(&op->R) && f == 0) return "R: f is 0, wanted a column or more";
    if (g == 0) return "R_2: g is 0, wanted a column or more";
    if (stride < count) return "bucket_stride: smaller than the number of buckets";
    if (rounds * stride > INT32_MAX) return "bucket: rounds times buckets are at most 2^31 - 1";
    if (rounds * (double)op->perm.shape[3] > INT32_MAX) return "perm: rounds times tokens are at most 2^31 - 1";
    if (!fits_workspace(segue_reference_lsh_buckets_work(header))) return "R: f is at most 2^60";
    return NULL;
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_lsh_buckets_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_lsh_buckets(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_lsh_buckets_reference;
const segue_row segue_row_lsh_buckets_reference = {
    .name = "lsh_buckets_reference",
    .primitive = SEGUE_LSH_BUCKETS,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F64,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
#endif
