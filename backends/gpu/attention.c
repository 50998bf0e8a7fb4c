/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Two rows: one group walks over all keys of a tile; or, for few queries (decode), groups share the keys out
 * and a second kernel adds their parts up. A sequence has as many parts as the call has keys for one, so packed
 * ones, whose bits would depend on their neighbours, are left to the first row. */
#include "attention.args.h"
#include "attention_parts.args.h"
#include "launcher.h"

#include <math.h>

enum { TALL_TILE = 32, LOW_TILE = 8, FEWEST_ITEMS = 64, MOST_VALUES = 128, FEWEST_VALUES = 64 };
enum { PART_KEYS = 512, MOST_PARTS = 64 };

GPU_SOURCE(attention);
GPU_SOURCE(attention_parts);

struct operand { /* of the .def, in its order */
    uint32_t tensor, view;
    uint32_t strides; /* 0 = a VIEW */
    uint32_t writes;
};
static const struct operand operands[] = {
#define OPERAND(name, strides, writes) \
    { offsetof(segue_attention, name), offsetof(struct attention_args, name), strides, writes },
    OPERAND(q, 0, 0) OPERAND(k, 0, 0) OPERAND(v, 0, 0) OPERAND(cu_seqlens, 1, 0) OPERAND(cu_seqlens_k, 1, 0)
        OPERAND(k_len, 1, 0) OPERAND(keep, 3, 0) OPERAND(keep_q, 3, 0) OPERAND(q_offset, 1, 0)
            OPERAND(q_pos, 3, 0) OPERAND(k_pos, 3, 0) OPERAND(q_index, 3, 0) OPERAND(k_index, 3, 0)
                OPERAND(o_index, 3, 0) OPERAND(label, 3, 0) OPERAND(bias, 0, 0) OPERAND(slopes, 1, 0)
                    OPERAND(sink, 1, 0) OPERAND(y, 0, 1) OPERAND(lse, 0, 1)
#undef OPERAND
};
enum { OPERANDS = sizeof operands / sizeof operands[0], FIRST_BIT = 3, LAST_BIT = 17, PARTS_OPERANDS = 5 };

_Static_assert(HAS_CU_SEQLENS == 1 && HAS_SINK == 1 << (LAST_BIT - FIRST_BIT),
               "bits are in the order of the table");

static const struct gpu_form form = { OPERANDS + 1, sizeof(struct attention_args) };
static const struct gpu_form parts_form = { PARTS_OPERANDS, sizeof(struct attention_parts_args) };

struct kernels {                      /* a plan's */
    struct gpu_kernel *tiles, *parts; /* parts: NULL where keys are not shared out */
    int32_t rows;                     /* of a tile */
    const segue_host *host;
};

struct sizes {
    int64_t sequences, queries, keys; /* slots */
    int64_t tiles;                    /* of a key head's longest sequence */
    int32_t group, passes, parts;
};

static int has(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

static int64_t at_most(int64_t x, int64_t most)
{
    return x < most ? x : most;
}

static int64_t over(int64_t x, int64_t by)
{
    return x / by + (x % by != 0);
}

static int64_t group_of(const segue_attention *op)
{
    return op->k.shape[2] ? op->q.shape[2] / op->k.shape[2] : 0;
}

static int32_t values_of(const segue_attention *op)
{
    return op->v.shape[3] > FEWEST_VALUES ? MOST_VALUES : FEWEST_VALUES;
}

/* Query slots that tiles are cut from. */
static int64_t block_of(const segue_attention *op, int64_t queries)
{
    const int64_t longest = has(&op->cu_seqlens) && op->max_seqlen ? at_most(op->max_seqlen, queries) : queries;
    return op->chunk ? at_most(op->chunk, queries) : longest;
}

static int64_t slots_of(const segue_tensor *index, const segue_tensor *x)
{
    return has(index) ? index->shape[2] : x->shape[1];
}

static int32_t rows_of(const segue_attention *op, const struct gpu *gpu)
{
    const int64_t rows = block_of(op, slots_of(&op->q_index, &op->q)) * group_of(op);
    return gpu->group < FEWEST_ITEMS || rows <= LOW_TILE ? LOW_TILE : TALL_TILE;
}

static struct sizes sizes_of(const segue_attention *op, int32_t rows)
{
    struct sizes n = { .queries = slots_of(&op->q_index, &op->q),
                       .keys = slots_of(&op->k_index, &op->k),
                       .group = (int32_t)group_of(op),
                       .passes = (int32_t)over(op->v.shape[3], values_of(op)),
                       .parts = 1 };
    const int64_t block = block_of(op, n.queries);
    n.sequences = gpu_sequences(&op->q, &op->cu_seqlens);
    n.tiles = over(block * n.group, rows);
    if (op->chunk && block) n.tiles *= over(n.queries, block);
    if (n.passes < 1) n.passes = 1; /* lse is written without values, too */
    return n;
}

static int32_t parts_of(const segue_attention *op, const struct gpu *gpu)
{
    const int64_t parts = over(slots_of(&op->k_index, &op->k), PART_KEYS),
                  most = at_most(MOST_PARTS, gpu->most_groups[2]);
    return parts < 1 ? 1 : (int32_t)at_most(parts, most);
}

/* Groups of a launch: tiles of all passes and heads, as many as the device takes along an axis. */
static int64_t grid_of(const segue_attention *op, const struct gpu *gpu, const struct sizes *n,
                       int32_t groups[3])
{
    const int64_t each = n->passes * op->k.shape[2], most = at_most(gpu->most_groups[0], GPU_MOST_INDEX);
    const int64_t tiles = each ? at_most(n->tiles, most / each) : 0;
    groups[0] = (int32_t)(tiles * each);
    groups[1] = gpu_groups(gpu, 1, n->sequences, 1);
    groups[2] = n->parts;
    return tiles;
}

static uint64_t parts_bytes(const segue_attention *op, const struct sizes *n)
{
    const int64_t each = (op->v.shape[3] + 2) * LOW_TILE * (int64_t)sizeof(float);
    return (uint64_t)(n->sequences * op->k.shape[2] * n->parts * each);
}

static void release(void *data, const segue_kit_device *dev)
{
    struct kernels *kernels = data;
    (void)dev;
    if (kernels->tiles) gpu_kernel_discard(kernels->tiles);
    if (kernels->parts) gpu_kernel_discard(kernels->parts);
    kernels->host->free(kernels->host->user, kernels);
}

static segue_status make_tiles(struct kernels *kernels, const segue_attention *op, const segue_kit_device *dev,
                               const struct sizes *n, segue_diag *why)
{
    struct gpu_key key = gpu_key_of(&gpu_source_attention, &op->header, dev);
    int32_t groups[3];
    key.act = segue_dtype_id(op->k.dtype);
    key.state = 0;
    gpu_define_in(&key, "QUERIES", kernels->rows);
    gpu_define_in(&key, "VALUES", values_of(op));
    grid_of(op, gpu_of(dev), n, groups);
    return gpu_kernel_make(gpu_of(dev), &key, &form, groups, &kernels->tiles, why);
}

static segue_status make_parts(struct kernels *kernels, const segue_attention *op, const segue_kit_device *dev,
                               segue_diag *why)
{
    const struct gpu_key key = { .source = &gpu_source_attention_parts,
                                 .kernel = "attention_parts",
                                 .group = gpu_of(dev)->group };
    const int32_t groups[3] = { (int32_t)(kernels->rows * op->k.shape[2]), 1, 1 };
    return gpu_kernel_make(gpu_of(dev), &key, &parts_form, groups, &kernels->parts, why);
}

static segue_status prepare_all(const segue_attention *op, const segue_kit_device *dev, int in_parts,
                                segue_kit_plan *plan, segue_diag *why)
{
    const struct gpu *gpu = gpu_of(dev);
    struct kernels *kernels = gpu->host->alloc(gpu->host->user, sizeof *kernels, 64);
    if (!kernels)
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0,
                              "no memory for a plan of attention");
    *kernels = (struct kernels){ .rows = rows_of(op, gpu), .host = gpu->host };
    struct sizes n = sizes_of(op, kernels->rows);
    if (in_parts) n.parts = parts_of(op, gpu);
    segue_status s = make_tiles(kernels, op, dev, &n, why);
    if (!s && in_parts) s = make_parts(kernels, op, dev, why);
    if (s) {
        release(kernels, dev);
        return s;
    }
    if (in_parts) plan->workspace_bytes = parts_bytes(op, &n);
    plan->data = kernels;
    plan->release = release;
    return SEGUE_OK;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    return prepare_all((const void *)header, dev, 0, plan, why);
}

static segue_status prepare_in_parts(const segue_op_header *header, const segue_kit_device *dev,
                                     segue_kit_plan *plan, segue_diag *why)
{
    return prepare_all((const void *)header, dev, 1, plan, why);
}

/* Chunks that a query reaches on one side: without wrap there are no more than all. */
static int64_t chunks_of(const segue_attention *op, int64_t wanted)
{
    return op->wrap || !op->chunk ? wanted : at_most(wanted, over(slots_of(&op->q_index, &op->q), op->chunk));
}

static int reaches_too_many(const segue_attention *op)
{
    const int64_t chunks = chunks_of(op, op->chunks_before) + 1 + chunks_of(op, op->chunks_after);
    return op->chunk && chunks > GPU_MOST_INDEX / at_most(op->chunk, slots_of(&op->q_index, &op->q) + 1);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    static const segue_kit_refusal floats[] = {
#define FLOAT(name) { offsetof(segue_attention, name), #name ": f64 is not supported" },
        FLOAT(q) FLOAT(k) FLOAT(v) FLOAT(bias) FLOAT(slopes) FLOAT(sink) FLOAT(y) FLOAT(lse)
#undef FLOAT
            { 0, NULL }
    };
    const segue_attention *op = (const void *)header;
    const int64_t most = GPU_MOST_INDEX;
    if (segue_dtype_id(op->v.dtype) != segue_dtype_id(op->k.dtype)) return "v: wanted the dtype of k";
    if (op->q.shape[1] > most || op->q.shape[2] > most || op->k.shape[3] > most)
        return "q: n, h and k are at most 2^30";
    if (slots_of(&op->k_index, &op->k) > most || op->k.shape[1] > most) return "k: m and c are at most 2^30";
    if (group_of(op) && slots_of(&op->q_index, &op->q) > most / group_of(op))
        return "q: t times h / j is at most 2^30";
    if (reaches_too_many(op)) return "chunks_before: with chunks_after at most 2^30 slots may be reached";
    if (op->y.shape[1] > most) return "y: e is at most 2^30";
    if (op->v.shape[3] > most / 2) return "v: its size is supported up to 2^29";
    if (over(op->v.shape[3], FEWEST_VALUES) * op->k.shape[2] > at_most(gpu_of(dev)->most_groups[0], most))
        return "v: j times v is more than the device takes groups";
    return segue_kit_refuse_dtype(header, SEGUE_F64, floats);
}

static const char *accepts_in_parts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_attention *op = (const void *)header;
    if (slots_of(&op->q_index, &op->q) * group_of(op) > LOW_TILE) return "q: t times h / j is at most 8 here";
    if (slots_of(&op->k_index, &op->k) <= PART_KEYS) return "k: wanted more than 512 slots";
    if (has(&op->cu_seqlens)) return "cu_seqlens: not shared out";
    if (op->chunk) return "chunk: not shared out";
    if (op->k.shape[2] > gpu_of(dev)->most_groups[0] / LOW_TILE)
        return "k: more heads than the device takes groups";
    const double each = ((double)op->v.shape[3] + 2) * LOW_TILE * sizeof(float);
    if (!gpu_fits_workspace((double)op->q.shape[0] * (double)op->k.shape[2] * parts_of(op, gpu_of(dev)) * each))
        return "q: b times j times v is too much for a workspace in parts";
    return accepts(header, dev);
}

static void bind(const segue_attention *op, struct attention_args *args, struct gpu_arg *list)
{
    for (uint32_t i = 0; i < OPERANDS; i++) {
        const struct operand *o = &operands[i];
        const segue_tensor *t = (const void *)((const char *)op + o->tensor);
        const struct gpu_view view = gpu_view_of(t);
        const uint64_t list_bytes = (1 + o->strides) * sizeof(int64_t);
        memcpy((char *)args + o->view, &view, o->strides ? list_bytes : sizeof view);
        list[i] = (struct gpu_arg){ .tensor = t, .writes = o->writes };
        if (i >= FIRST_BIT && i <= LAST_BIT && has(t)) args->present |= 1 << (i - FIRST_BIT);
    }
}

static struct attention_args args_of(const segue_attention *op, const struct sizes *n)
{
    return (struct attention_args){
        .queries = (int32_t)n->queries,
        .keys = (int32_t)n->keys,
        .rows_q = (int32_t)op->q.shape[1],
        .rows_k = (int32_t)op->k.shape[1],
        .rows_y = (int32_t)op->y.shape[1],
        .heads = (int32_t)op->k.shape[2],
        .group = n->group,
        .width = (int32_t)op->k.shape[3],
        .columns = (int32_t)op->v.shape[3],
        .passes = n->passes,
        .parts = n->parts,
        .chunk = op->chunk ? (int32_t)block_of(op, n->queries) : 0,
        .chunks_before = (int32_t)chunks_of(op, op->chunks_before),
        .chunks_after = (int32_t)chunks_of(op, op->chunks_after),
        .window_left = (int32_t)op->window_left,
        .window_right = (int32_t)op->window_right,
        .slopes_dtype = gpu_view_of(&op->slopes).dtype,
        .sink_dtype = gpu_view_of(&op->sink).dtype,
        .causal = op->causal != 0,
        .top_left = op->align == SEGUE_ATTENTION_TOP_LEFT,
        .wrap = op->wrap != 0,
        .unit = op->key_norm == SEGUE_ATTENTION_UNIT,
        .self_rule = op->self_rule == SEGUE_ATTENTION_CONSTANT,
        .scale = (float)(op->scale != 0 ? op->scale : 1 / sqrt((double)op->k.shape[3])),
        .softcap = (float)op->softcap,
        .key_eps = (float)(op->key_eps * (double)op->k.shape[3]),
        .self_value = (float)op->self_value,
    };
}

static segue_status add_parts(const segue_attention *op, const segue_kit_call *call, const struct sizes *n)
{
    const struct kernels *kernels = call->data;
    struct attention_parts_args args = { .parts = { .at = (int64_t)(call->workspace.offset / sizeof(float)) },
                                         .cu_seqlens = gpu_view_of(&op->cu_seqlens),
                                         .o_index = gpu_view_of(&op->o_index),
                                         .y = gpu_view_of(&op->y),
                                         .lse = gpu_view_of(&op->lse),
                                         .queries = (int32_t)n->queries,
                                         .rows_y = (int32_t)op->y.shape[1],
                                         .heads = (int32_t)op->k.shape[2],
                                         .group = n->group,
                                         .columns = (int32_t)op->v.shape[3],
                                         .count = n->parts,
                                         .rows = kernels->rows };
    const struct gpu_arg list[PARTS_OPERANDS + 1] = {
        { .memory = &call->workspace },      { .tensor = &op->cu_seqlens },
        { .tensor = &op->o_index },          { .tensor = &op->y, .writes = 1 },
        { .tensor = &op->lse, .writes = 1 }, { .value = &args, .bytes = sizeof args }
    };
    int32_t groups[3] = { (int32_t)(kernels->rows * op->k.shape[2]), 1, 1 };
    return gpu_launch_sequences(kernels->parts, call, groups, list, PARTS_OPERANDS + 1, n->sequences,
                                &args.sequence);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_attention *op = (const void *)header;
    const struct kernels *kernels = call->data;
    struct sizes n = sizes_of(op, kernels->rows);
    if (kernels->parts) n.parts = parts_of(op, kernels->tiles->gpu);
    struct attention_args args = args_of(op, &n);
    struct gpu_arg list[OPERANDS + 2];
    int32_t groups[3];
    segue_status s = SEGUE_OK;
    bind(op, &args, list);
    list[OPERANDS] = (struct gpu_arg){ .memory = kernels->parts ? &call->workspace : NULL, .writes = 1 };
    list[OPERANDS + 1] = (struct gpu_arg){ .value = &args, .bytes = sizeof args };
    args.parts_at = (int64_t)(call->workspace.offset / sizeof(float));
    const int64_t tiles = grid_of(op, kernels->tiles->gpu, &n, groups);
    for (int64_t tile = 0; !s && tile < n.tiles; tile += tiles) {
        args.tile = (int32_t)tile;
        s = gpu_launch_sequences(kernels->tiles, call, groups, list, OPERANDS + 2, n.sequences, &args.sequence);
    }
    return s || n.parts < 2 ? s : add_parts(op, call, &n);
}

const segue_row attention_shared = {
    .name = "attention_shared",
    .primitive = SEGUE_ATTENTION,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};

const segue_row attention_parts_shared = {
    .name = "attention_parts_shared",
    .primitive = SEGUE_ATTENTION,
    .since = 1,
    .priority = 110,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts_in_parts,
    .prepare = prepare_in_parts,
    .run = run,
};
