/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Two passes over the threads: buckets of tiles of tokens, then each round's tokens to their slots. */
#include "lsh_buckets.h"
#include "row.h"

enum {
    MOST_BUCKETS = 1 << 20,
    ALONE_BELOW = 1 << 14
}; /* a round's; operations that are done before a worker wakes up */

static const struct lsh_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_lsh);

static int64_t hashed_count(const segue_lsh_buckets *op)
{
    return 2 * lsh_columns(&op->R) * (op->R_2.dtype.bits ? 2 * lsh_columns(&op->R_2) : 1) + op->pad_bucket;
}

static struct lsh_job plan_job(const segue_lsh_buckets *op, const struct segue_cpu *cpu)
{
    const int64_t f = lsh_columns(&op->R), g = lsh_columns(&op->R_2), keys = f ? op->R.shape[1] : 0;
    struct lsh_job job = { .op = op,
                           .kernel = kernels[cpu->isa],
                           .batches = op->perm.shape[0],
                           .heads = op->perm.shape[1],
                           .rounds = op->perm.shape[2],
                           .tokens = op->perm.shape[3],
                           .count = f ? hashed_count(op) : op->bucket_stride };
    uint64_t end = 0;
    job.stride = op->bucket_stride ? op->bucket_stride : job.count;
    job.staged = place_scratch(&end, keys * rounded_up(f > g ? f : g, 16));
    job.R = place_scratch(&end, job.rounds * keys * rounded_up(f, job.kernel->columns));
    job.R_2 = place_scratch(&end, job.rounds * keys * rounded_up(g, job.kernel->columns));
    job.x = place_scratch(&end, keys * job.kernel->tokens);
    job.ends = place_scratch(&end, job.count);
    job.scratch_floats = end;
    return job;
}

static uint64_t workspace_of(const struct lsh_job *job, const struct segue_cpu *cpu)
{
    const int64_t items = job->batches * job->heads * job->rounds * job->tokens;
    return job->scratch_floats * sizeof(float) * cpu->threads + (uint64_t)items * sizeof *job->buckets;
}

/* ---- buckets ----------------------------------------------------------------------------------------------- */

static int is_shared(const segue_lsh_buckets *op)
{
    return op->R.stride[0] == 0 && (!op->R_2.dtype.bits || op->R_2.stride[0] == 0);
}

/* Heads are outermost, so that a worker packs the rotations of few. */
static void hash_part(void *arg, int32_t part, int32_t parts)
{
    const struct lsh_job *job = arg;
    const int64_t tile = job->kernel->tokens, tiles = (job->tokens + tile - 1) / tile,
                  rows = job->batches * tiles;
    const int64_t all = job->heads * rows;
    float *const scratch = job->scratch + (uint64_t)part * job->scratch_floats;
    int64_t packed = -1;
    const uint64_t mode = float_mode_enter();
    for (int64_t i = all * part / parts; i < all * (part + 1) / parts; i++) {
        const int64_t h = i / rows, b = i % rows / tiles, first = i % tiles * tile;
        if (packed != h && !(packed >= 0 && is_shared(job->op))) job->kernel->rotations(job, h, scratch);
        packed = h;
        job->kernel->hash(job, b, h, first, job->tokens - first < tile ? job->tokens - first : tile, scratch);
    }
    float_mode_leave(mode);
}

/* ---- slots ------------------------------------------------------------------------------------------------- */

struct line { /* one round of one of [b h r t] */
    int32_t *at;
    int64_t step;
};

static struct line line_of(const segue_tensor *t, int64_t b, int64_t h, int64_t r)
{
    int32_t *const data = (int32_t *)(void *)((char *)t->data + t->offset);
    if (!t->dtype.bits) return (struct line){ NULL, 0 };
    return (struct line){ data + b * t->stride[0] + h * t->stride[1] + r * t->stride[2], t->stride[3] };
}

static void take_buckets(const struct lsh_job *job, int64_t b, int64_t h, int64_t r, int32_t *to)
{
    const struct line from = line_of(&job->op->bucket_in, b, h, r);
    const int64_t first = r * job->stride, last = job->stride - 1;
    for (int64_t t = 0; t < job->tokens; t++) {
        const int64_t bucket = from.at[t * from.step] - first;
        to[t] = (int32_t)(bucket < 0 ? 0 : bucket > last ? last : bucket);
    }
}

static void take_padding(const struct lsh_job *job, int64_t b, int32_t *to)
{
    const segue_tensor *keep = &job->op->keep;
    const int32_t *const kept = (const int32_t *)(const void *)((const char *)keep->data + keep->offset);
    for (int64_t t = 0; t < job->tokens; t++)
        if (!kept[b * keep->stride[0] + t * keep->stride[1]]) to[t] = (int32_t)(job->count - 1);
}

/* next: [count], of each bucket the slot that its next token gets. */
static void count_tokens(const struct lsh_job *job, const int32_t *bucket, int32_t *next)
{
    int32_t before = 0;
    memset(next, 0, (size_t)job->count * sizeof *next);
    for (int64_t t = 0; t < job->tokens; t++) next[bucket[t]]++;
    for (int64_t i = 0; i < job->count; i++) {
        const int32_t count = next[i];
        next[i] = before;
        before += count;
    }
}

static void sort_round(const struct lsh_job *job, int64_t b, int64_t h, int64_t r, int32_t *bucket,
                       int32_t *next)
{
    const struct line out = line_of(&job->op->bucket, b, h, r), perm = line_of(&job->op->perm, b, h, r),
                      inverse = line_of(&job->op->inverse, b, h, r);
    const int32_t first = (int32_t)(r * job->tokens), offset = (int32_t)(r * job->stride);
    if (job->op->bucket_in.dtype.bits) take_buckets(job, b, h, r, bucket);
    else if (job->op->pad_bucket) take_padding(job, b, bucket);
    count_tokens(job, bucket, next);
    for (int64_t t = 0; out.at && t < job->tokens; t++) out.at[t * out.step] = bucket[t] + offset;
    for (int64_t t = 0; t < job->tokens; t++) {
        const int32_t slot = next[bucket[t]]++;
        perm.at[slot * perm.step] = first + (int32_t)t;
        if (inverse.at) inverse.at[t * inverse.step] = first + slot;
    }
}

static void sort_part(void *arg, int32_t part, int32_t parts)
{
    const struct lsh_job *job = arg;
    const int64_t all = job->batches * job->heads * job->rounds;
    int32_t *const next = (int32_t *)(void *)(job->scratch + (uint64_t)part * job->scratch_floats + job->ends);
    for (int64_t i = all * part / parts; i < all * (part + 1) / parts; i++)
        sort_round(job, i / job->rounds / job->heads, i / job->rounds % job->heads, i % job->rounds,
                   job->buckets + i * job->tokens, next);
}

/* ---- the row ----------------------------------------------------------------------------------------------- */

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_lsh_buckets *op = (const void *)header;
    const struct lsh_job job = plan_job(op, dev->handle);
    (void)why;
    plan->workspace_bytes = workspace_of(&job, dev->handle);
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    static const segue_kit_refusal operands[] = {
        { offsetof(segue_lsh_buckets, x), "x: f64 is offered by the reference only" },
        { offsetof(segue_lsh_buckets, R), "R: f64 is offered by the reference only" },
        { offsetof(segue_lsh_buckets, R_2), "R_2: f64 is offered by the reference only" },
        { 0, NULL },
    };
    const segue_lsh_buckets *op = (const void *)header;
    const int64_t f = lsh_columns(&op->R), g = lsh_columns(&op->R_2);
    const double rounds = (double)op->perm.shape[2], keys = op->R.dtype.bits ? (double)op->R.shape[1] : 0;
    (void)dev;
    if (op->R.dtype.bits && f == 0) return "R: f is 0, wanted a column or more";
    if (op->R_2.dtype.bits && g == 0) return "R_2: g is 0, wanted a column or more";
    if ((g ? 4 * (double)g : 2) * (double)f > MOST_BUCKETS - 1) return "R: more than 2^20 buckets in a round";
    if (op->bucket_in.dtype.bits && op->bucket_stride > MOST_BUCKETS)
        return "bucket_stride: more than 2^20 buckets in a round";
    if ((rounds + 4) * (keys + 1) * MOST_BUCKETS > (double)MOST_SCRATCH)
        return op->R.dtype.bits ? "R: r + 4 times k + 1 is at most 2^20" : "perm: r + 4 is at most 2^20";
    if (op->bucket_stride && op->bucket_stride < hashed_count(op))
        return "bucket_stride: smaller than the number of buckets";
    if (rounds * (double)(op->bucket_stride ? op->bucket_stride : hashed_count(op)) > INT32_MAX)
        return "bucket: rounds times buckets are at most 2^31 - 1";
    if (rounds * (double)op->perm.shape[3] > INT32_MAX) return "perm: rounds times tokens are at most 2^31 - 1";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_lsh_buckets *op = (const void *)header;
    const struct segue_cpu *cpu = call->device->handle;
    struct lsh_job job = plan_job(op, cpu);
    const double items = (double)job.batches * (double)job.heads * (double)job.rounds * (double)job.tokens;
    const double each =
        op->x.dtype.bits ? (double)op->x.shape[3] * (double)(op->R.shape[3] + lsh_columns(&op->R_2)) : 4;
    const int alone = items * each < ALONE_BELOW;
    if (items == 0) return SEGUE_OK;
    job.scratch = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    job.buckets = (int32_t *)(void *)(job.scratch + job.scratch_floats * cpu->threads);
    if (op->x.dtype.bits && alone) hash_part(&job, 0, 1);
    else if (op->x.dtype.bits) segue_parts_run(cpu, hash_part, &job);
    if (alone) sort_part(&job, 0, 1);
    else segue_parts_run(cpu, sort_part, &job);
    return SEGUE_OK;
}

const segue_row lsh_buckets_cpu = {
    .name = "lsh_buckets_cpu",
    .primitive = SEGUE_LSH_BUCKETS,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
