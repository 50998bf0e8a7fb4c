/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Streams and events. Work is stored when it is enqueued and done, in an order drawn from the seed among all that
 * the rules of CUDA allow, when somebody waits: a missing wait then reads what was not written yet. */
#include "stand_in.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { NON_BLOCKING = 1 };

static uint64_t tickets;

/* ---- work ------------------------------------------------------------------------------------------------ */

struct work *work_make(enum work_kind kind, struct context *context, size_t arg_bytes)
{
    struct work *w = calloc(1, sizeof *w + arg_bytes);
    if (!w) return NULL;
    w->kind = kind;
    w->context = context;
    w->ticket = ++tickets;
    return w;
}

void record_release(struct record *r)
{
    if (!r || --r->users) return;
    if (r->capture) capture_release(r->capture);
    free(r);
}

void work_free(struct work *w)
{
    record_release(w->record);
    if (w->tape) tape_release(w->tape);
    if (w->kernel) kernel_release(w->kernel);
    free(w);
}

uint64_t work_pending(void)
{
    uint64_t n = 0;
    for (struct stream *s = NULL; (s = next_of(STREAM, NULL, s));)
        for (const struct work *w = s->first; w; w = w->next) n++;
    return n;
}

int enqueue(struct stream *s, struct work *w)
{
    const int code = s->capture ? capture_add(s, w) : capture_implicit(s);
    if (code) work_free(w);
    if (code || s->capture) return code;
    *s->last = w;
    s->last = &w->next;
    return OK;
}

/* ---- doing it -------------------------------------------------------------------------------------------- */

/* The legacy stream comes after all that blocking streams of its context were given before, and they after it. */
static int legacy_allows(const struct stream *s)
{
    const struct context *c = s->object.context;
    if (!s->blocking) return 1;
    if (!s->legacy) return !c->legacy->first || c->legacy->first->ticket > s->first->ticket;
    for (const struct stream *t = NULL; (t = next_of(STREAM, c, t));)
        if (t != s && t->blocking && t->first && t->first->ticket < s->first->ticket) return 0;
    return 1;
}

static int is_ready(const struct stream *s)
{
    return s->first && (s->first->kind != WAIT || s->first->record->done) && legacy_allows(s);
}

static void step(struct stream *s)
{
    struct work *w = s->first;
    const int code = w->context->broken ? OK : perform(w);
    if (code) w->context->broken = code;
    if (w->kind == RECORD) w->record->done = 1; /* also on a broken context: others may wait for it */
    s->first = w->next;
    if (!s->first) s->last = &s->first;
    work_free(w);
    if (s->closed && !s->first) stream_drop(s);
}

/* Seed 0: what was enqueued first. */
static struct stream *choose(void)
{
    struct stream *best = NULL;
    uint32_t n = 0;
    for (struct stream *s = NULL; (s = next_of(STREAM, NULL, s));) {
        if (!is_ready(s)) continue;
        n++;
        if (settings()->seed ? !draw_below(n) : !best || s->first->ticket < best->first->ticket) best = s;
    }
    return best;
}

static int drain_one(struct context *c)
{
    struct stream *s = choose();
    if (!s) return c->broken = complain(LAUNCH_FAILED, "deadlock: every stream waits");
    step(s);
    return OK;
}

static int drain_record(struct context *c, const struct record *r)
{
    while (!r->done)
        if (drain_one(c)) break;
    return c->broken;
}

static int drain_stream(struct context *c, const struct stream *s)
{
    while (s->first)
        if (drain_one(c)) break;
    return c->broken;
}

int drain_context(struct context *c)
{
    struct stream *s = NULL;
    while ((s = next_of(STREAM, c, s)))
        if (s->first) {
            if (drain_one(c)) break;
            s = NULL; /* the list may have changed */
        }
    return c->broken;
}

/* ---- streams --------------------------------------------------------------------------------------------- */

static struct stream *new_stream(struct context *c, int blocking)
{
    struct stream *s = make(STREAM, c, sizeof *s);
    if (!s) return NULL;
    s->last = &s->first;
    s->blocking = blocking;
    return s;
}

static struct stream *thread_stream(struct context *c)
{
    const uintptr_t self = (uintptr_t)pthread_self();
    struct stream *s = NULL;
    while ((s = next_of(STREAM, c, s)))
        if (s->thread == self) return s;
    s = new_stream(c, 1);
    if (s) s->thread = self;
    return s;
}

struct stream *stream_of(struct context *c, void *handle)
{
    if ((uintptr_t)handle <= 1) return c->legacy;
    if ((uintptr_t)handle == 2) return thread_stream(c);
    struct stream *s = find(STREAM, c, handle);
    return s && !s->closed && !s->legacy ? s : NULL;
}

int stream_create(struct context *c, void **out, uint32_t flags)
{
    if (flags > NON_BLOCKING || !out) return INVALID_VALUE;
    struct stream *s = new_stream(c, !(flags & NON_BLOCKING));
    if (!s) return OUT_OF_MEMORY;
    *out = handle_of(s);
    return OK;
}

void stream_drop(struct stream *s)
{
    while (s->first) {
        struct work *w = s->first;
        s->first = w->next;
        if (w->kind == RECORD) w->record->done = 1;
        work_free(w);
    }
    if (s->capture) {
        s->capture->origin = s->capture->origin == s ? NULL : s->capture->origin;
        s->capture->ended = s->capture->ended || !s->capture->origin;
        capture_release(s->capture);
    }
    unmake(s);
}

int stream_destroy(struct context *c, void *handle)
{
    struct stream *s = (uintptr_t)handle > 2 ? stream_of(c, handle) : NULL;
    if (!s) return STALE_STREAM;
    if (s->capture) return capture_forbids(s->capture, CAPTURE_UNSUPPORTED);
    s->closed = 1;
    if (!s->first) stream_drop(s);
    return c->broken;
}

int stream_synchronize(struct context *c, void *handle)
{
    struct stream *s = stream_of(c, handle);
    if (!s) return STALE_STREAM;
    if (s->capture) return capture_forbids(s->capture, CAPTURE_UNSUPPORTED);
    const int implicit = capture_implicit(s);
    return implicit ? implicit : drain_stream(c, s);
}

/* One step: or a program that polls would wait forever. */
int stream_query(struct context *c, void *handle)
{
    struct stream *s = stream_of(c, handle);
    if (!s) return STALE_STREAM;
    if (s->capture) return capture_forbids(s->capture, CAPTURE_UNSUPPORTED);
    const int implicit = capture_implicit(s);
    if (implicit) return implicit;
    if (!s->first) return c->broken;
    drain_one(c);
    return c->broken ? c->broken : NOT_READY;
}

/* ---- events ---------------------------------------------------------------------------------------------- */

int event_create(struct context *c, void **out)
{
    struct event *e = out ? make(EVENT, c, sizeof *e) : NULL;
    if (!e) return out ? OUT_OF_MEMORY : INVALID_VALUE;
    *out = handle_of(e);
    return OK;
}

void event_drop(struct event *e)
{
    record_release(e->latest);
    unmake(e);
}

int event_destroy(struct context *c, void *handle)
{
    struct event *e = find(EVENT, c, handle);
    if (!e) return INVALID_HANDLE;
    event_drop(e);
    return c->broken;
}

static int enqueue_record(struct context *c, struct stream *s, struct record *r)
{
    if (s->capture) return capture_record(s, r);
    struct work *w = work_make(RECORD, c, 0);
    if (!w) return OUT_OF_MEMORY;
    w->record = r;
    r->users++;
    return enqueue(s, w);
}

int event_record(struct context *c, void *handle, void *stream)
{
    struct event *e = find(EVENT, c, handle);
    struct stream *s = stream_of(c, stream);
    if (!e || !s) return e ? STALE_STREAM : INVALID_HANDLE;
    struct record *r = calloc(1, sizeof *r);
    if (!r) return OUT_OF_MEMORY;
    r->users = 1;
    const int code = enqueue_record(c, s, r);
    if (code) {
        record_release(r);
        return code;
    }
    record_release(e->latest);
    e->latest = r;
    return OK;
}

/* Of what the event was recorded behind last; an event of another context or device is allowed. */
int stream_wait(struct context *c, void *handle, void *event)
{
    struct event *e = find(EVENT, NULL, event);
    struct stream *s = stream_of(c, handle);
    if (!e || !s) return e ? STALE_STREAM : INVALID_HANDLE;
    struct record *r = e->latest;
    if (!r) return OK;
    if (r->capture || s->capture) return capture_join(s, r);
    struct work *w = work_make(WAIT, c, 0);
    if (!w) return OUT_OF_MEMORY;
    w->record = r;
    r->users++;
    return enqueue(s, w);
}

int event_synchronize(struct context *c, void *handle)
{
    struct event *e = find(EVENT, c, handle);
    if (!e) return INVALID_HANDLE;
    if (!e->latest) return c->broken;
    if (e->latest->capture) return capture_forbids(e->latest->capture, CAPTURED_EVENT);
    return drain_record(c, e->latest);
}

int event_query(struct context *c, void *handle)
{
    struct event *e = find(EVENT, c, handle);
    const int unsafe = capture_unsafe();
    if (!e) return INVALID_HANDLE;
    if (e->latest && e->latest->capture) return capture_forbids(e->latest->capture, CAPTURED_EVENT);
    if (unsafe) return unsafe;
    if (!e->latest || e->latest->done) return c->broken;
    drain_one(c);
    return c->broken ? c->broken : NOT_READY;
}

/* ---- copies and fills ------------------------------------------------------------------------------------ */

/* Host memory is read, or written, when the work is done and not before. */
int enqueue_copy(struct context *c, void *to, const void *from, size_t bytes, int to_device, int from_device,
                 void *stream)
{
    struct stream *s = stream_of(c, stream);
    if (!s) return STALE_STREAM;
    if (!bytes) return OK;
    if ((!to_device && memory_is_device(to)) || (!from_device && memory_is_device(from)) || !to || !from)
        return INVALID_VALUE;
    struct work *w = work_make(COPY, c, 0);
    if (!w) return OUT_OF_MEMORY;
    w->to = to;
    w->from = from;
    w->bytes = bytes;
    w->to_device = to_device;
    w->from_device = from_device;
    return enqueue(s, w);
}

int enqueue_fill(struct context *c, void *to, int value, size_t bytes, void *stream)
{
    struct stream *s = stream_of(c, stream);
    if (!s) return STALE_STREAM;
    if (!bytes) return OK;
    struct work *w = work_make(FILL, c, 0);
    if (!w) return OUT_OF_MEMORY;
    w->to = to;
    w->value = value;
    w->bytes = bytes;
    return enqueue(s, w);
}
