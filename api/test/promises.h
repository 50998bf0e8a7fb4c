/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of segue_plan_run's promises run: prefill and decode of three primitives, on any device. */
#ifndef SEGUE_TEST_PROMISES_H
#define SEGUE_TEST_PROMISES_H

#include "sample.h"

struct promise_case {
    const char *form; /* "prefill", "decode" */
    struct sample_kind kind;
};
extern const struct promise_case promise_cases[]; /* ends with a NULL form */

struct promise_run {
    segue_device *dev;
    segue_plan *plan;
    segue_stream stream;
    segue_buffer workspace;
    union sample_op op;
    char *arena;
    int kernels; /* that a run launches: 2 where it is lowered */
};

/* Everything up to the run itself; exits with words when something fails. */
struct promise_run promise_open(segue_context *ctx, const char *device, uint32_t threads,
                                const struct promise_case *which);
void promise_once(const struct promise_run *run);
void promise_close(struct promise_run *run);

#endif
