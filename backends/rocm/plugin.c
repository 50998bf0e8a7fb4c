/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* AMD GPUs with the shared kernels of backends/gpu. */
#include "rocm.h"

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

SEGUE_KIT_PLUGIN(rocm, .vendor = "The Segue authors", .version = SEGUE_VERSION_STRING,
                 .uuid = "4d5d2d8c-94d3-4d0b-9b83-5f2f2c1fd7a2", .device = &rocm_adapter, .rows = rows)
