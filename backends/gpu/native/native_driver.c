/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Programs and launches. A loaded program is a module with its one kernel; launching it is thread-safe, so
 * plans need nothing of their own. */
#include "native.h"

#define PLAN SEGUE_PHASE_PLAN

struct program {
    void *module, *function;
};

/* ---- loading -------------------------------------------------------------------------------------------- */

/* The kernel of a module, where the device can run groups of the key's size with the registers that it
 * takes. */
static segue_status find_kernel(struct native_device *dev, struct program *p, const struct gpu_key *key,
                                segue_diag *why)
{
    int most = 0;
    segue_status s = native_told(dev, dev->api.module_function(&p->function, p->module, key->kernel), PLAN,
                                 native_call(dev->kind, offsetof(struct native_api, module_function)), why);
    if (!s)
        s = native_told(dev, dev->api.function_attribute(&most, NATIVE_FUNCTION_MOST_ITEMS, p->function), PLAN,
                        native_call(dev->kind, offsetof(struct native_api, function_attribute)), why);
    if (s || most >= key->group) return s;
    return segue_kit_fail(why, SEGUE_ERROR_UNSUPPORTED, PLAN, 0,
                          "kernel %s as compiled for %s runs in groups of at most %d items, wanted %d",
                          key->kernel, dev->gpu.identity, most, key->group);
}

static segue_status load_module(struct native_device *dev, const void *blob, const struct gpu_key *key,
                                struct program *p, segue_diag *why)
{
    segue_status s = native_told(dev, dev->api.module_load(&p->module, blob), PLAN,
                                 native_call(dev->kind, offsetof(struct native_api, module_load)), why);
    if (s) return s;
    s = find_kernel(dev, p, key, why);
    if (s) dev->api.module_unload(p->module);
    return s;
}

segue_status native_module_load(struct gpu *gpu, const void *blob, uint64_t bytes, const struct gpu_key *key,
                                void **loaded, segue_diag *why)
{
    struct native_device *dev = native_of(gpu);
    struct native_scope scope;
    struct program *p = gpu->host->alloc(gpu->host->user, sizeof *p, 64);
    (void)bytes; /* images tell their own length */
    if (!p) return segue_kit_fail(why, SEGUE_ERROR_MEMORY, PLAN, 0, "no memory for a program");
    segue_status s = native_enter_relaxed(dev, &scope, PLAN, why);
    if (!s) {
        s = load_module(dev, blob, key, p, why);
        native_leave(dev, &scope);
    }
    if (s) gpu->host->free(gpu->host->user, p);
    else *loaded = p;
    return s;
}

void native_module_unload(struct gpu *gpu, void *loaded)
{
    struct native_device *dev = native_of(gpu);
    struct native_scope scope;
    struct program *p = loaded;
    if (native_enter_to_release(dev, &scope)) {
        dev->api.module_unload(p->module);
        native_leave(dev, &scope);
    }
    gpu->host->free(gpu->host->user, p);
}

segue_status native_build(struct gpu *gpu, const struct gpu_key *key, const char *source, const char *options,
                          void **loaded, void **blob, uint64_t *bytes, segue_diag *why)
{
    struct native_device *dev = native_of(gpu);
    if (atomic_load(&dev->lost)) return native_status(dev, why);
    const segue_status s = dev->kind->compile(dev, key->kernel, source, options, blob, bytes, why);
    return s ? s : native_module_load(gpu, *blob, *bytes, key, loaded, why);
}

/* ---- launching ------------------------------------------------------------------------------------------ */

/* Where the driver finds each argument: a pointer of pointers[], or the bytes themselves. */
static void point_at(const struct gpu_arg *args, uint32_t count, void *pointers[GPU_MOST_ARGS],
                     void *list[GPU_MOST_ARGS])
{
    for (uint32_t i = 0; i < count; i++) {
        const struct gpu_arg *arg = &args[i];
        pointers[i] = gpu_base(arg);
        list[i] = arg->value ? (void *)(uintptr_t)arg->value : &pointers[i]; /* the driver only reads it */
    }
}

segue_status native_launch(struct gpu *gpu, segue_stream stream, void *loaded, void *instance,
                           const int32_t groups[3], int32_t group, const struct gpu_arg *args, uint32_t count,
                           segue_diag *why)
{
    struct native_device *dev = native_of(gpu);
    const struct program *p = loaded;
    void *pointers[GPU_MOST_ARGS], *list[GPU_MOST_ARGS];
    struct native_scope scope;
    (void)instance;
    if (count > GPU_MOST_ARGS)
        return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_RUN, 0,
                              "a launch has %u arguments, wanted at most %d", count, GPU_MOST_ARGS);
    point_at(args, count, pointers, list);
    /* the first launch of a kernel may load it, which is a plan's business and not that of a capture nearby */
    segue_status s = stream.handle == dev->queue ? native_enter_relaxed(dev, &scope, SEGUE_PHASE_RUN, why)
                                                 : native_enter(dev, &scope, SEGUE_PHASE_RUN, why);
    if (s) return s;
    s = native_told(dev,
                    dev->api.launch(p->function, (uint32_t)groups[0], (uint32_t)groups[1], (uint32_t)groups[2],
                                    (uint32_t)group, 1, 1, 0, native_stream(stream), list, NULL),
                    SEGUE_PHASE_RUN, native_call(dev->kind, offsetof(struct native_api, launch)), why);
    native_leave(dev, &scope);
    return s;
}

segue_status native_finish(struct gpu *gpu, segue_diag *why)
{
    struct native_device *dev = native_of(gpu);
    struct native_scope scope;
    segue_status s = native_enter_relaxed(dev, &scope, PLAN, why);
    if (s) return s;
    s = native_told(dev, dev->api.stream_synchronize(dev->queue), PLAN,
                    native_call(dev->kind, offsetof(struct native_api, stream_synchronize)), why);
    native_leave(dev, &scope);
    return s;
}
