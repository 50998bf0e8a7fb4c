/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Running the command in a test: what it said, and how it ended. */
#ifndef SEGUE_CONFORMANCE_CONFORM_TESTING_H
#define SEGUE_CONFORMANCE_CONFORM_TESTING_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* popen */
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
/* cmocka.h needs setjmp.h, stdarg.h and stdint.h */
#include <cmocka.h>

static const char *program; /* segue-conform */
static char said[1 << 17];  /* by the last command */

/* Exit code; standard output and error in said. */
__attribute__((format(printf, 1, 2))) static inline int command(const char *format, ...)
{
    char line[8192];
    size_t at = (size_t)snprintf(line, sizeof line, "'%s' ", program);
    va_list list;
    va_start(list, format);
    at += (size_t)vsnprintf(line + at, sizeof line - at, format, list);
    va_end(list);
    snprintf(line + at, sizeof line - at, " 2>&1");
    FILE *p = popen(line, "r");
    assert_non_null(p);
    said[fread(said, 1, sizeof said - 1, p)] = 0;
    const int status = pclose(p);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static inline void says(const char *words)
{
    if (!strstr(said, words)) fail_msg("\"%s\" is not in:\n%s", words, said);
}

#endif
