/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Tables as people read and paste them. */
#ifndef SEGUE_CONFORMANCE_GRID_H
#define SEGUE_CONFORMANCE_GRID_H

#include <stdio.h>

enum { GRID_COLUMNS = 16, GRID_CELL = 112 };

struct grid {
    const char *const *heads; /* [columns]; one that begins with '>' heads a column of numbers */
    int columns, rows;
    char (*cells)[GRID_COLUMNS][GRID_CELL];
};

/* A new row, empty; NULL = no memory. */
char (*grid_add(struct grid *g))[GRID_CELL];
void grid_print_md(const struct grid *g, FILE *to); /* aligned */
void grid_print_csv_heads(const struct grid *g, FILE *to);
void grid_print_csv_row(const struct grid *g, int row, FILE *to);
void grid_free(struct grid *g);

#endif
