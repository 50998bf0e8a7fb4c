/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Prefill: tiles of queries (all heads of a group) against tiles of keys, both packed in the second-level cache, with the
 * online softmax of arXiv:1805.02867. Queries lie in lanes: scores [key][query] and sums [value][query] need no sum
 * over lanes, and keys and values are read as they are. */
#include "attention_tiles.h"
#include "bf16_products.h"
#include "row.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* FEWEST: for fewer query slots a row that reads keys once for all of them is faster. Floats of Q and O together, of K and V of
 * a tile, of all that stay packed. MOST_WIDTH, MOST_SLOTS: sizes and slot numbers stay far from overflow. */
enum {
    FEWEST = 16,
    QUERY_FLOATS = 97 << 10,
    KEY_FLOATS = 33 << 10,
    KEPT_FLOATS = 1 << 20,
    USUAL_KEYS = 128,
    MOST_WIDTH = 4096,
    MOST_BF16_WIDTH = 512, /* then a tile has 32 keys at least */
    MOST_SLOTS = 1 << 30,
    LINE_FLOATS = 16
};

static const struct tiles_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_attention_tile);

/* ---- which tiles there are ------------------------------------------------------------------------------ */

/* Pieces of a chunk that is too large for one tile; 1 of a chunk that is not. */
static int64_t pieces_of_chunk(const struct tiles_job *job)
{
    return job->chunk ? (job->chunk + job->piece_slots - 1) / job->piece_slots : 1;
}

static int64_t tiles_of(const struct tiles_job *job, int64_t slots)
{
    const int64_t chunk = job->chunk, chunks = chunk ? (slots + chunk - 1) / chunk : 0;
    if (!chunk) return (slots + job->piece_slots - 1) / job->piece_slots;
    return (chunks + job->pieces - 1) / job->pieces * pieces_of_chunk(job);
}

static void cut(const struct tiles_job *job, int64_t tile, struct tiles_place *p)
{
    const int64_t chunk = job->chunk, split = pieces_of_chunk(job), slots = p->sequence.queries;
    int64_t end;
    if (!chunk || split == 1) {
        p->slot = tile * job->pieces * job->piece_slots;
        end = p->slot + job->pieces * job->piece_slots;
    } else {
        p->slot = tile / split * chunk + tile % split * job->piece_slots;
        end = p->slot + job->piece_slots;
        if (end > (tile / split + 1) * chunk) end = (tile / split + 1) * chunk;
    }
    p->slots = clamp((end < slots ? end : slots) - p->slot, 0, slots);
}

/* Later tiles come first: under a causal mask they are the longest. */
static struct tiles_place place_at(const struct tiles_job *job, int64_t head, int64_t unit)
{
    const segue_attention *op = job->op;
    struct tiles_place p = { .head = head };
    int64_t tile = job->tiles - 1 - unit;
    if (!attention_present(&op->cu_seqlens)) {
        const int64_t each = job->tiles / attention_sequences(op);
        p.sequence = attention_sequence_at(op, tile / each);
        cut(job, tile % each, &p);
        return p;
    }
    for (int64_t s = 0; s < attention_sequences(op); s++) {
        p.sequence = attention_sequence_at(op, s);
        const int64_t here = tiles_of(job, p.sequence.queries);
        if (tile < here) break;
        tile -= here;
    }
    cut(job, tile, &p);
    return p;
}

static int64_t count_tiles(const struct tiles_job *job)
{
    const segue_attention *op = job->op;
    int64_t sum = 0;
    if (!attention_present(&op->cu_seqlens)) return attention_sequences(op) * tiles_of(job, query_slots(op));
    for (int64_t s = 0; s < attention_sequences(op); s++)
        sum += tiles_of(job, attention_sequence_at(op, s).queries);
    return sum;
}

/* ---- the plan ------------------------------------------------------------------------------------------- */

/* Neither changes a bit of the result: a query's sums run over the same tiles of keys whatever its own tile is. */
static void plan_queries(struct tiles_job *job)
{
    const segue_attention *op = job->op;
    const int64_t lanes = job->lane_step, step = 3 * job->kernel->lanes, chunk = job->chunk,
                  units = op->k.shape[0] * op->k.shape[2];
    int64_t most = clamp(QUERY_FLOATS / (job->keys + job->values + 1) / step * step, step, TILE_QUERIES);
    job->most_queries = rounded_up(most < job->group ? job->group : most, lanes);
    /* Four tiles a thread at least, where that leaves three vectors of queries in each. */
    while (most > step && units * query_slots(op) * job->group < 4 * most * job->cpu->threads) most -= step;
    if (most < job->group) most = job->most_queries;
    job->pieces = 1;
    job->piece_slots = most / job->group;
    if (chunk && chunk * job->group <= most) {
        job->piece_slots = chunk;
        job->pieces = most / rounded_up(chunk * job->group, lanes);
    }
    if (!chunk) job->piece_slots = from_one_to(query_slots(op), job->piece_slots);
    job->piece_lanes = rounded_up(job->piece_slots * job->group, lanes);
}

static void plan_keys(struct tiles_job *job)
{
    const int64_t block = job->kernel->block, chunk = job->chunk,
                  most = clamp(KEY_FLOATS / (job->keys + job->values + 1), job->grain, TILE_KEYS) / job->grain *
                         job->grain;
    job->most_keys = most;
    job->tile_keys = USUAL_KEYS < most ? USUAL_KEYS : most;
    /* Whole chunks, so that most queries see theirs in one tile. */
    if (chunk && chunk <= most && chunk % block == 0) job->tile_keys = most / chunk * chunk;
}

static void plan_rules(struct tiles_job *job)
{
    const segue_attention *op = job->op;
    const int bounded = op->causal || op->window_left >= 0 || op->window_right >= 0;
    const int by_slot = !attention_present(&op->k_pos) && !attention_present(&op->k_index) && !op->chunk;
    const int told = attention_present(&op->q_pos) || attention_present(&op->q_index);
    job->rules = (bounded && !by_slot ? (op->window_left >= 0 ? RULE_LOW : 0) | RULE_HIGH : 0) |
                 (attention_present(&op->label) ? RULE_LABELS | RULE_LOW | RULE_HIGH : 0) |
                 (op->self_rule == SEGUE_ATTENTION_CONSTANT ? RULE_SELF : 0) |
                 (attention_present(&op->slopes) ? RULE_SLOPES : 0) | (op->softcap > 0 ? RULE_CAP : 0) |
                 (op->key_norm == SEGUE_ATTENTION_UNIT ? RULE_UNIT : 0) | (job->products ? RULE_SCALE : 0) |
                 (attention_present(&op->q_offset) && !told ? RULE_BEYOND : 0);
}

static void place_all(struct tiles_job *job)
{
    const struct tiles_kernel *kernel = job->kernel;
    const int64_t lanes = kernel->lanes, v = rounded_up(job->values, lanes), k = job->keys_pitch;
    job->K_floats = job->most_keys * k;
    job->V_floats = v / kernel->block * (job->most_keys * kernel->block + LINE_FLOATS);
    /* With chunks few queries see a key. */
    job->kept_tiles = clamp(KEPT_FLOATS / (job->K_floats + job->V_floats), 0,
                            job->chunk ? 0 : (key_slots(job->op) + job->tile_keys - 1) / job->tile_keys);
    const int64_t tiles = job->kept_tiles + 2;
    uint64_t end = 0;
    job->views = place_scratch(&end, 2 * kernel->view_floats);
    job->packed = place_scratch(&end, tiles * kernel->packed_floats);
    job->K = place_scratch(&end, tiles * job->K_floats);
    job->V = place_scratch(&end, tiles * job->V_floats);
    job->Q = place_scratch(&end, job->most_queries * k);
    job->O = place_scratch(&end, job->most_queries * v);
    job->S = place_scratch(&end, job->most_keys * 3 * lanes);
    job->rows = place_scratch(&end, lanes * (k > v ? k : v));
    if (job->bf16) job->P = place_scratch(&end, job->most_keys * PANEL / 2);
    if (job->products) {
        job->T = place_scratch(&end, v * PANEL);
        job->hand = place_scratch(&end, (int64_t)(dnnl_scratch_bytes(job->products) / sizeof(float)));
    }
    job->floats = end;
}

/* What products are multiplied by, before the cap. */
static double scale_in(const segue_attention *op)
{
    const double scale = op->scale != 0 ? op->scale : 1 / sqrt((double)op->k.shape[3]);
    return op->softcap > 0 ? scale / attention_cap(op) : scale;
}

static void plan_job(const segue_attention *op, const struct segue_cpu *cpu, int bf16,
                     const struct dnnl_products *products, struct tiles_job *job)
{
    *job = (struct tiles_job){ .op = op,
                               .cpu = cpu,
                               .kernel = kernels[cpu->isa],
                               .bf16 = bf16,
                               .products = products,
                               .bf16_fast = has_bf16() };
    job->lane_step = products ? PANEL : job->kernel->lanes;
    job->grain = products ? GRAIN : job->kernel->block;
    job->group = op->k.shape[2] ? op->q.shape[2] / op->k.shape[2] : 1;
    if (job->group < 1) job->group = 1;
    job->keys = op->k.shape[3];
    job->values = op->v.shape[3];
    job->chunk = op->chunk < query_slots(op) ? op->chunk : query_slots(op);
    job->keys_pitch = rounded_up(job->keys, job->kernel->lanes);
    job->scale = (float)scale_in(op);
    job->cap = (float)attention_cap(op);
    job->self_value = (float)op->self_value;
    job->stream = streams(cpu, bytes_of(&op->q) + bytes_of(&op->k) + bytes_of(&op->v) + bytes_of(&op->y));
    plan_queries(job);
    plan_keys(job);
    job->block_pitch = job->tile_keys * job->kernel->block / (bf16 ? 2 : 1) + LINE_FLOATS;
    plan_rules(job);
    place_all(job);
}

/* ---- the row -------------------------------------------------------------------------------------------- */

/* Whether the slots that a tile's queries see can be counted in 32 bits; without wrap there are no more than all. */
static int chunks_fit(const segue_attention *op)
{
    const double chunk = (double)(op->chunk < key_slots(op) ? op->chunk : key_slots(op)),
                 chunks = (double)op->chunks_before + (double)op->chunks_after + TILE_QUERIES;
    return !op->wrap || chunk * chunks < MOST_SLOTS;
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_attention, name), #name ": f64 is offered by the reference only" },
    OPERAND(q) OPERAND(k) OPERAND(v) OPERAND(slopes) OPERAND(sink) OPERAND(y) OPERAND(lse)
#undef OPERAND
        { 0, NULL }
};

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_attention *op = (const void *)header;
    (void)dev;
    if (attention_present(&op->bias)) return "bias: this row adds none";
    if (!(fabs(scale_in(op)) <= FLT_MAX)) return "softcap: scale over softcap is no f32";
    if (segue_dtype_id(op->k.dtype) != segue_dtype_id(op->v.dtype)) return "v: wanted the dtype of k";
    if (query_slots(op) < FEWEST) return "q: fewer than 16 query slots are no tile";
    if (op->k.shape[2] && op->q.shape[2] / op->k.shape[2] > TILE_QUERIES)
        return "q: more than 384 heads read one head of k";
    if (op->k.shape[3] > MOST_WIDTH) return "k: wider than 4096";
    if (op->v.shape[3] > MOST_WIDTH) return "v: wider than 4096";
    if (query_slots(op) > MOST_SLOTS || key_slots(op) > MOST_SLOTS) return "k: more than 2^30 slots";
    if (op->k.shape[1] > INT32_MAX || op->q.shape[1] > INT32_MAX)
        return "k: more than 2^31 - 1 rows of keys or queries";
    if (op->chunk && !chunks_fit(op)) return "chunk: a tile's queries see more than 2^30 slots";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const struct segue_cpu *cpu = dev->handle;
    struct tiles_job job;
    (void)why;
    plan_job((const void *)header, cpu, 0, NULL, &job);
    plan->workspace_bytes = job.floats * sizeof(float) * cpu->threads;
    return SEGUE_OK;
}

/* A worker's queue first, so that the keys of its heads are packed once; then what others have left. */
int segue_attention_next_tile(struct tiles_job *job, int64_t worker, int early, struct tiles_place *out)
{
    const int64_t spare = early ? job->cpu->threads : 0, queues = job->queues;
    for (int64_t i = 0; i < queues; i++) {
        const int64_t q = (worker + i) % queues,
                      units = (job->op->k.shape[2] - q + queues - 1) / queues * job->tiles;
        while (atomic_load_explicit(&job->taken, memory_order_relaxed) + spare < job->units) {
            const int64_t unit = atomic_fetch_add_explicit(&job->next[q], 1, memory_order_relaxed);
            if (unit >= units) break;
            atomic_fetch_add_explicit(&job->taken, 1, memory_order_relaxed);
            *out = place_at(job, q + unit / job->tiles * queues, unit % job->tiles);
            if (out->slots > 0) return 1;
        }
    }
    return 0;
}

static void part(void *arg, int32_t index, int32_t parts)
{
    struct tiles_job *job = arg;
    const uint64_t mode = float_mode_enter();
    (void)parts;
    job->kernel->work(job, index, job->scratch + (uint64_t)index * job->floats);
    if (job->stream) stream_fence();
    float_mode_leave(mode);
}

static segue_status run_job(struct tiles_job *job, const segue_kit_call *call)
{
    const int64_t heads = job->op->k.shape[2], threads = job->cpu->threads;
    job->tiles = count_tiles(job);
    job->units = job->tiles * heads;
    job->queues = clamp(heads, 0, threads < QUEUES ? threads : QUEUES);
    job->scratch = (float *)((char *)call->workspace.data + call->workspace.offset);
    segue_parts_run(job->cpu, part, job);
    if (!atomic_load_explicit(&job->failed, memory_order_relaxed)) return SEGUE_OK;
    return segue_kit_fail(call->why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_RUN, 0,
                          "oneDNN found no memory, or failed");
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    struct tiles_job job;
    plan_job((const void *)header, call->device->handle, 0, NULL, &job);
    return run_job(&job, call);
}

/* ---- products in bf16 ----------------------------------------------------------------------------------- */

static const char *accepts_bf16(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_attention *op = (const void *)header;
    const char *why = accepts(header, dev);
    if (why) return why;
    if (segue_dtype_id(op->q.dtype) != SEGUE_BF16) return "q: wanted bf16";
    if (segue_dtype_id(op->k.dtype) != SEGUE_BF16) return "k: wanted bf16";
    if (op->k.shape[3] < 16 || op->k.shape[3] > MOST_BF16_WIDTH) return "k: wanted a width from 16 to 512";
    if (op->v.shape[3] < 16 || op->v.shape[3] > MOST_BF16_WIDTH) return "v: wanted a width from 16 to 512";
    if (op->chunk) return "chunk: this row has none";
    if (op->key_norm == SEGUE_ATTENTION_UNIT) return "key_norm: UNIT is not for keys in bf16 here";
    return bf16_products(dev->handle) > 0 ? NULL : "q: products of bf16 are not faster than those of f32 here";
}

static void release_bf16(void *data, const segue_kit_device *dev)
{
    (void)dev;
    dnnl_products_destroy(data);
}

/* NULL with words in why. */
static struct dnnl_products *prepare_onednn(const segue_attention *op, const segue_kit_device *dev,
                                            segue_diag *why)
{
    const struct segue_cpu *cpu = dev->handle;
    const int64_t k = op->k.shape[3], v = op->v.shape[3], lanes = kernels[cpu->isa]->lanes;
    struct dnnl_shape shapes[2 * USUAL_KEYS / GRAIN];
    int count = 0;
    for (int64_t keys = GRAIN; keys <= USUAL_KEYS; keys += GRAIN) {
        shapes[count++] = (struct dnnl_shape){ keys, PANEL, k, rounded_up(k, lanes), .dtype = SEGUE_BF16 };
        shapes[count++] =
            (struct dnnl_shape){ v, PANEL, keys, rounded_up(v, lanes), .turned = 1, .dtype = SEGUE_BF16 };
    }
    return dnnl_products_create(dev->host, shapes, count, why);
}

static segue_status prepare_bf16(const segue_op_header *header, const segue_kit_device *dev,
                                 segue_kit_plan *plan, segue_diag *why)
{
    const segue_attention *op = (const void *)header;
    struct segue_cpu *cpu = dev->handle;
    struct tiles_job job;
    if (bf16_products(cpu) == BY_ONEDNN) {
        plan->data = prepare_onednn(op, dev, why);
        if (!plan->data) return SEGUE_ERROR_UNSUPPORTED;
        plan->release = release_bf16;
    }
    plan_job(op, cpu, 1, plan->data, &job);
    plan->workspace_bytes = job.floats * sizeof(float) * cpu->threads;
    return SEGUE_OK;
}

static segue_status run_bf16(const segue_op_header *header, const segue_kit_call *call)
{
    struct tiles_job job;
    plan_job((const void *)header, call->device->handle, 1, call->data, &job);
    return run_job(&job, call);
}

const segue_row attention_tiles_cpu = {
    .name = "attention_tiles_cpu",
    .primitive = SEGUE_ATTENTION,
    .since = 1,
    .priority = 300,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};

const segue_row attention_tiles_bf16_cpu = {
    .name = "attention_tiles_bf16_cpu",
    .primitive = SEGUE_ATTENTION,
    .since = 1,
    .priority = 310,
    .accuracy = SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_BF16_PRODUCT,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN,
    .accepts = accepts_bf16,
    .prepare = prepare_bf16,
    .run = run_bf16,
};
