/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* GAUGE_ROUNDINGS: a `real` that is a value and its first-order responses to 35 patterns of rounding. C++17 with the vector
 * extensions of GCC and Clang. README.md says what the patterns are and what is undecidable. */
#ifndef SEGUE_CONFORMANCE_TANGENT_H
#define SEGUE_CONFORMANCE_TANGENT_H

#include <math.h>
#include <string.h>

#include "binary.h"
#include "patterns.h"
#include "place.h"

namespace gauge
{

typedef float Sides __attribute__((vector_size(16))); /* adds, products, functions; the last is unused */
enum Kind { ADD, MUL, FUN, LOW }; /* LOW: of operands in low precision, rounded to nearest */

/* What is in force in this thread. */
static __thread struct {
    gauge_class of;
    uint64_t fresh, held; /* streams of signs; step() rewinds the second */
    int failed;
} now;

static inline void begin(const gauge_class *of)
{
    now.of = *of;
    now.fresh = 1, now.held = 2;
    now.failed = 0;
}

static INLINE void step()
{
    now.held = 2;
}

struct real {
    double v;
    /* 0: exact, every pattern is 0. Mutable only because GCC keeps constants of a class without such a member in memory. */
    mutable int64_t rough;
    Sides side;
    Random fresh, held;

    INLINE real(double x = 0) : v(x), rough(0), side{}, fresh(0.0f), held(0.0f) {}
    void undecide();
    void round_off(double size, Kind kind);
    void round_factor(double x, double size);
    double sigma() const; /* in units of the value */
};

static INLINE gauge_pattern pattern_of(const real &a)
{
    gauge_pattern p;
    a.fresh.write(p.fresh), a.held.write(p.held);
    for (int i = 0; i < GAUGE_SIDES; i++) p.side[i] = a.side[i];
    return p;
}

static INLINE real real_of(double v, int64_t rough, const gauge_pattern &p)
{
    real r(v);
    r.rough = rough;
    r.fresh = Random(p.fresh), r.held = Random(p.held);
    r.side = Sides{ p.side[0], p.side[1], p.side[2], 0 };
    return r;
}

inline double real::sigma() const
{
    const gauge_pattern p = pattern_of(*this);
    return rough ? GAUGE_UNIT * sqrt(gauge_variance(&p)) : 0;
}

INLINE void real::undecide()
{
    rough = 1;
    fresh = held = Random(NAN);
    side = Sides{} + NAN;
}

/* The rounding of a result, of that size relative to it. An exact 0 has none; any other may be flushed. */
INLINE void real::round_off(double size, Kind kind)
{
    const float *const a = draw(&now.fresh), *const b = draw(&now.held);
    const double largest = 0x1p127, wide = size * fabs(v), m = wide < largest ? wide : largest;
    if (v == 0) return;
    rough = 1;
    const float loose = (float)(m > now.of.flush ? m : now.of.flush);
    fresh = fresh + loose * Random(a);
    if (kind == LOW) return;
    held = held + (float)m * Random(b);
    const float drift = (float)copysign(m, v);
    side += Sides{ kind == ADD ? drift : 0, kind == MUL ? drift : 0, kind == FUN ? drift : 0, 0 };
}

/* The rounding of the factor x of this product to bf16, of that size. Factors that are alike err alike, whatever they meet: a row of
 * weights that are all about the same is off as a whole. */
INLINE void real::round_factor(double x, double size)
{
    const double largest = 0x1p127, wide = size * fabs(v), m = wide < largest ? wide : largest;
    if (v == 0 || !__builtin_isfinite(v)) return;
    fresh = fresh + (float)copysign(m, v) * Random(signs_in_bf16(x));
}

/* v with the responses da a + db b. */
static INLINE real line(double v, const real &a, double da, const real &b, double db)
{
    const float x = (float)da, y = (float)db;
    real r(v);
    r.rough = a.rough | b.rough;
    r.fresh = x * a.fresh + y * b.fresh;
    r.held = x * a.held + y * b.held;
    r.side = x * a.side + y * b.side;
    return r;
}

/* ---- what is no ordinary number ----------------------------------------------------------------- */

static inline int is_decided(const real &a)
{
    return !a.rough || __builtin_isfinite(a.sigma());
}

/* Its sign cannot be another in a correct kernel. */
static inline int is_sure(const real &a)
{
    return !a.rough || fabs(a.v) > 8 * a.sigma();
}

/* It may be infinite in the arithmetic of the class: exact numbers of f32 are not. */
static inline int is_beyond(const real &a)
{
    const double f32 = 0x1.fffffep127;
    return __builtin_isfinite(a.v) && fabs(a.v) > now.of.range && (a.rough || fabs(a.v) > f32);
}

/* An operand or the result is NaN, infinite or beyond the arithmetic's range. A result that every correct kernel must have
 * (NaN of a NaN, an infinity of an infinity, an overflow of ordinary operands) gets no patterns, any other is undecidable. */
__attribute__((noinline)) static real unusual(double v, const real &a, double da, const real &b, double db,
                                              Kind kind)
{
    real r(v);
    if ((__builtin_isnan(a.v) && is_decided(a)) || (__builtin_isnan(b.v) && is_decided(b))) return r;
    int sure = is_decided(a) && is_decided(b) && !is_beyond(a) && !is_beyond(b);
    if (__builtin_isinf(v) || __builtin_isnan(v)) sure = sure && (kind == ADD || (is_sure(a) && is_sure(b)));
    else if (fabs(v) > now.of.range) {
        const double slack = fabs(da) * a.sigma() + fabs(db) * b.sigma();
        /* Twice the largest number of f32 is infinite however it was rounded. */
        if (sure && fabs(v) - 16 * slack > 4 * now.of.range) return r;
        r = line(v, a, da, b, db);
        r.round_off(now.of.add, kind);
    }
    if (!sure || !is_decided(r)) r.undecide();
    return r;
}

/* The cold path's operands and result go through this, not by address: numbers whose address somebody takes cannot stay in
 * registers, which costs a third of the speed. */
static __thread struct {
    gauge_pattern a, b, result;
} desk;

__attribute__((noinline)) static int64_t unusual_on_desk(double v, double a, int64_t a_rough, double da,
                                                         double b, int64_t b_rough, double db, Kind kind)
{
    const real r = unusual(v, real_of(a, a_rough, desk.a), da, real_of(b, b_rough, desk.b), db, kind);
    desk.result = pattern_of(r);
    return r.rough;
}

static INLINE real aside(double v, const real &a, double da, const real &b, double db, Kind kind)
{
    desk.a = pattern_of(a), desk.b = pattern_of(b);
    const int64_t rough = unusual_on_desk(v, a.v, a.rough, da, b.v, b.rough, db, kind);
    return real_of(v, rough, desk.result);
}

/* The result v of an operation with these derivatives, itself rounded. */
static INLINE real result(double v, const real &a, double da, const real &b, double db, double size, Kind kind)
{
    const double range = now.of.range;
    if (__builtin_expect(!(fabs(a.v) <= range && fabs(b.v) <= range && fabs(v) <= range), 0))
        return aside(v, a, da, b, db, kind);
    real r = line(v, a, da, b, db);
    r.round_off(size, kind);
    return r;
}

static INLINE real function(const real &a, double f, double df, double size)
{
    const double range = now.of.range;
    if (__builtin_expect(!(fabs(a.v) <= range && fabs(f) <= range), 0)) return aside(f, a, df, real(), 0, FUN);
    real r = line(f, a, df, real(), 0);
    r.round_off(size, FUN);
    return r;
}

static INLINE real undecidable(double v)
{
    real r(v);
    r.undecide();
    return r;
}

/* ---- arithmetic --------------------------------------------------------------------------------- */

static INLINE real operator+(const real &a, const real &b)
{
    return result(a.v + b.v, a, 1, b, 1, now.of.add, ADD);
}

static INLINE real operator-(const real &a, const real &b)
{
    return result(a.v - b.v, a, 1, b, -1, now.of.add, ADD);
}

static INLINE real operator-(const real &a)
{
    return line(-a.v, a, -1, real(), 0);
}

static INLINE real operator*(const real &a, const real &b)
{
    return result(a.v * b.v, a, b.v, b, a.v, now.of.add, MUL);
}

static inline real operator/(const real &a, const real &b)
{
    const double v = a.v / b.v;
    return is_sure(b) ? result(v, a, 1 / b.v, b, -v / b.v, now.of.add, MUL) : undecidable(v);
}

/* Nothing of it is rounded to bf16. */
static INLINE int is_in_bf16(const real &a)
{
    return !a.rough && (float)a.v == a.v && !(bits_in_f32(a.v) & 0xffff);
}

/* A product of numbers in low precision. A sixteenth of the variance is what factors that must be rounded have in common: five such
 * deviations, which an aggregate may have, cover the largest rounding that there is. */
static inline real low_product(const real &a, const real &b)
{
    const int a_fits = is_in_bf16(a), b_fits = is_in_bf16(b), fit = a_fits && b_fits;
    const double size = now.of.product, each = size / 4 * (a_fits || b_fits ? 1 : M_SQRT1_2);
    real r = result(a.v * b.v, a, b.v, b, a.v, fit ? size : size * sqrt(15) / 4, LOW);
    if (!a_fits) r.round_factor(a.v, each);
    if (!b_fits) r.round_factor(b.v, each);
    return r;
}

static INLINE real mac(const real &s, const real &a, const real &b)
{
    if (now.of.product > 1) return s + low_product(a, b);
    return s + result(a.v * b.v, a, b.v, b, a.v, now.of.product, MUL);
}

/* A kernel that sums logs of decays over a chunk and takes differences rounds each as it rounds the sum. */
static inline real log_decay(real *sum, const real &g)
{
    const gauge_class &of = now.of;
    if (of.chunk == 0 || !(fabs(g.v) <= of.range)) return g;
    sum->v = sum->v * (1 - 0.5 / of.chunk) + fabs(g.v);
    real rounding(sum->v);
    rounding.round_off(of.log, ADD);
    return line(g.v, g, 1, rounding, 1);
}

/* A kernel that works on a chunk of tokens multiplies a value by query . key and has rounded each sum of that: sqrt(terms / 3) units
 * where all terms are positive. A recurrence rounds sums over a state in which values have cancelled. Where its products are of bf16,
 * that sum is a factor, as is the value with the decays behind it: rounded once, whatever keys it meets, which counts half of product. */
static inline real weighed(const real &v, int64_t terms)
{
    const gauge_class &of = now.of;
    if (of.chunk == 0 || !(fabs(v.v) <= of.range)) return v;
    real rounding(v.v);
    rounding.round_off(of.log * sqrt((double)terms / 3), ADD);
    if (of.product > 1) rounding.round_off(of.product / 2, LOW);
    return line(v.v, v, 1, rounding, 1);
}

static inline real spread(const real &y, const real &norm)
{
    if (now.of.spread == 0 || !(fabs(norm.v) <= now.of.range)) return y;
    real rounding(norm.v);
    rounding.round_off(now.of.spread, ADD);
    return line(y.v, y, 1, rounding, 1);
}

/* Asked of operands, which are exact. */
static inline int masks(const real &bias)
{
    return bias.v == -INFINITY;
}

/* ---- functions ---------------------------------------------------------------------------------- */

static inline double logistic(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static INLINE real real_exp(const real &a)
{
    const double f = exp(a.v);
    if (a.v < -0x1p126 && is_decided(a)) return real(0); /* and where it is -infinity */
    return function(a, f, f, now.of.exp + now.of.exp_slope * fabs(a.v));
}

static inline real real_log(const real &a)
{
    return is_sure(a) ? function(a, log(a.v), 1 / a.v, now.of.other) : undecidable(log(a.v));
}

static inline real real_log1p(const real &a)
{
    const double f = log1p(a.v);
    return is_sure(line(1 + a.v, a, 1, real(), 0)) ? function(a, f, 1 / (1 + a.v), now.of.other)
                                                   : undecidable(f);
}

static inline real real_sqrt(const real &a)
{
    const double f = sqrt(a.v);
    return is_sure(a) ? function(a, f, f > 0 ? 0.5 / f : 0, now.of.add) : undecidable(f);
}

/* What a fast exp is wrong by reaches f = 1 / (1 + exp(-x)) by the factor 1 - f. */
static inline real real_sigmoid(const real &a)
{
    const double f = logistic(a.v), rest = logistic(-a.v);
    return function(a, f, f * rest, now.of.other + now.of.exp_slope * fabs(a.v) * rest);
}

/* The reference's branch at 20 makes a step of 2e-9 there, which only double arithmetic sees. */
static inline real real_softplus(const real &a)
{
    const double f = a.v > 20 ? a.v : log1p(exp(a.v)), slope = logistic(a.v);
    const double fast = f > 0 ? now.of.exp_slope * fabs(a.v) * slope / f : 0;
    const int near = now.of.jump && a.rough && fabs(a.v - 20) <= 8 * a.sigma();
    return function(a, f, slope, now.of.other + fast + (near ? 2.1e-9 / GAUGE_UNIT / f : 0));
}

static inline real real_log_sigmoid(const real &a)
{
    const double f = a.v < 0 ? a.v - log1p(exp(a.v)) : -log1p(exp(-a.v)), slope = logistic(-a.v);
    const double fast = f < 0 ? now.of.exp_slope * fabs(a.v) * slope / -f : 0;
    return function(a, f, slope, now.of.other + fast);
}

/* A bounded function: where it is fast it is wrong by 2 u of its largest value, 1. */
static INLINE real bounded(const real &a, double f, double slope)
{
    const double fast = f != 0 && now.of.exp_slope > 0 ? 2 / fabs(f) : 0;
    return function(a, f, slope, now.of.other + fast);
}

static inline real real_tanh(const real &a)
{
    const double f = tanh(a.v);
    return bounded(a, f, (1 - f) * (1 + f));
}

static inline real real_erf(const real &a)
{
    return bounded(a, erf(a.v), 1.12837916709551257390 * exp(-a.v * a.v)); /* 2 / sqrt(pi) */
}

static inline real real_sin(const real &a)
{
    return bounded(a, sin(a.v), cos(a.v));
}

static inline real real_cos(const real &a)
{
    return bounded(a, cos(a.v), -sin(a.v));
}

/* Within 8 sigma of a tie either side may win: the wider one is kept. Kernels disagree about the maximum of NaN and
 * something. */
static inline real real_max(const real &a, const real &b)
{
    const real &larger = a.v > b.v ? a : b;
    if (__builtin_isnan(a.v) && __builtin_isnan(b.v) && is_decided(a) && is_decided(b)) return b;
    if (__builtin_isnan(a.v) || __builtin_isnan(b.v) || !is_decided(a) || !is_decided(b))
        return undecidable(larger.v);
    if (__builtin_isinf(a.v) || __builtin_isinf(b.v)) return larger;
    const real gap = line(a.v - b.v, a, 1, b, -1);
    if (is_sure(gap)) return larger;
    real r = a.sigma() > b.sigma() ? a : b;
    r.v = larger.v;
    return r;
}

static inline real real_abs(const real &a)
{
    return line(fabs(a.v), a, a.v < 0 ? -1 : 1, real(), 0);
}

/* Within 8 sigma of 0 kernels may differ in what they choose. */
static inline real real_select(const real &test, const real &a, const real &b)
{
    const real &chosen = test.v > 0 ? a : b;
    return is_decided(test) && (is_sure(test) || a.v == b.v) ? chosen : undecidable(chosen.v);
}

/* By value: integers are wanted exactly, so their cases draw what is compared without roundings. */
static inline int real_above(const real &a, const real &b)
{
    return a.v > b.v;
}

/* ---- choices ------------------------------------------------------------------------------------ */

/* Whether roundings may turn the sign of what is >= 0 here. Exact numbers are never in doubt, not even at 0. */
static inline int is_contested(const real &gap)
{
    return gap.rough && !(fabs(gap.v) >= now.of.limit * gap.sigma());
}

static inline real gap_of(const real &a, const real &b)
{
    return a.v == b.v ? line(0, a, 1, b, -1) : line(a.v - b.v, a, 1, b, -1);
}

static inline int can_be_chosen(const real &score)
{
    return score.v > -INFINITY;
}

/* The answer where it is as good as the own choice within the roundings. Without an answer a near tie is a doubt. */
static inline int64_t real_choose(int64_t count, const real *score, int64_t answer, real *cause)
{
    int64_t best = -1;
    for (int64_t i = 0; i < count; i++)
        if (can_be_chosen(score[i]) && (best < 0 || score[i].v > score[best].v)) best = i;
    if (best < 0 || answer == best) return best;
    if (answer >= 0 && answer < count)
        return can_be_chosen(score[answer]) && is_contested(gap_of(score[best], score[answer])) ? answer : best;
    for (int64_t i = 0; i < count && answer == UNANSWERED; i++)
        if (i != best && can_be_chosen(score[i]) && is_contested(gap_of(score[best], score[i]))) {
            cause->undecide();
            break;
        }
    return best;
}

static inline int real_holds(const real &margin, int answer, real *cause)
{
    const int holds = margin.v >= 0;
    if (!is_contested(margin)) return holds;
    if (answer < 0) cause->undecide();
    return answer < 0 ? holds : answer;
}

static inline real because(const real &x, const real &cause)
{
    return is_decided(cause) ? x : undecidable(x.v);
}

/* ---- memory ------------------------------------------------------------------------------------- */

/* What an earlier run wrote into a narrower dtype was rounded there: by so much, in GAUGE_UNIT. */
static inline double narrowing(double v, uint32_t dtype)
{
    const gauge_format *f = gauge_format_of(dtype);
    const double size = fabs(v) * f->roundoff, least = power_of_2(f->least - 1);
    if (f->roundoff <= now.of.add * GAUGE_UNIT || !__builtin_isfinite(v) || v == 0) return 0;
    return (size > least ? size : least) / GAUGE_UNIT;
}

static INLINE real load(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    gauge_numbers *n = (gauge_numbers *)t->data;
    const int64_t at = place_in(n, t, i, j, k, l);
    if (at < 0) {
        now.failed = GAUGE_OUTSIDE;
        return undecidable(0);
    }
    n->touched[at] |= GAUGE_READ;
    if (n->touched[at] & GAUGE_WRITTEN) {
        const gauge_pattern &p = n->pattern[at];
        const double size = narrowing(n->value[at], segue_dtype_id(t->dtype));
        real r = real_of(n->value[at], size != 0 || gauge_variance(&p) != 0, p);
        r.fresh = r.fresh + (float)size * Random(signs_of((uint64_t)at));
        return r;
    }
    real r(n->value[at]);
    if (now.of.range < 0x1p128 && r.v != 0 && fabs(r.v) < 0x1p-126)
        r.round_off(1 / GAUGE_UNIT, LOW); /* flushed as it is read */
    return r;
}

static inline void store(const segue_tensor *t, const real &value, int64_t i, int64_t j, int64_t k, int64_t l)
{
    gauge_numbers *n = (gauge_numbers *)t->data;
    const int64_t at = place_in(n, t, i, j, k, l);
    if (at < 0) now.failed = GAUGE_OUTSIDE;
    else if (gauge_room(n)) now.failed = -2;
    else {
        n->value[at] = value.v;
        n->touched[at] |= GAUGE_WRITTEN;
        n->pattern[at] = pattern_of(value);
    }
}

static inline void store_int(const segue_tensor *t, int64_t value, const real &cause, int64_t i, int64_t j,
                             int64_t k, int64_t l)
{
    store(t, because(real((double)value), cause), i, j, k, l);
}

static inline int64_t answered(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    gauge_numbers *n = (gauge_numbers *)t->data;
    const int64_t at = place_in(n, t, i, j, k, l);
    if (at < 0) {
        now.failed = GAUGE_OUTSIDE;
        return UNANSWERED;
    }
    n->asked = 1;
    return n->answer ? n->answer[at] : UNANSWERED;
}

} // namespace gauge

#include "exports.h"

#endif
