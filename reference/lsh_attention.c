/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Reformer's attention by its definition (arXiv:2001.04451 section 2; google/trax efficient_attention.py; huggingface/transformers
 * modeling_reformer.py; lucidrains/reformer-pytorch). Every token has a bucket in each round, and a round lists its tokens by
 * bucket, then by token; the lists of all rounds lie one behind the other and are cut into chunks. For every batch row and head:
 *
 *     y_f    = sum over k of R_k,r,f x_t,k,  n1 = 2 f,  of R_2: n2 = 2 g
 *     bucket = the first of the largest among y_0 .. y_f-1, -y_0 .. -y_f-1 (+ n1 that of R_2);  n1 n2 for padding, with pad_bucket
 *     u_t    = x_t / sqrt(sum over k of x_t,k^2 + key_eps width)       a zero x stays zero
 *     s_ti   = scale x_t . u_i;   self_value for i = t
 *     round r of token t sees, among the chunks from its own - chunks_before to its own + chunks_after, counted modulo all chunks
 *     and as often as they are reached (n_i times), token i if  i <= t (causal), keep_i, bucket_i = bucket_t and the rounds are
 *     the same (same_bucket); and i = t in any case
 *     Z_r    = sum n_i exp(s_ti),   lse_r = ln Z_r                     [b r t h]
 *     y_r    = sum n_i exp(s_ti) v_i / Z_r                             [b r t h v]
 *     lse    = ln sum over r of exp(lse_r)                             [b t h]
 *     y      = sum over r of exp(lse_r - lse) y_r                      [b t h v]
 *
 * The maximum is taken out of each sum of exponentials, so that none overflows. */
#include "operands.h"

typedef struct head { /* one batch row and head; the arrays lie in the workspace */
    const segue_lsh_attention *op;
    int64_t b, h, tokens, rounds;
    real cause;              /* made of all that decides the buckets */
    real *y;                 /* [max(f, g)] scores of a token */
    real *length;            /* [t] of a key */
    real *score;             /* [r t] by slot */
    real *out, *lse;         /* [r v], [r] of a token */
    int32_t *bucket, *order; /* [r t]: of an item r t + token, without the round's offset; token in a slot */
    int32_t *slot;           /* [r t]: of an item */
} head;

/* ---- buckets and order -------------------------------------------------------------------------- */

static int64_t columns(const segue_tensor *R)
{
    return present(R) ? R->shape[3] : 0;
}

/* Of a round, without the pad bucket. */
static int64_t bucket_count(const segue_lsh_attention *op)
{
    return 2 * columns(&op->R) * (present(&op->R_2) ? 2 * columns(&op->R_2) : 1);
}

static int64_t stride_of(const segue_lsh_attention *op)
{
    return op->bucket_stride ? op->bucket_stride : bucket_count(op) + op->pad_bucket;
}

static int64_t first_of_largest(const real *y, int64_t count)
{
    real largest = -INFINITY;
    int64_t best = 0;
    for (int64_t i = 0; i < 2 * count; i++) {
        const real score = i < count ? y[i] : -y[i - count];
        if (real_above(score, largest)) largest = score, best = i;
    }
    return best;
}

static int64_t hash(head *c, const segue_tensor *R, int64_t r, int64_t t)
{
    for (int64_t f = 0; f < columns(R); f++) {
        c->y[f] = 0;
        for (int64_t k = 0; k < R->shape[1]; k++)
            c->y[f] = mac(c->y[f], load(R, c->h, k, r, f), load(&c->op->x, c->b, t, c->h, k));
        c->cause = c->cause + c->y[f];
    }
    return first_of_largest(c->y, columns(R));
}

/* Scores that are NaN never are the largest; where all are, the bucket is 0. */
static int64_t bucket_of(head *c, int64_t r, int64_t t)
{
    const segue_lsh_attention *op = c->op;
    if (present(&op->bucket_in))
        return clamped(load_int_at(&op->bucket_in, c->b, c->h, r, t) - r * stride_of(op), stride_of(op) - 1);
    if (op->pad_bucket && !load_int(&op->keep, c->b, t)) return bucket_count(op);
    const int64_t second = present(&op->R_2) ? hash(c, &op->R_2, r, t) : 0;
    return hash(c, &op->R, r, t) + 2 * columns(&op->R) * second;
}

static void sort_round(head *c, int64_t r)
{
    const int64_t first = r * c->tokens;
    int32_t *const bucket = c->bucket + first;
    for (int64_t t = 0; t < c->tokens; t++) bucket[t] = (int32_t)bucket_of(c, r, t);
    for (int64_t t = 0; t < c->tokens; t++) {
        int64_t before = 0;
        for (int64_t i = 0; i < c->tokens; i++)
            before += bucket[i] < bucket[t] || (bucket[i] == bucket[t] && i < t);
        c->slot[first + t] = (int32_t)(first + before);
        c->order[first + before] = (int32_t)t;
    }
}

/* ---- what a token sees -------------------------------------------------------------------------- */

static int64_t floor_of(int64_t x, int64_t n)
{
    return x >= 0 ? x / n : -((n - 1 - x) / n);
}

/* How often the chunks around chunk `own` are chunk number `of`. */
static int64_t times_reached(const head *c, int64_t own, int64_t of)
{
    const int64_t chunks = c->rounds * c->tokens / c->op->chunk;
    const int64_t from = own - c->op->chunks_before, to = own + c->op->chunks_after;
    return floor_of(to - of, chunks) - floor_of(from - 1 - of, chunks);
}

static int is_visible(const head *c, int64_t r, int64_t t, int64_t slot)
{
    const segue_lsh_attention *op = c->op;
    const int64_t i = c->order[slot], round = slot / c->tokens;
    if (i == t) return 1;
    if (op->causal && i > t) return 0;
    if (present(&op->keep) && !load_int(&op->keep, c->b, i)) return 0;
    return !op->same_bucket || (round == r && c->bucket[round * c->tokens + i] == c->bucket[r * c->tokens + t]);
}

/* ---- a round ------------------------------------------------------------------------------------ */

static real length_of(const head *c, int64_t t)
{
    const segue_tensor *x = &c->op->x;
    real sum = c->op->key_eps * (double)x->shape[3];
    for (int64_t k = 0; k < x->shape[3]; k++) {
        const real a = load(x, c->b, t, c->h, k);
        sum = mac(sum, a, a);
    }
    return real_sqrt(real_select(sum, sum, sum + 1));
}

static real score_of(const head *c, int64_t t, int64_t i)
{
    const segue_tensor *x = &c->op->x;
    real s = 0;
    if (i == t) s = c->op->self_value;
    if (i == t) return s;
    for (int64_t k = 0; k < x->shape[3]; k++)
        s = mac(s, load(x, c->b, t, c->h, k), load(x, c->b, i, c->h, k) / c->length[i]);
    return c->op->scale * s;
}

/* Fills c->out and c->lse of round r. */
static void attend(head *c, int64_t r, int64_t t)
{
    const int64_t slots = c->rounds * c->tokens, values = c->op->v.shape[3];
    const int64_t chunk = c->op->chunk, own = c->slot[r * c->tokens + t] / chunk;
    real *const y = c->out + r * values;
    real largest = -INFINITY, Z = 0;
    for (int64_t slot = 0; slot < slots; slot++) {
        if (!times_reached(c, own, slot / chunk) || !is_visible(c, r, t, slot)) continue;
        step();
        c->score[slot] = score_of(c, t, c->order[slot]);
        largest = real_max(largest, c->score[slot]);
    }
    for (int64_t v = 0; v < values; v++) y[v] = 0;
    for (int64_t slot = 0; slot < slots; slot++) {
        const int64_t times = times_reached(c, own, slot / chunk);
        if (!times || !is_visible(c, r, t, slot)) continue;
        step();
        const real weight = (double)times * real_exp(c->score[slot] - largest);
        Z = Z + weight;
        for (int64_t v = 0; v < values; v++)
            y[v] = mac(y[v], weight, load(&c->op->v, c->b, c->order[slot], c->h, v));
    }
    for (int64_t v = 0; v < values; v++) y[v] = y[v] / Z;
    c->lse[r] = largest + real_log(Z);
}

/* ---- answers ------------------------------------------------------------------------------------ */

/* The value itself: it depends on whatever decided the buckets, too. */
static real caused(const head *c, real value)
{
    return present(&c->op->R) ? real_select(c->cause, value, value) : value;
}

/* store() to an element of rank 5: by its place in a tensor of one axis. */
static void store_round(const head *c, real value, int64_t r, int64_t t, int64_t v)
{
    segue_tensor flat = c->op->round_y;
    const int64_t *n = c->op->round_y.stride;
    flat.rank = 1, flat.stride[0] = 1;
    store(&flat, caused(c, value), c->b * n[0] + r * n[1] + t * n[2] + c->h * n[3] + v * n[4], 0, 0, 0);
}

static void merge_rounds(const head *c, int64_t t)
{
    const segue_lsh_attention *op = c->op;
    const int64_t values = op->v.shape[3];
    real largest = c->lse[0], sum = 0;
    for (int64_t r = 1; r < c->rounds; r++) largest = real_max(largest, c->lse[r]);
    for (int64_t r = 0; r < c->rounds; r++) sum = sum + real_exp(c->lse[r] - largest);
    for (int64_t v = 0; v < values; v++) {
        real all = 0;
        for (int64_t r = 0; r < c->rounds; r++)
            all = all + real_exp(c->lse[r] - largest) * c->out[r * values + v];
        store(&op->y, caused(c, all / sum), c->b, t, c->h, v);
    }
    if (present(&op->lse)) store(&op->lse, caused(c, largest + real_log(sum)), c->b, t, c->h, 0);
}

static void answer(head *c, int64_t t)
{
    const segue_lsh_attention *op = c->op;
    const int64_t values = op->v.shape[3];
    for (int64_t r = 0; r < c->rounds; r++) {
        attend(c, r, t);
        if (present(&op->round_lse)) store(&op->round_lse, caused(c, c->lse[r]), c->b, r, t, c->h);
        for (int64_t v = 0; present(&op->round_y) && v < values; v++)
            store_round(c, c->out[r * values + v], r, t, v);
    }
    merge_rounds(c, t);
}

static int64_t rounds_of(const segue_lsh_attention *op)
{
    return present(&op->R) ? op->R.shape[2] : op->bucket_in.shape[2];
}

static int64_t scores_of(const segue_lsh_attention *op)
{
    const int64_t f = columns(&op->R), g = columns(&op->R_2);
    return f > g ? f : g;
}

/* Numbers that segue_reference_lsh_attention() works in; the last three arrays hold integers. */
int64_t segue_reference_lsh_attention_work(const segue_op_header *header)
{
    const segue_lsh_attention *op = (const segue_lsh_attention *)header;
    const int64_t t = op->x.shape[1], r = rounds_of(op);
    const int64_t by_round = size_sum(size_product(4, t), size_sum(op->v.shape[3], 1));
    return size_sum(size_sum(scores_of(op), t), size_product(r, by_round));
}

void segue_reference_lsh_attention(const segue_op_header *header, real *work)
{
    const segue_lsh_attention *op = (const segue_lsh_attention *)header;
    head c;
    memset((void *)&c, 0, sizeof c);
    c.op = op, c.tokens = op->x.shape[1], c.rounds = rounds_of(op);
    const int64_t items = c.rounds * c.tokens;
    c.y = work, c.length = c.y + scores_of(op), c.score = c.length + c.tokens, c.out = c.score + items;
    c.lse = c.out + c.rounds * op->v.shape[3];
    c.bucket = (int32_t *)(void *)(c.lse + c.rounds), c.order = c.bucket + items, c.slot = c.order + items;
    for (c.b = 0; c.b < op->x.shape[0]; c.b++)
        for (c.h = 0; c.h < op->x.shape[2]; c.h++) {
            c.cause = 0;
            for (int64_t r = 0; r < c.rounds; r++) sort_round(&c, r);
            for (int64_t t = 0; t < c.tokens; t++) c.length[t] = length_of(&c, t);
            for (int64_t t = 0; t < c.tokens; t++) answer(&c, t);
        }
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_lsh_attention *op = (const void *)header;
    const double f = (double)columns(&op->R), g = present(&op->R_2) ? 2 * (double)columns(&op->R_2) : 1;
    const double count = 2 * f * g + (double)op->pad_bucket, rounds = (double)rounds_of(op);
    const double stride = op->bucket_stride ? (double)op->bucket_stride : count;
    (void)dev;
    if (stride < count) return "bucket_stride: smaller than the number of buckets";
    if (rounds * stride > INT32_MAX) return "R: rounds times buckets are at most 2^31 - 1";
    if (rounds * (double)op->x.shape[1] > INT32_MAX) return "x: rounds times tokens are at most 2^31 - 1";
    if (!fits_workspace(segue_reference_lsh_attention_work(header)))
        return "v: with the rounds at most 2^60 numbers of workspace";
    return NULL;
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_lsh_attention_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_lsh_attention(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_lsh_attention_reference;
const segue_row segue_row_lsh_attention_reference = {
    .name = "lsh_attention_reference",
    .primitive = SEGUE_LSH_ATTENTION,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F64,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
#endif
