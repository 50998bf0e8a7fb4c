/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* ode_cell under the names of mlech26l/ncps, raminmh/CfC and raminmh/liquid_time_constant_networks. A wired CfC is
 * a call a layer, each over all steps: a layer reads the new states of the one before. */
#include "trial.h"

#include <stdio.h>

static const char *text_of(const golden_file *file, const char *name)
{
    const char *text = json_string_value(json_object_get(file->params, name));
    return text ? text : "";
}

static const char *refuse(const golden_file *file)
{
    static const struct {
        const char *param, *value, *why;
    } others[] = {
        { "mode", "CTGRU",
          "`mode` CTGRU: traces over several time scales, a composition of products and softmax" },
        { "mode", "CTRNN", "`mode` CTRNN: explicit Euler steps of tanh(W x + b), a composition" },
        { "mode", "NODE", "`mode` NODE: Runge-Kutta steps of tanh(W [x h] + b), a composition" },
        { "mode", "ODE_RNN", "`mode` ODE_RNN: an ODE solver before a GRU, a composition" },
        { "solver", "EULER", "`solver` EULER: LTC takes semi-implicit steps only" },
        { "solver", "RK4", "`solver` RK4: LTC takes semi-implicit steps only" },
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(text_of(file, others[i].param), others[i].value)) return others[i].why;
    if (json_is_true(json_object_get(file->params, "mixed_memory")))
        return "`mixed_memory` is true: an LSTM rewrites the state before each step, a composition";
    if (json_is_true(json_object_get(file->params, "observation_mask")))
        return "`observation_mask` is true: inputs filled forward and outputs held, a composition";
    return NULL;
}

/* The number of the text among names, which a NULL ends. */
static int64_t one_of(trial *t, const char *param, const char *const *names)
{
    const char *text = trial_text(t, param, names[0]);
    for (int64_t i = 0; names[i]; i++)
        if (!strcmp(text, names[i])) return i;
    trial_fail(t, "params: `%s` is %s", param, text);
    return 0;
}

/* A number for all steps is one element that no axis walks over. */
static segue_tensor elapsed(trial *t, const segue_tensor *x)
{
    const int64_t single[2] = { 1, 1 };
    if (!json_object_get(t->file->params, "elapsed")) return trial_input(t, "elapsed", "b t");
    const double value = trial_real(t, "elapsed", 1);
    segue_tensor all = trial_reals(t, &value, 2, single);
    for (int axis = 0; axis < 2; axis++) all.shape[axis] = x->shape[axis], all.stride[axis] = 0;
    return all;
}

/* ---- LTC ---------------------------------------------------------------------------------------- */

static void bind_maps(trial *t, segue_ode_cell *op)
{
    static const char *const maps[] = { "None", "linear", "affine", NULL };
    op->input_w = trial_input(t, "input_w", "d"), op->input_b = trial_input(t, "input_b", "d");
    op->output_w = trial_input(t, "output_w", "f"), op->output_b = trial_input(t, "output_b", "f");
    if (one_of(t, "input_mapping", maps) != given(&op->input_w) + given(&op->input_b) ||
        one_of(t, "output_mapping", maps) != given(&op->output_w) + given(&op->output_b))
        trial_fail(t, "params: `input_mapping` or `output_mapping` does not say which maps there are");
    trial_expect(t, "motor", op->y.shape[2]);
}

static void ltc(trial *t)
{
    static const char *const kappas[] = { "CM_OVER_DT", "CM_OVER_DT_PLUS1", "CM_DIRECT", NULL };
    static const char *const solvers[] = { "SEMI_IMPLICIT", NULL }, *const steps[] = { "none", NULL };
    segue_ode_cell op = segue_ode_cell_init();
    op.x = trial_input(t, "x", "b t d"), op.elapsed = elapsed(t, &op.x);
    op.h_in = trial_input(t, "v0", "b n"), op.h_out = trial_output(t, "out.final_state", "b n");
    op.y = trial_output(t, "out.y out.v", "b t f|n"), op.h = trial_output(t, "out.v", "b t n");
    op.gleak = trial_input(t, "gleak", "n"), op.vleak = trial_input(t, "vleak", "n");
    op.cm = trial_input(t, "cm", "n");
    op.sigma = trial_input(t, "sigma", "e n"), op.mu = trial_input(t, "mu", "e n");
    op.w = trial_input(t, "w", "e n"), op.E = trial_input(t, "E", "e n"), op.A = trial_input(t, "A", "e n");
    op.sensory_sigma = trial_input(t, "sensory_sigma", "d n");
    op.sensory_mu = trial_input(t, "sensory_mu", "d n");
    op.sensory_w = trial_input(t, "sensory_w", "d n"), op.sensory_E = trial_input(t, "sensory_E", "d n");
    op.sensory_A = trial_input(t, "A_sensory", "d n");
    bind_maps(t, &op);
    op.cell = SEGUE_ODE_CELL_LTC;
    op.unfolds = trial_param(t, "ode_unfolds", op.unfolds), op.eps = trial_real(t, "epsilon", op.eps);
    op.kappa = one_of(t, "kappa_mode", kappas);
    if (trial_param(t, "implicit_param_constraints", 0)) op.constraint = SEGUE_ODE_CELL_SOFTPLUS;
    if (trial_param(t, "clip_parameters", 0)) op.constraint = SEGUE_ODE_CELL_CLIP;
    one_of(t, "solver", solvers), one_of(t, "step", steps);
    trial_call(t, &op.header);
    trial_judge(t, "out.final_state", "b n", op.h_out);
    trial_judge(t, "out.v", "b t n", op.h);
    trial_judge(t, "out.y", "b t f", op.y);
}

/* ---- CfC ---------------------------------------------------------------------------------------- */

#define NEURONS "n|g|k|w"
#define COLUMNS "e|f|j|v|r"

/* The tensor of that name in a layer: "layer1_" and the like, or "". */
static segue_tensor part(trial *t, const char *layer, const char *name, const char *axes)
{
    char full[64];
    snprintf(full, sizeof full, "%s%s", layer, name);
    return trial_input(t, full, axes);
}

/* Heads and their mask. */
static void bind_heads(trial *t, segue_ode_cell *op, const char *layer)
{
    const struct {
        const char *w, *b;
        segue_tensor *to_w, *to_b;
    } heads[] = {
        { "ff1_w", "ff1_b", &op->ff1_w, &op->ff1_b },
        { "ff2_w", "ff2_b", &op->ff2_w, &op->ff2_b },
        { "time_a_w", "time_a_b", &op->time_a_w, &op->time_a_b },
        { "time_b_w", "time_b_b", &op->time_b_w, &op->time_b_b },
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        *heads[i].to_w = part(t, layer, heads[i].w, NEURONS " " COLUMNS);
        *heads[i].to_b = part(t, layer, heads[i].b, NEURONS);
    }
    op->mask = part(t, layer, *layer ? "mask" : "sparsity_mask", NEURONS " " COLUMNS);
}

/* Both axes of a square layer have the same letter: which is which the columns' parameter says. */
static segue_tensor square(trial *t, const char *name, int by_rows)
{
    segue_tensor w = trial_input(t, name, "ee");
    if (!given(&w)) return w;
    const int64_t units = golden_find(t->file, name)->shape[0];
    w.rank = 3;
    w.shape[0] = 1, w.shape[1] = w.shape[2] = units;
    w.stride[0] = units * units, w.stride[1] = by_rows ? 1 : units, w.stride[2] = by_rows ? units : 1;
    return w;
}

static void bind_backbone(trial *t, segue_ode_cell *op, int by_rows)
{
    static const char *const activations[] = { "lecun_tanh", "tanh", "relu", "gelu", "silu", NULL };
    op->activation = one_of(t, "backbone_activation", activations);
    op->backbone_w = trial_input(t, "backbone0_w", "e f"), op->backbone_b = trial_input(t, "backbone0_b", "e");
    op->deep_w = square(t, "backbone1_w", by_rows), op->deep_b = trial_input(t, "backbone1_b", ". e");
    trial_expect(t, "backbone_layers", given(&op->backbone_w) + given(&op->deep_w));
    trial_expect(t, "backbone_units", given(&op->backbone_w) ? op->backbone_w.shape[0] : 0);
}

/* Whether weights are [in, out], rows of x before rows of h. The letters say so, too, but for square ones. */
static int is_by_rows(trial *t)
{
    const char *const columns = trial_text(t, "w_cols", ""), *const rows = trial_text(t, "w_rows", "");
    const int wired = (int)trial_param(t, "wired", 0);
    if (strcmp(*rows ? rows : columns, wired ? "layer input then layer state" : "x then h"))
        trial_fail(t, "params: `w_cols` and `w_rows` are \"%s\" and \"%s\"", columns, rows);
    return *rows != 0;
}

static segue_ode_cell cfc_of(trial *t)
{
    static const char *const modes[] = { "default", "no_gate", "pure", NULL };
    static const char *const acts[] = { "none", "tanh", "identity", "lecun_tanh", NULL };
    segue_ode_cell op = segue_ode_cell_init();
    op.cell = SEGUE_ODE_CELL_CFC + one_of(t, "cfc_mode", modes);
    op.time_sign = trial_param(t, "time_sign", 0), op.head_act = one_of(t, "head_act", acts);
    if (op.cell == SEGUE_ODE_CELL_CFC_PURE)
        op.time_sign = op.head_act = 0; /* it has no gate; files say it all the same */
    op.x = trial_input(t, "x", "b t d"), op.elapsed = elapsed(t, &op.x);
    return op;
}

static void cfc(trial *t)
{
    segue_ode_cell op = cfc_of(t);
    bind_backbone(t, &op, is_by_rows(t));
    bind_heads(t, &op, "");
    op.w_tau = trial_input(t, "w_tau", "n"), op.pure_A = trial_input(t, "A", "n");
    op.h_in = trial_input(t, "h0", "b n"), op.h_out = trial_output(t, "out.final_state", "b n");
    op.y = trial_output(t, "out.y", "b t n");
    trial_call(t, &op.header);
    trial_judge(t, "out.final_state", "b n", op.h_out);
    trial_judge(t, "out.y", "b t n", op.y);
}

/* Neurons of a layer; the parameter repeats what the tensors say. */
static int64_t layer_size(trial *t, int layer, const segue_ode_cell *op)
{
    const json_t *const sizes = json_object_get(t->file->params, "layer_sizes");
    const int64_t n = op->ff1_b.shape[0];
    json_object_set_new(t->params_read, "layer_sizes", json_true());
    if (n != json_integer_value(json_array_get(sizes, (size_t)layer)))
        trial_fail(t, "params: `layer_sizes` says otherwise than `layer%d_ff1_b`, which has %lld", layer,
                   (long long)n);
    return n;
}

static void wired(trial *t)
{
    segue_ode_cell op = cfc_of(t);
    const segue_tensor h_in = trial_input(t, "h0", "b n"), h_out = trial_output(t, "out.final_state", "b n");
    const segue_tensor h = trial_output(t, "out.h", "b t n"), x = op.x;
    int64_t first = 0;
    is_by_rows(t);
    trial_expect(t, "backbone_layers", 0);
    for (int layer = 0; layer < 3 && t->status == TRIAL_PASSED; layer++) {
        char name[16];
        snprintf(name, sizeof name, "layer%d_", layer);
        bind_heads(t, &op, name);
        const int64_t n = layer_size(t, layer, &op);
        op.x = layer ? op.y : x;
        op.h_in = segue_tensor_slice(h_in, 1, first, n), op.h_out = segue_tensor_slice(h_out, 1, first, n);
        op.y = segue_tensor_slice(h, 2, first, n);
        trial_call(t, &op.header);
        first += n;
    }
    trial_judge(t, "out.final_state", "b n", h_out);
    trial_judge(t, "out.h", "b t n", h);
    trial_judge(t, "out.y", "b t w", op.y);
}

static void run(trial *t)
{
    const char *const mode = trial_text(t, "mode", "");
    if (!strcmp(mode, "LTC")) ltc(t);
    else if (strcmp(mode, "CFC")) trial_fail(t, "params: `mode` is %s, wanted LTC or CFC", mode);
    else if (trial_param(t, "wired", 0)) wired(t);
    else cfc(t);
}

const golden_case segue_golden_ode_cell = { "ode_cell", refuse, run };
