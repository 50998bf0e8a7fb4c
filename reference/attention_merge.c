/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Attention over the union of p disjoint sets of keys from that over each of them, by its definition (arXiv:2310.01889
 * section 3, arXiv:2501.01005 section 2.2). For every token and head, with l_p = lse_p + log_weight_p and M = max over p of l_p:
 *
 *     sum = sum over p of exp(l_p - M)
 *     y = (sum over p of exp(l_p - M) o_p) / sum       [b t h v]
 *     lse_out = M + log sum                            [b t h]
 *
 * A part of l_p = -infinity is not there: its o may hold anything. Without any part y = 0 and lse_out = -infinity. */
#include "operands.h"

/* Numbers that segue_reference_attention_merge() works in. */
int64_t segue_reference_attention_merge_work(const segue_op_header *header)
{
    (void)header;
    return 0;
}

/* load() of an element of rank 5: by its place in a tensor of one axis. */
static real load_part(const segue_tensor *o, int64_t p, int64_t b, int64_t t, int64_t h, int64_t v)
{
    segue_tensor flat = *o;
    flat.rank = 1, flat.stride[0] = 1;
    const int64_t *n = o->stride;
    return load(&flat, p * n[0] + b * n[1] + t * n[2] + h * n[3] + v * n[4], 0, 0, 0);
}

/* l of a part. masks() of it: the part is not there. One that its lse says is empty has no weight to be read. */
static real part_log(const segue_attention_merge *op, int64_t p, int64_t b, int64_t t, int64_t h)
{
    const real lse = load(&op->lse, p, b, t, h), none = -INFINITY;
    if (masks(lse) || (op->plus_inf_empty && masks(-lse))) return none;
    return present(&op->log_weight) ? lse + load(&op->log_weight, p, b, t, h) : lse;
}

/* Token (b, t) and head h. */
static void merge(const segue_attention_merge *op, int64_t b, int64_t t, int64_t h)
{
    const int64_t parts = op->lse.shape[0];
    const real zero = 0;
    real largest = -INFINITY, sum = zero;
    int64_t some = 0;
    for (int64_t p = 0; p < parts; p++) {
        const real l = part_log(op, p, b, t, h);
        if (masks(l)) continue;
        largest = some++ ? real_max(largest, l) : l;
    }
    for (int64_t p = 0; p < parts; p++) {
        const real l = part_log(op, p, b, t, h);
        if (!masks(l)) sum = sum + real_exp(l - largest);
    }
    for (int64_t v = 0; v < op->y.shape[3]; v++) {
        real all = zero;
        for (int64_t p = 0; p < parts; p++) {
            const real l = part_log(op, p, b, t, h);
            if (!masks(l)) all = all + real_exp(l - largest) * load_part(&op->o, p, b, t, h, v);
        }
        store(&op->y, some ? all / sum : zero, b, t, h, v);
    }
    if (present(&op->lse_out)) store(&op->lse_out, some ? largest + real_log(sum) : largest, b, t, h, 0);
}

void segue_reference_attention_merge(const segue_op_header *header, real *work)
{
    const segue_attention_merge *op = (const segue_attention_merge *)header;
    (void)work;
    for (int64_t b = 0; b < op->y.shape[0]; b++)
        for (int64_t t = 0; t < op->y.shape[1]; t++)
            for (int64_t h = 0; h < op->y.shape[2]; h++) merge(op, b, t, h);
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_attention_merge_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_attention_merge(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_attention_merge_reference;
const segue_row segue_row_attention_merge_reference = {
    .name = "attention_merge_reference",
    .primitive = SEGUE_ATTENTION_MERGE,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F64,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .prepare = prepare,
    .run = run,
};
#endif
