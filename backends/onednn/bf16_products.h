/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Which products of bf16 are faster here than those of f32: what rows are chosen by, since neither CPUID nor a list of machines
 * says it. */
#ifndef SEGUE_ONEDNN_BF16_PRODUCTS_H
#define SEGUE_ONEDNN_BF16_PRODUCTS_H

#include "engine/tile.h"

enum { NO_BF16 = -1, UNKNOWN, BY_ONEDNN, IN_PAIRS }; /* segue_cpu's bf16_products */

/* Measured once for each opened device, in some 10 ms, most of them to load oneDNN; of two threads that ask at once the first answer
 * holds for both, so that bits do not depend on who planned. UNKNOWN: no memory now. */
int bf16_products(struct segue_cpu *cpu);

/* C [rows][3 vectors] = A [rows][steps] B [steps][3 vectors] by product.h, to see how long it takes. */
typedef void timed_product(const float *A, const float *B, float *C, int64_t rows, int64_t steps, int pairs);
extern timed_product segue_timed_product_base, segue_timed_product_avx2, segue_timed_product_avx512;

#endif
