/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Without a driver: what is missing in words, both layouts of the properties, which code an architecture takes, and that
 * a thread's device and last error are afterwards what they were. */
#include "rocm.h"
#include "gpu_testing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void says(const char *text, const char *words)
{
    if (strstr(text, words)) return;
    fail_msg("\"%s\" is not in: %s", words, text);
}

/* ---- what is missing ------------------------------------------------------------------------------------ */

static void make_node(const char *name, mode_t mode)
{
    char path[200];
    snprintf(path, sizeof path, "%s/dev", test_folder);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/dev/dri", test_folder);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/dev/%s", test_folder, name);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    chmod(path, mode);
}

/* As a user without rights: root may open anything. */
static void check_as_user(char *out, size_t room)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t id = fork();
    if (!id) {
        char text[400];
        if (!geteuid() && setresuid(65534, 65534, 65534)) _exit(1);
        rocm_check_nodes(test_folder, text, sizeof text);
        _exit(write(ends[1], text, strlen(text)) < 0);
    }
    close(ends[1]);
    const ssize_t n = read(ends[0], out, room - 1);
    out[n > 0 ? n : 0] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(id, NULL, 0), id);
}

static void test_nodes_in_words(void **state)
{
    char text[400];
    (void)state;
    chmod(test_folder, 0755);
    check_as_user(text, sizeof text);
    says(text, "/dev/kfd is missing");
    make_node("kfd", 0600);
    if (!geteuid()) {
        check_as_user(text, sizeof text);
        says(text, "may not open /dev/kfd: give it that right (usermod -a -G render,video");
    }
    make_node("kfd", 0666);
    check_as_user(text, sizeof text);
    says(text, "renderD128 and its like are missing");
    make_node("dri/renderD130", 0600);
    if (!geteuid()) {
        check_as_user(text, sizeof text);
        says(text, "may open none of /dev/dri/renderD*");
    }
    make_node("dri/renderD191", 0666);
    check_as_user(text, sizeof text);
    assert_string_equal(text, "");
}

static void test_no_device_is_no_error(void **state)
{
    segue_diag why = { 0 };
    uint32_t count = 7;
    (void)state;
    assert_int_equal(rocm_adapter.count(&test_host, &count, &why), SEGUE_OK);
    assert_int_equal(why.code, SEGUE_OK);
    if (count) return; /* a machine with a GPU */
    assert_true(strstr(why.text, "libamdhip64.so") || strstr(why.text, "/dev/kfd") || strstr(why.text, "hip"));
}

static void test_damaged_library_is_said(void **state)
{
    char path[200];
    segue_diag why = { 0 };
    uint32_t count = 7;
    (void)state;
    snprintf(path, sizeof path, "%s/libamdhip64.so.6", test_folder);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    setenv("SEGUE_DRIVER_PATH", test_folder, 1);
    assert_int_equal(rocm_adapter.count(&test_host, &count, &why), SEGUE_OK);
    unsetenv("SEGUE_DRIVER_PATH");
    assert_int_equal(count, 0);
    says(why.text, "libamdhip64.so.6 does not load");
}

/* ---- architectures -------------------------------------------------------------------------------------- */

static int fill_6(void *properties, int device)
{
    memset(properties, 0x5a, 1472); /* sizeof hipDeviceProp_tR0600 */
    snprintf((char *)properties + 1160, 256, "gfx94%d:sramecc+:xnack-", device);
    return 0;
}

static int fill_5(void *properties, int device)
{
    memset(properties, 0x5a, 792);
    snprintf((char *)properties + 396, 256, "gfx103%d", device);
    return 0;
}

static int fail_to_fill(void *properties, int device)
{
    (void)properties, (void)device;
    return 101;
}

static void test_both_layouts(void **state)
{
    struct rocm_api hip = { .properties_6 = fill_6, .properties_5 = fill_5 };
    char arch[64];
    (void)state;
    rocm_arch_of(&hip, 2, arch);
    assert_string_equal(arch, "gfx942:sramecc+:xnack-");
    hip.properties_6 = NULL; /* HIP 5 */
    rocm_arch_of(&hip, 0, arch);
    assert_string_equal(arch, "gfx1030");
    hip.properties_6 = fail_to_fill;
    rocm_arch_of(&hip, 1, arch);
    assert_string_equal(arch, "gfx1031");
    hip.properties_5 = fill_6; /* neither layout has a name there */
    rocm_arch_of(&hip, 0, arch);
    assert_string_equal(arch, "");
}

static void test_code_by_base_name(void **state)
{
    static const struct native_code codes[] = {
        { "gfx90a1", "k", " -DN=1", "e", 1 }, { "gfx90", "k", " -DN=1", "a", 1 },
        { "gfx90a", "k", " -DN=2", "b", 1 },  { "gfx90a", "l", " -DN=1", "c", 1 },
        { "gfx90a", "k", " -DN=1", "d", 1 },
    };
    (void)state;
    assert_ptr_equal(rocm_pick_code(codes, 5, "gfx90a:sramecc+:xnack-", "k", " -DN=1"), &codes[4]);
    assert_ptr_equal(rocm_pick_code(codes, 5, "gfx90a", "l", " -DN=1"), &codes[3]);
    assert_null(rocm_pick_code(codes, 5, "gfx90a", "l", " -DN=2"));
    assert_null(rocm_pick_code(codes, 5, "gfx900", "k", " -DN=1"));
}

/* Whole code objects (ELF for the AMD GPU, e_machine 224), each found under its own name. */
static void test_embedded_code(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < rocm_code_count; i++) {
        const struct native_code *code = &rocm_code[i];
        const unsigned char *elf = code->code;
        assert_true(code->bytes > 1000);
        assert_memory_equal(elf, "\177ELF", 4);
        assert_int_equal(elf[18] | elf[19] << 8, 224);
        assert_ptr_equal(rocm_pick_code(rocm_code, rocm_code_count, code->arch, code->kernel, code->options),
                         code);
    }
}

/* ---- the thread's device and last error ------------------------------------------------------------------ */

static int current, last, refuse; /* refuse: hipSetDevice fails with it */

static int device_current(int *device)
{
    *device = current;
    return 0;
}

static int device_set(int device)
{
    if (refuse) return last = refuse;
    current = device;
    return 0;
}

static int last_error(void)
{
    const int error = last;
    last = 0;
    return error;
}

static int peek_error(void)
{
    return last;
}

static struct rocm_device some_device(void)
{
    return (struct rocm_device){ .native = { .kind = &rocm_kind, .ordinal = 1 },
                                 .hip = { .device_current = device_current,
                                          .device_set = device_set,
                                          .last_error = last_error,
                                          .peek_error = peek_error } };
}

static void test_device_is_put_back(void **state)
{
    struct rocm_device dev = some_device();
    (void)state;
    for (int before = 0; before < 3; before++) {
        struct native_scope scope = { 0 };
        current = before;
        assert_int_equal(rocm_kind.enter(&dev.native, &scope, SEGUE_PHASE_CALL, NULL), SEGUE_OK);
        assert_int_equal(current, 1);
        last = 700; /* one of our calls fails */
        rocm_kind.leave(&dev.native, &scope);
        assert_int_equal(current, before);
        assert_int_equal(last, 0);
    }
}

static void test_engines_error_stays(void **state)
{
    struct rocm_device dev = some_device();
    struct native_scope scope = { 0 };
    (void)state;
    current = 0;
    last = 9; /* the engine has not looked yet */
    assert_int_equal(rocm_kind.enter(&dev.native, &scope, SEGUE_PHASE_CALL, NULL), SEGUE_OK);
    rocm_kind.leave(&dev.native, &scope);
    assert_int_equal(last, 9);
    last = 0;
}

static void test_failed_enter_leaves_nothing(void **state)
{
    struct rocm_device dev = some_device();
    struct native_scope scope = { 0 };
    segue_diag why = { 0 };
    (void)state;
    current = 0;
    refuse = 101;
    assert_int_equal(rocm_kind.enter(&dev.native, &scope, SEGUE_PHASE_CALL, &why), SEGUE_ERROR_NO_DEVICE);
    refuse = 0;
    assert_int_equal(last, 0);
    assert_int_equal(current, 0);
    assert_int_equal(why.native_code, 101);
    says(why.text, "hipSetDevice failed with 101 (hipErrorInvalidDevice)");
}

static void test_errors_are_in_order(void **state)
{
    (void)state;
    for (const struct native_error *e = rocm_errors; e->name; e++) {
        assert_true(e->status && e->words[0]);
        assert_memory_equal(e->name, "hipError", 8);
        if (e[1].name) assert_true(e->code < e[1].code); /* each once */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nodes_in_words, fresh_folder, remove_folder),
        cmocka_unit_test(test_no_device_is_no_error),
        cmocka_unit_test_setup_teardown(test_damaged_library_is_said, fresh_folder, remove_folder),
        cmocka_unit_test(test_both_layouts),
        cmocka_unit_test(test_code_by_base_name),
        cmocka_unit_test(test_embedded_code),
        cmocka_unit_test(test_device_is_put_back),
        cmocka_unit_test(test_engines_error_stays),
        cmocka_unit_test(test_failed_enter_leaves_nothing),
        cmocka_unit_test(test_errors_are_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
