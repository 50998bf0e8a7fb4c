/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_map_plain.args.h"
#include "launcher.h"

enum { MOST_PARTS = 1 << 16 };
enum { OPERANDS = offsetof(struct feature_map_plain_args, sequence) / sizeof(VIEW) };

_Static_assert(MAP_IDENTITY == SEGUE_FEATURE_MAP_IDENTITY && MAP_ELU1 == SEGUE_FEATURE_MAP_ELU1 &&
                   MAP_RELU == SEGUE_FEATURE_MAP_RELU && MAP_TAYLOR2 == SEGUE_FEATURE_MAP_TAYLOR2 &&
                   MAP_COSREW == SEGUE_FEATURE_MAP_COSREW,
               "the kernel's numbers are the primitive's");

GPU_SOURCE(feature_map_plain);

static const struct gpu_form form = { OPERANDS, sizeof(struct feature_map_plain_args) };

/* Returns the pieces that groups share; 0 = a sequence for each of axis 1, which makes fewer groups. */
static int64_t grid_of(const segue_feature_map *op, const struct gpu *gpu, int32_t groups[3])
{
    const double features = (double)op->x.shape[1] * (double)op->x.shape[2] * (double)op->y.shape[3];
    const double wanted = features / (gpu->group * PLAIN_EACH) + 1;
    const int64_t parts = wanted < MOST_PARTS ? (int64_t)wanted : MOST_PARTS,
                  sequences = gpu_sequences(&op->x, &op->cu_seqlens);
    int64_t pieces = 0;
    if (op->cu_seqlens.dtype.bits && features > 0)
        pieces =
            gpu_pieces(sequences, op->x.shape[1] * op->x.shape[2] * op->y.shape[3], gpu->group * PLAIN_EACH);
    if (pieces >= parts * sequences) pieces = 0;
    groups[0] = gpu_groups(gpu, 0, pieces ? pieces : parts, 1);
    groups[1] = pieces ? 1 : gpu_groups(gpu, 1, sequences, 1);
    groups[2] = 1;
    return pieces;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const struct gpu_key key = gpu_key_of(&gpu_source_feature_map_plain, header, dev);
    int32_t groups[3];
    grid_of((const void *)header, gpu_of(dev), groups);
    return gpu_plan_one(dev, &key, &form, groups, plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_feature_map, name), #name ": f64 is not supported" },
        OPERAND(x) OPERAND(y)
#undef OPERAND
            { 0, NULL }
    };
    const segue_feature_map *op = (const void *)header;
    (void)dev;
    if (op->W.dtype.bits) return "W: this kernel is for maps without a projection";
    if (op->x.shape[3] < 1) return "x: k is supported from 1";
    if (op->x.shape[2] > GPU_MOST_INDEX) return "x: h is at most 2^30";
    if (op->y.shape[3] > GPU_MOST_INDEX) return "y: f is at most 2^30";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_feature_map *op = (const void *)header;
    const struct gpu_kernel *kernel = call->data;
    struct gpu_arg list[OPERANDS + 1];
    int32_t groups[3];
    const int64_t pieces = grid_of(op, kernel->gpu, groups), sequences = gpu_sequences(&op->x, &op->cu_seqlens);
    struct feature_map_plain_args args = { .tokens = op->x.shape[1],
                                           .sequences = pieces ? sequences : 0,
                                           .pieces = pieces ? pieces : 1,
                                           .position = op->position,
                                           .length = op->length ? op->length : op->position + op->x.shape[1],
                                           .width = (int32_t)op->x.shape[3],
                                           .features = (int32_t)op->y.shape[3],
                                           .heads = (int32_t)op->x.shape[2],
                                           .parts = groups[0],
                                           .map = (int32_t)op->map,
                                           .scale = (float)op->scale,
                                           .eps = (float)op->eps };
    gpu_bind(&form, header, call->device, &args, list);
    return gpu_launch_sequences(kernel, call, groups, list, OPERANDS + 1, pieces ? 1 : sequences,
                                &args.sequence);
}

const segue_row feature_map_plain_shared = {
    .name = "feature_map_plain_shared",
    .primitive = SEGUE_FEATURE_MAP,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
