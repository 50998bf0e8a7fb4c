/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* L2 normalisation by its definition (fla-org/flash-linear-attention fla/modules/l2norm.py). For every token
 * and head:
 *
 *     y_k = x_k / sqrt(eps + sum over k of x_k^2)     [b t h k] */
#include "operands.h"

/* Numbers that segue_reference_l2_norm() works in. */
int64_t segue_reference_l2_norm_work(const segue_op_header *header)
{
    (void)header;
    return 0;
}

static void normalise(const segue_l2_norm *op, int64_t b, int64_t t, int64_t h)
{
    real squares = 0;
    for (int64_t k = 0; k < op->x.shape[3]; k++) {
        const real x = load(&op->x, b, t, h, k);
        squares = squares + x * x;
    }
    const real length = real_sqrt(squares + op->eps);
    for (int64_t k = 0; k < op->x.shape[3]; k++) store(&op->y, load(&op->x, b, t, h, k) / length, b, t, h, k);
}

void segue_reference_l2_norm(const segue_op_header *header, real *work)
{
    const segue_l2_norm *op = (const segue_l2_norm *)header;
    (void)work;
    for (int64_t b = 0; b < op->x.shape[0]; b++)
        for (int64_t t = 0; t < op->x.shape[1]; t++)
            for (int64_t h = 0; h < op->x.shape[2]; h++) normalise(op, b, t, h);
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_l2_norm_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_l2_norm(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_l2_norm_reference;
const segue_row segue_row_l2_norm_reference = {
    .name = "l2_norm_reference",
    .primitive = SEGUE_L2_NORM,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F64,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .prepare = prepare,
    .run = run,
};
#endif
