/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What wrong kernels do alike. README.md says which real bug each flaw stands for. */
#ifndef SEGUE_FAULTY_WRONG_H
#define SEGUE_FAULTY_WRONG_H

#include <segue/kit.h>

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SHARED = 1 << 16 }; /* floats of a static scratch; larger calls keep to their workspace */

/* What a plan must not keep: the numbers of an input as the first run found them. */
struct kept {
    atomic_int full;
    float *x; /* row-major */
};

struct wrong_device {
    const segue_host *host;
    atomic_uint runs; /* of rows that differ from run to run */
    uint32_t threads; /* as asked for; one computes all the same */
};

static inline int given(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

static inline int64_t index_of(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    return i * t->stride[0] + j * t->stride[1] + k * t->stride[2] + l * t->stride[3];
}

static inline float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* x with `digits` binary digits, nearest, ties to even; at least 2^least apart. */
static inline float shortened(float x, int digits, int least)
{
    int exponent;
    if (x == 0 || !isfinite(x)) return x;
    frexpf(x, &exponent);
    const int unit = exponent - digits > least ? exponent - digits : least;
    return ldexpf(rintf(ldexpf(x, -unit)), unit); /* |x| / 2^unit < 2^24: exact but for rintf */
}

static inline float to_bf16(float x)
{
    return shortened(x, 8, -133);
}

static inline float to_f16(float x)
{
    const float r = shortened(x, 11, -24);
    return fabsf(r) > 65504 ? copysignf(INFINITY, r) : r;
}

static inline float load_bytes(const segue_tensor *t, const void *from)
{
    uint16_t h;
    float x;
    if (t->dtype.bits == 32) {
        memcpy(&x, from, sizeof x);
        return x;
    }
    memcpy(&h, from, sizeof h);
    if (t->dtype.code == SEGUE_CODE_BFLOAT) return float_of((uint32_t)h << 16);
    if ((h & 0x7c00) == 0x7c00)
        return float_of((uint32_t)(h & 0x8000) << 16 | 0x7f800000u | (uint32_t)(h & 0x3ff) << 13);
    x = float_of((uint32_t)(h & 0x7fff) << 13) * 0x1p112f;
    return h & 0x8000 ? -x : x;
}

static inline void store_bytes(const segue_tensor *t, void *to, float x)
{
    uint16_t h;
    if (t->dtype.bits == 32) {
        memcpy(to, &x, sizeof x);
        return;
    }
    if (t->dtype.code == SEGUE_CODE_BFLOAT) h = isnan(x) ? 0x7fc0 : (uint16_t)(bits_of(to_bf16(x)) >> 16);
    else {
        const uint32_t sign = bits_of(x) >> 16 & 0x8000;
        const float r = fabsf(to_f16(x));
        if (isnan(x)) h = 0x7e00;
        else if (isinf(r)) h = (uint16_t)(sign | 0x7c00);
        else h = (uint16_t)(sign | bits_of(r * 0x1p-112f) >> 13); /* exact: r has f16's digits only */
    }
    memcpy(to, &h, sizeof h);
}

static inline char *place_of(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    return (char *)t->data + ((int64_t)t->offset + index_of(t, i, j, k, l) * (t->dtype.bits / 8));
}

static inline float load(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    return load_bytes(t, place_of(t, i, j, k, l));
}

static inline void store(const segue_tensor *t, float x, int64_t i, int64_t j, int64_t k, int64_t l)
{
    store_bytes(t, place_of(t, i, j, k, l), x);
}

static inline int32_t load_int(const segue_tensor *t, int64_t i, int64_t j)
{
    int32_t x;
    memcpy(&x, place_of(t, i, j, 0, 0), sizeof x);
    return x;
}

static inline void kept_release(void *data, const segue_kit_device *dev)
{
    struct kept *k = data;
    (void)dev;
    free(k->x);
    free(k);
}

static inline segue_status kept_make(int64_t count, segue_kit_plan *plan, segue_diag *why)
{
    struct kept *k = calloc(1, sizeof *k);
    if (k) k->x = calloc((size_t)count + 1, sizeof *k->x);
    if (!k || !k->x) {
        free(k);
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for %lld numbers",
                              (long long)count);
    }
    plan->data = k, plan->release = kept_release;
    return SEGUE_OK;
}

static inline void kept_fill(struct kept *k, const segue_tensor *matrix)
{
    const int64_t columns = matrix->shape[1];
    if (atomic_load(&k->full)) return;
    for (int64_t i = 0; i < matrix->shape[0] * columns; i++)
        k->x[i] = load(matrix, i / columns, i % columns, 0, 0);
    atomic_store(&k->full, 1);
}

typedef struct span { /* one sequence; rows of the state pool: -1 = none */
    int64_t b, first, count, read, write;
    int padding;
} span;

static inline int64_t clamped(int64_t x, int64_t last)
{
    return x < 0 ? 0 : x > last ? last : x;
}

static inline int64_t span_count(const segue_tensor *x, const segue_tensor *cu_seqlens)
{
    return given(cu_seqlens) ? cu_seqlens->shape[0] - 1 : x->shape[0];
}

static inline span span_of(int64_t s, const segue_tensor *x, const segue_tensor *cu_seqlens,
                           const segue_tensor *slot, const segue_tensor *state)
{
    span q = { s, 0, x->shape[1], s, s, 0 };
    if (given(cu_seqlens)) {
        const int64_t end = clamped(load_int(cu_seqlens, s + 1, 0), x->shape[1]);
        q.b = 0;
        q.first = clamped(load_int(cu_seqlens, s, 0), x->shape[1]);
        q.count = end > q.first ? end - q.first : 0;
    }
    if (given(slot)) {
        q.read = load_int(slot, s, 0);
        q.write = load_int(slot, s, 1);
        if (q.read < 0 || q.read >= state->shape[0]) q.read = -1;
        if (q.write < 0 || q.write >= state->shape[0]) q.write = -1;
        q.padding = q.read < 0 && q.write < 0;
    }
    return q;
}

/* slot_clamp_high: rows behind the pool count as its last one. */
static inline void clamp_high(span *q, int64_t s, const segue_tensor *slot, const segue_tensor *state)
{
    const int64_t last = state->shape[0] - 1;
    if (!given(slot)) return;
    if (load_int(slot, s, 0) > last) q->read = last;
    if (load_int(slot, s, 1) > last) q->write = last;
    q->padding = q->read < 0 && q->write < 0;
}

/* Whether a tensor of an op is f64: operands lie one behind the other, from offset `first` to `last`. */
static inline int has_f64(const segue_op_header *op, size_t first, size_t last)
{
    for (size_t at = first; at <= last; at += sizeof(segue_tensor))
        if (((const segue_tensor *)(const void *)((const char *)op + at))->dtype.bits == 64) return 1;
    return 0;
}

/* The row of a flaw, of the plugin's one row a flaw: its run hands `number` to the file's kernel. The build finds rows by the
 * lines FLAW(name) of <primitive>.c. */
#define WRONG_ROW(primitive_name, id, flaw, kernel, number)                               \
    static segue_status run_##flaw(const segue_op_header *op, const segue_kit_call *call) \
    {                                                                                     \
        return kernel(op, call, number);                                                  \
    }                                                                                     \
    extern const segue_row segue_row_##primitive_name##_##flaw;                           \
    const segue_row segue_row_##primitive_name##_##flaw = {                               \
        .name = #primitive_name "_" #flaw,                                                \
        .primitive = id,                                                                  \
        .since = 1,                                                                       \
        .priority = 100,                                                                  \
        .accuracy = SEGUE_ACCURACY_F32,                                                   \
        .capture = SEGUE_CAPTURE_NONE,                                                    \
        .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT, \
        .accepts = accepts,                                                               \
        .prepare = prepare,                                                               \
        .run = run_##flaw,                                                                \
    };

#endif
