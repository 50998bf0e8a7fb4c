/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "lower_plan.h"

#include "diag.h"

#include <stdio.h>

struct lowered_plan {
    struct lowered lowered;
    segue_device *device;
    segue_status (*capturing)(void *device, segue_stream stream, uint32_t *capturing, segue_diag *diag);
    segue_plan_facts facts;
    struct {
        void *handle; /* the plugin's plan */
        uint32_t op_size;
        uint64_t workspace_bytes;
    } steps[LOWER_STEPS];
};

/* ---- asking and planning, step by step ------------------------------------------------------------------- */

struct step_request {
    struct request request;
    struct op_storage storage;
};

/* The request of one step, its operands without data where they are intermediates; checked as an engine's would be. */
static segue_status make_step(segue_device *dev, const struct lowered *l, uint32_t i, const segue_op_header *op,
                              struct step_request *out, uint32_t *reasons, segue_diag *diag)
{
    const struct lowered_step *step = &l->steps[i];
    const segue_buffer nowhere = { NULL, 0, 0 };
    segue_tensor temps[LOWER_TEMPS];
    int64_t sizes[LETTERS + 1];
    segue_op_header *header = (segue_op_header *)out->storage.bytes;
    segue_lower_temps(l, op, nowhere, sizes, temps);
    segue_lower_step(step, op, sizes, temps, step->facts->op_size, header);
    header->flags = 0;
    *reasons = SEGUE_REASON_ROW;
    segue_status status = segue_request_make(dev, header, &out->storage, &out->request, diag);
    if (!status) status = segue_request_declared(dev, &out->request, &out->storage, reasons, diag);
    return status;
}

/* The words of a step's failure; what is wrong with a step of a right composite is not offered, no more. */
static segue_status fail_step(segue_device *dev, const struct lowered_step *step, segue_status status,
                              segue_diag *said, segue_diag *diag)
{
    segue_clean_text(said->text, sizeof said->text);
    segue_lower_blame(step, said->text, sizeof said->text, &said->field);
    if (status == SEGUE_ERROR_OPERAND || status == SEGUE_ERROR_FIELD) status = SEGUE_ERROR_UNSUPPORTED;
    return segue_device_failed(dev, status, SEGUE_PHASE_PLAN, said, diag);
}

static segue_status ask_step(segue_device *dev, const struct lowered *l, uint32_t i, const segue_op_header *op,
                             struct step_request *step, uint32_t *reasons, segue_diag *diag)
{
    segue_support_facts facts = { .size = sizeof facts };
    segue_diag said = { 0 };
    segue_status status = make_step(dev, l, i, op, step, reasons, &said);
    if (!status) {
        status = dev->plugin->support(dev->handle, step->request.op, &facts, &said);
        if (!status && facts.verdict == SEGUE_SUPPORT_YES) return SEGUE_OK;
        if (!status) {
            status = SEGUE_ERROR_UNSUPPORTED;
            *reasons = facts.reasons;
            said.field = facts.field;
            snprintf(said.text, sizeof said.text, "%.*s", (int)sizeof facts.text - 1, facts.text);
        }
    }
    return fail_step(dev, &l->steps[i], status, &said, diag);
}

segue_status segue_lowered_support(segue_device *dev, const struct request *r, const struct lowering *lowering,
                                   uint32_t *reasons, segue_diag *diag)
{
    struct lowered l;
    struct step_request step;
    segue_status status = segue_lower(lowering, &r->shapes, &r->form, r->op, &l, diag);
    for (uint32_t i = 0; i < l.step_count && !status; i++)
        status = ask_step(dev, &l, i, r->op, &step, reasons, diag);
    return status;
}

/* Flags of several rows as those of one. f32 intermediates make double arithmetic before and behind them no more than f32. */
static void add_flags(uint32_t *accuracy, uint32_t *capture, uint32_t *determinism, uint32_t a, uint32_t c,
                      uint32_t d)
{
    *accuracy |= a;
    *determinism &= d;
    if (c < *capture) *capture = c; /* SEGUE_CAPTURE_NONE is the weakest */
}

static uint32_t rounded_accuracy(const struct lowered *l, uint32_t accuracy)
{
    const int mixed = accuracy & SEGUE_ACCURACY_F64 && accuracy & ~(uint32_t)SEGUE_ACCURACY_F64;
    if (!l->temp_count && !mixed) return accuracy;
    return (accuracy & ~(uint32_t)SEGUE_ACCURACY_F64) | SEGUE_ACCURACY_F32;
}

/* The plugin's row that a step would get; NULL = it names none. */
static const segue_row_facts *chosen_row(segue_device *dev, const segue_op_header *op, segue_row_facts *room,
                                         uint32_t count)
{
    uint32_t found = count;
    segue_diag said = { 0 };
    for (uint32_t i = 0; i < count; i++) room[i] = (segue_row_facts){ .size = sizeof *room };
    if (dev->plugin->explain(dev->handle, op, room, &found, &said)) return NULL;
    for (uint32_t i = 0; i < found && i < count; i++)
        if (room[i].flags & SEGUE_ROW_CHOSEN) return &room[i];
    return NULL;
}

void segue_lowered_explain(segue_device *dev, const struct request *r, const struct lowering *lowering,
                           segue_row_facts *room, uint32_t count, segue_row_facts *out)
{
    struct lowered l;
    struct step_request step;
    segue_diag said = { 0 };
    uint32_t reasons;
    size_t used = 0;
    *out = (segue_row_facts){ .size = sizeof *out,
                              .flags = SEGUE_ROW_ACCEPTS,
                              .capture = SEGUE_CAPTURE_POINTERS,
                              .determinism = UINT32_MAX,
                              .name = LOWERED_ROW };
    segue_status status = segue_lower(lowering, &r->shapes, &r->form, r->op, &l, &said);
    for (uint32_t i = 0; i < l.step_count && !status; i++) {
        if ((status = ask_step(dev, &l, i, r->op, &step, &reasons, &said))) break;
        const segue_row_facts *row = chosen_row(dev, step.request.op, room, count);
        add_flags(&out->accuracy, &out->capture, &out->determinism, row ? row->accuracy : 0,
                  row ? row->capture : SEGUE_CAPTURE_NONE, row ? row->determinism : 0);
        if (row) out->flags |= row->flags & SEGUE_ROW_DELEGATED;
        if (used < sizeof out->steps)
            used +=
                (size_t)snprintf(out->steps + used, sizeof out->steps - used, "%s%s by %.64s", i ? ", " : "",
                                 l.steps[i].facts->name, row ? row->name : "a row without a name");
    }
    segue_clean_text(out->steps, sizeof out->steps); /* names of a plugin's rows */
    out->accuracy = rounded_accuracy(&l, out->accuracy);
    if (!status) return;
    *out = (segue_row_facts){ .size = sizeof *out, .name = LOWERED_ROW };
    snprintf(out->reason, sizeof out->reason, "%.*s", (int)sizeof out->reason - 1, said.text);
}

/* The layout that a step likes for its first state, in the axes of the composite's first. */
static void take_state_stride(const struct lowered_step *step, const segue_primitive_facts *composite,
                              const segue_plan_facts *step_facts, segue_plan_facts *out)
{
    for (uint32_t i = 0; i < step->use_count; i++) {
        const struct lowered_use *use = &step->uses[i];
        const uint32_t role = step->facts->fields[use->field].role;
        if (use->temp || (role != SEGUE_ROLE_STATE_IN && role != SEGUE_ROLE_STATE_OUT)) continue;
        if (use->field && step->facts->fields[use->field - 1].role == role) continue; /* its second state */
        if (use->source && composite->fields[use->source - 1].role == role) continue;
        for (int d = 0; d < use->rank; d++)
            if (use->axes[d].from >= 0 && use->axes[d].inner < 0)
                out->state_stride[use->axes[d].from] = step_facts->state_stride[d];
    }
}

static segue_status plan_step(struct lowered_plan *p, uint32_t i, const struct request *r,
                              struct step_request *step, segue_diag *diag)
{
    const segue_plugin *plugin = p->device->plugin;
    segue_plan_facts facts = { 0 }, *all = &p->facts;
    segue_diag said = { 0 };
    uint32_t reasons;
    segue_status status = make_step(p->device, &p->lowered, i, r->op, step, &reasons, &said);
    if (status) return fail_step(p->device, &p->lowered.steps[i], status, &said, diag);
    status = plugin->plan_create(p->device->handle, step->request.op, NULL, &p->steps[i].handle, &said);
    if (status) {
        p->steps[i].handle = NULL;
        return fail_step(p->device, &p->lowered.steps[i], status, &said, diag);
    }
    if ((status = segue_plan_ask(p->device, p->steps[i].handle, &facts, diag))) return status;
    const uint32_t known = step->request.facts->op_size, wanted = step->request.op_size;
    p->steps[i].op_size = wanted > known ? wanted : known;
    p->steps[i].workspace_bytes = facts.workspace_bytes;
    add_flags(&all->accuracy, &all->capture, &all->determinism, facts.accuracy, facts.capture,
              facts.determinism);
    all->flags |= facts.flags & SEGUE_PLAN_DELEGATED;
    if (facts.workspace_bytes > all->workspace_bytes) all->workspace_bytes = facts.workspace_bytes;
    if (facts.workspace_alignment > all->workspace_alignment)
        all->workspace_alignment = facts.workspace_alignment;
    take_state_stride(&p->lowered.steps[i], r->facts, &facts, all);
    return SEGUE_OK;
}

segue_status segue_lowered_create(segue_device *dev, const struct request *r, const struct lowering *lowering,
                                  struct lowered_plan **out, segue_diag *diag)
{
    struct step_request step;
    struct lowered_plan *p = os_alloc(sizeof *p, 64);
    if (!p)
        return segue_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for a plan of %zu bytes",
                          sizeof *p);
    p->device = dev;
    p->facts = (segue_plan_facts){ .size = sizeof p->facts,
                                   .capture = SEGUE_CAPTURE_POINTERS,
                                   .determinism = UINT32_MAX,
                                   .workspace_alignment = 1,
                                   .row = LOWERED_ROW };
    segue_status status = segue_lower(lowering, &r->shapes, &r->form, r->op, &p->lowered, diag);
    for (uint32_t i = 0; i < p->lowered.step_count && !status; i++) status = plan_step(p, i, r, &step, diag);
    if (status) {
        segue_lowered_destroy(p);
        return status;
    }
    p->facts.accuracy = rounded_accuracy(&p->lowered, p->facts.accuracy);
    if (p->lowered.temp_count) p->facts.workspace_alignment = LOWER_ALIGNMENT;
    p->facts.workspace_bytes += p->lowered.bytes;
    if (p->facts.capture == SEGUE_CAPTURE_NONE) p->capturing = dev->plugin->stream_capturing;
    *out = p;
    return SEGUE_OK;
}

void segue_lowered_destroy(void *plan)
{
    struct lowered_plan *p = plan;
    for (uint32_t i = 0; i < LOWER_STEPS; i++)
        if (p->steps[i].handle) p->device->plugin->plan_destroy(p->steps[i].handle);
    os_free(p);
}

segue_status segue_lowered_info(const void *plan, segue_plan_facts *out, segue_diag *diag)
{
    (void)diag;
    *out = ((const struct lowered_plan *)plan)->facts;
    return SEGUE_OK;
}

/* ---- running -------------------------------------------------------------------------------------------- */

/* Asked before anything is enqueued: half of a composite in a graph would be neither refused nor right. */
static __attribute__((noinline)) segue_status refuse_capture(const struct lowered_plan *p, segue_stream stream,
                                                             segue_diag *diag)
{
    uint32_t capturing = 0;
    const segue_status status = p->capturing(p->device->handle, stream, &capturing, diag);
    if (status || !capturing) return status;
    return segue_fail(diag, SEGUE_ERROR_CAPTURE, SEGUE_PHASE_RUN, 0,
                      "row %s may not be captured, wanted a stream that is not being captured", LOWERED_ROW);
}

/* SEGUE_CHECK=1: what core made for the step is judged like an engine's op. */
static __attribute__((noinline)) segue_status check_step(const struct lowered_plan *p,
                                                         const segue_op_header *op, segue_diag *diag)
{
    const int handles = (p->device->facts.flags & SEGUE_DEVICE_HANDLE_MEMORY) != 0;
    struct shapes shapes;
    struct form form;
    segue_status status = segue_validate_header(op, &shapes, diag);
    if (!status) status = segue_validate(&shapes, op, FOR_RUN, handles, &form, diag);
    return status ? SEGUE_ERROR_INTERNAL : SEGUE_OK;
}

/* A later step waits where it is told to come back: the earlier ones have run, and the caller cannot repeat them. */
static segue_status run_step(const struct lowered_plan *p, uint32_t i, const segue_op_header *op,
                             segue_stream stream, segue_buffer workspace, segue_diag *diag)
{
    segue_status status;
    do status = p->device->plugin->plan_run(p->steps[i].handle, op, stream, workspace, diag);
    while (i && status == SEGUE_ERROR_BUSY && os_yield());
    return status;
}

int segue_lowered_fits(const void *plan, const segue_op_header *op)
{
    const struct lowered_plan *p = plan;
    return !segue_lower_merges(&p->lowered, segue_describe(op->primitive), op, NULL);
}

segue_status segue_lowered_run(const void *plan, const segue_op_header *op, segue_stream stream,
                               segue_buffer workspace, segue_diag *diag)
{
    const struct lowered_plan *p = plan;
    const int checking = atomic_load_explicit(&segue_checking, memory_order_relaxed);
    const segue_buffer none = { NULL, 0, 0 };
    segue_buffer rest = workspace; /* behind the intermediates; the steps take turns in it */
    segue_tensor temps[LOWER_TEMPS];
    int64_t sizes[LETTERS + 1];
    struct op_storage storage;
    segue_op_header *step_op = (segue_op_header *)storage.bytes;
    segue_status status = p->capturing ? refuse_capture(p, stream, diag) : SEGUE_OK;
    if (!status && p->lowered.merged)
        status = segue_lower_merges(&p->lowered, segue_describe(op->primitive), op, diag);
    rest.offset += p->lowered.bytes;
    if (!status) segue_lower_temps(&p->lowered, op, workspace, sizes, temps);
    for (uint32_t i = 0; i < p->lowered.step_count && !status; i++) {
        const struct lowered_step *step = &p->lowered.steps[i];
        segue_lower_step(step, op, sizes, temps, p->steps[i].op_size, step_op);
        if (checking) status = check_step(p, step_op, diag);
        if (!status) status = run_step(p, i, step_op, stream, p->steps[i].workspace_bytes ? rest : none, diag);
        if (status) segue_lower_blame(step, diag->text, sizeof diag->text, &diag->field);
    }
    return status;
}
