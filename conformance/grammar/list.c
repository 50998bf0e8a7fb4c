/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Lists on paper: reading, writing and what protects them from being edited. */
#include "list.h"

#include "descriptor.h"

#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>

enum { PATH_BYTES = 4096 };

struct header {
    int epoch, minor;
    size_t count;
    char digest[LIST_DIGEST];
};

int list_add(struct list *l, const char *name)
{
    if (!(l->count & (l->count + 1))) { /* room for 2^k - 1 doubles */
        char **more = realloc(l->names, (2 * l->count + 1) * sizeof *more);
        if (!more) return -1;
        l->names = more;
    }
    char *copy = strdup(name);
    if (!copy) return -1;
    l->names[l->count++] = copy;
    return 0;
}

void list_free(struct list *l)
{
    for (size_t i = 0; i < l->count; i++) free(l->names[i]);
    free(l->names);
    memset(l, 0, sizeof *l);
}

void list_digest(const struct list *l, char text[LIST_DIGEST])
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < l->count; i++) {
        crypto_hash_sha256_update(&state, (const unsigned char *)l->names[i], strlen(l->names[i]));
        crypto_hash_sha256_update(&state, (const unsigned char *)"\n", 1);
    }
    crypto_hash_sha256_final(&state, digest);
    sodium_bin2hex(text, LIST_DIGEST, digest, sizeof digest);
}

int list_write(const struct list *l, const char *profile, FILE *to)
{
    char digest[LIST_DIGEST];
    list_digest(l, digest);
    fprintf(
        to,
        "# Conformance cases, profile %s: one descriptor a line, sorted. Printed by `segue conform list --generate`\n",
        profile);
    fprintf(to, "# abi %d.%d\n# count %zu\n# sha256 %s\n", SEGUE_PLUGIN_EPOCH, SEGUE_PLUGIN_MINOR, l->count,
            digest);
    for (size_t i = 0; i < l->count; i++) fprintf(to, "%s\n", l->names[i]);
    return ferror(to) ? -1 : 0;
}

/* "# count 900" and its like; other comments say nothing. */
static void header_line(const char *line, struct header *h)
{
    if (sscanf(line, "# abi %d.%d", &h->epoch, &h->minor) == 2) return;
    if (sscanf(line, "# count %zu", &h->count) == 1) return;
    sscanf(line, "# sha256 %64s", h->digest);
}

static int read_lines(FILE *from, struct header *h, struct list *out)
{
    char *line = NULL;
    size_t room = 0;
    int failed = 0;
    for (ssize_t length; !failed && (length = getline(&line, &room, from)) > 0;) {
        if (line[length - 1] == '\n') line[--length] = 0;
        if (*line == '#') header_line(line, h);
        else failed = list_add(out, line);
    }
    free(line);
    return failed || ferror(from) ? -1 : 0;
}

static int check(const struct list *l, const struct header *h, const char *path, char *why)
{
    char digest[LIST_DIGEST], name[DESCRIPTOR_TEXT], words[DESCRIPTOR_WHY];
    struct descriptor d;
    list_digest(l, digest);
    if (h->epoch != SEGUE_PLUGIN_EPOCH || h->minor != SEGUE_PLUGIN_MINOR)
        return descriptor_fail(
            why, "%s: wanted a list for ABI %d.%d, given one for %d.%d: install library and suite together",
            path, SEGUE_PLUGIN_EPOCH, SEGUE_PLUGIN_MINOR, h->epoch, h->minor);
    if (h->count != l->count)
        return descriptor_fail(why, "%s: its header promises %zu cases, it holds %zu: restore the file", path,
                               h->count, l->count);
    if (strcmp(h->digest, digest))
        return descriptor_fail(
            why, "%s: its lines have SHA-256 %.16s..., its header says %.16s...: restore the file", path,
            digest, h->digest[0] ? h->digest : "nothing");
    for (size_t i = 0; i < l->count; i++) {
        if (descriptor_parse(l->names[i], &d, words)) return descriptor_fail(why, "%s: %.200s", path, words);
        if (descriptor_print(&d, name, sizeof name) || strcmp(name, l->names[i]))
            return descriptor_fail(why, "%s: case %zu: wanted the canonical %.200s", path, i + 1, name);
    }
    return 0;
}

int list_read_file(const char *path, struct list *out, char *why)
{
    struct header h = { .epoch = -1, .minor = -1 };
    FILE *from = fopen(path, "r");
    memset(out, 0, sizeof *out);
    if (!from)
        return descriptor_fail(
            why, "%s: cannot be read: wanted the list of cases that is installed with the suite", path);
    const int failed = read_lines(from, &h, out) ? descriptor_fail(why, "%s: reading failed", path)
                                                 : check(out, &h, path, why);
    fclose(from);
    if (failed) list_free(out);
    return failed;
}

int list_read(const char *profile, struct list *out, char *why)
{
    char self[PATH_BYTES], path[PATH_BYTES];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    memset(out, 0, sizeof *out);
    if (strcmp(profile, "smoke") && strcmp(profile, "core"))
        return descriptor_fail(why, "profile: wanted smoke or core, given %.100s", profile);
    if (length < 1)
        return descriptor_fail(why, "/proc/self/exe cannot be read: the lists lie relative to the program");
    self[length] = 0;
    *strrchr(self, '/') = 0;
    if (snprintf(path, sizeof path, "%s/%s/%s.txt", self, SEGUE_LISTS_FROM_LIBEXEC, profile) >=
        (int)sizeof path)
        return descriptor_fail(why, "the suite's own path is too long");
    return list_read_file(path, out, why);
}
