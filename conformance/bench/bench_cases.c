/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of real models: Mamba-130m and -2.8b (arXiv:2312.00752), the convolution of the first and of a
 * hybrid's wider one; Mamba2-2.7b (arXiv:2405.21060); 32 heads of 64 x 64 for GLA (arXiv:2312.06635, its decay
 * a key), RetNet (arXiv:2307.08621) and the Linear Transformer (arXiv:2006.16236: elu + 1, causal, q . n + eps).
 * Attention with 32 heads that share 8 heads of keys, 128 wide (arXiv:2307.09288 and later): causal, with a window of 512, and one
 * query against 4096 keys of each of 16 layers, kept in f16. Reformer's (arXiv:2001.04451) over 16384 tokens in 4 rounds of 512
 * buckets, chunks of 64.
 * In bf16 what runs through the model is bf16, GLA's decays and the convolution's filter and bias too; A, RetNet's
 * decays and the states stay f32. */
#include <fnmatch.h>

#include "bench.h"

#define SCAN(dtype, shape) "selective_scan/fwd.h_in.h_out/" dtype "-A.f32/" shape ".N16"
#define CONV(variant, dtype, shape) "causal_conv1d/fwd.bias.h_in.h_out" variant "/" dtype "/" shape ".W4"
#define SSD(dtype, t) "ssd/fwd.h_in.h_out/" dtype "-A.f32/B1.T" t ".H80.V64.G1.N128"
#define GLA(dtype) \
    "gated_linear_attention/fwd.gk.S_in.S_out.scale=0.125/" dtype "/B1.T2048.I32.J32.H32.O32.K64.V64"
#define RETENTION(dtype) "retention/fwd.S_in.S_out.scale=0.125/" dtype "-g.f32/B1.T2048.H32.K64.V64"
#define LINEAR(dtype) "linear_attention/fwd.S_in.n_in.S_out.n_out/" dtype "/B1.T2048.H32.K64.V64"
/* The cells of mlech26l/ncps: 64 neurons, all connected, 6 unfolds; 64 units behind one layer of 128. */
#define LTC                                                                                                 \
    "ode_cell/fwd.h_in.h_out.gleak.vleak.cm.sigma.mu.w.E.sensory_sigma.sensory_mu.sensory_w.sensory_E/f32/" \
    "B64.T128.D32.F64.N64"
#define CFC                                                                                             \
    "ode_cell/fwd.h_in.h_out.backbone_w.backbone_b.ff1_w.ff1_b.ff2_w.ff2_b.time_a_w.time_a_b.time_b_w." \
    "time_b_b.cell=cfc.time_sign=1.head_act=head_tanh/f32/B64.T128.D32.E128.F64.N64"
#define SAMPLE(dtype) "row_sample/fwd.conf/" dtype "/B256.T1.V126464" /* argmax and its probability */
#define ATTENTION(variant, dtype, n, m) "attention/fwd" variant "/" dtype "/B1.N" n ".H32.K128.M" m ".J8.V128"

const struct bench_case bench_cases[] = {
    { "selective_scan/mamba-130m/prefill", SCAN("f32", "B1.T2048.D1536"), 1, 0 },
    { "selective_scan/mamba-130m/prefill/bf16", SCAN("bf16", "B1.T2048.D1536"), 1, 0 },
    { "selective_scan/mamba-2.8b/prefill", SCAN("f32", "B1.T2048.D5120"), 1, 0 },
    { "selective_scan/mamba-2.8b/prefill/bf16", SCAN("bf16", "B1.T2048.D5120"), 1, 0 },
    { "selective_scan/mamba-130m/decode", SCAN("f32", "B1.T1.D1536"), 24, 0 },
    { "selective_scan/mamba-130m/decode/bf16", SCAN("bf16", "B1.T1.D1536"), 24, 0 },
    { "causal_conv1d/1536", CONV("", "f32", "B1.T2048.D1536"), 1, 0 },
    { "causal_conv1d/1536/bf16", CONV("", "bf16", "B1.T2048.D1536"), 1, 0 },
    { "causal_conv1d/5376-silu", CONV(".activation=silu", "f32", "B1.T2048.D5376"), 1, 0 },
    { "causal_conv1d/5376-silu/bf16", CONV(".activation=silu", "bf16", "B1.T2048.D5376"), 1, 0 },
    { "ssd/mamba2-2.7b/prefill", SSD("f32", "2048"), 1, 0 },
    { "ssd/mamba2-2.7b/prefill/bf16", SSD("bf16", "2048"), 1, 0 },
    { "ssd/mamba2-2.7b/decode", SSD("f32", "1"), 64, 0 },
    { "ssd/mamba2-2.7b/decode/bf16", SSD("bf16", "1"), 64, 0 },
    { "gated_linear_attention/32x64/prefill", GLA("f32"), 1, 0 },
    { "gated_linear_attention/32x64/prefill/bf16", GLA("bf16"), 1, 0 },
    { "retention/32x64/prefill", RETENTION("f32"), 1, 0 },
    { "retention/32x64/prefill/bf16", RETENTION("bf16"), 1, 0 },
    { "linear_attention/32x64/prefill", LINEAR("f32"), 1, 0 },
    { "linear_attention/32x64/prefill/bf16", LINEAR("bf16"), 1, 0 },
    { "attention/32x8x128/causal-2048", ATTENTION("", "f32", "2048", "2048"), 1, 1 },
    { "attention/32x8x128/causal-2048/bf16", ATTENTION("", "bf16", "2048", "2048"), 1, 1 },
    { "attention/32x8x128/window-512", ATTENTION(".window_left=511", "f32", "2048", "2048"), 1, 1 },
    { "attention/32x8x128/window-512/bf16", ATTENTION(".window_left=511", "bf16", "2048", "2048"), 1, 1 },
    { "attention/32x8x128/decode-4096", ATTENTION("", "f32-k.f16-v.f16", "1", "4096"), 16, 0 },
    { "lsh_attention/8x64/16k-r4", "lsh_attention/fwd.R.scale=1/f32/B1.T16384.H8.K64.V64.R4.F256", 1, 1 },
    { "ode_cell/ltc-64", LTC, 1, 0 },
    { "ode_cell/cfc-64", CFC, 1, 0 },
    { "row_sample/256x126464", SAMPLE("f32"), 1, 0 },
    { "row_sample/256x126464/bf16", SAMPLE("bf16"), 1, 0 },
    { NULL, NULL, 0, 0 },
};

int bench_matches(const char *name, char *const *globs, int count)
{
    for (int i = 0; i < count; i++)
        if (!fnmatch(globs[i], name, 0)) return 1;
    return !count;
}
