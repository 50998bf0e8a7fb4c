/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One row that is examined with one case: what every check needs. */
#ifndef SEGUE_CONFORMANCE_EXAM_H
#define SEGUE_CONFORMANCE_EXAM_H

#include "../gauge/judge.h"
#include "check_case.h"
#include "image.h"

enum { KINDS = 6, CLASSES = 8 };

/* Of a case in one accuracy class. Where roundings may decide what an integer output holds, they are those of one choice: the
 * reference's own, or that of a kernel which is as good. Kernels that have chosen otherwise have bounds of their own. */
struct bounds {
    uint32_t accuracy;
    int vacuous, open; /* open: of no choice at all; what roundings may decide is undecidable */
    int32_t *choice
        [DESCRIPTOR_FIELDS]; /* [count] where the reference asks for what a kernel chose; NULL: it does not */
    struct bounds *others;   /* of other choices */
    struct bound of[DESCRIPTOR_FIELDS];
    uint8_t has[DESCRIPTOR_FIELDS]; /* written operands */
    char why[200];                  /* of vacuous */
};

struct study { /* what all rows of a case share */
    struct lab *lab;
    const struct test_case *c;
    struct call call; /* the case's own */
    uint32_t hash;    /* of its name */
    struct bounds bounds[CLASSES];
    int bounds_count;
    struct spare spare;
    double aside;        /* ms spent in the reference and its gauge */
    struct study *other; /* of a call of the same form with other values; NULL: not made yet */
    struct test_case other_case;
};

struct finding { /* the first failure of a kind of check */
    int set;
    char check[48], operand[32], pattern[128], fault[48], why[400];
    int rank;
    int64_t index[SEGUE_MAX_RANK];
    double got, want, ratio;
};

struct answer { /* of a call: what lies in its written operands, logical and row-major */
    double *value[DESCRIPTOR_FIELDS];
    unsigned char *bytes[DESCRIPTOR_FIELDS];
};

struct exam {
    struct study *study;
    struct lab *lab;
    segue_row_facts row;
    struct result r;
    struct finding findings[KINDS], further; /* further: what comes behind the first is thrown away */
    segue_plan *plan;                        /* for the case as it is */
    segue_plan_facts facts;
    const struct bounds *bounds;   /* of the choices of base, once that is judged */
    const struct bounds *handover; /* where a state goes through a narrower dtype than the row computes in */
    struct answer base;
    struct answer other; /* to the study's other call, under a plan of its own */
    int has_other;
    int missing, lost, skipped, broken; /* broken: a fault of the suite or the system; in words[] */
    char words[400];
};

/* ---- the study ---- */

/* 0, or -1 with words in why[DESCRIPTOR_WHY]. study_free() is legal after either. */
int study_make(struct study *out, struct lab *lab, const struct test_case *c, char *why);
void study_free(struct study *s);
/* Of the reference's own choices; NULL with words. */
const struct bounds *study_bounds(struct study *s, uint32_t accuracy, char *why);
/* Of an answer's choices, and of none. */
struct answer;
const struct bounds *study_bounds_at(struct study *s, uint32_t accuracy, const struct answer *a, char *why);
const struct bounds *study_bounds_open(struct study *s, uint32_t accuracy, char *why);
/* Makes s->other. 0, or -1 with words. */
int study_other(struct study *s, char *why);
struct style study_style(const struct study *s);
/* Another poison than that of study_style(), of those that suit the case's hash. */
unsigned char study_poison(const struct study *s, uint32_t which);
double milliseconds(void);

/* ---- findings ---- */

/* Notes that a kind of check ran, or that it failed. What comes back is to be filled where it is the first. */
void exam_ran(struct exam *e, enum check kind);
__attribute__((format(printf, 4, 5))) struct finding *exam_fail(struct exam *e, enum check kind,
                                                                const char *check, const char *format, ...);
/* A fault of the suite or the system. */
__attribute__((format(printf, 2, 3))) void exam_break(struct exam *e, const char *format, ...);
/* A call of the device failed: a status, a refusal after consent, or the device is lost. */
void exam_refused(struct exam *e, segue_status status, const char *check, const char *what,
                  const segue_diag *diag);
int exam_goes_on(const struct exam *e); /* neither broken nor lost */

/* ---- running ---- */

struct setting {
    const char *check;               /* what the run is for: "value", "identity:split" */
    const struct lab_device *device; /* NULL: the lab's own */
    segue_plan *plan;                /* NULL: made for the call */
    const segue_op_header *planned;  /* NULL: the call; else what the plan is made for */
    int by_segue_run;
    const struct style *style; /* NULL: the study's, poison 0xff */
};

/* Runs a call on the row and looks after its guards. 1 = *out holds the answer (answer_free()), 0 = the row takes no such
 * call, -1 = it failed and that is noted. call_look() must have been made. */
int exam_run(struct exam *e, const struct call *c, const struct setting *s, struct answer *out);
int answer_read(struct image *m, struct answer *out); /* 0, or -1 = no memory; answer_free() after either */
void answer_free(struct answer *a);
/* Bytes that changed and must not have, after image_download(). */
void exam_guards(struct exam *e, struct image *m, const char *check);
/* call_settle(), call_look(): timed, and noted when they fail. 0 or -1. */
int exam_prepare(struct exam *e, struct call *c);

/* ---- comparing ---- */

/* Where an element of a derived call is in the case: along each axis, index i from low to high - 1 is
 * first + step (i - low). */
struct window {
    int64_t low, high, first, step;
};
struct map {
    struct window axis[26];
};
struct map map_all(void); /* everything is where it is */
struct window *map_axis(struct map *m, char letter);
void map_tokens(struct map *m, const struct call *c, struct window w); /* t, and what is as long */

struct comparison {
    enum check kind;
    const char *check;
    const char *words;           /* "split at 17" */
    const struct bounds *bounds; /* NULL: equal bits are wanted */
    int only_unmarked;           /* elements that depend on marked inputs are not compared */
};
/* An answer against that of the case. Failures are noted. 1 = they agree. */
int exam_compare(struct exam *e, const struct call *c, const struct answer *a, const struct map *m,
                 const struct comparison *how);
/* The bounds of a comparison: NULL, equal bits, where the row declares all of the flags. */
const struct bounds *unless_declared(const struct exam *e, uint32_t flags, const struct bounds *otherwise);

/* An answer to the case itself against the gauge at what it has chosen. words: "" or "with isa avx2: ". 1 = right; quiet: nothing is noted. */
int exam_judge(struct exam *e, const struct answer *a, const char *words, int quiet);

/* ---- checks ---- */

void check_values(struct exam *e);   /* value, state, poison, repeated runs */
void check_refusals(struct exam *e); /* status */
void check_identities(struct exam *e);
unsigned identity_bit(const char *check); /* 0: it is none */

#endif
