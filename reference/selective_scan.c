/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The selective scan (S6) by its definition: arXiv:2312.00752 eq. 2 with the discretisation of
 * state-spaces/mamba selective_scan_interface.py. For every sequence and channel d, from x_0 = h_in or 0:
 *
 *     delta_t = delta_t + delta_bias                           [b t d]   and softplus of that, where asked for
 *     x_t,n   = exp(delta_t A_n) x_t-1,n + delta_t u_t B_t,n   [p d n]   exact in the transition, Euler in the
 * input y_t     = sum over n of C_t,n x_t,n  + D u_t             [b t d] y_t     = y_t silu(z_t)
 *
 * Channel d reads group d / (D / G) of B [b t g n] and of C [b t j n]. h_out = the last x. */
#include "operands.h"

/* [b t d] */
static real step_size(const segue_selective_scan *op, int64_t b, int64_t t, int64_t d)
{
    real delta = load(&op->delta, b, t, d, 0);
    if (present(&op->delta_bias)) delta = delta + load(&op->delta_bias, d, 0, 0, 0);
    return op->softplus ? real_softplus(delta) : delta;
}

/* One channel of one sequence. x [n] is the state, kept unrounded; log_sums [n] belong to the hook. */
static void scan(const segue_selective_scan *op, const sequence *q, int64_t d, real *x, real *log_sums)
{
    const int64_t channels = op->A.shape[0], states = op->A.shape[1];
    const int64_t group_b = d / (channels / op->B.shape[2]), group_c = d / (channels / op->C.shape[2]);
    const int from_zero = q->read < 0 || !present(&op->h_in);
    const real zero = 0;
    for (int64_t n = 0; n < states; n++) {
        x[n] = from_zero ? zero : load(&op->h_in, q->read, d, n, 0);
        log_sums[n] = zero;
    }
    for (int64_t t = q->first; t < q->first + q->count; t++) {
        const real delta = step_size(op, q->b, t, d), u = load(&op->u, q->b, t, d, 0), write = delta * u;
        real y = zero;
        step();
        for (int64_t n = 0; n < states; n++) {
            const real decay = real_exp(log_decay(&log_sums[n], delta * load(&op->A, d, n, 0, 0)));
            x[n] = mac(decay * x[n], write, load(&op->B, q->b, t, group_b, n));
            y = mac(y, load(&op->C, q->b, t, group_c, n), x[n]);
        }
        if (present(&op->D)) y = y + load(&op->D, d, 0, 0, 0) * u;
        if (present(&op->z)) y = y * real_silu(load(&op->z, q->b, t, d, 0));
        store(&op->y, y, q->b, t, d, 0);
    }
    if (q->write >= 0 && present(&op->h_out))
        for (int64_t n = 0; n < states; n++) store(&op->h_out, x[n], q->write, d, n, 0);
}

/* Numbers that segue_reference_selective_scan() works in. */
int64_t segue_reference_selective_scan_work(const segue_op_header *header)
{
    const segue_selective_scan *op = (const segue_selective_scan *)header;
    return size_product(2, op->A.shape[1]);
}

void segue_reference_selective_scan(const segue_op_header *header, real *work)
{
    const segue_selective_scan *op = (const segue_selective_scan *)header;
    const int64_t pool = present(&op->h_in) ? op->h_in.shape[0] : op->h_out.shape[0];
    const real zero = 0;
    for (int64_t s = 0; s < sequence_count(&op->u, &op->cu_seqlens); s++) {
        const sequence q = sequence_at(s, &op->u, &op->cu_seqlens, &op->slot, pool);
        for (int64_t d = 0; d < op->A.shape[0]; d++) {
            if (!q.padding) scan(op, &q, d, work, work + op->A.shape[1]);
            for (int64_t t = q.first; q.padding && t < q.first + q.count; t++)
                store(&op->y, zero, q.b, t, d, 0);
        }
    }
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)dev;
    return fits_workspace(segue_reference_selective_scan_work(op)) ? NULL : "A: n is at most 2^59";
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_selective_scan_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_selective_scan(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_selective_scan_reference;
const segue_row segue_row_selective_scan_reference = {
    .name = "selective_scan_reference",
    .primitive = SEGUE_SELECTIVE_SCAN,
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
