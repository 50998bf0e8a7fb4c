/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plain scan in f32, token after token, with one flaw a row. Without any it gives the bits of the right plugin's
 * selective_scan_sequential. */
#include "wrong.h"

#define FLAWS(FLAW)              \
    FLAW(state_ignored_alone)    \
    FLAW(state_of_padded_tail)   \
    FLAW(bf16_state)             \
    FLAW(carry_lost)             \
    FLAW(group_modulo)           \
    FLAW(exp_biased)             \
    FLAW(z_packed)               \
    FLAW(token_ahead)            \
    FLAW(tail_skipped)           \
    FLAW(scaled)                 \
    FLAW(slot_not_cleared)       \
    FLAW(slots_start_at_zero)    \
    FLAW(input_modified)         \
    FLAW(tf32_inputs)            \
    FLAW(f16_sums)               \
    FLAW(run_differs)            \
    FLAW(threads_differ)         \
    FLAW(batch_dependent)        \
    FLAW(nan_masked)             \
    FLAW(empty_sequence_cleared) \
    FLAW(plan_caches_a)          \
    FLAW(static_scratch)         \
    FLAW(slot_clamp_high)        \
    FLAW(dtype_D)

#define NAMED(name) SCAN_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

struct scan {
    const segue_selective_scan *op;
    enum flaw flaw;
    int odd_run, fast; /* fast: exp by a cubic */
    span q;
    float *x;          /* [d n] states of the sequence */
    struct kept *kept; /* of plan_caches_a */
};

/* 2^f as a cubic over [0, 1): 1e-4 at worst. */
static float quick_exp(float x)
{
    const float scaled = x * 1.44269504f, whole = floorf(scaled), f = scaled - whole;
    return ldexpf(1 + f * (0.6951786f + f * (0.2275630f + f * 0.0772584f)), (int)whole);
}

static float decay_of(const struct scan *s, float delta, int64_t d, int64_t n)
{
    const float a =
        s->flaw == SCAN_plan_caches_a ? s->kept->x[d * s->op->A.shape[1] + n] : load(&s->op->A, d, n, 0, 0);
    if (s->flaw == SCAN_input_modified) return exp2f(delta * a); /* which prescale() has made ready */
    if (s->fast && fabsf(delta * a) < 80) return quick_exp(delta * a);
    return s->flaw == SCAN_exp_biased ? expf(delta * a) * (1 + 0x1p-12f) : expf(delta * a);
}

static float input_of(const struct scan *s, const segue_tensor *t, int64_t token, int64_t k, int64_t l)
{
    const float x = load(t, s->q.b, token, k, l);
    return s->flaw == SCAN_tf32_inputs ? shortened(x, 11, -200) : x;
}

static float stored_sum(const struct scan *s, float x)
{
    return s->flaw == SCAN_f16_sums ? to_f16(x) : x;
}

static float state_kept(const struct scan *s, float x)
{
    return s->flaw == SCAN_bf16_state ? to_bf16(x) : stored_sum(s, x);
}

static int64_t group_of(const struct scan *s, int64_t d, int64_t groups)
{
    return s->flaw == SCAN_group_modulo ? d % groups : d / (s->op->A.shape[0] / groups);
}

static float b_of(const struct scan *s, int64_t t, int64_t g, int64_t n)
{
    const float now = input_of(s, &s->op->B, t, g, n);
    if (s->flaw != SCAN_token_ahead || t + 1 >= s->q.first + s->q.count) return now;
    return now + 0x1p-10f * (load(&s->op->B, s->q.b, t + 1, g, n) - now);
}

/* z as if it had no gaps: an index into its bytes from the lowest on. */
static float z_of(const struct scan *s, int64_t t, int64_t d)
{
    const segue_tensor *z = &s->op->z;
    const int64_t size = z->dtype.bits / 8;
    int64_t lowest = (int64_t)z->offset;
    if (s->flaw != SCAN_z_packed) return load(z, s->q.b, t, d, 0);
    for (int axis = 0; axis < 3; axis++)
        if (z->stride[axis] < 0) lowest += (z->shape[axis] - 1) * z->stride[axis] * size;
    const int64_t at = lowest + ((s->q.b * z->shape[1] + t) * z->shape[2] + d) * size;
    return load_bytes(z, (char *)z->data + clamped(at, (int64_t)z->bytes - size));
}

static float delta_of(const struct scan *s, float raw)
{
    if (!s->op->softplus) return raw;
    return raw > 20 ? raw : log1pf(expf(raw));
}

static float bias_of(const struct scan *s, int64_t d)
{
    return given(&s->op->delta_bias) ? load(&s->op->delta_bias, d, 0, 0, 0) : 0;
}

/* dtype_D: where there is one token, its bytes as numbers of u's dtype. Of a wider one they all lie within the operand. */
static float skip_of(const struct scan *s, int64_t d)
{
    segue_tensor D = s->op->D;
    if (s->flaw != SCAN_dtype_D || s->q.count != 1 || D.dtype.bits < s->op->u.dtype.bits)
        return load(&D, d, 0, 0, 0);
    const char *at = place_of(&D, d, 0, 0, 0);
    D.dtype = s->op->u.dtype;
    return load_bytes(&D, at);
}

static void token(struct scan *s, int64_t t, int64_t d)
{
    const segue_selective_scan *op = s->op;
    const int64_t states = op->A.shape[1];
    const int64_t g = group_of(s, d, op->B.shape[2]), j = group_of(s, d, op->C.shape[2]);
    const float delta = delta_of(s, load(&op->delta, s->q.b, t, d, 0) + bias_of(s, d));
    const float u = input_of(s, &op->u, t, d, 0), write = delta * u;
    float *x = s->x + d * states, y = 0;
    for (int64_t n = 0; n < states; n++) {
        x[n] = state_kept(s, decay_of(s, delta, d, n) * x[n] + write * b_of(s, t, g, n));
        y = stored_sum(s, y + input_of(s, &op->C, t, j, n) * x[n]);
    }
    if (given(&op->D)) y += skip_of(s, d) * u;
    if (given(&op->z)) {
        const float z = z_of(s, t, d);
        y *= z / (1 + expf(-z));
    }
    if (s->flaw == SCAN_nan_masked && s->q.padding) y *= 0;
    store(&op->y, s->flaw == SCAN_scaled ? 0.999f * y : y, s->q.b, t, d, 0);
}

/* Where the state before the first token comes from: a row of h_in, or -1. */
static int64_t row_read(const struct scan *s, int64_t sequences)
{
    if (!given(&s->op->h_in)) return -1;
    if (s->flaw == SCAN_state_ignored_alone && sequences == 1) return -1;
    if (s->flaw == SCAN_slots_start_at_zero && given(&s->op->slot)) return -1;
    if (s->flaw == SCAN_slot_not_cleared && s->q.read < 0) return 0;
    return s->q.read;
}

/* nan_masked: what must not be there is multiplied by 0, the row that was not asked for and the state of the sequence before. */
static void begin(struct scan *s, int64_t sequences, int64_t number)
{
    const int64_t states = s->op->A.shape[1], row = row_read(s, sequences);
    const int masked = s->flaw == SCAN_nan_masked;
    for (int64_t i = 0; i < s->op->A.shape[0] * states; i++) {
        const float old = masked && number > 0 && given(&s->op->cu_seqlens) ? 0 * s->x[i] : 0;
        if (row >= 0) s->x[i] = old + load(&s->op->h_in, row, i / states, i % states, 0);
        else if (masked && given(&s->op->h_in))
            s->x[i] = old + 0 * load(&s->op->h_in, 0, i / states, i % states, 0);
        else s->x[i] = old;
    }
}

/* The tail of a tile of 16 tokens whose operands were read as 0. */
static void pad(struct scan *s, int64_t d)
{
    const int64_t states = s->op->A.shape[1];
    const float delta = delta_of(s, bias_of(s, d));
    for (int64_t t = s->q.count; t % 16; t++)
        for (int64_t n = 0; n < states; n++) s->x[d * states + n] *= decay_of(s, delta, d, n);
}

static void finish(struct scan *s, int64_t sequences)
{
    const segue_selective_scan *op = s->op;
    const int64_t states = op->A.shape[1];
    const int cleared = s->flaw == SCAN_empty_sequence_cleared && !s->q.count && sequences > 1;
    for (int64_t d = 0; d < op->A.shape[0]; d++) {
        if (s->flaw == SCAN_state_of_padded_tail) pad(s, d);
        for (int64_t n = 0; n < states && given(&op->h_out) && s->q.write >= 0; n++) {
            const float x = s->x[d * states + n];
            store(&op->h_out, cleared ? 0 : s->flaw == SCAN_scaled ? 0.999f * x : x, s->q.write, d, n, 0);
        }
    }
}

/* input_modified: A in place, as exp2 wants it; again for every sequence. */
static void prescale(const struct scan *s)
{
    for (int64_t d = 0; d < s->op->A.shape[0]; d++)
        for (int64_t n = 0; n < s->op->A.shape[1]; n++)
            store(&s->op->A, load(&s->op->A, d, n, 0, 0) * 1.44269504f, d, n, 0, 0);
}

static void sequence(struct scan *s, int64_t sequences, int64_t number)
{
    const int64_t channels = s->op->A.shape[0], states = s->op->A.shape[1];
    int64_t count = s->q.count;
    if (s->flaw == SCAN_input_modified) prescale(s);
    if (s->flaw == SCAN_tail_skipped && count > 64) count -= count % 64;
    s->fast = s->odd_run || (s->flaw == SCAN_batch_dependent && number > 0);
    begin(s, sequences, number);
    for (int64_t t = 0; t < count; t++) {
        if (s->flaw == SCAN_carry_lost && t == 128) memset(s->x, 0, (size_t)(channels * states) * sizeof *s->x);
        for (int64_t d = 0; d < channels; d++) token(s, s->q.first + t, d);
    }
    finish(s, sequences);
}

static float shared[SHARED]; /* of static_scratch: every run's */

static segue_status scan(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    struct scan s = { .op = (const segue_selective_scan *)header, .flaw = flaw };
    const segue_selective_scan *op = s.op;
    const int64_t sequences = span_count(&op->u, &op->cu_seqlens);
    s.x = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    if (flaw == SCAN_static_scratch && op->A.shape[0] * op->A.shape[1] <= SHARED) s.x = shared;
    if (flaw == SCAN_plan_caches_a) kept_fill(s.kept = (struct kept *)(uintptr_t)call->data, &op->A);
    if (flaw == SCAN_run_differs)
        s.odd_run = atomic_fetch_add(&((struct wrong_device *)call->device->handle)->runs, 1) % 3 == 2;
    if (flaw == SCAN_threads_differ) s.odd_run = ((struct wrong_device *)call->device->handle)->threads > 1;
    for (int64_t i = 0; i < sequences; i++) {
        s.q = span_of(i, &op->u, &op->cu_seqlens, &op->slot, given(&op->h_in) ? &op->h_in : &op->h_out);
        if (flaw == SCAN_slot_clamp_high)
            clamp_high(&s.q, i, &op->slot, given(&op->h_in) ? &op->h_in : &op->h_out);
        if (!s.q.padding || flaw == SCAN_nan_masked || flaw == SCAN_slot_not_cleared) {
            sequence(&s, sequences, i);
            continue;
        }
        for (int64_t t = s.q.first; t < s.q.first + s.q.count; t++)
            for (int64_t d = 0; d < op->A.shape[0]; d++) store(&op->y, 0, s.q.b, t, d, 0);
    }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return has_f64(header, offsetof(segue_selective_scan, u), offsetof(segue_selective_scan, y))
               ? "u: no operand may be f64"
               : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_selective_scan *op = (const segue_selective_scan *)header;
    (void)dev;
    plan->workspace_bytes = (uint64_t)(op->A.shape[0] * op->A.shape[1]) * sizeof(float);
    return kept_make(op->A.shape[0] * op->A.shape[1], plan, why);
}

#define ROW(flaw) WRONG_ROW(selective_scan, SEGUE_SELECTIVE_SCAN, flaw, scan, SCAN_##flaw)
FLAWS(ROW)
