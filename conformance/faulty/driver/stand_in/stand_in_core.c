/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One lock around everything: a driver of tests need not be fast, and what its own threads agree on is plain. */
#include "stand_in.h"
#include "stand_in_control.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ENTRIES = 160, MOST_FAILURES = 32, NAME = 48 };

static struct {
    pthread_mutex_t lock;
    int configured;
    struct settings settings;
    uint64_t random;
    struct {
        char name[NAME];
        uint64_t calls;
    } entries[MOST_ENTRIES];
    struct {
        char name[NAME];
        uint64_t at; /* that call fails; 0: every one */
        int code, breaks;
    } failures[MOST_FAILURES];
    int entry_count, failure_count;
    struct object *objects;
    uintptr_t handles;
    uint64_t lost;
    char words[512];
} core = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- settings ------------------------------------------------------------------------------------------- */

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 10) : otherwise;
}

static void add_failure(const char *name, uint64_t at, int code, int breaks)
{
    if (core.failure_count == MOST_FAILURES) return;
    snprintf(core.failures[core.failure_count].name, NAME, "%s", name);
    core.failures[core.failure_count].at = at;
    core.failures[core.failure_count].breaks = breaks;
    core.failures[core.failure_count++].code = code;
}

/* "cuMemAlloc_v2:2=2,cuInit:1=100": the 2nd cuMemAlloc_v2 and the first cuInit. "=719!": and the context is broken.
 * "cuStreamWaitEvent:0=0": every one answers success and does nothing, as if the adapter had forgotten to call it. */
static void read_failures(const char *text)
{
    while (text && *text) {
        char name[NAME];
        unsigned long long at;
        int code, used = 0;
        if (sscanf(text, "%47[^:]:%llu=%d%n", name, &at, &code, &used) != 3) return;
        add_failure(name, at, code, text[used] == '!');
        text += used + (text[used] == '!');
        text += *text == ',';
    }
}

static void configure(void)
{
    core.configured = 1;
    core.settings = (struct settings){ .seed = (uint32_t)number("SEGUE_STAND_IN_SEED", 0),
                                       .wave = (int)number("SEGUE_STAND_IN_WAVE", 32),
                                       .checked = number("SEGUE_STAND_IN_CHECK", 0) != 0 };
    const char *arch = getenv("SEGUE_STAND_IN_ARCH");
    if (arch) snprintf(core.settings.arch, sizeof core.settings.arch, "%s", arch);
    core.random = core.settings.seed;
    read_failures(getenv("SEGUE_STAND_IN_FAIL"));
}

const struct settings *settings(void)
{
    return &core.settings;
}

uint32_t draw_below(uint32_t n)
{
    core.random = core.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); /* Knuth, MMIX */
    return (uint32_t)(core.random >> 33) % n;
}

int complain(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(core.words, sizeof core.words, format, args);
    va_end(args);
    if (getenv("SEGUE_STAND_IN_TELL")) fprintf(stderr, "stand-in driver: %d: %s\n", code, core.words);
    return code;
}

/* ---- calls ---------------------------------------------------------------------------------------------- */

static uint64_t *calls_of(const char *entry)
{
    int i = 0;
    while (i < core.entry_count && strcmp(core.entries[i].name, entry)) i++;
    if (i == MOST_ENTRIES) i--;
    if (i == core.entry_count) snprintf(core.entries[core.entry_count++].name, NAME, "%s", entry);
    return &core.entries[i].calls;
}

static int injected(const char *entry, uint64_t call, int *breaks)
{
    for (int i = 0; i < core.failure_count; i++)
        if ((core.failures[i].at == call || !core.failures[i].at) && !strcmp(core.failures[i].name, entry)) {
            *breaks = core.failures[i].breaks;
            return core.failures[i].code ? core.failures[i].code : DROPPED;
        }
    return OK;
}

static int begin(const char *entry)
{
    int breaks = 0;
    pthread_mutex_lock(&core.lock);
    if (!core.configured) configure();
    const int code = injected(entry, ++*calls_of(entry), &breaks);
    struct context *c = code && breaks ? at_hand() : NULL;
    if (c) c->broken = code;
    return code;
}

int enter(const char *entry)
{
    return begin(entry);
}

int enter_context(const char *entry, struct context **here)
{
    const int code = begin(entry);
    *here = code ? NULL : current();
    if (code) return code;
    if (!started()) return NOT_INITIALIZED;
    if (!*here) return INVALID_CONTEXT;
    return (*here)->broken;
}

int leave(int code)
{
    pthread_mutex_unlock(&core.lock);
    return code == DROPPED ? OK : code;
}

/* ---- handles -------------------------------------------------------------------------------------------- */

void *make(enum kind kind, struct context *context, size_t bytes)
{
    struct object *o = calloc(1, bytes);
    if (!o) return NULL;
    /* Not canonical addresses, and none that an allocation has. */
    o->handle = UINT64_C(0x5e90000000000000) + 16 * ++core.handles;
    o->kind = kind;
    o->context = context;
    o->next = core.objects;
    core.objects = o;
    return o;
}

void unmake(void *object)
{
    struct object **at = &core.objects;
    while (*at != object) at = &(*at)->next;
    *at = (*at)->next;
    free(object);
}

void *find(enum kind kind, const struct context *context, const void *handle)
{
    struct object *o = core.objects;
    while (o && (o->kind != kind || o->handle != (uintptr_t)handle || (context && o->context != context)))
        o = o->next;
    return o;
}

void *next_of(enum kind kind, const struct context *context, const void *last)
{
    struct object *o = last ? ((const struct object *)last)->next : core.objects;
    while (o && (o->kind != kind || (context && o->context != context))) o = o->next;
    return o;
}

void *handle_of(const void *object)
{
    return object ? (void *)((const struct object *)object)->handle : NULL;
}

void lost_one(void)
{
    core.lost++;
}

/* ---- control by tests ------------------------------------------------------------------------------------ */

#pragma GCC visibility push(default)

const int segue_stand_in_driver = 1;

void segue_stand_in_fail(const char *entry, int nth, int code)
{
    pthread_mutex_lock(&core.lock);
    if (!core.configured) configure();
    add_failure(entry, *calls_of(entry) + (uint64_t)nth, code, 0);
    pthread_mutex_unlock(&core.lock);
}

uint64_t segue_stand_in_calls(const char *entry)
{
    uint64_t calls = 0;
    pthread_mutex_lock(&core.lock);
    for (int i = 0; i < core.entry_count; i++)
        if (!entry || !strcmp(core.entries[i].name, entry)) calls += core.entries[i].calls;
    pthread_mutex_unlock(&core.lock);
    return calls;
}

static uint64_t count_of(enum kind kind)
{
    uint64_t n = 0;
    for (void *o = NULL; (o = next_of(kind, NULL, o));) {
        const struct stream *s = kind == STREAM ? o : NULL;
        n += !s || (!s->legacy && !s->thread && !s->closed);
    }
    return n;
}

uint64_t segue_stand_in_live(const char *kind)
{
    static const struct {
        const char *word;
        enum kind kind;
    } words[] = { { "allocations", ALLOCATION }, { "streams", STREAM },  { "events", EVENT },
                  { "modules", MODULE },         { "graphs", GRAPH },    { "graphs", EXEC },
                  { "contexts", CONTEXT },       { "programs", PROGRAM } };
    uint64_t n = 0;
    int known = 0;
    pthread_mutex_lock(&core.lock);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i].word, kind)) {
            n += count_of(words[i].kind);
            known = 1;
        }
    if (!strcmp(kind, "work")) n = work_pending();
    else if (!strcmp(kind, "lost")) n = core.lost;
    else if (!known) n = UINT64_MAX;
    pthread_mutex_unlock(&core.lock);
    return n;
}

const char *segue_stand_in_words(void)
{
    return core.words;
}

void segue_stand_in_reset(void)
{
    pthread_mutex_lock(&core.lock);
    for (struct context *c; (c = next_of(CONTEXT, NULL, NULL));) context_destroy(c);
    for (struct program *p; (p = next_of(PROGRAM, NULL, NULL));) program_drop(p);
    machine_drop();
    core.entry_count = core.failure_count = 0;
    memset(core.entries, 0, sizeof core.entries);
    core.lost = 0;
    core.words[0] = 0;
    configure();
    pthread_mutex_unlock(&core.lock);
}

#pragma GCC visibility pop
