/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin of correct f32 kernels: one device, right:0, in ordinary host memory. Never installed. */
#include <segue/kit.h>

/* rows.h is made by the build: one ROW(name) for each row of this folder. */
#define ROW(name) extern const segue_row name;
#include "rows.h"
#undef ROW

static segue_status info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    static const char description[] = "correct f32 kernels, one thread";
    (void)host, (void)index, (void)diag;
    out->flags |= SEGUE_DEVICE_READY;
    out->threads = 1;
    memcpy(out->description, description, sizeof description);
    return SEGUE_OK;
}

static segue_status open_device(const segue_host *host, uint32_t index, const segue_device_options *options,
                                void **device, segue_diag *diag)
{
    (void)index, (void)options, (void)diag;
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

SEGUE_KIT_PLUGIN(right, .vendor = "The Segue authors", .version = SEGUE_VERSION_STRING,
                 .uuid = "0d8b4c67-31f5-4a8e-b6d2-7c5e90a1f3b4", .device = &adapter, .rows = rows)
