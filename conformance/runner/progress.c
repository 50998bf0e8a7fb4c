/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include "../checks/exam.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 30, BAR_MS = 100, LINE_MS = 10000 };

void progress_start(struct progress *p, const char *what, size_t total, int quiet)
{
    const char *term = getenv("TERM");
    *p = (struct progress){ .what = what, .total = total, .quiet = quiet, .started = milliseconds() };
    p->last = p->started;
    p->bar = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

void progress_show(struct progress *p, size_t done, size_t failed)
{
    const double now = milliseconds();
    char bar[WIDTH + 1];
    if (p->quiet || now - p->last < (p->bar ? BAR_MS : LINE_MS)) return;
    p->last = now;
    p->shown = 1;
    if (!p->bar) {
        fprintf(stderr, "segue conform: %zu of %zu %s, %zu failed, %lld s\n", done, p->total, p->what, failed,
                (long long)((now - p->started) / 1000));
        return;
    }
    const size_t full = p->total ? done * WIDTH / p->total : 0;
    for (size_t i = 0; i < WIDTH; i++) bar[i] = i < full ? '#' : '.';
    bar[WIDTH] = 0;
    fprintf(stderr, "\r\033[K%s %zu of %zu %s, %zu failed, %lld s", bar, done, p->total, p->what, failed,
            (long long)((now - p->started) / 1000));
}

void progress_stop(struct progress *p)
{
    p->seconds = (milliseconds() - p->started) / 1000;
    if (p->shown && p->bar) fputs("\r\033[K", stderr);
}
