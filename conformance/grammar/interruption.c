/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "interruption.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t came; /* the signal; one a process */
static const char *words;

static void interrupted(int number)
{
    const int before = errno;
    came = number;
    if (words && write(STDERR_FILENO, words, strlen(words)) < 0) errno = before;
}

void interruption_watch(const char *said)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    const struct sigaction action = { .sa_handler = interrupted, .sa_flags = SA_RESTART | SA_RESETHAND };
    struct sigaction before;
    words = said;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (!sigaction(signals[i], NULL, &before) && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
}

const char *interruption_came(void)
{
    return came == SIGINT ? "SIGINT" : came == SIGTERM ? "SIGTERM" : came ? "SIGHUP" : NULL;
}
