/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Running calls on a row, and noting what fails. */
#include "exam.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- findings ----------------------------------------------------------------------------------- */

void exam_ran(struct exam *e, enum check kind)
{
    e->r.ran |= kind;
}

struct finding *exam_fail(struct exam *e, enum check kind, const char *check, const char *format, ...)
{
    struct finding *f = &e->findings[__builtin_ctz((unsigned)kind)];
    va_list list;
    e->r.ran |= kind;
    e->r.failed |= kind;
    e->r.identities_failed |= kind == CHECK_IDENTITY ? identity_bit(check) : 0;
    if (f->set) return &e->further;
    f->set = 1;
    snprintf(f->check, sizeof f->check, "%s", check);
    va_start(list, format);
    vsnprintf(f->why, sizeof f->why, format, list);
    va_end(list);
    return f;
}

void exam_break(struct exam *e, const char *format, ...)
{
    va_list list;
    if (e->broken) return;
    e->broken = 1;
    va_start(list, format);
    vsnprintf(e->words, sizeof e->words, format, list);
    va_end(list);
}

void exam_refused(struct exam *e, segue_status status, const char *check, const char *what,
                  const segue_diag *diag)
{
    const int first = !strcmp(check, "value"); /* else what the call was made for is worth telling */
    if (status == SEGUE_ERROR_DEVICE_LOST) e->lost = 1;
    if (status == SEGUE_ERROR_UNSUPPORTED) e->missing = 1;
    exam_fail(e, CHECK_STATUS, "status:call", "%s%s%s%s: %s: %s", what, first ? "" : " for ",
              first ? "" : check, status == SEGUE_ERROR_UNSUPPORTED ? " is refused after consent" : " failed",
              segue_status_name(status), diag->text[0] ? diag->text : "without words");
}

int exam_goes_on(const struct exam *e)
{
    return !e->broken && !e->lost;
}

/* ---- plans ---------------------------------------------------------------------------------------- */

/* Whether the row takes such a call on that device: 1, 0, or -1 = noted. */
static int accepts(struct exam *e, const struct lab_device *device, const segue_op_header *op,
                   const char *check)
{
    segue_diag diag = { 0 };
    segue_support_facts support = { .size = sizeof support };
    struct lab_rows *rows = malloc(sizeof *rows);
    int found = 0;
    if (!rows) {
        exam_break(e, "no memory");
        return -1;
    }
    const segue_status status = lab_explain(device, op, rows, &diag);
    for (uint32_t i = 0; i < rows->count; i++)
        if (!strcmp(rows->of[i].name, e->row.name)) found = (rows->of[i].flags & SEGUE_ROW_ACCEPTS) != 0;
    free(rows);
    if (!status) return found;
    if (!segue_support(device->handle, op, &support, NULL) && support.reasons & SEGUE_REASON_INVALID)
        exam_break(e, "%s: the suite made a call that is none: %s", check, support.text);
    else exam_refused(e, status, check, "segue_explain", &diag);
    return -1;
}

/* 1 = made; 0 = the row does not take it; -1 = noted. */
static int make_plan(struct exam *e, const struct lab_device *device, const segue_op_header *op,
                     const char *check, segue_plan **out)
{
    segue_diag diag = { 0 };
    const int accepted = accepts(e, device, op, check);
    if (accepted <= 0) return accepted;
    const segue_status status = segue_plan_create_row(device->handle, op, e->row.name, out, &diag);
    if (!status) return 1;
    exam_refused(e, status, check, "planning", &diag);
    return -1;
}

/* ---- runs ----------------------------------------------------------------------------------------- */

void answer_free(struct answer *a)
{
    for (int i = 0; i < DESCRIPTOR_FIELDS; i++) {
        free(a->value[i]);
        free(a->bytes[i]);
    }
    memset(a, 0, sizeof *a);
}

int answer_read(struct image *m, struct answer *out)
{
    const struct call *c = m->call;
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        if (!is_output(o) || !o->count) continue;
        out->value[i] = malloc((size_t)o->count * sizeof **out->value);
        out->bytes[i] = malloc((size_t)o->count * (o->view.dtype.bits / 8));
        if (!out->value[i] || !out->bytes[i]) return -1;
        image_read(m, i, out->value[i], out->bytes[i]);
    }
    return 0;
}

static void point_at(struct finding *f, const struct image *m, const struct damage *d)
{
    const segue_primitive_facts *p = m->call->primitive;
    if (d->field == p->field_count) return;
    snprintf(f->operand, sizeof f->operand, "%s", p->fields[d->field].name);
    f->rank = d->has_index ? m->call->operands[d->field].view.rank : 0;
    memcpy(f->index, d->index, sizeof f->index);
}

void exam_guards(struct exam *e, struct image *m, const char *check)
{
    struct damage d;
    exam_ran(e, CHECK_GUARD);
    if (!image_damage(m, 0, &d)) return;
    struct finding *f =
        exam_fail(e, CHECK_GUARD, "guard", "%" PRIu64 " byte%s changed that nobody may write, the first: %s",
                  d.bytes, d.bytes == 1 ? "" : "s", d.where);
    const size_t used = strlen(f->why);
    if (strcmp(check, "value")) snprintf(f->why + used, sizeof f->why - used, " (in %s)", check);
    point_at(f, m, &d);
}

/* A run that was refused must not have written. said: by the run. */
static void check_untouched(struct exam *e, struct image *m, segue_status status, const segue_diag *said)
{
    struct damage d;
    if (segue_stream_sync(m->device->handle, m->device->stream, &m->diag) || image_download(m)) return;
    exam_ran(e, CHECK_GUARD);
    if (!image_damage(m, 1, &d)) return;
    point_at(exam_fail(e, CHECK_GUARD, "guard",
                       "the run returned %s and has written all the same: %s; it said: %.250s",
                       segue_status_name(status), d.where, said->text),
             m, &d);
}

static segue_status launch(struct image *m, const struct lab_device *device, segue_plan *plan, int by_segue_run,
                           segue_diag *diag)
{
    segue_status status = image_upload(m);
    if (status) {
        *diag = m->diag;
        return status;
    }
    status = by_segue_run ? segue_run(device->handle, m->op, device->stream, diag)
                          : segue_plan_run(plan, m->op, device->stream, image_workspace(m), diag);
    if (!status) status = segue_stream_sync(device->handle, device->stream, diag);
    if (!status && (status = image_download(m))) *diag = m->diag;
    return status;
}

static int run_in(struct exam *e, struct image *m, const struct setting *s, segue_plan *plan,
                  struct answer *out)
{
    segue_diag diag = { 0 };
    const segue_status status = launch(m, m->device, plan, s->by_segue_run, &diag);
    if (status) {
        exam_refused(e, status, s->check, s->by_segue_run ? "segue_run" : "running", &diag);
        if (!e->lost) check_untouched(e, m, status, &diag);
        return -1;
    }
    exam_guards(e, m, s->check);
    e->r.identities |= identity_bit(s->check);
    if (!answer_read(m, out)) return 1;
    exam_break(e, "no memory for an answer");
    return -1;
}

int exam_run(struct exam *e, const struct call *c, const struct setting *s, struct answer *out)
{
    const struct lab_device *device = s->device ? s->device : &e->lab->device;
    const struct style usual = study_style(e->study), *style = s->style ? s->style : &usual;
    segue_plan *plan = s->plan;
    segue_plan_facts facts = { .size = sizeof facts };
    segue_diag diag = { 0 };
    struct image m = { 0 };
    int result = plan ? 1 : make_plan(e, device, s->planned ? s->planned : c->op, s->check, &plan);
    memset(out, 0, sizeof *out);
    if (result <= 0) return result;
    const segue_status status = segue_plan_info(plan, &facts, &diag);
    if (status) {
        exam_refused(e, status, s->check, "segue_plan_info", &diag);
        result = -1;
    } else if (!lab_has_room(device, image_bytes(c, 0))) {
        if (plan == e->plan) e->skipped = 1;
        result = 0;
    } else if (!lab_has_room(device, image_bytes(c, facts.workspace_bytes))) {
        exam_fail(e, CHECK_STATUS, "status:memory",
                  "%s: the plan asks for %" PRIu64
                  " bytes of workspace, more than there is beside the operands",
                  s->check, facts.workspace_bytes);
        result = -1;
    } else {
        const int made = image_make(&m, &e->study->spare, device, c, facts.workspace_bytes,
                                    facts.workspace_alignment, style);
        if (made == -1) exam_break(e, "no memory for a copy of the device's");
        if (made == -2)
            exam_refused(e, m.diag.code, s->check, "segue_memory_alloc, of memory that there is", &m.diag);
        result = made ? -1 : run_in(e, &m, s, plan, out);
        image_free(&m);
    }
    if (plan != s->plan) segue_plan_destroy(plan);
    if (result < 0) answer_free(out);
    return result;
}

int exam_prepare(struct exam *e, struct call *c)
{
    const double start = milliseconds();
    call_settle(c);
    const int result = call_look(c);
    e->study->aside += milliseconds() - start;
    if (result)
        exam_break(e, result == -2 ? "no memory" : "the reference has no answer to a call that the suite made");
    return result ? -1 : 0;
}
