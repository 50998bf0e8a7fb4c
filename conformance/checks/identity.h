/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Two calls that must agree, the device against itself: with the case's answer e->base. Operands are told by the letters of
 * their axes; no primitive is named. Equal bits are wanted where the row declares them, else twice the bound. */
#ifndef SEGUE_CONFORMANCE_IDENTITY_H
#define SEGUE_CONFORMANCE_IDENTITY_H

#include "exam.h"

struct identity {
    const char *check; /* "identity:split" */
    int (*applies)(const struct exam *e);
    void (*run)(struct exam *e, const char *check);
};

/* time */
int can_split(const struct exam *e);
void identity_split(struct exam *e, const char *check);
void identity_decode(struct exam *e, const char *check);
/* reach */
int has_future(const struct exam *e);
int has_tokens(const struct exam *e);
void identity_causality(struct exam *e, const char *check);
void identity_reach(struct exam *e, const char *check);
/* parts */
int has_parts(const struct exam *e);
void identity_parts(struct exam *e, const char *check);
/* batch */
int has_sequences(const struct exam *e);
void identity_separate(struct exam *e, const char *check);
void identity_reverse(struct exam *e, const char *check);
/* place */
int always(const struct exam *e);
void identity_layout(struct exam *e, const char *check);
void identity_in_place(struct exam *e, const char *check);
void identity_bounds(struct exam *e, const char *check);
/* plan */
void identity_replan(struct exam *e, const char *check);
int answers_equal(const struct call *c, const struct answer *x, const struct answer *y); /* every byte */
/* An answer to the study's other call, which has run by itself before: judged and compared. */
void settle_other(struct exam *e, const struct answer *a, const struct comparison *how);
/* threads */
int can_be_concurrent(const struct exam *e);
void identity_concurrent(struct exam *e, const char *check);
/* order */
int has_order(const struct exam *e); /* its streams do something later */
void identity_order(struct exam *e, const char *check);
/* place */
int is_chosen(const struct exam *e);
void identity_segue_run(struct exam *e, const char *check);
int has_variants(const struct exam *e);
void identity_threads(struct exam *e, const char *check);
void identity_isa(struct exam *e, const char *check);

/* Runs a derived call, which it frees, and compares. 1 = it ran. */
int run_and_compare(struct exam *e, struct call *c, const struct map *m, const struct comparison *how,
                    const struct style *style);

/* Sequences of a call: cu_seqlens where it has that, else rows of b. */
struct sequence {
    int64_t first, count; /* tokens */
};
int is_packed(const struct call *c);
int64_t sequence_count(const struct call *c);
struct sequence sequence_of(const struct call *c, int64_t s);
struct sequence keys_of(const struct call *c, int64_t s); /* of a packed call with cu_seqlens_k */
/* Pool rows of a sequence; -1 = none, as is any value outside the pool. */
struct slots {
    int64_t read, write;
};
struct slots slots_of(const struct call *c, int64_t s);

#endif
