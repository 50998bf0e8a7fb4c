/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a chunk of the matrix-state recurrence is computed from: which heads share q and k, where matrices lie for our own products and
 * for oneDNN's, and q, k and A of a stretch. */
#ifndef SEGUE_ONEDNN_GATED_RECURRENCE_TILES_BF16_SHARE_H
#define SEGUE_ONEDNN_GATED_RECURRENCE_TILES_BF16_SHARE_H

#include "gated_recurrence_tiles_bf16.h"

#include "engine/element.h"
#include "product.h"

#if SEGUE_LANES == 16 /* bf16 is fast with AVX-512 only */
#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)

enum { VECTORS = CHUNK / LANES, LINE = 64, STREAMS = 4 };

struct rows { /* that are asked for ahead; step in bytes */
    const char *p;
    int64_t step, count, lines;
};

struct chunk_work {
    const struct chunk_job *job;
    struct dnnl_hand *hand;
    float *scratch;
    struct segue_sequence sequence;
    int64_t head, heads; /* the panel: which heads, as they follow each other in it */
    int failed;
    struct rows ahead[STREAMS];
};

struct chunk { /* of some tokens of the sequence, for one head of the panel */
    int64_t first, tokens, head, index;
    const uint16_t *q, *k;
    const float *scores;
    float decay[CHUNK], gain[CHUNK];
    float P[CHUNK], factors[CHUNK]; /* scale P_t; gain_s P_C / P_s, 0 behind the last token */
    float whole;                    /* P_C */
};

struct face { /* rows whose elements lie side by side; step in bytes */
    const char *p;
    int64_t step;
    uint32_t dtype;
};

struct span { /* vectors of value columns that a tile has */
    int64_t first, vectors;
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

static void multiply(struct chunk_work *w, enum chunk_product i, const void *A, const void *B, float *C)
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

/* ---- matrices ------------------------------------------------------------------------------------------- */

static int64_t spans_of(const struct chunk_job *job)
{
    return (job->values / LANES + WIDEST - 1) / WIDEST;
}

static struct span span_at(const struct chunk_job *job, int64_t i)
{
    const int64_t vectors = job->values / LANES, spans = spans_of(job), first = vectors * i / spans;
    return (struct span){ first, vectors * (i + 1) / spans - first };
}

static struct span span_of(const struct chunk_job *job, int64_t vector)
{
    int64_t i = 0;
    while (span_at(job, i).first + span_at(job, i).vectors <= vector) i++;
    return span_at(job, i);
}

/* Where a matrix whose columns are the values' has a row of a span, and how far on the next row is: [span][row][column] for our own
 * products, rows as they are for oneDNN's. In floats; a row of pairs is two rows of bf16. */
struct place {
    int64_t at, pitch;
};

INLINE struct place place_of(const struct chunk_job *job, int64_t rows, int64_t row, struct span s)
{
    if (job->products) return (struct place){ row * job->values + s.first * LANES, job->values };
    return (struct place){ (rows * s.first + row * s.vectors) * LANES, s.vectors * LANES };
}

/* Rows row and row + 1 of vector c of a span, neighbours in bf16, into such a matrix. */
INLINE void put_pairs(const struct chunk_job *job, float *to, int64_t rows, int64_t row, struct span s,
                      int64_t c, lanes pairs)
{
    if (!job->products) {
        lanes_store(to + place_of(job, rows / 2, row / 2, s).at + c * LANES, pairs);
        return;
    }
    uint16_t *const half = (uint16_t *)(void *)to + row * job->values + (s.first + c) * LANES;
    *(half_anywhere *)half = (lanes_half)_mm512_cvtepi32_epi16((__m512i)pairs);
    *(half_anywhere *)(half + job->values) =
        (lanes_half)_mm512_cvtepi32_epi16((__m512i)((lanes_bits)pairs >> 16));
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

/* A head's gates [b t h] of a chunk, 0 behind the last token. */
static void take_gates(const struct chunk_work *w, const segue_tensor *x, const struct chunk *c, float *to)
{
    struct segue_strip s = strip_of(x, -1, 1);
    memset(to, 0, CHUNK * sizeof *to);
    strip_move(&s, w->sequence.batch * x->stride[0] + c->head * x->stride[2]);
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

/* q or k of a chunk in rows, zeros behind the last token. */
static void take_rows(const struct chunk_work *w, const segue_tensor *x, int64_t head, int64_t first,
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

/* ---- what heads share ----------------------------------------------------------------------------------- */

/* Rows of k to what products want: pairs of keys [span of tokens][key / 2][token][2] of SCORED vectors, and of tokens
 * [block of keys][token / 2][BLOCK][2]. */
enum { SCORED = 2 };

static void turn_keys(const float *rows, int64_t keys, float *turned, float *columns)
{
    const uint16_t *half = (const uint16_t *)(const void *)rows;
    for (int64_t v = 0; v < VECTORS; v++) {
        float *to = turned + (v / SCORED * (keys / 2) * SCORED + v % SCORED) * LANES;
        for (int64_t k = 0; k < keys / 2; k += 4, to += 4 * SCORED * LANES) {
            lanes four[4];
            lanes_load4(four, rows + v * LANES * (keys / 2) + k, keys / 2);
            for (int i = 0; i < 4; i++) lanes_store(to + i * SCORED * LANES, four[i]);
        }
    }
    for (int64_t s = 0; s < CHUNK; s += 2, half += 2 * keys)
        for (int64_t k = 0; k < keys; k += LANES) {
            const __m512i low = _mm512_cvtepu16_epi32((__m256i) * (const half_anywhere *)(half + k)),
                          high = _mm512_cvtepu16_epi32((__m256i) * (const half_anywhere *)(half + keys + k)),
                          both = _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
            float *const to = columns + k * (CHUNK / 2) + s / 2 * BLOCK;
            _mm256_storeu_si256((__m256i *)(void *)to, _mm512_castsi512_si256(both));
            _mm256_storeu_si256((__m256i *)(void *)(to + CHUNK / 2 * BLOCK),
                                _mm512_extracti64x4_epi64(both, 1));
        }
}

/* A of a chunk, at and below the diagonal and a little above it. */
static void score(const float *q, const float *turned, int64_t keys, int64_t tokens, float *scores)
{
    for (int64_t t = 0; t < tokens; t += BLOCK)
        for (int64_t s = 0; s <= t; s += SCORED * LANES) {
            struct product_sums sums = { 0 };
            product_rows(&sums, q + t * (keys / 2), keys / 2, turned + s * (keys / 2), keys / 2, SCORED, 1);
            UNROLL
            for (int u = 0; u < BLOCK; u++)
                for (int c = 0; c < SCORED; c++)
                    lanes_store(scores + (t + u) * CHUNK + s + c * LANES, sums.at[u][c]);
        }
}

/* q, k and A of a stretch, for the head at index and all that share them. */
static void share(struct chunk_work *w, int64_t index, int64_t first, int64_t tokens)
{
    const struct chunk_job *job = w->job;
    const int64_t head = head_at(w, index), q = fewer_head(w, &job->op->q, head),
                  k = fewer_head(w, &job->op->k, head);
    for (int64_t at = 0; at < tokens; at += CHUNK) {
        const int64_t here = tokens - at < CHUNK ? tokens - at : CHUNK, rows = at * job->keys / 2;
        float *const Q = w->scratch + job->q + rows, *const K = w->scratch + job->k + rows,
                     *const scores = w->scratch + job->scores + at * CHUNK;
        take_rows(w, &job->op->q, q, first + at, here, (uint16_t *)(void *)Q);
        if (job->products) {
            take_rows(w, &job->op->k, k, first + at, here, (uint16_t *)(void *)K);
            multiply(w, SCORES, Q, K, scores);
        } else {
            float *const plain = w->scratch + job->plain, *const turned = w->scratch + job->turned;
            take_rows(w, &job->op->k, k, first + at, here, (uint16_t *)(void *)plain);
            turn_keys(plain, job->keys, turned, K);
            score(Q, turned, job->keys, here, scores);
        }
    }
}
#endif

#endif
