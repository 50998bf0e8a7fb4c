/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* NVIDIA GPUs with the shared kernels of backends/gpu. */
#include "cuda.h"

/* rows.h is made by the build: one ROW(name) for each row of backends/gpu and of this folder. */
#define ROW(name) extern const segue_row name;
#include "rows.h"
#undef ROW

static const segue_row *const rows[] = {
#define ROW(name) &name,
#include "rows.h"
#undef ROW
    NULL,
};

SEGUE_KIT_PLUGIN(cuda, .vendor = "The Segue authors", .version = SEGUE_VERSION_STRING,
                 .uuid = "6e759761-2de3-4359-a40c-0414ec9e66dd", .device = &cuda_adapter, .rows = rows)
