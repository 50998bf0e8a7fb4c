/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Axes of a call along which nothing is mixed: channels (d), heads (h) and whatever the rules tie to them. A part of them is a
 * smaller call of the same kind, whose work is that part of the whole and whose answers are those of the whole. */
#ifndef SEGUE_CONFORMANCE_AXES_H
#define SEGUE_CONFORMANCE_AXES_H

#include "../grammar/descriptor.h"

/* h where there are heads, else d. */
char axes_lead(const struct descriptor *d);
/* Cuts the lead to `few` and what hangs on it in proportion; returns by what the work shrinks: 1 = cannot be cut. */
double axes_cut(struct descriptor *d, int64_t few);
/* Whether an index of the lead is the same index of that axis: it is tied to the lead and as long. The lead itself is. */
int axes_go_together(const struct descriptor *d, char letter);
/* Whether the lead can be picked from: what hangs on it goes together with it, or is 1. */
int axes_can_pick(const struct descriptor *d);

#endif
