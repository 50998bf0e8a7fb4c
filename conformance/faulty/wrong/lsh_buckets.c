/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plain hash in f32 and a plain sort, with one flaw a row. Without any it is right. */
#include "wrong.h"

#define FLAWS(FLAW)              \
    FLAW(packed_unstable)        \
    FLAW(batch_ties_last)        \
    FLAW(packed_negatives_first) \
    FLAW(packed_zero_signed)     \
    FLAW(packed_bf16_sums)       \
    FLAW(packed_nan_wins)        \
    FLAW(packed_second_weight)   \
    FLAW(packed_factors_swapped) \
    FLAW(batch_offset_missing)   \
    FLAW(batch_stride_ignored)   \
    FLAW(batch_padding_hashed)   \
    FLAW(batch_keep_always)      \
    FLAW(batch_given_wraps)      \
    FLAW(batch_item_is_token)    \
    FLAW(batch_inverse_is_perm)  \
    FLAW(batch_rotation_of_head) \
    FLAW(last_slot_unwritten)    \
    FLAW(stale_bucket)

#define NAMED(name) LSH_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

struct round {
    const segue_lsh_buckets *op;
    enum flaw flaw;
    int64_t b, h, r, stride;
    int32_t *bucket; /* of each token, without the round's offset; in the workspace */
};

static int64_t columns_of(const segue_tensor *R)
{
    return given(R) ? R->shape[3] : 0;
}

static int64_t count_of(const segue_lsh_buckets *op)
{
    return 2 * columns_of(&op->R) * (given(&op->R_2) ? 2 * columns_of(&op->R_2) : 1);
}

/* Whether heads and their elements lie side by side: what a fast path wants. */
static int is_packed(const struct round *q, enum flaw flaw)
{
    const segue_tensor *x = &q->op->x;
    return q->flaw == flaw && x->stride[3] == 1 && x->stride[2] == x->shape[3];
}

static int is_batch(const struct round *q, enum flaw flaw)
{
    return q->flaw == flaw && q->op->perm.shape[0] > 1;
}

static float score_of(const struct round *q, const segue_tensor *R, int64_t t, int64_t f)
{
    const int64_t columns = R->shape[3], h = is_batch(q, LSH_batch_rotation_of_head) ? 0 : q->h;
    float y = 0;
    for (int64_t k = 0; k < R->shape[1]; k++) {
        y += load(R, h, k, q->r, f % columns) * load(&q->op->x, q->b, t, q->h, k);
        if (is_packed(q, LSH_packed_bf16_sums)) y = to_bf16(y);
    }
    return f < columns ? y : -y;
}

static int is_larger(const struct round *q, float y, float than)
{
    if (is_packed(q, LSH_packed_zero_signed) && y == 0 && than == 0) return signbit(y) && !signbit(than);
    if (is_packed(q, LSH_packed_nan_wins) && isnan(y)) return 1;
    return is_batch(q, LSH_batch_ties_last) ? y >= than : y > than;
}

static int64_t largest(const struct round *q, const segue_tensor *R, int64_t t)
{
    const int64_t columns = R->shape[3], first = is_packed(q, LSH_packed_negatives_first) ? columns : 0;
    float best = -INFINITY;
    int64_t at = 0;
    for (int64_t i = 0; i < 2 * columns; i++) {
        const int64_t f = (first + i) % (2 * columns);
        const float y = score_of(q, R, t, f);
        if (is_larger(q, y, best)) best = y, at = f;
    }
    return q->flaw == LSH_stale_bucket && best == 0 ? -1 : at;
}

static int32_t int_at(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    int32_t x;
    memcpy(&x, place_of(t, i, j, k, l), sizeof x);
    return x;
}

static void put_int(const segue_tensor *t, int64_t value, int64_t i, int64_t j, int64_t k, int64_t l)
{
    const int32_t x = (int32_t)value;
    if (given(t)) memcpy(place_of(t, i, j, k, l), &x, sizeof x);
}

static int64_t given_bucket(const struct round *q, int64_t t)
{
    const int64_t x = int_at(&q->op->bucket_in, q->b, q->h, q->r, t) - q->r * q->stride;
    if (is_batch(q, LSH_batch_given_wraps)) return (x % q->stride + q->stride) % q->stride;
    return clamped(x, q->stride - 1);
}

static int64_t hashed_bucket(const struct round *q, int64_t t)
{
    const segue_lsh_buckets *op = q->op;
    const int64_t n1 = 2 * columns_of(&op->R), n2 = 2 * columns_of(&op->R_2);
    const int masks = given(&op->keep) && !load_int(&op->keep, q->b, t);
    if (masks && op->pad_bucket && !is_batch(q, LSH_batch_padding_hashed)) return count_of(op);
    if (masks && is_batch(q, LSH_batch_keep_always)) return count_of(op) - 1;
    const int64_t one = largest(q, &op->R, t), two = n2 ? largest(q, &op->R_2, t) : 0;
    if (one < 0 || two < 0) return (uint32_t)q->bucket[t] % (uint64_t)count_of(op);
    if (n2 && is_packed(q, LSH_packed_factors_swapped)) return one * n2 + two;
    return one + (is_packed(q, LSH_packed_second_weight) ? n1 / 2 : n1) * two;
}

static int comes_before(const struct round *q, int64_t i, int64_t t)
{
    if (q->bucket[i] != q->bucket[t]) return q->bucket[i] < q->bucket[t];
    return is_packed(q, LSH_packed_unstable) ? i > t : i < t;
}

static void sort_round(const struct round *q)
{
    const segue_lsh_buckets *op = q->op;
    const int64_t tokens = op->perm.shape[3], first = is_batch(q, LSH_batch_item_is_token) ? 0 : q->r * tokens;
    const int64_t stride =
        is_batch(q, LSH_batch_stride_ignored) && given(&op->x) ? count_of(op) + op->pad_bucket : q->stride;
    const int64_t offset = is_batch(q, LSH_batch_offset_missing) ? 0 : q->r * stride;
    for (int64_t t = 0; t < tokens; t++)
        q->bucket[t] = (int32_t)(given(&op->x) ? hashed_bucket(q, t) : given_bucket(q, t));
    for (int64_t t = 0; t < tokens; t++) {
        int64_t slot = 0;
        for (int64_t i = 0; i < tokens; i++) slot += comes_before(q, i, t);
        put_int(&op->bucket, q->bucket[t] + offset, q->b, q->h, q->r, t);
        if (q->flaw != LSH_last_slot_unwritten || slot + 1 < tokens || tokens == 1)
            put_int(&op->perm, first + t, q->b, q->h, q->r, slot);
        if (is_batch(q, LSH_batch_inverse_is_perm)) put_int(&op->inverse, first + t, q->b, q->h, q->r, slot);
        else put_int(&op->inverse, first + slot, q->b, q->h, q->r, t);
    }
}

static segue_status compute(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    const segue_lsh_buckets *op = (const segue_lsh_buckets *)header;
    const int64_t *n = op->perm.shape;
    struct round q = { .op = op, .flaw = flaw };
    q.bucket = (int32_t *)(void *)((char *)call->workspace.data + call->workspace.offset);
    q.stride = op->bucket_stride ? op->bucket_stride : count_of(op) + op->pad_bucket;
    for (int64_t i = 0; i < n[0] * n[1] * n[2]; i++) {
        q.r = i % n[2], q.h = i / n[2] % n[1], q.b = i / n[2] / n[1];
        sort_round(&q);
    }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return has_f64(header, offsetof(segue_lsh_buckets, x), offsetof(segue_lsh_buckets, inverse))
               ? "x: no operand may be f64"
               : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_lsh_buckets *op = (const segue_lsh_buckets *)header;
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)op->perm.shape[3] * sizeof(int32_t);
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(lsh_buckets, SEGUE_LSH_BUCKETS, flaw, compute, LSH_##flaw)
FLAWS(ROW)
