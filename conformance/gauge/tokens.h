/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* GAUGE_TOKENS: a `real` that is a value and the set of marks that it depends on. Whatever an operation reads counts, what
 * the values are never decides: a NaN in an operand of weight 0 arrives all the same, and both sides of a branch do. Only what
 * masks() leaves out is not read. */
#ifndef SEGUE_CONFORMANCE_TOKENS_H
#define SEGUE_CONFORMANCE_TOKENS_H

#include <math.h>

#include "place.h"

namespace gauge
{
static __thread struct {
    int failed;
} now;

static inline void begin(const gauge_class *)
{
    now.failed = 0;
}

static inline void step() {}

struct real {
    double v;
    uint64_t from;
    real(double x = 0, uint64_t marks = 0) : v(x), from(marks) {}
};

static inline real operator+(const real &a, const real &b)
{
    return real(a.v + b.v, a.from | b.from);
}

static inline real operator-(const real &a, const real &b)
{
    return real(a.v - b.v, a.from | b.from);
}

static inline real operator-(const real &a)
{
    return real(-a.v, a.from);
}

static inline real operator*(const real &a, const real &b)
{
    return real(a.v * b.v, a.from | b.from);
}

static inline real operator/(const real &a, const real &b)
{
    return real(a.v / b.v, a.from | b.from);
}

static inline real mac(const real &s, const real &a, const real &b)
{
    return s + a * b;
}

static inline real log_decay(real *, const real &g)
{
    return g;
}

static inline real weighed(const real &v, int64_t)
{
    return v;
}

/* The norm sets how far y may be wrong, not what y depends on. */
static inline real spread(const real &y, const real &)
{
    return y;
}

static inline int masks(const real &bias)
{
    return bias.v == -INFINITY;
}

static inline real real_exp(const real &a)
{
    return real(exp(a.v), a.from);
}

static inline real real_log(const real &a)
{
    return real(log(a.v), a.from);
}

static inline real real_log1p(const real &a)
{
    return real(log1p(a.v), a.from);
}

static inline real real_sqrt(const real &a)
{
    return real(sqrt(a.v), a.from);
}

static inline real real_sigmoid(const real &a)
{
    return real(a.v >= 0 ? 1 / (1 + exp(-a.v)) : exp(a.v) / (1 + exp(a.v)), a.from);
}

static inline real real_softplus(const real &a)
{
    return real(a.v > 20 ? a.v : log1p(exp(a.v)), a.from);
}

static inline real real_log_sigmoid(const real &a)
{
    return real(a.v < 0 ? a.v - log1p(exp(a.v)) : -log1p(exp(-a.v)), a.from);
}

static inline real real_tanh(const real &a)
{
    return real(tanh(a.v), a.from);
}

static inline real real_erf(const real &a)
{
    return real(erf(a.v), a.from);
}

static inline real real_sin(const real &a)
{
    return real(sin(a.v), a.from);
}

static inline real real_cos(const real &a)
{
    return real(cos(a.v), a.from);
}

/* With NaN the other one: whether a maximum passes NaN on is nobody's promise, so none is wanted where one came through here. */
static inline real real_max(const real &a, const real &b)
{
    return real(a.v > b.v || isnan(b.v) ? a.v : b.v, a.from | b.from);
}

static inline real real_abs(const real &a)
{
    return real(fabs(a.v), a.from);
}

static inline real real_select(const real &test, const real &a, const real &b)
{
    return real(test.v > 0 ? a.v : b.v, test.from | a.from | b.from);
}

/* No marks: they come with store_int(). */
static inline int real_above(const real &a, const real &b)
{
    return a.v > b.v;
}

/* By value, as C does: these numbers are run without answers. */
static inline int64_t real_choose(int64_t count, const real *score, int64_t, real *cause)
{
    int64_t best = -1;
    for (int64_t i = 0; i < count; i++) {
        cause->from |= score[i].from;
        if (score[i].v > (best < 0 ? -INFINITY : score[best].v)) best = i;
    }
    return best;
}

static inline int real_holds(const real &margin, int, real *cause)
{
    cause->from |= margin.from;
    return margin.v >= 0;
}

static inline real because(const real &x, const real &cause)
{
    return real(x.v, x.from | cause.from);
}

static inline int64_t answered(const segue_tensor *, int64_t, int64_t, int64_t, int64_t)
{
    return UNANSWERED;
}

static inline real load(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    gauge_numbers *n = (gauge_numbers *)t->data;
    const int64_t at = place_in(n, t, i, j, k, l);
    if (at < 0) {
        now.failed = GAUGE_OUTSIDE;
        return real(0);
    }
    n->touched[at] |= GAUGE_READ;
    return real(n->value[at], n->marks[at]);
}

static inline void store(const segue_tensor *t, const real &value, int64_t i, int64_t j, int64_t k, int64_t l)
{
    gauge_numbers *n = (gauge_numbers *)t->data;
    const int64_t at = place_in(n, t, i, j, k, l);
    if (at < 0) {
        now.failed = GAUGE_OUTSIDE;
        return;
    }
    n->value[at] = value.v;
    n->marks[at] = value.from;
    n->touched[at] |= GAUGE_WRITTEN;
}

static inline void store_int(const segue_tensor *t, int64_t value, const real &cause, int64_t i, int64_t j,
                             int64_t k, int64_t l)
{
    store(t, real((double)value, cause.from), i, j, k, l);
}
} // namespace gauge

#include "exports.h"

#endif
