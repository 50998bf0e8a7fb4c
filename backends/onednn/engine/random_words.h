/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Philox4x32-10 (Salmon et al., SC 2011; DEShawResearch/random123): words by counter and key, the same
 * integers everywhere. */
#ifndef SEGUE_ENGINE_RANDOM_WORDS_H
#define SEGUE_ENGINE_RANDOM_WORDS_H

#include "tile.h"

#define RANDOM_FIRST 0xd2511f53u /* multipliers of words 0 and 2, and what the key grows by */
#define RANDOM_SECOND 0xcd9e8d57u
#define RANDOM_KEY_FIRST 0x9e3779b9u
#define RANDOM_KEY_SECOND 0xbb67ae85u
enum { RANDOM_ROUNDS = 10 };

/* Streams, in the upper byte of the counter's last word; the step is below. */
enum { RANDOM_TOKEN_NOISE = 0, RANDOM_UNIFORM = 1, RANDOM_CHOICE_NOISE = 2 };

struct random_counter {
    uint32_t word[4], key[2];
};

/* Of position t of batch row b, as the primitives of text diffusion count. */
static inline struct random_counter random_counter_at(const segue_tensor *seed, const segue_tensor *pos,
                                                      const segue_tensor *seq_id, const segue_tensor *step,
                                                      int64_t b, int64_t t, uint32_t stream)
{
    const uint32_t now = (uint32_t)int_at(step, b, 0, 0) & 0xffffff;
    return (struct random_counter){
        .word = { 0, (uint32_t)int_at(pos, b, t, t), (uint32_t)int_at(seq_id, b, 0, b), stream << 24 | now },
        .key = { (uint32_t)int_at(seed, b, 0, 0), (uint32_t)int_at(seed, b, 1, 0) }
    };
}

static inline void random_words(const struct random_counter *c, uint32_t out[4])
{
    uint32_t a = c->word[0], b = c->word[1], d = c->word[2], e = c->word[3], k = c->key[0], m = c->key[1];
    for (int i = 0; i < RANDOM_ROUNDS; i++, k += RANDOM_KEY_FIRST, m += RANDOM_KEY_SECOND) {
        const uint64_t first = (uint64_t)RANDOM_FIRST * a, second = (uint64_t)RANDOM_SECOND * d;
        a = (uint32_t)(second >> 32) ^ b ^ k, b = (uint32_t)second;
        d = (uint32_t)(first >> 32) ^ e ^ m, e = (uint32_t)first;
    }
    out[0] = a, out[1] = b, out[2] = d, out[3] = e;
}

/* In (0, 1): 23 bits and a half, exact in f32. */
static inline float random_unit(uint32_t word)
{
    return ((float)(word >> 9) + 0.5f) * 0x1p-23f;
}

/* min(f32(x | 1) 2^-64, 1 - 2^-24): small ones keep all digits of a float. */
static inline float random_fraction(uint32_t low, uint32_t high)
{
    const float w = (float)((uint64_t)high << 32 | low | 1) * 0x1p-64f, most = 1 - 0x1p-24f;
    return w < most ? w : most;
}

#endif
