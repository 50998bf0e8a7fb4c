/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plain rotary embedding in f32, angles reduced in integers, with one flaw a row. Without any it is right. */
#include "wrong.h"

#define FLAWS(FLAW)                 \
    FLAW(step_pairing_swapped)      \
    FLAW(packed_retnet_frequencies) \
    FLAW(step_scale_not_inverted)   \
    FLAW(step_shift_ignored)        \
    FLAW(step_position_behind)      \
    FLAW(packed_passing_cleared)    \
    FLAW(batch_sine_reversed)       \
    FLAW(step_angle_in_f32)         \
    FLAW(step_frequency_in_f32)     \
    FLAW(pos_of_row_0)              \
    FLAW(packed_tables_of_row_0)    \
    FLAW(packed_first_overwritten)  \
    FLAW(step_width_of_head)

#define NAMED(name) ROTARY_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

struct turn {
    const segue_rotary *op;
    enum flaw flaw;
    int64_t b, t, i, pairs, position;
    int packed, step; /* whether channels and heads lie side by side; whether there is one token */
    float cosine, sine, scale;
};

static int is_step(const struct turn *q, enum flaw flaw)
{
    return q->flaw == flaw && q->step;
}

static int is_packed(const struct turn *q, enum flaw flaw)
{
    return q->flaw == flaw && q->packed;
}

static void find_position(struct turn *q)
{
    const segue_rotary *op = q->op;
    q->position = given(&op->pos) ? load_int(&op->pos, q->flaw == ROTARY_pos_of_row_0 ? 0 : q->b, q->t)
                                  : op->position + q->t;
    q->position += is_step(q, ROTARY_step_position_behind);
}

static float angle_of(const struct turn *q)
{
    const segue_rotary *op = q->op;
    const int64_t pairs = is_step(q, ROTARY_step_width_of_head) ? op->x.shape[3] / 2 : q->pairs;
    const int retnet = op->frequencies == SEGUE_ROTARY_RETNET || is_packed(q, ROTARY_packed_retnet_frequencies);
    const int64_t whole = retnet ? pairs - 1 : pairs;
    const long double exponent = q->i > 0 && whole > 0 ? -(long double)q->i / (long double)whole : 0;
    const long double two_pi = 6.283185307179586476925286766559L, frequency = powl(op->base, exponent);
    uint64_t turn = (uint64_t)ldexpl(frequency / two_pi, 64);
    if (is_step(q, ROTARY_step_angle_in_f32)) return (float)frequency * (float)q->position;
    if (is_step(q, ROTARY_step_frequency_in_f32))
        turn = (uint64_t)ldexpl((long double)(float)frequency / two_pi, 64);
    return 6.2831853072f * ((float)(int64_t)((uint64_t)q->position * turn) * 0x1p-64f);
}

static float scale_of(const struct turn *q)
{
    const segue_rotary *op = q->op;
    const double r = 2 * (double)q->pairs, zeta = (2 * (double)q->i + 0.4 * r) / (1.4 * r);
    const int64_t shift = is_step(q, ROTARY_step_shift_ignored) ? 0 : op->xpos_shift;
    const int inverse = op->xpos_inverse && !is_step(q, ROTARY_step_scale_not_inverted);
    if (op->xpos_base <= 0) return 1;
    const float power = (float)log(zeta) * (float)(q->position + shift) / (float)op->xpos_base;
    return expf(inverse ? -power : power);
}

static void find_angle(struct turn *q)
{
    const segue_rotary *op = q->op;
    const int64_t row = is_packed(q, ROTARY_packed_tables_of_row_0) ? 0 : q->b;
    const float angle = angle_of(q);
    q->cosine = given(&op->cos) ? load(&op->cos, row, q->t, q->i, 0) : cosf(angle);
    q->sine = given(&op->sin) ? load(&op->sin, row, q->t, q->i, 0) : sinf(angle);
    if (q->flaw == ROTARY_batch_sine_reversed && q->b > 0) q->sine = -q->sine;
    q->scale = scale_of(q);
}

static void rotate(const struct turn *q, int64_t h)
{
    const segue_rotary *op = q->op;
    const int swapped = is_step(q, ROTARY_step_pairing_swapped);
    const int interleaved = (op->pairing == SEGUE_ROTARY_INTERLEAVED) != swapped;
    const int64_t first = interleaved ? 2 * q->i : q->i, other = interleaved ? 2 * q->i + 1 : q->i + q->pairs;
    const float x1 = load(&op->x, q->b, q->t, h, first), x2 = load(&op->x, q->b, q->t, h, other);
    const float y1 = q->scale * (x1 * q->cosine - x2 * q->sine);
    const float kept = is_packed(q, ROTARY_packed_first_overwritten) ? y1 : x1;
    store(&op->y, y1, q->b, q->t, h, first);
    store(&op->y, q->scale * (x2 * q->cosine + kept * q->sine), q->b, q->t, h, other);
}

static void rotate_token(struct turn *q)
{
    const segue_rotary *op = q->op;
    find_position(q);
    for (q->i = 0; q->i < q->pairs; q->i++) {
        find_angle(q);
        for (int64_t h = 0; h < op->x.shape[2]; h++) rotate(q, h);
    }
    for (int64_t d = 2 * q->pairs; d < op->x.shape[3]; d++)
        for (int64_t h = 0; h < op->x.shape[2]; h++)
            store(&op->y, is_packed(q, ROTARY_packed_passing_cleared) ? 0 : load(&op->x, q->b, q->t, h, d),
                  q->b, q->t, h, d);
}

static segue_status rotate_all(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    const segue_rotary *op = (const segue_rotary *)header;
    const segue_tensor *const x = &op->x;
    (void)call;
    for (int64_t b = 0; b < x->shape[0]; b++)
        for (int64_t t = 0; t < x->shape[1]; t++) {
            struct turn q = { .op = op, .flaw = flaw, .b = b, .t = t };
            q.pairs = (op->rotary_dim ? op->rotary_dim : x->shape[3]) / 2;
            q.packed = x->stride[3] == 1 && x->stride[2] == x->shape[3];
            q.step = x->shape[1] == 1;
            rotate_token(&q);
        }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return has_f64(header, offsetof(segue_rotary, x), offsetof(segue_rotary, y)) ? "x: no operand may be f64"
                                                                                 : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)header, (void)dev, (void)plan, (void)why;
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(rotary, SEGUE_ROTARY, flaw, rotate_all, ROTARY_##flaw)
FLAWS(ROW)
