/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "../row_testing.h"

#include <sys/stat.h>
#include <unistd.h>

static void instruction_sets(void **state)
{
    enum segue_isa isa = SEGUE_ISA_COUNT;
    segue_diag why = { 0 };
    (void)state;
    assert_int_equal(segue_isa_choose("base", &isa, &why), SEGUE_OK);
    assert_int_equal(isa, SEGUE_ISA_BASE);
    assert_int_equal(segue_isa_choose("avx1024", &isa, &why), SEGUE_ERROR_NO_DEVICE);
    assert_string_equal(why.text,
                        "SEGUE_CPU_ISA is 'avx1024', wanted base, avx2 or avx512: correct it or unset it");
    assert_int_equal(segue_isa_choose("", &isa, &why), SEGUE_OK);
    assert_int_equal(segue_isa_choose(segue_isa_name(isa), &isa, &why), SEGUE_OK);
}

static void put(const char *root, const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        mkdir(full, 0700);
        *p = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void quotas(void **state)
{
    char root[] = "/tmp/segue-quota-XXXXXX", command[64];
    (void)state;
    assert_non_null(mkdtemp(root));
    put(root, "/a/b/cpu.max", "max 100000\n");
    put(root, "/a/cpu.max", "250000 100000\n");
    put(root, "/unified/c/cpu.max", "100000 100000\n");
    put(root, "/cpu,cpuacct/v1/x/cpu.cfs_quota_us", "-1\n");
    put(root, "/cpu,cpuacct/v1/x/cpu.cfs_period_us", "100000\n");
    put(root, "/cpu,cpuacct/v1/cpu.cfs_quota_us", "400000\n");
    put(root, "/cpu,cpuacct/v1/cpu.cfs_period_us", "100000\n");
    assert_int_equal(segue_cpu_quota("0::/a/b\n", root), 3); /* rounded up, from the parent */
    assert_int_equal(segue_cpu_quota("0::/c\n", root), 1);
    assert_int_equal(segue_cpu_quota("0::/\n", root), 0);
    assert_int_equal(segue_cpu_quota("0::/elsewhere/deep\n", root), 0);
    assert_int_equal(segue_cpu_quota("4:memory:/a\n2:cpu,cpuacct:/v1/x\n0::/\n", root), 4);
    assert_int_equal(segue_cpu_quota("2:cpuset:/v1\n", root), 0);
    assert_int_equal(segue_cpu_quota("2:cpu,cpuacct:/v1/x\n0::/a\n", root), 3);
    assert_int_equal(segue_cpu_quota("", root), 0);
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

static void threads_and_names(void **state)
{
    char model[64] = "";
    (void)state;
    assert_in_range(segue_cpu_threads(), 1, (unsigned long)sysconf(_SC_NPROCESSORS_ONLN));
    segue_cpu_model(model, sizeof model);
    assert_true(strlen(model) > 0);
    assert_true(segue_memory_bytes() > 1 << 20);
}

static void write_size(const char *root, int index, const char *text)
{
    char command[256];
    snprintf(command, sizeof command, "mkdir -p %s/cpu0/cache/index%d && echo %s >%s/cpu0/cache/index%d/size",
             root, index, text, root, index);
    assert_int_equal(system(command), 0);
}

static void caches(void **state)
{
    char root[] = "/tmp/segue_cache_XXXXXX", command[64];
    (void)state;
    assert_non_null(mkdtemp(root));
    assert_int_equal(segue_cache_bytes(root), 2 << 20); /* nothing is said */
    write_size(root, 0, "48K");
    write_size(root, 1, "1024K");
    assert_int_equal(segue_cache_bytes(root), 1 << 20);
    write_size(root, 2, "32M");
    write_size(root, 3, "garbage");
    assert_int_equal(segue_cache_bytes(root), 32 << 20);
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

/* Denormals are flushed inside and the engine's own mode is back afterwards. */
static void float_mode(void **state)
{
    volatile float tiny = 0x1p-130f, product;
    (void)state;
    uint64_t before = float_mode_enter();
    product = tiny * 2.0f;
#if defined(__x86_64__) || defined(__aarch64__)
    assert_true(product == 0);
#endif
    float_mode_leave(before);
    product = tiny * 2.0f;
    assert_true(product != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(instruction_sets), cmocka_unit_test(quotas),
                                        cmocka_unit_test(threads_and_names), cmocka_unit_test(caches),
                                        cmocka_unit_test(float_mode) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
