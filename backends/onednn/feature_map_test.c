/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The feature map's row against a plain loop in double, over random shapes, layouts, dtypes, maps, padding and packed
 * sequences. */
#include "row_testing.h"

extern const segue_row feature_map_cpu;

enum { X, W, BIAS, KEEP, CU, Y, OPERANDS };
enum { INPUTS = 4 };

static const int features_of[] = {
    /* each row of W gives so many, each input INPUTS times as many; TAYLOR2 apart */
    [SEGUE_FEATURE_MAP_IDENTITY] = INPUTS,
    [SEGUE_FEATURE_MAP_ELU1] = INPUTS,
    [SEGUE_FEATURE_MAP_RELU] = INPUTS,
    [SEGUE_FEATURE_MAP_FAVOR_PLUS] = 1,
    [SEGUE_FEATURE_MAP_FAVOR_PM] = 2,
    [SEGUE_FEATURE_MAP_RFF] = 2,
    [SEGUE_FEATURE_MAP_GELU] = 1,
    [SEGUE_FEATURE_MAP_HEDGEHOG_A] = 2,
    [SEGUE_FEATURE_MAP_HEDGEHOG_B] = 2,
    [SEGUE_FEATURE_MAP_TAYLOR2] = 0,
    [SEGUE_FEATURE_MAP_COSREW] = 2 * INPUTS,
    [SEGUE_FEATURE_MAP_EXP] = 2,
};

struct scene {
    segue_feature_map op;
    struct watched w[OPERANDS];
    int64_t b, t, h, k, m, f;
};

static void place(struct scene *c)
{
    put_tensors(&c->op.header, c->w, OPERANDS);
}

static void make_scene(struct scene *c)
{
    const int map = (int)draw(12), projected = features_of[map] && features_of[map] < INPUTS, packed = !draw(3);
    static const int64_t widths[] = { 1, 5, 16, 17, 40 };
    *c = (struct scene){ .op = segue_feature_map_init(),
                         .b = packed ? 1 : 1 + draw(3),
                         .t = draw(4) ? draw(12) : 70 + draw(90),
                         .h = 1 + draw(3),
                         .k = widths[draw(4)],
                         .m = projected ? 1 + draw(draw(3) ? 20 : 140) : 0 };
    c->f = map == SEGUE_FEATURE_MAP_TAYLOR2
               ? 1 + c->k + c->k * c->k
               : c->m * (features_of[map] % INPUTS) + c->k * (features_of[map] / INPUTS);
    c->op.map = map, c->op.scale = 0.5, c->op.eps = draw(2) ? 0.01 : 0;
    c->op.shift_mode = draw(3), c->op.shift = 0.25, c->op.position = draw(1000),
    c->op.length = draw(2) ? 37 : 0;
    MAKE(&c->w[X], draw_dtype(), MAY_REPEAT, -2, 2, c->b, c->t, c->h, c->k);
    if (projected) MAKE(&c->w[W], draw_dtype(), MAY_REPEAT, -1, 1, c->h, c->m, c->k);
    if (map == SEGUE_FEATURE_MAP_HEDGEHOG_B && draw(2))
        MAKE(&c->w[BIAS], draw_dtype(), MAY_REPEAT, -1, 1, c->h, c->m);
    if (draw(2)) MAKE(&c->w[KEEP], SEGUE_I32, 0, -1, 3, c->b, c->t);
    if (packed) MAKE(&c->w[CU], SEGUE_I32, 0, 0, 1, 4);
    for (int64_t i = 0, at = 0; packed && i < 4; i++, at += draw((uint32_t)c->t + 1))
        set_at(&c->w[CU].t, &i, (double)at - (i == 0)); /* some end behind t */
    MAKE(&c->w[Y], draw_dtype(), 0, -1, 1, c->b, c->t, c->h, c->f);
    place(c);
}

/* ---- the plain loop -------------------------------------------------------------------------------------- */

static double input_at(const struct scene *c, int64_t b, int64_t t, int64_t h, int64_t i)
{
    return GET(c->op.x, b, t, h, i) * 0.5;
}

static double u_at(const struct scene *c, int64_t b, int64_t t, int64_t h, int64_t j)
{
    double u = c->op.bias.dtype.bits ? GET(c->op.bias, h, j) : 0;
    for (int64_t i = 0; i < c->k; i++) u += GET(c->op.W, h, j, i) * input_at(c, b, t, h, i);
    return u;
}

/* Over a token's u: the largest of sign u, or with `most` the sum of exp(scale u - most). */
static double over_u(const struct scene *c, const int64_t *i, double scale, const double *most)
{
    double found = most ? 0 : -INFINITY;
    for (int64_t j = 0; j < c->m; j++) {
        const double v = scale * u_at(c, i[0], i[1], i[2], j);
        found = most ? found + exp(v - *most) : fmax(found, v);
    }
    return found;
}

static double square_at(const struct scene *c, const int64_t *i)
{
    double s = 0;
    for (int64_t k = 0; k < c->k; k++) s += input_at(c, i[0], i[1], i[2], k) * input_at(c, i[0], i[1], i[2], k);
    return s;
}

static int is_kept(const struct scene *c, int64_t b, int64_t t)
{
    return !c->op.keep.dtype.bits || GET(c->op.keep, b, t) != 0;
}

static double shift_at(const struct scene *c, const int64_t *i, int64_t first, int64_t end)
{
    const int pm = c->op.map == SEGUE_FEATURE_MAP_FAVOR_PM;
    double most = -INFINITY;
    if (c->op.shift_mode == SEGUE_FEATURE_MAP_CONSTANT) return 0.25;
    if (c->op.shift_mode == SEGUE_FEATURE_MAP_ROW) first = i[1], end = first + 1;
    for (int64_t t = first; t < end; t++) {
        const int64_t at[] = { i[0], t, i[2] };
        if (is_kept(c, i[0], t)) most = fmax(most, pm ? square_at(c, at) : over_u(c, at, 1, NULL));
    }
    return most;
}

static double projected_at(const struct scene *c, const int64_t *i, int64_t first, int64_t end)
{
    const int64_t map = c->op.map, j = i[3] % c->m;
    const double sign = i[3] < c->m ? 1 : -1, u = sign * u_at(c, i[0], i[1], i[2], j);
    const double both = map == SEGUE_FEATURE_MAP_HEDGEHOG_B ? 2 : 1;
    if (map == SEGUE_FEATURE_MAP_RFF) return (sign > 0 ? cos(u) : -sin(u)) / sqrt((double)c->m);
    if (map == SEGUE_FEATURE_MAP_GELU) return u * erfc(-u / sqrt(2)) / 2 + c->op.eps;
    if (map == SEGUE_FEATURE_MAP_FAVOR_PLUS)
        return (exp(u - square_at(c, i) / 2 - shift_at(c, i, first, end)) + c->op.eps) / sqrt((double)c->m);
    if (map == SEGUE_FEATURE_MAP_FAVOR_PM)
        return exp(u - square_at(c, i) / 2 - shift_at(c, i, first, end)) / sqrt(2 * (double)c->m);
    double most = over_u(c, i, both * sign, NULL);
    if (both > 1) most = fmax(most, over_u(c, i, -both * sign, NULL));
    const double e = exp(both * u - most), sum = over_u(c, i, both * sign, &most);
    if (map == SEGUE_FEATURE_MAP_EXP) return fmax(c->op.eps, e);
    return both > 1 ? e / (sum + over_u(c, i, -both * sign, &most)) : fmax(c->op.eps, e / sum);
}

static double feature_at(const struct scene *c, const int64_t *i, int64_t first, int64_t end)
{
    const int64_t f = i[3], k = c->k, length = c->op.length ? c->op.length : c->op.position + c->t;
    if (c->m) return projected_at(c, i, first, end);
    if (c->op.map == SEGUE_FEATURE_MAP_TAYLOR2 && f == 0) return 1;
    if (c->op.map == SEGUE_FEATURE_MAP_TAYLOR2 && f > k)
        return input_at(c, i[0], i[1], i[2], (f - 1 - k) / k) * input_at(c, i[0], i[1], i[2], (f - 1 - k) % k) /
               sqrt(2);
    if (c->op.map == SEGUE_FEATURE_MAP_TAYLOR2) return input_at(c, i[0], i[1], i[2], f - 1);
    const double x = input_at(c, i[0], i[1], i[2], f % k);
    const double a = 1.57079632679489662 * (double)(c->op.position + i[1] - first + 1) / (double)length;
    if (c->op.map == SEGUE_FEATURE_MAP_ELU1) return x > 0 ? x + 1 : exp(x);
    if (c->op.map == SEGUE_FEATURE_MAP_RELU) return fmax(x, 0) + c->op.eps;
    if (c->op.map == SEGUE_FEATURE_MAP_COSREW) return fmax(x, 0) * (f < k ? sin(a) : cos(a));
    return x;
}

/* ---- checks ---------------------------------------------------------------------------------------------- */

static void check_token(struct scene *c, const segue_tensor *was, int64_t b, int64_t t, int64_t first,
                        int64_t end)
{
    const uint32_t dtype = segue_dtype_id(c->op.y.dtype);
    for (int64_t h = 0; h < c->h; h++)
        for (int64_t f = 0; f < c->f; f++) {
            const int64_t i[] = { b, t, h, f };
            const double got = get_at(&c->op.y, i);
            if (t < first || t >= end) {
                assert_true(got == get_at(was, i));
                continue;
            }
            const double want = is_kept(c, b, t) ? feature_at(c, i, first, end) : 0;
            const double slack = rounding(dtype, want) + 4e-6 * fabs(want) + 4e-6;
            if (!(fabs(got - want) <= (is_kept(c, b, t) ? slack : 0)))
                fail_msg("map %d, y[%d,%d,%d,%d] is %.9g, wanted %.9g", (int)c->op.map, (int)b, (int)t, (int)h,
                         (int)f, got, want);
        }
}

/* Tokens [first, end) of the sequence that token t is in; first > t: in none. */
static void span_of(const struct scene *c, int64_t t, int64_t *first, int64_t *end)
{
    *first = 0, *end = c->t;
    for (int64_t s = 0; c->op.cu_seqlens.dtype.bits && s < 3; s++) {
        const double from = GET(c->op.cu_seqlens, s), to = GET(c->op.cu_seqlens, s + 1);
        *first = (int64_t)fmin(fmax(from, 0), (double)c->t), *end = (int64_t)fmin(fmax(to, 0), (double)c->t);
        if (t >= *first && t < *end) return;
    }
    if (c->op.cu_seqlens.dtype.bits) *first = *end = c->t;
}

static void against_loops(struct test_device *d, int rounds)
{
    for (int n = 0; n < rounds; n++) {
        struct scene c;
        make_scene(&c);
        for (int i = 0; i < OPERANDS; i++) snapshot(&c.w[i]);
        segue_feature_map bound = c.op;
        bound.x.shape[0] += draw(3), bound.x.shape[1] += draw(200);
        bound.y.shape[0] = bound.x.shape[0], bound.y.shape[1] = bound.x.shape[1];
        run_row(&feature_map_cpu, d, &bound.header, &c.op.header);
        segue_tensor was = c.op.y;
        was.data = c.w[Y].copy;
        for (int64_t b = 0; b < c.b; b++)
            for (int64_t t = 0; t < c.t; t++) {
                int64_t first, end;
                span_of(&c, t, &first, &end);
                check_token(&c, &was, b, t, first, end);
            }
        for (int i = 0; i < OPERANDS; i++) check_outside(&c.w[i], i == Y);
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
            against_loops(&d, 40);
            test_close(&d);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_instruction_set) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
