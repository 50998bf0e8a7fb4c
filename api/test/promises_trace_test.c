/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A decode step on one thread makes no system call: a child runs it between two marks, and is traced by its
 * parent. usage: promises_trace_test DEVICE... */
#include "promises.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* System calls with arguments that nobody else uses. */
enum { MARK = 0x5e60e000, BEGIN = MARK, END = MARK + 1, RUNS = 100 };

static void mark(long which)
{
    syscall(SYS_getpgid, which);
}

static void child(int devices, char **names)
{
    segue_context *ctx;
    segue_diag why = { 0 };
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL)) _exit(errno == EPERM ? 77 : 1);
    raise(SIGSTOP);
    mark(BEGIN);
    syscall(SYS_getppid); /* the net has no hole: this one is seen */
    mark(END);
    if (segue_context_create(NULL, &ctx, &why)) _exit(1);
    for (int i = 0; i < devices; i++)
        for (const struct promise_case *c = promise_cases; c->form; c++) {
            if (strcmp(c->form, "decode")) continue;
            struct promise_run run = promise_open(ctx, names[i], 1, c);
            promise_once(&run);
            mark(BEGIN);
            for (int k = 0; k < RUNS; k++) promise_once(&run);
            mark(END);
            promise_close(&run);
        }
    segue_context_destroy(ctx);
    _exit(0);
}

/* Calls between the marks of the next pair; -1 when the child ended, *status then its wait status. */
static int count_calls(pid_t pid, int *status)
{
    int inside = 0, calls = 0;
    for (;;) {
        struct __ptrace_syscall_info info;
        if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) || waitpid(pid, status, 0) != pid || !WIFSTOPPED(*status))
            return -1;
        if (WSTOPSIG(*status) != (SIGTRAP | 0x80)) continue;
        if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) < 0 ||
            info.op != PTRACE_SYSCALL_INFO_ENTRY)
            continue;
        const int is_mark =
            info.entry.nr == SYS_getpgid && (info.entry.args[0] == BEGIN || info.entry.args[0] == END);
        if (is_mark && info.entry.args[0] == END) return calls;
        if (is_mark) inside = 1;
        else calls += inside;
    }
}

int main(int argc, char **argv)
{
    int status, failures = 0, pairs = 0;
    const pid_t pid = fork();
    if (pid < 0) return perror("fork"), 1;
    if (!pid) child(argc - 1, argv + 1);
    if (waitpid(pid, &status, 0) != pid) return perror("waitpid"), 1;
    if (!WIFSTOPPED(status)) return printf("skipped: this system does not let a process be traced\n"), 77;
    if (ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL))
        return perror("ptrace"), 77;
    const int seen = count_calls(pid, &status);
    if (seen != 1) printf("FAIL: saw %d system calls where there was 1\n", seen), failures++;
    for (int i = 1; i < argc; i++)
        for (const struct promise_case *c = promise_cases; c->form; c++) {
            if (strcmp(c->form, "decode")) continue;
            const int calls = count_calls(pid, &status);
            printf("%s: %s, T = 1, one thread: %d system calls in %d runs\n", argv[i],
                   segue_describe(c->kind.primitive)->name, calls, RUNS);
            failures += calls != 0;
            pairs++;
        }
    count_calls(pid, &status);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        printf("FAIL: the traced process did not end well\n"), failures++;
    return failures || !pairs;
}
