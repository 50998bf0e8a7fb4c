/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plain SSD in f32, token after token, with one flaw a row: fused kernels for a composite, which win over its lowering. */
#include "wrong.h"

#define FLAWS(FLAW)              \
    FLAW(limits_dropped_in_step) \
    FLAW(lower_limit_dropped)    \
    FLAW(skip_per_head)          \
    FLAW(softplus_before_bias)   \
    FLAW(group_modulo)           \
    FLAW(state_transposed)       \
    FLAW(step_not_written)

#define NAMED(name) SSD_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

enum { TILE = 16 };

struct ssd {
    const segue_ssd *op;
    enum flaw flaw;
    span q;
    int64_t h, values, states;
    float *x; /* [v n] */
};

/* Token t of the sequence is in a whole tile. */
static int in_tile(const struct ssd *s, int64_t t)
{
    return t < s->q.count / TILE * TILE;
}

static float softplus(float x)
{
    return x > 20 ? x : log1pf(expf(x));
}

static float step_of(const struct ssd *s, int64_t t)
{
    const segue_ssd *op = s->op;
    const float raw = load(&op->dt, s->q.b, s->q.first + t, s->h, 0);
    const float bias = given(&op->dt_bias) ? load(&op->dt_bias, s->h, 0, 0, 0) : 0;
    const int early = s->flaw == SSD_softplus_before_bias;
    float delta = !op->softplus ? raw + bias : early ? softplus(raw) + bias : softplus(raw + bias);
    if (s->flaw == SSD_limits_dropped_in_step && s->q.count == 1) return delta;
    if (delta < (float)op->dt_min && !(s->flaw == SSD_lower_limit_dropped && in_tile(s, t)))
        delta = (float)op->dt_min;
    return delta > (float)op->dt_max ? (float)op->dt_max : delta;
}

/* state_transposed: n and v change places, as far as the operand goes. */
static char *state_place(const struct ssd *s, const segue_tensor *h, int64_t row, int64_t v, int64_t n)
{
    const int64_t size = h->dtype.bits / 8;
    const int64_t at = (int64_t)h->offset + (index_of(h, row, s->h, 0, 0) + n * s->values + v) * size;
    if (s->flaw != SSD_state_transposed) return place_of(h, row, s->h, v, n);
    return (char *)h->data + clamped(at, (int64_t)h->bytes - size);
}

static void begin(struct ssd *s)
{
    const segue_tensor *h = &s->op->h_in;
    for (int64_t v = 0; v < s->values; v++)
        for (int64_t n = 0; n < s->states; n++)
            s->x[v * s->states + n] =
                given(h) && s->q.read >= 0 ? load_bytes(h, state_place(s, h, s->q.read, v, n)) : 0;
}

static void finish(const struct ssd *s)
{
    const segue_tensor *h = &s->op->h_out;
    if (!given(h) || s->q.write < 0) return;
    for (int64_t v = 0; v < s->values; v++)
        for (int64_t n = 0; n < s->states; n++)
            store_bytes(h, state_place(s, h, s->q.write, v, n), s->x[v * s->states + n]);
}

static void token(struct ssd *s, int64_t t)
{
    const segue_ssd *op = s->op;
    const int64_t b = s->q.b, at = s->q.first + t, groups = op->B.shape[2], heads = op->x.shape[2];
    const int64_t g = s->flaw == SSD_group_modulo ? s->h % groups : s->h / (heads / groups);
    const float delta = step_of(s, t), decay = expf(delta * load(&op->A, s->h, 0, 0, 0));
    const float gain = s->flaw == SSD_step_not_written ? 1 : delta;
    const int per_head = s->flaw == SSD_skip_per_head && in_tile(s, t);
    for (int64_t v = 0; v < s->values; v++) {
        const float x = load(&op->x, b, at, s->h, v);
        float *state = s->x + v * s->states, y = 0;
        for (int64_t n = 0; n < s->states; n++) {
            state[n] = decay * state[n] + gain * x * load(&op->B, b, at, g, n);
            y += load(&op->C, b, at, g, n) * state[n];
        }
        if (given(&op->D)) y += load(&op->D, s->h, per_head ? 0 : v, 0, 0) * x;
        if (given(&op->z)) {
            const float z = load(&op->z, b, at, s->h, v);
            y *= z / (1 + expf(-z));
        }
        store(&op->y, y, b, at, s->h, v);
    }
}

static void sequence(struct ssd *s)
{
    const int64_t heads = s->op->x.shape[2];
    for (s->h = 0; s->h < heads; s->h++) {
        for (int64_t t = 0; s->q.padding && t < s->q.count; t++)
            for (int64_t v = 0; v < s->values; v++) store(&s->op->y, 0, s->q.b, s->q.first + t, s->h, v);
        if (s->q.padding) continue;
        begin(s);
        for (int64_t t = 0; t < s->q.count; t++) token(s, t);
        finish(s);
    }
}

static segue_status compute(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    struct ssd s = { .op = (const segue_ssd *)header, .flaw = flaw };
    const segue_ssd *op = s.op;
    s.values = op->x.shape[3], s.states = op->B.shape[3];
    s.x = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    for (int64_t i = 0; i < span_count(&op->x, &op->cu_seqlens); i++) {
        s.q = span_of(i, &op->x, &op->cu_seqlens, &op->slot, given(&op->h_in) ? &op->h_in : &op->h_out);
        sequence(&s);
    }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return has_f64(header, offsetof(segue_ssd, x), offsetof(segue_ssd, y)) ? "x: no operand may be f64" : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_ssd *op = (const segue_ssd *)header;
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)(op->x.shape[3] * op->B.shape[3]) * sizeof(float);
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(ssd, SEGUE_SSD, flaw, compute, SSD_##flaw)
FLAWS(ROW)
