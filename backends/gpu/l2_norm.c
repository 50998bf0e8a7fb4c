/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "l2_norm.args.h"
#include "norm_row.h"

enum { OPERANDS = offsetof(struct l2_norm_args, rows) / sizeof(VIEW) };

GPU_SOURCE(l2_norm);

static const struct gpu_form form = { OPERANDS, sizeof(struct l2_norm_args) };

static const segue_kit_refusal operands[] = {
    { offsetof(segue_l2_norm, x), "x: f64 is not supported" },
    { 0, NULL },
};

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const struct norm_shape shape =
        norm_shape_of(&((const segue_l2_norm *)(const void *)header)->x, gpu_of(dev));
    const struct gpu_key key = gpu_key_of(&gpu_source_l2_norm, header, dev);
    return gpu_plan_one(dev, &key, &form, shape.groups, plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_l2_norm *op = (const void *)header;
    (void)dev;
    if (op->x.shape[3] > GPU_MOST_INDEX) return "x: k is at most 2^30";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_l2_norm *op = (const void *)header;
    const struct gpu_kernel *kernel = call->data;
    const struct norm_shape shape = norm_shape_of(&op->x, kernel->gpu);
    struct l2_norm_args args = {
        .rows = shape.rows,
        .tokens = op->x.shape[1],
        .heads = op->x.shape[2],
        .count = (int32_t)op->x.shape[3],
        .width = shape.width,
        .each = shape.each,
        .groups = shape.groups[1],
        .eps = (float)op->eps,
        .far_eps = (float)(op->eps * 0x1p192),
    };
    struct gpu_arg list[OPERANDS + 1];
    gpu_bind(&form, header, call->device, &args, list);
    return gpu_launch(kernel, call->stream, shape.groups, list, OPERANDS + 1, call->why);
}

const segue_row l2_norm_shared = {
    .name = "l2_norm_shared",
    .primitive = SEGUE_L2_NORM,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
