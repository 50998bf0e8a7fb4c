/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the calibration share: where cases come from, how a row answers one, what is counted. */
#ifndef SEGUE_CONFORMANCE_CALIBRATE_H
#define SEGUE_CONFORMANCE_CALIBRATE_H

#include "../checks/exam.h"
#include "../grammar/list.h"

struct bench {               /* everything in one process */
    struct lab right, wrong; /* one context, a device of each plugin; no variants */
    struct list list;        /* where samples are drawn from */
    int64_t keys;
    const char *dtype; /* NULL = f32, bf16, f16 */
};

/* Sample number k of a primitive and a dtype of its activations: a case of the list that is small enough, with k as its key.
 * 0; 1 = the list has none; -1 = words on stderr. */
int sample_make(struct bench *b, const char *primitive, uint32_t dtype, int64_t k, struct test_case *out);
/* The distribution without modifiers. */
void sample_distribution(const struct test_case *c, char *to, size_t room);

struct reply {                        /* of a row to a case */
    double *value[DESCRIPTOR_FIELDS]; /* [count] of written operands */
};
/* 0; 1 = the row declines; -1 = it failed, with words on stderr. study: of the same case. reply_free() after 0. */
int row_answers(struct lab *lab, struct study *study, const char *row, struct reply *out);
void reply_free(struct reply *r);
/* study_bounds_at() of what the row has chosen. */
const struct bounds *reply_bounds(struct study *study, uint32_t accuracy, const struct reply *r, char *why);
/* The rows that accept the case, at most room. */
uint32_t rows_of(struct lab *lab, const struct test_case *c, segue_row_facts *rows, uint32_t room);

/* The parts; 0 = as wanted, 1 = not, -1 = broken, all with words. */
int calibrate_right(struct bench *b);   /* correct kernels: no false alarm */
int calibrate_wrong(struct bench *b);   /* wrong kernels, and the gauge beside other rules */
int calibrate_proof(struct bench *b);   /* the eight wrong answers on 100 cases */
int calibrate_vacuous(struct bench *b); /* a weak case and a chaotic one */

#endif
