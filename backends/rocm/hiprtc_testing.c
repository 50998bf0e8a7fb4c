/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A hipRTC for tests, never installed: -DHOW=... among the options tells it how to behave. Its code is the options and
 * the source, one behind the other. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

enum { REFUSED = 6, LOG_LINES = 20000 };

struct program {
    char *source, *code;
    const char *log;
};

static const char refusal[] =
    "warning: something small\nkernel.hip:3:5: error: no such word\n1 error generated.\n";

PUBLIC int hiprtcCreateProgram(void **out, const char *source, const char *name, int headers,
                               const char *const *texts, const char *const *names)
{
    struct program *p = calloc(1, sizeof *p);
    (void)headers, (void)texts, (void)names;
    p->source = strdup(source);
    p->log = "";
    *out = p;
    return strcmp(name, "kernel.hip") ? 2 : 0;
}

static void hang(void)
{
    signal(SIGTERM, SIG_IGN);
    for (;;) pause();
}

static void chat(void)
{
    for (int i = 0; i < LOG_LINES; i++) puts("seguehip: the library feels like saying something");
    fflush(stdout);
    if (write(STDOUT_FILENO, "seguehip", 8) != 8) abort();
}

static void crash(void)
{
    raise(SIGSEGV);
}

static void leave_at_once(void)
{
    _exit(0);
}

static const struct {
    const char *how;
    void (*act)(void);
} ways[] = {
    { "abort", abort }, { "hang", hang }, { "chat", chat }, { "crash", crash }, { "leave", leave_at_once }
};

PUBLIC int hiprtcCompileProgram(void *program, int count, const char *const *options)
{
    struct program *p = program;
    size_t size = strlen(p->source) + 1;
    for (int i = 0; i < count; i++) size += strlen(options[i]) + 1;
    p->code = calloc(1, size);
    for (int i = 0; i < count; i++) {
        const char *how = strncmp(options[i], "-DHOW=", 6) ? "" : options[i] + 6;
        strcat(strcat(p->code, options[i]), " ");
        if (!strcmp(how, "refuse")) {
            p->log = refusal;
            return REFUSED;
        }
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
            if (!strcmp(how, ways[w].how)) ways[w].act();
    }
    strcat(p->code, p->source);
    return 0;
}

PUBLIC int hiprtcGetProgramLogSize(void *program, size_t *bytes)
{
    *bytes = strlen(((struct program *)program)->log) + 1;
    return 0;
}

PUBLIC int hiprtcGetProgramLog(void *program, char *log)
{
    strcpy(log, ((struct program *)program)->log);
    return 0;
}

PUBLIC int hiprtcGetCodeSize(void *program, size_t *bytes)
{
    *bytes = strlen(((struct program *)program)->code);
    return 0;
}

PUBLIC int hiprtcGetCode(void *program, char *code)
{
    const char *from = ((struct program *)program)->code;
    memcpy(code, from, strlen(from));
    return 0;
}
