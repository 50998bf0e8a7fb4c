/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Gated linear attention by its definition: arXiv:2312.06635 eq. 3, its gate alpha_t of a key given as a log,
 * or as that of a whole head (fla-org/flash-linear-attention simple_gla), or both. For every sequence and head h
 * of v, from S_0 = S_in or 0:
 *
 *     alpha_t = e^g_t e^gk_t                        [b t h k]
 *     S_t = diag(alpha_t) S_t-1 + k_t v_t^T         [p h k v]
 *     y_t = (scale q_t) S_t                         [b t o v]
 *
 * q [b t i k] and k [b t j k] may have fewer heads: head_map tells which one head a of y or head h of v reads,
 * and which S a head of y reads. S_out = the last S. */
#include "operands.h"

/* Head number a of `many` shares one of `few` with others. */
static int64_t shared(const segue_gated_linear_attention *op, int64_t a, int64_t many, int64_t few)
{
    return op->head_map == SEGUE_GATED_LINEAR_ATTENTION_MOD ? a % few : a / (many / few);
}

/* log_sums [1+k] belong to the hook; value [v] is scratch. */
static void advance(const segue_gated_linear_attention *op, int64_t b, int64_t t, int64_t h, real *S,
                    real *log_sums, real *value)
{
    const int64_t keys = op->k.shape[3], values = op->v.shape[3];
    const int64_t j = shared(op, h, op->v.shape[2], op->k.shape[2]);
    real head = 1;
    if (present(&op->g)) head = real_exp(log_decay(log_sums, load(&op->g, b, t, h, 0)));
    for (int64_t v = 0; v < values; v++) value[v] = weighed(load(&op->v, b, t, h, v), keys);
    for (int64_t k = 0; k < keys; k++) {
        const real key = load(&op->k, b, t, j, k);
        real alpha = head;
        if (present(&op->gk)) alpha = real_exp(log_decay(&log_sums[1 + k], load(&op->gk, b, t, h, k)));
        if (present(&op->g) && present(&op->gk)) alpha = head * alpha;
        for (int64_t v = 0; v < values; v++) {
            real s = S[k * values + v];
            if (present(&op->g) || present(&op->gk)) s = alpha * s;
            S[k * values + v] = mac(s, key, value[v]);
        }
    }
}

/* Head a of y. query [k] is scratch. */
static void answer(const segue_gated_linear_attention *op, int64_t b, int64_t t, int64_t a, const real *S,
                   real *query)
{
    const int64_t keys = op->k.shape[3], values = op->v.shape[3];
    const int64_t i = shared(op, a, op->y.shape[2], op->q.shape[2]);
    for (int64_t k = 0; k < keys; k++) query[k] = op->scale * load(&op->q, b, t, i, k);
    for (int64_t v = 0; v < values; v++) {
        real y = 0;
        for (int64_t k = 0; k < keys; k++) y = mac(y, query[k], S[k * values + v]);
        store(&op->y, y, b, t, a, v);
    }
}

/* Head h of one sequence: S [k v] is kept unrounded. */
static void attend(const segue_gated_linear_attention *op, const sequence *q, int64_t h, real *S)
{
    const int64_t keys = op->k.shape[3], values = op->v.shape[3], heads = op->v.shape[2];
    const int from_zero = q->read < 0 || !present(&op->S_in);
    real *const query = S + keys * values, *const log_sums = query + keys;
    const real zero = 0;
    for (int64_t k = 0; k < keys; k++)
        for (int64_t v = 0; v < values; v++)
            S[k * values + v] = from_zero ? zero : load(&op->S_in, q->read, h, k, v);
    for (int64_t k = 0; k < 1 + keys; k++) log_sums[k] = zero;
    for (int64_t t = q->first; t < q->first + q->count; t++) {
        step();
        advance(op, q->b, t, h, S, log_sums, log_sums + 1 + keys);
        for (int64_t a = 0; a < op->y.shape[2]; a++)
            if (shared(op, a, op->y.shape[2], heads) == h) answer(op, q->b, t, a, S, query);
    }
    for (int64_t k = 0; q->write >= 0 && present(&op->S_out) && k < keys; k++)
        for (int64_t v = 0; v < values; v++) store(&op->S_out, S[k * values + v], q->write, h, k, v);
}

static void blank(const segue_gated_linear_attention *op, const sequence *q)
{
    const real zero = 0;
    for (int64_t t = q->first; t < q->first + q->count; t++)
        for (int64_t a = 0; a < op->y.shape[2]; a++)
            for (int64_t v = 0; v < op->y.shape[3]; v++) store(&op->y, zero, q->b, t, a, v);
}

/* Numbers that segue_reference_gated_linear_attention() works in. */
int64_t segue_reference_gated_linear_attention_work(const segue_op_header *header)
{
    const segue_gated_linear_attention *op = (const segue_gated_linear_attention *)header;
    const int64_t keys = op->k.shape[3], values = op->v.shape[3];
    return size_sum(size_product(keys, size_sum(values, 2)), size_sum(1, values));
}

void segue_reference_gated_linear_attention(const segue_op_header *header, real *work)
{
    const segue_gated_linear_attention *op = (const segue_gated_linear_attention *)header;
    const int64_t pool = present(&op->S_in) ? op->S_in.shape[0] : op->S_out.shape[0];
    for (int64_t s = 0; s < sequence_count(&op->v, &op->cu_seqlens); s++) {
        const sequence q = sequence_at(s, &op->v, &op->cu_seqlens, &op->slot, pool);
        for (int64_t h = 0; !q.padding && h < op->v.shape[2]; h++) attend(op, &q, h, work);
        if (q.padding) blank(op, &q);
    }
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)dev;
    return fits_workspace(segue_reference_gated_linear_attention_work(op))
               ? NULL
               : "k: with v at most 2^60 numbers of workspace";
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_gated_linear_attention_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_gated_linear_attention(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_gated_linear_attention_reference;
const segue_row segue_row_gated_linear_attention_reference = {
    .name = "gated_linear_attention_reference",
    .primitive = SEGUE_GATED_LINEAR_ATTENTION,
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
