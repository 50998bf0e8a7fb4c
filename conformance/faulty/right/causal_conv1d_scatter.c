/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The short convolution the other way round: each input, first those of the state, is added to every later output
 * that its taps reach. The sums of one channel wait in the workspace, [t] floats, until all inputs are spent. */
#include <segue/kit.h>

#include <math.h>

typedef struct job { /* one channel of one sequence */
    int64_t row, start, tokens, channel;
    int64_t load, save;     /* rows of the pool, -1 = none */
    int64_t columns, clock; /* of the state; clock: tokens seen before, -1 = no ring */
    float *history, *sum;   /* [columns], [tokens] */
} job;

/* 16-bit floats with `fraction` bits behind the point and exponents from 2^least on: value = m 2^(e - fraction). */
static float unpack16(unsigned word, int fraction, int least)
{
    const unsigned exponents = 0x7fffu >> fraction, e = (word & 0x7fffu) >> fraction;
    const unsigned m = word & ((1u << fraction) - 1);
    double x = e ? (double)(m + (1u << fraction)) : (double)m;
    if (e == exponents) x = m ? NAN : INFINITY;
    else x = scalbn(x, least - fraction + (e ? (int)e - 1 : 0));
    return (float)(word & 0x8000u ? -x : x);
}

/* By whole numbers: x = q units and a remainder; the unit is that of the binade, never below the least one. */
static unsigned pack16(float x, int fraction, int least)
{
    const unsigned infinite = (0x7fffu >> fraction) << fraction, sign = signbit(x) ? 0x8000u : 0;
    int e = least;
    double units, rest;
    if (isnan(x)) return infinite | 1u;
    if (isinf(x)) return sign | infinite;
    if (x != 0 && ilogbf(x) > least) e = ilogbf(x);
    units = scalbn(fabs((double)x), fraction - e);
    rest = units - floor(units);
    long q = (long)floor(units);
    if (rest > 0.5 || (rest == 0.5 && q % 2)) q++;
    q += (long)(e - least) << fraction; /* a q of two binades' units goes into the next exponent by itself */
    return sign | (q > (long)infinite ? infinite : (unsigned)q);
}

static char *where(segue_tensor const *t, int64_t a, int64_t b, int64_t c)
{
    int64_t units = a * t->stride[0];
    if (t->rank > 1) units += b * t->stride[1];
    if (t->rank > 2) units += c * t->stride[2];
    return (char *)t->data + (int64_t)t->offset + units * (t->dtype.bits >> 3);
}

static float value(segue_tensor const *t, int64_t a, int64_t b, int64_t c)
{
    const char *from = where(t, a, b, c);
    uint16_t word;
    float wide;
    if (t->dtype.bits == 16) {
        memcpy(&word, from, 2);
        return t->dtype.code == SEGUE_CODE_FLOAT ? unpack16(word, 10, -14) : unpack16(word, 7, -126);
    }
    memcpy(&wide, from, 4);
    return wide;
}

static void assign(segue_tensor const *t, int64_t a, int64_t b, int64_t c, float x)
{
    uint16_t word;
    switch (segue_dtype_id(t->dtype)) {
    case SEGUE_F16: word = (uint16_t)pack16(x, 10, -14); break;
    case SEGUE_BF16: word = (uint16_t)pack16(x, 7, -126); break;
    default: memcpy(where(t, a, b, c), &x, 4); return;
    }
    memcpy(where(t, a, b, c), &word, 2);
}

static int32_t integer(segue_tensor const *t, int64_t a, int64_t b)
{
    int32_t i;
    memcpy(&i, where(t, a, b, 0), 4);
    return i;
}

static int32_t label(const segue_causal_conv1d *op, const job *w, int64_t t)
{
    return op->seq_idx.dtype.bits ? integer(&op->seq_idx, w->row, t > 0 ? t : 0) : 1;
}

static int64_t ring_column(const job *w, int64_t t)
{
    int64_t c = w->clock + t;
    while (c < 0) c += w->columns; /* at most a filter's length below 0 */
    return c % w->columns;
}

static float source(const segue_causal_conv1d *op, const job *w, int64_t t)
{
    float v;
    if (t < 0) return w->history[w->clock < 0 ? w->columns + t : ring_column(w, t)];
    v = value(&op->x, w->row, w->start + t, w->channel);
    if (op->pre_gate.dtype.bits) v *= value(&op->pre_gate, w->row, w->start + t, w->channel);
    return v;
}

static void spend(const segue_causal_conv1d *op, const job *w, int64_t t)
{
    const int64_t taps = op->weight.shape[1], last = t + taps < w->tokens ? t + taps : w->tokens;
    const float v = source(op, w, t);
    for (int64_t to = t < 0 ? 0 : t; to < last; to++)
        if (label(op, w, t) == label(op, w, to))
            w->sum[to] += v * value(&op->weight, w->channel, taps - 1 - (to - t), 0);
}

static void release_outputs(const segue_causal_conv1d *op, const job *w)
{
    for (int64_t t = 0; t < w->tokens; t++) {
        float y = w->sum[t];
        if (op->activation == SEGUE_CAUSAL_CONV1D_SILU) y *= 1 / (expf(-y) + 1);
        if (op->post_gate.dtype.bits) y *= value(&op->post_gate, w->row, w->start + t, w->channel);
        if (label(op, w, t) < 0) y = 0;
        assign(&op->y, w->row, w->start + t, w->channel, y);
    }
}

static void save_shifted(const segue_causal_conv1d *op, const job *w)
{
    const int32_t last = w->tokens ? label(op, w, w->tokens - 1) : 1;
    for (int64_t age = 1; age <= w->columns; age++) { /* 1: the last token */
        const int64_t t = w->tokens - age;
        const int other = w->tokens && (last < 0 || label(op, w, t) != last);
        assign(&op->h_out, w->save, w->channel, w->columns - age, other ? 0 : source(op, w, t));
    }
}

static void save_ring(const segue_causal_conv1d *op, const job *w)
{
    const int64_t fresh = w->tokens > w->columns ? w->tokens - w->columns : 0; /* older ones are overwritten */
    for (int64_t c = 0; c < w->columns; c++) assign(&op->h_out, w->save, w->channel, c, w->history[c]);
    for (int64_t t = fresh; t < w->tokens && w->columns; t++)
        assign(&op->h_out, w->save, w->channel, ring_column(w, t), source(op, w, t));
}

static void do_channel(const segue_causal_conv1d *op, const job *w)
{
    const float bias = op->bias.dtype.bits ? value(&op->bias, w->channel, 0, 0) : 0;
    for (int64_t c = 0; c < w->columns; c++)
        w->history[c] = op->h_in.dtype.bits && w->load >= 0 ? value(&op->h_in, w->load, w->channel, c) : 0;
    for (int64_t t = 0; t < w->tokens; t++) w->sum[t] = bias;
    for (int64_t t = 1 - op->weight.shape[1]; t < w->tokens; t++) spend(op, w, t);
    release_outputs(op, w);
    if (!op->h_out.dtype.bits || w->save < 0) return;
    if (w->clock < 0) save_shifted(op, w);
    else save_ring(op, w);
}

static int64_t columns_of(const segue_causal_conv1d *op)
{
    const segue_tensor *state = op->h_out.dtype.bits ? &op->h_out : &op->h_in;
    return state->dtype.bits ? state->shape[2] : op->weight.shape[1] - 1;
}

static job job_of(const segue_causal_conv1d *op, int64_t s)
{
    const int64_t all = op->y.shape[1];
    job w = { .row = s, .tokens = all, .load = s, .save = s, .columns = columns_of(op), .clock = -1 };
    if (op->cu_seqlens.dtype.bits) {
        const int64_t a = integer(&op->cu_seqlens, s, 0), z = integer(&op->cu_seqlens, s + 1, 0);
        w.row = 0;
        w.start = a < 0 ? 0 : a;
        w.tokens = (z < all ? z : all) - w.start;
        if (w.tokens < 0) w.tokens = 0;
    }
    if (op->slot.dtype.bits) {
        const int64_t pool = (op->h_in.dtype.bits ? &op->h_in : &op->h_out)->shape[0];
        w.load = integer(&op->slot, s, 0);
        w.save = integer(&op->slot, s, 1);
        if (w.load >= pool || w.load < 0) w.load = -1;
        if (w.save >= pool || w.save < 0) w.save = -1;
    }
    if (op->cache_seqlens.dtype.bits) w.clock = integer(&op->cache_seqlens, s, 0);
    if (op->cache_seqlens.dtype.bits && w.clock < 0) w.clock = 0;
    return w;
}

static segue_status scatter(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_causal_conv1d *op = (const segue_causal_conv1d *)(const void *)header;
    const int64_t jobs = op->cu_seqlens.dtype.bits ? op->cu_seqlens.shape[0] - 1 : op->y.shape[0];
    for (int64_t s = 0; s < jobs; s++) {
        job w = job_of(op, s);
        w.history = (void *)((char *)call->workspace.data + call->workspace.offset);
        w.sum = w.history + w.columns;
        for (w.channel = 0; w.channel < op->weight.shape[0]; w.channel++) {
            if (w.load >= 0 || w.save >= 0) {
                do_channel(op, &w);
                continue;
            }
            for (int64_t t = 0; t < w.tokens; t++) assign(&op->y, w.row, w.start + t, w.channel, 0);
        }
    }
    return SEGUE_OK;
}

static const char *not_for_doubles(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_causal_conv1d *op = (const void *)header;
    (void)dev;
    if (op->x.dtype.bits == 64) return "x: in f64 is more than this kernel computes in";
    if (op->weight.dtype.bits == 64) return "weight: in f64 is more than this kernel computes in";
    if (op->bias.dtype.bits == 64) return "bias: in f64 is more than this kernel computes in";
    if (op->h_in.dtype.bits == 64) return "h_in: in f64 is more than this kernel computes in";
    return op->h_out.dtype.bits == 64 ? "h_out: in f64 is more than this kernel computes in" : NULL;
}

static segue_status reserve(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_causal_conv1d *op = (const void *)header;
    (void)dev, (void)why;
    plan->workspace_bytes = 4 * (uint64_t)(columns_of(op) + op->y.shape[1]);
    return SEGUE_OK;
}

const segue_row segue_row_causal_conv1d_scatter = {
    .name = "causal_conv1d_scatter",
    .primitive = SEGUE_CAUSAL_CONV1D,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = not_for_doubles,
    .prepare = reserve,
    .run = scatter,
};
