/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Captures and kernels under the stand-in for CUDA. Arguments as for stand_in_test. */
#include "stand_in_testing.h"

/* ---- captures --------------------------------------------------------------------------------------------- */

static void *captured(void *stream)
{
    void *graph = NULL, *exec = NULL;
    assert_int_equal(cuStreamEndCapture(stream, &graph), 0);
    assert_int_equal(cuGraphInstantiateWithFlags(&exec, graph, 0), 0);
    assert_int_equal(cuGraphDestroy(graph), 0);
    return exec;
}

static void captured_work_is_replayed(void **state)
{
    unsigned char from = 1, to = 0, *at = new_memory(2);
    void *stream = new_stream(1), *side = new_stream(1), *fork = new_event(), *join = new_event();
    int status = 0;
    (void)state;
    assert_int_equal(cuStreamBeginCapture_v2(stream, 0), 0);
    assert_int_equal(cuStreamIsCapturing(stream, &status), 0);
    assert_int_equal(status, 1);
    assert_int_equal(cuMemcpyHtoDAsync_v2(at, &from, 1, stream), 0);
    assert_int_equal(cuEventRecord(fork, stream), 0);
    assert_int_equal(cuStreamWaitEvent(side, fork, 0), 0);
    assert_int_equal(cuMemcpyDtoDAsync_v2(at + 1, at, 1, side), 0);
    assert_int_equal(cuEventRecord(join, side), 0);
    assert_int_equal(cuMemsetD8Async(at, 0, 1, stream), 0); /* beside the copy: one of two values */
    assert_int_equal(cuStreamWaitEvent(stream, join, 0), 0);
    assert_int_equal(cuMemcpyDtoHAsync_v2(&to, at + 1, 1, stream), 0);
    void *exec = captured(stream);
    assert_int_equal(cuStreamSynchronize(stream), 0);
    assert_int_equal(to, 0); /* only recorded */
    for (unsigned char n = 2; n < 5; n++) {
        from = n;
        assert_int_equal(cuGraphLaunch(exec, stream), 0);
        assert_int_equal(cuStreamSynchronize(stream), 0);
        assert_int_equal(to, n); /* seed 0: in the order of the capture */
    }
    assert_int_equal(cuGraphExecDestroy(exec), 0);
    assert_int_equal(cuStreamIsCapturing(side, &status), 0);
    assert_int_equal(status, 0);
    assert_int_equal(live("graphs"), 0);
}

static void unsafe_alloc(void *stream, int want)
{
    (void)stream;
    void *at;
    assert_int_equal(cuMemAlloc_v2(&at, 16), want);
    if (!want) assert_int_equal(cuMemFree_v2(at), 0);
}

static void synchronize_stream(void *stream, int want)
{
    assert_int_equal(cuStreamSynchronize(stream), want);
}

static void synchronize_context(void *stream, int want)
{
    (void)stream;
    assert_int_equal(cuCtxSynchronize(), want);
}

static void fill_on_legacy(void *stream, int want)
{
    unsigned char byte = 0;
    (void)stream;
    assert_int_equal(cuMemcpyHtoDAsync_v2((void *)0x200000000000, &byte, 1, NULL), want);
}

static void wait_for_outside(void *stream, int want)
{
    void *event = new_event();
    assert_int_equal(cuEventRecord(event, new_stream(1)), 0);
    assert_int_equal(cuStreamWaitEvent(stream, event, 0), want);
}

static void wait_for_captured(void *stream, int want)
{
    void *event = new_event();
    assert_int_equal(cuEventRecord(event, stream), 0);
    assert_int_equal(cuEventSynchronize(event), want);
}

static void fork_without_join(void *stream, int want)
{
    void *event = new_event(), *side = new_stream(1);
    unsigned char *at = (void *)0x200000000000;
    (void)want;
    assert_int_equal(cuEventRecord(event, stream), 0);
    assert_int_equal(cuStreamWaitEvent(side, event, 0), 0);
    assert_int_equal(cuMemsetD8Async(at, 0, 1, side), 0);
}

static void what_a_capture_forbids(void **state)
{
    static const struct {
        void (*call)(void *stream, int want);
        uint32_t flags; /* of the stream */
        int mode, thread, want, end;
    } rows[] = {
        { unsafe_alloc, 1, 0, 0, 900, 901 },
        { unsafe_alloc, 1, 1, 0, 900, 901 },
        { unsafe_alloc, 1, 2, 0, 0, 0 },
        { unsafe_alloc, 1, 0, 2, 0, 0 },
        { unsafe_alloc, 1, 0, 1, 900, 901 },
        { synchronize_stream, 1, 2, 2, 900, 901 },
        { synchronize_context, 1, 2, 2, 900, 901 },
        { fill_on_legacy, 0, 2, 2, 906, 901 },
        { fill_on_legacy, 1, 2, 2, 0, 0 },
        { wait_for_outside, 1, 2, 2, 905, 901 },
        { wait_for_captured, 1, 2, 2, 907, 901 },
        { fork_without_join, 1, 2, 2, 0, 904 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        void *stream = new_stream(rows[i].flags), *graph = NULL;
        int mode = rows[i].thread, normal;
        assert_int_equal(cuThreadExchangeStreamCaptureMode(&mode), 0);
        normal = mode;
        assert_int_equal(cuStreamBeginCapture_v2(stream, rows[i].mode), 0);
        rows[i].call(stream, rows[i].want);
        assert_int_equal(cuStreamEndCapture(stream, &graph), rows[i].end);
        assert_int_equal(graph != NULL, !rows[i].end);
        assert_int_equal(cuThreadExchangeStreamCaptureMode(&normal), 0);
        assert_int_equal(cuStreamEndCapture(stream, &graph), 401);
    }
    assert_int_equal(cuStreamBeginCapture_v2(NULL, 0), 900);
}

/* ---- modules ---------------------------------------------------------------------------------------------- */

static const char text[] =
    "#line 1 \"dialect.h\"\n__global__ what g++ would not compile\n#line 1 \"k.k.h\"\n"
    "KERNEL(add)(GLOBAL i32 *to, GLOBAL const i32 *from, i32 n) {\n"
    "    const int i = GROUP_ID(0) * GROUP + LOCAL_ID;\n    if (i < n) to[i] += from[i];\n}\n"
    "KERNEL(sum)(GLOBAL i32 *to) {\n    LOCAL i32 all;\n    all += 1;\n    BARRIER();\n"
    "    if (LOCAL_ID == 0) to[0] = all;\n}\n"
    "KERNEL(past)(GLOBAL i32 *to) {\n    to[LOCAL_ID == 0 ? 16 : 0] = 1;\n}\n";

static int compile(const char *source, const char *arch, void **image)
{
    const char *const options[] = { arch, "--fmad=false", "-default-device", "-DGROUP=32" };
    void *program = NULL;
    size_t bytes = 0;
    assert_int_equal(nvrtcCreateProgram(&program, source, "k.cu", 0, NULL, NULL), 0);
    const int code = nvrtcCompileProgram(program, 4, options);
    if (!code) {
        assert_int_equal(nvrtcGetCUBINSize(program, &bytes), 0);
        *image = malloc(bytes);
        assert_int_equal(nvrtcGetCUBIN(program, *image), 0);
    } else {
        assert_int_equal(nvrtcGetProgramLogSize(program, &bytes), 0);
        *image = malloc(bytes);
        assert_int_equal(nvrtcGetProgramLog(program, *image), 0);
    }
    assert_int_equal(nvrtcDestroyProgram(&program), 0);
    assert_int_equal(live("programs"), 0);
    return code;
}

static void *load(void **module)
{
    void *image = NULL;
    assert_int_equal(compile(text, "--gpu-architecture=sm_10", &image), 0);
    assert_int_equal(cuModuleLoadData(module, image), 0);
    return image;
}

static int run(void *module, const char *name, int groups, int items, void *stream, void **args)
{
    void *function = NULL;
    assert_int_equal(cuModuleGetFunction(&function, module, name), 0);
    return cuLaunchKernel(function, (uint32_t)groups, 1, 1, (uint32_t)items, 1, 1, 0, stream, args, NULL);
}

static void kernels_run(void **state)
{
    int32_t from[40], to[40];
    void *module = NULL, *function = NULL, *image = load(&module), *stream = new_stream(1);
    unsigned char *a = new_memory(sizeof from), *b = new_memory(sizeof to);
    int n = 40;
    (void)state;
    for (int i = 0; i < 40; i++) from[i] = i;
    assert_int_equal(cuMemcpyHtoDAsync_v2(a, from, sizeof from, stream), 0);
    assert_int_equal(cuMemsetD8Async(b, 0, sizeof to, stream), 0);
    assert_int_equal(run(module, "add", 2, 32, stream, (void *[]){ &b, &a, &n }), 0);
    n = 1; /* arguments were taken when it was launched */
    assert_int_equal(cuMemcpyDtoHAsync_v2(to, b, sizeof to, stream), 0);
    assert_int_equal(cuStreamSynchronize(stream), 0);
    assert_memory_equal(to, from, sizeof to);
    assert_int_equal(run(module, "add", 2, 64, stream, (void *[]){ &b, &a, &n }), 1);
    assert_int_equal(cuModuleGetFunction(&function, module, "absent"), 500);
    assert_int_equal(
        cuModuleLoadData(&function, "no image of anything, but long enough for a header of one ELF"), 200);
    assert_int_equal(cuModuleUnload(module), 0);
    assert_int_equal(live("modules"), 0);
    free(image);
    assert_int_equal(compile(text, "--gpu-architecture=sm_90a", &image), 5);
    free(image);
    assert_int_equal(compile("#line 1 \"k.k.h\"\nnonsense;\n", "--gpu-architecture=sm_10", &image), 6);
    assert_non_null(strstr(image, "nonsense"));
    free(image);
}

static void kernels_that_stray_break_the_context(void **state)
{
    void *module = NULL, *image = load(&module);
    unsigned char *a = new_memory(64), *gone = new_memory(64);
    int n = 1;
    (void)state;
    assert_int_equal(cuMemFree_v2(gone), 0);
    assert_int_equal(run(module, "add", 1, 32, NULL, (void *[]){ &a, &gone, &n }), 0);
    assert_int_equal(cuCtxSynchronize(), 700);
    assert_non_null(strstr(words(), "argument 2"));
    assert_int_equal(cuModuleUnload(module), 700);
    close_context();
    open_context();
    a = new_memory(64);
    assert_int_equal(cuModuleLoadData(&module, image), 0);
    assert_int_equal(run(module, "past", 1, 32, NULL, (void *[]){ &a }), 0);
    assert_int_equal(cuCtxSynchronize(), 700); /* the guard behind it */
    free(image);
}

static void checked_kernels_are_looked_at(void **state)
{
    void *module = NULL;
    (void)state;
    close_context();
    setenv("SEGUE_STAND_IN_CHECK", "1", 1);
    reset();
    open_context();
    void *image = load(&module);
    unsigned char *a = new_memory(64);
    assert_int_equal(run(module, "sum", 1, 32, NULL, (void *[]){ &a }), 0);
    assert_int_equal(cuCtxSynchronize(), 719);
    assert_non_null(strstr(words(), "k.k.h:7"));
    free(image);
}

static void a_graph_finds_its_kernel_dead(void **state)
{
    void *module = NULL, *image = load(&module), *stream = new_stream(1);
    unsigned char *a = new_memory(64);
    (void)state;
    assert_int_equal(cuStreamBeginCapture_v2(stream, 2), 0);
    assert_int_equal(run(module, "sum", 1, 32, stream, (void *[]){ &a }), 0);
    void *exec = captured(stream);
    assert_int_equal(cuGraphLaunch(exec, stream), 0);
    assert_int_equal(cuStreamSynchronize(stream), 0);
    assert_int_equal(cuModuleUnload(module), 0);
    assert_int_equal(cuGraphLaunch(exec, stream), 0);
    assert_int_equal(cuStreamSynchronize(stream), 719);
    free(image);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(captured_work_is_replayed, begin, end),
        cmocka_unit_test_setup_teardown(what_a_capture_forbids, begin, end),
        cmocka_unit_test_setup_teardown(kernels_run, begin, end),
        cmocka_unit_test_setup_teardown(kernels_that_stray_break_the_context, begin, end),
        cmocka_unit_test_setup_teardown(checked_kernels_are_looked_at, begin, end),
        cmocka_unit_test_setup_teardown(a_graph_finds_its_kernel_dead, begin, end),
    };
    for (int i = 0; i < 3 && i + 1 < argc; i++) folders[i] = argv[i + 1];
    if (argc < 4) return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
