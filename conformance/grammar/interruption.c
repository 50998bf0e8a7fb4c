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
static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

static void interrupted(int number);

/* Those that are noted end the process again. For handlers, too. */
static void let_go(void)
{
    struct sigaction now;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (!sigaction(signals[i], NULL, &now) && now.sa_handler == interrupted) signal(signals[i], SIG_DFL);
}

/* The same Ctrl-C may end who reads our output: that does not take from us what is still to be said. */
static void interrupted(int number)
{
    const int before = errno;
    came = number;
    let_go();
    signal(SIGPIPE, SIG_IGN);
    const ssize_t written = words ? write(STDERR_FILENO, words, strlen(words)) : 0;
    (void)written; /* where nobody reads it, nothing is lost */
    errno = before;
}

void interruption_watch(const char *said)
{
    const struct sigaction action = { .sa_handler = interrupted, .sa_flags = SA_RESTART };
    struct sigaction before;
    words = said;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (!sigaction(signals[i], NULL, &before) && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
}

void interruption_forget(void)
{
    let_go();
    signal(SIGPIPE, SIG_DFL);
}

const char *interruption_came(void)
{
    return came == SIGINT ? "SIGINT" : came == SIGTERM ? "SIGTERM" : came ? "SIGHUP" : NULL;
}
