/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "traffic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crew.h"

/* Floats that are moved of each operand in turn: all operands' pieces together are small beside the second
 * cache. */
enum { PIECE = 4096, LINE = 64 };

struct stream { /* to NULL: only read; from NULL: only written; the same: read and written back */
    float *from, *to;
    int64_t read, written; /* floats, whole blocks */
};

struct traffic_layer {
    struct stream stream[TRAFFIC_OPERANDS];
    int streams;
};

int traffic_open(struct traffic *t, const struct rates *rates, int layers)
{
    *t = (struct traffic){ .rates = rates, .count = layers };
    t->layers = calloc((size_t)layers, sizeof *t->layers);
    return t->layers ? 0 : -1;
}

/* A write takes what it stores from the largest operand that is read and has no such partner yet. */
static struct stream *partner(struct traffic_layer *l)
{
    struct stream *best = NULL;
    for (int i = 0; i < l->streams; i++)
        if (!l->stream[i].to && (!best || l->stream[i].read > best->read)) best = &l->stream[i];
    return best;
}

void traffic_add(struct traffic *t, int layer, enum traffic_role role, void *at, int64_t bytes)
{
    struct traffic_layer *l = &t->layers[layer];
    const int64_t skipped = (int64_t)(-(uintptr_t)at % LINE);
    const int64_t floats = (bytes - skipped) / (int64_t)sizeof(float) / BENCH_BLOCK * BENCH_BLOCK;
    float *const first = (float *)(void *)((char *)at + skipped);
    struct stream *s = role == TRAFFIC_WRITTEN ? partner(l) : NULL;
    if (floats <= 0 || l->streams == TRAFFIC_OPERANDS) return;
    if (!s) s = &l->stream[l->streams++];
    if (role != TRAFFIC_WRITTEN) s->from = first, s->read = floats;
    if (role != TRAFFIC_READ) s->to = first, s->written = floats;
    t->moved += (double)sizeof(float) * (double)floats * (role == TRAFFIC_KEPT ? 2 : 1);
}

/* ---- a pass -------------------------------------------------------------------------------------- */

struct traffic_pass {
    const struct traffic *t;
    int store;
};

/* Where part number i of so many begins, in whole blocks. */
static int64_t begin(int64_t count, int64_t i, int64_t parts)
{
    return count / BENCH_BLOCK * i / parts * BENCH_BLOCK;
}

/* What is written beyond the reads comes from the first cache. */
static void move(const struct bench_lanes *l, int store, const struct stream *s, int64_t i, int64_t parts,
                 float blank[PIECE])
{
    const int64_t r = begin(s->read, i, parts), reads = begin(s->read, i + 1, parts) - r;
    const int64_t w = begin(s->written, i, parts), writes = begin(s->written, i + 1, parts) - w;
    const int64_t both = reads < writes ? reads : writes;
    if (s->from == s->to) {
        l->update(s->to + w, both);
        return;
    }
    if (both) l->copy[store](s->to + w, s->from + r, both);
    if (writes > both) l->copy[store](s->to + w + both, blank, writes - both);
    if (reads > both) l->read(blank, s->from + r + both, reads - both);
}

static void pass(void *work, int thread, int threads)
{
    const struct traffic_pass *p = work;
    const struct bench_lanes *l = p->t->rates->lanes;
    float blank[PIECE] __attribute__((aligned(64)));
    for (int i = 0; i < PIECE; i++) blank[i] = 0.25f; /* not zeros, which some processors move faster */
    for (int k = 0; k < p->t->count; k++) {
        const struct traffic_layer *const layer = &p->t->layers[k];
        int64_t most = 0;
        for (int s = 0; s < layer->streams; s++) {
            const int64_t reads = layer->stream[s].read, writes = layer->stream[s].written;
            most = reads > most ? reads : most;
            most = writes > most ? writes : most;
        }
        const int64_t parts = (most + PIECE - 1) / PIECE;
        for (int64_t i = parts * thread / threads; i < parts * (thread + 1) / threads; i++)
            for (int s = 0; s < layer->streams; s++) move(l, p->store, &layer->stream[s], i, parts, blank);
    }
    l->settle();
}

/* ---- samples ------------------------------------------------------------------------------------- */

int traffic_measure(struct traffic *t, double seconds)
{
    struct passes found;
    if (t->samples == TRAFFIC_SAMPLES) return 0;
    for (int store = 0; store < BENCH_STORES; store++) {
        struct traffic_pass p = { t, store };
        if (crew_time(t->rates->threads, pass, &p, seconds / 8, seconds, &found)) return -1;
        t->seconds[store][t->samples] = found.mean;
    }
    t->samples++;
    return 0;
}

double traffic_rate(const struct traffic *t)
{
    double best = INFINITY;
    for (int store = 0; store < BENCH_STORES; store++) {
        double sorted[TRAFFIC_SAMPLES];
        memcpy(sorted, t->seconds[store], sizeof sorted);
        best = fmin(best, median_of(sorted, t->samples));
    }
    return t->moved / best;
}

void traffic_close(struct traffic *t)
{
    free(t->layers);
    t->layers = NULL;
}
