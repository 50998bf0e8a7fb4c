/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "selective_scan_chunked.args.h"
#include "fast_row.h"
#include "selective_scan_row.h"

enum { FEWEST_TOKENS = 64, MOST_STATES = 16 };
enum { OPERANDS = offsetof(struct selective_scan_chunked_args, sequence) / sizeof(VIEW) };

GPU_SOURCE(selective_scan_chunked);

static const struct gpu_form form = { OPERANDS, sizeof(struct selective_scan_chunked_args) };

/* Whether all channels of a group of items read one group of B, or of C. */
static int is_shared(const segue_selective_scan *op, const segue_tensor *t)
{
    return t->shape[2] < 2 || op->u.shape[2] / t->shape[2] % CHUNKED_CHANNELS(FAST_GROUP) == 0;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_selective_scan *op = (const void *)header;
    return scan_prepare(op, dev, fast_key(&gpu_source_selective_scan_chunked, header, dev), &form,
                        CHUNKED_CHANNELS(FAST_GROUP), plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_selective_scan *op = (const void *)header;
    if (!fast_runs_on(dev)) return "u: " FAST_NEEDS;
    if (fast_longest(&op->u, &op->cu_seqlens, op->max_seqlen) < FEWEST_TOKENS)
        return "u: t is supported from 64";
    if (op->A.shape[1] < 1 || op->A.shape[1] > MOST_STATES) return "A: n is supported from 1 to 16";
    if (!is_shared(op, &op->B)) return "B: a group must have a multiple of 16 channels";
    if (!is_shared(op, &op->C)) return "C: a group must have a multiple of 16 channels";
    if (!fast_is_dense(&op->u)) return "u: channels must lie side by side";
    if (!fast_is_dense(&op->delta)) return "delta: channels must lie side by side";
    if (!fast_is_dense(&op->z)) return "z: channels must lie side by side";
    if (!fast_is_dense(&op->y)) return "y: channels must lie side by side";
    if (op->u.shape[2] > GPU_MOST_INDEX) return "u: d is at most 2^30";
    return scan_refuse_f64(op);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_selective_scan *op = (const void *)header;
    struct selective_scan_chunked_args args = {
        .tokens = op->u.shape[1],
        .pool = gpu_pool(&op->h_in, &op->h_out),
        .channels = (int32_t)op->u.shape[2],
        .channels_B = (int32_t)(op->u.shape[2] / op->B.shape[2]),
        .channels_C = (int32_t)(op->u.shape[2] / op->C.shape[2]),
        .softplus = op->softplus != 0,
        .wide_u = fast_is_wide(&op->u),
        .wide_delta = fast_is_wide(&op->delta),
        .wide_B = fast_is_wide(&op->B),
        .wide_C = fast_is_wide(&op->C),
        .wide_z = fast_is_wide(&op->z),
        .wide_y = fast_is_wide(&op->y),
    };
    return scan_launch(op, call, &form, CHUNKED_CHANNELS(FAST_GROUP), &args, &args.sequence);
}

const segue_row selective_scan_chunked = {
    .name = "selective_scan_chunked",
    .primitive = SEGUE_SELECTIVE_SCAN,
    .since = 1,
    .priority = 210,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    /* Not STEP_EXACT: time goes in chunks. */
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
