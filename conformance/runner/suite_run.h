/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One run of the suite on one device: cases in, results out. */
#ifndef SEGUE_CONFORMANCE_SUITE_RUN_H
#define SEGUE_CONFORMANCE_SUITE_RUN_H

#include "../checks/check_case.h"
#include "children.h"
#include "selection.h"

enum { CLASSIFIED = 24, BEFORE = 512 }; /* failures that are run again; cases before one that may be to blame */

struct record {
    size_t item;               /* of the selection */
    int child;                 /* that it was judged in */
    size_t place;              /* steps of that child before it */
    const struct step *behind; /* ORDER: steps behind which it fails; of the history */
    size_t behind_count;
    struct result r;
};

struct history { /* of a child */
    struct step *steps;
    size_t count;
};

struct run_options {
    const char *device; /* NULL = the first that is ready */
    int variants, retries, quiet;
    int seconds_given, memory_given; /* a line that repeats a failure says them again */
    struct limits limits;
};

struct run {
    const struct run_options *options;
    const struct selection *cases;
    struct record *records; /* in the order of the selection */
    size_t count;
    struct history *children;
    int child_count;
    json_t *device; /* facts; NULL = it was never opened */
    struct trouble trouble;
    double seconds;
    char started[32];           /* UTC */
    const char *interrupted;    /* by this signal; NULL = it came to its end */
    size_t doubtful, run_again; /* failures that another try could tell more of; of them, those that had one */
    int row_known;              /* some case's primitive has the row that was asked for */
    int no_memory;
};

/* Judges all cases. 0, or an exit code with words in r->trouble.opening. Every case has a result afterwards, unless the run
 * was interrupted. */
int run_judge(struct run *r);
/* Runs failures again to tell solid ones from FLAKY and ORDER. */
void run_classify(struct run *r);
void run_free(struct run *r);

/* What children of a run do. lab: theirs, filled when they open the device. */
struct job {
    const struct run *run;
    struct lab *lab;
};
struct work run_work(struct job *j);

/* The name by which to ask for the device again. */
const char *run_device(const struct run *r);
/* For titles: no report on a test's stand-in passes for one on hardware. Is to, or the name. */
const char *run_title(const struct run *r, char *to, size_t room);
void run_counts(const struct run *r, size_t counts[3]); /* by COUNTS_... */
enum { AGAIN_TEXT = 1 << 13 };
/* The i-th case behind which an ORDER record fails; NULL = no more. Cases, not steps: each is judged on every row. */
const char *run_behind(const struct run *r, const struct record *record, size_t i);
/* A shell command that repeats the record. Returns to. */
const char *run_again(const struct run *r, const struct record *record, char *to, size_t room);

#endif
