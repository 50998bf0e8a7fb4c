/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Calls as files. A call is written before it runs, when its states and what it updates in place still are what came in; so
 * is a call that then fails. Nothing that goes wrong here fails a run: the log says it once, and the engine goes on. */
#include "capture.h"

#include "diag.h"

#include <inttypes.h>
#include <segue/sealed.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALLS = 64, GIB = 1 << 30, TRIES = 1000 };

enum said { SAID_GRAPH = 1, SAID_ROOM = 2, SAID_CALL = 4, SAID_CALLS = 8 }; /* what the log has already */

struct capture {
    char folder[OS_PATH_BYTES];
    uint64_t skip, most_calls, most_bytes;
    atomic_uint_fast64_t seen, bytes, number; /* calls; bytes of files; of the last file */
    atomic_uint said;
    atomic_int stopped; /* a file could not be written */
};

__attribute__((format(printf, 3, 4))) static void say(const segue_context *ctx, int32_t level,
                                                      const char *format, ...)
{
    char text[OS_PATH_BYTES + 256];
    va_list args;
    if (!ctx->log) return;
    va_start(args, format);
    const int at = snprintf(text, sizeof text, "SEGUE_CAPTURE: ");
    vsnprintf(text + at, sizeof text - (size_t)at, format, args);
    va_end(args);
    ctx->log(ctx->log_user, level, text);
}

/* 1 the first time. */
static int is_news(struct capture *cap, enum said what)
{
    return !(atomic_fetch_or(&cap->said, (unsigned)what) & (unsigned)what);
}

/* ---- settings ------------------------------------------------------------------------------------------- */

/* Digits; NULL where there are none. */
static const char *read_number(const char *text, uint64_t *out)
{
    const char *at = text;
    for (*out = 0; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, (uint64_t)(*at - '0'), out))
            *out = UINT64_MAX;
    return at == text ? NULL : at;
}

/* "64": the first so many; "1000+64": so many behind the first thousand. */
static void read_limits(const segue_context *ctx, struct capture *cap)
{
    const char *calls = os_environment("SEGUE_CAPTURE_CALLS"), *bytes = os_environment("SEGUE_CAPTURE_BYTES");
    uint64_t first, second;
    cap->most_calls = CALLS;
    cap->most_bytes = GIB;
    const char *end = calls ? read_number(calls, &first) : NULL;
    if (end && !*end) cap->most_calls = first;
    else if (end && *end == '+' && (end = read_number(end + 1, &second)) && !*end)
        cap->skip = first, cap->most_calls = second;
    else if (calls && *calls)
        say(ctx, SEGUE_LOG_WARNING,
            "SEGUE_CAPTURE_CALLS is \"%.64s\", wanted a number, or two as in 1000+64; taken as %d", calls,
            CALLS);
    end = bytes ? read_number(bytes, &first) : NULL;
    if (end && !*end) cap->most_bytes = first;
    else if (bytes && *bytes)
        say(ctx, SEGUE_LOG_WARNING, "SEGUE_CAPTURE_BYTES is \"%.64s\", wanted a number; taken as %d", bytes,
            GIB);
}

/* The highest number of a file that is there. */
static uint64_t last_number(const char *folder)
{
    const char **names;
    uint32_t count;
    uint64_t last = 0, number;
    if (os_list(folder, "", ".segue", &names, &count)) return 0;
    for (uint32_t i = 0; i < count; i++)
        if (read_number(names[i], &number) && number > last && number < UINT64_MAX / 2) last = number;
    os_free(names);
    return last;
}

struct capture *segue_capture_open(const segue_context *ctx)
{
    const char *folder = os_environment("SEGUE_CAPTURE");
    struct os_facts facts = { 0 };
    if (!folder || !*folder) return NULL;
    struct capture *cap = os_alloc(sizeof *cap, 64);
    int code = os_make_folder(folder);
    if (cap && !code) code = os_real_path(folder, cap->folder);
    if (cap && !code) code = os_facts_of(cap->folder, &facts);
    if (!cap || code || facts.kind != OS_KIND_FOLDER) {
        say(ctx, SEGUE_LOG_WARNING, "%.900s: %s; no call is captured", folder,
            !cap   ? "no memory"
            : code ? os_error_text(code)
                   : "no folder, wanted one");
        os_free(cap);
        return NULL;
    }
    read_limits(ctx, cap);
    atomic_store(&cap->number, last_number(cap->folder));
    return cap;
}

/* ---- one call ------------------------------------------------------------------------------------------- */

struct captured_plan {
    struct computer inner;
    const segue_plan *plan;
};

struct writer {
    const segue_plan *plan;
    const segue_op_header *op;
    segue_stream stream;
    const segue_primitive_facts *facts;
    struct form form;
    uint32_t parameters, tensors;
    uint64_t bytes; /* of the file */
    unsigned char *image;
    segue_diag said;
};

/* As it is stored: an axis along which nothing changes has length 1. */
static segue_tensor stored(const segue_tensor *t, int64_t *count)
{
    segue_tensor s = *t;
    *count = 1;
    for (int d = 0; d < s.rank; d++) {
        if (!s.stride[d] && s.shape[d] > 1) s.shape[d] = 1;
        *count *= s.shape[d];
    }
    return s;
}

static int is_input(const struct writer *w, uint32_t i)
{
    const segue_field_facts *f = &w->facts->fields[i];
    return is_tensor(f) && !is_written(f) && w->form.present >> i & 1;
}

static uint64_t bytes_of(const segue_tensor *t)
{
    int64_t count;
    stored(t, &count);
    return (uint64_t)count * (t->dtype.bits / 8u);
}

static void measure(struct writer *w)
{
    w->bytes = sizeof(segue_sealed_head) + sizeof(segue_call_head) + sizeof(uint64_t);
    for (uint32_t i = 0; i < w->facts->field_count; i++) {
        const segue_field_facts *f = &w->facts->fields[i];
        if (!is_tensor(f)) w->parameters++;
        else if (w->form.present >> i & 1) w->tensors++;
        if (is_input(w, i)) w->bytes += segue_sealed_padded(bytes_of(tensor_at(w->op, f)));
    }
    w->bytes += w->parameters * sizeof(segue_call_parameter) + w->tensors * sizeof(segue_call_tensor);
}

/* Elements of device memory, from its lowest byte, to where they belong in the file: step bytes apart along each axis. */
static void scatter(const segue_tensor *t, const unsigned char *lowest, int64_t first, const int64_t *step,
                    unsigned char *to)
{
    const int64_t size = t->dtype.bits / 8;
    int64_t index[SEGUE_MAX_RANK] = { 0 };
    for (int axis = 0; axis >= 0;) {
        int64_t from = first, at = 0;
        for (int d = 0; d < t->rank; d++) from += index[d] * t->stride[d] * size, at += index[d] * step[d];
        memcpy(to + at, lowest + from, (size_t)size);
        for (axis = t->rank - 1; axis >= 0 && ++index[axis] == t->shape[axis]; axis--) index[axis] = 0;
    }
}

/* All from the lowest byte to the highest. */
static segue_status pull_whole(struct writer *w, const segue_tensor *t, struct extent e, const int64_t *step,
                               unsigned char *to)
{
    const segue_device *dev = w->plan->device;
    const uint64_t bytes = (uint64_t)(e.high - e.low);
    unsigned char *lowest = os_alloc(bytes, 64);
    const segue_buffer here = { lowest, 0, bytes }, there = { t->data, (uint64_t)e.low, t->bytes };
    if (!lowest) {
        snprintf(w->said.text, sizeof w->said.text, "no memory for %" PRIu64 " bytes", bytes);
        return SEGUE_ERROR_MEMORY;
    }
    segue_status status =
        dev->plugin->memory_copy(dev->handle, w->stream, SEGUE_COPY_FROM_DEVICE, here, there, bytes, &w->said);
    const segue_status waited = dev->plugin->stream_sync(dev->handle, w->stream, &w->said);
    if (!status) status = waited;
    if (!status) scatter(t, lowest, (int64_t)t->offset - e.low, step, to);
    os_free(lowest);
    return status;
}

/* A tensor's elements, but where it is a thin slice of much more only its rows, along its longest stride. */
static segue_status pull(struct writer *w, const segue_tensor *t, const int64_t *step, unsigned char *to)
{
    int overflow, axis = -1;
    int64_t count = t->dtype.bits / 8;
    segue_status status = SEGUE_OK;
    const struct extent e = segue_extent(t, &overflow);
    if (e.low == e.high) return SEGUE_OK;
    for (int d = 0; d < t->rank; d++) {
        count *= t->shape[d];
        if (t->shape[d] > 1 && (axis < 0 || llabs(t->stride[d]) > llabs(t->stride[axis]))) axis = d;
    }
    if (axis < 0 || e.high - e.low <= 4 * count + 4096) return pull_whole(w, t, e, step, to);
    for (int64_t k = 0; k < t->shape[axis] && !status; k++) {
        const segue_tensor row = segue_tensor_slice(*t, axis, k, 1);
        status = pull(w, &row, step, to + k * step[axis]);
    }
    return status;
}

static segue_status store(struct writer *w, uint32_t i, unsigned char *to)
{
    int64_t count, step[SEGUE_MAX_RANK] = { 0 };
    const segue_tensor t = stored(tensor_at(w->op, &w->facts->fields[i]), &count);
    int64_t bytes = t.dtype.bits / 8;
    for (int d = t.rank - 1; d >= 0; bytes *= t.shape[d--]) step[d] = bytes;
    return pull(w, &t, step, to);
}

static segue_call_tensor describe_tensor(const struct writer *w, uint32_t i)
{
    const segue_field_facts *f = &w->facts->fields[i];
    const segue_tensor *t = tensor_at(w->op, f);
    const segue_tensor *planned = tensor_at((const segue_op_header *)w->plan->planned.bytes, f);
    const int partner = is_written(f) ? segue_partner(w->facts, i) : -1;
    segue_call_tensor r = { .field = i, .dtype = segue_dtype_id(t->dtype), .rank = t->rank };
    snprintf(r.name, sizeof r.name, "%s", f->name);
    if (partner >= 0 && w->form.alias[i] == ALIAS_SAME) r.over = 1 + (uint32_t)partner;
    if (is_input(w, i)) r.bytes = bytes_of(t);
    memcpy(r.shape, t->shape, t->rank * sizeof *r.shape);
    memcpy(r.stride, t->stride, t->rank * sizeof *r.stride);
    memcpy(r.planned_shape, planned->shape, t->rank * sizeof *r.planned_shape);
    memcpy(r.planned_stride, planned->stride, t->rank * sizeof *r.planned_stride);
    return r;
}

static segue_status fill(struct writer *w)
{
    const segue_device_facts *device = &w->plan->device->facts;
    const segue_sealed_head head = { .magic = SEGUE_SEALED_CALL,
                                     .bytes = w->bytes,
                                     .version = SEGUE_SEALED_CALL_VERSION,
                                     .primitive = w->facts->id,
                                     .revision = w->op->revision,
                                     .count = w->tensors };
    segue_call_head call = { .library = segue_version(), .parameters = w->parameters };
    snprintf(call.primitive, sizeof call.primitive, "%s", w->facts->name);
    snprintf(call.device, sizeof call.device, "%s", device->alias[0] ? device->alias : device->name);
    snprintf(call.description, sizeof call.description, "%s", device->description);
    snprintf(call.row, sizeof call.row, "%s", w->plan->computer.facts.row);
    unsigned char *parameter = w->image + sizeof head + sizeof call,
                  *tensor = parameter + w->parameters * sizeof(segue_call_parameter),
                  *data = tensor + w->tensors * sizeof(segue_call_tensor);
    segue_status status = SEGUE_OK;
    memcpy(w->image + sizeof head, &call, sizeof call);
    for (uint32_t i = 0; i < w->facts->field_count && !status; i++) {
        const segue_field_facts *f = &w->facts->fields[i];
        if (!is_tensor(f)) {
            segue_call_parameter p = { .field = i, .role = f->role };
            snprintf(p.name, sizeof p.name, "%s", f->name);
            memcpy(&p.value, (const char *)w->op + f->offset, sizeof p.value);
            memcpy(parameter, &p, sizeof p);
            parameter += sizeof p;
        } else if (w->form.present >> i & 1) {
            const segue_call_tensor t = describe_tensor(w, i);
            memcpy(tensor, &t, sizeof t);
            tensor += sizeof t;
            if (t.bytes) status = store(w, i, data);
            data += segue_sealed_padded(t.bytes);
        }
    }
    if (!status) segue_seal(&head, w->image);
    return status;
}

/* ---- its file ------------------------------------------------------------------------------------------- */

/* A file appears whole, under a name that nobody had: who creates NAME.part owns NAME, and makes sure that it is free. */
static int write_file(struct capture *cap, const struct writer *w, char path[OS_PATH_BYTES + 80])
{
    char part[OS_PATH_BYTES + 88];
    struct os_facts facts;
    int code = OS_EXISTS;
    for (int i = 0; i < TRIES && code == OS_EXISTS; i++) {
        snprintf(path, OS_PATH_BYTES + 80, "%s/%06" PRIu64 "-%.40s.segue", cap->folder,
                 (uint64_t)atomic_fetch_add(&cap->number, 1) + 1, w->facts->name);
        snprintf(part, sizeof part, "%s.part", path);
        if (!os_facts_of(path, &facts) || (code = os_save(part, w->image, w->bytes))) continue;
        code = os_facts_of(path, &facts) ? os_rename(part, path) : OS_EXISTS;
        if (code) os_remove(part);
    }
    return code;
}

static void finish(struct capture *cap, const struct writer *w)
{
    const segue_context *ctx = w->plan->device->context;
    char path[OS_PATH_BYTES + 80];
    const int code = write_file(cap, w, path);
    if (!code)
        say(ctx, SEGUE_LOG_INFO, "%s: %" PRIu64 " bytes, %s on %s", path, w->bytes, w->facts->name,
            w->plan->device->facts.name);
    else if (!atomic_exchange(&cap->stopped, 1))
        say(ctx, SEGUE_LOG_WARNING, "%s: %s; no more calls are captured", path,
            code == OS_EXISTS ? "the name is taken" : os_error_text(code));
}

/* Under a graph's capture nothing has values yet. */
static int is_in_graph(const struct writer *w)
{
    const segue_device *dev = w->plan->device;
    segue_diag said = { 0 };
    uint32_t capturing = 0;
    return dev->plugin->stream_capturing &&
           (dev->plugin->stream_capturing(dev->handle, w->stream, &capturing, &said) || capturing);
}

/* The op, which a trusted run has not checked, and room for it. */
static int begin(struct capture *cap, struct writer *w)
{
    const segue_device *dev = w->plan->device;
    const int handles = (dev->facts.flags & SEGUE_DEVICE_HANDLE_MEMORY) != 0;
    if (is_in_graph(w)) {
        if (is_news(cap, SAID_GRAPH))
            say(dev->context, SEGUE_LOG_WARNING,
                "%s: calls on a stream that is being captured into a graph are left out", w->facts->name);
        return -1;
    }
    if (segue_validate(&w->plan->check.shapes, w->op, FOR_RUN, handles, &w->form, &w->said)) return -2;
    measure(w);
    if (atomic_fetch_add(&cap->bytes, w->bytes) + w->bytes > cap->most_bytes) {
        atomic_fetch_sub(&cap->bytes, w->bytes);
        if (is_news(cap, SAID_ROOM))
            say(dev->context, SEGUE_LOG_WARNING,
                "a call of %s takes %" PRIu64 " bytes, with which there are more than %" PRIu64
                " (SEGUE_CAPTURE_BYTES); such calls are left out",
                w->facts->name, w->bytes, cap->most_bytes);
        return -1;
    }
    if ((w->image = os_alloc(w->bytes, 64))) return 0;
    snprintf(w->said.text, sizeof w->said.text, "no memory for %" PRIu64 " bytes", w->bytes);
    return -2;
}

static void capture(struct capture *cap, const segue_plan *plan, const segue_op_header *op, segue_stream stream)
{
    const segue_device *dev = plan->device;
    struct writer w = { .plan = plan, .op = op, .stream = stream, .facts = plan->check.shapes.facts };
    int bad = begin(cap, &w);
    if (!bad && (dev->plugin->stream_sync(dev->handle, stream, &w.said) || fill(&w))) bad = -2;
    if (!bad) finish(cap, &w);
    segue_clean_text(w.said.text, sizeof w.said.text);
    if (bad == -2 && is_news(cap, SAID_CALL))
        say(dev->context, SEGUE_LOG_WARNING, "a call of %s on %s is left out: %.400s", w.facts->name,
            dev->facts.name, w.said.text);
    os_free(w.image);
}

/* ---- in the place of a plan's computer ------------------------------------------------------------------ */

static segue_status run_captured(const void *plan, const segue_op_header *op, segue_stream stream,
                                 segue_buffer workspace, segue_diag *diag)
{
    const struct captured_plan *p = plan;
    const segue_context *ctx = p->plan->device->context;
    struct capture *cap = ctx->capture;
    const uint64_t nth = atomic_fetch_add(&cap->seen, 1);
    if (nth >= cap->skip && nth - cap->skip < cap->most_calls) {
        if (!atomic_load(&cap->stopped)) capture(cap, p->plan, op, stream);
    } else if (nth >= cap->skip && is_news(cap, SAID_CALLS)) {
        say(ctx, SEGUE_LOG_INFO, "%" PRIu64 " calls are captured, no more (SEGUE_CAPTURE_CALLS)",
            cap->most_calls);
    }
    return p->inner.run(p->inner.handle, op, stream, workspace, diag);
}

static void destroy_captured(void *plan)
{
    struct captured_plan *p = plan;
    p->inner.destroy(p->inner.handle);
    os_free(p);
}

void segue_capture_plan(segue_plan *plan)
{
    const segue_context *ctx = plan->device->context;
    if (!ctx->capture) return;
    struct captured_plan *p = os_alloc(sizeof *p, 64);
    if (!p) {
        if (is_news(ctx->capture, SAID_CALL))
            say(ctx, SEGUE_LOG_WARNING, "no memory to capture a plan's calls");
        return;
    }
    p->inner = plan->computer;
    p->plan = plan;
    plan->computer.run = run_captured;
    plan->computer.destroy = destroy_captured;
    plan->computer.handle = p;
}
