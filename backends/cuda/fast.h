/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* More words, for the kernels of this folder: 16-byte accesses, lanes, approximate functions. Comes behind
 * words.h, in front of <row>.args.h and <row>.cu. Compute capability 8.0 and later. Where fast_fibre.h came
 * first, kernels run as fibres.
 *
 * QUAD, four u32: LOAD_QUAD(p) and STORE_QUAD(p, q) move 16 bytes, which p is aligned to, QUAD_WORD(q, i) takes
 * one, quad_of(a, b, c, d) makes one. PACK_F16(lo, hi), PACK_BF16(lo, hi): two numbers rounded into a u32.
 * EXP2_FAST, RCP_FAST: off by 2^-22 and 2^-23 of the result, subnormals become zero. SHUFFLE_XOR(x, mask),
 * SHUFFLE_UP(x, by): x of the item with another number among the same 32; all items of the group call it
 * together. They order no memory: WARP_BARRIER() does, LOCAL among these 32, and all call it, too. */
#ifndef FAST_WORDS
typedef uint4 QUAD;
#define LOAD_QUAD(p) (*(const QUAD *)(p))
#define STORE_QUAD(p, q) (*(QUAD *)(p) = (q))
#define QUAD_WORD(q, i) ((i) == 0 ? (q).x : (i) == 1 ? (q).y : (i) == 2 ? (q).z : (q).w)
#define quad_of(a, b, c, d) make_uint4(a, b, c, d)

#define SHUFFLE_XOR(x, mask) __shfl_xor_sync(0xffffffffu, x, mask)
#define SHUFFLE_UP(x, by) __shfl_up_sync(0xffffffffu, x, by)
#define WARP_BARRIER() __syncwarp()

FUNC float EXP2_FAST(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
FUNC float RCP_FAST(float x)
{
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
FUNC u32 PACK_F16(float lo, float hi)
{
    u32 u;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(u) : "f"(hi), "f"(lo));
    return u;
}
FUNC u32 PACK_BF16(float lo, float hi)
{
    u32 u;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(u) : "f"(hi), "f"(lo));
    return u;
}
#endif

/* ---- vectors: the numbers in 16 bytes ------------------------------ */

FUNC void unpack_F32(QUAD q, float *v)
{
    UNROLL for (int i = 0; i < 4; i++) v[i] = bits_f32(QUAD_WORD(q, i));
}
FUNC void unpack_F16(QUAD q, float *v)
{
    UNROLL for (int i = 0; i < 4; i++)
    {
        v[2 * i] = f16_to_f32((u16)QUAD_WORD(q, i));
        v[2 * i + 1] = f16_to_f32((u16)(QUAD_WORD(q, i) >> 16));
    }
}
FUNC void unpack_BF16(QUAD q, float *v)
{
    UNROLL for (int i = 0; i < 4; i++)
    {
        v[2 * i] = bits_f32(QUAD_WORD(q, i) << 16);
        v[2 * i + 1] = bits_f32(QUAD_WORD(q, i) & 0xffff0000u);
    }
}
FUNC QUAD pack_F32(const float *v)
{
    return quad_of(f32_bits(v[0]), f32_bits(v[1]), f32_bits(v[2]), f32_bits(v[3]));
}
FUNC QUAD pack_F16(const float *v)
{
    return quad_of(PACK_F16(v[0], v[1]), PACK_F16(v[2], v[3]), PACK_F16(v[4], v[5]), PACK_F16(v[6], v[7]));
}
FUNC QUAD pack_BF16(const float *v)
{
    return quad_of(PACK_BF16(v[0], v[1]), PACK_BF16(v[2], v[3]), PACK_BF16(v[4], v[5]), PACK_BF16(v[6], v[7]));
}

#if defined(ACT_F32)
#define VECTOR 4 /* ACTs */
#define UNPACK unpack_F32
#define ELEMENT(q, i) bits_f32(QUAD_WORD(q, i))
#define PACK pack_F32
#elif defined(ACT_F16)
#define VECTOR 8
#define UNPACK unpack_F16
#define ELEMENT(q, i) f16_to_f32((u16)(QUAD_WORD(q, (i) / 2) >> ((i)&1) * 16))
#define PACK pack_F16
#elif defined(ACT_BF16)
#define VECTOR 8
#define UNPACK unpack_BF16
#define ELEMENT(q, i) bits_f32((i)&1 ? QUAD_WORD(q, (i) / 2) & 0xffff0000u : QUAD_WORD(q, (i) / 2) << 16)
#define PACK pack_BF16
#endif

#if defined(STATE_F32)
#define STATE_VECTOR 4
#define UNPACK_STATE unpack_F32
#define PACK_STATE pack_F32
#elif defined(STATE_F16)
#define STATE_VECTOR 8
#define UNPACK_STATE unpack_F16
#define PACK_STATE pack_F16
#elif defined(STATE_BF16)
#define STATE_VECTOR 8
#define UNPACK_STATE unpack_BF16
#define PACK_STATE pack_BF16
#endif

/* A VECTOR of ACTs, `step` apart from p[at], as it lies in memory: the first `count`, and zeros. wide: the
 * tensor's vectors are 16 aligned bytes. */
FUNC QUAD load_vector(GLOBAL const ACT *p, i64 at, i64 step, int count, int wide)
{
    float v[VECTOR];
    if (wide && count == VECTOR) return LOAD_QUAD(p + at);
    UNROLL for (int i = 0; i < VECTOR; i++) v[i] = i < count ? LOAD(p, at + i * step) : 0.0f;
    return PACK(v);
}

FUNC void store_vector(GLOBAL ACT *p, i64 at, i64 step, int count, int wide, const float *v)
{
    if (wide && count == VECTOR) {
        STORE_QUAD(p + at, PACK(v));
        return;
    }
    UNROLL for (int i = 0; i < VECTOR; i++) if (i < count) STORE(p, at + i * step, v[i]);
}

/* Some numbers of a weight or gate; `many` is a constant. wide: as above, and p[at] begins a vector. */
FUNC void load_many(float *v, int many, GLOBAL const void *p, i64 at, i64 step, i32 dtype, int count, int wide)
{
    if (wide && dtype == 0 && count == many && many % 4 == 0) {
        UNROLL for (int i = 0; i < many; i += 4) unpack_F32(LOAD_QUAD((GLOBAL const float *)p + at + i), v + i);
    } else if (wide && dtype == 2 && count == many && many % 8 == 0) {
        UNROLL for (int i = 0; i < many; i += 8) unpack_BF16(LOAD_QUAD((GLOBAL const u16 *)p + at + i), v + i);
    } else if (wide && dtype == 1 && count == many && many % 8 == 0) {
        UNROLL for (int i = 0; i < many; i += 8) unpack_F16(LOAD_QUAD((GLOBAL const u16 *)p + at + i), v + i);
    } else {
        UNROLL for (int i = 0; i < many; i++) v[i] = i < count ? LOAD_ANY(p, at + i * step, dtype) : 0.0f;
    }
}

/* ---- functions, with one approximate instruction each for 2^x and 1/x ------------------------------ */

/* e^-|x|, by natural_exp()'s correction; 0 beyond 87. */
FUNC float fast_exp_down(float x)
{
    float size = x > 0.0f ? -x : x, t = size * 1.44269502f;
    float lost = FMA(size, 1.44269502f, -t) + size * 1.92596299e-8f, e = EXP2_FAST(t);
    return e > 0.0f ? FMA(e, lost * 0.693147181f, e) : e;
}

FUNC float fast_silu(float x)
{
    float e = fast_exp_down(x);
    return (x > 0.0f ? x : x * e) * RCP_FAST(1.0f + e);
}

/* As softplus(). */
FUNC float fast_softplus(float x)
{
    float e = fast_exp_down(x), s = e * RCP_FAST(e + 2.0f), q = s * s, p;
    p = FMA(0.280067533f, q, 0.28003028f);
    p = FMA(p, q, 0.400214374f);
    p = FMA(p, q, 0.666664183f);
    return (x > 0.0f ? x : 0.0f) + FMA(s * q, p, s + s);
}

/* A log2 e; an infinite one would make NaN of a step of 0, which pads. */
FUNC float fast_rate(float given)
{
    float rate = given * 1.44269502f;
    return MAX(rate, -rate) == INF ? (rate > 0.0f ? 3.4028234e38f : -3.4028234e38f) : rate;
}
