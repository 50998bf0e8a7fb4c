/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "attention_merge.h"
#include "row.h"

enum { BAND = 16, LINE = 16 }; /* tokens of a tile at most; floats that a part's weights are rounded up to */

static const struct segue_tile_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_merge);
static const segue_tensor absent;

/* Tokens are shared out where there are enough of them, so that each thread walks through whole rows of memory. */
static void share_out(struct merge_job *job, const struct segue_cpu *cpu)
{
    const int64_t t = job->op->y.shape[1], h = job->op->y.shape[2], threads = cpu->threads;
    const double tokens = (double)t * (double)job->op->y.shape[0];
    job->tile.by_time = tokens >= 2 * (double)threads || h < threads;
    job->tile.tile_tokens = tokens < 4 * BAND * (double)threads ? 1 : from_one_to(t, BAND);
    if (!job->tile.by_time) job->tile.tile_tokens = from_one_to(t, t);
    job->tile.panel_blocks = from_one_to(h, h);
}

/* Scratch has room for any strides, since these may change from run to run. */
static struct merge_job plan_job(const segue_attention_merge *op, const struct segue_cpu *cpu)
{
    const int64_t parts = op->lse.shape[0], h = op->y.shape[2], v = op->y.shape[3];
    struct merge_job job = {
        .tile = { .kernel = kernels[cpu->isa], .y = &op->y, .channels = h, .channel_work = parts * v + 16 },
        .op = op,
        .straight = op->o.stride[4] == 1 && op->y.stride[3] == 1,
        .bf16_fast = has_bf16(),
        .pitch = (h + LINE - 1) / LINE * LINE,
    };
    uint64_t end = 0;
    job.tile.sequences = (struct segue_sequences){
        .cu_seqlens = &absent, .slot = &absent, .count = op->y.shape[0], .tokens = op->y.shape[1]
    };
    job.tile.stream = streams(cpu, bytes_of(&op->o) + bytes_of(&op->y));
    share_out(&job, cpu);
    job.log = place_scratch(&end, parts * job.pitch), job.weight = place_scratch(&end, parts * job.pitch);
    job.log_out = place_scratch(&end, job.pitch);
    job.share = place_scratch(&end, parts);
    job.row = place_scratch(&end, parts * (int64_t)(sizeof(char *) / sizeof(float)));
    job.part = place_scratch(&end, v + LINE), job.head = place_scratch(&end, v + LINE);
    job.tile.scratch_floats = end;
    return job;
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_attention_merge, name), #name ": f64 is offered by the reference only" },
    OPERAND(o) OPERAND(lse) OPERAND(log_weight) OPERAND(y) OPERAND(lse_out)
#undef OPERAND
        { 0, NULL }
};

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const struct merge_job job = plan_job((const void *)header, dev->handle);
    (void)why;
    plan->workspace_bytes = tile_workspace(dev->handle, &job.tile);
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_attention_merge *op = (const void *)header;
    (void)dev;
    if (((double)op->o.shape[0] + 1) * ((double)op->o.shape[3] + LINE) > (double)MOST_SCRATCH)
        return "o: r + 1 times h + 16 is at most 2^40";
    if (op->o.shape[4] > MOST_SCRATCH) return "o: v is at most 2^40";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    struct merge_job job = plan_job((const void *)header, call->device->handle);
    segue_tile_run(call->device->handle, &job.tile, call->workspace);
    return SEGUE_OK;
}

const segue_row attention_merge_cpu = {
    .name = "attention_merge_cpu",
    .primitive = SEGUE_ATTENTION_MERGE,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
