/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "gated_recurrence.h"
#include "row.h"

/* Floats of the states of a panel, its tile and the next one, a worker's part of the last-level cache: the more heads follow
 * each other, the more of a token's row is read in the order of memory;
 * of a tile's q and of its k, which use the first-level cache beside a unit's state. MOST_KEYS, MOST_VALUES: scratch sizes
 * stay far from overflow. OWN_CACHE: bytes of state that a core may still have from the call before; with more,
 * one token is computed in SHARES shares a thread, since memory does not serve all cores alike. SHARED_HEADS: so many heads a thread are shared out as they are, fewer by parts. */
enum {
    PANEL_FLOATS = 800 << 10,
    ROWS_FLOATS = 4096,
    TILE = 32,
    SHARED_HEADS = 8,
    OWN_CACHE = 1 << 20,
    SHARES = 8,
    MOST_KEYS = 1 << 20,
    MOST_VALUES = 1 << 20
};

static const struct recurrence_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_recurrence);

/* The first operand that has tokens; NULL: there are none, the state is only handed on. */
static const segue_tensor *timed(const segue_gated_recurrence *op)
{
    const segue_tensor *const all[] = { &op->v, &op->q, &op->g, &op->gk };
    for (int i = 0; i < 4; i++)
        if (all[i]->dtype.bits) return all[i];
    return NULL;
}

static const segue_tensor *state(const segue_gated_recurrence *op)
{
    return op->S_in.dtype.bits ? &op->S_in : &op->S_out;
}

struct segue_sequences segue_recurrence_sequences(const segue_gated_recurrence *op)
{
    const segue_tensor *x = timed(op), *S = state(op);
    struct segue_sequences q = { .cu_seqlens = &op->cu_seqlens, .slot = &op->slot };
    q.pool = S->dtype.bits ? S->shape[0] : 0;
    q.tokens = x ? x->shape[1] : 0;
    q.count = op->cu_seqlens.dtype.bits ? op->cu_seqlens.shape[0] - 1
              : op->slot.dtype.bits     ? op->slot.shape[0]
              : x                       ? x->shape[0]
                                        : q.pool;
    return q;
}

/* How lanes can follow the states where they are; see gated_recurrence_step.h. */
static int64_t step_layout(const segue_gated_recurrence *op)
{
    const segue_tensor *const states[] = { &op->S_in, &op->S_out };
    int values = op->q.dtype.bits && op->k.dtype.bits && op->y.shape[2] == op->v.shape[2], keys = values;
    for (int i = 0; i < 2; i++) {
        if (!states[i]->dtype.bits) continue;
        values = values && states[i]->stride[3] == 1;
        keys = keys && states[i]->stride[2] == 1;
    }
    return values ? STEP_VALUES : keys ? STEP_KEYS : STEP_NEVER;
}

static void place_all(struct recurrence_job *job, const struct recurrence_kernel *kernel)
{
    const int64_t panel = job->tile.panel_blocks, tile = job->tile.tile_tokens, lanes = kernel->lanes,
                  blocks = (tile + kernel->block - 1) / kernel->block, rows = blocks * kernel->block;
    const int64_t gates = (tile + 2 * lanes + kernel->block) / lanes * lanes,
                  columns = job->part_vectors * lanes;
    uint64_t end = 0;
    job->S = place_scratch(&end, panel * job->part_floats);
    job->frame = place_scratch(&end, panel * job->pitch);
    job->D = place_scratch(&end, panel * columns);
    job->n = place_scratch(&end, panel * job->pitch);
    job->decay = place_scratch(&end, gates);
    job->gain = place_scratch(&end, gates);
    job->inverse = place_scratch(&end, gates);
    job->blocks = place_scratch(&end, blocks * kernel->block_floats);
    job->R = place_scratch(&end, rows * job->pitch);
    job->U = place_scratch(&end, rows * job->pitch);
    job->product = place_scratch(&end, rows * job->pitch);
    job->q = place_scratch(&end, tile * job->pitch);
    job->k = place_scratch(&end, tile * job->pitch);
    job->gk = place_scratch(&end, tile * job->pitch);
    job->v = place_scratch(&end, tile * kernel->widest * lanes);
    job->z = place_scratch(&end, tile * kernel->widest * lanes);
    job->y = place_scratch(&end, tile * kernel->widest * lanes);
    job->tile.scratch_floats = end;
}

/* Elements of one token that a head reads or writes; of q and k, where heads do not share them. */
static int64_t traffic(const segue_gated_recurrence *op, int64_t heads)
{
    const segue_tensor *const all[] = { &op->gk, &op->v, &op->z, &op->y, &op->q, &op->k };
    int64_t sum = 0;
    for (int i = 0; i < 6; i++)
        if (all[i]->dtype.bits && (i < 4 || all[i]->shape[2] >= heads)) sum += all[i]->shape[3];
    return sum;
}

void segue_recurrence_plan(const segue_gated_recurrence *op, const struct segue_cpu *cpu,
                           struct recurrence_job *job)
{
    const struct recurrence_kernel *kernel = kernels[cpu->isa];
    const segue_tensor *S = state(op), *x = timed(op), *v = &op->v;
    *job = (struct recurrence_job){ .op = op, .bf16_fast = has_bf16() };
    job->heads = v->dtype.bits ? v->shape[2] : S->shape[1];
    job->keys = op->k.dtype.bits ? op->k.shape[3] : S->shape[2];
    job->values = v->dtype.bits ? v->shape[3] : S->shape[3];
    job->vectors = blocks_of(job->values, kernel->lanes);
    job->readers = op->y.dtype.bits && job->heads ? op->y.shape[2] / job->heads : 1;
    job->pitch = blocks_of(job->keys > 1 ? job->keys : 1, kernel->lanes) * kernel->lanes;
    job->step = step_layout(op);
    /* One worker has all of a head's normaliser. */
    job->parts = op->norm || job->heads >= SHARED_HEADS * (int64_t)cpu->threads || job->vectors < 4
                     ? 1
                     : job->vectors / 2;
    job->part_vectors = (job->vectors + job->parts - 1) / job->parts;
    job->part_floats = (job->keys < 4 ? 4 : job->keys) * job->part_vectors * kernel->lanes;
    job->tile = (struct segue_tile_job){ .kernel = &kernel->tile, .y = x ? x : S, .padding = kernel->padding };
    job->tile.bytes = sizeof *job;
    job->tile.operands = op;
    job->tile.operand_bytes = sizeof *op;
    job->tile.sequences = segue_recurrence_sequences(op);
    job->tile.stream = streams(cpu, bytes_of(&op->q) + bytes_of(&op->k) + bytes_of(&op->v) + bytes_of(&op->gk) +
                                        bytes_of(&op->z) + bytes_of(&op->y));
    job->tile.channels = job->heads * job->parts;
    job->tile.channel_work = job->keys * job->values / job->parts;
    job->tile.panel_blocks =
        from_one_to(PANEL_FLOATS / (job->part_floats + 2 * TILE * traffic(op, job->heads) / job->parts + 1),
                    job->tile.channels);
    /* Whole blocks of tokens: where they begin decides the order of sums. Heads of y that share a state read
     * each block before it is written. */
    int64_t most =
        from_one_to(ROWS_FLOATS / (job->keys + 1) / kernel->block, TILE / kernel->block) * kernel->block;
    job->tile.tile_tokens = job->readers > 1 ? kernel->block : most;
    if (x && x->shape[1] == 1 && bytes_of(S) > OWN_CACHE * (double)cpu->threads)
        job->tile.shares = (int32_t)from_one_to(SHARES * (int64_t)cpu->threads, job->tile.channels);
    place_all(job, kernel);
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) \
    { offsetof(segue_gated_recurrence, name), #name ": f64 is offered by the reference only" },
    OPERAND(q) OPERAND(k) OPERAND(v) OPERAND(g) OPERAND(gk) OPERAND(gain) OPERAND(D) OPERAND(z) OPERAND(S_in)
        OPERAND(n_in) OPERAND(S_out) OPERAND(n_out) OPERAND(y)
#undef OPERAND
            { 0, NULL }
};

const char *segue_recurrence_refuses(const segue_gated_recurrence *op)
{
    const segue_tensor *S = state(op);
    if (op->k.dtype.bits ? op->k.shape[3] > MOST_KEYS : S->shape[2] > MOST_KEYS) return "k: wider than 2^20";
    if (op->v.dtype.bits ? op->v.shape[3] > MOST_VALUES : S->shape[3] > MOST_VALUES)
        return "v: wider than 2^20";
    return NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    struct recurrence_job job;
    (void)why;
    segue_recurrence_plan((const void *)header, dev->handle, &job);
    plan->workspace_bytes = tile_workspace(dev->handle, &job.tile);
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_gated_recurrence *op = (const void *)header;
    (void)dev;
    if (op->write == SEGUE_GATED_RECURRENCE_DELTA) return "write: DELTA is not offered yet";
    if (op->write == SEGUE_GATED_RECURRENCE_DPLR) return "write: DPLR is not offered yet";
    if (op->erase != SEGUE_GATED_RECURRENCE_DECAYED) return "erase: UNDECAYED is not offered yet";
    if (op->read == SEGUE_GATED_RECURRENCE_EXCLUSIVE) return "read: EXCLUSIVE is not offered yet";
    if (op->norm == SEGUE_GATED_RECURRENCE_MAX1) return "norm: MAX1 is not offered yet";
    if (op->gv.dtype.bits) return "gv: a decay by value column is not offered yet";
    const char *const wide = segue_recurrence_refuses(op);
    return wide ? wide : segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    struct recurrence_job job;
    segue_recurrence_plan((const void *)header, call->device->handle, &job);
    segue_tile_run(call->device->handle, &job.tile, call->workspace);
    return SEGUE_OK;
}

const segue_row gated_recurrence_cpu = {
    .name = "gated_recurrence_cpu",
    .primitive = SEGUE_GATED_RECURRENCE,
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
