/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Ops that must be refused, generated from the descriptions. A row is one operand (or parameter, or the call
 * itself) with one defect; refused() gives it to every entry point that should refuse it and checks all that a
 * refusal promises. */
#ifndef SEGUE_TEST_BAD_INPUT_H
#define SEGUE_TEST_BAD_INPUT_H

#include "sample.h"

enum {                 /* who must refuse */
       BY_PLAN = 1,    /* segue_plan_create, and segue_support says NO */
       BY_RUN = 2,     /* segue_plan_run on the good plan */
       BY_ONE_RUN = 4, /* segue_run */
       BY_ALL = 7
};

enum { TEXT = 160 };

struct expect {
    segue_status status;
    int field;                      /* index; -1 = none */
    char given[TEXT], wanted[TEXT]; /* pieces of the text */
};

struct bad {
    struct sample base;
    uint64_t fields;      /* those that are this base's to try: the first base that has them */
    char *arena, *before; /* what refusals must leave alone */
    char *answer;         /* arena after a good run */
    union sample_op good;
    segue_context *ctx;
    segue_device *dev;
    segue_plan *plan;
    segue_stream stream;
    segue_buffer workspace;
    const char *device;
};

/* An op that contradicts one rule of the description and nothing else. */
struct broken_rule {
    const char *rule; /* NULL ends a table */
    struct sample_kind kind;
    const char *field, *given, *wanted;
};

extern const struct broken_rule broken_recurrences[], broken_attention[], broken_sampling[], broken_cells[];

/* sample: whose values fill the arena (usually &bad->base); op may lie anywhere in it. */
void refused(struct bad *bad, const struct sample *sample, const union sample_op *op, int by,
             const char *defect, struct expect want);
/* For calls that are no ops: the status and diag that came back. */
void refused_call(struct bad *bad, const char *what, const char *defect, segue_status status,
                  const segue_diag *why, struct expect want);
/* The good op runs and answers right. */
void still_good(struct bad *bad, const char *after);

/* One more row with this defect. */
void bad_count(const char *defect);
void bad_fail(const struct bad *bad, const char *what, const char *defect, const char *call, const char *why,
              const char *text);
struct expect expect(segue_status status, int field, const char *given, const char *wanted);
const segue_field_facts *bad_field(const struct bad *bad, int i);
/* First present field from `from` on for which test holds; -1 = none. */
int bad_find(const struct sample *s, int from, int (*test)(const segue_field_facts *f, int argument),
             int argument);
int has_letter(const segue_field_facts *f, int letter);
int has_kind(const segue_field_facts *f, int kind);
/* The operand whose place a written one may take: the incoming state, or x for x_out; -1 = none. */
int bad_partner(const struct bad *bad, int out);

void bad_operands(struct bad *bad); /* one operand or parameter at a time */
void bad_memory(struct bad *bad);   /* extents, strides, overlap */
void bad_headers(struct bad *bad);
void bad_rules(struct bad *bad);
void bad_runs(struct bad *bad);  /* good ops that are not the plan's */
void bad_sizes(struct bad *bad); /* two axes as large as strides of 0 allow */
void bad_handles(struct bad *bad);

#endif
