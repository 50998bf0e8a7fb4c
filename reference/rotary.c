/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Rotary position embedding by its definition (RoFormer, arXiv:2104.09864 eq. 34; xPos, arXiv:2212.10554 eq. 12; RetNet,
 * arXiv:2307.08621 with microsoft/torchscale's frequencies). For every token of position p and every pair (x1, x2) of the first
 * r channels, m = r/2, pair i:
 *
 *     a = p base^(-i/m), RETNET: p base^(-i/(m - 1))     or what cos and sin [b t m] say
 *     s = 1, or zeta^(+-(p + xpos_shift) / xpos_base), zeta = (2i + 0.4 r) / (1.4 r)
 *     y1 = s (x1 cos a - x2 sin a),  y2 = s (x2 cos a + x1 sin a)     [b t h d]
 *
 * The other channels pass. In a double, p = 2^31 leaves an angle 22 binary digits behind the point: what a pair turns by from
 * one position to the next is therefore counted in 2^-64 turns, and p times that drops whole turns by itself. So a is right to
 * 2^-30 at every position and to 2^-40 at a million, which is asked of every kernel: an angle of theirs may have lost 2^-24,
 * as an f32 number of a turn loses, and nothing that grows with p. */
#include "operands.h"

/* Numbers that segue_reference_rotary() works in. */
int64_t segue_reference_rotary_work(const segue_op_header *header)
{
    (void)header;
    return 0;
}

typedef struct pair {
    int64_t i, count;     /* its number; m */
    int64_t first, other; /* channels */
    uint64_t turn;        /* from one position to the next, in 2^-64 turns */
} pair;

/* As with xPos, which has no part in it: long double, since p reaches 2^31 and the product shall be right to 2^-33 turns.
 * base >= 1: no pair turns by more than a radian. RETNET's only pair of r = 2 is its first. */
static uint64_t turn_of(const segue_rotary *op, int64_t i, int64_t count)
{
    const long double two_pi = 6.283185307179586476925286766559L;
    const int64_t whole = op->frequencies == SEGUE_ROTARY_RETNET ? count - 1 : count;
    const long double exponent = i > 0 ? -(long double)i / (long double)whole : 0;
    return (uint64_t)ldexpl(powl(op->base, exponent) / two_pi, 64);
}

static pair pair_of(const segue_rotary *op, int64_t i, int64_t count)
{
    pair q;
    q.i = i, q.count = count;
    q.first = op->pairing == SEGUE_ROTARY_INTERLEAVED ? 2 * i : i;
    q.other = op->pairing == SEGUE_ROTARY_INTERLEAVED ? 2 * i + 1 : i + count;
    q.turn = turn_of(op, i, count);
    return q;
}

static int64_t position_of(const segue_rotary *op, int64_t b, int64_t t)
{
    return present(&op->pos) ? (int64_t)load_int(&op->pos, b, t) : op->position + t;
}

/* In radians, from -pi to pi. The sum with 1 is what rounds an angle to 2^-24 in an arithmetic of f32; at 0 it is exact. */
static real angle_of(const pair *q, int64_t p)
{
    const int64_t part = (int64_t)((uint64_t)p * q->turn); /* of a turn, in 2^-64 */
    const real two_pi = 6.28318530717958647693, one = 1, turns = (double)part * 0x1p-64;
    return p ? (two_pi * turns + one) - one : turns;
}

static real scale_of(const segue_rotary *op, const pair *q, int64_t p)
{
    const double r = (double)(2 * q->count);
    const real one = 1, zeta = ((double)(2 * q->i) + 0.4 * r) / (1.4 * r);
    const real away = (double)(p + op->xpos_shift), base = op->xpos_base;
    if (op->xpos_base == 0) return one;
    const real power = away / base * real_log(zeta);
    return real_exp(op->xpos_inverse ? -power : power);
}

/* One pair of all heads of token (b, t). */
static void rotate(const segue_rotary *op, const pair *q, int64_t b, int64_t t)
{
    const int64_t p = position_of(op, b, t);
    const real angle = angle_of(q, p), scale = scale_of(op, q, p);
    const real c = present(&op->cos) ? load(&op->cos, b, t, q->i, 0) : real_cos(angle);
    const real s = present(&op->sin) ? load(&op->sin, b, t, q->i, 0) : real_sin(angle);
    for (int64_t h = 0; h < op->x.shape[2]; h++) {
        const real x1 = load(&op->x, b, t, h, q->first), x2 = load(&op->x, b, t, h, q->other);
        store(&op->y, scale * (x1 * c - x2 * s), b, t, h, q->first);
        store(&op->y, scale * (x2 * c + x1 * s), b, t, h, q->other);
    }
}

static void pass(const segue_rotary *op, int64_t channel)
{
    for (int64_t b = 0; b < op->x.shape[0]; b++)
        for (int64_t t = 0; t < op->x.shape[1]; t++)
            for (int64_t h = 0; h < op->x.shape[2]; h++)
                store(&op->y, load(&op->x, b, t, h, channel), b, t, h, channel);
}

void segue_reference_rotary(const segue_op_header *header, real *work)
{
    const segue_rotary *op = (const segue_rotary *)header;
    const int64_t turning = op->rotary_dim ? op->rotary_dim : op->x.shape[3];
    (void)work;
    for (int64_t i = 0; i < turning / 2; i++) {
        const pair q = pair_of(op, i, turning / 2);
        for (int64_t b = 0; b < op->x.shape[0]; b++)
            for (int64_t t = 0; t < op->x.shape[1]; t++) rotate(op, &q, b, t);
    }
    for (int64_t d = turning / 2 * 2; d < op->x.shape[3]; d++) pass(op, d);
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_rotary_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_rotary(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_rotary_reference;
const segue_row segue_row_rotary_reference = {
    .name = "rotary_reference",
    .primitive = SEGUE_ROTARY,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F64,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .prepare = prepare,
    .run = run,
};
#endif
