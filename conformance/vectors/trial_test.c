/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Golden files judged with the gauge on the CPU: all that no refusal covers pass, and an error of 3e-5 in one
 * expected value is found, or of ten times what a file allows; of integers an error of 1. */
#include "trial.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs the two above */
#include <cmocka.h>

#define CASE(primitive) extern const golden_case segue_golden_##primitive;
#include "vector_names.h"
#undef CASE
static const golden_case *const cases[] = {
#define CASE(primitive) &segue_golden_##primitive,
#include "vector_names.h"
#undef CASE
    NULL
};

static char folder[4000];

typedef void (*file_test)(const trial_device *device, const golden_case *with, const char *path);

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Every file of every primitive. */
static void each_file(const trial_device *device, file_test test)
{
    for (int c = 0; cases[c]; c++) {
        int files = 0;
        char path[4600];
        struct dirent **entries = NULL;
        snprintf(path, sizeof path, "%s/%s", folder, cases[c]->primitive);
        const int count = scandir(path, &entries, NULL, by_name);
        for (int i = 0; i < count; i++) {
            if (strstr(entries[i]->d_name, ".safetensors")) {
                snprintf(path, sizeof path, "%s/%s/%s", folder, cases[c]->primitive, entries[i]->d_name);
                test(device, cases[c], path);
                files++;
            }
            free(entries[i]);
        }
        free(entries);
        if (files < 3) fail_msg("%s: %d files", path, files);
    }
}

static void with_device(const char *name, file_test test)
{
    segue_context *context = NULL;
    trial_device device = { .facts.size = sizeof device.facts };
    segue_diag diag;
    assert_int_equal(segue_context_create(NULL, &context, &diag), SEGUE_OK);
    if (segue_device_open(context, name, NULL, &device.handle, &diag)) fail_msg("%s: %s", name, diag.text);
    assert_int_equal(segue_device_facts_of(device.handle, &device.facts, &diag), SEGUE_OK);
    assert_int_equal(segue_stream_create(device.handle, &device.stream, &diag), SEGUE_OK);
    device.dtype = device.facts.flags & SEGUE_DEVICE_REFERENCE ? SEGUE_F64 : SEGUE_F32;
    each_file(&device, test);
    segue_stream_destroy(device.handle, device.stream);
    segue_device_close(device.handle);
    segue_context_destroy(context);
}

/* Multiplies the largest value of the first output by a factor, adds 1 to an integer, or turns a flag. Its place in the file, -1 =
 * there is none. */
static int64_t plant(golden_file *file, double factor)
{
    for (int n = 0; n < file->tensor_count; n++) {
        golden_tensor *g = &file->tensors[n];
        int64_t at = 0;
        if (strncmp(g->name, "out.", 4) || !golden_count(g)) continue;
        if (g->dtype == SEGUE_U8) {
            file->content[g->data - file->content] ^= 1;
            return 0;
        }
        for (int64_t i = 0; i < golden_count(g); i++)
            if (fabs(golden_value(g, i)) > fabs(golden_value(g, at))) at = i;
        const double wide = golden_value(g, at) * factor;
        const float narrow = (float)wide;
        const int64_t number = (int64_t)golden_value(g, at) + 1;
        const int32_t small = (int32_t)number;
        unsigned char *to = file->content + (g->data - file->content);
        if (g->dtype == SEGUE_F64) memcpy(to + at * 8, &wide, sizeof wide);
        else if (g->dtype == SEGUE_F32) memcpy(to + at * 4, &narrow, sizeof narrow);
        else if (g->dtype == SEGUE_I64) memcpy(to + at * 8, &number, sizeof number);
        else if (g->dtype == SEGUE_I32) memcpy(to + at * 4, &small, sizeof small);
        else continue;
        return at;
    }
    return -1;
}

static double worst;

/* 0 = a refusal covers it. error: relative, of one expected value; at least ten times what the file allows. exact: the file
 * allows none. */
static int run_file(const trial_device *device, const golden_case *with, const char *path, double error,
                    trial *t, int *exact)
{
    golden_file file;
    char why[GOLDEN_WHY];
    if (golden_read(path, &file, why)) fail_msg("%s: %s", path, why);
    const int refused = with->refuse && with->refuse(&file);
    if (error != 0) assert_true(plant(&file, 1 + fmax(error, 10 * file.rtol)) >= 0);
    if (!refused) trial_run_case(t, device, &file, with);
    *exact = file.rtol == 0;
    golden_free(&file);
    return !refused;
}

static void passes(const trial_device *device, const golden_case *with, const char *path)
{
    trial t;
    int exact;
    if (!run_file(device, with, path, 0, &t, &exact)) return;
    if (t.status != TRIAL_PASSED) fail_msg("%s: %s", path, t.why);
    assert_int_equal(t.gauged, !exact && !(device->facts.flags & SEGUE_DEVICE_REFERENCE));
    if (exact) assert_true(t.ratio == 0 && t.bound == 0);
    else assert_true(t.ratio >= 0 && t.ratio <= 1 && t.bound > 0 && t.bound < 0.01);
    worst = fmax(worst, t.ratio);
}

static void finds_an_error(const trial_device *device, const golden_case *with, const char *path)
{
    trial t;
    int exact;
    if (!run_file(device, with, path, 3e-5, &t, &exact)) return;
    if (t.status != TRIAL_FAILED)
        fail_msg("%s: an error of 3e-5 passed with %g of its bound %g", path, t.ratio, t.bound);
    assert_true(t.ratio <= 1 || t.got != t.want);
}

static void on_the_reference(void **context)
{
    (void)context;
    with_device("reference", passes);
}

static void on_the_cpu(void **context)
{
    (void)context;
    worst = 0;
    with_device("cpu", passes);
    print_message("worst error %.3g of its bound\n", worst);
}

static void an_error_is_found(void **context)
{
    (void)context;
    with_device("cpu", finds_an_error);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_the_reference),
        cmocka_unit_test(on_the_cpu),
        cmocka_unit_test(an_error_is_found),
    };
    snprintf(folder, sizeof folder, "%s/golden", argc > 1 ? argv[1] : ".");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
