/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The two products of attention, of a few query rows with one block of keys: products of queries and keys with channels in
 * lanes and four keys abreast, and sums of values with their columns in lanes. Keys and values are read where they lie, or from
 * packed rows; whole lanes of them either way. What one row adds up, and in which order, does not depend on the others. */
#ifndef SEGUE_ONEDNN_ATTENTION_BLOCK_H
#define SEGUE_ONEDNN_ATTENTION_BLOCK_H

#include "attention.h"
#include "engine/element.h"

#define UNROLL _Pragma("GCC unroll 8")

/* ABREAST: rows that share what is read; sums of four keys each have room in registers. */
enum { ABREAST = LANES == 16 ? 4 : 2, LINE_BYTES = 64 };

struct lines { /* rows of keys or of values */
    const char *base;
    int64_t at[ATTENTION_BLOCK + 3]; /* bytes behind base; the last is repeated for whole fours */
    intptr_t fetch, fetch_step;      /* what is fetched meanwhile, so many bytes from key to key; 0 = nothing */
    uint32_t dtype;
};

INLINE void fetch_ahead(intptr_t at, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += LINE_BYTES) __builtin_prefetch((const char *)(at + i), 0, 2);
}

/* sum[row][key] += q . four keys at channels i to i + LANES */
INLINE void some_channels(lanes sum[ABREAST][4], const float *q, int64_t q_pitch, const char *const row[4],
                          int64_t i, const int nr, const uint32_t dtype)
{
    const int64_t size = element_size(dtype);
    lanes x[4];
    UNROLL
    for (int c = 0; c < 4; c++) x[c] = element_load(row[c] + i * size, dtype);
    UNROLL
    for (int r = 0; r < nr; r++) {
        const lanes each = lanes_load(q + r * q_pitch + i);
        UNROLL
        for (int c = 0; c < 4; c++) sum[r][c] = lanes_fma(each, x[c], sum[r][c]);
    }
}

/* scores[r][four keys from `key` on] of nr rows of q */
INLINE void four_products(const float *q, int64_t q_pitch, const struct lines *k, int64_t key, int64_t width,
                          float *scores, const int nr, const uint32_t dtype, const int fetch)
{
    const int64_t size = element_size(dtype), line = LINE_BYTES / size;
    const intptr_t step = k->fetch_step, ahead = k->fetch + key * step;
    const char *row[4];
    lanes sum[ABREAST][4];
    int64_t i = 0;
    UNROLL
    for (int c = 0; c < 4; c++) row[c] = k->base + k->at[key + c];
    UNROLL
    for (int r = 0; r < nr; r++) {
        UNROLL
        for (int c = 0; c < 4; c++) sum[r][c] = (lanes){ 0 };
    }
    for (; i + line <= width; i += line) {
        UNROLL
        for (int c = 0; fetch && c < 4; c++)
            __builtin_prefetch((const char *)(ahead + c * step + i * size), 0, 2);
        UNROLL
        for (int part = 0; part < line / LANES; part++)
            some_channels(sum, q, q_pitch, row, i + part * LANES, nr, dtype);
    }
    for (; i < width; i += LANES) some_channels(sum, q, q_pitch, row, i, nr, dtype);
    UNROLL
    for (int r = 0; r < nr; r++) {
        const lanes four = lanes_four_sums(sum[r]);
        memcpy(scores + r * ATTENTION_BLOCK + key, &four, 4 * sizeof *scores); /* masked stores are slow */
    }
}

INLINE void products_as(const float *q, int64_t q_pitch, const struct lines *k, int64_t keys, int64_t width,
                        float *scores, const int nr, const uint32_t dtype, int fetch)
{
    if (fetch)
        for (int64_t i = 0; i < keys; i += 4) four_products(q, q_pitch, k, i, width, scores, nr, dtype, 1);
    else
        for (int64_t i = 0; i < keys; i += 4) four_products(q, q_pitch, k, i, width, scores, nr, dtype, 0);
}

INLINE void products_of(const float *q, int64_t q_pitch, const struct lines *k, int64_t keys, int64_t width,
                        float *scores, int64_t rows, const uint32_t dtype)
{
    int fetch = k->fetch != 0;
    int64_t r = 0;
    for (; rows - r >= ABREAST; r += ABREAST, fetch = 0)
        products_as(q + r * q_pitch, q_pitch, k, keys, width, scores + r * ATTENTION_BLOCK, ABREAST, dtype,
                    fetch);
    for (; rows - r >= 2; r += 2, fetch = 0)
        products_as(q + r * q_pitch, q_pitch, k, keys, width, scores + r * ATTENTION_BLOCK, 2, dtype, fetch);
    for (; r < rows; r++, fetch = 0)
        products_as(q + r * q_pitch, q_pitch, k, keys, width, scores + r * ATTENTION_BLOCK, 1, dtype, fetch);
}

/* Of `rows` rows with all keys of the block. */
static __attribute__((noinline)) void products(const float *q, int64_t q_pitch, const struct lines *k,
                                               int64_t keys, int64_t width, float *scores, int64_t rows)
{
    if (k->dtype == SEGUE_F32) products_of(q, q_pitch, k, keys, width, scores, rows, SEGUE_F32);
    else if (k->dtype == SEGUE_F16) products_of(q, q_pitch, k, keys, width, scores, rows, SEGUE_F16);
    else products_of(q, q_pitch, k, keys, width, scores, rows, SEGUE_BF16);
}

/* sum = sum * factor + weights . values */
struct sums {
    float *sum; /* [row][pitch] */
    int64_t pitch, width;
    const float *weight; /* [row][ATTENTION_BLOCK] */
    const float *factor; /* [row] */
    const int32_t *list; /* keys that the one row sees; NULL: all */
    int64_t keys;
    int fetch;
};

INLINE void some_columns(const struct sums *s, const struct lines *v, int64_t column, const int nr,
                         const int nv, const uint32_t dtype, const int listed)
{
    const int64_t size = element_size(dtype), keys = s->keys, at = column * size;
    const char *base = v->base + at;
    const float *weight = s->weight;
    lanes sum[ABREAST][4];
    UNROLL
    for (int r = 0; r < nr; r++) {
        const lanes factor = lanes_splat(s->factor[r]);
        UNROLL
        for (int c = 0; c < nv; c++)
            sum[r][c] = lanes_load(s->sum + r * s->pitch + column + c * LANES) * factor;
    }
    for (int64_t i = 0; i < keys; i++) {
        const int64_t key = listed ? s->list[i] : i;
        const char *row = base + v->at[key];
        lanes x[4];
        UNROLL
        for (int c = 0; c < nv; c++) x[c] = element_load(row + c * LANES * size, dtype);
        if (s->fetch) fetch_ahead(v->fetch + i * v->fetch_step + at, nv * LANES * size);
        UNROLL
        for (int r = 0; r < nr; r++) {
            const lanes w = lanes_splat(weight[r * ATTENTION_BLOCK + key]);
            UNROLL
            for (int c = 0; c < nv; c++) sum[r][c] = lanes_fma(w, x[c], sum[r][c]);
        }
    }
    UNROLL
    for (int r = 0; r < nr; r++) {
        UNROLL
        for (int c = 0; c < nv; c++) lanes_store(s->sum + r * s->pitch + column + c * LANES, sum[r][c]);
    }
}

INLINE void sums_as(const struct sums *given, const struct lines *v, const int nr, const uint32_t dtype,
                    const int listed)
{
    const struct sums copy = *given, *s = &copy; /* a copy that no store changes */
    int64_t i = 0;
    for (; s->width - i >= 4 * LANES; i += 4 * LANES) some_columns(s, v, i, nr, 4, dtype, listed);
    for (; s->width - i >= LANES; i += LANES) some_columns(s, v, i, nr, 1, dtype, listed);
}

INLINE void sums_of(const struct sums *s, const struct lines *v, int64_t rows, const uint32_t dtype)
{
    if (s->list) sums_as(s, v, 1, dtype, 1);
    else if (rows == ABREAST) sums_as(s, v, ABREAST, dtype, 0);
    else if (rows == 2) sums_as(s, v, 2, dtype, 0);
    else sums_as(s, v, 1, dtype, 0);
}

/* Of ABREAST rows, 2 or 1; of one if there is a list. */
static __attribute__((noinline)) void add_values(const struct sums *s, const struct lines *v, int64_t rows)
{
    if (v->dtype == SEGUE_F32) sums_of(s, v, rows, SEGUE_F32);
    else if (v->dtype == SEGUE_F16) sums_of(s, v, rows, SEGUE_F16);
    else sums_of(s, v, rows, SEGUE_BF16);
}

#endif
