/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What ode_cell.k.h reads of an LTC, as floats without gaps in the workspace: sigma, mu, act's factor (A times the
 * constrained w, times how often a list has the synapse) and E, each [n+d n], neurons first, then features; for each neuron g,
 * g vleak, cm, output_w, output_b; for each feature input_w, input_b. With lists nothing is read of a synapse that
 * they do not have. Launch: any number of groups along axis 0. No key. */
#define NOT_THERE 0x7fc05e60u /* the slope of a synapse that a list does not have: a NaN that no arithmetic makes */

FUNC float constrained(float p, int constraint, float least)
{
    if (constraint == CONSTRAINT_SOFTPLUS) return softplus(p);
    if (constraint != CONSTRAINT_CLIP) return p;
    return p < least ? least : p > 1000.0f ? 1000.0f : p; /* NaN: as it is */
}

FUNC float value_or(GLOBAL const void *p, VIEW2 v, i64 i, float absent)
{
    return v.present ? LOAD_ANY(p, AT1(v, i), v.dtype) : absent;
}

/* How often source j stands in neuron i's list. */
FUNC int times_listed(GLOBAL const i32 *ptr, VIEW2 begins, GLOBAL const i32 *src, VIEW2 list, i64 count, int j, int i)
{
    int times = 0;
    if (!begins.present) return 1;
    i64 end = clamped(ptr[AT1(begins, i + 1)], count);
    for (i64 k = clamped(ptr[AT1(begins, i)], count); k < end; k++) times += src[AT1(list, k)] == j;
    return times;
}

/* The four numbers of synapse j -> i, a plane from each other. */
FUNC void pack(GLOBAL float *to, i64 plane, int times, int j, int i, int constraint, GLOBAL const void *sigma, VIEW2 sigmas,
               GLOBAL const void *mu, VIEW2 mus, GLOBAL const void *w, VIEW2 ws, GLOBAL const void *E, VIEW2 Es,
               GLOBAL const void *A, VIEW2 As)
{
    float slope = bits_f32(NOT_THERE), middle = 0.0f, factor = 0.0f, reversal = 0.0f;
    if (times) {
        slope = LOAD_ANY(sigma, AT2(sigmas, j, i), sigmas.dtype);
        middle = LOAD_ANY(mu, AT2(mus, j, i), mus.dtype);
        factor = constrained(LOAD_ANY(w, AT2(ws, j, i), ws.dtype), constraint, 1e-5f);
        if (As.present) factor *= LOAD_ANY(A, AT2(As, j, i), As.dtype);
        factor *= (float)times;
        reversal = LOAD_ANY(E, AT2(Es, j, i), Es.dtype);
    }
    to[0] = slope;
    to[plane] = middle;
    to[2 * plane] = factor;
    to[3 * plane] = reversal;
}

KERNEL(ode_cell_ltc_pack)(GLOBAL const void *output_w, GLOBAL const void *output_b, GLOBAL const void *gleak,
                          GLOBAL const void *vleak, GLOBAL const void *cm, GLOBAL const void *sigma, GLOBAL const void *mu,
                          GLOBAL const void *w, GLOBAL const void *E, GLOBAL const void *A, GLOBAL const i32 *ptr,
                          GLOBAL const i32 *src, GLOBAL const void *sensory_sigma, GLOBAL const void *sensory_mu,
                          GLOBAL const void *sensory_w, GLOBAL const void *sensory_E, GLOBAL const void *sensory_A,
                          GLOBAL const i32 *sensory_ptr, GLOBAL const i32 *sensory_src, GLOBAL const void *input_w,
                          GLOBAL const void *input_b, GLOBAL float *work, struct ode_cell_ltc_pack_args a)
{
    int item = GROUP_ID(0) * GROUP + LOCAL_ID, neurons = a.units * a.units, plane = neurons + a.features * a.units;
    i64 vectors = a.to + 4 * (i64)plane;

    for (int at = item; at < neurons; at += a.items) {
        int j = at / a.units, i = at % a.units;
        pack(work + a.to + at, plane, times_listed(ptr, a.ptr, src, a.src, a.listed, j, i), j, i, a.constraint, sigma, a.sigma,
             mu, a.mu, w, a.w, E, a.E, A, a.A);
    }
    for (int at = item; at < plane - neurons; at += a.items) {
        int j = at / a.units, i = at % a.units;
        pack(work + a.to + neurons + at, plane,
             times_listed(sensory_ptr, a.sensory_ptr, sensory_src, a.sensory_src, a.sensory_listed, j, i), j, i, a.constraint,
             sensory_sigma, a.sensory_sigma, sensory_mu, a.sensory_mu, sensory_w, a.sensory_w, sensory_E, a.sensory_E,
             sensory_A, a.sensory_A);
    }
    for (int i = item; i < a.units; i += a.items) {
        GLOBAL float *to = work + vectors + i;
        float g = constrained(LOAD_ANY(gleak, AT1(a.gleak, i), a.gleak.dtype), a.constraint, 1e-5f);
        to[0] = g;
        to[a.units] = g * LOAD_ANY(vleak, AT1(a.vleak, i), a.vleak.dtype);
        to[2 * a.units] = constrained(LOAD_ANY(cm, AT1(a.cm, i), a.cm.dtype), a.constraint, 1e-6f);
        to[3 * a.units] = i < a.outputs ? value_or(output_w, a.output_w, i, 1.0f) : 0.0f;
        to[4 * a.units] = i < a.outputs ? value_or(output_b, a.output_b, i, 0.0f) : 0.0f;
    }
    for (int i = item; i < a.features; i += a.items) {
        GLOBAL float *to = work + vectors + 5 * a.units + i;
        to[0] = value_or(input_w, a.input_w, i, 1.0f);
        to[a.features] = value_or(input_b, a.input_b, i, 0.0f);
    }
}
