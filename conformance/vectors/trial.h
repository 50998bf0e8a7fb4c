/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One golden file on one device, through the public ABI: puts the authors' tensors where operands want them,
 * runs, and judges. The first failure sticks; everything after it does nothing, so that a case reads as a
 * straight list.
 *
 * Axes are given as the operand wants them, a word an axis, slowest first: "b t d|he n". A word lists
 * alternatives: a letter, or letters that lie next to each other and count as one axis. A letter that the
 * tensor lacks gives an axis of length 1 and stride 0. Every axis of the tensor must find a place. Nothing is
 * transposed: views have strides. */
#ifndef SEGUE_CONFORMANCE_TRIAL_H
#define SEGUE_CONFORMANCE_TRIAL_H

#include "golden.h"
#include "shadow.h"

enum trial_status { TRIAL_PASSED, TRIAL_FAILED, TRIAL_SKIPPED };
enum { TRIAL_MAX_CALLS = 256 };

typedef struct trial_device {
    segue_device *handle;
    segue_stream stream;
    segue_device_facts facts;
    uint32_t dtype; /* of every real operand: f64 on the reference, f32 elsewhere */
} trial_device;

typedef struct trial {
    const trial_device *device;
    golden_file *file;
    enum trial_status status; /* TRIAL_PASSED until shown otherwise */
    char why[GOLDEN_WHY];     /* of a failure or a skip */
    int gauged;        /* the bound is what a correct kernel may answer and the file's rtol, else rtol alone */
    uint32_t accuracy; /* of the rows that answered */
    double ratio;      /* the worst element's error over its bound; -1 = nothing judged yet */
    double bound;      /* on that element's abs(got - want) */
    const golden_tensor *worst; /* where that element is: index in the authors' axis order */
    int64_t index[SEGUE_MAX_RANK];
    double got, want;
    char row[64];          /* the kernel that answered last */
    struct shadow *memory; /* all that was allocated */
    int memory_count;
    json_t *params_read;
} trial;

/* What <primitive>.c of this folder has to say. */
typedef struct golden_case {
    const char *primitive;
    const char *(*refuse)(
        const golden_file *file); /* NULL or a reason: a predicate on tensors and parameters */
    void (*run)(trial *t);
} golden_case;

void trial_run_case(trial *t, const trial_device *device, golden_file *file, const golden_case *with);

/* An input on the device, its dtype made the device's; names: alternatives, separated by spaces. Absent gives
 * an absent one. */
segue_tensor trial_input(trial *t, const char *names, const char *axes);
/* A tensor shaped and laid out like the first of names, filled with NaN, for an operand that is written. */
segue_tensor trial_output(trial *t, const char *names, const char *axes);
segue_tensor trial_integers(trial *t, const int32_t *values, int rank, const int64_t *shape);
/* Numbers that the case derives from the file, rounded to the device's dtype. */
segue_tensor trial_reals(trial *t, const double *values, int rank, const int64_t *shape);

/* A parameter of the file; fallback where it is absent. Booleans count as 0 and 1. */
int64_t trial_param(trial *t, const char *name, int64_t fallback);
double trial_real(trial *t, const char *name, double fallback); /* "inf" counts as a number */
const char *trial_text(trial *t, const char *name, const char *fallback);
/* Fails when the file has the parameter with another value: what it repeats must agree with its tensors. */
void trial_expect(trial *t, const char *name, int64_t value);

/* How the authors' code was called over a time axis of that length: (prefill_len, then decode_steps single
 * tokens), (calls x tokens_per_call), or at once. Fills lengths[TRIAL_MAX_CALLS], returns their number. */
int trial_calls(trial *t, int64_t total, int64_t *lengths);

void trial_call(trial *t, const segue_op_header *op);
/* What a call wrote into an integer tensor, packed; all 0 after a failure. */
void trial_read(trial *t, segue_tensor from, int32_t *to);
/* Compares with the first of names, if the file has one. */
void trial_judge(trial *t, const char *names, const char *axes, segue_tensor got);
__attribute__((format(printf, 2, 3))) void trial_fail(trial *t, const char *format, ...);

/* The worst element in words: "out.y[0,3,11]". */
const char *trial_where(const trial *t, char *to, size_t size);

static inline int given(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

#endif
