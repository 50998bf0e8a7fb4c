/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The dialect for NVRTC and nvcc, which finds no header of its own: none is included. No pragma turns
 * contraction off here: compile with --fmad=false, so that only FMA fuses. */
typedef unsigned short u16;
typedef unsigned int u32;
typedef int i32;
typedef long long i64;
typedef unsigned long long u64;

/* Room for 512 items on a multiprocessor, which leaves 128 registers each: without the second bound ptxas aims
 * at more items and spills. */
#define GROUPS_AT_ONCE (GROUP >= 512 ? 1 : GROUP <= 32 ? 16 : 512 / GROUP)
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(GROUP, GROUPS_AT_ONCE) name
#define FUNC static __attribute__((unused)) __device__ __forceinline__
#define GLOBAL
#define LOCAL __shared__
#define LOCAL_ARG
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")

#define BARRIER() __syncthreads()
#define LOCAL_ID ((int)threadIdx.x)
#define GROUP_ID(axis) ((int)((axis) == 0 ? blockIdx.x : (axis) == 1 ? blockIdx.y : blockIdx.z))

#define EXP2(x) exp2f(x)
#define FMA(a, b, c) fmaf(a, b, c)
#define MAX(a, b) fmaxf(a, b)

#define f32_bits(x) __float_as_uint(x)
#define bits_f32(u) __uint_as_float(u)

FUNC float f16_to_f32(u16 h)
{
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
    return x;
}
FUNC u16 f32_to_f16(float x)
{
    u16 h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
    return h;
}
