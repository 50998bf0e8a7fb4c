/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Captures and graphs (CUDA programming guide, "CUDA Graphs": what is allowed while a stream captures). Each stream
 * of a capture is a branch; vector clocks say which steps of other branches a step comes after. */
#include "stand_in.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MODE_GLOBAL, MODE_THREAD, MODE_RELAXED, MODES };

static __thread int thread_mode;

static uintptr_t self(void)
{
    return (uintptr_t)pthread_self();
}

/* ---- life ------------------------------------------------------------------------------------------------ */

void capture_release(struct capture *c)
{
    if (--c->users) return;
    while (c->first) {
        struct work *w = c->first;
        c->first = w->next;
        work_free(w);
    }
    free(c);
}

static int add_branch(struct capture *c, struct stream *s)
{
    if (c->branches == MOST_BRANCHES) return OUT_OF_MEMORY;
    s->capture = c;
    s->branch = c->branches++;
    c->users++;
    return OK;
}

int capture_begin(struct context *context, void *stream, int mode)
{
    struct stream *s = stream_of(context, stream);
    if (!s) return STALE_STREAM;
    if (mode < 0 || mode >= MODES) return INVALID_VALUE;
    if (s->legacy) return CAPTURE_UNSUPPORTED;
    if (s->capture) return ILLEGAL_STATE;
    struct capture *c = calloc(1, sizeof *c);
    if (!c) return OUT_OF_MEMORY;
    c->mode = mode;
    c->thread = self();
    c->origin = s;
    c->last = &c->first;
    return add_branch(c, s);
}

/* Everything that others branched off must have come back to the origin. */
static int unjoined(const struct capture *c)
{
    for (uint32_t b = 1; b < c->branches; b++)
        if (c->clock[0][b] < c->steps[b]) return 1;
    return 0;
}

static void leave_streams(struct capture *c)
{
    for (struct stream *s = NULL; (s = next_of(STREAM, NULL, s));)
        if (s->capture == c) {
            s->capture = NULL;
            c->users--; /* the caller holds one more */
        }
}

static int make_graph(struct context *context, struct capture *c, void **graph)
{
    struct tape *t = calloc(1, sizeof *t);
    struct object *g = t ? make(GRAPH, context, sizeof(struct object) + sizeof(struct tape *)) : NULL;
    if (!g) {
        free(t);
        return OUT_OF_MEMORY;
    }
    t->users = 1;
    t->first = c->first;
    c->first = NULL;
    memcpy(g + 1, &t, sizeof t);
    *graph = handle_of(g);
    return OK;
}

int capture_end(struct context *context, void *stream, void **graph)
{
    struct stream *s = stream_of(context, stream);
    struct capture *c = s ? s->capture : NULL;
    if (!c) return s ? ILLEGAL_STATE : STALE_STREAM;
    *graph = NULL;
    if (c->origin != s) return capture_forbids(c, CAPTURE_UNMATCHED);
    if (c->mode != MODE_RELAXED && c->thread != self()) return CAPTURE_WRONG_THREAD;
    int code = c->broken ? CAPTURE_INVALIDATED : unjoined(c) ? CAPTURE_UNJOINED : OK;
    c->users++;
    c->ended = 1;
    leave_streams(c);
    if (!code) code = make_graph(context, c, graph);
    capture_release(c);
    return code;
}

int capture_status(struct context *context, void *stream, int *status)
{
    struct stream *s = stream_of(context, stream);
    if (!s) return STALE_STREAM;
    if (s->legacy && capture_anywhere(context)) return CAPTURE_IMPLICIT;
    *status = !s->capture ? 0 : s->capture->broken ? 2 : 1;
    return OK;
}

int capture_mode(int *mode)
{
    if (*mode < 0 || *mode >= MODES) return INVALID_VALUE;
    const int before = thread_mode;
    thread_mode = *mode;
    *mode = before;
    return OK;
}

/* ---- what may not be done -------------------------------------------------------------------------------- */

int capture_forbids(struct capture *c, int code)
{
    c->broken = 1;
    return code;
}

int capture_anywhere(const struct context *context)
{
    int there = 0;
    for (struct stream *s = NULL; (s = next_of(STREAM, context, s));)
        if (s->capture) there = capture_forbids(s->capture, 1);
    return there;
}

static int minds(const struct capture *c)
{
    if (thread_mode == MODE_RELAXED || c->mode == MODE_RELAXED) return 0;
    return c->thread == self() || (thread_mode == MODE_GLOBAL && c->mode == MODE_GLOBAL);
}

int capture_unsafe(void)
{
    int code = OK;
    for (struct stream *s = NULL; (s = next_of(STREAM, NULL, s));)
        if (s->capture && minds(s->capture)) code = capture_forbids(s->capture, CAPTURE_UNSUPPORTED);
    return code;
}

int capture_implicit(const struct stream *s)
{
    int code = OK;
    if (!s->legacy) return OK;
    for (struct stream *t = NULL; (t = next_of(STREAM, s->object.context, t));)
        if (t->blocking && t->capture) code = capture_forbids(t->capture, CAPTURE_IMPLICIT);
    return code;
}

/* ---- branches -------------------------------------------------------------------------------------------- */

int capture_add(struct stream *s, struct work *w)
{
    struct capture *c = s->capture;
    if (c->broken) return CAPTURE_INVALIDATED;
    w->branch = s->branch;
    memcpy(w->clock, c->clock[s->branch], sizeof w->clock);
    c->clock[s->branch][s->branch] = ++c->steps[s->branch];
    *c->last = w;
    c->last = &w->next;
    return OK;
}

int capture_record(struct stream *s, struct record *r)
{
    struct capture *c = s->capture;
    if (c->broken) return CAPTURE_INVALIDATED;
    r->capture = c;
    c->users++;
    memcpy(r->clock, c->clock[s->branch], sizeof r->clock);
    return OK;
}

int capture_join(struct stream *s, struct record *r)
{
    struct capture *c = r->capture;
    if (!c) return capture_forbids(s->capture, CAPTURE_ISOLATION); /* on work outside of the capture */
    if (s->capture && s->capture != c) {
        capture_forbids(s->capture, OK);
        return capture_forbids(c, CAPTURE_MERGE);
    }
    if (c->ended || c->broken || s->legacy)
        return c->ended ? CAPTURED_EVENT : capture_forbids(c, CAPTURE_INVALIDATED);
    if (!s->capture) {
        const int code = add_branch(c, s);
        if (code) return code;
    }
    for (uint32_t b = 0; b < MOST_BRANCHES; b++)
        if (c->clock[s->branch][b] < r->clock[b]) c->clock[s->branch][b] = r->clock[b];
    return OK;
}

/* ---- graphs ---------------------------------------------------------------------------------------------- */

static struct tape *tape_in(const struct object *graph)
{
    struct tape *t;
    memcpy(&t, graph + 1, sizeof t);
    return t;
}

void tape_release(struct tape *t)
{
    if (--t->users) return;
    while (t->first) {
        struct work *w = t->first;
        t->first = w->next;
        work_free(w);
    }
    free(t);
}

void graph_drop(struct object *graph)
{
    tape_release(tape_in(graph));
    unmake(graph);
}

int graph_instantiate(void **exec, void *graph)
{
    const struct object *g = find(GRAPH, NULL, graph);
    struct object *e = g ? make(EXEC, g->context, sizeof *e + sizeof(struct tape *)) : NULL;
    if (!e) return g ? OUT_OF_MEMORY : INVALID_VALUE;
    tape_in(g)->users++;
    memcpy(e + 1, g + 1, sizeof(struct tape *));
    *exec = handle_of(e);
    return OK;
}

int graph_destroy(enum kind kind, void *handle)
{
    struct object *g = find(kind, NULL, handle);
    if (!g) return INVALID_VALUE;
    graph_drop(g);
    return OK;
}

int graph_launch(struct context *context, void *exec, void *stream)
{
    const struct object *e = find(EXEC, context, exec);
    struct stream *s = stream_of(context, stream);
    if (!e || !s) return e ? STALE_STREAM : INVALID_VALUE;
    struct work *w = work_make(REPLAY, context, 0);
    if (!w) return OUT_OF_MEMORY;
    w->tape = tape_in(e);
    w->tape->users++;
    return enqueue(s, w);
}

static int comes_next(const struct work *w, const uint32_t *done)
{
    for (uint32_t b = 0; b < MOST_BRANCHES; b++)
        if (done[b] < w->clock[b]) return 0;
    return done[w->branch] == w->clock[w->branch];
}

int tape_play(const struct tape *t)
{
    uint32_t done[MOST_BRANCHES] = { 0 };
    for (;;) {
        struct work *best = NULL;
        uint32_t n = 0;
        for (struct work *w = t->first; w; w = w->next)
            if (comes_next(w, done) && (settings()->seed ? !draw_below(++n) : !best)) best = w;
        if (!best) return OK;
        const int code = perform(best);
        if (code) return code;
        done[best->branch]++;
    }
}
