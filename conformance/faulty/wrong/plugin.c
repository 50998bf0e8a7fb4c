/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin of wrong kernels: one device, wrong:0, in ordinary host memory. Never installed. */
#include "wrong.h"

/* rows.h is made by the build: one ROW(name) for each flaw of this folder. */
#define ROW(name) extern const segue_row name;
#include "rows.h"
#undef ROW

static segue_status info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    static const char description[] = "wrong kernels, one thread";
    (void)host, (void)index, (void)diag;
    out->flags |= SEGUE_DEVICE_READY;
    out->threads = 1;
    memcpy(out->description, description, sizeof description);
    return SEGUE_OK;
}

static segue_status open_device(const segue_host *host, uint32_t index, const segue_device_options *options,
                                void **device, segue_diag *diag)
{
    struct wrong_device *dev = host->alloc(host->user, sizeof *dev, sizeof(void *));
    (void)index;
    if (!dev)
        return segue_kit_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_OPEN, 0, "no memory for a counter of runs");
    dev->host = host;
    dev->threads = options->threads;
    *device = dev;
    return SEGUE_OK;
}

static void close_device(void *device)
{
    const segue_host *host = ((struct wrong_device *)device)->host;
    host->free(host->user, device);
}

static void opened_facts(void *device, segue_device_facts *facts)
{
    const uint32_t threads = ((const struct wrong_device *)device)->threads;
    facts->threads = threads ? threads : 1;
}

static const segue_kit_adapter adapter = {
    SEGUE_KIT_HOST_MEMORY, .count = segue_kit_count_one, .info = info,
    .open = open_device,   .close = close_device,        .facts = opened_facts,
};

static const segue_row *const rows[] = {
#define ROW(name) &name,
#include "rows.h"
#undef ROW
    NULL
};

SEGUE_KIT_PLUGIN(wrong, .vendor = "The Segue authors", .version = SEGUE_VERSION_STRING,
                 .uuid = "5e2a9c10-8b7d-4f36-a1c4-d03f6b82e975", .device = &adapter, .rows = rows)
