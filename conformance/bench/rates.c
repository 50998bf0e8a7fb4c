/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rates.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- a probe's threads --------------------------------------------------------------------------- */

enum { THREADS = 1024, SPINS = 20000 }; /* spins before the processor is offered to others */

struct crew {
    void (*pass)(void *work, int thread, int threads);
    void *work;
    atomic_int threads, waiting, round, over;
};

struct member {
    struct crew *crew;
    int thread;
};

/* The last one in opens the next round. */
static void meet(struct crew *c)
{
    const int round = atomic_load_explicit(&c->round, memory_order_acquire);
    if (atomic_fetch_add(&c->waiting, 1) + 1 == atomic_load(&c->threads)) {
        atomic_store_explicit(&c->waiting, 0, memory_order_relaxed);
        atomic_store_explicit(&c->round, round + 1, memory_order_release);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&c->round, memory_order_acquire) == round; spins++)
        if (spins > SPINS) sched_yield();
}

static void *follow(void *arg)
{
    const struct member *m = arg;
    for (;;) {
        meet(m->crew);
        if (atomic_load(&m->crew->over)) return NULL;
        m->crew->pass(m->crew->work, m->thread, atomic_load(&m->crew->threads));
        meet(m->crew);
    }
}

/* The best of passes for some seconds, but of `least` at least. INFINITY = no threads. */
static double best_pass(int threads, void (*pass)(void *, int, int), void *work, double seconds, int least)
{
    struct crew crew = { .pass = pass, .work = work, .threads = threads };
    pthread_t *others = calloc((size_t)threads, sizeof *others);
    struct member *members = calloc((size_t)threads, sizeof *members);
    int started = 1;
    double best = INFINITY;
    /* Nobody meets before all are here: a crew that could not be filled would wait for ever. */
    for (int i = 1; others && members && i < threads; i++, started++) {
        members[i] = (struct member){ &crew, i };
        if (pthread_create(&others[i], NULL, follow, &members[i])) break;
    }
    const int whole = others && members && started == threads;
    const double end = seconds_now() + seconds;
    for (int n = 0; whole && (n < least || seconds_now() < end); n++) {
        /* Before the others can begin: behind the meeting this thread may sleep while they do their part, and the best of
         * many passes would be such a one. */
        const double start = seconds_now();
        meet(&crew);
        pass(work, 0, threads);
        meet(&crew);
        const double took = seconds_now() - start;
        if (took < best) best = took;
    }
    atomic_store(&crew.threads, others && members ? started : 1);
    atomic_store(&crew.over, 1);
    if (started > 1) meet(&crew);
    for (int i = 1; others && i < started; i++) pthread_join(others[i], NULL);
    free(others), free(members);
    return best;
}

/* ---- exp and FMA --------------------------------------------------------------------------------- */

/* Two buffers of 8 KiB each lie in any first cache; a pass takes 50 us, in which the meetings do not count. */
enum { FLOATS = 2048, ROUNDS = 512, FMA_ROUNDS = 40000 };

struct arithmetic {
    const struct bench_lanes *lanes;
    int form;
    float *memory; /* [threads][2][FLOATS] */
};

static void exps_pass(void *work, int thread, int threads)
{
    const struct arithmetic *a = work;
    float *const mine = a->memory + (int64_t)thread * 2 * FLOATS;
    (void)threads;
    for (int i = 0; i < ROUNDS; i++) a->lanes->exps[a->form](mine, mine + FLOATS, FLOATS);
}

static void fma_pass(void *work, int thread, int threads)
{
    const struct arithmetic *a = work;
    (void)threads;
    a->lanes->fma[a->form](a->memory + (int64_t)thread * 2 * FLOATS, FMA_ROUNDS);
}

static void choose(struct rates *r)
{
    r->lanes = &bench_lanes_base, r->isa = "base";
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        r->lanes = &bench_lanes_avx2, r->isa = "avx2";
    if (__builtin_cpu_supports("avx512f")) r->lanes = &bench_lanes_avx512, r->isa = "avx512";
#endif
}

/* Forms from..to of both, as long for each. */
static int measure_forms(struct rates *r, int exp_form, int exp_end, int fma_form, int fma_end, double seconds)
{
    const size_t floats = (size_t)r->threads * 2 * FLOATS;
    struct arithmetic a = { .lanes = r->lanes };
    a.memory = aligned_alloc(64, floats * sizeof(float));
    if (!a.memory) return -1;
    for (size_t i = 0; i < floats; i++) a.memory[i] = -8.0f * (float)(i % FLOATS) / FLOATS;
    const double exps = (double)FLOATS * ROUNDS * r->threads;
    const double fmas = (double)FMA_ROUNDS * r->lanes->chains * r->lanes->lanes * r->threads;
    for (a.form = exp_form; a.form < exp_end && r->lanes->exps[a.form]; a.form++) {
        const double rate = exps / best_pass(r->threads, exps_pass, &a, seconds, 3);
        if (rate > r->exps) r->exps = rate, r->exp_form = a.form;
    }
    for (a.form = fma_form; a.form < fma_end; a.form++) {
        const double rate = fmas / best_pass(r->threads, fma_pass, &a, seconds, 3);
        if (rate > r->slots) r->slots = rate, r->fma_form = a.form;
    }
    free(a.memory);
    return r->exps > 0 && r->slots > 0 ? 0 : -1;
}

int rates_measure(int threads, struct rates *out)
{
    memset(out, 0, sizeof *out);
    out->threads = threads < 1 ? 1 : threads > THREADS ? THREADS : threads;
    choose(out);
    return measure_forms(out, 0, BENCH_EXPS, 0, 2, 0.06);
}

int rates_again(struct rates *r, double seconds)
{
    return measure_forms(r, r->exp_form, r->exp_form + 1, r->fma_form, r->fma_form + 1, seconds / 2);
}

/* ---- bytes --------------------------------------------------------------------------------------- */

enum { PIECE = 4096 }; /* floats: what is read and written in turn, small beside the second cache */

struct traffic_pass {
    const struct traffic *t;
    int streaming;
};

static int64_t block_floats(int64_t bytes)
{
    return bytes / 4 / BENCH_BLOCK * BENCH_BLOCK;
}

/* This thread's part of [0, count), in whole blocks. */
static int64_t part(int64_t count, int thread, int threads)
{
    return count / BENCH_BLOCK * thread / threads * BENCH_BLOCK;
}

/* state: each float read and written, with as many of `from` beside it as there are; the rest of `from` is only read. */
static void update_layer(const struct traffic *t, int64_t layer, int thread, int threads, float *sink)
{
    const struct bench_lanes *l = t->rates->lanes;
    const int64_t state = block_floats(t->state), read = block_floats(t->read);
    const int64_t both = state < read ? state : read;
    const int64_t first = part(both, thread, threads), last = part(both, thread + 1, threads);
    l->update(t->kept[layer] + first, t->from[layer] + first, last - first);
    const int64_t rest = part(state - both, thread, threads), end = part(state - both, thread + 1, threads);
    l->update(t->kept[layer] + both + rest, t->kept[layer] + both + rest, end - rest);
    const int64_t more = part(read - both, thread, threads), stop = part(read - both, thread + 1, threads);
    if (stop > more) l->read(sink, t->from[layer] + both + more, stop - more);
}

/* Piece by piece: what is written is copied, reads beyond it are only read; writes beyond the reads copy a piece again. */
static void copy_layer(const struct traffic_pass *p, int64_t layer, int thread, int threads, float *sink)
{
    const struct traffic *t = p->t;
    const struct bench_lanes *l = t->rates->lanes;
    const int64_t read = block_floats(t->read), written = block_floats(t->written);
    const int64_t more = read > written ? read : written, pieces = (more + PIECE - 1) / PIECE;
    const int64_t from = pieces * thread / threads, to = pieces * (thread + 1) / threads;
    for (int64_t i = from; i < to; i++) {
        const int64_t r0 = part(read, (int)i, (int)pieces), r = part(read, (int)i + 1, (int)pieces) - r0;
        const int64_t w0 = part(written, (int)i, (int)pieces), w = part(written, (int)i + 1, (int)pieces) - w0;
        const int64_t both = r < w ? r : w;
        l->copy[p->streaming](t->to[layer] + w0, t->from[layer] + r0, both);
        if (w > both && r0 + w - both <= read)
            l->copy[p->streaming](t->to[layer] + w0 + both, t->from[layer] + r0, w - both);
        if (r > both) l->read(sink, t->from[layer] + r0 + both, r - both);
    }
    l->settle();
}

static void traffic_pass(void *work, int thread, int threads)
{
    const struct traffic_pass *p = work;
    float sink[BENCH_BLOCK] __attribute__((aligned(64)));
    for (int64_t layer = 0; layer < p->t->layers; layer++) {
        if (p->t->state) update_layer(p->t, layer, thread, threads, sink);
        else copy_layer(p, layer, thread, threads, sink);
    }
}

static float **buffers(int64_t layers, int64_t bytes)
{
    float **all = calloc((size_t)layers + 1, sizeof *all);
    const size_t room = (size_t)(bytes + 4095) / 4096 * 4096 + 4096;
    for (int64_t i = 0; all && i < layers; i++) {
        if (!(all[i] = aligned_alloc(4096, room))) return all;
        for (size_t k = 0; k < room / 4; k++) all[i][k] = 0.25f; /* touched: pages that are there */
    }
    return all;
}

static void drop(float **all, int64_t layers)
{
    for (int64_t i = 0; all && i < layers; i++) free(all[i]);
    free(all);
}

int traffic_open(struct traffic *t, const struct rates *rates, int64_t layers, int64_t read, int64_t written,
                 int64_t state)
{
    *t = (struct traffic){ .rates = rates, .layers = layers, .best = INFINITY };
    t->read = read, t->written = written, t->state = state;
    t->from = buffers(layers, read);
    t->to = buffers(layers, written);
    t->kept = buffers(layers, state);
    if (t->from && t->to && t->kept && t->from[layers - 1] && t->to[layers - 1] && t->kept[layers - 1])
        return 0;
    traffic_close(t);
    return -1;
}

int traffic_measure(struct traffic *t, double seconds)
{
    const int kinds = t->state ? 1 : 2;
    for (int streaming = 0; streaming < kinds; streaming++) {
        struct traffic_pass p = { t, streaming };
        t->best = fmin(t->best, best_pass(t->rates->threads, traffic_pass, &p, seconds / kinds, 3));
    }
    return t->best < INFINITY ? 0 : -1;
}

void traffic_close(struct traffic *t)
{
    drop(t->from, t->layers), drop(t->to, t->layers), drop(t->kept, t->layers);
    t->from = t->to = t->kept = NULL;
}
