/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#include <segue/kit.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const names[SEGUE_ISA_COUNT] = { "base", "avx2", "avx512" };

const char *segue_isa_name(enum segue_isa isa)
{
    return names[isa];
}

static int supported(enum segue_isa isa)
{
#if defined(__x86_64__)
    unsigned a, b, c = 0, d;
    __builtin_cpu_init();
    int avx2 = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) && __builtin_cpu_supports("avx2") &&
               __builtin_cpu_supports("fma");
    if (isa == SEGUE_ISA_AVX2) return avx2;
    if (isa == SEGUE_ISA_AVX512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
    return isa == SEGUE_ISA_BASE;
}

segue_status segue_isa_choose(const char *wanted, enum segue_isa *out, segue_diag *diag)
{
    int best = SEGUE_ISA_BASE, named = -1;
    for (int i = 0; i < SEGUE_ISA_COUNT; i++) {
        if (supported((enum segue_isa)i)) best = i;
        if (wanted && !strcmp(wanted, names[i])) named = i;
    }
    *out = (enum segue_isa)best;
    if (!wanted || !*wanted) return SEGUE_OK;
    if (named < 0)
        return segue_kit_fail(diag, SEGUE_ERROR_NO_DEVICE, SEGUE_PHASE_OPEN, 0,
                              "SEGUE_CPU_ISA is '%s', wanted base, avx2 or avx512: correct it or unset it",
                              wanted);
    if (!supported((enum segue_isa)named))
        return segue_kit_fail(diag, SEGUE_ERROR_NO_DEVICE, SEGUE_PHASE_OPEN, 0,
                              "SEGUE_CPU_ISA is '%s', which this CPU lacks: its best is %s", wanted,
                              names[best]);
    *out = (enum segue_isa)named;
    return SEGUE_OK;
}

/* ---- threads -------------------------------------------------------------------------------------------- */

static int read_text(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(out, 1, size - 1, f) : 0;
    if (f) fclose(f);
    out[n] = 0;
    return n > 0;
}

static uint32_t in_cpus(long long quota, long long period)
{
    return quota > 0 && period > 0 ? (uint32_t)((quota + period - 1) / period) : 0;
}

static uint32_t quota_at(const char *folder)
{
    char path[1400], text[128];
    long long quota = -1, period = -1;
    snprintf(path, sizeof path, "%s/cpu.max", folder); /* version 2: "max 100000" or "150000 100000" */
    if (read_text(path, text, sizeof text))
        return sscanf(text, "%lld %lld", &quota, &period) == 2 ? in_cpus(quota, period) : 0;
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (!read_text(path, text, sizeof text) || sscanf(text, "%lld", &quota) != 1) return 0;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (!read_text(path, text, sizeof text) || sscanf(text, "%lld", &period) != 1) return 0;
    return in_cpus(quota, period);
}

/* The smallest quota of a group and its ancestors. A group that is not there (another namespace) says nothing.
 */
static uint32_t quota_of(const char *mount, const char *group)
{
    char folder[1300];
    uint32_t least = 0;
    if (snprintf(folder, sizeof folder, "%s%s", mount, group) >= (int)sizeof folder) return 0;
    for (;;) {
        uint32_t q = quota_at(folder);
        char *cut = strrchr(folder, '/');
        if (q && (!least || q < least)) least = q;
        if (!cut || strlen(folder) <= strlen(mount)) return least;
        *cut = 0;
    }
}

uint32_t segue_cpu_quota(const char *groups, const char *root)
{
    static const char *const v2[] = { "", "/unified" }, *const v1[] = { "/cpu", "/cpu,cpuacct" };
    uint32_t least = 0;
    for (const char *line = groups; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        char controllers[256] = "", group[1024] = "", mount[256];
        if (sscanf(line, "%*d::%1023[^\n]", group) == 1) controllers[0] = 0;
        else if (sscanf(line, "%*d:%255[^:\n]:%1023[^\n]", controllers, group) != 2) continue;
        if (controllers[0] && strcmp(controllers, "cpu") && strncmp(controllers, "cpu,", 4) &&
            !strstr(controllers, ",cpu,") &&
            !(strlen(controllers) > 4 && !strcmp(controllers + strlen(controllers) - 4, ",cpu")))
            continue;
        for (int i = 0; i < 2; i++) {
            snprintf(mount, sizeof mount, "%s%s", root, controllers[0] ? v1[i] : v2[i]);
            uint32_t q = quota_of(mount, strcmp(group, "/") ? group : "");
            if (q && (!least || q < least)) least = q;
        }
    }
    return least;
}

uint32_t segue_cpu_threads(void)
{
    char groups[8192];
    cpu_set_t set;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t threads = online > 0 ? (uint32_t)online : 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) threads = (uint32_t)CPU_COUNT(&set);
    if (!read_text("/proc/self/cgroup", groups, sizeof groups)) return threads;
    uint32_t quota = segue_cpu_quota(groups, "/sys/fs/cgroup");
    return quota && quota < threads ? quota : threads;
}

/* ---- names ---------------------------------------------------------------------------------------------- */

void segue_cpu_model(char *out, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");
    snprintf(out, size, "CPU");
    while (f && fgets(line, sizeof line, f)) {
        char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) || !value) continue;
        value += strspn(value, ": \t");
        value[strcspn(value, "\n")] = 0;
        snprintf(out, size, "%s", value);
        break;
    }
    if (f) fclose(f);
}

/* sysconf(_SC_LEVEL3_CACHE_SIZE) gives the whole socket's on some virtual machines. */
uint64_t segue_cache_bytes(const char *root)
{
    uint64_t largest = 0;
    for (int i = 0; i < 8; i++) {
        char path[256], unit = 0;
        unsigned long long size = 0;
        snprintf(path, sizeof path, "%s/cpu0/cache/index%d/size", root, i);
        FILE *f = fopen(path, "re");
        if (!f) break;
        int found = fscanf(f, "%llu%c", &size, &unit);
        fclose(f);
        if (found < 1) continue;
        size *= unit == 'K' ? 1 << 10 : unit == 'M' ? 1 << 20 : 1;
        if (size > largest) largest = size;
    }
    return largest ? largest : (uint64_t)2 << 20;
}

uint64_t segue_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && bytes > 0 ? (uint64_t)pages * (uint64_t)bytes : 0;
}
