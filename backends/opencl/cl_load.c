/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's entry points, looked up when somebody asks for a device; and its error codes in words. */
#include "opencl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/auxv.h>

#define LIBRARY "libOpenCL.so.1"

static const struct {
    const char *name;
    size_t offset;
} entries[] = {
#define ENTRY(result, name, parameters) { "cl" #name, offsetof(struct opencl_api, name) },
    OPENCL_ENTRIES(ENTRY)
#undef ENTRY
};

/* ocl-icd looks for its drivers at the first call, and PoCL for its devices: a thread that comes meanwhile finds none, or
 * crashes (ocl-icd 2.3, PoCL 3.1). So the first of a process's contexts and threads goes through it alone. */
static pthread_mutex_t first_call = PTHREAD_MUTEX_INITIALIZER;
static int awake;

static void wake_drivers(const struct opencl_api *cl)
{
    enum { MOST_PLATFORMS = 64 };
    cl_platform platforms[MOST_PLATFORMS];
    uint32_t count = 0, devices = 0;
    pthread_mutex_lock(&first_call);
    if (!awake && !cl->GetPlatformIDs(MOST_PLATFORMS, platforms, &count))
        for (uint32_t i = 0; i < count && i < MOST_PLATFORMS; i++)
            cl->GetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 0, NULL, &devices);
    awake = 1;
    pthread_mutex_unlock(&first_call);
}

segue_status opencl_load(struct opencl_api *out, segue_diag *why)
{
    /* ocl-icd and the drivers obey OCL_ICD_VENDORS and the like even there: whoever starts the process would choose
     * what code it runs */
    if (getauxval(AT_SECURE))
        return segue_kit_fail(
            why, SEGUE_ERROR_NO_DEVICE, SEGUE_PHASE_ENUMERATE, 0,
            "this process runs with another user's rights (set-id), where OpenCL is not used: "
            "the environment could name any library as its driver");
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
        return segue_kit_fail(
            why, SEGUE_ERROR_NO_DEVICE, SEGUE_PHASE_ENUMERATE, 0,
            "OpenCL is not installed (%s); install its loader (Debian: ocl-icd-libopencl1) and "
            "the driver of your device (for a CPU: pocl-opencl-icd)",
            dlerror());
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        void *entry = dlsym(library, entries[i].name);
        if (!entry)
            return segue_kit_fail(why, SEGUE_ERROR_NO_DEVICE, SEGUE_PHASE_ENUMERATE, 0,
                                  LIBRARY " has no %s, wanted a loader of OpenCL 1.2 or later (Debian: "
                                          "ocl-icd-libopencl1)",
                                  entries[i].name);
        memcpy((char *)out + entries[i].offset, &entry, sizeof entry);
    }
    wake_drivers(out);
    return SEGUE_OK;
}

/* ---- errors --------------------------------------------------------------------------------------------- */

enum { STAYS = 0, LOST = 1, LOST_WAITING = 2 }; /* the device: LOST_WAITING where a wait gives the code */

static const struct error {
    int32_t code;
    segue_status status;
    int lost;
    const char *name, *words;
} errors[] = {
    { -1, SEGUE_ERROR_NO_DEVICE, STAYS, "CL_DEVICE_NOT_FOUND", "the platform has no device" },
    { -2, SEGUE_ERROR_DEVICE_LOST, LOST, "CL_DEVICE_NOT_AVAILABLE", "the device has gone" },
    { -3, SEGUE_ERROR_NO_DEVICE, STAYS, "CL_COMPILER_NOT_AVAILABLE", "the driver cannot compile" },
    { -4, SEGUE_ERROR_MEMORY, LOST_WAITING, "CL_MEM_OBJECT_ALLOCATION_FAILURE", "device memory ran out" },
    { -5, SEGUE_ERROR_MEMORY, LOST_WAITING, "CL_OUT_OF_RESOURCES",
      "device memory or another resource ran out" },
    { -6, SEGUE_ERROR_MEMORY, LOST_WAITING, "CL_OUT_OF_HOST_MEMORY", "host memory ran out in the driver" },
    { -8, SEGUE_ERROR_ARGUMENT, STAYS, "CL_MEM_COPY_OVERLAP", "the two ranges overlap" },
    { -11, SEGUE_ERROR_INTERNAL, STAYS, "CL_BUILD_PROGRAM_FAILURE",
      "the driver's compiler refused the kernel" },
    { -13, SEGUE_ERROR_ARGUMENT, STAYS, "CL_MISALIGNED_SUB_BUFFER_OFFSET",
      "a sub-buffer begins where this device cannot (CL_DEVICE_MEM_BASE_ADDR_ALIGN)" },
    { -14, SEGUE_ERROR_DEVICE_LOST, LOST, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST",
      "an earlier command failed" },
    { -30, SEGUE_ERROR_ARGUMENT, STAYS, "CL_INVALID_VALUE", "a number is out of range" },
    { -31, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_DEVICE_TYPE", "the driver knows no devices of this kind" },
    { -32, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_PLATFORM", "the platform is not one" },
    { -33, SEGUE_ERROR_ARGUMENT, STAYS, "CL_INVALID_DEVICE", "the device is none of this context's" },
    { -34, SEGUE_ERROR_ARGUMENT, STAYS, "CL_INVALID_CONTEXT",
      "the context is not one, or objects of two are mixed" },
    { -35, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_QUEUE_PROPERTIES", "the device has no in-order queues" },
    { -36, SEGUE_ERROR_ARGUMENT, LOST_WAITING, "CL_INVALID_COMMAND_QUEUE", "the stream's queue is not one" },
    { -38, SEGUE_ERROR_ARGUMENT, STAYS, "CL_INVALID_MEM_OBJECT",
      "data is no cl_mem of the device's context: segue_memory_alloc gives one" },
    { -42, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_BINARY", "compiled code of another device or driver" },
    { -43, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_BUILD_OPTIONS", "the compiler does not know an option" },
    { -44, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_PROGRAM", "the program is not one" },
    { -45, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_PROGRAM_EXECUTABLE", "the program was not built" },
    { -46, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_KERNEL_NAME", "the program has no kernel of that name" },
    { -47, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_KERNEL_DEFINITION", "the binary holds another kernel" },
    { -48, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_KERNEL", "the kernel is not one" },
    { -49, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_ARG_INDEX", "the kernel has fewer arguments" },
    { -50, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_ARG_VALUE", "an argument of the kernel is refused" },
    { -51, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_ARG_SIZE", "the kernel's argument has another size" },
    { -52, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_KERNEL_ARGS", "an argument of the kernel is missing" },
    { -54, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_WORK_GROUP_SIZE",
      "the device takes no groups of that size" },
    { -55, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_WORK_ITEM_SIZE",
      "the device takes no groups of that shape" },
    { -57, SEGUE_ERROR_ARGUMENT, STAYS, "CL_INVALID_EVENT_WAIT_LIST", "the event is of another context" },
    { -58, SEGUE_ERROR_ARGUMENT, STAYS, "CL_INVALID_EVENT", "the event is not one" },
    { -59, SEGUE_ERROR_INTERNAL, STAYS, "CL_INVALID_OPERATION", "not in this state, or not on this device" },
    { -61, SEGUE_ERROR_MEMORY, STAYS, "CL_INVALID_BUFFER_SIZE",
      "more than the device takes in one allocation" },
    { -63, SEGUE_ERROR_UNSUPPORTED, STAYS, "CL_INVALID_GLOBAL_WORK_SIZE",
      "the device takes no grid of that size" },
    { -1001, SEGUE_ERROR_NO_DEVICE, STAYS, "CL_PLATFORM_NOT_FOUND_KHR", "no driver is registered" },
    { -9999, SEGUE_ERROR_DEVICE_LOST, LOST, "-9999",
      "NVIDIA's code for a kernel that touched memory not its own" },
};

static const struct error *find(int32_t code)
{
    static const struct error other = { 0, SEGUE_ERROR_INTERNAL, STAYS, "see cl.h", "not expected here" };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code) return &errors[i];
    return &other;
}

static segue_status tell(struct opencl_device *dev, int32_t error, int lost, uint32_t phase, const char *call,
                         segue_diag *why)
{
    const struct error *e = find(error);
    segue_status s = lost ? SEGUE_ERROR_DEVICE_LOST : e->status;
    int none = 0; /* the first failure says more than what follows from it */
    if (lost && dev) atomic_compare_exchange_strong(&dev->lost, &none, error);
    s = segue_kit_fail(why, s, phase, 0, "%s failed with %d (%s): %s%s", call, error, e->name,
                       lost && e->lost == LOST_WAITING ? "a kernel or copy before it failed" : e->words,
                       lost ? "; close the device and open it again" : "");
    if (why) why->native_code = error;
    return s;
}

segue_status opencl_failed(struct opencl_device *dev, int32_t error, uint32_t phase, const char *call,
                           segue_diag *why)
{
    return tell(dev, error, find(error)->lost == LOST, phase, call, why);
}

segue_status opencl_failed_enqueuing(struct opencl_device *dev, int32_t error, uint32_t phase, const char *call,
                                     segue_diag *why)
{
    const int kind = find(error)->lost;
    return tell(dev, error, kind == LOST || (kind == LOST_WAITING && dev->cl.Finish(dev->queue)), phase, call,
                why);
}

segue_status opencl_failed_waiting(struct opencl_device *dev, int32_t error, const char *call, segue_diag *why)
{
    return tell(dev, error, find(error)->lost != STAYS, SEGUE_PHASE_RUN, call, why);
}
