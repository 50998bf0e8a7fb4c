/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REPORT = 3, REPORT_BYTES = 1 << 20, UNKILLABLE_SECONDS = 10 };

static const char *const phase_names[] = { "call",      "path", "note",     "load", "entry", "vet",
                                           "enumerate", "open", "validate", "plan", "run" };

const char *phase_name(uint32_t phase)
{
    return phase < sizeof phase_names / sizeof *phase_names ? phase_names[phase] : "unknown";
}

/* ---- the child ------------------------------------------------------------------------------------------ */

static void say(json_t *object)
{
    char *line = json_dumps(object, JSON_COMPACT);
    if (line) dprintf(REPORT, "%s\n", line);
    free(line);
    json_decref(object);
}

/* The loader logs the phase that it enters: the only news of a plugin that never comes back from it. */
static void heard(void *user, int32_t level, const char *text)
{
    const char *last = strrchr(text, ' ');
    (void)user;
    (void)level;
    for (uint32_t i = SEGUE_PHASE_PATH; last && i <= SEGUE_PHASE_ENUMERATE; i++)
        if (!strcmp(last + 1, phase_names[i])) say(json_pack("{s:i}", "phase", (int)i));
}

static json_t *devices_of(segue_context *ctx, const segue_plugin_facts *plugin)
{
    json_t *all = json_array();
    uint32_t count = 0;
    segue_device_count(ctx, &count, NULL);
    for (uint32_t i = 0; i < count; i++) {
        segue_device_facts f = { .size = sizeof f };
        if (segue_device_info(ctx, i, &f, NULL) != SEGUE_OK || strcmp(f.backend, plugin->id) != 0) continue;
        json_array_append_new(all, json_pack("{s:s, s:b, s:s, s:s}", "name", f.name, "ready",
                                             (f.flags & SEGUE_DEVICE_READY) != 0, "description", f.description,
                                             "text", f.text));
    }
    return all;
}

int probe_child(const char *path)
{
    const char *const plugins[] = { path, NULL };
    const segue_context_options options = {
        .size = sizeof options, .flags = SEGUE_CONTEXT_NO_DISCOVERY, .plugins = plugins, .log = heard
    };
    segue_plugin_facts facts = { .size = sizeof facts };
    segue_context *ctx = NULL;
    segue_diag why = { 0 };
    uint32_t count = 0, report = 1;
    const struct rlimit no_core = { 0, 0 };
    static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
    setrlimit(RLIMIT_CORE, &no_core);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        signal(crashes[i], SIG_DFL); /* a sanitizer has its own */
    if (segue_context_create(&options, &ctx, &why) != SEGUE_OK) {
        say(json_pack("{s:b, s:i, s:s}", "good", 0, "phase", (int)why.phase, "words", why.text));
        return EXIT_FAILED;
    }
    say(json_pack("{s:i}", "phase", SEGUE_PHASE_LOAD));
    segue_device_count(ctx, &count, &why);
    segue_plugin_report(ctx, &facts, &report, NULL); /* candidates given by path come first */
    const int good = facts.state == SEGUE_PLUGIN_LOADED;
    say(json_pack("{s:b, s:i, s:s, s:o}", "good", good, "phase",
                  good ? SEGUE_PHASE_ENUMERATE : (int)facts.phase, "words", facts.text, "devices",
                  devices_of(ctx, &facts)));
    segue_context_destroy(ctx);
    return good ? EXIT_DONE : EXIT_FAILED;
}

/* ---- the parent ----------------------------------------------------------------------------------------- */

static int64_t milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A group of its own, so that what it starts can be ended with it; its chatter goes to stderr. */
static pid_t start(char *const argv[], int report)
{
    const pid_t child = fork();
    if (child) return child;
    const int nothing = open("/dev/null", O_RDONLY);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (nothing >= 0) dup2(nothing, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    if (report == REPORT) fcntl(REPORT, F_SETFD, 0);
    else dup2(report, REPORT);
    execv(argv[0], argv);
    _exit(127);
}

/* Reads until the child closes the pipe, its time is up or its report is longer than anything sensible. */
static void listen_to(int pipe_end, int64_t deadline, char *text, size_t room)
{
    for (size_t length = 0;;) {
        struct pollfd ready = { .fd = pipe_end, .events = POLLIN };
        const int64_t left = deadline - milliseconds();
        if (left <= 0) return;
        if (poll(&ready, 1, (int)left) < 1) continue;
        const ssize_t n = read(pipe_end, text + length, room - 1 - length);
        if (n <= 0) return;
        length += (size_t)n;
    }
}

static void read_report(char *text, struct probe *out, int *finished)
{
    char *rest;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_t *object = json_loads(line, 0, NULL);
        const json_t *phase = json_object_get(object, "phase"), *good = json_object_get(object, "good");
        const char *words = json_string_value(json_object_get(object, "words"));
        if (json_is_integer(phase)) out->phase = (uint32_t)json_integer_value(phase);
        if (json_is_boolean(good)) {
            *finished = 1;
            out->good = json_is_true(good);
            snprintf(out->words, sizeof out->words, "%s", words ? words : "");
            json_decref(out->devices); /* of a report before this one */
            out->devices = json_incref(json_object_get(object, "devices"));
        }
        json_decref(object);
    }
}

/* Waits for a child that has closed its pipe, but not beyond the deadline. 1 where it had to be ended; one that a driver holds
 * in the kernel is not waited for. */
static int reap(pid_t child, int64_t deadline, int *status)
{
    const struct timespec pause = { 0, 2000000 };
    int late = 0;
    while (waitpid(child, status, WNOHANG) == 0) {
        if (milliseconds() >= deadline) {
            if (late) break;
            late = 1;
            deadline = milliseconds() + 1000 * UNKILLABLE_SECONDS;
            kill(-child, SIGKILL);
        }
        nanosleep(&pause, NULL);
    }
    kill(-child, SIGKILL); /* what it may have left behind */
    return late;
}

static void verdict(struct probe *out, int finished, int late, int status, int seconds)
{
    char words[sizeof out->words];
    if (late) snprintf(words, sizeof words, "hung: no answer within %d s", seconds);
    else if (WIFSIGNALED(status))
        snprintf(words, sizeof words, "crashed: SIG%s", sigabbrev_np(WTERMSIG(status)));
    else if (!finished)
        snprintf(words, sizeof words, "ended the process with exit code %d", WEXITSTATUS(status));
    else return;
    if (finished && out->good) strcat(words, " when it was closed"); /* it had answered well until then */
    out->good = 0;
    strcpy(out->words, words);
}

void probe_command(char *const argv[], int seconds, struct probe *out)
{
    int ends[2], status = 0, finished = 0;
    const int64_t deadline = milliseconds() + 1000 * (int64_t)seconds;
    char *text = calloc(1, REPORT_BYTES);
    memset(out, 0, sizeof *out);
    if (!text || pipe2(ends, O_CLOEXEC)) {
        snprintf(out->words, sizeof out->words, "cannot start a child to probe it: %s", strerror(errno));
        free(text);
        return;
    }
    const pid_t child = start(argv, ends[1]);
    close(ends[1]);
    if (child < 0)
        snprintf(out->words, sizeof out->words, "cannot start a child to probe it: %s", strerror(errno));
    else {
        listen_to(ends[0], deadline, text, REPORT_BYTES);
        close(ends[0]); /* one that writes without end dies of it */
        ends[0] = -1;
        const int late = reap(child, deadline, &status);
        read_report(text, out, &finished);
        verdict(out, finished, late, status, seconds);
    }
    if (ends[0] >= 0) close(ends[0]);
    free(text);
}

void probe_plugin(const char *path, struct probe *out)
{
    char program[4096], verb[] = "probe", child[] = "--child", *file = strdup(path);
    char *const argv[] = { program, verb, child, file, NULL };
    memset(out, 0, sizeof *out);
    if (!file || beside_program(program, sizeof program, "segue-plugin"))
        snprintf(out->words, sizeof out->words, "cannot find segue-plugin beside this program");
    else probe_command(argv, PROBE_SECONDS, out);
    free(file);
}
