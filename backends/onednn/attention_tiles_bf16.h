/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Panels of attention whose products oneDNN computes in bf16, with sums in f32: scores K Q, [key][lane], and V^T weights, [v][lane].
 * All panels have PANEL queries, keys come by GRAIN. Queries are not scaled, so that they stay exact. */
#ifndef SEGUE_ONEDNN_ATTENTION_TILES_BF16_H
#define SEGUE_ONEDNN_ATTENTION_TILES_BF16_H

#include "attention_tiles_rules.h"

#if SEGUE_LANES == 16
/* Returns what was stored. */
INLINE lanes_half halves_store(uint16_t *to, lanes x)
{
    return *(half_anywhere *)to = to_half(x, BF16_FAST);
}

static void pack_queries_bf16(const struct tile_work *w)
{
    const struct tiles_job *job = w->job;
    const segue_tensor *q = &job->op->q;
    const int64_t pitch = job->keys_pitch;
    const uint32_t dtype = packed_dtype(q);
    for (const struct tile_panel *p = w->now->panel; p < w->now->panel + w->now->panels; p++) {
        for (int64_t v = 0; v < p->vectors; v++) {
            uint16_t *to = (uint16_t *)w->Q + (p->vector * pitch + v) * LANES;
            for (int i = 0; i < LANES; i++) {
                const char *row = query_row(job, w->now, (p->vector + v) * LANES + i);
                if (q->stride[3] != 1) row = gathered(w->rows + i * pitch, q, row, job->keys);
                row_in(w->rows + i * pitch, row, job->keys, dtype);
            }
            for (int64_t k = 0; k < pitch; k += 4) {
                lanes four[4];
                lanes_load4(four, w->rows + k, pitch);
                for (int i = 0; i < 4; i++, to += PANEL) halves_store(to, four[i]);
            }
        }
    }
}

/* Key i of the coming tile: rows as they are. */
static __attribute__((noinline)) void pack_key_in_bf16(struct tile_work *w, int64_t i)
{
    const struct tiles_job *job = w->job;
    const segue_tensor *k = &job->op->k, *v = &job->op->v;
    const int64_t v_pitch = (job->values + LANES - 1) / LANES * LANES, row = w->next->keys.row[i];
    const uint32_t k_dtype = packed_dtype(k), v_dtype = packed_dtype(v);
    uint16_t *const K = (uint16_t *)w->next->K + i * job->keys_pitch, *const V =
                                                                          (uint16_t *)w->next->V + i * v_pitch;
    const char *k_row = coming_row(w, k, row), *v_row = coming_row(w, v, row);
    int32_t strange = 0;
    ask_for_soon(w, i);
    if (k->stride[3] != 1) k_row = gathered(w->rows, k, k_row, job->keys);
    for (int64_t c = 0; c < job->keys; c += LANES)
        halves_store(K + c, k_row ? piece_in(k_row, c, job->keys, k_dtype) : (lanes){ 0 });
    if (v->stride[3] != 1) v_row = gathered(w->rows, v, v_row, job->values);
    for (int64_t c = 0; c < job->values; c += LANES) {
        const lanes x = v_row ? piece_in(v_row, c, job->values, v_dtype) : (lanes){ 0 };
        halves_store(V + c, only_numbers(x, &strange));
    }
    w->next->keys.strange[i] = strange;
    w->next->keys.strangers += strange;
}

/* Weights of `count` keys into P; for values that are no numbers they stay in S, too. rounded: the sums of what P holds. */
INLINE void weigh_bf16(const struct tile_work *w, int64_t count, const lanes top[WIDEST], lanes sum[WIDEST],
                       lanes rounded[WIDEST])
{
    float *S = w->S;
    uint16_t *P = w->P;
    for (int64_t i = 0; i < count; i++, S += PANEL, P += PANEL) {
        UNROLL
        for (int c = 0; c < WIDEST; c++) {
            const lanes x = weight_of(lanes_load(S + c * LANES) - top[c]);
            sum[c] += x;
            rounded[c] += from_half(halves_store(P + c * LANES, x), SEGUE_BF16);
            if (w->keys->strangers) lanes_store(S + c * LANES, x);
        }
    }
}

static __attribute__((noinline)) void panel_bf16(struct tile_work *w, const struct tile_panel *p, int64_t tile,
                                                 int64_t from, int64_t to, float *top_at, float *sum_at)
{
    const struct tiles_job *job = w->job;
    const int64_t lane = p->vector * LANES, v_pitch = (job->values + LANES - 1) / LANES * LANES,
                  shape = 2 * ((to - from) / GRAIN - 1);
    lanes top[WIDEST], sum[WIDEST], rounded[WIDEST], decay[WIDEST], before[WIDEST];
    int bad = dnnl_product(w->hand, (int)shape, (const uint16_t *)w->K + from * job->keys_pitch,
                           (const uint16_t *)w->Q + lane * job->keys_pitch, w->S);
    for (int c = 0; c < WIDEST; c++) top[c] = before[c] = lanes_load(top_at + c * LANES);
    for (int64_t i = from; i < to; i += BLOCK) {
        float *S = w->S + (i - from) * PANEL;
        const int inside =
            !w->keys->missing[i / BLOCK] && tile + i >= p->inner_first && tile + i + BLOCK <= p->inner_last;
        prepare_some(w);
        if (inside && job->rules == RULE_SCALE)
            rule_block(job, &w->now->queries, w->keys, i, lane, RULE_SCALE, 1, S, top, WIDEST);
        else rule_block(job, &w->now->queries, w->keys, i, lane, job->rules, inside, S, top, WIDEST);
    }
    for (int c = 0; c < WIDEST; c++) {
        lanes_store(top_at + c * LANES, top[c]);
        top[c] = lanes_if_less(top[c], lanes_splat(-3.4e38f), (lanes){ 0 }, top[c]);
        decay[c] = weight_of(before[c] - top[c]);
        sum[c] = rounded[c] = (lanes){ 0 };
    }
    weigh_bf16(w, to - from, top, sum, rounded);
    for (int c = 0; c < WIDEST; c++) {
        lanes_store(sum_at + c * LANES, lanes_fma(lanes_load(sum_at + c * LANES), decay[c], sum[c]));
        /* Weights that are about alike round to the same side: what the tile has of them in all is put right. */
        rounded[c] = lanes_if_less((lanes){ 0 }, rounded[c], sum[c] / rounded[c], lanes_splat(1.0f));
    }
    if (!bad) bad = dnnl_product(w->hand, (int)shape + 1, (const uint16_t *)w->V + from * v_pitch, w->P, w->T);
    float *O = w->O + lane * v_pitch;
    for (int64_t e = 0; e < job->values * PANEL; e += PANEL)
        for (int c = 0; c < WIDEST; c++) {
            float *at = O + e + c * LANES;
            lanes_store(at, lanes_fma(lanes_load(at), decay[c], lanes_load(w->T + e + c * LANES) * rounded[c]));
        }
    if (w->keys->strangers) add_strangers(w, p, from, to, WIDEST);
    if (bad) w->failed = bad;
}
#endif

#endif
