/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Headers and handles. */
#include "bad_input.h"

#include <stdio.h>

static void header(struct bad *bad, const char *defect, size_t word, uint32_t value, const char *given,
                   const char *wanted)
{
    union sample_op op = bad->good;
    struct expect e = expect(SEGUE_ERROR_ARGUMENT, -1, "", wanted);
    memcpy(op.bytes + 4 * word, &value, 4);
    snprintf(e.given, sizeof e.given, given, value);
    refused(bad, &bad->base, &op, BY_ALL, defect, e);
}

static void tail(struct bad *bad, uint32_t size, uint32_t set)
{
    union sample_op op = bad->good;
    struct expect e = expect(SEGUE_ERROR_FIELD, -1, "", "wanted zeros");
    op.header.size = size;
    op.bytes[set] = 1;
    snprintf(e.given, sizeof e.given, "byte %u is set", set);
    refused(bad, &bad->base, &op, BY_ALL, "unknown tail not zero", e);
}

void bad_headers(struct bad *bad)
{
    enum { SIZE, PRIMITIVE, REVISION, FLAGS };
    const uint32_t size = bad->base.facts->op_size;
    const uint32_t sizes[] = { 0, 1, 8, 16, size - 8, size - 1, size + 4, SEGUE_MAX_OP_SIZE + 8, UINT32_MAX };
    const uint32_t primitives[] = { 0, 4711, UINT32_MAX };
    const uint32_t revisions[] = { 0, bad->base.facts->revision + 1, UINT32_MAX };
    const uint32_t flags[] = { 2, 4, 0x80000000u };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        header(bad, sizes[i] < size ? "header.size too small" : "header.size odd or too large", SIZE, sizes[i],
               "header.size is %u", "wanted a multiple of 8");
    for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++)
        header(bad, "header.primitive unknown", PRIMITIVE, primitives[i], "header.primitive is %u",
               "wanted the id");
    for (size_t i = 0; i < sizeof revisions / sizeof *revisions; i++)
        header(bad, "header.revision unknown", REVISION, revisions[i], "header.revision is %u", "wanted 1 to");
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        header(bad, "header.flags unknown", FLAGS, flags[i], "header.flags is %#x",
               "wanted 0 or SEGUE_RUN_TRUSTED");
    tail(bad, size + 8, size);
    tail(bad, size + 64, size + 63);
}

/* ---- handles: null, or of another kind ---- */

static char nothing[256]; /* memory that was never a handle */

struct handles {
    segue_context *ctx;
    segue_device *dev;
    segue_plan *plan;
};

static segue_status count_devices(struct bad *bad, struct handles h, segue_diag *why)
{
    uint32_t n = 0;
    (void)bad;
    return segue_device_count(h.ctx, &n, why);
}

static segue_status open_device(struct bad *bad, struct handles h, segue_diag *why)
{
    segue_device *dev = NULL;
    (void)bad;
    return segue_device_open(h.ctx, "reference", NULL, &dev, why);
}

static segue_status report(struct bad *bad, struct handles h, segue_diag *why)
{
    uint32_t n = 0;
    (void)bad;
    return segue_plugin_report(h.ctx, NULL, &n, why);
}

static segue_status create_plan(struct bad *bad, struct handles h, segue_diag *why)
{
    segue_plan *plan = NULL;
    return segue_plan_create(h.dev, &bad->good.header, &plan, why);
}

static segue_status run_once(struct bad *bad, struct handles h, segue_diag *why)
{
    return segue_run(h.dev, &bad->good.header, bad->stream, why);
}

static segue_status create_stream(struct bad *bad, struct handles h, segue_diag *why)
{
    segue_stream stream;
    (void)bad;
    return segue_stream_create(h.dev, &stream, why);
}

static segue_status alloc(struct bad *bad, struct handles h, segue_diag *why)
{
    segue_buffer buffer;
    (void)bad;
    return segue_memory_alloc(h.dev, 64, &buffer, why);
}

static segue_status status_of(struct bad *bad, struct handles h, segue_diag *why)
{
    (void)bad;
    return segue_device_status(h.dev, why);
}

static segue_status support(struct bad *bad, struct handles h, segue_diag *why)
{
    segue_support_facts facts = { .size = sizeof facts };
    return segue_support(h.dev, &bad->good.header, &facts, why);
}

static segue_status explain(struct bad *bad, struct handles h, segue_diag *why)
{
    uint32_t n = 0;
    return segue_explain(h.dev, &bad->good.header, NULL, &n, why);
}

static segue_status info(struct bad *bad, struct handles h, segue_diag *why)
{
    segue_plan_facts facts = { .size = sizeof facts };
    (void)bad;
    return segue_plan_info(h.plan, &facts, why);
}

static segue_status run(struct bad *bad, struct handles h, segue_diag *why)
{
    return segue_plan_run(h.plan, &bad->good.header, bad->stream, bad->workspace, why);
}

static const struct {
    const char *name, *kind;
    segue_status (*call)(struct bad *bad, struct handles h, segue_diag *why);
} calls[] = {
    { "segue_device_count", "a context", count_devices },
    { "segue_device_open", "a context", open_device },
    { "segue_plugin_report", "a context", report },
    { "segue_plan_create", "a device", create_plan },
    { "segue_run", "a device", run_once },
    { "segue_stream_create", "a device", create_stream },
    { "segue_memory_alloc", "a device", alloc },
    { "segue_device_status", "a device", status_of },
    { "segue_support", "a device", support },
    { "segue_explain", "a device", explain },
    { "segue_plan_info", "a plan", info },
    { "segue_plan_run", "a plan", run },
};

static void wrong_handle(struct bad *bad, void *handle, const char *is, const char *defect)
{
    const struct handles h = { handle, handle, handle };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        char wanted[TEXT];
        segue_diag why = { 0 };
        if (!strcmp(calls[i].kind, is)) continue;
        snprintf(wanted, sizeof wanted, "wanted %s", calls[i].kind);
        refused_call(bad, calls[i].name, defect, calls[i].call(bad, h, &why), &why,
                     expect(SEGUE_ERROR_ARGUMENT, -1, is, wanted));
    }
    if (strcmp(is, "a plan")) segue_plan_destroy(handle); /* never fails, and must leave it alone */
    if (strcmp(is, "a device")) segue_device_close(handle);
    if (strcmp(is, "a context")) segue_context_destroy(handle);
    still_good(bad, defect);
}

void bad_handles(struct bad *bad)
{
    const struct expect want = expect(SEGUE_ERROR_ARGUMENT, -1, "op is NULL", "wanted");
    segue_plan *out = NULL;
    segue_diag why = { 0 };
    wrong_handle(bad, NULL, "NULL", "handle NULL");
    wrong_handle(bad, bad->ctx, "a context", "handle of another kind");
    wrong_handle(bad, bad->dev, "a device", "handle of another kind");
    wrong_handle(bad, bad->plan, "a plan", "handle of another kind");
    wrong_handle(bad, nothing, "not a Segue handle", "handle of another kind");
    refused_call(bad, "segue_plan_run", "op NULL",
                 segue_plan_run(bad->plan, NULL, bad->stream, bad->workspace, &why), &why, want);
    refused_call(bad, "segue_plan_create", "op NULL", segue_plan_create(bad->dev, NULL, &out, &why), &why,
                 want);
    refused_call(bad, "segue_run", "op NULL", segue_run(bad->dev, NULL, bad->stream, &why), &why, want);
    refused_call(bad, "segue_plan_create", "out NULL",
                 segue_plan_create(bad->dev, &bad->good.header, NULL, &why), &why,
                 expect(SEGUE_ERROR_ARGUMENT, -1, "out is NULL", "wanted"));
}
