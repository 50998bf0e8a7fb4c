/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The row of lsh_buckets against a plain loop, over random shapes, layouts and dtypes. Inputs are multiples of 1/8: scores are exact,
 * and many are equal. */
#include "row_testing.h"

extern const segue_row lsh_buckets_cpu;

enum { X, ROTATIONS, SECOND, KEEP, BUCKET_IN, BUCKET, PERM, INVERSE, OPERANDS };

struct scene {
    segue_lsh_buckets op;
    struct watched w[OPERANDS];
    int64_t b, t, h, k, r, f, g, stride;
};

static void set_step(const segue_tensor *t, const int64_t *i, void *arg)
{
    const int *most = arg;
    const double x = ((int)draw((uint32_t)(2 * *most + 1)) - *most) / 8.0;
    set_at(t, i, *most && !draw(200) ? NAN : x);
}

static void set_whole(const segue_tensor *t, const int64_t *i, void *arg)
{
    const int *range = arg;
    set_at(t, i, range[0] + (int)draw((uint32_t)range[1]));
}

static void make_hashed(struct scene *c)
{
    static const int sizes[] = { 0, 1, 8, 8, 8 };
    int most = sizes[draw(5)], keep[] = { 0, 3 }, rotation = draw(2) ? 8 : 1;
    MAKE(&c->w[X], draw_dtype(), MAY_REPEAT, -1, 1, c->b, c->t, c->h, c->k);
    MAKE(&c->w[ROTATIONS], draw_dtype(), MAY_REPEAT, -1, 1, c->h, c->k, c->r, c->f);
    if (c->g) MAKE(&c->w[SECOND], draw_dtype(), MAY_REPEAT, -1, 1, c->h, c->k, c->r, c->g);
    each(&c->w[X].t, set_step, &most);
    each(&c->w[ROTATIONS].t, set_step, &rotation);
    if (c->g) each(&c->w[SECOND].t, set_step, &rotation);
    if (draw(2)) {
        MAKE(&c->w[KEEP], SEGUE_I32, MAY_REPEAT, 0, 1, c->b, c->t);
        each(&c->w[KEEP].t, set_whole, keep);
        c->op.pad_bucket = draw(3) != 0;
    }
    c->stride = 2 * c->f * (c->g ? 2 * c->g : 1) + c->op.pad_bucket;
    if (draw(2)) c->op.bucket_stride = c->stride += draw(10);
}

static void make_scene(struct scene *c)
{
    *c = (struct scene){ .op = segue_lsh_buckets_init(), .b = 1 + draw(3), .h = 1 + draw(3), .r = 1 + draw(4) };
    c->t = draw(4) ? draw(30) : 90 + draw(150), c->k = draw(3) ? draw(9) : 30 + draw(40);
    c->f = 1 + draw(draw(3) ? 9 : 60), c->g = draw(3) ? 0 : 1 + draw(12);
    if (draw(4)) make_hashed(c);
    else {
        c->op.bucket_stride = c->stride = 1 + draw(draw(2) ? 20 : 3000);
        int range[] = { -10, (int)(c->r * c->stride) + 20 };
        MAKE(&c->w[BUCKET_IN], SEGUE_I32, MAY_REPEAT, 0, 1, c->b, c->h, c->r, c->t);
        each(&c->w[BUCKET_IN].t, set_whole, range);
    }
    if (draw(2)) MAKE(&c->w[BUCKET], SEGUE_I32, 0, 0, 1, c->b, c->h, c->r, c->t);
    MAKE(&c->w[PERM], SEGUE_I32, 0, 0, 1, c->b, c->h, c->r, c->t);
    if (draw(2)) MAKE(&c->w[INVERSE], SEGUE_I32, 0, 0, 1, c->b, c->h, c->r, c->t);
    put_tensors(&c->op.header, c->w, OPERANDS);
}

/* The last of the smallest negatives, then the first of the positives: the other way round than the kernel goes. */
static int64_t largest(const struct scene *c, const segue_tensor *R, int64_t b, int64_t h, int64_t r, int64_t t)
{
    const int64_t columns = R->shape[3];
    double best = -INFINITY;
    int64_t at = 0;
    for (int64_t i = 2 * columns - 1; i >= 0; i--) {
        double y = 0;
        for (int64_t k = 0; k < c->k; k++) y += GET(*R, h, k, r, i % columns) * GET(c->op.x, b, t, h, k);
        y = i < columns ? y : -y;
        if (y >= best && y > -INFINITY) best = y, at = i;
    }
    return at;
}

static int64_t bucket_of(const struct scene *c, int64_t b, int64_t h, int64_t r, int64_t t)
{
    const int64_t low = r * c->stride;
    if (c->w[BUCKET_IN].memory)
        return (int64_t)fmin(fmax(GET(c->op.bucket_in, b, h, r, t), (double)low),
                             (double)(low + c->stride - 1));
    if (c->op.pad_bucket && GET(c->op.keep, b, t) == 0) return low + 2 * c->f * (c->g ? 2 * c->g : 1);
    return low + largest(c, &c->op.R, b, h, r, t) + (c->g ? 2 * c->f * largest(c, &c->op.R_2, b, h, r, t) : 0);
}

static void expect(const segue_tensor *got, const char *name, const int64_t *i, int64_t want)
{
    if (got->dtype.bits && get_at(got, i) != (double)want)
        fail_msg("%s[%d,%d,%d,%d] is %.0f, wanted %d", name, (int)i[0], (int)i[1], (int)i[2], (int)i[3],
                 get_at(got, i), (int)want);
}

static void check_round(const struct scene *c, int64_t b, int64_t h, int64_t r)
{
    int64_t bucket[256], first = r * c->t;
    for (int64_t t = 0; t < c->t; t++) bucket[t] = bucket_of(c, b, h, r, t);
    for (int64_t t = 0; t < c->t; t++) {
        int64_t slot = 0;
        for (int64_t i = 0; i < c->t; i++) slot += bucket[i] < bucket[t] || (bucket[i] == bucket[t] && i < t);
        expect(&c->op.bucket, "bucket", (const int64_t[]){ b, h, r, t }, bucket[t]);
        expect(&c->op.perm, "perm", (const int64_t[]){ b, h, r, slot }, first + t);
        expect(&c->op.inverse, "inverse", (const int64_t[]){ b, h, r, t }, first + slot);
    }
}

static void against_loops(struct test_device *d, int rounds)
{
    for (int n = 0; n < rounds; n++) {
        struct scene c;
        make_scene(&c);
        for (int i = 0; i < OPERANDS; i++) snapshot(&c.w[i]);
        segue_lsh_buckets bound = c.op;
        segue_tensor *const items[] = { &bound.bucket_in, &bound.bucket, &bound.perm, &bound.inverse };
        const int64_t more_b = draw(3), more_t = draw(100);
        for (int i = 0; i < 4; i++) items[i]->shape[0] += more_b, items[i]->shape[3] += more_t;
        bound.x.shape[0] += more_b, bound.x.shape[1] += more_t;
        run_row(&lsh_buckets_cpu, d, &bound.header, &c.op.header);
        for (int64_t i = 0; i < c.b * c.h * c.r; i++) check_round(&c, i / c.r / c.h, i / c.r % c.h, i % c.r);
        for (int i = 0; i < OPERANDS; i++) check_outside(&c.w[i], i >= BUCKET);
        for (int i = 0; i < OPERANDS; i++) drop(&c.w[i]);
    }
}

static void every_instruction_set(void **state)
{
    (void)state;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++)
        for (uint32_t threads = 0; threads < 3; threads++) {
            struct test_device d;
            if (!test_open(&d, isa, threads)) continue;
            against_loops(&d, 60);
            test_close(&d);
        }
}

static void refused(void **state)
{
    struct test_device d;
    segue_lsh_buckets op = segue_lsh_buckets_init();
    (void)state;
    assert_true(test_open(&d, SEGUE_ISA_BASE, 1));
    op.x = segue_tensor_of(NULL, SEGUE_F32, 4, (const int64_t[]){ 1, 8, 1, 4 });
    op.R = segue_tensor_of(NULL, SEGUE_F32, 4, (const int64_t[]){ 1, 4, 2, 3 });
    op.perm = segue_tensor_of(NULL, SEGUE_I32, 4, (const int64_t[]){ 1, 1, 2, 8 });
    op.pad_bucket = 1, op.bucket_stride = 6;
    assert_string_equal(lsh_buckets_cpu.accepts(&op.header, &d.kit),
                        "bucket_stride: smaller than the number of buckets");
    op.bucket_stride = 7;
    assert_null(lsh_buckets_cpu.accepts(&op.header, &d.kit));
    op.R.shape[3] = 1 << 19;
    assert_string_equal(lsh_buckets_cpu.accepts(&op.header, &d.kit), "R: more than 2^20 buckets in a round");
    op.R.dtype = segue_dtype_of(SEGUE_F64), op.R.shape[3] = 3;
    assert_string_equal(lsh_buckets_cpu.accepts(&op.header, &d.kit), "R: f64 is offered by the reference only");
    test_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_instruction_set), cmocka_unit_test(refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
