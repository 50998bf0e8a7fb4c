/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue bench: how fast a device runs the calls of real models, and how fast it could. */
#ifndef SEGUE_CONFORMANCE_BENCH_H
#define SEGUE_CONFORMANCE_BENCH_H

#include <stdio.h>

#include "limit.h"
#include "stage.h"

enum { BENCH_OK = 0, BENCH_FAILED = 1, BENCH_USAGE = 2, BENCH_NO_DEVICE = 3, BENCH_ENVIRONMENT = 4 };

struct bench_case {
    const char *name;       /* selective_scan/mamba-130m/prefill/bf16 */
    const char *descriptor; /* its call */
    int layers;             /* distinct sets of operands; the figure is the time of all */
    int by_tiles;           /* 1: multiplies matrices, and is measured by the rate of that */
};

extern const struct bench_case bench_cases[]; /* ends with a NULL name */
/* Whether the whole name matches; `*` crosses `/`. No globs: everything matches. */
int bench_matches(const char *name, char *const *globs, int count);

struct pace { /* how long to measure */
    int samples;
    double sample_seconds; /* each at least */
};

struct figure { /* what one row reached in one case */
    const char *name, *primitive, *device;
    const char *dtype;
    char row[64];
    double ms_min, ms_median, ms_max; /* of one run of all layers */
    int runs;                         /* samples that the three are taken from */
    struct limit limit;
    uint32_t threads;
};

/* Runs of the stage that take at least `seconds`; warms up by the way. -1 = failed, with words. */
int64_t runs_for(struct stage *s, double seconds, char *why);
/* Milliseconds of a run, over so many; negative = failed, with words. */
double time_runs(struct stage *s, int64_t times, char *why);

/* rates: NULL where the device is no CPU; raised where they prove higher. 0; STAGE_DECLINED or STAGE_FAILED
 * with words. */
int bench_measure(const struct bench_device *device, struct rates *rates, const struct bench_case *c,
                  const char *row, const struct pace *pace, struct figure *out, char *why);

/* How many odd shapes' descriptors match; their names on stdout where `print`. */
int odd_list(char *const *globs, int glob_count, int print);
/* A survey of these beside round ones, printed to `to`. Exit code. */
int odd_survey(const struct bench_device *device, const struct pace *pace, char *const *globs, int glob_count,
               FILE *to);

/* `segue bench ...`: an exit code. */
int verb_bench(int argc, char **argv);

#endif
