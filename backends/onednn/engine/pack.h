/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between tensors of any dtype and stride and f32 tiles.
 *
 * A tile is a matrix cut into blocks of LANES columns: element (row, column) lies at
 *     row * row_pitch + column / LANES * block_pitch + column % LANES
 * so that row_pitch = LANES gives [block][row][lane] and block_pitch = LANES gives plain rows. Lanes behind the
 * last column are filled with 0 by pack and never stored by unpack. */
#ifndef SEGUE_ENGINE_PACK_H
#define SEGUE_ENGINE_PACK_H

#include <segue/segue.h>

struct segue_strip { /* a matrix of elements inside a tensor; strides in elements */
    char *data;      /* element (0, 0) */
    uint32_t dtype;  /* SEGUE_F32, SEGUE_F16 or SEGUE_BF16 */
    uint32_t element_bytes;
    int64_t rows, row_stride;
    int64_t columns, column_stride;
    int64_t stream; /* unpack: 1 = past the caches where it can; the thread fences before others may read */
};

/* Rows along one axis of t and columns along another, from element (0, ..., 0) on; row_axis -1: one row. */
static inline struct segue_strip strip_of(const segue_tensor *t, int row_axis, int column_axis)
{
    struct segue_strip s = { .data = (char *)t->data + t->offset, .dtype = segue_dtype_id(t->dtype) };
    s.element_bytes = t->dtype.bits / 8;
    s.rows = row_axis < 0 ? 1 : t->shape[row_axis];
    s.row_stride = row_axis < 0 ? 0 : t->stride[row_axis];
    s.columns = t->shape[column_axis];
    s.column_stride = t->stride[column_axis];
    return s;
}

static inline void strip_move(struct segue_strip *s, int64_t elements)
{
    s->data += elements * (int64_t)s->element_bytes;
}

static inline void strip_cut_rows(struct segue_strip *s, int64_t first, int64_t count)
{
    strip_move(s, first * s->row_stride);
    s->rows = count;
}

static inline void strip_cut_columns(struct segue_strip *s, int64_t first, int64_t count)
{
    strip_move(s, first * s->column_stride);
    s->columns = count;
}

#define SEGUE_PACK_DECLARE(isa)                                                                 \
    void segue_pack_##isa(float *tile, int64_t row_pitch, int64_t block_pitch,                  \
                          const struct segue_strip *from);                                      \
    void segue_unpack_##isa(const struct segue_strip *to, const float *tile, int64_t row_pitch, \
                            int64_t block_pitch);
SEGUE_PACK_DECLARE(base)
SEGUE_PACK_DECLARE(avx2)
SEGUE_PACK_DECLARE(avx512)

#endif
