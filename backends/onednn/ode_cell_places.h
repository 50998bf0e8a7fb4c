/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences in flight, for the kernels of ode_cell: their tiles are packed and unpacked here, so that a step sees rows of floats. */
#ifndef SEGUE_ONEDNN_ODE_CELL_PLACES_H
#define SEGUE_ONEDNN_ODE_CELL_PLACES_H

#include "engine/lanes_functions.h"
#include "ode_cell.h"

#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)

struct worker {
    const struct cell_job *job;
    float *scratch;
    struct cell_place *place; /* those in flight come first */
    int64_t count;
};

static inline int present(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

/* ---- what a step sees ------------------------------------------------------------------------------------ */

INLINE const float *x_of(const struct worker *w, const struct cell_place *p)
{
    return w->scratch + w->job->x + (p->memory * w->job->tile + p->next - p->first) * w->job->d_pitch;
}

/* The state before this token; behind it, that after it. */
INLINE float *state_of(const struct worker *w, const struct cell_place *p)
{
    return w->scratch + w->job->h + (p->memory * (1 + w->job->tile) + p->next - p->first) * w->job->n_pitch;
}

INLINE float elapsed_of(const struct worker *w, const struct cell_place *p)
{
    return w->scratch[w->job->D + (uint64_t)(p->memory * rounded_up(w->job->tile, 16) + p->next - p->first)];
}

INLINE void copy_lanes(float *to, const float *from, int64_t count)
{
    for (int64_t i = 0; i < count; i += LANES) lanes_store(to + i, lanes_load(from + i));
}

/* ---- tiles ----------------------------------------------------------------------------------------------- */

/* The tile's tokens x the channels of a [b t d] tensor. */
static struct segue_strip tile_rows(const struct cell_place *p, const segue_tensor *t, int64_t first,
                                    int64_t tokens)
{
    struct segue_strip s = strip_of(t, 1, 2);
    strip_move(&s, p->q.batch * t->stride[0]);
    strip_cut_rows(&s, p->q.first + first, tokens);
    return s;
}

static struct segue_strip state_row(const segue_tensor *t, int64_t row)
{
    struct segue_strip s = strip_of(t, -1, 1);
    strip_move(&s, row * t->stride[0]);
    return s;
}

static void load_tile(const struct worker *w, struct cell_place *p)
{
    const struct cell_job *job = w->job;
    const segue_tensor *elapsed = &job->op->elapsed;
    float *const D = w->scratch + job->D + p->memory * rounded_up(job->tile, 16);
    const int64_t left = p->q.length - p->next;
    p->first = p->next, p->tokens = left < job->tile ? left : job->tile;
    const struct segue_strip x = tile_rows(p, &job->op->x, p->first, p->tokens);
    PACK(w->scratch + job->x + p->memory * job->tile * job->d_pitch, job->d_pitch, LANES, &x);
    for (int64_t i = 0; i < job->tile; i++) D[i] = 1;
    if (!present(elapsed)) return;
    struct segue_strip each = strip_of(elapsed, -1, 1);
    strip_move(&each, p->q.batch * elapsed->stride[0]);
    strip_cut_columns(&each, p->q.first + p->first, p->tokens);
    PACK(D, 0, LANES, &each);
}

/* Row 0 becomes the last state; then the others go out. */
static void store_tile(const struct worker *w, const struct cell_place *p)
{
    const struct cell_job *job = w->job;
    const segue_ode_cell *op = job->op;
    float *const before = w->scratch + job->h + p->memory * (1 + job->tile) * job->n_pitch;
    float *const rows = before + job->n_pitch;
    copy_lanes(before, before + p->tokens * job->n_pitch, job->n_pitch);
    if (present(&op->h)) {
        const struct segue_strip h = tile_rows(p, &op->h, p->first, p->tokens);
        UNPACK(&h, rows, job->n_pitch, LANES);
    }
    const struct segue_strip y = tile_rows(p, &op->y, p->first, p->tokens);
    for (int64_t i = 0; (present(&op->output_w) || present(&op->output_b)) && i < y.columns; i += LANES) {
        const lanes scale = lanes_load(job->packed + job->output_w + i),
                    bias = lanes_load(job->packed + job->output_b + i);
        for (int64_t t = 0; t < p->tokens; t++) {
            float *const at = rows + t * job->n_pitch + i;
            lanes_store(at, scale * lanes_load(at) + bias);
        }
    }
    UNPACK(&y, rows, job->n_pitch, LANES);
}

/* ---- sequences ------------------------------------------------------------------------------------------- */

static void blank(const struct cell_job *job, const struct cell_place *p)
{
    const segue_tensor *const both[] = { &job->op->y, &job->op->h };
    for (int i = 0; i < 2; i++) {
        if (!present(both[i])) continue;
        const struct segue_strip s = tile_rows(p, both[i], 0, p->q.length);
        segue_strip_zero(&s);
    }
}

static void store_state(const struct worker *w, const struct cell_place *p)
{
    const segue_tensor *to = &w->job->op->h_out;
    if (!present(to) || p->q.write < 0) return;
    const struct segue_strip s = state_row(to, p->q.write);
    UNPACK(&s, w->scratch + w->job->h + p->memory * (1 + w->job->tile) * w->job->n_pitch, 0, LANES);
}

/* Sequence s into the first free place, unless it has nothing to compute. */
static void enter(struct worker *w, int64_t s,
                  void (*prepare)(const struct worker *, const struct cell_place *))
{
    const struct cell_job *job = w->job;
    const segue_tensor *from = &job->op->h_in;
    struct cell_place *const p = &w->place[w->count];
    float *const h = w->scratch + job->h + p->memory * (1 + job->tile) * job->n_pitch;
    p->q = cell_sequence(job, s), p->next = 0;
    if (p->q.padding) {
        blank(job, p);
        return;
    }
    memset(h, 0, (size_t)job->n_pitch * sizeof *h);
    if (present(from) && p->q.read >= 0) {
        const struct segue_strip strip = state_row(from, p->q.read);
        PACK(h, 0, LANES, &strip);
    }
    if (!p->q.length) {
        store_state(w, p);
        return;
    }
    load_tile(w, p);
    prepare(w, p);
    w->count++;
}

/* Behind a step; the last place moves to where a sequence ended. */
static void advance(struct worker *w, void (*prepare)(const struct worker *, const struct cell_place *))
{
    for (int64_t i = w->count - 1; i >= 0; i--) {
        struct cell_place *const p = &w->place[i], ended = *p;
        if (++p->next < p->first + p->tokens) continue;
        store_tile(w, p);
        if (p->next < p->q.length) {
            load_tile(w, p);
            prepare(w, p);
            continue;
        }
        store_state(w, p);
        *p = w->place[--w->count];
        w->place[w->count] = ended;
    }
}

/* prepare: behind the packing of a tile. step: all places by a token, into the states behind. */
INLINE void walk_sequences(const struct cell_job *job, int64_t first, int64_t last, float *scratch,
                           void (*prepare)(const struct worker *, const struct cell_place *),
                           void (*step)(const struct worker *))
{
    struct worker w = { .job = job, .scratch = scratch };
    w.place = (struct cell_place *)(void *)(scratch + job->place);
    for (int64_t i = 0; i < job->places; i++) w.place[i].memory = i;
    for (;;) {
        while (first < last && w.count < job->places) enter(&w, first++, prepare);
        if (!w.count) return;
        step(&w);
        advance(&w, prepare);
    }
}

/* ---- packing --------------------------------------------------------------------------------------------- */

/* A vector [n] into whole lanes, 0 behind it; all x where it is absent. */
static void pack_vector(float *to, const segue_tensor *t, int64_t n, float x)
{
    for (int64_t i = 0; i < n; i += LANES) lanes_store(to + i, lanes_splat(x));
    if (!present(t)) return;
    const struct segue_strip s = strip_of(t, -1, 0);
    PACK(to, 0, LANES, &s);
}

static void pack_outputs(const struct cell_job *job)
{
    pack_vector(job->packed + job->output_w, &job->op->output_w, job->n, 1);
    pack_vector(job->packed + job->output_b, &job->op->output_b, job->n, 0);
}

#endif
