/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. Some tokens of a head at a time are packed into rows of f32, projected together, mapped one
 * after the other and unpacked. Every sum has an order that depends on k and m alone. */
#include "feature_map.h"

#include "engine/lanes_functions.h"

#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)

enum { VECTORS = 2, TOGETHER = LANES == 16 ? 8 : 4 }; /* of u, times tokens: sums that stay in registers */

static const struct feature_job *job_of(const struct segue_tile *t)
{
    return (const struct feature_job *)(const void *)t->job;
}

static int present(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

/* ---- c x and u ------------------------------------------------------------------------------------------ */

/* W [k][pitch]; x rows of x_pitch, u rows of pitch: `tokens` of them. */
INLINE void project_rows(const float *W, const float *x, float *u, int64_t k, int64_t x_pitch, int64_t pitch,
                         int tokens)
{
    lanes sum[TOGETHER][VECTORS];
    for (int r = 0; r < tokens; r++)
        for (int v = 0; v < VECTORS; v++) sum[r][v] = lanes_splat(0);
    for (int64_t i = 0; i < k; i++) {
        lanes w[VECTORS];
        for (int v = 0; v < VECTORS; v++) w[v] = lanes_load(W + i * pitch + v * LANES);
        for (int r = 0; r < tokens; r++)
            for (int v = 0; v < VECTORS; v++)
                sum[r][v] = lanes_fma(lanes_splat(x[r * x_pitch + i]), w[v], sum[r][v]);
    }
    for (int r = 0; r < tokens; r++)
        for (int v = 0; v < VECTORS; v++) lanes_store(u + r * pitch + v * LANES, sum[r][v]);
}

static void project(const struct feature_job *job, const float *W, const float *bias, const float *x, float *u,
                    int64_t tokens)
{
    const int64_t pitch = job->u_pitch, k = job->width, x_pitch = job->x_pitch;
    for (int64_t j = 0; j < job->projections; j += VECTORS * LANES) {
        int64_t r = 0;
        for (; r + TOGETHER <= tokens; r += TOGETHER)
            project_rows(W + j, x + r * x_pitch, u + r * pitch + j, k, x_pitch, pitch, TOGETHER);
        for (; r < tokens; r++) project_rows(W + j, x + r * x_pitch, u + r * pitch + j, k, x_pitch, pitch, 1);
    }
    for (int64_t r = 0; bias && r < tokens; r++)
        for (int64_t j = 0; j < job->projections; j += LANES)
            lanes_store(u + r * pitch + j, lanes_load(u + r * pitch + j) + lanes_load(bias + j));
}

/* count rows of x or y from that token of the sequence and that head on. */
static struct segue_strip rows_at(const struct segue_tile *t, const segue_tensor *x, int64_t token,
                                  int64_t head, int64_t count)
{
    struct segue_strip s = strip_of(x, job_of(t)->by_heads ? 2 : 1, 3);
    strip_move(&s, t->sequence.batch * x->stride[0] + (t->sequence.first + token) * x->stride[1] +
                       head * x->stride[2]);
    s.rows = count;
    s.stream = t->job->stream;
    return s;
}

/* The head's W or bias in scratch; one that all heads share is there once. */
static const float *weights_at(const struct segue_tile *t, const segue_tensor *w, uint64_t at, int64_t head,
                               int64_t size)
{
    return present(w) ? t->scratch + at + (w->stride[0] ? head * size : 0) : NULL;
}

/* c x of these rows, and u where W is given. */
static void take(const struct segue_tile *t, int64_t token, int64_t head, int64_t count, int projected)
{
    const struct feature_job *job = job_of(t);
    const segue_feature_map *op = job->op;
    const struct segue_strip s = rows_at(t, &op->x, token, head, count);
    float *x = t->scratch + job->x;
    PACK(x, job->x_pitch, LANES, &s);
    for (int64_t r = 0; r < count; r++)
        for (int64_t i = 0; i < job->width; i += LANES)
            lanes_store(x + r * job->x_pitch + i, lanes_load(x + r * job->x_pitch + i) * job->scale);
    if (!projected || !present(&op->W)) return;
    project(job, weights_at(t, &op->W, job->W, head, job->width * job->u_pitch),
            weights_at(t, &op->bias, job->bias, head, job->u_pitch), x, t->scratch + job->u, count);
}

static float squares(const float *x, int64_t count)
{
    lanes sum = lanes_splat(0);
    for (int64_t i = 0; i < count; i += LANES) {
        const lanes v = lanes_only(lanes_load(x + i), count - i, 0);
        sum = lanes_fma(v, v, sum);
    }
    return lanes_total(sum);
}

/* The largest of u, or of -u. */
static float largest(const float *u, int64_t count, int negative)
{
    const float inf = __builtin_inff();
    lanes most = lanes_splat(-inf);
    for (int64_t j = 0; j < count; j += LANES) {
        const lanes v = lanes_load(u + j), a = lanes_only(negative ? -v : v, count - j, -inf);
        most = lanes_if_less(most, a, a, most);
    }
    return lanes_largest(most);
}

/* ---- the maps, a token at a time ------------------------------------------------------------------------- */

struct token { /* x [k] is c x, u [m], y [f]; behind them is room up to whole lanes */
    const float *x, *u;
    float *y, n2, shift; /* |c x|^2 / 2; M or R */
    int64_t at;          /* in its sequence */
};

INLINE lanes at_least(lanes x, float least)
{
    return lanes_if_less(x, lanes_splat(least), lanes_splat(least), x);
}

/* 1 / sqrt(count) */
INLINE float root_of_count(int64_t count)
{
    return 1 / __builtin_sqrtf((float)count);
}

static void phi_identity(const struct feature_job *job, const struct token *q)
{
    for (int64_t i = 0; i < job->width; i += LANES) lanes_store(q->y + i, lanes_load(q->x + i));
}

static void phi_elu1(const struct feature_job *job, const struct token *q)
{
    for (int64_t i = 0; i < job->width; i += LANES) {
        const lanes x = lanes_load(q->x + i), zero = { 0 };
        lanes_store(q->y + i, lanes_if_less(zero, x, x + 1.0f, lanes_exp(x)));
    }
}

static void phi_relu(const struct feature_job *job, const struct token *q)
{
    for (int64_t i = 0; i < job->width; i += LANES)
        lanes_store(q->y + i, lanes_relu(lanes_load(q->x + i)) + job->eps);
}

static void phi_favor_plus(const struct feature_job *job, const struct token *q)
{
    const float factor = root_of_count(job->projections);
    for (int64_t j = 0; j < job->projections; j += LANES) {
        const lanes e = lanes_exp(lanes_load(q->u + j) - q->n2 - q->shift);
        lanes_store(q->y + j, factor * (e + job->eps));
    }
}

static void phi_favor_pm(const struct feature_job *job, const struct token *q)
{
    const int64_t m = job->projections;
    const float factor = root_of_count(2 * m);
    for (int64_t j = 0; j < m; j += LANES) {
        const lanes u = lanes_load(q->u + j);
        lanes_put(q->y + j, factor * lanes_exp(u - q->n2 - q->shift), m - j);
        lanes_put(q->y + m + j, factor * lanes_exp(-u - q->n2 - q->shift), m - j);
    }
}

static void phi_rff(const struct feature_job *job, const struct token *q)
{
    const int64_t m = job->projections;
    const float factor = root_of_count(m);
    for (int64_t j = 0; j < m; j += LANES) {
        lanes sine, cosine;
        lanes_sincos(lanes_load(q->u + j), &sine, &cosine);
        lanes_put(q->y + j, factor * cosine, m - j);
        lanes_put(q->y + m + j, factor * sine, m - j);
    }
}

static void phi_gelu(const struct feature_job *job, const struct token *q)
{
    for (int64_t j = 0; j < job->projections; j += LANES)
        lanes_store(q->y + j, lanes_gelu(lanes_load(q->u + j)) + job->eps);
}

/* y = exp(scale u - most) [m]; their sum. */
INLINE float exponentials(const struct feature_job *job, const struct token *q, float *y, float scale,
                          float most)
{
    const int64_t m = job->projections;
    lanes sum = { 0 };
    for (int64_t j = 0; j < m; j += LANES) {
        const lanes e = lanes_exp(scale * lanes_load(q->u + j) - most);
        lanes_put(y + j, e, m - j);
        sum += lanes_only(e, m - j, 0);
    }
    return lanes_total(sum);
}

static void phi_hedgehog_a(const struct feature_job *job, const struct token *q)
{
    const int64_t m = job->projections;
    for (int negative = 0; negative < 2; negative++) {
        float *y = q->y + negative * m;
        const float sum = exponentials(job, q, y, negative ? -1.0f : 1.0f, largest(q->u, m, negative));
        for (int64_t j = 0; j < m; j += LANES)
            lanes_put(y + j, at_least(lanes_load(y + j) / sum, job->eps), m - j);
    }
}

static void phi_hedgehog_b(const struct feature_job *job, const struct token *q)
{
    const int64_t m = job->projections;
    const float up = largest(q->u, m, 0), down = largest(q->u, m, 1), most = 2 * (up < down ? down : up);
    const float first = exponentials(job, q, q->y, 2, most);
    const float sum = first + exponentials(job, q, q->y + m, -2, most);
    for (int64_t j = 0; j < 2 * m; j += LANES) lanes_put(q->y + j, lanes_load(q->y + j) / sum, 2 * m - j);
}

static void phi_taylor2(const struct feature_job *job, const struct token *q)
{
    const int64_t k = job->width;
    q->y[0] = 1;
    for (int64_t j = 0; j < k; j += LANES) lanes_put(q->y + 1 + j, lanes_load(q->x + j), k - j);
    for (int64_t i = 0; i < k; i++) {
        float *y = q->y + 1 + k + i * k;
        for (int64_t j = 0; j < k; j += LANES)
            lanes_put(y + j, lanes_load(q->x + j) * q->x[i] * 0.707106781f, k - j);
    }
}

/* The angle is (pi / 2) n / length; whole quarter turns are taken off in integers. */
static void phi_cosrew(const struct feature_job *job, const struct token *q)
{
    const int64_t n = job->op->position + q->at + 1, length = job->length, k = job->width;
    const int64_t turns = (2 * n + length) / (2 * length);
    const lanes r = lanes_splat((float)(1.57079632679489662 * ((double)(n - turns * length) / (double)length)));
    const lanes s = lanes_sin_near(r), c = lanes_cos_near(r);
    const lanes sine = turns % 2 ? c : s, cosine = turns % 2 ? -s : c;
    for (int64_t i = 0; i < k; i += LANES) {
        const lanes x = lanes_relu(lanes_load(q->x + i)), signed_x = turns % 4 > 1 ? -x : x;
        lanes_put(q->y + i, signed_x * sine, k - i);
        lanes_put(q->y + k + i, signed_x * cosine, k - i);
    }
}

static void phi_exp(const struct feature_job *job, const struct token *q)
{
    const int64_t m = job->projections;
    for (int negative = 0; negative < 2; negative++) {
        float *y = q->y + negative * m;
        exponentials(job, q, y, negative ? -1.0f : 1.0f, largest(q->u, m, negative));
        for (int64_t j = 0; j < m; j += LANES) lanes_put(y + j, at_least(lanes_load(y + j), job->eps), m - j);
    }
}

static void (*const maps[])(const struct feature_job *job, const struct token *q) = {
    [SEGUE_FEATURE_MAP_IDENTITY] = phi_identity,
    [SEGUE_FEATURE_MAP_ELU1] = phi_elu1,
    [SEGUE_FEATURE_MAP_RELU] = phi_relu,
    [SEGUE_FEATURE_MAP_FAVOR_PLUS] = phi_favor_plus,
    [SEGUE_FEATURE_MAP_FAVOR_PM] = phi_favor_pm,
    [SEGUE_FEATURE_MAP_RFF] = phi_rff,
    [SEGUE_FEATURE_MAP_GELU] = phi_gelu,
    [SEGUE_FEATURE_MAP_HEDGEHOG_A] = phi_hedgehog_a,
    [SEGUE_FEATURE_MAP_HEDGEHOG_B] = phi_hedgehog_b,
    [SEGUE_FEATURE_MAP_TAYLOR2] = phi_taylor2,
    [SEGUE_FEATURE_MAP_COSREW] = phi_cosrew,
    [SEGUE_FEATURE_MAP_EXP] = phi_exp,
};

/* ---- tiles ----------------------------------------------------------------------------------------------- */

static int is_kept(const struct segue_tile *t, int64_t token)
{
    const segue_tensor *keep = &job_of(t)->op->keep;
    if (!present(keep)) return 1;
    const int64_t at = t->sequence.batch * keep->stride[0] + (t->sequence.first + token) * keep->stride[1];
    int32_t value;
    memcpy(&value, (const char *)keep->data + keep->offset + at * (int64_t)sizeof value, sizeof value);
    return value != 0;
}

/* What row r of scratch brings to M or R. */
static float peak_of(const struct segue_tile *t, int64_t r)
{
    const struct feature_job *job = job_of(t);
    if (job->op->map == SEGUE_FEATURE_MAP_FAVOR_PM)
        return squares(t->scratch + job->x + r * job->x_pitch, job->width);
    return largest(t->scratch + job->u + r * job->u_pitch, job->projections, 0);
}

static void map_rows(const struct segue_tile *t, int64_t first, int64_t head, int64_t count)
{
    const struct feature_job *job = job_of(t);
    const segue_feature_map *op = job->op;
    const int shifted = op->map == SEGUE_FEATURE_MAP_FAVOR_PLUS || op->map == SEGUE_FEATURE_MAP_FAVOR_PM;
    float *y = t->scratch + job->y;
    take(t, first, head, count, 1);
    for (int64_t r = 0; r < count; r++) {
        struct token q = { .x = t->scratch + job->x + r * job->x_pitch,
                           .u = t->scratch + job->u + r * job->u_pitch,
                           .y = y + r * job->y_pitch,
                           .shift = job->by_peak ? t->scratch[job->peak + (uint64_t)head] : job->shift,
                           .at = job->by_heads ? first : first + r };
        if (!is_kept(t, q.at)) {
            memset(q.y, 0, (size_t)op->y.shape[3] * sizeof *q.y);
            continue;
        }
        if (shifted) q.n2 = squares(q.x, job->width) * 0.5f;
        if (shifted && op->shift_mode == SEGUE_FEATURE_MAP_ROW) q.shift = peak_of(t, r);
        maps[op->map](job, &q);
    }
    const struct segue_strip s = rows_at(t, &op->y, first, head, count);
    UNPACK(&s, y, job->y_pitch, LANES);
}

static int64_t at_most(int64_t x, int64_t most)
{
    return x < most ? x : most;
}

static void tokens(const struct segue_tile *t)
{
    const int64_t rows = job_of(t)->rows, end = t->channel + t->channels;
    for (int64_t i = 0; job_of(t)->by_heads && i < t->tokens; i++)
        for (int64_t h = t->channel; h < end; h += rows) map_rows(t, t->first + i, h, at_most(end - h, rows));
    for (int64_t h = t->channel; !job_of(t)->by_heads && h < end; h++)
        for (int64_t i = 0; i < t->tokens; i += rows)
            map_rows(t, t->first + i, h, at_most(t->tokens - i, rows));
}

/* M or R of the sequence, for each head of the panel. */
static void begin(const struct segue_tile *t)
{
    const struct feature_job *job = job_of(t);
    const int projected = job->op->map == SEGUE_FEATURE_MAP_FAVOR_PLUS;
    if (!job->by_peak) return;
    for (int64_t h = t->channel; h < t->channel + t->channels; h++) {
        float most = -__builtin_inff();
        for (int64_t i = 0; i < t->sequence.length; i += job->rows) {
            const int64_t count = at_most(t->sequence.length - i, job->rows);
            take(t, i, h, count, projected);
            for (int64_t r = 0; r < count; r++) {
                const float peak = is_kept(t, i + r) ? peak_of(t, r) : most;
                most = most < peak ? peak : most;
            }
        }
        t->scratch[job->peak + (uint64_t)h] = most;
    }
}

/* To [k][m] of each head, zeros behind the last m. */
static void take_weights(const struct segue_tile *t, const segue_tensor *w, int column, int row, uint64_t at,
                         int64_t size)
{
    const int64_t pitch = job_of(t)->u_pitch, heads = w->stride[0] ? t->channels : 1;
    float *to = t->scratch + at + (w->stride[0] ? t->channel * size : 0);
    if (!present(w)) return;
    for (int64_t h = 0; h < heads; h++, to += size) {
        struct segue_strip s = strip_of(w, row, column);
        strip_move(&s, w->stride[0] ? (t->channel + h) * w->stride[0] : 0);
        memset(to, 0, (size_t)size * sizeof *to);
        PACK(to, pitch, LANES, &s);
    }
}

static void weights(const struct segue_tile *t)
{
    const struct feature_job *job = job_of(t);
    take_weights(t, &job->op->W, 1, 2, job->W, job->width * job->u_pitch);
    take_weights(t, &job->op->bias, 1, -1, job->bias, job->u_pitch);
}

static void end(const struct segue_tile *t)
{
    (void)t; /* no state */
}

const struct segue_tile_kernel SEGUE_ISA_NAME(segue_features) = {
    .lanes = 1, .weights = weights, .begin = begin, .tokens = tokens, .end = end
};
