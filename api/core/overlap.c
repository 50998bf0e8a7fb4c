/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "overlap.h"

struct extent segue_extent(const segue_tensor *t, int *overflow)
{
    const int64_t bytes = t->dtype.bits / 8;
    struct extent e = { 0, 0 };
    *overflow = t->offset >> 63 != 0;
    for (int d = 0; d < t->rank; d++)
        if (t->shape[d] <= 0) return e;
    if (*overflow) return e;
    for (int d = 0; d < t->rank; d++) {
        int64_t reach;
        if (__builtin_mul_overflow(t->shape[d] - 1, t->stride[d], &reach) ||
            __builtin_mul_overflow(reach, bytes, &reach) ||
            __builtin_add_overflow(reach < 0 ? e.low : e.high, reach, reach < 0 ? &e.low : &e.high))
            return *overflow = 1, (struct extent){ 0, 0 };
    }
    if (__builtin_add_overflow(e.high, bytes, &e.high) ||
        __builtin_add_overflow(e.high, (int64_t)t->offset, &e.high) ||
        __builtin_add_overflow(e.low, (int64_t)t->offset, &e.low))
        return *overflow = 1, (struct extent){ 0, 0 };
    return e;
}

int segue_count(const segue_tensor *t, int64_t *count)
{
    *count = 1;
    for (int d = 0; d < t->rank; d++)
        if (t->shape[d] > 1 && (__builtin_mul_overflow(*count, t->shape[d], count) || *count >> 48)) return 0;
    return 1;
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

int segue_overlaps_itself(const segue_tensor *t)
{
    for (int i = 0; i < t->rank; i++) {
        if (t->shape[i] < 2) continue;
        const int64_t a = t->stride[i] < 0 ? -t->stride[i] : t->stride[i];
        if (!a) return 1;
        for (int k = 0; k < i; k++) { /* the axes meet first at lcm(a, b) */
            if (t->shape[k] < 2) continue;
            const int64_t b = t->stride[k] < 0 ? -t->stride[k] : t->stride[k];
            const int64_t g = gcd(a, b);
            if (b / g < t->shape[i] && a / g < t->shape[k]) return 1;
        }
    }
    return 0;
}

int segue_same_place(const segue_tensor *a, const segue_tensor *b)
{
    if (a->data != b->data || a->offset != b->offset || segue_dtype_id(a->dtype) != segue_dtype_id(b->dtype) ||
        a->rank != b->rank)
        return 0;
    for (int d = 0; d < a->rank; d++)
        if (a->shape[d] != b->shape[d] || (a->shape[d] > 1 && a->stride[d] != b->stride[d])) return 0;
    return 1;
}

/* Every byte of the extent belongs to an element. */
static int is_dense(const segue_tensor *t, struct extent e)
{
    int64_t bytes = t->dtype.bits / 8;
    for (int d = 0; d < t->rank; d++) bytes *= t->shape[d];
    return bytes == e.high - e.low && !segue_overlaps_itself(t);
}

static int holds(struct extent e, int64_t at)
{
    return at >= e.low && at < e.high;
}

int segue_overlap(const segue_tensor *a, const segue_tensor *b, int handles)
{
    int overflow;
    const struct extent ea = segue_extent(a, &overflow);
    struct extent eb = segue_extent(b, &overflow);
    int64_t first_b = (int64_t)b->offset;
    if (ea.low == ea.high || eb.low == eb.high) return 0;
    if (handles && a->data != b->data) return 0;
    if (!handles) { /* count b's bytes from a's data */
        const int64_t shift = (int64_t)((uintptr_t)b->data - (uintptr_t)a->data);
        if (__builtin_add_overflow(eb.low, shift, &eb.low) || __builtin_add_overflow(eb.high, shift, &eb.high))
            return 0; /* further apart than any address space is wide */
        first_b += shift;
    }
    if (ea.high <= eb.low || eb.high <= ea.low) return 0;
    if ((int64_t)a->offset == first_b) return 1;
    if (is_dense(a, ea) && (holds(ea, first_b) || holds(ea, eb.low) || holds(ea, eb.high - 1))) return 1;
    return is_dense(b, eb) && (holds(eb, (int64_t)a->offset) || holds(eb, ea.low) || holds(eb, ea.high - 1));
}
