/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Which bytes a tensor touches, and overlap in memory as far as it can be proved. Interleaved views (z and y in
 * one projection's output) share a range but no element; such pairs must pass. */
#ifndef SEGUE_CORE_OVERLAP_H
#define SEGUE_CORE_OVERLAP_H

#include <segue/segue.h>

struct extent { /* bytes that a tensor touches, counted from data: [low, high) */
    int64_t low, high;
};

/* Bytes touched; 0 = none or nonsense (a negative axis, overflow: *overflow = 1). */
struct extent segue_extent(const segue_tensor *t, int *overflow);

/* The product of the axes, empty ones counted as 1: 1 and *count, or 0 where it exceeds 2^48. */
int segue_count(const segue_tensor *t, int64_t *count);

/* Two elements of t certainly share a place. */
int segue_overlaps_itself(const segue_tensor *t);
/* Same data, offset, dtype and strides. */
int segue_same_place(const segue_tensor *a, const segue_tensor *b);
/* a and b certainly share a byte. handles: data are handles, of which only equal ones can overlap. */
int segue_overlap(const segue_tensor *a, const segue_tensor *b, int handles);

#endif
