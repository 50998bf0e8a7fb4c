/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Attention over all keys from that over disjoint sets of them (arXiv:2310.01889, arXiv:2501.01005): what attention_merge.def says.
 *
 * `width` items take a row of v channels; each makes the weights for itself, of logarithms that all of them read. What an empty
 * part holds is not read. Launch: groups (1, rows, 1). Key: nothing but GROUP. */

/* The log of part r, read anew wherever it is used: registers for all parts would be a key. */
FUNC float part_log(GLOBAL const void *lse, GLOBAL const void *log_weight, VIEW logs, VIEW weights, i32 plus_inf_empty, i32 r,
                    i64 b, i64 t, i64 h)
{
    float l = LOAD_ANY(lse, AT4(logs, r, b, t, h), logs.dtype);
    if (l == -INF || (plus_inf_empty && l == INF)) return -INF;
    return weights.present ? l + LOAD_ANY(log_weight, AT4(weights, r, b, t, h), weights.dtype) : l;
}
#define PART_LOG(r) part_log(lse, log_weight, a.lse, a.log_weight, a.plus_inf_empty, r, b, t, h)

KERNEL(attention_merge)(GLOBAL const void *o, GLOBAL const void *lse, GLOBAL const void *log_weight, GLOBAL void *y,
                        GLOBAL void *lse_out, struct attention_merge_args a)
{
    i32 width = a.width ? a.width : 1, item = LOCAL_ID & (width - 1);
    for (i64 row = (i64)GROUP_ID(1) * a.each + LOCAL_ID / width; row < a.rows; row += (i64)a.groups * a.each) {
        i64 token = row / a.heads, h = row - token * a.heads, b = token / a.tokens, t = token - b * a.tokens;
        float most = -INF, sum = 0.0f;
        for (i32 r = 0; r < a.parts; r++) {
            float l = PART_LOG(r);
            most = l > most ? l : most; /* a NaN stays out, and makes the sum one */
        }
        for (i32 r = 0; r < a.parts; r++) {
            float l = PART_LOG(r);
            if (l != -INF) sum += natural_exp(l - most);
        }
        for (i32 k = item; k < a.count; k += width) {
            float all = 0.0f;
            for (i32 r = 0; r < a.parts; r++) {
                float l = PART_LOG(r);
                if (l != -INF) all = FMA(natural_exp(l - most), LOAD_ANY(o, r * a.part + AT4(a.o, b, t, h, k), a.o.dtype), all);
            }
            STORE_ANY(y, AT4(a.y, b, t, h, k), a.y.dtype, sum == 0.0f ? 0.0f : all / sum);
        }
        if (item == 0 && a.lse_out.present)
            STORE_ANY(lse_out, AT3(a.lse_out, b, t, h), a.lse_out.dtype, sum == 0.0f ? -INF : most + natural_log(sum));
    }
}
