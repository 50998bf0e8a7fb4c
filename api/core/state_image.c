/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* States as bytes, and back: a head, a record for each state, their elements without gaps, a digest (segue/sealed.h). */
#include "diag.h"
#include "object.h"
#include "validate.h"

#include <inttypes.h>
#include <segue/sealed.h>

#define PHASE SEGUE_PHASE_CALL

struct record {
    uint32_t nth, dtype; /* nth: among the primitive's states, from 0 */
    uint64_t rank;
    int64_t shape[SEGUE_MAX_RANK];
};

struct states { /* of an op */
    const segue_primitive_facts *facts;
    uint32_t count, revision; /* revision: the op's */
    struct {
        uint32_t field, nth;
        segue_tensor tensor;
        uint64_t bytes; /* of its elements */
    } of[SEGUE_MAX_OP_SIZE / sizeof(segue_tensor)];
};

static segue_status measure(const char *name, uint32_t field, const segue_tensor *t, uint64_t *bytes,
                            segue_diag *diag)
{
    char text[32];
    int64_t elements;
    if (!segue_is_float(t->dtype))
        return segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, field + 1,
                          "%s: dtype is %s, wanted f32, f16, bf16 or f64", name,
                          segue_dtype_text(t->dtype, text));
    if (t->rank < 1 || t->rank > SEGUE_MAX_RANK)
        return segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, field + 1, "%s: rank is %u, wanted 1 to %d", name,
                          t->rank, SEGUE_MAX_RANK);
    int empty = 0;
    for (int d = 0; d < t->rank; d++) {
        if (t->shape[d] < 0)
            return segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, field + 1,
                              "%s: dimension %d is %" PRId64 ", wanted at least 0", name, d, t->shape[d]);
        empty |= !t->shape[d];
    }
    if (!segue_count(t, &elements))
        return segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, field + 1,
                          "%s: its axes multiply to more than 2^48 elements, wanted at most that", name);
    *bytes = empty ? 0 : (uint64_t)elements * (t->dtype.bits / 8u);
    return SEGUE_OK;
}

/* The states of that role that the op has; at least one. */
static segue_status find_states(const segue_op_header *op, uint32_t role, struct states *out, segue_diag *diag)
{
    struct shapes shapes;
    struct op_storage storage;
    uint32_t nth = 0;
    segue_status status = segue_validate_header(op, &shapes, diag);
    if (status) return status;
    out->facts = shapes.facts;
    out->revision = op->revision;
    out->count = 0;
    op = segue_full_op(op, out->facts->op_size, &storage);
    for (uint32_t i = 0; i < out->facts->field_count && !status; i++) {
        const segue_field_facts *f = &out->facts->fields[i];
        if (f->role != role) continue;
        const segue_tensor *t = tensor_at(op, f);
        nth++;
        if (!t->dtype.bits) continue;
        out->of[out->count].field = i, out->of[out->count].nth = nth - 1, out->of[out->count].tensor = *t;
        status = measure(f->name, i, t, &out->of[out->count].bytes, diag);
        out->count++;
    }
    if (!status && !out->count)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "the op of %s has no %s state, wanted one at least", out->facts->name,
                          role == SEGUE_ROLE_STATE_IN ? "incoming" : "outgoing");
    return status;
}

/* All of them, before the first is carried: a refused call has written nothing. */
static segue_status check_states(const segue_device *dev, segue_stream stream, const struct states *s,
                                 int written, segue_diag *diag)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (!s->of[i].bytes) continue; /* nothing will be touched */
        const segue_status status = segue_state_check(dev, stream, s->facts->fields[s->of[i].field].name,
                                                      &s->of[i].tensor, written, diag);
        if (status && diag) diag->field = s->of[i].field + 1;
        if (status) return status;
    }
    return SEGUE_OK;
}

static uint64_t image_size(const struct states *s)
{
    uint64_t bytes = sizeof(segue_sealed_head) + s->count * sizeof(struct record) + sizeof(uint64_t);
    for (uint32_t i = 0; i < s->count; i++) bytes += segue_sealed_padded(s->of[i].bytes);
    return bytes;
}

/* ---- one state ------------------------------------------------------------------------------------------ */

struct staged { /* a state, packed on the device */
    segue_buffer memory;
    segue_tensor packed;
};

static segue_status stage(segue_device *dev, const segue_tensor *state, uint64_t bytes, uint32_t dtype,
                          struct staged *out, segue_diag *diag)
{
    const segue_status status = segue_memory_alloc(dev, bytes, &out->memory, diag);
    if (status) return status;
    out->packed = segue_tensor_of(out->memory.data, dtype, state->rank, state->shape);
    out->packed.offset += out->memory.offset;
    out->packed.bytes += out->memory.offset;
    return SEGUE_OK;
}

/* A state to host memory. */
static segue_status carry_out(segue_device *dev, segue_stream stream, const segue_tensor *state, uint64_t bytes,
                              void *host, segue_diag *diag)
{
    struct staged s;
    if (!bytes) return SEGUE_OK;
    segue_status status = stage(dev, state, bytes, segue_dtype_id(state->dtype), &s, diag);
    if (status) return status;
    status = segue_state_convert(dev, stream, &s.packed, state, diag);
    if (!status)
        status = segue_memory_copy(dev, stream, SEGUE_COPY_FROM_DEVICE, (segue_buffer){ host, 0, bytes },
                                   s.memory, bytes, diag);
    /* Also behind a failure: what was enqueued uses both memories. */
    const segue_status waited = segue_stream_sync(dev, stream, status ? NULL : diag);
    segue_memory_free(dev, s.memory);
    return status ? status : waited;
}

/* What a call inside said, with the operand in front. */
static segue_status name_operand(const struct states *s, uint32_t i, segue_status status, segue_diag *said,
                                 segue_diag *diag)
{
    char text[sizeof said->text];
    if (!status) return SEGUE_OK;
    memcpy(text, said->text, sizeof text);
    segue_fail(diag, status, PHASE, s->of[i].field + 1, "%s: %s", s->facts->fields[s->of[i].field].name, text);
    if (diag) diag->native_code = said->native_code;
    return status;
}

/* ---- save ----------------------------------------------------------------------------------------------- */

static void write_head(const struct states *s, unsigned char *to, uint64_t bytes)
{
    const segue_sealed_head head = { SEGUE_SEALED_STATE, bytes,       SEGUE_SEALED_STATE_VERSION,
                                     s->facts->id,       s->revision, s->count };
    for (uint32_t i = 0; i < s->count; i++) {
        const segue_tensor *t = &s->of[i].tensor;
        struct record r = { .nth = s->of[i].nth, .dtype = segue_dtype_id(t->dtype), .rank = t->rank };
        memcpy(r.shape, t->shape, t->rank * sizeof *r.shape);
        memcpy(to + sizeof head + i * sizeof r, &r, sizeof r);
    }
    segue_seal(&head, to);
}

segue_status segue_state_save(segue_device *dev, segue_stream stream, const segue_op_header *op, void *to,
                              uint64_t *bytes, segue_diag *diag)
{
    struct states s;
    segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    if (!status) status = find_states(op, SEGUE_ROLE_STATE_OUT, &s, diag);
    if (status) return status;
    if (!bytes) return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0, "bytes is NULL, wanted the room at to");
    const uint64_t size = image_size(&s);
    if (to && *bytes < size)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "bytes is %" PRIu64 ", wanted at least %" PRIu64 " for the states of %s", *bytes,
                          size, s.facts->name);
    if (to && (status = check_states(dev, stream, &s, 0, diag))) return status;
    uint64_t at = sizeof(segue_sealed_head) + s.count * sizeof(struct record);
    for (uint32_t i = 0; to && i < s.count; i++) {
        segue_diag said = { 0 };
        unsigned char *const place = (unsigned char *)to + at;
        memset(place + s.of[i].bytes, 0, segue_sealed_padded(s.of[i].bytes) - s.of[i].bytes);
        status = carry_out(dev, stream, &s.of[i].tensor, s.of[i].bytes, place, &said);
        if (status) return name_operand(&s, i, status, &said, diag);
        at += segue_sealed_padded(s.of[i].bytes);
    }
    if (to) write_head(&s, to, size);
    *bytes = size;
    return SEGUE_OK;
}

/* ---- load ----------------------------------------------------------------------------------------------- */

static segue_status check_image(const unsigned char *from, uint64_t bytes, segue_sealed_head *head,
                                segue_diag *diag)
{
    if (!from) return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0, "from is NULL, wanted what was saved");
    switch (segue_sealed_examine(from, bytes, SEGUE_SEALED_STATE, SEGUE_SEALED_STATE_VERSION, head)) {
    case SEGUE_SEALED_SHORT:
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "bytes is %" PRIu64 ", wanted a saved state, which has more than that", bytes);
    case SEGUE_SEALED_REVERSED:
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "the state was saved on a machine of the other byte order, wanted one of this order");
    case SEGUE_SEALED_OTHER:
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "these bytes do not begin as a saved state does, wanted what segue_state_save wrote");
    case SEGUE_SEALED_VERSION:
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "the state is of format %u, wanted %d: save it with this version", head->version,
                          SEGUE_SEALED_STATE_VERSION);
    case SEGUE_SEALED_CUT:
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "the state is cut or too long: %" PRIu64 " bytes, wanted %" PRIu64, bytes,
                          head->bytes);
    case SEGUE_SEALED_ALTERED:
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "the state has changed since it was saved: its digest is another; wanted it whole");
    case SEGUE_SEALED_WHOLE: break;
    }
    return SEGUE_OK;
}

static segue_status check_record(const struct states *s, uint32_t i, const struct record *r, segue_diag *diag)
{
    const char *name = s->facts->fields[s->of[i].field].name;
    const segue_tensor *t = &s->of[i].tensor;
    if (r->nth != s->of[i].nth)
        return segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, s->of[i].field + 1,
                          "%s: not among the states that were saved, wanted the same states", name);
    if (r->rank != t->rank)
        return segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, s->of[i].field + 1,
                          "%s: rank is %u, wanted %" PRIu64 " as saved", name, t->rank, r->rank);
    for (int d = 0; d < t->rank; d++)
        if (r->shape[d] != t->shape[d])
            return segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, s->of[i].field + 1,
                              "%s: dimension %d is %" PRId64 ", wanted %" PRId64 " as saved", name, d,
                              t->shape[d], r->shape[d]);
    return SEGUE_OK;
}

/* The head against the op; records[] of each state. The digest vouches for what a record says. */
static segue_status match(const struct states *s, const segue_sealed_head *head, const unsigned char *from,
                          struct record *records, segue_diag *diag)
{
    const segue_primitive_facts *saved = segue_describe(head->primitive);
    if (head->primitive != s->facts->id || head->revision != s->revision)
        return segue_fail(
            diag, SEGUE_ERROR_ARGUMENT, PHASE, 0, "the state is of %s, revision %u, wanted %s, revision %u",
            saved ? saved->name : "an unknown primitive", head->revision, s->facts->name, s->revision);
    if (head->count != s->count)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "%u state%s saved, wanted %u, as the op of %s takes", head->count,
                          head->count == 1 ? " was" : "s were", s->count, s->facts->name);
    uint64_t wanted = sizeof *head + s->count * sizeof *records + sizeof(uint64_t);
    if (head->bytes < wanted)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0, "the state is cut: %" PRIu64 " bytes",
                          head->bytes);
    for (uint32_t i = 0; i < s->count; i++) {
        memcpy(&records[i], from + sizeof *head + i * sizeof *records, sizeof *records);
        const segue_status status = check_record(s, i, &records[i], diag);
        if (status) return status;
        const segue_dtype dtype = segue_dtype_of(records[i].dtype);
        wanted += segue_sealed_padded(s->of[i].bytes / (s->of[i].tensor.dtype.bits / 8u) * (dtype.bits / 8u));
        if (!segue_is_float(dtype) || wanted > head->bytes)
            return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                              "the state's records contradict each other");
    }
    return SEGUE_OK;
}

/* All states to the device, then each to its place: where memory for one is missing, none has changed. */
static segue_status carry_in(segue_device *dev, segue_stream stream, const struct states *s,
                             const struct record *records, const unsigned char *from, struct staged *staged,
                             segue_diag *diag)
{
    segue_status status = SEGUE_OK;
    for (uint32_t i = 0; i < s->count && !status; i++) {
        segue_diag said = { 0 };
        const uint64_t bytes =
            s->of[i].bytes / (s->of[i].tensor.dtype.bits / 8u) * (segue_dtype_of(records[i].dtype).bits / 8u);
        const segue_buffer image = { (void *)(uintptr_t)from, 0, bytes }; /* only read: the direction says so */
        if (bytes) status = stage(dev, &s->of[i].tensor, bytes, records[i].dtype, &staged[i], &said);
        if (bytes && !status)
            status =
                segue_memory_copy(dev, stream, SEGUE_COPY_TO_DEVICE, staged[i].memory, image, bytes, &said);
        status = name_operand(s, i, status, &said, diag);
        from += segue_sealed_padded(bytes);
    }
    for (uint32_t i = 0; i < s->count && !status; i++) {
        segue_diag said = { 0 };
        if (!staged[i].memory.data) continue;
        status = segue_state_convert(dev, stream, &s->of[i].tensor, &staged[i].packed, &said);
        status = name_operand(s, i, status, &said, diag);
    }
    return status;
}

segue_status segue_state_load(segue_device *dev, segue_stream stream, const segue_op_header *op,
                              const void *from, uint64_t bytes, segue_diag *diag)
{
    struct states s;
    segue_sealed_head head;
    struct record records[sizeof s.of / sizeof *s.of];
    segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    if (!status) status = find_states(op, SEGUE_ROLE_STATE_IN, &s, diag);
    if (!status) status = check_image(from, bytes, &head, diag);
    if (!status) status = match(&s, &head, from, records, diag);
    if (!status) status = check_states(dev, stream, &s, 1, diag);
    if (status) return status;
    struct staged staged[sizeof s.of / sizeof *s.of];
    memset(staged, 0, sizeof staged);
    const unsigned char *const images = (const unsigned char *)from + sizeof head + s.count * sizeof *records;
    status = carry_in(dev, stream, &s, records, images, staged, diag);
    /* Also behind a failure: what was enqueued uses these memories. */
    const segue_status waited = segue_stream_sync(dev, stream, status ? NULL : diag);
    for (uint32_t i = 0; i < s.count; i++) segue_memory_free(dev, staged[i].memory);
    return status ? status : waited;
}
