/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Entry, rows, plans and delegation, with a host that counts its allocations and two plugins made of rows that
 * only record. */
#include <segue/kit.h>

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static int live, refuse_after = -1; /* allocations; refuse_after: how many more succeed, -1 = all */

static void *host_alloc(void *user, uint64_t bytes, uint64_t alignment)
{
    (void)user;
    if (!refuse_after) return NULL;
    if (refuse_after > 0) refuse_after--;
    live++;
    void *memory = aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    return memset(memory, 0, (bytes + alignment - 1) / alignment * alignment);
}

static void host_free(void *user, void *memory)
{
    (void)user;
    live--;
    free(memory);
}

static const segue_host host = { .size = sizeof host,
                                 .epoch = SEGUE_PLUGIN_EPOCH,
                                 .minor_min = SEGUE_PLUGIN_MINOR,
                                 .minor_max = SEGUE_PLUGIN_MINOR,
                                 .alloc = host_alloc,
                                 .free = host_free,
                                 .describe = segue_describe,
                                 .plugin_dir = "" };

/* ---- a device ---- */

static segue_status fail_open;

static segue_status info(const segue_host *h, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    (void)h, (void)index, (void)diag;
    out->flags = SEGUE_DEVICE_READY;
    out->threads = 8;
    return SEGUE_OK;
}

static segue_status open_device(const segue_host *h, uint32_t index, const segue_device_options *options,
                                void **device, segue_diag *diag)
{
    (void)h, (void)index;
    assert_non_null(options);
    if (fail_open) return segue_kit_fail(diag, fail_open, SEGUE_PHASE_OPEN, 0, "told to fail");
    *device = NULL;
    return SEGUE_OK;
}

static void close_device(void *device)
{
    (void)device;
}

static void opened(void *device, segue_device_facts *facts)
{
    (void)device;
    facts->threads = 3;
}

static const segue_kit_adapter adapter = {
    SEGUE_KIT_HOST_MEMORY, .count = segue_kit_count_one, .info = info,
    .open = open_device,   .close = close_device,        .facts = opened
};
static segue_kit_adapter far_adapter; /* the same without host memory */

/* ---- rows ---- */

static const char *declined[3];
static int released;

static const char *accepts_fast(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)op, (void)dev;
    return declined[0];
}

static const char *accepts_slow(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)op, (void)dev;
    return declined[1];
}

static const char *accepts_reference(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)op, (void)dev;
    return declined[2];
}

static void release(void *data, const segue_kit_device *dev)
{
    released++;
    dev->host->free(dev->host->user, data);
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)op;
    plan->data = dev->host->alloc(dev->host->user, 64, 64);
    if (!plan->data)
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory in prepare");
    plan->release = release;
    plan->workspace_bytes = 4096;
    plan->state_stride[0] = 5;
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    (void)op;
    return segue_kit_fail(call->why, SEGUE_ERROR_BUSY, SEGUE_PHASE_RUN, 3, "ran on %s with %llu",
                          call->device->facts.backend, (unsigned long long)call->workspace.bytes);
}

#define ROW(variable, row_name, weight, condition)                         \
    static const segue_row variable = { .name = row_name,                  \
                                        .primitive = SEGUE_SELECTIVE_SCAN, \
                                        .since = 1,                        \
                                        .priority = weight,                \
                                        .accuracy = SEGUE_ACCURACY_F32,    \
                                        .accepts = condition,              \
                                        .prepare = prepare,                \
                                        .run = run }
ROW(fast, "selective_scan_fast", 200, accepts_fast);
ROW(slow, "selective_scan_slow", 100, accepts_slow);
ROW(reference_scan, "selective_scan_reference", 0, accepts_reference);
static const segue_row reference_conv = { .name = "causal_conv1d_reference",
                                          .primitive = SEGUE_CAUSAL_CONV1D,
                                          .since = 1,
                                          .accuracy = SEGUE_ACCURACY_F64,
                                          .prepare = prepare,
                                          .run = run };

static const segue_row *const reference_rows[] = { &reference_scan, &reference_conv, NULL };
static const segue_row *const own_rows[] = { &segue_row_delegate, &slow, &fast, NULL };
static const segue_row *const scan_rows[] = { &slow, &fast, NULL };
static const segue_kit_plugin reference_plugin = {
    .id = "reference", .uuid = "r", .device = &adapter, .rows = reference_rows
};
static const segue_kit_plugin acme = { .id = "acme", .uuid = "a", .device = &adapter, .rows = own_rows };
static const segue_kit_plugin lonely = { .id = "acme", .uuid = "a", .device = &adapter, .rows = scan_rows };
static const segue_kit_plugin far_away = {
    .id = "acme", .uuid = "a", .device = &far_adapter, .rows = own_rows
};

struct setting { /* acme beside the reference, opened */
    segue_host host;
    segue_plugin reference, plugin;
    void *device;
};

static segue_status answer(const segue_kit_plugin *plugin, const segue_host *h, segue_plugin *out,
                           segue_diag *diag)
{
    memset(out, 0, sizeof *out);
    out->size = sizeof *out;
    return segue_kit_entry(plugin, h, out, diag);
}

static void start(struct setting *s, const segue_kit_plugin *plugin)
{
    segue_diag why = { 0 };
    s->host = host;
    assert_int_equal(answer(&reference_plugin, &host, &s->reference, &why), SEGUE_OK);
    s->host.reference = &s->reference;
    assert_int_equal(answer(plugin, &s->host, &s->plugin, &why), SEGUE_OK);
    assert_int_equal(s->plugin.device_open(s->plugin.self, 0, NULL, &s->device, &why), SEGUE_OK);
}

static void stop(struct setting *s)
{
    s->plugin.device_close(s->device);
    s->plugin.close(s->plugin.self);
    s->reference.close(s->reference.self);
    assert_int_equal(live, 0);
}

static int reset(void **state)
{
    (void)state;
    memset(declined, 0, sizeof declined);
    released = 0;
    refuse_after = -1;
    fail_open = SEGUE_OK;
    return 0;
}

/* ---- tests ---- */

static void entry_names_what_is_wrong(void **state)
{
    (void)state;
    static segue_row nameless, far, misnamed, idle;
    nameless = far = misnamed = idle = slow;
    nameless.name = NULL;
    far.since = 99;
    misnamed.name = "scan_fast";
    idle.run = NULL;
    segue_kit_adapter half = adapter;
    half.event_sync = NULL;
    const struct {
        segue_kit_plugin plugin;
        const char *words;
    } wrong[] = {
        { { .id = "x", .rows = own_rows }, "the plugin's .device is NULL" },
        { { .id = "x", .device = &half, .rows = own_rows }, "event_sync is NULL" },
        { { .id = "x", .device = &adapter }, "lists no rows" },
        { { .id = "x", .device = &adapter, .rows = (const segue_row *const[]){ &nameless, NULL } }, "no name" },
        { { .id = "x", .device = &adapter, .rows = (const segue_row *const[]){ &slow, &idle, NULL } },
          "no run" },
        { { .id = "x", .device = &adapter, .rows = (const segue_row *const[]){ &far, NULL } },
          "level 99 of primitive 1" },
        { { .id = "x", .device = &adapter, .rows = (const segue_row *const[]){ &misnamed, NULL } },
          "must begin with 'selective_scan'" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        segue_plugin out;
        segue_diag why = { 0 };
        assert_int_equal(answer(&wrong[i].plugin, &host, &out, &why), SEGUE_ERROR_PLUGIN);
        if (!strstr(why.text, wrong[i].words)) fail_msg("'%s' does not say '%s'", why.text, wrong[i].words);
        assert_int_equal(why.phase, SEGUE_PHASE_ENTRY);
        assert_null(out.self);
    }
    assert_int_equal(live, 0);
}

static void entry_checks_the_host(void **state)
{
    segue_plugin out;
    segue_diag why = { 0 };
    segue_host h = host;
    (void)state;
    h.minor_min = h.minor_max = SEGUE_PLUGIN_MINOR + 1;
    assert_int_equal(answer(&acme, &h, &out, &why), SEGUE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "rebuild"));
    h = host;
    h.size = 16;
    assert_int_equal(answer(&acme, &h, &out, &why), SEGUE_ERROR_ARGUMENT);
    h = host;
    h.describe = NULL;
    assert_int_equal(answer(&acme, &h, &out, &why), SEGUE_ERROR_ARGUMENT);
    assert_non_null(strstr(why.text, "describe"));
    memset(&out, 0, sizeof out);
    out.size = 64;
    assert_int_equal(segue_kit_entry(&acme, &host, &out, &why), SEGUE_ERROR_ARGUMENT);
    assert_int_equal(answer(&acme, NULL, &out, &why), SEGUE_ERROR_ARGUMENT);
}

static void primitives_are_declared(void **state)
{
    struct setting s;
    segue_plugin alone;
    (void)state;
    start(&s, &acme);
    assert_int_equal(s.plugin.primitive_count, 2); /* the second through the delegate */
    assert_int_equal(s.plugin.primitives[0].primitive, SEGUE_SELECTIVE_SCAN);
    assert_int_equal(s.plugin.primitives[0].op_size, SEGUE_SELECTIVE_SCAN_SIZE_1);
    assert_int_equal(s.plugin.primitives[1].primitive, SEGUE_CAUSAL_CONV1D);
    segue_plugin_primitive later = s.reference.primitives[0]; /* the host's reference knows a newer struct */
    later.op_size += 8;
    segue_plugin newer = s.reference;
    newer.primitives = &later;
    newer.primitive_count = 1;
    segue_host newer_host = host;
    newer_host.reference = &newer;
    assert_int_equal(answer(&acme, &newer_host, &alone, NULL), SEGUE_OK);
    assert_int_equal(alone.primitive_count, 1);
    assert_int_equal(alone.primitives[0].op_size, later.op_size);
    alone.close(alone.self);
    stop(&s);
    assert_int_equal(answer(&acme, &host, &alone, NULL), SEGUE_OK); /* a host without a reference */
    assert_int_equal(alone.primitive_count, 1);
    alone.close(alone.self);
    assert_int_equal(live, 0);
}

static void the_best_row_that_accepts_is_chosen(void **state)
{
    struct setting s;
    segue_selective_scan op = segue_selective_scan_init();
    segue_row_facts rows[4] = {
        { .size = sizeof *rows }, { .size = sizeof *rows }, { .size = sizeof *rows }, { .size = 7 }
    };
    uint32_t n = 4;
    (void)state;
    start(&s, &acme);
    declined[0] = "A: n is at most 256";
    assert_int_equal(s.plugin.explain(s.device, &op.header, rows, &n, NULL), SEGUE_OK);
    assert_int_equal(n, 3);
    assert_string_equal(rows[0].name, "selective_scan_fast");
    assert_string_equal(rows[0].reason, "A: n is at most 256");
    assert_int_equal(rows[0].flags, 0);
    assert_string_equal(rows[1].name, "selective_scan_slow");
    assert_int_equal(rows[1].flags, SEGUE_ROW_ACCEPTS | SEGUE_ROW_CHOSEN);
    assert_string_equal(rows[1].reason, "");
    assert_string_equal(rows[2].name, "reference");
    assert_int_equal(rows[2].flags, SEGUE_ROW_ACCEPTS | SEGUE_ROW_DELEGATED);
    assert_int_equal(rows[3].size, 7);
    n = 0;
    assert_int_equal(s.plugin.explain(s.device, &op.header, NULL, &n, NULL), SEGUE_OK);
    assert_int_equal(n, 3);
    stop(&s);
}

static void refusals_name_the_field(void **state)
{
    struct setting s;
    segue_selective_scan op = segue_selective_scan_init();
    segue_support_facts facts = { .size = sizeof facts };
    segue_diag why;
    void *plan = NULL;
    (void)state;
    start(&s, &lonely);
    assert_int_equal(s.plugin.support(s.device, &op.header, &facts, NULL), SEGUE_OK);
    assert_int_equal(facts.verdict, SEGUE_SUPPORT_YES);
    declined[0] = "C: odd strides";
    declined[1] = "B: no words";
    assert_int_equal(s.plugin.support(s.device, &op.header, &facts, NULL), SEGUE_OK);
    assert_int_equal(facts.verdict, SEGUE_SUPPORT_NO);
    assert_int_equal(facts.reasons, SEGUE_REASON_ROW);
    assert_int_equal(facts.field, 5); /* C */
    assert_string_equal(facts.text, "C: odd strides");
    assert_int_equal(s.plugin.plan_create(s.device, &op.header, NULL, &plan, &why), SEGUE_ERROR_UNSUPPORTED);
    assert_int_equal(why.field, 5);
    assert_int_equal(s.plugin.plan_create(s.device, &op.header, "selective_scan_slow", &plan, &why),
                     SEGUE_ERROR_UNSUPPORTED);
    assert_int_equal(why.field, 4);
    assert_string_equal(why.text, "row selective_scan_slow declines: B: no words");
    assert_int_equal(s.plugin.plan_create(s.device, &op.header, "nonsense", &plan, &why), SEGUE_ERROR_ARGUMENT);
    assert_non_null(strstr(why.text, "selective_scan_fast, selective_scan_slow"));
    segue_causal_conv1d conv = segue_causal_conv1d_init();
    assert_int_equal(s.plugin.support(s.device, &conv.header, &facts, NULL), SEGUE_OK);
    assert_int_equal(facts.reasons, SEGUE_REASON_PRIMITIVE);
    assert_string_equal(facts.text, "acme has no kernel for causal_conv1d");
    assert_int_equal(s.plugin.plan_create(s.device, &conv.header, NULL, &plan, &why), SEGUE_ERROR_UNSUPPORTED);
    assert_null(plan);
    stop(&s);
}

static void operands_are_refused_by_dtype(void **state)
{
    static const segue_kit_refusal list[] = {
        { offsetof(segue_selective_scan, A), "A: f64 is not supported" },
        { offsetof(segue_selective_scan, z), "z: f64 is not supported" },
        { 0, NULL },
    };
    const segue_dtype f32 = segue_dtype_of(SEGUE_F32), f64 = segue_dtype_of(SEGUE_F64);
    segue_selective_scan op = segue_selective_scan_init();
    (void)state;
    op.u.dtype = f64; /* not in the list */
    op.A.dtype = f32;
    assert_null(segue_kit_refuse_dtype(&op.header, SEGUE_F64, list));
    assert_string_equal(segue_kit_refuse_dtype(&op.header, SEGUE_F32, list), list[0].text);
    op.z.dtype = f64;
    assert_string_equal(segue_kit_refuse_dtype(&op.header, SEGUE_F64, list), list[1].text);
    op.A.dtype = f64;
    assert_string_equal(segue_kit_refuse_dtype(&op.header, SEGUE_F64, list), list[0].text);
}

static void plans_run_their_row(void **state)
{
    struct setting s;
    segue_selective_scan op = segue_selective_scan_init();
    segue_plan_facts facts = { .size = sizeof facts };
    segue_diag why = { 0 };
    void *plan = NULL;
    (void)state;
    start(&s, &acme);
    assert_int_equal(s.plugin.plan_create(s.device, &op.header, NULL, &plan, &why), SEGUE_OK);
    assert_int_equal(s.plugin.plan_info(plan, &facts, &why), SEGUE_OK);
    assert_string_equal(facts.row, "selective_scan_fast");
    assert_int_equal(facts.primitive, SEGUE_SELECTIVE_SCAN);
    assert_int_equal(facts.workspace_bytes, 4096);
    assert_int_equal(facts.workspace_alignment, 64);
    assert_int_equal(facts.state_stride[0], 5);
    assert_int_equal(facts.flags, 0);
    assert_int_equal(
        s.plugin.plan_run(plan, &op.header, (segue_stream){ 0 }, (segue_buffer){ .bytes = 77 }, &why),
        SEGUE_ERROR_BUSY);
    assert_string_equal(why.text, "ran on acme with 77");
    assert_int_equal(why.field, 3);
    s.plugin.plan_destroy(plan);
    assert_int_equal(released, 1);
    stop(&s);
}

static void the_reference_runs_the_rest(void **state)
{
    struct setting s;
    segue_causal_conv1d op = segue_causal_conv1d_init();
    segue_selective_scan scan = segue_selective_scan_init();
    segue_plan_facts facts = { .size = sizeof facts };
    segue_diag why = { 0 };
    void *plan = NULL;
    (void)state;
    start(&s, &acme);
    assert_int_equal(s.plugin.plan_create(s.device, &op.header, NULL, &plan, &why), SEGUE_OK);
    assert_int_equal(s.plugin.plan_info(plan, &facts, &why), SEGUE_OK);
    assert_string_equal(facts.row, "reference");
    assert_int_equal(facts.flags, SEGUE_PLAN_DELEGATED);
    assert_int_equal(facts.accuracy, SEGUE_ACCURACY_F64);
    assert_int_equal(facts.workspace_bytes, 4096);
    assert_int_equal(s.plugin.plan_run(plan, &op.header, (segue_stream){ 0 }, (segue_buffer){ 0 }, &why),
                     SEGUE_ERROR_BUSY);
    assert_string_equal(why.text, "ran on reference with 0");
    s.plugin.plan_destroy(plan);
    declined[2] = "A: the reference's own reason"; /* it declines, so does the delegate, in its words */
    assert_int_equal(s.plugin.plan_create(s.device, &scan.header, "reference", &plan, &why),
                     SEGUE_ERROR_UNSUPPORTED);
    assert_string_equal(why.text, "row reference declines: A: the reference's own reason");
    assert_int_equal(why.field, 3);
    stop(&s);
}

static void delegation_needs_host_memory(void **state)
{
    struct setting s;
    segue_causal_conv1d op = segue_causal_conv1d_init();
    segue_support_facts facts = { .size = sizeof facts };
    (void)state;
    far_adapter = adapter;
    far_adapter.flags = SEGUE_DEVICE_HANDLE_MEMORY;
    start(&s, &far_away);
    assert_int_equal(s.plugin.support(s.device, &op.header, &facts, NULL), SEGUE_OK);
    assert_int_equal(facts.verdict, SEGUE_SUPPORT_NO);
    assert_string_equal(facts.text, "delegation needs host memory and a synchronous device");
    stop(&s);
}

/* A struct with a field that came after the rows were written. */
static const segue_primitive_facts *describe_later(uint32_t primitive)
{
    static segue_primitive_facts later;
    static segue_field_facts fields[32];
    const segue_primitive_facts *now = segue_describe(primitive);
    memcpy(fields, now->fields, now->field_count * sizeof *fields);
    fields[now->field_count] =
        (segue_field_facts){ .name = "novelty", .offset = now->op_size, .role = SEGUE_ROLE_INT, .since = 2 };
    later = *now;
    later.fields = fields;
    later.field_count++;
    return &later;
}

static void older_rows_refuse_later_fields(void **state)
{
    struct setting s;
    struct {
        segue_selective_scan known;
        int64_t novelty;
    } op = { segue_selective_scan_init(), 0 };
    segue_support_facts facts = { .size = sizeof facts };
    (void)state;
    start(&s, &lonely);
    s.host.describe = describe_later;
    op.known.header.size = sizeof op;
    assert_int_equal(s.plugin.support(s.device, &op.known.header, &facts, NULL), SEGUE_OK);
    assert_int_equal(facts.verdict, SEGUE_SUPPORT_YES);
    op.novelty = 1;
    assert_int_equal(s.plugin.support(s.device, &op.known.header, &facts, NULL), SEGUE_OK);
    assert_int_equal(facts.verdict, SEGUE_SUPPORT_NO);
    assert_string_equal(facts.text, "novelty: row predates this field");
    assert_int_equal(facts.field, segue_describe(SEGUE_SELECTIVE_SCAN)->field_count + 1);
    stop(&s);
}

static void devices(void **state)
{
    struct setting s;
    segue_device_facts facts = { 0 };
    uint32_t n = 0;
    (void)state;
    start(&s, &acme);
    assert_int_equal(s.plugin.device_count(s.plugin.self, &n, NULL), SEGUE_OK);
    assert_int_equal(n, 1);
    assert_int_equal(s.plugin.device_info(s.plugin.self, 0, &facts, NULL), SEGUE_OK);
    assert_string_equal(facts.name, "acme:0");
    assert_string_equal(facts.backend, "acme");
    assert_int_equal(facts.threads, 8);
    assert_int_equal(facts.flags, SEGUE_DEVICE_READY | SEGUE_DEVICE_HOST_MEMORY | SEGUE_DEVICE_SYNCHRONOUS);
    assert_int_equal(s.plugin.device_facts(s.device, &facts, NULL), SEGUE_OK);
    assert_int_equal(facts.threads, 3); /* as opened */
    assert_int_equal(s.plugin.device_status(s.device, NULL), SEGUE_OK);
    assert_null(s.plugin.stream_capturing);
    stop(&s);
}

/* Whichever allocation fails: the call fails with MEMORY, writes nothing and leaks nothing. */
static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    segue_status status = SEGUE_ERROR_MEMORY;
    int n = 0;
    for (; status; n++) {
        struct setting s = { .host = host };
        segue_causal_conv1d op = segue_causal_conv1d_init();
        void *plan = NULL;
        assert_int_equal(answer(&reference_plugin, &host, &s.reference, NULL), SEGUE_OK);
        s.host.reference = &s.reference;
        refuse_after = n;
        status = answer(&acme, &s.host, &s.plugin, NULL);
        if (!status) {
            status = s.plugin.device_open(s.plugin.self, 0, NULL, &s.device, NULL);
            if (!status) {
                status = s.plugin.plan_create(s.device, &op.header, NULL, &plan, NULL);
                if (!status) s.plugin.plan_destroy(plan);
                assert_true(!status == !!plan);
                s.plugin.device_close(s.device);
            }
            s.plugin.close(s.plugin.self);
        }
        assert_true(!status || status == SEGUE_ERROR_MEMORY);
        refuse_after = -1;
        s.reference.close(s.reference.self);
        assert_int_equal(live, 0);
    }
    assert_int_equal(n, 7); /* self, device, reference's device, plan, reference's plan, its data, and none */
}

static void a_device_that_fails_to_open(void **state)
{
    segue_plugin p;
    segue_diag why = { 0 };
    void *device = NULL;
    (void)state;
    assert_int_equal(answer(&lonely, &host, &p, NULL), SEGUE_OK);
    fail_open = SEGUE_ERROR_NO_DEVICE;
    assert_int_equal(p.device_open(p.self, 0, NULL, &device, &why), SEGUE_ERROR_NO_DEVICE);
    assert_string_equal(why.text, "told to fail");
    assert_null(device);
    p.close(p.self);
    assert_int_equal(live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(entry_names_what_is_wrong, reset),
        cmocka_unit_test_setup(entry_checks_the_host, reset),
        cmocka_unit_test_setup(primitives_are_declared, reset),
        cmocka_unit_test_setup(the_best_row_that_accepts_is_chosen, reset),
        cmocka_unit_test_setup(refusals_name_the_field, reset),
        cmocka_unit_test(operands_are_refused_by_dtype),
        cmocka_unit_test_setup(plans_run_their_row, reset),
        cmocka_unit_test_setup(the_reference_runs_the_rest, reset),
        cmocka_unit_test_setup(delegation_needs_host_memory, reset),
        cmocka_unit_test_setup(older_rows_refuse_later_fields, reset),
        cmocka_unit_test_setup(devices, reset),
        cmocka_unit_test_setup(memory_may_run_out_anywhere, reset),
        cmocka_unit_test_setup(a_device_that_fails_to_open, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
