/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Answers against each other and against the gauge. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "exam.h"
#include "faults.h"
#include "pattern.h"

struct map map_all(void)
{
    struct map m;
    for (int i = 0; i < 26; i++) m.axis[i] = (struct window){ 0, INT64_MAX, 0, 1 };
    return m;
}

struct window *map_axis(struct map *m, char letter)
{
    return &m->axis[letter - 'a'];
}

void map_tokens(struct map *m, const struct call *c, struct window w)
{
    for (int i = 0; i < 26; i++)
        if (c->as_long >> i & 1) m->axis[i] = w;
}

const struct bounds *unless_declared(const struct exam *e, uint32_t flags, const struct bounds *otherwise)
{
    return (e->row.determinism & flags) == flags ? NULL : otherwise;
}

/* The letters of an operand's axes; 0 where it is none. */
static void letters_of(const segue_field_facts *f, char letters[SEGUE_MAX_RANK])
{
    int i = 0;
    for (const char *at = f->dims; *at && i < SEGUE_MAX_RANK;
         i++, at += strcspn(at, " "), at += strspn(at, " "))
        letters[i] = *at >= 'a' && *at <= 'z' ? *at : 0;
}

/* The element of the case that an element of the call is; -1 = none. */
static int64_t element_of_case(const struct map *m, const char *letters, const struct walk *w,
                               const segue_tensor *whole)
{
    int64_t at = 0;
    for (int axis = 0; axis < whole->rank; axis++) {
        int64_t i = w->index[axis];
        if (letters[axis]) {
            const struct window *v = &m->axis[letters[axis] - 'a'];
            if (i < v->low || i >= v->high) return -1;
            i = v->first + v->step * (i - v->low);
        }
        if (i < 0 || i >= whole->shape[axis]) return -1;
        at = at * whole->shape[axis] + i;
    }
    return at;
}

static void locate(struct finding *f, const struct operand *o, int64_t at)
{
    snprintf(f->operand, sizeof f->operand, "%s", o->facts->name);
    f->rank = o->view.rank;
    index_of(&o->view, at, f->index);
}

static int same_bits(const unsigned char *x, const unsigned char *y, size_t size, double a, double b)
{
    return !memcmp(x, y, size) || (isnan(a) && isnan(b)); /* which NaN, nobody promises */
}

struct tally {                /* of one operand */
    unsigned char *bad, *all; /* [count of the case's operand] */
    int64_t worst, at;        /* elements of the call and of the case; -1 = none is bad */
    double ratio;
};

/* Answers may differ where roundings decide what was chosen, and in what follows from that. */
static int is_contested(struct exam *e, const struct bounds *bounds, uint32_t i, int64_t at)
{
    char why[DESCRIPTOR_WHY];
    const struct bounds *open = study_bounds_open(e->study, bounds->accuracy, why);
    if (!open) exam_break(e, "%s", why);
    return open && open->open && open->of[i].sigma[at] == INFINITY;
}

static void compare_operand(struct exam *e, const struct call *c, uint32_t i, const struct answer *a,
                            const struct map *m, const struct comparison *how, struct tally *t)
{
    const struct call *whole = &e->study->call;
    const struct operand *o = &c->operands[i];
    const size_t size = o->view.dtype.bits / 8;
    char letters[SEGUE_MAX_RANK];
    letters_of(o->facts, letters);
    for (struct walk w = walk_from(&o->view); w.i < o->count; walk_on(&w)) {
        const int64_t at = element_of_case(m, letters, &w, &whole->operands[i].view);
        if (at < 0 || !(whole->touched[i][at] & GAUGE_WRITTEN) || !(c->touched[i][w.i] & GAUGE_WRITTEN))
            continue;
        if (how->only_unmarked && c->marked[i][w.i]) continue;
        const double x = a->value[i][w.i], y = e->base.value[i][at];
        const struct bound *b = &e->bounds->of[i];
        t->all[at] = 1;
        if (how->bounds
                ? bound_agrees(&how->bounds->of[i], at, x, y)
                : same_bits(a->bytes[i] + (size_t)w.i * size, e->base.bytes[i] + (size_t)at * size, size, x, y))
            continue;
        if (how->bounds && is_contested(e, how->bounds, i, at)) continue;
        const double allowed = how->bounds ? 2 * bound_of(&how->bounds->of[i], at) : bound_of(b, at);
        const double off = fabs(x - y), ratio = isnan(off) || (off > 0 && !(allowed > 0)) ? INFINITY
                                                : off > 0                                 ? off / allowed
                                                                                          : 0;
        t->bad[at] = 1;
        if (t->worst < 0 || ratio > t->ratio) t->worst = w.i, t->at = at, t->ratio = ratio;
    }
}

static void note_difference(struct exam *e, uint32_t i, const struct answer *a, const struct comparison *how,
                            const struct tally *t)
{
    const struct operand *o = &e->study->call.operands[i];
    struct finding *f = exam_fail(e, how->kind, how->check, "%s: %s", how->words,
                                  how->bounds ? "differs by more than twice the bound" : "other bits");
    locate(f, o, t->at);
    f->got = a->value[i][t->worst];
    f->want = e->base.value[i][t->at];
    f->ratio = t->ratio;
    pattern_print(f->pattern, sizeof f->pattern, o->facts, &o->view, t->bad, t->all);
}

int exam_compare(struct exam *e, const struct call *c, const struct answer *a, const struct map *m,
                 const struct comparison *how)
{
    int agrees = 1;
    exam_ran(e, how->kind);
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &e->study->call.operands[i];
        struct tally t = { .worst = -1 };
        if (!a->value[i] || !e->base.value[i] || c->operands[i].view.dtype.bits != o->view.dtype.bits) continue;
        t.bad = calloc((size_t)o->count, 1), t.all = calloc((size_t)o->count, 1);
        if (t.bad && t.all) compare_operand(e, c, i, a, m, how, &t);
        else exam_break(e, "no memory");
        if (t.worst >= 0) note_difference(e, i, a, how, &t), agrees = 0;
        free(t.bad);
        free(t.all);
    }
    return agrees;
}

/* ---- against the gauge ---------------------------------------------------------------------------- */

static void note_verdict(struct exam *e, uint32_t i, const double *got, const struct verdict *v,
                         const char *words)
{
    static const struct {
        const char *rule, *words;
        size_t value;
        double limit;
    } aggregates[] = { { "rms", "the RMS of all errors", offsetof(struct verdict, rms), JUDGE_MOST_RMS },
                       { "scale", "the error along the answer, as of a wrong factor,",
                         offsetof(struct verdict, scale), JUDGE_MOST_SCALE },
                       { "sign", "the error along the signs, as of truncation,", offsetof(struct verdict, sign),
                         JUDGE_MOST_SIGN } };
    const struct operand *o = &e->study->call.operands[i];
    const struct bound *b = &e->bounds->of[i];
    const enum check kind = is_state(o) ? CHECK_STATE : CHECK_VALUE;
    struct finding *f = exam_fail(e, kind, check_name(kind), "%s%s", words, "over the bound of its element");
    unsigned char *bad = calloc((size_t)o->count, 1);
    for (size_t k = 0; k < sizeof aggregates / sizeof *aggregates; k++) {
        if (!v->rule || strcmp(v->rule, aggregates[k].rule)) continue;
        snprintf(f->why, sizeof f->why, "%s%s is %.3g of its spread, wanted at most %.2g", words,
                 aggregates[k].words, *(const double *)(const void *)((const char *)v + aggregates[k].value),
                 aggregates[k].limit);
    }
    if (v->at >= 0) {
        locate(f, o, v->at);
        f->got = got[v->at], f->want = b->value[v->at], f->ratio = v->ratio;
    }
    for (int64_t k = 0; bad && k < o->count; k++) bad[k] = b->written[k] && !bound_holds(b, k, got[k]);
    if (bad) pattern_print(f->pattern, sizeof f->pattern, o->facts, &o->view, bad, b->written);
    free(bad);
    const double start = milliseconds();
    if (!f->fault[0]) snprintf(f->fault, sizeof f->fault, "%s", fault_nearest(e->study->c, i, b, got));
    e->study->aside += milliseconds() - start;
}

static int judge_all(struct exam *e, const struct answer *a, const char *words, int quiet)
{
    int right = 1;
    for (uint32_t i = 0; i < e->study->c->primitive->field_count; i++) {
        struct verdict v;
        if (!e->bounds->has[i]) continue;
        if (!quiet) exam_ran(e, is_state(&e->study->call.operands[i]) ? CHECK_STATE : CHECK_VALUE);
        if (!a->value[i]) continue;
        judge(&e->bounds->of[i], a->value[i], &v);
        right &= v.ok;
        if (quiet) continue;
        e->r.margin = fmax(e->r.margin, v.margin);
        if (isfinite(v.sigmas) && v.sigmas > e->r.sigmas) e->r.sigmas = v.sigmas;
        if (!v.ok) note_verdict(e, i, a->value[i], &v, words);
    }
    return right;
}

int exam_judge(struct exam *e, const struct answer *a, const char *words, int quiet)
{
    char why[DESCRIPTOR_WHY];
    const struct bounds *usual = e->bounds;
    if (!(e->bounds = study_bounds_at(e->study, e->row.accuracy, a, why))) exam_break(e, "%s", why);
    const int right = e->bounds && judge_all(e, a, words, quiet);
    if (!e->bounds || a != &e->base) e->bounds = usual;
    return right;
}
