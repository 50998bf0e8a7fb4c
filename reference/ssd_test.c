/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_ssd_reference, segue_row_gated_recurrence_reference;

enum { B = 2, T = 5, H = 4, G = 2, P = 3, N = 2, POOL = 4 };

static void run(const segue_ssd *op)
{
    run_row(&segue_row_ssd_reference, &op->header);
}

/* Sums over y and state that were computed with closed forms in double, by other code than this. */
static void known_sums(void **context)
{
    double x[20], dt[10], key[15], query[15], skip[2], z[20], bias[2], A[2], h[12], y[20];
    (void)context;
    fill(x, 20, 13, 1, 0), fill(dt, 10, 31, 3, 0), fill(A, 2, 11, -1, -0.6), fill(key, 15, 7, 1, 0),
        fill(query, 15, 0, 1, 0), fill(skip, 2, 59, 1, 0), fill(bias, 2, 47, 1, 0), fill(z, 20, 23, 1, 0),
        fill(h, 12, 53, 1, 0);
    segue_ssd op = segue_ssd_init();
    op.x = F64(x, 1, 5, 2, 2), op.dt = F64(dt, 1, 5, 2), op.A = F64(A, 2), op.B = F64(key, 1, 5, 1, 3);
    op.C = F64(query, 1, 5, 1, 3), op.D = F64(skip, 2, 2), op.D.stride[0] = 1, op.D.stride[1] = 0;
    op.z = F64(z, 1, 5, 2, 2), op.dt_bias = F64(bias, 2), op.dt_min = 0.3, op.dt_max = 0.9;
    op.h_in = op.h_out = F64(h, 1, 2, 2, 3), op.y = F64(y, 1, 5, 2, 2);
    run(&op);
    assert_close(sum(y, 20, 1), 0.0267878957142);
    assert_close(sum(y, 20, 2), 0.00380071966207);
    assert_close(y[19], 0.0005000964876);
    assert_close(sum(h, 12, 1), 0.133135744709);
    assert_close(sum(h, 12, 2), 0.174378432155);
}

/* Bias, then softplus, then the limits: the state after one token from zero is delta. */
static void step_sizes(void **context)
{
    static const struct {
        int64_t softplus;
        double dt, bias, least, most, delta;
    } cases[] = {
        { 1, 0.5, 0.25, 0, 1e30, 1.1368710061148999 }, /* log(1 + e^0.75) */
        { 1, 0.5, 0.25, 0, 1.0, 1.0 },
        { 1, -5, 0.25, 0.02, 1.0, 0.02 },
        { 1, 25, 0, 0, 1e30, 25 },
        { 0, 0.5, 0.25, 0, 1e30, 0.75 },
        { 0, 0.5, 0.25, 0.8, 1e30, 0.8 },
        { 0, -0.5, 0.25, 0, 1e30, 0 }, /* the default limit */
    };
    (void)context;
    for (size_t i = 0; i < COUNT(cases); i++) {
        double one = 1, A = -0.5, dt = cases[i].dt, bias = cases[i].bias, y, h;
        segue_ssd op = segue_ssd_init();
        op.x = op.B = op.C = F64(&one, 1, 1, 1, 1), op.A = F64(&A, 1), op.y = F64(&y, 1, 1, 1, 1);
        op.dt = F64(&dt, 1, 1, 1), op.dt_bias = F64(&bias, 1), op.h_out = F64(&h, 1, 1, 1, 1);
        op.softplus = cases[i].softplus, op.dt_min = cases[i].least, op.dt_max = cases[i].most;
        run(&op);
        assert_close(h, cases[i].delta);
        assert_close(y, cases[i].delta);
    }
}

static struct {
    double x[B * T * H * P], dt[B * T * H], A[H], B[B * T * G * N], C[B * T * G * N], D[H * P],
        z[B * T * H * P], dt_bias[H], h_in[POOL * H * P * N], h_out[POOL * H * P * N], y[B * T * H * P];
} data;

static segue_ssd whole(void)
{
    segue_ssd op = segue_ssd_init();
    fill(data.x, COUNT(data.x), 3, 2, 0), fill(data.dt, COUNT(data.dt), 5, 3, 0), fill(data.A, H, 7, -1, -0.6);
    fill(data.B, COUNT(data.B), 11, 2, 0), fill(data.C, COUNT(data.C), 13, 2, 0),
        fill(data.D, COUNT(data.D), 17, 2, 0);
    fill(data.z, COUNT(data.z), 19, 4, 0), fill(data.dt_bias, H, 23, 1, 0),
        fill(data.h_in, COUNT(data.h_in), 29, 2, 0);
    memset(data.h_out, 0xff, sizeof data.h_out), memset(data.y, 0xff, sizeof data.y);
    op.x = F64(data.x, B, T, H, P), op.dt = F64(data.dt, B, T, H), op.A = F64(data.A, H);
    op.B = F64(data.B, B, T, G, N), op.C = F64(data.C, B, T, G, N), op.D = F64(data.D, H, P);
    op.z = F64(data.z, B, T, H, P), op.dt_bias = F64(data.dt_bias, H), op.y = F64(data.y, B, T, H, P);
    op.h_in = F64(data.h_in, B, H, P, N), op.h_out = F64(data.h_out, B, H, P, N);
    op.dt_min = 0.2, op.dt_max = 1.5;
    return op;
}

/* Axes 2 and 3 of a state the other way round. */
static segue_tensor turned(segue_tensor t)
{
    const segue_tensor from = t;
    if (!present(&t)) return t;
    t.shape[2] = from.shape[3], t.shape[3] = from.shape[2], t.stride[2] = from.stride[3],
    t.stride[3] = from.stride[2];
    return t;
}

/* The same call in the words of the general recurrence, into other memory; then both are compared. */
static void check(const segue_ssd *op)
{
    double delta[B * T * H], g[B * T * H], y[COUNT(data.y)], h[COUNT(data.h_out)], mine[COUNT(data.h_out)];
    segue_gated_recurrence of = segue_gated_recurrence_init();
    for (int i = 0; i < B * T * H; i++) {
        delta[i] = data.dt[i] + (present(&op->dt_bias) ? data.dt_bias[i % H] : 0);
        delta[i] = fmin(fmax(op->softplus ? log1p(exp(delta[i])) : delta[i], op->dt_min), op->dt_max);
        g[i] = delta[i] * data.A[i % H];
    }
    of.q = op->C, of.k = op->B, of.v = op->x, of.D = op->D, of.z = op->z, of.cu_seqlens = op->cu_seqlens;
    of.slot = op->slot, of.S_in = turned(op->h_in), of.S_out = turned(op->h_out), of.y = op->y;
    of.g = of.gain = op->dt, of.g.data = g, of.gain.data = delta,
    of.gain_domain = SEGUE_GATED_RECURRENCE_LINEAR;
    of.y.data = y, of.S_out.data = h;
    memcpy(h, data.h_out, sizeof h), memcpy(y, data.y, sizeof y);
    run_row(&segue_row_gated_recurrence_reference, &of.header);
    run(op);
    memcpy(mine, data.h_out, sizeof mine);
    for (size_t i = 0; i < COUNT(y); i++)
        if (!isnan(data.y[i]) || !isnan(y[i])) assert_close(data.y[i], y[i]);
    for (size_t i = 0; present(&op->h_out) && i < COUNT(h); i++)
        if (!isnan(mine[i]) || !isnan(h[i])) assert_close(mine[i], h[i]);
}

static void agrees_with_the_recurrence(void **context)
{
    int32_t slots[] = { 2, 0, -1, 3 }, padding[] = { 1, -1, -1, POOL }, packed[] = { 0, 3, 3, 9 };
    (void)context;
    for (int absent = 0; absent < 1 << 5; absent++) {
        segue_ssd op = whole();
        segue_tensor *const optional[] = { &op.D, &op.z, &op.dt_bias, &op.h_in, &op.h_out };
        for (int i = 0; i < 5; i++)
            if (absent >> i & 1) memset(optional[i], 0, sizeof *optional[i]);
        check(&op);
    }
    segue_ssd op = whole();
    op.softplus = 0;
    check(&op);
    op = whole(), op.h_in = F64(data.h_in, POOL, H, P, N), op.h_out = F64(data.h_out, POOL, H, P, N);
    op.slot = I32(slots, B, 2);
    check(&op);
    op.slot = I32(padding, B, 2);
    check(&op);
    for (int i = T * H * P; i < B * T * H * P; i++) assert_true(data.y[i] == 0);
    op = whole(), op.cu_seqlens = I32(packed, 4);
    segue_tensor *const along[] = { &op.x, &op.dt, &op.B, &op.C, &op.z, &op.y };
    for (size_t i = 0; i < COUNT(along); i++) along[i]->shape[0] = 1, along[i]->shape[1] = 2 * T;
    op.h_in.shape[0] = op.h_out.shape[0] = 3;
    check(&op);
    for (int i = 0; i < B * T * H * P; i++) assert_true(isnan(data.y[i]) == (i >= 9 * H * P));
}

static void steps_equal_prefill(void **context)
{
    double y[COUNT(data.y)], h[B * H * P * N];
    segue_ssd op = whole();
    (void)context;
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(h, data.h_out, sizeof h);
    op = whole(), op.h_out = op.h_in; /* in place */
    for (int t = 0; t < T; t++) {
        segue_ssd one = op;
        segue_tensor *const along[] = { &one.x, &one.dt, &one.B, &one.C, &one.z, &one.y };
        for (size_t i = 0; i < COUNT(along); i++) *along[i] = segue_tensor_slice(*along[i], 1, t, 1);
        run(&one);
    }
    assert_same(data.y, y, COUNT(y));
    assert_same(data.h_in, h, COUNT(h));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sums),
        cmocka_unit_test(step_sizes),
        cmocka_unit_test(agrees_with_the_recurrence),
        cmocka_unit_test(steps_equal_prefill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
