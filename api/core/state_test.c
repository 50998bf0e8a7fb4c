/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core_testing.h"

static int set_up(void **state)
{
    static struct bench bench;
    bench = open_bench("reference");
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    close_bench(*state);
    return 0;
}

static void describe_scan(void **state)
{
    segue_selective_scan op = segue_selective_scan_init();
    segue_tensor h;
    (void)state;
    op.u = segue_tensor_of(NULL, F32(3, 5, 8));
    assert_refused(SEGUE_ERROR_OPERAND, "h_out: nothing says what axis n is", "wanted",
                   segue_state_describe(&op.header, 0, &h, why));
    op.A = segue_tensor_of(NULL, F32(8, 16));
    assert_ok(segue_state_describe(&op.header, 0, &h, why));
    const segue_tensor want = segue_tensor_of(NULL, F32(3, 8, 16));
    assert_memory_equal(&h, &want, sizeof h);
    op.h_in = segue_tensor_of(NULL, F32(32, 8, 16)); /* a pool */
    assert_ok(segue_state_describe(&op.header, 0, &h, why));
    assert_int_equal(h.shape[0], 32);
    assert_refused(SEGUE_ERROR_ARGUMENT, "index is 1", "wanted less than 1",
                   segue_state_describe(&op.header, 1, &h, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "out is NULL", "wanted",
                   segue_state_describe(&op.header, 0, NULL, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "op is NULL", "wanted", segue_state_describe(NULL, 0, &h, why));
}

/* The shortest state that will do, where nothing says how long it is. */
static void describe_huge(void **state)
{
    segue_selective_scan op = segue_selective_scan_init();
    segue_tensor h = { 0 };
    (void)state;
    op.u = segue_tensor_of(NULL, F32((int64_t)1 << 30, 1, 1));
    op.A = segue_tensor_of(NULL, F32((int64_t)1 << 30, (int64_t)1 << 30));
    assert_refused(SEGUE_ERROR_OPERAND, "h_out: its axes", "2^48",
                   segue_state_describe(&op.header, 0, &h, why));
    assert_int_equal(h.rank, 0);
}

static void describe_conv(void **state)
{
    segue_causal_conv1d op = segue_causal_conv1d_init();
    segue_tensor h;
    (void)state;
    op.x = segue_tensor_of(NULL, F32(1, 9, 8));
    op.weight = segue_tensor_of(NULL, F32(8, 4));
    op.cu_seqlens = segue_tensor_of(NULL, SEGUE_I32, 1, (int64_t[]){ 6 });
    assert_ok(segue_state_describe(&op.header, 0, &h, why));
    assert_int_equal(h.shape[0], 5);
    assert_int_equal(h.shape[1], 8);
    assert_int_equal(h.shape[2], 3);
    op.weight.shape[1] = 1; /* one tap needs no past, but no axis is empty */
    assert_ok(segue_state_describe(&op.header, 0, &h, why));
    assert_int_equal(h.shape[2], 1);
}

static void convert(void **state)
{
    const struct bench *b = *state;
    float rows[6] = { 1, 2, 3, 4, 5, 6 };
    double columns[6] = { 0 };
    float back[6] = { 0 };
    const segue_tensor from = segue_tensor_of(rows, F32(2, 3));
    segue_tensor to = segue_tensor_of(columns, SEGUE_F64, 2, (int64_t[]){ 2, 3 });
    to.stride[0] = 1, to.stride[1] = 2;
    assert_ok(segue_state_convert(b->dev, b->stream, &to, &from, why));
    assert_memory_equal(columns, ((double[]){ 1, 4, 2, 5, 3, 6 }), sizeof columns);
    const segue_tensor again = segue_tensor_of(back, F32(2, 3));
    assert_ok(segue_state_convert(b->dev, b->stream, &again, &to, why));
    assert_memory_equal(back, rows, sizeof rows);
}

static void convert_refuses(void **state)
{
    const struct bench *b = *state;
    float data[12] = { 0 }, canary[12] = { 0 };
    const segue_tensor from = segue_tensor_of(data, F32(2, 3)), wide = segue_tensor_of(data, F32(3, 3));
    segue_tensor to = segue_tensor_of(data + 6, F32(2, 3));
    const segue_stream alien = { .api = SEGUE_API_CUDA };
    assert_refused(SEGUE_ERROR_ARGUMENT, "to is NULL", "wanted",
                   segue_state_convert(b->dev, b->stream, NULL, &from, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "dimension 0 is 2", "wanted 3",
                   segue_state_convert(b->dev, b->stream, &to, &wide, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "API 2", "wanted",
                   segue_state_convert(b->dev, alien, &to, &from, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "overlaps", "wanted",
                   segue_state_convert(b->dev, b->stream, &from, &from, why));
    to.bytes = 20;
    assert_refused(SEGUE_ERROR_ARGUMENT, "bytes 0 to 24", "given 20",
                   segue_state_convert(b->dev, b->stream, &to, &from, why));
    to = segue_tensor_of(data + 6, F32(2, 3));
    to.stride[0] = 0;
    assert_refused(SEGUE_ERROR_ARGUMENT, "to:", "one place",
                   segue_state_convert(b->dev, b->stream, &to, &from, why));
    to = segue_tensor_of(data + 6, SEGUE_I32, 2, (int64_t[]){ 2, 3 });
    assert_refused(SEGUE_ERROR_ARGUMENT, "dtype is i32", "wanted f32",
                   segue_state_convert(b->dev, b->stream, &to, &from, why));
    to = segue_tensor_of((char *)data + 26, F32(2, 2));
    assert_refused(SEGUE_ERROR_ARGUMENT, "to:", "aligned",
                   segue_state_convert(b->dev, b->stream, &to, &from, why));
    assert_memory_equal(data, canary, sizeof data);
}

static void fork_rows(void **state)
{
    const struct bench *b = *state;
    float pool[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    const segue_tensor t = segue_tensor_of(pool, F32(4, 2));
    assert_ok(segue_state_fork(b->dev, b->stream, &t, 3, 0, why));
    assert_ok(segue_state_fork(b->dev, b->stream, &t, 1, 1, why));
    assert_memory_equal(pool, ((float[]){ 1, 2, 3, 4, 5, 6, 1, 2 }), sizeof pool);
    assert_refused(SEGUE_ERROR_ARGUMENT, "4 and 0", "wanted 0 to 3",
                   segue_state_fork(b->dev, b->stream, &t, 4, 0, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "0 and -1", "wanted 0 to 3",
                   segue_state_fork(b->dev, b->stream, &t, 0, -1, why));
    assert_memory_equal(pool, ((float[]){ 1, 2, 3, 4, 5, 6, 1, 2 }), sizeof pool);
}

static void gather(void **state)
{
    const struct bench *b = *state;
    float pool[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, out[6] = { 0 };
    const segue_tensor from = segue_tensor_of(pool, F32(4, 2)), to = segue_tensor_of(out, F32(3, 2));
    const int32_t rows[] = { 2, 0 }, beyond[] = { 0, 4 };
    assert_ok(segue_state_gather(b->dev, b->stream, &to, &from, rows, 2, why));
    assert_memory_equal(out, ((float[]){ 5, 6, 1, 2, 0, 0 }), sizeof out);
    assert_ok(segue_state_gather(b->dev, b->stream, &to, &from, NULL, 0, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "rows[1] is 4", "wanted 0 to 3",
                   segue_state_gather(b->dev, b->stream, &to, &from, beyond, 2, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "count is 9", "wanted at most 3",
                   segue_state_gather(b->dev, b->stream, &to, &from, rows, 9, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "rows NULL", "wanted",
                   segue_state_gather(b->dev, b->stream, &to, &from, NULL, 1, why));
    assert_memory_equal(out, ((float[]){ 5, 6, 1, 2, 0, 0 }), sizeof out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describe_scan), cmocka_unit_test(describe_huge),   cmocka_unit_test(describe_conv),
        cmocka_unit_test(convert),       cmocka_unit_test(convert_refuses), cmocka_unit_test(fork_rows),
        cmocka_unit_test(gather),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
