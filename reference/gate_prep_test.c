/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Each gate against another form of its formula, at ordinary numbers and where exp runs out. */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_gate_prep_reference;

enum { B = 2, T = 3, H = 2, K = 3, ALL = B * T * H * K };

static struct {
    double x[ALL], bias[H * K], A[H], A_log[H], lower_bound[H * K], delta[ALL], g[ALL], key[ALL];
} data;

static segue_gate_prep plain(int64_t gate, double size)
{
    segue_gate_prep op = segue_gate_prep_init();
    fill(data.x, ALL, 5, size, 0), fill(data.bias, H * K, 9, 2, 0), fill(data.A, H, 2, 1, -1),
        fill(data.A_log, H, 4, 3, 0);
    fill(data.lower_bound, H * K, 6, 0.9, 0.5);
    memset(data.delta, 0xff, sizeof data.delta), memset(data.g, 0xff, sizeof data.g),
        memset(data.key, 0xff, sizeof data.key);
    op.gate = gate;
    op.x = F64(data.x, B, T, H, K), op.bias = F64(data.bias, H, K), op.g = F64(data.g, B, T, H, K);
    return op;
}

static void run(const segue_gate_prep *op)
{
    run_row(&segue_row_gate_prep_reference, &op->header);
}

static double raw(int n)
{
    return data.x[n] + data.bias[n % (H * K)];
}

static int head(int n)
{
    return n / K % H;
}

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 2e-14 * fabs(want) + 1e-300)) fail_msg("%.17g, wanted %.17g", got, want);
}

/* log(1 + e^x), and x from 20 on, as torch has it. */
static double softplus(double x)
{
    return x > 20 ? x : x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static void steps_and_their_decays(void **context)
{
    (void)context;
    for (int which = 0; which < 3; which++) {
        segue_gate_prep op = plain(SEGUE_GATE_PREP_DELTA, 60);
        op.delta = F64(data.delta, B, T, H, K);
        if (which == 0) op.A = F64(data.A, H);
        if (which == 1) op.A_log = F64(data.A_log, H);
        run(&op);
        for (int n = 0; n < ALL; n++) {
            const double rate = which == 0 ? data.A[head(n)] : which == 1 ? -exp(data.A_log[head(n)]) : -1;
            assert_near(data.delta[n], softplus(raw(n)));
            assert_near(data.g[n], rate * softplus(raw(n)));
        }
    }
}

static void limits(void **context)
{
    (void)context;
    segue_gate_prep op = plain(SEGUE_GATE_PREP_DELTA, 6);
    op.delta = F64(data.delta, B, T, H, K), op.dt_min = 0.5, op.dt_max = 1.5;
    run(&op);
    int low = 0, high = 0;
    for (int n = 0; n < ALL; n++) {
        assert_near(data.delta[n], fmin(fmax(softplus(raw(n)), 0.5), 1.5));
        assert_true(data.g[n] == -data.delta[n]); /* the decay of the limited step */
        low += data.delta[n] == 0.5, high += data.delta[n] == 1.5;
    }
    assert_true(low && high);
    op = plain(SEGUE_GATE_PREP_DELTA, 6), op.delta = F64(data.delta, B, T, H, K), op.softplus = 0;
    run(&op);
    for (int n = 0; n < ALL; n++) assert_true(data.delta[n] == fmax(raw(n), 0)); /* dt_min is 0 */
    op = plain(SEGUE_GATE_PREP_DELTA, 1e60), op.delta = F64(data.delta, B, T, H, K), op.softplus = 0;
    run(&op);
    for (int n = 0; n < ALL; n++) assert_true(data.delta[n] == fmax(raw(n), 0)); /* 1e30 is no limit */
    data.x[1] = NAN;
    op.dt_max = 1;
    run(&op);
    assert_true(isnan(data.delta[1]) && isnan(data.g[1]) && !isnan(data.delta[0]));
}

static void sigmoids(void **context)
{
    (void)context;
    segue_gate_prep op = plain(SEGUE_GATE_PREP_LOG_SIGMOID, 200);
    op.divisor = 4;
    run(&op);
    for (int n = 0; n < ALL; n++) {
        const double x = raw(n);
        assert_near(data.g[n], -(x < 0 ? -x + log1p(exp(x)) : log1p(exp(-x))) / 4);
    }
    op = plain(SEGUE_GATE_PREP_BOUNDED, 20), op.A_log = F64(data.A_log, H), op.lower = -2;
    run(&op);
    for (int n = 0; n < ALL; n++) assert_near(data.g[n], -2 / (1 + exp(-exp(data.A_log[head(n)]) * raw(n))));
    op = plain(SEGUE_GATE_PREP_RWKV7, 20);
    run(&op);
    for (int n = 0; n < ALL; n++) assert_near(data.g[n], -exp(-0.5) / (1 + exp(-raw(n))));
    op = plain(SEGUE_GATE_PREP_RWKV, 20);
    run(&op);
    for (int n = 0; n < ALL; n++) assert_near(data.g[n], -exp(raw(n)));
    op = plain(SEGUE_GATE_PREP_SOFT_CAP, 100), op.cap = 7;
    run(&op);
    for (int n = 0; n < ALL; n++) assert_near(data.g[n], 7 - 14 / (1 + exp(2 * raw(n) / 7)));
}

static void hgrn2(void **context)
{
    static const double bounds[] = { 0, 1, 1e-6, 0.25, 0.5, 0.999 };
    (void)context;
    segue_gate_prep op = plain(SEGUE_GATE_PREP_HGRN2, 60);
    op.lower_bound = F64(data.lower_bound, H, K), op.key = F64(data.key, B, T, H, K);
    memcpy(data.lower_bound, bounds, sizeof bounds);
    run(&op);
    for (int n = 0; n < ALL; n++) {
        const double l = bounds[n % (H * K)], f = l + (1 - l) / (1 + exp(-raw(n)));
        assert_true(fabs(data.g[n] - log(f)) <= 4e-15 * fmax(1, fabs(log(f))));
        assert_near(data.key[n], (1 - l) / (1 + exp(raw(n)))); /* 1 - f has no digits where f is near 1 */
        assert_true(fabs(expm1(data.g[n]) + data.key[n]) <= 4e-16);
    }
    for (int n = 0; n < ALL; n++) data.x[n] = n / 6 % 2 ? 800 : -800; /* beyond exp */
    run(&op);
    for (int n = 0; n < ALL; n++) {
        const double l = bounds[n % (H * K)];
        if (data.x[n] > 0) assert_true(fabs(data.g[n]) <= 1e-15); /* a sum of logs that cancel */
        else assert_near(data.g[n], l > 0 ? log(l) : raw(n));
        assert_near(data.key[n], data.x[n] > 0 ? 0 : 1 - l);
    }
}

/* A step for each channel, f32 beside f16: the outputs have dtypes of their own. */
static void narrow_dtypes(void **context)
{
    uint16_t x[ALL];
    float delta[ALL];
    (void)context;
    segue_gate_prep op = plain(SEGUE_GATE_PREP_DELTA, 8);
    op.delta = F64(data.delta, B, T, H, K);
    for (int n = 0; n < ALL; n++) data.x[n] = from_f16(x[n] = to_f16(data.x[n]));
    run(&op);
    op.x = TENSOR(x, SEGUE_F16, B, T, H, K), op.delta = TENSOR(delta, SEGUE_F32, B, T, H, K);
    memset(&op.g, 0, sizeof op.g);
    run(&op);
    for (int n = 0; n < ALL; n++) assert_true(delta[n] == (float)data.delta[n]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_and_their_decays),
        cmocka_unit_test(limits),
        cmocka_unit_test(sigmoids),
        cmocka_unit_test(hgrn2),
        cmocka_unit_test(narrow_dtypes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
