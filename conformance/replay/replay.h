/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue replay: calls that an engine made, from the files that SEGUE_CAPTURE wrote (segue/sealed.h), on any device, each
 * judged as the suite judges a case. */
#ifndef SEGUE_CONFORMANCE_REPLAY_H
#define SEGUE_CONFORMANCE_REPLAY_H

#include "../checks/call.h"
#include "../checks/check_case.h"

/* ---- a file: replay_file.c ---- */

struct replay_file {
    unsigned char *content;
    const segue_primitive_facts *primitive;
    char device[32], description[128], row[64]; /* where it was captured */
    segue_op_header *op;                        /* the call, without data */
    segue_op_header *planned;             /* the op that its plan was made for; the same strides and bounds */
    uint64_t elements[DESCRIPTOR_FIELDS]; /* of inputs: where in content */
    uint8_t over[DESCRIPTOR_FIELDS];      /* as in struct call */
    double need;                          /* bytes of memory that the reference and its gauge take, about */
};

/* All that the file says is checked. 0, or -1 with words in why[DESCRIPTOR_WHY]. replay_free() is legal after either. */
int replay_read(const char *path, struct replay_file *out, char *why);
/* The same of bytes, which are freed by replay_free(), in any case. */
int replay_parse(unsigned char *content, uint64_t bytes, struct replay_file *out, char *why);
void replay_free(struct replay_file *f);
/* With values, in places as they were. 0, or -1 = no memory; call_free() after either. */
int replay_call(const struct replay_file *f, struct call *out);

/* ---- on a device: replay_judge.c ---- */

struct replay_listener {
    void *user;
    void (*result)(void *user, const struct result *r); /* of a row; or of none, where there is none to run */
    void (*reference)(void *user,
                      int begins); /* the reference and its gauge compute from now on, or do no more */
};

/* The call on every row of the device that takes it, or on the named one. memory: bytes that this process may have; 0 = any. */
void replay_judge(struct lab *l, const struct replay_file *f, const char *row, double memory,
                  const struct replay_listener *to);

/* ---- `segue replay ...`: an exit code: verb_replay.c ---- */
int verb_replay(int argc, char **argv);

#endif
