/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "selective_scan_decode.args.h"
#include "fast_row.h"

enum { MOST_TOKENS = 16, MOST_LANES = 32 };
enum { OPERANDS = offsetof(struct selective_scan_decode_args, sequence) / sizeof(VIEW) };

GPU_SOURCE(selective_scan_decode);

static const struct gpu_form form = { OPERANDS, sizeof(struct selective_scan_decode_args) };

static int64_t longest(const segue_selective_scan *op)
{
    const int64_t tokens = op->u.shape[1];
    return fast_present(&op->cu_seqlens) && op->max_seqlen && op->max_seqlen < tokens ? op->max_seqlen : tokens;
}

/* Items of a channel: of 16 bytes of its state each; 0 = the state does not part that way. */
static int64_t lanes_of(const segue_selective_scan *op)
{
    const segue_tensor *state = fast_present(&op->h_in) ? &op->h_in : &op->h_out;
    const int64_t each = 128 / (fast_present(state) ? state->dtype.bits : 32), lanes = op->A.shape[1] / each;
    return lanes * each == op->A.shape[1] && lanes <= MOST_LANES && !(lanes & (lanes - 1)) ? lanes : 0;
}

static void grid_of(const segue_selective_scan *op, const struct gpu *gpu, int64_t sequences, int32_t groups[3])
{
    const int64_t each = FAST_GROUP / lanes_of(op);
    groups[0] = (int32_t)((op->u.shape[2] + each - 1) / each);
    groups[1] = gpu_groups(gpu, 1, sequences, 1);
    groups[2] = 1;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_selective_scan *op = (const void *)header;
    struct gpu_key key = fast_key(&gpu_source_selective_scan_decode, header, dev);
    int32_t groups[3];
    gpu_define_in(&key, "N", op->A.shape[1]);
    grid_of(op, gpu_of(dev), gpu_sequences(&op->u, &op->cu_seqlens), groups);
    return gpu_plan_one(dev, &key, &form, groups, plan, why);
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_selective_scan, name), #name ": f64 is not supported" },
    OPERAND(u) OPERAND(delta) OPERAND(A) OPERAND(B) OPERAND(C) OPERAND(D) OPERAND(z) OPERAND(delta_bias)
        OPERAND(h_in) OPERAND(h_out) OPERAND(y)
#undef OPERAND
            { 0, NULL }
};

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_selective_scan *op = (const void *)header;
    if (!fast_runs_on(dev)) return "u: " FAST_NEEDS;
    if (longest(op) > MOST_TOKENS) return "u: t is supported up to 16";
    if (!lanes_of(op)) return "A: n must be 16 bytes of the state times 1, 2, 4 ... 32";
    if (!fast_is_dense(&op->h_in)) return "h_in: states must lie side by side";
    if (!fast_is_dense(&op->h_out)) return "h_out: states must lie side by side";
    if (op->u.shape[2] > GPU_MOST_INDEX) return "u: d is at most 2^30";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_selective_scan *op = (const void *)header;
    const struct gpu_kernel *kernel = call->data;
    const int64_t sequences = gpu_sequences(&op->u, &op->cu_seqlens);
    struct selective_scan_decode_args args = {
        .tokens = op->u.shape[1],
        .pool = gpu_pool(&op->h_in, &op->h_out),
        .channels = (int32_t)op->u.shape[2],
        .channels_B = (int32_t)(op->u.shape[2] / op->B.shape[2]),
        .channels_C = (int32_t)(op->u.shape[2] / op->C.shape[2]),
        .softplus = op->softplus != 0,
        .wide_A = fast_is_wide(&op->A),
        .wide_B = fast_is_wide(&op->B),
        .wide_C = fast_is_wide(&op->C),
        .wide_in = fast_is_wide(&op->h_in),
        .wide_out = fast_is_wide(&op->h_out),
    };
    struct gpu_arg list[OPERANDS + 1];
    int32_t groups[3];
    grid_of(op, kernel->gpu, sequences, groups);
    gpu_bind(&form, header, call->device, &args, list);
    return gpu_launch_sequences(kernel, call, groups, list, OPERANDS + 1, sequences, &args.sequence);
}

const segue_row selective_scan_decode = {
    .name = "selective_scan_decode",
    .primitive = SEGUE_SELECTIVE_SCAN,
    .since = 1,
    .priority = 220,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    /* Not STEP_EXACT: longer calls go to rows that add up in another order. */
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
