/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests under the stand-in driver: a device opened for each test, a kernel to build and launch, what
 * an engine would call, and the stand-in's own controls. */
#ifndef SEGUE_CUDA_TESTING_H
#define SEGUE_CUDA_TESTING_H

#include "cuda.h"
#include "gpu_testing.h"

#include <dlfcn.h>

static const segue_kit_adapter *const adapter = &cuda_adapter;
static struct cuda_device *dev; /* of the test that runs */

/* An engine's side of the driver, and the stand-in's controls (conformance/faulty/driver/stand_in). */
#define ENGINE(ENTRY)                                                              \
    ENTRY(int, cuInit, (unsigned))                                                 \
    ENTRY(int, cuCtxCreate_v2, (void **, unsigned, int))                           \
    ENTRY(int, cuCtxDestroy_v2, (void *))                                          \
    ENTRY(int, cuCtxSetCurrent, (void *))                                          \
    ENTRY(int, cuCtxGetCurrent, (void **))                                         \
    ENTRY(int, cuCtxSynchronize, (void))                                           \
    ENTRY(int, cuStreamCreate, (void **, unsigned))                                \
    ENTRY(int, cuStreamDestroy_v2, (void *))                                       \
    ENTRY(int, cuStreamBeginCapture_v2, (void *, int))                             \
    ENTRY(int, cuStreamEndCapture, (void *, void **))                              \
    ENTRY(int, cuGraphInstantiateWithFlags, (void **, void *, unsigned long long)) \
    ENTRY(int, cuGraphLaunch, (void *, void *))                                    \
    ENTRY(int, cuGraphExecDestroy, (void *))                                       \
    ENTRY(int, cuGraphDestroy, (void *))                                           \
    ENTRY(int, cuThreadExchangeStreamCaptureMode, (int *))                         \
    ENTRY(int, cuDevicePrimaryCtxGetState, (int, unsigned *, int *))               \
    ENTRY(void, segue_stand_in_fail, (const char *, int, int))                     \
    ENTRY(uint64_t, segue_stand_in_calls, (const char *))                          \
    ENTRY(uint64_t, segue_stand_in_live, (const char *))                           \
    ENTRY(void, segue_stand_in_reset, (void))

static struct {
#define ENTRY(result, name, parameters) result(*name) parameters;
    ENGINE(ENTRY)
#undef ENTRY
} engine;

/* 0 = SEGUE_DRIVER_PATH leads to a stand-in, and all of it is there. */
static inline int find_stand_in(void)
{
    static const struct {
        const char *name;
        size_t offset;
    } entries[] = {
#define ENTRY(result, name, parameters) { #name, __builtin_offsetof(__typeof__(engine), name) },
        ENGINE(ENTRY)
#undef ENTRY
    };
    char path[4200];
    snprintf(path, sizeof path, "%s/libcuda.so.1",
             getenv("SEGUE_DRIVER_PATH") ? getenv("SEGUE_DRIVER_PATH") : "");
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return fprintf(stderr, "%s\n", dlerror());
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        void *found = dlsym(library, entries[i].name);
        if (!found) return fprintf(stderr, "%s has no %s\n", path, entries[i].name);
        memcpy((char *)&engine + entries[i].offset, &found, sizeof found);
    }
    return 0;
}

static inline segue_status open_index(uint32_t index, void *context, struct cuda_device **out, segue_diag *why)
{
    const segue_device_options options = { .size = sizeof options, .native_context = context };
    void *device = NULL;
    const segue_status s = adapter->open(&test_host, index, &options, &device, why);
    *out = device;
    return s;
}

/* One cache for all of a test: what is compiled once is found again. */
static inline int open_device(void **state)
{
    segue_diag why = { 0 };
    if (fresh_folder(state)) return -1;
    engine.segue_stand_in_reset();
    if (open_index(0, NULL, &dev, &why)) return print_error("%s\n", why.text), -1;
    return 0;
}

/* Nothing may live on: no context, no object in one. */
static inline int nothing_lives(void)
{
    static const char *const kinds[] = { "allocations", "streams",  "events", "modules", "graphs",
                                         "contexts",    "programs", "work",   "lost" };
    int wrong = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const uint64_t n = engine.segue_stand_in_live(kinds[i]);
        if (n) print_error("%d %s live on\n", (int)n, kinds[i]);
        wrong += n != 0;
    }
    return wrong;
}

static inline int close_device(void **state)
{
    if (dev) adapter->close(dev);
    dev = NULL;
    const int wrong = nothing_lives();
    return remove_folder(state) || wrong;
}

static const segue_stream none = { SEGUE_API_CUDA, 0, NULL };

static const struct gpu_source toy = { "toy", "",
                                       "KERNEL(line)(GLOBAL int *y, GLOBAL const int *x, int a, int b, int n)\n"
                                       "{\n"
                                       "    int i = GROUP_ID(0) * GROUP + LOCAL_ID;\n"
                                       "    if (i < n) y[i] = x ? x[i] : a * i + b;\n"
                                       "}\n" };

static inline struct gpu_key line_key(void)
{
    return (struct gpu_key){ .source = &toy, .kernel = "line", .act = SEGUE_F32, .group = 32 };
}

static inline segue_status prepare_line(struct cuda_device *on, struct gpu_kernel *kernel, segue_diag *why)
{
    const struct gpu_key key = line_key();
    return gpu_kernel_prepare(&on->native.gpu, &key, kernel, why);
}

static inline segue_status run_line(const struct gpu_kernel *kernel, segue_stream stream, void *y, void *x,
                                    int32_t a, int32_t b, int32_t n, segue_diag *why)
{
    const int64_t shape[] = { n };
    const segue_tensor absent = { 0 };
    const segue_tensor to = segue_tensor_of(y, SEGUE_I32, 1, shape);
    const segue_tensor from = x ? segue_tensor_of(x, SEGUE_I32, 1, shape) : absent;
    const struct gpu_arg args[] = { { .tensor = &to, .writes = 1 },
                                    { .tensor = &from },
                                    { .value = &a, .bytes = sizeof a },
                                    { .value = &b, .bytes = sizeof b },
                                    { .value = &n, .bytes = sizeof n } };
    return gpu_launch(kernel, stream, (const int32_t[]){ (n + kernel->group - 1) / kernel->group, 1, 1 }, args,
                      5, why);
}

static inline segue_status warm_up(const struct gpu_kernel *kernel, segue_diag *why)
{
    static const int32_t zero = 0, bounds[3] = { 3, 1, 1 };
    const struct gpu_arg number = { .value = &zero, .bytes = sizeof zero };
    const struct gpu_arg args[] = { { 0 }, { 0 }, number, number, number };
    return gpu_warm_up(kernel, bounds, args, 5, why);
}

static inline void *current_context(void)
{
    void *context = NULL;
    assert_int_equal(engine.cuCtxGetCurrent(&context), 0);
    return context;
}

#endif
