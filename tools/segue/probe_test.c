/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Children that behave like good and bad plugins. */
#include "probe.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct probe run(const char *script, int seconds)
{
    struct probe p;
    char shell[] = "/bin/sh", flag[] = "-c", text[512];
    char *const argv[] = { shell, flag, text, NULL };
    snprintf(text, sizeof text, "%s", script);
    probe_command(argv, seconds, &p);
    return p;
}

static void good(void **state)
{
    struct probe p =
        run("echo chatter; echo '{\"phase\": 3}' >&3; echo '{\"good\": true, \"phase\": 6, \"words\": \"\", "
            "\"devices\": [{\"name\": \"acme:0\"}]}' >&3",
            10);
    (void)state;
    assert_true(p.good);
    assert_int_equal(p.phase, SEGUE_PHASE_ENUMERATE);
    assert_int_equal(json_array_size(p.devices), 1);
    json_decref(p.devices);
}

static void rejected(void **state)
{
    struct probe p =
        run("echo '{\"good\": false, \"phase\": 5, \"words\": \"memory_alloc is NULL\"}' >&3; exit 1", 10);
    (void)state;
    assert_false(p.good);
    assert_int_equal(p.phase, SEGUE_PHASE_VET);
    assert_string_equal(p.words, "memory_alloc is NULL");
}

static void crash(void **state)
{
    struct probe p = run("echo '{\"phase\": 4}' >&3; kill -SEGV $$", 10);
    (void)state;
    assert_false(p.good);
    assert_int_equal(p.phase, SEGUE_PHASE_ENTRY);
    assert_string_equal(p.words, "crashed: SIGSEGV");
}

static void crash_at_the_end(void **state)
{
    struct probe p = run("echo '{\"good\": true, \"phase\": 6}' >&3; kill -ABRT $$", 10);
    (void)state;
    assert_false(p.good);
    assert_string_equal(p.words, "crashed: SIGABRT when it was closed");
}

static void leaves(void **state)
{
    struct probe p = run("echo '{\"phase\": 6}' >&3; exit 0", 10);
    (void)state;
    assert_false(p.good);
    assert_int_equal(p.phase, SEGUE_PHASE_ENUMERATE);
    assert_string_equal(p.words, "ended the process with exit code 0");
}

static int elapsed(struct timespec since)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int)(now.tv_sec - since.tv_sec);
}

static void hang(void **state)
{
    static const char *const scripts[] = { "sleep 60", "exec 3>&-; sleep 60", "sleep 60 & sleep 60" };
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct timespec begun;
        clock_gettime(CLOCK_MONOTONIC, &begun);
        struct probe p = run(scripts[i], 1);
        assert_false(p.good);
        assert_string_equal(p.words, "hung: no answer within 1 s");
        assert_in_range(elapsed(begun), 0, 5);
    }
}

/* Hangs, traced by a process of its own that never looks: as if a driver held it in the kernel, nobody can wait for it. */
static int stuck(void)
{
    int ends[2];
    char word = 0;
    if (pipe(ends)) return 9;
    const pid_t parent = getpid(), tracer = fork();
    if (!tracer) {
        setsid();
        close(1), close(2), close(3), close(ends[1]); /* nobody waits for it */
        if (read(ends[0], &word, 1) != 1) _exit(9);
        if (ptrace(PTRACE_SEIZE, parent, NULL, NULL)) kill(parent, SIGUSR1);
        sleep(30);
        _exit(0);
    }
    prctl(PR_SET_PTRACER, tracer);
    if (write(ends[1], "x", 1) != 1) return 9;
    sleep(60);
    return 9;
}

static void cannot_be_waited_for(void **state)
{
    struct timespec begun;
    struct probe p;
    char self[] = "/proc/self/exe", word[] = "stuck";
    char *const argv[] = { self, word, NULL };
    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    probe_command(argv, 1, &p);
    if (!strcmp(p.words, "crashed: SIGUSR1")) skip(); /* no process may trace here */
    assert_false(p.good);
    assert_string_equal(p.words, "hung: no answer within 1 s");
    assert_in_range(elapsed(begun), 10, 25);
}

static void nonsense(void **state)
{
    struct probe p = run("echo '{\"good\": ' >&3; echo good >&3; echo '[1, 2]' >&3", 10);
    (void)state;
    assert_false(p.good);
    p = run("exec head -c 3000000 /dev/zero >&3", 10);
    assert_false(p.good);
    assert_string_equal(p.words, "crashed: SIGPIPE");
}

/* What is behind somebody else's report on the same descriptor counts; the first one's devices are dropped. */
static void reports_twice(void **state)
{
    struct probe p =
        run("for n in a b; do echo '{\"good\": true, \"phase\": 6, \"devices\": [\"'$n'\"]}'; done >&3", 10);
    (void)state;
    assert_true(p.good);
    assert_string_equal(json_string_value(json_array_get(p.devices, 0)), "b");
    assert_int_equal(p.devices->refcount, 1);
    json_decref(p.devices);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(rejected),
        cmocka_unit_test(crash),
        cmocka_unit_test(crash_at_the_end),
        cmocka_unit_test(leaves),
        cmocka_unit_test(hang),
        cmocka_unit_test(nonsense),
        cmocka_unit_test(reports_twice),
        cmocka_unit_test(cannot_be_waited_for),
    };
    if (argc == 2 && !strcmp(argv[1], "stuck")) return stuck();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
