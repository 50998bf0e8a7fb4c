/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* How the launchers of l2_norm and gated_norm share out rows [b t h] of x [b t h d]. */
#ifndef SEGUE_GPU_NORM_ROW_H
#define SEGUE_GPU_NORM_ROW_H

#include "launcher.h"

enum { NORM_ELEMENTS = 4 }; /* of a row for each item, at least: sums over many items cost barriers */

struct norm_shape {
    int64_t rows;
    int32_t width, each; /* items that share a row; rows of a group */
    int32_t groups[3];
};

static inline struct norm_shape norm_shape_of(const segue_tensor *x, const struct gpu *gpu)
{
    struct norm_shape s = { .rows = x->shape[0] * x->shape[1] * x->shape[2], .width = 1 };
    while (s.width < gpu->group && s.width * (int64_t)NORM_ELEMENTS < x->shape[3]) s.width *= 2;
    s.each = gpu->group / s.width;
    s.groups[0] = s.groups[2] = 1;
    s.groups[1] = gpu_groups(gpu, 1, s.rows, s.each);
    return s;
}

#endif
