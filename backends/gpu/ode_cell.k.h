/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Liquid cells: arXiv:2006.04439 (LTC, LIQUID = 1), arXiv:2106.13898 (CfC, LIQUID = 0); the .def has the equations.
 *
 * A group takes ROWS sequences through all of their steps: states, inputs and layers lie in LOCAL, [ROWS][WIDTH], and each weight
 * that an item loads serves all rows. Items are lanes, side by side over neurons or a layer's outputs, times slices of what
 * these sum over. Each pass leaves a slice's sums in LOCAL, and behind a barrier adds them up: in an order that depends on
 * sizes and GROUP only. An LTC's passes over a step are the features once, then the neurons `unfolds` times; a CfC's are its
 * backbone's layers, then all heads as one. Weights are what the kernel ode_cell_*_pack left in the workspace.
 * Launch: groups (1, sequences / ROWS). Key: LIQUID, ROWS, WIDTH, which is GROUP at least. */
#define NOT_THERE 0x7fc05e60u /* in ode_cell_ltc_pack.k.h, too */
#define ALL (ROWS * WIDTH)
#define ROOM (LIQUID ? 2 * ALL : ALL) /* floats of all slices' sums: slices x outputs are GROUP, or the outputs alone */

typedef struct SUMS {
    int outputs, inputs, lane, lanes, slice, slices;
} SUMS;

FUNC SUMS sums_of(int outputs, int inputs, int lanes)
{
    SUMS s;
    s.outputs = outputs;
    s.inputs = inputs;
    s.lanes = lanes ? lanes : 1;
    s.lane = LOCAL_ID % s.lanes;
    s.slice = LOCAL_ID / s.lanes;
    s.slices = GROUP / s.lanes;
    return s;
}

/* The slices' sums of row r's output i. */
FUNC float total(LOCAL_ARG const float *part, SUMS s, int r, int i)
{
    float sum = part[r * s.outputs + i];
    ROLLED for (int slice = 1; slice < s.slices; slice++) sum += part[(slice * ROWS + r) * s.outputs + i];
    return sum;
}

FUNC float lecun_tanh(float x)
{
    return 1.7159f * hyperbolic_tangent(0.666f * x);
}

#if LIQUID

/* Of values v the synapses' sums over act and act E; sigma: the first of four planes. */
FUNC void synapses(GLOBAL const float *sigma, int plane, LOCAL_ARG const float *v, SUMS s, LOCAL_ARG float *part)
{
    ROLLED for (int i = s.lane; i < s.outputs; i += s.lanes) {
        float act[ROWS], act_E[ROWS];
        UNROLL for (int r = 0; r < ROWS; r++) act[r] = act_E[r] = 0.0f;
        for (int j = s.slice; j < s.inputs; j += s.slices) {
            int at = j * s.outputs + i;
            float slope = sigma[at], middle = sigma[plane + at], factor = sigma[2 * plane + at], E = sigma[3 * plane + at];
            UNROLL for (int r = 0; r < ROWS; r++) {
                /* Where a list has no synapse, a NaN in v is none of i's; a factor of 0 passes it on, as everywhere. */
                float one = f32_bits(slope) == NOT_THERE ? 0.0f : factor * sigmoid(slope * (v[r * WIDTH + j] - middle));
                act[r] += one;
                act_E[r] = FMA(one, E, act_E[r]);
            }
        }
        UNROLL for (int r = 0; r < ROWS; r++) {
            part[(s.slice * ROWS + r) * s.outputs + i] = act[r];
            part[ALL + (s.slice * ROWS + r) * s.outputs + i] = act_E[r];
        }
    }
}

/* h of the next unfold; above, below: what comes to cm h and to cm over a step of the solver. A step shorter than 1 is not
 * divided by, but multiplies these: cm over it might be no f32. */
FUNC float relaxed(float h, float cm, float D, float above, float below, int mode, float unfolds)
{
    float step = (mode == KAPPA_OVER_DT_PLUS1 ? D + 1.0f : D) / unfolds, scale = 1.0f;
    if (mode == KAPPA_OVER_DT && D <= 0.0f) return h;
    if (mode != KAPPA_DIRECT && step != 0.0f && MAX(step, -step) < 1.0f) scale = step;
    else if (mode != KAPPA_DIRECT) cm /= step;
    return FMA(cm, h, scale * above) / FMA(scale, below, cm);
}

#else

/* W z of one layer, W [inputs outputs]. Four sums each: a chain of dependent additions would take longest here. */
FUNC void products(GLOBAL const float *W, LOCAL_ARG const float *z, SUMS s, LOCAL_ARG float *part)
{
    ROLLED for (int i = s.lane; i < s.outputs; i += s.lanes) {
        float sum[4][ROWS];
        int j = 4 * s.slice;
        UNROLL for (int q = 0; q < 4; q++) {
            UNROLL for (int r = 0; r < ROWS; r++) sum[q][r] = 0.0f;
        }
        for (; j + 3 < s.inputs; j += 4 * s.slices) {
            UNROLL for (int q = 0; q < 4; q++) {
                float w = W[(j + q) * s.outputs + i];
                UNROLL for (int r = 0; r < ROWS; r++) sum[q][r] = FMA(w, z[r * WIDTH + j + q], sum[q][r]);
            }
        }
        ROLLED for (; j < s.inputs; j++) { /* fewer than four, of one slice */
            float w = W[j * s.outputs + i];
            UNROLL for (int r = 0; r < ROWS; r++) sum[0][r] = FMA(w, z[r * WIDTH + j], sum[0][r]);
        }
        UNROLL for (int r = 0; r < ROWS; r++)
            part[(s.slice * ROWS + r) * s.outputs + i] = (sum[0][r] + sum[1][r]) + (sum[2][r] + sum[3][r]);
    }
}

FUNC float activated(float x, int activation)
{
    if (activation == BACKBONE_TANH) return hyperbolic_tangent(x);
    if (activation == BACKBONE_RELU) return x < 0.0f ? 0.0f : x; /* NaN: as it is */
    if (activation == BACKBONE_GELU) return gelu(x);
    return activation == BACKBONE_SILU ? silu(x) : lecun_tanh(x);
}

FUNC float head_activated(float x, int head_act)
{
    return head_act == HEAD_TANH ? hyperbolic_tangent(x) : head_act == HEAD_LECUN_TANH ? lecun_tanh(x) : x;
}

/* h of a step from the heads' sums; f1, and with gates three more, n from each other. */
FUNC float closed_form(LOCAL_ARG const float *part, GLOBAL const float *biases, GLOBAL const float *rates, SUMS s, int r, int i,
                       int n, float D, int cell, int head_act, float time_sign)
{
    float f1 = total(part, s, r, i) + biases[i];
    if (cell == CELL_CFC_PURE) {
        float A = rates[n + i];
        return A - A * natural_exp(-D * (rates[i] + MAX(f1, -f1))) * f1;
    }
    float f2 = head_activated(total(part, s, r, n + i) + biases[n + i], head_act);
    float t_a = total(part, s, r, 2 * n + i) + biases[2 * n + i], t_b = total(part, s, r, 3 * n + i) + biases[3 * n + i];
    float gate = sigmoid(time_sign * t_a * D + t_b);
    f1 = head_activated(f1, head_act);
    return FMA(f2, gate, cell == CELL_CFC_NO_GATE ? f1 : f1 * (1.0f - gate));
}

#endif

KERNEL(ode_cell)(GLOBAL const void *x, GLOBAL const void *elapsed, GLOBAL const i32 *lengths, GLOBAL const i32 *cu_seqlens,
                 GLOBAL const i32 *slot, GLOBAL const void *h_in, GLOBAL void *h_out, GLOBAL void *y, GLOBAL void *h,
                 GLOBAL const float *weights, struct ode_cell_args a)
{
    LOCAL i64 batch[ROWS], begin[ROWS], count[ROWS], steps[ROWS], from[ROWS], to[ROWS]; /* steps: 0 of padding */
    LOCAL float state[ROWS * ODE_UNITS(LIQUID, WIDTH)], in[ALL], part[ROOM], time[ROWS];
#if LIQUID
    LOCAL float above[ALL], below[ALL]; /* sums that do not change from unfold to unfold */
#endif
    int n = a.units, d = a.features, room = ODE_UNITS(LIQUID, WIDTH);
    GLOBAL const float *W = weights + a.weights;
    i64 longest = 0;

    for (int r = LOCAL_ID; r < ROWS; r += GROUP) {
        i64 s = (a.first + GROUP_ID(1)) * ROWS + r;
        SEQUENCE q = { 0, 0, 0, -1, -1, 0 };
        if (s < a.sequences) {
            q = sequence_at(s, a.tokens, a.pool, cu_seqlens, a.cu_seqlens, slot, a.slot);
            if (a.lengths.present) q.count = clamped(lengths[AT1(a.lengths, s)], a.tokens);
        }
        batch[r] = q.batch;
        begin[r] = q.first;
        count[r] = q.count;
        steps[r] = q.padding ? 0 : q.count;
        from[r] = a.h_in.present ? q.read : -1;
        to[r] = a.h_out.present ? q.write : -1;
    }
    BARRIER();
    for (int r = 0; r < ROWS; r++) {
        longest = steps[r] > longest ? steps[r] : longest;
        for (i64 i = LOCAL_ID; i < (count[r] - steps[r]) * n; i += GROUP) { /* padding */
            i64 t = begin[r] + i / n;
            int k = (int)(i % n);
            if (k < a.outputs) STORE_ANY(y, AT3(a.y, batch[r], t, k), a.y.dtype, 0.0f);
            if (a.h.present) STORE_ANY(h, AT3(a.h, batch[r], t, k), a.h.dtype, 0.0f);
        }
    }
    for (int i = LOCAL_ID; i < ROWS * n; i += GROUP) {
        int r = i / n, k = i % n;
        state[r * room + k] = from[r] >= 0 ? LOAD_ANY(h_in, AT2(a.h_in, from[r], k), a.h_in.dtype) : 0.0f;
    }
#if LIQUID
    int plane = (n + d) * n;
    GLOBAL const float *vectors = W + 4 * (i64)plane, *maps = vectors + 3 * n;
#else
    int heads = (a.cell == CELL_CFC_PURE ? 1 : 4) * n;
    i64 layer_floats = (i64)(d + n + 1) * a.backbone + (i64)(a.layers - 1) * (a.backbone + 1) * a.backbone;
    GLOBAL const float *rates = W + (a.layers ? layer_floats : 0) + (i64)((a.layers ? a.backbone : d + n) + 1) * heads;
    GLOBAL const float *maps = rates + 2 * n;
#endif
    for (i64 step = 0; step < longest; step++) {
        for (int i = LOCAL_ID; i < ROWS * d; i += GROUP) {
            int r = i / d, k = i % d;
            float value = step < steps[r] ? LOAD_ANY(x, AT3(a.x, batch[r], begin[r] + step, k), a.x.dtype) : 0.0f;
#if LIQUID
            value = maps[2 * n + k] * value + maps[2 * n + d + k];
#endif
            in[r * WIDTH + k] = value;
        }
        for (int r = LOCAL_ID; r < ROWS; r += GROUP)
            time[r] = a.elapsed.present && step < steps[r]
                          ? LOAD_ANY(elapsed, AT2(a.elapsed, batch[r], begin[r] + step), a.elapsed.dtype) : 1.0f;
#if LIQUID
        BARRIER();
        for (int unfold = -1; unfold < a.unfolds; unfold++) { /* -1: the features */
            SUMS s = sums_of(n, unfold < 0 ? d : n, a.lanes);
            synapses(W + (unfold < 0 ? n * n : 0), plane, unfold < 0 ? in : state, s, part);
            BARRIER();
            s = sums_of(n, 0, a.lanes);
            for (int i = LOCAL_ID; i < ROWS * n; i += GROUP) {
                int r = i / n, k = i % n, at = r * WIDTH + k;
                float act = total(part, s, r, k), act_E = total(part + ALL, s, r, k);
                if (unfold < 0) {
                    below[at] = vectors[k] + act + a.eps;
                    above[at] = vectors[n + k] + act_E;
                } else if (step < steps[r])
                    state[at] = relaxed(state[at], vectors[2 * n + k], time[r], act_E + above[at], act + below[at], a.kappa,
                                        (float)a.unfolds);
            }
            BARRIER();
        }
#else
        for (int i = LOCAL_ID; i < ROWS * n; i += GROUP) in[i / n * WIDTH + d + i % n] = state[i / n * room + i % n];
        BARRIER();
        GLOBAL const float *layer_W = W;
        for (int layer = 0, inputs = d + n; layer <= a.layers; layer++) {
            int last = layer == a.layers, outputs = last ? heads : a.backbone, units = last ? n : outputs;
            SUMS s = sums_of(outputs, inputs, last ? a.head_lanes : a.lanes);
            GLOBAL const float *biases = layer_W + (i64)inputs * outputs;
            products(layer_W, in, s, part);
            BARRIER();
            s = sums_of(outputs, inputs, last ? a.head_lanes : a.lanes);
            for (int i = LOCAL_ID; i < ROWS * units; i += GROUP) {
                int r = i / units, k = i % units;
                if (!last) in[r * WIDTH + k] = activated(total(part, s, r, k) + biases[k], a.activation);
                else if (step < steps[r])
                    state[r * room + k] = closed_form(part, biases, rates, s, r, k, n, time[r], a.cell, a.head_act, a.time_sign);
            }
            BARRIER();
            layer_W = biases + outputs;
            inputs = outputs;
        }
#endif
        for (int i = LOCAL_ID; i < ROWS * n; i += GROUP) {
            int r = i / n, k = i % n;
            i64 t = begin[r] + step;
            float value = state[r * room + k];
            if (step < steps[r] && k < a.outputs)
                STORE_ANY(y, AT3(a.y, batch[r], t, k), a.y.dtype, maps[k] * value + maps[n + k]);
            if (step < steps[r] && a.h.present) STORE_ANY(h, AT3(a.h, batch[r], t, k), a.h.dtype, value);
        }
    }
    for (int i = LOCAL_ID; i < ROWS * n; i += GROUP) {
        int r = i / n, k = i % n;
        if (to[r] >= 0) STORE_ANY(h_out, AT2(a.h_out, to[r], k), a.h_out.dtype, state[r * room + k]);
    }
}
