/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What this processor reaches, measured here and now, by as many threads as the device has. Of each probe the best of many
 * short passes counts: whatever disturbs a pass makes it longer. Threads live for one probe only, so that none spins while
 * a kernel is timed. */
#ifndef SEGUE_CONFORMANCE_RATES_H
#define SEGUE_CONFORMANCE_RATES_H

#include <stdint.h>

#include "bench_lanes.h"

struct rates { /* a second, of all threads together */
    int threads;
    const struct bench_lanes *lanes; /* of the best instruction set here */
    const char *isa;
    double exps, slots;     /* functions and fused products of single floats; only ever raised */
    int exp_form, fma_form; /* that reached them */
};

/* Some 0.4 s. 0, or -1 = no memory or no threads. */
int rates_measure(int threads, struct rates *out);
/* The two best forms once more, for so long: what disturbed the first time, or a clock that has risen since. 0 or -1. */
int rates_again(struct rates *r, double seconds);

/* Bytes moved as a case moves them, in buffers of its sizes. */
struct traffic {
    const struct rates *rates;
    int64_t layers; /* with buffers of their own */
    /* Bytes of each layer: only read; only written; read and written in place. With the last, nothing is only written. */
    int64_t read, written, state;
    float **from, **to, **kept; /* [layers] */
    double best;                /* seconds of one pass over all layers, INFINITY before the first */
};

/* 0, or -1 = no memory. */
int traffic_open(struct traffic *t, const struct rates *rates, int64_t layers, int64_t read, int64_t written,
                 int64_t state);
/* Passes for about that long, at least three with each kind of store. 0, or -1 = no threads. */
int traffic_measure(struct traffic *t, double seconds);
void traffic_close(struct traffic *t);

double seconds_now(void);

#endif
