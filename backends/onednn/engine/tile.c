/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tile.h"

#include <string.h>

enum {
    LINE = 64,
    STATE_COST = 4,       /* loading and storing a state costs about as much as this many tokens */
    ALONE_BELOW = 1 << 14 /* operations; less is done before a worker has woken up */
};

struct segue_sequence segue_sequence_at(const struct segue_sequences *all, int64_t s)
{
    struct segue_sequence q = { .number = s, .batch = s, .length = all->tokens, .read = s, .write = s };
    if (all->cu_seqlens->dtype.bits) {
        int64_t last = clamp(int_at(all->cu_seqlens, s + 1, 0, 0), 0, all->tokens);
        q.batch = 0;
        q.first = clamp(int_at(all->cu_seqlens, s, 0, 0), 0, all->tokens);
        q.length = last > q.first ? last - q.first : 0;
    }
    if (all->slot->dtype.bits) {
        q.read = int_at(all->slot, s, 0, 0);
        q.write = int_at(all->slot, s, 1, 0);
        if (q.read < 0 || q.read >= all->pool) q.read = -1;
        if (q.write < 0 || q.write >= all->pool) q.write = -1;
        q.padding = q.read < 0 && q.write < 0;
    }
    return q;
}

void segue_strip_zero(const struct segue_strip *s)
{
    int64_t size = s->element_bytes;
    for (int64_t i = 0; i < s->rows; i++) {
        char *row = s->data + i * s->row_stride * size;
        if (s->column_stride == 1) memset(row, 0, (size_t)(s->columns * size));
        for (int64_t k = 0; s->column_stride != 1 && k < s->columns; k++)
            memset(row + k * s->column_stride * size, 0, (size_t)size);
    }
}

static void zero(const struct segue_tile *t)
{
    if (t->job->padding) {
        t->job->padding(t);
        return;
    }
    struct segue_strip s = tile_strip(t, t->job->y);
    segue_strip_zero(&s);
}

/* One panel of one sequence. */
static void walk(struct segue_tile *t)
{
    const struct segue_tile_job *job = t->job;
    t->first = 0;
    if (t->sequence.padding) {
        t->tokens = t->sequence.length;
        zero(t);
        return;
    }
    t->tokens = 0;
    job->kernel->begin(t);
    for (; t->first < t->sequence.length; t->first += t->tokens) {
        int64_t left = t->sequence.length - t->first;
        t->tokens = left < job->tile_tokens ? left : job->tile_tokens;
        job->kernel->tokens(t);
    }
    job->kernel->end(t);
}

/* Blocks [first, last) of one sequence, in panels of nearly equal size. */
static void panels(struct segue_tile *t, int64_t first, int64_t last)
{
    const struct segue_tile_job *job = t->job;
    int64_t count = (last - first + job->panel_blocks - 1) / job->panel_blocks,
            size = (last - first + count - 1) / count;
    for (int64_t b = first; b < last; b += size) {
        int64_t lanes = job->kernel->lanes, channel = b * lanes, blocks = last - b < size ? last - b : size;
        int same = t->channel == channel && t->blocks == blocks;
        t->channel = channel;
        t->blocks = blocks;
        t->channels = blocks * lanes < job->channels - channel ? blocks * lanes : job->channels - channel;
        if (!same) job->kernel->weights(t);
        walk(t);
    }
}

/* All panels of the tile. */
static void across(struct segue_tile *t)
{
    const struct segue_tile_job *job = t->job;
    const int64_t lanes = job->kernel->lanes, blocks = blocks_of(job->channels, job->kernel->lanes);
    const int64_t count = (blocks + job->panel_blocks - 1) / job->panel_blocks;
    for (int64_t i = 0, b = 0; i < count; i++, b += t->blocks) {
        t->channel = b * lanes;
        t->blocks = blocks * (i + 1) / count - b;
        t->channels = clamp(job->channels - t->channel, 0, t->blocks * lanes);
        if (t->sequence.padding) zero(t);
        else {
            if (!t->first) job->kernel->begin(t);
            if (t->tokens) job->kernel->tokens(t);
        }
    }
}

static int64_t tiles_of(const struct segue_tile_job *job, const struct segue_sequence *q)
{
    return q->length ? (q->length + job->tile_tokens - 1) / job->tile_tokens : 1; /* 1: its state */
}

/* A part is an interval of all sequences' tiles. */
static void part_of_time(struct segue_tile *t, int32_t index, int32_t parts)
{
    const struct segue_tile_job *job = t->job;
    int64_t total = 0, before = 0;
    for (int64_t s = 0; s < job->sequences.count; s++) {
        struct segue_sequence q = segue_sequence_at(&job->sequences, s);
        total += tiles_of(job, &q);
    }
    const int64_t from = total / parts * index + total % parts * index / parts;
    const int64_t to = total / parts * (index + 1) + total % parts * (index + 1) / parts;
    if (from == to) return;
    t->channel = 0, t->channels = job->channels;
    t->blocks = blocks_of(job->channels, job->kernel->lanes);
    job->kernel->weights(t);
    for (int64_t s = 0; s < job->sequences.count && before < to; s++) {
        t->sequence = segue_sequence_at(&job->sequences, s);
        const int64_t tiles = tiles_of(job, &t->sequence), end = clamp(to - before, 0, tiles);
        for (int64_t i = clamp(from - before, 0, tiles); i < end; i++) {
            t->first = i * job->tile_tokens;
            t->tokens = clamp(t->sequence.length - t->first, 0, job->tile_tokens);
            across(t);
        }
        before += tiles;
    }
}

static int64_t cost_of(const struct segue_sequence *q)
{
    return q->length + STATE_COST;
}

static int64_t up_to(int64_t cost, int64_t each, int64_t blocks)
{
    return cost <= 0 ? 0 : clamp((cost + each - 1) / each, 0, blocks);
}

/* A part is an interval of the summed cost; a block belongs to the part in which its cost begins. */
static void part_of_channels(struct segue_tile *t, int32_t index, int32_t parts)
{
    const struct segue_tile_job *job = t->job;
    int64_t blocks = blocks_of(job->channels, job->kernel->lanes), total = 0, before = 0;
    for (int64_t s = 0; s < job->sequences.count; s++) {
        struct segue_sequence q = segue_sequence_at(&job->sequences, s);
        total += cost_of(&q) * blocks;
    }
    int64_t from = total / parts * index + total % parts * index / parts;
    int64_t to = total / parts * (index + 1) + total % parts * (index + 1) / parts;
    for (int64_t s = 0; s < job->sequences.count && before < to; s++) {
        t->sequence = segue_sequence_at(&job->sequences, s);
        int64_t each = cost_of(&t->sequence);
        int64_t first = up_to(from - before, each, blocks), last = up_to(to - before, each, blocks);
        if (first < last) panels(t, first, last);
        before += each * blocks;
    }
}

static void fetch(const void *from, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += LINE) __builtin_prefetch((const char *)from + i, 0, 3);
}

static void part(void *arg, int32_t index, int32_t parts)
{
    struct segue_tile_job *job = arg;
    struct segue_tile t = { .job = job,
                            .channel = -1,
                            .scratch = job->scratch + (uint64_t)index * job->scratch_floats };
    fetch(job, job->bytes); /* the caller wrote it just now, on its core */
    fetch(job->operands, job->operand_bytes);
    uint64_t mode = float_mode_enter();
    if (job->by_time) part_of_time(&t, index, parts);
    else if (!job->shares) part_of_channels(&t, index, parts);
    else
        for (int32_t i; (i = atomic_fetch_add_explicit(&job->taken, 1, memory_order_relaxed)) < job->shares;)
            part_of_channels(&t, i, job->shares);
    if (job->stream) stream_fence();
    float_mode_leave(mode);
}

struct foreign { /* for the engine's parallel_for, whose bodies do not hear how many there are */
    segue_part body;
    void *arg;
    int32_t parts;
};

static void foreign_part(void *arg, int32_t index)
{
    const struct foreign *f = arg;
    f->body(f->arg, index, f->parts);
}

void segue_parts_run(const struct segue_cpu *cpu, segue_part body, void *arg)
{
    struct foreign f = { body, arg, (int32_t)cpu->threads };
    if (cpu->threads == 1) body(arg, 0, 1);
    else if (cpu->pool) segue_pool_run(cpu->pool, body, arg);
    else cpu->parallel_for(cpu->parallel_user, f.parts, foreign_part, &f);
}

void segue_tile_run(const struct segue_cpu *cpu, struct segue_tile_job *job, segue_buffer workspace)
{
    int64_t tokens = job->sequences.tokens + STATE_COST, batches = job->y->shape[0];
    if (!job->channels || !job->sequences.count) return;
    job->scratch = (float *)((char *)workspace.data + workspace.offset);
    if (job->channels * job->channel_work < ALONE_BELOW / tokens / (batches + 1)) part(job, 0, 1);
    else segue_parts_run(cpu, part, job);
}
