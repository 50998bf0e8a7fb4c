/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bf16_products.h"
#include "dnnl_products.h"
#include "row.h"

#include <math.h>
#include <string.h>
#include <time.h>

enum { SIZE = 128, COLUMNS = 48 }; /* of products that are timed: SIZE x COLUMNS x SIZE */

static timed_product *const products[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_timed_product);

struct trial {
    timed_product *own;
    struct dnnl_hand *hand; /* NULL: our own */
    int pairs;
    const float *A, *B;
    float *C;
};

/* Seconds of the fastest of some runs. */
static double time_product(const struct trial *t)
{
    enum { ROUNDS = 5, RUNS = 8 };
    double best = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        for (int k = 0; k < RUNS; k++)
            if (!t->hand) t->own(t->A, t->B, t->C, SIZE, SIZE / (t->pairs ? 2 : 1), t->pairs);
            else if (dnnl_product(t->hand, 0, t->A, t->B, t->C)) return INFINITY;
        clock_gettime(CLOCK_MONOTONIC, &to);
        const double seconds = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
        best = seconds < best ? seconds : best;
    }
    return best;
}

/* The time of oneDNN's product; infinite without oneDNN. */
static double time_onednn(const segue_host *host, struct trial t)
{
    const struct dnnl_shape shape = { SIZE, COLUMNS, SIZE, SIZE, .dtype = SEGUE_BF16 };
    struct dnnl_products *p = dnnl_products_create(host, &shape, 1, NULL);
    double seconds = INFINITY;
    if (!p) return seconds;
    void *const memory = host->alloc(host->user, dnnl_scratch_bytes(p), 64);
    t.hand = memory ? dnnl_hand_create(p, memory) : NULL;
    if (t.hand) {
        seconds = time_product(&t);
        dnnl_hand_destroy(t.hand);
    }
    if (memory) host->free(host->user, memory);
    dnnl_products_destroy(p);
    return seconds;
}

/* A product of bf16 has to take at most 0.8 of the time of one of f32, which pays for rounding the weights; oneDNN's as little
 * beside our own, for it computes whole tiles only and is called for each. */
static int choose_products(const segue_host *host, timed_product *own)
{
    const uint64_t floats = SIZE * SIZE + 2 * SIZE * COLUMNS;
    if (!has_bf16()) return NO_BF16;
    float *const memory = host->alloc(host->user, floats * sizeof(float), 64);
    if (!memory) return UNKNOWN;
    struct trial t = { .own = own, .A = memory, .B = memory + SIZE * SIZE };
    t.C = memory + SIZE * (SIZE + COLUMNS);
    memset(memory, 0, floats * sizeof(float));
    time_product(&t); /* the clock rises */
    const double f32 = time_product(&t), onednn = time_onednn(host, t);
    t.pairs = 1;
    const double pairs = time_product(&t);
    host->free(host->user, memory);
    if (onednn < 0.8 * f32 && onednn < 0.8 * pairs) return BY_ONEDNN;
    return pairs < 0.8 * f32 ? IN_PAIRS : NO_BF16;
}

int bf16_products(struct segue_cpu *cpu)
{
    int known = atomic_load_explicit(&cpu->bf16_products, memory_order_relaxed), none = UNKNOWN;
    if (known != UNKNOWN) return known;
    known = cpu->isa == SEGUE_ISA_AVX512 ? choose_products(cpu->host, products[cpu->isa]) : NO_BF16;
    if (known == UNKNOWN || atomic_compare_exchange_strong(&cpu->bf16_products, &none, known)) return known;
    return none;
}
