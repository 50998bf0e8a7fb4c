/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of this folder: devices by hand, and tensors of random layout whose surroundings are watched.
 */
#ifndef SEGUE_ONEDNN_ROW_TESTING_H
#define SEGUE_ONEDNN_ROW_TESTING_H

#include "engine/tile.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { GUARD = 64, CANARY = 0xa5 };

static uint64_t seed = 1;
static inline uint32_t draw(uint32_t below) /* splitmix64 */
{
    uint64_t z = seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) >> 32) % below;
}
static inline double draw_real(double low, double high)
{
    return low + (high - low) * (draw(1u << 30) / (double)(1 << 30));
}

/* ---- devices -------------------------------------------------------------------------------------------- */

static inline void *host_alloc(void *user, uint64_t bytes, uint64_t alignment)
{
    (void)user;
    void *p = aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    return p ? memset(p, 0, bytes) : NULL;
}
static inline void host_free(void *user, void *memory)
{
    (void)user;
    free(memory);
}
static const segue_host test_host = { .size = sizeof(segue_host), .alloc = host_alloc, .free = host_free };

struct test_device {
    struct segue_cpu cpu;
    segue_kit_device kit;
};

/* An engine's parallel-for of the worst kind: backwards. */
static inline void backwards(void *user, int32_t count, void (*body)(void *arg, int32_t index), void *arg)
{
    (void)user;
    while (count--) body(arg, count);
}

/* Whether this machine has isa; threads 0 = two parts through an engine's parallel-for. */
static inline int test_open(struct test_device *d, int isa, uint32_t threads)
{
    enum segue_isa chosen;
    if (segue_isa_choose(segue_isa_name((enum segue_isa)isa), &chosen, NULL) != SEGUE_OK) return 0;
    *d = (struct test_device){
        .cpu = { .host = &test_host, .isa = chosen, .threads = threads, .cache_bytes = 4 << 20 }
    };
    if (threads) d->cpu.pool = segue_pool_create(&test_host, threads);
    else d->cpu.threads = 2, d->cpu.parallel_for = backwards;
    d->kit = (segue_kit_device){ .handle = &d->cpu, .host = &test_host };
    return 1;
}
static inline void test_close(struct test_device *d)
{
    if (d->cpu.pool) segue_pool_destroy(d->cpu.pool);
}

/* ---- elements ------------------------------------------------------------------------------------------- */

static inline double f16_value(uint16_t h)
{
    int e = h >> 10 & 31, m = h & 1023;
    double v = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
    return h >> 15 ? -v : v;
}
static inline double bf16_value(uint16_t h)
{
    uint32_t w = (uint32_t)h << 16;
    float f;
    memcpy(&f, &w, 4);
    return f;
}
static inline char *element(const segue_tensor *t, const int64_t *i)
{
    int64_t at = 0;
    for (int k = 0; k < t->rank; k++) at += i[k] * t->stride[k];
    return (char *)t->data + t->offset + at * (t->dtype.bits / 8);
}
static inline double get_at(const segue_tensor *t, const int64_t *i)
{
    uint32_t id = segue_dtype_id(t->dtype);
    const char *p = element(t, i);
    float f;
    int32_t n;
    uint16_t h;
    if (id == SEGUE_F32) return memcpy(&f, p, 4), f;
    if (id == SEGUE_I32) return memcpy(&n, p, 4), n;
    memcpy(&h, p, 2);
    return id == SEGUE_F16 ? f16_value(h) : bf16_value(h);
}
#define GET(t, ...) get_at(&(t), (const int64_t[]){ __VA_ARGS__ })

/* Rounds towards zero into 16 bits: any representable value will do for test data. */
static inline void set_at(const segue_tensor *t, const int64_t *i, double v)
{
    uint32_t id = segue_dtype_id(t->dtype), w;
    char *p = element(t, i);
    float f = (float)v;
    int32_t n = (int32_t)(id == SEGUE_I32 ? v : 0);
    if (id == SEGUE_F32) memcpy(p, &f, 4);
    else if (id == SEGUE_I32) memcpy(p, &n, 4);
    else {
        memcpy(&w, &f, 4);
        uint16_t h = (uint16_t)(w >> 16);
        if (id == SEGUE_F16) {
            int e = (int)(w >> 23 & 255) - 112;
            uint32_t m = (w & 0x7fffff) | 0x800000;
            uint16_t body = (uint16_t)(e >= 31   ? 0x7c00 | (isnan(v) ? 0x200 : 0)
                                       : e > 0   ? e << 10 | (m >> 13 & 1023)
                                       : e > -11 ? m >> (14 - e)
                                                 : 0);
            h = (uint16_t)((w >> 16 & 0x8000) | body);
        }
        memcpy(p, &h, 2);
    }
}

/* How far a value may be from its double, once rounded to dtype: share of the value, plus half the smallest
 * step. */
static inline double rounding(uint32_t dtype, double v)
{
    if (dtype == SEGUE_F16) return fabs(v) * 0x1p-11 + 0x1p-25;
    return dtype == SEGUE_BF16 ? fabs(v) * 0x1p-8 + 1e-38 : 1e-37;
}

/* ---- tensors -------------------------------------------------------------------------------------------- */

struct watched {
    segue_tensor t;
    char *memory, *copy; /* the whole allocation, and what it was */
    char *owned;         /* 1 where an element's bytes are */
    size_t size;
};

enum { MAY_REPEAT = 1 }; /* axes of stride 0: inputs only */

static inline void each(const segue_tensor *t, void (*f)(const segue_tensor *t, const int64_t *i, void *arg),
                        void *arg)
{
    int64_t i[SEGUE_MAX_RANK] = { 0 }, count = 1;
    for (int k = 0; k < t->rank; k++) count *= t->shape[k];
    for (int64_t n = 0; n < count; n++) {
        f(t, i, arg);
        for (int k = t->rank - 1; k >= 0 && ++i[k] == t->shape[k]; k--) i[k] = 0;
    }
}

static inline void own(const segue_tensor *t, const int64_t *i, void *arg)
{
    struct watched *w = arg;
    memset(w->owned + (element(t, i) - w->memory), 1, t->dtype.bits / 8);
}

static inline void set_range(const segue_tensor *t, const int64_t *i, void *arg)
{
    const double *range = arg;
    set_at(t, i, draw_real(range[0], range[1]));
}

/* Axes in random order, with gaps, some backwards, some (inputs) repeated; or, every third time, packed. */
static inline void make(struct watched *w, uint32_t dtype, int rank, const int64_t *shape, unsigned flags,
                        double low, double high)
{
    segue_tensor t = segue_tensor_of(NULL, dtype, rank, shape);
    int64_t extent = 1, start = 0, size = t.dtype.bits / 8;
    if (draw(3)) {
        int order[SEGUE_MAX_RANK] = { 0, 1, 2, 3, 4, 5 };
        for (int k = rank - 1; k > 0; k--) {
            int other = (int)draw((uint32_t)k + 1), x = order[k];
            order[k] = order[other];
            order[other] = x;
        }
        for (int k = 0; k < rank; k++) {
            int a = order[k], back = !draw(4);
            int64_t step = extent;
            if ((flags & MAY_REPEAT) && !draw(8)) step = 0;
            if (step) extent = step * (shape[a] > 0 ? shape[a] : 1) + draw(3);
            t.stride[a] = back ? -step : step;
            if (back && shape[a] > 0) start += step * (shape[a] - 1);
        }
    } else {
        for (int k = 0; k < rank; k++) extent *= shape[k] > 0 ? shape[k] : 1;
    }
    w->size = (size_t)(extent * size) + 2 * GUARD;
    w->memory = malloc(w->size);
    w->copy = malloc(w->size);
    w->owned = calloc(1, w->size);
    memset(w->memory, CANARY, w->size);
    t.data = w->memory;
    t.offset = GUARD + (uint64_t)(start * size);
    t.bytes = w->size;
    w->t = t;
    each(&w->t, own, w);
    each(&w->t, set_range, (double[]){ low, high });
}
#define MAKE(w, dtype, flags, low, high, ...)                                  \
    make(w, dtype, sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), \
         (const int64_t[]){ __VA_ARGS__ }, flags, low, high)

static inline void snapshot(struct watched *w)
{
    if (w->memory) memcpy(w->copy, w->memory, w->size);
}
static inline void restore(struct watched *w)
{
    if (w->memory) memcpy(w->memory, w->copy, w->size);
}
/* Bytes outside the elements (inputs: all bytes) must be as they were. */
static inline void check_outside(const struct watched *w, int written)
{
    for (size_t i = 0; w->memory && i < w->size; i++)
        if ((!written || !w->owned[i]) && w->memory[i] != w->copy[i])
            fail_msg("byte %zu of %zu was written, %s", i, w->size,
                     written ? "outside the elements" : "in an input");
}
/* Tokens of y [b t h v] that no sequence has (covered [b][t] is 0) are as they were; those of padding ('p') are 0. */
static inline void check_rest(const struct watched *y, const char *covered)
{
    const int64_t *n = y->t.shape;
    segue_tensor was = y->t;
    was.data = y->copy;
    for (int64_t i = 0; y->memory && i < n[0] * n[1] * n[2] * n[3]; i++) {
        const int64_t at[] = { i / n[3] / n[2] / n[1], i / n[3] / n[2] % n[1], i / n[3] % n[2], i % n[3] };
        const char state = covered[at[0] * n[1] + at[1]];
        if (state == 'p') assert_true(get_at(&y->t, at) == 0);
        if (!state) assert_memory_equal(element(&y->t, at), element(&was, at), y->t.dtype.bits / 8);
    }
}

static inline void drop(struct watched *w)
{
    free(w->memory);
    free(w->copy);
    free(w->owned);
    *w = (struct watched){ 0 };
}

/* The tensors behind op's header, one by one: &op.first_tensor is one tensor, and no array of them. */
static inline void put_tensors(segue_op_header *op, const struct watched *w, int count)
{
    char *at = (char *)(op + 1);
    for (int i = 0; i < count; i++, at += sizeof w->t) memcpy(at, &w[i].t, sizeof w->t);
}

static inline uint32_t draw_dtype(void)
{
    static const uint32_t list[] = { SEGUE_F32, SEGUE_F16, SEGUE_BF16 };
    return list[draw(3)];
}

/* Plans for the bounds of plan_op, runs op in exactly that workspace, and looks at what lies around it. */
static inline void run_row(const segue_row *row, struct test_device *d, const segue_op_header *plan_op,
                           const segue_op_header *op)
{
    segue_kit_plan plan = { 0 }, smaller = { 0 };
    segue_kit_call call = { .device = &d->kit };
    assert_null(row->accepts(op, &d->kit));
    assert_int_equal(row->prepare(plan_op, &d->kit, &plan, NULL), SEGUE_OK);
    assert_int_equal(row->prepare(op, &d->kit, &smaller, NULL), SEGUE_OK);
    assert_true(smaller.workspace_bytes <= plan.workspace_bytes);
    size_t bytes = (size_t)smaller.workspace_bytes;
    char *memory = aligned_alloc(64, (bytes + 2 * GUARD + 63) / 64 * 64);
    memset(memory, 0xff, bytes + 2 * GUARD); /* NaNs: nothing may be read before it is written */
    call.data = plan.data;
    call.workspace = (segue_buffer){ memory, GUARD, GUARD + bytes };
    assert_int_equal(row->run(op, &call), SEGUE_OK);
    for (int i = 0; i < GUARD; i++) {
        assert_int_equal((unsigned char)memory[i], 0xff);
        assert_int_equal((unsigned char)memory[GUARD + bytes + (size_t)i], 0xff);
    }
    free(memory);
    if (plan.release) plan.release(plan.data, &d->kit);
    if (smaller.release) smaller.release(smaller.data, &d->kit);
}

#endif
