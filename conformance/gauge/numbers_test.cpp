// SPDX-FileCopyrightText: 2026 The Segue authors
// SPDX-License-Identifier: Apache-2.0
// The arithmetic of Tangent: roundings of each class, what is exact, what is undecidable, what overflows.
#include "tangent.h"

#include <initializer_list>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
extern "C" {
#include <cmocka.h>
}

namespace
{
using gauge::undecidable;

const double u = 0x1p-24, smallest = 0x1p-126;

void enter(uint32_t accuracy)
{
    const gauge_class of = gauge_class_of(accuracy);
    gauge::begin(&of);
}

// A number that is wrong by about sigma.
real about(double v, double sigma)
{
    real r(v);
    r.rough = 1;
    r.fresh = gauge::Random((float)(sigma / u));
    return r;
}

bool decided(const real &a)
{
    return gauge::is_decided(a);
}

bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b);
}

// One rounding goes to a fresh, a held and a one-sided pattern: three variances.
const double once = sqrt(3);

void sizes_of_class(void **)
{
    const real x(3), y(-1.25);
    struct {
        uint32_t accuracy;
        double add, exp, other, product;
    } const classes[] = {
        { SEGUE_ACCURACY_F32, u, 2 * u, 4 * u, u },
        { SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_FAST, u, 4.5 * u, 4 * u, u },
        { SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_BF16_PRODUCT, u, 2 * u, 4 * u, 0x1p-8 },
        { SEGUE_ACCURACY_F64, 0x1p-53, 0x1p-52, 0x1p-51, 0x1p-53 },
    };
    for (const auto &c : classes) {
        enter(c.accuracy);
        assert_true(is_near((x + y).sigma(), 1.75 * c.add * once));
        assert_true(is_near((x - y).sigma(), 4.25 * c.add * once));
        assert_true(is_near((x * y).sigma(), 3.75 * c.add * once));
        assert_true(is_near((x / y).sigma(), 2.4 * c.add * once));
        assert_true(is_near(real_exp(y).sigma(), exp(-1.25) * c.exp * once));
        assert_true(is_near(real_log(x).sigma(), log(3) * c.other * once));
        assert_true(is_near(real_log1p(x).sigma(), log(4) * c.other * once));
        assert_true(is_near(real_sqrt(x).sigma(), sqrt(3) * c.add * once));
        const double fast = c.accuracy & SEGUE_ACCURACY_FAST ? 2 * u : 0;
        assert_true(is_near(real_tanh(y).sigma(), (tanh(1.25) * c.other + fast) * once));
        assert_true(is_near(real_erf(y).sigma(), (erf(1.25) * c.other + fast) * once));
        assert_true(is_near(real_sin(y).sigma(), (sin(1.25) * c.other + fast) * once));
        assert_true(is_near(real_cos(x).sigma(), (-cos(3) * c.other + fast) * once));
        assert_true(real_tanh(real(0)).sigma() == 0 && real_erf(real(0)).sigma() == 0);
        const double of_mac = mac(real(0), x, y).sigma() / 3.75;
        if (c.product == 0x1p-8)
            assert_true(fabs(of_mac * 0x1p8 - 1) < 1e-4); // the sum's rounding is lost in it
        else assert_true(of_mac > c.product * once && of_mac <= 2.001 * c.product * once);
        assert_true((-x).sigma() == 0 && (-x).v == -3 && real_abs(y).v == 1.25 && real_max(x, y).v == 3);
    }
}

// Rounding, in 2^-8 of the sum of all sizes, of 1024 products of weights from `low` to `high` with 1, or with 1 and -1 in turn.
double in_bf16(double low, double high, int in_turn, int swapped)
{
    const int count = 1024;
    real sum(0);
    enter(SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_BF16_PRODUCT);
    for (int i = 0; i < count; i++) {
        const real weight = about(low + (high - low) * i / count, 0x1p-40), value = in_turn && i % 2 ? -1 : 1;
        sum = swapped ? mac(sum, value, weight) : mac(sum, weight, value);
    }
    return sum.sigma() * 0x1p8 / count;
}

// Weights that are alike are off together, with a sixteenth of the variance; so they cancel where the values do.
void factors_that_are_alike_err_alike(void **)
{
    for (int swapped = 0; swapped < 2; swapped++) {
        assert_true(fabs(in_bf16(0.9985, 0.9995, 0, swapped) - 0.25) < 0.05);
        assert_true(in_bf16(0.9985, 0.9995, 1, swapped) < 2 / sqrt(1024));
        assert_true(in_bf16(0.5, 1, 0, swapped) < 0.06);
    }
}

void values_are_those_of_the_reference(void **)
{
    enter(SEGUE_ACCURACY_F32);
    for (double x = -30; x < 30; x += 0.37) {
        assert_true(real_exp(x).v == exp(x));
        assert_true(real_sigmoid(x).v == (x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x))));
        assert_true(real_softplus(x).v == (x > 20 ? x : log1p(exp(x))));
        assert_true(fabs(real_log_sigmoid(x).v - log(real_sigmoid(x).v)) <= 1e-15 * fabs(x) + 1e-15);
        assert_true(real_tanh(x).v == tanh(x) && real_erf(x).v == erf(x) &&
                    real_log1p(x * x).v == log1p(x * x));
        assert_true(real_sin(x).v == sin(x) && real_cos(x).v == cos(x));
        assert_true((real(x) / real(7)).v == x / 7);
    }
}

// An error of an operand comes through by the derivative.
void derivatives(void **)
{
    const double s = 1e-3;
    const real x = about(0.7, s);
    enter(SEGUE_ACCURACY_F32);
    struct {
        real got;
        double slope;
    } const all[] = {
        { x + real(2), 1 },
        { real(2) - x, 1 },
        { real(-3) * x, 3 },
        { x / real(4), 0.25 },
        { real(1) / x, 1 / 0.49 },
        { real_exp(x), exp(0.7) },
        { real_log(x), 1 / 0.7 },
        { real_log1p(x), 1 / 1.7 },
        { real_sqrt(x), 0.5 / sqrt(0.7) },
        { real_sigmoid(x), 0.2217128733 },
        { real_softplus(x), 0.6681877722 },
        { real_log_sigmoid(x), 0.3318122278 },
        { real_tanh(x), 0.6347395900 },
        { real_erf(x), 0.6912748604 },
        { real_sin(x), 0.7648421873 },
        { real_cos(x), 0.6442176872 },
        { real_abs(-x), 1 },
        { mac(real(1), x, real(5)), 5 },
        { -x, 1 },
    };
    for (const auto &a : all) assert_true(fabs(a.got.sigma() / (a.slope * s) - 1) < 1e-3);
    assert_true((x - x).sigma() == 0); // correlated errors cancel
}

void chunks_and_transforms(void **)
{
    real sum(0);
    enter(SEGUE_ACCURACY_F32);
    assert_true(log_decay(&sum, real(-2)).sigma() == 0 && spread(real(1), real(100)).sigma() == 0);
    assert_true(weighed(real(2), 48).sigma() == 0);
    enter(SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_BF16_PRODUCT);
    assert_true(weighed(real(2), 48).sigma() == 0);
    enter(SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_CHUNK_LOG | SEGUE_ACCURACY_BF16_PRODUCT);
    assert_true(fabs(weighed(real(2), 48).sigma() / (2 * 0x1p-9) - 1) < 1e-4);
    enter(SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_CHUNK_LOG | SEGUE_ACCURACY_TRANSFORM);
    assert_true(is_near(weighed(real(2), 48).sigma(), 2 * 4 * u * once)); // sqrt(48 / 3)
    for (int t = 0; t < 10000; t++) log_decay(&sum, real(-2));
    assert_true(
        is_near(log_decay(&sum, real(-2)).sigma(), 2 * 2 * GAUGE_CHUNK * u * once)); // a memory of two chunks
    assert_true(is_near(spread(real(1), real(100)).sigma(), 200 * u * once));
}

// Signs of the held patterns repeat after each step, those of the fresh ones do not.
void steps(void **)
{
    enter(SEGUE_ACCURACY_F32);
    real fresh(0), held(0);
    for (int t = 0; t < 4096; t++) {
        step();
        const real r = real(1) + real(0.5);
        fresh.fresh = fresh.fresh + r.fresh, held.held = held.held + r.held;
        fresh.rough = held.rough = 1;
    }
    assert_true(is_near(held.sigma(), 4096 * 1.5 * u));
    assert_true(fresh.sigma() > 32 * 1.5 * u && fresh.sigma() < 128 * 1.5 * u); // near the square root
}

void flushing(void **)
{
    enter(SEGUE_ACCURACY_F32);
    const real tiny = real(1e-30) * real(1e-12);
    assert_true(is_near(tiny.sigma(), smallest));      // 1e-42 may come out as 0
    assert_true((real(1e-30) * real(0)).sigma() == 0); // masked is exactly 0
    assert_true((real(3) - real(3)).sigma() == 0);
    assert_true(real_exp(real(-100)).sigma() >= smallest); // 4e-44
    assert_true((about(1, 1e-7) * real(0)).sigma() == 0);
}

void undecidable_results(void **)
{
    enter(SEGUE_ACCURACY_F32);
    const real small = about(1e-6, 1e-6);
    assert_false(decided(real(1) / small));
    assert_true(decided(real(1) / about(1e-5, 1e-6)));
    assert_false(decided(real_log(small)) || decided(real_log1p(small - real(1))));
    assert_false(decided(real_sqrt(small)));
    assert_true(decided(real_sqrt(real(0))) && real_sqrt(real(0)).sigma() == 0);
    const real lost = real(1) / small;
    for (const real &r : { lost + real(1), real(2) * lost, lost - lost, real_exp(lost), real_max(lost, real(5)),
                           real_abs(lost), -lost, lost / real(3), mac(real(1), lost, real(1)) })
        assert_false(decided(r));
}

// What kernels may choose otherwise is not judged.
void selections(void **)
{
    enter(SEGUE_ACCURACY_F32);
    const real one(1), two = about(2, 1e-7), near = about(1e-7, 1e-7), lost = real(1) / about(1e-6, 1e-6);
    assert_true(real_select(one, two, one).v == 2 && is_near(real_select(one, two, one).sigma(), 1e-7));
    assert_true(real_select(-one, two, one).v == 1 && real_select(real(0), two, one).v == 1);
    assert_true(decided(real_select(about(1e-5, 1e-6), two, one)));
    assert_false(decided(real_select(near, two, one)) || decided(real_select(-near, two, one)));
    assert_true(decided(real_select(near, two, two)));
    assert_false(decided(real_select(lost, two, one)) || decided(real_select(one, lost, one)));
}

void maxima(void **)
{
    enter(SEGUE_ACCURACY_F32);
    const real narrow = about(1, 1e-7), wide = about(1 - 1e-6, 1e-6);
    assert_true(real_max(narrow, wide).v == 1 &&
                is_near(real_max(narrow, wide).sigma(), 1e-6)); // either may win
    assert_true(is_near(real_max(about(2, 1e-7), wide).sigma(), 1e-7));
    assert_false(decided(real_max(real(NAN), real(1)))); // kernels differ
    assert_true(decided(real_max(real(NAN), real(NAN))) && decided(real_max(real(INFINITY), narrow)));
}

void nan_and_infinity(void **)
{
    enter(SEGUE_ACCURACY_F32);
    const real inf(INFINITY), nan(NAN), one(1), zero(0), rough = about(1, 1e-7), unsure = about(1e-8, 1e-7);
    for (const real &r :
         { nan + rough, nan * zero, nan / one, real_exp(nan), inf - inf, inf * zero, inf / inf, zero / zero,
           real_sigmoid(nan), real_softplus(nan), real_log(real(-1)), nan * (one / unsure) })
        assert_true(__builtin_isnan(r.v) && decided(r));
    for (const real &r : { inf + rough, inf * rough, inf - rough, inf + unsure, real_exp(inf), one / zero,
                           real_exp(real(800)) })
        assert_true(r.v == INFINITY && decided(r));
    assert_false(decided(inf * unsure)); // of which sign?
    assert_false(decided(rough / unsure));
    for (const real &r : { real_exp(-inf), one / inf, real_softplus(-inf) })
        assert_true(r.v == 0 && r.sigma() == 0);
    for (const real &r : { real_tanh(nan), real_erf(nan), real_sin(nan), real_cos(inf), real_log_sigmoid(nan) })
        assert_true(__builtin_isnan(r.v) && decided(r));
    assert_true(real_log_sigmoid(-inf).v == -INFINITY && decided(real_log_sigmoid(-inf)));
    assert_true(real_log_sigmoid(inf).v == 0 && real_tanh(-inf).v == -1 && real_erf(inf).v == 1);
    assert_true(real_sigmoid(inf).v == 1 && decided(real_sigmoid(inf)));
}

// What an f32 kernel answers where double goes on: an infinity of that sign, if nothing infinite went in.
void beyond_f32(void **)
{
    enter(SEGUE_ACCURACY_F32);
    const real large(1e38), over = large * real(-100), near = large * real(3);
    assert_true(over.v == -1e40 && decided(over) && over.sigma() == 0);
    assert_true(decided(near) && near.sigma() > 1e31); // 3e38 is finite yet
    assert_true(decided(real_exp(real(100))) && real_exp(real(100)).v > 1e43);
    assert_false(decided(over + over)); // infinity or NaN: nobody knows the order of a kernel
    assert_false(decided(over * real(0)));
    assert_false(decided(real(1) / over));
    assert_false(decided(near - near)); // another order may overflow
    assert_false(decided((about(1e30, 1e30) * real(1e10)) * real(1)));
    const real largest(0x1.fffffep127); // an operand: whatever is computed may be infinite, this is not
    assert_true((largest - largest).v == 0 && (largest - largest).sigma() == 0);
    assert_true(decided(real(5) - largest) && decided(largest / real(1e3)) && decided(largest + real(1)));
    assert_false(decided((largest + real(1)) - largest));
    for (const real &r : { real(5) - largest, over, real(-INFINITY) })
        assert_true(real_exp(r).v == 0 && real_exp(r).sigma() == 0); // -infinity or not
    assert_false(decided(real_exp(over * real(0))));
    enter(SEGUE_ACCURACY_F64);
    assert_true(decided(large * real(100) - real(1)) && decided(real(1e300) * real(1e300)));
}

// What a control is compared with, and what was decided by it.
void conditions(void **)
{
    enter(SEGUE_ACCURACY_F32);
    const real sure = about(1e-6, 1e-7), near = about(3e-7, 1e-7), lost = undecidable(1);
    for (int answer = -1; answer <= 1; answer++) {
        real cause(0);
        assert_true(real_holds(sure, answer, &cause) && !real_holds(-sure, answer, &cause) && decided(cause));
        assert_true(real_holds(real(0), answer, &cause) && real_holds(real(INFINITY), answer, &cause) &&
                    decided(cause));
        assert_false(real_holds(real(NAN), answer, &cause) || !decided(cause));
        assert_int_equal(real_holds(near, answer, &cause), answer != 0);
        assert_int_equal(real_holds(-near, answer, &cause), answer == 1);
        assert_int_equal(decided(cause), answer >= 0);
        assert_int_equal(decided(because(sure, cause)), answer >= 0);
        assert_true(because(sure, cause).v == sure.v);
    }
    real cause(0);
    real_holds(lost, -1, &cause);
    assert_false(decided(cause));
    enter(SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_BF16_PRODUCT); // whose limit is 10 sigma
    assert_int_equal(real_holds(about(9e-7, 1e-7), 0, &cause), 0);
    assert_int_equal(real_holds(about(1.1e-6, 1e-7), 0, &cause), 1);
}

// In double the branch at 20 shows, where it is uncertain which side was taken.
void softplus_branch(void **)
{
    enter(SEGUE_ACCURACY_F64);
    assert_true(real_softplus(about(20, 1e-15)).sigma() > 2e-9);
    assert_true(real_softplus(real(20)).sigma() < 1e-13 && real_softplus(about(20.01, 1e-15)).sigma() < 1e-13);
    enter(SEGUE_ACCURACY_F32);
    assert_true(real_softplus(real(20)).sigma() < 2e-5);
}

// ---- memory

struct Cell { // one number behind a tensor
    gauge_numbers *n;
    segue_tensor t;
    Cell(uint32_t dtype, double value) : n(gauge_numbers_new(GAUGE_ROUNDINGS, 1))
    {
        const int64_t one = 1;
        gauge_set(n, 0, value);
        t = segue_tensor_of(n, dtype, 1, &one);
    }
    ~Cell() { gauge_numbers_free(n); }
};

void numbers_carry_their_roundings(void **)
{
    enter(SEGUE_ACCURACY_F32);
    Cell f32(SEGUE_F32, 1), f16(SEGUE_F16, 1), bf16(SEGUE_BF16, 1), f64(SEGUE_F64, 1);
    assert_true(load(&bf16.t, 0, 0, 0, 0).sigma() == 0); // an input is what it is
    for (Cell *c : { &f32, &f16, &bf16, &f64 }) store(&c->t, real(1.5), 0, 0, 0, 0);
    assert_true(load(&f32.t, 0, 0, 0, 0).sigma() == 0 && load(&f64.t, 0, 0, 0, 0).sigma() == 0);
    assert_true(is_near(load(&f16.t, 0, 0, 0, 0).sigma(), 1.5 * 0x1p-11));
    assert_true(is_near(load(&bf16.t, 0, 0, 0, 0).sigma(), 1.5 * 0x1p-8));
    const real a = load(&bf16.t, 0, 0, 0, 0), b = load(&bf16.t, 0, 0, 0, 0);
    assert_true((a - b).sigma() == 0); // rounded once, however often it is read
    store(&f32.t, about(2, 1e-6), 0, 0, 0, 0);
    assert_true(is_near(gauge_sigma(f32.n, 0), 1e-6) && is_near(load(&f32.t, 0, 0, 0, 0).sigma(), 1e-6));
    assert_int_equal(gauge_touched(f32.n, 0), GAUGE_READ | GAUGE_WRITTEN);
    gauge_set(f32.n, 0, 2);
    assert_true(gauge_sigma(f32.n, 0) == 0 && gauge_touched(f32.n, 0) == 0);
    store(&f32.t, undecidable(1), 0, 0, 0, 0);
    assert_true(gauge_sigma(f32.n, 0) == INFINITY && gauge_value(f32.n, 0) == 1);
    assert_true(gauge_marks(f32.n, 0) == 0);
}

void denormal_inputs_may_be_flushed(void **)
{
    enter(SEGUE_ACCURACY_F32);
    Cell c(SEGUE_F32, 1e-40);
    assert_true(load(&c.t, 0, 0, 0, 0).sigma() >= 1e-40);
}

void nothing_is_read_beyond(void **)
{
    enter(SEGUE_ACCURACY_F32);
    Cell c(SEGUE_F32, 1);
    assert_true(decided(load(&c.t, 0, 0, 0, 0)) && gauge::now.failed == 0);
    assert_false(decided(load(&c.t, 1, 0, 0, 0)));
    assert_int_equal(gauge::now.failed, GAUGE_OUTSIDE);
    enter(SEGUE_ACCURACY_F32);
    store(&c.t, real(2), -1, 0, 0, 0);
    assert_true(gauge::now.failed == GAUGE_OUTSIDE && gauge_value(c.n, 0) == 1);
}
} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(sizes_of_class),
        cmocka_unit_test(factors_that_are_alike_err_alike),
        cmocka_unit_test(values_are_those_of_the_reference),
        cmocka_unit_test(derivatives),
        cmocka_unit_test(chunks_and_transforms),
        cmocka_unit_test(steps),
        cmocka_unit_test(flushing),
        cmocka_unit_test(undecidable_results),
        cmocka_unit_test(selections),
        cmocka_unit_test(maxima),
        cmocka_unit_test(nan_and_infinity),
        cmocka_unit_test(beyond_f32),
        cmocka_unit_test(conditions),
        cmocka_unit_test(softplus_branch),
        cmocka_unit_test(numbers_carry_their_roundings),
        cmocka_unit_test(denormal_inputs_may_be_flushed),
        cmocka_unit_test(nothing_is_read_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
