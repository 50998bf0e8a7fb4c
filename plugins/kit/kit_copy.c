/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Copies between strided host tensors of one shape. Between two floating dtypes every value goes through
 * double, which holds all of them exactly, and is rounded once, to nearest even. */
#include <segue/kit.h>

struct format { /* how a floating dtype is read and written */
    uint32_t dtype;
    double (*load)(const void *from);
    void (*store)(void *to, double value);
};

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The bits of a 16-bit float with that many fraction bits, from a double. */
static uint16_t narrow(double value, int fraction)
{
    const int exponents = 15 - fraction, bias = (1 << (exponents - 1)) - 1;
    const uint64_t bits = bits_of(value), magnitude = bits & 0x7fffffffffffffff;
    const uint64_t sign = bits >> 63 << 15, infinity = (((uint64_t)1 << exponents) - 1) << fraction;
    int exponent = (int)(magnitude >> 52) - 1023 + bias; /* as the target stores it */
    uint64_t mantissa = magnitude & 0xfffffffffffff, kept, rest, half;
    int drop = 52 - fraction;
    if (magnitude > 0x7ff0000000000000)
        return (uint16_t)(sign | infinity | (uint64_t)1 << (fraction - 1)); /* NaN */
    if (exponent > bias * 2) return (uint16_t)(sign | infinity);
    if (exponent <= 0) { /* a subnormal of the target: shift the hidden bit in */
        mantissa |= (uint64_t)1 << 52;
        drop += 1 - exponent;
        if (drop > 54)
            return (uint16_t)sign; /* below half of the smallest, or the double itself is 0 or subnormal */
        exponent = 0;
    }
    kept = mantissa >> drop;
    rest = mantissa & (((uint64_t)1 << drop) - 1);
    half = (uint64_t)1 << (drop - 1);
    kept += ((uint64_t)exponent << fraction) +
            (rest > half || (rest == half && (kept & 1))); /* may carry into the exponent */
    return (uint16_t)(sign | kept);
}

static double widen(uint16_t half, int fraction)
{
    const int exponents = 15 - fraction, bias = (1 << (exponents - 1)) - 1;
    const uint64_t sign = (uint64_t)(half >> 15) << 63, exponent = half >> fraction & ((1u << exponents) - 1);
    const uint64_t mantissa = half & ((1u << fraction) - 1);
    if (exponent == ((1u << exponents) - 1))
        return double_of(sign | (uint64_t)0x7ff << 52 | mantissa << (52 - fraction));
    if (exponent)
        return double_of(sign | (exponent + 1023 - (uint64_t)bias) << 52 | mantissa << (52 - fraction));
    return (sign ? -1.0 : 1.0) * (double)mantissa * double_of((uint64_t)(1023 + 1 - bias - fraction) << 52);
}

static double load_f64(const void *from)
{
    double value;
    memcpy(&value, from, sizeof value);
    return value;
}

static void store_f64(void *to, double value)
{
    memcpy(to, &value, sizeof value);
}

static double load_f32(const void *from)
{
    float value;
    memcpy(&value, from, sizeof value);
    return (double)value;
}

static void store_f32(void *to, double value)
{
    const float narrowed = (float)value;
    memcpy(to, &narrowed, sizeof narrowed);
}

static double load_f16(const void *from)
{
    uint16_t bits;
    memcpy(&bits, from, sizeof bits);
    return widen(bits, 10);
}

static void store_f16(void *to, double value)
{
    const uint16_t bits = narrow(value, 10);
    memcpy(to, &bits, sizeof bits);
}

static double load_bf16(const void *from)
{
    uint16_t bits;
    memcpy(&bits, from, sizeof bits);
    return widen(bits, 7);
}

static void store_bf16(void *to, double value)
{
    const uint16_t bits = narrow(value, 7);
    memcpy(to, &bits, sizeof bits);
}

static const struct format formats[] = {
    { SEGUE_F64, load_f64, store_f64 },
    { SEGUE_F32, load_f32, store_f32 },
    { SEGUE_F16, load_f16, store_f16 },
    { SEGUE_BF16, load_bf16, store_bf16 },
};

static const struct format *format_of(segue_dtype dtype)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].dtype == segue_dtype_id(dtype)) return &formats[i];
    return NULL;
}

/* One run along the last axis; steps in bytes. */
static void copy_line(char *to, int64_t to_step, const struct format *t, const char *from, int64_t from_step,
                      const struct format *f, int64_t count, size_t bytes)
{
    if (f != t) {
        for (int64_t i = 0; i < count; i++) t->store(to + i * to_step, f->load(from + i * from_step));
    } else if (to_step == (int64_t)bytes && from_step == (int64_t)bytes) {
        memcpy(to, from, (size_t)count * bytes);
    } else {
        for (int64_t i = 0; i < count; i++) memcpy(to + i * to_step, from + i * from_step, bytes);
    }
}

/* Walks all but the last axis like an odometer. */
static void copy_all(const segue_tensor *to, const segue_tensor *from)
{
    const struct format *t = format_of(to->dtype), *f = format_of(from->dtype);
    const int same = segue_dtype_id(to->dtype) == segue_dtype_id(from->dtype), last = to->rank - 1;
    const int64_t to_bytes = to->dtype.bits / 8, from_bytes = from->dtype.bits / 8;
    const int64_t count = to->rank ? to->shape[last] : 1;
    const int64_t to_step = to->rank ? to->stride[last] * to_bytes : to_bytes;
    const int64_t from_step = to->rank ? from->stride[last] * from_bytes : from_bytes;
    int64_t at[SEGUE_MAX_RANK] = { 0 };
    char *to_data;
    const char *from_data;
    int axis;
    for (int i = 0; i < to->rank; i++)
        if (!to->shape[i]) return; /* then data may be NULL */
    to_data = (char *)to->data + to->offset;
    from_data = (const char *)from->data + from->offset;
    do {
        int64_t to_at = 0, from_at = 0;
        for (int i = 0; i < last; i++) {
            to_at += at[i] * to->stride[i] * to_bytes;
            from_at += at[i] * from->stride[i] * from_bytes;
        }
        copy_line(to_data + to_at, to_step, same ? NULL : t, from_data + from_at, from_step, same ? NULL : f,
                  count, (size_t)to_bytes);
        for (axis = last - 1; axis >= 0 && ++at[axis] == to->shape[axis]; axis--) at[axis] = 0;
    } while (axis >= 0);
}

segue_status segue_kit_host_tensor_copy(void *device, segue_stream stream, const segue_tensor *to,
                                        const segue_tensor *from, segue_diag *diag)
{
    (void)device;
    (void)stream;
    if (to->rank != from->rank || to->rank > SEGUE_MAX_RANK ||
        memcmp(to->shape, from->shape, to->rank * sizeof *to->shape))
        return segue_kit_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                              "to and from must have one shape of rank 0 to %d", SEGUE_MAX_RANK);
    if (segue_dtype_id(to->dtype) != segue_dtype_id(from->dtype) &&
        (!format_of(to->dtype) || !format_of(from->dtype)))
        return segue_kit_fail(diag, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_CALL, 0,
                              "copies convert between f64, f32, f16 and bf16; given dtypes 0x%x from 0x%x",
                              segue_dtype_id(to->dtype), segue_dtype_id(from->dtype));
    if (!to->dtype.bits || to->dtype.bits % 8)
        return segue_kit_fail(diag, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_CALL, 0,
                              "copies take whole bytes; given %u bits", to->dtype.bits);
    copy_all(to, from);
    return SEGUE_OK;
}
