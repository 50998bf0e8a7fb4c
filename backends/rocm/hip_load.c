/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* HIP's library, the device nodes that it needs, and its error codes in words. */
#include "rocm.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const struct native_entry driver_entries[] = {
#define ENTRY(parameters, field, cuda, hip) { hip, offsetof(struct native_api, field), 0 },
    NATIVE_ENTRIES(ENTRY)
#undef ENTRY
};

static const struct native_entry own_entries[] = {
#define ENTRY(parameters, field, name, optional) { name, offsetof(struct rocm_api, field), optional },
    ROCM_ENTRIES(ENTRY)
#undef ENTRY
};

static const char *const names[] = { "libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5",
                                     "libamdhip64.so", /* as PyTorch calls its own */ NULL };
static const char *const folders[] = { "$ROCM_PATH/lib", "/opt/rocm/lib", NULL };
static const char wanted[] =
    "install AMD's HIP runtime of ROCm 5.2 or later (Debian: libamdhip64-5; AMD's packages: "
    "hip-runtime-amd), in a place that the loader knows or below ROCM_PATH";

/* ---- device nodes --------------------------------------------------------------------------------------- */

enum { FIRST_RENDER = 128, RENDER_NODES = 64 }; /* /dev/dri/renderD128 to 191 (Linux, drm_drv.c) */

static const char may_open[] = "give it that right (usermod -a -G render,video USER, and a new log-in; in a "
                               "container: --group-add render)";

/* Whether any render node is there, and whether one of them may be opened. */
static void look_at_render_nodes(const char *root, int *there, int *opens)
{
    char path[512];
    *there = *opens = 0;
    for (int i = 0; i < RENDER_NODES; i++) {
        snprintf(path, sizeof path, "%.400s/dev/dri/renderD%d", root, FIRST_RENDER + i);
        if (!access(path, R_OK | W_OK)) *there = *opens = 1;
        else if (errno == EACCES || errno == EPERM) *there = 1;
    }
}

void rocm_check_nodes(const char *root, char *out, size_t room)
{
    char path[512];
    int there, opens;
    out[0] = 0;
    snprintf(path, sizeof path, "%.400s/dev/kfd", root);
    look_at_render_nodes(root, &there, &opens);
    if (access(path, R_OK | W_OK)) {
        if (errno == EACCES || errno == EPERM)
            snprintf(out, room, "this user may not open /dev/kfd: %s", may_open);
        else
            snprintf(
                out, room,
                "/dev/kfd is missing: there is no AMD GPU, its kernel module is not loaded (modprobe amdgpu), "
                "or this container was started without it (--device /dev/kfd --device /dev/dri)");
    } else if (!there) {
        snprintf(
            out, room,
            "/dev/dri/renderD128 and its like are missing: the kernel module sees no GPU (lspci, dmesg), or this "
            "container was given none (--device /dev/dri)");
    } else if (!opens) {
        snprintf(out, room, "this user may open none of /dev/dri/renderD*: %s", may_open);
    }
}

/* ---- loading -------------------------------------------------------------------------------------------- */

static segue_status initialise(struct rocm_driver *d, uint32_t phase, segue_diag *why)
{
    char reason[300] = "";
    const char *call = "hipInit";
    const int pending = d->hip.peek_error();
    int error = d->api.init(0);
    if (!error) error = d->hip.runtime_version(&d->version), call = "hipRuntimeGetVersion";
    if (!pending && error) d->hip.last_error(); /* ours: the engine must not find it */
    if (!error) return SEGUE_OK;
    native_told_of(&rocm_kind, error, phase, call, why);
    if (!d->stand_in) rocm_check_nodes("", reason, sizeof reason);
    if (why && reason[0]) {
        char said[sizeof why->text];
        snprintf(said, sizeof said, "%s", why->text);
        snprintf(why->text, sizeof why->text, "%s; %.180s", reason, said);
    }
    if (why) why->code = SEGUE_ERROR_NO_DEVICE;
    return SEGUE_ERROR_NO_DEVICE;
}

segue_status rocm_load(struct rocm_driver *out, uint32_t phase, segue_diag *why)
{
    static const struct native_library library = {
        names, wanted, driver_entries, sizeof driver_entries / sizeof *driver_entries, folders, 1
    };
    static const struct native_library more = { names,       wanted,
                                                own_entries, sizeof own_entries / sizeof *own_entries,
                                                folders,     1 };
    segue_status s = native_load(&library, &out->api, &out->stand_in, phase, why);
    if (!s) s = native_load(&more, &out->hip, &out->stand_in, phase, why);
    return s ? s : initialise(out, phase, why);
}

/* ---- errors (hip_runtime_api.h of HIP 7.0) ----------------------------------------------------------------- */

const struct native_error rocm_errors[] = {
    { 1, SEGUE_ERROR_ARGUMENT, NATIVE_STAYS, "hipErrorInvalidValue",
      "a number or an address is none that HIP takes" },
    { 2, SEGUE_ERROR_MEMORY, NATIVE_STAYS, "hipErrorOutOfMemory", "device memory ran out" },
    { 3, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "hipErrorNotInitialized",
      "HIP is not initialised: a process forked after its parent used HIP cannot use it" },
    { 4, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "hipErrorDeinitialized",
      "HIP is shutting down: the process ends" },
    { 9, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "hipErrorInvalidConfiguration",
      "the launch has more groups or items than the device takes" },
    { 17, SEGUE_ERROR_ARGUMENT, NATIVE_STAYS, "hipErrorInvalidDevicePointer",
      "an address is not in the device's memory" },
    { 35, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "hipErrorInsufficientDriver",
      "the kernel module is too old for this HIP: install a newer amdgpu driver" },
    { 53, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "hipErrorPriorLaunchFailure", "an earlier kernel failed" },
    { 98, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "hipErrorInvalidDeviceFunction",
      "the code has no such kernel for this GPU" },
    { 100, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "hipErrorNoDevice",
      "HIP finds no GPU (is HIP_VISIBLE_DEVICES or ROCR_VISIBLE_DEVICES set to none?)" },
    { 101, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "hipErrorInvalidDevice",
      "there is no GPU of that number, or none at all" },
    { 200, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "hipErrorInvalidImage", "the compiled code is not valid" },
    { 201, SEGUE_ERROR_ARGUMENT, NATIVE_STAYS, "hipErrorInvalidContext",
      "the context is not one: was the engine's destroyed before the device was closed?" },
    { 209, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "hipErrorNoBinaryForGpu",
      "the compiled code is for another architecture" },
    { 214, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "hipErrorECCNotCorrectable",
      "the GPU's memory has an error that it cannot correct (rocm-smi --showrasinfo)" },
    { 218, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "hipErrorInvalidKernelFile", "the compiled code is not valid" },
    { 300, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "hipErrorInvalidSource", "the source is not valid" },
    { 301, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "hipErrorFileNotFound",
      "a file of HIP is missing: install it whole" },
    { 302, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "hipErrorSharedObjectSymbolNotFound",
      "one of HIP's libraries is of another version: install them from one place" },
    { 303, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "hipErrorSharedObjectInitFailed",
      "one of HIP's libraries does not start" },
    { 304, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "hipErrorOperatingSystem",
      "the operating system refused a call" },
    { 400, SEGUE_ERROR_ARGUMENT, NATIVE_STAYS, "hipErrorInvalidHandle",
      "a stream, event or module is not one of this device, or was destroyed" },
    { 401, SEGUE_ERROR_ARGUMENT, NATIVE_STAYS, "hipErrorIllegalState",
      "what is used is not in a state that allows it" },
    { 500, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "hipErrorNotFound", "the code has no kernel of that name" },
    { 600, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "hipErrorNotReady", "the work is not done yet" },
    { 700, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "hipErrorIllegalAddress",
      "a kernel used an address that is none: a buffer too small, or freed" },
    { 701, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "hipErrorLaunchOutOfResources",
      "the kernel needs more registers or LDS than the device has" },
    { 702, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "hipErrorLaunchTimeOut", "a kernel ran too long" },
    { 709, SEGUE_ERROR_ARGUMENT, NATIVE_LOST_IF_IT_STAYS, "hipErrorContextIsDestroyed",
      "a stream or event was destroyed, or is of another copy of HIP in this process" },
    { 710, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "hipErrorAssert", "a kernel stopped at an assertion" },
    { 719, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "hipErrorLaunchFailure", "a kernel failed on the device" },
    { 801, SEGUE_ERROR_UNSUPPORTED, NATIVE_STAYS, "hipErrorNotSupported", "this GPU or driver cannot do that" },
    { 900, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "hipErrorStreamCaptureUnsupported",
      "that is not allowed while a stream is captured" },
    { 901, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "hipErrorStreamCaptureInvalidated",
      "the capture was broken by an earlier call: end it and begin again" },
    { 902, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "hipErrorStreamCaptureMerge",
      "two captures would become one: wait for an event of the same capture" },
    { 903, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "hipErrorStreamCaptureUnmatched",
      "the capture began on another stream" },
    { 904, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "hipErrorStreamCaptureUnjoined",
      "the capture has work on a stream that was not joined again" },
    { 905, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "hipErrorStreamCaptureIsolation",
      "captured work would depend on work outside of the capture" },
    { 906, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "hipErrorStreamCaptureImplicit",
      "the default stream would join the capture: use another stream" },
    { 907, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "hipErrorCapturedEvent",
      "the event was recorded in a capture: only that capture may use it" },
    { 908, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "hipErrorStreamCaptureWrongThread",
      "the capture began on another thread" },
    { 999, SEGUE_ERROR_INTERNAL, NATIVE_LOST_IF_IT_STAYS, "hipErrorUnknown",
      "HIP knows no more than that it failed" },
    { 1052, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST_IF_IT_STAYS, "hipErrorRuntimeMemory",
      "the HSA runtime failed with memory" },
    { 1053, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST_IF_IT_STAYS, "hipErrorRuntimeOther",
      "the HSA runtime failed" },
    { 0, SEGUE_OK, NATIVE_STAYS, NULL, NULL },
};
