/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs share: exit codes, options, tables, where their files are. */
#ifndef SEGUE_TOOLS_TOOL_H
#define SEGUE_TOOLS_TOOL_H

#include <getopt.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_DEVICE = 3, EXIT_ENVIRONMENT = 4 };

struct manners {
    int json, plain, quiet, colour;
    FILE *out; /* of what the verb prints */
};

/* Rows of a getopt_long table; shared_option() takes what they return. */
/* clang-format off */
#define SHARED_OPTIONS                                                       \
    { "json", no_argument, NULL, 'J' }, { "plain", no_argument, NULL, 'P' }, \
    { "quiet", no_argument, NULL, 'q' }, { "help", no_argument, NULL, 'h' }
/* clang-format on */

/* The default manners: stdout, with colour where it is a terminal that wants it. */
struct manners manners(void);
/* 1 where c was one of the shared options other than help. */
int shared_option(struct manners *m, int c);
/* Before plugins are loaded: what a driver prints goes to stderr from now on. */
void keep_output(struct manners *m);
/* Flushes; an output that could not be written turns into EXIT_ENVIRONMENT. */
int finish(FILE *out, int code);

enum tone { TONE_PLAIN, TONE_GOOD, TONE_WARNING, TONE_BAD };
enum { TABLE_COLUMNS = 6 };

struct table { /* zeroed = empty; the last cell of a row carries its tone */
    char *(*rows)[TABLE_COLUMNS];
    enum tone *tones;
    size_t count;
};

/* cells: TABLE_COLUMNS strings, copied; NULL ends the row early. 0, or -1 when memory runs out. */
int table_add(struct table *t, enum tone tone, const char *const *cells);
/* To m->out. Aligned columns; --plain: tabs between cells, no colour. */
void table_print(const struct table *t, const struct manners *m);
void table_free(struct table *t);

/* "23 GiB", "512 MiB"; 0: "host". */
void print_size(char *to, size_t room, uint64_t bytes);

/* The file at that path relative to the folder of the running program. 0, or -1 where it does not fit. */
int beside_program(char *to, size_t room, const char *relative);

#endif
