/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a launcher asks of a GPU, and what a device adapter answers with.
 *
 * A launcher (selective_scan.c) knows its kernel's arguments; an adapter (opencl, cuda, rocm, fibre) knows a
 * driver. Between them lies a program: a kernel's text for one compile key, built or found in the disk cache,
 * loaded once a device, shared by the plans that need it. */
#ifndef SEGUE_GPU_H
#define SEGUE_GPU_H

#include <segue/kit.h>

enum { GPU_MOST_ARGS = 32, GPU_MOST_DEFINES = 6 };

/* ---- kernels as text ------------------------------------------------------------------------------------ */

/* One <name>.k.h with its <name>.args.h in front; the build embeds both. GPU_SOURCE(selective_scan) declares
 * gpu_source_selective_scan. */
struct gpu_source {
    const char *name; /* "selective_scan": also the file that compilers name in their messages */
    const char *args, *text;
};
#define GPU_SOURCE(name) extern const struct gpu_source gpu_source_##name

struct gpu_define { /* -Dname=value */
    const char *name;
    int64_t value;
};

/* All that the compiled code depends on besides the device. Lengths, strides, presence, heads and other dtypes
 * are arguments, so that a new length never compiles. */
struct gpu_key {
    const struct gpu_source *source;
    const char *kernel; /* KERNEL(name) in it */
    /* SEGUE_F32, SEGUE_F16, SEGUE_BF16: -DACT_F32=1, -DACT_F16=1 ... -DSTATE_BF16=1; 0 = the kernel has none */
    uint32_t act, state;
    int32_t group;        /* items of a group, a power of two: GROUP */
    int32_t define_count; /* N, W, ... in an order that never changes */
    struct gpu_define define[GPU_MOST_DEFINES];
};

/* ---- arguments ------------------------------------------------------------------------------------------ */

/* A tensor as kernels see it: a GLOBAL pointer to its allocation and this, inside the kernel's struct of
 * arguments. Elements, not bytes. words.h declares the same struct as VIEW; absent operands are all zero. */
struct gpu_view {
    int64_t at; /* offset of element (0, ..., 0) */
    int64_t stride[4];
    int32_t dtype; /* GPU_F32 ... */
    int32_t present;
};
enum { GPU_F32 = 0, GPU_F16 = 1, GPU_BF16 = 2, GPU_I32 = 3, GPU_F64 = 4 };

struct gpu_view gpu_view_of(const segue_tensor *t);

/* One argument of a launch, in the order of the kernel's parameters: a buffer (tensor or memory; absent: a NULL
 * pointer), or bytes copied by value. */
struct gpu_arg {
    const segue_tensor *tensor;
    const segue_buffer *memory; /* the workspace */
    const void *value;
    uint32_t bytes;  /* of value */
    uint32_t writes; /* 1 = the kernel may write this buffer */
};

/* Where memory that is addresses has what a view counts whole elements from (a workspace, numbers of 4 bytes): data and offset
 * make an element's address together, either alone may be odd. NULL: absent. */
static inline void *gpu_base(const struct gpu_arg *arg)
{
    const segue_tensor *t = arg->tensor;
    if (arg->memory) return arg->memory->data ? (char *)arg->memory->data + arg->memory->offset % 4 : NULL;
    return t && t->dtype.bits && t->data ? (char *)t->data + t->offset % (t->dtype.bits / 8u) : NULL;
}

/* ---- a device ------------------------------------------------------------------------------------------- */

struct gpu_driver;
struct gpu_kernel;
struct gpu_program;

enum {                  /* struct gpu.features */
       GPU_HAS_F16 = 1, /* -DHAS_F16=1 */
       GPU_HAS_SM80 = 2 /* CUDA's compute capability 8.0 or later: the rows of backends/cuda */
};

/* First member of every adapter's opened device, so that segue_kit_device.handle is a struct gpu *. The adapter
 * fills it before the first plan; gpu_open() and gpu_close() own the last four. */
struct gpu {
    const struct gpu_driver *driver;
    const segue_host *host;
    char identity[256]; /* driver, its version, device, architecture: compiled code is good for exactly these */
    uint32_t features;  /* GPU_HAS_... */
    int32_t group;      /* items of a group that kernels are compiled for: a power of two */
    int32_t local_bytes;    /* of LOCAL memory that a group may use */
    int64_t most_groups[3]; /* of a grid, along each axis */
    struct gpu_cache *cache;
    struct gpu_program *programs;
    void *lock;
    struct gpu_kernel *copy; /* tensor_copy.c's; NULL until it is needed */
    segue_stream warm; /* of launches that warm up, for which finish() waits; zeros = the default stream */
};

segue_status gpu_open(struct gpu *gpu, segue_diag *why); /* cache and lock; the fields above are set */
void gpu_close(struct gpu *gpu);

/* What a driver does. build() and load() both give a loaded program, the one from text, the other from a blob that
 * build() or save() gave to this process or an earlier one. These two and save() may take long and allocate;
 * launch() does neither and takes no lock. Texts go to why by segue_kit_fail(). */
struct gpu_driver {
    const char *dialect; /* the text of its dialect.h */
    /* Compiles source (dialect, words, arguments and kernel, complete) with the options given as one string of
     * " -DNAME=VALUE", and loads it; a compiler's complaints end in why. *blob and *bytes come as NULL and 0: what
     * is put there, from host->alloc, the caller stores and frees, also after a failure. A driver whose compiler
     * ends with code in hand (CUDA, HIP) gives that; one whose code is complete only after the first launches
     * (OpenCL) leaves NULL and has a save(). */
    segue_status (*build)(struct gpu *gpu, const struct gpu_key *key, const char *source, const char *options,
                          void **loaded, void **blob, uint64_t *bytes, segue_diag *why);
    /* SEGUE_ERROR_... also for a blob that this device does not take: the caller builds it anew. */
    segue_status (*load)(struct gpu *gpu, const void *blob, uint64_t bytes, const struct gpu_key *key,
                         void **loaded, segue_diag *why);
    void (*unload)(struct gpu *gpu, void *loaded);
    /* What one plan needs of a loaded program for itself (OpenCL: 16 clones of the kernel); may be NULL. */
    segue_status (*prepare)(struct gpu *gpu, void *loaded, void **instance, segue_diag *why);
    void (*release)(struct gpu *gpu, void *instance);
    segue_status (*launch)(struct gpu *gpu, segue_stream stream, void *loaded, void *instance,
                           const int32_t groups[3], int32_t group, const struct gpu_arg *args, uint32_t count,
                           segue_diag *why);
    segue_status (*finish)(struct gpu *gpu, segue_diag *why); /* waits for launches on gpu.warm */
    /* The blob that build() left NULL, from host->alloc: asked for once, after the first launches. NULL where
     * build() always gives one. */
    segue_status (*save)(struct gpu *gpu, void *loaded, void **blob, uint64_t *bytes);
    /* Code for this device that was compiled with the plugin, for load(): it is asked for before the cache. NULL,
     * as answer or member = none. */
    const void *(*embedded)(struct gpu *gpu, const char *kernel, const char *options, uint64_t *bytes);
};

/* ---- what launchers call -------------------------------------------------------------------------------- */

struct gpu_kernel { /* a plan's own: filled by gpu_kernel_prepare, immutable afterwards */
    struct gpu *gpu;
    struct gpu_program *program;
    void *loaded, *instance;
    int32_t group;
};

/* Finds, or builds and caches, the program; announces a build through host->log ("compiling ..."). */
segue_status gpu_kernel_prepare(struct gpu *gpu, const struct gpu_key *key, struct gpu_kernel *out,
                                segue_diag *why);
void gpu_kernel_release(struct gpu_kernel *kernel);

/* Enqueues groups[0] x groups[1] x groups[2] groups. A grid with a zero is no launch and no error. BUSY when more
 * runs of one plan are in flight on other threads than the driver has instances for. */
segue_status gpu_launch(const struct gpu_kernel *kernel, segue_stream stream, const int32_t groups[3],
                        const struct gpu_arg *args, uint32_t count, segue_diag *why);

/* One launch with all sizes zero (args: the kernel's struct zeroed, absent buffers) for the grid of the plan's
 * bounds and for a grid of one group, then a wait: some drivers finish compiling only now. */
segue_status gpu_warm_up(const struct gpu_kernel *kernel, const int32_t groups[3], const struct gpu_arg *args,
                         uint32_t count, segue_diag *why);

#endif
