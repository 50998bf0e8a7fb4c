/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One case on one row of an opened device, through the public ABI. */
#ifndef SEGUE_CONFORMANCE_CHECK_CASE_H
#define SEGUE_CONFORMANCE_CHECK_CASE_H

#include "../grammar/test_case.h"
#include "result.h"

enum { LAB_VARIANTS = 8, LAB_ROWS = 256 /* the most that a plugin may have of one primitive */ };

struct lab_device {
    segue_device *handle;
    segue_stream stream;
    segue_device_facts facts;
    char label[32]; /* "" of the device itself; "threads 1", "isa avx2" of its variants */
    int same_bits;  /* a variant whose rows promise the same bits where THREAD_INVARIANT is declared */
};

struct lab_delay { /* what keeps a stream busy for a while: fills of memory that nobody reads */
    segue_buffer memory;
    uint64_t bytes; /* 0: there is none */
    int fills, measured;
};

/* A device as it is asked for, and the same device opened in other ways: on a CPU every instruction set that can be
 * forced and other thread counts. */
struct lab {
    segue_context *context;
    struct lab_device device, variants[LAB_VARIANTS];
    int variant_count;
    char own[LAB_VARIANTS][32]; /* labels of ways that lead to the device itself */
    int own_count;
    struct lab_delay delay; /* on the device itself */
};

struct lab_rows { /* what segue_explain knows, best first */
    segue_row_facts of[LAB_ROWS];
    uint32_t count;
};

/* name NULL: the first that is ready. Exit code of the command: 0, 3 no device, 4 environment, with words. */
int lab_open(struct lab *out, const char *name, int variants, char *why, size_t room);
void lab_close(struct lab *l);
/* *out is whole after a failure, too: it has no rows. */
segue_status lab_explain(const struct lab_device *device, const segue_op_header *op, struct lab_rows *out,
                         segue_diag *diag);
/* Our own arithmetic: a device's memory; of host memory three quarters of what this process may have (the runner limits its
 * children by the machine's memory and the group's). */
int lab_has_room(const struct lab_device *device, uint64_t bytes);

/* Called with each result; several of one case where several rows accept it. */
typedef void (*result_sink)(void *user, const struct test_case *c, const struct result *r);

/* Judges the case on every row that accepts it, or on the named one. At least one result. Lost: the device is gone. */
void check_case(struct lab *l, const struct test_case *c, const char *row, result_sink sink, void *user);

#endif
