/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "norm.h"

static const segue_tensor absent;

static struct norm_job job_of(const segue_op_header *header, const struct segue_cpu *cpu)
{
    const segue_l2_norm *op = (const void *)header;
    struct norm_job job = { .x = &op->x,
                            .z = &absent,
                            .y = &op->y,
                            .weight_of = &absent,
                            .bias_of = &absent,
                            .divisor = 1,
                            .eps = op->eps };
    segue_norm_plan(&job, cpu);
    return job;
}

static const segue_kit_refusal operands[] = {
    { offsetof(segue_l2_norm, x), "x: f64 is offered by the reference only" },
    { 0, NULL },
};

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const struct norm_job job = job_of(header, dev->handle);
    (void)why;
    plan->workspace_bytes = tile_workspace(dev->handle, &job.tile);
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const char *const wide = segue_norm_refuses(&((const segue_l2_norm *)header)->x);
    (void)dev;
    return wide ? wide : segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    struct norm_job job = job_of(header, call->device->handle);
    segue_tile_run(call->device->handle, &job.tile, call->workspace);
    return SEGUE_OK;
}

const segue_row l2_norm_cpu = {
    .name = "l2_norm_cpu",
    .primitive = SEGUE_L2_NORM,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
