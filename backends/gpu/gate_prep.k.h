/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* delta, g and key [b t h k] of raw gates x [b t h k]: the formulas of gate_prep.def (state-spaces/mamba,
 * fla-org/flash-linear-attention fla/layers, BlinkDL/RWKV-LM, NX-AI/xlstm), x' = x + bias.
 *
 * The gates of a batch row are one list, of which a group takes GROUP x GATE_EACH at a time: one division of 64 bits for all
 * of them, two of 32 bits for each. Launch: groups (parts, batch). Key: ACT. */

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
