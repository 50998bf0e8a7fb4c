/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels that were compiled with the plugin. */
#include "cuda.h"

#include <stdlib.h>

/* How well code for an architecture suits a capability; 0 = it does not run there. Code runs on its own
 * major version from its own minor version on (CUDA programming guide, binary compatibility), and code with
 * a letter behind the number only on exactly that one. Where both are there, the letter's was made for more
 * of what the device can do. */
static int suits(const char *arch, int capability)
{
    char *end;
    if (strncmp(arch, "sm_", 3)) return 0;
    const long number = strtol(arch + 3, &end, 10);
    if (number <= 0 || number > capability || number / 10 != capability / 10) return 0;
    if (!*end) return (int)number * 2;
    return !strcmp(end, "a") && number == capability ? capability * 2 + 1 : 0;
}

const struct native_code *cuda_pick_code(const struct native_code *codes, uint32_t count, int capability,
                                         const char *kernel, const char *options)
{
    const struct native_code *best = NULL;
    int most = 0;
    for (uint32_t i = 0; i < count; i++) {
        const int merit = suits(codes[i].arch, capability);
        if (merit <= most || strcmp(codes[i].kernel, kernel) || strcmp(codes[i].options, options)) continue;
        most = merit;
        best = &codes[i];
    }
    return best;
}

const void *cuda_embedded(struct gpu *gpu, const char *kernel, const char *options, uint64_t *bytes)
{
    const struct cuda_device *dev = (const struct cuda_device *)gpu;
    const struct native_code *code =
        cuda_pick_code(cuda_code, cuda_code_count, dev->capability, kernel, options);
    if (!code) return NULL;
    *bytes = code->bytes;
    return code->code;
}
