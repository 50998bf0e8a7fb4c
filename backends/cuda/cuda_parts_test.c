/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no driver: the table of errors, the words about device nodes, which code for which device. */
#include "gpu_testing.h"
#include "cuda.h"

#include <errno.h>
#include <sys/stat.h>

/* ---- errors ---- */

static void knows_each_code_once(void **state)
{
    (void)state;
    for (const struct native_error *e = cuda_errors; e->name; e++) {
        assert_true(e->words[0] && e->status < 0 && e->code > 0);
        assert_int_equal(e->status == SEGUE_ERROR_DEVICE_LOST, e->lost == NATIVE_LOST);
        assert_int_equal(strncmp(e->name, "CUDA_ERROR_", 11), 0);
        if (e[1].name) assert_true(e->code < e[1].code); /* in order, so none is there twice */
        assert_ptr_equal(native_error_of(&cuda_kind, e->code), e);
    }
}

static void knows_which_are_fatal(void **state)
{
    /* "any further CUDA work will return the same error", or the like (cuda.h 13.0) */
    static const int asked[] = { 709, 999 }; /* a stream's, or the device's: its own queue tells */
    static const int fatal[] = { 4, 214, 220, 226, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911 };
    size_t at = 0;
    (void)state;
    for (int code = 1; code < 1000; code++) {
        const int lost = native_error_of(&cuda_kind, code)->lost;
        const int wanted = at < sizeof fatal / sizeof *fatal && fatal[at] == code;
        assert_int_equal(lost, wanted                                 ? NATIVE_LOST
                               : code == asked[0] || code == asked[1] ? NATIVE_LOST_IF_IT_STAYS
                                                                      : NATIVE_STAYS);
        at += (size_t)wanted;
        if (code >= 900 && code <= 908)
            assert_int_equal(native_error_of(&cuda_kind, code)->status, SEGUE_ERROR_CAPTURE);
    }
}

static void tells_any_code(void **state)
{
    segue_diag why = { 0 };
    (void)state;
    assert_int_equal(native_told_of(&cuda_kind, 0, 0, "cuInit", &why), SEGUE_OK);
    assert_int_equal(native_told_of(&cuda_kind, 803, SEGUE_PHASE_ENUMERATE, "cuInit", &why),
                     SEGUE_ERROR_NO_DEVICE);
    assert_int_equal(why.native_code, 803);
    assert_non_null(strstr(why.text, "cuInit failed with 803 (CUDA_ERROR_SYSTEM_DRIVER_MISMATCH): "));
    assert_non_null(strstr(why.text, "restart the machine"));
    assert_int_equal(native_told_of(&cuda_kind, 719, SEGUE_PHASE_RUN, "cuLaunchKernel", &why),
                     SEGUE_ERROR_DEVICE_LOST);
    assert_non_null(strstr(why.text, "open it again"));
    assert_int_equal(native_told_of(&cuda_kind, 4321, SEGUE_PHASE_RUN, "cuLaunchKernel", &why),
                     SEGUE_ERROR_INTERNAL);
    assert_non_null(strstr(why.text, "cuLaunchKernel failed with 4321 (no name known)"));
    assert_string_equal(native_call(&cuda_kind, offsetof(struct native_api, init)), "cuInit");
    assert_string_equal(native_call(&cuda_kind, offsetof(struct native_api, exchange_capture_mode)),
                        "cuThreadExchangeStreamCaptureMode");
}

/* ---- device nodes ---- */

static void node(const char *name, mode_t mode)
{
    char path[128];
    snprintf(path, sizeof path, "%s/dev", test_folder);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/dev/%s", test_folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void expect(const char *first, const char *second)
{
    char text[300];
    cuda_check_nodes(test_folder, text, sizeof text);
    if (!first) assert_string_equal(text, "");
    else if (!strstr(text, first) || !strstr(text, second)) fail_msg("%s", text);
}

static void tells_which_node_is_missing(void **state)
{
    (void)state;
    expect("/dev/nvidiactl is missing", "modprobe nvidia");
    node("nvidiactl", 0666);
    expect("/dev/nvidia0 is missing", "sees no GPU");
    node("nvidia3", 0666); /* a container may have been given another than the first */
    expect("/dev/nvidia-uvm is missing", "nvidia-uvm");
    node("nvidia0", 0666);
    node("nvidia-uvm", 0666);
    expect(NULL, NULL);
}

/* Root may open everything, so another user asks. */
static void tells_who_may_not_open_it(void **state)
{
    (void)state;
    node("nvidiactl", 0600);
    node("nvidia0", 0600);
    node("nvidia-uvm", 0600);
    if (!geteuid()) {
        assert_int_equal(chmod(test_folder, 0755), 0);
        assert_int_equal(seteuid(65534), 0);
    } else {
        node("nvidiactl", 0000);
    }
    char text[300];
    errno = 0;
    const int root = !getuid();
    cuda_check_nodes(test_folder, text, sizeof text);
    if (root) assert_int_equal(seteuid(0), 0);
    assert_non_null(strstr(text, "this user may not open /dev/nvidiactl"));
}

/* ---- which code ---- */

static void picks_code_that_runs(void **state)
{
    static const struct native_code codes[] = {
        { "sm_80", "k", " -DN=1", "80", 2 },    { "sm_86", "k", " -DN=1", "86", 2 },
        { "sm_90a", "k", " -DN=1", "90a", 3 },  { "sm_90", "k", " -DN=2", "90", 2 },
        { "sm_90a", "k", " -DN=2", "90a", 3 },  { "sm_100", "k", " -DN=1", "100", 3 },
        { "sm_80", "other", " -DN=1", "?", 1 }, { "gfx90a", "k", " -DN=1", "?", 1 },
        { "sm_100f", "k", " -DN=1", "?", 1 },
    };
    static const struct {
        int capability;
        const char *options, *code;
    } cases[] = {
        { 75, " -DN=1", NULL }, { 80, " -DN=1", "80" },   { 86, " -DN=1", "86" },   { 87, " -DN=1", "86" },
        { 89, " -DN=1", "86" }, { 90, " -DN=1", "90a" },  { 90, " -DN=2", "90a" },  { 91, " -DN=1", NULL },
        { 91, " -DN=2", "90" }, { 100, " -DN=1", "100" }, { 103, " -DN=1", "100" }, { 120, " -DN=1", NULL },
        { 10, " -DN=1", NULL }, { 80, " -DN=3", NULL },   { 80, "", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct native_code *c =
            cuda_pick_code(codes, sizeof codes / sizeof *codes, cases[i].capability, "k", cases[i].options);
        if (!cases[i].code) assert_null(c);
        else if (!c || strcmp(c->code, cases[i].code)) fail_msg("%d%s", cases[i].capability, cases[i].options);
    }
    assert_null(cuda_pick_code(codes, 0, 80, "k", " -DN=1"));
}

static void picks_what_to_compile(void **state)
{
    static const struct {
        int major, capability, archs[4];
        const char *arch;
        int ptx;
    } cases[] = {
        { 13, 80, { 75, 80, 90, 100 }, "sm_80", 0 },    { 13, 90, { 75, 80, 90, 100 }, "sm_90a", 0 },
        { 13, 100, { 75, 80, 90, 100 }, "sm_100a", 0 }, { 11, 90, { 75, 80, 86, 90 }, "sm_90", 0 },
        { 11, 89, { 75, 80, 86, 0 }, "compute_86", 1 }, { 12, 100, { 75, 80, 90, 0 }, "compute_90", 1 },
        { 13, 70, { 75, 80, 90, 100 }, "", 0 },         { 13, 10, { 10, 0, 0, 0 }, "sm_10", 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cuda_compiler compiler = { .major = cases[i].major };
        for (; compiler.arch_count < 4 && cases[i].archs[compiler.arch_count]; compiler.arch_count++)
            compiler.archs[compiler.arch_count] = cases[i].archs[compiler.arch_count];
        const struct cuda_target target = cuda_target_of(&compiler, cases[i].capability);
        assert_string_equal(target.arch, cases[i].arch);
        assert_int_equal(target.ptx, cases[i].ptx);
    }
}

/* ---- without a compiler ---- */

static void says_what_to_install(void **state)
{
    struct cuda_device dev = { .capability = 60 };
    void *blob = NULL;
    uint64_t bytes = 0;
    segue_diag why = { 0 };
    (void)state;
    dev.native.gpu.host = &test_host;
    dev.compiler = (struct cuda_compiler){ .major = 13, .archs = { 75, 80 }, .arch_count = 2 };
    dev.compiler.api.compile = (int (*)(void *, int, const char *const *))abort; /* is not come to */
    assert_int_equal(cuda_compile(&dev.native, "line", "", "", &blob, &bytes, &why), SEGUE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "line is not compiled for compute capability 6.0"));
    assert_non_null(strstr(why.text, "begins with 7.5"));
    /* no NVRTC when the device was opened: in a folder with one that does not load, for every machine alike */
    char path[128];
    snprintf(path, sizeof path, "%s/libnvrtc.so.13", test_folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    setenv("SEGUE_DRIVER_PATH", test_folder, 1);
    dev.compiler = (struct cuda_compiler){ .driver = 13 };
    assert_int_equal(cuda_compile(&dev.native, "line", "", "", &blob, &bytes, &why), SEGUE_ERROR_UNSUPPORTED);
    assert_int_equal(why.code, SEGUE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "libnvrtc.so.13 does not load"));
    unsetenv("SEGUE_DRIVER_PATH");
    assert_null(blob);
}

/* Of several that are there: the newest of the driver's version or below, else any. */
static void takes_a_compiler_that_the_driver_follows(void **state)
{
    static const char *const there[] = { "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2" };
    static const struct {
        int files, driver; /* how many of these, from the first */
        const char *first;
    } cases[] = { { 3, 14, "libnvrtc.so.13" }, { 3, 13, "libnvrtc.so.13" }, { 3, 12, "libnvrtc.so.12" },
                  { 3, 11, "libnvrtc.so.11" }, { 2, 11, "libnvrtc.so.13" }, { 1, 12, "libnvrtc.so.13" } };
    (void)state;
    setenv("SEGUE_DRIVER_PATH", test_folder, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cuda_device dev = { .capability = 80, .compiler = { .driver = cases[i].driver } };
        segue_diag why = { 0 };
        char path[128];
        for (int k = 0; k < 3; k++) { /* files that do not load: the first that is tried is named */
            snprintf(path, sizeof path, "%s/%s", test_folder, there[k]);
            remove(path);
            FILE *file = k < cases[i].files ? fopen(path, "w") : NULL;
            if (file) fclose(file);
        }
        assert_int_equal(cuda_compile(&dev.native, "line", "", "", NULL, NULL, &why), SEGUE_ERROR_UNSUPPORTED);
        if (!strstr(why.text, cases[i].first)) fail_msg("%d: %s", cases[i].driver, why.text);
    }
    unsetenv("SEGUE_DRIVER_PATH");
}

/* ---- NVRTC itself, where a toolkit is ---- */

static void compiles_for_real(void **state)
{
    static const char source[] = "extern \"C\" __global__ void line(int *y) { y[threadIdx.x] = N; }\n";
    struct cuda_device dev = { .capability = 80 };
    void *blob = NULL;
    uint64_t bytes = 0;
    segue_diag why = { 0 };
    (void)state;
    dev.native.gpu.host = &test_host;
    if (cuda_find_compiler(&dev.compiler, dev.capability, 99, &why) || !dev.compiler.api.compile) skip();
    assert_int_equal(cuda_compile(&dev.native, "line", source, " -DN=4 -DM=5", &blob, &bytes, &why), SEGUE_OK);
    assert_memory_equal(blob, "\177ELF", 4);
    assert_true(bytes > 64);
    host_free(NULL, blob);
    blob = NULL;
    dev.compiler.archs[0] = 75, dev.compiler.arch_count = 1; /* one that knows no device as new as this */
    dev.compiler.target = cuda_target_of(&dev.compiler, dev.capability);
    assert_int_equal(cuda_compile(&dev.native, "line", source, " -DN=4", &blob, &bytes, &why), SEGUE_OK);
    assert_non_null(strstr(blob, ".target sm_75"));
    host_free(NULL, blob);
    blob = NULL;
    assert_int_equal(cuda_compile(&dev.native, "line", source, "", &blob, &bytes, &why), SEGUE_ERROR_INTERNAL);
    assert_non_null(strstr(why.text, "nvrtcCompileProgram failed with 6 (NVRTC"));
    assert_non_null(strstr(why.text, "identifier \"N\" is undefined"));
    assert_null(strchr(why.text, '\n'));
    assert_null(blob);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(knows_each_code_once),
        TEST(knows_which_are_fatal),
        TEST(tells_any_code),
        TEST(picks_code_that_runs),
        TEST(tells_which_node_is_missing),
        TEST(tells_who_may_not_open_it),
        TEST(picks_what_to_compile),
        TEST(says_what_to_install),
        TEST(compiles_for_real),
        TEST(takes_a_compiler_that_the_driver_follows),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
