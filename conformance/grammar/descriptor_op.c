/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* From a descriptor to an op: the axes that were not given, then the tensors. Whether it is right, core
 * says. */
#include "descriptor.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "layout.h"
#include "test_case.h"

struct search { /* for an axis that is not given */
    const struct descriptor *d;
    uint32_t busy; /* bit = letter that is being looked for */
    int how;       /* AXIS_... */
};

/* Here and below without strspn(): it makes a table of its characters for each call, and a fifth of a list's time went there. */
static const char *skip_spaces(const char *p)
{
    while (*p == ' ') p++;
    return p;
}

/* The next name or number, cut where it is too long; returns what follows it and its spaces. */
static const char *next_word(const char *p, char word[32])
{
    size_t n = 0, kept = 0;
    for (p = skip_spaces(p); isalnum((unsigned char)p[n]) || p[n] == '_'; n++)
        if (kept < 31) word[kept++] = p[n];
    word[kept] = 0;
    return skip_spaces(p + n);
}

static int64_t derive(const struct search *search, char letter);

/* "cu_seqlens", "norm", "map == RFF | EXP": whether one of the names is present or not 0, or the value is among these. */
static int is_met(const struct descriptor *d, const char *p)
{
    const segue_primitive_facts *facts = d->primitive;
    char word[32];
    uint32_t compared = facts->field_count;
    for (;; p++) {
        p = next_word(p, word);
        const uint32_t i = field_named(facts, word);
        if (compared < facts->field_count) {
            double value = atof(word);
            for (uint32_t e = 0; e < facts->enum_count; e++)
                if (!strcmp(facts->enums[e].param, facts->fields[compared].name) &&
                    !strcmp(facts->enums[e].name, word))
                    value = (double)facts->enums[e].value;
            if (d->value[compared] == value) return 1;
        } else if (!strncmp(p, "==", 2)) {
            compared = i;
            p++; /* and one more: the values follow */
            continue;
        } else if (i < facts->field_count &&
                   (is_tensor_field(&facts->fields[i]) ? d->present[i] : d->value[i] != 0)) {
            return 1;
        }
        if (*p != '|') return 0;
    }
}

/* A number, an axis or an integer parameter. */
static int64_t factor_of(const struct search *search, const char *word)
{
    const struct descriptor *d = search->d;
    if (isdigit((unsigned char)*word)) return atoll(word);
    if (!word[1]) return derive(search, *word);
    const uint32_t i = field_named(d->primitive, word);
    return i < d->primitive->field_count ? (int64_t)d->value[i] : AXIS_NOT_GIVEN;
}

/* "w - 1", "2*m", "k*k + k + 1", "1"; AXIS_NOT_GIVEN where an axis is unknown. */
static int64_t sum_of(const struct search *search, const char *p)
{
    int64_t sum = 0, sign = 1;
    for (;;) {
        int64_t product = sign;
        for (;; p++) {
            char word[32];
            p = next_word(p, word);
            const int64_t factor = factor_of(search, word);
            if (factor == AXIS_NOT_GIVEN || __builtin_mul_overflow(product, factor, &product))
                return AXIS_NOT_GIVEN;
            if (*p != '*') break;
        }
        if (__builtin_add_overflow(sum, product, &sum)) return AXIS_NOT_GIVEN;
        if (*p != '+' && *p != '-') return sum;
        sign = *p++ == '-' ? -1 : 1;
    }
}

static int applies(const struct descriptor *d, const char *clause)
{
    const char *condition;
    if ((condition = strstr(clause, " if ")) && !is_met(d, condition + 4)) return 0;
    return !(condition = strstr(clause, " unless ")) || !is_met(d, condition + 8);
}

/* "n == t unless q_index", read from right to left. */
static int64_t by_left(const struct search *search, const char *clause, const char *left, const char *right,
                       char letter)
{
    char word[32];
    const char *rest = next_word(right, word);
    if (!(search->how & AXIS_BACKWARD) || !islower((unsigned char)*left) || left[1] || *word != letter ||
        word[1] || strchr("+-*", *rest) == rest || !applies(search->d, clause))
        return AXIS_NOT_GIVEN;
    return search->d->axis[*left - 'a'];
}

/* "l >= w - 1", "s == b unless cu_seqlens", "d % g == 0": what the clause says of the letter. */
static int64_t by_clause(const struct search *search, const char *clause, char letter)
{
    const struct descriptor *d = search->d;
    char left[32], right[32];
    const char *operation = next_word(clause, left);
    if (left[0] && !left[1] && *operation == '%') {
        next_word(operation + 1, right);
        return right[0] == letter && !right[1] ? 1 : AXIS_NOT_GIVEN;
    }
    const int equal = !strncmp(operation, "==", 2);
    if (!equal && strncmp(operation, ">=", 2)) return AXIS_NOT_GIVEN;
    if (equal && (left[0] != letter || left[1])) return by_left(search, clause, left, operation + 2, letter);
    if (left[0] != letter || left[1] || !applies(d, clause)) return AXIS_NOT_GIVEN;
    const int64_t value = sum_of(search, operation + 2);
    if (value == AXIS_NOT_GIVEN) return AXIS_NOT_GIVEN;
    const int64_t least = strchr(d->primitive->dynamic, letter) ? 0 : 1;
    return value < least ? least : value;
}

/* Whether a clause can tell the axis: "l >= w - 1" and "n == l", not "no l | k". A glance, for lists of thousands of names. */
static int concerns(const char *clause, char letter)
{
    const char *p = skip_spaces(clause);
    if (!islower((unsigned char)*p) || isalnum((unsigned char)p[1]) || p[1] == '_') return 0;
    if (*p == letter) return 1;
    p = skip_spaces(p + 1);
    while (*p == '=' || *p == '>' || *p == '%') p++;
    p = skip_spaces(p);
    return *p == letter && !isalnum((unsigned char)p[1]) && p[1] != '_';
}

static int64_t derive(const struct search *outer, char letter)
{
    const struct descriptor *d = outer->d;
    struct search search = *outer;
    char clause[256];
    if (letter < 'a' || letter > 'z' || search.busy >> (letter - 'a') & 1) return AXIS_NOT_GIVEN;
    if (d->axis[letter - 'a'] != AXIS_NOT_GIVEN) return d->axis[letter - 'a'];
    search.busy |= 1u << (letter - 'a');
    for (const char *rule = d->primitive->rules, *end; *rule; rule = *end ? end + 1 : end) {
        end = strchrnul(rule, ';');
        if (!concerns(rule, letter)) continue;
        const size_t length = (size_t)(end - rule);
        const size_t kept = length < sizeof clause ? length : sizeof clause - 1;
        memcpy(clause, rule, kept);
        clause[kept] = 0;
        const int64_t value = by_clause(&search, clause, letter);
        if (value != AXIS_NOT_GIVEN) return value;
    }
    return search.how & AXIS_USUAL && (letter == 's' || letter == 'p')
               ? 1
               : AXIS_NOT_GIVEN; /* one packed sequence, one pool row */
}

int64_t descriptor_axis(const struct descriptor *d, char letter)
{
    return descriptor_axis_by(d, letter, AXIS_BACKWARD | AXIS_USUAL);
}

int64_t descriptor_axis_by(const struct descriptor *d, char letter, int how)
{
    const struct search search = { d, 0, how };
    return derive(&search, letter);
}

/* "b t g n", "s+1", "s 2" */
static int shape_of(const struct descriptor *d, const segue_field_facts *f, int64_t *shape, char *why)
{
    const int64_t most = (int64_t)1 << 40; /* elements; far beyond memory, far below overflow */
    int64_t count = 1;
    int rank = 0;
    for (const char *at = f->dims; *at && rank < SEGUE_MAX_RANK; rank++) {
        char *end = (char *)at + 1;
        if (isdigit((unsigned char)*at)) shape[rank] = strtoll(at, &end, 10);
        else if ((shape[rank] = descriptor_axis(d, *at)) == AXIS_NOT_GIVEN) {
            snprintf(why, DESCRIPTOR_WHY, "shape: axis %c is missing; %s is [%s]", toupper((unsigned char)*at),
                     f->name, f->dims);
            return -1;
        } else if (*end == '+') shape[rank] += strtoll(end + 1, &end, 10);
        at = skip_spaces(end);
        if (__builtin_mul_overflow(count, shape[rank] > 1 ? shape[rank] : 1, &count) || count > most) {
            snprintf(why, DESCRIPTOR_WHY, "shape: %s is too large: wanted at most 2^40 elements", f->name);
            return -1;
        }
    }
    return rank;
}

segue_op_header *descriptor_op(const struct descriptor *d, char *why)
{
    const segue_primitive_facts *p = d->primitive;
    segue_op_header *op = calloc(1, p->op_size);
    segue_diag diag = { 0 };
    if (!op || segue_op_init(p->id, op, p->op_size, &diag) != SEGUE_OK) {
        snprintf(why, DESCRIPTOR_WHY, "%.300s", op ? diag.text : "out of memory");
        free(op);
        return NULL;
    }
    for (uint32_t i = 0; i < p->field_count; i++) {
        const segue_field_facts *f = &p->fields[i];
        char *field = (char *)op + f->offset;
        int64_t shape[SEGUE_MAX_RANK] = { 0 };
        const int64_t whole = (int64_t)d->value[i];
        const int rank = d->present[i] ? shape_of(d, f, shape, why) : 0;
        if (rank < 0) return free(op), NULL;
        if (f->role == SEGUE_ROLE_INT) memcpy(field, &whole, sizeof whole);
        else if (f->role == SEGUE_ROLE_REAL) memcpy(field, &d->value[i], sizeof d->value[i]);
        else if (d->present[i]) *tensor_of(op, f) = laid_out(d, i, rank, shape);
    }
    return op;
}
