/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the probes time, written once in vectors of BENCH_LANES floats and built for each instruction set as BENCH_ISA. A
 * product and a sum in one expression are fused (-ffp-contract=fast) where the instruction set can. */
#include "bench_lanes.h"

#if BENCH_LANES > 4 || defined(__SSE2__)
#include <immintrin.h>
#endif

#if BENCH_LANES == 16
#define VECTOR_REGISTER "v"
#elif defined(__SSE2__)
#define VECTOR_REGISTER "x"
#elif defined(__aarch64__)
#define VECTOR_REGISTER "w"
#else
#define VECTOR_REGISTER "m"
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define INLINE static inline __attribute__((always_inline))

enum { LANES = BENCH_LANES, ABREAST = 4, CHAINS = 12 };

typedef float lanes __attribute__((vector_size(4 * BENCH_LANES), may_alias));
typedef uint32_t bits __attribute__((vector_size(4 * BENCH_LANES)));

INLINE lanes splat(float x)
{
    return x - (lanes){ 0 };
}

/* Nothing may be kept from one round to the next. */
INLINE void forget(void)
{
    __asm__ volatile("" ::: "memory");
}

/* 2^r for |r| <= 1/2, times 2^n with n in the low bits of magic_n; five fused products. Minimax, as in any library. */
INLINE lanes power(lanes magic_n, lanes r)
{
    lanes p = r * 0.00132694072f + 0.00967129413f;
    p = p * r + 0.0555071123f;
    p = p * r + 0.240222469f;
    p = p * r + 0.693147004f;
    p = p * r + 1.0f;
    return (lanes)((bits)p + ((bits)magic_n << 23));
}

#define MAGIC 0x1.8p23f /* x + MAGIC has the nearest integer of x in its low bits */

/* 2^(a x) where the product is fused with both of its uses: seven slots of the FMA ports, one sum. */
INLINE lanes exp_fused(lanes x, lanes a)
{
    lanes n = x * a + MAGIC;
    return power(n, x * a + (MAGIC - n));
}

/* 2^(a x) by one product and three sums: six slots, faster where sums have ports of their own. */
INLINE lanes exp_added(lanes x, lanes a)
{
    lanes t = x * a;
    __asm__("" : "+" VECTOR_REGISTER(t)); /* t is a number, not half of a fused product */
    lanes n = t + MAGIC;
    return power(n, t - (n - MAGIC));
}

INLINE void exps_by(float *to, const float *from, int64_t count, int added)
{
    const lanes a = splat(1.25f);
    for (int64_t i = 0; i < count; i += ABREAST * LANES) {
        lanes v[ABREAST];
#pragma GCC unroll 4
        for (int k = 0; k < ABREAST; k++) {
            const lanes x = *(const lanes *)(from + i + k * LANES);
            v[k] = added ? exp_added(x, a) : exp_fused(x, a);
        }
#pragma GCC unroll 4
        for (int k = 0; k < ABREAST; k++) *(lanes *)(to + i + k * LANES) = v[k];
    }
    forget();
}

static void exps_fused(float *to, const float *from, int64_t count)
{
    exps_by(to, from, count, 0);
}

static void exps_added(float *to, const float *from, int64_t count)
{
    exps_by(to, from, count, 1);
}

/* As many chains as hide the latency, all in registers. */
static void fma_registers(float *to, int64_t rounds)
{
    const lanes m = splat(0.9999f), c = splat(1e-5f);
    lanes v[CHAINS];
#pragma GCC unroll 12
    for (int k = 0; k < CHAINS; k++) v[k] = splat(0.1f * (float)k);
    for (int64_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (int k = 0; k < CHAINS; k++) v[k] = v[k] * m + c;
    }
    for (int k = 0; k < CHAINS; k++) *(lanes *)(to + k * LANES) = v[k];
    forget();
}

/* The same with a factor from the first cache. */
static void fma_memory(float *to, int64_t rounds)
{
    const lanes m = splat(0.9999f);
    lanes v[CHAINS];
#pragma GCC unroll 12
    for (int k = 0; k < CHAINS; k++) v[k] = splat(0.0f);
    for (int64_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (int k = 0; k < CHAINS; k++) v[k] = *(const lanes *)(to + k * LANES) * m + v[k];
        forget();
    }
    for (int k = 0; k < CHAINS; k++) *(lanes *)(to + (CHAINS + k) * LANES) = v[k];
    forget();
}

INLINE void put(float *to, lanes v, int streaming)
{
#if BENCH_LANES == 16
    if (streaming) _mm512_stream_ps(to, (__m512)v);
    else *(lanes *)to = v;
#elif BENCH_LANES == 8
    if (streaming) _mm256_stream_ps(to, (__m256)v);
    else *(lanes *)to = v;
#elif defined(__SSE2__)
    if (streaming) _mm_stream_ps(to, (__m128)v);
    else *(lanes *)to = v;
#else
    (void)streaming;
    *(lanes *)to = v;
#endif
}

INLINE void copy_by(float *to, const float *from, int64_t count, int streaming)
{
    for (int64_t i = 0; i < count; i += ABREAST * LANES) {
#pragma GCC unroll 4
        for (int k = 0; k < ABREAST; k++)
            put(to + i + k * LANES, *(const lanes *)(from + i + k * LANES), streaming);
    }
    forget();
}

static void copy(float *to, const float *from, int64_t count)
{
    copy_by(to, from, count, 0);
}

static void copy_streaming(float *to, const float *from, int64_t count)
{
    copy_by(to, from, count, 1);
}

static void read_only(float *to, const float *from, int64_t count)
{
    lanes v[ABREAST] = { { 0 } };
    for (int64_t i = 0; i < count; i += ABREAST * LANES) {
#pragma GCC unroll 4
        for (int k = 0; k < ABREAST; k++) v[k] += *(const lanes *)(from + i + k * LANES);
    }
    *(lanes *)to = v[0] + v[1] + v[2] + v[3];
    forget();
}

static void update(float *state, const float *factor, int64_t count)
{
    for (int64_t i = 0; i < count; i += ABREAST * LANES) {
#pragma GCC unroll 4
        for (int k = 0; k < ABREAST; k++) {
            lanes *const at = (lanes *)(state + i + k * LANES);
            *at = *at * 0.5f + *(const lanes *)(factor + i + k * LANES);
        }
    }
    forget();
}

static void settle(void)
{
#if defined(__SSE2__)
    _mm_sfence(); /* what was streamed has arrived */
#endif
}

const struct bench_lanes JOIN(bench_lanes_, BENCH_ISA) = {
    .lanes = LANES,
    .chains = CHAINS,
    .exps = { exps_fused, exps_added },
    .fma = { fma_registers, fma_memory },
    .copy = { copy, copy_streaming },
    .read = read_only,
    .update = update,
    .settle = settle,
};
