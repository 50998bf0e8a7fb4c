/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_lsh_buckets_reference;

enum { B = 2, T = 40, H = 2, K = 5, R = 3, F = 4, G = 3, ITEMS = B * H * R * T };

static struct {
    double x[B * T * H * K], R[H * K * R * F], R_2[H * K * R * G];
    int32_t keep[B * T], given[ITEMS], bucket[ITEMS], perm[ITEMS], inverse[ITEMS];
} data;

static void run(const segue_lsh_buckets *op)
{
    assert_null(segue_row_lsh_buckets_reference.accepts(&op->header, NULL));
    run_row(&segue_row_lsh_buckets_reference, &op->header);
}

static segue_lsh_buckets plain(void)
{
    segue_lsh_buckets op = segue_lsh_buckets_init();
    fill(data.x, COUNT(data.x), 3, 2, 0), fill(data.R, COUNT(data.R), 40, 2, 0);
    fill(data.R_2, COUNT(data.R_2), 71, 2, 0);
    memset(data.bucket, 0xff, sizeof data.bucket), memset(data.perm, 0xff, sizeof data.perm);
    memset(data.inverse, 0xff, sizeof data.inverse);
    op.x = F64(data.x, B, T, H, K), op.R = F64(data.R, H, K, R, F);
    op.bucket = I32(data.bucket, B, H, R, T);
    op.perm = I32(data.perm, B, H, R, T), op.inverse = I32(data.inverse, B, H, R, T);
    return op;
}

/* In each round's slots its own items, by (bucket, token). */
static void assert_sorted(int64_t stride)
{
    for (int row = 0; row < B * H * R; row++) {
        const int32_t *const bucket = data.bucket + row * T, *const perm = data.perm + row * T;
        const int first = row % R * T;
        for (int slot = 0; slot < T; slot++) {
            const int t = perm[slot] - first, before = slot ? perm[slot - 1] - first : -1;
            assert_in_range(t, 0, T - 1);
            assert_int_equal(data.inverse[row * T + t], first + slot);
            assert_int_equal(bucket[t] / stride, row % R);
            if (slot) assert_true(bucket[before] < bucket[t] || (bucket[before] == bucket[t] && before < t));
        }
    }
}

/* Rotations that pick the coordinates: the bucket is the largest of x0, x1, -x0, -x1. Infinity times 0 is NaN and loses. */
static void corners(void **context)
{
    static const struct {
        double x[2];
        int32_t bucket;
    } tokens[] = {
        { { 1, 0 }, 0 },         { { 0, 1 }, 1 },          { { -1, 0 }, 2 },  { { 0, -1 }, 3 },
        { { 1, 1 }, 0 },         { { -1, -1 }, 2 },        { { 1, -1 }, 0 },  { { -1, 1 }, 1 },
        { { 0, 0 }, 0 },         { { -0.0, -0.0 }, 0 },    { { NAN, 1 }, 0 }, { { 2, -3 }, 3 },
        { { -INFINITY, 0 }, 2 }, { { 1e300, -1e301 }, 3 },
    };
    enum { COUNT_OF = sizeof tokens / sizeof *tokens };
    double x[COUNT_OF][2], turn[4] = { 1, 0, 0, 1 };
    int32_t bucket[COUNT_OF], perm[COUNT_OF];
    segue_lsh_buckets op = segue_lsh_buckets_init();
    (void)context;
    for (int t = 0; t < COUNT_OF; t++) memcpy(x[t], tokens[t].x, sizeof x[t]);
    op.x = F64(x, 1, COUNT_OF, 1, 2), op.R = F64(turn, 1, 2, 1, 2);
    op.bucket = I32(bucket, 1, 1, 1, COUNT_OF), op.perm = I32(perm, 1, 1, 1, COUNT_OF);
    run(&op);
    for (int t = 0; t < COUNT_OF; t++) assert_int_equal(bucket[t], tokens[t].bucket);
    assert_int_equal(perm[0], 0);
    assert_int_equal(perm[COUNT_OF - 1], 13);
}

/* A column of NaN loses, and leaves the numbers of the others as they are. */
static void nan_loses(void **context)
{
    double x[] = { 1, 1 }, turn[] = { NAN, 0.5, -2 };
    int32_t bucket[2], perm[2];
    segue_lsh_buckets op = segue_lsh_buckets_init();
    (void)context;
    op.x = F64(x, 1, 2, 1, 1), op.R = F64(turn, 1, 1, 1, 3);
    op.bucket = I32(bucket, 1, 1, 1, 2), op.perm = I32(perm, 1, 1, 1, 2);
    run(&op);
    assert_int_equal(bucket[0], 5);
}

static void sorted(void **context)
{
    segue_lsh_buckets op = plain();
    (void)context;
    run(&op);
    assert_sorted(2 * F);
    op = plain();
    op.bucket_stride = 100;
    run(&op);
    assert_sorted(100);
    op = plain(); /* one bucket: everything stays where it is */
    memset(data.x, 0, sizeof data.x);
    run(&op);
    assert_sorted(2 * F);
    for (int i = 0; i < ITEMS; i++) assert_int_equal(data.perm[i], i % (R * T));
}

/* Two factors are two calls of one. */
static void factors(void **context)
{
    static int32_t first[ITEMS], second[ITEMS];
    segue_lsh_buckets op = plain();
    (void)context;
    run(&op);
    memcpy(first, data.bucket, sizeof first);
    op = plain();
    op.R = F64(data.R_2, H, K, R, G);
    run(&op);
    memcpy(second, data.bucket, sizeof second);
    op = plain();
    op.R_2 = F64(data.R_2, H, K, R, G);
    run(&op);
    assert_sorted(2 * F * 2 * G);
    for (int i = 0; i < ITEMS; i++) {
        const int r = i / T % R, n1 = first[i] - r * 2 * F, n2 = second[i] - r * 2 * G;
        assert_int_equal(data.bucket[i], n1 + 2 * F * n2 + r * 4 * F * G);
    }
}

/* Masked tokens come last, whatever they hold; keep alone changes nothing. */
static void padding(void **context)
{
    static int32_t without[ITEMS];
    segue_lsh_buckets op = plain();
    (void)context;
    for (int i = 0; i < B * T; i++) data.keep[i] = i % 7 == 2 ? 0 : 1 + i;
    op.keep = I32(data.keep, B, T);
    run(&op);
    memcpy(without, data.bucket, sizeof without);
    for (int i = 0; i < B * T; i++)
        for (int k = 0; k < H * K && !data.keep[i]; k++) data.x[i * H * K + k] = NAN;
    op.pad_bucket = 1;
    run(&op);
    assert_sorted(2 * F + 1);
    for (int i = 0; i < ITEMS; i++) {
        const int b = i / (H * R * T), r = i / T % R;
        const int hashed = without[i] - r * 2 * F, kept = data.keep[b * T + i % T];
        assert_int_equal(data.bucket[i], (kept ? hashed : 2 * F) + r * (2 * F + 1));
    }
}

static void given_buckets(void **context)
{
    segue_lsh_buckets op = plain();
    const segue_tensor absent = { 0 };
    (void)context;
    for (int i = 0; i < ITEMS; i++) data.given[i] = i / T % R * 10 + i * 7 % 14 - 2;
    data.given[3] = INT32_MIN, data.given[ITEMS - 1] = INT32_MAX;
    op.x = op.R = absent, op.bucket_in = I32(data.given, B, H, R, T), op.bucket_stride = 10;
    run(&op);
    assert_sorted(10);
    for (int i = 0; i < ITEMS; i++) {
        const int low = i / T % R * 10, x = data.given[i];
        assert_int_equal(data.bucket[i], x < low ? low : x > low + 9 ? low + 9 : x);
    }
}

/* Rotations that heads share, tokens backwards, items side by side. */
static void strides(void **context)
{
    static double turned[COUNT(data.x)];
    static int32_t items[ITEMS];
    segue_lsh_buckets op = plain();
    (void)context;
    op.R.stride[0] = 0;
    run(&op);
    memcpy(items, data.perm, sizeof items);
    op = plain();
    for (int h = 1; h < H; h++) memcpy(data.R + h * K * R * F, data.R, K * R * F * sizeof *data.R);
    for (int b = 0; b < B; b++)
        for (int t = 0; t < T; t++)
            memcpy(turned + (b * T + T - 1 - t) * H * K, data.x + (b * T + t) * H * K, H * K * sizeof *turned);
    op.x = F64(turned, B, T, H, K);
    op.x.offset = (T - 1) * H * K * sizeof(double), op.x.stride[1] = -H * K;
    op.perm.stride[0] = 1, op.perm.stride[1] = B, op.perm.stride[2] = B * H, op.perm.stride[3] = B * H * R;
    run(&op);
    for (int i = 0; i < ITEMS; i++) {
        const int t = i % T, r = i / T % R, h = i / (T * R) % H, b = i / (T * R * H);
        assert_int_equal(data.perm[((t * R + r) * H + h) * B + b], items[i]);
    }
}

static void nothing_to_do(void **context)
{
    segue_lsh_buckets op = plain();
    (void)context;
    op.x = F64(data.x, B, 0, H, K), op.perm = I32(data.perm, B, H, R, 0);
    op.bucket = I32(data.bucket, B, H, R, 0), op.inverse = I32(data.inverse, B, H, R, 0);
    run(&op);
    assert_int_equal(data.perm[0], -1);
}

static void refused(void **context)
{
    const int64_t large[] = { 1, 1, 1 << 16, 1 << 15 };
    segue_lsh_buckets op = plain();
    const segue_row *row = &segue_row_lsh_buckets_reference;
    (void)context;
    op.bucket_stride = 2 * F - 1;
    assert_string_equal(row->accepts(&op.header, NULL), "bucket_stride: smaller than the number of buckets");
    op.bucket_stride = 2 * F, op.pad_bucket = 1;
    assert_string_equal(row->accepts(&op.header, NULL), "bucket_stride: smaller than the number of buckets");
    op.bucket_stride = INT32_MAX / R + 1;
    assert_string_equal(row->accepts(&op.header, NULL), "bucket: rounds times buckets are at most 2^31 - 1");
    op.bucket_stride = 0, op.R.shape[3] = 0;
    assert_string_equal(row->accepts(&op.header, NULL), "R: f is 0, wanted a column or more");
    op.R.shape[3] = F, op.R_2 = F64(data.R_2, H, K, R, 0);
    assert_string_equal(row->accepts(&op.header, NULL), "R_2: g is 0, wanted a column or more");
    op = plain();
    memcpy(op.perm.shape, large, sizeof large);
    assert_string_equal(row->accepts(&op.header, NULL), "perm: rounds times tokens are at most 2^31 - 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corners), cmocka_unit_test(nan_loses),     cmocka_unit_test(sorted),
        cmocka_unit_test(factors), cmocka_unit_test(padding),       cmocka_unit_test(given_buckets),
        cmocka_unit_test(strides), cmocka_unit_test(nothing_to_do), cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
