/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fibre.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* What does not fit is read as well, so that the program is not stopped by a full pipe. */
static void read_all(int file, char *text, size_t room)
{
    char rest[4096];
    size_t used = 0;
    for (;;) {
        const size_t left = room - 1 - used;
        const ssize_t n = left ? read(file, text + used, left) : read(file, rest, sizeof rest);
        if (n > 0 && left) used += (size_t)n;
        if (!n || (n < 0 && errno != EINTR)) break;
    }
    text[used] = 0;
}

int fibre_tool(const char *const *argv, char *text, size_t room)
{
    posix_spawn_file_actions_t actions;
    int ends[2], status = -1;
    pid_t child;
    *text = 0;
    if (pipe2(ends, O_CLOEXEC)) return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    const int failed = posix_spawnp(&child, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!failed) read_all(ends[0], text, room);
    close(ends[0]);
    if (failed) return -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
