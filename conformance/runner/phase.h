/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Where in the public ABI the main thread of a child process is, kept in memory that its parent reads when it has died. The linker sends the
 * suite's own calls of the functions in phase.c through there (--wrap, see CMakeLists.txt): the code that judges knows
 * nothing of it, and no call can be forgotten. */
#ifndef SEGUE_CONFORMANCE_PHASE_H
#define SEGUE_CONFORMANCE_PHASE_H

#include <stdatomic.h>

enum phase {
    PHASE_NONE, /* in the suite itself */
    PHASE_OPEN,
    PHASE_SUPPORT,
    PHASE_EXPLAIN,
    PHASE_PLAN,
    PHASE_RUN,
    PHASE_MEMORY,
    PHASE_SYNC,
    PHASE_STREAM,
    PHASE_EVENT,
    PHASE_PLAN_FACTS,
    PHASE_PLAN_END,
    PHASE_STATUS,
    PHASE_THREADS, /* the main thread waits for others */
    PHASE_CLOSE,
    PHASE_COUNT
};

struct phase_page {
    _Atomic int phase;
    char object[64]; /* file that holds the instruction at fault; "" = unknown */
};

/* The page of this process; NULL = nobody reads it. */
extern struct phase_page *phase_page;
void phase_set(enum phase p);
/* "in run", "when the device was opened". */
const char *phase_words(int phase);

#endif
