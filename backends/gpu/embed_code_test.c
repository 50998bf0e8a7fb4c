/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Embedded code is found by the options that program.c writes: what embed_code.py writes must be the same text, or
 * every kernel would be compiled anew without a word. */
#include "gpu.h"
#include "gpu_testing.h"

#include <inttypes.h>

#define KEY(kernel, options) GPU_SOURCE(kernel);
#include "embedded_keys.h"
#undef KEY

static const struct {
    const struct gpu_source *source;
    const char *options;
} keys[] = {
#define KEY(kernel, options) { &gpu_source_##kernel, options },
#include "embedded_keys.h"
#undef KEY
};
enum { KEYS = sizeof keys / sizeof *keys };

static char asked[400]; /* for embedded code */

/* Nothing of ours, so that nothing can be loaded: it is only the question that counts. */
static const void *embedded(struct gpu *gpu, const char *kernel, const char *options, uint64_t *bytes)
{
    (void)gpu, (void)kernel, (void)bytes;
    snprintf(asked, sizeof asked, "%s", options);
    return NULL;
}

static segue_status build(struct gpu *gpu, const struct gpu_key *key, const char *source, const char *options,
                          void **loaded, void **blob, uint64_t *bytes, segue_diag *why)
{
    (void)gpu, (void)key, (void)source, (void)options, (void)loaded, (void)blob, (void)bytes;
    return segue_kit_fail(why, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_PLAN, 0, "not here");
}

static const struct gpu_driver driver = { .dialect = "", .build = build, .embedded = embedded };

static uint32_t dtype(const char *name)
{
    return !strcmp(name, "F32") ? SEGUE_F32 : !strcmp(name, "F16") ? SEGUE_F16 : SEGUE_BF16;
}

/* One " -DNAME=VALUE" into the key. */
static void take(struct gpu_key *key, const char *name, int64_t value, char names[GPU_MOST_DEFINES][16])
{
    if (!strcmp(name, "GROUP")) key->group = (int32_t)value;
    else if (!strncmp(name, "ACT_", 4)) key->act = dtype(name + 4);
    else if (!strncmp(name, "STATE_", 6)) key->state = dtype(name + 6);
    else {
        const int32_t i = key->define_count++;
        assert_true(i < GPU_MOST_DEFINES);
        snprintf(names[i], sizeof *names, "%s", name);
        key->define[i] = (struct gpu_define){ names[i], value };
    }
}

static void test_options_are_those_of_programs(void **state)
{
    struct gpu gpu = { .driver = &driver, .host = &test_host, .identity = "a device", .group = 128 };
    (void)state;
    assert_int_equal(gpu_open(&gpu, NULL), SEGUE_OK);
    for (int i = 0; i < KEYS; i++) {
        struct gpu_key key = { .source = keys[i].source, .kernel = keys[i].source->name };
        char names[GPU_MOST_DEFINES][16], name[16];
        struct gpu_kernel kernel;
        int64_t value;
        int used;
        for (const char *at = keys[i].options; *at; at += used) {
            assert_int_equal(sscanf(at, " -D%15[A-Z0-9_]=%" SCNd64 "%n", name, &value, &used), 2);
            take(&key, name, value, names);
        }
        asked[0] = 0;
        assert_int_equal(gpu_kernel_prepare(&gpu, &key, &kernel, NULL), SEGUE_ERROR_UNSUPPORTED);
        assert_string_equal(asked, keys[i].options);
    }
    gpu_close(&gpu);
}

/* As the launchers ask for them: the kernels of a Mamba block. */
static void test_keys_of_models_are_embedded(void **state)
{
    static const struct {
        const char *kernel, *options;
    } wanted[] = {
        { "selective_scan", " -DGROUP=128 -DACT_F32=1 -DSTATE_F32=1 -DN=16" },
        { "selective_scan", " -DGROUP=128 -DACT_BF16=1 -DSTATE_F32=1 -DN=16" },
        { "causal_conv1d", " -DGROUP=128 -DACT_F16=1 -DSTATE_F16=1 -DW=4" },
        { "tensor_copy", " -DGROUP=128" },
    };
    (void)state;
    for (size_t w = 0; w < sizeof wanted / sizeof *wanted; w++) {
        int found = 0;
        for (int i = 0; i < KEYS; i++)
            found +=
                !strcmp(keys[i].source->name, wanted[w].kernel) && !strcmp(keys[i].options, wanted[w].options);
        assert_int_equal(found, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_options_are_those_of_programs, fresh_folder, remove_folder),
        cmocka_unit_test(test_keys_of_models_are_embedded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
