/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "reference_testing.h"

extern const segue_row segue_row_causal_conv1d_reference;

enum { B = 2, T = 7, D = 3, W = 4, L = 5, POOL = 4 };

static void run(const segue_causal_conv1d *op)
{
    run_row(&segue_row_causal_conv1d_reference, &op->header);
}

/* Sums over y and state that were computed by other code than this. */
static void known_sums(void **context)
{
    double x[15], weight[12], bias[3], h_in[9], h_out[9], y[15];
    (void)context;
    fill(x, 15, 3, 1, 0), fill(weight, 12, 5, 1, 0), fill(bias, 3, 11, 1, 0), fill(h_in, 9, 53, 1, 0);
    segue_causal_conv1d op = segue_causal_conv1d_init();
    op.x = F64(x, 1, 5, 3), op.y = F64(y, 1, 5, 3);
    op.x.stride[1] = op.y.stride[1] = 1, op.x.stride[2] = op.y.stride[2] = 5;
    op.weight = F64(weight, 3, 4), op.bias = F64(bias, 3), op.h_in = F64(h_in, 1, 3, 3),
    op.h_out = F64(h_out, 1, 3, 3);
    op.activation = SEGUE_CAUSAL_CONV1D_SILU;
    run(&op);
    assert_close(sum(y, 15, 1), 0.813198009089);
    assert_close(sum(y, 15, 2), 0.765935232473);
    assert_close(y[14], 0.121232628643);
    assert_close(sum(h_out, 9, 1), 0.747524752475);
    assert_close(sum(h_out, 9, 2), 0.724855406333);
}

/* Operands of a plain call; every test changes a few. */
static struct {
    double x[B * T * D], pre[B * T * D], post[B * T * D], weight[D * W], bias[D], h_in[POOL * D * L],
        h_out[POOL * D * L], y[B * T * D];
} data;

static segue_causal_conv1d plain(void)
{
    segue_causal_conv1d op = segue_causal_conv1d_init();
    fill(data.x, COUNT(data.x), 3, 2, 0), fill(data.pre, COUNT(data.pre), 5, 2, 0),
        fill(data.post, COUNT(data.post), 7, 2, 0);
    fill(data.weight, COUNT(data.weight), 11, 2, 0), fill(data.bias, D, 13, 2, 0),
        fill(data.h_in, COUNT(data.h_in), 17, 2, 0);
    memset(data.h_out, 0xff, sizeof data.h_out), memset(data.y, 0xff, sizeof data.y);
    op.x = F64(data.x, B, T, D), op.pre_gate = F64(data.pre, B, T, D), op.post_gate = F64(data.post, B, T, D);
    op.weight = F64(data.weight, D, W), op.bias = F64(data.bias, D), op.y = F64(data.y, B, T, D);
    op.h_in = F64(data.h_in, B, D, L), op.h_out = F64(data.h_out, B, D, L);
    op.activation = SEGUE_CAUSAL_CONV1D_SILU;
    return op;
}

static segue_causal_conv1d tokens(segue_causal_conv1d op, int64_t first, int64_t count)
{
    segue_tensor *const along[] = { &op.x, &op.pre_gate, &op.post_gate, &op.y };
    for (size_t i = 0; i < COUNT(along); i++) *along[i] = segue_tensor_slice(*along[i], 1, first, count);
    return op;
}

/* The formula once more, with the history laid out in front of the tokens. */
static void plain_formula(void **context)
{
    segue_causal_conv1d op = plain();
    (void)context;
    run(&op);
    for (int b = 0; b < B; b++)
        for (int d = 0; d < D; d++) {
            double v[L + T], acc;
            for (int i = 0; i < L; i++) v[i] = data.h_in[(b * D + d) * L + i];
            for (int t = 0; t < T; t++) v[L + t] = data.x[(b * T + t) * D + d] * data.pre[(b * T + t) * D + d];
            for (int t = 0; t < T; t++) {
                acc = data.bias[d];
                for (int k = 0; k < W; k++) acc += data.weight[d * W + k] * v[L + t + k - (W - 1)];
                acc = acc / (1 + exp(-acc)) * data.post[(b * T + t) * D + d];
                assert_close(data.y[(b * T + t) * D + d], acc);
            }
            assert_same(data.h_out + (b * D + d) * L, v + T, L);
        }
}

static void steps_equal_prefill(void **context)
{
    double y[COUNT(data.y)], h[B * D * L];
    segue_causal_conv1d op = plain();
    (void)context;
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(h, data.h_out, sizeof h);
    op = plain(), op.h_out = op.h_in;
    for (int t = 0; t < T; t++) {
        const segue_causal_conv1d none = tokens(op, t, 0), one = tokens(op, t, 1);
        run(&none), run(&one);
    }
    assert_same(data.y, y, COUNT(y));
    assert_same(data.h_in, h, COUNT(h));
}

/* A ring that has turned holds the shifted state, rotated; y is the same. Three tokens a call, 6 and 9 seen. */
static void ring(void **context)
{
    double y[COUNT(data.y)], h[B * D * L], turned[B * D * L];
    int32_t seen[B] = { 6, 9 };
    segue_causal_conv1d op = plain();
    (void)context;
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(h, data.h_out, sizeof h);
    op = plain();
    for (int b = 0; b < B; b++)
        for (int d = 0; d < D; d++)
            for (int i = 0; i < L; i++)
                turned[(b * D + d) * L + (seen[b] - L + i) % L] = data.h_in[(b * D + d) * L + i];
    op.h_in = op.h_out = F64(turned, B, D, L), op.cache_seqlens = I32(seen, B);
    for (int t = 0; t < T; t += 3) {
        const int count = t + 3 < T ? 3 : T - t;
        const segue_causal_conv1d call = tokens(op, t, count);
        run(&call);
        seen[0] += count, seen[1] += count;
    }
    assert_same(data.y, y, COUNT(y));
    for (int b = 0; b < B; b++)
        for (int d = 0; d < D; d++)
            for (int i = 0; i < L; i++)
                assert_true(turned[(b * D + d) * L + (seen[b] - L + i) % L] == h[(b * D + d) * L + i]);
}

/* Fewer tokens than columns: the others keep what came in, also in another tensor; a negative count is none.
 * Taps before the first token then read the ring's end, as a shifted state's do. */
static void ring_keeps_the_rest(void **context)
{
    double y[COUNT(data.y)];
    int32_t seen[B] = { 4, -1 };
    segue_causal_conv1d op = tokens(plain(), 0, 2);
    (void)context;
    run(&op);
    memcpy(y, data.y, sizeof y);
    op = tokens(plain(), 0, 2), op.cache_seqlens = I32(seen, B);
    run(&op);
    assert_same(data.y + T * D, y + T * D, 2 * D);
    for (int b = 0; b < B; b++)
        for (int d = 0; d < D; d++)
            for (int i = 0; i < L; i++) {
                const int t = b ? (i < 2 ? i : -1) : i == 4 ? 0 : i == 0 ? 1 : -1;
                const double want = t < 0 ? data.h_in[(b * D + d) * L + i]
                                          : data.x[(b * T + t) * D + d] * data.pre[(b * T + t) * D + d];
                assert_true(data.h_out[(b * D + d) * L + i] == want);
            }
}

/* One row of tokens of tags 4 4 7 7 7 -1 7 against the pieces run alone. */
static void tags(void **context)
{
    double y[COUNT(data.y)], h[D * L];
    int32_t tag[B * T] = { 4, 4, 7, 7, 7, -1, 7, 1, 1, 1, 1, 1, -2, -2 };
    segue_causal_conv1d op = plain(), part;
    (void)context;
    part = tokens(op, 0, 2), run(&part); /* the first piece continues h_in */
    part = tokens(op, 2, 3), memset(&part.h_in, 0, sizeof part.h_in), run(&part);
    memcpy(y, data.y, sizeof y), memcpy(h, data.h_out, sizeof h);
    op = plain(), op.seq_idx = I32(tag, B, T);
    run(&op);
    assert_same(data.y, y, 5 * D);
    for (int d = 0; d < D; d++) {
        assert_true(data.y[5 * D + d] == 0 && data.y[T * D + 5 * D + d] == 0 && data.y[T * D + 6 * D + d] == 0);
        const double *column = data.h_out + d * L, *x = data.x + d, *gate = data.pre + d;
        const double want[L] = { x[2 * D] * gate[2 * D], x[3 * D] * gate[3 * D], x[4 * D] * gate[4 * D], 0,
                                 x[6 * D] * gate[6 * D] };
        assert_same(column, want, L); /* columns are tokens 2 .. 6 */
    }
    for (int i = D * L; i < B * D * L; i++)
        assert_true(data.h_out[i] == 0); /* the second row ends in padding */
}

static void packed_sequences(void **context)
{
    double y[COUNT(data.y)], h[B * D * L];
    int32_t whole[] = { 0, T, 2 * T }, odd[] = { -9, 3, 3, 2, 1000 };
    segue_causal_conv1d op = plain();
    (void)context;
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(h, data.h_out, sizeof h);
    op = plain();
    segue_tensor *const along[] = { &op.x, &op.pre_gate, &op.post_gate, &op.y };
    for (size_t i = 0; i < COUNT(along); i++) along[i]->shape[0] = 1, along[i]->shape[1] = 2 * T;
    op.cu_seqlens = I32(whole, 3);
    run(&op);
    assert_same(data.y, y, COUNT(y));
    assert_same(data.h_out, h, COUNT(h));
    op.cu_seqlens = I32(odd, 5), op.h_in.shape[0] = op.h_out.shape[0] = POOL;
    run(&op);
    assert_same(data.h_out + D * L, data.h_in + D * L, 2 * D * L); /* empty sequences hand their state on */
}

static void slots(void **context)
{
    double y[COUNT(data.y)], h[D * L], before[COUNT(data.h_in)];
    int32_t rows[] = { 2, 0, -1, POOL };
    segue_causal_conv1d op = plain();
    (void)context;
    memmove(data.h_in, data.h_in + 2 * D * L, D * L * sizeof(double)); /* what pool row 2 will give */
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(h, data.h_out, sizeof h);
    op = plain(), op.h_in = op.h_out = F64(data.h_in, POOL, D, L), op.slot = I32(rows, B, 2);
    memcpy(before, data.h_in, sizeof before);
    run(&op);
    assert_same(data.y, y, T * D);
    for (int i = T * D; i < B * T * D; i++) assert_true(data.y[i] == 0);
    assert_same(data.h_in, h, D * L);
    assert_same(data.h_in + D * L, before + D * L, 3 * D * L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sums),          cmocka_unit_test(plain_formula),
        cmocka_unit_test(steps_equal_prefill), cmocka_unit_test(ring),
        cmocka_unit_test(ring_keeps_the_rest), cmocka_unit_test(tags),
        cmocka_unit_test(packed_sequences),    cmocka_unit_test(slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
