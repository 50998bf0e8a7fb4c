/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "gate_prep.args.h"
#include "launcher.h"

enum { MOST_PARTS = 1 << 16 };
enum { OPERANDS = offsetof(struct gate_prep_args, batch) / sizeof(VIEW) };

_Static_assert(GATE_DELTA == SEGUE_GATE_PREP_DELTA && GATE_LOG_SIGMOID == SEGUE_GATE_PREP_LOG_SIGMOID &&
                   GATE_HGRN2 == SEGUE_GATE_PREP_HGRN2 && GATE_BOUNDED == SEGUE_GATE_PREP_BOUNDED &&
                   GATE_RWKV7 == SEGUE_GATE_PREP_RWKV7 && GATE_RWKV == SEGUE_GATE_PREP_RWKV &&
                   GATE_SOFT_CAP == SEGUE_GATE_PREP_SOFT_CAP,
               "the kernel's numbers are the primitive's");

GPU_SOURCE(gate_prep);

static const struct gpu_form form = { OPERANDS, sizeof(struct gate_prep_args) };

static void grid_of(const segue_gate_prep *op, const struct gpu *gpu, int32_t groups[3])
{
    const int64_t *n = op->x.shape;
    const double wanted = (double)n[1] * (double)n[2] * (double)n[3] / (gpu->group * GATE_EACH) + 1;
    groups[0] = gpu_groups(gpu, 0, wanted < MOST_PARTS ? (int64_t)wanted : MOST_PARTS, 1);
    groups[1] = gpu_groups(gpu, 1, n[0], 1);
    groups[2] = 1;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const struct gpu_key key = gpu_key_of(&gpu_source_gate_prep, header, dev);
    int32_t groups[3];
    grid_of((const void *)header, gpu_of(dev), groups);
    return gpu_plan_one(dev, &key, &form, groups, plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_gate_prep, name), #name ": f64 is not supported" },
        OPERAND(x) OPERAND(bias) OPERAND(A) OPERAND(A_log) OPERAND(lower_bound) OPERAND(delta) OPERAND(g)
            OPERAND(key)
#undef OPERAND
                { 0, NULL }
    };
    const segue_gate_prep *op = (const void *)header;
    (void)dev;
    if (op->x.shape[2] > GPU_MOST_INDEX) return "x: h is at most 2^30";
    if (op->x.shape[3] > GPU_MOST_INDEX) return "x: k is at most 2^30";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_gate_prep *op = (const void *)header;
    const struct gpu_kernel *kernel = call->data;
    struct gpu_arg list[OPERANDS + 1];
    int32_t groups[3];
    grid_of(op, kernel->gpu, groups);
    const double factors[] = { [SEGUE_GATE_PREP_LOG_SIGMOID] = op->divisor,
                               [SEGUE_GATE_PREP_BOUNDED] = op->lower,
                               [SEGUE_GATE_PREP_SOFT_CAP] = op->cap };
    struct gate_prep_args args = { .tokens = op->x.shape[1],
                                   .heads = (int32_t)op->x.shape[2],
                                   .width = (int32_t)op->x.shape[3],
                                   .parts = groups[0],
                                   .gate = (int32_t)op->gate,
                                   .softplus = op->softplus != 0,
                                   .dt_min = (float)op->dt_min,
                                   .dt_max = op->dt_max < 1e30 ? (float)op->dt_max : __builtin_inff(),
                                   .factor = (float)factors[op->gate] };
    gpu_bind(&form, header, call->device, &args, list);
    return gpu_launch_sequences(kernel, call, groups, list, OPERANDS + 1, op->x.shape[0], &args.batch);
}

const segue_row gate_prep_shared = {
    .name = "gate_prep_shared",
    .primitive = SEGUE_GATE_PREP,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
