/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of a gauge that lie parallel to the device's memory: a chain of calls (prefill, then steps) that runs on the
 * device runs on them, too, and carries its roundings along. */
#ifndef SEGUE_CONFORMANCE_SHADOW_H
#define SEGUE_CONFORMANCE_SHADOW_H

#include "../gauge/gauge.h"

struct shadow { /* of one allocation */
    segue_buffer buffer;
    struct gauge_numbers *numbers; /* NULL: of integers, or of nothing that a reference reads */
    int32_t *whole;                /* a copy of the integers on the host */
    uint64_t element;              /* bytes of one */
    int choices;                   /* numbers of integers, which a kernel writes */
};

/* What the buffer holds, of dtype SEGUE_F64, _F32 or _I32; values NULL: what is yet to be written. -1 = no memory. */
int shadow_make(struct shadow *s, segue_buffer buffer, uint32_t dtype, const void *values, uint64_t bytes);
void shadow_free(struct shadow *s);

/* Of the tensor's allocation; NULL = none. */
const struct shadow *shadow_of(const struct shadow *all, int count, const segue_tensor *t);
/* Place of the tensor's element (0, ..., 0) in the shadow's numbers. */
int64_t shadow_first(const struct shadow *s, const segue_tensor *t);

/* gauge_run() of the op over the shadows of its operands. As gauge_run(); -2 also where an operand has no shadow. */
int shadow_run(const struct shadow *all, int count, const segue_op_header *op, uint32_t accuracy);

#endif
