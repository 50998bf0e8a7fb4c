/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Counts against counts by hand, and that they grow with T and D as products do: a limit is scaled up from a small shape. */
#include "tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka.h needs the three above */
#include <cmocka.h>

#define SHAPE(...)                                                    \
    sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), (int64_t[]) \
    {                                                                 \
        __VA_ARGS__                                                   \
    }

static struct tally scan(int64_t T, int64_t D, int64_t N, int softplus, int rest)
{
    struct tally t = { 0 };
    segue_selective_scan op = segue_selective_scan_init();
    op.u = op.delta = segue_tensor_of(NULL, SEGUE_F32, SHAPE(1, T, D));
    op.A = segue_tensor_of(NULL, SEGUE_F32, SHAPE(D, N));
    op.B = op.C = segue_tensor_of(NULL, SEGUE_F32, SHAPE(1, T, 1, N));
    op.h_in = op.h_out = segue_tensor_of(&t, SEGUE_F32, SHAPE(1, D, N));
    op.y = segue_tensor_of(&t, SEGUE_F32, SHAPE(1, T, D));
    if (rest) {
        op.D = op.delta_bias = segue_tensor_of(NULL, SEGUE_F32, SHAPE(D));
        op.z = op.u;
    }
    op.softplus = softplus;
    assert_int_equal(tally_run(&op.header), 0);
    return t;
}

static struct tally conv(int64_t T, int64_t D, int64_t W, int silu)
{
    struct tally t = { 0 };
    segue_causal_conv1d op = segue_causal_conv1d_init();
    op.x = segue_tensor_of(NULL, SEGUE_F32, SHAPE(1, T, D));
    op.weight = segue_tensor_of(NULL, SEGUE_F32, SHAPE(D, W));
    op.h_in = op.h_out = segue_tensor_of(&t, SEGUE_F32, SHAPE(1, D, W - 1));
    op.y = segue_tensor_of(&t, SEGUE_F32, SHAPE(1, T, D));
    op.activation = silu;
    assert_int_equal(tally_run(&op.header), 0);
    return t;
}

static void assert_tally(struct tally got, struct tally want)
{
    assert_memory_equal(&got, &want, sizeof got);
}

static struct tally times(struct tally t, int64_t by)
{
    return (struct tally){ t.products * by, t.sums * by, t.fused * by, t.quotients * by,
                           t.roots * by,    t.exps * by, t.logs * by };
}

/* One token, channel and three states: softplus 1 sum, 1 exp, 1 log; delta u; then, three times, exp (delta A is its
 * own), decay x, + write B, y + C x. */
static void scan_by_hand(void **state)
{
    (void)state;
    assert_tally(scan(1, 1, 3, 1, 0),
                 (struct tally){ .products = 1 + 3, .sums = 1, .fused = 6, .exps = 1 + 3, .logs = 1 });
    assert_tally(scan(1, 1, 3, 0, 0), (struct tally){ .products = 1 + 3, .fused = 6, .exps = 3 });
    /* delta + bias; y + D u is fused; y (z sigmoid(z)) */
    assert_tally(scan(1, 1, 3, 0, 1),
                 (struct tally){ .products = 4 + 2, .sums = 2, .fused = 7, .quotients = 1, .exps = 4 });
}

static void conv_by_hand(void **state)
{
    (void)state;
    assert_tally(conv(1, 1, 4, 0), (struct tally){ .fused = 4 });
    assert_tally(conv(1, 1, 4, 1),
                 (struct tally){ .products = 1, .sums = 1, .fused = 4, .quotients = 1, .exps = 1 });
    assert_int_equal(tally_slots(&(struct tally){ 1, 2, 4, 1, 1, 9, 9 }), 1 + 2 + 4 + 3 + 3);
    assert_int_equal(tally_functions(&(struct tally){ .exps = 5, .logs = 2, .sums = 9 }), 7);
}

static void grows_like_tokens_and_channels(void **state)
{
    (void)state;
    for (int flag = 0; flag < 2; flag++) {
        assert_tally(scan(5, 1, 16, flag, flag), times(scan(1, 1, 16, flag, flag), 5));
        assert_tally(scan(3, 7, 16, flag, flag), times(scan(1, 1, 16, flag, flag), 21));
        assert_tally(scan(64, 24, 5, flag, flag), times(scan(4, 3, 5, flag, flag), 128));
        assert_tally(conv(5, 1, 4, flag), times(conv(1, 1, 4, flag), 5));
        assert_tally(conv(64, 24, 3, flag), times(conv(4, 3, 3, flag), 128));
    }
}

static void unknown_primitive(void **state)
{
    segue_op_header op = { .size = sizeof op, .primitive = 9999 };
    (void)state;
    assert_int_equal(tally_run(&op), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_by_hand),
        cmocka_unit_test(conv_by_hand),
        cmocka_unit_test(grows_like_tokens_and_channels),
        cmocka_unit_test(unknown_primitive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
