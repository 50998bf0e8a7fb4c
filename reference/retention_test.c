/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_retention_reference, segue_row_gated_recurrence_reference;

enum { B = 2, T = 5, H = 3, K = 3, V = 2, POOL = 4 };

static void run(const segue_retention *op)
{
    run_row(&segue_row_retention_reference, &op->header);
}

/* Sums over y and state that were computed with closed forms in double, by other code than this. */
static void known_sums(void **context)
{
    double q[30], k[30], v[20], g[2] = { log1p(-0x1p-5), log1p(-0x1p-6) }, S[12], y[20];
    (void)context;
    fill(q, 30, 0, 1, 0), fill(k, 30, 7, 1, 0), fill(v, 20, 13, 1, 0), fill(S, 12, 53, 1, 0);
    segue_retention op = segue_retention_init();
    op.q = F64(q, 1, 5, 2, 3), op.k = F64(k, 1, 5, 2, 3), op.v = F64(v, 1, 5, 2, 2), op.g = F64(g, 2);
    op.S_in = op.S_out = F64(S, 1, 2, 3, 2), op.y = F64(y, 1, 5, 2, 2), op.scale = 1 / sqrt(3);
    run(&op);
    assert_close(sum(y, 20, 1), 0.0911415219256);
    assert_close(sum(y, 20, 2), 0.134000031568);
    assert_close(y[19], 0.112466961262);
    assert_close(sum(S, 12, 1), 0.4611469769);
    assert_close(sum(S, 12, 2), 0.887895063004);
}

static struct {
    double q[B * T * H * K], k[B * T * H * K], v[B * T * H * V], g[H], z[B * T * H * V], S_in[POOL * H * K * V],
        S_out[POOL * H * K * V], y[B * T * H * V];
} data;

static segue_retention whole(void)
{
    segue_retention op = segue_retention_init();
    fill(data.q, COUNT(data.q), 0, 2, 0), fill(data.k, COUNT(data.k), 7, 2, 0),
        fill(data.v, COUNT(data.v), 13, 2, 0);
    fill(data.g, H, 31, -1, -0.6), fill(data.z, COUNT(data.z), 23, 4, 0),
        fill(data.S_in, COUNT(data.S_in), 53, 2, 0);
    memset(data.S_out, 0xff, sizeof data.S_out), memset(data.y, 0xff, sizeof data.y);
    op.q = F64(data.q, B, T, H, K), op.k = F64(data.k, B, T, H, K), op.v = F64(data.v, B, T, H, V);
    op.g = F64(data.g, H), op.z = F64(data.z, B, T, H, V), op.y = F64(data.y, B, T, H, V);
    op.S_in = F64(data.S_in, B, H, K, V), op.S_out = F64(data.S_out, B, H, K, V);
    op.norm = SEGUE_RETENTION_RMS, op.eps = 0.25, op.scale = 0.75;
    return op;
}

/* The same call in the words of the general recurrence, into other memory, with norm and gate by hand. */
static void check(const segue_retention *op)
{
    double y[COUNT(data.y)], S[COUNT(data.S_out)];
    segue_gated_recurrence of = segue_gated_recurrence_init();
    of.q = op->q, of.k = op->k, of.v = op->v, of.cu_seqlens = op->cu_seqlens, of.slot = op->slot,
    of.scale = op->scale;
    of.S_in = op->S_in, of.S_out = op->S_out, of.y = op->y,
    of.g = F64(data.g, op->q.shape[0], op->q.shape[1], H);
    of.g.stride[0] = of.g.stride[1] = 0;
    of.y.data = y, of.S_out.data = S;
    memcpy(S, data.S_out, sizeof S), memcpy(y, data.y, sizeof y);
    run_row(&segue_row_gated_recurrence_reference, &of.header);
    run(op);
    for (size_t i = 0; i < COUNT(y); i += V) {
        const double size = op->norm ? sqrt(sum(y + i, V, 2) / V + op->eps) : 1;
        for (size_t v = i; v < i + V; v++) {
            const double gate = present(&op->z) ? data.z[v] / (1 + exp(-data.z[v])) : 1,
                         want = y[v] / size * gate;
            if (!isnan(data.y[v]) || !isnan(want)) assert_close(data.y[v], want);
        }
    }
    for (size_t i = 0; present(&op->S_out) && i < COUNT(S); i++)
        if (!isnan(data.S_out[i]) || !isnan(S[i])) assert_close(data.S_out[i], S[i]);
}

static void agrees_with_the_recurrence(void **context)
{
    int32_t slots[] = { 2, 0, -1, 3 }, padding[] = { 1, -1, -1, POOL }, packed[] = { 0, 3, 3, 9 };
    (void)context;
    for (int absent = 0; absent < 1 << 4; absent++) {
        segue_retention op = whole();
        segue_tensor *const optional[] = { &op.z, &op.S_in, &op.S_out };
        for (int i = 0; i < 3; i++)
            if (absent >> i & 1) memset(optional[i], 0, sizeof *optional[i]);
        if (absent >> 3) op.norm = SEGUE_RETENTION_NONE;
        check(&op);
    }
    segue_retention op = whole();
    op.S_in = F64(data.S_in, POOL, H, K, V), op.S_out = F64(data.S_out, POOL, H, K, V),
    op.slot = I32(slots, B, 2);
    check(&op);
    op.slot = I32(padding, B, 2);
    check(&op);
    for (int i = T * H * V; i < B * T * H * V; i++) assert_true(data.y[i] == 0);
    op = whole(), op.cu_seqlens = I32(packed, 4);
    segue_tensor *const along[] = { &op.q, &op.k, &op.v, &op.z, &op.y };
    for (size_t i = 0; i < COUNT(along); i++) along[i]->shape[0] = 1, along[i]->shape[1] = 2 * T;
    op.S_in.shape[0] = op.S_out.shape[0] = 3;
    check(&op);
    for (int i = 0; i < B * T * H * V; i++) assert_true(isnan(data.y[i]) == (i >= 9 * H * V));
}

static void steps_equal_prefill(void **context)
{
    double y[COUNT(data.y)], S[B * H * K * V];
    segue_retention op = whole();
    (void)context;
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(S, data.S_out, sizeof S);
    op = whole(), op.S_out = op.S_in; /* in place */
    for (int t = 0; t < T; t++) {
        segue_retention one = op;
        segue_tensor *const along[] = { &one.q, &one.k, &one.v, &one.z, &one.y };
        for (size_t i = 0; i < COUNT(along); i++) *along[i] = segue_tensor_slice(*along[i], 1, t, 1);
        run(&one);
    }
    assert_same(data.y, y, COUNT(y));
    assert_same(data.S_in, S, COUNT(S));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sums),
        cmocka_unit_test(agrees_with_the_recurrence),
        cmocka_unit_test(steps_equal_prefill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
