/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_gated_linear_attention_reference, segue_row_gated_recurrence_reference;

enum { B = 2, T = 5, H = 4, READERS = 8, QUERIES = 2, KEYS = 2, K = 3, V = 2, POOL = 4 };

static void run(const segue_gated_linear_attention *op)
{
    run_row(&segue_row_gated_linear_attention_reference, &op->header);
}

/* Sums over y and state that were computed with closed forms in double, by other code than this. */
static void known_sums(void **context)
{
    static const struct {
        int by_head, by_key;
        double y, y_2, last, state, state_2;
    } cases[] = {
        { 0, 0, 0.108604983067, 0.152879520513, 0.120866379563, 0.530683266346, 1.12835142976 },
        { 1, 0, -0.0548504390144, 0.0179389527191, 0.0011218262003, 0.170488381939, 0.0454924798292 },
        { 0, 1, 0.00944274832188, 0.0172603219788, 0.00135376191372, 0.30824596858, 0.0676728958452 },
    };
    double q[30], k[30], v[20], g[10], gk[30], S[12], y[20];
    (void)context;
    fill(q, 30, 0, 1, 0), fill(k, 30, 7, 1, 0), fill(v, 20, 13, 1, 0), fill(g, 10, 31, -1, -0.6),
        fill(gk, 30, 29, -1, -0.6);
    for (size_t c = 0; c < COUNT(cases); c++) {
        segue_gated_linear_attention op = segue_gated_linear_attention_init();
        fill(S, 12, 53, 1, 0);
        op.q = F64(q, 1, 5, 2, 3), op.k = F64(k, 1, 5, 2, 3), op.v = F64(v, 1, 5, 2, 2), op.scale = 1 / sqrt(3);
        op.S_in = op.S_out = F64(S, 1, 2, 3, 2), op.y = F64(y, 1, 5, 2, 2);
        if (cases[c].by_head) op.g = F64(g, 1, 5, 2);
        if (cases[c].by_key) op.gk = F64(gk, 1, 5, 2, 3);
        run(&op);
        assert_close(sum(y, 20, 1), cases[c].y);
        assert_close(sum(y, 20, 2), cases[c].y_2);
        assert_close(y[19], cases[c].last);
        assert_close(sum(S, 12, 1), cases[c].state);
        assert_close(sum(S, 12, 2), cases[c].state_2);
    }
}

static struct {
    double q[B * T * QUERIES * K], k[B * T * KEYS * K], v[B * T * H * V], g[B * T * H], gk[B * T * H * K],
        S_in[POOL * H * K * V], S_out[POOL * H * K * V], y[B * T * READERS * V];
} data;

static segue_gated_linear_attention whole(void)
{
    segue_gated_linear_attention op = segue_gated_linear_attention_init();
    fill(data.q, COUNT(data.q), 0, 2, 0), fill(data.k, COUNT(data.k), 7, 2, 0),
        fill(data.v, COUNT(data.v), 13, 2, 0);
    fill(data.g, COUNT(data.g), 31, -1, -0.6), fill(data.gk, COUNT(data.gk), 29, -1, -0.6);
    fill(data.S_in, COUNT(data.S_in), 53, 2, 0);
    memset(data.S_out, 0xff, sizeof data.S_out), memset(data.y, 0xff, sizeof data.y);
    op.q = F64(data.q, B, T, QUERIES, K), op.k = F64(data.k, B, T, KEYS, K), op.v = F64(data.v, B, T, H, V);
    op.g = F64(data.g, B, T, H), op.gk = F64(data.gk, B, T, H, K), op.y = F64(data.y, B, T, READERS, V);
    op.S_in = F64(data.S_in, B, H, K, V), op.S_out = F64(data.S_out, B, H, K, V), op.scale = 0.75;
    return op;
}

/* The same call in the words of the general recurrence, into other memory; then both are compared. */
static void check(const segue_gated_linear_attention *op)
{
    double y[COUNT(data.y)], S[COUNT(data.S_out)];
    segue_gated_recurrence of = segue_gated_recurrence_init();
    of.q = op->q, of.k = op->k, of.v = op->v, of.g = op->g, of.gk = op->gk, of.cu_seqlens = op->cu_seqlens;
    of.slot = op->slot, of.scale = op->scale, of.head_map = op->head_map, of.S_in = op->S_in,
    of.S_out = op->S_out;
    of.y = op->y, of.y.data = y, of.S_out.data = S;
    memcpy(S, data.S_out, sizeof S), memcpy(y, data.y, sizeof y);
    run_row(&segue_row_gated_recurrence_reference, &of.header);
    run(op);
    for (size_t i = 0; i < COUNT(y); i++)
        if (!isnan(data.y[i]) || !isnan(y[i])) assert_close(data.y[i], y[i]);
    for (size_t i = 0; present(&op->S_out) && i < COUNT(S); i++)
        if (!isnan(data.S_out[i]) || !isnan(S[i])) assert_close(data.S_out[i], S[i]);
}

static void agrees_with_the_recurrence(void **context)
{
    int32_t slots[] = { 2, 0, -1, 3 }, padding[] = { 1, -1, -1, POOL }, packed[] = { 0, 3, 3, 9 };
    (void)context;
    for (int absent = 0; absent < 1 << 5; absent++) {
        segue_gated_linear_attention op = whole();
        segue_tensor *const optional[] = { &op.g, &op.gk, &op.S_in, &op.S_out };
        for (int i = 0; i < 4; i++)
            if (absent >> i & 1) memset(optional[i], 0, sizeof *optional[i]);
        op.head_map = absent >> 4;
        check(&op);
        op.q.shape[2] = 1, op.y.shape[2] = H;
        check(&op);
    }
    segue_gated_linear_attention op = whole();
    op.S_in = F64(data.S_in, POOL, H, K, V), op.S_out = F64(data.S_out, POOL, H, K, V),
    op.slot = I32(slots, B, 2);
    check(&op);
    op.slot = I32(padding, B, 2);
    check(&op);
    for (int i = T * READERS * V; i < B * T * READERS * V; i++) assert_true(data.y[i] == 0);
    op = whole(), op.cu_seqlens = I32(packed, 4);
    segue_tensor *const along[] = { &op.q, &op.k, &op.v, &op.g, &op.gk, &op.y };
    for (size_t i = 0; i < COUNT(along); i++) along[i]->shape[0] = 1, along[i]->shape[1] = 2 * T;
    op.S_in.shape[0] = op.S_out.shape[0] = 3;
    check(&op);
    for (int i = 0; i < B * T * READERS * V; i++) assert_true(isnan(data.y[i]) == (i >= 9 * READERS * V));
}

static void steps_equal_prefill(void **context)
{
    double y[COUNT(data.y)], S[B * H * K * V];
    segue_gated_linear_attention op = whole();
    (void)context;
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(S, data.S_out, sizeof S);
    op = whole(), op.S_out = op.S_in; /* in place */
    for (int t = 0; t < T; t++) {
        segue_gated_linear_attention one = op;
        segue_tensor *const along[] = { &one.q, &one.k, &one.v, &one.g, &one.gk, &one.y };
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
