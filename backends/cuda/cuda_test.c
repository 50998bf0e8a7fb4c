/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The adapter under the stand-in driver: memory, streams, events, kernels, threads, an engine's contexts. */
#include "cuda_testing.h"

#include <pthread.h>

static segue_buffer allocated(uint64_t bytes)
{
    segue_buffer buffer = { 0 };
    segue_diag why = { 0 };
    if (adapter->alloc(dev, bytes, &buffer, &why)) fail_msg("%s", why.text);
    assert_int_equal(buffer.bytes, bytes);
    assert_int_equal((uintptr_t)buffer.data % 256, 0);
    return buffer;
}

static segue_buffer at(segue_buffer buffer, uint64_t offset)
{
    buffer.offset += offset;
    return buffer;
}

/* ---- devices ---- */

static void says_that_it_is_a_stand_in(void **state)
{
    segue_device_facts facts = { .size = sizeof facts };
    segue_diag why = { 0 };
    uint32_t count = 0;
    (void)state;
    assert_int_equal(adapter->count(&test_host, &count, &why), SEGUE_OK);
    assert_true(count > 1);
    assert_int_equal(adapter->info(&test_host, 0, &facts, &why), SEGUE_OK);
    assert_int_equal(facts.flags, SEGUE_DEVICE_READY | SEGUE_DEVICE_STAND_IN);
    assert_non_null(strstr(facts.description, "stand-in driver, no hardware"));
    assert_non_null(strstr(facts.description, "compute capability 1.0"));
    assert_true(facts.memory_bytes > 0);
    assert_int_equal(adapter->info(&test_host, count, &facts, &why), SEGUE_ERROR_NO_DEVICE);
    assert_non_null(strstr(why.text, "the driver finds"));
    assert_non_null(strstr(dev->native.gpu.identity, "NVRTC"));
    assert_int_equal(dev->native.gpu.group & (dev->native.gpu.group - 1), 0);
}

static void refuses_what_a_gpu_has_not(void **state)
{
    segue_device_options options = { .size = sizeof options, .threads = 2 };
    segue_diag why = { 0 };
    void *device = NULL;
    (void)state;
    assert_int_equal(adapter->open(&test_host, 0, &options, &device, &why), SEGUE_ERROR_ARGUMENT);
    assert_non_null(strstr(why.text, "threads or parallel_for"));
    options = (segue_device_options){ .size = sizeof options, .native_device = &options };
    assert_int_equal(adapter->open(&test_host, 0, &options, &device, &why), SEGUE_ERROR_ARGUMENT);
    assert_non_null(strstr(why.text, "native_device"));
    options = (segue_device_options){ .size = sizeof options };
    assert_int_equal(adapter->open(&test_host, 99, &options, &device, &why), SEGUE_ERROR_NO_DEVICE);
    assert_null(device);
}

/* ---- memory ---- */

static void copies_at_offsets(void **state)
{
    uint8_t in[1000], out[1000];
    segue_diag why;
    (void)state;
    for (int i = 0; i < 1000; i++) in[i] = (uint8_t)(i * 7);
    memset(out, 0xee, sizeof out);
    const segue_buffer a = allocated(1000), b = allocated(500);
    const segue_buffer from = { in, 0, sizeof in }, to = { out, 0, sizeof out };
    assert_int_equal(adapter->fill(dev, none, a, 0x11, 1000, &why), SEGUE_OK);
    assert_int_equal(adapter->fill(dev, none, at(b, 3), 0x22, 495, &why), SEGUE_OK);
    assert_int_equal(adapter->copy(dev, none, SEGUE_COPY_TO_DEVICE, at(a, 13), at(from, 5), 101, &why),
                     SEGUE_OK);
    assert_int_equal(adapter->copy(dev, none, SEGUE_COPY_ON_DEVICE, at(b, 7), at(a, 12), 51, &why), SEGUE_OK);
    assert_int_equal(adapter->copy(dev, none, SEGUE_COPY_FROM_DEVICE, at(to, 9), at(b, 6), 60, &why), SEGUE_OK);
    assert_int_equal(adapter->copy(dev, none, SEGUE_COPY_FROM_DEVICE, at(to, 500), at(a, 112), 3, &why),
                     SEGUE_OK);
    assert_int_equal(adapter->stream_sync(dev, none, &why), SEGUE_OK);
    assert_int_equal(out[8], 0xee);
    assert_int_equal(out[9], 0x22);
    assert_int_equal(out[10], 0x11);
    assert_memory_equal(out + 11, in + 5, 50);
    for (int i = 61; i < 69; i++) assert_int_equal(out[i], 0x22);
    assert_int_equal(out[69], 0xee);
    assert_int_equal(out[500], in[104]);
    assert_int_equal(out[501], in[105]);
    assert_int_equal(out[502], 0x11);
    adapter->free(dev, a), adapter->free(dev, b);
}

static void refuses_memory_in_words(void **state)
{
    segue_buffer buffer;
    segue_diag why;
    (void)state;
    assert_int_equal(adapter->alloc(dev, UINT64_C(1) << 60, &buffer, &why), SEGUE_ERROR_MEMORY);
    assert_int_equal(why.native_code, 2);
    assert_non_null(strstr(why.text, "cuMemAlloc_v2 failed with 2 (CUDA_ERROR_OUT_OF_MEMORY)"));
    assert_non_null(strstr(why.text, "1152921504606846976 bytes were wanted"));
    assert_int_equal(adapter->status(dev, &why), SEGUE_OK);
}

/* ---- streams and events ---- */

static void orders_streams_by_events(void **state)
{
    enum { ROUNDS = 50, BYTES = 1 << 12 };
    static uint8_t out[BYTES];
    segue_stream one, two;
    segue_event ready, done;
    segue_diag why;
    (void)state;
    const segue_buffer a = allocated(BYTES), b = allocated(BYTES), to = { out, 0, BYTES };
    assert_int_equal(adapter->stream_create(dev, &one, &why), SEGUE_OK);
    assert_int_equal(adapter->stream_create(dev, &two, &why), SEGUE_OK);
    assert_int_equal(adapter->event_create(dev, &ready, &why), SEGUE_OK);
    assert_int_equal(adapter->event_create(dev, &done, &why), SEGUE_OK);
    assert_int_equal(adapter->event_sync(dev, ready, &why), SEGUE_OK); /* not recorded: done */
    assert_int_equal(adapter->event_wait(dev, ready, two, &why), SEGUE_OK);
    for (int i = 1; i <= ROUNDS; i++) {
        assert_int_equal(adapter->event_wait(dev, done, one, &why), SEGUE_OK);
        assert_int_equal(adapter->fill(dev, one, a, (uint8_t)i, BYTES, &why), SEGUE_OK);
        assert_int_equal(adapter->event_record(dev, ready, one, &why), SEGUE_OK);
        assert_int_equal(adapter->event_wait(dev, ready, two, &why), SEGUE_OK);
        assert_int_equal(adapter->copy(dev, two, SEGUE_COPY_ON_DEVICE, b, a, BYTES, &why), SEGUE_OK);
        assert_int_equal(adapter->copy(dev, two, SEGUE_COPY_FROM_DEVICE, to, b, BYTES, &why), SEGUE_OK);
        assert_int_equal(adapter->event_record(dev, done, two, &why), SEGUE_OK);
        if (i % 10) continue;
        if (i % 20) assert_int_equal(adapter->event_sync(dev, done, &why), SEGUE_OK);
        else assert_int_equal(adapter->stream_sync(dev, two, &why), SEGUE_OK);
        for (int k = 0; k < BYTES; k++) assert_int_equal(out[k], (uint8_t)i);
    }
    const segue_event absent = { SEGUE_API_CUDA, 0, NULL };
    assert_int_equal(adapter->event_sync(dev, absent, &why), SEGUE_ERROR_ARGUMENT);
    assert_int_equal(adapter->event_wait(dev, absent, one, &why), SEGUE_ERROR_ARGUMENT);
    assert_int_equal(adapter->event_record(dev, absent, one, &why), SEGUE_ERROR_ARGUMENT);
    adapter->stream_destroy(dev, one), adapter->stream_destroy(dev, two);
    adapter->event_destroy(dev, ready), adapter->event_destroy(dev, done);
    adapter->free(dev, a), adapter->free(dev, b);
}

static void wraps_fitting_streams_only(void **state)
{
    void *context = NULL, *foreign = NULL, *own = NULL;
    segue_diag why;
    (void)state;
    assert_int_equal(engine.cuCtxCreate_v2(&context, 0, 0), 0); /* which makes it current */
    assert_int_equal(engine.cuStreamCreate(&foreign, 0), 0);
    assert_int_equal(engine.cuCtxSetCurrent(dev->context), 0);
    assert_int_equal(engine.cuStreamCreate(&own, 0), 0);
    assert_int_equal(engine.cuCtxSetCurrent(NULL), 0);
    assert_int_equal(adapter->stream_wrap(dev, (segue_stream){ SEGUE_API_CUDA, 0, own }, &why), SEGUE_OK);
    for (uintptr_t i = 0; i <= NATIVE_STREAM_PER_THREAD; i++)
        assert_int_equal(adapter->stream_wrap(dev, (segue_stream){ SEGUE_API_CUDA, 1, (void *)i }, &why),
                         SEGUE_OK);
    assert_int_equal(adapter->stream_wrap(dev, (segue_stream){ SEGUE_API_CUDA, 0, foreign }, &why),
                     SEGUE_ERROR_ARGUMENT);
    assert_non_null(strstr(why.text, "another CUcontext"));
    assert_int_equal(adapter->stream_wrap(dev, (segue_stream){ SEGUE_API_CUDA, 0, &why }, &why),
                     SEGUE_ERROR_ARGUMENT);
    assert_int_equal(why.native_code, 400);
    assert_null(current_context());
    assert_int_equal(engine.cuCtxSetCurrent(dev->context), 0);
    assert_int_equal(engine.cuStreamDestroy_v2(own), 0);
    assert_int_equal(engine.cuCtxSetCurrent(context), 0);
    assert_int_equal(engine.cuStreamDestroy_v2(foreign), 0);
    assert_int_equal(engine.cuCtxSetCurrent(NULL), 0);
    assert_int_equal(engine.cuCtxDestroy_v2(context), 0);
}

static void names_default_streams(void **state)
{
    segue_stream s = { SEGUE_API_CUDA, SEGUE_STREAM_LEGACY_DEFAULT, NULL };
    (void)state;
    assert_null(native_stream(s));
    s.flags = SEGUE_STREAM_PER_THREAD_DEFAULT;
    assert_int_equal((uintptr_t)native_stream(s), 2);
    s.handle = (void *)(uintptr_t)NATIVE_STREAM_PER_THREAD;
    assert_int_equal((uintptr_t)native_stream(s), 2);
    s.handle = &s;
    assert_ptr_equal(native_stream(s), &s);
    s = (segue_stream){ SEGUE_API_CUDA, 0, (void *)(uintptr_t)NATIVE_STREAM_LEGACY };
    assert_null(native_stream(s)); /* HIP 5 takes NULL for it, and nothing else */
}

/* ---- kernels ---- */

static void takes_absent_operands(void **state)
{
    enum { LENGTH = 1000 };
    int32_t in[LENGTH], got[LENGTH];
    struct gpu_kernel kernel;
    segue_diag why = { 0 };
    (void)state;
    if (prepare_line(dev, &kernel, &why)) fail_msg("%s", why.text);
    const segue_buffer a = allocated(sizeof in), b = allocated(sizeof in);
    const segue_buffer from = { in, 0, sizeof in }, to = { got, 0, sizeof got };
    for (int i = 0; i < LENGTH; i++) in[i] = i * i;
    assert_int_equal(adapter->copy(dev, none, SEGUE_COPY_TO_DEVICE, a, from, sizeof in, &why), SEGUE_OK);
    for (int absent = 0; absent < 2; absent++) {
        assert_int_equal(run_line(&kernel, none, b.data, absent ? NULL : a.data, 3, 4, LENGTH, &why), SEGUE_OK);
        assert_int_equal(adapter->copy(dev, none, SEGUE_COPY_FROM_DEVICE, to, b, sizeof got, &why), SEGUE_OK);
        assert_int_equal(adapter->stream_sync(dev, none, &why), SEGUE_OK);
        for (int i = 0; i < LENGTH; i++) assert_int_equal(got[i], absent ? 3 * i + 4 : in[i]);
    }
    adapter->free(dev, a), adapter->free(dev, b);
    gpu_kernel_release(&kernel);
}

static int few_items(int *value, int attribute, void *function)
{
    (void)function;
    *value = attribute == NATIVE_FUNCTION_MOST_ITEMS ? 16 : 0;
    return 0;
}

/* A kernel that takes so many registers that the device cannot run the groups that the plan wants. */
static void refuses_too_large_groups(void **state)
{
    struct gpu_kernel kernel;
    segue_diag why = { 0 };
    (void)state;
    dev->native.api.function_attribute = few_items;
    assert_int_equal(prepare_line(dev, &kernel, &why), SEGUE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "kernel line as compiled for"));
    assert_non_null(strstr(why.text, "at most 16 items, wanted 32"));
}

static void shows_what_the_compiler_says(void **state)
{
    static const struct gpu_source bad = { "bad", "",
                                           "KERNEL(line)(GLOBAL int *y)\n{\n    y[0] = no_such_word;\n}\n" };
    struct gpu_key key = line_key();
    struct gpu_kernel kernel;
    segue_diag why = { 0 };
    (void)state;
    key.source = &bad;
    assert_int_equal(gpu_kernel_prepare(&dev->native.gpu, &key, &kernel, &why), SEGUE_ERROR_INTERNAL);
    assert_non_null(strstr(why.text, "nvrtcCompileProgram failed with 6"));
    assert_non_null(strstr(why.text, "no_such_word"));
    assert_null(strchr(why.text, '\n'));
    key = line_key();
    key.kernel = "absent";
    assert_int_equal(gpu_kernel_prepare(&dev->native.gpu, &key, &kernel, &why), SEGUE_ERROR_INTERNAL);
    assert_int_equal(why.native_code, 500);
    assert_non_null(strstr(why.text, "cuModuleGetFunction failed with 500 (CUDA_ERROR_NOT_FOUND)"));
}

static void keeps_what_it_has_built(void **state)
{
    struct gpu_kernel kernel;
    segue_diag why = { 0 };
    (void)state;
    for (int again = 0; again < 2; again++) {
        said[0] = 0;
        assert_int_equal(prepare_line(dev, &kernel, &why), SEGUE_OK);
        assert_int_equal(strstr(said, "compiling line") == NULL, again);
        assert_int_equal(warm_up(&kernel, &why), SEGUE_OK);
        gpu_kernel_release(&kernel);
        adapter->close(dev);
        assert_int_equal(open_index(0, NULL, &dev, &why), SEGUE_OK);
    }
}

/* ---- threads ---- */

struct worker {
    pthread_t thread;
    uint32_t index;
    int number, wrong;
};

/* A device of its own, or another's one; own buffer, own stream for two thirds of the threads. */
static int work_on(struct cuda_device *on, const struct gpu_kernel *kernel, int number)
{
    enum { LENGTH = 300, ROUNDS = 20 };
    int32_t got[LENGTH];
    segue_stream stream = none;
    segue_buffer buffer, to = { got, 0, sizeof got };
    int wrong = 0;
    if (adapter->alloc(on, sizeof got, &buffer, NULL)) return 1;
    if (number % 3 && adapter->stream_create(on, &stream, NULL)) return 1;
    for (int round = 0; round < ROUNDS; round++) {
        const int32_t a = number + 1, b = round * 1000;
        wrong += run_line(kernel, stream, buffer.data, NULL, a, b, LENGTH, NULL) != SEGUE_OK;
        wrong += adapter->copy(on, stream, SEGUE_COPY_FROM_DEVICE, to, buffer, sizeof got, NULL) != SEGUE_OK;
        wrong += adapter->stream_sync(on, stream, NULL) != SEGUE_OK;
        for (int i = 0; i < LENGTH; i++) wrong += got[i] != a * i + b;
    }
    if (stream.handle) adapter->stream_destroy(on, stream);
    adapter->free(on, buffer);
    return wrong;
}

static void *work(void *of)
{
    struct worker *w = of;
    struct cuda_device *own = NULL;
    struct gpu_kernel kernel;
    void *current = &kernel;
    if (open_index(w->index, NULL, &own, NULL)) return w->wrong = 1, NULL;
    w->wrong = prepare_line(own, &kernel, NULL) != SEGUE_OK;
    if (!w->wrong) {
        w->wrong = work_on(own, &kernel, w->number);
        gpu_kernel_release(&kernel);
    }
    adapter->close(own);
    w->wrong += engine.cuCtxGetCurrent(&current) || current;
    return NULL;
}

static void works_on_two_devices_at_once(void **state)
{
    struct worker workers[4] = { { .index = 0, .number = 1 },
                                 { .index = 1, .number = 2 },
                                 { .index = 1, .number = 3 },
                                 { .index = 0, .number = 6 } };
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (int i = 0; i < 4; i++) pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < 4; i++) assert_int_equal(workers[i].wrong, 0);
}

static const struct gpu_kernel *shared;

static void *work_together(void *of)
{
    struct worker *w = of;
    w->wrong = work_on(dev, shared, w->number);
    return NULL;
}

static void shares_a_plan_between_threads(void **state)
{
    struct worker workers[8];
    struct gpu_kernel kernel;
    (void)state;
    assert_int_equal(prepare_line(dev, &kernel, NULL), SEGUE_OK);
    shared = &kernel;
    for (int i = 0; i < 8; i++) {
        workers[i] = (struct worker){ .number = i };
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work_together, &workers[i]), 0);
    }
    for (int i = 0; i < 8; i++) pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < 8; i++) assert_int_equal(workers[i].wrong, 0);
    gpu_kernel_release(&kernel);
}

/* ---- an engine's context ---- */

static void works_in_an_engines_context(void **state)
{
    struct cuda_device *in = NULL;
    struct gpu_kernel kernel;
    segue_diag why = { 0 };
    void *context = NULL, *stream = NULL;
    unsigned flags;
    int active = 1;
    (void)state;
    adapter->close(dev);
    dev = NULL;
    assert_int_equal(engine.cuCtxCreate_v2(&context, 0, 0), 0);
    assert_int_equal(engine.cuStreamCreate(&stream, 0), 0);
    for (int foreign = 0; foreign < 2; foreign++) { /* whatever is current meanwhile */
        if (foreign) assert_int_equal(engine.cuCtxSetCurrent(NULL), 0);
        void *const before = current_context();
        if (open_index(0, context, &in, &why)) fail_msg("%s", why.text);
        assert_int_equal(engine.cuDevicePrimaryCtxGetState(0, &flags, &active), 0);
        assert_int_equal(active, 0); /* the primary one is left alone */
        assert_int_equal(adapter->stream_wrap(in, (segue_stream){ SEGUE_API_CUDA, 0, stream }, &why), SEGUE_OK);
        assert_int_equal(prepare_line(in, &kernel, &why), SEGUE_OK);
        assert_int_equal(warm_up(&kernel, &why), SEGUE_OK);
        assert_int_equal(work_on(in, &kernel, 0), 0);
        gpu_kernel_release(&kernel);
        adapter->close(in);
        assert_ptr_equal(current_context(), before);
    }
    assert_int_equal(open_index(1, context, &in, &why), SEGUE_ERROR_ARGUMENT);
    assert_non_null(strstr(why.text, "native_context is of device 0 and cuda:1 is device 1"));
    assert_null(current_context());
    assert_int_equal(engine.cuCtxSetCurrent(context), 0); /* still the engine's, and good */
    assert_int_equal(engine.cuStreamDestroy_v2(stream), 0);
    assert_int_equal(engine.cuCtxDestroy_v2(context), 0);
    assert_int_equal(open_index(0, context, &in, &why), SEGUE_ERROR_ARGUMENT); /* and now it is not */
    assert_int_equal(why.native_code, 201);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_device, close_device)
    const struct CMUnitTest tests[] = {
        TEST(says_that_it_is_a_stand_in),
        TEST(refuses_what_a_gpu_has_not),
        TEST(copies_at_offsets),
        TEST(refuses_memory_in_words),
        TEST(orders_streams_by_events),
        TEST(wraps_fitting_streams_only),
        TEST(names_default_streams),
        TEST(takes_absent_operands),
        TEST(refuses_too_large_groups),
        TEST(shows_what_the_compiler_says),
        TEST(keeps_what_it_has_built),
        TEST(works_on_two_devices_at_once),
        TEST(shares_a_plan_between_threads),
        TEST(works_in_an_engines_context),
    };
#undef TEST
    static const char *const seeds[] = { "0", "1",
                                         "2" }; /* orders in which the stand-in does what streams hold */
    int failed = 0;
    if (find_stand_in()) return 1;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        setenv("SEGUE_STAND_IN_SEED", seeds[i], 1);
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
