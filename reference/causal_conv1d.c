/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The short causal convolution by its definition (Dao-AILab/causal-conv1d causal_conv1d_interface.py; the gates
 * are LFM2's). For every sequence and channel d, with W taps of which the last meets the current token:
 *
 *     v_t = x_t pre_gate_t                                      [b t d]
 *     y_t = act(bias + sum over k < W of weight_k v_t-(W-1-k))  [b t d]
 *     y_t = y_t post_gate_t
 *
 * v_t for t < 0 comes from the state [p d l], l >= W - 1, or is 0. The state is the last l values of v, oldest
 * first: column l + t holds v_t for t < 0. With cache_seqlens = c it is a ring: column (c + t) mod l holds v_t.
 * With tags (seq_idx) a tap counts only if its token's tag is the current one's; a negative tag gives y = 0. */
#include "operands.h"

typedef struct row { /* one channel of one sequence */
    const segue_causal_conv1d *op;
    const sequence *q;
    int64_t d, length; /* of the state */
    int64_t seen;      /* tokens before the call, -1 = the state is no ring */
    const real *past;  /* [l] the state as it came in */
} row;

static int64_t state_length(const segue_causal_conv1d *op)
{
    return present(&op->h_in)    ? op->h_in.shape[2]
           : present(&op->h_out) ? op->h_out.shape[2]
                                 : op->weight.shape[1] - 1;
}

/* Where the state holds v_t. A tap may be older than the sequence: the ring is read there all the same. */
static int64_t column(const row *r, int64_t t)
{
    if (r->seen < 0) return r->length + t;
    const int64_t at = (r->seen + t) % r->length;
    return at < 0 ? at + r->length : at;
}

/* v_t: t counts from the sequence's first token, negative = before the call. */
static real input(const row *r, int64_t t)
{
    const segue_causal_conv1d *op = r->op;
    if (t < 0) return r->past[column(r, t)];
    const real x = load(&op->x, r->q->b, r->q->first + t, r->d, 0);
    return present(&op->pre_gate) ? x * load(&op->pre_gate, r->q->b, r->q->first + t, r->d, 0) : x;
}

/* The tag of token t. What came before the call belongs to the first token. */
static int32_t tag(const row *r, int64_t t)
{
    return present(&r->op->seq_idx) ? load_int(&r->op->seq_idx, r->q->b, t < 0 ? 0 : t) : 0;
}

static real output(const row *r, int64_t t)
{
    const segue_causal_conv1d *op = r->op;
    const int64_t taps = op->weight.shape[1];
    const real zero = 0;
    if (r->q->padding || tag(r, t) < 0) return zero;
    real y = present(&op->bias) ? load(&op->bias, r->d, 0, 0, 0) : zero;
    for (int64_t k = 0; k < taps; k++)
        if (tag(r, t - (taps - 1 - k)) == tag(r, t))
            y = mac(y, load(&op->weight, r->d, k, 0, 0), input(r, t - (taps - 1 - k)));
    if (op->activation == SEGUE_CAUSAL_CONV1D_SILU) y = real_silu(y);
    return present(&op->post_gate) ? y * load(&op->post_gate, r->q->b, r->q->first + t, r->d, 0) : y;
}

/* h_out: the last l values of v; 0 for a token of another tag than the last one's. */
static void keep_last(const row *r)
{
    const int64_t count = r->q->count, last = count ? tag(r, count - 1) : 0;
    const real zero = 0;
    for (int64_t t = count - r->length; t < count; t++) {
        const int belongs = !count || (last >= 0 && tag(r, t) == last);
        store(&r->op->h_out, belongs ? input(r, t) : zero, r->q->write, r->d, t - count + r->length, 0);
    }
}

/* h_out: what came in, with the tokens of this call written over it in order. */
static void keep_ring(const row *r)
{
    for (int64_t c = 0; c < r->length; c++) store(&r->op->h_out, r->past[c], r->q->write, r->d, c, 0);
    for (int64_t t = 0; r->length > 0 && t < r->q->count; t++)
        store(&r->op->h_out, input(r, t), r->q->write, r->d, column(r, t), 0);
}

static void convolve(const segue_causal_conv1d *op, const sequence *q, int64_t seen, int64_t d, real *past)
{
    const row r = { op, q, d, state_length(op), seen, past };
    const int from_zero = q->read < 0 || !present(&op->h_in);
    const real zero = 0;
    for (int64_t c = 0; c < r.length; c++) past[c] = from_zero ? zero : load(&op->h_in, q->read, d, c, 0);
    for (int64_t t = 0; t < q->count; t++) {
        step();
        store(&op->y, output(&r, t), q->b, q->first + t, d, 0);
    }
    if (q->write < 0 || !present(&op->h_out)) return;
    if (seen < 0) keep_last(&r);
    else keep_ring(&r);
}

/* Numbers that segue_reference_causal_conv1d() works in. */
int64_t segue_reference_causal_conv1d_work(const segue_op_header *header)
{
    return state_length((const segue_causal_conv1d *)header);
}

void segue_reference_causal_conv1d(const segue_op_header *header, real *work)
{
    const segue_causal_conv1d *op = (const segue_causal_conv1d *)header;
    const int64_t pool = present(&op->h_in) ? op->h_in.shape[0] : op->h_out.shape[0];
    for (int64_t s = 0; s < sequence_count(&op->x, &op->cu_seqlens); s++) {
        const sequence q = sequence_at(s, &op->x, &op->cu_seqlens, &op->slot, pool);
        const int32_t given = present(&op->cache_seqlens) ? load_int(&op->cache_seqlens, s, 0) : -1;
        const int64_t seen = present(&op->cache_seqlens) && given < 0 ? 0 : given;
        for (int64_t d = 0; d < op->weight.shape[0]; d++) convolve(op, &q, seen, d, work);
    }
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)dev;
    return fits_workspace(segue_reference_causal_conv1d_work(op)) ? NULL : "weight: w is at most 2^60";
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_causal_conv1d_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_causal_conv1d(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_causal_conv1d_reference;
const segue_row segue_row_causal_conv1d_reference = {
    .name = "causal_conv1d_reference",
    .primitive = SEGUE_CAUSAL_CONV1D,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F64,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
#endif
