/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of lanes that few kernels need. Polynomials are minimax fits of our own, within a unit in
 * the last place of what they stand for, most within a tenth. */
#ifndef SEGUE_ENGINE_LANES_FUNCTIONS_H
#define SEGUE_ENGINE_LANES_FUNCTIONS_H

#include "lanes.h"

INLINE lanes lanes_polynomial(lanes x, const float *from_highest, int count)
{
    lanes p = lanes_splat(from_highest[0]);
    for (int i = 1; i < count; i++) p = lanes_fma(p, x, lanes_splat(from_highest[i]));
    return p;
}
#define LANES_POLYNOMIAL(x, ...) \
    lanes_polynomial(x, (const float[]){ __VA_ARGS__ }, sizeof((const float[]){ __VA_ARGS__ }) / sizeof(float))

/* The sign of s on x >= 0. */
INLINE lanes lanes_signed(lanes x, lanes s)
{
    return (lanes)((lanes_bits)x | ((lanes_bits)s & 0x80000000u));
}

/* The larger of two; b where either is NaN. */
INLINE lanes lanes_most(lanes a, lanes b)
{
#if SEGUE_LANES == 16
    return (lanes)_mm512_max_ps((__m512)a, (__m512)b);
#elif SEGUE_LANES == 8
    return (lanes)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return lanes_if_less(b, a, a, b);
#endif
}

/* The smaller of two; b where either is NaN. */
INLINE lanes lanes_least(lanes a, lanes b)
{
#if SEGUE_LANES == 16
    return (lanes)_mm512_min_ps((__m512)a, (__m512)b);
#elif SEGUE_LANES == 8
    return (lanes)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return lanes_if_less(a, b, a, b);
#endif
}

/* NaN stays NaN. */
INLINE lanes lanes_relu(lanes x)
{
    const lanes zero = { 0 };
    return lanes_if_less(x, zero, zero, x);
}

/* ---- sums over lanes, in an order that depends on LANES alone ------------------------------------------- */

INLINE float lanes_total(lanes v)
{
    float each[LANES];
    lanes_store(each, v);
    for (int n = LANES / 2; n; n /= 2)
        for (int i = 0; i < n; i++) each[i] += each[i + n];
    return each[0];
}

INLINE float lanes_largest(lanes v)
{
    float each[LANES];
    lanes_store(each, v);
    for (int n = LANES / 2; n; n /= 2)
        for (int i = 0; i < n; i++) each[i] = each[i] < each[i + n] ? each[i + n] : each[i];
    return each[0];
}

/* The first `count` lanes of v, and x in those behind them. */
INLINE lanes lanes_only(lanes v, int64_t count, float x)
{
    static const float number[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    if (count >= LANES) return v;
    return lanes_if_less(lanes_load(number), lanes_splat((float)count), v, lanes_splat(x));
}

/* Stores them; count from 1. */
INLINE void lanes_put(float *p, lanes v, int64_t count)
{
    if (count >= LANES) lanes_store(p, v);
    else lanes_store_some(p, count, v);
}

/* ---- functions ------------------------------------------------------------------------------------------ */

/* 1 / x, within 0.6 units in the last place where its digits are few, else a unit; x and 1 / x are finite normal numbers. */
INLINE lanes lanes_reciprocal(lanes x)
{
#if SEGUE_LANES == 16
    const lanes near = (lanes)_mm512_rcp14_ps((__m512)x);
    return lanes_fma(near, lanes_fma(-x, near, lanes_splat(1.0f)), near);
#else
    return lanes_splat(1.0f) / x;
#endif
}

INLINE lanes lanes_sigmoid(lanes x)
{
    return lanes_splat(1.0f) / (lanes_exp(-x) + 1.0f);
}

/* From 0.625 on the quotient has all digits; below, an odd polynomial. From 10 on it is 1. */
INLINE lanes lanes_tanh(lanes x)
{
    const lanes a = lanes_abs(x), near = lanes_least(lanes_splat(10.0f), a), z = x * x;
    const lanes scale = lanes_splat(2 * LANES_LOG2E), magic = lanes_splat(LANES_FINE_MAGIC);
    const lanes p =
        LANES_POLYNOMIAL(z, -0.005716202781f, 0.02064970881f, -0.05374317244f, 0.1333148628f, -0.3333328366f);
    const lanes n = lanes_fma(near, scale, magic);
    const lanes e = lanes_exp2_fine(n, lanes_fma(near, scale, magic - n));
    const lanes large = lanes_splat(1.0f) - lanes_splat(2.0f) / (e + 1.0f);
    return lanes_if_less(a, lanes_splat(0.625f), lanes_fma(x * z, p, x), lanes_signed(large, x));
}

/* x (1 + erf(x / sqrt 2)) / 2. Beyond |z| = 1 by erfc = exp(z p(z)), so that 1 + erf loses no digits on the left; beyond 4
 * it is 0 or 2. */
INLINE lanes lanes_gelu(lanes x)
{
    const lanes one = lanes_splat(1.0f), zero = { 0 };
    const lanes z = x * 0.707106781f, a = lanes_abs(z);
    const lanes p = LANES_POLYNOMIAL(z * z, 7.92036808e-5f, -0.0008030761383f, 0.00519073382f, -0.02685512602f,
                                     0.1128361821f, -0.3761262894f, 0.1283791661f);
    const lanes q =
        LANES_POLYNOMIAL(a, 1.942635635e-7f, -2.777869895e-6f, -2.437814601e-6f, 0.0003513050033f,
                         -0.003893628484f, 0.02443911135f, -0.1071411669f, -0.6345445514f, -1.128811598f);
    const lanes rest = lanes_if_less(a, lanes_splat(4.0f), lanes_exp(a * q), zero);
    const lanes far = lanes_if_less(z, zero, rest, lanes_splat(2.0f) - rest);
    const lanes near = lanes_fma(z, p, z) + one;
    return x * 0.5f * lanes_if_less(a, one, near, far);
}

/* sin r and cos r for |r| up to 0.8, a little more than pi / 4. */
INLINE lanes lanes_sin_near(lanes r)
{
    const lanes z = r * r;
    return lanes_fma(r * z, LANES_POLYNOMIAL(z, -0.0001950602309f, 0.008332097903f, -0.1666665375f), r);
}
INLINE lanes lanes_cos_near(lanes r)
{
    const lanes z = r * r, p = LANES_POLYNOMIAL(z, 2.44286457e-5f, -0.001388729084f, 0.04166664556f);
    return lanes_fma(z * z, p, lanes_fma(z, lanes_splat(-0.5f), lanes_splat(1.0f)));
}

/* Both of x. Quarter turns are taken off with pi / 2 in three parts, of which the first two are so short that their products
 * are exact up to |x| = 12000; up to 6e6 the error is at most a rounding of x. Beyond that neighbouring floats are half a
 * radian apart: what comes out is no larger than 1. NaN of an infinity. */
INLINE void lanes_sincos(lanes x, lanes *sine, lanes *cosine)
{
    const lanes magic = lanes_splat(12582912.0f), limit = lanes_splat(0.8f); /* 1.5 2^23 */
    const lanes magic_n = lanes_fma(x, lanes_splat(0.636619772f), magic), n = magic_n - magic;
    lanes r = lanes_fma(n, lanes_splat(-0x1.92p0f), x);
    r = lanes_fma(n, lanes_splat(-0x1.fb4p-12f), r);
    r = lanes_fma(n, lanes_splat(-7.54978995489e-8f), r);
    r = lanes_if_less(limit, r, limit, r);
    r = lanes_if_less(r, -limit, -limit, r);
    const lanes s = lanes_sin_near(r), c = lanes_cos_near(r);
    const lanes_bits turns = (lanes_bits)magic_n;
    const lanes_int odd = -(lanes_int)(turns & 1);
    *sine = (lanes)((lanes_bits)lanes_select(odd, c, s) ^ (turns & 2) << 30);
    *cosine = (lanes)((lanes_bits)lanes_select(odd, s, c) ^ ((turns + 1) & 2) << 30);
}

/* log x: -infinity of 0 and of denormals, NaN below. x = 2^e m with m from sqrt 1/2 to sqrt 2, log m = 2 atanh(f / (2 + f)). */
INLINE lanes lanes_log(lanes x)
{
    const lanes_bits bits = (lanes_bits)x;
    const lanes_int e = (lanes_int)(bits - 0x3f3504f3) >> 23;
    const lanes n = __builtin_convertvector(e, lanes), f = (lanes)(bits - ((lanes_bits)e << 23)) - 1.0f;
    const lanes s = f / (f + 2.0f), q = s * s, inf = lanes_splat(__builtin_inff()), zero = { 0 };
    const lanes p = LANES_POLYNOMIAL(q, 0.222222222f, 0.285714286f, 0.4f, 0.666666667f);
    lanes y = lanes_fma(s * q, p, s + s);
    y = lanes_fma(n, lanes_splat(-0x1.bd0106p-13f), y); /* ln 2 in two parts, as for exp */
    y = lanes_fma(n, lanes_splat(0x1.63p-1f), y);
    y = lanes_if_less(x, inf, y, x);
    y = lanes_if_less(x, lanes_splat(0x1p-126f), -inf, y);
    return lanes_if_less(x, zero, lanes_splat(__builtin_nanf("")), y);
}

INLINE lanes_int lanes_int_load(const int32_t *p)
{
    return (lanes_int)lanes_load((const float *)(const void *)p);
}

INLINE lanes_int lanes_int_splat(int32_t x)
{
    return x - (lanes_int){ 0 };
}

#endif
