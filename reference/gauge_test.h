/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Another `real` for gauge_test.cpp: a value and the set of tokens that it came from. */
#include <math.h>
#include <stdint.h>

#include <segue/segue.h>

struct real {
    double value;
    uint64_t from;
    real(double v = 0, uint64_t tokens = 0) : value(v), from(tokens) {}
};

static inline real operator+(real a, real b)
{
    return real(a.value + b.value, a.from | b.from);
}

static inline real operator-(real a, real b)
{
    return real(a.value - b.value, a.from | b.from);
}

static inline real operator-(real a)
{
    return real(-a.value, a.from);
}

static inline real operator*(real a, real b)
{
    return real(a.value * b.value, a.from | b.from);
}

static inline real operator/(real a, real b)
{
    return real(a.value / b.value, a.from | b.from);
}

static inline real mac(real s, real a, real b)
{
    return s + a * b;
}

static inline real log_decay(real *sum, real g)
{
    *sum = *sum + g;
    return g;
}

static inline real weighed(real v, int64_t terms)
{
    (void)terms;
    return v;
}

static inline int masks(real bias)
{
    return bias.value == -INFINITY;
}

static inline real real_exp(real x)
{
    return real(exp(x.value), x.from);
}

static inline real real_log(real x)
{
    return real(log(x.value), x.from);
}

static inline real real_tanh(real x)
{
    return real(tanh(x.value), x.from);
}

static inline real real_sigmoid(real x)
{
    return real(1 / (1 + exp(-x.value)), x.from);
}

static inline real real_softplus(real x)
{
    return real(x.value > 20 ? x.value : log1p(exp(x.value)), x.from);
}

static inline real real_sqrt(real x)
{
    return real(sqrt(x.value), x.from);
}

static inline real real_sin(real x)
{
    return real(sin(x.value), x.from);
}

static inline real real_cos(real x)
{
    return real(cos(x.value), x.from);
}

static inline real real_erf(real x)
{
    return real(erf(x.value), x.from);
}

static inline real real_max(real a, real b)
{
    return real(a.value > b.value ? a.value : b.value, a.from | b.from);
}

static inline real real_abs(real a)
{
    return real(fabs(a.value), a.from);
}

static inline real real_select(real test, real a, real b)
{
    return real(test.value > 0 ? a.value : b.value, test.from | a.from | b.from);
}

void step();
real load(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l);
void store(const segue_tensor *t, real value, int64_t i, int64_t j, int64_t k, int64_t l);
