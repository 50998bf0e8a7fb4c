/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* For the test of ode_cell: random calls, and a step of each cell in double. */
#ifndef SEGUE_ONEDNN_ODE_CELL_TESTING_H
#define SEGUE_ONEDNN_ODE_CELL_TESTING_H

#include "row_testing.h"

#define AT(name) ((offsetof(segue_ode_cell, name) - sizeof(segue_op_header)) / sizeof(segue_tensor))
enum { OPERANDS = AT(pure_A) + 1, MOST = 80 };

struct scene {
    segue_ode_cell op;
    struct watched w[OPERANDS];
    int64_t b, t, d, n, f, u, s, p;
    int packed, pooled;
    unsigned repeat; /* MAY_REPEAT, or 0 */
};

static inline int is_ltc(const struct scene *c)
{
    return c->op.cell == SEGUE_ODE_CELL_LTC;
}

/* ---- scenes ---------------------------------------------------------------------------------------------- */

#define WEIGHT(name, low, high, ...) MAKE(&c->w[AT(name)], draw_dtype(), c->repeat, low, high, __VA_ARGS__)

static inline void set_int(struct scene *c, int operand, int64_t i, int64_t k, int64_t value)
{
    set_at(&c->w[operand].t, (const int64_t[]){ i, k }, (double)value);
}

/* Lists of any length, some offsets outside, some sources that do not exist, some twice. */
static inline void make_lists(struct scene *c, int ptr, int src, int64_t sources)
{
    const int64_t count = draw(40);
    int64_t at = 0;
    MAKE(&c->w[ptr], SEGUE_I32, 0, 0, 0, c->n + 1);
    MAKE(&c->w[src], SEGUE_I32, 0, 0, 0, count);
    for (int64_t i = 0; i <= c->n; i++, at += draw(5))
        set_int(c, ptr, i, 0, draw(12) ? at : (int64_t)draw(100) - 50);
    for (int64_t k = 0; k < count; k++) set_int(c, src, k, 0, (int64_t)draw((uint32_t)sources + 2) - 1);
}

static inline void make_ltc(struct scene *c)
{
    const int64_t n = c->n, d = c->d;
    const double least = c->op.constraint == SEGUE_ODE_CELL_FREE ? 0.05 : -1;
    WEIGHT(gleak, least, 1, n), WEIGHT(vleak, -0.2, 0.2, n), WEIGHT(cm, 0.4, 0.6, n);
    WEIGHT(sigma, -8, 8, n, n), WEIGHT(mu, 0.3, 0.8, n, n), WEIGHT(w, least, 1, n, n), WEIGHT(E, -1, 1, n, n);
    WEIGHT(sensory_sigma, 3, 8, d, n), WEIGHT(sensory_mu, 0.3, 0.8, d, n);
    WEIGHT(sensory_w, least, 1, d, n), WEIGHT(sensory_E, -1, 1, d, n);
    if (draw(2)) WEIGHT(A, 0, 1.2, n, n);
    if (draw(2)) WEIGHT(sensory_A, 0, 1.2, d, n);
    if (draw(2)) WEIGHT(input_w, -1, 1, d);
    if (draw(2)) WEIGHT(input_b, -1, 1, d);
    if (!draw(3)) make_lists(c, AT(synapse_ptr), AT(synapse_src), n);
    if (!draw(3)) make_lists(c, AT(sensory_ptr), AT(sensory_src), d);
}

static inline void make_cfc(struct scene *c)
{
    static const int64_t widths[] = { 1, 8, 33, 70 };
    const int64_t z = c->d + c->n, n = c->n;
    const double size = c->repeat ? 0.4 : 0.08; /* long calls: nothing may grow from step to step */
    c->u = z;
    if (draw(3)) {
        c->u = widths[draw(4)];
        WEIGHT(backbone_w, -size, size, c->u, z);
        if (draw(2)) WEIGHT(backbone_b, -1, 1, c->u);
        if (draw(2)) {
            const int64_t l = draw(3);
            WEIGHT(deep_w, -size, size, l, c->u, c->u);
            if (draw(2)) WEIGHT(deep_b, -1, 1, l, c->u);
        }
    }
    if (draw(2)) WEIGHT(mask, -1, 1, n, c->u);
    WEIGHT(ff1_w, -size, size, n, c->u);
    if (draw(2)) WEIGHT(ff1_b, -1, 1, n);
    if (c->op.cell == SEGUE_ODE_CELL_CFC_PURE) {
        WEIGHT(w_tau, -1, 1, n), WEIGHT(pure_A, -1, 1, n);
        return;
    }
    c->op.time_sign = draw(2) ? 1 : -1, c->op.head_act = 1 + draw(3);
    WEIGHT(ff2_w, -size, size, n, c->u), WEIGHT(time_a_w, -size, size, n, c->u);
    WEIGHT(time_b_w, -size, size, n, c->u);
    if (draw(2)) WEIGHT(ff2_b, -1, 1, n), WEIGHT(time_b_b, -1, 1, n);
    if (draw(2)) WEIGHT(time_a_b, -1, 1, n);
}

static inline void make_sequences(struct scene *c)
{
    c->packed = c->b == 1 && draw(2), c->pooled = !draw(3);
    c->s = c->packed ? 1 + draw(12) : c->b;
    c->p = c->pooled ? 2 * c->s + 1 : c->s;
    if (c->packed) {
        MAKE(&c->w[AT(cu_seqlens)], SEGUE_I32, 0, 0, 0, c->s + 1);
        for (int64_t i = 0, at = 0; i <= c->s; i++, at += draw(4))
            set_int(c, AT(cu_seqlens), i, 0, draw(9) ? at : (int64_t)draw(60) - 20);
        set_int(c, AT(cu_seqlens), 0, 0, 0); /* no two sequences share a token: offsets only rise */
        for (int64_t i = 1; i <= c->s; i++) {
            const double before = GET(c->w[AT(cu_seqlens)].t, i - 1), own = GET(c->w[AT(cu_seqlens)].t, i);
            if (own < before) set_int(c, AT(cu_seqlens), i, 0, (int64_t)before);
        }
    } else if (draw(2)) {
        MAKE(&c->w[AT(lengths)], SEGUE_I32, 0, 0, 0, c->b);
        for (int64_t i = 0; i < c->b; i++) set_int(c, AT(lengths), i, 0, (int64_t)draw((uint32_t)c->t + 4) - 2);
    }
    if (!c->pooled) return;
    MAKE(&c->w[AT(slot)], SEGUE_I32, 0, 0, 0, c->s, 2);
    for (int64_t i = 0; i < c->s; i++) { /* no row is written twice, nor read by another */
        set_int(c, AT(slot), i, 0, draw(3) ? 2 * i : -1 - (int64_t)draw(2) * 9);
        set_int(c, AT(slot), i, 1, draw(3) ? 2 * i + draw(2) : -1);
    }
}

static inline void make_scene(struct scene *c, int64_t cell)
{
    static const int64_t sizes[] = { 1, 5, 16, 19, 33, 40 };
    *c = (struct scene){ .op = segue_ode_cell_init() };
    c->op.cell = cell;
    c->b = draw(3) ? 1 + draw(9) : 1 + draw(40), c->t = draw(8) ? draw(11) : 17 + draw(10);
    c->repeat = is_ltc(c) || c->t < 6 ? MAY_REPEAT : 0;
    c->d = 1 + draw(draw(2) ? 4 : 20), c->n = sizes[draw(6)], c->f = 1 + draw((uint32_t)c->n);
    c->op.unfolds = 1 + draw(7), c->op.kappa = draw(3), c->op.constraint = draw(3), c->op.activation = draw(5);
    const uint32_t x = draw_dtype(), h = draw(2) ? SEGUE_F32 : draw_dtype();
    make_sequences(c);
    MAKE(&c->w[AT(x)], x, MAY_REPEAT, -1, 1, c->b, c->t, c->d);
    if (draw(2))
        MAKE(&c->w[AT(elapsed)], draw_dtype(), MAY_REPEAT, is_ltc(c) && draw(2) ? -0.3 : 0.1, 2, c->b, c->t);
    for (int i = 0; c->w[AT(elapsed)].memory && c->t && i < 4;
         i++) /* no time at all, or so little that cm over it is no f32 */
        set_at(&c->w[AT(elapsed)].t, (const int64_t[]){ draw((uint32_t)c->b), draw((uint32_t)c->t) },
               i < 3 ? 0 : 3e-38);
    if (c->pooled || draw(3)) MAKE(&c->w[AT(h_in)], h, 0, -1, 1, c->p, c->n);
    if (c->pooled || draw(3)) MAKE(&c->w[AT(h_out)], h, 0, 7, 7, c->p, c->n);
    MAKE(&c->w[AT(y)], x, 0, 7, 7, c->b, c->t, c->f);
    if (draw(2)) MAKE(&c->w[AT(h)], draw_dtype(), 0, 7, 7, c->b, c->t, c->n);
    if (draw(2)) WEIGHT(output_w, -1, 1, c->f);
    if (draw(2)) WEIGHT(output_b, -1, 1, c->f);
    if (is_ltc(c)) make_ltc(c);
    else make_cfc(c);
    put_tensors(&c->op.header, c->w, OPERANDS);
}

static inline void drop_scene(struct scene *c)
{
    for (int i = 0; i < OPERANDS; i++) drop(&c->w[i]);
}

/* ---- the cells in double --------------------------------------------------------------------------------- */

static inline double constrained(const segue_ode_cell *op, double v, double least)
{
    if (op->constraint == SEGUE_ODE_CELL_SOFTPLUS) return v > 20 ? v : log1p(exp(v));
    if (op->constraint == SEGUE_ODE_CELL_FREE) return v;
    return v < least ? least : v > 1000 ? 1000 : v;
}

static inline double sigmoid(double v)
{
    return v >= 0 ? 1 / (1 + exp(-v)) : exp(v) / (1 + exp(v));
}

struct synapses {
    segue_tensor sigma, mu, w, E, A, ptr, src;
    const double *v;
    int64_t sources;
};

static inline void add_synapse(const segue_ode_cell *op, const struct synapses *s, int64_t j, int64_t i,
                               double sum[2])
{
    const double A = s->A.dtype.bits ? GET(s->A, j, i) : 1;
    const double act = A * constrained(op, GET(s->w, j, i), 1e-5) *
                       sigmoid(GET(s->sigma, j, i) * (s->v[j] - GET(s->mu, j, i)));
    sum[0] += act * GET(s->E, j, i), sum[1] += act;
}

static inline void add_synapses(const segue_ode_cell *op, const struct synapses *s, int64_t i, double sum[2])
{
    if (!s->ptr.dtype.bits) {
        for (int64_t j = 0; j < s->sources; j++) add_synapse(op, s, j, i, sum);
        return;
    }
    const int64_t count = s->src.shape[0], end = clamp((int64_t)GET(s->ptr, i + 1), 0, count);
    for (int64_t k = clamp((int64_t)GET(s->ptr, i), 0, count); k < end; k++) {
        const int64_t j = (int64_t)GET(s->src, k);
        if (j >= 0 && j < s->sources) add_synapse(op, s, j, i, sum);
    }
}

static inline void step_ltc(const struct scene *c, int64_t b, int64_t t, double D, double *h)
{
    const segue_ode_cell *op = &c->op;
    double x[MOST], next[MOST];
    const struct synapses neurons = { op->sigma,       op->mu,          op->w, op->E, op->A,
                                      op->synapse_ptr, op->synapse_src, h,     c->n };
    const struct synapses features = { op->sensory_sigma,
                                       op->sensory_mu,
                                       op->sensory_w,
                                       op->sensory_E,
                                       op->sensory_A,
                                       op->sensory_ptr,
                                       op->sensory_src,
                                       x,
                                       c->d };
    if (op->kappa == SEGUE_ODE_CELL_CM_OVER_DT && D <= 0) return;
    for (int64_t i = 0; i < c->d; i++)
        x[i] = GET(op->x, b, t, i) * (op->input_w.dtype.bits ? GET(op->input_w, i) : 1) +
               (op->input_b.dtype.bits ? GET(op->input_b, i) : 0);
    for (int64_t u = 0; u < op->unfolds; u++) {
        for (int64_t i = 0; i < c->n; i++) {
            double sum[2] = { 0 }, kappa = constrained(op, GET(op->cm, i), 1e-6);
            const double g = constrained(op, GET(op->gleak, i), 1e-5);
            if (op->kappa != SEGUE_ODE_CELL_CM_DIRECT)
                kappa /= (D + (op->kappa == SEGUE_ODE_CELL_CM_OVER_DT_PLUS1)) / (double)op->unfolds;
            add_synapses(op, &neurons, i, sum), add_synapses(op, &features, i, sum);
            next[i] = (kappa * h[i] + g * GET(op->vleak, i) + sum[0]) / (kappa + g + sum[1] + op->eps);
        }
        memcpy(h, next, sizeof next);
    }
}

static inline double activated(int64_t act, double v)
{
    if (act == SEGUE_ODE_CELL_BACKBONE_RELU) return v > 0 ? v : 0;
    if (act == SEGUE_ODE_CELL_BACKBONE_GELU) return v * erfc(-v / sqrt(2)) / 2;
    if (act == SEGUE_ODE_CELL_BACKBONE_SILU) return v * sigmoid(v);
    return act == SEGUE_ODE_CELL_BACKBONE_TANH ? tanh(v) : 1.7159 * tanh(0.666 * v);
}

static inline double headed(int64_t act, double v)
{
    return act == SEGUE_ODE_CELL_HEAD_TANH       ? tanh(v)
           : act == SEGUE_ODE_CELL_HEAD_IDENTITY ? v
                                                 : 1.7159 * tanh(0.666 * v);
}

static inline void add_layer(const segue_tensor *w, const segue_tensor *bias, int64_t l, int64_t act, double *z)
{
    const int64_t units = w->shape[w->rank - 2], inputs = w->shape[w->rank - 1];
    double out[MOST];
    for (int64_t e = 0; e < units; e++) {
        double sum = 0;
        if (bias->dtype.bits) sum = bias->rank > 1 ? GET(*bias, l, e) : GET(*bias, e);
        for (int64_t i = 0; i < inputs; i++) sum += z[i] * (w->rank > 2 ? GET(*w, l, e, i) : GET(*w, e, i));
        out[e] = activated(act, sum);
    }
    memcpy(z, out, sizeof out);
}

static inline double head_of(const struct scene *c, const segue_tensor *w, const segue_tensor *bias, int masked,
                             int64_t i, const double *z)
{
    double sum = bias->dtype.bits ? GET(*bias, i) : 0;
    for (int64_t k = 0; k < c->u; k++)
        sum += z[k] * GET(*w, i, k) * (masked && c->op.mask.dtype.bits ? GET(c->op.mask, i, k) : 1);
    return sum;
}

static inline void step_cfc(const struct scene *c, int64_t b, int64_t t, double D, double *h)
{
    const segue_ode_cell *op = &c->op;
    double z[MOST];
    for (int64_t i = 0; i < c->d; i++) z[i] = GET(op->x, b, t, i);
    for (int64_t i = 0; i < c->n; i++) z[c->d + i] = h[i];
    if (op->backbone_w.dtype.bits) add_layer(&op->backbone_w, &op->backbone_b, 0, op->activation, z);
    for (int64_t l = 0; op->deep_w.dtype.bits && l < op->deep_w.shape[0]; l++)
        add_layer(&op->deep_w, &op->deep_b, l, op->activation, z);
    for (int64_t i = 0; i < c->n; i++) {
        const double f1 = head_of(c, &op->ff1_w, &op->ff1_b, 1, i, z);
        if (op->cell == SEGUE_ODE_CELL_CFC_PURE) {
            const double A = GET(op->pure_A, i);
            h[i] = A - A * exp(-D * (fabs(GET(op->w_tau, i)) + fabs(f1))) * f1;
            continue;
        }
        const double f2 = headed(op->head_act, head_of(c, &op->ff2_w, &op->ff2_b, 1, i, z));
        const double t_a = head_of(c, &op->time_a_w, &op->time_a_b, 0, i, z);
        const double s =
            sigmoid((double)op->time_sign * t_a * D + head_of(c, &op->time_b_w, &op->time_b_b, 0, i, z));
        h[i] = headed(op->head_act, f1) * (op->cell == SEGUE_ODE_CELL_CFC_NO_GATE ? 1 : 1 - s) + f2 * s;
    }
}

#endif
