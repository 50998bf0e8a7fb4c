/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "shapes.h"

#include "diag.h"

#include <ctype.h>
#include <stdlib.h>

int segue_field_index(const segue_primitive_facts *facts, const char *name, size_t length)
{
    for (uint32_t i = 0; i < facts->field_count; i++)
        if (strlen(facts->fields[i].name) == length && !memcmp(facts->fields[i].name, name, length))
            return (int)i;
    return -1;
}

static const char *skip_spaces(const char *p)
{
    while (*p == ' ') p++;
    return p;
}

/* "b t d", "s+1", "s 2" */
static int parse_axes(const char *dims, struct axis *axes)
{
    int rank = 0;
    for (const char *p = skip_spaces(dims); *p; p = skip_spaces(p), rank++) {
        char *end = NULL;
        if (rank == SEGUE_MAX_RANK) return -1;
        axes[rank].letter = CONSTANT;
        if (islower((unsigned char)*p)) axes[rank].letter = (uint8_t)(*p++ - 'a');
        else if (!isdigit((unsigned char)*p)) return -1;
        axes[rank].plus = 0;
        if (*p && *p != ' ') {
            axes[rank].plus = (int8_t)strtol(p, &end, 10);
            if (end == p) return -1;
            p = end;
        }
    }
    return rank;
}

static size_t word_length(const char *p)
{
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) || p[n] == '_') n++;
    return n;
}

/* Reads "l", "w - 1", "max_seqlen", "1"; returns what follows, NULL if there is no term. */
static const char *parse_term(const segue_primitive_facts *facts, const char *p, struct term *out)
{
    const size_t n = word_length(p = skip_spaces(p));
    char *end;
    out->letter = out->field = -1;
    out->plus = 0;
    if (!n) return NULL;
    if (isdigit((unsigned char)*p)) out->plus = strtoll(p, NULL, 10);
    else if (n == 1 && islower((unsigned char)*p)) out->letter = *p - 'a';
    else if ((out->field = segue_field_index(facts, p, n)) < 0 ||
             facts->fields[out->field].role != SEGUE_ROLE_INT)
        return NULL;
    p = skip_spaces(p + n);
    if (*p == '+' || *p == '-') {
        const int64_t sign = *p == '-' ? -1 : 1;
        out->plus += sign * strtoll(p = skip_spaces(p + 1), &end, 10);
        if (end == p) return NULL;
        p = skip_spaces(end);
    }
    return p;
}

static const char *parse_operands(const segue_primitive_facts *facts, const char *p, uint64_t *set)
{
    for (*set = 0;; p++) {
        const size_t n = word_length(p = skip_spaces(p));
        const int field = segue_field_index(facts, p, n);
        if (field < 0) return NULL;
        *set |= (uint64_t)1 << field;
        p = skip_spaces(p + n);
        if (*p != '|') return p;
    }
}

static const char *parse_relation(const segue_primitive_facts *facts, const char *p, struct rule *rule)
{
    const char *after;
    if (!strncmp(p, "no ", 3)) {
        rule->kind = RULE_FORBIDS;
        return parse_operands(facts, p + 3, &rule->operands);
    }
    after = parse_term(facts, p, &rule->left);
    if (!after) {
        rule->kind = RULE_NEEDS;
        return parse_operands(facts, p, &rule->operands);
    }
    if (!strncmp(after, "==", 2)) rule->kind = RULE_EQUAL;
    else if (!strncmp(after, ">=", 2)) rule->kind = RULE_AT_LEAST;
    else if (*after == '%') rule->kind = RULE_DIVIDES;
    else return NULL;
    after = parse_term(facts, after + (rule->kind == RULE_DIVIDES ? 1 : 2), &rule->right);
    if (rule->kind != RULE_DIVIDES) return after;
    if (rule->left.letter < 0 || rule->left.plus || rule->right.plus) return NULL; /* plain letters only */
    return after && !strncmp(after, "== 0", 4) ? skip_spaces(after + 4) : NULL;
}

static const char *parse_rule(const segue_primitive_facts *facts, const char *p, struct rule *rule)
{
    memset(rule, 0, sizeof *rule);
    rule->condition = -1;
    rule->text = p = skip_spaces(p);
    p = parse_relation(facts, p, rule);
    if (!p) return NULL;
    rule->unless = !strncmp(p, "unless ", 7);
    if (rule->unless || !strncmp(p, "if ", 3)) {
        p = skip_spaces(p + (rule->unless ? 7 : 3));
        const size_t n = word_length(p);
        rule->condition = segue_field_index(facts, p, n);
        if (rule->condition < 0) return NULL;
        p = skip_spaces(p + n);
    }
    rule->text_length = (int)(p - rule->text);
    return *p == ';' ? p + 1 : *p ? NULL : p;
}

segue_status segue_parse_shapes(const segue_primitive_facts *facts, struct shapes *out, segue_diag *diag)
{
    const char *p = facts->rules;
    memset(out, 0, sizeof *out);
    out->facts = facts;
    out->first_size = sizeof(segue_op_header);
    if (facts->field_count > MAX_FIELDS)
        return segue_fail(diag, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_VALIDATE, 0, "%s: %u fields, at most %d",
                          facts->name, facts->field_count, MAX_FIELDS);
    for (uint32_t i = 0; i < facts->field_count; i++) {
        const segue_field_facts *f = &facts->fields[i];
        const int rank = is_tensor(f) ? parse_axes(f->dims, out->axes[i]) : 0;
        const uint32_t end = f->offset + (is_tensor(f) ? sizeof(segue_tensor) : 8);
        if (rank < 0)
            return segue_fail(diag, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_VALIDATE, i + 1,
                              "%s: axes \"%s\" do not parse", f->name, f->dims);
        out->rank[i] = (uint8_t)rank;
        if (f->since == 1 && end > out->first_size) out->first_size = end;
    }
    for (const char *d = facts->dynamic; *d; d++)
        if (*d != ' ') out->dynamic |= 1u << (*d - 'a');
    while (*skip_spaces(p)) {
        const char *next =
            out->rule_count < MAX_RULES ? parse_rule(facts, p, &out->rules[out->rule_count++]) : NULL;
        if (!next)
            return segue_fail(diag, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_VALIDATE, 0,
                              "%s: rule does not parse: %s", facts->name, p);
        p = next;
    }
    return SEGUE_OK;
}
