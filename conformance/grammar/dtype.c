/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "dtype.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include <segue/segue.h>

#include "../gauge/binary.h"

static const struct format {
    uint32_t dtype;
    int bits, digits; /* of the significand, the leading one included */
    int least;        /* the smallest positive value is 2^least */
    int most;         /* all finite values lie below 2^most */
} formats[] = {
    { SEGUE_F32, 32, 24, -149, 128 },
    { SEGUE_BF16, 16, 8, -133, 128 },
    { SEGUE_F16, 16, 11, -24, 16 },
    { SEGUE_F64, 64, 53, -1074, 1024 },
};

static const struct format *format_of(uint32_t dtype)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].dtype == dtype) return &formats[i];
    return NULL;
}

static double rounded(const struct format *f, double x)
{
    if (f->digits == 53 || x == 0 || !isfinite(x)) return x;
    if (f->digits == 24) return (float)x;
    const int last = exponent_of(x) - f->digits, unit = last > f->least ? last : f->least;
    /* The scalings are exact: both are doubles by far. */
    const double y = nearbyint(x * power_of_2(-unit)) * power_of_2(unit);
    return fabs(y) < power_of_2(f->most) ? y : copysign(INFINITY, x);
}

/* x: a value of the format. Sign, exponent field, fraction: the value without its sign counts upwards with the bits. */
static uint64_t encode(const struct format *f, double x)
{
    const int fraction = f->digits - 1;
    const uint64_t sign = signbit(x) ? (uint64_t)1 << (f->bits - 1) : 0;
    const uint64_t infinite = (((uint64_t)1 << (f->bits - f->digits)) - 1) << fraction;
    if (isnan(x)) return sign | infinite | (uint64_t)1 << (fraction - 1);
    if (isinf(x)) return sign | infinite;
    if (fabs(x) < power_of_2(f->least + fraction)) return sign | (uint64_t)(fabs(x) * power_of_2(-f->least));
    /* The digits have their leading one, which adds 1 to the field. */
    const int last = exponent_of(x) - f->digits;
    return sign | (((uint64_t)(last - f->least) << fraction) + (uint64_t)(fabs(x) * power_of_2(-last)));
}

static double decode(const struct format *f, uint64_t bits)
{
    const int fraction = f->digits - 1;
    const uint64_t size = bits & (((uint64_t)1 << (f->bits - 1)) - 1),
                   low = size & (((uint64_t)1 << fraction) - 1);
    const int field = (int)(size >> fraction), top = (1 << (f->bits - f->digits)) - 1;
    double x;
    if (field == top) x = low ? NAN : INFINITY;
    else if (!field) x = (double)low * power_of_2(f->least);
    else x = (double)(low | (uint64_t)1 << fraction) * power_of_2(f->least + field - 1);
    return bits >> (f->bits - 1) & 1 ? -x : x;
}

static double whole(double x)
{
    return isnan(x) ? 0 : fmin(fmax(nearbyint(x), INT32_MIN), INT32_MAX);
}

double dtype_load(uint32_t dtype, const void *from)
{
    const struct format *f = format_of(dtype);
    float narrow;
    double wide;
    uint16_t half;
    int32_t number;
    if (dtype == SEGUE_I32) return memcpy(&number, from, sizeof number), number;
    if (!f) return NAN;
    if (dtype == SEGUE_F32) return memcpy(&narrow, from, sizeof narrow), narrow;
    if (dtype == SEGUE_F64) return memcpy(&wide, from, sizeof wide), wide;
    memcpy(&half, from, sizeof half);
    return decode(f, half);
}

void dtype_store(uint32_t dtype, void *to, double value)
{
    const struct format *f = format_of(dtype);
    if (dtype == SEGUE_I32) {
        const int32_t number = (int32_t)whole(value);
        memcpy(to, &number, sizeof number);
    }
    if (!f) return;
    if (dtype == SEGUE_F64) memcpy(to, &value, sizeof value);
    else if (dtype == SEGUE_F32) {
        const float narrow = (float)value;
        memcpy(to, &narrow, sizeof narrow);
    } else {
        const uint16_t half = (uint16_t)encode(f, rounded(f, value));
        memcpy(to, &half, sizeof half);
    }
}

double dtype_round(uint32_t dtype, double value)
{
    const struct format *f = format_of(dtype);
    if (dtype == SEGUE_I32) return whole(value);
    return f ? rounded(f, value) : NAN;
}

double dtype_unit(uint32_t dtype)
{
    const struct format *f = format_of(dtype);
    if (dtype == SEGUE_I32) return 0;
    return f ? power_of_2(-f->digits) : NAN;
}

double dtype_largest(uint32_t dtype)
{
    const struct format *f = format_of(dtype);
    if (dtype == SEGUE_I32) return INT32_MAX;
    return f ? ldexp(1 - ldexp(1, -f->digits), f->most) : NAN;
}

double dtype_smallest(uint32_t dtype)
{
    const struct format *f = format_of(dtype);
    if (dtype == SEGUE_I32) return 1;
    return f ? power_of_2(f->least) : NAN;
}
