/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share: how numbers are kept, what an accuracy class forgives, the built references. */
#ifndef SEGUE_CONFORMANCE_NUMBERS_H
#define SEGUE_CONFORMANCE_NUMBERS_H

#include "gauge.h"

#ifdef __cplusplus
extern "C" {
#endif

#define UNANSWERED INT64_MIN                 /* as in reference/real.h */
enum { GAUGE_RANDOM = 16, GAUGE_SIDES = 3 }; /* random patterns of each kind; one-sided ones */
#define GAUGE_UNIT 0x1p-24                   /* patterns count in roundings of f32 */

struct gauge_pattern { /* first-order responses of a number to rounding; all NaN = undecidable */
    float fresh[GAUGE_RANDOM], held[GAUGE_RANDOM], side[GAUGE_SIDES];
};

struct gauge_numbers {
    enum gauge_kind kind;
    int64_t count;
    double *value;
    unsigned char *touched;
    struct gauge_pattern *pattern; /* NULL until a run writes one: inputs are exact and cost 9 bytes */
    uint64_t *marks;               /* of GAUGE_TOKENS */
    int32_t *answer;               /* NULL: not known */
    int asked;                     /* whether a run wanted to know an answer */
};

struct gauge_class { /* relative errors in GAUGE_UNIT of what a row does */
    double add, product, exp, other;
    double exp_slope; /* more, times the argument */
    double chunk;     /* tokens over which logs of decays are summed; 0 = they are not */
    double log, spread;
    double range; /* a result above it may be infinite in the arithmetic of the class */
    double flush; /* what a flushed result is wrong by, absolute */
    double jump;  /* 1: the branch of softplus is seen */
    double limit; /* times sigma: what is forgiven; a choice within it is a near tie */
};

struct gauge_format { /* a floating dtype */
    uint32_t dtype;
    int digits, least;         /* binary digits; exponent of the smallest subnormal */
    double overflow, roundoff; /* the least magnitude that rounds to infinity; 2^-digits */
};

/* Of a floating dtype; of any other that of f64. */
const struct gauge_format *gauge_format_of(uint32_t dtype);
struct gauge_class gauge_class_of(uint32_t accuracy);
/* Room for the patterns, all 0. -1 = no memory. */
int gauge_room(struct gauge_numbers *n);
double gauge_variance(const struct gauge_pattern *p); /* in GAUGE_UNIT squared */

enum { GAUGE_OUTSIDE = -3 }; /* a tensor reaches beyond its numbers */
enum { GAUGE_LEVELS = 3 };   /* instruction sets that the roundings are built for: baseline, AVX2, AVX-512 */
typedef int (*gauge_unit)(const segue_op_header *op, const struct gauge_class *of);

/* gauge_run() by the code for one instruction set; -1 also where this processor cannot run it. */
int gauge_run_at(const segue_op_header *op, enum gauge_kind kind, uint32_t accuracy, int level);

#ifdef __cplusplus
}
#endif
#endif
