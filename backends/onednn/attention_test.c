/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The general row against a plain loop in double, over random shapes, layouts, dtypes, operands and options; one bit pattern
 * whatever the threads and the batch; scores beyond what exp can take. */
#include "attention_testing.h"

extern const segue_row attention_cpu;

static void against_the_definition(void **context)
{
    (void)context;
    for (int n = 0; n < 1500; n++) {
        struct test_device device;
        struct scene c;
        if (!test_open(&device, (int)draw(SEGUE_ISA_COUNT), draw(5))) continue;
        make_scene(&c, OF_ANY);
        run_row(&attention_cpu, &device, &c.op.header, &c.op.header);
        check_all(&c);
        drop_scene(&c);
        test_close(&device);
    }
}

/* A plan for more queries, keys and batch rows has room for any fewer. */
static void bounds_hold(void **context)
{
    struct test_device device;
    segue_kit_plan plan = { 0 };
    (void)context;
    assert_true(test_open(&device, SEGUE_ISA_BASE, 3));
    for (int64_t group = 1; group < 50; group += 1 + group / 4) {
        uint64_t before = 0;
        for (int64_t t = 0; t < 70; t++) {
            segue_attention op = segue_attention_init();
            op.q = segue_tensor_of(NULL, SEGUE_F32, 4, (int64_t[]){ 1, t, 3 * group, 5 });
            op.k = op.v = segue_tensor_of(NULL, SEGUE_F32, 4, (int64_t[]){ 1, 9, 3, 5 });
            op.y = op.q;
            assert_int_equal(attention_cpu.prepare(&op.header, &device.kit, &plan, NULL), SEGUE_OK);
            assert_true(plan.workspace_bytes >= before);
            before = plan.workspace_bytes;
        }
    }
    test_close(&device);
}

/* The same bits from batch row after batch row on one thread as from all at once on several. */
static void one_answer(void **context)
{
    (void)context;
    for (int n = 0; n < 300; n++) {
        struct test_device many, one;
        struct scene c;
        const int isa = (int)draw(SEGUE_ISA_COUNT);
        if (!test_open(&many, isa, 2 + draw(5))) continue;
        assert_true(test_open(&one, isa, 1));
        make_scene(&c, 0);
        run_row(&attention_cpu, &many, &c.op.header, &c.op.header);
        char *all[2] = { NULL, NULL };
        for (int i = 0; i < 2; i++)
            if (there(&c, Y + i)) {
                all[i] = malloc(c.w[Y + i].size);
                memcpy(all[i], c.w[Y + i].memory, c.w[Y + i].size);
                restore(&c.w[Y + i]);
            }
        for (int64_t b = 0; b < c.b; b++) {
            segue_attention row = c.op;
            struct watched slices[OPERANDS] = { 0 };
            for (int i = 0; i < OPERANDS; i++) {
                slices[i].t = c.w[i].t;
                if (there(&c, i) && i != SLOPES && i != SINK && i != CU && i != CU_K)
                    slices[i].t = segue_tensor_slice(c.w[i].t, 0, b, 1);
            }
            put_tensors(&row.header, slices, OPERANDS);
            run_row(&attention_cpu, &one, &row.header, &row.header);
        }
        for (int i = 0; i < 2; i++)
            if (all[i]) assert_memory_equal(all[i], c.w[Y + i].memory, c.w[Y + i].size);
        free(all[0]), free(all[1]);
        drop_scene(&c);
        test_close(&many), test_close(&one);
    }
}

/* The same bits from each query alone as from all of them, whatever tile it was in. */
static void steps(void **context)
{
    enum { WIDTH = 16, HEADS = 2 };
    (void)context;
    for (int n = 0; n < 200; n++) {
        struct test_device device;
        segue_attention op = segue_attention_init();
        const int64_t t = n ? 1 + draw(70) : 16, m = n ? t + draw(n % 4 ? 100 : 2000) : 3390;
        struct watched q, k, v, y, alone;
        if (!test_open(&device, (int)draw(SEGUE_ISA_COUNT), 1 + draw(4))) continue;
        MAKE(&q, SEGUE_F32, 0, -2, 2, 1, t, HEADS, WIDTH);
        MAKE(&k, draw_dtype(), 0, -2, 2, 1, m, 1, WIDTH);
        MAKE(&v, draw_dtype(), 0, -2, 2, 1, m, 1, WIDTH);
        MAKE(&y, SEGUE_F32, 0, -2, 2, 1, t, HEADS, WIDTH);
        MAKE(&alone, SEGUE_F32, 0, -2, 2, 1, t, HEADS, WIDTH);
        /* At first the tile begins to see a part that its last queries do not, and the tree is higher behind it. */
        op.window_left = !n ? 2099 : draw(3) ? -1 : (int64_t)draw(900);
        op.q = q.t, op.k = k.t, op.v = v.t, op.y = y.t;
        run_row(&attention_cpu, &device, &op.header, &op.header);
        for (int64_t i = 0; i < t; i++) { /* its keys are those up to its own */
            op.q = segue_tensor_slice(q.t, 1, i, 1), op.y = segue_tensor_slice(alone.t, 1, i, 1);
            op.k = segue_tensor_slice(k.t, 1, 0, m - t + i + 1),
            op.v = segue_tensor_slice(v.t, 1, 0, m - t + i + 1);
            run_row(&attention_cpu, &device, &op.header, &op.header);
        }
        for (int64_t i = 0; i < t * HEADS * WIDTH; i++) {
            const int64_t at[] = { 0, i / WIDTH / HEADS, i / WIDTH % HEADS, i % WIDTH };
            assert_true(get_at(&y.t, at) == get_at(&alone.t, at));
        }
        drop(&q), drop(&k), drop(&v), drop(&y), drop(&alone);
        test_close(&device);
    }
}

/* 41 parts: the same bits wherever threads part them, and no more of them at once than the workspace has room for. */
static void many_parts(void **context)
{
    enum { KEYS = 10300, WIDTH = 16 };
    struct watched q, kv, y;
    float first[WIDTH];
    (void)context;
    MAKE(&q, SEGUE_F32, 0, -2, 2, 1, 1, 1, WIDTH);
    MAKE(&kv, SEGUE_F32, 0, -2, 2, 1, KEYS, 1, WIDTH);
    MAKE(&y, SEGUE_F32, 0, -2, 2, 1, 1, 1, WIDTH);
    for (uint32_t threads = 1; threads < 8; threads++) {
        struct test_device device;
        segue_attention op = segue_attention_init();
        assert_true(test_open(&device, SEGUE_ISA_BASE, threads));
        op.q = q.t, op.k = op.v = kv.t, op.y = y.t;
        run_row(&attention_cpu, &device, &op.header, &op.header);
        for (int64_t i = 0; i < WIDTH; i++) {
            const float value = (float)GET(y.t, 0, 0, 0, i);
            if (threads == 1) first[i] = value;
            assert_true(value == first[i]);
        }
        test_close(&device);
    }
    drop(&q), drop(&kv), drop(&y);
}

/* Scores of thousands, with and without one that wins, over several parts of the keys. */
static void large_scores(void **context)
{
    enum { KEYS = 700, WIDTH = 16 };
    static float k[KEYS * WIDTH], v[KEYS * WIDTH];
    float q[WIDTH], y[WIDTH], lse;
    (void)context;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++)
        for (int wins = 0; wins < KEYS; wins += 233) {
            struct test_device device;
            segue_attention op = segue_attention_init();
            if (!test_open(&device, isa, 2)) continue;
            for (int i = 0; i < KEYS * WIDTH; i++)
                k[i] = i / WIDTH == wins ? 1000 : -1000, v[i] = (float)(i / WIDTH);
            for (int i = 0; i < WIDTH; i++) q[i] = 4, y[i] = -1;
            op.scale = 1, op.causal = 0;
            op.q = segue_tensor_of(q, SEGUE_F32, 4, (int64_t[]){ 1, 1, 1, WIDTH });
            op.k = segue_tensor_of(k, SEGUE_F32, 4, (int64_t[]){ 1, KEYS, 1, WIDTH });
            op.v = segue_tensor_of(v, SEGUE_F32, 4, op.k.shape);
            op.y = segue_tensor_of(y, SEGUE_F32, 4, op.q.shape);
            op.lse = segue_tensor_of(&lse, SEGUE_F32, 3, op.q.shape);
            run_row(&attention_cpu, &device, &op.header, &op.header);
            assert_true(lse == 64000);
            for (int i = 0; i < WIDTH; i++) assert_true(y[i] == (float)wins);
            test_close(&device);
        }
}

static void unit_keys_beyond_f32(void **context)
{
    (void)context;
    judge_keys_beyond_f32(&attention_cpu, OF_ANY);
}

/* Two intervals of parts, one from the first part on and one to the last: the most nodes of the tree that a unit has at once. */
static void chunks_that_go_round(void **context)
{
    enum { KEYS = 65536, CHUNK = 256 };
    static float x[KEYS], y[KEYS];
    (void)context;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++) {
        struct test_device device;
        segue_attention op = segue_attention_init();
        int32_t one = 1;
        if (!test_open(&device, isa, 1)) continue;
        for (int i = 0; i < KEYS; i++) x[i] = 2, y[i] = -1;
        op.causal = 0, op.chunk = CHUNK, op.chunks_before = 191, op.chunks_after = 62, op.wrap = 1;
        op.q = op.k = op.v = segue_tensor_of(x, SEGUE_F32, 4, (int64_t[]){ 1, KEYS, 1, 1 });
        op.y = segue_tensor_of(y, SEGUE_F32, 4, op.q.shape);
        op.k_len = segue_tensor_of(&one, SEGUE_I32, 1, (int64_t[]){ 1 }); /* else it would take long */
        run_row(&attention_cpu, &device, &op.header, &op.header);
        assert_true(y[0] == 2 && y[192 * CHUNK] == 0); /* chunk 192 sees 1 to 254 */
        test_close(&device);
    }
}

static void refuses_f64(void **context)
{
    segue_attention op = segue_attention_init();
    (void)context;
    op.q = segue_tensor_of(NULL, SEGUE_F32, 4, (int64_t[]){ 1, 1, 1, 4 });
    op.k = op.v = op.y = op.q;
    assert_null(attention_cpu.accepts(&op.header, NULL));
    op.v = segue_tensor_of(NULL, SEGUE_F64, 4, op.q.shape);
    assert_string_equal(attention_cpu.accepts(&op.header, NULL), "v: f64 is offered by the reference only");
    op.k.shape[1] = (int64_t)1 << 31;
    assert_string_equal(attention_cpu.accepts(&op.header, NULL),
                        "k: at most 2147483647 rows, since positions are int32");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(against_the_definition),
                                        cmocka_unit_test(unit_keys_beyond_f32),
                                        cmocka_unit_test(bounds_hold),
                                        cmocka_unit_test(one_answer),
                                        cmocka_unit_test(steps),
                                        cmocka_unit_test(many_parts),
                                        cmocka_unit_test(large_scores),
                                        cmocka_unit_test(chunks_that_go_round),
                                        cmocka_unit_test(refuses_f64) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
