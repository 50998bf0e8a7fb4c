/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_FEATURE_MAP_ARGS_H
#define SEGUE_GPU_FEATURE_MAP_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

/* An item has ROWS rows of W, and these for so many tokens at once: more sums would spill on NVIDIA's GPUs. */
#define FEATURE_TOKENS(rows) ((rows) <= 2 ? 8 : (rows) <= 8 ? 8 / (rows) : 1)

/* The primitive's maps with a projection, and shift modes: its enumerators. */
#define MAP_FAVOR_PLUS 3
#define MAP_FAVOR_PM 4
#define MAP_RFF 5
#define MAP_GELU 6
#define MAP_HEDGEHOG_A 7
#define MAP_HEDGEHOG_B 8
#define MAP_EXP 11
#define SHIFT_ROW 0
#define SHIFT_GLOBAL 1

struct feature_map_args { /* behind one pointer for each operand, in the same order, and for the peaks */
    VIEW x, W, bias, keep, cu_seqlens, y;
    VIEW peaks;   /* f32 [s h parts] in the workspace: the largest of a group's tokens, for SHIFT_GLOBAL */
    i64 sequence; /* of the first groups along axis 1 */
    i64 tokens;
    i32 width, rows;  /* k, m */
    i32 heads, parts; /* groups that share a sequence's tokens of one head, each taking every so many-th tile */
    i32 map, shift_mode;
    i32 finds_peaks; /* 1: writes peaks; 0: writes y */
    float scale, eps, shift;
};

#endif
