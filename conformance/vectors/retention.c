/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* retention under the names of microsoft/torchscale, syncdoth/RetNet and fla-org/flash-linear-attention. The
 * first two rotate q and k, scale k, and divide y by positive numbers that the norm takes away. Their states, and
 * the y of their recurrent form, are divided by sqrt(c_t), c_t = gamma c_t-1 + 1: that is undone. */
#include "trial.h"

#include <math.h>
#include <stdlib.h>

#define STATE "b h k v"

static const char *text_of(const golden_file *file, const char *param)
{
    const char *said = json_string_value(json_object_get(file->params, param));
    return said ? said : "";
}

static const char *refuse(const golden_file *file)
{
    return *text_of(file, "row_normaliser") && strcmp(text_of(file, "norm"), "rms") &&
                   strcmp(text_of(file, "form"), "recurrent")
               ? "`row_normaliser` without the norm that takes it away: retention has the plain form"
               : NULL;
}

/* gamma = 1 - 2^(-5-h) */
static double log_gamma_of(int64_t h)
{
    return log1p(-exp2(-5 - (double)h));
}

/* Pairs of neighbours turn by p theta^(-i / (K/2 - 1)), i counting the pairs; p is the token's position. */
static segue_tensor rotated(trial *t, const char *name, double scale)
{
    golden_tensor *const g = golden_find(t->file, name);
    const double theta = trial_real(t, "theta_base", 10000), offset = trial_real(t, "position_offset", 0);
    segue_tensor out = { 0 };
    double *const values = g ? calloc((size_t)golden_count(g) + 1, sizeof *values) : NULL;
    if (!values || strcmp(g->axes, "bthk") || g->shape[3] % 2) {
        trial_fail(t, "`%s` is no [b t h k] of an even width", name);
        free(values);
        return out;
    }
    const int64_t row = g->shape[2] * g->shape[3], last = g->shape[3] / 2 - 1;
    for (int64_t i = 0; i < golden_count(g); i++) {
        const int64_t pair = i % g->shape[3] / 2;
        const double position = offset + (double)(i / row % g->shape[1]);
        const double angle = position * pow(theta, last > 0 ? -(double)pair / (double)last : 0);
        const double own = golden_value(g, i), mate = golden_value(g, i ^ 1);
        values[i] = scale * (own * cos(angle) + (i % 2 ? mate : -mate) * sin(angle));
    }
    out = trial_reals(t, values, 4, g->shape);
    free(values);
    g->bound = 1;
    return out;
}

static void bind_gate(trial *t, segue_retention *op)
{
    const char *norm = trial_text(t, "norm", "none");
    op->z = trial_input(t, "gate", "b t h v");
    op->norm = strcmp(norm, "rms") ? SEGUE_RETENTION_NONE : SEGUE_RETENTION_RMS;
    op->eps = trial_real(t, "norm_eps", 0);
    if (strcmp(norm, "rms") && strcmp(norm, "none"))
        trial_fail(t, "params: `norm` is %s, wanted rms or none", norm);
}

static segue_retention bind(trial *t)
{
    segue_retention op = segue_retention_init();
    const char *rotary = trial_text(t, "rotary", "none"), *gamma = trial_text(t, "gamma", "?"),
               *where = trial_text(t, "scale_on", "q");
    const double scale = trial_real(t, "scale", 1), of_k = strcmp(where, "k") ? 1 : scale;
    op.v = trial_input(t, "v", "b t h v");
    if (!strcmp(rotary, "interleaved")) op.q = rotated(t, "q", 1), op.k = rotated(t, "k", of_k);
    else op.q = trial_input(t, "q", "b t h k"), op.k = trial_input(t, "k", "b t h k");
    op.y = trial_output(t, "out.y", "b t h v");
    op.S_out = trial_output(t, "out.final_state", STATE);
    op.scale = strcmp(where, "k") ? scale : 1;
    bind_gate(t, &op);
    if (strcmp(gamma, "1-2^(-5-h)")) trial_fail(t, "params: `gamma` is %s, wanted 1-2^(-5-h)", gamma);
    if (strcmp(where, "q") && strcmp(rotary, "interleaved"))
        trial_fail(t, "params: `scale_on` is %s with `rotary` %s, which nothing scales", where, rotary);
    /* How the authors' code went about it. */
    trial_text(t, "form", ""), trial_text(t, "row_normaliser", ""), trial_param(t, "chunk", 0);
    return op;
}

static void bind_decay(trial *t, segue_retention *op)
{
    const int64_t heads = op->v.shape[2];
    double *const g = calloc((size_t)heads + 1, sizeof *g);
    if (!g) trial_fail(t, "no memory");
    for (int64_t h = 0; g && h < heads; h++) g[h] = log_gamma_of(h);
    if (g) op->g = trial_reals(t, g, 1, &heads);
    free(g);
}

/* ---- sqrt(c) ------------------------------------------------------------------------------------ */

/* c after that many tokens, from what the file begins with. */
static double scale_after(const golden_file *file, int64_t h, int64_t tokens)
{
    const golden_tensor *const first = golden_find(file, "initial_scale");
    const double kept = exp((double)tokens * log_gamma_of(h));
    return (first ? kept * golden_value(first, h) : 0) + (1 - kept) * exp2(5 + (double)h);
}

/* Letters of the tensor's axes to the index of element i. */
static int64_t index_of(const golden_tensor *g, char letter, int64_t i)
{
    for (int axis = g->rank - 1; axis >= 0; i /= g->shape[axis--])
        if (g->axes[axis] == letter) return i % g->shape[axis];
    return 0;
}

/* An answer of the authors times sqrt(c), in place: the plain one. tokens: seen by all of it; -1: by t. */
static void undo(trial *t, const char *name, int64_t tokens)
{
    golden_tensor *const g = golden_find(t->file, name);
    if (!g) return;
    if (g->dtype != SEGUE_F64) trial_fail(t, "`%s` is no F64", name);
    for (int64_t i = 0; g->dtype == SEGUE_F64 && i < golden_count(g); i++) {
        const int64_t seen = tokens < 0 ? index_of(g, 't', i) + 1 : tokens;
        const double plain = golden_value(g, i) * sqrt(scale_after(t->file, index_of(g, 'h', i), seen));
        uint64_t bits;
        memcpy(&bits, &plain, sizeof bits);
        for (int byte = 0; byte < 8; byte++)
            ((unsigned char *)g->data)[i * 8 + byte] = (unsigned char)(bits >> 8 * byte);
    }
}

static void check_scale(trial *t, int64_t tokens)
{
    golden_tensor *const said = golden_find(t->file, "out.final_scale");
    for (int64_t h = 0; said && h < golden_count(said); h++) {
        const double c = scale_after(t->file, h, tokens), given_c = golden_value(said, h);
        if (!(fabs(c - given_c) <= t->file->rtol * c))
            trial_fail(t, "`out.final_scale[%d]` is %.17g, %d tokens give %.17g", (int)h, given_c, (int)tokens,
                       c);
    }
    if (said) said->bound = 1;
}

/* The state before the first token, plain. */
static segue_tensor initial_state(trial *t)
{
    golden_tensor *const g = golden_find(t->file, "initial_state"), *const c =
                                                                        golden_find(t->file, "initial_scale");
    double *const values = g ? calloc((size_t)golden_count(g) + 1, sizeof *values) : NULL;
    segue_tensor out = { 0 };
    if (!g) return out;
    if (!values || !c || strcmp(g->axes, "bhvk"))
        trial_fail(t, "`initial_state` is no [b h v k] with its scale");
    else {
        for (int64_t i = 0; i < golden_count(g); i++)
            values[i] = golden_value(g, i) * sqrt(golden_value(c, index_of(g, 'h', i)));
        const segue_tensor packed = out = trial_reals(t, values, 4, g->shape);
        out.shape[2] = packed.shape[3], out.shape[3] = packed.shape[2];
        out.stride[2] = packed.stride[3], out.stride[3] = packed.stride[2];
        g->bound = c->bound = 1;
    }
    free(values);
    return out;
}

static void run(trial *t)
{
    segue_retention op = bind(t);
    bind_decay(t, &op);
    op.S_in = initial_state(t);
    check_scale(t, op.v.shape[1]);
    if (golden_find(t->file, "out.final_scale")) undo(t, "out.final_state", op.v.shape[1]);
    if (*text_of(t->file, "row_normaliser") && op.norm == SEGUE_RETENTION_NONE) undo(t, "out.y", -1);
    trial_call(t, &op.header);
    trial_judge(t, "out.final_state", STATE, op.S_out);
    trial_judge(t, "out.y", "b t h v", op.y);
}

const golden_case segue_golden_retention = { "retention", refuse, run };
