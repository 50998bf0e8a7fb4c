/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's library, the device nodes that it needs, and its error codes in words. */
#include "cuda.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const struct native_entry driver_entries[] = {
#define ENTRY(parameters, field, cuda, hip) { cuda, offsetof(struct native_api, field), 0 },
    NATIVE_ENTRIES(ENTRY)
#undef ENTRY
};

static const struct native_entry own_entries[] = {
#define ENTRY(parameters, field, name) { name, offsetof(struct cuda_api, field), 0 },
    CUDA_ENTRIES(ENTRY)
#undef ENTRY
};

static const char *const names[] = { "libcuda.so.1", NULL };
static const char wanted[] =
    "install NVIDIA's driver, 460 or later (Debian: nvidia-driver or, without a screen, "
    "nvidia-headless and libcuda1; in a container: start it with --gpus all)";

/* ---- device nodes --------------------------------------------------------------------------------------- */

static const struct {
    const char *path, *missing;
} nodes[] = {
    { "/dev/nvidiactl", "the driver's kernel module is not loaded (modprobe nvidia), or this container was "
                        "started without the GPU (--gpus all)" },
    { "/dev/nvidia0", "the kernel module sees no GPU (lspci, dmesg), or this container was given none (--gpus "
                      "all)" },
    { "/dev/nvidia-uvm", "the module for unified memory is not loaded (modprobe nvidia-uvm, "
                         "nvidia-modprobe -u), or this container was not given it" },
};

/* The first one that is missing or may not be opened decides. A container may hold any of the GPUs, not the
 * first: a missing number is told only where nvidia1 to nvidia15 are missing as well. */
static int other_gpu(const char *root)
{
    char path[512];
    for (int i = 1; i < 16; i++) {
        snprintf(path, sizeof path, "%.400s/dev/nvidia%d", root, i);
        if (!access(path, F_OK)) return 1;
    }
    return 0;
}

void cuda_check_nodes(const char *root, char *out, size_t room)
{
    char path[512];
    out[0] = 0;
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes && !out[0]; i++) {
        snprintf(path, sizeof path, "%.400s%s", root, nodes[i].path);
        if (!faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS)) continue;
        if (errno == EACCES || errno == EPERM)
            snprintf(out, room,
                     "this user may not open %s: give it that right (often the group video or render)",
                     nodes[i].path);
        else if (i != 1 || !other_gpu(root))
            snprintf(out, room, "%s is missing: %s", nodes[i].path, nodes[i].missing);
    }
}

/* ---- loading -------------------------------------------------------------------------------------------- */

static segue_status initialise(const struct native_api *api, int stand_in, uint32_t phase, segue_diag *why)
{
    char reason[300] = "";
    const int error = api->init(0);
    if (!error) return SEGUE_OK;
    native_told_of(&cuda_kind, error, phase, "cuInit", why);
    if (!stand_in) cuda_check_nodes("", reason, sizeof reason);
    if (why && reason[0]) {
        char said[sizeof why->text];
        snprintf(said, sizeof said, "%s", why->text);
        snprintf(why->text, sizeof why->text, "%s; %.300s", reason, said);
    }
    if (why) why->code = SEGUE_ERROR_NO_DEVICE;
    return SEGUE_ERROR_NO_DEVICE;
}

segue_status cuda_load(struct native_api *api, struct cuda_api *cuda, int *stand_in, uint32_t phase,
                       segue_diag *why)
{
    static const struct native_library library = {
        names, wanted, driver_entries, sizeof driver_entries / sizeof *driver_entries, NULL, 1
    };
    static const struct native_library more = { names,       wanted,
                                                own_entries, sizeof own_entries / sizeof *own_entries,
                                                NULL,        1 };
    segue_status s = native_load(&library, api, stand_in, phase, why);
    if (!s) s = native_load(&more, cuda, stand_in, phase, why);
    return s ? s : initialise(api, *stand_in, phase, why);
}

/* ---- errors (cuda.h of CUDA 13.0) ------------------------------------------------------------------------- */

const struct native_error cuda_errors[] = {
    { 1, SEGUE_ERROR_ARGUMENT, NATIVE_STAYS, "CUDA_ERROR_INVALID_VALUE",
      "a number or an address is none that the driver takes" },
    { 2, SEGUE_ERROR_MEMORY, NATIVE_STAYS, "CUDA_ERROR_OUT_OF_MEMORY", "device memory ran out" },
    { 3, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_NOT_INITIALIZED",
      "the driver is not initialised: a process forked after its parent used CUDA cannot use it" },
    { 4, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_DEINITIALIZED",
      "the driver is shutting down: the process ends" },
    { 34, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_STUB_LIBRARY",
      "libcuda.so.1 is the toolkit's stub for linking: take its folder out of LD_LIBRARY_PATH" },
    { 36, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER",
      "the driver is too old for this call: install a newer one" },
    { 46, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_DEVICE_UNAVAILABLE",
      "the GPU is busy or reserved: another process may hold it in exclusive mode (nvidia-smi -q -d COMPUTE)" },
    { 100, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_NO_DEVICE",
      "the driver finds no GPU (is CUDA_VISIBLE_DEVICES set to none?)" },
    { 101, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_INVALID_DEVICE",
      "there is no GPU of that number, or it cannot do that" },
    { 102, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_DEVICE_NOT_LICENSED",
      "the virtual GPU has no licence: see the vGPU licence client" },
    { 200, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_INVALID_IMAGE", "the compiled code is not valid" },
    { 201, SEGUE_ERROR_ARGUMENT, NATIVE_STAYS, "CUDA_ERROR_INVALID_CONTEXT",
      "the context is not one: was the engine's destroyed before the device was closed?" },
    { 209, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_NO_BINARY_FOR_GPU",
      "the compiled code is for another architecture" },
    { 214, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_ECC_UNCORRECTABLE",
      "the GPU's memory has an error that it cannot correct (nvidia-smi -q -d ECC)" },
    { 218, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_INVALID_PTX",
      "the driver cannot compile the PTX for this GPU" },
    { 220, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_NVLINK_UNCORRECTABLE",
      "NVLink has an error that it cannot correct" },
    { 221, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_JIT_COMPILER_NOT_FOUND",
      "the driver's libnvidia-ptxjitcompiler is missing: install the whole driver" },
    { 222, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
      "NVRTC is newer than the driver: install a newer driver or an older NVRTC" },
    { 223, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_JIT_COMPILATION_DISABLED",
      "PTX may not be compiled here: unset CUDA_DISABLE_PTX_JIT" },
    { 226, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_CONTAINED",
      "the GPU had a hardware error, which it kept to this process" },
    { 300, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_INVALID_SOURCE", "the code is not valid" },
    { 301, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_FILE_NOT_FOUND", "a file of the driver is missing" },
    { 302, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND",
      "a library of the driver does not fit the others: install one version of all" },
    { 303, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_SHARED_OBJECT_INIT_FAILED",
      "a library of the driver cannot be initialised" },
    { 304, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_OPERATING_SYSTEM",
      "a call of the operating system failed in the driver: limits on memory, processes or files?" },
    { 400, SEGUE_ERROR_ARGUMENT, NATIVE_STAYS, "CUDA_ERROR_INVALID_HANDLE",
      "a stream or an event is none of the device's context" },
    { 401, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_ILLEGAL_STATE", "not in this state" },
    { 500, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_NOT_FOUND", "the code has no kernel of that name" },
    { 600, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_NOT_READY", "not done yet" },
    { 700, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_ILLEGAL_ADDRESS",
      "a kernel or copy before it touched memory that is not allocated" },
    { 701, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
      "the kernel needs more registers or arguments than a launch has" },
    { 702, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_LAUNCH_TIMEOUT",
      "a kernel ran longer than this GPU allows, since it also drives a screen" },
    { 709, SEGUE_ERROR_ARGUMENT, NATIVE_LOST_IF_IT_STAYS, "CUDA_ERROR_CONTEXT_IS_DESTROYED",
      "a stream or event was destroyed, or its context was, by another part of the process" },
    { 710, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_ASSERT",
      "a kernel before it failed an assertion" },
    { 714, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_HARDWARE_STACK_ERROR",
      "a kernel before it left its stack" },
    { 715, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_ILLEGAL_INSTRUCTION",
      "a kernel before it met an illegal instruction" },
    { 716, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_MISALIGNED_ADDRESS",
      "a kernel before it used an address that is not aligned" },
    { 717, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_INVALID_ADDRESS_SPACE",
      "a kernel before it used an address of another kind of memory" },
    { 718, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_INVALID_PC",
      "a kernel before it ran out of its code" },
    { 719, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_LAUNCH_FAILED",
      "a kernel before it failed, most often by an invalid address" },
    { 720, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE",
      "a cooperative launch is too large" },
    { 721, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_TENSOR_MEMORY_LEAK",
      "a kernel before it kept tensor memory" },
    { 800, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_NOT_PERMITTED", "this is not permitted here" },
    { 801, SEGUE_ERROR_UNSUPPORTED, NATIVE_STAYS, "CUDA_ERROR_NOT_SUPPORTED",
      "this GPU, driver or system does not do that" },
    { 802, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_SYSTEM_NOT_READY",
      "the system is not ready: is nvidia-fabricmanager running?" },
    { 803, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
      "libcuda.so.1 and the kernel module are of different versions: restart the machine after an update, or give "
      "the container the host's library" },
    { 804, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
      "the cuda-compat library does not run on this GPU: install a newer driver, or take it out of "
      "LD_LIBRARY_PATH" },
    { 805, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_MPS_CONNECTION_FAILED",
      "the MPS daemon does not answer: is nvidia-cuda-mps-control running?" },
    { 806, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_MPS_RPC_FAILURE",
      "the MPS server does not answer" },
    { 807, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_MPS_SERVER_NOT_READY",
      "the MPS server takes no clients now: it may be recovering from a failure" },
    { 808, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_MPS_MAX_CLIENTS_REACHED",
      "MPS has as many clients as it can" },
    { 809, SEGUE_ERROR_NO_DEVICE, NATIVE_STAYS, "CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED",
      "MPS has as many connections as it can" },
    { 810, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_MPS_CLIENT_TERMINATED",
      "MPS has ended this process's work" },
    { 900, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
      "this may not be done while a stream is being captured" },
    { 901, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
      "an earlier failure broke the capture of this stream: end it and begin anew" },
    { 902, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "CUDA_ERROR_STREAM_CAPTURE_MERGE",
      "this would join two captures: wait only for events of the same one" },
    { 903, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED",
      "the capture was not begun in this stream" },
    { 904, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED",
      "a stream that the capture forked to was not joined again" },
    { 905, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION",
      "this would make the capture depend on work outside: record the event within it" },
    { 906, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT",
      "the default stream would wait for a stream that is being captured: use a stream of your own" },
    { 907, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "CUDA_ERROR_CAPTURED_EVENT",
      "the event was last recorded in a capture, so nobody can wait for it outside" },
    { 908, SEGUE_ERROR_CAPTURE, NATIVE_STAYS, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD",
      "the capture was begun by another thread" },
    { 911, SEGUE_ERROR_DEVICE_LOST, NATIVE_LOST, "CUDA_ERROR_EXTERNAL_DEVICE",
      "a device that the GPU waited for has failed" },
    { 916, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "CUDA_ERROR_KEY_ROTATION",
      "the keys of confidential computing could not be changed" },
    { 999, SEGUE_ERROR_INTERNAL, NATIVE_LOST_IF_IT_STAYS, "CUDA_ERROR_UNKNOWN",
      "the driver does not know either (dmesg may: look for Xid)" },
    { 0, SEGUE_OK, NATIVE_STAYS, NULL, NULL },
};
