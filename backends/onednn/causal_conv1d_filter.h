/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of the convolution, straight from tensor to tensor or from scratch to scratch. Built once
 * per instruction set, in causal_conv1d_kernel.c. Every way computes bias, then taps from the oldest on,
 * each fused, then the activation, then the gate: the same bits whichever way a token went.
 *
 * Why it is so, AVX-512, two threads, width 4, 2048 tokens. Figures that can be taken again are `segue
 * bench`'s (README.md); those here were seen with drivers outside the tree, on a machine whose memory
 * changes its speed within seconds, and say which way is better, not by how much.
 * - Threads share out rows: even a copy takes 1.2 to 1.7 times as long where each thread has half of every
 *   row.
 * - 8 rows at once: in the first-level cache 0.9 of the cycles of 4 (SiLU to bf16).
 * - Streaming stores where y is large: plain ones had half the rate once y exceeds the caches, and 0.9 to
 *   1.15 of it where x and y just fit into the last level (25 of 32 MB).
 *
 * Tried without gain: whole rows instead of panels of 384 channels, streaming 768 (taps and rows exceed the
 * first-level cache); one or two rows at once; strips of 16 or 32 channels down the tile with the window in
 * registers; a Newton step instead of the quotient; write prefetch (a gain for unaligned rows, a loss for
 * aligned ones). Rows that are not aligned are never streamed. */
#ifndef SEGUE_ONEDNN_CAUSAL_CONV1D_FILTER_H
#define SEGUE_ONEDNN_CAUSAL_CONV1D_FILTER_H

#include "engine/element.h"

enum {
    FIXED = 4, /* widths from 2 up to this one have loops of their own */
    LINE = 64, /* bytes of a line of the caches */
    /* tokens that such a loop takes at once: their windows share rows, and all share the taps; as the
     * registers allow */
    AT_ONCE = SEGUE_LANES == 16 ? 8 : 4,
    FEWER = 4
};

struct plane { /* rows of elements; NULL: none */
    char *data;
    int64_t step; /* bytes from row to row */
};

struct filter {          /* a matrix of outputs; lanes run along its columns */
    struct plane x, pre; /* row 0: what the oldest tap of y's row 0 meets */
    struct plane post, y;
    const float *weight, *bias; /* lanes are channels: [tap][column] with weight_pitch, [column] */
    int64_t weight_pitch;
    const int32_t *tags; /* NULL, or of the rows of x */
    int64_t rows, columns, width;
    int32_t silu, stream; /* stream: y may be written past the caches where its rows are aligned */
};

/* ---- elements ------------------------------------------------------------------------------------------- */

/* count = LANES (a constant): all of them. */
INLINE lanes fetch(const struct plane *p, int64_t row, int64_t column, uint32_t dtype, int64_t count)
{
    const char *at = p->data + row * p->step + column * element_size(dtype);
    return count == LANES ? element_load(at, dtype) : element_load_some(at, dtype, count);
}

INLINE void put(const struct plane *p, int64_t row, int64_t column, uint32_t dtype, int64_t count,
                int32_t stream, lanes v)
{
    char *at = p->data + row * p->step + column * element_size(dtype);
    if (count == LANES) element_store(at, v, dtype, stream);
    else element_store_some(at, v, dtype, count);
}

/* ---- activation ----------------------------------------------------------------------------------------- */

#if SEGUE_LANES == 16
/* x / (1 + exp(-x)) within 2 ulp, with infinities, NaN and large x right. The power of two is applied by
 * scalef, which saturates by itself; what is left to guard is the rounding to an integer, which 200 is far
 * enough for. On the machines measured the quotient costs less than a refined reciprocal, which also fails
 * below x = -87. */
INLINE lanes silu(lanes x)
{
    lanes c = (lanes)_mm512_range_ps((__m512)x, _mm512_set1_ps(200.0f), 2); /* x, its magnitude 200 at most */
    lanes n = lanes_fma(c, lanes_splat(-LANES_LOG2E), lanes_splat(LANES_MAGIC)) - LANES_MAGIC;
    lanes s = lanes_fma(n, lanes_splat(0x1.63p-1f), c); /* -c = n ln 2 - s, by Cody and Waite */
    s = lanes_fma(n, lanes_splat(-0x1.bd0106p-13f), s);
    lanes p =
        lanes_fma(lanes_splat(-0.00829307642f), s, lanes_splat(0.0418968238f)); /* exp(-s), as lanes_exp2 */
    p = lanes_fma(p, s, lanes_splat(-0.166675523f));
    p = lanes_fma(p, s, lanes_splat(0.499991626f));
    p = lanes_fma(p, s, lanes_splat(-0.999999762f));
    p = lanes_fma(p, s, lanes_splat(1.0f));
    return x / ((lanes)_mm512_scalef_ps((__m512)p, (__m512)n) + 1.0f);
}
#else
INLINE lanes silu(lanes x)
{
    return lanes_silu(x);
}
#endif

/* ---- channels in lanes ---------------------------------------------------------------------------------- */

/* Row i of few. In steps of three, since an address has one factor of 1, 2, 4 or 8: few registers hold it
 * all. */
INLINE char *row_at(struct plane p, int i)
{
    return p.data + i / 3 * (3 * p.step) + i % 3 * p.step;
}

INLINE void multiply_rows(lanes *v, const int rows, struct plane gate, int64_t byte, uint32_t dtype)
{
#pragma GCC unroll 11
    for (int i = 0; i < rows; i++) v[i] *= element_load(row_at(gate, i) + byte, dtype);
}

/* The first `many` rows of y (AT_ONCE or FEWER), LANES columns from column on. */
INLINE void block(const struct filter *f, int64_t column, const int many, const int width, uint32_t dtype,
                  const int gated)
{
    lanes v[AT_ONCE + FIXED - 1], y[AT_ONCE];
    const int rows = many + width - 1;
    const int64_t byte = column * element_size(dtype);
#pragma GCC unroll 11
    for (int i = 0; i < rows; i++) v[i] = element_load(row_at(f->x, i) + byte, dtype);
    if (gated && f->pre.data) multiply_rows(v, rows, f->pre, byte, dtype);
#pragma GCC unroll 8
    for (int i = 0; i < many; i++) y[i] = lanes_load(f->bias + column);
#pragma GCC unroll 4
    for (int k = 0; k < width; k++) {
        lanes tap = lanes_load(f->weight + k * f->weight_pitch + column);
#pragma GCC unroll 8
        for (int i = 0; i < many; i++) y[i] = lanes_fma(tap, v[i + k], y[i]);
    }
    /* The next rows, while these are computed. Numbers, not pointers: the last ones lead out of the tensor. */
    uintptr_t next = (uintptr_t)(row_at(f->x, rows - 1) + byte), step = (uintptr_t)f->x.step;
#pragma GCC unroll 8
    for (int i = 0; i < many; i++) __builtin_prefetch((const void *)(next += step), 0, 3);
    if (f->silu) {
#pragma GCC unroll 8
        for (int i = 0; i < many; i++) y[i] = silu(y[i]);
    }
    if (gated && f->post.data) multiply_rows(y, many, f->post, byte, dtype);
#pragma GCC unroll 8
    for (int i = 0; i < many; i++) element_store(row_at(f->y, i) + byte, y[i], dtype, f->stream);
}

/* One row, any width, tags. */
INLINE void block_any(const struct filter *f, int64_t row, int64_t column, int64_t count, uint32_t dtype)
{
    lanes y = lanes_load(f->bias + column);
    for (int64_t k = 0; k < f->width; k++) {
        if (f->tags && f->tags[row + k] != f->tags[row + f->width - 1]) continue;
        lanes v = fetch(&f->x, row + k, column, dtype, count);
        if (f->pre.data) v *= fetch(&f->pre, row + k, column, dtype, count);
        y = lanes_fma(lanes_load(f->weight + k * f->weight_pitch + column), v, y);
    }
    if (f->silu) y = silu(y);
    if (f->post.data) y *= fetch(&f->post, row, column, dtype, count);
    if (f->tags && f->tags[row + f->width - 1] < 0) y = (lanes){ 0 };
    put(&f->y, row, column, dtype, count, 0, y);
}

/* Where a row's next block begins. The last one ends at the right edge: what it shares with the one before
 * it is computed twice. */
INLINE int64_t block_at(const struct filter *f, int64_t column)
{
    return column + LANES <= f->columns ? column : f->columns - LANES;
}

INLINE void down_any(const struct filter *f, uint32_t dtype)
{
    for (int64_t row = 0; row < f->rows; row++) {
        if (f->columns < LANES) block_any(f, row, 0, f->columns, dtype);
        else
            for (int64_t c = 0; c < f->columns; c += LANES) block_any(f, row, block_at(f, c), LANES, dtype);
    }
}

INLINE void forward(struct filter *f, int64_t rows)
{
    f->x.data += rows * f->x.step;
    if (f->pre.data) f->pre.data += rows * f->pre.step;
    if (f->post.data) f->post.data += rows * f->post.step;
    f->y.data += rows * f->y.step;
    f->rows -= rows;
}

/* As many rows as come AT_ONCE, or FEWER; what is left. The copy stays in registers: what stores may reach
 * would be read again after each. */
INLINE void down(struct filter *rest, const int width, uint32_t dtype, const int gated)
{
    struct filter f = *rest;
    for (; f.rows >= AT_ONCE; forward(&f, AT_ONCE))
        for (int64_t c = 0; c < f.columns; c += LANES) block(&f, block_at(&f, c), AT_ONCE, width, dtype, gated);
    for (; f.rows >= FEWER; forward(&f, FEWER))
        for (int64_t c = 0; c < f.columns; c += LANES) block(&f, block_at(&f, c), FEWER, width, dtype, gated);
    *rest = f;
}

INLINE void down_gated(struct filter *rest, uint32_t dtype, const int gated)
{
    if (rest->width == 4) down(rest, 4, dtype, gated);
    else if (rest->width == 3) down(rest, 3, dtype, gated);
    else if (rest->width == 2) down(rest, 2, dtype, gated);
}

INLINE void down_as(const struct filter *f, uint32_t dtype)
{
    struct filter rest = *f;
    int any = f->tags || f->columns < LANES, gated = f->pre.data || f->post.data;
    if (!any && gated) down_gated(&rest, dtype, 1);
    else if (!any) down_gated(&rest, dtype, 0);
    down_any(&rest, dtype);
}

/* ---- tokens in lanes ------------------------------------------------------------------------------------ */

struct line { /* one channel; x and y from the same token on, x readable from width - 1 tokens before it */
    const char *x;
    char *y;
    const float *weight; /* [tap] with weight_pitch */
    int64_t weight_pitch, tokens, width;
    float bias;
    int32_t silu, stream;
};

/* Tokens [i, i + count). */
INLINE void window(const struct line *l, const lanes *taps, int64_t i, int64_t count, const int64_t width,
                   uint32_t dtype, int32_t stream)
{
    const struct plane x = { (char *)(uintptr_t)l->x, element_size(dtype) }, to = { l->y, 0 };
    lanes y = lanes_splat(l->bias);
    for (int64_t k = 0; k < width; k++) {
        lanes tap = k < FIXED ? taps[k] : lanes_splat(l->weight[k * l->weight_pitch]);
        y = lanes_fma(tap, fetch(&x, i + k - (width - 1), 0, dtype, count), y);
    }
    if (l->silu) y = silu(y);
    put(&to, 0, i, dtype, count, stream, y);
}

/* Tokens [from, to), LANES or more; the last ones from the right edge, as above. */
INLINE void along(const struct line *l, int64_t from, int64_t to, const int64_t width, uint32_t dtype,
                  int32_t stream)
{
    lanes taps[FIXED];
    for (int64_t k = 0; k < FIXED && k < width; k++) taps[k] = lanes_splat(l->weight[k * l->weight_pitch]);
    for (int64_t i = from; i < to; i += LANES)
        window(l, taps, i + LANES <= to ? i : to - LANES, LANES, width, dtype, stream);
}

/* The same for any number of tokens, none of them twice. Edges only: neither width nor dtype is a constant. */
static __attribute__((noinline)) void along_some(const struct line *l, int64_t from, int64_t to, uint32_t dtype)
{
    for (; from + LANES <= to; from += LANES) along(l, from, from + LANES, l->width, dtype, 0);
    if (from >= to) return;
    lanes taps[FIXED];
    for (int64_t k = 0; k < FIXED && k < l->width; k++) taps[k] = lanes_splat(l->weight[k * l->weight_pitch]);
    window(l, taps, from, to - from, l->width, dtype, 0);
}

INLINE void along_as(const struct line *l, uint32_t dtype)
{
    const int64_t size = element_size(dtype);
    int64_t from = 0, to = l->tokens;
    int32_t stream = l->stream && (uintptr_t)l->y % (uintptr_t)size == 0;
    if (stream) { /* whole lines only: to write a line both ways costs more than either */
        from = (int64_t)(-(uintptr_t)l->y % LINE) / size;
        if (from > to) from = to;
        to -= (to - from) % (LINE / size);
        along_some(l, 0, from, dtype);
        along_some(l, to, l->tokens, dtype);
    }
    if (to - from < LANES) along_some(l, from, to, dtype);
    else if (l->width == 4) along(l, from, to, 4, dtype, stream);
    else if (l->width == 3) along(l, from, to, 3, dtype, stream);
    else if (l->width == 2) along(l, from, to, 2, dtype, stream);
    else along(l, from, to, l->width, dtype, stream);
}

#endif
