/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Merging the parts of a softmax gives the softmax of all, in one go or by steps; what is empty is not there. */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_attention_merge_reference;

enum { P = 4, B = 2, T = 3, H = 2, V = 5, ROWS = B * T * H, EACH = 3 };

static struct {
    double score[P * EACH * ROWS], value[P * EACH * ROWS * V]; /* [p each row], [p each row v] */
    double o[P * ROWS * V], lse[P * ROWS], weight[P * ROWS], y[ROWS * V], lse_out[ROWS];
} data;

static void run(const segue_attention_merge *op)
{
    run_row(&segue_row_attention_merge_reference, &op->header);
}

static segue_attention_merge of_parts(int parts)
{
    segue_attention_merge op = segue_attention_merge_init();
    op.o = F64(data.o, parts, B, T, H, V), op.lse = F64(data.lse, parts, B, T, H);
    op.y = F64(data.y, B, T, H, V), op.lse_out = F64(data.lse_out, B, T, H);
    memset(data.y, 0xff, sizeof data.y), memset(data.lse_out, 0xff, sizeof data.lse_out);
    return op;
}

/* Softmax of the EACH keys of parts first .. last - 1 of a row, by its definition. */
static double softmax(int first, int last, int row, const double *weight, double *y)
{
    double most = -INFINITY, sum = 0;
    memset(y, 0, V * sizeof *y);
    for (int k = first * EACH; k < last * EACH; k++) most = fmax(most, data.score[k * ROWS + row]);
    for (int k = first * EACH; k < last * EACH; k++) {
        const double log = weight ? weight[k / EACH * ROWS + row] : 0;
        const double e = exp(data.score[k * ROWS + row] + log - most);
        sum += e;
        for (int v = 0; v < V; v++) y[v] += e * data.value[(k * ROWS + row) * V + v];
    }
    for (int v = 0; v < V; v++) y[v] /= sum;
    return most + log(sum);
}

static void make_parts(double spread)
{
    fill(data.score, COUNT(data.score), 3, spread, 0), fill(data.value, COUNT(data.value), 7, 4, 0);
    for (int p = 0; p < P; p++)
        for (int row = 0; row < ROWS; row++)
            data.lse[p * ROWS + row] = softmax(p, p + 1, row, NULL, data.o + (p * ROWS + row) * V);
}

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-13 * fmax(1, fabs(want)))) fail_msg("%.17g, wanted %.17g", got, want);
}

static void assert_softmax(int first, int last, const double *weight)
{
    for (int row = 0; row < ROWS; row++) {
        double want[V];
        assert_near(data.lse_out[row], softmax(first, last, row, weight, want));
        for (int v = 0; v < V; v++) assert_near(data.y[row * V + v], want[v]);
    }
}

/* Spreads up to 1e4: no exponential overflows, the largest part wins. */
static void parts_make_the_whole(void **context)
{
    static const double spreads[] = { 1, 30, 1e4 };
    (void)context;
    for (size_t i = 0; i < COUNT(spreads); i++)
        for (int parts = 1; parts <= P; parts++) {
            make_parts(spreads[i]);
            const segue_attention_merge op = of_parts(parts);
            run(&op);
            assert_softmax(0, parts, NULL);
        }
}

/* A factor on a part is one on each of its keys; 0, of log -infinity, removes them. */
static void weights_are_factors(void **context)
{
    (void)context;
    make_parts(5);
    fill(data.weight, COUNT(data.weight), 5, 6, 0);
    for (int row = 0; row < ROWS; row += 2) data.weight[ROWS + row] = -INFINITY;
    segue_attention_merge op = of_parts(P);
    op.log_weight = F64(data.weight, P, B, T, H);
    run(&op);
    assert_softmax(0, P, data.weight);
}

/* Two parts, then the result with the next: as all at once. */
static void by_steps(void **context)
{
    double o[2 * ROWS * V], lse[2 * ROWS];
    (void)context;
    make_parts(20);
    segue_attention_merge op = of_parts(2);
    run(&op);
    for (int p = 2; p < P; p++) {
        memcpy(o, data.y, sizeof data.y), memcpy(lse, data.lse_out, sizeof data.lse_out);
        memcpy(o + ROWS * V, data.o + p * ROWS * V, ROWS * V * sizeof *o);
        memcpy(lse + ROWS, data.lse + p * ROWS, ROWS * sizeof *lse);
        op.o.data = o, op.lse.data = lse;
        run(&op);
    }
    assert_softmax(0, P, NULL);
}

/* Whatever an empty part's o holds; +infinity is empty where the parameter says so, else no number comes out. */
static void empty_parts(void **context)
{
    static const double junk[] = { NAN, INFINITY, -INFINITY, 1e300 };
    (void)context;
    make_parts(2);
    for (int row = 0; row < ROWS; row++)
        for (int v = 0; v < V; v++) data.o[(ROWS + row) * V + v] = junk[v % 4];
    for (int row = 0; row < ROWS; row++) data.lse[ROWS + row] = -INFINITY;
    segue_attention_merge op = of_parts(2);
    run(&op);
    assert_softmax(0, 1, NULL);
    for (int i = 0; i < 2 * ROWS; i++) data.weight[i] = i < ROWS ? 0 : junk[i % 4];
    op.log_weight = F64(data.weight, 2, B, T, H);
    run(&op);
    assert_softmax(0, 1, NULL);
    memset(&op.log_weight, 0, sizeof op.log_weight);
    for (int row = 0; row < ROWS; row++) data.lse[ROWS + row] = INFINITY;
    op.plus_inf_empty = 1;
    run(&op);
    assert_softmax(0, 1, NULL);
    op.plus_inf_empty = 0;
    run(&op);
    for (int row = 0; row < ROWS; row++) assert_true(isnan(data.lse_out[row]) && isnan(data.y[row * V]));
    for (int i = 0; i < 2 * ROWS; i++) data.lse[i] = i % 3 ? INFINITY : -INFINITY;
    op.plus_inf_empty = 1;
    run(&op);
    for (int row = 0; row < ROWS; row++) assert_true(data.lse_out[row] == -INFINITY);
    for (int i = 0; i < ROWS * V; i++) assert_true(data.y[i] == 0);
}

/* No part at all is the same; an lse that is no number makes none. */
static void none_and_nan(void **context)
{
    (void)context;
    segue_attention_merge op = of_parts(0);
    run(&op);
    for (int row = 0; row < ROWS; row++) assert_true(data.lse_out[row] == -INFINITY && data.y[row * V] == 0);
    make_parts(2);
    for (int p = 0; p < P; p++) {
        op = of_parts(P);
        const double kept = data.lse[p * ROWS];
        data.lse[p * ROWS] = NAN;
        run(&op);
        assert_true(isnan(data.lse_out[0]) && isnan(data.y[0]) && !isnan(data.y[V]));
        data.lse[p * ROWS] = kept;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_make_the_whole),
        cmocka_unit_test(weights_are_factors),
        cmocka_unit_test(by_steps),
        cmocka_unit_test(empty_parts),
        cmocka_unit_test(none_and_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
