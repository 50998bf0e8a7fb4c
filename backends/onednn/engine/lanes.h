/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The lane layer: SEGUE_LANES floats at once, whatever the instruction set. Only files that are built once per
 * instruction set include it; SEGUE_ISA (base, avx2, avx512) is part of their symbols' names.
 * Products and sums are fused where lanes_fma says so and nowhere else (-ffp-contract=off): a kernel's bits
 * must not depend on how the compiler unrolled it. */
#ifndef SEGUE_ENGINE_LANES_H
#define SEGUE_ENGINE_LANES_H

#include <stdint.h>
#include <string.h>
#if SEGUE_LANES > 4
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define SEGUE_ISA_JOIN_(name, isa) name##_##isa
#define SEGUE_ISA_JOIN(name, isa) SEGUE_ISA_JOIN_(name, isa)
#define SEGUE_ISA_NAME(name) SEGUE_ISA_JOIN(name, SEGUE_ISA)

#define LANES SEGUE_LANES
#define INLINE static inline __attribute__((always_inline, unused))

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t lanes_int __attribute__((vector_size(4 * LANES)));
typedef uint32_t lanes_bits __attribute__((vector_size(4 * LANES)));
typedef uint16_t lanes_half __attribute__((vector_size(2 * LANES)));
typedef float lanes_anywhere __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint16_t half_anywhere __attribute__((vector_size(2 * LANES), aligned(2), may_alias));

INLINE lanes lanes_load(const float *p)
{
    return *(const lanes_anywhere *)p;
}
INLINE void lanes_store(float *p, lanes v)
{
    *(lanes_anywhere *)p = v;
}
INLINE lanes lanes_splat(float x)
{
    return x - (lanes){ 0 };
}
INLINE lanes lanes_select(lanes_int mask, lanes yes, lanes no)
{
    return (lanes)((mask & (lanes_int)yes) | (~mask & (lanes_int)no));
}
INLINE lanes lanes_abs(lanes x)
{
    return (lanes)((lanes_int)x & 0x7fffffff);
}

/* lanes_fma: a * b + c, rounded once where the machine can. The unpacks work within each 128-bit quarter, as
 * the instructions do: lo and hi interleave its lower or upper two floats, front and back take its lower or
 * upper pairs, even and odd its floats of even or odd number. lower and upper take whole halves. lanes_turn:
 * lane LANES / 4 k + i comes from place k of quarter i. lanes_quarters fills the quarters from addresses
 * pitch floats apart. stream: past the caches, to aligned addresses. lanes_if_less: a < b ? yes : no.
 * lanes_larger: the larger of two. lanes_all_less: whether a < b everywhere. some: the first count < LANES
 * only; the rest is 0. */
#if SEGUE_LANES == 16
INLINE lanes lanes_if_less(lanes a, lanes b, lanes yes, lanes no)
{
    return (lanes)_mm512_mask_blend_ps(_mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ), (__m512)no,
                                       (__m512)yes);
}
INLINE lanes_int lanes_larger(lanes_int a, lanes_int b)
{
    return (lanes_int)_mm512_max_epi32((__m512i)a, (__m512i)b);
}
INLINE int lanes_all_less(lanes a, lanes b)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ) == 0xffff;
}
INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return (lanes)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
INLINE lanes lanes_lo(lanes a, lanes b)
{
    return (lanes)_mm512_unpacklo_ps((__m512)a, (__m512)b);
}
INLINE lanes lanes_hi(lanes a, lanes b)
{
    return (lanes)_mm512_unpackhi_ps((__m512)a, (__m512)b);
}
INLINE lanes lanes_front(lanes a, lanes b)
{
    return (lanes)_mm512_unpacklo_pd((__m512d)a, (__m512d)b);
}
INLINE lanes lanes_back(lanes a, lanes b)
{
    return (lanes)_mm512_unpackhi_pd((__m512d)a, (__m512d)b);
}
INLINE lanes lanes_lower(lanes a, lanes b)
{
    return (lanes)_mm512_shuffle_f32x4((__m512)a, (__m512)b, 0x44);
}
INLINE lanes lanes_upper(lanes a, lanes b)
{
    return (lanes)_mm512_shuffle_f32x4((__m512)a, (__m512)b, 0xee);
}
INLINE lanes lanes_even(lanes a, lanes b)
{
    return (lanes)_mm512_shuffle_ps((__m512)a, (__m512)b, 0x88);
}
INLINE lanes lanes_odd(lanes a, lanes b)
{
    return (lanes)_mm512_shuffle_ps((__m512)a, (__m512)b, 0xdd);
}
INLINE lanes lanes_turn(lanes v)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return (lanes)_mm512_permutexvar_ps(order, (__m512)v);
}
INLINE lanes lanes_load_some(const float *p, int64_t count)
{
    return (lanes)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
}
INLINE void lanes_store_some(float *p, int64_t count, lanes v)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v);
}
INLINE lanes lanes_quarters(const float *p, int64_t pitch)
{
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(p));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(p + pitch), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(p + 2 * pitch), 2);
    return (lanes)_mm512_insertf32x4(v, _mm_loadu_ps(p + 3 * pitch), 3);
}
INLINE void lanes_put_quarters(float *p, int64_t pitch, lanes v)
{
    _mm_storeu_ps(p, _mm512_castps512_ps128((__m512)v));
    _mm_storeu_ps(p + pitch, _mm512_extractf32x4_ps((__m512)v, 1));
    _mm_storeu_ps(p + 2 * pitch, _mm512_extractf32x4_ps((__m512)v, 2));
    _mm_storeu_ps(p + 3 * pitch, _mm512_extractf32x4_ps((__m512)v, 3));
}
INLINE void lanes_stream(float *p, lanes v)
{
    _mm512_stream_ps(p, (__m512)v);
}
INLINE void half_stream(uint16_t *p, lanes_half v)
{
    _mm256_stream_si256((__m256i *)(void *)p, (__m256i)v);
}
INLINE lanes lanes_from_f16(lanes_half h)
{
    return (lanes)_mm512_cvtph_ps((__m256i)h);
}
INLINE lanes_half lanes_to_f16(lanes x)
{
    return (lanes_half)_mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT);
}
#elif SEGUE_LANES == 8
INLINE lanes lanes_if_less(lanes a, lanes b, lanes yes, lanes no)
{
    return (lanes)_mm256_blendv_ps((__m256)no, (__m256)yes, _mm256_cmp_ps((__m256)a, (__m256)b, _CMP_LT_OQ));
}
INLINE lanes_int lanes_larger(lanes_int a, lanes_int b)
{
    return (lanes_int)_mm256_max_epi32((__m256i)a, (__m256i)b);
}
INLINE int lanes_all_less(lanes a, lanes b)
{
    return _mm256_movemask_ps(_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_LT_OQ)) == 0xff;
}
INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return (lanes)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
INLINE lanes lanes_lo(lanes a, lanes b)
{
    return (lanes)_mm256_unpacklo_ps((__m256)a, (__m256)b);
}
INLINE lanes lanes_hi(lanes a, lanes b)
{
    return (lanes)_mm256_unpackhi_ps((__m256)a, (__m256)b);
}
INLINE lanes lanes_front(lanes a, lanes b)
{
    return (lanes)_mm256_unpacklo_pd((__m256d)a, (__m256d)b);
}
INLINE lanes lanes_back(lanes a, lanes b)
{
    return (lanes)_mm256_unpackhi_pd((__m256d)a, (__m256d)b);
}
INLINE lanes lanes_lower(lanes a, lanes b)
{
    return (lanes)_mm256_permute2f128_ps((__m256)a, (__m256)b, 0x20);
}
INLINE lanes lanes_upper(lanes a, lanes b)
{
    return (lanes)_mm256_permute2f128_ps((__m256)a, (__m256)b, 0x31);
}
INLINE lanes lanes_even(lanes a, lanes b)
{
    return (lanes)_mm256_shuffle_ps((__m256)a, (__m256)b, 0x88);
}
INLINE lanes lanes_odd(lanes a, lanes b)
{
    return (lanes)_mm256_shuffle_ps((__m256)a, (__m256)b, 0xdd);
}
INLINE lanes lanes_turn(lanes v)
{
    return (lanes)_mm256_permutevar8x32_ps((__m256)v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
INLINE __m256i lanes_first(int64_t count)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE lanes lanes_load_some(const float *p, int64_t count)
{
    return (lanes)_mm256_maskload_ps(p, lanes_first(count));
}
INLINE void lanes_store_some(float *p, int64_t count, lanes v)
{
    _mm256_maskstore_ps(p, lanes_first(count), (__m256)v);
}
INLINE lanes lanes_quarters(const float *p, int64_t pitch)
{
    return (lanes)_mm256_loadu2_m128(p + pitch, p);
}
INLINE void lanes_put_quarters(float *p, int64_t pitch, lanes v)
{
    _mm256_storeu2_m128(p + pitch, p, (__m256)v);
}
INLINE void lanes_stream(float *p, lanes v)
{
    _mm256_stream_ps(p, (__m256)v);
}
INLINE void half_stream(uint16_t *p, lanes_half v)
{
    _mm_stream_si128((__m128i *)(void *)p, (__m128i)v);
}
INLINE lanes lanes_from_f16(lanes_half h)
{
    return (lanes)_mm256_cvtph_ps((__m128i)h);
}
INLINE lanes_half lanes_to_f16(lanes x)
{
    return (lanes_half)_mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT);
}
#else
INLINE lanes lanes_if_less(lanes a, lanes b, lanes yes, lanes no)
{
    return lanes_select(a < b, yes, no);
}
INLINE lanes_int lanes_larger(lanes_int a, lanes_int b)
{
    return (lanes_int)lanes_select(a > b, (lanes)a, (lanes)b);
}
INLINE int lanes_all_less(lanes a, lanes b)
{
    lanes_int mask = a < b;
    return (mask[0] & mask[1] & mask[2] & mask[3]) != 0;
}
#ifdef __aarch64__
INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return (lanes)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
#else
INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return a * b + c;
}
#endif
INLINE lanes lanes_even(lanes a, lanes b)
{
    return __builtin_shufflevector(a, b, 0, 2, 4, 6);
}
INLINE lanes lanes_odd(lanes a, lanes b)
{
    return __builtin_shufflevector(a, b, 1, 3, 5, 7);
}
INLINE lanes lanes_turn(lanes v)
{
    return v;
}
INLINE lanes lanes_load_some(const float *p, int64_t count)
{
    float all[LANES] = { 0 };
    memcpy(all, p, (size_t)count * sizeof *p);
    return lanes_load(all);
}
INLINE void lanes_store_some(float *p, int64_t count, lanes v)
{
    memcpy(p, &v, (size_t)count * sizeof *p);
}
INLINE lanes lanes_quarters(const float *p, int64_t pitch)
{
    return (void)pitch, lanes_load(p);
}
INLINE void lanes_put_quarters(float *p, int64_t pitch, lanes v)
{
    (void)pitch, lanes_store(p, v);
}
INLINE void lanes_stream(float *p, lanes v)
{
    lanes_store(p, v);
}
INLINE void half_stream(uint16_t *p, lanes_half v)
{
    *(half_anywhere *)p = v;
}
INLINE lanes lanes_lo(lanes a, lanes b)
{
    return __builtin_shufflevector(a, b, 0, 4, 1, 5);
}
INLINE lanes lanes_hi(lanes a, lanes b)
{
    return __builtin_shufflevector(a, b, 2, 6, 3, 7);
}
INLINE lanes lanes_front(lanes a, lanes b)
{
    return __builtin_shufflevector(a, b, 0, 1, 4, 5);
}
INLINE lanes lanes_back(lanes a, lanes b)
{
    return __builtin_shufflevector(a, b, 2, 3, 6, 7);
}

/* Both ways by arithmetic on normal numbers only, since denormals may be flushed here: a subnormal half is the
 * difference of two floats near 2^-14, and comes back as the low bits of a sum with 0.5. */
INLINE lanes lanes_from_f16(lanes_half h)
{
    lanes_bits w = __builtin_convertvector(h, lanes_bits), sign = (w & 0x8000) << 16, body = (w & 0x7fff) << 13;
    lanes_bits exponent = body & 0x0f800000, normal = body + (112u << 23);
    lanes_bits special = (lanes_bits)(exponent == 0x0f800000) & (112u << 23);
    lanes tiny = (lanes)(body + (113u << 23)) - 0x1p-14f;
    return (lanes)(sign | (lanes_bits)lanes_select(exponent == 0, tiny, (lanes)(normal + special)));
}
INLINE lanes_half lanes_to_f16(lanes x)
{
    lanes_bits w = (lanes_bits)x, sign = w & 0x80000000u, body = w ^ sign;
    lanes_bits normal = (body + 0x0fff + ((body >> 13) & 1) - (112u << 23)) >> 13;
    lanes_bits tiny = (lanes_bits)((lanes)body + 0.5f) - 0x3f000000u;
    lanes_bits nan = 0x7e00 | ((body >> 13) & 0x3ff);
    lanes_bits r = (lanes_bits)lanes_select((lanes_int)(body < (113u << 23)), (lanes)tiny, (lanes)normal);
    r = (lanes_bits)lanes_select((lanes_int)(body >= 0x477ff000u),
                                 (lanes)(lanes_bits){ 0x7c00, 0x7c00, 0x7c00, 0x7c00 }, (lanes)r);
    r = (lanes_bits)lanes_select((lanes_int)(body > 0x7f800000u), (lanes)nan, (lanes)r);
    return __builtin_convertvector(r | (sign >> 16), lanes_half);
}
#endif

INLINE lanes lanes_from_bf16(lanes_half h)
{
    return (lanes)(__builtin_convertvector(h, lanes_bits) << 16);
}
INLINE lanes_half lanes_to_bf16(lanes x)
{
    lanes_bits w = (lanes_bits)x, rounded = (w + 0x7fff + ((w >> 16) & 1)) >> 16;
    lanes_bits quiet = (w >> 16) | 0x40;
    return __builtin_convertvector((lanes_bits)lanes_select((lanes_int)(x != x), (lanes)quiet, (lanes)rounded),
                                   lanes_half);
}

/* Within each quarter: row i of the four becomes column i. */
INLINE void lanes_transpose4(lanes v[4])
{
    lanes a = lanes_lo(v[0], v[1]), b = lanes_hi(v[0], v[1]), c = lanes_lo(v[2], v[3]),
          d = lanes_hi(v[2], v[3]);
    v[0] = lanes_front(a, c);
    v[1] = lanes_back(a, c);
    v[2] = lanes_front(b, d);
    v[3] = lanes_back(b, d);
}

/* Four floats of each of LANES columns, whose addresses lie pitch floats apart, to four rows; and back. */
INLINE void lanes_load4(lanes out[4], const float *p, int64_t pitch)
{
    for (int i = 0; i < 4; i++) out[i] = lanes_quarters(p + i * pitch, 4 * pitch);
    lanes_transpose4(out);
}
INLINE void lanes_store4(float *p, int64_t pitch, lanes in[4])
{
    lanes_transpose4(in);
    for (int i = 0; i < 4; i++) lanes_put_quarters(p + i * pitch, 4 * pitch, in[i]);
}

/* ---- sums of products ----------------------------------------------------------------------------------- */

/* The sum of LANES products h c in one order for two places where they may lie, with the same bits: products
 * i, i + 4, i + 8, ... are fused into one of four sums, and these make (0 + 2) + (1 + 3). side: the products
 * lie in LANES vectors, one sum in each lane: lanes_fma does it. across: each of LANES vectors is to be
 * summed up by itself: lanes_dot_across, which wants c with its quarters turned, makes quarters of their
 * four sums, lanes_dot_quarters lanes. */
#if SEGUE_LANES == 16
/* Quarter i of out[k] is quarter k of v[i]. */
INLINE void lanes_turn_quarters(const lanes v[4], lanes out[4])
{
    lanes a = lanes_lower(v[0], v[1]), b = lanes_lower(v[2], v[3]), c = lanes_upper(v[0], v[1]),
          d = lanes_upper(v[2], v[3]);
    out[0] = (lanes)_mm512_shuffle_f32x4((__m512)a, (__m512)b, 0x88);
    out[1] = (lanes)_mm512_shuffle_f32x4((__m512)a, (__m512)b, 0xdd);
    out[2] = (lanes)_mm512_shuffle_f32x4((__m512)c, (__m512)d, 0x88);
    out[3] = (lanes)_mm512_shuffle_f32x4((__m512)c, (__m512)d, 0xdd);
}
#elif SEGUE_LANES == 8
INLINE void lanes_turn_quarters(const lanes v[2], lanes out[2])
{
    out[0] = lanes_lower(v[0], v[1]);
    out[1] = lanes_upper(v[0], v[1]);
}
#else
INLINE void lanes_turn_quarters(const lanes v[1], lanes out[1])
{
    out[0] = v[0];
}
#endif
INLINE lanes lanes_dot_across(const lanes *h, const lanes *turned_c)
{
    lanes p[LANES / 4];
    lanes_turn_quarters(h, p);
    lanes sum = p[0] * turned_c[0];
    for (int i = 1; i < LANES / 4; i++) sum = lanes_fma(p[i], turned_c[i], sum);
    return sum;
}
/* The sums of four vectors, in each quarter of the result. */
INLINE lanes lanes_four_sums(const lanes v[4])
{
    lanes a = lanes_lo(v[0], v[1]) + lanes_hi(v[0], v[1]), b = lanes_lo(v[2], v[3]) + lanes_hi(v[2], v[3]);
    lanes sum = lanes_front(a, b) + lanes_back(a, b);
#if SEGUE_LANES == 16
    sum += (lanes)_mm512_shuffle_f32x4((__m512)sum, (__m512)sum, 0x4e);
    sum += (lanes)_mm512_shuffle_f32x4((__m512)sum, (__m512)sum, 0xb1);
#elif SEGUE_LANES == 8
    sum += (lanes)_mm256_permute2f128_ps((__m256)sum, (__m256)sum, 1);
#endif
    return sum;
}
/* w[k] holds LANES / 4 of them, as lanes_dot_across made them of vectors LANES / 4 k and on. */
INLINE lanes lanes_dot_quarters(const lanes w[4])
{
    lanes a = lanes_front(w[0], w[1]) + lanes_back(w[0], w[1]);
    lanes b = lanes_front(w[2], w[3]) + lanes_back(w[2], w[3]);
    return lanes_turn(lanes_even(a, b) + lanes_odd(a, b));
}

/* ---- exp2, exp, softplus, silu -------------------------------------------------------------------------- */

#define LANES_MAGIC 0x1.8p23f /* x + magic has the nearest integer of x in its low bits */
#define LANES_LOG2E 0x1.715476p0f

/* 2^(n + r), |r| <= 1/2, n in the low bits of magic_n; right for -126 <= n + r < 128. Minimax with the constant
 * term held at 1, so that decays near 1 stay exact; 0.8 ulp before rounding. */
INLINE lanes lanes_exp2_near(lanes magic_n, lanes r)
{
    lanes p = lanes_fma(lanes_splat(0.00132694072f), r, lanes_splat(0.00967129413f));
    p = lanes_fma(p, r, lanes_splat(0.0555071123f));
    p = lanes_fma(p, r, lanes_splat(0.240222469f));
    p = lanes_fma(p, r, lanes_splat(0.693147004f));
    p = lanes_fma(p, r, lanes_splat(1.0f));
    return (lanes)((lanes_bits)p + ((lanes_bits)magic_n << 23));
}

/* The same with LANES_STEPS powers of 2 from a table in a register: n is a multiple of 1 / LANES_STEPS, |r|
 * <= 1/2 of that, magic_n = n + LANES_FINE_MAGIC. The table has 2^(k / LANES_STEPS), less what k adds when
 * all of n and the 64 of LANES_FINE_MAGIC are shifted into the exponent. Three terms then leave 0.2 ulp
 * beside the table's 0.5. The first of them must be ln 2 itself: two terms fit the interval as well with
 * another, but decays near 1 would all lean to one side. One product fewer than above on the ports that
 * bound the scan, and a shorter chain: 0.92 of the time. Right for -126 <= n + r < 128 - 1 / LANES_STEPS. */
#if SEGUE_LANES == 16
#define LANES_STEPS 16
INLINE lanes lanes_exp2_fine(lanes magic_n, lanes r)
{
    const __m512i table = { 0x1f7daac31f800000, 0x1f79c3d31f7b95c2, 0x1f76f5321f7837f0, 0x1f75583f1f75fed7,
                            0x1f7508a41f7504f3, 0x1f76248c1f75672a, 0x1f78ccdf1f7744fd, 0x1f7d257d1f7ac0c7 };
    lanes_bits step = (lanes_bits)_mm512_permutexvar_epi32((__m512i)magic_n, table);
    lanes power = (lanes)(step + ((lanes_bits)magic_n << 19));
    lanes q = lanes_fma(lanes_splat(0.0555041087f), r, lanes_splat(0.240234286f));
    q = lanes_fma(q, r, lanes_splat(0.693147181f));
    return lanes_fma(power, q * r, power);
}
#elif SEGUE_LANES == 8
#define LANES_STEPS 8
INLINE lanes lanes_exp2_fine(lanes magic_n, lanes r)
{
    const __m256i table = { 0x1f7b95c21f800000, 0x1f75fed71f7837f0, 0x1f75672a1f7504f3, 0x1f7ac0c71f7744fd };
    lanes_bits step = (lanes_bits)_mm256_permutevar8x32_epi32(table, (__m256i)magic_n);
    lanes power = (lanes)(step + ((lanes_bits)magic_n << 20));
    lanes q = lanes_fma(lanes_splat(0.0555041087f), r, lanes_splat(0.240257632f));
    q = lanes_fma(q, r, lanes_splat(0.693147181f));
    return lanes_fma(power, q * r, power);
}
#else
#define LANES_STEPS 1
INLINE lanes lanes_exp2_fine(lanes magic_n, lanes r)
{
    return lanes_exp2_near(magic_n, r);
}
#endif
/* 64 more, which the tables take back: exponents from -64 to 64 then count up from 0 in its low bits. */
#define LANES_FINE_MAGIC (LANES_MAGIC / LANES_STEPS + (LANES_STEPS > 1 ? 64.0f : 0.0f))
/* The largest magic_n of a finite power: what exceeds it is left to r. */
#define LANES_FINE_TOP (LANES_FINE_MAGIC + (LANES_STEPS > 1 ? 128.0f - 1.0f / LANES_STEPS : 128.0f))

/* What lanes_exp2_fine cannot do: 0 below 2^-126, infinity from 2^128, NaN of NaN. t is the whole exponent. */
INLINE lanes lanes_exp2_guard(lanes t, lanes fine)
{
    fine = lanes_if_less(t, lanes_splat(-126.0f), (lanes){ 0 }, fine);
    return lanes_if_less(t, lanes_splat(128.0f), fine, t + lanes_splat(__builtin_inff()));
}

/* The multiple of 1 / LANES_STEPS nearest to t, plus LANES_FINE_MAGIC. */
INLINE lanes lanes_nearest(lanes t)
{
    lanes magic_n = t + LANES_FINE_MAGIC, top = lanes_splat(LANES_FINE_TOP);
    return lanes_if_less(top, magic_n, top, magic_n);
}

INLINE lanes lanes_exp2(lanes x)
{
    lanes magic_n = lanes_nearest(x);
    return lanes_exp2_guard(x, lanes_exp2_fine(magic_n, x - (magic_n - LANES_FINE_MAGIC)));
}

/* 2^(a b) for |a b| < 126. */
INLINE lanes lanes_exp2_product(lanes a, lanes b)
{
    lanes x = a * b, magic_n = x + LANES_FINE_MAGIC;
    return lanes_exp2_fine(magic_n, x - (magic_n - LANES_FINE_MAGIC));
}
/* Whether lanes_exp2_product holds for all of a[i] b[i]; never with a NaN. With a table it says no from 64
 * on: the bits of all magic_n above those that count then have to be one constant's. */
INLINE int lanes_four_within_reach(const lanes a[4], const lanes b[4])
{
#if SEGUE_LANES == 4
    lanes_int largest = { 0 };
    for (int i = 0; i < 4; i++) largest = lanes_larger(largest, (lanes_int)lanes_abs(a[i] * b[i]));
    return lanes_all_less((lanes)largest, lanes_splat(126.0f));
#else
    lanes_bits n[4], start = (lanes_bits)lanes_splat(LANES_MAGIC / LANES_STEPS);
    for (int i = 0; i < 4; i++) n[i] = (lanes_bits)(a[i] * b[i] + LANES_FINE_MAGIC);
#if SEGUE_LANES == 16 /* 0x7e: bits that are not the same in all three */
    __m512i low = _mm512_ternarylogic_epi32((__m512i)n[0], (__m512i)n[1], (__m512i)start, 0x7e),
            high = _mm512_ternarylogic_epi32((__m512i)n[2], (__m512i)n[3], (__m512i)start, 0x7e);
    return !_mm512_test_epi32_mask(low | high, _mm512_set1_epi32(-128 * LANES_STEPS));
#else
    __m256i differ = (__m256i)((n[0] ^ start) | (n[1] ^ start) | (n[2] ^ start) | (n[3] ^ start));
    return _mm256_testz_si256(differ, _mm256_set1_epi32(-128 * LANES_STEPS));
#endif
#endif
}
/* The same for any a b, with the same bits where both hold. */
INLINE lanes lanes_exp2_product_any(lanes a, lanes b)
{
    return lanes_exp2(a * b);
}

/* e^x = 2^t. Cody and Waite: ln 2 in two parts, the first so short that its product with n is exact. */
INLINE lanes lanes_exp_near(lanes x, lanes magic_n)
{
    lanes n = magic_n - LANES_FINE_MAGIC;
    lanes r = lanes_fma(n, lanes_splat(-0x1.63p-1f), x);
    r = lanes_fma(n, lanes_splat(0x1.bd0106p-13f), r);
    return lanes_exp2_fine(magic_n, r * LANES_LOG2E);
}

INLINE lanes lanes_exp(lanes x)
{
    lanes t = x * LANES_LOG2E;
    return lanes_exp2_guard(t, lanes_exp_near(x, lanes_nearest(t)));
}

/* log(1 + e), 0 <= e <= 1, as e - e^2 p(e): its relative error, 0.3 ulp before rounding, stays small however
 * small e is. No division: it would cost as much as all the rest. In pairs: one chain of products would be
 * waited for. */
INLINE lanes lanes_log1p_unit(lanes e)
{
    lanes square = e * e;
    lanes p = lanes_fma(lanes_splat(-0.33321324f), e, lanes_splat(0.499996483f));
    lanes q = lanes_fma(lanes_splat(-0.191536561f), e, lanes_splat(0.248571634f));
    lanes r = lanes_fma(lanes_splat(-0.0792045593f), e, lanes_splat(0.137538046f));
    lanes s = lanes_fma(lanes_splat(-0.00536482828f), e, lanes_splat(0.0300658066f));
    p = lanes_fma(q, square, p);
    r = lanes_fma(s, square, r);
    return lanes_fma(-square, lanes_fma(r, square * square, p), e);
}

/* log(1 + exp(x)). From 20 on the second term rounds away: that is the branch x > 20 -> x. */
INLINE lanes lanes_softplus(lanes x)
{
    lanes down = -lanes_abs(x), t = down * LANES_LOG2E, zero = { 0 };
    lanes e = lanes_exp_near(down, t + LANES_FINE_MAGIC);
    e = lanes_if_less(t, lanes_splat(-126.0f), zero, e);
    return lanes_if_less(x, zero, zero, x) + lanes_log1p_unit(e); /* NaN: as it is */
}

INLINE lanes lanes_silu(lanes x)
{
    return x / (lanes_exp(-x) + 1.0f);
}

#endif
