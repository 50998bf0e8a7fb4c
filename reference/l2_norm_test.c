/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_l2_norm_reference;

enum { B = 2, T = 3, H = 2, K = 5 };

static double x[B * T * H * K], y[B * T * H * K];

static segue_l2_norm plain(void)
{
    segue_l2_norm op = segue_l2_norm_init();
    fill(x, COUNT(x), 3, 2, 0), memset(y, 0xff, sizeof y);
    op.x = F64(x, B, T, H, K), op.y = F64(y, B, T, H, K);
    return op;
}

static void run(const segue_l2_norm *op)
{
    run_row(&segue_row_l2_norm_reference, &op->header);
}

/* Pythagorean rows: 3 4 12 makes 13, 2 3 6 makes 7; eps is added to the sum, under the root. */
static void known_lengths(void **context)
{
    double in[] = { 3, 4, 12, -2, 3, 6 }, out[6];
    segue_l2_norm op = segue_l2_norm_init();
    (void)context;
    op.x = F64(in, 1, 2, 1, 3), op.y = F64(out, 1, 2, 1, 3), op.eps = 0;
    run(&op);
    assert_same(out, (double[]){ 3 / 13.0, 4 / 13.0, 12 / 13.0, -2 / 7.0, 3 / 7.0, 6 / 7.0 }, 6);
    op.eps = 576 - 169; /* sqrt(13^2 + eps) = 24 */
    run(&op);
    assert_same(out, (double[]){ 3 / 24.0, 4 / 24.0, 0.5 }, 3);
}

static void lengths_are_one(void **context)
{
    segue_l2_norm op = plain();
    (void)context;
    run(&op);
    for (int row = 0; row < B * T * H; row++) {
        const double squares = sum(x + row * K, K, 2);
        assert_close(sum(y + row * K, K, 2), squares / (squares + 1e-6));
    }
}

/* Zeros stay zeros, and one token's numbers do not reach another's. */
static void rows_are_alone(void **context)
{
    double before[COUNT(y)];
    segue_l2_norm op = plain();
    (void)context;
    run(&op);
    memcpy(before, y, sizeof y);
    op = plain();
    for (int k = 0; k < K; k++) x[3 * K + k] = 0;
    run(&op);
    for (int k = 0; k < K; k++) assert_true(y[3 * K + k] == 0);
    assert_same(y, before, 3 * K);
    assert_same(y + 4 * K, before + 4 * K, COUNT(y) - 4 * K);
}

/* Heads and elements swapped in memory, tokens backwards. */
static void strides(void **context)
{
    double before[COUNT(y)], turned[COUNT(x)];
    segue_l2_norm op = plain();
    (void)context;
    run(&op);
    memcpy(before, y, sizeof y);
    op = plain();
    for (int row = 0; row < B * T; row++)
        for (int h = 0; h < H; h++)
            for (int k = 0; k < K; k++) turned[((B * T - 1 - row) * K + k) * H + h] = x[(row * H + h) * K + k];
    op.x = F64(turned, B, T, H, K);
    op.x.offset = (uint64_t)((B * T - 1) * H * K) * sizeof(double);
    op.x.stride[0] = -T * H * K, op.x.stride[1] = -H * K, op.x.stride[2] = 1, op.x.stride[3] = H;
    run(&op);
    assert_same(y, before, COUNT(y));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(known_lengths), cmocka_unit_test(lengths_are_one),
                                        cmocka_unit_test(rows_are_alone), cmocka_unit_test(strides) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
