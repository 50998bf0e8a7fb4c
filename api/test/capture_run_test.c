/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* SEGUE_CAPTURE around a plugin whose kernel does nothing: calls that have no values, and calls that fail. */
#include "../core/core_testing.h"

#include <dirent.h>
#include <segue/kit.h>
#include <unistd.h>

static int ran, failing;
static uint32_t in_graph;
static char folder[256], said[4096];

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
    *device = &ran;
    return SEGUE_OK;
}

static void close_device(void *device)
{
    (void)device;
}

static segue_status capturing(void *device, segue_stream stream, uint32_t *out, segue_diag *diag)
{
    (void)device, (void)stream, (void)diag;
    *out = in_graph;
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    (void)op;
    ran++;
    return failing ? segue_kit_fail(call->why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_RUN, 0, "it broke") : SEGUE_OK;
}

static const segue_row row = { .name = "selective_scan_still",
                               .primitive = SEGUE_SELECTIVE_SCAN,
                               .since = 1,
                               .priority = 1,
                               .capture = SEGUE_CAPTURE_POINTERS,
                               .run = run };
static const segue_kit_adapter adapter = { SEGUE_KIT_HOST_MEMORY, .count = count,
                                           .info = info,          .open = open_device,
                                           .close = close_device, .stream_capturing = capturing };

SEGUE_KIT_PLUGIN(still, .vendor = "Segue", .version = "0", .uuid = "0c0e1d5b-2a42-4a50-9d3f-5a8f2f0a6b11",
                 .device = &adapter, .rows = (const segue_row *const[]){ &row, NULL })

struct desk {
    struct bench b;
    struct small_scan s;
    segue_plan *plan;
};

static void note(void *user, int32_t level, const char *text)
{
    const size_t at = strlen(said);
    (void)user, (void)level;
    if (!strncmp(text, "SEGUE_CAPTURE", 13)) snprintf(said + at, sizeof said - at, "%s\n", text);
}

static int set_up(void **state)
{
    static struct desk d;
    const segue_plugin_entry entries[] = { SEGUE_PLUGIN_ENTRY(still), NULL };
    const segue_context_options options = {
        .size = sizeof options, .flags = SEGUE_CONTEXT_NO_DISCOVERY, .entries = entries, .log = note
    };
    snprintf(folder, sizeof folder, "%.200s/segue-capture-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(folder));
    setenv("SEGUE_CAPTURE", folder, 1);
    assert_ok(segue_context_create(&options, &d.b.ctx, why));
    assert_ok(segue_device_open(d.b.ctx, "still", NULL, &d.b.dev, why));
    assert_ok(segue_stream_create(d.b.dev, &d.b.stream, why));
    make_scan(&d.s, SCAN_T);
    assert_ok(segue_plan_create(d.b.dev, &d.s.op.header, &d.plan, why));
    ran = failing = 0, in_graph = 0, said[0] = 0;
    *state = &d;
    return 0;
}

/* How many there are; they are gone then. */
static int files(void)
{
    DIR *dir = opendir(folder);
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char path[600];
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%.255s", folder, e->d_name);
        unlink(path);
        n++;
    }
    if (dir) closedir(dir);
    return n;
}

static int tear_down(void **state)
{
    struct desk *d = *state;
    segue_plan_destroy(d->plan);
    close_bench(&d->b);
    files();
    rmdir(folder);
    unsetenv("SEGUE_CAPTURE");
    return 0;
}

static segue_status run_plan(struct desk *d, segue_diag *why)
{
    return segue_plan_run(d->plan, &d->s.op.header, d->b.stream, (segue_buffer){ NULL, 0, 0 }, why);
}

static void nothing_of_a_graph(void **state)
{
    struct desk *d = *state;
    in_graph = 1;
    assert_ok(run_plan(d, why));
    assert_ok(run_plan(d, why));
    assert_int_equal(files(), 0);
    assert_non_null(strstr(said, "captured into a graph are left out"));
    assert_true(strchr(said, '\n') == said + strlen(said) - 1); /* once */
    in_graph = 0;
    assert_ok(run_plan(d, why));
    assert_int_equal(files(), 1);
    assert_int_equal(ran, 3);
}

static void what_fails_is_there(void **state)
{
    struct desk *d = *state;
    failing = 1;
    assert_refused(SEGUE_ERROR_INTERNAL, "it broke", "", run_plan(d, why));
    assert_int_equal(files(), 1);
}

/* A trusted run is not checked; what would be read for it is. What is refused is no call. */
static void nothing_that_is_no_call(void **state)
{
    struct desk *d = *state;
    d->s.op.u.shape[2]++;
    assert_refused(SEGUE_ERROR_OPERAND, "u: ", "given", run_plan(d, why));
    assert_true(!files() && !said[0]);
    d->s.op.header.flags = SEGUE_RUN_TRUSTED;
    assert_ok(run_plan(d, why));
    assert_int_equal(files(), 0);
    assert_non_null(strstr(said, "is left out: "));
    d->s.op.u.shape[2]--;
    d->s.op.B.data = NULL;
    assert_ok(run_plan(d, why));
    assert_int_equal(files(), 0);
    d->s.op.B.data = d->s.B;
    assert_ok(run_plan(d, why));
    assert_int_equal(files(), 1);
    assert_int_equal(ran, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_of_a_graph, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_fails_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_that_is_no_call, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
