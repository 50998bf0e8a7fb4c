/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "causal_conv1d.h"
#include "row.h"

/* Floats of a panel's scratch: what a worker touches between two visits of a row stays in the second-level
 * cache. */
enum { PANEL_FLOATS = 48 << 10, TILE = 64 };

static const struct segue_tile_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_conv);

static void plan_job(const segue_causal_conv1d *op, const struct segue_cpu *cpu, struct conv_job *job)
{
    const struct segue_tile_kernel *kernel = kernels[cpu->isa];
    int64_t lanes = kernel->lanes, w = op->weight.shape[1], d = op->x.shape[2], t = op->x.shape[1];
    const segue_tensor *state = op->h_in.dtype.bits ? &op->h_in : &op->h_out;
    int gated = op->pre_gate.dtype.bits || op->post_gate.dtype.bits;
    uint64_t end = 0;
    *job = (struct conv_job){ .tile = { .kernel = kernel, .y = &op->y, .channels = d, .channel_work = 2 * w },
                              .op = op,
                              .width = w };
    job->tile.sequences = sequences_of(&op->cu_seqlens, &op->slot, &op->x, &op->h_in, &op->h_out);
    job->tile.stream = streams(&op->y);
    job->columns = state->dtype.bits ? state->shape[2] : 0;
    job->tile.tile_tokens = from_one_to(TILE, t);
    /* The full tile, whatever t is: a shorter call must not get wider panels, which would need more. */
    job->tile.panel_blocks =
        from_one_to(PANEL_FLOATS / ((2 * w + (1 + gated) * TILE) * lanes), blocks_of(d, kernel->lanes));
    int64_t panel = job->tile.panel_blocks * lanes, tile = job->tile.tile_tokens;
    job->x_pitch = ((w - 1 + tile) | 1) * lanes; /* odd: blocks spread over the sets of the cache */
    job->gate_pitch = (tile | 1) * lanes;
    job->x = place_scratch(&end, job->tile.panel_blocks * job->x_pitch);
    job->gate = place_scratch(&end, gated ? job->tile.panel_blocks * job->gate_pitch : 0);
    job->weight = place_scratch(&end, panel * w);
    job->bias = place_scratch(&end, panel);
    job->row = place_scratch(&end, panel);
    job->tags = place_scratch(&end, op->seq_idx.dtype.bits ? w - 1 + tile : 0);
    job->tile.scratch_floats = end;
}

static const struct refusal operands[] = {
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
    if (op->weight.shape[1] > MOST_SCRATCH)
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0,
                              "weight: w is %lld, scratch memory is for %lld at most",
                              (long long)op->weight.shape[1], (long long)MOST_SCRATCH);
    plan_job(op, dev->handle, &job);
    fill_plan(plan, dev->handle, &job.tile, op->x.shape[2], job.columns);
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return refuse_f64(header, operands);
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
