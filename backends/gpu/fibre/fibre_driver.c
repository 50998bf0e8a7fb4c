/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* gpu.h over fibres. Synchronous: a launch returns when all of its groups have run. */
#include "fibre.h"

#include <pthread.h>

extern const char fibre_dialect[]; /* dialect.h */

struct fibre_device {
    struct gpu gpu;
    struct fibre_settings settings;
    struct fibre_machine *machine;
    pthread_mutex_t one; /* launch at a time: LOCAL memory and stacks are the device's */
};

static struct fibre_device *device_of(struct gpu *gpu)
{
    return (struct fibre_device *)gpu;
}

static segue_status load(struct gpu *gpu, const void *blob, uint64_t bytes, const struct gpu_key *key,
                         void **loaded, segue_diag *why)
{
    return fibre_load(gpu->host, blob, bytes, key->kernel, (struct fibre_module **)loaded, why);
}

static segue_status build(struct gpu *gpu, const struct gpu_key *key, const char *source, const char *options,
                          void **loaded, void **blob, uint64_t *bytes, segue_diag *why)
{
    const struct fibre_settings *settings = &device_of(gpu)->settings;
    const segue_status s = fibre_build(gpu->host, settings, source, options, blob, bytes, why);
    return s ? s : load(gpu, *blob, *bytes, key, loaded, why);
}

static void unload(struct gpu *gpu, void *loaded)
{
    fibre_unload(gpu->host, loaded);
}

static segue_status launch(struct gpu *gpu, segue_stream stream, void *loaded, void *instance,
                           const int32_t groups[3], int32_t group, const struct gpu_arg *args, uint32_t count,
                           segue_diag *why)
{
    struct fibre_device *d = device_of(gpu);
    (void)stream, (void)instance, (void)group;
    pthread_mutex_lock(&d->one);
    const segue_status s = fibre_run(d->machine, loaded, groups, args, count, why);
    pthread_mutex_unlock(&d->one);
    return s;
}

static segue_status finish(struct gpu *gpu, segue_diag *why)
{
    (void)gpu, (void)why;
    return SEGUE_OK;
}

static const struct gpu_driver driver = {
    .dialect = fibre_dialect, .build = build, .load = load, .unload = unload, .launch = launch, .finish = finish
};

struct gpu *fibre_open(const segue_host *host, segue_diag *why)
{
    struct fibre_device *d = host->alloc(host->user, sizeof *d, 64);
    if (!d) {
        segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_OPEN, 0, "no memory for a device");
        return NULL;
    }
    d->gpu = (struct gpu){
        .driver = &driver, .host = host, .features = GPU_HAS_F16, .local_bytes = FIBRE_LOCAL_BYTES
    };
    pthread_mutex_init(&d->one, NULL);
    segue_status s = fibre_read_settings(&d->settings, why);
    d->gpu.group = d->settings.group;
    d->gpu.most_groups[0] = INT32_MAX;
    d->gpu.most_groups[1] = d->gpu.most_groups[2] = d->settings.grid;
    if (!s) s = fibre_identity(&d->settings, d->gpu.identity, sizeof d->gpu.identity, why);
    if (!s && !(d->machine = fibre_machine_create(host, &d->settings, why))) s = SEGUE_ERROR_MEMORY;
    if (!s) s = gpu_open(&d->gpu, why);
    if (!s) return &d->gpu;
    fibre_close(&d->gpu);
    return NULL;
}

void fibre_close(struct gpu *gpu)
{
    struct fibre_device *d = device_of(gpu);
    gpu_close(gpu);
    if (d->machine) fibre_machine_destroy(d->machine);
    pthread_mutex_destroy(&d->one);
    gpu->host->free(gpu->host->user, d);
}
