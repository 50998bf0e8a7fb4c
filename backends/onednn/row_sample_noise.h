/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Gumbel noise in lanes: Philox's words of LANES ids at once, and the argmax of what it is added to. Each
 * 64-bit lane holds one counter's word in its lower half, so that a product of 32 bits leaves both halves
 * where the next round wants them. */
#ifndef SEGUE_ONEDNN_ROW_SAMPLE_NOISE_H
#define SEGUE_ONEDNN_ROW_SAMPLE_NOISE_H

#include "engine/lanes_functions.h"
#include "engine/random_words.h"
#include "engine/unroll.h"

#include <segue/segue.h>

typedef uint64_t words __attribute__((vector_size(4 * LANES)));

/* The lower halves' products. */
INLINE words words_times(words a, uint32_t b)
{
#if SEGUE_LANES == 16
    return (words)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(b));
#elif SEGUE_LANES == 8
    return (words)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
#else
    return (a & 0xffffffffu) * (uint64_t)b;
#endif
}

/* The words of ids [id, id + LANES), id even: each id's two, the lower one first. */
INLINE void words_of_ids(const struct random_counter *c, uint32_t id, lanes_bits *low, lanes_bits *high)
{
    static const uint64_t number[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    words a, b = (words){ 0 } + c->word[1], d = (words){ 0 } + c->word[2], e = (words){ 0 } + c->word[3];
    uint32_t k = c->key[0], m = c->key[1];
    memcpy(&a, number, sizeof a);
    a += id / 2;
    UNROLL
    for (int i = 0; i < RANDOM_ROUNDS; i++) {
        const words first = words_times(a, RANDOM_FIRST), second = words_times(d, RANDOM_SECOND);
        a = second >> 32 ^ b ^ k, b = second;
        d = first >> 32 ^ e ^ m, e = first;
        k += RANDOM_KEY_FIRST, m += RANDOM_KEY_SECOND;
    }
    *low = (lanes_bits)((a & 0xffffffffu) | d << 32);
    *high = (lanes_bits)((b & 0xffffffffu) | e << 32);
}

INLINE lanes bits_to_float(lanes_bits x) /* below 2^31 */
{
    return __builtin_convertvector((lanes_int)x, lanes);
}

/* f32(x | 1) 2^-64 of x = high 2^32 + low, at most 1 - 2^-24. Two pieces that are exact make one sum, which
 * rounds once. From 2^41 on the pieces are the upper 24 bits and the next 24; what is cut off is never 0 and
 * only says that the sum is no tie, so that the lowest bit kept may say it. */
INLINE lanes words_fraction(lanes_bits low, lanes_bits high)
{
    const lanes most = lanes_splat(1 - 0x1p-24f);
    const lanes_bits middle = (high & 0xff) << 16 | low >> 16 | 1;
    lanes w = lanes_fma(bits_to_float(middle), lanes_splat(0x1p-24f), bits_to_float(high >> 8)) * 0x1p-24f;
    if (__builtin_expect(!lanes_all_less(lanes_splat(0x1p-23f), w), 0)) {
        const lanes_bits upper = (high & 511) << 15 | low >> 17, rest = (low & 0x1ffff) | 1;
        w = lanes_select((lanes_int)(high < 512),
                         lanes_fma(bits_to_float(rest), lanes_splat(0x1p-17f), bits_to_float(upper)) * 0x1p-47f,
                         w);
    }
    return lanes_if_less(w, most, w, most);
}

/* -ln(-log1p(-w)). 1 - w rounds for small w: what is lost is added to first order. */
INLINE lanes gumbel_of_fraction(lanes w)
{
    const lanes rest = lanes_splat(1.0f) - w, lost = (lanes_splat(1.0f) - rest) - w;
    return -lanes_log(-lanes_fma(lost, w, lost) - lanes_log(rest));
}

/* ---- argmax ---------------------------------------------------------------------------------------------- */

struct choice { /* the largest score and the first id that has it; -1: none above -infinity */
    float score;
    int64_t id;
};

INLINE void choice_consider(struct choice *c, lanes score, int64_t id)
{
    if (lanes_all_less(score, lanes_splat(c->score))) return;
    float each[LANES];
    lanes_store(each, score);
    for (int i = 0; i < LANES; i++)
        if (each[i] > c->score) c->score = each[i], c->id = id + i; /* never NaN */
}

/* Over l[0, count), whole lanes, -infinity where nothing may be chosen. Scores are l - from + G. G is at
 * most 44.4, and ids far below are not even given words; l + G above the best so far means w < 1 -
 * exp(-exp(l - best)), which is below exp(l - best): the two logarithms are for those few that come within a
 * hundredth of that. */
static void choose_by_words(struct choice *c, const float *l, int64_t count, float from,
                            const struct random_counter *counter)
{
    for (int64_t i = 0; i < count; i += LANES) {
        const lanes x = lanes_load(l + i) - from, best = lanes_splat(c->score);
        const float reach = c->score - 45 > -0x1.fffffep127f ? c->score - 45 : -0x1.fffffep127f;
        if (lanes_all_less(x, lanes_splat(reach))) continue;
        lanes_bits low, high;
        words_of_ids(counter, (uint32_t)i, &low, &high);
        const lanes w = words_fraction(low, high);
        if (lanes_all_less(lanes_exp(x - best) * 1.01f, w)) continue;
        choice_consider(c, x + gumbel_of_fraction(w), i);
    }
}

/* Of foreign draws: u, e or g. */
INLINE lanes gumbel_of_draw(lanes draw, int64_t noise)
{
    if (noise == SEGUE_ROW_SAMPLE_UNIFORM) draw = -lanes_log(draw);
    return noise == SEGUE_ROW_SAMPLE_GUMBEL ? draw : -lanes_log(draw);
}

/* ids from `first` on; what lies behind the last draw has l = -infinity. */
static void choose_by_draws(struct choice *c, const float *l, float from, const float *draws, int64_t first,
                            int64_t count, int64_t noise)
{
    for (int64_t i = 0; i < count; i += LANES) {
        const lanes x = lanes_load(l + first + i) - from, inf = lanes_splat(__builtin_inff());
        const lanes score = x + gumbel_of_draw(lanes_load(draws + i), noise);
        choice_consider(c, lanes_if_less(-inf, x, score, -inf), first + i);
    }
}

#endif
