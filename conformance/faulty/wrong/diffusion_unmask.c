/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A whole unmasking step, made of the two kernels of its own without their flaws, with one flaw a row in how they are put together. */
#include "diffusion.h"

#define FLAWS(FLAW)               \
    FLAW(batch_window_not_passed) \
    FLAW(packed_step_not_passed)  \
    FLAW(packed_conf_in_bf16)     \
    FLAW(batch_known_recommitted) \
    FLAW(packed_rows_by_position) \
    FLAW(batch_noise_shared)

#define NAMED(name) STEP_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

static int is_packed(const segue_diffusion_unmask *op, enum flaw flaw, enum flaw wanted)
{
    return flaw == wanted && op->logits.stride[2] == 1 && op->logits.stride[1] == op->logits.shape[2];
}

static int is_batch(const segue_diffusion_unmask *op, enum flaw flaw, enum flaw wanted)
{
    return flaw == wanted && op->x.shape[0] > 1;
}

static segue_row_sample sample_of(const segue_diffusion_unmask *op, enum flaw flaw)
{
    segue_row_sample s = segue_row_sample_init();
    const segue_tensor none = { 0 };
    s.logits = op->logits, s.logits_u = op->logits_u, s.x = op->x, s.row = op->row, s.lo = op->lo,
    s.hi = op->hi;
    s.temperature = op->temperature, s.top_p = op->top_p, s.top_k = op->top_k, s.guidance = op->guidance;
    s.banned = op->banned, s.seed = op->seed, s.seq_id = op->seq_id, s.pos = op->pos, s.step = op->step;
    s.draws = op->draws, s.move = op->move, s.stay = op->stay, s.tok = op->tok, s.conf = op->conf;
    s.mask_id = op->mask_id, s.noise = op->noise, s.confidence = op->confidence, s.nucleus = op->nucleus;
    s.topk_ties = op->topk_ties, s.transition = op->transition;
    if (is_packed(op, flaw, STEP_packed_rows_by_position)) s.row = none;
    if (is_batch(op, flaw, STEP_batch_noise_shared) && given(&s.seed)) s.seed.stride[0] = 0;
    if (is_batch(op, flaw, STEP_batch_noise_shared) && given(&s.seq_id)) s.seq_id.stride[0] = 0;
    return s;
}

static segue_unmask_select select_of(const segue_diffusion_unmask *op, enum flaw flaw)
{
    segue_unmask_select s = segue_unmask_select_init();
    const segue_tensor none = { 0 };
    s.x = op->x, s.tok = op->tok, s.conf = op->conf, s.lo = op->lo, s.hi = op->hi, s.k = op->k;
    s.steps_left = op->steps_left, s.tau = op->tau, s.p = op->p, s.temp = op->temp, s.carry = op->carry;
    s.seed = op->seed, s.seq_id = op->seq_id, s.pos = op->pos, s.step = op->step, s.draws = op->draws_select;
    s.x_out = op->x_out, s.n_changed = op->n_changed, s.n_left = op->n_left, s.changed = op->changed;
    s.carry_out = op->carry_out, s.mask_id = op->mask_id, s.rule = op->rule, s.k_min = op->k_min;
    s.noise = op->select_noise;
    if (is_batch(op, flaw, STEP_batch_window_not_passed)) s.lo = s.hi = none;
    if (is_packed(op, flaw, STEP_packed_step_not_passed)) s.step = s.seed = none;
    return s;
}

/* Where the composite has no output of its own: behind the sampler's part of the workspace. */
static void place_missing(segue_diffusion_unmask *op, char *room)
{
    const int64_t shape[2] = { op->x.shape[0], op->x.shape[1] };
    const uint64_t bytes = (uint64_t)(shape[0] * shape[1]) * 4;
    if (!given(&op->tok)) op->tok = segue_tensor_of(room, SEGUE_I32, 2, shape);
    if (!given(&op->conf)) op->conf = segue_tensor_of(room + bytes, SEGUE_F32, 2, shape);
}

static uint64_t own_bytes(const segue_diffusion_unmask *op)
{
    const int64_t v = op->logits.shape[2], t = op->x.shape[1], most = v > t ? v : t;
    return (uint64_t)(3 * most + 1) * sizeof(float);
}

static segue_status compute(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    segue_diffusion_unmask op = *(const segue_diffusion_unmask *)header;
    place_missing(&op, (char *)call->workspace.data + call->workspace.offset + own_bytes(&op));
    const segue_row_sample sample = sample_of(&op, flaw);
    wrong_row_sample(&sample.header, call, NO_FLAW);
    for (int64_t i = 0; i < op.x.shape[0] * op.x.shape[1]; i++) {
        const int64_t b = i / op.x.shape[1], t = i % op.x.shape[1];
        const float conf = load(&op.conf, b, t, 0, 0);
        if (is_packed(&op, flaw, STEP_packed_conf_in_bf16)) store(&op.conf, to_bf16(conf), b, t, 0, 0);
        /* a token that is there counts as the best candidate for its place */
        if (is_batch(&op, flaw, STEP_batch_known_recommitted) && load_int(&op.x, b, t) != op.mask_id)
            store(&op.conf, 1, b, t, 0, 0);
    }
    const segue_unmask_select select = select_of(&op, flaw);
    return wrong_unmask_select(&select.header, call, NO_FLAW);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return has_f64(header, offsetof(segue_diffusion_unmask, logits),
                   offsetof(segue_diffusion_unmask, carry_out))
               ? "logits: no operand may be f64"
               : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_diffusion_unmask *op = (const segue_diffusion_unmask *)header;
    (void)dev, (void)why;
    plan->workspace_bytes = own_bytes(op) + (uint64_t)(op->x.shape[0] * op->x.shape[1]) * 8;
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(diffusion_unmask, SEGUE_DIFFUSION_UNMASK, flaw, compute, STEP_##flaw)
FLAWS(ROW)
