/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The adapter and the driver on every OpenCL device of this machine, with a kernel of their own; exit 77 without
 * one. Failures come from entry points exchanged in an opened device's table. */
#include "opencl_testing.h"

#include <pthread.h>
#include <sys/auxv.h>
#include <sys/wait.h>

static segue_buffer allocated(uint64_t bytes)
{
    segue_buffer buffer = { 0 };
    segue_diag why = { 0 };
    assert_int_equal(adapter->alloc(dev, bytes, &buffer, &why), SEGUE_OK);
    assert_int_equal(buffer.bytes, bytes);
    return buffer;
}

static segue_buffer at(segue_buffer buffer, uint64_t offset)
{
    buffer.offset += offset;
    return buffer;
}

/* ---- without a driver ---- */

/* In a child: the loader reads its folder once a process. */
static int count_without_drivers(void)
{
    segue_diag why = { 0 };
    uint32_t count = 7;
    setenv("OCL_ICD_VENDORS", test_folder, 1);
    unsetenv("OCL_ICD_FILENAMES");
    if (adapter->count(&test_host, &count, &why) || count) return 1;
    return strstr(why.text, "pocl-opencl-icd") && strstr(why.text, "install") ? 0 : 2;
}

/* 0 when a process with another user's rights uses no OpenCL; 77 = the rights cannot be had. The environment would
 * choose the code that it runs: OCL_ICD_VENDORS. */
static int run_set_id(void)
{
    segue_diag why = { 0 };
    uint32_t count = 7;
    if (!getauxval(AT_SECURE)) return 77;
    if (adapter->count(&test_host, &count, &why) || count) return 1;
    return strstr(why.text, "set-id") ? 0 : 2;
}

static int refuses_set_id(const char *self)
{
    char copy[96], command[768];
    void *nothing = NULL;
    if (geteuid() || fresh_folder(&nothing)) return 0;
    snprintf(copy, sizeof copy, "%s/set-id", test_folder);
    snprintf(command, sizeof command,
             "cp '%s' '%s' && chown 65534 '%s' && chmod 4755 '%s' && chmod 755 '%s' && '%s' --set-id", self,
             copy, copy, copy, test_folder, copy);
    const int code = system(command);
    remove_folder(&nothing);
    if (WIFEXITED(code) && (!WEXITSTATUS(code) || WEXITSTATUS(code) == 77)) return 0; /* 77: mounted nosuid */
    return fprintf(stderr, "a set-id process is not refused OpenCL (%d)\n", code);
}

static void *count_at_once(void *start)
{
    segue_diag why = { 0 };
    uint32_t count = 0;
    pthread_barrier_wait(start);
    if (adapter->count(&test_host, &count, &why)) return NULL;
    return (void *)(uintptr_t)(count + 1);
}

/* The process's first calls come from many threads: all must find the same devices. */
static int run_count(void)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    pthread_barrier_t start;
    void *first = NULL, *other = NULL;
    int wrong = pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) wrong |= pthread_create(&threads[i], NULL, count_at_once, &start);
    if (wrong) return 2;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], i ? &other : &first);
        wrong |= !first || (i && other != first);
    }
    pthread_barrier_destroy(&start);
    return wrong;
}

static int counts_from_many_threads(const char *self)
{
    char command[512];
    snprintf(command, sizeof command, "'%s' --count", self);
    const int code = system(command);
    return code ? fprintf(stderr, "threads that count devices at once find different ones (%d)\n", code) : 0;
}

static int says_what_to_install(void)
{
    int status;
    const pid_t child = fork();
    if (!child) {
        void *nothing = NULL;
        fresh_folder(&nothing);
        const int failed = count_without_drivers();
        remove_folder(&nothing);
        _exit(failed);
    }
    if (waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status)) return 0;
    return fprintf(stderr, "without a driver: no words about what to install (%d)\n", status);
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
    uint8_t byte = 0;
    (void)state;
    assert_int_equal(adapter->alloc(dev, UINT64_C(1) << 60, &buffer, &why), SEGUE_ERROR_MEMORY);
    assert_non_null(strstr(why.text, "wanted at most"));
    const segue_buffer small = allocated(64), host = { &byte, 0, 1 };
    assert_int_equal(adapter->copy(dev, none, SEGUE_COPY_TO_DEVICE, at(small, 64), host, 1, &why),
                     SEGUE_ERROR_ARGUMENT);
    assert_int_equal(why.native_code, CL_INVALID_VALUE);
    assert_non_null(strstr(why.text, "clEnqueueWriteBuffer failed with -30 (CL_INVALID_VALUE)"));
    assert_int_equal(adapter->copy(dev, none, SEGUE_COPY_ON_DEVICE, at(small, 8), small, 16, &why),
                     SEGUE_ERROR_ARGUMENT);
    assert_non_null(strstr(why.text, "overlap"));
    assert_int_equal(adapter->status(dev, &why), SEGUE_OK);
    adapter->free(dev, small);
}

/* ---- streams and events ---- */

static void orders_streams_by_events(void **state)
{
    enum { ROUNDS = 50, BYTES = 1 << 16 };
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
        assert_int_equal(adapter->event_record(dev, done, two, &why), SEGUE_OK);
        if (i % 10) continue;
        assert_int_equal(adapter->copy(dev, two, SEGUE_COPY_FROM_DEVICE, to, b, BYTES, &why), SEGUE_OK);
        assert_int_equal(adapter->event_record(dev, done, two, &why), SEGUE_OK);
        assert_int_equal(adapter->event_sync(dev, done, &why), SEGUE_OK);
        for (int k = 0; k < BYTES; k++) assert_int_equal(out[k], (uint8_t)i);
    }
    const segue_event absent = { SEGUE_API_OPENCL, 0, NULL };
    assert_int_equal(adapter->event_sync(dev, absent, &why), SEGUE_ERROR_ARGUMENT);
    assert_int_equal(adapter->event_wait(dev, absent, one, &why), SEGUE_ERROR_ARGUMENT);
    assert_int_equal(adapter->event_record(dev, absent, one, &why), SEGUE_ERROR_ARGUMENT);
    adapter->stream_destroy(dev, one), adapter->stream_destroy(dev, two);
    adapter->event_destroy(dev, ready), adapter->event_destroy(dev, done);
    adapter->free(dev, a), adapter->free(dev, b);
}

static cl_queue queue_of(cl_context context, uint64_t properties)
{
    int32_t error = CL_SUCCESS;
    cl_queue queue = dev->cl.CreateCommandQueue(context, dev->device, properties, &error);
    assert_int_equal(error, CL_SUCCESS);
    return queue;
}

static void wraps_fitting_queues_only(void **state)
{
    int32_t error = CL_SUCCESS;
    segue_diag why;
    (void)state;
    cl_context other = dev->cl.CreateContext(NULL, 1, &dev->device, NULL, NULL, &error);
    cl_queue good = queue_of(dev->context, 0), foreign = queue_of(other, 0);
    cl_queue unordered = queue_of(dev->context, CL_QUEUE_OUT_OF_ORDER);
    assert_int_equal(adapter->stream_wrap(dev, (segue_stream){ SEGUE_API_OPENCL, 0, good }, &why), SEGUE_OK);
    assert_int_equal(adapter->stream_wrap(dev, (segue_stream){ SEGUE_API_OPENCL, 1, NULL }, &why), SEGUE_OK);
    assert_int_equal(adapter->stream_wrap(dev, (segue_stream){ SEGUE_API_OPENCL, 0, foreign }, &why),
                     SEGUE_ERROR_ARGUMENT);
    assert_non_null(strstr(why.text, "another cl_context"));
    assert_int_equal(adapter->stream_wrap(dev, (segue_stream){ SEGUE_API_OPENCL, 0, unordered }, &why),
                     SEGUE_ERROR_ARGUMENT);
    assert_non_null(strstr(why.text, "in-order"));
    dev->cl.ReleaseCommandQueue(good), dev->cl.ReleaseCommandQueue(foreign);
    dev->cl.ReleaseCommandQueue(unordered), dev->cl.ReleaseContext(other);
}

/* ---- kernels ---- */

enum { LENGTH = 1000, THREADS = 64, ROUNDS = 40 };

struct worker {
    const struct gpu_kernel *kernel;
    pthread_t thread;
    int number, wrong, busy;
};

/* Own buffer, own queue for two thirds of the threads, own arguments at every launch. */
static void *work(void *of)
{
    struct worker *w = of;
    static const int64_t shape[] = { LENGTH };
    int32_t got[LENGTH];
    segue_stream stream = none;
    segue_buffer buffer, to = { got, 0, sizeof got };
    if (adapter->alloc(dev, sizeof got, &buffer, NULL)) return w->wrong = 1, NULL;
    if (w->number % 3 && adapter->stream_create(dev, &stream, NULL)) return w->wrong = 1, NULL;
    const segue_tensor y = segue_tensor_of(buffer.data, SEGUE_I32, 1, shape), x = { 0 };
    for (int round = 0; round < ROUNDS; round++) {
        const int32_t a = w->number + 1, b = round * 1000, n = LENGTH - w->number;
        const segue_status s = run_line(w->kernel, stream, &y, &x, a, b, n, NULL);
        if (s == SEGUE_ERROR_BUSY) {
            w->busy++, round--;
            continue;
        }
        w->wrong +=
            s != SEGUE_OK || adapter->copy(dev, stream, SEGUE_COPY_FROM_DEVICE, to, buffer, sizeof got, NULL);
        w->wrong += adapter->stream_sync(dev, stream, NULL) != SEGUE_OK;
        for (int i = 0; i < n; i++) w->wrong += got[i] != a * i + b;
    }
    if (stream.handle) adapter->stream_destroy(dev, stream);
    adapter->free(dev, buffer);
    return NULL;
}

static void serves_many_threads(void **state)
{
    static struct worker workers[THREADS];
    struct gpu_kernel kernel = prepared();
    (void)state;
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .kernel = &kernel, .number = i };
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < THREADS; i++) assert_int_equal(workers[i].wrong, 0);
    gpu_kernel_release(&kernel);
}

static void takes_offsets_and_absent_operands(void **state)
{
    static const int64_t shape[] = { LENGTH };
    int32_t in[LENGTH], got[LENGTH];
    segue_diag why = { 0 };
    (void)state;
    struct gpu_kernel kernel = prepared();
    const segue_buffer a = allocated(sizeof in), b = allocated(sizeof in);
    const segue_buffer from = { in, 0, sizeof in }, to = { got, 0, sizeof got };
    const segue_tensor x = segue_tensor_of(a.data, SEGUE_I32, 1, shape),
                       y = segue_tensor_of(b.data, SEGUE_I32, 1, shape);
    for (int i = 0; i < LENGTH; i++) in[i] = i * i;
    assert_int_equal(adapter->copy(dev, none, SEGUE_COPY_TO_DEVICE, a, from, sizeof in, &why), SEGUE_OK);
    assert_int_equal(run_line(&kernel, none, &y, &x, 0, 0, LENGTH, &why), SEGUE_OK);
    assert_int_equal(adapter->copy(dev, none, SEGUE_COPY_FROM_DEVICE, to, b, sizeof got, &why), SEGUE_OK);
    assert_int_equal(adapter->stream_sync(dev, none, &why), SEGUE_OK);
    assert_memory_equal(in, got, sizeof in);
    adapter->free(dev, a), adapter->free(dev, b);
    gpu_kernel_release(&kernel);
}

static int32_t (*real_enqueue)(cl_queue, cl_kernel, uint32_t, const size_t *, const size_t *, const size_t *,
                               uint32_t, const cl_event *, cl_event *);
static atomic_int arrived, opened;

/* A launch that does not come back before the test says so. */
static int32_t slow_enqueue(cl_queue queue, cl_kernel kernel, uint32_t axes, const size_t *first,
                            const size_t *items, const size_t *group, uint32_t waits, const cl_event *list,
                            cl_event *out)
{
    arrived++;
    while (!opened) usleep(1000);
    return real_enqueue(queue, kernel, axes, first, items, group, waits, list, out);
}

static void is_busy_beyond_sixteen(void **state)
{
    static const int64_t shape[] = { 64 };
    pthread_t threads[16];
    segue_diag why = { 0 };
    struct gpu_kernel kernel = prepared();
    (void)state;
    const segue_buffer buffer = allocated(256);
    const segue_tensor y = segue_tensor_of(buffer.data, SEGUE_I32, 1, shape), x = { 0 };
    for (int i = 0; i < 16; i++) /* every clone has its arguments afterwards */
        assert_int_equal(run_line(&kernel, none, &y, &x, 1, 1, 64, &why), SEGUE_OK);
    arrived = opened = 0;
    real_enqueue = dev->cl.EnqueueNDRangeKernel;
    dev->cl.EnqueueNDRangeKernel = slow_enqueue;
    struct worker w[16];
    for (int i = 0; i < 16; i++) {
        w[i] = (struct worker){ .kernel = &kernel };
        pthread_create(&threads[i], NULL, work, &w[i]);
    }
    while (arrived < 16) usleep(1000);
    assert_int_equal(run_line(&kernel, none, &y, &x, 1, 1, 64, &why), SEGUE_ERROR_BUSY);
    assert_non_null(strstr(why.text, "16 threads"));
    opened = 1;
    for (int i = 0; i < 16; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(w[i].wrong, 0);
    }
    dev->cl.EnqueueNDRangeKernel = real_enqueue;
    assert_int_equal(run_line(&kernel, none, &y, &x, 1, 1, 64, &why), SEGUE_OK);
    gpu_kernel_release(&kernel);
    adapter->free(dev, buffer);
}

/* ---- an engine's context ---- */

static void works_in_an_engines_context(void **state)
{
    static const int64_t shape[] = { LENGTH };
    segue_device_options options = { .size = sizeof options };
    struct opencl_device *own = dev;
    int32_t error = CL_SUCCESS, got[LENGTH];
    segue_diag why = { 0 };
    void *device = NULL;
    (void)state;
    cl_context context = own->cl.CreateContext(NULL, 1, &own->device, NULL, NULL, &error);
    cl_queue queue = queue_of(context, 0);
    options.native_device = own->device;
    assert_int_equal(adapter->open(&test_host, device_index, &options, &device, &why), SEGUE_ERROR_ARGUMENT);
    assert_non_null(strstr(why.text, "native_context"));
    options.native_context = context;
    for (int named = 0; named < 2; named++) {
        options.native_device = named ? own->device : NULL;
        assert_int_equal(adapter->open(&test_host, device_index, &options, &device, &why), SEGUE_OK);
        dev = device;
        const segue_stream stream = { SEGUE_API_OPENCL, 0, queue };
        assert_int_equal(adapter->stream_wrap(dev, stream, &why), SEGUE_OK);
        struct gpu_kernel kernel = prepared();
        const segue_buffer buffer = allocated(sizeof got), to = { got, 0, sizeof got };
        const segue_tensor y = segue_tensor_of(buffer.data, SEGUE_I32, 1, shape), x = { 0 };
        assert_int_equal(run_line(&kernel, stream, &y, &x, 3, 4, LENGTH, &why), SEGUE_OK);
        assert_int_equal(adapter->copy(dev, stream, SEGUE_COPY_FROM_DEVICE, to, buffer, sizeof got, &why),
                         SEGUE_OK);
        assert_int_equal(adapter->stream_sync(dev, stream, &why), SEGUE_OK);
        for (int i = 0; i < LENGTH; i++) assert_int_equal(got[i], 3 * i + 4);
        adapter->free(dev, buffer);
        gpu_kernel_release(&kernel);
        adapter->close(dev);
    }
    dev = own;
    if (device_count > 1) { /* another device's context */
        options.native_device = NULL;
        assert_int_equal(adapter->open(&test_host, (device_index + 1) % device_count, &options, &device, &why),
                         SEGUE_ERROR_ARGUMENT);
        assert_non_null(strstr(why.text, "none of them"));
    }
    options = (segue_device_options){ .size = sizeof options, .threads = 2 };
    assert_int_equal(adapter->open(&test_host, device_index, &options, &device, &why), SEGUE_ERROR_ARGUMENT);
    own->cl.ReleaseCommandQueue(queue); /* the engine's own references are still good */
    assert_int_equal(own->cl.ReleaseContext(context), CL_SUCCESS);
}

static void knows_its_devices(void **state)
{
    segue_device_facts facts = { .size = sizeof facts }, again = { .size = sizeof facts };
    segue_diag why = { 0 };
    (void)state;
    assert_int_equal(adapter->info(&test_host, device_index, &facts, &why), SEGUE_OK);
    assert_true(facts.flags & SEGUE_DEVICE_READY);
    assert_true(facts.memory_bytes > 0);
    assert_true(facts.description[0]);
    adapter->facts(dev, &again);
    assert_string_equal(facts.description, again.description);
    assert_int_equal(adapter->info(&test_host, device_count, &facts, &why), SEGUE_ERROR_NO_DEVICE);
    assert_int_equal(dev->gpu.group & (dev->gpu.group - 1), 0);
    assert_int_equal(strncmp(dev->language, "-cl-std=CL1.2", strlen("-cl-std=CL1.2")),
                     0); /* the kernels' on every device */
    print_message("opencl:%u: %s; group %d, features %u, %s\n", device_index, dev->gpu.identity, dev->gpu.group,
                  dev->gpu.features, dev->language);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_device, close_device)
    const struct CMUnitTest tests[] = {
        TEST(knows_its_devices),           TEST(copies_at_offsets),
        TEST(refuses_memory_in_words),     TEST(orders_streams_by_events),
        TEST(wraps_fitting_queues_only),   TEST(takes_offsets_and_absent_operands),
        TEST(serves_many_threads),         TEST(is_busy_beyond_sixteen),
        TEST(works_in_an_engines_context),
    };
#undef TEST
    if (argc > 1 && !strcmp(argv[1], "--set-id")) _exit(run_set_id());
    if (argc > 1 && !strcmp(argv[1], "--count")) _exit(run_count());
    if (says_what_to_install() || refuses_set_id(argv[0]) || counts_from_many_threads(argv[0])) return 1;
    return on_every_device(tests, sizeof tests / sizeof *tests);
}
