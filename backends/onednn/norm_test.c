/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Both rows against a plain loop in double, over random shapes, layouts, dtypes and operands; one bit
 * pattern whatever the threads, the tokens of a call and the layout. */
#include "row_testing.h"

extern const segue_row l2_norm_cpu, gated_norm_cpu;

enum { X, Z, WEIGHT, BIAS, CU, Y, OPERANDS };

struct scene {
    segue_gated_norm op;
    struct watched w[OPERANDS];
    int64_t b, t, h, d;
};

static void operands_of(segue_gated_norm *op, segue_tensor *list[OPERANDS])
{
    list[X] = &op->x, list[Z] = &op->z, list[WEIGHT] = &op->weight, list[BIAS] = &op->bias;
    list[CU] = &op->cu_seqlens, list[Y] = &op->y;
}

/* Up to three sequences with tokens of none before, between and behind them. */
static void make_offsets(struct scene *c)
{
    const int64_t sequences = 1 + draw(3);
    c->b = 1;
    MAKE(&c->w[CU], SEGUE_I32, 0, 0, 1, sequences + 1);
    for (int64_t s = 0, at = draw(4); s <= sequences; at += draw((uint32_t)c->t + 1), s++)
        set_at(&c->w[CU].t, &s, (double)at - 1); /* from -1 to beyond t: clamped */
}

static int belongs(const struct scene *c, int64_t t)
{
    const segue_tensor *cu = &c->op.cu_seqlens;
    int found = !cu->dtype.bits;
    for (int64_t s = 0; cu->dtype.bits && s + 1 < cu->shape[0]; s++)
        found |= t >= GET(*cu, s) && t < GET(*cu, s + 1);
    return found;
}

/* size: of x. */
static void make_sized_scene(struct scene *c, double size)
{
    static const int64_t odd[] = { 1, 3, 16, 17, 64, 100, 700, 2100 };
    const uint32_t act = draw_dtype(), weight = draw_dtype(), x = draw(2) ? act : draw_dtype();
    *c = (struct scene){ .op = segue_gated_norm_init(),
                         .b = 1 + draw(3),
                         .t = draw(4) ? draw(12) : 40 + draw(60) };
    c->d = draw(2) ? 1 + draw(40) : odd[draw(8)];
    c->h = c->d > 100 ? 1 + draw(2) : 1 + draw(7);
    if (!draw(3)) make_offsets(c);
    c->op.kind = draw(2), c->op.gate = draw(2), c->op.norm_before_gate = draw(2), c->op.eps = 1e-3;
    MAKE(&c->w[X], x, MAY_REPEAT, -2 * size, 3 * size, c->b, c->t, c->h, c->d);
    if (draw(3)) MAKE(&c->w[Z], act, MAY_REPEAT, -8, 8, c->b, c->t, c->h, c->d);
    if (draw(3)) MAKE(&c->w[WEIGHT], weight, MAY_REPEAT, -1, 2, c->h, c->d);
    if (draw(2)) MAKE(&c->w[BIAS], weight, MAY_REPEAT, -1, 1, c->h, c->d);
    MAKE(&c->w[Y], act, 0, -1, 1, c->b, c->t, c->h, c->d);
    segue_tensor *list[OPERANDS];
    operands_of(&c->op, list);
    for (int i = 0; i < OPERANDS; i++) *list[i] = c->w[i].t, snapshot(&c->w[i]);
}

static void make_scene(struct scene *c)
{
    make_sized_scene(c, 1);
}

static void drop_scene(struct scene *c)
{
    for (int i = 0; i < OPERANDS; i++) drop(&c->w[i]);
}

static double gate_at(const struct scene *c, const int64_t *i)
{
    if (!c->op.z.dtype.bits) return 1;
    const double z = get_at(&c->op.z, i);
    return (c->op.gate == SEGUE_GATED_NORM_SILU ? z : 1) / (1 + exp(-z));
}

/* One row [d]; shape: of what is added up, for the size of errors. */
static void check_row(const struct scene *c, int64_t b, int64_t t, int64_t h)
{
    double v[2100], mean = 0, squares = 0, largest = 0;
    const segue_gated_norm *op = &c->op;
    for (int64_t d = 0; d < c->d; d++) {
        const int64_t i[] = { b, t, h, d };
        v[d] = get_at(&op->x, i) * (op->norm_before_gate ? 1 : gate_at(c, i));
        if (op->kind == SEGUE_GATED_NORM_LAYER) mean += v[d] / (double)c->d;
        if (fabs(v[d]) > largest) largest = fabs(v[d]);
    }
    for (int64_t d = 0; d < c->d; d++) v[d] -= mean, squares += v[d] * v[d] / (double)c->d;
    const double deviation = sqrt(squares + op->eps);
    for (int64_t d = 0; d < c->d; d++) {
        const int64_t i[] = { b, t, h, d };
        const double w = op->weight.dtype.bits ? GET(op->weight, h, d) : 1,
                     last = op->norm_before_gate ? gate_at(c, i) : 1;
        const double add = op->bias.dtype.bits ? GET(op->bias, h, d) : 0,
                     want = (v[d] / deviation * w + add) * last;
        const double terms = (fabs(v[d]) + largest) / deviation * fabs(w) + fabs(add);
        const double bound = 2e-6 * terms * fabs(last) + rounding(segue_dtype_id(op->y.dtype), want) * 1.01;
        const double got = get_at(&op->y, i);
        if (!(fabs(got - want) <= bound))
            fail_msg("y[%d %d %d %d] = %.9g, wanted %.9g", (int)b, (int)t, (int)h, (int)d, got, want);
    }
}

static void check_untouched(const struct scene *c, int64_t b, int64_t t, int64_t h)
{
    for (int64_t d = 0; d < c->d; d++) {
        const struct watched *y = &c->w[Y];
        const char *at = element(&y->t, (int64_t[]){ b, t, h, d });
        assert_memory_equal(at, y->copy + (at - y->memory), y->t.dtype.bits / 8);
    }
}

static void against_the_definition(void **context)
{
    (void)context;
    for (int n = 0; n < 300; n++) {
        struct test_device device;
        struct scene c;
        if (!test_open(&device, (int)draw(SEGUE_ISA_COUNT), draw(4))) continue;
        make_scene(&c);
        segue_gated_norm bound = c.op; /* a plan for more tokens than the run has */
        segue_tensor *list[OPERANDS];
        operands_of(&bound, list);
        for (int i = 0; i < OPERANDS; i++)
            if (list[i]->rank == 4) list[i]->shape[1] += draw(9);
        run_row(&gated_norm_cpu, &device, &bound.header, &c.op.header);
        for (int64_t row = 0; row < c.b * c.t * c.h; row++) {
            const int64_t b = row / (c.t * c.h), t = row / c.h % c.t, h = row % c.h;
            if (belongs(&c, t)) check_row(&c, b, t, h);
            else check_untouched(&c, b, t, h);
        }
        for (int i = 0; i < OPERANDS; i++) check_outside(&c.w[i], i == Y);
        drop_scene(&c);
        test_close(&device);
    }
}

/* Rows whose squares, whose sums, or whose products with gates are beyond f32, or below it and eps with them. */
static void beyond_f32(void **context)
{
    static const double sizes[] = { 0x1p66, 0x1p100, 0x1p125, 0x1p-50, 0x1p-70, 0x1p-95 };
    (void)context;
    for (int n = 0; n < 200; n++) {
        struct test_device device;
        struct scene c;
        const double size = sizes[draw(6)];
        if (!test_open(&device, (int)draw(SEGUE_ISA_COUNT), draw(4))) continue;
        do make_sized_scene(&c, size);
        while (segue_dtype_id(c.op.x.dtype) == SEGUE_F16 && (drop_scene(&c), 1));
        if (size < 1) c.op.eps = 1e-3 * size * size;
        run_row(&gated_norm_cpu, &device, &c.op.header, &c.op.header);
        for (int64_t row = 0; row < c.b * c.t * c.h; row++) {
            const int64_t b = row / (c.t * c.h), t = row / c.h % c.t, h = row % c.h;
            if (belongs(&c, t)) check_row(&c, b, t, h);
            else check_untouched(&c, b, t, h);
        }
        check_outside(&c.w[Y], 1);
        drop_scene(&c);
        test_close(&device);
    }
}

/* An ordinary row has its bits whatever rows are beside it; rows of zeros, infinities and NaN are what a division makes of them. */
static void rows_side_by_side(void **context)
{
    static const float inf = INFINITY;
    const float x[9][3] = { { 1, 2, 3 },         { 1e20f, 0, 0 }, { 1, 2, 3 },   { 1e-20f, 1e-20f, 1e-20f },
                            { 0, 0, 0 },         { inf, 1, -1 },  { NAN, 1, 2 }, { 3e38f, 3e38f, -3e38f },
                            { 1e30f, 1, 1e-30f } };
    float y[9][3];
    struct test_device device;
    (void)context;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++) {
        if (!test_open(&device, isa, 1)) continue;
        for (int small = 0; small < 2; small++) {
            segue_l2_norm op = segue_l2_norm_init();
            op.x = segue_tensor_of((void *)(intptr_t)x, SEGUE_F32, 4, (int64_t[]){ 1, 9, 1, 3 });
            op.y = segue_tensor_of(y, SEGUE_F32, 4, op.x.shape);
            op.eps = small ? 1e-60 : 0;
            run_row(&l2_norm_cpu, &device, &op.header, &op.header);
            assert_memory_equal(y[0], y[2], sizeof y[0]);
            for (int row = 0; row < 9; row++) {
                double squares = op.eps;
                for (int i = 0; i < 3; i++) squares += (double)x[row][i] * (double)x[row][i];
                for (int i = 0; i < 3; i++) {
                    const double want = (double)x[row][i] / sqrt(squares), got = (double)y[row][i];
                    if (isnan(want) ? !isnan(got) : !(fabs(got - want) <= 1e-6 * fabs(want) + 1e-37))
                        fail_msg("row %d: y[%d] = %.9g, wanted %.9g", row, i, got, want);
                }
            }
        }
        test_close(&device);
    }
}

/* The L2 norm is the RMS norm without gate and weights, but for d: sum + eps = d (mean + eps / d). */
static void lengths(void **context)
{
    (void)context;
    for (int n = 0; n < 100; n++) {
        struct test_device device;
        struct scene c;
        if (!test_open(&device, (int)draw(SEGUE_ISA_COUNT), draw(3))) continue;
        make_scene(&c);
        segue_l2_norm op = segue_l2_norm_init();
        op.x = c.op.x, op.x.dtype = c.op.y.dtype, op.y = c.op.y, op.eps = 1e-3;
        if (segue_dtype_id(c.op.x.dtype) == segue_dtype_id(c.op.y.dtype)) {
            run_row(&l2_norm_cpu, &device, &op.header, &op.header);
            for (int64_t row = 0; row < c.b * c.t * c.h; row++) {
                const int64_t b = row / (c.t * c.h), t = row / c.h % c.t, h = row % c.h;
                double squares = 0;
                for (int64_t d = 0; d < c.d; d++) squares += GET(op.x, b, t, h, d) * GET(op.x, b, t, h, d);
                for (int64_t d = 0; d < c.d; d++) {
                    const double want = GET(op.x, b, t, h, d) / sqrt(squares + 1e-3);
                    const double bound = 1e-6 * fabs(want) + rounding(segue_dtype_id(op.y.dtype), want) * 1.01;
                    assert_true(fabs(GET(op.y, b, t, h, d) - want) <= bound);
                }
            }
            check_outside(&c.w[Y], 1);
        }
        drop_scene(&c);
        test_close(&device);
    }
}

/* Rows of zeros are the bias, however small eps is: as f32 it must not become 0. */
static void rows_of_zeros(void **context)
{
    float x[2 * 5] = { 0 }, bias[5] = { 1, -2, 3, 0, 0.5f }, y[2 * 5];
    struct test_device device;
    segue_gated_norm op = segue_gated_norm_init();
    (void)context;
    op.x = segue_tensor_of(x, SEGUE_F32, 4, (int64_t[]){ 1, 2, 1, 5 });
    op.y = segue_tensor_of(y, SEGUE_F32, 4, op.x.shape);
    op.bias = segue_tensor_of(bias, SEGUE_F32, 2, (int64_t[]){ 1, 5 });
    op.eps = 1e-60;
    assert_true(test_open(&device, SEGUE_ISA_BASE, 1));
    for (int kind = 0; kind < 2; kind++) {
        op.kind = kind;
        memset(y, 0xff, sizeof y);
        run_row(&gated_norm_cpu, &device, &op.header, &op.header);
        for (int i = 0; i < 10; i++) assert_true(y[i] == bias[i % 5]);
    }
    test_close(&device);
}

static void copy_element(const segue_tensor *to, const int64_t *i, void *arg)
{
    set_at(to, i, get_at(arg, i));
}

/* The same bits from packed tensors token by token on one thread as from any layout at once on several. */
static void one_answer(void **context)
{
    (void)context;
    for (int n = 0; n < 60; n++) {
        struct test_device many, one;
        struct scene c;
        const int isa = (int)draw(SEGUE_ISA_COUNT);
        if (!test_open(&many, isa, draw(4))) continue;
        assert_true(test_open(&one, isa, 1));
        do make_scene(&c);
        while (c.op.cu_seqlens.dtype.bits && (drop_scene(&c), 1)); /* single tokens have no offsets */
        run_row(&gated_norm_cpu, &many, &c.op.header, &c.op.header);
        segue_gated_norm packed = c.op;
        segue_tensor *list[OPERANDS];
        operands_of(&packed, list);
        for (int i = 0; i < OPERANDS; i++) {
            segue_tensor *t = list[i];
            if (!t->dtype.bits) continue;
            *t = segue_tensor_of(NULL, segue_dtype_id(t->dtype), t->rank, t->shape);
            t->data = malloc(t->bytes + 1);
            each(t, copy_element, &c.w[i].t);
        }
        for (int64_t t = 0; t < c.t; t++) {
            segue_gated_norm step = packed;
            segue_tensor *const along[] = { &step.x, &step.z, &step.y };
            for (int i = 0; i < 3; i++)
                if (along[i]->dtype.bits) *along[i] = segue_tensor_slice(*along[i], 1, t, 1);
            set_range(&step.y, (int64_t[]){ 0, 0, 0, 0 }, (double[]){ 5, 6 });
            run_row(&gated_norm_cpu, &one, &step.header, &step.header);
        }
        for (int64_t row = 0; row < c.b * c.t * c.h; row++)
            for (int64_t d = 0; d < c.d; d++) {
                const int64_t i[] = { row / (c.t * c.h), row / c.h % c.t, row % c.h, d };
                assert_true(get_at(&packed.y, i) == get_at(&c.op.y, i));
            }
        for (int i = 0; i < OPERANDS; i++) free(list[i]->data);
        drop_scene(&c);
        test_close(&many), test_close(&one);
    }
}

static void refuses_f64(void **context)
{
    segue_gated_norm op = segue_gated_norm_init();
    segue_l2_norm plain = segue_l2_norm_init();
    (void)context;
    op.x = segue_tensor_of(NULL, SEGUE_F64, 4, (int64_t[]){ 1, 1, 1, 4 });
    plain.x = op.x;
    assert_string_equal(gated_norm_cpu.accepts(&op.header, NULL), "x: f64 is offered by the reference only");
    assert_string_equal(l2_norm_cpu.accepts(&plain.header, NULL), "x: f64 is offered by the reference only");
    op.x = (segue_tensor){ 0 };
    op.bias = segue_tensor_of(NULL, SEGUE_F64, 2, (int64_t[]){ 1, 4 });
    assert_string_equal(gated_norm_cpu.accepts(&op.header, NULL), "bias: f64 is offered by the reference only");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(against_the_definition),
                                        cmocka_unit_test(lengths),
                                        cmocka_unit_test(beyond_f32),
                                        cmocka_unit_test(rows_side_by_side),
                                        cmocka_unit_test(rows_of_zeros),
                                        cmocka_unit_test(one_answer),
                                        cmocka_unit_test(refuses_f64) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
