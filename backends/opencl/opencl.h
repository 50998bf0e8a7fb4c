/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this plugin share: the part of OpenCL 1.2 that it uses, in its own declarations, so that it
 * builds where no OpenCL headers are; and an opened device. */
#ifndef SEGUE_OPENCL_H
#define SEGUE_OPENCL_H

#include "gpu.h"

#include <stdatomic.h>

/* ---- the driver's objects and numbers (Khronos, OpenCL 1.2, cl.h) ------------------------------- */

typedef struct cl_platform_object *cl_platform;
typedef struct cl_device_object *cl_device;
typedef struct cl_context_object *cl_context;
typedef struct cl_queue_object *cl_queue;
typedef struct cl_memory_object *cl_memory;
typedef struct cl_program_object *cl_program;
typedef struct cl_kernel_object *cl_kernel;
typedef struct cl_event_object *cl_event;

enum { CL_SUCCESS = 0, CL_DEVICE_NOT_FOUND = -1, CL_INVALID_VALUE = -30, CL_PLATFORM_NOT_FOUND_KHR = -1001 };
enum { CL_MEM_READ_WRITE = 1, CL_QUEUE_OUT_OF_ORDER = 1 };
enum { CL_PLATFORM_VERSION = 0x0901, CL_PLATFORM_NAME = 0x0902 };
enum {
    CL_DEVICE_MAX_WORK_GROUP_SIZE = 0x1004,
    CL_DEVICE_MAX_WORK_ITEM_SIZES = 0x1005,
    CL_DEVICE_MAX_MEM_ALLOC_SIZE = 0x1010,
    CL_DEVICE_SINGLE_FP_CONFIG = 0x101B,
    CL_DEVICE_GLOBAL_MEM_SIZE = 0x101F,
    CL_DEVICE_LOCAL_MEM_SIZE = 0x1023,
    CL_DEVICE_ENDIAN_LITTLE = 0x1026,
    CL_DEVICE_AVAILABLE = 0x1027,
    CL_DEVICE_COMPILER_AVAILABLE = 0x1028,
    CL_DEVICE_NAME = 0x102B,
    CL_DRIVER_VERSION = 0x102D,
    CL_DEVICE_VERSION = 0x102F,
    CL_DEVICE_EXTENSIONS = 0x1030,
    CL_DEVICE_PLATFORM = 0x1031,
    CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT = 0x103A
};
#define CL_DEVICE_TYPE_ALL UINT64_C(0xFFFFFFFF)
enum { CL_CONTEXT_DEVICES = 0x1081 };
enum { CL_QUEUE_CONTEXT = 0x1090, CL_QUEUE_DEVICE = 0x1091, CL_QUEUE_PROPERTIES = 0x1093 };
enum { CL_PROGRAM_DEVICES = 0x1163, CL_PROGRAM_BINARY_SIZES = 0x1165, CL_PROGRAM_BINARIES = 0x1166 };
enum { CL_PROGRAM_BUILD_LOG = 0x1183 };

/* ENTRY(result, name without cl, parameters) */
#define OPENCL_ENTRIES(ENTRY)                                                                                  \
    ENTRY(int32_t, GetPlatformIDs, (uint32_t room, cl_platform * out, uint32_t * count))                       \
    ENTRY(int32_t, GetPlatformInfo, (cl_platform, uint32_t what, size_t room, void *out, size_t *size))        \
    ENTRY(int32_t, GetDeviceIDs,                                                                               \
          (cl_platform, uint64_t type, uint32_t room, cl_device * out, uint32_t * count))                      \
    ENTRY(int32_t, GetDeviceInfo, (cl_device, uint32_t what, size_t room, void *out, size_t *size))            \
    ENTRY(cl_context, CreateContext,                                                                           \
          (const intptr_t *properties, uint32_t count, const cl_device *,                                      \
           void (*notify)(const char *, const void *, size_t, void *), void *user, int32_t *error))            \
    ENTRY(int32_t, RetainContext, (cl_context))                                                                \
    ENTRY(int32_t, ReleaseContext, (cl_context))                                                               \
    ENTRY(int32_t, GetContextInfo, (cl_context, uint32_t what, size_t room, void *out, size_t *size))          \
    ENTRY(cl_queue, CreateCommandQueue, (cl_context, cl_device, uint64_t properties, int32_t * error))         \
    ENTRY(int32_t, ReleaseCommandQueue, (cl_queue))                                                            \
    ENTRY(int32_t, GetCommandQueueInfo, (cl_queue, uint32_t what, size_t room, void *out, size_t *size))       \
    ENTRY(cl_memory, CreateBuffer, (cl_context, uint64_t flags, size_t bytes, void *host, int32_t *error))     \
    ENTRY(int32_t, ReleaseMemObject, (cl_memory))                                                              \
    ENTRY(cl_program, CreateProgramWithSource,                                                                 \
          (cl_context, uint32_t count, const char **texts, const size_t *lengths, int32_t *error))             \
    ENTRY(cl_program, CreateProgramWithBinary,                                                                 \
          (cl_context, uint32_t count, const cl_device *, const size_t *lengths,                               \
           const unsigned char **binaries, int32_t *status, int32_t *error))                                   \
    ENTRY(int32_t, BuildProgram,                                                                               \
          (cl_program, uint32_t count, const cl_device *, const char *options,                                 \
           void (*notify)(cl_program, void *), void *user))                                                    \
    ENTRY(int32_t, GetProgramInfo, (cl_program, uint32_t what, size_t room, void *out, size_t *size))          \
    ENTRY(int32_t, GetProgramBuildInfo,                                                                        \
          (cl_program, cl_device, uint32_t what, size_t room, void *out, size_t *size))                        \
    ENTRY(int32_t, ReleaseProgram, (cl_program))                                                               \
    ENTRY(cl_kernel, CreateKernel, (cl_program, const char *name, int32_t *error))                             \
    ENTRY(int32_t, ReleaseKernel, (cl_kernel))                                                                 \
    ENTRY(int32_t, SetKernelArg, (cl_kernel, uint32_t index, size_t bytes, const void *value))                 \
    ENTRY(int32_t, EnqueueNDRangeKernel,                                                                       \
          (cl_queue, cl_kernel, uint32_t axes, const size_t *first, const size_t *items, const size_t *group,  \
           uint32_t waits, const cl_event *, cl_event *))                                                      \
    ENTRY(int32_t, EnqueueReadBuffer,                                                                          \
          (cl_queue, cl_memory, uint32_t blocking, size_t from, size_t bytes, void *to, uint32_t waits,        \
           const cl_event *, cl_event *))                                                                      \
    ENTRY(int32_t, EnqueueWriteBuffer,                                                                         \
          (cl_queue, cl_memory, uint32_t blocking, size_t to, size_t bytes, const void *from, uint32_t waits,  \
           const cl_event *, cl_event *))                                                                      \
    ENTRY(int32_t, EnqueueCopyBuffer,                                                                          \
          (cl_queue, cl_memory from, cl_memory to, size_t from_at, size_t to_at, size_t bytes, uint32_t waits, \
           const cl_event *, cl_event *))                                                                      \
    ENTRY(int32_t, EnqueueFillBuffer,                                                                          \
          (cl_queue, cl_memory, const void *pattern, size_t pattern_bytes, size_t at, size_t bytes,            \
           uint32_t waits, const cl_event *, cl_event *))                                                      \
    ENTRY(int32_t, EnqueueMarkerWithWaitList, (cl_queue, uint32_t waits, const cl_event *, cl_event *))        \
    ENTRY(int32_t, EnqueueBarrierWithWaitList, (cl_queue, uint32_t waits, const cl_event *, cl_event *))       \
    ENTRY(int32_t, WaitForEvents, (uint32_t count, const cl_event *))                                          \
    ENTRY(int32_t, RetainEvent, (cl_event))                                                                    \
    ENTRY(int32_t, ReleaseEvent, (cl_event))                                                                   \
    ENTRY(int32_t, Flush, (cl_queue))                                                                          \
    ENTRY(int32_t, Finish, (cl_queue))

struct opencl_api {
#define ENTRY(result, name, parameters) result(*name) parameters;
    OPENCL_ENTRIES(ENTRY)
#undef ENTRY
};

/* ---- an opened device ----------------------------------------------------------------------------------- */

struct opencl_device {
    struct gpu gpu; /* first: rows see the device as a struct gpu */
    struct opencl_api cl;
    cl_context context;
    cl_device device;
    cl_queue queue;      /* of the default stream */
    char language[64];   /* "-cl-std=CL1.2" and what else each build is told */
    uint64_t most_bytes; /* of one allocation */
    int32_t flushes;     /* each launch: the driver begins nothing before */
    atomic_int lost;     /* the driver's code of the failure that it does not recover from; 0 = none */
};

/* Opens the ICD loader, which stays loaded: drivers leave threads behind. */
segue_status opencl_load(struct opencl_api *out, segue_diag *why);

/* Says which driver call failed with which code, and what that means. dev is NULL before there is one. While waiting, a
 * code may tell of an earlier command that went wrong: then the device is lost. At an enqueue, too (NVIDIA): the
 * device's own queue is asked, which then fails as well. */
segue_status opencl_failed(struct opencl_device *dev, int32_t error, uint32_t phase, const char *call,
                           segue_diag *why);
segue_status opencl_failed_enqueuing(struct opencl_device *dev, int32_t error, uint32_t phase, const char *call,
                                     segue_diag *why);
segue_status opencl_failed_waiting(struct opencl_device *dev, int32_t error, const char *call, segue_diag *why);

/* cl_adapter.c, but for devices (cl_device.c) */
segue_status opencl_count(const segue_host *host, uint32_t *count, segue_diag *diag);
segue_status opencl_info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag);
segue_status opencl_open(const segue_host *host, uint32_t index, const segue_device_options *options,
                         void **device, segue_diag *diag);
void opencl_close(void *device);
void opencl_facts(void *device, segue_device_facts *facts);
void opencl_identify(struct opencl_device *dev); /* gpu.identity */

extern const segue_kit_adapter opencl_adapter; /* cl_adapter.c */
extern const struct gpu_driver opencl_driver;  /* cl_driver.c */

static inline cl_queue opencl_queue(const struct opencl_device *dev, segue_stream stream)
{
    return stream.handle ? stream.handle : dev->queue;
}

#endif
