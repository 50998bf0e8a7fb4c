/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The copy kernel behind its launcher, and the functions of words.h: kernel text compiled as plain C, one item
 * a group, by a driver that calls it. What is wanted: the kit's copy of host tensors, and double arithmetic. */
#include "tensor_copy.h"
#include "gpu_testing.h"

#include <math.h>

/* The dialect in C. GROUP_ID(0) is what the driver counts. */
typedef uint16_t u16;
typedef uint32_t u32;
typedef int32_t i32;
typedef int64_t i64;
typedef uint64_t u64;
static int this_group;
#define KERNEL(name) static void name
#define FUNC static inline __attribute__((unused))
#define GLOBAL
#define LOCAL_ARG
#define UNROLL
#define GROUP 1
#define BARRIER() ((void)0)
#define LOCAL_ID 0
#define GROUP_ID(axis) (this_group)
#define EXP2(x) exp2f(x)
#define FMA(a, b, c) fmaf(a, b, c)
#define MAX(a, b) fmaxf(a, b)

static u32 f32_bits(float x)
{
    u32 u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static float bits_f32(u32 u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* f16 by the kit's copy: the dialects have instructions for it. */
static void convert(void *to, uint32_t to_dtype, const void *from, uint32_t from_dtype)
{
    const segue_stream cpu = { SEGUE_API_CPU, 0, NULL };
    segue_tensor t = segue_tensor_of(to, to_dtype, 0, NULL), f = segue_tensor_of(to, from_dtype, 0, NULL);
    f.data = (void *)(uintptr_t)from;
    assert_int_equal(segue_kit_host_tensor_copy(NULL, cpu, &t, &f, NULL), SEGUE_OK);
}

static float f16_to_f32(u16 h)
{
    float x;
    convert(&x, SEGUE_F32, &h, SEGUE_F16);
    return x;
}

static u16 f32_to_f16(float x)
{
    u16 h;
    convert(&h, SEGUE_F16, &x, SEGUE_F32);
    return h;
}

#include "words.h"
#include "tensor_copy.args.h"
#include "tensor_copy.k.h"

/* ---- a driver that calls the kernel ---------------------------------------------------------------------- */

static int builds, launches, busy; /* busy: the next so many launches */
static struct tensor_copy_args last;

static segue_status load(struct gpu *gpu, const void *blob, uint64_t bytes, const struct gpu_key *key,
                         void **loaded, segue_diag *why)
{
    (void)gpu, (void)blob, (void)bytes, (void)key, (void)why;
    *loaded = &launches;
    return SEGUE_OK;
}

static segue_status build(struct gpu *gpu, const struct gpu_key *key, const char *source, const char *options,
                          void **loaded, void **blob, uint64_t *bytes, segue_diag *why)
{
    (void)source, (void)options;
    builds++;
    *bytes = 1;
    *blob = gpu->host->alloc(gpu->host->user, 1, 64);
    return load(gpu, *blob, *bytes, key, loaded, why);
}

static void unload(struct gpu *gpu, void *loaded)
{
    (void)gpu, (void)loaded;
}

static segue_status launch(struct gpu *gpu, segue_stream stream, void *loaded, void *instance,
                           const int32_t groups[3], int32_t group, const struct gpu_arg *args, uint32_t count,
                           segue_diag *why)
{
    (void)gpu, (void)stream, (void)loaded, (void)instance;
    if (busy && busy--) return segue_kit_fail(why, SEGUE_ERROR_BUSY, SEGUE_PHASE_RUN, 0, "busy");
    assert_int_equal(count, 3);
    assert_int_equal(group, 1);
    assert_int_equal(args[2].bytes, sizeof last);
    memcpy(&last, args[2].value, sizeof last);
    launches++;
    for (this_group = 0; this_group < groups[0]; this_group++)
        tensor_copy(args[0].tensor ? args[0].tensor->data : NULL, args[1].tensor ? args[1].tensor->data : NULL,
                    last);
    return SEGUE_OK;
}

static segue_status finish(struct gpu *gpu, segue_diag *why)
{
    (void)gpu, (void)why;
    return SEGUE_OK;
}

static const struct gpu_driver driver = {
    .dialect = "", .build = build, .load = load, .unload = unload, .launch = launch, .finish = finish
};

static struct gpu device = {
    .driver = &driver, .host = &test_host, .identity = "plain C", .group = 1, .most_groups = { 5, 5, 5 }
}; /* so that items go on after their first element */

static int open_device(void **state)
{
    if (fresh_folder(state)) return -1;
    builds = launches = 0;
    return gpu_open(&device, NULL);
}

static int close_device(void **state)
{
    gpu_close(&device);
    return remove_folder(state);
}

/* ---- tests ---------------------------------------------------------------------------------------------- */

enum { ROOM = 4096 };
static const segue_stream stream = { SEGUE_API_CPU, 0, NULL };

static void fill(float *to)
{
    for (int i = 0; i < ROOM; i++) to[i] = (float)((i * 37 + 11) % 1013 - 506) / 64.0f;
}

/* The same copy by device and by kit, every byte compared: also those that the copy must leave alone. */
static void same_as_kit(segue_tensor to, segue_tensor from)
{
    static float source[ROOM], got[ROOM], want[ROOM];
    fill(source);
    memset(got, 0x5a, sizeof got);
    memset(want, 0x5a, sizeof want);
    from.data = source;
    to.data = want;
    assert_int_equal(segue_kit_host_tensor_copy(NULL, stream, &to, &from, NULL), SEGUE_OK);
    to.data = got;
    assert_int_equal(gpu_tensor_copy(&device, stream, &to, &from, NULL), SEGUE_OK);
    assert_memory_equal(got, want, sizeof want);
}

static segue_tensor packed(uint32_t dtype, int rank, const int64_t *shape)
{
    return segue_tensor_of(&launches, dtype, rank, shape);
}

static void copies_any_layout(void **state)
{
    (void)state;
    static const uint32_t dtypes[] = { SEGUE_F32, SEGUE_F16, SEGUE_BF16, SEGUE_I32, SEGUE_F64 };
    const int64_t shape[6] = { 2, 1, 3, 4, 2, 5 };
    for (int d = 0; d < 5; d++)
        for (int rank = 0; rank <= 6; rank++) {
            segue_tensor to = packed(dtypes[d], rank, shape), from = to;
            same_as_kit(to, from);
            if (rank < 2) continue;
            to.offset = 16;
            from.offset = 1024;
            from.stride[0] = -from.stride[0]; /* backwards, the last two axes exchanged, pads */
            to.stride[rank - 1] = shape[rank - 2] + 1;
            to.stride[rank - 2] = 1;
            for (int axis = 0; axis < rank - 2; axis++) to.stride[axis] *= 2; /* no two elements in one place */
            same_as_kit(to, from);
            from.stride[rank - 1] = 0;
            same_as_kit(to, from);
        }
}

static void converts(void **state)
{
    (void)state;
    static const uint32_t dtypes[] = { SEGUE_F32, SEGUE_F16, SEGUE_BF16 };
    const int64_t shape[3] = { 7, 11, 13 };
    for (int t = 0; t < 3; t++)
        for (int f = 0; f < 3; f++) same_as_kit(packed(dtypes[t], 3, shape), packed(dtypes[f], 3, shape));
}

static void merges_axes(void **state)
{
    (void)state;
    const int64_t shape[4] = { 2, 3, 4, 5 };
    segue_tensor to = packed(SEGUE_F32, 4, shape), from = to;
    same_as_kit(to, from);
    assert_int_equal(last.shape[5], 120);
    assert_int_equal(last.shape[4], 1);
    from.stride[1] = 24; /* a pad behind every 20 elements */
    from.stride[0] = 72;
    same_as_kit(to, from);
    assert_int_equal(last.shape[5], 20);
    assert_int_equal(last.shape[4], 6);
    assert_int_equal(builds, 1);
}

static void refuses(void **state)
{
    (void)state;
    const int64_t shape[2] = { 2, 3 }, other[2] = { 3, 2 };
    const segue_tensor f32 = packed(SEGUE_F32, 2, shape), turned = packed(SEGUE_F32, 2, other),
                       f64 = packed(SEGUE_F64, 2, shape), i8 = packed(SEGUE_I8, 2, shape);
    segue_diag why;
    assert_int_equal(gpu_tensor_copy(&device, stream, &f32, &turned, &why), SEGUE_ERROR_ARGUMENT);
    assert_non_null(strstr(why.text, "one shape"));
    assert_int_equal(gpu_tensor_copy(&device, stream, &f32, &f64, &why), SEGUE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "f32, f16 and bf16"));
    assert_int_equal(gpu_tensor_copy(&device, stream, &i8, &i8, &why), SEGUE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "given 8"));
    segue_tensor i4 = i8;
    i4.dtype.bits = 4;
    assert_int_equal(gpu_tensor_copy(&device, stream, &i4, &i4, &why), SEGUE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "given 4"));
    assert_int_equal(launches, 0);
}

/* A device has one copy kernel: more threads than it has clones take turns. */
static void waits_its_turn(void **state)
{
    (void)state;
    const int64_t shape[2] = { 2, 3 };
    same_as_kit(packed(SEGUE_F32, 2, shape), packed(SEGUE_F32, 2, shape));
    busy = 3;
    same_as_kit(packed(SEGUE_F32, 2, shape), packed(SEGUE_F32, 2, shape));
    assert_int_equal(busy, 0);
}

static void copies_nothing(void **state)
{
    (void)state;
    const int64_t shape[2] = { 0, 3 };
    const segue_tensor empty = packed(SEGUE_F32, 2, shape);
    assert_int_equal(gpu_tensor_copy(&device, stream, &empty, &empty, NULL), SEGUE_OK);
    assert_int_equal(launches, 0);
}

static void within(double got, double want, double units)
{
    const double bound = units * 0x1p-24 * fabs(want) + 0x1p-126;
    if (!(fabs(got - want) <= bound)) fail_msg("%.9g, wanted %.9g", got, want);
}

/* To a few units in the last place over the whole range: what the accuracy class F32 of the rows claims. */
static void functions_are_accurate(void **state)
{
    (void)state;
    for (int i = -10000; i <= 10000; i++) {
        const float x = (float)i * 0.0101f;
        const double e = exp(-fabs((double)x));
        if (fabsf(x) < 88) within((double)natural_exp(x), exp((double)x), 4);
        within((double)softplus(x), fmax((double)x, 0) + log1p(e), 6);
        if (x > -87) within((double)silu(x), x > 0 ? (double)x / (1 + e) : (double)x * e / (1 + e), 6);
    }
    assert_true(natural_exp(-INFINITY) == 0 && natural_exp(INFINITY) == INFINITY && isnan(natural_exp(NAN)));
    assert_true(softplus(-INFINITY) == 0 && softplus(INFINITY) == INFINITY && isnan(softplus(NAN)));
    assert_true(silu(INFINITY) == INFINITY && silu(-200) == 0 && isnan(silu(NAN)));
}

static void bf16_rounds_to_even(void **state)
{
    (void)state;
    for (u32 high = 0; high < 0x10000; high++)
        for (u32 low = 0; low < 4; low++) {
            const u32 bits = high << 16 | (const u32[]){ 0, 0x7fff, 0x8000, 0x8001 }[low];
            const float x = bits_f32(bits);
            u16 want;
            convert(&want, SEGUE_BF16, &x, SEGUE_F32);
            if (isnan(x)) assert_true(isnan(bf16_to_f32(f32_to_bf16(x))));
            else assert_int_equal(f32_to_bf16(x), want);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(copies_any_layout, open_device, close_device),
        cmocka_unit_test_setup_teardown(converts, open_device, close_device),
        cmocka_unit_test_setup_teardown(merges_axes, open_device, close_device),
        cmocka_unit_test_setup_teardown(refuses, open_device, close_device),
        cmocka_unit_test_setup_teardown(waits_its_turn, open_device, close_device),
        cmocka_unit_test_setup_teardown(copies_nothing, open_device, close_device),
        cmocka_unit_test(functions_are_accurate),
        cmocka_unit_test(bf16_rounds_to_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
