/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. The weights of a token's parts are made with its heads in lanes; then each head adds up the
 * parts that are there, with its channels in lanes. What an empty part holds is not read. */
#include "attention_merge.h"

#include "engine/element.h"
#include "engine/lanes_functions.h"

#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)

static const struct merge_job *job_of(const struct segue_tile *t)
{
    return (const struct merge_job *)(const void *)t->job;
}

/* ---- weights --------------------------------------------------------------------------------------------- */

/* The panel's heads of one token of [r b t h], a row for each part, or of [b t h]. */
static struct segue_strip heads_strip(const struct segue_tile *t, const segue_tensor *x, int64_t token)
{
    const int first = x->rank - 3;
    struct segue_strip s = strip_of(x, first ? 0 : -1, first + 2);
    strip_move(&s, t->sequence.batch * x->stride[first] + token * x->stride[first + 1]);
    strip_cut_columns(&s, t->channel, t->channels);
    return s;
}

static void take_logs(const struct segue_tile *t, int64_t token)
{
    const struct merge_job *job = job_of(t);
    const segue_attention_merge *op = job->op;
    float *const log = t->scratch + job->log, *const more = t->scratch + job->weight;
    const lanes inf = lanes_splat(__builtin_inff());
    const int64_t count = op->lse.shape[0] * job->pitch;
    const int weighted = op->log_weight.dtype.bits != 0;
    const struct segue_strip lse = heads_strip(t, &op->lse, token);
    PACK(log, job->pitch, LANES, &lse);
    if (weighted) {
        const struct segue_strip weight = heads_strip(t, &op->log_weight, token);
        PACK(more, job->pitch, LANES, &weight);
    }
    for (int64_t i = 0; (weighted || op->plus_inf_empty) && i < count; i += LANES) {
        lanes l = lanes_load(log + i);
        if (op->plus_inf_empty) l = lanes_select(l == inf, -inf, l);
        /* What is empty has no weight: whatever log_weight says. */
        if (weighted) l = lanes_select(l == -inf, l, l + lanes_load(more + i));
        lanes_store(log + i, l);
    }
}

/* Of LANES heads. A NaN or +infinity among the logs is in no maximum, or makes the differences NaN: then so are all weights. */
static void weigh(const struct segue_tile *t, int64_t head)
{
    const struct merge_job *job = job_of(t);
    const float *const log = t->scratch + job->log + head;
    float *const weight = t->scratch + job->weight + head;
    const lanes zero = { 0 }, none = lanes_splat(-__builtin_inff());
    const int64_t parts = job->op->lse.shape[0];
    lanes most = none, sum = zero;
    for (int64_t r = 0; r < parts; r++) {
        const lanes l = lanes_load(log + r * job->pitch);
        most = lanes_if_less(most, l, l, most);
    }
    const lanes peak = lanes_select(most == none, zero, most);
    for (int64_t r = 0; r < parts; r++) {
        const lanes l = lanes_load(log + r * job->pitch), e = lanes_exp(l - peak);
        const lanes share = lanes_select(l == none, zero, e);
        lanes_store(weight + r * job->pitch, share);
        sum = sum + share;
    }
    const lanes all = lanes_select(sum == zero, lanes_splat(1), sum); /* 0: nothing is there */
    for (int64_t r = 0; r < parts; r++)
        lanes_store(weight + r * job->pitch, lanes_load(weight + r * job->pitch) / all);
    lanes_store(t->scratch + job->log_out + head, lanes_select(sum == zero, none, peak + lanes_log(all)));
}

/* ---- heads ----------------------------------------------------------------------------------------------- */

struct parts { /* of one head: those that are there, with their channels side by side */
    const float *share;
    const char *const *row;
    int64_t count, channels;
    char *y;
    int32_t stream;
};

INLINE lanes get(const char *p, uint32_t dtype, int64_t count)
{
    return count < LANES ? element_load_some(p, dtype, count) : element_load(p, dtype);
}

INLINE void merge_as(const struct parts *q, uint32_t from, uint32_t to)
{
    const int64_t in = element_size(from), out = element_size(to);
    for (int64_t i = 0; i < q->channels; i += LANES) {
        const int64_t left = q->channels - i;
        lanes sum = { 0 };
        for (int64_t r = 0; r < q->count; r++) {
            const lanes o = get(q->row[r] + i * in, from, left);
            sum = r ? lanes_fma(lanes_splat(q->share[r]), o, sum) : q->share[r] * o;
        }
        if (left < LANES) element_store_some(q->y + i * out, sum, to, left);
        else element_store(q->y + i * out, sum, to, q->stream);
    }
}

static void merge_f32(const struct parts *q, uint32_t to)
{
    if (to == SEGUE_F32) merge_as(q, SEGUE_F32, SEGUE_F32);
    else if (to == SEGUE_F16) merge_as(q, SEGUE_F32, SEGUE_F16);
    else if (LANES == 16 && to == BF16_FAST) merge_as(q, SEGUE_F32, BF16_FAST);
    else merge_as(q, SEGUE_F32, SEGUE_BF16);
}

static void merge_f16(const struct parts *q, uint32_t to)
{
    if (to == SEGUE_F32) merge_as(q, SEGUE_F16, SEGUE_F32);
    else if (to == SEGUE_F16) merge_as(q, SEGUE_F16, SEGUE_F16);
    else merge_as(q, SEGUE_F16, SEGUE_BF16);
}

static void merge_bf16(const struct parts *q, uint32_t to)
{
    if (to == SEGUE_F32) merge_as(q, SEGUE_BF16, SEGUE_F32);
    else if (to == SEGUE_F16) merge_as(q, SEGUE_BF16, SEGUE_F16);
    else if (LANES == 16 && to == BF16_FAST) merge_as(q, SEGUE_BF16, BF16_FAST);
    else merge_as(q, SEGUE_BF16, SEGUE_BF16);
}

static void merge(const struct parts *q, uint32_t from, uint32_t to)
{
    (from == SEGUE_F32 ? merge_f32 : from == SEGUE_F16 ? merge_f16 : merge_bf16)(q, to);
}

static struct segue_strip part_strip(const struct segue_tile *t, int64_t r, int64_t token, int64_t h)
{
    const segue_tensor *const o = &job_of(t)->op->o;
    struct segue_strip s = strip_of(o, -1, 4);
    strip_move(&s,
               r * o->stride[0] + t->sequence.batch * o->stride[1] + token * o->stride[2] + h * o->stride[3]);
    return s;
}

static struct segue_strip head_strip(const struct segue_tile *t, int64_t token, int64_t h)
{
    const segue_tensor *const y = &job_of(t)->op->y;
    struct segue_strip s = strip_of(y, -1, 3);
    strip_move(&s, t->sequence.batch * y->stride[0] + token * y->stride[1] + h * y->stride[2]);
    return s;
}

/* Channels that do not lie side by side go through scratch, part by part. */
static void merge_apart(const struct segue_tile *t, int64_t token, int64_t h, const int64_t *part,
                        const struct parts *q)
{
    const struct merge_job *job = job_of(t);
    float *const sum = t->scratch + job->head, *const one = t->scratch + job->part;
    const struct segue_strip y = head_strip(t, token, h);
    for (int64_t i = 0; i < q->channels; i += LANES) lanes_store(sum + i, (lanes){ 0 });
    for (int64_t r = 0; r < q->count; r++) {
        const struct segue_strip s = part_strip(t, part[r], token, h);
        const lanes share = lanes_splat(q->share[r]);
        PACK(one, 0, LANES, &s);
        for (int64_t i = 0; i < q->channels; i += LANES) {
            const lanes o = lanes_load(one + i);
            lanes_store(sum + i, r ? lanes_fma(share, o, lanes_load(sum + i)) : share * o);
        }
    }
    UNPACK(&y, sum, 0, LANES);
}

static void merge_head(const struct segue_tile *t, int64_t token, int64_t h)
{
    const struct merge_job *job = job_of(t);
    const segue_attention_merge *op = job->op;
    const float *const log = t->scratch + job->log + h - t->channel, *const weight = t->scratch + job->weight +
                                                                                     h - t->channel;
    const struct segue_strip y = head_strip(t, token, h);
    const uintptr_t line = (uintptr_t)(LANES * y.element_bytes);
    float *const share = t->scratch + job->share;
    void *const room = t->scratch + job->row;
    const char **const row = room; /* straight: where a part's channels lie; else its number */
    int64_t *const part = room;
    struct parts q = { .share = share, .row = row, .channels = op->y.shape[3], .y = y.data };
    for (int64_t r = 0; r < op->lse.shape[0]; r++) {
        if (log[r * job->pitch] == -__builtin_inff()) continue;
        share[q.count] = weight[r * job->pitch];
        if (job->straight) row[q.count++] = part_strip(t, r, token, h).data;
        else part[q.count++] = r;
    }
    q.stream = job->tile.stream && (uintptr_t)y.data % line == 0;
    if (!job->straight) merge_apart(t, token, h, part, &q);
    else merge(&q, segue_dtype_id(op->o.dtype), y.dtype == SEGUE_BF16 && job->bf16_fast ? BF16_FAST : y.dtype);
}

static void tokens(const struct segue_tile *t)
{
    const struct merge_job *job = job_of(t);
    const segue_tensor *const lse_out = &job->op->lse_out;
    for (int64_t i = t->first; i < t->first + t->tokens; i++) {
        take_logs(t, i);
        for (int64_t h = 0; h < t->channels; h += LANES) weigh(t, h);
        if (lse_out->dtype.bits) {
            const struct segue_strip s = heads_strip(t, lse_out, i);
            UNPACK(&s, t->scratch + job->log_out, 0, LANES);
        }
        for (int64_t h = t->channel; h < t->channel + t->channels; h++) merge_head(t, i, h);
    }
}

static void begin(const struct segue_tile *t)
{
    (void)t; /* no state, no weights */
}

const struct segue_tile_kernel SEGUE_ISA_NAME(segue_merge) = {
    .lanes = 1, .weights = begin, .begin = begin, .tokens = tokens, .end = begin
};
