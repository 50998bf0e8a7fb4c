/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "ode_cell.h"

static const struct cell_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_cfc);

static struct cell_layer place_layer(uint64_t *end, int64_t inputs, int64_t vectors, int64_t count,
                                     int64_t lanes)
{
    struct cell_layer layer = { .inputs = inputs, .vectors = vectors, .at = *end };
    layer.panels = (vectors + CELL_WIDE - 1) / CELL_WIDE;
    layer.size = (uint64_t)rounded_up((1 + inputs) * vectors * lanes, 16);
    *end += layer.size * (uint64_t)count;
    return layer;
}

static void place_layers(struct cell_job *job)
{
    const segue_ode_cell *op = job->op;
    const int lanes = job->kernel->lanes;
    const int64_t z = job->d + job->n, u = op->ff1_w.shape[1], units = blocks_of(u, lanes);
    const int64_t heads = op->cell == SEGUE_ODE_CELL_CFC_PURE ? 1 : CELL_WIDE;
    const int backbone = op->backbone_w.dtype.bits != 0;
    uint64_t end = job->packed_floats;
    job->deep_layers = op->deep_w.dtype.bits ? op->deep_w.shape[0] : 0;
    job->layer = place_layer(&end, z, backbone ? units : 0, 1, lanes);
    job->deep = place_layer(&end, u, job->deep_layers ? units : 0, job->deep_layers, lanes);
    job->head = place_layer(&end, u, heads * job->blocks, 1, lanes);
    job->w_tau = place_scratch(&end, job->n_pitch), job->pure_A = place_scratch(&end, job->n_pitch);
    job->packed_floats = end;
    job->items = 1 + job->layer.panels + job->deep_layers * job->deep.panels + job->head.panels;
    job->work = (double)((backbone ? z * u : 0) + job->deep_layers * u * u + heads * job->n * u);
}

static void plan_job(const segue_ode_cell *op, const struct segue_cpu *cpu, struct cell_job *job)
{
    *job = (struct cell_job){ .kernel = kernels[cpu->isa] };
    segue_cell_plan(job, op, cpu);
    place_layers(job);
    const int64_t lanes = job->kernel->lanes, z = blocks_of(job->d, (int)lanes) + job->blocks;
    const int64_t units = blocks_of(op->ff1_w.shape[1], (int)lanes);
    uint64_t end = job->scratch_floats;
    /* An odd number of vectors, or rows would meet in few sets of the first-level cache. */
    job->z_pitch = ((z > units ? z : units) | 1) * lanes;
    for (int i = 0; i < 2; i++) job->z[i] = place_scratch(&end, job->places * job->z_pitch);
    if (op->mask.dtype.bits) job->factor = place_scratch(&end, op->mask.shape[1] * CELL_WIDE * lanes);
    job->scratch_floats = end;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_ode_cell *op = (const void *)header;
    (void)dev;
    if (op->cell == SEGUE_ODE_CELL_LTC) return "cell: this row computes CfC only";
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

const segue_row ode_cell_cfc_cpu = {
    .name = "ode_cell_cfc_cpu",
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
