/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict on one operand: element by element, by RMS, by scale and by sign. */
#ifndef SEGUE_CONFORMANCE_JUDGE_H
#define SEGUE_CONFORMANCE_JUDGE_H

#include "gauge.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a correct kernel may answer. An element passes if some number within limit sigma of the value rounds to it in the
 * operand's dtype. NaN wants NaN, an infinity wants itself; a value near the dtype's overflow may be infinite. */
struct bound {
    int64_t count;
    double *value;                    /* [count] the reference's, not rounded to the dtype */
    double *sigma;                    /* [count] INFINITY = undecidable */
    unsigned char *written;           /* [count] 0 = the reference left it alone */
    double size;                      /* RMS of the finite values */
    double scale_spread, sign_spread; /* what the two aggregates of an error scatter by in correct kernels */
    double limit;                     /* times sigma: 4; of BF16_PRODUCT 10 */
    int64_t used, undecidable;        /* elements judged; not decidable */
    int64_t noisy;                    /* sigma above 1 % (BF16_PRODUCT 10 %) of size */
    uint32_t dtype, accuracy;
    int exact; /* the answer must be the value rounded to the dtype */
};

/* From numbers that gauge_run() of that accuracy has written. exact: sigma 0, the answer must be the value rounded to
 * the dtype. 0, or -1 = no memory. */
int bound_make(struct bound *out, const struct gauge_numbers *from, int64_t count, uint32_t dtype,
               uint32_t accuracy, int exact);
void bound_free(struct bound *b);
/* More than 5 % of the elements are undecidable or noisy: the case proves nothing. */
int bound_is_vacuous(const struct bound *b);
/* What |got - value| may be; INFINITY where undecidable. */
double bound_of(const struct bound *b, int64_t i);
/* 1 where got is right at element i. */
int bound_holds(const struct bound *b, int64_t i, double got);

#define JUDGE_MOST_RMS 1.5 /* limits of the aggregates, in units of their spread */
#define JUDGE_MOST_SCALE 5.0
#define JUDGE_MOST_SIGN 5.0

struct verdict {
    int ok;
    const char *rule;        /* the first that is broken: element, rms, scale, sign; NULL = ok */
    double ratio;            /* of the worst element: |error| over its bound (INFINITY: NaN, infinite) */
    int64_t at;              /* which; -1 = nothing judged */
    int64_t bad;             /* elements over their bound */
    double sigmas;           /* the largest error before rounding, over sigma */
    double rms, scale, sign; /* in units of their spread */
    double margin;           /* the largest share of any limit: > 1 = failed */
};

/* got: [count], of elements that the reference writes. */
void judge(const struct bound *b, const double *got, struct verdict *out);

/* x rounded to a floating dtype: to nearest, ties to even, infinite from the dtype's overflow on. */
double judge_round(uint32_t dtype, double x);

/* Two answers of kernels that are both within the bound: |a - b| at element i is at most twice the bound. */
int bound_agrees(const struct bound *b, int64_t i, double x, double y);

#ifdef __cplusplus
}
#endif
#endif
