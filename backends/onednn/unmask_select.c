/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A batch row is one thread's work. The order (score falling, position rising) is that of 64-bit keys, so
 * that whatever rule takes the first m of the order takes those up to the m-th smallest key. Scores that are
 * operands stay bits: nothing is flushed or rounded. */
#include "engine/random_words.h"
#include "row.h"

#include <math.h>

enum { ALONE_BELOW = 1 << 12 }; /* positions that are done before a worker wakes up */
enum { BASE_LANES = 4 };        /* of segue_pack_base */
#define NOT_TAKEN UINT64_MAX    /* the key of what is not eligible */

struct select_job {
    const segue_unmask_select *op;
    int64_t positions;
    uint64_t conf, draws, key, heap; /* where a worker's scratch holds what, in floats */
    uint64_t scratch_floats;
    float *scratch;
};

struct batch_row {
    const segue_unmask_select *op;
    int64_t b, count, n; /* positions, eligible ones */
    int64_t lo, hi;
    const float *conf, *draws;
    uint64_t *key, *heap;
};

static struct select_job plan_job(const segue_unmask_select *op)
{
    struct select_job job = { .op = op, .positions = op->x.shape[1] };
    uint64_t end = 0;
    job.conf = place_scratch(&end, op->conf.dtype.bits ? job.positions : 0);
    job.draws = place_scratch(&end, op->draws.dtype.bits ? job.positions : 0);
    job.key = place_scratch(&end, 2 * job.positions);
    job.heap = place_scratch(&end, 2 * job.positions);
    job.scratch_floats = end;
    return job;
}

/* ---- operands ----------------------------------------------------------------------------------- */

static int32_t *place_of(const segue_tensor *t, int64_t b, int64_t i)
{
    int32_t *const data = (int32_t *)(void *)((char *)t->data + t->offset);
    return data + b * t->stride[0] + (t->rank > 1 ? i * t->stride[1] : 0);
}

/* A control of a batch row; absent: 0. */
static float control(const struct batch_row *r, const segue_tensor *t)
{
    float all[BASE_LANES];
    if (!t->dtype.bits) return 0;
    struct segue_strip s = strip_of(t, -1, 0);
    strip_cut_columns(&s, r->b, 1);
    segue_pack_base(all, 0, BASE_LANES, &s);
    return all[0];
}

static const float *take_row(const segue_tensor *t, int64_t b, float *to)
{
    if (!t->dtype.bits) return NULL;
    struct segue_strip s = strip_of(t, -1, 1);
    strip_move(&s, b * t->stride[0]);
    segue_pack_base(to, 0, BASE_LANES, &s);
    return to;
}

/* ---- random numbers ----------------------------------------------------------------------------- */

static void words_at(const struct batch_row *r, int64_t t, uint32_t stream, uint32_t out[4])
{
    const segue_unmask_select *op = r->op;
    const struct random_counter c =
        random_counter_at(&op->seed, &op->pos, &op->seq_id, &op->step, r->b, t, stream);
    random_words(&c, out);
}

static float uniform_at(const struct batch_row *r, int64_t t)
{
    uint32_t w[4];
    if (r->op->noise == SEGUE_UNMASK_SELECT_GUMBEL) return expf(-expf(-r->draws[t]));
    if (r->op->noise == SEGUE_UNMASK_SELECT_EXPONENTIAL) return expf(-r->draws[t]);
    if (r->op->noise == SEGUE_UNMASK_SELECT_UNIFORM) return r->draws[t];
    words_at(r, t, RANDOM_UNIFORM, w);
    return random_unit(w[0]);
}

static float gumbel_at(const struct batch_row *r, int64_t t)
{
    uint32_t w[4];
    if (r->op->noise == SEGUE_UNMASK_SELECT_GUMBEL) return r->draws[t];
    if (r->op->noise == SEGUE_UNMASK_SELECT_EXPONENTIAL) return -logf(r->draws[t]);
    if (r->op->noise == SEGUE_UNMASK_SELECT_UNIFORM) return -logf(-logf(r->draws[t]));
    words_at(r, t, RANDOM_CHOICE_NOISE, w);
    return -logf(-log1pf(-random_fraction(w[0], w[1])));
}

/* ---- the order ---------------------------------------------------------------------------------- */

/* Falls as x rises; NaN is -infinity, -0 is 0. */
static uint32_t place_in_order(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (!(bits << 1)) bits = 0;
    if (bits << 1 > 0xff000000u) bits = 0xff800000u;
    return bits >> 31 ? bits : bits ^ 0x7fffffffu;
}

static float score_at(const struct batch_row *r, int64_t t, float temp)
{
    if (!r->conf) return 0;
    if (r->op->rule == SEGUE_UNMASK_SELECT_MASKGIT) return logf(r->conf[t]) + temp * gumbel_at(r, t);
    if (r->op->rule == SEGUE_UNMASK_SELECT_GUMBEL_TOPK && temp > 0) return r->conf[t] / temp + gumbel_at(r, t);
    return r->conf[t];
}

static int in_window(const struct batch_row *r, int64_t t)
{
    return t >= r->lo && t < r->hi;
}

static void make_keys(struct batch_row *r)
{
    const segue_unmask_select *op = r->op;
    const float temp = control(r, &op->temp);
    for (int64_t t = 0; t < r->count; t++) {
        r->key[t] = NOT_TAKEN;
        if (!in_window(r, t) || *place_of(&op->x, r->b, t) != op->mask_id || *place_of(&op->tok, r->b, t) < 0)
            continue;
        r->key[t] = (uint64_t)place_in_order(score_at(r, t, temp)) << 32 | (uint64_t)t;
        r->n++;
    }
}

static void sift_down(uint64_t *heap, int64_t count, int64_t at)
{
    const uint64_t key = heap[at];
    for (int64_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1] > heap[child]) child++;
        if (heap[child] <= key) break;
        heap[at] = heap[child];
    }
    heap[at] = key;
}

/* The last key among the first m of the order; 0 < m < n. A heap of the m smallest so far, the largest on
 * top. */
static uint64_t key_number(const struct batch_row *r, int64_t m)
{
    int64_t filled = 0;
    for (int64_t t = 0; t < r->count; t++) {
        if (r->key[t] == NOT_TAKEN) continue;
        if (filled < m) {
            r->heap[filled++] = r->key[t];
            for (int64_t i = m / 2; filled == m && i-- > 0;) sift_down(r->heap, m, i);
        } else if (r->key[t] < r->heap[0]) {
            r->heap[0] = r->key[t];
            sift_down(r->heap, m, 0);
        }
    }
    return r->heap[0];
}

/* ---- rules: keys from which on nothing is taken ------------------------------------------------- */

static uint64_t first_of_order(struct batch_row *r, int64_t m)
{
    if (m <= 0) memset(r->key, 0xff, (size_t)r->count * sizeof *r->key);
    return m <= 0 || m >= r->n ? NOT_TAKEN : key_number(r, m) + 1;
}

/* k as given, or this step's share of n. */
static int64_t share(const struct batch_row *r)
{
    const int64_t left = int_at(&r->op->steps_left, r->b, 0, 1), steps = left < 1 ? 1 : left;
    if (!r->op->k.dtype.bits) return (r->n + steps - 1) / steps;
    const int64_t k = *place_of(&r->op->k, r->b, 0);
    return k < 0 ? 0 : k;
}

static int64_t budget(const struct batch_row *r)
{
    const int64_t carry = int_at(&r->op->carry, r->b, 0, 0);
    return clamp(share(r) + (carry < 0 ? 0 : carry), 0, INT32_MAX);
}

/* Those with conf >= tau, which are the first of the order. */
static int64_t passing(const struct batch_row *r)
{
    const float tau = control(r, &r->op->tau);
    const uint64_t last = place_in_order(tau);
    int64_t count = 0;
    if (tau != tau) return 0;
    for (int64_t t = 0; t < r->count; t++) count += r->key[t] != NOT_TAKEN && r->key[t] >> 32 <= last;
    return count;
}

static uint64_t take_all(struct batch_row *r)
{
    (void)r;
    return NOT_TAKEN;
}

static uint64_t take_first_k(struct batch_row *r)
{
    return first_of_order(r, share(r));
}

static uint64_t take_all_but_k(struct batch_row *r)
{
    return first_of_order(r, r->n - share(r));
}

static uint64_t take_threshold(struct batch_row *r)
{
    const int64_t pass = passing(r);
    return first_of_order(r, r->op->k_min > pass ? r->op->k_min : pass);
}

static uint64_t take_budget(struct batch_row *r)
{
    const int64_t pass = passing(r), most = budget(r), least = pass < 1 ? 1 : pass;
    return first_of_order(r, most < least ? most : least);
}

static uint64_t take_bernoulli(struct batch_row *r)
{
    const float p = control(r, &r->op->p);
    for (int64_t t = 0; t < r->count; t++) {
        if (r->key[t] == NOT_TAKEN) continue;
        const float u = uniform_at(r, t);
        if (!(u < p && u > -INFINITY)) r->key[t] = NOT_TAKEN;
    }
    return NOT_TAKEN;
}

static uint64_t take_first_hit(struct batch_row *r)
{
    if (!r->n) return NOT_TAKEN;
    const double hit = (double)uniform_at(r, 0) * (double)r->n;
    int64_t left = !(hit >= 1) ? 0 : hit < (double)r->n ? (int64_t)hit : r->n - 1;
    for (int64_t t = 0; t < r->count; t++)
        if (r->key[t] != NOT_TAKEN && left-- != 0) r->key[t] = NOT_TAKEN;
    return NOT_TAKEN;
}

static uint64_t (*const rules[])(struct batch_row *) = {
    [SEGUE_UNMASK_SELECT_ALL] = take_all,
    [SEGUE_UNMASK_SELECT_TOPK] = take_first_k,
    [SEGUE_UNMASK_SELECT_THRESHOLD] = take_threshold,
    [SEGUE_UNMASK_SELECT_BUDGET] = take_budget,
    [SEGUE_UNMASK_SELECT_BERNOULLI] = take_bernoulli,
    [SEGUE_UNMASK_SELECT_GUMBEL_TOPK] = take_first_k,
    [SEGUE_UNMASK_SELECT_MASKGIT] = take_all_but_k,
    [SEGUE_UNMASK_SELECT_FIRST_HIT] = take_first_hit,
};

/* ---- outputs ------------------------------------------------------------------------------------ */

static void put(const segue_tensor *t, int64_t b, int64_t i, int64_t x)
{
    if (t->dtype.bits) *place_of(t, b, i) = (int32_t)x;
}

/* What has a smaller key than `end` is taken. x_out may be x: each position is read before it is written. */
static void put_row(const struct batch_row *r, uint64_t end)
{
    const segue_unmask_select *op = r->op;
    const int64_t room = op->changed.dtype.bits ? op->changed.shape[1] : 0, own = budget(r);
    int64_t taken = 0, changes = 0, left = 0;
    for (int64_t t = 0; t < r->count; t++) {
        const int32_t before = *place_of(&op->x, r->b, t);
        const int take = r->key[t] < end;
        const int32_t after = take ? *place_of(&op->tok, r->b, t) : before;
        *place_of(&op->x_out, r->b, t) = after;
        taken += take;
        left += in_window(r, t) && after == op->mask_id;
        if (after != before && changes++ < room) put(&op->changed, r->b, changes - 1, t);
    }
    for (int64_t i = changes; i < room; i++) put(&op->changed, r->b, i, -1);
    put(&op->n_changed, r->b, 0, changes);
    put(&op->n_left, r->b, 0, left);
    put(&op->carry_out, r->b, 0, own - taken);
}

static void part(void *arg, int32_t index, int32_t parts)
{
    const struct select_job *job = arg;
    const segue_unmask_select *op = job->op;
    const int64_t batches = op->x.shape[0];
    float *const scratch = job->scratch + (uint64_t)index * job->scratch_floats;
    const uint64_t mode = float_mode_enter();
    for (int64_t b = batches * index / parts; b < batches * (index + 1) / parts; b++) {
        struct batch_row r = { .op = op, .b = b, .count = job->positions };
        r.lo = int_at(&op->lo, b, 0, 0), r.hi = int_at(&op->hi, b, 0, r.count);
        r.conf = take_row(&op->conf, b, scratch + job->conf);
        r.draws = take_row(&op->draws, b, scratch + job->draws);
        r.key = (uint64_t *)(void *)(scratch + job->key), r.heap = (uint64_t *)(void *)(scratch + job->heap);
        make_keys(&r);
        put_row(&r, rules[op->rule](&r));
    }
    float_mode_leave(mode);
}

/* ---- the row ------------------------------------------------------------------------------------ */

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_unmask_select *op = (const void *)header;
    const struct segue_cpu *cpu = dev->handle;
    (void)why;
    plan->workspace_bytes = plan_job(op).scratch_floats * sizeof(float) * cpu->threads;
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    static const segue_kit_refusal operands[] = {
        { offsetof(segue_unmask_select, conf), "conf: f64 is offered by the reference only" },
        { offsetof(segue_unmask_select, tau), "tau: f64 is offered by the reference only" },
        { offsetof(segue_unmask_select, p), "p: f64 is offered by the reference only" },
        { offsetof(segue_unmask_select, temp), "temp: f64 is offered by the reference only" },
        { offsetof(segue_unmask_select, draws), "draws: f64 is offered by the reference only" },
        { 0, NULL },
    };
    const segue_unmask_select *op = (const void *)header;
    (void)dev;
    if (op->x.shape[1] > INT32_MAX) return "x: t is at most 2^31 - 1, positions are i32";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_unmask_select *op = (const void *)header;
    const struct segue_cpu *cpu = call->device->handle;
    struct select_job job = plan_job(op);
    job.scratch = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    if (op->x.shape[0] == 1 || (double)op->x.shape[0] * (double)op->x.shape[1] < ALONE_BELOW) part(&job, 0, 1);
    else segue_parts_run(cpu, part, &job);
    return SEGUE_OK;
}

const segue_row unmask_select_cpu = {
    .name = "unmask_select_cpu",
    .primitive = SEGUE_UNMASK_SELECT,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
