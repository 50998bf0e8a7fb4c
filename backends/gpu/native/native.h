/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Devices over a driver of CUDA's shape: CUDA's driver API, and HIP, whose entry points do the same under other
 * names. A backend (cuda, rocm) says what its driver is called, finds and opens devices, makes one current on a
 * thread and compiles; memory, streams, events, modules, launches and failures stand here once.
 *
 *     native_load.c     the library and its entry points; why there is no device
 *     native_device.c   devices before they are opened; options and messages of compilers
 *     native_error.c    what a driver's code means, and which of them lose the device
 *     native_adapter.c  memory, streams and events as a segue_kit_adapter wants them
 *     native_driver.c   programs and launches as gpu.h wants them
 *
 * Every call that reaches the driver stands between native_enter() and native_leave(): the thread's current
 * device or context is afterwards what it was before, on every path. Plain allocations only: no pools, no managed
 * memory, no peers. */
#ifndef SEGUE_NATIVE_H
#define SEGUE_NATIVE_H

#include "gpu.h"

#include <stdatomic.h>
#include <stddef.h>

/* ---- the driver's entry points -------------------------------------------------------------------------- */

/* ENTRY(parameters, field, CUDA's name, HIP's name): all return int, 0 = success. Declared by ourselves: no
 * toolkit is needed to build (CUDA driver API 11.2, cuda.h; HIP 5.2, hip_runtime_api.h). CUdeviceptr is as
 * wide as a pointer. */
#define NATIVE_ENTRIES(ENTRY)                                                                                  \
    ENTRY((uint32_t flags), init, "cuInit", "hipInit")                                                         \
    ENTRY((int *version), driver_version, "cuDriverGetVersion", "hipDriverGetVersion")                         \
    ENTRY((int *count), device_count, "cuDeviceGetCount", "hipGetDeviceCount")                                 \
    ENTRY((int *device, int ordinal), device_get, "cuDeviceGet", "hipDeviceGet")                               \
    ENTRY((int *value, int attribute, int device), device_attribute, "cuDeviceGetAttribute",                   \
          "hipDeviceGetAttribute")                                                                             \
    ENTRY((char *name, int room, int device), device_name, "cuDeviceGetName", "hipDeviceGetName")              \
    ENTRY((size_t * bytes, int device), device_memory, "cuDeviceTotalMem_v2", "hipDeviceTotalMem")             \
    ENTRY((void **at, size_t bytes), memory_alloc, "cuMemAlloc_v2", "hipMalloc")                               \
    ENTRY((void *at), memory_free, "cuMemFree_v2", "hipFree")                                                  \
    ENTRY((void *to, const void *from, size_t bytes, void *stream), copy_to_device, "cuMemcpyHtoDAsync_v2",    \
          "hipMemcpyHtoDAsync")                                                                                \
    ENTRY((void *to, const void *from, size_t bytes, void *stream), copy_from_device, "cuMemcpyDtoHAsync_v2",  \
          "hipMemcpyDtoHAsync")                                                                                \
    ENTRY((void *to, const void *from, size_t bytes, void *stream), copy_within, "cuMemcpyDtoDAsync_v2",       \
          "hipMemcpyDtoDAsync")                                                                                \
    ENTRY((void *to, unsigned char value, size_t bytes, void *stream), fill, "cuMemsetD8Async",                \
          "hipMemsetD8Async")                                                                                  \
    ENTRY((void **stream, uint32_t flags), stream_create, "cuStreamCreate", "hipStreamCreateWithFlags")        \
    ENTRY((void *stream), stream_destroy, "cuStreamDestroy_v2", "hipStreamDestroy")                            \
    ENTRY((void *stream), stream_synchronize, "cuStreamSynchronize", "hipStreamSynchronize")                   \
    ENTRY((void *stream, void *event, uint32_t flags), stream_wait_event, "cuStreamWaitEvent",                 \
          "hipStreamWaitEvent")                                                                                \
    ENTRY((void *stream, int *capturing), stream_is_capturing, "cuStreamIsCapturing", "hipStreamIsCapturing")  \
    ENTRY((void **event, uint32_t flags), event_create, "cuEventCreate", "hipEventCreateWithFlags")            \
    ENTRY((void *event), event_destroy, "cuEventDestroy_v2", "hipEventDestroy")                                \
    ENTRY((void *event, void *stream), event_record, "cuEventRecord", "hipEventRecord")                        \
    ENTRY((void *event), event_synchronize, "cuEventSynchronize", "hipEventSynchronize")                       \
    ENTRY((void **module, const void *image), module_load, "cuModuleLoadData", "hipModuleLoadData")            \
    ENTRY((void *module), module_unload, "cuModuleUnload", "hipModuleUnload")                                  \
    ENTRY((void **function, void *module, const char *name), module_function, "cuModuleGetFunction",           \
          "hipModuleGetFunction")                                                                              \
    ENTRY((int *value, int attribute, void *function), function_attribute, "cuFuncGetAttribute",               \
          "hipFuncGetAttribute")                                                                               \
    ENTRY((void *function, uint32_t groups_x, uint32_t groups_y, uint32_t groups_z, uint32_t items_x,          \
           uint32_t items_y, uint32_t items_z, uint32_t local_bytes, void *stream, void **args, void **extra), \
          launch, "cuLaunchKernel", "hipModuleLaunchKernel")                                                   \
    ENTRY((int *mode), exchange_capture_mode, "cuThreadExchangeStreamCaptureMode",                             \
          "hipThreadExchangeStreamCaptureMode")

struct native_api {
#define ENTRY(parameters, field, cuda, hip) int(*field) parameters;
    NATIVE_ENTRIES(ENTRY)
#undef ENTRY
};

enum { NATIVE_STREAM_LEGACY = 1, NATIVE_STREAM_PER_THREAD = 2 }; /* as handles; NULL means the first */
enum { NATIVE_STREAM_NON_BLOCKING = 1, NATIVE_EVENT_NO_TIMING = 2, NATIVE_CAPTURE_RELAXED = 2 };
enum { NATIVE_FUNCTION_MOST_ITEMS = 0 }; /* function_attribute: items of a group, by registers and the like */

/* ---- what a backend gives ------------------------------------------------------------------------------- */

struct native_device;

struct native_scope { /* what was current on this thread; before and entered are the backend's */
    uintptr_t before;
    int entered;
    int relaxed, mode; /* 1 = the thread's capture mode was exchanged, and for this one */
};

/* struct native_error.lost. After NATIVE_LOST_IF_IT_STAYS the device's own queue is asked: a driver that
 * lost its context answers everything with the same code. */
enum { NATIVE_STAYS = 0, NATIVE_LOST = 1, NATIVE_LOST_IF_IT_STAYS = 2 };

/* A failure of the driver by its number. CUDA and HIP share most numbers and differ in their names. */
struct native_error {
    int code;
    segue_status status;
    int lost; /* NATIVE_LOST: the context is dead from here on, whichever call reports it */
    const char *name, *words;
};

struct native_entry { /* one entry point to look up, also of a backend's own table */
    const char *name;
    size_t offset; /* in the table */
    int optional;  /* stays NULL where the library has none */
};

struct native_library {
    const char *const *names; /* "libcuda.so.1", then older ones; NULL-ended */
    const char *wanted;       /* "install NVIDIA's driver (Debian: ...)" */
    const struct native_entry *entries;
    uint32_t entry_count;
    /* Where else to look, last: "/usr/local/cuda/lib64", or "$CUDA_HOME/lib64", which begins with a variable's
     * value and is skipped where that is none. NULL-ended; NULL = nowhere. */
    const char *const *folders;
    int one_copy; /* a driver's: one that the process has loaded is taken, whatever its version */
};

/* Opens the first of the names that there is, in the folder that SEGUE_DRIVER_PATH names (absolute), then, if one copy is
 * wanted, among what the process has loaded, then, name by name, where the system's loader looks and in the library's folders, and never closes it. Fills table by the
 * entries. A library that exports segue_stand_in_driver is a test's: *stand_in = 1. Set-id processes are
 * refused: the drivers obey variables that name libraries (CUDA_INJECTION64_PATH, HSA_TOOLS_LIB). */
segue_status native_load(const struct native_library *library, void *table, int *stand_in, uint32_t phase,
                         segue_diag *why);

struct native_kind {                   /* CUDA, or HIP */
    const char *id;                    /* "cuda" */
    uint32_t api;                      /* SEGUE_API_CUDA */
    const char *hides, *context;       /* "CUDA_VISIBLE_DEVICES", "CUcontext": for words */
    const struct native_error *errors; /* ended by a NULL name */
    /* Makes the device current on this thread and says what was; never nested. leave() puts that back. Neither
     * cares whether the device is lost: what it holds is still released. */
    segue_status (*enter)(struct native_device *dev, struct native_scope *scope, uint32_t phase,
                          segue_diag *why);
    void (*leave)(struct native_device *dev, const struct native_scope *scope);
    /* Is this stream one of the device's? Called between enter and leave. NULL = cannot be told. */
    segue_status (*check_stream)(struct native_device *dev, void *stream, segue_diag *why);
    /* Compiles for the device, to a blob from host->alloc that module_load() takes. */
    segue_status (*compile)(struct native_device *dev, const char *kernel, const char *source,
                            const char *options, void **blob, uint64_t *bytes, segue_diag *why);
    const struct gpu_driver *driver; /* NATIVE_DRIVER, with its dialect and embedded code */
};

/* First member of a backend's opened device. The backend fills api, kind, ordinal and gpu's facts, then calls
 * native_open(); native_close() undoes that. */
struct native_device {
    struct gpu gpu;
    struct native_api api;
    const struct native_kind *kind;
    int ordinal;
    void *queue;     /* non-blocking, for warm-ups: gpu.warm. Nobody else's capture or work meets it */
    atomic_int lost; /* the driver's code of the failure that it does not recover from; 0 = none */
};

static inline struct native_device *native_of(void *device) /* also of a struct gpu * */
{
    return device;
}

segue_status native_open(struct native_device *dev, segue_diag *why); /* between enter and leave of its own */
void native_close(struct native_device *dev);

/* Refuses on a lost device, with the code that lost it. A relaxed scope allows what a capture on this thread
 * (or, in the global mode, on any) would forbid to work that has nothing to do with it: allocating, loading
 * code, the first launch of a kernel. */
segue_status native_enter(struct native_device *dev, struct native_scope *scope, uint32_t phase,
                          segue_diag *why);
segue_status native_enter_relaxed(struct native_device *dev, struct native_scope *scope, uint32_t phase,
                                  segue_diag *why);
/* To release something, also on a lost device; 0 = there is no context any more, and nothing to release. */
int native_enter_to_release(struct native_device *dev, struct native_scope *scope);
void native_leave(struct native_device *dev, const struct native_scope *scope);

/* The thread's capture mode alone, around a call outside of scopes: 1 = native_strict(dev, mode) must follow. */
int native_relax(struct native_device *dev, int *mode);
void native_strict(struct native_device *dev, int mode);

/* SEGUE_OK for 0; otherwise which call failed with which code, what that means, and device-lost once a code
 * says so. dev is NULL before there is one: then kind tells the words. */
segue_status native_told(struct native_device *dev, int error, uint32_t phase, const char *call,
                         segue_diag *why);
segue_status native_told_of(const struct native_kind *kind, int error, uint32_t phase, const char *call,
                            segue_diag *why);
const struct native_error *native_error_of(const struct native_kind *kind, int error); /* never NULL */
/* The driver's own name of an entry point, by its place: offsetof(struct native_api, launch). */
const char *native_call(const struct native_kind *kind, size_t entry);

/* ---- devices before they are opened ---------------------------------------------------------------------- */

/* None is no failure: why says what may hide them. */
segue_status native_count_devices(const struct native_kind *kind, const struct native_api *api, uint32_t *count,
                                  segue_diag *why);
segue_status native_find_device(const struct native_kind *kind, const struct native_api *api, uint32_t index,
                                int *device, uint32_t phase, segue_diag *why);
segue_status native_ask(const struct native_kind *kind, const struct native_api *api, int device, int what,
                        int *value, uint32_t phase, segue_diag *why); /* an attribute */
struct native_limits {                                                /* the driver's numbers of attributes */
    int items, local_bytes, groups[3];
};
/* The items of a group, LOCAL memory and grids of a device, to dev->gpu. */
segue_status native_find_limits(struct native_device *dev, int device, const struct native_limits *attributes,
                                segue_diag *why);
/* Refuses what a GPU has no use for. */
segue_status native_check_options(const struct native_kind *kind, uint32_t index,
                                  const segue_device_options *options, segue_diag *why);
/* Size and time of the library's file that an entry point is of, in hexadecimal: they tell patches that a version does
 * not tell, for gpu.identity. */
void native_tell_file(const void *entry, char *out, size_t room);

/* ---- for compilers --------------------------------------------------------------------------------------- */

/* " -DGROUP=128 -DN=16" cut at its spaces, which words[] points into; -1 = too many. */
int native_split(char *text, const char *words[], int room);
/* A log from its first line that speaks of an error, on one line. */
void native_shorten(char *log);

/* ---- streams --------------------------------------------------------------------------------------------- */

/* What the driver calls a stream: default streams have names of their own. NULL is the legacy one in every version,
 * while HIP knows 1 only since 6. */
static inline void *native_stream(segue_stream stream)
{
    if ((uintptr_t)stream.handle == NATIVE_STREAM_LEGACY) return NULL;
    if (stream.handle || !(stream.flags & SEGUE_STREAM_PER_THREAD_DEFAULT)) return stream.handle;
    return (void *)(uintptr_t)NATIVE_STREAM_PER_THREAD;
}

/* ---- the adapter and the driver, in parts --------------------------------------------------------------- */

segue_status native_status(void *device, segue_diag *diag);
segue_status native_alloc(void *device, uint64_t bytes, segue_buffer *out, segue_diag *diag);
void native_free(void *device, segue_buffer buffer);
segue_status native_copy(void *device, segue_stream stream, uint32_t direction, segue_buffer to,
                         segue_buffer from, uint64_t bytes, segue_diag *diag);
segue_status native_fill(void *device, segue_stream stream, segue_buffer to, uint8_t value, uint64_t bytes,
                         segue_diag *diag);
segue_status native_tensor_copy(void *device, segue_stream stream, const segue_tensor *to,
                                const segue_tensor *from, segue_diag *diag);
segue_status native_stream_create(void *device, segue_stream *out, segue_diag *diag);
segue_status native_stream_wrap(void *device, segue_stream stream, segue_diag *diag);
segue_status native_stream_sync(void *device, segue_stream stream, segue_diag *diag);
void native_stream_destroy(void *device, segue_stream stream);
segue_status native_event_create(void *device, segue_event *out, segue_diag *diag);
segue_status native_event_record(void *device, segue_event event, segue_stream stream, segue_diag *diag);
segue_status native_event_wait(void *device, segue_event event, segue_stream stream, segue_diag *diag);
segue_status native_event_sync(void *device, segue_event event, segue_diag *diag);
void native_event_destroy(void *device, segue_event event);
segue_status native_stream_capturing(void *device, segue_stream stream, uint32_t *capturing, segue_diag *diag);

/* Initialisers of a segue_kit_adapter; count, info, open, close and facts are the backend's. */
#define NATIVE_ADAPTER                                                                                     \
    .status = native_status, .alloc = native_alloc, .free = native_free, .copy = native_copy,              \
    .fill = native_fill, .tensor_copy = native_tensor_copy, .stream_create = native_stream_create,         \
    .stream_wrap = native_stream_wrap, .stream_sync = native_stream_sync,                                  \
    .stream_destroy = native_stream_destroy, .event_create = native_event_create,                          \
    .event_record = native_event_record, .event_wait = native_event_wait, .event_sync = native_event_sync, \
    .event_destroy = native_event_destroy, .stream_capturing = native_stream_capturing

segue_status native_build(struct gpu *gpu, const struct gpu_key *key, const char *source, const char *options,
                          void **loaded, void **blob, uint64_t *bytes, segue_diag *why);
segue_status native_module_load(struct gpu *gpu, const void *blob, uint64_t bytes, const struct gpu_key *key,
                                void **loaded, segue_diag *why);
void native_module_unload(struct gpu *gpu, void *loaded);
segue_status native_launch(struct gpu *gpu, segue_stream stream, void *loaded, void *instance,
                           const int32_t groups[3], int32_t group, const struct gpu_arg *args, uint32_t count,
                           segue_diag *why);
segue_status native_finish(struct gpu *gpu, segue_diag *why);

/* Initialisers of a struct gpu_driver; dialect and embedded are the backend's. */
#define NATIVE_DRIVER                                                                  \
    .build = native_build, .load = native_module_load, .unload = native_module_unload, \
    .launch = native_launch, .finish = native_finish

/* ---- code compiled with the plugin ---------------------------------------------------------------------- */

/* One kernel for one key and architecture; the build makes the tables (../embed_code.py). */
struct native_code {
    const char *arch;    /* "sm_90a", "gfx942" */
    const char *kernel;  /* KERNEL(name) */
    const char *options; /* as program.c writes them: " -DACT_F32=1 -DSTATE_F32=1 -DGROUP=128 -DN=16" */
    const void *code;
    uint64_t bytes;
};

#endif
