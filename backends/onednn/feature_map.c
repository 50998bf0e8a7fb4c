/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_map.h"
#include "row.h"

/* ROW_FLOATS: of x, u and y among the tokens taken at once, which stay in the first-level cache; FEWEST tokens share one
 * look at W even so. BAND: tokens of a tile at most. WORK: operations a feature, roughly. */
enum { ROW_FLOATS = 6144, FEWEST = 8, BAND = 64, WORK = 16 };

static const struct segue_tile_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_features);
static const segue_tensor absent;

/* Tokens are shared out where there are enough of them, so that each thread walks through whole rows of memory; whole
 * sequences of some heads where M or R is needed first. */
static void share_out(struct feature_job *job, const struct segue_cpu *cpu)
{
    const int64_t t = job->op->x.shape[1], h = job->op->x.shape[2], threads = cpu->threads;
    const double tokens = (double)t * (double)job->op->x.shape[0];
    job->tile.by_time = !job->by_peak && (tokens >= 2 * (double)threads || h < threads);
    job->tile.tile_tokens = tokens < 4 * BAND * (double)threads ? FEWEST : BAND;
    if (tokens < 4 * FEWEST * (double)threads) job->tile.tile_tokens = 1;
    if (!job->tile.by_time) job->tile.tile_tokens = from_one_to(t, t);
    job->tile.panel_blocks = from_one_to(h, h);
}

/* For any strides, since these may change from run to run: W has room for all heads. */
static void place(struct feature_job *job)
{
    const int64_t k = job->width, m = job->projections, h = job->op->x.shape[2];
    uint64_t end = 0;
    job->x_pitch = rounded_up(k, FEATURE_LINE), job->u_pitch = rounded_up(m, FEATURE_LINE),
    job->y_pitch = rounded_up(job->op->y.shape[3], FEATURE_LINE);
    job->by_heads = !m && h > 1;
    job->rows = ROW_FLOATS / (job->x_pitch + job->u_pitch + job->y_pitch + 1) / FEWEST * FEWEST;
    if (job->rows < FEWEST) job->rows = FEWEST;
    job->x = place_scratch(&end, job->rows * job->x_pitch);
    job->u = place_scratch(&end, job->rows * job->u_pitch);
    job->y = place_scratch(&end, job->rows * job->y_pitch);
    job->W = place_scratch(&end, h * k * job->u_pitch);
    job->bias = place_scratch(&end, job->op->bias.dtype.bits ? h * job->u_pitch : 0);
    job->peak = place_scratch(&end, job->by_peak ? h : 0);
    job->tile.scratch_floats = end;
}

static struct feature_job plan_job(const segue_feature_map *op, const struct segue_cpu *cpu)
{
    const int shifted = op->map == SEGUE_FEATURE_MAP_FAVOR_PLUS || op->map == SEGUE_FEATURE_MAP_FAVOR_PM;
    const int64_t m = op->W.dtype.bits ? op->W.shape[1] : 0;
    struct feature_job job = { .tile = { .kernel = kernels[cpu->isa], .y = &op->y, .channels = op->x.shape[2] },
                               .op = op,
                               .width = op->x.shape[3],
                               .projections = m,
                               .length = op->length ? op->length : op->position + op->x.shape[1],
                               .by_peak = shifted && op->shift_mode == SEGUE_FEATURE_MAP_GLOBAL,
                               .scale = (float)op->scale,
                               .eps = (float)op->eps,
                               .shift = (float)op->shift };
    job.tile.sequences = sequences_of(&op->cu_seqlens, &absent, &op->x, &absent, &absent);
    job.tile.channel_work = WORK * op->y.shape[3] + 2 * m * op->x.shape[3];
    job.tile.stream = streams(cpu, bytes_of(&op->x) + bytes_of(&op->y));
    share_out(&job, cpu);
    place(&job);
    return job;
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_feature_map, name), #name ": f64 is offered by the reference only" },
    OPERAND(x) OPERAND(W) OPERAND(bias) OPERAND(y)
#undef OPERAND
        { 0, NULL }
};

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const struct feature_job job = plan_job((const void *)header, dev->handle);
    (void)why;
    plan->workspace_bytes = tile_workspace(dev->handle, &job.tile);
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_feature_map *op = (const void *)header;
    const double floats = (double)op->x.shape[2] * (double)(op->x.shape[3] + 1) *
                          (double)(op->W.dtype.bits ? op->W.shape[1] + FEATURE_LINE : 1);
    (void)dev;
    if (floats + (double)op->y.shape[3] * FEWEST > (double)MOST_SCRATCH)
        return op->W.dtype.bits ? "W: with the features of a few tokens at most 2^40 numbers of scratch memory"
                                : "x: with the features of a few tokens at most 2^40 numbers of scratch memory";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    struct feature_job job = plan_job((const void *)header, call->device->handle);
    segue_tile_run(call->device->handle, &job.tile, call->workspace);
    return SEGUE_OK;
}

/* Not STEP_EXACT: with GLOBAL a step does not see what the whole sequence does. */
const segue_row feature_map_cpu = {
    .name = "feature_map_cpu",
    .primitive = SEGUE_FEATURE_MAP,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
