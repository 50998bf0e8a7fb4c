/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* OpenCL devices with the shared kernels of backends/gpu. */
#include "opencl.h"

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

SEGUE_KIT_PLUGIN(opencl, .vendor = "The Segue authors", .version = SEGUE_VERSION_STRING,
                 .uuid = "c3a1d0f2-6b7e-4f0a-8d55-2e91b4a7c6d8", .device = &opencl_adapter, .rows = rows)
