/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation is a mapping of its own, between pages that are not mapped; addresses count up and come back only
 * after terabytes. What lies next to the bytes in its first and last page is a guard. */
#include "stand_in.h"

#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, ALIGN = 256, POISON = 0xff, GUARD = 0xa5 };
#define FIRST ((uintptr_t)0x200000000000)
#define END ((uintptr_t)0x280000000000)
#define POISONED ((size_t)32 << 20) /* of a large allocation only its ends: pages in between stay untouched */

static uintptr_t next = FIRST;

static char *reserve(size_t bytes)
{
    for (int tries = 0; tries < 64; tries++) {
        if (bytes > END - FIRST) return NULL;
        if (next + bytes > END) next = FIRST;
        char *p = mmap((void *)next, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        next += bytes + 16 * PAGE;
        if (p != MAP_FAILED) return p;
    }
    return NULL;
}

int memory_is_device(const void *at)
{
    return (uintptr_t)at >= FIRST && (uintptr_t)at < END;
}

static void poison(struct allocation *a)
{
    const size_t ends = a->bytes < POISONED ? a->bytes : POISONED;
    memset(a->at, POISON, ends);
    memset(a->at + a->bytes - ends, POISON, ends);
    memset(a->map, GUARD, (size_t)(a->at - a->map));
    memset(a->at + a->bytes, GUARD, (size_t)(a->map + a->map_bytes - a->at) - a->bytes);
}

int memory_alloc(struct context *c, void **at, size_t bytes)
{
    const int unsafe = capture_unsafe();
    if (unsafe) return unsafe;
    if (!bytes || !at) return INVALID_VALUE;
    if (bytes > DEVICE_BYTES || c->allocated > DEVICE_BYTES - bytes) return OUT_OF_MEMORY;
    struct allocation *a = make(ALLOCATION, c, sizeof *a);
    if (!a) return OUT_OF_MEMORY;
    a->bytes = bytes;
    a->map_bytes = (bytes + 2 * ALIGN + PAGE - 1) / PAGE * PAGE;
    a->map = reserve(a->map_bytes);
    if (!a->map) {
        unmake(a);
        return OUT_OF_MEMORY;
    }
    a->at = a->map + ALIGN;
    a->object.handle = (uintptr_t)a->at;
    poison(a);
    c->allocated += bytes;
    *at = a->at;
    return OK;
}

static int filled(const char *at, const char *end)
{
    while (at < end && *(const unsigned char *)at == GUARD) at++;
    return at == end;
}

int guards_whole(const struct allocation *a)
{
    return filled(a->map, a->at) && filled(a->at + a->bytes, a->map + a->map_bytes);
}

void memory_drop(struct allocation *a)
{
    a->object.context->allocated -= a->bytes;
    munmap(a->map, a->map_bytes);
    unmake(a);
}

int memory_free(struct context *c, void *at)
{
    const int unsafe = capture_unsafe();
    if (unsafe) return unsafe;
    if (!at) return OK;
    struct allocation *a = find(ALLOCATION, c, at);
    if (!a) return INVALID_VALUE;
    struct context *const owner = a->object.context;
    drain_context(owner);
    if (!owner->broken && !guards_whole(a))
        owner->broken =
            complain(ILLEGAL_ADDRESS, "bytes before or behind an allocation of %zu were written", a->bytes);
    memory_drop(a);
    return owner->broken;
}

struct allocation *memory_of(const struct context *c, const void *at, size_t bytes)
{
    const char *p = at;
    struct allocation *a = NULL;
    while ((a = next_of(ALLOCATION, c, a)))
        if (p >= a->at && p <= a->at + a->bytes && bytes <= (size_t)(a->at + a->bytes - p)) return a;
    return NULL;
}
