/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The gated recurrence in chunks of 16 or 64 tokens, as arXiv:2312.06635 section 4 and arXiv:2405.21060 section 6 have it: with G_t
 * the sum of a chunk's log decays up to token t, per key,
 *
 *     y_t   = sum over k of q_t,k e^(G_t,k) S_k  +  sum over s <= t of (sum over k of q_t,k k_s,k e^(G_t,k - G_s,k)) gain_s v_s
 *     S'_k  = e^(G_C,k) S_k  +  sum over s of e^(G_C,k - G_s,k) k_s,k gain_s v_s
 *
 * and the sum of keys as a value that is 1. Exponents are differences, at most 0. Floats of 16 bits: the code below, or the one
 * behind it, whichever is nearer. */
#include <segue/kit.h>

#include <math.h>

enum { LONGEST = 64 };

struct grid { /* one state head of one sequence */
    const segue_gated_recurrence *op;
    int64_t row, head, keys, values, heads; /* row: of the batch */
    int64_t begin, length, from, to;        /* tokens; pool rows, -1 = none */
    float *state, *total;                   /* [k v], [k] */
    float *sums, *query;                    /* [LONGEST k], [k] */
};

struct small { /* 16 bits: 1 sign, then exponent, then mantissa */
    int mantissa, bias;
};

static struct small small_of(const segue_tensor *t)
{
    return t->dtype.code == SEGUE_CODE_BFLOAT ? (struct small){ 7, 127 } : (struct small){ 10, 15 };
}

/* What a code without its sign stands for; the code of infinity: the power of two that comes next. */
static double number(struct small f, int code)
{
    const int field = code >> f.mantissa;
    const int digits = field ? code - (field << f.mantissa) + (1 << f.mantissa) : code;
    return ldexp(digits, (field ? field : 1) - f.bias - f.mantissa);
}

/* The largest code whose number is at most x, x >= 0; at most that of infinity. */
static int code_below(struct small f, double x)
{
    const int top = ((2 << (14 - f.mantissa)) - 1) << f.mantissa;
    int code = 0;
    for (int bit = 1 << 14; bit; bit >>= 1)
        if ((code | bit) <= top && number(f, code | bit) <= x) code |= bit;
    return code;
}

static const char *where(const segue_tensor *t, int64_t a, int64_t b, int64_t c, int64_t d)
{
    const int64_t step = a * t->stride[0] + b * t->stride[1] + (t->rank > 2 ? c * t->stride[2] : 0) +
                         (t->rank > 3 ? d * t->stride[3] : 0);
    return (const char *)t->data + ((int64_t)t->offset + step * t->dtype.bits / 8);
}

static float get(const segue_tensor *t, int64_t a, int64_t b, int64_t c, int64_t d)
{
    const char *at = where(t, a, b, c, d);
    const struct small f = small_of(t);
    uint16_t word;
    float x;
    if (t->dtype.bits == 32) return memcpy(&x, at, sizeof x), x;
    memcpy(&word, at, sizeof word);
    const int code = word & 0x7fff, infinite = ((1 << (15 - f.mantissa)) - 1) << f.mantissa;
    x = code > infinite ? NAN : code == infinite ? INFINITY : (float)number(f, code);
    return word >> 15 ? -x : x;
}

static void put(const segue_tensor *t, float x, int64_t a, int64_t b, int64_t c, int64_t d)
{
    char *at = (char *)(uintptr_t)where(t, a, b, c, d);
    const struct small f = small_of(t);
    if (t->dtype.bits == 32) {
        memcpy(at, &x, sizeof x);
        return;
    }
    const int infinite = ((1 << (15 - f.mantissa)) - 1) << f.mantissa;
    const double size = x < 0 ? -(double)x : x;
    int code = isnan(x) ? infinite + 1 : code_below(f, size);
    if (code < infinite) { /* it, or the next */
        const double low = size - number(f, code), high = number(f, code + 1) - size;
        code += high < low || (high == low && code % 2);
    }
    const uint16_t word = (uint16_t)(code | (signbit(x) ? 0x8000 : 0));
    memcpy(at, &word, sizeof word);
}

static int32_t whole(const segue_tensor *t, int64_t a, int64_t b)
{
    int32_t x;
    memcpy(&x,
           (const char *)t->data + (int64_t)t->offset +
               4 * (a * t->stride[0] + (t->rank > 1 ? b * t->stride[1] : 0)),
           4);
    return x;
}

static int is_there(const segue_tensor *t)
{
    return t->dtype.bits > 0;
}

static int64_t shared(const segue_gated_recurrence *op, int64_t one, int64_t many, int64_t few)
{
    return op->head_map == SEGUE_GATED_RECURRENCE_DIV ? one * few / many : one % few;
}

/* Running sums of the logs from token t0 on. */
static void sum_logs(struct grid *r, int64_t t0, int64_t count)
{
    const segue_gated_recurrence *op = r->op;
    for (int64_t t = 0; t < count; t++)
        for (int64_t k = 0; k < r->keys; k++) {
            float sum = t ? r->sums[(t - 1) * r->keys + k] : 0;
            if (is_there(&op->g)) sum += get(&op->g, r->row, t0 + t, r->head, 0);
            if (is_there(&op->gk)) sum += get(&op->gk, r->row, t0 + t, r->head, k);
            r->sums[t * r->keys + k] = sum;
        }
}

static float gain_at(const struct grid *r, int64_t t)
{
    const segue_gated_recurrence *op = r->op;
    if (!is_there(&op->gain)) return 1;
    const float gain = get(&op->gain, r->row, t, r->head, 0);
    return op->gain_domain == SEGUE_GATED_RECURRENCE_LINEAR ? gain : expf(gain);
}

static float key_at(const struct grid *r, int64_t t, int64_t k)
{
    return get(&r->op->k, r->row, t, shared(r->op, r->head, r->heads, r->op->k.shape[2]), k);
}

/* What the chunk's own tokens weigh for token t of it. */
static void weigh(const struct grid *r, int64_t t0, int64_t t, float *weight)
{
    for (int64_t s = 0; s <= t; s++) {
        float score = 0;
        for (int64_t k = 0; k < r->keys; k++)
            score +=
                r->query[k] * expf(r->sums[t * r->keys + k] - r->sums[s * r->keys + k]) * key_at(r, t0 + s, k);
        weight[s] = score * gain_at(r, t0 + s);
    }
}

static float quotient(const struct grid *r, float num, float den)
{
    const float eps = (float)r->op->eps;
    switch (r->op->norm) {
    case SEGUE_GATED_RECURRENCE_UNNORMALISED: return num;
    case SEGUE_GATED_RECURRENCE_ADD_EPS: return num / (den + eps);
    case SEGUE_GATED_RECURRENCE_CLAMP_EPS: return num / (den < eps ? eps : den);
    case SEGUE_GATED_RECURRENCE_GUARD: return num / (den <= eps && den >= -eps ? den + eps + eps : den);
    default: return num / den; /* of each feature's eps, den has them */
    }
}

static float sum_of_keys(const struct grid *r, const float *old, const float *weight, int64_t own)
{
    const int each = r->op->norm == SEGUE_GATED_RECURRENCE_ADD_EPS_PER_FEATURE;
    float den = 0;
    for (int64_t k = 0; k < r->keys; k++)
        den += old[k] * r->total[k] + (each ? r->query[k] * (float)r->op->eps : 0);
    for (int64_t s = 0; s < own; s++) den += weight[s];
    return den;
}

/* Head a of y at token t of the chunk. old: [k] the query behind the decays since the chunk began. */
static void emit(const struct grid *r, int64_t t0, int64_t t, int64_t a, float *old)
{
    const segue_gated_recurrence *op = r->op;
    const int64_t own = is_there(&op->k) ? t + 1 : 0, i = shared(op, a, op->y.shape[2], op->q.shape[2]);
    float weight[LONGEST];
    for (int64_t k = 0; k < r->keys; k++) {
        r->query[k] = (float)op->scale * get(&op->q, r->row, t0 + t, i, k);
        old[k] = r->query[k] * expf(r->sums[t * r->keys + k]);
    }
    if (own) weigh(r, t0, t, weight);
    const float den = sum_of_keys(r, old, weight, own);
    for (int64_t v = 0; v < r->values; v++) {
        float y = 0;
        for (int64_t k = 0; k < r->keys; k++) y += old[k] * r->state[k * r->values + v];
        for (int64_t s = 0; s < own; s++) y += weight[s] * get(&op->v, r->row, t0 + s, r->head, v);
        y = quotient(r, y, den);
        if (is_there(&op->D)) y += get(&op->D, r->head, v, 0, 0) * get(&op->v, r->row, t0 + t, r->head, v);
        if (is_there(&op->z)) {
            const float z = get(&op->z, r->row, t0 + t, a, v);
            y *= z / (1 + expf(-z));
        }
        put(&op->y, y, r->row, t0 + t, a, v);
    }
}

static void carry(struct grid *r, int64_t t0, int64_t count)
{
    const float *last = r->sums + (count - 1) * r->keys;
    for (int64_t k = 0; k < r->keys; k++) {
        const float kept = expf(last[k]);
        r->total[k] *= kept;
        for (int64_t v = 0; v < r->values; v++) r->state[k * r->values + v] *= kept;
        for (int64_t s = 0; is_there(&r->op->k) && s < count; s++) {
            const float key =
                key_at(r, t0 + s, k) * gain_at(r, t0 + s) * expf(last[k] - r->sums[s * r->keys + k]);
            r->total[k] += key;
            for (int64_t v = 0; v < r->values; v++)
                r->state[k * r->values + v] += key * get(&r->op->v, r->row, t0 + s, r->head, v);
        }
    }
}

static void go(struct grid *r, int64_t chunk)
{
    const segue_gated_recurrence *op = r->op;
    const int start = r->from >= 0 && is_there(&op->S_in), start_sum = r->from >= 0 && is_there(&op->n_in);
    for (int64_t k = 0; k < r->keys; k++) {
        r->total[k] = start_sum ? get(&op->n_in, r->from, r->head, k, 0) : 0;
        for (int64_t v = 0; v < r->values; v++)
            r->state[k * r->values + v] = start ? get(&op->S_in, r->from, r->head, k, v) : 0;
    }
    for (int64_t t0 = 0; t0 < r->length; t0 += chunk) {
        const int64_t count = r->length - t0 < chunk ? r->length - t0 : chunk, first = r->begin + t0;
        sum_logs(r, first, count);
        for (int64_t a = 0; is_there(&op->y) && a < op->y.shape[2]; a++)
            for (int64_t t = 0; shared(op, a, op->y.shape[2], r->heads) == r->head && t < count; t++)
                emit(r, first, t, a, r->query + r->keys);
        carry(r, first, count);
    }
    for (int64_t k = 0; k < r->keys && r->to >= 0; k++) {
        if (is_there(&op->n_out)) put(&op->n_out, r->total[k], r->to, r->head, k, 0);
        for (int64_t v = 0; v < r->values && is_there(&op->S_out); v++)
            put(&op->S_out, r->state[k * r->values + v], r->to, r->head, k, v);
    }
}

static int64_t within(int64_t x, int64_t most)
{
    return x > most ? most : x > 0 ? x : 0;
}

/* Tokens and pool rows of sequence s. 1: padding. */
static int locate(struct grid *r, int64_t s, int64_t tokens)
{
    const segue_gated_recurrence *op = r->op;
    const int64_t pool = is_there(&op->S_in) ? op->S_in.shape[0] : op->S_out.shape[0];
    r->row = s, r->begin = 0, r->length = tokens, r->from = r->to = s;
    if (is_there(&op->cu_seqlens)) {
        r->row = 0, r->begin = within(whole(&op->cu_seqlens, s, 0), tokens);
        r->length = within(within(whole(&op->cu_seqlens, s + 1, 0), tokens) - r->begin, tokens);
    }
    if (!is_there(&op->slot)) return 0;
    r->from = whole(&op->slot, s, 0), r->to = whole(&op->slot, s, 1);
    r->from = r->from >= pool ? -1 : r->from, r->to = r->to >= pool ? -1 : r->to;
    return r->from < 0 && r->to < 0;
}

static void clear(const struct grid *r)
{
    const segue_tensor *y = &r->op->y;
    for (int64_t t = 0; is_there(y) && t < r->length; t++)
        for (int64_t a = 0; a < y->shape[2]; a++)
            for (int64_t v = 0; v < y->shape[3]; v++) put(y, 0, r->row, r->begin + t, a, v);
}

static void measure(struct grid *r)
{
    const segue_gated_recurrence *op = r->op;
    const segue_tensor *v = is_there(&op->v) ? &op->v : &op->q;
    r->keys = is_there(&op->k) ? op->k.shape[3] : op->q.shape[3];
    r->values = is_there(&op->v) ? v->shape[3] : op->y.shape[3];
    r->heads = is_there(&op->v) ? v->shape[2] : op->S_in.shape[1];
}

static segue_status chunked(const segue_op_header *header, const segue_kit_call *call, int64_t chunk)
{
    struct grid r = { .op = (const segue_gated_recurrence *)header };
    const segue_tensor *x = is_there(&r.op->v) ? &r.op->v : &r.op->q;
    const int64_t count = is_there(&r.op->cu_seqlens) ? r.op->cu_seqlens.shape[0] - 1 : x->shape[0];
    measure(&r);
    r.state = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    r.total = r.state + r.keys * r.values, r.sums = r.total + r.keys, r.query = r.sums + LONGEST * r.keys;
    for (int64_t s = 0; s < count; s++) {
        const int padding = locate(&r, s, x->shape[1]);
        if (padding) clear(&r);
        for (r.head = 0; !padding && r.head < r.heads; r.head++) go(&r, chunk);
    }
    return SEGUE_OK;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    struct grid r = { .op = (const segue_gated_recurrence *)header };
    (void)dev, (void)why;
    measure(&r);
    plan->workspace_bytes = (uint64_t)(r.keys * (r.values + 3 + LONGEST)) * sizeof(float);
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_gated_recurrence *op = (const segue_gated_recurrence *)header;
    (void)dev;
    for (const segue_tensor *t = &op->q; t <= &op->y; t++)
        if (t->dtype.bits == 64) return "q: no operand may be f64";
    if (!is_there(&op->q) && !is_there(&op->v)) return "v: absent, and so is q";
    return op->write || op->read || op->erase || op->norm == SEGUE_GATED_RECURRENCE_MAX1 || is_there(&op->gv)
               ? "write: sums of outer products only"
               : NULL;
}

static segue_status run_16(const segue_op_header *op, const segue_kit_call *call)
{
    return chunked(op, call, 16);
}

static segue_status run_64(const segue_op_header *op, const segue_kit_call *call)
{
    return chunked(op, call, 64);
}

extern const segue_row segue_row_gated_recurrence_chunk_16;
const segue_row segue_row_gated_recurrence_chunk_16 = {
    .name = "gated_recurrence_chunk_16",
    .primitive = SEGUE_GATED_RECURRENCE,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_CHUNK_LOG,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run_16,
};

extern const segue_row segue_row_gated_recurrence_chunk_64;
const segue_row segue_row_gated_recurrence_chunk_64 = {
    .name = "gated_recurrence_chunk_64",
    .primitive = SEGUE_GATED_RECURRENCE,
    .since = 1,
    .priority = 90,
    .accuracy = SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_CHUNK_LOG,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run_64,
};
