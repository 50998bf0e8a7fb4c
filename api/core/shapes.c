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

int segue_parse_axes(const char *dims, struct axis axes[SEGUE_MAX_RANK])
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

/* One factor: a number, an axis or an integer parameter; returns what follows, NULL if there is none. */
static const char *parse_factor(const segue_primitive_facts *facts, const char *p, struct product *product,
                                int *field)
{
    const size_t n = word_length(p = skip_spaces(p));
    if (!n) return NULL;
    if (isdigit((unsigned char)*p)) product->factor *= strtoll(p, NULL, 10);
    else if (n == 1 && islower((unsigned char)*p)) {
        if (product->b >= 0) return NULL;
        *(product->a < 0 ? &product->a : &product->b) = (int8_t)(*p - 'a');
    } else if (*field >= 0 || (*field = segue_field_index(facts, p, n)) < 0 ||
               facts->fields[*field].role != SEGUE_ROLE_INT)
        return NULL;
    return skip_spaces(p + n);
}

/* One summand, put where the term has room for it. */
static const char *parse_product(const segue_primitive_facts *facts, const char *p, int64_t sign,
                                 struct term *out)
{
    struct product product = { sign, -1, -1 };
    int field = -1;
    while ((p = parse_factor(facts, p, &product, &field)) && *p == '*') p++;
    if (!p) return NULL;
    if (field >= 0) { /* alone, since a run takes it for a constant */
        if (product.factor != 1 || product.a >= 0 || out->field >= 0) return NULL;
        out->field = field;
    } else if (product.a < 0) {
        out->plus += product.factor;
    } else if (product.b < 0 && product.factor == 1 && out->letter < 0) {
        out->letter = product.a;
    } else {
        if (out->product_count == MAX_PRODUCTS) return NULL;
        out->products[out->product_count++] = product;
    }
    return p;
}

/* Reads "l", "w - 1", "max_seqlen", "1", "k*k + k + 1"; returns what follows, NULL if there is no term. */
static const char *parse_term(const segue_primitive_facts *facts, const char *p, struct term *out)
{
    *out = (struct term){ .letter = -1, .field = -1 };
    p = parse_product(facts, p, 1, out);
    while (p && (*p == '+' || *p == '-')) p = parse_product(facts, p + 1, *p == '-' ? -1 : 1, out);
    return out->field >= 0 && (out->letter >= 0 || out->product_count) ? NULL : p;
}

static const char *parse_operands(const segue_primitive_facts *facts, const char *p, uint64_t *set)
{
    for (*set = 0;; p++) {
        const size_t n = word_length(p = skip_spaces(p));
        const int field = segue_field_index(facts, p, n);
        if (field < 0 || facts->fields[field].role == SEGUE_ROLE_REAL) return NULL;
        *set |= (uint64_t)1 << field;
        p = skip_spaces(p + n);
        if (*p != '|') return p;
    }
}

static int is_operator(const char *p)
{
    return !strncmp(p, "==", 2) || !strncmp(p, ">=", 2) || *p == '%';
}

/* A product is frozen: runs compare single letters only. */
static int has_frozen_products(const struct term *term, uint32_t dynamic)
{
    for (uint32_t i = 0; i < term->product_count; i++) {
        const struct product *p = &term->products[i];
        if (dynamic >> p->a & 1 || (p->b >= 0 && dynamic >> p->b & 1)) return 0;
    }
    return !term->product_count || term->letter < 0 || !(dynamic >> term->letter & 1);
}

/* What follows the % of "t % chunk == 0". */
static const char *parse_divisor(const segue_primitive_facts *facts, const char *p, struct rule *rule)
{
    const struct term *const left = &rule->left, *const right = &rule->right;
    rule->right = (struct term){ .letter = -1, .field = -1 };
    p = parse_product(facts, p, 1, &rule->right);
    if (!p || right->product_count || (right->letter < 0 && right->field < 0 && right->plus < 1)) return NULL;
    if ((left->letter < 0 && left->field < 0) || left->plus || left->product_count) return NULL;
    return !strncmp(p, "== 0", 4) ? skip_spaces(p + 4) : NULL;
}

static const char *parse_relation(const struct shapes *shapes, const char *p, struct rule *rule)
{
    const segue_primitive_facts *facts = shapes->facts;
    const char *after;
    if (!strncmp(p, "no ", 3)) {
        rule->kind = RULE_FORBIDS;
        return parse_operands(facts, p + 3, &rule->operands);
    }
    after = parse_term(facts, p, &rule->left);
    if (!after || !is_operator(after)) { /* "k if v": k is an operand here, though it could be an axis */
        rule->kind = RULE_NEEDS;
        return parse_operands(facts, p, &rule->operands);
    }
    rule->kind = *after == '%' ? RULE_DIVIDES : *after == '>' ? RULE_AT_LEAST : RULE_EQUAL;
    if (rule->kind == RULE_DIVIDES) return parse_divisor(facts, after + 1, rule);
    after = parse_term(facts, after + 2, &rule->right);
    if (!after || rule->left.product_count || !has_frozen_products(&rule->right, shapes->dynamic)) return NULL;
    return after;
}

/* One of the parameter's enumerators, or a number. */
static const char *parse_value(const segue_primitive_facts *facts, const char *p, struct condition *out)
{
    const size_t n = word_length(p);
    int64_t value = n && isdigit((unsigned char)*p) ? strtoll(p, NULL, 10) : -1;
    for (uint32_t i = 0; i < facts->enum_count; i++)
        if (!strcmp(facts->enums[i].param, facts->fields[out->parameter].name) &&
            strlen(facts->enums[i].name) == n && !memcmp(facts->enums[i].name, p, n))
            value = facts->enums[i].value;
    if (value < 0 || value > 63) return NULL;
    out->values |= (uint64_t)1 << value;
    return skip_spaces(p + n);
}

const char *segue_parse_condition(const segue_primitive_facts *facts, const char *text, struct condition *out)
{
    const int unless = out->unless;
    *out = (struct condition){ .unless = unless, .parameter = -1 };
    for (const char *p = text;; p++) {
        const size_t n = word_length(p = skip_spaces(p));
        if (out->parameter >= 0) { /* values, to the end */
            if (!(p = parse_value(facts, p, out))) return NULL;
        } else {
            const int field = segue_field_index(facts, p, n);
            if (field < 0 || facts->fields[field].role == SEGUE_ROLE_REAL) return NULL;
            p = skip_spaces(p + n);
            if (!strncmp(p, "==", 2)) {
                if (facts->fields[field].role != SEGUE_ROLE_INT) return NULL;
                out->parameter = field;
                if (!(p = parse_value(facts, skip_spaces(p + 2), out))) return NULL;
            } else {
                out->fields |= (uint64_t)1 << field;
            }
        }
        if (*p != '|') return p;
    }
}

int64_t segue_parameter_value(const segue_field_facts *f, const segue_op_header *op)
{
    int64_t value;
    memcpy(&value, (const char *)op + f->offset, sizeof value);
    return value;
}

int segue_condition_holds(const segue_primitive_facts *facts, const struct condition *condition,
                          const segue_op_header *op, uint64_t present)
{
    if (!condition->fields && condition->parameter < 0) return 1;
    int met = 0;
    for (uint64_t set = condition->fields; set; set &= set - 1) {
        const int i = __builtin_ctzll(set);
        met |= is_tensor(&facts->fields[i]) ? (int)(present >> i & 1)
                                            : segue_parameter_value(&facts->fields[i], op) != 0;
    }
    if (condition->parameter >= 0) {
        const int64_t value = segue_parameter_value(&facts->fields[condition->parameter], op);
        met |= value >= 0 && value < 64 && condition->values >> value & 1;
    }
    return met != condition->unless;
}

/* *sum += factor * a * b; 0 = beyond 2^62. */
static int add_product(int64_t *sum, int64_t factor, int64_t a, int64_t b)
{
    return !__builtin_mul_overflow(factor, a, &factor) && !__builtin_mul_overflow(factor, b, &factor) &&
           !__builtin_add_overflow(*sum, factor, sum) && *sum <= (int64_t)1 << 62;
}

int64_t segue_axis_sum(const struct term *term, const int64_t dims[LETTERS])
{
    int64_t sum = term->plus;
    if (term->letter >= 0 && dims[term->letter] < 0) return -1;
    int within = add_product(&sum, 1, term->letter >= 0 ? dims[term->letter] : 0, 1);
    for (uint32_t i = 0; i < term->product_count; i++) {
        const struct product *p = &term->products[i];
        const int64_t a = dims[p->a], b = p->b < 0 ? 1 : dims[p->b];
        if (a < 0 || b < 0) return -1;
        within = within && add_product(&sum, p->factor, a, b);
    }
    return within ? sum : (int64_t)1 << 62;
}

static const char *parse_rule(const struct shapes *shapes, const char *p, struct rule *rule)
{
    memset(rule, 0, sizeof *rule);
    rule->condition.parameter = -1;
    rule->text = p = skip_spaces(p);
    p = parse_relation(shapes, p, rule);
    if (!p) return NULL;
    rule->condition.unless = !strncmp(p, "unless ", 7);
    if (rule->condition.unless || !strncmp(p, "if ", 3)) {
        p = segue_parse_condition(shapes->facts, p + (rule->condition.unless ? 7 : 3), &rule->condition);
        if (!p) return NULL;
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
        const int rank = is_tensor(f) ? segue_parse_axes(f->dims, out->axes[i]) : 0;
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
            out->rule_count < MAX_RULES ? parse_rule(out, p, &out->rules[out->rule_count++]) : NULL;
        if (!next)
            return segue_fail(diag, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_VALIDATE, 0,
                              "%s: rule does not parse: %s", facts->name, p);
        p = next;
    }
    return SEGUE_OK;
}
