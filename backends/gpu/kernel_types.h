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

#endif
