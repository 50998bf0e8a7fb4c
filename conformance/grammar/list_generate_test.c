/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* argv[1]: the folder conformance/. The committed lists are what the case facts make. */
#include "list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptor.h"
#include "verb_list.h"

#include <cmocka.h>

static const char *folder;

static struct list committed(const char *profile)
{
    char path[4096], why[DESCRIPTOR_WHY] = "";
    struct list l;
    snprintf(path, sizeof path, "%s/lists/%s.txt", folder, profile);
    if (list_read_file(path, &l, why)) fail_msg("%s", why);
    return l;
}

/* now is freed. */
static void same(const char *profile, struct list *now)
{
    struct list was = committed(profile);
    for (size_t i = 0; i < now->count && i < was.count; i++)
        if (strcmp(now->names[i], was.names[i]))
            fail_msg(
                "lists/%s.txt is not what the case facts make: case %zu is %s, wanted %s; write it anew with "
                "segue conform list --profile %s --generate",
                profile, i + 1, was.names[i], now->names[i], profile);
    assert_int_equal(was.count, now->count);
    list_free(&was);
    list_free(now);
}

/* From the committed core, which the other test makes anew: that takes half a minute. */
static void smoke(void **state)
{
    struct list core = committed("core"), now;
    char why[DESCRIPTOR_WHY] = "";
    (void)state;
    if (list_generate_smoke(&core, &now, why)) fail_msg("%s", why);
    same("smoke", &now);
    list_free(&core);
}

/* As `segue conform list` prints it: a file that can be committed. */
static void core(void **state)
{
    char path[] = "/tmp/segue-list-XXXXXX", line[1024] = "", why[DESCRIPTOR_WHY] = "";
    char *words[] = { "list", "--generate", "--profile", "core", NULL };
    struct list now;
    int status = 0;
    (void)state;
    close(mkstemp(path));
    fflush(NULL);
    const pid_t child = fork();
    if (!child) _exit(freopen(path, "w", stdout) ? verb_list(4, words) : 99);
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (list_read_file(path, &now, why)) fail_msg("%s", why);
    same("core", &now);
    FILE *f = fopen(path, "r");
    assert_non_null(fgets(line, sizeof line, f));
    assert_non_null(strstr(line, "profile core"));
    fclose(f);
    unlink(path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(smoke), cmocka_unit_test(core) };
    if (argc < 2) return 2;
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
