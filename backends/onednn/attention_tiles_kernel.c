/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. One tile: its queries are packed with their heads side by side, so that the queries of a
 * vector see nearly the same keys; then tile after tile of keys is packed and goes through all panels of queries. Rows may lie
 * pages apart: the next tile of keys is packed, row after row, while this one is computed. */
#include "attention_tiles_bf16.h"

/* ---- a panel of queries against a tile of keys ---------------------------------------------------------- */

enum { RULES_LSH = RULE_UNIT | RULE_SELF | RULE_HIGH };

/* pairs: products of bf16, of two neighbours at once; else of f32. */
INLINE void scores_of(struct tile_work *w, const struct tile_panel *p, int64_t tile, int64_t from, int64_t to,
                      lanes top[WIDEST], const int nv, const int pairs)
{
    const struct tiles_job *job = w->job;
    const struct tile_queries *q = &w->now->queries;
    const struct tile_keys *k = w->keys;
    const int64_t each = pairs ? 2 : 1, pitch = job->keys_pitch / each, steps = (job->keys + each - 1) / each,
                  lane = p->vector * LANES;
    const float *Q = w->Q + lane * pitch;
    float *S = w->S;
    for (int64_t i = from; i < to; i += BLOCK, S += BLOCK * nv * LANES) {
        struct product_sums sums;
        UNROLL
        for (int u = 0; u < BLOCK; u++) UNROLL for (int c = 0; c < nv; c++) sums.at[u][c] = (lanes){ 0 };
        prepare_some(w);
        product_rows(&sums, w->K + i * pitch, pitch, Q, steps, nv, pairs);
        const int inside =
            !k->missing[i / BLOCK] && tile + i >= p->inner_first && tile + i + BLOCK <= p->inner_last;
        const int plain = inside && !job->rules;
        UNROLL
        for (int u = 0; u < BLOCK; u++) UNROLL for (int c = 0; c < nv; c++)
            {
                const lanes x = pairs ? sums.at[u][c] * lanes_splat(job->scale) : sums.at[u][c];
                lanes_store(S + (u * nv + c) * LANES, x);
                if (plain) top[c] = lanes_most(x, top[c]);
            }
        if (plain) continue;
        if (!job->rules) rule_block(job, q, k, i, lane, 0, 0, S, top, nv);
        else if (inside && job->rules == RULES_LSH) rule_block(job, q, k, i, lane, RULES_LSH, 1, S, top, nv);
        else rule_block(job, q, k, i, lane, job->rules, inside, S, top, nv);
    }
}

/* share: what the weights' sums are multiplied by, too. */
INLINE void sums_of(const struct tile_work *w, const struct tile_panel *p, int64_t from, int64_t to,
                    const lanes decay[WIDEST], const lanes share[WIDEST], const int nv, const int pairs)
{
    const struct tiles_job *job = w->job;
    const int64_t values = (job->values + LANES - 1) / LANES * LANES, each = pairs ? 2 : 1;
    float *O = w->O + p->vector * LANES * values;
    const float *V = w->V, *weights = pairs ? w->P : w->S;
    for (int64_t e = 0; e < job->values; e += BLOCK, O += BLOCK * nv * LANES, V += job->block_pitch) {
        struct product_sums sums;
        UNROLL
        for (int u = 0; u < BLOCK; u++) UNROLL for (int c = 0; c < nv; c++) sums.at[u][c] = (lanes){ 0 };
        product_columns(&sums, V + from / each * BLOCK, weights, (to - from) / each, nv, pairs);
        UNROLL
        for (int u = 0; u < BLOCK; u++) UNROLL for (int c = 0; c < nv; c++)
            {
                float *at = O + (u * nv + c) * LANES;
                const lanes sum = pairs ? sums.at[u][c] * share[c] : sums.at[u][c];
                lanes_store(at, lanes_fma(lanes_load(at), decay[c], sum));
            }
    }
}

/* Scores of `count` keys become weights. rounded: the sums of what pairs hold; values that are no numbers want the weights in S,
 * too. */
INLINE void weigh(const struct tile_work *w, int64_t count, const lanes top[WIDEST], lanes sum[WIDEST],
                  lanes rounded[WIDEST], const int nv, const int pairs)
{
    const lanes ones = pairs ? pair_of(lanes_splat(1), lanes_splat(1)) : (lanes){ 0 };
    const int kept = !pairs || w->keys->strangers;
    lanes even[WIDEST], odd[WIDEST]; /* of the tile: fewer roundings in a row */
    float *S = w->S, *P = w->P;
    UNROLL
    for (int c = 0; c < nv; c++) even[c] = odd[c] = rounded[c] = (lanes){ 0 };
    for (int64_t i = 0; i < count; i += 2, S += 2 * nv * LANES, P += nv * LANES) {
        UNROLL
        for (int c = 0; c < nv; c++) {
            const lanes x = weight_of(lanes_load(S + c * LANES) - top[c]),
                        y = weight_of(lanes_load(S + (nv + c) * LANES) - top[c]);
            even[c] += x, odd[c] += y;
            if (pairs) {
                const lanes both = pair_of(x, y);
                rounded[c] = product_add(both, ones, rounded[c], 1);
                lanes_store(P + c * LANES, both);
            }
            if (!kept) continue;
            lanes_store(S + c * LANES, x);
            lanes_store(S + (nv + c) * LANES, y);
        }
    }
    UNROLL
    for (int c = 0; c < nv; c++) sum[c] = even[c] + odd[c];
}

/* Keys [from, to) of the tile, whole blocks; its first slot is `tile`. */
INLINE void panel_as(struct tile_work *w, const struct tile_panel *p, int64_t tile, int64_t from, int64_t to,
                     float *top_at, float *sum_at, const int nv, const int pairs)
{
    lanes top[WIDEST], sum[WIDEST], share[WIDEST], decay[WIDEST], before[WIDEST];
    UNROLL
    for (int c = 0; c < nv; c++) top[c] = before[c] = lanes_load(top_at + c * LANES);
    scores_of(w, p, tile, from, to, top, nv, pairs);
    UNROLL
    for (int c = 0; c < nv; c++) {
        lanes_store(top_at + c * LANES, top[c]);
        /* Nothing seen yet: any finite number will do. */
        top[c] = lanes_if_less(top[c], lanes_splat(-3.4e38f), (lanes){ 0 }, top[c]);
        decay[c] = weight_of(before[c] - top[c]);
    }
    weigh(w, to - from, top, sum, share, nv, pairs);
    UNROLL
    for (int c = 0; c < nv; c++) {
        lanes_store(sum_at + c * LANES, lanes_fma(lanes_load(sum_at + c * LANES), decay[c], sum[c]));
        share[c] = put_right(sum[c], share[c]);
    }
    sums_of(w, p, from, to, decay, share, nv, pairs);
    if (w->keys->strangers) add_strangers(w, p, from, to, nv);
}

/* One function for each width: it needs all registers. */
static __attribute__((noinline)) void panel_one(struct tile_work *w, const struct tile_panel *p, int64_t tile,
                                                int64_t from, int64_t to, float *top, float *sum)
{
    panel_as(w, p, tile, from, to, top, sum, 1, 0);
}
static __attribute__((noinline)) void panel_two(struct tile_work *w, const struct tile_panel *p, int64_t tile,
                                                int64_t from, int64_t to, float *top, float *sum)
{
    panel_as(w, p, tile, from, to, top, sum, 2, 0);
}
static __attribute__((noinline)) void panel_three(struct tile_work *w, const struct tile_panel *p, int64_t tile,
                                                  int64_t from, int64_t to, float *top, float *sum)
{
    panel_as(w, p, tile, from, to, top, sum, 3, 0);
}
static panel_function *const panels[WIDEST + 1] = { NULL, panel_one, panel_two, panel_three };
#if SEGUE_LANES == 16
static __attribute__((noinline)) void panel_one_in_pairs(struct tile_work *w, const struct tile_panel *p,
                                                         int64_t tile, int64_t from, int64_t to, float *top,
                                                         float *sum)
{
    panel_as(w, p, tile, from, to, top, sum, 1, 1);
}
static __attribute__((noinline)) void panel_two_in_pairs(struct tile_work *w, const struct tile_panel *p,
                                                         int64_t tile, int64_t from, int64_t to, float *top,
                                                         float *sum)
{
    panel_as(w, p, tile, from, to, top, sum, 2, 1);
}
static __attribute__((noinline)) void panel_three_in_pairs(struct tile_work *w, const struct tile_panel *p,
                                                           int64_t tile, int64_t from, int64_t to, float *top,
                                                           float *sum)
{
    panel_as(w, p, tile, from, to, top, sum, 3, 1);
}
static panel_function *const panels_in_pairs[WIDEST + 1] = { NULL, panel_one_in_pairs, panel_two_in_pairs,
                                                             panel_three_in_pairs };
static panel_function *const panels_bf16[WIDEST + 1] = { NULL, NULL, NULL, panel_bf16 };
#endif

/* ---- all keys of a tile of queries ---------------------------------------------------------------------- */

/* Of the panel's keys, those in a tile that begins at slot `tile`: blocks from *from on. */
static int64_t blocks_in(const struct tile_work *w, const struct tile_panel *p, int64_t tile, int64_t *from)
{
    const int64_t first = larger(p->first, tile) - tile,
                  last = smaller(p->last, tile + w->job->tile_keys) - tile;
    if (first >= last) return 0;
    const int64_t grain = w->job->grain;
    *from = first / grain * grain;
    return ((last + grain - 1) / grain - first / grain) * (grain / BLOCK);
}

static struct tile_span span_of(const struct tile_work *w, const struct tile_view *v, int64_t tile)
{
    struct tile_span s = { .tile = tile, .from = w->job->tile_keys };
    for (const struct tile_panel *p = v->panel; p < v->panel + v->panels; p++) {
        int64_t first = 0;
        const int64_t blocks = blocks_in(w, p, tile, &first);
        if (!blocks) continue;
        s.blocks += blocks;
        s.from = smaller(s.from, first);
        s.to = larger(s.to, first + blocks * BLOCK);
    }
    return s;
}

/* Whether t holds the keys of v's tile that any panel sees. */
static int holds(const struct tile_packed *t, const struct tile_view *v, const struct tile_span *s)
{
    const struct attention_sequence *q = &v->place.sequence;
    return t->batch == q->batch && t->first_key == q->k && t->head == v->place.head && t->tile == s->tile &&
           t->from <= s->from && t->to >= s->to;
}

/* Looks at the keys of a tile, which are packed while the one before is computed. Most are kept for the queries to come, as many
 * as scratch is for: rows may lie pages apart, and to go through them again costs more than to read them packed. */
static void come(struct tile_work *w, const struct tile_view *v, int64_t tile)
{
    const struct attention_sequence *q = &v->place.sequence;
    const int64_t number = tile / w->job->tile_keys, keep = number < w->job->kept_tiles;
    const int64_t grain = w->job->grain, left = smaller(q->keys - tile, w->job->tile_keys),
                  all = (left + grain - 1) / grain * grain;
    struct tile_packed *t = keep ? &w->kept[number] : w->spare[0];
    w->owner = v;
    w->coming = span_of(w, v, tile);
    w->fresh = !holds(t, v, &w->coming);
    if (keep && w->fresh && w->keys == &t->keys) t = w->spare[0]; /* of another head, and not done with */
    if (t == w->spare[0]) w->spare[0] = w->spare[1], w->spare[1] = t, w->fresh = 1;
    w->next = t;
    w->soon = w->coming.from, w->soon_end = w->coming.to;
    if (!w->fresh) return;
    t->batch = q->batch, t->first_key = q->k, t->head = v->place.head, t->tile = tile;
    t->from = keep ? 0 : w->coming.from;
    t->to = keep && w->coming.blocks ? all : w->coming.to;
    w->soon = t->from, w->soon_end = t->to;
    t->keys.strangers = 0;
    if (w->coming.blocks) look_at_keys(w->job, v, &t->keys, tile, t->from, t->to);
}

static int64_t first_tile(const struct tile_work *w, const struct tile_view *v)
{
    return v->first < v->last ? v->first / w->job->tile_keys * w->job->tile_keys : 0;
}

static void all_keys(struct tile_work *w, float *top, float *sum)
{
    const struct tile_view *v = w->now;
    int64_t tile = w->coming.tile;
    w->asked = w->asked_step = 0;
    do {
        const struct tile_span s = w->coming;
        finish_keys(w);
        tile += w->job->tile_keys;
        if (tile < v->last) come(w, v, tile);
        else if (w->then->place.slots) come(w, w->then, first_tile(w, w->then));
        else w->coming = (struct tile_span){ 0 }, w->soon = w->soon_end;
        if (!s.blocks) continue;
        w->soon_step = (w->soon_end - w->soon + s.blocks - 1) / s.blocks;
        if (tile >= v->last && w->then->place.slots) w->asked_step = (w->then->lanes + s.blocks - 1) / s.blocks;
        for (const struct tile_panel *p = v->panel; p < v->panel + v->panels; p++) {
            int64_t at = 0;
            const int64_t count = blocks_in(w, p, s.tile, &at), lane = p->vector * LANES;
            if (count) w->panel[p->vectors](w, p, s.tile, at, at + count * BLOCK, top + lane, sum + lane);
        }
    } while (tile < v->last);
}

/* ---- y and lse ------------------------------------------------------------------------------------------ */

/* What the sums are multiplied by, and lse. */
static lanes close_sums(const segue_attention *op, const struct tile_queries *q, int64_t lane, lanes top,
                        lanes sum, lanes *lse)
{
    const lanes inf = lanes_splat(INFINITY), zero = { 0 };
    const lanes_int alone = (lanes_int)(top == -inf); /* no key seen */
    lanes base = lanes_select(alone, zero, top), decay = lanes_splat(1.0f);
    if (attention_present(&op->sink)) {
        const lanes sink = lanes_load(q->sink + lane), most = lanes_most(sink, top);
        base = lanes_select((lanes_int)(most == -inf), zero, most);
        decay = weight_of(top - base);
        sum = lanes_fma(sum, decay, weight_of(sink - base));
    }
    *lse = lanes_select((lanes_int)(sum == 0), -inf, base + lanes_log(sum));
    return lanes_select((lanes_int)(sum == 0) | (alone & (lanes_int)(sum == sum)), zero, decay / sum);
}

static void finish_vector(const struct tile_work *w, const struct tile_panel *p, int64_t v, const float *top,
                          const float *sum)
{
    const struct tiles_job *job = w->job;
    const segue_attention *op = job->op;
    const struct tile_queries *q = &w->now->queries;
    const int64_t lane = (p->vector + v) * LANES, pitch = (job->values + LANES - 1) / LANES * LANES;
    const float *O = w->O + p->vector * LANES * pitch + v * LANES;
    float each[LANES];
    lanes lse;
    const lanes factor = close_sums(op, q, lane, lanes_load(top + lane), lanes_load(sum + lane), &lse);
    for (int64_t e = 0; e < pitch; e += 4) {
        lanes four[4];
        for (int i = 0; i < 4; i++, O += p->vectors * LANES) four[i] = lanes_load(O) * factor;
        lanes_store4(w->rows + e, pitch, four);
    }
    lanes_store(each, lse);
    for (int i = 0; i < LANES; i++) {
        const int64_t b = w->now->place.sequence.batch, row = q->to[lane + i];
        const int64_t head = w->now->place.head * job->group + q->head[lane + i];
        if (row < 0) continue;
        row_out(job, row_at(&op->y, b, row, head), w->rows + i * pitch);
        if (!attention_present(&op->lse)) continue;
        element_store_some(row_at(&op->lse, b, row, head), lanes_splat(each[i]), segue_dtype_id(op->lse.dtype),
                           1);
    }
}

static void one_tile(struct tile_work *w)
{
    const struct tiles_job *job = w->job;
    const int64_t values = (job->values + LANES - 1) / LANES * LANES;
    float top[TILE_QUERIES], sum[TILE_QUERIES] = { 0 };
    for (int i = 0; i < TILE_QUERIES; i++) top[i] = -INFINITY;
    w->pack_queries(w);
    memset(w->O, 0, (size_t)(w->now->lanes * values) * sizeof *w->O);
    all_keys(w, top, sum);
    for (const struct tile_panel *p = w->now->panel; p < w->now->panel + w->now->panels; p++)
        for (int64_t v = 0; v < p->vectors; v++) finish_vector(w, p, v, top, sum);
}

/* For products of bf16; 0: no memory. */
static int take_bf16(struct tile_work *w, float *scratch)
{
    struct tiles_job *job = w->job;
#if SEGUE_LANES == 16
    w->P = scratch + job->P, w->T = scratch + job->T;
    w->panel = job->products ? panels_bf16 : panels_in_pairs;
    w->pack_queries = job->products ? pack_queries_bf16 : pack_queries_in_pairs;
    w->pack_key = job->products ? pack_key_in_bf16 : pack_key_in_pairs;
    w->fetch_key = job->products ? fetch_key_in_bf16 : fetch_key_in_pairs;
    if (!job->products) return 1;
    w->hand = dnnl_hand_create(job->products, scratch + job->hand);
#else
    (void)scratch;
#endif
    if (!w->hand) atomic_store_explicit(&job->failed, 1, memory_order_relaxed);
    return w->hand != NULL;
}

static void work(struct tiles_job *job, int64_t worker, float *scratch)
{
    struct tile_view *views = (void *)(scratch + job->views);
    struct tile_work w = {
        .job = job, .now = views, .then = views + 1, .kept = (void *)(scratch + job->packed)
    };
    for (int64_t i = 0; i < job->kept_tiles + 2; i++) {
        w.kept[i].K = scratch + job->K + i * job->K_floats;
        w.kept[i].V = scratch + job->V + i * job->V_floats;
        w.kept[i].batch = -1;
    }
    w.spare[0] = w.kept + job->kept_tiles, w.spare[1] = w.spare[0] + 1;
    w.Q = scratch + job->Q, w.O = scratch + job->O, w.S = scratch + job->S;
    w.rows = scratch + job->rows;
    choose_packing(&w);
    w.panel = panels, w.pack_queries = pack_queries, w.fetch_key = fetch_key_f32;
    if (job->bf16 && !take_bf16(&w, scratch)) return;
    for (int ahead = 0;;) {
        if (!ahead) {
            if (!segue_attention_next_tile(job, worker, 0, &w.now->place)) break;
            look_at_queries(job, w.now);
            come(&w, w.now, first_tile(&w, w.now));
        }
        ahead = segue_attention_next_tile(job, worker, 1, &w.then->place);
        if (ahead) look_at_queries(job, w.then);
        else w.then->place.slots = 0;
        one_tile(&w);
        if (!ahead) continue;
        struct tile_view *const done = w.now;
        w.now = w.then, w.then = done;
    }
    if (w.hand) dnnl_hand_destroy(w.hand);
    if (w.failed) atomic_store_explicit(&job->failed, 1, memory_order_relaxed);
}

const struct tiles_kernel SEGUE_ISA_NAME(segue_attention_tile) = {
    .lanes = LANES,
    .block = BLOCK,
    .work = work,
    .view_floats = sizeof(struct tile_view) / sizeof(float),
    .packed_floats = sizeof(struct tile_packed) / sizeof(float),
};
