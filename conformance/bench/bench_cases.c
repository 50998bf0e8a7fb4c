/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of real models: Mamba-130m and -2.8b (arXiv:2312.00752), the convolution of the first and of a
 * hybrid's wider one. In bf16 what runs through the model is bf16, filter and bias of the convolution too; A
 * and the states stay f32. */
#include <fnmatch.h>

#include "bench.h"

#define SCAN(dtype, shape) "selective_scan/fwd.h_in.h_out/" dtype "-A.f32/" shape ".N16"
#define CONV(variant, dtype, shape) "causal_conv1d/fwd.bias.h_in.h_out" variant "/" dtype "/" shape ".W4"

const struct bench_case bench_cases[] = {
    { "selective_scan/mamba-130m/prefill", SCAN("f32", "B1.T2048.D1536"), 1 },
    { "selective_scan/mamba-130m/prefill/bf16", SCAN("bf16", "B1.T2048.D1536"), 1 },
    { "selective_scan/mamba-2.8b/prefill", SCAN("f32", "B1.T2048.D5120"), 1 },
    { "selective_scan/mamba-2.8b/prefill/bf16", SCAN("bf16", "B1.T2048.D5120"), 1 },
    { "selective_scan/mamba-130m/decode", SCAN("f32", "B1.T1.D1536"), 24 },
    { "selective_scan/mamba-130m/decode/bf16", SCAN("bf16", "B1.T1.D1536"), 24 },
    { "causal_conv1d/1536", CONV("", "f32", "B1.T2048.D1536"), 1 },
    { "causal_conv1d/1536/bf16", CONV("", "bf16", "B1.T2048.D1536"), 1 },
    { "causal_conv1d/5376-silu", CONV(".activation=silu", "f32", "B1.T2048.D5376"), 1 },
    { "causal_conv1d/5376-silu/bf16", CONV(".activation=silu", "bf16", "B1.T2048.D5376"), 1 },
    { NULL, NULL, 0 },
};

int bench_matches(const char *name, char *const *globs, int count)
{
    for (int i = 0; i < count; i++)
        if (!fnmatch(globs[i], name, 0)) return 1;
    return !count;
}
