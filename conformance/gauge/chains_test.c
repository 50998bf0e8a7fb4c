/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of the gauge: the same on every instruction set and every time, carried from call to call, honest about cases that
 * prove nothing. */
#include "gauge_testing.h"
#include "numbers.h"

#include <time.h>

enum { T = 40, PREFILL = 20, D = 2, N = 4 };

static void same(const struct gauge_numbers *a, const struct gauge_numbers *b)
{
    assert_true(a->count == b->count);
    for (int64_t i = 0; i < a->count; i++) {
        assert_true(gauge_value(a, i) == gauge_value(b, i));
        assert_true(fabs(gauge_sigma(a, i) / gauge_sigma(b, i) - 1) < 1e-6);
        assert_true(gauge_sigma(a, i) > 0 || !(gauge_touched(a, i) & GAUGE_WRITTEN));
    }
}

static void instruction_sets_agree(void **context)
{
    int levels = 0;
    (void)context;
    for (int kind = 0; kind < SCAN_KINDS; kind++) {
        struct scan s = scan_make((uint64_t)kind, kind, 50, 3, 5);
        struct conv c = conv_make((uint64_t)kind, 50, 3, 4);
        struct scan_numbers scan = scan_numbers_of(&s, SEGUE_F32);
        struct conv_numbers conv = conv_numbers_of(&c, SEGUE_F32);
        assert_int_equal(gauge_run_at(&scan.op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32, 0), 0);
        assert_int_equal(gauge_run_at(&conv.op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32, 0), 0);
        for (int level = 0; level < GAUGE_LEVELS; level++) {
            struct scan_numbers other = scan_numbers_of(&s, SEGUE_F32);
            struct conv_numbers another = conv_numbers_of(&c, SEGUE_F32);
            if (!gauge_run_at(&other.op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32, level)) {
                assert_int_equal(gauge_run_at(&another.op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32, level),
                                 0);
                same(scan.y, other.y), same(scan.h_out, other.h_out), same(conv.y, another.y);
                levels++;
            }
            scan_numbers_free(&other), conv_numbers_free(&another);
        }
        scan_numbers_free(&scan), conv_numbers_free(&conv);
        scan_free(&s), conv_free(&c);
    }
    printf("%d of %d instruction sets\n", levels / SCAN_KINDS, GAUGE_LEVELS);
    assert_true(levels >= SCAN_KINDS);
}

/* Not a check: a figure for the README. */
static void speed(void **context)
{
    (void)context;
    for (int level = 0; level < GAUGE_LEVELS; level++) {
        struct scan s = scan_make(3, 0, 512, 4, 16);
        struct scan_numbers g = scan_numbers_of(&s, SEGUE_F32);
        struct timespec a, b;
        double best = INFINITY;
        for (int i = 0; i < 5; i++) {
            clock_gettime(CLOCK_MONOTONIC, &a);
            if (gauge_run_at(&g.op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32, level)) break;
            clock_gettime(CLOCK_MONOTONIC, &b);
            best = fmin(best, 1e9 * (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec));
        }
        printf("level %d: %.0f ns per step of one state\n", level, best / (512 * 4 * 16));
        scan_numbers_free(&g);
        scan_free(&s);
    }
}

static void runs_repeat(void **context)
{
    struct scan s = scan_make(1, 1, 20, 2, 3);
    struct scan_numbers first = scan_numbers_of(&s, SEGUE_F32), second = scan_numbers_of(&s, SEGUE_F32);
    (void)context;
    assert_int_equal(gauge_run(&first.op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32), 0);
    assert_int_equal(gauge_run(&second.op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32), 0);
    for (int64_t i = 0; i < first.y->count; i++)
        assert_true(gauge_sigma(first.y, i) == gauge_sigma(second.y, i));
    scan_numbers_free(&first), scan_numbers_free(&second);
    scan_free(&s);
}

/* Tokens first .. first + count - 1; state numbers h carried through. */
static segue_selective_scan piece(segue_selective_scan op, int64_t first, int64_t count,
                                  struct gauge_numbers *h, uint32_t state)
{
    segue_tensor *const along[] = { &op.u, &op.delta, &op.B, &op.C, &op.y };
    for (int i = 0; i < 5; i++) {
        along[i]->offset += (uint64_t)(first * along[i]->stride[1]);
        along[i]->shape[1] = count;
    }
    op.h_in = op.h_out = NUMBERS(h, state, 1, D, N);
    return op;
}

/* The same call in pieces by a kernel that keeps its state in f32 or bf16 between calls. */
static void step_by_step(const struct scan *s, int in_bf16, float *y, float *h)
{
    memcpy(h, s->h_in, D * N * sizeof *h);
    for (int first = 0; first < T; first += first ? 1 : PREFILL) {
        struct scan part = *s;
        part.T = first ? 1 : PREFILL;
        part.u += first * D, part.delta += first * D, part.B += first * N, part.C += first * N;
        part.h_in = h;
        scan_run(&part, PLAIN, y + first * D, h);
        for (int i = 0; in_bf16 && i < D * N; i++) h[i] = to_bfloat(h[i]);
    }
}

static struct verdict chain(uint64_t key, int in_bf16, uint32_t state)
{
    struct scan s = scan_make(key, 0, T, D, N);
    for (int i = 0; i < D * N; i++) s.h_in[i] = to_bfloat(s.h_in[i]);
    struct scan_numbers g = scan_numbers_of(&s, SEGUE_F32);
    struct gauge_numbers *h = numbers(s.h_in, D * N);
    float y[T * D], out[D * N];
    for (int64_t first = 0; first < T; first += first ? 1 : PREFILL) {
        const segue_selective_scan op = piece(g.op, first, first ? 1 : PREFILL, h, state);
        assert_int_equal(gauge_run(&op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32), 0);
    }
    step_by_step(&s, in_bf16, y, out);
    const struct verdict of_h = judge_floats(h, out, D * N, state, SEGUE_ACCURACY_F32),
                         of_y = judge_floats(g.y, y, T * D, SEGUE_F32, SEGUE_ACCURACY_F32);
    scan_numbers_free(&g);
    gauge_numbers_free(h);
    scan_free(&s);
    return of_y.ok ? of_h : of_y;
}

static void states_carry_roundings_from_call_to_call(void **context)
{
    double sigmas = 0;
    (void)context;
    for (uint64_t key = 0; key < 32; key++) {
        const struct verdict v = chain(key, 0, SEGUE_F32), rounded = chain(key, 1, SEGUE_BF16);
        assert_true(v.ok && rounded.ok);
        assert_false(chain(key, 1, SEGUE_F32).ok); /* a state that is silently kept in bf16 */
        sigmas = fmax(sigmas, fmax(v.sigmas, rounded.sigmas));
    }
    printf("prefill and %d steps: largest |error| / sigma %.2f\n", T - PREFILL, sigmas);
}

/* y = x_0 - x_1 where both are the same: nothing but rounding is left. */
static void cancellation_is_vacuous(void **context)
{
    struct scan s = scan_make(5, 0, 30, 1, 2);
    struct bound b;
    (void)context;
    s.A[1] = s.A[0], s.h_in[1] = s.h_in[0];
    for (int t = 0; t < 30; t++) s.B[2 * t + 1] = s.B[2 * t], s.C[2 * t + 1] = -s.C[2 * t] * (1 + 0x1p-20f);
    struct scan_numbers g = scan_numbers_of(&s, SEGUE_F32);
    assert_int_equal(gauge_run(&g.op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32), 0);
    assert_int_equal(bound_make(&b, g.y, 30, SEGUE_F32, SEGUE_ACCURACY_F32, 0), 0);
    assert_true(bound_is_vacuous(&b) && b.noisy > 15 && b.undecidable == 0);
    bound_free(&b);
    assert_int_equal(bound_make(&b, g.h_out, 2, SEGUE_F32, SEGUE_ACCURACY_F32, 0), 0);
    assert_false(bound_is_vacuous(&b));
    bound_free(&b);
    scan_numbers_free(&g);
    scan_free(&s);
}

/* A state beyond f32 is infinite in a kernel, and what follows from it nobody can say. */
static void overflow_is_undecidable(void **context)
{
    struct scan s = scan_make(6, 2, 4, 1, 1);
    struct bound b;
    double y[4] = { 0 };
    (void)context;
    s.u[1] = 1e38f, s.B[1] = 1e20f, s.C[1] = 1;
    struct scan_numbers g = scan_numbers_of(&s, SEGUE_F32);
    assert_int_equal(gauge_run(&g.op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32), 0);
    assert_int_equal(bound_make(&b, g.y, 4, SEGUE_F32, SEGUE_ACCURACY_F32, 0), 0);
    assert_true(b.undecidable == 3 && bound_is_vacuous(&b) && bound_of(&b, 0) < 1e-5);
    y[1] = NAN, y[2] = INFINITY;
    assert_true(bound_holds(&b, 1, y[1]) && bound_holds(&b, 2, y[2]) && !bound_holds(&b, 0, 0));
    bound_free(&b);
    scan_numbers_free(&g);
    scan_free(&s);
}

/* NaN in, NaN out, from there on, and nowhere before. */
static void nan_arrives(void **context)
{
    struct scan s = scan_make(7, 1, 6, 1, 2);
    struct bound b;
    (void)context;
    s.u[3] = NAN;
    struct scan_numbers g = scan_numbers_of(&s, SEGUE_F32);
    assert_int_equal(gauge_run(&g.op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32), 0);
    assert_int_equal(bound_make(&b, g.y, 6, SEGUE_F32, SEGUE_ACCURACY_F32, 0), 0);
    assert_int_equal(b.used, 6);
    for (int t = 0; t < 6; t++) assert_int_equal(bound_holds(&b, t, NAN), t >= 3);
    bound_free(&b);
    scan_numbers_free(&g);
    scan_free(&s);
}

static void what_cannot_be_run(void **context)
{
    struct scan s = scan_make(8, 1, 6, 1, 2);
    struct scan_numbers g = scan_numbers_of(&s, SEGUE_F32);
    (void)context;
    g.op.y.offset = 1; /* one element beyond its numbers */
    assert_int_equal(gauge_run(&g.op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32), GAUGE_OUTSIDE);
    g.op.header.primitive = 9999;
    assert_int_equal(gauge_run(&g.op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32), -1);
    assert_int_equal(gauge_run_at(&g.op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32, GAUGE_LEVELS), -1);
    assert_null(gauge_numbers_new(GAUGE_ROUNDINGS, -1));
    scan_numbers_free(&g);
    scan_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instruction_sets_agree),
        cmocka_unit_test(runs_repeat),
        cmocka_unit_test(speed),
        cmocka_unit_test(states_carry_roundings_from_call_to_call),
        cmocka_unit_test(cancellation_is_vacuous),
        cmocka_unit_test(overflow_is_undecidable),
        cmocka_unit_test(nan_arrives),
        cmocka_unit_test(what_cannot_be_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
