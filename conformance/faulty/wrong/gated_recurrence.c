/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plain gated recurrence in f32, token after token, with one flaw a row. TILE stands for what a real kernel takes at once: flaws
 * of its fast path are in whole tiles only. */
#include "wrong.h"

#define FLAWS(FLAW)               \
    FLAW(norm_starts_at_zero)     \
    FLAW(decay_after_write)       \
    FLAW(decay_squared_at_edge)   \
    FLAW(head_map_swapped)        \
    FLAW(log_gain_decayed)        \
    FLAW(carry_lost)              \
    FLAW(norm_not_decayed)        \
    FLAW(eps_dropped_in_step)     \
    FLAW(scale_behind_norm)       \
    FLAW(skip_before_norm)        \
    FLAW(z_ignored_beyond_states) \
    FLAW(key_decay_per_head)      \
    FLAW(bf16_read)               \
    FLAW(guard_as_add)            \
    FLAW(decay_factored)          \
    FLAW(state_packed)            \
    FLAW(states_only_short)       \
    FLAW(empty_sequence_cleared)

#define NAMED(name) RECUR_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

enum { TILE = 16 };

struct recur {
    const segue_gated_recurrence *op;
    enum flaw flaw;
    span q;
    int64_t number; /* of the sequence */
    int64_t h, heads, keys, values;
    float *S, *n;  /* [k v], [k]; of decay_factored: over exp(sum) */
    float *factor; /* [k] decays of the token */
    float *query;  /* [k] */
    float *sum;    /* [k] logs of decays since the tile's beginning */
};

static const segue_tensor *either(const segue_tensor *a, const segue_tensor *b)
{
    return given(a) ? a : b;
}

static const segue_tensor *rows_of_tokens(const segue_gated_recurrence *op)
{
    return either(&op->v, either(&op->q, either(&op->g, &op->gk)));
}

static int64_t map(const struct recur *r, int64_t a, int64_t m, int64_t n)
{
    const int swapped = r->flaw == RECUR_head_map_swapped;
    const int modulo = (r->op->head_map == SEGUE_GATED_RECURRENCE_MOD) != swapped;
    return modulo ? a % n : a / (m / n);
}

/* Token t of the sequence is in a whole tile. */
static int in_tile(const struct recur *r, int64_t t)
{
    return t < r->q.count / TILE * TILE;
}

/* state_packed: as if k and v had no gaps and v lay innermost. */
static char *state_place(const struct recur *r, const segue_tensor *s, int64_t row, int64_t k, int64_t v)
{
    const int64_t size = s->dtype.bits / 8;
    const int64_t at = (int64_t)s->offset + index_of(s, row, r->h, 0, 0) * size + (k * r->values + v) * size;
    if (r->flaw != RECUR_state_packed) return place_of(s, row, r->h, k, v);
    return (char *)s->data + clamped(at, (int64_t)s->bytes - size);
}

static void begin(struct recur *r)
{
    const segue_gated_recurrence *op = r->op;
    const int from_n = given(&op->n_in) && r->q.read >= 0 && r->flaw != RECUR_norm_starts_at_zero;
    for (int64_t k = 0; k < r->keys; k++) {
        r->n[k] = from_n ? load(&op->n_in, r->q.read, r->h, k, 0) : 0;
        r->sum[k] = 0;
        for (int64_t v = 0; v < r->values; v++)
            r->S[k * r->values + v] = given(&op->S_in) && r->q.read >= 0
                                          ? load_bytes(&op->S_in, state_place(r, &op->S_in, r->q.read, k, v))
                                          : 0;
    }
}

static void finish(const struct recur *r)
{
    const segue_gated_recurrence *op = r->op;
    const float keep = r->flaw == RECUR_empty_sequence_cleared && !r->q.count && r->number ? 0 : 1;
    for (int64_t k = 0; k < r->keys && r->q.write >= 0; k++) {
        if (given(&op->n_out)) store(&op->n_out, keep * r->n[k], r->q.write, r->h, k, 0);
        for (int64_t v = 0; v < r->values && given(&op->S_out); v++)
            store_bytes(&op->S_out, state_place(r, &op->S_out, r->q.write, k, v),
                        keep * r->S[k * r->values + v]);
    }
}

/* The logs of a token's decays, [k] in factor; 0 = there are none. */
static int logs_of(struct recur *r, int64_t t)
{
    const segue_gated_recurrence *op = r->op;
    const int per_head = r->flaw == RECUR_key_decay_per_head;
    const float g = given(&op->g) ? load(&op->g, r->q.b, r->q.first + t, r->h, 0) : 0;
    for (int64_t k = 0; k < r->keys; k++) {
        r->factor[k] = g;
        if (given(&op->gk)) r->factor[k] += load(&op->gk, r->q.b, r->q.first + t, r->h, per_head ? 0 : k);
    }
    return given(&op->g) || given(&op->gk);
}

static void decay(struct recur *r, int64_t t)
{
    const int twice = r->flaw == RECUR_decay_squared_at_edge && t && t % TILE == 0;
    if (!logs_of(r, t)) return;
    for (int64_t k = 0; k < r->keys; k++) {
        const float f = expf(twice ? 2 * r->factor[k] : r->factor[k]);
        for (int64_t v = 0; v < r->values; v++) r->S[k * r->values + v] *= f;
        if (r->flaw != RECUR_norm_not_decayed) r->n[k] *= f;
    }
}

/* decay_factored: within a tile the state lacks the decays, and what is written is divided by them. */
static void decay_by_factors(struct recur *r, int64_t t)
{
    if (t % TILE == 0)
        for (int64_t k = 0; k < r->keys; k++) r->sum[k] = 0;
    logs_of(r, t);
    for (int64_t k = 0; k < r->keys; k++) r->sum[k] += r->factor[k];
}

static void undo_factors(struct recur *r)
{
    for (int64_t k = 0; k < r->keys; k++) {
        for (int64_t v = 0; v < r->values; v++) r->S[k * r->values + v] *= expf(r->sum[k]);
        r->n[k] *= expf(r->sum[k]);
        r->sum[k] = 0;
    }
}

static void write(struct recur *r, int64_t t)
{
    const segue_gated_recurrence *op = r->op;
    const int64_t j = map(r, r->h, r->heads, op->k.shape[2]), at = r->q.first + t;
    float gain = given(&op->gain) ? load(&op->gain, r->q.b, at, r->h, 0) : 1;
    if (given(&op->gain) && op->gain_domain == SEGUE_GATED_RECURRENCE_LOG) gain = expf(gain);
    for (int64_t k = 0; k < r->keys; k++) {
        const float key = gain * load(&op->k, r->q.b, at, j, k) * expf(-r->sum[k]);
        for (int64_t v = 0; v < r->values; v++)
            r->S[k * r->values + v] += key * load(&op->v, r->q.b, at, r->h, v);
        r->n[k] += key;
    }
}

static float denominator(const struct recur *r, int64_t t)
{
    const segue_gated_recurrence *op = r->op;
    const float eps = r->flaw == RECUR_eps_dropped_in_step && r->q.count == 1 ? 0 : (float)op->eps;
    const int each = op->norm == SEGUE_GATED_RECURRENCE_ADD_EPS_PER_FEATURE;
    const int add = r->flaw == RECUR_guard_as_add && op->norm == SEGUE_GATED_RECURRENCE_GUARD && in_tile(r, t);
    const float scale = r->flaw == RECUR_scale_behind_norm && in_tile(r, t) ? (float)op->scale : 1;
    float qn = 0;
    for (int64_t k = 0; k < r->keys; k++)
        qn += r->query[k] / scale * (r->n[k] * expf(r->sum[k]) + (each ? eps : 0));
    if (add || op->norm == SEGUE_GATED_RECURRENCE_ADD_EPS) return qn + eps;
    if (op->norm == SEGUE_GATED_RECURRENCE_CLAMP_EPS) return qn > eps ? qn : eps;
    if (op->norm == SEGUE_GATED_RECURRENCE_GUARD) return fabsf(qn) <= eps ? qn + 2 * eps : qn;
    return qn;
}

static float read(const struct recur *r, int64_t t, int64_t v)
{
    const int narrow = r->flaw == RECUR_bf16_read && r->q.count > 1;
    float y = 0;
    (void)t;
    for (int64_t k = 0; k < r->keys; k++) {
        const float s = r->S[k * r->values + v];
        y += r->query[k] * expf(r->sum[k]) * (narrow ? to_bf16(s) : s);
    }
    return y;
}

static void answer(struct recur *r, int64_t t, int64_t a)
{
    const segue_gated_recurrence *op = r->op;
    const int64_t b = r->q.b, at = r->q.first + t, i = map(r, a, op->y.shape[2], op->q.shape[2]);
    const int early = r->flaw == RECUR_skip_before_norm && r->number > 0;
    const int ungated = r->flaw == RECUR_z_ignored_beyond_states && a >= r->heads && in_tile(r, t);
    for (int64_t k = 0; k < r->keys; k++) r->query[k] = (float)op->scale * load(&op->q, b, at, i, k);
    const float den = op->norm ? denominator(r, t) : 1;
    for (int64_t v = 0; v < r->values; v++) {
        const float skip = given(&op->D) ? load(&op->D, r->h, v, 0, 0) * load(&op->v, b, at, r->h, v) : 0;
        float y = read(r, t, v) + (early ? skip : 0);
        y = y / den + (early ? 0 : skip);
        if (given(&op->z) && !ungated) {
            const float z = load(&op->z, b, at, a, v);
            y *= z / (1 + expf(-z));
        }
        store(&op->y, y, b, at, a, v);
    }
}

static void token(struct recur *r, int64_t t)
{
    const segue_gated_recurrence *op = r->op;
    const int factored = r->flaw == RECUR_decay_factored;
    const int late =
        r->flaw == RECUR_decay_after_write || (r->flaw == RECUR_log_gain_decayed && given(&op->gain) &&
                                               op->gain_domain == SEGUE_GATED_RECURRENCE_LOG);
    if (r->flaw == RECUR_carry_lost && t == 2 * TILE)
        memset(r->S, 0, (size_t)(r->keys * r->values) * sizeof *r->S);
    if (factored) decay_by_factors(r, t);
    else if (!late) decay(r, t);
    if (given(&op->k)) write(r, t);
    if (late) decay(r, t);
    for (int64_t a = 0; given(&op->y) && a < op->y.shape[2]; a++)
        if (map(r, a, op->y.shape[2], r->heads) == r->h) answer(r, t, a);
    if (factored && (t % TILE == TILE - 1 || t == r->q.count - 1)) undo_factors(r);
}

static void blank(const struct recur *r)
{
    const segue_tensor *y = &r->op->y;
    for (int64_t t = 0; given(y) && t < r->q.count; t++)
        for (int64_t a = 0; a < y->shape[2]; a++)
            for (int64_t v = 0; v < y->shape[3]; v++) store(y, 0, r->q.b, r->q.first + t, a, v);
}

static void measure(struct recur *r)
{
    const segue_gated_recurrence *op = r->op;
    r->heads = given(&op->v) ? op->v.shape[2] : op->S_in.shape[1];
    r->keys = given(&op->k) ? op->k.shape[3] : op->S_in.shape[2];
    r->values = given(&op->v) ? op->v.shape[3] : op->S_in.shape[3];
}

static segue_status compute(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    struct recur r = { .op = (const segue_gated_recurrence *)header, .flaw = flaw };
    const segue_gated_recurrence *op = r.op;
    const segue_tensor *x = rows_of_tokens(op), *state = either(&op->S_in, &op->S_out);
    measure(&r);
    r.S = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    r.n = r.S + r.keys * r.values;
    r.factor = r.n + r.keys, r.query = r.factor + r.keys, r.sum = r.query + r.keys;
    for (r.number = 0; r.number < span_count(x, &op->cu_seqlens); r.number++) {
        r.q = span_of(r.number, x, &op->cu_seqlens, &op->slot, state);
        if (r.q.padding) blank(&r);
        if (flaw == RECUR_states_only_short && !given(&op->y) && r.q.count % TILE == 1) r.q.count--;
        for (r.h = 0; r.h < r.heads && !r.q.padding; r.h++) {
            begin(&r);
            for (int64_t t = 0; t < r.q.count; t++) token(&r, t);
            finish(&r);
        }
    }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_gated_recurrence *op = (const segue_gated_recurrence *)header;
    (void)dev;
    if (has_f64(header, offsetof(segue_gated_recurrence, q), offsetof(segue_gated_recurrence, y)))
        return "q: no operand may be f64";
    if (!given(&op->v) && !given(&op->q)) return "q: absent, and so is v";
    if (op->write || op->erase || op->read || op->norm == SEGUE_GATED_RECURRENCE_MAX1 || given(&op->gv))
        return "write: ADD, INCLUSIVE and plain sums only";
    return NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    struct recur r = { .op = (const segue_gated_recurrence *)header };
    (void)dev, (void)why;
    measure(&r);
    plan->workspace_bytes = (uint64_t)(r.keys * r.values + 4 * r.keys) * sizeof(float);
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(gated_recurrence, SEGUE_GATED_RECURRENCE, flaw, compute, RECUR_##flaw)
FLAWS(ROW)
