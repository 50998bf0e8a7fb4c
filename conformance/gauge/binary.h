/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* frexp()'s exponent and ldexp() of 1 without a call: a suite spends its time on roundings of single elements. */
#ifndef SEGUE_CONFORMANCE_BINARY_H
#define SEGUE_CONFORMANCE_BINARY_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* 2^e. */
static inline double power_of_2(int e)
{
    const uint64_t bits = (uint64_t)(e + 1023) << 52;
    double x;
    if (e < -1022 || e > 1023) return ldexp(1, e);
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* e where 2^(e - 1) <= |x| < 2^e, x finite; -1022 for 0 and denormals, which are below what any narrower dtype tells apart. */
static inline int exponent_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (int)(bits >> 52 & 2047) - 1022;
}

#endif
