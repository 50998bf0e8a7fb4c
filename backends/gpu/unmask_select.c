/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "unmask_select.args.h"
#include "launcher.h"

enum { OPERANDS = 21 };

GPU_SOURCE(unmask_select);

static const struct gpu_form form = { OPERANDS, sizeof(struct unmask_select_args) };

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_unmask_select *op = (const void *)header;
    const struct gpu *gpu = gpu_of(dev);
    const struct gpu_key key = { .source = &gpu_source_unmask_select,
                                 .kernel = "unmask_select",
                                 .group = gpu->group };
    const int32_t groups[3] = { 1, gpu_groups(gpu, 1, op->x.shape[0], 1), 1 };
    return gpu_plan_one(dev, &key, &form, groups, plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_unmask_select, name), #name ": f64 is not supported" },
        OPERAND(conf) OPERAND(tau) OPERAND(p) OPERAND(temp) OPERAND(draws)
#undef OPERAND
            { 0, NULL }
    };
    const segue_unmask_select *op = (const void *)header;
    (void)dev;
    if (op->x.shape[1] > GPU_MOST_INDEX) return "x: t is at most 2^30";
    if (op->changed.dtype.bits && op->changed.shape[1] > GPU_MOST_INDEX) return "changed: c is at most 2^30";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_unmask_select *op = (const void *)header;
    int32_t groups[3] = { 1, 1, 1 };
    struct unmask_select_args args = {
        .tokens = (i32)op->x.shape[1],
        .places = op->changed.dtype.bits ? (i32)op->changed.shape[1] : 0,
        .mask_id = (i32)op->mask_id,
        .rule = (i32)op->rule,
        .k_min = (i32)op->k_min,
        .noise = (i32)op->noise,
    };
    struct gpu_arg list[OPERANDS + 1];
    gpu_bind_narrow(&form, header, call->device, &args, list);
    return gpu_launch_sequences(call->data, call, groups, list, OPERANDS + 1, op->x.shape[0], &args.row);
}

const segue_row unmask_select_shared = {
    .name = "unmask_select_shared",
    .primitive = SEGUE_UNMASK_SELECT,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
