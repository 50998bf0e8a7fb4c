/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* hipRTC in a child: it aborts the process on an architecture that it does not know, and cannot live beside another
 * LLVM. The child is segue-compile (segue_compile.c), whose three standard streams are files in memory: no pipe that
 * could fill up or break, nothing to read while it runs. Success is a whole result, not an exit code, which an engine
 * that ignores SIGCHLD, or waits for all children itself, may take away. */
#include "rocm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PLAN SEGUE_PHASE_PLAN

enum { MOST_OPTIONS = 32, OPTIONS_ROOM = 640, LIMIT_MS = 180000, LOG_ROOM = 2048 };

extern char **environ;

struct child {
    int stream[3]; /* of the child: source, result, log; -1 = none */
    pid_t id;
    int known, status; /* known: status is what waitpid() gave */
    int killed;        /* at the time limit */
};

static segue_status failed(const char *what, int error, segue_diag *why)
{
    const char *text = strerrordesc_np(error); /* unlike strerror, safe with threads */
    const segue_status s =
        segue_kit_fail(why, SEGUE_ERROR_INTERNAL, PLAN, 0, "%s: %s", what, text ? text : "?");
    if (why) why->native_code = error;
    return s;
}

/* ---- files in memory ------------------------------------------------------------------------------------ */

/* Above the standard streams, which the engine may have closed; closed in programs that other threads start. */
static int memory_file(void)
{
    const int low = memfd_create("segue-compile", MFD_CLOEXEC);
    if (low > STDERR_FILENO || low < 0) return low;
    const int fd = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int error = errno;
    close(low);
    errno = error;
    return fd;
}

static int write_whole(int fd, const char *text, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        const ssize_t n = pwrite(fd, text + done, bytes - done, (off_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return 0;
        done += (size_t)n;
    }
    return 1;
}

static int read_whole(int fd, void *out, size_t bytes, size_t from)
{
    for (size_t done = 0; done < bytes;) {
        const ssize_t n = pread(fd, (char *)out + done, bytes - done, (off_t)(from + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return 0;
        done += (size_t)n;
    }
    return 1;
}

static segue_status open_streams(struct child *child, const char *source, segue_diag *why)
{
    for (int i = 0; i < 3; i++)
        if ((child->stream[i] = memory_file()) < 0)
            return failed("a file in memory (memfd_create)", errno, why);
    if (!write_whole(child->stream[0], source, strlen(source)))
        return failed("writing the source to a file in memory", errno, why);
    return SEGUE_OK;
}

static void close_streams(struct child *child)
{
    for (int i = 0; i < 3; i++)
        if (child->stream[i] >= 0) close(child->stream[i]);
}

/* ---- the process ---------------------------------------------------------------------------------------- */

/* In a group of its own, so that what it starts can be ended with it, and that a terminal's Ctrl-C is the engine's;
 * with signals as a program expects them, whatever the engine has done to its own. */
static int spawn_with(const struct rocm_compilation *job, struct child *child,
                      posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    int error = 0;
    sigfillset(&all);
    sigemptyset(&none);
    for (int i = 0; i < 3 && !error; i++)
        error = posix_spawn_file_actions_adddup2(actions, child->stream[i], i);
    if (!error) error = posix_spawnattr_setsigdefault(attributes, &all);
    if (!error) error = posix_spawnattr_setsigmask(attributes, &none);
    if (!error) error = posix_spawnattr_setpgroup(attributes, 0);
    if (!error)
        error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                                         POSIX_SPAWN_SETPGROUP);
    if (!error)
        error = posix_spawn(&child->id, job->program, actions, attributes, (char *const *)(uintptr_t)job->args,
                            environ);
    return error;
}

static int spawn(const struct rocm_compilation *job, struct child *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return error;
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        error = spawn_with(job, child, &actions, &attributes);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until it has ended, and is no zombie. ECHILD: somebody else's wait, or an ignored SIGCHLD, took the answer. */
static void wait_for(struct child *child, int limit_ms)
{
    const int64_t end = now_ms() + limit_ms;
    for (;;) {
        const pid_t ended = waitpid(child->id, &child->status, child->killed ? 0 : WNOHANG);
        if (ended == child->id) child->known = 1;
        if (ended == child->id || (ended < 0 && errno != EINTR)) return;
        if (child->killed) continue;
        if (now_ms() >= end) {
            kill(-child->id, SIGKILL); /* the group */
            kill(child->id, SIGKILL);
            child->killed = 1;
        } else {
            nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
        }
    }
}

/* ---- what became of it ---------------------------------------------------------------------------------- */

static segue_status take_code(const segue_host *host, const struct child *child, void **blob, uint64_t *bytes,
                              segue_diag *why)
{
    struct rocm_code_header header;
    struct stat file;
    if (fstat(child->stream[1], &file) || !read_whole(child->stream[1], &header, sizeof header, 0) ||
        memcmp(header.magic, ROCM_CODE_MAGIC, sizeof header.magic) || !header.bytes ||
        header.bytes != (uint64_t)file.st_size - sizeof header)
        return SEGUE_ERROR_INTERNAL; /* no whole result */
    void *code = host->alloc(host->user, header.bytes, 64);
    if (!code) return segue_kit_fail(why, SEGUE_ERROR_MEMORY, PLAN, 0, "no memory for compiled code");
    if (!read_whole(child->stream[1], code, header.bytes, sizeof header)) {
        const segue_status s = failed("reading compiled code from a file in memory", errno, why);
        host->free(host->user, code);
        return s;
    }
    *blob = code;
    *bytes = header.bytes;
    return SEGUE_OK;
}

/* From the first line that speaks of an error, on one line; without one, the end of what was said. */
static void read_log(int fd, char out[LOG_ROOM])
{
    struct stat file;
    const size_t size = fstat(fd, &file) ? 0 : (size_t)file.st_size;
    const size_t kept = size < LOG_ROOM - 1 ? size : LOG_ROOM - 1;
    out[0] = 0;
    if (!kept || !read_whole(fd, out, kept, 0)) return;
    out[kept] = 0;
    if (!strstr(out, "error") && size > kept && read_whole(fd, out, kept, size - kept)) out[kept] = 0;
    native_shorten(out);
}

static segue_status explain(const struct child *child, const struct rocm_compilation *job, segue_diag *why)
{
    static const char remedy[] =
        "it may not know this GPU: install a newer ROCm, or a Segue whose plugin came with "
        "kernels for it";
    char log[LOG_ROOM];
    read_log(child->stream[2], log);
    const char *colon = log[0] ? ": " : "";
    if (child->killed)
        return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, PLAN, 0,
                              "hipRTC did not end within %d s and was stopped; %s%s%.240s",
                              job->limit_ms / 1000, remedy, colon, log);
    if (child->known && WIFSIGNALED(child->status)) {
        const char *name = sigabbrev_np(WTERMSIG(child->status));
        return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, PLAN, 0,
                              "hipRTC crashed (signal %d, SIG%s) in a process of its own; %s%s%.240s",
                              WTERMSIG(child->status), name ? name : "?", remedy, colon, log);
    }
    if (child->known && WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0)
        return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, PLAN, 0,
                              "%s ended without a result: is it the one that came with this plugin?%s%.240s",
                              job->program, colon, log);
    if (child->known)
        return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, PLAN, 0,
                              "compiling failed (exit %d of segue-compile): %s", WEXITSTATUS(child->status),
                              log[0] ? log : "it said nothing");
    return segue_kit_fail(
        why, SEGUE_ERROR_INTERNAL, PLAN, 0,
        "hipRTC ended without a result, and how is not known (this process ignores SIGCHLD, or "
        "waits for all children); %s%s%.200s",
        remedy, colon, log);
}

segue_status rocm_run_compiler(const segue_host *host, const struct rocm_compilation *job, void **blob,
                               uint64_t *bytes, segue_diag *why)
{
    struct child child = { .stream = { -1, -1, -1 } };
    segue_status s = open_streams(&child, job->source, why);
    if (!s) {
        const int error = spawn(job, &child);
        if (error) {
            char what[600];
            snprintf(what, sizeof what, "%.500s, which compiles in a process of its own, cannot be started",
                     job->program);
            s = failed(what, error, why);
        } else {
            wait_for(&child, job->limit_ms);
            s = take_code(host, &child, blob, bytes, why);
            if (s == SEGUE_ERROR_INTERNAL) s = explain(&child, job, why);
        }
    }
    close_streams(&child);
    return s;
}

/* ---- for a device ---------------------------------------------------------------------------------------- */

int rocm_find_compiler(const segue_host *host, char *out, size_t room)
{
    const int length = snprintf(out, room, "%s/" SEGUE_COMPILE_FROM_PLUGINS, host->plugin_dir);
    return host->plugin_dir[0] && length > 0 && (size_t)length < room && !access(out, X_OK);
}

segue_status rocm_compile(struct native_device *native, const char *kernel, const char *source,
                          const char *options, void **blob, uint64_t *bytes, segue_diag *why)
{
    const struct rocm_device *dev = (const struct rocm_device *)native;
    char path[4096], version[16], file[96], arch[96], text[OPTIONS_ROOM];
    const char *args[MOST_OPTIONS + 6] = { "segue-compile", version, file, arch, "-O3" };
    if (!rocm_find_compiler(dev->native.gpu.host, path, sizeof path))
        return segue_kit_fail(
            why, SEGUE_ERROR_UNSUPPORTED, PLAN, 0,
            "the plugin has no code for %s with%s, and %.200s, which would compile it, is missing: "
            "install Segue whole",
            dev->arch, options, path);
    snprintf(version, sizeof version, "%d", dev->version / 10000000);
    snprintf(file, sizeof file, "%.80s.hip", kernel);
    snprintf(arch, sizeof arch, "--offload-arch=%s", dev->arch);
    if (snprintf(text, sizeof text, "%s", options) >= OPTIONS_ROOM ||
        native_split(text, args + 5, MOST_OPTIONS) < 0)
        return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, PLAN, 0, "%s: more compile options than %d", kernel,
                              MOST_OPTIONS);
    const struct rocm_compilation job = { path, args, source, LIMIT_MS };
    return rocm_run_compiler(dev->native.gpu.host, &job, blob, bytes, why);
}
