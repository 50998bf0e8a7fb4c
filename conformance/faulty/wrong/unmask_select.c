/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Choice of positions in f32, one after the other, with one flaw a row. Without any it is right. */
#include "diffusion.h"

#define FLAWS(FLAW)               \
    FLAW(batch_one_more)          \
    FLAW(packed_ties_reversed)    \
    FLAW(packed_nan_first)        \
    FLAW(packed_share_floored)    \
    FLAW(packed_changed_unsorted) \
    FLAW(batch_window_one_more)   \
    FLAW(batch_known_eligible)    \
    FLAW(packed_tau_exclusive)    \
    FLAW(batch_none_forced)       \
    FLAW(packed_carry_unspent)    \
    FLAW(packed_stream_of_tokens) \
    FLAW(batch_counter_shared)    \
    FLAW(packed_left_of_all)      \
    FLAW(batch_k_of_row_0)        \
    FLAW(packed_temp_divides_noise)

#define NAMED(name) SELECT_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

enum { CLOSED, OPEN, TAKEN };

struct choice {
    const segue_unmask_select *op;
    int flaw;
    int64_t b, count, n, taken;
    float *score;             /* [count]; in the workspace, as these */
    int32_t *state, *in_turn; /* in_turn: positions as they were taken */
};

static int is_packed(const struct choice *q, enum flaw flaw)
{
    return q->flaw == (int)flaw && q->op->x.stride[1] == 1 && q->op->x.stride[0] == q->op->x.shape[1];
}

static int is_batch(const struct choice *q, enum flaw flaw)
{
    return q->flaw == (int)flaw && q->op->x.shape[0] > 1;
}

static int in_window(const struct choice *q, int64_t t)
{
    const int64_t hi = control_int(&q->op->hi, q->b, INT32_MAX) + is_batch(q, SELECT_batch_window_one_more);
    return t >= control_int(&q->op->lo, q->b, 0) && t < hi;
}

/* ---- scores ------------------------------------------------------------------------------------- */

static void words(const struct choice *q, int64_t t, uint32_t stream, uint32_t c[4])
{
    const segue_unmask_select *op = q->op;
    const int64_t row = is_batch(q, SELECT_batch_counter_shared) ? 0 : q->b;
    if (is_packed(q, SELECT_packed_stream_of_tokens)) stream = 0;
    c[0] = 0, c[1] = (uint32_t)(given(&op->pos) ? load_int(&op->pos, q->b, t) : t);
    c[2] = (uint32_t)control_int(&op->seq_id, row, row);
    c[3] = stream << 24 | ((uint32_t)control_int(&op->step, row, 0) & 0xffffff);
    philox(c, given(&op->seed) ? (uint32_t)load_int(&op->seed, row, 0) : 0,
           given(&op->seed) ? (uint32_t)load_int(&op->seed, row, 1) : 0);
}

static float gumbel_at(const struct choice *q, int64_t t)
{
    uint32_t c[4];
    if (q->op->noise != 1) return gumbel_of(q->op->noise, load(&q->op->draws, q->b, t, 0, 0));
    words(q, t, 2, c);
    return -logf(exponential(c[0], c[1]));
}

static float uniform_at(const struct choice *q, int64_t t)
{
    const float x = q->op->noise == 1 ? 0 : load(&q->op->draws, q->b, t, 0, 0);
    uint32_t c[4];
    if (q->op->noise == 2) return x;
    if (q->op->noise != 1) return expf(-drawn(q->op->noise, x));
    words(q, t, 1, c);
    return ((float)(c[0] >> 9) + 0.5f) * 0x1p-23f;
}

static float score_of(const struct choice *q, int64_t t)
{
    const segue_unmask_select *op = q->op;
    const float conf = given(&op->conf) ? load(&op->conf, q->b, t, 0, 0) : 0,
                temp = control(&op->temp, q->b, 0);
    float score = conf;
    if (op->rule == SEGUE_UNMASK_SELECT_MASKGIT) score = logf(conf) + temp * gumbel_at(q, t);
    else if (op->rule == SEGUE_UNMASK_SELECT_GUMBEL_TOPK && temp > 0)
        score = is_packed(q, SELECT_packed_temp_divides_noise) ? conf + gumbel_at(q, t) / temp
                                                               : conf / temp + gumbel_at(q, t);
    if (isnan(score)) return is_packed(q, SELECT_packed_nan_first) ? INFINITY : -INFINITY;
    return score;
}

/* ---- rules -------------------------------------------------------------------------------------- */

static void take(struct choice *q, int64_t t)
{
    q->state[t] = TAKEN;
    q->in_turn[q->taken++] = (int32_t)t;
}

static int64_t first_open(const struct choice *q)
{
    int64_t best = -1;
    for (int64_t t = 0; t < q->count; t++) {
        if (q->state[t] != OPEN) continue;
        const int ties =
            is_packed(q, SELECT_packed_ties_reversed) && best >= 0 && q->score[t] == q->score[best];
        if (best < 0 || q->score[t] > q->score[best] || ties) best = t;
    }
    return best;
}

static void take_first(struct choice *q, int64_t k)
{
    while (q->taken < k && q->taken < q->n) take(q, first_open(q));
}

static int64_t share(const struct choice *q)
{
    const segue_unmask_select *op = q->op;
    const int64_t row = is_batch(q, SELECT_batch_k_of_row_0) ? 0 : q->b,
                  left = control_int(&op->steps_left, row, 1);
    const int64_t steps = left < 1 ? 1 : left, more = is_batch(q, SELECT_batch_one_more);
    if (given(&op->k)) return (load_int(&op->k, row, 0) < 0 ? 0 : load_int(&op->k, row, 0)) + more;
    return is_packed(q, SELECT_packed_share_floored) ? q->n / steps : (q->n + steps - 1) / steps + more;
}

static int64_t budget(const struct choice *q)
{
    const int64_t carry = is_packed(q, SELECT_packed_carry_unspent) ? 0 : control_int(&q->op->carry, q->b, 0);
    return clamped(share(q) + (carry < 0 ? 0 : carry), INT32_MAX);
}

static int passes(const struct choice *q, int64_t t)
{
    const float tau = control(&q->op->tau, q->b, 0), conf = load(&q->op->conf, q->b, t, 0, 0);
    const float least = isnan(conf) ? -INFINITY : conf;
    return is_packed(q, SELECT_packed_tau_exclusive) ? least > tau : least >= tau;
}

static void choose_by_tau(struct choice *q)
{
    const int forced = !is_batch(q, SELECT_batch_none_forced);
    const int64_t most = budget(q);
    if (q->op->rule == SEGUE_UNMASK_SELECT_THRESHOLD) {
        for (int64_t t = 0; t < q->count; t++)
            if (q->state[t] == OPEN && passes(q, t)) take(q, t);
        if (forced) take_first(q, q->op->k_min);
        return;
    }
    while (q->taken < most && q->taken < q->n) {
        const int64_t t = first_open(q);
        if ((q->taken || !forced) && !passes(q, t)) return;
        take(q, t);
    }
}

static void choose_by_coin(struct choice *q)
{
    for (int64_t t = 0; t < q->count; t++)
        if (q->state[t] == OPEN && uniform_at(q, t) < control(&q->op->p, q->b, 0)) take(q, t);
}

static void choose_one(struct choice *q)
{
    const float hit = q->n ? uniform_at(q, 0) * (float)q->n : 0;
    int64_t number = hit > 0 ? (int64_t)hit : 0;
    if (number >= q->n) number = q->n - 1;
    for (int64_t t = 0; t < q->count; t++)
        if (q->state[t] == OPEN && number-- == 0) {
            take(q, t);
            return;
        }
}

static void choose(struct choice *q)
{
    switch (q->op->rule) {
    case SEGUE_UNMASK_SELECT_ALL: take_first(q, q->n); break;
    case SEGUE_UNMASK_SELECT_THRESHOLD:
    case SEGUE_UNMASK_SELECT_BUDGET: choose_by_tau(q); break;
    case SEGUE_UNMASK_SELECT_BERNOULLI: choose_by_coin(q); break;
    case SEGUE_UNMASK_SELECT_MASKGIT: take_first(q, q->n - share(q)); break;
    case SEGUE_UNMASK_SELECT_FIRST_HIT: choose_one(q); break;
    default: take_first(q, share(q));
    }
}

/* ---- rows --------------------------------------------------------------------------------------- */

static void put_changes(const struct choice *q, const int32_t *list, int64_t count)
{
    const segue_tensor *changed = &q->op->changed;
    for (int64_t i = 0; given(changed) && i < changed->shape[1]; i++)
        put_int(changed, i < count ? list[i] : -1, q->b, i);
    put_int(&q->op->n_changed, count, q->b, 0);
}

static void put(struct choice *q)
{
    const segue_unmask_select *op = q->op;
    int64_t changes = 0, left = 0;
    if (given(&op->carry_out)) put_int(&op->carry_out, budget(q) - q->taken, q->b, 0);
    if (is_packed(q, SELECT_packed_changed_unsorted)) /* as they were taken */
        for (int64_t i = 0; i < q->taken; i++) {
            const int32_t t = q->in_turn[i];
            if (load_int(&op->tok, q->b, t) != load_int(&op->x, q->b, t)) q->in_turn[changes++] = t;
        }
    const int unsorted = is_packed(q, SELECT_packed_changed_unsorted);
    for (int64_t t = 0; t < q->count; t++) {
        const int32_t old = load_int(&op->x, q->b, t),
                      now = q->state[t] == TAKEN ? load_int(&op->tok, q->b, t) : old;
        put_int(&op->x_out, now, q->b, t);
        left += now == op->mask_id && (in_window(q, t) || is_packed(q, SELECT_packed_left_of_all));
        if (now != old && !unsorted) q->in_turn[changes++] = (int32_t)t;
    }
    put_changes(q, q->in_turn, changes);
    put_int(&op->n_left, left, q->b, 0);
}

segue_status wrong_unmask_select(const segue_op_header *header, const segue_kit_call *call, int flaw)
{
    const segue_unmask_select *op = (const segue_unmask_select *)header;
    struct choice q = { .op = op, .flaw = flaw, .count = op->x.shape[1] };
    q.score = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    q.state = (int32_t *)(void *)(q.score + q.count), q.in_turn = q.state + q.count;
    for (q.b = 0; q.b < op->x.shape[0]; q.b++) {
        q.n = q.taken = 0;
        for (int64_t t = 0; t < q.count; t++) {
            const int masked =
                load_int(&op->x, q.b, t) == op->mask_id || is_batch(&q, SELECT_batch_known_eligible);
            const int open = masked && in_window(&q, t) && load_int(&op->tok, q.b, t) >= 0;
            q.state[t] = open ? OPEN : CLOSED, q.n += open;
            q.score[t] = open ? score_of(&q, t) : -INFINITY;
        }
        choose(&q);
        put(&q);
    }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return has_f64(header, offsetof(segue_unmask_select, x), offsetof(segue_unmask_select, carry_out))
               ? "conf: no operand may be f64"
               : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)(3 * ((const segue_unmask_select *)header)->x.shape[1]) * sizeof(float);
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(unmask_select, SEGUE_UNMASK_SELECT, flaw, wrong_unmask_select, SELECT_##flaw)
FLAWS(ROW)
