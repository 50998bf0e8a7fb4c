/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Groups one after another, the items of a group as fibres in a seeded order. What runs on a fibre's own stack
 * (enter, on_barrier, on_access, on_fault) keeps nothing there that must be undone: after a finding it is never
 * resumed. */
#include "fibre.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, MAPPING = (FIBRE_MOST_ITEMS + 1) * FIBRE_STACK };
enum state { READY, WAITING, DONE };

struct fibre {
    void *sp;
    enum state state;
    const char *where; /* of the last barrier it reached */
};

struct finding {
    int there;
    enum fibre_fault fault;
    int local; /* in LOCAL memory, not in an argument */
    struct fibre_touch touch;
    struct fibre_clash clash;
    const char *what, *file; /* of the compiler's own checks, instead of a touch */
    int32_t line;
};

struct fibre_machine {
    const segue_host *host;
    int32_t checked;
    uint32_t seed;
    uint64_t random;
    void *mapping;
    char *stacks; /* in it, aligned to FIBRE_STACK: fibre_hooks.inc tells by an address whose it is */
    void *home;   /* the scheduler's stack pointer */
    const struct fibre_module *module;
    struct fibre_now *now;
    void **args;
    int32_t items, groups[3];
    int64_t group; /* number of the running one: x fastest */
    struct fibre_memory memory;
    struct finding finding;
    struct fibre fibres[FIBRE_MOST_ITEMS];
};

static uint32_t random_below(struct fibre_machine *m, uint32_t n)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u; /* Knuth, MMIX */
    return (uint32_t)(m->random >> 33) % n;
}

/* ---- switching: x86-64, System V --------------------------------------------------------------------- */

/* Saves the callee's registers and the stack pointer, takes those at load. Ends in a jump: a ret to another
 * stack is mispredicted and costs five times as much. */
void fibre_switch(void **save, void *load) __attribute__((visibility("hidden")));
/* Where a fibre begins: calls r12 with rbx, as prepare() left them. */
void fibre_start(void) __attribute__((visibility("hidden")));
__asm__(".text\n.globl fibre_switch\n.hidden fibre_switch\n.type fibre_switch, @function\nfibre_switch:\n"
        "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
        "mov %rsp, (%rdi)\nmov %rsi, %rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\npop %rcx\njmp *%rcx\n"
        ".size fibre_switch, .-fibre_switch\n"
        ".globl fibre_start\n.hidden fibre_start\n.type fibre_start, @function\nfibre_start:\n"
        "mov %rbx, %rdi\ncall *%r12\nud2\n"
        ".size fibre_start, .-fibre_start\n");
enum { AT_R12 = 3, AT_RBX = 4, AT_JUMP = 6, SAVED }; /* words from the stack pointer of a fibre that waits */

static void leave(struct fibre_machine *m, enum state state)
{
    struct fibre *self = m->fibres + m->now->local;
    self->state = state;
    fibre_switch(&self->sp, m->home);
}

static void enter(struct fibre_machine *m)
{
    m->module->kernel->call(m->args);
    leave(m, DONE);
}

static char *stack_of(const struct fibre_machine *m, int32_t item)
{
    return m->stacks + (size_t)item * FIBRE_STACK;
}

static void prepare(struct fibre_machine *m, int32_t item)
{
    void **top = (void **)(stack_of(m, item) + FIBRE_STACK) - 8; /* aligned to 64: the entry wants 16 */
    void **sp = top - SAVED;
    memset(sp, 0, SAVED * sizeof *sp);
    sp[AT_R12] = (void *)(uintptr_t)enter;
    sp[AT_RBX] = m;
    sp[AT_JUMP] = (void *)(uintptr_t)fibre_start;
    m->fibres[item] = (struct fibre){ .sp = sp };
}

/* ---- what kernels call ------------------------------------------------------------------------------- */

static void found(struct fibre_machine *m)
{
    m->finding.there = 1;
    leave(m, DONE);
}

static void on_barrier(void *machine, const char *where)
{
    struct fibre_machine *m = machine;
    m->fibres[m->now->local].where = where;
    leave(m, WAITING);
}

static void on_fault(void *machine, const char *what, const char *file, int32_t line)
{
    struct fibre_machine *m = machine;
    m->finding.what = what;
    m->finding.file = file;
    m->finding.line = line;
    found(m);
}

static enum fibre_fault touch(struct fibre_machine *m, struct finding *f)
{
    const struct fibre_module *module = m->module;
    const char *const at = f->touch.at;
    f->local = at >= module->local && at < module->local_end;
    if (f->local && f->touch.bytes > module->local_end - at) return FIBRE_OUTSIDE;
    if (f->local) return fibre_touch_local(&m->memory, (uint64_t)(at - module->local), &f->touch, &f->clash);
    if (f->touch.kind == FIBRE_READ && at >= module->image && at < module->image_end)
        return FIBRE_FINE; /* constants */
    f->touch.item = (uint32_t)(m->group * m->items + m->now->local);
    return fibre_touch_global(&m->memory, &f->touch, &f->clash);
}

static void on_access(void *machine, const void *at, int64_t bytes, int32_t kind, const void *pc)
{
    struct fibre_machine *m = machine;
    struct fibre_touch *t =
        &m->finding.touch; /* not on this stack: an address sanitizer marks what lies there */
    t->at = at;
    t->bytes = bytes;
    t->kind = (enum fibre_kind)kind;
    t->pc = (uint32_t)((const char *)pc - m->module->image);
    t->item = (uint32_t)m->now->local;
    m->finding.fault = touch(m, &m->finding);
    if (m->finding.fault) found(m);
}

/* ---- findings in words ------------------------------------------------------------------------------- */

static void group_name(const struct fibre_machine *m, int64_t group, char *out, size_t room)
{
    snprintf(out, room, "%" PRId64 ",%" PRId64 ",%" PRId64, group % m->groups[0],
             group / m->groups[0] % m->groups[1], group / m->groups[0] / m->groups[1]);
}

static void clash_text(const struct fibre_machine *m, const struct finding *f, char *out, size_t room)
{
    static const char *const did[] = { "read", "wrote", "changed atomically" };
    const int64_t item = (int64_t)f->clash.stamp - f->clash.base - 1;
    char place[128], who[96], group[48];
    fibre_place(m->module, f->clash.pc, place, sizeof place);
    if (item < 0) snprintf(who, sizeof who, "several items");
    else if (f->local) snprintf(who, sizeof who, "item %" PRId64, item);
    else {
        group_name(m, item / m->items, group, sizeof group);
        snprintf(who, sizeof who, "item %" PRId64 " of group %s", item % m->items, group);
    }
    snprintf(out, room, "which %s %s at %s %s", who, did[f->clash.kind], place,
             f->local ? "with no barrier between" : "in the same launch");
}

static void touch_text(const struct fibre_machine *m, const struct finding *f, char *out, size_t room)
{
    static const char *const word[] = { "read", "write", "atomic" };
    char detail[320];
    if (f->fault == FIBRE_RACE) clash_text(m, f, detail, sizeof detail);
    else if (f->fault == FIBRE_BLANK) snprintf(detail, sizeof detail, "that nobody of the group wrote");
    else if (f->fault == FIBRE_READ_ONLY) snprintf(detail, sizeof detail, "of an argument that is read only");
    else if (f->touch.at >= m->stacks && f->touch.at < stack_of(m, FIBRE_MOST_ITEMS))
        snprintf(detail, sizeof detail, "that is private to item %zd", (f->touch.at - m->stacks) / FIBRE_STACK);
    else if (f->touch.at >= m->module->image && f->touch.at < m->module->image_end)
        snprintf(detail, sizeof detail, "outside LOCAL, in constants");
    else fibre_nearest(&m->memory, f->touch.at, f->touch.bytes, detail, sizeof detail);
    snprintf(out, room, "%s%s of %" PRId64 " bytes in %s memory %s", f->fault == FIBRE_RACE ? "race: " : "",
             word[f->touch.kind], f->touch.bytes, f->local ? "LOCAL" : "GLOBAL", detail);
}

static segue_status tell(const struct fibre_machine *m, const struct finding *f, segue_diag *why)
{
    char place[128], text[400], group[48];
    group_name(m, m->group, group, sizeof group);
    if (f->what) {
        const char *slash = strrchr(f->file, '/');
        snprintf(place, sizeof place, "%s:%d", slash ? slash + 1 : f->file, f->line);
        snprintf(text, sizeof text, "%s", f->what);
    } else {
        fibre_place(m->module, f->touch.pc, place, sizeof place);
        touch_text(m, f, text, sizeof text);
    }
    return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_RUN, 0, "%s: %s: %s (item %d of group %s)",
                          place, m->module->name, text, m->now->local, group);
}

/* The barrier's place, without MEETING()'s mark; "" = none. */
static const char *place_of(const struct fibre *f)
{
    return f->where ? f->where + (*f->where == '~') : "";
}

static const char *stands(const struct fibre *f)
{
    return f->state == WAITING ? "waits at" : f->where ? "returned after" : "returned without a barrier";
}

static segue_status tell_divergence(const struct fibre_machine *m, int32_t i, segue_diag *why)
{
    const struct fibre *a = m->fibres, *b = m->fibres + i;
    const struct fibre *waits = a->state == WAITING ? a : b;
    char group[48];
    group_name(m, m->group, group, sizeof group);
    return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_RUN, 0,
                          "%s: %s: a barrier that not all items reach: item 0 %s %s, item %d %s %s (group %s)",
                          place_of(waits), m->module->name, stands(a), place_of(a), i, stands(b), place_of(b),
                          group);
}

/* ---- a group ----------------------------------------------------------------------------------------- */

static void shuffle(struct fibre_machine *m, int32_t *order)
{
    for (int32_t i = m->items - 1; m->seed && i > 0; i--) {
        const int32_t j = (int32_t)random_below(m, (uint32_t)i + 1), other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
}

/* Nobody is READY: all wait at one place, or all returned, or the kernel is wrong. */
static segue_status check_barrier(const struct fibre_machine *m, segue_diag *why)
{
    for (int32_t i = 1; i < m->items; i++) {
        const struct fibre *a = m->fibres, *b = m->fibres + i;
        if (a->state != b->state || (a->state == WAITING && a->where != b->where && strcmp(a->where, b->where)))
            return tell_divergence(m, i, why);
    }
    return SEGUE_OK;
}

static segue_status run_group(struct fibre_machine *m, segue_diag *why)
{
    const uint64_t local_bytes = (uint64_t)(m->module->local_end - m->module->local);
    int32_t order[FIBRE_MOST_ITEMS];
    if (local_bytes)
        memset((char *)m->module->local, 0xff, local_bytes); /* NaN, -1: loud when read too early */
    if (m->checked) fibre_memory_group(&m->memory, m->items, local_bytes);
    for (int32_t i = 0; i < m->items; i++) prepare(m, order[i] = i);
    for (;;) {
        shuffle(m, order);
        for (int32_t i = 0; i < m->items; i++) {
            m->now->local = order[i];
            fibre_switch(&m->home, m->fibres[order[i]].sp);
            if (m->finding.there) return tell(m, &m->finding, why);
        }
        const segue_status s = check_barrier(m, why);
        if (s || m->fibres[0].state == DONE) return s;
        if (m->checked && *m->fibres[0].where != '~') /* MEETING() of dialect.h */
            fibre_memory_barrier(&m->memory, m->items, local_bytes);
        for (int32_t i = 0; i < m->items; i++) m->fibres[i].state = READY;
    }
}

/* ---- a launch ---------------------------------------------------------------------------------------- */

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* All groups, with a seed in another order: no kernel may lean on one. */
static segue_status run_groups(struct fibre_machine *m, int64_t count, segue_diag *why)
{
    const uint32_t most = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
    int64_t step = 1;
    segue_status s = SEGUE_OK;
    m->group = m->seed ? random_below(m, most) : 0;
    if (m->seed) do
            step = 1 + random_below(m, most);
        while (common_divisor(step, count) != 1);
    for (int64_t i = 0; i < count && !s; i++) {
        m->now->group[0] = (int32_t)(m->group % m->groups[0]);
        m->now->group[1] = (int32_t)(m->group / m->groups[0] % m->groups[1]);
        m->now->group[2] = (int32_t)(m->group / m->groups[0] / m->groups[1]);
        s = run_group(m, why);
        if (!s) m->group = (m->group + step) % count;
    }
    return s;
}

static segue_status check_args(const struct fibre_module *module, const struct gpu_arg *args, uint32_t count,
                               segue_diag *why)
{
    const struct fibre_kernel *k = module->kernel;
    if (count != (uint32_t)k->count)
        return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_RUN, 0, "%s: %u arguments, wanted %d",
                              module->name, count, k->count);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t given = args[i].value ? args[i].bytes : (uint32_t)sizeof(void *);
        if (given != (uint32_t)k->bytes[i])
            return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_RUN, 0,
                                  "%s: argument %u has %u bytes, wanted %d", module->name, i + 1, given,
                                  k->bytes[i]);
    }
    return SEGUE_OK;
}

segue_status fibre_run(struct fibre_machine *m, const struct fibre_module *module, const int32_t groups[3],
                       const struct gpu_arg *args, uint32_t count, segue_diag *why)
{
    const int64_t all = (int64_t)groups[0] * groups[1] * groups[2], items = all * module->kernel->group;
    void *pointers[GPU_MOST_ARGS], *places[GPU_MOST_ARGS];
    segue_status s = check_args(module, args, count, why);
    if (!s && m->checked)
        s = fibre_memory_of(m->host, &m->memory, args, count, (uint64_t)items,
                            (uint64_t)(module->local_end - module->local), why);
    if (s) return s;
    for (uint32_t i = 0; i < count; i++) {
        pointers[i] = gpu_base(&args[i]);
        places[i] = args[i].value ? (void *)args[i].value : (void *)(pointers + i);
    }
    m->module = module;
    m->args = places;
    m->items = module->kernel->group;
    memcpy(m->groups, groups, sizeof m->groups);
    m->random = m->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    m->finding = (struct finding){ 0 };
    m->now = module->now;
    *m->now = (struct fibre_now){ .machine = m, .barrier = on_barrier, .access = on_access, .fault = on_fault };
    s = run_groups(m, all, why);
    if (m->checked && s) fibre_memory_restore(&m->memory);
    if (m->checked) m->memory.global.base += (uint32_t)items + 1;
    return s;
}

/* ---- the machine ------------------------------------------------------------------------------------- */

struct fibre_machine *fibre_machine_create(const segue_host *host, const struct fibre_settings *settings,
                                           segue_diag *why)
{
    struct fibre_machine *m = host->alloc(host->user, sizeof *m, 64);
    if (m) m->mapping = mmap(NULL, MAPPING, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!m || m->mapping == MAP_FAILED) {
        segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_OPEN, 0, "no memory for %d stacks of %d bytes",
                       FIBRE_MOST_ITEMS, FIBRE_STACK);
        if (m) host->free(host->user, m);
        return NULL;
    }
    m->host = host;
    m->stacks = (char *)m->mapping + (FIBRE_STACK - (uintptr_t)m->mapping % FIBRE_STACK);
    m->seed = settings->seed;
    m->checked = settings->checked;
    for (int32_t i = 0; i < FIBRE_MOST_ITEMS; i++) /* what grows past its end must not reach its neighbour */
        if (mprotect(stack_of(m, i), PAGE, PROT_NONE)) {
            segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_OPEN, 0, "a stack's guard page: %s",
                           strerror(errno));
            fibre_machine_destroy(m);
            return NULL;
        }
    return m;
}

void fibre_machine_destroy(struct fibre_machine *m)
{
    munmap(m->mapping, MAPPING);
    fibre_memory_free(m->host, &m->memory);
    m->host->free(m->host->user, m);
}
