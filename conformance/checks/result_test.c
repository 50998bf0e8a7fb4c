/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void names_go_round(void **context)
{
    (void)context;
    for (int s = 0; s < STATUS_COUNT; s++) {
        assert_int_equal(status_named(status_name((enum status)s)), s);
        for (int k = 0; k < s; k++)
            assert_string_not_equal(status_name((enum status)s), status_name((enum status)k));
    }
    assert_int_equal(status_named("PASSED"), STATUS_COUNT);
    assert_string_equal(status_name(STATUS_COUNT), "unknown");
    assert_string_equal(check_name(CHECK_VALUE), "value");
    assert_string_equal(check_name(CHECK_STATUS), "status");
    assert_string_equal(check_name((enum check)3), "unknown");
}

/* Design: passed are PASS and PASS_MARGIN, skipped UNSUPPORTED, SKIP_RESOURCE and DELEGATED, the rest failed. */
static void what_counts(void **context)
{
    int counts[3] = { 0 };
    (void)context;
    for (int s = 0; s < STATUS_COUNT; s++) counts[status_counts_as((enum status)s)]++;
    assert_int_equal(counts[COUNTS_PASSED], 2);
    assert_int_equal(counts[COUNTS_SKIPPED], 3);
    assert_int_equal(counts[COUNTS_FAILED], STATUS_COUNT - 5);
    assert_int_equal(status_counts_as(STATUS_PASS_MARGIN), COUNTS_PASSED);
    assert_int_equal(status_counts_as(STATUS_DELEGATED), COUNTS_SKIPPED);
    assert_int_equal(status_counts_as(STATUS_MISSING), COUNTS_FAILED);
    assert_int_equal(status_counts_as(STATUS_VACUOUS), COUNTS_FAILED);
    assert_int_equal(status_counts_as(STATUS_COUNT), COUNTS_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names_go_round), cmocka_unit_test(what_counts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
