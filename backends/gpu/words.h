/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The half of the dialect that is the same everywhere: comes behind a dialect.h, in front of <kernel>.args.h
 * and <kernel>.k.h. Kernel text is C11, C++17 and OpenCL C 1.2 at once. README.md lists the words.
 *
 * From the command line: GROUP, items of a group (a power of two); one of ACT_F32, ACT_F16, ACT_BF16 and one of
 * STATE_F32, STATE_F16, STATE_BF16, where the kernel has them; the kernel's own (N, W, ...).
 * A dialect gives: u16 u32 i32 i64 u64, KERNEL FUNC GLOBAL LOCAL LOCAL_ARG UNROLL, BARRIER LOCAL_ID GROUP_ID, EXP2
 * FMA MAX, f32_bits bits_f32 f16_to_f32 f32_to_f16. */

#define INF bits_f32(0x7f800000u)

/* A tensor: a GLOBAL pointer to its allocation and this. The same as struct gpu_view in gpu.h. */
typedef struct VIEW {
    i64 at; /* the element (0, ..., 0) */
    i64 stride[4];
    i32 dtype; /* 0 f32, 1 f16, 2 bf16, 3 i32, 4 f64 */
    i32 present;
} VIEW;

/* As much of it as a tensor of one, two or three axes needs, for kernels of so many operands that VIEWs of all would be
 * more than the 1024 bytes of arguments that OpenCL guarantees. */
typedef struct VIEW1 {
    i64 at, stride[1];
    i32 dtype, present;
} VIEW1;
typedef struct VIEW2 {
    i64 at, stride[2];
    i32 dtype, present;
} VIEW2;
typedef struct VIEW3 {
    i64 at, stride[3];
    i32 dtype, present;
} VIEW3;

/* Elements of views of rank 1 to 4. Macros: a view of the kernel's arguments is then read where it lies. */
#define AT1(v, i) ((v).at + (i64)(i) * (v).stride[0])
#define AT2(v, i, j) (AT1(v, i) + (i64)(j) * (v).stride[1])
#define AT3(v, i, j, k) (AT2(v, i, j) + (i64)(k) * (v).stride[2])
#define AT4(v, i, j, k, l) (AT3(v, i, j, k) + (i64)(l) * (v).stride[3])

/* ---- numbers in memory ---------------------------------------------------------------------------------- */

FUNC float bf16_to_f32(u16 h)
{
    return bits_f32((u32)h << 16);
}

/* To nearest, ties to even; NaN stays NaN. */
FUNC u16 f32_to_bf16(float x)
{
    u32 u = f32_bits(x);
    return (u & 0x7fffffffu) > 0x7f800000u ? (u16)(u >> 16 | 64) : (u16)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

#define LOAD_F32(p, i) ((p)[i])
#define STORE_F32(p, i, x) ((p)[i] = (x))
#define LOAD_F16(p, i) f16_to_f32((p)[i])
#define STORE_F16(p, i, x) ((p)[i] = f32_to_f16(x))
#define LOAD_BF16(p, i) bf16_to_f32((p)[i])
#define STORE_BF16(p, i, x) ((p)[i] = f32_to_bf16(x))

#if defined(ACT_F32)
typedef float ACT;
#define LOAD LOAD_F32
#define STORE STORE_F32
#elif defined(ACT_F16)
typedef u16 ACT;
#define LOAD LOAD_F16
#define STORE STORE_F16
#elif defined(ACT_BF16)
typedef u16 ACT;
#define LOAD LOAD_BF16
#define STORE STORE_BF16
#endif

#if defined(STATE_F32)
typedef float STATE;
#define LOAD_STATE LOAD_F32
#define STORE_STATE STORE_F32
#elif defined(STATE_F16)
typedef u16 STATE;
#define LOAD_STATE LOAD_F16
#define STORE_STATE STORE_F16
#elif defined(STATE_BF16)
typedef u16 STATE;
#define LOAD_STATE LOAD_BF16
#define STORE_STATE STORE_BF16
#endif

/* Weights, gates and what else has a dtype of its own, known at run time only; all items take the same way. */
FUNC float load_any(GLOBAL const void *p, i64 i, i32 dtype)
{
    if (dtype == 1) return LOAD_F16((GLOBAL const u16 *)p, i);
    if (dtype == 2) return LOAD_BF16((GLOBAL const u16 *)p, i);
    return LOAD_F32((GLOBAL const float *)p, i);
}
#define LOAD_ANY(p, i, dtype) load_any(p, i, dtype)

/* What is written in a dtype of its own, likewise. */
FUNC void store_any(GLOBAL void *p, i64 i, i32 dtype, float x)
{
    if (dtype == 1) STORE_F16((GLOBAL u16 *)p, i, x);
    else if (dtype == 2) STORE_BF16((GLOBAL u16 *)p, i, x);
    else STORE_F32((GLOBAL float *)p, i, x);
}
#define STORE_ANY(p, i, dtype, x) store_any(p, i, dtype, x)

/* The upper half of a product of two numbers of 64 bits. */
FUNC u64 upper_product(u64 a, u64 b)
{
    u64 al = a & 0xffffffffu, ah = a >> 32, bl = b & 0xffffffffu, bh = b >> 32;
    u64 low = ah * bl + (al * bl >> 32), high = al * bh + (low & 0xffffffffu);
    return ah * bh + (low >> 32) + (high >> 32);
}

/* ---- functions: errors of a few units in the last place, and no fast variants --------------------------- */

/* e^x. x log2 e is rounded before EXP2 sees it, which would cost a large x many units: what was lost (and what
 * the constant lacks) is multiplied back. */
FUNC float natural_exp(float x)
{
    float t = x * 1.44269502f, lost = FMA(x, 1.44269502f, -t) + x * 1.92596299e-8f, e = EXP2(t);
    return e > 0.0f && e < INF ? FMA(e, lost * 0.693147181f, e) : e;
}

/* log(1 + e^x) = max(x, 0) + log(1 + e), e = e^-|x|, and log(1 + e) = 2 atanh(e / (2 + e)) keeps its relative
 * error however small e is. */
FUNC float softplus(float x)
{
    float e = natural_exp(x > 0.0f ? -x : x), s = e / (e + 2.0f), q = s * s, p;
    p = FMA(0.280067533f, q, 0.28003028f);
    p = FMA(p, q, 0.400214374f);
    p = FMA(p, q, 0.666664183f);
    return (x > 0.0f ? x : 0.0f) + FMA(s * q, p, s + s);
}

/* x / (1 + e^-x), without e^-x growing past the largest number while the quotient is still one. */
FUNC float silu(float x)
{
    float e = natural_exp(x > 0.0f ? -x : x);
    return (x > 0.0f ? x : x * e) / (1.0f + e);
}

/* 1 / (1 + e^-x) */
FUNC float sigmoid(float x)
{
    float e = natural_exp(x > 0.0f ? -x : x);
    return (x > 0.0f ? 1.0f : e) / (1.0f + e);
}

/* log x: -infinity of 0. x = 2^e m with m from sqrt 1/2 to sqrt 2, log m = 2 atanh(f / (2 + f)). */
FUNC float natural_log(float x)
{
    u32 bits = f32_bits(x);
    int e = (int)(bits - 0x3f3504f3u) >> 23;
    float f = bits_f32(bits - ((u32)e << 23)) - 1.0f, s = f / (f + 2.0f), q = s * s, n = (float)e, y;
    y = FMA(FMA(FMA(0.222222222f, q, 0.285714286f), q, 0.4f), q, 0.666666667f);
    y = FMA(s * q, y, s + s);
    y = FMA(n, 0.693359375f, FMA(n, -2.12194440e-4f, y)); /* ln 2 in two parts, the first of 10 bits */
    return x < 1.17549435e-38f ? (x < 0.0f ? bits_f32(0x7fc00000u) : -INF) : x < INF ? y : x;
}

/* From 0.625 on the quotient has all digits; below, an odd polynomial, a minimax fit of our own. */
FUNC float hyperbolic_tangent(float x)
{
    float a = MAX(x, -x), z = x * x, p;
    if (a < 0.625f) {
        p = FMA(FMA(-0.005716202781f, z, 0.02064970881f), z, -0.05374317244f);
        p = FMA(FMA(p, z, 0.1333148628f), z, -0.3333328366f);
        return FMA(x * z, p, x);
    }
    p = 1.0f - 2.0f / (natural_exp(a + a) + 1.0f);
    return x < 0.0f ? -p : x > 0.0f ? p : x; /* NaN: as it is */
}

/* x (1 + erf(x / sqrt 2)) / 2. Beyond |z| = 1 by erfc = exp(z p(z)), so that 1 + erf loses no digits on the left; beyond 4
 * it is 0 or 2. */
FUNC float gelu(float x)
{
    float z = x * 0.707106781f, a = MAX(z, -z), q = z * z, p, both;
    if (a < 1.0f) {
        p = FMA(FMA(FMA(7.92036808e-5f, q, -0.0008030761383f), q, 0.00519073382f), q, -0.02685512602f);
        p = FMA(FMA(FMA(p, q, 0.1128361821f), q, -0.3761262894f), q, 0.1283791661f);
        both = FMA(z, p, z) + 1.0f;
    } else {
        p = FMA(FMA(FMA(1.942635635e-7f, a, -2.777869895e-6f), a, -2.437814601e-6f), a, 0.0003513050033f);
        p = FMA(FMA(FMA(p, a, -0.003893628484f), a, 0.02443911135f), a, -0.1071411669f);
        p = FMA(FMA(p, a, -0.6345445514f), a, -1.128811598f);
        p = a < 4.0f ? natural_exp(a * p) : 0.0f;
        both = z < 0.0f ? p : 2.0f - p;
    }
    return 0.5f * x * both;
}

/* 1 / sqrt(x), x >= 0, to a unit in the last place: by Newton's method from a guess that is 3.5 % off, since
 * what devices offer is less exact or rounded differently. 0 gives a large number: times 0 it is 0. */
FUNC float reciprocal_root(float x)
{
    float up = x < 1.17549435e-38f ? 16777216.0f : 1.0f; /* the guess is for normal numbers */
    x *= up;
    float r = bits_f32(0x5f3759dfu - (f32_bits(x) >> 1));
    for (int i = 0; i < 4; i++) r = FMA(0.5f * r, FMA(-x * r, r, 1.0f), r);
    r = up > 1.0f ? r * 4096.0f : r;
    return x < INF ? r : x > 0.0f ? 0.0f : x;
}

/* Whether no square of weight left f32 on the way to the scale of a norm; not so if it is NaN. */
FUNC int scale_in_range(float scale)
{
    return scale >= 1.08420217e-19f && scale <= 1.09951163e12f; /* 2^-63 to 2^40 */
}

/* What a row out of range is multiplied by first, 2^64 or 2^-64, and again for its squares, 2^32 or 2^-32. */
FUNC float toward_one(float scale)
{
    return scale > 1.0f ? 1.84467441e19f : 5.42101086e-20f;
}
FUNC float further_toward_one(float scale)
{
    return scale > 1.0f ? 4294967296.0f : 2.32830644e-10f;
}

/* What a state x is multiplied by for the decay 2^e: growth past f32, though e is finite, leaves a state of 0 at 0. */
FUNC float grown(float decay, float e, float x)
{
    return x == 0.0f && e < INF ? 0.0f : decay;
}

/* ---- random numbers by counter: the same words on every device ------------------------------------------- */

typedef struct COUNTER { /* where a position's numbers are counted */
    u32 position, sequence, step, key[2];
} COUNTER;

/* What a number is for: no two of them share a counter. */
#define FOR_TOKEN 0u
#define FOR_CHOICE 1u
#define FOR_CHOICE_GUMBEL 2u

typedef struct PHILOX {
    u32 word[4];
} PHILOX;

/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011; DEShawResearch/random123) of {block, position, sequence, what for and step}. */
FUNC PHILOX philox(COUNTER at, u32 what, u32 block)
{
    PHILOX c = { { block, at.position, at.sequence, what << 24 | (at.step & 0xffffffu) } };
    UNROLL
    for (int round = 0; round < 10; round++) {
        u64 p = (u64)0xd2511f53u * c.word[0], q = (u64)0xcd9e8d57u * c.word[2];
        c.word[0] = (u32)(q >> 32) ^ c.word[1] ^ at.key[0];
        c.word[1] = (u32)q;
        c.word[2] = (u32)(p >> 32) ^ c.word[3] ^ at.key[1];
        c.word[3] = (u32)p;
        at.key[0] += 0x9e3779b9u;
        at.key[1] += 0xbb67ae85u;
    }
    return c;
}

/* The middle of one of 2^23 parts of (0, 1): exact. Of 2^24 parts the last one's would round to 1. */
FUNC float uniform_of(u32 word)
{
    return ((float)(word >> 9) + 0.5f) * 1.1920929e-7f;
}

/* w from 2^-64 to 1 - 2^-24: 64 bits rounded to f32 once, so that small ones keep their digits. */
FUNC float fraction_of(u32 low, u32 high)
{
    float w = (float)(((u64)high << 32 | low) | 1u) * 5.42101086e-20f;
    return w < 0.99999994f ? w : 0.99999994f;
}

/* -log(1 - w), from 2^-64 to 16.6. As natural_log: 2 atanh(w / (2 - w)) up to where 1 - w is sqrt 1/2; beyond, 1 - w is exact to
 * half a unit. */
FUNC float exponential_of(float w)
{
    float s = w / (2.0f - w), q = s * s, y;
    if (w > 0.29f) return -natural_log(1.0f - w);
    y = FMA(FMA(FMA(0.222222222f, q, 0.285714286f), q, 0.4f), q, 0.666666667f);
    return FMA(s * q, y, s + s);
}

/* Gumbel noise of a number that was drawn elsewhere, by the values of `noise`: 2 uniform, 3 exponential, 4 as it is. */
FUNC float gumbel_given(i32 noise, float x)
{
    if (noise == 4) return x;
    return -natural_log(noise == 3 ? x : -natural_log(x));
}

/* ---- over a group: every item calls it; scratch has GROUP floats and is free again on return ------------- */

FUNC float group_sum(float x, LOCAL_ARG float *scratch)
{
    scratch[LOCAL_ID] = x;
    BARRIER();
    for (int n = GROUP / 2; n > 0; n /= 2) {
        if (LOCAL_ID < n) scratch[LOCAL_ID] += scratch[LOCAL_ID + n];
        BARRIER();
    }
    x = scratch[0];
    BARRIER();
    return x;
}
#define GROUP_SUM(x, scratch) group_sum(x, scratch)

/* The same over `width` items, a power of two: each of the GROUP / width parts of a group has its own sum. */
FUNC float part_sum(float x, LOCAL_ARG float *scratch, int width)
{
    scratch[LOCAL_ID] = x;
    BARRIER();
    for (int n = width / 2; n > 0; n /= 2) {
        if ((LOCAL_ID & (width - 1)) < n) scratch[LOCAL_ID] += scratch[LOCAL_ID + n];
        BARRIER();
    }
    x = scratch[LOCAL_ID & ~(width - 1)];
    BARRIER();
    return x;
}

FUNC float group_max(float x, LOCAL_ARG float *scratch)
{
    scratch[LOCAL_ID] = x;
    BARRIER();
    for (int n = GROUP / 2; n > 0; n /= 2) {
        if (LOCAL_ID < n) scratch[LOCAL_ID] = MAX(scratch[LOCAL_ID], scratch[LOCAL_ID + n]);
        BARRIER();
    }
    x = scratch[0];
    BARRIER();
    return x;
}
#define GROUP_MAX(x, scratch) group_max(x, scratch)

/* ---- sequences and states ------------------------------------------------------------------------------- */

typedef struct SEQUENCE {
    i64 batch, first, count; /* its tokens: (batch, first) to (batch, first + count - 1) */
    i64 read, write;         /* pool rows; -1 = start from zero, store nothing */
    i32 padding;             /* y = 0 and nothing else */
} SEQUENCE;

FUNC i64 clamped(i64 value, i64 last)
{
    return value < 0 ? 0 : value > last ? last : value;
}

typedef struct PIECE {
    i64 s, tile, end; /* of sequence s the tiles from `tile` up to but not including `end` */
} PIECE;

/* Packed sequences, cut into tiles of `tile` units, of which each token has `each`, where nobody has told the longest one: piece
 * `number` of as many as gpu_pieces() says. The first ones have each sequence's first tile. Of those behind them number
 * sequences + j - 1 has the later tile that begins in units j tile to j tile + tile - 1 of all: there is at most one, its sequence
 * has the unit in front of these, and halving finds it. Offsets may fall: halving then may miss a sequence, or a part of it. One
 * of which an offset on the way to it is out of order stays with its first piece as a whole, so that nothing is lost or done twice. */
FUNC PIECE piece_at(i64 number, i64 sequences, i64 tokens, i64 tile, i64 each, GLOBAL const i32 *cu_seqlens,
                    i64 at, i64 step)
{
    i64 low = 0, high = sequences, block = number - sequences + 1, token = (block * tile - 1) / each;
    i64 below = clamped(cu_seqlens[at], tokens), above = clamped(cu_seqlens[at + high * step], tokens);
    while (high - low > 1) {
        i64 middle = low + (high - low) / 2, offset = clamped(cu_seqlens[at + middle * step], tokens);
        if (block > 0 ? offset <= token : middle <= number) {
            low = middle;
            below = offset > below ? offset : below;
        } else {
            high = middle;
            above = offset < above ? offset : above;
        }
    }
    i64 first = clamped(cu_seqlens[at + low * step], tokens),
        end = clamped(cu_seqlens[at + high * step], tokens);
    int in_order = below <= first && end <= above;
    PIECE p = { low, 0, 1 };
    if (block > 0) {
        p.tile = block - first * each / tile;
        p.end = in_order && first <= token && token < end ? p.tile + 1 : p.tile;
    } else if (!in_order && first < end) p.end = ((end - first) * each + tile - 1) / tile;
    return p;
}

/* Sequence s of operands with `tokens` tokens and `pool` rows of state. Whatever the values in cu_seqlens and
 * slot are, nothing outside these is meant. */
FUNC SEQUENCE sequence_at(i64 s, i64 tokens, i64 pool, GLOBAL const i32 *cu_seqlens, VIEW offsets,
                          GLOBAL const i32 *slot, VIEW rows)
{
    SEQUENCE q;
    q.batch = q.read = q.write = s;
    q.first = 0;
    q.count = tokens;
    q.padding = 0;
    if (offsets.present) {
        i64 end = clamped(cu_seqlens[AT1(offsets, s + 1)], tokens);
        q.batch = 0;
        q.first = clamped(cu_seqlens[AT1(offsets, s)], tokens);
        q.count = end > q.first ? end - q.first : 0;
    }
    if (rows.present) {
        q.read = slot[AT2(rows, s, 0)];
        q.write = slot[AT2(rows, s, 1)];
        if (q.read < 0 || q.read >= pool) q.read = -1;
        if (q.write < 0 || q.write >= pool) q.write = -1;
        q.padding = q.read < 0 && q.write < 0;
    }
    return q;
}
