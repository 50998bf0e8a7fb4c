/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A call on a device, ready to be run again and again: operands with values in the device's memory, a plan,
 * its workspace. The call comes from a descriptor (conformance/grammar); no primitive is known here. States
 * are updated in place, as engines do it, and lie as the row likes them best. */
#ifndef SEGUE_CONFORMANCE_STAGE_H
#define SEGUE_CONFORMANCE_STAGE_H

#include "../grammar/descriptor.h"

struct bench_device {
    segue_context *context;
    segue_device *handle;
    segue_stream stream;
    segue_device_facts facts;
    char name[32]; /* as a person calls it: the alias where there is one */
};

/* Tried in a child first: a plugin that crashes or hangs does not take the command along. threads 0: the
 * device's default. A test's stand-in is refused. 0, or the command's exit code with words in why[DESCRIPTOR_WHY]. */
int bench_device_open(struct bench_device *out, const char *name, uint32_t threads, char *why);
int bench_device_open_any(struct bench_device *out, const char *name, char *why); /* a stand-in, too */
void bench_device_close(struct bench_device *d);

enum { BENCH_DEVICES = 32 };
/* The devices that are ready, as a person calls them, the reference last; no stand-ins. Asked for in a child. 0, or an
 * exit code with words: BENCH_FAILED where an interruption came that is watched for (interruption.h). */
int bench_device_names(char out[BENCH_DEVICES][32], int *count, char *why);

enum { STAGE_PICKS = 8 };

struct pick {                          /* of an axis along which nothing is mixed: what is checked of it */
    int64_t count, index[STAGE_PICKS]; /* ascending, the first and the last; others every time. 0: all of it */
};

struct answer; /* of stage_check.c */

struct stage {
    const struct bench_device *device;
    struct descriptor d;
    int layers;           /* so many sets of operands, run one after the other */
    segue_op_header **op; /* [layers] */
    segue_buffer *memory; /* [layers][field_count] */
    segue_buffer workspace;
    segue_plan *plan;
    segue_plan_facts facts;
    struct pick pick[26]; /* by letter: channels, or heads and columns of their values */
    int64_t
        few; /* tokens of a shorter run of the same plan that is judged instead; 0 = the runs themselves are */
    struct answer *answer; /* [layers][field_count]; NULL before the first check */
    int checks;
};

enum { STAGE_READY = 0, STAGE_FAILED = -1, STAGE_DECLINED = 1 };

/* row: NULL = the one that the device chooses. Otherwise than STAGE_READY: words in why[DESCRIPTOR_WHY],
 * nothing to close. */
int stage_open(struct stage *s, const struct bench_device *device, const char *descriptor, int layers,
               const char *row, char *why);
/* All layers, so many times; returns when done. 0, or -1 with words. */
int stage_run(struct stage *s, int64_t times, char *why);
void stage_close(struct stage *s);

/* Bytes that make a NaN, or 1e36 (f16: 61,000), of every dtype. */
enum { STAGE_NANS = 0xff, STAGE_HUGE = 0x7b };

/* As before the first run: states as they were, such bytes in everything else that is written, the workspace
 * too. */
int stage_rewind(struct stage *s, uint8_t bytes, char *why);
/* All layers once, on their first s->few tokens. 0, or -1 with words. */
int stage_run_few(struct stage *s, char *why);
/* Rewinds, with other bytes each time, and runs once: every element of every output must be finite, what is
 * picked over all tokens within the gauge, all bits those of the check before where the row promises that.
 * 0, or -1 with words. */
int stage_check(struct stage *s, char *why);
/* Whether all outputs are finite as they are now. 0, or -1 with words. */
int stage_finite(struct stage *s, char *why);
void stage_forget(struct stage *s); /* frees the answers */

/* An input's element, rounded to its dtype; index: row-major over its shape. */
double stage_value(const struct stage *s, int layer, uint32_t field, int64_t index);

#endif
