/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Products of small matrices by oneDNN (uxlfoundation/oneDNN 2.x or 3.x), which knows tiles that our own SIMD does not. The library
 * is looked up when a plan wants it; nothing of it is needed to build. Each product is computed by the thread that asks
 * for it: while a thread has a hand, its OpenMP regions have one thread; what it had before comes back. */
#ifndef SEGUE_ONEDNN_DNNL_PRODUCTS_H
#define SEGUE_ONEDNN_DNNL_PRODUCTS_H

#include <segue/kit.h>

/* C = A B: A [m][k], or [k][m] if turned, B [k][n], or [n][k] if turned_B, C [m][n] in f32; rows packed but for A's, which are pitch
 * apart. */
struct dnnl_shape {
    int64_t m, n, k, pitch;
    int turned, turned_B;
    uint32_t dtype; /* of A and B: SEGUE_F32 or SEGUE_BF16 */
};

struct dnnl_products; /* some shapes, compiled */
struct dnnl_hand;     /* what one thread needs to compute them */

/* NULL with words in why. */
struct dnnl_products *dnnl_products_create(const segue_host *host, const struct dnnl_shape *shapes, int count,
                                           segue_diag *why);
void dnnl_products_destroy(struct dnnl_products *products);

/* Bytes that each thread gives to dnnl_hand_create, on 64. */
uint64_t dnnl_scratch_bytes(const struct dnnl_products *products);
/* oneDNN allocates here and in dnnl_product; we do not. NULL: no memory. The hand lies in scratch. */
struct dnnl_hand *dnnl_hand_create(const struct dnnl_products *products, void *scratch);
void dnnl_hand_destroy(struct dnnl_hand *hand);
/* Shape number i; 0, or oneDNN's code. */
int dnnl_product(struct dnnl_hand *hand, int i, const void *A, const void *B, float *C);

#endif
