/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loop: a block of tokens goes through the state at once, so that each part of it is loaded and
 * stored once for BLOCK tokens. Value columns lie in lanes, keys are counted through. The state is kept divided
 * by its frame, a product of decays, and is itself multiplied now and then only. With F_u the frame behind token u
 *     S += k_u x_u / F_u,     y_u = F_u S^T q_u,     u = 0, 1, ...
 * so that nothing depends on later tokens, not even a rounding. Frames by key are multiplied into q and k
 * beforehand (gated_recurrence_prepare.h), those of a whole head into y and x here. Where another head reads this
 * state first, it is not written yet, and with P_u the product of the block's decays up to token u
 *     y_u = P_u S^T q_u + sum of s <= u: (q_u . k_s) P_u / P_s x_s
 * The quotients are products of the decays between two tokens.
 * arXiv:2312.06635, section 4; the block form of arXiv:2405.21060, section 6. */
#ifndef SEGUE_ONEDNN_GATED_RECURRENCE_BLOCK_H
#define SEGUE_ONEDNN_GATED_RECURRENCE_BLOCK_H

#include "engine/element.h"
#include "engine/unroll.h"

/* BLOCK: as many tokens as 16 or 32 registers hold, with WIDEST vectors of columns. SOON: lines fetched ahead by a
 * block, at most. */
enum { BLOCK = LANES == 16 ? 4 : 2, WIDEST = 3, SOON = 128 };

enum decays {
    DECAY_NONE,
    DECAY_BLOCK,
    DECAY_TOKEN
}; /* the state is multiplied: before the block, each token */

struct token_block {
    float y[BLOCK], x[BLOCK]; /* factors of what the state gives, of what it takes */
    float c[BLOCK * BLOCK];   /* [u][s]: x_s in y_u, where nothing is written */
    int32_t decays;
};

struct unit { /* up to WIDEST vectors of columns of one head, and whole blocks of tokens */
    int64_t keys, blocks;
    float *S; /* [k][column] */
    const float *R, *U,
        *product; /* [token][k]: q, k; what multiplies the state, with DECAY_BLOCK its first token's */
    int64_t R_step, U_step, product_step; /* floats */
    const struct token_block *factors;
    const float *inverse, *D; /* [token], [column]; NULL: none */
    const char *x;            /* tokens x_step bytes apart; NULL: none */
    char *y;
    int64_t x_step, y_step;
    uint32_t x_dtype, y_dtype; /* f32 or bf16 */
    int32_t reads, writes, stream;
    int64_t lines; /* that the first block fetches, and how far on the next block's are */
    intptr_t *soon, *further;
};

/* Keys [from, to) of a block of tokens. */
INLINE void some_keys(const struct unit *u, int64_t b, int64_t from, int64_t to, const intptr_t *soon,
                      lanes x[BLOCK][WIDEST], lanes y[BLOCK][WIDEST], const int nv, const int reads,
                      const int writes, const int decays)
{
    const int64_t R_step = u->R_step, U_step = u->U_step, product_step = u->product_step;
    const float *R = u->R + b * BLOCK * R_step, *U = u->U + b * BLOCK * U_step,
                *product = u->product + b * BLOCK * product_step;
    float *S = u->S;
    for (int64_t i = from; i < to; i++) {
        float *at = S + i * nv * LANES;
        lanes s[WIDEST];
        if (soon && !(i & 1)) __builtin_prefetch((const char *)soon[i >> 1], 0, 3);
        UNROLL
        for (int c = 0; c < nv; c++) {
            s[c] = lanes_load(at + c * LANES);
            if (decays == DECAY_BLOCK) s[c] *= product[i];
        }
        UNROLL
        for (int t = 0; t < BLOCK; t++) {
            const lanes m = lanes_splat(decays == DECAY_TOKEN ? product[t * product_step + i] : 1),
                        k = lanes_splat(writes ? U[t * U_step + i] : 0),
                        r = lanes_splat(reads ? R[t * R_step + i] : 0);
            UNROLL
            for (int c = 0; c < nv; c++) {
                if (decays == DECAY_TOKEN) s[c] *= m;
                if (writes) s[c] = lanes_fma(k, x[t][c], s[c]);
                if (reads) y[t][c] = lanes_fma(r, s[c], y[t][c]);
            }
        }
        UNROLL
        for (int c = 0; writes && c < nv; c++) lanes_store(at + c * LANES, s[c]);
    }
}

/* x of one token. */
INLINE lanes value_at(const struct unit *u, int64_t token, int c)
{
    const char *p = u->x + token * u->x_step;
    if (u->x_dtype == SEGUE_F32) return element_load(p + c * (4 * LANES), SEGUE_F32);
    return element_load(p + c * (2 * LANES), SEGUE_BF16);
}

INLINE void put_at(const struct unit *u, int64_t token, int c, lanes v)
{
    char *p = u->y + token * u->y_step;
    if (u->y_dtype == SEGUE_F32) element_store(p + c * (4 * LANES), v, SEGUE_F32, u->stream);
    else if (LANES == 16) element_store(p + c * (2 * LANES), v, BF16_FAST, u->stream);
    else element_store(p + c * (2 * LANES), v, SEGUE_BF16, u->stream);
}

/* y = (factor S^T q + what the block's own tokens give, if the state does not have it) / den + D x. */
INLINE void finish_block(const struct unit *u, int64_t b, lanes y[BLOCK][WIDEST], const int nv,
                         const int writes)
{
    const struct token_block *w = u->factors + b;
    UNROLL
    for (int c = 0; c < nv; c++) {
        lanes own[BLOCK];
        UNROLL
        for (int t = 0; t < BLOCK; t++) {
            own[t] = u->x && (!writes || u->D) ? value_at(u, b * BLOCK + t, c) : (lanes){ 0 };
            lanes out = y[t][c] * w->y[t];
            UNROLL
            for (int s = 0; !writes && s <= t; s++)
                out = lanes_fma(lanes_splat(w->c[t * BLOCK + s]), own[s], out);
            if (u->inverse) out *= u->inverse[b * BLOCK + t];
            if (u->D) out = lanes_fma(lanes_load(u->D + c * LANES), own[t], out);
            put_at(u, b * BLOCK + t, c, out);
        }
    }
}

INLINE void block_as(const struct unit *u, int64_t b, const int nv, const int reads, const int writes,
                     const int decays)
{
    const struct token_block *w = u->factors + b;
    lanes x[BLOCK][WIDEST], y[BLOCK][WIDEST];
    const intptr_t *soon = u->soon;
    int64_t left = u->lines;
    for (; left > u->keys / 2; left--) __builtin_prefetch((const char *)*soon++, 0, 3);
    UNROLL
    for (int t = 0; t < BLOCK; t++) {
        UNROLL
        for (int c = 0; c < nv; c++) {
            y[t][c] = x[t][c] = (lanes){ 0 };
            if (writes && u->x) x[t][c] = value_at(u, b * BLOCK + t, c) * w->x[t];
        }
    }
    const int64_t ahead = 2 * left < u->keys ? 2 * left : u->keys;
    some_keys(u, b, 0, ahead, soon, x, y, nv, reads, writes, decays);
    some_keys(u, b, ahead, u->keys, NULL, x, y, nv, reads, writes, decays);
    if (reads) finish_block(u, b, y, nv, writes);
}

/* To the lines that the next block fetches. */
INLINE void move_on(intptr_t *restrict soon, const intptr_t *restrict further, int64_t lines)
{
    for (int64_t i = 0; i < lines; i++) soon[i] += further[i];
}

INLINE void sweep_as(const struct unit *u, const int nv)
{
    for (int64_t b = 0; b < u->blocks; b++) {
        const int32_t decays = u->factors[b].decays;
        if (!u->writes) block_as(u, b, nv, 1, 0, DECAY_NONE);
        else if (u->reads && decays == DECAY_TOKEN) block_as(u, b, nv, 1, 1, DECAY_TOKEN);
        else if (u->reads && decays == DECAY_BLOCK) block_as(u, b, nv, 1, 1, DECAY_BLOCK);
        else if (u->reads) block_as(u, b, nv, 1, 1, DECAY_NONE);
        else if (decays == DECAY_TOKEN) block_as(u, b, nv, 0, 1, DECAY_TOKEN);
        else if (decays == DECAY_BLOCK) block_as(u, b, nv, 0, 1, DECAY_BLOCK);
        else block_as(u, b, nv, 0, 1, DECAY_NONE);
        move_on(u->soon, u->further, u->lines);
    }
}

/* One function for each width: it needs all registers. */
static __attribute__((noinline)) void sweep_one(const struct unit *u)
{
    sweep_as(u, 1);
}
static __attribute__((noinline)) void sweep_two(const struct unit *u)
{
    sweep_as(u, 2);
}
static __attribute__((noinline)) void sweep_three(const struct unit *u)
{
    sweep_as(u, 3);
}
static void (*const sweeps[WIDEST + 1])(const struct unit *) = { NULL, sweep_one, sweep_two, sweep_three };

#endif
