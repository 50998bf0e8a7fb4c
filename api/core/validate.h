/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* An op against its description, with words. Slow and thorough; check.h is the short form for runs. */
#ifndef SEGUE_CORE_VALIDATE_H
#define SEGUE_CORE_VALIDATE_H

#include "overlap.h"
#include "shapes.h"

enum { UNBOUND = -1 };
enum alias {
    ALIAS_EITHER,
    ALIAS_APART,
    ALIAS_SAME
}; /* how a state that goes out lies to the one that came in */

struct form {              /* what an op turned out to be */
    int64_t dims[LETTERS]; /* UNBOUND where no operand has the letter */
    int origin[LETTERS];   /* field that bound it */
    uint64_t present;      /* bit = field */
    uint64_t has_data;     /* fields with data and elements */
    struct extent extents[MAX_FIELDS];
    uint8_t alias[MAX_FIELDS]; /* of fields with a partner */
};

enum validate_mode { FOR_PLAN, FOR_RUN }; /* a run needs data */

/* handles: data is a handle (cl_mem), not an address. */
segue_status segue_validate(const struct shapes *shapes, const segue_op_header *op, enum validate_mode mode,
                            int handles, struct form *out, segue_diag *diag);

/* The header alone: size, tail, revision, flags. On success *shapes is the primitive's parsed description. */
segue_status segue_validate_header(const segue_op_header *op, struct shapes *shapes, segue_diag *diag);

/* op itself when it has all fields, else a copy in storage, with zeros for the fields it lacks. */
struct op_storage {
    _Alignas(8) char bytes[SEGUE_MAX_OP_SIZE];
};
const segue_op_header *segue_full_op(const segue_op_header *op, uint32_t size, struct op_storage *storage);

/* The field that written field i may lie in the place of: of a STATE_OUT field the STATE_IN field of the same rank among its
 * kind, of an output NAME_out the input NAME of the same axes; -1 = none. */
int segue_partner(const segue_primitive_facts *facts, uint32_t i);

/* One of the dtypes that activations, gates, weights and states may have. */
int segue_is_float(segue_dtype dtype);
const char *segue_dtype_text(segue_dtype dtype, char text[32]);

#endif
