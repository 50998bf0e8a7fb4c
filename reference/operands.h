/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* How a reference reads and writes its operands: single elements of strided tensors, and which tokens and which
 * rows of the state pool a sequence has. */
#ifndef SEGUE_REFERENCE_OPERANDS_H
#define SEGUE_REFERENCE_OPERANDS_H

#include <segue/segue.h>

#include "real.h"

static inline int present(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

/* Sums and products of sizes, of which none is negative; INT64_MAX where there are more. An axis whose stride is 0 may have any
 * size, whatever memory there is. */
static inline int64_t size_sum(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static inline int64_t size_product(int64_t a, int64_t b)
{
    return b && a > INT64_MAX / b ? INT64_MAX : a * b;
}

/* For accepts(): whether a workspace of so many numbers has a size in bytes. */
static inline int fits_workspace(int64_t numbers)
{
    return !(numbers >> 60);
}

/* Address of element (i, j, k, l); indices beyond the rank are not used. */
static inline void *element(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    const int64_t at[4] = { i, j, k, l };
    int64_t index = 0;
    for (int axis = 0; axis < t->rank && axis < 4; axis++) index += at[axis] * t->stride[axis];
    return (char *)t->data + t->offset + index * (t->dtype.bits / 8);
}

static inline int32_t load_int_at(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    int32_t value;
    memcpy(&value, element(t, i, j, k, l), sizeof value);
    return value;
}

static inline int32_t load_int(const segue_tensor *t, int64_t i, int64_t j)
{
    return load_int_at(t, i, j, 0, 0);
}

#ifndef SEGUE_GAUGE

/* x rounded to `digits` binary digits, ties to even; below 2^(least + digits) to multiples of 2^least. */
static inline double rounded(double x, int digits, int least)
{
    int exponent; /* 2^(exponent - 1) <= |x| < 2^exponent */
    if (x == 0 || !isfinite(x)) return x;
    frexp(x, &exponent);
    const int unit = exponent - digits > least ? exponent - digits : least;
    return ldexp(nearbyint(ldexp(x, -unit)), unit);
}

static inline double from_f16(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double size = exponent == 31 ? (fraction ? NAN : INFINITY)
                        : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                       : ldexp(fraction, -24);
    return bits >> 15 ? -size : size;
}

static inline uint16_t to_f16(double x)
{
    const uint16_t sign = signbit(x) ? 0x8000 : 0;
    const double size = fabs(rounded(x, 11, -24));
    int exponent;
    if (isnan(x)) return (uint16_t)(sign | 0x7e00);
    if (size > 65504) return (uint16_t)(sign | 0x7c00);
    if (size < 0x1p-14) return (uint16_t)(sign | (uint16_t)ldexp(size, 24));
    frexp(size, &exponent);
    /* The leading one is not stored, so it carries into the exponent field: hence 13, not 14. */
    return (uint16_t)(sign | ((exponent + 13) * 1024 + (int)ldexp(size, 11 - exponent)));
}

static inline double from_bf16(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static inline uint16_t to_bf16(double x)
{
    const float value = (float)rounded(x, 8, -133); /* exact, or infinite */
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)(isnan(x) ? 0x7fc0 | (bits >> 16 & 0x8000) : bits >> 16);
}

static inline real load_f64(const void *from)
{
    double value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline real load_f32(const void *from)
{
    float value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline real load_f16(const void *from)
{
    uint16_t bits;
    memcpy(&bits, from, sizeof bits);
    return from_f16(bits);
}

static inline real load_bf16(const void *from)
{
    uint16_t bits;
    memcpy(&bits, from, sizeof bits);
    return from_bf16(bits);
}

static inline void store_f64(void *to, real value)
{
    memcpy(to, &value, sizeof value);
}

static inline void store_f32(void *to, real value)
{
    const float narrow = (float)value;
    memcpy(to, &narrow, sizeof narrow);
}

static inline void store_f16(void *to, real value)
{
    const uint16_t bits = to_f16(value);
    memcpy(to, &bits, sizeof bits);
}

static inline void store_bf16(void *to, real value)
{
    const uint16_t bits = to_bf16(value);
    memcpy(to, &bits, sizeof bits);
}

struct format {
    uint32_t dtype;
    real (*load)(const void *from);
    void (*store)(void *to, real value);
};

/* The floating dtypes of activations, gates, weights and states; core admits no other. */
static inline const struct format *format_of(const segue_tensor *t)
{
    static const struct format formats[] = {
        { SEGUE_F32, load_f32, store_f32 },
        { SEGUE_F16, load_f16, store_f16 },
        { SEGUE_BF16, load_bf16, store_bf16 },
        { SEGUE_F64, load_f64, store_f64 },
    };
    const struct format *f = formats;
    while (f < formats + 3 && f->dtype != segue_dtype_id(t->dtype)) f++;
    return f;
}

static inline real load(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    return format_of(t)->load(element(t, i, j, k, l));
}

/* Rounds once, to nearest, ties to even. */
static inline void store(const segue_tensor *t, real value, int64_t i, int64_t j, int64_t k, int64_t l)
{
    format_of(t)->store(element(t, i, j, k, l), value);
}

/* An integer as a result. cause: something made of all that it was decided by. */
static inline void store_int(const segue_tensor *t, int64_t value, real cause, int64_t i, int64_t j, int64_t k,
                             int64_t l)
{
    const int32_t narrow = (int32_t)value;
    (void)cause;
    memcpy(element(t, i, j, k, l), &narrow, sizeof narrow);
}

/* What the kernel that is judged wrote there, into an integer output; UNANSWERED = that is not known. */
static inline int64_t answered(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    (void)t, (void)i, (void)j, (void)k, (void)l;
    return UNANSWERED;
}

#endif

/* ---- sequences ---------------------------------------------------------------------------------- */

typedef struct sequence {
    int64_t b, first, count; /* its tokens: (b, first) to (b, first + count - 1) */
    int64_t read, write;     /* rows of the state pool; -1 = start from zero, store nothing */
    int padding;             /* y = 0 and nothing else */
} sequence;

static inline int64_t clamped(int64_t value, int64_t last)
{
    return value < 0 ? 0 : value > last ? last : value;
}

/* x [b t ...]: a packed call has one batch row and offsets [s+1], any other a sequence in each batch row. */
static inline int64_t sequence_count(const segue_tensor *x, const segue_tensor *cu_seqlens)
{
    return present(cu_seqlens) ? cu_seqlens->shape[0] - 1 : x->shape[0];
}

/* Sequence number s. pool: rows of the state pool; values of slot outside it count as -1. */
static inline sequence sequence_at(int64_t s, const segue_tensor *x, const segue_tensor *cu_seqlens,
                                   const segue_tensor *slot, int64_t pool)
{
    sequence q = { s, 0, x->shape[1], s, s, 0 };
    if (present(cu_seqlens)) {
        const int64_t end = clamped(load_int(cu_seqlens, s + 1, 0), x->shape[1]);
        q.b = 0;
        q.first = clamped(load_int(cu_seqlens, s, 0), x->shape[1]);
        q.count = end > q.first ? end - q.first : 0;
    }
    if (present(slot)) {
        q.read = load_int(slot, s, 0);
        q.write = load_int(slot, s, 1);
        if (q.read < 0 || q.read >= pool) q.read = -1;
        if (q.write < 0 || q.write >= pool) q.write = -1;
        q.padding = q.read < 0 && q.write < 0;
    }
    return q;
}

#endif
