/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of any dtype and stride, wherever they lie, into the f32 tiles of attention, and back. */
#ifndef SEGUE_ONEDNN_ATTENTION_TILES_PACK_H
#define SEGUE_ONEDNN_ATTENTION_TILES_PACK_H

#include "attention_tiles_look.h"

#include <string.h>

#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)

/* AHEAD: rows that are asked for before they are packed. They may lie a power of two apart, in few sets of a cache, and are
 * not to wait there for long. */
enum { LINE = 64, AHEAD = 8 };

struct tile_span { /* keys of one tile that any panel sees: whole blocks from its beginning on */
    int64_t tile, from, to, blocks; /* blocks of all panels; 0: none is seen */
};

struct tile_packed { /* keys [from, to) of a tile, of one head of a sequence */
    struct tile_keys keys;
    float *K, *V;
    int64_t batch, first_key, head, tile, from, to;
};

/* Of a tile that begins at slot `tile`, keys [from, to), whole grains; largest scores and sums of the panel's queries. */
struct tile_work;
typedef void panel_function(struct tile_work *w, const struct tile_panel *p, int64_t tile, int64_t from,
                            int64_t to, float *top, float *sum);

struct tile_work {
    struct tiles_job *job;
    struct tile_view *now, *then;  /* then: the tile behind it; its place.slots 0: there is none */
    const struct tile_keys *keys;  /* of the tile that is computed, as K and V */
    struct tile_packed *next;      /* what is packed for span coming, */
    const struct tile_view *owner; /* of this tile of queries: */
    struct tile_span coming;
    int64_t soon, soon_end, soon_step,
        fresh; /* its keys up to soon are there, some more come beside each block: packed if fresh, else fetched */
    int64_t asked, asked_step; /* queries of `then` that are on their way; so many more beside each block */
    struct tile_packed *kept, *spare[2]; /* tiles that stay for the next queries; others, in turn */
    float *Q, *O, *S, *rows;
    const float *K, *V; /* bf16 for products of those, as Q and next's */
    struct dnnl_hand *hand;
    float *P, *T; /* P: weights in bf16 */
    int failed;
    void (*pack_key)(struct tile_work *w, int64_t i);
    void (*fetch_key)(struct tile_work *w, int64_t i); /* one that is packed already */
    void (*pack_queries)(const struct tile_work *w);
    panel_function *const *panel;
};

/* ---- rows ----------------------------------------------------------------------------------------------- */

/* Of a [b row head x] tensor. */
INLINE char *row_at(const segue_tensor *t, int64_t b, int64_t row, int64_t head)
{
    return (char *)t->data + t->offset +
           (b * t->stride[0] + row * t->stride[1] + head * t->stride[2]) * (t->dtype.bits / 8);
}

static struct segue_strip row_strip(const segue_tensor *t, const char *at, int64_t count)
{
    return (struct segue_strip){ .data = (char *)(uintptr_t)at,
                                 .dtype = segue_dtype_id(t->dtype),
                                 .element_bytes = t->dtype.bits / 8,
                                 .rows = 1,
                                 .columns = count,
                                 .column_stride = t->stride[3] };
}

INLINE lanes piece_in(const char *row, int64_t at, int64_t count, const uint32_t dtype)
{
    const char *p = row + at * element_size(dtype);
    return at + LANES <= count ? element_load(p, dtype) : element_load_some(p, dtype, count - at);
}

/* count elements and zeros up to whole lanes; all zeros without a row. */
INLINE void row_in(float *to, const char *row, int64_t count, const uint32_t dtype)
{
    for (int64_t i = 0; i < count; i += LANES)
        lanes_store(to + i, row ? piece_in(row, i, count, dtype) : (lanes){ 0 });
}

/* A row whose elements lie apart, in scratch. */
static const char *gathered(float *rows, const segue_tensor *t, const char *row, int64_t count)
{
    if (!row) return NULL;
    const struct segue_strip s = row_strip(t, row, count);
    PACK(rows, 0, LANES, &s);
    return (const char *)rows;
}

static uint32_t packed_dtype(const segue_tensor *t)
{
    return t->stride[3] == 1 ? segue_dtype_id(t->dtype) : SEGUE_F32; /* as gathered */
}

/* As far as the first level (3) or the second (2). */
INLINE void ask_for(const char *row, int64_t bytes, const int level)
{
    for (int64_t i = 0; i < bytes; i += LINE)
        if (level == 3) __builtin_prefetch(row + i, 0, 3);
        else __builtin_prefetch(row + i, 0, 2); /* clang wants a constant */
}

static const char *query_row(const struct tiles_job *job, const struct tile_view *v, int64_t lane)
{
    const int64_t row = v->queries.row[lane];
    if (row < 0) return NULL;
    return row_at(&job->op->q, v->place.sequence.batch, row,
                  v->place.head * job->group + v->queries.head[lane]);
}

/* ---- queries and keys ----------------------------------------------------------------------------------- */

INLINE void pack_queries_as(const struct tile_work *w, const uint32_t dtype)
{
    const struct tiles_job *job = w->job;
    const segue_tensor *q = &job->op->q;
    const int64_t pitch = job->keys_pitch;
    const lanes scale = lanes_splat(job->scale);
    for (const struct tile_panel *p = w->now->panel; p < w->now->panel + w->now->panels; p++) {
        for (int64_t v = 0; v < p->vectors; v++) {
            float *to = w->Q + (p->vector * pitch + v) * LANES;
            for (int i = 0; i < LANES; i++) {
                const char *row = query_row(job, w->now, (p->vector + v) * LANES + i);
                if (row) ask_for(row, job->keys * (q->dtype.bits / 8), 3);
            }
            for (int i = 0; i < LANES; i++) {
                const char *row = query_row(job, w->now, (p->vector + v) * LANES + i);
                if (q->stride[3] != 1) row = gathered(w->rows + i * pitch, q, row, job->keys);
                row_in(w->rows + i * pitch, row, job->keys, dtype);
            }
            for (int64_t k = 0; k < pitch; k += 4) {
                lanes four[4];
                lanes_load4(four, w->rows + k, pitch);
                for (int i = 0; i < 4; i++, to += p->vectors * LANES) lanes_store(to, four[i] * scale);
            }
        }
    }
}

static void pack_queries(const struct tile_work *w)
{
    const uint32_t dtype = packed_dtype(&w->job->op->q);
    if (dtype == SEGUE_F32) pack_queries_as(w, SEGUE_F32);
    else if (dtype == SEGUE_F16) pack_queries_as(w, SEGUE_F16);
    else pack_queries_as(w, SEGUE_BF16);
}

/* x, but 0 for what is no number: a weight of 0 would not mask it. *strange: there was one. */
INLINE lanes only_numbers(lanes x, int32_t *strange)
{
    const lanes inf = lanes_splat(INFINITY);
    if (__builtin_expect(lanes_all_less(lanes_abs(x), inf), 1)) return x;
    *strange = 1;
    return lanes_if_less(lanes_abs(x), inf, x, (lanes){ 0 });
}

/* A row of values into [block][key][BLOCK]; 1: some of them are no numbers. */
INLINE int32_t spread(float *to, int64_t block_pitch, const char *row, int64_t count, const uint32_t dtype)
{
    int32_t strange = 0;
    for (int64_t c = 0; c < count; c += LANES) {
        const lanes x = row ? only_numbers(piece_in(row, c, count, dtype), &strange) : (lanes){ 0 };
        float each[LANES];
        lanes_store(each, x);
        for (int h = 0; h < LANES / BLOCK; h++)
            memcpy(to + (c / BLOCK + h) * block_pitch, each + h * BLOCK, BLOCK * sizeof(float));
    }
    return strange;
}

INLINE const char *coming_row(const struct tile_work *w, const segue_tensor *t, int64_t row)
{
    return row < 0 ? NULL : row_at(t, w->owner->place.sequence.batch, row, w->owner->place.head);
}

INLINE void ask_for_soon(const struct tile_work *w, int64_t i)
{
    const segue_tensor *k = &w->job->op->k, *v = &w->job->op->v;
    const int64_t row = i + AHEAD < w->next->to ? w->next->keys.row[i + AHEAD] : -1;
    if (row < 0) return;
    ask_for(coming_row(w, k, row), w->job->keys * (k->dtype.bits / 8), 3);
    ask_for(coming_row(w, v, row), w->job->values * (v->dtype.bits / 8), 3);
}

/* Key i of the coming tile. */
INLINE void pack_key_as(struct tile_work *w, int64_t i, const uint32_t k_dtype, const uint32_t v_dtype)
{
    const struct tiles_job *job = w->job;
    const segue_tensor *k = &job->op->k, *v = &job->op->v;
    const int64_t row = w->next->keys.row[i];
    const char *k_row = coming_row(w, k, row), *v_row = coming_row(w, v, row);
    ask_for_soon(w, i);
    if (k->stride[3] != 1) k_row = gathered(w->rows, k, k_row, job->keys);
    row_in(w->next->K + i * job->keys_pitch, k_row, job->keys, k_dtype);
    if (v->stride[3] != 1) v_row = gathered(w->rows, v, v_row, job->values);
    w->next->keys.strange[i] = spread(w->next->V + i * BLOCK, job->block_pitch, v_row, job->values, v_dtype);
    w->next->keys.strangers += w->next->keys.strange[i];
}

static __attribute__((noinline)) void pack_key_f32(struct tile_work *w, int64_t i)
{
    pack_key_as(w, i, SEGUE_F32, SEGUE_F32);
}
static __attribute__((noinline)) void pack_key_f16(struct tile_work *w, int64_t i)
{
    pack_key_as(w, i, SEGUE_F16, SEGUE_F16);
}
static __attribute__((noinline)) void pack_key_bf16(struct tile_work *w, int64_t i)
{
    pack_key_as(w, i, SEGUE_BF16, SEGUE_BF16);
}
static __attribute__((noinline)) void pack_key_any(struct tile_work *w, int64_t i)
{
    pack_key_as(w, i, packed_dtype(&w->job->op->k), packed_dtype(&w->job->op->v));
}

static void choose_packing(struct tile_work *w)
{
    const uint32_t k = packed_dtype(&w->job->op->k), v = packed_dtype(&w->job->op->v);
    w->pack_key = k != v           ? pack_key_any
                  : k == SEGUE_F32 ? pack_key_f32
                  : k == SEGUE_F16 ? pack_key_f16
                                   : pack_key_bf16;
}

/* Kept tiles wait in the last level. */
static void fetch_key_f32(struct tile_work *w, int64_t i)
{
    const struct tiles_job *job = w->job;
    ask_for((const char *)(w->next->K + i * job->keys_pitch), job->keys_pitch * (int64_t)sizeof(float), 2);
    if (i * BLOCK * (int64_t)sizeof(float) % LINE) return;
    for (int64_t e = 0; e < job->values; e += BLOCK)
        ask_for((const char *)(w->next->V + e / BLOCK * job->block_pitch + i * BLOCK), LINE, 2);
}

/* What is done beside each block of products. The next queries come as far as the second level: there are more of them than the
 * first has room for. */
INLINE void prepare_some(struct tile_work *w)
{
    void (*const each)(struct tile_work *, int64_t) = w->fresh ? w->pack_key : w->fetch_key;
    for (int64_t n = w->soon_step; n > 0 && w->soon < w->soon_end; n--) each(w, w->soon++);
    for (int64_t n = w->asked_step; n > 0 && w->asked < w->then->lanes; n--) {
        const char *row = query_row(w->job, w->then, w->asked++);
        if (row) ask_for(row, w->job->keys * (w->job->op->q.dtype.bits / 8), 2);
    }
}

/* 1 / length of the packed keys, four at a time. */
static void measure(const struct tiles_job *job, struct tile_packed *t)
{
    const int64_t pitch = job->keys_pitch;
    const lanes eps = lanes_splat((float)(job->op->key_eps * (double)job->keys));
    float *inverse = t->keys.inverse;
    for (int64_t i = t->from; i < t->to; i += 4) {
        lanes sums[4] = { { 0 } };
        float four[LANES];
        for (int64_t c = 0; c < pitch; c += LANES)
            for (int u = 0; u < 4; u++) {
                const lanes x = lanes_load(t->K + (i + u) * pitch + c);
                sums[u] = lanes_fma(x, x, sums[u]);
            }
        lanes_store(four, lanes_four_sums(sums) + eps);
        for (int u = 0; u < 4; u++)
            inverse[i + u] = attention_far(four[u]) ? attention_far_inverse(job->op, t->K + (i + u) * pitch, 0)
                                                    : 1 / __builtin_sqrtf(four[u]);
    }
}

/* What is left of the coming tile, which is computed next. */
static void finish_keys(struct tile_work *w)
{
    struct tile_packed *const t = w->next;
    while (w->fresh && w->soon < w->soon_end) w->pack_key(w, w->soon++);
    if (w->fresh && w->job->rules & RULE_UNIT) measure(w->job, t);
    w->keys = &t->keys, w->K = t->K, w->V = t->V;
}

/* ---- y -------------------------------------------------------------------------------------------------- */

INLINE void row_out(const struct tiles_job *job, char *to, const float *from)
{
    const segue_tensor *y = &job->op->y;
    const uint32_t dtype = segue_dtype_id(y->dtype);
    const int64_t count = job->values;
    int64_t i = 0;
    if (y->stride[3] != 1) {
        const struct segue_strip s = row_strip(y, to, count);
        UNPACK(&s, from, 0, LANES);
    } else if (dtype == SEGUE_F32) {
        const int stream = job->stream && (uintptr_t)to % sizeof(lanes) == 0;
        for (; i + LANES <= count; i += LANES)
            element_store(to + i * 4, lanes_load(from + i), SEGUE_F32, stream);
        if (i < count) element_store_some(to + i * 4, lanes_load(from + i), SEGUE_F32, count - i);
    } else {
        const uint32_t kind = dtype == SEGUE_BF16 && LANES == 16 && job->bf16_fast ? BF16_FAST : dtype;
        const int stream = job->stream && (uintptr_t)to % (sizeof(lanes) / 2) == 0;
        for (; i + LANES <= count; i += LANES) element_store(to + i * 2, lanes_load(from + i), kind, stream);
        if (i < count) element_store_some(to + i * 2, lanes_load(from + i), kind, count - i);
    }
}

#endif
