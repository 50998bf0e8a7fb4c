/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tool.h"

#include "../../conformance/grammar/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const colours[] = { "", "\033[32m", "\033[33m", "\033[31m" };

struct manners manners(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    const int wanted = !(no && *no) && term && strcmp(term, "dumb") != 0;
    return (struct manners){ .colour = wanted && isatty(STDOUT_FILENO), .out = stdout };
}

int shared_option(struct manners *m, int c)
{
    if (c == 'J') m->json = 1;
    else if (c == 'P') m->plain = 1;
    else if (c == 'q') m->quiet = 1;
    else return 0;
    return 1;
}

void keep_output(struct manners *m)
{
    m->out = output_keep();
}

int finish(FILE *out, int code)
{
    if (!output_failed(out)) return code;
    fprintf(stderr, "segue: cannot write the output: %s\n", strerror(errno));
    return EXIT_ENVIRONMENT;
}

int table_add(struct table *t, enum tone tone, const char *const *cells)
{
    void *rows = realloc(t->rows, (t->count + 1) * sizeof *t->rows);
    if (rows) t->rows = rows;
    void *tones = realloc(t->tones, (t->count + 1) * sizeof *t->tones);
    if (tones) t->tones = tones;
    if (!rows || !tones) return -1;
    memset(t->rows[t->count], 0, sizeof *t->rows);
    t->tones[t->count] = tone;
    char **row = t->rows[t->count++];
    for (int i = 0; i < TABLE_COLUMNS && cells[i]; i++)
        if (!(row[i] = strdup(cells[i]))) return -1;
    return 0;
}

void table_print(const struct table *t, const struct manners *m)
{
    size_t width[TABLE_COLUMNS] = { 0 };
    for (size_t r = 0; r < t->count; r++)
        for (int c = 0; c < TABLE_COLUMNS && t->rows[r][c]; c++)
            if (strlen(t->rows[r][c]) > width[c]) width[c] = strlen(t->rows[r][c]);
    for (size_t r = 0; r < t->count; r++) {
        char *const *row = t->rows[r];
        for (int c = 0; c < TABLE_COLUMNS && row[c]; c++) {
            const int last = c + 1 == TABLE_COLUMNS || !row[c + 1], coloured = last && m->colour && !m->plain;
            if (coloured) fputs(colours[t->tones[r]], m->out);
            fputs(row[c], m->out);
            if (coloured && t->tones[r] != TONE_PLAIN) fputs("\033[0m", m->out);
            if (last) fputc('\n', m->out);
            else if (m->plain) fputc('\t', m->out);
            else fprintf(m->out, "%*s", (int)(width[c] - strlen(row[c]) + 2), "");
        }
    }
}

void table_free(struct table *t)
{
    for (size_t r = 0; r < t->count; r++)
        for (int c = 0; c < TABLE_COLUMNS; c++) free(t->rows[r][c]);
    free(t->rows);
    free(t->tones);
    memset(t, 0, sizeof *t);
}

void print_size(char *to, size_t room, uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    int unit = 0;
    double size = (double)bytes;
    for (; size >= 1024 && unit < 6; unit++) size /= 1024;
    if (bytes) snprintf(to, room, size < 10 && unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
    else snprintf(to, room, "host");
}

int beside_program(char *to, size_t room, const char *relative)
{
    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 1) return -1;
    self[length] = 0;
    *strrchr(self, '/') = 0;
    return snprintf(to, room, "%s/%s", self, relative) < (int)room ? 0 : -1;
}
