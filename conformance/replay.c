/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue replay: a program of its own. */
#include "replay/replay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runner/verb.h"

int main(int argc, char **argv)
{
    const int code = verb_replay(argc, argv);
    if (!fflush(stdout) && !ferror(stdout)) return code;
    fprintf(stderr, "segue replay: cannot write the output: %s\n", strerror(errno));
    return EXIT_ENVIRONMENT;
}
