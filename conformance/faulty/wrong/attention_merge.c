/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plain merge of attention parts in f32 with one flaw a row. Without any it is right. */
#include "wrong.h"

#define FLAWS(FLAW)               \
    FLAW(step_base_2)             \
    FLAW(packed_not_normalised)   \
    FLAW(empty_at_minus_1e4)      \
    FLAW(step_maximum_of_first)   \
    FLAW(batch_plus_inf_a_number) \
    FLAW(nan_masked)              \
    FLAW(step_lse_is_maximum)     \
    FLAW(step_weight_not_in_sum)  \
    FLAW(odd_part_left_out)       \
    FLAW(packed_weights_in_bf16)  \
    FLAW(packed_heads_in_turn)    \
    FLAW(all_empty_unwritten)

#define NAMED(name) MERGE_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

enum { MOST_PARTS = 64 };

struct row {
    const segue_attention_merge *op;
    enum flaw flaw;
    int64_t b, t, h, parts;
    int packed, step; /* whether channels and heads lie side by side; whether there is one token */
    float most, sum;
    float log[MOST_PARTS], weight[MOST_PARTS];
};

static int is_step(const struct row *q, enum flaw flaw)
{
    return q->flaw == flaw && q->step;
}

static int is_packed(const struct row *q, enum flaw flaw)
{
    return q->flaw == flaw && q->packed;
}

static float extra_of(const struct row *q, int64_t r)
{
    return given(&q->op->log_weight) ? load(&q->op->log_weight, r, q->b, q->t, q->h) : 0;
}

/* load() of an element of rank 5: by its place in a tensor of one axis. */
static float load_part(const struct row *q, int64_t r, int64_t v)
{
    const int64_t *n = q->op->o.stride, heads = q->op->y.shape[2];
    const int64_t h = is_packed(q, MERGE_packed_heads_in_turn) ? (q->h + r) % heads : q->h;
    segue_tensor flat = q->op->o;
    flat.stride[0] = 1, flat.stride[1] = flat.stride[2] = flat.stride[3] = 0;
    return load(&flat, r * n[0] + q->b * n[1] + q->t * n[2] + h * n[3] + v * n[4], 0, 0, 0);
}

static void find_logs(struct row *q)
{
    const int empty_is_inf = q->op->plus_inf_empty && !(q->flaw == MERGE_batch_plus_inf_a_number && q->b > 0);
    q->most = -INFINITY;
    for (int64_t r = 0; r < q->parts; r++) {
        float l = load(&q->op->lse, r, q->b, q->t, q->h);
        if (empty_is_inf && l == INFINITY) l = -INFINITY;
        if (l > -INFINITY) l += extra_of(q, r);
        if (l == -INFINITY && q->flaw == MERGE_empty_at_minus_1e4) l = -1e4f;
        q->log[r] = l;
        if (l > q->most) q->most = l;
    }
    if (is_step(q, MERGE_step_maximum_of_first)) q->most = q->log[0];
}

static void find_weights(struct row *q)
{
    q->sum = 0;
    for (int64_t r = 0; r < q->parts; r++) {
        const float away = q->log[r] - q->most;
        float w = q->log[r] == -INFINITY ? 0 : is_step(q, MERGE_step_base_2) ? exp2f(away) : expf(away);
        if (is_packed(q, MERGE_packed_weights_in_bf16)) w = to_bf16(w);
        q->weight[r] = w;
        q->sum += is_step(q, MERGE_step_weight_not_in_sum) && w > 0 ? w * expf(-extra_of(q, r)) : w;
    }
}

static void merge(struct row *q)
{
    const segue_attention_merge *op = q->op;
    q->parts = op->lse.shape[0];
    if (q->flaw == MERGE_odd_part_left_out && !q->step && q->parts > 1) q->parts -= q->parts % 2;
    find_logs(q);
    if (q->most == -INFINITY && q->flaw == MERGE_all_empty_unwritten && q->parts) return;
    find_weights(q);
    const int normal = !is_packed(q, MERGE_packed_not_normalised);
    for (int64_t v = 0; v < op->y.shape[3]; v++) {
        float all = 0;
        for (int64_t r = 0; r < q->parts; r++)
            if (q->log[r] != -INFINITY || q->flaw == MERGE_nan_masked) all += q->weight[r] * load_part(q, r, v);
        store(&op->y, q->sum != 0 && normal ? all / q->sum : all, q->b, q->t, q->h, v);
    }
    if (!given(&op->lse_out)) return;
    const float log_sum = is_step(q, MERGE_step_lse_is_maximum) ? 0 : logf(q->sum);
    store(&op->lse_out, q->sum != 0 ? q->most + log_sum : -INFINITY, q->b, q->t, q->h, 0);
}

static segue_status merge_all(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    const segue_attention_merge *op = (const segue_attention_merge *)header;
    const int64_t *n = op->y.shape, all = n[0] * n[1] * n[2];
    (void)call;
    for (int64_t i = 0; i < all; i++) {
        struct row q = { .op = op, .flaw = flaw, .b = i / n[2] / n[1], .t = i / n[2] % n[1], .h = i % n[2] };
        q.packed = op->y.stride[3] == 1 && op->y.stride[2] == n[3];
        q.step = n[1] == 1;
        merge(&q);
    }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_attention_merge *op = (const segue_attention_merge *)header;
    (void)dev;
    if (op->lse.shape[0] > MOST_PARTS) return "lse: r is at most 64";
    return has_f64(header, offsetof(segue_attention_merge, o), offsetof(segue_attention_merge, lse_out))
               ? "o: no operand may be f64"
               : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)header, (void)dev, (void)plan, (void)why;
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(attention_merge, SEGUE_ATTENTION_MERGE, flaw, merge_all, MERGE_##flaw)
FLAWS(ROW)
