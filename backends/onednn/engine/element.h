/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* LANES elements of any dtype as floats, and back. Built once per instruction set; a dtype that is a
 * constant costs nothing. */
#ifndef SEGUE_ENGINE_ELEMENT_H
#define SEGUE_ENGINE_ELEMENT_H

#include "lanes.h"

#include <segue/segue.h>

#define BF16_FAST 0x40000000u /* a dtype: see to_half */

INLINE int64_t element_size(uint32_t dtype)
{
    return dtype == SEGUE_F32 ? 4 : 2;
}

INLINE lanes from_half(lanes_half h, uint32_t dtype)
{
#if SEGUE_LANES == 16
    if (dtype != SEGUE_F16) { /* widened and shifted by one instruction */
        const __m512i to_upper = { 0x0001000100000000, 0x0003000300020002, 0x0005000500040004,
                                   0x0007000700060006, 0x0009000900080008, 0x000b000b000a000a,
                                   0x000d000d000c000c, 0x000f000f000e000e };
        return (lanes)_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, to_upper, _mm512_castsi256_si512((__m256i)h));
    }
#endif
    return dtype == SEGUE_F16 ? lanes_from_f16(h) : lanes_from_bf16(h);
}

INLINE lanes element_load(const char *p, uint32_t dtype)
{
    if (dtype == SEGUE_F32) return lanes_load((const float *)(const void *)p);
    lanes_half h = *(const half_anywhere *)(const void *)p;
    return from_half(h, dtype);
}

/* BF16_FAST: bf16 by AVX512_BF16's instruction, which rounds as lanes_to_bf16 does but for denormals, which are
 * flushed here anyway. Written as text: the rest of the code needs no such CPU. */
INLINE lanes_half to_half(lanes v, uint32_t dtype)
{
#if SEGUE_LANES == 16
    if (dtype == BF16_FAST) {
        __m256i h;
        __asm__("vcvtneps2bf16 %1, %0" : "=v"(h) : "v"((__m512)v));
        return (lanes_half)h;
    }
#endif
    return dtype == SEGUE_F16 ? lanes_to_f16(v) : lanes_to_bf16(v);
}

INLINE void element_store(char *p, lanes v, uint32_t dtype, int32_t stream)
{
    if (dtype == SEGUE_F32) {
        if (stream) lanes_stream((float *)(void *)p, v);
        else lanes_store((float *)(void *)p, v);
        return;
    }
    lanes_half h = to_half(v, dtype);
    if (stream) half_stream((uint16_t *)(void *)p, h);
    else *(half_anywhere *)(void *)p = h;
}

/* The first count of LANES elements, 0 behind them; and back. */
INLINE lanes element_load_some(const char *p, uint32_t dtype, int64_t count)
{
#if SEGUE_LANES == 16
    __mmask16 mask = (__mmask16)((1u << count) - 1);
    if (dtype == SEGUE_F32) return (lanes)_mm512_maskz_loadu_ps(mask, p);
    lanes_half h = (lanes_half)_mm256_maskz_loadu_epi16(mask, p);
    return from_half(h, dtype);
#else
    char raw[4 * LANES] = { 0 };
    memcpy(raw, p, (size_t)(count * element_size(dtype)));
    return element_load(raw, dtype);
#endif
}

INLINE void element_store_some(char *p, lanes v, uint32_t dtype, int64_t count)
{
#if SEGUE_LANES == 16
    __mmask16 mask = (__mmask16)((1u << count) - 1);
    if (dtype == SEGUE_F32) _mm512_mask_storeu_ps(p, mask, (__m512)v);
    else _mm256_mask_storeu_epi16(p, mask, (__m256i)to_half(v, dtype));
#else
    char raw[4 * LANES];
    element_store(raw, v, dtype, 0);
    memcpy(p, raw, (size_t)(count * element_size(dtype)));
#endif
}

#endif
