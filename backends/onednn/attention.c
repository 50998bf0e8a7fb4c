/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The general row: every operand and option, any layout. Made for one or a few queries, whose keys and values are read once and
 * used where they lie; it also has whatever faster rows refuse. */
#include "attention.h"
#include "row.h"

#include <math.h>

/* THERE_ROWS: of a key head, which use keys and values where they lie; more have them packed. MOST_WIDTH: scratch sizes stay far
 * from overflow. */
enum { THERE_ROWS = 16, LINE_FLOATS = 16, MOST_WIDTH = 1 << 24 };

static const struct attention_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_attention);

static void cut(struct attention_job *job)
{
    const segue_attention *op = job->op;
    const int64_t slots = query_slots(op), group = job->heads / job->key_heads;
    job->unit_heads = from_one_to(group, ATTENTION_ROWS);
    job->tile = from_one_to(ATTENTION_ROWS / job->unit_heads, slots);
    job->unit_keys =
        job->unit_heads < group ? 1 : from_one_to(ATTENTION_ROWS / (job->tile * group), job->key_heads);
    job->sides = blocks_of(job->key_heads, (int)job->unit_keys) * blocks_of(group, (int)job->unit_heads);
}

static int whole_lanes(const segue_tensor *t, int64_t lanes)
{
    return t->stride[3] == 1 && t->shape[3] % lanes == 0;
}

/* Of the tree over so many parts: an interval of them is two nodes of each size at most. Chunks that go round leave two intervals, of
 * which one begins at the first part: a third of each size. */
static int64_t nodes_for(int64_t parts, int64_t each)
{
    int64_t nodes = 3;
    for (; parts > 1; parts = (parts + 1) / 2) nodes += each;
    return nodes < ATTENTION_NODES ? nodes : ATTENTION_NODES;
}

static void place_all(struct attention_job *job)
{
    const int64_t slots = query_slots(job->op),
                  rows = slots < ATTENTION_ROWS ? slots * job->heads : ATTENTION_ROWS;
    const int64_t most = from_one_to(rows, ATTENTION_ROWS); /* of a unit, for this many slots and for fewer */
    uint64_t end = 0;
    job->q = place_scratch(&end, most * job->key_pitch);
    job->scores = place_scratch(&end, most * ATTENTION_BLOCK);
    job->k = place_scratch(&end, ATTENTION_BLOCK * job->key_pitch);
    job->v = place_scratch(&end, ATTENTION_BLOCK * job->value_pitch);
    job->bias = place_scratch(&end, ATTENTION_BLOCK);
    job->state_floats = most * (job->value_pitch + 2 * LINE_FLOATS);
    job->nodes =
        nodes_for(blocks_of(key_slots(job->op), ATTENTION_PART), job->op->chunk && job->op->wrap ? 3 : 2);
    job->states = place_scratch(&end, 2 * job->nodes * job->state_floats);
    job->worker_bytes = (uint64_t)rounded_up(sizeof(struct attention_worker), 64) + end * sizeof(float);
}

static void plan_job(const segue_attention *op, const struct segue_cpu *cpu, struct attention_job *job)
{
    const struct attention_kernel *kernel = kernels[cpu->isa];
    *job = (struct attention_job){ .op = op, .kernel = kernel, .bf16_fast = has_bf16() };
    job->sequences = attention_sequences(op);
    job->heads = op->q.shape[2], job->key_heads = op->k.shape[2];
    job->keys = op->q.shape[3], job->values = op->v.shape[3];
    job->key_pitch = rounded_up(job->keys, LINE_FLOATS),
    job->value_pitch = rounded_up(job->values, LINE_FLOATS);
    job->scale = (float)(op->scale != 0 ? op->scale : 1 / sqrt((double)job->keys));
    job->regular = !attention_present(&op->q_index) && !attention_present(&op->k_index) &&
                   !attention_present(&op->q_pos) && !attention_present(&op->k_pos);
    job->listed = attention_present(&op->k_index) || attention_present(&op->k_pos) ||
                  attention_present(&op->keep) || attention_present(&op->label) || op->chunk;
    job->plain = !(op->softcap > 0) && !attention_present(&op->bias) && !attention_present(&op->slopes);
    if (!job->heads || !job->key_heads) job->sequences = 0, job->heads = job->key_heads = 1;
    cut(job);
    const int few = job->tile * job->unit_heads <= THERE_ROWS;
    job->k_there = few && whole_lanes(&op->k, kernel->lanes) && op->key_norm == SEGUE_ATTENTION_RAW;
    job->v_there = few && whole_lanes(&op->v, kernel->lanes);
    place_all(job);
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_attention, name), #name ": f64 is offered by the reference only" },
    OPERAND(q) OPERAND(k) OPERAND(v) OPERAND(bias) OPERAND(slopes) OPERAND(sink) OPERAND(y) OPERAND(lse)
#undef OPERAND
        { 0, NULL }
};

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_attention *op = (const void *)header;
    const struct segue_cpu *cpu = dev->handle;
    struct attention_job job;
    (void)why;
    plan_job(op, cpu, &job);
    plan->workspace_bytes = job.worker_bytes * cpu->threads;
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_attention *op = (const void *)header;
    (void)dev;
    if (op->k.shape[1] > INT32_MAX) return "k: at most 2147483647 rows, since positions are int32";
    if (op->k.shape[3] > MOST_WIDTH) return "k: wider than 2^24";
    if (op->v.shape[3] > MOST_WIDTH) return "v: wider than 2^24";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    struct attention_job job;
    plan_job((const void *)header, call->device->handle, &job);
    segue_attention_share(call->device->handle, &job, call->workspace);
    return SEGUE_OK;
}

const segue_row attention_cpu = {
    .name = "attention_cpu",
    .primitive = SEGUE_ATTENTION,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
