/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A file that is there whole or not at all: what an earlier run wrote stays until this one has something to say. */
#ifndef SEGUE_CONFORMANCE_REPORT_FILE_H
#define SEGUE_CONFORMANCE_REPORT_FILE_H

#include "report.h"

typedef void report_writer(const struct run *r, const struct summary *s, FILE *to);

/* 0, or errno of why path cannot be written; leaves no trace. Asked before hours of work, not after. */
int report_file_try(const char *path);
/* Into a file beside path, which then takes its place; what is no regular file (/dev/stdout) is written directly.
 * 0, or errno. */
int report_file_write(const char *path, report_writer *write, const struct run *r, const struct summary *s);

#endif
