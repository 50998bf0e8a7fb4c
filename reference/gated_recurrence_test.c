/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_gated_recurrence_reference;

enum { B = 2, T = 5, H = 4, READERS = 8, QUERIES = 2, KEYS = 2, K = 3, V = 2, POOL = 4 };

static void run(const segue_gated_recurrence *op)
{
    assert_null(segue_row_gated_recurrence_reference.accepts(&op->header, NULL));
    run_row(&segue_row_gated_recurrence_reference, &op->header);
}

/* ---- published sums ----------------------------------------------------------------------------- */

static void assert_sums(const double *x, int count, double sum_1, double sum_2)
{
    assert_close(sum(x, count, 1), sum_1);
    assert_close(sum(x, count, 2), sum_2);
}

/* Sums over y and state that were computed with closed forms in double, by other code than this. */
static void known_sums(void **context)
{
    static const struct {
        const char *decay; /* "gamma": of a head, 1 - 2^(-5-h) */
        double y, y_2, last, state, state_2;
    } cases[] = {
        { "none", 0.108604983067, 0.152879520513, 0.120866379563, 0.530683266346, 1.12835142976 },
        { "gamma", 0.0911415219256, 0.134000031568, 0.112466961262, 0.4611469769, 0.887895063004 },
        { "head", -0.0548504390144, 0.0179389527191, 0.0011218262003, 0.170488381939, 0.0454924798292 },
        { "key", 0.00944274832188, 0.0172603219788, 0.00135376191372, 0.30824596858, 0.0676728958452 },
    };
    double q[30], k[30], v[20], g[10], gk[30], gamma[2] = { log1p(-0x1p-5), log1p(-0x1p-6) }, S[12], y[20];
    (void)context;
    fill(q, 30, 0, 1, 0), fill(k, 30, 7, 1, 0), fill(v, 20, 13, 1, 0), fill(g, 10, 31, -1, -0.6),
        fill(gk, 30, 29, -1, -0.6);
    for (size_t c = 0; c < COUNT(cases); c++) {
        segue_gated_recurrence op = segue_gated_recurrence_init();
        fill(S, 12, 53, 1, 0);
        op.q = F64(q, 1, 5, 2, 3), op.k = F64(k, 1, 5, 2, 3), op.v = F64(v, 1, 5, 2, 2), op.scale = 1 / sqrt(3);
        op.S_in = op.S_out = F64(S, 1, 2, 3, 2), op.y = F64(y, 1, 5, 2, 2);
        if (!strcmp(cases[c].decay, "head")) op.g = F64(g, 1, 5, 2);
        if (!strcmp(cases[c].decay, "key")) op.gk = F64(gk, 1, 5, 2, 3);
        if (!strcmp(cases[c].decay, "gamma")) op.g = F64(gamma, 1, 5, 2), op.g.stride[1] = 0;
        run(&op);
        assert_sums(y, 20, cases[c].y, cases[c].y_2);
        assert_sums(S, 12, cases[c].state, cases[c].state_2);
        assert_close(y[19], cases[c].last);
    }
}

/* Mamba-2: the state transposed by its strides, one key and query head, D, z and a linear gain. */
static void known_sums_of_ssd(void **context)
{
    double x[20], g[10], delta[10], key[15], query[15], skip[4], z[20], bias[2], A[2], S[12], y[20];
    (void)context;
    fill(x, 20, 13, 1, 0), fill(delta, 10, 31, 3, 0), fill(A, 2, 11, -1, -0.6), fill(key, 15, 7, 1, 0),
        fill(query, 15, 0, 1, 0), fill(skip, 4, 59, 1, 0), fill(bias, 2, 47, 1, 0), fill(z, 20, 23, 1, 0),
        fill(S, 12, 53, 1, 0);
    for (int i = 0; i < 10; i++) {
        delta[i] = fmin(fmax(log1p(exp(delta[i] + bias[i % 2])), 0.3), 0.9);
        g[i] = delta[i] * A[i % 2];
    }
    segue_gated_recurrence op = segue_gated_recurrence_init();
    op.q = F64(query, 1, 5, 1, 3), op.k = F64(key, 1, 5, 1, 3), op.v = F64(x, 1, 5, 2, 2),
    op.y = F64(y, 1, 5, 2, 2);
    op.g = F64(g, 1, 5, 2), op.gain = F64(delta, 1, 5, 2), op.gain_domain = SEGUE_GATED_RECURRENCE_LINEAR;
    op.D = F64(skip, 2, 2), op.D.stride[0] = 1, op.D.stride[1] = 0, op.z = F64(z, 1, 5, 2, 2);
    op.S_in = op.S_out = F64(S, 1, 2, 3, 2);
    op.S_in.stride[2] = op.S_out.stride[2] = 1, op.S_in.stride[3] = op.S_out.stride[3] = 3;
    run(&op);
    assert_sums(y, 20, 0.0267878957142, 0.00380071966207);
    assert_sums(S, 12, 0.133135744709, 0.174378432155);
    assert_close(y[19], 0.0005000964876);
}

/* ---- against the closed form -------------------------------------------------------------------- */

static struct {
    double q[B * T * QUERIES * K], k[B * T * KEYS * K], v[B * T * H * V], g[B * T * H], gk[B * T * H * K],
        gain[B * T * H], D[H * V], z[B * T * READERS * V], S_in[POOL * H * K * V], n_in[POOL * H * K],
        S_out[POOL * H * K * V], n_out[POOL * H * K], y[B * T * READERS * V];
} data;

/* Everything that may be there; every test takes some of it away. q and k are positive: denominators are. */
static segue_gated_recurrence whole(void)
{
    segue_gated_recurrence op = segue_gated_recurrence_init();
    fill(data.q, COUNT(data.q), 0, 1, 0.6), fill(data.k, COUNT(data.k), 7, 1, 0.6),
        fill(data.v, COUNT(data.v), 13, 2, 0);
    fill(data.g, COUNT(data.g), 31, -1, -0.6), fill(data.gk, COUNT(data.gk), 29, -1, -0.6);
    fill(data.gain, COUNT(data.gain), 37, 1, 0.7), fill(data.D, COUNT(data.D), 59, 2, 0),
        fill(data.z, COUNT(data.z), 23, 4, 0);
    fill(data.S_in, COUNT(data.S_in), 53, 2, 0), fill(data.n_in, COUNT(data.n_in), 67, 1, 0.6);
    memset(data.S_out, 0xff, sizeof data.S_out), memset(data.n_out, 0xff, sizeof data.n_out);
    memset(data.y, 0xff, sizeof data.y);
    op.q = F64(data.q, B, T, QUERIES, K), op.k = F64(data.k, B, T, KEYS, K), op.v = F64(data.v, B, T, H, V);
    op.g = F64(data.g, B, T, H), op.gk = F64(data.gk, B, T, H, K), op.gain = F64(data.gain, B, T, H);
    op.D = F64(data.D, H, V), op.z = F64(data.z, B, T, READERS, V), op.y = F64(data.y, B, T, READERS, V);
    op.S_in = F64(data.S_in, B, H, K, V), op.S_out = F64(data.S_out, B, H, K, V);
    op.n_in = F64(data.n_in, B, H, K), op.n_out = F64(data.n_out, B, H, K);
    op.norm = SEGUE_GATED_RECURRENCE_ADD_EPS, op.eps = 0.125, op.scale = 0.75;
    return op;
}

static int head_of(const segue_gated_recurrence *op, int a, int m, int n)
{
    return op->head_map == SEGUE_GATED_RECURRENCE_MOD ? a % n : a * n / m;
}

/* exp of the logs of tokens from+1 to t. */
static double survival(const segue_gated_recurrence *op, int b, int from, int t, int h, int k)
{
    double logs = 0;
    for (int s = from + 1; s <= t; s++)
        logs += (present(&op->g) ? load(&op->g, b, s, h, 0) : 0) +
                (present(&op->gk) ? load(&op->gk, b, s, h, k) : 0);
    return exp(logs);
}

/* Element (k, v) of S after token t, or of n for v < 0: a sum over all tokens, no recurrence. */
static double state_at(const segue_gated_recurrence *op, int b, int t, int h, int k, int v)
{
    const segue_tensor *first = v < 0 ? &op->n_in : &op->S_in;
    double s = present(first) ? survival(op, b, -1, t, h, k) * load(first, b, h, k, v < 0 ? 0 : v) : 0;
    for (int j = 0; present(&op->k) && j <= t; j++) {
        double gain = present(&op->gain) ? load(&op->gain, b, j, h, 0) : 1;
        if (present(&op->gain) && op->gain_domain == SEGUE_GATED_RECURRENCE_LOG) gain = exp(gain);
        s += survival(op, b, j, t, h, k) * gain *
             load(&op->k, b, j, head_of(op, h, H, (int)op->k.shape[2]), k) *
             (v < 0 ? 1 : load(&op->v, b, j, h, v));
    }
    return s;
}

static double answer_at(const segue_gated_recurrence *op, int b, int t, int a, int v)
{
    const int readers = (int)op->y.shape[2], h = head_of(op, a, readers, H),
              i = head_of(op, a, readers, (int)op->q.shape[2]);
    double num = 0, den = 0, features = 0;
    for (int k = 0; k < K; k++) {
        const double q = op->scale * load(&op->q, b, t, i, k);
        num += q * state_at(op, b, t, h, k, v), den += q * state_at(op, b, t, h, k, -1), features += q;
    }
    const double dens[] = { 1,
                            den + op->eps,
                            fmax(den, op->eps),
                            den + op->eps * features,
                            fabs(den) <= op->eps ? den + 2 * op->eps : den,
                            den };
    double y = num / dens[op->norm];
    if (present(&op->D)) y += load(&op->D, h, v, 0, 0) * load(&op->v, b, t, h, v);
    if (present(&op->z)) y *= load(&op->z, b, t, a, v) / (1 + exp(-load(&op->z, b, t, a, v)));
    return y;
}

/* Runs the call and compares all that it wrote. */
static void check(const segue_gated_recurrence *op)
{
    run(op);
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++)
            for (int k = 0; k < K; k++) {
                if (present(&op->n_out))
                    assert_close(load(&op->n_out, b, h, k, 0), state_at(op, b, T - 1, h, k, -1));
                for (int v = 0; present(&op->S_out) && v < V; v++)
                    assert_close(load(&op->S_out, b, h, k, v), state_at(op, b, T - 1, h, k, v));
            }
    for (int b = 0; present(&op->y) && b < B; b++)
        for (int t = 0; t < T; t++)
            for (int a = 0; a < op->y.shape[2]; a++)
                for (int v = 0; v < V; v++) assert_close(load(&op->y, b, t, a, v), answer_at(op, b, t, a, v));
}

static void remove_operand(segue_tensor *t)
{
    memset(t, 0, sizeof *t);
}

static void normalisers_and_head_maps(void **context)
{
    (void)context;
    for (int norm = 0; norm <= SEGUE_GATED_RECURRENCE_PLAIN; norm++)
        for (int map = 0; map <= SEGUE_GATED_RECURRENCE_MOD; map++) {
            segue_gated_recurrence op = whole();
            op.norm = norm, op.head_map = map;
            if (!norm) remove_operand(&op.n_in), remove_operand(&op.n_out);
            check(&op);
            op.q = F64(data.q, B, T, 1, K), op.y.shape[2] = op.z.shape[2] = H; /* fewer queries than states */
            check(&op);
            op.eps = 100; /* the other side of CLAMP_EPS and GUARD */
            check(&op);
        }
}

static void any_operand_may_be_absent(void **context)
{
    (void)context;
    for (int absent = 0; absent < 1 << 9; absent++) {
        segue_gated_recurrence op = whole();
        segue_tensor *const optional[] = { &op.g,    &op.gk,   &op.gain,  &op.D,    &op.z,
                                           &op.S_in, &op.n_in, &op.S_out, &op.n_out };
        for (int i = 0; i < 9; i++)
            if (absent >> i & 1) remove_operand(optional[i]);
        check(&op);
    }
}

/* Bidirectional linear attention: the states first, then every query reads the same ones. */
static void write_only_and_read_only(void **context)
{
    segue_gated_recurrence op = whole();
    (void)context;
    remove_operand(&op.q), remove_operand(&op.y), remove_operand(&op.z);
    check(&op);
    op = whole();
    remove_operand(&op.k), remove_operand(&op.v), remove_operand(&op.gain), remove_operand(&op.D);
    check(&op); /* decays go on */
    remove_operand(&op.g), remove_operand(&op.gk);
    check(&op);
    assert_same(data.S_out, data.S_in, B * H * K * V);
    remove_operand(&op.q), remove_operand(&op.y), remove_operand(&op.z);
    check(&op); /* nothing has a token */
}

static void gain_domains(void **context)
{
    (void)context;
    segue_gated_recurrence op = whole();
    op.gain_domain = SEGUE_GATED_RECURRENCE_LINEAR;
    check(&op);
    op.gain_domain = SEGUE_GATED_RECURRENCE_LOG;
    for (int h = 0; h < H; h++) data.gain[2 * H + h] = -INFINITY; /* b 0, t 2 */
    for (int i = 0; i < KEYS * K; i++) data.k[2 * KEYS * K + i] = 1e300;
    check(&op);
    assert_true(isfinite(sum(data.y, COUNT(data.y), 1)));
}

/* ---- sequences ---------------------------------------------------------------------------------- */

static segue_gated_recurrence tokens(segue_gated_recurrence op, int64_t first, int64_t count)
{
    segue_tensor *const along[] = { &op.q, &op.k, &op.v, &op.g, &op.gk, &op.gain, &op.z, &op.y };
    for (size_t i = 0; i < COUNT(along); i++) *along[i] = segue_tensor_slice(*along[i], 1, first, count);
    return op;
}

static void steps_equal_prefill(void **context)
{
    double y[COUNT(data.y)], S[B * H * K * V], n[B * H * K];
    segue_gated_recurrence op = whole();
    (void)context;
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(S, data.S_out, sizeof S), memcpy(n, data.n_out, sizeof n);
    op = whole(), op.S_out = op.S_in, op.n_out = op.n_in; /* in place, with an empty call between */
    for (int t = 0; t < T; t++) {
        const segue_gated_recurrence none = tokens(op, t, 0), one = tokens(op, t, 1);
        run(&none), run(&one);
    }
    assert_same(data.y, y, COUNT(y));
    assert_same(data.S_in, S, COUNT(S));
    assert_same(data.n_in, n, COUNT(n));
}

static void packed_sequences(void **context)
{
    double y[COUNT(data.y)], S[B * H * K * V], n[B * H * K];
    int32_t both[] = { 0, T, 2 * T }, odd[] = { -3, 2, 2, 1, 8 };
    segue_gated_recurrence op = whole();
    (void)context;
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(S, data.S_out, sizeof S), memcpy(n, data.n_out, sizeof n);
    op = whole();
    segue_tensor *const along[] = { &op.q, &op.k, &op.v, &op.g, &op.gk, &op.gain, &op.z, &op.y };
    for (size_t i = 0; i < COUNT(along); i++) along[i]->shape[0] = 1, along[i]->shape[1] = 2 * T;
    op.cu_seqlens = I32(both, 3);
    run(&op);
    assert_same(data.y, y, COUNT(y));
    assert_same(data.S_out, S, COUNT(S));
    assert_same(data.n_out, n, COUNT(n));

    memset(data.y, 0xff, sizeof data.y);
    op.cu_seqlens = I32(odd, 5);
    op.S_in.shape[0] = op.S_out.shape[0] = op.n_in.shape[0] = op.n_out.shape[0] = 4;
    run(&op); /* tokens 0..1, none, none, 1..7 */
    assert_same(data.S_out + H * K * V, data.S_in + H * K * V, 2 * H * K * V);
    for (int i = 0; i < 10 * READERS * V; i++) assert_true(isfinite(data.y[i]) == (i < 8 * READERS * V));
}

static void slots(void **context)
{
    enum { ROW = H * K * V };
    double y[COUNT(data.y)], S[ROW], n[H * K], before[COUNT(data.S_in)];
    int32_t move[] = { 2, 0, -1, -7 }, start[] = { POOL, 3, 1, -1 };
    segue_gated_recurrence op = whole();
    (void)context;
    op.S_in = F64(data.S_in + 2 * ROW, B, H, K, V), op.n_in = F64(data.n_in + 2 * H * K, B, H, K);
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(S, data.S_out, sizeof S), memcpy(n, data.n_out, sizeof n);

    op = whole(), op.S_in = op.S_out = F64(data.S_in, POOL, H, K, V);
    op.n_in = op.n_out = F64(data.n_in, POOL, H, K), op.slot = I32(move, B, 2);
    memcpy(before, data.S_in, sizeof before);
    run(&op); /* row 2 -> row 0; padding */
    assert_same(data.y, y, T * READERS * V);
    for (int i = T * READERS * V; i < B * T * READERS * V; i++) assert_true(data.y[i] == 0);
    assert_same(data.S_in, S, ROW);
    assert_same(data.n_in, n, H * K);
    assert_same(data.S_in + ROW, before + ROW, 3 * ROW);

    op.slot = I32(start, B, 2);
    memcpy(before, data.S_in, sizeof before);
    run(&op); /* zero -> row 3; row 1 -> nowhere */
    assert_same(data.S_in, before, 3 * ROW);
    memcpy(S, data.S_in + 3 * ROW, sizeof S), memcpy(n, data.n_in + 3 * H * K, sizeof n);
    memcpy(y, data.y, sizeof y);
    op = whole(), memset(data.S_in, 0, ROW * sizeof(double)), memset(data.n_in, 0, H * K * sizeof(double));
    run(&op);
    assert_same(data.y, y, COUNT(y));
    assert_same(data.S_out, S, ROW);
    assert_same(data.n_out, n, H * K);
}

static void refusals(void **context)
{
    static const struct {
        size_t offset;
        int64_t value;
        const char *words;
    } cases[] = {
        { offsetof(segue_gated_recurrence, write), SEGUE_GATED_RECURRENCE_DELTA,
          "write: DELTA is not offered yet" },
        { offsetof(segue_gated_recurrence, write), SEGUE_GATED_RECURRENCE_DPLR,
          "write: DPLR is not offered yet" },
        { offsetof(segue_gated_recurrence, erase), SEGUE_GATED_RECURRENCE_UNDECAYED,
          "erase: UNDECAYED is not offered yet" },
        { offsetof(segue_gated_recurrence, read), SEGUE_GATED_RECURRENCE_EXCLUSIVE,
          "read: EXCLUSIVE is not offered yet" },
        { offsetof(segue_gated_recurrence, norm), SEGUE_GATED_RECURRENCE_MAX1,
          "norm: MAX1 is not offered yet" },
    };
    (void)context;
    for (size_t i = 0; i < COUNT(cases); i++) {
        segue_gated_recurrence op = whole();
        memcpy((char *)&op + cases[i].offset, &cases[i].value, sizeof cases[i].value);
        assert_string_equal(segue_row_gated_recurrence_reference.accepts(&op.header, NULL), cases[i].words);
    }
    segue_gated_recurrence op = whole();
    op.gv = F64(data.v, B, T, H, V);
    assert_string_equal(segue_row_gated_recurrence_reference.accepts(&op.header, NULL),
                        "gv: decays of value columns are not offered yet");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sums),
        cmocka_unit_test(known_sums_of_ssd),
        cmocka_unit_test(normalisers_and_head_maps),
        cmocka_unit_test(any_operand_may_be_absent),
        cmocka_unit_test(write_only_and_read_only),
        cmocka_unit_test(gain_domains),
        cmocka_unit_test(steps_equal_prefill),
        cmocka_unit_test(packed_sequences),
        cmocka_unit_test(slots),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
