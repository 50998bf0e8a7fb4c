/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue bench: a program of its own, since the suite's wraps the calls that are timed here. */
#include "bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    const int code = verb_bench(argc, argv);
    if (!fflush(stdout) && !ferror(stdout)) return code;
    fprintf(stderr, "segue bench: cannot write the output: %s\n", strerror(errno));
    return BENCH_ENVIRONMENT;
}
