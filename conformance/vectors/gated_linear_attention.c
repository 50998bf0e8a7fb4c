/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* gated_linear_attention under the names of fla-org/flash-linear-attention (GLA, simple GLA, HGRN2) and
 * transformers (MiniMax). */
#include "trial.h"

#include <math.h>
#include <stdlib.h>

#define STATE "b h k v"

static const char *refuse(const golden_file *file)
{
    const char *composite = json_string_value(json_object_get(file->params, "composite"));
    return composite && !strcmp(composite, "gsa")
               ? "`composite` is gsa: gv: decays of value columns are not offered yet"
               : NULL;
}

/* MiniMax: one decay a head. The file repeats what its parameters give. */
static void static_decay(trial *t, segue_gated_linear_attention *op)
{
    golden_tensor *const said = golden_find(t->file, "out.g");
    const double layer = trial_real(t, "layer", 0), layers = trial_real(t, "layers", 0);
    const int64_t heads = op->v.shape[2], shape[] = { 1, 1, heads };
    double *const g = calloc((size_t)heads + 1, sizeof *g);
    if (!g || !said || golden_count(said) != heads) trial_fail(t, "`out.g`: wanted one decay a head");
    else {
        for (int64_t h = 0; h < heads; h++) {
            g[h] = -exp2(-8 * (double)(h + 1) / (double)heads) * (1 - layer / (layers - 1 + 1e-5) + 1e-5);
            if (!(fabs(g[h] - golden_value(said, h)) <= t->file->rtol))
                trial_fail(t, "`out.g[%d]` is %.17g, its parameters give %.17g", (int)h, golden_value(said, h),
                           g[h]);
        }
        said->bound = 1;
        op->g = trial_reals(t, g, 3, shape);
        for (int axis = 0; axis < 2; axis++) op->g.shape[axis] = op->v.shape[axis], op->g.stride[axis] = 0;
    }
    free(g);
}

/* HGRN2: q = silu(q); the decay and the key come from the raw forget gate and a lower bound. */
static void from_layer(trial *t, segue_gated_linear_attention *op)
{
    golden_tensor *const q = golden_find(t->file, "q");
    segue_gate_prep prep = segue_gate_prep_init();
    prep.x = trial_input(t, "f", "b t h k");
    prep.lower_bound = trial_input(t, "lower_bound", "h k");
    prep.g = op->gk = trial_output(t, "f", "b t h k");
    prep.key = op->k = trial_output(t, "f", "b t h k");
    prep.gate = SEGUE_GATE_PREP_HGRN2;
    trial_call(t, &prep.header);
    double *const silu = q ? calloc((size_t)golden_count(q) + 1, sizeof *silu) : NULL;
    if (!silu || strcmp(q->axes, "bthk")) trial_fail(t, "`q` is no [b t h k]");
    else {
        for (int64_t i = 0; i < golden_count(q); i++)
            silu[i] = golden_value(q, i) / (1 + exp(-golden_value(q, i)));
        op->q = trial_reals(t, silu, 4, q->shape);
        q->bound = 1;
    }
    free(silu);
}

static segue_gated_linear_attention bind(trial *t)
{
    segue_gated_linear_attention op = segue_gated_linear_attention_init();
    const char *decay = trial_text(t, "decay", "none"), *read = trial_text(t, "read", "inclusive"),
               *composite = trial_text(t, "composite", "none");
    op.v = trial_input(t, "v", "b t h v");
    if (!strcmp(composite, "hgrn2")) from_layer(t, &op);
    else {
        op.q = trial_input(t, "q", "b t h k");
        op.k = trial_input(t, "k", "b t h k");
        op.gk = trial_input(t, "gk", "b t h k");
        op.g = trial_input(t, "g", "b t h");
    }
    if (!strcmp(decay, "static_per_head")) static_decay(t, &op);
    op.y = trial_output(t, "out.y", "b t h v");
    op.S_in = trial_input(t, "initial_state", STATE);
    op.S_out = trial_output(t, "out.final_state", STATE);
    op.scale = trial_real(t, "scale", 1);
    if (strcmp(decay, given(&op.gk) ? "per_key" : "per_head") && strcmp(decay, "static_per_head"))
        trial_fail(t, "params: `decay` is %s, which the tensors are not", decay);
    if (strcmp(read, "inclusive")) trial_fail(t, "params: `read` is %s, wanted inclusive", read);
    /* How the authors' code went about it. */
    trial_param(t, "chunk", 0), trial_param(t, "block", 0);
    return op;
}

static void run(trial *t)
{
    const segue_gated_linear_attention op = bind(t);
    trial_call(t, &op.header);
    trial_judge(t, "out.final_state", STATE, op.S_out);
    trial_judge(t, "out.y", "b t h v", op.y);
}

const golden_case segue_golden_gated_linear_attention = { "gated_linear_attention", refuse, run };
