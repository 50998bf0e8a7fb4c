/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts as CUDA has them: a stack for each thread, a primary one for each device, others that engines create.
 * HIP's current device is the primary context of a device. */
#include "stand_in.h"

enum { MOST_DEPTH = 32 };

/* Handles, not pointers: a context may be destroyed while it is current on some thread. */
static __thread struct {
    uintptr_t stack[MOST_DEPTH];
    int depth, device;
} thread;

static int is_started;

int started(void)
{
    return is_started;
}

int start(void)
{
    is_started = 1;
    return OK;
}

int device_of(int device)
{
    if (!is_started) return NOT_INITIALIZED;
    return device < 0 || device >= DEVICES ? INVALID_DEVICE : OK;
}

const char *device_name(void)
{
    return settings()->checked ? "stand-in, no hardware, checked" : "stand-in, no hardware";
}

/* ---- life ------------------------------------------------------------------------------------------------ */

struct context *primary_of(int device)
{
    struct context *c = NULL;
    while ((c = next_of(CONTEXT, NULL, c)) && (!c->primary || c->device != device)) {
    }
    return c;
}

int context_create(int device, struct context **out)
{
    const int code = device_of(device);
    if (code) return code;
    struct context *c = make(CONTEXT, NULL, sizeof *c);
    if (!c) return OUT_OF_MEMORY;
    c->device = device;
    c->references = 1;
    c->legacy = make(STREAM, c, sizeof *c->legacy);
    if (!c->legacy) {
        unmake(c);
        return OUT_OF_MEMORY;
    }
    c->legacy->last = &c->legacy->first;
    c->legacy->legacy = c->legacy->blocking = 1;
    *out = c;
    return OK;
}

int context_destroy(struct context *c)
{
    static const enum kind counted[] = { ALLOCATION, EVENT, MODULE };
    void *o;
    drain_context(c);
    for (struct stream *s = NULL; (s = next_of(STREAM, c, s));)
        if (!s->legacy && !s->thread && !s->closed) lost_one();
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        for (o = NULL; (o = next_of(counted[i], c, o));) lost_one();
    while ((o = next_of(STREAM, c, NULL))) stream_drop(o);
    while ((o = next_of(EVENT, c, NULL))) event_drop(o);
    while ((o = next_of(EXEC, c, NULL))) graph_drop(o);
    while ((o = next_of(GRAPH, c, NULL))) graph_drop(o);
    while ((o = next_of(MODULE, c, NULL))) module_drop(o);
    while ((o = next_of(ALLOCATION, c, NULL))) memory_drop(o);
    unmake(c);
    return OK;
}

int primary_retain(int device, struct context **out)
{
    struct context *c = primary_of(device);
    int code = device_of(device);
    if (code) return code;
    if (c) c->references++;
    else {
        code = capture_unsafe(); /* a new context allocates */
        if (!code) code = context_create(device, &c);
        if (code) return code;
        c->primary = 1;
    }
    *out = c;
    return OK;
}

int primary_release(int device)
{
    struct context *c = primary_of(device);
    const int code = device_of(device);
    if (code) return code;
    if (!c) return INVALID_CONTEXT;
    return --c->references ? OK : context_destroy(c);
}

int context_synchronize(struct context *c)
{
    if (capture_anywhere(c)) return CAPTURE_UNSUPPORTED;
    return drain_context(c);
}

/* ---- current --------------------------------------------------------------------------------------------- */

struct context *current(void)
{
    return thread.depth ? find(CONTEXT, NULL, (void *)thread.stack[thread.depth - 1]) : NULL;
}

int push_current(struct context *c)
{
    if (!c || thread.depth == MOST_DEPTH) return c ? INVALID_VALUE : INVALID_CONTEXT;
    thread.stack[thread.depth++] = c->object.handle;
    return OK;
}

int pop_current(struct context **out)
{
    struct context *c = current();
    if (!thread.depth) return INVALID_CONTEXT;
    thread.depth--;
    *out = c;
    return OK;
}

int set_current(struct context *c)
{
    if (thread.depth) thread.depth--;
    return c ? push_current(c) : OK;
}

int *current_device(void)
{
    return &thread.device;
}
