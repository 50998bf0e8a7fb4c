/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Products of small matrices in registers, built once per instruction set. Columns lie in lanes, up to WIDEST vectors of
 * them; BLOCK rows are summed up at once, each factor of theirs spread over the lanes. So many sums hide the latency of
 * fused products, and a row's factors are read from the first-level cache once for WIDEST vectors: 11 loads for 24
 * products with AVX-512. What lies in lanes must lie packed: [step][nv * LANES]. */
#ifndef SEGUE_ONEDNN_PRODUCT_H
#define SEGUE_ONEDNN_PRODUCT_H

#include "engine/lanes.h"
#include "engine/unroll.h"

enum { BLOCK = LANES == 16 ? 8 : 4, WIDEST = 3 };

struct product_sums {
    lanes at[BLOCK][WIDEST];
};

/* sums[u] += sum over k of A[u * pitch + k] B[k]: rows of A as they lie. */
INLINE void product_rows(struct product_sums *sums, const float *A, int64_t pitch, const float *B,
                         int64_t steps, const int nv)
{
    struct product_sums s = *sums;
    for (int64_t k = 0; k < steps; k++, B += nv * LANES) {
        lanes b[WIDEST];
        UNROLL
        for (int c = 0; c < nv; c++) b[c] = lanes_load(B + c * LANES);
        UNROLL
        for (int u = 0; u < BLOCK; u++) {
            const lanes a = lanes_splat(A[u * pitch + k]);
            UNROLL
            for (int c = 0; c < nv; c++) s.at[u][c] = lanes_fma(a, b[c], s.at[u][c]);
        }
    }
    *sums = s;
}

/* sums[u] += sum over k of A[k * BLOCK + u] B[k]: the BLOCK rows of A lie side by side. */
INLINE void product_columns(struct product_sums *sums, const float *A, const float *B, int64_t steps,
                            const int nv)
{
    struct product_sums s = *sums;
    for (int64_t k = 0; k < steps; k++, A += BLOCK, B += nv * LANES) {
        lanes b[WIDEST];
        UNROLL
        for (int c = 0; c < nv; c++) b[c] = lanes_load(B + c * LANES);
        UNROLL
        for (int u = 0; u < BLOCK; u++) {
            const lanes a = lanes_splat(A[u]);
            UNROLL
            for (int c = 0; c < nv; c++) s.at[u][c] = lanes_fma(a, b[c], s.at[u][c]);
        }
    }
    *sums = s;
}

#endif
