/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Two axes of any size, which strides of 0 allow: a row that cannot have them says so before a plan is made, and no workspace
 * shrinks where an axis grows. */
#include "bad_input.h"

#include <inttypes.h>
#include <stdio.h>

enum { SIZES = 6 };

/* From 2^11 to 2^40 lies what a row may have and the machine may not. */
static const int of_reference[SIZES] = { 10, 20, 30, 41, 47, 61 }, of_others[SIZES] = { 4, 8, 10, 41, 47, 61 };

struct wide {
    const struct bad *bad;
    int a, b;         /* letters; the same: one axis */
    int64_t size[26]; /* of letters that grow; 0 = as in the sample */
};

/* Metadata, packed where it is written; 0 = beyond 2^63 bytes. */
static int widen(const struct wide *w, const segue_field_facts *f, segue_tensor *t)
{
    int64_t elements = 1;
    t->data = NULL, t->offset = 0, t->bytes = INT64_MAX;
    for (int d = t->rank - 1; d >= 0; d--) {
        const char letter = sample_letter(f, d);
        const int64_t size = letter ? w->size[letter - 'a'] : 0;
        if (size) t->shape[d] += size - w->bad->base.size[letter - 'a'];
        t->stride[d] = sample_is_written(f) ? elements : 0;
        if (__builtin_mul_overflow(elements, t->shape[d] ? t->shape[d] : 1, &elements)) return 0;
        if (!sample_is_written(f)) elements = 1;
    }
    return elements < INT64_MAX / 16;
}

/* Without states, whose elements would bound what keys and values have in common, and without what belongs to states. */
static int wide_op(const struct wide *w, union sample_op *op)
{
    const segue_primitive_facts *facts = w->bad->base.facts;
    struct sample s = w->bad->base;
    for (uint32_t i = 0; i < facts->field_count; i++)
        if (facts->fields[i].role == SEGUE_ROLE_STATE_IN || facts->fields[i].role == SEGUE_ROLE_STATE_OUT ||
            !strcmp(facts->fields[i].name, "slot"))
            s.present &= ~((uint64_t)1 << i);
    sample_op(&s, NULL, op);
    for (uint32_t i = 0; i < facts->field_count; i++)
        if (s.present >> i & 1 && !widen(w, &facts->fields[i], sample_tensor(facts, op, (int)i))) return 0;
    return 1;
}

static void complain(const struct wide *w, const char *what, const char *text)
{
    char axes[TEXT];
    snprintf(axes, sizeof axes, "%c is %" PRId64 ", %c is %" PRId64, w->a, w->size[w->a - 'a'], w->b,
             w->size[w->b - 'a']);
    bad_fail(w->bad, axes, "axes of any size", "a plan", what, text);
}

/* Bytes of workspace; -1 = refused. */
static double planned(const struct wide *w)
{
    segue_support_facts support = { .size = sizeof support };
    segue_plan_facts need = { .size = sizeof need };
    segue_diag why = { 0 };
    segue_plan *plan = NULL;
    union sample_op op;
    if (!wide_op(w, &op)) return -1;
    if (segue_support(w->bad->dev, &op.header, &support, &why)) complain(w, "support failed", why.text);
    const segue_status status = segue_plan_create(w->bad->dev, &op.header, &plan, &why);
    if ((status == SEGUE_OK) != (support.verdict != SEGUE_SUPPORT_NO))
        complain(w, "support and plan disagree", status ? why.text : support.text);
    if (status) return -1;
    segue_plan_info(plan, &need, NULL);
    segue_plan_destroy(plan);
    return (double)need.workspace_bytes;
}

static void pair(const struct bad *bad, int a, int b)
{
    const int exact = !strcmp(bad->device, "reference");
    const int *const sizes = exact ? of_reference : of_others;
    double bytes[SIZES][SIZES];
    struct wide w = { .bad = bad, .a = a, .b = b };
    for (int i = 0; i < SIZES; i++)
        for (int k = a == b ? i : 0; k < (a == b ? i + 1 : SIZES); k++) {
            const double *const before = i ? &bytes[i - 1][a == b ? k - 1 : k] : NULL,
                                *const left = k && a != b ? &bytes[i][k - 1] : NULL;
            w.size[a - 'a'] = (int64_t)1 << sizes[i], w.size[b - 'a'] = (int64_t)1 << sizes[k];
            bytes[i][k] = planned(&w);
            bad_count("axes of any size");
            if (!exact || bytes[i][k] < 0) continue; /* others cut tiles by what there is */
            if ((before && bytes[i][k] < *before) || (left && bytes[i][k] < *left))
                complain(&w, "workspace", "less than that of smaller axes");
        }
}

void bad_sizes(struct bad *bad)
{
    for (int a = 'a'; a <= 'z'; a++)
        for (int b = a; b <= 'z'; b++)
            if (bad->base.size[a - 'a'] && bad->base.size[b - 'a']) pair(bad, a, b);
}
