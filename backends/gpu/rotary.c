/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rotary.args.h"
#include "launcher.h"

#include <math.h>

enum { OPERANDS = offsetof(struct rotary_args, power) / sizeof(VIEW) };
enum { GROUPS = 1024 }; /* that keep a device busy: below that a token's heads are shared out, too */

GPU_SOURCE(rotary);

static const struct gpu_form form = { OPERANDS, sizeof(struct rotary_args) };

static int64_t turning(const segue_rotary *op)
{
    return op->rotary_dim ? op->rotary_dim : op->x.shape[3];
}

struct shape {
    int64_t rows;
    int32_t width, each; /* items that share a token; tokens of a group */
    int32_t groups[3];
};

static struct shape shape_of(const segue_rotary *op, const struct gpu *gpu)
{
    const int64_t *n = op->x.shape, units = n[3] - turning(op) / 2;
    struct shape s = { .rows = n[0] * n[1], .width = 1 };
    while (s.width < gpu->group && s.width < units) s.width *= 2;
    s.each = gpu->group / s.width;
    s.groups[0] = 1;
    s.groups[1] = gpu_groups(gpu, 1, s.rows, s.each);
    const int64_t parts = s.groups[1] ? GROUPS / s.groups[1] : 1;
    s.groups[2] = gpu_groups(gpu, 2, parts < 1 ? 1 : parts < n[2] ? parts : n[2], 1);
    return s;
}

/* In long double: an angle at position 2^31 needs its 64 digits. A power of 1, or nearly, is the largest number there is. */
static void fill_powers(const segue_rotary *op, i64 power[ROTARY_POWERS])
{
    const int64_t pairs = turning(op) / 2, whole = op->frequencies == SEGUE_ROTARY_RETNET ? pairs - 1 : pairs;
    for (int k = 0; k < ROTARY_POWERS; k++) {
        const long double exponent = whole > 0 ? -ldexpl(1, k) / (long double)whole : 0;
        const long double value = ldexpl(powl(op->base, exponent), 64);
        power[k] = (i64)(value < 0x1p64L ? (uint64_t)value : UINT64_MAX);
    }
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const struct gpu *gpu = gpu_of(dev);
    const struct gpu_key key = { .source = &gpu_source_rotary, .kernel = "rotary", .group = gpu->group };
    return gpu_plan_one(dev, &key, &form, shape_of((const void *)header, gpu).groups, plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_rotary, name), #name ": f64 is not supported" },
        OPERAND(x) OPERAND(cos) OPERAND(sin) OPERAND(y)
#undef OPERAND
            { 0, NULL }
    };
    const segue_rotary *op = (const void *)header;
    (void)dev;
    if (op->x.shape[2] > GPU_MOST_INDEX) return "x: h is at most 2^30";
    if (op->x.shape[3] > GPU_MOST_INDEX) return "x: d is at most 2^30";
    if (turning(op) / 2 > 1 << ROTARY_POWERS) return "x: at most 131072 channels turn";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_rotary *op = (const void *)header;
    const struct gpu_kernel *kernel = call->data;
    const struct shape shape = shape_of(op, kernel->gpu);
    struct rotary_args args = {
        .rows = shape.rows,
        .tokens = op->x.shape[1],
        .position = op->position,
        .shift = op->xpos_shift,
        .heads = (i32)op->x.shape[2],
        .pairs = (i32)(turning(op) / 2),
        .passing = (i32)(op->x.shape[3] - turning(op) / 2 * 2),
        .interleaved = op->pairing == SEGUE_ROTARY_INTERLEAVED,
        .width = shape.width,
        .each = shape.each,
        .groups = shape.groups[1],
        .parts = shape.groups[2],
    };
    struct gpu_arg list[OPERANDS + 1];
    if (op->xpos_base > 0) args.rate = (float)((op->xpos_inverse ? -1 : 1) / op->xpos_base);
    fill_powers(op, args.power);
    gpu_bind(&form, header, call->device, &args, list);
    return gpu_launch(kernel, call->stream, shape.groups, list, OPERANDS + 1, call->why);
}

const segue_row rotary_shared = {
    .name = "rotary_shared",
    .primitive = SEGUE_ROTARY,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
