/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this plugin share: what HIP has beside the entry points of native.h, in its own declarations; an
 * opened device; the compiler, which runs in a process of its own. */
#ifndef SEGUE_ROCM_H
#define SEGUE_ROCM_H

#include "native.h"

/* ENTRY(parameters, field, name, optional): all return int, 0 = success (HIP 5.2 to 7.0, hip_runtime_api.h). A
 * hipCtx_t and a hipStream_t are pointers, a hipDevice_t is an int. hipGetDevicePropertiesR0600 came with HIP 6, where
 * the other name still fills the struct of HIP 5; hipStreamGetDevice came with 5.6. */
#define ROCM_ENTRIES(ENTRY)                                                               \
    ENTRY((int *version), runtime_version, "hipRuntimeGetVersion", 0)                     \
    ENTRY((void *properties, int device), properties_6, "hipGetDevicePropertiesR0600", 1) \
    ENTRY((void *properties, int device), properties_5, "hipGetDeviceProperties", 1)      \
    ENTRY((int *device), device_current, "hipGetDevice", 0)                               \
    ENTRY((int device), device_set, "hipSetDevice", 0)                                    \
    ENTRY((void), last_error, "hipGetLastError", 0)                                       \
    ENTRY((void), peek_error, "hipPeekAtLastError", 0)                                    \
    ENTRY((void *context), context_push, "hipCtxPushCurrent", 1)                          \
    ENTRY((void **context), context_pop, "hipCtxPopCurrent", 1)                           \
    ENTRY((int *device), context_device, "hipCtxGetDevice", 1)                            \
    ENTRY((void *stream, int *device), stream_device, "hipStreamGetDevice", 1)

struct rocm_api {
#define ENTRY(parameters, field, name, optional) int(*field) parameters;
    ROCM_ENTRIES(ENTRY)
#undef ENTRY
};

/* hipDeviceAttribute_t: the same numbers in 5.2 and 7.0. */
enum {
    ROCM_MOST_GROUPS_X = 29,
    ROCM_MOST_GROUPS_Y = 30,
    ROCM_MOST_GROUPS_Z = 31,
    ROCM_MOST_ITEMS = 56,
    ROCM_LOCAL_BYTES = 74,
    ROCM_WAVE = 87
};

/* The library, before a device is opened. */
struct rocm_driver {
    struct native_api api;
    struct rocm_api hip;
    int stand_in;
    int version; /* hipRuntimeGetVersion: 50221153 = 5.2.21153 */
};

struct rocm_device {
    struct native_device native; /* first: rows see the device as a struct gpu */
    struct rocm_api hip;
    int version, stand_in;
    char arch[64]; /* "gfx90a:sramecc+:xnack-" */
};

/* ---- hip_load.c ----------------------------------------------------------------------------------------- */

/* Opens the library and initialises it; where that fails, why says what is missing: library, device node, permission
 * or what HIP says. */
segue_status rocm_load(struct rocm_driver *out, uint32_t phase, segue_diag *why);
/* What is wrong with the device nodes below root ("" = the machine's), in words; "" = nothing to be seen. */
void rocm_check_nodes(const char *root, char *out, size_t room);

extern const struct native_error rocm_errors[];

/* ---- hip_device.c --------------------------------------------------------------------------------------- */

extern const struct native_kind rocm_kind;
extern const segue_kit_adapter rocm_adapter;

/* gcnArchName; "" = neither layout of the properties has one. */
void rocm_arch_of(const struct rocm_api *hip, int device, char out[64]);

/* ---- hip_compile.c: hipRTC, which aborts processes, in a child --------------------------------------------- */

struct rocm_compilation {
    const char *program;     /* segue-compile, absolute */
    const char *const *args; /* NULL-ended, the program's name first */
    const char *source;
    int limit_ms; /* then it is killed */
};

/* To a blob from host->alloc. Whatever the child does, it is gone afterwards, and so is all that was opened for it. */
segue_status rocm_run_compiler(const segue_host *host, const struct rocm_compilation *job, void **blob,
                               uint64_t *bytes, segue_diag *why);
segue_status rocm_compile(struct native_device *dev, const char *kernel, const char *source,
                          const char *options, void **blob, uint64_t *bytes, segue_diag *why);
/* The path of segue-compile beside the plugin's folder; 0 = it is not there. */
int rocm_find_compiler(const segue_host *host, char *out, size_t room);

/* What segue-compile writes to its standard output in front of the code. */
struct rocm_code_header {
    char magic[8]; /* ROCM_CODE_MAGIC */
    uint64_t bytes;
};
#define ROCM_CODE_MAGIC "seguehip"

/* ---- hip_embedded.c: code made by the build, with ../gpu/embed_code.py -------------------------------------- */

extern const struct native_code rocm_code[];
extern const uint32_t rocm_code_count;

/* The code for an architecture's base name: arch "gfx90a:sramecc+:xnack-" takes that of "gfx90a"; NULL = none. */
const struct native_code *rocm_pick_code(const struct native_code *codes, uint32_t count, const char *arch,
                                         const char *kernel, const char *options);
const void *rocm_embedded(struct gpu *gpu, const char *kernel, const char *options, uint64_t *bytes);

#endif
