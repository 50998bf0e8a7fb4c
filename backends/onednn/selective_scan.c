/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "selective_scan.h"
#include "row.h"

/* Floats that a panel's A and h may fill together, and B and C of one tile: both stay in half a second-level
 * cache. STRIP_FLOATS: each of u, delta, x and y, which stay in the first-level cache while they are used. */
enum { PANEL_FLOATS = 48 << 10, GROUP_FLOATS = 32 << 10, STRIP_FLOATS = 2304, TILE = 16 };

static const struct segue_tile_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_scan);

/* Whether lanes of one block may have different groups: when a group does not fill whole blocks. */
static int splits(const segue_selective_scan *op, int64_t lanes)
{
    int64_t d = op->u.shape[2], g = op->B.shape[2], j = op->C.shape[2];
    return (g > 1 && d / g % lanes) || (j > 1 && d / j % lanes);
}

/* Whether an operand's axis of states is contiguous f32; one that is absent has any. */
static int contiguous(const segue_tensor *t)
{
    return !t->dtype.bits || (segue_dtype_id(t->dtype) == SEGUE_F32 && t->stride[t->rank - 1] == 1);
}

/* Whether every sequence has its one token, and lanes can be filled with states as they lie. */
static int is_direct(const segue_selective_scan *op, int64_t lanes)
{
    return op->u.shape[1] == 1 && !op->cu_seqlens.dtype.bits && op->A.shape[1] >= lanes / 2 &&
           contiguous(&op->A) && contiguous(&op->h_in) && contiguous(&op->h_out);
}

static void plan_job(const segue_selective_scan *op, const struct segue_cpu *cpu, struct scan_job *job)
{
    const struct segue_tile_kernel *kernel = kernels[cpu->isa];
    int64_t lanes = kernel->lanes, n = op->A.shape[1], d = op->u.shape[2], t = op->u.shape[1], pitch;
    uint64_t end = 0;
    *job = (struct scan_job){ .tile = { .kernel = kernel, .y = &op->y, .channels = d, .channel_work = n },
                              .op = op,
                              .bf16_fast = has_bf16(),
                              .states = n };
    job->tile.bytes = sizeof *job;
    job->tile.operands = op;
    job->tile.operand_bytes = sizeof *op;
    job->tile.sequences = sequences_of(&op->cu_seqlens, &op->slot, &op->u, &op->h_in, &op->h_out);
    job->tile.stream = streams(cpu, 3 * bytes_of(&op->y)); /* u, delta, y */
    job->direct = is_direct(op, lanes);
    job->row_pitch = blocks_of(n, kernel->lanes) * lanes;
    /* Room for lanes of different groups also where the call is direct: tokens and strides change from run to run. */
    pitch = job->row_pitch * (splits(op, lanes) ? lanes : 1);
    job->tile.panel_blocks =
        from_one_to(PANEL_FLOATS / (2 * (n > 0 ? n : 1) * lanes), blocks_of(d, kernel->lanes));
    job->tile.tile_tokens = from_one_to(GROUP_FLOATS / (2 * (pitch > 0 ? pitch : 1)), t < TILE ? t : TILE);
    int64_t panel = job->tile.panel_blocks * lanes, tile = job->tile.tile_tokens;
    /* An odd number of cache lines: rows of all blocks would meet in few sets of the first-level cache
     * otherwise. */
    job->tile_pitch = (tile | 1) * lanes;
    int64_t strip = job->tile.panel_blocks * job->tile_pitch;
    if (strip > STRIP_FLOATS) strip = STRIP_FLOATS;
    job->strip_blocks = strip / job->tile_pitch;
    job->A = place_scratch(&end, panel * n);
    job->h = place_scratch(&end, panel * n);
    job->range = place_scratch(&end, panel);
    job->peak = place_scratch(&end, panel);
    job->D = place_scratch(&end, panel);
    job->bias = place_scratch(&end, panel);
    job->u = place_scratch(&end, strip);
    job->delta = place_scratch(&end, strip);
    job->x = op->D.dtype.bits ? place_scratch(&end, strip) : job->u;
    job->y = place_scratch(&end, strip);
    job->B = place_scratch(&end, pitch * tile);
    job->C = place_scratch(&end, pitch * tile);
    job->row = place_scratch(&end, 3 * job->row_pitch);
    job->tile.scratch_floats = end;
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_selective_scan, name), #name ": f64 is offered by the reference only" },
    OPERAND(u) OPERAND(delta) OPERAND(A) OPERAND(B) OPERAND(C) OPERAND(D) OPERAND(z) OPERAND(delta_bias)
        OPERAND(h_in) OPERAND(h_out) OPERAND(y)
#undef OPERAND
            { 0, NULL }
};

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    struct scan_job job;
    (void)why;
    plan_job((const void *)header, dev->handle, &job);
    plan->workspace_bytes = tile_workspace(dev->handle, &job.tile);
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_selective_scan *op = (const void *)header;
    (void)dev;
    if (op->A.shape[1] > MOST_SCRATCH) return "A: n is at most 2^40";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    struct scan_job job;
    plan_job((const void *)header, call->device->handle, &job);
    segue_tile_run(call->device->handle, &job.tile, call->workspace);
    return SEGUE_OK;
}

const segue_row selective_scan_cpu = {
    .name = "selective_scan_cpu",
    .primitive = SEGUE_SELECTIVE_SCAN,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
