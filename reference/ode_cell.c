/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Liquid cells by their definition: arXiv:2006.04439 with the fused solver of mlech26l/ncps ltc_cell.py (LTC),
 * and arXiv:2106.13898 with cfc_cell.py (CfC). For every sequence, from h_0 = h_in or 0, at each step D later
 * than the one before:
 *
 *   LTC, once a call       w~_ji = A_ji constrained(w_ji)                               [m n], and [d n]
 *   once a step            x'_d = input_w_d x_d + input_b_d                             [b t d]
 *                          act(v)_ji = w~_ji sigmoid(sigma_ji (v_j - mu_ji)) of each synapse from j to i
 *   `unfolds` times, from all h_j of the unfold before:
 *     h_i = (kappa_i h_i + g_i vleak_i + sum_j act(h)_ji E_ji + sum_d act(x')_di E_di)
 *           / (kappa_i + g_i + sum_j act(h)_ji + sum_d act(x')_di + eps)                [p n]
 *
 *   CfC                    z = [x, h], z = g(W z + b) for each backbone layer           [b t u]
 *                          f1, f2 = (mask o ff_w) z + ff_b                              [b t n]
 *                          t_a, t_b = time_w z + time_b
 *     CFC                  h = a(f1) (1 - s) + a(f2) s,   s = sigmoid(+-t_a D + t_b)    [p n]
 *     CFC_NO_GATE          h = a(f1) + a(f2) s
 *     CFC_PURE             h = pure_A - pure_A exp(-D (|w_tau| + |f1|)) f1
 *
 *   y_i = output_w_i h_i + output_b_i for i < f                                         [b t f]
 *
 * LTC with kappa = cm / (D / unfolds) and D <= 0: h stays. */
#include "operands.h"

/* Synapses that end in the n neurons, from neurons or from features. */
typedef struct synapses {
    const segue_tensor *sigma, *mu, *E, *ptr, *src;
    real *w; /* [sources n] constrained, and A is in it */
    int64_t sources, n;
} synapses;

typedef struct cell { /* all numbers lie in the workspace */
    const segue_ode_cell *op;
    int64_t n, d, u;
    real *h, *next;             /* [n] unrounded */
    real *g, *cm;               /* [n] LTC: constrained */
    real *x;                    /* [d] LTC: behind the input map */
    real *feature_E, *feature;  /* [n] LTC: sums over d of act E and of act */
    synapses neurons, features; /* LTC */
    real *z, *layer;            /* [u], the widest of [x h] and of the backbone */
} cell;

/* ---- LTC ---------------------------------------------------------------------------------------- */

static real constrained(const segue_ode_cell *op, real p, real least)
{
    const real most = 1000;
    if (op->constraint == SEGUE_ODE_CELL_SOFTPLUS) return real_softplus(p);
    if (op->constraint != SEGUE_ODE_CELL_CLIP) return p;
    return -real_max(-most, -real_max(least, p)); /* in this order a NaN comes through */
}

static synapses synapses_of(const segue_ode_cell *op, int of_features, real *w, int64_t n)
{
    const synapses neurons = { &op->sigma, &op->mu, &op->E, &op->synapse_ptr, &op->synapse_src, w, n, n };
    const synapses features = { &op->sensory_sigma, &op->sensory_mu,
                                &op->sensory_E,     &op->sensory_ptr,
                                &op->sensory_src,   w,
                                op->x.shape[2],     n };
    return of_features ? features : neurons;
}

/* The synapses that end in neuron i have the numbers from begin to end - 1. */
static void bounds_of(const synapses *s, int64_t i, int64_t *begin, int64_t *end)
{
    const int64_t count = present(s->ptr) ? s->src->shape[0] : s->sources;
    *begin = present(s->ptr) ? clamped(load_int(s->ptr, i, 0), count) : 0;
    *end = present(s->ptr) ? clamped(load_int(s->ptr, i + 1, 0), count) : count;
}

/* Where number k comes from; -1 = nowhere. */
static int64_t source_of(const synapses *s, int64_t k)
{
    const int64_t j = present(s->ptr) ? load_int(s->src, k, 0) : k;
    return j < s->sources ? j : -1;
}

static void constrain_synapses(const segue_ode_cell *op, const synapses *s, const segue_tensor *w,
                               const segue_tensor *A)
{
    int64_t k, end;
    for (int64_t i = 0; i < s->n; i++)
        for (bounds_of(s, i, &k, &end); k < end; k++) {
            const int64_t j = source_of(s, k);
            if (j < 0) continue;
            const real free = constrained(op, load(w, j, i, 0, 0), 1e-5);
            s->w[j * s->n + i] = present(A) ? load(A, j, i, 0, 0) * free : free;
        }
}

static void constrain(const cell *c)
{
    const segue_ode_cell *op = c->op;
    constrain_synapses(op, &c->neurons, &op->w, &op->A);
    constrain_synapses(op, &c->features, &op->sensory_w, &op->sensory_A);
    for (int64_t i = 0; i < c->n; i++) {
        c->g[i] = constrained(op, load(&op->gleak, i, 0, 0, 0), 1e-5);
        c->cm[i] = constrained(op, load(&op->cm, i, 0, 0, 0), 1e-6);
    }
}

/* Adds what all synapses to neuron i give to the two sums, from values v [sources]. */
static void gather(const synapses *s, int64_t i, const real *v, real *act_E, real *act)
{
    int64_t k, end;
    for (bounds_of(s, i, &k, &end); k < end; k++) {
        const int64_t j = source_of(s, k);
        if (j < 0) continue;
        const real gap = v[j] - load(s->mu, j, i, 0, 0);
        const real one = s->w[j * s->n + i] * real_sigmoid(load(s->sigma, j, i, 0, 0) * gap);
        *act_E = *act_E + one * load(s->E, j, i, 0, 0);
        *act = *act + one;
    }
}

static real kappa(const cell *c, int64_t i, real D)
{
    const real unfolds = (double)c->op->unfolds, one = 1;
    if (c->op->kappa == SEGUE_ODE_CELL_CM_DIRECT) return c->cm[i];
    if (c->op->kappa == SEGUE_ODE_CELL_CM_OVER_DT_PLUS1) return c->cm[i] / ((D + one) / unfolds);
    return c->cm[i] / (D / unfolds);
}

/* h_i of the next unfold. */
static real relaxed(const cell *c, int64_t i, real D)
{
    const real k = kappa(c, i, D), eps = c->op->eps, least = 0x1p-1074;
    real act_E = 0, act = 0;
    gather(&c->neurons, i, c->h, &act_E, &act);
    const real above = k * c->h[i] + c->g[i] * load(&c->op->vleak, i, 0, 0, 0) + (act_E + c->feature_E[i]);
    const real below = k + c->g[i] + (act + c->feature[i]) + eps;
    const real h = above / below;
    /* Only D <= 0 is below the least number: NaN is not. */
    const int stays = c->op->kappa == SEGUE_ODE_CELL_CM_OVER_DT && real_above(least, D);
    return stays ? real_select(D, h, c->h[i]) : h;
}

static void ltc(const cell *c, int64_t b, int64_t t, real D)
{
    const segue_ode_cell *op = c->op;
    const real zero = 0;
    for (int64_t d = 0; d < c->d; d++) {
        c->x[d] = load(&op->x, b, t, d, 0);
        if (present(&op->input_w)) c->x[d] = load(&op->input_w, d, 0, 0, 0) * c->x[d];
        if (present(&op->input_b)) c->x[d] = c->x[d] + load(&op->input_b, d, 0, 0, 0);
    }
    for (int64_t i = 0; i < c->n; i++) {
        c->feature_E[i] = c->feature[i] = zero;
        gather(&c->features, i, c->x, &c->feature_E[i], &c->feature[i]);
    }
    for (int64_t unfold = 0; unfold < op->unfolds; unfold++) {
        for (int64_t i = 0; i < c->n; i++) c->next[i] = relaxed(c, i, D);
        for (int64_t i = 0; i < c->n; i++) c->h[i] = c->next[i];
    }
}

/* ---- CfC ---------------------------------------------------------------------------------------- */

static real lecun_tanh(real x)
{
    const real height = 1.7159, slope = 0.666;
    return height * real_tanh(slope * x);
}

static real backbone(const segue_ode_cell *op, real x)
{
    const real zero = 0, half = 0.5, one = 1, root = 0.70710678118654752440;
    return op->activation == SEGUE_ODE_CELL_BACKBONE_TANH   ? real_tanh(x)
           : op->activation == SEGUE_ODE_CELL_BACKBONE_RELU ? real_max(zero, x)
           : op->activation == SEGUE_ODE_CELL_BACKBONE_GELU ? half * x * (one + real_erf(root * x))
           : op->activation == SEGUE_ODE_CELL_BACKBONE_SILU ? real_silu(x)
                                                            : lecun_tanh(x);
}

static real head_act(const segue_ode_cell *op, real f)
{
    return op->head_act == SEGUE_ODE_CELL_HEAD_TANH         ? real_tanh(f)
           : op->head_act == SEGUE_ODE_CELL_HEAD_LECUN_TANH ? lecun_tanh(f)
                                                            : f;
}

/* One layer of the backbone, z = g(W z + b): number `deep` of deep_w, or -1 = the first. */
static void backbone_layer(const cell *c, int64_t deep, int64_t inputs, int64_t units)
{
    const segue_ode_cell *op = c->op;
    for (int64_t e = 0; e < units; e++) {
        real sum = 0;
        if (deep < 0 && present(&op->backbone_b)) sum = load(&op->backbone_b, e, 0, 0, 0);
        if (deep >= 0 && present(&op->deep_b)) sum = load(&op->deep_b, deep, e, 0, 0);
        for (int64_t i = 0; i < inputs; i++)
            sum = mac(sum, deep < 0 ? load(&op->backbone_w, e, i, 0, 0) : load(&op->deep_w, deep, e, i, 0),
                      c->z[i]);
        c->layer[e] = backbone(op, sum);
    }
    for (int64_t e = 0; e < units; e++) c->z[e] = c->layer[e];
}

/* Row i of (mask o w) z + bias. */
static real head(const cell *c, const segue_tensor *w, const segue_tensor *bias, const segue_tensor *mask,
                 int64_t i)
{
    real sum = 0;
    if (present(bias)) sum = load(bias, i, 0, 0, 0);
    for (int64_t u = 0; u < c->u; u++) {
        const real weight = load(w, i, u, 0, 0);
        sum = mac(sum, mask && present(mask) ? load(mask, i, u, 0, 0) * weight : weight, c->z[u]);
    }
    return sum;
}

static real gated(const cell *c, int64_t i, real D)
{
    const segue_ode_cell *op = c->op;
    const real one = 1;
    const real f1 = head_act(op, head(c, &op->ff1_w, &op->ff1_b, &op->mask, i));
    const real f2 = head_act(op, head(c, &op->ff2_w, &op->ff2_b, &op->mask, i));
    const real a = head(c, &op->time_a_w, &op->time_a_b, NULL, i) * D;
    const real b = head(c, &op->time_b_w, &op->time_b_b, NULL, i);
    const real s = real_sigmoid(op->time_sign < 0 ? b - a : b + a);
    return op->cell == SEGUE_ODE_CELL_CFC_NO_GATE ? f1 + f2 * s : f1 * (one - s) + f2 * s;
}

static real pure(const cell *c, int64_t i, real D)
{
    const segue_ode_cell *op = c->op;
    const real f1 = head(c, &op->ff1_w, &op->ff1_b, &op->mask, i), A = load(&op->pure_A, i, 0, 0, 0);
    const real rate = real_abs(load(&op->w_tau, i, 0, 0, 0)) + real_abs(f1);
    return A - A * real_exp(-D * rate) * f1;
}

static void cfc(const cell *c, int64_t b, int64_t t, real D)
{
    const segue_ode_cell *op = c->op;
    const int64_t units = present(&op->backbone_w) ? c->u : 0;
    for (int64_t d = 0; d < c->d; d++) c->z[d] = load(&op->x, b, t, d, 0);
    for (int64_t i = 0; i < c->n; i++) c->z[c->d + i] = c->h[i];
    if (units) backbone_layer(c, -1, c->d + c->n, units);
    for (int64_t l = 0; present(&op->deep_w) && l < op->deep_w.shape[0]; l++)
        backbone_layer(c, l, units, units);
    for (int64_t i = 0; i < c->n; i++)
        c->next[i] = op->cell == SEGUE_ODE_CELL_CFC_PURE ? pure(c, i, D) : gated(c, i, D);
    for (int64_t i = 0; i < c->n; i++) c->h[i] = c->next[i];
}

/* ---- sequences ---------------------------------------------------------------------------------- */

static void answer(const cell *c, int64_t b, int64_t t)
{
    const segue_ode_cell *op = c->op;
    for (int64_t i = 0; i < op->y.shape[2]; i++) {
        real y = c->h[i];
        if (present(&op->output_w)) y = load(&op->output_w, i, 0, 0, 0) * y;
        if (present(&op->output_b)) y = y + load(&op->output_b, i, 0, 0, 0);
        store(&op->y, y, b, t, i, 0);
    }
    for (int64_t i = 0; present(&op->h) && i < c->n; i++) store(&op->h, c->h[i], b, t, i, 0);
}

static void recur(const cell *c, const sequence *q)
{
    const segue_ode_cell *op = c->op;
    const real zero = 0, one = 1;
    for (int64_t i = 0; i < c->n; i++)
        c->h[i] = q->read >= 0 && present(&op->h_in) ? load(&op->h_in, q->read, i, 0, 0) : zero;
    for (int64_t t = q->first; t < q->first + q->count; t++) {
        const real D = present(&op->elapsed) ? load(&op->elapsed, q->b, t, 0, 0) : one;
        step();
        if (op->cell == SEGUE_ODE_CELL_LTC) ltc(c, q->b, t, D);
        else cfc(c, q->b, t, D);
        answer(c, q->b, t);
    }
    for (int64_t i = 0; q->write >= 0 && present(&op->h_out) && i < c->n; i++)
        store(&op->h_out, c->h[i], q->write, i, 0, 0);
}

static void blank(const segue_ode_cell *op, const sequence *q)
{
    const real zero = 0;
    for (int64_t t = q->first; t < q->first + q->count; t++) {
        for (int64_t i = 0; i < op->y.shape[2]; i++) store(&op->y, zero, q->b, t, i, 0);
        for (int64_t i = 0; present(&op->h) && i < op->h.shape[2]; i++) store(&op->h, zero, q->b, t, i, 0);
    }
}

/* The next `count` numbers of the workspace. */
static real *taken(real **work, int64_t count)
{
    real *const first = *work;
    *work = first + count;
    return first;
}

static int64_t neurons(const segue_ode_cell *op)
{
    return op->cell == SEGUE_ODE_CELL_LTC ? op->gleak.shape[0] : op->ff1_w.shape[0];
}

/* Numbers that segue_reference_ode_cell() works in. */
int64_t segue_reference_ode_cell_work(const segue_op_header *header)
{
    const segue_ode_cell *op = (const segue_ode_cell *)header;
    const int64_t n = neurons(op), d = op->x.shape[2];
    const int64_t both = size_sum(n, d);
    if (op->cell == SEGUE_ODE_CELL_LTC) return size_sum(size_sum(size_product(6, n), d), size_product(both, n));
    const int64_t units = op->ff1_w.shape[1];
    return size_product(2, size_sum(n, units > both ? units : both));
}

void segue_reference_ode_cell(const segue_op_header *header, real *work)
{
    const segue_ode_cell *op = (const segue_ode_cell *)header;
    const int64_t n = neurons(op), d = op->x.shape[2];
    const int64_t pool = present(&op->h_in) ? op->h_in.shape[0] : present(&op->h_out) ? op->h_out.shape[0] : 0;
    cell c;
    memset(&c, 0, sizeof c);
    c.op = op, c.n = n, c.d = d;
    c.h = taken(&work, n), c.next = taken(&work, n);
    if (op->cell == SEGUE_ODE_CELL_LTC) {
        c.g = taken(&work, n), c.cm = taken(&work, n), c.x = taken(&work, d);
        c.feature_E = taken(&work, n), c.feature = taken(&work, n);
        c.neurons = synapses_of(op, 0, taken(&work, n * n), n);
        c.features = synapses_of(op, 1, taken(&work, d * n), n);
        constrain(&c);
    } else {
        c.u = op->ff1_w.shape[1];
        c.z = taken(&work, c.u > d + n ? c.u : d + n), c.layer = work;
    }
    for (int64_t s = 0; s < sequence_count(&op->x, &op->cu_seqlens); s++) {
        sequence q = sequence_at(s, &op->x, &op->cu_seqlens, &op->slot, pool);
        if (present(&op->lengths)) q.count = clamped(load_int(&op->lengths, s, 0), op->x.shape[1]);
        if (q.padding) blank(op, &q);
        else recur(&c, &q);
    }
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)dev;
    return fits_workspace(segue_reference_ode_cell_work(op))
               ? NULL
               : "x: neurons and features are at most 2^60 numbers of workspace";
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_ode_cell_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_ode_cell(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_ode_cell_reference;
const segue_row segue_row_ode_cell_reference = {
    .name = "ode_cell_reference",
    .primitive = SEGUE_ODE_CELL,
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
