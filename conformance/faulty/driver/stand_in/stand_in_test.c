/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of adapters lean on: the stand-in for CUDA does what CUDA's documentation says, where a mistake of an
 * adapter would show. Arguments: the folders of the stand-ins for CUDA, HIP 6 and HIP 5. */
#include "stand_in_testing.h"

/* ---- devices and contexts --------------------------------------------------------------------------------- */

static void a_device_says_that_it_is_none(void **state)
{
    char name[128];
    int n = 0;
    (void)state;
    assert_int_equal(cuDeviceGetCount(&n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(cuDeviceGetName(name, sizeof name, 1), 0);
    assert_non_null(strstr(name, "stand-in, no hardware"));
    assert_int_equal(cuDeviceGetName(name, sizeof name, 2), 101);
    assert_int_equal(cuDeviceGetAttribute(&n, 75, 0), 0);
    assert_int_equal(n, 1);
    assert_int_equal(cuDeviceGetAttribute(&n, 10, 0), 0);
    assert_int_equal(n, 32);
    setenv("SEGUE_STAND_IN_WAVE", "64", 1);
    close_context();
    reset();
    unsetenv("SEGUE_STAND_IN_WAVE");
    open_context();
    assert_int_equal(cuDeviceGetAttribute(&n, 10, 0), 0);
    assert_int_equal(n, 64);
}

static void calls_want_a_current_context(void **state)
{
    void *at = NULL, *was = NULL, *other = NULL, *stream = new_stream(0), *event = new_event();
    int device = -1;
    (void)state;
    assert_int_equal(cuCtxPopCurrent_v2(&was), 0);
    assert_ptr_equal(was, context);
    assert_int_equal(cuMemAlloc_v2(&at, 16), 201);
    assert_int_equal(cuStreamSynchronize(stream), 201);
    assert_int_equal(cuCtxPopCurrent_v2(&was), 201);
    assert_int_equal(cuCtxCreate_v2(&other, 0, 1), 0); /* and it is current */
    assert_int_equal(cuCtxGetDevice(&device), 0);
    assert_int_equal(device, 1);
    assert_int_equal(cuStreamGetCtx(stream, &was), 0);
    assert_ptr_equal(was, context);
    assert_int_equal(cuStreamSynchronize(stream), 400); /* another context's */
    assert_int_equal(cuEventRecord(event, NULL), 400);
    assert_int_equal(cuCtxPushCurrent_v2(context), 0);
    assert_int_equal(cuStreamSynchronize(stream), 0);
    assert_int_equal(cuStreamDestroy_v2(stream), 0);
    assert_int_equal(cuStreamSynchronize(stream), 400); /* stale */
    assert_int_equal(cuEventDestroy_v2(event), 0);
    assert_int_equal(cuCtxDestroy_v2(other), 0);
    assert_int_equal(cuCtxPushCurrent_v2(other), 201);
    assert_int_equal(live("contexts"), 1);
    assert_int_equal(live("lost"), 0);
}

/* ---- streams ---------------------------------------------------------------------------------------------- */

static void work_is_done_when_somebody_waits(void **state)
{
    unsigned char from = 1, to = 0, *at = new_memory(1);
    void *stream = new_stream(1), *event = new_event();
    (void)state;
    assert_int_equal(cuMemcpyHtoDAsync_v2(at, &from, 1, stream), 0);
    assert_int_equal(cuMemcpyDtoHAsync_v2(&to, at, 1, stream), 0);
    assert_int_equal(cuEventRecord(event, stream), 0);
    assert_int_equal(live("work"), 3);
    assert_int_equal(to, 0);
    from = 7; /* too early: the copy has not read it */
    assert_int_equal(cuEventSynchronize(event), 0);
    assert_int_equal(to, 7);
    assert_int_equal(cuMemsetD8Async(at, 9, 1, stream), 0);
    assert_int_equal(cuMemcpyDtoHAsync_v2(&to, at, 1, stream), 0);
    assert_int_equal(cuStreamQuery(stream), 600); /* a step each */
    assert_int_equal(cuStreamQuery(stream), 600);
    assert_int_equal(cuStreamQuery(stream), 0);
    assert_int_equal(to, 9);
    assert_int_equal(cuMemsetD8Async(at, 11, 1, stream), 0);
    assert_int_equal(cuMemcpyDtoHAsync_v2(&to, at, 1, stream), 0);
    assert_int_equal(cuStreamDestroy_v2(stream), 0); /* its work is still done */
    assert_int_equal(cuMemFree_v2(at), 0);           /* waits */
    assert_int_equal(to, 11);
    assert_int_equal(cuEventDestroy_v2(event), 0);
    assert_int_equal(live("streams") + live("events") + live("allocations") + live("work"), 0);
}

/* A writes, B reads: with how many of the seeds B reads what A wrote. */
static int order_kept(void *(*first)(void), void *(*second)(void), int with_event)
{
    int kept = 0;
    for (int n = 1; n <= 16; n++) {
        close_context();
        seed(n);
        open_context();
        unsigned char *at = new_memory(1), to = 0;
        void *a = first(), *b = second(), *event = new_event();
        assert_int_equal(cuMemsetD8Async(at, 5, 1, a), 0);
        assert_int_equal(cuEventRecord(event, a), 0);
        if (with_event) assert_int_equal(cuStreamWaitEvent(b, event, 0), 0);
        assert_int_equal(cuMemcpyDtoHAsync_v2(&to, at, 1, b), 0);
        assert_int_equal(cuStreamSynchronize(b), 0);
        kept += to == 5;
    }
    return kept;
}

static void *blocking(void)
{
    return new_stream(0);
}

static void *non_blocking(void)
{
    return new_stream(1);
}

static void *legacy(void)
{
    return NULL;
}

static void order_is_only_what_was_asked_for(void **state)
{
    (void)state;
    const int chance = order_kept(non_blocking, non_blocking, 0);
    assert_in_range(chance, 1, 15);
    assert_in_range(order_kept(blocking, blocking, 0), 1, 15);
    assert_in_range(order_kept(legacy, non_blocking, 0), 1, 15);
    assert_in_range(order_kept(non_blocking, legacy, 0), 1, 15);
    assert_int_equal(order_kept(non_blocking, non_blocking, 1), 16);
    assert_int_equal(order_kept(legacy, blocking, 0), 16);
    assert_int_equal(order_kept(blocking, legacy, 0), 16);
}

/* ---- memory ----------------------------------------------------------------------------------------------- */

static void memory_is_poisoned_and_watched(void **state)
{
    unsigned char *at = new_memory(1000), *then, all[1000];
    (void)state;
    assert_int_equal(cuMemcpyDtoHAsync_v2(all, at, sizeof all, NULL), 0);
    assert_int_equal(cuStreamSynchronize(NULL), 0);
    for (size_t i = 0; i < sizeof all; i++) assert_int_equal(all[i], 0xff);
    assert_int_equal(cuMemFree_v2(at + 1), 1);
    assert_int_equal(cuMemFree_v2(at), 0);
    then = new_memory(1000);
    assert_ptr_not_equal(then, at);
    assert_int_equal(cuMemAlloc_v2((void **)&at, (size_t)1 << 50), 2);
    assert_int_equal(cuMemsetD8Async(then + 1, 0, 1000, NULL), 0); /* a byte too many */
    assert_int_equal(cuStreamSynchronize(NULL), 700);
    assert_non_null(strstr(words(), "no live allocation"));
    assert_int_equal(cuMemAlloc_v2((void **)&at, 16), 700); /* and so says everything */
    assert_int_equal(cuMemFree_v2(then), 700);
    assert_int_equal(live("allocations"), 0);
    close_context();
    open_context(); /* a new one: nothing is wrong with it */
    assert_int_equal(cuMemFree_v2(new_memory(1)), 0);
}

static void freed_and_foreign_memory_is_noticed(void **state)
{
    void *other = NULL, *was = NULL, *theirs = NULL;
    unsigned char *at = new_memory(16), to;
    (void)state;
    assert_int_equal(cuMemFree_v2(at), 0);
    assert_int_equal(cuMemcpyDtoHAsync_v2(&to, at, 1, NULL), 0);
    assert_int_equal(cuStreamSynchronize(NULL), 700);
    assert_int_equal(cuCtxCreate_v2(&other, 0, 0), 0);
    assert_int_equal(cuMemAlloc_v2(&theirs, 16), 0);
    assert_int_equal(cuMemcpyHtoDAsync_v2(theirs, theirs, 1, NULL), 1); /* a device's address as the host's */
    assert_int_equal(cuCtxPopCurrent_v2(&was), 0);
    close_context();
    open_context();
    assert_int_equal(cuMemFree_v2(theirs), 1);
    assert_int_equal(cuMemsetD8Async(theirs, 0, 1, NULL), 0);
    assert_int_equal(cuCtxSynchronize(), 700);
    assert_int_equal(cuCtxDestroy_v2(other), 0);
    assert_int_equal(live("lost"), 1); /* theirs */
}

/* ---- failures on demand ----------------------------------------------------------------------------------- */

static void calls_fail_on_demand(void **state)
{
    void *stream = NULL;
    unsigned char *at;
    (void)state;
    fail_call("cuStreamCreate", 2, 2);
    const uint64_t before = calls("cuStreamCreate");
    stream = new_stream(0);
    assert_int_equal(cuStreamCreate(&stream, 0), 2);
    assert_int_equal(live("streams"), 1);
    new_stream(0);
    assert_int_equal(calls("cuStreamCreate"), before + 3);
    close_context();
    setenv("SEGUE_STAND_IN_FAIL", "cuMemAlloc_v2:2=2,cuMemFree_v2:1=719!", 1);
    reset();
    unsetenv("SEGUE_STAND_IN_FAIL");
    open_context();
    at = new_memory(1);
    assert_int_equal(cuMemAlloc_v2((void **)&at, 1), 2);
    assert_int_equal(cuMemFree_v2(at), 719);
    assert_int_equal(cuCtxSynchronize(), 719); /* because of the '!' */
    assert_int_equal(live("allocations"), 1);
    assert_true(live("nonsense") == UINT64_MAX);
    close_context();
    assert_int_equal(live("lost"), 1);
    assert_int_equal(live("contexts"), 0);
    open_context();
}

/* ---- threads ---------------------------------------------------------------------------------------------- */

static void *use_stream(void *from)
{
    unsigned char to = 0, byte = *(unsigned char *)from;
    cuCtxPushCurrent_v2(context);
    unsigned char *at = new_memory(1);
    void *stream = new_stream(1), *was;
    int wrong = 0;
    for (int i = 0; i < 200; i++, byte++) {
        wrong += cuMemcpyHtoDAsync_v2(at, &byte, 1, stream) != 0;
        wrong += cuMemcpyDtoHAsync_v2(&to, at, 1, stream) != 0;
        wrong += cuStreamSynchronize(stream) != 0 || to != byte;
    }
    cuStreamDestroy_v2(stream);
    cuMemFree_v2(at);
    cuCtxPopCurrent_v2(&was);
    return wrong ? from : NULL;
}

static void threads_have_their_own_current_context(void **state)
{
    pthread_t threads[4];
    unsigned char bytes[4] = { 1, 50, 100, 150 };
    (void)state;
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(threads + i, NULL, use_stream, bytes + i), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(live("allocations") + live("streams"), 0);
}

/* ---- HIP -------------------------------------------------------------------------------------------------- */

static void hip_has_devices_instead_of_contexts(void **state)
{
    static const struct {
        int folder;
        const char *library, *properties;
        int arch; /* its offset */
    } versions[] = { { 1, "libamdhip64.so.6", "hipGetDevicePropertiesR0600", 1160 },
                     { 2, "libamdhip64.so.5", "hipGetDeviceProperties", 396 } };
    int (*set)(int), (*get)(int *), (*properties)(char *, int), (*malloc_on)(void **, size_t),
        (*free_of)(void *);
    int (*last)(void), (*fill)(void *, int, size_t, void *), (*wait)(void), (*again)(void);
    (void)state;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        void *library = open_driver(folders[versions[i].folder], versions[i].library), *at = NULL;
        char all[1472] = { 0 };
        int device = -1;
        look_up(library, "hipSetDevice", &set);
        look_up(library, "hipGetDevice", &get);
        look_up(library, versions[i].properties, &properties);
        look_up(library, "hipMalloc", &malloc_on);
        look_up(library, "hipFree", &free_of);
        look_up(library, "hipGetLastError", &last);
        look_up(library, "hipMemsetAsync", &fill);
        look_up(library, "hipDeviceSynchronize", &wait);
        look_up(library, "hipDeviceReset", &again);
        assert_int_equal(set(1), 0);
        assert_int_equal(get(&device), 0);
        assert_int_equal(device, 1);
        assert_int_equal(set(2), 101);
        assert_int_equal(last(), 101);
        assert_int_equal(last(), 0);
        assert_int_equal(properties(all, 1), 0);
        assert_string_equal(all + versions[i].arch, "gfx000");
        assert_int_equal(malloc_on(&at, 16), 0);
        assert_int_equal(set(0), 0);
        assert_int_equal(free_of(at), 0);
        assert_int_equal(fill(at, 0, 1, NULL), 0);
        assert_int_equal(wait(), 700);
        assert_int_equal(malloc_on(&at, 16), 700);
        assert_int_equal(again(), 0);
        assert_int_equal(malloc_on(&at, 16), 0);
        assert_int_equal(dlsym(library, "hipGetDevicePropertiesR0600") != NULL, i == 0);
        reset();
    }
    load_cuda();
    reset();
    open_context();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_device_says_that_it_is_none, begin, end),
        cmocka_unit_test_setup_teardown(calls_want_a_current_context, begin, end),
        cmocka_unit_test_setup_teardown(work_is_done_when_somebody_waits, begin, end),
        cmocka_unit_test_setup_teardown(order_is_only_what_was_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(memory_is_poisoned_and_watched, begin, end),
        cmocka_unit_test_setup_teardown(freed_and_foreign_memory_is_noticed, begin, end),
        cmocka_unit_test_setup_teardown(calls_fail_on_demand, begin, end),
        cmocka_unit_test_setup_teardown(threads_have_their_own_current_context, begin, end),
        cmocka_unit_test_setup_teardown(hip_has_devices_instead_of_contexts, begin, end),
    };
    for (int i = 0; i < 3 && i + 1 < argc; i++) folders[i] = argv[i + 1];
    if (argc < 4) return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
