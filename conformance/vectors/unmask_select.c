/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* unmask_select under the names of ML-GSAI/LLaDA, NVlabs/Fast-dLLM, HKUNLP/Dream, google-research/maskgit and kuleshov-group/bd3lms. */
#include "trial.h"

#include <stdlib.h>

static const char *rule_of(const golden_file *file)
{
    const char *const rule = json_string_value(json_object_get(file->params, "rule"));
    return rule ? rule : "";
}

static const char *refuse(const golden_file *file)
{
    return strcmp(rule_of(file), "FORWARD_NOISE")
               ? NULL
               : "`rule` FORWARD_NOISE: corrupts training data, decodes nothing";
}

/* Bytes of the file as integers; made of them, `on` where a byte is set. */
static int32_t *flags(trial *t, const char *name, int32_t on, int32_t off)
{
    golden_tensor *const g = golden_find(t->file, name);
    const int64_t count = g ? golden_count(g) : 0;
    int32_t *const out = malloc((size_t)(count + 1) * sizeof *out);
    if (!g || g->bytes != (uint64_t)count || !out)
        trial_fail(t, "`%s`: wanted bytes, and memory for them", name);
    for (int64_t i = 0; t->status == TRIAL_PASSED && i < count; i++) out[i] = g->data[i] ? on : off;
    if (g) g->bound = 1;
    return out;
}

/* Whether the flags say where `other` differs from `x`; without it, where `x` holds the mask. */
static void check_flags(trial *t, const char *name, const char *other, int64_t mask)
{
    const golden_tensor *const g = golden_find(t->file, name), *const x = golden_find(t->file, "x");
    const golden_tensor *const y = golden_find(t->file, other);
    int32_t *const is = g ? flags(t, name, 1, 0) : NULL;
    for (int64_t i = 0; is && t->status == TRIAL_PASSED && i < golden_count(g); i++) {
        const int64_t token = (int64_t)golden_value(x, i);
        if (is[i] != (y ? token != (int64_t)golden_value(y, i) : token == mask))
            trial_fail(t, "`%s`: element %d is not what the tokens say", name, (int)i);
    }
    free(is);
}

static segue_tensor each(trial *t, int64_t count, double value)
{
    const int64_t one = 1;
    segue_tensor out = trial_reals(t, &value, 1, &one);
    out.shape[0] = count, out.stride[0] = 0;
    return out;
}

/* ---- LLaDA's split of a block over its steps ---------------------------------------------------- */

/* Step after step in place; n_changed of all of them is their table. */
static void run_schedule(trial *t)
{
    const golden_tensor *const index = golden_find(t->file, "mask_index");
    const int64_t steps = trial_param(t, "steps", 1), shape[2] = { index->shape[0], index->shape[1] };
    int32_t *const x = flags(t, "mask_index", 9, 1), *const tok =
                                                         calloc((size_t)(shape[0] * shape[1]) + 1, sizeof *tok);
    double *const conf = calloc((size_t)(shape[0] * shape[1]) + 1, sizeof *conf);
    segue_unmask_select op = segue_unmask_select_init();
    if (!tok || !conf) trial_fail(t, "no memory");
    if (t->status == TRIAL_PASSED) {
        op.x = op.x_out = trial_integers(t, x, 2, shape);
        op.tok = trial_integers(t, tok, 2, shape);
        op.conf = trial_reals(t, conf, 2, shape);
    }
    free(x), free(tok), free(conf);
    const segue_tensor k = trial_output(t, "out.k", "b s");
    op.mask_id = 9, op.rule = SEGUE_UNMASK_SELECT_TOPK;
    for (int32_t s = 0; s < steps && t->status == TRIAL_PASSED; s++) {
        const int64_t one = 1;
        const int32_t left = (int32_t)steps - s;
        op.steps_left = trial_integers(t, &left, 1, &one);
        op.steps_left.shape[0] = shape[0], op.steps_left.stride[0] = 0;
        op.n_changed = segue_tensor_slice(k, 1, s, 1);
        op.n_changed.rank = 1, op.n_changed.shape[1] = op.n_changed.stride[1] = 0;
        trial_call(t, &op.header);
    }
    trial_judge(t, "out.k", "b s", k);
}

/* ---- MaskGIT ------------------------------------------------------------------------------------ */

/* Their answer is which positions stay masked; ours the tokens: 9 where they do, 1 where they do not. */
static void run_maskgit(trial *t)
{
    golden_tensor *const masking = golden_find(t->file, "out.masking");
    const int64_t shape[2] = { masking->shape[0], masking->shape[1] }, count = golden_count(masking);
    int32_t *const x = flags(t, "known", 1, 9), *const want = flags(t, "out.masking", 9, 1);
    int32_t *const tok = malloc((size_t)(count + 1) * sizeof *tok);
    segue_unmask_select op = segue_unmask_select_init();
    for (int64_t i = 0; tok && i < count; i++) tok[i] = 1;
    op.conf = trial_input(t, "probs", "b t");
    op.draws = trial_input(t, "gumbel", "b t");
    op.k = trial_input(t, "m", "b e");
    op.k.rank = 1, op.k.shape[1] = op.k.stride[1] = 0;
    if (!tok) trial_fail(t, "no memory");
    if (t->status == TRIAL_PASSED) {
        op.x = op.x_out = trial_integers(t, x, 2, shape);
        op.tok = trial_integers(t, tok, 2, shape);
        op.temp = each(t, shape[0], trial_real(t, "temp", 0));
        masking->dtype = SEGUE_I32, masking->data = (unsigned char *)want,
        masking->bytes = (uint64_t)count * sizeof *want;
    }
    op.mask_id = 9, op.rule = SEGUE_UNMASK_SELECT_MASKGIT, op.noise = SEGUE_UNMASK_SELECT_GUMBEL;
    trial_call(t, &op.header);
    trial_judge(t, "out.masking", "b t", op.x_out);
    free(x), free(want), free(tok);
}

/* ---- the others --------------------------------------------------------------------------------- */

struct rule {
    const char *name;
    int64_t rule;
};

static const struct rule rules[] = {
    { "TOPK", SEGUE_UNMASK_SELECT_TOPK },
    { "THRESHOLD", SEGUE_UNMASK_SELECT_THRESHOLD },
    { "BERNOULLI", SEGUE_UNMASK_SELECT_BERNOULLI },
    { "BUDGET_THRESHOLD", SEGUE_UNMASK_SELECT_BUDGET },
    { "GUMBEL_TOPK", SEGUE_UNMASK_SELECT_GUMBEL_TOPK },
    { "FIRST_HIT", SEGUE_UNMASK_SELECT_FIRST_HIT },
};

static void bind_draws(trial *t, segue_unmask_select *op)
{
    golden_tensor *const index = golden_find(t->file, "index");
    op->noise = golden_find(t->file, "expo") ? SEGUE_UNMASK_SELECT_EXPONENTIAL : SEGUE_UNMASK_SELECT_UNIFORM;
    op->draws = trial_input(t, "u expo", "b t");
    if (!given(&op->draws)) op->noise = SEGUE_UNMASK_SELECT_PHILOX; /* none is made */
    else op->draws.shape[1] = op->x.shape[1];
    if (index) index->bound = 1; /* what u stands for */
}

static void run(trial *t)
{
    const char *const name = trial_text(t, "rule", "");
    const struct rule *r = rules;
    segue_unmask_select op = segue_unmask_select_init();
    if (!strcmp(name, "K_SCHEDULE")) run_schedule(t);
    if (!strcmp(name, "MASKGIT")) run_maskgit(t);
    if (!strcmp(name, "K_SCHEDULE") || !strcmp(name, "MASKGIT")) return;
    while (r < rules + sizeof rules / sizeof *rules - 1 && strcmp(r->name, name)) r++;
    if (strcmp(r->name, name)) trial_fail(t, "params: `rule` is %s", name);
    op.rule = r->rule;
    op.x = trial_input(t, "x", "b t"), op.tok = trial_input(t, "tok", "b t");
    op.conf = trial_input(t, "conf", "b t");
    op.k = trial_input(t, "k", "b"), op.p = trial_input(t, "p", "b");
    op.mask_id = trial_param(t, "mask_id", -1);
    op.k_min = trial_param(t, "k_min", 1);
    const double tau = trial_real(t, "tau", -1), temp = trial_real(t, "temp", -1);
    if (tau >= 0) op.tau = each(t, op.x.shape[0], tau);
    if (temp >= 0) op.temp = each(t, op.x.shape[0], temp);
    bind_draws(t, &op);
    op.x_out = trial_output(t, "out.x", "b t");
    check_flags(t, "eligible", "", op.mask_id);
    trial_call(t, &op.header);
    check_flags(t, "out.transfer", "out.x", op.mask_id);
    trial_judge(t, "out.x", "b t", op.x_out);
}

const golden_case segue_golden_unmask_select = { "unmask_select", refuse, run };
