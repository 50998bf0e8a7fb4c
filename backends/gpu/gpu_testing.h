/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* For the unit tests: a host that counts its allocations and remembers its log, and a folder for a cache. */
#ifndef SEGUE_GPU_TESTING_H
#define SEGUE_GPU_TESTING_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mkdtemp, setenv */
#endif
#include <segue/plugin.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static atomic_int live;              /* allocations */
static atomic_int refuse_after = -1; /* how many more succeed; -1 = all */
static char said[8192];              /* all that was logged, a line each */

static void *host_alloc(void *user, uint64_t bytes, uint64_t alignment)
{
    const uint64_t size = (bytes + alignment - 1) / alignment * alignment;
    (void)user;
    if (!refuse_after) return NULL;
    if (refuse_after > 0) refuse_after--;
    live++;
    return memset(aligned_alloc(alignment, size), 0, size);
}

static void host_free(void *user, void *memory)
{
    (void)user;
    if (memory) live--;
    free(memory);
}

static void host_log(void *user, int32_t level, const char *text)
{
    const size_t used = strlen(said);
    (void)user, (void)level;
    snprintf(said + used, sizeof said - used, "%s\n", text);
}

static const segue_host test_host = { .size = sizeof test_host,
                                      .epoch = SEGUE_PLUGIN_EPOCH,
                                      .alloc = host_alloc,
                                      .free = host_free,
                                      .log = host_log,
                                      .plugin_dir = "" };

static char test_folder[64]; /* the cache's; a new one for each test */

static __attribute__((unused)) int fresh_folder(void **state)
{
    (void)state;
    snprintf(test_folder, sizeof test_folder, "/tmp/segue-gpu-test-XXXXXX");
    said[0] = 0;
    refuse_after = -1;
    if (!mkdtemp(test_folder)) return -1;
    unsetenv("SEGUE_CACHE_BYTES");
    return setenv("SEGUE_CACHE_DIR", test_folder, 1);
}

static __attribute__((unused)) int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", test_folder);
    return system(command) || live;
}

#endif
