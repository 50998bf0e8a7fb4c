/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The row of linear attention against sums over all keys in double, over random shapes, layouts, dtypes and maps. What it shares
 * with gated_recurrence (sequences, slots, decays) is that row's test. */
#include "row_testing.h"

extern const segue_row linear_attention_cpu;

enum { Q, K, V, W, W_K, BIAS, KEEP, CU, SLOT, S_IN, N_IN, S_OUT, N_OUT, Y, OPERANDS };

struct scene {
    segue_linear_attention op;
    struct watched w[OPERANDS];
    int64_t b, t, h, k, v;
};

static void make_scene(struct scene *c)
{
    static const int64_t widths[] = { 1, 5, 16, 17, 64, 70 };
    static const int64_t norms[] = { SEGUE_LINEAR_ATTENTION_UNNORMALISED, SEGUE_LINEAR_ATTENTION_ADD_EPS,
                                     SEGUE_LINEAR_ATTENTION_ADD_EPS_PER_FEATURE };
    *c = (struct scene){ .op = segue_linear_attention_init(),
                         .b = 1 + draw(2),
                         .t = draw(4) ? 1 + draw(12) : 30 + draw(50),
                         .h = 1 + draw(3),
                         .k = widths[draw(6)],
                         .v = 1 + draw(40) };
    c->op.map = draw(3), c->op.map_scale = draw(2) ? 0.5 : 1, c->op.map_eps = 0.25, c->op.scale = 0.75;
    c->op.norm = norms[draw(3)], c->op.eps = 0.125;
    const uint32_t states = draw_dtype();
    MAKE(&c->w[Q], draw_dtype(), MAY_REPEAT, -2, 2, c->b, c->t, c->h, c->k);
    MAKE(&c->w[K], draw_dtype(), MAY_REPEAT, -2, 2, c->b, c->t, c->h, c->k);
    MAKE(&c->w[V], draw_dtype(), MAY_REPEAT, -1, 1, c->b, c->t, c->h, c->v);
    if (draw(2)) MAKE(&c->w[S_IN], states, 0, 0, 1, c->b, c->h, c->k, c->v);
    if (c->op.norm && draw(2)) MAKE(&c->w[N_IN], states, 0, 0, 1, c->b, c->h, c->k);
    MAKE(&c->w[S_OUT], states, 0, -1, 1, c->b, c->h, c->k, c->v);
    if (c->op.norm) MAKE(&c->w[N_OUT], states, 0, -1, 1, c->b, c->h, c->k);
    MAKE(&c->w[Y], draw_dtype(), 0, -1, 1, c->b, c->t, c->h, c->v);
    put_tensors(&c->op.header, c->w, OPERANDS);
}

/* ---- the definition ------------------------------------------------------------------------------------- */

static double phi(const struct scene *c, const segue_tensor *from, const int64_t *at)
{
    const double x = c->op.map_scale * get_at(from, at);
    if (c->op.map == SEGUE_LINEAR_ATTENTION_ELU1) return x > 0 ? x + 1 : exp(x);
    return c->op.map == SEGUE_LINEAR_ATTENTION_RELU ? fmax(x, 0) + c->op.map_eps : x;
}

/* phi(k_i) summed up to token t, with what was there before. */
static double sum_of_keys(const struct scene *c, int64_t b, int64_t t, int64_t h, int64_t i)
{
    double n = c->op.n_in.dtype.bits ? GET(c->op.n_in, b, h, i) : 0;
    for (int64_t s = 0; s <= t; s++) n += phi(c, &c->op.k, (const int64_t[]){ b, s, h, i });
    return n;
}

static double state_at(const struct scene *c, int64_t b, int64_t t, int64_t h, int64_t i, int64_t j)
{
    double S = c->op.S_in.dtype.bits ? GET(c->op.S_in, b, h, i, j) : 0;
    for (int64_t s = 0; s <= t; s++)
        S += phi(c, &c->op.k, (const int64_t[]){ b, s, h, i }) * GET(c->op.v, b, s, h, j);
    return S;
}

static double den_at(const struct scene *c, int64_t b, int64_t t, int64_t h)
{
    const int by_feature = c->op.norm == SEGUE_LINEAR_ATTENTION_ADD_EPS_PER_FEATURE;
    double den = c->op.norm == SEGUE_LINEAR_ATTENTION_ADD_EPS ? c->op.eps : 0;
    if (!c->op.norm) return 1;
    for (int64_t i = 0; i < c->k; i++)
        den += c->op.scale * phi(c, &c->op.q, (const int64_t[]){ b, t, h, i }) *
               (sum_of_keys(c, b, t, h, i) + (by_feature ? c->op.eps : 0));
    return den;
}

static void expect(const segue_tensor *got, const int64_t *at, double want, double size)
{
    const double x = get_at(got, at), most = 4e-6 * size + 2 * rounding(segue_dtype_id(got->dtype), want);
    if (!(fabs(x - want) <= most))
        fail_msg("[%d,%d,%d,%d] is %g, wanted %g +- %g", (int)at[0], (int)at[1], (int)at[2], (int)at[3], x,
                 want, most);
}

static void check_token(const struct scene *c, int64_t b, int64_t t, int64_t h)
{
    const double den = den_at(c, b, t, h);
    if (fabs(den) < 1) return; /* what has cancelled says nothing */
    for (int64_t j = 0; j < c->v; j++) {
        double y = 0, size = 1;
        for (int64_t i = 0; i < c->k; i++) {
            const double one = c->op.scale * phi(c, &c->op.q, (const int64_t[]){ b, t, h, i }) *
                               state_at(c, b, t, h, i, j) / den;
            y += one, size += fabs(one) * (double)(1 + t);
        }
        expect(&c->op.y, (const int64_t[]){ b, t, h, j }, y, size);
    }
}

static void check_scene(const struct scene *c)
{
    for (int64_t n = 0; n < c->b * c->h; n++) {
        const int64_t b = n / c->h, h = n % c->h, end = c->t - 1;
        for (int64_t t = 0; t < c->t; t += 1 + t / 4) check_token(c, b, t, h);
        for (int64_t i = 0; i < c->k; i++) {
            if (c->op.norm)
                expect(&c->op.n_out, (const int64_t[]){ b, h, i, 0 }, sum_of_keys(c, b, end, h, i),
                       3 * (double)c->t);
            for (int64_t j = 0; j < c->v; j++)
                expect(&c->op.S_out, (const int64_t[]){ b, h, i, j }, state_at(c, b, end, h, i, j),
                       3 * (double)c->t);
        }
    }
    for (int i = 0; i < OPERANDS; i++) check_outside(&c->w[i], i >= S_OUT);
}

static void against_the_definition(void **state)
{
    (void)state;
    for (int n = 0; n < 150; n++) {
        struct test_device d;
        struct scene c;
        seed = (uint64_t)n;
        if (!test_open(&d, n % SEGUE_ISA_COUNT, (uint32_t)n / 3 % 4)) continue;
        make_scene(&c);
        for (int i = 0; i < OPERANDS; i++) snapshot(&c.w[i]);
        run_row(&linear_attention_cpu, &d, &c.op.header, &c.op.header);
        check_scene(&c);
        for (int i = 0; i < OPERANDS; i++) drop(&c.w[i]);
        test_close(&d);
    }
}

static void refuses_what_is_lowered(void **state)
{
    segue_linear_attention op = segue_linear_attention_init();
    (void)state;
    assert_null(linear_attention_cpu.accepts(&op.header, NULL));
    op.keep.dtype = segue_dtype_of(SEGUE_I32);
    assert_string_equal(linear_attention_cpu.accepts(&op.header, NULL), "keep: the row `lowered` offers it");
    op.map = SEGUE_LINEAR_ATTENTION_FAVOR_PLUS;
    assert_string_equal(linear_attention_cpu.accepts(&op.header, NULL),
                        "map: wanted IDENTITY, ELU1 or RELU; the row `lowered` offers others");
    op.causal = 0;
    assert_string_equal(linear_attention_cpu.accepts(&op.header, NULL),
                        "causal: wanted 1; the row `lowered` offers 0");
    op = segue_linear_attention_init();
    op.n_out.dtype = segue_dtype_of(SEGUE_F64);
    assert_string_equal(linear_attention_cpu.accepts(&op.header, NULL),
                        "n_out: f64 is offered by the reference only");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(against_the_definition),
                                        cmocka_unit_test(refuses_what_is_lowered) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
