/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "gated_recurrence.args.h"
#include "launcher.h"

#include <stdlib.h>

enum { MOST_KEYS = 256 };
enum { OPERANDS = offsetof(struct gated_recurrence_args, sequence) / sizeof(VIEW) };

GPU_SOURCE(gated_recurrence);

/* The .def goes on with operands of the writes and reads that accepts() refuses. */
static const struct gpu_form form = { OPERANDS, sizeof(struct gated_recurrence_args) };

struct sizes {
    int64_t sequences, tokens, heads, keys, columns;
    int32_t group_keys, group_columns; /* KEYS, and columns of a group */
};

static int has(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

/* KEYS: a multiple of 16 that slices divide, of few values, so that a new key size seldom compiles. */
static int32_t compiled_keys(int64_t keys)
{
    static const int32_t sizes[] = { 16, 32, 64, 96, 128, MOST_KEYS };
    size_t i = 0;
    while (sizes[i] < keys && sizes[i] < MOST_KEYS) i++;
    return sizes[i];
}

/* v or S_in is there; k where v is; what has tokens may all be absent: then nothing happens to the states. */
static struct sizes sizes_of(const segue_gated_recurrence *op, const struct gpu *gpu)
{
    const segue_tensor *const in_time[] = { &op->v, &op->q, &op->g, &op->gk, &op->cu_seqlens };
    size_t i = 0;
    while (i < 4 && !has(in_time[i])) i++;
    const segue_tensor *x = in_time[i];
    struct sizes n = {
        .tokens = i < 4 ? x->shape[1] : 0,
        .heads = has(&op->v) ? op->v.shape[2] : op->S_in.shape[1],
        .keys = has(&op->v) ? op->k.shape[3] : op->S_in.shape[2],
        .columns = has(&op->v) ? op->v.shape[3] : op->S_in.shape[3],
    };
    n.sequences = has(&op->cu_seqlens) ? op->cu_seqlens.shape[0] - 1
                  : i < 4              ? x->shape[0]
                  : has(&op->slot)     ? op->slot.shape[0]
                                       : op->S_in.shape[0];
    n.group_keys = compiled_keys(n.keys);
    n.group_columns = (int32_t)RECURRENCE_COLUMNS(n.group_keys, gpu->group);
    return n;
}

/* Then all columns of a head go through one group, one part after another, since each part reads n_in. */
static int n_in_place(const segue_gated_recurrence *op)
{
    const segue_tensor *in = &op->n_in, *out = &op->n_out;
    return has(in) && has(out) &&
           (in->data == out->data || (uintptr_t)in->data + in->offset == (uintptr_t)out->data + out->offset);
}

static void grid_of(const segue_gated_recurrence *op, const struct gpu *gpu, const struct sizes *n,
                    int32_t *passes, int32_t groups[3])
{
    const int64_t parts = (n->columns + n->group_columns - 1) / n->group_columns;
    *passes =
        parts < 1 || n_in_place(op) ? 1 : (int32_t)parts; /* n_out is written for states without columns, too */
    groups[0] = (int32_t)n->heads * *passes;
    groups[1] = gpu_groups(gpu, 1, n->sequences, 1);
    groups[2] = 1;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_gated_recurrence *op = (const void *)header;
    const struct sizes n = sizes_of(op, gpu_of(dev));
    struct gpu_key key = gpu_key_of(&gpu_source_gated_recurrence, header, dev);
    int32_t passes, groups[3];
    gpu_define_in(&key, "KEYS", n.group_keys);
    grid_of(op, gpu_of(dev), &n, &passes, groups);
    return gpu_plan_one(dev, &key, &form, groups, plan, why);
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_gated_recurrence, name), #name ": f64 is not supported" },
    OPERAND(q) OPERAND(k) OPERAND(v) OPERAND(g) OPERAND(gk) OPERAND(gain) OPERAND(D) OPERAND(z) OPERAND(S_in)
        OPERAND(n_in) OPERAND(S_out) OPERAND(n_out) OPERAND(y)
#undef OPERAND
            { 0, NULL }
};

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_gated_recurrence *op = (const void *)header;
    const struct sizes n = sizes_of(op, gpu_of(dev));
    if (op->write == SEGUE_GATED_RECURRENCE_DELTA) return "write: DELTA is not offered yet";
    if (op->write == SEGUE_GATED_RECURRENCE_DPLR) return "write: DPLR is not offered yet";
    if (op->erase != SEGUE_GATED_RECURRENCE_DECAYED) return "erase: UNDECAYED is not offered yet";
    if (op->read != SEGUE_GATED_RECURRENCE_INCLUSIVE) return "read: EXCLUSIVE is not offered yet";
    if (op->norm == SEGUE_GATED_RECURRENCE_MAX1) return "norm: MAX1 is not offered yet";
    if (has(&op->gv)) return "gv: decays of value columns are not offered yet";
    if (n.keys < 1 || n.keys > MOST_KEYS) return "k: its size is supported from 1 to 256";
    if (n.columns && n.heads > GPU_MOST_INDEX / (n.columns + MOST_KEYS)) return "v: h times v is at most 2^30";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_gated_recurrence *op = (const void *)header;
    const struct gpu_kernel *kernel = call->data;
    const segue_tensor *state = has(&op->S_out) ? &op->S_out : &op->S_in;
    const struct sizes n = sizes_of(op, kernel->gpu);
    const int64_t heads_y = has(&op->y) ? op->y.shape[2] : n.heads;
    struct gated_recurrence_args args = {
        .tokens = n.tokens,
        .pool = gpu_pool(&op->S_in, &op->S_out),
        .keys = (int32_t)n.keys,
        .columns = (int32_t)n.columns,
        .heads = (int32_t)n.heads,
        .readers = (int32_t)(n.heads ? heads_y / n.heads : 1),
        .modulo = op->head_map == SEGUE_GATED_RECURRENCE_MOD,
        .norm = (int32_t)op->norm,
        .gain_is_log = op->gain_domain == SEGUE_GATED_RECURRENCE_LOG,
        .rows_first = has(state) && llabs(state->stride[2]) < llabs(state->stride[3]),
        .scale = (float)op->scale,
        .eps = (float)op->eps,
    };
    struct gpu_arg list[OPERANDS + 1];
    int32_t groups[3];
    if (has(&op->q) && op->q.shape[2]) {
        args.heads_q = (int32_t)op->q.shape[2];
        args.readers_q = (int32_t)(heads_y / op->q.shape[2]);
    }
    if (has(&op->k) && op->k.shape[2]) {
        args.heads_k = (int32_t)op->k.shape[2];
        args.writers_k = (int32_t)(n.heads / op->k.shape[2]);
    }
    grid_of(op, kernel->gpu, &n, &args.passes, groups);
    gpu_bind(&form, header, call->device, &args, list);
    return gpu_launch_sequences(kernel, call, groups, list, OPERANDS + 1, n.sequences, &args.sequence);
}

const segue_row gated_recurrence_shared = {
    .name = "gated_recurrence_shared",
    .primitive = SEGUE_GATED_RECURRENCE,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_CHUNK_LOG, /* query . key first, then value */
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
