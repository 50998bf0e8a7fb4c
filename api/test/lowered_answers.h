/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the composites, and their answers by any row of a device. */
#ifndef SEGUE_TEST_LOWERED_ANSWERS_H
#define SEGUE_TEST_LOWERED_ANSWERS_H

#include "../core/core_testing.h"
#include "sample.h"

/* Every operand, parameter and branch of the lowerings; ends with a NULL name. */
extern const struct sample_kind lowered_kinds[];
const struct sample_kind *kind_named(uint32_t primitive, const char *name);

struct answer {
    struct sample sample;
    segue_plan_facts facts;
    char *arena;
};

char *new_arena(void);
/* By one row (NULL = the best), in a workspace of exactly the size that it asks for, with guards around. */
struct answer answer_of(const struct bench *b, const struct sample_kind *kind, const char *row);
/* Outputs agree, inputs and what lies around are untouched. */
void compare(const struct answer *got, const struct answer *want);

#endif
