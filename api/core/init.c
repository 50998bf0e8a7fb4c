/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "diag.h"
#include "op.h"

segue_status segue_op_init(uint32_t primitive, segue_op_header *op, uint32_t size, segue_diag *diag)
{
    const segue_primitive_facts *p = segue_describe(primitive);
    if (!p || !op)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          p ? "op is NULL, wanted a struct to fill" : "primitive is %u, wanted the id of one",
                          primitive);
    if (size < sizeof *op || size > SEGUE_MAX_OP_SIZE || size % 8)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          "size is %u, wanted a multiple of 8 from %zu to %d (%s has %u)", size, sizeof *op,
                          SEGUE_MAX_OP_SIZE, p->name, p->op_size);
    memset(op, 0, size);
    *op = (segue_op_header){ size, primitive, p->revision, 0 };
    for (uint32_t i = 0; i < p->field_count; i++) {
        const segue_field_facts *f = &p->fields[i];
        const int64_t whole = (int64_t)f->initial;
        if (f->role >= SEGUE_ROLE_INT && f->offset + 8 <= size)
            memcpy((char *)op + f->offset,
                   f->role == SEGUE_ROLE_INT ? (const void *)&whole : (const void *)&f->initial, 8);
    }
    return SEGUE_OK;
}
