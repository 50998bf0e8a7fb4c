/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A captured call on one device. Each row runs it twice: as it was, then with other contents of outputs and workspace, with
 * NaN in inputs that the reference does not read, and elsewhere in memory. Both answers are judged by the gauge, and every
 * byte around them must be as before. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../checks/exam.h"
#include "../checks/pattern.h"
#include "replay.h"

struct desk { /* what all rows of a call share */
    struct lab *lab;
    const struct replay_file *file;
    const struct replay_listener *to;
    struct call call;
    int looked; /* call_look() was made */
    struct {    /* what a correct kernel of a class may answer, that has chosen these integers */
        uint32_t accuracy;
        int made;
        struct bound of[DESCRIPTOR_FIELDS];
        int32_t *chosen[DESCRIPTOR_FIELDS];
    } bounds;
};

static const struct style styles[] = {
    { .guard = 1, .pattern = 2, .clean = 1, .poison = 0xff },
    { .guard = 2, .pattern = 1, .aligned = 1, .poison = 0x5a, .shift = 256 }
};
enum { STYLES = sizeof styles / sizeof *styles };

/* ---- verdicts ------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void conclude(struct result *r, enum status status,
                                                           const char *format, ...)
{
    va_list list;
    r->status = status;
    va_start(list, format);
    vsnprintf(r->why, sizeof r->why, format, list);
    va_end(list);
}

__attribute__((format(printf, 4, 5))) static void conclude_all(const struct desk *k, enum status status,
                                                               const char *row, const char *format, ...)
{
    struct result r = { .status = status };
    va_list list;
    snprintf(r.row, sizeof r.row, "%s", row);
    va_start(list, format);
    vsnprintf(r.why, sizeof r.why, format, list);
    va_end(list);
    k->to->result(k->to->user, &r);
}

static int goes_on(const struct result *r)
{
    return r->status == STATUS_PASS;
}

static void failed_call(struct result *r, const char *what, segue_status status, const segue_diag *diag)
{
    conclude(r, status == SEGUE_ERROR_DEVICE_LOST ? STATUS_DEVICE_LOST : STATUS_FAIL, "%s failed: %s: %.300s",
             what, segue_status_name(status), diag->text[0] ? diag->text : "without words");
    snprintf(r->check, sizeof r->check, "status:call");
    r->failed |= CHECK_STATUS;
}

/* ---- the reference -------------------------------------------------------------------------------------- */

static int look(struct desk *k)
{
    if (k->looked) return 0;
    k->to->reference(k->to->user, 1);
    const int result = call_look(&k->call);
    k->to->reference(k->to->user, 0);
    k->looked = !result;
    return result;
}

static void free_bounds(struct desk *k)
{
    for (int i = 0; i < DESCRIPTOR_FIELDS; i++) {
        bound_free(&k->bounds.of[i]);
        free(k->bounds.chosen[i]);
    }
    memset(&k->bounds, 0, sizeof k->bounds);
}

/* An element of an integer output as the kernel left it; where the reference writes nothing, 0. */
static int32_t chosen(const struct desk *k, const struct answer *a, uint32_t field, int64_t i)
{
    int32_t x = 0;
    if (k->call.touched[field][i] & GAUGE_WRITTEN) memcpy(&x, a->bytes[field] + (size_t)i * sizeof x, sizeof x);
    return x;
}

static int is_choice(const struct operand *o)
{
    return is_output(o) && !is_floating(o);
}

static int same_choices(const struct desk *k, const struct answer *a)
{
    for (uint32_t f = 0; f < k->call.primitive->field_count; f++)
        for (int64_t i = 0; is_choice(&k->call.operands[f]) && i < k->call.operands[f].count; i++)
            if (k->bounds.chosen[f][i] != chosen(k, a, f, i)) return 0;
    return 1;
}

static int tell_choices(struct desk *k, const struct answer *a, struct call_numbers *n)
{
    for (uint32_t f = 0; f < k->call.primitive->field_count; f++) {
        const struct operand *o = &k->call.operands[f];
        if (!is_choice(o)) continue;
        if (!(k->bounds.chosen[f] = malloc((size_t)(o->count + 1) * sizeof **k->bounds.chosen))) return -2;
        for (int64_t i = 0; i < o->count; i++) k->bounds.chosen[f][i] = chosen(k, a, f, i);
        if (gauge_answer(n->of[f], k->bounds.chosen[f])) return -2;
    }
    return 0;
}

/* For rows of that class, and for what the kernel chose where roundings decide. 0, or as gauge_run(). */
static int make_bounds(struct desk *k, uint32_t accuracy, const struct answer *a)
{
    const struct call *c = &k->call;
    struct call_numbers n;
    if (k->bounds.made && k->bounds.accuracy == accuracy && same_choices(k, a)) return 0;
    free_bounds(k);
    k->to->reference(k->to->user, 1);
    int result = call_numbers(c, GAUGE_ROUNDINGS, &n) ? -2 : tell_choices(k, a, &n);
    if (!result) result = gauge_run(n.op, GAUGE_ROUNDINGS, accuracy);
    for (uint32_t i = 0; !result && i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        if (is_output(o) &&
            bound_make(&k->bounds.of[i], n.of[i], o->count, segue_dtype_id(o->view.dtype), accuracy, 0))
            result = -2;
    }
    call_numbers_free(&n);
    k->to->reference(k->to->user, 0);
    k->bounds.accuracy = accuracy, k->bounds.made = !result;
    return result;
}

static void conclude_reference(const struct desk *k, struct result *r, int code)
{
    if (code == -1)
        conclude(r, STATUS_HARNESS_ERROR, "the suite was built without a reference of %s",
                 k->file->primitive->name);
    else conclude(r, STATUS_SKIP_RESOURCE, "the reference and its gauge take more memory than there is");
}

/* ---- one answer ----------------------------------------------------------------------------------------- */

static void blame_operand(const struct desk *k, uint32_t i, const double *got, const struct verdict *v,
                          const char *words, struct result *r)
{
    const struct operand *o = &k->call.operands[i];
    const struct bound *b = &k->bounds.of[i];
    const enum check kind = is_state(o) ? CHECK_STATE : CHECK_VALUE;
    unsigned char *bad = malloc((size_t)b->count + 1);
    const int element = !strcmp(v->rule, "element");
    if (element) conclude(r, STATUS_FAIL, "%sover the bound of its element", words);
    else
        conclude(r, STATUS_FAIL, "%sthe %s of all errors is %.3g times what correct kernels have at most",
                 words, v->rule, v->margin);
    snprintf(r->check, sizeof r->check, "%s", check_name(kind));
    snprintf(r->operand, sizeof r->operand, "%s", o->facts->name);
    r->failed |= kind;
    if (v->at >= 0) {
        r->rank = o->view.rank;
        index_of(&o->view, v->at, r->index);
        r->got = got[v->at], r->want = b->value[v->at], r->ratio = v->ratio;
    }
    for (int64_t e = 0; bad && e < b->count; e++) bad[e] = b->written[e] && !bound_holds(b, e, got[e]);
    if (bad && element) pattern_print(r->pattern, sizeof r->pattern, o->facts, &o->view, bad, b->written);
    free(bad);
}

/* What a case of the suite must be fit for, a real call may not be: then it proves nothing, and says so. */
static void check_worth(const struct desk *k, struct result *r)
{
    for (uint32_t i = 0; goes_on(r) && i < k->call.primitive->field_count; i++) {
        const struct bound *b = &k->bounds.of[i];
        if (!is_output(&k->call.operands[i]) || !bound_is_vacuous(b)) continue;
        conclude(r, STATUS_VACUOUS,
                 "not wrong, but proves nothing: of %" PRId64 " elements of %s roundings leave %" PRId64
                 " undecided, and of %" PRId64 " too large a share open",
                 b->used + b->undecidable, k->call.primitive->fields[i].name, b->undecidable, b->noisy);
    }
}

static void judge_answer(struct desk *k, const struct answer *a, const char *words, struct result *r)
{
    const int code = make_bounds(k, r->accuracy, a);
    if (code) {
        conclude_reference(k, r, code);
        return;
    }
    for (uint32_t i = 0; i < k->call.primitive->field_count; i++) {
        const struct operand *o = &k->call.operands[i];
        struct verdict v;
        if (!is_output(o)) continue;
        r->ran |= is_state(o) ? CHECK_STATE : CHECK_VALUE;
        if (!a->value[i]) continue;
        judge(&k->bounds.of[i], a->value[i], &v);
        r->margin = fmax(r->margin, v.margin);
        if (isfinite(v.sigmas)) r->sigmas = fmax(r->sigmas, v.sigmas);
        if (!v.ok && goes_on(r)) blame_operand(k, i, a->value[i], &v, words, r);
    }
}

static void judge_guards(struct image *m, const char *words, struct result *r)
{
    struct damage d;
    r->ran |= CHECK_GUARD;
    if (!image_damage(m, 0, &d) || !goes_on(r)) return;
    conclude(r, STATUS_FAIL, "%s%" PRIu64 " byte%s changed that nobody may write, the first: %s", words,
             d.bytes, d.bytes == 1 ? "" : "s", d.where);
    snprintf(r->check, sizeof r->check, "guard");
    r->failed |= CHECK_GUARD;
}

/* ---- one row -------------------------------------------------------------------------------------------- */

static void launch(struct image *m, segue_plan *plan, struct result *r)
{
    const struct lab_device *d = m->device;
    segue_diag diag = { 0 };
    segue_status status = image_upload(m);
    if (status) {
        failed_call(r, "copying operands", status, &m->diag);
        return;
    }
    status = segue_plan_run(plan, m->op, d->stream, image_workspace(m), &diag);
    if (!status) status = segue_stream_sync(d->handle, d->stream, &diag);
    if (status) failed_call(r, "running", status, &diag);
    else if ((status = image_download(m))) failed_call(r, "copying answers", status, &m->diag);
}

/* Runs it in that style, and judges. words: of a failure, in front. */
static void run_once(struct desk *k, segue_plan *plan, const segue_plan_facts *facts, const struct style *style,
                     const char *words, struct result *r)
{
    const struct lab_device *d = &k->lab->device;
    struct image m = { 0 };
    struct answer a = { { NULL }, { NULL } };
    if (!lab_has_room(d, image_bytes(&k->call, facts->workspace_bytes))) {
        conclude(r, STATUS_SKIP_RESOURCE, "%" PRIu64 " bytes of device memory, more than there is",
                 image_bytes(&k->call, facts->workspace_bytes));
        return;
    }
    const int made =
        image_make(&m, NULL, d, &k->call, facts->workspace_bytes, facts->workspace_alignment, style);
    if (made == -1) conclude(r, STATUS_SKIP_RESOURCE, "no memory for a copy of the device's");
    else if (made) failed_call(r, "segue_memory_alloc", m.diag.code, &m.diag);
    else launch(&m, plan, r);
    if (goes_on(r) && answer_read(&m, &a)) conclude(r, STATUS_SKIP_RESOURCE, "no memory for an answer");
    if (goes_on(r)) judge_answer(k, &a, words, r);
    if (m.after && r->ran & (CHECK_VALUE | CHECK_STATE)) judge_guards(&m, words, r);
    answer_free(&a);
    image_free(&m);
}

static void run_row(struct desk *k, segue_plan *plan, struct result *r)
{
    segue_plan_facts facts = { .size = sizeof facts };
    segue_diag diag = { 0 };
    const segue_status status = segue_plan_info(plan, &facts, &diag);
    if (status) {
        failed_call(r, "segue_plan_info", status, &diag);
        return;
    }
    r->accuracy = facts.accuracy;
    for (int i = 0; i < STYLES && goes_on(r); i++)
        run_once(k, plan, &facts, &styles[i],
                 i ? "with other contents of outputs, workspace and what is not read: " : "", r);
    r->ran |= CHECK_POISON;
    if (goes_on(r)) check_worth(k, r);
    if (goes_on(r) && r->margin > 0.5) r->status = STATUS_PASS_MARGIN;
}

/* 0 = this process is no good for another one. */
static int judge_row(struct desk *k, const segue_row_facts *row)
{
    const double start = milliseconds();
    struct result r = { .status = STATUS_PASS };
    segue_diag diag = { 0 };
    segue_plan *plan = NULL;
    snprintf(r.row, sizeof r.row, "%s", row->name);
    const segue_status status =
        segue_plan_create_row(k->lab->device.handle, k->file->planned, row->name, &plan, &diag);
    if (status) failed_call(&r, "planning", status, &diag);
    else run_row(k, plan, &r);
    segue_plan_destroy(plan);
    if (segue_device_status(k->lab->device.handle, &diag))
        conclude(&r, STATUS_DEVICE_LOST, "%.300s", diag.text);
    r.ms = milliseconds() - start;
    k->to->result(k->to->user, &r);
    return r.status != STATUS_DEVICE_LOST;
}

static void judge_rows(struct desk *k, const struct lab_rows *rows, const char *named)
{
    int run = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        const segue_row_facts *row = &rows->of[i];
        if (named && strcmp(row->name, named)) continue;
        if (!(row->flags & SEGUE_ROW_ACCEPTS)) {
            if (named) conclude_all(k, STATUS_UNSUPPORTED, named, "%s", row->reason), run++;
            continue;
        }
        run++;
        if (row->flags & SEGUE_ROW_DELEGATED)
            conclude_all(k, STATUS_DELEGATED, row->name, "the reference computes");
        else if (!judge_row(k, row)) return;
    }
    if (!run)
        conclude_all(k, named ? STATUS_UNSUPPORTED : STATUS_MISSING, named ? named : "",
                     named ? "the device has no such row for %s"
                           : "%s: it says yes, and has no row that accepts",
                     k->file->primitive->name);
}

/* ---- a call --------------------------------------------------------------------------------------------- */

/* Whether the op is a valid call, and the device takes it. */
static int is_taken(struct desk *k)
{
    const struct replay_file *f = k->file;
    const segue_op_header *const ops[] = { f->op, f->planned };
    for (int i = 0; i < 2; i++) {
        segue_support_facts support = { .size = sizeof support };
        segue_diag diag = { 0 };
        const segue_status status = segue_support(k->lab->device.handle, ops[i], &support, &diag);
        if (status)
            conclude_all(k, STATUS_FAIL, "", "segue_support: %s: %.300s", segue_status_name(status), diag.text);
        else if (support.reasons & SEGUE_REASON_INVALID)
            conclude_all(k, STATUS_HARNESS_ERROR, "", "the file holds no valid %s: %s", i ? "plan" : "call",
                         support.text);
        else if (i && support.verdict != SEGUE_SUPPORT_YES)
            conclude_all(k, STATUS_UNSUPPORTED, "", "%s", support.text);
        else continue;
        return 0;
    }
    return 1;
}

static void judge_call(struct desk *k, const char *row)
{
    segue_diag diag = { 0 };
    struct result r = { .status = STATUS_PASS };
    struct lab_rows *rows = malloc(sizeof *rows);
    const int code = rows ? look(k) : -2;
    if (code) {
        conclude_reference(k, &r, code);
        k->to->result(k->to->user, &r);
    } else if (lab_explain(&k->lab->device, k->file->planned, rows, &diag)) {
        failed_call(&r, "segue_explain", diag.code, &diag);
        k->to->result(k->to->user, &r);
    } else judge_rows(k, rows, row);
    free(rows);
}

void replay_judge(struct lab *l, const struct replay_file *f, const char *row, double memory,
                  const struct replay_listener *to)
{
    struct desk *k = calloc(1, sizeof *k);
    if (!k) return;
    k->lab = l, k->file = f, k->to = to;
    if (is_taken(k)) {
        if (memory > 0 && f->need > memory)
            conclude_all(k, STATUS_SKIP_RESOURCE, "",
                         "the reference and its gauge take about %.0f MiB, given %.0f", f->need / 0x1p20,
                         memory / 0x1p20);
        else if (replay_call(f, &k->call))
            conclude_all(k, STATUS_SKIP_RESOURCE, "", "no memory for the call's values");
        else judge_call(k, row);
    }
    free_bounds(k);
    call_free(&k->call);
    free(k);
}
