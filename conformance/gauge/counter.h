/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A `real` without a value, whose operations are counted: see tally.h. */
#ifndef SEGUE_CONFORMANCE_COUNTER_H
#define SEGUE_CONFORMANCE_COUNTER_H

#include "numbers.h"
#include "tally.h"

namespace gauge
{
static __thread struct {
    int failed;
    int64_t steps; /* operations so far: a product knows by it whether it was the last one */
    struct tally tally;
} now;

static inline void begin(const gauge_class *)
{
    memset((void *)&now, 0, sizeof now);
}

static inline void step() {}

struct real {
    int64_t product; /* now.steps after the product that it is; 0 = none */
    real(double = 0) : product(0) {}
};

/* A product joins the operation that follows it, and no other. */
static inline int joins(const real &a)
{
    const int last = a.product && a.product == now.steps;
    now.tally.products -= last;
    return last;
}

static inline real add(const real &a, const real &b)
{
    if (joins(a) || joins(b)) now.tally.fused++;
    else now.tally.sums++;
    now.steps++;
    return real();
}

static inline real operator+(const real &a, const real &b)
{
    return add(a, b);
}

static inline real operator-(const real &a, const real &b)
{
    return add(a, b);
}

/* A sign goes into what uses it. */
static inline real operator-(const real &a)
{
    return a;
}

static inline real operator*(const real &, const real &)
{
    real r;
    now.tally.products++;
    r.product = ++now.steps;
    return r;
}

static inline real operator/(const real &, const real &)
{
    now.tally.quotients++;
    now.steps++;
    return real();
}

static inline real mac(const real &, const real &, const real &)
{
    now.tally.fused++;
    now.steps++;
    return real();
}

static inline real log_decay(real *, const real &g)
{
    return g;
}

static inline real weighed(const real &v, int64_t)
{
    return v;
}

static inline real spread(const real &y, const real &)
{
    return y;
}

static inline int masks(const real &)
{
    return 0;
}

static inline real real_exp(const real &a)
{
    joins(a);
    now.tally.exps++;
    now.steps++;
    return real();
}

static inline real real_log(const real &)
{
    now.tally.logs++;
    now.steps++;
    return real();
}

static inline real real_log1p(const real &a)
{
    return real_log(a);
}

static inline real real_sqrt(const real &)
{
    now.tally.roots++;
    now.steps++;
    return real();
}

/* 1 / (1 + exp(-x)) */
static inline real real_sigmoid(const real &a)
{
    real_exp(a);
    now.tally.sums++;
    now.tally.quotients++;
    return real();
}

/* log(1 + exp(x)) */
static inline real real_softplus(const real &a)
{
    real_exp(a);
    now.tally.sums++;
    now.tally.logs++;
    return real();
}

static inline real real_log_sigmoid(const real &a)
{
    return real_softplus(a);
}

/* 1 - 2 / (1 + exp(2 x)) */
static inline real real_tanh(const real &a)
{
    return real_sigmoid(a);
}

/* Each a range reduction and a polynomial, as a log. */
static inline real real_erf(const real &a)
{
    return real_log(a);
}

static inline real real_sin(const real &a)
{
    return real_log(a);
}

static inline real real_cos(const real &a)
{
    return real_log(a);
}

/* Neither takes a slot of the FMA ports. */
static inline real real_max(const real &, const real &)
{
    now.steps++;
    return real();
}

static inline real real_abs(const real &a)
{
    return a;
}

static inline real real_select(const real &, const real &, const real &)
{
    now.steps++;
    return real();
}

/* What is compared has no value: the first stays the largest. */
static inline int real_above(const real &, const real &)
{
    now.steps++;
    return 0;
}

static inline int64_t real_choose(int64_t count, const real *, int64_t, real *)
{
    now.steps++;
    return count > 0 ? 0 : -1;
}

static inline int real_holds(const real &, int, real *)
{
    now.steps++;
    return 1;
}

static inline real because(const real &x, const real &)
{
    return x;
}

static inline int64_t answered(const segue_tensor *, int64_t, int64_t, int64_t, int64_t)
{
    return UNANSWERED;
}

static inline real load(const segue_tensor *, int64_t, int64_t, int64_t, int64_t)
{
    return real();
}

static inline void store(const segue_tensor *t, const real &, int64_t, int64_t, int64_t, int64_t)
{
    *(struct tally *)t->data = now.tally;
}

static inline void store_int(const segue_tensor *t, int64_t, const real &cause, int64_t i, int64_t j, int64_t k,
                             int64_t l)
{
    store(t, cause, i, j, k, l);
}
} // namespace gauge

#include "exports.h"

#endif
