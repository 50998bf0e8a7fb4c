/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rotary.h"
#include "row.h"

#include <math.h>

enum { BAND = 16, WORK = 4 }; /* tokens of a tile at most; operations an element, roughly */

static const struct segue_tile_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_rotary);
static const segue_tensor absent;

static int64_t pairs_of(const segue_rotary *op)
{
    return (op->rotary_dim ? op->rotary_dim : op->x.shape[3]) / 2;
}

/* Tokens are shared out where there are enough of them: each needs its angles once, whatever the heads. */
static void share_out(struct rotary_job *job, const struct segue_cpu *cpu)
{
    const int64_t t = job->op->x.shape[1], h = job->op->x.shape[2], threads = cpu->threads;
    const double tokens = (double)t * (double)job->op->x.shape[0];
    job->tile.by_time = tokens >= 2 * (double)threads || h < threads;
    job->tile.tile_tokens = tokens < 4 * BAND * (double)threads ? 1 : from_one_to(t, BAND);
    if (!job->tile.by_time) job->tile.tile_tokens = from_one_to(t, t);
    job->tile.panel_blocks = from_one_to(h, h);
}

/* Scratch has room for any strides, since these may change from run to run. */
static struct rotary_job plan_job(const segue_rotary *op, const struct segue_cpu *cpu)
{
    const int64_t h = op->x.shape[2], d = op->x.shape[3], pairs = pairs_of(op);
    struct rotary_job job = {
        .tile = { .kernel = kernels[cpu->isa], .y = &op->y, .channels = h, .channel_work = WORK * d },
        .op = op,
        .count = pairs,
        .straight = op->x.stride[3] == 1 && op->y.stride[3] == 1,
        .bf16_fast = has_bf16(),
    };
    uint64_t end = 0;
    job.tile.sequences = (struct segue_sequences){
        .cu_seqlens = &absent, .slot = &absent, .count = op->x.shape[0], .tokens = op->x.shape[1]
    };
    job.tile.stream = streams(cpu, bytes_of(&op->x) + bytes_of(&op->y));
    share_out(&job, cpu);
    job.cosine = place_scratch(&end, 2 * pairs + 16), job.sine = place_scratch(&end, 2 * pairs + 16);
    job.scale = place_scratch(&end, 2 * pairs + 16), job.word = place_scratch(&end, pairs + 16);
    job.head = place_scratch(&end, d + 16);
    job.tile.scratch_floats = end;
    return job;
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_rotary, name), #name ": f64 is offered by the reference only" },
    OPERAND(x) OPERAND(cos) OPERAND(sin) OPERAND(y)
#undef OPERAND
        { 0, NULL }
};

/* In long double, whose 64 bits an angle at position 2^31 needs; the pairs of a plan never change. */
static void fill_pairs(const segue_rotary *op, int64_t count, uint64_t *turn, float *rate)
{
    const long double two_pi = 6.283185307179586476925286766559L;
    const int64_t whole = op->frequencies == SEGUE_ROTARY_RETNET ? count - 1 : count;
    const double r = 2 * (double)count, sign = op->xpos_inverse ? -1 : 1;
    for (int64_t i = 0; i < count; i++) {
        const long double exponent = i > 0 ? -(long double)i / (long double)whole : 0;
        turn[i] = (uint64_t)ldexpl(powl(op->base, exponent) / two_pi, 64);
        rate[i] = 0;
        if (op->xpos_base > 0)
            rate[i] = (float)(sign * log((2 * (double)i + 0.4 * r) / (1.4 * r)) / op->xpos_base);
    }
}

static void release(void *data, const segue_kit_device *dev)
{
    dev->host->free(dev->host->user, data);
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_rotary *op = (const void *)header;
    const struct rotary_job job = plan_job(op, dev->handle);
    const uint64_t each = sizeof(uint64_t) + sizeof(float);
    struct rotary_pairs *pairs =
        dev->host->alloc(dev->host->user, sizeof *pairs + (uint64_t)job.count * each, sizeof(uint64_t));
    if (!pairs)
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0,
                              "no memory for the angles of %lld pairs", (long long)job.count);
    uint64_t *const turn = (uint64_t *)(pairs + 1);
    float *const rate = (float *)(turn + job.count);
    fill_pairs(op, job.count, turn, rate);
    *pairs = (struct rotary_pairs){ turn, rate };
    plan->data = pairs, plan->release = release;
    plan->workspace_bytes = tile_workspace(dev->handle, &job.tile);
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_rotary *op = (const void *)header;
    (void)dev;
    if (op->x.shape[3] > MOST_SCRATCH) return "x: d is at most 2^40";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    struct rotary_job job = plan_job((const void *)header, call->device->handle);
    job.pairs = call->data;
    segue_tile_run(call->device->handle, &job.tile, call->workspace);
    return SEGUE_OK;
}

const segue_row rotary_cpu = {
    .name = "rotary_cpu",
    .primitive = SEGUE_ROTARY,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
