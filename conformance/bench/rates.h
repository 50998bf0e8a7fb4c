/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What this processor reaches, measured here and now, by as many threads as the device has. Of each probe
 * the best of many short passes counts: whatever disturbs a pass makes it longer. */
#ifndef SEGUE_CONFORMANCE_RATES_H
#define SEGUE_CONFORMANCE_RATES_H

#include "bench_lanes.h"

struct rates { /* a second, of all threads together */
    int threads;
    const struct bench_lanes *lanes; /* of the best instruction set here */
    const char *isa;
    double exps, slots; /* functions and fused products of single floats; only ever raised */
    double tiles[2]; /* fused products in a product of matrices, in f32 and in bf16 (0: not here); likewise */
    int exp_form, fma_form; /* that reached them */
};

/* Some 0.4 s. 0, or -1 = no memory or no threads. */
int rates_measure(int threads, struct rates *out);
/* The two best forms once more, for so long: what disturbed the first time, or a clock that has risen since.
 * 0 or -1. */
int rates_again(struct rates *r, double seconds);

#endif
