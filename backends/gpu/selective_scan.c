/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "selective_scan.args.h"
#include "selective_scan_row.h"

enum { MOST_STATES = 256 };
enum { OPERANDS = offsetof(struct selective_scan_args, sequence) / sizeof(VIEW) };

GPU_SOURCE(selective_scan);

static const struct gpu_form form = { OPERANDS, sizeof(struct selective_scan_args) };

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_selective_scan *op = (const void *)header;
    return scan_prepare(op, dev, gpu_key_of(&gpu_source_selective_scan, header, dev), &form,
                        SCAN_CHANNELS(op->A.shape[1], gpu_of(dev)->group), plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_selective_scan *op = (const void *)header;
    (void)dev;
    if (op->A.shape[1] < 1 || op->A.shape[1] > MOST_STATES) return "A: n is supported from 1 to 256";
    if (op->u.shape[2] > GPU_MOST_INDEX) return "u: d is at most 2^30";
    return scan_refuse_f64(op);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_selective_scan *op = (const void *)header;
    struct selective_scan_args args = {
        .tokens = op->u.shape[1],
        .pool = gpu_pool(&op->h_in, &op->h_out),
        .channels = (int32_t)op->u.shape[2],
        .channels_B = (int32_t)(op->u.shape[2] / op->B.shape[2]),
        .channels_C = (int32_t)(op->u.shape[2] / op->C.shape[2]),
        .softplus = op->softplus != 0,
    };
    return scan_launch(op, call, &form, SCAN_CHANNELS(op->A.shape[1], gpu_of(call->device)->group), &args,
                       &args.sequence);
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
