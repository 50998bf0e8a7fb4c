/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the launchers share. */
#ifndef SEGUE_GPU_LAUNCHER_H
#define SEGUE_GPU_LAUNCHER_H

#include "gpu.h"

#define GPU_MOST_INDEX ((int64_t)1 << 30) /* of what kernels count in int32: groups along an axis, channels */

static inline struct gpu *gpu_of(const segue_kit_device *dev)
{
    return dev->handle;
}

struct gpu_refusal {
    size_t offset; /* in the op struct */
    const char *text;
};

/* The first f64 operand's refusal, or NULL. */
static inline const char *gpu_refuse_f64(const segue_op_header *op, const struct gpu_refusal *list)
{
    for (; list->text; list++) {
        const segue_tensor *t = (const segue_tensor *)(const void *)((const char *)op + list->offset);
        if (segue_dtype_id(t->dtype) == SEGUE_F64) return list->text;
    }
    return NULL;
}

/* The state's dtype: that of the first present one, f32 without any. */
static inline uint32_t gpu_state_dtype(const segue_tensor *h_in, const segue_tensor *h_out)
{
    return h_in->dtype.bits    ? segue_dtype_id(h_in->dtype)
           : h_out->dtype.bits ? segue_dtype_id(h_out->dtype)
                               : (uint32_t)SEGUE_F32;
}

/* Rows of the state pool; 0 without a state. */
static inline int64_t gpu_pool(const segue_tensor *h_in, const segue_tensor *h_out)
{
    return h_in->dtype.bits ? h_in->shape[0] : h_out->dtype.bits ? h_out->shape[0] : 0;
}

/* A packed call has one batch row and offsets [s+1], any other a sequence in each row of x [b t d]. */
static inline int64_t gpu_sequences(const segue_tensor *x, const segue_tensor *cu_seqlens)
{
    return cu_seqlens->dtype.bits ? cu_seqlens->shape[0] - 1 : x->shape[0];
}

/* Groups for count things of which a group does each: at most what the device takes, for kernels that go on
 * with the next after those. */
static inline int32_t gpu_groups(const struct gpu *gpu, int axis, int64_t count, int64_t each)
{
    const int64_t wanted = count / each + (count % each != 0), most = gpu->most_groups[axis];
    const int64_t groups = wanted < most ? wanted : most;
    return (int32_t)(groups < GPU_MOST_INDEX ? groups : GPU_MOST_INDEX);
}

/* Plans of a row with one kernel: prepared, warmed up with arguments of zeros, and released with the plan. */
struct gpu_warm {
    const int32_t *groups;
    uint32_t operands;   /* pointers in front of the struct */
    uint32_t args_bytes; /* of the struct */
};
segue_status gpu_plan_one(const segue_kit_device *dev, const struct gpu_key *key, const struct gpu_warm *warm,
                          segue_kit_plan *plan, segue_diag *why);

#endif
