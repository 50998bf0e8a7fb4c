/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A description's axes and rules in parsed form. Axes are letters a-z; a rule is
 *     X == Y | X >= Y | A % B == 0 | operand [| operand] | no operand [| operand]      [if C | unless C]
 * X is a letter, an integer parameter or a number, with an optional + or - number; Y is the same, or a sum of products of
 * frozen axes and numbers ("k*k + k + 1"). "n == t" tells either axis where operands tell only the other. A is a letter or an
 * integer parameter, B the same or a number from 1; of 0, which a parameter may be, only 0 is a multiple. An operand may be an
 * integer parameter: there if not 0. C is names joined by |, of which the last may be compared: an operand (is present), an
 * integer parameter (is not 0), parameter == VALUE [| VALUE] (an enumerator, or a number below 64).
 */
#ifndef SEGUE_CORE_SHAPES_H
#define SEGUE_CORE_SHAPES_H

#include "op.h"

enum { MAX_FIELDS = 64, MAX_RULES = 48, MAX_PRODUCTS = 2, LETTERS = 26, CONSTANT = 26 };

struct axis { /* size = dims[letter] + plus; letter CONSTANT: just plus */
    uint8_t letter;
    int8_t plus;
};

struct product { /* factor * dims[a] * dims[b]; b = -1: factor * dims[a] */
    int64_t factor;
    int8_t a, b;
};

struct term { /* dims[letter] + products + plus, or the value of parameter field + plus, or just plus */
    int letter, field; /* field: index into fields, -1 = none */
    int64_t plus;
    uint32_t product_count;
    struct product products[MAX_PRODUCTS];
};

struct condition {   /* any of these; nothing at all = always */
    int unless;      /* the other way round */
    uint64_t fields; /* bit = field: operands that are present, integer parameters that are not 0 */
    int parameter;   /* field whose value is one of values; -1 = none */
    uint64_t values; /* bit = value */
};

enum rule_kind { RULE_EQUAL, RULE_AT_LEAST, RULE_DIVIDES, RULE_NEEDS, RULE_FORBIDS };

struct rule {
    enum rule_kind kind;
    struct term left, right;
    uint64_t operands; /* NEEDS: any of these fields; FORBIDS: none of them (bit = index); parameters: not 0 */
    struct condition condition;
    const char *text; /* in the description */
    int text_length;
};

struct shapes {
    const segue_primitive_facts *facts;
    uint32_t first_size; /* bytes of the op struct at level 1 */
    uint32_t dynamic;    /* bit = letter */
    uint8_t rank[MAX_FIELDS];
    struct axis axes[MAX_FIELDS][SEGUE_MAX_RANK];
    struct rule rules[MAX_RULES];
    uint32_t rule_count;
};

/* "b t d", "s+1", "s 2": returns the rank, -1 if they do not parse. */
int segue_parse_axes(const char *dims, struct axis axes[SEGUE_MAX_RANK]);

/* SEGUE_ERROR_INTERNAL with words when the description itself does not parse. */
segue_status segue_parse_shapes(const segue_primitive_facts *facts, struct shapes *out, segue_diag *diag);

/* Whether value is a multiple of divisor, whatever both are. */
static inline int divides(int64_t divisor, int64_t value)
{
    if (divisor == 0) return value == 0;
    return divisor == -1 || value % divisor == 0; /* INT64_MIN / -1 is no number */
}

int segue_field_index(const segue_primitive_facts *facts, const char *name,
                      size_t length); /* -1 = no such field */

/* What follows a condition in text, after its "if" or "unless"; NULL if it does not parse. */
const char *segue_parse_condition(const segue_primitive_facts *facts, const char *text, struct condition *out);
/* Whether it is met by an op whose tensors of these fields (bit = index) are present. */
int segue_condition_holds(const segue_primitive_facts *facts, const struct condition *condition,
                          const segue_op_header *op, uint64_t present);

int64_t segue_parameter_value(const segue_field_facts *f, const segue_op_header *op); /* of an integer one */
/* letter, products and plus of a term without a parameter; -1 while an axis is unknown (-1 in dims), 2^62 where the sum
 * is beyond that. */
int64_t segue_axis_sum(const struct term *term, const int64_t dims[LETTERS]);

#endif
