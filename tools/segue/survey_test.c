/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "survey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* As segue_device_open takes names: an id before anybody's alias. */
static void which_plugin(void **state)
{
    segue_plugin_facts plugins[] = { { .id = "thief", .alias = "acme" },
                                     { .id = "acme", .alias = "npu" },
                                     { .id = "" } };
    const struct survey s = { .plugins = plugins, .count = 3 };
    (void)state;
    assert_ptr_equal(survey_plugin(&s, "acme"), &plugins[1]);
    assert_ptr_equal(survey_plugin(&s, "acme:1"), &plugins[1]);
    assert_ptr_equal(survey_plugin(&s, "npu"), &plugins[1]);
    assert_ptr_equal(survey_plugin(&s, "thief:0"), &plugins[0]);
    assert_null(survey_plugin(&s, "npu:1"));
    assert_null(survey_plugin(&s, "acm"));
    assert_null(survey_plugin(&s, ":0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(which_plugin) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
