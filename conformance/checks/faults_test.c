/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Planted faults: each applies where it should and is rejected there, its answer is the one it is named after (a scan
 * written out below says so), and an answer is told from its nearest fault. */
#include "faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <math.h>
#include <stdio.h>

#include <cmocka.h>

#include "../grammar/dtype.h"
#include "call.h"

struct judged { /* a case and the bound of one operand */
    struct test_case c;
    uint32_t field;
    struct bound right;
    double *out;
};

static void open_case(struct judged *j, const char *descriptor, const char *operand)
{
    struct call call;
    struct call_numbers n;
    char why[DESCRIPTOR_WHY];
    if (test_case_make(descriptor, &j->c, why)) fail_msg("%s: %s", descriptor, why);
    j->field = field_named(j->c.primitive, operand);
    assert_int_equal(call_of_case(&call, &j->c), 0);
    assert_int_equal(call_numbers(&call, GAUGE_ROUNDINGS, &n), 0);
    assert_int_equal(gauge_run(n.op, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32), 0);
    const struct operand *o = &j->c.operands[j->field];
    assert_int_equal(bound_make(&j->right, n.of[j->field], o->count, segue_dtype_id(o->view.dtype),
                                SEGUE_ACCURACY_F32, j->c.exact),
                     0);
    j->out = calloc((size_t)o->count + 1, sizeof *j->out);
    assert_non_null(j->out);
    call_numbers_free(&n);
    call_free(&call);
}

static void close_case(struct judged *j)
{
    free(j->out);
    bound_free(&j->right);
    test_case_free(&j->c);
}

static const struct fault *fault_named(const char *name)
{
    const struct fault *f = faults;
    while (f->name && strcmp(f->name, name)) f++;
    assert_non_null(f->name);
    return f;
}

static int answer(struct judged *j, const char *name)
{
    return fault_named(name)->answer(&j->c, j->field, &j->right, j->out);
}

#define SCAN "selective_scan/fwd.D.z.delta_bias.h_in.h_out/"
#define CONV "causal_conv1d/fwd.bias.pre_gate.post_gate.h_in.h_out.activation=silu/"
#define SHAPE "/B2.T210.D12.G3.J4.N4"

static void every_fault_of_proof_is_rejected(void **state)
{
    static const struct {
        const char *descriptor, *operand;
        int applicable;
    } wanted[] = {
        { SCAN "f32" SHAPE, "y", 8 },
        { SCAN "f32" SHAPE, "h_out", 6 }, /* a state has no tokens */
        { SCAN "f16" SHAPE, "y", 8 },
        { CONV "f32/B2.T210.D12.W4", "y", 8 },
        { CONV "f32/B2.T210.D12.W4", "h_out", 5 }, /* 210 tokens push all of h_in out */
        { CONV "f32/B2.T2.D12.W4", "h_out", 6 },
        { SCAN "f32/B2.T1.D1.G1.J1.N4", "y", 6 }, /* nothing to swap, nothing before */
    };
    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct judged j;
        int applicable, rejected;
        open_case(&j, wanted[i].descriptor, wanted[i].operand);
        assert_int_equal(faults_proof(&j.c, j.field, &j.right, &applicable, &rejected), 0);
        if (applicable != wanted[i].applicable || rejected != applicable)
            fail_msg("%s, %s: %d apply, wanted %d; %d rejected", wanted[i].descriptor, wanted[i].operand,
                     applicable, wanted[i].applicable, rejected);
        close_case(&j);
    }
}

static void what_a_rounding_hides_is_no_other_answer(void **state)
{
    struct judged j;
    (void)state;
    open_case(&j, SCAN "bf16" SHAPE, "y"); /* 0.001 is less than 2^-8 */
    assert_int_equal(answer(&j, "times-0.999"), 1);
    assert_int_equal(answer(&j, "zeros"), 0);
    close_case(&j);
    open_case(&j, "selective_scan/fwd.h_out/f32/B2.T0.D4.N4", "h_out"); /* no token: the state is 0 */
    for (const struct fault *f = faults; f->name; f++)
        assert_int_equal(f->answer(&j.c, j.field, &j.right, j.out), 1);
    close_case(&j);
}

/* An answer of that fault is told apart from all others. */
static void answers_are_told_apart(void **state)
{
    static const char *const cases[][3] = {
        { SCAN "f32" SHAPE, "y",
          "zeros one-token-late previous-key state-ignored last-chunk-zero heads-swapped times-0.999 "
          "mean group-modulo token-ahead softplus-missing z-ignored D-ignored delta_bias-ignored "
          "tail-chunk-skipped carry-lost-at-64 carry-lost-at-128" },
        { SCAN "bf16" SHAPE, "y",
          "zeros one-token-late group-modulo token-ahead softplus-missing z-ignored D-ignored" },
        { SCAN "f32" SHAPE, "h_out",
          "zeros previous-key heads-swapped group-modulo state-of-padded-tail "
          "tail-chunk-skipped carry-lost-at-64 carry-lost-at-128" },
        { CONV "f32/B2.T210.D12.W4", "y",
          "zeros one-token-late previous-key state-ignored last-chunk-zero heads-swapped "
          "times-0.999 mean activation-missing bias-ignored pre_gate-ignored "
          "post_gate-ignored tail-chunk-skipped carry-lost-at-64 carry-lost-at-128 "
          "taps-reversed" },
        { "causal_conv1d/fwd.seq_idx.h_in.h_out/f32/B3.T65.D7.W4", "y", "tags-ignored taps-reversed" },
        { "causal_conv1d/fwd.h_in.h_out/f32/T65.D7.W4.S3/packed", "y", "sequences-joined state-ignored" },
        { "selective_scan/fwd.h_in.h_out/f32/T65.D7.N4.S3/packed", "y", "sequences-joined" },
        { "selective_scan/fwd.slot.h_in.h_out/f32/B3.T9.D7.N4.P9/btd/benign.slot-fresh", "y",
          "slot-not-cleared" },
        { "causal_conv1d/fwd.cache_seqlens.h_in.h_out/f32/B5.T2.D7.W4.L9", "h_out", "counter-off-by-one" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct judged j;
        open_case(&j, cases[i][0], cases[i][1]);
        assert_string_equal(fault_nearest(&j.c, j.field, &j.right, j.right.value), "");
        for (const char *at = cases[i][2]; *at;) {
            char name[32];
            int length;
            assert_int_equal(sscanf(at, "%31s %n", name, &length), 1);
            at += length;
            if (answer(&j, name)) fail_msg("%s, %s: %s does not apply", cases[i][0], cases[i][1], name);
            double *got = malloc((size_t)j.right.count * sizeof *got);
            assert_non_null(got);
            memcpy(got, j.out, (size_t)j.right.count * sizeof *got);
            const char *nearest = fault_nearest(&j.c, j.field, &j.right, got);
            if (strcmp(nearest, name))
                fail_msg("%s, %s: %s is taken for %s", cases[i][0], cases[i][1], name, nearest);
            free(got);
        }
        close_case(&j);
    }
}

static void noise_resembles_nothing(void **state)
{
    struct judged j;
    (void)state;
    open_case(&j, SCAN "f32" SHAPE, "y");
    for (int64_t i = 0; i < j.right.count; i++) j.out[i] = j.right.value[i] + (i * 7919 % 101 - 50) * 0.01;
    assert_string_equal(fault_nearest(&j.c, j.field, &j.right, j.out), "");
    close_case(&j);
}

/* A tail that was never written (NaN, by poison) still looks like a tail that was skipped. */
static void unwritten_counts_as_zero(void **state)
{
    struct judged j;
    (void)state;
    open_case(&j, SCAN "f32" SHAPE, "y");
    assert_int_equal(answer(&j, "tail-chunk-skipped"), 0);
    double *got = malloc((size_t)j.right.count * sizeof *got);
    assert_non_null(got);
    for (int64_t i = 0; i < j.right.count; i++) got[i] = j.out[i] == 0 ? NAN : j.out[i];
    assert_string_equal(fault_nearest(&j.c, j.field, &j.right, got), "tail-chunk-skipped");
    free(got);
    close_case(&j);
}

/* ---- a scan without optional operands, written out ---------------------------------------------- */

struct plain { /* which fault */
    int modulo, ahead, lost_at, from_zero;
};

static double at(const struct test_case *c, const char *name, int64_t i)
{
    return c->operands[field_named(c->primitive, name)].value[i];
}

static void scan_by_hand(const struct test_case *c, struct plain p, double *y)
{
    const int64_t T = descriptor_axis(&c->d, 't'), D = descriptor_axis(&c->d, 'd'),
                  N = descriptor_axis(&c->d, 'n'), G = descriptor_axis(&c->d, 'g'),
                  J = descriptor_axis(&c->d, 'j');
    for (int64_t i = 0; i < descriptor_axis(&c->d, 'b') * D; i++) {
        const int64_t b = i / D, d = i % D, g = p.modulo ? d % G : d / (D / G),
                      j = p.modulo ? d % J : d / (D / J);
        double x[16] = { 0 };
        for (int64_t n = 0; n < N && !p.from_zero; n++) x[n] = at(c, "h_in", i * N + n);
        for (int64_t t = 0; t < T; t++) {
            const int64_t late = b * T + (p.ahead && t + 1 < T ? t + 1 : t);
            const double step = log1p(exp(at(c, "delta", late * D + d))), u = at(c, "u", (b * T + t) * D + d);
            double sum = 0;
            for (int64_t n = 0; n < N; n++) {
                if (t == p.lost_at) x[n] = 0;
                x[n] = exp(step * at(c, "A", d * N + n)) * x[n] + step * u * at(c, "B", (late * G + g) * N + n);
                sum += at(c, "C", (late * J + j) * N + n) * x[n];
            }
            y[(b * T + t) * D + d] = sum;
        }
    }
}

static void answers_are_what_they_are_called(void **state)
{
    static const struct {
        const char *name;
        struct plain p;
    } wanted[] = {
        { "group-modulo", { .modulo = 1, .lost_at = -1 } },
        { "token-ahead", { .ahead = 1, .lost_at = -1 } },
        { "carry-lost-at-64", { .lost_at = 64 } },
        { "carry-lost-at-128", { .lost_at = 128 } },
        { "state-ignored", { .from_zero = 1, .lost_at = -1 } },
    };
    struct judged j;
    (void)state;
    open_case(&j, "selective_scan/fwd.h_in/f32" SHAPE, "y");
    double *by_hand = malloc((size_t)j.right.count * sizeof *by_hand);
    assert_non_null(by_hand);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        double largest = 0;
        scan_by_hand(&j.c, wanted[i].p, by_hand);
        assert_int_equal(answer(&j, wanted[i].name), 0);
        for (int64_t k = 0; k < j.right.count; k++)
            largest = fmax(largest, fabs(dtype_round(SEGUE_F32, by_hand[k]) - j.out[k]) /
                                        (fabs(by_hand[k]) + j.right.size));
        if (!(largest < 0x1p-23)) fail_msg("%s: off by %g", wanted[i].name, largest);
    }
    free(by_hand);
    close_case(&j);
}

/* Whole tiles and a rest of one token: y [2 t 6]. */
static void answers_moved_from_the_right_one(void **state)
{
    (void)state;
    for (int64_t tokens = 32; tokens <= 33; tokens++) {
        struct judged j;
        char name[DESCRIPTOR_TEXT];
        snprintf(name, sizeof name, "selective_scan/fwd/f32/B2.T%d.D6.G1.J1.N4", (int)tokens);
        open_case(&j, name, "y");
        assert_int_equal(answer(&j, "last-chunk-zero"), 0);
        for (int64_t i = 0; i < j.right.count; i++)
            assert_true(
                j.out[i] ==
                (i / 6 % tokens < tokens / 33 * 16 + 16 ? dtype_round(SEGUE_F32, j.right.value[i]) : 0));
        assert_int_equal(answer(&j, "heads-swapped"), 0);
        for (int64_t i = 0; i < j.right.count; i++)
            assert_true(j.out[i] == dtype_round(SEGUE_F32, j.right.value[i % 6 < 2 ? i ^ 1 : i]));
        assert_int_equal(answer(&j, "one-token-late"), 0);
        for (int64_t i = 0; i < j.right.count; i++)
            assert_true(j.out[i] == (i / 6 % tokens ? dtype_round(SEGUE_F32, j.right.value[i - 6]) : 0));
        close_case(&j);
    }
}

static void the_state_of_a_padded_tail(void **state)
{
    struct judged j;
    (void)state;
    /* 4 tokens of a tile of 16 are missing: their u is 0, their step is ln 2 */
    open_case(&j, "selective_scan/fwd.h_in.h_out/f32/B2.T28.D6.G1.J1.N4", "h_out");
    assert_int_equal(answer(&j, "state-of-padded-tail"), 0);
    for (int64_t i = 0; i < j.right.count; i++) {
        const double left = j.right.value[i] * exp(4 * log(2) * at(&j.c, "A", i % 24));
        assert_true(fabs(j.out[i] - left) <= 1e-6 * fabs(left));
    }
    close_case(&j);
    open_case(&j, "selective_scan/fwd.h_in.h_out/f32/B2.T32.D6.G1.J1.N4", "h_out");
    assert_int_equal(answer(&j, "state-of-padded-tail"), 1);
    close_case(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_of_proof_is_rejected),
        cmocka_unit_test(what_a_rounding_hides_is_no_other_answer),
        cmocka_unit_test(answers_are_told_apart),
        cmocka_unit_test(noise_resembles_nothing),
        cmocka_unit_test(unwritten_counts_as_zero),
        cmocka_unit_test(answers_are_what_they_are_called),
        cmocka_unit_test(answers_moved_from_the_right_one),
        cmocka_unit_test(the_state_of_a_padded_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
