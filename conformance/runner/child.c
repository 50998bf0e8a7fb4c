/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include "../grammar/interruption.h"
#include "verb.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { HIGH_DESCRIPTOR = 240 }; /* away from what a plugin may close by mistake */

static int voice = -1; /* the socket; one a process */

/* ---- crashes -------------------------------------------------------------------------------------------- */

static void *instruction(const void *context)
{
#if defined(__x86_64__)
    return (void *)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (void *)((const ucontext_t *)context)->uc_mcontext.pc;
#else
    (void)context;
    return NULL;
#endif
}

/* Notes whose code it was, then dies of the same signal: the handler is gone by the time it returns. */
static void crashed(int number, siginfo_t *info, void *context)
{
    Dl_info where;
    (void)info;
    if (phase_page && dladdr(instruction(context), &where) && where.dli_fname) {
        const char *slash = strrchr(where.dli_fname, '/');
        strncpy(phase_page->object, slash ? slash + 1 : where.dli_fname, sizeof phase_page->object - 1);
    }
    raise(number);
}

static void watch_crashes(void)
{
    static char stack[1 << 16]; /* a stack overflow leaves no other */
    static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
    const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
    const struct sigaction action = { .sa_sigaction = crashed,
                                      .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND };
    if (SANITIZED || sigaltstack(&alternate, NULL)) return; /* sanitizers tell more than we would */
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) sigaction(crashes[i], &action, NULL);
}

/* ---- the process ---------------------------------------------------------------------------------------- */

static void limit_memory(double gib)
{
    const double bytes = gib * (double)(1u << 30);
    const struct rlimit data = { (rlim_t)bytes, (rlim_t)bytes }, no_core = { 0, 0 };
    setrlimit(RLIMIT_CORE, &no_core);
    if (gib > 0 && !SANITIZED) setrlimit(RLIMIT_DATA, &data);
    const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    if (write(file, "800", 3) < 0) errno = 0; /* a wish: where it is refused, nothing is lost */
    close(file);
}

/* A group of its own, so that what it starts can be ended with it; a plugin's chatter goes to stderr. */
static int settle(int socket, double gib, pid_t parent)
{
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    interruption_forget(); /* the parent's ways are not for us */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) return -1; /* it ended before that call */
    if (nothing >= 0) dup2(nothing, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    voice = fcntl(socket, F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR);
    if (voice < 0) voice = fcntl(socket, F_DUPFD_CLOEXEC, STDERR_FILENO + 1); /* few descriptors allowed */
    close(socket);
    limit_memory(gib);
    watch_crashes();
    return voice < 0 ? -1 : 0;
}

static void say(json_t *message)
{
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    json_decref(message);
    /* Without a voice, or without memory for one, this process is of no use. */
    if (!text || send(voice, text, strlen(text), MSG_NOSIGNAL) < 0) _exit(EXIT_ENVIRONMENT);
    free(text);
}

void child_tells(json_t *result)
{
    say(json_pack("{s:o}", "result", result));
}

static const char *text_of(const json_t *facts, const char *name)
{
    const char *text = json_string_value(json_object_get(facts, name));
    return text ? text : "";
}

static json_int_t bytes_of(const json_t *facts)
{
    return json_integer_value(json_object_get(facts, "memory_bytes"));
}

int child_found_another(const json_t *first, const json_t *now, char *why, size_t room)
{
    if (!first || (!strcmp(text_of(first, "name"), text_of(now, "name")) &&
                   !strcmp(text_of(first, "description"), text_of(now, "description")) &&
                   bytes_of(first) == bytes_of(now)))
        return 0;
    snprintf(
        why, room,
        "another device than the run began on: %s (%.180s), %lld bytes, now; %s (%.180s), %lld bytes, then",
        text_of(now, "name"), text_of(now, "description"), (long long)bytes_of(now), text_of(first, "name"),
        text_of(first, "description"), (long long)bytes_of(first));
    return 1;
}

_Noreturn void child_live(const struct work *w, int socket, struct phase_page *page, double gib, pid_t parent)
{
    char why[CHILDREN_WHY] = "";
    json_t *facts = NULL;
    struct step s;
    if (settle(socket, gib, parent)) _exit(EXIT_ENVIRONMENT);
    phase_page = page;
    phase_set(PHASE_OPEN);
    const int code = w->open(w->user, &facts, why, sizeof why);
    if (code) {
        say(json_pack("{s:i, s:s}", "refused", code, "why", why));
        json_decref(facts);
        exit(EXIT_OK);
    }
    phase_set(PHASE_NONE);
    say(json_pack("{s:o}", "opened", facts));
    for (int spent = 0; !spent && recv(voice, &s, sizeof s, 0) == (ssize_t)sizeof s;) {
        spent = w->judge(w->user, &s);
        phase_set(PHASE_NONE);
        say(json_pack("{s:b}", "done", spent));
    }
    phase_set(PHASE_CLOSE);
    w->close(w->user);
    exit(EXIT_OK); /* what plugins registered to be run at exit is run */
}
