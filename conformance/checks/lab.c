/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The device that is judged, and the same device opened in other ways. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check_case.h"

enum { NO_DEVICE = 3, ENVIRONMENT = 4 }; /* exit codes */

/* The first device that is ready; the reference, and a test's stand-in, are chosen by name only. */
static int first_ready(segue_context *ctx, char name[32])
{
    uint32_t count = 0;
    if (segue_device_count(ctx, &count, NULL)) return 0;
    for (uint32_t i = 0; i < count; i++) {
        segue_device_facts facts = { .size = sizeof facts };
        if (segue_device_info(ctx, i, &facts, NULL) || !(facts.flags & SEGUE_DEVICE_READY) ||
            facts.flags & (SEGUE_DEVICE_REFERENCE | SEGUE_DEVICE_STAND_IN))
            continue;
        memcpy(name, facts.name, sizeof facts.name);
        return 1;
    }
    return 0;
}

static int open_one(segue_context *ctx, const char *name, uint32_t threads, struct lab_device *out,
                    segue_diag *diag)
{
    const segue_device_options options = { .size = sizeof options, .threads = threads };
    memset(out, 0, sizeof *out);
    out->facts.size = sizeof out->facts;
    if (segue_device_open(ctx, name, &options, &out->handle, diag)) return -1;
    if (!segue_device_facts_of(out->handle, &out->facts, diag) &&
        !segue_stream_create(out->handle, &out->stream, diag))
        return 0;
    segue_device_close(out->handle);
    out->handle = NULL;
    return -1;
}

static void close_one(struct lab_device *d)
{
    if (!d->handle) return;
    segue_stream_destroy(d->handle, d->stream);
    segue_device_close(d->handle);
}

/* One that is no other than the device itself is noted as its own way; one that cannot be had is left out. */
static void add_variant(struct lab *l, uint32_t threads, const char *label, int same_bits)
{
    struct lab_device *v = &l->variants[l->variant_count];
    if (l->variant_count == LAB_VARIANTS || open_one(l->context, l->device.facts.name, threads, v, NULL))
        return;
    if (v->facts.threads == l->device.facts.threads &&
        !strcmp(v->facts.description, l->device.facts.description)) {
        close_one(v);
        if (l->own_count < LAB_VARIANTS) snprintf(l->own[l->own_count++], sizeof *l->own, "%s", label);
        return;
    }
    snprintf(v->label, sizeof v->label, "%s", label);
    v->same_bits = same_bits;
    l->variant_count++;
}

static void add_instruction_sets(struct lab *l)
{
    static const char *const sets[] = { "base", "avx2", "avx512" };
    const char *now = getenv("SEGUE_CPU_ISA");
    char *before = now ? strdup(now) : NULL, label[32];
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (setenv("SEGUE_CPU_ISA", sets[i], 1)) break;
        snprintf(label, sizeof label, "isa %s", sets[i]);
        add_variant(l, l->device.facts.threads, label, 0);
    }
    if (before) setenv("SEGUE_CPU_ISA", before, 1);
    else unsetenv("SEGUE_CPU_ISA");
    free(before);
}

int lab_open(struct lab *out, const char *name, int variants, char *why, size_t room)
{
    char found[32];
    segue_diag diag = { 0 };
    memset(out, 0, sizeof *out);
    if (segue_context_create(NULL, &out->context, &diag)) {
        snprintf(why, room, "%s", diag.text);
        return ENVIRONMENT;
    }
    if (!name && first_ready(out->context, found)) name = found;
    if (!name) {
        snprintf(why, room, "no device is ready: segue devices says why; the reference is taken by name only");
        return NO_DEVICE;
    }
    if (open_one(out->context, name, 0, &out->device, &diag)) {
        snprintf(why, room, "%s: %s", name, diag.text);
        return NO_DEVICE;
    }
    if (variants && out->device.facts.threads > 0 && out->device.facts.api == SEGUE_API_CPU) {
        add_variant(out, 1, "threads 1", 1);
        add_variant(out, 3, "threads 3", 1);
        add_instruction_sets(out);
    }
    return 0;
}

void lab_close(struct lab *l)
{
    for (int i = 0; i < l->variant_count; i++) close_one(&l->variants[i]);
    if (l->delay.bytes) segue_memory_free(l->device.handle, l->delay.memory);
    close_one(&l->device);
    segue_context_destroy(l->context);
    memset(l, 0, sizeof *l);
}

segue_status lab_explain(const struct lab_device *device, const segue_op_header *op, struct lab_rows *out,
                         segue_diag *diag)
{
    uint32_t count = LAB_ROWS;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < LAB_ROWS; i++) out->of[i].size = sizeof *out->of;
    const segue_status status = segue_explain(device->handle, op, out->of, &count, diag);
    if (!status) out->count = count < LAB_ROWS ? count : LAB_ROWS;
    return status;
}

int lab_has_room(const struct lab_device *device, uint64_t bytes)
{
    struct rlimit own;
    double host = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (!getrlimit(RLIMIT_DATA, &own) && own.rlim_cur != RLIM_INFINITY) host = fmin(host, (double)own.rlim_cur);
    if (device->facts.memory_bytes && bytes > device->facts.memory_bytes) return 0;
    if (device->facts.allocation_bytes && bytes > device->facts.allocation_bytes) return 0;
    return !(device->facts.flags & SEGUE_DEVICE_HOST_MEMORY) || (double)bytes <= host * 0.75;
}
