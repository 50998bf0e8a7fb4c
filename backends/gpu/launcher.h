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

/* Pieces of packed sequences in tiles, where the longest sequence is not known: a first tile for each, and as many later
 * ones as may begin in all the units. words.h, piece_at(): which is whose. */
static inline int64_t gpu_pieces(int64_t sequences, int64_t units, int64_t tile)
{
    return sequences && units ? sequences + (units - 1) / tile : sequences;
}

/* Groups for count things of which a group does each: at most what the device takes, for kernels that go on
 * with the next after those. */
static inline int32_t gpu_groups(const struct gpu *gpu, int axis, int64_t count, int64_t each)
{
    const int64_t wanted = count / each + (count % each != 0), most = gpu->most_groups[axis];
    const int64_t groups = wanted < most ? wanted : most;
    return (int32_t)(groups < GPU_MOST_INDEX ? groups : GPU_MOST_INDEX);
}

/* ---- kernels whose arguments follow the .def of their primitive ------------------------------------------- */

/* A pointer for each tensor, in the order of the .def, then a struct that begins with the same tensors' VIEWs. */
struct gpu_form {
    uint32_t operands;   /* tensors: the first ones of the .def; what comes later the row refuses */
    uint32_t args_bytes; /* of the struct */
};

/* The key but for its defines: the kernel is named like its source, and has the dtypes of the op's activations and
 * states. */
struct gpu_key gpu_key_of(const struct gpu_source *source, const segue_op_header *op,
                          const segue_kit_device *dev);

static inline void gpu_define_in(struct gpu_key *key, const char *name, int64_t value)
{
    key->define[key->define_count++] = (struct gpu_define){ name, value };
}

/* Writes the views to the head of args, and all arguments of a launch to list[operands + 1]. */
void gpu_bind(const struct gpu_form *form, const segue_op_header *op, const segue_kit_device *dev, void *args,
              struct gpu_arg *list);

/* The same for a struct that begins with VIEW1, VIEW2, VIEW3 and VIEW, as many axes as the .def gives each tensor. */
void gpu_bind_narrow(const struct gpu_form *form, const segue_op_header *op, const segue_kit_device *dev,
                     void *args, struct gpu_arg *list);

/* Launches with a sequence in each group of axis 1: more than one where the grid is too short for all of them.
 * groups: of the first launch; *first, in the struct of arguments, is the first sequence of each. */
segue_status gpu_launch_sequences(const struct gpu_kernel *kernel, const segue_kit_call *call,
                                  int32_t groups[3], const struct gpu_arg *list, uint32_t count,
                                  int64_t sequences, int64_t *first);

/* Plans of a row with one kernel: prepared, warmed up for the grid of the plan's bounds, released with the plan. */
segue_status gpu_plan_one(const segue_kit_device *dev, const struct gpu_key *key, const struct gpu_form *form,
                          const int32_t groups[3], segue_kit_plan *plan, segue_diag *why);

/* ---- kernels of any arguments ---------------------------------------------------------------------------- */

/* Prepared, and warmed up with absent buffers and a struct of zeros; on the heap, until gpu_kernel_discard(). */
segue_status gpu_kernel_make(struct gpu *gpu, const struct gpu_key *key, const struct gpu_form *form,
                             const int32_t groups[3], struct gpu_kernel **out, segue_diag *why);
void gpu_kernel_discard(struct gpu_kernel *kernel);

#endif
