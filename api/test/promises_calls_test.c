/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue_plan_run allocates nothing, locks nothing and asks nothing of the system, except to wake parked workers
 * once. The functions below stand before libc's in the program's symbol order; they count calls whose return
 * address lies in one of our objects.     usage: promises_calls_test DEVICE... */
#include "promises.h"

#include <dlfcn.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum call { MEMORY, MAPPING, THREADS, WAITING, WAKE, PARK, SYSTEM, CALLS };
static const char *const call_names[CALLS] = { "memory", "mapping", "threads", "waiting",
                                               "wake",   "park",    "system" };

static atomic_int watching;
static _Thread_local int in_run;                 /* this thread is the one that called segue_plan_run */
static atomic_int here[CALLS], elsewhere[CALLS]; /* on that thread; on any other */

static int is_ours(const void *address)
{
    Dl_info info;
    if (!dladdr(address, &info) || !info.dli_fname) return 0;
    const char *slash = strrchr(info.dli_fname, '/'), *name = slash ? slash + 1 : info.dli_fname;
    /* A tail call leaves the program's own address, and the program does nothing else while it is in a run. */
    return !strncmp(name, "libsegue", 8) || !strncmp(name, "segue_", 6) ||
           (in_run && strstr(name, "promises_calls_test"));
}

static void note(enum call call, const void *caller)
{
    if (watching && is_ours(caller)) atomic_fetch_add(in_run ? &here[call] : &elsewhere[call], 1);
}

#define CALLER __builtin_return_address(0)
/* A function of libc that is counted and passed on. */
#define COUNTED(kind, type, name, parameters, arguments)      \
    SEGUE_API type name parameters                            \
    {                                                         \
        static type(*real) parameters;                        \
        note(kind, CALLER);                                   \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name); \
        return real arguments;                                \
    }

/* dlsym allocates: these have a second name in glibc. */
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);
#define ALLOCATION(type, name, parameters, real) \
    SEGUE_API type name parameters               \
    {                                            \
        note(MEMORY, CALLER);                    \
        real;                                    \
    }

ALLOCATION(void *, malloc, (size_t n), return __libc_malloc(n))
ALLOCATION(void *, calloc, (size_t n, size_t m), return __libc_calloc(n, m))
ALLOCATION(void *, realloc, (void *p, size_t n), return __libc_realloc(p, n))
ALLOCATION(void *, memalign, (size_t a, size_t n), return __libc_memalign(a, n))
ALLOCATION(void *, aligned_alloc, (size_t a, size_t n), return __libc_memalign(a, n))
ALLOCATION(int, posix_memalign, (void **p, size_t a, size_t n), *p = __libc_memalign(a, n); return *p ? 0 : 12)
ALLOCATION(void, free, (void *p), __libc_free(p))

COUNTED(MAPPING, void *, mmap, (void *a, size_t n, int p, int f, int d, off_t o), (a, n, p, f, d, o))
COUNTED(MAPPING, int, munmap, (void *a, size_t n), (a, n))
COUNTED(MAPPING, int, mprotect, (void *a, size_t n, int p), (a, n, p))
COUNTED(MAPPING, int, madvise, (void *a, size_t n, int p), (a, n, p))
COUNTED(THREADS, int, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*f)(void *), void *x),
        (t, a, f, x))
COUNTED(THREADS, int, pthread_join, (pthread_t t, void **x), (t, x))
COUNTED(THREADS, int, pthread_mutex_lock, (pthread_mutex_t * m), (m))
COUNTED(THREADS, int, pthread_mutex_trylock, (pthread_mutex_t * m), (m))
COUNTED(THREADS, int, pthread_mutex_unlock, (pthread_mutex_t * m), (m))
COUNTED(THREADS, int, pthread_rwlock_rdlock, (pthread_rwlock_t * m), (m))
COUNTED(THREADS, int, pthread_rwlock_wrlock, (pthread_rwlock_t * m), (m))
COUNTED(THREADS, int, pthread_cond_signal, (pthread_cond_t * c), (c))
COUNTED(THREADS, int, pthread_cond_broadcast, (pthread_cond_t * c), (c))
COUNTED(THREADS, int, pthread_once, (pthread_once_t * o, void (*f)(void)), (o, f))
COUNTED(WAITING, int, pthread_cond_wait, (pthread_cond_t * c, pthread_mutex_t *m), (c, m))
COUNTED(WAITING, int, sem_wait, (sem_t * s), (s))
COUNTED(WAKE, int, sem_post, (sem_t * s), (s))
COUNTED(WAITING, int, sched_yield, (void), ())
COUNTED(WAITING, int, nanosleep, (const struct timespec *t, struct timespec *r), (t, r))
COUNTED(SYSTEM, ssize_t, read, (int d, void *p, size_t n), (d, p, n))
COUNTED(SYSTEM, ssize_t, write, (int d, const void *p, size_t n), (d, p, n))
COUNTED(SYSTEM, void *, dlopen, (const char *n, int f), (n, f))
COUNTED(SYSTEM, long, sysconf, (int n), (n))

SEGUE_API long syscall(long number, ...)
{
    static long (*real)(long, ...);
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    const long futex = a[1] & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    note(number != SYS_futex ? SYSTEM : futex == FUTEX_WAKE ? WAKE : PARK, CALLER);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void watch(int on)
{
    if (on)
        for (int i = 0; i < CALLS; i++) here[i] = elsewhere[i] = 0;
    in_run = on;
    watching = on;
}

static int failures, wakes, most_wakes;

/* One run under watch. */
static void run_once(const struct promise_run *run, const char *device, const struct promise_case *c)
{
    watch(1);
    promise_once(run);
    watch(0);
    for (int i = 0; i < CALLS; i++) {
        const int allowed_here = i == WAKE ? run->kernels : 0, allowed_there = i == PARK;
        if (here[i] > allowed_here || (elsewhere[i] && !allowed_there)) {
            printf("FAIL %s %s %s: %s: %d calls in the run, %d in other threads\n", device,
                   segue_describe(c->kind.primitive)->name, c->form, call_names[i], here[i], elsewhere[i]);
            failures++;
        }
    }
    wakes += here[WAKE];
    if (here[WAKE] > most_wakes) most_wakes = here[WAKE];
}

static void sleep_ms(long ms)
{
    const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

static void try_case(segue_context *ctx, const char *device, const struct promise_case *c)
{
    enum { BUSY = 300, PARKED = 20 };
    struct promise_run run = promise_open(ctx, device, 0, c);
    wakes = most_wakes = 0;
    promise_once(&run);
    for (int i = 0; i < BUSY; i++) run_once(&run, device, c);
    const int busy = wakes;
    for (int i = 0; i < PARKED; i++) {
        sleep_ms(5); /* workers park after 50 microseconds */
        run_once(&run, device, c);
    }
    printf("%-9s %-15s %-8s %6d %6d %6d\n", device, segue_describe(c->kind.primitive)->name, c->form, busy,
           wakes - busy, most_wakes);
    promise_close(&run);
}

int main(int argc, char **argv)
{
    segue_context *ctx;
    segue_diag why = { 0 };
    if (segue_context_create(NULL, &ctx, &why)) return printf("%s\n", why.text), 1;
    printf("%-9s %-15s %-8s %6s %6s %6s\n%41s %6s %6s\n", "device", "primitive", "form", "wakes", "wakes",
           "most", "of 300", "of 20", "a run");
    for (int i = 1; i < argc; i++)
        for (const struct promise_case *c = promise_cases; c->form; c++) try_case(ctx, argv[i], c);
    /* The net has no hole: planning is seen. */
    watch(1);
    in_run = 0;
    struct promise_run run = promise_open(ctx, "reference", 0, promise_cases);
    watch(0);
    if (!elsewhere[MEMORY])
        printf("FAIL: opening a device and making a plan was not seen to allocate\n"), failures++;
    promise_close(&run);
    segue_context_destroy(ctx);
    printf("%d failures; planning, for comparison: %d memory calls\n", failures, elsewhere[MEMORY]);
    return failures != 0;
}
