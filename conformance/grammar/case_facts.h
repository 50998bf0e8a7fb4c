/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What cases/<primitive>.c adds to what the description of a primitive already tells: hard inputs, what the case
 * lists are drawn from, mandatory names, and how a call goes on after some tokens.
 *
 * Distributions are name{.modifier}. Of every primitive that has the operand, generic code (inputs.c) offers:
 *   empty-first empty-middle empty-last   that packed sequence has no token, the others have some
 *   gap                                   tokens before the first and behind the last packed sequence belong to none
 *   slot-fresh slot-drop slot-padding     slots (-1, w) of the first, (r, -1) of the last, (-1, -1) of the middle sequence
 *   slot-outside                          slots that are no row, from -2 down or from the pool's rows up: each counts as -1
 *   cu-outside                            offsets below 0, above t and falling: clamped; a sequence that ends first is empty
 *   nan-future                            from a random token on every floating input is NaN */
#ifndef SEGUE_CONFORMANCE_CASE_FACTS_H
#define SEGUE_CONFORMANCE_CASE_FACTS_H

#include "random.h"
#include "test_case.h"

struct factor { /* one choice of a generated case: a part of the descriptor and the values it may take */
    const char *
        part; /* "dtypes", "layout", "distribution", "modifier", "variant" (operands, parameters), "T", "D" ... */
    const char
        *values; /* separated by spaces; - = nothing. A value "z" of "variant" stands for .z and may bring axes:
                         * "h_in.h_out.slot/P12"; the same operands must not be in two factors. Behind "|": values that are covered
                         * once, not as often as the others. At most FACTOR_VALUES */
};
enum { FACTOR_VALUES = 24, FACTORS = 24 };

/* How the keys of a call are shared out among two, and their answers joined into that over all keys. */
struct case_parts {
    const char *mask; /* optional operand [b m]: 0 takes a key out */
    const char *log;  /* optional output that joining needs */
    const char *once; /* operand that only one of both may have; NULL = there is none */
    int (*ways)(
        const segue_op_header *op); /* PARTS_BY_MASK, _BY_CUT: keys lie apart in two calls; 0 = not at all */
    /* values: [field] of written operands, logical and row-major. Joins into first. */
    void (*join)(const segue_op_header *op, double *const *first, const double *const *second);
};
enum { PARTS_BY_MASK = 1, PARTS_BY_CUT = 2 };

struct case_facts {
    const char *primitive;
    const char *const *distributions; /* NULL-ended; the first is benign */
    const char *const
        *modifiers; /* NULL-ended: distribution.modifier.modifier; those that the generic code offers
                                       * (inputs.h) need not be named */
    /* Whether the distribution and its modifiers make sense with the operands of the case: 0, or -1 with words in
     * why[DESCRIPTOR_WHY]; NULL = always. */
    int (*fits)(const struct test_case *c, char *why);
    /* Changes views before anything is drawn: operand_hold(); NULL = nothing to change. */
    void (*views)(struct test_case *c);
    /* The value of one element before it is rounded to its dtype. index: [rank]; 0 along an axis of stride 0. */
    double (*draw)(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice);
    /* Integer operands other than cu_seqlens and slot, which generic code fills; NULL = none. */
    void (*integers)(const struct test_case *c, uint32_t field, int32_t *to, const struct dice *dice);
    /* Whether this case with distribution "exact" has only integers in every partial sum. */
    int (*exact)(const struct test_case *c);
    size_t count,
        smoke_count; /* cases that core and smoke shall hold, pairs and names permitting; 0: as the first two, 480 and 68 */
    const char *work;             /* axes whose product is the work of a case: "b t d n" */
    const struct factor *factors; /* ended by part NULL; pairwise over these */
    const char *const *mandatory; /* NULL-ended descriptors that core must hold */
    const char *const *smoke;     /* those of them that smoke must hold; NULL = none */
    /* op describes tokens 0 .. t-1 with ordinary host memory behind its integer operands. Makes it able to go on behind
     * the first `tokens` ones (a ring's counters, a position); 0, or -1 where a split means something else, as where every
     * token sees all others (NULL: nothing to do). */
    int (*split)(segue_op_header *op, int64_t tokens);
    /* Letters of the axes along which keys lie ("c m"), where they are not tokens; cu_seqlens_k: their packed offsets. NULL = none. */
    const char *keys;
    /* In place of split, where keys grow with the tokens. Makes op, as there, the call of tokens low .. high - 1, and returns how many
     * of the first keys it has (INT64_MAX = all of them); -1 where a split means something else. */
    int64_t (*piece)(segue_op_header *op, int64_t low, int64_t high);
    /* Optional integer operands ("seq_id pos") which, absent, are the numbers along their last axis: a call of some batch rows, or of
     * some tokens, is given them. NULL = none. */
    const char *numbers;
    const struct case_parts *parts; /* NULL = answers over parts of the keys cannot be joined */
};

/* Facts of that primitive; NULL = cases/ has none: then inputs are N(0, 1), and benign is all there is. */
const struct case_facts *case_facts_of(const char *primitive);

/* For cases/<primitive>.c: */
/* Whether the distribution has that modifier. */
int has_modifier(const struct test_case *c, const char *name);
/* The drawn and rounded value of another operand; 0 if it is absent. */
double value_of(const struct test_case *c, uint32_t field, const int64_t *index);
/* As split: each token or position is placed among all others. */
static inline int split_never(segue_op_header *op, int64_t tokens)
{
    (void)op, (void)tokens;
    return -1;
}
/* Makes a view constant over these axes ("b t"), its others without gaps. */
void operand_hold(struct operand *o, const char *axes);

#endif
