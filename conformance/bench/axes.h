/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Axes of a call along which nothing is mixed: channels (d), heads (h), batch rows (b) and whatever the rules tie to them. A part of
 * them is a smaller call of the same kind, whose work is that part of the whole and whose answers are those of the whole. */
#ifndef SEGUE_CONFORMANCE_AXES_H
#define SEGUE_CONFORMANCE_AXES_H

#include "../grammar/descriptor.h"

/* h where there are heads, else d, or b where d is mixed. */
char axes_lead(const struct descriptor *d);
/* Cuts the lead to `few` and what hangs on it in proportion; returns by what the work shrinks: 1 = cannot be cut. */
double axes_cut(struct descriptor *d, int64_t few);
/* So many neighbours of the lead share an index of that axis; 1 for the lead itself. 0: it does not hang on the lead, or is 1. */
int64_t axes_shared_by(const struct descriptor *d, char letter);
/* Whether the lead can be picked from: what hangs on it is shared by whole groups of it. */
int axes_can_pick(const struct descriptor *d);
/* Tokens that go together: those of a chunk, if there are chunks, else 1. */
int64_t axes_chunk(const struct descriptor *d);

/* Rows of queries (n), which know nothing of one another where nothing maps them: softmax attention. Some of them are a smaller
 * call if each says its position. */
enum { AXES_ROWS = 16 };
/* The operand that says it, and is not there yet; -1 = rows cannot be taken apart. */
int axes_places(const struct descriptor *d);
/* `count` rows, with their positions, which axes_place gives them: of row number `row` of `whole`. */
void axes_take_rows(struct descriptor *d, int64_t count);
void axes_place(const struct descriptor *whole, segue_op_header *op, const int64_t *row, int32_t *room);

#endif
