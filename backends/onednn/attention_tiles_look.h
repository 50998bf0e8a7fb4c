/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a tile knows of its queries and keys: which rows they are, and who sees whom. Everything in passes over one fact,
 * since most calls have few of them. */
#ifndef SEGUE_ONEDNN_ATTENTION_TILES_LOOK_H
#define SEGUE_ONEDNN_ATTENTION_TILES_LOOK_H

#include "attention_tiles.h"
#include "engine/element.h"
#include "engine/lanes_functions.h"
#include "product.h"

#include <math.h>

/* Key slots are counted from the tile's origin. A query that sees nothing has an empty interval; lanes behind the last query
 * repeat it, and nothing of them is stored. */
struct tile_queries {
    _Alignas(64) int32_t first[TILE_QUERIES]; /* key slots seen: [first, last) */
    int32_t last[TILE_QUERIES];
    int32_t low[TILE_QUERIES], high[TILE_QUERIES]; /* key positions seen, both included */
    int32_t at[TILE_QUERIES];                      /* own position, as far as int32 goes; */
    float beyond[TILE_QUERIES];                    /* and by how much it lies behind that */
    int32_t label[TILE_QUERIES];
    float slope[TILE_QUERIES], sink[TILE_QUERIES];
    int32_t slot[TILE_QUERIES], head[TILE_QUERIES]; /* of the sequence, of the group; no slot: -1 */
    int32_t item[TILE_QUERIES], row[TILE_QUERIES];  /* -1: none */
    int32_t to[TILE_QUERIES];                       /* row of y; -1: none */
};

struct tile_keys {
    _Alignas(64) float inverse[TILE_KEYS]; /* 1 / the key's length */
    int32_t slot[TILE_KEYS];               /* -1: no key, zeros */
    int32_t at[TILE_KEYS], label[TILE_KEYS];
    int32_t kept[TILE_KEYS]; /* 0: masked but for the query at its position; -1 */
    int32_t item[TILE_KEYS], row[TILE_KEYS];
    int32_t missing[TILE_KEYS / BLOCK]; /* blocks with keys that are not kept */
    int32_t strange[TILE_KEYS];         /* some of its values are no numbers, and packed as 0 */
    int64_t strangers;                  /* keys of which that is so */
};

struct tile_panel { /* up to WIDEST vectors of queries */
    int64_t vector, vectors;
    int64_t first, last;             /* key slots that some of them see */
    int64_t inner_first, inner_last; /* that all of them see */
};

struct tile_view { /* a tile's queries */
    struct tiles_place place;
    struct tile_queries queries;
    struct tile_panel panel[TILE_QUERIES / LANES];
    int64_t origin, lanes, panels;
    int64_t first, last; /* key slots that some query sees */
};

INLINE int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

INLINE int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int32_t in_32(int64_t x)
{
    return (int32_t)(x < INT32_MIN ? INT32_MIN : x > INT32_MAX ? INT32_MAX : x);
}

struct index_row { /* of a tensor of indices: the last axis at some place of the others */
    const char *data;
    int64_t step;
};

static struct index_row index_row(const segue_tensor *t, int64_t a, int64_t b)
{
    const int64_t at = t->rank == 3 ? a * t->stride[0] + b * t->stride[1] : a * t->stride[0];
    return (struct index_row){ (const char *)t->data + t->offset + at * 4, t->stride[t->rank - 1] * 4 };
}

INLINE int32_t index_in(struct index_row r, int64_t i)
{
    int32_t x;
    __builtin_memcpy(&x, r.data + i * r.step, sizeof x);
    return x;
}

/* ---- queries -------------------------------------------------------------------------------------------- */

static void find_slots(const struct tiles_job *job, struct tile_view *v)
{
    struct tile_queries *q = &v->queries;
    const int64_t each = job->piece_slots, slots = v->place.slots;
    int64_t lane = 0;
    for (int64_t s = 0; s < slots; s++) {
        for (int64_t g = 0; g < job->group; g++, lane++)
            q->slot[lane] = (int32_t)(v->place.slot + s), q->head[lane] = (int32_t)g;
        if (s + 1 < slots && (s + 1) % each) continue; /* the end of a piece: whole vectors */
        for (; lane % job->lane_step; lane++) q->slot[lane] = -1, q->head[lane] = 0;
    }
    v->lanes = lane;
}

/* Items, rows and positions. */
static void find_rows(const struct tiles_job *job, struct tile_view *v)
{
    const segue_attention *op = job->op;
    const struct attention_sequence *s = &v->place.sequence;
    struct tile_queries *q = &v->queries;
    const uint32_t n = (uint32_t)op->q.shape[1];
    const int indexed = attention_present(&op->q_index), told = attention_present(&op->q_pos),
              moved = attention_present(&op->o_index);
    const int64_t first_head = v->place.head * job->group, rows = op->y.shape[1];
    for (int64_t i = 0; i < v->lanes; i++) {
        const int64_t slot = q->slot[i], head = first_head + q->head[i];
        if (slot < 0) {
            q->item[i] = q->row[i] = q->to[i] = -1, q->beyond[i] = 0;
            continue;
        }
        q->item[i] = (int32_t)slot;
        q->row[i] = (int32_t)(s->q + slot);
        q->at[i] = in_32(slot + s->first);
        q->beyond[i] = (float)(slot + s->first - q->at[i]);
        if (indexed) {
            q->item[i] = index_in(index_row(&op->q_index, s->batch, head), slot);
            q->row[i] = q->at[i] = q->item[i] < 0 || !n ? -1 : (int32_t)((uint32_t)q->item[i] % n);
        }
        if (told && q->row[i] >= 0) q->at[i] = index_in(index_row(&op->q_pos, s->batch, 0), q->row[i]);
        if (indexed || told) q->beyond[i] = 0;
        const int64_t to = moved ? index_in(index_row(&op->o_index, s->batch, head), slot) : s->q + slot;
        q->to[i] = to < 0 || to >= rows ? -1 : (int32_t)to;
    }
}

static void find_labels(const struct tiles_job *job, struct tile_view *v)
{
    const segue_attention *op = job->op;
    struct tile_queries *q = &v->queries;
    for (int64_t i = 0; i < v->lanes; i++) {
        const int64_t head = v->place.head * job->group + q->head[i];
        if (q->item[i] >= 0 && q->item[i] < op->label.shape[2])
            q->label[i] = index_in(index_row(&op->label, v->place.sequence.batch, head), q->item[i]);
        else
            q->label[i] = 0, q->low[i] = INT32_MAX,
            q->high[i] = INT32_MIN; /* none: sees no position but its own */
    }
}

/* Positions that queries see, and slots, as far as chunks and positions leave them. */
static void find_intervals(const struct tiles_job *job, struct tile_view *v)
{
    const segue_attention *op = job->op;
    const struct attention_sequence *s = &v->place.sequence;
    struct tile_queries *q = &v->queries;
    const int by_slot = !job->chunk && !attention_present(&op->k_pos) &&
                        !attention_present(&op->k_index); /* its number is its position */
    const int64_t left = op->window_left, right = op->window_right, chunk = job->chunk;
    const int64_t chunks = chunk ? (s->queries + chunk - 1) / chunk : 0;
    const int counted = !attention_present(&op->q_pos) && !attention_present(&op->q_index);
    for (int64_t i = 0; i < v->lanes; i++) {
        const int64_t at = counted && q->slot[i] >= 0 ? q->slot[i] + s->first : q->at[i];
        int64_t high = right >= 0 ? at + right : INT32_MAX, first = 0, last = s->keys;
        if (op->causal && at < high) high = at;
        const int64_t low = left >= 0 ? at - left : INT32_MIN;
        const int none = low > INT32_MAX || high < INT32_MIN; /* where keys have no positions */
        q->low[i] = in_32(low);
        q->high[i] = in_32(high);
        if (by_slot) {
            first = larger(first, q->low[i]);
            last = smaller(smaller(last, s->rows), high + 1);
        } else if (chunk && q->slot[i] >= 0) {
            const int64_t own = (uint32_t)q->slot[i] / (uint32_t)chunk;
            first = own - op->chunks_before;
            last = own + op->chunks_after + 1;
            if (!op->wrap) first = larger(first, 0), last = smaller(last, chunks);
            first = first * chunk - v->origin;
            last = last * chunk - v->origin;
        }
        q->first[i] = (int32_t)first;
        q->last[i] = (int32_t)(last > first && !none && q->row[i] >= 0 ? last : first);
    }
}

static float weight_at(const segue_tensor *t, int64_t i)
{
    const uint32_t dtype = segue_dtype_id(t->dtype);
    const char *p = (const char *)t->data + t->offset + i * t->stride[0] * element_size(dtype);
    float first[LANES];
    lanes_store(first, element_load_some(p, dtype, 1));
    return first[0];
}

static void find_weights(const segue_tensor *t, const struct tiles_job *job, const struct tile_view *v,
                         float *out)
{
    float each[TILE_QUERIES];
    for (int64_t g = 0; g < job->group; g++) each[g] = weight_at(t, v->place.head * job->group + g);
    for (int64_t i = 0; i < v->lanes; i++) out[i] = each[v->queries.head[i]];
}

/* Lanes without a query repeat the last one, so that they do not widen what a panel sees. */
static void fill_up(struct tile_view *v)
{
    struct tile_queries *q = &v->queries;
    for (int64_t i = 1; i < v->lanes; i++) {
        if (q->slot[i] >= 0) continue;
        q->first[i] = q->first[i - 1], q->last[i] = q->last[i - 1];
        q->low[i] = q->low[i - 1], q->high[i] = q->high[i - 1];
        q->at[i] = q->at[i - 1], q->beyond[i] = q->beyond[i - 1];
        if (q->to[i - 1] >= 0) q->label[i] = q->label[i - 1];
    }
}

/* Panels do not reach from one piece into the next, whose queries see other chunks: vectors by threes, or twos for four. */
static void cut_panels(const struct tiles_job *job, struct tile_view *v)
{
    const struct tile_queries *q = &v->queries;
    const int64_t each = job->piece_lanes / LANES, vectors = v->lanes / LANES;
    v->panels = 0, v->first = INT32_MAX, v->last = 0;
    for (int64_t at = 0; at < vectors;) {
        const int64_t left = smaller(each - at % each, vectors - at);
        struct tile_panel *p = &v->panel[v->panels++];
        *p = (struct tile_panel){ .vector = at, .vectors = left == 4 ? 2 : smaller(left, WIDEST) };
        p->first = p->inner_last = INT32_MAX;
        at += p->vectors;
        for (int64_t lane = p->vector * LANES; lane < at * LANES; lane++) {
            p->inner_first = larger(p->inner_first, q->first[lane]);
            p->inner_last = smaller(p->inner_last, q->last[lane]);
            if (q->first[lane] == q->last[lane]) continue;
            p->first = smaller(p->first, q->first[lane]);
            p->last = larger(p->last, q->last[lane]);
        }
        if (p->first >= p->last) continue;
        v->first = smaller(v->first, p->first);
        v->last = larger(v->last, p->last);
    }
}

/* The key slot that tiles are counted from; a multiple of tile_keys, so that sums do not depend on the tile of queries. */
static int64_t origin_of(const struct tiles_job *job, const struct tiles_place *place)
{
    if (!job->chunk) return 0;
    int64_t chunk = place->slot / job->chunk - job->op->chunks_before;
    if (!job->op->wrap && chunk < 0) chunk = 0;
    return floor_of(chunk * job->chunk, job->tile_keys) * job->tile_keys;
}

static void look_at_queries(const struct tiles_job *job, struct tile_view *v)
{
    const segue_attention *op = job->op;
    struct tile_queries *q = &v->queries;
    v->origin = origin_of(job, &v->place);
    find_slots(job, v);
    find_rows(job, v);
    find_intervals(job, v);
    if (job->rules & RULE_LABELS) find_labels(job, v);
    if (attention_present(&op->slopes)) find_weights(&op->slopes, job, v, q->slope);
    if (attention_present(&op->sink)) find_weights(&op->sink, job, v, q->sink);
    if (attention_present(&op->keep_q)) {
        const struct index_row kept = index_row(&op->keep_q, v->place.sequence.batch, 0);
        for (int64_t i = 0; i < v->lanes; i++)
            if (q->row[i] >= 0 && !index_in(kept, q->row[i])) q->last[i] = q->first[i];
    }
    fill_up(v);
    cut_panels(job, v);
}

/* ---- keys ----------------------------------------------------------------------------------------------- */

/* Slots [at, at + count) of the tile, whose chunks may go round; -1: none. */
static void find_key_slots(const struct tiles_job *job, const struct tile_view *v, int64_t at, int64_t count,
                           int32_t *slot)
{
    const int64_t slots = v->place.sequence.keys, chunk = job->chunk;
    if (!chunk) {
        for (int64_t i = 0; i < count; i++) slot[i] = at + i < slots ? (int32_t)(at + i) : -1;
        return;
    }
    const int64_t chunks = (slots + chunk - 1) / chunk;
    for (int64_t i = 0; i < count;) {
        int64_t number = floor_of(v->origin + at + i, chunk);
        int64_t within = v->origin + at + i - number * chunk;
        if (job->op->wrap) number -= floor_of(number, chunks) * chunks;
        for (; within < chunk && i < count; within++, i++)
            slot[i] = number < 0 || number * chunk + within >= slots ? -1 : (int32_t)(number * chunk + within);
    }
}

/* Keys [from, to) of a tile that begins at slot `tile`. */
static void look_at_keys(const struct tiles_job *job, const struct tile_view *v, struct tile_keys *k,
                         int64_t tile, int64_t from, int64_t to)
{
    const segue_attention *op = job->op;
    const struct attention_sequence *s = &v->place.sequence;
    const int64_t b = s->batch, head = v->place.head, rows = s->k + s->rows;
    const uint32_t m = (uint32_t)op->k.shape[1];
    const int told = attention_present(&op->k_pos), kept = attention_present(&op->keep),
              labelled = attention_present(&op->label);
    find_key_slots(job, v, tile + from, to - from, k->item + from);
    if (attention_present(&op->k_index)) {
        const struct index_row r = index_row(&op->k_index, b, head);
        for (int64_t i = from; i < to; i++) {
            k->item[i] = k->item[i] < 0 || !m ? -1 : index_in(r, k->item[i]);
            k->row[i] = k->item[i] < 0 ? -1 : (int32_t)((uint32_t)k->item[i] % m);
        }
    } else {
        for (int64_t i = from; i < to; i++) k->row[i] = k->item[i] < 0 ? -1 : (int32_t)(s->k + k->item[i]);
    }
    for (int64_t i = from; i < to; i++) {
        int32_t seen = k->row[i] >= 0 && k->row[i] < rows ? -1 : 0;
        k->row[i] = seen ? k->row[i] : -1;
        k->at[i] = seen ? (int32_t)(k->row[i] - s->k) : 0;
        if (seen && told) k->at[i] = index_in(index_row(&op->k_pos, b, 0), k->row[i]);
        if (seen && kept && !index_in(index_row(&op->keep, b, 0), k->row[i])) seen = 0;
        if (k->row[i] >= 0 && labelled) {
            if (k->item[i] >= op->label.shape[2]) seen = 0;
            k->label[i] = seen ? index_in(index_row(&op->label, b, head), k->item[i]) : 0;
        }
        k->kept[i] = seen;
        if (!seen && !(job->rules & RULE_SELF)) k->row[i] = -1;
        k->slot[i] = k->row[i] < 0 ? -1 : (int32_t)(tile + i);
    }
    for (int64_t i = from; i < to; i += BLOCK) {
        int32_t all = -1;
        for (int u = 0; u < BLOCK; u++) all &= k->kept[i + u];
        k->missing[i / BLOCK] = !all;
    }
}

#endif
