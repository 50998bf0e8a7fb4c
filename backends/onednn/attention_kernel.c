/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. A part of a sequence's keys is walked through block by block, and in each block key head by key
 * head, so that memory is read from front to back where heads lie side by side (a cache of keys mostly lies so). A row keeps the
 * largest score so far and sums relative to it (arXiv:1805.02867): every exponent is a difference that is not positive. */
#include "attention_keys.h"

#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)

enum { LINE_FLOATS = 16 };

struct state {    /* sums of a unit's rows */
    float *sum;   /* [row][value_pitch] */
    float *total; /* [row][LINE_FLOATS]: LANES sums of weights */
    float *most;  /* [row] */
};

static struct state state_at(const struct attention_worker *w, float *memory)
{
    struct state s = { .sum = memory };
    s.total = s.sum + w->rows * w->job->value_pitch;
    s.most = s.total + w->rows * LINE_FLOATS;
    return s;
}

static int64_t whole_lanes(int64_t width)
{
    return (width + LANES - 1) / LANES * LANES;
}

/* What weights may be relative to: -infinity less itself is no number. */
static float shift_of(float most)
{
    return most == -__builtin_inff() ? 0 : most;
}

static float exp_of(float x)
{
    return lanes_exp(lanes_splat(x))[0];
}

/* ---- queries -------------------------------------------------------------------------------------------- */

static void pack_row(float *to, const segue_tensor *t, int64_t b, int64_t row, int64_t head, int64_t pitch)
{
    struct segue_strip s = strip_of(t, -1, 3);
    strip_move(&s, b * t->stride[0] + row * t->stride[1] + head * t->stride[2]);
    PACK(to, pitch, LANES, &s);
}

static void begin(struct attention_worker *w)
{
    const struct attention_job *job = w->job;
    const struct attention_unit *u = &w->unit;
    const int64_t group = job->heads / job->key_heads;
    w->rows = 0;
    for (int64_t j = 0; j < u->key_heads; j++)
        for (int64_t i = 0; i < u->slots; i++)
            for (int64_t h = 0; h < u->heads; h++) {
                struct attention_row *r = &w->row[w->rows];
                r->slot = u->slot + i, r->head = u->head + j * group + h;
                set_row(r, job->op, &u->in);
                float *q = w->scratch + job->q + w->rows++ * job->key_pitch;
                if (r->query >= 0) pack_row(q, &job->op->q, u->in.batch, r->query, r->head, job->key_pitch);
                else memset(q, 0, (size_t)job->key_pitch * sizeof *q);
            }
}

/* ---- keys and values of a block ------------------------------------------------------------------------- */

struct block { /* of all key heads, or of the one whose turn it is */
    const struct key_list *list;
    struct lines k, v;
    float gain[ATTENTION_BLOCK + LANES]; /* what products are multiplied by */
};

/* Rows where they lie. */
static void find_there(struct lines *to, const segue_tensor *t, const struct key_list *l)
{
    const int64_t step = t->stride[1] * (t->dtype.bits / 8);
    to->dtype = segue_dtype_id(t->dtype);
    for (int64_t i = 0; i < l->count; i++) to->at[i] = l->row[i] * step;
}

static void find_packed(struct lines *to, int64_t pitch, const struct key_list *l)
{
    to->dtype = SEGUE_F32;
    for (int64_t i = 0; i < l->count; i++) to->at[i] = i * pitch * (int64_t)sizeof(float);
}

static void find_lines(struct block *x, const struct attention_job *job)
{
    const int64_t count = x->list->count;
    if (job->k_there) find_there(&x->k, &job->op->k, x->list);
    else find_packed(&x->k, job->key_pitch, x->list);
    if (job->v_there) find_there(&x->v, &job->op->v, x->list);
    else find_packed(&x->v, job->value_pitch, x->list);
    for (int64_t i = count; i < count + 3; i++) x->k.at[i] = x->k.at[count - 1]; /* for whole fours */
    for (int64_t i = 0; i < count; i += LANES) lanes_store(x->gain + i, lanes_splat(job->scale));
}

/* 1 / sqrt(sum k^2 + eps width) of each key; a zero key's products are 0 whatever they are multiplied by. */
static void unit_gains(struct block *x, const struct attention_job *job)
{
    const float eps = (float)(job->op->key_eps * (double)job->keys);
    for (int64_t i = 0; i < x->list->count; i++) {
        const float *k = (const float *)(const void *)(x->k.base + x->k.at[i]);
        lanes sum = { 0 };
        for (int64_t c = 0; c < job->keys; c += LANES)
            sum = lanes_fma(lanes_load(k + c), lanes_load(k + c), sum);
        const float squares = lanes_total(sum) + eps;
        if (attention_far(squares)) x->gain[i] = job->scale * attention_far_inverse(job->op, k, 1);
        else x->gain[i] = job->scale / __builtin_sqrtf(squares);
    }
}

/* What is fetched meanwhile. Heads side by side: as many of the next block's lines, whole rows of all heads one after the other as
 * memory likes to be read. Otherwise the next key head's, behind the last one the first one's of the next block. */
static void fetch_next(struct lines *x, const struct attention_unit *u, const segue_tensor *t,
                       const struct key_list *l, int64_t head)
{
    const int64_t size = t->dtype.bits / 8, index = head - u->key_head, count = l->last - l->first;
    const intptr_t base = (intptr_t)x->base, row = t->stride[1] * size, next = t->stride[2] * size;
    const intptr_t block = base + l->last * row - index * next;
    const int side_by_side = t->stride[2] == t->shape[3] && t->stride[1] == u->key_heads * t->stride[2];
    x->fetch_step = side_by_side ? next : row;
    if (side_by_side) x->fetch = block + index * count * next;
    else x->fetch = index + 1 < u->key_heads ? base + l->first * row + next : block;
}

static void use_there(struct lines *x, const struct attention_worker *w, const segue_tensor *t,
                      const struct key_list *l, int64_t head)
{
    const struct attention_unit *u = &w->unit;
    const int64_t at = u->in.batch * t->stride[0] + u->in.k * t->stride[1] + head * t->stride[2];
    x->base = (const char *)t->data + t->offset + at * (t->dtype.bits / 8);
    x->fetch = 0;
    if (!w->job->listed) fetch_next(x, u, t, l, head);
}

/* Rows of elements side by side to f32, zeros up to whole lines. */
INLINE void copy_rows_as(float *to, int64_t pitch, const char *from, int64_t step, const struct key_list *l,
                         int64_t width, const uint32_t dtype)
{
    const int64_t size = element_size(dtype), whole = width / LANES * LANES;
    for (int64_t i = 0; i < l->count; i++, to += pitch) {
        const char *row = from + l->row[i] * step;
        int64_t c = 0;
        for (; c < whole; c += LANES) lanes_store(to + c, element_load(row + c * size, dtype));
        if (c < width) lanes_store(to + c, element_load_some(row + c * size, dtype, width - c)), c += LANES;
        for (; c < pitch; c += LANES) lanes_store(to + c, (lanes){ 0 });
    }
}

static void copy_rows(float *to, int64_t pitch, const char *from, const segue_tensor *t,
                      const struct key_list *l)
{
    const uint32_t dtype = segue_dtype_id(t->dtype);
    const int64_t step = t->stride[1] * (t->dtype.bits / 8), width = t->shape[3];
    if (dtype == SEGUE_F32) copy_rows_as(to, pitch, from, step, l, width, SEGUE_F32);
    else if (dtype == SEGUE_F16) copy_rows_as(to, pitch, from, step, l, width, SEGUE_F16);
    else copy_rows_as(to, pitch, from, step, l, width, SEGUE_BF16);
}

static void use_packed(struct lines *x, const struct attention_worker *w, float *memory, int64_t pitch,
                       const segue_tensor *t, const struct key_list *l, int64_t head)
{
    const struct attention_sequence *in = &w->unit.in;
    const int64_t at = in->batch * t->stride[0] + in->k * t->stride[1] + head * t->stride[2];
    const char *from = (const char *)t->data + t->offset + at * (t->dtype.bits / 8);
    if (t->stride[3] == 1) copy_rows(memory, pitch, from, t, l);
    for (int64_t i = 0; t->stride[3] != 1 && i < l->count; i++)
        pack_row(memory + i * pitch, t, in->batch, in->k + l->row[i], head, pitch);
    x->base = (const char *)memory;
    x->fetch = 0;
}

static void take_head(struct block *x, const struct attention_worker *w, int64_t head)
{
    const struct attention_job *job = w->job;
    const segue_tensor *k = &job->op->k, *v = &job->op->v;
    if (job->k_there) use_there(&x->k, w, k, x->list, head);
    else use_packed(&x->k, w, w->scratch + job->k, job->key_pitch, k, x->list, head);
    if (job->v_there) use_there(&x->v, w, v, x->list, head);
    else use_packed(&x->v, w, w->scratch + job->v, job->value_pitch, v, x->list, head);
    if (job->op->key_norm == SEGUE_ATTENTION_UNIT) unit_gains(x, job);
}

/* ---- scores --------------------------------------------------------------------------------------------- */

/* Of the listed keys; NULL without. */
static const float *bias_of(const struct attention_worker *w, const struct attention_row *r,
                            const struct key_list *l)
{
    const segue_tensor *t = &w->job->op->bias;
    const struct attention_sequence *in = &w->unit.in;
    float *bias = w->scratch + w->job->bias;
    if (!attention_present(t)) return NULL;
    struct segue_strip s = strip_of(t, -1, 3);
    strip_move(&s, in->batch * t->stride[0] + r->head * t->stride[1] + (in->q + r->slot) * t->stride[2]);
    strip_cut_columns(&s, in->k + l->first, l->last - l->first);
    PACK(bias, ATTENTION_BLOCK, LANES, &s);
    for (int64_t i = 0; i < l->count; i++) bias[i] = bias[l->slot[i]];
    return bias;
}

static float weight_of_head(const segue_tensor *t, int64_t head)
{
    float value[LANES];
    struct segue_strip s = strip_of(t, -1, 0);
    strip_cut_columns(&s, head, 1);
    PACK(value, LANES, LANES, &s);
    return value[0];
}

static void add_slope(float *score, const struct attention_row *r, const struct key_list *l, float slope)
{
    for (int64_t i = 0; i < l->count; i++) {
        const double gap = (double)r->position - (double)l->position[i];
        score[i] -= slope * (float)(gap < 0 ? -gap : gap);
    }
}

/* Products become scores, but for masks. */
static void finish_scores(float *score, const struct attention_worker *w, const struct attention_row *r,
                          const struct block *x, const float *bias)
{
    const segue_attention *op = w->job->op;
    const int64_t count = x->list->count;
    const lanes cap = lanes_splat((float)attention_cap(op));
    for (int64_t i = 0; i < count; i += LANES) {
        lanes s = lanes_load(score + i) * lanes_load(x->gain + i);
        if (op->softcap > 0) s = cap * lanes_tanh(s / cap);
        if (bias) s += lanes_load(bias + i);
        lanes_store(score + i, s);
    }
    if (attention_present(&op->slopes)) add_slope(score, r, x->list, weight_of_head(&op->slopes, r->head));
}

static void apply_masks(float *score, const segue_attention *op, const struct attention_row *r,
                        const struct key_list *l, const struct visible *v)
{
    const lanes none = lanes_splat(-__builtin_inff()), own = lanes_splat((float)op->self_value);
    for (int64_t i = 0; i < l->count; i += LANES) {
        const lanes s = lanes_select(self_mask(r, l, i), own, lanes_load(score + i));
        lanes_store(score + i, lanes_select(v->mask[i / LANES], s, none));
    }
}

/* ---- weights -------------------------------------------------------------------------------------------- */

INLINE float largest(lanes v)
{
#if SEGUE_LANES > 4
    v = lanes_most(lanes_lower(v, v), lanes_upper(v, v)); /* two quarters are left of four, one of two */
#endif
    v = lanes_most(lanes_front(v, v), lanes_back(v, v));
    v = lanes_most(lanes_even(v, v), lanes_odd(v, v));
    return v[0] > v[LANES / 4] ? v[0] : v[LANES / 4];
}

/* Scores become weights; what sums so far are to be multiplied by. gain: NULL, or what scores are yet to be multiplied by. A score
 * that is no number is passed over by the maximum and makes a weight that is none. */
static float weigh(float *score, const struct key_list *l, const float *gain, float *total, float *most)
{
    const lanes none = lanes_splat(-__builtin_inff());
    const int64_t whole = l->count / LANES * LANES, rest = l->count - whole;
    lanes high = none;
    for (int64_t i = 0; gain && i < l->count; i += LANES)
        lanes_store(score + i, lanes_load(score + i) * lanes_load(gain + i));
    if (rest) lanes_store(score + whole, lanes_only(lanes_load(score + whole), rest, -__builtin_inff()));
    for (int64_t i = 0; i < l->count; i += LANES) high = lanes_most(lanes_load(score + i), high);
    const float before = *most, found = largest(high), now = found > before ? found : before;
    const float shift = shift_of(now), factor = now == before ? 1 : exp_of(before - shift);
    lanes sum = lanes_load(total) * lanes_splat(factor);
    for (int64_t i = 0; i < l->count; i += LANES) {
        lanes p = lanes_exp(lanes_load(score + i) - lanes_splat(shift));
        if (l->repeated) p *= lanes_only(lanes_load(l->times + i), l->count - i, 0);
        lanes_store(score + i, p);
        sum += p;
    }
    lanes_store(total, sum);
    *most = now;
    return factor;
}

/* Weights of row number `at` in score; whether it sees all keys (1), none (0) or those of v->list (-1). */
static int weigh_row(const struct attention_worker *w, const struct state *s, const struct block *x, int64_t at,
                     float *score, struct visible *v, float *factor)
{
    const struct attention_row *r = &w->row[at];
    const struct key_list *l = x->list;
    int all = sees_all(r, l);
    if (!all && !r->self_there && (r->low > l->highest || r->high < l->lowest)) return 0;
    const float *bias = bias_of(w, r, l);
    if (!all || bias) {
        find_visible(v, r, l, bias);
        if (!v->count) return 0;
        all = v->count == l->count && !r->self_there;
    }
    const int plain = all && w->job->plain;
    if (!plain) finish_scores(score, w, r, x, bias);
    if (!all) apply_masks(score, w->job->op, r, l, v);
    *factor = weigh(score, l, plain ? x->gain : NULL, s->total + at * LINE_FLOATS, &s->most[at]);
    return all || v->count == l->count ? 1 : -1;
}

/* ---- one key head's rows with one block ----------------------------------------------------------------- */

static void attend(const struct attention_worker *w, const struct state *s, const struct block *x,
                   int64_t first, int64_t count)
{
    const struct attention_job *job = w->job;
    float *score = w->scratch + job->scores, factor[ATTENTION_ROWS];
    int sees[ATTENTION_ROWS];
    struct visible v;
    struct sums sums = { .pitch = job->value_pitch,
                         .width = whole_lanes(job->values),
                         .fetch = x->v.fetch != 0 };
    products(w->scratch + job->q + first * job->key_pitch, job->key_pitch, &x->k, x->list->count,
             whole_lanes(job->keys), score, count);
    for (int64_t i = 0; i < count; i++) {
        float *weight = score + i * ATTENTION_BLOCK;
        sees[i] = weigh_row(w, s, x, first + i, weight, &v, &factor[i]);
        if (sees[i] >= 0) continue;
        sums.sum = s->sum + (first + i) * sums.pitch, sums.weight = weight, sums.factor = &factor[i];
        sums.list = v.list, sums.keys = v.count;
        add_values(&sums, &x->v, 1);
    }
    sums.list = NULL, sums.keys = x->list->count;
    for (int64_t i = 0, rows; i < count; i += rows) {
        for (rows = 0; rows < ABREAST && i + rows < count && sees[i + rows] == 1;) rows++;
        if (!rows) {
            rows = 1;
            continue;
        }
        if (rows < ABREAST) rows = rows >= 2 ? 2 : 1;
        sums.sum = s->sum + (first + i) * sums.pitch, sums.weight = score + i * ATTENTION_BLOCK;
        sums.factor = &factor[i];
        add_values(&sums, &x->v, rows);
        sums.fetch = 0;
    }
}

/* All key heads with the keys at slots [from, to). */
static void one_block(const struct attention_worker *w, const struct state *s, struct key_list *l, int64_t from,
                      int64_t to)
{
    const struct attention_job *job = w->job;
    const struct attention_unit *u = &w->unit;
    const int by_head = attention_present(&job->op->k_index) || attention_present(&job->op->label);
    const int64_t rows = u->slots * u->heads;
    struct block x;
    x.list = l;
    for (int64_t j = 0; j < u->key_heads; j++) {
        if (!j || by_head) {
            if (job->listed) list_keys(l, job, u, u->key_head + j, from, to);
            else list_rows(l, from, to);
            if (l->count) find_lines(&x, job);
        }
        if (!l->count) continue;
        take_head(&x, w, u->key_head + j);
        attend(w, s, &x, j * rows, rows);
    }
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void part(struct attention_worker *w, int64_t number, float *memory)
{
    const struct attention_unit *u = &w->unit;
    const struct state s = state_at(w, memory);
    const int64_t from = number * ATTENTION_PART, to = least(from + ATTENTION_PART, u->in.keys);
    struct key_list list;
    memset(&list, 0, sizeof list);
    memset(s.sum, 0, (size_t)(w->rows * w->job->value_pitch) * sizeof *s.sum);
    memset(s.total, 0, (size_t)(w->rows * LINE_FLOATS) * sizeof *s.total);
    for (int64_t i = 0; i < w->rows; i++) s.most[i] = -__builtin_inff();
    for (int64_t a = from; a < to; a += ATTENTION_BLOCK)
        for (int i = 0; i < 2; i++) {
            const int64_t end = least(least(a + ATTENTION_BLOCK, to), u->sees[i].last);
            int64_t start = i && u->sees[0].last > a ? u->sees[0].last : a;
            /* Lanes are the same slots' whatever else is in the unit. */
            if (!w->job->listed && u->sees[i].first > a) start = u->sees[i].first / LANES * LANES;
            if (start < end && u->sees[i].first < end) one_block(w, &s, &list, start, end);
        }
}

/* ---- parts together, and out ---------------------------------------------------------------------------- */

static void scale_sums(float *sum, const float *more, float factor, float of_more, int64_t count)
{
    const lanes a = lanes_splat(factor), b = lanes_splat(of_more);
    for (int64_t i = 0; i < count; i += LANES)
        lanes_store(sum + i, lanes_fma(lanes_load(more + i), b, lanes_load(sum + i) * a));
}

/* A part without keys has sums of 0: then exp gives 0 or exactly 1, and no bit of the other changes. */
static void merge(const struct attention_worker *w, float *memory, const float *later)
{
    const struct state a = state_at(w, memory), b = state_at(w, (float *)(uintptr_t)later);
    const int64_t pitch = w->job->value_pitch;
    for (int64_t i = 0; i < w->rows; i++) {
        const float most = a.most[i] > b.most[i] ? a.most[i] : b.most[i], shift = shift_of(most);
        const float first = exp_of(a.most[i] - shift), second = exp_of(b.most[i] - shift);
        scale_sums(a.total + i * LINE_FLOATS, b.total + i * LINE_FLOATS, first, second, LANES);
        scale_sums(a.sum + i * pitch, b.sum + i * pitch, first, second, pitch);
        a.most[i] = most;
    }
}

static void put_row(const segue_tensor *t, int64_t b, int64_t row, int64_t head, float *values, int64_t pitch)
{
    struct segue_strip s = strip_of(t, -1, t->rank - 1);
    strip_move(&s, b * t->stride[0] + row * t->stride[1] + head * t->stride[2]);
    if (t->rank == 3) s.columns = 1;
    else s.columns = t->shape[3];
    if (s.columns) UNPACK(&s, values, pitch, LANES);
}

/* The sink is one more part: a weight, and no value. */
static float with_sink(const segue_tensor *sink, int64_t head, float *most, float total, float *factor)
{
    const float at = weight_of_head(sink, head);
    if (at == -__builtin_inff()) return total;
    const float high = *most < at || total == 0 ? at : *most;
    *factor = total == 0 ? 1 : exp_of(*most - high);
    *most = high;
    return total * *factor + exp_of(at - high);
}

static void end(struct attention_worker *w, float *memory)
{
    const struct attention_job *job = w->job;
    const segue_attention *op = job->op;
    const struct state s = state_at(w, memory);
    const int64_t pitch = job->value_pitch, b = w->unit.in.batch;
    for (int64_t i = 0; i < w->rows; i++) {
        const struct attention_row *r = &w->row[i];
        float *sum = s.sum + i * pitch, total = lanes_total(lanes_load(s.total + i * LINE_FLOATS)), factor = 1;
        if (r->out < 0) continue;
        if (attention_present(&op->sink)) total = with_sink(&op->sink, r->head, &s.most[i], total, &factor);
        const lanes divisor = lanes_splat(total == 0 ? 1 : total), scale = lanes_splat(factor);
        for (int64_t c = 0; c < pitch; c += LANES) lanes_store(sum + c, lanes_load(sum + c) * scale / divisor);
        put_row(&op->y, b, r->out, r->head, sum, pitch);
        if (!attention_present(&op->lse)) continue;
        float lse[LANES];
        lanes_store(lse, lanes_splat(s.most[i]) + lanes_log(lanes_splat(total)));
        if (total == 0) lse[0] = -__builtin_inff();
        put_row(&op->lse, b, r->out, r->head, lse, LANES);
    }
}

const struct attention_kernel SEGUE_ISA_NAME(segue_attention) = { LANES, begin, part, merge, end };
