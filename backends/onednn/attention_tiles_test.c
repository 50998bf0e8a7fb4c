/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Attention on tiles against a plain loop in double; the same bits whatever the threads; what is refused. */
#include "attention_testing.h"
#include "row.h"

extern const segue_row attention_tiles_cpu, attention_tiles_bf16_cpu;

static void against_the_definition(void **context)
{
    (void)context;
    for (int n = 0; n < 300; n++) {
        struct test_device device;
        struct scene c;
        if (!test_open(&device, (int)draw(SEGUE_ISA_COUNT), draw(5))) continue;
        make_scene(&c, OF_TILES);
        run_row(&attention_tiles_cpu, &device, &c.op.header, &c.op.header);
        check_all(&c);
        drop_scene(&c);
        test_close(&device);
    }
}

static void unit_keys_beyond_f32(void **context)
{
    (void)context;
    judge_keys_beyond_f32(&attention_tiles_cpu, OF_TILES);
}

/* More threads take smaller tiles of queries. */
static void the_same_bits_with_other_threads(void **context)
{
    (void)context;
    for (int n = 0; n < 60; n++) {
        const int isa = (int)draw(SEGUE_ISA_COUNT);
        struct test_device one, many;
        struct scene c;
        if (!test_open(&one, isa, 1)) continue;
        assert_true(test_open(&many, isa, draw(4) ? 2 + draw(6) : 0));
        make_scene(&c, OF_TILES);
        run_row(&attention_tiles_cpu, &one, &c.op.header, &c.op.header);
        char *const first = malloc(c.w[Y].size);
        memcpy(first, c.w[Y].memory, c.w[Y].size);
        restore(&c.w[Y]), restore(&c.w[LSE]);
        run_row(&attention_tiles_cpu, &many, &c.op.header, &c.op.header);
        assert_memory_equal(first, c.w[Y].memory, c.w[Y].size);
        free(first);
        drop_scene(&c);
        test_close(&one), test_close(&many);
    }
}

static void in_bf16(void **context)
{
    struct test_device device;
    (void)context;
    if (!has_bf16() || !test_open(&device, SEGUE_ISA_AVX512, 1)) skip();
    test_close(&device);
    weight_error = 0x1p-8;
    for (int n = 0; n < 300; n++) {
        struct scene c;
        assert_true(test_open(&device, SEGUE_ISA_AVX512, draw(5)));
        device.cpu.bf16_products = 1 + n % 2; /* by oneDNN, in pairs, whether or not they are faster */
        make_scene(&c, OF_BF16);
        segue_kit_plan plan = { 0 };
        const segue_status s = attention_tiles_bf16_cpu.prepare(&c.op.header, &device.kit, &plan, NULL);
        if (plan.release) plan.release(plan.data, &device.kit);
        assert_true(s == SEGUE_OK || n % 2 == 0); /* oneDNN may be missing */
        if (s == SEGUE_OK) {
            run_row(&attention_tiles_bf16_cpu, &device, &c.op.header, &c.op.header);
            check_all(&c);
        }
        drop_scene(&c);
        test_close(&device);
    }
    weight_error = 0;
}

/* Caches put the ends of int32 where they have no key; positions of queries may go on behind them. */
static void the_ends_of_int32(void **context)
{
    enum { T = 16 };
    static float q[T], k[T], v[T], y[T], lse[T], slope[1] = { 1 };
    static int32_t map[T], label[T], at[T], offset[1];
    struct test_device d;
    segue_attention op = segue_attention_init();
    (void)context;
    assert_true(test_open(&d, SEGUE_ISA_BASE, 1));
    op.q = segue_tensor_of(q, SEGUE_F32, 4, (int64_t[]){ 1, T, 1, 1 }), op.y = op.k = op.v = op.q;
    op.k.data = k, op.v.data = v, op.y.data = y;
    op.k_pos = segue_tensor_of(at, SEGUE_I32, 2, (int64_t[]){ 1, T });
    op.causal = 0;
    for (int i = 0; i < T; i++) v[i] = (float)(i + 1), map[i] = i, at[i] = i;
    map[0] = 19, at[0] = INT32_MIN; /* an item that has no label */
    op.label = op.q_index = segue_tensor_of(label, SEGUE_I32, 3, (int64_t[]){ 1, 1, T });
    op.q_index.data = map;
    run_row(&attention_tiles_cpu, &d, &op.header, &op.header);
    assert_true(y[0] == 0 && y[1] > 0);
    op.label = op.q_index = (segue_tensor){ 0 };
    op.align = SEGUE_ATTENTION_TOP_LEFT;
    op.q_offset = segue_tensor_of(offset, SEGUE_I32, 1, (int64_t[]){ 1 });
    for (int i = 0; i < T; i++) at[i] = INT32_MAX;
    offset[0] = INT32_MAX, op.window_left = 1; /* query i is i behind all keys */
    run_row(&attention_tiles_cpu, &d, &op.header, &op.header);
    assert_true(y[0] == 8.5f && y[1] == 8.5f && y[2] == 0 && y[5] == 0);
    op.window_left = -1, op.self_rule = SEGUE_ATTENTION_CONSTANT, op.self_value = 9;
    for (int i = 1; i < T; i++) at[i] = INT32_MAX - 1;
    run_row(&attention_tiles_cpu, &d, &op.header, &op.header);
    assert_true(y[0] < 1.1f && y[1] == 8.5f); /* the first query's own key is the first */
    for (int i = 1; i < T; i++) at[i] = INT32_MAX;
    op.self_rule = SEGUE_ATTENTION_NORMAL;
    op.slopes = segue_tensor_of(slope, SEGUE_F32, 1, (int64_t[]){ 1 });
    op.lse = segue_tensor_of(lse, SEGUE_F32, 3, (int64_t[]){ 1, T, 1 });
    run_row(&attention_tiles_cpu, &d, &op.header, &op.header);
    for (int i = 0; i < T; i++) assert_true(fabsf(lse[i] - (logf(T) - (float)i)) < 1e-5f);
    test_close(&d);
}

static segue_attention plain_call(void)
{
    segue_attention op = segue_attention_init();
    op.q = op.y = segue_tensor_of(NULL, SEGUE_F32, 4, (int64_t[]){ 1, 64, 4, 16 });
    op.k = op.v = segue_tensor_of(NULL, SEGUE_F32, 4, (int64_t[]){ 1, 64, 2, 16 });
    return op;
}

static void what_is_refused(void **context)
{
    struct test_device d;
    segue_attention op = plain_call();
    (void)context;
    assert_true(test_open(&d, SEGUE_ISA_BASE, 1));
    assert_null(attention_tiles_cpu.accepts(&op.header, &d.kit));
    op.bias = segue_tensor_of(NULL, SEGUE_F32, 4, (int64_t[]){ 1, 4, 64, 64 });
    assert_string_equal(attention_tiles_cpu.accepts(&op.header, &d.kit), "bias: this row adds none");
    op = plain_call();
    op.v.dtype = segue_tensor_of(NULL, SEGUE_F16, 1, (int64_t[]){ 1 }).dtype;
    assert_string_equal(attention_tiles_cpu.accepts(&op.header, &d.kit), "v: wanted the dtype of k");
    op = plain_call();
    op.q.shape[1] = op.y.shape[1] = 15;
    assert_string_equal(attention_tiles_cpu.accepts(&op.header, &d.kit),
                        "q: fewer than 16 query slots are no tile");
    op = plain_call();
    op.scale = 1e20, op.softcap = 1e-20;
    assert_string_equal(attention_tiles_cpu.accepts(&op.header, &d.kit),
                        "softcap: scale over softcap is no f32");
    op = plain_call();
    op.chunk = 8, op.chunks_before = INT32_MAX;
    assert_string_equal(attention_tiles_cpu.accepts(&op.header, &d.kit),
                        "chunk: a tile's queries see more than 2^30 slots");
    op.wrap = 0; /* then there are no more than all */
    assert_null(attention_tiles_cpu.accepts(&op.header, &d.kit));
    op = plain_call();
    op.y.dtype = segue_tensor_of(NULL, SEGUE_F64, 1, (int64_t[]){ 1 }).dtype;
    assert_string_equal(attention_tiles_cpu.accepts(&op.header, &d.kit),
                        "y: f64 is offered by the reference only");
    test_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(against_the_definition),
                                        cmocka_unit_test(unit_keys_beyond_f32),
                                        cmocka_unit_test(the_same_bits_with_other_threads),
                                        cmocka_unit_test(in_bf16),
                                        cmocka_unit_test(the_ends_of_int32),
                                        cmocka_unit_test(what_is_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
