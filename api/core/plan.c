/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Asking, planning, running. A composite's plan is the plugin's own row's, or else core's lowering, or else a delegation. */
#include "capture.h"
#include "diag.h"
#include "lower_plan.h"

#include <inttypes.h>
#include <stdio.h>

/* What the plugin itself says; facts->reasons is 0 where it has been asked. */
static segue_status ask_support(segue_device *dev, struct request *r, struct op_storage *storage,
                                segue_support_facts *facts, segue_diag *diag)
{
    segue_diag said = { 0 };
    segue_status status = segue_request_declared(dev, r, storage, &facts->reasons, &said);
    if (status) {
        segue_clean_text(said.text, sizeof said.text);
        facts->field = said.field;
        snprintf(facts->text, sizeof facts->text, "%.*s", (int)sizeof facts->text - 1, said.text);
        return SEGUE_OK;
    }
    facts->reasons = 0;
    status = dev->plugin->support(dev->handle, r->op, facts, &said);
    segue_clean_text(facts->text, sizeof facts->text);
    if (status) return segue_pass_on(diag, status, SEGUE_PHASE_PLAN, &said);
    if ((facts->verdict == SEGUE_SUPPORT_NO || facts->verdict == SEGUE_SUPPORT_YES) &&
        facts->field <= r->facts->field_count)
        return SEGUE_OK;
    return segue_fail(diag, SEGUE_ERROR_PLUGIN, SEGUE_PHASE_PLAN, 0,
                      "plugin %s: support answered verdict %d and field %u, wanted 0 or 1 and at most %u",
                      dev->facts.backend, facts->verdict, facts->field, r->facts->field_count);
}

/* Where neither the plugin nor the steps take an op, both say why; the plugin only if it knows the primitive. */
static void join_words(char *text, size_t size, int knows, const char *own, const char *lowered)
{
    enum { MOST = sizeof(((segue_diag *)0)->text) - 1 };
    char both[2 * MOST + 32];
    snprintf(both, sizeof both, "%.*s; %s: %.*s", MOST, own, LOWERED_ROW, MOST, lowered);
    snprintf(text, size, "%.*s", (int)size - 1, knows ? both : lowered);
}

/* The plugin has no kernel: the steps may have. */
static void ask_lowered(segue_device *dev, const struct request *r, const struct lowering *lowering,
                        segue_support_facts *facts)
{
    char own[sizeof facts->text];
    segue_diag said = { 0 };
    uint32_t reasons = SEGUE_REASON_ROW;
    if (!segue_lowered_support(dev, r, lowering, &reasons, &said)) {
        *facts = (segue_support_facts){ .size = facts->size, .verdict = SEGUE_SUPPORT_YES };
        return;
    }
    const int knows = facts->reasons != SEGUE_REASON_PRIMITIVE;
    if (!knows) facts->field = said.field;
    facts->reasons = knows ? SEGUE_REASON_ROW : reasons;
    memcpy(own, facts->text, sizeof own);
    join_words(facts->text, sizeof facts->text, knows, own, said.text);
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
    status = segue_device_status(dev, &said);
    facts.reasons = SEGUE_REASON_DEVICE;
    if (!status) {
        facts.reasons = SEGUE_REASON_INVALID;
        status = segue_request_make(dev, op, &storage, &request, &said);
    }
    if (status) {
        segue_clean_text(said.text, sizeof said.text);
        facts.field = said.field;
        snprintf(facts.text, sizeof facts.text, "%.*s", (int)sizeof facts.text - 1, said.text);
        return segue_answer(out, &facts, sizeof facts, diag);
    }
    if ((status = ask_support(dev, &request, &storage, &facts, diag))) return status;
    const struct lowering *lowering = segue_lowering(request.facts->id);
    if (facts.verdict != SEGUE_SUPPORT_YES && lowering) ask_lowered(dev, &request, lowering, &facts);
    return segue_answer(out, &facts, sizeof facts, diag);
}

enum { MAX_ROWS = 256 };

static segue_status fail_name(const segue_device *dev, segue_diag *diag)
{
    return segue_fail(diag, SEGUE_ERROR_PLUGIN, SEGUE_PHASE_PLAN, 0,
                      "plugin %s: a row is called \"%s\", wanted another name: that row is the library's own",
                      dev->facts.backend, LOWERED_ROW);
}

/* The plugin's rows, cleaned; none of a primitive that it does not declare. */
static segue_status explain_own(segue_device *dev, struct request *r, struct op_storage *storage, int must,
                                segue_row_facts *rows, uint32_t *found, segue_diag *diag)
{
    uint32_t reasons;
    segue_diag said = { 0 };
    segue_status status = segue_request_declared(dev, r, storage, &reasons, must ? diag : &said);
    *found = 0;
    if (status) return must ? status : SEGUE_OK;
    *found = MAX_ROWS;
    status = dev->plugin->explain(dev->handle, r->op, rows, found, &said);
    if (status) return segue_pass_on(diag, status, SEGUE_PHASE_PLAN, &said);
    if (*found > MAX_ROWS)
        return segue_fail(diag, SEGUE_ERROR_PLUGIN, SEGUE_PHASE_PLAN, 0,
                          "plugin %s: explain counted %u rows, wanted at most %d", dev->facts.backend, *found,
                          MAX_ROWS);
    for (uint32_t i = 0; i < *found; i++) {
        segue_clean_text(rows[i].name, sizeof rows[i].name);
        segue_clean_text(rows[i].reason, sizeof rows[i].reason);
        memset(rows[i].steps, 0, sizeof rows[i].steps);
        if (!strcmp(rows[i].name, LOWERED_ROW)) return fail_name(dev, diag);
    }
    return SEGUE_OK;
}

/* Core's row, last. It is chosen where the plugin has none, or one that only delegates, unless a step does so, too. */
static void explain_lowered(segue_device *dev, const struct request *r, const struct lowering *lowering,
                            segue_row_facts *rows, uint32_t *found)
{
    segue_row_facts lowered, *chosen = NULL;
    for (uint32_t i = 0; i < *found; i++)
        if (rows[i].flags & SEGUE_ROW_CHOSEN) chosen = &rows[i];
    segue_lowered_explain(dev, r, lowering, rows + MAX_ROWS, MAX_ROWS, &lowered);
    if (lowered.flags & SEGUE_ROW_ACCEPTS &&
        (!chosen || chosen->flags & ~lowered.flags & SEGUE_ROW_DELEGATED)) {
        if (chosen) chosen->flags &= ~(uint32_t)SEGUE_ROW_CHOSEN;
        lowered.flags |= SEGUE_ROW_CHOSEN;
    }
    rows[(*found)++] = lowered;
}

segue_status segue_explain(segue_device *dev, const segue_op_header *op, segue_row_facts *out, uint32_t *count,
                           segue_diag *diag)
{
    struct op_storage storage;
    struct request request;
    uint32_t found = 0;
    segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    if (!status) status = segue_request_make(dev, op, &storage, &request, diag);
    if (!status) status = segue_check_room(out, count, diag);
    if (status) return status;
    const struct lowering *lowering = segue_lowering(request.facts->id);
    segue_row_facts *rows =
        os_alloc((2 * MAX_ROWS + 1) * sizeof *rows, 64); /* a step's rows behind the plugin's */
    if (!rows)
        return segue_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for %d rows", MAX_ROWS);
    for (uint32_t i = 0; i < MAX_ROWS; i++) rows[i].size = sizeof *rows;
    status = explain_own(dev, &request, &storage, !lowering, rows, &found, diag);
    if (!status && lowering) explain_lowered(dev, &request, lowering, rows, &found);
    const uint32_t written = *count < found ? *count : found;
    if (!status) status = segue_check_entries(out, written, diag);
    for (uint32_t i = 0; !status && i < written; i++)
        status = segue_answer(segue_entry(out, i), &rows[i], sizeof *rows, diag);
    if (!status) *count = found;
    os_free(rows);
    return status;
}

/* ---- plans ---- */

segue_status segue_plan_ask(const segue_device *dev, const void *handle, segue_plan_facts *facts,
                            segue_diag *diag)
{
    segue_diag said = { 0 };
    facts->size = sizeof *facts;
    const segue_status status = dev->plugin->plan_info(handle, facts, &said);
    if (status) return segue_pass_on(diag, status, SEGUE_PHASE_PLAN, &said);
    facts->size = sizeof *facts;
    segue_clean_text(facts->row, sizeof facts->row);
    if (!facts->workspace_alignment) facts->workspace_alignment = 1;
    if (!strcmp(facts->row, LOWERED_ROW)) return fail_name(dev, diag);
    if (facts->workspace_alignment & (facts->workspace_alignment - 1) || facts->workspace_alignment > 256 ||
        facts->workspace_bytes >> 62)
        return segue_fail(diag, SEGUE_ERROR_PLUGIN, SEGUE_PHASE_PLAN, 0,
                          "plugin %s: row %s asks for %" PRIu64 " bytes of workspace aligned to %" PRIu64,
                          dev->facts.backend, facts->row, facts->workspace_bytes, facts->workspace_alignment);
    return SEGUE_OK;
}

/* By the plugin's named row, or its best. */
static segue_status compute_own(segue_device *dev, struct request *r, struct op_storage *storage,
                                const segue_op_header *planned, const char *row, struct computer *out,
                                uint32_t *reasons, segue_diag *diag)
{
    const segue_plugin *plugin = dev->plugin;
    segue_diag said = { 0 };
    segue_status status = segue_request_declared(dev, r, storage, reasons, diag);
    if (status) return status;
    *out = (struct computer){ .run = plugin->plan_run, .destroy = plugin->plan_destroy, .op_size = r->op_size };
    status = plugin->plan_create(dev->handle, planned, row, &out->handle, &said);
    if (status) return segue_device_failed(dev, status, SEGUE_PHASE_PLAN, &said, diag);
    status = segue_plan_ask(dev, out->handle, &out->facts, diag);
    if (status) plugin->plan_destroy(out->handle);
    return status;
}

static segue_status compute_lowered(segue_device *dev, const struct request *r, const struct lowering *lowering,
                                    struct computer *out, segue_diag *diag)
{
    struct lowered_plan *plan = NULL;
    const segue_status status = segue_lowered_create(dev, r, lowering, &plan, diag);
    if (status) return status;
    *out = (struct computer){
        .handle = plan, .run = segue_lowered_run, .destroy = segue_lowered_destroy, .op_size = r->facts->op_size
    };
    return segue_lowered_info(plan, &out->facts, diag);
}

/* The plugin's own row, else the lowering, else a delegation: as explain_lowered says. */
static segue_status compute_best(segue_device *dev, struct request *r, struct op_storage *storage,
                                 const segue_op_header *planned, const struct lowering *lowering,
                                 struct computer *out, segue_diag *diag)
{
    segue_diag own = { 0 }, said = { 0 }, both = { 0 };
    struct computer lowered;
    uint32_t reasons = 0;
    segue_status status = compute_own(dev, r, storage, planned, NULL, out, &reasons, &own);
    const int delegated = !status && out->facts.flags & SEGUE_PLAN_DELEGATED;
    if (!status && !delegated) return SEGUE_OK;
    if (status && status != SEGUE_ERROR_UNSUPPORTED && status != SEGUE_ERROR_FIELD)
        return segue_pass_on(diag, status, own.phase, &own);
    status = compute_lowered(dev, r, lowering, &lowered, &said);
    if (!status) { /* a lowering that delegates a step is no better than a delegation of the whole */
        struct computer *worse = delegated && lowered.facts.flags & SEGUE_PLAN_DELEGATED ? &lowered : out;
        if (delegated) worse->destroy(worse->handle);
        if (worse == out) *out = lowered;
        return SEGUE_OK;
    }
    if (delegated) return SEGUE_OK;
    if (status != SEGUE_ERROR_UNSUPPORTED) return segue_pass_on(diag, status, said.phase, &said);
    const int knows = reasons != SEGUE_REASON_PRIMITIVE;
    both.field = knows ? own.field : said.field;
    join_words(both.text, sizeof both.text, knows, own.text, said.text);
    return segue_pass_on(diag, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_PLAN, &both);
}

static segue_status fill_plan(struct segue_plan *plan, struct request *r, struct op_storage *storage,
                              const char *row, segue_diag *diag)
{
    const int handles = (plan->device->facts.flags & SEGUE_DEVICE_HANDLE_MEMORY) != 0;
    const struct lowering *lowering = segue_lowering(r->facts->id);
    struct computer *c = &plan->computer;
    uint32_t reasons;
    segue_status status;
    memcpy(plan->planned.bytes, r->op, r->facts->op_size);
    segue_op_header *header = (segue_op_header *)plan->planned.bytes;
    header->size = r->facts->op_size;
    header->flags = 0;
    segue_check_compile(&r->shapes, &r->form, header, handles, &plan->check);
    plan->check.planned = &plan->planned;
    if (lowering && row && !strcmp(row, LOWERED_ROW))
        status = compute_lowered(plan->device, r, lowering, c, diag);
    else if (lowering && !row) status = compute_best(plan->device, r, storage, header, lowering, c, diag);
    else status = compute_own(plan->device, r, storage, header, row, c, &reasons, diag);
    if (status) return status;
    if (c->op_size < r->facts->op_size) c->op_size = r->facts->op_size;
    c->facts.primitive = header->primitive;
    c->facts.revision = header->revision;
    plan->api = plan->device->facts.api;
    plan->workspace_bytes = c->facts.workspace_bytes;
    plan->workspace_mask = c->facts.workspace_alignment - 1;
    plan->primitive = header->primitive;
    plan->revision = header->revision;
    segue_capture_plan(plan);
    return SEGUE_OK;
}

segue_status segue_plan_create_row(segue_device *dev, const segue_op_header *op, const char *row,
                                   segue_plan **out, segue_diag *diag)
{
    struct op_storage storage;
    struct request request;
    segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    if (status) return status;
    if (!out)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          "out is NULL, wanted where to put the plan");
    if ((status = segue_device_status(dev, diag))) return status;
    if ((status = segue_request_make(dev, op, &storage, &request, diag))) return status;
    segue_plan *plan = os_alloc(sizeof *plan, 64);
    if (!plan)
        return segue_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for a plan of %zu bytes",
                          sizeof *plan);
    plan->device = dev;
    if ((status = fill_plan(plan, &request, &storage, row, diag))) {
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
    return status ? status : segue_answer(out, &plan->computer.facts, sizeof plan->computer.facts, diag);
}

void segue_plan_destroy(segue_plan *plan)
{
    if (!segue_object_close(plan, KIND_PLAN) || !segue_object_release(plan)) return;
    plan->computer.destroy(plan->computer.handle);
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
    if (stream.api != plan->api) return segue_wrong_stream(plan->device, stream, SEGUE_PHASE_RUN, diag);
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
    return plan->computer.run(plan->computer.handle, segue_full_op(op, plan->computer.op_size, &storage),
                              stream, workspace, said);
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
    status = op->size >= plan->computer.op_size
                 ? plan->computer.run(plan->computer.handle, op, stream, workspace, &said)
                 : run_unusual(plan, op, stream, workspace, &said);
    return status ? segue_device_failed(plan->device, status, SEGUE_PHASE_RUN, &said, diag) : SEGUE_OK;
}
