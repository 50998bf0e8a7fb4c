/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* linear_attention under the names of idiap/fast-transformers, fla-org/flash-linear-attention,
 * HazyResearch/based, OpenNLPLab/cosFormer, lucidrains/performer-pytorch and google-research's Performer in JAX. */
#include "trial.h"

#include <math.h>

#define STATE "b h f|k v"
#define SUMS "b h f|k"

struct word {
    const char *name;
    int64_t value;
};

static const struct word maps[] = {
    { "identity", SEGUE_LINEAR_ATTENTION_IDENTITY },
    { "elu1", SEGUE_LINEAR_ATTENTION_ELU1 },
    { "relu_eps", SEGUE_LINEAR_ATTENTION_RELU },
    { "favor_plus", SEGUE_LINEAR_ATTENTION_FAVOR_PLUS },
    { "taylor2", SEGUE_LINEAR_ATTENTION_TAYLOR2 },
    { "cosrew", SEGUE_LINEAR_ATTENTION_COSREW },
    { 0 },
};

static const struct word norms[] = {
    { "UNNORMALISED", SEGUE_LINEAR_ATTENTION_UNNORMALISED },
    { "ADD_EPS", SEGUE_LINEAR_ATTENTION_ADD_EPS },
    { "CLAMP_EPS", SEGUE_LINEAR_ATTENTION_CLAMP_EPS },
    { "ADD_EPS_PER_FEATURE", SEGUE_LINEAR_ATTENTION_ADD_EPS_PER_FEATURE },
    { "GUARD", SEGUE_LINEAR_ATTENTION_GUARD },
    { "NONE", SEGUE_LINEAR_ATTENTION_PLAIN },
    { 0 },
};

static const struct word shifts[] = {
    { "GLOBAL_MAX", SEGUE_LINEAR_ATTENTION_GLOBAL },
    { 0 },
};

/* The value of the file's word; fallback where it has none. */
static int64_t word(trial *t, const char *param, const struct word *list, const char *fallback)
{
    const char *said = trial_text(t, param, fallback);
    while (list->name && strcmp(list->name, said)) list++;
    if (!list->name) trial_fail(t, "params: `%s` is %s, which the primitive has no word for", param, said);
    return list->value;
}

static void bind_map(trial *t, segue_linear_attention *op)
{
    const double root = pow((double)op->q.shape[3], -0.25);
    const char *act = trial_text(t, "act", "relu");
    op->map = word(t, "feature_map", maps, "?");
    op->map_eps = trial_real(t, "map_eps", 0);
    op->key_shift = word(t, "key_shift", shifts, "GLOBAL_MAX");
    op->length = trial_param(t, "M", 0);
    op->W = trial_input(t, "W", "h f k");
    if (given(&op->W)) op->W.shape[0] = op->q.shape[2]; /* one for all heads */
    /* Based's map divides by the root of the width itself. */
    if (trial_param(t, "normalize", 0) || op->map == SEGUE_LINEAR_ATTENTION_TAYLOR2) op->map_scale = root;
    if (strcmp(act, "relu")) trial_fail(t, "params: `act` is %s, wanted relu", act);
}

static segue_linear_attention bind(trial *t)
{
    segue_linear_attention op = segue_linear_attention_init();
    op.q = trial_input(t, "q", "b t h k");
    op.k = trial_input(t, "k", "b s|t h k");
    op.v = trial_input(t, "v", "b s|t h v");
    op.keep = trial_input(t, "keep", "b s");
    op.S_in = trial_input(t, "initial_state", STATE);
    op.n_in = trial_input(t, "initial_z", SUMS);
    op.S_out = trial_output(t, "out.final_state", STATE);
    op.n_out = trial_output(t, "out.final_z", SUMS);
    op.y = trial_output(t, "out.y", "b t h v");
    op.causal = trial_param(t, "causal", 1);
    op.norm = word(t, "den_mode", norms, "?");
    op.eps = trial_real(t, "eps", 0);
    op.scale = trial_real(t, "scale", 1);
    bind_map(t, &op);
    return op;
}

static void run(trial *t)
{
    const segue_linear_attention op = bind(t);
    trial_call(t, &op.header);
    trial_judge(t, "out.final_state", STATE, op.S_out);
    trial_judge(t, "out.final_z", SUMS, op.n_out);
    trial_judge(t, "out.y", "b t h v", op.y);
}

const golden_case segue_golden_linear_attention = { "linear_attention", NULL, run };
