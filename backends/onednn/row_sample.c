/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The open positions are listed first, then workers take them one by one: a row of logits is work enough,
 * and who is done early takes the next. */
#include "row_sample.h"
#include "row.h"

enum { ALONE_BELOW = 1 << 15 }; /* logits that are done before a worker wakes up */

static const struct sample_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_sample);

static struct sample_job plan_job(const segue_row_sample *op, const struct segue_cpu *cpu)
{
    struct sample_job job = {
        .op = op, .kernel = kernels[cpu->isa], .positions = op->tok.shape[1], .ids = op->logits.shape[2]
    };
    uint64_t end = 0;
    job.l = place_scratch(&end, rounded_up(job.ids, 16));
    job.block = place_scratch(&end, SAMPLE_BLOCK);
    job.mass = place_scratch(&end, 2 * SAMPLE_BUCKETS);
    job.count = place_scratch(&end, SAMPLE_BUCKETS);
    job.scratch_floats = end;
    return job;
}

/* The workers' scratch, a line for how many positions are taken, and the list of these. */
static uint64_t list_offset(const struct sample_job *job, const struct segue_cpu *cpu)
{
    return job->scratch_floats * sizeof(float) * cpu->threads;
}

enum { LINE = 64 };

/* ---- positions ------------------------------------------------------------------------------------------- */

static int is_open(const segue_row_sample *op, int64_t b, int64_t t)
{
    const int64_t row = sample_row(op, b, t);
    return int_at(&op->x, b, t, op->mask_id) == op->mask_id && t >= int_at(&op->lo, b, 0, 0) &&
           t < int_at(&op->hi, b, 0, op->tok.shape[1]) && row >= 0 && row < op->logits.shape[1];
}

static void list_open(struct sample_job *job)
{
    const int64_t batches = job->op->tok.shape[0];
    for (int64_t b = 0; b < batches; b++)
        for (int64_t t = 0; t < job->positions; t++)
            if (is_open(job->op, b, t)) job->open[job->open_count++] = b * job->positions + t;
            else job->kernel->nothing(job, b, t);
}

static void part(void *arg, int32_t index, int32_t parts)
{
    const struct sample_job *job = arg;
    float *const scratch = job->scratch + (uint64_t)index * job->scratch_floats;
    const uint64_t mode = float_mode_enter();
    (void)parts;
    for (int64_t i; (i = atomic_fetch_add_explicit(job->taken, 1, memory_order_relaxed)) < job->open_count;)
        job->kernel->position(job, job->open[i] / job->positions, job->open[i] % job->positions, scratch);
    float_mode_leave(mode);
}

/* ---- the row ------------------------------------------------------------------------------------ */

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_row_sample *op = (const void *)header;
    const struct sample_job job = plan_job(op, dev->handle);
    (void)why;
    plan->workspace_bytes = list_offset(&job, dev->handle) + LINE +
                            (uint64_t)(op->tok.shape[0] * op->tok.shape[1]) * sizeof *job.open;
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    static const segue_kit_refusal operands[] = {
        { offsetof(segue_row_sample, logits), "logits: f64 is offered by the reference only" },
        { offsetof(segue_row_sample, logits_u), "logits_u: f64 is offered by the reference only" },
        { offsetof(segue_row_sample, temperature), "temperature: f64 is offered by the reference only" },
        { offsetof(segue_row_sample, top_p), "top_p: f64 is offered by the reference only" },
        { offsetof(segue_row_sample, guidance), "guidance: f64 is offered by the reference only" },
        { offsetof(segue_row_sample, draws), "draws: f64 is offered by the reference only" },
        { offsetof(segue_row_sample, move), "move: f64 is offered by the reference only" },
        { offsetof(segue_row_sample, stay), "stay: f64 is offered by the reference only" },
        { offsetof(segue_row_sample, conf), "conf: f64 is offered by the reference only" },
        { offsetof(segue_row_sample, lse), "lse: f64 is offered by the reference only" },
        { offsetof(segue_row_sample, logp), "logp: f64 is offered by the reference only" },
        { 0, NULL },
    };
    const segue_row_sample *op = (const void *)header;
    (void)dev;
    if (op->logits.shape[2] > INT32_MAX) return "logits: v is at most 2^31 - 1, ids are i32";
    if ((double)op->tok.shape[0] * (double)op->tok.shape[1] > (double)MOST_SCRATCH)
        return "tok: b times n is at most 2^40";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const struct segue_cpu *cpu = call->device->handle;
    struct sample_job job = plan_job((const void *)header, cpu);
    char *const memory = (char *)call->workspace.data + call->workspace.offset;
    job.scratch = (float *)(void *)memory;
    job.taken = (_Atomic int64_t *)(void *)(memory + list_offset(&job, cpu));
    job.open = (int64_t *)(void *)(memory + list_offset(&job, cpu) + LINE);
    *job.taken = 0;
    list_open(&job);
    if (!job.open_count) return SEGUE_OK;
    if (job.open_count == 1 || (double)job.open_count * (double)job.ids < ALONE_BELOW) part(&job, 0, 1);
    else segue_parts_run(cpu, part, &job);
    return SEGUE_OK;
}

const segue_row row_sample_cpu = {
    .name = "row_sample_cpu",
    .primitive = SEGUE_ROW_SAMPLE,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
