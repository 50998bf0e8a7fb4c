/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The dialect for HIP as clang compiles it on its own (-nogpuinc -nogpulib) or hipRTC does: builtins, no
 * header, no device library. Only FMA fuses. */
#pragma clang fp contract(off)

typedef unsigned short u16;
typedef unsigned int u32;
typedef int i32;
typedef long long i64;
typedef unsigned long long u64;

#define KERNEL(name) extern "C" __attribute__((global, amdgpu_flat_work_group_size(GROUP, GROUP))) void name
#define FUNC static inline __attribute__((device, always_inline, unused))
#define GLOBAL
#define LOCAL static __attribute__((shared))
#define LOCAL_ARG
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")

#define LOCAL_ID ((int)__builtin_amdgcn_workitem_id_x())
#define GROUP_ID(axis)                                       \
    ((int)((axis) == 0   ? __builtin_amdgcn_workgroup_id_x() \
           : (axis) == 1 ? __builtin_amdgcn_workgroup_id_y() \
                         : __builtin_amdgcn_workgroup_id_z()))

/* s_barrier orders no memory: without the fences LDS accesses may move across it. */
FUNC void BARRIER()
{
    __builtin_amdgcn_fence(__ATOMIC_RELEASE, "workgroup");
    __builtin_amdgcn_s_barrier();
    __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "workgroup");
}

#define EXP2(x) __builtin_exp2f(x)
#define FMA(a, b, c) __builtin_fmaf(a, b, c)
#define MAX(a, b) __builtin_fmaxf(a, b)

#define f32_bits(x) __builtin_bit_cast(u32, (float)(x))
#define bits_f32(u) __builtin_bit_cast(float, (u32)(u))

FUNC float f16_to_f32(u16 h)
{
    return (float)__builtin_bit_cast(_Float16, h);
}
FUNC u16 f32_to_f16(float x)
{
    return __builtin_bit_cast(u16, (_Float16)x);
}
