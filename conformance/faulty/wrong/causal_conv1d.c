/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plain convolution in f32 with one flaw a row. Without any it gives the bits of the right plugin's
 * causal_conv1d_gather. */
#include "wrong.h"

#define FLAWS(FLAW)          \
    FLAW(last_unwritten)     \
    FLAW(past_end)           \
    FLAW(holes_written)      \
    FLAW(workspace_read)     \
    FLAW(workspace_over)     \
    FLAW(output_read)        \
    FLAW(larger_kept)        \
    FLAW(offset_wraps)       \
    FLAW(step_taps_reversed) \
    FLAW(tags_ignored)       \
    FLAW(ring_off_by_one)    \
    FLAW(history_leaks)      \
    FLAW(silu_approximated)  \
    FLAW(long_skipped)       \
    FLAW(refused_late)       \
    FLAW(plan_caches_w)      \
    FLAW(static_scratch)     \
    FLAW(slot_clamp_high)

#define NAMED(name) CONV_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

enum { LONG = 128, SHORT = 16, TILE = 8 };

struct conv { /* a sequence */
    const segue_causal_conv1d *op;
    const segue_kit_call *call;
    enum flaw flaw;
    span q;
    int64_t length, seen; /* columns of a state; tokens before it where it is a ring, else -1 */
    float *past;          /* [d length] */
    const float *spare;   /* behind it in the workspace, never written */
    struct kept *kept;    /* of plan_caches_w and static_scratch; else NULL */
};

/* Addresses of activations in 32 bits, from where the operand's memory begins. Signed they would leave it. */
static void *address(const struct conv *c, const segue_tensor *t, int64_t i, int64_t j, int64_t k)
{
    const uint64_t byte = t->offset + (uint64_t)(index_of(t, i, j, k, 0) * (t->dtype.bits / 8));
    return (char *)t->data + (c->flaw == CONV_offset_wraps ? (uint32_t)byte : byte);
}

static float activation_at(const struct conv *c, const segue_tensor *t, int64_t token, int64_t d)
{
    return load_bytes(t, address(c, t, c->q.b, token, d));
}

static int64_t column(const struct conv *c, int64_t t)
{
    const int64_t ring = c->flaw == CONV_ring_off_by_one && c->length > 1 ? c->length - 1 : c->length;
    if (c->seen < 0) return c->length + t;
    return ((c->seen + t) % ring + ring) % ring;
}

/* v_t of channel d; t counts from the sequence's first token. */
static float source(const struct conv *c, int64_t t, int64_t d)
{
    const segue_causal_conv1d *op = c->op;
    const int leaks = c->flaw == CONV_history_leaks && given(&op->cu_seqlens) && c->q.first + t >= 0;
    if (t < 0 && !leaks) return c->past[d * c->length + column(c, t)];
    const float x = activation_at(c, &op->x, c->q.first + t, d);
    return given(&op->pre_gate) ? x * activation_at(c, &op->pre_gate, c->q.first + t, d) : x;
}

static int32_t tag(const struct conv *c, int64_t t)
{
    const int tagged = given(&c->op->seq_idx) && c->flaw != CONV_tags_ignored;
    return tagged ? load_int(&c->op->seq_idx, c->q.b, t < 0 ? 0 : t) : 0;
}

static float silu(const struct conv *c, int64_t t, float x)
{
    float e = 1 - x / 256; /* exp(-x) as (1 - x / 256)^256: 1e-3 where it matters */
    if (c->flaw != CONV_silu_approximated || t >= c->q.count - c->q.count % TILE || fabsf(x) > 16)
        return x / (1 + expf(-x));
    for (int i = 0; i < 8; i++) e *= e;
    return x / (1 + e);
}

static float weight_of(const struct conv *c, int64_t d, int64_t k)
{
    const segue_tensor *weight = &c->op->weight;
    if (c->kept) return c->kept->x[d * weight->shape[1] + k];
    return load(weight, d, k, 0, 0);
}

static float output(const struct conv *c, int64_t t, int64_t d)
{
    const segue_causal_conv1d *op = c->op;
    const int64_t taps = op->weight.shape[1];
    float y = given(&op->bias) ? load(&op->bias, d, 0, 0, 0) : 0;
    if (c->q.padding || tag(c, t) < 0) return 0;
    if (c->flaw == CONV_workspace_read) y += 0 * *c->spare;
    for (int64_t k = 0; k < taps; k++) {
        const int64_t from = t - (taps - 1 - k);
        const int turned = c->flaw == CONV_step_taps_reversed && c->q.count == 1;
        if (tag(c, from) == tag(c, t)) y += weight_of(c, d, turned ? taps - 1 - k : k) * source(c, from, d);
    }
    if (op->activation == SEGUE_CAUSAL_CONV1D_SILU) y = silu(c, t, y);
    if (c->flaw == CONV_refused_late || !given(&op->post_gate)) return y;
    return y * activation_at(c, &op->post_gate, c->q.first + t, d);
}

/* Zeros behind the channels of a row, up to a whole vector of four, as long as they lie within the operand. */
static void fill_vector(const struct conv *c, int64_t token)
{
    const segue_tensor *y = &c->op->y;
    const uint64_t size = y->dtype.bits / 8,
                   end = (uint64_t)((char *)address(c, y, c->q.b, token, y->shape[2] - 1) - (char *)y->data) +
                         size;
    for (uint64_t lane = 0; y->stride[2] == 1 && (y->shape[2] + (int64_t)lane) % 4; lane++)
        if (end + (lane + 1) * size <= y->bytes) memset((char *)y->data + end + lane * size, 0, size);
}

static void write_output(const struct conv *c, int64_t t, int64_t d, float value)
{
    const segue_tensor *y = &c->op->y;
    char *to = address(c, y, c->q.b, c->q.first + t, d);
    const int last = c->q.b == y->shape[0] - 1 && c->q.first + t == y->shape[1] - 1 && d == y->shape[2] - 1;
    if (c->flaw == CONV_last_unwritten && last) return;
    if (c->flaw == CONV_output_read) value += 0 * load_bytes(y, to);
    if (c->flaw == CONV_larger_kept) value = fmaxf(value, load_bytes(y, to)); /* NaN loses */
    store_bytes(y, to, value);
    if (c->flaw == CONV_past_end && last) memset(to + y->dtype.bits / 8, 0, y->dtype.bits / 8);
}

static void keep(const struct conv *c, int64_t d)
{
    const segue_tensor *h = &c->op->h_out;
    const int64_t count = c->q.count, last = count ? tag(c, count - 1) : 0;
    if (c->seen >= 0) {
        for (int64_t i = 0; i < c->length; i++) store(h, c->past[d * c->length + i], c->q.write, d, i, 0);
        for (int64_t t = 0; c->length > 0 && t < count; t++)
            store(h, source(c, t, d), c->q.write, d, column(c, t), 0);
        return;
    }
    for (int64_t t = count - c->length; t < count; t++) {
        const int belongs = !count || (last >= 0 && tag(c, t) == last);
        store(h, belongs ? source(c, t, d) : 0, c->q.write, d, t - count + c->length, 0);
    }
}

/* workspace_over: a byte behind the workspace says whether a pool that starts at zero was cleared before. */
static int is_cleared(const struct conv *c)
{
    const segue_buffer *w = &c->call->workspace;
    unsigned char *flag = (unsigned char *)w->data + w->bytes, before;
    if (c->flaw != CONV_workspace_over) return 0;
    before = *flag;
    *flag = 1;
    return before != 0;
}

static void begin(const struct conv *c)
{
    const int from_zero = c->q.read < 0 || !given(&c->op->h_in);
    if (from_zero && is_cleared(c)) return;
    for (int64_t i = 0; i < c->op->weight.shape[0] * c->length; i++)
        c->past[i] = from_zero ? 0 : load(&c->op->h_in, c->q.read, i / c->length, i % c->length, 0);
}

/* Tokens 0 to count - 1. */
static void convolve(const struct conv *c, int64_t count)
{
    for (int64_t t = 0; t < count; t++) {
        for (int64_t d = 0; d < c->op->weight.shape[0]; d++) write_output(c, t, d, output(c, t, d));
        if (c->flaw == CONV_holes_written) fill_vector(c, c->q.first + t);
    }
}

static int64_t state_length(const segue_causal_conv1d *op)
{
    if (given(&op->h_in)) return op->h_in.shape[2];
    return given(&op->h_out) ? op->h_out.shape[2] : op->weight.shape[1] - 1;
}

static float shared[SHARED]; /* of static_scratch: packed weights of every run */

static segue_status conv(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    struct conv c = { .op = (const segue_causal_conv1d *)header, .call = call, .flaw = flaw };
    const segue_causal_conv1d *op = c.op;
    struct kept packed = { .x = shared };
    const int late = flaw == CONV_refused_late && given(&op->post_gate) && op->x.shape[1] > SHORT;
    if (flaw == CONV_long_skipped && op->x.shape[1] > LONG) return SEGUE_OK;
    c.length = state_length(op);
    c.past = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    c.spare = c.past + op->weight.shape[0] * c.length;
    if (flaw == CONV_static_scratch && op->weight.shape[0] * op->weight.shape[1] <= SHARED)
        kept_fill(c.kept = &packed, &op->weight);
    if (flaw == CONV_plan_caches_w) kept_fill(c.kept = (struct kept *)(uintptr_t)call->data, &op->weight);
    for (int64_t s = 0; s < span_count(&op->x, &op->cu_seqlens); s++) {
        c.q = span_of(s, &op->x, &op->cu_seqlens, &op->slot, given(&op->h_in) ? &op->h_in : &op->h_out);
        if (flaw == CONV_slot_clamp_high)
            clamp_high(&c.q, s, &op->slot, given(&op->h_in) ? &op->h_in : &op->h_out);
        c.seen = given(&op->cache_seqlens) ? clamped(load_int(&op->cache_seqlens, s, 0), INT32_MAX) : -1;
        begin(&c);
        convolve(&c, late ? c.q.count / 2 : c.q.count);
        if (late) continue;
        for (int64_t d = 0; d < op->weight.shape[0] && given(&op->h_out) && c.q.write >= 0; d++) keep(&c, d);
    }
    if (!late) return SEGUE_OK;
    return segue_kit_fail(call->why, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_RUN, 5,
                          "post_gate: not in this kernel");
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return has_f64(header, offsetof(segue_causal_conv1d, x), offsetof(segue_causal_conv1d, y))
               ? "x: no operand may be f64"
               : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_causal_conv1d *op = (const segue_causal_conv1d *)header;
    (void)dev;
    plan->workspace_bytes = (uint64_t)(op->weight.shape[0] * state_length(op) + 1) * sizeof(float);
    return kept_make(op->weight.shape[0] * op->weight.shape[1], plan, why);
}

#define ROW(flaw) WRONG_ROW(causal_conv1d, SEGUE_CAUSAL_CONV1D, flaw, conv, CONV_##flaw)
FLAWS(ROW)
