/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets of angular LSH (arXiv:2001.04451): the first of the largest among y and -y, y = R^T x, for each factor and round.
 *
 * A group takes tiles of TOKENS tokens of one head and round. An item sums up MINE tokens times EACH columns at a time, from CHUNK
 * keys of both in LOCAL, and remembers its largest scores; what the ACROSS items of a token have found is compared in the end,
 * once for each sign. NaN is larger than nothing. Launch: groups (tiles x rounds, batch x heads). Key: ACT. */
#define ACROSS LSH_ACROSS(GROUP)
#define TOKENS LSH_TOKENS(GROUP)
#define APART (GROUP / ACROSS) /* tokens between two of an item's */
#define MINE 4
#define EACH 4
#define COLUMNS (ACROSS * EACH)
#define CHUNK 8
#define STRIDE (TOKENS + 1) /* of the tile: keys in different banks */

KERNEL(lsh_buckets)(GLOBAL const ACT *x, GLOBAL const void *R, GLOBAL const void *R_2, GLOBAL const i32 *keep,
                    GLOBAL i32 *buckets, struct lsh_buckets_args a)
{
    LOCAL float tile[CHUNK * STRIDE], turn[CHUNK * COLUMNS], best[TOKENS * ACROSS], found[TOKENS];
    LOCAL i32 best_at[TOKENS * ACROSS], found_at[TOKENS], number[TOKENS];
    int heads = a.heads ? a.heads : 1, rounds = a.rounds ? a.rounds : 1, lane = LOCAL_ID % ACROSS, part = LOCAL_ID / ACROSS;
    i64 row = a.row + GROUP_ID(1), b = row / heads, units = (a.tokens + TOKENS - 1) / TOKENS * a.rounds;
    int h = (int)(row - b * heads), factors = a.columns_2 ? 2 : 1;
    for (i64 unit = GROUP_ID(0); unit < units; unit += a.parts) {
        i64 first = unit / rounds * TOKENS, to = a.buckets + (row * rounds + unit % rounds) * a.tokens + first;
        int r = (int)(unit % rounds), tokens = a.tokens - first < TOKENS ? (int)(a.tokens - first) : TOKENS;
        for (int t = LOCAL_ID; t < TOKENS; t += GROUP) number[t] = 0;
        for (int factor = 0; factor < factors; factor++) {
            int columns = factor ? a.columns_2 : a.columns;
            float high[MINE], low[MINE];
            i32 high_at[MINE], low_at[MINE];
            UNROLL for (int i = 0; i < MINE; i++) {
                high[i] = low[i] = -INF;
                high_at[i] = low_at[i] = 0;
            }
            for (int c0 = 0; c0 < columns; c0 += COLUMNS) {
                float sum[MINE * EACH];
                UNROLL for (int i = 0; i < MINE * EACH; i++) sum[i] = 0.0f;
                for (int k0 = 0; k0 < a.width; k0 += CHUNK) {
                    for (int i = LOCAL_ID; i < TOKENS * CHUNK; i += GROUP) {
                        int t = i / CHUNK, k = i % CHUNK, there = t < tokens && k0 + k < a.width;
                        tile[k * STRIDE + t] = there ? LOAD(x, AT4(a.x, b, first + t, h, k0 + k)) : 0.0f;
                    }
                    for (int i = LOCAL_ID; i < CHUNK * COLUMNS; i += GROUP) {
                        int k = k0 + i / COLUMNS, c = c0 + i % COLUMNS, there = k < a.width && c < columns;
                        float value = 0.0f;
                        if (there && factor) value = LOAD_ANY(R_2, AT4(a.R_2, h, k, r, c), a.R_2.dtype);
                        else if (there) value = LOAD_ANY(R, AT4(a.R, h, k, r, c), a.R.dtype);
                        turn[i] = value;
                    }
                    BARRIER();
                    ROLLED for (int k = 0; k < CHUNK; k++) {
                        float w[EACH];
                        UNROLL for (int j = 0; j < EACH; j++) w[j] = turn[k * COLUMNS + j * ACROSS + lane];
                        UNROLL for (int i = 0; i < MINE; i++) {
                            float v = tile[k * STRIDE + part + i * APART];
                            UNROLL for (int j = 0; j < EACH; j++) sum[i * EACH + j] = FMA(w[j], v, sum[i * EACH + j]);
                        }
                    }
                    BARRIER();
                }
                UNROLL for (int i = 0; i < MINE; i++) {
                    UNROLL for (int j = 0; j < EACH; j++) {
                        int column = c0 + j * ACROSS + lane;
                        float y = sum[i * EACH + j];
                        int up = (column < columns) & (y > high[i]), down = (column < columns) & (-y > low[i]);
                        high[i] = up ? y : high[i];
                        high_at[i] = up ? column : high_at[i];
                        low[i] = down ? -y : low[i];
                        low_at[i] = down ? column : low_at[i];
                    }
                }
            }
            for (int sign = 0; sign < 2; sign++) {
                UNROLL for (int i = 0; i < MINE; i++) {
                    int at = (part + i * APART) * ACROSS + lane;
                    best[at] = sign ? low[i] : high[i];
                    best_at[at] = sign ? low_at[i] : high_at[i];
                }
                BARRIER();
                for (int t = LOCAL_ID; t < TOKENS; t += GROUP) {
                    float top = best[t * ACROSS];
                    i32 at = best_at[t * ACROSS];
                    for (int i = 1; i < ACROSS; i++) {
                        float y = best[t * ACROSS + i];
                        i32 column = best_at[t * ACROSS + i];
                        if (y > top || (y == top && column < at)) {
                            top = y;
                            at = column;
                        }
                    }
                    if (sign) number[t] += (factor ? 2 * a.columns : 1) * (top > found[t] ? columns + at : found_at[t]);
                    found[t] = top;
                    found_at[t] = at;
                }
                BARRIER();
            }
        }
        for (int t = LOCAL_ID; t < TOKENS; t += GROUP) {
            if (t >= tokens) continue;
            int masked = a.pad_bucket && keep[AT2(a.keep, b, first + t)] == 0;
            buckets[to + t] = masked ? a.pad_bucket : number[t];
        }
    }
}
