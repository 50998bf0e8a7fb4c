/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the launchers of this folder's own rows share. */
#ifndef SEGUE_CUDA_FAST_ROW_H
#define SEGUE_CUDA_FAST_ROW_H

#include "launcher.h"

#define FAST_GROUP 128 /* items of a group, whatever the device's choice: the kernels count on it */
#define FAST_NEEDS "needs a GPU of compute capability 8.0 or later"

static inline int fast_runs_on(const segue_kit_device *dev)
{
    return (gpu_of(dev)->features & GPU_HAS_SM80) != 0;
}

static inline int fast_present(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

/* Tokens of the longest sequence of x [b t d], as far as the call tells; max_seqlen 0 = t. */
static inline int64_t fast_longest(const segue_tensor *x, const segue_tensor *cu_seqlens, int64_t max_seqlen)
{
    const int64_t tokens = x->shape[1];
    return fast_present(cu_seqlens) && max_seqlen && max_seqlen < tokens ? max_seqlen : tokens;
}

/* Neighbours along the last axis are neighbours in memory. */
static inline int fast_is_dense(const segue_tensor *t)
{
    return !fast_present(t) || t->shape[t->rank - 1] < 2 || t->stride[t->rank - 1] == 1;
}

/* Whether all of a tensor's vectors along its last axis are 16 aligned bytes. */
static inline int32_t fast_is_wide(const segue_tensor *t)
{
    const uint64_t bytes = t->dtype.bits / 8u;
    if (!fast_present(t) || !fast_is_dense(t)) return 0;
    uint64_t odd = (uint64_t)(uintptr_t)t->data + t->offset;
    for (int axis = 0; axis + 1 < t->rank; axis++)
        if (t->shape[axis] > 1) odd |= (uint64_t)t->stride[axis] * bytes;
    return odd % 16 == 0;
}

static inline struct gpu_key fast_key(const struct gpu_source *source, const segue_op_header *op,
                                      const segue_kit_device *dev)
{
    struct gpu_key key = gpu_key_of(source, op, dev);
    key.group = FAST_GROUP;
    return key;
}

#endif
