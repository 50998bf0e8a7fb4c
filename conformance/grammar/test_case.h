/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A case: what its descriptor names, with every input's values. Made from the descriptor alone, the same on every
 * machine. Values are logical (row-major over the operand's shape); where they lie in memory, the layout says. */
#ifndef SEGUE_CONFORMANCE_TEST_CASE_H
#define SEGUE_CONFORMANCE_TEST_CASE_H

#include "descriptor.h"

struct operand { /* of one field of the primitive; facts NULL = absent, or a parameter */
    const segue_field_facts *facts;
    segue_tensor
        view; /* dtype, shape and the layout's strides; no data. offset: of element 0 from the lowest byte of
                        * the operand, bytes: from there to behind its highest. Constant over an axis: stride 0 */
    int64_t count;  /* elements of the shape */
    double *value;  /* [count] floating inputs, already rounded to the dtype; NULL otherwise */
    int32_t *whole; /* [count] integer inputs; NULL otherwise */
};

struct test_case {
    struct descriptor d;
    char name[DESCRIPTOR_TEXT];             /* canonical */
    const segue_primitive_facts *primitive; /* fields are numbered as in primitive->fields */
    segue_op_header *op;                    /* parameters, and the operands' views */
    struct operand operands[DESCRIPTOR_FIELDS];
    int distribution; /* its number in the case facts of the primitive */
    int exact;        /* every partial sum is a small integer: no rounding is forgiven */
    uint32_t key[2];  /* of all dice */
};

/* 0, or -1 with words in why[DESCRIPTOR_WHY]: no descriptor, a distribution or a modifier that does not fit, no memory.
 * Whether the op is valid, core says. test_case_free() is legal after either. */
int test_case_make(const char *descriptor, struct test_case *out, char *why);
/* The same without values: whether it could be made. */
int test_case_outline(const char *descriptor, struct test_case *out, char *why);
void test_case_free(struct test_case *c);

/* The tensor of that field in an op struct. */
static inline segue_tensor *tensor_of(segue_op_header *op, const segue_field_facts *f)
{
    return (segue_tensor *)(void *)((char *)op + f->offset);
}

static inline int is_tensor_field(const segue_field_facts *f)
{
    return f->role < SEGUE_ROLE_INT;
}
static inline int is_written_field(const segue_field_facts *f)
{
    return f->role == SEGUE_ROLE_STATE_OUT || f->role == SEGUE_ROLE_OUT || f->role == SEGUE_ROLE_OPT_OUT;
}
/* The number of the axis with that letter in an operand's dims ("b t g n", "s+1"); -1 = none. */
int axis_of(const segue_field_facts *f, char letter);
/* The number of the axis along which an operand's tokens lie: t, or one that a rule makes as long, if only sometimes ("c == t if
 * causal"); -1 = none. */
int token_axis(const segue_primitive_facts *p, const segue_field_facts *f);
/* Whether a rule makes that axis as long as t, or as one that is ("m == c", "c == t if chunk"), if only sometimes. */
int is_token_letter(const segue_primitive_facts *p, char letter);
/* The field of that name, or field_count. */
uint32_t field_named(const segue_primitive_facts *p, const char *name);

#endif
