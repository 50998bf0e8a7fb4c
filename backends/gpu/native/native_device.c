/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Devices before they are opened: counted, found by number, asked for their limits. */
#include "native.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

enum { WANTED_GROUP = 128, MOST_DEVICES = 256 };

static segue_status told(const struct native_kind *kind, int error, uint32_t phase, size_t entry,
                         segue_diag *why)
{
    return error ? native_told_of(kind, error, phase, native_call(kind, entry), why) : SEGUE_OK;
}

segue_status native_count_devices(const struct native_kind *kind, const struct native_api *api, uint32_t *count,
                                  segue_diag *why)
{
    int found = 0;
    const segue_status s = told(kind, api->device_count(&found), SEGUE_PHASE_ENUMERATE,
                                offsetof(struct native_api, device_count), why);
    if (s) return s;
    *count = (uint32_t)(found < MOST_DEVICES ? found : MOST_DEVICES);
    if (found > 0) return SEGUE_OK;
    return segue_kit_fail(why, SEGUE_OK, SEGUE_PHASE_ENUMERATE, 0,
                          "the driver is there and finds no GPU: is %s set to none?", kind->hides);
}

segue_status native_find_device(const struct native_kind *kind, const struct native_api *api, uint32_t index,
                                int *device, uint32_t phase, segue_diag *why)
{
    uint32_t count = 0;
    const segue_status s = native_count_devices(kind, api, &count, why);
    if (s) return s;
    if (index >= count)
        return segue_kit_fail(why, SEGUE_ERROR_NO_DEVICE, phase, 0, "no %s:%u, the driver finds %u devices",
                              kind->id, index, count);
    return told(kind, api->device_get(device, (int)index), phase, offsetof(struct native_api, device_get), why);
}

segue_status native_ask(const struct native_kind *kind, const struct native_api *api, int device, int what,
                        int *value, uint32_t phase, segue_diag *why)
{
    *value = 0;
    return told(kind, api->device_attribute(value, what, device), phase,
                offsetof(struct native_api, device_attribute), why);
}

segue_status native_find_limits(struct native_device *dev, int device, const struct native_limits *attributes,
                                segue_diag *why)
{
    int items = 0, local = 0, groups[3] = { 0 };
    enum { PHASE = SEGUE_PHASE_OPEN };
    segue_status s = native_ask(dev->kind, &dev->api, device, attributes->items, &items, PHASE, why);
    if (!s) s = native_ask(dev->kind, &dev->api, device, attributes->local_bytes, &local, PHASE, why);
    for (int i = 0; i < 3 && !s; i++)
        s = native_ask(dev->kind, &dev->api, device, attributes->groups[i], &groups[i], PHASE, why);
    if (s) return s;
    dev->gpu.group = WANTED_GROUP;
    while (dev->gpu.group > 1 && dev->gpu.group > items) dev->gpu.group /= 2;
    dev->gpu.local_bytes = local;
    for (int i = 0; i < 3; i++) dev->gpu.most_groups[i] = groups[i];
    return SEGUE_OK;
}

segue_status native_check_options(const struct native_kind *kind, uint32_t index,
                                  const segue_device_options *options, segue_diag *why)
{
    if (options->threads || options->parallel_for)
        return segue_kit_fail(why, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
                              "threads or parallel_for is given, wanted 0 and NULL: a GPU has its own");
    if (options->native_device)
        return segue_kit_fail(
            why, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
            "native_device is given, wanted NULL: %s:%u tells the device, and native_context the engine's %s",
            kind->id, index, kind->context);
    return SEGUE_OK;
}

void native_tell_file(const void *entry, char *out, size_t room)
{
    Dl_info info;
    struct stat file;
    const int known = dladdr(entry, &info) && info.dli_fname && !stat(info.dli_fname, &file);
    snprintf(out, room, "%" PRIx64 ".%" PRIx64, known ? (uint64_t)file.st_size : 0,
             known ? (uint64_t)file.st_mtime : 0);
}

int native_split(char *text, const char *words[], int room)
{
    int count = 0;
    for (char *at = text; *at;) {
        while (*at == ' ') *at++ = 0;
        if (!*at) break;
        if (count == room) return -1;
        words[count++] = at;
        at += strcspn(at, " ");
    }
    return count;
}

void native_shorten(char *log)
{
    char *error = strstr(log, "error");
    while (error && error > log && error[-1] != '\n') error--;
    if (error) memmove(log, error, strlen(error) + 1);
    for (char *c = log; *c; c++)
        if (*c == '\n' || *c == '\r') *c = c[1] ? '|' : 0;
}
