/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* How far a run has come, on stderr: a bar on a terminal, a line now and then otherwise. */
#ifndef SEGUE_CONFORMANCE_PROGRESS_H
#define SEGUE_CONFORMANCE_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *what; /* "cases" */
    size_t total, shown;
    double started, last; /* milliseconds */
    double seconds;       /* in all, after progress_stop() */
    int quiet, bar;
};

void progress_start(struct progress *p, const char *what, size_t total, int quiet);
void progress_show(struct progress *p, size_t done, size_t failed);
void progress_stop(struct progress *p);

#endif
