/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built with contraction off (CMakeLists.txt): a fused multiply-add would draw other numbers. */
#include "random.h"

#include <math.h>
#include <string.h>

#include <sodium.h>

/* The round of Philox4x32 and its Weyl key schedule: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011, section 3.3 and table 2. */
enum { ROUNDS = 10 };
static const uint32_t multiplier[2] = { 0xD2511F53, 0xCD9E8D57 };
static const uint32_t weyl[2] = { 0x9E3779B9, 0xBB67AE85 }; /* golden ratio, sqrt(3) - 1 */

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t x[4] = { counter[0], counter[1], counter[2], counter[3] }, k[2] = { key[0], key[1] };
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t even = (uint64_t)multiplier[0] * x[0], odd = (uint64_t)multiplier[1] * x[2];
        const uint32_t left = x[1], right = x[3];
        x[0] = (uint32_t)(odd >> 32) ^ left ^ k[0];
        x[1] = (uint32_t)odd;
        x[2] = (uint32_t)(even >> 32) ^ right ^ k[1];
        x[3] = (uint32_t)even;
        k[0] += weyl[0];
        k[1] += weyl[1];
    }
    memcpy(out, x, sizeof x);
}

void key_of(const char *name, uint32_t key[2])
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, (const unsigned char *)name, strlen(name));
    for (int i = 0; i < 2; i++) /* little-endian, as Philox's own words */
        key[i] = (uint32_t)digest[4 * i] | (uint32_t)digest[4 * i + 1] << 8 |
                 (uint32_t)digest[4 * i + 2] << 16 | (uint32_t)digest[4 * i + 3] << 24;
}

/* Draw number i of an element: 128 bits. */
static void throw(const struct dice *d, uint32_t draw, uint32_t out[4])
{
    const uint32_t counter[4] = { (uint32_t)d->element, (uint32_t)(d->element >> 32), d->field, draw };
    philox4x32(counter, d->key, out);
}

/* (k + 1/2) 2^-52 of the top 52 bits: exact, never 0 nor 1. */
static double unit(uint32_t high, uint32_t low)
{
    const uint64_t k = ((uint64_t)high << 32 | low) >> 12;
    return ((double)k + 0.5) * 0x1p-52;
}

static double within(double x, double low, double high)
{
    return x <= low ? nextafter(low, high) : x >= high ? nextafter(high, low) : x;
}

double dice_uniform(const struct dice *d, uint32_t draw, double low, double high)
{
    uint32_t r[4];
    throw(d, draw, r);
    return within(low + (high - low) * unit(r[0], r[1]), low, high);
}

/* Box and Muller, 1958. */
double dice_normal(const struct dice *d, uint32_t draw)
{
    uint32_t r[4];
    throw(d, draw, r);
    return sqrt(-2 * dice_log(unit(r[0], r[1]))) * dice_cos_turn(unit(r[2], r[3]));
}

double dice_log_uniform(const struct dice *d, uint32_t draw, double low, double high)
{
    const double from = dice_log(low), to = dice_log(high);
    return within(dice_exp(dice_uniform(d, draw, from, to)), low, high);
}

/* Lemire's multiplication; the bias of 2^-64 a value is of no consequence here. */
int64_t dice_integer(const struct dice *d, uint32_t draw, int64_t low, int64_t high)
{
    uint32_t r[4];
    throw(d, draw, r);
    const uint64_t span = (uint64_t)high - (uint64_t)low + 1, random = (uint64_t)r[0] << 32 | r[1];
    const uint64_t a = random >> 32, b = random & 0xffffffff, c = span >> 32, e = span & 0xffffffff;
    if (!span) return (int64_t)random; /* all 2^64 values */
    const uint64_t middle = a * e + (b * e >> 32), other = b * c + (middle & 0xffffffff);
    return (int64_t)((uint64_t)low + a * c + (middle >> 32) + (other >> 32));
}

/* ---- functions that round alike everywhere -------------------------------------------------------- */

static const double ln2 = 0.693147180559945309417, pi = 3.14159265358979323846;

/* log(2^e m) = e log 2 + 2 atanh((m - 1) / (m + 1)), m within sqrt(1/2) .. sqrt(2): |s| < 0.172 */
double dice_log(double x)
{
    int exponent;
    double m = frexp(x, &exponent), sum = 0;
    if (m < 0.70710678118654752) m *= 2, exponent--;
    const double s = (m - 1) / (m + 1), square = s * s;
#pragma GCC unroll 12 /* 1 / k becomes a constant instead of a division */
    for (int k = 23; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
    return exponent * ln2 + 2 * s * sum;
}

/* 2^k exp(r), |r| <= log(2) / 2; Taylor's series. log 2 in two parts keeps r exact. */
double dice_exp(double x)
{
    const double high = 0x1.62e42fee00000p-1, low = 0x1.a39ef35793c76p-33;
    if (!(x > -745)) return 0;
    if (x > 709.7) return INFINITY;
    const double k = floor(x / ln2 + 0.5), r = (x - k * high) - k * low;
    double sum = 1;
    for (int i = 16; i >= 1; i--) sum = 1 + sum * r / i;
    return ldexp(sum, (int)k);
}

/* cos(2 pi turns) by the series of cosine or sine within an eighth of a turn. */
double dice_cos_turn(double turns)
{
    double t = fabs(turns - floor(turns + 0.5)), sign = 1, sum = 0; /* 0 .. 1/2 */
    if (t > 0.25) t = 0.5 - t, sign = -1;
    const int sine = t > 0.125;
    const double x = 2 * pi * (sine ? 0.25 - t : t), square = x * x;
    for (int k = sine ? 19 : 18; k >= 2; k -= 2) sum = (1 + sum) * -square / ((double)k * (k - 1));
    return sign * (1 + sum) * (sine ? x : 1);
}
