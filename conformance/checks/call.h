/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One call of an op with values behind its operands: that of a case, or one that an identity made of it. */
#ifndef SEGUE_CONFORMANCE_CALL_H
#define SEGUE_CONFORMANCE_CALL_H

#include "../gauge/gauge.h"
#include "../grammar/test_case.h"

struct call {
    const segue_primitive_facts *primitive;
    segue_op_header *op; /* parameters, and the operands' views without data */
    struct operand operands[DESCRIPTOR_FIELDS];
    uint32_t
        as_long; /* letters (bit 0: a) of axes that a rule makes as long as t in this call: their tokens are t's */
    uint8_t over
        [DESCRIPTOR_FIELDS]; /* of an outgoing state: 1 + field in whose place it lies; 0 = a place of its own */
    /* What the reference does, after call_look(): */
    unsigned char
        *touched[DESCRIPTOR_FIELDS];   /* [count] GAUGE_READ, GAUGE_WRITTEN; not of integers that are read */
    double *wanted[DESCRIPTOR_FIELDS]; /* [count] of written operands, unrounded */
    unsigned char
        *marked[DESCRIPTOR_FIELDS]; /* [count] of inputs: in; of written operands: depends on one of those */
};

/* Copies. 0, or -1 = no memory; call_free() is legal after either. */
int call_of_case(struct call *out, const struct test_case *c);
int call_copy(struct call *out, const struct call *from);
void call_free(struct call *c);

/* Runs the reference over the call. 0; -1 = there is none, -2 = no memory. */
int call_look(struct call *c);
/* Gauge numbers with the call's values behind every floating operand and every written one; *op: a copy that points to
 * them, and to the integers. 0, or -1 = no memory. call_numbers_free() is legal after either. */
struct call_numbers {
    struct gauge_numbers *of[DESCRIPTOR_FIELDS];
    segue_op_header *op;
};
int call_numbers(const struct call *c, enum gauge_kind kind, struct call_numbers *out);
void call_numbers_free(struct call_numbers *n);

/* ---- edits; 0, or -1 = no memory ---- */

/* The axis of that very letter: not "s+1"; -1 = none. */
int plain_axis(const segue_field_facts *f, char letter);
/* Indices first .. first + count - 1 of every axis of that very letter. */
int call_slice(struct call *c, char letter, int64_t first, int64_t count);
/* The same of the tokens: of t, and of what is as long. */
int call_slice_tokens(struct call *c, int64_t first, int64_t count);
/* The same of the keys, where the primitive's case facts name such axes, but for those that are tokens. */
int call_slice_keys(struct call *c, int64_t first, int64_t count);
/* The axis of an operand along which such keys lie; -1 = none. */
int call_key_axis(const struct call *c, const struct operand *o);
/* How many keys there are: rows of them; -1 = the primitive knows no such axes. */
int64_t call_keys(const struct call *c);
/* The axis of an operand along which the call's tokens lie; -1 = none. */
int call_token_axis(const struct call *c, const struct operand *o);
/* One operand only. */
int operand_slice(struct operand *o, int axis, int64_t first, int64_t count);
/* The other way round along an axis: the same memory, seen by a negative stride. */
int operand_reverse(struct operand *o, int axis);
/* Element i becomes what element from[i] was. */
int operand_permute(struct operand *o, int axis, const int64_t *from);
/* Puts in the operands that count along an axis where they are absent (case_facts, numbers). */
int call_number(struct call *c);
void call_drop(struct call *c, uint32_t field); /* absent from now on */
/* Puts an operand in: its view, and zeros as values of an input. */
int call_add(struct call *c, uint32_t field, const segue_tensor *view);
/* Writes the views into op; after the last edit. */
void call_settle(struct call *c);

int64_t call_axis(const struct call *c,
                  char letter); /* its size; of t that of what is as long; -1 = no operand has it */
uint32_t call_field(const struct call *c, const char *name); /* a present operand; field_count = none */
/* The incoming state of an outgoing one (same rank among its kind); field_count = none. */
uint32_t state_partner(const segue_primitive_facts *p, uint32_t field);

static inline int is_floating(const struct operand *o)
{
    return o->facts && o->facts->kind != SEGUE_KIND_I32;
}
static inline int is_output(const struct operand *o)
{
    return o->facts && is_written_field(o->facts);
}
static inline int is_state(const struct operand *o)
{
    return o->facts && (o->facts->role == SEGUE_ROLE_STATE_IN || o->facts->role == SEGUE_ROLE_STATE_OUT);
}

/* Elements in row-major order: where each lies, counted from the operand's lowest byte. */
struct walk {
    const segue_tensor *view;
    int64_t i, index[SEGUE_MAX_RANK], at;
};

static inline struct walk walk_from(const segue_tensor *view)
{
    const struct walk w = { .view = view, .at = (int64_t)view->offset };
    return w;
}

static inline void walk_on(struct walk *w)
{
    const int64_t bytes = w->view->dtype.bits / 8;
    w->i++;
    for (int axis = w->view->rank - 1; axis >= 0; axis--) {
        w->at += w->view->stride[axis] * bytes;
        if (++w->index[axis] < w->view->shape[axis]) return;
        w->at -= w->view->shape[axis] * w->view->stride[axis] * bytes;
        w->index[axis] = 0;
    }
}

static inline void index_of(const segue_tensor *view, int64_t i, int64_t *index)
{
    for (int axis = view->rank - 1; axis >= 0; i /= view->shape[axis], axis--)
        index[axis] = i % view->shape[axis];
}

#endif
