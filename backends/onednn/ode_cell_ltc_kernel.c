/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. Destination neurons lie in lanes. Synapses are packed [block][source][4]: midpoint, slope in
 * powers of two, conductance, conductance times reversal potential. A synapse that does not exist has the slope NOT_THERE, which
 * arithmetic takes for 0, and no conductance. ROWS sequences share the loads of synapses; each sums up by itself, sources upwards. */
#include "ode_cell_places.h"

enum { ROWS = LANES == 16 ? 6 : 2 };

#define NOT_THERE 1   /* the bits of a denormal: products of this backend are never one */
#define WITHIN 120.0f /* powers of two below which exp2 needs no guard, with room for roundings */

/* ---- synapses -------------------------------------------------------------------------------------------- */

struct synapses {
    const float *packed; /* of one block */
    const float *v;      /* [ROWS][pitch] of the sources */
    int64_t sources, pitch;
};

struct sums {
    lanes E[ROWS], all[ROWS];
};

/* Each synapse opens by 1 / (1 + 2^t), t = slope (mu - v). Row by row in each step: in the order of one row's chain the same
 * operations take 1.1 times as long. */
INLINE struct sums sum_up(const struct synapses *s, const int rows)
{
    const lanes magic = lanes_splat(LANES_FINE_MAGIC), one = lanes_splat(1.0f);
    const float *packed = s->packed;
    struct sums sum = { 0 };
    for (int64_t j = 0; j < s->sources; j++, packed += 4 * LANES) {
        const lanes mu = lanes_load(packed), slope = lanes_load(packed + LANES);
        const lanes w = lanes_load(packed + 2 * LANES), wE = lanes_load(packed + 3 * LANES);
        lanes n[ROWS], open[ROWS];
        for (int r = 0; r < rows; r++) open[r] = mu - lanes_splat(s->v[r * s->pitch + j]);
        for (int r = 0; r < rows; r++) n[r] = lanes_fma(slope, open[r], magic);
        for (int r = 0; r < rows; r++) open[r] = lanes_fma(slope, open[r], magic - n[r]);
        for (int r = 0; r < rows; r++) open[r] = lanes_exp2_fine(n[r], open[r]) + one;
        for (int r = 0; r < rows; r++) open[r] = lanes_reciprocal(open[r]);
        for (int r = 0; r < rows; r++) sum.all[r] = lanes_fma(w, open[r], sum.all[r]);
        for (int r = 0; r < rows; r++) sum.E[r] = lanes_fma(wE, open[r], sum.E[r]);
    }
    return sum;
}

/* The same for any t, of one row; the same bits where both hold. A synapse that does not exist stays shut whatever v is. */
static struct sums sum_guarded(const struct synapses *s)
{
    const lanes magic = lanes_splat(LANES_FINE_MAGIC), top = lanes_splat(LANES_FINE_TOP), zero = { 0 };
    const float *packed = s->packed;
    struct sums sum = { 0 };
    for (int64_t j = 0; j < s->sources; j++, packed += 4 * LANES) {
        const lanes slope = lanes_load(packed + LANES), gap = lanes_load(packed) - lanes_splat(s->v[j]);
        const lanes t = slope * gap, near = lanes_fma(slope, gap, magic);
        const lanes n = lanes_if_less(top, near, top, near), r = lanes_fma(slope, gap, magic - n);
        const lanes p = lanes_exp2_guard(t, lanes_exp2_fine(n, r)) + 1.0f;
        lanes open = lanes_if_less(lanes_splat(126.0f), t, zero, lanes_reciprocal(p));
        open = lanes_select((lanes_int)slope == NOT_THERE, zero, open);
        sum.all[0] = lanes_fma(lanes_load(packed + 2 * LANES), open, sum.all[0]);
        sum.E[0] = lanes_fma(lanes_load(packed + 3 * LANES), open, sum.E[0]);
    }
    return sum;
}

static struct sums sum_rows(const struct synapses *s)
{
    return sum_up(s, ROWS);
}
static struct sums sum_row(const struct synapses *s)
{
    return sum_up(s, 1);
}

static struct sums sum_synapses(const struct synapses *s, int64_t rows, int guarded)
{
    struct sums sum = { 0 };
    if (!guarded) return rows > 1 ? sum_rows(s) : sum_row(s);
    for (int64_t r = 0; r < rows; r++) {
        struct synapses one = *s;
        one.v += r * s->pitch;
        const struct sums own = sum_guarded(&one);
        sum.all[r] = own.all[0], sum.E[r] = own.E[0];
    }
    return sum;
}

/* Whether one of the values (count of each row) is NaN or too large for sums without a guard. */
static int beyond(const float *v, int64_t pitch, int64_t rows, const float *reach, int64_t count)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < count; i += LANES) {
            const lanes size = lanes_only(lanes_abs(lanes_load(v + r * pitch + i)), count - i, -1);
            if (!lanes_all_less(size, lanes_load(reach + i))) return 1;
        }
    return 0;
}

/* ---- steps ----------------------------------------------------------------------------------------------- */

/* kappa of a row; D <= 0 with CM_OVER_DT: any, for the state will stay. Over a step below TINY cm might be no f32: kappa is
 * multiplied by RAISED then, as is what kappa is added to. Returns that factor. */
#define TINY 0x1p-60f
#define RAISED 0x1p-64f
static float find_kappa(const struct cell_job *job, float D, float *to)
{
    const segue_ode_cell *op = job->op;
    const float *cm = job->packed + job->cm, unfolds = (float)op->unfolds;
    const float after = op->kappa == SEGUE_ODE_CELL_CM_OVER_DT_PLUS1 ? D + 1.0f : D;
    const float step = op->kappa == SEGUE_ODE_CELL_CM_DIRECT ? 1.0f : after / unfolds;
    const int raised = after != 0 && __builtin_fabsf(step) < TINY && op->kappa != SEGUE_ODE_CELL_CM_DIRECT;
    const lanes part = lanes_splat(raised ? after * (1 / RAISED) / unfolds : step);
    for (int64_t i = 0; i < job->n; i += LANES) lanes_store(to + i, lanes_load(cm + i) / part);
    return raised ? RAISED : 1;
}

/* The sums over features, [row][n] each. */
static void sum_features(const struct worker *w, const float *x, int64_t rows)
{
    const struct cell_job *job = w->job;
    const int guarded = beyond(x, job->d_pitch, rows, w->scratch + job->reach + job->n_pitch, job->d);
    struct synapses s = { job->packed + job->feature_w, x, job->d, job->d_pitch };
    for (int64_t i = 0; i < job->n; i += LANES, s.packed += job->d * 4 * LANES) {
        const struct sums sum = sum_synapses(&s, rows, guarded);
        for (int64_t r = 0; r < rows; r++) {
            lanes_store(w->scratch + job->feature_E + r * job->n_pitch + i, sum.E[r]);
            lanes_store(w->scratch + job->feature + r * job->n_pitch + i, sum.all[r]);
        }
    }
}

static void unfold(const struct worker *w, const float *from, float *to, int64_t rows, const float *scale)
{
    const struct cell_job *job = w->job;
    const int64_t pitch = job->n_pitch;
    const int guarded = beyond(from, pitch, rows, w->scratch + job->reach, job->n);
    const lanes eps = lanes_splat((float)job->op->eps);
    struct synapses s = { job->packed + job->neuron_w, from, job->n, pitch };
    for (int64_t i = 0; i < job->n; i += LANES, s.packed += job->n * 4 * LANES) {
        const struct sums sum = sum_synapses(&s, rows, guarded);
        const lanes g = lanes_load(job->packed + job->gleak + i),
                    leak = lanes_load(job->packed + job->leak + i);
        for (int64_t r = 0; r < rows; r++) {
            const lanes kappa = lanes_load(w->scratch + job->kappa + r * pitch + i);
            const lanes act_E = sum.E[r] + lanes_load(w->scratch + job->feature_E + r * pitch + i);
            const lanes act = sum.all[r] + lanes_load(w->scratch + job->feature + r * pitch + i);
            const lanes above = lanes_fma(kappa, lanes_load(from + r * pitch + i), (leak + act_E) * scale[r]);
            lanes_store(to + r * pitch + i, above / lanes_fma(g + act + eps, lanes_splat(scale[r]), kappa));
        }
    }
}

/* ROWS sequences or one, by a token. */
static void step_rows(const struct worker *w, const struct cell_place *p, int64_t rows)
{
    const struct cell_job *job = w->job;
    float *v[2] = { w->scratch + job->state[0], w->scratch + job->state[1] };
    float *const x = w->scratch + job->inputs, scale[ROWS];
    for (int64_t r = 0; r < rows; r++) {
        copy_lanes(v[0] + r * job->n_pitch, state_of(w, p + r), job->n_pitch);
        copy_lanes(x + r * job->d_pitch, x_of(w, p + r), job->d_pitch);
        scale[r] = find_kappa(job, elapsed_of(w, p + r), w->scratch + job->kappa + r * job->n_pitch);
    }
    sum_features(w, x, rows);
    for (int64_t u = 0; u < job->op->unfolds; u++) {
        unfold(w, v[0], v[1], rows, scale);
        float *const now = v[1];
        v[1] = v[0], v[0] = now;
    }
    for (int64_t r = 0; r < rows; r++) {
        float *const before = state_of(w, p + r);
        const int stays = job->op->kappa == SEGUE_ODE_CELL_CM_OVER_DT && elapsed_of(w, p + r) <= 0;
        copy_lanes(before + job->n_pitch, stays ? before : v[0] + r * job->n_pitch, job->n_pitch);
    }
}

static void step(const struct worker *w)
{
    int64_t i = 0;
    for (; i + ROWS <= w->count; i += ROWS) step_rows(w, w->place + i, ROWS);
    for (; i < w->count; i++) step_rows(w, w->place + i, 1);
}

/* The input map. */
static void map_inputs(const struct worker *w, const struct cell_place *p)
{
    const struct cell_job *job = w->job;
    if (!present(&job->op->input_w) && !present(&job->op->input_b)) return;
    float *const x = w->scratch + job->x + p->memory * job->tile * job->d_pitch;
    for (int64_t i = 0; i < job->d; i += LANES) {
        const lanes scale = lanes_load(job->packed + job->input_w + i),
                    bias = lanes_load(job->packed + job->input_b + i);
        for (int64_t t = 0; t < p->tokens; t++) {
            float *const at = x + t * job->d_pitch + i;
            lanes_store(at, scale * lanes_load(at) + bias);
        }
    }
}

/* The least reach of all blocks. */
static void find_reach(const struct cell_job *job, uint64_t from, int64_t pitch, float *to)
{
    for (int64_t i = 0; i < pitch; i += LANES) {
        lanes least = lanes_splat(__builtin_inff());
        for (int64_t b = 0; b < job->blocks; b++) {
            const lanes own = lanes_load(job->packed + from + b * pitch + i);
            least = lanes_if_less(own, least, own, least);
        }
        lanes_store(to + i, least);
    }
}

static void sequences(const struct cell_job *job, int64_t first, int64_t last, float *scratch)
{
    find_reach(job, job->neuron_reach, job->n_pitch, scratch + job->reach);
    find_reach(job, job->feature_reach, job->d_pitch, scratch + job->reach + job->n_pitch);
    walk_sequences(job, first, last, scratch, map_inputs, step);
}

/* ---- packing --------------------------------------------------------------------------------------------- */

struct wiring { /* synapses as they are given */
    const segue_tensor *sigma, *mu, *w, *E, *A, *ptr, *src;
    int64_t sources;
    float *packed, *reach; /* of one block */
};

INLINE lanes constrained(const segue_ode_cell *op, lanes v, float least)
{
    const lanes low = lanes_splat(least), high = lanes_splat(1000.0f);
    if (op->constraint == SEGUE_ODE_CELL_SOFTPLUS) return lanes_softplus(v);
    if (op->constraint != SEGUE_ODE_CELL_CLIP) return v;
    v = lanes_if_less(v, low, low, v); /* NaN: as it is */
    return lanes_if_less(high, v, high, v);
}

/* One column in `columns` of [sources n] into rows, `pitch` apart. */
static void pack_block(const segue_tensor *t, int64_t first, int64_t columns, float *to, int64_t pitch)
{
    struct segue_strip s = strip_of(t, 0, 1);
    strip_cut_columns(&s, first, columns);
    PACK(to, pitch, LANES, &s);
}

static int32_t index_of(const segue_tensor *t, int64_t i)
{
    int32_t value;
    memcpy(&value, (const char *)t->data + t->offset + i * t->stride[0] * 4, sizeof value);
    return value;
}

/* How often each source is in the lists of neurons first and on: [sources][LANES]. */
static void count_lists(const struct wiring *s, int64_t first, int64_t columns, float *to)
{
    const int64_t entries = s->src->shape[0];
    memset(to, 0, (size_t)(s->sources * LANES) * sizeof *to);
    for (int64_t i = 0; i < columns; i++) {
        const int64_t end = clamp(index_of(s->ptr, first + i + 1), 0, entries);
        for (int64_t k = clamp(index_of(s->ptr, first + i), 0, entries); k < end; k++) {
            const int64_t j = index_of(s->src, k);
            if (j >= 0 && j < s->sources) to[j * LANES + i] += 1;
        }
    }
}

/* A row of four vectors as they were given, into what sums need. factor, count: NULL = 1. Returns how large a source's value may be
 * for sums without a guard. NaN among its weights is no concern: it comes through either way. */
static float finish_row(const segue_ode_cell *op, float *at, const float *factor, const float *count)
{
    const lanes inf = lanes_splat(__builtin_inff()), zero = { 0 };
    const lanes mu = lanes_load(at), slope = lanes_load(at + LANES) * LANES_LOG2E,
                E = lanes_load(at + 3 * LANES);
    lanes w = constrained(op, lanes_load(at + 2 * LANES), 1e-5f);
    lanes room = lanes_splat(WITHIN) / lanes_abs(slope) - lanes_abs(mu);
    if (factor) w = lanes_load(factor) * w;
    if (count) w = lanes_load(count) * w;
    lanes row[4] = { mu, slope, w, w * E };
    room = lanes_if_less(room, inf, room, inf);
    if (count) {
        const lanes_int there = lanes_load(count) > zero;
        for (int i = 0; i < 4; i++) row[i] = lanes_select(there, row[i], zero);
        row[1] = lanes_select(there, row[1], (lanes)(lanes_int_splat(NOT_THERE)));
        room = lanes_select(there, room, inf);
    }
    for (int i = 0; i < 4; i++) lanes_store(at + i * LANES, row[i]);
    return -lanes_largest(-room);
}

static void pack_synapses(const struct cell_job *job, const struct wiring *s, int64_t block, float *scratch)
{
    const int64_t first = block * LANES, left = job->n - first, columns = left < LANES ? left : LANES;
    const segue_tensor *const given[] = { s->mu, s->sigma, s->w, s->E };
    float *const factor = present(s->A) ? scratch + job->factor : NULL;
    float *const count = present(s->ptr) ? scratch + job->count : NULL;
    for (int i = 0; i < 4; i++) pack_block(given[i], first, columns, s->packed + i * LANES, 4 * LANES);
    if (factor) pack_block(s->A, first, columns, factor, LANES);
    if (count) count_lists(s, first, columns, count);
    for (int64_t j = 0; j < s->sources; j++)
        s->reach[j] = finish_row(job->op, s->packed + j * 4 * LANES, factor ? factor + j * LANES : NULL,
                                 count ? count + j * LANES : NULL);
    for (int64_t j = s->sources; j % LANES; j++) s->reach[j] = 0;
}

static void pack_neurons(const struct cell_job *job)
{
    const segue_ode_cell *op = job->op;
    float *const g = job->packed + job->gleak, *const cm = job->packed + job->cm,
                 *const leak = job->packed + job->leak;
    pack_vector(g, &op->gleak, job->n, 0);
    pack_vector(cm, &op->cm, job->n, 0);
    pack_vector(leak, &op->vleak, job->n, 0);
    for (int64_t i = 0; i < job->n; i += LANES) {
        lanes_store(g + i, constrained(op, lanes_load(g + i), 1e-5f));
        lanes_store(cm + i, constrained(op, lanes_load(cm + i), 1e-6f));
        lanes_store(leak + i, lanes_load(g + i) * lanes_load(leak + i));
    }
    pack_vector(job->packed + job->input_w, &op->input_w, job->d, 1);
    pack_vector(job->packed + job->input_b, &op->input_b, job->d, 0);
    pack_outputs(job);
}

static void pack(const struct cell_job *job, int64_t item, float *scratch)
{
    const segue_ode_cell *op = job->op;
    const int64_t block = item / 2;
    float *const reach[2] = { job->packed + job->neuron_reach + block * job->n_pitch,
                              job->packed + job->feature_reach + block * job->d_pitch };
    const struct wiring neurons = { .sigma = &op->sigma,
                                    .mu = &op->mu,
                                    .w = &op->w,
                                    .E = &op->E,
                                    .A = &op->A,
                                    .ptr = &op->synapse_ptr,
                                    .src = &op->synapse_src,
                                    .sources = job->n,
                                    .packed = job->packed + job->neuron_w + block * job->n * 4 * LANES,
                                    .reach = reach[0] };
    const struct wiring features = { .sigma = &op->sensory_sigma,
                                     .mu = &op->sensory_mu,
                                     .w = &op->sensory_w,
                                     .E = &op->sensory_E,
                                     .A = &op->sensory_A,
                                     .ptr = &op->sensory_ptr,
                                     .src = &op->sensory_src,
                                     .sources = job->d,
                                     .packed = job->packed + job->feature_w + block * job->d * 4 * LANES,
                                     .reach = reach[1] };
    if (block == job->blocks) pack_neurons(job);
    else pack_synapses(job, item % 2 ? &features : &neurons, block, scratch);
}

const struct cell_kernel
    SEGUE_ISA_NAME(segue_ltc) = { .lanes = LANES, .places = ROWS, .pack = pack, .sequences = sequences };
