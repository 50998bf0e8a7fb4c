/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers that a reference computes with. As C, `real` is double. The conformance suite compiles the same
 * files as C++ with -DSEGUE_GAUGE='"header"'; that header defines a class `real` that carries more than a value
 * (what roundings it has met, which tokens it depends on), all functions below up to real_select, and load() and
 * store() of operands.h. A reference therefore never turns a real into a double, and uses + - * / and these
 * functions only; masks(), real_above(), real_choose() and real_holds() alone decide anything by a value. Five are hooks, which
 * do nothing in C:
 *
 *   step()              at each token of a recurrence: roundings may repeat from token to token
 *   mac(s, a, b)        s + a b inside a contraction that a matrix unit may do
 *   log_decay(&sum, g)  a log decay g that a chunked kernel may sum before it takes exp; sum: one a stream, from 0
 *   weighed(v, terms)   a value that a state takes up; kernels that work on chunks of tokens multiply it by query . key, a
 *                       sum of so many terms, which they have rounded
 *   spread(y, norm)     an output whose error is set by the norm of the whole input (transform methods)
 *
 * Three more are for choices that roundings may decide (a token of largest score, a threshold). A kernel that is judged has
 * decided, too: answered() of operands.h is what it wrote into an integer output. Where its answer is as good as the own one within
 * the roundings, the suite's numbers take it and go on with it. What it does not tell, and roundings may decide, is a doubt:
 *
 *   real_choose, real_holds   note in *cause what they were decided by; 0 before the first of what one output depends on
 *   because(x, cause)         x, which depends on those choices; integers get it through store_int() */
#ifndef SEGUE_REFERENCE_REAL_H
#define SEGUE_REFERENCE_REAL_H

#include <stdint.h>

#define UNANSWERED INT64_MIN /* nothing is known of what a kernel decided: always so in C */

#ifdef SEGUE_GAUGE
#include SEGUE_GAUGE
#else
#include <math.h>

typedef double real;

static inline void step(void) {}

static inline real mac(real s, real a, real b)
{
    return s + a * b;
}

static inline real log_decay(real *sum, real g)
{
    (void)sum;
    return g;
}

static inline real weighed(real v, int64_t terms)
{
    (void)terms;
    return v;
}

static inline real spread(real y, real norm)
{
    (void)norm;
    return y;
}

/* A bias of -infinity: what it would be added to is as good as not there, whatever that is. */
static inline int masks(real bias)
{
    return bias == -INFINITY;
}

static inline real real_exp(real x)
{
    return exp(x);
}

static inline real real_log(real x)
{
    return log(x);
}

static inline real real_log1p(real x)
{
    return log1p(x);
}

static inline real real_sqrt(real x)
{
    return sqrt(x);
}

static inline real real_sigmoid(real x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* The branch at 20 is torch's: log1p alone differs from it by 2e-9, which golden vectors see. */
static inline real real_softplus(real x)
{
    return x > 20 ? x : log1p(exp(x));
}

/* -log(1 + exp(-x)), without that branch. */
static inline real real_log_sigmoid(real x)
{
    return x < 0 ? x - log1p(exp(x)) : -log1p(exp(-x));
}

static inline real real_tanh(real x)
{
    return tanh(x);
}

static inline real real_erf(real x)
{
    return erf(x);
}

static inline real real_sin(real x)
{
    return sin(x);
}

static inline real real_cos(real x)
{
    return cos(x);
}

static inline real real_max(real a, real b)
{
    return a > b ? a : b;
}

static inline real real_abs(real a)
{
    return fabs(a);
}

/* a where test > 0, else b. */
static inline real real_select(real test, real a, real b)
{
    return test > 0 ? a : b;
}

/* Whether a > b, by their values alone: for integers as results, whose cases have no other roundings than none. */
static inline int real_above(real a, real b)
{
    return a > b;
}

/* The first of the largest scores; NaN and -infinity are never chosen; -1 = there is no other. answer: what the kernel chose, which
 * may be no index at all; UNANSWERED. */
static inline int64_t real_choose(int64_t count, const real *score, int64_t answer, real *cause)
{
    int64_t best = -1;
    (void)answer, (void)cause;
    for (int64_t i = 0; i < count; i++)
        if (score[i] > (best < 0 ? -INFINITY : score[best])) best = i;
    return best;
}

/* Whether margin >= 0. answer: 1, 0 = the kernel found so or not; -1 = that is not known. */
static inline int real_holds(real margin, int answer, real *cause)
{
    (void)answer, (void)cause;
    return margin >= 0;
}

static inline real because(real x, real cause)
{
    (void)cause;
    return x;
}
#endif

static inline real real_silu(real x)
{
    return x * real_sigmoid(x);
}

#endif
