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

enum {
    SEGUE_GATED_RECURRENCE = 3,
    SEGUE_GATED_RECURRENCE_SIZE_1 = 3032,
    SEGUE_GATED_RECURRENCE_ADD = 0, /* write: gain k v^T */
    SEGUE_GATED_RECURRENCE_DELTA = 1, /* write: k (beta o (v - R^T p))^T */
    SEGUE_GATED_RECURRENCE_DPLR = 2, /* write: b (a^T S_t-1) + k v^T */
    SEGUE_GATED_RECURRENCE_DECAYED = 0, /* erase: S~ */
    SEGUE_GATED_RECURRENCE_UNDECAYED = 1, /* erase: S_t-1 */
    SEGUE_GATED_RECURRENCE_INCLUSIVE = 0, /* read: S_t */
    SEGUE_GATED_RECURRENCE_EXCLUSIVE = 1, /* read: S_t-1, and the current token by the bonus u */
    SEGUE_GATED_RECURRENCE_UNNORMALISED = 0, /* norm: 1 */
    SEGUE_GATED_RECURRENCE_ADD_EPS = 1, /* norm: q.n + eps */
    SEGUE_GATED_RECURRENCE_CLAMP_EPS = 2, /* norm: max(q.n, eps) */
    SEGUE_GATED_RECURRENCE_ADD_EPS_PER_FEATURE = 3, /* norm: scale q . (n_t + eps) */
    SEGUE_GATED_RECURRENCE_GUARD = 4, /* norm: q.n + 2 eps where |q.n| <= eps, else q.n */
    SEGUE_GATED_RECURRENCE_PLAIN = 5, /* norm: q.n */
    SEGUE_GATED_RECURRENCE_MAX1 = 6, /* norm: max(|q.n|, e^-m) + eps, in the frame of the stabiliser m */
    SEGUE_GATED_RECURRENCE_LOG = 0, /* gain_domain: its natural log */
    SEGUE_GATED_RECURRENCE_LINEAR = 1, /* gain_domain: the factor itself */
    SEGUE_GATED_RECURRENCE_DIV = 0, /* head_map: consecutive heads share one */
    SEGUE_GATED_RECURRENCE_MOD = 1 /* head_map: heads share one in turn */
};

/* Gated matrix-state recurrence; arXiv:2312.06635 eq. 3; arXiv:2405.21060; fla-org/flash-linear-attention fla/ops/common */
typedef struct segue_gated_recurrence {
    segue_op_header header;
    segue_tensor q; /* [b t i k] mixed?: query; absent with y: states only */
    segue_tensor k; /* [b t j k] mixed?: key; absent with v: nothing is written */
    segue_tensor v; /* [b t h v] activation?: value */
    segue_tensor g; /* [b t h] gate?: natural log of a head's decay, <= 0; absent = 0 */
    segue_tensor gk; /* [b t h k] gate?: natural log of a key's decay, <= 0; absent = 0 */
    segue_tensor gain; /* [b t h] gate?: input gain, or its natural log (gain_domain); log: -inf writes nothing */
    segue_tensor D; /* [h v] weight?: skip: y += D v, after the normaliser and before the gate */
    segue_tensor z; /* [b t o v] activation?: gate: y *= silu(z) */
    segue_tensor cu_seqlens; /* [s+1] i32?: offsets of packed sequences, clamped to [0, t]; then b = 1 */
    segue_tensor slot; /* [s 2] i32?: pool rows to read and to write; -1 = none; (-1, -1): padding, y = 0 */
    segue_tensor S_in; /* [p h k v] state?: state before the first token; absent = 0 */
    segue_tensor n_in; /* [p h k] state?: normaliser before the first token; absent = 0 */
    segue_tensor S_out; /* [p h k v] state?: state after the last token; may be S_in itself */
    segue_tensor n_out; /* [p h k] state?: normaliser after the last token; may be n_in itself */
    segue_tensor y; /* [b t o v] mixed?: output, read from the unrounded state */
    segue_tensor gv; /* [b t h v] gate?: natural log of a value column's decay, <= 0; absent = 0 */
    segue_tensor beta; /* [b t h v] gate?: DELTA: step size */
    segue_tensor p; /* [b t j k] mixed?: DELTA: erase key; absent = k */
    segue_tensor a; /* [b t h k] mixed?: DPLR: what is read of the old state */
    segue_tensor b; /* [b t h k] mixed?: DPLR: where that is written */
    segue_tensor u; /* [h k] weight?: EXCLUSIVE: bonus of the current token; absent = 0 */
    segue_tensor m_in; /* [p h] state?: MAX1: stabiliser before the first token; absent = 0 */
    segue_tensor m_out; /* [p h] state?: MAX1: stabiliser after the last token; may be m_in itself */
    int64_t write; /* default 0: what a token adds to the state */
    int64_t erase; /* default 0: DELTA: the state that is erased from */
    int64_t read; /* default 0: the state that y is read from */
    int64_t norm; /* default 0: denominator of y; q.n stands for scale q . n_t */
    int64_t gain_domain; /* default 0: what gain holds */
    int64_t head_map; /* default 0: which of fewer heads a head reads */
    double scale; /* default 1: multiplies q */
    double eps; /* default 0: of norm */
    int64_t max_seqlen; /* default 0: longest packed sequence; 0 = t */
} segue_gated_recurrence;

static inline segue_gated_recurrence segue_gated_recurrence_init(void)
{
    segue_gated_recurrence op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_GATED_RECURRENCE_SIZE_1;
    op.header.primitive = SEGUE_GATED_RECURRENCE;
    op.header.revision = 1;
    op.scale = 1;
    return op;
}

enum {
    SEGUE_LINEAR_ATTENTION = 4,
    SEGUE_LINEAR_ATTENTION_SIZE_1 = 1904,
    SEGUE_LINEAR_ATTENTION_IDENTITY = 0, /* map: x */
    SEGUE_LINEAR_ATTENTION_ELU1 = 1, /* map: elu(x) + 1 */
    SEGUE_LINEAR_ATTENTION_RELU = 2, /* map: relu(x) + map_eps */
    SEGUE_LINEAR_ATTENTION_FAVOR_PLUS = 3, /* map: Performer's positive random features */
    SEGUE_LINEAR_ATTENTION_FAVOR_PM = 4, /* map: the same of W and -W */
    SEGUE_LINEAR_ATTENTION_RFF = 5, /* map: random Fourier features */
    SEGUE_LINEAR_ATTENTION_GELU = 6, /* map: gelu(W x) + map_eps */
    SEGUE_LINEAR_ATTENTION_HEDGEHOG_A = 7, /* map: softmax(W x), softmax(-W x) */
    SEGUE_LINEAR_ATTENTION_HEDGEHOG_B = 8, /* map: one softmax of 2 (W x + bias) and its negative */
    SEGUE_LINEAR_ATTENTION_TAYLOR2 = 9, /* map: 1, x, x x^T / sqrt 2 */
    SEGUE_LINEAR_ATTENTION_COSREW = 10, /* map: relu(x) sin and cos of the position */
    SEGUE_LINEAR_ATTENTION_EXP = 11, /* map: exp(W x - max), exp(min - W x) */
    SEGUE_LINEAR_ATTENTION_ROW = 0, /* key_shift: their largest of the token */
    SEGUE_LINEAR_ATTENTION_GLOBAL = 1, /* key_shift: their largest of the sequence and head: sees the future */
    SEGUE_LINEAR_ATTENTION_CONSTANT = 2, /* key_shift: shift */
    SEGUE_LINEAR_ATTENTION_UNNORMALISED = 0, /* norm: 1 */
    SEGUE_LINEAR_ATTENTION_ADD_EPS = 1, /* norm: q.n + eps */
    SEGUE_LINEAR_ATTENTION_CLAMP_EPS = 2, /* norm: max(q.n, eps) */
    SEGUE_LINEAR_ATTENTION_ADD_EPS_PER_FEATURE = 3, /* norm: q~ . (n_t + eps) */
    SEGUE_LINEAR_ATTENTION_GUARD = 4, /* norm: q.n + 2 eps where |q.n| <= eps, else q.n */
    SEGUE_LINEAR_ATTENTION_PLAIN = 5 /* norm: q.n */
};

/* Linear attention with a feature map; arXiv:2006.16236 eq. 9 to 20; arXiv:2009.14794; idiap/fast-transformers */
typedef struct segue_linear_attention {
    segue_op_header header;
    segue_tensor q; /* [b t h k] activation: query, before the map */
    segue_tensor k; /* [b c h k] activation: key, before the map */
    segue_tensor v; /* [b c h v] activation: value */
    segue_tensor W; /* [h m k] weight?: projection of the map; shared by all heads: stride 0 */
    segue_tensor W_k; /* [h m k] weight?: that of the keys, where it is another; absent = W */
    segue_tensor bias; /* [h m] weight?: added to the projections */
    segue_tensor keep; /* [b c] i32?: 0 = padding: the key's features are 0 */
    segue_tensor cu_seqlens; /* [s+1] i32?: offsets of packed sequences, clamped to [0, t]; then b = 1 */
    segue_tensor slot; /* [s 2] i32?: pool rows to read and to write; -1 = none; (-1, -1): padding, y = 0 */
    segue_tensor S_in; /* [p h f v] state?: sum of phi(k) v^T before the first token; absent = 0 */
    segue_tensor n_in; /* [p h f] state?: sum of phi(k) before the first token; absent = 0 */
    segue_tensor S_out; /* [p h f v] state?: after the last token; may be S_in itself */
    segue_tensor n_out; /* [p h f] state?: after the last token; may be n_in itself */
    segue_tensor y; /* [b t h v] activation: output, read from the unrounded state */
    int64_t causal; /* default 1: 1: token t sees keys 0 to t; 0: all */
    int64_t map; /* default 1: phi, as in feature_map */
    double map_scale; /* default 1: multiplies q and k before the map */
    double map_eps; /* default 0: of the map */
    int64_t key_shift; /* default 1: what is subtracted from the keys' exponents; queries: ROW */
    double shift; /* default 0: of key_shift CONSTANT */
    int64_t position; /* default 0: COSREW: of the first token, from 0 */
    int64_t length; /* default 0: COSREW: M, at least all positions; 0 = position + t, of keys position + c */
    int64_t norm; /* default 1: denominator of y; q.n stands for q~ . n_t */
    double eps; /* default 9.9999999999999995e-07: of norm */
    double scale; /* default 1: multiplies phi(q) */
    int64_t max_seqlen; /* default 0: longest packed sequence; 0 = t */
} segue_linear_attention;

static inline segue_linear_attention segue_linear_attention_init(void)
{
    segue_linear_attention op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_LINEAR_ATTENTION_SIZE_1;
    op.header.primitive = SEGUE_LINEAR_ATTENTION;
    op.header.revision = 1;
    op.causal = 1;
    op.map = 1;
    op.map_scale = 1;
    op.key_shift = 1;
    op.norm = 1;
    op.eps = 9.9999999999999995e-07;
    op.scale = 1;
    return op;
}

enum {
    SEGUE_RETENTION = 5,
    SEGUE_RETENTION_SIZE_1 = 1328,
    SEGUE_RETENTION_NONE = 0, /* norm: none */
    SEGUE_RETENTION_RMS = 1 /* norm: y / sqrt(mean y^2 + eps) */
};

/* Retention; arXiv:2307.08621 eq. 6; microsoft/torchscale torchscale/component/multiscale_retention.py */
typedef struct segue_retention {
    segue_op_header header;
    segue_tensor q; /* [b t h k] activation: query, rotated */
    segue_tensor k; /* [b t h k] activation: key, rotated */
    segue_tensor v; /* [b t h v] activation: value */
    segue_tensor g; /* [h] weight: natural log of a head's decay: log1p(-2^(-5-h)) in RetNet */
    segue_tensor z; /* [b t h v] activation?: gate: y *= silu(z) */
    segue_tensor cu_seqlens; /* [s+1] i32?: offsets of packed sequences, clamped to [0, t]; then b = 1 */
    segue_tensor slot; /* [s 2] i32?: pool rows to read and to write; -1 = none; (-1, -1): padding, y = 0 */
    segue_tensor S_in; /* [p h k v] state?: state before the first token; absent = 0 */
    segue_tensor S_out; /* [p h k v] state?: state after the last token; may be S_in itself */
    segue_tensor y; /* [b t h v] activation: output, read from the unrounded state */
    double scale; /* default 1: multiplies q */
    int64_t norm; /* default 0: of each head of y, before the gate */
    double eps; /* default 9.9999999999999995e-07: of norm */
    int64_t max_seqlen; /* default 0: longest packed sequence; 0 = t */
} segue_retention;

static inline segue_retention segue_retention_init(void)
{
    segue_retention op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_RETENTION_SIZE_1;
    op.header.primitive = SEGUE_RETENTION;
    op.header.revision = 1;
    op.scale = 1;
    op.eps = 9.9999999999999995e-07;
    return op;
}

enum {
    SEGUE_SSD = 6,
    SEGUE_SSD_SIZE_1 = 1712
};

/* State-space duality (Mamba-2); arXiv:2405.21060; state-spaces/mamba mamba_ssm/ops/triton/ssd_combined.py */
typedef struct segue_ssd {
    segue_op_header header;
    segue_tensor x; /* [b t h v] activation: input sequence */
    segue_tensor dt; /* [b t h] gate: step size before bias and softplus */
    segue_tensor A; /* [h] weight: rate of a head, negative */
    segue_tensor B; /* [b t g n] activation: input projection, one per h/g heads */
    segue_tensor C; /* [b t g n] activation: output projection, one per h/g heads */
    segue_tensor D; /* [h v] weight?: skip: y += D x, before the gate */
    segue_tensor z; /* [b t h v] activation?: gate: y *= silu(z) */
    segue_tensor dt_bias; /* [h] weight?: added to dt before softplus */
    segue_tensor cu_seqlens; /* [s+1] i32?: offsets of packed sequences, clamped to [0, t]; then b = 1 */
    segue_tensor slot; /* [s 2] i32?: pool rows to read and to write; -1 = none; (-1, -1): padding, y = 0 */
    segue_tensor h_in; /* [p h v n] state?: state before the first token; absent = 0 */
    segue_tensor h_out; /* [p h v n] state?: state after the last token; may be h_in itself */
    segue_tensor y; /* [b t h v] activation: output, read from the unrounded state */
    int64_t softplus; /* default 1: 1: delta = softplus(dt + dt_bias) */
    double dt_min; /* default 0: delta is at least this */
    double dt_max; /* default 1e+30: delta is at most this; the default is no limit */
    int64_t max_seqlen; /* default 0: longest packed sequence; 0 = t */
} segue_ssd;

static inline segue_ssd segue_ssd_init(void)
{
    segue_ssd op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_SSD_SIZE_1;
    op.header.primitive = SEGUE_SSD;
    op.header.revision = 1;
    op.softplus = 1;
    op.dt_max = 1e+30;
    return op;
}

enum {
    SEGUE_GATED_LINEAR_ATTENTION = 7,
    SEGUE_GATED_LINEAR_ATTENTION_SIZE_1 = 1320,
    SEGUE_GATED_LINEAR_ATTENTION_DIV = 0, /* head_map: consecutive heads share one */
    SEGUE_GATED_LINEAR_ATTENTION_MOD = 1 /* head_map: heads share one in turn */
};

/* Gated linear attention; arXiv:2312.06635 eq. 3; fla-org/flash-linear-attention fla/ops/gla, fla/ops/simple_gla */
typedef struct segue_gated_linear_attention {
    segue_op_header header;
    segue_tensor q; /* [b t i k] activation: query */
    segue_tensor k; /* [b t j k] activation: key */
    segue_tensor v; /* [b t h v] activation: value */
    segue_tensor g; /* [b t h] gate?: natural log of a head's decay, <= 0; absent = 0 */
    segue_tensor gk; /* [b t h k] gate?: natural log of a key's decay, <= 0; absent = 0 */
    segue_tensor cu_seqlens; /* [s+1] i32?: offsets of packed sequences, clamped to [0, t]; then b = 1 */
    segue_tensor slot; /* [s 2] i32?: pool rows to read and to write; -1 = none; (-1, -1): padding, y = 0 */
    segue_tensor S_in; /* [p h k v] state?: state before the first token; absent = 0 */
    segue_tensor S_out; /* [p h k v] state?: state after the last token; may be S_in itself */
    segue_tensor y; /* [b t o v] activation: output, read from the unrounded state */
    int64_t head_map; /* default 0: which of fewer heads a head reads */
    double scale; /* default 1: multiplies q; k^(-1/2) in the authors' code */
    int64_t max_seqlen; /* default 0: longest packed sequence; 0 = t */
} segue_gated_linear_attention;

static inline segue_gated_linear_attention segue_gated_linear_attention_init(void)
{
    segue_gated_linear_attention op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_GATED_LINEAR_ATTENTION_SIZE_1;
    op.header.primitive = SEGUE_GATED_LINEAR_ATTENTION;
    op.header.revision = 1;
    op.scale = 1;
    return op;
}

enum {
    SEGUE_FEATURE_MAP = 8,
    SEGUE_FEATURE_MAP_SIZE_1 = 840,
    SEGUE_FEATURE_MAP_IDENTITY = 0, /* map: c x */
    SEGUE_FEATURE_MAP_ELU1 = 1, /* map: c x + 1 where c x > 0, else exp(c x) */
    SEGUE_FEATURE_MAP_RELU = 2, /* map: relu(c x) + eps */
    SEGUE_FEATURE_MAP_FAVOR_PLUS = 3, /* map: m^(-1/2) (exp(u - n2 - M) + eps) */
    SEGUE_FEATURE_MAP_FAVOR_PM = 4, /* map: (2m)^(-1/2) exp(u - n2 - R), then the same of -u */
    SEGUE_FEATURE_MAP_RFF = 5, /* map: m^(-1/2) cos u, then m^(-1/2) sin u */
    SEGUE_FEATURE_MAP_GELU = 6, /* map: gelu(u) + eps, by the error function */
    SEGUE_FEATURE_MAP_HEDGEHOG_A = 7, /* map: softmax(u), then softmax(-u), each at least eps */
    SEGUE_FEATURE_MAP_HEDGEHOG_B = 8, /* map: one softmax over 2u, then -2u */
    SEGUE_FEATURE_MAP_TAYLOR2 = 9, /* map: 1, c x, then all products c^2 x_i x_j / sqrt 2 */
    SEGUE_FEATURE_MAP_COSREW = 10, /* map: relu(c x) sin a, then relu(c x) cos a, a = pi (position + t + 1) / (2 length) */
    SEGUE_FEATURE_MAP_EXP = 11, /* map: exp(u - max u), then exp(min u - u), each at least eps */
    SEGUE_FEATURE_MAP_ROW = 0, /* shift_mode: their largest of the token and head */
    SEGUE_FEATURE_MAP_GLOBAL = 1, /* shift_mode: their largest of the sequence and head */
    SEGUE_FEATURE_MAP_CONSTANT = 2 /* shift_mode: shift */
};

/* Kernel feature map; arXiv:2009.14794; arXiv:2402.04347; arXiv:2402.18668; OpenNLPLab/cosFormer; idiap/fast-transformers */
typedef struct segue_feature_map {
    segue_op_header header;
    segue_tensor x; /* [b t h k] activation: queries or keys */
    segue_tensor W; /* [h m k] weight?: projection; shared by all heads: stride 0 */
    segue_tensor bias; /* [h m] weight?: added to the projections */
    segue_tensor keep; /* [b t] i32?: 0 = padding: y = 0, and the token has no part in GLOBAL */
    segue_tensor cu_seqlens; /* [s+1] i32?: offsets of packed sequences, clamped to [0, t]; then b = 1; other tokens are left alone */
    segue_tensor y; /* [b t h f] mixed: features */
    int64_t map; /* default 1: phi */
    double scale; /* default 1: c; Performer and Based: k^(-1/4) */
    double eps; /* default 0: of the map */
    int64_t shift_mode; /* default 0: FAVOR_PLUS: M of the u; FAVOR_PM: R of the |c x|^2 */
    double shift; /* default 0: of shift_mode CONSTANT */
    int64_t position; /* default 0: COSREW: of each sequence's first token, from 0 */
    int64_t length; /* default 0: COSREW: length; 0 = position + t */
} segue_feature_map;

static inline segue_feature_map segue_feature_map_init(void)
{
    segue_feature_map op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_FEATURE_MAP_SIZE_1;
    op.header.primitive = SEGUE_FEATURE_MAP;
    op.header.revision = 1;
    op.map = 1;
    op.scale = 1;
    return op;
}

enum {
    SEGUE_GATE_PREP = 9,
    SEGUE_GATE_PREP_SIZE_1 = 1096,
    SEGUE_GATE_PREP_DELTA = 0, /* gate: delta = clamp(softplus(x')), g = A delta: Mamba, Mamba-2, GDN, KDA */
    SEGUE_GATE_PREP_LOG_SIGMOID = 1, /* gate: log sigmoid(x') / divisor: GLA */
    SEGUE_GATE_PREP_HGRN2 = 2, /* gate: log(l + (1 - l) sigmoid(x')) */
    SEGUE_GATE_PREP_BOUNDED = 3, /* gate: lower sigmoid(e^A_log x'): KDA with a lower bound */
    SEGUE_GATE_PREP_RWKV7 = 4, /* gate: -e^(-1/2) sigmoid(x') */
    SEGUE_GATE_PREP_RWKV = 5, /* gate: -e^x': RWKV-4 to 6 */
    SEGUE_GATE_PREP_SOFT_CAP = 6 /* gate: cap tanh(x' / cap): xLSTM's pre-activations */
};

/* Gate preparation; state-spaces/mamba; fla-org/flash-linear-attention fla/layers; BlinkDL/RWKV-LM; NX-AI/xlstm */
typedef struct segue_gate_prep {
    segue_op_header header;
    segue_tensor x; /* [b t h k] activation: raw gate */
    segue_tensor bias; /* [h k] weight?: added to x; absent = 0 */
    segue_tensor A; /* [h] weight?: DELTA: rate, negative; absent with A_log: -1 */
    segue_tensor A_log; /* [h] weight?: log of -A (DELTA), or of the slope (BOUNDED) */
    segue_tensor lower_bound; /* [h k] weight?: HGRN2: l, 0 to 1 */
    segue_tensor delta; /* [b t h k] gate?: DELTA: step size, clamped to [dt_min, dt_max] */
    segue_tensor g; /* [b t h k] gate?: natural log of the decay */
    segue_tensor key; /* [b t h k] gate?: HGRN2: 1 - e^g, the key that goes with it */
    int64_t gate; /* default 0: how g is made of x' */
    int64_t softplus; /* default 1: DELTA: 0 = delta is x' itself, clamped */
    double dt_min; /* default 0: DELTA: delta is at least this */
    double dt_max; /* default 1e+30: DELTA: delta is at most this; the default is no limit */
    double divisor; /* default 16: of LOG_SIGMOID */
    double lower; /* default -5: of BOUNDED */
    double cap; /* default 15: of SOFT_CAP */
} segue_gate_prep;

static inline segue_gate_prep segue_gate_prep_init(void)
{
    segue_gate_prep op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_GATE_PREP_SIZE_1;
    op.header.primitive = SEGUE_GATE_PREP;
    op.header.revision = 1;
    op.softplus = 1;
    op.dt_max = 1e+30;
    op.divisor = 16;
    op.lower = -5;
    op.cap = 15;
    return op;
}

enum {
    SEGUE_L2_NORM = 10,
    SEGUE_L2_NORM_SIZE_1 = 280
};

/* L2 normalisation; fla-org/flash-linear-attention fla/modules/l2norm.py */
typedef struct segue_l2_norm {
    segue_op_header header;
    segue_tensor x; /* [b t h k] activation: queries or keys */
    segue_tensor y; /* [b t h k] activation: the same at length 1 */
    double eps; /* default 9.9999999999999995e-07: added to the sum of squares */
} segue_l2_norm;

static inline segue_l2_norm segue_l2_norm_init(void)
{
    segue_l2_norm op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_L2_NORM_SIZE_1;
    op.header.primitive = SEGUE_L2_NORM;
    op.header.revision = 1;
    op.eps = 9.9999999999999995e-07;
    return op;
}

enum {
    SEGUE_GATED_NORM = 11,
    SEGUE_GATED_NORM_SIZE_1 = 816,
    SEGUE_GATED_NORM_RMS = 0, /* kind: x / sqrt(mean x^2 + eps) */
    SEGUE_GATED_NORM_LAYER = 1, /* kind: (x - mean x) / sqrt(variance x + eps) */
    SEGUE_GATED_NORM_SILU = 0, /* gate: z sigmoid(z) */
    SEGUE_GATED_NORM_SIGMOID = 1 /* gate: sigmoid(z) */
};

/* Gated normalisation; state-spaces/mamba mamba_ssm/ops/triton/layernorm_gated.py */
typedef struct segue_gated_norm {
    segue_op_header header;
    segue_tensor x; /* [b t h d] mixed: input */
    segue_tensor z; /* [b t h d] activation?: gate; absent: none */
    segue_tensor weight; /* [h d] weight?: multiplies what is normalised */
    segue_tensor bias; /* [h d] weight?: added behind weight */
    segue_tensor cu_seqlens; /* [s+1] i32?: offsets of packed sequences, clamped to [0, t]; then b = 1; other tokens are left alone */
    segue_tensor y; /* [b t h d] activation: output */
    int64_t kind; /* default 0: what is divided out, over d */
    int64_t gate; /* default 0: act in act(z) */
    int64_t norm_before_gate; /* default 0: 0: norm(x act(z)); 1: norm(x) act(z) */
    double eps; /* default 1.0000000000000001e-05: added to the mean of squares, or the variance */
} segue_gated_norm;

static inline segue_gated_norm segue_gated_norm_init(void)
{
    segue_gated_norm op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_GATED_NORM_SIZE_1;
    op.header.primitive = SEGUE_GATED_NORM;
    op.header.revision = 1;
    op.eps = 1.0000000000000001e-05;
    return op;
}

enum {
    SEGUE_ATTENTION = 12,
    SEGUE_ATTENTION_SIZE_1 = 2704,
    SEGUE_ATTENTION_BOTTOM_RIGHT = 0, /* align: the last query stands at the last key */
    SEGUE_ATTENTION_TOP_LEFT = 1, /* align: q_offset, else 0 */
    SEGUE_ATTENTION_RAW = 0, /* key_norm: nothing */
    SEGUE_ATTENTION_UNIT = 1, /* key_norm: k / sqrt(sum k^2 + key_eps * its width); a zero key stays zero */
    SEGUE_ATTENTION_NORMAL = 0, /* self_rule: as any other */
    SEGUE_ATTENTION_CONSTANT = 1 /* self_rule: self_value */
};

/* Softmax attention; arXiv:1706.03762 eq. 1; arXiv:2205.14135; Dao-AILab/flash-attention; arXiv:2001.04451 */
typedef struct segue_attention {
    segue_op_header header;
    segue_tensor q; /* [b n h k] activation: query */
    segue_tensor k; /* [b m j k] mixed: key */
    segue_tensor v; /* [b m j v] mixed: value */
    segue_tensor cu_seqlens; /* [s+1] i32?: offsets of packed sequences of queries, clamped to [0, t]; then b = 1 */
    segue_tensor cu_seqlens_k; /* [s+1] i32?: those of their keys, clamped to [0, c]; may be cu_seqlens itself */
    segue_tensor k_len; /* [b] i32?: key rows of a batch row, clamped to [0, m]; the others are never read */
    segue_tensor keep; /* [b m] i32?: 0 = this key row is masked */
    segue_tensor keep_q; /* [b n] i32?: 0 = this query row sees nothing */
    segue_tensor q_offset; /* [b] i32?: TOP_LEFT: position of the first query; absent = 0 */
    segue_tensor q_pos; /* [b n] i32?: position of a query row */
    segue_tensor k_pos; /* [b m] i32?: position of a key row */
    segue_tensor q_index; /* [b h t] i32?: item of a query slot; its row is this modulo n; < 0: none */
    segue_tensor k_index; /* [b j c] i32?: item of a key slot; its row is this modulo m; < 0: none */
    segue_tensor o_index; /* [b h t] i32?: row of y and lse that a slot writes; outside [0, e): none; no row twice */
    segue_tensor label; /* [b h e] i32?: label of an item (a slot without an index); items outside [0, e) have none and see no other */
    segue_tensor bias; /* [b h t c] weight?: added to the score; -inf masks */
    segue_tensor slopes; /* [h] weight?: ALiBi */
    segue_tensor sink; /* [h] weight?: one more logit in the denominator; no key, no value */
    segue_tensor y; /* [b e h v] mixed: output */
    segue_tensor lse; /* [b e h] state?: natural log of the denominator */
    int64_t causal; /* default 1: 1: keys up to the query's position; 0: all */
    int64_t align; /* default 0: position of the first query, where nothing else says it */
    int64_t window_left; /* default -1: positions before the query's; -1 = all */
    int64_t window_right; /* default -1: positions behind the query's; -1 = all */
    int64_t chunk; /* default 0: slots of a chunk; the last may be shorter; 0 = none */
    int64_t chunks_before; /* default 1: chunks seen before a query's own */
    int64_t chunks_after; /* default 0: chunks seen behind it */
    int64_t wrap; /* default 1: 1: chunk numbers modulo their number; 0: chunks beyond the ends do not exist */
    int64_t key_norm; /* default 0: what is done to a key before the product */
    int64_t self_rule; /* default 0: score between equal positions */
    int64_t max_seqlen; /* default 0: longest packed sequence of queries; 0 = t */
    int64_t max_seqlen_k; /* default 0: that of keys; 0 = c */
    double scale; /* default 0: multiplies q . k; 0 = 1 / sqrt(width of a key) */
    double softcap; /* default 0: bounds the scaled product; 0 = none */
    double key_eps; /* default 0: of key_norm UNIT */
    double self_value; /* default -100000: of self_rule CONSTANT */
} segue_attention;

static inline segue_attention segue_attention_init(void)
{
    segue_attention op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_ATTENTION_SIZE_1;
    op.header.primitive = SEGUE_ATTENTION;
    op.header.revision = 1;
    op.causal = 1;
    op.window_left = -1;
    op.window_right = -1;
    op.chunks_before = 1;
    op.wrap = 1;
    op.self_value = -100000;
    return op;
}

enum {
    SEGUE_ATTENTION_MERGE = 13,
    SEGUE_ATTENTION_MERGE_SIZE_1 = 664
};

/* Merge of attention parts; arXiv:2501.01005; arXiv:2310.01889; arXiv:2408.04093 */
typedef struct segue_attention_merge {
    segue_op_header header;
    segue_tensor o; /* [r b t h v] mixed: output of each part */
    segue_tensor lse; /* [r b t h] state: natural log of each part's denominator; -inf = empty */
    segue_tensor log_weight; /* [r b t h] gate?: natural log of a factor on each part's denominator and numerator */
    segue_tensor y; /* [b t h v] activation: output over all keys */
    segue_tensor lse_out; /* [b t h] state?: natural log of the denominator over all keys */
    int64_t plus_inf_empty; /* default 0: 1: an lse of +inf means an empty part, too (FlashAttention-2) */
} segue_attention_merge;

static inline segue_attention_merge segue_attention_merge_init(void)
{
    segue_attention_merge op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_ATTENTION_MERGE_SIZE_1;
    op.header.primitive = SEGUE_ATTENTION_MERGE;
    op.header.revision = 1;
    return op;
}

enum {
    SEGUE_ROTARY = 14,
    SEGUE_ROTARY_SIZE_1 = 720,
    SEGUE_ROTARY_HALF = 0, /* pairing: i and i + rotary_dim/2 */
    SEGUE_ROTARY_INTERLEAVED = 1, /* pairing: 2i and 2i + 1 */
    SEGUE_ROTARY_STANDARD = 0, /* frequencies: -2i / rotary_dim */
    SEGUE_ROTARY_RETNET = 1 /* frequencies: -i / (rotary_dim/2 - 1) */
};

/* Rotary position embedding; arXiv:2104.09864 eq. 34; arXiv:2212.10554 eq. 12; arXiv:2307.08621 */
typedef struct segue_rotary {
    segue_op_header header;
    segue_tensor x; /* [b t h d] activation: input */
    segue_tensor pos; /* [b t] i32?: position of a token; absent: position + t */
    segue_tensor cos; /* [b t r] weight?: cosine of each pair's angle; stride 0 over b where rows share them */
    segue_tensor sin; /* [b t r] weight?: sine of each pair's angle */
    segue_tensor y; /* [b t h d] activation: output */
    int64_t pairing; /* default 0: the two channels of pair i */
    int64_t rotary_dim; /* default 0: channels that turn, even, at most d; 0 = d */
    int64_t frequencies; /* default 0: exponent of base for pair i */
    int64_t position; /* default 0: of the first token, without pos */
    int64_t xpos_shift; /* default 0: added to the position in the exponent of xPos */
    int64_t xpos_inverse; /* default 0: 1: divide by the scale of xPos, as for keys */
    double base; /* default 10000: of the angles */
    double xpos_base; /* default 0: of the scale of xPos (512 in the paper); 0 = no scale */
} segue_rotary;

static inline segue_rotary segue_rotary_init(void)
{
    segue_rotary op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_ROTARY_SIZE_1;
    op.header.primitive = SEGUE_ROTARY;
    op.header.revision = 1;
    op.base = 10000;
    return op;
}

enum {
    SEGUE_LSH_BUCKETS = 15,
    SEGUE_LSH_BUCKETS_SIZE_1 = 1056
};

/* LSH buckets and their sort; arXiv:2001.04451 section 2; google/trax efficient_attention.py; huggingface/transformers modeling_reformer.py */
typedef struct segue_lsh_buckets {
    segue_op_header header;
    segue_tensor x; /* [b t h k] activation?: shared query and key, neither normalised nor rotated */
    segue_tensor R; /* [h k r f] weight?: rotations of the first factor; shared by heads: stride 0 */
    segue_tensor R_2; /* [h k r g] weight?: those of the second factor; absent: one factor */
    segue_tensor keep; /* [b t] i32?: 0 = padding; matters with pad_bucket only */
    segue_tensor bucket_in; /* [b h r t] i32?: buckets given instead, offset of the round included; clamped to the round's stride */
    segue_tensor bucket; /* [b h r t] i32?: bucket of an item, offset of the round included */
    segue_tensor perm; /* [b h r t] i32: item in a slot of the sorted order */
    segue_tensor inverse; /* [b h r t] i32?: slot of an item */
    int64_t pad_bucket; /* default 0: 1: masked tokens go to a bucket of their own behind all others */
    int64_t bucket_stride; /* default 0: between rounds; 0 = number of buckets and pad_bucket; smaller is refused */
} segue_lsh_buckets;

static inline segue_lsh_buckets segue_lsh_buckets_init(void)
{
    segue_lsh_buckets op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_LSH_BUCKETS_SIZE_1;
    op.header.primitive = SEGUE_LSH_BUCKETS;
    op.header.revision = 1;
    return op;
}

enum {
    SEGUE_LSH_ATTENTION = 16,
    SEGUE_LSH_ATTENTION_SIZE_1 = 1376
};

/* LSH attention; arXiv:2001.04451; google/trax efficient_attention.py; huggingface/transformers modeling_reformer.py; lucidrains/reformer-pytorch */
typedef struct segue_lsh_attention {
    segue_op_header header;
    segue_tensor x; /* [b t h k] activation: shared query and key, neither normalised nor rotated */
    segue_tensor v; /* [b t h v] activation: value */
    segue_tensor R; /* [h k r f] weight?: rotations of the first factor; shared by heads: stride 0 */
    segue_tensor R_2; /* [h k r g] weight?: those of the second factor; absent: one factor */
    segue_tensor bucket_in; /* [b h r t] i32?: buckets given instead, offset of the round included */
    segue_tensor keep; /* [b t] i32?: 0 = padding: masked as a key, and in a bucket of its own with pad_bucket */
    segue_tensor y; /* [b t h v] activation: output */
    segue_tensor lse; /* [b t h] state?: natural log of the denominator over all rounds */
    segue_tensor round_y; /* [b r t h v] mixed?: output of each round */
    segue_tensor round_lse; /* [b r t h] state?: natural log of each round's denominator */
    int64_t chunk; /* default 64: slots of a chunk of the sorted order */
    int64_t chunks_before; /* default 1: chunks seen before a query's own */
    int64_t chunks_after; /* default 0: chunks seen behind it */
    int64_t causal; /* default 1: 1: keys up to the query's token; 0: all */
    int64_t same_bucket; /* default 0: 1: only keys of the query's bucket and round */
    int64_t pad_bucket; /* default 0: 1: masked tokens go to a bucket of their own */
    int64_t bucket_stride; /* default 0: between rounds; 0 = number of buckets and pad_bucket */
    double scale; /* required: multiplies x . key: 1 (Trax, transformers), 1 / sqrt(width) (lucidrains) */
    double key_eps; /* default 9.9999999999999995e-07: added to the mean square of a key */
    double self_value; /* default -100000: score of a token with itself */
} segue_lsh_attention;

static inline segue_lsh_attention segue_lsh_attention_init(void)
{
    segue_lsh_attention op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_LSH_ATTENTION_SIZE_1;
    op.header.primitive = SEGUE_LSH_ATTENTION;
    op.header.revision = 1;
    op.chunk = 64;
    op.chunks_before = 1;
    op.causal = 1;
    op.key_eps = 9.9999999999999995e-07;
    op.self_value = -100000;
    return op;
}

enum {
    SEGUE_ODE_CELL = 17,
    SEGUE_ODE_CELL_SIZE_1 = 5848,
    SEGUE_ODE_CELL_LTC = 0, /* cell: liquid time-constant, semi-implicit steps */
    SEGUE_ODE_CELL_CFC = 1, /* cell: closed-form continuous-time, gated */
    SEGUE_ODE_CELL_CFC_NO_GATE = 2, /* cell: the gate goes over f2 only */
    SEGUE_ODE_CELL_CFC_PURE = 3, /* cell: the closed form itself */
    SEGUE_ODE_CELL_CM_OVER_DT = 0, /* kappa: cm / (D / unfolds) (ncps) */
    SEGUE_ODE_CELL_CM_OVER_DT_PLUS1 = 1, /* kappa: cm / ((D + 1) / unfolds) (raminmh/CfC) */
    SEGUE_ODE_CELL_CM_DIRECT = 2, /* kappa: cm (raminmh/liquid_time_constant_networks) */
    SEGUE_ODE_CELL_FREE = 0, /* constraint: nothing: they are taken as they are */
    SEGUE_ODE_CELL_SOFTPLUS = 1, /* constraint: softplus */
    SEGUE_ODE_CELL_CLIP = 2, /* constraint: [1e-5, 1000], cm [1e-6, 1000] */
    SEGUE_ODE_CELL_BACKBONE_LECUN_TANH = 0, /* activation: 1.7159 tanh(0.666 x) */
    SEGUE_ODE_CELL_BACKBONE_TANH = 1, /* activation: tanh */
    SEGUE_ODE_CELL_BACKBONE_RELU = 2, /* activation: max(x, 0) */
    SEGUE_ODE_CELL_BACKBONE_GELU = 3, /* activation: x (1 + erf(x / sqrt 2)) / 2 */
    SEGUE_ODE_CELL_BACKBONE_SILU = 4, /* activation: x sigmoid(x) */
    SEGUE_ODE_CELL_HEAD_TANH = 1, /* head_act: tanh (PyTorch) */
    SEGUE_ODE_CELL_HEAD_IDENTITY = 2, /* head_act: none (ncps in TensorFlow and Keras) */
    SEGUE_ODE_CELL_HEAD_LECUN_TANH = 3 /* head_act: 1.7159 tanh(0.666 x) (raminmh/CfC in TensorFlow) */
};

/* Liquid cells: LTC and CfC; arXiv:2006.04439; arXiv:2106.13898; mlech26l/ncps ltc_cell.py, cfc_cell.py; raminmh/CfC */
typedef struct segue_ode_cell {
    segue_op_header header;
    segue_tensor x; /* [b t d] activation: input sequence */
    segue_tensor elapsed; /* [b t] gate?: time since the step before; absent = 1; the same for all rows or steps: stride 0 */
    segue_tensor lengths; /* [b] i32?: steps of a batch row, clamped to [0, t] */
    segue_tensor cu_seqlens; /* [s+1] i32?: offsets of packed sequences, clamped to [0, t]; then b = 1 */
    segue_tensor slot; /* [s 2] i32?: pool rows to read and to write; -1 = none; (-1, -1): padding, y = 0 */
    segue_tensor h_in; /* [p n] state?: state before the first step; absent = 0 */
    segue_tensor h_out; /* [p n] state?: state after the last step; may be h_in itself */
    segue_tensor y; /* [b t f] activation: output, read from the unrounded state */
    segue_tensor h; /* [b t n] mixed?: state after each step */
    segue_tensor output_w; /* [f] weight?: output map; absent = 1 */
    segue_tensor output_b; /* [f] weight?: output map; absent = 0 */
    segue_tensor gleak; /* [n] weight?: LTC: leak conductance g */
    segue_tensor vleak; /* [n] weight?: LTC: leak potential */
    segue_tensor cm; /* [n] weight?: LTC: membrane capacitance */
    segue_tensor sigma; /* [m n] weight?: LTC: slope of a synapse, from neuron m to neuron n */
    segue_tensor mu; /* [m n] weight?: LTC: midpoint of a synapse */
    segue_tensor w; /* [m n] weight?: LTC: conductance of a synapse */
    segue_tensor E; /* [m n] weight?: LTC: reversal potential of a synapse */
    segue_tensor A; /* [m n] weight?: LTC: factor of a synapse; absent = 1; 0 times NaN is NaN */
    segue_tensor synapse_ptr; /* [n+1] i32?: LTC: where a neuron's list begins and ends in synapse_src, clamped to it; absent: all synapses */
    segue_tensor synapse_src; /* [c] i32?: LTC: source neurons, list by list; one outside [0, m): none */
    segue_tensor sensory_sigma; /* [d n] weight?: LTC: slope of a sensory synapse, from feature d to neuron n */
    segue_tensor sensory_mu; /* [d n] weight?: LTC: midpoint of a sensory synapse */
    segue_tensor sensory_w; /* [d n] weight?: LTC: conductance of a sensory synapse */
    segue_tensor sensory_E; /* [d n] weight?: LTC: reversal potential of a sensory synapse */
    segue_tensor sensory_A; /* [d n] weight?: LTC: factor of a sensory synapse; absent = 1 */
    segue_tensor sensory_ptr; /* [n+1] i32?: LTC: as synapse_ptr, of sensory synapses */
    segue_tensor sensory_src; /* [a] i32?: LTC: source features; one outside [0, d): none */
    segue_tensor input_w; /* [d] weight?: LTC: input map; absent = 1 */
    segue_tensor input_b; /* [d] weight?: LTC: input map; absent = 0 */
    segue_tensor backbone_w; /* [e z] weight?: CfC: first backbone layer, columns x then h; absent: no backbone */
    segue_tensor backbone_b; /* [e] weight?: CfC: its bias; absent = 0 */
    segue_tensor deep_w; /* [l e i] weight?: CfC: further backbone layers */
    segue_tensor deep_b; /* [l e] weight?: CfC: their biases; absent = 0 */
    segue_tensor mask; /* [n u] weight?: CfC: factor of ff1_w and ff2_w, any number; absent = 1 */
    segue_tensor ff1_w; /* [n u] weight?: CfC: head f1 */
    segue_tensor ff1_b; /* [n] weight?: CfC: its bias; absent = 0 */
    segue_tensor ff2_w; /* [n u] weight?: CfC: head f2 */
    segue_tensor ff2_b; /* [n] weight?: CfC: its bias; absent = 0 */
    segue_tensor time_a_w; /* [n u] weight?: CfC: head t_a */
    segue_tensor time_a_b; /* [n] weight?: CfC: its bias; absent = 0 */
    segue_tensor time_b_w; /* [n u] weight?: CfC: head t_b */
    segue_tensor time_b_b; /* [n] weight?: CfC: its bias; absent = 0 */
    segue_tensor w_tau; /* [n] weight?: CFC_PURE: rate */
    segue_tensor pure_A; /* [n] weight?: CFC_PURE: amplitude */
    int64_t cell; /* default 0: the cell */
    int64_t unfolds; /* default 6: LTC: solver steps of a step */
    int64_t kappa; /* default 0: LTC: what stands for cm over the solver's step */
    int64_t constraint; /* default 0: LTC: what keeps w, sensory_w, gleak and cm positive */
    int64_t activation; /* default 0: CfC: of the backbone */
    int64_t time_sign; /* default 0: CFC, CFC_NO_GATE: sign of t_a in the gate: 1 in PyTorch checkpoints, -1 in TensorFlow's; no default */
    int64_t head_act; /* default 0: CFC, CFC_NO_GATE: a; no default */
    int64_t max_seqlen; /* default 0: longest packed sequence; 0 = t */
    double eps; /* default 1e-08: LTC: added to the denominator */
} segue_ode_cell;

static inline segue_ode_cell segue_ode_cell_init(void)
{
    segue_ode_cell op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_ODE_CELL_SIZE_1;
    op.header.primitive = SEGUE_ODE_CELL;
    op.header.revision = 1;
    op.unfolds = 6;
    op.eps = 1e-08;
    return op;
}

enum {
    SEGUE_ROW_SAMPLE = 18,
    SEGUE_ROW_SAMPLE_SIZE_1 = 2880,
    SEGUE_ROW_SAMPLE_NONE = 0, /* noise: nothing */
    SEGUE_ROW_SAMPLE_PHILOX = 1, /* noise: Gumbel noise by counter */
    SEGUE_ROW_SAMPLE_UNIFORM = 2, /* noise: from draws u in (0, 1) */
    SEGUE_ROW_SAMPLE_EXPONENTIAL = 3, /* noise: from draws e > 0, exponential */
    SEGUE_ROW_SAMPLE_GUMBEL = 4, /* noise: draws as they are */
    SEGUE_ROW_SAMPLE_PROB_RAW = 0, /* confidence: probability before temperature and filters (LLaDA, Fast-dLLM) */
    SEGUE_ROW_SAMPLE_PROB_FINAL = 1, /* confidence: probability after them (Dream) */
    SEGUE_ROW_SAMPLE_MARGIN = 2, /* confidence: largest minus second probability */
    SEGUE_ROW_SAMPLE_NEGENT = 3, /* confidence: sum p ln(p + 1e-10) */
    SEGUE_ROW_SAMPLE_RANDOM = 4, /* confidence: a uniform number by counter */
    SEGUE_ROW_SAMPLE_INCLUDE_CROSSING = 0, /* nucleus: it stays (Dream) */
    SEGUE_ROW_SAMPLE_EXCLUDE_CROSSING = 1, /* nucleus: it goes (BD3-LM) */
    SEGUE_ROW_SAMPLE_KEEP_ALL = 0, /* topk_ties: all that equal the last one stay (Dream) */
    SEGUE_ROW_SAMPLE_EXACT_K = 1, /* topk_ties: smaller ids stay */
    SEGUE_ROW_SAMPLE_PLAIN = 0, /* transition: p */
    SEGUE_ROW_SAMPLE_ABSORB = 1 /* transition: one step of absorbing diffusion (MDLM) */
};

/* Sampling of masked positions; arXiv:2502.09992; ML-GSAI/LLaDA generate.py; HKUNLP/Dream; arXiv:2406.07524; arXiv:2409.02908 */
typedef struct segue_row_sample {
    segue_op_header header;
    segue_tensor logits; /* [b n v] activation: logits, or log scores up to a constant */
    segue_tensor logits_u; /* [b n v] activation?: those without the condition */
    segue_tensor x; /* [b t] i32?: tokens; absent: every position is open */
    segue_tensor row; /* [b t] i32?: row of logits of a position; outside [0, n): none; absent: its own */
    segue_tensor lo; /* [b] i32?: first position of the window; absent = 0 */
    segue_tensor hi; /* [b] i32?: position behind its last; absent = t */
    segue_tensor temperature; /* [b] weight?: absent = 1; 0 or less: no division, no noise */
    segue_tensor top_p; /* [b] weight?: nucleus */
    segue_tensor top_k; /* [b] i32?: number of tokens that stay; 0 = all */
    segue_tensor guidance; /* [b] weight?: classifier-free guidance; 0 = logits as they are */
    segue_tensor banned; /* [z] i32?: ids that are never chosen; outside [0, v): none */
    segue_tensor seed; /* [b w] i32?: of the noise: low and high word; absent = 0 */
    segue_tensor seq_id; /* [b] i32?: sequence, for the noise; absent: the batch row */
    segue_tensor pos; /* [b t] i32?: position in its sequence, for the noise; absent: t's number */
    segue_tensor step; /* [b] i32?: step, for the noise, modulo 2^24; absent = 0 */
    segue_tensor draws; /* [b t v] weight?: foreign noise, as `noise` says */
    segue_tensor move; /* [b] weight?: ABSORB: (m_t - m_s) / m_t, m the probability of a mask at a time */
    segue_tensor stay; /* [b] weight?: ABSORB: m_s / m_t */
    segue_tensor tok; /* [b t] i32: candidate */
    segue_tensor conf; /* [b t] state?: its confidence */
    segue_tensor lse; /* [b t] state?: natural log of the sum of exp(l) over what stays */
    segue_tensor logp; /* [b t] state?: ln p(tok) */
    int64_t mask_id; /* default -1: id of the mask token; -1: none */
    int64_t noise; /* default 0: what is added to l before the argmax */
    int64_t confidence; /* default 0: what conf is */
    int64_t nucleus; /* default 0: what top_p does with the token that crosses it */
    int64_t topk_ties; /* default 0: what top_k does with ties */
    int64_t transition; /* default 0: distribution that is sampled */
} segue_row_sample;

static inline segue_row_sample segue_row_sample_init(void)
{
    segue_row_sample op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_ROW_SAMPLE_SIZE_1;
    op.header.primitive = SEGUE_ROW_SAMPLE;
    op.header.revision = 1;
    op.mask_id = -1;
    return op;
}

enum {
    SEGUE_UNMASK_SELECT = 19,
    SEGUE_UNMASK_SELECT_SIZE_1 = 2736,
    SEGUE_UNMASK_SELECT_ALL = 0, /* rule: all eligible ones */
    SEGUE_UNMASK_SELECT_TOPK = 1, /* rule: the k of highest confidence (LLaDA) */
    SEGUE_UNMASK_SELECT_THRESHOLD = 2, /* rule: confidence of at least tau (Fast-dLLM) */
    SEGUE_UNMASK_SELECT_BUDGET = 3, /* rule: at most k, of at least tau (Dream, Fast-dLLM) */
    SEGUE_UNMASK_SELECT_BERNOULLI = 4, /* rule: each with probability p (Dream) */
    SEGUE_UNMASK_SELECT_GUMBEL_TOPK = 5, /* rule: k drawn without replacement by confidence (Dream) */
    SEGUE_UNMASK_SELECT_MASKGIT = 6, /* rule: all but k, by noisy log confidence */
    SEGUE_UNMASK_SELECT_FIRST_HIT = 7, /* rule: one, uniformly (BD3-LM) */
    SEGUE_UNMASK_SELECT_PHILOX = 1, /* noise: by counter */
    SEGUE_UNMASK_SELECT_UNIFORM = 2, /* noise: draws u in (0, 1) */
    SEGUE_UNMASK_SELECT_EXPONENTIAL = 3, /* noise: draws e > 0, exponential */
    SEGUE_UNMASK_SELECT_GUMBEL = 4 /* noise: draws g, Gumbel */
};

/* Choice of positions to unmask; arXiv:2502.09992; arXiv:2505.22618; HKUNLP/Dream; google-research/maskgit; arXiv:2406.07524 */
typedef struct segue_unmask_select {
    segue_op_header header;
    segue_tensor x; /* [b t] i32: tokens */
    segue_tensor tok; /* [b t] i32: candidates; below 0: none */
    segue_tensor conf; /* [b t] state?: confidence of each */
    segue_tensor lo; /* [b] i32?: first position of the window; absent = 0 */
    segue_tensor hi; /* [b] i32?: position behind its last; absent = t */
    segue_tensor k; /* [b] i32?: how many; MASKGIT: how many stay masked */
    segue_tensor steps_left; /* [b] i32?: steps to go, this one included: k is the next one's share */
    segue_tensor tau; /* [b] weight?: threshold of conf */
    segue_tensor p; /* [b] weight?: BERNOULLI: probability */
    segue_tensor temp; /* [b] weight?: GUMBEL_TOPK, MASKGIT: temperature of the choice */
    segue_tensor carry; /* [b] i32?: BUDGET: what earlier steps left of theirs; absent = 0 */
    segue_tensor seed; /* [b w] i32?: of the noise: low and high word; absent = 0 */
    segue_tensor seq_id; /* [b] i32?: sequence, for the noise; absent: the batch row */
    segue_tensor pos; /* [b t] i32?: position in its sequence, for the noise; absent: t's number */
    segue_tensor step; /* [b] i32?: step, for the noise, modulo 2^24; absent = 0 */
    segue_tensor draws; /* [b t] weight?: foreign noise, as `noise` says */
    segue_tensor x_out; /* [b t] i32: tokens with the chosen candidates; may be x itself */
    segue_tensor n_changed; /* [b] i32?: positions whose token is another one now */
    segue_tensor n_left; /* [b] i32?: positions of the window that still hold mask_id */
    segue_tensor changed; /* [b c] i32?: the first of the changed positions, rising; then -1 */
    segue_tensor carry_out; /* [b] i32?: BUDGET: for the next step; may be carry itself */
    int64_t mask_id; /* required: id of the mask token */
    int64_t rule; /* default 0: which positions */
    int64_t k_min; /* default 1: THRESHOLD: least number */
    int64_t noise; /* default 1: where random numbers come from */
} segue_unmask_select;

static inline segue_unmask_select segue_unmask_select_init(void)
{
    segue_unmask_select op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_UNMASK_SELECT_SIZE_1;
    op.header.primitive = SEGUE_UNMASK_SELECT;
    op.header.revision = 1;
    op.mask_id = -1;
    op.k_min = 1;
    op.noise = 1;
    return op;
}

enum {
    SEGUE_DIFFUSION_UNMASK = 20,
    SEGUE_DIFFUSION_UNMASK_SIZE_1 = 4184,
    SEGUE_DIFFUSION_UNMASK_NONE = 0, /* noise: nothing */
    SEGUE_DIFFUSION_UNMASK_PHILOX = 1, /* noise: Gumbel noise by counter */
    SEGUE_DIFFUSION_UNMASK_UNIFORM = 2, /* noise: from draws u in (0, 1) */
    SEGUE_DIFFUSION_UNMASK_EXPONENTIAL = 3, /* noise: from draws e > 0, exponential */
    SEGUE_DIFFUSION_UNMASK_GUMBEL = 4, /* noise: draws as they are */
    SEGUE_DIFFUSION_UNMASK_PROB_RAW = 0, /* confidence: probability before temperature and filters (LLaDA, Fast-dLLM) */
    SEGUE_DIFFUSION_UNMASK_PROB_FINAL = 1, /* confidence: probability after them (Dream) */
    SEGUE_DIFFUSION_UNMASK_MARGIN = 2, /* confidence: largest minus second probability */
    SEGUE_DIFFUSION_UNMASK_NEGENT = 3, /* confidence: sum p ln(p + 1e-10) */
    SEGUE_DIFFUSION_UNMASK_RANDOM = 4, /* confidence: a uniform number by counter */
    SEGUE_DIFFUSION_UNMASK_INCLUDE_CROSSING = 0, /* nucleus: it stays (Dream) */
    SEGUE_DIFFUSION_UNMASK_EXCLUDE_CROSSING = 1, /* nucleus: it goes (BD3-LM) */
    SEGUE_DIFFUSION_UNMASK_KEEP_ALL = 0, /* topk_ties: all that equal the last one stay (Dream) */
    SEGUE_DIFFUSION_UNMASK_EXACT_K = 1, /* topk_ties: smaller ids stay */
    SEGUE_DIFFUSION_UNMASK_PLAIN = 0, /* transition: p */
    SEGUE_DIFFUSION_UNMASK_ABSORB = 1, /* transition: one step of absorbing diffusion (MDLM) */
    SEGUE_DIFFUSION_UNMASK_ALL = 0, /* rule: all eligible ones */
    SEGUE_DIFFUSION_UNMASK_TOPK = 1, /* rule: the k of highest confidence (LLaDA) */
    SEGUE_DIFFUSION_UNMASK_THRESHOLD = 2, /* rule: confidence of at least tau (Fast-dLLM) */
    SEGUE_DIFFUSION_UNMASK_BUDGET = 3, /* rule: at most k, of at least tau (Dream, Fast-dLLM) */
    SEGUE_DIFFUSION_UNMASK_BERNOULLI = 4, /* rule: each with probability p (Dream) */
    SEGUE_DIFFUSION_UNMASK_GUMBEL_TOPK = 5, /* rule: k drawn without replacement by confidence (Dream) */
    SEGUE_DIFFUSION_UNMASK_MASKGIT = 6, /* rule: all but k, by noisy log confidence */
    SEGUE_DIFFUSION_UNMASK_FIRST_HIT = 7, /* rule: one, uniformly (BD3-LM) */
    SEGUE_DIFFUSION_UNMASK_SELECT_PHILOX = 1, /* select_noise: by counter */
    SEGUE_DIFFUSION_UNMASK_SELECT_UNIFORM = 2, /* select_noise: draws_select u in (0, 1) */
    SEGUE_DIFFUSION_UNMASK_SELECT_EXPONENTIAL = 3, /* select_noise: draws_select e > 0, exponential */
    SEGUE_DIFFUSION_UNMASK_SELECT_GUMBEL = 4 /* select_noise: draws_select g, Gumbel */
};

/* Unmasking step of text diffusion; arXiv:2502.09992; ML-GSAI/LLaDA generate.py; HKUNLP/Dream; arXiv:2505.22618; arXiv:2406.07524 */
typedef struct segue_diffusion_unmask {
    segue_op_header header;
    segue_tensor logits; /* [b n v] activation: logits, or log scores up to a constant */
    segue_tensor logits_u; /* [b n v] activation?: those without the condition */
    segue_tensor x; /* [b t] i32: tokens */
    segue_tensor row; /* [b t] i32?: row of logits of a position; outside [0, n): none; absent: its own */
    segue_tensor lo; /* [b] i32?: first position of the window; absent = 0 */
    segue_tensor hi; /* [b] i32?: position behind its last; absent = t */
    segue_tensor temperature; /* [b] weight?: absent = 1; 0 or less: no division, no noise */
    segue_tensor top_p; /* [b] weight?: nucleus */
    segue_tensor top_k; /* [b] i32?: number of tokens that stay; 0 = all */
    segue_tensor guidance; /* [b] weight?: classifier-free guidance; 0 = logits as they are */
    segue_tensor banned; /* [z] i32?: ids that are never chosen; outside [0, v): none */
    segue_tensor seed; /* [b w] i32?: of the noise: low and high word; absent = 0 */
    segue_tensor seq_id; /* [b] i32?: sequence, for the noise; absent: the batch row */
    segue_tensor pos; /* [b t] i32?: position in its sequence, for the noise; absent: t's number */
    segue_tensor step; /* [b] i32?: step, for the noise, modulo 2^24; absent = 0 */
    segue_tensor draws; /* [b t v] weight?: foreign noise of the tokens, as `noise` says */
    segue_tensor move; /* [b] weight?: ABSORB: (m_t - m_s) / m_t, m the probability of a mask at a time */
    segue_tensor stay; /* [b] weight?: ABSORB: m_s / m_t */
    segue_tensor k; /* [b] i32?: how many; MASKGIT: how many stay masked */
    segue_tensor steps_left; /* [b] i32?: steps to go, this one included: k is the next one's share */
    segue_tensor tau; /* [b] weight?: threshold of conf */
    segue_tensor p; /* [b] weight?: BERNOULLI: probability */
    segue_tensor temp; /* [b] weight?: GUMBEL_TOPK, MASKGIT: temperature of the choice */
    segue_tensor carry; /* [b] i32?: BUDGET: what earlier steps left of theirs; absent = 0 */
    segue_tensor draws_select; /* [b t] weight?: foreign noise of the choice, as `select_noise` says */
    segue_tensor x_out; /* [b t] i32: tokens with the chosen candidates; may be x itself */
    segue_tensor tok; /* [b t] i32?: candidates */
    segue_tensor conf; /* [b t] state?: their confidence */
    segue_tensor n_changed; /* [b] i32?: positions whose token is another one now */
    segue_tensor n_left; /* [b] i32?: positions of the window that still hold mask_id */
    segue_tensor changed; /* [b c] i32?: the first of the changed positions, rising; then -1 */
    segue_tensor carry_out; /* [b] i32?: BUDGET: for the next step; may be carry itself */
    int64_t mask_id; /* required: id of the mask token */
    int64_t noise; /* default 0: what is added to l before the argmax */
    int64_t confidence; /* default 0: what conf is */
    int64_t nucleus; /* default 0: what top_p does with the token that crosses it */
    int64_t topk_ties; /* default 0: what top_k does with ties */
    int64_t transition; /* default 0: distribution that is sampled */
    int64_t rule; /* default 0: which positions */
    int64_t k_min; /* default 1: THRESHOLD: least number */
    int64_t select_noise; /* default 1: where random numbers of the choice come from */
} segue_diffusion_unmask;

static inline segue_diffusion_unmask segue_diffusion_unmask_init(void)
{
    segue_diffusion_unmask op;
    memset(&op, 0, sizeof op);
    op.header.size = SEGUE_DIFFUSION_UNMASK_SIZE_1;
    op.header.primitive = SEGUE_DIFFUSION_UNMASK;
    op.header.revision = 1;
    op.mask_id = -1;
    op.k_min = 1;
    op.select_noise = 1;
    return op;
}

/* One ROW(name, level, size) a primitive and level. */
#define SEGUE_EACH_SIZE(ROW) \
    ROW(SEGUE_SELECTIVE_SCAN, 1, SEGUE_SELECTIVE_SCAN_SIZE_1) \
    ROW(SEGUE_CAUSAL_CONV1D, 1, SEGUE_CAUSAL_CONV1D_SIZE_1) \
    ROW(SEGUE_GATED_RECURRENCE, 1, SEGUE_GATED_RECURRENCE_SIZE_1) \
    ROW(SEGUE_LINEAR_ATTENTION, 1, SEGUE_LINEAR_ATTENTION_SIZE_1) \
    ROW(SEGUE_RETENTION, 1, SEGUE_RETENTION_SIZE_1) \
    ROW(SEGUE_SSD, 1, SEGUE_SSD_SIZE_1) \
    ROW(SEGUE_GATED_LINEAR_ATTENTION, 1, SEGUE_GATED_LINEAR_ATTENTION_SIZE_1) \
    ROW(SEGUE_FEATURE_MAP, 1, SEGUE_FEATURE_MAP_SIZE_1) \
    ROW(SEGUE_GATE_PREP, 1, SEGUE_GATE_PREP_SIZE_1) \
    ROW(SEGUE_L2_NORM, 1, SEGUE_L2_NORM_SIZE_1) \
    ROW(SEGUE_GATED_NORM, 1, SEGUE_GATED_NORM_SIZE_1) \
    ROW(SEGUE_ATTENTION, 1, SEGUE_ATTENTION_SIZE_1) \
    ROW(SEGUE_ATTENTION_MERGE, 1, SEGUE_ATTENTION_MERGE_SIZE_1) \
    ROW(SEGUE_ROTARY, 1, SEGUE_ROTARY_SIZE_1) \
    ROW(SEGUE_LSH_BUCKETS, 1, SEGUE_LSH_BUCKETS_SIZE_1) \
    ROW(SEGUE_LSH_ATTENTION, 1, SEGUE_LSH_ATTENTION_SIZE_1) \
    ROW(SEGUE_ODE_CELL, 1, SEGUE_ODE_CELL_SIZE_1) \
    ROW(SEGUE_ROW_SAMPLE, 1, SEGUE_ROW_SAMPLE_SIZE_1) \
    ROW(SEGUE_UNMASK_SELECT, 1, SEGUE_UNMASK_SELECT_SIZE_1) \
    ROW(SEGUE_DIFFUSION_UNMASK, 1, SEGUE_DIFFUSION_UNMASK_SIZE_1)

#ifdef __cplusplus
}
#endif

#endif
