/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_linear_attention_reference, segue_row_feature_map_reference;

enum { B = 2, T = 5, C = 7, H = 2, K = 3, V = 2, M = 4, F = 1 + K + K * K, POOL = 4 };

static void run(const segue_linear_attention *op)
{
    run_row(&segue_row_linear_attention_reference, &op->header);
}

/* Sums over y and state that were computed with closed forms in double, by other code than this. */
static void known_sums(void **context)
{
    double q[30], k[30], v[20], S[12], y[20];
    (void)context;
    fill(q, 30, 0, 1, 0), fill(k, 30, 7, 1, 0), fill(v, 20, 13, 1, 0), fill(S, 12, 53, 1, 0);
    segue_linear_attention op = segue_linear_attention_init();
    op.q = F64(q, 1, 5, 2, 3), op.k = F64(k, 1, 5, 2, 3), op.v = F64(v, 1, 5, 2, 2), op.scale = 1 / sqrt(3);
    op.S_in = op.S_out = F64(S, 1, 2, 3, 2), op.y = F64(y, 1, 5, 2, 2);
    op.map = SEGUE_LINEAR_ATTENTION_IDENTITY, op.norm = SEGUE_LINEAR_ATTENTION_UNNORMALISED;
    run(&op);
    assert_close(sum(y, 20, 1), 0.108604983067);
    assert_close(sum(y, 20, 2), 0.152879520513);
    assert_close(y[19], 0.120866379563);
    assert_close(sum(S, 12, 1), 0.530683266346);
    assert_close(sum(S, 12, 2), 1.12835142976);
}

/* One head, two keys, two queries, one feature row each: written out. */
static void favor_plus_by_hand(void **context)
{
    double q[] = { 0.5, -1 }, k[] = { 0.25, 2 }, v[] = { 3, -5 }, W[] = { 1, -0.5 }, W_k[] = { 0.75, 1 }, y[2];
    double u[2], phi_q[2][2], phi_k[2][2], most = -INFINITY;
    (void)context;
    segue_linear_attention op = segue_linear_attention_init();
    op.q = F64(q, 1, 2, 1, 1), op.k = F64(k, 1, 2, 1, 1), op.v = F64(v, 1, 2, 1, 1), op.y = F64(y, 1, 2, 1, 1);
    op.W = F64(W, 1, 2, 1), op.W_k = F64(W_k, 1, 2, 1), op.map = SEGUE_LINEAR_ATTENTION_FAVOR_PLUS;
    op.map_scale = 0.5, op.map_eps = 0.01, op.norm = SEGUE_LINEAR_ATTENTION_PLAIN;
    for (int t = 0; t < 2; t++)
        for (int m = 0; m < 2; m++) most = fmax(most, W_k[m] * k[t] / 2);
    for (int t = 0; t < 2; t++) {
        for (int m = 0; m < 2; m++) u[m] = W[m] * q[t] / 2;
        for (int m = 0; m < 2; m++) {
            phi_q[t][m] = exp(u[m] - q[t] * q[t] / 8 - fmax(u[0], u[1])) + 0.01;
            phi_k[t][m] = exp(W_k[m] * k[t] / 2 - k[t] * k[t] / 8 - most) + 0.01;
        }
    }
    run(&op);
    assert_close(y[0], 3); /* one key only */
    const double a = phi_q[1][0] * phi_k[0][0] + phi_q[1][1] * phi_k[0][1],
                 b = phi_q[1][0] * phi_k[1][0] + phi_q[1][1] * phi_k[1][1];
    assert_close(y[1], (3 * a - 5 * b) / (a + b));
}

/* ---- against the closed form -------------------------------------------------------------------- */

static struct {
    double q[B * C * H * K], k[B * C * H * K], v[B * C * H * V], W[H * M * K], W_k[H * M * K], bias[H * M],
        S_in[POOL * H * F * V], n_in[POOL * H * F], S_out[POOL * H * F * V], n_out[POOL * H * F],
        y[B * C * H * V];
    int32_t keep[B * C];
} data;

static int64_t feature_width(int64_t map)
{
    const int64_t widths[] = { K, K, K, M, 2 * M, 2 * M, M, 2 * M, 2 * M, F, 2 * K, 2 * M };
    return widths[map];
}

static int has_rows(int64_t map)
{
    return feature_width(map) % M == 0;
}

/* count tokens of queries. Causal calls have as many keys, others C. */
static segue_linear_attention whole(int64_t map, int causal)
{
    const int64_t f = feature_width(map), keys = causal ? T : C;
    segue_linear_attention op = segue_linear_attention_init();
    fill(data.q, COUNT(data.q), 0, 2, 0.2), fill(data.k, COUNT(data.k), 7, 2, 0.2),
        fill(data.v, COUNT(data.v), 13, 2, 0);
    fill(data.W, COUNT(data.W), 19, 2, 0), fill(data.W_k, COUNT(data.W_k), 41, 2, 0),
        fill(data.bias, COUNT(data.bias), 43, 1, 0);
    fill(data.S_in, COUNT(data.S_in), 53, 2, 0), fill(data.n_in, COUNT(data.n_in), 67, 1, 0.6);
    for (int i = 0; i < B * C; i++) data.keep[i] = i % 4 != 2;
    memset(data.S_out, 0xff, sizeof data.S_out), memset(data.n_out, 0xff, sizeof data.n_out);
    memset(data.y, 0xff, sizeof data.y);
    op.q = F64(data.q, B, T, H, K), op.k = F64(data.k, B, keys, H, K), op.v = F64(data.v, B, keys, H, V);
    op.keep = I32(data.keep, B, keys), op.y = F64(data.y, B, T, H, V), op.causal = causal, op.map = map;
    if (has_rows(map)) op.W = F64(data.W, H, M, K), op.W_k = F64(data.W_k, H, M, K);
    if (map == SEGUE_LINEAR_ATTENTION_HEDGEHOG_B) op.bias = F64(data.bias, H, M);
    if (causal) {
        op.S_in = F64(data.S_in, B, H, f, V), op.S_out = F64(data.S_out, B, H, f, V);
        op.n_in = F64(data.n_in, B, H, f), op.n_out = F64(data.n_out, B, H, f);
    }
    op.map_scale = 0.75, op.map_eps = 0.03125, op.eps = 0.125, op.scale = 1.5, op.position = 2, op.length = 9;
    return op;
}

static void map_features(const segue_linear_attention *op, int keys, double *to)
{
    segue_feature_map of = segue_feature_map_init();
    of.x = keys ? op->k : op->q, of.W = keys && present(&op->W_k) ? op->W_k : op->W, of.bias = op->bias;
    if (keys) of.keep = op->keep;
    of.y = F64(to, of.x.shape[0], of.x.shape[1], H, feature_width(op->map));
    of.map = op->map, of.scale = op->map_scale, of.eps = op->map_eps, of.position = op->position;
    of.length = op->length, of.shift = op->shift;
    of.shift_mode = keys ? op->key_shift : SEGUE_FEATURE_MAP_ROW;
    run_row(&segue_row_feature_map_reference, &of.header);
}

/* den(q~ . n) for norm, where q~ . (n + eps) is known too. */
static double denominator(const segue_linear_attention *op, double qn, double with_eps)
{
    const double dens[] = {
        1, qn + op->eps, fmax(qn, op->eps), with_eps, fabs(qn) <= op->eps ? qn + 2 * op->eps : qn, qn
    };
    return dens[op->norm];
}

/* y of one query: a weight for each key, no recurrence. */
static void check_query(const segue_linear_attention *op, const double *phi_q, const double *phi_k, int b,
                        int t, int h)
{
    const int f = (int)feature_width(op->map), keys = (int)op->k.shape[1], seen = op->causal ? t + 1 : keys;
    const double *q = phi_q + ((b * T + t) * H + h) * f;
    double qn = 0, with_eps = 0, y[V] = { 0 };
    for (int i = 0; i < f; i++) {
        const double n = present(&op->n_in) ? load(&op->n_in, b, h, i, 0) : 0;
        qn += op->scale * q[i] * n, with_eps += op->scale * q[i] * (n + op->eps);
        for (int v = 0; present(&op->S_in) && v < V; v++)
            y[v] += op->scale * q[i] * load(&op->S_in, b, h, i, v);
    }
    for (int j = 0; j < seen; j++) {
        double weight = 0;
        for (int i = 0; i < f; i++) weight += op->scale * q[i] * phi_k[((b * keys + j) * H + h) * f + i];
        qn += weight, with_eps += weight;
        for (int v = 0; v < V; v++) y[v] += weight * load(&op->v, b, j, h, v);
    }
    for (int v = 0; v < V; v++) assert_close(load(&op->y, b, t, h, v), y[v] / denominator(op, qn, with_eps));
}

static void check_states(const segue_linear_attention *op, const double *phi_k)
{
    const int f = (int)feature_width(op->map);
    for (int at = 0; at < B * H * f; at++) {
        const int b = at / (H * f), h = at / f % H, i = at % f;
        double n = present(&op->n_in) ? load(&op->n_in, b, h, i, 0) : 0;
        for (int t = 0; t < T; t++) n += phi_k[((b * T + t) * H + h) * f + i];
        if (present(&op->n_out)) assert_close(load(&op->n_out, b, h, i, 0), n);
        for (int v = 0; present(&op->S_out) && v < V; v++) {
            double S = present(&op->S_in) ? load(&op->S_in, b, h, i, v) : 0;
            for (int t = 0; t < T; t++) S += phi_k[((b * T + t) * H + h) * f + i] * load(&op->v, b, t, h, v);
            assert_close(load(&op->S_out, b, h, i, v), S);
        }
    }
}

static void check(const segue_linear_attention *op)
{
    double phi_q[B * T * H * F], phi_k[B * C * H * F];
    map_features(op, 0, phi_q), map_features(op, 1, phi_k);
    run(op);
    for (int b = 0; b < B; b++)
        for (int t = 0; t < T; t++)
            for (int h = 0; h < H; h++) check_query(op, phi_q, phi_k, b, t, h);
    check_states(op, phi_k);
}

static void maps_and_denominators(void **context)
{
    (void)context;
    for (int map = 0; map <= SEGUE_LINEAR_ATTENTION_EXP; map++)
        for (int norm = 0; norm <= SEGUE_LINEAR_ATTENTION_PLAIN; norm++)
            for (int causal = 0; causal < 2; causal++) {
                segue_linear_attention op = whole(map, causal);
                op.norm = norm, op.key_shift = norm % 3, op.shift = 0.25;
                if (!norm) memset(&op.n_in, 0, sizeof op.n_in), memset(&op.n_out, 0, sizeof op.n_out);
                check(&op);
                op.eps = 1000; /* the other side of CLAMP_EPS and GUARD */
                check(&op);
            }
}

static void any_operand_may_be_absent(void **context)
{
    (void)context;
    for (int absent = 0; absent < 1 << 6; absent++) {
        segue_linear_attention op = whole(SEGUE_LINEAR_ATTENTION_FAVOR_PM, 1);
        segue_tensor *const optional[] = { &op.W_k, &op.keep, &op.S_in, &op.n_in, &op.S_out, &op.n_out };
        for (int i = 0; i < 6; i++)
            if (absent >> i & 1) memset(optional[i], 0, sizeof *optional[i]);
        check(&op);
    }
}

/* Without keys that count, n is 0. */
static void no_key_at_all(void **context)
{
    (void)context;
    for (int causal = 0; causal < 2; causal++) {
        segue_linear_attention op = whole(SEGUE_LINEAR_ATTENTION_ELU1, causal);
        memset(&op.S_in, 0, sizeof op.S_in), memset(&op.n_in, 0, sizeof op.n_in);
        memset(data.keep, 0, sizeof data.keep);
        for (size_t i = 0; i < COUNT(data.k); i++) data.k[i] = NAN; /* padding may hold anything */
        run(&op);
        for (int i = 0; i < B * T * H * V; i++) assert_true(data.y[i] == 0);
    }
}

/* ---- sequences ---------------------------------------------------------------------------------- */

static void along(segue_linear_attention *op, segue_tensor **to)
{
    segue_tensor *const list[] = { &op->q, &op->k, &op->v, &op->keep, &op->y };
    memcpy(to, list, sizeof list);
}

static void steps_equal_prefill(void **context)
{
    double y[B * T * H * V], S[B * H * 2 * K * V], n[B * H * 2 * K];
    segue_linear_attention op = whole(SEGUE_LINEAR_ATTENTION_COSREW, 1);
    segue_tensor *tokens[5];
    (void)context;
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(S, data.S_out, sizeof S), memcpy(n, data.n_out, sizeof n);
    op = whole(SEGUE_LINEAR_ATTENTION_COSREW, 1), op.S_out = op.S_in, op.n_out = op.n_in; /* in place */
    for (int t = 0; t < T; t++) {
        segue_linear_attention one = op;
        along(&one, tokens);
        for (int i = 0; i < 5; i++) *tokens[i] = segue_tensor_slice(*tokens[i], 1, t, 1);
        one.position += t;
        run(&one);
    }
    assert_same(data.y, y, COUNT(y));
    assert_same(data.S_in, S, COUNT(S));
    assert_same(data.n_in, n, COUNT(n));
}

/* GLOBAL and the positions of COSREW start anew in each sequence; bidirectional queries see their own keys. */
static void packed_sequences(void **context)
{
    static const int maps[] = { SEGUE_LINEAR_ATTENTION_FAVOR_PLUS, SEGUE_LINEAR_ATTENTION_COSREW };
    int32_t both[] = { 0, T, 2 * T }, odd[] = { -3, 2, 2, 1, 8 };
    (void)context;
    for (int i = 0; i < 4; i++) {
        double y[B * T * H * V], S[B * H * 2 * M * V];
        segue_linear_attention op = whole(maps[i / 2], i % 2);
        segue_tensor *tokens[5];
        op.k.shape[1] = op.v.shape[1] = op.keep.shape[1] = T;
        op.k.stride[0] = T * H * K, op.v.stride[0] = T * H * V, op.keep.stride[0] = T;
        run(&op);
        memcpy(y, data.y, sizeof y), memcpy(S, data.S_out, sizeof S);
        op = whole(maps[i / 2], i % 2);
        along(&op, tokens);
        for (int j = 0; j < 5; j++) tokens[j]->shape[0] = 1, tokens[j]->shape[1] = 2 * T;
        op.cu_seqlens = I32(both, 3);
        run(&op);
        assert_same(data.y, y, COUNT(y));
        if (i % 2) assert_same(data.S_out, S, (int)(B * H * feature_width(op.map) * V));
        memset(data.y, 0xff, sizeof data.y);
        op.cu_seqlens = I32(odd, 5); /* tokens 0..1, none, none, 1..7 */
        if (i % 2) op.S_in.shape[0] = op.S_out.shape[0] = op.n_in.shape[0] = op.n_out.shape[0] = 4;
        run(&op);
        for (int j = 0; j < 10 * H * V; j++) assert_true(isfinite(data.y[j]) == (j < 8 * H * V));
    }
}

static void slots(void **context)
{
    enum { ROW = H * K * V };
    double y[B * T * H * V], S[ROW], n[H * K], before[POOL * ROW];
    int32_t move[] = { 2, 0, -1, POOL }, start[] = { -1, 3, 1, -1 };
    segue_linear_attention op = whole(SEGUE_LINEAR_ATTENTION_ELU1, 1);
    (void)context;
    op.S_in = F64(data.S_in + 2 * ROW, B, H, K, V), op.n_in = F64(data.n_in + 2 * H * K, B, H, K);
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(S, data.S_out, sizeof S), memcpy(n, data.n_out, sizeof n);

    op = whole(SEGUE_LINEAR_ATTENTION_ELU1, 1), op.S_in = op.S_out = F64(data.S_in, POOL, H, K, V);
    op.n_in = op.n_out = F64(data.n_in, POOL, H, K), op.slot = I32(move, B, 2);
    memcpy(before, data.S_in, sizeof before);
    run(&op); /* row 2 -> row 0; padding */
    assert_same(data.y, y, T * H * V);
    for (int i = T * H * V; i < B * T * H * V; i++) assert_true(data.y[i] == 0);
    assert_same(data.S_in, S, ROW);
    assert_same(data.n_in, n, H * K);
    assert_same(data.S_in + ROW, before + ROW, 3 * ROW);

    op.slot = I32(start, B, 2);
    memcpy(before, data.S_in, sizeof before);
    run(&op); /* zero -> row 3; row 1 -> nowhere */
    assert_same(data.S_in, before, 3 * ROW);
    memcpy(S, data.S_in + 3 * ROW, sizeof S), memcpy(n, data.n_in + 3 * H * K, sizeof n);
    op = whole(SEGUE_LINEAR_ATTENTION_ELU1, 1), memset(&op.S_in, 0, sizeof op.S_in),
    memset(&op.n_in, 0, sizeof op.n_in);
    run(&op);
    assert_same(data.S_out, S, ROW);
    assert_same(data.n_out, n, H * K);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sums),
        cmocka_unit_test(favor_plus_by_hand),
        cmocka_unit_test(maps_and_denominators),
        cmocka_unit_test(any_operand_may_be_absent),
        cmocka_unit_test(no_key_at_all),
        cmocka_unit_test(steps_equal_prefill),
        cmocka_unit_test(packed_sequences),
        cmocka_unit_test(slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
