/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What core and loader need of the operating system. os_posix.c is the only file that knows POSIX.
 * Functions that return int give 0, or the system's own error number for os_error_text(). */
#ifndef SEGUE_CORE_OS_H
#define SEGUE_CORE_OS_H

#include <segue/segue.h>

struct os_mutex;                        /* recursive: no */
struct os_mutex *os_mutex_create(void); /* NULL when memory runs out */
void os_mutex_destroy(struct os_mutex *mutex);
void os_mutex_lock(struct os_mutex *mutex);
void os_mutex_unlock(struct os_mutex *mutex);

/* Lets other threads run; 1. */
int os_yield(void);

/* An environment variable; NULL when unset, and always in set-id processes. */
const char *os_environment(const char *name);
/* The user whose rights this process has. */
uint32_t os_user(void);
/* Zeroed memory; alignment a power of two. NULL when memory runs out. */
void *os_alloc(uint64_t bytes, uint64_t alignment);
void os_free(void *memory);
const char *os_error_text(int code);

/* ---- files and folders ---------------------------------------------------------------------------------- */

enum { OS_PATH_BYTES = 1024 };
enum { OS_KIND_FILE = 1, OS_KIND_FOLDER = 2, OS_KIND_OTHER = 3 };
enum {
    OS_MODE_SHARED_WRITE = 022,
    OS_MODE_SET_ID = 06000
}; /* by group or others; set-user-id or set-group-id */

struct os_facts {
    uint64_t device, inode, bytes;
    uint32_t kind; /* OS_KIND_... */
    uint32_t mode; /* permission bits with set-id and sticky */
    uint32_t owner;
};

struct os_file {
    struct os_facts facts;
    int handle;
};

int os_facts_of(const char *path, struct os_facts *out); /* of a link's target */
/* The absolute path without links, "." and ".."; out holds OS_PATH_BYTES. */
int os_real_path(const char *path, char *out);
/* For reading; never waits for a pipe's other end. */
int os_open(const char *path, struct os_file *out);
int os_read(const struct os_file *file, uint64_t offset, void *to,
            uint64_t bytes); /* all of it, or a failure */
void os_close(struct os_file *file);
/* For this user alone; one that is there already is as good. */
int os_make_folder(const char *path);
enum { OS_EXISTS = -1 }; /* the name is taken */
/* A new file of these bytes, for this user alone. Nothing is left behind a failure. */
int os_save(const char *path, const void *from, uint64_t bytes);
int os_rename(const char *from, const char *to);
void os_remove(const char *path);
/* The names in a folder that begin and end so, sorted bytewise; *names goes to os_free() as a whole. */
int os_list(const char *folder, const char *prefix, const char *suffix, const char ***names, uint32_t *count);

/* ---- shared objects ------------------------------------------------------------------------------------- */

/* Loads with all symbols bound now, kept to itself and never unloaded. NULL: *why is the system's text, valid
 * until this thread's next call. */
void *os_library_load(const char *path, const char **why);
void *os_library_symbol(void *library, const char *name); /* NULL = none */
/* Where the dynamic loader found a library, and the one that holds an address; out holds OS_PATH_BYTES. */
int os_library_path(void *library, char *out);
int os_path_of_address(const void *address, char *out);

#endif
