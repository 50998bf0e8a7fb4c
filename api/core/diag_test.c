/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Cleaning a plugin's words; internal, so it is compiled into the test. */
#include "diag.c"

#include "core_testing.h"

static void cleaned(void **state)
{
    static const struct {
        const char *given, *wanted;
    } cases[] = {
        { "plain", "plain" },
        { "\x1b[31mred\x7f", "?[31mred?" },
        { "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
        { "\xc2\x9b"
          "31m",
          "??31m" }, /* U+009B: what begins a terminal's command, in one character */
        { "\xc2\x80\xc2\x9f\xc2\xa0", "????\xc2\xa0" },
        { "\xc1\xbf", "??" }, /* longer than it need be */
        { "\xe0\x9f\xbf", "???" },
        { "\xed\xa0\x80", "???" },      /* half of a pair of UTF-16 */
        { "\xf4\x90\x80\x80", "????" }, /* beyond U+10FFFF */
        { "cut \xe2\x82", "cut ??" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s", cases[i].given);
        segue_clean_text(text, sizeof text);
        assert_string_equal(text, cases[i].wanted);
    }
    char endless[4] = { 'a', 'b', 'c', 'd' };
    segue_clean_text(endless, sizeof endless);
    assert_string_equal(endless, "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(cleaned) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
