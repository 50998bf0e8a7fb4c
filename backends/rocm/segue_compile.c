/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue-compile MAJOR NAME OPTION...: compiles the source on standard input by hipRTC of HIP's version MAJOR. Messages
 * go to standard error; to standard output goes nothing but a struct rocm_code_header and the code object. The ROCm
 * plugin starts it for each kernel, since hipRTC may abort the process that it runs in.
 *
 * Exit codes: 0 = compiled, 1 = refused, 2 = usage, 4 = no hipRTC here; or it ends by a signal. */
#include "rocm.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { REFUSED = 1, USAGE = 2, ENVIRONMENT = 4, OLDEST = 5, NEWEST = 99 };

/* hiprtc.h of HIP 5.2; an hiprtcProgram is a pointer. */
#define ENTRIES(ENTRY)                                                                                  \
    ENTRY((void **program, const char *source, const char *name, int headers, const char *const *texts, \
           const char *const *names),                                                                   \
          create, "hiprtcCreateProgram")                                                                \
    ENTRY((void *program, int count, const char *const *options), compile, "hiprtcCompileProgram")      \
    ENTRY((void *program, size_t *bytes), log_size, "hiprtcGetProgramLogSize")                          \
    ENTRY((void *program, char *log), log, "hiprtcGetProgramLog")                                       \
    ENTRY((void *program, size_t *bytes), code_size, "hiprtcGetCodeSize")                               \
    ENTRY((void *program, char *code), code, "hiprtcGetCode")

struct api {
#define ENTRY(parameters, field, name) int(*field) parameters;
    ENTRIES(ENTRY)
#undef ENTRY
};

static const struct native_entry entries[] = {
#define ENTRY(parameters, field, name) { name, offsetof(struct api, field), 0 },
    ENTRIES(ENTRY)
#undef ENTRY
};

static int fail(int code, const char *what, int error)
{
    fprintf(stderr, "segue-compile: %s", what);
    if (error) fprintf(stderr, " failed with %d (hiprtcResult)", error);
    fputc('\n', stderr);
    return code;
}

/* Dies with whoever started it, leaves no core file, holds nothing of an engine's files open; and what the libraries
 * print ends among the messages, since standard output is kept for the result, under another number. */
static int become_quiet(void)
{
    static const struct rlimit no_core = { 0, 0 };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &no_core);
#ifdef SYS_close_range
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
#endif
    const int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (out >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) < 0) close(STDOUT_FILENO);
    return out;
}

/* All of standard input, with a NUL behind; NULL = no memory, or an error. */
static char *read_source(void)
{
    size_t size = 0, room = 1 << 16;
    char *text = malloc(room);
    while (text) {
        const size_t n = fread(text + size, 1, room - size - 1, stdin);
        size += n;
        if (!n) break;
        if (room - size > 1) continue;
        char *larger = realloc(text, room *= 2);
        if (!larger) free(text);
        text = larger;
    }
    if (text && ferror(stdin)) {
        free(text);
        text = NULL;
    }
    if (text) text[size] = 0;
    return text;
}

static int write_result(int out, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t n = write(out, (const char *)bytes + done, size - done);
        if (n <= 0) return 0;
        done += (size_t)n;
    }
    return 1;
}

static int load(int major, struct api *api)
{
    char rtc[32], whole[32];
    const char *const names[] = { rtc, whole, NULL };
    static const char *const folders[] = { "$ROCM_PATH/lib", "/opt/rocm/lib", NULL };
    const struct native_library library = {
        names,
        "install hipRTC of the HIP in use (AMD's packages: hip-runtime-amd; Debian's libamdhip64-5 has it inside)",
        entries,
        sizeof entries / sizeof *entries,
        folders,
        0
    };
    segue_diag why = { 0 };
    int stand_in;
    snprintf(rtc, sizeof rtc, "libhiprtc.so.%d", major);
    snprintf(whole, sizeof whole, "libamdhip64.so.%d", major); /* before 5.3 hipRTC was a part of it */
    if (!native_load(&library, api, &stand_in, SEGUE_PHASE_PLAN, &why)) return 0;
    return fail(ENVIRONMENT, why.text, 0);
}

static void print_log(const struct api *api, void *program)
{
    size_t size = 0;
    if (api->log_size(program, &size) || size < 2) return;
    char *log = calloc(1, size + 1);
    if (log && !api->log(program, log)) fputs(log, stderr);
    free(log);
}

static int compile(const struct api *api, const char *source, char **argv, int out)
{
    void *program = NULL;
    int count = 0;
    size_t size = 0;
    while (argv[3 + count]) count++;
    int error = api->create(&program, source, argv[2], 0, NULL, NULL);
    if (error) return fail(REFUSED, "hiprtcCreateProgram", error);
    error = api->compile(program, count, (const char *const *)(argv + 3));
    print_log(api, program);
    if (error) return fail(REFUSED, "hiprtcCompileProgram", error);
    error = api->code_size(program, &size);
    char *code = error || !size ? NULL : malloc(size);
    if (!code) return fail(REFUSED, "hiprtcGetCodeSize", error);
    error = api->code(program, code);
    if (error) return fail(REFUSED, "hiprtcGetCode", error);
    struct rocm_code_header header = { .magic = ROCM_CODE_MAGIC, .bytes = size };
    if (!write_result(out, &header, sizeof header) || !write_result(out, code, size))
        return fail(ENVIRONMENT, "writing the result", 0);
    free(code);
    return 0;
}

int main(int argc, char **argv)
{
    struct api api;
    const int major = argc > 2 ? atoi(argv[1]) : 0;
    if (major < OLDEST || major > NEWEST)
        return fail(USAGE, "usage: segue-compile MAJOR NAME OPTION... <source >code, MAJOR of HIP: 5, 6, 7", 0);
    const int out = become_quiet();
    if (out < 0) return fail(USAGE, "standard output is closed, wanted a file or pipe for the code", 0);
    char *source = read_source();
    if (!source) return fail(ENVIRONMENT, "the source cannot be read from standard input", 0);
    int code = load(major, &api);
    if (!code) code = compile(&api, source, argv, out);
    free(source);
    fflush(stderr);
    _exit(code); /* without the libraries' last words: they have crashed there, too */
}
