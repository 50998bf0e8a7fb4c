/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* For the references of text diffusion: how controls and draws are read. */
#ifndef SEGUE_REFERENCE_SAMPLING_H
#define SEGUE_REFERENCE_SAMPLING_H

#include "operands.h"
#include "philox.h"

#define LARGEST 0x1.fffffep127 /* of f32: what +infinity counts as */

/* Where random numbers come from: the values of `noise` in row_sample and in unmask_select. */
enum noise { NOISE_NONE, NOISE_PHILOX, NOISE_UNIFORM, NOISE_EXPONENTIAL, NOISE_GUMBEL };

/* A control of a batch row. */
static inline real control(const segue_tensor *t, int64_t b, double otherwise)
{
    return present(t) ? load(t, b, 0, 0, 0) : otherwise;
}

static inline int64_t control_int(const segue_tensor *t, int64_t b, int64_t otherwise)
{
    return present(t) ? load_int(t, b, 0) : otherwise;
}

/* x is among what a choice was made by. */
static inline void seen(real x, real *cause)
{
    *cause = real_select(x, *cause, *cause);
}

/* NaN is below everything. */
static inline real or_least(real x)
{
    return real_above(x, -INFINITY) ? x : -INFINITY;
}

/* Of logits as these nothing small can be told apart: sums and differences are what the larger one makes them. */
static inline int is_vast(real l)
{
    return real_above(l, 0x1p126);
}

/* exp(l - largest): 0 in every format if that is far below; no arithmetic on what f32 nearly cannot hold. */
static inline real weight(real l, real largest)
{
    if (real_above(largest, l + 2000)) return 0;
    if (is_vast(l)) return 1;
    return real_exp(l - largest);
}

/* l / temperature. What stands for infinity stays that, or is divided before it is put together. */
static inline real divided(real l, real temperature)
{
    if (real_above(LARGEST, l)) return l / temperature;
    if (real_above(temperature, 1)) return LARGEST * 0x1p-100 / temperature * 0x1p100;
    return LARGEST;
}

/* A score and its noise: beside a vast one that is lost, whatever the format, unless it is no number. */
static inline real with_noise(real score, real g)
{
    return is_vast(score) && real_above(0x1p64, real_abs(g)) ? score : score + g;
}

/* Where a position's random numbers are counted. */
typedef struct counter_base {
    uint32_t key_0, key_1, position, sequence, step;
} counter_base;

static inline counter_base counter_of(const segue_tensor *seed, const segue_tensor *pos,
                                      const segue_tensor *seq_id, const segue_tensor *step, int64_t b,
                                      int64_t t)
{
    counter_base c;
    c.key_0 = present(seed) ? (uint32_t)load_int(seed, b, 0) : 0;
    c.key_1 = present(seed) ? (uint32_t)load_int(seed, b, 1) : 0;
    c.position = (uint32_t)(present(pos) ? load_int(pos, b, t) : t);
    c.sequence = (uint32_t)control_int(seq_id, b, b);
    c.step = (uint32_t)control_int(step, b, 0) & 0xffffff;
    return c;
}

static inline philox words_of(counter_base c, enum philox_stream stream, uint32_t block)
{
    const philox counter = { { block, c.position, c.sequence, (uint32_t)stream << 24 | c.step } };
    return philox_4x32_10(counter, c.key_0, c.key_1);
}

/* 64 bits of element i: words 0 and 1 of its block, or 2 and 3. */
static inline double w_of(counter_base c, enum philox_stream stream, int64_t i)
{
    const philox r = words_of(c, stream, (uint32_t)(i >> 1));
    return philox_w(r.word[2 * (i & 1)], r.word[2 * (i & 1) + 1]);
}

static inline double u_of(counter_base c)
{
    return philox_u23(words_of(c, PHILOX_CHOICE, 0).word[0]);
}

/* G of a draw: of Philox's that is w. */
static inline real gumbel(int64_t noise, real draw)
{
    if (noise == NOISE_NONE) return 0;
    if (noise == NOISE_GUMBEL) return draw;
    if (noise == NOISE_EXPONENTIAL) return -real_log(draw);
    return -real_log(noise == NOISE_PHILOX ? -real_log1p(-draw) : -real_log(draw));
}

/* u of a draw that stands for it. */
static inline real uniform(int64_t noise, real draw)
{
    if (noise == NOISE_GUMBEL) return real_exp(-real_exp(-draw));
    return noise == NOISE_EXPONENTIAL ? real_exp(-draw) : draw;
}

#endif
