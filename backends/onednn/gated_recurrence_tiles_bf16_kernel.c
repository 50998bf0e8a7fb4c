/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A worker of the matrix-state recurrence in chunks: takes panels of heads, and for each stretch of chunks computes A for all heads
 * that share q and k, then goes through the stretch with one batch of these after the other. */
#include "gated_recurrence_tiles_bf16.h"

#include "engine/element.h"
#include "engine/unroll.h"

#if SEGUE_LANES == 16 /* bf16 is fast with AVX-512 only */
#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)

enum { VECTORS = CHUNK / LANES, LINE = 64 };

struct chunk_work {
    const struct chunk_job *job;
    struct dnnl_hand *hand;
    float *scratch;
    struct segue_sequence sequence;
    int64_t head, heads; /* the panel: which heads, as they follow each other in it */
    int failed;
};

struct chunk { /* of some tokens of the sequence, with some heads of the panel that share q and k */
    int64_t first, tokens;
    int64_t index, count;
    int64_t then, then_first; /* the head whose values are wanted next, -1: none, and its tokens */
    const uint16_t *q, *k;
    const float *scores;
};

struct face { /* rows whose elements lie side by side; step in bytes */
    const char *p;
    int64_t step;
    uint32_t dtype;
};

static int present(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

static uint16_t *halves(const struct chunk_work *w, uint64_t at)
{
    return (uint16_t *)(void *)(w->scratch + at);
}

INLINE void half_store(uint16_t *to, lanes x)
{
    *(half_anywhere *)to = to_half(x, BF16_FAST);
}

static void multiply(struct chunk_work *w, enum chunk_product i, const uint16_t *A, const uint16_t *B, float *C)
{
    const int bad = dnnl_product(w->hand, (int)i, A, B, C);
    if (bad) w->failed = bad;
}

/* ---- heads ---------------------------------------------------------------------------------------------- */

/* The state head at some place of the panel: such that those which share q and k follow each other. */
static int64_t head_at(const struct chunk_work *w, int64_t index)
{
    const int64_t turns = w->job->turns, each = w->job->heads / turns, i = w->head + index;
    return i % each * turns + i / each;
}

static int64_t fewer_head(const struct chunk_work *w, const segue_tensor *x, int64_t head)
{
    const int64_t count = x->shape[2];
    return w->job->op->head_map == SEGUE_GATED_RECURRENCE_MOD ? head % count : head / (w->job->heads / count);
}

/* The first place behind index whose head reads another q or k. */
static int64_t run_end(const struct chunk_work *w, int64_t index)
{
    const segue_gated_recurrence *op = w->job->op;
    const int64_t head = head_at(w, index), q = fewer_head(w, &op->q, head), k = fewer_head(w, &op->k, head);
    for (index++; index < w->heads; index++) {
        const int64_t next = head_at(w, index);
        if (fewer_head(w, &op->q, next) != q || fewer_head(w, &op->k, next) != k) break;
    }
    return index;
}

static int64_t batch_of(int64_t index, int64_t end)
{
    return end - index >= BATCH ? BATCH : 1;
}

/* ---- tensors -------------------------------------------------------------------------------------------- */

/* Tokens x columns of a head of a [b t heads columns] tensor. */
static struct segue_strip head_strip(const struct chunk_work *w, const segue_tensor *x, int64_t head,
                                     int64_t first, int64_t tokens)
{
    struct segue_strip s = strip_of(x, 1, 3);
    strip_move(&s, w->sequence.batch * x->stride[0] + head * x->stride[2]);
    strip_cut_rows(&s, w->sequence.first + first, tokens);
    return s;
}

/* Until the next call. */
static struct face face_of(const struct chunk_work *w, const struct segue_strip *s)
{
    float *rows = w->scratch + w->job->rows;
    if (s->column_stride == 1)
        return (struct face){ s->data, s->row_stride * (int64_t)s->element_bytes, s->dtype };
    PACK(rows, s->columns, LANES, s);
    return (struct face){ (char *)rows, s->columns * (int64_t)sizeof *rows, SEGUE_F32 };
}

/* q or k of a chunk, with rows of zeros behind the last token. */
static void take_keys(const struct chunk_work *w, const segue_tensor *x, int64_t head, int64_t first,
                      int64_t tokens, uint16_t *to)
{
    const int64_t keys = w->job->keys;
    const struct segue_strip s = head_strip(w, x, head, first, tokens);
    const struct face f = face_of(w, &s);
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t k = 0; k < keys; k += LANES)
            half_store(to + t * keys + k, element_load(f.p + t * f.step + k * element_size(f.dtype), f.dtype));
    memset(to + tokens * keys, 0, (size_t)((CHUNK - tokens) * keys) * sizeof *to);
}

/* A head's gates [b t h] of a chunk, 0 behind the last token. */
static void take_gates(const struct chunk_work *w, const segue_tensor *x, int64_t head, const struct chunk *c,
                       float *to)
{
    struct segue_strip s = strip_of(x, -1, 1);
    memset(to, 0, CHUNK * sizeof *to);
    strip_move(&s, w->sequence.batch * x->stride[0] + head * x->stride[2]);
    strip_cut_columns(&s, w->sequence.first + c->first, c->tokens);
    PACK(to, 0, LANES, &s);
}

static void exponentials(float *x)
{
    for (int64_t t = 0; t < CHUNK; t += LANES) lanes_store(x + t, lanes_exp(lanes_load(x + t)));
}

/* Keys x values of a head of a [p h k v] state. */
static struct segue_strip matrix_strip(const segue_tensor *S, int64_t row, int64_t head)
{
    struct segue_strip s = strip_of(S, 2, 3);
    strip_move(&s, row * S->stride[0] + head * S->stride[1]);
    return s;
}

/* Asks for the values of a head whose turn comes: hardware does not follow rows that lie so far apart. Inline: GCC takes a function
 * that only prefetches for one without effect. */
INLINE void fetch_values(const struct chunk_work *w, int64_t head, int64_t first)
{
    const segue_tensor *const all[] = { &w->job->op->v, &w->job->op->z };
    const int64_t left = w->sequence.length - first, tokens = left < CHUNK ? left : CHUNK;
    for (int i = 0; i < 2; i++) {
        if (!present(all[i])) continue;
        const struct segue_strip s = head_strip(w, all[i], head, first, tokens);
        const int64_t bytes = s.columns * (int64_t)s.element_bytes,
                      step = s.row_stride * (int64_t)s.element_bytes;
        for (int64_t t = 0; s.column_stride == 1 && t < tokens; t++)
            for (int64_t at = 0; at < bytes; at += LINE) __builtin_prefetch(s.data + t * step + at, 0, 2);
    }
}

/* ---- one head of a chunk -------------------------------------------------------------------------------- */

/* W of a chunk: A with the gain of each key and the decays behind it, 0 above the diagonal, where A need not be a number. What keys
 * have been multiplied by at the end, 0 behind the last token, into factors; P up to each token into product. */
static void weigh(const struct chunk *c, const float *decay, const float *gain, uint16_t *W, float *factors,
                  float *product)
{
    static const float numbers[LANES] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    const lanes number = lanes_load(numbers), none = { 0 };
    lanes factor[VECTORS] = { { 0 } };
    float P = 1;
    UNROLL
    for (int last = 0; last < VECTORS; last++) {
        const int64_t from = last * LANES, to = c->tokens < from + LANES ? c->tokens : from + LANES;
        for (int64_t t = from; t < to; t++) {
            const lanes own = lanes_splat((float)(t - from)), behind = lanes_splat((float)(t - from) + 1);
            P *= decay[t];
            product[t] = P;
            UNROLL
            for (int i = 0; i <= last; i++) {
                factor[i] *= decay[t];
                if (i == last)
                    factor[i] = lanes_if_less(number, own, factor[i],
                                              lanes_if_less(number, behind, lanes_splat(gain[t]), none));
                lanes x = lanes_load(c->scores + t * CHUNK + i * LANES) * factor[i];
                if (i == last) x = lanes_if_less(number, behind, x, none);
                half_store(W + t * CHUNK + i * LANES, x);
            }
        }
    }
    for (int i = 0; i < VECTORS; i++) lanes_store(factors + i * LANES, factor[i]);
}

/* V as it is but for what is no number, which a weight of 0 must not meet, and U. Returns whether there is such. U is rounded up or
 * down by chance, as far as it lies from either: where decays are near 1, all of U would else be rounded to V itself, and nothing
 * decay within a chunk. The numbers drawn (Numerical Recipes' 32-bit generator) depend on head, token and column alone. */
static int take_values(const struct chunk_work *w, const struct chunk *c, int64_t head, const struct face *f,
                       const float *factors, uint16_t *v, uint16_t *U)
{
    const int64_t values = w->job->values, pitch = c->count * values;
    const lanes inf = lanes_splat(__builtin_inff());
    const struct face from = *f; /* a copy that no store changes */
    lanes_bits drawn = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    int strange = 0;
    drawn = (drawn + (uint32_t)(head << 16 ^ c->first << 4)) * 0x9e3779b9u;
    for (int64_t s = 0; s < c->tokens; s++)
        for (int64_t e = 0; e < values; e += LANES) {
            lanes x = element_load(from.p + s * from.step + e * element_size(from.dtype), from.dtype);
            const lanes u = x * factors[s];
            drawn = drawn * 1664525u + 1013904223u;
            const lanes chosen = (lanes)(((lanes_bits)u + (drawn >> 16)) & 0xffff0000u);
            half_store(U + s * pitch + e, lanes_if_less(lanes_abs(u), inf, chosen, u));
            if (__builtin_expect(!lanes_all_less(lanes_abs(x), inf), 0)) {
                strange = 1;
                x = lanes_if_less(lanes_abs(x), inf, x, (lanes){ 0 });
            }
            half_store(v + s * values + e, x);
        }
    for (int64_t s = c->tokens; s < CHUNK; s++) {
        memset(v + s * values, 0, (size_t)values * sizeof *v);
        memset(U + s * pitch, 0, (size_t)values * sizeof *U);
    }
    return strange;
}

/* Adds what take_values left out, for the tokens that see it. */
static void add_strangers(const struct chunk_work *w, const struct chunk *c, const struct face *f,
                          const uint16_t *W, float *y)
{
    const int64_t values = w->job->values;
    const lanes inf = lanes_splat(__builtin_inff());
    for (int64_t s = 0; s < c->tokens; s++)
        for (int64_t e = 0; e < values; e += LANES) {
            const lanes x = element_load(f->p + s * f->step + e * element_size(f->dtype), f->dtype);
            if (lanes_all_less(lanes_abs(x), inf)) continue;
            for (int64_t t = s; t < c->tokens; t++) {
                const uint32_t bits = (uint32_t)W[t * CHUNK + s] << 16;
                float weight, *const at = y + t * values + e;
                memcpy(&weight, &bits, sizeof weight);
                lanes_store(at, lanes_if_less(lanes_abs(x), inf, lanes_load(at),
                                              lanes_fma(x, lanes_splat(weight), lanes_load(at))));
            }
        }
}

/* y = scale (W V + P_t Q S) + D v, times silu(z), to where it belongs. read: of this head, rows pitch apart. */
static void finish(const struct chunk_work *w, const struct chunk *c, int64_t index, const float *read,
                   const float *product, float *y)
{
    const struct chunk_job *job = w->job;
    const segue_gated_recurrence *op = job->op;
    const int64_t values = job->values, pitch = c->count * values, head = head_at(w, index);
    const float scale = (float)op->scale, *const D = w->scratch + job->D + index * values;
    float *const z = w->scratch + job->z;
    const int skip = present(&op->D), gate = present(&op->z);
    const struct segue_strip to = head_strip(w, &op->y, head, c->first, c->tokens),
                             vs = head_strip(w, &op->v, head, c->first, c->tokens);
    const int direct = to.column_stride == 1;
    const int64_t step = to.row_stride * (int64_t)to.element_bytes, size = element_size(to.dtype);
    const int stream = job->stream && !(((uintptr_t)to.data | (uintptr_t)step) % (LANES * (uintptr_t)size));
    struct face f = { NULL, 0, SEGUE_F32 };
    if (skip) f = face_of(w, &vs);
    if (gate) {
        const struct segue_strip zs = head_strip(w, &op->z, head, c->first, c->tokens);
        PACK(z, values, LANES, &zs);
    }
    for (int64_t t = 0; t < c->tokens; t++)
        for (int64_t e = 0; e < values; e += LANES) {
            float *const at = y + t * values + e;
            lanes x =
                lanes_fma(lanes_load(read + t * pitch + e), lanes_splat(product[t]), lanes_load(at)) * scale;
            if (skip)
                x = lanes_fma(element_load(f.p + t * f.step + e * element_size(f.dtype), f.dtype),
                              lanes_load(D + e), x);
            if (gate) x *= lanes_silu(lanes_load(z + t * values + e));
            if (!direct) lanes_store(at, x);
            else
                element_store(to.data + t * step + e * size, x, to.dtype == SEGUE_BF16 ? BF16_FAST : to.dtype,
                              stream);
        }
    if (!direct) UNPACK(&to, y, values, LANES);
}

static void one_head(struct chunk_work *w, const struct chunk *c, int64_t i)
{
    const struct chunk_job *job = w->job;
    const segue_gated_recurrence *op = job->op;
    const int64_t index = c->index + i, head = head_at(w, index);
    float *const decay = w->scratch + job->gates, *const gain = decay + CHUNK, *const product = gain + CHUNK,
                 *const y = w->scratch + job->y;
    float factors[CHUNK];
    uint16_t *const W = halves(w, job->W), *const v = halves(w, job->v);
    if (c->then >= 0) fetch_values(w, head_at(w, c->then + i), c->then_first);
    for (int t = 0; t < CHUNK; t++) decay[t] = gain[t] = 1;
    if (present(&op->g)) take_gates(w, &op->g, head, c, decay), exponentials(decay);
    if (present(&op->gain)) take_gates(w, &op->gain, head, c, gain);
    if (present(&op->gain) && op->gain_domain == SEGUE_GATED_RECURRENCE_LOG) exponentials(gain);
    weigh(c, decay, gain, W, factors, product);
    const struct segue_strip vs = head_strip(w, &op->v, head, c->first, c->tokens);
    const struct face f = face_of(w, &vs);
    const int strange = take_values(w, c, head, &f, factors, v, halves(w, job->U) + i * job->values);
    multiply(w, LOOK, W, v, y);
    if (strange) add_strangers(w, c, &f, W, y);
    finish(w, c, index, w->scratch + job->read + i * job->values, product, y);
    w->scratch[job->P + (uint64_t)i] = product[c->tokens - 1];
}

/* ---- states --------------------------------------------------------------------------------------------- */

/* S' = P S + K^T U, and what the next chunk's products are given of it. */
static void write_states(const struct chunk_work *w, const struct chunk *c)
{
    const struct chunk_job *job = w->job;
    const int64_t values = job->values, at = c->index * job->keys * values;
    const float *const P = w->scratch + job->P, *written = w->scratch + job->written;
    float *S = w->scratch + job->S + at;
    uint16_t *half = halves(w, job->half) + at;
    for (int64_t k = 0; k < job->keys; k++)
        for (int64_t i = 0; i < c->count; i++) {
            const lanes decay = lanes_splat(P[i]);
            for (int64_t e = 0; e < values; e += LANES, S += LANES, half += LANES, written += LANES) {
                const lanes x = lanes_fma(lanes_load(S), decay, lanes_load(written));
                lanes_store(S, x);
                half_store(half, x);
            }
        }
}

static void one_chunk(struct chunk_work *w, const struct chunk *c)
{
    const struct chunk_job *job = w->job;
    const int whole = c->count == BATCH;
    multiply(w, whole ? READ_BATCH : READ_ONE, c->q, halves(w, job->half) + c->index * job->keys * job->values,
             w->scratch + job->read);
    for (int64_t i = 0; i < c->count; i++) one_head(w, c, i);
    multiply(w, whole ? WRITE_BATCH : WRITE_ONE, c->k, halves(w, job->U), w->scratch + job->written);
    write_states(w, c);
}

static void begin(const struct chunk_work *w)
{
    const struct chunk_job *job = w->job;
    const segue_gated_recurrence *op = job->op;
    const int64_t values = job->values, each = job->keys * values;
    float *const S = w->scratch + job->S;
    uint16_t *const half = halves(w, job->half);
    const int read = present(&op->S_in) && w->sequence.read >= 0;
    if (!read) memset(S, 0, (size_t)(w->heads * each) * sizeof *S);
    for (int64_t i = 0, end = 0, count; read && i < w->heads; i += count) {
        if (i == end) end = run_end(w, i);
        count = batch_of(i, end);
        for (int64_t h = 0; h < count; h++) {
            const struct segue_strip s = matrix_strip(&op->S_in, w->sequence.read, head_at(w, i + h));
            PACK(S + i * each + h * values, count * values, LANES, &s);
        }
    }
    for (int64_t i = 0; i < w->heads * each; i += LANES) half_store(half + i, lanes_load(S + i));
    for (int64_t i = 0; present(&op->D) && i < w->heads; i++) {
        struct segue_strip s = strip_of(&op->D, -1, 1);
        strip_move(&s, head_at(w, i) * op->D.stride[0]);
        PACK(w->scratch + job->D + i * values, 0, LANES, &s);
    }
}

static void end(const struct chunk_work *w)
{
    const struct chunk_job *job = w->job;
    const segue_gated_recurrence *op = job->op;
    const int64_t values = job->values, each = job->keys * values;
    const int write = present(&op->S_out) && w->sequence.write >= 0;
    for (int64_t i = 0, end = 0, count; write && i < w->heads; i += count) {
        if (i == end) end = run_end(w, i);
        count = batch_of(i, end);
        for (int64_t h = 0; h < count; h++) {
            const struct segue_strip s = matrix_strip(&op->S_out, w->sequence.write, head_at(w, i + h));
            UNPACK(&s, w->scratch + job->S + i * each + h * values, count * values, LANES);
        }
    }
}

/* ---- a panel -------------------------------------------------------------------------------------------- */

/* q, k and A of a stretch, for the head at index and all that share them. */
static void share(struct chunk_work *w, int64_t index, int64_t first, int64_t tokens)
{
    const struct chunk_job *job = w->job;
    const int64_t head = head_at(w, index), q = fewer_head(w, &job->op->q, head),
                  k = fewer_head(w, &job->op->k, head);
    for (int64_t at = 0; at < tokens; at += CHUNK) {
        const int64_t here = tokens - at < CHUNK ? tokens - at : CHUNK;
        uint16_t *const Q = halves(w, job->q) + at * job->keys, *const K = halves(w, job->k) + at * job->keys;
        take_keys(w, &job->op->q, q, first + at, here, Q);
        take_keys(w, &job->op->k, k, first + at, here, K);
        multiply(w, SCORES, Q, K, w->scratch + job->scores + at * CHUNK);
    }
}

/* Heads from index on, through a stretch. */
static void one_batch(struct chunk_work *w, int64_t index, int64_t count, int64_t first, int64_t tokens)
{
    const struct chunk_job *job = w->job;
    for (int64_t at = 0; at < tokens; at += CHUNK) {
        struct chunk c = { .first = first + at, .index = index, .count = count, .then = -1 };
        c.tokens = tokens - at < CHUNK ? tokens - at : CHUNK;
        c.q = halves(w, job->q) + at * job->keys;
        c.k = halves(w, job->k) + at * job->keys;
        c.scores = w->scratch + job->scores + at * CHUNK;
        if (at + CHUNK < tokens) c.then = index, c.then_first = first + at + CHUNK;
        else if (index + 2 * count <= w->heads) c.then = index + count, c.then_first = first;
        one_chunk(w, &c);
    }
}

static void one_panel(struct chunk_work *w)
{
    const int64_t most = STRETCH * CHUNK;
    if (w->sequence.padding) {
        for (int64_t i = 0; i < w->heads; i++) {
            const struct segue_strip s = head_strip(w, &w->job->op->y, head_at(w, i), 0, w->sequence.length);
            segue_strip_zero(&s);
        }
        return;
    }
    begin(w);
    for (int64_t first = 0; first < w->sequence.length; first += most) {
        const int64_t left = w->sequence.length - first, tokens = left < most ? left : most;
        for (int64_t i = 0, end = 0, count; i < w->heads; i += count) {
            if (i == end) share(w, i, first, tokens), end = run_end(w, i);
            count = batch_of(i, end);
            one_batch(w, i, count, first, tokens);
        }
    }
    end(w);
}

static void work(struct chunk_job *job, float *scratch)
{
    struct chunk_work w = { .job = job, .scratch = scratch };
    w.hand = dnnl_hand_create(job->products, scratch + job->hand);
    if (!w.hand) {
        atomic_store_explicit(&job->failed, 1, memory_order_relaxed);
        return;
    }
    memset(scratch + job->W, 0, CHUNK * CHUNK * sizeof(uint16_t)); /* above the diagonal nobody writes */
    for (;;) {
        const int64_t unit = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);
        if (unit >= job->units) break;
        const int64_t panel = unit % job->panels;
        w.sequence = segue_sequence_at(&job->sequences, unit / job->panels);
        w.head = job->heads * panel / job->panels;
        w.heads = job->heads * (panel + 1) / job->panels - w.head;
        one_panel(&w);
    }
    dnnl_hand_destroy(w.hand);
    if (w.failed) atomic_store_explicit(&job->failed, 1, memory_order_relaxed);
}
#endif

const struct chunk_kernel SEGUE_ISA_NAME(segue_chunk) = {
#if SEGUE_LANES == 16
    .work = work,
#else
    .work = NULL, /* such devices measure nothing, the row refuses */
#endif
};
