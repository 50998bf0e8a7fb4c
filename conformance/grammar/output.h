/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a command prints, kept apart from what drivers say: some greet on stdout, amid JSON. Here because all commands see this
 * folder. */
#ifndef SEGUE_CONFORMANCE_OUTPUT_H
#define SEGUE_CONFORMANCE_OUTPUT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* fdopen, F_DUPFD_CLOEXEC */
#endif
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* The stdout that this program was given, for its own words; whatever else the process prints goes to stderr from now on. Not
 * inherited by programs that a driver starts: a reader of ours would wait for them. stdout itself where there is no stderr. */
static inline FILE *output_keep(void)
{
    fflush(stdout);
    const int own = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    FILE *out = own < 0 ? NULL : fdopen(own, "w");
    if (out && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) return out;
    if (out) fclose(out);
    else if (own >= 0) close(own);
    return stdout;
}

/* Flushes; not 0: something could not be written, errno says why. */
static inline int output_failed(FILE *out)
{
    return fflush(out) || ferror(out);
}

#endif
