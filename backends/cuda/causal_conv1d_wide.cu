/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* backends/gpu/causal_conv1d.k.h for channels side by side, without gates, tags and rings: an item walks a
 * strip of tokens of VECTOR channels, 16 bytes an access, AHEAD rows on their way at once, the last W - 1 rows
 * in registers. A sequence's first W - 1 tokens, which meet the state, go one by one: the state may have a
 * dtype of its own. Items are numbered along the channels, then along the strips. Every output has its own sum,
 * in the order of the taps: where strips begin shows nowhere.
 *
 * The items of a sequence's first strip alone read h_in, and write h_out after that: both may be one tensor.
 * Launch: groups (ceil(vectors strips / GROUP), at most one a sequence). Key: ACT, STATE, W. */
#define AHEAD (VECTOR * W < 32 ? 4 : 3) /* more, and registers overflow on sm_100 */
#define ROWS (W - 1 + AHEAD)

struct place { /* a vector of channels of a sequence */
    SEQUENCE q;
    int d, width;
};

/* The number `t` tokens after the sequence's first, of channel d + i; before the first from the state. */
FUNC float input_of(GLOBAL const ACT *x, GLOBAL const STATE *h_in, struct causal_conv1d_wide_args a,
                    struct place p, int i, i64 t)
{
    if (t >= 0) return LOAD(x, AT3(a.x, p.q.batch, p.q.first + t, p.d + i));
    if (!a.h_in.present || p.q.read < 0) return 0.0f;
    return LOAD_STATE(h_in, AT3(a.h_in, p.q.read, p.d + i, a.columns + t));
}

FUNC float start_of(GLOBAL const void *bias, struct causal_conv1d_wide_args a, int d)
{
    return a.bias.present ? LOAD_ANY(bias, AT1(a.bias, d), a.bias.dtype) : 0.0f;
}

FUNC float tap_of(GLOBAL const void *weight, struct causal_conv1d_wide_args a, int d, int w)
{
    return LOAD_ANY(weight, AT2(a.weight, d, w), a.weight.dtype);
}

/* Tokens from the sequence's first up to `end`, whose taps reach back behind it. */
FUNC void head(GLOBAL const ACT *x, GLOBAL const void *weight, GLOBAL const void *bias,
               GLOBAL const STATE *h_in, GLOBAL ACT *y, struct causal_conv1d_wide_args a, struct place p,
               int end)
{
    for (int t = 0; t < end; t++)
        for (int i = 0; i < p.width; i++) {
            float sum = start_of(bias, a, p.d + i);
            for (int w = 0; w < W; w++)
                sum = FMA(tap_of(weight, a, p.d + i, w), input_of(x, h_in, a, p, i, t + w - (W - 1)), sum);
            STORE(y, AT3(a.y, p.q.batch, p.q.first + t, p.d + i), a.silu ? fast_silu(sum) : sum);
        }
}

/* The state after the call; a column is read no later than it is written. */
FUNC void keep(GLOBAL const ACT *x, GLOBAL const STATE *h_in, GLOBAL STATE *h_out,
               struct causal_conv1d_wide_args a, struct place p)
{
    for (int i = 0; i < p.width; i++)
        for (i64 c = 0; c < a.columns; c++)
            STORE_STATE(h_out, AT3(a.h_out, p.q.write, p.d + i, c),
                        input_of(x, h_in, a, p, i, p.q.count - a.columns + c));
}

FUNC void clear(GLOBAL ACT *y, struct causal_conv1d_wide_args a, struct place p, i64 from, i64 end)
{
    for (i64 t = from; t < end; t++)
        for (int i = 0; i < p.width; i++) STORE(y, AT3(a.y, p.q.batch, p.q.first + t, p.d + i), 0.0f);
}

KERNEL(causal_conv1d_wide)
(GLOBAL const ACT *x, GLOBAL const void *weight, GLOBAL const void *bias, GLOBAL const ACT *pre_gate,
 GLOBAL const ACT *post_gate, GLOBAL const i32 *cu_seqlens, GLOBAL const i32 *seq_idx,
 GLOBAL const i32 *cache_seqlens, GLOBAL const i32 *slot, GLOBAL const STATE *h_in, GLOBAL STATE *h_out,
 GLOBAL ACT *y, struct causal_conv1d_wide_args a)
{
    int vectors = (a.channels + VECTOR - 1) / VECTOR;
    i64 number = (i64)GROUP_ID(0) * GROUP + LOCAL_ID;
    if (number >= (i64)vectors * a.strips) return;
    struct place p;
    p.d = (int)(number % vectors) * VECTOR;
    p.width = a.channels - p.d < VECTOR ? a.channels - p.d : VECTOR;
    i64 begin = number / vectors * a.strip, step = (i64)a.strips * a.strip;
    float tap[W][VECTOR], start[VECTOR];
    QUAD row[ROWS];
    UNROLL for (int i = 0; i < VECTOR; i++)
    {
        start[i] = i < p.width ? start_of(bias, a, p.d + i) : 0.0f;
        UNROLL for (int w = 0; w < W; w++) tap[w][i] = i < p.width ? tap_of(weight, a, p.d + i, w) : 0.0f;
    }

    for (i64 s = GROUP_ID(1); s < a.sequences; s += a.rows) {
        p.q = sequence_at(s, a.tokens, a.pool, cu_seqlens, a.cu_seqlens, slot, a.slot);
        for (i64 first = begin; first < p.q.count || first == 0; first += step) {
            i64 end = p.q.count - first < a.strip ? p.q.count : first + a.strip, from = first ? first : W - 1;
            if (p.q.padding) {
                clear(y, a, p, first, end);
                continue;
            }
            if (!first) head(x, weight, bias, h_in, y, a, p, end < W - 1 ? (int)end : W - 1);
            UNROLL for (int w = 0; w < W - 1; w++) row[w] =
                load_vector(x, AT3(a.x, p.q.batch, p.q.first + from + w - (W - 1), p.d), a.x.stride[2],
                            from < end ? p.width : 0, a.wide_x);
            for (; from < end; from += AHEAD) {
                float sum[AHEAD][VECTOR];
                UNROLL for (int k = 0; k < AHEAD; k++) row[W - 1 + k] =
                    load_vector(x, AT3(a.x, p.q.batch, p.q.first + from + k, p.d), a.x.stride[2],
                                from + k < end ? p.width : 0, a.wide_x);
                UNROLL for (int i = 0; i < VECTOR; i++)
                {
                    float in[ROWS];
                    UNROLL for (int k = 0; k < ROWS; k++) in[k] = ELEMENT(row[k], i);
                    UNROLL for (int k = 0; k < AHEAD; k++)
                    {
                        float x = start[i];
                        UNROLL for (int w = 0; w < W; w++) x = FMA(tap[w][i], in[k + w], x);
                        sum[k][i] = a.silu ? fast_silu(x) : x;
                    }
                }
                UNROLL for (int k = 0; k < AHEAD; k++) if (from + k < end)
                    store_vector(y, AT3(a.y, p.q.batch, p.q.first + from + k, p.d), a.y.stride[2], p.width,
                                 a.wide_y, sum[k]);
                UNROLL for (int w = 0; w < W - 1; w++) row[w] = row[w + AHEAD];
            }
            if (!first && a.h_out.present && p.q.write >= 0) keep(x, h_in, h_out, a, p);
        }
    }
}
