/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptions of all primitives; the tables themselves are built from api/ops by op.c. */
#ifndef SEGUE_CORE_OP_H
#define SEGUE_CORE_OP_H

#include <segue/segue.h>

#define PRIMITIVE(id, name) extern const segue_primitive_facts segue_facts_##name;
#include "primitives.def"
#undef PRIMITIVE

static inline int is_tensor(const segue_field_facts *f)
{
    return f->role <= SEGUE_ROLE_OPT_OUT;
}

static inline int is_written(const segue_field_facts *f)
{
    return f->role >= SEGUE_ROLE_STATE_OUT && f->role <= SEGUE_ROLE_OPT_OUT;
}

static inline int is_required(const segue_field_facts *f)
{
    return f->role == SEGUE_ROLE_IN || f->role == SEGUE_ROLE_OUT;
}

/* A parameter without a default: the one that init gives is outside its range. */
static inline int must_be_set(const segue_field_facts *f)
{
    return !is_tensor(f) && !(f->initial >= f->min && f->initial <= f->max);
}

static inline const segue_tensor *tensor_at(const segue_op_header *op, const segue_field_facts *f)
{
    return (const segue_tensor *)((const char *)op + f->offset);
}

#endif
