/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Retention by its definition: arXiv:2307.08621 eq. 6, with the norm of each head and the gate of its eq. 8.
 * For every sequence and head h, from S_0 = S_in or 0:
 *
 *     S_t = e^g S_t-1 + k_t v_t^T                    [p h k v]   e^g is the paper's gamma
 *     y_t = (scale q_t) S_t                          [b t h v]
 *     y_t = y_t / sqrt(mean over v of y_t^2 + eps)               with norm RMS
 *     y_t = y_t silu(z_t)
 *
 * q and k come rotated. S_out = the last S. */
#include "operands.h"

typedef struct head { /* one head of one sequence */
    const segue_retention *op;
    const sequence *q;
    int64_t h, keys, values;
    real *S, *y, *log_sum; /* [k v], kept unrounded; [v] what a token writes, then y; of the hook */
} head;

static void write_token(const head *r, int64_t t)
{
    const segue_retention *op = r->op;
    const real gamma = real_exp(log_decay(r->log_sum, load(&op->g, r->h, 0, 0, 0)));
    for (int64_t v = 0; v < r->values; v++) r->y[v] = weighed(load(&op->v, r->q->b, t, r->h, v), r->keys);
    for (int64_t k = 0; k < r->keys; k++)
        for (int64_t v = 0; v < r->values; v++) {
            real *const S = &r->S[k * r->values + v];
            *S = mac(gamma * *S, load(&op->k, r->q->b, t, r->h, k), r->y[v]);
        }
}

static void read_token(const head *r, int64_t t)
{
    const segue_retention *op = r->op;
    const real zero = 0;
    for (int64_t v = 0; v < r->values; v++) r->y[v] = zero;
    for (int64_t k = 0; k < r->keys; k++) {
        const real query = op->scale * load(&op->q, r->q->b, t, r->h, k);
        for (int64_t v = 0; v < r->values; v++) r->y[v] = mac(r->y[v], query, r->S[k * r->values + v]);
    }
}

/* sqrt(mean of y^2 + eps) */
static real root_mean_square(const head *r)
{
    real squares = 0;
    for (int64_t v = 0; v < r->values; v++) squares = squares + r->y[v] * r->y[v];
    return real_sqrt(squares / r->values + r->op->eps);
}

static void finish_token(const head *r, int64_t t)
{
    const segue_retention *op = r->op;
    real size = 1;
    if (op->norm == SEGUE_RETENTION_RMS) size = root_mean_square(r);
    for (int64_t v = 0; v < r->values; v++) {
        real y = r->y[v];
        if (op->norm == SEGUE_RETENTION_RMS) y = y / size;
        if (present(&op->z)) y = y * real_silu(load(&op->z, r->q->b, t, r->h, v));
        store(&op->y, y, r->q->b, t, r->h, v);
    }
}

static void retain(const head *r)
{
    const segue_retention *op = r->op;
    const int from_zero = r->q->read < 0 || !present(&op->S_in);
    const real zero = 0;
    for (int64_t k = 0; k < r->keys; k++)
        for (int64_t v = 0; v < r->values; v++)
            r->S[k * r->values + v] = from_zero ? zero : load(&op->S_in, r->q->read, r->h, k, v);
    *r->log_sum = zero;
    for (int64_t t = r->q->first; t < r->q->first + r->q->count; t++) {
        step();
        write_token(r, t);
        read_token(r, t);
        finish_token(r, t);
    }
    for (int64_t k = 0; r->q->write >= 0 && present(&op->S_out) && k < r->keys; k++)
        for (int64_t v = 0; v < r->values; v++)
            store(&op->S_out, r->S[k * r->values + v], r->q->write, r->h, k, v);
}

static void blank(const segue_retention *op, const sequence *q, int64_t h)
{
    const real zero = 0;
    for (int64_t t = q->first; t < q->first + q->count; t++)
        for (int64_t v = 0; v < op->y.shape[3]; v++) store(&op->y, zero, q->b, t, h, v);
}

/* Numbers that segue_reference_retention() works in. */
int64_t segue_reference_retention_work(const segue_op_header *header)
{
    const segue_retention *op = (const segue_retention *)header;
    return size_sum(size_product(size_sum(op->k.shape[3], 1), op->v.shape[3]), 1);
}

void segue_reference_retention(const segue_op_header *header, real *work)
{
    const segue_retention *op = (const segue_retention *)header;
    const int64_t keys = op->k.shape[3], values = op->v.shape[3];
    const int64_t pool = present(&op->S_in) ? op->S_in.shape[0] : op->S_out.shape[0];
    real *const y = work + keys * values;
    for (int64_t s = 0; s < sequence_count(&op->q, &op->cu_seqlens); s++) {
        const sequence q = sequence_at(s, &op->q, &op->cu_seqlens, &op->slot, pool);
        for (int64_t h = 0; h < op->q.shape[2]; h++) {
            const head r = { op, &q, h, keys, values, work, y, y + values };
            if (q.padding) blank(op, &q, h);
            else retain(&r);
        }
    }
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)dev;
    return fits_workspace(segue_reference_retention_work(op)) ? NULL
                                                              : "k: with v at most 2^60 numbers of workspace";
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_retention_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_retention(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_retention_reference;
const segue_row segue_row_retention_reference = {
    .name = "retention_reference",
    .primitive = SEGUE_RETENTION,
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
