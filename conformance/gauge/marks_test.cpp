// SPDX-FileCopyrightText: 2026 The Segue authors
// SPDX-License-Identifier: Apache-2.0
// The arithmetic of Tokens: every operation passes on all marks that went in, whatever the values are.
#include "tokens.h"

#include <initializer_list>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
extern "C" {
#include <cmocka.h>
}

namespace
{
void every_operation_passes_marks_on(void **)
{
    // 0 hides what it is multiplied by, -5 loses every maximum, 30 is beyond softplus's branch
    for (double x : { 0.0, 1.0, -5.0, 30.0, (double)NAN, (double)INFINITY })
        for (double y : { 0.0, 2.0, (double)NAN }) {
            const real a(x, 1), b(y, 2), c(0, 4);
            for (const real &r : { a + b, a - b, a * b, a / b, real_max(a, b), real_max(b, a) })
                assert_true(r.from == 3);
            assert_true(mac(c, a, b).from == 7 && mac(b, c, a).from == 7 && real_select(c, a, b).from == 7);
            for (const real &r : { -a, real_exp(a), real_log(a), real_log1p(a), real_sqrt(a), real_sigmoid(a),
                                   real_softplus(a), real_abs(a) })
                assert_true(r.from == 1);
        }
}

void hooks_add_none(void **)
{
    real sum(0, 8);
    step();
    assert_true(weighed(real(2, 1), 64).from == 1 && weighed(real(2, 1), 64).v == 2);
    assert_true(log_decay(&sum, real(-1, 1)).from == 1 && spread(real(1, 1), real(1, 2)).from == 1);
    assert_true(real(2.5).from == 0);
}

// What was looked at decided, whatever came out.
void choices_depend_on_all_scores(void **)
{
    const real score[] = { real(1, 1), real(NAN, 2), real(3, 4), real(3, 8), real(-INFINITY, 16) };
    real cause(0, 32);
    assert_int_equal(real_choose(5, score, 3, &cause), 2); // the first; answers are not asked
    assert_true(cause.from == 63 && because(real(2, 64), cause).from == 127 &&
                because(real(2, 64), cause).v == 2);
    assert_int_equal(real_choose(0, score, UNANSWERED, &cause), -1);
    assert_int_equal(real_choose(1, score + 4, UNANSWERED, &cause), -1);
    assert_true(real_holds(real(0, 128), 0, &cause) && !real_holds(real(-1), 1, &cause) && cause.from == 191);
}

void values_are_plain(void **)
{
    const real a(0.5), b(-2);
    assert_true((a + b).v == -1.5 && (a - b).v == 2.5 && (a * b).v == -1 && (a / b).v == -0.25 &&
                (-a).v == -0.5);
    assert_true(mac(a, a, b).v == -0.5 && real_max(a, b).v == 0.5 && real_abs(b).v == 2 &&
                real_sqrt(real(4)).v == 2);
    assert_true(real_select(a, a, b).v == 0.5 && real_select(b, a, b).v == -2 &&
                real_select(real(0), a, b).v == -2);
    assert_true(real_exp(a).v == exp(0.5) && real_log(a).v == log(0.5) &&
                real_softplus(a).v == log1p(exp(0.5)));
    assert_true(real_softplus(real(21)).v == 21 && real_sigmoid(b).v == exp(-2) / (1 + exp(-2)));
}
} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_passes_marks_on),
        cmocka_unit_test(hooks_add_none),
        cmocka_unit_test(choices_depend_on_all_scores),
        cmocka_unit_test(values_are_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
