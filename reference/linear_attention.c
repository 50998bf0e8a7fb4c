/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Linear attention by its definition: arXiv:2006.16236 eq. 4 to 6 (all keys) and 8 to 20 (causal), with the
 * feature maps of feature_maps.h and the denominators of idiap/fast-transformers, lucidrains/performer-pytorch,
 * google-research/performer and OpenNLPLab/cosFormer. For every sequence and head, from S_in or 0 and n_in or 0:
 *
 *     phi_j = phi(k_j) keep_j                              [b c h f]
 *     S_i = S_in + sum over j of phi_j v_j^T               [p h f v]   j <= i where causal, else all keys
 *     n_i = n_in + sum over j of phi_j                     [p h f]
 *     q~_i = scale phi(q_i)                                [b t h f]
 *     y_i = S_i^T q~_i / den(q~_i . n_i)                   [b t h v]
 *
 * S_out and n_out = the last S and n. */
#include "feature_maps.h"

typedef struct head { /* one head of one sequence; what follows `key_shift` lies in the workspace */
    const segue_linear_attention *op;
    features of_q, of_k;
    int64_t h, count, values; /* count: of features */
    real key_shift;
    real *S, *n, *phi, *value,
        *scratch; /* [f v] and [f], kept unrounded; [f]; [v]; what features_of() works in */
} head;

/* What phi is for queries (x = q) or keys (x = k). */
static features map_of(const segue_linear_attention *op, const segue_tensor *x)
{
    features of;
    of.W = x == &op->k && present(&op->W_k) ? &op->W_k : &op->W;
    of.bias = &op->bias;
    of.width = x->shape[3];
    of.map = op->map, of.position = op->position;
    of.shift_mode = SEGUE_LINEAR_ATTENTION_ROW;
    if (x == &op->k) of.shift_mode = op->key_shift;
    of.length = op->length ? op->length : op->position + x->shape[1];
    of.scale = op->map_scale, of.eps = op->map_eps, of.shift = op->shift;
    return of;
}

/* Key and value (q->b, t). */
static void add(const head *r, const sequence *q, int64_t t)
{
    const segue_linear_attention *op = r->op;
    const int keep = !present(&op->keep) || load_int(&op->keep, q->b, t);
    const real zero = 0;
    if (keep) features_of(&r->of_k, &op->k, q, t, r->h, r->key_shift, r->scratch, r->phi);
    for (int64_t v = 0; v < r->values; v++) r->value[v] = weighed(load(&op->v, q->b, t, r->h, v), r->count);
    for (int64_t f = 0; f < r->count; f++) {
        if (!keep) r->phi[f] = zero;
        for (int64_t v = 0; v < r->values; v++) {
            real *const S = &r->S[f * r->values + v];
            *S = mac(*S, r->phi[f], r->value[v]);
        }
        if (op->norm) r->n[f] = r->n[f] + r->phi[f];
    }
}

/* den(q~ . n), q~ in phi */
static real denominator(const head *r)
{
    const int64_t norm = r->op->norm;
    const real eps = r->op->eps;
    real qn = 0;
    for (int64_t f = 0; f < r->count; f++)
        qn = mac(qn, r->phi[f], norm == SEGUE_LINEAR_ATTENTION_ADD_EPS_PER_FEATURE ? r->n[f] + eps : r->n[f]);
    if (norm == SEGUE_LINEAR_ATTENTION_ADD_EPS) return qn + eps;
    if (norm == SEGUE_LINEAR_ATTENTION_CLAMP_EPS) return real_max(eps, qn);
    if (norm == SEGUE_LINEAR_ATTENTION_GUARD) return real_select(real_abs(qn) - eps, qn, qn + 2 * eps);
    return qn;
}

/* Query (q->b, t) meets the sums as they are. */
static void answer(const head *r, const sequence *q, int64_t t)
{
    const segue_linear_attention *op = r->op;
    const real none = 0;
    features_of(&r->of_q, &op->q, q, t, r->h, none, r->scratch, r->phi);
    for (int64_t f = 0; f < r->count; f++) r->phi[f] = op->scale * r->phi[f];
    real den = 1;
    if (op->norm) den = denominator(r);
    for (int64_t v = 0; v < r->values; v++) {
        real y = 0;
        for (int64_t f = 0; f < r->count; f++) y = mac(y, r->phi[f], r->S[f * r->values + v]);
        store(&op->y, op->norm ? y / den : y, q->b, t, r->h, v);
    }
}

static void load_sums(const head *r, const sequence *q)
{
    const segue_linear_attention *op = r->op;
    const real zero = 0;
    for (int64_t f = 0; f < r->count; f++) {
        for (int64_t v = 0; v < r->values; v++)
            r->S[f * r->values + v] =
                q->read >= 0 && present(&op->S_in) ? load(&op->S_in, q->read, r->h, f, v) : zero;
        r->n[f] = q->read >= 0 && present(&op->n_in) ? load(&op->n_in, q->read, r->h, f, 0) : zero;
    }
}

static void store_sums(const head *r, const sequence *q)
{
    const segue_linear_attention *op = r->op;
    for (int64_t f = 0; q->write >= 0 && f < r->count; f++) {
        for (int64_t v = 0; present(&op->S_out) && v < r->values; v++)
            store(&op->S_out, r->S[f * r->values + v], q->write, r->h, f, v);
        if (present(&op->n_out)) store(&op->n_out, r->n[f], q->write, r->h, f, 0);
    }
}

/* q: the sequence's queries; k: its keys, the same tokens where causal. */
static void attend(const head *r, const sequence *q, const sequence *k)
{
    load_sums(r, q);
    for (int64_t t = k->first; t < k->first + k->count; t++) {
        step();
        add(r, k, t);
        if (r->op->causal) answer(r, q, t);
    }
    for (int64_t t = q->first; !r->op->causal && t < q->first + q->count; t++) answer(r, q, t);
    store_sums(r, q);
}

static void blank(const segue_linear_attention *op, const sequence *q, int64_t h)
{
    const real zero = 0;
    for (int64_t t = q->first; t < q->first + q->count; t++)
        for (int64_t v = 0; v < op->y.shape[3]; v++) store(&op->y, zero, q->b, t, h, v);
}

/* Numbers that segue_reference_linear_attention() works in. */
int64_t segue_reference_linear_attention_work(const segue_op_header *header)
{
    const segue_linear_attention *op = (const segue_linear_attention *)header;
    const features of = map_of(op, &op->k);
    const int64_t values = op->v.shape[3];
    return size_sum(size_product(features_count(&of), size_sum(values, 2)),
                    size_sum(values, features_work(&of)));
}

void segue_reference_linear_attention(const segue_op_header *header, real *work)
{
    const segue_linear_attention *op = (const segue_linear_attention *)header;
    const int64_t pool = present(&op->S_in) ? op->S_in.shape[0] : op->S_out.shape[0];
    head r;
    r.op = op, r.of_q = map_of(op, &op->q), r.of_k = map_of(op, &op->k);
    r.count = features_count(&r.of_k), r.values = op->v.shape[3];
    r.S = work, r.n = r.S + r.count * r.values, r.phi = r.n + r.count, r.value = r.phi + r.count;
    r.scratch = r.value + r.values;
    for (int64_t s = 0; s < sequence_count(&op->q, &op->cu_seqlens); s++) {
        const sequence q = sequence_at(s, &op->q, &op->cu_seqlens, &op->slot, pool),
                       k = sequence_at(s, &op->k, &op->cu_seqlens, &op->slot, pool);
        for (r.h = 0; r.h < op->q.shape[2]; r.h++) {
            if (q.padding) {
                blank(op, &q, r.h);
                continue;
            }
            r.key_shift = features_shift(&r.of_k, &op->k, &op->keep, &k, r.h, r.scratch);
            attend(&r, &q, &k);
        }
    }
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)dev;
    return fits_workspace(segue_reference_linear_attention_work(op))
               ? NULL
               : "k: its features, with v, are at most 2^60 numbers of workspace";
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_linear_attention_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_linear_attention(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_linear_attention_reference;
const segue_row segue_row_linear_attention_reference = {
    .name = "linear_attention_reference",
    .primitive = SEGUE_LINEAR_ATTENTION,
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
