/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "causal_conv1d.args.h"
#include "launcher.h"

enum { MOST_TAPS = 64 };
enum { OPERANDS = offsetof(struct causal_conv1d_args, sequences) / sizeof(VIEW) };

GPU_SOURCE(causal_conv1d);

static const struct gpu_form form = { OPERANDS, sizeof(struct causal_conv1d_args) };

/* Sequences, or pieces of them: what makes fewer groups. */
static int64_t pieces_of(const segue_causal_conv1d *op, int64_t tokens, int32_t *searched)
{
    const int64_t sequences = gpu_sequences(&op->x, &op->cu_seqlens), spans = (tokens + SPAN - 1) / SPAN;
    const int64_t pieces = gpu_pieces(sequences, op->x.shape[1], SPAN);
    *searched = op->cu_seqlens.dtype.bits && pieces < sequences * spans;
    return *searched ? pieces : sequences;
}

/* Returns the pieces that axis 2 is for. */
static int64_t grid_of(const segue_causal_conv1d *op, const struct gpu *gpu, int32_t groups[3],
                       int32_t *searched)
{
    int64_t tokens = op->x.shape[1];
    if (op->cu_seqlens.dtype.bits && op->max_seqlen && op->max_seqlen < tokens) tokens = op->max_seqlen;
    const int64_t pieces = pieces_of(op, tokens, searched);
    groups[0] = (int32_t)((op->x.shape[2] + gpu->group - 1) / gpu->group);
    /* one without tokens hands the states on */
    groups[1] = *searched ? 1 : gpu_groups(gpu, 1, tokens ? tokens : 1, SPAN);
    groups[2] = gpu_groups(gpu, 2, pieces, 1);
    return pieces;
}

static const segue_kit_refusal operands[] = {
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
    struct gpu_key key = gpu_key_of(&gpu_source_causal_conv1d, header, dev);
    int32_t groups[3], searched;
    gpu_define_in(&key, "W", op->weight.shape[1]);
    grid_of(op, gpu_of(dev), groups, &searched);
    return gpu_plan_one(dev, &key, &form, groups, plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_causal_conv1d *op = (const void *)header;
    (void)dev;
    if (op->weight.shape[1] < 1 || op->weight.shape[1] > MOST_TAPS)
        return "weight: w is supported from 1 to 64";
    if (op->x.shape[2] > GPU_MOST_INDEX) return "x: d is at most 2^30";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_causal_conv1d *op = (const void *)header;
    const struct gpu_kernel *kernel = call->data;
    const segue_tensor *state = op->h_in.dtype.bits ? &op->h_in : &op->h_out;
    int32_t groups[3], searched;
    const int64_t pieces = grid_of(op, kernel->gpu, groups, &searched);
    struct causal_conv1d_args args = {
        .sequences = gpu_sequences(&op->x, &op->cu_seqlens),
        .tokens = op->x.shape[1],
        .pool = gpu_pool(&op->h_in, &op->h_out),
        .columns = state->dtype.bits ? state->shape[2] : 0,
        .pieces = pieces,
        .channels = (int32_t)op->x.shape[2],
        .silu = op->activation == SEGUE_CAUSAL_CONV1D_SILU,
        .spans = groups[1],
        .rows = groups[2],
        .searched = searched,
    };
    struct gpu_arg list[OPERANDS + 1];
    gpu_bind(&form, header, call->device, &args, list);
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
