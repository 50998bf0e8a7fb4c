/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin_new.h"

#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST_NAME = 24, PATH_BYTES = 4096 };

static int is_name(const char *name)
{
    return *name >= 'a' && *name <= 'z' && strlen(name) <= LONGEST_NAME &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == 0;
}

/* Random, version 4 (RFC 9562). */
static int make_uuid(char out[37])
{
    unsigned char b[16];
    if (getrandom(b, sizeof b, 0) != sizeof b) return -1;
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    for (int i = 0, at = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out[at++] = '-';
        at += sprintf(out + at, "%02x", b[i]);
    }
    return 0;
}

/* Copies a text and fills in @NAME@ and @UUID@. 0, or an errno. */
static int copy_text(const char *from, const char *to, const char *name, const char *uuid)
{
    static const char marks[2][7] = { "@NAME@", "@UUID@" };
    const char *const values[] = { name, uuid };
    char *line = NULL;
    size_t room = 0;
    FILE *in = fopen(from, "r"), *out = in ? fopen(to, "wx") : NULL;
    int failed = out ? 0 : errno;
    while (out && getline(&line, &room, in) > 0)
        for (const char *at = line; *at;) {
            int mark = 0;
            while (mark < 2 && strncmp(at, marks[mark], 6) != 0) mark++;
            if (mark < 2) fputs(values[mark], out), at += 6;
            else fputc(*at++, out);
        }
    if (in && (ferror(in) || fclose(in)) && !failed) failed = errno ? errno : EIO;
    if (out && (ferror(out) | fclose(out)) && !failed) failed = errno ? errno : EIO;
    free(line);
    return failed;
}

static int is_text(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Fills the folder, or leaves none behind. 0, or an errno. */
static int fill(const char *template, const char *name, const char *uuid)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    struct dirent **files = NULL;
    const int count = scandir(template, &files, is_text, alphasort);
    int failed = count < 0 ? errno : count ? 0 : ENOENT, done = 0;
    for (; done < count && !failed; done++) {
        const int a = snprintf(from, sizeof from, "%s/%s", template, files[done]->d_name);
        const int b = snprintf(to, sizeof to, "%s/%s", name, files[done]->d_name);
        failed = a < PATH_BYTES && b < PATH_BYTES ? copy_text(from, to, name, uuid) : ENAMETOOLONG;
    }
    for (int i = 0; failed && i < done; i++) {
        snprintf(to, sizeof to, "%s/%s", name, files[i]->d_name);
        unlink(to);
    }
    if (failed) rmdir(name);
    for (int i = 0; i < count; i++) free(files[i]);
    free(files);
    return failed;
}

/* template is PREFIX/share/segue/template, and PREFIX where CMake finds the package. */
static void say_next(const char *name, char *template)
{
    for (int up = 0; up < 3; up++) *strrchr(template, '/') = 0;
    char *prefix = realpath(template, NULL);
    printf("wrote ./%s; next:\n", name);
    printf("  cmake -S %s -B %s/build -DCMAKE_PREFIX_PATH=%s && cmake --build %s/build\n", name, name,
           prefix ? prefix : template, name);
    printf("  SEGUE_PLUGIN_PATH=$PWD/%s/build segue devices\n", name);
    free(prefix);
}

int plugin_new(const char *name)
{
    char template[PATH_BYTES], uuid[37];
    if (!is_name(name)) {
        fprintf(stderr,
                "segue plugin: wanted a name of a letter a-z, then letters, digits or _, %d in all, given %s\n",
                LONGEST_NAME, name);
        return EXIT_USAGE;
    }
    if (beside_program(template, sizeof template, SEGUE_TEMPLATE_FROM_LIBEXEC) || make_uuid(uuid)) {
        fprintf(stderr, "segue plugin: %s\n", strerror(errno));
        return EXIT_ENVIRONMENT;
    }
    if (mkdir(name, 0777)) {
        fprintf(stderr, "segue plugin: ./%s: %s%s\n", name, strerror(errno),
                errno == EEXIST ? "; choose another name or folder" : "");
        return errno == EEXIST ? EXIT_USAGE : EXIT_ENVIRONMENT;
    }
    const int failed = fill(template, name, uuid);
    if (failed) {
        fprintf(stderr, "segue plugin: from %s to ./%s: %s\n", template, name, strerror(failed));
        return EXIT_ENVIRONMENT;
    }
    say_next(name, template);
    return EXIT_DONE;
}
