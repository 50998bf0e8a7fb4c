/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Products of small matrices in registers, built once per instruction set. Columns lie in lanes, up to WIDEST vectors of
 * them; BLOCK rows are summed up at once, each factor of theirs spread over the lanes. So many sums hide the latency of
 * fused products, and a row's factors are read from the first-level cache once for WIDEST vectors: 11 loads for 24
 * products with AVX-512. What lies in lanes must lie packed: [step][nv * LANES]. */
#ifndef SEGUE_ONEDNN_PRODUCT_H
#define SEGUE_ONEDNN_PRODUCT_H

#include "engine/lanes_functions.h"
#include "engine/unroll.h"

#include <string.h>

enum { BLOCK = LANES == 16 ? 8 : 4, WIDEST = 3 };

/* sum + a b. pairs: each float stands for two neighbours in bf16, whose products are added both (AVX512_BF16, written as text:
 * the rest of the code needs no such CPU). */
INLINE lanes product_add(lanes a, lanes b, lanes sum, const int pairs)
{
#if SEGUE_LANES == 16
    if (pairs) {
        __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
        return sum;
    }
#endif
    (void)pairs;
    return lanes_fma(a, b, sum);
}

/* x and y of each lane side by side in bf16. */
INLINE lanes pair_of(lanes x, lanes y)
{
#if SEGUE_LANES == 16
    const __m512i order = { 0x0011000100100000, 0x0013000300120002, 0x0015000500140004, 0x0017000700160006,
                            0x0019000900180008, 0x001b000b001a000a, 0x001d000d001c000c, 0x001f000f001e000e };
    __m512i halves;
    __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(halves) : "v"(x), "v"(y));
    return (lanes)_mm512_permutexvar_epi16(order, halves);
#else
    (void)y;
    return x;
#endif
}

struct product_sums {
    lanes at[BLOCK][WIDEST];
};

/* A number, or a pair, in all lanes: without arithmetic, since a pair may look like a denormal. */
INLINE lanes factor_at(const float *p, const int pairs)
{
    int32_t bits;
    if (!pairs) return lanes_splat(*p);
    memcpy(&bits, p, sizeof bits);
    return (lanes)lanes_int_splat(bits);
}

/* A step: BLOCK factors, row_step apart, times a row of B. */
INLINE void product_step(struct product_sums *s, const float *A, int64_t row_step, const float *B, const int nv,
                         const int pairs)
{
    lanes b[WIDEST];
    UNROLL
    for (int c = 0; c < nv; c++) b[c] = lanes_load(B + c * LANES);
    UNROLL
    for (int u = 0; u < BLOCK; u++) {
        const lanes a = factor_at(A + u * row_step, pairs);
        UNROLL
        for (int c = 0; c < nv; c++) s->at[u][c] = product_add(a, b[c], s->at[u][c], pairs);
    }
}

/* f32 by eight steps at a time: 0.99 of the time; pairs so 1.13. */
INLINE void product_steps(struct product_sums *sums, const float *A, int64_t row_step, int64_t column_step,
                          const float *B, int64_t steps, const int nv, const int pairs)
{
    struct product_sums s = *sums;
    if (pairs) {
        for (int64_t k = 0; k < steps; k++, A += column_step, B += nv * LANES)
            product_step(&s, A, row_step, B, nv, 1);
    } else {
        UNROLL_8
        for (int64_t k = 0; k < steps; k++, A += column_step, B += nv * LANES)
            product_step(&s, A, row_step, B, nv, 0);
    }
    *sums = s;
}

/* sums[u] += sum over k of A[u * pitch + k] B[k]: rows of A as they lie. */
INLINE void product_rows(struct product_sums *sums, const float *A, int64_t pitch, const float *B,
                         int64_t steps, const int nv, const int pairs)
{
    product_steps(sums, A, pitch, 1, B, steps, nv, pairs);
}

/* sums[u] += sum over k of A[k * BLOCK + u] B[k]: the BLOCK rows of A lie side by side. */
INLINE void product_columns(struct product_sums *sums, const float *A, const float *B, int64_t steps,
                            const int nv, const int pairs)
{
    product_steps(sums, A, 1, BLOCK, B, steps, nv, pairs);
}

#endif
