/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine is: instruction sets, threads that may run, names; and the floating-point mode of a kernel.
 */
#ifndef SEGUE_ENGINE_MACHINE_H
#define SEGUE_ENGINE_MACHINE_H

#include <segue/plugin.h>

enum segue_isa { SEGUE_ISA_BASE, SEGUE_ISA_AVX2, SEGUE_ISA_AVX512, SEGUE_ISA_COUNT };

/* One pointer per instruction set that this build has: what rows keep for each kernel. */
#if defined(__x86_64__)
#define SEGUE_EACH_ISA(name)                       \
    {                                              \
        &name##_base, &name##_avx2, &name##_avx512 \
    }
#else
#define SEGUE_EACH_ISA(name)                     \
    {                                            \
        &name##_base, &name##_base, &name##_base \
    }
#endif

const char *segue_isa_name(enum segue_isa isa);
/* The best one, or the one that wanted names (NULL or "": no wish); it may be unknown, or more than this CPU
 * has. */
segue_status segue_isa_choose(const char *wanted, enum segue_isa *out, segue_diag *diag);

/* CPUs that this process may use: its affinity, and no more than its control group's quota, rounded up. */
uint32_t segue_cpu_threads(void);
/* The quota in CPUs, rounded up; 0 = none. groups: the text of /proc/self/cgroup; root: where the hierarchies
 * are mounted. */
uint32_t segue_cpu_quota(const char *groups, const char *root);
void segue_cpu_model(char *out, size_t size);
uint64_t segue_memory_bytes(void);
/* Of the last-level cache that CPU 0 uses; a small guess where the system does not say. root: where sysfs's
 * "cpu" folder is. */
uint64_t segue_cache_bytes(const char *root);

/* Kernels flush denormals: decayed states would crawl through them. They also run with exceptions masked and
 * rounding to nearest, whatever the engine set. Returns what to restore. */
static inline uint64_t float_mode_enter(void)
{
#if defined(__x86_64__)
    uint64_t before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(0x1f80 | 0x8040); /* all masked; flush to zero, denormals are zero */
    return before;
#elif defined(__aarch64__)
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)1 << 24));
    return before;
#else
    return 0;
#endif
}

/* Streaming stores become visible before what this thread stores next. */
static inline void stream_fence(void)
{
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
}

static inline void float_mode_leave(uint64_t before)
{
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr((unsigned)before);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" ::"r"(before));
#else
    (void)before;
#endif
}

/* A parameter as f32 that is not 0 unless it was: in this mode smaller ones would be. */
static inline float kept_f32(double x)
{
    return x > 0 && x < 0x1p-126 ? 0x1p-126f : (float)x;
}

#endif
