/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The dtypes of operands: SEGUE_F32, SEGUE_F16, SEGUE_BF16, SEGUE_F64; SEGUE_I32, whose unit is 0 and whose smallest positive
 * value is 1. */
#ifndef SEGUE_CONFORMANCE_DTYPE_H
#define SEGUE_CONFORMANCE_DTYPE_H

#include <stdint.h>

/* Of one element, little-endian, at any address. NaN for another dtype. */
double dtype_load(uint32_t dtype, const void *from);
/* Rounds to nearest, ties to even; beyond the largest: infinite (I32: the largest, NaN: 0). Another dtype: nothing is stored. */
void dtype_store(uint32_t dtype, void *to, double value);
/* What a load gives after a store. */
double dtype_round(uint32_t dtype, double value);
/* The rounding unit of the dtype, 2^-digits: a value is off by at most this share of itself. */
double dtype_unit(uint32_t dtype);
/* The largest finite value, the smallest positive one. */
double dtype_largest(uint32_t dtype);
double dtype_smallest(uint32_t dtype);

#endif
