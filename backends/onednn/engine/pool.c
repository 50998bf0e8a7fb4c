/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A job is published by raising epoch. Part i is worker i's, so that it finds its data in its own cache;
 * whoever is done first takes what is left, so that nobody waits for a worker that still sleeps (or, after
 * fork, is not there). A part is taken by moving its claim from the last epoch to this one: an old epoch takes
 * nothing. */
#include "pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 64, SPIN_NANOSECONDS = 50000 };

struct worker {
    _Alignas(LINE) atomic_uint claim; /* the last epoch whose part of this number was taken */
    struct segue_pool *pool;
    pthread_t thread;
    uint32_t index;
};

struct segue_pool {
    _Alignas(LINE) atomic_uint epoch; /* also what parked workers sleep on */
    atomic_uint parked;
    atomic_int stop;
    segue_part body; /* these two: written before epoch, read after a claim */
    void *arg;
    _Alignas(LINE) atomic_uint done;
    _Alignas(LINE) atomic_flag busy;
    const segue_host *host;
    pid_t owner; /* the process that started the workers: a fork's child has none to wait for */
    uint32_t threads, started;
    struct worker workers[];
};

static void pause_core(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void work(struct segue_pool *p, uint32_t first, unsigned epoch)
{
    for (uint32_t k = 0; k < p->threads; k++) {
        uint32_t i = (first + k) % p->threads;
        unsigned before = epoch - 1;
        if (!atomic_compare_exchange_strong(&p->workers[i].claim, &before, epoch)) continue;
        p->body(p->arg, (int32_t)i, (int32_t)p->threads);
        atomic_fetch_add_explicit(&p->done, 1, memory_order_release);
    }
}

static unsigned wait_for_job(struct segue_pool *p, unsigned seen)
{
    int64_t until = now() + SPIN_NANOSECONDS;
    unsigned epoch;
    do {
        for (int i = 0; i < 32; i++) {
            epoch = atomic_load_explicit(&p->epoch, memory_order_acquire);
            if (epoch != seen) return epoch;
            pause_core();
        }
    } while (now() < until);
    atomic_fetch_add(&p->parked, 1);
    while ((epoch = atomic_load(&p->epoch)) == seen)
        syscall(SYS_futex, &p->epoch, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&p->parked, 1);
    return epoch;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    unsigned epoch = 0;
    for (;;) {
        epoch = wait_for_job(w->pool, epoch);
        if (atomic_load(&w->pool->stop)) return NULL;
        work(w->pool, w->index, epoch);
    }
}

static void publish(struct segue_pool *p, unsigned epoch)
{
    atomic_store(&p->epoch, epoch);
    /* A worker counts itself as parked before it looks at epoch for the last time. */
    if (atomic_load(&p->parked)) syscall(SYS_futex, &p->epoch, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

void segue_pool_run(struct segue_pool *pool, segue_part body, void *arg)
{
    if (pool->threads == 1 || atomic_flag_test_and_set_explicit(&pool->busy, memory_order_acquire)) {
        body(arg, 0, 1);
        return;
    }
    unsigned epoch = atomic_load_explicit(&pool->epoch, memory_order_relaxed) + 1;
    pool->body = body;
    pool->arg = arg;
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    publish(pool, epoch);
    work(pool, 0, epoch);
    while (atomic_load_explicit(&pool->done, memory_order_acquire) < pool->threads) pause_core();
    atomic_flag_clear_explicit(&pool->busy, memory_order_release);
}

static int start(struct segue_pool *p)
{
    sigset_t all, before;
    int failed = 0;
    sigfillset(&all); /* the engine's signals are for the engine's threads */
    if (pthread_sigmask(SIG_SETMASK, &all, &before)) return -1;
    for (p->started = 1; !failed && p->started < p->threads; p->started += !failed) {
        struct worker *w = &p->workers[p->started];
        char name[16];
        failed = pthread_create(&w->thread, NULL, worker_main, w);
        snprintf(name, sizeof name, "segue-cpu-%u", p->started % 10000);
        if (!failed) pthread_setname_np(w->thread, name);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

struct segue_pool *segue_pool_create(const segue_host *host, uint32_t threads)
{
    struct segue_pool *p = host->alloc(host->user, sizeof *p + threads * sizeof *p->workers, LINE);
    if (!p) return NULL;
    p->host = host;
    p->owner = getpid();
    p->threads = threads;
    atomic_flag_clear(&p->busy);
    for (uint32_t i = 0; i < threads; i++) {
        p->workers[i].pool = p;
        p->workers[i].index = i;
    }
    if (start(p) == 0) return p;
    segue_pool_destroy(p);
    return NULL;
}

void segue_pool_destroy(struct segue_pool *pool)
{
    uint32_t mine = pool->owner == getpid() ? pool->started : 0;
    atomic_store(&pool->stop, 1);
    publish(pool, atomic_load(&pool->epoch) + 1);
    for (uint32_t i = 1; i < mine; i++) pthread_join(pool->workers[i].thread, NULL);
    pool->host->free(pool->host->user, pool);
}
