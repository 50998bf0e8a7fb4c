/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Programs over a driver that only takes notes: its "binary" is the text that it was asked to compile. */
#include "gpu.h"
#include "gpu_testing.h"

#include <pthread.h>

static struct { /* what the driver was asked */
    atomic_int builds, loads, loaded, instances, launches, finishes, saves;
    int fail_build, fail_load, fail_prepare, fail_launch, fail_save; /* the next so many */
    segue_status fails_with;                                         /* loads and launches; 0 = INTERNAL */
    int late;                                                        /* gives no blob before launches */
    useconds_t build_time;
    int32_t groups[2][3]; /* of the last two launches */
    char source[200000], options[400];
} seen;

static segue_status load(struct gpu *gpu, const void *blob, uint64_t bytes, const struct gpu_key *key,
                         void **loaded, segue_diag *why)
{
    seen.loads++;
    if (seen.fail_load && seen.fail_load--)
        return segue_kit_fail(why, seen.fails_with ? seen.fails_with : SEGUE_ERROR_INTERNAL, SEGUE_PHASE_PLAN,
                              0, "not for this device");
    assert_non_null(strstr(blob, key->kernel));
    if (!(*loaded = gpu->host->alloc(gpu->host->user, bytes, 64)))
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory");
    memcpy(*loaded, blob, bytes);
    seen.loaded++;
    return SEGUE_OK;
}

static segue_status build(struct gpu *gpu, const struct gpu_key *key, const char *source, const char *options,
                          void **loaded, void **blob, uint64_t *bytes, segue_diag *why)
{
    const size_t size = strlen(source) + strlen(options) + 1;
    assert_true(!*blob && !*bytes);
    seen.builds++;
    usleep(seen.build_time);
    if (seen.fail_build && seen.fail_build--)
        return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_PLAN, 0, "toy.k.h:3: error: no such word");
    snprintf(seen.source, sizeof seen.source, "%s", source);
    snprintf(seen.options, sizeof seen.options, "%s", options);
    if (!(*blob = gpu->host->alloc(gpu->host->user, size, 64)))
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory");
    snprintf(*blob, size, "%s%s", options, source);
    *bytes = size;
    const segue_status s = load(gpu, *blob, *bytes, key, loaded, why);
    if (seen.late) gpu->host->free(gpu->host->user, *blob), *blob = NULL, *bytes = 0;
    return s;
}

static segue_status save(struct gpu *gpu, void *loaded, void **blob, uint64_t *bytes)
{
    assert_true(seen.launches >= 2);
    seen.saves++;
    if (seen.fail_save && seen.fail_save--) return SEGUE_ERROR_MEMORY;
    *bytes = strlen(loaded) + 1;
    *blob = memcpy(gpu->host->alloc(gpu->host->user, *bytes, 64), loaded, *bytes);
    return SEGUE_OK;
}

static void unload(struct gpu *gpu, void *loaded)
{
    seen.loaded--;
    gpu->host->free(gpu->host->user, loaded);
}

static segue_status prepare(struct gpu *gpu, void *loaded, void **instance, segue_diag *why)
{
    (void)gpu;
    if (seen.fail_prepare && seen.fail_prepare--)
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no clones");
    seen.instances++;
    *instance = loaded;
    return SEGUE_OK;
}

static void release(struct gpu *gpu, void *instance)
{
    (void)gpu, (void)instance;
    seen.instances--;
}

static segue_status launch(struct gpu *gpu, segue_stream stream, void *loaded, void *instance,
                           const int32_t groups[3], int32_t group, const struct gpu_arg *args, uint32_t count,
                           segue_diag *why)
{
    (void)gpu, (void)stream, (void)args, (void)count;
    if (seen.fail_launch && seen.fail_launch--)
        return segue_kit_fail(why, seen.fails_with ? seen.fails_with : SEGUE_ERROR_INTERNAL, SEGUE_PHASE_RUN, 0,
                              "that is no code");
    assert_ptr_equal(loaded, instance);
    assert_int_equal(group, 64);
    memcpy(seen.groups[0], seen.groups[1], sizeof *seen.groups);
    memcpy(seen.groups[1], groups, sizeof *seen.groups);
    seen.launches++;
    return SEGUE_OK;
}

static segue_status finish(struct gpu *gpu, segue_diag *why)
{
    (void)gpu, (void)why;
    seen.finishes++;
    return SEGUE_OK;
}

static const struct gpu_driver driver = { .dialect = "the dialect\n",
                                          .build = build,
                                          .load = load,
                                          .unload = unload,
                                          .prepare = prepare,
                                          .release = release,
                                          .launch = launch,
                                          .finish = finish,
                                          .save = save };
static const struct gpu_source toy = { "toy", "the arguments\n", "KERNEL(toy_run)\n" };

static const struct gpu_key toy_key = { .source = &toy,
                                        .kernel = "toy_run",
                                        .act = SEGUE_BF16,
                                        .state = SEGUE_F32,
                                        .group = 64,
                                        .define_count = 2,
                                        .define = { { "N", 16 }, { "LEVEL", -3 } } };

static struct gpu open_gpu(const char *identity)
{
    segue_diag why;
    struct gpu gpu = { .driver = &driver,
                       .host = &test_host,
                       .features = GPU_HAS_F16,
                       .group = 64,
                       .most_groups = { 1000, 10, 10 } };
    snprintf(gpu.identity, sizeof gpu.identity, "%s", identity);
    memset(&seen, 0, sizeof seen);
    assert_int_equal(gpu_open(&gpu, &why), SEGUE_OK);
    return gpu;
}

static struct gpu_kernel prepared(struct gpu *gpu, const struct gpu_key *key)
{
    struct gpu_kernel kernel;
    segue_diag why = { 0 };
    assert_int_equal(gpu_kernel_prepare(gpu, key, &kernel, &why), SEGUE_OK);
    return kernel;
}

/* -1 = it is not there. */
static int64_t position(const char *part)
{
    const char *at = strstr(seen.source, part);
    return at ? at - seen.source : -1;
}

static void makes_source_and_options(void **state)
{
    static const char *const order[] = { "#line 1 \"dialect.h\"\nthe dialect\n", "#line 1 \"words.h\"\n",
                                         "#line 1 \"toy.args.h\"\nthe arguments\n",
                                         "#line 1 \"toy.k.h\"\nKERNEL(toy_run)\n" };
    (void)state;
    struct gpu gpu = open_gpu("Toy 1");
    struct gpu_kernel kernel = prepared(&gpu, &toy_key);
    for (size_t i = 0; i < 4; i++) {
        assert_true(position(order[i]) >= 0);
        if (i) assert_true(position(order[i]) > position(order[i - 1]));
    }
    assert_string_equal(seen.options, " -DGROUP=64 -DACT_BF16=1 -DSTATE_F32=1 -DHAS_F16=1 -DN=16 -DLEVEL=-3");
    assert_non_null(strstr(said, "compiling toy_run for Toy 1"));
    assert_int_equal(kernel.group, 64);
    gpu_kernel_release(&kernel);
    gpu_kernel_release(&kernel); /* released already: nothing */
    gpu_close(&gpu);
    assert_int_equal(seen.loaded, 0);
    assert_int_equal(seen.instances, 0);
}

static void refuses_what_has_no_option(void **state)
{
    struct gpu_key key = toy_key;
    struct gpu_kernel kernel;
    segue_diag why;
    (void)state;
    struct gpu gpu = open_gpu("Toy 1");
    key.act = SEGUE_F64;
    assert_int_equal(gpu_kernel_prepare(&gpu, &key, &kernel, &why), SEGUE_ERROR_INTERNAL);
    assert_non_null(strstr(why.text, "wanted f32, f16 or bf16"));
    key = toy_key;
    key.define_count = GPU_MOST_DEFINES + 1;
    assert_int_equal(gpu_kernel_prepare(&gpu, &key, &kernel, &why), SEGUE_ERROR_INTERNAL);
    assert_int_equal(seen.builds, 0);
    gpu_close(&gpu);
}

/* Everything that code depends on makes another program, nothing else does. */
static void tells_keys_apart(void **state)
{
    static const struct gpu_source other = { "toy", "the arguments\n", "KERNEL(toy_run) \n" };
    struct gpu_key keys[8];
    struct gpu_kernel kernels[8], again[8];
    (void)state;
    for (int i = 0; i < 8; i++) keys[i] = toy_key;
    keys[1].act = SEGUE_F32;
    keys[2].state = 0;
    keys[3].group = 128;
    keys[4].define[0].value = 17;
    keys[5].define_count = 1;
    keys[6].source = &other;
    keys[7].kernel = "toy"; /* a part of the first's name */
    struct gpu gpu = open_gpu("Toy 1");
    for (int i = 0; i < 8; i++) kernels[i] = prepared(&gpu, &keys[i]);
    assert_int_equal(seen.builds, 8);
    assert_int_equal(seen.loaded, 8);
    for (int i = 0; i < 8; i++) again[i] = prepared(&gpu, &keys[i]);
    assert_int_equal(seen.builds, 8);
    assert_int_equal(seen.loads, 8);
    for (int i = 0; i < 8; i++) {
        assert_ptr_equal(again[i].loaded, kernels[i].loaded);
        gpu_kernel_release(&kernels[i]), gpu_kernel_release(&again[i]);
    }
    gpu_close(&gpu);
    assert_int_equal(seen.loaded, 0);
}

static void finds_it_on_disk(void **state)
{
    (void)state;
    struct gpu gpu = open_gpu("Toy 1");
    struct gpu_kernel kernel = prepared(&gpu, &toy_key);
    gpu_kernel_release(&kernel), gpu_close(&gpu);

    gpu = open_gpu("Toy 1"); /* as another process would */
    said[0] = 0;
    kernel = prepared(&gpu, &toy_key);
    assert_int_equal(seen.builds, 0);
    assert_int_equal(seen.loads, 1);
    assert_string_equal(said, "");
    gpu_kernel_release(&kernel), gpu_close(&gpu);

    gpu = open_gpu("Toy 2"); /* another driver or device */
    kernel = prepared(&gpu, &toy_key);
    assert_int_equal(seen.builds, 1);
    gpu_kernel_release(&kernel), gpu_close(&gpu);

    setenv("SEGUE_CACHE_DIR", "", 1);
    gpu = open_gpu("Toy 1");
    kernel = prepared(&gpu, &toy_key);
    assert_int_equal(seen.builds, 1);
    gpu_kernel_release(&kernel), gpu_close(&gpu);
}

/* The driver was exchanged without a new version: its blob is thrown away, once. */
static void builds_anew_what_does_not_load(void **state)
{
    (void)state;
    struct gpu gpu = open_gpu("Toy 1");
    struct gpu_kernel kernel = prepared(&gpu, &toy_key);
    gpu_kernel_release(&kernel), gpu_close(&gpu);
    gpu = open_gpu("Toy 1");
    seen.fail_load = 1;
    kernel = prepared(&gpu, &toy_key);
    assert_int_equal(seen.builds, 1);
    assert_int_equal(seen.loads, 2);
    gpu_kernel_release(&kernel), gpu_close(&gpu);

    gpu = open_gpu("Toy 1"); /* the new one is good; and goes, too, even where no other takes its place */
    seen.fail_load = seen.fail_build = 1;
    assert_int_equal(gpu_kernel_prepare(&gpu, &toy_key, &kernel, NULL), SEGUE_ERROR_INTERNAL);
    assert_int_equal(seen.loads, 1);
    kernel = prepared(&gpu, &toy_key);
    assert_int_equal(seen.builds, 2);
    assert_int_equal(seen.loads, 2);
    gpu_kernel_release(&kernel), gpu_close(&gpu);
}

/* Neither is the code to blame, nor is there sense in compiling it anew. */
static void keeps_code_that_is_not_to_blame(void **state)
{
    static const segue_status others[] = { SEGUE_ERROR_MEMORY, SEGUE_ERROR_DEVICE_LOST, SEGUE_ERROR_CAPTURE };
    struct gpu_kernel kernel;
    (void)state;
    struct gpu gpu = open_gpu("Toy 1");
    kernel = prepared(&gpu, &toy_key);
    gpu_kernel_release(&kernel), gpu_close(&gpu);
    gpu = open_gpu("Toy 1");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        segue_diag why = { 0 };
        seen.fail_load = 1, seen.fails_with = others[i];
        assert_int_equal(gpu_kernel_prepare(&gpu, &toy_key, &kernel, &why), others[i]);
        assert_string_equal(why.text, "not for this device");
    }
    kernel = prepared(&gpu, &toy_key);
    assert_int_equal(seen.builds, 0);
    gpu_kernel_release(&kernel), gpu_close(&gpu);
}

static const int32_t one_group[3] = { 1, 1, 1 };

/* A driver that compiles at the first launch gives its blob only then, and once. */
static void saves_after_the_first_launches(void **state)
{
    struct gpu_kernel kernel, second;
    (void)state;
    struct gpu gpu = open_gpu("Toy 1");
    seen.late = 1;
    kernel = prepared(&gpu, &toy_key);
    assert_int_equal(seen.saves, 0);
    assert_int_equal(gpu_warm_up(&kernel, one_group, NULL, 0, NULL), SEGUE_OK);
    second = prepared(&gpu, &toy_key);
    assert_int_equal(gpu_warm_up(&second, one_group, NULL, 0, NULL), SEGUE_OK);
    assert_int_equal(seen.saves, 1);
    gpu_kernel_release(&kernel), gpu_kernel_release(&second), gpu_close(&gpu);

    gpu = open_gpu("Toy 1");
    seen.late = 1;
    kernel = prepared(&gpu, &toy_key);
    assert_int_equal(gpu_warm_up(&kernel, one_group, NULL, 0, NULL), SEGUE_OK);
    assert_int_equal(seen.builds, 0);
    assert_int_equal(seen.saves, 0);
    gpu_kernel_release(&kernel), gpu_close(&gpu);

    gpu = open_gpu("Toy 2"); /* a driver that gives none is no failure */
    seen.late = seen.fail_save = 1;
    kernel = prepared(&gpu, &toy_key);
    assert_int_equal(gpu_warm_up(&kernel, one_group, NULL, 0, NULL), SEGUE_OK);
    gpu_kernel_release(&kernel), gpu_close(&gpu);

    setenv("SEGUE_CACHE_DIR", "", 1); /* nor is one asked for in vain */
    gpu = open_gpu("Toy 3");
    seen.late = 1;
    kernel = prepared(&gpu, &toy_key);
    assert_int_equal(gpu_warm_up(&kernel, one_group, NULL, 0, NULL), SEGUE_OK);
    assert_int_equal(seen.saves, 0);
    gpu_kernel_release(&kernel), gpu_close(&gpu);
    assert_int_equal(seen.loaded, 0);
}

/* A blob that loads but cannot run is found out by the warm-up: nobody finds it again, here or on disk. */
static void thrown_away(segue_status because)
{
    struct gpu_kernel before, kernel;
    segue_diag why;
    struct gpu gpu = open_gpu("Toy 1");
    before = prepared(&gpu, &toy_key);
    kernel = prepared(&gpu, &toy_key);
    seen.fail_launch = 1, seen.fails_with = because;
    assert_int_equal(gpu_warm_up(&kernel, one_group, NULL, 0, &why), because);
    assert_non_null(strstr(why.text, "that is no code"));
    gpu_kernel_release(&kernel);
    assert_int_equal(seen.loaded, 1); /* another plan still has it */
    kernel = prepared(&gpu, &toy_key);
    assert_int_equal(seen.builds, 2);
    assert_ptr_not_equal(kernel.loaded, before.loaded);
    gpu_kernel_release(&before);
    assert_int_equal(seen.loaded, 1);
    gpu_kernel_release(&kernel), gpu_close(&gpu);
    assert_int_equal(seen.loaded, 0);
}

/* On a GPU what it does may cost the device itself. */
static void throws_away_what_cannot_run(void **state)
{
    (void)state;
    thrown_away(SEGUE_ERROR_INTERNAL);
    setenv("SEGUE_CACHE_DIR", "", 1);
    thrown_away(SEGUE_ERROR_DEVICE_LOST);
}

static void passes_on_why_it_failed(void **state)
{
    struct gpu_kernel kernel;
    segue_diag why;
    (void)state;
    struct gpu gpu = open_gpu("Toy 1");
    seen.fail_build = 1;
    assert_int_equal(gpu_kernel_prepare(&gpu, &toy_key, &kernel, &why), SEGUE_ERROR_INTERNAL);
    assert_non_null(strstr(why.text, "toy.k.h:3"));
    seen.fail_load = 1;
    assert_int_equal(gpu_kernel_prepare(&gpu, &toy_key, &kernel, &why), SEGUE_ERROR_INTERNAL);
    assert_non_null(strstr(why.text, "not for this device"));
    assert_int_equal(seen.builds, 2);
    seen.fail_prepare = 1;
    assert_int_equal(gpu_kernel_prepare(&gpu, &toy_key, &kernel, &why), SEGUE_ERROR_MEMORY);
    assert_int_equal(seen.builds, 3); /* what did not load was not kept */
    assert_int_equal(gpu_kernel_prepare(&gpu, &toy_key, &kernel, NULL), SEGUE_OK);
    assert_int_equal(seen.builds, 3);
    gpu_kernel_release(&kernel);
    gpu_close(&gpu);
    assert_int_equal(seen.loaded, 0);
    assert_int_equal(seen.instances, 0);
}

static void survives_without_memory(void **state)
{
    struct gpu_kernel kernel;
    int after = 0;
    (void)state;
    for (segue_status s = SEGUE_ERROR_MEMORY; s; after++) {
        assert_true(after < 100);
        struct gpu gpu = open_gpu("Toy 1");
        segue_diag why = { 0 };
        setenv("SEGUE_CACHE_DIR", after % 2 ? test_folder : "", 1);
        refuse_after = after / 2;
        s = gpu_kernel_prepare(&gpu, &toy_key, &kernel, &why);
        refuse_after = -1;
        if (s) assert_int_equal(s, SEGUE_ERROR_MEMORY), assert_true(why.text[0]);
        else gpu_kernel_release(&kernel);
        gpu_close(&gpu);
        assert_int_equal(seen.loaded, 0);
        assert_int_equal(live, 0);
    }
    assert_true(after > 4);
    refuse_after = 0;
    segue_diag why;
    struct gpu gpu = { .driver = &driver, .host = &test_host };
    assert_int_equal(gpu_open(&gpu, &why), SEGUE_ERROR_MEMORY);
    gpu_close(&gpu);
}

static void keeps_a_few_idle_ones(void **state)
{
    struct gpu_key key = toy_key;
    struct gpu_kernel kernel, kept;
    (void)state;
    struct gpu gpu = open_gpu("Toy 1");
    kept = prepared(&gpu, &toy_key);
    for (int i = 0; i < 40; i++) {
        key.define[0].value = 100 + i;
        kernel = prepared(&gpu, &key);
        gpu_kernel_release(&kernel);
        assert_true(seen.loaded <= 17); /* 16 idle ones, and one in use */
    }
    assert_int_equal(seen.loaded, 17);
    kernel = prepared(&gpu, &key); /* the last is still loaded */
    assert_int_equal(seen.loads, 41);
    gpu_kernel_release(&kernel);
    assert_non_null(strstr(kept.loaded, "toy_run")); /* and the one in use */
    gpu_kernel_release(&kept);
    gpu_close(&gpu);
    assert_int_equal(seen.loaded, 0);
}

static void launches_within_limits(void **state)
{
    const segue_stream stream = { 0 };
    segue_diag why;
    (void)state;
    struct gpu gpu = open_gpu("Toy 1");
    struct gpu_kernel kernel = prepared(&gpu, &toy_key);
    for (int axis = 0; axis < 3; axis++) {
        int32_t groups[3] = { 1, 1, 1 };
        groups[axis] = 0; /* nothing to do */
        assert_int_equal(gpu_launch(&kernel, stream, groups, NULL, 0, &why), SEGUE_OK);
        assert_int_equal(seen.launches, axis);
        groups[axis] = axis ? 11 : 1001;
        assert_int_equal(gpu_launch(&kernel, stream, groups, NULL, 0, &why), SEGUE_ERROR_UNSUPPORTED);
        assert_non_null(strstr(why.text, "wanted at most"));
        groups[axis] = -1;
        assert_int_equal(gpu_launch(&kernel, stream, groups, NULL, 0, NULL), SEGUE_ERROR_UNSUPPORTED);
        groups[axis] = axis ? 10 : 1000;
        assert_int_equal(gpu_launch(&kernel, stream, groups, NULL, 0, NULL), SEGUE_OK);
        assert_int_equal(seen.launches, axis + 1);
        assert_memory_equal(seen.groups[1], groups, sizeof groups);
    }
    const int32_t bounds[3] = { 7, 2, 3 };
    assert_int_equal(gpu_warm_up(&kernel, bounds, NULL, 0, &why), SEGUE_OK);
    assert_int_equal(seen.launches, 5);
    assert_int_equal(seen.finishes, 1);
    assert_memory_equal(seen.groups[0], ((int32_t[]){ 1, 1, 1 }), sizeof bounds);
    assert_memory_equal(seen.groups[1], bounds, sizeof bounds);
    gpu_kernel_release(&kernel);
    gpu_close(&gpu);
}

static void *prepare_and_release(void *gpu)
{
    struct gpu_kernel kernel;
    for (int i = 0; i < 200; i++) {
        if (gpu_kernel_prepare(gpu, &toy_key, &kernel, NULL)) return gpu;
        gpu_kernel_release(&kernel);
    }
    return NULL;
}

static void builds_once_for_many_threads(void **state)
{
    pthread_t threads[8];
    void *failed;
    (void)state;
    struct gpu gpu = open_gpu("Toy 1");
    seen.build_time = 50000; /* long enough for all of them to come */
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, prepare_and_release, &gpu);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(seen.builds, 1);
    assert_int_equal(seen.loads, 1);
    assert_int_equal(seen.instances, 0);
    gpu_close(&gpu);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(makes_source_and_options),
        TEST(refuses_what_has_no_option),
        TEST(tells_keys_apart),
        TEST(finds_it_on_disk),
        TEST(builds_anew_what_does_not_load),
        TEST(keeps_code_that_is_not_to_blame),
        TEST(saves_after_the_first_launches),
        TEST(throws_away_what_cannot_run),
        TEST(passes_on_why_it_failed),
        TEST(survives_without_memory),
        TEST(keeps_a_few_idle_ones),
        TEST(launches_within_limits),
        TEST(builds_once_for_many_threads),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
