/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Every kind of fault in the smallest kernel that has it: each must be named with its line, and what is right
 * must run. With the argument "rows" or "copy" one kernel runs, once, as the environment says: fibre_faults.py
 * breaks it. */
#include "fibre.h"
#include "fibre_rows.args.h"
#include "../gpu_testing.h"
#include "../tensor_copy.h"

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

GPU_SOURCE(fibre_rows);
extern const segue_row selective_scan_shared, causal_conv1d_shared, l2_norm_shared, gated_norm_shared;

static void configure(int seed, int group, int checked)
{
    char text[16];
    snprintf(text, sizeof text, "%d", seed);
    setenv("SEGUE_FIBRE_SEED", text, 1);
    snprintf(text, sizeof text, "%d", group);
    setenv("SEGUE_FIBRE_GROUP", text, 1);
    setenv("SEGUE_FIBRE_CHECK", checked ? "1" : "0", 1);
}

static struct gpu *open_gpu(void)
{
    segue_diag why = { 0 };
    struct gpu *gpu = fibre_open(&test_host, &why);
    if (!gpu) fail_msg("%s", why.text);
    return gpu;
}

/* ---- small kernels ----------------------------------------------------------------------------------- */

struct k_args {
    struct gpu_view in, out;
    int32_t n, reserved;
};
#define K_ARGS "struct k_args { VIEW in, out; i32 n, reserved; };"
/* Line 1 of k.k.h; bodies begin on line 2. */
#define K_HEAD "KERNEL(k)(GLOBAL const float *in, GLOBAL float *out, GLOBAL i32 *sum, struct k_args a) {\n"

enum { ITEMS = 64, STRIDE = 2 };

struct ground { /* the kernel's three arguments, with room around them that is nobody's */
    float in[4 * ITEMS * STRIDE], out[4 * ITEMS];
    int32_t sum[64];
};

/* in [ITEMS] with stride 2, out [2 ITEMS], sum [1]; two groups. */
static segue_status run_body(struct gpu *gpu, const char *body, struct ground *g, segue_diag *why)
{
    char text[1024];
    const struct gpu_source source = { .name = "k", .args = K_ARGS, .text = text };
    const struct gpu_key key = { .source = &source, .kernel = "k", .act = SEGUE_F32, .group = gpu->group };
    const int64_t n = ITEMS, two = 2 * ITEMS, one = 1;
    segue_tensor in = segue_tensor_of(g->in, SEGUE_F32, 1, &n),
                 out = segue_tensor_of(g->out, SEGUE_F32, 1, &two),
                 sum = segue_tensor_of(g->sum, SEGUE_I32, 1, &one);
    struct gpu_kernel kernel;
    in.data = (char *)g->in + 2, in.offset = sizeof g->in / 2 - 2; /* neither is aligned, the element is */
    in.stride[0] = STRIDE;
    out.offset = sizeof g->out / 4;
    sum.offset = 32;
    snprintf(text, sizeof text, K_HEAD "%s\n}\n", body);
    const struct k_args a = { .in = gpu_view_of(&in), .out = gpu_view_of(&out), .n = ITEMS };
    const struct gpu_arg args[] = { { .tensor = &in },
                                    { .tensor = &out, .writes = 1 },
                                    { .tensor = &sum, .writes = 1 },
                                    { .value = &a, .bytes = sizeof a } };
    segue_status s = gpu_kernel_prepare(gpu, &key, &kernel, why);
    if (s) return s;
    s = gpu_launch(&kernel, (segue_stream){ 0 }, (const int32_t[]){ 2, 1, 1 }, args, 4, why);
    gpu_kernel_release(&kernel);
    return s;
}

#define IN "in[a.in.at + a.in.stride[0] * LOCAL_ID]"
#define OUT "out[a.out.at + GROUP_ID(0) * GROUP + LOCAL_ID]"
#define SUM "sum[8]"
#define PAIRS "LOCAL u16 x[GROUP];\nu32 *y = (u32 *)x;\nx[LOCAL_ID] = 1;\n" /* two items a word */
#define USE "\nBARRIER();\n" OUT " = x[0];" /* or the compiler leaves out what is never read */

static const struct {
    const char *body;
    const char *place, *words; /* NULL: nothing is wrong */
} bodies[] = {
    { OUT " = " IN ";", NULL, NULL },
    { "LOCAL float x[GROUP];\nx[LOCAL_ID] = " IN ";\nBARRIER();\n" OUT " = x[GROUP - 1 - LOCAL_ID];", NULL,
      NULL },
    { "ATOMIC_ADD(&" SUM ", 1);", NULL, NULL },
    { "LOCAL i32 x;\nif (LOCAL_ID == 0) x = 0;\nBARRIER();\nATOMIC_ADD(&x, 1);\nBARRIER();\n" OUT " = x;", NULL,
      NULL },
    { "LOCAL float x[4];\nif (LOCAL_ID == 0) x[1] = 1;\nBARRIER();\nBARRIER();\n" OUT " = x[1];", NULL, NULL },
    { "float x[8];\nfor (int i = 0; i < 8; i++) x[i] = " IN ";\n" OUT " = x[LOCAL_ID % 8];", NULL, NULL },
    /* neighbours in one word; halves, then the word, then halves again */
    { "LOCAL u16 x[GROUP];\nx[LOCAL_ID] = 1;\nBARRIER();\n" OUT " = x[GROUP - 1 - LOCAL_ID];", NULL, NULL },
    { PAIRS "BARRIER();\nif (LOCAL_ID < GROUP / 2) y[LOCAL_ID] += 1;\nBARRIER();\n" OUT " = x[LOCAL_ID];", NULL,
      NULL },
    { "LOCAL u32 y[GROUP];\ny[LOCAL_ID] = 1;\nBARRIER();\n" OUT " = ((u16 *)y)[LOCAL_ID];", NULL, NULL },
    /* GLOBAL, LOCAL and private bounds */
    { OUT " = 0;\n" OUT " = in[a.in.at + a.in.stride[0] * (LOCAL_ID + 1)];",
      "k.k.h:3:", "read of 4 bytes in GLOBAL memory 8 bytes past the last of argument 1" },
    { OUT " = in[a.in.at - (LOCAL_ID == 0)];", "k.k.h:2:", "4 bytes before the first of argument 1" },
    { OUT " = in[a.in.at + (LOCAL_ID == 3)];", "k.k.h:2:", "between the elements of argument 1" },
    { "\nout[a.out.at + GROUP_ID(0) * GROUP + LOCAL_ID + 1] = 1;",
      "k.k.h:3:", "write of 4 bytes in GLOBAL memory 4 bytes past the last of argument 2" },
    { "\n((float *)in)[a.in.at + a.in.stride[0] * LOCAL_ID] = 1;",
      "k.k.h:3:", "of an argument that is read only" },
    { OUT " = *(GLOBAL float *)(a.n * 16l);", "k.k.h:2:", "outside every argument" },
    { "LOCAL float x[GROUP];\nx[LOCAL_ID + 1] = 1;" USE, "k.k.h:3:", "index outside the array" },
    { "LOCAL float x[GROUP];\nfloat *p = x;\nBARRIER();\np[LOCAL_ID - 4096] = 1;" USE,
      "k.k.h:5:", "write of 4 bytes" },
    { "float x[4] = { 0 };\nint n = 0;\nfor (int i = 0; i <= 4 + (a.n & 1); i++)\n  x[i] = 1;\n" OUT " = x[n];",
      "k.k.h:5:", "index outside the array" },
    { OUT " = 1 / (a.n - 64);", "k.k.h:2:", "division by zero" },
    /* what nobody wrote */
    { "LOCAL float x[GROUP];\nif (LOCAL_ID) x[LOCAL_ID] = 1;\nBARRIER();\n" OUT " = x[LOCAL_ID];",
      "k.k.h:5:", "that nobody of the group wrote (item 0 of group" },
    { "LOCAL float x;\nif (GROUP_ID(0) == 0 && LOCAL_ID == 0) x = 1;\nBARRIER();\n" OUT " = x;",
      "k.k.h:5:", "that nobody of the group wrote" },
    { "LOCAL u16 x[2];\nif (LOCAL_ID == 0) x[1] = 1;\nBARRIER();\n" OUT " = *(u32 *)x;",
      "k.k.h:5:", "read of 4 bytes in LOCAL memory that nobody of the group wrote" },
    /* races */
    { PAIRS "if (LOCAL_ID == 5)\n  y[1] = 2;" USE, "k.k.h:", "race: write of " },
    { "LOCAL u32 y[GROUP];\ny[LOCAL_ID] = 1;\nif (LOCAL_ID == 5)\n  ((u16 *)y)[8] = 2;\nBARRIER();\n" OUT
      " = y[0];",
      "k.k.h:", "race: write of " },
    { PAIRS "BARRIER();\n" OUT " = y[LOCAL_ID / 2];\nif (LOCAL_ID == 5)\n  x[9] = 2;" USE, "k.k.h:", "race: " },
    { "LOCAL float x[GROUP];\nx[LOCAL_ID] = 1;\nif (LOCAL_ID == 5)\n  x[4] = 2;" USE,
      "k.k.h:", "race: write of 4 bytes in LOCAL" },
    { "LOCAL float x[1];\nx[0] = 1;" USE,
      "k.k.h:3:", "race: write of 4 bytes in LOCAL memory which item" }, /* the same value */
    { "LOCAL i32 x;\nif (LOCAL_ID == 0) x = 0;\nBARRIER();\nx += 1;\nBARRIER();\n" OUT " = x;",
      "k.k.h:5:", "race: " },
    { "LOCAL i32 x;\nif (LOCAL_ID == 0) x = 0;\nBARRIER();\nATOMIC_ADD(&x, 1);\n" OUT " = x;",
      "k.k.h:", "race: " },
    { OUT " = 0;\nout[a.out.at] = 1;", "k.k.h:", "in the same launch" },
    { "if (LOCAL_ID == 0)\n  out[a.out.at] = 1;", "k.k.h:3:", "of group" }, /* by two groups */
    { SUM " += 1;", "k.k.h:2:", "race: " },
    { "LOCAL float *x[1];\nfloat mine = 0;\nif (LOCAL_ID == 0) x[0] = &mine;\nBARRIER();\n"
      "if (LOCAL_ID == 1)\n  *x[0] = 1;\n" OUT " = mine;",
      "k.k.h:7:", "that is private to item 0" },
    /* barriers */
    { "if (LOCAL_ID < 32)\n  BARRIER();", "k.k.h:3:", "a barrier that not all items reach" },
    { "if (LOCAL_ID < 32) return;\nBARRIER();", "k.k.h:3:", "returned without a barrier" },
    { "if (LOCAL_ID < 32)\n  BARRIER();\nelse\n  BARRIER();", "k.k.h:", "waits at k.k.h:5" },
};

static void every_fault_is_named(void **state)
{
    static const int seeds[] = { 0, 7 };
    (void)state;
    for (size_t r = 0; r < sizeof seeds / sizeof *seeds; r++) {
        configure(seeds[r], ITEMS, 1);
        struct gpu *gpu = open_gpu();
        for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
            struct ground g = { 0 };
            segue_diag why = { 0 };
            const segue_status s = run_body(gpu, bodies[i].body, &g, &why);
            if (!bodies[i].words && s) fail_msg("%s\n%s", bodies[i].body, why.text);
            if (!bodies[i].words) continue;
            if (s != SEGUE_ERROR_INTERNAL || strncmp(why.text, bodies[i].place, strlen(bodies[i].place)) ||
                !strstr(why.text, bodies[i].words))
                fail_msg("%s\nanswered %d '%s', wanted '%s ... %s'", bodies[i].body, s, why.text,
                         bodies[i].place, bodies[i].words);
        }
        fibre_close(gpu);
    }
}

static void a_device_goes_on_after_a_finding(void **state)
{
    struct ground g = { 0 }, nothing = { 0 };
    segue_diag why = { 0 };
    (void)state;
    configure(3, ITEMS, 1);
    struct gpu *gpu = open_gpu();
    assert_int_equal(run_body(gpu, OUT " = 1;\n" SUM " = 1;", &g, &why), SEGUE_ERROR_INTERNAL);
    assert_memory_equal(&g, &nothing, sizeof g); /* as if it had not been launched */
    for (int i = 0; i < ITEMS; i++) g.in[2 * ITEMS * STRIDE + i * STRIDE] = (float)i;
    assert_int_equal(run_body(gpu, "LOCAL float x[1];\nx[0] = 1;" USE, &g, &why), SEGUE_ERROR_INTERNAL);
    assert_int_equal(run_body(gpu, OUT " = 2 * " IN ";", &g, &why), SEGUE_OK);
    for (int i = 0; i < 2 * ITEMS; i++) assert_true(g.out[ITEMS + i] == (float)(2 * (i % ITEMS)));
    fibre_close(gpu);
}

/* A read too early is loud without any check, and items run in another order under another seed. */
static void local_memory_is_poisoned_and_order_is_seeded(void **state)
{
    struct ground g = { 0 }, h = { 0 };
    segue_diag why = { 0 };
    (void)state;
    configure(0, ITEMS, 0);
    struct gpu *gpu = open_gpu();
    assert_int_equal(run_body(gpu, "LOCAL float x;\n" OUT " = x;", &g, &why), SEGUE_OK);
    for (int i = 0; i < 2 * ITEMS; i++) assert_true(isnan(g.out[ITEMS + i]));
    assert_int_equal(run_body(gpu, OUT " = (" SUM ")++;", &g, &why), SEGUE_OK);
    for (int i = 0; i < 2 * ITEMS; i++) assert_true(g.out[ITEMS + i] == (float)i);
    fibre_close(gpu);
    configure(1, ITEMS, 0);
    gpu = open_gpu();
    assert_int_equal(run_body(gpu, OUT " = (" SUM ")++;", &h, &why), SEGUE_OK);
    assert_int_equal(h.sum[8], 2 * ITEMS);
    assert_memory_not_equal(g.out, h.out, sizeof g.out);
    fibre_close(gpu);
}

/* ---- what is refused --------------------------------------------------------------------------------- */

static void settings_are_read_strictly(void **state)
{
    static const struct {
        const char *name, *value, *words;
    } wrong[] = { { "SEGUE_FIBRE_GROUP", "48", "SEGUE_FIBRE_GROUP is 48, wanted a power of two from 1 to 256" },
                  { "SEGUE_FIBRE_GROUP", "512", "SEGUE_FIBRE_GROUP is '512', wanted a number from 0 to 256" },
                  { "SEGUE_FIBRE_SEED", "-1", "SEGUE_FIBRE_SEED is '-1'" },
                  { "SEGUE_FIBRE_GRID", "0", "SEGUE_FIBRE_GRID is 0, wanted a number from 1 to 65535" },
                  { "SEGUE_FIBRE_CHECK", "yes", "SEGUE_FIBRE_CHECK is 'yes'" },
                  { "SEGUE_FIBRE_CXX", "/nowhere/g++", "'/nowhere/g++ --version' answers" } };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        segue_diag why = { 0 };
        configure(0, ITEMS, 1);
        setenv(wrong[i].name, wrong[i].value, 1);
        assert_null(fibre_open(&test_host, &why));
        if (!strstr(why.text, wrong[i].words)) fail_msg("'%s', wanted '%s'", why.text, wrong[i].words);
        unsetenv(wrong[i].name);
    }
}

static void what_does_not_compile_or_fit_is_refused_in_words(void **state)
{
    static const struct {
        const char *body, *words;
    } wrong[] = { { "\nnonsense;", "k.k.h:3:" },
                  { "LOCAL float x[10000];\nx[LOCAL_ID] = 1;\n" USE,
                    "40000 bytes of LOCAL memory, wanted at most 32768" } };
    (void)state;
    configure(0, ITEMS, 1);
    struct gpu *gpu = open_gpu();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ground g = { 0 };
        segue_diag why = { 0 };
        assert_true(run_body(gpu, wrong[i].body, &g, &why) != SEGUE_OK);
        if (!strstr(why.text, wrong[i].words)) fail_msg("'%s', wanted '%s'", why.text, wrong[i].words);
    }
    fibre_close(gpu);
}

static void arguments_are_counted_and_measured(void **state)
{
    const struct gpu_source source = { .name = "k", .args = K_ARGS, .text = K_HEAD "}\n" };
    const struct gpu_key key = { .source = &source, .kernel = "k", .act = SEGUE_F32, .group = ITEMS };
    const struct k_args a = { .n = 1 };
    const struct gpu_arg args[] = { { 0 }, { 0 }, { 0 }, { .value = &a, .bytes = sizeof a - 8 } };
    struct gpu_kernel kernel;
    segue_diag why = { 0 };
    (void)state;
    configure(0, ITEMS, 1);
    struct gpu *gpu = open_gpu();
    assert_int_equal(gpu_kernel_prepare(gpu, &key, &kernel, &why), SEGUE_OK);
    const int32_t groups[] = { 1, 1, 1 };
    assert_int_equal(gpu_launch(&kernel, (segue_stream){ 0 }, groups, args, 3, &why), SEGUE_ERROR_INTERNAL);
    assert_string_equal(why.text, "k: 3 arguments, wanted 4");
    assert_int_equal(gpu_launch(&kernel, (segue_stream){ 0 }, groups, args, 4, &why), SEGUE_ERROR_INTERNAL);
    assert_non_null(strstr(why.text, "argument 4 has"));
    gpu_kernel_release(&kernel);
    fibre_close(gpu);
}

/* ---- a whole kernel ---------------------------------------------------------------------------------- */

enum { ROWS = 5, COLUMNS = 131, KEYS = 7 };

static void check_rows(const float *x, const float *p, const int32_t *best, const int32_t *count)
{
    int32_t wanted[KEYS] = { 0 };
    for (int r = 0; r < ROWS; r++) {
        const float *row = x + r * COLUMNS;
        double sum = 0;
        int top = 0;
        for (int v = 1; v < COLUMNS; v++)
            if (row[v] > row[top]) top = v;
        for (int v = 0; v < COLUMNS; v++) sum += exp((double)row[v] - row[top]);
        assert_int_equal(best[r], top);
        wanted[top % KEYS]++;
        for (int v = 0; v < COLUMNS; v++)
            assert_true(fabs(p[r * COLUMNS + v] * sum / exp((double)row[v] - row[top]) - 1) < 3e-6);
    }
    assert_memory_equal(count, wanted, sizeof wanted);
}

static void run_rows(void)
{
    const int64_t shape[] = { ROWS, COLUMNS }, rows = ROWS, keys = KEYS;
    float x[ROWS * COLUMNS], p[ROWS * COLUMNS];
    int32_t best[ROWS], count[KEYS] = { 0 };
    const segue_tensor tx = segue_tensor_of(x, SEGUE_F32, 2, shape),
                       tp = segue_tensor_of(p, SEGUE_F32, 2, shape),
                       tb = segue_tensor_of(best, SEGUE_I32, 1, &rows),
                       tc = segue_tensor_of(count, SEGUE_I32, 1, &keys);
    const struct fibre_rows_args a = { .x = gpu_view_of(&tx), .p = gpu_view_of(&tp), .columns = COLUMNS };
    const struct gpu_arg args[] = { { .tensor = &tx },
                                    { .tensor = &tp, .writes = 1 },
                                    { .tensor = &tb, .writes = 1 },
                                    { .tensor = &tc, .writes = 1 },
                                    { .value = &a, .bytes = sizeof a } };
    struct gpu_kernel kernel;
    segue_diag why = { 0 };
    struct gpu *gpu = open_gpu();
    const struct gpu_key key = { .source = &gpu_source_fibre_rows,
                                 .kernel = "fibre_rows",
                                 .act = SEGUE_F32,
                                 .group = gpu->group,
                                 .define_count = 1,
                                 .define = { { "KEYS", KEYS } } };
    for (int i = 0; i < ROWS * COLUMNS; i++)
        x[i] = (float)((i * 7919 + 13) % 1009) / 64; /* with equal maxima */
    if (gpu_kernel_prepare(gpu, &key, &kernel, &why)) fail_msg("%s", why.text);
    if (gpu_launch(&kernel, (segue_stream){ 0 }, (const int32_t[]){ ROWS, 1, 1 }, args, 5, &why))
        fail_msg("%s", why.text);
    check_rows(x, p, best, count);
    gpu_kernel_release(&kernel);
    fibre_close(gpu);
}

static void rows_as_configured(void **state)
{
    (void)state;
    run_rows();
}

static void rows_in_every_group_and_order(void **state)
{
    static const int groups[] = { 1, 2, 32, 64, 256 };
    (void)state;
    for (int checked = 0; checked < 2; checked++)
        for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
            for (int seed = 0; seed < 3; seed++) {
                configure(seed, groups[g], checked);
                run_rows();
            }
}

static void copy_as_configured(void **state)
{
    const int64_t shape[] = { 5, 6, 7 };
    uint16_t from[5 * 6 * 7];
    float to[5 * 6 * 7] = { 0 };
    segue_tensor f = segue_tensor_of(from, SEGUE_BF16, 3, shape), t = segue_tensor_of(to, SEGUE_F32, 3, shape);
    const int64_t turned[] = { 1, 5, 30 };
    segue_diag why = { 0 };
    (void)state;
    struct gpu *gpu = open_gpu();
    for (int i = 0; i < 5 * 6 * 7; i++) from[i] = (uint16_t)(0x3f80 + i);
    memcpy(t.stride, turned, sizeof turned);
    if (gpu_tensor_copy(gpu, (segue_stream){ 0 }, &t, &f, &why)) fail_msg("%s", why.text);
    for (int i = 0; i < 5 * 6 * 7; i++) {
        const float got = to[i / 42 + i / 7 % 6 * 5 + i % 7 * 30];
        uint32_t bits;
        memcpy(&bits, &got, sizeof bits);
        assert_int_equal(bits, (uint32_t)from[i] << 16);
    }
    fibre_close(gpu);
}

static void tensors_are_copied_without_a_finding(void **state)
{
    configure(1, ITEMS, 1);
    copy_as_configured(state);
}

/* ---- elements that 32 bits do not count ------------------------------------------------------------- */

enum { FAR_APART = 4096, FAR_BYTES = 16 * FAR_APART }; /* of the tensors in each half */

struct far {
    char *ground; /* two halves, step floats apart */
    int64_t step;
    int used;
};

/* axis: of size 2, its elements lie step floats apart; the rest is packed. Filled with values that differ. */
static segue_tensor far_tensor(struct far *f, int rank, const int64_t *shape, int axis)
{
    segue_tensor t = segue_tensor_of(f->ground, SEGUE_F32, rank, shape);
    const int64_t half = (int64_t)(t.bytes / sizeof(float)) / 2;
    t.offset = (uint64_t)f->used++ * FAR_APART;
    t.bytes = (uint64_t)f->step * sizeof(float) + FAR_BYTES;
    t.stride[axis] = f->step;
    for (int64_t i = 0; i < 2 * half; i++)
        ((float *)(void *)(f->ground + t.offset))[i / half * f->step + i % half] =
            (float)((f->used * 7 + i * 5) % 11 - 5) / 8;
    return t;
}
#define FAR(axis, ...) \
    far_tensor(f, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), (int64_t[]){ __VA_ARGS__ }, axis)

static void run_row(const segue_row *row, const segue_op_header *op)
{
    segue_diag why = { 0 };
    struct gpu *gpu = open_gpu();
    segue_host host = test_host;
    host.describe = segue_describe;
    const segue_kit_device device = { .handle = gpu, .host = &host };
    segue_kit_plan plan = { 0 };
    if (row->prepare(op, &device, &plan, &why)) fail_msg("%s", why.text);
    const segue_kit_call call = { .device = &device, .data = plan.data, .why = &why };
    if (row->run(op, &call)) fail_msg("%s", why.text);
    plan.release(plan.data, &device);
    fibre_close(gpu);
}

static void run_far_rows(struct far *f)
{
    segue_selective_scan scan = segue_selective_scan_init();
    segue_causal_conv1d conv = segue_causal_conv1d_init();
    scan.u = FAR(1, 1, 2, 2), scan.delta = FAR(1, 1, 2, 2), scan.A = FAR(0, 2, 4);
    scan.B = FAR(1, 1, 2, 1, 4), scan.C = FAR(1, 1, 2, 1, 4), scan.D = FAR(0, 2), scan.z = FAR(1, 1, 2, 2);
    scan.h_in = scan.h_out = FAR(1, 1, 2, 4), scan.y = FAR(1, 1, 2, 2);
    run_row(&selective_scan_shared, &scan.header);
    conv.x = FAR(1, 1, 2, 2), conv.weight = FAR(0, 2, 3), conv.bias = FAR(0, 2),
    conv.pre_gate = FAR(1, 1, 2, 2);
    conv.h_in = conv.h_out = FAR(1, 1, 2, 2), conv.y = FAR(1, 1, 2, 2);
    run_row(&causal_conv1d_shared, &conv.header);
}

/* The same calls on operands of 64 KiB and of 8 GiB, of which a few pages are touched: the same bytes. Not checked: shadows would take
 * hundreds of GiB. */
static void indices_have_64_bits(void **state)
{
    static char near_ground[2 * FAR_BYTES];
    struct far near = { near_ground, FAR_BYTES / sizeof(float), 0 }, far = { NULL, (INT64_C(1) << 31) + 64, 0 };
    const size_t bytes = (size_t)far.step * sizeof(float) + FAR_BYTES;
    (void)state;
    configure(1, ITEMS, 0);
    far.ground = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (far.ground == MAP_FAILED) skip(); /* no address space: ulimit -v */
    run_far_rows(&near);
    run_far_rows(&far);
    assert_memory_equal(near_ground, far.ground, FAR_BYTES);
    assert_memory_equal(near_ground + FAR_BYTES, far.ground + (size_t)far.step * sizeof(float), FAR_BYTES);
    munmap(far.ground, bytes);
}

/* A log2 e past the largest number times a delta of 0 is 0, not NaN; e^88.8 is past it and silu(-88.8) a normal number. */
static void what_grows_past_the_largest_number_still_counts(void **state)
{
    static const int64_t ones[] = { 1, 1, 1, 1 };
    float nought = 0, one = 1, A = -3e38f, z = -88.8f, h = 1, y = 0;
    segue_selective_scan scan = segue_selective_scan_init();
    (void)state;
    configure(1, ITEMS, 1);
    scan.softplus = 0;
    scan.u = segue_tensor_of(&nought, SEGUE_F32, 3, ones), scan.delta = scan.u;
    scan.A = segue_tensor_of(&A, SEGUE_F32, 2, ones);
    scan.B = segue_tensor_of(&one, SEGUE_F32, 4, ones), scan.C = scan.B;
    scan.z = segue_tensor_of(&z, SEGUE_F32, 3, ones);
    scan.h_in = scan.h_out = segue_tensor_of(&h, SEGUE_F32, 3, ones);
    scan.y = segue_tensor_of(&y, SEGUE_F32, 3, ones);
    run_row(&selective_scan_shared, &scan.header);
    assert_true(h == 1);
    assert_true(fabs(y / ((double)z * exp((double)z)) - 1) < 1e-6);
}

/* e^100 is past the largest number; a state of 0 does not grow, one that has been written does. */
static void growth_leaves_zero_at_zero(void **state)
{
    static const int64_t tokens[] = { 1, 3, 1, 1 }, ones[] = { 1, 1, 1, 1 };
    float u[] = { 0, 0, 1 }, delta[] = { -100, -100, 1 }, A = -1, one[] = { 1, 1, 1 }, h = 0, y[3];
    segue_selective_scan scan = segue_selective_scan_init();
    (void)state;
    configure(1, ITEMS, 1);
    scan.softplus = 0;
    scan.u = segue_tensor_of(u, SEGUE_F32, 3, tokens),
    scan.delta = segue_tensor_of(delta, SEGUE_F32, 3, tokens);
    scan.A = segue_tensor_of(&A, SEGUE_F32, 2, ones);
    scan.B = segue_tensor_of(one, SEGUE_F32, 4, tokens), scan.C = scan.B;
    scan.h_in = scan.h_out = segue_tensor_of(&h, SEGUE_F32, 3, ones);
    scan.y = segue_tensor_of(y, SEGUE_F32, 3, tokens);
    run_row(&selective_scan_shared, &scan.header);
    assert_true(y[0] == 0 && y[1] == 0 && y[2] == 1 && h == 1);
    delta[1] = -INFINITY, h = 0; /* infinite growth of 0 is NaN, as by the definition */
    run_row(&selective_scan_shared, &scan.header);
    assert_true(y[0] == 0 && isnan(y[1]) && isnan(h));
}

/* Rows side by side in a group, with squares past the largest number or below the smallest: every norm against double. Only l2_norm's
 * eps is beyond f32 too. */
static void norms_of_rows_whose_squares_are_not_in_f32(void **state)
{
    enum { ROWS = 9, WIDTH = 40 };
    static const float sizes[ROWS] = { 1, 1e20f, 1, 1e-20f, 1e37f, 1e-32f, 3e19f, 0, 1e30f };
    static float x[ROWS][WIDTH], y[ROWS][WIDTH];
    const int64_t shape[] = { 1, ROWS, 1, WIDTH };
    (void)state;
    configure(1, ITEMS, 1);
    for (int i = 0; i < ROWS * WIDTH; i++)
        x[i / WIDTH][i % WIDTH] = sizes[i / WIDTH] * (float)(i % WIDTH * 7 % 11 - 4) / 4;
    for (int kind = 0; kind < 3; kind++) { /* RMS, layer, L2 */
        const double eps = kind == 2 ? 1e-60 : 1e-30, divisor = kind == 2 ? 1 : WIDTH;
        segue_gated_norm gated = segue_gated_norm_init();
        segue_l2_norm plain = segue_l2_norm_init();
        gated.kind = kind, gated.eps = plain.eps = eps;
        gated.x = plain.x = segue_tensor_of(x, SEGUE_F32, 4, shape);
        gated.y = plain.y = segue_tensor_of(y, SEGUE_F32, 4, shape);
        if (kind == 2) run_row(&l2_norm_shared, &plain.header);
        else run_row(&gated_norm_shared, &gated.header);
        assert_memory_equal(y[0], y[2], sizeof y[0]);
        for (int row = 0; row < ROWS; row++) {
            double mean = 0, squares = 0;
            for (int i = 0; kind == 1 && i < WIDTH; i++) mean += (double)x[row][i] / WIDTH;
            for (int i = 0; i < WIDTH; i++) squares += pow((double)x[row][i] - mean, 2) / divisor;
            for (int i = 0; i < WIDTH; i++) {
                const double want = ((double)x[row][i] - mean) / sqrt(squares + eps);
                if (!(fabs((double)y[row][i] - want) <= 2e-6 * (fabs(want) + (kind == 1)) + 1e-37))
                    fail_msg("kind %d: y[%d][%d] = %g, wanted %g", kind, row, i, (double)y[row][i], want);
            }
        }
    }
}

/* ---- two threads ------------------------------------------------------------------------------------- */

static void *launch_often(void *user)
{
    struct gpu *gpu = user;
    struct ground g = { 0 };
    segue_diag why = { 0 };
    for (int i = 0; i < ITEMS; i++) g.in[2 * ITEMS * STRIDE + i * STRIDE] = (float)i;
    for (int n = 0; n < 40; n++) {
        memset(g.out, 0, sizeof g.out);
        if (run_body(gpu,
                     "LOCAL float x[GROUP];\nx[LOCAL_ID] = " IN ";\nBARRIER();\n" OUT
                     " = x[GROUP - 1 - LOCAL_ID];",
                     &g, &why))
            return "finding";
        for (int i = 0; i < 2 * ITEMS; i++)
            if (g.out[ITEMS + i] != (float)(ITEMS - 1 - i % ITEMS)) return "wrong";
    }
    return NULL;
}

static void two_threads_may_launch_at_once(void **state)
{
    pthread_t other;
    void *theirs;
    (void)state;
    configure(1, ITEMS, 1);
    struct gpu *gpu = open_gpu();
    assert_int_equal(pthread_create(&other, NULL, launch_often, gpu), 0);
    const void *ours = launch_often(gpu);
    pthread_join(other, &theirs);
    assert_null(ours);
    assert_null(theirs);
    fibre_close(gpu);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh_folder, remove_folder)
    const struct CMUnitTest rows[] = { TEST(rows_as_configured) }, copy[] = { TEST(copy_as_configured) };
    const struct CMUnitTest tests[] = {
        TEST(every_fault_is_named),
        TEST(a_device_goes_on_after_a_finding),
        TEST(local_memory_is_poisoned_and_order_is_seeded),
        TEST(settings_are_read_strictly),
        TEST(what_does_not_compile_or_fit_is_refused_in_words),
        TEST(arguments_are_counted_and_measured),
        TEST(rows_in_every_group_and_order),
        TEST(tensors_are_copied_without_a_finding),
        TEST(indices_have_64_bits),
        TEST(what_grows_past_the_largest_number_still_counts),
        TEST(growth_leaves_zero_at_zero),
        TEST(norms_of_rows_whose_squares_are_not_in_f32),
        TEST(two_threads_may_launch_at_once),
    };
    if (argc > 1 && !strcmp(argv[1], "rows")) return cmocka_run_group_tests(rows, NULL, NULL);
    if (argc > 1 && !strcmp(argv[1], "copy")) return cmocka_run_group_tests(copy, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
