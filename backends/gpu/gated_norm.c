/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "gated_norm.args.h"
#include "norm_row.h"

enum { OPERANDS = offsetof(struct gated_norm_args, rows) / sizeof(VIEW) };

GPU_SOURCE(gated_norm);

static const struct gpu_form form = { OPERANDS, sizeof(struct gated_norm_args) };

static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_gated_norm, name), #name ": f64 is not supported" },
    OPERAND(x) OPERAND(z) OPERAND(weight) OPERAND(bias) OPERAND(y)
#undef OPERAND
        { 0, NULL }
};

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_gated_norm *op = (const void *)header;
    const struct norm_shape shape = norm_shape_of(&op->x, gpu_of(dev));
    const struct gpu_key key = gpu_key_of(&gpu_source_gated_norm, header, dev);
    return gpu_plan_one(dev, &key, &form, shape.groups, plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_gated_norm *op = (const void *)header;
    (void)dev;
    if (op->x.shape[3] > GPU_MOST_INDEX) return "x: d is at most 2^30";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_gated_norm *op = (const void *)header;
    const struct gpu_kernel *kernel = call->data;
    const struct norm_shape shape = norm_shape_of(&op->x, kernel->gpu);
    struct gated_norm_args args = {
        .rows = shape.rows,
        .tokens = op->x.shape[1],
        .heads = op->x.shape[2],
        .sequences = op->cu_seqlens.dtype.bits ? op->cu_seqlens.shape[0] - 1 : 0,
        .count = (int32_t)op->x.shape[3],
        .width = shape.width,
        .each = shape.each,
        .groups = shape.groups[1],
        .layer = op->kind == SEGUE_GATED_NORM_LAYER,
        .sigmoid = op->gate == SEGUE_GATED_NORM_SIGMOID,
        .gate_last = op->norm_before_gate != 0,
        .eps = (float)op->eps,
        .far_eps = (float)(op->eps * 0x1p192),
    };
    struct gpu_arg list[OPERANDS + 1];
    gpu_bind(&form, header, call->device, &args, list);
    return gpu_launch(kernel, call->stream, shape.groups, list, OPERANDS + 1, call->why);
}

const segue_row gated_norm_shared = {
    .name = "gated_norm_shared",
    .primitive = SEGUE_GATED_NORM,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
