/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "selective_scan.args.h"
#include "launcher.h"

enum { MOST_STATES = 256 };
enum { OPERANDS = offsetof(struct selective_scan_args, sequence) / sizeof(VIEW) };

GPU_SOURCE(selective_scan);

static const struct gpu_form form = { OPERANDS, sizeof(struct selective_scan_args) };

/* For so many sequences, or as many of them as one launch takes. */
static void grid_of(const segue_selective_scan *op, const struct gpu *gpu, int64_t sequences, int32_t groups[3])
{
    const int64_t each = SCAN_CHANNELS(op->A.shape[1], gpu->group);
    groups[0] = (int32_t)((op->u.shape[2] + each - 1) / each);
    groups[1] = gpu_groups(gpu, 1, sequences, 1);
    groups[2] = 1;
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_selective_scan, name), #name ": f64 is not supported" },
    OPERAND(u) OPERAND(delta) OPERAND(A) OPERAND(B) OPERAND(C) OPERAND(D) OPERAND(z) OPERAND(delta_bias)
        OPERAND(h_in) OPERAND(h_out) OPERAND(y)
#undef OPERAND
            { 0, NULL }
};

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_selective_scan *op = (const void *)header;
    struct gpu_key key = gpu_key_of(&gpu_source_selective_scan, header, dev);
    int32_t groups[3];
    gpu_define_in(&key, "N", op->A.shape[1]);
    grid_of(op, gpu_of(dev), gpu_sequences(&op->u, &op->cu_seqlens), groups);
    return gpu_plan_one(dev, &key, &form, groups, plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_selective_scan *op = (const void *)header;
    (void)dev;
    if (op->A.shape[1] < 1 || op->A.shape[1] > MOST_STATES) return "A: n is supported from 1 to 256";
    if (op->u.shape[2] > GPU_MOST_INDEX) return "u: d is at most 2^30";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_selective_scan *op = (const void *)header;
    const struct gpu_kernel *kernel = call->data;
    const int64_t sequences = gpu_sequences(&op->u, &op->cu_seqlens);
    struct selective_scan_args args = {
        .tokens = op->u.shape[1],
        .pool = gpu_pool(&op->h_in, &op->h_out),
        .channels = (int32_t)op->u.shape[2],
        .channels_B = (int32_t)(op->u.shape[2] / op->B.shape[2]),
        .channels_C = (int32_t)(op->u.shape[2] / op->C.shape[2]),
        .softplus = op->softplus != 0,
    };
    struct gpu_arg list[OPERANDS + 1];
    int32_t groups[3];
    grid_of(op, kernel->gpu, sequences, groups);
    gpu_bind(&form, header, call->device, &args, list);
    return gpu_launch_sequences(kernel, call, groups, list, OPERANDS + 1, sequences, &args.sequence);
}

const segue_row selective_scan_shared = {
    .name = "selective_scan_shared",
    .primitive = SEGUE_SELECTIVE_SCAN,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
