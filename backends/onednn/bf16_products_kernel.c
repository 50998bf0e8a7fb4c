/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bf16_products.h"
#include "product.h"

void SEGUE_ISA_NAME(segue_timed_product)(const float *A, const float *B, float *C, int64_t rows, int64_t steps,
                                         int pairs)
{
    for (int64_t i = 0; i < rows; i += BLOCK, C += BLOCK * WIDEST * LANES) {
        struct product_sums sums = { 0 };
        if (pairs) product_rows(&sums, A + i * steps, steps, B, steps, WIDEST, 1);
        else product_rows(&sums, A + i * steps, steps, B, steps, WIDEST, 0);
        for (int u = 0; u < BLOCK; u++)
            for (int c = 0; c < WIDEST; c++) lanes_store(C + (u * WIDEST + c) * LANES, sums.at[u][c]);
    }
}
