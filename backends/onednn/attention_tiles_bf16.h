/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Products of bf16 with sums in f32. Queries are not scaled, so that they stay exact. Two ways:
 * - by AVX512_BF16's product of pairs: Q [panel][k / 2][lane][2], K [key][k], weights [key / 2][lane][2], V [block][key / 2][BLOCK][2];
 *   all else is as in f32;
 * - by oneDNN, which knows tiles of AMX: scores K Q, [key][lane], and V^T weights, [v][lane], from rows as they are. All panels have
 *   PANEL queries, keys come by GRAIN. */
#ifndef SEGUE_ONEDNN_ATTENTION_TILES_BF16_H
#define SEGUE_ONEDNN_ATTENTION_TILES_BF16_H

#include "attention_tiles_rules.h"

/* Weights that are about alike round to the same side: what a tile has of them in all is put right. */
INLINE lanes put_right(lanes sum, lanes rounded)
{
    return lanes_if_less((lanes){ 0 }, rounded, sum / rounded, lanes_splat(1.0f));
}

#if SEGUE_LANES == 16
/* Returns what was stored. */
INLINE lanes_half halves_store(uint16_t *to, lanes x)
{
    return *(half_anywhere *)to = to_half(x, BF16_FAST);
}

/* LANES queries into w->rows. */
static void query_rows_in(const struct tile_work *w, int64_t lane)
{
    const segue_tensor *q = &w->job->op->q;
    const int64_t pitch = w->job->keys_pitch, width = w->job->keys;
    const uint32_t dtype = packed_dtype(q);
    for (int i = 0; i < LANES; i++) {
        const char *row = query_row(w->job, w->now, lane + i);
        if (row) ask_for(row, width * (q->dtype.bits / 8), 3);
    }
    for (int i = 0; i < LANES; i++) {
        const char *row = query_row(w->job, w->now, lane + i);
        if (q->stride[3] != 1) row = gathered(w->rows + i * pitch, q, row, width);
        row_in(w->rows + i * pitch, row, width, dtype);
    }
}

/* ---- in pairs ------------------------------------------------------------------------------------------- */

static void pack_queries_in_pairs(const struct tile_work *w)
{
    const struct tiles_job *job = w->job;
    const int64_t pitch = job->keys_pitch;
    for (const struct tile_panel *p = w->now->panel; p < w->now->panel + w->now->panels; p++) {
        for (int64_t v = 0; v < p->vectors; v++) {
            float *to = w->Q + (p->vector * (pitch / 2) + v) * LANES;
            query_rows_in(w, (p->vector + v) * LANES);
            for (int64_t k = 0; k < pitch; k += 4) {
                lanes four[4];
                lanes_load4(four, w->rows + k, pitch);
                lanes_store(to, pair_of(four[0], four[1]));
                lanes_store(to + p->vectors * LANES, pair_of(four[2], four[3]));
                to += 2 * p->vectors * LANES;
            }
        }
    }
}

/* Upper halves of 16 floats to the first or the second places of two blocks' pairs. */
INLINE void half_of_pairs(float *to, int64_t block_pitch, lanes_bits bits, const int64_t second)
{
    const __m512i half = (__m512i)(second ? bits & 0xffff0000 : bits >> 16);
    const __m256i part[] = { _mm512_castsi512_si256(half), _mm512_extracti64x4_epi64(half, 1) };
    for (int h = 0; h < LANES / BLOCK; h++, to += block_pitch) {
        __m256i *const at = (__m256i *)(void *)to;
        _mm256_storeu_si256(at, second ? _mm256_or_si256(part[h], _mm256_loadu_si256(at)) : part[h]);
    }
}

/* Key i of the coming tile. A pair's second key comes behind its first one, since keys are packed from a whole block on. */
static __attribute__((noinline)) void pack_key_in_pairs(struct tile_work *w, int64_t i)
{
    const struct tiles_job *job = w->job;
    const segue_tensor *k = &job->op->k, *v = &job->op->v;
    const int64_t row = w->next->keys.row[i];
    const uint32_t k_dtype = packed_dtype(k), v_dtype = packed_dtype(v);
    const char *k_row = coming_row(w, k, row), *v_row = coming_row(w, v, row);
    uint16_t *const K = (uint16_t *)w->next->K + i * job->keys_pitch;
    float *const V = w->next->V + i / 2 * BLOCK;
    int32_t strange = 0;
    ask_for_soon(w, i);
    if (k->stride[3] != 1) k_row = gathered(w->rows, k, k_row, job->keys);
    for (int64_t c = 0; c < job->keys; c += LANES)
        halves_store(K + c, k_row ? piece_in(k_row, c, job->keys, k_dtype) : (lanes){ 0 });
    if (v->stride[3] != 1) v_row = gathered(w->rows, v, v_row, job->values);
    for (int64_t c = 0; c < job->values; c += LANES) {
        const lanes x = v_row ? piece_in(v_row, c, job->values, v_dtype) : (lanes){ 0 };
        const lanes_bits bits = (lanes_bits)only_numbers(x, &strange);
        half_of_pairs(V + c / BLOCK * job->block_pitch, job->block_pitch, bits, i % 2);
    }
    w->next->keys.strange[i] = strange;
    w->next->keys.strangers += strange;
}

static void fetch_key_in_pairs(struct tile_work *w, int64_t i)
{
    const struct tiles_job *job = w->job;
    ask_for((const char *)((const uint16_t *)w->next->K + i * job->keys_pitch), job->keys_pitch * 2, 2);
    if (i / 2 * BLOCK * (int64_t)sizeof(float) % LINE || i % 2) return;
    for (int64_t e = 0; e < job->values; e += BLOCK)
        ask_for((const char *)(w->next->V + e / BLOCK * job->block_pitch + i / 2 * BLOCK), LINE, 2);
}

/* ---- by oneDNN ------------------------------------------------------------------------------------------ */

static void pack_queries_bf16(const struct tile_work *w)
{
    const struct tiles_job *job = w->job;
    const int64_t pitch = job->keys_pitch;
    for (const struct tile_panel *p = w->now->panel; p < w->now->panel + w->now->panels; p++) {
        for (int64_t v = 0; v < p->vectors; v++) {
            uint16_t *to = (uint16_t *)w->Q + (p->vector * pitch + v) * LANES;
            query_rows_in(w, (p->vector + v) * LANES);
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

static void fetch_key_in_bf16(struct tile_work *w, int64_t i)
{
    const struct tiles_job *job = w->job;
    const int64_t v_pitch = (job->values + LANES - 1) / LANES * LANES;
    ask_for((const char *)((const uint16_t *)w->next->K + i * job->keys_pitch), job->keys_pitch * 2, 2);
    ask_for((const char *)((const uint16_t *)w->next->V + i * v_pitch), v_pitch * 2, 2);
}

/* Weights of `count` keys into P; for values that are no numbers they stay in S, too. rounded: the sums of what P holds. */
INLINE void weigh_bf16(const struct tile_work *w, int64_t count, const lanes top[WIDEST], lanes sum[WIDEST],
                       lanes rounded[WIDEST])
{
    float *S = w->S;
    uint16_t *P = (uint16_t *)w->P;
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
        rounded[c] = put_right(sum[c], rounded[c]);
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
