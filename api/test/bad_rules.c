/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Relations between operands: every rule of every description, broken once. */
#include "bad_input.h"

static const struct broken_rule *const families[] = { broken_recurrences, broken_attention, broken_sampling,
                                                      broken_cells };

enum { FAMILIES = sizeof families / sizeof *families };

static int breaks(const struct broken_rule *r, const segue_primitive_facts *facts, const char *rule,
                  size_t length)
{
    return r->kind.primitive == facts->id && strlen(r->rule) == length && !memcmp(r->rule, rule, length);
}

/* Every rule of the description has a row. */
static void check_all_rules(struct bad *bad)
{
    for (const char *p = bad->base.facts->rules; *p; p += strcspn(p, ";"), p += strspn(p, "; ")) {
        const segue_diag none = { 0 };
        int found = 0;
        for (int k = 0; k < FAMILIES; k++)
            for (const struct broken_rule *r = families[k]; r->rule; r++)
                found |= breaks(r, bad->base.facts, p, strcspn(p, ";"));
        if (!found)
            refused_call(bad, p, "a rule that no row breaks", SEGUE_OK, &none,
                         expect(SEGUE_ERROR_OPERAND, -1, "", ""));
    }
}

static void break_rule(struct bad *bad, const struct broken_rule *r)
{
    union sample_op op;
    if (r->kind.primitive != bad->base.facts->id) return;
    const struct sample s = sample_make(&r->kind);
    sample_op(&s, bad->arena, &op);
    refused(bad, &s, &op, BY_ALL, r->rule,
            expect(SEGUE_ERROR_OPERAND, sample_field(s.facts, r->field), r->given, r->wanted));
}

void bad_rules(struct bad *bad)
{
    check_all_rules(bad);
    for (int k = 0; k < FAMILIES; k++)
        for (const struct broken_rule *r = families[k]; r->rule; r++) break_rule(bad, r);
}
