// SPDX-FileCopyrightText: 2026 The Segue authors
// SPDX-License-Identifier: Apache-2.0
// What joins what: a product is fused with the one operation behind it, never twice and never later.
#include <string.h>

#include "numbers.h"

#include "counter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
extern "C" {
#include <cmocka.h>
}

namespace
{
void assert_counts(int64_t products, int64_t sums, int64_t fused, int64_t exps)
{
    assert_int_equal(gauge::now.tally.products, products);
    assert_int_equal(gauge::now.tally.sums, sums);
    assert_int_equal(gauge::now.tally.fused, fused);
    assert_int_equal(gauge::now.tally.exps, exps);
    gauge::begin(NULL);
}

void a_product_joins_once(void **)
{
    const real a, b, c;
    gauge::begin(NULL);
    const real p = a * b;
    (void)(p + c), (void)(p + c);
    assert_counts(0, 1, 1, 0);
    const real q = a * b;
    (void)real_exp(q), (void)real_exp(q);
    assert_counts(0, 0, 0, 2);
    (void)(a * b + b * c); // two products, of which one joins
    assert_counts(1, 0, 1, 0);
    const real r = a * b;
    (void)mac(a, b, c);
    (void)(r - c); // too late
    assert_counts(1, 1, 1, 0);
    (void)(c - a * b), (void)-(a * b);
    assert_counts(1, 0, 1, 0);
}

void functions(void **)
{
    const real a;
    gauge::begin(NULL);
    (void)real_sigmoid(a), (void)real_softplus(a * a), (void)real_log(a), (void)real_sqrt(a), (void)(a / a);
    (void)real_max(a, a), (void)real_abs(a), (void)real_select(a, a, a), (void)spread(a, a),
        (void)log_decay(NULL, a);
    assert_int_equal(gauge::now.tally.quotients, 2);
    assert_int_equal(gauge::now.tally.roots, 1);
    assert_int_equal(gauge::now.tally.logs, 2);
    assert_counts(0, 2, 0, 2);
    (void)real_log_sigmoid(a), (void)real_tanh(a), (void)real_erf(a), (void)real_sin(a), (void)real_cos(a);
    assert_int_equal(gauge::now.tally.quotients, 1);
    assert_int_equal(gauge::now.tally.logs, 4);
    assert_counts(0, 2, 0, 2);
    (void)real_log1p(a), (void)real_log1p(a);
    assert_int_equal(gauge::now.tally.logs, 2);
    assert_counts(0, 0, 0, 0);
}

void choices_cost_nothing(void **)
{
    const real score[3];
    real cause;
    gauge::begin(NULL);
    assert_int_equal(real_choose(3, score, UNANSWERED, &cause), 0);
    assert_int_equal(real_choose(0, score, UNANSWERED, &cause), -1);
    assert_true(real_holds(score[0] * score[1], -1, &cause));
    (void)(because(score[0], cause) + score[1]);
    assert_counts(1, 1, 0, 0);
}
} // namespace

int main()
{
    const CMUnitTest tests[] = { cmocka_unit_test(a_product_joins_once), cmocka_unit_test(functions),
                                 cmocka_unit_test(choices_cost_nothing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
