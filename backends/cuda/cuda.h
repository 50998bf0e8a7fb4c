/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this plugin share: what CUDA has beside the entry points of native.h, in its own
 * declarations; an opened device. */
#ifndef SEGUE_CUDA_H
#define SEGUE_CUDA_H

#include "native.h"

/* ENTRY(parameters, field, name): all return int, 0 = success (CUDA driver API 11.2, cuda.h). A CUcontext and a
 * CUstream are pointers, a CUdevice is an int. */
#define CUDA_ENTRIES(ENTRY)                                                         \
    ENTRY((void **context, int device), primary_retain, "cuDevicePrimaryCtxRetain") \
    ENTRY((int device), primary_release, "cuDevicePrimaryCtxRelease_v2")            \
    ENTRY((void **context), context_current, "cuCtxGetCurrent")                     \
    ENTRY((void *context), context_push, "cuCtxPushCurrent_v2")                     \
    ENTRY((void **context), context_pop, "cuCtxPopCurrent_v2")                      \
    ENTRY((int *device), context_device, "cuCtxGetDevice")                          \
    ENTRY((void *stream, void **context), stream_context, "cuStreamGetCtx")

/* NVRTC 11.2, nvrtc.h; an nvrtcProgram is a pointer. */
#define CUDA_COMPILER_ENTRIES(ENTRY)                                                                    \
    ENTRY((int *major, int *minor), version, "nvrtcVersion")                                            \
    ENTRY((int *count), arch_count, "nvrtcGetNumSupportedArchs")                                        \
    ENTRY((int *archs), archs, "nvrtcGetSupportedArchs")                                                \
    ENTRY((void **program, const char *source, const char *name, int headers, const char *const *texts, \
           const char *const *names),                                                                   \
          create, "nvrtcCreateProgram")                                                                 \
    ENTRY((void **program), destroy, "nvrtcDestroyProgram")                                             \
    ENTRY((void *program, int count, const char *const *options), compile, "nvrtcCompileProgram")       \
    ENTRY((void *program, size_t *bytes), cubin_size, "nvrtcGetCUBINSize")                              \
    ENTRY((void *program, char *cubin), cubin, "nvrtcGetCUBIN")                                         \
    ENTRY((void *program, size_t *bytes), ptx_size, "nvrtcGetPTXSize")                                  \
    ENTRY((void *program, char *ptx), ptx, "nvrtcGetPTX")                                               \
    ENTRY((void *program, size_t *bytes), log_size, "nvrtcGetProgramLogSize")                           \
    ENTRY((void *program, char *log), log, "nvrtcGetProgramLog")

struct cuda_api {
#define ENTRY(parameters, field, name) int(*field) parameters;
    CUDA_ENTRIES(ENTRY)
#undef ENTRY
};

struct cuda_compiler_api {
#define ENTRY(parameters, field, name) int(*field) parameters;
    CUDA_COMPILER_ENTRIES(ENTRY)
#undef ENTRY
};

enum { /* CUdevice_attribute */
       CUDA_MOST_ITEMS = 1,
       CUDA_MOST_GROUPS_X = 5,
       CUDA_MOST_GROUPS_Y = 6,
       CUDA_MOST_GROUPS_Z = 7,
       CUDA_LOCAL_BYTES = 8,
       CUDA_CAPABILITY_MAJOR = 75,
       CUDA_CAPABILITY_MINOR = 76
};

/* What NVRTC makes for a device: code for its very architecture, or PTX of a lower one for the driver to
 * compile. */
enum { CUDA_MOST_ARCHS = 64 };
struct cuda_target {
    char arch[24]; /* "sm_90a", "compute_80"; "" = nothing that it makes would run there */
    int ptx;
};

struct cuda_compiler {
    struct cuda_compiler_api api; /* zeros = NVRTC was not found: only embedded code can run */
    int driver;                   /* CUDA's major version of the driver */
    int major, minor, arch_count;
    int archs[CUDA_MOST_ARCHS]; /* 80, 90 ... */
    struct cuda_target target;
};

struct cuda_device {
    struct native_device native; /* first: rows see the device as a struct gpu */
    struct cuda_api cuda;
    struct cuda_compiler compiler;
    int device, capability; /* 90 for 9.0 */
    int stand_in, primary;  /* primary: its context was retained here */
    void *context;
};

/* ---- cuda_load.c ---------------------------------------------------------------------------------------- */

/* Opens the driver, and initialises it; where that fails, why says what is missing: library, device node,
 * permission or what the driver says. */
segue_status cuda_load(struct native_api *api, struct cuda_api *cuda, int *stand_in, uint32_t phase,
                       segue_diag *why);
/* What is wrong with the device nodes below root ("" = the machine's), in words; "" = nothing to be seen. */
void cuda_check_nodes(const char *root, char *out, size_t room);

extern const struct native_error cuda_errors[];

/* ---- cuda_device.c -------------------------------------------------------------------------------------- */

extern const struct native_kind cuda_kind;
extern const segue_kit_adapter cuda_adapter;

/* ---- cuda_compile.c ------------------------------------------------------------------------------------- */

/* What NVRTC is there, not newer than the driver if possible, and what it makes for the capability. None is no
 * failure: embedded code still runs. */
segue_status cuda_find_compiler(struct cuda_compiler *compiler, int capability, int driver, segue_diag *why);
/* Its version and build in few words, for gpu.identity. */
void cuda_tell_compiler(const struct cuda_compiler *compiler, char *out, size_t room);
struct cuda_target cuda_target_of(const struct cuda_compiler *compiler, int capability);

segue_status cuda_compile(struct native_device *dev, const char *kernel, const char *source,
                          const char *options, void **blob, uint64_t *bytes, segue_diag *why);

/* ---- cuda_embedded.c: made by the build, with ../gpu/embed_code.py ---------------------------------------- */

extern const struct native_code cuda_code[];
extern const uint32_t cuda_code_count;

/* The code of the best architecture that runs on this capability; NULL = none. */
const struct native_code *cuda_pick_code(const struct native_code *codes, uint32_t count, int capability,
                                         const char *kernel, const char *options);
const void *cuda_embedded(struct gpu *gpu, const char *kernel, const char *options, uint64_t *bytes);

#endif
