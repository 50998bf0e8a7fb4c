/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisation with a gate by its definition (state-spaces/mamba mamba_ssm/ops/triton/layernorm_gated.py;
 * Mamba-2, RetNet, GLA, gated delta nets). For every token and head, or group of channels, h, with D
 * channels d:
 *
 *     v_d = x_d act(z_d), or x_d where the norm comes first                      [b t h d]
 *     m   = sum over d of v_d / D, or 0 for RMS
 *     n_d = (v_d - m) / sqrt(eps + sum over d of (v_d - m)^2 / D)
 *     y_d = n_d weight_d + bias_d,   times act(z_d) where the norm comes first   [b t h d]
 *
 * act(z) = z sigmoid(z) or sigmoid(z). Without z there is no gate. The variance is the mean of squared
 * deviations: the mean square less the squared mean would lose it where the mean is large. */
#include "operands.h"

/* Numbers that segue_reference_gated_norm() works in. */
int64_t segue_reference_gated_norm_work(const segue_op_header *header)
{
    return ((const segue_gated_norm *)header)->x.shape[3];
}

static real gate_at(const segue_gated_norm *op, int64_t b, int64_t t, int64_t h, int64_t d)
{
    const real z = load(&op->z, b, t, h, d);
    return op->gate == SEGUE_GATED_NORM_SIGMOID ? real_sigmoid(z) : real_silu(z);
}

/* v [d] */
static void normalise(const segue_gated_norm *op, int64_t b, int64_t t, int64_t h, real *v)
{
    const int64_t count = op->x.shape[3];
    const int gate_first = present(&op->z) && !op->norm_before_gate,
              gate_last = present(&op->z) && op->norm_before_gate;
    real mean = 0, squares = 0;
    for (int64_t d = 0; d < count; d++) {
        v[d] = load(&op->x, b, t, h, d);
        if (gate_first) v[d] = v[d] * gate_at(op, b, t, h, d);
        if (op->kind == SEGUE_GATED_NORM_LAYER) mean = mean + v[d];
    }
    mean = mean / count;
    for (int64_t d = 0; d < count; d++) {
        if (op->kind == SEGUE_GATED_NORM_LAYER) v[d] = v[d] - mean;
        squares = squares + v[d] * v[d];
    }
    const real deviation = real_sqrt(squares / count + op->eps);
    for (int64_t d = 0; d < count; d++) {
        real y = v[d] / deviation;
        if (present(&op->weight)) y = y * load(&op->weight, h, d, 0, 0);
        if (present(&op->bias)) y = y + load(&op->bias, h, d, 0, 0);
        if (gate_last) y = y * gate_at(op, b, t, h, d);
        store(&op->y, y, b, t, h, d);
    }
}

void segue_reference_gated_norm(const segue_op_header *header, real *work)
{
    const segue_gated_norm *op = (const segue_gated_norm *)header;
    segue_tensor no_slot;
    memset(&no_slot, 0, sizeof no_slot);
    for (int64_t s = 0; s < sequence_count(&op->x, &op->cu_seqlens); s++) {
        const sequence q = sequence_at(s, &op->x, &op->cu_seqlens, &no_slot, 0);
        for (int64_t t = q.first; t < q.first + q.count; t++)
            for (int64_t h = 0; h < op->x.shape[2]; h++) normalise(op, q.b, t, h, work);
    }
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)dev;
    return fits_workspace(segue_reference_gated_norm_work(op)) ? NULL : "x: d is at most 2^60";
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_gated_norm_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_gated_norm(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_gated_norm_reference;
const segue_row segue_row_gated_norm_reference = {
    .name = "gated_norm_reference",
    .primitive = SEGUE_GATED_NORM,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F64,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
#endif
