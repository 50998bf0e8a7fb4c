/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_map.args.h"
#include "launcher.h"

enum {
    MOST_ROWS = 1024,
    MOST_PARTS = 64
}; /* of W; groups that share a sequence's tokens: each reads that many peaks */
enum { PEAKS = offsetof(struct feature_map_args, peaks) / sizeof(VIEW), OPERANDS = PEAKS + 1 };

_Static_assert(MAP_FAVOR_PLUS == SEGUE_FEATURE_MAP_FAVOR_PLUS && MAP_FAVOR_PM == SEGUE_FEATURE_MAP_FAVOR_PM &&
                   MAP_RFF == SEGUE_FEATURE_MAP_RFF && MAP_GELU == SEGUE_FEATURE_MAP_GELU &&
                   MAP_HEDGEHOG_A == SEGUE_FEATURE_MAP_HEDGEHOG_A && MAP_EXP == SEGUE_FEATURE_MAP_EXP &&
                   MAP_HEDGEHOG_B == SEGUE_FEATURE_MAP_HEDGEHOG_B && SHIFT_ROW == SEGUE_FEATURE_MAP_ROW &&
                   SHIFT_GLOBAL == SEGUE_FEATURE_MAP_GLOBAL,
               "the kernel's numbers are the primitive's");

GPU_SOURCE(feature_map);

static const struct gpu_form form = { OPERANDS, sizeof(struct feature_map_args) };

/* Rows of W for each item: a power of two, which keeps keys few. */
static int64_t rows_of(const segue_feature_map *op, const struct gpu *gpu)
{
    int64_t rows = 1;
    while (rows * gpu->group < op->W.shape[1]) rows *= 2;
    return rows;
}

/* The mode of the maps that have one; the others must not look for peaks that nobody found. */
static int64_t shift_mode_of(const segue_feature_map *op)
{
    const int shifted = op->map == SEGUE_FEATURE_MAP_FAVOR_PLUS || op->map == SEGUE_FEATURE_MAP_FAVOR_PM;
    return shifted ? op->shift_mode : SEGUE_FEATURE_MAP_ROW;
}

static int needs_peaks(const segue_feature_map *op)
{
    return shift_mode_of(op) == SEGUE_FEATURE_MAP_GLOBAL;
}

/* Parts by the tokens of the longest sequence; groups of the grid. */
static int32_t grid_of(const segue_feature_map *op, const struct gpu *gpu, int32_t groups[3])
{
    const int64_t heads = op->x.shape[2], tokens = FEATURE_TOKENS(rows_of(op, gpu));
    int64_t parts = (op->x.shape[1] + tokens - 1) / tokens, most = heads ? gpu->most_groups[0] / heads : 1;
    if (most > MOST_PARTS) most = MOST_PARTS;
    parts = parts > most ? most : parts;
    if (parts < 1) parts = 1;
    groups[0] = (int32_t)(heads * parts);
    groups[1] = gpu_groups(gpu, 1, gpu_sequences(&op->x, &op->cu_seqlens), 1);
    groups[2] = 1;
    return (int32_t)parts;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_feature_map *op = (const void *)header;
    struct gpu_key key = gpu_key_of(&gpu_source_feature_map, header, dev);
    int32_t groups[3];
    const int32_t parts = grid_of(op, gpu_of(dev), groups);
    gpu_define_in(&key, "ROWS", rows_of(op, gpu_of(dev)));
    if (needs_peaks(op))
        plan->workspace_bytes = (uint64_t)gpu_sequences(&op->x, &op->cu_seqlens) * (uint64_t)op->x.shape[2] *
                                (uint64_t)parts * sizeof(float);
    return gpu_plan_one(dev, &key, &form, groups, plan, why);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_feature_map, name), #name ": f64 is not supported" },
        OPERAND(x) OPERAND(W) OPERAND(bias) OPERAND(y)
#undef OPERAND
            { 0, NULL }
    };
    const segue_feature_map *op = (const void *)header;
    if (!op->W.dtype.bits) return "W: this kernel is for maps with a projection";
    if (op->W.shape[1] < 1 || op->W.shape[1] > MOST_ROWS) return "W: m is supported from 1 to 1024";
    if (op->x.shape[3] < 1 || op->x.shape[3] > GPU_MOST_INDEX) return "x: k is supported from 1 to 2^30";
    if (op->x.shape[2] > gpu_of(dev)->most_groups[0]) return "x: more heads than the device takes groups";
    if (!gpu_fits_workspace((double)gpu_sequences(&op->x, &op->cu_seqlens) * (double)op->x.shape[2] *
                            MOST_PARTS * sizeof(float)))
        return "x: b times h is too much for a workspace";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_feature_map *op = (const void *)header;
    const struct gpu_kernel *kernel = call->data;
    struct gpu_arg list[OPERANDS + 1];
    int32_t groups[3];
    const int64_t sequences = gpu_sequences(&op->x, &op->cu_seqlens);
    struct feature_map_args args = { .tokens = op->x.shape[1],
                                     .width = (int32_t)op->x.shape[3],
                                     .rows = (int32_t)op->W.shape[1],
                                     .heads = (int32_t)op->x.shape[2],
                                     .parts = grid_of(op, kernel->gpu, groups),
                                     .map = (int32_t)op->map,
                                     .shift_mode = (int32_t)shift_mode_of(op),
                                     .finds_peaks = needs_peaks(op),
                                     .scale = (float)op->scale,
                                     .eps = (float)op->eps,
                                     .shift = (float)op->shift };
    gpu_bind(&form, header, call->device, &args, list);
    if (!args.finds_peaks)
        return gpu_launch_sequences(kernel, call, groups, list, OPERANDS + 1, sequences, &args.sequence);
    args.peaks.at = (int64_t)(call->workspace.offset / sizeof(float));
    list[PEAKS] = (struct gpu_arg){ .memory = &call->workspace, .writes = 1 };
    const segue_status s =
        gpu_launch_sequences(kernel, call, groups, list, OPERANDS + 1, sequences, &args.sequence);
    args.finds_peaks = 0;
    return s ? s : gpu_launch_sequences(kernel, call, groups, list, OPERANDS + 1, sequences, &args.sequence);
}

const segue_row feature_map_shared = {
    .name = "feature_map_shared",
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
