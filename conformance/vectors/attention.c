/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* attention under the names of huggingface/transformers, pytorch/pytorch, Dao-AILab/flash-attention, ml-jku/hopfield-layers,
 * google-research/bigbird, allenai/longformer, microsoft/torchscale and kimiyoung/transformer-xl. */
#include "trial.h"

#include <math.h>
#include <stdlib.h>

#define Q "b t h k"
#define KEYS "b s|t j|h k"
#define VALUES "b s|t j|h v"
#define Y "b t|s h v"

static const char *refuse(const golden_file *file)
{
    return golden_find(file, "R") ? "`R` present: attention has no relative position bias" : NULL;
}

/* ---- what most files have ----------------------------------------------------------------------- */

/* Where the first query stands: at the end of the keys, or where the file says. */
static void bind_position(trial *t, segue_attention *op)
{
    const int64_t end = op->k.shape[1] - op->q.shape[1], first = trial_param(t, "q_offset", end);
    int32_t *const offset = calloc((size_t)op->q.shape[0] + 1, sizeof *offset);
    if (!offset) trial_fail(t, "no memory");
    for (int64_t b = 0; offset && b < op->q.shape[0]; b++) offset[b] = (int32_t)first;
    op->align = first == end ? SEGUE_ATTENTION_BOTTOM_RIGHT : SEGUE_ATTENTION_TOP_LEFT;
    if (offset && first != end && first) op->q_offset = trial_integers(t, offset, 1, &op->q.shape[0]);
    free(offset);
}

static void bind_window(trial *t, segue_attention *op)
{
    op->window_left = trial_param(t, "window_left", -1);
    op->window_right = trial_param(t, "window_right", -1);
    trial_expect(t, "sliding_window", op->window_left + 1); /* counts the query's own position */
    trial_expect(t, "attention_window", 2 * op->window_left);
    op->chunk = trial_param(t, "chunk", 0);
    op->chunks_before = trial_param(t, "chunks_before", 1);
    op->chunks_after = trial_param(t, "chunks_after", 0);
    op->wrap = trial_param(t, "wrap", 1);
    if (op->chunk >= op->k.shape[1]) op->chunk = 0; /* their code takes the dense path then */
}

/* T5's bias comes ready: a row of the table for each distance. The buckets' own parameters have done their work. */
static void check_table(trial *t)
{
    golden_tensor *const table = golden_find(t->file, "bias_table"), *const bucket =
                                                                         golden_find(t->file, "bucket");
    const golden_tensor *const bias = golden_find(t->file, "bias");
    if (!table || !bucket || !bias) return;
    const int64_t pairs = golden_count(bucket), heads = table->shape[1];
    if (golden_count(bias) != heads * pairs) trial_fail(t, "`bias` is no [h t s] of `bucket` [t s]");
    else
        for (int64_t i = 0; i < heads * pairs; i++) {
            const int64_t row = (int64_t)golden_value(bucket, i % pairs);
            if (row < 0 || row >= table->shape[0])
                trial_fail(t, "`bucket` names a row that `bias_table` lacks");
            else if (golden_value(bias, i) != golden_value(table, row * heads + i / pairs))
                trial_fail(t, "`bias` is not what `bias_table` has for `bucket`");
        }
    trial_expect(t, "n_buckets", table->shape[0]);
    trial_param(t, "max_distance", 0), trial_param(t, "bidirectional", 0);
    table->bound = bucket->bound = 1;
}

static void bind_scores(trial *t, segue_attention *op)
{
    op->causal = trial_param(t, "causal", 0);
    op->scale = trial_real(t, "scale", 0) * trial_real(t, "key_multiplier", 1);
    op->softcap = trial_real(t, "softcap", 0);
    op->slopes = trial_input(t, "slopes", "h");
    op->sink = trial_input(t, "sink", "h");
    op->bias = trial_input(t, "bias", "b h t s");
    if (given(&op->bias)) op->bias.shape[0] = op->q.shape[0];
    trial_expect(t, "alibi", given(&op->slopes));
    check_table(t);
}

/* ---- norm and rotary of hybrid layers ----------------------------------------------------------- */

/* x / rms(x) weight over the width of a head. */
static segue_tensor normalised(trial *t, const char *name, const char *weight, segue_tensor x)
{
    segue_gated_norm op = segue_gated_norm_init();
    op.weight = trial_input(t, weight, "h k");
    if (!given(&op.weight)) return x;
    op.weight.shape[0] = x.shape[2];
    op.x = x, op.y = trial_output(t, name, KEYS);
    op.eps = trial_real(t, "norm_eps", op.eps);
    trial_call(t, &op.header);
    return op.y;
}

/* A row of angles for each token, its halves equal: the first. */
static segue_tensor angles(trial *t, const char *name, int64_t batch)
{
    const golden_tensor *const g = golden_find(t->file, name);
    segue_tensor out = trial_input(t, name, "b t k");
    const int64_t width = given(&out) ? out.shape[2] : 0;
    for (int64_t i = 0; g && width > 1 && i < golden_count(g); i++)
        if (golden_value(g, i) != golden_value(g, i / width * width + i % (width / 2)))
            trial_fail(t, "`%s`: its halves differ", name);
    if (given(&out)) out.shape[0] = batch, out = segue_tensor_slice(out, 2, 0, width / 2);
    return out;
}

static segue_tensor rotated(trial *t, const char *name, segue_tensor x, segue_tensor cosine, segue_tensor sine)
{
    segue_rotary op = segue_rotary_init();
    if (!given(&cosine)) return x;
    op.x = x, op.y = trial_output(t, name, KEYS);
    op.cos = cosine, op.sin = sine, op.rotary_dim = x.shape[3];
    trial_call(t, &op.header);
    return op.y;
}

static segue_attention bind(trial *t)
{
    segue_attention op = segue_attention_init();
    op.q = trial_input(t, "q", Q);
    op.k = trial_input(t, "k", KEYS);
    op.v = trial_input(t, "v", VALUES);
    op.keep = trial_input(t, "keep", "b s|t");
    op.y = trial_output(t, "out.y", Y);
    op.lse = trial_output(t, "out.lse", "b t h");
    return op;
}

/* The answered queries are the last ones. */
static void run_plain(trial *t)
{
    segue_attention op = bind(t);
    op.q = normalised(t, "q", "q_norm", op.q), op.k = normalised(t, "k", "k_norm", op.k);
    const segue_tensor cosine = angles(t, "cos", op.q.shape[0]), sine = angles(t, "sin", op.q.shape[0]);
    trial_expect(t, "rotary", given(&cosine));
    op.q = rotated(t, "q", op.q, cosine, sine), op.k = rotated(t, "k", op.k, cosine, sine);
    op.q = segue_tensor_slice(op.q, 1, op.q.shape[1] - op.y.shape[1], op.y.shape[1]);
    bind_position(t, &op);
    bind_window(t, &op);
    bind_scores(t, &op);
    trial_call(t, &op.header);
    trial_judge(t, "out.y", Y, op.y);
    trial_judge(t, "out.lse", "b t h", op.lse);
}

/* ---- shared by what takes several calls --------------------------------------------------------- */

/* Integer `at` of a parameter that is a list. */
static int64_t listed(trial *t, const char *name, int64_t at, int64_t count)
{
    const json_t *const list = json_object_get(t->file->params, name);
    json_object_set_new(t->params_read, name, json_true());
    if (!json_is_array(list) || (int64_t)json_array_size(list) != count)
        trial_fail(t, "params: `%s` is no list of %d", name, (int)count);
    return (int64_t)json_integer_value(json_array_get(list, (size_t)at));
}

/* Room for what a call writes and the next reads. */
static segue_tensor scratch(trial *t, int rank, const int64_t *shape)
{
    segue_tensor out = segue_tensor_of(NULL, t->device->dtype, rank, shape);
    const uint64_t count = out.bytes / (out.dtype.bits / 8u);
    double *const values = malloc((count + 1) * sizeof *values);
    if (!values) trial_fail(t, "no memory");
    for (uint64_t i = 0; values && i < count; i++) values[i] = NAN;
    if (values) out = trial_reals(t, values, rank, shape);
    free(values);
    return out;
}

/* The one with that number along the first axis. */
static segue_tensor one_of(segue_tensor t, int64_t at)
{
    t = segue_tensor_slice(t, 0, at, 1);
    for (int axis = 0; axis + 1 < t.rank; axis++)
        t.shape[axis] = t.shape[axis + 1], t.stride[axis] = t.stride[axis + 1];
    t.rank--;
    t.shape[t.rank] = t.stride[t.rank] = 0;
    return t;
}

/* Parts [p b t h v] of the answer and their lse [p b t h], as op's y. */
static segue_attention_merge parts_of(trial *t, const segue_attention *op, int64_t count)
{
    segue_attention_merge merge = segue_attention_merge_init();
    const int64_t *const y = op->y.shape, shape[5] = { count, y[0], y[1], y[2], y[3] };
    merge.o = scratch(t, 5, shape), merge.lse = scratch(t, 4, shape);
    merge.y = op->y;
    return merge;
}

static void call_part(trial *t, const segue_attention_merge *merge, segue_attention op, int64_t part)
{
    op.y = one_of(merge->o, part), op.lse = one_of(merge->lse, part);
    trial_call(t, &op.header);
}

/* ---- Hopfield retrieval ------------------------------------------------------------------------- */

/* Rows of the unit matrix as values: then y is what the weights are. */
static segue_tensor unit_values(trial *t, int64_t batch, int64_t keys)
{
    const int64_t shape[4] = { 1, keys, 1, keys };
    double *const values = calloc((size_t)(keys * keys) + 1, sizeof *values);
    segue_tensor out = { 0 };
    if (!values) trial_fail(t, "no memory");
    for (int64_t i = 0; values && i < keys; i++) values[i * keys + i] = 1;
    if (values) out = trial_reals(t, values, 4, shape);
    free(values);
    out.shape[0] = batch, out.stride[0] = 0;
    return out;
}

/* Each head by itself: so many times its queries become what they find among the keys. */
static void run_hopfield(trial *t)
{
    segue_attention op = bind(t);
    const segue_tensor p = trial_output(t, "out.p", "b t h s"),
                       unit = unit_values(t, op.k.shape[0], op.k.shape[1]);
    const segue_tensor room[2] = { trial_output(t, "q", Q), trial_output(t, "q", Q) };
    op.causal = trial_param(t, "causal", 0), trial_expect(t, "q_offset", 0);
    op.scale = trial_real(t, "beta", 0);
    for (int64_t h = 0; h < op.q.shape[2]; h++) {
        const int64_t updates = listed(t, "q_updates", h, op.q.shape[2]);
        segue_attention one = op;
        one.q = segue_tensor_slice(op.q, 2, h, 1), one.k = segue_tensor_slice(op.k, 2, h, 1);
        for (int64_t n = 0; n < updates; n++) {
            one.v = one.k, one.y = segue_tensor_slice(room[n % 2], 2, h, 1);
            trial_call(t, &one.header);
            one.q = one.y;
        }
        one.v = segue_tensor_slice(op.v, 2, h, 1), one.y = segue_tensor_slice(op.y, 2, h, 1);
        trial_call(t, &one.header);
        one.v = unit, one.y = segue_tensor_slice(p, 2, h, 1);
        trial_call(t, &one.header);
    }
    /* How their code came to the number of updates. */
    json_object_set_new(t->params_read, "update_steps", json_true()), trial_real(t, "eps", 0);
    trial_judge(t, "out.y", Y, op.y);
    trial_judge(t, "out.p", "b t h s", p);
}

/* ---- BigBird's lists of key blocks -------------------------------------------------------------- */

/* Axis 1 of one batch row, cut into blocks that take the place of batch rows. */
static segue_tensor cut(segue_tensor x, int64_t b, int64_t block)
{
    if (!given(&x)) return x;
    x = segue_tensor_slice(x, 0, b, 1);
    x.shape[0] = x.shape[1] / block, x.stride[0] = x.stride[1] * block;
    x.shape[1] = block;
    return x;
}

static segue_tensor repeated(segue_tensor x, int64_t b, int64_t count)
{
    if (!given(&x)) return x;
    x = segue_tensor_slice(x, 0, b, 1);
    x.shape[0] = count, x.stride[0] = 0;
    return x;
}

/* block_list [h c e]: the e key blocks of query block c, -1 = none; as keys [c h e block]. */
static segue_tensor listed_keys(trial *t, int64_t block)
{
    golden_tensor *const list = golden_find(t->file, "block_list");
    const int64_t heads = list->shape[0], blocks = list->shape[1], entries = list->shape[2];
    const int64_t shape[3] = { blocks, heads, entries * block };
    int32_t *const item = calloc((size_t)(blocks * heads * entries * block) + 1, sizeof *item);
    segue_tensor out = { 0 };
    if (!item) trial_fail(t, "no memory");
    for (int64_t i = 0; item && i < blocks * heads * entries * block; i++) {
        const int64_t e = i / block % entries, h = i / block / entries % heads, c = i / block / entries / heads;
        const int64_t of = (int64_t)golden_value(list, (h * blocks + c) * entries + e);
        item[i] = (int32_t)(of < 0 ? -1 : of * block + i % block);
    }
    if (item) out = trial_integers(t, item, 3, shape);
    free(item);
    list->bound = 1;
    trial_expect(t, "random_blocks", entries - 5); /* the others: first, last, three neighbours */
    if (strcmp(trial_text(t, "list_semantics", ""), "multiset"))
        trial_fail(t, "params: `list_semantics` is no multiset");
    return out;
}

static void run_blocks(trial *t)
{
    const segue_attention op = bind(t);
    const int64_t block = trial_param(t, "block", 1);
    segue_attention one = op;
    one.k_index = listed_keys(t, block);
    one.causal = 0, one.scale = trial_real(t, "scale", 0);
    if (block * one.k_index.shape[0] != op.q.shape[1])
        trial_fail(t, "`block_list` has another number of blocks than `q`");
    for (int64_t b = 0; b < op.q.shape[0]; b++) {
        const int64_t blocks = one.k_index.shape[0];
        one.q = cut(op.q, b, block), one.y = cut(op.y, b, block), one.keep_q = cut(op.keep, b, block);
        one.k = repeated(op.k, b, blocks), one.v = repeated(op.v, b, blocks),
        one.keep = repeated(op.keep, b, blocks);
        trial_call(t, &one.header);
    }
    trial_judge(t, "out.y", Y, op.y);
}

/* ---- Longformer --------------------------------------------------------------------------------- */

/* Which keys are kept and global, or kept and not. */
static segue_tensor kept_where(trial *t, int global)
{
    const golden_tensor *const keep = golden_find(t->file, "keep"), *const is = golden_find(t->file, "global");
    const int64_t count = golden_count(keep);
    int32_t *const kept = calloc((size_t)count + 1, sizeof *kept);
    segue_tensor out = { 0 };
    if (!kept) trial_fail(t, "no memory");
    for (int64_t i = 0; kept && i < count; i++)
        kept[i] = golden_value(keep, i) != 0 && (golden_value(is, i) != 0) == global;
    if (kept) out = trial_integers(t, kept, 2, keep->shape);
    free(kept);
    return out;
}

/* The global rows of each batch row and head [b h t], -1 behind the last. */
static segue_tensor global_rows(trial *t, int64_t heads)
{
    golden_tensor *const is = golden_find(t->file, "global");
    const int64_t rows = is->shape[1], shape[3] = { is->shape[0], heads, rows };
    int32_t *const row = malloc((size_t)(is->shape[0] * heads * rows + 1) * sizeof *row);
    segue_tensor out = { 0 };
    if (!row) trial_fail(t, "no memory");
    for (int64_t line = 0; row && line < is->shape[0] * heads; line++) {
        int64_t used = 0;
        for (int64_t i = 0; i < rows; i++) row[line * rows + i] = -1;
        for (int64_t i = 0; i < rows; i++)
            if (golden_value(is, line / heads * rows + i) != 0) row[line * rows + used++] = (int32_t)i;
    }
    if (row) out = trial_integers(t, row, 3, shape);
    free(row);
    is->bound = 1;
    return out;
}

/* A window and the global keys, once each: two parts. Global queries overwrite their rows with an attention of their own. */
static void run_global(trial *t)
{
    segue_attention op = bind(t);
    const segue_attention_merge merge = parts_of(t, &op, 2);
    trial_expect(t, "dilation", 1);
    op.keep_q = op.keep;
    op.causal = 0, op.scale = trial_real(t, "scale", 0);
    segue_attention part = op;
    part.keep = kept_where(t, 1);
    call_part(t, &merge, part, 0);
    part.keep = kept_where(t, 0);
    bind_window(t, &part);
    call_part(t, &merge, part, 1);
    trial_call(t, &merge.header);
    op.q = trial_input(t, "q_g", Q), op.k = trial_input(t, "k_g", KEYS), op.v = trial_input(t, "v_g", VALUES);
    op.q_index = op.o_index = global_rows(t, op.q.shape[2]);
    trial_call(t, &op.header);
    trial_judge(t, "out.y", Y, op.y);
}

/* ---- LongNet ------------------------------------------------------------------------------------ */

/* Branch l of `branches`: which of the t items each head keeps, -1 = not this one; to segment: the segment of each. */
static segue_tensor kept_items(trial *t, const segue_attention *op, int64_t l, int64_t branches,
                               segue_tensor *segment)
{
    const golden_tensor *const offset = golden_find(t->file, "head_offset");
    const int64_t length = listed(t, "segments", l, branches), ratio = listed(t, "ratios", l, branches);
    const int64_t heads = op->q.shape[2], items = op->q.shape[1], shape[3] = { 1, heads, items };
    int32_t *const item = malloc((size_t)(2 * heads * items + 1) * sizeof *item);
    segue_tensor out = { 0 };
    if (!item || length < 1 || ratio < 1)
        trial_fail(t, "no memory, or params: `segments` and `ratios` below 1");
    for (int64_t i = 0; item && t->status == TRIAL_PASSED && i < heads * items; i++) {
        const int64_t at = i % items, own = (int64_t)golden_value(offset, l * heads + i / items);
        item[i] = (int32_t)(at % length % ratio == own ? at : -1);
        item[heads * items + i] = (int32_t)(at / length);
    }
    if (item) {
        out = trial_integers(t, item, 3, shape), *segment = trial_integers(t, item + heads * items, 3, shape);
        out.shape[0] = segment->shape[0] = op->q.shape[0];
        out.stride[0] = segment->stride[0] = 0;
    }
    free(item);
    return out;
}

/* A branch sees the kept items of a segment; branches are merged. */
static void run_branches(trial *t)
{
    segue_attention op = bind(t);
    golden_tensor *const offset = golden_find(t->file, "head_offset");
    const int64_t branches = offset ? offset->shape[0] : 0;
    const segue_attention_merge merge = parts_of(t, &op, branches);
    op.causal = trial_param(t, "causal", 0), op.scale = trial_real(t, "scale", 0);
    for (int64_t l = 0; l < branches; l++) {
        op.q_index = op.k_index = kept_items(t, &op, l, branches, &op.label);
        call_part(t, &merge, op, l);
    }
    trial_call(t, &merge.header);
    if (offset) offset->bound = 1;
    trial_judge(t, "out.y", Y, op.y);
}

static void run(trial *t)
{
    static const struct {
        const char *tensor;
        void (*run)(trial *t);
    } forms[] = { { "out.p", run_hopfield },
                  { "block_list", run_blocks },
                  { "global", run_global },
                  { "head_offset", run_branches } };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (golden_find(t->file, forms[i].tensor)) {
            forms[i].run(t);
            return;
        }
    run_plain(t);
}

const golden_case segue_golden_attention = { "attention", refuse, run };
