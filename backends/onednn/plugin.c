/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU as a device: host memory, one pool of threads for each opening. */
#define SEGUE_PLUGIN_ALIAS "cpu"
#include "engine/tile.h"

#include <segue/kit.h>

#include <stdio.h>
#include <stdlib.h>

enum { MOST_THREADS = 1024 };

/* rows.h is made by the build: one ROW(name) for each row of this folder. */
#define ROW(name) extern const segue_row name;
#include "rows.h"
#undef ROW

static void describe(segue_device_facts *out, uint32_t threads, enum segue_isa isa)
{
    char model[64];
    segue_cpu_model(model, sizeof model);
    out->threads = threads;
    snprintf(out->description, sizeof out->description, "%s, %u thread%s, %s", model, threads,
             threads == 1 ? "" : "s", segue_isa_name(isa));
}

static segue_status info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    enum segue_isa isa;
    segue_diag why = { 0 };
    (void)host, (void)index, (void)diag;
    out->memory_bytes = segue_memory_bytes();
    snprintf(out->alias, sizeof out->alias, SEGUE_PLUGIN_ALIAS);
    if (segue_isa_choose(secure_getenv("SEGUE_CPU_ISA"), &isa, &why) == SEGUE_OK) {
        out->flags |= SEGUE_DEVICE_READY;
    } else { /* device_open will say the same */
        out->flags &= ~(uint32_t)SEGUE_DEVICE_READY;
        snprintf(out->text, sizeof out->text, "%s", why.text);
    }
    describe(out, segue_cpu_threads(), isa);
    return SEGUE_OK;
}

static void opened_facts(void *device, segue_device_facts *out)
{
    const struct segue_cpu *cpu = device;
    describe(out, cpu->threads, cpu->isa);
}

static segue_status check(const segue_device_options *options, segue_diag *diag)
{
    if (options->threads > MOST_THREADS)
        return segue_kit_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
                              "threads is %u, wanted at most %d (0 = as many as this process may use)",
                              options->threads, MOST_THREADS);
    if (options->native_context || options->native_device)
        return segue_kit_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
                              "native_context or native_device is given, wanted NULL: a CPU has none");
    return SEGUE_OK;
}

static void close_device(void *device)
{
    struct segue_cpu *cpu = device;
    if (cpu->pool) segue_pool_destroy(cpu->pool);
    cpu->host->free(cpu->host->user, cpu);
}

static segue_status open_device(const segue_host *host, uint32_t index, const segue_device_options *options,
                                void **device, segue_diag *diag)
{
    enum segue_isa isa;
    segue_status s = check(options, diag);
    (void)index;
    if (!s) s = segue_isa_choose(secure_getenv("SEGUE_CPU_ISA"), &isa, diag);
    if (s) return s;
    struct segue_cpu *cpu = host->alloc(host->user, sizeof *cpu, 64);
    if (!cpu) return segue_kit_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_OPEN, 0, "no memory for a device");
    *cpu = (struct segue_cpu){ .host = host, .isa = isa };
    cpu->cache_bytes = segue_cache_bytes("/sys/devices/system/cpu");
    cpu->threads = options->threads ? options->threads : segue_cpu_threads();
    if (cpu->threads > MOST_THREADS) cpu->threads = MOST_THREADS;
    if (options->parallel_for) {
        cpu->parallel_for = options->parallel_for;
        cpu->parallel_user = options->parallel_user;
    } else if (!(cpu->pool = segue_pool_create(host, cpu->threads))) {
        uint32_t threads = cpu->threads;
        close_device(cpu);
        return segue_kit_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_OPEN, 0,
                              "%u threads could not be started: ask for fewer in options.threads", threads);
    }
    *device = cpu;
    return SEGUE_OK;
}

static const segue_kit_adapter adapter = { SEGUE_KIT_HOST_MEMORY, .count = segue_kit_count_one,
                                           .info = info,          .open = open_device,
                                           .close = close_device, .facts = opened_facts };

static const segue_row *const rows[] = {
#define ROW(name) &name,
#include "rows.h"
#undef ROW
    NULL,
};

SEGUE_KIT_PLUGIN(onednn, .vendor = "The Segue authors", .version = SEGUE_VERSION_STRING,
                 .uuid = "5b0d6c1e-2f57-4c39-9a64-7d8e13c2b0f4", .device = &adapter, .rows = rows)
