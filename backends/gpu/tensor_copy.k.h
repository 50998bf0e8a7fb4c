/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* to[i j k l m n] = from[i j k l m n], between any strides; equal dtypes bit by bit, others through f32,
 * rounded once.
 *
 * An item copies every so many-th element, counted along the last axis first. Launch: groups. Key: none. */
KERNEL(tensor_copy)(GLOBAL void *to, GLOBAL const void *from, struct tensor_copy_args a)
{
    i64 step = (i64)a.groups * GROUP;
    for (i64 i = (i64)GROUP_ID(0) * GROUP + LOCAL_ID; i < a.count; i += step) {
        i64 rest = i, t = a.to_at, f = a.from_at;
        UNROLL for (int axis = 5; axis >= 0; axis--) {
            i64 index = rest % a.shape[axis];
            rest /= a.shape[axis];
            t += index * a.to_stride[axis];
            f += index * a.from_stride[axis];
        }
        if (a.bits == 64) ((GLOBAL i64 *)to)[t] = ((GLOBAL const i64 *)from)[f];
        else if (a.bits == 32) ((GLOBAL u32 *)to)[t] = ((GLOBAL const u32 *)from)[f];
        else if (a.bits == 16) ((GLOBAL u16 *)to)[t] = ((GLOBAL const u16 *)from)[f];
        else {
            float x = LOAD_ANY(from, f, a.from_dtype);
            if (a.to_dtype == 1) STORE_F16((GLOBAL u16 *)to, t, x);
            else if (a.to_dtype == 2) STORE_BF16((GLOBAL u16 *)to, t, x);
            else STORE_F32((GLOBAL float *)to, t, x);
        }
    }
}
