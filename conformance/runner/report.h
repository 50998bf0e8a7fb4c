/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Files about a run. Each writes all of it; whether the writing went well, ferror() says. */
#ifndef SEGUE_CONFORMANCE_REPORT_H
#define SEGUE_CONFORMANCE_REPORT_H

#include "summary.h"

/* JSON lines: {"run": ...}, a line a result (record.h), {"summary": ...}. */
void report_json(const struct run *r, const struct summary *s, FILE *to);
/* One testcase a result; classname: the primitive. UNSUPPORTED and its like are skipped, HARNESS_ERROR is an error. */
void report_junit(const struct run *r, const struct summary *s, FILE *to);
/* One page that needs nothing else. */
void report_html(const struct run *r, const struct summary *s, FILE *to);

/* The machine: "Linux 6.1 x86_64, <processor>". Returns to. */
const char *host_words(char *to, size_t room);
/* With what means something to XML or HTML escaped, and what they cannot hold replaced by '?'. */
void print_escaped(const char *text, FILE *to);

#endif
