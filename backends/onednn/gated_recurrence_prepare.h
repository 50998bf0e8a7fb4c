/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the inner loop is given for a tile of one head: sheets of q and k, the products of a block's queries and
 * keys, decays, and denominators. Keys lie in lanes here. */
#ifndef SEGUE_ONEDNN_GATED_RECURRENCE_PREPARE_H
#define SEGUE_ONEDNN_GATED_RECURRENCE_PREPARE_H

#include "gated_recurrence.h"
#include "gated_recurrence_block.h"

/* A frame at least: before the product of decays gets smaller, the state is multiplied by it. States beyond
 * 2^88 would overflow. */
#define SMALLEST_FRAME 0x1p-40f
#define LOG2E_REST 0x1.4ae0cp-26f /* log2 e less LANES_LOG2E */

struct face { /* tokens x columns, the columns side by side; step in bytes */
    char *p;  /* NULL: absent */
    int64_t step;
    uint32_t dtype;
};

struct head { /* one head of y (or of the state, where nothing is read) and one tile */
    const struct recurrence_job *job;
    int64_t tokens, last; /* last: no other head of y reads this state head after it */
    struct face q, k, gk; /* absent: nothing is read, written, decays by key */
    const float *decay;   /* [token]: e^g; NULL: none */
    const float *gain;    /* [token]; NULL: 1 */
    float *R, *U, *product, *scores;
    float *frame; /* of the head, or of each key */
    struct token_block *blocks;
};

/* e^x, x <= 0: as lanes_exp, but its exponent comes from fused products, where there are any. */
INLINE lanes decay_of(lanes x)
{
    if (LANES == 4) return lanes_exp(x);
    lanes magic_n = lanes_fma(x, lanes_splat(LANES_LOG2E), lanes_splat(LANES_FINE_MAGIC));
    lanes n = magic_n - LANES_FINE_MAGIC, r = lanes_fma(x, lanes_splat(LANES_LOG2E), -n);
    r = lanes_fma(x, lanes_splat(LOG2E_REST), r);
    return lanes_if_less(x, lanes_splat(-87.3f), (lanes){ 0 }, lanes_exp2_fine(magic_n, r));
}

/* left: keys from this one on; what exceeds them is 0. */
INLINE lanes key_load(const struct face *f, int64_t token, int64_t key, const int64_t left,
                      const uint32_t dtype)
{
    const char *p = f->p + token * f->step + key * element_size(dtype);
    return left >= LANES ? element_load(p, dtype) : element_load_some(p, dtype, left);
}

/* LANES keys of the first count tokens of a block; 0 behind them, and without an operand. */
INLINE void block_load(lanes out[BLOCK], const struct face *f, int64_t first, int64_t count, int64_t key,
                       const int64_t left, const uint32_t dtype)
{
    UNROLL
    for (int u = 0; u < BLOCK; u++) {
        out[u] = (lanes){ 0 };
        if (f->p && u < count) out[u] = key_load(f, first + u, key, left, dtype);
    }
}

/* Some keys of one block: q and k as they are, and all q . k of tokens in order. */
INLINE void plain_keys(const struct head *h, int64_t first, int64_t count, int64_t z, const int64_t left,
                       float *R, float *U, lanes dot[BLOCK * BLOCK], const uint32_t dtype)
{
    lanes q[BLOCK], k[BLOCK];
    block_load(q, &h->q, first, count, z, left, dtype ? dtype : h->q.dtype);
    block_load(k, &h->k, first, count, z, left, dtype ? dtype : h->k.dtype);
    UNROLL
    for (int u = 0; u < BLOCK; u++) {
        lanes_store(R + u * SHEET, q[u]);
        lanes_store(U + u * SHEET, k[u]);
        UNROLL
        for (int s = 0; s <= u; s++) dot[u * BLOCK + s] = lanes_fma(q[u], k[s], dot[u * BLOCK + s]);
    }
}

/* The same with decays by key (w, SHEET keys a token): q with what precedes it, and the frame before; k with
 * what follows it in the block, divided by the frame behind; q . k with what lies between. Returns 0 where
 * the state has to be multiplied by product. */
INLINE int decayed_keys(const struct head *h, int64_t first, int64_t count, int64_t z, const int64_t left,
                        float *R, float *U, lanes dot[BLOCK * BLOCK], const uint32_t dtype)
{
    const lanes scale = lanes_splat((float)h->job->op->scale), one = lanes_splat(1.0f),
                smallest = lanes_splat(SMALLEST_FRAME);
    float *product = h->product + first / BLOCK * (h->job->sheet / BLOCK) + z;
    lanes q[BLOCK], k[BLOCK], w[BLOCK], frame, after;
    block_load(q, &h->q, first, count, z, left, dtype ? dtype : h->q.dtype);
    block_load(k, &h->k, first, count, z, left, dtype ? dtype : h->k.dtype);
    UNROLL
    for (int u = 0; u < BLOCK; u++) {
        w[u] = lanes_load(R + u * SHEET);
        q[u] *= scale;
        if (h->gain && u < count) k[u] *= h->gain[first + u];
    }
    frame = w[0] * lanes_load(h->frame + z);
    UNROLL
    for (int u = 0; u < BLOCK; u++) {
        UNROLL
        for (int s = u; s >= 0; s--) {
            dot[u * BLOCK + s] = lanes_fma(q[u], k[s], dot[u * BLOCK + s]);
            q[u] *= s ? w[s] : frame;
        }
        lanes_store(R + u * SHEET, q[u]);
    }
    UNROLL
    for (int s = 1; s < BLOCK; s++) frame *= w[s];
    const int kept = lanes_all_less(smallest, frame); /* not with NaN */
    lanes_store(product, lanes_if_less(smallest, frame, one, frame));
    frame = lanes_if_less(smallest, frame, frame, one);
    if (h->last) lanes_store(h->frame + z, frame);
    after = one / frame;
    UNROLL
    for (int s = BLOCK - 1; s >= 0; s--) {
        lanes_store(U + s * SHEET, k[s] * after);
        after *= w[s];
    }
    return kept;
}

/* The decays themselves, by key, in the places that q will have. */
INLINE void decay_block(const struct head *h, int64_t first, int64_t count, float *R, const uint32_t dtype,
                        const int whole)
{
    const int64_t keys = h->job->keys;
    for (int64_t z = 0; z < keys; z += LANES) {
        float *to = R + z / SHEET * (BLOCK * SHEET) + z % SHEET;
        lanes w[BLOCK];
        block_load(w, &h->gk, first, count, z, whole ? LANES : keys - z, dtype ? dtype : h->gk.dtype);
        UNROLL
        for (int u = 0; u < BLOCK; u++) {
            w[u] = decay_of(w[u]);
            if (h->decay && u < count) w[u] *= h->decay[first + u];
            lanes_store(to + u * SHEET, w[u]);
        }
    }
}

/* One block of tokens. dtype: of q and k, and no partial lanes; or 0: as each of them says. */
INLINE void prepare_block(const struct head *given, int64_t b, int64_t count, const int decayed,
                          const uint32_t dtype)
{
    const struct head h = *given; /* a copy that no store changes */
    const int64_t first = b * BLOCK, keys = h.job->keys, sheet = h.job->sheet;
    float *R = h.R + b * sheet, *U = h.U + b * sheet;
    int kept = 1;
    lanes dot[BLOCK * BLOCK] = { { 0 } };
    if (decayed && dtype && h.gk.dtype == SEGUE_F32) decay_block(&h, first, count, R, SEGUE_F32, 1);
    else if (decayed && dtype && h.gk.dtype == SEGUE_BF16) decay_block(&h, first, count, R, SEGUE_BF16, 1);
    else if (decayed) decay_block(&h, first, count, R, 0, 0);
    for (int64_t z = 0; z < keys; z += LANES) {
        const int64_t left = dtype ? LANES : keys - z;
        if (decayed) kept &= decayed_keys(&h, first, count, z, left, R, U, dot, dtype);
        else plain_keys(&h, first, count, z, left, R, U, dot, dtype);
        const int64_t step = (z + LANES) % SHEET ? LANES : LANES + (BLOCK - 1) * SHEET;
        R += step;
        U += step;
    }
    struct token_block *w = h.blocks + b;
    float *scores = decayed ? w->c : h.scores + b * BLOCK * BLOCK;
    for (int i = 0; i < BLOCK * BLOCK; i += 4) lanes_store_some(scores + i, 4, lanes_four_sums(dot + i));
    if (!decayed) return;
    for (int u = 0; u < BLOCK; u++) w->y[u] = w->x[u] = 1; /* the sheets have all factors */
    w->decays = kept ? DECAY_NONE : DECAY_KEY;
    w->decay = 1;
}

INLINE int64_t blocks_in(int64_t tokens)
{
    return (tokens + BLOCK - 1) / BLOCK;
}

/* What q and k have in common, or 0. */
static uint32_t usual_dtype(const struct head *h)
{
    return h->q.p && h->k.p && h->q.dtype == h->k.dtype && h->job->keys % LANES == 0 ? h->q.dtype : 0;
}

/* Loops of their own for what is usual. */
static void prepare_plain(const struct head *h)
{
    const uint32_t dtype = usual_dtype(h);
    for (int64_t b = 0; b < blocks_in(h->tokens); b++) {
        const int64_t count = h->tokens - b * BLOCK;
        if (dtype == SEGUE_F32 && count >= BLOCK) prepare_block(h, b, BLOCK, 0, SEGUE_F32);
        else if (dtype == SEGUE_BF16 && count >= BLOCK) prepare_block(h, b, BLOCK, 0, SEGUE_BF16);
        else prepare_block(h, b, count, 0, 0);
    }
}

static void prepare_decayed(const struct head *h)
{
    const uint32_t dtype = usual_dtype(h);
    for (int64_t b = 0; b < blocks_in(h->tokens); b++) {
        const int64_t count = h->tokens - b * BLOCK;
        if (dtype == SEGUE_F32 && count >= BLOCK) prepare_block(h, b, BLOCK, 1, SEGUE_F32);
        else if (dtype == SEGUE_BF16 && count >= BLOCK) prepare_block(h, b, BLOCK, 1, SEGUE_BF16);
        else prepare_block(h, b, count, 1, 0);
    }
}

/* Factors of all blocks, where decays are a whole head's. */
static void weigh_plain(const struct head *h)
{
    float frame = *h->frame;
    const float scale = (float)h->job->op->scale;
    for (int64_t b = 0; b < blocks_in(h->tokens); b++) {
        struct token_block *w = h->blocks + b;
        const float *dot = h->scores + b * BLOCK * BLOCK;
        float before = frame, after = 1;
        w->decays = DECAY_NONE;
        for (int u = 0; u < BLOCK; u++) {
            float between = scale;
            if (h->decay) before *= h->decay[b * BLOCK + u];
            w->y[u] = scale * before;
            for (int s = u; s >= 0; s--) {
                w->c[u * BLOCK + s] = dot[u * BLOCK + s] * between;
                if (h->gain) w->c[u * BLOCK + s] *= h->gain[b * BLOCK + s];
                if (h->decay) between *= h->decay[b * BLOCK + s];
            }
        }
        for (int s = BLOCK - 1; s >= 0; s--) {
            w->x[s] = h->gain ? h->gain[b * BLOCK + s] * after : after;
            if (h->decay) after *= h->decay[b * BLOCK + s];
        }
        if (!h->decay) continue;
        if (before >= SMALLEST_FRAME) {
            const float inverse = 1 / before;
            for (int s = 0; s < BLOCK; s++) w->x[s] *= inverse;
            frame = before;
        } else {
            w->decays = DECAY_HEAD;
            w->decay = before;
            frame = 1;
        }
    }
    if (h->last) *h->frame = frame;
}

INLINE lanes inverse_of(const segue_gated_recurrence *op, lanes sum)
{
    const lanes eps = lanes_splat(kept_f32(op->eps)), dot = sum * (float)op->scale;
    lanes den = dot;
    if (op->norm == SEGUE_GATED_RECURRENCE_ADD_EPS) den = dot + eps;
    if (op->norm == SEGUE_GATED_RECURRENCE_CLAMP_EPS) den = lanes_if_less(dot, eps, eps, dot);
    if (op->norm == SEGUE_GATED_RECURRENCE_GUARD) den = lanes_if_less(eps, lanes_abs(dot), dot, dot + 2 * eps);
    return lanes_splat(1.0f) / den;
}

/* One block of tokens: n goes on (kept where this is the last head of y that reads it), inverse is 1 / den.
 * dtype as in prepare_block. */
INLINE void normalise_block(const struct head *given, int64_t b, int64_t count, float *n, float *inverse,
                            const uint32_t dtype)
{
    const struct head copy = *given, *h = &copy; /* a copy that no store changes */
    const segue_gated_recurrence *op = h->job->op;
    const int64_t first = b * BLOCK, keys = h->job->keys;
    const lanes more =
        lanes_splat(op->norm == SEGUE_GATED_RECURRENCE_ADD_EPS_PER_FEATURE ? (float)op->eps : 0.0f);
    lanes dot[4] = { { 0 } };
    for (int64_t z = 0; z < keys; z += LANES) {
        const int64_t left = dtype ? LANES : keys - z;
        lanes q[BLOCK], k[BLOCK], sum = lanes_load(n + z);
        block_load(q, &h->q, first, count, z, left, dtype ? dtype : h->q.dtype);
        block_load(k, &h->k, first, count, z, left, dtype ? dtype : h->k.dtype);
        UNROLL
        for (int u = 0; u < BLOCK; u++) {
            if (u >= count) break;
            if (h->gk.p) sum *= decay_of(key_load(&h->gk, first + u, z, keys - z, h->gk.dtype));
            if (h->decay) sum *= h->decay[first + u];
            sum = h->gain ? lanes_fma(lanes_splat(h->gain[first + u]), k[u], sum) : sum + k[u];
            dot[u] = lanes_fma(q[u], sum + more, dot[u]);
        }
        if (h->last) lanes_store(n + z, sum);
    }
    lanes_store_some(inverse + first, 4, inverse_of(op, lanes_four_sums(dot)));
}

static void normalise(const struct head *h, float *n, float *inverse)
{
    const uint32_t dtype = usual_dtype(h);
    for (int64_t b = 0; b < blocks_in(h->tokens); b++) {
        const int64_t count = h->tokens - b * BLOCK;
        if (dtype == SEGUE_F32 && count >= BLOCK) normalise_block(h, b, BLOCK, n, inverse, SEGUE_F32);
        else if (dtype == SEGUE_BF16 && count >= BLOCK) normalise_block(h, b, BLOCK, n, inverse, SEGUE_BF16);
        else normalise_block(h, b, count, n, inverse, 0);
    }
}

#endif
