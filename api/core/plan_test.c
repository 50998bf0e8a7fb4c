/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: bounds, growth of op structs, named rows, destruction, errors of each thread. */
#include "core_testing.h"

#include <pthread.h>

struct rig {
    struct bench bench;
    struct small_scan scan;
    segue_plan *plan;
    segue_buffer workspace;
};

static int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    segue_plan_facts need = { .size = sizeof need };
    r->bench = open_bench("reference");
    make_scan(&r->scan, SCAN_T);
    assert_ok(segue_plan_create(r->bench.dev, &r->scan.op.header, &r->plan, why));
    assert_ok(segue_plan_info(r->plan, &need, why));
    assert_ok(segue_memory_alloc(r->bench.dev, need.workspace_bytes, &r->workspace, why));
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    segue_plan_destroy(r->plan);
    segue_memory_free(r->bench.dev, r->workspace);
    close_bench(&r->bench);
    free(r);
    return 0;
}

static segue_status run(struct rig *r, const segue_op_header *op, segue_diag *why)
{
    return segue_plan_run(r->plan, op, r->bench.stream, r->workspace, why);
}

/* One plan for any t up to its own; the state goes on from call to call. */
static void fewer_tokens(void **state)
{
    struct rig *r = *state;
    int64_t done = 0;
    struct small_scan *s = &r->scan;
    make_scan(s, SCAN_T);
    for (int64_t t = SCAN_T; t >= 0; done += t, t--) {
        struct small_scan part;
        make_scan(&part, t);
        part.op.h_in = part.op.h_out = s->op.h_in;
        assert_ok(run(r, &part.op.header, why));
        memcpy(part.h, s->h, sizeof part.h);
        check_scan(&part, done, t);
    }
    assert_true(s->h[0] == SCAN_T * (SCAN_T + 1) / 2);
}

/* Other strides than the plan's: a channel-first output, and time backwards. */
static void other_strides(void **state)
{
    struct rig *r = *state;
    struct small_scan *s = &r->scan;
    make_scan(s, SCAN_T);
    s->op.y.stride[1] = 1, s->op.y.stride[2] = SCAN_T;
    s->op.u.stride[1] = -SCAN_D, s->op.u.offset = (SCAN_T - 1) * SCAN_D * 4;
    assert_ok(run(r, &s->op.header, why));
    for (int64_t t = 0; t < SCAN_T; t++)
        for (int64_t d = 0; d < SCAN_D; d++) assert_true(s->y[d * SCAN_T + t] == (float)(SCAN_N * (t + 1)));
}

/* A caller of a newer header: what it adds is zero, or refused. Of a trusted call only the checks are
 * skipped. */
static void longer_and_trusted(void **state)
{
    struct rig *r = *state;
    union {
        segue_selective_scan op;
        char bytes[sizeof(segue_selective_scan) + 128];
    } longer = { 0 };
    make_scan(&r->scan, SCAN_T);
    longer.op = r->scan.op;
    longer.op.header.size = sizeof longer;
    assert_ok(run(r, &longer.op.header, why));
    check_scan(&r->scan, 0, SCAN_T);
    longer.bytes[sizeof longer - 1] = 1;
    assert_refused(SEGUE_ERROR_FIELD, "byte 1823 is set", "1696", run(r, &longer.op.header, why));
    r->scan.op.header.flags = SEGUE_RUN_TRUSTED;
    assert_ok(run(r, &r->scan.op.header, why));
    check_scan(&r->scan, SCAN_T, SCAN_T);
    r->scan.op.header.flags = 0;
}

static void named_rows(void **state)
{
    struct rig *r = *state;
    segue_plan *plan = NULL;
    segue_plan_facts facts = { .size = sizeof facts };
    segue_row_facts rows[8];
    uint32_t count = 8;
    for (int i = 0; i < 8; i++) rows[i].size = sizeof *rows;
    assert_ok(segue_explain(r->bench.dev, &r->scan.op.header, rows, &count, why));
    assert_in_range(count, 1, 8);
    assert_int_equal(rows[0].flags & SEGUE_ROW_CHOSEN, SEGUE_ROW_CHOSEN);
    assert_ok(segue_plan_create_row(r->bench.dev, &r->scan.op.header, rows[0].name, &plan, why));
    assert_ok(segue_plan_info(plan, &facts, why));
    assert_string_equal(facts.row, rows[0].name);
    assert_int_equal(facts.primitive, SEGUE_SELECTIVE_SCAN);
    segue_plan_destroy(plan);
    plan = NULL;
    assert_refused(SEGUE_ERROR_ARGUMENT, "no_such_row", rows[0].name,
                   segue_plan_create_row(r->bench.dev, &r->scan.op.header, "no_such_row", &plan, why));
    assert_null(plan);
    count = 0;
    assert_ok(segue_explain(r->bench.dev, &r->scan.op.header, NULL, &count, why));
    assert_true(count >= 1);
}

/* A caller that knows only the beginning of a struct gets only that. */
static void short_answers(void **state)
{
    struct rig *r = *state;
    segue_plan_facts facts;
    memset(&facts, 0x5a, sizeof facts);
    facts.size = 16;
    assert_ok(segue_plan_info(r->plan, &facts, why));
    assert_int_equal(facts.size, 16);
    assert_int_equal(facts.primitive, SEGUE_SELECTIVE_SCAN);
    assert_int_equal(facts.workspace_bytes, 0x5a5a5a5a5a5a5a5a);
    facts.size = 3;
    assert_refused(SEGUE_ERROR_ARGUMENT, "size is 3", "wanted", segue_plan_info(r->plan, &facts, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "NULL", "wanted", segue_plan_info(r->plan, NULL, why));
}

/* Plan, device and context go in any order, and what is still held keeps working. */
static void any_order(void **state)
{
    static const char *const orders[] = { "pdc", "pcd", "dpc", "dcp", "cpd", "cdp" };
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct rig *r;
        assert_int_equal(set_up((void **)&r), 0);
        segue_memory_free(r->bench.dev, r->workspace);
        static char workspace[4096] __attribute__((aligned(256)));
        r->workspace = (segue_buffer){ workspace, 0, sizeof workspace };
        for (const char *p = orders[i]; *p; p++) {
            if (*p == 'c') segue_context_destroy(r->bench.ctx);
            if (*p == 'd') segue_device_close(r->bench.dev);
            if (*p == 'p') segue_plan_destroy(r->plan);
            if (strchr(p + 1, 'p')) assert_ok(run(r, &r->scan.op.header, why));
        }
        free(r);
    }
}

static void *fail_once(void *arg)
{
    segue_context *ctx = NULL;
    uint32_t count = 0;
    (void)arg;
    if (segue_last_error()[0]) return "another thread's error was seen";
    segue_device_count(ctx, &count, NULL);
    return strstr(segue_last_error(), "NULL") ? NULL : "no text";
}

/* What the short check must not take for granted: sums that wrap, tensors without elements, data of nothing. */
static void far_places(void **state)
{
    struct rig *r = *state;
    struct small_scan s;
    const segue_tensor *const u = &s.op.u;
    make_scan(&s, SCAN_T);
    s.op.u.offset = (uint64_t)INT64_MAX - 3, s.op.u.bytes = 0;
    assert_refused(SEGUE_ERROR_OPERAND, "u:", "beyond 2^63", run(r, &s.op.header, why));
    s.op.u.shape[1] = SCAN_T - 1; /* not the planned shape */
    assert_refused(SEGUE_ERROR_OPERAND, "u:", "beyond 2^63", run(r, &s.op.header, why));
    make_scan(&s, SCAN_T);
    s.op.u.offset = (uint64_t)1 << 63, s.op.u.bytes = UINT64_MAX;
    s.op.u.stride[1] = -u->stride[1];
    assert_refused(SEGUE_ERROR_OPERAND, "u:", "beyond 2^63", run(r, &s.op.header, why));
    make_scan(&s, 0);
    s.op.u.offset = UINT64_MAX;
    assert_refused(SEGUE_ERROR_OPERAND, "u:", "beyond 2^63", run(r, &s.op.header, why));
    make_scan(&s, SCAN_T);
    s.op.z.data = s.y;
    assert_refused(SEGUE_ERROR_OPERAND, "z:", "has data but no dtype", run(r, &s.op.header, why));
}

/* Stride 0 lets an axis be huge in four bytes; kernels would count 2^61 states. */
static void huge_axes(void **state)
{
    struct rig *r = *state;
    segue_plan *plan = NULL;
    struct small_scan s;
    make_scan(&s, SCAN_T);
    segue_tensor *const with_n[] = { &s.op.A, &s.op.B, &s.op.C };
    s.op.h_in = s.op.h_out = (segue_tensor){ 0 };
    for (int i = 0; i < 3; i++) {
        const int last = with_n[i]->rank - 1;
        with_n[i]->shape[last] = ((int64_t)1 << 61) + 1;
        with_n[i]->stride[last] = 0;
    }
    assert_refused(SEGUE_ERROR_OPERAND, "A: its axes", "2^48",
                   segue_plan_create(r->bench.dev, &s.op.header, &plan, why));
    assert_null(plan);
}

static void device_options(void **state)
{
    struct rig *r = *state;
    segue_device *dev = NULL;
    segue_device_facts facts = { .size = sizeof facts };
    segue_device_options options = { .size = sizeof options, .threads = 3 };
    assert_ok(segue_device_open(r->bench.ctx, "cpu", &options, &dev, why));
    assert_ok(segue_device_facts_of(dev, &facts, why));
    assert_int_equal(facts.threads, 3);
    assert_non_null(strstr(facts.description, "3 threads"));
    segue_device_close(dev);
    dev = NULL;
    assert_refused(SEGUE_ERROR_ARGUMENT, "threads 0 or 1", "wanted",
                   segue_device_open(r->bench.ctx, "reference", &options, &dev, why));
    options.native_context = &options;
    assert_refused(SEGUE_ERROR_ARGUMENT, "native_context", "wanted NULL",
                   segue_device_open(r->bench.ctx, "cpu", &options, &dev, why));
    assert_null(dev);
}

/* Options of a caller with newer headers: zeros beyond what is known pass, anything else is refused. */
static void newer_options(void **state)
{
    struct rig *r = *state;
    struct {
        segue_device_options known;
        uint32_t later[2];
    } device = { .known = { .size = sizeof device } };
    struct {
        segue_context_options known;
        uint32_t later[2];
    } context = { .known = { .size = sizeof context, .flags = SEGUE_CONTEXT_NO_DISCOVERY } };
    segue_device *dev = NULL;
    segue_context *ctx = NULL;
    assert_ok(segue_device_open(r->bench.ctx, "reference", &device.known, &dev, why));
    segue_device_close(dev);
    assert_ok(segue_context_create(&context.known, &ctx, why));
    segue_context_destroy(ctx);
    dev = NULL, ctx = NULL;
    device.later[0] = context.later[0] = 1;
    assert_refused(SEGUE_ERROR_FIELD, "byte 48 is set", "knows 48",
                   segue_device_open(r->bench.ctx, "reference", &device.known, &dev, why));
    assert_refused(SEGUE_ERROR_FIELD, "byte 40 is set", "knows 40",
                   segue_context_create(&context.known, &ctx, why));
    device.known.size = context.known.size = 4;
    assert_refused(SEGUE_ERROR_ARGUMENT, "options->size is 4", "wanted sizeof (segue_device_options), 48",
                   segue_device_open(r->bench.ctx, "reference", &device.known, &dev, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "options->size is 4", "wanted sizeof (segue_context_options), 40",
                   segue_context_create(&context.known, &ctx, why));
    assert_null(dev);
    assert_null(ctx);
}

static void last_error_is_the_threads_own(void **state)
{
    segue_device *dev = NULL;
    struct rig *r = *state;
    pthread_t thread;
    void *problem = NULL;
    char mine[600];
    assert_int_equal(segue_device_open(r->bench.ctx, "toaster", NULL, &dev, NULL), SEGUE_ERROR_NO_DEVICE);
    assert_non_null(strstr(segue_last_error(), "toaster"));
    strcpy(mine, segue_last_error());
    assert_int_equal(pthread_create(&thread, NULL, fail_once, NULL), 0);
    pthread_join(thread, &problem);
    if (problem) fail_msg("%s", (char *)problem);
    assert_string_equal(segue_last_error(), mine);
}

enum { LSH_T = 8, LSH_R = 2 };

static struct {
    float x[LSH_T * 2], v[LSH_T], y[LSH_T], lse[LSH_R * LSH_T + LSH_T];
    int32_t bucket[LSH_R * LSH_T];
} lsh;

/* LSH attention over t tokens: one head, given buckets, chunks of 4. */
static segue_lsh_attention lsh_of(int64_t t)
{
    segue_lsh_attention op = segue_lsh_attention_init();
    op.x = segue_tensor_of(lsh.x, F32(1, t, 1, 2));
    op.v = segue_tensor_of(lsh.v, F32(1, t, 1, 1));
    op.y = segue_tensor_of(lsh.y, F32(1, t, 1, 1));
    op.round_lse = segue_tensor_of(lsh.lse, F32(1, LSH_R, t, 1));
    op.bucket_in = segue_tensor_of(lsh.bucket, SEGUE_I32, 4, (int64_t[]){ 1, 1, LSH_R, t });
    op.bucket_stride = 2, op.chunk = 4, op.scale = 1;
    for (int i = 0; i < LSH_T; i++) lsh.v[i] = 3, lsh.y[i] = -1;
    return op;
}

/* A parameter without a default; a dynamic axis that is a multiple of a parameter, in the plan and in each run. */
static void required_and_multiples(void **state)
{
    struct rig *r = *state;
    segue_plan *plan = NULL;
    segue_plan_facts need = { .size = sizeof need };
    segue_buffer memory, workspace;
    segue_lsh_attention op = lsh_of(LSH_T);
    op.scale = segue_lsh_attention_init().scale;
    assert_refused(SEGUE_ERROR_OPERAND, "scale: required: wanted 1e-30 to 1e+30, given 0", "multiplies x",
                   segue_plan_create(r->bench.dev, &op.header, &plan, why));
    op = lsh_of(6);
    assert_refused(SEGUE_ERROR_OPERAND, "x: t is 6, wanted a multiple of 4", "t % chunk == 0, from chunk",
                   segue_plan_create(r->bench.dev, &op.header, &plan, why));
    op = lsh_of(LSH_T);
    assert_ok(segue_plan_create_row(r->bench.dev, &op.header, "lowered", &plan, why));
    assert_ok(segue_plan_info(plan, &need, why));
    assert_ok(segue_memory_alloc(r->bench.dev, need.workspace_bytes + 256, &memory, why));
    workspace = memory;
    workspace.offset += -(uintptr_t)((char *)workspace.data + workspace.offset) % 256;
    for (int64_t t = LSH_T; t >= 0; t--) {
        op = lsh_of(t);
        if (t % 4) {
            assert_refused(SEGUE_ERROR_OPERAND, "wanted a multiple of 4", "t % chunk",
                           segue_plan_run(plan, &op.header, r->bench.stream, workspace, why));
            assert_true(lsh.y[0] == -1);
            continue;
        }
        assert_ok(segue_plan_run(plan, &op.header, r->bench.stream, workspace, why));
        for (int64_t i = 0; i < LSH_T; i++) assert_true(lsh.y[i] == (i < t ? 3 : -1));
    }
    op = lsh_of(
        LSH_T); /* rounds that do not lie one behind the other: this row cannot see them so, and says it first */
    op.round_lse.stride[1] = LSH_T + 1;
    op.round_lse.bytes = sizeof lsh.lse;
    assert_refused(SEGUE_ERROR_OPERAND, "round_lse: strides of axes r and t are 9 and 1", "8 times the second",
                   segue_plan_run(plan, &op.header, r->bench.stream, workspace, why));
    assert_true(lsh.y[0] == -1);
    op.header.flags = SEGUE_RUN_TRUSTED;
    assert_refused(SEGUE_ERROR_OPERAND, "round_lse: strides", "step 2, attention",
                   segue_plan_run(plan, &op.header, r->bench.stream, workspace, why));
    segue_plan_destroy(plan);
    segue_memory_free(r->bench.dev, memory);
}

/* ---- arrays of structs that say their size ---- */

enum { ENTRIES = 2, MOST = 4096 };
typedef segue_status listing(struct rig *r, void *out, uint32_t *count, segue_diag *why);

static segue_status list_rows(struct rig *r, void *out, uint32_t *count, segue_diag *why)
{
    const segue_lsh_attention op = lsh_of(LSH_T); /* a composite: the reference's own row and the lowered one */
    return segue_explain(r->bench.dev, &op.header, out, count, why);
}

static segue_status list_plugins(struct rig *r, void *out, uint32_t *count, segue_diag *why)
{
    const char *const none[] = { "one", "other", NULL }; /* rejected, but listed */
    const segue_context_options options = { .size = sizeof options,
                                            .flags = SEGUE_CONTEXT_NO_DISCOVERY,
                                            .plugins = none };
    segue_context *ctx = NULL;
    (void)r;
    segue_status status = segue_context_create(&options, &ctx, why);
    if (!status) status = segue_plugin_report(ctx, out, count, why);
    segue_context_destroy(ctx);
    return status;
}

static void set_sizes(unsigned char *entries, uint32_t size)
{
    memset(entries, 0x5a, ENTRIES * MOST);
    for (size_t i = 0; i < ENTRIES; i++) memcpy(entries + i * size, &size, sizeof size);
}

static void check_listing(struct rig *r, listing *list, uint32_t known)
{
    static unsigned char whole[ENTRIES * MOST], given[ENTRIES * MOST], before[ENTRIES * MOST];
    const uint32_t sizes[] = { 32, known + 24 }; /* of an engine with older headers, and with newer ones */
    uint32_t count = ENTRIES;
    set_sizes(whole, known);
    assert_ok(list(r, whole, &count, why));
    assert_true(count >= ENTRIES);
    for (size_t k = 0; k < 2; k++) {
        const uint32_t size = sizes[k], filled = size < known ? size : known;
        set_sizes(given, size);
        count = ENTRIES;
        assert_ok(list(r, given, &count, why));
        for (size_t i = 0; i < ENTRIES; i++) {
            const unsigned char *entry = given + i * size;
            assert_memory_equal(entry, &size, sizeof size);
            assert_memory_equal(entry + 4, whole + i * known + 4, filled - 4);
            for (uint32_t at = known; at < size; at++) assert_int_equal(entry[at], 0);
        }
        assert_int_equal(given[ENTRIES * size], 0x5a);
    }
    set_sizes(given, known);
    given[known] ^= 4; /* the second entry says another size than the first */
    memcpy(before, given, sizeof before);
    count = ENTRIES;
    assert_refused(SEGUE_ERROR_ARGUMENT, "out[1].size is ", "wanted the struct's own size, the same in every",
                   list(r, given, &count, why));
    assert_int_equal(count, ENTRIES);
    assert_memory_equal(given, before, sizeof before);
    count = 1; /* it is not asked for */
    assert_ok(list(r, given, &count, why));
    memset(given, 0, 4);
    count = 1;
    assert_refused(SEGUE_ERROR_ARGUMENT, "out[0].size is 0", "wanted", list(r, given, &count, why));
}

static void entries_of_any_size(void **state)
{
    check_listing(*state, list_rows, sizeof(segue_row_facts));
    check_listing(*state, list_plugins, sizeof(segue_plugin_facts));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_tokens),
        cmocka_unit_test(other_strides),
        cmocka_unit_test(longer_and_trusted),
        cmocka_unit_test(named_rows),
        cmocka_unit_test(short_answers),
        cmocka_unit_test(any_order),
        cmocka_unit_test(huge_axes),
        cmocka_unit_test(device_options),
        cmocka_unit_test(newer_options),
        cmocka_unit_test(far_places),
        cmocka_unit_test(last_error_is_the_threads_own),
        cmocka_unit_test(required_and_multiples),
        cmocka_unit_test(entries_of_any_size),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
