/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "gate_prep.h"
#include "row.h"

enum { BAND = 16, WORK = 24 }; /* tokens of a tile at most; operations a gate, roughly */

static const struct segue_tile_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_gates);
static const segue_tensor absent;

static int64_t is_flat(const segue_gate_prep *op)
{
    const segue_tensor *const all[] = { &op->x, &op->delta, &op->g, &op->key };
    for (int i = 0; i < 4; i++)
        if (all[i]->dtype.bits && !gate_step(all[i])) return 0;
    return 1;
}

/* Tokens are shared out where there are enough of them, so that each thread walks through whole rows of memory. */
static void share_out(struct gate_job *job, const struct segue_cpu *cpu)
{
    const int64_t t = job->op->x.shape[1], h = job->op->x.shape[2], threads = cpu->threads;
    const double tokens = (double)t * (double)job->op->x.shape[0];
    job->tile.by_time = tokens >= 2 * (double)threads || h < threads;
    job->tile.tile_tokens = tokens < 4 * BAND * (double)threads ? 1 : from_one_to(t, BAND);
    if (!job->tile.by_time) job->tile.tile_tokens = from_one_to(t, t);
    job->tile.panel_blocks = from_one_to(h, h);
}

/* Scratch has room for any strides, since these may change from run to run. */
static struct gate_job plan_job(const segue_gate_prep *op, const struct segue_cpu *cpu)
{
    const int64_t h = op->x.shape[2], k = op->x.shape[3], padded = (k + GATE_LINE - 1) / GATE_LINE * GATE_LINE;
    struct gate_job job = { .tile = { .kernel = kernels[cpu->isa],
                                      .y = op->g.dtype.bits       ? &op->g
                                           : op->delta.dtype.bits ? &op->delta
                                                                  : &op->key,
                                      .channels = h,
                                      .channel_work = WORK * k },
                            .op = op,
                            .flat = is_flat(op) };
    uint64_t end = 0;
    job.pitch = job.flat ? k : padded;
    job.tile.sequences = (struct segue_sequences){
        .cu_seqlens = &absent, .slot = &absent, .count = op->x.shape[0], .tokens = op->x.shape[1]
    };
    job.tile.stream =
        streams(cpu, bytes_of(&op->x) + bytes_of(&op->delta) + bytes_of(&op->g) + bytes_of(&op->key));
    share_out(&job, cpu);
    job.x = place_scratch(&end, GATE_FLOATS), job.delta = place_scratch(&end, GATE_FLOATS);
    job.g = place_scratch(&end, GATE_FLOATS), job.key = place_scratch(&end, GATE_FLOATS);
    job.bias = place_scratch(&end, h * padded + GATE_LINE);
    job.a = place_scratch(&end, h * padded + GATE_LINE);
    job.b = place_scratch(&end, h * padded + GATE_LINE);
    job.c = place_scratch(&end, h * padded + GATE_LINE);
    job.heads = place_scratch(&end, h + GATE_LINE);
    job.tile.scratch_floats = end;
    return job;
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_gate_prep, name), #name ": f64 is offered by the reference only" },
    OPERAND(x) OPERAND(bias) OPERAND(A) OPERAND(A_log) OPERAND(lower_bound) OPERAND(delta) OPERAND(g)
        OPERAND(key)
#undef OPERAND
            { 0, NULL }
};

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const struct gate_job job = plan_job((const void *)header, dev->handle);
    (void)why;
    plan->workspace_bytes = tile_workspace(dev->handle, &job.tile);
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_gate_prep *op = (const void *)header;
    (void)dev;
    if ((double)op->x.shape[2] * ((double)op->x.shape[3] + GATE_LINE) > (double)MOST_SCRATCH)
        return "x: h times k + 16 is at most 2^40";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    struct gate_job job = plan_job((const void *)header, call->device->handle);
    segue_tile_run(call->device->handle, &job.tile, call->workspace);
    return SEGUE_OK;
}

const segue_row gate_prep_cpu = {
    .name = "gate_prep_cpu",
    .primitive = SEGUE_GATE_PREP,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
