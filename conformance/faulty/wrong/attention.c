/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plain online softmax in f32, over tiles of keys, with one flaw a row. Many flaws are in the path of one query or of several only: real
 * kernels have a prefill and a decode. */
#include "wrong.h"

#define FLAWS(FLAW)            \
    FLAW(mask_ahead)           \
    FLAW(align_swapped)        \
    FLAW(lse_base_2)           \
    FLAW(edge_key_twice)       \
    FLAW(no_maximum)           \
    FLAW(sink_in_each_tile)    \
    FLAW(sink_has_a_value)     \
    FLAW(lse_without_sink)     \
    FLAW(step_window_wider)    \
    FLAW(padding_at_minus_1e4) \
    FLAW(head_modulo)          \
    FLAW(scale_of_values)      \
    FLAW(cap_behind_bias)      \
    FLAW(step_slope_reversed)  \
    FLAW(sum_not_rescaled)     \
    FLAW(k_len_of_row_0)       \
    FLAW(self_before_label)    \
    FLAW(nan_masked)           \
    FLAW(tail_of_cache_read)   \
    FLAW(empty_row_left_out)   \
    FLAW(bf16_weights)         \
    FLAW(index_clamped)        \
    FLAW(history_leaks)        \
    FLAW(offset_of_row_0)

#define NAMED(name) ATTEND_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

enum { TILE = 16 };

struct range { /* what is asked at once: a batch row, or a packed sequence */
    int64_t b, q, queries, k, keys, rows, first;
};

struct query { /* one slot of one head */
    const segue_attention *op;
    const struct range *in;
    enum flaw flaw;
    int64_t h, j, slot, item, row, position;
    float most, Z, *sum; /* [v] */
};

struct key {
    int64_t row, times, distance;
    int self, padding;
};

/* ---- what there is -------------------------------------------------------------------------------- */

static int32_t index_at(const segue_tensor *t, int64_t i, int64_t j, int64_t k)
{
    int32_t x;
    memcpy(&x, place_of(t, i, j, k, 0), sizeof x);
    return x;
}

static int64_t slots_of(const segue_attention *op)
{
    return given(&op->q_index) ? op->q_index.shape[2] : op->q.shape[1];
}

static int is_step(const segue_attention *op)
{
    return slots_of(op) == 1;
}

static int64_t row_of(const struct query *r, const segue_tensor *index, int64_t item, int64_t rows)
{
    if (item < 0 || rows == 0) return -1;
    if (!given(index)) return item;
    return r->flaw == ATTEND_index_clamped && item >= rows ? rows - 1 : item % rows;
}

static struct range range_of(const segue_attention *op, enum flaw flaw, int64_t s)
{
    const segue_tensor none = { .rank = 0 };
    const int64_t keys = given(&op->k_index) ? op->k_index.shape[2] : op->k.shape[1];
    struct range in = { s, 0, slots_of(op), 0, keys, op->k.shape[1], 0 };
    if (given(&op->cu_seqlens)) {
        const span q = span_of(s, &op->q, &op->cu_seqlens, &none, &none),
                   k = span_of(s, &op->k, &op->cu_seqlens_k, &none, &none);
        in = (struct range){ 0, q.first, q.count, k.first, k.count, k.count, 0 };
    } else if (given(&op->k_len))
        in.rows = clamped(load_int(&op->k_len, flaw == ATTEND_k_len_of_row_0 ? 0 : s, 0), in.rows);
    const int swapped = flaw == ATTEND_align_swapped && !is_step(op) && in.rows > in.queries;
    if ((op->align == SEGUE_ATTENTION_BOTTOM_RIGHT) != swapped) in.first = in.rows - in.queries;
    else if (given(&op->q_offset))
        in.first = load_int(&op->q_offset, flaw == ATTEND_offset_of_row_0 ? 0 : s, 0);
    return in;
}

/* ---- masks ----------------------------------------------------------------------------------------- */

/* How often the chunks around the query's own are that of slot a. */
static int64_t times_of(const struct query *r, int64_t a)
{
    const segue_attention *op = r->op;
    if (!op->chunk) return 1;
    const int64_t count = (r->in->keys + op->chunk - 1) / op->chunk, own = r->slot / op->chunk,
                  of = a / op->chunk;
    int64_t times = 0;
    for (int64_t at = own - op->chunks_before; at <= own + op->chunks_after; at++)
        times += op->wrap ? ((at - of) % count == 0) : at == of;
    return times;
}

static int is_near(const struct query *r, int64_t ahead)
{
    const segue_attention *op = r->op;
    const int64_t wider = r->flaw == ATTEND_step_window_wider && is_step(op) && op->window_left >= 0;
    return (op->window_left < 0 || ahead >= -op->window_left - wider) &&
           (op->window_right < 0 || ahead <= op->window_right);
}

static int same_label(const struct query *r, int64_t item)
{
    const segue_tensor *label = &r->op->label;
    const int64_t end = given(label) ? label->shape[2] : 0, b = r->in->b;
    if (!given(label)) return 1;
    return r->item < end && item < end && index_at(label, b, r->h, r->item) == index_at(label, b, r->h, item);
}

static struct key key_at(const struct query *r, int64_t a)
{
    const segue_attention *op = r->op;
    const int64_t b = r->in->b, item = given(&op->k_index) ? index_at(&op->k_index, b, r->j, a) : a;
    struct key k = { .row = row_of(r, &op->k_index, item, op->k.shape[1]) };
    int64_t rows = r->in->rows;
    if (r->flaw == ATTEND_tail_of_cache_read && given(&op->k_len) && !is_step(op))
        rows = clamped((rows + TILE - 1) / TILE * TILE, op->k.shape[1]);
    if (k.row < 0 || k.row >= rows) return k;
    const int64_t ahead = (given(&op->k_pos) ? load_int(&op->k_pos, b, k.row) : k.row) - r->position;
    const int leaks = r->flaw == ATTEND_mask_ahead && !is_step(op) ? 1 : 0;
    k.distance = llabs(ahead);
    k.self = op->self_rule && ahead == 0;
    const int overruled = k.self && !(r->flaw == ATTEND_self_before_label && !is_step(op));
    if (!is_near(r, ahead) || (op->causal && ahead > leaks)) return k;
    if (!overruled && !same_label(r, item)) return k;
    k.padding = !overruled && given(&op->keep) && !load_int(&op->keep, b, r->in->k + k.row);
    if (k.padding && r->flaw != ATTEND_padding_at_minus_1e4) return k;
    k.times = times_of(r, a);
    if (r->flaw == ATTEND_edge_key_twice && a > 0 && (r->in->k + a) % TILE == 0) k.times *= 2;
    return k;
}

/* ---- scores ---------------------------------------------------------------------------------------- */

static float dot(const struct query *r, const struct key *k)
{
    const segue_attention *op = r->op;
    const int64_t width = op->k.shape[3], b = r->in->b, row = r->in->k + k->row;
    float sum = 0, square = (float)(op->key_eps * (double)width), length = 1;
    for (int64_t i = 0; op->key_norm && i < width; i++) {
        const float x = load(&op->k, b, row, r->j, i);
        square += x * x;
    }
    if (op->key_norm) length = square != 0 ? sqrtf(square) : 1;
    for (int64_t i = 0; i < width; i++)
        sum += load(&op->q, b, r->in->q + r->row, r->h, i) * (load(&op->k, b, row, r->j, i) / length);
    return sum;
}

static float cap(const segue_attention *op, float x)
{
    return op->softcap > 0 ? (float)op->softcap * tanhf(x / (float)op->softcap) : x;
}

/* -infinity: nothing is to be read. */
static float score_of(const struct query *r, const struct key *k, int64_t a)
{
    const segue_attention *op = r->op;
    const int wrong_width = r->flaw == ATTEND_scale_of_values && !is_step(op);
    const double width = (double)(wrong_width ? op->v.shape[3] : op->k.shape[3]);
    const float scale = (float)(op->scale != 0 ? op->scale : 1 / sqrt(width));
    const int late = r->flaw == ATTEND_cap_behind_bias && !is_step(op);
    const int away = r->flaw == ATTEND_step_slope_reversed && is_step(op);
    float bias = 0, s;
    if (k->padding) return -1e4f;
    if (k->self) return (float)op->self_value;
    if (given(&op->bias)) bias = load(&op->bias, r->in->b, r->h, r->in->q + r->slot, r->in->k + a);
    if (bias == -INFINITY) return bias;
    s = scale * dot(r, k);
    s = late ? cap(op, s + bias) : cap(op, s) + bias;
    if (given(&op->slopes)) s -= (away ? -1 : 1) * load(&op->slopes, r->h, 0, 0, 0) * (float)k->distance;
    return s;
}

/* ---- sums ------------------------------------------------------------------------------------------ */

static void rescale(struct query *r, float most)
{
    const float factor = r->most == -INFINITY ? 0 : expf(r->most - most);
    if (!(most > r->most)) return;
    for (int64_t v = 0; v < r->op->v.shape[3]; v++) r->sum[v] *= factor;
    if (r->flaw != ATTEND_sum_not_rescaled || r->most == -INFINITY) r->Z *= factor;
    r->most = most;
}

static void add(struct query *r, float weight, int64_t row)
{
    for (int64_t v = 0; v < r->op->v.shape[3]; v++)
        r->sum[v] += weight * load(&r->op->v, r->in->b, r->in->k + row, r->j, v);
}

static void attend_tile(struct query *r, int64_t from, int64_t to)
{
    const segue_attention *op = r->op;
    const int bare = r->flaw == ATTEND_no_maximum && !is_step(op);
    float scores[TILE], most = -INFINITY;
    struct key keys[TILE];
    int seen = 0;
    for (int64_t a = from; a < to; a++) {
        keys[a - from] = key_at(r, a);
        scores[a - from] = keys[a - from].times ? score_of(r, &keys[a - from], a) : -INFINITY;
        most = scores[a - from] > most || isnan(scores[a - from]) ? scores[a - from] : most;
        seen |= scores[a - from] != -INFINITY;
    }
    if (bare) r->most = 0;
    else if (isnan(most)) r->most = NAN;
    else rescale(r, most);
    for (int64_t a = 0; a < to - from; a++) {
        const float weight = scores[a] == -INFINITY ? 0 : (float)keys[a].times * expf(scores[a] - r->most);
        if (r->flaw == ATTEND_nan_masked && keys[a].row >= 0 && scores[a] == -INFINITY) add(r, 0, keys[a].row);
        if (scores[a] == -INFINITY) continue;
        r->Z += weight;
        add(r, r->flaw == ATTEND_bf16_weights && !is_step(op) ? to_bf16(weight) : weight, keys[a].row);
    }
    if (seen && from > 0 && given(&op->sink) && r->flaw == ATTEND_sink_in_each_tile)
        r->Z += expf(load(&op->sink, r->h, 0, 0, 0) - r->most);
}

/* The sink comes first: it is there even where no key is. */
static void begin(struct query *r)
{
    const segue_attention *op = r->op;
    r->most = -INFINITY, r->Z = 0;
    for (int64_t v = 0; v < op->v.shape[3]; v++) r->sum[v] = 0;
    if (!given(&op->sink)) return;
    const int bare = r->flaw == ATTEND_no_maximum && !is_step(op);
    const float sink = load(&op->sink, r->h, 0, 0, 0);
    r->most = bare ? 0 : sink;
    r->Z = expf(sink - r->most);
    if (r->flaw == ATTEND_sink_has_a_value && r->in->keys > 0 && !is_step(op)) add(r, r->Z, 0);
}

static void answer(struct query *r, int64_t to)
{
    const segue_attention *op = r->op;
    const float log2 = r->flaw == ATTEND_lse_base_2 ? 1.44269504f : 1;
    float Z = r->Z;
    if (r->flaw == ATTEND_empty_row_left_out && r->Z == 0) return;
    for (int64_t v = 0; v < op->v.shape[3]; v++)
        store(&op->y, r->Z == 0 ? 0 : r->sum[v] / r->Z, r->in->b, to, r->h, v);
    if (!given(&op->lse)) return;
    if (r->flaw == ATTEND_lse_without_sink && given(&op->sink))
        Z -= expf(load(&op->sink, r->h, 0, 0, 0) - r->most);
    store(&op->lse, Z == 0 ? -INFINITY : log2 * (r->most + logf(Z)), r->in->b, to, r->h, 0);
}

static void attend(struct query *r, int64_t slot)
{
    const segue_attention *op = r->op;
    const int64_t b = r->in->b, first = r->flaw == ATTEND_history_leaks && r->in->k > 0 && slot == 0 ? -1 : 0;
    const int64_t to = given(&op->o_index) ? index_at(&op->o_index, b, r->h, slot) : r->in->q + slot;
    if (to < 0 || to >= op->y.shape[1]) return;
    r->slot = slot;
    r->item = given(&op->q_index) ? index_at(&op->q_index, b, r->h, slot) : slot;
    r->row = row_of(r, &op->q_index, r->item, op->q.shape[1]);
    if (r->row >= 0 && given(&op->keep_q) && !load_int(&op->keep_q, b, r->in->q + r->row)) r->row = -1;
    r->position = r->row < 0 || given(&op->q_index) ? r->row : slot + r->in->first;
    if (r->row >= 0 && given(&op->q_pos)) r->position = load_int(&op->q_pos, b, r->row);
    begin(r);
    if (first < 0 && r->row >= 0) {
        const struct key before = { .row = -1, .times = 1 };
        const float s = score_of(r, &before, 0);
        if (s > r->most) rescale(r, s);
        r->Z += expf(s - r->most);
        add(r, expf(s - r->most), -1);
    }
    for (int64_t a = 0; r->row >= 0 && a < r->in->keys; a += TILE)
        attend_tile(r, a, a + TILE < r->in->keys ? a + TILE : r->in->keys);
    answer(r, to);
}

static segue_status attend_all(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    const segue_attention *op = (const segue_attention *)header;
    const int64_t heads = op->q.shape[2], key_heads = op->k.shape[2];
    struct query r = { .op = op,
                       .flaw = flaw,
                       .sum = (void *)((char *)call->workspace.data + call->workspace.offset) };
    for (int64_t s = 0; s < span_count(&op->q, &op->cu_seqlens); s++) {
        const struct range in = range_of(op, flaw, s);
        r.in = &in;
        for (r.h = 0; r.h < heads; r.h++) {
            const int modulo = flaw == ATTEND_head_modulo && !is_step(op);
            r.j = modulo ? r.h % key_heads : r.h / (heads / key_heads);
            for (int64_t slot = 0; slot < in.queries; slot++) attend(&r, slot);
        }
    }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return has_f64(header, offsetof(segue_attention, q), offsetof(segue_attention, lse))
               ? "q: no operand may be f64"
               : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_attention *op = (const segue_attention *)header;
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)op->v.shape[3] * sizeof(float);
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(attention, SEGUE_ATTENTION, flaw, attend_all, ATTEND_##flaw)
FLAWS(ROW)
