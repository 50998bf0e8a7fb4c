/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The dialect in OpenCL C 1.2. HAS_F16 is defined where the device has cl_khr_fp16; it is not needed. Only FMA fuses. */
#pragma OPENCL FP_CONTRACT OFF

typedef ushort u16;
typedef uint u32;
typedef int i32;
typedef long i64;
typedef ulong u64;

#define KERNEL(name) kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void name
/* Not left to the compiler: PoCL 3.1 gives all groups one LOCAL array where a function of its own reaches it. */
#define FUNC static inline __attribute__((always_inline))
#define GLOBAL global
#define LOCAL local
#define LOCAL_ARG local
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")

#define BARRIER() barrier(CLK_LOCAL_MEM_FENCE)
#define LOCAL_ID ((int)get_local_id(0))
#define GROUP_ID(axis) ((int)get_group_id(axis))

#define EXP2(x) exp2(x)
#define FMA(a, b, c) fma(a, b, c)
#define MAX(a, b) fmax(a, b)

#define f32_bits(x) as_uint(x)
#define bits_f32(u) as_float(u)

#ifdef HAS_F16
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
FUNC float f16_to_f32(u16 h)
{
    return convert_float(as_half(h));
}
FUNC u16 f32_to_f16(float x)
{
    return as_ushort(convert_half_rte(x));
}
#else
/* vload_half and vstore_half belong to the core language and work on private memory, too. */
FUNC float f16_to_f32(u16 h)
{
    return vload_half(0, (const half *)&h);
}
FUNC u16 f32_to_f16(float x)
{
    u16 h;
    vstore_half_rte(x, 0, (half *)&h);
    return h;
}
#endif
