/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "ode_cell.h"

static const struct cell_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_ltc);

static void plan_job(const segue_ode_cell *op, const struct segue_cpu *cpu, struct cell_job *job)
{
    *job = (struct cell_job){ .kernel = kernels[cpu->isa] };
    segue_cell_plan(job, op, cpu);
    const int64_t n = job->n, d = job->d, lanes = job->kernel->lanes, all = job->n_pitch + job->d_pitch;
    uint64_t end = job->packed_floats;
    job->items = 2 * job->blocks + 1;
    job->work = (double)n * (double)(d + op->unfolds * n);
    job->neuron_w = place_scratch(&end, job->blocks * n * 4 * lanes);
    job->feature_w = place_scratch(&end, job->blocks * d * 4 * lanes);
    job->neuron_reach = place_scratch(&end, job->blocks * job->n_pitch);
    job->feature_reach = place_scratch(&end, job->blocks * job->d_pitch);
    job->gleak = place_scratch(&end, job->n_pitch), job->leak = place_scratch(&end, job->n_pitch);
    job->cm = place_scratch(&end, job->n_pitch);
    job->input_w = place_scratch(&end, job->d_pitch), job->input_b = place_scratch(&end, job->d_pitch);
    job->packed_floats = end;
    end = job->scratch_floats;
    job->factor = place_scratch(&end, (n > d ? n : d) * lanes);
    job->count = place_scratch(&end, (n > d ? n : d) * lanes);
    job->inputs = place_scratch(&end, job->kernel->places * job->d_pitch);
    for (int i = 0; i < 2; i++) job->state[i] = place_scratch(&end, job->kernel->places * job->n_pitch);
    job->kappa = place_scratch(&end, job->kernel->places * job->n_pitch);
    job->feature_E = place_scratch(&end, job->kernel->places * job->n_pitch);
    job->feature = place_scratch(&end, job->kernel->places * job->n_pitch);
    job->reach = place_scratch(&end, all);
    job->scratch_floats = end;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_ode_cell *op = (const void *)header;
    (void)dev;
    if (op->cell != SEGUE_ODE_CELL_LTC) return "cell: this row computes LTC only";
    return segue_cell_refuses(header);
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    struct cell_job job;
    (void)why;
    plan_job((const void *)header, dev->handle, &job);
    plan->workspace_bytes = segue_cell_workspace(&job, dev->handle);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    struct cell_job job;
    plan_job((const void *)header, call->device->handle, &job);
    segue_cell_run(&job, call->device->handle, call->workspace);
    return SEGUE_OK;
}

const segue_row ode_cell_ltc_cpu = {
    .name = "ode_cell_ltc_cpu",
    .primitive = SEGUE_ODE_CELL,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
