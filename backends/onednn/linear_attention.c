/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Causal linear attention whose map takes each element by itself: the recurrence, which maps q and k of a tile where it uses
 * them. Other maps are lowered: features in memory, then the recurrence. */
#include "gated_recurrence.h"
#include "row.h"

static segue_gated_recurrence recurrence_of(const segue_linear_attention *op)
{
    segue_gated_recurrence r = segue_gated_recurrence_init();
    r.q = op->q, r.k = op->k, r.v = op->v, r.y = op->y;
    r.cu_seqlens = op->cu_seqlens, r.slot = op->slot;
    r.S_in = op->S_in, r.n_in = op->n_in, r.S_out = op->S_out, r.n_out = op->n_out;
    r.norm = op->norm, r.eps = op->eps, r.scale = op->scale, r.max_seqlen = op->max_seqlen;
    return r;
}

static void plan_job(const segue_linear_attention *op, const segue_gated_recurrence *r,
                     const struct segue_cpu *cpu, struct recurrence_job *job)
{
    segue_recurrence_plan(r, cpu, job);
    job->map = (struct recurrence_map){ 1, op->map, (float)op->map_scale, (float)op->map_eps };
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) \
    { offsetof(segue_linear_attention, name), #name ": f64 is offered by the reference only" },
    OPERAND(q) OPERAND(k) OPERAND(v) OPERAND(S_in) OPERAND(n_in) OPERAND(S_out) OPERAND(n_out) OPERAND(y)
#undef OPERAND
        { 0, NULL }
};

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_linear_attention *op = (const void *)header;
    (void)dev;
    if (!op->causal) return "causal: wanted 1; the row `lowered` offers 0";
    if (op->map > SEGUE_LINEAR_ATTENTION_RELU)
        return "map: wanted IDENTITY, ELU1 or RELU; the row `lowered` offers others";
    if (op->keep.dtype.bits) return "keep: the row `lowered` offers it";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_gated_recurrence r = recurrence_of((const void *)header);
    struct recurrence_job job;
    const segue_status s = segue_recurrence_check(&r, why);
    if (s) return s;
    plan_job((const void *)header, &r, dev->handle, &job);
    plan->workspace_bytes = tile_workspace(dev->handle, &job.tile);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_gated_recurrence r = recurrence_of((const void *)header);
    struct recurrence_job job;
    plan_job((const void *)header, &r, call->device->handle, &job);
    segue_tile_run(call->device->handle, &job.tile, call->workspace);
    return SEGUE_OK;
}

const segue_row linear_attention_cpu = {
    .name = "linear_attention_cpu",
    .primitive = SEGUE_LINEAR_ATTENTION,
    .since = 1,
    .priority = 200,
    .accuracy =
        SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_CHUNK_LOG, /* query . key first where heads of y share a state */
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
