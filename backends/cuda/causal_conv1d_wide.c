/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "causal_conv1d_wide.args.h"
#include "fast_row.h"

enum { FEWEST_TAPS = 2, MOST_TAPS = 4, FEWEST_TOKENS = 16, MOST_STRIP = 64, LEAST_STRIP = 16 };
enum { MOST_IDLE = 4 };        /* strips for one that has tokens: an idle one takes about a third of its time */
enum { MANY_ITEMS = 1 << 17 }; /* about what fills 132 multiprocessors: below, strips become shorter */
enum { OPERANDS = offsetof(struct causal_conv1d_wide_args, sequences) / sizeof(VIEW) };

GPU_SOURCE(causal_conv1d_wide);

static const struct gpu_form form = { OPERANDS, sizeof(struct causal_conv1d_wide_args) };

static int64_t longest(const segue_causal_conv1d *op)
{
    return fast_longest(&op->x, &op->cu_seqlens, op->max_seqlen);
}

static int64_t vectors_of(const segue_causal_conv1d *op)
{
    const int64_t each = 128 / op->x.dtype.bits;
    return (op->x.shape[2] + each - 1) / each;
}

/* Tokens that an item walks, and how many items do so side by side. */
static void cut(const segue_causal_conv1d *op, int32_t *strip, int32_t *strips)
{
    const int64_t vectors = vectors_of(op), tokens = longest(op) ? longest(op) : 1;
    const double all = (double)vectors * (double)gpu_sequences(&op->x, &op->cu_seqlens) * (double)tokens;
    int64_t most = vectors ? GPU_MOST_INDEX * FAST_GROUP / vectors : 1;
    *strip = MOST_STRIP;
    while (*strip > LEAST_STRIP && all / *strip < MANY_ITEMS) *strip /= 2;
    if (most > GPU_MOST_INDEX) most = GPU_MOST_INDEX;
    const int64_t wanted = (tokens + *strip - 1) / *strip;
    *strips = (int32_t)(wanted < most ? wanted : most);
}

/* Each sequence has strips for the longest, which may be all tokens. */
static int mostly_idle(const segue_causal_conv1d *op)
{
    const int64_t sequences = gpu_sequences(&op->x, &op->cu_seqlens);
    int32_t strip, strips;
    cut(op, &strip, &strips);
    return fast_present(&op->cu_seqlens) &&
           (double)sequences * strips > MOST_IDLE * (double)gpu_pieces(sequences, op->x.shape[1], strip);
}

static void grid_of(const segue_causal_conv1d *op, const struct gpu *gpu, int32_t strips, int32_t groups[3])
{
    groups[0] = (int32_t)((vectors_of(op) * strips + FAST_GROUP - 1) / FAST_GROUP);
    groups[1] = gpu_groups(gpu, 1, gpu_sequences(&op->x, &op->cu_seqlens), 1);
    groups[2] = 1;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_causal_conv1d *op = (const void *)header;
    struct gpu_key key = fast_key(&gpu_source_causal_conv1d_wide, header, dev);
    int32_t groups[3], strip, strips;
    gpu_define_in(&key, "W", op->weight.shape[1]);
    cut(op, &strip, &strips);
    grid_of(op, gpu_of(dev), strips, groups);
    return gpu_plan_one(dev, &key, &form, groups, plan, why);
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_causal_conv1d, name), #name ": f64 is not supported" },
    OPERAND(x) OPERAND(weight) OPERAND(bias) OPERAND(h_in) OPERAND(h_out) OPERAND(y)
#undef OPERAND
        { 0, NULL }
};

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_causal_conv1d *op = (const void *)header;
    if (!fast_runs_on(dev)) return "x: " FAST_NEEDS;
    if (fast_present(&op->pre_gate)) return "pre_gate: is not supported";
    if (fast_present(&op->post_gate)) return "post_gate: is not supported";
    if (fast_present(&op->seq_idx)) return "seq_idx: is not supported";
    if (fast_present(&op->cache_seqlens)) return "cache_seqlens: is not supported";
    if (op->weight.shape[1] < FEWEST_TAPS || op->weight.shape[1] > MOST_TAPS)
        return "weight: w is supported from 2 to 4";
    if (longest(op) < FEWEST_TOKENS) return "x: t is supported from 16";
    if (op->x.shape[2] > GPU_MOST_INDEX) return "x: d is at most 2^30";
    if (mostly_idle(op)) return "max_seqlen: is wanted where many sequences are packed";
    if (!fast_is_dense(&op->x)) return "x: channels must lie side by side";
    if (!fast_is_dense(&op->y)) return "y: channels must lie side by side";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_causal_conv1d *op = (const void *)header;
    const struct gpu_kernel *kernel = call->data;
    const segue_tensor *state = fast_present(&op->h_in) ? &op->h_in : &op->h_out;
    int32_t groups[3], strip, strips;
    cut(op, &strip, &strips);
    grid_of(op, kernel->gpu, strips, groups);
    struct causal_conv1d_wide_args args = {
        .sequences = gpu_sequences(&op->x, &op->cu_seqlens),
        .tokens = op->x.shape[1],
        .pool = gpu_pool(&op->h_in, &op->h_out),
        .columns = fast_present(state) ? state->shape[2] : 0,
        .channels = (int32_t)op->x.shape[2],
        .silu = op->activation == SEGUE_CAUSAL_CONV1D_SILU,
        .strip = strip,
        .strips = strips,
        .rows = groups[1],
        .wide_x = fast_is_wide(&op->x),
        .wide_y = fast_is_wide(&op->y),
    };
    struct gpu_arg list[OPERANDS + 1];
    gpu_bind(&form, header, call->device, &args, list);
    return gpu_launch(kernel, call->stream, groups, list, OPERANDS + 1, call->why);
}

const segue_row causal_conv1d_wide = {
    .name = "causal_conv1d_wide",
    .primitive = SEGUE_CAUSAL_CONV1D,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    /* Not STEP_EXACT: single tokens go to the shared row, whose silu is another one. */
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
