/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Identities that each map must keep, and what padding and packing must leave alone. */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_feature_map_reference;

enum { B = 2, T = 5, H = 2, K = 3, M = 4, F = K * K + K + 1 };

static struct {
    double x[B * T * H * K], W[H * M * K], bias[H * M], y[B * T * H * F];
    int32_t keep[B * T];
} data;

static void run(const segue_feature_map *op)
{
    run_row(&segue_row_feature_map_reference, &op->header);
}

static segue_feature_map plain(int64_t map, int projected, int64_t features)
{
    segue_feature_map op = segue_feature_map_init();
    fill(data.x, COUNT(data.x), 3, 4, 0), fill(data.W, COUNT(data.W), 7, 3, 0),
        fill(data.bias, COUNT(data.bias), 11, 2, 0);
    memset(data.y, 0xff, sizeof data.y);
    op.map = map, op.scale = 0.75;
    op.x = F64(data.x, B, T, H, K), op.y = F64(data.y, B, T, H, features);
    if (projected) op.W = F64(data.W, H, M, K);
    return op;
}

/* c x, and W c x + bias. */
static double input(const segue_feature_map *op, int row, int i)
{
    return op->scale * data.x[row * K + i];
}

static double projection(const segue_feature_map *op, int row, int j)
{
    double u = op->bias.dtype.bits ? data.bias[row % H * M + j] : 0;
    for (int i = 0; i < K; i++) u += data.W[(row % H * M + j) * K + i] * input(op, row, i);
    return u;
}

static double half_square(const segue_feature_map *op, int row)
{
    double s = 0;
    for (int i = 0; i < K; i++) s += input(op, row, i) * input(op, row, i) / 2;
    return s;
}

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-14 * fmax(1, fabs(want)))) fail_msg("%.17g, wanted %.17g", got, want);
}

static void maps_of_inputs(void **context)
{
    (void)context;
    segue_feature_map op = plain(SEGUE_FEATURE_MAP_IDENTITY, 0, K);
    run(&op);
    for (int n = 0; n < B * T * H * K; n++) assert_true(data.y[n] == 0.75 * data.x[n]);
    op = plain(SEGUE_FEATURE_MAP_ELU1, 0, K);
    run(&op);
    for (int n = 0; n < B * T * H * K; n++) {
        const double x = 0.75 * data.x[n];
        assert_near(data.y[n], x > 0 ? x + 1 : exp(x));
    }
    op = plain(SEGUE_FEATURE_MAP_RELU, 0, K), op.eps = 0.25;
    run(&op);
    for (int n = 0; n < B * T * H * K; n++) assert_true(data.y[n] == fmax(0.75 * data.x[n], 0) + 0.25);
}

/* phi(q) . phi(k) = 1 + q.k + (q.k)^2 / 2 */
static void taylor_is_the_second_order(void **context)
{
    (void)context;
    const segue_feature_map op = plain(SEGUE_FEATURE_MAP_TAYLOR2, 0, F);
    run(&op);
    for (int a = 0; a < B * T * H; a++)
        for (int b = 0; b < B * T * H; b++) {
            double dot = 0, features = 0;
            for (int i = 0; i < K; i++) dot += input(&op, a, i) * input(&op, b, i);
            for (int f = 0; f < F; f++) features += data.y[a * F + f] * data.y[b * F + f];
            assert_near(features, 1 + dot + dot * dot / 2);
        }
}

/* The exponents, from the features' logs, for each way to shift; eps is added behind exp. */
static void favor_shifts(void **context)
{
    (void)context;
    for (int64_t mode = SEGUE_FEATURE_MAP_ROW; mode <= SEGUE_FEATURE_MAP_CONSTANT; mode++)
        for (int both = 0; both < 2; both++) {
            segue_feature_map op =
                plain(both ? SEGUE_FEATURE_MAP_FAVOR_PM : SEGUE_FEATURE_MAP_FAVOR_PLUS, 1, (both + 1) * M);
            op.shift_mode = mode, op.shift = 0.5, op.eps = both ? 0 : 0.125;
            run(&op);
            for (int row = 0; row < B * T * H; row++) {
                double peak = mode == SEGUE_FEATURE_MAP_CONSTANT ? 0.5 : -INFINITY;
                for (int other = 0; other < B * T * H; other++) { /* rows [b t h] of the same b and h */
                    const int same = other / (T * H) == row / (T * H) && other % H == row % H;
                    if (mode == SEGUE_FEATURE_MAP_CONSTANT ||
                        !(mode == SEGUE_FEATURE_MAP_ROW ? other == row : same))
                        continue;
                    for (int j = 0; j < M && !both; j++) peak = fmax(peak, projection(&op, other, j));
                    if (both) peak = fmax(peak, 2 * half_square(&op, other));
                }
                for (int j = 0; j < (both + 1) * M; j++) {
                    const double u = projection(&op, row, j % M) * (j < M ? 1 : -1);
                    const double want = (exp(u - half_square(&op, row) - peak) + op.eps) / sqrt((both + 1) * M);
                    assert_near(data.y[row * (both + 1) * M + j], want);
                }
            }
        }
}

static void softmaxes(void **context)
{
    (void)context;
    segue_feature_map op = plain(SEGUE_FEATURE_MAP_HEDGEHOG_A, 1, 2 * M);
    run(&op);
    for (int row = 0; row < B * T * H; row++) {
        const double *y = data.y + row * 2 * M;
        assert_near(sum(y, M, 1), 1), assert_near(sum(y + M, M, 1), 1);
        for (int j = 1; j < M; j++) { /* quotients, and their inverses in the second half */
            assert_near(log(y[j] / y[0]), projection(&op, row, j) - projection(&op, row, 0));
            assert_near(log(y[M + j] / y[M]), projection(&op, row, 0) - projection(&op, row, j));
        }
    }
    op = plain(SEGUE_FEATURE_MAP_HEDGEHOG_B, 1, 2 * M), op.bias = F64(data.bias, H, M);
    run(&op);
    for (int row = 0; row < B * T * H; row++) {
        const double *y = data.y + row * 2 * M;
        assert_near(sum(y, 2 * M, 1), 1);
        for (int j = 0; j < M; j++) assert_near(log(y[j] / y[M + j]), 4 * projection(&op, row, j));
    }
    op = plain(SEGUE_FEATURE_MAP_EXP, 1, 2 * M), op.eps = 0.25;
    run(&op);
    for (int row = 0; row < B * T * H; row++) {
        double most = -INFINITY, least = INFINITY;
        for (int j = 0; j < M; j++) {
            most = fmax(most, projection(&op, row, j));
            least = fmin(least, projection(&op, row, j));
        }
        for (int j = 0; j < M; j++) {
            const double u = projection(&op, row, j);
            assert_near(data.y[row * 2 * M + j], fmax(0.25, exp(u - most)));
            assert_near(data.y[row * 2 * M + M + j], fmax(0.25, exp(least - u)));
        }
    }
}

static void angles_and_gelu(void **context)
{
    (void)context;
    segue_feature_map op = plain(SEGUE_FEATURE_MAP_RFF, 1, 2 * M);
    run(&op);
    for (int n = 0; n < B * T * H * M; n++) { /* cosines first */
        const int row = n / M, j = n % M;
        assert_near(data.y[row * 2 * M + j], cos(projection(&op, row, j)) / 2);
        assert_near(data.y[row * 2 * M + M + j], sin(projection(&op, row, j)) / 2);
    }
    op = plain(SEGUE_FEATURE_MAP_GELU, 1, M), op.eps = 0.5;
    run(&op);
    for (int n = 0; n < B * T * H * M; n++) {
        const double u = projection(&op, n / M, n % M);
        assert_near(data.y[n], u * erfc(-u / sqrt(2)) / 2 + 0.5);
    }
}

/* At n = length the cosine is 0; four lengths on all is as before, however far out. */
static void positions_turn(void **context)
{
    const double pi = 3.14159265358979323846;
    double y[B * T * H * 2 * K];
    (void)context;
    segue_feature_map op = plain(SEGUE_FEATURE_MAP_COSREW, 0, 2 * K);
    run(&op); /* length: t */
    for (int row = 0; row < B * T * H; row++)
        for (int i = 0; i < K; i++) {
            const int n = row / H % T + 1;
            const double x = fmax(input(&op, row, i), 0);
            assert_near(data.y[row * 2 * K + i], x * sin(pi * n / (2 * T)));
            if (n == T) assert_true(data.y[row * 2 * K + K + i] == 0);
            else assert_near(data.y[row * 2 * K + K + i], x * cos(pi * n / (2 * T)));
        }
    op.position = 2, op.length = 17;
    run(&op);
    memcpy(y, data.y, sizeof y);
    op.position += 4 * 17 * 31000000;
    run(&op);
    assert_same(data.y, y, COUNT(y));
    op.position = 2 + 2 * 17; /* half a turn */
    run(&op);
    for (size_t n = 0; n < COUNT(y); n++) assert_near(data.y[n], -y[n]);
}

/* A masked token is 0 whatever it holds, and moves no maximum. */
static void padding_is_not_there(void **context)
{
    static const int64_t maps[] = { SEGUE_FEATURE_MAP_ELU1, SEGUE_FEATURE_MAP_FAVOR_PLUS,
                                    SEGUE_FEATURE_MAP_FAVOR_PM };
    double y[COUNT(data.y)];
    (void)context;
    for (size_t i = 0; i < COUNT(maps); i++) {
        const int features = i == 0 ? K : i == 1 ? M : 2 * M;
        segue_feature_map op = plain(maps[i], i > 0, features);
        op.shift_mode = SEGUE_FEATURE_MAP_GLOBAL;
        for (int n = 0; n < H * K; n++) data.x[2 * H * K + n] = -1e-3; /* brings no maximum */
        run(&op);
        memcpy(y, data.y, sizeof y);
        for (int t = 0; t < B * T; t++) data.keep[t] = t == 2 ? 0 : t - 7;
        data.keep[7] = 1;
        op.keep = I32(data.keep, B, T);
        for (int n = 0; n < H * K; n++) data.x[2 * H * K + n] = n % 2 ? NAN : 1e300;
        run(&op);
        for (int n = 0; n < H * features; n++) y[2 * H * features + n] = 0;
        assert_same(data.y, y, B * T * H * features);
    }
}

/* Each packed sequence is its own, with clamped offsets; what belongs to none stays as it was. */
static void packed_sequences(void **context)
{
    int32_t offsets[] = { -4, 2, 2, 5, 1 };
    double y[COUNT(data.y)];
    (void)context;
    segue_feature_map op = plain(SEGUE_FEATURE_MAP_FAVOR_PLUS, 1, M);
    op.shift_mode = SEGUE_FEATURE_MAP_GLOBAL;
    op.x.shape[0] = op.y.shape[0] = 1, op.x.shape[1] = op.y.shape[1] = 7;
    for (size_t i = 0; i < COUNT(data.y); i++) data.y[i] = 77;
    op.cu_seqlens = I32(offsets, 5);
    run(&op); /* tokens 0..1, none, 2..4, none */
    memcpy(y, data.y, sizeof y);
    for (int n = 5 * H * M; n < 7 * H * M; n++) assert_true(y[n] == 77);
    static const int from[] = { 0, 2 }, count[] = { 2, 3 };
    for (int s = 0; s < 2; s++) {
        segue_feature_map part = op;
        memset(&part.cu_seqlens, 0, sizeof part.cu_seqlens);
        part.x = segue_tensor_slice(op.x, 1, from[s], count[s]);
        part.y = F64(data.y, 1, count[s], H, M);
        run(&part);
        assert_same(data.y, y + from[s] * H * M, count[s] * H * M);
    }
    op = plain(SEGUE_FEATURE_MAP_COSREW, 0, 2 * K); /* positions begin anew */
    op.length = 9, op.x.shape[0] = op.y.shape[0] = 1, op.x.shape[1] = op.y.shape[1] = 7,
    op.cu_seqlens = I32(offsets, 5);
    run(&op);
    memcpy(y, data.y, sizeof y);
    memset(&op.cu_seqlens, 0, sizeof op.cu_seqlens);
    op.x = segue_tensor_slice(op.x, 1, 2, 3), op.y = F64(data.y, 1, 3, H, 2 * K);
    run(&op);
    assert_same(data.y, y + 2 * H * 2 * K, 3 * H * 2 * K);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_of_inputs),       cmocka_unit_test(taylor_is_the_second_order),
        cmocka_unit_test(favor_shifts),         cmocka_unit_test(softmaxes),
        cmocka_unit_test(angles_and_gelu),      cmocka_unit_test(positions_turn),
        cmocka_unit_test(padding_is_not_there), cmocka_unit_test(packed_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
