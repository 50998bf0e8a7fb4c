/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts: the plugin candidates and what the host offers to plugins. */
#include "capture.h"
#include "diag.h"

static void *host_alloc(void *user, uint64_t bytes, uint64_t alignment)
{
    (void)user;
    return os_alloc(bytes, alignment);
}

static void host_free(void *user, void *memory)
{
    (void)user;
    os_free(memory);
}

static void host_log(void *user, int32_t level, const char *text)
{
    const segue_context *ctx = user;
    if (ctx->log && text) ctx->log(ctx->log_user, level, text);
}

static segue_status read_options(const segue_context_options *given, segue_context_options *out,
                                 segue_diag *diag)
{
    const segue_status status =
        segue_take_options(given, out, sizeof *out, "segue_context_options", SEGUE_PHASE_CALL, diag);
    if (status) return status;
    if (out->flags & ~(uint32_t)SEGUE_CONTEXT_NO_DISCOVERY)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          "options->flags is %#x, wanted 0 or SEGUE_CONTEXT_NO_DISCOVERY (%#x)", out->flags,
                          SEGUE_CONTEXT_NO_DISCOVERY);
    return SEGUE_OK;
}

/* Once a process, and done when any call returns: handles made before checking began would count as stale. */
static void read_environment(void)
{
    enum { NOT_YET, READING, READ };
    static atomic_int state;
    int was = NOT_YET;
    if (atomic_compare_exchange_strong(&state, &was, READING)) {
        const char *check = os_environment("SEGUE_CHECK");
        if (check && !strcmp(check, "1")) segue_checking = 1;
        atomic_store(&state, READ);
    }
    while (atomic_load(&state) != READ) os_yield();
}

segue_status segue_context_create(const segue_context_options *options, segue_context **out, segue_diag *diag)
{
    segue_context_options known;
    segue_status status = read_options(options, &known, diag);
    if (status) return status;
    if (!out)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          "out is NULL, wanted where to put the context");
    segue_context *ctx = os_alloc(sizeof *ctx, 64);
    if (!ctx || !(ctx->lock = os_mutex_create())) {
        os_free(ctx);
        return segue_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_CALL, 0, "no memory for a context of %zu bytes",
                          sizeof *ctx);
    }
    read_environment();
    ctx->log = known.log;
    ctx->log_user = known.log_user;
    ctx->host = (segue_host){ .size = sizeof ctx->host,
                              .epoch = SEGUE_PLUGIN_EPOCH,
                              .minor_min = SEGUE_PLUGIN_MINOR,
                              .minor_max = SEGUE_PLUGIN_MINOR,
                              .user = ctx,
                              .alloc = host_alloc,
                              .free = host_free,
                              .log = host_log,
                              .describe = segue_describe,
                              .plugin_dir = "" };
    status = segue_find_plugins(&known, &ctx->host, &ctx->candidates, diag);
    if (status) {
        os_mutex_destroy(ctx->lock);
        os_free(ctx);
        return status;
    }
    ctx->capture = segue_capture_open(ctx);
    segue_object_open(ctx, KIND_CONTEXT);
    *out = ctx;
    return SEGUE_OK;
}

void segue_context_release(segue_context *ctx)
{
    if (!segue_object_release(ctx)) return;
    segue_free_plugins(&ctx->candidates);
    os_mutex_destroy(ctx->lock);
    os_free(ctx->capture);
    os_free(ctx);
}

void segue_context_destroy(segue_context *ctx)
{
    if (segue_object_close(ctx, KIND_CONTEXT)) segue_context_release(ctx);
}

segue_status segue_plugin_report(segue_context *ctx, segue_plugin_facts *out, uint32_t *count, segue_diag *diag)
{
    segue_status status = segue_object_check(ctx, KIND_CONTEXT, diag);
    if (!status) status = segue_check_room(out, count, diag);
    if (status) return status;
    os_mutex_lock(ctx->lock);
    const uint32_t written = *count < ctx->candidates.count ? *count : ctx->candidates.count;
    status = segue_check_entries(out, written, diag);
    for (uint32_t i = 0; i < written && !status; i++)
        status = segue_answer(segue_entry(out, i), &ctx->candidates.list[i].facts, sizeof *out, diag);
    if (!status) *count = ctx->candidates.count;
    os_mutex_unlock(ctx->lock);
    return status;
}
