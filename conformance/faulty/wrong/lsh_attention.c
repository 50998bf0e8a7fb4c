/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plain LSH attention in f32, token after token, with one flaw a row: fused kernels for a composite, which win over its
 * lowering. Without any it is right. */
#include "wrong.h"

#define FLAWS(FLAW)                \
    FLAW(batch_rounds_averaged)    \
    FLAW(batch_merge_in_base_2)    \
    FLAW(batch_stale_bucket)       \
    FLAW(batch_self_before_bucket) \
    FLAW(packed_self_added)        \
    FLAW(packed_scale_dropped)     \
    FLAW(packed_key_unscaled)      \
    FLAW(packed_eps_on_sum)        \
    FLAW(batch_no_wrap)            \
    FLAW(batch_wrap_in_round)      \
    FLAW(batch_counted_once)       \
    FLAW(packed_unstable)          \
    FLAW(batch_keep_masks_queries) \
    FLAW(batch_causal_by_slot)     \
    FLAW(batch_padding_hashed)     \
    FLAW(packed_masked_by_zero)    \
    FLAW(round_y_of_last)

#define NAMED(name) LSHA_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

struct lsh {
    const segue_lsh_attention *op;
    enum flaw flaw;
    int64_t b, h, t, tokens, rounds, stride;
    int32_t *bucket, *order, *slot; /* [r t]; in the workspace, as is all below */
    float *score, *out, *lse;       /* [r t], [r v], [r] */
};

static int64_t columns_of(const segue_tensor *R)
{
    return given(R) ? R->shape[3] : 0;
}

static int64_t count_of(const segue_lsh_attention *op)
{
    return 2 * columns_of(&op->R) * (given(&op->R_2) ? 2 * columns_of(&op->R_2) : 1);
}

static int64_t stride_of(const segue_lsh_attention *op)
{
    return op->bucket_stride ? op->bucket_stride : count_of(op) + op->pad_bucket;
}

static int64_t rounds_of(const segue_lsh_attention *op)
{
    return given(&op->R) ? op->R.shape[2] : op->bucket_in.shape[2];
}

/* Whether heads and their elements lie side by side: what a fast path wants. */
static int is_packed(const struct lsh *q, enum flaw flaw)
{
    const segue_tensor *x = &q->op->x;
    return q->flaw == flaw && x->stride[3] == 1 && x->stride[2] == x->shape[3];
}

static int is_batch(const struct lsh *q, enum flaw flaw)
{
    return q->flaw == flaw && q->op->x.shape[0] > 1;
}

static int masks(const struct lsh *q, int64_t t)
{
    return given(&q->op->keep) && !load_int(&q->op->keep, q->b, t);
}

/* ---- buckets ------------------------------------------------------------------------------------ */

static int64_t largest(const struct lsh *q, const segue_tensor *R, int64_t r, int64_t t)
{
    const int64_t columns = R->shape[3];
    float best = -INFINITY;
    int64_t at = 0;
    for (int64_t f = 0; f < 2 * columns; f++) {
        float y = 0;
        for (int64_t k = 0; k < R->shape[1]; k++)
            y += load(R, q->h, k, r, f % columns) * load(&q->op->x, q->b, t, q->h, k);
        if (f >= columns) y = -y;
        if (y > best) best = y, at = f;
    }
    return at;
}

static int64_t bucket_of(const struct lsh *q, int64_t r, int64_t t)
{
    const segue_lsh_attention *op = q->op;
    int32_t x;
    if (given(&op->bucket_in)) {
        memcpy(&x, place_of(&op->bucket_in, q->b, q->h, r, t), sizeof x);
        return clamped(x - r * q->stride, q->stride - 1);
    }
    if (op->pad_bucket && masks(q, t) && !is_batch(q, LSHA_batch_padding_hashed)) return count_of(op);
    const int64_t second = given(&op->R_2) ? largest(q, &op->R_2, r, t) : 0;
    return largest(q, &op->R, r, t) + 2 * columns_of(&op->R) * second;
}

static void sort_round(const struct lsh *q, int64_t r)
{
    const int64_t first = r * q->tokens;
    int32_t *const bucket = q->bucket + first;
    const int later = is_packed(q, LSHA_packed_unstable);
    for (int64_t t = 0; t < q->tokens; t++) bucket[t] = (int32_t)bucket_of(q, r, t);
    for (int64_t t = 0; t < q->tokens; t++) {
        int64_t before = 0;
        for (int64_t i = 0; i < q->tokens; i++)
            before += bucket[i] < bucket[t] || (bucket[i] == bucket[t] && (later ? i > t : i < t));
        q->order[first + before] = (int32_t)t;
        q->slot[first + t] = (int32_t)(first + before);
    }
}

/* ---- what a token sees -------------------------------------------------------------------------- */

static int64_t times_reached(const struct lsh *q, int64_t own, int64_t of)
{
    const segue_lsh_attention *op = q->op;
    const int64_t all = q->rounds * q->tokens / op->chunk, each = q->tokens / op->chunk;
    const int in_round = is_batch(q, LSHA_batch_wrap_in_round);
    const int64_t from = in_round ? own / each * each : 0, chunks = in_round ? each : all;
    int64_t times = 0;
    for (int64_t d = -op->chunks_before; d <= op->chunks_after; d++) {
        const int64_t at = own - from + d;
        if (is_batch(q, LSHA_batch_no_wrap) && (at < 0 || at >= chunks)) continue;
        times += from + (at % chunks + chunks) % chunks == of;
    }
    return is_batch(q, LSHA_batch_counted_once) && times ? 1 : times;
}

static int same_bucket(const struct lsh *q, int64_t r, int64_t slot)
{
    const int64_t round = slot / q->tokens, item = round * q->tokens + q->order[slot];
    const int64_t stale = is_batch(q, LSHA_batch_stale_bucket) && r > 0 ? q->tokens : 0;
    return round == r && q->bucket[item - stale] == q->bucket[r * q->tokens + q->t - stale];
}

static int is_visible(const struct lsh *q, int64_t r, int64_t slot)
{
    const segue_lsh_attention *op = q->op;
    const int64_t i = q->order[slot];
    const int own_round = !op->same_bucket || same_bucket(q, r, slot);
    if (i == q->t) return own_round || !is_batch(q, LSHA_batch_self_before_bucket);
    if (is_batch(q, LSHA_batch_keep_masks_queries) && masks(q, q->t)) return 0;
    const int by_slot = is_batch(q, LSHA_batch_causal_by_slot);
    if (op->causal && (by_slot ? slot > q->slot[r * q->tokens + q->t] : i > q->t)) return 0;
    return own_round && (!masks(q, i) || is_packed(q, LSHA_packed_masked_by_zero));
}

static float length_of(const struct lsh *q, int64_t i)
{
    const segue_tensor *x = &q->op->x;
    float sum = (float)q->op->key_eps * (is_packed(q, LSHA_packed_eps_on_sum) ? 1 : (float)x->shape[3]);
    for (int64_t k = 0; k < x->shape[3]; k++) {
        const float a = load(x, q->b, i, q->h, k);
        sum += a * a;
    }
    return sum > 0 && !is_packed(q, LSHA_packed_key_unscaled) ? sqrtf(sum) : isnan(sum) ? sum : 1;
}

static float score_of(const struct lsh *q, int64_t i)
{
    const segue_tensor *x = &q->op->x;
    const int added = is_packed(q, LSHA_packed_self_added);
    const float self = (float)q->op->self_value, length = length_of(q, i);
    float s = 0;
    if (i == q->t && !added) return self;
    for (int64_t k = 0; k < x->shape[3]; k++)
        s += load(x, q->b, q->t, q->h, k) * (load(x, q->b, i, q->h, k) / length);
    if (!is_packed(q, LSHA_packed_scale_dropped)) s *= (float)q->op->scale;
    return i == q->t ? s + self : s;
}

/* ---- rounds ------------------------------------------------------------------------------------- */

static void attend(const struct lsh *q, int64_t r)
{
    const int64_t slots = q->rounds * q->tokens, values = q->op->v.shape[3], chunk = q->op->chunk;
    const int64_t own = q->slot[r * q->tokens + q->t] / chunk;
    float *const y = q->out + r * values;
    float most = -INFINITY, Z = 0;
    for (int64_t v = 0; v < values; v++) y[v] = 0;
    for (int64_t s = 0; s < slots; s++) {
        if (!times_reached(q, own, s / chunk) || !is_visible(q, r, s)) continue;
        q->score[s] = score_of(q, q->order[s]);
        if (masks(q, q->order[s]) && q->order[s] != q->t) q->score[s] = -INFINITY; /* masked_by_zero */
        if (q->score[s] > most || isnan(q->score[s])) most = q->score[s];
    }
    for (int64_t s = 0; s < slots; s++) {
        const int64_t times = times_reached(q, own, s / chunk);
        if (!times || !is_visible(q, r, s)) continue;
        const float weight = (float)times * expf(q->score[s] - most);
        Z += weight;
        for (int64_t v = 0; v < values; v++) y[v] += weight * load(&q->op->v, q->b, q->order[s], q->h, v);
    }
    for (int64_t v = 0; v < values; v++) y[v] /= Z;
    q->lse[r] = most + logf(Z);
}

static float weight_of(const struct lsh *q, int64_t r, float most)
{
    if (is_batch(q, LSHA_batch_rounds_averaged)) return 1;
    return is_batch(q, LSHA_batch_merge_in_base_2) ? exp2f(q->lse[r] - most) : expf(q->lse[r] - most);
}

static void store_round(const struct lsh *q, int64_t r)
{
    const segue_tensor *t = &q->op->round_y;
    const int64_t values = q->op->v.shape[3], from = q->flaw == LSHA_round_y_of_last ? q->rounds - 1 : r;
    if (given(&q->op->round_lse)) store(&q->op->round_lse, q->lse[r], q->b, r, q->t, q->h);
    for (int64_t v = 0; given(t) && v < values; v++) {
        const int64_t at = index_of(t, q->b, r, q->t, q->h) + v * t->stride[4];
        store_bytes(t, (char *)t->data + ((int64_t)t->offset + at * (t->dtype.bits / 8)),
                    q->out[from * values + v]);
    }
}

static void answer(const struct lsh *q)
{
    const segue_lsh_attention *op = q->op;
    const int64_t values = op->v.shape[3];
    float most = -INFINITY, sum = 0, Z = 0;
    for (int64_t r = 0; r < q->rounds; r++) attend(q, r);
    for (int64_t r = 0; r < q->rounds; r++) {
        store_round(q, r);
        if (q->lse[r] > most || isnan(q->lse[r])) most = q->lse[r];
    }
    for (int64_t r = 0; r < q->rounds; r++) sum += weight_of(q, r, most), Z += expf(q->lse[r] - most);
    for (int64_t v = 0; v < values; v++) {
        float y = 0;
        for (int64_t r = 0; r < q->rounds; r++) y += weight_of(q, r, most) * q->out[r * values + v];
        store(&op->y, y / sum, q->b, q->t, q->h, v);
    }
    if (given(&op->lse)) store(&op->lse, most + logf(Z), q->b, q->t, q->h, 0);
}

static segue_status compute(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    const segue_lsh_attention *op = (const segue_lsh_attention *)header;
    struct lsh q = { .op = op, .flaw = flaw, .tokens = op->x.shape[1] };
    q.rounds = rounds_of(op), q.stride = stride_of(op);
    const int64_t items = q.rounds * q.tokens;
    q.bucket = (int32_t *)(void *)((char *)call->workspace.data + call->workspace.offset);
    q.order = q.bucket + items, q.slot = q.order + items;
    q.score = (float *)(void *)(q.slot + items), q.out = q.score + items,
    q.lse = q.out + q.rounds * op->v.shape[3];
    for (q.b = 0; q.b < op->x.shape[0]; q.b++)
        for (q.h = 0; q.h < op->x.shape[2]; q.h++) {
            for (int64_t r = 0; r < q.rounds; r++) sort_round(&q, r);
            for (q.t = 0; q.t < q.tokens; q.t++) answer(&q);
        }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return has_f64(header, offsetof(segue_lsh_attention, x), offsetof(segue_lsh_attention, round_lse))
               ? "x: no operand may be f64"
               : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_lsh_attention *op = (const segue_lsh_attention *)header;
    const int64_t rounds = rounds_of(op), items = rounds * op->x.shape[1];
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)(4 * items + rounds * (op->v.shape[3] + 1)) * sizeof(float);
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(lsh_attention, SEGUE_LSH_ATTENTION, flaw, compute, LSHA_##flaw)
FLAWS(ROW)
