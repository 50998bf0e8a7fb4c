/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plain gated norm in f32 with one flaw a row. Without any it is right. */
#include "wrong.h"

#define FLAWS(FLAW)            \
    FLAW(step_gate_swapped)    \
    FLAW(packed_statistics)    \
    FLAW(packed_eps_outside)   \
    FLAW(batch_bias_first)     \
    FLAW(squares_less_mean)    \
    FLAW(packed_tail_left_out) \
    FLAW(step_weight_of_head)  \
    FLAW(step_sigmoid_ignored)

#define NAMED(name) NORM_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

enum { VECTOR = 4, TILE = 16 };

struct row { /* one of [b t h], or all heads of a token as one */
    const segue_gated_norm *op;
    enum flaw flaw;
    int64_t b, t, h, heads;
};

static int is_step(const segue_gated_norm *op)
{
    return op->x.shape[1] == 1;
}

/* Whether heads and their elements lie side by side: what a fast path wants. */
static int is_packed(const segue_gated_norm *op)
{
    return op->x.stride[3] == 1 && op->x.stride[2] == op->x.shape[3];
}

static float gate_at(const struct row *r, int64_t h, int64_t d)
{
    const float z = load(&r->op->z, r->b, r->t, h, d);
    const int ignored = r->flaw == NORM_step_sigmoid_ignored && is_step(r->op);
    const int sigmoid = r->op->gate == SEGUE_GATED_NORM_SIGMOID && !ignored;
    return (sigmoid ? 1 : z) / (1 + expf(-z));
}

/* Whether z is there and is applied behind the norm, or in front of it. */
static int has_gate(const struct row *r, int behind)
{
    const int swapped = r->flaw == NORM_step_gate_swapped && is_step(r->op);
    return given(&r->op->z) && (r->op->norm_before_gate != 0) == (behind != swapped);
}

static float value_at(const struct row *r, int64_t h, int64_t d)
{
    const float x = load(&r->op->x, r->b, r->t, h, d);
    return has_gate(r, 0) ? x * gate_at(r, h, d) : x;
}

/* Sum over the row of (v - mean)^power. */
static float sum_of(const struct row *r, float mean, int power)
{
    const int64_t count = r->op->x.shape[3];
    const int vectors = r->flaw == NORM_packed_tail_left_out && is_packed(r->op) && count >= VECTOR;
    const int64_t used = vectors ? count - count % VECTOR : count;
    float sum = 0;
    for (int64_t h = r->h; h < r->h + r->heads; h++)
        for (int64_t d = 0; d < used; d++) {
            const float v = value_at(r, h, d) - mean;
            sum += power == 2 ? v * v : v;
        }
    return sum;
}

static float output(const struct row *r, int64_t h, int64_t d, float normed)
{
    const segue_gated_norm *op = r->op;
    const int64_t weight_head = r->flaw == NORM_step_weight_of_head && is_step(op) ? 0 : h;
    const float weight = given(&op->weight) ? load(&op->weight, weight_head, d, 0, 0) : 1;
    const float bias = given(&op->bias) ? load(&op->bias, h, d, 0, 0) : 0;
    const int bias_first = r->flaw == NORM_batch_bias_first && op->x.shape[0] > 1;
    const float y = bias_first ? (normed + bias) * weight : normed * weight + bias;
    return has_gate(r, 1) ? y * gate_at(r, h, d) : y;
}

static void normalise(const struct row *r)
{
    const segue_gated_norm *op = r->op;
    const float count = (float)(op->x.shape[3] * r->heads), eps = (float)op->eps;
    const float mean = op->kind == SEGUE_GATED_NORM_LAYER ? sum_of(r, 0, 1) / count : 0;
    const int less_mean = r->flaw == NORM_squares_less_mean && op->x.shape[1] >= TILE;
    const float variance =
        less_mean ? fmaxf(sum_of(r, 0, 2) / count - mean * mean, 0) : sum_of(r, mean, 2) / count;
    const int outside = r->flaw == NORM_packed_eps_outside && is_packed(op);
    const float deviation = outside ? sqrtf(variance) + eps : sqrtf(variance + eps);
    for (int64_t h = r->h; h < r->h + r->heads; h++)
        for (int64_t d = 0; d < op->x.shape[3]; d++)
            store(&op->y, output(r, h, d, (value_at(r, h, d) - mean) / deviation), r->b, r->t, h, d);
}

static const segue_tensor absent;

static segue_status norm(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    const segue_gated_norm *op = (const segue_gated_norm *)header;
    const int64_t heads = flaw == NORM_packed_statistics && is_packed(op) ? op->x.shape[2] : 1;
    (void)call;
    for (int64_t s = 0; s < span_count(&op->x, &op->cu_seqlens); s++) {
        const span q = span_of(s, &op->x, &op->cu_seqlens, &absent, &absent);
        for (int64_t t = q.first; t < q.first + q.count; t++)
            for (int64_t h = 0; h < op->x.shape[2]; h += heads) {
                const struct row r = { op, flaw, q.b, t, h, heads };
                normalise(&r);
            }
    }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return has_f64(header, offsetof(segue_gated_norm, x), offsetof(segue_gated_norm, y))
               ? "x: no operand may be f64"
               : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)header, (void)dev, (void)plan, (void)why;
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(gated_norm, SEGUE_GATED_NORM, flaw, norm, NORM_##flaw)
FLAWS(ROW)
