/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor_copy.h"
#include "tensor_copy.args.h"
#include "launcher.h"

#include <sched.h>
#include <string.h>

enum { MOST_GROUPS = 4096 }; /* of a copy: far more than a device runs at once, its items go on from there */

GPU_SOURCE(tensor_copy);

static int converts(segue_dtype dtype)
{
    const uint32_t id = segue_dtype_id(dtype);
    return id == SEGUE_F32 || id == SEGUE_F16 || id == SEGUE_BF16;
}

static segue_status check(const segue_tensor *to, const segue_tensor *from, segue_diag *why)
{
    const int same = segue_dtype_id(to->dtype) == segue_dtype_id(from->dtype), bits = to->dtype.bits;
    if (to->rank != from->rank || to->rank > SEGUE_MAX_RANK ||
        memcmp(to->shape, from->shape, to->rank * sizeof *to->shape))
        return segue_kit_fail(why, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                              "to and from must have one shape of rank 0 to %d", SEGUE_MAX_RANK);
    if (!same && !(converts(to->dtype) && converts(from->dtype)))
        return segue_kit_fail(
            why, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_CALL, 0,
            "copies on this device convert between f32, f16 and bf16; given dtypes 0x%x from 0x%x",
            segue_dtype_id(to->dtype), segue_dtype_id(from->dtype));
    if (same && bits != 16 && bits != 32 && bits != 64)
        return segue_kit_fail(why, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_CALL, 0,
                              "copies on this device take elements of 16, 32 or 64 bits; given %d", bits);
    return SEGUE_OK;
}

/* Axes from the last to the first; one that continues the axis before it in both tensors is merged with it,
 * which spares the kernel divisions by what is then 1. */
static void fill_axes(struct tensor_copy_args *a, const segue_tensor *to, const segue_tensor *from)
{
    int at = SEGUE_MAX_RANK - 1;
    for (int i = 0; i < SEGUE_MAX_RANK; i++) a->shape[i] = 1;
    a->count = 1;
    for (int axis = to->rank - 1; axis >= 0; axis--) {
        const int64_t size = to->shape[axis], ts = to->stride[axis], fs = from->stride[axis];
        a->count *= size;
        if (size == 1) continue;
        if (a->shape[at] != 1) {
            if (ts == a->to_stride[at] * a->shape[at] && fs == a->from_stride[at] * a->shape[at]) {
                a->shape[at] *= size;
                continue;
            }
            at--;
        }
        a->shape[at] = size;
        a->to_stride[at] = ts;
        a->from_stride[at] = fs;
    }
}

static void grid_of(const struct gpu *gpu, int64_t count, int32_t groups[3])
{
    groups[0] = gpu_groups(gpu, 0, count, gpu->group);
    if (groups[0] > MOST_GROUPS) groups[0] = MOST_GROUPS;
    groups[1] = groups[2] = 1;
}

static segue_status make(struct gpu *gpu, struct gpu_kernel **out, segue_diag *why)
{
    static const struct gpu_form form = { .operands = 2, .args_bytes = sizeof(struct tensor_copy_args) };
    const struct gpu_key key = { .source = &gpu_source_tensor_copy,
                                 .kernel = "tensor_copy",
                                 .group = gpu->group };
    return gpu_kernel_make(gpu, &key, &form, (const int32_t[]){ 1, 1, 1 }, out, why);
}

/* Of two threads that both make the kernel, the first one's stays. */
static segue_status copier(struct gpu *gpu, struct gpu_kernel **out, segue_diag *why)
{
    struct gpu_kernel *have = __atomic_load_n(&gpu->copy, __ATOMIC_ACQUIRE), *made = NULL;
    if (!have) {
        const segue_status s = make(gpu, &made, why);
        if (s) return s;
        if (__atomic_compare_exchange_n(&gpu->copy, &have, made, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            have = made;
        else gpu_kernel_discard(made);
    }
    *out = have;
    return SEGUE_OK;
}

segue_status gpu_tensor_copy(struct gpu *gpu, segue_stream stream, const segue_tensor *to,
                             const segue_tensor *from, segue_diag *why)
{
    struct gpu_kernel *kernel;
    int32_t groups[3];
    segue_status s = check(to, from, why);
    if (s) return s;
    const struct gpu_view target = gpu_view_of(to), source = gpu_view_of(from);
    struct tensor_copy_args args = {
        .to_at = target.at, .from_at = source.at, .to_dtype = target.dtype, .from_dtype = source.dtype
    };
    fill_axes(&args, to, from);
    if (!args.count) return SEGUE_OK;
    if (segue_dtype_id(to->dtype) == segue_dtype_id(from->dtype)) args.bits = to->dtype.bits;
    s = copier(gpu, &kernel, why);
    if (s) return s;
    grid_of(gpu, args.count, groups);
    args.groups = groups[0];
    const struct gpu_arg list[] = { { .tensor = to, .writes = 1 },
                                    { .tensor = from },
                                    { .value = &args, .bytes = sizeof args } };
    /* all of a device's threads share this kernel: one that finds it busy waits, since it has no other to take */
    do s = gpu_launch(kernel, stream, groups, list, 3, why);
    while (s == SEGUE_ERROR_BUSY && !sched_yield());
    return s;
}

void gpu_tensor_copy_close(struct gpu *gpu)
{
    if (gpu->copy) gpu_kernel_discard(gpu->copy);
    gpu->copy = NULL;
}
