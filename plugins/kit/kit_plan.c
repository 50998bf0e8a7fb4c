/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing among rows, and plans. Rows lie best first, so the first that accepts is the choice. */
#include "kit_private.h"

#include <stdio.h>

struct reason { /* why a row declines */
    char text[240];
    uint32_t field;
};

const char *segue_kit_refuse_dtype(const segue_op_header *op, uint32_t dtype, const segue_kit_refusal *list)
{
    for (; list->text; list++) {
        const segue_tensor *t = (const void *)((const char *)op + list->offset);
        if (segue_dtype_id(t->dtype) == dtype) return list->text;
    }
    return NULL;
}

static int concerns(const segue_row *row, const segue_op_header *op)
{
    return row == &segue_row_delegate || row->primitive == op->primitive;
}

static const char *primitive_name(const struct kit_device *dev, const segue_op_header *op)
{
    const segue_primitive_facts *facts = dev->shown.host->describe(op->primitive);
    return facts ? facts->name : "an unknown primitive";
}

/* The number of the field that a reason begins with ("A: n is at most 256"); 0 = none. */
static uint32_t field_of(const struct kit_device *dev, const segue_op_header *op, const char *text)
{
    const segue_primitive_facts *facts = dev->shown.host->describe(op->primitive);
    const char *colon = strchr(text, ':');
    for (uint32_t i = 0; facts && colon && i < facts->field_count; i++) {
        const char *name = facts->fields[i].name;
        if (strlen(name) == (size_t)(colon - text) && !memcmp(name, text, (size_t)(colon - text))) return i + 1;
    }
    return 0;
}

/* The last field that begins at or before a byte of the op struct; 0 = none. */
static uint32_t field_at(const segue_primitive_facts *facts, uint32_t byte)
{
    uint32_t found = 0;
    for (uint32_t i = 0; facts && i < facts->field_count; i++)
        if (facts->fields[i].offset <= byte) found = i + 1;
    return found;
}

/* A row that was written for an older level must not see an op that sets what came later. */
static int predates(const segue_row *row, const struct kit_device *dev, const segue_op_header *op,
                    struct reason *out)
{
    for (uint32_t i = segue_kit_op_size(row->primitive, row->since); i < op->size; i++) {
        const segue_primitive_facts *facts = dev->shown.host->describe(op->primitive);
        if (!((const char *)op)[i]) continue;
        out->field = field_at(facts, i);
        snprintf(out->text, sizeof out->text, "%s: row predates this field",
                 out->field ? facts->fields[out->field - 1].name : "op");
        return 1;
    }
    return 0;
}

/* 1 = the row takes the op; otherwise *out says why not. */
static int accepted(const segue_row *row, const struct kit_device *dev, const segue_op_header *op,
                    struct reason *out)
{
    const char *text;
    memset(out, 0, sizeof *out);
    if (row == &segue_row_delegate) return segue_kit_delegate_accepts(op, dev, out->text, &out->field);
    if (predates(row, dev, op, out)) return 0;
    text = row->accepts ? row->accepts(op, &dev->shown) : NULL;
    if (!text) return 1;
    snprintf(out->text, sizeof out->text, "%s", text);
    out->field = field_of(dev, op, text);
    return 0;
}

/* The best row that accepts; NULL: *out has the reason of the best row that declined, empty if there is no row
 * at all. */
static const segue_row *choose(const struct kit_device *dev, const segue_op_header *op, struct reason *out)
{
    struct reason why;
    int first = 1;
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < dev->self->row_count; i++) {
        const segue_row *row = dev->self->rows[i];
        if (!concerns(row, op)) continue;
        if (accepted(row, dev, op, &why)) return row;
        if (first) *out = why;
        first = 0;
    }
    return NULL;
}

static int known(const struct kit_device *dev, const segue_op_header *op)
{
    for (uint32_t i = 0; i < dev->self->primitive_count; i++)
        if (dev->self->primitives[i].primitive == op->primitive) return 1;
    return 0;
}

static segue_status support(void *device, const segue_op_header *op, segue_support_facts *out, segue_diag *diag)
{
    const struct kit_device *dev = device;
    segue_support_facts facts = { .size = out->size, .verdict = SEGUE_SUPPORT_YES };
    struct reason why;
    (void)diag;
    if (!choose(dev, op, &why)) {
        facts.verdict = SEGUE_SUPPORT_NO;
        facts.reasons = known(dev, op) ? SEGUE_REASON_ROW : SEGUE_REASON_PRIMITIVE;
        facts.field = why.field;
        if (known(dev, op)) snprintf(facts.text, sizeof facts.text, "%s", why.text);
        else
            snprintf(facts.text, sizeof facts.text, "%s has no kernel for %s", dev->self->plugin->id,
                     primitive_name(dev, op));
    }
    *out = facts;
    return SEGUE_OK;
}

static segue_status explain(void *device, const segue_op_header *op, segue_row_facts *out, uint32_t *count,
                            segue_diag *diag)
{
    const struct kit_device *dev = device;
    const uint32_t room = *count;
    int chosen = 0;
    (void)diag;
    *count = 0;
    for (uint32_t i = 0; i < dev->self->row_count; i++) {
        const segue_row *row = dev->self->rows[i];
        struct reason why;
        segue_row_facts facts = { .priority = row->priority,
                                  .accuracy = row->accuracy,
                                  .capture = row->capture,
                                  .determinism = row->determinism };
        if (!concerns(row, op)) continue;
        if (out && *count < room) {
            facts.size = out[*count].size;
            if (accepted(row, dev, op, &why)) {
                facts.flags = SEGUE_ROW_ACCEPTS | (chosen ? 0 : SEGUE_ROW_CHOSEN);
                chosen = 1;
            }
            if (row == &segue_row_delegate) facts.flags |= SEGUE_ROW_DELEGATED;
            snprintf(facts.name, sizeof facts.name, "%s", row->name);
            memcpy(facts.reason, why.text, sizeof facts.reason);
            out[*count] = facts;
        }
        *count += 1;
    }
    return SEGUE_OK;
}

/* A row by name; NULL: *diag lists the names there are. */
static const segue_row *find_row(const struct kit_device *dev, const segue_op_header *op, const char *name,
                                 segue_diag *diag)
{
    char names[320] = "";
    for (uint32_t i = 0; i < dev->self->row_count; i++) {
        const segue_row *row = dev->self->rows[i];
        const size_t used = strlen(names);
        if (!concerns(row, op)) continue;
        if (!strcmp(row->name, name)) return row;
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", row->name);
    }
    segue_kit_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_PLAN, 0, "no row '%.64s' for %s; %s has %s", name,
                   primitive_name(dev, op), dev->shown.facts.name, names[0] ? names : "none");
    return NULL;
}

static segue_status pick(const struct kit_device *dev, const segue_op_header *op, const char *name,
                         const segue_row **row, segue_diag *diag)
{
    struct reason why;
    if (!known(dev, op))
        return segue_kit_fail(diag, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_PLAN, 0, "%s has no kernel for %s",
                              dev->self->plugin->id, primitive_name(dev, op));
    if (!name) {
        *row = choose(dev, op, &why);
        if (*row) return SEGUE_OK;
        return segue_kit_fail(diag, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_PLAN, why.field, "%s", why.text);
    }
    *row = find_row(dev, op, name, diag);
    if (!*row) return SEGUE_ERROR_ARGUMENT;
    if (accepted(*row, dev, op, &why)) return SEGUE_OK;
    return segue_kit_fail(diag, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_PLAN, why.field, "row %s declines: %s",
                          name, why.text);
}

static segue_status plan_create(void *device, const segue_op_header *op, const char *name, void **plan,
                                segue_diag *diag)
{
    const struct kit_device *dev = device;
    const segue_host *host = dev->shown.host;
    const segue_row *row = NULL;
    struct kit_plan *p;
    segue_status s = pick(dev, op, name, &row, diag);
    if (s) return s;
    p = host->alloc(host->user, sizeof *p, 64);
    if (!p)
        return segue_kit_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for a plan of row %s",
                              row->name);
    p->device = dev;
    p->row = row;
    p->primitive = op->primitive;
    p->revision = op->revision;
    p->capturing = row->capture == SEGUE_CAPTURE_NONE ? dev->self->adapter->stream_capturing : NULL;
    s = row->prepare ? row->prepare(op, &dev->shown, &p->made, diag) : SEGUE_OK;
    if (s) {
        host->free(host->user, p);
        return s;
    }
    if (!p->made.workspace_alignment) p->made.workspace_alignment = 64;
    *plan = p;
    return SEGUE_OK;
}

static segue_status plan_info(const void *plan, segue_plan_facts *out, segue_diag *diag)
{
    const struct kit_plan *p = plan;
    segue_plan_facts facts = {
        .size = out->size,
        .primitive = p->primitive,
        .revision = p->revision,
        .flags = p->made.flags,
        .workspace_bytes = p->made.workspace_bytes,
        .workspace_alignment = p->made.workspace_alignment,
        .accuracy = p->row->accuracy,
        .capture = p->row->capture,
        .determinism = p->row->determinism,
    };
    if (p->row == &segue_row_delegate) return segue_kit_delegate_facts(p, out, diag);
    memcpy(facts.state_stride, p->made.state_stride, sizeof facts.state_stride);
    snprintf(facts.row, sizeof facts.row, "%s", p->row->name);
    *out = facts;
    return SEGUE_OK;
}

/* A row that may not be captured, on a device that can be: asked before anything is enqueued. */
static __attribute__((noinline)) segue_status run_unless_captured(const struct kit_plan *p,
                                                                  const segue_op_header *op,
                                                                  segue_stream stream, segue_buffer workspace,
                                                                  segue_diag *diag)
{
    const segue_kit_call call = { &p->device->shown, p->made.data, stream, workspace, diag };
    uint32_t capturing = 0;
    const segue_status s = p->capturing(p->device->shown.handle, stream, &capturing, diag);
    if (s) return s;
    if (!capturing) return p->row->run(op, &call);
    return segue_kit_fail(diag, SEGUE_ERROR_CAPTURE, SEGUE_PHASE_RUN, 0,
                          "row %s may not be captured, wanted a stream that is not being captured",
                          p->row->name);
}

static segue_status plan_run(const void *plan, const segue_op_header *op, segue_stream stream,
                             segue_buffer workspace, segue_diag *diag)
{
    const struct kit_plan *p = plan;
    if (p->capturing) return run_unless_captured(p, op, stream, workspace, diag);
    const segue_kit_call call = { &p->device->shown, p->made.data, stream, workspace, diag };
    return p->row->run(op, &call);
}

static void plan_destroy(void *plan)
{
    struct kit_plan *p = plan;
    const segue_host *host = p->device->shown.host;
    if (p->made.release) p->made.release(p->made.data, &p->device->shown);
    host->free(host->user, p);
}

void segue_kit_fill_plan(segue_plugin *out)
{
    out->support = support;
    out->explain = explain;
    out->plan_create = plan_create;
    out->plan_info = plan_info;
    out->plan_run = plan_run;
    out->plan_destroy = plan_destroy;
}
