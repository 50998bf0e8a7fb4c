/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_selective_scan_reference;

enum { B = 2, T = 5, D = 4, G = 2, N = 3, POOL = 4 };

static void run(const segue_selective_scan *op)
{
    run_row(&segue_row_selective_scan_reference, &op->header);
}

/* Sums over y and state that were computed with closed forms in double, by other code than this. */
static void known_sums(void **context)
{
    double u[10], delta[10], z[10], A[6], Bt[15], Ct[15], bias[2], skip[2], h_in[6], h_out[6], y[10];
    (void)context;
    fill(u, 10, 3, 1, 0), fill(delta, 10, 5, 2, 0), fill(z, 10, 23, 1, 0), fill(A, 6, 11, -1, -0.6);
    fill(Bt, 15, 17, 1, 0), fill(Ct, 15, 19, 1, 0), fill(bias, 2, 47, 1, 0), fill(skip, 2, 59, 1, 0),
        fill(h_in, 6, 53, 1, 0);
    segue_selective_scan op = segue_selective_scan_init();
    segue_tensor *const channels_first[] = { &op.u, &op.delta, &op.z, &op.y };
    op.u = F64(u, 1, 5, 2), op.delta = F64(delta, 1, 5, 2), op.z = F64(z, 1, 5, 2), op.y = F64(y, 1, 5, 2);
    for (int i = 0; i < 4; i++) channels_first[i]->stride[1] = 1, channels_first[i]->stride[2] = 5;
    op.B = F64(Bt, 1, 5, 1, 3), op.C = F64(Ct, 1, 5, 1, 3);
    op.B.stride[1] = op.C.stride[1] = 1, op.B.stride[3] = op.C.stride[3] = 5;
    op.A = F64(A, 2, 3), op.D = F64(skip, 2), op.delta_bias = F64(bias, 2);
    op.h_in = F64(h_in, 1, 2, 3), op.h_out = F64(h_out, 1, 2, 3);
    run(&op);
    assert_close(sum(y, 10, 1), -0.0633257105477);
    assert_close(sum(y, 10, 2), 0.00123099827255);
    assert_close(y[9], -0.010783110886);
    assert_close(sum(h_out, 6, 1), 0.500936236631);
    assert_close(sum(h_out, 6, 2), 0.0785225342763);
}

/* Operands of a plain call; every test changes a few. */
static struct {
    double u[B * T * D], delta[B * T * D], A[D * N], B[B * T * G * N], C[B * T * N], h_in[POOL * D * N],
        h_out[POOL * D * N], y[B * T * D];
} data;

static segue_selective_scan plain(void)
{
    segue_selective_scan op = segue_selective_scan_init();
    fill(data.u, COUNT(data.u), 3, 2, 0), fill(data.delta, COUNT(data.delta), 5, 2, 0),
        fill(data.A, COUNT(data.A), 7, -1, -0.6);
    fill(data.B, COUNT(data.B), 11, 2, 0), fill(data.C, COUNT(data.C), 13, 2, 0),
        fill(data.h_in, COUNT(data.h_in), 17, 2, 0);
    memset(data.h_out, 0xff, sizeof data.h_out), memset(data.y, 0xff, sizeof data.y);
    op.u = F64(data.u, B, T, D), op.delta = F64(data.delta, B, T, D), op.A = F64(data.A, D, N);
    op.B = F64(data.B, B, T, G, N), op.C = F64(data.C, B, T, 1, N), op.y = F64(data.y, B, T, D);
    op.h_in = F64(data.h_in, B, D, N), op.h_out = F64(data.h_out, B, D, N);
    return op;
}

static segue_selective_scan tokens(segue_selective_scan op, int64_t first, int64_t count)
{
    segue_tensor *const along[] = { &op.u, &op.delta, &op.B, &op.C, &op.y };
    for (size_t i = 0; i < COUNT(along); i++) *along[i] = segue_tensor_slice(*along[i], 1, first, count);
    return op;
}

static void steps_equal_prefill(void **context)
{
    double y[COUNT(data.y)], h[B * D * N];
    segue_selective_scan op = plain();
    (void)context;
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(h, data.h_out, sizeof h);
    op = plain(), op.h_out = op.h_in; /* in place, with an empty call between */
    for (int t = 0; t < T; t++) {
        const segue_selective_scan none = tokens(op, t, 0), one = tokens(op, t, 1);
        run(&none), run(&one);
    }
    assert_same(data.y, y, COUNT(y));
    assert_same(data.h_in, h, COUNT(h));
}

static void absent_state_is_zero(void **context)
{
    double y[COUNT(data.y)];
    segue_selective_scan op = plain();
    (void)context;
    memset(data.h_in, 0, sizeof data.h_in);
    run(&op);
    memcpy(y, data.y, sizeof y);
    op = plain(), memset(&op.h_in, 0, sizeof op.h_in);
    run(&op);
    assert_same(data.y, y, COUNT(y));
}

/* Offsets that leave [0, t], run backwards or repeat touch nothing they should not. */
static void packed_sequences(void **context)
{
    double y[COUNT(data.y)], h[POOL * D * N];
    int32_t whole[] = { 0, T, 2 * T }, odd[] = { -3, 2, 2, 1, 99 };
    segue_selective_scan op = plain();
    (void)context;
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(h, data.h_out, sizeof h);
    op = plain();
    segue_tensor *const along[] = { &op.u, &op.delta, &op.B, &op.C, &op.y };
    for (size_t i = 0; i < COUNT(along); i++) along[i]->shape[0] = 1, along[i]->shape[1] = 2 * T;
    op.cu_seqlens = I32(whole, 3);
    run(&op);
    assert_same(data.y, y, COUNT(y));
    assert_same(data.h_out, h, B * D * N);

    memset(data.h_out, 0xff, sizeof data.h_out);
    op.cu_seqlens = I32(odd, 5), op.h_in.shape[0] = op.h_out.shape[0] = 4;
    run(&op); /* tokens 0..1, none, none, 1..9 */
    assert_same(data.h_out + D * N, data.h_in + D * N, 2 * D * N);
    assert_true(isfinite(sum(data.y, COUNT(y), 1)) && isfinite(sum(data.h_out, COUNT(data.h_out), 1)));
}

static void slots(void **context)
{
    double y[COUNT(data.y)], h[B * D * N], before[COUNT(data.h_in)];
    int32_t move[] = { 2, 0, -1, -1 }, start[] = { POOL, 3, 1, -7 };
    segue_selective_scan op = plain();
    (void)context;
    memmove(data.h_in, data.h_in + 2 * D * N, D * N * sizeof(double)); /* what pool row 2 will give */
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(h, data.h_out, sizeof h);

    op = plain(), op.h_in = op.h_out = F64(data.h_in, POOL, D, N), op.slot = I32(move, B, 2);
    memcpy(before, data.h_in, sizeof before);
    run(&op); /* row 2 -> row 0; padding */
    assert_same(data.y, y, T * D);
    for (int i = T * D; i < B * T * D; i++) assert_true(data.y[i] == 0);
    assert_same(data.h_in, h, D * N);
    assert_same(data.h_in + D * N, before + D * N, 3 * D * N);

    op = plain(), op.h_in = op.h_out = F64(data.h_in, POOL, D, N), op.slot = I32(start, B, 2);
    run(&op); /* zero -> row 3; row 1 -> nowhere */
    assert_same(data.h_in, before, 3 * D * N);
    memcpy(h, data.h_in + 3 * D * N, D * N * sizeof(double)), memcpy(y, data.y, sizeof y);
    op = plain(), memset(data.h_in, 0, D * N * sizeof(double));
    run(&op);
    assert_same(data.y, y, COUNT(y));
    assert_same(data.h_out, h, D * N);
}

static void convert(const segue_tensor *to, const segue_tensor *from)
{
    const int64_t *n = from->shape;
    for (int64_t i = 0; i < n[0]; i++)
        for (int64_t j = 0; j < n[1]; j++)
            for (int64_t k = 0; k < (from->rank > 2 ? n[2] : 1); k++)
                for (int64_t l = 0; l < (from->rank > 3 ? n[3] : 1); l++)
                    store(to, load(from, i, j, k, l), i, j, k, l);
}

/* Small whole numbers, so that f16 and bf16 hold every input; outputs differ from f64's by one rounding at
 * most. */
static void narrow_dtypes(void **context)
{
    static const struct {
        uint32_t dtype;
        double unit;
    } kinds[] = { { SEGUE_F32, 0x1p-24 }, { SEGUE_F16, 0x1p-11 }, { SEGUE_BF16, 0x1p-8 } };
    (void)context;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        char copies[6][sizeof data.B];
        segue_selective_scan op = plain();
        segue_tensor *const operand[] = { &op.u, &op.delta, &op.A, &op.B, &op.C, &op.y };
        double *const wide[] = { data.u, data.delta, data.A, data.B, data.C };
        for (int i = 0; i < 5; i++)
            for (uint64_t n = 0; n < operand[i]->bytes / 8; n++)
                wide[i][n] = floor(4 * wide[i][n]) / (i == 1 ? 8 : 1);
        run(&op);
        for (int i = 0; i < 6; i++) {
            segue_tensor narrow =
                segue_tensor_of(copies[i], kinds[k].dtype, operand[i]->rank, operand[i]->shape);
            convert(&narrow, operand[i]);
            *operand[i] = narrow;
        }
        memset(copies[5], 0xff, sizeof copies[5]);
        run(&op);
        double y[COUNT(data.y)];
        const segue_tensor back = F64(y, B, T, D);
        convert(&back, &op.y);
        for (size_t i = 0; i < COUNT(y); i++)
            assert_true(fabs(y[i] - data.y[i]) <= kinds[k].unit * fabs(data.y[i]) + 1e-7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sums),
        cmocka_unit_test(steps_equal_prefill),
        cmocka_unit_test(absent_state_is_zero),
        cmocka_unit_test(packed_sequences),
        cmocka_unit_test(slots),
        cmocka_unit_test(narrow_dtypes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
