/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* p[r v] = exp(x[r v] - max_r) / sum_r,  best[r] = the first v where x[r v] is greatest,  count[k] += rows whose best is in
 * bin k of KEYS. For fibre_test.c: the words that no primitive's kernel uses yet (GROUP_SUM, GROUP_MAX, atomics).
 *
 * A group owns a row. Launch: groups (rows). Key: ACT, KEYS. */
KERNEL(fibre_rows)(GLOBAL const ACT *x, GLOBAL ACT *p, GLOBAL i32 *best, GLOBAL i32 *count, struct fibre_rows_args a)
{
    LOCAL float scratch[GROUP];
    LOCAL i32 winner;
    LOCAL i32 seen[KEYS];
    int row = GROUP_ID(0), where = a.columns;
    float top = -INF, sum = 0.0f;

    if (LOCAL_ID == 0) winner = a.columns;
    for (int k = LOCAL_ID; k < KEYS; k += GROUP) seen[k] = 0;
    for (int v = LOCAL_ID; v < a.columns; v += GROUP) {
        float z = LOAD(x, AT2(a.x, row, v));
        if (z > top) {
            top = z;
            where = v;
        }
    }
    float all = GROUP_MAX(top, scratch);
    for (int v = LOCAL_ID; v < a.columns; v += GROUP) sum += natural_exp(LOAD(x, AT2(a.x, row, v)) - all);
    sum = GROUP_SUM(sum, scratch);
    if (top == all && where < a.columns) ATOMIC_MIN(&winner, where);
    if (LOCAL_ID == 0) scratch[0] = 1.0f / sum;
    BARRIER();
    for (int v = LOCAL_ID; v < a.columns; v += GROUP)
        STORE(p, AT2(a.p, row, v), natural_exp(LOAD(x, AT2(a.x, row, v)) - all) * scratch[0]);
    for (int k = LOCAL_ID; k < KEYS; k += GROUP)
        if (k == winner % KEYS) ATOMIC_ADD(&seen[k], 1);
    if (LOCAL_ID == 0) best[row] = winner;
    BARRIER();
    for (int k = LOCAL_ID; k < KEYS; k += GROUP)
        if (seen[KEYS - 1 - k]) ATOMIC_ADD(&count[KEYS - 1 - k], seen[KEYS - 1 - k]);
}
