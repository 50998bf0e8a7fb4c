/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel features phi of one query or key x [k], for feature_map and linear_attention. With c = scale,
 *
 *     u_j = W_j (c x) + bias_j   [m],   n2 = |c x|^2 / 2
 *
 * and, by shift_mode, M the largest u_j or R the largest |c x|^2 of the token, of its sequence and head, or a constant.
 * Sources: idiap/fast-transformers feature_maps (elu + 1, FAVOR+-, random Fourier), lucidrains/performer-pytorch
 * softmax_kernel and generalized_kernel, HazyResearch/lolcats feature_map.py (Hedgehog of two softmaxes, exp),
 * fla-org/flash-linear-attention HedgehogFeatureMap, HazyResearch/based TaylorExp, OpenNLPLab/cosFormer. */
#ifndef SEGUE_REFERENCE_FEATURE_MAPS_H
#define SEGUE_REFERENCE_FEATURE_MAPS_H

#include "operands.h"

typedef struct features {
    const segue_tensor *W, *bias; /* [h m k], [h m]; absent where the map has none */
    int64_t width;                /* k */
    int64_t map, shift_mode;      /* SEGUE_FEATURE_MAP_...; linear_attention gives them the same numbers */
    int64_t position, length;     /* COSREW: of the sequence's first token, from 0; length resolved, not 0 */
    double scale, eps, shift;
} features;

/* One token: x [k] is c x, u [m], y [f]. */
typedef struct feature_token {
    const features *of;
    int64_t k, m, at; /* at: the token's index in its sequence */
    real *x, *u, *y;
    real n2, shift; /* |c x|^2 / 2; M or R */
} feature_token;

static inline int64_t feature_rows(const features *of)
{
    return present(of->W) ? of->W->shape[1] : 0;
}

/* Numbers that the functions below work in. */
static inline int64_t features_work(const features *of)
{
    return size_sum(of->width, feature_rows(of));
}

/* Reads token (b, t) and projects it. */
static inline feature_token feature_token_at(const features *of, const segue_tensor *x, int64_t b, int64_t t,
                                             int64_t h, real *work)
{
    const real scale = of->scale, half = 0.5, zero = 0;
    feature_token q;
    q.of = of, q.k = of->width, q.m = feature_rows(of), q.at = 0;
    q.x = work, q.u = work + q.k, q.y = work;
    real squares = zero;
    for (int64_t i = 0; i < q.k; i++) {
        q.x[i] = scale * load(x, b, t, h, i);
        squares = mac(squares, q.x[i], q.x[i]);
    }
    for (int64_t j = 0; j < q.m; j++) {
        real u = zero;
        for (int64_t i = 0; i < q.k; i++) u = mac(u, load(of->W, h, j, i, 0), q.x[i]);
        q.u[j] = present(of->bias) ? u + load(of->bias, h, j, 0, 0) : u;
    }
    q.n2 = half * squares;
    q.shift = zero;
    return q;
}

static inline real largest(const real *a, int64_t count, int negative)
{
    real most = negative ? -a[0] : a[0];
    for (int64_t i = 1; i < count; i++) most = real_max(most, negative ? -a[i] : a[i]);
    return most;
}

/* What the token brings to M or R. */
static inline real feature_peak(const feature_token *q)
{
    const real two = 2, zero = 0;
    if (q->of->map == SEGUE_FEATURE_MAP_FAVOR_PM) return two * q->n2;
    return q->m ? largest(q->u, q->m, 0) : zero;
}

/* ---- the maps ----------------------------------------------------------------------------------- */

static inline real relu(real x)
{
    const real zero = 0;
    return real_select(-x, zero, x); /* in this order a NaN comes through */
}

static inline void phi_identity(const feature_token *q)
{
    for (int64_t i = 0; i < q->k; i++) q->y[i] = q->x[i];
}

static inline void phi_elu1(const feature_token *q)
{
    const real one = 1;
    for (int64_t i = 0; i < q->k; i++) q->y[i] = real_select(q->x[i], q->x[i] + one, real_exp(q->x[i]));
}

static inline void phi_relu(const feature_token *q)
{
    const real eps = q->of->eps;
    for (int64_t i = 0; i < q->k; i++) q->y[i] = relu(q->x[i]) + eps;
}

/* 1 / sqrt(count) */
static inline real root_of_count(int64_t count)
{
    const real one = 1, number = (double)count;
    return one / real_sqrt(number);
}

static inline void phi_favor_plus(const feature_token *q)
{
    const real eps = q->of->eps, factor = root_of_count(q->m);
    for (int64_t j = 0; j < q->m; j++) q->y[j] = factor * (real_exp(q->u[j] - q->n2 - q->shift) + eps);
}

static inline void phi_favor_pm(const feature_token *q)
{
    const real factor = root_of_count(2 * q->m);
    for (int64_t j = 0; j < q->m; j++) {
        q->y[j] = factor * real_exp(q->u[j] - q->n2 - q->shift);
        q->y[q->m + j] = factor * real_exp(-q->u[j] - q->n2 - q->shift);
    }
}

static inline void phi_rff(const feature_token *q)
{
    const real factor = root_of_count(q->m);
    for (int64_t j = 0; j < q->m; j++) {
        q->y[j] = factor * real_cos(q->u[j]);
        q->y[q->m + j] = factor * real_sin(q->u[j]);
    }
}

static inline void phi_gelu(const feature_token *q)
{
    const real half = 0.5, one = 1, root = 0.70710678118654752440, eps = q->of->eps;
    for (int64_t j = 0; j < q->m; j++) q->y[j] = half * q->u[j] * (one + real_erf(root * q->u[j])) + eps;
}

/* y = exp(scale a - most) for the a of one sign; returns their sum. */
static inline real exponentials(real *y, const real *a, int64_t count, double scale, real most)
{
    const real factor = scale, zero = 0;
    real sum = zero;
    for (int64_t j = 0; j < count; j++) {
        y[j] = real_exp(factor * a[j] - most);
        sum = sum + y[j];
    }
    return sum;
}

static inline void phi_hedgehog_a(const feature_token *q)
{
    const real eps = q->of->eps;
    for (int negative = 0; negative < 2; negative++) {
        real *y = q->y + negative * q->m;
        const real sum = exponentials(y, q->u, q->m, negative ? -1 : 1, largest(q->u, q->m, negative));
        for (int64_t j = 0; j < q->m; j++) y[j] = real_max(eps, y[j] / sum);
    }
}

static inline void phi_hedgehog_b(const feature_token *q)
{
    const real two = 2, most = two * real_max(largest(q->u, q->m, 0), largest(q->u, q->m, 1));
    const real sum = exponentials(q->y, q->u, q->m, 2, most) + exponentials(q->y + q->m, q->u, q->m, -2, most);
    for (int64_t j = 0; j < 2 * q->m; j++) q->y[j] = q->y[j] / sum;
}

static inline void phi_taylor2(const feature_token *q)
{
    const real one = 1, root = 0.70710678118654752440;
    q->y[0] = one;
    for (int64_t i = 0; i < q->k; i++) {
        q->y[1 + i] = q->x[i];
        for (int64_t j = 0; j < q->k; j++) q->y[1 + q->k + i * q->k + j] = root * (q->x[i] * q->x[j]);
    }
}

/* The angle is (pi / 2) n / length, n the position from 1. Whole quarter turns are taken off in integers: at n = length the
 * cosine is exactly 0, and n = 2^31 costs no digit. */
static inline void phi_cosrew(const feature_token *q)
{
    const int64_t n = q->of->position + q->at + 1, length = q->of->length;
    const int64_t turns = (2 * n + length) / (2 * length);
    const real quarter = 1.57079632679489661923, rest = (double)(n - turns * length), whole = (double)length;
    const real angle = quarter * (rest / whole);
    const real s = real_sin(angle), c = real_cos(angle);
    const real sine = turns % 2 ? c : s, cosine = turns % 2 ? -s : c;
    for (int64_t i = 0; i < q->k; i++) {
        q->y[i] = relu(q->x[i]) * (turns % 4 > 1 ? -sine : sine);
        q->y[q->k + i] = relu(q->x[i]) * (turns % 4 > 1 ? -cosine : cosine);
    }
}

static inline void phi_exp(const feature_token *q)
{
    const real eps = q->of->eps;
    for (int negative = 0; negative < 2; negative++) {
        real *y = q->y + negative * q->m;
        exponentials(y, q->u, q->m, negative ? -1 : 1, largest(q->u, q->m, negative));
        for (int64_t j = 0; j < q->m; j++) y[j] = real_max(eps, y[j]);
    }
}

static const struct feature_rule {
    int rows, inputs; /* features for each row of W and for each input; TAYLOR2 has more */
    void (*phi)(const feature_token *q);
} feature_rules[] = {
    { 0, 1, phi_identity },   { 0, 1, phi_elu1 },    { 0, 1, phi_relu },   { 1, 0, phi_favor_plus },
    { 2, 0, phi_favor_pm },   { 2, 0, phi_rff },     { 1, 0, phi_gelu },   { 2, 0, phi_hedgehog_a },
    { 2, 0, phi_hedgehog_b }, { 0, 1, phi_taylor2 }, { 0, 2, phi_cosrew }, { 2, 0, phi_exp },
};

/* ---- what references call ----------------------------------------------------------------------- */

/* f, the number of features of one token. */
static inline int64_t features_count(const features *of)
{
    const struct feature_rule *rule = &feature_rules[of->map];
    const int64_t products =
        of->map == SEGUE_FEATURE_MAP_TAYLOR2 ? size_sum(1, size_product(of->width, of->width)) : 0;
    return size_sum(size_product(rule->rows, feature_rows(of)),
                    size_sum(size_product(rule->inputs, of->width), products));
}

/* M or R of the sequence's kept tokens for shift_mode GLOBAL; keep [b t] may be absent. */
static inline real features_shift(const features *of, const segue_tensor *x, const segue_tensor *keep,
                                  const sequence *q, int64_t h, real *work)
{
    const int shifted = of->map == SEGUE_FEATURE_MAP_FAVOR_PLUS || of->map == SEGUE_FEATURE_MAP_FAVOR_PM;
    real most = of->shift;
    if (!shifted || of->shift_mode != SEGUE_FEATURE_MAP_GLOBAL) return most;
    int found = 0;
    for (int64_t t = q->first; t < q->first + q->count; t++) {
        if (present(keep) && !load_int(keep, q->b, t)) continue;
        const feature_token token = feature_token_at(of, x, q->b, t, h, work);
        most = found ? real_max(most, feature_peak(&token)) : feature_peak(&token);
        found = 1;
    }
    return most;
}

/* y [f] of token (q->b, t) of the sequence. shift: from features_shift(). */
static inline void features_of(const features *of, const segue_tensor *x, const sequence *q, int64_t t,
                               int64_t h, real shift, real *work, real *y)
{
    feature_token token = feature_token_at(of, x, q->b, t, h, work);
    token.at = t - q->first;
    token.y = y;
    token.shift = of->shift_mode == SEGUE_FEATURE_MAP_ROW ? feature_peak(&token) : shift;
    feature_rules[of->map].phi(&token);
}

#endif
