/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A cell for every four bytes, or for every byte where they are touched one by one, with the last item that read, wrote or
 * changed it atomically. Two items clash when nothing orders them, whatever order they happened to run in: so findings do not
 * depend on the schedule. Cells are never cleared between launches, groups or barriers; older stamps are less than the epoch's
 * base. */
#include "fibre.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    MAY_READ = 1,
    MAY_WRITE = 2,
    WORD = 4,
    BYTE_COST = sizeof(struct fibre_cell) + sizeof(struct fibre_word) / WORD
};
#define FIRST_BASE 2u /* 0: never touched; 1: written before the stamps ran out */

/* ---- room -------------------------------------------------------------------------------------------- */

static segue_status grow(const segue_host *host, struct fibre_space *s, uint64_t need, int rights,
                         segue_diag *why)
{
    if (!s->base) s->base = FIRST_BASE;
    if (need <= s->room) return SEGUE_OK;
    const uint64_t room = (need + need / 4 + 4096) / WORD * WORD;
    struct fibre_word *words = room < UINT64_MAX / 64 ? host->alloc(host->user, room * BYTE_COST, 64) : NULL;
    uint8_t *bytes = words && rights ? host->alloc(host->user, 2 * room, 64) : NULL;
    if (!words || (rights && !bytes)) {
        if (words) host->free(host->user, words);
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_RUN, 0,
                              "no memory to watch %" PRIu64 " bytes: %d times as much; smaller operands, or "
                              "SEGUE_FIBRE_CHECK=0",
                              need, BYTE_COST + 2);
    }
    if (s->words) host->free(host->user, s->words);
    if (s->rights) host->free(host->user, s->rights);
    *s = (struct fibre_space){ .words = words, .rights = bytes, .room = room, .base = FIRST_BASE };
    s->cells = (struct fibre_cell *)(words + room / WORD);
    if (rights) s->saved = bytes + room;
    return SEGUE_OK;
}

void fibre_memory_free(const segue_host *host, struct fibre_memory *m)
{
    void *const all[] = { m->local.words, m->local.rights, m->global.words, m->global.rights };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]) host->free(host->user, all[i]);
}

static void age_cell(struct fibre_cell *c, uint32_t born, int keep)
{
    const int written = keep && c->stamp[FIBRE_WRITE] >= born;
    *c = (struct fibre_cell){ .stamp[FIBRE_WRITE] = (uint32_t)written };
}

/* Makes the stamps small again before they run out. keep: what was written since born stays written. */
static void age(struct fibre_space *s, uint64_t bytes, uint64_t room, int keep)
{
    if (s->base < UINT32_MAX - room) return;
    for (uint64_t i = 0; i < bytes; i++) age_cell(s->cells + i, s->born, keep);
    for (uint64_t i = 0; i < (bytes + WORD - 1) / WORD; i++) {
        s->words[i].split = keep && s->words[i].split >= s->born;
        age_cell(&s->words[i].cell, s->born, keep);
    }
    s->base = FIRST_BASE;
    s->born = 1;
}

/* ---- arguments --------------------------------------------------------------------------------------- */

static uint64_t element_bytes(const segue_tensor *t)
{
    const uint64_t bytes = (uint64_t)t->dtype.bits * t->dtype.lanes / 8;
    return bytes ? bytes : 1;
}

/* The bytes from the lowest to the highest element; 0 = none. */
static int extent_of(const struct gpu_arg *a, struct fibre_extent *out)
{
    int64_t low = 0, high = 0;
    if (a->memory && a->memory->data && a->memory->bytes > a->memory->offset) {
        out->at = (const char *)a->memory->data + a->memory->offset;
        out->end = (const char *)a->memory->data + a->memory->bytes;
        return 1;
    }
    if (!a->tensor || !a->tensor->data || !a->tensor->dtype.bits) return 0;
    for (int i = 0; i < a->tensor->rank; i++) {
        const int64_t last = (a->tensor->shape[i] - 1) * a->tensor->stride[i];
        if (!a->tensor->shape[i]) return 0;
        if (last < 0) low += last;
        else high += last;
    }
    const int64_t size = (int64_t)element_bytes(a->tensor);
    out->at = (const char *)a->tensor->data + a->tensor->offset + low * size;
    out->end = (const char *)a->tensor->data + a->tensor->offset + (high + 1) * size;
    return 1;
}

/* The index of a byte that lies in some span. */
static uint64_t index_of(const struct fibre_memory *m, const char *at)
{
    uint32_t i = 0;
    while (at < m->spans[i].at || at >= m->spans[i].end) i++;
    return m->spans[i].first + (uint64_t)(at - m->spans[i].at);
}

/* Opens exactly the elements of a tensor: what lies between strides stays closed. */
static void open_elements(struct fibre_memory *m, const segue_tensor *t, uint8_t right)
{
    const uint64_t size = element_bytes(t);
    const int rank = t->rank;
    int64_t at[SEGUE_MAX_RANK] = { 0 };
    struct fibre_extent all;
    if (!extent_of(&(struct gpu_arg){ .tensor = t }, &all)) return;
    uint8_t *low = m->global.rights + index_of(m, all.at);
    for (int axis = 0; axis >= 0;) {
        const char *element = (const char *)t->data + t->offset;
        for (int i = 0; i < rank; i++) element += at[i] * t->stride[i] * (int64_t)size;
        for (uint64_t b = 0; b < size; b++) low[element - all.at + (int64_t)b] |= right;
        for (axis = rank - 1; axis >= 0; axis--) { /* a broadcast axis adds no element */
            if (t->stride[axis] && ++at[axis] < t->shape[axis]) break;
            at[axis] = 0;
        }
    }
}

static void open_argument(struct fibre_memory *m, const struct gpu_arg *a)
{
    const uint8_t right = a->writes ? MAY_READ | MAY_WRITE : MAY_READ;
    struct fibre_extent all;
    if (a->tensor) open_elements(m, a->tensor, right);
    else if (extent_of(a, &all))
        for (uint64_t i = index_of(m, all.at), n = (uint64_t)(all.end - all.at); n; i++, n--)
            m->global.rights[i] |= right;
}

/* Sorts the extents by address and joins those that touch: views of one allocation share their bytes. */
static uint64_t join_spans(struct fibre_memory *m)
{
    struct fibre_extent sorted[GPU_MOST_ARGS];
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < m->extent_count; i++) {
        uint32_t at = i;
        for (; at && sorted[at - 1].at > m->extents[i].at; at--) sorted[at] = sorted[at - 1];
        sorted[at] = m->extents[i];
    }
    m->span_count = m->last_span = 0;
    for (uint32_t i = 0; i < m->extent_count; i++) {
        struct fibre_span *last = m->spans + m->span_count;
        if (m->span_count && sorted[i].at <= last[-1].end) {
            if (sorted[i].end > last[-1].end) last[-1].end = sorted[i].end;
        } else {
            *last = (struct fibre_span){ .at = sorted[i].at, .end = sorted[i].end };
            m->span_count++;
        }
    }
    for (uint32_t i = 0; i < m->span_count; i++) { /* words of memory are words here */
        const struct fibre_span *span = m->spans + i;
        m->spans[i].first = (bytes + WORD - 1) / WORD * WORD + (uintptr_t)span->at % WORD;
        bytes = m->spans[i].first + (uint64_t)(span->end - span->at);
    }
    return bytes;
}

segue_status fibre_memory_of(const segue_host *host, struct fibre_memory *m, const struct gpu_arg *args,
                             uint32_t count, uint64_t items, uint64_t local_bytes, segue_diag *why)
{
    m->extent_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct fibre_extent *e = m->extents + m->extent_count;
        e->arg = i;
        m->extent_count += (uint32_t)extent_of(args + i, e);
    }
    const uint64_t bytes = join_spans(m);
    segue_status s = grow(host, &m->local, local_bytes, 0, why);
    if (!s) s = grow(host, &m->global, bytes, 1, why);
    if (s) return s;
    if (items >= UINT32_MAX - FIRST_BASE - 1)
        return segue_kit_fail(why, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_RUN, 0,
                              "%" PRIu64 " items in one launch, wanted fewer than 2^32 in checked mode", items);
    age(&m->global, m->global.room, items + 1, 0);
    if (m->global.rights) memset(m->global.rights, 0, bytes);
    for (uint32_t i = 0; i < count; i++) open_argument(m, args + i);
    for (uint32_t i = 0; i < m->span_count; i++)
        memcpy(m->global.saved + m->spans[i].first, m->spans[i].at, (size_t)(m->spans[i].end - m->spans[i].at));
    return SEGUE_OK;
}

void fibre_memory_restore(struct fibre_memory *m)
{
    for (uint32_t i = 0; i < m->span_count; i++) {
        char *to = (char *)m->spans[i].at;
        for (uint64_t k = m->spans[i].first; to < m->spans[i].end; to++, k++)
            if (m->global.rights[k] & MAY_WRITE) *to = (char)m->global.saved[k];
    }
}

/* ---- time -------------------------------------------------------------------------------------------- */

/* Before a group, and after its last: nothing of another group's LOCAL memory counts as written. */
void fibre_memory_group(struct fibre_memory *m, int32_t items, uint64_t local_bytes)
{
    age(&m->local, local_bytes, 2 * (uint64_t)items + 2, 0);
    m->local.base += (uint32_t)items + 1;
    m->local.born = m->local.base;
}

void fibre_memory_barrier(struct fibre_memory *m, int32_t items, uint64_t local_bytes)
{
    age(&m->local, local_bytes, 2 * (uint64_t)items + 2, 1);
    m->local.base += (uint32_t)items + 1;
}

/* ---- accesses ---------------------------------------------------------------------------------------- */

static int foreign(uint32_t stamp, uint32_t base, uint32_t me)
{
    return stamp >= base && stamp != me;
}

/* Inlined for each kind, as what calls it: much of a checked run's time is spent here. */
static inline __attribute__((always_inline)) enum fibre_fault mark(enum fibre_kind kind, struct fibre_cell *c,
                                                                   uint32_t base, uint32_t born,
                                                                   const struct fibre_touch *t,
                                                                   struct fibre_clash *clash)
{
    static const uint8_t against[FIBRE_KINDS][FIBRE_KINDS] = {
        [FIBRE_READ] = { 0, 1, 1 }, [FIBRE_WRITE] = { 1, 1, 1 }, [FIBRE_ATOMIC] = { 1, 1, 0 }
    };
    const uint32_t me = base + 1 + t->item;
    if (c->stamp[FIBRE_WRITE] < born) return FIBRE_BLANK;
    for (int k = 0; k < FIBRE_KINDS; k++)
        if (against[kind][k] && foreign(c->stamp[k], base, me)) {
            *clash = (struct fibre_clash){ (enum fibre_kind)k, c->stamp[k], base, c->pc[k] };
            return FIBRE_RACE;
        }
    c->stamp[kind] = foreign(c->stamp[kind], base, me) ? base : me;
    c->pc[kind] = t->pc;
    return FIBRE_FINE;
}

/* A byte's own cell. since: a split before it is history, like the stamps of that time. */
static struct fibre_cell *byte_cell(struct fibre_space *s, uint64_t at, uint32_t since)
{
    struct fibre_word *w = s->words + at / WORD;
    if (w->split < since) {
        for (int b = 0; b < WORD; b++) s->cells[at / WORD * WORD + (uint64_t)b] = w->cell;
        w->split = s->base;
    }
    return s->cells + at;
}

static inline __attribute__((always_inline)) enum fibre_fault
touch_as(enum fibre_kind kind, struct fibre_space *s, uint64_t first, const struct fibre_touch *t,
         uint32_t born, uint32_t since, struct fibre_clash *clash)
{
    const uint64_t end = first + (uint64_t)t->bytes;
    enum fibre_fault fault = FIBRE_FINE;
    for (uint64_t at = first; at < end && !fault;) {
        const int whole = at % WORD == 0 && end - at >= WORD && s->words[at / WORD].split < since;
        fault =
            mark(kind, whole ? &s->words[at / WORD].cell : byte_cell(s, at, since), s->base, born, t, clash);
        at += whole ? WORD : 1;
    }
    return fault;
}

/* born: what must have been written since; 0 = nothing must. */
static enum fibre_fault touch(struct fibre_space *s, uint64_t first, const struct fibre_touch *t, uint32_t born,
                              uint32_t since, struct fibre_clash *clash)
{
    if (t->kind == FIBRE_READ) return touch_as(FIBRE_READ, s, first, t, born, since, clash);
    if (t->kind == FIBRE_WRITE) return touch_as(FIBRE_WRITE, s, first, t, born, since, clash);
    return touch_as(FIBRE_ATOMIC, s, first, t, born, since, clash);
}

enum fibre_fault fibre_touch_local(struct fibre_memory *m, uint64_t first, const struct fibre_touch *t,
                                   struct fibre_clash *clash)
{
    return touch(&m->local, first, t, t->kind == FIBRE_WRITE ? 0 : m->local.born, m->local.born, clash);
}

static const struct fibre_span *span_of(struct fibre_memory *m, const char *at)
{
    const struct fibre_span *last = m->spans + m->last_span; /* the same argument again, most of the time */
    if (m->last_span < m->span_count && at >= last->at && at < last->end) return last;
    for (uint32_t i = 0; i < m->span_count; i++)
        if (at >= m->spans[i].at && at < m->spans[i].end) {
            m->last_span = i;
            return m->spans + i;
        }
    return NULL;
}

enum fibre_fault fibre_touch_global(struct fibre_memory *m, const struct fibre_touch *t,
                                    struct fibre_clash *clash)
{
    const uint8_t wanted = t->kind == FIBRE_READ ? MAY_READ : MAY_READ | MAY_WRITE;
    const struct fibre_span *span = span_of(m, t->at);
    if (!span || t->bytes > span->end - t->at) return FIBRE_OUTSIDE;
    const uint64_t first = span->first + (uint64_t)(t->at - span->at);
    const uint8_t *rights = m->global.rights + first;
    for (int64_t b = 0; b < t->bytes; b++)
        if ((rights[b] & wanted) != wanted) return rights[b] ? FIBRE_READ_ONLY : FIBRE_OUTSIDE;
    return touch(&m->global, first, t, 0, m->global.base, clash);
}

void fibre_nearest(const struct fibre_memory *m, const char *at, int64_t bytes, char *out, size_t room)
{
    int64_t best = INT64_MAX;
    snprintf(out, room, "outside every argument");
    for (uint32_t i = 0; i < m->extent_count; i++) {
        const struct fibre_extent *e = m->extents + i;
        const int64_t before = (int64_t)((uintptr_t)e->at - (uintptr_t)at);
        const int64_t past = (int64_t)((uintptr_t)at + (uintptr_t)bytes - (uintptr_t)e->end);
        const int64_t away = before > 0 ? before : past > 0 ? past : 0;
        if (away >= best) continue;
        best = away;
        if (away > 1 << 20) continue; /* it tells nothing */
        if (away)
            snprintf(out, room, "%" PRId64 " bytes %s of argument %u", away,
                     before > 0 ? "before the first" : "past the last", e->arg + 1);
        else snprintf(out, room, "between the elements of argument %u", e->arg + 1);
    }
}
