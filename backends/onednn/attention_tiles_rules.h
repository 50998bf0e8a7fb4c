/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What who sees whom makes of scores. */
#ifndef SEGUE_ONEDNN_ATTENTION_TILES_RULES_H
#define SEGUE_ONEDNN_ATTENTION_TILES_RULES_H

#include "attention_tiles_pack.h"

/* Which queries of the vector that begins at this lane see key i, beside those at its own position: own. inside: all see its
 * slot, and it is kept. */
INLINE lanes_int seen_by(const struct tile_queries *q, const struct tile_keys *k, int64_t i, int64_t lane,
                         const int64_t rules, const int inside, lanes_int *own)
{
    const lanes_int at = lanes_int_splat(k->at[i]), all = lanes_int_splat(-1);
    lanes_int within = all, seen = all;
    if (!inside) {
        const lanes_int slot = lanes_int_splat(k->slot[i]);
        within = (slot >= lanes_int_load(q->first + lane)) & (slot < lanes_int_load(q->last + lane));
        seen = within & lanes_int_splat(k->kept[i]);
    }
    if (rules & RULE_LOW) seen &= at >= lanes_int_load(q->low + lane);
    if (rules & RULE_HIGH) seen &= at <= lanes_int_load(q->high + lane);
    if (rules & RULE_LABELS) seen &= lanes_int_splat(k->label[i]) == lanes_int_load(q->label + lane);
    *own = (lanes_int){ 0 };
    if (rules & RULE_SELF) *own = within & (at == lanes_int_load(q->at + lane));
    if (rules & RULE_BEYOND) *own &= (lanes_int)(lanes_load(q->beyond + lane) == 0);
    return seen;
}

/* The score of key i from the product of its bytes. */
INLINE lanes ruled(const struct tiles_job *job, const struct tile_queries *q, const struct tile_keys *k,
                   int64_t i, int64_t lane, const int64_t rules, const int inside, lanes x)
{
    lanes_int own;
    if (rules & RULE_SCALE) x *= lanes_splat(job->scale);
    if (rules & RULE_UNIT) x *= lanes_splat(k->inverse[i]);
    if (rules & RULE_CAP) x = lanes_splat(job->cap) * lanes_tanh(x);
    if (rules & RULE_SLOPES) {
        const lanes_int a = lanes_int_load(q->at + lane), b = lanes_int_splat(k->at[i]), back = a < b;
        const lanes_bits distance =
            (((lanes_bits)a - (lanes_bits)b) ^ (lanes_bits)back) - (lanes_bits)back; /* up to 2^32 - 1 */
        lanes far = __builtin_convertvector(distance, lanes);
        if (rules & RULE_BEYOND) far += lanes_load(q->beyond + lane);
        x = lanes_fma(-lanes_load(q->slope + lane), far, x);
    }
    const lanes_int seen = seen_by(q, k, i, lane, rules, inside, &own);
    x = lanes_select(seen, x, lanes_splat(-INFINITY));
    return rules & RULE_SELF ? lanes_select(own, lanes_splat(job->self_value), x) : x;
}

/* BLOCK keys from i on, nv vectors of queries; top takes the largest scores. */
INLINE void rule_block(const struct tiles_job *job, const struct tile_queries *q, const struct tile_keys *k,
                       int64_t i, int64_t lane, const int64_t rules, const int inside, float *S,
                       lanes top[WIDEST], const int nv)
{
    for (int u = 0; u < BLOCK; u++, S += nv * LANES) {
        UNROLL
        for (int c = 0; c < nv; c++) {
            const lanes x = ruled(job, q, k, i + u, lane + c * LANES, rules, inside, lanes_load(S + c * LANES));
            top[c] = lanes_most(x, top[c]);
            lanes_store(S + c * LANES, x);
        }
    }
}

/* Values that are no numbers, of keys [from, to), for those who see them; weights are in S, [key][nv vectors]. */
static void add_strangers(const struct tile_work *w, const struct tile_panel *p, int64_t from, int64_t to,
                          int64_t nv)
{
    const struct tiles_job *job = w->job;
    const segue_tensor *v = &job->op->v;
    const int64_t lane = p->vector * LANES, pitch = (job->values + LANES - 1) / LANES * LANES;
    for (int64_t i = from; i < to; i++) {
        if (!w->keys->strange[i]) continue;
        const struct segue_strip s = row_strip(
            v, row_at(v, w->now->place.sequence.batch, w->keys->row[i], w->now->place.head), job->values);
        PACK(w->rows, 0, LANES, &s);
        for (int64_t c = 0; c < nv; c++) {
            lanes_int own, seen = seen_by(&w->now->queries, w->keys, i, lane + c * LANES, job->rules, 0, &own);
            const lanes weight = lanes_load(w->S + ((i - from) * nv + c) * LANES);
            for (int64_t e = 0; e < job->values; e++) {
                float *at = w->O + lane * pitch + (e * nv + c) * LANES;
                const lanes value = lanes_splat(w->rows[e]), sum = lanes_load(at);
                if (!(__builtin_fabsf(w->rows[e]) < INFINITY))
                    lanes_store(at, lanes_select(seen | own, lanes_fma(value, weight, sum), sum));
            }
        }
    }
}

/* e^x for x <= 0, 0 from -87.3 on, NaN of NaN. */
INLINE lanes weight_of(lanes x)
{
    const lanes log2e = lanes_splat(LANES_LOG2E), magic = lanes_splat(LANES_FINE_MAGIC);
    const lanes n = lanes_fma(x, log2e, magic), r = lanes_fma(x, log2e, magic - n);
    return lanes_if_less(x, lanes_splat(-87.3f), (lanes){ 0 }, lanes_exp2_fine(n, r));
}

#endif
