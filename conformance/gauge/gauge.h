/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* How far a correct kernel may be from the reference, asked from the reference itself: reference/<primitive>.c compiled
 * with other numbers than double. See gauge/README.md for the method.
 *
 * An op is run over such numbers: data of its floating tensors, and of all that it writes, is a struct gauge_numbers *, offset and
 * bytes count elements, strides are in elements of it; integers that it reads are ordinary host memory. Numbers written by
 * one run may be read by the next: a chain of calls carries its roundings along. One thread at a time for each
 * gauge_numbers. */
#ifndef SEGUE_CONFORMANCE_GAUGE_H
#define SEGUE_CONFORMANCE_GAUGE_H

#include <segue/segue.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gauge_kind {
    GAUGE_ROUNDINGS, /* a value and its first-order responses to rounding */
    GAUGE_TOKENS     /* a value and a set of up to 64 marks: which marked inputs it depends on */
};

struct gauge_numbers;

/* count numbers, all 0 without rounding and marks, untouched. NULL = no memory. */
struct gauge_numbers *gauge_numbers_new(enum gauge_kind kind, int64_t count);
void gauge_numbers_free(struct gauge_numbers *n);
/* An exact number; its marks become none and it counts as untouched. */
void gauge_set(struct gauge_numbers *n, int64_t i, double value);
void gauge_mark(struct gauge_numbers *n, int64_t i, uint64_t marks);

/* What a kernel wrote into these numbers of an integer output, [count]: the next run goes on with its choices where they are as good
 * as its own (reference/real.h). Without it near ties are doubts, and what depends on them is undecidable. GAUGE_ROUNDINGS
 * only. 0, or -1 = no memory. */
int gauge_answer(struct gauge_numbers *n, const int32_t *got);
int gauge_asked(const struct gauge_numbers *n); /* whether a run wanted to know an answer since then */

double gauge_value(const struct gauge_numbers *n, int64_t i);
/* One standard deviation of what correct kernels of that class answer; infinite = undecidable. GAUGE_ROUNDINGS only. */
double gauge_sigma(const struct gauge_numbers *n, int64_t i);
uint64_t gauge_marks(const struct gauge_numbers *n, int64_t i);

enum { GAUGE_READ = 1, GAUGE_WRITTEN = 2 };
unsigned gauge_touched(const struct gauge_numbers *n, int64_t i); /* since gauge_set */

/* Roundings in units of which a class is made. */
enum { GAUGE_CHUNK = 256 }; /* tokens over which a CHUNK_LOG row may sum logs of decays, at most */

/* Runs the reference of op->primitive over the numbers behind its tensors. accuracy: SEGUE_ACCURACY_... of the row that is
 * judged (GAUGE_TOKENS: ignored). 0; -1 = the primitive has no reference; -2 = no memory. */
int gauge_run(const segue_op_header *op, enum gauge_kind kind, uint32_t accuracy);

#ifdef __cplusplus
}
#endif
#endif
