/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One decoding step of text diffusion behind the model (arXiv:2502.09992, ML-GSAI/LLaDA generate.py; HKUNLP/Dream; arXiv:2505.22618;
 * arXiv:2406.07524; google-research/maskgit). For each position that holds mask_id in the window and has a row:
 *
 *     l     = logits_u + (guidance + 1) (logits - logits_u), or logits; / temperature; top_p; top_k; banned ones are not there   [v]
 *     p     = exp(l) / sum exp(l);  ABSORB: p = move p, and stay for the mask
 *     tok   = argmax of ln p + G,  conf = p(tok), or one of four others                                                    [b t]
 *     x_out = tok where chosen by (conf falling, position rising), else x                                                   [b t]
 *
 * Written apart from row_sample and unmask_select, of which it says the same. The choice reads conf as it is stored. */
#include "sampling.h"

#define IS(op, field, name) ((op)->field == SEGUE_DIFFUSION_UNMASK_##name)

enum { CLOSED, OPEN, TAKEN };

typedef struct step_row { /* a batch row */
    const segue_diffusion_unmask *op;
    int64_t b, positions, v;
    real *raw, *l, *score; /* [v], [v], [v + 1] of one position */
    real *conf, *left;     /* [positions]; left: scores of those that are not taken yet, -inf elsewhere */
    int32_t *tok, *state;  /* [positions] */
    real cause;            /* of what was chosen among positions */
} step_row;

/* Numbers that segue_reference_diffusion_unmask() works in: those of a position, then two and two integers a position. */
int64_t segue_reference_diffusion_unmask_work(const segue_op_header *header)
{
    const segue_diffusion_unmask *op = (const segue_diffusion_unmask *)header;
    return size_sum(size_product(3, size_sum(op->logits.shape[2], op->x.shape[1])), 1);
}

/* ---- a position's logits ------------------------------------------------------------------------ */

static int absorbs(const step_row *r)
{
    return IS(r->op, transition, ABSORB);
}

static int in_window(const step_row *r, int64_t t)
{
    return control_int(&r->op->lo, r->b, 0) <= t && t < control_int(&r->op->hi, r->b, r->positions);
}

/* -1 = none. */
static int64_t row_of(const step_row *r, int64_t t)
{
    const int64_t n = present(&r->op->row) ? load_int(&r->op->row, r->b, t) : t;
    const int is_open = in_window(r, t) && load_int(&r->op->x, r->b, t) == r->op->mask_id;
    return is_open && n >= 0 && n < r->op->logits.shape[1] ? n : -1;
}

static real within_f32(real l)
{
    const real least = or_least(l);
    if (real_above(least, LARGEST)) return LARGEST;
    if (real_above(-LARGEST, least)) return -INFINITY;
    return least;
}

static int is_warm(const step_row *r)
{
    return real_above(control(&r->op->temperature, r->b, 1), 0);
}

static void read_logits(step_row *r, int64_t n, real *cause)
{
    const segue_diffusion_unmask *const op = r->op;
    for (int64_t id = 0; id < r->v; id++) {
        real l = load(&op->logits, r->b, n, id, 0);
        if (present(&op->logits_u)) {
            const real without = load(&op->logits_u, r->b, n, id, 0),
                       more = control(&op->guidance, r->b, 0) + 1;
            l = without + more * (l - without);
        }
        seen(l, cause);
        r->raw[id] = within_f32(l);
    }
    for (int64_t i = 0; present(&op->banned) && i < op->banned.shape[0]; i++) {
        const int64_t id = load_int(&op->banned, i, 0);
        if (id >= 0 && id < r->v) r->raw[id] = -INFINITY;
    }
    if (absorbs(r) && op->mask_id >= 0 && op->mask_id < r->v) r->raw[op->mask_id] = -INFINITY;
    for (int64_t id = 0; id < r->v; id++) {
        r->l[id] = r->raw[id];
        if (present(&op->temperature) && is_warm(r) && !masks(r->raw[id]))
            r->l[id] = within_f32(divided(r->raw[id], control(&op->temperature, r->b, 1)));
    }
}

static real largest(const real *l, int64_t count)
{
    real most = -INFINITY;
    for (int64_t i = 0; i < count; i++)
        if (real_above(l[i], most)) most = l[i];
    return most;
}

static real mass(const real *l, int64_t count, real most)
{
    real sum = 0;
    for (int64_t i = 0; i < count; i++) sum = sum + weight(l[i], most);
    return sum;
}

/* Whether id comes behind `other` in the order (l falling, id rising). */
static int follows(const real *l, int64_t id, int64_t other)
{
    if (real_above(l[other], l[id])) return 1;
    return !real_above(l[id], l[other]) && id > other;
}

/* The one behind `other`; -1 = there is none. other -1: the first of all. */
static int64_t next_of(const step_row *r, int64_t other)
{
    int64_t next = -1;
    for (int64_t id = 0; id < r->v; id++) {
        if (masks(r->l[id]) || (other >= 0 && !follows(r->l, id, other))) continue;
        if (next < 0 || follows(r->l, next, id)) next = id;
    }
    return next;
}

/* The last that stays by top_p and top_k; answer: an id that the judged kernel did not take away, -1 = not known. */
static int64_t last_that_stays(step_row *r, int64_t answer, real *cause)
{
    const segue_diffusion_unmask *const op = r->op;
    const real top_p = control(&op->top_p, r->b, 1), most = largest(r->l, r->v), sum = mass(r->l, r->v, most);
    const int64_t k = control_int(&op->top_k, r->b, 0);
    int64_t last = next_of(r, -1), count = 1;
    real before = 0;
    for (int64_t id = last; id >= 0; count++) {
        const int64_t next = next_of(r, id);
        const int kept = next >= 0 && answer >= 0 && !follows(r->l, next, answer) ? 1 : -1;
        before = before + weight(r->l[id], most) / sum;
        last = id;
        if (next < 0) break;
        if (real_above(1, top_p)) {
            const real with = before + weight(r->l[next], most) / sum;
            if (!real_holds(top_p - (IS(op, nucleus, EXCLUDE_CROSSING) ? with : before), kept, cause)) break;
        }
        if (k > 0 && count >= k) {
            if (IS(op, topk_ties, EXACT_K)) break;
            if (real_above(r->l[id], r->l[next]) && !real_holds(r->l[next] - r->l[id], kept, cause)) break;
        }
        id = next;
    }
    return last;
}

static void filter(step_row *r, int64_t answer, real *cause)
{
    const segue_diffusion_unmask *const op = r->op;
    seen(control(&op->top_p, r->b, 1), cause);
    if (!real_above(1, control(&op->top_p, r->b, 1)) && control_int(&op->top_k, r->b, 0) <= 0) return;
    if (next_of(r, -1) < 0) return;
    const int64_t last = last_that_stays(r, answer >= 0 && answer < r->v ? answer : -1, cause);
    for (int64_t id = 0; id < r->v; id++) r->score[id] = r->l[id];
    for (int64_t id = 0; id < r->v; id++)
        if (follows(r->score, id, last)) r->l[id] = -INFINITY;
}

/* ---- a position's candidate --------------------------------------------------------------------- */

static counter_base counter_at(const step_row *r, int64_t t)
{
    return counter_of(&r->op->seed, &r->op->pos, &r->op->seq_id, &r->op->step, r->b, t);
}

/* G of an id; -1: the mask that is no id. */
static real noise_of(const step_row *r, int64_t t, int64_t id)
{
    if (IS(r->op, noise, PHILOX)) return gumbel(NOISE_PHILOX, w_of(counter_at(r, t), PHILOX_TOKEN, id));
    return gumbel(r->op->noise, load(&r->op->draws, r->b, t, clamped(id, r->v - 1), 0));
}

/* What the kernel chose: as tok says, or a token that it put there. */
static int64_t answer_of(const step_row *r, int64_t t)
{
    const segue_diffusion_unmask *const op = r->op;
    const int64_t put = answered(&op->x_out, r->b, t, 0, 0);
    if (present(&op->tok)) return answered(&op->tok, r->b, t, 0, 0);
    return put == op->mask_id ? UNANSWERED : put;
}

static real margin_of(const step_row *r, real most, real sum)
{
    const int64_t first = next_of(r, -1), second = next_of(r, first);
    const real p = weight(r->l[first], most) / sum;
    return second < 0 ? p : p - weight(r->l[second], most) / sum;
}

static real negative_entropy(const step_row *r, real most, real sum)
{
    real total = 0;
    for (int64_t id = 0; id < r->v; id++) {
        const real p = weight(r->l[id], most) / sum;
        total = total + p * real_log(p + 1e-10);
    }
    return total;
}

static real confidence_of(const step_row *r, int64_t t, int64_t id, int is_mask, real most, real sum)
{
    const segue_diffusion_unmask *const op = r->op;
    if (IS(op, confidence, RANDOM)) return u_of(counter_at(r, t));
    if (IS(op, confidence, MARGIN)) return margin_of(r, most, sum);
    if (IS(op, confidence, NEGENT)) return negative_entropy(r, most, sum);
    if (is_mask) return control(&op->stay, r->b, 0);
    real p = weight(r->l[id], most) / sum;
    if (IS(op, confidence, PROB_RAW)) {
        const real raw = largest(r->raw, r->v);
        p = weight(r->raw[id], raw) / mass(r->raw, r->v, raw);
    }
    return absorbs(r) ? control(&op->move, r->b, 0) * p : p;
}

/* What is the same number as the best before it, and came the same way, does not win in any arithmetic. */
static void drop_equals(step_row *r)
{
    int64_t best = 0;
    for (int64_t id = 0; id < r->v; id++)
        if (real_above(r->score[id], r->score[best])) best = id;
    for (int64_t id = best + 1; id < r->v; id++)
        if (!real_above(r->raw[best], r->raw[id]) && !real_above(r->raw[id], r->raw[best]))
            r->score[id] = -INFINITY;
}

/* ln of what is sampled, to a constant that all share, and the noise. The mask's score lies at its id, or behind all. */
static int64_t choose(step_row *r, int64_t t, int64_t mask, int64_t answer, real most, real sum, real *cause)
{
    const segue_diffusion_unmask *const op = r->op;
    const int is_noisy = op->noise && is_warm(r);
    const real move = real_log(control(&op->move, r->b, 1)), norm = real_log(sum);
    for (int64_t id = 0; id <= r->v; id++) {
        const int is_mask = absorbs(r) && id == mask;
        r->score[id] = -INFINITY;
        if (is_mask) r->score[id] = real_log(control(&op->stay, r->b, 1));
        else if (id < r->v) r->score[id] = absorbs(r) ? move + (r->l[id] - most - norm) : r->l[id];
        if (!is_noisy || (!is_mask && id == r->v)) continue;
        const int64_t counted = !is_mask ? id : op->mask_id < 0 ? 0 : op->mask_id;
        r->score[id] = with_noise(r->score[id], noise_of(r, t, counted));
    }
    if (!is_noisy && !present(&op->logits_u)) drop_equals(r);
    return real_choose(r->v + 1, r->score, answer, cause);
}

/* Fills tok and conf of a position that is open. */
static void sample(step_row *r, int64_t t, int64_t n, real *cause)
{
    const segue_diffusion_unmask *const op = r->op;
    const int64_t mask = op->mask_id >= 0 && op->mask_id < r->v ? op->mask_id : r->v, said = answer_of(r, t);
    r->tok[t] = -1, r->conf[t] = -INFINITY;
    read_logits(r, n, cause);
    filter(r, absorbs(r) && said == op->mask_id ? UNANSWERED : said,
           cause); /* the mask says nothing of what stays */
    const real most = largest(r->l, r->v);
    if (masks(most)) return;
    const real sum = mass(r->l, r->v, most);
    const int64_t answer = said == UNANSWERED                  ? said
                           : absorbs(r) && said == op->mask_id ? mask
                           : said < r->v                       ? said
                                                               : -1;
    const int64_t id = choose(r, t, mask, answer, most, sum, cause);
    if (id < 0) return;
    const int is_mask = absorbs(r) && id == mask;
    r->tok[t] = (int32_t)(is_mask ? op->mask_id : id);
    r->conf[t] = confidence_of(r, t, id, is_mask, most, sum);
}

/* ---- which of them ------------------------------------------------------------------------------ */

/* 1 = the kernel took it, 0 = not, -1 = that is not known. */
static int was_taken(const step_row *r, int64_t t)
{
    const int64_t put = answered(&r->op->x_out, r->b, t, 0, 0);
    return put == UNANSWERED || r->tok[t] == r->op->mask_id ? -1 : put != r->op->mask_id;
}

static real draw_for(const step_row *r, int64_t t, enum philox_stream stream)
{
    if (!IS(r->op, select_noise, SELECT_PHILOX)) return load(&r->op->draws_select, r->b, t, 0, 0);
    return stream == PHILOX_CHOICE ? u_of(counter_at(r, t)) : w_of(counter_at(r, t), stream, 0);
}

static real rank_score(const step_row *r, int64_t t)
{
    const segue_diffusion_unmask *const op = r->op;
    const real temp = control(&op->temp, r->b, 0);
    const int drawn = IS(op, rule, GUMBEL_TOPK) && real_above(temp, 0);
    if (!drawn && !IS(op, rule, MASKGIT)) return r->conf[t];
    const real g = gumbel(op->select_noise, draw_for(r, t, PHILOX_CHOICE_GUMBEL));
    return drawn ? r->conf[t] / temp + g : real_log(r->conf[t]) + temp * g;
}

static int64_t open_count(const step_row *r)
{
    int64_t n = 0;
    for (int64_t t = 0; t < r->positions; t++) n += r->state[t] != CLOSED;
    return n;
}

static int64_t wanted(const step_row *r)
{
    const segue_diffusion_unmask *const op = r->op;
    const int64_t k = control_int(&op->k, r->b, 0), left = control_int(&op->steps_left, r->b, 1),
                  n = open_count(r);
    if (!present(&op->k)) return left < 2 ? n : n / left + (n % left > 0);
    return k < 0 ? 0 : k;
}

static int64_t spendable(const step_row *r)
{
    const int64_t carry = control_int(&r->op->carry, r->b, 0), sum = wanted(r) + (carry < 0 ? 0 : carry);
    return sum < INT32_MAX ? sum : INT32_MAX;
}

static void take(step_row *r, int64_t t)
{
    r->state[t] = TAKEN;
    r->left[t] = -INFINITY;
}

/* The best that is left; the kernel's best that is left, where it is as good. */
static int64_t best_left(step_row *r)
{
    int64_t answer = -1, known = 1;
    for (int64_t t = 0; t < r->positions; t++) {
        if (r->state[t] != OPEN) continue;
        if (was_taken(r, t) < 0 && real_above(r->left[t], -INFINITY)) known = 0;
        if (was_taken(r, t) > 0 && (answer < 0 || real_above(r->left[t], r->left[answer]))) answer = t;
    }
    int64_t best = real_choose(r->positions, r->left, known ? answer : UNANSWERED, &r->cause);
    for (int64_t t = 0; t < r->positions && best < 0; t++)
        if (r->state[t] == OPEN) best = t;
    return best;
}

static void take_all(step_row *r)
{
    for (int64_t t = 0; t < r->positions; t++)
        if (r->state[t] == OPEN) take(r, t);
}

static void take_first(step_row *r, int64_t most)
{
    const int64_t n = open_count(r);
    for (int64_t i = 0; i < most && most < n; i++) take(r, best_left(r));
    if (most >= n) take_all(r);
}

/* Of the order the first so many; from the second on only those of at least tau. */
static void take_budget(step_row *r, int64_t most)
{
    const real tau = control(&r->op->tau, r->b, 0);
    const int64_t n = open_count(r);
    for (int64_t i = 0; i < most && i < n; i++) {
        const int64_t t = best_left(r);
        if (i && !masks(tau) && !real_holds(r->conf[t] - tau, was_taken(r, t), &r->cause)) return;
        take(r, t);
    }
}

static void take_above_tau(step_row *r)
{
    const real tau = control(&r->op->tau, r->b, 0);
    int64_t taken = 0;
    for (int64_t t = 0; t < r->positions; t++) {
        if (r->state[t] != OPEN) continue;
        if (!masks(tau) && !real_holds(r->conf[t] - tau, was_taken(r, t), &r->cause)) continue;
        r->state[t] = TAKEN, taken++;
    }
    for (int64_t t = 0; t < r->positions; t++)
        if (r->state[t] == TAKEN) r->left[t] = -INFINITY;
    for (; taken < r->op->k_min && taken < open_count(r); taken++) take(r, best_left(r));
}

static void take_by_coins(step_row *r)
{
    const real given = control(&r->op->p, r->b, 0), p = or_least(given);
    seen(given, &r->cause);
    for (int64_t t = 0; t < r->positions; t++) {
        if (r->state[t] != OPEN) continue;
        const real u = uniform(r->op->select_noise, draw_for(r, t, PHILOX_CHOICE));
        const int answer = was_taken(r, t);
        if (masks(or_least(u)) || masks(p)) continue; /* NaN takes nothing */
        if (!real_holds(u - p, answer < 0 ? -1 : !answer, &r->cause)) take(r, t);
    }
}

static void take_one(step_row *r)
{
    const int64_t n = open_count(r);
    const real hit = uniform(r->op->select_noise, draw_for(r, 0, PHILOX_CHOICE)) * (double)n;
    int64_t place = 0, said = -1, number = 0;
    for (int64_t t = 0; t < r->positions; t++) {
        if (r->state[t] == CLOSED) continue;
        if (was_taken(r, t) > 0) said = place;
        place++;
    }
    for (int64_t i = 1; i < n; i++)
        if (number == i - 1) number += real_holds(hit - (double)i, said < 0 ? -1 : said >= i, &r->cause);
    for (int64_t t = 0; t < r->positions; t++)
        if (r->state[t] == OPEN && number-- == 0) take(r, t);
}

static void decide(step_row *r)
{
    const segue_diffusion_unmask *const op = r->op;
    const int64_t n = open_count(r);
    if (IS(op, rule, ALL)) take_all(r);
    else if (IS(op, rule, THRESHOLD)) take_above_tau(r);
    else if (IS(op, rule, BUDGET)) take_budget(r, spendable(r));
    else if (IS(op, rule, BERNOULLI)) take_by_coins(r);
    else if (IS(op, rule, MASKGIT)) take_first(r, n - wanted(r));
    else if (IS(op, rule, FIRST_HIT)) take_one(r);
    else take_first(r, wanted(r));
}

/* ---- a batch row -------------------------------------------------------------------------------- */

static void sample_all(step_row *r)
{
    const segue_diffusion_unmask *const op = r->op;
    for (int64_t t = 0; t < r->positions; t++) {
        const int64_t n = row_of(r, t);
        real cause = 0;
        r->tok[t] = load_int(&op->x, r->b, t), r->conf[t] = -INFINITY;
        if (n >= 0) sample(r, t, n, &cause);
        if (present(&op->tok)) store_int(&op->tok, r->tok[t], cause, r->b, t, 0, 0);
        r->conf[t] = because(r->conf[t], cause);
        if (present(&op->conf)) {
            store(&op->conf, r->conf[t], r->b, t, 0, 0);
            r->conf[t] = load(&op->conf, r->b, t, 0, 0);
        }
        /* A mask without a row of logits stays what it is: its candidate is the mask. */
        const int is_open = in_window(r, t) && load_int(&op->x, r->b, t) == op->mask_id && r->tok[t] >= 0;
        r->state[t] = is_open ? OPEN : CLOSED;
        r->left[t] = -INFINITY;
        r->cause = because(r->cause, cause); /* whether there is a candidate, too */
        if (!is_open) continue;
        const real score = rank_score(r, t);
        r->left[t] = or_least(score);
        seen(score, &r->cause);
    }
}

static void put(const step_row *r)
{
    const segue_diffusion_unmask *const op = r->op;
    int64_t changes = 0, left = 0, taken = 0;
    for (int64_t t = 0; t < r->positions; t++) taken += r->state[t] == TAKEN;
    if (present(&op->carry_out)) store_int(&op->carry_out, spendable(r) - taken, r->cause, r->b, 0, 0, 0);
    for (int64_t t = 0; t < r->positions; t++) {
        const int64_t old = load_int(&op->x, r->b, t), now = r->state[t] == TAKEN ? r->tok[t] : old;
        const int is_decided = old == op->mask_id && in_window(r, t); /* all others are copied */
        const real none = 0, *const cause = is_decided ? &r->cause : &none;
        store_int(&op->x_out, now, *cause, r->b, t, 0, 0);
        left += now == op->mask_id && in_window(r, t);
        if (now == old) continue;
        if (present(&op->changed) && changes < op->changed.shape[1])
            store_int(&op->changed, t, r->cause, r->b, changes, 0, 0);
        changes++;
    }
    if (present(&op->n_changed)) store_int(&op->n_changed, changes, r->cause, r->b, 0, 0, 0);
    if (present(&op->n_left)) store_int(&op->n_left, left, r->cause, r->b, 0, 0, 0);
    for (; present(&op->changed) && changes < op->changed.shape[1]; changes++)
        store_int(&op->changed, -1, r->cause, r->b, changes, 0, 0);
}

void segue_reference_diffusion_unmask(const segue_op_header *header, real *work)
{
    const segue_diffusion_unmask *op = (const segue_diffusion_unmask *)header;
    step_row r;
    r.op = op, r.positions = op->x.shape[1], r.v = op->logits.shape[2];
    r.raw = work, r.l = work + r.v, r.score = work + 2 * r.v;
    r.conf = work + 3 * r.v + 1, r.left = r.conf + r.positions;
    r.tok = (int32_t *)(void *)(r.left + r.positions), r.state = r.tok + r.positions;
    for (r.b = 0; r.b < op->x.shape[0]; r.b++) {
        r.cause = 0;
        sample_all(&r);
        decide(&r);
        put(&r);
    }
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_diffusion_unmask *op = (const void *)header;
    (void)dev;
    if (op->logits.shape[2] > INT32_MAX) return "logits: v is at most 2^31 - 1, ids are i32";
    return fits_workspace(segue_reference_diffusion_unmask_work(header)) ? NULL : "x: t is at most 2^58";
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_diffusion_unmask_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_diffusion_unmask(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_diffusion_unmask_reference;
const segue_row segue_row_diffusion_unmask_reference = {
    .name = "diffusion_unmask_reference",
    .primitive = SEGUE_DIFFUSION_UNMASK,
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
