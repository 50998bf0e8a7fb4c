/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Programs and launches. A loaded program is a cl_program; a plan has its own clones of the kernel, since
 * clSetKernelArg on one kernel object is not thread-safe. */
#include "opencl.h"

#include <stdio.h>

enum { CLONES = 16, MOST_DEVICES = 64 }; /* launches of one plan at the same instant; devices of a context */

extern const char opencl_dialect[];

struct loaded {
    cl_program program;
    char kernel[64];
};

struct instance { /* bit i of idle: nobody uses clone i */
    atomic_uint idle;
    cl_kernel clones[CLONES];
};

static struct opencl_device *device_of(struct gpu *gpu)
{
    return (struct opencl_device *)gpu;
}

/* ---- loading and saving --------------------------------------------------------------------------------- */

/* From the first line of a compiler's log that speaks of an error, on one line. */
static void shorten(char *log)
{
    char *error = strstr(log, "error");
    while (error && error > log && error[-1] != '\n') error--;
    if (error) memmove(log, error, strlen(error) + 1);
    for (char *c = log; *c; c++)
        if (*c == '\n' || *c == '\r') *c = c[1] ? '|' : 0;
}

static segue_status build_failed(struct opencl_device *dev, cl_program program, int32_t error, segue_diag *why)
{
    const segue_host *host = dev->gpu.host;
    size_t size = 0;
    const segue_status s = opencl_failed(dev, error, SEGUE_PHASE_PLAN, "clBuildProgram", why);
    if (!why || dev->cl.GetProgramBuildInfo(program, dev->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size))
        return s;
    char *log = host->alloc(host->user, size + 1, 64); /* zeroed */
    if (!log) return s;
    if (!dev->cl.GetProgramBuildInfo(program, dev->device, CL_PROGRAM_BUILD_LOG, size, log, NULL) && log[0]) {
        const size_t used = strlen(why->text);
        shorten(log);
        snprintf(why->text + used, sizeof why->text - used, ": %s", log);
    }
    host->free(host->user, log);
    return s;
}

/* The binary of our device: an engine's context may have others, for which nothing was built. Asked for after the
 * first launches and not before: PoCL's then holds what these compiled, and the first answer stays. */
static segue_status save(struct gpu *gpu, void *loaded, void **blob, uint64_t *bytes)
{
    struct opencl_device *dev = device_of(gpu);
    const segue_host *host = gpu->host;
    const cl_program program = ((struct loaded *)loaded)->program;
    const struct opencl_api *cl = &dev->cl;
    cl_device devices[MOST_DEVICES] = { 0 };
    size_t sizes[MOST_DEVICES] = { 0 }, mine = 0;
    unsigned char *binaries[MOST_DEVICES] = { 0 };
    int32_t error = cl->GetProgramInfo(program, CL_PROGRAM_DEVICES, sizeof devices, devices, NULL);
    if (!error) error = cl->GetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof sizes, sizes, NULL);
    while (mine < MOST_DEVICES - 1 && devices[mine] != dev->device) mine++;
    if (error || !sizes[mine]) return SEGUE_ERROR_UNSUPPORTED; /* the program runs all the same */
    binaries[mine] = host->alloc(host->user, sizes[mine], 64);
    if (!binaries[mine]) return SEGUE_ERROR_MEMORY;
    if (cl->GetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binaries, binaries, NULL)) {
        host->free(host->user, binaries[mine]);
        return SEGUE_ERROR_UNSUPPORTED;
    }
    *blob = binaries[mine];
    *bytes = sizes[mine];
    return SEGUE_OK;
}

/* Makes one kernel, to have the driver look into the binary while another can still be built. */
static segue_status check_kernel(struct opencl_device *dev, cl_program program, const char *name,
                                 segue_diag *why)
{
    int32_t error = CL_SUCCESS;
    cl_kernel kernel = dev->cl.CreateKernel(program, name, &error);
    if (error) return opencl_failed(dev, error, SEGUE_PHASE_PLAN, "clCreateKernel", why);
    dev->cl.ReleaseKernel(kernel);
    return SEGUE_OK;
}

/* Has the driver build the program for our device, and takes it over; releases it when that fails. */
static segue_status finish_program(struct opencl_device *dev, cl_program program, const char *options,
                                   const char *kernel, void **loaded, segue_diag *why)
{
    const segue_host *host = dev->gpu.host;
    const int32_t error = dev->cl.BuildProgram(program, 1, &dev->device, options, NULL, NULL);
    segue_status s = error ? build_failed(dev, program, error, why) : check_kernel(dev, program, kernel, why);
    struct loaded *l = s ? NULL : host->alloc(host->user, sizeof *l, 64);
    if (!s && !l) s = segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for a program");
    if (s) {
        dev->cl.ReleaseProgram(program);
        return s;
    }
    l->program = program;
    snprintf(l->kernel, sizeof l->kernel, "%s", kernel);
    *loaded = l;
    return SEGUE_OK;
}

/* Leaves the blob to save(). */
static segue_status build(struct gpu *gpu, const struct gpu_key *key, const char *source, const char *options,
                          void **loaded, void **blob, uint64_t *bytes, segue_diag *why)
{
    struct opencl_device *dev = device_of(gpu);
    char all[512];
    int32_t error = CL_SUCCESS;
    cl_program program = dev->cl.CreateProgramWithSource(dev->context, 1, &source, NULL, &error);
    (void)blob, (void)bytes;
    if (error) return opencl_failed(dev, error, SEGUE_PHASE_PLAN, "clCreateProgramWithSource", why);
    snprintf(all, sizeof all, "%s%s", dev->language, options);
    return finish_program(dev, program, all, key->kernel, loaded, why);
}

static segue_status load(struct gpu *gpu, const void *blob, uint64_t bytes, const struct gpu_key *key,
                         void **loaded, segue_diag *why)
{
    struct opencl_device *dev = device_of(gpu);
    const unsigned char *binary = blob;
    const size_t size = bytes;
    int32_t status = CL_SUCCESS, error = CL_SUCCESS;
    cl_program program =
        dev->cl.CreateProgramWithBinary(dev->context, 1, &dev->device, &size, &binary, &status, &error);
    if (error && program) dev->cl.ReleaseProgram(program); /* ROCm gives both */
    if (error) return opencl_failed(dev, error, SEGUE_PHASE_PLAN, "clCreateProgramWithBinary", why);
    const segue_status s = finish_program(dev, program, "", key->kernel, loaded, why);
    /* ROCm's word for code that its loader refuses; where memory has run out, building fails of that as well */
    return s == SEGUE_ERROR_MEMORY ? SEGUE_ERROR_INTERNAL : s;
}

static void unload(struct gpu *gpu, void *loaded)
{
    struct loaded *l = loaded;
    device_of(gpu)->cl.ReleaseProgram(l->program);
    gpu->host->free(gpu->host->user, l);
}

/* ---- a plan's own --------------------------------------------------------------------------------------- */

static void release(struct gpu *gpu, void *instance)
{
    struct instance *own = instance;
    for (int i = 0; i < CLONES && own->clones[i]; i++) device_of(gpu)->cl.ReleaseKernel(own->clones[i]);
    gpu->host->free(gpu->host->user, own);
}

static segue_status prepare(struct gpu *gpu, void *loaded, void **instance, segue_diag *why)
{
    struct opencl_device *dev = device_of(gpu);
    const struct loaded *l = loaded;
    int32_t error = CL_SUCCESS;
    struct instance *own = gpu->host->alloc(gpu->host->user, sizeof *own, 64);
    if (!own)
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for a plan's kernels");
    for (int i = 0; i < CLONES && !error; i++)
        own->clones[i] = dev->cl.CreateKernel(l->program, l->kernel, &error);
    if (error) {
        release(gpu, own);
        return opencl_failed(dev, error, SEGUE_PHASE_PLAN, "clCreateKernel", why);
    }
    atomic_init(&own->idle, (1u << CLONES) - 1);
    *instance = own;
    return SEGUE_OK;
}

/* A clone for this thread alone; -1 = all are taken. */
static int take(struct instance *own)
{
    unsigned idle = atomic_load_explicit(&own->idle, memory_order_relaxed);
    while (idle)
        if (atomic_compare_exchange_weak_explicit(&own->idle, &idle, idle & (idle - 1), memory_order_acquire,
                                                  memory_order_relaxed))
            return __builtin_ctz(idle);
    return -1;
}

static void give_back(struct instance *own, int clone)
{
    atomic_fetch_or_explicit(&own->idle, 1u << clone, memory_order_release);
}

static int32_t set_argument(const struct opencl_api *cl, cl_kernel kernel, uint32_t index,
                            const struct gpu_arg *arg)
{
    if (arg->value) return cl->SetKernelArg(kernel, index, arg->bytes, arg->value);
    const void *const *handle = NULL;
    if (arg->tensor && arg->tensor->dtype.bits) handle = (const void *const *)&arg->tensor->data;
    if (arg->memory) handle = (const void *const *)&arg->memory->data;
    return cl->SetKernelArg(kernel, index, sizeof(cl_memory), handle && *handle ? handle : NULL);
}

static segue_status launch(struct gpu *gpu, segue_stream stream, void *loaded, void *instance,
                           const int32_t groups[3], int32_t group, const struct gpu_arg *args, uint32_t count,
                           segue_diag *why)
{
    struct opencl_device *dev = device_of(gpu);
    const size_t items[3] = { (size_t)groups[0] * (size_t)group, (size_t)groups[1], (size_t)groups[2] };
    const size_t of_group[3] = { (size_t)group, 1, 1 };
    const char *call = "clSetKernelArg";
    int32_t error = CL_SUCCESS;
    const int clone = take(instance);
    (void)loaded;
    if (clone < 0)
        return segue_kit_fail(why, SEGUE_ERROR_BUSY, SEGUE_PHASE_RUN, 0,
                              "%d threads are launching this plan already: run again, or make a second plan",
                              CLONES);
    cl_kernel kernel = ((struct instance *)instance)->clones[clone];
    for (uint32_t i = 0; i < count && !error; i++) error = set_argument(&dev->cl, kernel, i, &args[i]);
    if (!error) {
        call = "clEnqueueNDRangeKernel";
        error = dev->cl.EnqueueNDRangeKernel(opencl_queue(dev, stream), kernel, 3, NULL, items, of_group, 0,
                                             NULL, NULL);
    }
    give_back(instance, clone);
    if (!error && dev->flushes) {
        call = "clFlush";
        error = dev->cl.Flush(opencl_queue(dev, stream));
    }
    return error ? opencl_failed_enqueuing(dev, error, SEGUE_PHASE_RUN, call, why) : SEGUE_OK;
}

static segue_status finish(struct gpu *gpu, segue_diag *why)
{
    struct opencl_device *dev = device_of(gpu);
    const int32_t error = dev->cl.Finish(dev->queue);
    return error ? opencl_failed_waiting(dev, error, "clFinish", why) : SEGUE_OK;
}

const struct gpu_driver opencl_driver = {
    .dialect = opencl_dialect,
    .build = build,
    .load = load,
    .unload = unload,
    .prepare = prepare,
    .release = release,
    .launch = launch,
    .finish = finish,
    .save = save,
};
