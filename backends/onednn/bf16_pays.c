/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bf16_pays.h"
#include "dnnl_products.h"
#include "row.h"

#include <math.h>
#include <string.h>
#include <time.h>

enum { M = 128, N = 48 };

/* Seconds of the fastest of some runs of product i. */
static double time_product(struct dnnl_hand *hand, int i, const void *operands, float *result)
{
    enum { ROUNDS = 5, RUNS = 8 };
    double best = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        for (int k = 0; k < RUNS; k++)
            if (dnnl_product(hand, i, operands, operands, result)) return INFINITY;
        clock_gettime(CLOCK_MONOTONIC, &to);
        const double seconds = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
        best = seconds < best ? seconds : best;
    }
    return best;
}

static int measured(const segue_host *host)
{
    const struct dnnl_shape shapes[] = { { M, N, M, M, .dtype = SEGUE_F32 },
                                         { M, N, M, M, .dtype = SEGUE_BF16 } };
    const uint64_t operands = M * M * sizeof(float), result = M * N * sizeof(float);
    struct dnnl_products *p = has_bf16() ? dnnl_products_create(host, shapes, 2, NULL) : NULL;
    double percent = BF16_NEVER;
    if (!p) return BF16_NEVER;
    char *const memory = host->alloc(host->user, operands + result + dnnl_scratch_bytes(p), 64);
    struct dnnl_hand *const hand = memory ? dnnl_hand_create(p, memory + operands + result) : NULL;
    if (hand) {
        float *const c = (float *)(void *)(memory + operands);
        memset(memory, 0, operands);
        percent = 100 * time_product(hand, 1, memory, c) / time_product(hand, 0, memory, c);
        dnnl_hand_destroy(hand);
    }
    if (memory) host->free(host->user, memory);
    dnnl_products_destroy(p);
    return percent < 1 ? 1 : percent < BF16_NEVER ? (int)percent : BF16_NEVER;
}

int bf16_percent(struct segue_cpu *cpu)
{
    int known = atomic_load_explicit(&cpu->bf16_percent, memory_order_relaxed);
    if (!known) {
        known = cpu->isa == SEGUE_ISA_AVX512 ? measured(cpu->host) : BF16_NEVER;
        atomic_store_explicit(&cpu->bf16_percent, known, memory_order_relaxed);
    }
    return known;
}
