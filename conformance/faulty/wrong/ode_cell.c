/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Plain liquid cells in f32, step after step, with one flaw a row. */
#include "wrong.h"

#define FLAWS(FLAW)              \
    FLAW(kappa_swapped)          \
    FLAW(unfold_left_out)        \
    FLAW(elapsed_of_first_row)   \
    FLAW(elapsed_a_step_late)    \
    FLAW(no_time_is_one)         \
    FLAW(gauss_seidel)           \
    FLAW(eps_dropped)            \
    FLAW(unfolds_without_map)    \
    FLAW(constraint_on_E)        \
    FLAW(capacity_unconstrained) \
    FLAW(w_transposed)           \
    FLAW(listed_once)            \
    FLAW(length_ignored)         \
    FLAW(time_sign_swapped)      \
    FLAW(gate_swapped)           \
    FLAW(slope_two_thirds)       \
    FLAW(deep_bias_dropped)      \
    FLAW(mask_ignored)           \
    FLAW(mask_on_time)           \
    FLAW(signed_rate)

#define NAMED(name) CELL_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

struct cell {
    const segue_ode_cell *op;
    enum flaw flaw;
    span q;
    int64_t n, d, u; /* u: inputs of the heads */
    float *h, *next, *above, *below, *x, *z, *layer;
    float D;
};

static float logistic(float x)
{
    return x >= 0 ? 1 / (1 + expf(-x)) : expf(x) / (1 + expf(x));
}

/* ---- LTC ---------------------------------------------------------------------------------------- */

static float constrained(const segue_ode_cell *op, float p, float least)
{
    if (op->constraint == SEGUE_ODE_CELL_SOFTPLUS) return p > 20 ? p : log1pf(expf(p));
    if (op->constraint == SEGUE_ODE_CELL_CLIP) return p < least ? least : p > 1000 ? 1000 : p;
    return p;
}

/* One synapse from `from`, of value v, to neuron i. */
static void meet(const struct cell *c, int sensory, int64_t from, int64_t i, float v, float *above,
                 float *below)
{
    const segue_ode_cell *op = c->op;
    const segue_tensor *w = sensory ? &op->sensory_w : &op->w, *A = sensory ? &op->sensory_A : &op->A,
                       *E = sensory ? &op->sensory_E : &op->E,
                       *sigma = sensory ? &op->sensory_sigma : &op->sigma,
                       *mu = sensory ? &op->sensory_mu : &op->mu;
    const int turned = c->flaw == CELL_w_transposed && !sensory;
    float act = constrained(op, turned ? load(w, i, from, 0, 0) : load(w, from, i, 0, 0), 1e-5f);
    float potential = load(E, from, i, 0, 0);
    if (given(A)) act *= load(A, from, i, 0, 0);
    if (c->flaw == CELL_constraint_on_E) potential = constrained(op, potential, 1e-5f);
    act *= logistic(load(sigma, from, i, 0, 0) * (v - load(mu, from, i, 0, 0)));
    *above += act * potential, *below += act;
}

static int is_repeated(const segue_tensor *src, int64_t first, int64_t at)
{
    for (int64_t k = first; k < at; k++)
        if (load_int(src, k, 0) == load_int(src, at, 0)) return 1;
    return 0;
}

static void gather(const struct cell *c, int sensory, int64_t i, const float *v, float *above, float *below)
{
    const segue_tensor *ptr = sensory ? &c->op->sensory_ptr : &c->op->synapse_ptr,
                       *src = sensory ? &c->op->sensory_src : &c->op->synapse_src;
    const int64_t sources = sensory ? c->d : c->n;
    if (!given(ptr)) {
        for (int64_t j = 0; j < sources; j++) meet(c, sensory, j, i, v[j], above, below);
        return;
    }
    const int64_t first = clamped(load_int(ptr, i, 0), src->shape[0]);
    for (int64_t k = first; k < clamped(load_int(ptr, i + 1, 0), src->shape[0]); k++) {
        const int32_t j = load_int(src, k, 0);
        if (j < 0 || j >= sources || (c->flaw == CELL_listed_once && is_repeated(src, first, k))) continue;
        meet(c, sensory, j, i, v[j], above, below);
    }
}

static float kappa_of(const struct cell *c, int64_t i)
{
    static const int64_t swapped[] = { SEGUE_ODE_CELL_CM_OVER_DT_PLUS1, SEGUE_ODE_CELL_CM_OVER_DT,
                                       SEGUE_ODE_CELL_CM_DIRECT };
    const int64_t kind = c->flaw == CELL_kappa_swapped ? swapped[c->op->kappa] : c->op->kappa;
    const float raw = load(&c->op->cm, i, 0, 0, 0);
    const float cm = c->flaw == CELL_capacity_unconstrained ? raw : constrained(c->op, raw, 1e-6f);
    if (kind == SEGUE_ODE_CELL_CM_DIRECT) return cm;
    return cm / ((kind == SEGUE_ODE_CELL_CM_OVER_DT ? c->D : c->D + 1) / (float)c->op->unfolds);
}

static void relax(struct cell *c, int64_t i, float *to)
{
    const segue_ode_cell *op = c->op;
    const float g = constrained(op, load(&op->gleak, i, 0, 0, 0), 1e-5f), k = kappa_of(c, i);
    float above = 0, below = 0;
    gather(c, 0, i, c->h, &above, &below);
    above += c->above[i], below += c->below[i];
    above += k * c->h[i] + g * load(&op->vleak, i, 0, 0, 0), below += k + g;
    to[i] = above / (c->flaw == CELL_eps_dropped ? below : below + (float)op->eps);
}

/* The sums over features; mapped: behind the input map. */
static void sense(struct cell *c, int64_t t, int mapped)
{
    const segue_ode_cell *op = c->op;
    for (int64_t d = 0; d < c->d; d++) {
        c->x[d] = load(&op->x, c->q.b, t, d, 0);
        if (mapped && given(&op->input_w)) c->x[d] *= load(&op->input_w, d, 0, 0, 0);
        if (mapped && given(&op->input_b)) c->x[d] += load(&op->input_b, d, 0, 0, 0);
    }
    for (int64_t i = 0; i < c->n; i++) {
        c->above[i] = c->below[i] = 0;
        gather(c, 1, i, c->x, &c->above[i], &c->below[i]);
    }
}

static void ltc(struct cell *c, int64_t t)
{
    const segue_ode_cell *op = c->op;
    float *const to = c->flaw == CELL_gauss_seidel ? c->h : c->next;
    int64_t unfolds = op->unfolds;
    if (c->flaw == CELL_unfold_left_out) unfolds -= 1;
    sense(c, t, 1);
    for (int64_t k = 0; k < unfolds; k++) {
        if (c->flaw == CELL_unfolds_without_map && k == 1) sense(c, t, 0);
        for (int64_t i = 0; i < c->n; i++) relax(c, i, to);
        memmove(c->h, to, (size_t)c->n * sizeof *to);
    }
}

/* ---- CfC ---------------------------------------------------------------------------------------- */

static float lecun(const struct cell *c, float x)
{
    return 1.7159f * tanhf((c->flaw == CELL_slope_two_thirds ? 2.0f / 3 : 0.666f) * x);
}

static float activated(const struct cell *c, float x)
{
    switch (c->op->activation) {
    case SEGUE_ODE_CELL_BACKBONE_TANH: return tanhf(x);
    case SEGUE_ODE_CELL_BACKBONE_RELU: return x < 0 ? 0 : x;
    case SEGUE_ODE_CELL_BACKBONE_GELU: return 0.5f * x * (1 + erff(0.70710678f * x));
    case SEGUE_ODE_CELL_BACKBONE_SILU: return x * logistic(x);
    default: return lecun(c, x);
    }
}

static float headed(const struct cell *c, float x)
{
    if (c->op->head_act == SEGUE_ODE_CELL_HEAD_TANH) return tanhf(x);
    return c->op->head_act == SEGUE_ODE_CELL_HEAD_LECUN_TANH ? lecun(c, x) : x;
}

/* number: of a further layer, -1 = the first. */
static void layer(struct cell *c, int64_t number, int64_t inputs)
{
    const segue_ode_cell *op = c->op;
    for (int64_t e = 0; e < c->u; e++) {
        float s = 0;
        for (int64_t i = 0; i < inputs; i++)
            s +=
                (number < 0 ? load(&op->backbone_w, e, i, 0, 0) : load(&op->deep_w, number, e, i, 0)) * c->z[i];
        if (number < 0 && given(&op->backbone_b)) s += load(&op->backbone_b, e, 0, 0, 0);
        if (number >= 0 && given(&op->deep_b) && c->flaw != CELL_deep_bias_dropped)
            s += load(&op->deep_b, number, e, 0, 0);
        c->layer[e] = activated(c, s);
    }
    memcpy(c->z, c->layer, (size_t)c->u * sizeof *c->z);
}

static float head(const struct cell *c, const segue_tensor *w, const segue_tensor *b, int masked, int64_t i)
{
    float s = 0;
    for (int64_t u = 0; u < c->u; u++)
        s += load(w, i, u, 0, 0) * (masked && given(&c->op->mask) ? load(&c->op->mask, i, u, 0, 0) : 1) *
             c->z[u];
    return given(b) ? s + load(b, i, 0, 0, 0) : s;
}

static float gated(const struct cell *c, int64_t i)
{
    const segue_ode_cell *op = c->op;
    const int masked = c->flaw != CELL_mask_ignored, on_time = c->flaw == CELL_mask_on_time;
    const float f1 = headed(c, head(c, &op->ff1_w, &op->ff1_b, masked, i));
    const float f2 = headed(c, head(c, &op->ff2_w, &op->ff2_b, masked, i));
    const float a = head(c, &op->time_a_w, &op->time_a_b, on_time, i) * c->D;
    const float b = head(c, &op->time_b_w, &op->time_b_b, on_time, i);
    const int minus = (op->time_sign < 0) != (c->flaw == CELL_time_sign_swapped);
    const float s = logistic(minus ? b - a : b + a);
    if (op->cell == SEGUE_ODE_CELL_CFC_NO_GATE) return c->flaw == CELL_gate_swapped ? f2 + f1 * s : f1 + f2 * s;
    return c->flaw == CELL_gate_swapped ? f2 * (1 - s) + f1 * s : f1 * (1 - s) + f2 * s;
}

static float pure(const struct cell *c, int64_t i)
{
    const segue_ode_cell *op = c->op;
    const float f1 = head(c, &op->ff1_w, &op->ff1_b, c->flaw != CELL_mask_ignored, i);
    const float A = load(&op->pure_A, i, 0, 0, 0), rate = load(&op->w_tau, i, 0, 0, 0);
    return A - A * expf(-c->D * ((c->flaw == CELL_signed_rate ? rate : fabsf(rate)) + fabsf(f1))) * f1;
}

static void cfc(struct cell *c, int64_t t)
{
    const segue_ode_cell *op = c->op;
    for (int64_t d = 0; d < c->d; d++) c->z[d] = load(&op->x, c->q.b, t, d, 0);
    memcpy(c->z + c->d, c->h, (size_t)c->n * sizeof *c->z);
    if (given(&op->backbone_w)) layer(c, -1, c->d + c->n);
    for (int64_t l = 0; given(&op->deep_w) && l < op->deep_w.shape[0]; l++) layer(c, l, c->u);
    for (int64_t i = 0; i < c->n; i++) c->h[i] = op->cell == SEGUE_ODE_CELL_CFC_PURE ? pure(c, i) : gated(c, i);
}

/* ---- sequences ---------------------------------------------------------------------------------- */

static float elapsed_of(const struct cell *c, int64_t t)
{
    const segue_tensor *elapsed = &c->op->elapsed;
    if (!given(elapsed)) return 1;
    const int64_t late = c->flaw == CELL_elapsed_a_step_late && t > c->q.first;
    const float D = load(elapsed, c->flaw == CELL_elapsed_of_first_row ? 0 : c->q.b, t - late, 0, 0);
    return c->flaw == CELL_no_time_is_one && D == 0 ? 1 : D;
}

static void token(struct cell *c, int64_t t)
{
    const segue_ode_cell *op = c->op;
    c->D = elapsed_of(c, t);
    const int stays = op->kappa == SEGUE_ODE_CELL_CM_OVER_DT && c->D <= 0;
    if (op->cell != SEGUE_ODE_CELL_LTC) cfc(c, t);
    else if (!stays) ltc(c, t);
    for (int64_t i = 0; i < op->y.shape[2]; i++) {
        float y = c->h[i];
        if (given(&op->output_w)) y *= load(&op->output_w, i, 0, 0, 0);
        if (given(&op->output_b)) y += load(&op->output_b, i, 0, 0, 0);
        store(&op->y, y, c->q.b, t, i, 0);
    }
    for (int64_t i = 0; given(&op->h) && i < c->n; i++) store(&op->h, c->h[i], c->q.b, t, i, 0);
}

static void blank(const struct cell *c, int64_t t)
{
    const segue_ode_cell *op = c->op;
    for (int64_t i = 0; i < op->y.shape[2]; i++) store(&op->y, 0, c->q.b, t, i, 0);
    for (int64_t i = 0; given(&op->h) && i < c->n; i++) store(&op->h, 0, c->q.b, t, i, 0);
}

static void sequence(struct cell *c)
{
    const segue_ode_cell *op = c->op;
    const int from = c->q.read >= 0 && given(&op->h_in);
    for (int64_t i = 0; i < c->n; i++) c->h[i] = from ? load(&op->h_in, c->q.read, i, 0, 0) : 0;
    for (int64_t t = c->q.first; t < c->q.first + c->q.count; t++) {
        if (c->q.padding) blank(c, t);
        else token(c, t);
    }
    for (int64_t i = 0; i < c->n && c->q.write >= 0 && given(&op->h_out); i++)
        store(&op->h_out, c->h[i], c->q.write, i, 0, 0);
}

static void measure(struct cell *c)
{
    const segue_ode_cell *op = c->op;
    c->d = op->x.shape[2];
    c->n = op->cell == SEGUE_ODE_CELL_LTC ? op->gleak.shape[0] : op->ff1_w.shape[0];
    c->u = op->cell == SEGUE_ODE_CELL_LTC ? 0 : op->ff1_w.shape[1];
}

static int64_t widest(const struct cell *c)
{
    return c->u > c->d + c->n ? c->u : c->d + c->n;
}

static segue_status compute(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    struct cell c = { .op = (const segue_ode_cell *)header, .flaw = flaw };
    const segue_ode_cell *op = c.op;
    measure(&c);
    c.h = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    c.next = c.h + c.n, c.above = c.next + c.n, c.below = c.above + c.n, c.x = c.below + c.n;
    c.z = c.x + c.d, c.layer = c.z + widest(&c);
    for (int64_t s = 0; s < span_count(&op->x, &op->cu_seqlens); s++) {
        c.q = span_of(s, &op->x, &op->cu_seqlens, &op->slot, given(&op->h_in) ? &op->h_in : &op->h_out);
        if (given(&op->lengths) && flaw != CELL_length_ignored)
            c.q.count = clamped(load_int(&op->lengths, s, 0), op->x.shape[1]);
        sequence(&c);
    }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return has_f64(header, offsetof(segue_ode_cell, x), offsetof(segue_ode_cell, pure_A))
               ? "x: no operand may be f64"
               : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    struct cell c = { .op = (const segue_ode_cell *)header };
    (void)dev, (void)why;
    measure(&c);
    plan->workspace_bytes = (uint64_t)(4 * c.n + c.d + 2 * widest(&c)) * sizeof(float);
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(ode_cell, SEGUE_ODE_CELL, flaw, compute, CELL_##flaw)
FLAWS(ROW)
