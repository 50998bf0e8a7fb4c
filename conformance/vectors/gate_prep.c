/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* gate_prep under the names of state-spaces/mamba, transformers, fla-org/flash-linear-attention, BlinkDL/RWKV-LM. Their
 * channels or heads are our axis h, or [h k]. */
#include "trial.h"

#define GATE "b t h|d k"

static const struct {
    const char *name;
    int64_t gate;
} gates[] = {
    { "mamba1", SEGUE_GATE_PREP_DELTA },      { "mamba2", SEGUE_GATE_PREP_DELTA },
    { "gdn", SEGUE_GATE_PREP_DELTA },         { "kda", SEGUE_GATE_PREP_DELTA },
    { "qwen3next", SEGUE_GATE_PREP_DELTA },   { "gla", SEGUE_GATE_PREP_LOG_SIGMOID },
    { "hgrn2", SEGUE_GATE_PREP_HGRN2 },       { "kda_lower", SEGUE_GATE_PREP_BOUNDED },
    { "rwkv7", SEGUE_GATE_PREP_RWKV7 },       { "rwkv_raw", SEGUE_GATE_PREP_RWKV },
    { "soft_cap", SEGUE_GATE_PREP_SOFT_CAP },
};

static void run(trial *t)
{
    segue_gate_prep op = segue_gate_prep_init();
    const char *name = trial_text(t, "gate", "");
    size_t at = 0;
    while (at < sizeof gates / sizeof *gates && strcmp(gates[at].name, name)) at++;
    if (at == sizeof gates / sizeof *gates) {
        trial_fail(t, "params: `gate` is %s", name);
        return;
    }
    op.gate = gates[at].gate;
    op.x = trial_input(t, "x", GATE);
    op.bias = trial_input(t, "bias", "h|d k");
    op.A_log = trial_input(t, "A_log", "h");
    op.lower_bound = trial_input(t, "lower_bound", "h k");
    op.delta = trial_output(t, "out.delta", GATE);
    op.g = trial_output(t, "out.g", GATE);
    op.key = trial_output(t, "out.k", GATE);
    op.dt_min = trial_real(t, "clamp_lo", op.dt_min);
    op.dt_max = trial_real(t, "clamp_hi", op.dt_max);
    op.divisor = trial_real(t, "divisor", op.divisor);
    op.lower = trial_real(t, "lower", op.lower);
    op.cap = trial_real(t, "cap", op.cap);
    trial_expect(t, "softplus_threshold", 20);
    trial_call(t, &op.header);
    trial_judge(t, "out.delta", GATE, op.delta);
    trial_judge(t, "out.g", GATE, op.g);
    trial_judge(t, "out.k", GATE, op.key);
}

const golden_case segue_golden_gate_prep = { "gate_prep", NULL, run };
