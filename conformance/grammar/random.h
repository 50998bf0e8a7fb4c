/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that depend on a name and a position only: Philox4x32-10 (Salmon et al., SC 2011), keyed by the first 64 bits
 * of the SHA-256 of the canonical descriptor. Skipping, sharding or reordering changes nothing. */
#ifndef SEGUE_CONFORMANCE_RANDOM_H
#define SEGUE_CONFORMANCE_RANDOM_H

#include <stdint.h>

/* out[4] = Philox4x32-10 of counter[4] under key[2]. */
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
void key_of(const char *name, uint32_t key[2]);

struct dice { /* of one element of one operand; draw i of it is always the same number */
    uint32_t key[2];
    uint32_t field;   /* number in the op struct */
    uint64_t element; /* logical, row-major */
};

double dice_uniform(const struct dice *d, uint32_t draw, double low, double high);     /* (low, high) */
double dice_normal(const struct dice *d, uint32_t draw);                               /* mean 0, deviation 1 */
double dice_log_uniform(const struct dice *d, uint32_t draw, double low, double high); /* 0 < low < high */
int64_t dice_integer(const struct dice *d, uint32_t draw, int64_t low, int64_t high);  /* both included */

/* Unlike libm's the same on every machine (IEEE 754 without contraction); good to some 1e-15. */
double dice_log(double x); /* x > 0 */
double dice_exp(double x);
double dice_cos_turn(double turns); /* of 2 pi turns */

#endif
