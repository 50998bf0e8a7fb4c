/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Printed by segue describe --emit=header from api/ops; do not edit. Included by segue.h.
 * Dimensions in brackets, slowest first; ? marks what may be absent. Fields are numbered from 1 in this order. */
#ifndef SEGUE_OPS_H
#define SEGUE_OPS_H

#include <segue/segue.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SEGUE_SELECTIVE_SCAN = 1,
    SEGUE_SELECTIVE_SCAN_SIZE_1 = 1696
};

/* Selective state-space scan (S6); arXiv:2312.00752 eq. 2; state-spaces/mamba selective_scan_interface.py */
typedef struct segue_selective_scan {
    segue_op_header header;
    segue_tensor u; /* [b t d] activation: input sequence */
    segue_tensor delta; /* [b t d] gate: step size before bias and softplus */
    segue_tensor A; /* [d n] weight: state matrix, negative */
    segue_tensor B; /* [b t g n] activation: input projection, one per d/g channels */
    segue_tensor C; /* [b t j n] activation: output projection, one per d/j channels */
    segue_tensor D; /* [d] weight?: skip: y += D u, before the gate */
    segue_tensor z; /* [b t d] activation?: gate: y *= silu(z) */
    segue_tensor delta_bias; /* [d] weight?: added to delta before softplus */
    segue_tensor cu_seqlens; /* [s+1] i32?: offsets of packed sequences, clamped to [0, t]; then b = 1 */
    segue_tensor slot; /* [s 2] i32?: pool rows to read and to write; -1 = none; (-1, -1): padding, y = 0 */
    segue_tensor h_in; /* [p d n] state?: state before the first token; absent = 0 */
    segue_tensor h_out; /* [p d n] state?: state after the last token; may be h_in itself */
    segue_tensor y; /* [b t d] activation: output, read from the unrounded state */
    int64_t softplus; /* default 1: 1: delta = softplus(delta + delta_bias) */
    int64_t max_seqlen; /* default 0: longest packed sequence; 0 = t */
} segue_selective_scan;

static inline segue_selective_scan segue_selective_scan_init(void)
{
    segue_selective_scan op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_SELECTIVE_SCAN_SIZE_1;
    op.header.primitive = SEGUE_SELECTIVE_SCAN;
    op.header.revision = 1;
    op.softplus = 1;
    return op;
}

enum {
    SEGUE_CAUSAL_CONV1D = 2,
    SEGUE_CAUSAL_CONV1D_SIZE_1 = 1568,
    SEGUE_CAUSAL_CONV1D_NONE = 0, /* activation: identity */
    SEGUE_CAUSAL_CONV1D_SILU = 1 /* activation: x * sigmoid(x) */
};

/* Short depthwise causal convolution; Dao-AILab/causal-conv1d causal_conv1d_interface.py; arXiv:2312.00752 section 3.4 */
typedef struct segue_causal_conv1d {
    segue_op_header header;
    segue_tensor x; /* [b t d] activation: input sequence */
    segue_tensor weight; /* [d w] weight: one filter a channel */
    segue_tensor bias; /* [d] weight?: added before the activation */
    segue_tensor pre_gate; /* [b t d] activation?: x is multiplied by it first; states hold the products */
    segue_tensor post_gate; /* [b t d] activation?: y is multiplied by it last */
    segue_tensor cu_seqlens; /* [s+1] i32?: offsets of packed sequences, clamped to [0, t]; then b = 1 */
    segue_tensor seq_idx; /* [b t] i32?: tag of each token: taps see equal tags only; negative = padding, y = 0 */
    segue_tensor cache_seqlens; /* [s] i32?: tokens seen before; the state is then a ring: token i sits at i mod l */
    segue_tensor slot; /* [s 2] i32?: pool rows to read and to write; -1 = none; (-1, -1): padding, y = 0 */
    segue_tensor h_in; /* [p d l] state?: the last l inputs, oldest first (or a ring); absent = 0 */
    segue_tensor h_out; /* [p d l] state?: the same after the last token; may be h_in itself */
    segue_tensor y; /* [b t d] activation: output */
    int64_t activation; /* default 0: applied to the sum */
    int64_t max_seqlen; /* default 0: longest packed sequence; 0 = t */
} segue_causal_conv1d;

static inline segue_causal_conv1d segue_causal_conv1d_init(void)
{
    segue_causal_conv1d op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_CAUSAL_CONV1D_SIZE_1;
    op.header.primitive = SEGUE_CAUSAL_CONV1D;
    op.header.revision = 1;
    return op;
}

/* One ROW(name, level, size) a primitive and level. */
#define SEGUE_EACH_SIZE(ROW) \
    ROW(SEGUE_SELECTIVE_SCAN, 1, SEGUE_SELECTIVE_SCAN_SIZE_1) \
    ROW(SEGUE_CAUSAL_CONV1D, 1, SEGUE_CAUSAL_CONV1D_SIZE_1)

#ifdef __cplusplus
}
#endif

#endif
