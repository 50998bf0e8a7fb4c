/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What ode_cell.k.h reads of a CfC, as floats without gaps in the workspace: of each layer the weights, inputs by outputs,
 * and the biases. The heads are one layer: f1, f2, t_a, t_b side by side, [u 4n], or f1 alone. Then for each unit |w_tau|,
 * pure_A, output_w, output_b. Launch: any number of groups along axis 0. No key. */

FUNC float value_or(GLOBAL const void *p, VIEW2 v, i64 at, float absent)
{
    return v.present ? LOAD_ANY(p, at, v.dtype) : absent;
}

/* w [outputs inputs] to columns of [inputs pitch], b below them. masked: 1 = w times mask. */
FUNC void pack(GLOBAL float *to, int pitch, int outputs, int inputs, int item, int items, GLOBAL const void *w, VIEW2 ws,
               int masked, GLOBAL const void *mask, VIEW2 masks, GLOBAL const void *b, VIEW2 bs)
{
    ROLLED for (int at = item; at < outputs * inputs; at += items) {
        int in = at / outputs, out = at % outputs;
        float x = LOAD_ANY(w, AT2(ws, out, in), ws.dtype);
        if (masked) x *= LOAD_ANY(mask, AT2(masks, out, in), masks.dtype);
        to[in * pitch + out] = x;
    }
    ROLLED for (int out = item; out < outputs; out += items) to[inputs * pitch + out] = value_or(b, bs, AT1(bs, out), 0.0f);
}

KERNEL(ode_cell_cfc_pack)(GLOBAL const void *output_w, GLOBAL const void *output_b, GLOBAL const void *backbone_w,
                          GLOBAL const void *backbone_b, GLOBAL const void *deep_w, GLOBAL const void *deep_b,
                          GLOBAL const void *mask, GLOBAL const void *ff1_w, GLOBAL const void *ff1_b, GLOBAL const void *ff2_w,
                          GLOBAL const void *ff2_b, GLOBAL const void *time_a_w, GLOBAL const void *time_a_b,
                          GLOBAL const void *time_b_w, GLOBAL const void *time_b_b, GLOBAL const void *w_tau,
                          GLOBAL const void *pure_A, GLOBAL float *work, struct ode_cell_cfc_pack_args a)
{
    int item = GROUP_ID(0) * GROUP + LOCAL_ID, n = a.units, inputs = a.features + n, pitch = a.heads * n;
    GLOBAL float *to = work + a.to;
    VIEW2 deep = a.deep_w, biases = a.deep_b;

    if (a.layers) {
        pack(to, a.backbone, a.backbone, inputs, item, a.items, backbone_w, a.backbone_w, 0, mask, a.mask, backbone_b, a.backbone_b);
        to += (i64)(inputs + 1) * a.backbone;
        inputs = a.backbone;
    }
    ROLLED for (int layer = 1; layer < a.layers; layer++) {
        pack(to, inputs, inputs, inputs, item, a.items, deep_w, deep, 0, mask, a.mask, deep_b, biases);
        to += (i64)(inputs + 1) * inputs;
        deep.at += a.deep_w_step;
        biases.at += a.deep_b_step;
    }
    pack(to, pitch, n, inputs, item, a.items, ff1_w, a.ff1_w, a.mask.present, mask, a.mask, ff1_b, a.ff1_b);
    if (a.heads > 1) {
        pack(to + n, pitch, n, inputs, item, a.items, ff2_w, a.ff2_w, a.mask.present, mask, a.mask, ff2_b, a.ff2_b);
        pack(to + 2 * n, pitch, n, inputs, item, a.items, time_a_w, a.time_a_w, 0, mask, a.mask, time_a_b, a.time_a_b);
        pack(to + 3 * n, pitch, n, inputs, item, a.items, time_b_w, a.time_b_w, 0, mask, a.mask, time_b_b, a.time_b_b);
    }
    to += (i64)(inputs + 1) * pitch;
    for (int i = item; i < n; i += a.items) {
        float rate = value_or(w_tau, a.w_tau, AT1(a.w_tau, i), 0.0f);
        to[i] = MAX(rate, -rate);
        to[n + i] = value_or(pure_A, a.pure_A, AT1(a.pure_A, i), 0.0f);
        to[2 * n + i] = i < a.outputs ? value_or(output_w, a.output_w, AT1(a.output_w, i), 1.0f) : 0.0f;
        to[3 * n + i] = i < a.outputs ? value_or(output_b, a.output_b, AT1(a.output_b, i), 0.0f) : 0.0f;
    }
}
