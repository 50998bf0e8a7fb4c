/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a device does of a relay, as an engine would have it done: states in its memory, saved, loaded, forked, and runs that
 * update them where they lie. */
#include "relay.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../grammar/dtype.h"

static int failed(char *why, const struct bench_device *d, const char *what, const segue_diag *diag)
{
    return descriptor_fail(why, "%s: %s: %.300s", d->name, what, diag->text);
}

/* ---- answers ------------------------------------------------------------------------------------------- */

int relay_answer_make(const struct relay_whole *w, struct relay_answer *out)
{
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < w->call.primitive->field_count; i++) {
        const struct operand *o = &w->call.operands[i];
        if (!is_output(o)) continue;
        if (!(out->of[i] = malloc((size_t)(o->count + 1) * sizeof *out->of[i]))) return -1;
        for (int64_t k = 0; k < o->count; k++) out->of[i][k] = NAN;
    }
    return 0;
}

void relay_answer_free(struct relay_answer *a)
{
    for (int i = 0; i < DESCRIPTOR_FIELDS; i++) free(a->of[i]);
    memset(a, 0, sizeof *a);
}

/* ---- bytes --------------------------------------------------------------------------------------------- */

/* Values, row-major, into a packed tensor on the device. */
static int put(const struct bench_device *d, const segue_tensor *t, const struct operand *o,
               const double *values, char *why)
{
    const size_t size = t->dtype.bits / 8, bytes = (size_t)o->count * size;
    segue_diag diag = { 0 };
    char *packed = malloc(bytes + 1);
    if (!packed) return descriptor_fail(why, "no memory for %s", o->facts->name);
    for (int64_t i = 0; i < o->count; i++) {
        if (o->whole) memcpy(packed + (size_t)i * size, &o->whole[i], size);
        else dtype_store(segue_dtype_id(t->dtype), packed + (size_t)i * size, values[i]);
    }
    const segue_buffer to = { t->data, t->offset, t->bytes }, from = { packed, 0, bytes };
    const int bad = segue_memory_copy(d->handle, d->stream, SEGUE_COPY_TO_DEVICE, to, from, bytes, &diag) ||
                    segue_stream_sync(d->handle, d->stream, &diag);
    free(packed);
    return bad ? failed(why, d, o->facts->name, &diag) : 0;
}

/* A packed tensor's values. */
static int get(const struct bench_device *d, const segue_tensor *t, int64_t count, const char *name,
               double *values, char *why)
{
    const size_t size = t->dtype.bits / 8, bytes = (size_t)count * size;
    segue_diag diag = { 0 };
    char *packed = malloc(bytes + 1);
    if (!packed) return descriptor_fail(why, "no memory for %s", name);
    const segue_buffer from = { t->data, t->offset, t->bytes }, to = { packed, 0, bytes };
    const int bad = segue_memory_copy(d->handle, d->stream, SEGUE_COPY_FROM_DEVICE, to, from, bytes, &diag) ||
                    segue_stream_sync(d->handle, d->stream, &diag);
    for (int64_t i = 0; !bad && i < count; i++)
        values[i] = dtype_load(segue_dtype_id(t->dtype), packed + (size_t)i * size);
    free(packed);
    return bad ? failed(why, d, name, &diag) : 0;
}

/* Memory for the tensor as it is laid out. */
static int place(const struct bench_device *d, segue_tensor *t, segue_buffer *memory, const char *name,
                 char *why)
{
    segue_diag diag = { 0 };
    tensor_settle(t);
    if (segue_memory_alloc(d->handle, t->bytes, memory, &diag)) return failed(why, d, name, &diag);
    t->data = memory->data;
    t->offset += memory->offset;
    t->bytes += memory->offset;
    return 0;
}

/* ---- pools --------------------------------------------------------------------------------------------- */

static uint32_t fields_of(const struct relay_whole *w)
{
    return w->call.primitive->field_count;
}

static int is_outgoing(const struct relay_whole *w, uint32_t i)
{
    return is_output(&w->call.operands[i]) && is_state(&w->call.operands[i]);
}

/* 0, RELAY_DECLINED or -1 with words. */
static int make_plan(const struct relay_whole *w, const struct bench_device *d, const struct call *c,
                     segue_plan **plan, segue_plan_facts *out, char *why)
{
    segue_diag diag = { 0 };
    const segue_status status = segue_plan_create(d->handle, c->op, plan, &diag);
    *out = (segue_plan_facts){ .size = sizeof *out };
    if (status == SEGUE_ERROR_UNSUPPORTED) {
        descriptor_fail(why, "%s takes no such %s: %.300s", d->name, w->call.primitive->name, diag.text);
        return RELAY_DECLINED;
    }
    if (status) return failed(why, d, "no plan", &diag);
    if (segue_plan_info(*plan, out, &diag)) return failed(why, d, "no plan", &diag);
    if (!(out->flags & SEGUE_PLAN_DELEGATED)) return 0;
    descriptor_fail(why, "%s has no kernel of its own for %s: the reference would compute", d->name,
                    w->call.primitive->name);
    return RELAY_DECLINED;
}

int relay_plan_facts(const struct relay_whole *w, const struct bench_device *d, segue_plan_facts *out,
                     char *why)
{
    struct call c;
    segue_plan *plan = NULL;
    int code = relay_piece(w, RELAY_ROWS, RELAY_PROMPT, RELAY_TURN, &c);
    if (code) descriptor_fail(why, "no memory for a piece of the call");
    else code = make_plan(w, d, &c, &plan, out, why);
    segue_plan_destroy(plan);
    call_free(&c);
    return code;
}

int relay_pool_make(const struct relay_whole *w, const struct bench_device *d, struct relay_pool *out,
                    char *why)
{
    segue_plan_facts facts;
    const char *dims = NULL; /* of the first state: whose strides a plan tells */
    *out = (struct relay_pool){ .device = d };
    if (relay_plan_facts(w, d, &facts, why)) return -1;
    for (uint32_t i = 0; i < fields_of(w); i++) {
        const segue_field_facts *f = &w->call.primitive->fields[i];
        if (!is_outgoing(w, i)) continue;
        const segue_tensor *view = &w->call.operands[i].view;
        segue_tensor *t = &out->state[i];
        *t = segue_tensor_of(NULL, segue_dtype_id(view->dtype), view->rank, view->shape);
        if (!dims) dims = f->dims;
        if (!strcmp(f->dims, dims) && facts.state_stride[0])
            memcpy(t->stride, facts.state_stride, sizeof t->stride);
        if (place(d, t, &out->memory[i], f->name, why)) return -1;
    }
    return 0;
}

void relay_pool_free(struct relay_pool *p)
{
    for (int i = 0; p->device && i < DESCRIPTOR_FIELDS; i++)
        if (p->memory[i].data) segue_memory_free(p->device->handle, p->memory[i]);
    memset(p, 0, sizeof *p);
}

/* The first rows of a pool. */
static segue_tensor rows_of(const struct relay_pool *p, uint32_t field, int rows)
{
    return segue_tensor_slice(p->state[field], 0, 0, rows);
}

/* Between a state's first rows and a packed copy's values. to_device: values in, else out. */
static int move(const struct relay_whole *w, const struct relay_pool *p, uint32_t field, int rows,
                double *values, int to_device, char *why)
{
    const struct bench_device *d = p->device;
    const segue_tensor state = rows_of(p, field, rows);
    struct operand o = w->call.operands[field];
    segue_tensor packed = segue_tensor_of(NULL, segue_dtype_id(state.dtype), state.rank, state.shape);
    segue_buffer memory = { 0 };
    segue_diag diag = { 0 };
    o.count = o.count / RELAY_ROWS * rows;
    int bad = place(d, &packed, &memory, o.facts->name, why);
    if (!bad && to_device) bad = put(d, &packed, &o, values, why);
    if (!bad && segue_state_convert(d->handle, d->stream, to_device ? &state : &packed,
                                    to_device ? &packed : &state, &diag))
        bad = failed(why, d, o.facts->name, &diag);
    if (!bad && !to_device) bad = get(d, &packed, o.count, o.facts->name, values, why);
    if (!bad && segue_stream_sync(d->handle, d->stream, &diag)) bad = failed(why, d, o.facts->name, &diag);
    if (memory.data) segue_memory_free(d->handle, memory);
    return bad;
}

int relay_pool_begin(const struct relay_whole *w, struct relay_pool *p, char *why)
{
    int bad = 0;
    for (uint32_t i = 0; !bad && i < fields_of(w); i++)
        if (is_outgoing(w, i))
            bad = move(w, p, i, 1, w->call.operands[state_partner(w->call.primitive, i)].value, 1, why);
    return bad;
}

int relay_pool_fork(const struct relay_whole *w, struct relay_pool *p, char *why)
{
    segue_diag diag = { 0 };
    for (uint32_t i = 0; i < fields_of(w); i++)
        if (is_outgoing(w, i) &&
            segue_state_fork(p->device->handle, p->device->stream, &p->state[i], 1, 0, &diag))
            return failed(why, p->device, "fork", &diag);
    return 0;
}

/* ---- files --------------------------------------------------------------------------------------------- */

/* An op with the pool's first rows as states; nothing else is looked at. The caller frees it. */
static segue_op_header *state_op(const struct relay_whole *w, const struct relay_pool *p, int rows)
{
    const segue_primitive_facts *facts = w->call.primitive;
    segue_op_header *op = calloc(1, facts->op_size);
    if (!op) return NULL;
    memcpy(op, w->call.op, sizeof *op);
    for (uint32_t i = 0; i < facts->field_count; i++) {
        if (!is_outgoing(w, i)) continue;
        *tensor_of(op, &facts->fields[i]) = rows_of(p, i, rows);
        *tensor_of(op, &facts->fields[state_partner(facts, i)]) = rows_of(p, i, rows);
    }
    return op;
}

int relay_pool_save(const struct relay_whole *w, struct relay_pool *p, int rows, const char *path,
                    uint64_t *bytes, char *why)
{
    const struct bench_device *d = p->device;
    segue_op_header *op = state_op(w, p, rows);
    segue_diag diag = { 0 };
    void *image = NULL;
    *bytes = 0;
    int bad = !op;
    if (bad) descriptor_fail(why, "no memory to save the states");
    else if ((bad = segue_state_save(d->handle, d->stream, op, NULL, bytes, &diag)) == 0 &&
             !(image = malloc(*bytes)))
        bad = descriptor_fail(why, "no memory for %llu bytes of states", (unsigned long long)*bytes);
    else if (bad || segue_state_save(d->handle, d->stream, op, image, bytes, &diag))
        bad = failed(why, d, "save", &diag);
    FILE *file = bad ? NULL : fopen(path, "wb");
    if (!bad) {
        const int written = file && fwrite(image, 1, *bytes, file) == *bytes;
        const int closed = file && !fclose(file);
        if (!written || !closed) bad = descriptor_fail(why, "%s: cannot be written: %s", path, strerror(errno));
    }
    free(image), free(op);
    return bad ? -1 : 0;
}

/* All bytes of a file; the caller frees them. NULL with words. */
static char *read_whole(const char *path, size_t *length, char *why)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    long size = -1;
    if (file && !fseek(file, 0, SEEK_END) && (size = ftell(file)) >= 0 && !fseek(file, 0, SEEK_SET) &&
        (bytes = malloc((size_t)size + 1)) && fread(bytes, 1, (size_t)size, file) == (size_t)size)
        *length = (size_t)size;
    else {
        descriptor_fail(why, "%s: cannot be read: %s", path, strerror(errno));
        free(bytes);
        bytes = NULL;
    }
    if (file) fclose(file);
    return bytes;
}

int relay_pool_load(const struct relay_whole *w, struct relay_pool *p, int rows, const char *path, char *why)
{
    const struct bench_device *d = p->device;
    segue_op_header *op = state_op(w, p, rows);
    segue_diag diag = { 0 };
    size_t length = 0;
    char *image = op ? read_whole(path, &length, why) : NULL;
    int bad = !image;
    if (!op) descriptor_fail(why, "no memory to load the states");
    if (!bad && segue_state_load(d->handle, d->stream, op, image, length, &diag))
        bad = failed(why, d, "load", &diag);
    free(image), free(op);
    return bad ? -1 : 0;
}

/* ---- runs ---------------------------------------------------------------------------------------------- */

struct leg {
    const struct relay_whole *w;
    struct relay_pool *pool;
    int rows;
    struct relay_answer *answer;
    char *why;
};

/* Where a piece's element is in the whole call. */
static int64_t place_in_whole(const struct relay_whole *w, const struct call *piece, uint32_t field, int64_t i,
                              int64_t low)
{
    const struct operand *o = &piece->operands[field];
    int64_t index[SEGUE_MAX_RANK], at = 0;
    index_of(&o->view, i, index);
    for (int k = 0; k < 26; k++) {
        const int axis = w->tokens >> k & 1 ? plain_axis(o->facts, (char)('a' + k)) : -1;
        if (axis >= 0) index[axis] += low;
    }
    for (int a = 0; a < o->view.rank; a++) at = at * w->call.operands[field].view.shape[a] + index[a];
    return at;
}

static int read_outputs(const struct leg *l, const struct call *c, int64_t low)
{
    int bad = 0;
    for (uint32_t i = 0; !bad && i < fields_of(l->w); i++) {
        const struct operand *o = &c->operands[i];
        if (!is_output(o) || is_state(o)) continue;
        double *values = malloc((size_t)(o->count + 1) * sizeof *values);
        bad = values
                  ? get(l->pool->device, tensor_of(c->op, o->facts), o->count, o->facts->name, values, l->why)
                  : descriptor_fail(l->why, "no memory for %s", o->facts->name);
        for (int64_t k = 0; !bad && k < o->count; k++)
            l->answer->of[i][place_in_whole(l->w, c, i, k, low)] = values[k];
        free(values);
    }
    return bad;
}

/* Operands in the device's memory: inputs with their values, outputs full of NaN, states where they are. */
static int place_operands(const struct leg *l, struct call *c, segue_buffer *memory)
{
    const struct bench_device *d = l->pool->device;
    segue_diag diag = { 0 };
    int bad = 0;
    for (uint32_t i = 0; !bad && i < fields_of(l->w); i++) {
        const struct operand *o = &c->operands[i];
        if (!o->facts || is_state(o)) continue;
        segue_tensor *t = tensor_of(c->op, o->facts);
        *t = segue_tensor_of(NULL, segue_dtype_id(o->view.dtype), o->view.rank, o->view.shape);
        bad = place(d, t, &memory[i], o->facts->name, l->why);
        if (!bad && is_output(o) && segue_memory_fill(d->handle, d->stream, memory[i], 0xff, t->bytes, &diag))
            bad = failed(l->why, d, o->facts->name, &diag);
        if (!bad && !is_output(o)) bad = put(d, t, o, o->value, l->why);
    }
    for (uint32_t i = 0; !bad && i < fields_of(l->w); i++) {
        if (!is_outgoing(l->w, i)) continue;
        const uint32_t in = state_partner(l->w->call.primitive, i);
        *tensor_of(c->op, c->operands[i].facts) = *tensor_of(c->op, c->operands[in].facts) =
            rows_of(l->pool, i, l->rows);
    }
    return bad;
}

static int run_once(const struct leg *l, const struct call *c, const segue_plan *plan, segue_buffer workspace)
{
    const struct bench_device *d = l->pool->device;
    segue_diag diag = { 0 };
    if (!segue_plan_run(plan, c->op, d->stream, workspace, &diag) &&
        !segue_stream_sync(d->handle, d->stream, &diag))
        return 0;
    return failed(l->why, d, "run", &diag);
}

static int run_piece(const struct leg *l, struct call *c, int64_t low)
{
    const struct bench_device *d = l->pool->device;
    segue_buffer memory[DESCRIPTOR_FIELDS] = { { 0 } }, workspace = { 0 };
    segue_plan *plan = NULL;
    segue_plan_facts facts;
    segue_diag diag = { 0 };
    int bad = place_operands(l, c, memory) || make_plan(l->w, d, c, &plan, &facts, l->why);
    if (!bad && segue_memory_alloc(d->handle, facts.workspace_bytes, &workspace, &diag))
        bad = failed(l->why, d, "workspace", &diag);
    if (!bad) {
        l->answer->accuracy |= facts.accuracy;
        bad = run_once(l, c, plan, workspace) || read_outputs(l, c, low);
    }
    segue_plan_destroy(plan);
    if (workspace.data) segue_memory_free(d->handle, workspace);
    for (int i = 0; i < DESCRIPTOR_FIELDS; i++)
        if (memory[i].data) segue_memory_free(d->handle, memory[i]);
    return bad ? -1 : 0;
}

int relay_leg(const struct relay_whole *w, struct relay_pool *p, int rows, int64_t low, int64_t high,
              int64_t step, struct relay_answer *out, char *why)
{
    const struct leg l = { w, p, rows, out, why };
    int bad = 0;
    for (int64_t at = low; !bad && at < high; at += step ? step : high - low) {
        const int64_t end = step && at + step < high ? at + step : high;
        struct call c;
        bad = relay_piece(w, rows, at, end, &c);
        if (bad) descriptor_fail(why, "no memory for a piece of the call");
        else bad = run_piece(&l, &c, at);
        call_free(&c);
    }
    for (uint32_t i = 0; !bad && i < fields_of(w); i++)
        if (is_outgoing(w, i)) bad = move(w, p, i, rows, out->of[i], 0, why);
    return bad;
}
