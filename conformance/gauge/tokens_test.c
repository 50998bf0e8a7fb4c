/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what depends on what: a scan sees its past, a convolution its taps, whatever the values are. */
#include "gauge_testing.h"

enum { T = 12, D = 2, N = 3, W = 4, STATE = 63 };

/* Marks: token i / each, or STATE where each is 0. */
static struct gauge_numbers *marked(int64_t count, int64_t each, double value)
{
    struct gauge_numbers *n = gauge_numbers_new(GAUGE_TOKENS, count);
    for (int64_t i = 0; i < count; i++) {
        gauge_set(n, i, value);
        gauge_mark(n, i, each ? 1ull << i / each : 1ull << STATE);
    }
    return n;
}

static uint64_t past(int64_t t)
{
    return ((2ull << t) - 1) | 1ull << STATE;
}

/* With values that a rule which looked at them would trip over: zeros everywhere, softplus beyond its branch. */
static void a_scan_sees_its_past(void **context)
{
    static const double deltas[] = { -3, 0, 25, NAN };
    (void)context;
    for (int v = 0; v < 4; v++) {
        struct gauge_numbers *const all[] = { marked(T * D, D, 0),      marked(T * D, D, deltas[v]),
                                              marked(D * N, D * N, -1), marked(T * N, N, v == 1),
                                              marked(T * N, N, 0),      marked(D * N, 0, 1),
                                              marked(D * N, 0, 1),      marked(T * D, 0, 1) };
        segue_selective_scan op = segue_selective_scan_init();
        for (int i = 0; i < D * N; i++) gauge_mark(all[2], i, 0);
        op.u = NUMBERS(all[0], SEGUE_F32, 1, T, D), op.delta = NUMBERS(all[1], SEGUE_F32, 1, T, D);
        op.A = NUMBERS(all[2], SEGUE_F32, D, N), op.B = NUMBERS(all[3], SEGUE_F32, 1, T, 1, N);
        op.C = NUMBERS(all[4], SEGUE_F32, 1, T, 1, N), op.h_in = NUMBERS(all[5], SEGUE_F32, 1, D, N);
        op.h_out = NUMBERS(all[6], SEGUE_F32, 1, D, N), op.y = NUMBERS(all[7], SEGUE_F32, 1, T, D);
        assert_int_equal(gauge_run(&op.header, GAUGE_TOKENS, 0), 0);
        for (int i = 0; i < T * D; i++) {
            assert_true(gauge_marks(all[7], i) == past(i / D));
            assert_int_equal(gauge_touched(all[7], i), GAUGE_WRITTEN);
            assert_int_equal(gauge_touched(all[0], i), GAUGE_READ);
        }
        for (int i = 0; i < D * N; i++) assert_true(gauge_marks(all[6], i) == past(T - 1));
        for (int i = 0; i < 8; i++) gauge_numbers_free(all[i]);
    }
}

static void a_convolution_sees_its_taps(void **context)
{
    (void)context;
    struct gauge_numbers *const all[] = { marked(T * D, D, 1), marked(D * W, 0, 0), marked(D * (W - 1), 0, 1),
                                          marked(T * D, 0, 1), marked(D * (W - 1), 0, 1) };
    segue_causal_conv1d op = segue_causal_conv1d_init();
    for (int i = 0; i < D * W; i++) gauge_mark(all[1], i, 0);
    op.x = NUMBERS(all[0], SEGUE_F32, 1, T, D), op.weight = NUMBERS(all[1], SEGUE_F32, D, W);
    op.h_in = NUMBERS(all[2], SEGUE_F32, 1, D, W - 1), op.h_out = NUMBERS(all[4], SEGUE_F32, 1, D, W - 1);
    op.y = NUMBERS(all[3], SEGUE_F32, 1, T, D), op.activation = SEGUE_CAUSAL_CONV1D_SILU;
    assert_int_equal(gauge_run(&op.header, GAUGE_TOKENS, 0), 0);
    for (int i = 0; i < T * D; i++) {
        const int t = i / D;
        uint64_t want = t < W - 1 ? 1ull << STATE : 0;
        for (int s = t < W - 1 ? 0 : t - W + 1; s <= t; s++) want |= 1ull << s;
        assert_true(gauge_marks(all[3], i) == want);
    }
    for (int i = 0; i < D * (W - 1); i++)
        assert_true(gauge_marks(all[4], i) == 1ull << (T - W + 1 + i % (W - 1)));
    for (int i = 0; i < 5; i++) gauge_numbers_free(all[i]);
}

/* What the convolution does not read: tokens beyond the sequence, rows of the pool that no slot names. */
static void what_is_touched(void **context)
{
    (void)context;
    struct gauge_numbers *const all[] = { marked(T * D, D, 1), marked(D * W, 0, 1),
                                          marked(3 * D * (W - 1), 0, 1), marked(T * D, 0, 1) };
    int32_t offsets[] = { 0, T - 2 }, slot[] = { 1, 2 };
    segue_causal_conv1d op = segue_causal_conv1d_init();
    op.x = NUMBERS(all[0], SEGUE_F32, 1, T, D), op.weight = NUMBERS(all[1], SEGUE_F32, D, W);
    op.h_in = NUMBERS(all[2], SEGUE_F32, 3, D, W - 1), op.h_out = op.h_in,
    op.y = NUMBERS(all[3], SEGUE_F32, 1, T, D);
    op.cu_seqlens = NUMBERS(offsets, SEGUE_I32, 2), op.slot = NUMBERS(slot, SEGUE_I32, 1, 2);
    assert_int_equal(gauge_run(&op.header, GAUGE_TOKENS, 0), 0);
    for (int i = 0; i < T * D; i++) {
        assert_int_equal(gauge_touched(all[0], i), i / D < T - 2 ? GAUGE_READ : 0);
        assert_int_equal(gauge_touched(all[3], i), i / D < T - 2 ? GAUGE_WRITTEN : 0);
    }
    for (int i = 0; i < 3 * D * (W - 1); i++) {
        static const unsigned by_row[] = { 0, GAUGE_READ, GAUGE_WRITTEN };
        assert_int_equal(gauge_touched(all[2], i), by_row[i / (D * (W - 1))]);
    }
    gauge_set(all[3], 0, 1);
    assert_true(gauge_touched(all[3], 0) == 0 && gauge_marks(all[3], 0) == 0);
    for (int i = 0; i < 4; i++) gauge_numbers_free(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_sees_its_past),
        cmocka_unit_test(a_convolution_sees_its_taps),
        cmocka_unit_test(what_is_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
