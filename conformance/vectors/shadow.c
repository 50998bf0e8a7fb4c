/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow.h"

#include <stdlib.h>

int shadow_make(struct shadow *s, segue_buffer buffer, uint32_t dtype, const void *values, uint64_t bytes)
{
    s->buffer = buffer;
    s->element = segue_dtype_of(dtype).bits / 8;
    if (dtype == SEGUE_I32 && values) { /* what a kernel writes has numbers */
        s->whole = calloc(bytes / sizeof *s->whole + 1, sizeof *s->whole);
        if (s->whole && values && bytes) memcpy(s->whole, values, bytes);
        return s->whole ? 0 : -1;
    }
    const int64_t count = (int64_t)(bytes / s->element);
    s->choices = dtype == SEGUE_I32;
    s->numbers = gauge_numbers_new(GAUGE_ROUNDINGS, count);
    for (int64_t i = 0; s->numbers && values && i < count; i++)
        gauge_set(s->numbers, i, dtype == SEGUE_F64 ? ((const double *)values)[i] : ((const float *)values)[i]);
    return s->numbers ? 0 : -1;
}

void shadow_free(struct shadow *s)
{
    gauge_numbers_free(s->numbers);
    free(s->whole);
    s->numbers = NULL, s->whole = NULL;
}

/* A tensor keeps its allocation's data and end, whatever slice of it it is. */
const struct shadow *shadow_of(const struct shadow *all, int count, const segue_tensor *t)
{
    for (int i = 0; i < count; i++)
        if ((all[i].numbers || all[i].whole) && all[i].buffer.data == t->data &&
            all[i].buffer.bytes == t->bytes && all[i].buffer.offset <= t->offset)
            return &all[i];
    return NULL;
}

int64_t shadow_first(const struct shadow *s, const segue_tensor *t)
{
    return (int64_t)((t->offset - s->buffer.offset) / s->element);
}

static int is_written(uint32_t role)
{
    return role == SEGUE_ROLE_STATE_OUT || role == SEGUE_ROLE_OUT || role == SEGUE_ROLE_OPT_OUT;
}

int shadow_run(const struct shadow *all, int count, const segue_op_header *op, uint32_t accuracy)
{
    const segue_primitive_facts *p = segue_describe(op->primitive);
    segue_op_header *copy = p ? malloc(op->size) : NULL;
    int result = p ? -2 : -1;
    if (!copy) return result;
    memcpy(copy, op, op->size);
    result = 0;
    for (uint32_t i = 0; i < p->field_count && !result; i++) {
        segue_tensor *t = (segue_tensor *)(void *)((char *)copy + p->fields[i].offset);
        if (p->fields[i].role >= SEGUE_ROLE_INT || t->dtype.bits == 0) continue;
        const struct shadow *s = shadow_of(all, count, t);
        if (!s || (!s->whole && p->fields[i].kind == SEGUE_KIND_I32 && !is_written(p->fields[i].role)))
            result = -2;
        else if (s->whole) t->offset -= s->buffer.offset, t->data = s->whole;
        else t->offset = (uint64_t)shadow_first(s, t), t->data = s->numbers;
    }
    if (!result) result = gauge_run(copy, GAUGE_ROUNDINGS, accuracy);
    free(copy);
    return result;
}
