/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plan knows the form of a call, not its operands: other values, and other addresses, must be seen. */
#include <math.h>
#include <stdio.h>

#include "identity.h"

enum {
    ELSEWHERE = 12 << 10
}; /* bytes that a call is moved by; a multiple of every alignment that a kernel looks at */

/* ---- is it worth a gauge? --------------------------------------------------------------------------- */

/* The RMS of an answer's error over that of the answer; infinite where one of both is no number. */
static double error_of(const struct call *c, uint32_t i, const struct answer *a)
{
    double error = 0, size = 0;
    for (int64_t k = 0; k < c->operands[i].count; k++) {
        const double want = c->wanted[i][k], got = a->value[i][k];
        if (!(c->touched[i][k] & GAUGE_WRITTEN)) continue;
        if (isfinite(want) != isfinite(got)) return INFINITY;
        if (!isfinite(want)) continue;
        error += (got - want) * (got - want), size += want * want;
    }
    return error > 0 ? sqrt(error / size) : 0;
}

/* A gauge takes longer than all runs together. It is only made when an answer to the other call is off by more than
 * four times what the judged answer to the case is: stale values are off by as much as they are large. */
static int is_suspicious(const struct exam *e, const struct answer *usual, const struct study *other,
                         const struct answer *a)
{
    for (uint32_t i = 0; i < other->call.primitive->field_count; i++) {
        if (!a->value[i] || !usual->value[i]) continue;
        if (!(error_of(&other->call, i, a) <= 4 * error_of(&e->study->call, i, usual))) return 1;
    }
    return 0;
}

int answers_equal(const struct call *c, const struct answer *x, const struct answer *y)
{
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        if (!x->bytes[i] != !y->bytes[i]) return 0;
        if (x->bytes[i] && memcmp(x->bytes[i], y->bytes[i], (size_t)o->count * (o->view.dtype.bits / 8)))
            return 0;
    }
    return 1;
}

/* ---- the other call ---------------------------------------------------------------------------------- */

void settle_other(struct exam *e, const struct answer *a, const struct comparison *how)
{
    struct study *own = e->study, *other = own->other;
    const struct bounds *bounds = e->bounds;
    const struct answer base = e->base;
    const struct map all = map_all();
    struct comparison it = *how;
    char words[120], why[DESCRIPTOR_WHY];
    exam_ran(e, CHECK_IDENTITY);
    if (answers_equal(&other->call, a, &e->other) && !is_suspicious(e, &base, other, a)) return;
    snprintf(words, sizeof words, "%s: ", how->words);
    e->study = other, e->base = e->other;
    if (!(e->bounds = study_bounds(other, e->row.accuracy, why))) exam_break(e, "%s: %s", how->check, why);
    else {
        it.bounds = unless_declared(e, SEGUE_RUN_TO_RUN, e->bounds);
        exam_judge(e, &e->base, "other values: ", 0);
        exam_judge(e, a, words, 0);
        exam_compare(e, &other->call, a, &all, &it);
    }
    e->study = own, e->bounds = bounds, e->base = base;
    own->aside += other->aside, other->aside = 0;
}

/* ---- replan ------------------------------------------------------------------------------------------ */

/* The other call under a fresh plan and under the case's. */
static void run_other(struct exam *e, const char *check)
{
    struct study *own = e->study, *other = own->other;
    struct style style = study_style(own);
    struct answer kept;
    style.shift = ELSEWHERE;
    const struct setting anew = { .check = check },
                         again = { .check = check, .plan = e->plan, .style = &style };
    const struct comparison how = { .kind = CHECK_IDENTITY,
                                    .check = check,
                                    .words = "other values under the plan that has run the case" };
    e->study = other;
    e->has_other = exam_run(e, &other->call, &anew, &e->other) == 1;
    const int both = e->has_other && exam_run(e, &other->call, &again, &kept) == 1;
    spare_free(&other->spare);
    e->study = own;
    if (!both) return;
    settle_other(e, &kept, &how);
    answer_free(&kept);
}

/* The case itself once more, after the plan has seen another call, and elsewhere. */
static void run_moved(struct exam *e, const char *check)
{
    struct style style = study_style(e->study);
    struct answer a;
    const struct map all = map_all();
    style.shift = 2 * ELSEWHERE;
    const struct setting s = { .check = check, .plan = e->plan, .style = &style };
    const struct comparison how = { .kind = CHECK_IDENTITY,
                                    .check = check,
                                    .words = "at other addresses, after the plan has run other values",
                                    .bounds = unless_declared(e, SEGUE_RUN_TO_RUN, e->bounds) };
    if (exam_run(e, &e->study->call, &s, &a) != 1) return;
    if (!exam_compare(e, &e->study->call, &a, &all, &how)) exam_judge(e, &a, "at other addresses: ", 0);
    answer_free(&a);
}

void identity_replan(struct exam *e, const char *check)
{
    char why[DESCRIPTOR_WHY] = "";
    spare_free(&e->study->spare); /* two large ones may be more than there is */
    if (study_other(e->study, why)) exam_break(e, "%s: %s", check, why);
    if (exam_goes_on(e)) run_other(e, check);
    if (exam_goes_on(e)) run_moved(e, check);
}
