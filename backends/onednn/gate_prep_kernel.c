/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. A block is some tokens times some columns: a line of a token is all its heads where they lie
 * behind each other (flat), else one head. It is packed to f32, computed line by line and unpacked. */
#include "gate_prep.h"

#include "engine/lanes_functions.h"

#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)

static const struct gate_job *job_of(const struct segue_tile *t)
{
    return (const struct gate_job *)(const void *)t->job;
}

static int present(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

/* ---- one line -------------------------------------------------------------------------------------------- */

struct line { /* count gates; behind them is room up to whole lanes */
    const segue_gate_prep *op;
    const float *x, *bias;
    const float *a, *b,
        *c; /* DELTA: the rate. BOUNDED: the slope. HGRN2: log l, 1 - l, and its log. Else nothing. */
    float *delta, *g, *key;
    int64_t count;
};

INLINE lanes gate_at(const struct line *q, int64_t i)
{
    return lanes_load(q->x + i) + lanes_load(q->bias + i);
}

static void gate_delta(const struct line *q)
{
    const lanes low = lanes_splat((float)q->op->dt_min), high = lanes_splat((float)q->op->dt_max);
    const int softplus = q->op->softplus != 0, limited = q->op->dt_max < 1e30;
    for (int64_t i = 0; i < q->count; i += LANES) {
        const lanes x = gate_at(q, i);
        lanes delta = softplus ? lanes_softplus(x) : x;
        delta = lanes_if_less(delta, low, low, delta); /* NaN: as it is */
        if (limited) delta = lanes_if_less(high, delta, high, delta);
        lanes_store(q->delta + i, delta);
        lanes_store(q->g + i, lanes_load(q->a + i) * delta);
    }
}

static void gate_log_sigmoid(const struct line *q)
{
    const lanes divisor = lanes_splat(-(float)q->op->divisor);
    for (int64_t i = 0; i < q->count; i += LANES)
        lanes_store(q->g + i, lanes_softplus(-gate_at(q, i)) / divisor);
}

/* log(l + (1 - l) sigmoid(x)) by the larger of its two terms. */
static void gate_hgrn2(const struct line *q)
{
    for (int64_t i = 0; i < q->count; i += LANES) {
        const lanes x = gate_at(q, i), rest = lanes_load(q->b + i), a = lanes_load(q->a + i);
        const lanes b = lanes_load(q->c + i) - lanes_softplus(-x), larger = lanes_if_less(a, b, b, a);
        lanes_store(q->g + i, larger + lanes_softplus(-lanes_abs(a - b)));
        lanes_store(q->key + i, rest * lanes_sigmoid(-x));
    }
}

static void gate_bounded(const struct line *q)
{
    const float lower = (float)q->op->lower;
    for (int64_t i = 0; i < q->count; i += LANES)
        lanes_store(q->g + i, lower * lanes_sigmoid(lanes_load(q->a + i) * gate_at(q, i)));
}

static void gate_rwkv7(const struct line *q)
{
    for (int64_t i = 0; i < q->count; i += LANES)
        lanes_store(q->g + i, -0.606530660f * lanes_sigmoid(gate_at(q, i)));
}

static void gate_rwkv(const struct line *q)
{
    for (int64_t i = 0; i < q->count; i += LANES) lanes_store(q->g + i, -lanes_exp(gate_at(q, i)));
}

static void gate_soft_cap(const struct line *q)
{
    const float cap = (float)q->op->cap;
    for (int64_t i = 0; i < q->count; i += LANES)
        lanes_store(q->g + i, cap * lanes_tanh(gate_at(q, i) / lanes_splat(cap)));
}

static void (*const gates[])(const struct line *q) = {
    [SEGUE_GATE_PREP_DELTA] = gate_delta,       [SEGUE_GATE_PREP_LOG_SIGMOID] = gate_log_sigmoid,
    [SEGUE_GATE_PREP_HGRN2] = gate_hgrn2,       [SEGUE_GATE_PREP_BOUNDED] = gate_bounded,
    [SEGUE_GATE_PREP_RWKV7] = gate_rwkv7,       [SEGUE_GATE_PREP_RWKV] = gate_rwkv,
    [SEGUE_GATE_PREP_SOFT_CAP] = gate_soft_cap,
};

/* ---- weights --------------------------------------------------------------------------------------------- */

/* The panel's heads of a weight [h k] to their lines; an absent one is 0. */
static void take(const struct segue_tile *t, const segue_tensor *w, uint64_t at)
{
    const struct gate_job *job = job_of(t);
    const int64_t k = job->op->x.shape[3], step = present(w) && job->flat ? gate_step(w) : 0;
    float *to = t->scratch + at + t->channel * job->pitch;
    if (!present(w)) {
        memset(to, 0, (size_t)(t->channels * job->pitch) * sizeof *to);
        return;
    }
    struct segue_strip s = strip_of(w, -1, 1);
    strip_move(&s, t->channel * w->stride[0]);
    if (step) {
        s.columns = t->channels * k;
        s.column_stride = step;
        PACK(to, 0, LANES, &s);
    }
    /* Upwards: what is packed behind a line's end belongs to the next. */
    for (int64_t h = 0; !step && h < t->channels; h++, to += job->pitch) {
        PACK(to, 0, LANES, &s);
        strip_move(&s, w->stride[0]);
    }
}

/* One number of each head of the panel, in scratch. */
static float *take_heads(const struct segue_tile *t, const segue_tensor *w)
{
    float *to = t->scratch + job_of(t)->heads + t->channel;
    struct segue_strip s = strip_of(w, -1, 0);
    strip_cut_columns(&s, t->channel, t->channels);
    PACK(to, 0, LANES, &s);
    return to;
}

/* From one number a head, NULL = x, to the lines of a. */
static void spread(const struct segue_tile *t, const float *each, float x)
{
    const struct gate_job *job = job_of(t);
    float *to = t->scratch + job->a + t->channel * job->pitch;
    for (int64_t h = 0; h < t->channels; h++, to += job->pitch)
        for (int64_t i = 0; i < job->pitch; i++) to[i] = each ? each[h] : x;
}

/* DELTA: the rate A, or -e^A_log, or -1. BOUNDED: the slope e^A_log. */
static void take_rates(const struct segue_tile *t)
{
    const segue_gate_prep *op = job_of(t)->op;
    const float sign = op->gate == SEGUE_GATE_PREP_DELTA ? -1.0f : 1.0f;
    if (present(&op->A)) spread(t, take_heads(t, &op->A), 0);
    else if (present(&op->A_log)) {
        float *each = take_heads(t, &op->A_log);
        for (int64_t h = 0; h < t->channels; h += LANES)
            lanes_put(each + h, sign * lanes_exp(lanes_load(each + h)), t->channels - h);
        spread(t, each, 0);
    } else spread(t, NULL, -1);
}

static void take_bounds(const struct segue_tile *t)
{
    const struct gate_job *job = job_of(t);
    const int64_t first = t->channel * job->pitch, count = t->channels * job->pitch;
    float *const l = t->scratch + job->a + first, *const rest = t->scratch + job->b + first;
    float *const log_rest = t->scratch + job->c + first;
    take(t, &job->op->lower_bound, job->a);
    for (int64_t i = 0; i < count; i += LANES) {
        const lanes bound = lanes_load(l + i), open = lanes_splat(1.0f) - bound;
        lanes_put(l + i, lanes_log(bound), count - i);
        lanes_put(rest + i, open, count - i);
        lanes_put(log_rest + i, lanes_log(open), count - i);
    }
}

static void weights(const struct segue_tile *t)
{
    const segue_gate_prep *op = job_of(t)->op;
    take(t, &op->bias, job_of(t)->bias);
    if (op->gate == SEGUE_GATE_PREP_HGRN2) take_bounds(t);
    else if (op->gate == SEGUE_GATE_PREP_DELTA || op->gate == SEGUE_GATE_PREP_BOUNDED) take_rates(t);
}

/* ---- tiles ----------------------------------------------------------------------------------------------- */

struct block { /* rows tokens from `token` of the tile on, times columns; head, and the column in its line */
    int64_t token, rows, head, column, columns;
};

static struct segue_strip strip_at(const struct segue_tile *t, const segue_tensor *x, const struct block *b)
{
    const int64_t step = job_of(t)->flat ? gate_step(x) : x->stride[3];
    struct segue_strip s = strip_of(x, 1, 3);
    strip_move(&s, t->sequence.batch * x->stride[0] + (t->first + b->token) * x->stride[1] +
                       b->head * x->stride[2] + b->column * step);
    s.rows = b->rows;
    s.columns = b->columns;
    s.column_stride = step;
    s.stream = t->job->stream;
    return s;
}

static void put(const struct segue_tile *t, const segue_tensor *to, const struct block *b, uint64_t from,
                int64_t pitch)
{
    if (!present(to)) return;
    const struct segue_strip s = strip_at(t, to, b);
    UNPACK(&s, t->scratch + from, pitch, LANES);
}

static void prepare_block(const struct segue_tile *t, const struct block *b)
{
    const struct gate_job *job = job_of(t);
    const int64_t pitch = (b->columns + GATE_LINE - 1) / GATE_LINE * GATE_LINE,
                  weight = b->head * job->pitch + b->column;
    const struct segue_strip s = strip_at(t, &job->op->x, b);
    PACK(t->scratch + job->x, pitch, LANES, &s);
    for (int64_t r = 0; r < b->rows; r++) {
        const struct line q = { .op = job->op,
                                .x = t->scratch + job->x + r * pitch,
                                .bias = t->scratch + job->bias + weight,
                                .a = t->scratch + job->a + weight,
                                .b = t->scratch + job->b + weight,
                                .c = t->scratch + job->c + weight,
                                .delta = t->scratch + job->delta + r * pitch,
                                .g = t->scratch + job->g + r * pitch,
                                .key = t->scratch + job->key + r * pitch,
                                .count = b->columns };
        gates[job->op->gate](&q);
    }
    put(t, &job->op->delta, b, job->delta, pitch);
    put(t, &job->op->g, b, job->g, pitch);
    put(t, &job->op->key, b, job->key, pitch);
}

static int64_t at_most(int64_t x, int64_t most)
{
    return x < most ? x : most;
}

/* A line of `columns` for each token. */
static void prepare_lines(const struct segue_tile *t, int64_t head, int64_t columns)
{
    for (int64_t i = 0; i < columns; i += GATE_COLUMNS) {
        struct block b = { .head = head, .column = i, .columns = at_most(columns - i, GATE_COLUMNS) };
        const int64_t rows = GATE_FLOATS / (b.columns + GATE_LINE - 1 - (b.columns - 1) % GATE_LINE);
        for (; b.token < t->tokens; b.token += b.rows) {
            b.rows = at_most(t->tokens - b.token, rows);
            prepare_block(t, &b);
        }
    }
}

static void tokens(const struct segue_tile *t)
{
    const int64_t k = job_of(t)->op->x.shape[3];
    if (job_of(t)->flat) prepare_lines(t, t->channel, t->channels * k);
    for (int64_t h = t->channel; !job_of(t)->flat && h < t->channel + t->channels; h++) prepare_lines(t, h, k);
}

static void begin(const struct segue_tile *t)
{
    (void)t; /* no state */
}

const struct segue_tile_kernel SEGUE_ISA_NAME(segue_gates) = {
    .lanes = 1, .weights = weights, .begin = begin, .tokens = tokens, .end = begin
};
