/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* causal_conv1d under the names of Dao-AILab/causal-conv1d, transformers (LFM2), recurrentgemma and
 * stripedhyena. */
#include "trial.h"

#include <stdlib.h>

#define FINAL "out.final_state out.final_states out.conv_state out.states out.state_pool"
#define INITIAL "initial_state initial_states conv_state state_pool"
#define STATE "b|r d s"

static segue_causal_conv1d bind(trial *t)
{
    segue_causal_conv1d op = segue_causal_conv1d_init();
    const char *activation = trial_text(t, "activation", "none");
    op.x = trial_input(t, "x", "b t d");
    op.weight = trial_input(t, "weight", "d w");
    op.bias = trial_input(t, "bias", "d");
    op.pre_gate = trial_input(t, "pre_gate", "b t d");
    op.post_gate = trial_input(t, "post_gate", "b t d");
    op.cu_seqlens = trial_input(t, "cu_seqlens", "e|s");
    op.seq_idx = trial_input(t, "seq_idx", "b t");
    op.slot = trial_input(t, "state_indices conv_state_indices", "b .");
    if (given(&op.slot)) op.slot.shape[1] = 2; /* one index, to read and to write */
    op.y = trial_output(t, "out.y", "b t d");
    if (!strcmp(activation, "silu") || !strcmp(activation, "swish")) op.activation = SEGUE_CAUSAL_CONV1D_SILU;
    else if (strcmp(activation, "none"))
        trial_fail(t, "params: `activation` is %s, wanted none or silu", activation);
    trial_expect(t, "width", op.weight.shape[1]);
    return op;
}

static segue_causal_conv1d tokens(segue_causal_conv1d op, int64_t first, int64_t count)
{
    segue_tensor *const along[] = { &op.x, &op.pre_gate, &op.post_gate, &op.seq_idx, &op.y };
    for (size_t i = 0; i < sizeof along / sizeof *along; i++)
        if (given(along[i])) *along[i] = segue_tensor_slice(*along[i], 1, first, count);
    return op;
}

/* Tags of the first `count` tokens from their positions: position 0 begins a document. recurrentgemma masks by
 * document in the full pass only, not in its cached steps. */
static segue_tensor tags(trial *t, golden_tensor *position, int64_t count)
{
    const int64_t shape[2] = { position->shape[0], count };
    int32_t *tag = calloc((size_t)(shape[0] * count) + 1, sizeof *tag);
    segue_tensor out = { 0 };
    if (!tag || strcmp(position->axes, "bt") || count > position->shape[1])
        trial_fail(t, "`%s` is no [b t]", position->name);
    else {
        for (int64_t b = 0; b < shape[0]; b++)
            for (int64_t i = 1; i < count; i++)
                tag[b * count + i] =
                    tag[b * count + i - 1] + (golden_value(position, b * position->shape[1] + i) == 0);
        out = trial_integers(t, tag, 2, shape);
    }
    position->bound = 1;
    free(tag);
    return out;
}

/* Tokens that a ring has seen before the call. */
static segue_tensor seen(trial *t, golden_tensor *before, int64_t since)
{
    const int64_t count = golden_count(before);
    int32_t *now = calloc((size_t)count + 1, sizeof *now);
    segue_tensor out = { 0 };
    if (!now || before->rank != 1) trial_fail(t, "`%s` is no [b]", before->name);
    else {
        for (int64_t i = 0; i < count; i++) now[i] = (int32_t)(golden_value(before, i) + (double)since);
        out = trial_integers(t, now, 1, &count);
    }
    before->bound = 1;
    free(now);
    return out;
}

static void check_mode(trial *t, int ring, const segue_tensor *state)
{
    const char *mode = trial_text(t, "mode", ring ? "circular" : "shift");
    if (strcmp(mode, ring ? "circular" : "shift"))
        trial_fail(t, "params: `mode` is %s, `cache_seqlens` is %s", mode, ring ? "present" : "absent");
    if (given(state)) trial_expect(t, "state_len", state->shape[2]);
}

static void run(trial *t)
{
    int64_t lengths[TRIAL_MAX_CALLS], first = 0;
    const segue_causal_conv1d op = bind(t);
    golden_tensor *const ring = golden_find(t->file, "cache_seqlens"), *const position =
                                                                           golden_find(t->file, "segment_pos");
    const segue_tensor initial = trial_input(t, INITIAL, STATE);
    const segue_tensor state =
        given(&op.slot) ? initial
                        : trial_output(t, FINAL " " INITIAL " out.prefill_state out.prefill_states", STATE);
    const int calls = trial_calls(t, op.x.shape[1], lengths);
    check_mode(t, ring != NULL, &state);
    for (int c = 0; c < calls; first += lengths[c++]) {
        segue_causal_conv1d call = tokens(op, first, lengths[c]);
        call.h_in = c ? state : initial;
        call.h_out = state;
        if (ring) call.cache_seqlens = seen(t, ring, first);
        if (position && c == 0 && lengths[0] > 1) call.seq_idx = tags(t, position, lengths[0]);
        trial_call(t, &call.header);
        if (c == 0) trial_judge(t, "out.prefill_state out.prefill_states", STATE, state);
    }
    trial_judge(t, FINAL, STATE, state);
    trial_judge(t, "out.y", "b t d", op.y);
}

const golden_case segue_golden_causal_conv1d = { "causal_conv1d", NULL, run };
