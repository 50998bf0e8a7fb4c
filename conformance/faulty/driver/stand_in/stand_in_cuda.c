/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* libcuda.so.1 and libnvrtc.so.13 in one library: CUDA driver API 12, as far as adapters and their tests call it.
 * Declared by ourselves; no header of CUDA's is needed. Capability 1.0, if nothing
 * else is asked for: nothing is embedded for sm_10. */
#include "stand_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint32_t u32;

struct context *at_hand(void)
{
    return current();
}

#pragma GCC visibility push(default)

/* ---- devices --------------------------------------------------------------------------------------------- */

int cuInit(u32 flags)
{
    const int code = enter(__func__);
    return leave(code ? code : flags ? INVALID_VALUE : start());
}

int cuDriverGetVersion(int *version)
{
    const int code = enter(__func__);
    *version = 13000;
    return leave(code);
}

int cuDeviceGetCount(int *count)
{
    int code = enter(__func__);
    if (!code && !started()) code = NOT_INITIALIZED;
    *count = code ? 0 : DEVICES;
    return leave(code);
}

int cuDeviceGet(int *device, int ordinal)
{
    int code = enter(__func__);
    if (!code) code = device_of(ordinal);
    *device = ordinal;
    return leave(code);
}

int cuDeviceGetName(char *name, int room, int device)
{
    int code = enter(__func__);
    if (!code) code = device_of(device);
    if (!code) snprintf(name, (size_t)room, "%s", device_name());
    return leave(code);
}

int cuDeviceGetUuid_v2(char *uuid, int device)
{
    int code = enter(__func__);
    if (!code) code = device_of(device);
    if (!code) memset(uuid, 0x5e + device, 16);
    return leave(code);
}

int cuDeviceGetUuid(char *uuid, int device)
{
    return cuDeviceGetUuid_v2(uuid, device);
}

int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    int code = enter(__func__);
    if (!code) code = device_of(device);
    *bytes = code ? 0 : DEVICE_BYTES;
    return leave(code);
}

static int capability(void)
{
    const long given = strtol(settings()->arch, NULL, 10);
    return given > 0 && given < 1000 ? (int)given : 10;
}

int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    static const struct {
        int attribute, value;
    } facts[] = { { 1, MOST_ITEMS },
                  { 2, MOST_ITEMS },
                  { 3, MOST_ITEMS },
                  { 4, 64 }, /* items of a group */
                  { 5, INT32_MAX },
                  { 6, MOST_GROUPS_YZ },
                  { 7, MOST_GROUPS_YZ }, /* groups of a grid */
                  { 8, LOCAL_BYTES },
                  { 9, 64 << 10 },
                  { 11, INT32_MAX },
                  { 12, 64 << 10 }, /* bytes, registers */
                  { 13, 1000 },
                  { 16, 2 },
                  { 31, 1 },
                  { 33, 1 }, /* kHz, cores, at once, bus */
                  { 36, 1000 },
                  { 37, 64 },
                  { 38, 1 << 20 },
                  { 39, MOST_ITEMS }, /* memory kHz, bits, L2 */
                  { 41, 1 },
                  { 81, LOCAL_BYTES }, /* unified */
                  { 97, LOCAL_BYTES },
                  { 115, 0 },
                  { 120, 0 },
                  { 18, 0 },
                  { 20, 0 },
                  { 34, 0 },
                  { 35, 0 },
                  { 50, 0 } };
    int code = enter(__func__);
    if (!code) code = device_of(device);
    if (!code) code = INVALID_VALUE;
    if (code == INVALID_VALUE && attribute == 10) {
        *value = settings()->wave;
        code = OK;
    }
    if (code == INVALID_VALUE && (attribute == 75 || attribute == 76)) {
        *value = attribute == 75 ? capability() / 10 : capability() % 10;
        code = OK;
    }
    for (size_t i = 0; code == INVALID_VALUE && i < sizeof facts / sizeof *facts; i++)
        if (facts[i].attribute == attribute) {
            *value = facts[i].value;
            code = OK;
        }
    return leave(code);
}

/* The real NVRTC beside a stand-in asks for tables; it takes a clean refusal. */
int cuGetExportTable(const void **table, const void *id)
{
    (void)id;
    *table = NULL;
    enter(__func__);
    return leave(NOT_FOUND);
}

int cuGetErrorName(int error, const char **text)
{
    static const struct {
        int code;
        const char *name;
    } names[] = { { OK, "CUDA_SUCCESS" },
                  { INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE" },
                  { OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY" },
                  { INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT" },
                  { ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS" },
                  { LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED" } };
    *text = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == error) *text = names[i].name;
    return *text ? OK : INVALID_VALUE;
}

/* ---- contexts -------------------------------------------------------------------------------------------- */

int cuDevicePrimaryCtxRetain(void **context, int device)
{
    struct context *c = NULL;
    int code = enter(__func__);
    if (!code) code = primary_retain(device, &c);
    if (!code) *context = handle_of(c);
    return leave(code);
}

int cuDevicePrimaryCtxRelease_v2(int device)
{
    const int code = enter(__func__);
    return leave(code ? code : primary_release(device));
}

int cuDevicePrimaryCtxGetState(int device, u32 *flags, int *active)
{
    int code = enter(__func__);
    if (!code) code = device_of(device);
    *flags = 0;
    *active = !code && primary_of(device);
    return leave(code);
}

int cuCtxCreate_v2(void **context, u32 flags, int device)
{
    struct context *c = NULL;
    int code = enter(__func__);
    (void)flags;
    if (!code) code = context_create(device, &c);
    if (!code) code = push_current(c);
    if (!code) *context = handle_of(c);
    return leave(code);
}

int cuCtxDestroy_v2(void *context)
{
    int code = enter(__func__);
    struct context *c = find(CONTEXT, NULL, context), *gone;
    if (!code && (!c || c->primary)) code = INVALID_CONTEXT;
    if (!code && c == current()) code = pop_current(&gone);
    return leave(code ? code : context_destroy(c));
}

int cuCtxPushCurrent_v2(void *context)
{
    const int code = enter(__func__);
    return leave(code ? code : push_current(find(CONTEXT, NULL, context)));
}

int cuCtxPopCurrent_v2(void **context)
{
    struct context *c = NULL;
    int code = enter(__func__);
    if (!code) code = pop_current(&c);
    if (!code && context) *context = handle_of(c);
    return leave(code);
}

int cuCtxSetCurrent(void *context)
{
    int code = enter(__func__);
    struct context *c = find(CONTEXT, NULL, context);
    if (!code && context && !c) code = INVALID_CONTEXT;
    return leave(code ? code : set_current(c));
}

int cuCtxGetCurrent(void **context)
{
    const int code = enter(__func__);
    *context = code ? NULL : handle_of(current());
    return leave(code);
}

int cuCtxGetDevice(int *device)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    if (c && (!code || code == c->broken)) *device = c->device;
    return leave(code);
}

int cuCtxGetApiVersion(void *context, u32 *version)
{
    int code = enter(__func__);
    if (!code && context && !find(CONTEXT, NULL, context)) code = INVALID_CONTEXT;
    *version = 3020;
    return leave(code);
}

int cuCtxSynchronize(void)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : context_synchronize(c));
}

int cuStreamGetCtx(void *stream, void **context)
{
    int code = enter(__func__);
    struct context *const here = current();
    struct stream *s = NULL;
    if ((uintptr_t)stream <= 2) s = here ? stream_of(here, stream) : NULL;
    else s = find(STREAM, NULL, stream);
    if (!code && !s) code = here || (uintptr_t)stream > 2 ? INVALID_HANDLE : INVALID_CONTEXT;
    if (!code) *context = handle_of(s->object.context);
    return leave(code);
}

/* ---- memory ---------------------------------------------------------------------------------------------- */

int cuMemAlloc_v2(void **at, size_t bytes)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : memory_alloc(c, at, bytes));
}

int cuMemFree_v2(void *at)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code && !(c && code == c->broken) ? code : memory_free(c, at));
}

int cuMemGetInfo_v2(size_t *left, size_t *all)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    *all = code ? 0 : DEVICE_BYTES;
    *left = code ? 0 : DEVICE_BYTES - c->allocated;
    return leave(code);
}

/* Attributes: 1 context, 2 memory type (2: device), 9 ordinal. */
int cuPointerGetAttribute(void *value, int attribute, void *at)
{
    int code = enter(__func__);
    const struct allocation *a = memory_of(NULL, at, 0);
    if (!code && (!a || (attribute != 1 && attribute != 2 && attribute != 9))) code = INVALID_VALUE;
    if (!code && attribute == 1) *(void **)value = handle_of(a->object.context);
    if (!code && attribute == 2) *(u32 *)value = 2;
    if (!code && attribute == 9) *(int *)value = a->object.context->device;
    return leave(code);
}

int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, void *stream)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : enqueue_copy(c, to, from, bytes, 1, 0, stream));
}

int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, void *stream)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : enqueue_copy(c, to, from, bytes, 0, 1, stream));
}

int cuMemcpyDtoDAsync_v2(void *to, const void *from, size_t bytes, void *stream)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : enqueue_copy(c, to, from, bytes, 1, 1, stream));
}

int cuMemsetD8Async(void *to, unsigned char value, size_t bytes, void *stream)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : enqueue_fill(c, to, value, bytes, stream));
}

/* ---- streams and events ---------------------------------------------------------------------------------- */

int cuStreamCreate(void **stream, u32 flags)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : stream_create(c, stream, flags));
}

int cuStreamDestroy_v2(void *stream)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code && !(c && code == c->broken) ? code : stream_destroy(c, stream));
}

int cuStreamSynchronize(void *stream)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : stream_synchronize(c, stream));
}

int cuStreamQuery(void *stream)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : stream_query(c, stream));
}

int cuStreamWaitEvent(void *stream, void *event, u32 flags)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : flags ? INVALID_VALUE : stream_wait(c, stream, event));
}

int cuEventCreate(void **event, u32 flags)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : flags > 7 ? INVALID_VALUE : event_create(c, event));
}

int cuEventDestroy_v2(void *event)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code && !(c && code == c->broken) ? code : event_destroy(c, event));
}

int cuEventRecord(void *event, void *stream)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : event_record(c, event, stream));
}

int cuEventSynchronize(void *event)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : event_synchronize(c, event));
}

int cuEventQuery(void *event)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : event_query(c, event));
}

/* ---- captures and graphs --------------------------------------------------------------------------------- */

int cuThreadExchangeStreamCaptureMode(int *mode)
{
    const int code = enter(__func__);
    return leave(code ? code : capture_mode(mode));
}

int cuStreamBeginCapture_v2(void *stream, int mode)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : capture_begin(c, stream, mode));
}

int cuStreamEndCapture(void *stream, void **graph)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : capture_end(c, stream, graph));
}

int cuStreamIsCapturing(void *stream, int *status)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : capture_status(c, stream, status));
}

int cuGraphInstantiateWithFlags(void **exec, void *graph, unsigned long long flags)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : flags ? INVALID_VALUE : graph_instantiate(exec, graph));
}

int cuGraphLaunch(void *exec, void *stream)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : graph_launch(c, exec, stream));
}

int cuGraphExecDestroy(void *exec)
{
    const int code = enter(__func__);
    return leave(code ? code : graph_destroy(EXEC, exec));
}

int cuGraphDestroy(void *graph)
{
    const int code = enter(__func__);
    return leave(code ? code : graph_destroy(GRAPH, graph));
}

/* ---- modules --------------------------------------------------------------------------------------------- */

int cuModuleLoadData(void **module, const void *image)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : module_load(c, module, image));
}

int cuModuleLoadDataEx(void **module, const void *image, u32 count, int *options, void **values)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    (void)count, (void)options, (void)values;
    return leave(code ? code : module_load(c, module, image));
}

int cuModuleUnload(void *module)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code && !(c && code == c->broken) ? code : module_unload(c, module));
}

int cuModuleGetFunction(void **function, void *module, const char *name)
{
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : module_function(c, function, module, name));
}

/* Attributes: 0 most items of a group, 1 LOCAL bytes, 4 registers. */
int cuFuncGetAttribute(int *value, int attribute, void *function)
{
    struct context *c;
    int items = 0, code = enter_context(__func__, &c);
    if (!code) code = function_items(function, &items);
    if (!code) *value = attribute == 0 ? items : attribute == 4 ? 32 : 0;
    return leave(code);
}

int cuLaunchKernel(void *function, u32 groups_x, u32 groups_y, u32 groups_z, u32 items_x, u32 items_y,
                   u32 items_z, u32 local_bytes, void *stream, void **args, void **extra)
{
    const u32 groups[] = { groups_x, groups_y, groups_z }, items[] = { items_x, items_y, items_z };
    struct context *c;
    const int code = enter_context(__func__, &c);
    return leave(code ? code : launch(c, function, groups, items, local_bytes, stream, args, extra));
}

#pragma GCC visibility pop
