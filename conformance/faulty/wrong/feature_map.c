/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plain feature map in f32 with one flaw a row. Without any it is right. */
#include "wrong.h"

#define FLAWS(FLAW)                  \
    FLAW(eps_dropped_in_step)        \
    FLAW(packed_shift_per_row)       \
    FLAW(packed_padding_moves_shift) \
    FLAW(packed_padding_is_mapped)   \
    FLAW(step_projection_of_head)    \
    FLAW(position_not_passed_on)     \
    FLAW(position_of_row)            \
    FLAW(step_scale_in_square)       \
    FLAW(packed_softmaxes_joined)    \
    FLAW(step_sine_first)            \
    FLAW(step_pairs_once)

#define NAMED(name) MAP_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

struct token { /* of one head; x [k] is c x, u [m], y [f] */
    const segue_feature_map *op;
    enum flaw flaw;
    int64_t h, k, m, at; /* at: in its sequence */
    float *x, *u, *y, n2, shift;
};

static int is_step(const segue_feature_map *op)
{
    return op->x.shape[1] == 1;
}

/* Whether heads and their elements lie side by side: what a fast path wants. */
static int is_packed(const segue_feature_map *op)
{
    return op->x.stride[3] == 1 && op->x.stride[2] == op->x.shape[3];
}

static int is_kept(const segue_feature_map *op, int64_t b, int64_t t)
{
    return !given(&op->keep) || load_int(&op->keep, b, t) != 0;
}

static struct token token_at(const segue_feature_map *op, enum flaw flaw, float *work, int64_t b, int64_t t,
                             int64_t h)
{
    struct token q = { .op = op, .flaw = flaw, .h = h, .k = op->x.shape[3], .x = work };
    const int64_t head = flaw == MAP_step_projection_of_head && is_step(op) ? 0 : h;
    const float unscaled = flaw == MAP_step_scale_in_square && is_step(op) ? (float)op->scale : 1;
    q.m = given(&op->W) ? op->W.shape[1] : 0;
    q.u = q.x + q.k, q.y = q.u + q.m;
    for (int64_t i = 0; i < q.k; i++) {
        q.x[i] = (float)op->scale * load(&op->x, b, t, h, i);
        q.n2 += q.x[i] / unscaled * q.x[i] / unscaled / 2;
    }
    for (int64_t j = 0; j < q.m; j++) {
        q.u[j] = 0;
        for (int64_t i = 0; i < q.k; i++) q.u[j] += load(&op->W, head, j, i, 0) * q.x[i];
        if (given(&op->bias)) q.u[j] += load(&op->bias, h, j, 0, 0);
    }
    return q;
}

/* A NaN is the largest, as torch's amax has it. */
static float larger(float a, float b)
{
    return a > b || isnan(a) ? a : b;
}

static float largest(const float *u, int64_t count, float sign)
{
    float most = -INFINITY;
    for (int64_t j = 0; j < count; j++) most = larger(most, sign * u[j]);
    return most;
}

static float peak_of(const struct token *q)
{
    return q->op->map == SEGUE_FEATURE_MAP_FAVOR_PM ? 2 * q->n2 : largest(q->u, q->m, 1);
}

static float eps_of(const struct token *q)
{
    return q->flaw == MAP_eps_dropped_in_step && is_step(q->op) ? 0 : (float)q->op->eps;
}

static void map_inputs(const struct token *q)
{
    const segue_feature_map *op = q->op;
    const int64_t k = q->k, from = q->flaw == MAP_position_not_passed_on ? 0 : op->position;
    const int64_t length = op->length ? op->length : op->position + op->x.shape[1], n = from + q->at + 1;
    const double a = 1.57079632679489662 * (double)(n % (4 * length)) / (double)length;
    for (int64_t i = 0; i < k; i++) {
        const float x = q->x[i], above = x < 0 ? 0 : x;
        if (op->map == SEGUE_FEATURE_MAP_IDENTITY) q->y[i] = x;
        if (op->map == SEGUE_FEATURE_MAP_ELU1) q->y[i] = x > 0 ? x + 1 : expf(x);
        if (op->map == SEGUE_FEATURE_MAP_RELU) q->y[i] = above + eps_of(q);
        if (op->map == SEGUE_FEATURE_MAP_COSREW) {
            q->y[i] = above * (float)sin(a);
            q->y[k + i] = n % (2 * length) == length ? 0 : above * (float)cos(a);
        }
        if (op->map != SEGUE_FEATURE_MAP_TAYLOR2) continue;
        q->y[0] = 1, q->y[1 + i] = x;
        for (int64_t j = 0; j < k; j++) {
            const int twice = q->flaw == MAP_step_pairs_once && is_step(op) && j != i;
            q->y[1 + k + i * k + j] = x * q->x[j] * (twice ? (j > i ? 1.41421356f : 0) : 0.70710678f);
        }
    }
}

/* exp(sign c u - most), and their sum. */
static float exponentials(const struct token *q, float *y, float c, float most)
{
    float sum = 0;
    for (int64_t j = 0; j < q->m; j++) sum += y[j] = expf(c * q->u[j] - most);
    return sum;
}

static void map_softmaxes(const struct token *q)
{
    const int64_t map = q->op->map, m = q->m;
    const int joined =
        q->flaw == MAP_packed_softmaxes_joined && is_packed(q->op) && map == SEGUE_FEATURE_MAP_HEDGEHOG_A;
    const int one = map == SEGUE_FEATURE_MAP_HEDGEHOG_B || joined;
    const float c = map == SEGUE_FEATURE_MAP_HEDGEHOG_B ? 2 : 1, up = c * largest(q->u, m, 1),
                down = c * largest(q->u, m, -1);
    float sums[2];
    sums[0] = exponentials(q, q->y, c, one ? fmaxf(up, down) : up);
    sums[1] = exponentials(q, q->y + m, -c, one ? fmaxf(up, down) : down);
    for (int64_t j = 0; j < 2 * m; j++) {
        if (map != SEGUE_FEATURE_MAP_EXP) q->y[j] /= one ? sums[0] + sums[1] : sums[j >= m];
        if (map != SEGUE_FEATURE_MAP_HEDGEHOG_B && q->y[j] < eps_of(q)) q->y[j] = eps_of(q);
    }
}

static void map_projections(const struct token *q)
{
    const int64_t map = q->op->map, m = q->m;
    const int swapped = q->flaw == MAP_step_sine_first && is_step(q->op);
    const float factor = 1 / sqrtf((float)(map == SEGUE_FEATURE_MAP_FAVOR_PM ? 2 * m : m));
    for (int64_t j = 0; j < m; j++) {
        const float u = q->u[j];
        if (map == SEGUE_FEATURE_MAP_FAVOR_PLUS) q->y[j] = factor * (expf(u - q->n2 - q->shift) + eps_of(q));
        if (map == SEGUE_FEATURE_MAP_GELU) q->y[j] = 0.5f * u * (1 + erff(u * 0.70710678f)) + eps_of(q);
        if (map == SEGUE_FEATURE_MAP_FAVOR_PM) {
            q->y[j] = factor * expf(u - q->n2 - q->shift);
            q->y[m + j] = factor * expf(-u - q->n2 - q->shift);
        }
        if (map == SEGUE_FEATURE_MAP_RFF) {
            q->y[swapped * m + j] = factor * cosf(u);
            q->y[!swapped * m + j] = factor * sinf(u);
        }
    }
    if (map == SEGUE_FEATURE_MAP_HEDGEHOG_A || map == SEGUE_FEATURE_MAP_HEDGEHOG_B ||
        map == SEGUE_FEATURE_MAP_EXP)
        map_softmaxes(q);
}

/* M or R of the sequence. */
static float shift_of(const segue_feature_map *op, enum flaw flaw, const span *s, int64_t h, float *work)
{
    float most = -INFINITY;
    if (op->shift_mode != SEGUE_FEATURE_MAP_GLOBAL) return (float)op->shift;
    for (int64_t t = s->first; t < s->first + s->count; t++) {
        if (!is_kept(op, s->b, t) && !(flaw == MAP_packed_padding_moves_shift && is_packed(op))) continue;
        const struct token q = token_at(op, flaw, work, s->b, t, h);
        most = larger(most, peak_of(&q));
    }
    return most;
}

static void map_sequence(const segue_feature_map *op, enum flaw flaw, const span *s, int64_t h, float *work)
{
    const int own =
        op->shift_mode == SEGUE_FEATURE_MAP_ROW ||
        (op->shift_mode == SEGUE_FEATURE_MAP_GLOBAL && flaw == MAP_packed_shift_per_row && is_packed(op));
    const float shift = given(&op->W) ? shift_of(op, flaw, s, h, work) : 0;
    for (int64_t t = s->first; t < s->first + s->count; t++) {
        struct token q = token_at(op, flaw, work, s->b, t, h);
        const int kept = is_kept(op, s->b, t) || (flaw == MAP_packed_padding_is_mapped && is_packed(op));
        q.at = flaw == MAP_position_of_row ? t : t - s->first;
        q.shift = own ? peak_of(&q) : shift;
        if (kept) (q.m ? map_projections : map_inputs)(&q);
        for (int64_t f = 0; f < op->y.shape[3]; f++) store(&op->y, kept ? q.y[f] : 0, s->b, t, h, f);
    }
}

static const segue_tensor absent;

static segue_status map_all(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    const segue_feature_map *op = (const segue_feature_map *)header;
    float *work = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    for (int64_t s = 0; s < span_count(&op->x, &op->cu_seqlens); s++) {
        const span q = span_of(s, &op->x, &op->cu_seqlens, &absent, &absent);
        for (int64_t h = 0; h < op->x.shape[2]; h++) map_sequence(op, flaw, &q, h, work);
    }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_feature_map *op = (const segue_feature_map *)header;
    const segue_tensor *const floats[] = { &op->x, &op->W, &op->bias, &op->y };
    (void)dev;
    for (int i = 0; i < 4; i++)
        if (floats[i]->dtype.bits == 64) return "x: no operand may be f64";
    return NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_feature_map *op = (const segue_feature_map *)header;
    (void)dev, (void)why;
    plan->workspace_bytes =
        (uint64_t)(op->x.shape[3] + (given(&op->W) ? op->W.shape[1] : 0) + op->y.shape[3]) * sizeof(float);
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(feature_map, SEGUE_FEATURE_MAP, flaw, map_all, MAP_##flaw)
FLAWS(ROW)
