/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. A few rows at a time are packed into f32 rows of whole lanes, 0 behind the
 * last element, computed there and unpacked. Sums are taken in an order that depends on d alone. */
#include "norm.h"

#include "engine/lanes.h"

#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)

enum { CHAINS = 4 }; /* sums side by side: one would wait for itself */

static const struct norm_job *job_of(const struct segue_tile *t)
{
    return (const struct norm_job *)(const void *)t->job;
}

static int present(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

/* ---- rows of f32, count floats and zeros up to whole lanes ----------------------------------------------- */

static float total(const lanes chain[CHAINS])
{
    typedef float quarter __attribute__((vector_size(16)));
    const lanes all = (chain[0] + chain[1]) + (chain[2] + chain[3]);
    quarter q[LANES / 4];
    memcpy(q, &all, sizeof q);
    for (int n = LANES / 8; n; n /= 2)
        for (int i = 0; i < n; i++) q[i] += q[i + n];
    return (q[0][0] + q[0][2]) + (q[0][1] + q[0][3]);
}

static float sum(const float *v, int64_t count)
{
    lanes chain[CHAINS] = { { 0 } };
    int64_t i = 0;
    for (; i + CHAINS * LANES <= count; i += CHAINS * LANES)
        for (int k = 0; k < CHAINS; k++) chain[k] += lanes_load(v + i + k * LANES);
    for (; i < count; i += LANES) chain[0] += lanes_load(v + i);
    return total(chain);
}

static float sum_of_squares(const float *v, int64_t count)
{
    lanes chain[CHAINS] = { { 0 } };
    int64_t i = 0;
    for (; i + CHAINS * LANES <= count; i += CHAINS * LANES)
        for (int k = 0; k < CHAINS; k++) {
            const lanes x = lanes_load(v + i + k * LANES);
            chain[k] = lanes_fma(x, x, chain[k]);
        }
    for (; i < count; i += LANES) {
        const lanes x = lanes_load(v + i);
        chain[0] = lanes_fma(x, x, chain[0]);
    }
    return total(chain);
}

static void subtract_mean(float *v, int64_t count)
{
    const int64_t whole = count - count % LANES;
    const lanes mean = lanes_splat(sum(v, count) / (float)count);
    for (int64_t i = 0; i < count; i += LANES) lanes_store(v + i, lanes_load(v + i) - mean);
    if (whole < count) lanes_store(v + whole, lanes_load_some(v + whole, count - whole));
}

static void apply_gate(float *v, const float *z, int64_t count, int64_t sigmoid)
{
    const lanes one = lanes_splat(1.0f);
    for (int64_t i = 0; i < count; i += LANES) {
        const lanes x = lanes_load(z + i), top = sigmoid ? one : x;
        lanes_store(v + i, lanes_load(v + i) * (top / (lanes_exp(-x) + 1.0f)));
    }
}

/* weight and bias NULL: none. */
static void scale_row(float *v, float by, const float *weight, const float *bias, int64_t count)
{
    for (int64_t i = 0; i < count; i += LANES) {
        lanes y = lanes_load(v + i) * by;
        if (weight) y = y * lanes_load(weight + i);
        if (bias) y = y + lanes_load(bias + i);
        lanes_store(v + i, y);
    }
}

/* Whether no square of weight left f32 on the way to that scale; not so if it is NaN. */
static int in_range(float scale)
{
    return (scale >= 0x1p-63f) & (scale <= 0x1p40f);
}

/* What each of the rows is multiplied by; whether all are in range. */
static int find_scales(const struct norm_job *job, float *v, int64_t rows, float *scale)
{
    const int64_t count = job->x->shape[3];
    const float divisor = (float)job->divisor, eps = kept_f32(job->eps);
    int all = 1;
    for (int64_t i = 0; i < rows; i++, v += job->pitch) {
        if (job->layer) subtract_mean(v, count);
        scale[i] = sum_of_squares(v, count);
    }
    for (int64_t i = 0; i < rows; i++) {
        scale[i] = 1 / __builtin_sqrtf(scale[i] / divisor + eps);
        all &= in_range(scale[i]);
    }
    return all;
}

/* The same for one row whose values were multiplied by `by`: with sums in double. Less its mean, if any, on return. */
static float find_far_scale(const struct norm_job *job, float *v, double by)
{
    const int64_t count = job->x->shape[3];
    double mean = 0, squares = 0;
    for (int64_t i = 0; job->layer && i < count; i++) mean += (double)v[i] / (double)count;
    for (int64_t i = 0; i < count; i++) {
        const double x = (double)v[i] - mean;
        squares += x * x;
        v[i] = (float)x;
    }
    return (float)(1 / __builtin_sqrt(squares / job->divisor + (double)kept_f32(job->eps * by * by)));
}

/* ---- tiles ----------------------------------------------------------------------------------------------- */

/* Rows of a [b t h d] tensor: count heads of a token, or count tokens of a head. token: the tile's. */
static struct segue_strip rows_at(const struct segue_tile *t, const segue_tensor *x, int64_t token,
                                  int64_t head, int64_t count)
{
    struct segue_strip s = strip_of(x, job_of(t)->by_heads ? 2 : 1, 3);
    token += t->sequence.first + t->first;
    strip_move(&s, t->sequence.batch * x->stride[0] + token * x->stride[1] + head * x->stride[2]);
    s.rows = count;
    s.stream = t->job->stream;
    return s;
}

/* The weights of a head in scratch; a weight that all heads share is there once. */
static const float *weights_at(const struct segue_tile *t, const segue_tensor *w, uint64_t at, int64_t head)
{
    if (!present(w)) return NULL;
    return t->scratch + at + (w->stride[0] ? head * job_of(t)->pitch : 0);
}

/* A row that was found out of range once more, as 2^64 or 2^-64 of it: norms do not tell, if eps is multiplied too. What is flushed
 * on the way down is less than 2^-125 in y. z: its gates. */
static __attribute__((noinline, cold)) float take_far_row(const struct segue_tile *t, int64_t token,
                                                          int64_t head, float *v, const float *z, float scale)
{
    const struct norm_job *job = job_of(t);
    const float by = scale > 1 ? 0x1p64f : 0x1p-64f;
    const struct segue_strip s = rows_at(t, job->x, token, head, 1);
    PACK(v, job->pitch, LANES, &s);
    scale_row(v, by, NULL, NULL, job->pitch);
    if (present(job->z) && !job->gate_last) apply_gate(v, z, job->pitch, job->sigmoid);
    return find_far_scale(job, v, (double)by);
}

/* Gates and roots go over all rows at once: a short row's few would wait for each other. */
static void some_rows(const struct segue_tile *t, int64_t token, int64_t head, int64_t count)
{
    const struct norm_job *job = job_of(t);
    const struct segue_strip y = rows_at(t, job->y, token, head, count);
    const int gated = present(job->z);
    float *v = t->scratch + job->v, *z = t->scratch + job->gate, scale[NORM_MOST_ROWS];
    struct segue_strip s = rows_at(t, job->x, token, head, count);
    PACK(v, job->pitch, LANES, &s);
    if (gated) {
        s = rows_at(t, job->z, token, head, count);
        PACK(z, job->pitch, LANES, &s);
    }
    if (gated && !job->gate_last) apply_gate(v, z, count * job->pitch, job->sigmoid);
    const int near = find_scales(job, v, count, scale);
    for (int64_t i = 0; !near && i < count; i++)
        if (!in_range(scale[i]))
            scale[i] = take_far_row(t, token + (job->by_heads ? 0 : i), head + (job->by_heads ? i : 0),
                                    v + i * job->pitch, z + i * job->pitch, scale[i]);
    for (int64_t i = 0; i < count; i++) {
        const int64_t h = head + (job->by_heads ? i : 0);
        scale_row(v + i * job->pitch, scale[i], weights_at(t, job->weight_of, job->weight, h),
                  weights_at(t, job->bias_of, job->bias, h), job->x->shape[3]);
    }
    if (gated && job->gate_last) apply_gate(v, z, count * job->pitch, job->sigmoid);
    UNPACK(&y, v, job->pitch, LANES);
}

static int64_t at_most(int64_t x, int64_t most)
{
    return x < most ? x : most;
}

static void tokens(const struct segue_tile *t)
{
    const struct norm_job *job = job_of(t);
    const int64_t last = t->channel + t->channels;
    for (int64_t i = 0; job->by_heads && i < t->tokens; i++)
        for (int64_t h = t->channel; h < last; h += job->rows) some_rows(t, i, h, at_most(last - h, job->rows));
    for (int64_t h = t->channel; !job->by_heads && h < last; h++)
        for (int64_t i = 0; i < t->tokens; i += job->rows)
            some_rows(t, i, h, at_most(t->tokens - i, job->rows));
}

static void take_weights(const struct segue_tile *t, const segue_tensor *w, uint64_t at)
{
    if (!present(w)) return;
    struct segue_strip s = strip_of(w, 0, 1);
    if (w->stride[0]) strip_cut_rows(&s, t->channel, t->channels);
    else s.rows = 1;
    PACK(t->scratch + at + (w->stride[0] ? t->channel * job_of(t)->pitch : 0), job_of(t)->pitch, LANES, &s);
}

static void weights(const struct segue_tile *t)
{
    take_weights(t, job_of(t)->weight_of, job_of(t)->weight);
    take_weights(t, job_of(t)->bias_of, job_of(t)->bias);
}

static void begin(const struct segue_tile *t)
{
    (void)t; /* no state */
}

const struct segue_tile_kernel SEGUE_ISA_NAME(segue_norm) = { 1, weights, begin, tokens, begin };
