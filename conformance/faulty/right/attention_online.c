/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax attention over tiles of 16 or 64 key slots with a running maximum (arXiv:1805.02867, arXiv:2205.14135): the tile of 16 takes
 * exp, that of 64 exp2 of scores that hold the factor 1 / ln 2 already, and the last one rounds its weights to bf16, too. Floats
 * of 16 bits by scaling: f16 is f32 with its exponent 112 lower. */
#include <segue/kit.h>

#include <math.h>

enum { WIDEST = 64 };

struct kind {
    int tile, base_2, coarse; /* coarse: weights in bf16 */
};

struct look { /* one query of one head */
    const segue_attention *op;
    struct kind kind;
    int64_t b, q0, k0, queries, slots, rows, offset; /* of the batch row or the packed sequence */
    int64_t head, slot, item, row, at;               /* at: its position */
    float top, below, *out;                          /* running maximum and denominator; [v] */
};

/* ---- memory ----------------------------------------------------------------------------------------- */

static char *spot(const segue_tensor *t, const int64_t *index)
{
    int64_t elements = 0;
    for (int axis = 0; axis < t->rank; axis++) elements += index[axis] * t->stride[axis];
    return (char *)t->data + t->offset + elements * (t->dtype.bits / 8);
}

static float pull(const segue_tensor *t, int64_t a, int64_t b, int64_t c, int64_t d)
{
    const int64_t index[SEGUE_MAX_RANK] = { a, b, c, d };
    const int brain = t->dtype.code == SEGUE_CODE_BFLOAT;
    uint32_t bits = 0;
    float x;
    memcpy(&bits, spot(t, index), t->dtype.bits / 8); /* little-endian */
    if (t->dtype.bits == 16) {
        const uint32_t size = bits & 0x7fff;
        bits = (bits & 0x8000) << 16 | size << (brain ? 16 : 13);
        if (!brain && size >= 0x7c00) bits |= 0x7f800000;
    }
    memcpy(&x, &bits, sizeof x);
    return t->dtype.bits == 16 && !brain && fabsf(x) < 0x1p17f ? x * 0x1p112f : x;
}

static void push(const segue_tensor *t, float x, const int64_t *index)
{
    const int brain = t->dtype.code == SEGUE_CODE_BFLOAT, cut = brain ? 16 : 13;
    float y = x;
    uint32_t bits;
    if (t->dtype.bits == 16 && !brain) /* overflows become infinite behind the rounding */
        y = fabsf(x) < 65520 || x != x ? x * 0x1p-112f : copysignf(INFINITY, x);
    memcpy(&bits, &y, sizeof bits);
    if (t->dtype.bits == 16) {
        const uint32_t half = (1u << (cut - 1)) - 1 + (bits >> cut & 1), sign = bits >> 31;
        uint32_t size = bits & 0x7fffffff;
        size = x != x ? 0x7e00
                      : (size + half) >> cut; /* to nearest, ties to even; a carry goes up into the exponent */
        if (x != x && brain) size = 0x7fc0;
        if (!brain && size > 0x7c00 && x == x) size = 0x7c00;
        bits = size | sign << 15;
    }
    memcpy(spot(t, index), &bits, t->dtype.bits / 8);
}

static int64_t number_at(const segue_tensor *t, int64_t a, int64_t b, int64_t c)
{
    const int64_t index[SEGUE_MAX_RANK] = { a, b, c };
    int32_t x;
    memcpy(&x, spot(t, index), sizeof x);
    return x;
}

static int used(const segue_tensor *t)
{
    return t->dtype.bits > 0;
}

static int64_t between(int64_t x, int64_t least, int64_t most)
{
    return x > most ? most : x < least ? least : x;
}

/* ---- which keys ------------------------------------------------------------------------------------- */

struct seen {
    int64_t row, far;
    double count; /* 0: not seen */
    int self;
};

static double count_chunks(const struct look *l, int64_t slot)
{
    const segue_attention *op = l->op;
    if (op->chunk == 0) return 1;
    const int64_t last = (l->slots - 1) / op->chunk, mine = l->slot / op->chunk, its = slot / op->chunk;
    if (!op->wrap) return its >= mine - op->chunks_before && its <= mine + op->chunks_after;
    double count = 0;
    for (int64_t away = -op->chunks_before; away <= op->chunks_after; away++) {
        int64_t chunk = (mine + away) % (last + 1);
        if (chunk < 0) chunk += last + 1;
        count += chunk == its;
    }
    return count;
}

static int labelled_alike(const struct look *l, int64_t item)
{
    const segue_tensor *label = &l->op->label;
    if (!used(label)) return 1;
    if (l->item >= label->shape[2] || item >= label->shape[2]) return 0;
    return number_at(label, l->b, l->head, l->item) == number_at(label, l->b, l->head, item);
}

static struct seen look_at(const struct look *l, int64_t j, int64_t slot)
{
    const segue_attention *op = l->op;
    struct seen s = { .row = slot };
    int64_t item = slot;
    if (used(&op->k_index)) {
        item = number_at(&op->k_index, l->b, j, slot);
        if (item < 0 || op->k.shape[1] == 0) return s;
        s.row = item % op->k.shape[1];
    }
    if (s.row >= l->rows) return s;
    const int64_t place = used(&op->k_pos) ? number_at(&op->k_pos, l->b, s.row, 0) : s.row;
    s.far = place > l->at ? place - l->at : l->at - place;
    s.self = op->self_rule == SEGUE_ATTENTION_CONSTANT && s.far == 0;
    if (op->window_left >= 0 && place < l->at && s.far > op->window_left) return s;
    if (op->window_right >= 0 && place > l->at && s.far > op->window_right) return s;
    if (!s.self) {
        if (op->causal && place > l->at) return s;
        if (used(&op->keep) && number_at(&op->keep, l->b, l->k0 + s.row, 0) == 0) return s;
        if (!labelled_alike(l, item)) return s;
    }
    s.count = count_chunks(l, slot);
    return s;
}

/* ---- scores ----------------------------------------------------------------------------------------- */

static float measure(const struct look *l, const struct seen *s, int64_t j, int64_t slot)
{
    const segue_attention *op = l->op;
    const int64_t width = op->q.shape[3];
    const float unit = l->kind.base_2 ? 1.44269504f : 1;
    float bias = 0, product = 0, length = (float)op->key_eps * (float)width;
    if (s->self) return unit * (float)op->self_value;
    if (used(&op->bias)) bias = pull(&op->bias, l->b, l->head, l->q0 + l->slot, l->k0 + slot);
    if (bias == -INFINITY) return bias;
    for (int64_t i = 0; i < width; i++) {
        const float k = pull(&op->k, l->b, l->k0 + s->row, j, i);
        product = fmaf(pull(&op->q, l->b, l->q0 + l->row, l->head, i), k, product);
        length = fmaf(k, k, length);
    }
    if (op->key_norm == SEGUE_ATTENTION_UNIT && length != 0) product = product / sqrtf(length);
    product *= op->scale != 0 ? (float)op->scale : 1 / sqrtf((float)width);
    if (op->softcap != 0) product = (float)op->softcap * tanhf(product / (float)op->softcap);
    product += bias;
    if (used(&op->slopes)) product = fmaf(-pull(&op->slopes, l->head, 0, 0, 0), (float)s->far, product);
    return unit * product;
}

static float power(const struct look *l, float x)
{
    return l->kind.base_2 ? exp2f(x) : expf(x);
}

static float to_coarse(float x)
{
    const float high = x * 65537; /* Dekker's splitting: the upper 8 of 24 digits */
    return high - (high - x);
}

static void raise_top(struct look *l, float top)
{
    if (!(top > l->top)) return;
    const float rest = power(l, l->top - top); /* 0 of -infinity */
    for (int64_t v = 0; v < l->op->v.shape[3]; v++) l->out[v] *= rest;
    l->below *= rest;
    l->top = top;
}

static void take_tile(struct look *l, int64_t j, int64_t first, int64_t count)
{
    float scores[WIDEST], top = l->top;
    struct seen s[WIDEST];
    for (int64_t i = 0; i < count; i++) {
        s[i] = look_at(l, j, first + i);
        scores[i] = s[i].count > 0 ? measure(l, &s[i], j, first + i) : -INFINITY;
        if (scores[i] == -INFINITY) s[i].count = 0;
        if (scores[i] > top) top = scores[i];
    }
    raise_top(l, top);
    for (int64_t i = 0; i < count; i++) {
        if (s[i].count == 0) continue;
        const float weight = (float)s[i].count * power(l, scores[i] - l->top);
        const float rounded = l->kind.coarse ? to_coarse(weight) : weight;
        l->below += weight;
        for (int64_t v = 0; v < l->op->v.shape[3]; v++)
            l->out[v] += rounded * pull(&l->op->v, l->b, l->k0 + s[i].row, j, v);
    }
}

static void finish(const struct look *l, int64_t to)
{
    const segue_attention *op = l->op;
    const float inverse = l->below > 0 || l->below != l->below ? 1 / l->below : 0;
    for (int64_t v = 0; v < op->v.shape[3]; v++)
        push(&op->y, l->out[v] * inverse, (int64_t[4]){ l->b, to, l->head, v });
    if (!used(&op->lse)) return;
    const float top = l->kind.base_2 ? l->top * 0.693147181f : l->top;
    push(&op->lse, l->below == 0 ? -INFINITY : top + logf(l->below), (int64_t[3]){ l->b, to, l->head });
}

static void ask(struct look *l)
{
    const segue_attention *op = l->op;
    const int64_t j = l->head * op->k.shape[2] / op->q.shape[2];
    const int64_t to = used(&op->o_index) ? number_at(&op->o_index, l->b, l->head, l->slot) : l->q0 + l->slot;
    if (to < 0 || to >= op->y.shape[1]) return;
    l->item = used(&op->q_index) ? number_at(&op->q_index, l->b, l->head, l->slot) : l->slot;
    int there = l->item >= 0 && op->q.shape[1] > 0;
    l->row = there && used(&op->q_index) ? l->item % op->q.shape[1] : l->item;
    if (there && used(&op->keep_q)) there = number_at(&op->keep_q, l->b, l->q0 + l->row, 0) != 0;
    l->at = used(&op->q_index) ? l->row : l->offset + l->slot;
    if (there && used(&op->q_pos)) l->at = number_at(&op->q_pos, l->b, l->row, 0);
    l->top = -INFINITY, l->below = 0;
    for (int64_t v = 0; v < op->v.shape[3]; v++) l->out[v] = 0;
    for (int64_t first = 0; there && first < l->slots; first += l->kind.tile)
        take_tile(l, j, first, between(l->slots - first, 0, l->kind.tile));
    if (used(&op->sink)) { /* last: no key, no value */
        const float sink = pull(&op->sink, l->head, 0, 0, 0) * (l->kind.base_2 ? 1.44269504f : 1);
        raise_top(l, sink);
        l->below += power(l, sink - l->top);
    }
    finish(l, to);
}

/* ---- sequences -------------------------------------------------------------------------------------- */

static void cut(const segue_tensor *offsets, int64_t s, int64_t all, int64_t *first, int64_t *count)
{
    *first = between(number_at(offsets, s, 0, 0), 0, all);
    *count = between(number_at(offsets, s + 1, 0, 0), 0, all) - *first;
    if (*count < 0) *count = 0;
}

static void place(struct look *l, int64_t s)
{
    const segue_attention *op = l->op;
    l->b = s, l->q0 = l->k0 = 0;
    l->queries = used(&op->q_index) ? op->q_index.shape[2] : op->q.shape[1];
    l->slots = used(&op->k_index) ? op->k_index.shape[2] : op->k.shape[1];
    l->rows = used(&op->k_len) ? between(number_at(&op->k_len, s, 0, 0), 0, op->k.shape[1]) : op->k.shape[1];
    if (used(&op->cu_seqlens)) {
        l->b = 0;
        cut(&op->cu_seqlens, s, op->q.shape[1], &l->q0, &l->queries);
        cut(&op->cu_seqlens_k, s, op->k.shape[1], &l->k0, &l->slots);
        l->rows = l->slots;
    }
    l->offset = l->rows - l->queries;
    if (op->align == SEGUE_ATTENTION_TOP_LEFT)
        l->offset = used(&op->q_offset) ? number_at(&op->q_offset, s, 0, 0) : 0;
}

static segue_status attend(const segue_op_header *header, const segue_kit_call *call, struct kind kind)
{
    struct look l = { .op = (const segue_attention *)header, .kind = kind };
    const int64_t count = used(&l.op->cu_seqlens) ? l.op->cu_seqlens.shape[0] - 1 : l.op->q.shape[0];
    l.out = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    for (int64_t s = 0; s < count; s++) {
        place(&l, s);
        for (l.slot = 0; l.slot < l.queries; l.slot++)
            for (l.head = 0; l.head < l.op->q.shape[2]; l.head++) ask(&l);
    }
    return SEGUE_OK;
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)((const segue_attention *)op)->v.shape[3] * sizeof(float);
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)dev;
    for (size_t at = offsetof(segue_attention, q); at <= offsetof(segue_attention, lse);
         at += sizeof(segue_tensor))
        if (((const segue_tensor *)(const void *)((const char *)op + at))->dtype.bits == 64)
            return "q: no operand may be f64";
    return NULL;
}

/* What a matrix unit for bf16 is used for. */
static const char *accepts_bf16(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_attention *op = (const segue_attention *)header;
    const int both = segue_dtype_id(op->q.dtype) == SEGUE_BF16 && segue_dtype_id(op->k.dtype) == SEGUE_BF16;
    return both ? accepts(header, dev) : "k: wanted bf16, and q, too";
}

static segue_status run_16(const segue_op_header *op, const segue_kit_call *call)
{
    return attend(op, call, (struct kind){ .tile = 16 });
}

extern const segue_row segue_row_attention_online_16;
const segue_row segue_row_attention_online_16 = {
    .name = "attention_online_16",
    .primitive = SEGUE_ATTENTION,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run_16,
};

static segue_status run_64(const segue_op_header *op, const segue_kit_call *call)
{
    return attend(op, call, (struct kind){ .tile = 64, .base_2 = 1 });
}

extern const segue_row segue_row_attention_online_64;
const segue_row segue_row_attention_online_64 = {
    .name = "attention_online_64",
    .primitive = SEGUE_ATTENTION,
    .since = 1,
    .priority = 90,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run_64,
};

static segue_status run_bf16(const segue_op_header *op, const segue_kit_call *call)
{
    return attend(op, call, (struct kind){ .tile = 64, .coarse = 1 });
}

extern const segue_row segue_row_attention_online_bf16;
const segue_row segue_row_attention_online_bf16 = {
    .name = "attention_online_bf16",
    .primitive = SEGUE_ATTENTION,
    .since = 1,
    .priority = 80,
    .accuracy = SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_BF16_PRODUCT,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts_bf16,
    .prepare = prepare,
    .run = run_bf16,
};
