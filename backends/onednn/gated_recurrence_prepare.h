/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the inner loop is given for a tile of one head: rows of q and k, the products of a block's queries and
 * keys, decays, and denominators. Keys lie in lanes here. */
#ifndef SEGUE_ONEDNN_GATED_RECURRENCE_PREPARE_H
#define SEGUE_ONEDNN_GATED_RECURRENCE_PREPARE_H

#include "engine/lanes_functions.h"
#include "gated_recurrence.h"
#include "gated_recurrence_block.h"

/* The frames that a block goes on with: another one ends before the next block, the state is multiplied by it. Within a block
 * frames get as far as the second two; a decay that would lead beyond multiplies the state instead, and the frame stays.
 * Decays above 1 make frames grow. States beyond 2^88 would overflow. */
#define SMALL_FRAME 0x1p-20f
#define LARGE_FRAME 0x1p20f
#define SMALLEST_FRAME 0x1p-40f
#define LARGEST_FRAME 0x1p40f
#define LOG2E_REST 0x1.4ae0cp-26f /* log2 e less LANES_LOG2E */

struct face { /* tokens x columns, the columns side by side; step in bytes */
    char *p;  /* NULL: absent */
    int64_t step;
    uint32_t dtype;
};

struct head { /* one head of y (or of the state, where nothing is read) and one tile */
    const struct recurrence_job *job;
    int64_t tokens,
        writes; /* writes: the state takes k or decays, and no other head of y reads it after this one */
    struct face q, k, gk;   /* absent: nothing is read, written, decays by key */
    const float *decay;     /* [token]: e^g; NULL: none */
    const float *gain;      /* [token]; NULL: 1 */
    float *R, *U, *product; /* rows in scratch, pitch apart */
    float *frame;           /* of the head, or of each key */
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

/* Some keys of a block: q, k, and their decays. */
struct decayed {
    lanes q[BLOCK], k[BLOCK], w[BLOCK];
};

/* dtype: of q and k, and no partial lanes; gates: of the decays then; or 0: as each of them says. */
INLINE struct decayed decayed_load(const struct head *h, int64_t first, int64_t count, int64_t z,
                                   const uint32_t dtype, const uint32_t gates)
{
    const int64_t left = dtype ? LANES : h->job->keys - z;
    struct decayed d;
    block_load(d.q, &h->q, first, count, z, left, dtype ? dtype : h->q.dtype);
    block_load(d.k, &h->k, first, count, z, left, dtype ? dtype : h->k.dtype);
    block_load(d.w, &h->gk, first, count, z, left, dtype ? gates : h->gk.dtype);
    UNROLL
    for (int u = 0; u < BLOCK; u++) {
        if (h->gain && u < count) d.k[u] *= h->gain[first + u];
        d.w[u] = decay_of(d.w[u]);
        if (h->decay && u < count) d.w[u] *= h->decay[first + u];
    }
    return d;
}

/* q times the frame, k divided by it. before: the state's frame; it ends here if ends. Returns whether the frame
 * takes all decays; by_token: product is what the state is multiplied by before each token, also by the decays
 * that a frame cannot take (with the first one the old frame goes on). */
INLINE int decayed_keys(const struct decayed *d, lanes before, int ends, float *frame, float *R, float *U,
                        float *product, int64_t pitch, const int by_token)
{
    const lanes one = lanes_splat(1.0f), smallest = lanes_splat(SMALLEST_FRAME),
                largest = lanes_splat(LARGEST_FRAME);
    lanes F = ends ? one : before, m = ends ? before : one, least = one, most = one;
    UNROLL
    for (int u = 0; u < BLOCK; u++) {
        const lanes next = F * d->w[u], w = d->w[u], old = u ? F : before;
        if (by_token) {
            lanes_store(product + u * pitch,
                        lanes_if_less(smallest, next, lanes_if_less(next, largest, m, w), w));
            F = lanes_if_less(smallest, next, lanes_if_less(next, largest, next, old),
                              old); /* NaN is not taken */
            m = one;
        } else {
            F = next;
            least = lanes_least(least, F), most = lanes_most(most, F); /* NaN stays in F */
        }
        lanes_store(R + u * pitch, d->q[u] * F);
        lanes_store(U + u * pitch, d->k[u] * lanes_reciprocal(F));
    }
    lanes_store(frame, F);
    return lanes_all_less(smallest, lanes_least(least, F)) && lanes_all_less(lanes_most(most, F), largest);
}

/* Of a head whose state is not written yet: q with the decays of its block before it, and the frame; q . k with what lies
 * between them. */
INLINE void decayed_before(struct decayed *d, lanes frame, float *R, int64_t pitch, lanes dot[BLOCK * BLOCK])
{
    frame *= d->w[0];
    UNROLL
    for (int u = 0; u < BLOCK; u++) {
        UNROLL
        for (int s = u; s >= 0; s--) {
            dot[u * BLOCK + s] = lanes_fma(d->q[u], d->k[s], dot[u * BLOCK + s]);
            d->q[u] *= s ? d->w[s] : frame;
        }
        lanes_store(R + u * pitch, d->q[u]);
    }
}

/* Whether the frames are to end: one of them. */
INLINE int frames_end(const struct head *h)
{
    int go_on = 1;
    for (int64_t z = 0; z < h->job->keys; z += LANES) {
        const lanes F = lanes_load(h->frame + z);
        go_on &= lanes_all_less(lanes_splat(SMALL_FRAME), F) & lanes_all_less(F, lanes_splat(LARGE_FRAME));
    }
    return !go_on;
}

/* One block of tokens. dtype, gates: as in decayed_load. */
INLINE void prepare_block(const struct head *given, int64_t b, int64_t count, const uint32_t dtype,
                          const uint32_t gates)
{
    const struct head h = *given; /* a copy that no store changes */
    const int64_t first = b * BLOCK, keys = h.job->keys, pitch = h.job->pitch, at = first * pitch;
    struct token_block *w = h.blocks + b;
    const int ends = frames_end(&h);
    int taken = 0;
    lanes dot[BLOCK * BLOCK] = { { 0 } };
    w->decays = ends ? DECAY_BLOCK : DECAY_NONE;
    for (int by_token = 0; by_token < 2 && !taken; by_token++) {
        taken = 1;
        for (int64_t z = 0; z < keys; z += LANES) {
            float *R = h.R + at + z, *U = h.U + at + z, *product = h.product + at + z;
            struct decayed d = decayed_load(&h, first, count, z, dtype, gates);
            if (!h.writes) {
                decayed_before(&d, lanes_load(h.frame + z), R, pitch, dot);
            } else if (by_token) {
                decayed_keys(&d, lanes_load(product), ends, h.frame + z, R, U, product, pitch, 1);
            } else {
                const lanes frame = lanes_load(h.frame + z);
                lanes_store(product, frame);
                taken &= decayed_keys(&d, frame, ends, h.frame + z, R, U, product, pitch, 0);
            }
        }
        if (by_token) w->decays = DECAY_TOKEN;
    }
    const float scale = (float)h.job->op->scale;
    for (int i = 0; !h.writes && i < BLOCK * BLOCK; i += 4)
        lanes_store_some(w->c + i, 4, lanes_four_sums(dot + i) * scale);
    for (int u = 0; u < BLOCK; u++) w->y[u] = scale, w->x[u] = 1; /* the rows have all else */
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
static void prepare_decayed(const struct head *h)
{
    const uint32_t dtype = usual_dtype(h), gates = h->gk.dtype;
    for (int64_t b = 0; b < blocks_in(h->tokens); b++) {
        const int64_t count = h->tokens - b * BLOCK;
        const int whole = count >= BLOCK;
        if (whole && dtype == SEGUE_F32 && gates == SEGUE_F32) prepare_block(h, b, BLOCK, SEGUE_F32, SEGUE_F32);
        else if (whole && dtype == SEGUE_BF16 && gates == SEGUE_F32)
            prepare_block(h, b, BLOCK, SEGUE_BF16, SEGUE_F32);
        else if (whole && dtype == SEGUE_BF16 && gates == SEGUE_BF16)
            prepare_block(h, b, BLOCK, SEGUE_BF16, SEGUE_BF16);
        else prepare_block(h, b, count, 0, 0);
    }
}

/* q . k of all tokens of a block in order. */
static void block_scores(const struct head *h, int64_t b, float *scores)
{
    const int64_t first = b * BLOCK, keys = h->job->keys;
    lanes dot[BLOCK * BLOCK] = { { 0 } }, q[BLOCK], k[BLOCK];
    for (int64_t z = 0; z < keys; z += LANES) {
        block_load(q, &h->q, first, h->tokens - first, z, keys - z, h->q.dtype);
        block_load(k, &h->k, first, h->tokens - first, z, keys - z, h->k.dtype);
        UNROLL
        for (int u = 0; u < BLOCK; u++) {
            UNROLL
            for (int s = 0; s <= u; s++) dot[u * BLOCK + s] = lanes_fma(q[u], k[s], dot[u * BLOCK + s]);
        }
    }
    for (int i = 0; i < BLOCK * BLOCK; i += 4) lanes_store_some(scores + i, 4, lanes_four_sums(dot + i));
}

struct gates {                 /* of one block of tokens */
    const float *decay, *gain; /* NULL: 1 */
    float scale;
};

/* Factors of a block whose state is not written yet. */
static void weigh_before(const struct head *h, int64_t b, const struct gates *g, float frame)
{
    struct token_block *w = h->blocks + b;
    block_scores(h, b, w->c);
    for (int u = 0; u < BLOCK; u++) {
        float between = g->scale;
        if (g->decay) frame *= g->decay[u];
        w->y[u] = g->scale * frame;
        for (int s = u; s >= 0; s--) {
            w->c[u * BLOCK + s] *= g->gain ? between * g->gain[s] : between;
            if (g->decay) between *= g->decay[s];
        }
    }
}

/* All keys of a block's token are multiplied by m. */
static void fill_product(const struct head *h, int64_t b, int64_t token, float m)
{
    float *product = h->product + (b * BLOCK + token) * h->job->pitch;
    for (int64_t z = 0; z < h->job->keys; z += LANES) lanes_store(product + z, lanes_splat(m));
}

static int is_taken(float F) /* NaN is not */
{
    return F > SMALLEST_FRAME && F < LARGEST_FRAME;
}

/* Factors of a block with decays that the frame cannot take: they multiply the state. ends: so does the frame
 * before it, but for such a decay of the first token. Returns the frame behind. */
static float weigh_tokens(const struct head *h, int64_t b, const struct gates *g, float before, int ends)
{
    struct token_block *w = h->blocks + b;
    float F = ends ? 1 : before, m = ends ? before : 1;
    w->decays = DECAY_TOKEN;
    for (int u = 0; u < BLOCK; u++) {
        const float next = F * g->decay[u];
        const int taken = is_taken(next);
        fill_product(h, b, u, taken ? m : g->decay[u]);
        F = taken ? next : u ? F : before;
        m = 1;
        w->y[u] = g->scale * F;
        w->x[u] = (g->gain ? g->gain[u] : 1) / F;
    }
    return F;
}

/* Factors of all blocks, where decays are a whole head's. */
static void weigh_plain(const struct head *h)
{
    float frame = *h->frame;
    for (int64_t b = 0; b < blocks_in(h->tokens); b++) {
        struct token_block *w = h->blocks + b;
        const struct gates g = { h->decay ? h->decay + b * BLOCK : NULL, h->gain ? h->gain + b * BLOCK : NULL,
                                 (float)h->job->op->scale };
        const int ends = !(frame > SMALL_FRAME && frame < LARGE_FRAME);
        int taken = 1;
        float F = ends ? 1 : frame;
        if (!h->writes) {
            weigh_before(h, b, &g, frame);
            continue;
        }
        w->decays = ends ? DECAY_BLOCK : DECAY_NONE;
        if (ends) fill_product(h, b, 0, frame);
        for (int u = 0; u < BLOCK; u++) {
            if (g.decay) F *= g.decay[u];
            taken &= is_taken(F);
            w->y[u] = g.scale * F;
            w->x[u] = (g.gain ? g.gain[u] : 1) / F;
        }
        frame = taken ? F : weigh_tokens(h, b, &g, frame, ends);
    }
    if (h->writes) *h->frame = frame;
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

/* One block of tokens: n goes on (kept where the state is written), inverse is 1 / den.
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
        if (h->writes) lanes_store(n + z, sum);
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
