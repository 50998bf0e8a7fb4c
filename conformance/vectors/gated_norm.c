/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* gated_norm under the names of state-spaces/mamba and transformers. Their channels are flat: groups of
 * group_size of them are our axis h. */
#include "trial.h"

/* Channels [... h d] in groups: [... h d/group group], where h is 1. */
static segue_tensor grouped(trial *t, segue_tensor x, int64_t group)
{
    const int h = x.rank - 2, d = x.rank - 1;
    if (!given(&x) || x.shape[d] == group) return x;
    if (x.shape[h] != 1 || group < 1 || x.shape[d] % group) {
        trial_fail(t, "params: groups of %lld channels in [h %lld, d %lld]", (long long)group,
                   (long long)x.shape[h], (long long)x.shape[d]);
        return x;
    }
    x.shape[h] = x.shape[d] / group;
    x.stride[h] = group * x.stride[d];
    x.shape[d] = group;
    return x;
}

/* A weight without heads is the same for all of them. */
static segue_tensor affine(trial *t, const char *name, int64_t group, int64_t heads)
{
    segue_tensor w = grouped(t, trial_input(t, name, "h d"), group);
    if (given(&w) && w.shape[0] == 1) w.shape[0] = heads, w.stride[0] = 0;
    return w;
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

static void run(trial *t)
{
    static const char *const kinds[] = {
        [SEGUE_GATED_NORM_RMS] = "rms", [SEGUE_GATED_NORM_LAYER] = "layer", NULL
    };
    static const char *const gates[] = {
        [SEGUE_GATED_NORM_SILU] = "silu", [SEGUE_GATED_NORM_SIGMOID] = "sigmoid", "none", NULL
    };
    segue_gated_norm op = segue_gated_norm_init();
    const segue_tensor x = trial_input(t, "x", "b t h d"), y = trial_output(t, "out.y", "b t h d");
    const int64_t group = trial_param(t, "group_size", x.shape[3]);
    op.x = grouped(t, x, group);
    op.z = grouped(t, trial_input(t, "z", "b t h d"), group);
    op.weight = affine(t, "weight", group, op.x.shape[2]);
    op.bias = affine(t, "bias", group, op.x.shape[2]);
    op.y = grouped(t, y, group);
    op.kind = one_of(t, "kind", kinds);
    op.gate = one_of(t, "gate", gates);
    if (given(&op.z) != (op.gate < 2)) trial_fail(t, "params: `gate` does not say whether there is a z");
    op.gate %= 2;
    op.norm_before_gate = trial_param(t, "norm_before_gate", 0);
    op.eps = trial_real(t, "eps", op.eps);
    trial_call(t, &op.header);
    trial_judge(t, "out.y", "b t h d", y);
}

const golden_case segue_golden_gated_norm = { "gated_norm", NULL, run };
