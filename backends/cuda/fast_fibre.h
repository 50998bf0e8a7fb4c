/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* fast.h's words for fibres; in front of it, behind words.h. Tests only. Lanes exchange through LOCAL that checks
 * do not see, and items meet for it without anything else being ordered, as on a GPU. WARP_BARRIER orders the
 * whole group: what it is to order among lanes of other warps is a race that checked mode does not see. */
#define FAST_WORDS

typedef u32 QUAD __attribute__((vector_size(16), may_alias)); /* one access of 16 bytes for the checks, too */
#define LOAD_QUAD(p) (*(const QUAD *)(p))
#define STORE_QUAD(p, q) (*(QUAD *)(p) = (q))
#define QUAD_WORD(q, i) ((q)[i])
FUNC QUAD quad_of(u32 a, u32 b, u32 c, u32 d)
{
    QUAD q = { a, b, c, d };
    return q;
}

#define WARP_BARRIER() BARRIER()
LOCAL u32 fast_lanes[GROUP];
FUNC float fast_exchange(float x, int from)
{
    u32 bits = f32_bits(x);
    __asm__ volatile("movl %1, %0" : "=m"(fast_lanes[LOCAL_ID]) : "r"(bits));
    MEETING();
    __asm__ volatile("movl %1, %0" : "=r"(bits) : "m"(fast_lanes[from]));
    MEETING();
    return bits_f32(bits);
}
#define SHUFFLE_XOR(x, mask) fast_exchange(x, LOCAL_ID ^ (mask))
#define SHUFFLE_UP(x, by) fast_exchange(x, LOCAL_ID % 32 < (by) ? LOCAL_ID : LOCAL_ID - (by))

/* As wrong as the instructions may be (PTX ISA, ex2.approx and rcp.approx: 2^-22 and 2^-23), up or down by a
 * bit of the argument, so that the judge sees no better functions than a GPU's. */
FUNC float fast_flushed(float x)
{
    return (f32_bits(x) & 0x7f800000u) ? x : bits_f32(f32_bits(x) & 0x80000000u);
}
FUNC float fast_off(float exact, float argument, float by)
{
    u32 mixed = f32_bits(argument) * 2654435761u;
    return fast_flushed(exact + exact * (mixed >> 31 ? by : -by));
}
FUNC float EXP2_FAST(float x)
{
    float e = __builtin_exp2f(fast_flushed(x));
    return e == 1.0f ? e : fast_off(e, x, 2.38418579e-7f);
}
FUNC float RCP_FAST(float x)
{
    return fast_off(1.0f / fast_flushed(x), x, 1.1920929e-7f);
}
FUNC u32 PACK_F16(float lo, float hi)
{
    return (u32)f32_to_f16(lo) | (u32)f32_to_f16(hi) << 16;
}
FUNC u32 PACK_BF16(float lo, float hi)
{
    return (u32)f32_to_bf16(lo) | (u32)f32_to_bf16(hi) << 16;
}
