/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "causal_conv1d.args.h"
#include "launcher.h"

enum { MOST_TAPS = 64, OPERANDS = 12, SPAN = 64 }; /* SPAN: tokens of an item, as in causal_conv1d.k.h */

GPU_SOURCE(causal_conv1d);

static void grid_of(const segue_causal_conv1d *op, const struct gpu *gpu, int32_t groups[3])
{
    int64_t tokens = op->x.shape[1];
    if (op->cu_seqlens.dtype.bits && op->max_seqlen && op->max_seqlen < tokens) tokens = op->max_seqlen;
    groups[0] = (int32_t)((op->x.shape[2] + gpu->group - 1) / gpu->group);
    groups[1] = gpu_groups(gpu, 1, tokens ? tokens : 1, SPAN); /* one without tokens hands the states on */
    groups[2] = gpu_groups(gpu, 2, gpu_sequences(&op->x, &op->cu_seqlens), 1);
}

static const struct gpu_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_causal_conv1d, name), #name ": f64 is not supported" },
    OPERAND(x) OPERAND(weight) OPERAND(bias) OPERAND(pre_gate) OPERAND(post_gate) OPERAND(h_in) OPERAND(h_out)
        OPERAND(y)
#undef OPERAND
            { 0, NULL }
};

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_causal_conv1d *op = (const void *)header;
    const struct gpu *gpu = gpu_of(dev);
    const struct gpu_key key = { .source = &gpu_source_causal_conv1d,
                                 .kernel = "causal_conv1d",
                                 .act = segue_dtype_id(op->x.dtype),
                                 .state = gpu_state_dtype(&op->h_in, &op->h_out),
                                 .group = gpu->group,
                                 .define_count = 1,
                                 .define = { { "W", op->weight.shape[1] } } };
    int32_t groups[3];
    grid_of(op, gpu, groups);
    const struct gpu_warm warm = { groups, OPERANDS, sizeof(struct causal_conv1d_args) };
    return gpu_plan_one(dev, &key, &warm, plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_causal_conv1d *op = (const void *)header;
    (void)dev;
    if (op->weight.shape[1] < 1 || op->weight.shape[1] > MOST_TAPS)
        return "weight: w is supported from 1 to 64";
    if (op->x.shape[2] > GPU_MOST_INDEX) return "x: d is at most 2^30";
    return gpu_refuse_f64(header, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_causal_conv1d *op = (const void *)header;
    const struct gpu_kernel *kernel = call->data;
    const segue_tensor *state = op->h_in.dtype.bits ? &op->h_in : &op->h_out;
    int32_t groups[3];
    grid_of(op, kernel->gpu, groups);
    const struct causal_conv1d_args args = {
        .x = gpu_view_of(&op->x),
        .weight = gpu_view_of(&op->weight),
        .bias = gpu_view_of(&op->bias),
        .pre_gate = gpu_view_of(&op->pre_gate),
        .post_gate = gpu_view_of(&op->post_gate),
        .cu_seqlens = gpu_view_of(&op->cu_seqlens),
        .seq_idx = gpu_view_of(&op->seq_idx),
        .cache_seqlens = gpu_view_of(&op->cache_seqlens),
        .slot = gpu_view_of(&op->slot),
        .h_in = gpu_view_of(&op->h_in),
        .h_out = gpu_view_of(&op->h_out),
        .y = gpu_view_of(&op->y),
        .sequences = gpu_sequences(&op->x, &op->cu_seqlens),
        .tokens = op->x.shape[1],
        .pool = gpu_pool(&op->h_in, &op->h_out),
        .columns = state->dtype.bits ? state->shape[2] : 0,
        .channels = (int32_t)op->x.shape[2],
        .silu = op->activation == SEGUE_CAUSAL_CONV1D_SILU,
        .spans = groups[1],
        .rows = groups[2],
    };
    const struct gpu_arg list[OPERANDS + 1] = {
        { .tensor = &op->x },
        { .tensor = &op->weight },
        { .tensor = &op->bias },
        { .tensor = &op->pre_gate },
        { .tensor = &op->post_gate },
        { .tensor = &op->cu_seqlens },
        { .tensor = &op->seq_idx },
        { .tensor = &op->cache_seqlens },
        { .tensor = &op->slot },
        { .tensor = &op->h_in },
        { .tensor = &op->h_out, .writes = 1 },
        { .tensor = &op->y, .writes = 1 },
        { .value = &args, .bytes = sizeof args },
    };
    return gpu_launch(kernel, call->stream, groups, list, OPERANDS + 1, call->why);
}

const segue_row causal_conv1d_shared = {
    .name = "causal_conv1d_shared",
    .primitive = SEGUE_CAUSAL_CONV1D,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
