/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What is drawn alike for every primitive: packed sequences, slots of the state pool, NaN in the future. */
#ifndef SEGUE_CONFORMANCE_INPUTS_H
#define SEGUE_CONFORMANCE_INPUTS_H

#include "case_facts.h"

/* Whether every modifier is known and makes sense with the operands; 0, or -1 with words. facts may be NULL. */
int inputs_fit(const struct test_case *c, const struct case_facts *facts, char *why);
/* Fills value[] and whole[] of every input. 0, or -1 with words. */
int inputs_draw(struct test_case *c, const struct case_facts *facts, char *why);
/* One element of a floating operand, rounded. */
double inputs_value(const struct test_case *c, const struct case_facts *facts, uint32_t field,
                    const int64_t *index);

/* offsets [count + 1] of `count` sequences in `tokens` tokens; the modifiers are the case's. -1 = no memory. */
int inputs_cut(const struct test_case *c, int64_t tokens, int64_t count, const struct dice *dice,
               int32_t *offsets);
/* slot [count 2] of a pool of `rows` rows, count <= rows. -1 = no memory. */
int inputs_slots(const struct test_case *c, int64_t rows, int64_t count, const struct dice *dice,
                 int32_t *slot);

#endif
