/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The parts that attention leaves of a row, added up: sums, with the maximum of the scores and the sum of the weights behind them.
 * Launch: groups (rows x heads, sequences). Key: nothing but GROUP. */
KERNEL(attention_parts)(GLOBAL const float *parts, GLOBAL const i32 *cu_seqlens, GLOBAL const i32 *o_index, GLOBAL void *y,
                        GLOBAL void *lse, struct attention_parts_args a)
{
    int heads = a.heads ? a.heads : 1, group = a.group ? a.group : 1, head = GROUP_ID(0) % heads, row = GROUP_ID(0) / heads;
    i64 s = a.sequence + GROUP_ID(1), b = s, first = 0, tokens = a.queries, slot = row / group, to;
    i64 each = (i64)a.rows * (a.columns + 2);
    i64 from = a.parts.at + (s * heads + head) * a.count * each + row * (a.columns + (i64)2), at = from + a.columns;
    int h = head * group + row % group;
    float top = -INF, total = 0.0f;
    if (a.cu_seqlens.present) {
        i64 end = clamped(cu_seqlens[AT1(a.cu_seqlens, s + 1)], tokens);
        first = clamped(cu_seqlens[AT1(a.cu_seqlens, s)], tokens);
        tokens = end - first;
        b = 0;
    }
    if (slot >= tokens) return;
    to = a.o_index.present ? o_index[AT3(a.o_index, b, h, slot)] : first + slot;
    if (to < 0 || to >= a.rows_y) return;
    for (int i = 0; i < a.count; i++) top = MAX(top, parts[at + i * each]);
    float base = top == -INF ? 0.0f : top;
    for (int i = 0; i < a.count; i++) total += natural_exp(parts[at + i * each] - base) * parts[at + i * each + 1];
    for (int column = LOCAL_ID; column < a.columns; column += GROUP) {
        float sum = 0.0f;
        for (int i = 0; i < a.count; i++) sum = FMA(natural_exp(parts[at + i * each] - base), parts[from + i * each + column], sum);
        STORE_ANY(y, AT4(a.y, b, to, h, column), a.y.dtype, total == 0.0f ? 0.0f : sum / total);
    }
    if (LOCAL_ID == 0 && a.lse.present) STORE_ANY(lse, AT3(a.lse, b, to, h), a.lse.dtype, top + natural_log(total));
}
