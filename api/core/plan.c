/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Asking, planning, running. */
#include "diag.h"
#include "object.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- from a caller's op to what a plugin may see ---- */

struct request { /* an op that has been checked against its description and the plugin's declaration */
    const segue_primitive_facts *facts;
    const segue_op_header *op; /* full */
    uint32_t op_size;          /* that the plugin expects */
    struct shapes shapes;
    struct form form;
};

static const segue_plugin_primitive *declared(const segue_plugin *plugin, uint32_t primitive)
{
    for (uint32_t i = 0; i < plugin->primitive_count; i++)
        if (plugin->primitives[i].primitive == primitive) return &plugin->primitives[i];
    return NULL;
}

/* Fields that the plugin was built without must be absent or zero. */
static segue_status check_tail(const segue_device *dev, const struct request *r, uint32_t known,
                               segue_diag *diag)
{
    static const char zeros[sizeof(segue_tensor)];
    for (uint32_t i = 0; i < r->facts->field_count; i++) {
        const segue_field_facts *f = &r->facts->fields[i];
        const int set = is_tensor(f) ? tensor_at(r->op, f)->dtype.bits != 0
                                     : memcmp((const char *)r->op + f->offset, zeros, 8) != 0;
        if (f->offset >= known && set)
            return segue_fail(
                diag, SEGUE_ERROR_FIELD, SEGUE_PHASE_PLAN, i + 1,
                "%s: plugin %s predates it (knows %u bytes of %s); leave it unset or update the plugin",
                f->name, dev->facts.backend, known, r->facts->name);
    }
    return SEGUE_OK;
}

static segue_status check_declared(const segue_device *dev, struct request *r, struct op_storage *storage,
                                   uint32_t *reasons, segue_diag *diag)
{
    const segue_plugin_primitive *p = declared(dev->plugin, r->facts->id);
    *reasons = SEGUE_REASON_PRIMITIVE;
    if (!p)
        return segue_fail(diag, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_PLAN, 0, "%s has no kernel for %s",
                          dev->facts.name, r->facts->name);
    *reasons = SEGUE_REASON_REVISION;
    if (r->op->revision < p->revision_min || r->op->revision > p->revision_max)
        return segue_fail(diag, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_PLAN, 0,
                          "%s: revision is %u, plugin %s offers %u to %u", r->facts->name, r->op->revision,
                          dev->facts.backend, p->revision_min, p->revision_max);
    r->op_size = p->op_size;
    r->op = segue_full_op(r->op, p->op_size,
                          storage); /* the plugin may know, and read, more fields than this library */
    return check_tail(dev, r, p->op_size, diag);
}

/* Storage must outlive the request. *reasons says what kind of failure it was. */
static segue_status make_request(const segue_device *dev, const segue_op_header *op, struct op_storage *storage,
                                 struct request *out, uint32_t *reasons, segue_diag *diag)
{
    const int handles = (dev->facts.flags & SEGUE_DEVICE_HANDLE_MEMORY) != 0;
    segue_status status = segue_validate_header(op, &out->shapes, diag);
    *reasons = SEGUE_REASON_INVALID;
    if (status) return status;
    out->facts = out->shapes.facts;
    out->op = segue_full_op(op, out->facts->op_size, storage);
    if ((status = segue_validate(&out->shapes, out->op, FOR_PLAN, handles, &out->form, diag))) return status;
    return check_declared(dev, out, storage, reasons, diag);
}

segue_status segue_support(segue_device *dev, const segue_op_header *op, segue_support_facts *out,
                           segue_diag *diag)
{
    segue_support_facts facts = { .size = sizeof facts };
    struct op_storage storage;
    struct request request;
    segue_diag said = { 0 };
    segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    if (status) return status;
    status = dev->plugin->device_status(dev->handle, &said);
    facts.reasons = SEGUE_REASON_DEVICE;
    if (!status) status = make_request(dev, op, &storage, &request, &facts.reasons, &said);
    if (status) {
        segue_clean_text(said.text, sizeof said.text);
        facts.field = said.field;
        snprintf(facts.text, sizeof facts.text, "%.*s", (int)sizeof facts.text - 1, said.text);
        return segue_answer(out, &facts, sizeof facts, diag);
    }
    facts.reasons = 0;
    status = dev->plugin->support(dev->handle, request.op, &facts, &said);
    segue_clean_text(facts.text, sizeof facts.text);
    if (status) return segue_pass_on(diag, status, SEGUE_PHASE_PLAN, &said);
    if ((facts.verdict != SEGUE_SUPPORT_NO && facts.verdict != SEGUE_SUPPORT_YES) ||
        facts.field > request.facts->field_count)
        return segue_fail(diag, SEGUE_ERROR_PLUGIN, SEGUE_PHASE_PLAN, 0,
                          "plugin %s: support answered verdict %d and field %u, wanted 0 or 1 and at most %u",
                          dev->facts.backend, facts.verdict, facts.field, request.facts->field_count);
    return segue_answer(out, &facts, sizeof facts, diag);
}

enum { MAX_ROWS = 256 };

segue_status segue_explain(segue_device *dev, const segue_op_header *op, segue_row_facts *out, uint32_t *count,
                           segue_diag *diag)
{
    struct op_storage storage;
    struct request request;
    uint32_t reasons, found = MAX_ROWS;
    segue_diag said = { 0 };
    segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    if (!status) status = make_request(dev, op, &storage, &request, &reasons, diag);
    if (!status) status = segue_check_room(out, count, diag);
    if (status) return status;
    segue_row_facts *rows = os_alloc(MAX_ROWS * sizeof *rows, 64);
    if (!rows)
        return segue_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for %d rows", MAX_ROWS);
    for (uint32_t i = 0; i < MAX_ROWS; i++) rows[i].size = sizeof *rows;
    status = dev->plugin->explain(dev->handle, request.op, rows, &found, &said);
    if (status) status = segue_pass_on(diag, status, SEGUE_PHASE_PLAN, &said);
    else if (found > MAX_ROWS)
        status = segue_fail(diag, SEGUE_ERROR_PLUGIN, SEGUE_PHASE_PLAN, 0,
                            "plugin %s: explain counted %u rows, wanted at most %d", dev->facts.backend, found,
                            MAX_ROWS);
    for (uint32_t i = 0; !status && i < found && i < *count; i++) {
        segue_clean_text(rows[i].name, sizeof rows[i].name);
        segue_clean_text(rows[i].reason, sizeof rows[i].reason);
        status = segue_answer(&out[i], &rows[i], sizeof *rows, diag);
    }
    if (!status) *count = found;
    os_free(rows);
    return status;
}

/* ---- plans ---- */

static segue_status ask_plan(struct segue_plan *plan, const segue_plugin *plugin, segue_diag *diag)
{
    segue_plan_facts *facts = &plan->facts;
    segue_diag said = { 0 };
    facts->size = sizeof *facts;
    const segue_status status = plugin->plan_info(plan->handle, facts, &said);
    if (status) return segue_pass_on(diag, status, SEGUE_PHASE_PLAN, &said);
    facts->size = sizeof *facts;
    facts->primitive = plan->primitive;
    facts->revision = plan->revision;
    segue_clean_text(facts->row, sizeof facts->row);
    if (!facts->workspace_alignment) facts->workspace_alignment = 1;
    if (facts->workspace_alignment & (facts->workspace_alignment - 1) || facts->workspace_alignment > 256 ||
        facts->workspace_bytes >> 62)
        return segue_fail(diag, SEGUE_ERROR_PLUGIN, SEGUE_PHASE_PLAN, 0,
                          "plugin %s: row %s asks for %" PRIu64 " bytes of workspace aligned to %" PRIu64,
                          plan->device->facts.backend, facts->row, facts->workspace_bytes,
                          facts->workspace_alignment);
    plan->workspace_bytes = facts->workspace_bytes;
    plan->workspace_mask = facts->workspace_alignment - 1;
    return SEGUE_OK;
}

static segue_status fill_plan(struct segue_plan *plan, const struct request *r, const char *row,
                              segue_diag *diag)
{
    const segue_plugin *plugin = plan->device->plugin;
    const int handles = (plan->device->facts.flags & SEGUE_DEVICE_HANDLE_MEMORY) != 0;
    segue_diag said = { 0 };
    memcpy(plan->planned.bytes, r->op, r->facts->op_size);
    segue_op_header *header = (segue_op_header *)plan->planned.bytes;
    header->size = r->facts->op_size;
    header->flags = 0;
    segue_check_compile(&r->shapes, &r->form, header, handles, &plan->check);
    plan->check.planned = &plan->planned;
    plan->op_size = r->op_size > r->facts->op_size ? r->op_size : r->facts->op_size;
    plan->api = plan->device->facts.api;
    plan->run = plugin->plan_run;
    plan->primitive = header->primitive;
    plan->revision = header->revision;
    segue_status status = plugin->plan_create(plan->device->handle, header, row, &plan->handle, &said);
    if (status) return segue_device_failed(plan->device, status, SEGUE_PHASE_PLAN, &said, diag);
    status = ask_plan(plan, plugin, diag);
    if (status) plugin->plan_destroy(plan->handle);
    return status;
}

segue_status segue_plan_create_row(segue_device *dev, const segue_op_header *op, const char *row,
                                   segue_plan **out, segue_diag *diag)
{
    struct op_storage storage;
    struct request request;
    uint32_t reasons;
    segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    if (status) return status;
    if (!out)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          "out is NULL, wanted where to put the plan");
    if ((status = segue_device_status(dev, diag))) return status;
    if ((status = make_request(dev, op, &storage, &request, &reasons, diag))) return status;
    segue_plan *plan = os_alloc(sizeof *plan, 64);
    if (!plan)
        return segue_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for a plan of %zu bytes",
                          sizeof *plan);
    plan->device = dev;
    if ((status = fill_plan(plan, &request, row, diag))) {
        os_free(plan);
        return status;
    }
    segue_object_hold(dev);
    segue_object_open(plan, KIND_PLAN);
    *out = plan;
    return SEGUE_OK;
}

segue_status segue_plan_create(segue_device *dev, const segue_op_header *op, segue_plan **out, segue_diag *diag)
{
    return segue_plan_create_row(dev, op, NULL, out, diag);
}

segue_status segue_plan_info(const segue_plan *plan, segue_plan_facts *out, segue_diag *diag)
{
    const segue_status status = segue_object_check(plan, KIND_PLAN, diag);
    return status ? status : segue_answer(out, &plan->facts, sizeof plan->facts, diag);
}

void segue_plan_destroy(segue_plan *plan)
{
    if (!segue_object_close(plan, KIND_PLAN) || !segue_object_release(plan)) return;
    plan->device->plugin->plan_destroy(plan->handle);
    segue_device_release(plan->device);
    os_free(plan);
}

/* ---- running ---- */

static segue_status check_header(const segue_plan *plan, const segue_op_header *op, segue_diag *diag)
{
    struct shapes shapes;
    const segue_status status = segue_validate_header(op, &shapes, diag);
    if (status) return status;
    if (op->primitive == plan->primitive && op->revision == plan->revision) return SEGUE_OK;
    return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_RUN, 0,
                      "op is %s revision %u, wanted %s revision %u as in the plan", shapes.facts->name,
                      op->revision, plan->check.shapes.facts->name, plan->revision);
}

static segue_status fail_surroundings(const segue_plan *plan, segue_stream stream, segue_buffer workspace,
                                      segue_diag *diag)
{
    if (stream.api != plan->api)
        return segue_fail(
            diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_RUN, 0,
            "stream is of API %u, wanted one of %s (API %u): segue_stream_create or segue_stream_wrap",
            stream.api, plan->device->facts.name, plan->api);
    if (!workspace.data || workspace.offset > workspace.bytes ||
        workspace.bytes - workspace.offset < plan->workspace_bytes)
        return segue_fail(diag, SEGUE_ERROR_WORKSPACE, SEGUE_PHASE_RUN, 0,
                          "workspace: wanted %" PRIu64 " bytes (segue_plan_info), given %s%" PRIu64,
                          plan->workspace_bytes, workspace.data ? "" : "NULL and ",
                          workspace.offset > workspace.bytes ? 0 : workspace.bytes - workspace.offset);
    return segue_fail(diag, SEGUE_ERROR_WORKSPACE, SEGUE_PHASE_RUN, 0,
                      "workspace: wanted an address that is a multiple of %" PRIu64, plan->workspace_mask + 1);
}

static inline int surroundings_fit(const segue_plan *plan, segue_stream stream, segue_buffer workspace)
{
    if (stream.api != plan->api) return 0;
    if (!plan->workspace_bytes) return 1;
    const uint64_t address =
        plan->check.handles ? workspace.offset : (uint64_t)(uintptr_t)workspace.data + workspace.offset;
    return workspace.data && workspace.offset <= workspace.bytes &&
           workspace.bytes - workspace.offset >= plan->workspace_bytes && !(address & plan->workspace_mask);
}

/* size, primitive and revision as planned, no unknown flag: two words. */
static inline int usual_header(const segue_plan *plan, const segue_op_header *op)
{
    uint64_t given[2], planned[2];
    memcpy(given, op, sizeof given);
    memcpy(planned, plan->planned.bytes, sizeof planned);
    return given[0] == planned[0] && (given[1] & ~((uint64_t)SEGUE_RUN_TRUSTED << 32)) == planned[1];
}

/* An op that is shorter than the plugin's, or that carries a tail. */
static __attribute__((noinline)) segue_status run_unusual(const segue_plan *plan, const segue_op_header *op,
                                                          segue_stream stream, segue_buffer workspace,
                                                          segue_diag *said)
{
    struct op_storage storage;
    return plan->run(plan->handle, segue_full_op(op, plan->op_size, &storage), stream, workspace, said);
}

static __attribute__((noinline)) segue_status look_closer(const segue_plan *plan, const segue_op_header *op,
                                                          segue_diag *diag)
{
    struct op_storage storage;
    const segue_status status = check_header(plan, op, diag);
    return status ? status
                  : segue_check_slowly(&plan->check,
                                       segue_full_op(op, plan->check.shapes.facts->op_size, &storage), diag);
}

segue_status segue_plan_run(const segue_plan *plan, const segue_op_header *op, segue_stream stream,
                            segue_buffer workspace, segue_diag *diag)
{
    const int checking = atomic_load_explicit(&segue_checking, memory_order_relaxed);
    segue_diag said;
    segue_status status;
    if (!plan || checking || plan->object.kind != KIND_PLAN) {
        if ((status = segue_object_check(plan, KIND_PLAN, diag))) return status;
    }
    if (!op) return check_header(plan, op, diag);
    if (checking || !(op->flags & SEGUE_RUN_TRUSTED)) {
        if (checking || !usual_header(plan, op) || !segue_check_quickly(&plan->check, op)) {
            if ((status = look_closer(plan, op, diag))) return status;
        }
        if (!surroundings_fit(plan, stream, workspace)) return fail_surroundings(plan, stream, workspace, diag);
    }
    if (atomic_load_explicit(&plan->device->lost, memory_order_relaxed))
        return segue_device_fail_lost(plan->device, diag);
    said.native_code = 0, said.field = 0, said.text[0] = 0;
    status = op->size >= plan->op_size ? plan->run(plan->handle, op, stream, workspace, &said)
                                       : run_unusual(plan, op, stream, workspace, &said);
    return status ? segue_device_failed(plan->device, status, SEGUE_PHASE_RUN, &said, diag) : SEGUE_OK;
}
