/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The state-space dual (Mamba-2) by its definition: arXiv:2405.21060 with the discretisation of
 * state-spaces/mamba ssd_combined.py. For every sequence and head h of P channels v, from h_0 = h_in or 0:
 *
 *     delta_t = clamp(softplus(dt_t + dt_bias), dt_min, dt_max)   [b t h]     in this order
 *     h_t = exp(delta_t A) h_t-1 + (delta_t x_t) B_t^T            [p h v n]
 *     y_t = h_t C_t + D x_t                                       [b t h v]
 *     y_t = y_t silu(z_t)
 *
 * Head h reads group h / (H / G) of B and C [b t g n]. h_out = the last h. */
#include "operands.h"

/* [b t h] */
static real step_size(const segue_ssd *op, int64_t b, int64_t t, int64_t h)
{
    const real least = op->dt_min, most = op->dt_max;
    real delta = load(&op->dt, b, t, h, 0);
    if (present(&op->dt_bias)) delta = delta + load(&op->dt_bias, h, 0, 0, 0);
    if (op->softplus) delta = real_softplus(delta);
    delta = real_max(least, delta);
    return -real_max(-most, -delta);
}

/* One head of one sequence. state [v n], kept unrounded; log_sum belongs to the hook. */
static void scan(const segue_ssd *op, const sequence *q, int64_t h, real *state, real *log_sum)
{
    const int64_t channels = op->x.shape[3], states = op->B.shape[3];
    const int64_t group = h / (op->x.shape[2] / op->B.shape[2]);
    const int from_zero = q->read < 0 || !present(&op->h_in);
    const real zero = 0;
    for (int64_t v = 0; v < channels; v++)
        for (int64_t n = 0; n < states; n++)
            state[v * states + n] = from_zero ? zero : load(&op->h_in, q->read, h, v, n);
    *log_sum = zero;
    for (int64_t t = q->first; t < q->first + q->count; t++) {
        step();
        const real delta = step_size(op, q->b, t, h);
        const real decay = real_exp(log_decay(log_sum, delta * load(&op->A, h, 0, 0, 0)));
        for (int64_t v = 0; v < channels; v++) {
            const real x = load(&op->x, q->b, t, h, v), write = delta * weighed(x, states);
            real y = zero;
            for (int64_t n = 0; n < states; n++) {
                real *const s = &state[v * states + n];
                *s = mac(decay * *s, write, load(&op->B, q->b, t, group, n));
                y = mac(y, load(&op->C, q->b, t, group, n), *s);
            }
            if (present(&op->D)) y = y + load(&op->D, h, v, 0, 0) * x;
            if (present(&op->z)) y = y * real_silu(load(&op->z, q->b, t, h, v));
            store(&op->y, y, q->b, t, h, v);
        }
    }
    for (int64_t v = 0; q->write >= 0 && present(&op->h_out) && v < channels; v++)
        for (int64_t n = 0; n < states; n++) store(&op->h_out, state[v * states + n], q->write, h, v, n);
}

static void blank(const segue_ssd *op, const sequence *q, int64_t h)
{
    const real zero = 0;
    for (int64_t t = q->first; t < q->first + q->count; t++)
        for (int64_t v = 0; v < op->y.shape[3]; v++) store(&op->y, zero, q->b, t, h, v);
}

/* Numbers that segue_reference_ssd() works in. */
int64_t segue_reference_ssd_work(const segue_op_header *header)
{
    const segue_ssd *op = (const segue_ssd *)header;
    return size_sum(size_product(op->x.shape[3], op->B.shape[3]), 1);
}

void segue_reference_ssd(const segue_op_header *header, real *work)
{
    const segue_ssd *op = (const segue_ssd *)header;
    const int64_t pool = present(&op->h_in) ? op->h_in.shape[0] : op->h_out.shape[0];
    for (int64_t s = 0; s < sequence_count(&op->x, &op->cu_seqlens); s++) {
        const sequence q = sequence_at(s, &op->x, &op->cu_seqlens, &op->slot, pool);
        for (int64_t h = 0; h < op->x.shape[2]; h++) {
            if (q.padding) blank(op, &q, h);
            else scan(op, &q, h, work, work + op->x.shape[3] * op->B.shape[3]);
        }
    }
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)dev;
    return fits_workspace(segue_reference_ssd_work(op)) ? NULL
                                                        : "B: n times p is at most 2^60 numbers of workspace";
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_ssd_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_ssd(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_ssd_reference;
const segue_row segue_row_ssd_reference = {
    .name = "ssd_reference",
    .primitive = SEGUE_SSD,
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
