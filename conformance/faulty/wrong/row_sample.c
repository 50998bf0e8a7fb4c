/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling of masked positions in f32, id after id, with one flaw a row. Without any it is right. */
#include "diffusion.h"

#include <float.h>

#define FLAWS(FLAW)                \
    FLAW(batch_counter_shared)     \
    FLAW(packed_u_of_24_bits)      \
    FLAW(packed_ties_last)         \
    FLAW(packed_nucleus_short)     \
    FLAW(packed_topk_one_more)     \
    FLAW(packed_topk_without_ties) \
    FLAW(batch_confidence_noisy)   \
    FLAW(batch_raw_is_final)       \
    FLAW(batch_known_sampled)      \
    FLAW(packed_mask_not_banned)   \
    FLAW(packed_guidance_swapped)  \
    FLAW(temperature_of_row_0)     \
    FLAW(batch_banned_ignored)     \
    FLAW(packed_nan_first)         \
    FLAW(batch_window_one_more)    \
    FLAW(packed_row_clamped)

#define NAMED(name) SAMPLE_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

struct pick {
    const segue_row_sample *op;
    int flaw;
    int64_t b, t, n, v;
    float *raw, *l, *score; /* [v], [v], [v + 1]; in the workspace */
};

static int is_packed(const struct pick *q, enum flaw flaw)
{
    const segue_tensor *l = &q->op->logits;
    return q->flaw == (int)flaw && l->stride[2] == 1 && l->stride[1] == l->shape[2];
}

static int is_batch(const struct pick *q, enum flaw flaw)
{
    return q->flaw == (int)flaw && q->op->tok.shape[0] > 1;
}

/* ---- logits ------------------------------------------------------------------------------------- */

static float in_range(float l)
{
    return isnan(l) ? -INFINITY : l > FLT_MAX ? FLT_MAX : l;
}

static int is_banned(const struct pick *q, int64_t id)
{
    const segue_row_sample *op = q->op;
    if (op->transition && id == op->mask_id && !is_packed(q, SAMPLE_packed_mask_not_banned)) return 1;
    for (int64_t i = 0; given(&op->banned) && i < op->banned.shape[0]; i++)
        if (load_int(&op->banned, i, 0) == id) return !is_batch(q, SAMPLE_batch_banned_ignored);
    return 0;
}

static float logit(const struct pick *q, int64_t id)
{
    const segue_row_sample *op = q->op;
    float l = load(&op->logits, q->b, q->n, id, 0);
    if (is_banned(q, id)) return -INFINITY;
    if (given(&op->logits_u)) {
        const float u = load(&op->logits_u, q->b, q->n, id, 0), more = control(&op->guidance, q->b, 0) + 1;
        l = is_packed(q, SAMPLE_packed_guidance_swapped) ? l + more * (u - l) : u + more * (l - u);
    }
    if (isnan(l) && is_packed(q, SAMPLE_packed_nan_first)) return FLT_MAX;
    return in_range(l);
}

static float temperature(const struct pick *q)
{
    return control(&q->op->temperature, q->flaw == SAMPLE_temperature_of_row_0 ? 0 : q->b, 1);
}

static float largest(const float *l, int64_t count)
{
    float most = -INFINITY;
    for (int64_t i = 0; i < count; i++)
        if (l[i] > most) most = l[i];
    return most;
}

static float mass(const float *l, int64_t count, float most)
{
    float sum = 0;
    for (int64_t i = 0; i < count; i++) sum += l[i] == -INFINITY ? 0 : expf(l[i] - most);
    return sum;
}

/* The first behind `other` by (l falling, id rising); -1 = none. */
static int64_t next_of(const float *l, int64_t count, int64_t other)
{
    int64_t next = -1;
    for (int64_t i = 0; i < count; i++) {
        const int behind = other < 0 || l[i] < l[other] || (l[i] == l[other] && i > other);
        if (behind && l[i] > -INFINITY && (next < 0 || l[i] > l[next])) next = i;
    }
    return next;
}

static void filter(const struct pick *q)
{
    const segue_row_sample *op = q->op;
    const float top_p = control(&op->top_p, q->b, 1), most = largest(q->l, q->v), sum = mass(q->l, q->v, most);
    const int64_t top_k = control_int(&op->top_k, q->b, 0);
    const int64_t k = top_k > 0 && is_packed(q, SAMPLE_packed_topk_one_more) ? top_k + 1 : top_k;
    const int excludes = op->nucleus || is_packed(q, SAMPLE_packed_nucleus_short);
    const int exact = op->topk_ties || is_packed(q, SAMPLE_packed_topk_without_ties);
    float before = 0;
    int64_t count = 0, last = -1;
    if (!(top_p < 1) && k <= 0) return;
    memcpy(q->score, q->l, (size_t)q->v * sizeof *q->l);
    for (int64_t id = 0; id < q->v; id++) q->l[id] = -INFINITY;
    for (int64_t id = next_of(q->score, q->v, -1); id >= 0; id = next_of(q->score, q->v, id), count++) {
        const float p = expf(q->score[id] - most) / sum;
        if (count && top_p < 1 && !((excludes ? before + p : before) <= top_p)) return;
        if (k > 0 && count >= k && (exact || q->score[id] < q->score[last])) return;
        q->l[id] = q->score[id], before += p, last = id;
    }
}

/* ---- choice ------------------------------------------------------------------------------------- */

static void words(const struct pick *q, uint32_t block, uint32_t stream, uint32_t c[4])
{
    const segue_row_sample *op = q->op;
    const int64_t row = is_batch(q, SAMPLE_batch_counter_shared) ? 0 : q->b;
    c[0] = block, c[1] = (uint32_t)(given(&op->pos) ? load_int(&op->pos, q->b, q->t) : q->t);
    c[2] = (uint32_t)control_int(&op->seq_id, row, row);
    c[3] = stream << 24 | ((uint32_t)control_int(&op->step, row, 0) & 0xffffff);
    philox(c, given(&op->seed) ? (uint32_t)load_int(&op->seed, row, 0) : 0,
           given(&op->seed) ? (uint32_t)load_int(&op->seed, row, 1) : 0);
}

static float noise_of(const struct pick *q, int64_t id)
{
    const segue_row_sample *op = q->op;
    uint32_t c[4];
    if (op->noise != 1) return gumbel_of(op->noise, load(&op->draws, q->b, q->t, clamped(id, q->v - 1), 0));
    words(q, (uint32_t)(id / 2), 0, c);
    return -logf(exponential(c[2 * (id % 2)], c[2 * (id % 2) + 1]));
}

static int64_t choose(const struct pick *q, float most, float sum)
{
    const segue_row_sample *op = q->op;
    const int64_t mask = op->mask_id >= 0 && op->mask_id < q->v ? op->mask_id : q->v;
    const int noisy = op->noise && temperature(q) > 0;
    int64_t best = -1;
    for (int64_t id = 0; id <= q->v; id++) {
        const int is_mask = op->transition && id == mask;
        float score = id < q->v ? q->l[id] : -INFINITY;
        if (is_mask) score = logf(control(&op->stay, q->b, 0));
        else if (op->transition) score = logf(control(&op->move, q->b, 0)) + (score - most - logf(sum));
        if (noisy && (is_mask || id < q->v))
            score += noise_of(q, !is_mask ? id : op->mask_id < 0 ? 0 : op->mask_id);
        q->score[id] = score;
        if (!(score > -INFINITY)) continue;
        const int wins = best < 0 || score > q->score[best];
        if (wins || (score == q->score[best] && is_packed(q, SAMPLE_packed_ties_last))) best = id;
    }
    return best;
}

static float u_of(const struct pick *q)
{
    uint32_t c[4];
    words(q, 0, 1, c);
    if (is_packed(q, SAMPLE_packed_u_of_24_bits)) return ((float)(c[0] >> 8) + 0.5f) * 0x1p-24f;
    return ((float)(c[0] >> 9) + 0.5f) * 0x1p-23f;
}

static float spread_of(const struct pick *q, float most, float sum)
{
    float total = 0, second = 0;
    const int64_t first = next_of(q->l, q->v, -1), next = next_of(q->l, q->v, first);
    if (next >= 0) second = expf(q->l[next] - most) / sum;
    if (q->op->confidence == SEGUE_ROW_SAMPLE_MARGIN) return expf(q->l[first] - most) / sum - second;
    for (int64_t i = 0; i < q->v; i++) {
        const float p = q->l[i] == -INFINITY ? 0 : expf(q->l[i] - most) / sum;
        total += p * logf(p + 1e-10f);
    }
    return total;
}

static float confidence(const struct pick *q, int64_t id, int is_mask, float most, float sum)
{
    const segue_row_sample *op = q->op;
    const float *of =
        op->confidence == SEGUE_ROW_SAMPLE_PROB_RAW && !is_batch(q, SAMPLE_batch_raw_is_final) ? q->raw : q->l;
    if (op->confidence == SEGUE_ROW_SAMPLE_RANDOM) return u_of(q);
    if (op->confidence > SEGUE_ROW_SAMPLE_PROB_FINAL) return spread_of(q, most, sum);
    if (is_mask) return control(&op->stay, q->b, 0);
    if (is_batch(q, SAMPLE_batch_confidence_noisy) && !op->transition) of = q->score;
    const float top = largest(of, q->v), p = expf(of[id] - top) / mass(of, q->v, top);
    return op->transition ? control(&op->move, q->b, 0) * p : p;
}

/* ---- positions ---------------------------------------------------------------------------------- */

static void put(const struct pick *q, int64_t tok, float conf, float lse, float logp)
{
    const segue_row_sample *op = q->op;
    put_int(&op->tok, tok, q->b, q->t);
    if (given(&op->conf)) store(&op->conf, conf, q->b, q->t, 0, 0);
    if (given(&op->lse)) store(&op->lse, lse, q->b, q->t, 0, 0);
    if (given(&op->logp)) store(&op->logp, logp, q->b, q->t, 0, 0);
}

static void sample(const struct pick *q)
{
    const segue_row_sample *op = q->op;
    const float heat = temperature(q);
    for (int64_t id = 0; id < q->v; id++) {
        q->raw[id] = q->l[id] = logit(q, id);
        if (heat > 0 && given(&op->temperature) && q->raw[id] > -INFINITY)
            q->l[id] = in_range(q->raw[id] / heat);
    }
    filter(q);
    const float most = largest(q->l, q->v), sum = most > -INFINITY ? mass(q->l, q->v, most) : 0;
    const int64_t id = most > -INFINITY ? choose(q, most, sum) : -1;
    if (id < 0) {
        put(q, -1, -INFINITY, -INFINITY, -INFINITY);
        return;
    }
    const int is_mask = op->transition && id == (op->mask_id >= 0 && op->mask_id < q->v ? op->mask_id : q->v);
    const float log_p = is_mask ? logf(control(&op->stay, q->b, 0)) : q->l[id] - most - logf(sum);
    const float move = is_mask || !op->transition ? 0 : logf(control(&op->move, q->b, 0));
    put(q, is_mask ? op->mask_id : id, confidence(q, id, is_mask, most, sum), most + logf(sum), move + log_p);
}

/* Its row of logits; -1 = it is not open. */
static int64_t open_row(const struct pick *q)
{
    const segue_row_sample *op = q->op;
    const int64_t n = given(&op->row) ? load_int(&op->row, q->b, q->t) : q->t;
    const int64_t hi = control_int(&op->hi, q->b, INT32_MAX) + is_batch(q, SAMPLE_batch_window_one_more);
    if (q->t < control_int(&op->lo, q->b, 0) || q->t >= hi) return -1;
    if (given(&op->x) && load_int(&op->x, q->b, q->t) != op->mask_id &&
        !is_batch(q, SAMPLE_batch_known_sampled))
        return -1;
    if (op->logits.shape[1] && is_packed(q, SAMPLE_packed_row_clamped))
        return clamped(n, op->logits.shape[1] - 1);
    return n >= 0 && n < op->logits.shape[1] ? n : -1;
}

segue_status wrong_row_sample(const segue_op_header *header, const segue_kit_call *call, int flaw)
{
    const segue_row_sample *op = (const segue_row_sample *)header;
    struct pick q = { .op = op, .flaw = flaw, .v = op->logits.shape[2] };
    q.raw = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    q.l = q.raw + q.v, q.score = q.l + q.v;
    for (q.b = 0; q.b < op->tok.shape[0]; q.b++)
        for (q.t = 0; q.t < op->tok.shape[1]; q.t++) {
            q.n = open_row(&q);
            if (q.n >= 0) sample(&q);
            else put(&q, given(&op->x) ? load_int(&op->x, q.b, q.t) : -1, -INFINITY, -INFINITY, -INFINITY);
        }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return has_f64(header, offsetof(segue_row_sample, logits), offsetof(segue_row_sample, logp))
               ? "logits: no operand may be f64"
               : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes =
        (uint64_t)(3 * ((const segue_row_sample *)header)->logits.shape[2] + 1) * sizeof(float);
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(row_sample, SEGUE_ROW_SAMPLE, flaw, wrong_row_sample, SAMPLE_##flaw)
FLAWS(ROW)
