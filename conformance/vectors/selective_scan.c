/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* selective_scan under the names of state-spaces/mamba and transformers. The headed step counts channels as (h,
 * e). */
#include "trial.h"

#define FINAL "out.last_state out.final_state out.final_states out.state_pool"
#define INITIAL "initial_state initial_states state_pool"
#define STATE "b|r d|he n"

static const char *refuse(const golden_file *file)
{
    return golden_find(file, "A.im") ? "`A.im` present: complex A" : NULL;
}

/* B or C without batch and time is constant: the same for all tokens. */
static void repeat(segue_tensor *x, const segue_tensor *u)
{
    for (int axis = 0; axis < 2; axis++)
        if (given(x) && x->stride[axis] == 0) x->shape[axis] = u->shape[axis];
}

static segue_selective_scan bind(trial *t)
{
    segue_selective_scan op = segue_selective_scan_init();
    op.u = trial_input(t, "u", "b t d|he");
    op.delta = trial_input(t, "delta", "b t d|he");
    op.A = trial_input(t, "A", "d|he n");
    op.B = trial_input(t, "B", "b t g|d|he n");
    op.C = trial_input(t, "C", "b t g|d|he n");
    op.D = trial_input(t, "D", "d|he");
    op.z = trial_input(t, "z", "b t d|he");
    op.delta_bias = trial_input(t, "delta_bias", "d|he");
    op.cu_seqlens = trial_input(t, "cu_seqlens", "e|s");
    op.slot = trial_input(t, "state_indices", "b .");
    if (given(&op.slot)) op.slot.shape[1] = 2; /* one index, to read and to write */
    op.y = trial_output(t, "out.y", "b t d|he");
    op.softplus = trial_param(t, "delta_softplus", 0);
    repeat(&op.B, &op.u);
    repeat(&op.C, &op.u);
    return op;
}

/* Tokens first .. first+count-1 of every operand that has a time axis. */
static segue_selective_scan tokens(segue_selective_scan op, int64_t first, int64_t count)
{
    segue_tensor *const along[] = { &op.u, &op.delta, &op.B, &op.C, &op.z, &op.y };
    for (size_t i = 0; i < sizeof along / sizeof *along; i++)
        if (given(along[i])) *along[i] = segue_tensor_slice(*along[i], 1, first, count);
    return op;
}

static void run(trial *t)
{
    int64_t lengths[TRIAL_MAX_CALLS], first = 0;
    const segue_selective_scan op = bind(t);
    const segue_tensor initial = trial_input(t, INITIAL, STATE);
    const segue_tensor state =
        given(&op.slot) ? initial : trial_output(t, FINAL " " INITIAL " out.prefill_state", STATE);
    const int calls = trial_calls(t, op.u.shape[1], lengths);
    if (trial_param(t, "return_last_state", 0) && !golden_find(t->file, FINAL))
        trial_fail(t, "params: `return_last_state` without an output of that kind");
    for (int c = 0; c < calls; first += lengths[c++]) {
        segue_selective_scan call = tokens(op, first, lengths[c]);
        call.h_in = c ? state : initial;
        call.h_out = state;
        trial_call(t, &call.header);
        if (c == 0) trial_judge(t, "out.prefill_state out.prefill_states", STATE, state);
    }
    trial_judge(t, FINAL, STATE, state);
    trial_judge(t, "out.y", "b t d|he", op.y);
}

const golden_case segue_golden_selective_scan = { "selective_scan", refuse, run };
