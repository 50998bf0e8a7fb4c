/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors as kernels see them, and plans that consist of one kernel. */
#include "launcher.h"

enum { MOST_ARGS_BYTES = 900 }; /* OpenCL guarantees 1024 for all arguments, pointers included */

static int32_t kernel_dtype(segue_dtype dtype)
{
    static const uint32_t known[] = {
        [GPU_F32] = SEGUE_F32, [GPU_F16] = SEGUE_F16, [GPU_BF16] = SEGUE_BF16,
        [GPU_I32] = SEGUE_I32, [GPU_F64] = SEGUE_F64,
    };
    int32_t i = GPU_F64;
    while (i > 0 && known[i] != segue_dtype_id(dtype)) i--;
    return i;
}

struct gpu_view gpu_view_of(const segue_tensor *t)
{
    struct gpu_view view = { 0 };
    if (!t->dtype.bits) return view;
    view.at = (int64_t)(t->offset / (t->dtype.bits / 8u)); /* core refuses an offset that is no whole element */
    for (int axis = 0; axis < t->rank && axis < 4; axis++) view.stride[axis] = t->stride[axis];
    view.dtype = kernel_dtype(t->dtype);
    view.present = 1;
    return view;
}

static void release(void *data, const segue_kit_device *dev)
{
    gpu_kernel_release(data);
    dev->host->free(dev->host->user, data);
}

/* One launch for which every operand is absent and every number 0. */
static segue_status warm_up(const struct gpu_kernel *kernel, const struct gpu_warm *warm, segue_diag *why)
{
    const uint64_t zeros[MOST_ARGS_BYTES / sizeof(uint64_t)] = { 0 };
    struct gpu_arg args[GPU_MOST_ARGS] = { 0 };
    args[warm->operands] = (struct gpu_arg){ .value = zeros, .bytes = warm->args_bytes };
    return gpu_warm_up(kernel, warm->groups, args, warm->operands + 1, why);
}

segue_status gpu_plan_one(const segue_kit_device *dev, const struct gpu_key *key, const struct gpu_warm *warm,
                          segue_kit_plan *plan, segue_diag *why)
{
    struct gpu_kernel *kernel;
    if (warm->operands >= GPU_MOST_ARGS || warm->args_bytes > MOST_ARGS_BYTES)
        return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_PLAN, 0,
                              "%s: %u operands and %u bytes of arguments, wanted fewer than %d and at most %d",
                              key->kernel, warm->operands, warm->args_bytes, GPU_MOST_ARGS, MOST_ARGS_BYTES);
    kernel = dev->host->alloc(dev->host->user, sizeof *kernel, 64);
    if (!kernel)
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for a plan of %s",
                              key->kernel);
    segue_status s = gpu_kernel_prepare(gpu_of(dev), key, kernel, why);
    if (!s) {
        s = warm_up(kernel, warm, why);
        if (s) gpu_kernel_release(kernel);
    }
    if (s) {
        dev->host->free(dev->host->user, kernel);
        return s;
    }
    plan->data = kernel;
    plan->release = release;
    return SEGUE_OK;
}
