/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../grammar/interruption.h"
#include "bench.h"
#include "crew.h"
#include "stage.h"

enum { TRIAL_SECONDS = 60, UNKILLABLE_SECONDS = 10, LOOK_MS = 50 };

struct trial { /* what is done in a child: an exit code, words or an answer in why[] */
    int (*run)(const struct trial *t, char *why);
    const char *name;
    uint32_t threads;
    int any; /* stand-ins, too */
};

static int open_here(struct bench_device *out, const struct trial *wanted, char *why)
{
    const char *const name = wanted->name;
    const uint32_t threads = wanted->threads;
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
            if (wanted->any || !(out->facts.flags & SEGUE_DEVICE_STAND_IN)) return BENCH_OK;
            snprintf(diag.text, sizeof diag.text,
                     "a test's stand-in driver without hardware, wanted a device whose speed says something");
        }
    }
    snprintf(why, DESCRIPTOR_WHY, "%s: %.300s", name, diag.text);
    bench_device_close(out);
    return code;
}

static int try_open(const struct trial *t, char *why)
{
    struct bench_device d;
    const int code = open_here(&d, t, why);
    if (!code) bench_device_close(&d);
    return code;
}

/* One name a line into why. */
static int try_count(const struct trial *t, char *why)
{
    segue_context *context;
    segue_diag diag = { 0 };
    uint32_t count = 0;
    size_t used = 0;
    (void)t;
    if (segue_context_create(NULL, &context, &diag) || segue_device_count(context, &count, &diag)) {
        snprintf(why, DESCRIPTOR_WHY, "%.300s", diag.text);
        return BENCH_ENVIRONMENT;
    }
    for (uint32_t i = 0; i < count; i++) {
        segue_device_facts f = { .size = sizeof f };
        if (segue_device_info(context, i, &f, NULL) || !(f.flags & SEGUE_DEVICE_READY) ||
            f.flags & SEGUE_DEVICE_STAND_IN)
            continue;
        const char *const name = f.alias[0] ? f.alias : f.name;
        if (used + strlen(name) + 2 < DESCRIPTOR_WHY)
            used += (size_t)snprintf(why + used, DESCRIPTOR_WHY - used, "%s\n", name);
    }
    segue_context_destroy(context);
    return BENCH_OK;
}

/* The child's part: its exit code, and its words down the pipe. */
static _Noreturn void child(int to, const struct trial *t)
{
    char why[DESCRIPTOR_WHY] = "";
    interruption_forget();              /* what the parent only notes ends this one */
    prctl(PR_SET_PDEATHSIG, SIGKILL);   /* a plugin that hangs does not outlive the command */
    dup2(STDERR_FILENO, STDOUT_FILENO); /* nor does what a driver says get among the figures */
    const int code = t->run(t, why);
    const size_t length = strlen(why);
    _exit(write(to, why, length) == (ssize_t)length ? code : BENCH_ENVIRONMENT);
}

static int has_ended(pid_t who)
{
    siginfo_t info = { 0 };
    return !waitid(P_PID, (id_t)who, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid == who;
}

static int time_is_up(double end)
{
    return seconds_now() >= end || interruption_came();
}

/* Waits for the child's words, no longer than until `end` or an interruption; of one that has ended all lies in the pipe, though
 * a process that it left behind may keep that open. 1 = late. */
static int hear(pid_t who, int from, double end, char *why)
{
    struct pollfd p = { from, POLLIN, 0 };
    size_t length = 0;
    int late = 0;
    for (ssize_t n = 1; n > 0 && !late && length + 1 < DESCRIPTOR_WHY;) {
        const int ended = has_ended(who), ready = poll(&p, 1, ended ? 0 : LOOK_MS);
        if (ready > 0) n = read(from, why + length, DESCRIPTOR_WHY - 1 - length);
        else if (ended) n = 0;
        else late = time_is_up(end);
        if (ready > 0 && n > 0) length += (size_t)n;
    }
    why[length] = 0;
    return late;
}

/* Ends the child when its time is up or an interruption came. 1 = late; one that a driver holds in the kernel is not waited
 * for. */
static int reap(pid_t who, double end, int *status)
{
    const struct timespec pause = { 0, 2000000 };
    int late = 0;
    while (!waitpid(who, status, WNOHANG)) {
        if (late ? seconds_now() >= end : time_is_up(end)) {
            if (late) break;
            late = 1;
            end = seconds_now() + UNKILLABLE_SECONDS;
            kill(who, SIGKILL);
        }
        nanosleep(&pause, NULL);
    }
    return late;
}

static int in_child(const struct trial *t, char *why)
{
    int ends[2], status = 0;
    char words[DESCRIPTOR_WHY] = "";
    const double end = seconds_now() + TRIAL_SECONDS;
    const pid_t who = pipe2(ends, O_CLOEXEC) ? -1 : fork(); /* what a driver starts would keep it open */
    if (!who) close(ends[0]), child(ends[1], t);
    if (who < 0) {
        snprintf(why, DESCRIPTOR_WHY, "cannot start a child to try %s: %s", t->name, strerror(errno));
        return BENCH_ENVIRONMENT;
    }
    close(ends[1]);
    int late = hear(who, ends[0], end, words);
    close(ends[0]);
    late |= reap(who, end, &status);
    if (interruption_came()) { /* it may have ended the child, too: nobody is to be blamed */
        snprintf(why, DESCRIPTOR_WHY, "interrupted by %s", interruption_came());
        return BENCH_FAILED;
    }
    if (late) snprintf(words, sizeof words, "did not answer within %d s", TRIAL_SECONDS);
    if (!late && WIFEXITED(status) && (!WEXITSTATUS(status) || words[0])) {
        snprintf(why, DESCRIPTOR_WHY, "%s", words);
        return WEXITSTATUS(status);
    }
    snprintf(why, DESCRIPTOR_WHY, "%s: its plugin %s when it was tried; segue devices tells more", t->name,
             words[0] ? words : "ended the process");
    return BENCH_NO_DEVICE;
}

int bench_device_open(struct bench_device *out, const char *name, uint32_t threads, char *why)
{
    const struct trial t = { .run = try_open, .name = name, .threads = threads };
    const int code = in_child(&t, why);
    return code ? code : open_here(out, &t, why);
}

int bench_device_open_any(struct bench_device *out, const char *name, char *why)
{
    const struct trial t = { .run = try_open, .name = name, .any = 1 };
    const int code = in_child(&t, why);
    return code ? code : open_here(out, &t, why);
}

int bench_device_names(char out[BENCH_DEVICES][32], int *count, char *why)
{
    const struct trial t = { .run = try_count, .name = "the devices" };
    char names[DESCRIPTOR_WHY] = "", *rest = names;
    const int code = in_child(&t, names);
    *count = 0;
    if (code) {
        snprintf(why, DESCRIPTOR_WHY, "%s", names);
        return code;
    }
    for (char *name = strtok_r(names, "\n", &rest); name && *count < BENCH_DEVICES;
         name = strtok_r(NULL, "\n", &rest))
        snprintf(out[(*count)++], sizeof out[0], "%s", name);
    return BENCH_OK;
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
