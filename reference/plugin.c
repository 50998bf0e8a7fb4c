/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The reference as a plugin: one device on host memory that computes in double on the caller's thread. It is
 * linked into libsegue through the same static registration that a vendor may use. */
#include <segue/kit.h>

#include <stdio.h>

/* rows.h is made by the build: one ROW(name) for each row of this folder. */
#define ROW(name) extern const segue_row name;
#include "rows.h"
#undef ROW

static segue_status info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    (void)host, (void)index, (void)diag;
    out->flags |=
        SEGUE_DEVICE_READY | SEGUE_DEVICE_HOST_MEMORY | SEGUE_DEVICE_SYNCHRONOUS | SEGUE_DEVICE_REFERENCE;
    out->api = SEGUE_API_CPU;
    out->threads = 1;
    snprintf(out->name, sizeof out->name, "reference");
    snprintf(out->description, sizeof out->description, "double precision");
    snprintf(out->text, sizeof out->text, "never chosen for you");
    return SEGUE_OK;
}

/* The device has nothing of its own, but a handle must not be null. */
static segue_status open_device(const segue_host *host, uint32_t index, const segue_device_options *options,
                                void **device, segue_diag *diag)
{
    (void)index;
    if (options->threads > 1 || options->parallel_for || options->native_context || options->native_device)
        return segue_kit_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
                              "the reference computes on the caller's thread: wanted threads 0 or 1, and no "
                              "parallel_for or native handles");
    *device = (void *)host;
    return SEGUE_OK;
}

static void close_device(void *device)
{
    (void)device;
}

static const segue_kit_adapter adapter = {
    SEGUE_KIT_HOST_MEMORY, .count = segue_kit_count_one, .info = info,
    .open = open_device,   .close = close_device,
};

static const segue_row *const rows[] = {
#define ROW(name) &name,
#include "rows.h"
#undef ROW
    NULL
};

SEGUE_KIT_PLUGIN(reference, .vendor = "The Segue authors", .version = SEGUE_VERSION_STRING,
                 .uuid = "a1c5e0f2-6d34-4b8e-9c17-52f09be4d6a3", .device = &adapter, .rows = rows)
