/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A sound plugin of one host-memory device, for each file here to spoil in one way. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <segue/kit.h>

#define HOSTILE_UUID "9d1c0e7a-55b3-4f3e-8a07-00c0ffee0001"

static segue_status sound_count(const segue_host *host, uint32_t *count, segue_diag *diag)
{
    (void)host;
    (void)diag;
    *count = 1;
    return SEGUE_OK;
}

static segue_status sound_info(const segue_host *host, uint32_t index, segue_device_facts *out,
                               segue_diag *diag)
{
    (void)host;
    (void)index;
    (void)diag;
    out->flags = SEGUE_DEVICE_READY;
    return SEGUE_OK;
}

static segue_status sound_open(const segue_host *host, uint32_t index, const segue_device_options *options,
                               void **device, segue_diag *diag)
{
    (void)host;
    (void)index;
    (void)options;
    (void)diag;
    *device = NULL;
    return SEGUE_OK;
}

static void sound_close(void *device)
{
    (void)device;
}

static const segue_kit_adapter sound_device = { SEGUE_KIT_HOST_MEMORY, .count = sound_count, .info = sound_info,
                                                .open = sound_open, .close = sound_close };

/* Note and entry; spoil(host, out, diag) gets the sound answer to ruin. */
#define HOSTILE_PLUGIN(plugin_id, spoil)                                                                       \
    static const segue_kit_plugin sound = { .id = #plugin_id,                                                  \
                                            .vendor = "Segue tests",                                           \
                                            .version = "1",                                                    \
                                            .uuid = HOSTILE_UUID,                                              \
                                            .device = &sound_device,                                           \
                                            .rows = (const segue_row *const[]){ &segue_row_delegate, NULL } }; \
    SEGUE_PLUGIN_NOTE(plugin_id, .vendor = "Segue tests", .version = "1", .uuid = HOSTILE_UUID);               \
    HOSTILE_ENTRY(spoil)

#define HOSTILE_ENTRY(spoil)                                                                                 \
    SEGUE_API segue_status SEGUE_PLUGIN_ENTRY()(const segue_host *, segue_plugin *, segue_diag *);           \
    SEGUE_API segue_status SEGUE_PLUGIN_ENTRY()(const segue_host *host, segue_plugin *out, segue_diag *diag) \
    {                                                                                                        \
        const segue_status s = segue_kit_entry(&sound, host, out, diag);                                     \
        return s ? s : spoil(out);                                                                           \
    }

#endif
