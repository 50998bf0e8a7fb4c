/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the probes time, written once in vectors of BENCH_LANES floats and built for each instruction set as
 * BENCH_ISA. A product and a sum in one expression are fused (-ffp-contract=fast) where the instruction set
 * can. */
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

/* The same with STEPS powers of 2 in a register, n a multiple of 1 / STEPS and |r| half of that: four slots.
 * An entry is 2^(k / STEPS), less what k adds when all of n is shifted into the exponent. */
#if BENCH_LANES == 16
enum { STEPS = 16, STEP_SHIFT = 19 };
static const uint32_t steps[STEPS]
    __attribute__((aligned(64))) = { 0x3f800000, 0x3f7daac3, 0x3f7b95c2, 0x3f79c3d3, 0x3f7837f0, 0x3f76f532,
                                     0x3f75fed7, 0x3f75583f, 0x3f7504f3, 0x3f7508a4, 0x3f75672a, 0x3f76248c,
                                     0x3f7744fd, 0x3f78ccdf, 0x3f7ac0c7, 0x3f7d257d };
INLINE bits step_of(lanes magic_n)
{
    return (bits)_mm512_permutexvar_epi32((__m512i)magic_n, *(const __m512i *)steps);
}
#elif BENCH_LANES == 8
enum { STEPS = 8, STEP_SHIFT = 20 };
static const uint32_t steps[STEPS]
    __attribute__((aligned(64))) = { 0x3f800000, 0x3f7b95c2, 0x3f7837f0, 0x3f75fed7,
                                     0x3f7504f3, 0x3f75672a, 0x3f7744fd, 0x3f7ac0c7 };
INLINE bits step_of(lanes magic_n)
{
    return (bits)_mm256_permutevar8x32_epi32(*(const __m256i *)steps, (__m256i)magic_n);
}
#else
enum { STEPS = 1 };
#endif

/* v[] = 2^(a v[]), step by step of all, since compilers leave the order as it is and a processor that sees
 * only a few chains ahead waits for them. fused: the product is fused with both of its uses: two slots of
 * the FMA ports, one sum. Otherwise one product and three sums, faster where sums have ports of their own. */
#define EACH _Pragma("GCC unroll 8") for (int k = 0; k < ABREAST; k++)
INLINE void exp_of(lanes v[ABREAST], lanes a, int fused, int stepped)
{
    const float magic =
        0x1.8p23f / (stepped ? STEPS : 1); /* x + magic has the nearest multiple in its low bits */
    lanes n[ABREAST], p[ABREAST];
    if (fused) {
        EACH n[k] = v[k] * a + magic;
        EACH p[k] = magic - n[k];
        EACH v[k] = v[k] * a + p[k];
    } else {
        EACH v[k] = v[k] * a;
        EACH __asm__("" : "+" VECTOR_REGISTER(v[k])); /* a number, not half of a fused product */
        EACH n[k] = v[k] + magic;
        EACH p[k] = n[k] - magic;
        EACH v[k] -= p[k];
    }
#if BENCH_LANES > 4
    if (stepped) {
        EACH p[k] = v[k] * 0.0555041087f + 0.240234286f;
        EACH n[k] = (lanes)(step_of(n[k]) + ((bits)n[k] << STEP_SHIFT));
        EACH p[k] = p[k] * v[k] + 0.693147181f;
        EACH p[k] = p[k] * v[k];
        EACH v[k] = n[k] * p[k] + n[k];
        return;
    }
#endif
    EACH p[k] = v[k] * 0.00132694072f + 0.00967129413f;
    EACH p[k] = p[k] * v[k] + 0.0555071123f;
    EACH p[k] = p[k] * v[k] + 0.240222469f;
    EACH p[k] = p[k] * v[k] + 0.693147004f;
    EACH p[k] = p[k] * v[k] + 1.0f;
    EACH v[k] = (lanes)((bits)p[k] + ((bits)n[k] << 23));
}

INLINE void exps_by(float *to, const float *from, int64_t count, int fused, int stepped)
{
    const lanes a = splat(1.25f);
    for (int64_t i = 0; i < count; i += ABREAST * LANES) {
        lanes v[ABREAST];
        EACH v[k] = *(const lanes *)(from + i + k * LANES);
        exp_of(v, a, fused, stepped);
        EACH *(lanes *)(to + i + k * LANES) = v[k];
    }
    forget();
}

static void exps_fused(float *to, const float *from, int64_t count)
{
    exps_by(to, from, count, 1, 0);
}

static void exps_added(float *to, const float *from, int64_t count)
{
    exps_by(to, from, count, 0, 0);
}

#if BENCH_LANES > 4
static void exps_fused_stepped(float *to, const float *from, int64_t count)
{
    exps_by(to, from, count, 1, 1);
}

static void exps_added_stepped(float *to, const float *from, int64_t count)
{
    exps_by(to, from, count, 0, 1);
}
#endif

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
        __asm__ volatile("" : "+r"(to)); /* not forget(): that would put the sums into memory, too */
    }
    for (int k = 0; k < CHAINS; k++) *(lanes *)(to + (CHAINS + k) * LANES) = v[k];
    forget();
}

/* A tile of a matrix product in registers: ROWS x WIDE vectors of sums, DEEP steps. Factors of rows are spread over lanes. With
 * 16 lanes 32 registers hold 24 sums, with fewer 16 registers 12. bf16: each float stands for two factors, whose products one
 * instruction of AVX512_BF16 adds. */
enum { ROWS = BENCH_LANES == 16 ? 8 : 4, WIDE = 3, DEEP = 64 };
INLINE lanes add_products(lanes sum, lanes factor, lanes column, int bf16)
{
#if BENCH_LANES == 16
    if (bf16) {
        __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(factor), "v"(column));
        return sum;
    }
#endif
    (void)bf16;
    return factor * column + sum;
}

INLINE void tile_by(float *memory, int64_t rounds, int bf16)
{
    lanes sum[ROWS][WIDE];
    for (int u = 0; u < ROWS; u++)
        for (int c = 0; c < WIDE; c++) sum[u][c] = splat(0.0f);
    for (int64_t i = 0; i < rounds; i++) {
        const float *b = memory, *a = memory + DEEP * WIDE * LANES;
        for (int k = 0; k < DEEP; k++, a += ROWS, b += WIDE * LANES) {
            lanes column[WIDE];
#pragma GCC unroll 3
            for (int c = 0; c < WIDE; c++) column[c] = *(const lanes *)(b + c * LANES);
#pragma GCC unroll 8
            for (int u = 0; u < ROWS; u++) {
                const lanes factor = splat(a[u]);
#pragma GCC unroll 3
                for (int c = 0; c < WIDE; c++) sum[u][c] = add_products(sum[u][c], factor, column[c], bf16);
            }
        }
        __asm__ volatile("" : "+r"(memory));
    }
    for (int u = 1; u < ROWS; u++)
        for (int c = 0; c < WIDE; c++) sum[0][c] += sum[u][c];
    *(lanes *)(memory + DEEP * (WIDE * LANES + ROWS)) = sum[0][0] + sum[0][1] + sum[0][2];
    forget();
}

static void tile(float *memory, int64_t rounds)
{
    tile_by(memory, rounds, 0);
}

#if BENCH_LANES == 16
static void tile_bf16(float *memory, int64_t rounds)
{
    tile_by(memory, rounds, 1);
}
#endif

enum { PLAIN, STREAMING, AHEAD, AHEAD_BYTES = 1024 };

INLINE void put(float *to, lanes v, int store)
{
#if BENCH_LANES == 16
    if (store == STREAMING) _mm512_stream_ps(to, (__m512)v);
    else *(lanes *)to = v;
#elif BENCH_LANES == 8
    if (store == STREAMING) _mm256_stream_ps(to, (__m256)v);
    else *(lanes *)to = v;
#elif defined(__SSE2__)
    if (store == STREAMING) _mm_stream_ps(to, (__m128)v);
    else *(lanes *)to = v;
#else
    (void)store;
    *(lanes *)to = v;
#endif
}

/* A number, not a pointer: the last ones lead out of the buffer. As text, since compilers ask for a line to
 * be written only where they were told that the processor can; one that cannot does nothing. */
INLINE void own(uintptr_t at)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw (%0)" : : "r"(at));
#else
    __builtin_prefetch((const void *)at, 1, 3);
#endif
}

INLINE void copy_by(float *to, const float *from, int64_t count, int store)
{
    for (int64_t i = 0; i < count; i += ABREAST * LANES) {
        const uintptr_t ahead = (uintptr_t)(to + i) + AHEAD_BYTES;
        for (uintptr_t k = 0; store == AHEAD && k < ABREAST * sizeof(lanes); k += 64) own(ahead + k);
#pragma GCC unroll 4
        for (int k = 0; k < ABREAST; k++)
            put(to + i + k * LANES, *(const lanes *)(from + i + k * LANES), store);
    }
    forget();
}

static void copy(float *to, const float *from, int64_t count)
{
    copy_by(to, from, count, PLAIN);
}

static void copy_streaming(float *to, const float *from, int64_t count)
{
    copy_by(to, from, count, STREAMING);
}

static void copy_ahead(float *to, const float *from, int64_t count)
{
    copy_by(to, from, count, AHEAD);
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

static void update(float *state, int64_t count)
{
    for (int64_t i = 0; i < count; i += ABREAST * LANES) {
        lanes v[ABREAST];
        EACH v[k] = *(const lanes *)(state + i + k * LANES);
        EACH __asm__("" : "+" VECTOR_REGISTER(v[k])); /* or nothing would be stored */
        EACH *(lanes *)(state + i + k * LANES) = v[k];
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
#if BENCH_LANES > 4
    .exps = { exps_fused, exps_added, exps_fused_stepped, exps_added_stepped },
#else
    .exps = { exps_fused, exps_added },
#endif
    .fma = { fma_registers, fma_memory },
#if BENCH_LANES == 16
    .tile = { tile, tile_bf16 },
#else
    .tile = { tile },
#endif
    .tile_products = (int64_t)DEEP * ROWS * WIDE * LANES,
    .copy = { copy, copy_streaming, copy_ahead },
    .read = read_only,
    .update = update,
    .settle = settle,
};
