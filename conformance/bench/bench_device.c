/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "crew.h"
#include "stage.h"

enum { TRIAL_SECONDS = 60 };

static int open_here(struct bench_device *out, const char *name, uint32_t threads, char *why)
{
    const segue_device_options options = { .size = sizeof options, .threads = threads };
    segue_diag diag = { 0 };
    memset(out, 0, sizeof *out);
    out->facts.size = sizeof out->facts;
    int code = BENCH_ENVIRONMENT;
    if (!segue_context_create(NULL, &out->context, &diag)) {
        code = BENCH_NO_DEVICE;
        if (!segue_device_open(out->context, name, &options, &out->handle, &diag) &&
            !segue_device_facts_of(out->handle, &out->facts, &diag) &&
            !segue_stream_create(out->handle, &out->stream, &diag)) {
            snprintf(out->name, sizeof out->name, "%s",
                     out->facts.alias[0] ? out->facts.alias : out->facts.name);
            if (!(out->facts.flags & SEGUE_DEVICE_STAND_IN)) return BENCH_OK;
            snprintf(diag.text, sizeof diag.text,
                     "a test's stand-in driver without hardware, wanted a device whose speed says something");
        }
    }
    snprintf(why, DESCRIPTOR_WHY, "%s: %.300s", name, diag.text);
    bench_device_close(out);
    return code;
}

/* The child's part: its exit code, and its words down the pipe. */
static _Noreturn void trial(int to, const char *name, uint32_t threads)
{
    struct bench_device d;
    char why[DESCRIPTOR_WHY] = "";
    prctl(PR_SET_PDEATHSIG, SIGKILL);   /* a plugin that hangs does not outlive the command */
    dup2(STDERR_FILENO, STDOUT_FILENO); /* nor does what a driver says get among the figures */
    const int code = open_here(&d, name, threads, why);
    if (!code) bench_device_close(&d);
    const size_t length = strlen(why);
    _exit(write(to, why, length) == (ssize_t)length ? code : BENCH_ENVIRONMENT);
}

/* Waits for the child's words and its end, no longer than the limit. */
static void hear(pid_t child, int from, char *why)
{
    const double end = seconds_now() + TRIAL_SECONDS;
    struct pollfd p = { from, POLLIN, 0 };
    size_t length = 0;
    ssize_t n = 1;
    while (n > 0 && length + 1 < DESCRIPTOR_WHY) {
        const double left = end - seconds_now();
        const int ready = poll(&p, 1, left > 0 ? (int)(1000 * left) : 0);
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) {
            kill(child, SIGKILL);
            length = (size_t)snprintf(why, DESCRIPTOR_WHY, "did not answer within %d s", TRIAL_SECONDS);
            break;
        }
        if ((n = read(from, why + length, DESCRIPTOR_WHY - 1 - length)) > 0) length += (size_t)n;
    }
    why[length] = 0;
}

static int try_in_child(const char *name, uint32_t threads, char *why)
{
    int ends[2], status = 0;
    char words[DESCRIPTOR_WHY] = "";
    const pid_t child = pipe(ends) ? -1 : fork();
    if (!child) close(ends[0]), trial(ends[1], name, threads);
    if (child < 0) {
        snprintf(why, DESCRIPTOR_WHY, "cannot start a child to try %s: %s", name, strerror(errno));
        return BENCH_ENVIRONMENT;
    }
    close(ends[1]);
    hear(child, ends[0], words);
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && (!WEXITSTATUS(status) || words[0])) {
        snprintf(why, DESCRIPTOR_WHY, "%s", words);
        return WEXITSTATUS(status);
    }
    snprintf(why, DESCRIPTOR_WHY, "%s: its plugin %s when it was tried; segue devices tells more", name,
             words[0] ? words : "ended the process");
    return BENCH_NO_DEVICE;
}

int bench_device_open(struct bench_device *out, const char *name, uint32_t threads, char *why)
{
    const int code = try_in_child(name, threads, why);
    return code ? code : open_here(out, name, threads, why);
}

void bench_device_close(struct bench_device *d)
{
    if (d->handle) {
        segue_stream_destroy(d->handle, d->stream);
        segue_device_close(d->handle);
    }
    segue_context_destroy(d->context);
    memset(d, 0, sizeof *d);
}
