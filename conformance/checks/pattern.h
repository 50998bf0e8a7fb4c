/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Which part of an operand is bad, in words: "112 of 112 bad, all at t 4096", "33 of 1024 bad, d 3 only",
 * "256 of 16384 bad, all at every 64th t from 63", "900 of 1024 bad, scattered". */
#ifndef SEGUE_CONFORMANCE_PATTERN_H
#define SEGUE_CONFORMANCE_PATTERN_H

#include "../grammar/test_case.h"

/* bad: one byte an element of the view, row-major. all: elements that could have been bad. "all at": every such element
 * there is; "only": some of them. */
void pattern_print(char *to, size_t room, const segue_field_facts *facts, const segue_tensor *view,
                   const unsigned char *bad, const unsigned char *all);

#endif
