/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The types of a kernel's struct of arguments as a launcher sees them: in a kernel's text the dialect and words.h
 * define them. */
#ifndef SEGUE_GPU_KERNEL_TYPES_H
#define SEGUE_GPU_KERNEL_TYPES_H

#include "gpu.h"

typedef int32_t i32;
typedef int64_t i64;
typedef struct gpu_view VIEW;
typedef struct VIEW1 {
    i64 at, stride[1];
    i32 dtype, present;
} VIEW1;
typedef struct VIEW2 {
    i64 at, stride[2];
    i32 dtype, present;
} VIEW2;
typedef struct VIEW3 {
    i64 at, stride[3];
    i32 dtype, present;
} VIEW3;

#endif
