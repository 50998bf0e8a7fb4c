/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* lsh_attention under the names of google/trax, huggingface/transformers and lucidrains/reformer-pytorch. Buckets are given, padding's
 * among them. lucidrains counts a batch row and a head as one: our batch. */
#include "trial.h"

#include <stdlib.h>

static int64_t number(const golden_file *file, const char *param)
{
    return json_integer_value(json_object_get(file->params, param));
}

static int folds_heads(const golden_file *file)
{
    const golden_tensor *x = golden_find(file, "x");
    return x && x->axes[0] == 'b' && x->axes[1] == 't';
}

static const char *refuse(const golden_file *file)
{
    if (number(file, "dedup")) return "`dedup`: a key of several rounds counts once in all of them";
    if (number(file, "steps"))
        return "`steps`: each round is cut into chunks by itself, its tokens no multiple of chunk";
    if (folds_heads(file) && golden_find(file, "keep"))
        return "`keep`: masked tokens see nothing but themselves";
    if (folds_heads(file) && number(file, "same_bucket"))
        return "`same_bucket`: hides a token from itself where it lies in another round's bucket";
    return NULL;
}

/* Without hashing: one chunk of all tokens, in their order. */
static void bind_order(trial *t, segue_lsh_attention *op)
{
    const int64_t shape[] = { op->x.shape[0], op->x.shape[2], 1, op->x.shape[1] };
    const int hashed = trial_param(t, "hashing", 1) != 0;
    op->chunk = trial_param(t, "chunk", 0);
    op->chunks_before = trial_param(t, "chunks_before", 0);
    op->chunks_after = trial_param(t, "chunks_after", 0);
    op->bucket_stride = trial_param(t, "bucket_stride", 1);
    if (hashed) {
        op->bucket_in = trial_input(t, "bucket", "b h r t");
        trial_expect(t, "rounds", op->bucket_in.shape[2]);
        return;
    }
    trial_param(t, "rounds", 0); /* not done */
    if (t->status != TRIAL_PASSED) return;
    int32_t *const all = calloc((size_t)(shape[0] * shape[1] * shape[3]), sizeof *all);
    if (!all) {
        trial_fail(t, "out of memory");
        return;
    }
    op->bucket_in = trial_integers(t, all, 4, shape);
    op->chunk = op->x.shape[1], op->chunks_before = 0;
    free(all);
}

static void run(trial *t)
{
    segue_lsh_attention op = segue_lsh_attention_init();
    op.x = trial_input(t, "x", "b t h k");
    op.v = trial_input(t, "v", "b t h v");
    op.keep = trial_input(t, "keep", "b t");
    bind_order(t, &op);
    op.y = trial_output(t, "out.y", "b t h v");
    op.lse = trial_output(t, "out.lse", "b t h");
    op.round_y = trial_output(t, "out.round_y", "b r t h v");
    op.round_lse = trial_output(t, "out.round_lse", "b r t h");
    op.causal = trial_param(t, "causal", 0);
    op.same_bucket = trial_param(t, "same_bucket", 0);
    op.scale = trial_real(t, "score_scale", 0);
    op.key_eps = trial_real(t, "key_norm_eps", 0);
    op.self_value = trial_real(t, "self_value", 0);
    trial_param(t, "pad_bucket", 0); /* among the buckets given */
    trial_param(t, "dedup", 0);
    json_object_set_new(t->params_read, "n_buckets",
                        json_true()); /* likewise; a list where there are two factors */
    trial_call(t, &op.header);
    trial_judge(t, "out.y", "b t h v", op.y);
    trial_judge(t, "out.lse", "b t h", op.lse);
    trial_judge(t, "out.round_y", "b r t h v", op.round_y);
    trial_judge(t, "out.round_lse", "b r t h", op.round_lse);
}

const golden_case segue_golden_lsh_attention = { "lsh_attention", refuse, run };
