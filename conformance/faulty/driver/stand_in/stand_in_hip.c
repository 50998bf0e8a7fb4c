/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* libamdhip64 and libhiprtc in one library: HIP, as far as adapters and their tests call it, declared by ourselves.
 * -DHIP_MAJOR=5 has the property struct of HIP 5 only, 6 both. gfx000: nothing is embedded for it. */
#include "stand_in.h"

#include <stdio.h>
#include <string.h>

#define ARCHITECTURE "gfx000"

typedef uint32_t u32;

struct context *at_hand(void)
{
    return primary_of(*current_device());
}

/* The device's primary context, which is there from the first use on. Codes as from enter_context(). */
static int enter_device(const char *entry, struct context **here)
{
    int code = enter(entry);
    *here = code ? NULL : primary_of(*current_device());
    if (code) return code;
    if (!*here) {
        start();
        code = primary_retain(*current_device(), here);
    }
    return code ? code : (*here)->broken;
}

/* Whoever owns it: a release works from any device, and on a broken one. */
static int may_release(const struct context *here, int code)
{
    return !code || (here && code == here->broken);
}

static struct context *owner(enum kind kind, void *handle)
{
    const struct object *o = find(kind, NULL, handle);
    return o ? o->context : NULL;
}

static __thread int last_error; /* hipGetLastError(): what this thread's last failing call said */

static int done(int code)
{
    if (code > OK && code != NOT_READY) last_error = code;
    return leave(code);
}

#pragma GCC visibility push(default)

/* ---- devices --------------------------------------------------------------------------------------------- */

int hipInit(u32 flags)
{
    const int code = enter(__func__);
    return done(code ? code : flags ? INVALID_VALUE : start());
}

int hipDriverGetVersion(int *version)
{
    const int code = enter(__func__);
    *version = HIP_MAJOR * 10000000;
    return done(code);
}

int hipRuntimeGetVersion(int *version)
{
    const int code = enter(__func__);
    *version =
        HIP_MAJOR * 10000000 + settings()->checked; /* adapters keep compiled code apart by the version */
    return done(code);
}

int hipGetDeviceCount(int *count)
{
    const int code = enter(__func__);
    start();
    *count = code ? 0 : DEVICES;
    return done(code);
}

int hipDeviceGet(int *device, int ordinal)
{
    int code = enter(__func__);
    start();
    if (!code) code = device_of(ordinal);
    *device = ordinal;
    return done(code);
}

int hipDeviceGetName(char *name, int room, int device)
{
    int code = enter(__func__);
    if (!code) code = device_of(device);
    if (!code) snprintf(name, (size_t)room, "%s", device_name());
    return done(code);
}

int hipDeviceTotalMem(size_t *bytes, int device)
{
    int code = enter(__func__);
    if (!code) code = device_of(device);
    *bytes = code ? 0 : DEVICE_BYTES;
    return done(code);
}

/* Offsets of hipDeviceProp_t as HIP 6 has it, and as HIP 5 had it (hip_runtime_api.h of both). */
enum property { TOTAL, LOCAL_MOST, WAVE, ITEMS, ITEM_AXES, GROUP_AXES, MAJOR, CORES, ARCH, PROPERTIES };
static const uint16_t hip_5[PROPERTIES] = { 256, 264, 276, 280, 284, 296, 328, 336, 396 };

static void put_int(char *at, int value)
{
    memcpy(at, &value, sizeof value);
}

static int properties(const char *entry, char *out, const uint16_t *at, size_t size, int device)
{
    static const size_t total = DEVICE_BYTES, local = LOCAL_BYTES;
    static const int items[] = { MOST_ITEMS, MOST_ITEMS, 64 },
                     groups[] = { INT32_MAX, MOST_GROUPS_YZ, MOST_GROUPS_YZ };
    int code = enter(entry);
    if (!code) code = device_of(device);
    if (code) return done(code);
    memset(out, 0, size);
    snprintf(out, 256, "%s", device_name());
    memcpy(out + at[TOTAL], &total, sizeof total);
    memcpy(out + at[LOCAL_MOST], &local, sizeof local);
    memcpy(out + at[ITEM_AXES], items, sizeof items);
    memcpy(out + at[GROUP_AXES], groups, sizeof groups);
    put_int(out + at[WAVE], settings()->wave);
    put_int(out + at[ITEMS], MOST_ITEMS);
    put_int(out + at[MAJOR], 1);
    put_int(out + at[CORES], 2);
    snprintf(out + at[ARCH], 256, "%s", settings()->arch[0] ? settings()->arch : ARCHITECTURE);
    return done(code);
}

#if HIP_MAJOR >= 6
static const uint16_t hip_6[PROPERTIES] = { 288, 296, 308, 320, 324, 336, 360, 388, 1160 };
int hipGetDevicePropertiesR0600(char *out, int device)
{
    return properties(__func__, out, hip_6, 1472, device);
}
#endif

int hipGetDeviceProperties(char *out, int device)
{
    return properties(__func__, out, hip_5, 792, device);
}

/* hipDeviceAttribute_t: the same numbers in HIP 5.2 and 7.0. */
int hipDeviceGetAttribute(int *value, int attribute, int device)
{
    static const struct {
        int attribute, value;
    } facts[] = { { 26, MOST_ITEMS },     { 27, MOST_ITEMS },     { 28, 64 },         { 29, INT32_MAX },
                  { 30, MOST_GROUPS_YZ }, { 31, MOST_GROUPS_YZ }, { 56, MOST_ITEMS }, { 63, 2 },
                  { 74, LOCAL_BYTES } };
    int code = enter(__func__);
    if (!code) code = device_of(device);
    *value = attribute == 87 ? settings()->wave : -1;
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        if (facts[i].attribute == attribute) *value = facts[i].value;
    return done(code ? code : *value < 0 ? INVALID_VALUE : OK);
}

int hipGetDevice(int *device)
{
    const int code = enter(__func__);
    *device = *current_device();
    return done(code);
}

int hipSetDevice(int device)
{
    int code = enter(__func__);
    start();
    if (!code) code = device_of(device);
    if (!code) *current_device() = device;
    return done(code);
}

int hipGetLastError(void)
{
    const int code = enter(__func__), was = last_error;
    last_error = OK;
    return leave(code ? code : was);
}

int hipPeekAtLastError(void)
{
    const int code = enter(__func__);
    return leave(code ? code : last_error);
}

int hipDeviceSynchronize(void)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : context_synchronize(c));
}

/* The one way out of a broken device. */
int hipDeviceReset(void)
{
    const int code = enter(__func__);
    struct context *c = primary_of(*current_device());
    last_error = OK;
    return leave(code ? code : c ? context_destroy(c) : OK);
}

const char *hipGetErrorName(int error)
{
    static const struct {
        int code;
        const char *name;
    } names[] = { { OK, "hipSuccess" },
                  { INVALID_VALUE, "hipErrorInvalidValue" },
                  { OUT_OF_MEMORY, "hipErrorOutOfMemory" },
                  { ILLEGAL_ADDRESS, "hipErrorIllegalAddress" },
                  { LAUNCH_FAILED, "hipErrorLaunchFailure" } };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == error) return names[i].name;
    return "hipErrorUnknown";
}

const char *hipGetErrorString(int error)
{
    return hipGetErrorName(error);
}

/* ---- contexts, which HIP has left behind ------------------------------------------------------------------ */

/* On AMD a context is a device; pushing one makes that current. */
int hipCtxPushCurrent(void *context)
{
    int code = enter(__func__);
    struct context *c = find(CONTEXT, NULL, context);
    if (!code) code = push_current(c);
    if (!code) {
        c->was_device = *current_device();
        *current_device() = c->device;
    }
    return done(code);
}

int hipCtxPopCurrent(void **context)
{
    struct context *c = NULL;
    int code = enter(__func__);
    if (!code) code = pop_current(&c);
    if (!code && c) *current_device() = c->was_device;
    if (!code && context) *context = handle_of(c);
    return done(code);
}

int hipCtxGetDevice(int *device)
{
    const int code = enter(__func__);
    *device = *current_device();
    return done(code);
}

int hipCtxGetCurrent(void **context)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    *context = handle_of(c);
    return done(code);
}

int hipDevicePrimaryCtxRetain(void **context, int device)
{
    struct context *c = NULL;
    int code = enter(__func__);
    if (!code) code = primary_retain(device, &c);
    *context = handle_of(c);
    return done(code);
}

int hipDevicePrimaryCtxRelease(int device)
{
    const int code = enter(__func__);
    return done(code ? code : primary_release(device));
}

int hipStreamGetDevice(void *stream, int *device)
{
    struct context *c;
    int code = enter_device(__func__, &c);
    if (may_release(c, code) && (uintptr_t)stream > 2) c = owner(STREAM, stream);
    if (!code && !c) code = STALE_STREAM;
    if (!code) *device = c->device;
    return done(code);
}

/* Attributes: 0 most items of a group, 1 LOCAL bytes, 4 registers. */
int hipFuncGetAttribute(int *value, int attribute, void *function)
{
    struct context *c;
    int items = 0, code = enter_device(__func__, &c);
    if (!code) code = function_items(function, &items);
    if (!code) *value = attribute == 0 ? items : attribute == 4 ? 32 : 0;
    return done(code);
}

/* ---- memory ---------------------------------------------------------------------------------------------- */

int hipFree(void *at)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(may_release(c, code) ? memory_free(NULL, at) : code);
}

int hipMemGetInfo(size_t *left, size_t *all)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    *all = code ? 0 : DEVICE_BYTES;
    *left = code ? 0 : DEVICE_BYTES - c->allocated;
    return done(code);
}

/* Type 2 is a device's in HIP 6; 1 was in HIP 5. */
struct pointer_attributes {
    int type, device;
    void *device_pointer, *host_pointer;
    int managed;
    u32 flags;
};

int hipPointerGetAttributes(struct pointer_attributes *out, const void *at)
{
    int code = enter(__func__);
    const struct allocation *a = memory_of(NULL, at, 0);
    if (!code && !a) code = INVALID_VALUE;
    if (!code)
        *out = (struct pointer_attributes){
            HIP_MAJOR >= 6 ? 2 : 1, a->object.context->device, (void *)(uintptr_t)at, NULL, 0, 0
        };
    return done(code);
}

int hipMalloc(void **at, size_t bytes)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : memory_alloc(c, at, bytes));
}

int hipMemcpyHtoDAsync(void *to, const void *from, size_t bytes, void *stream)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : enqueue_copy(c, to, from, bytes, 1, 0, stream));
}

int hipMemcpyDtoHAsync(void *to, const void *from, size_t bytes, void *stream)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : enqueue_copy(c, to, from, bytes, 0, 1, stream));
}

int hipMemcpyDtoDAsync(void *to, const void *from, size_t bytes, void *stream)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : enqueue_copy(c, to, from, bytes, 1, 1, stream));
}

int hipMemsetD8Async(void *to, unsigned char value, size_t bytes, void *stream)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : enqueue_fill(c, to, value, bytes, stream));
}

int hipMemsetAsync(void *to, int value, size_t bytes, void *stream)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : enqueue_fill(c, to, value, bytes, stream));
}

/* ---- streams and events ----------------------------------------------------------------------------------- */

int hipStreamCreateWithFlags(void **stream, u32 flags)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : stream_create(c, stream, flags));
}

int hipStreamDestroy(void *stream)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    struct context *own = owner(STREAM, stream);
    if (!may_release(c, code)) return done(code);
    return done(own ? stream_destroy(own, stream) : INVALID_HANDLE);
}

int hipStreamSynchronize(void *stream)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : stream_synchronize(c, stream));
}

int hipStreamQuery(void *stream)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : stream_query(c, stream));
}

int hipStreamWaitEvent(void *stream, void *event, u32 flags)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : flags ? INVALID_VALUE : stream_wait(c, stream, event));
}

int hipEventCreateWithFlags(void **event, u32 flags)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : flags > 7 ? INVALID_VALUE : event_create(c, event));
}

int hipEventDestroy(void *event)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    struct context *own = owner(EVENT, event);
    if (!may_release(c, code)) return done(code);
    return done(own ? event_destroy(own, event) : INVALID_HANDLE);
}

int hipEventRecord(void *event, void *stream)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : event_record(c, event, stream));
}

int hipEventSynchronize(void *event)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : event_synchronize(c, event));
}

int hipEventQuery(void *event)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : event_query(c, event));
}

/* ---- captures and graphs ---------------------------------------------------------------------------------- */

int hipThreadExchangeStreamCaptureMode(int *mode)
{
    const int code = enter(__func__);
    return done(code ? code : capture_mode(mode));
}

int hipStreamBeginCapture(void *stream, int mode)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : capture_begin(c, stream, mode));
}

int hipStreamEndCapture(void *stream, void **graph)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : capture_end(c, stream, graph));
}

int hipStreamIsCapturing(void *stream, int *status)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : capture_status(c, stream, status));
}

int hipGraphInstantiateWithFlags(void **exec, void *graph, unsigned long long flags)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : flags ? INVALID_VALUE : graph_instantiate(exec, graph));
}

int hipGraphLaunch(void *exec, void *stream)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : graph_launch(c, exec, stream));
}

int hipGraphExecDestroy(void *exec)
{
    const int code = enter(__func__);
    return done(code ? code : graph_destroy(EXEC, exec));
}

int hipGraphDestroy(void *graph)
{
    const int code = enter(__func__);
    return done(code ? code : graph_destroy(GRAPH, graph));
}

/* ---- modules ---------------------------------------------------------------------------------------------- */

int hipModuleLoadData(void **module, const void *image)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : module_load(c, module, image));
}

int hipModuleUnload(void *module)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    struct context *own = owner(MODULE, module);
    if (!may_release(c, code)) return done(code);
    return done(own ? module_unload(own, module) : INVALID_HANDLE);
}

int hipModuleGetFunction(void **function, void *module, const char *name)
{
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : module_function(c, function, module, name));
}

int hipModuleLaunchKernel(void *function, u32 groups_x, u32 groups_y, u32 groups_z, u32 items_x, u32 items_y,
                          u32 items_z, u32 local_bytes, void *stream, void **args, void **extra)
{
    const u32 groups[] = { groups_x, groups_y, groups_z }, items[] = { items_x, items_y, items_z };
    struct context *c;
    const int code = enter_device(__func__, &c);
    return done(code ? code : launch(c, function, groups, items, local_bytes, stream, args, extra));
}

#pragma GCC visibility pop
