/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Which candidates become tokens (arXiv:2502.09992, ML-GSAI/LLaDA generate.py; arXiv:2505.22618; HKUNLP/Dream generation_utils.py;
 * google-research/maskgit parallel_decode.py; arXiv:2503.09573). Eligible: x holds mask_id, lo <= position < hi, tok >= 0; n of them,
 * in the order (score falling, position rising):
 *
 *     ALL, TOPK, THRESHOLD, BUDGET, BERNOULLI     score = conf; all; first k; conf >= tau; of the first k + carry those; u < p
 *     GUMBEL_TOPK                                 score = conf / temp + G; first k
 *     MASKGIT                                     score = ln conf + temp G; first n - k
 *     FIRST_HIT                                   the one of number floor(u n)
 *     x_out = tok where chosen, else x                                                            [b t] */
#include "sampling.h"

enum { INELIGIBLE, ELIGIBLE, CHOSEN };

typedef struct row {
    const segue_unmask_select *op;
    int64_t b, count, n; /* positions, eligible ones */
    real *score;         /* [count]; -inf where not eligible or chosen */
    int32_t *state;      /* [count] */
    real cause;          /* of what was decided */
} row;

/* Numbers that segue_reference_unmask_select() works in: scores, then (as integers) states. */
int64_t segue_reference_unmask_select_work(const segue_op_header *header)
{
    return size_product(2, ((const segue_unmask_select *)header)->x.shape[1]);
}

/* ---- what is known ------------------------------------------------------------------------------ */

static int in_window(const row *r, int64_t t)
{
    return t >= control_int(&r->op->lo, r->b, 0) && t < control_int(&r->op->hi, r->b, r->count);
}

static int is_eligible(const row *r, int64_t t)
{
    return in_window(r, t) && load_int(&r->op->x, r->b, t) == r->op->mask_id &&
           load_int(&r->op->tok, r->b, t) >= 0;
}

/* Whether the judged kernel chose it; -1 = that is not known, as where the candidate is the mask. */
static int answer_at(const row *r, int64_t t)
{
    const int64_t token = answered(&r->op->x_out, r->b, t, 0, 0);
    if (token == UNANSWERED || load_int(&r->op->tok, r->b, t) == r->op->mask_id) return -1;
    return token != r->op->mask_id;
}

static real draw_at(const row *r, int64_t t, enum philox_stream stream)
{
    const segue_unmask_select *const op = r->op;
    const counter_base c = counter_of(&op->seed, &op->pos, &op->seq_id, &op->step, r->b, t);
    if (op->noise != NOISE_PHILOX) return load(&op->draws, r->b, t, 0, 0);
    return stream == PHILOX_CHOICE ? u_of(c) : w_of(c, stream, 0);
}

static real uniform_at(row *r, int64_t t)
{
    const real u = uniform(r->op->noise, draw_at(r, t, PHILOX_CHOICE));
    seen(u, &r->cause);
    return u;
}

static real score_of(const row *r, int64_t t)
{
    const segue_unmask_select *const op = r->op;
    if (!present(&op->conf)) return 0;
    const real conf = load(&op->conf, r->b, t, 0, 0), temp = control(&op->temp, r->b, 0);
    if (op->rule == SEGUE_UNMASK_SELECT_MASKGIT)
        return real_log(conf) + temp * gumbel(op->noise, draw_at(r, t, PHILOX_CHOICE_GUMBEL));
    if (op->rule == SEGUE_UNMASK_SELECT_GUMBEL_TOPK && real_above(temp, 0))
        return conf / temp + gumbel(op->noise, draw_at(r, t, PHILOX_CHOICE_GUMBEL));
    return conf;
}

static int64_t at_least_0(int64_t x)
{
    return x < 0 ? 0 : x;
}

/* k as given, or this step's share of n. */
static int64_t share(const row *r)
{
    const segue_unmask_select *const op = r->op;
    const int64_t left = control_int(&op->steps_left, r->b, 1), steps = left < 1 ? 1 : left;
    if (present(&op->k)) return at_least_0(load_int(&op->k, r->b, 0));
    return (r->n + steps - 1) / steps;
}

static int64_t budget(const row *r)
{
    return clamped(share(r) + at_least_0(control_int(&r->op->carry, r->b, 0)), INT32_MAX);
}

/* ---- rules -------------------------------------------------------------------------------------- */

/* conf and tau are operands: exact. */
static int passes(row *r, int64_t t)
{
    const real tau = control(&r->op->tau, r->b, 0), conf = or_least(load(&r->op->conf, r->b, t, 0, 0));
    seen(tau, &r->cause);
    return (masks(tau) || real_above(tau, -INFINITY)) && !real_above(tau, conf);
}

/* The first of the order among what is left; -1 = nothing is. Those without a score come last. */
static int64_t first_left(row *r)
{
    int64_t answer = -1, unknown = 0;
    for (int64_t t = 0; t < r->count; t++) {
        if (r->state[t] != ELIGIBLE) continue;
        const int chosen = answer_at(r, t);
        unknown += chosen < 0 && real_above(r->score[t], -INFINITY);
        if (chosen > 0 && (answer < 0 || real_above(r->score[t], r->score[answer]))) answer = t;
    }
    const int64_t best = real_choose(r->count, r->score, unknown ? UNANSWERED : answer, &r->cause);
    if (best >= 0) return best;
    for (int64_t t = 0; t < r->count; t++)
        if (r->state[t] == ELIGIBLE) return t;
    return -1;
}

static void take(row *r, int64_t t)
{
    r->state[t] = CHOSEN;
    r->score[t] = -INFINITY;
}

static void choose_all(row *r)
{
    for (int64_t t = 0; t < r->count; t++)
        if (r->state[t] == ELIGIBLE) take(r, t);
}

static void take_first(row *r, int64_t k)
{
    if (k >= r->n) choose_all(r);
    for (int64_t i = 0; i < k && k < r->n; i++) take(r, first_left(r));
}

static void choose_first_k(row *r)
{
    take_first(r, share(r));
}

static void choose_threshold(row *r)
{
    int64_t taken = 0;
    for (int64_t t = 0; t < r->count; t++)
        if (r->state[t] == ELIGIBLE && passes(r, t)) take(r, t), taken++;
    take_first(r, clamped(r->op->k_min, r->n) - taken);
}

static void choose_budget(row *r)
{
    const int64_t most = budget(r);
    for (int64_t i = 0; i < most && i < r->n; i++) {
        const int64_t t = first_left(r);
        if (i && !passes(r, t)) return; /* nor do those behind it */
        take(r, t);
    }
}

static void choose_bernoulli(row *r)
{
    const real given = control(&r->op->p, r->b, 0), p = or_least(given);
    seen(given, &r->cause);
    for (int64_t t = 0; t < r->count; t++) {
        if (r->state[t] != ELIGIBLE) continue;
        const real u = uniform_at(r, t);
        const int answer = answer_at(r, t);
        if (real_above(u, -INFINITY) && !masks(p) && !real_holds(u - p, answer < 0 ? -1 : !answer, &r->cause))
            take(r, t);
    }
}

static void choose_but_k(row *r)
{
    take_first(r, r->n - share(r));
}

static void choose_first_hit(row *r)
{
    int64_t number = 0, place = 0, answer = -1;
    if (!r->n) return;
    for (int64_t t = 0; t < r->count; t++) {
        if (r->state[t] == ELIGIBLE && answer_at(r, t) > 0) answer = place;
        place += r->state[t] == ELIGIBLE;
    }
    const real hit = uniform_at(r, 0) * (double)r->n;
    while (number < r->n - 1 &&
           real_holds(hit - (double)(number + 1), answer < 0 ? -1 : answer > number, &r->cause))
        number++;
    for (int64_t t = 0; t < r->count; t++)
        if (r->state[t] == ELIGIBLE && number-- == 0) take(r, t);
}

/* By the value of `rule`. */
static void (*const choices[])(row *) = {
    choose_all,       choose_first_k, choose_threshold, choose_budget,
    choose_bernoulli, choose_first_k, choose_but_k,     choose_first_hit,
};

/* ---- outputs ------------------------------------------------------------------------------------ */

static void put_tokens(const row *r)
{
    const segue_unmask_select *const op = r->op;
    int64_t changes = 0, left = 0;
    for (int64_t t = 0; t < r->count; t++) {
        const int64_t before = load_int(&op->x, r->b, t), tok = load_int(&op->tok, r->b, t);
        const int64_t token = r->state[t] == CHOSEN ? tok : before;
        const real copied = 0, *const cause = r->state[t] == INELIGIBLE ? &copied : &r->cause;
        store_int(&op->x_out, token, *cause, r->b, t, 0, 0);
        left += in_window(r, t) && token == op->mask_id;
        if (token != before && present(&op->changed) && changes < op->changed.shape[1])
            store_int(&op->changed, t, r->cause, r->b, changes, 0, 0);
        changes += token != before;
    }
    for (int64_t i = changes; present(&op->changed) && i < op->changed.shape[1]; i++)
        store_int(&op->changed, -1, r->cause, r->b, i, 0, 0);
    if (present(&op->n_changed)) store_int(&op->n_changed, changes, r->cause, r->b, 0, 0, 0);
    if (present(&op->n_left)) store_int(&op->n_left, left, r->cause, r->b, 0, 0, 0);
}

static void select_row(row *r)
{
    const segue_unmask_select *const op = r->op;
    int64_t taken = 0;
    r->n = 0, r->cause = 0;
    for (int64_t t = 0; t < r->count; t++) {
        r->state[t] = is_eligible(r, t) ? ELIGIBLE : INELIGIBLE;
        r->score[t] = -INFINITY;
        if (r->state[t] == INELIGIBLE) continue;
        r->n++;
        const real score = score_of(r, t);
        r->score[t] = or_least(score);
        seen(score, &r->cause);
    }
    choices[op->rule](r);
    for (int64_t t = 0; t < r->count; t++) taken += r->state[t] == CHOSEN;
    if (present(&op->carry_out)) store_int(&op->carry_out, budget(r) - taken, r->cause, r->b, 0, 0, 0);
    put_tokens(r);
}

void segue_reference_unmask_select(const segue_op_header *header, real *work)
{
    const segue_unmask_select *op = (const segue_unmask_select *)header;
    row r;
    r.op = op, r.count = op->x.shape[1];
    r.score = work, r.state = (int32_t *)(void *)(work + r.count);
    for (r.b = 0; r.b < op->x.shape[0]; r.b++) select_row(&r);
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_unmask_select *op = (const void *)header;
    (void)dev;
    return op->x.shape[1] > INT32_MAX ? "x: t is at most 2^31 - 1, positions are i32" : NULL;
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_unmask_select_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_unmask_select(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_unmask_select_reference;
const segue_row segue_row_unmask_select_reference = {
    .name = "unmask_select_reference",
    .primitive = SEGUE_UNMASK_SELECT,
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
