/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plain preparation of gates in f32 with one flaw a row. Without any it is right. */
#include "wrong.h"

#define FLAWS(FLAW)                \
    FLAW(limit_dropped_in_step)    \
    FLAW(packed_limit_behind_rate) \
    FLAW(packed_softplus_plain)    \
    FLAW(step_bias_behind)         \
    FLAW(step_rate_of_head)        \
    FLAW(step_key_by_difference)   \
    FLAW(packed_bound_ignored)     \
    FLAW(step_divisor_dropped)     \
    FLAW(batch_slope_behind)       \
    FLAW(step_cap_is_clamp)

#define NAMED(name) GATE_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

struct gate {
    const segue_gate_prep *op;
    enum flaw flaw;
    int64_t h, k;
    float x, bias, delta, g, key; /* x: with its bias */
};

static int is_step(const struct gate *q, enum flaw flaw)
{
    return q->flaw == flaw && q->op->x.shape[1] == 1;
}

/* Whether heads and their elements lie side by side: what a fast path wants. */
static int is_packed(const struct gate *q, enum flaw flaw)
{
    const segue_tensor *x = &q->op->x;
    return q->flaw == flaw && x->stride[3] == 1 && x->stride[2] == x->shape[3];
}

static float log_sigmoid(float x)
{
    return x < 0 ? x - log1pf(expf(x)) : -log1pf(expf(-x));
}

static float sigmoid(float x)
{
    return x < 0 ? expf(x) / (1 + expf(x)) : 1 / (1 + expf(-x));
}

static float limited(const struct gate *q, float delta)
{
    if (is_step(q, GATE_limit_dropped_in_step)) return delta;
    delta = delta < (float)q->op->dt_min ? (float)q->op->dt_min : delta;
    return q->op->dt_max < 1e30 && delta > (float)q->op->dt_max ? (float)q->op->dt_max : delta;
}

static void gate_delta(struct gate *q)
{
    const segue_gate_prep *op = q->op;
    const int64_t head = is_step(q, GATE_step_rate_of_head) ? 0 : q->h;
    const float rate = given(&op->A)       ? load(&op->A, head, 0, 0, 0)
                       : given(&op->A_log) ? -expf(load(&op->A_log, head, 0, 0, 0))
                                           : -1;
    const float bias = is_step(q, GATE_step_bias_behind) ? q->bias : 0;
    float delta = q->x - bias;
    if (op->softplus && is_packed(q, GATE_packed_softplus_plain)) delta = logf(1 + expf(delta));
    else if (op->softplus) delta = delta > 20 ? delta : log1pf(expf(delta));
    delta += bias;
    q->delta = limited(q, delta);
    q->g = is_packed(q, GATE_packed_limit_behind_rate) ? rate * delta : rate * q->delta;
}

static void gate_hgrn2(struct gate *q)
{
    const float given_bound = load(&q->op->lower_bound, q->h, q->k, 0, 0);
    const float l = is_packed(q, GATE_packed_bound_ignored) ? 0 : given_bound;
    const float a = logf(l), b = logf(1 - l) + log_sigmoid(q->x), gap = a - b;
    q->g = (gap > 0 ? a : b) - log_sigmoid(fabsf(gap));
    q->key = is_step(q, GATE_step_key_by_difference) ? 1 - expf(q->g) : (1 - l) * sigmoid(-q->x);
}

static void gate_bounded(struct gate *q)
{
    const float slope = expf(load(&q->op->A_log, q->h, 0, 0, 0));
    const int behind = q->flaw == GATE_batch_slope_behind && q->op->x.shape[0] > 1;
    q->g = (float)q->op->lower * sigmoid(behind ? slope * (q->x - q->bias) + q->bias : slope * q->x);
}

static void prepare_gate(struct gate *q)
{
    const segue_gate_prep *op = q->op;
    const float divisor = is_step(q, GATE_step_divisor_dropped) ? 1 : (float)op->divisor, cap = (float)op->cap;
    if (op->gate == SEGUE_GATE_PREP_DELTA) gate_delta(q);
    if (op->gate == SEGUE_GATE_PREP_LOG_SIGMOID) q->g = log_sigmoid(q->x) / divisor;
    if (op->gate == SEGUE_GATE_PREP_HGRN2) gate_hgrn2(q);
    if (op->gate == SEGUE_GATE_PREP_BOUNDED) gate_bounded(q);
    if (op->gate == SEGUE_GATE_PREP_RWKV7) q->g = -0.60653066f * sigmoid(q->x);
    if (op->gate == SEGUE_GATE_PREP_RWKV) q->g = -expf(q->x);
    if (op->gate != SEGUE_GATE_PREP_SOFT_CAP) return;
    const int clamp = is_step(q, GATE_step_cap_is_clamp);
    q->g = clamp ? fminf(fmaxf(q->x, -cap), cap) : cap * tanhf(q->x / cap);
}

static segue_status prepare_all(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    const segue_gate_prep *op = (const segue_gate_prep *)header;
    const int64_t *n = op->x.shape, all = n[0] * n[1] * n[2] * n[3];
    (void)call;
    for (int64_t i = 0; i < all; i++) {
        const int64_t k = i % n[3], h = i / n[3] % n[2], t = i / n[3] / n[2] % n[1], b = i / n[3] / n[2] / n[1];
        struct gate q = { .op = op, .flaw = flaw, .h = h, .k = k };
        q.bias = given(&op->bias) ? load(&op->bias, h, k, 0, 0) : 0;
        q.x = load(&op->x, b, t, h, k) + q.bias;
        prepare_gate(&q);
        if (given(&op->delta)) store(&op->delta, q.delta, b, t, h, k);
        if (given(&op->g)) store(&op->g, q.g, b, t, h, k);
        if (given(&op->key)) store(&op->key, q.key, b, t, h, k);
    }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return has_f64(header, offsetof(segue_gate_prep, x), offsetof(segue_gate_prep, key))
               ? "x: no operand may be f64"
               : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)header, (void)dev, (void)plan, (void)why;
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(gate_prep, SEGUE_GATE_PREP, flaw, prepare_all, GATE_##flaw)
FLAWS(ROW)
