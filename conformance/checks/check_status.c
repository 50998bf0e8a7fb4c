/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a row must refuse: in words, and before it has written anything. */
#include <inttypes.h>
#include <stdio.h>

#include "exam.h"

struct attempt { /* a run that must be refused */
    const char *check, *words;
    segue_status wanted;
    segue_buffer workspace;
    const segue_op_header *op;
};

static void must_refuse(struct exam *e, struct image *m, const struct attempt *a)
{
    segue_diag diag = { 0 };
    struct damage d;
    const segue_status status = segue_plan_run(e->plan, a->op, m->device->stream, a->workspace, &diag);
    segue_diag after = { 0 };
    exam_ran(e, CHECK_STATUS);
    if (status == SEGUE_ERROR_DEVICE_LOST) exam_refused(e, status, a->check, a->words, &diag);
    if (segue_stream_sync(m->device->handle, m->device->stream, &after) || image_download(m)) {
        exam_refused(e, after.code ? after.code : m->diag.code, a->check, a->words,
                     after.code ? &after : &m->diag);
        return;
    }
    if (status != a->wanted)
        exam_fail(e, CHECK_STATUS, a->check, "%s: wanted %s, given %s%s%.200s", a->words,
                  segue_status_name(a->wanted), status ? segue_status_name(status) : "SEGUE_OK",
                  status ? ": " : "", status ? diag.text : "");
    else if (!diag.text[0]) exam_fail(e, CHECK_STATUS, a->check, "%s: refused without words", a->words);
    if (image_damage(m, 1, &d)) {
        if (status) exam_fail(e, CHECK_STATUS, a->check, "%s: refused, but %s has changed", a->words, d.where);
        if (image_upload(m)) e->lost = 1; /* for the next attempt */
    }
}

static void attempt_workspace(struct exam *e, struct image *m)
{
    const segue_buffer right = image_workspace(m);
    struct attempt a = { .check = "status:workspace", .wanted = SEGUE_ERROR_WORKSPACE, .op = m->op };
    if (!right.data) return;
    a.words = "a workspace that is one byte too short";
    a.workspace = right;
    a.workspace.bytes--;
    must_refuse(e, m, &a);
    if (e->facts.workspace_alignment < 2 || !exam_goes_on(e)) return;
    a.words = "a misaligned workspace";
    a.workspace = right;
    a.workspace.offset += e->facts.workspace_alignment / 2;
    a.workspace.bytes += e->facts.workspace_alignment / 2;
    must_refuse(e, m, &a);
}

/* The last axis of the first output is one longer than its letter says. */
static void attempt_shape(struct exam *e, struct image *m)
{
    const struct call *c = m->call;
    uint32_t i = 0;
    while (i < c->primitive->field_count &&
           !(c->operands[i].facts && is_written_field(c->operands[i].facts) && !is_state(&c->operands[i])))
        i++;
    if (i == c->primitive->field_count || !c->operands[i].view.rank) return;
    segue_tensor *t = tensor_of(m->op, c->operands[i].facts);
    const segue_tensor right = *t;
    const struct attempt a = { .check = "status:operand",
                               .words = "an output that is one longer along its last axis",
                               .wanted = SEGUE_ERROR_OPERAND,
                               .workspace = image_workspace(m),
                               .op = m->op };
    t->shape[t->rank - 1]++;
    t->bytes = m->memory.bytes; /* it would fit */
    must_refuse(e, m, &a);
    *t = right;
}

static void check_facts(struct exam *e)
{
    const segue_plan_facts *p = &e->facts;
    const segue_row_facts *r = &e->row;
    exam_ran(e, CHECK_STATUS);
    if (strcmp(p->row, r->name))
        exam_fail(e, CHECK_STATUS, "status:facts", "a plan for row %s says that it has row %s", r->name,
                  p->row);
    if (p->accuracy != r->accuracy || p->determinism != r->determinism || p->capture != r->capture)
        exam_fail(
            e, CHECK_STATUS, "status:facts",
            "segue_explain and segue_plan_info differ: accuracy %#x and %#x, determinism %#x and %#x, capture %u and %u",
            r->accuracy, p->accuracy, r->determinism, p->determinism, r->capture, p->capture);
    if (r->reason[0])
        exam_fail(e, CHECK_STATUS, "status:facts", "the row accepts and gives a reason why not: %.200s",
                  r->reason);
}

/* Memory is promised to begin at multiples of 256. */
static void check_address(struct exam *e)
{
    const struct lab_device *d = &e->lab->device;
    const int handles = (d->facts.flags & SEGUE_DEVICE_HANDLE_MEMORY) != 0;
    segue_buffer b;
    if (segue_memory_alloc(d->handle, 257, &b, NULL)) return; /* said elsewhere */
    const uint64_t at = (handles ? 0 : (uint64_t)(uintptr_t)b.data) + b.offset;
    if (at % 256)
        exam_fail(e, CHECK_STATUS, "status:memory",
                  "segue_memory_alloc: begins %" PRIu64 " bytes behind a multiple of 256, wanted on one",
                  at % 256);
    segue_memory_free(d->handle, b);
}

void check_refusals(struct exam *e)
{
    const struct style style = study_style(e->study);
    struct image m;
    check_facts(e);
    check_address(e);
    const int made = image_make(&m, &e->study->spare, &e->lab->device, &e->study->call,
                                e->facts.workspace_bytes, e->facts.workspace_alignment, &style);
    if (made == -1) exam_break(e, "no memory for a copy of the device's");
    else if (made || image_upload(&m))
        exam_refused(e, m.diag.code, "status:memory", "memory of the device", &m.diag);
    else {
        attempt_workspace(e, &m);
        if (exam_goes_on(e)) attempt_shape(e, &m);
    }
    image_free(&m);
}
