/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The row of attention_merge against a plain loop in double, over random shapes, layouts, dtypes and empty parts. */
#include "row_testing.h"

extern const segue_row attention_merge_cpu;

enum { O, LSE, LOG_WEIGHT, Y, LSE_OUT, OPERANDS };

struct scene {
    segue_attention_merge op;
    struct watched w[OPERANDS];
    int64_t r, b, t, h, v;
};

/* Some parts are empty and hold NaN: those of some rows all. */
static void empty_some(struct scene *c)
{
    for (int64_t at = 0; at < c->b * c->t * c->h; at++) {
        const int64_t b = at / c->h / c->t, t = at / c->h % c->t, h = at % c->h, all = !draw(5);
        for (int64_t r = 0; r < c->r; r++) {
            if (!all && draw(3)) continue;
            const double none = c->op.plus_inf_empty && draw(2) ? INFINITY : -INFINITY;
            set_at(&c->op.lse, (const int64_t[]){ r, b, t, h }, none);
            if (c->op.log_weight.dtype.bits) set_at(&c->op.log_weight, (const int64_t[]){ r, b, t, h }, NAN);
            for (int64_t v = 0; v < c->v; v++) set_at(&c->op.o, (const int64_t[]){ r, b, t, h, v }, NAN);
        }
    }
}

static void make_scene(struct scene *c)
{
    static const int64_t widths[] = { 1, 3, 16, 20, 64, 70, 128 };
    const uint32_t state = draw_dtype();
    const double spread = draw(3) ? 4 : 900;
    *c = (struct scene){ .op = segue_attention_merge_init(),
                         .r = draw(9),
                         .b = 1 + draw(3),
                         .t = draw(4) ? draw(6) : 20 + draw(40),
                         .h = 1 + draw(20),
                         .v = widths[draw(7)] };
    const unsigned may_repeat = draw(2); /* else parts may become empty */
    c->op.plus_inf_empty = draw(2);
    MAKE(&c->w[O], draw_dtype(), may_repeat, -2, 2, c->r, c->b, c->t, c->h, c->v);
    MAKE(&c->w[LSE], state, may_repeat, -spread, spread, c->r, c->b, c->t, c->h);
    if (draw(2)) MAKE(&c->w[LOG_WEIGHT], draw_dtype(), may_repeat, -3, 1, c->r, c->b, c->t, c->h);
    MAKE(&c->w[Y], draw_dtype(), 0, -1, 1, c->b, c->t, c->h, c->v);
    if (draw(2)) MAKE(&c->w[LSE_OUT], state, 0, -1, 1, c->b, c->t, c->h);
    put_tensors(&c->op.header, c->w, OPERANDS);
    if (!may_repeat) empty_some(c);
}

static void compare(const char *name, const segue_tensor *t, const int64_t *i, double want, double size)
{
    const double got = get_at(t, i), slack = rounding(segue_dtype_id(t->dtype), want) + 1e-6 * size;
    if (!(got == want || fabs(got - want) <= slack))
        fail_msg("%s[%d,%d,%d,%d] is %.9g, wanted %.9g", name, (int)i[0], (int)i[1], (int)i[2], (int)i[3], got,
                 want);
}

static double log_of(const struct scene *c, int64_t r, int64_t b, int64_t t, int64_t h)
{
    const double l = GET(c->op.lse, r, b, t, h);
    if (isinf(l)) return -INFINITY;
    return l + (c->op.log_weight.dtype.bits ? GET(c->op.log_weight, r, b, t, h) : 0);
}

static void check_head(const struct scene *c, int64_t b, int64_t t, int64_t h)
{
    double most = -INFINITY, sum = 0, far = 0;
    for (int64_t r = 0; r < c->r; r++) most = fmax(most, log_of(c, r, b, t, h));
    for (int64_t r = 0; r < c->r && most > -INFINITY; r++) {
        const double l = log_of(c, r, b, t, h);
        sum += exp(l - most);
        if (l > most - 20) far = fmax(far, fabs(l));
    }
    for (int64_t v = 0; v < c->v; v++) {
        double y = 0;
        for (int64_t r = 0; r < c->r; r++)
            if (log_of(c, r, b, t, h) > -INFINITY)
                y += exp(log_of(c, r, b, t, h) - most) * GET(c->op.o, r, b, t, h, v);
        compare("y", &c->op.y, (const int64_t[]){ b, t, h, v }, sum > 0 ? y / sum : 0, 2 + far);
    }
    if (c->op.lse_out.dtype.bits)
        compare("lse_out", &c->op.lse_out, (const int64_t[]){ b, t, h, 0 }, most + log(sum), 1 + far);
}

static void against_loops(struct test_device *d, int rounds)
{
    for (int n = 0; n < rounds; n++) {
        struct scene c;
        make_scene(&c);
        d->cpu.cache_bytes = draw(2) ? 4 << 20 : 64; /* some written past the caches */
        for (int i = 0; i < OPERANDS; i++) snapshot(&c.w[i]);
        segue_attention_merge bound = c.op;
        const int64_t more_b = draw(3), more_t = draw(100), more_r = draw(3);
        segue_tensor *const parts[] = { &bound.o, &bound.lse, &bound.log_weight };
        for (int i = 0; i < 3; i++)
            if (parts[i]->dtype.bits)
                parts[i]->shape[0] += more_r, parts[i]->shape[1] += more_b, parts[i]->shape[2] += more_t;
        bound.y.shape[0] += more_b, bound.y.shape[1] += more_t;
        run_row(&attention_merge_cpu, d, &bound.header, &c.op.header);
        for (int64_t at = 0; at < c.b * c.t * c.h; at++)
            check_head(&c, at / c.h / c.t, at / c.h % c.t, at % c.h);
        for (int i = 0; i < OPERANDS; i++) check_outside(&c.w[i], i >= Y);
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
            against_loops(&d, 60);
            test_close(&d);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_instruction_set) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
