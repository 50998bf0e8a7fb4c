/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The same call elsewhere: other strides, in place, under a larger plan, without one, on other threads and instructions. */
#include <stdio.h>
#include <stdlib.h>

#include "../grammar/layout.h"
#include "identity.h"

int always(const struct exam *e)
{
    (void)e;
    return 1;
}

void identity_layout(struct exam *e, const char *check)
{
    static const int layouts[] = { LAYOUT_BTD, LAYOUT_PAD3, LAYOUT_BDT, LAYOUT_FLIP };
    struct descriptor d = e->study->c->d;
    const int own = d.layout == LAYOUT_PACKED ? LAYOUT_BTD : d.layout;
    uint32_t pick = e->study->hash / 11 % 4;
    const struct map all = map_all();
    char words[64];
    struct call c;
    if (layouts[pick] == own) pick = (pick + 1) % 4;
    d.layout = layouts[pick];
    snprintf(words, sizeof words, "the same values in layout %s", layout_names[d.layout]);
    const struct comparison how = {
        .kind = CHECK_IDENTITY, .check = check, .words = words, .bounds = e->bounds
    };
    if (call_copy(&c, &e->study->call)) {
        exam_break(e, "%s: no memory", check);
        call_free(&c);
        return;
    }
    for (uint32_t i = 0; i < c.primitive->field_count; i++) {
        struct operand *o = &c.operands[i];
        if (is_floating(o)) o->view = laid_out(&d, i, o->view.rank, o->view.shape);
    }
    run_and_compare(e, &c, &all, &how, NULL);
}

/* ---- in place -------------------------------------------------------------------------------------- */

/* Lays outgoing states over their incoming ones, where both are there, of the same dtype; how many. */
static int lay_over(struct call *c)
{
    const uint32_t count = c->primitive->field_count;
    int found = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t in = state_partner(c->primitive, i);
        if (in == count || !c->operands[i].facts || !c->operands[in].facts || !c->operands[i].count ||
            segue_dtype_id(c->operands[i].view.dtype) != segue_dtype_id(c->operands[in].view.dtype))
            continue;
        c->operands[i].view = c->operands[in].view;
        c->over[i] = (uint8_t)(in + 1);
        found++;
    }
    return found;
}

void identity_in_place(struct exam *e, const char *check)
{
    const struct map all = map_all();
    const struct comparison how = {
        .kind = CHECK_IDENTITY, .check = check, .words = "the states in place", .bounds = e->bounds
    };
    struct call c;
    if (call_copy(&c, &e->study->call)) {
        exam_break(e, "%s: no memory", check);
        call_free(&c);
        return;
    }
    if (lay_over(&c)) run_and_compare(e, &c, &all, &how, NULL);
    else call_free(&c);
}

/* ---- other plans ------------------------------------------------------------------------------------ */

/* What an axis must be a multiple of: a parameter, by a rule such as "t % chunk == 0"; else 1. */
static int64_t unit_of(const struct call *c, char letter)
{
    const segue_primitive_facts *p = c->primitive;
    const char wanted[] = { letter, ' ', '%', ' ', 0 };
    const char *rule = strstr(p->rules, wanted);
    for (uint32_t i = 0; rule && i < p->field_count; i++) {
        const size_t n = strlen(p->fields[i].name);
        int64_t value = 1;
        if (p->fields[i].role != SEGUE_ROLE_INT || strncmp(rule + 4, p->fields[i].name, n) ||
            rule[4 + n] != ' ')
            continue;
        memcpy(&value, (const char *)c->op + p->fields[i].offset, sizeof value);
        return value;
    }
    return 1;
}

static int64_t more_of(const struct call *c, char letter)
{
    const int64_t unit = unit_of(c, letter), few = c->as_long >> (letter - 'a') & 1 ? 3 : 1;
    if (!strchr(c->primitive->dynamic, letter)) return 0;
    if (letter == 'b') return !is_packed(c); /* packed: b is 1 */
    return (few + unit - 1) / unit * unit;
}

/* The call's op with larger dynamic axes; no data. */
static segue_op_header *larger_op(const struct call *c)
{
    segue_op_header *op = malloc(c->primitive->op_size);
    if (!op) return NULL;
    memcpy(op, c->op, c->primitive->op_size);
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        int64_t shape[SEGUE_MAX_RANK] = { 0 };
        if (!o->facts) continue;
        const char *at = o->facts->dims;
        for (int axis = 0; axis < o->view.rank; axis++, at += strcspn(at, " "), at += strspn(at, " "))
            shape[axis] = o->view.shape[axis] + (*at >= 'a' && *at <= 'z' ? more_of(c, *at) : 0);
        *tensor_of(op, o->facts) = segue_tensor_of(NULL, segue_dtype_id(o->view.dtype), o->view.rank, shape);
    }
    return op;
}

void identity_bounds(struct exam *e, const char *check)
{
    struct style style = study_style(e->study);
    segue_op_header *op = larger_op(&e->study->call);
    const struct setting s = { .check = check, .planned = op, .style = &style };
    const struct map all = map_all();
    const struct comparison how = { .kind = CHECK_IDENTITY,
                                    .check = check,
                                    .words = "under a plan for more tokens and sequences",
                                    .bounds = e->bounds };
    struct answer a;
    style.aligned = 1;
    style.poison =
        study_poison(e->study, 1); /* what memory held before is another thing that must not matter */
    if (!op) exam_break(e, "%s: no memory", check);
    else if (exam_run(e, &e->study->call, &s, &a) == 1) {
        exam_judge(e, &a, "under a plan for more tokens and sequences: ", 0);
        exam_compare(e, &e->study->call, &a, &all, &how);
        answer_free(&a);
    }
    free(op);
}

int is_chosen(const struct exam *e)
{
    return (e->row.flags & SEGUE_ROW_CHOSEN) != 0;
}

void identity_segue_run(struct exam *e, const char *check)
{
    const struct setting s = { .check = check, .plan = e->plan, .by_segue_run = 1 };
    const struct map all = map_all();
    const struct comparison how = { .kind = CHECK_IDENTITY,
                                    .check = check,
                                    .words = "by segue_run",
                                    .bounds = unless_declared(e, SEGUE_RUN_TO_RUN, e->bounds) };
    struct answer a;
    if (exam_run(e, &e->study->call, &s, &a) != 1) return;
    exam_compare(e, &e->study->call, &a, &all, &how);
    answer_free(&a);
}

/* ---- variants of the device -------------------------------------------------------------------------- */

int has_variants(const struct exam *e)
{
    return e->lab->variant_count > 0;
}

static int run_on(struct exam *e, const struct lab_device *device, const char *check, struct answer *a)
{
    const struct setting s = { .check = check, .device = device };
    return exam_run(e, &e->study->call, &s, a) == 1;
}

void identity_threads(struct exam *e, const char *check)
{
    const struct map all = map_all();
    for (int i = 0; i < e->lab->variant_count && exam_goes_on(e); i++) {
        const struct lab_device *device = &e->lab->variants[i];
        struct answer a;
        char words[64];
        snprintf(words, sizeof words, "with %s", device->label);
        const struct comparison how = { .kind = CHECK_IDENTITY,
                                        .check = check,
                                        .words = words,
                                        .bounds = unless_declared(e, SEGUE_THREAD_INVARIANT, e->bounds) };
        if (!device->same_bits || !run_on(e, device, check, &a)) continue;
        exam_compare(e, &e->study->call, &a, &all, &how);
        snprintf(words, sizeof words, "with %s: ", device->label);
        exam_judge(e, &a, words, 0);
        answer_free(&a);
    }
}

void identity_isa(struct exam *e, const char *check)
{
    for (int i = 0; i < e->lab->variant_count && exam_goes_on(e); i++) {
        const struct lab_device *device = &e->lab->variants[i];
        struct answer a;
        char words[64];
        if (device->same_bits || !run_on(e, device, check, &a)) continue;
        snprintf(words, sizeof words, "with %s: ", device->label);
        exam_judge(e, &a, words, 0);
        answer_free(&a);
    }
}
