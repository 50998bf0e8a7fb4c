/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* For the unit tests: a device opened for each test, and a kernel to build and launch. */
#ifndef SEGUE_OPENCL_TESTING_H
#define SEGUE_OPENCL_TESTING_H

#include "opencl.h"
#include "gpu_testing.h"

static const segue_kit_adapter *const adapter = &opencl_adapter;
static struct opencl_device *dev; /* of the test that runs */
static uint32_t device_index, device_count;

static inline int open_device(void **state)
{
    const segue_device_options options = { .size = sizeof options };
    void *device = NULL;
    segue_diag why = { 0 };
    if (fresh_folder(state)) return -1;
    if (adapter->open(&test_host, device_index, &options, &device, &why))
        return print_error("%s\n", why.text), -1;
    dev = device;
    return 0;
}

static inline int close_device(void **state)
{
    adapter->close(dev);
    return remove_folder(state);
}

static const segue_stream none = { SEGUE_API_OPENCL, 0, NULL };

static const struct gpu_source toy = { "toy", "",
                                       "KERNEL(line)(GLOBAL int *y, GLOBAL const int *x, int a, int b, int n)\n"
                                       "{\n"
                                       "    int i = GROUP_ID(0) * GROUP + LOCAL_ID;\n"
                                       "    if (i < n) y[i] = x ? x[i] : a * i + b;\n"
                                       "}\n" };

static inline struct gpu_key line_key(void)
{
    return (struct gpu_key){ .source = &toy, .kernel = "line", .act = SEGUE_F32, .group = dev->gpu.group };
}

static inline struct gpu_kernel prepared(void)
{
    const struct gpu_key key = line_key();
    struct gpu_kernel kernel;
    segue_diag why = { 0 };
    if (gpu_kernel_prepare(&dev->gpu, &key, &kernel, &why)) fail_msg("%s", why.text);
    return kernel;
}

static inline segue_status run_line(const struct gpu_kernel *kernel, segue_stream stream, const segue_tensor *y,
                                    const segue_tensor *x, int32_t a, int32_t b, int32_t n, segue_diag *why)
{
    const struct gpu_arg args[] = { { .tensor = y, .writes = 1 },
                                    { .tensor = x },
                                    { .value = &a, .bytes = sizeof a },
                                    { .value = &b, .bytes = sizeof b },
                                    { .value = &n, .bytes = sizeof n } };
    return gpu_launch(kernel, stream, (const int32_t[]){ (n + kernel->group - 1) / kernel->group, 1, 1 }, args,
                      5, why);
}

/* Every test on every device; 77 = there is none. */
static inline int on_every_device(const struct CMUnitTest *tests, size_t count)
{
    segue_diag why = { 0 };
    int failed = 0;
    if (adapter->count(&test_host, &device_count, &why)) return fprintf(stderr, "%s\n", why.text), 1;
    if (!device_count) return printf("skipped: %s\n", why.text), 77;
    for (device_index = 0; device_index < device_count; device_index++)
        failed += _cmocka_run_group_tests("opencl", tests, count, NULL, NULL);
    return failed;
}

#endif
