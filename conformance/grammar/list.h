/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Committed lists of cases (lists/<profile>.txt): a header with the ABI version, the count and the SHA-256 of all
 * descriptor lines, then one canonical descriptor a line, sorted. */
#ifndef SEGUE_CONFORMANCE_LIST_H
#define SEGUE_CONFORMANCE_LIST_H

#include <stddef.h>
#include <stdio.h>

enum { LIST_DIGEST = 65 };

struct list {
    char **names; /* canonical descriptors */
    size_t count;
};

/* Reads profile "smoke" or "core" and checks its header. 0, or -1 with words in why[DESCRIPTOR_WHY]. */
int list_read(const char *profile, struct list *out, char *why);
/* The same from a named file. */
int list_read_file(const char *path, struct list *out, char *why);
int list_add(struct list *l, const char *name); /* -1 = no memory; the name is copied */
void list_free(struct list *l);

/* Generates the list of a profile from the primitives' case facts (pairwise, then the mandatory names). Validity of a
 * candidate is asked from the reference device. 0, or -1 with words. */
int list_generate(const char *profile, struct list *out, char *why);
/* What smoke takes of a core list. */
int list_generate_smoke(const struct list *core, struct list *out, char *why);
/* SHA-256 in hex of all lines, each with its newline. */
void list_digest(const struct list *l, char text[LIST_DIGEST]);
/* Writes a list with its header. */
int list_write(const struct list *l, const char *profile, FILE *to);
/* Prints, per primitive, how many pairs of values of its factors the list covers, of how many that can be covered. */
int list_coverage(const struct list *l, FILE *to, char *why);

#endif
