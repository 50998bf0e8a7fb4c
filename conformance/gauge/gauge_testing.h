/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of this folder: kernels written by hand in f32, right ones and wrong ones, that share nothing with the
 * references, and their operands as numbers of a gauge. */
#ifndef SEGUE_CONFORMANCE_GAUGE_TESTING_H
#define SEGUE_CONFORMANCE_GAUGE_TESTING_H

#include "judge.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs the three above */
#include <cmocka.h>

#define NUMBERS(n, dtype, ...) \
    segue_tensor_of(n, dtype, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), (int64_t[]){ __VA_ARGS__ })

enum how { /* a kernel is made of these */
           PLAIN = 0,
           REVERSED = 1,    /* sums in the other order */
           FUSED = 2,       /* with fma */
           CHUNKED = 4,     /* logs of decays summed over a chunk (class CHUNK_LOG) */
           QUICK = 8,       /* exp by exp2 of a rounded product (class FAST) */
           BF16_STATE = 16, /* wrong from here on */
           BIASED = 32,     /* exp too large by 2^-12 of itself */
           LOST = 64,       /* the state forgotten in the middle */
           STATELESS = 128, /* h_in ignored */
           UNTAPPED = 256   /* a convolution's first tap left out at the last token */
};
enum { CHUNK = 32 };

/* SplitMix64: uniform in (low, high), exact in f32. */
static inline float uniform(uint64_t *key, double low, double high)
{
    uint64_t z = *key += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (float)(low + (high - low) * (double)((z ^ z >> 31) >> 11) * 0x1p-53);
}

static inline float *floats(int64_t count, uint64_t *key, double low, double high)
{
    float *x = calloc((size_t)count + 1, sizeof *x);
    for (int64_t i = 0; i < count; i++) x[i] = uniform(key, low, high);
    return x;
}

static inline struct gauge_numbers *numbers(const float *x, int64_t count)
{
    struct gauge_numbers *n = gauge_numbers_new(GAUGE_ROUNDINGS, count);
    for (int64_t i = 0; x && i < count; i++) gauge_set(n, i, (double)x[i]);
    return n;
}

static inline float to_bfloat(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float e_to(enum how how, float x)
{
    if (how & QUICK) return exp2f(x * 1.44269504f);
    return how & BIASED ? expf(x) * (1 + 0x1p-12f) : expf(x);
}

static inline float sum_up(enum how how, float s, float a, float b)
{
    return how & FUSED ? fmaf(a, b, s) : s + a * b;
}

/* ---- a scan ------------------------------------------------------------------------------------- */

struct scan { /* one batch row, one group */
    int T, D, N, softplus;
    float *u, *delta, *A, *B, *C, *z, *h_in;
};

enum { SCAN_KINDS = 4 };

/* Kinds: slow decays, softplus and a gate, one sign everywhere, strong decays. */
static inline struct scan scan_make(uint64_t key, int kind, int T, int D, int N)
{
    const double slow[] = { 0.001, -4, 0.001, 0.5 }, fast[] = { 0.1, 1, 0.01, 3 };
    const double least = kind == 2 ? 0.1 : -1;
    struct scan s = { .T = T, .D = D, .N = N, .softplus = kind == 1 };
    s.u = floats((int64_t)T * D, &key, least, 1);
    s.delta = floats((int64_t)T * D, &key, slow[kind], fast[kind]);
    s.A = floats((int64_t)D * N, &key, kind == 1 ? -4 : -1.5, -0.05);
    s.B = floats((int64_t)T * N, &key, least, 1);
    s.C = floats((int64_t)T * N, &key, least, 1);
    s.h_in = floats((int64_t)D * N, &key, least, 1);
    if (kind == 1) s.z = floats((int64_t)T * D, &key, -5, 5);
    return s;
}

static inline void scan_free(struct scan *s)
{
    float *const all[] = { s->u, s->delta, s->A, s->B, s->C, s->z, s->h_in };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static inline float scan_step(const struct scan *s, int t, int d)
{
    const float x = s->delta[t * s->D + d];
    return s->softplus && x <= 20 ? log1pf(expf(x)) : x;
}

static inline float scan_gate(const struct scan *s, enum how how, int t, int d, float y)
{
    return s->z ? y * s->z[t * s->D + d] / (1 + e_to(how & ~BIASED, -s->z[t * s->D + d])) : y;
}

/* Token by token, or (CHUNKED) with the decays since the chunk's first token as differences of a sum of logs. */
static inline void scan_run(const struct scan *s, enum how how, float *y, float *h_out)
{
    float *x = calloc((size_t)s->N, sizeof *x), *start = calloc((size_t)s->N, sizeof *x);
    float *sum = calloc((size_t)s->N * CHUNK, sizeof *sum);
    for (int d = 0; d < s->D; d++) {
        for (int n = 0; n < s->N; n++) x[n] = how & STATELESS ? 0 : s->h_in[d * s->N + n];
        for (int t = 0; t < s->T; t++) {
            const int at = t % CHUNK;
            float out = 0;
            if (at == 0) memcpy(start, x, (size_t)s->N * sizeof *x);
            for (int i = 0; i < s->N; i++) {
                const int n = how & REVERSED ? s->N - 1 - i : i;
                const float delta = scan_step(s, t, d), log_decay = delta * s->A[d * s->N + n];
                float *const sums = sum + n * CHUNK;
                sums[at] = log_decay + (at ? sums[at - 1] : 0);
                if (how & LOST && t == s->T / 2) x[n] = 0;
                if (how & CHUNKED) {
                    x[n] = e_to(how, sums[at]) * start[n];
                    for (int r = t - at; r <= t; r++)
                        x[n] += e_to(how, sums[at] - sums[r - (t - at)]) *
                                (scan_step(s, r, d) * s->u[r * s->D + d] * s->B[r * s->N + n]);
                } else
                    x[n] = sum_up(how, delta * s->u[t * s->D + d] * s->B[t * s->N + n], e_to(how, log_decay),
                                  x[n]);
                if (how & BF16_STATE) x[n] = to_bfloat(x[n]);
                out = sum_up(how, out, s->C[t * s->N + n], x[n]);
            }
            y[t * s->D + d] = scan_gate(s, how, t, d, out);
        }
        for (int n = 0; n < s->N; n++) h_out[d * s->N + n] = x[n];
    }
    free(x), free(start), free(sum);
}

struct scan_numbers { /* the same operands, answered by the reference */
    segue_selective_scan op;
    struct gauge_numbers *y, *h_out, *all[9];
};

static inline struct scan_numbers scan_numbers_of(const struct scan *s, uint32_t dtype)
{
    struct scan_numbers g = { .op = segue_selective_scan_init() };
    const int64_t T = s->T, D = s->D, N = s->N;
    struct gauge_numbers *const all[9] = {
        numbers(s->u, T * D), numbers(s->delta, T * D), numbers(s->A, D * N),
        numbers(s->B, T * N), numbers(s->C, T * N),     numbers(s->h_in, D * N),
        numbers(NULL, D * N), numbers(NULL, T * D),     NULL
    };
    memcpy(g.all, all, sizeof all);
    g.op.u = NUMBERS(all[0], dtype, 1, T, D), g.op.delta = NUMBERS(all[1], dtype, 1, T, D);
    g.op.A = NUMBERS(all[2], dtype, D, N), g.op.B = NUMBERS(all[3], dtype, 1, T, 1, N);
    g.op.C = NUMBERS(all[4], dtype, 1, T, 1, N), g.op.h_in = NUMBERS(all[5], SEGUE_F32, 1, D, N);
    g.op.h_out = NUMBERS(all[6], SEGUE_F32, 1, D, N), g.op.y = NUMBERS(all[7], dtype, 1, T, D);
    if (s->z) g.op.z = NUMBERS(g.all[8] = numbers(s->z, T * D), dtype, 1, T, D);
    g.op.softplus = s->softplus;
    g.h_out = g.all[6], g.y = g.all[7];
    return g;
}

static inline void scan_numbers_free(struct scan_numbers *g)
{
    for (int i = 0; i < 9; i++) gauge_numbers_free(g->all[i]);
}

/* ---- a convolution ------------------------------------------------------------------------------ */

struct conv { /* one batch row, W taps, W - 1 values of state, silu */
    int T, D, W;
    float *x, *weight, *bias, *h_in;
};

static inline struct conv conv_make(uint64_t key, int T, int D, int W)
{
    struct conv c = { .T = T, .D = D, .W = W };
    c.x = floats((int64_t)T * D, &key, -2, 2), c.weight = floats((int64_t)D * W, &key, -1, 1);
    c.bias = floats(D, &key, -1, 1), c.h_in = floats((int64_t)D * W, &key, -2, 2);
    return c;
}

static inline void conv_free(struct conv *c)
{
    free(c->x), free(c->weight), free(c->bias), free(c->h_in);
}

static inline float conv_input(const struct conv *c, enum how how, int t, int d)
{
    if (t >= 0) return c->x[t * c->D + d];
    return how & STATELESS ? 0 : c->h_in[d * (c->W - 1) + c->W - 1 + t];
}

static inline void conv_run(const struct conv *c, enum how how, float *y)
{
    for (int t = 0; t < c->T; t++)
        for (int d = 0; d < c->D; d++) {
            float sum = how & REVERSED ? 0 : c->bias[d];
            for (int i = how & UNTAPPED && t == c->T - 1; i < c->W; i++) {
                const int k = how & REVERSED ? c->W - 1 - i : i;
                sum = sum_up(how, sum, c->weight[d * c->W + k], conv_input(c, how, t - (c->W - 1 - k), d));
            }
            if (how & REVERSED) sum += c->bias[d];
            y[t * c->D + d] = sum / (1 + e_to(how, -sum));
        }
}

struct conv_numbers {
    segue_causal_conv1d op;
    struct gauge_numbers *y, *h_out, *all[6];
};

static inline struct conv_numbers conv_numbers_of(const struct conv *c, uint32_t dtype)
{
    struct conv_numbers g = { .op = segue_causal_conv1d_init() };
    const int64_t T = c->T, D = c->D, W = c->W;
    struct gauge_numbers *const all[6] = { numbers(c->x, T * D),       numbers(c->weight, D * W),
                                           numbers(c->bias, D),        numbers(c->h_in, D * (W - 1)),
                                           numbers(NULL, D * (W - 1)), numbers(NULL, T * D) };
    memcpy(g.all, all, sizeof all);
    g.op.x = NUMBERS(all[0], dtype, 1, T, D), g.op.weight = NUMBERS(all[1], dtype, D, W);
    g.op.bias = NUMBERS(all[2], dtype, D), g.op.h_in = NUMBERS(all[3], SEGUE_F32, 1, D, W - 1);
    g.op.h_out = NUMBERS(all[4], SEGUE_F32, 1, D, W - 1), g.op.y = NUMBERS(all[5], dtype, 1, T, D);
    g.op.activation = SEGUE_CAUSAL_CONV1D_SILU;
    g.h_out = g.all[4], g.y = g.all[5];
    return g;
}

static inline void conv_numbers_free(struct conv_numbers *g)
{
    for (int i = 0; i < 6; i++) gauge_numbers_free(g->all[i]);
}

/* ---- judging ------------------------------------------------------------------------------------ */

/* The answer after its rounding to the dtype. */
static inline struct verdict judge_floats(const struct gauge_numbers *want, const float *got, int64_t count,
                                          uint32_t dtype, uint32_t accuracy)
{
    struct bound b;
    struct verdict v;
    double *answer = calloc((size_t)count + 1, sizeof *answer);
    assert_int_equal(bound_make(&b, want, count, dtype, accuracy, 0), 0);
    for (int64_t i = 0; i < count; i++) answer[i] = judge_round(dtype, (double)got[i]);
    judge(&b, answer, &v);
    bound_free(&b);
    free(answer);
    return v;
}

#endif
