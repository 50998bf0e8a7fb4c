/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* SEGUE_CHECK=1: handles that were closed are caught, however many came and went. */
#include "core_testing.h"

static segue_status plan_of(struct bench *b, struct small_scan *s, segue_plan **out, segue_diag *why)
{
    make_scan(s, SCAN_T);
    return segue_plan_create(b->dev, &s->op.header, out, why);
}

static void stale_handles(void **state)
{
    struct small_scan s;
    segue_plan *plan, *other = NULL;
    segue_plan_facts facts = { .size = sizeof facts };
    uint32_t count;
    struct bench b = open_bench("reference");
    (void)state;
    assert_ok(plan_of(&b, &s, &plan, why));
    segue_plan_destroy(plan);
    assert_refused(SEGUE_ERROR_ARGUMENT, "stale", "wanted a plan", segue_plan_info(plan, &facts, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "stale", "wanted a plan",
                   segue_plan_run(plan, &s.op.header, b.stream, (segue_buffer){ 0 }, why));
    segue_plan_destroy(plan); /* twice: nothing happens */
    segue_device_close(b.dev);
    assert_refused(SEGUE_ERROR_ARGUMENT, "stale", "wanted a device", plan_of(&b, &s, &other, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "stale", "wanted a device", segue_device_status(b.dev, why));
    segue_device_close(b.dev);
    segue_context_destroy(b.ctx);
    assert_refused(SEGUE_ERROR_ARGUMENT, "stale", "wanted a context", segue_device_count(b.ctx, &count, why));
    segue_context_destroy(b.ctx);
    assert_null(other);
}

/* Anything that is not a handle, without reading much of it. */
static void never_made(void **state)
{
    uint32_t count, word = 0x53474301;
    segue_plan_facts facts = { .size = sizeof facts };
    struct bench b = open_bench("reference");
    (void)state;
    assert_refused(SEGUE_ERROR_ARGUMENT, "never made", "wanted a context",
                   segue_device_count((segue_context *)&word, &count, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "is a device", "wanted a plan",
                   segue_plan_info((segue_plan *)b.dev, &facts, why));
    close_bench(&b);
}

/* Far more than the set has room for at once. */
static void many_come_and_go(void **state)
{
    enum { ROUNDS = 20000 };
    struct small_scan s;
    segue_plan_facts facts = { .size = sizeof facts };
    struct bench b = open_bench("reference");
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        segue_plan *plan;
        assert_ok(plan_of(&b, &s, &plan, why));
        assert_ok(segue_plan_info(plan, &facts, why));
        segue_plan_destroy(plan);
    }
    close_bench(&b);
}

/* More live handles than the set has places: checked less, but never refused. */
static void many_at_once(void **state)
{
    enum { LIVE = 5000 };
    static segue_plan *plans[LIVE];
    struct small_scan s;
    segue_plan_facts facts = { .size = sizeof facts };
    struct bench b = open_bench("reference");
    (void)state;
    for (int i = 0; i < LIVE; i++) assert_ok(plan_of(&b, &s, &plans[i], why));
    for (int i = 0; i < LIVE; i++) assert_ok(segue_plan_info(plans[i], &facts, why));
    for (int i = 0; i < LIVE; i++) segue_plan_destroy(plans[i]);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stale_handles),
        cmocka_unit_test(never_made),
        cmocka_unit_test(many_come_and_go),
        cmocka_unit_test(many_at_once),
    };
    setenv("SEGUE_CHECK", "1", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
