/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What every launcher of selective_scan does, here and in a backend's own rows: channels along axis 0, sequences
 * along axis 1. `each`: channels of a group. */
#ifndef SEGUE_GPU_SELECTIVE_SCAN_ROW_H
#define SEGUE_GPU_SELECTIVE_SCAN_ROW_H

#include "launcher.h"

static inline void scan_grid(const segue_selective_scan *op, const struct gpu *gpu, int64_t each,
                             int32_t groups[3])
{
    groups[0] = (int32_t)((op->u.shape[2] + each - 1) / each);
    groups[1] = gpu_groups(gpu, 1, gpu_sequences(&op->u, &op->cu_seqlens), 1);
    groups[2] = 1;
}

static inline segue_status scan_prepare(const segue_selective_scan *op, const segue_kit_device *dev,
                                        struct gpu_key key, const struct gpu_form *form, int64_t each,
                                        segue_kit_plan *plan, segue_diag *why)
{
    int32_t groups[3];
    gpu_define_in(&key, "N", op->A.shape[1]);
    scan_grid(op, gpu_of(dev), each, groups);
    return gpu_plan_one(dev, &key, form, groups, plan, why);
}

static inline const char *scan_refuse_f64(const segue_selective_scan *op)
{
    static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_selective_scan, name), #name ": f64 is not supported" },
        OPERAND(u) OPERAND(delta) OPERAND(A) OPERAND(B) OPERAND(C) OPERAND(D) OPERAND(z) OPERAND(delta_bias)
            OPERAND(h_in) OPERAND(h_out) OPERAND(y)
#undef OPERAND
                { 0, NULL }
    };
    return segue_kit_refuse_dtype(&op->header, SEGUE_F64, operands);
}

/* args: the row's struct; *first, in args, is the first sequence of each launch. */
static inline segue_status scan_launch(const segue_selective_scan *op, const segue_kit_call *call,
                                       const struct gpu_form *form, int64_t each, void *args, int64_t *first)
{
    const struct gpu_kernel *kernel = call->data;
    struct gpu_arg list[GPU_MOST_ARGS];
    int32_t groups[3];
    scan_grid(op, kernel->gpu, each, groups);
    gpu_bind(form, &op->header, call->device, args, list);
    return gpu_launch_sequences(kernel, call, groups, list, form->operands + 1,
                                gpu_sequences(&op->u, &op->cu_seqlens), first);
}

#endif
