/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_gated_norm_reference;

enum { B = 2, T = 3, H = 2, D = 4, ROWS = B * T * H, ALL = ROWS * D };

static double x[ALL], z[ALL], weight[H * D], bias[H * D], y[ALL];

static segue_gated_norm plain(void)
{
    segue_gated_norm op = segue_gated_norm_init();
    fill(x, ALL, 3, 2, 0), fill(z, ALL, 11, 6, 0), fill(weight, H * D, 17, 1, 1), fill(bias, H * D, 23, 1, 0);
    memset(y, 0xff, sizeof y);
    op.x = F64(x, B, T, H, D), op.z = F64(z, B, T, H, D), op.y = F64(y, B, T, H, D);
    op.weight = F64(weight, H, D), op.bias = F64(bias, H, D);
    return op;
}

static void run(const segue_gated_norm *op)
{
    run_row(&segue_row_gated_norm_reference, &op->header);
}

static const segue_tensor absent;

/* Rows whose mean square, or variance, is a square: 1 1 5 5 has mean square 13 and variance 4. */
static void known_rows(void **context)
{
    double in[] = { 1, 1, 5, 5, 2, -2, 2, -2 }, out[8], w[] = { 1, 2, 3, 4 }, add[] = { 0, 0, 1, -1 };
    segue_gated_norm op = segue_gated_norm_init();
    (void)context;
    op.x = F64(in, 1, 2, 1, 4), op.y = F64(out, 1, 2, 1, 4), op.weight = F64(w, 1, 4), op.bias = F64(add, 1, 4);
    op.eps = 3; /* 13 + 3 = 16 */
    run(&op);
    assert_same(out, (double[]){ 0.25, 0.5, 4.75, 4 }, 4);
    op.eps = 0, op.kind = SEGUE_GATED_NORM_LAYER;
    run(&op);
    assert_same(out, (double[]){ -1, -2, 4, 3, 1, -2, 4, -5 }, 8);
}

/* The formula on whole rows, the gate on either side, both activations. */
static void against_the_formula(void **context)
{
    (void)context;
    for (int way = 0; way < 8; way++) {
        segue_gated_norm op = plain();
        op.kind = way & 1, op.gate = way >> 1 & 1, op.norm_before_gate = way >> 2;
        run(&op);
        for (int row = 0; row < ROWS; row++) {
            double v[D], act[D];
            for (int d = 0; d < D; d++) {
                act[d] = 1 / (1 + exp(-z[row * D + d])) * (op.gate ? 1 : z[row * D + d]);
                v[d] = x[row * D + d] * (op.norm_before_gate ? 1 : act[d]);
            }
            const double mean = op.kind ? sum(v, D, 1) / D : 0;
            for (int d = 0; d < D; d++) v[d] -= mean;
            for (int d = 0, h = row % H; d < D; d++) {
                const double norm = v[d] / sqrt(sum(v, D, 2) / D + 1e-5) * weight[h * D + d] + bias[h * D + d];
                assert_close(y[row * D + d], norm * (op.norm_before_gate ? act[d] : 1));
            }
        }
    }
}

/* Without z no gate, without weight 1, without bias 0. */
static void absent_operands(void **context)
{
    double before[ALL];
    segue_gated_norm op = plain();
    (void)context;
    for (int i = 0; i < ALL; i++) z[i] = 200; /* sigmoid is 1 */
    for (int i = 0; i < H * D; i++) weight[i] = 1, bias[i] = 0;
    op.gate = SEGUE_GATED_NORM_SIGMOID;
    run(&op);
    memcpy(before, y, sizeof y);
    op.z = op.weight = op.bias = absent, op.norm_before_gate = 1;
    run(&op);
    assert_same(y, before, ALL);
}

/* The authors' flat channels are a view; a weight of one head serves all by a stride of 0. */
static void groups_are_a_view(void **context)
{
    double before[ALL];
    segue_gated_norm op = plain();
    (void)context;
    for (int i = 0; i < D; i++) weight[D + i] = weight[i], bias[D + i] = bias[i];
    run(&op);
    memcpy(before, y, sizeof y);
    for (int i = 0; i < D; i++) weight[D + i] = bias[D + i] = NAN;
    op.weight.stride[0] = op.bias.stride[0] = 0;
    run(&op);
    assert_same(y, before, ALL);
}

/* Tokens of no sequence are left alone; the others are what they are without offsets. */
static void packed_sequences(void **context)
{
    double whole[ALL];
    int32_t offsets[] = { 1, 3, 3, 5 };
    segue_gated_norm op = plain();
    (void)context;
    run(&op);
    memcpy(whole, y, sizeof y), memset(y, 0xff, sizeof y);
    segue_tensor *const along[] = { &op.x, &op.z, &op.y };
    for (int i = 0; i < 3; i++) *along[i] = F64(along[i]->data, 1, B * T, H, D);
    op.cu_seqlens = I32(offsets, 4);
    run(&op);
    assert_same(y + H * D, whole + H * D, 4 * H * D);
    for (int i = 0; i < H * D; i++) assert_true(isnan(y[i]) && isnan(y[5 * H * D + i]));
}

/* A mean a million times the deviation: the mean square less the squared mean would have 4 digits left. */
static void large_means(void **context)
{
    double in[] = { 1e6 - 1, 1e6 + 1, 1e6 - 1, 1e6 + 1 }, out[4];
    segue_gated_norm op = segue_gated_norm_init();
    (void)context;
    op.x = F64(in, 1, 1, 1, 4), op.y = F64(out, 1, 1, 1, 4), op.kind = SEGUE_GATED_NORM_LAYER, op.eps = 0;
    run(&op);
    assert_same(out, (double[]){ -1, 1, -1, 1 }, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_rows),       cmocka_unit_test(against_the_formula),
        cmocka_unit_test(absent_operands),  cmocka_unit_test(groups_are_a_view),
        cmocka_unit_test(packed_sequences), cmocka_unit_test(large_means)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
