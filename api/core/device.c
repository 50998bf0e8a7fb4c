/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: finding one by name, opening, closing, describing. */
#include "diag.h"
#include "object.h"

#include <stdio.h>

#define PHASE SEGUE_PHASE_OPEN

static int ends(const char *text, size_t size)
{
    return memchr(text, 0, size) != NULL;
}

/* A plugin's word on a device, vetted: every string must end. */
static segue_status vet_facts(const struct candidate *c, uint32_t index, segue_device_facts *facts,
                              segue_diag *diag)
{
    if (!ends(facts->name, sizeof facts->name) || !ends(facts->alias, sizeof facts->alias) ||
        !ends(facts->backend, sizeof facts->backend) || !ends(facts->description, sizeof facts->description) ||
        !ends(facts->text, sizeof facts->text))
        return segue_fail(diag, SEGUE_ERROR_PLUGIN, SEGUE_PHASE_ENUMERATE, 0,
                          "plugin %s: device %u: a string does not end within its array", c->facts.id, index);
    char name[sizeof facts->name];
    /* All of it: the loader vets ids and counts. */
    snprintf(name, sizeof name, "%.27s:%u", c->facts.id, index & 0xff);
    if (index || strcmp(facts->name, c->facts.id))
        memcpy(facts->name, name, sizeof name); /* device 0 may go by its id */
    snprintf(facts->backend, sizeof facts->backend, "%s", c->facts.id);
    snprintf(facts->alias, sizeof facts->alias, "%s", index ? "" : c->facts.alias);
    segue_clean_text(facts->description, sizeof facts->description);
    segue_clean_text(facts->text, sizeof facts->text);
    facts->size = sizeof *facts;
    facts->index = index;
    return SEGUE_OK;
}

static segue_status ask_facts(const struct candidate *c, uint32_t index, segue_device_facts *out,
                              segue_diag *diag)
{
    segue_diag said = { 0 };
    memset(out, 0, sizeof *out);
    out->size = sizeof *out;
    const segue_status status = c->plugin.device_info(c->plugin.self, index, out, &said);
    if (status) return segue_pass_on(diag, status, SEGUE_PHASE_ENUMERATE, &said);
    return vet_facts(c, index, out, diag);
}

static const segue_plugin *reference_of(segue_context *ctx)
{
    for (uint32_t i = 0; i < ctx->candidates.count; i++)
        if (ctx->candidates.list[i].builtin && ctx->candidates.list[i].facts.state == SEGUE_PLUGIN_LOADED)
            return &ctx->candidates.list[i].plugin;
    return NULL;
}

segue_status segue_device_count(segue_context *ctx, uint32_t *count, segue_diag *diag)
{
    const segue_status status = segue_object_check(ctx, KIND_CONTEXT, diag);
    if (status) return status;
    if (!count)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          "count is NULL, wanted where to put the count");
    os_mutex_lock(ctx->lock);
    segue_load_all(&ctx->candidates);
    *count = 0;
    for (uint32_t i = 0; i < ctx->candidates.count; i++) *count += ctx->candidates.list[i].facts.device_count;
    os_mutex_unlock(ctx->lock);
    return SEGUE_OK;
}

segue_status segue_device_info(segue_context *ctx, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    segue_device_facts facts;
    uint32_t left = index, all = 0;
    segue_status status = segue_device_count(ctx, &all, diag);
    if (status) return status;
    if (index >= all)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0, "index is %u, wanted less than %u",
                          index, all);
    os_mutex_lock(ctx->lock);
    struct candidate *c = ctx->candidates.list;
    while (left >= c->facts.device_count) left -= c++->facts.device_count;
    status = ask_facts(c, left, &facts, diag);
    os_mutex_unlock(ctx->lock);
    return status ? status : segue_answer(out, &facts, sizeof facts, diag);
}

static int is_called(const struct candidate *c, const char *name, size_t length, int by_alias)
{
    const char *own = by_alias ? c->facts.alias : c->facts.id;
    return length && strlen(own) == length && !memcmp(own, name, length);
}

/* "onednn:1" -> its candidate and 1. An alias stands for its plugin's device 0, and for none where it is another's id. */
static struct candidate *find_candidate(segue_context *ctx, const char *name, uint32_t *index)
{
    const char *colon = strchr(name, ':');
    const size_t length = colon ? (size_t)(colon - name) : strlen(name);
    char *end = NULL;
    *index = 0;
    if (colon) {
        unsigned long number = 0;
        for (end = (char *)colon + 1; *end >= '0' && *end <= '9' && number < 1000; end++)
            number = number * 10 + (unsigned long)(*end - '0');
        if (end == colon + 1 || *end) return NULL;
        *index = (uint32_t)number;
    }
    struct candidate *rejected = NULL;
    for (int by_alias = 0; by_alias <= !colon; by_alias++)
        for (uint32_t i = 0; i < ctx->candidates.count; i++) {
            struct candidate *c = &ctx->candidates.list[i];
            if (!is_called(c, name, length, by_alias)) continue;
            if (c->facts.state != SEGUE_PLUGIN_REJECTED) return c;
            if (!rejected) rejected = c;
        }
    return rejected;
}

static segue_status fail_unknown(segue_context *ctx, const char *name, segue_diag *diag)
{
    char known[300] = "";
    size_t n = 0;
    for (uint32_t i = 0; i < ctx->candidates.count && n < sizeof known; i++) {
        const segue_plugin_facts *f = &ctx->candidates.list[i].facts;
        if (f->state == SEGUE_PLUGIN_REJECTED || !f->id[0]) continue;
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s%s%s%s", n ? ", " : "",
                              f->alias[0] ? f->alias : f->id, f->alias[0] ? " (" : "", f->alias[0] ? f->id : "",
                              f->alias[0] ? ":0)" : "");
    }
    return segue_fail(diag, SEGUE_ERROR_NO_DEVICE, PHASE, 0,
                      "no device \"%.64s\"; there is %s. Plugins are looked for in SEGUE_PLUGIN_PATH and in "
                      "the library's own plugin folder; segue_plugin_report lists every candidate",
                      name, known);
}

/* The candidate behind name, loaded, with at least index + 1 devices. Called with the context's lock. */
static segue_status load_named(segue_context *ctx, const char *name, struct candidate **out, uint32_t *index,
                               segue_diag *diag)
{
    struct candidate *c = find_candidate(ctx, name, index);
    if (!c) return fail_unknown(ctx, name, diag);
    for (uint32_t i = 0; i < ctx->candidates.count && !c->builtin; i++)
        if (ctx->candidates.list[i].builtin) segue_load_plugin(&ctx->candidates.list[i], NULL, NULL);
    segue_diag said = { 0 };
    const segue_status status = segue_load_plugin(c, c->builtin ? NULL : reference_of(ctx), &said);
    if (status) return segue_pass_on(diag, status, said.phase, &said);
    if (*index >= c->facts.device_count && !c->facts.device_count)
        return segue_fail(diag, SEGUE_ERROR_NO_DEVICE, PHASE, 0, "no device \"%.64s\": %s", name,
                          c->facts.text[0] ? c->facts.text : "the plugin found none");
    if (*index >= c->facts.device_count)
        return segue_fail(diag, SEGUE_ERROR_NO_DEVICE, PHASE, 0,
                          "no device \"%.64s\": plugin %s has %u (0 to %u)", name, c->facts.id,
                          c->facts.device_count, c->facts.device_count - 1);
    *out = c;
    return SEGUE_OK;
}

static segue_status check_options(const segue_device_options *given, segue_device_options *out,
                                  segue_diag *diag)
{
    const segue_status status =
        segue_take_options(given, out, sizeof *out, "segue_device_options", PHASE, diag);
    if (status) return status;
    if (out->flags || out->reserved)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0, "options: flags are %#x, wanted 0",
                          out->flags | out->reserved);
    if (out->threads > 4096)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0, "options: threads is %u, wanted at most 4096",
                          out->threads);
    if (out->parallel_for && !out->threads)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "options: threads is 0, wanted how many parallel_for runs at once");
    return SEGUE_OK;
}

static segue_status open_candidate(segue_context *ctx, struct candidate *c, uint32_t index,
                                   const segue_device_options *options, segue_device *dev, segue_diag *diag)
{
    segue_diag said = { 0 };
    segue_status status = ask_facts(c, index, &dev->facts, diag);
    if (status) return status;
    if (!(dev->facts.flags & SEGUE_DEVICE_READY))
        return segue_fail(diag, SEGUE_ERROR_NO_DEVICE, PHASE, 0, "%s is not ready: %s", dev->facts.name,
                          dev->facts.text);
    status = c->plugin.device_open(c->plugin.self, index, options, &dev->handle, &said);
    if (status) return segue_pass_on(diag, status, PHASE, &said);
    status = c->plugin.device_facts(dev->handle, &dev->facts, &said);
    if (status) status = segue_pass_on(diag, status, PHASE, &said);
    else status = vet_facts(c, index, &dev->facts, diag);
    if (status) {
        c->plugin.device_close(dev->handle);
        return status;
    }
    dev->context = ctx;
    dev->candidate = c;
    dev->plugin = &c->plugin;
    return SEGUE_OK;
}

segue_status segue_device_open(segue_context *ctx, const char *name, const segue_device_options *options,
                               segue_device **out, segue_diag *diag)
{
    segue_device_options known;
    struct candidate *candidate = NULL;
    uint32_t index = 0;
    segue_status status = segue_object_check(ctx, KIND_CONTEXT, diag);
    if (!status) status = check_options(options, &known, diag);
    if (status) return status;
    if (!name || !out)
        return segue_fail(
            diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0, "%s is NULL, wanted %s", name ? "out" : "name",
            name ? "where to put the device" : "a device's name such as \"cpu\" or \"reference\"");
    segue_device *dev = os_alloc(sizeof *dev, 64);
    if (!dev || !(dev->cache.lock = os_mutex_create())) {
        os_free(dev);
        return segue_fail(diag, SEGUE_ERROR_MEMORY, PHASE, 0, "no memory for a device of %zu bytes",
                          sizeof *dev);
    }
    os_mutex_lock(ctx->lock);
    status = load_named(ctx, name, &candidate, &index, diag);
    if (!status) status = open_candidate(ctx, candidate, index, &known, dev, diag);
    os_mutex_unlock(ctx->lock);
    if (status) {
        os_mutex_destroy(dev->cache.lock);
        os_free(dev);
        return status;
    }
    segue_object_hold(ctx);
    segue_object_open(dev, KIND_DEVICE);
    *out = dev;
    return SEGUE_OK;
}

void segue_device_release(segue_device *dev)
{
    if (!segue_object_release(dev)) return;
    dev->plugin->device_close(dev->handle);
    segue_context_release(dev->context);
    os_mutex_destroy(dev->cache.lock);
    os_free(dev);
}

void segue_device_close(segue_device *dev)
{
    if (!segue_object_close(dev, KIND_DEVICE)) return;
    segue_cache_destroy(dev);
    segue_device_release(dev);
}

segue_status segue_device_facts_of(segue_device *dev, segue_device_facts *out, segue_diag *diag)
{
    const segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    return status ? status : segue_answer(out, &dev->facts, sizeof dev->facts, diag);
}

segue_status segue_device_failed(segue_device *dev, segue_status status, uint32_t phase, segue_diag *said,
                                 segue_diag *diag)
{
    if (status == SEGUE_ERROR_DEVICE_LOST) atomic_store(&dev->lost, 1);
    return segue_pass_on(diag, status, phase, said);
}

segue_status segue_device_fail_lost(const segue_device *dev, segue_diag *diag)
{
    return segue_fail(diag, SEGUE_ERROR_DEVICE_LOST, SEGUE_PHASE_CALL, 0,
                      "%s was lost in an earlier call; close it and open it again", dev->facts.name);
}

segue_status segue_device_status(segue_device *dev, segue_diag *diag)
{
    segue_diag said = { 0 };
    segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    if (status) return status;
    if (atomic_load(&dev->lost)) return segue_device_fail_lost(dev, diag);
    status = dev->plugin->device_status(dev->handle, &said);
    return status ? segue_device_failed(dev, status, SEGUE_PHASE_CALL, &said, diag) : SEGUE_OK;
}
