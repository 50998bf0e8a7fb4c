/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The case as it is, run six times: values, states, poison, and whether the same call gives the same bits. */
#include <math.h>
#include <stdio.h>

#include "exam.h"

enum { REPEATS = 3 };

static struct setting again(const struct exam *e, const char *check, const struct style *style)
{
    return (struct setting){ .check = check, .plan = e->plan, .style = style };
}

/* 1 = the call has elements of inputs that the reference does not read; runs fill them with NaN. */
static int has_unread(const struct call *c)
{
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        for (int64_t k = 0; o->value && k < o->count; k++)
            if (!(c->touched[i][k] & GAUGE_READ)) return 1;
    }
    return 0;
}

/* A wrong answer that is right when those inputs keep their values: they reached it. */
static void blame_unread(struct exam *e)
{
    const struct call *c = &e->study->call;
    struct style style = study_style(e->study);
    struct answer a;
    style.clean = 1;
    const struct setting s = again(e, "poison", &style);
    if (!has_unread(c)) return;
    exam_ran(e, CHECK_POISON);
    if (exam_run(e, c, &s, &a) != 1) return;
    if (exam_judge(e, &a, "", 1))
        exam_fail(
            e, CHECK_POISON, "poison",
            "the answer is wrong when inputs that the reference does not read are NaN, and right otherwise: they must "
            "not reach it");
    answer_free(&a);
}

static int is_filled(const unsigned char *bytes, size_t size, unsigned char with)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != with) return 0;
    return 1;
}

/* Elements that hold the poison of either run: nobody wrote them. */
static void find_unwritten(struct exam *e, const struct answer *second, unsigned char first_poison,
                           unsigned char poison)
{
    const struct call *c = &e->study->call;
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        const size_t size = o->view.dtype.bits / 8;
        for (int64_t k = 0; second->bytes[i] && k < o->count; k++) {
            const unsigned char *x = e->base.bytes[i] + (size_t)k * size,
                                *y = second->bytes[i] + (size_t)k * size;
            if (!(c->touched[i][k] & GAUGE_WRITTEN) || !is_filled(x, size, first_poison) ||
                !is_filled(y, size, poison))
                continue;
            struct finding *f = exam_fail(e, CHECK_POISON, "poison",
                                          "the element is never written: it holds what was there "
                                          "before the run");
            snprintf(f->operand, sizeof f->operand, "%s", o->facts->name);
            f->rank = o->view.rank;
            index_of(&o->view, k, f->index);
            f->got = e->base.value[i][k], f->want = c->wanted[i][k];
            break;
        }
    }
}

/* Other contents of outputs and workspace must not be seen. */
static void check_poison(struct exam *e, int repeats_differ)
{
    const struct call *c = &e->study->call;
    struct style style = study_style(e->study);
    const unsigned char first = style.poison;
    struct answer second;
    style.poison = study_poison(e->study, 0);
    const struct setting s = again(e, "poison", &style);
    const struct map all = map_all();
    if (!exam_goes_on(e) || exam_run(e, c, &s, &second) != 1) return;
    exam_ran(e, CHECK_POISON);
    find_unwritten(e, &second, first, s.style->poison);
    const int bits = !repeats_differ && !unless_declared(e, SEGUE_RUN_TO_RUN, e->bounds);
    char words[80];
    snprintf(words, sizeof words, "outputs and workspace were filled with 0x%02x instead of 0x%02x",
             style.poison, first);
    const struct comparison how = {
        .kind = CHECK_POISON, .check = "poison", .words = words, .bounds = bits ? NULL : e->bounds
    };
    exam_compare(e, c, &second, &all, &how);
    answer_free(&second);
}

/* By bits where they are declared, and by value. 1 = a repeated run had other bits and must not have. */
static int check_repeats(struct exam *e)
{
    const struct map all = map_all();
    const struct setting s = again(e, "identity:repeat", NULL);
    const struct bounds *bounds = unless_declared(e, SEGUE_RUN_TO_RUN, e->bounds);
    int differ = 0;
    for (int i = 0; i < REPEATS && exam_goes_on(e) && !differ; i++) {
        struct answer a;
        const struct comparison how = { .kind = CHECK_IDENTITY,
                                        .check = "identity:repeat",
                                        .words = bounds ? "the same call again"
                                                        : "the same call again, and the row declares "
                                                          "SEGUE_RUN_TO_RUN",
                                        .bounds = bounds };
        if (exam_run(e, &e->study->call, &s, &a) != 1) return differ;
        differ = !exam_compare(e, &e->study->call, &a, &all, &how) && !bounds;
        if (bounds || differ) exam_judge(e, &a, "run again: ", 0);
        answer_free(&a);
    }
    return differ;
}

void check_values(struct exam *e)
{
    const struct setting s = again(e, "value", NULL);
    if (exam_run(e, &e->study->call, &s, &e->base) != 1) return;
    if (!exam_judge(e, &e->base, "", 0)) blame_unread(e);
    check_poison(e, check_repeats(e));
}
