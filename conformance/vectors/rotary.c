/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* rotary under the names of huggingface/transformers, lucidrains/rotary-embedding-torch and microsoft/torchscale. */
#include "trial.h"

#define X "b t h d"

static int64_t word(trial *t, const char *name, const char *fallback, const char *yes, int64_t value)
{
    const char *said = trial_text(t, name, fallback);
    if (!strcmp(said, yes)) return value;
    if (strcmp(said, fallback)) trial_fail(t, "params: `%s` is %s, wanted %s or %s", name, said, fallback, yes);
    return 0;
}

/* The scale's exponent runs from -ceil(L / 2) over the L = T + offset positions, of which x has the last T. */
static void bind_xpos(trial *t, segue_rotary *op)
{
    const int64_t length = op->x.shape[1] + trial_param(t, "offset", 0);
    op->xpos_base = trial_real(t, "scale_base", 0);
    op->xpos_shift = op->xpos_base > 0 ? -(length + 1) / 2 : 0;
    op->xpos_inverse = trial_param(t, "downscale", 0);
}

static void run(trial *t)
{
    segue_rotary op = segue_rotary_init();
    op.x = trial_input(t, "x", X);
    op.pos = trial_input(t, "pos", "b t");
    op.y = trial_output(t, "out.y", X);
    op.base = trial_real(t, "base", op.base);
    op.rotary_dim = trial_param(t, "rotary_dim", 0);
    op.pairing = word(t, "pairing", "half", "interleaved", SEGUE_ROTARY_INTERLEAVED);
    op.frequencies = word(t, "frequencies", "", "base^(-linspace(0,1,d/2))", SEGUE_ROTARY_RETNET);
    bind_xpos(t, &op);
    trial_call(t, &op.header);
    trial_judge(t, "out.y", X, op.y);
}

const golden_case segue_golden_rotary = { "rotary", NULL, run };
