/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* LSH attention where its answer is known otherwise: one bucket and one chunk are dense attention; tokens alone see themselves. */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_lsh_attention_reference;

enum { T = 12, K = 3, V = 2, R = 2 };

static struct {
    double x[T * K], v[T * V], rotations[K * R], y[T * V], lse[T], round_y[R * T * V], round_lse[R * T];
    int32_t bucket[R * T], keep[T];
} data;

/* Of one head: buckets as they are in data, all of round 0 in 0 to 9, of round 1 in 10 to 19. */
static segue_lsh_attention op_of(int rounds, int chunk)
{
    segue_lsh_attention op = segue_lsh_attention_init();
    fill(data.x, COUNT(data.x), 3, 4, 0), fill(data.v, COUNT(data.v), 7, 2, 0);
    op.x = F64(data.x, 1, T, 1, K), op.v = F64(data.v, 1, T, 1, V), op.y = F64(data.y, 1, T, 1, V);
    op.lse = F64(data.lse, 1, T, 1);
    op.round_y = F64(data.round_y, 1, rounds, T, 1, V), op.round_lse = F64(data.round_lse, 1, rounds, T, 1);
    op.bucket_in = I32(data.bucket, 1, 1, rounds, T);
    op.bucket_stride = 10, op.chunk = chunk, op.scale = 0.5, op.key_eps = 0.25;
    for (int i = 0; i < R * T; i++) data.bucket[i] = i / T * 10;
    for (int i = 0; i < T; i++) data.keep[i] = 1;
    return op;
}

static void run(const segue_lsh_attention *op)
{
    memset(data.y, 0xff, sizeof data.y), memset(data.lse, 0xff, sizeof data.lse);
    memset(data.round_y, 0xff, sizeof data.round_y), memset(data.round_lse, 0xff, sizeof data.round_lse);
    run_row(&segue_row_lsh_attention_reference, &op->header);
}

static double score(const segue_lsh_attention *op, int t, int i)
{
    double length = op->key_eps * K, s = 0;
    if (t == i) return op->self_value;
    for (int k = 0; k < K; k++) length += data.x[i * K + k] * data.x[i * K + k];
    for (int k = 0; k < K; k++) s += data.x[t * K + k] * data.x[i * K + k];
    return op->scale * s / sqrt(length);
}

/* Token t over tokens i with times[i] of each: what y and lse are to be. */
static void assert_softmax(const segue_lsh_attention *op, int t, const int *times)
{
    double Z = 0, sum[V] = { 0 }, most = -INFINITY;
    for (int i = 0; i < T; i++)
        if (times[i]) most = fmax(most, score(op, t, i));
    for (int i = 0; i < T; i++) {
        const double w = times[i] ? times[i] * exp(score(op, t, i) - most) : 0;
        Z += w;
        for (int v = 0; v < V; v++) sum[v] += w * data.v[i * V + v];
    }
    assert_close(data.lse[t], most + log(Z));
    for (int v = 0; v < V; v++) assert_close(data.y[t * V + v], sum[v] / Z);
}

/* One bucket, one chunk of all: dense attention of shared query and key, with the masks. Two rounds: of everything twice. */
static void dense(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++) {
        const int rounds = 1 + (i & 1), causal = i >> 1 & 1, keeps = i >> 2 & 1, around = i >> 3 & 1;
        segue_lsh_attention op = op_of(rounds, T);
        if (keeps) op.keep = I32(data.keep, 1, T);
        data.keep[1] = data.keep[8] = 0;
        op.causal = causal, op.chunks_before = around ? 4 : 0;
        run(&op);
        for (int t = 0; t < T; t++) {
            int times[T];
            for (int k = 0; k < T; k++) {
                const int seen = k == t || ((!causal || k < t) && (!keeps || data.keep[k]));
                times[k] = seen * rounds * (around ? 5 : 1);
            }
            assert_softmax(&op, t, times);
        }
    }
}

/* Buckets of three, chunks of three, none before: a token sees its bucket, or the three that lie in its chunk. */
static void chunks(void **state)
{
    (void)state;
    segue_lsh_attention op = op_of(1, 3);
    op.causal = 0, op.chunks_before = 0;
    for (int t = 0; t < T; t++) data.bucket[t] = 3 - t % 4;
    run(&op);
    for (int t = 0; t < T; t++) {
        int times[T];
        for (int k = 0; k < T; k++) times[k] = k % 4 == t % 4;
        assert_softmax(&op, t, times);
    }
    op.chunks_before = 1; /* and the bucket before: of the first the last one */
    run(&op);
    for (int t = 0; t < T; t++) {
        int times[T];
        for (int k = 0; k < T; k++) times[k] = k % 4 == t % 4 || k % 4 == (t + 1) % 4;
        assert_softmax(&op, t, times);
    }
    op.same_bucket = 1;
    run(&op);
    for (int t = 0; t < T; t++) {
        int times[T];
        for (int k = 0; k < T; k++) times[k] = k % 4 == t % 4;
        assert_softmax(&op, t, times);
    }
}

/* The order within a bucket is that of the tokens: chunks of two cut a bucket of all so. */
static void stable(void **state)
{
    (void)state;
    segue_lsh_attention op = op_of(1, 2);
    op.causal = 0;
    run(&op);
    for (int t = 0; t < T; t++) {
        int times[T];
        for (int k = 0; k < T; k++) times[k] = k / 2 == t / 2 || k / 2 == (t / 2 + 5) % 6;
        assert_softmax(&op, t, times);
    }
}

/* A token that sees nothing else has its own value and lse of self_value, plus the logarithm of how often. */
static void alone(void **state)
{
    (void)state;
    segue_lsh_attention op = op_of(2, 1);
    op.chunks_before = 0;
    run(&op);
    for (int t = 0; t < T; t++) {
        assert_close(data.round_lse[t], -1e5);
        assert_close(data.round_lse[T + t], -1e5);
        assert_close(data.lse[t], -1e5 + log(2));
        for (int v = 0; v < V; v++) assert_true(data.y[t * V + v] == data.v[t * V + v]);
    }
    op = op_of(1, T); /* its copies in one round are itself, whatever its bucket */
    op.same_bucket = 1, op.chunks_before = 2;
    for (int t = 0; t < T; t++) data.bucket[t] = t % 10;
    run(&op);
    assert_close(data.lse[5], -1e5 + log(3));
}

/* Rounds are weighed by their sums: both together are the softmax over what both see. */
static void rounds(void **state)
{
    (void)state;
    segue_lsh_attention op = op_of(2, 3);
    op.causal = 0, op.chunks_before = 0;
    for (int t = 0; t < T; t++) data.bucket[t] = t % 4, data.bucket[T + t] = 10 + t / 3;
    run(&op);
    for (int t = 0; t < T; t++) {
        int times[T];
        for (int k = 0; k < T; k++) times[k] = (k % 4 == t % 4) + (k / 3 == t / 3);
        assert_softmax(&op, t, times);
        const double both = log(exp(data.round_lse[t]) + exp(data.round_lse[T + t]));
        assert_close(data.lse[t], both);
    }
}

/* Rotations by hand: one column of [1 0 0] in round 0 and [0 1 0] in round 1, so a bucket is a sign, and 0 counts as positive. */
static void hashed(void **state)
{
    static const double rotations[K * R] = { 1, 0, 0, 1, 0, 0 };
    double y[T * V], lse[T];
    (void)state;
    segue_lsh_attention op = op_of(2, 4);
    memcpy(data.rotations, rotations, sizeof rotations);
    data.x[2 * K] = 0, data.x[5 * K + 1] = -0.0;
    op.bucket_stride = 2;
    for (int t = 0; t < T; t++) {
        data.bucket[t] = data.x[t * K] < 0;
        data.bucket[T + t] = 2 + (data.x[t * K + 1] < 0);
    }
    run(&op);
    memcpy(y, data.y, sizeof y), memcpy(lse, data.lse, sizeof lse);
    op.bucket_in = segue_lsh_attention_init().bucket_in;
    op.R = F64(data.rotations, 1, K, R, 1);
    run(&op);
    assert_same(data.y, y, T * V);
    assert_same(data.lse, lse, T);
}

/* What a masked token holds reaches nobody but itself. */
static void padding(void **state)
{
    double y[T * V];
    (void)state;
    segue_lsh_attention op = op_of(2, 4);
    op.keep = I32(data.keep, 1, T), op.causal = 0;
    data.keep[3] = data.keep[7] = 0;
    run(&op);
    memcpy(y, data.y, sizeof y);
    data.v[3 * V] = NAN, data.v[7 * V + 1] = INFINITY, data.x[7 * K] = NAN;
    run(&op);
    for (int t = 0; t < T; t++)
        if (t != 3 && t != 7) assert_same(data.y + t * V, y + t * V, V);
    assert_true(isnan(data.y[3 * V]));
}

/* Given buckets beyond their round count as its last one, those before as its first. */
static void outside(void **state)
{
    double y[T * V];
    (void)state;
    segue_lsh_attention op = op_of(2, 3);
    data.bucket[0] = 9, data.bucket[4] = 0, data.bucket[T + 2] = 10, data.bucket[T + 9] = 19;
    run(&op);
    memcpy(y, data.y, sizeof y);
    data.bucket[0] = INT32_MAX, data.bucket[4] = INT32_MIN, data.bucket[T + 2] = -5, data.bucket[T + 9] = 20;
    run(&op);
    assert_same(data.y, y, T * V);
}

static void refusals(void **state)
{
    (void)state;
    segue_lsh_attention op = op_of(2, 3);
    assert_null(segue_row_lsh_attention_reference.accepts(&op.header, NULL));
    op.bucket_in = segue_lsh_attention_init().bucket_in;
    op.R = F64(data.rotations, 1, K, R, 1);
    op.bucket_stride = 1;
    assert_non_null(
        strstr(segue_row_lsh_attention_reference.accepts(&op.header, NULL), "bucket_stride: smaller"));
    op.bucket_stride = INT32_MAX;
    assert_non_null(strstr(segue_row_lsh_attention_reference.accepts(&op.header, NULL), "R: rounds"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense),   cmocka_unit_test(chunks),  cmocka_unit_test(stable),
        cmocka_unit_test(alone),   cmocka_unit_test(rounds),  cmocka_unit_test(hashed),
        cmocka_unit_test(padding), cmocka_unit_test(outside), cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
