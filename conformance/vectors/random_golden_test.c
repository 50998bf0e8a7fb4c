/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* random/: Random123's known answers and uniforms against the numbers of the references. No primitive makes them, so no
 * device is asked. conformance/ is named on the command line. */
#include "../../reference/philox.h"
#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs the first two */
#include <cmocka.h>

static const char *folder;

static void open_file(const char *name, golden_file *file)
{
    char path[4096], why[GOLDEN_WHY] = "";
    snprintf(path, sizeof path, "%s/vectors/random/%s.safetensors", folder, name);
    if (golden_read(path, file, why)) fail_msg("%s", why);
}

static uint32_t word(const golden_file *file, const char *tensor, int64_t index)
{
    return (uint32_t)golden_value(golden_find(file, tensor), index);
}

static philox answer(const golden_file *file, int64_t row)
{
    philox counter;
    for (int i = 0; i < 4; i++) counter.word[i] = word(file, "counter", 4 * row + i);
    return philox_4x32_10(counter, word(file, "key", 2 * row), word(file, "key", 2 * row + 1));
}

static void words(void **context)
{
    static const char *const names[] = { "philox4x32_kat", "philox4x32_10_uniform" };
    int judged = 0;
    (void)context;
    for (int n = 0; n < 2; n++) {
        golden_file file;
        open_file(names[n], &file);
        const golden_tensor *const rounds = golden_find(&file, "rounds");
        for (int64_t row = 0; row < golden_find(&file, "counter")->shape[0]; row++) {
            if (rounds && (int64_t)golden_value(rounds, row) != 10) continue;
            const philox got = answer(&file, row);
            for (int i = 0; i < 4; i++) assert_int_equal(got.word[i], word(&file, "out.words", 4 * row + i));
            judged++;
        }
        golden_free(&file);
    }
    assert_int_equal(judged, 3 + 24);
}

/* u52 is not ours: 52 bits of a pair of words say that the pair's order is w's. */
static void uniforms(void **context)
{
    golden_file file;
    (void)context;
    open_file("philox4x32_10_uniform", &file);
    const golden_tensor *const u23 = golden_find(&file, "out.u23"), *const u52 = golden_find(&file, "out.u52");
    for (int64_t row = 0; row < u23->shape[0]; row++) {
        const philox got = answer(&file, row);
        for (int i = 0; i < 4; i++) assert_true(philox_u23(got.word[i]) == golden_value(u23, 4 * row + i));
        for (int i = 0; i < 2; i++) {
            const double w = philox_w(got.word[2 * i], got.word[2 * i + 1]),
                         off = w / golden_value(u52, 2 * row + i) - 1;
            assert_true(off < 0x1p-23 && off > -0x1p-23);
        }
    }
    golden_free(&file);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(words), cmocka_unit_test(uniforms) };
    folder = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
