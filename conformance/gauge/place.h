/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Where a gauge's number lies: shared by tangent.h and tokens.h. */
#ifndef SEGUE_CONFORMANCE_PLACE_H
#define SEGUE_CONFORMANCE_PLACE_H

#include "numbers.h"

/* Index of element (i, j, k, l) in the numbers behind t; -1 = beyond them. */
static inline int64_t place_in(const struct gauge_numbers *n, const segue_tensor *t, int64_t i, int64_t j,
                               int64_t k, int64_t l)
{
    const int64_t at[4] = { i, j, k, l };
    int64_t index = (int64_t)t->offset;
    for (int axis = 0; axis < t->rank && axis < 4; axis++) index += at[axis] * t->stride[axis];
    return n && index >= 0 && index < n->count ? index : -1;
}

#endif
