/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One case: what the device declares, then every row that accepts it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "exam.h"

struct declared { /* what the device says of the case */
    segue_support_facts support;
    struct lab_rows rows;
    segue_status explained;
    segue_diag diag; /* of segue_explain */
};

struct job {
    struct lab *lab;
    const struct test_case *c;
    struct study study;
    struct declared *said;
    result_sink sink;
    void *user;
};

/* ---- results without an exam ------------------------------------------------------------------------ */

__attribute__((format(printf, 5, 6))) static void
conclude(const struct job *j, enum status status, const char *row, const char *check, const char *format, ...)
{
    struct result r = { .status = status };
    va_list list;
    va_start(list, format);
    vsnprintf(r.why, sizeof r.why, format, list);
    va_end(list);
    snprintf(r.row, sizeof r.row, "%s", row);
    snprintf(r.check, sizeof r.check, "%s", check);
    r.ran = CHECK_STATUS;
    if (status_counts_as(status) == COUNTS_FAILED && status != STATUS_HARNESS_ERROR) r.failed = CHECK_STATUS;
    j->sink(j->user, j->c, &r);
}

/* ---- declarations ------------------------------------------------------------------------------------ */

static const segue_op_header *op_of(const struct job *j)
{
    return j->study.call.op;
}

/* A row of the device's own: that a composite could be lowered there says nothing where one of its steps has no kernel. */
static int has_own_row(const struct lab_rows *rows)
{
    for (uint32_t i = 0; i < rows->count; i++)
        if (strcmp(rows->of[i].name, "lowered")) return 1;
    return 0;
}

/* The plain form of a primitive, which a device that has any row of it must have. */
static int is_floor(const struct job *j)
{
    const struct call *c = &j->study.call;
    if (j->c->d.layout != LAYOUT_BTD || j->said->support.reasons & SEGUE_REASON_PRIMITIVE) return 0;
    if (!has_own_row(&j->said->rows)) return 0;
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        if (!o->facts) continue;
        if (!is_floating(o) || segue_dtype_id(o->view.dtype) != SEGUE_F32) return 0;
        if (o->facts->role == SEGUE_ROLE_OPT || o->facts->role == SEGUE_ROLE_OPT_OUT) return 0;
    }
    return 1;
}

/* A refused call writes nothing, and says why in words. 0, or a finding in why. */
static int refuses(struct job *j, struct image *m, const char *call, segue_status status,
                   const segue_diag *diag, char *why)
{
    struct damage d;
    if (status != SEGUE_ERROR_UNSUPPORTED)
        return snprintf(why, 400,
                        "segue_support says no (%.120s), %s returned %s, wanted SEGUE_ERROR_UNSUPPORTED",
                        j->said->support.text, call, segue_status_name(status));
    if (!diag->text[0]) return snprintf(why, 400, "%s refuses without words", call);
    if (segue_stream_sync(m->device->handle, m->device->stream, &m->diag) || image_download(m))
        return snprintf(why, 400, "%s: %.300s", call, m->diag.text);
    return image_damage(m, 1, &d) ? snprintf(why, 400, "%s refuses, but %s has changed", call, d.where) : 0;
}

/* The device has said no. */
static void check_refusal(struct job *j)
{
    const struct style style = study_style(&j->study);
    segue_device *dev = j->lab->device.handle;
    segue_diag diag = { 0 };
    segue_plan *plan = NULL;
    struct image m;
    char why[400] = "";
    const int made = image_make(&m, &j->study.spare, &j->lab->device, &j->study.call, 0, 1, &style);
    if (made || image_upload(&m)) {
        conclude(j, made == -1 ? STATUS_HARNESS_ERROR : STATUS_FAIL, "", "status:memory",
                 "memory of the device: %s", made == -1 ? "none for the host's copy" : m.diag.text);
        image_free(&m);
        return;
    }
    segue_status status = segue_plan_create(dev, m.op, &plan, &diag);
    if (!status) segue_plan_destroy(plan);
    int wrong = status && refuses(j, &m, "segue_plan_create", status, &diag, why);
    int does = !status;
    if (!wrong && !does) {
        status = segue_run(dev, m.op, j->lab->device.stream, &diag);
        does = !status;
        wrong = status && refuses(j, &m, "segue_run", status, &diag, why);
    }
    image_free(&m);
    if (does)
        conclude(j, STATUS_UNDECLARED, "", "status:support",
                 "segue_support says no (%s), and the call succeeds", j->said->support.text);
    else if (wrong) conclude(j, STATUS_FAIL, "", "status:support", "%s", why);
    else if (!j->said->support.text[0])
        conclude(j, STATUS_FAIL, "", "status:support", "segue_support says no without words");
    else if (is_floor(j))
        conclude(j, STATUS_MISSING, "", "status:floor",
                 "a device that has rows of %s must take its plain form (f32, packed rows, no options): %s",
                 j->c->primitive->name, j->said->support.text);
    else conclude(j, STATUS_UNSUPPORTED, "", "", "%s", j->said->support.text);
}

/* A row that declines must say why, and stay with it. Nothing is told of one that does. */
static void check_declining(struct job *j, const segue_row_facts *row)
{
    segue_plan *plan = NULL;
    segue_diag diag = { 0 };
    const segue_status status = segue_plan_create_row(j->lab->device.handle, op_of(j), row->name, &plan, &diag);
    if (!status) segue_plan_destroy(plan);
    if (!status)
        conclude(j, STATUS_UNDECLARED, row->name, "status:explain", "the row declines (%s), and plans the call",
                 row->reason);
    else if (status == SEGUE_ERROR_DEVICE_LOST) conclude(j, STATUS_DEVICE_LOST, row->name, "", "%s", diag.text);
    else if (status != SEGUE_ERROR_UNSUPPORTED)
        conclude(j, STATUS_FAIL, row->name, "status:explain",
                 "the row declines (%.120s), planning it returned %s, wanted "
                 "SEGUE_ERROR_UNSUPPORTED",
                 row->reason, segue_status_name(status));
    else if (!row->reason[0] || !diag.text[0])
        conclude(j, STATUS_FAIL, row->name, "status:explain", "the row declines without words");
}

/* ---- one row ------------------------------------------------------------------------------------------- */

static void take_finding(struct exam *e)
{
    struct result *r = &e->r;
    for (int i = 0; i < KINDS; i++) {
        const struct finding *f = &e->findings[i];
        if (!f->set) continue;
        memcpy(r->check, f->check, sizeof r->check);
        memcpy(r->operand, f->operand, sizeof r->operand);
        memcpy(r->pattern, f->pattern, sizeof r->pattern);
        memcpy(r->fault, f->fault, sizeof r->fault);
        memcpy(r->why, f->why, sizeof r->why);
        memcpy(r->index, f->index, sizeof r->index);
        r->rank = f->rank, r->got = f->got, r->want = f->want, r->ratio = f->ratio;
        return;
    }
}

static void finish(struct exam *e, const char *why_skipped)
{
    struct result *r = &e->r;
    segue_diag diag = { 0 };
    if (segue_device_status(e->lab->device.handle, &diag)) e->lost = 1;
    take_finding(e);
    if (e->lost) r->status = STATUS_DEVICE_LOST;
    else if (e->broken) r->status = STATUS_HARNESS_ERROR;
    else if (e->skipped) r->status = STATUS_SKIP_RESOURCE;
    else if (e->missing && r->failed == CHECK_STATUS) r->status = STATUS_MISSING;
    else if (r->failed) r->status = STATUS_FAIL;
    else if (e->bounds && e->bounds->vacuous) r->status = STATUS_VACUOUS;
    else r->status = r->margin > 0.5 ? STATUS_PASS_MARGIN : STATUS_PASS;
    if (e->lost && !r->why[0]) snprintf(r->why, sizeof r->why, "%.399s", diag.text);
    if (r->status == STATUS_HARNESS_ERROR) snprintf(r->why, sizeof r->why, "%s", e->words);
    if (r->status == STATUS_SKIP_RESOURCE) snprintf(r->why, sizeof r->why, "%s", why_skipped);
    if (r->status == STATUS_VACUOUS) snprintf(r->why, sizeof r->why, "%s", e->bounds->why);
}

static void examine(struct exam *e)
{
    segue_diag diag = { 0 };
    char why[DESCRIPTOR_WHY];
    const struct lab_device *device = &e->lab->device;
    const segue_status status =
        segue_plan_create_row(device->handle, e->study->call.op, e->row.name, &e->plan, &diag);
    exam_ran(e, CHECK_STATUS);
    if (status) {
        exam_refused(e, status, "status:support", "planning", &diag);
        return;
    }
    e->facts.size = sizeof e->facts;
    if (segue_plan_info(e->plan, &e->facts, &diag)) {
        exam_refused(e, diag.code, "status:facts", "segue_plan_info", &diag);
        return;
    }
    if (!(e->bounds = study_bounds(e->study, e->row.accuracy, why))) {
        exam_break(e, "%s", why);
        return;
    }
    check_values(e);
    if (!exam_goes_on(e) || e->skipped || e->r.failed & CHECK_STATUS) return;
    check_refusals(e);
    if (exam_goes_on(e)) check_identities(e);
}

/* 0 = the device is lost. */
static int examine_row(struct job *j, const segue_row_facts *row)
{
    const double start = milliseconds(), aside = j->study.aside;
    struct exam *e = calloc(1, sizeof *e);
    if (!e) {
        conclude(j, STATUS_HARNESS_ERROR, row->name, "", "no memory");
        return 1;
    }
    e->study = &j->study, e->lab = j->lab, e->row = *row;
    snprintf(e->r.row, sizeof e->r.row, "%s", row->name);
    e->r.accuracy = row->accuracy;
    examine(e);
    segue_plan_destroy(e->plan);
    answer_free(&e->base);
    answer_free(&e->other);
    finish(e, "operands and their guards take more memory than there is");
    e->r.ms = milliseconds() - start - (j->study.aside - aside);
    const int lost = e->r.status == STATUS_DEVICE_LOST;
    j->sink(j->user, j->c, &e->r);
    free(e);
    return !lost;
}

static void visit_rows(struct job *j, const char *named)
{
    int found = 0, accepted = 0;
    for (uint32_t i = 0; i < j->said->rows.count; i++) {
        const segue_row_facts *row = &j->said->rows.of[i];
        const int accepts = (row->flags & SEGUE_ROW_ACCEPTS) != 0;
        accepted += accepts;
        if (named && strcmp(row->name, named)) continue;
        found = 1;
        if (accepts && row->flags & SEGUE_ROW_DELEGATED)
            conclude(j, STATUS_DELEGATED, row->name, "", "the reference computes");
        else if (accepts) {
            if (!examine_row(j, row)) return;
        } else {
            if (named) conclude(j, STATUS_UNSUPPORTED, row->name, "", "%s", row->reason);
            check_declining(j, row);
        }
    }
    if (!accepted)
        conclude(j, STATUS_MISSING, "", "status:explain",
                 "segue_support says yes, segue_explain knows no row that accepts%s%.300s",
                 j->said->explained ? ": " : "", j->said->explained ? j->said->diag.text : "");
    else if (!found)
        conclude(j, STATUS_UNSUPPORTED, named, "", "the device has no row of that name for this primitive");
}

static int chosen_rows(const struct declared *d)
{
    int count = 0;
    for (uint32_t i = 0; i < d->rows.count; i++)
        count += (d->rows.of[i].flags & SEGUE_ROW_CHOSEN) && (d->rows.of[i].flags & SEGUE_ROW_ACCEPTS);
    return count;
}

/* Our own arithmetic, before anything is asked for. */
static int is_too_large(const struct job *j, uint64_t *bytes)
{
    *bytes = image_bytes(&j->study.call, 0);
    return !lab_has_room(&j->lab->device, *bytes);
}

/* The device is there, and the case names a valid call: the reference may be asked. */
static int is_valid(struct job *j)
{
    segue_device *dev = j->lab->device.handle;
    segue_support_facts *support = &j->said->support;
    segue_diag diag = { 0 };
    support->size = sizeof *support;
    const segue_status lost = segue_device_status(dev, &diag);
    const segue_status status = lost ? lost : segue_support(dev, j->c->op, support, &diag);
    if (lost) conclude(j, STATUS_DEVICE_LOST, "", "", "%s", diag.text);
    else if (status)
        conclude(j, STATUS_FAIL, "", "status:support", "segue_support: %s: %s", segue_status_name(status),
                 diag.text);
    else if (support->reasons & SEGUE_REASON_INVALID)
        conclude(j, STATUS_HARNESS_ERROR, "", "", "the descriptor names no valid call: %s", support->text);
    else return 1;
    return 0;
}

static void judge_case(struct job *j, const char *row)
{
    struct declared *d = j->said;
    uint64_t bytes;
    d->explained = lab_explain(&j->lab->device, op_of(j), &d->rows, &d->diag);
    if (is_too_large(j, &bytes))
        conclude(j, STATUS_SKIP_RESOURCE, "", "", "%" PRIu64 " bytes of device memory, more than there is",
                 bytes);
    else if (d->support.verdict != SEGUE_SUPPORT_YES && !chosen_rows(d)) check_refusal(j);
    else if (d->support.verdict != SEGUE_SUPPORT_YES)
        conclude(j, STATUS_UNDECLARED, "", "status:support",
                 "segue_support says no (%s), segue_explain knows a row that accepts", d->support.text);
    else {
        if (chosen_rows(d) != 1 && d->rows.count)
            conclude(j, STATUS_FAIL, "", "status:explain",
                     "segue_explain marks %d rows as chosen, wanted one that accepts", chosen_rows(d));
        visit_rows(j, row);
    }
}

void check_case(struct lab *l, const struct test_case *c, const char *row, result_sink sink, void *user)
{
    struct job j = { .lab = l, .c = c, .sink = sink, .user = user };
    char why[DESCRIPTOR_WHY] = "";
    j.said = calloc(1, sizeof *j.said);
    if (!j.said) conclude(&j, STATUS_HARNESS_ERROR, "", "", "no memory");
    else if (is_valid(&j)) {
        if (study_make(&j.study, l, c, why)) conclude(&j, STATUS_HARNESS_ERROR, "", "", "%s", why);
        else judge_case(&j, row);
    }
    study_free(&j.study);
    free(j.said);
}
