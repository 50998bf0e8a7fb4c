/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One token of one head, where the state is: it is read and written once, in one stream each, whichever of its
 * axes lies side by side. Values in lanes as in gated_recurrence_block.h; or keys in lanes, and y's sums turned
 * at the end. */
#ifndef SEGUE_ONEDNN_GATED_RECURRENCE_STEP_H
#define SEGUE_ONEDNN_GATED_RECURRENCE_STEP_H

#include "gated_recurrence_block.h"

/* AT_ONCE: vectors of columns that have room in registers. SOON_BYTES: how far ahead the state is
 * fetched: a page, beyond whose end hardware does not look. */
enum { AT_ONCE = LANES == 16 ? 8 : 4, SOON_BYTES = 4096 };

struct step {
    const char *in;          /* NULL: 0 */
    char *out;               /* NULL: nowhere */
    int64_t in_row, out_row; /* bytes from row to row: a key's, or a value column's */
    uint32_t dtype;
    int64_t keys, columns;
    const float *q, *k, *w, *x; /* scaled q, gain k, decays, v: whole lanes of them */
    float *y;
};

INLINE lanes state_load(const char *p, int64_t at, int64_t left, const uint32_t dtype, const int plain)
{
    if (!plain && !p) return (lanes){ 0 };
    p += at;
    return left >= LANES ? element_load(p, dtype) : element_load_some(p, dtype, left);
}

INLINE void state_store(char *p, int64_t at, int64_t left, lanes v, const uint32_t dtype, const int plain)
{
    if (!plain && !p) return;
    p += at;
    if (left >= LANES) element_store(p, v, dtype, 0);
    else element_store_some(p, v, dtype, left);
}

/* nv vectors of columns from column on. plain: f32, read and written; whole: no partial vector. */
INLINE void step_columns(const struct step *given, int64_t column, const int nv, const int whole,
                         const int plain)
{
    const struct step copy = *given, *s = &copy; /* a copy that no store changes */
    const uint32_t dtype = plain ? SEGUE_F32 : s->dtype;
    const int64_t size = element_size(dtype), left = whole ? LANES : s->columns - column;
    const char *in = s->in ? s->in + column * size : NULL;
    char *out = s->out ? s->out + column * size : NULL;
    lanes x[AT_ONCE], y[AT_ONCE];
    UNROLL
    for (int c = 0; c < nv; c++) {
        x[c] = lanes_load(s->x + column + c * LANES);
        y[c] = (lanes){ 0 };
    }
    for (int64_t i = 0; i < s->keys; i++) {
        const lanes q = lanes_splat(s->q[i]), k = lanes_splat(s->k[i]), w = lanes_splat(s->w[i]);
        UNROLL
        for (int c = 0; c < nv; c++) {
            lanes h = state_load(in, i * s->in_row + c * LANES * size, left, dtype, plain);
            h = lanes_fma(h, w, k * x[c]);
            y[c] = lanes_fma(q, h, y[c]);
            state_store(out, i * s->out_row + c * LANES * size, left, h, dtype, plain);
            if (plain) __builtin_prefetch(in + i * s->in_row + c * LANES * size + SOON_BYTES, 1, 3);
        }
    }
    UNROLL
    for (int c = 0; c < nv; c++) lanes_store(s->y + column + c * LANES, y[c]);
}

INLINE void step_values_as(const struct step *s, const int plain)
{
    int64_t c = 0;
    for (; s->columns - c >= AT_ONCE * LANES; c += AT_ONCE * LANES) step_columns(s, c, AT_ONCE, 1, plain);
    for (; s->columns - c >= 4 * LANES; c += 4 * LANES) step_columns(s, c, 4, 1, plain);
    for (; s->columns - c >= LANES; c += LANES) step_columns(s, c, 1, 1, plain);
    if (c < s->columns) step_columns(s, c, 1, 0, plain);
}

/* The value columns' rows one after the other: memory is walked through in order. */
INLINE lanes step_row(const struct step *s, int64_t column, const int plain)
{
    const uint32_t dtype = plain ? SEGUE_F32 : s->dtype;
    const int64_t size = element_size(dtype), keys = s->keys;
    const char *in = s->in ? s->in + column * s->in_row : NULL;
    char *out = s->out ? s->out + column * s->out_row : NULL;
    const float *q = s->q, *k = s->k, *w = s->w;
    const lanes x = lanes_splat(s->x[column]);
    lanes sum = { 0 };
    for (int64_t i = 0; i < keys; i += LANES) {
        const int64_t left = plain == 2 ? LANES : keys - i;
        lanes h = state_load(in, i * size, left, dtype, plain);
        h = lanes_fma(h, lanes_load(w + i), lanes_load(k + i) * x);
        sum = lanes_fma(lanes_load(q + i), h, sum);
        state_store(out, i * size, left, h, dtype, plain);
        if (plain) __builtin_prefetch(in + i * size + SOON_BYTES, 1, 3);
    }
    return sum;
}

INLINE void step_keys_as(const struct step *given, const int plain)
{
    const struct step s = *given; /* a copy that no store changes */
    for (int64_t c = 0; c < s.columns; c += 4) {
        lanes sum[4] = { { 0 } };
        UNROLL
        for (int r = 0; r < 4; r++)
            if (c + r < s.columns) sum[r] = step_row(&s, c + r, plain);
        lanes_store_some(s.y + c, 4, lanes_four_sums(sum)); /* y has whole lanes */
    }
}

/* Loops of their own for f32 that is read and written. */
static __attribute__((noinline)) void step_values(const struct step *s)
{
    if (s->dtype == SEGUE_F32 && s->in && s->out) step_values_as(s, 1);
    else step_values_as(s, 0);
}
static __attribute__((noinline)) void step_keys(const struct step *s)
{
    const int plain = s->dtype == SEGUE_F32 && s->in && s->out;
    if (plain && s->keys % LANES == 0) step_keys_as(s, 2);
    else if (plain) step_keys_as(s, 1);
    else step_keys_as(s, 0);
}

#endif
