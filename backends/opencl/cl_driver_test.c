/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Programs: what is kept, what is refused, how failures are told. Failures come from entry points exchanged in an
 * opened device's table. */
#include "opencl_testing.h"

static void shows_what_the_compiler_says(void **state)
{
    static const struct gpu_source bad = { "bad", "",
                                           "KERNEL(line)(GLOBAL int *y)\n{\n    y[0] = no_such_word;\n}\n" };
    struct gpu_key key = line_key();
    struct gpu_kernel kernel;
    segue_diag why = { 0 };
    (void)state;
    key.source = &bad;
    assert_int_equal(gpu_kernel_prepare(&dev->gpu, &key, &kernel, &why), SEGUE_ERROR_INTERNAL);
    assert_int_equal(why.native_code, -11);
    assert_non_null(strstr(why.text, "clBuildProgram failed with -11 (CL_BUILD_PROGRAM_FAILURE)"));
    assert_non_null(strstr(why.text, "no_such_word"));
    assert_null(strchr(why.text, '\n'));
    key = line_key();
    key.kernel = "absent";
    assert_int_equal(gpu_kernel_prepare(&dev->gpu, &key, &kernel, &why), SEGUE_ERROR_INTERNAL);
    assert_non_null(strstr(why.text, "clCreateKernel failed with -46 (CL_INVALID_KERNEL_NAME)"));
}

static void refuses_a_foreign_binary(void **state)
{
    static const char garbage[] = "this is no program";
    const struct gpu_key key = line_key();
    void *loaded = NULL;
    segue_diag why = { 0 };
    (void)state;
    assert_true(opencl_driver.load(&dev->gpu, garbage, sizeof garbage, &key, &loaded, &why) < 0);
    assert_null(loaded);
    assert_true(why.native_code < 0);
}

static segue_status warm_up(const struct gpu_kernel *kernel, segue_diag *why)
{
    static const int32_t zero = 0, bounds[3] = { 3, 1, 1 };
    const struct gpu_arg number = { .value = &zero, .bytes = sizeof zero };
    const struct gpu_arg args[] = { { 0 }, { 0 }, number, number, number };
    return gpu_warm_up(kernel, bounds, args, 5, why);
}

static void reopen(void)
{
    const segue_device_options options = { .size = sizeof options };
    void *device = NULL;
    adapter->close(dev);
    assert_int_equal(adapter->open(&test_host, device_index, &options, &device, NULL), SEGUE_OK);
    dev = device;
}

/* The binary is kept once the driver has launched it; another process builds nothing. */
static void keeps_what_it_has_built(void **state)
{
    segue_diag why = { 0 };
    (void)state;
    struct gpu_kernel kernel = prepared();
    assert_non_null(strstr(said, "compiling line"));
    if (warm_up(&kernel, &why)) fail_msg("%s", why.text);
    gpu_kernel_release(&kernel);
    reopen();
    said[0] = 0;
    kernel = prepared();
    assert_string_equal(said, "");
    assert_int_equal(warm_up(&kernel, &why), SEGUE_OK);
    gpu_kernel_release(&kernel);
}

/* A good binary of another kernel is refused while it can still be built anew. */
static void refuses_a_binary_without_the_kernel(void **state)
{
    struct gpu_key key = line_key();
    void *blob = NULL, *loaded = NULL;
    uint64_t bytes = 0;
    segue_diag why = { 0 };
    (void)state;
    struct gpu_kernel kernel = prepared();
    assert_int_equal(warm_up(&kernel, &why), SEGUE_OK);
    assert_int_equal(opencl_driver.save(&dev->gpu, kernel.loaded, &blob, &bytes), SEGUE_OK);
    gpu_kernel_release(&kernel);
    key.kernel = "absent";
    assert_int_equal(opencl_driver.load(&dev->gpu, blob, bytes, &key, &loaded, &why), SEGUE_ERROR_INTERNAL);
    assert_non_null(strstr(why.text, "clCreateKernel failed with -46"));
    assert_null(loaded);
    host_free(NULL, blob);
}

/* Compiled code of one driver is never looked for by another: all of its versions count, however long. */
static int32_t (*real_platform)(cl_platform, uint32_t, size_t, void *, size_t *);

static int32_t rebuilt_platform(cl_platform platform, uint32_t what, size_t room, void *out, size_t *size)
{
    const int32_t error = real_platform(platform, what, room, out, size);
    if (!error && what == CL_PLATFORM_VERSION && out) ((char *)out)[strlen(out) - 1] ^= 1;
    return error;
}

static int32_t (*real_device)(cl_device, uint32_t, size_t, void *, size_t *);

static int32_t narrow_device(cl_device device, uint32_t what, size_t room, void *out, size_t *size)
{
    const int32_t error = real_device(device, what, room, out, size);
    if (!error && what == CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT) ++*(uint32_t *)out;
    return error;
}

static void tells_drivers_apart(void **state)
{
    char before[sizeof dev->gpu.identity];
    (void)state;
    snprintf(before, sizeof before, "%s", dev->gpu.identity);
    opencl_identify(dev);
    assert_string_equal(dev->gpu.identity, before);
    real_platform = dev->cl.GetPlatformInfo;
    dev->cl.GetPlatformInfo = rebuilt_platform;
    opencl_identify(dev);
    dev->cl.GetPlatformInfo = real_platform;
    assert_string_not_equal(dev->gpu.identity, before);
    real_device = dev->cl.GetDeviceInfo;
    dev->cl.GetDeviceInfo = narrow_device;
    opencl_identify(dev);
    dev->cl.GetDeviceInfo = real_device;
    assert_string_not_equal(dev->gpu.identity, before);
}

static int32_t fails_with; /* by fail_finish, fail_enqueue and fail_retain */

static int32_t fail_retain(cl_event event)
{
    (void)event;
    return fails_with;
}

/* What was not retained is not released: the event stays good. */
static void survives_a_refused_reference(void **state)
{
    segue_event event;
    segue_diag why;
    (void)state;
    int32_t (*const real)(cl_event) = dev->cl.RetainEvent;
    assert_int_equal(adapter->event_create(dev, &event, &why), SEGUE_OK);
    assert_int_equal(adapter->event_record(dev, event, none, &why), SEGUE_OK);
    fails_with = -6;
    dev->cl.RetainEvent = fail_retain;
    assert_int_equal(adapter->event_wait(dev, event, none, &why), SEGUE_ERROR_MEMORY);
    assert_int_equal(adapter->event_sync(dev, event, &why), SEGUE_ERROR_MEMORY);
    assert_non_null(strstr(why.text, "clRetainEvent failed with -6"));
    dev->cl.RetainEvent = real;
    assert_int_equal(adapter->event_sync(dev, event, &why), SEGUE_OK);
    adapter->event_destroy(dev, event);
}

static int32_t fail_finish(cl_queue queue)
{
    (void)queue;
    return fails_with;
}

static int32_t fail_enqueue(cl_queue queue, cl_kernel kernel, uint32_t axes, const size_t *first,
                            const size_t *items, const size_t *group, uint32_t waits, const cl_event *list,
                            cl_event *out)
{
    (void)queue, (void)kernel, (void)axes, (void)first, (void)items, (void)group, (void)waits, (void)list,
        (void)out;
    return fails_with;
}

static void names_every_failure(void **state)
{
    static const struct {
        int32_t code;
        segue_status enqueued, waited; /* behind a failed command an enqueue counts as waiting */
    } failures[] = {
        { -4, SEGUE_ERROR_MEMORY, SEGUE_ERROR_DEVICE_LOST },
        { -5, SEGUE_ERROR_MEMORY, SEGUE_ERROR_DEVICE_LOST },
        { -6, SEGUE_ERROR_MEMORY, SEGUE_ERROR_DEVICE_LOST },
        { -63, SEGUE_ERROR_UNSUPPORTED, SEGUE_ERROR_UNSUPPORTED },
        { -36, SEGUE_ERROR_ARGUMENT, SEGUE_ERROR_DEVICE_LOST },
        { -14, SEGUE_ERROR_DEVICE_LOST, SEGUE_ERROR_DEVICE_LOST },
        { -9999, SEGUE_ERROR_DEVICE_LOST, SEGUE_ERROR_DEVICE_LOST },
        { -50, SEGUE_ERROR_INTERNAL, SEGUE_ERROR_INTERNAL },
        { -4321, SEGUE_ERROR_INTERNAL, SEGUE_ERROR_INTERNAL },
    };
    const struct opencl_api real = dev->cl;
    const segue_tensor absent = { 0 };
    segue_diag why;
    char code[16];
    (void)state;
    struct gpu_kernel kernel = prepared();
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        fails_with = failures[i].code;
        snprintf(code, sizeof code, " %d ", fails_with);
        dev->cl.EnqueueNDRangeKernel = fail_enqueue;
        for (int behind = 0; behind < 3;
             behind++) { /* 1, 2: a failed command, when waiting, at the next enqueue */
            const segue_status want = behind ? failures[i].waited : failures[i].enqueued;
            dev->cl.Finish = behind ? fail_finish : real.Finish;
            const segue_status s = behind == 1 ? adapter->stream_sync(dev, none, &why)
                                               : run_line(&kernel, none, &absent, &absent, 0, 0, 1, &why);
            assert_int_equal(s, want);
            assert_int_equal(why.native_code, fails_with);
            assert_non_null(strstr(why.text, code));
            assert_int_equal(strstr(why.text, "see cl.h") != NULL, fails_with == -4321);
            assert_int_equal(adapter->status(dev, &why), want == SEGUE_ERROR_DEVICE_LOST ? want : SEGUE_OK);
            if (want == SEGUE_ERROR_DEVICE_LOST) assert_int_equal(why.native_code, fails_with);
            dev->lost = 0; /* as good as new: it was only a play */
        }
    }
    fails_with = -9999; /* the first one tells what happened, the next ones only what follows */
    assert_int_equal(adapter->stream_sync(dev, none, &why), SEGUE_ERROR_DEVICE_LOST);
    fails_with = -36;
    assert_int_equal(adapter->stream_sync(dev, none, &why), SEGUE_ERROR_DEVICE_LOST);
    assert_non_null(strstr(why.text, "a kernel or copy before it failed; close the device"));
    assert_int_equal(adapter->status(dev, &why), SEGUE_ERROR_DEVICE_LOST);
    assert_int_equal(why.native_code, -9999);
    dev->lost = 0;
    dev->cl = real;
    gpu_kernel_release(&kernel);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_device, close_device)
    const struct CMUnitTest tests[] = {
        TEST(shows_what_the_compiler_says), TEST(refuses_a_foreign_binary),
        TEST(keeps_what_it_has_built),      TEST(refuses_a_binary_without_the_kernel),
        TEST(tells_drivers_apart),          TEST(survives_a_refused_reference),
        TEST(names_every_failure),
    };
#undef TEST
    return on_every_device(tests, sizeof tests / sizeof *tests);
}
