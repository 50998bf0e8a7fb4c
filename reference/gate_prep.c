/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* From raw gates to step sizes and natural-log decays. For every token, head and channel, with x' = x + bias:
 *
 *     DELTA        delta = clamp(softplus(x')), g = A delta             state-spaces/mamba, transformers mamba2 and qwen3_next
 *     LOG_SIGMOID  g = log sigmoid(x') / divisor                        fla-org/flash-linear-attention layers/gla.py
 *     HGRN2        g = log(l + (1 - l) sigmoid(x')), key = 1 - e^g      the same, layers/hgrn2.py
 *     BOUNDED      g = lower sigmoid(e^A_log x')                        the same, ops/kda/gate.py
 *     RWKV7        g = -e^(-1/2) sigmoid(x')                            BlinkDL/RWKV-LM RWKV-v7
 *     RWKV         g = -e^x'                                            RWKV-4 to 6
 *     SOFT_CAP     g = cap tanh(x' / cap)                               NX-AI/xlstm soft_cap */
#include "operands.h"

/* One gate: what it has to do with and what comes out. */
typedef struct gate {
    const segue_gate_prep *op;
    int64_t h, k;
    real x, delta, g, key;
} gate;

static void gate_delta(gate *q)
{
    const segue_gate_prep *op = q->op;
    const real low = op->dt_min, high = op->dt_max;
    real delta = op->softplus ? real_softplus(q->x) : q->x;
    delta = real_select(low - delta, low, delta); /* in this order a NaN comes through */
    if (op->dt_max < 1e30) delta = real_select(delta - high, high, delta);
    q->delta = delta;
    if (present(&op->A)) q->g = load(&op->A, q->h, 0, 0, 0) * delta;
    else if (present(&op->A_log)) q->g = -(real_exp(load(&op->A_log, q->h, 0, 0, 0)) * delta);
    else q->g = -delta;
}

static void gate_log_sigmoid(gate *q)
{
    const real divisor = q->op->divisor;
    q->g = real_log_sigmoid(q->x) / divisor;
}

/* The log by the larger of its two terms; the key without 1 - e^g, which has no digits where g is small. */
static void gate_hgrn2(gate *q)
{
    const real one = 1, l = load(&q->op->lower_bound, q->h, q->k, 0, 0);
    const real a = real_log(l), b = real_log(one - l) + real_log_sigmoid(q->x);
    q->g = real_select(a - b, a, b) - real_log_sigmoid(real_abs(a - b));
    q->key = (one - l) * real_sigmoid(-q->x);
}

static void gate_bounded(gate *q)
{
    const real lower = q->op->lower;
    q->g = lower * real_sigmoid(real_exp(load(&q->op->A_log, q->h, 0, 0, 0)) * q->x);
}

static void gate_rwkv7(gate *q)
{
    const real root = 0.60653065971263342360; /* e^(-1/2) */
    q->g = -(root * real_sigmoid(q->x));
}

static void gate_rwkv(gate *q)
{
    q->g = -real_exp(q->x);
}

static void gate_soft_cap(gate *q)
{
    const real cap = q->op->cap;
    q->g = cap * real_tanh(q->x / cap);
}

static void (*const gates[])(gate *q) = { gate_delta, gate_log_sigmoid, gate_hgrn2,   gate_bounded,
                                          gate_rwkv7, gate_rwkv,        gate_soft_cap };

int64_t segue_reference_gate_prep_work(const segue_op_header *header)
{
    (void)header;
    return 0;
}

static void prepare_gate(const segue_gate_prep *op, int64_t b, int64_t t, int64_t h, int64_t k)
{
    gate q;
    q.op = op, q.h = h, q.k = k;
    q.x = load(&op->x, b, t, h, k);
    if (present(&op->bias)) q.x = q.x + load(&op->bias, h, k, 0, 0);
    gates[op->gate](&q);
    if (present(&op->delta)) store(&op->delta, q.delta, b, t, h, k);
    if (present(&op->g)) store(&op->g, q.g, b, t, h, k);
    if (present(&op->key)) store(&op->key, q.key, b, t, h, k);
}

void segue_reference_gate_prep(const segue_op_header *header, real *work)
{
    const segue_gate_prep *op = (const segue_gate_prep *)header;
    (void)work;
    for (int64_t b = 0; b < op->x.shape[0]; b++)
        for (int64_t t = 0; t < op->x.shape[1]; t++)
            for (int64_t h = 0; h < op->x.shape[2]; h++)
                for (int64_t k = 0; k < op->x.shape[3]; k++) prepare_gate(op, b, t, h, k);
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_gate_prep_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_gate_prep(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_gate_prep_reference;
const segue_row segue_row_gate_prep_reference = {
    .name = "gate_prep_reference",
    .primitive = SEGUE_GATE_PREP,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F64,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .prepare = prepare,
    .run = run,
};
#endif
