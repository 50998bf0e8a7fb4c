/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Where candidates come from, in which order, and who is turned away. The files are notes without code: nothing
 * is loaded. */
#include "loader_testing.h"

#include <sys/auxv.h>
#include <sys/wait.h>

static char root[OS_PATH_BYTES], *self;

static const char *folder(const char *name)
{
    static char paths[4][OS_PATH_BYTES + 64];
    static int turn;
    char *path = paths[turn = (turn + 1) % 4];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    mkdir(path, 0755);
    return path;
}

static int setup(void **state)
{
    (void)state;
    char template[] = "/tmp/segue-find-test-XXXXXX";
    unsetenv("SEGUE_PLUGIN_PATH");
    return !mkdtemp(template) || os_real_path(template, root);
}

static int teardown(void **state)
{
    char command[OS_PATH_BYTES + 16];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static struct candidates find(const char *const *plugins, const segue_plugin_entry *entries, uint32_t flags)
{
    const segue_context_options options = {
        .size = sizeof options, .flags = flags, .plugins = plugins, .entries = entries
    };
    const segue_host host = test_host();
    struct candidates all = { 0 };
    assert_int_equal(segue_find_plugins(&options, &host, &all, NULL), SEGUE_OK);
    assert_true(all.count && all.list[all.count - 1].builtin);
    assert_string_equal(all.list[all.count - 1].facts.id, "reference");
    return all;
}

static void expect(const struct candidates *all, uint32_t index, uint32_t state, const char *id,
                   const char *words)
{
    assert_true(index < all->count);
    const segue_plugin_facts *f = &all->list[index].facts;
    if (f->state != state || strcmp(f->id, id) || !strstr(f->text, words) || (!words[0] && f->text[0]))
        fail_msg("candidate %u (%s): state %u, id '%s', text '%s'; wanted %u, '%s', '%s'", index, f->path,
                 f->state, f->id, f->text, state, id, words);
    assert_int_equal(f->code, state == SEGUE_PLUGIN_REJECTED ? SEGUE_ERROR_PLUGIN : SEGUE_OK);
}

static void listed_files(void **state)
{
    char good[OS_PATH_BYTES], other[OS_PATH_BYTES];
    (void)state;
    strcpy(good, put_plugin(folder("a"), "one"));
    strcpy(other, put_plugin(folder("b"), "one"));
    const char *const plugins[] = {
        good, other, good, "relative/segue_x.so", "/nonexistent/segue_x.so", folder("a"), "/dev/null", "", NULL
    };
    struct candidates all = find(plugins, NULL, SEGUE_CONTEXT_NO_DISCOVERY);
    assert_int_equal(all.count, 9);
    expect(&all, 0, SEGUE_PLUGIN_FOUND, "one", "");
    assert_string_equal(all.list[0].facts.path, good);
    assert_string_equal(all.list[0].directory, folder("a"));
    expect(&all, 1, SEGUE_PLUGIN_REJECTED, "one", "shadowed by ");
    expect(&all, 2, SEGUE_PLUGIN_REJECTED, "one", "the same file as ");
    expect(&all, 3, SEGUE_PLUGIN_REJECTED, "", "not an absolute path");
    expect(&all, 4, SEGUE_PLUGIN_REJECTED, "", "cannot open it: No such file or directory");
    expect(&all, 5, SEGUE_PLUGIN_REJECTED, "", "not a regular file");
    expect(&all, 6, SEGUE_PLUGIN_REJECTED, "", "not a regular file");
    expect(&all, 7, SEGUE_PLUGIN_REJECTED, "", "not an absolute path");
    segue_free_plugins(&all);
}

static void links_are_resolved(void **state)
{
    char link[OS_PATH_BYTES + 64], target[OS_PATH_BYTES];
    (void)state;
    strcpy(target, put_plugin(folder("a"), "one"));
    snprintf(link, sizeof link, "%s/segue_one.so", folder("b"));
    assert_int_equal(symlink(target, link), 0);
    struct candidates all = find((const char *const[]){ link, NULL }, NULL, SEGUE_CONTEXT_NO_DISCOVERY);
    expect(&all, 0, SEGUE_PLUGIN_FOUND, "one", "");
    assert_string_equal(all.list[0].facts.path, target);
    segue_free_plugins(&all);
}

/* A path is bytes: in words it is shown as far as it is text. */
static void paths_in_words(void **state)
{
    char path[OS_PATH_BYTES];
    (void)state;
    strcpy(path, put_plugin(folder("caf\xe9\x1b"), "one"));
    struct candidates all = find((const char *const[]){ path, path, NULL }, NULL, SEGUE_CONTEXT_NO_DISCOVERY);
    expect(&all, 0, SEGUE_PLUGIN_FOUND, "one", "");
    expect(&all, 1, SEGUE_PLUGIN_REJECTED, "one",
           "caf?"
           "?/segue_one.so, which came earlier");
    segue_free_plugins(&all);
}

static void folders_of_the_environment(void **state)
{
    char list[4 * OS_PATH_BYTES], stranger[OS_PATH_BYTES + 64];
    (void)state;
    put_plugin(folder("a"), "zeta");
    put_plugin(folder("a"), "alpha");
    put_plugin(folder("b"), "zeta");
    snprintf(stranger, sizeof stranger, "%s/segue_text.so", folder("b"));
    write_file(stranger, "hello", 5);
    snprintf(stranger, sizeof stranger, "%s/libother.so", folder("b"));
    write_file(stranger, "hello", 5);
    snprintf(list, sizeof list, "%s::plugins:%s:/nonexistent:", folder("a"), folder("b"));
    setenv("SEGUE_PLUGIN_PATH", list, 1);
    struct candidates all = find(NULL, NULL, 0);
    assert_int_equal(all.count, 7);
    expect(&all, 0, SEGUE_PLUGIN_FOUND, "alpha",
           "warning: not installed safely: /tmp may be written by group or others");
    expect(&all, 1, SEGUE_PLUGIN_FOUND, "zeta", "warning: not installed safely");
    expect(&all, 2, SEGUE_PLUGIN_REJECTED, "", "SEGUE_PLUGIN_PATH takes absolute folders");
    assert_string_equal(all.list[2].facts.path, "plugins");
    expect(&all, 3, SEGUE_PLUGIN_REJECTED, "", "not an ELF file (5 bytes)");
    expect(&all, 4, SEGUE_PLUGIN_REJECTED, "zeta", "shadowed by ");
    expect(&all, 5, SEGUE_PLUGIN_REJECTED, "", "cannot list this folder: No such file or directory");
    segue_free_plugins(&all);
    all = find(NULL, NULL, SEGUE_CONTEXT_NO_DISCOVERY);
    assert_int_equal(all.count, 1);
    segue_free_plugins(&all);
}

static void nobody_takes_a_builtin_id(void **state)
{
    (void)state;
    const char *path = put_plugin(folder("a"), "reference");
    struct candidates all = find((const char *const[]){ path, NULL }, NULL, SEGUE_CONTEXT_NO_DISCOVERY);
    expect(&all, 0, SEGUE_PLUGIN_REJECTED, "reference", "shadowed by the built-in plugin");
    expect(&all, 1, SEGUE_PLUGIN_FOUND, "reference", "");
    segue_free_plugins(&all);
}

/* The folder beside the library, which here is the test itself. */
static void own_folder_is_trusted_only_when_safe(void **state)
{
    char home[OS_PATH_BYTES], parent[OS_PATH_BYTES + 32], own[OS_PATH_BYTES + 64], words[400] = "";
    (void)state;
    assert_int_equal(os_real_path(self, home), 0);
    *strrchr(home, '/') = 0;
    snprintf(parent, sizeof parent, "%s/segue", home);
    snprintf(own, sizeof own, "%s/plugins-%d", parent, SEGUE_PLUGIN_EPOCH);
    mkdir(parent, 0755);
    mkdir(own, 0755);
    const char *path = put_plugin(own, "own");
    const int trusted = !segue_check_trust(path, words, sizeof words);
    struct candidates all = find(NULL, NULL, 0);
    assert_int_equal(all.count, 2);
    expect(&all, 0, trusted ? SEGUE_PLUGIN_FOUND : SEGUE_PLUGIN_REJECTED, trusted ? "own" : "", words);
    segue_free_plugins(&all);

    setenv("SEGUE_PLUGIN_PATH", own, 1); /* listed too: searched once, and a failed check warns */
    all = find(NULL, NULL, 0);
    assert_int_equal(all.count, 2);
    expect(&all, 0, SEGUE_PLUGIN_FOUND, "own", trusted ? "" : "warning: ");
    segue_free_plugins(&all);
    unsetenv("SEGUE_PLUGIN_PATH");

    if (trusted) {
        assert_int_equal(chmod(own, 01777), 0); /* sticky does not excuse */
        all = find(NULL, NULL, 0);
        expect(&all, 0, SEGUE_PLUGIN_REJECTED, "", "may be written by group or others (mode 1777)");
        segue_free_plugins(&all);
    }
    unlink(path);
    rmdir(own);
    rmdir(parent);
}

static void trust(void **state)
{
    char words[400], path[OS_PATH_BYTES + 64];
    (void)state;
    assert_int_equal(segue_check_trust("/", words, sizeof words), SEGUE_OK);
    assert_int_equal(segue_check_trust("/usr/lib", words, sizeof words), SEGUE_OK);
    assert_int_equal(segue_check_trust(root, words, sizeof words), SEGUE_ERROR_PLUGIN);
    assert_non_null(strstr(words, "/tmp may be written by group or others (mode 1777)"));
    assert_int_equal(segue_check_trust("usr/lib", words, sizeof words), SEGUE_ERROR_PLUGIN);
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = 0;
    assert_int_equal(segue_check_trust(path, words, sizeof words), SEGUE_ERROR_PLUGIN);
    assert_int_equal(segue_check_trust("/nonexistent/x", words, sizeof words), SEGUE_ERROR_PLUGIN);
    assert_non_null(strstr(words, "No such file"));
}

/* A foreign owner and a set-id process can only be made by root. */
static void as_root(void **state)
{
    char words[400], copy[OS_PATH_BYTES + 64], command[6 * OS_PATH_BYTES];
    (void)state;
    if (geteuid()) skip();
    snprintf(copy, sizeof copy, "/root/.segue-trust-test-%d", (int)getpid());
    write_file(copy, "", 0);
    if (!segue_check_trust(copy, words, sizeof words)) {
        assert_int_equal(chmod(copy, 04755), 0);
        assert_int_equal(segue_check_trust(copy, words, sizeof words), SEGUE_ERROR_PLUGIN);
        assert_non_null(strstr(words, "has a set-id bit (mode 4755)"));
        assert_int_equal(chown(copy, 65534, 65534), 0);
        assert_int_equal(segue_check_trust(copy, words, sizeof words), SEGUE_ERROR_PLUGIN);
        assert_non_null(strstr(words, "belongs to user 65534, wanted root or user 0"));
    }
    unlink(copy);
    snprintf(copy, sizeof copy, "%s/setid", root);
    snprintf(command, sizeof command, "cp '%s' '%s' && chown 65534 '%s' && chmod 4755 '%s' && chmod 755 '%s'",
             self, copy, copy, copy, root);
    assert_int_equal(system(command), 0);
    put_plugin(folder("a"), "one");
    setenv("SEGUE_PLUGIN_PATH", folder("a"), 1);
    snprintf(command, sizeof command, "'%s' --set-id", copy);
    const int code = system(command);
    assert_true(WIFEXITED(code));
    if (WEXITSTATUS(code) == 77) skip(); /* mounted nosuid */
    assert_int_equal(WEXITSTATUS(code), 0);
}

/* In the set-id copy: 0 when the environment was ignored. */
static int run_set_id(void)
{
    const segue_host host = test_host();
    struct candidates all;
    if (!getauxval(AT_SECURE)) return 77;
    if (!getenv("SEGUE_PLUGIN_PATH") || segue_find_plugins(NULL, &host, &all, NULL)) return 2;
    const int found = all.count != 1 || os_environment("SEGUE_PLUGIN_PATH");
    segue_free_plugins(&all);
    return found;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(listed_files, setup, teardown),
        cmocka_unit_test_setup_teardown(links_are_resolved, setup, teardown),
        cmocka_unit_test_setup_teardown(paths_in_words, setup, teardown),
        cmocka_unit_test_setup_teardown(folders_of_the_environment, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_takes_a_builtin_id, setup, teardown),
        cmocka_unit_test_setup_teardown(own_folder_is_trusted_only_when_safe, setup, teardown),
        cmocka_unit_test_setup_teardown(trust, setup, teardown),
        cmocka_unit_test_setup_teardown(as_root, setup, teardown),
    };
    self = argv[0];
    if (argc > 1 && !strcmp(argv[1], "--set-id"))
        _exit(run_set_id()); /* a leak checker cannot look into a set-id process */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
