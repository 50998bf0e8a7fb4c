/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax attention by its definition: arXiv:1706.03762 eq. 1 over the keys a that a query slot i sees, with the masks of
 * api/ops/attention.def; of packed sequences each by itself. For every batch row, head h and slot, key head j = h / (heads / key heads):
 *
 *     s_a = cap(scale q_i . k_a) + bias_ia - slope_h |p_i - p_a|, or self_value     cap(x) = softcap tanh(x / softcap)
 *     M   = max s_a, sink_h                  only so that exp does not overflow
 *     Z   = sum n_a exp(s_a - M) + exp(sink_h - M)       n_a: how often the chunks around i reach a, else 1
 *     y_i = sum n_a exp(s_a - M) v_a / Z                 [b e h v]
 *     lse_i = M + ln Z                                   [b e h]
 *
 * A masked key is not read at all. What sees nothing: M counts as 0, Z = 0, y = 0, lse = ln 0. */
#include "operands.h"

typedef struct span { /* a sequence: its slots of queries and keys */
    int64_t b, q, queries, k, keys;
    int64_t rows;  /* of keys: what is at or beyond is not there */
    int64_t first; /* position of its first query slot, where no row says it */
} span;

typedef struct query { /* one slot; what follows `position` lies in the workspace */
    const segue_attention *op;
    const span *in;
    int64_t h, j, slot, item, row; /* slot and row within the sequence; row < 0: no query, or it sees nothing */
    int64_t position;
    real *q, *score, *sum; /* [k]; [c] of the keys that it sees; [v] */
} query;

typedef struct key { /* a slot as a query sees it */
    int64_t row, distance;
    int64_t times; /* 0: masked */
    int self;      /* its score is self_value */
} key;

/* ---- slots, rows, positions --------------------------------------------------------------------- */

/* The item of a slot of that head, and the row of an item. */
static int64_t item_of(const segue_tensor *index, int64_t b, int64_t head, int64_t slot)
{
    return present(index) ? load_int_at(index, b, head, slot, 0) : slot;
}

static int64_t row_of(const segue_tensor *index, int64_t item, int64_t rows)
{
    return item < 0 || rows == 0 ? -1 : present(index) ? item % rows : item;
}

static span whole_row(const segue_attention *op, int64_t b)
{
    const int64_t slots = present(&op->q_index) ? op->q_index.shape[2] : op->q.shape[1];
    const int64_t keys = present(&op->k_index) ? op->k_index.shape[2] : op->k.shape[1], rows = op->k.shape[1];
    span s = { b, 0, slots, 0, keys, rows, 0 };
    if (present(&op->k_len)) s.rows = clamped(load_int(&op->k_len, b, 0), rows);
    return s;
}

static span packed_at(const segue_attention *op, int64_t s)
{
    const segue_tensor slot = segue_attention_init().q; /* absent */
    const sequence q = sequence_at(s, &op->q, &op->cu_seqlens, &slot, 0);
    const sequence k = sequence_at(s, &op->k, &op->cu_seqlens_k, &slot, 0);
    const span of = { 0, q.first, q.count, k.first, k.count, k.count, 0 };
    return of;
}

static span span_at(const segue_attention *op, int64_t s)
{
    span of = present(&op->cu_seqlens) ? packed_at(op, s) : whole_row(op, s);
    if (op->align == SEGUE_ATTENTION_BOTTOM_RIGHT) of.first = of.rows - of.queries;
    else if (present(&op->q_offset)) of.first = load_int(&op->q_offset, s, 0);
    return of;
}

static int64_t query_position(const query *r)
{
    const segue_attention *op = r->op;
    if (present(&op->q_pos)) return load_int(&op->q_pos, r->in->b, r->row);
    return present(&op->q_index) ? r->row : r->slot + r->in->first;
}

/* ---- masks -------------------------------------------------------------------------------------- */

static int64_t floor_of(int64_t x, int64_t n)
{
    return x >= 0 ? x / n : -((n - 1 - x) / n);
}

/* How often the chunks from own - before to own + after are chunk number `of`. */
static int64_t times_reached(const segue_attention *op, int64_t own, int64_t of, int64_t chunks)
{
    const int64_t from = own - op->chunks_before, to = own + op->chunks_after;
    if (!op->wrap) return from <= of && of <= to;
    return floor_of(to - of, chunks) - floor_of(from - 1 - of, chunks);
}

static int same_label(const query *r, int64_t item)
{
    const segue_tensor *label = &r->op->label;
    const int64_t b = r->in->b, end = label->shape[2];
    return r->item < end && item < end &&
           load_int_at(label, b, r->h, r->item, 0) == load_int_at(label, b, r->h, item, 0);
}

/* gap: from the query's position to the key's */
static int is_in_window(const segue_attention *op, int64_t gap)
{
    return (op->window_left < 0 || gap >= -op->window_left) &&
           (op->window_right < 0 || gap <= op->window_right);
}

/* Key slot a of the sequence, by all masks but the bias. */
static key key_at(const query *r, int64_t a)
{
    const segue_attention *op = r->op;
    const int64_t b = r->in->b, item = item_of(&op->k_index, b, r->j, a);
    key k = { row_of(&op->k_index, item, op->k.shape[1]), 0, 0, 0 };
    if (k.row < 0 || k.row >= r->in->rows) return k;
    const int64_t gap = (present(&op->k_pos) ? load_int(&op->k_pos, b, k.row) : k.row) - r->position;
    k.distance = gap < 0 ? -gap : gap;
    k.self = op->self_rule == SEGUE_ATTENTION_CONSTANT && gap == 0;
    if (!is_in_window(op, gap) || (op->causal && gap > 0)) return k;
    if (!k.self && present(&op->keep) && !load_int(&op->keep, b, r->in->k + k.row)) return k;
    if (!k.self && present(&op->label) && !same_label(r, item)) return k;
    k.times = 1;
    if (op->chunk)
        k.times = times_reached(op, r->slot / op->chunk, a / op->chunk, (r->in->keys - 1) / op->chunk + 1);
    return k;
}

/* ---- scores ------------------------------------------------------------------------------------- */

/* What a key is divided by: its length; a zero key by 1. */
static real length_of(const query *r, int64_t row)
{
    const segue_tensor *k = &r->op->k;
    real sum = r->op->key_eps * (double)k->shape[3];
    for (int64_t i = 0; i < k->shape[3]; i++) {
        const real x = load(k, r->in->b, row, r->j, i);
        sum = mac(sum, x, x);
    }
    return real_sqrt(real_select(sum, sum, sum + 1));
}

static real bias_of(const query *r, int64_t a)
{
    const real none = 0;
    if (!present(&r->op->bias)) return none;
    return load(&r->op->bias, r->in->b, r->h, r->in->q + r->slot, r->in->k + a);
}

static int is_bf16(const segue_tensor *t)
{
    return segue_dtype_id(t->dtype) == SEGUE_BF16;
}

/* A bias of -infinity is the score itself: the key is not read. */
static real score_of(const query *r, const key *k, real bias)
{
    const segue_attention *op = r->op;
    const int64_t width = op->k.shape[3], row = r->in->k + k->row;
    const real cap = op->softcap, own = op->self_value;
    const int unit = op->key_norm == SEGUE_ATTENTION_UNIT;
    const int exact = !unit && is_bf16(&op->q) &&
                      is_bf16(&op->k); /* products of two such numbers are, in a matrix unit, too */
    real length = 1, s = 0;
    if (k->self) return own;
    if (masks(bias)) return bias;
    if (unit) length = length_of(r, row);
    for (int64_t i = 0; i < width; i++) {
        const real x = load(&op->k, r->in->b, row, r->j, i);
        if (exact) s = s + r->q[i] * x;
        else s = mac(s, r->q[i], unit ? x / length : x);
    }
    s = (op->scale != 0 ? op->scale : 1 / sqrt((double)width)) * s;
    if (op->softcap > 0) s = cap * real_tanh(s / cap);
    if (present(&op->bias)) s = s + bias;
    if (present(&op->slopes)) s = s - load(&op->slopes, r->h, 0, 0, 0) * (double)k->distance;
    return s;
}

/* Lists the scores; their maximum. */
static real list_scores(const query *r)
{
    const segue_attention *op = r->op;
    real largest = -INFINITY;
    if (present(&op->sink)) largest = load(&op->sink, r->h, 0, 0, 0);
    for (int64_t i = 0; r->row >= 0 && i < op->q.shape[3]; i++)
        r->q[i] = load(&op->q, r->in->b, r->in->q + r->row, r->h, i);
    for (int64_t a = 0; r->row >= 0 && a < r->in->keys; a++) {
        const key k = key_at(r, a);
        if (!k.times) continue;
        step();
        r->score[a] = score_of(r, &k, bias_of(r, a));
        largest = real_max(largest, r->score[a]);
    }
    return largest;
}

/* ---- sums --------------------------------------------------------------------------------------- */

/* Adds up the values in r->sum; Z. */
static real add_values(const query *r, real shift, real zero)
{
    const segue_attention *op = r->op;
    const int64_t values = op->v.shape[3];
    real Z = zero;
    if (present(&op->sink)) Z = Z + real_exp(load(&op->sink, r->h, 0, 0, 0) - shift);
    for (int64_t v = 0; v < values; v++) r->sum[v] = zero;
    for (int64_t a = 0; r->row >= 0 && a < r->in->keys; a++) {
        const key k = key_at(r, a);
        if (!k.times || (!k.self && masks(bias_of(r, a)))) continue;
        step();
        real weight = real_exp(r->score[a] - shift);
        if (k.times > 1) weight = (double)k.times * weight;
        Z = Z + weight;
        for (int64_t v = 0; v < values; v++)
            r->sum[v] = mac(r->sum[v], weight, load(&op->v, r->in->b, r->in->k + k.row, r->j, v));
    }
    return Z;
}

/* Row `to` of the outputs. */
static void answer(const query *r, int64_t to)
{
    const segue_attention *op = r->op;
    const int64_t b = r->in->b;
    const real nothing = 0, largest = list_scores(r);
    /* -infinity + infinity is no number: then nothing is to be seen. The zero stems from what masks, as M does. */
    const real shift = real_select(largest + INFINITY, largest, nothing);
    const real zero = real_select(shift, nothing, nothing);
    const real Z = add_values(r, shift, zero), divisor = real_select(Z, Z, Z + 1);
    for (int64_t v = 0; v < op->v.shape[3]; v++) store(&op->y, r->sum[v] / divisor, b, to, r->h, v);
    if (present(&op->lse)) store(&op->lse, shift + real_log(Z), b, to, r->h, 0);
}

static void attend(query *r, int64_t slot)
{
    const segue_attention *op = r->op;
    const int64_t b = r->in->b;
    const int64_t to = present(&op->o_index) ? load_int_at(&op->o_index, b, r->h, slot, 0) : r->in->q + slot;
    if (to < 0 || to >= op->y.shape[1]) return;
    r->slot = slot;
    r->item = item_of(&op->q_index, b, r->h, slot);
    r->row = row_of(&op->q_index, r->item, op->q.shape[1]);
    if (r->row >= 0 && present(&op->keep_q) && !load_int(&op->keep_q, b, r->in->q + r->row)) r->row = -1;
    r->position = r->row < 0 ? 0 : query_position(r);
    answer(r, to);
}

/* Numbers that segue_reference_attention() works in. */
int64_t segue_reference_attention_work(const segue_op_header *header)
{
    const segue_attention *op = (const segue_attention *)header;
    const int64_t slots = present(&op->k_index) ? op->k_index.shape[2] : op->k.shape[1];
    return size_sum(size_sum(op->q.shape[3], op->v.shape[3]), slots);
}

void segue_reference_attention(const segue_op_header *header, real *work)
{
    const segue_attention *op = (const segue_attention *)header;
    const int64_t group = op->q.shape[2] / op->k.shape[2];
    query r;
    memset((void *)&r, 0, sizeof r);
    r.op = op;
    r.q = work, r.sum = r.q + op->q.shape[3], r.score = r.sum + op->v.shape[3];
    for (int64_t s = 0; s < sequence_count(&op->q, &op->cu_seqlens); s++) {
        const span in = span_at(op, s);
        r.in = &in;
        for (r.h = 0; r.h < op->q.shape[2]; r.h++) {
            r.j = r.h / group;
            for (int64_t slot = 0; slot < in.queries; slot++) attend(&r, slot);
        }
    }
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)dev;
    return fits_workspace(segue_reference_attention_work(op))
               ? NULL
               : "k: with q and v at most 2^60 numbers of workspace";
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_attention_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_attention(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_attention_reference;
const segue_row segue_row_attention_reference = {
    .name = "attention_reference",
    .primitive = SEGUE_ATTENTION,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F64,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
#endif
