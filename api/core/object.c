/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"

#include "diag.h"

atomic_int segue_checking;

/* The live set: an open-addressed table of handles, used with SEGUE_CHECK=1 only. */
static struct {
    atomic_flag busy;
    atomic_int full; /* once it was: a handle that is not here may be live all the same */
    const void *slots[4096];
} live = { .busy = ATOMIC_FLAG_INIT };

static const void **live_slot(const void *object, const void *wanted)
{
    const size_t size = sizeof live.slots / sizeof *live.slots;
    const size_t start = ((uintptr_t)object >> 4) * 2654435761u % size;
    for (size_t i = 0; i < size; i++)
        if (live.slots[(start + i) % size] == wanted) return &live.slots[(start + i) % size];
    return NULL;
}

/* Replaces one entry on object's probe path; 0 if there was none. */
static int live_replace(const void *object, const void *from, const void *to)
{
    while (atomic_flag_test_and_set_explicit(&live.busy, memory_order_acquire)) continue;
    const void **slot = live_slot(object, from);
    if (slot) *slot = to;
    atomic_flag_clear_explicit(&live.busy, memory_order_release);
    return slot != NULL;
}

static const char *kind_name(uint32_t kind)
{
    switch (kind) {
    case KIND_CONTEXT: return "a context";
    case KIND_DEVICE: return "a device";
    case KIND_PLAN: return "a plan";
    case KIND_CLOSED: return "closed already";
    default: return "not a Segue handle";
    }
}

void segue_object_open(void *object, enum object_kind kind)
{
    struct object *o = object;
    o->kind = kind;
    atomic_init(&o->holders, 1);
    if (segue_checking && !live_replace(object, NULL, object)) live.full = 1;
}

void segue_object_hold(void *object)
{
    atomic_fetch_add_explicit(&((struct object *)object)->holders, 1, memory_order_relaxed);
}

int segue_object_release(void *object)
{
    return atomic_fetch_sub_explicit(&((struct object *)object)->holders, 1, memory_order_acq_rel) == 1;
}

segue_status segue_object_check(const void *object, enum object_kind kind, segue_diag *diag)
{
    const struct object *o = object;
    if (!o)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0, "handle is NULL, wanted %s",
                          kind_name(kind));
    if (segue_checking && !live_replace(object, object, object) && !live.full)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          "handle %p is stale or was never made, wanted %s", object, kind_name(kind));
    if (o->kind != (uint32_t)kind)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0, "handle is %s, wanted %s",
                          kind_name(o->kind), kind_name(kind));
    return SEGUE_OK;
}

int segue_object_close(void *object, enum object_kind kind)
{
    if (!object || segue_object_check(object, kind, NULL)) return 0;
    ((struct object *)object)->kind = KIND_CLOSED;
    if (segue_checking) live_replace(object, object, NULL); /* probing never stops at a gap */
    return 1;
}

static uint32_t size_of(const void *out)
{
    uint32_t size;
    memcpy(&size, out, sizeof size);
    return size;
}

static int is_size(uint32_t size)
{
    return size >= 8 && size <= 65536 && size % 4 == 0;
}

segue_status segue_answer(void *out, const void *facts, uint32_t known, segue_diag *diag)
{
    if (!out)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          "out is NULL, wanted a struct to fill");
    const uint32_t size = size_of(out);
    if (!is_size(size))
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          "out->size is %u, wanted the struct's own size (%u here)", size, known);
    if (size > known) memset((char *)out + known, 0, size - known);
    else known = size;
    memcpy((char *)out + sizeof size, (const char *)facts + sizeof size, known - sizeof size);
    return SEGUE_OK;
}

segue_status segue_check_room(const void *out, const uint32_t *count, segue_diag *diag)
{
    if (count && (out || !*count)) return SEGUE_OK;
    return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0, "%s is NULL, wanted %s",
                      count ? "out" : "count", count ? "an array of *count entries" : "the capacity of out");
}

segue_status segue_check_entries(void *out, uint32_t count, segue_diag *diag)
{
    const uint32_t size = count ? size_of(out) : 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t other = size_of(segue_entry(out, i));
        if (!is_size(other) || other != size)
            return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                              "out[%u].size is %u, wanted the struct's own size, the same in every entry", i,
                              other);
    }
    return SEGUE_OK;
}

void *segue_entry(void *out, uint32_t i)
{
    return (char *)out + (size_t)i * size_of(out);
}

segue_status segue_take_options(const void *given, void *out, uint32_t known, const char *type, uint32_t phase,
                                segue_diag *diag)
{
    uint32_t size = known;
    memset(out, 0, known);
    if (given) memcpy(&size, given, sizeof size);
    if (size < 8 || size > 65536)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, phase, 0, "options->size is %u, wanted sizeof (%s), %u",
                          size, type, known);
    for (uint32_t at = known; at < size; at++)
        if (((const char *)given)[at])
            return segue_fail(diag, SEGUE_ERROR_FIELD, phase, 0,
                              "options: byte %u is set, but this library knows %u bytes", at, known);
    if (given) memcpy(out, given, size < known ? size : known);
    memcpy(out, &known, sizeof known);
    return SEGUE_OK;
}
