/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Each rule of the judge by itself; exactness, rounding, overflow, NaN, vacuous cases. */
#include "gauge_testing.h"
#include "numbers.h"
#include "../../reference/operands.h"

enum { COUNT = 4000 };
static const double sigma = 1e-6;

/* Values as an operand of sigma 1e-6 whose elements err independently. */
static struct gauge_numbers *written(const double *value, int64_t count, double deviation)
{
    struct gauge_numbers *n = gauge_numbers_new(GAUGE_ROUNDINGS, count);
    uint64_t key = 9;
    assert_int_equal(gauge_room(n), 0);
    for (int64_t i = 0; i < count; i++) {
        gauge_set(n, i, value[i]);
        n->touched[i] = GAUGE_WRITTEN;
        for (int k = 0; k < GAUGE_RANDOM; k++)
            n->pattern[i].fresh[k] =
                (float)(deviation / GAUGE_UNIT) * (uniform(&key, -1, 1) > 0 ? 1.0f : -1.0f);
    }
    return n;
}

static struct bound bound_over(const double *value, int64_t count, double deviation, uint32_t dtype, int exact)
{
    struct gauge_numbers *n = written(value, count, deviation);
    struct bound b;
    assert_int_equal(bound_make(&b, n, count, dtype, SEGUE_ACCURACY_F32, exact), 0);
    gauge_numbers_free(n);
    return b;
}

/* One in forty is large: those carry a common factor, the small ones a common sign. */
static int is_large(int64_t i)
{
    return i % 40 == 0;
}

static double error_of(const char *rule, int64_t i, double value)
{
    const double toward = value > 0 ? sigma : -sigma, either = i / 40 % 2 == i % 2 ? sigma : -sigma;
    if (!strcmp(rule, "element")) return i == 77 ? 4.1 * sigma : 0;
    if (!strcmp(rule, "rms")) return 1.6 * either;
    if (!strcmp(rule, "scale")) return is_large(i) ? 0.5 * toward : 0;
    return is_large(i) ? 0 : 0.1 * toward;
}

static void each_rule_by_itself(void **context)
{
    static const char *const rules[] = { "element", "rms", "scale", "sign" };
    double value[COUNT], got[COUNT];
    uint64_t key = 4;
    (void)context;
    for (int64_t i = 0; i < COUNT; i++)
        value[i] =
            (is_large(i) ? 1 : 0.001) * (double)uniform(&key, 0.9, 1) * (uniform(&key, -1, 1) > 0 ? 1 : -1);
    struct bound b = bound_over(value, COUNT, sigma, SEGUE_F32, 0);
    for (int r = 0; r < 4; r++) {
        struct verdict v, less;
        for (int64_t i = 0; i < COUNT; i++) got[i] = value[i] + error_of(rules[r], i, value[i]);
        judge(&b, got, &v);
        const double shares[] = { v.ratio, v.rms / JUDGE_MOST_RMS, v.scale / JUDGE_MOST_SCALE,
                                  v.sign / JUDGE_MOST_SIGN };
        assert_int_equal(v.ok, 0);
        assert_string_equal(v.rule, rules[r]);
        assert_int_equal(v.bad, r == 0);
        for (int s = 0; s < 4; s++) assert_int_equal(shares[s] > 1, s == r);
        assert_true(v.margin == shares[r]);
        /* Two thirds of the same error are right. */
        for (int64_t i = 0; i < COUNT; i++) got[i] = value[i] + 0.66 * error_of(rules[r], i, value[i]);
        judge(&b, got, &less);
        assert_true(less.ok && !less.rule && less.margin <= 1 && less.margin > 0.5);
        if (r == 0) assert_true(v.at == 77 && fabs(v.sigmas - 4.1) < 1e-3 && fabs(v.ratio - 4.1 / 4) < 1e-3);
    }
    bound_free(&b);
}

/* Few elements have no RMS to speak of. */
static void two_sigmas_of_one_element_are_right(void **context)
{
    const double value[] = { 1, 2 };
    const double got[] = { 1 + 2 * sigma, 2 - 2.5 * sigma };
    struct bound b = bound_over(value, 2, sigma, SEGUE_F32, 0);
    struct verdict v;
    (void)context;
    judge(&b, got, &v);
    assert_true(v.ok && v.rms > 2);
    bound_free(&b);
}

static void exact_means_equal(void **context)
{
    static const uint32_t dtypes[] = { SEGUE_F32, SEGUE_F16, SEGUE_BF16, SEGUE_F64 };
    const double value[] = { 3, 1 + 0x1p-12, -0x1.234567p-3 };
    (void)context;
    for (int d = 0; d < 4; d++) {
        struct bound b = bound_over(value, 3, sigma, dtypes[d], 1);
        struct verdict v;
        double got[3];
        for (int i = 0; i < 3; i++) got[i] = judge_round(dtypes[d], value[i]);
        judge(&b, got, &v);
        assert_true(v.ok && v.margin <= 1);
        assert_true(bound_agrees(&b, 1, got[1], got[1]));
        got[2] = nextafter(got[2], 1);
        judge(&b, got, &v);
        assert_true(!v.ok && v.at == 2 && v.bad == 1);
        assert_string_equal(v.rule, "element");
        assert_false(bound_agrees(&b, 2, got[2], value[2]));
        bound_free(&b);
    }
}

/* What nobody computed must be there to the bit, or rounded once. */
static void copies(void **context)
{
    const double value[] = { 1.5, 0x1.234566p0, 0 };
    struct bound b = bound_over(value, 3, 0, SEGUE_F32, 0);
    (void)context;
    assert_true(bound_holds(&b, 1, value[1]) && !bound_holds(&b, 1, value[1] + 0x1p-24) &&
                bound_of(&b, 1) == 0);
    assert_true(bound_holds(&b, 2, -0.0) && !bound_holds(&b, 2, 0x1p-149));
    bound_free(&b);
    b = bound_over(value, 3, 0, SEGUE_BF16, 0);
    assert_true(bound_holds(&b, 0, 1.5) && !bound_holds(&b, 0, 1.5 + 0x1p-7));
    assert_true(bound_holds(&b, 1, judge_round(SEGUE_BF16, value[1])) && !bound_holds(&b, 1, 1.125));
    bound_free(&b);
}

/* Against the reference's own rounding, at every f16 and its neighbourhood. */
static void rounding(void **context)
{
    (void)context;
    for (uint32_t bits = 0; bits < 0x8000; bits++) {
        const double here = from_f16((uint16_t)bits), next = from_f16((uint16_t)(bits + 1));
        const double between = bits < 0x7bff ? (here + next) / 2 : here;
        const double points[] = { here, between, nextafter(between, here), nextafter(between, 1e9) };
        for (int p = 0; p < 4 && bits < 0x7c00; p++) {
            assert_true(judge_round(SEGUE_F16, points[p]) == from_f16(to_f16(points[p])));
            assert_true(judge_round(SEGUE_F16, -points[p]) == -from_f16(to_f16(points[p])));
            assert_true(judge_round(SEGUE_BF16, points[p]) == from_bf16(to_bf16(points[p])));
        }
    }
    for (int e = -160; e < 130; e++)
        for (int m = 0; m < 300; m++) {
            const double x = ldexp(1 + m / 256.0 + (m & 1) * 0x1p-20 + (m & 2) * 0x1p-40, e);
            assert_true(judge_round(SEGUE_BF16, x) == from_bf16(to_bf16(x)));
            if (x < 0x1.ffffffp127) assert_true(judge_round(SEGUE_F32, x) == (double)(float)x);
            assert_true(judge_round(SEGUE_F64, x) == x);
        }
    assert_true(judge_round(SEGUE_F16, 65519.9) == 65504 && judge_round(SEGUE_F16, -65520) == -INFINITY);
    assert_true(judge_round(SEGUE_F32, 0x1.ffffffp127) == INFINITY && isnan(judge_round(SEGUE_F16, NAN)));
}

static void half_of_a_dtype(void **context)
{
    const double value[] = { 1.7, 3e-7, 70000, 65500 };
    struct bound b = bound_over(value, 4, 1e-9, SEGUE_F16, 0);
    (void)context;
    assert_true(fabs(bound_of(&b, 0) - (0x1p-11 + 4e-9)) < 1e-13);
    assert_true(fabs(bound_of(&b, 1) - (0x1p-25 + 4e-9)) < 1e-13); /* subnormal */
    assert_true(bound_holds(&b, 2, INFINITY) && !bound_holds(&b, 2, -INFINITY) && !bound_holds(&b, 2, 65504));
    assert_true(!bound_holds(&b, 3, INFINITY) && bound_holds(&b, 3, 65504));
    bound_free(&b);
    b = bound_over(value, 4, 20, SEGUE_F16, 0); /* 65500 +- 80 may be infinite */
    assert_true(bound_holds(&b, 3, INFINITY) && bound_holds(&b, 3, 65472) && !bound_holds(&b, 3, -INFINITY));
    assert_true(bound_agrees(&b, 3, INFINITY, 65472) && !bound_agrees(&b, 3, INFINITY, -INFINITY));
    bound_free(&b);
    struct gauge_numbers *n = written(value, 4, 0x1p-54);
    assert_int_equal(bound_make(&b, n, 4, SEGUE_F32, SEGUE_ACCURACY_F64, 0), 0);
    assert_true(fabs(bound_of(&b, 0) - 0x1p-24) < 1e-14); /* an f64 row rounds its answer to f32 */
    bound_free(&b);
    assert_int_equal(bound_make(&b, n, 4, SEGUE_F64, SEGUE_ACCURACY_F64, 0), 0);
    assert_true(bound_of(&b, 0) == 4 * 0x1p-54);
    bound_free(&b);
    gauge_numbers_free(n);
}

/* What a number before rounding may have been decides, not the largest rounding. */
static void rounding_is_forgiven_exactly(void **context)
{
    const double ulp = 0x1p-7, value[] = { 1 + 0.4 * ulp, 1 + 0.4999999 * ulp, 1 - 0.2 * ulp, 1.9 };
    struct bound b = bound_over(value, 4, 1e-8, SEGUE_BF16, 0);
    (void)context;
    assert_true(bound_holds(&b, 0, 1) && !bound_holds(&b, 0, 1 + ulp) && !bound_holds(&b, 0, NAN));
    assert_true(bound_holds(&b, 1, 1) && bound_holds(&b, 1, 1 + ulp)); /* within 4 sigma of the middle */
    assert_true(bound_holds(&b, 2, 1) && !bound_holds(&b, 2, 1 - ulp / 2) && !bound_holds(&b, 2, 1 + ulp));
    assert_true(bound_holds(&b, 3, judge_round(SEGUE_BF16, 1.9)) && !bound_holds(&b, 3, 1.9 * 0.995));
    bound_free(&b);
}

/* Equal values round alike; that is no bias. A factor of 0.999 is found all the same, by elements. */
static void equal_values_round_alike(void **context)
{
    enum { COUNT = 4096 };
    static double value[COUNT], got[COUNT];
    struct verdict v;
    (void)context;
    for (int i = 0; i < COUNT; i++) value[i] = 1 + 0.4 * 0x1p-7 + 1e-7 * (i % 3);
    struct bound b = bound_over(value, COUNT, 1e-8, SEGUE_BF16, 0);
    for (int i = 0; i < COUNT; i++) got[i] = judge_round(SEGUE_BF16, value[i]);
    judge(&b, got, &v);
    assert_true(v.ok && v.margin == 0);
    bound_free(&b);
    for (int i = 0; i < COUNT; i++) value[i] = 1 + i / (double)COUNT;
    b = bound_over(value, COUNT, 1e-8, SEGUE_BF16, 0);
    for (int i = 0; i < COUNT; i++) got[i] = judge_round(SEGUE_BF16, 0.999 * value[i]);
    judge(&b, got, &v);
    assert_true(!v.ok && !strcmp(v.rule, "element") && v.bad > COUNT / 10);
    bound_free(&b);
}

static void what_is_no_number(void **context)
{
    const double value[] = { NAN, INFINITY, -INFINITY, 1 };
    const double right[] = { NAN, INFINITY, -INFINITY, 1 };
    struct bound b = bound_over(value, 4, 0, SEGUE_F32, 0);
    struct verdict v;
    double got[4];
    (void)context;
    judge(&b, right, &v);
    assert_true(v.ok && v.ratio == 0 && b.used == 4 && b.size == 1 && !bound_is_vacuous(&b));
    for (int i = 0; i < 4; i++) {
        memcpy(got, right, sizeof got);
        got[i] = i == 3 ? NAN : 1;
        judge(&b, got, &v);
        assert_true(!v.ok && v.at == i && v.bad == 1 && isinf(v.ratio));
    }
    assert_true(bound_agrees(&b, 0, NAN, NAN) && !bound_agrees(&b, 0, NAN, 1) &&
                bound_agrees(&b, 1, INFINITY, INFINITY));
    bound_free(&b);
}

static void two_answers(void **context)
{
    const double value[] = { 1 };
    struct bound b = bound_over(value, 1, sigma, SEGUE_F32, 0);
    (void)context;
    assert_true(bound_agrees(&b, 0, 1 + 3.9 * sigma, 1 - 3.9 * sigma));
    assert_false(bound_agrees(&b, 0, 1 + 4.1 * sigma, 1 - 4.1 * sigma));
    assert_false(bound_agrees(&b, 0, NAN, 1));
    bound_free(&b);
}

static void vacuous(void **context)
{
    double value[100], got[100];
    (void)context;
    for (int i = 0; i < 100; i++) value[i] = 1, got[i] = i < 6 ? NAN : 1;
    struct gauge_numbers *n = written(value, 100, sigma);
    struct bound b;
    struct verdict v;
    for (int bad = 5; bad <= 6; bad++) {
        n->pattern[bad - 1].held[3] = NAN; /* undecidable */
        for (int i = 0; i < bad - 1; i++) n->pattern[i].held[3] = i % 2 ? INFINITY : NAN;
        assert_int_equal(bound_make(&b, n, 100, SEGUE_F32, SEGUE_ACCURACY_F32, 0), 0);
        assert_int_equal(b.undecidable, bad);
        assert_int_equal(bound_is_vacuous(&b), bad == 6);
        assert_true(isinf(bound_of(&b, 0)) && bound_holds(&b, 0, NAN) && bound_agrees(&b, 0, NAN, 1));
        judge(&b, got, &v);
        assert_int_equal(v.ok, bad == 6); /* 5 undecidable: the sixth NaN is wrong */
        bound_free(&b);
    }
    gauge_numbers_free(n);
    b = bound_over(value, 100, 0.02, SEGUE_F32, 0);
    assert_true(b.noisy == 100 && bound_is_vacuous(&b));
    bound_free(&b);
    n = written(value, 100, 0.02);
    assert_int_equal(bound_make(&b, n, 100, SEGUE_F32, SEGUE_ACCURACY_BF16_PRODUCT, 0), 0);
    assert_true(b.noisy == 0 && b.limit == 10 && !bound_is_vacuous(&b));
    bound_free(&b);
    gauge_numbers_free(n);
}

static void what_nobody_wrote_is_not_judged(void **context)
{
    const double value[] = { 1, 1 };
    const double got[] = { NAN, 1 };
    struct gauge_numbers *n = written(value, 2, 0);
    struct bound b;
    struct verdict v;
    (void)context;
    n->touched[0] = 0;
    assert_int_equal(bound_make(&b, n, 2, SEGUE_F32, SEGUE_ACCURACY_F32, 0), 0);
    judge(&b, got, &v);
    assert_true(v.ok && b.used == 1 && v.at == 1);
    bound_free(&b);
    gauge_numbers_free(n);
    n = gauge_numbers_new(GAUGE_ROUNDINGS, 0);
    assert_int_equal(bound_make(&b, n, 0, SEGUE_F32, SEGUE_ACCURACY_F32, 0), 0);
    judge(&b, got, &v);
    assert_true(v.ok && v.at == -1 && !bound_is_vacuous(&b));
    bound_free(&b);
    gauge_numbers_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_by_itself),
        cmocka_unit_test(two_sigmas_of_one_element_are_right),
        cmocka_unit_test(exact_means_equal),
        cmocka_unit_test(copies),
        cmocka_unit_test(rounding),
        cmocka_unit_test(half_of_a_dtype),
        cmocka_unit_test(rounding_is_forgiven_exactly),
        cmocka_unit_test(equal_values_round_alike),
        cmocka_unit_test(what_is_no_number),
        cmocka_unit_test(two_answers),
        cmocka_unit_test(vacuous),
        cmocka_unit_test(what_nobody_wrote_is_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
