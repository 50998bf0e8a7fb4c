/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the wrong kernels of text diffusion share: noise by counter, and the two kernels of the step. */
#ifndef SEGUE_FAULTY_DIFFUSION_H
#define SEGUE_FAULTY_DIFFUSION_H

#include "wrong.h"

enum { NO_FLAW = -1 };

segue_status wrong_row_sample(const segue_op_header *op, const segue_kit_call *call, int flaw);
segue_status wrong_unmask_select(const segue_op_header *op, const segue_kit_call *call, int flaw);

/* Four words of key and counter, in place. */
static inline void philox(uint32_t c[4], uint32_t low, uint32_t high)
{
    for (int round = 0; round < 10; round++, low += 0x9E3779B9, high += 0xBB67AE85) {
        const uint64_t a = UINT64_C(0xD2511F53) * c[0], b = UINT64_C(0xCD9E8D57) * c[2];
        const uint32_t next[4] = { (uint32_t)(b >> 32) ^ c[1] ^ low, (uint32_t)b,
                                   (uint32_t)(a >> 32) ^ c[3] ^ high, (uint32_t)a };
        memcpy(c, next, sizeof next);
    }
}

/* Exponential, of 64 bits. */
static inline float exponential(uint32_t low, uint32_t high)
{
    const float w = (float)(((uint64_t)high << 32 | low) | 1) * 0x1p-64f, most = 1 - 0x1p-24f;
    return -log1pf(-(w < most ? w : most));
}

static inline float control(const segue_tensor *t, int64_t b, float otherwise)
{
    return given(t) ? load(t, b, 0, 0, 0) : otherwise;
}

static inline int64_t control_int(const segue_tensor *t, int64_t b, int64_t otherwise)
{
    return given(t) ? load_int(t, b, 0) : otherwise;
}

/* E of a draw. */
static inline float drawn(int64_t noise, float x)
{
    return noise == 2 ? -logf(x) : noise == 3 ? x : expf(-x);
}

/* G of a draw: of a Gumbel draw itself, exactly. */
static inline float gumbel_of(int64_t noise, float x)
{
    return noise == 4 ? x : -logf(drawn(noise, x));
}

static inline void put_int(const segue_tensor *t, int64_t value, int64_t i, int64_t j)
{
    const int32_t x = (int32_t)value;
    if (given(t)) memcpy(place_of(t, i, j, 0, 0), &x, sizeof x);
}

#endif
