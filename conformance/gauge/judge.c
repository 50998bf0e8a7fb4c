/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "binary.h"
#include "numbers.h"

enum { FEWEST = 16 }; /* elements below which an RMS says less than its largest element */

/* ---- rounding ----------------------------------------------------------------------------------- */

double judge_round(uint32_t dtype, double x)
{
    const struct gauge_format *f = gauge_format_of(dtype);
    if (!isfinite(x) || x == 0 || f->digits == 53) return x;
    if (fabs(x) >= f->overflow) return copysign(INFINITY, x);
    const int digit = exponent_of(x) - f->digits, last = digit > f->least ? digit : f->least;
    /* Where the last digit of double is that of the dtype, addition rounds to it: to nearest, ties to even. */
    const double high = 1.5 * power_of_2(52 + last);
    return copysign(fabs(x) + high - high, x);
}

/* Whether answers of that dtype are rounded once more behind the class's arithmetic. Into a dtype as fine as that the last
 * rounding is among the noise already, unless nothing was computed. */
static int is_rounded(const struct bound *b, int64_t i)
{
    const double unit = b->accuracy & SEGUE_ACCURACY_F64 ? 0x1p-53 : GAUGE_UNIT;
    return b->sigma[i] == 0 ? judge_round(b->dtype, b->value[i]) != b->value[i]
                            : gauge_format_of(b->dtype)->roundoff > unit;
}

/* Half the distance of neighbours in the dtype, at x. */
static double half_at(uint32_t dtype, double x)
{
    const struct gauge_format *f = gauge_format_of(dtype);
    const int last = exponent_of(x) - f->digits;
    return power_of_2((last > f->least ? last : f->least) - 1);
}

static double half_of(const struct bound *b, int64_t i)
{
    return is_rounded(b, i) ? half_at(b->dtype, b->value[i]) : 0;
}

/* How far from the value a kernel must have been before it rounded, to answer got: the distance to the nearest number
 * that rounds to got. So a rounding is forgiven exactly, not by its largest size. */
static double error_of(const struct bound *b, int64_t i, double got)
{
    const double error = fabs(got - b->value[i]), away = half_at(b->dtype, got);
    if (!is_rounded(b, i)) return error;
    /* Below a power of two neighbours are twice as near. */
    const double towards =
        fabs(got) == power_of_2(exponent_of(got) - 1) ? half_at(b->dtype, got * (1 - 0x1p-30)) : away;
    const int outwards = fabs(b->value[i]) > fabs(got) && b->value[i] * got >= 0;
    const double left = error - (outwards || got == 0 ? away : towards);
    return left < 0 ? 0 : left; /* NaN stays NaN */
}

/* ---- bounds ------------------------------------------------------------------------------------- */

/* An infinite answer of that sign (1, -1) is right, or may be: no kernel of an f32 class reaches beyond f32. */
static int may_overflow(const struct bound *b, int64_t i, int sign)
{
    const double dtype = gauge_format_of(b->dtype)->overflow;
    const double own = b->accuracy & SEGUE_ACCURACY_F64 ? INFINITY : gauge_format_of(SEGUE_F32)->overflow;
    if (b->exact) return judge_round(b->dtype, b->value[i]) == sign * INFINITY;
    return sign * b->value[i] + b->limit * b->sigma[i] >= fmin(dtype, own);
}

static int is_judged(const struct bound *b, int64_t i)
{
    return b->written[i] && b->sigma[i] < INFINITY;
}

/* Whether element i counts in the aggregates. Where the dtype is coarser than sigma, the rounding decides the error, and
 * equal values round alike: no chance would average it out. There the element's own bound is the sharper one. */
static int is_measured(const struct bound *b, int64_t i)
{
    return is_judged(b, i) && isfinite(b->value[i]) && !may_overflow(b, i, 1) && !may_overflow(b, i, -1) &&
           half_of(b, i) <= b->sigma[i];
}

/* Variance of the last rounding, uniform within half where sigma is wider. */
static double rounding_of(const struct bound *b, int64_t i)
{
    const double half = half_of(b, i);
    return half * half / 3;
}

static double variance_of(const struct bound *b, int64_t i)
{
    return b->sigma[i] * b->sigma[i] + rounding_of(b, i);
}

static double rms_size(const struct bound *b)
{
    double largest = 0, sum = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < b->count; i++)
        if (b->written[i] && isfinite(b->value[i])) largest = fmax(largest, fabs(b->value[i]));
    for (int64_t i = 0; i < b->count; i++)
        if (b->written[i] && isfinite(b->value[i])) {
            const double share = largest > 0 ? b->value[i] / largest : 0;
            sum += share * share;
            count++;
        }
    return count ? largest * sqrt(sum / (double)count) : 0;
}

/* Weights of an element's error in the two aggregates: its share of a common factor, and of a common sign. */
static int weights(const struct bound *b, int64_t i, double *scale, double *sign)
{
    const double variance = is_measured(b, i) ? variance_of(b, i) : 0;
    if (!(variance > 0)) return 0;
    const double y = b->size > 0 ? b->value[i] / b->size : 0,
                 deviation = sqrt(variance) / (b->size > 0 ? b->size : 1);
    *scale = y / deviation / deviation;
    *sign = (y > 0 ? 1 : -1) / deviation;
    return 1;
}

static void add(double *sum, const struct gauge_pattern *p, double weight)
{
    for (int k = 0; k < GAUGE_RANDOM; k++) {
        sum[k] += weight * p->fresh[k];
        sum[GAUGE_RANDOM + k] += weight * p->held[k];
    }
    for (int k = 0; k < GAUGE_SIDES; k++) sum[2 * GAUGE_RANDOM + k] += weight * p->side[k];
}

static double spread_of(const double *sum, double roundings)
{
    double random = 0, sides = 0;
    for (int k = 0; k < 2 * GAUGE_RANDOM; k++) random += sum[k] * sum[k];
    for (int k = 2 * GAUGE_RANDOM; k < 2 * GAUGE_RANDOM + GAUGE_SIDES; k++) sides += sum[k] * sum[k];
    return sqrt(GAUGE_UNIT * GAUGE_UNIT * (random / GAUGE_RANDOM + sides) + roundings);
}

/* The same aggregates of every pattern, as if it were the error: neighbours that err together are seen as such. */
static void find_spreads(struct bound *b, const struct gauge_numbers *from)
{
    double scales[2 * GAUGE_RANDOM + GAUGE_SIDES] = { 0 }, signs[2 * GAUGE_RANDOM + GAUGE_SIDES] = { 0 };
    double scale_roundings = 0, sign_roundings = 0, scale, sign;
    for (int64_t i = 0; i < b->count; i++) {
        if (!weights(b, i, &scale, &sign)) continue;
        const double rounding = rounding_of(b, i);
        if (from->pattern) add(scales, &from->pattern[i], scale), add(signs, &from->pattern[i], sign);
        scale_roundings += scale * scale * rounding;
        sign_roundings += sign * sign * rounding;
    }
    b->scale_spread = spread_of(scales, scale_roundings);
    b->sign_spread = spread_of(signs, sign_roundings);
}

static void count_elements(struct bound *b)
{
    const double noisy = b->accuracy & SEGUE_ACCURACY_BF16_PRODUCT ? 0.1 : 0.01;
    for (int64_t i = 0; i < b->count; i++) {
        b->used += is_judged(b, i);
        b->undecidable += b->written[i] && !is_judged(b, i);
        b->noisy += is_judged(b, i) && isfinite(b->value[i]) && b->sigma[i] > noisy * b->size;
    }
}

int bound_make(struct bound *out, const struct gauge_numbers *from, int64_t count, uint32_t dtype,
               uint32_t accuracy, int exact)
{
    const size_t room = count > 0 ? (size_t)count : 1;
    memset(out, 0, sizeof *out);
    out->count = count > 0 ? count : 0;
    out->dtype = dtype, out->accuracy = accuracy, out->exact = exact;
    out->limit = gauge_class_of(accuracy).limit;
    out->value = calloc(room, sizeof *out->value);
    out->sigma = calloc(room, sizeof *out->sigma);
    out->written = calloc(room, sizeof *out->written);
    if (!out->value || !out->sigma || !out->written) {
        bound_free(out);
        return -1;
    }
    for (int64_t i = 0; i < out->count; i++) {
        out->written[i] = (gauge_touched(from, i) & GAUGE_WRITTEN) != 0;
        out->value[i] = gauge_value(from, i);
        out->sigma[i] = gauge_sigma(from, i);
        /* An exact case rounds nothing, but what cannot be decided stays so. */
        if (exact && out->sigma[i] < INFINITY) out->sigma[i] = 0;
    }
    out->size = rms_size(out);
    count_elements(out);
    if (!exact) find_spreads(out, from);
    return 0;
}

void bound_free(struct bound *b)
{
    free(b->value);
    free(b->sigma);
    free(b->written);
    memset(b, 0, sizeof *b);
}

int bound_is_vacuous(const struct bound *b)
{
    return 20 * (b->undecidable + b->noisy) > b->used + b->undecidable;
}

double bound_of(const struct bound *b, int64_t i)
{
    if (!is_judged(b, i)) return INFINITY;
    if (!isfinite(b->value[i])) return 0;
    if (b->exact) return fabs(judge_round(b->dtype, b->value[i]) - b->value[i]);
    return half_of(b, i) + b->limit * b->sigma[i];
}

int bound_holds(const struct bound *b, int64_t i, double got)
{
    const double want = b->value[i];
    if (!is_judged(b, i)) return 1;
    if (isnan(want)) return isnan(got);
    if (isinf(want)) return got == want;
    if (isinf(got)) return may_overflow(b, i, got > 0 ? 1 : -1);
    if (b->exact) return got == judge_round(b->dtype, want);
    return error_of(b, i, got) <= b->limit * b->sigma[i]; /* false of NaN */
}

int bound_agrees(const struct bound *b, int64_t i, double x, double y)
{
    if (!is_judged(b, i) || x == y) return 1;
    if (isnan(x) || isnan(y)) return isnan(x) && isnan(y);
    if (isinf(x) || isinf(y)) return bound_holds(b, i, x) && bound_holds(b, i, y);
    return !b->exact && fabs(x - y) <= 2 * bound_of(b, i);
}

/* ---- the verdict -------------------------------------------------------------------------------- */

/* The error before rounding over what is allowed. */
static double ratio_of(const struct bound *b, int64_t i, double got)
{
    const double allowed = b->exact ? 0 : b->limit * b->sigma[i], error = error_of(b, i, got);
    if (!bound_holds(b, i, got))
        return allowed > 0 && isfinite(error) ? fmax(error / allowed, 1 + 0x1p-52) : INFINITY;
    return isfinite(error) && allowed > 0 ? fmin(error / allowed, 1) : 0;
}

static void judge_elements(const struct bound *b, const double *got, struct verdict *out)
{
    for (int64_t i = 0; i < b->count; i++) {
        if (!is_judged(b, i)) continue;
        const double ratio = ratio_of(b, i, got[i]), left = error_of(b, i, got[i]);
        if (out->at < 0 || ratio > out->ratio) out->ratio = ratio, out->at = i;
        out->bad += ratio > 1;
        if (b->sigma[i] > 0 && isfinite(left)) out->sigmas = fmax(out->sigmas, left / b->sigma[i]);
    }
}

/* How many elements have a measurable error. */
static int64_t judge_aggregates(const struct bound *b, const double *got, struct verdict *out)
{
    double squares = 0, by_scale = 0, by_sign = 0, scale, sign;
    int64_t count = 0;
    for (int64_t i = 0; i < b->count; i++) {
        const double error = got[i] - b->value[i];
        if (!weights(b, i, &scale, &sign) || !isfinite(error)) continue;
        squares += error * error / variance_of(b, i);
        by_scale += scale * error;
        by_sign += sign * error;
        count++;
    }
    if (count) out->rms = sqrt(squares / (double)count);
    if (b->scale_spread > 0) out->scale = fabs(by_scale) / b->scale_spread;
    if (b->sign_spread > 0) out->sign = fabs(by_sign) / b->sign_spread;
    return count;
}

void judge(const struct bound *b, const double *got, struct verdict *out)
{
    memset(out, 0, sizeof *out);
    out->at = -1;
    judge_elements(b, got, out);
    const int64_t measured = b->exact ? 0 : judge_aggregates(b, got, out);
    const struct {
        const char *rule;
        double share; /* of its limit */
    } rules[] = {
        { "element", out->ratio },
        { "rms", measured < FEWEST ? 0 : out->rms / JUDGE_MOST_RMS },
        { "scale", out->scale / JUDGE_MOST_SCALE },
        { "sign", out->sign / JUDGE_MOST_SIGN },
    };
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
        if (rules[r].share > 1 && !out->rule) out->rule = rules[r].rule;
        out->margin = fmax(out->margin, rules[r].share);
    }
    out->ok = !out->rule;
}
