/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* attention_merge under the names of zhuzilin/ring-flash-attention, vllm-project/vllm, lucidrains/ring-attention-pytorch, and,
 * as chains of calls, HazyResearch/lolcats and lukemcdermotttt/LoLA (hybrids.c). */
#include "hybrids.h"

#include <math.h>
#include <stdlib.h>

/* A tensor that kernels write and no file holds: NaN before. */
segue_tensor hybrid_room(trial *t, int rank, const int64_t *shape)
{
    int64_t count = 1;
    for (int i = 0; i < rank; i++) count *= shape[i];
    double *const nothing = malloc((size_t)(count + 1) * sizeof *nothing);
    segue_tensor out = { 0 };
    if (!nothing) {
        trial_fail(t, "no memory");
        return out;
    }
    for (int64_t i = 0; i < count; i++) nothing[i] = NAN;
    out = trial_reals(t, nothing, rank, shape);
    free(nothing);
    return out;
}

segue_tensor hybrid_part(segue_tensor all, int64_t p)
{
    segue_tensor part = segue_tensor_slice(all, 0, p, 1);
    part.rank--;
    for (int i = 0; i < part.rank; i++) part.shape[i] = all.shape[i + 1], part.stride[i] = all.stride[i + 1];
    part.shape[part.rank] = part.stride[part.rank] = 0;
    return part;
}

/* ---- parts that the file holds -------------------------------------------------------------------- */

static void merge_given(trial *t)
{
    segue_attention_merge op = segue_attention_merge_init();
    const char *empty = trial_text(t, "empty_lse", "");
    op.o = trial_input(t, "o", "e b t h v");
    op.lse = trial_input(t, "lse", "e b t h");
    op.y = trial_output(t, "out.y", "b t h v");
    op.lse_out = trial_output(t, "out.lse", "b t h");
    op.plus_inf_empty = !strcmp(empty, "+inf or -inf");
    if (*empty && !op.plus_inf_empty) trial_fail(t, "params: `empty_lse` is %s", empty);
    trial_expect(t, "parts", op.lse.shape[0]);
    trial_call(t, &op.header);
    trial_judge(t, "out.y", "b t h v", op.y);
    trial_judge(t, "out.lse", "b t h", op.lse_out);
}

/* ---- parts that attention makes -------------------------------------------------------------------- */

/* tree_attn_decode names the logarithms of the parts that have keys only, which here come first. */
static void judge_parts(trial *t, const golden_tensor *splits, segue_tensor o, segue_tensor lse)
{
    const golden_tensor *const told = golden_find(t->file, "out.part_lse");
    int64_t with_keys = 0, parts = lse.shape[0];
    while (with_keys < parts && golden_value(splits, with_keys) < golden_value(splits, with_keys + 1))
        with_keys++;
    if (told && told->shape[0] < parts)
        lse = segue_tensor_slice(lse, 0, 0, told->shape[0] == with_keys ? with_keys : parts);
    trial_judge(t, "out.part_lse", "e b t h", lse);
    trial_judge(t, "out.part_o", "e b t h v", o);
}

static void merge_split(trial *t)
{
    golden_tensor *const splits = golden_find(t->file, "splits");
    const int64_t parts = splits->shape[0] - 1;
    segue_attention part = segue_attention_init();
    segue_attention_merge op = segue_attention_merge_init();
    const segue_tensor k = trial_input(t, "k", "b s h k"), v = trial_input(t, "v", "b s h v");
    part.q = trial_input(t, "q", "b t h k");
    part.scale = trial_real(t, "scale", 0), part.causal = 0;
    op.y = trial_output(t, "out.y", "b t h v");
    op.lse_out = trial_output(t, "out.lse", "b t h");
    const int64_t *n = op.y.shape, o_shape[] = { parts, n[0], n[1], n[2], n[3] };
    op.o = hybrid_room(t, 5, o_shape), op.lse = hybrid_room(t, 4, o_shape);
    trial_expect(t, "parts", parts);
    splits->bound = 1;
    for (int64_t p = 0; p < parts && t->status == TRIAL_PASSED; p++) {
        const int64_t first = (int64_t)golden_value(splits, p), end = (int64_t)golden_value(splits, p + 1);
        part.k = segue_tensor_slice(k, 1, first, end - first);
        part.v = segue_tensor_slice(v, 1, first, end - first);
        part.y = hybrid_part(op.o, p), part.lse = hybrid_part(op.lse, p);
        trial_call(t, &part.header);
    }
    trial_call(t, &op.header);
    judge_parts(t, splits, op.o, op.lse);
    trial_judge(t, "out.y", "b t h v", op.y);
    trial_judge(t, "out.lse", "b t h", op.lse_out);
}

static void run(trial *t)
{
    if (json_object_get(t->file->params, "composite")) hybrid_run(t);
    else if (golden_find(t->file, "splits")) merge_split(t);
    else merge_given(t);
}

const golden_case segue_golden_attention_merge = { "attention_merge", NULL, run };
