/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers by counter: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011; DEShawResearch/random123 philox.h). All of it is
 * exact: integers, and numbers that f32 holds. */
#ifndef SEGUE_REFERENCE_PHILOX_H
#define SEGUE_REFERENCE_PHILOX_H

#include <stdint.h>

/* What a draw is for: no two of them share a counter. */
enum philox_stream { PHILOX_TOKEN = 0, PHILOX_CHOICE = 1, PHILOX_CHOICE_GUMBEL = 2 };

typedef struct philox {
    uint32_t word[4];
} philox;

static inline philox philox_4x32_10(philox counter, uint32_t key_0, uint32_t key_1)
{
    philox c = counter;
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xD2511F53 * c.word[0], b = (uint64_t)0xCD9E8D57 * c.word[2];
        const uint32_t mixed_0 = (uint32_t)(b >> 32) ^ c.word[1] ^ key_0;
        const uint32_t mixed_2 = (uint32_t)(a >> 32) ^ c.word[3] ^ key_1;
        c.word[0] = mixed_0, c.word[1] = (uint32_t)b;
        c.word[2] = mixed_2, c.word[3] = (uint32_t)a;
        key_0 += 0x9E3779B9, key_1 += 0xBB67AE85;
    }
    return c;
}

/* The middle of one of 2^23 parts of (0, 1): f32 holds it. Of 2^24 parts the last one's would round to 1. */
static inline double philox_u23(uint32_t word)
{
    return ((word >> 9) + 0.5) * 0x1p-23;
}

/* w of E = -log1p(-w), exponential, in (0, 1): 64 bits rounded to f32, so that small w keep theirs and E reaches down to 2^-64. Without
 * the limit one draw in 2^25 would be 1 and E infinite. */
static inline double philox_w(uint32_t low, uint32_t high)
{
    const double w = (double)(float)(((uint64_t)high << 32 | low) | 1) * 0x1p-64, most = 1 - 0x1p-24;
    return w < most ? w : most;
}

#endif
