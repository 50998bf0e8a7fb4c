/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What became of one case on one row. */
#ifndef SEGUE_CONFORMANCE_RESULT_H
#define SEGUE_CONFORMANCE_RESULT_H

#include <segue/segue.h>

enum status {
    STATUS_PASS,
    STATUS_PASS_MARGIN, /* passed, with more than half of a limit used */
    STATUS_FAIL,
    STATUS_UNSUPPORTED, /* the device says so, returns the documented code and writes nothing */
    STATUS_MISSING, /* it says that it can and then refuses, or it lacks the plain form of a primitive it has */
    STATUS_UNDECLARED,    /* it says that it cannot and then does */
    STATUS_SKIP_RESOURCE, /* more memory than there is, by the suite's own arithmetic */
    STATUS_DELEGATED,     /* the reference computed */
    STATUS_CRASH,
    STATUS_TIMEOUT,
    STATUS_DEVICE_LOST,
    STATUS_FLAKY,         /* other verdicts under identical bytes */
    STATUS_ORDER,         /* fails only behind other cases */
    STATUS_VACUOUS,       /* the case cannot tell right from wrong: a fault of the suite */
    STATUS_HARNESS_ERROR, /* a fault of the suite or the system */
    STATUS_COUNT
};

enum check {                  /* kinds of check, combined */
             CHECK_VALUE = 1, /* outputs against the gauge */
             CHECK_STATE = 2, /* states against the gauge */
             CHECK_GUARD =
                 4, /* bytes that nobody may write: around operands and workspace, in stride holes, inputs, what the
                         * reference leaves alone */
             CHECK_POISON = 8, /* what was in outputs and workspace before, what the reference does not read */
             CHECK_IDENTITY = 16, /* two calls that must agree; causality; declared determinism */
             CHECK_STATUS = 32    /* codes and words of a refusal, exact workspace */
};

struct result {
    enum status status;
    unsigned ran, failed;                   /* kinds of check */
    unsigned identities, identities_failed; /* which of them: bit i is identity_name(i) */
    char row[64];
    uint32_t accuracy;
    double margin; /* the largest share of a limit that outputs and states used */
    double sigmas; /* the largest |error| / sigma */
    double ms;
    /* The first failure: */
    char check[48]; /* "value", "identity:split" */
    char operand[32];
    int rank;
    int64_t index[SEGUE_MAX_RANK];
    double got, want, ratio; /* ratio: times the bound; 0 = not a number's fault */
    char pattern[128];       /* "112 of 112 bad, all at t 4096" */
    char fault[48];          /* the planted fault whose output is nearest; "" = none resembles */
    char why[400];           /* words */
};

const char *status_name(enum status s);     /* "PASS", "SKIP_RESOURCE" */
enum status status_named(const char *name); /* STATUS_COUNT = none */
enum { COUNTS_PASSED, COUNTS_FAILED, COUNTS_SKIPPED };
int status_counts_as(enum status s);
const char *check_name(enum check kind); /* of one bit: "value" */
const char *identity_name(int i);        /* "identity:split"; NULL beyond the last */

#endif
