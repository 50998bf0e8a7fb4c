/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The gated matrix-state recurrence by its definition: arXiv:2312.06635 eq. 3, with the normaliser of
 * arXiv:2006.16236 eq. 18 to 20 and the input gain of arXiv:2405.04517. For every sequence and state head h,
 * from S_0 = S_in or 0 and n_0 = n_in or 0:
 *
 *     S_t = diag(e^gk_t) e^g_t S_t-1 + gain_t k_t v_t^T      [p h k v]
 *     n_t = diag(e^gk_t) e^g_t n_t-1 + gain_t k_t            [p h k]
 *     q~_t = scale q_t                                       [b t i k]
 *     y_t = S_t^T q~_t / den(q~_t . n_t)                     [b t o v]
 *     y_t = (y_t + D v_t) silu(z_t)
 *
 * Head a of y reads the state head and the q head that head_map gives, state head h a k head. S_out and
 * n_out = the last S and n. What other writes and reads the primitive names is refused. */
#include "operands.h"

typedef struct head { /* one state head of one sequence; what follows `values` lies in the workspace */
    const segue_gated_recurrence *op;
    const sequence *q;
    int64_t h, keys, values;
    real *S, *n;    /* [k v] and [k], kept unrounded */
    real *query;    /* [k] */
    real *log_sums; /* [1+k] belong to the hook: of g, of gk */
    real *value;    /* [v] what the token writes */
} head;

static const segue_tensor *first_of(const segue_tensor *a, const segue_tensor *b)
{
    return present(a) ? a : b;
}

/* An operand with axes b and t. Without any, tokens do nothing: any tensor will do. */
static const segue_tensor *timed(const segue_gated_recurrence *op)
{
    return first_of(&op->v, first_of(&op->q, first_of(&op->g, first_of(&op->gk, &op->S_in))));
}

static int64_t state_heads(const segue_gated_recurrence *op)
{
    return present(&op->v) ? op->v.shape[2] : op->S_in.shape[1];
}

static int64_t key_width(const segue_gated_recurrence *op)
{
    return present(&op->k) ? op->k.shape[3] : op->S_in.shape[2];
}

static int64_t value_width(const segue_gated_recurrence *op)
{
    return first_of(&op->v, &op->S_in)->shape[3];
}

/* Which of n heads the head a of m reads. */
static int64_t mapped(const segue_gated_recurrence *op, int64_t a, int64_t m, int64_t n)
{
    return op->head_map == SEGUE_GATED_RECURRENCE_MOD ? a % n : a / (m / n);
}

static void decay(const head *r, int64_t t)
{
    const segue_gated_recurrence *op = r->op;
    const int by_head = present(&op->g), by_key = present(&op->gk);
    real factor = 1;
    if (by_head) factor = real_exp(log_decay(&r->log_sums[0], load(&op->g, r->q->b, t, r->h, 0)));
    for (int64_t k = 0; (by_head || by_key) && k < r->keys; k++) {
        real each = factor;
        if (by_key) {
            const real own = real_exp(log_decay(&r->log_sums[1 + k], load(&op->gk, r->q->b, t, r->h, k)));
            each = by_head ? own * factor : own;
        }
        for (int64_t v = 0; v < r->values; v++) r->S[k * r->values + v] = each * r->S[k * r->values + v];
        if (op->norm) r->n[k] = each * r->n[k];
    }
}

static void add(const head *r, int64_t t)
{
    const segue_gated_recurrence *op = r->op;
    const int64_t j = mapped(op, r->h, state_heads(op), op->k.shape[2]);
    real gain = 1;
    if (present(&op->gain)) gain = load(&op->gain, r->q->b, t, r->h, 0);
    if (present(&op->gain) && op->gain_domain == SEGUE_GATED_RECURRENCE_LOG) gain = real_exp(gain);
    for (int64_t v = 0; v < r->values; v++) r->value[v] = weighed(load(&op->v, r->q->b, t, r->h, v), r->keys);
    for (int64_t k = 0; k < r->keys; k++) {
        const real loaded = load(&op->k, r->q->b, t, j, k), key = present(&op->gain) ? gain * loaded : loaded;
        for (int64_t v = 0; v < r->values; v++) {
            real *const S = &r->S[k * r->values + v];
            *S = mac(*S, key, r->value[v]);
        }
        if (op->norm) r->n[k] = r->n[k] + key;
    }
}

/* den(q~ . n) */
static real denominator(const head *r)
{
    const int64_t norm = r->op->norm;
    const real eps = r->op->eps;
    real qn = 0;
    for (int64_t k = 0; k < r->keys; k++)
        qn = mac(qn, r->query[k], norm == SEGUE_GATED_RECURRENCE_ADD_EPS_PER_FEATURE ? r->n[k] + eps : r->n[k]);
    if (norm == SEGUE_GATED_RECURRENCE_ADD_EPS) return qn + eps;
    if (norm == SEGUE_GATED_RECURRENCE_CLAMP_EPS) return real_max(eps, qn);
    if (norm == SEGUE_GATED_RECURRENCE_GUARD) return real_select(real_abs(qn) - eps, qn, qn + 2 * eps);
    return qn;
}

/* Head a of y. */
static void answer(const head *r, int64_t t, int64_t a)
{
    const segue_gated_recurrence *op = r->op;
    const int64_t b = r->q->b, i = mapped(op, a, op->y.shape[2], op->q.shape[2]);
    for (int64_t k = 0; k < r->keys; k++) r->query[k] = op->scale * load(&op->q, b, t, i, k);
    real den = 1;
    if (op->norm) den = denominator(r);
    for (int64_t v = 0; v < r->values; v++) {
        real y = 0;
        for (int64_t k = 0; k < r->keys; k++) y = mac(y, r->query[k], r->S[k * r->values + v]);
        if (op->norm) y = y / den;
        if (present(&op->D)) y = y + load(&op->D, r->h, v, 0, 0) * load(&op->v, b, t, r->h, v);
        if (present(&op->z)) y = y * real_silu(load(&op->z, b, t, a, v));
        store(&op->y, y, b, t, a, v);
    }
}

static void load_state(const head *r)
{
    const segue_gated_recurrence *op = r->op;
    const real zero = 0;
    for (int64_t k = 0; k < r->keys; k++) {
        for (int64_t v = 0; v < r->values; v++)
            r->S[k * r->values + v] =
                r->q->read >= 0 && present(&op->S_in) ? load(&op->S_in, r->q->read, r->h, k, v) : zero;
        r->n[k] = r->q->read >= 0 && present(&op->n_in) ? load(&op->n_in, r->q->read, r->h, k, 0) : zero;
    }
    for (int64_t k = 0; k < 1 + r->keys; k++) r->log_sums[k] = zero;
}

static void store_state(const head *r)
{
    const segue_gated_recurrence *op = r->op;
    for (int64_t k = 0; r->q->write >= 0 && k < r->keys; k++) {
        for (int64_t v = 0; present(&op->S_out) && v < r->values; v++)
            store(&op->S_out, r->S[k * r->values + v], r->q->write, r->h, k, v);
        if (present(&op->n_out)) store(&op->n_out, r->n[k], r->q->write, r->h, k, 0);
    }
}

/* One state head over its sequence, and the heads of y that read it. */
static void recur(const head *r)
{
    const segue_gated_recurrence *op = r->op;
    const int64_t heads = state_heads(op), readers = present(&op->y) ? op->y.shape[2] : 0;
    load_state(r);
    for (int64_t t = r->q->first; t < r->q->first + r->q->count; t++) {
        step();
        decay(r, t);
        if (present(&op->k)) add(r, t);
        for (int64_t a = 0; a < readers; a++)
            if (mapped(op, a, readers, heads) == r->h) answer(r, t, a);
    }
    store_state(r);
}

static void blank(const segue_gated_recurrence *op, const sequence *q)
{
    const real zero = 0;
    for (int64_t t = q->first; present(&op->y) && t < q->first + q->count; t++)
        for (int64_t a = 0; a < op->y.shape[2]; a++)
            for (int64_t v = 0; v < op->y.shape[3]; v++) store(&op->y, zero, q->b, t, a, v);
}

/* Numbers that segue_reference_gated_recurrence() works in. */
int64_t segue_reference_gated_recurrence_work(const segue_op_header *header)
{
    const segue_gated_recurrence *op = (const segue_gated_recurrence *)header;
    const int64_t keys = key_width(op), values = value_width(op);
    return size_sum(size_product(keys, size_sum(values, 3)), size_sum(1, values));
}

void segue_reference_gated_recurrence(const segue_op_header *header, real *work)
{
    const segue_gated_recurrence *op = (const segue_gated_recurrence *)header;
    const int64_t keys = key_width(op), values = value_width(op);
    const int64_t pool = first_of(&op->S_in, &op->S_out)->shape[0];
    const int64_t count = present(&op->slot) ? op->slot.shape[0] : sequence_count(timed(op), &op->cu_seqlens);
    real *const n = work + keys * values;
    for (int64_t s = 0; s < count; s++) {
        const sequence q = sequence_at(s, timed(op), &op->cu_seqlens, &op->slot, pool);
        for (int64_t h = 0; !q.padding && h < state_heads(op); h++) {
            const head r = { op, &q, h, keys, values, work, n, n + keys, n + 2 * keys, n + 3 * keys + 1 };
            recur(&r);
        }
        if (q.padding) blank(op, &q);
    }
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_gated_recurrence *op = (const segue_gated_recurrence *)header;
    (void)dev;
    return op->write == SEGUE_GATED_RECURRENCE_DELTA       ? "write: DELTA is not offered yet"
           : op->write == SEGUE_GATED_RECURRENCE_DPLR      ? "write: DPLR is not offered yet"
           : op->erase == SEGUE_GATED_RECURRENCE_UNDECAYED ? "erase: UNDECAYED is not offered yet"
           : op->read == SEGUE_GATED_RECURRENCE_EXCLUSIVE  ? "read: EXCLUSIVE is not offered yet"
           : op->norm == SEGUE_GATED_RECURRENCE_MAX1       ? "norm: MAX1 is not offered yet"
           : present(&op->gv)                              ? "gv: decays of value columns are not offered yet"
           : !fits_workspace(segue_reference_gated_recurrence_work(header))
               ? "k: with v at most 2^60 numbers of workspace"
               : NULL;
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_gated_recurrence_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_gated_recurrence(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_gated_recurrence_reference;
const segue_row segue_row_gated_recurrence_reference = {
    .name = "gated_recurrence_reference",
    .primitive = SEGUE_GATED_RECURRENCE,
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
