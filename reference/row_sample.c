/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A token and its confidence for each open position of text diffusion (arXiv:2502.09992, ML-GSAI/LLaDA generate.py; HKUNLP/Dream
 * generation_utils.py; arXiv:2406.07524, kuleshov-group/mdlm diffusion.py; noise by arXiv:2409.02908). For its row of logits:
 *
 *     l     = logits, or logits_u + (guidance + 1) (logits - logits_u);  -inf where banned        [b n v]
 *     raw   = exp(l) / sum exp(l)
 *     l     = l / temperature
 *     top_p, top_k: in the order (l falling, id rising) only the first stay, the others are -inf
 *     p     = exp(l) / sum exp(l),  lse = ln sum exp(l)
 *     tok   = argmax of l + G,  G = -ln E                                                         [b t]
 *     ABSORB: q(y) = move p(y), q(mask_id) = stay, tok = argmax of ln q + G
 *
 * All numbers are cut to the range of f32: what is above its largest counts as that, what is below -inf and what is NaN as -inf. */
#include "sampling.h"

typedef struct row {
    const segue_row_sample *op;
    int64_t b, t, n, v;
    real *raw, *l;  /* [v]: before temperature, top_p and top_k, and after */
    real *score;    /* [v + 1]: the last is the mask's where that is no id of the row */
    int32_t *order; /* [2 v] */
    real log_move, log_stay;
    real cause; /* of what was decided */
} row;

/* The sum of exp(l - largest), and its log. */
typedef struct mass {
    real largest, sum, log;
} mass;

/* Numbers that segue_reference_row_sample() works in: raw, l, scores, then (as integers) two orders. */
int64_t segue_reference_row_sample_work(const segue_op_header *header)
{
    const segue_row_sample *op = (const segue_row_sample *)header;
    return size_sum(size_product(5, op->logits.shape[2]), 1);
}

/* ---- numbers of a row ------------------------------------------------------------------------- */

static real in_range(real l)
{
    if (real_above(l, LARGEST)) return LARGEST;
    if (real_above(l, -INFINITY) && !real_above(-LARGEST, l)) return l;
    return -INFINITY;
}

static int is_banned(const segue_row_sample *op, int64_t id)
{
    if (op->transition == SEGUE_ROW_SAMPLE_ABSORB && id == op->mask_id) return 1;
    for (int64_t i = 0; present(&op->banned) && i < op->banned.shape[0]; i++)
        if (load_int(&op->banned, i, 0) == id) return 1;
    return 0;
}

/* Before the temperature. */
static real logit(row *r, int64_t id)
{
    const segue_row_sample *const op = r->op;
    real l = load(&op->logits, r->b, r->n, id, 0);
    if (present(&op->logits_u)) {
        const real free = load(&op->logits_u, r->b, r->n, id, 0);
        l = free + (control(&op->guidance, r->b, 0) + 1) * (l - free);
    }
    seen(
        l,
        &r->cause); /* banned ones are read, too: the suite puts NaN, which is as good as banned, where nobody reads */
    if (is_banned(op, id)) return -INFINITY;
    return in_range(l);
}

static int is_warm(const row *r)
{
    return real_above(control(&r->op->temperature, r->b, 1), 0);
}

static real tempered(const row *r, real l)
{
    if (masks(l) || !present(&r->op->temperature) || !is_warm(r)) return l;
    return in_range(divided(l, control(&r->op->temperature, r->b, 1)));
}

static mass mass_of(const real *l, int64_t count)
{
    mass m;
    m.largest = -INFINITY, m.sum = 0, m.log = 0;
    for (int64_t i = 0; i < count; i++)
        if (real_above(l[i], m.largest)) m.largest = l[i];
    if (masks(m.largest)) return m;
    for (int64_t i = 0; i < count; i++) m.sum = m.sum + weight(l[i], m.largest);
    m.log = real_log(m.sum);
    return m;
}

static real probability(mass m, real l)
{
    return weight(l, m.largest) / m.sum;
}

/* ---- top_p, top_k ----------------------------------------------------------------------------- */

/* By (l falling, id rising), merged in runs of 1, 2, 4 ... */
static int32_t *sorted(const row *r)
{
    int32_t *from = r->order, *to = r->order + r->v;
    for (int64_t i = 0; i < r->v; i++) from[i] = (int32_t)i;
    for (int64_t run = 1; run < r->v; run *= 2) {
        for (int64_t first = 0; first < r->v; first += 2 * run) {
            const int64_t middle = clamped(first + run, r->v), end = clamped(first + 2 * run, r->v);
            int64_t a = first, b = middle;
            for (int64_t i = first; i < end; i++) {
                const int second = a == middle || (b < end && real_above(r->l[from[b]], r->l[from[a]]));
                to[i] = second ? from[b++] : from[a++];
            }
        }
        int32_t *const swap = from;
        from = to, to = swap;
    }
    return from;
}

/* How many of the order stay by top_p. answer: place in the order of the token that the judged kernel chose, which stayed. */
static int64_t nucleus(row *r, const int32_t *order, int64_t answer)
{
    const mass m = mass_of(r->l, r->v);
    const real top_p = control(&r->op->top_p, r->b, 1);
    real before = 0;
    for (int64_t i = 0; i < r->v; i++) {
        const real with = before + probability(m, r->l[order[i]]);
        const real margin = top_p - (r->op->nucleus == SEGUE_ROW_SAMPLE_EXCLUDE_CROSSING ? with : before);
        if (i && !real_holds(margin, answer >= i ? 1 : -1, &r->cause)) return i;
        before = with;
    }
    return r->v;
}

static int64_t first_k(row *r, const int32_t *order, int64_t stay, int64_t k, int64_t answer)
{
    int64_t i = clamped(k, stay);
    while (i && i < stay && r->op->topk_ties == SEGUE_ROW_SAMPLE_KEEP_ALL) {
        const real last = r->l[order[k - 1]], l = r->l[order[i]];
        /* Equal numbers are equal to every kernel. */
        if (real_above(last, l) && !real_holds(l - last, answer >= i ? 1 : -1, &r->cause)) return i;
        i++;
    }
    return i;
}

static void filter(row *r)
{
    const segue_row_sample *const op = r->op;
    const int64_t k = control_int(&op->top_k, r->b, 0), tok = answered(&op->tok, r->b, r->t, 0, 0);
    const real top_p = control(&op->top_p, r->b, 1);
    int64_t stay = r->v, answer = -1;
    seen(top_p, &r->cause);
    if (!real_above(1, top_p) && k <= 0) return;
    const int32_t *const order = sorted(r);
    for (int64_t i = 0; i < r->v; i++)
        if (order[i] == tok && !is_banned(op, tok)) answer = i; /* ABSORB's mask says nothing of what stays */
    if (real_above(1, top_p)) stay = nucleus(r, order, answer);
    if (k > 0) stay = first_k(r, order, stay, k, answer);
    for (int64_t i = stay; i < r->v; i++) r->l[order[i]] = -INFINITY;
}

/* ---- choice ------------------------------------------------------------------------------------- */

/* What is added to the score of an id. */
static real noisy(const row *r, real score, int64_t id)
{
    const segue_row_sample *const op = r->op;
    const counter_base c = counter_of(&op->seed, &op->pos, &op->seq_id, &op->step, r->b, r->t);
    if (!op->noise || !is_warm(r)) return score;
    if (op->noise == NOISE_PHILOX) return with_noise(score, gumbel(op->noise, w_of(c, PHILOX_TOKEN, id)));
    return with_noise(score, gumbel(op->noise, load(&op->draws, r->b, r->t, clamped(id, r->v - 1), 0)));
}

static int64_t mask_slot(const row *r)
{
    const int64_t id = r->op->mask_id;
    return id >= 0 && id < r->v ? id : r->v;
}

/* ln q, which is ln p without ABSORB; the mask's slot alone holds stay. */
static real log_q(const row *r, mass m, int64_t slot)
{
    const int absorbs = r->op->transition == SEGUE_ROW_SAMPLE_ABSORB;
    const real none = 0;
    if (absorbs && slot == mask_slot(r)) return r->log_stay;
    const real behind =
        is_vast(r->l[slot]) && !real_above(m.largest, r->l[slot]) ? none : r->l[slot] - m.largest;
    return absorbs ? r->log_move + (behind - m.log) : behind - m.log;
}

/* Without noise what equals the best of a smaller id is not chosen, in any arithmetic: it has come the same way. */
static void drop_equals(row *r)
{
    int64_t best = 0;
    if ((r->op->noise && is_warm(r)) || present(&r->op->logits_u)) return;
    for (int64_t i = 0; i < r->v; i++)
        if (real_above(r->score[i], r->score[best])) best = i;
    for (int64_t i = best + 1; i < r->v; i++)
        if (!real_above(r->raw[best], r->raw[i]) && !real_above(r->raw[i], r->raw[best]))
            r->score[i] = -INFINITY;
}

/* A slot of the scores; -1 = none. */
static int64_t choose(row *r, mass m)
{
    const segue_row_sample *const op = r->op;
    const int absorbs = op->transition == SEGUE_ROW_SAMPLE_ABSORB;
    const int64_t mask = mask_slot(r);
    int64_t answer = answered(&op->tok, r->b, r->t, 0, 0);
    if (answer != UNANSWERED) answer = absorbs && answer == op->mask_id ? mask : answer < r->v ? answer : -1;
    for (int64_t id = 0; id < r->v; id++) {
        r->score[id] = noisy(r, absorbs ? log_q(r, m, id) : r->l[id], id);
    }
    r->score[r->v] = -INFINITY;
    if (absorbs && mask == r->v)
        r->score[mask] = noisy(r, log_q(r, m, mask), op->mask_id < 0 ? 0 : op->mask_id);
    drop_equals(r);
    return real_choose(r->v + 1, r->score, answer, &r->cause);
}

/* ---- confidence --------------------------------------------------------------------------------- */

static real margin_of(const row *r, mass m)
{
    int64_t first = -1;
    real second = -INFINITY;
    for (int64_t i = 0; i < r->v; i++)
        if (first < 0 || real_above(r->l[i], r->l[first])) first = i;
    for (int64_t i = 0; i < r->v; i++)
        if (i != first && real_above(r->l[i], second)) second = r->l[i];
    return probability(m, r->l[first]) - probability(m, second);
}

static real negative_entropy(const row *r, mass m)
{
    real sum = 0;
    for (int64_t i = 0; i < r->v; i++) {
        const real p = probability(m, r->l[i]);
        sum = sum + p * real_log(p + 1e-10);
    }
    return sum;
}

/* raw: mass before temperature, top_p and top_k. */
static real confidence(const row *r, mass m, mass raw, int64_t slot)
{
    const segue_row_sample *const op = r->op;
    const int absorbs = op->transition == SEGUE_ROW_SAMPLE_ABSORB;
    if (op->confidence == SEGUE_ROW_SAMPLE_RANDOM)
        return u_of(counter_of(&op->seed, &op->pos, &op->seq_id, &op->step, r->b, r->t));
    if (op->confidence == SEGUE_ROW_SAMPLE_MARGIN) return margin_of(r, m);
    if (op->confidence == SEGUE_ROW_SAMPLE_NEGENT) return negative_entropy(r, m);
    if (absorbs && slot == mask_slot(r)) return control(&op->stay, r->b, 0);
    const int is_raw = op->confidence == SEGUE_ROW_SAMPLE_PROB_RAW;
    const real p = is_raw ? probability(raw, r->raw[slot]) : probability(m, r->l[slot]);
    return absorbs ? control(&op->move, r->b, 0) * p : p;
}

/* ---- positions ---------------------------------------------------------------------------------- */

typedef struct outcome {
    int64_t tok;
    real conf, lse, logp;
} outcome;

static void put(const row *r, outcome a)
{
    const segue_row_sample *const op = r->op;
    store_int(&op->tok, a.tok, r->cause, r->b, r->t, 0, 0);
    if (present(&op->conf)) store(&op->conf, because(a.conf, r->cause), r->b, r->t, 0, 0);
    if (present(&op->lse)) store(&op->lse, because(a.lse, r->cause), r->b, r->t, 0, 0);
    if (present(&op->logp)) store(&op->logp, because(a.logp, r->cause), r->b, r->t, 0, 0);
}

static outcome nothing(int64_t tok)
{
    outcome a;
    a.tok = tok;
    a.conf = -INFINITY, a.lse = -INFINITY, a.logp = -INFINITY;
    return a;
}

static outcome sample(row *r)
{
    const segue_row_sample *const op = r->op;
    for (int64_t i = 0; i < r->v; i++) r->raw[i] = logit(r, i);
    for (int64_t i = 0; i < r->v; i++) r->l[i] = tempered(r, r->raw[i]);
    const mass raw = mass_of(r->raw, r->v);
    r->log_move = real_log(control(&op->move, r->b, 1)), r->log_stay = real_log(control(&op->stay, r->b, 1));
    filter(r);
    const mass m = mass_of(r->l, r->v);
    if (masks(m.largest)) return nothing(-1);
    const int64_t slot = choose(r, m);
    if (slot < 0) return nothing(-1);
    outcome a;
    a.tok = op->transition == SEGUE_ROW_SAMPLE_ABSORB && slot == mask_slot(r) ? op->mask_id : slot;
    a.lse = is_vast(m.largest) ? m.largest : m.largest + m.log;
    a.logp = log_q(r, m, slot);
    a.conf = confidence(r, m, raw, slot);
    return a;
}

/* Its row of logits; -1 = it is not open. */
static int64_t open_row(const segue_row_sample *op, int64_t b, int64_t t)
{
    const int64_t n = present(&op->row) ? load_int(&op->row, b, t) : t;
    if (present(&op->x) && load_int(&op->x, b, t) != op->mask_id) return -1;
    if (t < control_int(&op->lo, b, 0) || t >= control_int(&op->hi, b, op->tok.shape[1])) return -1;
    return n >= 0 && n < op->logits.shape[1] ? n : -1;
}

void segue_reference_row_sample(const segue_op_header *header, real *work)
{
    const segue_row_sample *op = (const segue_row_sample *)header;
    const int64_t v = op->logits.shape[2];
    row r;
    r.op = op, r.v = v;
    r.raw = work, r.l = work + v, r.score = work + 2 * v;
    r.order = (int32_t *)(void *)(work + 3 * v + 1);
    for (r.b = 0; r.b < op->tok.shape[0]; r.b++)
        for (r.t = 0; r.t < op->tok.shape[1]; r.t++) {
            r.n = open_row(op, r.b, r.t);
            r.cause = 0;
            if (r.n >= 0) put(&r, sample(&r));
            else put(&r, nothing(present(&op->x) ? load_int(&op->x, r.b, r.t) : -1));
        }
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_row_sample *op = (const void *)header;
    (void)dev;
    return op->logits.shape[2] > INT32_MAX ? "logits: v is at most 2^31 - 1, ids are i32" : NULL;
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_row_sample_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_row_sample(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_row_sample_reference;
const segue_row segue_row_row_sample_reference = {
    .name = "row_sample_reference",
    .primitive = SEGUE_ROW_SAMPLE,
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
