/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The recurrence, and one token of it where A and h are: states lie in lanes there, so that A and h come and
 * go as they are, [channel][state], in one stream each. Built once per instruction set, as part of the
 * scan's kernel. */
#ifndef SEGUE_ONEDNN_SELECTIVE_SCAN_STEP_H
#define SEGUE_ONEDNN_SELECTIVE_SCAN_STEP_H

#include "engine/lanes.h"
#include "engine/unroll.h"

/* The decay of h where exponents are large. Growth that overflows, though finite, leaves a state of 0 at 0. */
INLINE lanes grown(lanes h, lanes a, lanes delta)
{
    lanes decay = lanes_exp2_product_any(a, delta), inf = lanes_splat(__builtin_inff());
    return lanes_select((h == 0.0f) & (decay == inf) & (a * delta < inf), (lanes){ 0 }, decay);
}

/* One state of one token: the only copy of the recurrence. wide: the exponent may leave the range that the fast
 * form can do. */
INLINE void update(lanes *h, lanes a, lanes delta, lanes x, lanes b, const int wide)
{
    lanes decay = wide ? grown(*h, a, delta) : lanes_exp2_product(a, delta);
    *h = lanes_fma(*h, decay, x * b);
}

struct step {
    const float *A, *h_in, *B, *C; /* the block's first channel's */
    float *h_out;
    int64_t A_row, in_row, out_row, B_row, C_row; /* floats from channel to channel; 0 = one for all */
    int64_t states;
    const float *delta, *x; /* [channel] */
};

struct place { /* where four channels' states are, from some state on */
    const float *A, *in;
    float *out;
};

INLINE struct place place_of(const struct step *s, int64_t n)
{
    return (struct place){ s->A + n, s->h_in + n, s->h_out + n };
}

/* The compiler is to know nothing of the new addresses: it would keep one for each load behind them, in
 * memory. */
INLINE void place_next(const struct step *s, struct place *p)
{
    p->A += 4 * s->A_row;
    p->in += 4 * s->in_row;
    p->out += 4 * s->out_row;
    __asm__("" : "+r"(p->A), "+r"(p->in), "+r"(p->out));
}

INLINE lanes states_at(const float *p, int64_t count, const int whole)
{
    return whole ? lanes_load(p) : lanes_load_some(p, count);
}

/* Any exponents. Seldom needed and called, so that the usual way keeps its registers. */
static __attribute__((noinline, cold)) void step_four_wide(const struct step *s, struct place at, int64_t n,
                                                           int64_t k, int64_t count, lanes *h)
{
    for (int i = 0; i < 4; i++) {
        lanes a = states_at(at.A + i * s->A_row, count, count == LANES);
        h[i] = states_at(at.in + i * s->in_row, count, count == LANES);
        update(h + i, a, lanes_splat(s->delta[k + i]), lanes_splat(s->x[k + i]),
               lanes_load(s->B + n + (k + i) * s->B_row), 1);
    }
}

/* count states of channels k .. k+3, from state n on; whole: LANES. */
INLINE void step_four(const struct step *s, struct place at, int64_t n, int64_t k, int64_t count,
                      const int whole, const lanes *b, lanes *h)
{
    lanes a[4], delta[4];
    UNROLL
    for (int i = 0; i < 4; i++) {
        a[i] = states_at(at.A + i * s->A_row, count, whole);
        delta[i] = lanes_splat(s->delta[k + i]);
    }
    if (__builtin_expect(lanes_four_within_reach(a, delta), 1)) {
        UNROLL
        for (int i = 0; i < 4; i++) {
            h[i] = states_at(at.in + i * s->in_row, count, whole);
            update(h + i, a[i], delta[i], lanes_splat(s->x[k + i]), b[i], 0);
        }
    } else {
        struct step copy = *s; /* s itself stays in registers */
        lanes four[4];
        step_four_wide(&copy, at, n, k, whole ? LANES : count, four);
        for (int i = 0; i < 4; i++) h[i] = four[i];
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        if (whole) lanes_store(at.out + i * s->out_row, h[i]);
        else lanes_store_some(at.out + i * s->out_row, count, h[i]);
    }
}

/* B or C of channels k .. k+3. */
INLINE void step_group(const float *p, int64_t row, int64_t k, lanes *out)
{
    UNROLL
    for (int i = 0; i < 4; i++) out[i] = lanes_load(p + (k + i) * row);
}

struct shared { /* B and C that all channels have, from some state on */
    lanes b[4], turned[LANES / 4];
};

INLINE struct shared shared_at(const struct step *s, int64_t n)
{
    struct shared q;
    lanes c[4];
    step_group(s->B + n, 0, 0, q.b);
    step_group(s->C + n, 0, 0, c);
    lanes_turn_quarters(c, q.turned);
    return q;
}

/* The sums of LANES states of LANES channels; alike: they share B and C. */
INLINE lanes step_whole(const struct step *s, int64_t n, const struct shared *alike)
{
    struct place at = place_of(s, n);
    lanes w[4], h[4], b[4], c[4], turned[LANES / 4];
    UNROLL
    for (int k = 0; k < LANES; k += 4) {
        if (!alike) step_group(s->B + n, s->B_row, k, b);
        if (!alike) step_group(s->C + n, s->C_row, k, c);
        step_four(s, at, n, k, LANES, 1, alike ? alike->b : b, h);
        place_next(s, &at);
        UNROLL
        for (int i = 0; i < 4; i += LANES / 4) {
            if (!alike) lanes_turn_quarters(c + i, turned);
            w[(k + i) / (LANES / 4)] = lanes_dot_across(h + i, alike ? alike->turned : turned);
        }
    }
    return lanes_dot_quarters(w);
}

/* y and the sums of the last states, fewer than LANES. */
static lanes step_rest(const struct step *s, int64_t n, lanes y)
{
    float product[LANES * LANES];
    struct place at = place_of(s, n);
    int64_t count = s->states - n, i = 0;
    lanes h[4], b[4], c[4];
    for (int k = 0; k < LANES; k += 4) {
        step_group(s->B + n, s->B_row, k, b);
        step_group(s->C + n, s->C_row, k, c);
        step_four(s, at, n, k, count, 0, b, h);
        place_next(s, &at);
        for (int j = 0; j < 4; j++) lanes_store(product + (k + j) * LANES, h[j] * c[j]);
    }
    for (; i + 4 <= count; i += 4) {
        lanes four[4];
        lanes_load4(four, product + i, LANES);
        four[0] = (four[0] + four[2]) + (four[1] + four[3]);
        y = n + i ? y + four[0] : four[0];
    }
    for (; i < count; i++) {
        lanes one;
        for (int k = 0; k < LANES; k++) one[k] = product[k * LANES + i];
        y = n + i ? y + one : one;
    }
    return y;
}

INLINE void step_block(const struct step *s, float *to, const int alike)
{
    lanes y = { 0 };
    int64_t n = 0;
    for (; n + LANES <= s->states; n += LANES) {
        struct shared q;
        if (alike) q = shared_at(s, n);
        lanes more = step_whole(s, n, alike ? &q : NULL);
        y = n ? y + more : more;
    }
    if (n < s->states) y = step_rest(s, n, y);
    lanes_store(to, y);
}

/* The next block; its addresses in registers of their own, as in place_next. */
INLINE void step_next(struct step *s, int64_t pitch)
{
    s->A += LANES * s->A_row;
    s->h_in += LANES * s->in_row;
    s->h_out += LANES * s->out_row;
    s->delta += pitch;
    s->x += pitch;
    __asm__("" : "+r"(s->A), "+r"(s->h_in), "+r"(s->h_out), "+r"(s->delta), "+r"(s->x));
}

/* Each way is a function of its own: it needs all registers. Blocks that share a group. */
static __attribute__((noinline)) void step_alike(struct step s, int64_t blocks, int64_t pitch, float *y)
{
    s.B_row = s.C_row = 0;
    for (; blocks > 0; blocks--, y += pitch, step_next(&s, pitch)) step_block(&s, y, 1);
}

/* The same with LANES states and packed rows: strides need no registers, and B and C stay in them. */
static __attribute__((noinline)) void step_packed(struct step s, int64_t blocks, int64_t pitch, float *y)
{
    s.B_row = s.C_row = 0;
    s.states = s.A_row = s.in_row = s.out_row = LANES;
    const struct shared q = shared_at(&s, 0);
    for (; blocks > 0; blocks--, y += pitch, step_next(&s, pitch)) lanes_store(y, step_whole(&s, 0, &q));
}

/* Channels with B and C of their own. */
static __attribute__((noinline)) void step_apart(struct step s, int64_t blocks, int64_t pitch, float *y)
{
    for (; blocks > 0; blocks--, y += pitch, step_next(&s, pitch)) step_block(&s, y, 0);
}

static void step_blocks(const struct step *s, int64_t blocks, int64_t pitch, float *y)
{
    int packed = s->states == LANES && s->A_row == LANES && s->in_row == LANES && s->out_row == LANES;
    if (s->B_row || s->C_row) step_apart(*s, blocks, pitch, y);
    else if (packed) step_packed(*s, blocks, pitch, y);
    else step_alike(*s, blocks, pitch, y);
}

#endif
