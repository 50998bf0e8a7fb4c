/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The row of rotary against a plain loop in double, over random shapes, layouts, dtypes, pairings and positions. */
#include "row_testing.h"

extern const segue_row rotary_cpu;

enum { X, POS, COS, SIN, Y, OPERANDS };

struct scene {
    segue_rotary op;
    struct watched w[OPERANDS];
    int64_t b, t, h, d, pairs;
};

static void make_scene(struct scene *c)
{
    static const int64_t widths[] = { 2, 6, 8, 16, 34, 64, 80, 128 };
    static const double bases[] = { 1, 10, 1e4, 5e5, 1e30 };
    const uint32_t dtype = draw_dtype();
    *c = (struct scene){ .op = segue_rotary_init(),
                         .b = 1 + draw(3),
                         .t = draw(4) ? draw(6) : 20 + draw(40),
                         .h = 1 + draw(4),
                         .d = widths[draw(8)] };
    c->op.rotary_dim = draw(2) ? 0 : 2 * draw((uint32_t)c->d / 2 + 1);
    c->pairs = (c->op.rotary_dim ? c->op.rotary_dim : c->d) / 2;
    c->op.pairing = draw(2), c->op.frequencies = draw(2), c->op.base = bases[draw(5)];
    c->op.position = draw(2) ? (int64_t)draw(2000) - 1000 : INT32_MAX - (int64_t)draw(3);
    if (draw(2)) {
        c->op.xpos_base = 512, c->op.xpos_inverse = draw(2);
        c->op.position = (int64_t)draw(4000) - 2000, c->op.xpos_shift = (int64_t)draw(100) - 50;
    }
    MAKE(&c->w[X], dtype, MAY_REPEAT, -6, 6, c->b, c->t, c->h, c->d);
    if (draw(2)) MAKE(&c->w[POS], SEGUE_I32, MAY_REPEAT, -3000, 3000, c->b, c->t);
    if (!draw(3)) {
        MAKE(&c->w[COS], draw_dtype(), MAY_REPEAT, -1, 1, c->b, c->t, c->pairs);
        MAKE(&c->w[SIN], draw_dtype(), MAY_REPEAT, -1, 1, c->b, c->t, c->pairs);
        c->op.rotary_dim = 2 * c->pairs;
    }
    MAKE(&c->w[Y], dtype, 0, -1, 1, c->b, c->t, c->h, c->d);
    put_tensors(&c->op.header, c->w, OPERANDS);
}

/* An angle in double whatever the position: whole turns are dropped from integers and fractions apart. */
static double angle_of(const struct scene *c, int64_t p, int64_t i)
{
    const int64_t whole = c->op.frequencies ? c->pairs - 1 : c->pairs;
    const long double two_pi = 6.283185307179586476925286766559L;
    const long double turns = (long double)p * (i ? powl(c->op.base, -(long double)i / whole) : 1) / two_pi;
    return (double)((turns - roundl(turns)) * two_pi);
}

static void compare(const struct scene *c, const int64_t *i, double want, double size)
{
    const double got = get_at(&c->op.y, i), slack = rounding(segue_dtype_id(c->op.y.dtype), want) + 4e-7 * size;
    if (!(fabs(got - want) <= slack))
        fail_msg("pairing %d of %d of %d channels, y[%d,%d,%d,%d] is %.9g, wanted %.9g", (int)c->op.pairing,
                 (int)(2 * c->pairs), (int)c->d, (int)i[0], (int)i[1], (int)i[2], (int)i[3], got, want);
}

static void check_pair(const struct scene *c, int64_t b, int64_t t, int64_t h, int64_t i)
{
    const segue_rotary *op = &c->op;
    const int64_t p = op->pos.dtype.bits ? (int64_t)GET(op->pos, b, t) : op->position + t;
    const int64_t first = op->pairing ? 2 * i : i, other = op->pairing ? 2 * i + 1 : i + c->pairs;
    const double r = 2 * (double)c->pairs, zeta = (2 * (double)i + 0.4 * r) / (1.4 * r);
    const double power = op->xpos_base > 0 ? log(zeta) * (double)(p + op->xpos_shift) / op->xpos_base : 0;
    const double s = exp(op->xpos_inverse ? -power : power), a = angle_of(c, p, i);
    const double cosine = op->cos.dtype.bits ? GET(op->cos, b, t, i) : cos(a);
    const double sine = op->sin.dtype.bits ? GET(op->sin, b, t, i) : sin(a);
    const double x1 = GET(op->x, b, t, h, first), x2 = GET(op->x, b, t, h, other);
    const double size = s * (1 + fabs(power)) * (fabs(x1) + fabs(x2));
    compare(c, (const int64_t[]){ b, t, h, first }, s * (x1 * cosine - x2 * sine), size);
    compare(c, (const int64_t[]){ b, t, h, other }, s * (x2 * cosine + x1 * sine), size);
}

static void check_head(const struct scene *c, int64_t b, int64_t t, int64_t h)
{
    for (int64_t i = 0; i < c->pairs; i++) check_pair(c, b, t, h, i);
    for (int64_t i = 2 * c->pairs; i < c->d; i++) /* passes bit by bit */
        if (GET(c->op.y, b, t, h, i) != GET(c->op.x, b, t, h, i)) fail_msg("channel %d did not pass", (int)i);
}

static void against_loops(struct test_device *d, int rounds)
{
    for (int n = 0; n < rounds; n++) {
        struct scene c;
        make_scene(&c);
        d->cpu.cache_bytes = draw(2) ? 4 << 20 : 64; /* some written past the caches */
        for (int i = 0; i < OPERANDS; i++) snapshot(&c.w[i]);
        segue_rotary bound = c.op;
        segue_tensor *const along[] = { &bound.x, &bound.pos, &bound.cos, &bound.sin, &bound.y };
        const int64_t more_b = draw(3), more_t = draw(100);
        for (int i = 0; i < 5; i++)
            if (along[i]->dtype.bits) along[i]->shape[0] += more_b, along[i]->shape[1] += more_t;
        run_row(&rotary_cpu, d, &bound.header, &c.op.header);
        for (int64_t at = 0; at < c.b * c.t * c.h; at++)
            check_head(&c, at / c.h / c.t, at / c.h % c.t, at % c.h);
        for (int i = 0; i < OPERANDS; i++) check_outside(&c.w[i], i == Y);
        for (int i = 0; i < OPERANDS; i++) drop(&c.w[i]);
    }
}

static void every_instruction_set(void **state)
{
    (void)state;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++)
        for (uint32_t threads = 0; threads < 3; threads++) {
            struct test_device d;
            if (!test_open(&d, isa, threads)) continue;
            against_loops(&d, 100);
            test_close(&d);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_instruction_set) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
