/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* delta, g and key [b t h k] of raw gates x [b t h k]: the formulas of gate_prep.def (state-spaces/mamba,
 * fla-org/flash-linear-attention fla/layers, BlinkDL/RWKV-LM, NX-AI/xlstm), x' = x + bias.
 *
 * The gates of a batch row are one list, of which a group takes GROUP x GATE_EACH at a time: one division of 64 bits for all
 * of them, two of 32 bits for each. Launch: groups (parts, batch). Key: ACT. */

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

/* log(l + (1 - l) sigmoid(x)) by the larger of its two terms. */
FUNC float log_mix(float l, float x)
{
    float a = natural_log(l), b = natural_log(1.0f - l) - softplus(-x), gap = a - b;
    return (gap > 0.0f ? a : b) + softplus(gap > 0.0f ? -gap : gap);
}

KERNEL(gate_prep)(GLOBAL const ACT *x, GLOBAL const void *bias, GLOBAL const void *A, GLOBAL const void *A_log,
                  GLOBAL const void *lower_bound, GLOBAL void *delta, GLOBAL void *g, GLOBAL void *key,
                  struct gate_prep_args a)
{
    u32 heads = a.heads ? (u32)a.heads : 1u, width = a.width ? (u32)a.width : 1u;
    i64 b = a.batch + GROUP_ID(1), all = a.tokens * a.heads * a.width, step = (i64)GROUP * GATE_EACH;
    for (i64 base = GROUP_ID(0) * step; base < all; base += a.parts * step) {
        i64 row = base / width, token = row / heads;
        u32 offset = (u32)(base - row * width), head = (u32)(row - token * heads);
        for (u32 i = (u32)LOCAL_ID; i < (u32)step && base + i < all; i += GROUP) {
            u32 o = offset + i, r = o / width, k = o - r * width, hh = head + r, dt = hh / heads, h = hh - dt * heads;
            i64 t = token + dt;
            float v = LOAD(x, AT4(a.x, b, t, h, k)), gate;
            if (a.bias.present) v += LOAD_ANY(bias, AT2(a.bias, h, k), a.bias.dtype);
            float slope = a.A_log.present ? natural_exp(LOAD_ANY(A_log, AT1(a.A_log, h), a.A_log.dtype)) : 1.0f;
            if (a.gate == GATE_DELTA) {
                float d = a.softplus ? softplus(v) : v;
                d = d < a.dt_min ? a.dt_min : d;
                d = d > a.dt_max ? a.dt_max : d;
                if (a.delta.present) STORE_ANY(delta, AT4(a.delta, b, t, h, k), a.delta.dtype, d);
                gate = d * (a.A.present ? LOAD_ANY(A, AT1(a.A, h), a.A.dtype) : -slope);
            } else if (a.gate == GATE_LOG_SIGMOID) gate = softplus(-v) / -a.factor;
            else if (a.gate == GATE_HGRN2) {
                float l = LOAD_ANY(lower_bound, AT2(a.lower_bound, h, k), a.lower_bound.dtype);
                if (a.key.present) STORE_ANY(key, AT4(a.key, b, t, h, k), a.key.dtype, (1.0f - l) * sigmoid(-v));
                gate = log_mix(l, v);
            } else if (a.gate == GATE_BOUNDED) gate = a.factor * sigmoid(slope * v);
            else if (a.gate == GATE_RWKV7) gate = -0.606530660f * sigmoid(v);
            else if (a.gate == GATE_RWKV) gate = -natural_exp(v);
            else gate = a.factor * hyperbolic_tangent(v / a.factor);
            if (a.g.present) STORE_ANY(g, AT4(a.g, b, t, h, k), a.g.dtype, gate);
        }
    }
}
