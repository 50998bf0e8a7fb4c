/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Eight threads at once: on one plan, on segue_run, on one context. Meant for the thread sanitizer. */
#include "core_testing.h"

#include <pthread.h>

enum { THREADS = 8, RUNS = 200 };

struct job {
    const struct bench *bench;
    const segue_plan *plan;
    uint64_t workspace_bytes;
    int number;
    char problem[600];
};

static segue_status scan_through_plan(struct job *job, struct small_scan *s, segue_buffer workspace,
                                      segue_diag *why)
{
    return segue_plan_run(job->plan, &s->op.header, job->bench->stream, workspace, why);
}

static segue_status scan_once(struct job *job, struct small_scan *s, segue_buffer workspace, segue_diag *why)
{
    (void)workspace;
    return segue_run(job->bench->dev, &s->op.header, job->bench->stream, why);
}

typedef segue_status (*way)(struct job *job, struct small_scan *s, segue_buffer workspace, segue_diag *why);

/* Every thread has operands and workspace of its own; cmocka's checks are for the main thread only. */
static void scan_often(struct job *job, way how)
{
    struct small_scan *s = malloc(sizeof *s);
    segue_buffer workspace = { 0 };
    segue_diag why = { 0 };
    int bad = segue_memory_alloc(job->bench->dev, job->workspace_bytes, &workspace, &why) != SEGUE_OK;
    for (int i = 0; i < RUNS && !bad; i++) {
        const int64_t t = 1 + (job->number + i) % SCAN_T;
        make_scan(s, t);
        bad = how(job, s, workspace, &why) != SEGUE_OK || s->h[0] != (float)t ||
              s->y[t * SCAN_D - 1] != (float)(SCAN_N * t);
        if (!bad && i % 16 == 0)
            bad = segue_plan_run(job->plan, NULL, job->bench->stream, workspace, &why) != SEGUE_ERROR_ARGUMENT;
    }
    if (bad)
        snprintf(job->problem, sizeof job->problem, "thread %d: wrong answer or: %s", job->number, why.text);
    segue_memory_free(job->bench->dev, workspace);
    free(s);
}

static void *plan_thread(void *job)
{
    scan_often(job, scan_through_plan);
    return NULL;
}

static void *run_thread(void *job)
{
    scan_often(job, scan_once);
    return NULL;
}

/* Opens, plans and closes while the others do the same on the same context. */
static void *open_thread(void *arg)
{
    struct job *job = arg;
    struct small_scan *s = malloc(sizeof *s);
    for (int i = 0; i < RUNS / 10; i++) {
        segue_device *dev;
        segue_plan *plan;
        segue_diag why = { 0 };
        uint32_t count = 0;
        make_scan(s, SCAN_T);
        if (segue_device_open(job->bench->ctx, "reference", NULL, &dev, &why) ||
            segue_plan_create(dev, &s->op.header, &plan, &why) ||
            segue_device_count(job->bench->ctx, &count, &why))
            snprintf(job->problem, sizeof job->problem, "thread %d: %s", job->number, why.text);
        segue_device_close(dev);
        segue_plan_destroy(plan);
    }
    free(s);
    return NULL;
}

static void all_at_once(const struct bench *b, void *(*body)(void *))
{
    struct small_scan planned;
    segue_plan *plan;
    segue_plan_facts need = { .size = sizeof need };
    struct job jobs[THREADS];
    pthread_t threads[THREADS];
    make_scan(&planned, SCAN_T);
    assert_ok(segue_plan_create(b->dev, &planned.op.header, &plan, why));
    assert_ok(segue_plan_info(plan, &need, why));
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){ b, plan, need.workspace_bytes, i, "" };
        assert_int_equal(pthread_create(&threads[i], NULL, body, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    segue_plan_destroy(plan);
    for (int i = 0; i < THREADS; i++)
        if (jobs[i].problem[0]) fail_msg("%s", jobs[i].problem);
}

static void on(const char *device, void *(*body)(void *))
{
    struct bench b = open_bench(device);
    all_at_once(&b, body);
    close_bench(&b);
}

static void one_plan(void **state)
{
    (void)state;
    on("reference", plan_thread);
}

static void one_plan_and_a_pool(void **state)
{
    (void)state;
    on("cpu", plan_thread);
}

static void one_device(void **state)
{
    (void)state;
    on("reference", run_thread);
}

static void one_context(void **state)
{
    (void)state;
    on("reference", open_thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(one_plan), cmocka_unit_test(one_plan_and_a_pool),
                                        cmocka_unit_test(one_device), cmocka_unit_test(one_context) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
