/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_FEATURE_MAP_PLAIN_ARGS_H
#define SEGUE_GPU_FEATURE_MAP_PLAIN_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

/* The primitive's maps without a projection: its enumerators. */
#define MAP_IDENTITY 0
#define MAP_ELU1 1
#define MAP_RELU 2
#define MAP_TAYLOR2 9
#define MAP_COSREW 10

#define PLAIN_EACH 8 /* features of an item in one go */

struct feature_map_plain_args { /* behind one pointer for each operand, in the same order */
    VIEW x, W, bias, keep, cu_seqlens, y;
    i64 sequence; /* of the first groups along axis 1 */
    i64 tokens;
    i64 sequences; /* packed ones, of which groups take what piece_at() numbers; 0 = each of axis 1 has one sequence */
    i64 pieces;           /* 1 without these */
    i64 position, length; /* COSREW */
    i32 width, features;  /* k, f */
    i32 heads, parts;     /* groups that share a sequence, or all pieces */
    i32 map;
    float scale, eps;
    i32 reserved;
};

#endif
