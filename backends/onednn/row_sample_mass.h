/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of exponentials in lanes, of numbers of which only ratios count: each is taken from a base near the
 * largest. */
#ifndef SEGUE_ONEDNN_ROW_SAMPLE_MASS_H
#define SEGUE_ONEDNN_ROW_SAMPLE_MASS_H

#include "engine/lanes_functions.h"

#include <math.h>

/* exp(x - base), and next to nothing from base - 87 on, of NaN too; x up to base + 80. */
INLINE lanes exp_above(lanes x, lanes base)
{
    const lanes log2e = lanes_splat(LANES_LOG2E), magic = lanes_splat(LANES_FINE_MAGIC);
    const lanes d = lanes_most(x - base, lanes_splat(-87.0f));
    const lanes magic_n = lanes_fma(d, log2e, magic);
    return lanes_exp2_fine(magic_n, lanes_fma(d, log2e, magic - magic_n));
}

/* What is read once is bound by arithmetic in bf16. OCTAVES: such sums are taken from a whole number of
 * octaves. Nothing is subtracted from x then, since one fused product gives the exponent with all digits; up
 * to 2^18 octaves. */
#if SEGUE_LANES == 16
enum { OCTAVES = 1 };
#else
enum { OCTAVES = 0 };
#endif
#define OCTAVES_MOST 0x1p18f

/* sum + 2^(x log2 e - base) / B. The power of a whole number of 1/32 octaves is B times a table's; of the
 * rest, r, it is B ((r + H)^2 + K): two products, of which one adds up. 0.9 units in the last place before
 * rounding. */
INLINE lanes add_octaves(lanes sum, lanes x, lanes base)
{
#if SEGUE_LANES == 16
    const __m512i low = { 0x3e77615c3e75fe66, 0x3e7741433e787142, 0x3e7510eb3e762109, 0x3e7322703e741144,
                          0x3e7178bc3e7244cd, 0x3e7016dc3e70bea0, 0x3e6efffe3e6f81d9, 0x3e6e37723e6e91b7 },
                  high = { 0x3e6dc0b23e6df1a0, 0x3e6d9f5d3e6da51f, 0x3e6dd7393e6dafe6, 0x3e6e6c3b3e6e15d5,
                           0x3e6f62823e6edaf2, 0x3e70be5d3e700376, 0x3e72844a3e7193c7, 0x3e74b8fd3e73907e };
    const lanes log2e = lanes_splat(LANES_LOG2E), start = lanes_splat(LANES_MAGIC / 32) - base,
                least = (base - 120.0f) * 0x1.62e43p-1f;
    x = lanes_most(x, least);
    const lanes magic_n = lanes_fma(x, log2e, start), r = lanes_fma(x, log2e, start - magic_n),
                u = r + 1.44270563f;
    const lanes_bits step = (lanes_bits)_mm512_permutex2var_epi32(low, (__m512i)magic_n, high);
    const lanes power = (lanes)(step + ((lanes_bits)magic_n << 18));
    return lanes_fma(power, lanes_fma(u, u, lanes_splat(2.08130789f)), sum);
#else
    return sum + exp_above(x, base); /* not used */
#endif
}

INLINE lanes add_mass(lanes sum, lanes x, lanes base, int octaves)
{
    return octaves ? add_octaves(sum, x, base) : sum + exp_above(x, base);
}

/* A base for what is not much above x, and whether it still will do. */
INLINE float base_of(float x, int octaves)
{
    return octaves ? rintf(x * LANES_LOG2E) : x;
}
INLINE int is_base(float base, float x, int octaves)
{
    return octaves ? x * LANES_LOG2E <= base + 1.5f : x <= base + 1;
}
/* What a sum from base `from` is multiplied by to be one from base `to`. */
INLINE double rebased(float from, float to, int octaves)
{
    const double d = (double)from - (double)to;
    return octaves ? exp2(d) : exp(d);
}

#endif
