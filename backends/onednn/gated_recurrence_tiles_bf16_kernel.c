/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A worker of the matrix-state recurrence in chunks: takes panels of heads, and for each stretch of chunks computes A for all heads
 * that share q and k, then goes through the stretch with one of these after the other. */
#include "gated_recurrence_tiles_bf16_share.h"

#if SEGUE_LANES == 16
/* ---- one head of a chunk -------------------------------------------------------------------------------- */

/* W of a chunk: A with the gain of each key and the decays behind it, 0 above the diagonal, where A need not be a number. */
static void weigh(struct chunk *c, float scale, uint16_t *W)
{
    static const float numbers[LANES] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    const lanes number = lanes_load(numbers), none = { 0 }, inf = lanes_splat(__builtin_inff());
    lanes factor[VECTORS] = { { 0 } };
    float P = 1;
    UNROLL
    for (int last = 0; last < VECTORS; last++) {
        const int64_t from = last * LANES, to = c->tokens < from + LANES ? c->tokens : from + LANES;
        for (int64_t t = from; t < to; t++) {
            const lanes own = lanes_splat((float)(t - from)), behind = lanes_splat((float)(t - from) + 1);
            P *= c->decay[t];
            c->P[t] = scale * P;
            UNROLL
            for (int i = 0; i <= last; i++) {
                factor[i] *= c->decay[t];
                if (i == last)
                    factor[i] = lanes_if_less(number, own, factor[i],
                                              lanes_if_less(number, behind, lanes_splat(c->gain[t]), none));
                lanes x = lanes_load(c->scores + t * CHUNK + i * LANES) * scale * factor[i];
                if (i == last) x = lanes_if_less(number, behind, x, none);
                half_store(W + t * CHUNK + i * LANES, x);
            }
        }
    }
    c->whole = P;
    for (int i = 0; i < VECTORS; i++) /* what is no number has zeros where a draw is added to U */
        lanes_store(c->factors + i * LANES, lanes_if_less(lanes_abs(factor[i]), inf, factor[i],
                                                          (lanes)((lanes_bits)factor[i] & 0xffff0000u)));
}

INLINE lanes value_load(const struct face *f, int64_t token, int64_t column, const uint32_t dtype)
{
    return element_load(f->p + token * f->step + column * element_size(dtype), dtype);
}

INLINE lanes in_pairs(lanes_bits first, lanes_bits second)
{
    return (lanes)(first >> 16 | (second & 0xffff0000u));
}

/* V and U, in pairs of tokens. U is rounded up or down by chance, as far as it lies from either: where decays are near 1, all of it
 * would else be rounded to V itself, and nothing decay within a chunk. The numbers drawn (Numerical Recipes' 32-bit generator), of
 * which each half serves a token, depend on head, tokens and column alone. Returns whether V has what is no number; careful: this is 0
 * there, since a weight of 0 must not meet it. */
INLINE int pair_values(const struct chunk_work *w, const struct chunk *c, const struct face *given, float *V,
                       float *U, const uint32_t dtype, const int careful)
{
    const struct chunk_job *job = w->job;
    const struct face f = *given; /* a copy that no store changes */
    const lanes inf = lanes_splat(__builtin_inff()), none = { 0 };
    lanes_bits drawn = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    lanes_int largest = { 0 };
    drawn = (drawn + (uint32_t)(c->head << 16 ^ c->first << 4)) * 0x9e3779b9u;
    for (int64_t i = 0; i < spans_of(job); i++) {
        const struct span span = span_at(job, i);
        for (int64_t s = 0; s < c->tokens; s += 2)
            for (int64_t v = 0; v < span.vectors; v++) {
                const int64_t e = (span.first + v) * LANES;
                lanes a = value_load(&f, s, e, dtype), b = none;
                if (s + 1 < c->tokens) b = value_load(&f, s + 1, e, dtype);
                const lanes_bits x = (lanes_bits)(a * c->factors[s]), y = (lanes_bits)(b * c->factors[s + 1]);
                drawn = drawn * 1664525u + 1013904223u;
                put_pairs(job, U, CHUNK, s, span, v, in_pairs(x + (drawn & 0xffffu), y + (drawn >> 16)));
                largest = lanes_larger(largest, lanes_larger((lanes_int)lanes_abs(a), (lanes_int)lanes_abs(b)));
                if (careful) {
                    a = lanes_if_less(lanes_abs(a), inf, a, none);
                    b = lanes_if_less(lanes_abs(b), inf, b, none);
                }
                put_pairs(job, V, CHUNK, s, span, v, in_pairs((lanes_bits)a, (lanes_bits)b));
            }
    }
    return !lanes_all_less(__builtin_convertvector(largest >> 23, lanes), lanes_splat(255));
}

static int take_values(const struct chunk_work *w, const struct chunk *c, const struct face *f)
{
    const struct chunk_job *job = w->job;
    float *const V = w->scratch + job->v, *const U = w->scratch + job->U;
    const int64_t behind = (c->tokens + 1) / 2 * job->values; /* for oneDNN, whose products have all rows */
    if (job->products) {
        memset(V + behind, 0, (size_t)(CHUNK / 2 * job->values - behind) * sizeof *V);
        memset(U + behind, 0, (size_t)(CHUNK / 2 * job->values - behind) * sizeof *U);
    }
    if (f->dtype == SEGUE_BF16) {
        if (!pair_values(w, c, f, V, U, SEGUE_BF16, 0)) return 0;
        return pair_values(w, c, f, V, U, SEGUE_BF16, 1);
    }
    return pair_values(w, c, f, V, U, SEGUE_F32, 1);
}

/* ---- y -------------------------------------------------------------------------------------------------- */

struct out { /* of a chunk's y */
    struct segue_strip to;
    struct face v;     /* for D */
    const float *D;    /* [value]; NULL: none */
    const float *z;    /* [token][value]; NULL: none */
    float *y;          /* where elements do not lie side by side: [token][value] */
    const uint16_t *W; /* [t][s] */
    int64_t step, strange, stream;
};

/* Adds to a tile's sums what pair_values left out. */
static __attribute__((noinline)) void add_strangers(const struct out *o, int64_t t, struct span s,
                                                    struct product_sums *sums)
{
    const lanes inf = lanes_splat(__builtin_inff());
    for (int u = 0; u < BLOCK; u++)
        for (int64_t i = 0; i <= t + u; i++)
            for (int64_t c = 0; c < s.vectors; c++) {
                if (t + u >= o->to.rows) return;
                const lanes x = value_load(&o->v, i, (s.first + c) * LANES, o->v.dtype);
                const uint32_t bits = (uint32_t)o->W[(t + u) * CHUNK + i] << 16;
                float weight;
                memcpy(&weight, &bits, sizeof weight);
                sums->at[u][c] = lanes_if_less(lanes_abs(x), inf, sums->at[u][c], sums->at[u][c] + x * weight);
            }
}

/* Tokens from t on: sums + D v, times silu(z), to where they belong. */
INLINE void give_tile(const struct chunk_work *w, const struct out *o, int64_t t, struct span s,
                      struct product_sums *sums, const int nv)
{
    const int64_t values = w->job->values, left = o->to.rows - t, size = element_size(o->to.dtype);
    if (__builtin_expect(o->strange != 0, 0)) {
        struct product_sums copy = *sums;
        add_strangers(o, t, s, &copy);
        *sums = copy;
    }
    UNROLL
    for (int u = 0; u < BLOCK; u++) {
        if (u >= left) return;
        UNROLL
        for (int c = 0; c < nv; c++) {
            const int64_t e = (s.first + c) * LANES;
            lanes x = sums->at[u][c];
            if (o->D) x = lanes_fma(value_load(&o->v, t + u, e, o->v.dtype), lanes_load(o->D + e), x);
            if (o->z) x *= lanes_silu(lanes_load(o->z + (t + u) * values + e));
            if (o->y) lanes_store(o->y + (t + u) * values + e, x);
            else if (o->to.dtype == SEGUE_BF16)
                element_store(o->to.data + (t + u) * o->step + e * size, x, BF16_FAST, (int32_t)o->stream);
            else element_store(o->to.data + (t + u) * o->step + e * size, x, o->to.dtype, (int32_t)o->stream);
        }
    }
}

/* Inline: GCC takes a function that only prefetches for one without effect. */
INLINE void ask_ahead(const struct chunk_work *w, int64_t first, int64_t count)
{
    for (const struct rows *r = w->ahead; r < w->ahead + STREAMS; r++)
        for (int64_t i = first; i < first + count && i < r->count; i++)
            for (int64_t line = 0; line < r->lines; line++)
                __builtin_prefetch(r->p + i * r->step + line * LINE, 0, 2);
}

INLINE void read_span(struct chunk_work *w, const struct chunk *c, const struct out *o, struct span s,
                      const int nv)
{
    const struct chunk_job *job = w->job;
    const int64_t keys = job->keys;
    const float *const half = w->scratch + job->half + c->index * keys * job->values / 2,
                       *const S = half + place_of(job, keys / 2, 0, s).at,
                       *const V = w->scratch + job->v + place_of(job, CHUNK / 2, 0, s).at,
                       *const q = (const float *)(const void *)c->q,
                       *const W = (const float *)(const void *)o->W;
    for (int64_t t = 0; t < c->tokens; t += BLOCK) {
        struct product_sums sums = { 0 };
        const int64_t seen = t + BLOCK < c->tokens ? t + BLOCK : c->tokens;
        if (!s.first) ask_ahead(w, t, BLOCK);
        product_rows(&sums, q + t * (keys / 2), keys / 2, S, keys / 2, nv, 1);
        UNROLL
        for (int u = 0; u < BLOCK; u++)
            for (int i = 0; i < nv; i++) sums.at[u][i] *= c->P[t + u];
        product_rows(&sums, W + t * (CHUNK / 2), CHUNK / 2, V, (seen + 1) / 2, nv, 1);
        give_tile(w, o, t, s, &sums, nv);
    }
}

static __attribute__((noinline)) void read_1(struct chunk_work *w, const struct chunk *c, const struct out *o,
                                             struct span s)
{
    read_span(w, c, o, s, 1);
}
static __attribute__((noinline)) void read_2(struct chunk_work *w, const struct chunk *c, const struct out *o,
                                             struct span s)
{
    read_span(w, c, o, s, 2);
}
static __attribute__((noinline)) void read_3(struct chunk_work *w, const struct chunk *c, const struct out *o,
                                             struct span s)
{
    read_span(w, c, o, s, 3);
}

/* By oneDNN's products, whose sums come from memory. */
static void read_products(struct chunk_work *w, const struct chunk *c, const struct out *o)
{
    const struct chunk_job *job = w->job;
    const int64_t values = job->values;
    const float *const read = w->scratch + job->read, *const look = w->scratch + job->look;
    ask_ahead(w, 0, CHUNK);
    multiply(w, READ, c->q, w->scratch + job->half + c->index * job->keys * values / 2, w->scratch + job->read);
    multiply(w, LOOK, o->W, w->scratch + job->v, w->scratch + job->look);
    for (int64_t t = 0; t < c->tokens; t += BLOCK)
        for (int64_t v = 0; v < values / LANES; v++) {
            struct product_sums sums = { 0 };
            for (int64_t u = 0, at = t * values + v * LANES; u < BLOCK; u++, at += values)
                sums.at[u][0] =
                    lanes_fma(lanes_load(read + at), lanes_splat(c->P[t + u]), lanes_load(look + at));
            give_tile(w, o, t, (struct span){ v, 1 }, &sums, 1);
        }
}

static void read_state(struct chunk_work *w, const struct chunk *c, const struct face *v, int strange)
{
    const struct chunk_job *job = w->job;
    const segue_gated_recurrence *op = job->op;
    struct out o = { .to = head_strip(w, &op->y, c->head, c->first, c->tokens), .v = *v, .strange = strange };
    o.W = halves(w, job->W);
    o.step = o.to.row_stride * (int64_t)o.to.element_bytes;
    o.stream =
        job->stream && !(((uintptr_t)o.to.data | (uintptr_t)o.step) % (LANES * (uintptr_t)o.to.element_bytes));
    if (present(&op->D)) o.D = w->scratch + job->D + c->index * job->values;
    if (present(&op->z)) {
        const struct segue_strip z = head_strip(w, &op->z, c->head, c->first, c->tokens);
        PACK(w->scratch + job->z, job->values, LANES, &z);
        o.z = w->scratch + job->z;
    }
    if (o.to.column_stride != 1) o.y = w->scratch + job->y;
    if (job->products) read_products(w, c, &o);
    for (int64_t i = 0; !job->products && i < spans_of(job); i++) {
        const struct span s = span_at(job, i);
        (s.vectors == 1 ? read_1 : s.vectors == 2 ? read_2 : read_3)(w, c, &o, s);
    }
    if (o.y) UNPACK(&o.to, o.y, job->values, LANES);
}

/* ---- states --------------------------------------------------------------------------------------------- */

/* Keys from k on of S' = P S + K^T U, and the pairs that the next chunk's products are given. sums: K^T U, or NULL: still to come. */
INLINE void write_tile(struct chunk_work *w, const struct chunk *c, int64_t k, struct span s,
                       const float *written, const int nv)
{
    const struct chunk_job *job = w->job;
    const int64_t at = c->index * job->keys * job->values;
    const struct place p = place_of(job, job->keys, k, s);
    float *const S = w->scratch + job->S + at + p.at, *const half = w->scratch + job->half + at / 2;
    const lanes P = lanes_splat(c->whole);
    struct product_sums sums = { 0 };
    UNROLL
    for (int u = 0; u < BLOCK; u++)
        for (int i = 0; i < nv; i++) {
            sums.at[u][i] = lanes_load(S + u * p.pitch + i * LANES) * P;
            if (written) sums.at[u][i] += lanes_load(written + p.at + u * p.pitch + i * LANES);
        }
    if (!written)
        product_columns(&sums, (const float *)(const void *)c->k + k * (CHUNK / 2),
                        w->scratch + job->U + place_of(job, CHUNK / 2, 0, s).at, (c->tokens + 1) / 2, nv, 1);
    UNROLL
    for (int u = 0; u < BLOCK; u += 2)
        for (int i = 0; i < nv; i++) {
            lanes_store(S + u * p.pitch + i * LANES, sums.at[u][i]);
            lanes_store(S + (u + 1) * p.pitch + i * LANES, sums.at[u + 1][i]);
            put_pairs(job, half, job->keys, k + u, s, i, pair_of(sums.at[u][i], sums.at[u + 1][i]));
        }
}

INLINE void write_span(struct chunk_work *w, const struct chunk *c, struct span s, const float *written,
                       const int nv)
{
    for (int64_t k = 0; k < w->job->keys; k += BLOCK) write_tile(w, c, k, s, written, nv);
}

static __attribute__((noinline)) void write_1(struct chunk_work *w, const struct chunk *c, struct span s)
{
    write_span(w, c, s, NULL, 1);
}
static __attribute__((noinline)) void write_2(struct chunk_work *w, const struct chunk *c, struct span s)
{
    write_span(w, c, s, NULL, 2);
}
static __attribute__((noinline)) void write_3(struct chunk_work *w, const struct chunk *c, struct span s)
{
    write_span(w, c, s, NULL, 3);
}

static void write_state(struct chunk_work *w, const struct chunk *c)
{
    const struct chunk_job *job = w->job;
    float *const written = w->scratch + job->written;
    if (job->products) multiply(w, WRITE, c->k, w->scratch + job->U, written);
    for (int64_t v = 0; job->products && v < job->values / LANES; v++)
        write_span(w, c, (struct span){ v, 1 }, written, 1);
    for (int64_t i = 0; !job->products && i < spans_of(job); i++) {
        const struct span s = span_at(job, i);
        (s.vectors == 1 ? write_1 : s.vectors == 2 ? write_2 : write_3)(w, c, s);
    }
}

static void one_chunk(struct chunk_work *w, struct chunk *c)
{
    const segue_gated_recurrence *op = w->job->op;
    for (int t = 0; t < CHUNK; t++) c->decay[t] = c->gain[t] = 1;
    if (present(&op->g)) take_gates(w, &op->g, c, c->decay), exponentials(c->decay);
    if (present(&op->gain)) take_gates(w, &op->gain, c, c->gain);
    if (present(&op->gain) && op->gain_domain == SEGUE_GATED_RECURRENCE_LOG) exponentials(c->gain);
    weigh(c, (float)op->scale, halves(w, w->job->W));
    const struct segue_strip vs = head_strip(w, &op->v, c->head, c->first, c->tokens);
    const struct face v = face_of(w, &vs);
    const int strange = take_values(w, c, &v);
    read_state(w, c, &v, strange);
    write_state(w, c);
}

/* Spans of a state between its tensor and scratch. */
static void move_state(const struct chunk_work *w, const segue_tensor *x, int64_t row, int64_t i, int in)
{
    const struct chunk_job *job = w->job;
    for (int64_t n = 0; n < spans_of(job); n++) {
        const struct span span = span_at(job, n);
        const struct place p = place_of(job, job->keys, 0, span);
        struct segue_strip s = matrix_strip(x, row, head_at(w, i));
        float *const S = w->scratch + job->S + i * job->keys * job->values + p.at;
        strip_cut_columns(&s, span.first * LANES, span.vectors * LANES);
        if (in) PACK(S, p.pitch, LANES, &s);
        else UNPACK(&s, S, p.pitch, LANES);
    }
}

static void begin(const struct chunk_work *w)
{
    const struct chunk_job *job = w->job;
    const segue_gated_recurrence *op = job->op;
    const int64_t each = job->keys * job->values;
    const int read = present(&op->S_in) && w->sequence.read >= 0;
    if (!read) {
        memset(w->scratch + job->S, 0, (size_t)(w->heads * each) * sizeof(float));
        memset(w->scratch + job->half, 0, (size_t)(w->heads * each) * sizeof(uint16_t));
    }
    for (int64_t i = 0; i < w->heads; i++) {
        float *const half = w->scratch + job->half + i * each / 2;
        if (read) move_state(w, &op->S_in, w->sequence.read, i, 1);
        for (int64_t v = 0; read && v < job->values / LANES; v++)
            for (int64_t k = 0; k < job->keys; k += 2) {
                const struct span s = span_of(job, v);
                const struct place p = place_of(job, job->keys, k, s);
                const float *const S = w->scratch + job->S + i * each + p.at + (v - s.first) * LANES;
                put_pairs(job, half, job->keys, k, s, v - s.first,
                          pair_of(lanes_load(S), lanes_load(S + p.pitch)));
            }
        if (present(&op->D)) {
            struct segue_strip s = strip_of(&op->D, -1, 1);
            strip_move(&s, head_at(w, i) * op->D.stride[0]);
            PACK(w->scratch + job->D + i * job->values, 0, LANES, &s);
        }
    }
}

/* ---- a panel -------------------------------------------------------------------------------------------- */

static void then_rows(struct chunk_work *w, int i, const segue_tensor *x, int64_t head, int64_t first)
{
    w->ahead[i] = (struct rows){ .count = 0 };
    if (!present(x) || first >= w->sequence.length) return;
    const int64_t left = w->sequence.length - first;
    const struct segue_strip s = head_strip(w, x, head, first, left < CHUNK ? left : CHUNK);
    if (s.column_stride != 1) return;
    w->ahead[i].p = s.data;
    w->ahead[i].step = s.row_stride * (int64_t)s.element_bytes;
    w->ahead[i].lines = (s.columns * (int64_t)s.element_bytes + LINE - 1) / LINE;
    w->ahead[i].count = s.rows;
}

/* What is asked for while a head goes through a chunk: values of the head and chunk that come next; by the last one of those that
 * share q and k, the next ones' q and k, as many chunks on. Hardware does not follow rows that lie so far apart. */
static void look_ahead(struct chunk_work *w, int64_t index, int64_t end, int64_t first, int64_t at,
                       int64_t tokens)
{
    const segue_gated_recurrence *op = w->job->op;
    const int64_t next = end < w->heads ? end : 0, further = end < w->heads ? first : first + tokens;
    int64_t head = index, then = first + at + CHUNK;
    if (at + CHUNK >= tokens) head = index + 1 < w->heads ? index + 1 : 0, then = head ? first : first + tokens;
    then_rows(w, 0, &op->v, head_at(w, head), then);
    then_rows(w, 1, &op->z, head_at(w, head), then);
    const int last = index + 1 == end;
    then_rows(w, 2, &op->q, fewer_head(w, &op->q, head_at(w, next)), last ? further + at : w->sequence.length);
    then_rows(w, 3, &op->k, fewer_head(w, &op->k, head_at(w, next)), last ? further + at : w->sequence.length);
}

/* The head at index, through a stretch; end: behind those that share q and k. */
static void one_head(struct chunk_work *w, int64_t index, int64_t end, int64_t first, int64_t tokens)
{
    const struct chunk_job *job = w->job;
    for (int64_t at = 0; at < tokens; at += CHUNK) {
        struct chunk c = { .first = first + at, .index = index, .head = head_at(w, index) };
        c.tokens = tokens - at < CHUNK ? tokens - at : CHUNK;
        c.q = halves(w, job->q) + at * job->keys;
        c.k = halves(w, job->k) + at * job->keys;
        c.scores = w->scratch + job->scores + at * CHUNK;
        look_ahead(w, index, end, first, at, tokens);
        one_chunk(w, &c);
    }
}

static void one_panel(struct chunk_work *w)
{
    const segue_gated_recurrence *op = w->job->op;
    const int64_t most = w->job->stretch;
    if (w->sequence.padding) {
        for (int64_t i = 0; i < w->heads; i++) {
            const struct segue_strip s = head_strip(w, &op->y, head_at(w, i), 0, w->sequence.length);
            segue_strip_zero(&s);
        }
        return;
    }
    begin(w);
    for (int64_t first = 0; first < w->sequence.length; first += most) {
        const int64_t left = w->sequence.length - first, tokens = left < most ? left : most;
        for (int64_t i = 0, end = 0; i < w->heads; i++) {
            if (i == end) share(w, i, first, tokens), end = run_end(w, i);
            one_head(w, i, end, first, tokens);
        }
    }
    for (int64_t i = 0; present(&op->S_out) && w->sequence.write >= 0 && i < w->heads; i++)
        move_state(w, &op->S_out, w->sequence.write, i, 0);
}

static void work(struct chunk_job *job, float *scratch)
{
    struct chunk_work w = { .job = job, .scratch = scratch };
    if (job->products) {
        w.hand = dnnl_hand_create(job->products, scratch + job->hand);
        if (!w.hand) {
            atomic_store_explicit(&job->failed, 1, memory_order_relaxed);
            return;
        }
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
    if (w.hand) dnnl_hand_destroy(w.hand);
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
