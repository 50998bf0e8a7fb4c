/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a captured call. Nothing in it is believed before it is checked: a file may come from anybody. Whether the op is a valid
 * call of its primitive, core says. */
#include "replay.h"

#include <errno.h>
#include <inttypes.h>
#include <segue/sealed.h>
#include <stdio.h>
#include <stdlib.h>

#include "../grammar/dtype.h"

enum {
    PER_INPUT = 40,
    PER_OUTPUT = 300
}; /* bytes of the host's memory for an element: values, gauge, images */

struct reader {
    struct replay_file *f;
    uint64_t bytes, at; /* at: of the elements that come next */
    segue_sealed_head head;
    segue_call_head call;
    char *why;
};

/* ---- the whole ------------------------------------------------------------------------------------------ */

static int check_seal(struct reader *r)
{
    switch (
        segue_sealed_examine(r->f->content, r->bytes, SEGUE_SEALED_CALL, SEGUE_SEALED_CALL_VERSION, &r->head)) {
    case SEGUE_SEALED_WHOLE: return 0;
    case SEGUE_SEALED_SHORT:
        return descriptor_fail(
            r->why, "%" PRIu64 " bytes: cut, or no captured call; wanted a file of SEGUE_CAPTURE", r->bytes);
    case SEGUE_SEALED_REVERSED:
        return descriptor_fail(r->why,
                               "captured on a machine of the other byte order, wanted one of this order");
    case SEGUE_SEALED_OTHER:
        return descriptor_fail(r->why,
                               "does not begin as a captured call does, wanted a file of SEGUE_CAPTURE");
    case SEGUE_SEALED_VERSION:
        return descriptor_fail(r->why, "of format %u, wanted %d: replay it with the version that captured it",
                               r->head.version, SEGUE_SEALED_CALL_VERSION);
    case SEGUE_SEALED_CUT:
        return descriptor_fail(r->why, "cut or too long: %" PRIu64 " bytes, wanted %" PRIu64, r->bytes,
                               r->head.bytes);
    case SEGUE_SEALED_ALTERED:
        return descriptor_fail(r->why,
                               "has changed since it was captured: its digest is another; wanted it whole");
    }
    return -1;
}

/* A string of a record: ends in its room, and is fit for a terminal. */
static int is_text(const char *text, size_t room)
{
    const char *end = memchr(text, 0, room);
    for (const char *c = text; end && c < end; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f || ((unsigned char)*c == 0xc2 && (unsigned char)c[1] < 0xa0))
            return 0; /* 0xc2: U+0080 to U+009F in UTF-8 */
    return end != NULL;
}

static int check_head(struct reader *r)
{
    struct replay_file *f = r->f;
    const segue_call_head *c = &r->call;
    const uint64_t heads = sizeof r->head + sizeof r->call + sizeof(uint64_t);
    if (r->bytes < heads)
        return descriptor_fail(r->why, "its parts contradict each other: no room for the call's head");
    memcpy(&r->call, f->content + sizeof r->head, sizeof r->call);
    if (!is_text(c->primitive, sizeof c->primitive) || !is_text(c->device, sizeof c->device) ||
        !is_text(c->description, sizeof c->description) || !is_text(c->row, sizeof c->row))
        return descriptor_fail(r->why, "its parts contradict each other: a name does not end, or is none");
    f->primitive = segue_describe(r->head.primitive);
    if (!f->primitive || strcmp(f->primitive->name, c->primitive))
        return descriptor_fail(r->why,
                               "a call of %s (number %u), which this version does not know: wanted a newer one",
                               c->primitive, r->head.primitive);
    if (r->head.revision != f->primitive->revision)
        return descriptor_fail(r->why,
                               "a call of %s, revision %u, wanted revision %u, which this version knows",
                               c->primitive, r->head.revision, f->primitive->revision);
    if (r->head.count > DESCRIPTOR_FIELDS || c->parameters > DESCRIPTOR_FIELDS ||
        r->bytes - heads <
            c->parameters * sizeof(segue_call_parameter) + r->head.count * sizeof(segue_call_tensor))
        return descriptor_fail(r->why,
                               "its parts contradict each other: no room for %u operands and %u parameters",
                               r->head.count, c->parameters);
    r->at = heads - sizeof(uint64_t) + c->parameters * sizeof(segue_call_parameter) +
            r->head.count * sizeof(segue_call_tensor);
    memcpy(f->device, c->device, sizeof f->device);
    memcpy(f->description, c->description, sizeof f->description);
    memcpy(f->row, c->row, sizeof f->row);
    return 0;
}

/* ---- one record ----------------------------------------------------------------------------------------- */

/* The field of that number, which must bear the record's name; fields come in ascending order. NULL with words. */
static const segue_field_facts *field_of(struct reader *r, const char name[32], uint32_t field, uint32_t *next)
{
    const segue_primitive_facts *p = r->f->primitive;
    if (!is_text(name, 32) || field < *next)
        return descriptor_fail(
                   r->why, "its parts contradict each other: field %u is told twice, or has no name", field),
               NULL;
    *next = field + 1;
    if (field < p->field_count && !strcmp(p->fields[field].name, name)) return &p->fields[field];
    return descriptor_fail(r->why, "%s: %s has no such field %u in this version: wanted a newer one", name,
                           p->name, field),
           NULL;
}

static int take_parameters(struct reader *r)
{
    const unsigned char *from = r->f->content + sizeof r->head + sizeof r->call;
    uint32_t next = 0;
    for (uint32_t i = 0; i < r->call.parameters; i++) {
        segue_call_parameter p;
        memcpy(&p, from + i * sizeof p, sizeof p);
        const segue_field_facts *f = field_of(r, p.name, p.field, &next);
        if (!f) return -1;
        if (is_tensor_field(f) || f->role != p.role)
            return descriptor_fail(
                r->why, "%s: of another kind than in this version: wanted the one that captured it", f->name);
        memcpy((char *)r->f->op + f->offset, &p.value, sizeof p.value);
        memcpy((char *)r->f->planned + f->offset, &p.value, sizeof p.value);
    }
    return 0;
}

/* Shape and strides from which nothing overflows. Of an axis of one element or none the stride means nothing, and may be anything. */
static int take_view(uint32_t dtype, uint32_t rank, const int64_t *shape, const int64_t *stride,
                     segue_tensor *out)
{
    const int64_t most = (int64_t)1 << 40;
    int64_t count = 1, reach = 0, step;
    *out = segue_tensor_of(NULL, dtype, 0, shape);
    out->rank = (uint16_t)rank;
    for (uint32_t d = 0; d < SEGUE_MAX_RANK; d++) {
        if (d >= rank) continue;
        if (shape[d] < 0 || shape[d] > most || __builtin_mul_overflow(count, shape[d] ? shape[d] : 1, &count) ||
            count > most)
            return -1;
        const int far = stride[d] < -most || stride[d] > most;
        if (shape[d] > 1) {
            if (far || __builtin_mul_overflow(shape[d] - 1, stride[d], &step)) return -1;
            if (__builtin_add_overflow(reach, step < 0 ? -step : step, &reach) || reach > most) return -1;
        }
        out->shape[d] = shape[d];
        out->stride[d] = far ? 0 : stride[d];
    }
    tensor_settle(out);
    return 0;
}

static int64_t stored_count(const segue_tensor *t, int64_t *all)
{
    int64_t count = 1;
    *all = 1;
    for (int d = 0; d < t->rank; d++) {
        *all *= t->shape[d];
        count *= t->stride[d] || !t->shape[d] ? t->shape[d] : 1;
    }
    return count;
}

static int fits_kind(const segue_field_facts *f, uint32_t dtype)
{
    const int floating = dtype == SEGUE_F32 || dtype == SEGUE_F16 || dtype == SEGUE_BF16 || dtype == SEGUE_F64;
    return f->kind == SEGUE_KIND_I32 ? dtype == SEGUE_I32 : floating;
}

static int take_tensor(struct reader *r, const segue_call_tensor *t, const segue_field_facts *f)
{
    struct replay_file *file = r->f;
    segue_tensor view, planned;
    int64_t all;
    if (!is_tensor_field(f) || !fits_kind(f, t->dtype) || t->rank > SEGUE_MAX_RANK || !t->rank)
        return descriptor_fail(r->why, "%s: dtype %#x and rank %u are none that it can have", f->name, t->dtype,
                               t->rank);
    if (take_view(t->dtype, t->rank, t->shape, t->stride, &view) ||
        take_view(t->dtype, t->rank, t->planned_shape, t->planned_stride, &planned))
        return descriptor_fail(
            r->why, "%s: shape and strides are none of a tensor: wanted at most 2^40 elements", f->name);
    const uint64_t bytes =
        is_written_field(f) ? 0 : (uint64_t)stored_count(&view, &all) * (view.dtype.bits / 8u);
    stored_count(&view, &all);
    if (t->bytes != bytes)
        return descriptor_fail(r->why, "%s: its elements take %" PRIu64 " bytes, wanted %" PRIu64, f->name,
                               t->bytes, bytes);
    if (t->over && (t->over > file->primitive->field_count || !is_written_field(f) ||
                    t->over - 1 != state_partner(file->primitive, t->field)))
        return descriptor_fail(r->why, "%s: lies in the place of field %u, which is no partner of it", f->name,
                               t->over - 1);
    file->elements[t->field] = r->at;
    file->over[t->field] = (uint8_t)t->over;
    file->need += (double)all * (is_written_field(f) ? PER_OUTPUT : PER_INPUT);
    r->at += segue_sealed_padded(bytes);
    *tensor_of(file->op, f) = view;
    *tensor_of(file->planned, f) = planned;
    return 0;
}

static int take_tensors(struct reader *r)
{
    const unsigned char *from =
        r->f->content + sizeof r->head + sizeof r->call + r->call.parameters * sizeof(segue_call_parameter);
    uint32_t next = 0;
    for (uint32_t i = 0; i < r->head.count; i++) {
        segue_call_tensor t;
        memcpy(&t, from + i * sizeof t, sizeof t);
        const segue_field_facts *f = field_of(r, t.name, t.field, &next);
        if (!f || take_tensor(r, &t, f)) return -1;
    }
    if (r->at + sizeof(uint64_t) == r->bytes) return 0;
    return descriptor_fail(
        r->why, "its parts contradict each other: records and elements take %" PRIu64 " bytes, given %" PRIu64,
        r->at + sizeof(uint64_t), r->bytes);
}

/* What lies in the place of another is just like it. */
static int check_places(struct reader *r)
{
    const segue_primitive_facts *p = r->f->primitive;
    for (uint32_t i = 0; i < p->field_count; i++) {
        if (!r->f->over[i]) continue;
        const segue_tensor *out = tensor_of(r->f->op, &p->fields[i]),
                           *in = tensor_of(r->f->op, &p->fields[r->f->over[i] - 1]);
        int same = segue_dtype_id(out->dtype) == segue_dtype_id(in->dtype) && out->rank == in->rank;
        for (int d = 0; same && d < out->rank; d++)
            same = out->shape[d] == in->shape[d] && (out->shape[d] < 2 || out->stride[d] == in->stride[d]);
        if (!same)
            return descriptor_fail(r->why, "%s: lies in the place of %s, and is not laid out like it",
                                   p->fields[i].name, p->fields[r->f->over[i] - 1].name);
    }
    return 0;
}

/* ---- a file --------------------------------------------------------------------------------------------- */

static segue_op_header *empty_op(const segue_primitive_facts *p)
{
    segue_op_header *op = calloc(1, p->op_size);
    if (op) *op = (segue_op_header){ p->op_size, p->id, p->revision, 0 };
    return op;
}

int replay_parse(unsigned char *content, uint64_t bytes, struct replay_file *out, char *why)
{
    struct reader r = { .f = out, .bytes = bytes, .why = why };
    memset(out, 0, sizeof *out);
    out->content = content;
    if (check_seal(&r) || check_head(&r)) return -1;
    out->op = empty_op(out->primitive);
    out->planned = empty_op(out->primitive);
    if (!out->op || !out->planned) return descriptor_fail(why, "no memory");
    return take_parameters(&r) || take_tensors(&r) || check_places(&r) ? -1 : 0;
}

int replay_read(const char *path, struct replay_file *out, char *why)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = NULL;
    long size = -1;
    memset(out, 0, sizeof *out);
    if (file && !fseek(file, 0, SEEK_END) && (size = ftell(file)) >= 0 && !fseek(file, 0, SEEK_SET) &&
        (bytes = malloc((size_t)size + 1)) && fread(bytes, 1, (size_t)size, file) == (size_t)size) {
        fclose(file);
        return replay_parse(bytes, (uint64_t)size, out, why);
    }
    descriptor_fail(why, "cannot be read: %s", strerror(errno));
    free(bytes);
    if (file) fclose(file);
    return -1;
}

void replay_free(struct replay_file *f)
{
    free(f->content);
    free(f->op);
    free(f->planned);
    memset(f, 0, sizeof *f);
}

/* ---- a call --------------------------------------------------------------------------------------------- */

static int unpack(struct operand *o, const unsigned char *from)
{
    const int64_t size = o->view.dtype.bits / 8;
    int64_t step[SEGUE_MAX_RANK] = { 0 }, bytes = size, index[SEGUE_MAX_RANK];
    const size_t room = o->count ? (size_t)o->count : 1;
    if (is_floating(o)) o->value = malloc(room * sizeof *o->value);
    else o->whole = malloc(room * sizeof *o->whole);
    if (!o->value && !o->whole) return -1;
    for (int d = o->view.rank - 1; d >= 0; d--) {
        if (!o->view.stride[d] && o->view.shape[d]) continue; /* the same element all along */
        step[d] = bytes;
        bytes *= o->view.shape[d];
    }
    for (int64_t i = 0; i < o->count; i++) {
        int64_t at = 0;
        index_of(&o->view, i, index);
        for (int d = 0; d < o->view.rank; d++) at += index[d] * step[d];
        if (o->value) o->value[i] = dtype_load(segue_dtype_id(o->view.dtype), from + at);
        else memcpy(&o->whole[i], from + at, sizeof *o->whole);
    }
    return 0;
}

int replay_call(const struct replay_file *f, struct call *out)
{
    memset(out, 0, sizeof *out);
    out->primitive = f->primitive;
    if (!(out->op = malloc(f->primitive->op_size))) return -1;
    memcpy(out->op, f->op, f->primitive->op_size);
    memcpy(out->over, f->over, sizeof out->over);
    for (uint32_t i = 0; i < f->primitive->field_count; i++) {
        const segue_field_facts *field = &f->primitive->fields[i];
        struct operand *o = &out->operands[i];
        if (!is_tensor_field(field) || !tensor_of(f->op, field)->dtype.bits) continue;
        o->facts = field;
        o->view = *tensor_of(f->op, field);
        stored_count(&o->view, &o->count);
        if (!is_written_field(field) && unpack(o, f->content + f->elements[i])) return -1;
    }
    return 0;
}
