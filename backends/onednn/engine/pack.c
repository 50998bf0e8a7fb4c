/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. Three ways through a strip: columns contiguous (rows are copied as they are),
 * rows contiguous (transposed in registers), and neither (element by element). */
#include "element.h"
#include "pack.h"

enum {
    RUN = 16
}; /* contiguous elements of one column that the transposing way takes at once; a multiple of 4 */

/* count <= LANES elements at any stride (in bytes), and back. Elements are moved as bits. */
INLINE lanes gather(const char *p, int64_t stride, int64_t count, uint32_t dtype)
{
    _Alignas(64) char raw[4 * LANES] = { 0 };
    const int64_t size = element_size(dtype);
    if (stride == size) memcpy(raw, p, (size_t)(count * size));
    for (int64_t i = 0; stride != size && i < count; i++) {
        if (dtype == SEGUE_F32) memcpy(raw + 4 * i, p + i * stride, 4);
        else memcpy(raw + 2 * i, p + i * stride, 2);
    }
    return element_load(raw, dtype);
}

INLINE void scatter(char *p, int64_t stride, int64_t count, lanes v, uint32_t dtype)
{
    _Alignas(64) char raw[4 * LANES];
    const int64_t size = element_size(dtype);
    element_store(raw, v, dtype, 0);
    if (stride == size) memcpy(p, raw, (size_t)(count * size));
    for (int64_t i = 0; stride != size && i < count; i++) {
        if (dtype == SEGUE_F32) memcpy(p + i * stride, raw + 4 * i, 4);
        else memcpy(p + i * stride, raw + 2 * i, 2);
    }
}

/* Columns whose lines all meet in one set of the first-level cache: a line must be used up at once. */
INLINE int crowded(int64_t stride)
{
    return stride % 4096 == 0;
}

/* One block, rows contiguous in the tensor. 16-bit columns are widened in runs first. */
INLINE void pack_transposed(float *tile, int64_t row_pitch, const struct segue_strip *s, const char *data,
                            uint32_t dtype)
{
    int64_t size = element_size(dtype), stride = s->column_stride * size;
    _Alignas(64) float wide[LANES * RUN];
    for (int64_t row = 0; row < s->rows; row += RUN) {
        int64_t count = s->rows - row < RUN ? s->rows - row : RUN;
        const float *from = wide;
        int64_t pitch = RUN;
        if (dtype == SEGUE_F32 && count % 4 == 0 && !crowded(stride)) {
            from = (const float *)(data + row * size);
            pitch = s->column_stride;
        } else {
            for (int lane = 0; lane < LANES; lane++) {
                const char *p = data + lane * stride + row * size;
                for (int64_t i = 0; i < count; i += LANES) {
                    lanes v = count - i < LANES ? gather(p + i * size, size, count - i, dtype)
                                                : element_load(p + i * size, dtype);
                    lanes_store(wide + lane * RUN + i, v);
                }
            }
        }
        for (int64_t i = 0; i < count; i += 4) {
            lanes four[4];
            lanes_load4(four, from + i, pitch);
            for (int64_t k = 0; k < 4 && i + k < count; k++)
                lanes_store(tile + (row + i + k) * row_pitch, four[k]);
        }
    }
}

INLINE void unpack_transposed(const struct segue_strip *s, char *data, const float *tile, int64_t row_pitch,
                              uint32_t dtype)
{
    int64_t size = element_size(dtype), stride = s->column_stride * size;
    _Alignas(64) float wide[LANES * RUN];
    for (int64_t row = 0; row < s->rows; row += RUN) {
        int64_t count = s->rows - row < RUN ? s->rows - row : RUN;
        int direct = dtype == SEGUE_F32 && count % 4 == 0 && !crowded(stride);
        for (int64_t i = 0; i < count; i += 4) {
            lanes four[4];
            for (int64_t k = 0; k < 4; k++)
                four[k] = i + k < count ? lanes_load(tile + (row + i + k) * row_pitch) : (lanes){ 0 };
            if (direct) lanes_store4((float *)(data + (row + i) * size), s->column_stride, four);
            else lanes_store4(wide + i, RUN, four);
        }
        for (int lane = 0; !direct && lane < LANES; lane++) {
            char *p = data + lane * stride + row * size;
            for (int64_t i = 0; i < count; i += LANES) {
                lanes v = lanes_load(wide + lane * RUN + i);
                if (count - i < LANES) scatter(p + i * size, size, count - i, v, dtype);
                else element_store(p + i * size, v, dtype, 0);
            }
        }
    }
}

INLINE void pack_as(float *tile, int64_t row_pitch, int64_t block_pitch, const struct segue_strip *s,
                    uint32_t dtype)
{
    int64_t size = element_size(dtype), whole = s->columns / LANES, rest = s->columns % LANES;
    int transposed = s->row_stride == 1 && s->column_stride != 1 && s->rows >= 4;
    for (int64_t b = 0; transposed && b < whole; b++)
        pack_transposed(tile + b * block_pitch, row_pitch, s, s->data + b * LANES * s->column_stride * size,
                        dtype);
    for (int64_t row = 0; row < s->rows; row++) {
        const char *p = s->data + row * s->row_stride * size;
        float *to = tile + row * row_pitch;
        int64_t stride = s->column_stride * size;
        if (s->column_stride == 1)
            for (int64_t b = 0; b < whole; b++)
                lanes_store(to + b * block_pitch, element_load(p + b * LANES * size, dtype));
        else if (!transposed)
            for (int64_t b = 0; b < whole; b++)
                lanes_store(to + b * block_pitch, gather(p + b * LANES * stride, stride, LANES, dtype));
        if (rest)
            lanes_store(to + whole * block_pitch, gather(p + whole * LANES * stride, stride, rest, dtype));
    }
}

INLINE void unpack_as(const struct segue_strip *s, const float *tile, int64_t row_pitch, int64_t block_pitch,
                      uint32_t dtype)
{
    int64_t size = element_size(dtype), whole = s->columns / LANES, rest = s->columns % LANES;
    int transposed = s->row_stride == 1 && s->column_stride != 1 && s->rows >= 4;
    for (int64_t b = 0; transposed && b < whole; b++)
        unpack_transposed(s, s->data + b * LANES * s->column_stride * size, tile + b * block_pitch, row_pitch,
                          dtype);
    for (int64_t row = 0; row < s->rows; row++) {
        char *p = s->data + row * s->row_stride * size;
        const float *from = tile + row * row_pitch;
        int64_t stride = s->column_stride * size;
        if (s->column_stride == 1 && s->stream && (uintptr_t)p % (uintptr_t)(LANES * size) == 0)
            for (int64_t b = 0; b < whole; b++)
                element_store(p + b * LANES * size, lanes_load(from + b * block_pitch), dtype, 1);
        else if (s->column_stride == 1)
            for (int64_t b = 0; b < whole; b++)
                element_store(p + b * LANES * size, lanes_load(from + b * block_pitch), dtype, 0);
        else if (!transposed)
            for (int64_t b = 0; b < whole; b++)
                scatter(p + b * LANES * stride, stride, LANES, lanes_load(from + b * block_pitch), dtype);
        if (rest)
            scatter(p + whole * LANES * stride, stride, rest, lanes_load(from + whole * block_pitch), dtype);
    }
}

void SEGUE_ISA_NAME(segue_pack)(float *tile, int64_t row_pitch, int64_t block_pitch,
                                const struct segue_strip *from)
{
    if (from->dtype == SEGUE_F32) pack_as(tile, row_pitch, block_pitch, from, SEGUE_F32);
    else if (from->dtype == SEGUE_F16) pack_as(tile, row_pitch, block_pitch, from, SEGUE_F16);
    else pack_as(tile, row_pitch, block_pitch, from, SEGUE_BF16);
}

void SEGUE_ISA_NAME(segue_unpack)(const struct segue_strip *to, const float *tile, int64_t row_pitch,
                                  int64_t block_pitch)
{
    if (to->dtype == SEGUE_F32) unpack_as(to, tile, row_pitch, block_pitch, SEGUE_F32);
    else if (to->dtype == SEGUE_F16) unpack_as(to, tile, row_pitch, block_pitch, SEGUE_F16);
    else unpack_as(to, tile, row_pitch, block_pitch, SEGUE_BF16);
}
