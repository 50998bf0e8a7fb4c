/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One device, fibre:0: the shared kernels as fibres, in ordinary host memory. Never installed. */
#include "fibre.h"

#include <stdio.h>

/* rows.h is made by the build: one ROW(name) for each row of backends/gpu. */
#define ROW(name) extern const segue_row name;
#include "rows.h"
#undef ROW

#ifndef FIBRE_FEATURES /* GPU_HAS_... that the rows of another folder ask for */
#define FIBRE_FEATURES 0
#endif

static segue_status info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    struct fibre_settings s;
    segue_diag why = { 0 };
    (void)host, (void)index, (void)diag;
    out->threads = 1;
    out->flags |= SEGUE_DEVICE_READY | SEGUE_DEVICE_STAND_IN;
    if (fibre_read_settings(&s, &why)) { /* device_open will say the same */
        out->flags &= ~(uint32_t)SEGUE_DEVICE_READY;
        snprintf(out->text, sizeof out->text, "%s", why.text);
        return SEGUE_OK;
    }
    snprintf(out->description, sizeof out->description, "fibres, %s, groups of %d, seed %u",
             s.checked ? "checked" : "unchecked", s.group, s.seed);
    return SEGUE_OK;
}

static segue_status open_device(const segue_host *host, uint32_t index, const segue_device_options *options,
                                void **device, segue_diag *diag)
{
    segue_diag why = { 0 };
    (void)index;
    if (options->native_context || options->native_device)
        return segue_kit_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
                              "native_context or native_device is given, wanted NULL: a fibre device has none");
    struct gpu *gpu = fibre_open(host, &why);
    if (!gpu) {
        if (diag) *diag = why;
        return why.code;
    }
    gpu->features |= FIBRE_FEATURES;
    *device = gpu;
    return SEGUE_OK;
}

static void close_device(void *device)
{
    fibre_close(device);
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

SEGUE_KIT_PLUGIN(fibre, .vendor = "The Segue authors", .version = SEGUE_VERSION_STRING,
                 .uuid = "c3f1a7e2-5b94-4d06-8e3f-91d27ab60c58", .device = &adapter, .rows = rows)
