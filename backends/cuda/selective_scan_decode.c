/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "selective_scan_decode.args.h"
#include "fast_row.h"
#include "selective_scan_row.h"

enum { MOST_TOKENS = 16, MOST_LANES = 32 };
enum { OPERANDS = offsetof(struct selective_scan_decode_args, sequence) / sizeof(VIEW) };

GPU_SOURCE(selective_scan_decode);

static const struct gpu_form form = { OPERANDS, sizeof(struct selective_scan_decode_args) };

/* Items of a channel: of 16 bytes of its state each; 0 = the state does not part that way. */
static int64_t lanes_of(const segue_selective_scan *op)
{
    const segue_tensor *state = fast_present(&op->h_in) ? &op->h_in : &op->h_out;
    const int64_t each = 128 / (fast_present(state) ? state->dtype.bits : 32), lanes = op->A.shape[1] / each;
    return lanes * each == op->A.shape[1] && lanes <= MOST_LANES && !(lanes & (lanes - 1)) ? lanes : 0;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_selective_scan *op = (const void *)header;
    return scan_prepare(op, dev, fast_key(&gpu_source_selective_scan_decode, header, dev), &form,
                        FAST_GROUP / lanes_of(op), plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_selective_scan *op = (const void *)header;
    if (!fast_runs_on(dev)) return "u: " FAST_NEEDS;
    if (fast_longest(&op->u, &op->cu_seqlens, op->max_seqlen) > MOST_TOKENS)
        return "u: t is supported up to 16";
    if (!lanes_of(op)) return "A: n must be 16 bytes of the state times 1, 2, 4 ... 32";
    if (!fast_is_dense(&op->h_in)) return "h_in: states must lie side by side";
    if (!fast_is_dense(&op->h_out)) return "h_out: states must lie side by side";
    if (op->u.shape[2] > GPU_MOST_INDEX) return "u: d is at most 2^30";
    return scan_refuse_f64(op);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_selective_scan *op = (const void *)header;
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
    return scan_launch(op, call, &form, FAST_GROUP / lanes_of(op), &args, &args.sequence);
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
