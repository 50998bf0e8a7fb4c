/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "test_case.h"

#include <stdio.h>
#include <stdlib.h>

#include "inputs.h"

#define CASE(name) extern const struct case_facts segue_case_##name;
#include "case_names.h"
#undef CASE

static const struct case_facts *const all_facts[] = {
#define CASE(name) &segue_case_##name,
#include "case_names.h"
#undef CASE
    NULL
};

const struct case_facts *case_facts_of(const char *primitive)
{
    const struct case_facts *const *f = all_facts;
    while (*f && strcmp((*f)->primitive, primitive)) f++;
    return *f;
}

void operand_hold(struct operand *o, const char *axes)
{
    int64_t distance = 1;
    for (int k = o->view.rank - 1; k >= 0; k--) {
        o->view.stride[k] = distance;
        for (const char *a = axes; *a; a++)
            if (*a != ' ' && axis_of(o->facts, *a) == k) o->view.stride[k] = 0;
        if (o->view.stride[k] && o->view.shape[k] > 1) distance *= o->view.shape[k];
    }
    tensor_settle(&o->view);
}

/* "decay-log.gap" is the distribution decay-log. */
static int find_distribution(struct test_case *c, const struct case_facts *facts, char *why)
{
    static const char *const plain[] = { "benign", NULL };
    const char *const *names = facts ? facts->distributions : plain;
    const size_t length = strcspn(c->d.distribution, ".");
    char known[DESCRIPTOR_WHY / 2] = "";
    for (c->distribution = 0; names[c->distribution]; c->distribution++) {
        const char *name = names[c->distribution];
        if (strlen(name) == length && !memcmp(name, c->d.distribution, length)) return 0;
        snprintf(known + strlen(known), sizeof known - strlen(known), " %s", name);
    }
    snprintf(why, DESCRIPTOR_WHY, "distribution: %s has%s, given %s", c->primitive->name, known,
             c->d.distribution);
    return -1;
}

static void view_operands(struct test_case *c, const struct case_facts *facts)
{
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const segue_field_facts *f = &c->primitive->fields[i];
        struct operand *o = &c->operands[i];
        if (!is_tensor_field(f) || !c->d.present[i]) continue;
        o->facts = f;
        o->view = *tensor_of(c->op, f);
        o->count = 1;
        for (int k = 0; k < o->view.rank; k++) o->count *= o->view.shape[k];
    }
    if (facts && facts->views) facts->views(c);
    for (uint32_t i = 0; i < c->primitive->field_count; i++)
        if (c->operands[i].facts) *tensor_of(c->op, c->operands[i].facts) = c->operands[i].view;
}

static int outline(const char *descriptor, struct test_case *c, char *why)
{
    memset(c, 0, sizeof *c);
    if (descriptor_parse(descriptor, &c->d, why)) return -1;
    if (descriptor_print(&c->d, c->name, sizeof c->name)) {
        snprintf(why, DESCRIPTOR_WHY, "wanted a name of fewer than %d letters, given more", DESCRIPTOR_TEXT);
        return -1;
    }
    c->primitive = c->d.primitive;
    key_of(c->name, c->key);
    if (!(c->op = descriptor_op(&c->d, why))) return -1;
    const struct case_facts *facts = case_facts_of(c->primitive->name);
    if (find_distribution(c, facts, why)) return -1;
    view_operands(c, facts);
    if (inputs_fit(c, facts, why) || (facts && facts->fits && facts->fits(c, why))) return -1;
    c->exact = facts && facts->exact && facts->exact(c);
    return 0;
}

int test_case_outline(const char *descriptor, struct test_case *out, char *why)
{
    if (!outline(descriptor, out, why)) return 0;
    test_case_free(out);
    return -1;
}

int test_case_make(const char *descriptor, struct test_case *out, char *why)
{
    if (!outline(descriptor, out, why) && !inputs_draw(out, case_facts_of(out->primitive->name), why)) return 0;
    test_case_free(out);
    return -1;
}

void test_case_free(struct test_case *c)
{
    for (uint32_t i = 0; i < DESCRIPTOR_FIELDS; i++) {
        free(c->operands[i].value);
        free(c->operands[i].whole);
    }
    free(c->op);
    memset(c, 0, sizeof *c);
}
