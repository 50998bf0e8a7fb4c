/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The loader's words, with libm as the driver and folders of the test's own. */
#include "gpu_testing.h"
#include "native.h"

#include <dlfcn.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct table {
    double (*cosine)(double);
    void (*none)(void);
};

static const char *names[] = { "libsegue_no_such_driver.so.1", NULL };
static const char *installed[] = { "libsegue_no_such_driver.so.1", "libm.so.6", NULL };
static const struct native_entry good[] = { { "cos", offsetof(struct table, cosine), 0 },
                                            { "segue_no_such_entry", offsetof(struct table, none), 1 } };
static const struct native_entry bad[] = { { "cos", offsetof(struct table, cosine), 0 },
                                           { "segue_no_such_entry", offsetof(struct table, none), 0 } };
static const char *folders[] = { "$SEGUE_TEST_FOLDER/lib", NULL };

static struct native_library library_of(const char *const *from, const struct native_entry *entries)
{
    return (struct native_library){ from, "install the driver of the tests", entries, 2, NULL, 0 };
}

static segue_status load(const struct native_library *library, struct table *out, int *stand_in,
                         segue_diag *why)
{
    memset(out, 0xee, sizeof *out);
    *why = (segue_diag){ 0 };
    return native_load(library, out, stand_in, SEGUE_PHASE_ENUMERATE, why);
}

static int setup(void **state)
{
    unsetenv("SEGUE_DRIVER_PATH");
    unsetenv("SEGUE_TEST_FOLDER");
    return fresh_folder(state);
}

static void put(const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", test_folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void says_what_is_missing(void **state)
{
    struct native_library library = library_of(names, good);
    struct table t;
    segue_diag why;
    int stand_in = 7;
    (void)state;
    assert_int_equal(load(&library, &t, &stand_in, &why), SEGUE_ERROR_NO_DEVICE);
    assert_non_null(strstr(why.text, "libsegue_no_such_driver.so.1"));
    assert_non_null(strstr(why.text, "install the driver of the tests"));
    assert_int_equal(why.phase, SEGUE_PHASE_ENUMERATE);
    assert_int_equal(stand_in, 0);
    library = library_of(installed, bad);
    assert_int_equal(load(&library, &t, &stand_in, &why), SEGUE_ERROR_NO_DEVICE);
    assert_non_null(strstr(why.text, "has no segue_no_such_entry"));
    assert_non_null(strstr(why.text, "install the driver of the tests"));
}

static void finds_what_is_installed(void **state)
{
    const struct native_library library = library_of(installed, good);
    struct table t;
    segue_diag why;
    int stand_in = 7;
    (void)state;
    assert_int_equal(load(&library, &t, &stand_in, &why), SEGUE_OK);
    assert_int_equal(stand_in, 0);
    assert_true(t.cosine(0.0) == 1.0);
    assert_null(t.none); /* optional */
}

/* Another version that is installed is passed over: an engine's is in the process. */
static void takes_what_the_process_has_loaded(void **state)
{
    static const char *const either[] = { "libanl.so.1", "libm.so.6",
                                          NULL }; /* glibc's; only the second has cos */
    struct native_library library = library_of(either, good);
    struct table t;
    segue_diag why;
    int stand_in;
    (void)state;
    assert_non_null(dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL));
    library.one_copy = 1;
    assert_int_equal(load(&library, &t, &stand_in, &why), SEGUE_OK);
    assert_true(t.cosine(0.0) == 1.0);
    library.one_copy = 0; /* a compiler: the first by name */
    assert_int_equal(load(&library, &t, &stand_in, &why), SEGUE_ERROR_NO_DEVICE);
}

static void looks_into_the_tests_folder_first(void **state)
{
    const struct native_library library = library_of(installed, good);
    struct table t;
    segue_diag why;
    int stand_in;
    (void)state;
    setenv("SEGUE_DRIVER_PATH", "build/test", 1);
    assert_int_equal(load(&library, &t, &stand_in, &why), SEGUE_ERROR_NO_DEVICE);
    assert_non_null(strstr(why.text, "SEGUE_DRIVER_PATH is build/test, wanted an absolute folder"));
    setenv("SEGUE_DRIVER_PATH", test_folder, 1); /* empty: the system's is as good */
    assert_int_equal(load(&library, &t, &stand_in, &why), SEGUE_OK);
    put("libm.so.6", "this is no library"); /* what lies there is not passed over in silence */
    assert_int_equal(load(&library, &t, &stand_in, &why), SEGUE_ERROR_NO_DEVICE);
    assert_non_null(strstr(why.text, test_folder));
    assert_non_null(strstr(why.text, "does not load"));
    setenv("SEGUE_DRIVER_PATH", "", 1);
    assert_int_equal(load(&library, &t, &stand_in, &why), SEGUE_OK);
}

static void looks_into_folders_last(void **state)
{
    struct native_library library = library_of(names, good);
    struct table t;
    segue_diag why;
    int stand_in;
    (void)state;
    library.folders = folders;
    assert_int_equal(load(&library, &t, &stand_in, &why), SEGUE_ERROR_NO_DEVICE);
    assert_non_null(strstr(why.text, "install the driver of the tests")); /* the variable is not set */
    char lib[96];
    snprintf(lib, sizeof lib, "%s/lib", test_folder);
    assert_int_equal(mkdir(lib, 0700), 0);
    put("lib/libsegue_no_such_driver.so.1", "this is no library");
    setenv("SEGUE_TEST_FOLDER", test_folder + 1, 1); /* relative */
    assert_int_equal(load(&library, &t, &stand_in, &why), SEGUE_ERROR_NO_DEVICE);
    assert_null(strstr(why.text, "does not load"));
    setenv("SEGUE_TEST_FOLDER", test_folder, 1);
    assert_int_equal(load(&library, &t, &stand_in, &why), SEGUE_ERROR_NO_DEVICE);
    assert_non_null(strstr(why.text, "/lib/libsegue_no_such_driver.so.1 does not load"));
}

/* 0 when a process with another user's rights loads nothing; 77 = the rights cannot be had. */
static int run_set_id(void)
{
    const struct native_library library = library_of(installed, good);
    struct table t;
    segue_diag why;
    int stand_in;
    if (!getauxval(AT_SECURE)) return 77;
    if (load(&library, &t, &stand_in, &why) != SEGUE_ERROR_NO_DEVICE) return 1;
    return strstr(why.text, "set-id") ? 0 : 2;
}

static const char *self;

static void refuses_set_id(void **state)
{
    char copy[96], command[768];
    (void)state;
    if (geteuid()) skip();
    snprintf(copy, sizeof copy, "%s/set-id", test_folder);
    snprintf(command, sizeof command,
             "cp '%s' '%s' && chown 65534 '%s' && chmod 4755 '%s' && chmod 755 '%s' && '%s' --set-id", self,
             copy, copy, copy, test_folder, copy);
    const int code = system(command);
    assert_true(WIFEXITED(code));
    if (WEXITSTATUS(code) == 77) skip(); /* mounted nosuid */
    assert_int_equal(WEXITSTATUS(code), 0);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(says_what_is_missing),
        TEST(finds_what_is_installed),
        TEST(takes_what_the_process_has_loaded),
        TEST(looks_into_the_tests_folder_first),
        TEST(looks_into_folders_last),
        TEST(refuses_set_id),
    };
#undef TEST
    if (argc > 1 && !strcmp(argv[1], "--set-id")) _exit(run_set_id());
    self = argv[0];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
