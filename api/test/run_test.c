/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue_run keeps 64 plans a device: watched through a plugin that counts its plans. And what is left of its failures. */
#include "../core/core_testing.h"

#include <segue/kit.h>

static int made, gone, ran, losing, synced, sync_fails, copy_fails, allocated, most_buffers;
static segue_status failing;
static uint32_t captured;
static int asked;

static segue_status count(const segue_host *host, uint32_t *out, segue_diag *diag)
{
    (void)host, (void)diag;
    *out = 1;
    return SEGUE_OK;
}

static segue_status info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    (void)host, (void)index, (void)diag;
    out->flags = SEGUE_DEVICE_READY | SEGUE_DEVICE_HOST_MEMORY | SEGUE_DEVICE_SYNCHRONOUS;
    out->api = SEGUE_API_CPU;
    return SEGUE_OK;
}

static segue_status open_device(const segue_host *host, uint32_t index, const segue_device_options *options,
                                void **device, segue_diag *diag)
{
    (void)host, (void)index, (void)options, (void)diag;
    *device = &made;
    return SEGUE_OK;
}

static void close_device(void *device)
{
    (void)device;
}

static segue_status capturing(void *device, segue_stream stream, uint32_t *out, segue_diag *diag)
{
    (void)device, (void)stream, (void)diag;
    *out = captured;
    asked++;
    return SEGUE_OK;
}

static void release(void *data, const segue_kit_device *dev)
{
    (void)data, (void)dev;
    gone++;
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev;
    const segue_selective_scan *s = (const segue_selective_scan *)op;
    if (s->u.shape[1] == 77)
        return segue_kit_fail(why, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_PLAN, 1,
                              "u: t is 77, wanted anything else");
    plan->workspace_bytes = (uint64_t)s->u.shape[1] * 1000;
    plan->data = &made;
    plan->release = release;
    made++;
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    const segue_selective_scan *s = (const segue_selective_scan *)op;
    if (losing)
        return segue_kit_fail(call->why, SEGUE_ERROR_DEVICE_LOST, SEGUE_PHASE_RUN, 0,
                              "fell off the \x1b[31mbus\xff, \xc3\xa9");
    if (failing) return segue_kit_fail(call->why, failing, SEGUE_PHASE_RUN, 2, "half of it was enqueued");
    memset((char *)call->workspace.data + call->workspace.offset, 1, (size_t)s->u.shape[1] * 1000);
    ran++;
    return SEGUE_OK;
}

static segue_status sync_stream(void *device, segue_stream stream, segue_diag *diag)
{
    synced++;
    if (sync_fails) return segue_kit_fail(diag, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_CALL, 0, "cannot wait");
    return segue_kit_host_stream_sync(device, stream, diag);
}

static segue_status alloc_memory(void *device, uint64_t bytes, segue_buffer *out, segue_diag *diag)
{
    if (most_buffers && allocated >= most_buffers)
        return segue_kit_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_CALL, 0, "no more memory");
    allocated++;
    return segue_kit_host_alloc(device, bytes, out, diag);
}

static segue_status copy_memory(void *device, segue_stream stream, uint32_t direction, segue_buffer to,
                                segue_buffer from, uint64_t bytes, segue_diag *diag)
{
    if (!copy_fails) return segue_kit_host_copy(device, stream, direction, to, from, bytes, diag);
    segue_kit_fail(diag, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_CALL, 0, "the driver said 719");
    diag->native_code = 719;
    return SEGUE_ERROR_INTERNAL;
}

static const segue_row row = { .name = "selective_scan_count",
                               .primitive = SEGUE_SELECTIVE_SCAN,
                               .since = 1,
                               .priority = 1,
                               .prepare = prepare,
                               .run = run };
static segue_kit_adapter adapter = {
    SEGUE_KIT_HOST_MEMORY, .count = count,        .info = info,
    .open = open_device,   .close = close_device, .stream_capturing = capturing
};

SEGUE_KIT_PLUGIN(counting, .vendor = "Segue", .version = "0", .uuid = "d5a5b4f6-98a5-4b5f-9a58-0c1d2e3f4a5b",
                 .device = &adapter, .rows = (const segue_row *const[]){ &row, NULL })

static _Alignas(64) float memory[1 << 16];

/* A scan of t tokens over memory that nobody reads. */
static segue_selective_scan scan(int64_t t)
{
    segue_selective_scan s = segue_selective_scan_init();
    s.u = segue_tensor_of(memory, F32(1, t, 2));
    s.delta = segue_tensor_of(memory + 1000, F32(1, t, 2));
    s.A = segue_tensor_of(memory + 2000, F32(2, 3));
    s.B = segue_tensor_of(memory + 3000, F32(1, t, 1, 3));
    s.C = segue_tensor_of(memory + 4000, F32(1, t, 1, 3));
    s.y = segue_tensor_of(memory + 5000, F32(1, t, 2));
    return s;
}

static int set_up(void **state)
{
    static struct bench b;
    const segue_plugin_entry entries[] = { SEGUE_PLUGIN_ENTRY(counting), NULL };
    const segue_context_options options = { .size = sizeof options,
                                            .flags = SEGUE_CONTEXT_NO_DISCOVERY,
                                            .entries = entries };
    assert_ok(segue_context_create(&options, &b.ctx, why));
    assert_ok(segue_device_open(b.ctx, "counting", NULL, &b.dev, why));
    assert_ok(segue_stream_create(b.dev, &b.stream, why));
    made = gone = ran = losing = synced = sync_fails = copy_fails = allocated = most_buffers = 0;
    failing = SEGUE_OK;
    captured = 0;
    *state = &b;
    return 0;
}

static int tear_down(void **state)
{
    close_bench(*state);
    assert_int_equal(made, gone); /* the cache kept no plan, and the plans did not keep the device */
    return 0;
}

static void run_t(const struct bench *b, int64_t t)
{
    const segue_selective_scan op = scan(t);
    assert_ok(segue_run(b->dev, &op.header, b->stream, why));
}

static void same_plan_again(void **state)
{
    const struct bench *b = *state;
    segue_selective_scan op = scan(5);
    run_t(b, 5), run_t(b, 5);
    op.u.data = memory + 9000, op.u.bytes = 50, op.u.stride[1] = 3; /* other memory, other strides */
    op.u.bytes = 4 * (4 * 3 + 2);
    assert_ok(segue_run(b->dev, &op.header, b->stream, why));
    assert_int_equal(made, 1);
    assert_int_equal(ran, 3);
    op.softplus = 0; /* another plan */
    assert_ok(segue_run(b->dev, &op.header, b->stream, why));
    assert_int_equal(made, 2);
    run_t(b, 4); /* the row is chosen for the bound: a plan of its own */
    assert_int_equal(made, 3);
}

static void the_oldest_goes(void **state)
{
    const struct bench *b = *state;
    for (int64_t t = 1; t <= 64; t++) run_t(b, t);
    assert_int_equal(made, 64);
    assert_int_equal(gone, 0);
    run_t(b, 1); /* now 2 is the oldest */
    run_t(b, 65);
    assert_int_equal(made, 65);
    assert_int_equal(gone, 1);
    run_t(b, 1);
    assert_int_equal(made, 65);
    run_t(b, 2);
    assert_int_equal(made, 66);
    assert_int_equal(gone, 2);
    assert_int_equal(ran, 68);
}

static void a_failure_keeps_the_cache(void **state)
{
    const struct bench *b = *state;
    const segue_selective_scan bad = scan(77);
    for (int64_t t = 1; t <= 64; t++) run_t(b, t);
    assert_refused(SEGUE_ERROR_UNSUPPORTED, "t is 77", "wanted anything else",
                   segue_run(b->dev, &bad.header, b->stream, why));
    for (int64_t t = 1; t <= 64; t++) run_t(b, t);
    assert_int_equal(made, 64);
    assert_int_equal(gone, 0);
}

static void not_under_capture(void **state)
{
    const struct bench *b = *state;
    const segue_selective_scan op = scan(3);
    captured = 1;
    assert_refused(SEGUE_ERROR_CAPTURE, "captured", "segue_plan_run",
                   segue_run(b->dev, &op.header, b->stream, why));
    assert_int_equal(made, 0);
    captured = 0;
    run_t(b, 3);
}

/* A driver would take the handle for one of its own. */
static void no_driver_sees_another_apis_stream(void **state)
{
    const struct bench *b = *state;
    const segue_selective_scan op = scan(3);
    const int before = asked;
    assert_refused(SEGUE_ERROR_ARGUMENT, "stream is of API 77", "wanted one of",
                   segue_run(b->dev, &op.header, (segue_stream){ .api = 77 }, why));
    assert_int_equal(asked, before);
    run_t(b, 3);
}

static void no_uncapturable_row_under_capture(void **state)
{
    const struct bench *b = *state;
    const segue_selective_scan op = scan(3);
    const segue_buffer work = { memory + 10000, 0, 3000 };
    segue_plan *plan = NULL;
    assert_ok(segue_plan_create(b->dev, &op.header, &plan, why));
    captured = 1;
    assert_refused(SEGUE_ERROR_CAPTURE, "may not be captured", "wanted",
                   segue_plan_run(plan, &op.header, b->stream, work, why));
    assert_int_equal(ran, 0);
    captured = 0;
    assert_ok(segue_plan_run(plan, &op.header, b->stream, work, why));
    segue_plan_destroy(plan);
}

/* Once lost, always lost, whatever the plugin says later; another device of the same plugin is not. */
static void lost_is_lost(void **state)
{
    const struct bench *b = *state;
    const segue_selective_scan op = scan(3);
    segue_device *again = NULL;
    segue_support_facts support = { .size = sizeof support };
    run_t(b, 3);
    losing = 1;
    assert_refused(SEGUE_ERROR_DEVICE_LOST, "fell off", "the ?[31mbus?, \xc3\xa9",
                   segue_run(b->dev, &op.header, b->stream, why));
    losing = 0;
    assert_refused(SEGUE_ERROR_DEVICE_LOST, "was lost", "open it again", segue_device_status(b->dev, why));
    assert_refused(SEGUE_ERROR_DEVICE_LOST, "was lost", "open it again",
                   segue_run(b->dev, &op.header, b->stream, why));
    assert_int_equal(ran, 1);
    assert_ok(segue_support(b->dev, &op.header, &support, why));
    assert_int_equal(support.verdict, SEGUE_SUPPORT_NO);
    assert_int_equal(support.reasons, SEGUE_REASON_DEVICE);
    assert_non_null(strstr(support.text, "was lost"));
    assert_ok(segue_device_open(b->ctx, "counting", NULL, &again, why));
    assert_ok(segue_device_status(again, why));
    segue_device_close(again);
}

/* A run that failed half-way is waited for: plan and workspace are used again. The first failure is the one that is told. */
static void a_failed_run_is_waited_for(void **state)
{
    const struct bench *b = *state;
    const segue_selective_scan op = scan(3);
    segue_diag why = { 0 };
    run_t(b, 3);
    assert_int_equal(synced, 1);
    failing = SEGUE_ERROR_INTERNAL, sync_fails = 1;
    assert_int_equal(segue_run(b->dev, &op.header, b->stream, &why), SEGUE_ERROR_INTERNAL);
    assert_string_equal(why.text, "half of it was enqueued");
    assert_string_equal(segue_last_error(), why.text);
    assert_int_equal(why.field, 2);
    assert_int_equal(why.phase, SEGUE_PHASE_RUN);
    assert_int_equal(synced, 2);
    failing = SEGUE_OK;
    assert_refused(SEGUE_ERROR_INTERNAL, "cannot", "wait", segue_run(b->dev, &op.header, b->stream, why));
    sync_fails = 0;
    run_t(b, 3);
}

/* A driver may give memory that it does not have, and say so at the first use: the next run asks for its own. */
static void a_workspace_without_memory_goes(void **state)
{
    const struct bench *b = *state;
    const segue_selective_scan op = scan(3);
    segue_diag why = { 0 };
    run_t(b, 3);
    run_t(b, 3);
    assert_int_equal(allocated, 1);
    failing = SEGUE_ERROR_MEMORY;
    assert_int_equal(segue_run(b->dev, &op.header, b->stream, &why), SEGUE_ERROR_MEMORY);
    failing = SEGUE_OK;
    run_t(b, 2);
    assert_int_equal(allocated, 2);
}

/* A state that cannot be carried: the operand's name in front, the driver's own number kept. */
static void states_keep_the_drivers_number(void **state)
{
    const struct bench *b = *state;
    static unsigned char image[1024];
    uint64_t bytes = sizeof image;
    segue_selective_scan op = segue_selective_scan_init();
    segue_diag why = { 0 };
    op.h_out = segue_tensor_of(memory, F32(1, 2, 3));
    copy_fails = 1;
    assert_int_equal(segue_state_save(b->dev, b->stream, &op.header, image, &bytes, &why),
                     SEGUE_ERROR_INTERNAL);
    assert_string_equal(why.text, "h_out: the driver said 719");
    assert_int_equal(why.native_code, 719);
}

/* Memory for the second state is missing: the first one stays what it was. */
static void a_state_is_loaded_whole_or_not_at_all(void **state)
{
    const struct bench *b = *state;
    enum { SIZE = 15, NORM = 3 };
    float S[SIZE] = { 1 }, n[NORM] = { 2 }, S_in[SIZE] = { 3 }, n_in[NORM] = { 4 };
    static unsigned char image[1024];
    uint64_t bytes = sizeof image;
    segue_diag why = { 0 };
    segue_gated_recurrence op = segue_gated_recurrence_init();
    op.S_out = segue_tensor_of(S, F32(1, 1, 3, 5));
    op.n_out = segue_tensor_of(n, F32(1, 1, 3));
    op.S_in = segue_tensor_of(S_in, F32(1, 1, 3, 5));
    op.n_in = segue_tensor_of(n_in, F32(1, 1, 3));
    assert_ok(segue_state_save(b->dev, b->stream, &op.header, image, &bytes, why));
    most_buffers = allocated + 1;
    assert_int_equal(segue_state_load(b->dev, b->stream, &op.header, image, bytes, &why), SEGUE_ERROR_MEMORY);
    assert_string_equal(why.text, "n_in: no more memory");
    assert_true(S_in[0] == 3 && n_in[0] == 4);
    most_buffers = 0;
    assert_ok(segue_state_load(b->dev, b->stream, &op.header, image, bytes, why));
    assert_true(S_in[0] == 1 && n_in[0] == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(same_plan_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_oldest_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_keeps_the_cache, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_under_capture, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_driver_sees_another_apis_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_uncapturable_row_under_capture, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lost_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_run_is_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_workspace_without_memory_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(states_keep_the_drivers_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_state_is_loaded_whole_or_not_at_all, set_up, tear_down),
    };
    adapter.stream_sync = sync_stream;
    adapter.alloc = alloc_memory;
    adapter.copy = copy_memory;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
