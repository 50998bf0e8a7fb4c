/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "causal_conv1d.h"
#include "row.h"

/* In place: rows of a panel's x, taps and y stay in the first-level cache (PLACE_CHANNELS); tokens of a tile
 * where threads share out tiles (BAND), otherwise tiles do not matter. Packed: floats of a panel's scratch;
 * what a worker touches between two visits of a row stays in the second-level cache. */
enum { PLACE_CHANNELS = 384, STREAM_CHANNELS = 768, PANEL_FLOATS = 64 << 10, TILE = 64, BAND = 32 };

static const struct segue_tile_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_conv);

/* Whether axis is contiguous in all that has b, t and d. */
static int contiguous(const segue_causal_conv1d *op, int axis)
{
    const segue_tensor *const all[] = { &op->x, &op->pre_gate, &op->post_gate, &op->y };
    for (int i = 0; i < 4; i++)
        if (all[i]->dtype.bits && all[i]->stride[axis] != 1) return 0;
    return 1;
}

static enum conv_way way_of(const segue_causal_conv1d *op)
{
    if (contiguous(op, 2)) return CONV_CHANNELS;
    int plain = !op->pre_gate.dtype.bits && !op->post_gate.dtype.bits && !op->seq_idx.dtype.bits;
    return plain && contiguous(op, 1) ? CONV_TIME : CONV_PACKED;
}

/* Whether rows as they lie in memory are shared out, not columns: half a row after half a row takes up to
 * twice the time. Needs enough tiles for all threads, and windows that reach no further back than one tile. */
static int64_t by_time(const segue_causal_conv1d *op, const struct segue_cpu *cpu, const struct conv_job *job)
{
    const int64_t tiles = (op->x.shape[1] + BAND - 1) / BAND * op->x.shape[0];
    return job->way == CONV_CHANNELS && !op->seq_idx.dtype.bits && job->width <= BAND &&
           tiles >= 4 * cpu->threads;
}

/* Scratch has room for any way: strides may change from run to run. */
static void plan_job(const segue_causal_conv1d *op, const struct segue_cpu *cpu, struct conv_job *job)
{
    const struct segue_tile_kernel *kernel = kernels[cpu->isa];
    int64_t lanes = kernel->lanes, w = op->weight.shape[1], d = op->x.shape[2], t = op->x.shape[1];
    const segue_tensor *state = op->h_in.dtype.bits ? &op->h_in : &op->h_out;
    int gated = op->pre_gate.dtype.bits || op->post_gate.dtype.bits;
    uint64_t end = 0;
    *job = (struct conv_job){ .tile = { .kernel = kernel, .y = &op->y, .channels = d, .channel_work = 2 * w },
                              .op = op,
                              .way = way_of(op),
                              .bf16_fast = has_bf16(),
                              .width = w };
    job->tile.sequences = sequences_of(&op->cu_seqlens, &op->slot, &op->x, &op->h_in, &op->h_out);
    job->tile.stream = streams(cpu, 2 * bytes_of(&op->y)); /* x, y */
    job->tile.by_time = by_time(op, cpu, job);
    job->columns = state->dtype.bits ? state->shape[2] : 0;
    /* The full tile, whatever t is: a shorter call must not get wider panels, which would need more. */
    int64_t blocks = blocks_of(d, kernel->lanes),
            panel = from_one_to(PANEL_FLOATS / ((2 * w + (1 + gated) * TILE) * lanes), blocks),
            tile = from_one_to(TILE, t), rows = w - 1 > tile ? w - 1 : tile;
    /* Memory is slower by shorter stretches. A shorter call than planned may get narrower panels, not wider
     * ones. */
    const int64_t most = job->tile.stream ? STREAM_CHANNELS : PLACE_CHANNELS;
    if (panel * lanes > most) panel = most / lanes;
    job->tile.panel_blocks = panel;
    if (job->tile.by_time) job->tile.tile_tokens = BAND;
    else job->tile.tile_tokens = job->way == CONV_PACKED || op->seq_idx.dtype.bits ? tile : t < 1 ? 1 : t;
    job->pitch = (panel + 1) * lanes;
    job->x = place_scratch(&end, job->pitch * (w - 1 + rows));
    job->gate = place_scratch(&end, gated ? job->pitch * rows : 0);
    job->weight_pitch = w <= BAND ? (blocks + 1) * lanes : job->pitch; /* by_time wants all channels' */
    job->weight = place_scratch(&end, job->weight_pitch * w);
    job->bias = place_scratch(&end, job->weight_pitch);
    job->row = place_scratch(&end, job->pitch);
    job->tags = place_scratch(&end, op->seq_idx.dtype.bits ? w - 1 + tile : 0);
    job->tile.scratch_floats = end;
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_causal_conv1d, name), #name ": f64 is offered by the reference only" },
    OPERAND(x) OPERAND(weight) OPERAND(bias) OPERAND(pre_gate) OPERAND(post_gate) OPERAND(h_in) OPERAND(h_out)
        OPERAND(y)
#undef OPERAND
            { 0, NULL }
};

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_causal_conv1d *op = (const void *)header;
    struct conv_job job;
    (void)why;
    plan_job(op, dev->handle, &job);
    fill_plan(plan, dev->handle, &job.tile, op->x.shape[2], job.columns);
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_causal_conv1d *op = (const void *)header;
    (void)dev;
    if (op->weight.shape[1] > MOST_SCRATCH) return "weight: w is at most 2^40";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    struct conv_job job;
    plan_job((const void *)header, call->device->handle, &job);
    segue_tile_run(call->device->handle, &job.tile, call->workspace);
    return SEGUE_OK;
}

const segue_row causal_conv1d_cpu = {
    .name = "causal_conv1d_cpu",
    .primitive = SEGUE_CAUSAL_CONV1D,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
