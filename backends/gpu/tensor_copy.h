/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* An adapter's tensor_copy: between layouts and the dtypes f32, f16 and bf16; any dtype to itself. */
#ifndef SEGUE_GPU_TENSOR_COPY_H
#define SEGUE_GPU_TENSOR_COPY_H

#include "gpu.h"

/* Enqueues. The first call on a device prepares the kernel, which may compile. */
segue_status gpu_tensor_copy(struct gpu *gpu, segue_stream stream, const segue_tensor *to,
                             const segue_tensor *from, segue_diag *why);
/* Releases the kernel, if there is one: gpu_close() calls it. */
void gpu_tensor_copy_close(struct gpu *gpu);

#endif
