/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* ssd under the names of state-spaces/mamba (Mamba-2) and transformers. */
#include "trial.h"

#include <math.h>

#define FINAL "out.final_states out.varlen_states out.state_pool"
#define INITIAL "initial_states state_pool"
#define STATE "b|r h v n"

static const char *refuse(const golden_file *file)
{
    return golden_find(file, "seq_idx") && !golden_find(file, "cu_seqlens")
               ? "`seq_idx` present without `cu_seqlens`: tags that reset the state inside a batch row"
               : NULL;
}

static segue_ssd bind(trial *t)
{
    segue_ssd op = segue_ssd_init();
    op.x = trial_input(t, "x", "b t h v");
    op.dt = trial_input(t, "dt", "b t h");
    op.A = trial_input(t, "A", "h");
    op.B = trial_input(t, "B", "b t g n");
    op.C = trial_input(t, "C", "b t g n");
    op.D = trial_input(t, "D", "h v");
    if (given(&op.D) && op.D.stride[1] == 0) op.D.shape[1] = op.x.shape[3]; /* one a head */
    op.z = trial_input(t, "z", "b t h v");
    op.dt_bias = trial_input(t, "dt_bias", "h");
    op.cu_seqlens = trial_input(t, "cu_seqlens", "e");
    op.slot = trial_input(t, "state_indices", "b .");
    if (given(&op.slot)) op.slot.shape[1] = 2; /* one index, to read and to write */
    op.y = trial_output(t, "out.y", "b t h v");
    op.softplus = trial_param(t, "dt_softplus", 0);
    op.dt_min = trial_real(t, "dt_limit_lo", op.dt_min);
    op.dt_max = fmin(trial_real(t, "dt_limit_hi", op.dt_max), op.dt_max);
    trial_param(t, "chunk_size", 0); /* how the authors' code went about it */
    return op;
}

/* The authors tag tokens beside cu_seqlens; the tags must say the same. */
static void check_tags(trial *t)
{
    golden_tensor *const tags = golden_find(t->file, "seq_idx"), *const ends =
                                                                     golden_find(t->file, "cu_seqlens");
    if (!tags || !ends) return;
    int64_t s = 0;
    for (int64_t i = 0; i < golden_count(tags); i++) {
        while (s + 2 < golden_count(ends) && i >= golden_value(ends, s + 1)) s++;
        if (golden_value(tags, i) != (double)s)
            trial_fail(t, "`seq_idx`: token %d has tag %g, cu_seqlens puts it in sequence %d", (int)i,
                       golden_value(tags, i), (int)s);
    }
    tags->bound = 1;
}

/* Tokens first .. first+count-1 of every operand that has a time axis. */
static segue_ssd tokens(segue_ssd op, int64_t first, int64_t count)
{
    segue_tensor *const along[] = { &op.x, &op.dt, &op.B, &op.C, &op.z, &op.y };
    for (size_t i = 0; i < sizeof along / sizeof *along; i++)
        if (given(along[i])) *along[i] = segue_tensor_slice(*along[i], 1, first, count);
    return op;
}

static void run(trial *t)
{
    int64_t lengths[TRIAL_MAX_CALLS], first = 0;
    const segue_ssd op = bind(t);
    const segue_tensor initial = trial_input(t, INITIAL, STATE);
    const char *final = given(&op.cu_seqlens) ? "out.varlen_states" : FINAL;
    segue_tensor state = initial;
    if (!given(&op.slot)) {
        const char *like =
            given(&op.cu_seqlens) ? "out.varlen_states" : FINAL " " INITIAL " out.prefill_states";
        state = trial_output(t, like, STATE);
    }
    const int calls = trial_calls(t, op.x.shape[1], lengths);
    check_tags(t);
    for (int c = 0; c < calls; first += lengths[c++]) {
        segue_ssd call = tokens(op, first, lengths[c]);
        call.h_in = c ? state : initial;
        call.h_out = state;
        trial_call(t, &call.header);
        if (c == 0) trial_judge(t, "out.prefill_states", STATE, state);
    }
    trial_judge(t, final, STATE, state);
    if (given(&op.cu_seqlens) && t->status == TRIAL_PASSED) /* the last sequence's, once more */
        trial_judge(t, "out.final_states", STATE, segue_tensor_slice(state, 0, state.shape[0] - 1, 1));
    trial_judge(t, "out.y", "b t h v", op.y);
}

const golden_case segue_golden_ssd = { "ssd", refuse, run };
