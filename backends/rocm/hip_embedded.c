/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels that were compiled with the plugin. They are compiled without a word on sramecc and xnack, and so run with
 * either setting of both (LLVM's AMDGPU usage, target ID). */
#include "rocm.h"

const struct native_code *rocm_pick_code(const struct native_code *codes, uint32_t count, const char *arch,
                                         const char *kernel, const char *options)
{
    const size_t base = strcspn(arch, ":");
    for (uint32_t i = 0; i < count; i++)
        if (strlen(codes[i].arch) == base && !strncmp(codes[i].arch, arch, base) &&
            !strcmp(codes[i].kernel, kernel) && !strcmp(codes[i].options, options))
            return &codes[i];
    return NULL;
}

const void *rocm_embedded(struct gpu *gpu, const char *kernel, const char *options, uint64_t *bytes)
{
    const struct rocm_device *dev = (const struct rocm_device *)gpu;
    const struct native_code *code = rocm_pick_code(rocm_code, rocm_code_count, dev->arch, kernel, options);
    if (!code) return NULL;
    *bytes = code->bytes;
    return code->code;
}
