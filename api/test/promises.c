/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "promises.h"

#include <stdio.h>
#include <stdlib.h>

const struct promise_case promise_cases[] = {
    { "prefill", { SEGUE_SELECTIVE_SCAN, "mamba", " cu_seqlens slot ", "b1 t96 d512 g1 j1 n16 p1" } },
    { "decode", { SEGUE_SELECTIVE_SCAN, "mamba", " cu_seqlens slot ", "b1 t1 d512 g1 j1 n16 p1" } },
    { "prefill",
      { SEGUE_CAUSAL_CONV1D, "mamba", " pre_gate post_gate cu_seqlens seq_idx cache_seqlens slot ",
        "b1 t96 d512 w4 l3 p1" } },
    { "decode",
      { SEGUE_CAUSAL_CONV1D, "mamba", " pre_gate post_gate cu_seqlens seq_idx cache_seqlens slot ",
        "b1 t1 d512 w4 l3 p1" } },
    /* lowered to two steps where the device has no row of its own */
    { "prefill", { SEGUE_SSD, "mamba2", " cu_seqlens slot ", "b1 t96 h8 v64 g1 n64 p1" } },
    { "decode", { SEGUE_SSD, "mamba2", " cu_seqlens slot ", "b1 t1 h8 v64 g1 n64 p1" } },
    { NULL, { 0, NULL, NULL, NULL } },
};

struct promise_run promise_open(segue_context *ctx, const char *device, uint32_t threads,
                                const struct promise_case *which)
{
    const segue_device_options options = { .size = sizeof options, .threads = threads };
    const struct sample s = sample_make(&which->kind);
    segue_plan_facts need = { .size = sizeof need };
    segue_diag why = { 0 };
    struct promise_run run = { .arena = aligned_alloc(256, s.arena_bytes) };
    sample_fill(&s, run.arena);
    sample_op(&s, run.arena, &run.op);
    if (segue_device_open(ctx, device, &options, &run.dev, &why) ||
        segue_stream_create(run.dev, &run.stream, &why) ||
        segue_plan_create(run.dev, &run.op.header, &run.plan, &why) || segue_plan_info(run.plan, &need, &why) ||
        segue_memory_alloc(run.dev, need.workspace_bytes, &run.workspace, &why)) {
        fprintf(stderr, "%s, %s: %s\n", device, s.facts->name, why.text);
        exit(1);
    }
    run.kernels = strcmp(need.row, "lowered") ? 1 : 2;
    return run;
}

void promise_once(const struct promise_run *run)
{
    segue_diag why;
    if (!segue_plan_run(run->plan, &run->op.header, run->stream, run->workspace, &why)) return;
    fprintf(stderr, "%s\n", why.text);
    exit(1);
}

void promise_close(struct promise_run *run)
{
    segue_plan_destroy(run->plan);
    segue_memory_free(run->dev, run->workspace);
    segue_stream_destroy(run->dev, run->stream);
    segue_device_close(run->dev);
    free(run->arena);
}
