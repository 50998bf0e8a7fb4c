/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "attention_merge.args.h"
#include "norm_row.h"

enum { OPERANDS = offsetof(struct attention_merge_args, rows) / sizeof(VIEW) };

GPU_SOURCE(attention_merge);

static const struct gpu_form form = { OPERANDS, sizeof(struct attention_merge_args) };

/* Without its first axis: the parts of a view of rank 4 are reached by their distance. */
static segue_tensor first_part(const segue_tensor *o)
{
    segue_tensor part = *o;
    part.rank = 4;
    for (int i = 0; i < 4; i++) part.shape[i] = o->shape[i + 1], part.stride[i] = o->stride[i + 1];
    part.shape[4] = part.stride[4] = 0;
    return part;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_attention_merge *op = (const void *)header;
    const struct gpu *gpu = gpu_of(dev);
    const struct norm_shape shape = norm_shape_of(&op->y, gpu);
    const struct gpu_key key = { .source = &gpu_source_attention_merge,
                                 .kernel = "attention_merge",
                                 .group = gpu->group };
    return gpu_plan_one(dev, &key, &form, shape.groups, plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_attention_merge, name), #name ": f64 is not supported" },
        OPERAND(o) OPERAND(lse) OPERAND(log_weight) OPERAND(y) OPERAND(lse_out)
#undef OPERAND
            { 0, NULL }
    };
    const segue_attention_merge *op = (const void *)header;
    (void)dev;
    if (op->o.shape[0] > GPU_MOST_INDEX) return "o: r is at most 2^30";
    if (op->o.shape[4] > GPU_MOST_INDEX) return "o: v is at most 2^30";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    segue_attention_merge op = *(const segue_attention_merge *)(const void *)header;
    const struct gpu_kernel *kernel = call->data;
    const struct norm_shape shape = norm_shape_of(&op.y, kernel->gpu);
    struct attention_merge_args args = {
        .rows = shape.rows,
        .tokens = op.y.shape[1],
        .heads = op.y.shape[2],
        .part = op.o.stride[0],
        .parts = (i32)op.o.shape[0],
        .count = (i32)op.y.shape[3],
        .width = shape.width,
        .each = shape.each,
        .groups = shape.groups[1],
        .plus_inf_empty = op.plus_inf_empty != 0,
    };
    struct gpu_arg list[OPERANDS + 1];
    op.o = first_part(&op.o);
    gpu_bind(&form, &op.header, call->device, &args, list);
    list[0].tensor =
        &((const segue_attention_merge *)(const void *)header)->o; /* the kernel reaches all of it */
    return gpu_launch(kernel, call->stream, shape.groups, list, OPERANDS + 1, call->why);
}

const segue_row attention_merge_shared = {
    .name = "attention_merge_shared",
    .primitive = SEGUE_ATTENTION_MERGE,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
