/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set: functions that few kernels need against double, in units of the last place. */
#include "lanes_functions.h"
#include "../row_testing.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

static lanes sin_of(lanes x)
{
    lanes s, c;
    lanes_sincos(x, &s, &c);
    return s;
}

static lanes cos_of(lanes x)
{
    lanes s, c;
    lanes_sincos(x, &s, &c);
    return c;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double reciprocal(double x)
{
    return 1 / x;
}

static double gelu(double x)
{
    return x * erfc(-x / sqrt(2)) / 2;
}

/* Errors are divided by the largest of the result and `least`, in units of 2^-24. */
static double worst(lanes (*f)(lanes), double (*oracle)(double), double low, double high, double least)
{
    double most = 0;
    for (int i = 0; i < 1 << 19; i += LANES) {
        float x[LANES], y[LANES];
        for (int k = 0; k < LANES; k++)
            x[k] = (float)(low + (high - low) * (i + k + draw_real(0, 1)) / (1 << 19));
        lanes_store(y, f(lanes_load(x)));
        for (int k = 0; k < LANES; k++) {
            const double want = oracle((double)x[k]);
            const double error = fabs((double)y[k] - want) * 0x1p24 / fmax(fabs(want), least);
            if (fabs(want) > 0x1p-125 && !(error <= most)) most = error;
        }
    }
    return most;
}

static void functions_are_accurate(void **state)
{
    const struct {
        const char *name;
        lanes (*f)(lanes);
        double (*oracle)(double);
        double low, high, least, bound;
    } all[] = {
        { "reciprocal", lanes_reciprocal, reciprocal, 1, 3, 0, 2 },
        { "reciprocal, large", lanes_reciprocal, reciprocal, 1e30, 1e37, 0, 2 },
        { "sigmoid", lanes_sigmoid, sigmoid, -80, 80, 0, 5 },
        { "tanh", lanes_tanh, tanh, -20, 20, 0, 4 },
        { "tanh near 0", lanes_tanh, tanh, -1e-3, 1e-3, 0, 2 },
        { "gelu", lanes_gelu, gelu, 0, 30, 0, 4 },
        { "gelu, left", lanes_gelu, gelu, -5.6, 0, 0,
          80 }, /* exp(-z^2), up to z = 4, magnifies roundings of z */
        { "gelu near 0", lanes_gelu, gelu, -1e-3, 1e-3, 0, 4 },
        { "sin", sin_of, sin, -100, 100, 0, 3 },
        { "cos", cos_of, cos, -100, 100, 0, 3 },
        { "sin, large", sin_of, sin, -12000, 12000, 1e-3, 3 },
        { "sin near 0", sin_of, sin, -1e-3, 1e-3, 0, 1.5 },
        { "log", lanes_log, log, 1e-6, 3, 0, 4 },
        { "log, large", lanes_log, log, 1, 1e30, 0, 2 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const double most = worst(all[i].f, all[i].oracle, all[i].low, all[i].high, all[i].least);
        print_message("%s: %.2f u\n", all[i].name, most);
        if (!(most <= all[i].bound))
            fail_msg("%s: %.2f u, wanted at most %.2f", all[i].name, most, all[i].bound);
    }
}

/* In the last lane, beside ordinary numbers. */
static float one(lanes (*f)(lanes), float x)
{
    lanes v = lanes_splat(0.25f);
    v[LANES - 1] = x;
    v = f(v);
    return v[LANES - 1];
}

static void special_values(void **state)
{
    lanes (*const all[])(lanes) = { lanes_sigmoid, lanes_tanh, lanes_gelu, sin_of, cos_of, lanes_log };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) assert_true(isnan(one(all[i], NAN)));
    assert_true(isnan(one(sin_of, INFINITY)) && isnan(one(cos_of, -INFINITY)) && isnan(one(lanes_log, -1)));
    assert_true(one(lanes_sigmoid, -INFINITY) == 0 && one(lanes_sigmoid, INFINITY) == 1);
    assert_true(one(lanes_tanh, -INFINITY) == -1 && one(lanes_tanh, 50) == 1 && one(lanes_tanh, 0) == 0);
    assert_true(one(lanes_gelu, INFINITY) == INFINITY && one(lanes_gelu, -1000) == 0 &&
                one(lanes_gelu, 0) == 0);
    assert_true(one(sin_of, 0) == 0 && one(cos_of, 0) == 1);
    assert_true(fabsf(one(sin_of, 1e30f)) <= 1 && fabsf(one(cos_of, -3e38f)) <= 1);
    assert_true(one(lanes_log, 0) == -INFINITY && one(lanes_log, 1) == 0 &&
                one(lanes_log, INFINITY) == INFINITY);
}

static void sums_of_some_lanes(void **state)
{
    float v[LANES], put[LANES];
    (void)state;
    for (int k = 0; k < LANES; k++) v[k] = (float)(k - 2);
    assert_true(lanes_total(lanes_load(v)) == (float)(LANES * (LANES - 5) / 2));
    assert_true(lanes_largest(lanes_load(v)) == (float)(LANES - 3));
    for (int count = 1; count <= LANES + 1; count++) {
        const int last = count < LANES ? count : LANES;
        assert_true(lanes_largest(lanes_only(lanes_load(v), count, -9)) == (float)(last - 3));
        for (int k = 0; k < LANES; k++) put[k] = 7;
        lanes_put(put, lanes_load(v), count);
        for (int k = 0; k < LANES; k++) assert_true(put[k] == (k < last ? v[k] : 7));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(functions_are_accurate),
                                        cmocka_unit_test(special_values),
                                        cmocka_unit_test(sums_of_some_lanes) };
    enum segue_isa isa;
    if (segue_isa_choose(TEXT(SEGUE_ISA), &isa, NULL) != SEGUE_OK) return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
