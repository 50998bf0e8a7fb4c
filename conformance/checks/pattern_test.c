/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { B = 2, T = 192, D = 5 };

static const segue_field_facts facts = { .name = "y", .dims = "b t d", .role = SEGUE_ROLE_OUT };
static unsigned char bad[B * T * D], all[B * T * D];

static void expect(const char *wanted)
{
    char text[128];
    const int64_t shape[] = { B, T, D };
    const segue_tensor view = segue_tensor_of(NULL, SEGUE_F32, 3, shape);
    pattern_print(text, sizeof text, &facts, &view, bad, all);
    assert_string_equal(text, wanted);
    memset(bad, 0, sizeof bad);
    memset(all, 1, sizeof all);
}

static void mark(int b0, int b1, int t0, int t1, int every, int d0, int d1)
{
    for (int b = b0; b < b1; b++)
        for (int t = t0; t < t1; t += every)
            for (int d = d0; d < d1; d++) bad[(b * T + t) * D + d] = 1;
}

static void words(void **context)
{
    (void)context;
    memset(all, 1, sizeof all);
    expect("");
    mark(0, B, 0, T, 1, 0, D), expect("1920 of 1920 bad, everywhere");
    mark(0, B, 77, 78, 1, 0, D), expect("10 of 1920 bad, all at t 77");
    mark(0, B, 77, 78, 1, 0, D), bad[77 * D] = 0, expect("9 of 1920 bad, t 77 only");
    mark(1, 2, 64, 128, 1, 0, D), expect("320 of 1920 bad, all at b 1, t 64 to 127");
    mark(0, B, 63, T, 64, 0, D), expect("30 of 1920 bad, all at every 64th t from 63");
    mark(0, B, 176, T, 1, 3, 4), expect("32 of 1920 bad, all at t from 176, d 3");
    mark(0, B, 0, T, 1, 1, 2), mark(0, B, 0, T, 1, 4, 5), expect("768 of 1920 bad, all at d 1 and 4");
    mark(0, B, 9, 10, 1, 0, D), mark(0, B, 20, 21, 1, 0, D), mark(0, B, 30, 31, 1, 0, D),
        expect("30 of 1920 bad, all at t 9, 20 and 30");
    for (int i = 0; i < B * T * D; i += 7) bad[i] = 1;
    expect("275 of 1920 bad, scattered");
}

/* Elements that the reference leaves alone cannot be bad: the rest may be all of them. */
static void only_what_is_judged(void **context)
{
    (void)context;
    memset(all, 0, sizeof all);
    for (int i = 0; i < B * T * D; i += D) all[i] = bad[i] = 1;
    expect("384 of 384 bad, all at d 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(words), cmocka_unit_test(only_what_is_judged) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
