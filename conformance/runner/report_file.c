/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "report_file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct target {
    char path[PATH_MAX];          /* without links: a rename would replace them */
    char temporary[PATH_MAX + 8]; /* "" = written directly */
    FILE *file;
};

static mode_t mode_of_new_files(void)
{
    const mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

/* 0, or errno. */
static int target_open(struct target *t, const char *path)
{
    struct stat facts;
    const int there = !stat(path, &facts);
    memset(t, 0, sizeof *t);
    if (there && !S_ISREG(facts.st_mode)) {
        t->file = fopen(path, "w");
        return t->file ? 0 : errno;
    }
    if (strlen(path) >= sizeof t->path) return ENAMETOOLONG;
    if (!there) strcpy(t->path, path);
    else if (access(path, W_OK) || !realpath(path, t->path)) return errno;
    snprintf(t->temporary, sizeof t->temporary, "%s.XXXXXX", t->path);
    const int file = mkstemp(t->temporary);
    if (file < 0) return errno;
    if (!fchmod(file, there ? facts.st_mode & 0777 : mode_of_new_files()) && (t->file = fdopen(file, "w")))
        return 0;
    const int why = errno;
    close(file);
    unlink(t->temporary);
    return why;
}

int report_file_try(const char *path)
{
    struct target t;
    const int why = target_open(&t, path);
    if (why) return why;
    fclose(t.file);
    if (t.temporary[0]) unlink(t.temporary);
    return 0;
}

int report_file_write(const char *path, report_writer *write, const struct run *r, const struct summary *s)
{
    struct target t;
    int why = target_open(&t, path);
    if (why) return why;
    write(r, s, t.file);
    if (fflush(t.file) || ferror(t.file)) why = errno ? errno : EIO;
    if (fclose(t.file) && !why) why = errno;
    if (!t.temporary[0]) return why;
    if (!why && !rename(t.temporary, t.path)) return 0;
    if (!why) why = errno;
    unlink(t.temporary);
    return why;
}
