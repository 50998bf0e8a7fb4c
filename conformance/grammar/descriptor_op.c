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

enum { WORDS = 8, DEPTH = 4 };

static int split(const char *clause, size_t length, char words[WORDS][32])
{
    int count = 0;
    for (size_t i = 0; i < length;) {
        size_t n = 0;
        while (i < length && clause[i] == ' ') i++;
        if (i == length || count == WORDS) break;
        while (i < length && clause[i] != ' ' && n + 1 < sizeof words[0]) words[count][n++] = clause[i++];
        words[count++][n] = 0;
    }
    return count;
}

static int is_present(const struct descriptor *d, const char *operand)
{
    const uint32_t i = field_named(d->primitive, operand);
    return i < d->primitive->field_count && d->present[i];
}

static int64_t derive(const struct descriptor *d, char letter, int depth);

/* "l >= w - 1", "s == b unless cu_seqlens", "d % g == 0": what the clause says of the letter. */
static int64_t by_clause(const struct descriptor *d, const char *clause, size_t length, char letter, int depth)
{
    char w[WORDS][32];
    int count = split(clause, length, w);
    if (count >= 3 && !strcmp(w[1], "%") && w[2][0] == letter && !w[2][1]) return 1;
    if (count < 3 || w[0][0] != letter || w[0][1] || (strcmp(w[1], "==") && strcmp(w[1], ">=")))
        return AXIS_NOT_GIVEN;
    if (count >= 5) {
        const int condition = !strcmp(w[count - 2], "if"), negated = !strcmp(w[count - 2], "unless");
        if ((condition || negated) && is_present(d, w[count - 1]) == negated) return AXIS_NOT_GIVEN;
        if (condition || negated) count -= 2;
    }
    int64_t value = isdigit((unsigned char)w[2][0]) ? atoll(w[2]) : derive(d, w[2][0], depth + 1);
    if (value == AXIS_NOT_GIVEN) return AXIS_NOT_GIVEN;
    if (count == 5) value += w[3][0] == '-' ? -atoll(w[4]) : atoll(w[4]);
    const int64_t least = strchr(d->primitive->dynamic, letter) ? 0 : 1;
    return value < least ? least : value;
}

static int64_t derive(const struct descriptor *d, char letter, int depth)
{
    if (letter < 'a' || letter > 'z' || depth > DEPTH) return AXIS_NOT_GIVEN;
    if (d->axis[letter - 'a'] != AXIS_NOT_GIVEN) return d->axis[letter - 'a'];
    for (const char *clause = d->primitive->rules; *clause;) {
        const size_t length = strcspn(clause, ";");
        const int64_t value = by_clause(d, clause, length, letter, depth);
        if (value != AXIS_NOT_GIVEN) return value;
        clause += length + (clause[length] == ';');
    }
    return letter == 's' || letter == 'p' ? 1 : AXIS_NOT_GIVEN; /* one packed sequence, one pool row */
}

int64_t descriptor_axis(const struct descriptor *d, char letter)
{
    return derive(d, letter, 0);
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
        else if ((shape[rank] = derive(d, *at, 0)) == AXIS_NOT_GIVEN) {
            snprintf(why, DESCRIPTOR_WHY, "shape: axis %c is missing; %s is [%s]", toupper((unsigned char)*at),
                     f->name, f->dims);
            return -1;
        } else if (*end == '+') shape[rank] += strtoll(end + 1, &end, 10);
        at = end + strspn(end, " ");
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
