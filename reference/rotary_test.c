/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a rotation must keep: lengths, products of queries and keys by distance alone, and its angles far out. */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_rotary_reference;

enum { B = 2, T = 5, H = 3, D = 8, R = 4 };

static struct {
    double x[B * T * H * D], y[B * T * H * D], c[B * T * R], s[B * T * R];
    int32_t pos[B * T];
} data;

static void run(const segue_rotary *op)
{
    run_row(&segue_row_rotary_reference, &op->header);
}

static segue_rotary plain(void)
{
    segue_rotary op = segue_rotary_init();
    fill(data.x, COUNT(data.x), 3, 4, 0);
    memset(data.y, 0xff, sizeof data.y);
    op.x = F64(data.x, B, T, H, D), op.y = F64(data.y, B, T, H, D);
    return op;
}

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-13 * fmax(1, fabs(want)))) fail_msg("%.17g, wanted %.17g", got, want);
}

/* Pair i of one row of d channels: what x turned by that angle and scaled is. */
static void assert_pair(const double *x, const double *y, int first, int other, double angle, double scale)
{
    assert_near(y[first], scale * (x[first] * cos(angle) - x[other] * sin(angle)));
    assert_near(y[other], scale * (x[other] * cos(angle) + x[first] * sin(angle)));
}

static void both_pairings(void **context)
{
    (void)context;
    segue_rotary op = plain();
    op.position = 7, op.base = 100;
    for (op.pairing = 0; op.pairing < 2; op.pairing++)
        for (op.rotary_dim = 0; op.rotary_dim <= D; op.rotary_dim += 2) {
            const int r = op.rotary_dim ? (int)op.rotary_dim : D;
            run(&op);
            for (int row = 0; row < B * T * H; row++) {
                const double *x = data.x + row * D, *y = data.y + row * D;
                const int p = 7 + row / H % T;
                for (int i = 0; i < r / 2; i++) {
                    const int first = op.pairing == SEGUE_ROTARY_INTERLEAVED ? 2 * i : i,
                              other = op.pairing == SEGUE_ROTARY_INTERLEAVED ? 2 * i + 1 : i + r / 2;
                    assert_pair(x, y, first, other, p * pow(100, -2.0 * i / r), 1);
                }
                for (int i = r; i < D; i++) assert_true(y[i] == x[i]);
            }
        }
}

/* base^-linspace(0, 1, pairs); two channels have the first of them only. */
static void frequencies_of_retnet(void **context)
{
    (void)context;
    segue_rotary op = plain();
    op.frequencies = SEGUE_ROTARY_RETNET, op.pairing = SEGUE_ROTARY_INTERLEAVED;
    run(&op);
    for (int row = 0; row < B * T * H; row++)
        for (int i = 0; i < D / 2; i++)
            assert_pair(data.x + row * D, data.y + row * D, 2 * i, 2 * i + 1,
                        row / H % T * pow(1e4, -i / (D / 2 - 1.0)), 1);
    op.rotary_dim = 2;
    run(&op);
    for (int row = 0; row < B * T * H; row++)
        assert_pair(data.x + row * D, data.y + row * D, 0, 1, row / H % T, 1);
}

/* Positions of any size and sign: cosines and sines of p and of p / 100, to 60 digits. A double has 22 left of them. */
static void far_positions(void **context)
{
    static const struct {
        int32_t p;
        double c[2], s[2], error;
    } far[] = {
        { INT32_MAX,
          { -0.6888366918779438, -0.7128174920612789 },
          { -0.7249165551445564, 0.7013495726180124 },
          2e-9 },
        { 1000000,
          { 0.9367521275331448, -0.9521553682590149 },
          { -0.349993502171293, -0.3056143888882521 },
          1e-12 },
    };
    (void)context;
    segue_rotary op = plain();
    op.rotary_dim = 4, op.pos = I32(data.pos, B, T);
    for (size_t n = 0; n < 2 * COUNT(far); n++) {
        const int at = (int)n / 2, sign = n % 2 ? -1 : 1;
        for (int i = 0; i < B * T; i++) data.pos[i] = sign * far[at].p;
        run(&op);
        for (int i = 0; i < 2; i++) {
            const double c = far[at].c[i], s = sign * far[at].s[i], x1 = data.x[i], x2 = data.x[i + 2];
            assert_true(fabs(data.y[i] - (x1 * c - x2 * s)) < far[at].error);
            assert_true(fabs(data.y[i + 2] - (x2 * c + x1 * s)) < far[at].error);
        }
    }
}

/* xPos: queries by the scale, keys by its inverse; their product knows the distance alone. */
static void products_know_distances(void **context)
{
    double keys[COUNT(data.y)];
    (void)context;
    for (int at = 0; at < 3; at++) {
        double product[2];
        segue_rotary op = plain();
        op.xpos_base = 16, op.base = 50, op.xpos_shift = at;
        for (int n = 0; n < 2; n++) { /* a query at 20 + 7 n, a key 9 behind it */
            op.position = 11 + 7 * n, op.xpos_inverse = 1;
            run(&op);
            memcpy(keys, data.y, sizeof keys);
            op.position = 20 + 7 * n, op.xpos_inverse = 0;
            run(&op);
            product[n] = 0;
            for (int d = 0; d < D; d++) product[n] += data.y[d] * keys[d];
        }
        assert_near(product[1], product[0]);
        for (int i = 0; i < D / 2; i++) {
            const double zeta = (2 * i + 0.4 * D) / (1.4 * D);
            assert_pair(data.x, data.y, i, i + D / 2, 27 * pow(50, -2.0 * i / D), pow(zeta, (27 + at) / 16.0));
        }
    }
}

/* Rows of cos and sin are read as they are; they may be those of r / 2 pairs that a batch shares. */
static void tables_are_read(void **context)
{
    (void)context;
    segue_rotary op = plain();
    fill(data.c, COUNT(data.c), 5, 3, 0), fill(data.s, COUNT(data.s), 9, 3, 0);
    op.cos = F64(data.c, B, T, R), op.sin = F64(data.s, B, T, R), op.rotary_dim = 2 * R;
    op.sin.stride[0] = 0, op.position = 1 << 20;
    run(&op);
    for (int row = 0; row < B * T * H; row++)
        for (int i = 0; i < R; i++) {
            const double *x = data.x + row * D, *y = data.y + row * D;
            const double c = data.c[row / H * R + i], s = data.s[row / H % T * R + i];
            assert_near(y[i], x[i] * c - x[i + R] * s), assert_near(y[i + R], x[i + R] * c + x[i] * s);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_pairings),   cmocka_unit_test(frequencies_of_retnet),
        cmocka_unit_test(far_positions),   cmocka_unit_test(products_know_distances),
        cmocka_unit_test(tables_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
