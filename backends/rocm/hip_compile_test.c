/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* hipRTC in a child, over a library that aborts, hangs, chats and refuses (hiprtc_testing.c). After every test no file, no
 * child and no memory is left. HIPRTC_FOLDER holds it, SEGUE_COMPILE is the program. */
#include "rocm.h"
#include "gpu_testing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { LIMIT = 20000 };

static const char source[] = "the text of a kernel\n";
static int files_before;

static int open_files(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder)) count++;
    if (folder) closedir(folder);
    return count;
}

static int begin(void **state)
{
    (void)state;
    setenv("SEGUE_DRIVER_PATH", HIPRTC_FOLDER, 1);
    refuse_after = -1;
    files_before = open_files();
    return 0;
}

static int end(void **state)
{
    (void)state;
    signal(SIGCHLD, SIG_DFL);
    if (open_files() != files_before) fprintf(stderr, "%d files, %d before\n", open_files(), files_before);
    return live || open_files() != files_before || waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD;
}

static segue_status run_with(const char *program, const char *major, const char *how, const char *text,
                             int limit, char **code, uint64_t *bytes, segue_diag *why)
{
    char define[32];
    const char *const args[] = { "segue-compile", major, "kernel.hip", "-O3", define, NULL };
    const struct rocm_compilation job = { program, args, text, limit };
    void *blob = NULL;
    snprintf(define, sizeof define, "-DHOW=%s", how);
    *why = (segue_diag){ 0 };
    *bytes = 0;
    const segue_status s = rocm_run_compiler(&test_host, &job, &blob, bytes, why);
    *code = blob;
    if (s) assert_true(!blob && !*bytes && why->text[0]);
    return s;
}

static segue_status run(const char *how, segue_diag *why)
{
    char *code, wanted[200];
    uint64_t bytes;
    const segue_status s = run_with(SEGUE_COMPILE, "5", how, source, LIMIT, &code, &bytes, why);
    if (s) return s;
    snprintf(wanted, sizeof wanted, "-O3 -DHOW=%s %s", how, source);
    assert_int_equal(bytes, strlen(wanted));
    assert_memory_equal(code, wanted, bytes);
    host_free(NULL, code);
    return SEGUE_OK;
}

static void says(const segue_diag *why, const char *words)
{
    if (strstr(why->text, words)) return;
    fail_msg("\"%s\" is not in: %s", words, why->text);
}

static void test_compiles(void **state)
{
    segue_diag why;
    (void)state;
    assert_int_equal(run("well", &why), SEGUE_OK);
}

static void test_long_source(void **state)
{
    enum { BYTES = 3000000 };
    char *text = malloc(BYTES + 1), *code;
    uint64_t bytes;
    segue_diag why;
    (void)state;
    memset(text, 'x', BYTES);
    text[BYTES] = 0;
    assert_int_equal(run_with(SEGUE_COMPILE, "5", "well", text, LIMIT, &code, &bytes, &why), SEGUE_OK);
    assert_int_equal(bytes, BYTES + strlen("-O3 -DHOW=well "));
    host_free(NULL, code);
    free(text);
}

static void test_chatter_is_not_code(void **state)
{
    segue_diag why;
    (void)state;
    assert_int_equal(run("chat", &why), SEGUE_OK);
}

static void test_refusal_tells_the_error(void **state)
{
    segue_diag why;
    (void)state;
    assert_int_equal(run("refuse", &why), SEGUE_ERROR_INTERNAL);
    says(&why, ": kernel.hip:3:5: error: no such word|1 error generated.|");
    says(&why, "hiprtcCompileProgram failed with 6");
}

static void test_crashes_are_survived(void **state)
{
    segue_diag why;
    (void)state;
    assert_int_equal(run("abort", &why), SEGUE_ERROR_INTERNAL);
    says(&why, "signal 6, SIGABRT");
    says(&why, "install a newer ROCm");
    assert_int_equal(run("crash", &why), SEGUE_ERROR_INTERNAL);
#ifndef __SANITIZE_ADDRESS__ /* which turns the signal into an exit */
    says(&why, "signal 11, SIGSEGV");
#endif
}

static void test_hang_is_ended(void **state)
{
    struct timespec t;
    char *code;
    uint64_t bytes;
    segue_diag why;
    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &t);
    const time_t start = t.tv_sec;
    assert_int_equal(run_with(SEGUE_COMPILE, "5", "hang", source, 1000, &code, &bytes, &why),
                     SEGUE_ERROR_INTERNAL);
    says(&why, "did not end within 1 s and was stopped");
    clock_gettime(CLOCK_MONOTONIC, &t);
    assert_true(t.tv_sec - start < 20);
}

static void test_exit_without_result(void **state)
{
    segue_diag why;
    (void)state;
    assert_int_equal(run("leave", &why), SEGUE_ERROR_INTERNAL);
    says(&why, "ended without a result");
}

/* Another program's output, a cut and a longer one. */
static void test_result_must_be_whole(void **state)
{
    static const char *const commands[] = {
        "echo hello",
        "printf 'seguehip\\003\\0\\0\\0\\0\\0\\0\\0ab'",
        "printf 'seguehip\\003\\0\\0\\0\\0\\0\\0\\0abcd'",
        "printf 'seguehip\\0\\0\\0\\0\\0\\0\\0\\0'",
    };
    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const char *const args[] = { "sh", "-c", commands[i], NULL };
        const struct rocm_compilation job = { "/bin/sh", args, source, LIMIT };
        segue_diag why = { 0 };
        void *blob = NULL;
        uint64_t bytes = 0;
        assert_int_equal(rocm_run_compiler(&test_host, &job, &blob, &bytes, &why), SEGUE_ERROR_INTERNAL);
        assert_null(blob);
        says(&why, "ended without a result: is it the one that came with this plugin?");
    }
}

static void test_ignored_children(void **state)
{
    segue_diag why;
    (void)state;
    signal(SIGCHLD, SIG_IGN);
    assert_int_equal(run("well", &why), SEGUE_OK);
    assert_int_equal(run("abort", &why), SEGUE_ERROR_INTERNAL);
    says(&why, "ended without a result, and how is not known");
    assert_int_equal(run("well", &why), SEGUE_OK);
}

static void test_closed_standard_streams(void **state)
{
    int kept[3], results[2];
    segue_diag why;
    (void)state;
    fflush(stdout);
    for (int i = 0; i < 3; i++) kept[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
    for (int i = 0; i < 3; i++) close(i);
    results[0] = (int)run("chat", &why);
    results[1] = (int)run("refuse", &why);
    for (int i = 0; i < 3; i++) {
        dup2(kept[i], i);
        close(kept[i]);
    }
    assert_int_equal(results[0], SEGUE_OK);
    assert_int_equal(results[1], SEGUE_ERROR_INTERNAL);
    says(&why, "no such word");
}

static void test_nothing_to_run(void **state)
{
    char *code;
    uint64_t bytes;
    segue_diag why;
    (void)state;
    assert_int_equal(run_with("/nowhere/segue-compile", "5", "well", source, LIMIT, &code, &bytes, &why),
                     SEGUE_ERROR_INTERNAL);
    says(&why,
         "/nowhere/segue-compile, which compiles in a process of its own, cannot be started: No such file");
    assert_int_equal(run_with(SEGUE_COMPILE, "98", "well", source, LIMIT, &code, &bytes, &why),
                     SEGUE_ERROR_INTERNAL);
    says(&why, "libhiprtc.so.98 cannot be opened");
    assert_int_equal(run_with(SEGUE_COMPILE, "4", "well", source, LIMIT, &code, &bytes, &why),
                     SEGUE_ERROR_INTERNAL);
    says(&why, "usage: segue-compile");
}

static void test_no_memory(void **state)
{
    segue_diag why;
    (void)state;
    refuse_after = 0;
    assert_int_equal(run("well", &why), SEGUE_ERROR_MEMORY);
    refuse_after = -1;
}

static void test_found_beside_the_plugin(void **state)
{
    segue_host host = test_host;
    char path[4096];
    (void)state;
    host.plugin_dir = SEGUE_PLUGINS;
    assert_true(rocm_find_compiler(&host, path, sizeof path));
    host.plugin_dir = "/nowhere/plugins";
    assert_false(rocm_find_compiler(&host, path, sizeof path));
    host.plugin_dir = ""; /* linked in: no folder, and never the current one */
    assert_false(rocm_find_compiler(&host, path, sizeof path));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_compiles),
        TEST(test_long_source),
        TEST(test_chatter_is_not_code),
        TEST(test_refusal_tells_the_error),
        TEST(test_crashes_are_survived),
        TEST(test_hang_is_ended),
        TEST(test_exit_without_result),
        TEST(test_result_must_be_whole),
        TEST(test_ignored_children),
        TEST(test_closed_standard_streams),
        TEST(test_nothing_to_run),
        TEST(test_no_memory),
        TEST(test_found_beside_the_plugin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
