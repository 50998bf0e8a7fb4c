/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows of attention agree on: which slots, key rows and positions a sequence has. */
#ifndef SEGUE_ONEDNN_ATTENTION_SEQUENCE_H
#define SEGUE_ONEDNN_ATTENTION_SEQUENCE_H

#include "engine/tile.h"

#include <string.h>

struct attention_sequence {
    int64_t batch;
    int64_t q, queries, k, keys; /* first slots and their numbers */
    int64_t rows;                /* of keys: those behind them are not there */
    int64_t first;               /* position of its first query slot, where no row says it */
};

static inline int attention_present(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

/* softcap, so large that scores divided by it stay numbers. */
static inline double attention_cap(const segue_attention *op)
{
    return op->softcap > 0 && op->softcap < 0x1p-100 ? 0x1p-100 : op->softcap;
}

static inline int32_t attention_index(const segue_tensor *t, int64_t i, int64_t j, int64_t k)
{
    const int64_t at[3] = { i, j, k };
    int64_t index = 0;
    int32_t value;
    for (int axis = 0; axis < t->rank; axis++) index += at[axis] * t->stride[axis];
    memcpy(&value, (const char *)t->data + t->offset + index * (int64_t)sizeof value, sizeof value);
    return value;
}

/* Of chunk numbers, which wrap below 0, too: the largest whole number at most x / n. */
static inline int64_t floor_of(int64_t x, int64_t n)
{
    return x >= 0 ? x / n : -((n - 1 - x) / n);
}

static inline int64_t query_slots(const segue_attention *op)
{
    return attention_present(&op->q_index) ? op->q_index.shape[2] : op->q.shape[1];
}

static inline int64_t key_slots(const segue_attention *op)
{
    return attention_present(&op->k_index) ? op->k_index.shape[2] : op->k.shape[1];
}

static inline int64_t attention_sequences(const segue_attention *op)
{
    return attention_present(&op->cu_seqlens) ? op->cu_seqlens.shape[0] - 1 : op->q.shape[0];
}

/* Whether a key's sum of squares may have left f32 on the way; so if it is NaN. */
static inline int attention_far(float squares)
{
    return !(squares >= 0x1p-80f && squares <= 0x1p126f);
}

/* Of such a key 1 / sqrt(sum k^2 + eps width), in double; zero: if it is zero. */
static inline __attribute__((cold)) float attention_far_inverse(const segue_attention *op, const float *k,
                                                                float zero)
{
    double squares = op->key_eps * (double)op->k.shape[3];
    for (int64_t i = 0; i < op->k.shape[3]; i++) squares += (double)k[i] * (double)k[i];
    return squares == 0 ? zero : (float)(1 / __builtin_sqrt(squares));
}

static inline struct attention_sequence attention_sequence_at(const segue_attention *op, int64_t s)
{
    const segue_tensor absent = { 0 };
    struct segue_sequences all = { .cu_seqlens = &op->cu_seqlens, .slot = &absent, .tokens = query_slots(op) };
    const struct segue_sequence q = segue_sequence_at(&all, s);
    all.cu_seqlens = &op->cu_seqlens_k, all.tokens = key_slots(op);
    const struct segue_sequence k = segue_sequence_at(&all, s);
    struct attention_sequence in = { q.batch, q.first, q.length, k.first, k.length, .rows = op->k.shape[1] };
    if (attention_present(&op->cu_seqlens)) in.rows = in.keys;
    if (attention_present(&op->k_len)) in.rows = clamp(attention_index(&op->k_len, s, 0, 0), 0, in.rows);
    if (op->align == SEGUE_ATTENTION_BOTTOM_RIGHT) in.first = in.rows - in.queries;
    else if (attention_present(&op->q_offset)) in.first = attention_index(&op->q_offset, s, 0, 0);
    return in;
}

#endif
