/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The loops that probes time, one table an instruction set. Counts are floats, multiples of BENCH_BLOCK;
 * addresses lie on 64 bytes. */
#ifndef SEGUE_CONFORMANCE_BENCH_LANES_H
#define SEGUE_CONFORMANCE_BENCH_LANES_H

#include <stdint.h>

enum { BENCH_BLOCK = 64, BENCH_EXPS = 4, BENCH_STORES = 3 };

struct bench_lanes {
    int lanes,
        chains; /* fma[] does rounds * chains * lanes fused products, over 2 * chains * lanes floats at to */
    void (*exps[BENCH_EXPS])(float *to, const float *from,
                             int64_t count);   /* formulations of 2^(a x), -64 < x <= 0; NULL = none */
    void (*fma[2])(float *to, int64_t rounds); /* from registers; one operand from memory */
    /* rounds * tile_products fused products of a small matrix with another, both in the first cache, 4096 floats at memory;
     * the same in bf16, twice as many: NULL = no instructions for it, or only on processors with AVX512_BF16 */
    void (*tile[2])(float *memory, int64_t rounds);
    int64_t tile_products;
    /* By plain stores, by streaming ones, by plain ones whose lines were asked for ahead. */
    void (*copy[BENCH_STORES])(float *to, const float *from, int64_t count);
    void (*read)(float *to, const float *from, int64_t count); /* to: room for one vector */
    void (*update)(float *state, int64_t count);               /* reads it and writes it back */
    void (*settle)(void);                                      /* behind streaming stores */
};

extern const struct bench_lanes bench_lanes_base, bench_lanes_avx2, bench_lanes_avx512;

#endif
