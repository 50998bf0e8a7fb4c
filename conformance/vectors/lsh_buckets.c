/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* lsh_buckets under the names of google/trax, huggingface/transformers and lucidrains/reformer-pytorch. Columns of both factors
 * lie in one R, items have one axis, and lucidrains counts a batch row and a head as one: our heads. */
#include "trial.h"

static const char *refuse(const golden_file *file)
{
    return json_integer_value(json_object_get(file->params, "top_n_of_one_rotation"))
               ? "`top_n_of_one_rotation`: rounds are ranks of one rotation's scores, and have no rotations of their own"
               : NULL;
}

/* How many buckets each factor has: a number, or a list of two. Returns how many factors there are. */
static int factors(trial *t, int64_t count[2])
{
    const json_t *given = json_object_get(t->file->params, "n_buckets");
    if (!json_is_array(given)) {
        count[0] = trial_param(t, "n_buckets", 0);
        return 1;
    }
    json_object_set_new(t->params_read, "n_buckets", json_true());
    if (json_array_size(given) != 2)
        trial_fail(t, "params: `n_buckets` has another number of factors than one or two");
    for (size_t i = 0; i < 2; i++) count[i] = json_integer_value(json_array_get(given, i));
    return 2;
}

static void bind_rotations(trial *t, segue_lsh_buckets *op, segue_tensor R)
{
    int64_t count[2] = { 0, 0 };
    const int number = factors(t, count);
    if (R.shape[0] == 1 && op->x.shape[2] > 1)
        R.shape[0] = op->x.shape[2], R.stride[0] = 0; /* shared by heads */
    if (R.shape[3] != (count[0] + count[1]) / 2)
        trial_fail(t, "params: `n_buckets` is not twice the columns of R");
    if (t->status != TRIAL_PASSED) return;
    op->R = segue_tensor_slice(R, 3, 0, count[0] / 2);
    if (number == 2) op->R_2 = segue_tensor_slice(R, 3, count[0] / 2, count[1] / 2);
}

/* [b h items] as [b h r t]. */
static segue_tensor by_rounds(segue_tensor items, int64_t rounds)
{
    const int64_t tokens = rounds ? items.shape[2] / rounds : 0, step = items.stride[2];
    items.rank = 4;
    items.shape[2] = rounds, items.stride[2] = tokens * step;
    items.shape[3] = tokens, items.stride[3] = step;
    return items;
}

static void run(trial *t)
{
    static const char *const unused[] = { "chunk", "chunks_before", "chunks_after", "causal",
                                          "top_n_of_one_rotation" };
    const golden_tensor *rotations = golden_find(t->file, "R");
    const int folded = rotations && rotations->axes[0] == 'b';
    const char *const items = folded ? ". b e" : "b h e", *const each = folded ? ". b r t" : "b h r t";
    segue_lsh_buckets op = segue_lsh_buckets_init();
    op.x = trial_input(t, "x", folded ? ". t b k" : "b t h k");
    bind_rotations(t, &op, trial_input(t, "R", folded ? "b k r e" : "h k r e"));
    op.keep = trial_input(t, "keep", "b t");
    op.bucket = trial_output(t, "out.bucket", each);
    const segue_tensor perm = trial_output(t, "out.perm", items),
                       inverse = trial_output(t, "out.inverse", items);
    op.perm = by_rounds(perm, op.R.shape[2]);
    op.inverse = by_rounds(inverse, op.R.shape[2]);
    op.pad_bucket = trial_param(t, "pad_bucket", 0);
    op.bucket_stride = trial_param(t, "bucket_stride", 0);
    trial_expect(t, "rounds", op.R.shape[2]);
    for (size_t i = 0; i < sizeof unused / sizeof *unused; i++)
        trial_param(t, unused[i], 0); /* of the attention */
    trial_call(t, &op.header);
    trial_judge(t, "out.bucket", each, op.bucket);
    trial_judge(t, "out.perm", items, perm);
    trial_judge(t, "out.inverse", items, inverse);
}

const golden_case segue_golden_lsh_buckets = { "lsh_buckets", refuse, run };
