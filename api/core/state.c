/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* States are ordinary tensors: describing, converting, forking and gathering them. */
#include "diag.h"
#include "object.h"
#include "overlap.h"

#include <inttypes.h>

#define PHASE SEGUE_PHASE_CALL

/* What the present operands say of every axis; contradictions are left to planning. Returns who is present. */
static uint64_t bind_axes(const struct shapes *shapes, const segue_op_header *op, int64_t dims[LETTERS])
{
    uint64_t present = 0;
    for (int k = 0; k < LETTERS; k++) dims[k] = UNBOUND;
    for (uint32_t i = 0; i < shapes->facts->field_count; i++) {
        const segue_field_facts *f = &shapes->facts->fields[i];
        const segue_tensor *t = is_tensor(f) ? tensor_at(op, f) : NULL;
        if (!t || !t->dtype.bits) continue;
        present |= (uint64_t)1 << i;
        for (int d = 0; t->rank == shapes->rank[i] && d < t->rank; d++) {
            const struct axis axis = shapes->axes[i][d];
            if (axis.letter != CONSTANT && dims[axis.letter] == UNBOUND && t->shape[d] >= axis.plus)
                dims[axis.letter] = t->shape[d] - axis.plus;
        }
    }
    return present;
}

/* "s == b", "l >= w - 1", "f == 2*m if map == RFF": what the rules give to axes that no operand has; the least where
 * there is a choice. */
static void bind_by_rules(const struct shapes *shapes, const segue_op_header *op, uint64_t present,
                          int64_t dims[LETTERS])
{
    for (uint32_t r = 0; r < shapes->rule_count; r++) {
        const struct rule *rule = &shapes->rules[r];
        if (rule->kind > RULE_AT_LEAST || rule->left.letter < 0 || dims[rule->left.letter] != UNBOUND) continue;
        if (rule->condition.parameter >= 0 &&
            !segue_condition_holds(shapes->facts, &rule->condition, op, present))
            continue; /* whereas "p == s unless slot" is the answer for a pool that is still to be made, too */
        const int64_t right = rule->right.field >= 0 ? UNBOUND : segue_axis_sum(&rule->right, dims);
        if (right < 0) continue;
        const int64_t value = right - rule->left.plus, least = shapes->dynamic >> rule->left.letter & 1 ? 0 : 1;
        dims[rule->left.letter] = value < least ? least : value;
    }
}

segue_status segue_state_describe(const segue_op_header *op, uint32_t index, segue_tensor *out,
                                  segue_diag *diag)
{
    struct op_storage storage;
    struct shapes shapes;
    int64_t dims[LETTERS], shape[SEGUE_MAX_RANK] = { 0 };
    uint32_t nth = 0, i = 0;
    segue_status status = segue_validate_header(op, &shapes, diag);
    if (status) return status;
    const segue_primitive_facts *facts = shapes.facts;
    if (!out)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0, "out is NULL, wanted where to put the tensor");
    while (i < facts->field_count && (facts->fields[i].role != SEGUE_ROLE_STATE_OUT || nth++ != index)) i++;
    if (i == facts->field_count)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "index is %u, wanted less than %u (states of %s)", index, nth, facts->name);
    const segue_op_header *full = segue_full_op(op, facts->op_size, &storage);
    bind_by_rules(&shapes, full, bind_axes(&shapes, full, dims), dims);
    for (int d = 0; d < shapes.rank[i]; d++) {
        const struct axis axis = shapes.axes[i][d];
        if (axis.letter != CONSTANT && dims[axis.letter] == UNBOUND)
            return segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                              "%s: nothing says what axis %c is, wanted the operands that have it filled in",
                              facts->fields[i].name, 'a' + axis.letter);
        shape[d] = (axis.letter == CONSTANT ? 0 : dims[axis.letter]) + axis.plus;
    }
    segue_tensor state = { .rank = shapes.rank[i] };
    memcpy(state.shape, shape, sizeof state.shape);
    int64_t elements;
    if (!segue_count(&state, &elements))
        return segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                          "%s: its axes multiply to more than 2^48 elements, wanted at most that",
                          facts->fields[i].name);
    *out = segue_tensor_of(NULL, SEGUE_F32, shapes.rank[i], shape);
    return SEGUE_OK;
}

static segue_status check_tensor(const segue_device *dev, const char *name, const segue_tensor *t,
                                 segue_diag *diag)
{
    int overflow;
    char text[32];
    if (!t) return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0, "%s is NULL, wanted a tensor", name);
    if (!segue_is_float(t->dtype))
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0, "%s: dtype is %s, wanted f32, f16, bf16 or f64",
                          name, segue_dtype_text(t->dtype, text));
    if (t->rank < 1 || t->rank > SEGUE_MAX_RANK || t->flags)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "%s: rank is %u and flags are %u, wanted 1 to %d and 0", name, t->rank, t->flags,
                          SEGUE_MAX_RANK);
    for (int d = 0; d < t->rank; d++)
        if (t->shape[d] < 0)
            return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                              "%s: dimension %d is %" PRId64 ", wanted at least 0", name, d, t->shape[d]);
    const struct extent e = segue_extent(t, &overflow);
    const uint64_t address =
        (dev->facts.flags & SEGUE_DEVICE_HANDLE_MEMORY ? 0 : (uint64_t)(uintptr_t)t->data) + t->offset;
    if (e.low != e.high && !t->data)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0, "%s: data is NULL, wanted memory of the device",
                          name);
    if (overflow || e.low < 0 || (uint64_t)e.high > t->bytes)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "%s: touches bytes %" PRId64 " to %" PRId64 ", given %" PRIu64 " bytes", name, e.low,
                          e.high, t->bytes);
    if (e.low != e.high && address % (t->dtype.bits / 8u))
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "%s: first element is not aligned to its %u bytes", name, t->dtype.bits / 8u);
    return SEGUE_OK;
}

static segue_status check_places(const char *name, const segue_tensor *t, segue_diag *diag)
{
    if (!segue_overlaps_itself(t)) return SEGUE_OK;
    return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                      "%s: its strides put two elements in one place, wanted a place for each", name);
}

static segue_status check_pair(segue_device *dev, const segue_tensor *to, const segue_tensor *from,
                               int axis_0_too, segue_diag *diag)
{
    segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    if (!status) status = check_tensor(dev, "to", to, diag);
    if (!status) status = check_tensor(dev, "from", from, diag);
    if (status) return status;
    if (to->rank != from->rank)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0, "to: rank is %u, wanted %u as from has",
                          to->rank, from->rank);
    for (int d = axis_0_too ? 0 : 1; d < to->rank; d++)
        if (to->shape[d] != from->shape[d])
            return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                              "to: dimension %d is %" PRId64 ", wanted %" PRId64 " as from has", d,
                              to->shape[d], from->shape[d]);
    return check_places("to", to, diag);
}

static int is_empty(const segue_tensor *t)
{
    int overflow;
    const struct extent e = segue_extent(t, &overflow);
    return e.low == e.high;
}

static segue_status copy(segue_device *dev, segue_stream stream, const segue_tensor *to,
                         const segue_tensor *from, segue_diag *diag)
{
    segue_diag said = { 0 };
    const segue_status status = dev->plugin->tensor_copy(dev->handle, stream, to, from, &said);
    return status ? segue_device_failed(dev, status, PHASE, &said, diag) : SEGUE_OK;
}

static segue_status check_apart(const segue_device *dev, const segue_tensor *to, const segue_tensor *from,
                                segue_diag *diag)
{
    if (!segue_overlap(to, from, (dev->facts.flags & SEGUE_DEVICE_HANDLE_MEMORY) != 0)) return SEGUE_OK;
    return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                      "to: overlaps from in memory, wanted memory of its own");
}

static segue_status check_stream(const segue_device *dev, segue_stream stream, segue_diag *diag)
{
    return stream.api == dev->facts.api ? SEGUE_OK : segue_wrong_stream(dev, stream, PHASE, diag);
}

segue_status segue_state_check(const segue_device *dev, segue_stream stream, const char *name,
                               const segue_tensor *t, int written, segue_diag *diag)
{
    segue_status status = check_tensor(dev, name, t, diag);
    if (!status && written) status = check_places(name, t, diag);
    return status ? status : check_stream(dev, stream, diag);
}

segue_status segue_state_convert(segue_device *dev, segue_stream stream, const segue_tensor *to,
                                 const segue_tensor *from, segue_diag *diag)
{
    segue_status status = check_pair(dev, to, from, 1, diag);
    if (!status) status = check_stream(dev, stream, diag);
    if (!status) status = check_apart(dev, to, from, diag);
    return status ? status : copy(dev, stream, to, from, diag);
}

segue_status segue_state_fork(segue_device *dev, segue_stream stream, const segue_tensor *pool, int64_t to,
                              int64_t from, segue_diag *diag)
{
    segue_status status = check_pair(dev, pool, pool, 1, diag);
    if (!status) status = check_stream(dev, stream, diag);
    if (status) return status;
    if (to < 0 || to >= pool->shape[0] || from < 0 || from >= pool->shape[0])
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "rows are %" PRId64 " and %" PRId64 ", wanted 0 to %" PRId64, to, from,
                          pool->shape[0] - 1);
    if (to == from || is_empty(pool)) return SEGUE_OK;
    const segue_tensor there = segue_tensor_slice(*pool, 0, to, 1),
                       here = segue_tensor_slice(*pool, 0, from, 1);
    return copy(dev, stream, &there, &here, diag);
}

segue_status segue_state_gather(segue_device *dev, segue_stream stream, const segue_tensor *to,
                                const segue_tensor *from, const int32_t *rows, uint32_t count, segue_diag *diag)
{
    segue_status status = check_pair(dev, to, from, 0, diag);
    if (!status) status = check_stream(dev, stream, diag);
    if (!status) status = check_apart(dev, to, from, diag);
    if (status) return status;
    if ((count && !rows) || count > to->shape[0])
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "count is %u with rows %s, wanted at most %" PRId64
                          " (dimension 0 of to) with their numbers",
                          count, rows ? "given" : "NULL", to->shape[0]);
    for (uint32_t i = 0; i < count; i++)
        if (rows[i] < 0 || rows[i] >= from->shape[0])
            return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0, "rows[%u] is %d, wanted 0 to %" PRId64, i,
                              rows[i], from->shape[0] - 1);
    if (is_empty(to) || is_empty(from)) return SEGUE_OK;
    for (uint32_t i = 0; i < count && !status; i++) {
        const segue_tensor there = segue_tensor_slice(*to, 0, i, 1),
                           here = segue_tensor_slice(*from, 0, rows[i], 1);
        status = copy(dev, stream, &there, &here, diag);
    }
    return status;
}
