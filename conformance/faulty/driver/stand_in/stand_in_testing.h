/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* For the stand-ins' own tests: their entry points, and a context of its own for each test. */
#ifndef SEGUE_STAND_IN_TESTING_H
#define SEGUE_STAND_IN_TESTING_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* setenv */
#endif
#include "stand_in_control.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ENTRY(name, parameters): what is called here, declared once more by itself. */
#define ENTRIES(ENTRY)                                                                                    \
    ENTRY(cuInit, (uint32_t flags))                                                                       \
    ENTRY(cuDeviceGetCount, (int *count))                                                                 \
    ENTRY(cuDeviceGetName, (char *name, int room, int device))                                            \
    ENTRY(cuDeviceGetAttribute, (int *value, int what, int device))                                       \
    ENTRY(cuDevicePrimaryCtxRetain, (void **context, int device))                                         \
    ENTRY(cuDevicePrimaryCtxRelease_v2, (int device))                                                     \
    ENTRY(cuCtxCreate_v2, (void **context, uint32_t flags, int device))                                   \
    ENTRY(cuCtxDestroy_v2, (void *context))                                                               \
    ENTRY(cuCtxPushCurrent_v2, (void *context))                                                           \
    ENTRY(cuCtxPopCurrent_v2, (void **context))                                                           \
    ENTRY(cuCtxGetCurrent, (void **context))                                                              \
    ENTRY(cuCtxGetDevice, (int *device))                                                                  \
    ENTRY(cuCtxSynchronize, (void))                                                                       \
    ENTRY(cuStreamGetCtx, (void *stream, void **context))                                                 \
    ENTRY(cuMemAlloc_v2, (void **at, size_t bytes))                                                       \
    ENTRY(cuMemFree_v2, (void *at))                                                                       \
    ENTRY(cuMemcpyHtoDAsync_v2, (void *to, const void *from, size_t bytes, void *stream))                 \
    ENTRY(cuMemcpyDtoHAsync_v2, (void *to, const void *from, size_t bytes, void *stream))                 \
    ENTRY(cuMemcpyDtoDAsync_v2, (void *to, const void *from, size_t bytes, void *stream))                 \
    ENTRY(cuMemsetD8Async, (void *to, unsigned char value, size_t bytes, void *stream))                   \
    ENTRY(cuStreamCreate, (void **stream, uint32_t flags))                                                \
    ENTRY(cuStreamDestroy_v2, (void *stream))                                                             \
    ENTRY(cuStreamSynchronize, (void *stream))                                                            \
    ENTRY(cuStreamQuery, (void *stream))                                                                  \
    ENTRY(cuStreamWaitEvent, (void *stream, void *event, uint32_t flags))                                 \
    ENTRY(cuEventCreate, (void **event, uint32_t flags))                                                  \
    ENTRY(cuEventDestroy_v2, (void *event))                                                               \
    ENTRY(cuEventRecord, (void *event, void *stream))                                                     \
    ENTRY(cuEventSynchronize, (void *event))                                                              \
    ENTRY(cuEventQuery, (void *event))                                                                    \
    ENTRY(cuThreadExchangeStreamCaptureMode, (int *mode))                                                 \
    ENTRY(cuStreamBeginCapture_v2, (void *stream, int mode))                                              \
    ENTRY(cuStreamEndCapture, (void *stream, void **graph))                                               \
    ENTRY(cuStreamIsCapturing, (void *stream, int *status))                                               \
    ENTRY(cuGraphInstantiateWithFlags, (void **exec, void *graph, unsigned long long fl))                 \
    ENTRY(cuGraphLaunch, (void *exec, void *stream))                                                      \
    ENTRY(cuGraphExecDestroy, (void *exec))                                                               \
    ENTRY(cuGraphDestroy, (void *graph))                                                                  \
    ENTRY(cuModuleLoadData, (void **module, const void *image))                                           \
    ENTRY(cuModuleUnload, (void *module))                                                                 \
    ENTRY(cuModuleGetFunction, (void **function, void *module, const char *name))                         \
    ENTRY(cuLaunchKernel, (void *function, uint32_t gx, uint32_t gy, uint32_t gz, uint32_t x, uint32_t y, \
                           uint32_t z, uint32_t local, void *stream, void **args, void **extra))          \
    ENTRY(nvrtcCreateProgram, (void **program, const char *source, const char *name, int headers,         \
                               const char *const *texts, const char *const *names))                       \
    ENTRY(nvrtcCompileProgram, (void *program, int count, const char *const *options))                    \
    ENTRY(nvrtcGetCUBINSize, (void *program, size_t *bytes))                                              \
    ENTRY(nvrtcGetCUBIN, (void *program, char *out))                                                      \
    ENTRY(nvrtcGetProgramLogSize, (void *program, size_t *bytes))                                         \
    ENTRY(nvrtcGetProgramLog, (void *program, char *log))                                                 \
    ENTRY(nvrtcDestroyProgram, (void **program))

#define ENTRY(name, parameters) static __attribute__((unused)) int(*name) parameters;
ENTRIES(ENTRY)
#undef ENTRY

static const char *folders[3]; /* cuda, rocm, rocm_5 */
static void (*fail_call)(const char *entry, int nth, int code);
static uint64_t (*calls)(const char *entry), (*live)(const char *kind);
static const char *(*words)(void);
static void (*reset)(void);

static void look_up(void *library, const char *name, void *out)
{
    void *found = dlsym(library, name);
    if (!found) fail_msg("%s is not exported", name);
    memcpy(out, &found, sizeof found);
}

static __attribute__((unused)) void *open_driver(const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) fail_msg("%s", dlerror());
    look_up(library, "segue_stand_in_fail", &fail_call);
    look_up(library, "segue_stand_in_calls", &calls);
    look_up(library, "segue_stand_in_live", &live);
    look_up(library, "segue_stand_in_words", &words);
    look_up(library, "segue_stand_in_reset", &reset);
    assert_non_null(dlsym(library, "segue_stand_in_driver"));
    return library;
}

static void load_cuda(void)
{
    void *library = open_driver(folders[0], "libcuda.so.1");
#define ENTRY(name, parameters) look_up(library, #name, &name);
    ENTRIES(ENTRY)
#undef ENTRY
}

/* ---- a context of its own for each test ------------------------------------------------------------------- */

static void *context;

static void seed(int n)
{
    char text[16];
    snprintf(text, sizeof text, "%d", n);
    setenv("SEGUE_STAND_IN_SEED", text, 1);
    reset();
}

static void open_context(void)
{
    assert_int_equal(cuInit(0), 0);
    assert_int_equal(cuDevicePrimaryCtxRetain(&context, 0), 0);
    assert_int_equal(cuCtxPushCurrent_v2(context), 0);
}

static void close_context(void)
{
    void *was;
    assert_int_equal(cuCtxPopCurrent_v2(&was), 0);
    assert_int_equal(cuDevicePrimaryCtxRelease_v2(0), 0);
}

static __attribute__((unused)) int begin(void **state)
{
    (void)state;
    load_cuda();
    unsetenv("SEGUE_STAND_IN_CHECK");
    unsetenv("SEGUE_STAND_IN_FAIL");
    seed(0);
    open_context();
    return 0;
}

static __attribute__((unused)) int end(void **state)
{
    int relaxed = 0;
    (void)state;
    cuThreadExchangeStreamCaptureMode(&relaxed);
    close_context();
    reset();
    return 0;
}

static __attribute__((unused)) void *new_stream(uint32_t flags)
{
    void *stream = NULL;
    assert_int_equal(cuStreamCreate(&stream, flags), 0);
    return stream;
}

static __attribute__((unused)) void *new_event(void)
{
    void *event = NULL;
    assert_int_equal(cuEventCreate(&event, 2), 0);
    return event;
}

static __attribute__((unused)) unsigned char *new_memory(size_t bytes)
{
    void *at = NULL;
    assert_int_equal(cuMemAlloc_v2(&at, bytes), 0);
    return at;
}

#endif
