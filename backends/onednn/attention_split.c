/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Which units and parts there are, and whose they are: a worker has an interval of all units' parts. What one began and another
 * ends is put together by the caller. */
#include "attention.h"
#include "row.h"

/* Tiles of query slots; none lies in two chunks. */
static int64_t tiles_of(const struct attention_job *job, const struct attention_sequence *in)
{
    const int64_t chunk = job->op->chunk, whole = chunk ? in->queries / chunk : 0,
                  rest = in->queries - whole * chunk;
    return whole * ((chunk + job->tile - 1) / job->tile) + (rest + job->tile - 1) / job->tile;
}

static void slots_of(const struct attention_job *job, const struct attention_sequence *in, int64_t tile,
                     int64_t *first, int64_t *count)
{
    const int64_t chunk = job->op->chunk ? job->op->chunk : in->queries,
                  each = (chunk + job->tile - 1) / job->tile;
    const int64_t start = tile / each * chunk, at = start + tile % each * job->tile;
    const int64_t end = at + job->tile < start + chunk ? at + job->tile : start + chunk;
    *first = at;
    *count = clamp(end, at, in->queries) - at;
}

/* ---- what a tile may see -------------------------------------------------------------------------------- */

static struct attention_span span(int64_t first, int64_t last, int64_t keys)
{
    const struct attention_span s = { clamp(first, 0, keys), clamp(last, 0, keys) };
    return s;
}

/* Chunks [from, to] around a tile's own, modulo their number. */
static void chunks_seen(const segue_attention *op, int64_t keys, int64_t own, struct attention_span sees[2])
{
    const int64_t chunk = op->chunk, count = (keys - 1) / chunk + 1;
    const int64_t from = own - op->chunks_before, to = own + op->chunks_after;
    sees[1] = span(0, 0, keys);
    if (!op->wrap) {
        sees[0] = span(clamp(from, 0, count) * chunk, clamp(to + 1, 0, count) * chunk, keys);
        return;
    }
    const int64_t a = from - floor_of(from, count) * count, b = to - floor_of(to, count) * count;
    if (to - from + 1 >= count) sees[0] = span(0, keys, keys);
    else if (a <= b) sees[0] = span(a * chunk, (b + 1) * chunk, keys);
    else sees[0] = span(0, (b + 1) * chunk, keys), sees[1] = span(a * chunk, keys, keys);
}

/* Without lists: by positions, which are slots. */
static struct attention_span window_seen(const segue_attention *op, const struct attention_unit *u)
{
    const struct attention_sequence *in = &u->in;
    const int64_t low = in->first + u->slot, high = low + u->slots; /* positions [low, high) */
    int64_t last = in->rows;
    if (op->window_right >= 0 && high + op->window_right < last) last = high + op->window_right;
    if (op->causal && high < last) last = high;
    return span(op->window_left >= 0 ? low - op->window_left : 0, last, in->keys);
}

static void find_spans(const struct attention_job *job, struct attention_unit *u)
{
    const segue_attention *op = job->op;
    u->sees[0] = u->sees[1] = span(0, 0, 0);
    if (op->chunk && u->in.keys) chunks_seen(op, u->in.keys, u->slot / op->chunk, u->sees);
    else if (job->regular) u->sees[0] = window_seen(op, u);
    else u->sees[0] = span(0, job->listed ? u->in.keys : u->in.rows, u->in.keys);
    for (int i = 0; i < 2; i++)
        if (u->sees[i].last < u->sees[i].first) u->sees[i].last = u->sees[i].first;
}

/* ---- units and their parts ------------------------------------------------------------------------------ */

/* Parts [out[i].first, out[i].last) of span i, each once; how many. A unit that sees nothing has one. */
static int64_t parts_of(const struct attention_unit *u, struct attention_span out[2])
{
    int64_t count = 0, from = 0;
    for (int i = 0; i < 2; i++) {
        const struct attention_span *s = &u->sees[i];
        out[i].first = s->first / ATTENTION_PART, out[i].last = (s->last + ATTENTION_PART - 1) / ATTENTION_PART;
        if (s->first == s->last) out[i].last = out[i].first;
        else if (out[i].first < from) out[i].first = from;
        if (out[i].last > out[i].first) count += out[i].last - out[i].first, from = out[i].last;
        else out[i].last = out[i].first;
    }
    if (count) return count;
    out[0].first = 0, out[0].last = 1;
    return 1;
}

static void unit_of_tile(const struct attention_job *job, const struct attention_sequence *in, int64_t tile,
                         struct attention_unit *u)
{
    *u = (struct attention_unit){ .in = *in };
    slots_of(job, in, tile, &u->slot, &u->slots);
    find_spans(job, u);
}

/* side: which of the key heads, or of the query heads of one. */
static void heads_of_side(const struct attention_job *job, int64_t side, struct attention_unit *u)
{
    const int64_t group = job->heads / job->key_heads, groups = (group + job->unit_heads - 1) / job->unit_heads;
    const int64_t first = side % groups * job->unit_heads;
    u->key_head = side / groups * job->unit_keys;
    u->key_heads = clamp(job->key_heads - u->key_head, 0, job->unit_keys);
    u->head = u->key_head * group + first;
    u->heads = clamp(group - first, 0, job->unit_heads);
}

/* ---- the tree ------------------------------------------------------------------------------------------- */

/* Neighbours of one size make a node of twice that. What lies before the unit's first part is empty. */
static void push(const struct attention_worker *w, struct attention_node *nodes, int64_t *count,
                 struct attention_node node, int64_t first)
{
    nodes[(*count)++] = node;
    for (;;) {
        struct attention_node *top = &nodes[*count - 1];
        if (top->start % (2 * top->size) == 0) return;
        if (top->start <= first) top->start -= top->size, top->size *= 2;
        else if (*count > 1 && top[-1].size == top->size && top[-1].start + top->size == top->start) {
            w->job->kernel->merge(w, top[-1].state, top->state);
            top[-1].size *= 2;
            (*count)--;
        } else return;
    }
}

static void finish(struct attention_worker *w, struct attention_node *nodes, int64_t count)
{
    for (; count > 1; count--) w->job->kernel->merge(w, nodes[count - 2].state, nodes[count - 1].state);
    w->job->kernel->end(w, nodes[0].state);
}

static float *state_of(const struct attention_worker *w, int at_end, int64_t node)
{
    const struct attention_job *job = w->job;
    return w->scratch + job->states +
           (uint64_t)((at_end ? job->nodes : 0) + node) * (uint64_t)job->state_floats;
}

/* Parts [from, to) of those that w->unit has, counted from its first. */
static void some_parts(struct attention_worker *w, const struct attention_span parts[2], int64_t count,
                       int64_t from, int64_t to)
{
    const int at_end = from == 0;
    struct attention_node *nodes = at_end ? w->tail : w->head;
    const int64_t before = parts[0].last - parts[0].first;
    int64_t have = 0;
    w->job->kernel->begin(w);
    for (int64_t i = from; i < to; i++) {
        const int64_t part = i < before ? parts[0].first + i : parts[1].first + i - before;
        float *state = state_of(w, at_end, have);
        w->job->kernel->part(w, part, state);
        push(w, nodes, &have, (struct attention_node){ part, 1, state },
             before ? parts[0].first : parts[1].first);
    }
    if (at_end && to == count) finish(w, nodes, have);
    else if (at_end) w->tails = have;
    else w->heads = have, w->ends = to == count;
}

/* ---- shares --------------------------------------------------------------------------------------------- */

static int64_t parts_of_sequence(const struct attention_job *job, const struct attention_sequence *in)
{
    struct attention_span parts[2];
    struct attention_unit u;
    int64_t sum = 0;
    for (int64_t i = 0, count = tiles_of(job, in); i < count; i++) {
        unit_of_tile(job, in, i, &u);
        sum += parts_of(&u, parts);
    }
    return sum;
}

/* The share's parts of one side of a sequence, whose first is number `at` of all. */
static void some_tiles(struct attention_worker *w, const struct attention_sequence *in, int64_t side,
                       int64_t at, int64_t from, int64_t to)
{
    const struct attention_job *job = w->job;
    const int64_t count = tiles_of(job, in);
    for (int64_t i = 0; i < count && at < to; i++) {
        struct attention_span parts[2];
        unit_of_tile(job, in, i, &w->unit);
        heads_of_side(job, side, &w->unit);
        const int64_t have = parts_of(&w->unit, parts), first = clamp(from - at, 0, have),
                      last = clamp(to - at, 0, have);
        if (first < last) some_parts(w, parts, have, first, last);
        at += have;
    }
}

static void share(struct attention_worker *w, int32_t index, int32_t workers)
{
    const struct attention_job *job = w->job;
    int64_t total = 0, at = 0;
    for (int64_t s = 0; s < job->sequences; s++) {
        const struct attention_sequence in = attention_sequence_at(job->op, s);
        total += parts_of_sequence(job, &in) * job->sides;
    }
    const int64_t from = total / workers * index + total % workers * index / workers;
    const int64_t to = total / workers * (index + 1) + total % workers * (index + 1) / workers;
    for (int64_t s = 0; s < job->sequences && at < to; s++) {
        const struct attention_sequence in = attention_sequence_at(job->op, s);
        const int64_t each = parts_of_sequence(job, &in);
        for (int64_t side = 0; side < job->sides; side++, at += each)
            if (at + each > from && at < to) some_tiles(w, &in, side, at, from, to);
    }
}

static struct attention_worker *worker_at(const struct attention_job *job, int32_t index)
{
    return (struct attention_worker *)(void *)(job->workers + (uint64_t)index * job->worker_bytes);
}

static void body(void *arg, int32_t index, int32_t parts)
{
    struct attention_job *job = arg;
    struct attention_worker *w = worker_at(job, index);
    const uint64_t mode = float_mode_enter();
    if (!index) job->parts = parts;
    w->job = job;
    w->scratch = (float *)(void *)((char *)w + (sizeof *w + 63) / 64 * 64);
    w->heads = w->tails = w->ends = 0;
    share(w, index, parts);
    float_mode_leave(mode);
}

/* A unit that began in one share, with what later ones have of it. */
static void join(const struct attention_job *job, int32_t index)
{
    struct attention_worker *w = worker_at(job, index);
    int ends = 0;
    for (int32_t i = index + 1; i < job->parts && !ends; i++) {
        const struct attention_worker *other = worker_at(job, i);
        for (int64_t n = 0; n < other->heads; n++) push(w, w->tail, &w->tails, other->head[n], -1);
        ends = other->heads && other->ends;
    }
    finish(w, w->tail, w->tails);
}

void segue_attention_share(const struct segue_cpu *cpu, struct attention_job *job, segue_buffer workspace)
{
    job->workers = (char *)workspace.data + workspace.offset;
    segue_parts_run(cpu, body, job);
    const uint64_t mode = float_mode_enter();
    for (int32_t i = 0; i < job->parts; i++)
        if (worker_at(job, i)->tails) join(job, i);
    float_mode_leave(mode);
}
