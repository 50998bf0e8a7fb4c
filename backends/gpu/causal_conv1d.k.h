/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* v = x pre_gate,  y[b t d] = act(bias[d] + sum over w of weight[d w] v[b t+w-(W-1) d]) post_gate
 * (Dao-AILab/causal-conv1d). v before the sequence comes from h_in [p d l], oldest first or a ring; taps see
 * tokens of their own tag (seq_idx) only.
 *
 * An item walks SPAN tokens of one channel with its last W inputs in registers; items share nothing. Only the
 * item of a channel's first span reads h_in, and it writes h_out once its inputs are in registers: both may be
 * one tensor. Launch: groups (ceil(d / GROUP), at most ceil(t / SPAN), at most one a sequence), or
 * (ceil(d / GROUP), 1, at most one a piece). Key: ACT, STATE, W. */
#if W > SPAN + 1
#error "a span must be as long as the taps reach back"
#endif

/* Where the state holds the input `before` the sequence: -1 is the newest. seen: tokens before the call, -1 =
 * no ring. */
FUNC i64 column_of(i64 before, i64 seen, i64 columns)
{
    i64 at = columns + before;
    if (seen < 0) return at;
    at = (seen + before) % columns;
    return at < 0 ? at + columns : at;
}

struct row { /* one channel of a sequence */
    SEQUENCE q;
    i64 seen, d;
};

FUNC float input_at(GLOBAL const ACT *x, GLOBAL const ACT *pre_gate, struct causal_conv1d_args a, struct row r,
                    i64 t)
{
    float v = LOAD(x, AT3(a.x, r.q.batch, r.q.first + t, r.d));
    return a.pre_gate.present ? v * LOAD(pre_gate, AT3(a.pre_gate, r.q.batch, r.q.first + t, r.d)) : v;
}

/* column: as column_of() gives it, and within the state. */
FUNC float kept_at(GLOBAL const STATE *h_in, struct causal_conv1d_args a, struct row r, i64 column)
{
    return a.h_in.present && r.q.read >= 0 ? LOAD_STATE(h_in, AT3(a.h_in, r.q.read, r.d, column)) : 0.0f;
}

/* What came before the call has the first token's tag. */
FUNC i32 tag_at(GLOBAL const i32 *seq_idx, struct causal_conv1d_args a, struct row r, i64 t)
{
    return a.seq_idx.present ? seq_idx[AT2(a.seq_idx, r.q.batch, t < 0 ? 0 : t)] : 0;
}

/* The state after the call. A column is read no later than the write that replaces it. */
FUNC void keep(GLOBAL const ACT *x, GLOBAL const ACT *pre_gate, GLOBAL const i32 *seq_idx,
               GLOBAL const STATE *h_in, GLOBAL STATE *h_out, struct causal_conv1d_args a, struct row r)
{
    i64 count = r.q.count;
    i32 last = count ? tag_at(seq_idx, a, r, count - 1) : 0;
    for (i64 c = 0; c < a.columns; c++) {
        i64 t = count - a.columns + c; /* the token whose input goes there, */
        i64 from = c + count;          /* or, where it came before the call, its column */
        if (r.seen >= 0) {
            i64 behind = (c - r.seen % a.columns + a.columns) % a.columns; /* the first token that meets it */
            t = behind < count ? behind + (count - 1 - behind) / a.columns * a.columns : -1;
            from = c;
        }
        float v = 0.0f;
        if (!count || (last >= 0 && tag_at(seq_idx, a, r, t) == last))
            v = t < 0 ? kept_at(h_in, a, r, from) : input_at(x, pre_gate, a, r, t);
        STORE_STATE(h_out, AT3(a.h_out, r.q.write, r.d, c), v);
    }
}

KERNEL(causal_conv1d)(GLOBAL const ACT *x, GLOBAL const void *weight, GLOBAL const void *bias,
                      GLOBAL const ACT *pre_gate, GLOBAL const ACT *post_gate, GLOBAL const i32 *cu_seqlens,
                      GLOBAL const i32 *seq_idx, GLOBAL const i32 *cache_seqlens, GLOBAL const i32 *slot,
                      GLOBAL const STATE *h_in, GLOBAL STATE *h_out, GLOBAL ACT *y, struct causal_conv1d_args a)
{
    struct row r;
    r.d = (i64)GROUP_ID(0) * GROUP + LOCAL_ID;
    if (r.d >= a.channels) return;
    float tap[W], past[W], start = a.bias.present ? LOAD_ANY(bias, AT1(a.bias, r.d), a.bias.dtype) : 0.0f;
    i32 tag[W];
    UNROLL for (int w = 0; w < W; w++) tap[w] = LOAD_ANY(weight, AT2(a.weight, r.d, w), a.weight.dtype);

    for (i64 n = GROUP_ID(2); n < a.pieces; n += a.rows) {
        PIECE p = { n, GROUP_ID(1), a.tokens + 1 };
        i64 step = (i64)a.spans * SPAN;
        if (a.searched) {
            p = piece_at(n, a.sequences, a.tokens, SPAN, 1, cu_seqlens, a.cu_seqlens.at, a.cu_seqlens.stride[0]);
            step = SPAN;
        }
        r.q = sequence_at(p.s, a.tokens, a.pool, cu_seqlens, a.cu_seqlens, slot, a.slot);
        r.seen = -1;
        if (a.cache_seqlens.present) r.seen = clamped(cache_seqlens[AT1(a.cache_seqlens, p.s)], 0x7fffffff);
        for (i64 first = p.tile * SPAN; first < p.end * SPAN && (first < r.q.count || first == 0); first += step) {
            int tokens = r.q.count - first < SPAN ? (int)(r.q.count - first) : SPAN;
            if (tokens > 0)
                UNROLL for (int w = 1; w < W; w++) {
                    i64 t = first + w - W;
                    tag[w] = tag_at(seq_idx, a, r, t);
                    past[w] = r.q.padding || (t < 0 && !a.columns) ? 0.0f
                              : t < 0 ? kept_at(h_in, a, r, column_of(t, r.seen, a.columns))
                                      : input_at(x, pre_gate, a, r, t);
                }
            for (int i = 0; i < tokens; i++) {
                i64 t = first + i, row = r.q.first + t;
                float sum = start;
                UNROLL for (int w = 0; w < W - 1; w++) {
                    past[w] = past[w + 1];
                    tag[w] = tag[w + 1];
                }
                past[W - 1] = r.q.padding ? 0.0f : input_at(x, pre_gate, a, r, t);
                tag[W - 1] = tag_at(seq_idx, a, r, t);
                UNROLL for (int w = 0; w < W; w++) sum = tag[w] == tag[W - 1] ? FMA(tap[w], past[w], sum) : sum;
                if (a.silu) sum = silu(sum);
                if (a.post_gate.present && !r.q.padding)
                    sum *= LOAD(post_gate, AT3(a.post_gate, r.q.batch, row, r.d));
                STORE(y, AT3(a.y, r.q.batch, row, r.d), r.q.padding || tag[W - 1] < 0 ? 0.0f : sum);
            }
            if (first == 0 && a.h_out.present && r.q.write >= 0) keep(x, pre_gate, seq_idx, h_in, h_out, a, r);
        }
    }
}
