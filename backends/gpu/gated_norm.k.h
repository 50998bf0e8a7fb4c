/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* y[b t h d] = norm(x act(z)) weight + bias, or (norm(x) weight + bias) act(z), RMS or layer norm over d
 * (state-spaces/mamba mamba_ssm/ops/triton/layernorm_gated.py).
 *
 * `width` items take a row, each every width-th element of it; long rows have a group, short ones share it.
 * What goes into the norm is computed anew in each pass over the row: x and z come from a cache then. The
 * variance is the mean of squared deviations, in a pass of its own. Launch: groups (1, at most ceil(rows /
 * each), 1). Key: ACT. */

/* x0, z0: where the row begins. */
FUNC float gate_at(GLOBAL const ACT *z, struct gated_norm_args a, i64 z0, int d)
{
    float v = LOAD(z, z0 + d * a.z.stride[3]), share = sigmoid(v);
    return a.sigmoid ? share : v * share;
}

/* What the norm is taken of. by: 1, or what keeps squares of a row in f32. */
FUNC float value_at(GLOBAL const void *x, GLOBAL const ACT *z, struct gated_norm_args a, i64 x0, i64 z0, int d,
                    float by)
{
    float v = LOAD_ANY(x, x0 + d * a.x.stride[3], a.x.dtype) * by;
    return a.z.present && !a.gate_last ? v * gate_at(z, a, z0, d) : v;
}

/* The scale of a row out of range, that is 2^64 or 2^-64 of it, and its mean: with what is flushed less than 2^-125 in y. Each item
 * adds up the whole row, since others of the group do not come to a barrier here. */
FUNC float far_scale(GLOBAL const void *x, GLOBAL const ACT *z, struct gated_norm_args a, i64 x0, i64 z0, int count,
                     float scale, float *mean)
{
    float by = toward_one(scale), more = further_toward_one(scale), sum = 0.0f;
    *mean = 0.0f;
    for (int pass = a.layer ? 0 : 1; pass < 2; pass++) {
        if (pass) *mean = sum / (float)a.count;
        sum = 0.0f;
        for (int d = 0; d < count; d++) {
            float v = value_at(x, z, a, x0, z0, d, by) - *mean;
            sum += pass ? v * more * (v * more) : v;
        }
    }
    sum = sum / (float)a.count + (by > 1.0f ? a.far_eps : a.eps * by * more * by * more);
    return reciprocal_root(sum) * more;
}

/* Whether a token is in any sequence. */
FUNC int belongs(GLOBAL const i32 *cu_seqlens, struct gated_norm_args a, i64 t)
{
    int found = !a.cu_seqlens.present;
    for (i64 s = 0; s < a.sequences && !found; s++)
        found = t >= cu_seqlens[AT1(a.cu_seqlens, s)] && t < cu_seqlens[AT1(a.cu_seqlens, s + 1)];
    return found;
}

KERNEL(gated_norm)(GLOBAL const void *x, GLOBAL const ACT *z, GLOBAL const void *weight,
                   GLOBAL const void *bias, GLOBAL const i32 *cu_seqlens, GLOBAL ACT *y,
                   struct gated_norm_args a)
{
    LOCAL float scratch[GROUP];
    for (i64 first = (i64)GROUP_ID(1) * a.each; first < a.rows; first += (i64)a.groups * a.each) {
        int item = LOCAL_ID & (a.width - 1);
        i64 row = first + LOCAL_ID / a.width, h = row % a.heads, t = row / a.heads % a.tokens,
            b = row / a.heads / a.tokens;
        i64 x0 = AT3(a.x, b, t, h), z0 = AT3(a.z, b, t, h);
        /* The other items of the group come to its barriers. */
        int count = row < a.rows && belongs(cu_seqlens, a, t) ? a.count : 0;
        float mean = 0.0f, sum = 0.0f;
        for (int pass = a.layer ? 0 : 1; pass < 2; pass++) { /* the mean, where it is wanted; then squares */
            if (pass) mean = sum / (float)a.count;
            sum = 0.0f;
            for (int d = item; d < count; d += a.width) {
                float v = value_at(x, z, a, x0, z0, d, 1.0f) - mean;
                sum += pass ? v * v : v;
            }
            sum = part_sum(sum, scratch, a.width);
        }
        float scale = reciprocal_root(sum / (float)a.count + a.eps), by = 1.0f;
        if (!scale_in_range(scale)) {
            by = toward_one(scale);
            scale = far_scale(x, z, a, x0, z0, count, scale, &mean);
        }
        for (int d = item; d < count; d += a.width) {
            float v = (value_at(x, z, a, x0, z0, d, by) - mean) * scale;
            if (a.weight.present) v *= LOAD_ANY(weight, AT2(a.weight, h, d), a.weight.dtype);
            if (a.bias.present) v += LOAD_ANY(bias, AT2(a.bias, h, d), a.bias.dtype);
            if (a.z.present && a.gate_last) v *= gate_at(z, a, z0, d);
            STORE(y, AT4(a.y, b, t, h, d), v);
        }
    }
}
