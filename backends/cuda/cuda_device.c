/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: counted, described, and opened in their primary context, which an engine on the runtime API
 * shares, or in a context that an engine brings. */
#include "cuda.h"

#include <stdio.h>

enum { NAME_ROOM = 96 };

extern const char cuda_dialect[];

static struct cuda_device *device_of(struct native_device *dev)
{
    return (struct cuda_device *)dev;
}

/* ---- counting and describing ---------------------------------------------------------------------------- */

struct driver { /* before a device is opened */
    struct native_api api;
    struct cuda_api cuda;
    int stand_in;
};

static segue_status told(int error, uint32_t phase, const char *call, segue_diag *why)
{
    return native_told_of(&cuda_kind, error, phase, call, why);
}

static segue_status cuda_count(const segue_host *host, uint32_t *count, segue_diag *diag)
{
    struct driver d;
    (void)host;
    *count = 0;
    segue_status s = cuda_load(&d.api, &d.cuda, &d.stand_in, SEGUE_PHASE_ENUMERATE, diag);
    if (!s) return native_count_devices(&cuda_kind, &d.api, count, diag);
    if (diag) diag->code = SEGUE_OK; /* no driver is no error: diag says what is missing */
    return SEGUE_OK;
}

static segue_status ask_capability(const struct native_api *api, int device, int *capability, uint32_t phase,
                                   segue_diag *why)
{
    int major = 0, minor = 0;
    segue_status s = native_ask(&cuda_kind, api, device, CUDA_CAPABILITY_MAJOR, &major, phase, why);
    if (!s) s = native_ask(&cuda_kind, api, device, CUDA_CAPABILITY_MINOR, &minor, phase, why);
    *capability = major * 10 + minor;
    return s;
}

static segue_status describe(const struct driver *d, int device, segue_device_facts *out, segue_diag *why)
{
    enum { PHASE = SEGUE_PHASE_ENUMERATE };
    char name[NAME_ROOM] = "";
    size_t memory = 0;
    int version = 0, capability = 0;
    segue_status s = ask_capability(&d->api, device, &capability, PHASE, why);
    if (!s) s = told(d->api.device_name(name, NAME_ROOM, device), PHASE, "cuDeviceGetName", why);
    if (!s) s = told(d->api.device_memory(&memory, device), PHASE, "cuDeviceTotalMem", why);
    if (!s) s = told(d->api.driver_version(&version), PHASE, "cuDriverGetVersion", why);
    if (s) return s;
    snprintf(out->description, sizeof out->description, "%.40s, compute capability %d.%d, CUDA %d.%d%s", name,
             capability / 10 % 100, capability % 10, version / 1000 % 100, version % 1000 / 10,
             d->stand_in ? " (stand-in driver, no hardware)" : "");
    out->memory_bytes = memory;
    out->flags |= SEGUE_DEVICE_READY | (d->stand_in ? (uint32_t)SEGUE_DEVICE_STAND_IN : 0);
    return SEGUE_OK;
}

static segue_status cuda_info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    struct driver d;
    int device = 0;
    (void)host;
    segue_status s = cuda_load(&d.api, &d.cuda, &d.stand_in, SEGUE_PHASE_ENUMERATE, diag);
    if (!s) s = native_find_device(&cuda_kind, &d.api, index, &device, SEGUE_PHASE_ENUMERATE, diag);
    return s ? s : describe(&d, device, out, diag);
}

static void cuda_facts(void *device, segue_device_facts *facts)
{
    const struct cuda_device *dev = device;
    if (!dev->compiler.api.compile)
        snprintf(facts->text, sizeof facts->text,
                 "NVRTC was not found: only kernels that came compiled with the plugin can run (install "
                 "libnvrtc.so.13 or 12, of the CUDA toolkit)");
    else if (!dev->compiler.target.arch[0])
        snprintf(
            facts->text, sizeof facts->text,
            "NVRTC %d.%d compiles nothing for compute capability %d.%d: only kernels that came compiled with "
            "the plugin can run",
            dev->compiler.major, dev->compiler.minor, dev->capability / 10, dev->capability % 10);
    else if (dev->compiler.major > dev->compiler.driver)
        snprintf(
            facts->text, sizeof facts->text,
            "NVRTC %d.%d is newer than the driver (CUDA %d), which may refuse what it compiles: install NVRTC "
            "%d, or a newer driver",
            dev->compiler.major, dev->compiler.minor, dev->compiler.driver, dev->compiler.driver);
}

/* ---- one device, current on a thread ---------------------------------------------------------------------- */

static segue_status enter(struct native_device *native, struct native_scope *scope, uint32_t phase,
                          segue_diag *why)
{
    struct cuda_device *dev = device_of(native);
    void *current = NULL;
    segue_status s = native_told(native, dev->cuda.context_current(&current), phase, "cuCtxGetCurrent", why);
    if (s || current == dev->context) return s;
    s = native_told(native, dev->cuda.context_push(dev->context), phase, "cuCtxPushCurrent", why);
    scope->entered = !s;
    return s;
}

static void leave(struct native_device *native, const struct native_scope *scope)
{
    void *ours;
    if (scope->entered) device_of(native)->cuda.context_pop(&ours);
}

static segue_status check_stream(struct native_device *native, void *stream, segue_diag *why)
{
    struct cuda_device *dev = device_of(native);
    void *context = NULL;
    const segue_status s = native_told(native, dev->cuda.stream_context(stream, &context), SEGUE_PHASE_CALL,
                                       "cuStreamGetCtx", why);
    if (s || context == dev->context) return s;
    return segue_kit_fail(
        why, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
        "the stream is of another CUcontext than the device, wanted one: open the device with "
        "that context in options.native_context");
}

/* ---- opening -------------------------------------------------------------------------------------------- */

/* The engine's context, which stays the engine's: it must live until the device is closed. */
static segue_status adopt(struct cuda_device *dev, void *context, uint32_t index, segue_diag *why)
{
    struct native_scope scope = { 0 };
    int on = -1;
    dev->context = context;
    segue_status s = enter(&dev->native, &scope, SEGUE_PHASE_OPEN, why);
    if (s) return s;
    s = told(dev->cuda.context_device(&on), SEGUE_PHASE_OPEN, "cuCtxGetDevice of native_context", why);
    leave(&dev->native, &scope);
    if (s || on == dev->device) return s;
    return segue_kit_fail(why, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
                          "native_context is of device %d and cuda:%u is device %d: open the device that the "
                          "context was made for",
                          on, index, dev->device);
}

static segue_status take_context(struct cuda_device *dev, uint32_t index, const segue_device_options *options,
                                 segue_diag *why)
{
    int mode;
    if (options->native_context) return adopt(dev, options->native_context, index, why);
    const int relaxed =
        native_relax(&dev->native, &mode); /* the first to retain it makes it, which allocates */
    const segue_status s = told(dev->cuda.primary_retain(&dev->context, dev->device), SEGUE_PHASE_OPEN,
                                "cuDevicePrimaryCtxRetain", why);
    if (relaxed) native_strict(&dev->native, mode);
    dev->primary = !s;
    return s;
}

/* Compiled code is good for an architecture and made by one compiler; which driver runs it is no matter. The
 * device's name is there for the reader, and tells stand-ins apart. */
static segue_status identify(struct cuda_device *dev, segue_diag *why)
{
    char compiler[96], name[NAME_ROOM] = "";
    const segue_status s = told(dev->native.api.device_name(name, NAME_ROOM, dev->device), SEGUE_PHASE_OPEN,
                                "cuDeviceGetName", why);
    if (s) return s;
    cuda_tell_compiler(&dev->compiler, compiler, sizeof compiler);
    snprintf(dev->native.gpu.identity, sizeof dev->native.gpu.identity, "%.90s, capability %d.%d, %s%s%s", name,
             dev->capability / 10, dev->capability % 10, dev->compiler.target.arch,
             dev->compiler.target.arch[0] ? " by " : "", compiler);
    return SEGUE_OK;
}

static const struct native_limits limits = { CUDA_MOST_ITEMS,
                                             CUDA_LOCAL_BYTES,
                                             { CUDA_MOST_GROUPS_X, CUDA_MOST_GROUPS_Y, CUDA_MOST_GROUPS_Z } };

static segue_status start(struct cuda_device *dev, uint32_t index, const segue_device_options *options,
                          segue_diag *why)
{
    struct driver d;
    int version = 0;
    segue_status s = cuda_load(&d.api, &d.cuda, &d.stand_in, SEGUE_PHASE_OPEN, why);
    if (!s) s = native_find_device(&cuda_kind, &d.api, index, &dev->device, SEGUE_PHASE_OPEN, why);
    if (s) return s;
    dev->native.api = d.api;
    dev->native.kind = &cuda_kind;
    dev->native.ordinal = (int)index;
    dev->cuda = d.cuda;
    dev->stand_in = d.stand_in;
    s = ask_capability(&d.api, dev->device, &dev->capability, SEGUE_PHASE_OPEN, why);
    if (dev->capability >= 80) dev->native.gpu.features |= GPU_HAS_SM80; /* the rows of this folder */
    if (!s) s = native_find_limits(&dev->native, dev->device, &limits, why);
    if (!s) s = told(d.api.driver_version(&version), SEGUE_PHASE_OPEN, "cuDriverGetVersion", why);
    if (!s) s = cuda_find_compiler(&dev->compiler, dev->capability, version / 1000, why);
    if (!s) s = identify(dev, why);
    if (!s) s = take_context(dev, index, options, why);
    return s ? s : native_open(&dev->native, why);
}

static void cuda_close(void *device)
{
    struct cuda_device *dev = device;
    const segue_host *host = dev->native.gpu.host;
    native_close(&dev->native);
    if (dev->primary) dev->cuda.primary_release(dev->device);
    host->free(host->user, dev);
}

static segue_status cuda_open(const segue_host *host, uint32_t index, const segue_device_options *options,
                              void **device, segue_diag *diag)
{
    segue_status s = native_check_options(&cuda_kind, index, options, diag);
    if (s) return s;
    struct cuda_device *dev = host->alloc(host->user, sizeof *dev, 64);
    if (!dev)
        return segue_kit_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_OPEN, 0, "no memory for device cuda:%u",
                              index);
    dev->native.gpu.host = host;
    s = start(dev, index, options, diag);
    if (s) cuda_close(dev);
    else *device = dev;
    return s;
}

/* ---- what the parts are put together to -------------------------------------------------------------------- */

static const struct gpu_driver driver = { NATIVE_DRIVER, .dialect = cuda_dialect, .embedded = cuda_embedded };

const struct native_kind cuda_kind = {
    .id = "cuda",
    .hides = "CUDA_VISIBLE_DEVICES",
    .context = "CUcontext",
    .api = SEGUE_API_CUDA,
    .errors = cuda_errors,
    .enter = enter,
    .leave = leave,
    .check_stream = check_stream,
    .compile = cuda_compile,
    .driver = &driver,
};

const segue_kit_adapter cuda_adapter = {
    NATIVE_ADAPTER,    .api = SEGUE_API_CUDA, .count = cuda_count, .info = cuda_info,
    .open = cuda_open, .close = cuda_close,   .facts = cuda_facts,
};
