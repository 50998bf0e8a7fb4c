/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A description's axes and rules in parsed form. Axes are letters a-z; a rule is
 *     X == Y | X >= Y | X % Y == 0 | operand [| operand] | no operand      [if operand | unless operand]
 * with X and Y a letter, an integer parameter or a number, each with an optional + or - number. */
#ifndef SEGUE_CORE_SHAPES_H
#define SEGUE_CORE_SHAPES_H

#include "op.h"

enum { MAX_FIELDS = 64, MAX_RULES = 24, LETTERS = 26, CONSTANT = 26 };

struct axis { /* size = dims[letter] + plus; letter CONSTANT: just plus */
    uint8_t letter;
    int8_t plus;
};

struct term {          /* dims[letter] + plus, or the value of parameter field + plus, or just plus */
    int letter, field; /* field: index into fields, -1 = none */
    int64_t plus;
};

enum rule_kind { RULE_EQUAL, RULE_AT_LEAST, RULE_DIVIDES, RULE_NEEDS, RULE_FORBIDS };

struct rule {
    enum rule_kind kind;
    struct term left, right;
    uint64_t operands; /* NEEDS: any of these fields; FORBIDS: none of them (bit = index) */
    int condition;     /* field that must be present (or absent), -1 = always */
    int unless;
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

/* SEGUE_ERROR_INTERNAL with words when the description itself does not parse. */
segue_status segue_parse_shapes(const segue_primitive_facts *facts, struct shapes *out, segue_diag *diag);

int segue_field_index(const segue_primitive_facts *facts, const char *name,
                      size_t length); /* -1 = no such field */

#endif
