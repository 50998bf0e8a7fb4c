/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Short rows in one launch. Long ones in parts of fixed length, so that what a row gives does not depend on how many there are;
 * a second launch joins them (after one more for negative entropy). top_p and top_k look at whole rows. */
#include "row_sample.args.h"
#include "launcher.h"

#include <math.h>

enum {
    TENSORS = 22,
    BUFFERS = TENSORS + 1, /* the workspace behind them */
    PART = 8192            /* ids of a part: 16 kB of bf16 keep a group busy for longer than its start takes */
};

GPU_SOURCE(row_sample);

static const struct gpu_form tensors = { TENSORS, sizeof(struct row_sample_args) };
static const struct gpu_form buffers = { BUFFERS, sizeof(struct row_sample_args) };

static int filters(const segue_row_sample *op)
{
    return op->top_p.dtype.bits || op->top_k.dtype.bits;
}

static int64_t parts_of(const segue_row_sample *op)
{
    const int64_t v = op->logits.shape[2];
    return filters(op) || v <= PART ? 1 : (v + PART - 1) / PART;
}

static int64_t positions_of(const segue_row_sample *op)
{
    return op->tok.shape[0] * op->tok.shape[1];
}

/* Two neighbours in one word: 16 bits each, in every row from an even place on. */
static int pairs_up(const segue_tensor *t)
{
    if (!t->dtype.bits) return 1;
    return t->dtype.bits == 16 && t->stride[2] == 1 && t->stride[0] % 2 == 0 && t->stride[1] % 2 == 0 &&
           t->offset % 4 == 0 && (uintptr_t)t->data % 4 == 0;
}

/* Sums of v numbers of at most this stay below 2^63. */
static float scale_of(int64_t v)
{
    int bits = 0;
    while (v >> bits) bits++;
    return ldexpf(1, 62 - bits);
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_row_sample *op = (const void *)header;
    const struct gpu *gpu = gpu_of(dev);
    struct gpu_key key = gpu_key_of(&gpu_source_row_sample, header, dev);
    const int32_t groups[3] = { gpu_groups(gpu, 0, parts_of(op), 1), gpu_groups(gpu, 1, positions_of(op), 1),
                                1 };
    key.state = 0;
    gpu_define_in(&key, "NOISE", filters(op) || op->noise != SEGUE_ROW_SAMPLE_NONE);
    gpu_define_in(&key, "FILTER", filters(op));
    const segue_status s = gpu_plan_one(dev, &key, &buffers, groups, plan, why);
    if (!s && parts_of(op) > 1)
        plan->workspace_bytes = (uint64_t)(positions_of(op) * parts_of(op)) * SAMPLE_WORDS * sizeof(uint32_t);
    return s;
}

static struct row_sample_args args_of(const segue_row_sample *op, const segue_kit_call *call)
{
    const int64_t v = op->logits.shape[2], parts = parts_of(op);
    return (struct row_sample_args){
        .positions = positions_of(op),
        .tokens = op->tok.shape[1],
        .partials = (i64)(call->workspace.offset / sizeof(uint32_t)),
        .rows = (i32)op->logits.shape[1],
        .ids = (i32)v,
        .bans = op->banned.dtype.bits ? (i32)op->banned.shape[0] : 0,
        .parts = (i32)parts,
        .part = (i32)(parts > 1 ? PART : v),
        .whole_words = pairs_up(&op->logits) && pairs_up(&op->logits_u),
        .mask_id = (i32)op->mask_id,
        .noise = (i32)op->noise,
        .confidence = op->conf.dtype.bits ? (i32)op->confidence : 0,
        .exclude = op->nucleus == SEGUE_ROW_SAMPLE_EXCLUDE_CROSSING,
        .exact_k = op->topk_ties == SEGUE_ROW_SAMPLE_EXACT_K,
        .absorb = op->transition == SEGUE_ROW_SAMPLE_ABSORB,
        .scale = scale_of(v),
    };
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_row_sample, name), #name ": f64 is not supported" },
        OPERAND(logits) OPERAND(logits_u) OPERAND(temperature) OPERAND(top_p) OPERAND(guidance) OPERAND(draws)
            OPERAND(move) OPERAND(stay) OPERAND(conf) OPERAND(lse) OPERAND(logp)
#undef OPERAND
                { 0, NULL }
    };
    const segue_row_sample *op = (const void *)header;
    (void)dev;
    if (op->logits.shape[1] > GPU_MOST_INDEX) return "logits: n is at most 2^30";
    if (op->logits.shape[2] > GPU_MOST_INDEX) return "logits: v is at most 2^30";
    if (op->banned.dtype.bits && op->banned.shape[0] > GPU_MOST_INDEX) return "banned: z is at most 2^30";
    if (!gpu_fits_workspace((double)op->tok.shape[0] * (double)op->tok.shape[1] * (double)parts_of(op) *
                            SAMPLE_WORDS * sizeof(uint32_t)))
        return "tok: b times n is too much for a workspace";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_row_sample *op = (const void *)header;
    const struct gpu_kernel *kernel = call->data;
    struct row_sample_args args = args_of(op, call);
    const int whole = args.parts == 1;
    const int entropy = op->conf.dtype.bits && op->confidence == SEGUE_ROW_SAMPLE_NEGENT;
    const struct {
        int32_t stage, wanted, parts;
    } launches[] = {
        { SAMPLE_WHOLE, whole, 1 },
        { SAMPLE_PART, !whole, args.parts },
        { SAMPLE_ENTROPY, !whole && entropy, args.parts },
        { SAMPLE_JOIN, !whole, 1 },
    };
    struct gpu_arg list[BUFFERS + 1];
    segue_status s = SEGUE_OK;
    gpu_bind_narrow(&tensors, header, call->device, &args, list);
    list[BUFFERS] = list[TENSORS];
    list[TENSORS] = (struct gpu_arg){ .memory = whole ? NULL : &call->workspace, .writes = 1 };
    for (size_t i = 0; !s && i < sizeof launches / sizeof *launches; i++) {
        int32_t groups[3] = { launches[i].parts, 1, 1 };
        args.stage = launches[i].stage;
        if (launches[i].wanted)
            s = gpu_launch_sequences(kernel, call, groups, list, BUFFERS + 1, args.positions, &args.position);
    }
    return s;
}

const segue_row row_sample_shared = {
    .name = "row_sample_shared",
    .primitive = SEGUE_ROW_SAMPLE,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
