/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The adapter under the stand-in driver when calls fail, when the device is lost, and while a stream is
 * captured: what is told, what stays current on the thread, and that nothing is left behind. */
#include "cuda_testing.h"

enum { LENGTH = 100, MODE_GLOBAL = 0, MODE_THREAD = 1 };

/* ---- one call of everything ------------------------------------------------------------------------------- */

static void *current_before;  /* what each step must leave current */
static void *engines_context; /* to open the device in; NULL = the primary one */
static int strays;

static segue_status step(segue_status s)
{
    void *now = NULL;
    engine.cuCtxGetCurrent(&now);
    strays += now != current_before;
    return s;
}

struct things {
    struct gpu_kernel kernel;
    segue_stream stream;
    segue_event event;
    segue_buffer buffer;
    int32_t got[LENGTH];
};

static segue_status make_things(struct cuda_device *d, struct things *t, segue_diag *why)
{
    segue_status s = step(adapter->alloc(d, sizeof t->got, &t->buffer, why));
    if (!s) s = step(adapter->stream_create(d, &t->stream, why));
    if (!s) s = step(adapter->stream_wrap(d, t->stream, why));
    if (!s) s = step(adapter->event_create(d, &t->event, why));
    if (!s) s = step(prepare_line(d, &t->kernel, why));
    return s ? s : step(warm_up(&t->kernel, why));
}

static segue_status use_things(struct cuda_device *d, struct things *t, segue_diag *why)
{
    const segue_buffer host = { t->got, 0, sizeof t->got }, half = { t->got, 0, sizeof t->got / 2 };
    segue_buffer upper = t->buffer;
    uint32_t capturing = 7;
    upper.offset = sizeof t->got / 2;
    segue_status s =
        step(adapter->copy(d, t->stream, SEGUE_COPY_TO_DEVICE, t->buffer, host, sizeof t->got, why));
    if (!s) s = step(adapter->fill(d, t->stream, t->buffer, 1, sizeof t->got, why));
    if (!s) s = step(run_line(&t->kernel, t->stream, t->buffer.data, NULL, 2, 1, LENGTH, why));
    if (!s) s = step(adapter->event_record(d, t->event, t->stream, why));
    if (!s) s = step(adapter->event_wait(d, t->event, none, why));
    if (!s) s = step(adapter->copy(d, none, SEGUE_COPY_ON_DEVICE, upper, t->buffer, half.bytes, why));
    if (!s) s = step(adapter->copy(d, none, SEGUE_COPY_FROM_DEVICE, host, t->buffer, sizeof t->got, why));
    if (!s) s = step(adapter->stream_sync(d, none, why));
    if (!s) s = step(adapter->event_sync(d, t->event, why));
    if (!s) s = step(adapter->stream_capturing(d, t->stream, &capturing, why));
    for (int i = 0; !s && i < LENGTH; i++) assert_int_equal(t->got[i], 2 * (i % (LENGTH / 2)) + 1);
    if (!s) assert_int_equal(capturing, 0);
    return s;
}

static void drop_things(struct cuda_device *d, struct things *t)
{
    if (t->kernel.program) gpu_kernel_release(&t->kernel);
    if (t->event.handle) adapter->event_destroy(d, t->event);
    if (t->stream.handle) adapter->stream_destroy(d, t->stream);
    if (t->buffer.data) adapter->free(d, t->buffer);
    step(SEGUE_OK);
}

/* Everything once, from counting to closing; the first failure ends it, in order. */
static segue_status scenario(segue_diag *why)
{
    segue_device_facts facts = { .size = sizeof facts };
    struct cuda_device *d = NULL;
    struct things t = { { 0 }, none, { 0 }, { 0 }, { 0 } };
    *why = (segue_diag){ 0 };
    segue_status s = step(adapter->info(&test_host, 0, &facts, why));
    if (!s) s = step(open_index(0, engines_context, &d, why));
    if (s) return s;
    s = make_things(d, &t, why);
    if (!s) s = use_things(d, &t, why);
    drop_things(d, &t);
    adapter->close(d);
    step(SEGUE_OK);
    return s;
}

/* ---- every entry fails in turn ---------------------------------------------------------------------------- */

static const char *const entry_names[] = {
#define ENTRY(parameters, field, cuda, hip) cuda,
    NATIVE_ENTRIES(ENTRY)
#undef ENTRY
#define ENTRY(parameters, field, name) name,
        CUDA_ENTRIES(ENTRY) CUDA_COMPILER_ENTRIES(ENTRY)
#undef ENTRY
};

/* Also called where nobody can be told, since something is released or put back. */
static int may_be_silent(const char *entry)
{
    static const char *const silent[] = { "cuMemFree_v2",        "cuStreamDestroy_v2",
                                          "cuEventDestroy_v2",   "cuModuleUnload",
                                          "cuCtxPopCurrent_v2",  "cuDevicePrimaryCtxRelease_v2",
                                          "nvrtcDestroyProgram", "cuThreadExchangeStreamCaptureMode",
                                          "cuStreamSynchronize", "cuCtxGetCurrent",
                                          "cuCtxPushCurrent_v2" };
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
        if (!strcmp(silent[i], entry)) return 1;
    return 0;
}

enum { CURRENT = 1, ADOPTED = 2, WAYS = 4 }; /* another context is current; the device's is an engine's */

static void begin(int way)
{
    int mode = MODE_THREAD;
    current_before = engines_context = NULL;
    engine.segue_stand_in_reset();
    engine.cuCtxSetCurrent(NULL);
    assert_int_equal(engine.cuInit(0), 0);
    if (way & ADOPTED) assert_int_equal(engine.cuCtxCreate_v2(&engines_context, 0, 0), 0);
    engine.cuCtxSetCurrent(NULL);
    if (way & CURRENT) assert_int_equal(engine.cuCtxCreate_v2(&current_before, 0, 1), 0);
    engine.cuThreadExchangeStreamCaptureMode(&mode);
    strays = 0;
}

static void end(const char *entry)
{
    int mode = MODE_GLOBAL;
    assert_int_equal(live, 0);
    engine.cuThreadExchangeStreamCaptureMode(&mode);
    if (strcmp(entry, "cuThreadExchangeStreamCaptureMode")) assert_int_equal(mode, MODE_THREAD);
    if (strcmp(entry, "cuCtxPopCurrent_v2") && strcmp(entry, "cuCtxGetCurrent")) assert_int_equal(strays, 0);
    engine.cuCtxSetCurrent(NULL);
    if (current_before) engine.cuCtxDestroy_v2(current_before);
    if (engines_context) engine.cuCtxDestroy_v2(engines_context);
}

static void fail_once(const char *entry, int nth, int code, int way)
{
    segue_diag why;
    begin(way);
    engine.segue_stand_in_fail(entry, nth, code);
    const segue_status s = scenario(&why);
    end(entry);
    if (may_be_silent(entry)) return;
    const int nvrtc = !strncmp(entry, "nvrtc", 5);
    if (!s || !why.text[0] || (!nvrtc && why.native_code != code)) fail_msg("%s, %d: %s", entry, nth, why.text);
    if (!nvrtc && !strstr(why.text, " failed with ")) fail_msg("%s, %d: %s", entry, nth, why.text);
    if (!nvrtc && strcmp(entry, "cuInit")) assert_int_equal(s, native_error_of(&cuda_kind, code)->status);
    if (nothing_lives()) fail_msg("%s, %d: leaks", entry, nth);
}

/* Where compiled code that was kept does not load, it is compiled anew: such a failure shows without a cache
 * only. */
static int heals(const char *entry)
{
    return !strncmp(entry, "nvrtc", 5) || !strncmp(entry, "cuModule", 8) || !strncmp(entry, "cuFunc", 6);
}

static int calls_of(const char *entry, int way)
{
    segue_diag why;
    begin(way);
    const uint64_t before = engine.segue_stand_in_calls(entry);
    if (scenario(&why)) fail_msg("%s", why.text);
    const int calls = (int)(engine.segue_stand_in_calls(entry) - before);
    end("");
    assert_int_equal(nothing_lives(), 0);
    return calls;
}

static void survives_every_failure(void **state)
{
    static const int codes[] = { 2, 719, 900 };
    enum { MOST = 3 };
    (void)state;
    for (size_t i = 0; i < sizeof entry_names / sizeof *entry_names; i++) {
        int all = 0;
        setenv("SEGUE_CACHE_DIR", heals(entry_names[i]) ? "" : test_folder, 1);
        for (int way = 0; way < WAYS; way += ADOPTED) {
            const int calls = calls_of(entry_names[i], way);
            for (int nth = 1; nth <= calls && nth <= MOST; nth++)
                fail_once(entry_names[i], nth, codes[(i + (size_t)nth) % 3], way | (nth % 2 ? CURRENT : 0));
            all += calls;
        }
        if (!all && strncmp(entry_names[i], "nvrtcGet", 8)) fail_msg("%s is never called", entry_names[i]);
    }
}

/* ---- what is current -------------------------------------------------------------------------------------- */

static void leaves_the_current_context(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; way++) assert_true(calls_of("cuCtxPushCurrent_v2", way) > 0);
}

/* ---- a lost device ---------------------------------------------------------------------------------------- */

static void expect_lost(segue_status s, int code, const segue_diag *why)
{
    char number[32];
    snprintf(number, sizeof number, "failed with %d ", code);
    assert_int_equal(s, SEGUE_ERROR_DEVICE_LOST);
    assert_int_equal(why->native_code, code);
    if (!strstr(why->text, number) || !strstr(why->text, "open it again")) fail_msg("%s", why->text);
}

static void stays_lost(void **state)
{
    const segue_buffer host = { &(int){ 0 }, 0, 4 };
    struct things t = { { 0 }, none, { 0 }, { 0 }, { 0 } };
    struct gpu_kernel kernel;
    segue_diag why;
    uint32_t capturing;
    segue_stream stream;
    segue_event event;
    segue_buffer more;
    (void)state;
    assert_int_equal(make_things(dev, &t, &why), SEGUE_OK);
    engine.segue_stand_in_fail("cuStreamSynchronize", 1, 700);
    expect_lost(adapter->stream_sync(dev, none, &why), 700, &why);
    assert_non_null(strstr(why.text, "CUDA_ERROR_ILLEGAL_ADDRESS"));
    const uint64_t calls = engine.segue_stand_in_calls(NULL);
    expect_lost(adapter->status(dev, &why), 700, &why);
    expect_lost(adapter->alloc(dev, 4, &more, &why), 700, &why);
    expect_lost(adapter->copy(dev, none, SEGUE_COPY_TO_DEVICE, t.buffer, host, 4, &why), 700, &why);
    expect_lost(adapter->fill(dev, none, t.buffer, 0, 4, &why), 700, &why);
    expect_lost(adapter->stream_create(dev, &stream, &why), 700, &why);
    expect_lost(adapter->stream_wrap(dev, t.stream, &why), 700, &why);
    expect_lost(adapter->stream_sync(dev, t.stream, &why), 700, &why);
    expect_lost(adapter->stream_capturing(dev, t.stream, &capturing, &why), 700, &why);
    expect_lost(adapter->event_create(dev, &event, &why), 700, &why);
    expect_lost(adapter->event_record(dev, t.event, none, &why), 700, &why);
    expect_lost(adapter->event_wait(dev, t.event, none, &why), 700, &why);
    expect_lost(adapter->event_sync(dev, t.event, &why), 700, &why);
    expect_lost(run_line(&t.kernel, none, t.buffer.data, NULL, 1, 1, 4, &why), 700, &why);
    assert_int_equal(why.phase, SEGUE_PHASE_RUN);
    struct gpu_key key = line_key();
    key.group = 64; /* another one */
    expect_lost(gpu_kernel_prepare(&dev->native.gpu, &key, &kernel, &why), 700, &why);
    assert_int_equal(engine.segue_stand_in_calls(NULL), calls); /* the driver was not bothered */
    drop_things(dev, &t);
    adapter->close(dev);
    assert_int_equal(nothing_lives(), 0);
    assert_int_equal(open_index(0, NULL, &dev, &why), SEGUE_OK); /* a new one is as good as ever */
    t = (struct things){ { 0 }, none, { 0 }, { 0 }, { 0 } };
    assert_int_equal(make_things(dev, &t, &why), SEGUE_OK);
    assert_int_equal(use_things(dev, &t, &why), SEGUE_OK);
    drop_things(dev, &t);
}

/* "Unknown" may be a matter of one call, or of all from then on. */
static void asks_whether_unknown_stays(void **state)
{
    segue_buffer buffer;
    segue_diag why;
    (void)state;
    engine.segue_stand_in_fail("cuMemAlloc_v2", 1, 999);
    assert_int_equal(adapter->alloc(dev, 4, &buffer, &why), SEGUE_ERROR_INTERNAL);
    assert_int_equal(adapter->status(dev, &why), SEGUE_OK);
    engine.segue_stand_in_fail("cuMemAlloc_v2", 1, 999);
    engine.segue_stand_in_fail("cuStreamSynchronize", 1, 999);
    expect_lost(adapter->alloc(dev, 4, &buffer, &why), 999, &why);
    expect_lost(adapter->status(dev, &why), 999, &why);
}

/* ---- capture ---------------------------------------------------------------------------------------------- */

static void *own_stream(void)
{
    void *stream = NULL;
    assert_int_equal(engine.cuCtxSetCurrent(dev->context), 0);
    assert_int_equal(engine.cuStreamCreate(&stream, NATIVE_STREAM_NON_BLOCKING), 0);
    return stream;
}

/* What a real driver may forbid while somebody captures is done in a mode that allows it. */
static int (*real_stream_create)(void **, uint32_t), (*real_event_create)(void **, uint32_t);
static int strict; /* calls that were made in another mode */

static void note_mode(void)
{
    int mode = NATIVE_CAPTURE_RELAXED;
    engine.cuThreadExchangeStreamCaptureMode(&mode);
    strict += mode != NATIVE_CAPTURE_RELAXED;
    engine.cuThreadExchangeStreamCaptureMode(&mode);
}

static int noted_stream_create(void **stream, uint32_t flags)
{
    note_mode();
    return real_stream_create(stream, flags);
}

static int noted_event_create(void **event, uint32_t flags)
{
    note_mode();
    return real_event_create(event, flags);
}

static int (*real_launch)(void *, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, void *,
                          void **, void **);
static int launch_mode; /* the thread's capture mode at the last launch */

/* A real driver may load the kernel now, which the strict modes forbid. */
static int noted_launch(void *function, uint32_t gx, uint32_t gy, uint32_t gz, uint32_t x, uint32_t y,
                        uint32_t z, uint32_t local, void *stream, void **args, void **extra)
{
    launch_mode = NATIVE_CAPTURE_RELAXED;
    engine.cuThreadExchangeStreamCaptureMode(&launch_mode);
    int mode = launch_mode;
    engine.cuThreadExchangeStreamCaptureMode(&mode);
    return real_launch(function, gx, gy, gz, x, y, z, local, stream, args, extra);
}

/* An engine captures in the strictest mode, makes a plan meanwhile, and runs it within. */
static void plans_and_runs_while_captured(void **state)
{
    void *handle = own_stream(), *graph = NULL, *exec = NULL;
    const segue_stream stream = { SEGUE_API_CUDA, 0, handle };
    struct things t = { { 0 }, none, { 0 }, { 0 }, { 0 } };
    const segue_buffer host = { t.got, 0, sizeof t.got };
    segue_diag why;
    uint32_t capturing = 7;
    int mode = MODE_GLOBAL;
    (void)state;
    current_before = dev->context;
    assert_int_equal(adapter->stream_capturing(dev, stream, &capturing, &why), SEGUE_OK);
    assert_int_equal(capturing, 0);
    engine.cuThreadExchangeStreamCaptureMode(&mode);
    assert_int_equal(engine.cuStreamBeginCapture_v2(handle, MODE_GLOBAL), 0);
    real_launch = dev->native.api.launch;
    dev->native.api.launch = noted_launch;
    real_stream_create = dev->native.api.stream_create, real_event_create = dev->native.api.event_create;
    dev->native.api.stream_create = noted_stream_create, dev->native.api.event_create = noted_event_create;
    strict = 0;
    if (make_things(dev, &t, &why)) fail_msg("%s", why.text);
    assert_int_equal(launch_mode, NATIVE_CAPTURE_RELAXED); /* of the warm-up */
    assert_int_equal(strict, 0);
    assert_int_equal(adapter->stream_capturing(dev, stream, &capturing, &why), SEGUE_OK);
    assert_int_equal(capturing, 1);
    if (run_line(&t.kernel, stream, t.buffer.data, NULL, 5, 6, LENGTH, &why)) fail_msg("%s", why.text);
    assert_int_equal(launch_mode, MODE_GLOBAL); /* of the engine's own */
    segue_buffer freed = { NULL, 0, 0 };
    if (adapter->alloc(dev, 64, &freed, &why)) fail_msg("%s", why.text);
    adapter->free(dev, freed);
    mode = MODE_GLOBAL;
    engine.cuThreadExchangeStreamCaptureMode(&mode);
    assert_int_equal(mode, MODE_GLOBAL); /* as it was */
    assert_int_equal(engine.cuStreamEndCapture(handle, &graph), 0);
    assert_int_equal(engine.cuGraphInstantiateWithFlags(&exec, graph, 0), 0);
    for (int replay = 0; replay < 2; replay++) {
        assert_int_equal(adapter->fill(dev, stream, t.buffer, 0, sizeof t.got, &why), SEGUE_OK);
        assert_int_equal(engine.cuGraphLaunch(exec, handle), 0);
        assert_int_equal(adapter->copy(dev, stream, SEGUE_COPY_FROM_DEVICE, host, t.buffer, sizeof t.got, &why),
                         SEGUE_OK);
        assert_int_equal(adapter->stream_sync(dev, stream, &why), SEGUE_OK);
        for (int i = 0; i < LENGTH; i++) assert_int_equal(t.got[i], 5 * i + 6);
    }
    engine.cuGraphExecDestroy(exec), engine.cuGraphDestroy(graph);
    drop_things(dev, &t);
    engine.cuStreamDestroy_v2(handle);
    engine.cuCtxSetCurrent(NULL);
}

/* Nor does it break a capture to open another device, which makes a context. */
static void opens_while_captured(void **state)
{
    void *handle = own_stream(), *graph = NULL;
    struct cuda_device *other = NULL;
    segue_diag why = { 0 };
    (void)state;
    assert_int_equal(engine.cuStreamBeginCapture_v2(handle, MODE_GLOBAL), 0);
    if (open_index(1, NULL, &other, &why)) fail_msg("%s", why.text);
    adapter->close(other);
    assert_int_equal(engine.cuStreamEndCapture(handle, &graph), 0);
    engine.cuGraphDestroy(graph);
    engine.cuStreamDestroy_v2(handle);
    engine.cuCtxSetCurrent(NULL);
}

static void refuses_what_a_capture_forbids(void **state)
{
    void *handle = own_stream(), *graph = NULL;
    const segue_stream stream = { SEGUE_API_CUDA, 0, handle };
    segue_event event;
    segue_diag why;
    (void)state;
    assert_int_equal(adapter->event_create(dev, &event, &why), SEGUE_OK);
    assert_int_equal(engine.cuStreamBeginCapture_v2(handle, MODE_GLOBAL), 0);
    assert_int_equal(adapter->event_record(dev, event, stream, &why), SEGUE_OK);
    assert_int_equal(adapter->event_sync(dev, event, &why), SEGUE_ERROR_CAPTURE);
    assert_true(why.native_code >= 900 && why.native_code < 910);
    assert_int_equal(adapter->stream_sync(dev, stream, &why), SEGUE_ERROR_CAPTURE);
    assert_non_null(strstr(why.text, "cuStreamSynchronize failed with 90"));
    assert_non_null(strstr(why.text, "captur"));
    engine.cuStreamEndCapture(handle, &graph);
    if (graph) engine.cuGraphDestroy(graph);
    assert_int_equal(adapter->status(dev, &why), SEGUE_OK);
    assert_int_equal(adapter->stream_sync(dev, stream, &why), SEGUE_OK); /* as good as before */
    adapter->event_destroy(dev, event);
    engine.cuStreamDestroy_v2(handle);
    engine.cuCtxSetCurrent(NULL);
}

static int without_device(void **state)
{
    return fresh_folder(state);
}

static int without_device_after(void **state)
{
    int mode = MODE_GLOBAL;
    engine.cuThreadExchangeStreamCaptureMode(&mode);
    return remove_folder(state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_device, close_device)
#define BARE(name) cmocka_unit_test_setup_teardown(name, without_device, without_device_after)
    const struct CMUnitTest tests[] = {
        TEST(stays_lost),
        TEST(asks_whether_unknown_stays),
        TEST(plans_and_runs_while_captured),
        TEST(opens_while_captured),
        TEST(refuses_what_a_capture_forbids),
        BARE(leaves_the_current_context),
        BARE(survives_every_failure),
    };
#undef TEST
#undef BARE
    if (find_stand_in()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
