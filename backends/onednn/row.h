/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows of this backend share. */
#ifndef SEGUE_ONEDNN_ROW_H
#define SEGUE_ONEDNN_ROW_H

#include "engine/tile.h"

#define MOST_SCRATCH ((int64_t)1 << 40) /* of an axis that scratch grows with: sizes stay far from overflow */

/* x is [b t d]; states count pool rows along axis 0. */
static inline struct segue_sequences sequences_of(const segue_tensor *cu_seqlens, const segue_tensor *slot,
                                                  const segue_tensor *x, const segue_tensor *h_in,
                                                  const segue_tensor *h_out)
{
    struct segue_sequences q = {
        .cu_seqlens = cu_seqlens, .slot = slot, .count = x->shape[0], .tokens = x->shape[1]
    };
    if (cu_seqlens->dtype.bits) q.count = cu_seqlens->shape[0] - 1;
    q.pool = h_in->dtype.bits ? h_in->shape[0] : h_out->dtype.bits ? h_out->shape[0] : 0;
    return q;
}

/* x, but from 1 to most (and 1 when most is less). */
static inline int64_t from_one_to(int64_t x, int64_t most)
{
    x = x < most ? x : most;
    return x < 1 ? 1 : x;
}

/* The next multiple. */
static inline int64_t rounded_up(int64_t x, int64_t to)
{
    return (x + to - 1) / to * to;
}

/* Bytes of a tensor's elements; 0 of an absent one. */
static inline double bytes_of(const segue_tensor *t)
{
    double bytes = t->dtype.bits / 8;
    for (int i = 0; i < t->rank; i++) bytes *= (double)t->shape[i];
    return bytes;
}

/* Whether a call reads and writes more than half the last-level cache: a cached copy of y would then only push
 * out what is still to be read. Smaller ones stay for whoever reads y next. */
static inline int64_t streams(const struct segue_cpu *cpu, double bytes)
{
    return bytes > (double)(cpu->cache_bytes / 2);
}

/* Whether the CPU has AVX512_BF16. */
static inline int has_bf16(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16") != 0;
#else
    return 0;
#endif
}

/* Room for so many floats behind end, 64-byte aligned. */
static inline uint64_t place_scratch(uint64_t *end, int64_t floats)
{
    uint64_t at = *end;
    *end += ((uint64_t)floats + 15) / 16 * 16;
    return at;
}

/* Workspace, and the state layout [p][x][d] whose channels lie side by side. */
static inline void fill_plan(segue_kit_plan *plan, const struct segue_cpu *cpu,
                             const struct segue_tile_job *job, int64_t d, int64_t x)
{
    plan->workspace_bytes = tile_workspace(cpu, job);
    plan->state_stride[0] = d * x;
    plan->state_stride[1] = 1;
    plan->state_stride[2] = d;
}

#endif
