/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "selective_scan.args.h"
#include "launcher.h"

enum { MOST_STATES = 256, OPERANDS = 13 };

GPU_SOURCE(selective_scan);

/* Channels of a group, as selective_scan.k.h computes them. */
static int64_t channels_of_group(int64_t n, int32_t group)
{
    const int64_t wanted = n <= 4 ? n : n <= 16 ? 4 : n <= 64 ? 8 : 16;
    const int64_t states = wanted * group >= n ? wanted : (n + group - 1) / group;
    return group / ((n + states - 1) / states);
}

/* For so many sequences, or as many of them as one launch takes. */
static void grid_of(const segue_selective_scan *op, const struct gpu *gpu, int64_t sequences, int32_t groups[3])
{
    const int64_t each = channels_of_group(op->A.shape[1], gpu->group);
    groups[0] = (int32_t)((op->u.shape[2] + each - 1) / each);
    groups[1] = gpu_groups(gpu, 1, sequences, 1);
    groups[2] = 1;
}

static void fill_args(const segue_selective_scan *op, struct selective_scan_args *out)
{
    *out = (struct selective_scan_args){
        .u = gpu_view_of(&op->u),
        .delta = gpu_view_of(&op->delta),
        .A = gpu_view_of(&op->A),
        .B = gpu_view_of(&op->B),
        .C = gpu_view_of(&op->C),
        .D = gpu_view_of(&op->D),
        .z = gpu_view_of(&op->z),
        .delta_bias = gpu_view_of(&op->delta_bias),
        .cu_seqlens = gpu_view_of(&op->cu_seqlens),
        .slot = gpu_view_of(&op->slot),
        .h_in = gpu_view_of(&op->h_in),
        .h_out = gpu_view_of(&op->h_out),
        .y = gpu_view_of(&op->y),
        .tokens = op->u.shape[1],
        .pool = gpu_pool(&op->h_in, &op->h_out),
        .channels = (int32_t)op->u.shape[2],
        .channels_B = (int32_t)(op->u.shape[2] / op->B.shape[2]),
        .channels_C = (int32_t)(op->u.shape[2] / op->C.shape[2]),
        .softplus = op->softplus != 0,
    };
}

static const struct gpu_refusal operands[] = {
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
    const struct gpu *gpu = gpu_of(dev);
    const struct gpu_key key = { .source = &gpu_source_selective_scan,
                                 .kernel = "selective_scan",
                                 .act = segue_dtype_id(op->u.dtype),
                                 .state = gpu_state_dtype(&op->h_in, &op->h_out),
                                 .group = gpu->group,
                                 .define_count = 1,
                                 .define = { { "N", op->A.shape[1] } } };
    int32_t groups[3];
    grid_of(op, gpu, gpu_sequences(&op->u, &op->cu_seqlens), groups);
    const struct gpu_warm warm = { groups, OPERANDS, sizeof(struct selective_scan_args) };
    return gpu_plan_one(dev, &key, &warm, plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_selective_scan *op = (const void *)header;
    (void)dev;
    if (op->A.shape[1] < 1 || op->A.shape[1] > MOST_STATES) return "A: n is supported from 1 to 256";
    if (op->u.shape[2] > GPU_MOST_INDEX) return "u: d is at most 2^30";
    return gpu_refuse_f64(header, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_selective_scan *op = (const void *)header;
    const struct gpu_kernel *kernel = call->data;
    const int64_t sequences = gpu_sequences(&op->u, &op->cu_seqlens);
    struct selective_scan_args args;
    const struct gpu_arg list[OPERANDS + 1] = {
        { .tensor = &op->u },
        { .tensor = &op->delta },
        { .tensor = &op->A },
        { .tensor = &op->B },
        { .tensor = &op->C },
        { .tensor = &op->D },
        { .tensor = &op->z },
        { .tensor = &op->delta_bias },
        { .tensor = &op->cu_seqlens },
        { .tensor = &op->slot },
        { .tensor = &op->h_in },
        { .tensor = &op->h_out, .writes = 1 },
        { .tensor = &op->y, .writes = 1 },
        { .value = &args, .bytes = sizeof args },
    };
    segue_status s = SEGUE_OK;
    fill_args(op, &args);
    while (!s && args.sequence < sequences) { /* more than one launch where a grid is too short for the batch */
        int32_t groups[3];
        grid_of(op, kernel->gpu, sequences - args.sequence, groups);
        s = gpu_launch(kernel, call->stream, groups, list, OPERANDS + 1, call->why);
        args.sequence += groups[1];
    }
    return s;
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
