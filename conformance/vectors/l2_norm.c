/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* l2_norm under the names of transformers (qwen3_next). */
#include "trial.h"

static void run(trial *t)
{
    segue_l2_norm op = segue_l2_norm_init();
    op.x = trial_input(t, "x", "b t h k");
    op.y = trial_output(t, "out.y", "b t h k");
    op.eps = trial_real(t, "eps", op.eps);
    trial_call(t, &op.header);
    trial_judge(t, "out.y", "b t h k", op.y);
}

const golden_case segue_golden_l2_norm = { "l2_norm", NULL, run };
