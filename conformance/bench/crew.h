/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Passes of a probe, each done by some threads together. The threads live for one call only, so that none
 * spins while a kernel is timed. */
#ifndef SEGUE_CONFORMANCE_CREW_H
#define SEGUE_CONFORMANCE_CREW_H

enum { CREW_MOST = 1024 };

struct passes { /* seconds of one pass */
    double best, mean;
};

/* pass(work, 0..threads-1, threads) by all threads at once, again and again: so many seconds that do not
 * count, then so many that do, at least three passes. 0, or -1 = no memory or no threads. */
int crew_time(int threads, void (*pass)(void *work, int thread, int threads), void *work, double warm,
              double seconds, struct passes *out);

double seconds_now(void);
double median_of(double *values, int count); /* sorts them */

#endif
