/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong answers, made from the reference: what a case must reject to prove anything, and what a failure is compared
 * with to say which mistake it resembles. */
#ifndef SEGUE_CONFORMANCE_FAULTS_H
#define SEGUE_CONFORMANCE_FAULTS_H

#include "../gauge/judge.h"
#include "../grammar/test_case.h"

struct fault {
    const char *name; /* "state-ignored" */
    /* The wrong answer of one written operand into out[right->count]. 0; 1 = means nothing for this case and operand, or
     * is no other answer than the right one; -1 = no memory. */
    int (*answer)(const struct test_case *c, uint32_t field, const struct bound *right, double *out);
};

/* Ended by name NULL. The first eight make every case prove itself: zeros, one token late, the previous key's answer,
 * state ignored, last chunk zero, two heads swapped, 0.999 times, the mean. */
extern const struct fault faults[];
enum { FAULTS_OF_PROOF = 8 };

/* How many of the first eight apply to the operand, and how many of those the judge rejects. 0, or -1 = no memory. */
int faults_proof(const struct test_case *c, uint32_t field, const struct bound *right, int *applicable,
                 int *rejected);

/* The name of the fault whose answer is nearest to got[right->count], if its distance is below a tenth of got's from the right
 * answer (RMS over the elements that the reference writes); "" otherwise. */
const char *fault_nearest(const struct test_case *c, uint32_t field, const struct bound *right,
                          const double *got);

#endif
