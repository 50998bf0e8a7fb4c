/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a run comes to. */
#ifndef SEGUE_CONFORMANCE_SUMMARY_H
#define SEGUE_CONFORMANCE_SUMMARY_H

#include "suite_run.h"

#include <stdio.h>

enum { SUMMARY_CLASSES = 16, SUMMARY_IDENTITIES = 32 };

struct class_summary { /* of one accuracy class */
    uint32_t accuracy;
    size_t results;
    double sigmas, margin;      /* the largest of passed results */
    const struct record *worst; /* with those sigmas */
};

struct summary {
    size_t counts[3]; /* by COUNTS_... */
    size_t statuses[STATUS_COUNT];
    size_t cases, results;
    size_t judged; /* cases with a result: fewer than there are where the run was interrupted */
    size_t identities[SUMMARY_IDENTITIES],
        identities_failed[SUMMARY_IDENTITIES]; /* results that underwent each */
    size_t primitives, of_primitives;          /* with something passed, of all that there are */
    size_t rows, delegated;
    char variants[200]; /* "threads 1 2 3; isa base avx2 avx512", or "" */
    struct class_summary classes[SUMMARY_CLASSES];
    size_t class_count;
    int exit_code;
};

void summarize(const struct run *r, struct summary *out);

/* "1 m 12 s", "8.4 s". Returns to. */
const char *time_words(double seconds, char *to, size_t room);
/* A number as a person reads it: 4 digits, "inf", "nan". Returns to. */
const char *number_words(double value, char *to, size_t room);
/* "h_out[0,3,11]: 0, wanted -0.01931 (214 x the bound)"; "" without an operand. Returns to. */
const char *element_words(const struct result *r, char *to, size_t room);

/* "split": identity_name() without what all of them begin with; NULL beyond the last. */
const char *identity_word(int i);

/* Failures, coverage and counts on stdout. Where that is a terminal, a failure is broken into lines. */
void summary_print(const struct run *r, const struct summary *s);

#endif
