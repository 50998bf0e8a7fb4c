/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The operating system, for core and loader: POSIX with the dynamic loader of Linux. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* secure_getenv, dladdr, dlinfo */
#endif
#include "os.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

struct os_mutex {
    pthread_mutex_t mutex;
};

struct os_mutex *os_mutex_create(void)
{
    struct os_mutex *m = malloc(sizeof *m);
    if (m && pthread_mutex_init(&m->mutex, NULL)) {
        free(m);
        return NULL;
    }
    return m;
}

void os_mutex_destroy(struct os_mutex *mutex)
{
    if (!mutex) return;
    pthread_mutex_destroy(&mutex->mutex);
    free(mutex);
}

void os_mutex_lock(struct os_mutex *mutex)
{
    pthread_mutex_lock(&mutex->mutex);
}

void os_mutex_unlock(struct os_mutex *mutex)
{
    pthread_mutex_unlock(&mutex->mutex);
}

int os_yield(void)
{
    sched_yield();
    return 1;
}

const char *os_environment(const char *name)
{
    return getauxval(AT_SECURE) ? NULL : secure_getenv(name);
}

uint32_t os_user(void)
{
    return geteuid();
}

void *os_alloc(uint64_t bytes, uint64_t alignment)
{
    void *memory = NULL;
    if (alignment < sizeof(void *)) alignment = sizeof(void *);
    if (bytes > SIZE_MAX - alignment || posix_memalign(&memory, alignment, bytes ? bytes : 1)) return NULL;
    return memset(memory, 0, bytes);
}

void os_free(void *memory)
{
    free(memory);
}

const char *os_error_text(int code)
{
#ifdef __GLIBC__
    const char *text = strerrordesc_np(code); /* unlike strerror, safe with threads */
#else
    const char *text = strerror(code);
#endif
    return text ? text : "unknown error";
}

/* ---- files and folders ---------------------------------------------------------------------------------- */

static void facts_from(const struct stat *s, struct os_facts *out)
{
    out->device = s->st_dev;
    out->inode = s->st_ino;
    out->bytes = (uint64_t)s->st_size;
    out->kind = S_ISREG(s->st_mode) ? OS_KIND_FILE : S_ISDIR(s->st_mode) ? OS_KIND_FOLDER : OS_KIND_OTHER;
    out->mode = s->st_mode & 07777;
    out->owner = s->st_uid;
}

int os_facts_of(const char *path, struct os_facts *out)
{
    struct stat s;
    if (stat(path, &s)) return errno;
    facts_from(&s, out);
    return 0;
}

int os_real_path(const char *path, char *out)
{
    char *found = realpath(path, NULL);
    const int code = !found ? errno : strlen(found) >= OS_PATH_BYTES ? ENAMETOOLONG : 0;
    if (!code) memcpy(out, found, strlen(found) + 1);
    free(found);
    return code;
}

int os_open(const char *path, struct os_file *out)
{
    struct stat s;
    const int handle = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (handle < 0) return errno;
    if (fstat(handle, &s)) {
        const int code = errno;
        close(handle);
        return code;
    }
    facts_from(&s, &out->facts);
    out->handle = handle;
    return 0;
}

int os_read(const struct os_file *file, uint64_t offset, void *to, uint64_t bytes)
{
    char *at = to;
    if (bytes > INT64_MAX || offset > (uint64_t)INT64_MAX - bytes) return EINVAL;
    while (bytes) {
        const ssize_t got = pread(file->handle, at, bytes, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got ? errno : ENODATA;
        at += got;
        offset += (uint64_t)got;
        bytes -= (uint64_t)got;
    }
    return 0;
}

void os_close(struct os_file *file)
{
    close(file->handle);
    file->handle = -1;
}

int os_make_folder(const char *path)
{
    return mkdir(path, 0700) && errno != EEXIST ? errno : 0;
}

static int write_all(int handle, const char *from, uint64_t bytes)
{
    while (bytes) {
        const ssize_t written = write(handle, from, bytes < INT32_MAX ? bytes : INT32_MAX);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return written ? errno : ENOSPC;
        from += written;
        bytes -= (uint64_t)written;
    }
    return 0;
}

int os_save(const char *path, const void *from, uint64_t bytes)
{
    const int handle = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
    if (handle < 0) return errno == EEXIST ? OS_EXISTS : errno;
    int code = write_all(handle, from, bytes);
    if (close(handle) && !code) code = errno; /* a quota may be told only now */
    if (code) unlink(path);
    return code;
}

int os_rename(const char *from, const char *to)
{
    return rename(from, to) ? errno : 0;
}

void os_remove(const char *path)
{
    unlink(path);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int matches(const char *name, const char *prefix, const char *suffix)
{
    const size_t n = strlen(name), p = strlen(prefix), s = strlen(suffix);
    return n >= p + s && !memcmp(name, prefix, p) && !memcmp(name + n - s, suffix, s);
}

/* Counts the matching names and their bytes; with names, which both fit into, also stores them. What a growing
 * folder has more of by then is left out. */
static void walk(DIR *dir, const char *prefix, const char *suffix, uint32_t *count, size_t *bytes,
                 const char **names)
{
    const uint32_t room = *count;
    const size_t space = *bytes;
    char *text = names ? (char *)(names + room) : NULL;
    const struct dirent *e;
    *count = 0;
    *bytes = 0;
    rewinddir(dir);
    while ((e = readdir(dir))) {
        const size_t n = strlen(e->d_name) + 1;
        if (!matches(e->d_name, prefix, suffix)) continue;
        if (names) {
            if (*count == room || *bytes + n > space) return;
            names[*count] = memcpy(text + *bytes, e->d_name, n);
        }
        *count += 1;
        *bytes += n;
    }
}

int os_list(const char *folder, const char *prefix, const char *suffix, const char ***names, uint32_t *count)
{
    uint32_t n = 0;
    size_t bytes = 0;
    DIR *dir = opendir(folder);
    const char **list;
    if (!dir) return errno;
    walk(dir, prefix, suffix, &n, &bytes, NULL);
    list = malloc(n * sizeof *list + bytes + 1);
    if (list) walk(dir, prefix, suffix, &n, &bytes, list);
    closedir(dir);
    if (!list) return ENOMEM;
    if (n) qsort(list, n, sizeof *list, compare_names);
    *names = list;
    *count = n;
    return 0;
}

/* ---- shared objects ------------------------------------------------------------------------------------- */

void *os_library_load(const char *path, const char **why)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) *why = dlerror();
    return library;
}

void *os_library_symbol(void *library, const char *name)
{
    return dlsym(library, name);
}

/* What the dynamic loader wrote, it wrote under a lock of its own, which race detectors cannot see. */
#if defined(__clang__)
#define LOADERS_WORD __attribute__((no_sanitize("thread")))
#else
#define LOADERS_WORD __attribute__((no_sanitize_thread))
#endif

LOADERS_WORD static int copy_name(const volatile char *name, char *out)
{
    int i = 0;
    for (; name && name[i]; i++) {
        if (i + 1 == OS_PATH_BYTES) return ENAMETOOLONG;
        out[i] = name[i];
    }
    out[i] = 0;
    return i ? 0 : ENOENT;
}

LOADERS_WORD int os_library_path(void *library, char *out)
{
    struct link_map *map = NULL;
    return dlinfo(library, RTLD_DI_LINKMAP, &map) || !map ? ENOENT : copy_name(map->l_name, out);
}

int os_path_of_address(const void *address, char *out)
{
    Dl_info info;
    return dladdr(address, &info) ? copy_name(info.dli_fname, out) : ENOENT;
}
