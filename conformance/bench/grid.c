/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grid.h"

#include <stdlib.h>
#include <string.h>

char (*grid_add(struct grid *g))[GRID_CELL]
{
    void *more = realloc(g->cells, (size_t)(g->rows + 1) * sizeof *g->cells);
    if (!more) return NULL;
    g->cells = more;
    memset(g->cells[g->rows], 0, sizeof *g->cells);
    return g->cells[g->rows++];
}

static const char *head(const struct grid *g, int column)
{
    return g->heads[column] + (g->heads[column][0] == '>');
}

static int is_number(const struct grid *g, int column)
{
    return g->heads[column][0] == '>';
}

static int width(const struct grid *g, int column)
{
    size_t most = strlen(head(g, column));
    for (int i = 0; i < g->rows; i++)
        if (strlen(g->cells[i][column]) > most) most = strlen(g->cells[i][column]);
    return (int)most;
}

void grid_print_md(const struct grid *g, FILE *to)
{
    for (int k = 0; k < g->columns; k++)
        fprintf(to, "| %*s ", is_number(g, k) ? width(g, k) : -width(g, k), head(g, k));
    fputs("|\n", to);
    for (int k = 0; k < g->columns; k++) {
        fputs("|", to);
        for (int i = 0; i < width(g, k) + 1; i++) fputc('-', to);
        fputc(is_number(g, k) ? ':' : '-', to);
    }
    fputs("|\n", to);
    for (int i = 0; i < g->rows; i++) {
        for (int k = 0; k < g->columns; k++)
            fprintf(to, "| %*s ", is_number(g, k) ? width(g, k) : -width(g, k), g->cells[i][k]);
        fputs("|\n", to);
    }
}

void grid_print_csv_heads(const struct grid *g, FILE *to)
{
    for (int k = 0; k < g->columns; k++) fprintf(to, "%s%s", k ? "," : "", head(g, k));
    fputc('\n', to);
}

/* No cell holds a comma or a quote: names, numbers, words of ours. */
void grid_print_csv_row(const struct grid *g, int row, FILE *to)
{
    for (int k = 0; k < g->columns; k++) fprintf(to, "%s%s", k ? "," : "", g->cells[row][k]);
    fputc('\n', to);
}

void grid_free(struct grid *g)
{
    free(g->cells);
    g->cells = NULL;
    g->rows = 0;
}
