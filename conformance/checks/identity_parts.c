/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Attention over some keys and over the others, each with its own logarithm of a denominator, joined into that over all of
 * them: what split keys, a ring of devices, or rounds of buckets rely on. */
#include <stdlib.h>

#include "../grammar/case_facts.h"
#include "../grammar/dtype.h"
#include "identity.h"

static const struct case_parts *parts_of(const struct call *c)
{
    const struct case_facts *facts = case_facts_of(c->primitive->name);
    return facts ? facts->parts : NULL;
}

int has_parts(const struct exam *e)
{
    const struct call *c = &e->study->call;
    const struct case_parts *parts = parts_of(c);
    return parts && parts->ways(c->op) && call_keys(c) > 1;
}

/* Puts an optional operand in. 0; -1 = no memory. */
static int add(const struct exam *e, struct call *c, uint32_t field)
{
    struct descriptor d = e->study->c->d;
    char why[DESCRIPTOR_WHY];
    if (c->operands[field].facts) return 0;
    d.present[field] = 1;
    segue_op_header *op = descriptor_op(&d, why);
    const int result = op ? call_add(c, field, tensor_of(op, &c->primitive->fields[field])) : -1;
    for (int64_t k = 0; !result && c->operands[field].whole && k < c->operands[field].count; k++)
        c->operands[field].whole[k] = 1;
    free(op);
    return result;
}

/* Answers are joined unrounded: a part may be much larger than what both come to. */
static void widen(struct call *c)
{
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        struct operand *o = &c->operands[i];
        const uint32_t dtype = is_output(o) && is_floating(o) ? segue_dtype_id(o->view.dtype) : SEGUE_F32;
        if (dtype != SEGUE_F16 && dtype != SEGUE_BF16) continue;
        o->view = segue_tensor_of(NULL, SEGUE_F32, o->view.rank, o->view.shape);
        tensor_settle(&o->view);
    }
}

/* Keys below half for the first part, the others for the second. */
static int make_part(const struct exam *e, int way, int second, struct call *c)
{
    const struct call *whole = &e->study->call;
    const struct case_parts *parts = parts_of(whole);
    const uint32_t mask = field_named(whole->primitive, parts->mask);
    const int64_t keys = call_keys(whole), half = keys / 2;
    int result = call_copy(c, whole);
    if (!result) result = add(e, c, field_named(c->primitive, parts->log));
    if (!result && second && parts->once && call_field(c, parts->once) < c->primitive->field_count)
        call_drop(c, call_field(c, parts->once));
    if (!result && way == PARTS_BY_CUT)
        result = call_slice_keys(c, second ? half : 0, second ? keys - half : half);
    if (!result && way == PARTS_BY_MASK && !(result = add(e, c, mask)))
        for (int64_t k = 0; k < c->operands[mask].count; k++)
            if ((k % keys >= half) != second) c->operands[mask].whole[k] = 0;
    if (!result) widen(c);
    return result;
}

/* 1 = there is an answer. */
static int run_part(struct exam *e, const char *check, struct call *c, struct answer *a)
{
    const struct setting s = { .check = check };
    return !exam_prepare(e, c) && exam_run(e, c, &s, a) == 1;
}

/* What is stored in a part is rounded to its dtype. */
static const struct bounds *bounds_of_parts(struct exam *e)
{
    char why[DESCRIPTOR_WHY];
    if (!(e->row.accuracy & SEGUE_ACCURACY_F64)) return e->bounds;
    if (!e->handover && !(e->handover = study_bounds(e->study, SEGUE_ACCURACY_F32, why)))
        exam_break(e, "%s", why);
    return e->handover;
}

static void join(struct exam *e, const char *check, struct call *c, struct answer *first,
                 const struct answer *second)
{
    const struct map all = map_all();
    const struct comparison how = { .kind = CHECK_IDENTITY,
                                    .check = check,
                                    .words = "one half of the keys and the other, joined",
                                    .bounds = bounds_of_parts(e) };
    const double *other[DESCRIPTOR_FIELDS];
    for (int i = 0; i < DESCRIPTOR_FIELDS; i++) other[i] = second->value[i];
    parts_of(c)->join(c->op, first->value, other);
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *own = &e->study->call.operands[i];
        if (!is_output(own)) continue;
        c->operands[i].view = own->view;
        for (int64_t k = 0; first->value[i] && k < own->count; k++)
            first->value[i][k] = dtype_round(segue_dtype_id(own->view.dtype), first->value[i][k]);
    }
    if (exam_goes_on(e)) exam_compare(e, c, first, &all, &how);
}

/* 1 = the row takes such calls. */
static int run_parts(struct exam *e, const char *check, int way)
{
    struct call calls[2];
    struct answer answers[2] = { 0 };
    const int failed = make_part(e, way, 0, &calls[0]) | make_part(e, way, 1, &calls[1]);
    if (failed) exam_break(e, "%s: no memory", check);
    const int ran =
        !failed && run_part(e, check, &calls[0], &answers[0]) && run_part(e, check, &calls[1], &answers[1]);
    if (ran) join(e, check, &calls[0], &answers[0], &answers[1]);
    for (int i = 0; i < 2; i++) answer_free(&answers[i]), call_free(&calls[i]);
    return ran;
}

void identity_parts(struct exam *e, const char *check)
{
    const int ways = parts_of(&e->study->call)->ways(e->study->call.op);
    if (ways & PARTS_BY_MASK && run_parts(e, check, PARTS_BY_MASK)) return;
    if (ways & PARTS_BY_CUT && exam_goes_on(e)) run_parts(e, check, PARTS_BY_CUT);
}
