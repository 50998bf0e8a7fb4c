/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Which cases a run is asked for. */
#ifndef SEGUE_CONFORMANCE_SELECTION_H
#define SEGUE_CONFORMANCE_SELECTION_H

#include "../grammar/list.h"

enum { SELECTION_WHY = 800 };

struct chosen {
    char *name;   /* canonical descriptor */
    char row[64]; /* "" = every row that accepts it */
};

struct selection {
    struct chosen *items;
    size_t count;
    int ordered;              /* some stand behind others on purpose: they want one process, in this order */
    char list[128];           /* "smoke", "3 descriptors", "failures of run.jsonl" */
    char sha256[LIST_DIGEST]; /* of the names, a line each: of a whole profile the one in its list file */
};

struct wish {
    const char *profile;  /* NULL = smoke */
    const char *failures; /* the --json file of an earlier run; NULL = none */
    const char *row;      /* only this one; NULL = all */
    char **words;         /* descriptors, in whose order they are run, and globs over the profile */
    int word_count;
};

/* An exit code of the command with words in why[SELECTION_WHY]; nothing chosen is an error. */
int selection_make(struct selection *out, const struct wish *w, char *why);
void selection_free(struct selection *s);

#endif
