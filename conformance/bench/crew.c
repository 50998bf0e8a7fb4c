/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "crew.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { SPINS = 20000, LEAST = 3 }; /* spins before the processor is offered to others; passes that count */

struct crew {
    void (*pass)(void *work, int thread, int threads);
    void *work;
    atomic_int threads, waiting, round, over;
};

struct member {
    struct crew *crew;
    int thread;
};

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median_of(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

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

/* Seconds of one pass. From before the others can begin: behind the meeting this thread may sleep while they
 * do their part, and the best of many passes would be such a one. */
static double one_pass(struct crew *c, int threads)
{
    const double start = seconds_now();
    meet(c);
    c->pass(c->work, 0, threads);
    meet(c);
    return seconds_now() - start;
}

static void lead(struct crew *c, int threads, double warm, double seconds, struct passes *out)
{
    double sum = 0;
    for (const double end = seconds_now() + warm; seconds_now() < end;) one_pass(c, threads);
    const double end = seconds_now() + seconds;
    int n = 0;
    for (; n < LEAST || seconds_now() < end; n++) {
        const double took = one_pass(c, threads);
        sum += took;
        out->best = fmin(out->best, took);
    }
    out->mean = sum / n;
}

int crew_time(int threads, void (*pass)(void *, int, int), void *work, double warm, double seconds,
              struct passes *out)
{
    struct crew crew = { .pass = pass, .work = work, .threads = threads };
    pthread_t *others = calloc((size_t)threads, sizeof *others);
    struct member *members = calloc((size_t)threads, sizeof *members);
    int started = 1;
    *out = (struct passes){ INFINITY, INFINITY };
    /* Nobody meets before all are here: a crew that could not be filled would wait for ever. */
    for (int i = 1; others && members && i < threads; i++, started++) {
        members[i] = (struct member){ &crew, i };
        if (pthread_create(&others[i], NULL, follow, &members[i])) break;
    }
    const int whole = others && members && started == threads;
    if (whole) lead(&crew, threads, warm, seconds, out);
    atomic_store(&crew.threads, others && members ? started : 1);
    atomic_store(&crew.over, 1);
    if (started > 1) meet(&crew);
    for (int i = 1; others && i < started; i++) pthread_join(others[i], NULL);
    free(others), free(members);
    return whole ? 0 : -1;
}
