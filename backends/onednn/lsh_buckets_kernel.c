/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. Tokens lie in lanes and rotations are spread over them, so that the largest score of a token
 * needs no comparison across lanes: it is found among the sums while these are in registers. */
#include "lsh_buckets.h"
#include "product.h"

#define PACK SEGUE_ISA_NAME(segue_pack)

/* Tokens whose sums are computed at once; bands of a tile, for which a block of rotations is read from the second-level cache
 * once: two bands of 64 floats a token are half the first-level cache. */
enum { BAND = WIDEST * LANES, BANDS = 2, TILE = BANDS * BAND };

/* Of a tile's tokens: the largest score and the smallest, and the first columns that have them. */
enum { MOST, MOST_AT, LEAST, LEAST_AT, NUMBERS };
struct best {
    float of[NUMBERS][TILE];
};

static int64_t padded(int64_t columns)
{
    return (columns + BLOCK - 1) / BLOCK * BLOCK;
}

/* ---- rotations --------------------------------------------------------------------------------------------- */

/* [k f] of a head and round as [blocks of f][k][BLOCK]. What fills the last block repeats column 0: the first of equal ones wins. */
static void take(const segue_tensor *R, int64_t h, int64_t r, float *staged, float *to)
{
    const int64_t keys = R->shape[1], columns = R->shape[3], pitch = blocks_of(columns, LANES) * LANES;
    struct segue_strip s = strip_of(R, 1, 3);
    strip_move(&s, h * R->stride[0] + r * R->stride[2]);
    PACK(staged, pitch, LANES, &s);
    for (int64_t f = 0; f < columns; f += BLOCK)
        for (int64_t k = 0; k < keys; k++, to += BLOCK)
            for (int64_t u = 0; u < BLOCK; u++) to[u] = staged[k * pitch + (f + u < columns ? f + u : 0)];
}

static void rotations(const struct lsh_job *job, int64_t h, float *scratch)
{
    const segue_lsh_buckets *op = job->op;
    const int64_t first = op->R.shape[1] * padded(lsh_columns(&op->R)),
                  second = op->R.shape[1] * padded(lsh_columns(&op->R_2));
    for (int64_t r = 0; r < job->rounds; r++) {
        take(&op->R, h, r, scratch + job->staged, scratch + job->R + r * first);
        if (second) take(&op->R_2, h, r, scratch + job->staged, scratch + job->R_2 + r * second);
    }
}

/* ---- scores ------------------------------------------------------------------------------------------------ */

/* NaN is neither above nor below anything. */
INLINE void keep_best(struct best *best, int64_t token, const struct product_sums *y, int64_t column,
                      const int nv)
{
    UNROLL
    for (int c = 0; c < nv; c++) {
        const int64_t t = token + c * LANES;
        lanes most = lanes_load(&best->of[MOST][t]), most_at = lanes_load(&best->of[MOST_AT][t]),
              least = lanes_load(&best->of[LEAST][t]), least_at = lanes_load(&best->of[LEAST_AT][t]);
        UNROLL
        for (int u = 0; u < BLOCK; u++) {
            const lanes score = y->at[u][c], number = lanes_splat((float)(column + u));
            most_at = lanes_if_less(most, score, number, most_at);
            most = lanes_if_less(most, score, score, most);
            least_at = lanes_if_less(score, least, number, least_at);
            least = lanes_if_less(score, least, score, least);
        }
        lanes_store(&best->of[MOST][t], most), lanes_store(&best->of[MOST_AT][t], most_at);
        lanes_store(&best->of[LEAST][t], least), lanes_store(&best->of[LEAST_AT][t], least_at);
    }
}

INLINE void score_band(struct best *best, int64_t token, const float *R, const float *x, int64_t keys,
                       int64_t column, const int nv)
{
    struct product_sums y = { 0 };
    product_columns(&y, R, x, keys, nv, 0);
    keep_best(best, token, &y, column, nv);
}

/* A block of columns times all bands; the last one may have fewer vectors. */
static void score(struct best *best, const float *R, const float *x, int64_t keys, int64_t column,
                  int64_t tokens)
{
    int64_t token = 0;
    for (; tokens - token >= BAND; token += BAND, x += BAND * keys)
        score_band(best, token, R, x, keys, column, WIDEST);
    const int64_t rest = blocks_of(tokens - token, LANES);
    if (rest == 3) score_band(best, token, R, x, keys, column, 3);
    else if (rest == 2) score_band(best, token, R, x, keys, column, 2);
    else if (rest == 1) score_band(best, token, R, x, keys, column, 1);
}

/* The tokens' buckets among 2 `columns`, times weight, are added to bucket[]. */
static void hash_factor(const float *R, const float *x, int64_t keys, int64_t columns, int64_t tokens,
                        float weight, float *bucket)
{
    struct best best;
    const lanes infinite = lanes_splat(__builtin_inff()), none = { 0 };
    for (int64_t t = 0; t < TILE; t += LANES) {
        lanes_store(&best.of[MOST][t], -infinite), lanes_store(&best.of[MOST_AT][t], none);
        lanes_store(&best.of[LEAST][t], infinite), lanes_store(&best.of[LEAST_AT][t], none);
    }
    for (int64_t f = 0; f < columns; f += BLOCK, R += BLOCK * keys) score(&best, R, x, keys, f, tokens);
    for (int64_t t = 0; t < TILE; t += LANES) {
        const lanes most = lanes_load(&best.of[MOST][t]), least = lanes_load(&best.of[LEAST][t]);
        const lanes behind = lanes_load(&best.of[LEAST_AT][t]) + lanes_splat((float)columns);
        const lanes number = lanes_if_less(most, -least, behind, lanes_load(&best.of[MOST_AT][t]));
        lanes_store(bucket + t, lanes_load(bucket + t) + lanes_splat(weight) * number);
    }
}

static void take_tokens(const struct lsh_job *job, int64_t b, int64_t h, int64_t first, int64_t tokens,
                        float *x)
{
    const segue_tensor *from = &job->op->x;
    for (int64_t t = 0; t < tokens; t += BAND, x += BAND * from->shape[3]) {
        const int64_t count = tokens - t < BAND ? tokens - t : BAND;
        struct segue_strip s = strip_of(from, 3, 1);
        strip_move(&s, b * from->stride[0] + h * from->stride[2]);
        strip_cut_columns(&s, first + t, count);
        PACK(x, blocks_of(count, LANES) * LANES, LANES, &s);
    }
}

static void hash(const struct lsh_job *job, int64_t b, int64_t h, int64_t first, int64_t tokens, float *scratch)
{
    const segue_lsh_buckets *op = job->op;
    const int64_t keys = op->x.shape[3], f = lsh_columns(&op->R), g = lsh_columns(&op->R_2);
    int32_t *to = job->buckets + (b * job->heads + h) * job->rounds * job->tokens + first;
    take_tokens(job, b, h, first, tokens, scratch + job->x);
    for (int64_t r = 0; r < job->rounds; r++, to += job->tokens) {
        _Alignas(64) float bucket[TILE] = { 0 };
        hash_factor(scratch + job->R + r * keys * padded(f), scratch + job->x, keys, f, tokens, 1, bucket);
        if (g)
            hash_factor(scratch + job->R_2 + r * keys * padded(g), scratch + job->x, keys, g, tokens,
                        2 * (float)f, bucket);
        for (int64_t t = 0; t < tokens; t++) to[t] = (int32_t)bucket[t];
    }
}

const struct lsh_kernel SEGUE_ISA_NAME(segue_lsh) = { TILE, BLOCK, rotations, hash };
