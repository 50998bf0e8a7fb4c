/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "../row_testing.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 8, FORKED = 16 };

struct job {
    int calls[FORKED], parts; /* plain on purpose: the pool orders them, or the thread sanitizer complains */
};

static void mark(void *arg, int32_t part, int32_t parts)
{
    struct job *j = arg;
    j->calls[part]++;
    if (part == 0) j->parts = parts;
}

static void check_job(const struct job *j, int threads)
{
    assert_true(j->parts == 1 || j->parts == threads);
    for (int i = 0; i < MOST; i++) assert_int_equal(j->calls[i], i < j->parts);
}

static void every_part_once(void **state)
{
    (void)state;
    for (uint32_t threads = 1; threads <= MOST; threads++) {
        struct segue_pool *p = segue_pool_create(&test_host, threads);
        assert_non_null(p);
        for (int i = 0; i < 300; i++) {
            struct job j = { 0 };
            if (i % 100 == 99) usleep(2000); /* long enough for the workers to park */
            segue_pool_run(p, mark, &j);
            check_job(&j, (int)threads);
            assert_int_equal(j.parts, (int)threads);
        }
        segue_pool_destroy(p);
    }
}

static void *caller(void *arg)
{
    for (int i = 0; i < 500; i++) {
        struct job j = { 0 };
        segue_pool_run(arg, mark, &j);
        check_job(&j, 3);
    }
    return NULL;
}

/* A second concurrent run computes on its caller's thread. */
static void callers_at_once(void **state)
{
    pthread_t threads[4];
    struct segue_pool *p = segue_pool_create(&test_host, 3);
    (void)state;
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, caller, p), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    segue_pool_destroy(p);
}

static void closes_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) segue_pool_destroy(segue_pool_create(&test_host, 1 + draw(MOST)));
}

/* After fork the workers are gone; neither a run nor closing must wait for them. So many threads that the C
 * library would give their stacks back to the system. */
static void survives_fork(void **state)
{
    struct segue_pool *p = segue_pool_create(&test_host, FORKED);
    int status = -1;
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct job j = { 0 };
        alarm(20);
        segue_pool_run(p, mark, &j);
        segue_pool_destroy(p);
        _exit(j.parts == FORKED && j.calls[FORKED - 1] == 1 ? 0 : 1);
    }
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    segue_pool_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_part_once), cmocka_unit_test(callers_at_once),
                                        cmocka_unit_test(closes_at_once), cmocka_unit_test(survives_fork) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
