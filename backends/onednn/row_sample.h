/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the row of row_sample and its kernels. */
#ifndef SEGUE_ONEDNN_ROW_SAMPLE_H
#define SEGUE_ONEDNN_ROW_SAMPLE_H

#include "engine/tile.h"

/* SAMPLE_BLOCK: ids that are looked at together, in the first-level cache. SAMPLE_BUCKETS: of a sort by the
 * bits of numbers. */
enum { SAMPLE_BLOCK = 2048, SAMPLE_BUCKETS = 1 << 11 };

struct sample_job {
    const segue_row_sample *op;
    const struct sample_kernel *kernel;
    int64_t positions, ids;    /* t, v */
    uint64_t l, block;         /* where a worker's scratch holds a row and a block of another one, in floats */
    uint64_t mass, count;      /* of each bucket: the sum (doubles), the number (32 bits) of what is in it */
    uint64_t scratch_floats;   /* a worker's; a multiple of 16 */
    float *scratch;            /* all workers' */
    int64_t *open, open_count; /* b t + position of those that are open */
    _Atomic int64_t *taken;    /* how many of these have a worker */
};

struct sample_kernel {
    void (*position)(const struct sample_job *job, int64_t b, int64_t t, float *scratch); /* one that is open */
    void (*nothing)(const struct sample_job *job, int64_t b, int64_t t);                  /* one that is not */
};

extern const struct sample_kernel segue_sample_base, segue_sample_avx2, segue_sample_avx512;

/* The row of logits of a position. */
static inline int64_t sample_row(const segue_row_sample *op, int64_t b, int64_t t)
{
    return int_at(&op->row, b, t, t);
}

#endif
