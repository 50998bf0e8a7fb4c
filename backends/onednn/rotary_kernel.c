/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. A token's cosines and sines are made once and serve all its heads, which are turned where
 * they lie if their channels lie side by side, else in scratch. */
#include "rotary.h"

#include "engine/element.h"
#include "engine/lanes_functions.h"

#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)

static const struct rotary_job *job_of(const struct segue_tile *t)
{
    return (const struct rotary_job *)(const void *)t->job;
}

/* ---- angles ---------------------------------------------------------------------------------------------- */

static const char *at(const segue_tensor *x, int64_t b, int64_t t)
{
    return (const char *)x->data + x->offset + (b * x->stride[0] + t * x->stride[1]) * (x->dtype.bits / 8);
}

static int64_t position_of(const segue_rotary *op, int64_t b, int64_t t)
{
    int32_t p;
    if (!op->pos.dtype.bits) return op->position + t;
    memcpy(&p, at(&op->pos, b, t), sizeof p);
    return p;
}

/* Both of an angle in 2^-32 turns: quarters off, the rest is at most pi / 4. */
static void sincos_of_word(lanes_bits word, lanes *sine, lanes *cosine)
{
    const lanes_bits quarter = (word + 0x20000000u) >> 30;
    const lanes r = __builtin_convertvector((lanes_int)(word - (quarter << 30)), lanes) *
                    1.46291807927e-9f; /* 2 pi / 2^32 */
    const lanes s = lanes_sin_near(r), c = lanes_cos_near(r);
    const lanes_int odd = -(lanes_int)(quarter & 1);
    *sine = (lanes)((lanes_bits)lanes_select(odd, c, s) ^ (quarter & 2) << 30);
    *cosine = (lanes)((lanes_bits)lanes_select(odd, s, c) ^ ((quarter + 1) & 2) << 30);
}

static void make_angles(const struct segue_tile *t, int64_t position)
{
    const struct rotary_job *job = job_of(t);
    uint32_t *const word = (uint32_t *)(void *)(t->scratch + job->word);
    const uint64_t *const turn = job->pairs->turn;
    for (int64_t i = 0; i < job->count; i++) word[i] = (uint32_t)((uint64_t)position * turn[i] >> 32);
    for (int64_t i = 0; i < job->count; i += LANES) {
        lanes_bits w;
        lanes s, c;
        memcpy(&w, word + i, sizeof w);
        sincos_of_word(w, &s, &c);
        lanes_store(t->scratch + job->sine + i, s), lanes_store(t->scratch + job->cosine + i, c);
    }
}

static void take_angles(const struct segue_tile *t, const segue_tensor *from, int64_t b, int64_t token,
                        uint64_t to)
{
    struct segue_strip s = strip_of(from, -1, 2);
    strip_move(&s, b * from->stride[0] + token * from->stride[1]);
    PACK(t->scratch + to, 0, LANES, &s);
}

static void make_scale(const struct segue_tile *t, int64_t position)
{
    const struct rotary_job *job = job_of(t);
    const float *const rate = job->pairs->rate;
    const lanes away = lanes_splat((float)(position + job->op->xpos_shift));
    for (int64_t i = 0; i < job->count; i += LANES) {
        const int64_t left = job->count - i;
        const lanes each = left < LANES ? lanes_load_some(rate + i, left) : lanes_load(rate + i);
        lanes_store(t->scratch + job->scale + i, lanes_exp(away * each));
    }
}

/* From a number a pair to one a channel, from behind: the second of a pair as the first, or that with its sign changed. */
static void double_up(float *x, int64_t count, float first)
{
    for (int64_t i = count - 1; i >= 0; i--) {
        const float each = x[i];
        x[2 * i] = first * each, x[2 * i + 1] = each;
    }
}

static void prepare_token(const struct segue_tile *t, int64_t token)
{
    const struct rotary_job *job = job_of(t);
    const segue_rotary *op = job->op;
    const int64_t b = t->sequence.batch, p = position_of(op, b, token);
    if (op->cos.dtype.bits) {
        take_angles(t, &op->cos, b, token, job->cosine);
        take_angles(t, &op->sin, b, token, job->sine);
    } else make_angles(t, p);
    if (op->xpos_base > 0) make_scale(t, p);
    if (op->pairing != SEGUE_ROTARY_INTERLEAVED) return;
    double_up(t->scratch + job->cosine, job->count, 1);
    double_up(t->scratch + job->sine, job->count, -1);
    if (op->xpos_base > 0) double_up(t->scratch + job->scale, job->count, 1);
}

/* ---- heads ----------------------------------------------------------------------------------------------- */

struct head { /* its channels side by side, where they lie and where they go */
    const char *x;
    char *y;
    const float *cosine, *sine, *scale; /* scale: NULL = 1 */
    int64_t pairs, channels;
    int32_t stream;
};

INLINE lanes get(const char *p, uint32_t dtype, int64_t count)
{
    return count < LANES ? element_load_some(p, dtype, count) : element_load(p, dtype);
}
INLINE void put(char *p, lanes v, uint32_t dtype, int64_t count, int32_t stream)
{
    if (count < LANES) element_store_some(p, v, dtype, count);
    else element_store(p, v, dtype, stream);
}

INLINE lanes scaled(const struct head *q, lanes v, int64_t i)
{
    return q->scale ? lanes_load(q->scale + i) * v : v;
}

/* i and i + pairs */
INLINE void turn_halves(const struct head *q, uint32_t from, uint32_t to)
{
    const int64_t size = element_size(from), far = q->pairs * size;
    for (int64_t i = 0; i < q->pairs; i += LANES) {
        const int64_t left = q->pairs - i;
        const lanes a = get(q->x + i * size, from, left), b = get(q->x + i * size + far, from, left);
        const lanes c = lanes_load(q->cosine + i), s = lanes_load(q->sine + i);
        put(q->y + i * size, scaled(q, a * c - b * s, i), to, left, q->stream);
        put(q->y + i * size + far, scaled(q, b * c + a * s, i), to, left, q->stream);
    }
}

/* 2i and 2i + 1 */
INLINE void turn_neighbours(const struct head *q, uint32_t from, uint32_t to)
{
    const int64_t size = element_size(from);
    for (int64_t i = 0; i < 2 * q->pairs; i += LANES) {
        const int64_t left = 2 * q->pairs - i;
        const lanes a = get(q->x + i * size, from, left), other = lanes_lo(lanes_odd(a, a), lanes_even(a, a));
        const lanes v = a * lanes_load(q->cosine + i) + other * lanes_load(q->sine + i);
        put(q->y + i * size, scaled(q, v, i), to, left, q->stream);
    }
}

INLINE void turn_as(const struct head *q, int interleaved, uint32_t from, uint32_t to)
{
    const int64_t size = element_size(from), first = 2 * q->pairs;
    if (interleaved) turn_neighbours(q, from, to);
    else turn_halves(q, from, to);
    if (q->y != q->x) memcpy(q->y + first * size, q->x + first * size, (size_t)((q->channels - first) * size));
}

static void turn(const struct head *q, int interleaved, uint32_t dtype, int64_t bf16_fast)
{
    if (dtype == SEGUE_F32) turn_as(q, interleaved, SEGUE_F32, SEGUE_F32);
    else if (dtype == SEGUE_F16) turn_as(q, interleaved, SEGUE_F16, SEGUE_F16);
    else if (LANES == 16 && bf16_fast) turn_as(q, interleaved, SEGUE_BF16, BF16_FAST);
    else turn_as(q, interleaved, SEGUE_BF16, SEGUE_BF16);
}

static struct segue_strip head_strip(const struct segue_tile *t, const segue_tensor *x, int64_t token,
                                     int64_t h)
{
    struct segue_strip s = strip_of(x, -1, 3);
    strip_move(&s, t->sequence.batch * x->stride[0] + token * x->stride[1] + h * x->stride[2]);
    return s;
}

static void turn_head(const struct segue_tile *t, int64_t token, int64_t h)
{
    const struct rotary_job *job = job_of(t);
    const segue_rotary *op = job->op;
    const int interleaved = op->pairing == SEGUE_ROTARY_INTERLEAVED;
    const struct segue_strip x = head_strip(t, &op->x, token, h), y = head_strip(t, &op->y, token, h);
    struct head q = { .x = x.data, .y = y.data, .pairs = job->count, .channels = op->x.shape[3] };
    q.cosine = t->scratch + job->cosine, q.sine = t->scratch + job->sine;
    q.scale = op->xpos_base > 0 ? t->scratch + job->scale : NULL;
    if (job->straight) {
        const uintptr_t row = (uintptr_t)y.data, line = (uintptr_t)(LANES * y.element_bytes);
        q.stream = job->tile.stream && row % line == 0 && (interleaved || job->count % LANES == 0);
        turn(&q, interleaved, x.dtype, job->bf16_fast);
        return;
    }
    q.x = q.y = (char *)(t->scratch + job->head);
    PACK(t->scratch + job->head, 0, LANES, &x);
    turn(&q, interleaved, SEGUE_F32, 0);
    UNPACK(&y, t->scratch + job->head, 0, LANES);
}

static void tokens(const struct segue_tile *t)
{
    for (int64_t i = t->first; i < t->first + t->tokens; i++) {
        prepare_token(t, i);
        for (int64_t h = t->channel; h < t->channel + t->channels; h++) turn_head(t, i, h);
    }
}

static void begin(const struct segue_tile *t)
{
    (void)t; /* no state, no weights */
}

const struct segue_tile_kernel SEGUE_ISA_NAME(segue_rotary) = {
    .lanes = 1, .weights = begin, .begin = begin, .tokens = tokens, .end = begin
};
