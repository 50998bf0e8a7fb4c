/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Composites as short lists of other primitives. A table (ops/<composite>.lower) has rows
 *     TEMP(name, axes, condition)          an intermediate with axes of the composite; f32, or i32 where the steps want that
 *     STEP(primitive, renames, condition)  a call; "k=n t=t|c o=1 e=r*t": its axis k is our n, its t is our t or else our
 *                                          c, its o has length 1, its e is our r and t seen as one, t the faster; what
 *                                          is not named keeps its letter
 *     USE(operand, sources, condition)     an operand of that call: the first of "a|b" that is there, TEMP or ours
 *     SET(parameter, value)                one of its parameters: ours of that name, an enumerator or a number
 *     REFUSE(operand, reason, condition)   in a step that would do the wrong thing: the lowering declines in these words
 * Conditions are "", "if C" or "unless C" as in rules (shapes.h). Operands are bound by their axes' letters, so that a
 * transposed state is a matter of strides; an input that lacks an axis is seen with stride 0. Two axes are one only if their
 * strides allow it: those of an intermediate do; of an operand that is asked when a plan is made, and of every run. What
 * depends on presence and parameters is resolved when a plan is made; a run only fills in tensors. */
#ifndef SEGUE_CORE_LOWER_H
#define SEGUE_CORE_LOWER_H

#include "validate.h"

enum {
    LOWER_STEPS = 8,
    LOWER_TEMPS = 8,
    LOWER_USES = 24,
    LOWER_SETS = 24,
    LOWER_ABSENT = MAX_FIELDS,
    LOWER_ALIGNMENT = 256
};

/* ---- tables --------------------------------------------------------------------------------------------- */

enum lowering_kind { LOWERING_END, LOWERING_TEMP, LOWERING_STEP, LOWERING_USE, LOWERING_SET, LOWERING_REFUSE };

struct lowering_row {
    enum lowering_kind kind;
    const char *name, *value, *condition;
};

struct lowering {
    const struct lowering_row *rows;
    uint32_t count; /* 0: no composite */
};

/* NULL: not a composite. */
const struct lowering *segue_lowering(uint32_t primitive);

/* ---- resolved for one op --------------------------------------------------------------------------------- */

struct lowered_axis {
    int8_t from, inner;           /* axis of the source, and the faster one that is merged with it; -1 = none */
    uint8_t letter, inner_letter; /* without from: its sizes in the composite, with stride 0; CONSTANT: 1 */
};

struct lowered_use {
    uint32_t to;   /* offset in the step's op */
    uint32_t from; /* offset in the composite's op, or the intermediate's number */
    uint8_t field; /* of the step */
    uint8_t temp, rank;
    uint8_t plain;  /* the source as it is */
    uint8_t merged; /* an axis of the step is two of ours */
    int32_t source; /* field of the composite; -1 = an intermediate */
    struct lowered_axis axes[SEGUE_MAX_RANK];
};

struct lowered_set {
    uint32_t to, reserved;
    int64_t value; /* or a double's bits */
};

struct lowered_step {
    const segue_primitive_facts *facts;
    uint32_t number; /* among those that run, from 1 */
    uint32_t use_count, set_count, absent_count;
    uint32_t absent[LOWER_ABSENT]; /* offsets of tensors in its op */
    struct lowered_use uses[LOWER_USES];
    struct lowered_set sets[LOWER_SETS];
};

struct lowered_temp {
    uint64_t offset, bytes; /* in the workspace, for the plan's bounds */
    int rank;
    segue_dtype dtype; /* no bits: nothing uses it */
    struct axis axes[SEGUE_MAX_RANK];
};

struct lowered_size { /* how a run finds an axis of the composite that may differ from the plan's */
    uint8_t letter;
    uint8_t other; /* axis that it follows; CONSTANT: read at offset at of the op */
    uint8_t reserved[2];
    uint32_t at;
    int64_t plus; /* added to what is found */
};

struct lowered {
    uint32_t step_count, temp_count, size_count;
    uint32_t merged;           /* operands of the caller with merged axes */
    uint64_t bytes;            /* of all intermediates, a multiple of LOWER_ALIGNMENT */
    int64_t dims[LETTERS + 1]; /* as planned; [CONSTANT] = 1 */
    struct lowered_size sizes[LETTERS];
    struct lowered_temp temps[LOWER_TEMPS];
    struct lowered_step steps[LOWER_STEPS];
};

/* Resolves a table for an op that segue_validate found right. SEGUE_ERROR_UNSUPPORTED with words where a row
 * refuses, an intermediate would be too large, or an operand's strides or dtype do not suit the steps;
 * SEGUE_ERROR_INTERNAL where the table is wrong. */
segue_status segue_lower(const struct lowering *table, const struct shapes *shapes, const struct form *form,
                         const segue_op_header *op, struct lowered *out, segue_diag *diag);

/* Whether the strides of this op let those axes be one that the steps see so: SEGUE_ERROR_OPERAND with words where not. */
segue_status segue_lower_merges(const struct lowered *l, const segue_primitive_facts *facts,
                                const segue_op_header *op, segue_diag *diag);

/* The intermediates of one call: at these places of the workspace, of the sizes that the call's op has. sizes: all axes. */
void segue_lower_temps(const struct lowered *l, const segue_op_header *op, segue_buffer workspace,
                       int64_t sizes[LETTERS + 1], segue_tensor temps[LOWER_TEMPS]);
/* The op of one step, in op_size bytes: all of them are written. */
void segue_lower_step(const struct lowered_step *step, const segue_op_header *op,
                      const int64_t sizes[LETTERS + 1], const segue_tensor *temps, uint32_t op_size,
                      segue_op_header *out);

/* Puts "step 2, gated_recurrence: " before the text of a failure and makes its field one of the composite's. */
void segue_lower_blame(const struct lowered_step *step, char *text, size_t size, uint32_t *field);

#endif
