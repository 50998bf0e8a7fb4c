/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: counted, described, and opened. HIP has one context a device, so that the current device is all that is
 * put back. What a failing call of ours leaves in the thread's last error is taken away again: an engine that asks
 * after its own launch must not find it. */
#include "rocm.h"

#include <stdio.h>

enum { PROPERTIES_ROOM = 8192 };
enum { SWITCHED = 1, PENDING = 2 }; /* native_scope.entered; PENDING: the engine had an error of its own */

/* Where gcnArchName[256] lies in hipDeviceProp_t, and the whole struct's size (hip_runtime_api.h, ROCm/HIP): HIP 5
 * and R0000 of HIP 6 have it at 396 of 792 bytes, R0600 at 1160 of 1472. */
enum { ARCH_AT_5 = 396, ARCH_AT_6 = 1160, ARCH_BYTES = 256 };

extern const char rocm_dialect[];

static struct rocm_device *device_of(struct native_device *dev)
{
    return (struct rocm_device *)dev;
}

/* ---- counting and describing ---------------------------------------------------------------------------- */

static segue_status told(int error, uint32_t phase, const char *call, segue_diag *why)
{
    return native_told_of(&rocm_kind, error, phase, call, why);
}

/* To be called last where no scope is open: pending is what peek_error() gave before. */
static void forget_error(const struct rocm_api *hip, int pending)
{
    if (!pending && hip->peek_error()) hip->last_error();
}

static segue_status rocm_count(const segue_host *host, uint32_t *count, segue_diag *diag)
{
    struct rocm_driver d;
    (void)host;
    *count = 0;
    if (rocm_load(&d, SEGUE_PHASE_ENUMERATE, diag)) {
        if (diag) diag->code = SEGUE_OK; /* no HIP is no error: diag says what is missing */
        return SEGUE_OK;
    }
    const int pending = d.hip.peek_error();
    const segue_status s = native_count_devices(&rocm_kind, &d.api, count, diag);
    forget_error(&d.hip, pending);
    return s;
}

/* The name where the layout has it, if that is what it looks like. */
static int take_arch(int (*properties)(void *, int), int device, size_t at, char out[64])
{
    _Alignas(16) char all[PROPERTIES_ROOM] = { 0 }; /* larger than any layout, should a later one have grown */
    if (!properties || properties(all, device) || strncmp(all + at, "gfx", 3)) return 0;
    snprintf(out, 64, "%.63s", all + at);
    return 1;
}

void rocm_arch_of(const struct rocm_api *hip, int device, char out[64])
{
    out[0] = 0;
    if (!take_arch(hip->properties_6, device, ARCH_AT_6, out))
        take_arch(hip->properties_5, device, ARCH_AT_5, out);
}

static segue_status describe(const struct rocm_driver *d, int device, segue_device_facts *out, segue_diag *why)
{
    enum { PHASE = SEGUE_PHASE_ENUMERATE };
    char name[96] = "", arch[64];
    size_t memory = 0;
    int wave = 0;
    rocm_arch_of(&d->hip, device, arch);
    segue_status s = told(d->api.device_name(name, (int)sizeof name, device), PHASE, "hipDeviceGetName", why);
    if (!s) s = told(d->api.device_memory(&memory, device), PHASE, "hipDeviceTotalMem", why);
    if (!s) s = native_ask(&rocm_kind, &d->api, device, ROCM_WAVE, &wave, PHASE, why);
    if (s) return s;
    snprintf(out->description, sizeof out->description, "%.40s, %.32s, waves of %d, HIP %d.%d%s", name,
             arch[0] ? arch : "unknown architecture", wave, d->version / 10000000, d->version / 100000 % 100,
             d->stand_in ? " (stand-in, no hardware)" : "");
    out->memory_bytes = memory;
    out->flags |= d->stand_in ? (uint32_t)SEGUE_DEVICE_STAND_IN : 0;
    if (arch[0]) out->flags |= SEGUE_DEVICE_READY;
    else
        snprintf(
            out->text, sizeof out->text,
            "HIP does not tell its architecture (gcnArchName) where versions 5 to 7 have it: wanted one of "
            "these");
    return SEGUE_OK;
}

static segue_status rocm_info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    struct rocm_driver d;
    int device = 0;
    (void)host;
    segue_status s = rocm_load(&d, SEGUE_PHASE_ENUMERATE, diag);
    if (s) return s;
    const int pending = d.hip.peek_error();
    s = native_find_device(&rocm_kind, &d.api, index, &device, SEGUE_PHASE_ENUMERATE, diag);
    if (!s) s = describe(&d, device, out, diag);
    forget_error(&d.hip, pending);
    return s;
}

static void rocm_facts(void *device, segue_device_facts *facts)
{
    const struct rocm_device *dev = device;
    char path[4096];
    if (rocm_find_compiler(dev->native.gpu.host, path, sizeof path)) return;
    snprintf(facts->text, sizeof facts->text,
             "%.300s is missing: only kernels that came compiled with the plugin can run (install Segue whole)",
             path);
}

/* ---- one device, current on a thread ---------------------------------------------------------------------- */

static segue_status enter(struct native_device *native, struct native_scope *scope, uint32_t phase,
                          segue_diag *why)
{
    const struct rocm_api *hip = &device_of(native)->hip;
    const int pending = hip->peek_error();
    int current = 0;
    segue_status s = native_told(native, hip->device_current(&current), phase, "hipGetDevice", why);
    if (!s && current != native->ordinal) {
        s = native_told(native, hip->device_set(native->ordinal), phase, "hipSetDevice", why);
        if (!s) scope->entered = SWITCHED;
    }
    scope->before = (uintptr_t)current;
    if (pending) scope->entered |= PENDING;
    if (s) forget_error(hip, pending);
    return s;
}

static void leave(struct native_device *native, const struct native_scope *scope)
{
    const struct rocm_api *hip = &device_of(native)->hip;
    if (scope->entered & SWITCHED) hip->device_set((int)scope->before);
    forget_error(hip, scope->entered & PENDING);
}

static segue_status check_stream(struct native_device *native, void *stream, segue_diag *why)
{
    const struct rocm_api *hip = &device_of(native)->hip;
    int on = native->ordinal;
    if (!hip->stream_device) return SEGUE_OK; /* HIP before 5.6 does not tell safely */
    const segue_status s =
        native_told(native, hip->stream_device(stream, &on), SEGUE_PHASE_CALL, "hipStreamGetDevice", why);
    if (s || on == native->ordinal) return s;
    return segue_kit_fail(
        why, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
        "the stream is of HIP's device %d and this is rocm:%d, wanted a stream of the same device", on,
        native->ordinal);
}

/* ---- opening -------------------------------------------------------------------------------------------- */

/* An engine's context: there is one a device, so that it only has to be this one's. Pushing and popping leaves the
 * thread's stack of contexts as it was; which device is current, the scope around this puts back. */
static segue_status check_context(struct rocm_device *dev, void *context, segue_diag *why)
{
    const struct rocm_api *hip = &dev->hip;
    void *ours = NULL;
    int on = -1;
    if (!hip->context_push || !hip->context_pop || !hip->context_device)
        return segue_kit_fail(
            why, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_OPEN, 0,
            "native_context is given, and this HIP has no contexts any more (hipCtxPushCurrent), "
            "wanted NULL: all of a process share the one of rocm:%d",
            dev->native.ordinal);
    segue_status s =
        told(hip->context_push(context), SEGUE_PHASE_OPEN, "hipCtxPushCurrent of native_context", why);
    if (s) return s;
    s = told(hip->context_device(&on), SEGUE_PHASE_OPEN, "hipCtxGetDevice of native_context", why);
    hip->context_pop(&ours);
    if (s || on == dev->native.ordinal) return s;
    return segue_kit_fail(
        why, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
        "native_context is of HIP's device %d and rocm:%d was asked for: open the device that the "
        "context was made for",
        on, dev->native.ordinal);
}

static segue_status take_context(struct rocm_device *dev, void *context, segue_diag *why)
{
    struct native_scope scope = { 0 };
    int now = -1;
    if (!context) return SEGUE_OK;
    segue_status s = enter(&dev->native, &scope, SEGUE_PHASE_OPEN, why);
    if (s) return s;
    s = check_context(dev, context, why);
    /* the context may have changed the device, also where nothing was to be switched before */
    if (dev->hip.device_current(&now) || now != (int)scope.before) scope.entered |= SWITCHED;
    leave(&dev->native, &scope);
    return s;
}

/* A launch's items count in 32 bits along an axis (hipModuleLaunchKernel). */
static segue_status find_limits(struct rocm_device *dev, int device, segue_diag *why)
{
    static const struct native_limits limits = {
        ROCM_MOST_ITEMS, ROCM_LOCAL_BYTES, { ROCM_MOST_GROUPS_X, ROCM_MOST_GROUPS_Y, ROCM_MOST_GROUPS_Z }
    };
    struct gpu *gpu = &dev->native.gpu;
    const segue_status s = native_find_limits(&dev->native, device, &limits, why);
    for (int i = 0; !s && i < 3; i++) {
        const int64_t most = UINT32_MAX / (i ? 1 : gpu->group);
        if (gpu->most_groups[i] > most) gpu->most_groups[i] = most;
    }
    return s;
}

/* Compiled code is good for an architecture with its settings and wave, and made by one compiler, which comes with
 * HIP: size and time of the library's file stand for what its version does not tell. */
static segue_status identify(struct rocm_device *dev, int device, segue_diag *why)
{
    char name[96] = "", file[48];
    int wave = 0;
    void *entry;
    memcpy(&entry, &dev->native.api.init, sizeof entry);
    native_tell_file(entry, file, sizeof file);
    segue_status s = told(dev->native.api.device_name(name, (int)sizeof name, device), SEGUE_PHASE_OPEN,
                          "hipDeviceGetName", why);
    if (!s) s = native_ask(&rocm_kind, &dev->native.api, device, ROCM_WAVE, &wave, SEGUE_PHASE_OPEN, why);
    if (s) return s;
    snprintf(dev->native.gpu.identity, sizeof dev->native.gpu.identity, "%.80s, %s, waves of %d, HIP %d (%s)",
             name, dev->arch, wave, dev->version, file);
    return SEGUE_OK;
}

static segue_status describe_to_open(struct rocm_device *dev, const struct rocm_driver *d, uint32_t index,
                                     segue_diag *why)
{
    int device = 0;
    segue_status s = native_find_device(&rocm_kind, &d->api, index, &device, SEGUE_PHASE_OPEN, why);
    if (s) return s;
    rocm_arch_of(&d->hip, device, dev->arch);
    if (!dev->arch[0])
        return segue_kit_fail(
            why, SEGUE_ERROR_NO_DEVICE, SEGUE_PHASE_OPEN, 0,
            "rocm:%u: HIP does not tell its architecture (gcnArchName) where versions 5 to 7 have "
            "it, wanted one of these",
            index);
    s = find_limits(dev, device, why);
    return s ? s : identify(dev, device, why);
}

static segue_status start(struct rocm_device *dev, uint32_t index, const segue_device_options *options,
                          segue_diag *why)
{
    struct rocm_driver d;
    segue_status s = rocm_load(&d, SEGUE_PHASE_OPEN, why);
    if (s) return s;
    const int pending = d.hip.peek_error();
    dev->native.api = d.api;
    dev->native.kind = &rocm_kind;
    dev->native.ordinal = (int)index;
    dev->hip = d.hip;
    dev->version = d.version;
    dev->stand_in = d.stand_in;
    s = describe_to_open(dev, &d, index, why);
    forget_error(&d.hip, pending);
    if (!s) s = take_context(dev, options->native_context, why);
    return s ? s : native_open(&dev->native, why);
}

static void rocm_close(void *device)
{
    struct rocm_device *dev = device;
    const segue_host *host = dev->native.gpu.host;
    native_close(&dev->native);
    host->free(host->user, dev);
}

static segue_status rocm_open(const segue_host *host, uint32_t index, const segue_device_options *options,
                              void **device, segue_diag *diag)
{
    segue_status s = native_check_options(&rocm_kind, index, options, diag);
    if (s) return s;
    struct rocm_device *dev = host->alloc(host->user, sizeof *dev, 64);
    if (!dev)
        return segue_kit_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_OPEN, 0, "no memory for device rocm:%u",
                              index);
    dev->native.gpu.host = host;
    s = start(dev, index, options, diag);
    if (s) rocm_close(dev);
    else *device = dev;
    return s;
}

/* ---- what the parts are put together to -------------------------------------------------------------------- */

static const struct gpu_driver driver = { NATIVE_DRIVER, .dialect = rocm_dialect, .embedded = rocm_embedded };

const struct native_kind rocm_kind = {
    .id = "rocm",
    .hides = "HIP_VISIBLE_DEVICES or ROCR_VISIBLE_DEVICES",
    .context = "hipCtx_t",
    .api = SEGUE_API_HIP,
    .errors = rocm_errors,
    .enter = enter,
    .leave = leave,
    .check_stream = check_stream,
    .compile = rocm_compile,
    .driver = &driver,
};

const segue_kit_adapter rocm_adapter = {
    NATIVE_ADAPTER,    .api = SEGUE_API_HIP, .count = rocm_count, .info = rocm_info,
    .open = rocm_open, .close = rocm_close,  .facts = rocm_facts,
};
