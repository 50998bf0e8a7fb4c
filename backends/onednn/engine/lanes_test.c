/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set: the lane layer's functions against double, in units of the last place. */
#include "lanes.h"
#include "../row_testing.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

static double exp_of(double x)
{
    return exp(x);
}
static double exp2_of(double x)
{
    return exp2(x);
}
static double softplus_of(double x)
{
    return log1p(exp(x));
}
static double silu_of(double x)
{
    return x / (1 + exp(-x));
}

static double ulps(float got, double want)
{
    int e;
    frexp(want, &e);
    return fabs((double)got - want) / ldexp(1, e - 24);
}

#define WORST(call, oracle, low, high) worst(call##_of_all, oracle, low, high)
#define OF_ALL(f)                         \
    static void f##_of_all(float *v)      \
    {                                     \
        lanes_store(v, f(lanes_load(v))); \
    }
OF_ALL(lanes_exp)
OF_ALL(lanes_exp2)
OF_ALL(lanes_softplus)
OF_ALL(lanes_silu)

/* Over a million points; results near or below the smallest normal are not counted. */
static double worst(void (*f)(float *), double (*oracle)(double), double low, double high)
{
    double most = 0;
    for (int i = 0; i < 1 << 20; i += LANES) {
        float x[LANES], y[LANES];
        for (int k = 0; k < LANES; k++)
            x[k] = (float)(low + (high - low) * (i + k + draw_real(0, 1)) / (1 << 20));
        memcpy(y, x, sizeof x);
        f(y);
        for (int k = 0; k < LANES; k++) {
            double want = oracle((double)x[k]);
            if (fabs(want) > 0x1p-125 && fabs(want) < 0x1p127 && !(ulps(y[k], want) <= most))
                most = ulps(y[k], want);
        }
    }
    return most;
}

static void stays_within(double most, double bound, const char *what)
{
    print_message("%s: %.2f ulp\n", what, most);
    if (!(most <= bound)) fail_msg("%s: %.2f ulp, wanted at most %.2f", what, most, bound);
}

static void functions_are_accurate(void **state)
{
    (void)state;
    stays_within(WORST(lanes_exp2, exp2_of, -126, 127), 2.3, "exp2");
    stays_within(WORST(lanes_exp2, exp2_of, -0.01, 0.01), 0.6, "exp2 near 0");
    stays_within(WORST(lanes_exp, exp_of, -87, 88), 2.6, "exp");
    stays_within(WORST(lanes_softplus, softplus_of, -86, 0), 4.0, "softplus, x < 0");
    stays_within(WORST(lanes_softplus, softplus_of, 0, 100), 3.0, "softplus, x > 0");
    stays_within(WORST(lanes_silu, silu_of, -80, 80), 3.8, "silu");
}

static float one(void (*f)(float *), float x)
{
    float v[LANES];
    for (int k = 0; k < LANES; k++) v[k] = 0.25f;
    v[LANES - 1] = x;
    f(v);
    return v[LANES - 1];
}

static void special_values(void **state)
{
    static const float nans[] = { NAN, -NAN };
    uint32_t payload = 0x7fc0ffff;
    float odd;
    (void)state;
    memcpy(&odd, &payload, 4);
    assert_true(one(lanes_exp2_of_all, INFINITY) == INFINITY && one(lanes_exp2_of_all, 128) == INFINITY);
    assert_true(one(lanes_exp2_of_all, 1e30f) == INFINITY && one(lanes_exp2_of_all, -1e30f) == 0);
    assert_true(one(lanes_exp2_of_all, -INFINITY) == 0 && one(lanes_exp2_of_all, -127) == 0);
    assert_true(one(lanes_exp2_of_all, 0) == 1 && one(lanes_exp2_of_all, -126) == 0x1p-126f);
    assert_true(isfinite(one(lanes_exp2_of_all, 127.99999f)));
    assert_true(one(lanes_exp_of_all, INFINITY) == INFINITY && one(lanes_exp_of_all, -INFINITY) == 0 &&
                one(lanes_exp_of_all, 0) == 1);
    assert_true(one(lanes_softplus_of_all, INFINITY) == INFINITY && one(lanes_softplus_of_all, -INFINITY) == 0);
    assert_true(one(lanes_softplus_of_all, 20.5f) == 20.5f);
    assert_true(one(lanes_silu_of_all, INFINITY) == INFINITY && one(lanes_silu_of_all, 0) == 0 &&
                one(lanes_silu_of_all, -1000) == 0);
    for (int i = 0; i < 3; i++) {
        float x = i < 2 ? nans[i] : odd;
        assert_true(isnan(one(lanes_exp2_of_all, x)) && isnan(one(lanes_exp_of_all, x)));
        assert_true(isnan(one(lanes_softplus_of_all, x)) && isnan(one(lanes_silu_of_all, x)));
    }
}

/* The fast product form and the one for any range agree bit for bit where both hold. */
static void both_products_agree(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        float a[LANES], b[LANES], fast[LANES], any[LANES];
        for (int k = 0; k < LANES; k++) {
            a[k] = (float)draw_real(-12, 12);
            b[k] = (float)draw_real(-10, 10);
        }
        lanes_store(fast, lanes_exp2_product(lanes_load(a), lanes_load(b)));
        lanes_store(any, lanes_exp2_product_any(lanes_load(a), lanes_load(b)));
        assert_memory_equal(fast, any, sizeof fast);
    }
}

/* The question whether the fast form holds: yes below 64, no from 126 on and with a NaN, in any one lane of
 * any one of four products, or of several. */
static void reach_is_asked(void **state)
{
    static const struct {
        float product;
        int within;
    } cases[] = { { 0, 1 },        { -0.03f, 1 },  { 63.9f, 1 },      { -63.9f, 1 },    { 126, 0 },
                  { -126.1f, 0 },  { 1e30f, 0 },   { -1e30f, 0 },     { -INFINITY, 0 }, { NAN, 0 },
                  { -0x1p18f, 0 }, { 0x1p18f, 0 }, { -0x1.8p19f, 0 }, { -0x1.8p20f, 0 } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < LANES; k++)
            for (int which = 1; which < 16; which++) {
                lanes a[4], b[4];
                for (int j = 0; j < 4; j++) {
                    a[j] = lanes_splat(-1.5f);
                    b[j] = lanes_splat((float)(j + 1));
                    if (which >> j & 1) a[j][k] = cases[i].product / b[j][k];
                }
                assert_int_equal(lanes_four_within_reach(a, b), cases[i].within);
            }
}

static void transposes(void **state)
{
    float m[4][LANES];
    lanes v[4];
    (void)state;
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < LANES; k++) m[i][k] = (float)(100 * i + k);
    for (int i = 0; i < 4; i++) v[i] = lanes_load(m[i]);
    lanes_transpose4(v);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < LANES; k++) assert_true(v[i][k] == m[k % 4][k / 4 * 4 + i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(functions_are_accurate),
                                        cmocka_unit_test(special_values), cmocka_unit_test(both_products_agree),
                                        cmocka_unit_test(reach_is_asked), cmocka_unit_test(transposes) };
    enum segue_isa isa;
    if (segue_isa_choose(TEXT(SEGUE_ISA), &isa, NULL) != SEGUE_OK) return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
