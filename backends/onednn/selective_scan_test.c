/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The scan's row against a double loop, over random shapes, layouts, dtypes, slots and packed sequences. */
#include "row_testing.h"

extern const segue_row selective_scan_cpu;

enum { U, DELTA, A_, B_, C_, D_, Z, BIAS, CU, SLOT, H_IN, H_OUT, Y, OPERANDS };

struct scene {
    segue_selective_scan op;
    struct watched w[OPERANDS];
    int64_t b, t, d, n, s, p;
    int in_place;
};

static void place(struct scene *c)
{
    put_tensors(&c->op.header, c->w, OPERANDS);
    if (c->in_place) c->op.h_out = c->op.h_in;
}

static int64_t divisor(int64_t d)
{
    int64_t g = 1 + draw((uint32_t)d);
    while (d % g) g--;
    return draw(2) ? g : draw(2) ? d : 1;
}

static void make_sequences(struct scene *c, int packed, int slots)
{
    int64_t s = c->s;
    if (packed) {
        MAKE(&c->w[CU], SEGUE_I32, 0, 0, 1, s + 1);
        for (int64_t i = 0, at = 0; i <= s; i++) {
            int64_t wild = i == s ? (int64_t)draw(3) * 100 : 0; /* beyond the end: clamped */
            set_at(&c->w[CU].t, &i, i == 0 ? -(double)draw(2) : (double)(at + wild));
            at += draw(3) ? draw((uint32_t)(c->t / (s ? s : 1)) + 2) : 0;
            if (at > c->t) at = c->t;
        }
    }
    c->p = slots ? s + draw(4) : s;
    if (!slots) return;
    MAKE(&c->w[SLOT], SEGUE_I32, 0, 0, 1, s, 2);
    for (int64_t i = 0; i < s; i++) {
        int64_t read = draw(4)   ? i
                       : draw(2) ? -1
                                 : c->p + 5,
                write = draw(4) ? i : -3; /* rows of their own: no races */
        set_at(&c->w[SLOT].t, (int64_t[]){ i, 0 }, (double)read);
        set_at(&c->w[SLOT].t, (int64_t[]){ i, 1 }, (double)write);
    }
}

static void make_scene(struct scene *c)
{
    static const int64_t many[] = { 1, 4, 16, 17, 300 };
    uint32_t act = draw_dtype(), weight = draw_dtype(), state = draw(2) ? SEGUE_F32 : draw_dtype();
    int packed = !draw(3), slots = !draw(3), softplus = draw(4) != 0;
    *c = (struct scene){ .op = segue_selective_scan_init(),
                         .b = packed ? 1 : 1 + draw(4),
                         .t = draw(5) ? draw(50) : draw(2) };
    c->n = draw(3) ? 1 + draw(20) : many[draw(5)];
    c->d = c->n > 100 ? 1 + draw(20) : 1 + draw(draw(2) ? 80 : 8);
    c->s = packed ? draw(5) : c->b;
    make_sequences(c, packed, slots);
    c->op.softplus = softplus;
    int64_t g = divisor(c->d), j = divisor(c->d);
    double steep = draw(6) ? -6 : -200; /* some decays leave f32's range */
    MAKE(&c->w[U], act, MAY_REPEAT, -2, 2, c->b, c->t, c->d);
    MAKE(&c->w[DELTA], draw_dtype(), MAY_REPEAT, softplus ? -6 : 0, 2, c->b, c->t, c->d);
    MAKE(&c->w[A_], weight, MAY_REPEAT, steep, 0, c->d, c->n);
    MAKE(&c->w[B_], act, MAY_REPEAT, -1, 1, c->b, c->t, g, c->n);
    MAKE(&c->w[C_], act, MAY_REPEAT, -1, 1, c->b, c->t, j, c->n);
    if (draw(2)) MAKE(&c->w[D_], weight, MAY_REPEAT, -1, 1, c->d);
    if (draw(2)) MAKE(&c->w[Z], act, MAY_REPEAT, -4, 4, c->b, c->t, c->d);
    if (draw(2)) MAKE(&c->w[BIAS], weight, MAY_REPEAT, softplus ? -2 : 0, 1, c->d);
    if (slots || draw(3)) MAKE(&c->w[H_IN], state, 0, -1, 1, c->p, c->d, c->n);
    c->in_place = c->w[H_IN].memory && !draw(3);
    if (!c->in_place && draw(4)) MAKE(&c->w[H_OUT], state, 0, -1, 1, c->p, c->d, c->n);
    MAKE(&c->w[Y], act, 0, -1, 1, c->b, c->t, c->d);
    place(c);
    for (int i = 0; i < OPERANDS; i++) snapshot(&c->w[i]);
}

static void near(double got, double want, double scale, uint32_t dtype, const char *what, int64_t at)
{
    if (!(fabs(got - want) <= 2e-5 * scale + rounding(dtype, want) * 1.01))
        fail_msg("%s at %lld: %.9g, wanted %.9g (scale %g)", what, (long long)at, got, want, scale);
}

static double softplus_of(double x)
{
    return x > 20 ? x : log1p(exp(x));
}

/* One channel of one sequence by the definition; in is h_in as it was. */
static void check_channel(const struct scene *c, const segue_selective_scan *op, const segue_tensor *in,
                          struct segue_sequence q, int64_t d)
{
    double h[512], size[512], y, scale;
    int64_t g = d / (c->d / op->B.shape[2]), j = d / (c->d / op->C.shape[2]);
    for (int64_t n = 0; n < c->n; n++) {
        h[n] = in->dtype.bits && q.read >= 0 ? GET(*in, q.read, d, n) : 0;
        size[n] = fabs(h[n]);
    }
    for (int64_t i = q.first; i < q.first + q.length; i++) {
        double delta = GET(op->delta, q.batch, i, d) + (op->delta_bias.dtype.bits ? GET(op->delta_bias, d) : 0);
        double u = GET(op->u, q.batch, i, d);
        if (op->softplus) delta = softplus_of(delta);
        y = scale = 0;
        for (int64_t n = 0; n < c->n; n++) {
            double decay = exp(delta * GET(op->A, d, n)), b = GET(op->B, q.batch, i, g, n),
                   cc = GET(op->C, q.batch, i, j, n);
            h[n] = decay * h[n] + delta * u * b;
            size[n] = decay * size[n] + fabs(delta * u * b);
            y += cc * h[n];
            scale += fabs(cc) * size[n];
        }
        if (op->D.dtype.bits) y += GET(op->D, d) * u, scale += fabs(GET(op->D, d) * u);
        double gate = op->z.dtype.bits ? GET(op->z, q.batch, i, d) : 0,
               factor = op->z.dtype.bits ? gate / (1 + exp(-gate)) : 1;
        if (q.padding) factor = scale = 0;
        near(GET(op->y, q.batch, i, d), y * factor, scale * fabs(factor), segue_dtype_id(op->y.dtype), "y", i);
    }
    for (int64_t n = 0; op->h_out.dtype.bits && q.write >= 0 && n < c->n; n++)
        near(GET(op->h_out, q.write, d, n), h[n], size[n], segue_dtype_id(op->h_out.dtype), "h_out", n);
}

static void check_scene(const struct scene *c)
{
    segue_tensor in = c->op.h_in;
    struct segue_sequences all = { &c->op.cu_seqlens, &c->op.slot, c->s, c->t, c->p };
    in.data = c->w[H_IN].copy;
    char *covered = calloc(1, (size_t)(c->b * c->t) + 1);
    for (int64_t s = 0; s < c->s; s++) {
        struct segue_sequence q = segue_sequence_at(&all, s);
        for (int64_t i = 0; i < q.length; i++) covered[q.batch * c->t + q.first + i] = 1;
        for (int64_t d = 0; d < c->d; d++) check_channel(c, &c->op, &in, q, d);
    }
    segue_tensor before = c->op.y;
    before.data = c->w[Y].copy;
    for (int64_t i = 0; i < c->b * c->t * c->d; i++) {
        int64_t at[] = { i / c->d / c->t, i / c->d % c->t, i % c->d };
        if (!covered[at[0] * c->t + at[1]])
            assert_memory_equal(element(&c->op.y, at), element(&before, at), c->op.y.dtype.bits / 8);
    }
    free(covered);
    for (int i = 0; i < OPERANDS; i++)
        check_outside(&c->w[i], i == Y || i == H_OUT || (c->in_place && i == H_IN));
}

static void against_the_definition(void **state)
{
    static const uint32_t threads[] = { 1, 2, 5, 0 };
    (void)state;
    for (int round = 0; round < 250; round++) {
        struct scene c;
        seed = 1000 + (uint64_t)round;
        make_scene(&c);
        segue_selective_scan bound = c.op;
        bound.u.shape[1] += draw(40);
        for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++) {
            char *y = NULL;
            for (int k = 0; k < 4; k++) {
                struct test_device d;
                if (!test_open(&d, isa, threads[k])) continue;
                for (int i = 0; i < OPERANDS; i++) restore(&c.w[i]);
                run_row(&selective_scan_cpu, &d, &bound.header, &c.op.header);
                check_scene(&c);
                if (!y) y = memcpy(malloc(c.w[Y].size), c.w[Y].memory, c.w[Y].size);
                assert_memory_equal(y, c.w[Y].memory, c.w[Y].size); /* whatever the threads */
                test_close(&d);
            }
            free(y);
        }
        for (int i = 0; i < OPERANDS; i++) drop(&c.w[i]);
    }
}

/* A plan's workspace is enough whatever strides a run's states have, and for fewer tokens. */
static void workspace_is_for_any_run(void **state)
{
    static const struct {
        int64_t n, t;
        int turned; /* states with channels side by side */
    } plans[] = { { 24, 1, 1 }, { 520, 2, 0 }, { 1030, 2, 0 }, { 2060, 2, 0 } };
    enum { D = 64 };
    (void)state;
    for (int i = 0; i < 4 * SEGUE_ISA_COUNT; i++) {
        const int64_t n = plans[i % 4].n;
        segue_selective_scan op = segue_selective_scan_init(), run;
        segue_kit_plan planned = { 0 }, used = { 0 };
        struct test_device d;
        if (!test_open(&d, i / 4, 1)) continue;
        op.u = op.delta = op.y = segue_tensor_of(NULL, SEGUE_F32, 3, (int64_t[]){ 1, plans[i % 4].t, D });
        op.A = segue_tensor_of(NULL, SEGUE_F32, 2, (int64_t[]){ D, n });
        op.B = segue_tensor_of(NULL, SEGUE_F32, 4, (int64_t[]){ 1, plans[i % 4].t, D, n });
        op.C = segue_tensor_of(NULL, SEGUE_F32, 4, (int64_t[]){ 1, plans[i % 4].t, 1, n });
        op.h_in = op.h_out = segue_tensor_of(NULL, SEGUE_F32, 3, (int64_t[]){ 1, D, n });
        run = op;
        run.u.shape[1] = run.delta.shape[1] = run.y.shape[1] = run.B.shape[1] = run.C.shape[1] = 1;
        if (plans[i % 4].turned)
            op.h_in.stride[1] = op.h_out.stride[1] = 1, op.h_in.stride[2] = op.h_out.stride[2] = D;
        assert_int_equal(selective_scan_cpu.prepare(&op.header, &d.kit, &planned, NULL), SEGUE_OK);
        assert_int_equal(selective_scan_cpu.prepare(&run.header, &d.kit, &used, NULL), SEGUE_OK);
        if (used.workspace_bytes > planned.workspace_bytes)
            fail_msg("n %lld: a run takes %llu bytes of %llu", (long long)n,
                     (unsigned long long)used.workspace_bytes, (unsigned long long)planned.workspace_bytes);
        test_close(&d);
    }
}

/* f32, with axis first contiguous and the next row pad elements behind its end. */
static void lay(struct watched *w, int rank, const int64_t *shape, int first, int64_t pad)
{
    int64_t extent = shape[first] + pad;
    w->t = segue_tensor_of(NULL, SEGUE_F32, rank, shape);
    w->t.stride[first] = 1;
    for (int k = rank - 1; k >= 0; k--) {
        if (k == first) continue;
        w->t.stride[k] = extent;
        extent *= shape[k];
    }
    w->size = (size_t)extent * 4 + 2 * GUARD;
    w->memory = malloc(w->size);
    w->copy = malloc(w->size);
    w->owned = calloc(1, w->size);
    memset(w->memory, CANARY, w->size);
    w->t.data = w->memory;
    w->t.offset = GUARD;
    w->t.bytes = w->size;
    each(&w->t, own, w);
    each(&w->t, set_range, (double[]){ -1, 1 });
}

/* Bits, but any NaN is as good as another. */
static void check_same(const struct watched *w, const char *before)
{
    struct watched was = *w;
    int64_t i[SEGUE_MAX_RANK] = { 0 }, count = 1;
    was.t.data = (char *)(uintptr_t)before;
    for (int k = 0; k < w->t.rank; k++) count *= w->t.shape[k];
    for (int64_t n = 0; n < count; n++) {
        double x = get_at(&w->t, i), y = get_at(&was.t, i);
        if (!(isnan(x) && isnan(y)) && memcmp(&x, &y, sizeof x))
            fail_msg("element %lld: %.9g, by one call %.9g", (long long)n, x, y);
        for (int k = w->t.rank - 1; k >= 0 && ++i[k] == w->t.shape[k]; k--) i[k] = 0;
    }
}

/* Sequences in other rows of the pool than their own; kind odd: A and h as one token's kernel wants them. */
static void make_steps(struct scene *c, int64_t n, int64_t d, int kind)
{
    const int64_t t = c->t;
    c->op = segue_selective_scan_init();
    c->op.softplus = kind % 3 != 0;
    c->n = n;
    c->d = d;
    MAKE(&c->w[U], SEGUE_F16, 0, -2, 2, 2, t, d);
    MAKE(&c->w[DELTA], SEGUE_F32, 0, c->op.softplus ? -6 : 0, 2, 2, t, d);
    MAKE(&c->w[B_], SEGUE_F16, 0, -1, 1, 2, t, divisor(d), n);
    MAKE(&c->w[C_], SEGUE_F16, 0, -1, 1, 2, t, divisor(d), n);
    MAKE(&c->w[Z], SEGUE_F16, 0, -4, 4, 2, t, d);
    MAKE(&c->w[Y], SEGUE_F32, 0, -1, 1, 2, t, d);
    lay(&c->w[A_], 2, (int64_t[]){ d, n }, kind & 1, kind & 2 ? 3 : 0);
    lay(&c->w[H_IN], 3, (int64_t[]){ 4, d, n }, kind & 1 ? 2 : 1, kind & 4 ? 5 : 0);
    if (kind & 8) {
        static const double rows[] = { 3, 3, 0, 0 };
        MAKE(&c->w[SLOT], SEGUE_I32, 0, 0, 1, 2, 2);
        for (int64_t i = 0; i < 4; i++) set_at(&c->w[SLOT].t, (int64_t[]){ i / 2, i % 2 }, rows[i]);
    } else {
        c->w[H_IN].t.shape[0] = 2;
    }
    if (kind % 5 == 0) {
        static const double odd[] = { -300, 140, NAN, -INFINITY, INFINITY };
        for (int i = 0; i < 5; i++)
            set_at(i < 4 ? &c->w[A_].t : &c->w[DELTA].t,
                   (int64_t[]){ draw(i < 4 ? (uint32_t)d : 2), i < 4 ? draw((uint32_t)n) : draw((uint32_t)t),
                                draw((uint32_t)d) },
                   odd[i]);
    }
    c->in_place = 1;
    place(c);
}

/* Token by token with the state in place gives the bits of one call. */
static void steps_equal_prefill(void **state)
{
    static const int64_t ns[] = { 1, 2, 8, 15, 16, 17, 21, 40, 64 }, ds[] = { 1, 15, 16, 17, 33, 41 };
    (void)state;
    for (int round = 0; round < 9 * 6 * 16 * SEGUE_ISA_COUNT; round++) {
        struct test_device d;
        struct scene c = { .b = 2, .t = 3, .s = 2, .p = 4 };
        seed = 7 + (uint64_t)round;
        if (!test_open(&d, round % SEGUE_ISA_COUNT, 2)) continue;
        make_steps(&c, ns[round / SEGUE_ISA_COUNT % 9], ds[round / SEGUE_ISA_COUNT / 9 % 6],
                   round / SEGUE_ISA_COUNT / 54);
        snapshot(&c.w[H_IN]);
        run_row(&selective_scan_cpu, &d, &c.op.header, &c.op.header);
        char *y = memcpy(malloc(c.w[Y].size), c.w[Y].memory, c.w[Y].size),
             *h = memcpy(malloc(c.w[H_IN].size), c.w[H_IN].memory, c.w[H_IN].size);
        restore(&c.w[H_IN]);
        for (int64_t i = 0; i < c.t; i++) {
            segue_selective_scan one = c.op;
            segue_tensor *const tokens[] = { &one.u, &one.delta, &one.B, &one.C, &one.z, &one.y };
            for (int k = 0; k < 6; k++) *tokens[k] = segue_tensor_slice(*tokens[k], 1, i, 1);
            run_row(&selective_scan_cpu, &d, &one.header, &one.header);
        }
        check_same(&c.w[Y], y);
        check_same(&c.w[H_IN], h);
        check_outside(&c.w[H_IN], 1);
        free(y);
        free(h);
        for (int i = 0; i < OPERANDS; i++) drop(&c.w[i]);
        test_close(&d);
    }
}

/* One token reads A and h where they are if states are contiguous there; the first token of two goes through
 * scratch. Both give the same bits, and nothing beside the elements is written, with h_in and h_out or
 * without. */
static void straight_from_tensors(void **state)
{
    static const int64_t ns[] = { 1, 15, 16, 17, 40 }, ds[] = { 1, 16, 33 };
    (void)state;
    seed = 11;
    for (int round = 0; round < 3 * 5 * 3 * 16; round++) {
        int64_t n = ns[round / 3 % 5], d = ds[round / 15 % 3];
        int isa = round % 3, layout = round / 45, has_in = layout != 12 && layout != 13, has_out = layout != 14;
        struct test_device dev;
        struct scene c = { .op = segue_selective_scan_init(), .b = 2, .t = 2, .d = d, .n = n, .s = 2, .p = 2 };
        if (!test_open(&dev, isa, 2)) continue;
        MAKE(&c.w[U], SEGUE_F32, 0, -2, 2, 2, 2, d);
        MAKE(&c.w[DELTA], SEGUE_F32, 0, -6, 2, 2, 2, d);
        MAKE(&c.w[B_], SEGUE_F32, 0, -1, 1, 2, 2, 1, n);
        MAKE(&c.w[C_], SEGUE_F32, 0, -1, 1, 2, 2, 1, n);
        MAKE(&c.w[Y], SEGUE_F32, 0, -1, 1, 2, 2, d);
        lay(&c.w[A_], 2, (int64_t[]){ d, n }, layout & 1, layout & 8 ? 3 : 0);
        if (layout % 5 == 0)
            set_at(&c.w[A_].t, (int64_t[]){ d / 2, n / 2 }, -300); /* the form for any exponent */
        if (has_in) lay(&c.w[H_IN], 3, (int64_t[]){ 2, d, n }, layout & 2 ? 1 : 2, layout & 8 ? 3 : 0);
        if (has_out) lay(&c.w[H_OUT], 3, (int64_t[]){ 2, d, n }, layout & 4 ? 1 : 2, 0);
        place(&c);
        for (int i = 0; i < OPERANDS; i++) snapshot(&c.w[i]);
        run_row(&selective_scan_cpu, &dev, &c.op.header, &c.op.header);
        float *y = malloc((size_t)(2 * d) * sizeof *y);
        for (int64_t i = 0; i < 2 * d; i++) y[i] = (float)GET(c.op.y, i / d, 0, i % d);
        for (int i = 0; i < OPERANDS; i++) restore(&c.w[i]);
        segue_selective_scan one = c.op;
        segue_tensor *const tokens[] = { &one.u, &one.delta, &one.B, &one.C, &one.y };
        for (int k = 0; k < 5; k++) *tokens[k] = segue_tensor_slice(*tokens[k], 1, 0, 1);
        run_row(&selective_scan_cpu, &dev, &one.header, &one.header);
        for (int64_t i = 0; i < 2 * d; i++) assert_true(y[i] == (float)GET(c.op.y, i / d, 0, i % d));
        c.op = one;
        c.t = 1;
        check_scene(&c);
        free(y);
        for (int i = 0; i < OPERANDS; i++) drop(&c.w[i]);
        test_close(&dev);
    }
}

/* [2 1 d], channels step elements apart. */
static void lay_token(struct watched *w, uint32_t dtype, int64_t d, int64_t step, double low, double high)
{
    w->t = segue_tensor_of(NULL, dtype, 3, (int64_t[]){ 2, 1, d });
    w->t.stride[2] = step;
    w->t.stride[0] = w->t.stride[1] = d * step;
    w->size = (size_t)(2 * d * step) * w->t.dtype.bits / 8 + 2 * GUARD;
    w->memory = malloc(w->size);
    w->copy = malloc(w->size);
    w->owned = calloc(1, w->size);
    memset(w->memory, CANARY, w->size);
    w->t.data = w->memory;
    w->t.offset = GUARD;
    w->t.bytes = w->size;
    each(&w->t, own, w);
    each(&w->t, set_range, (double[]){ low, high });
}

/* kind: what there is of D and z; whether delta is f32. Values do not depend on step. */
static void make_token(struct scene *c, uint32_t dtype, int kind, int64_t d, int64_t step)
{
    seed = 5;
    *c = (struct scene){
        .op = segue_selective_scan_init(), .b = 2, .t = 1, .d = d, .n = 16, .s = 2, .p = 2, .in_place = 1
    };
    lay_token(&c->w[U], dtype, d, step, -2, 2);
    lay_token(&c->w[DELTA], kind & 4 ? SEGUE_F32 : dtype, d, step, -6, 2);
    if (kind & 1) MAKE(&c->w[D_], SEGUE_F32, 0, -1, 1, d);
    if (kind & 2) lay_token(&c->w[Z], dtype, d, step, -4, 4);
    lay_token(&c->w[Y], dtype, d, step, -1, 1);
    lay(&c->w[A_], 2, (int64_t[]){ d, 16 }, 1, 0);
    lay(&c->w[H_IN], 3, (int64_t[]){ 2, d, 16 }, 2, 0);
    MAKE(&c->w[B_], dtype, 0, -1, 1, 2, 1, 1, 16);
    MAKE(&c->w[C_], dtype, 0, -1, 1, 2, 1, 1, 16);
    place(c);
    for (int i = 0; i < OPERANDS; i++) snapshot(&c->w[i]);
}

/* One token's rows are read and written where they are if channels lie side by side, through scratch if they do
 * not: with the same bits, and nothing beside the elements is written. */
static void one_token_where_it_is(void **state)
{
    static const uint32_t dtypes[] = { SEGUE_F32, SEGUE_F16, SEGUE_BF16 };
    static const int64_t ds[] = { 16, 33, 64 };
    (void)state;
    for (int round = 0; round < SEGUE_ISA_COUNT * 3 * 8 * 3; round++) {
        const uint32_t dtype = dtypes[round / 3 % 3];
        struct test_device d;
        struct scene c[2];
        if (!test_open(&d, round % 3, 2)) continue;
        for (int k = 0; k < 2; k++) {
            make_token(&c[k], dtype, round / 9 % 8, ds[round / 72], k + 1);
            run_row(&selective_scan_cpu, &d, &c[k].op.header, &c[k].op.header);
            check_scene(&c[k]);
        }
        for (int64_t i = 0; i < 2 * c->d; i++) {
            const int64_t at[] = { i / c->d, 0, i % c->d };
            assert_memory_equal(element(&c[0].op.y, at), element(&c[1].op.y, at), c->op.y.dtype.bits / 8);
        }
        for (int k = 0; k < 2; k++)
            for (int i = 0; i < OPERANDS; i++) drop(&c[k].w[i]);
        test_close(&d);
    }
}

/* A NaN reaches its own channel from its own token on, and nothing else. */
static void nan_stays_in_its_future(void **state)
{
    (void)state;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++) {
        struct test_device d;
        struct scene c = {
            .op = segue_selective_scan_init(), .b = 1, .t = 40, .d = 19, .n = 16, .s = 1, .p = 1
        };
        if (!test_open(&d, isa, 1)) continue;
        MAKE(&c.w[U], SEGUE_F32, 0, -2, 2, 1, 40, 19);
        MAKE(&c.w[DELTA], SEGUE_F32, 0, -6, 2, 1, 40, 19);
        MAKE(&c.w[A_], SEGUE_F32, 0, -6, 0, 19, 16);
        MAKE(&c.w[B_], SEGUE_F32, 0, -1, 1, 1, 40, 1, 16);
        MAKE(&c.w[C_], SEGUE_F32, 0, -1, 1, 1, 40, 1, 16);
        MAKE(&c.w[Y], SEGUE_F32, 0, -1, 1, 1, 40, 19);
        set_at(&c.w[DELTA].t, (int64_t[]){ 0, 23, 17 }, NAN);
        place(&c);
        run_row(&selective_scan_cpu, &d, &c.op.header, &c.op.header);
        for (int64_t i = 0; i < 40; i++)
            for (int64_t k = 0; k < 19; k++)
                assert_int_equal(isnan(GET(c.op.y, 0, i, k)) != 0, k == 17 && i >= 23);
        for (int i = 0; i < OPERANDS; i++) drop(&c.w[i]);
        test_close(&d);
    }
}

/* A positive A whose growth overflows f32: a state of 0 stays 0 times whatever, others grow to infinity. */
static void growth_overflows(void **state)
{
    (void)state;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++) {
        struct test_device d;
        struct scene c = { .op = segue_selective_scan_init() };
        if (!test_open(&d, isa, 1)) continue;
        c.op.softplus = 0;
        MAKE(&c.w[U], SEGUE_F32, 0, 1, 2, 1, 2, 19);
        MAKE(&c.w[DELTA], SEGUE_F32, 0, 5, 6, 1, 2, 19);
        MAKE(&c.w[A_], SEGUE_F32, 0, 50, 60, 19, 5);
        MAKE(&c.w[B_], SEGUE_F32, 0, 1, 2, 1, 2, 1, 5);
        MAKE(&c.w[C_], SEGUE_F32, 0, 1, 2, 1, 2, 1, 5);
        MAKE(&c.w[Y], SEGUE_F32, 0, -1, 1, 1, 2, 19);
        place(&c);
        run_row(&selective_scan_cpu, &d, &c.op.header, &c.op.header);
        for (int64_t k = 0; k < 19; k++) {
            double want = 0;
            for (int64_t n = 0; n < 5; n++)
                want += GET(c.op.C, 0, 0, 0, n) * GET(c.op.delta, 0, 0, k) * GET(c.op.u, 0, 0, k) *
                        GET(c.op.B, 0, 0, 0, n);
            near(GET(c.op.y, 0, 0, k), want, want, SEGUE_F32, "y", k);
            assert_true(GET(c.op.y, 0, 1, k) == (double)INFINITY);
            for (int64_t n = 0; n < 5; n++) set_at(&c.op.A, (int64_t[]){ k, n }, -3.4e38);
            set_at(&c.op.delta, (int64_t[]){ 0, 1, k }, 0); /* nothing decays, nothing is added */
        }
        run_row(&selective_scan_cpu, &d, &c.op.header, &c.op.header);
        for (int64_t k = 0; k < 19; k++) assert_true(isfinite(GET(c.op.y, 0, 1, k)));
        for (int i = 0; i < OPERANDS; i++) drop(&c.w[i]);
        test_close(&d);
    }
}

static void refuses_f64(void **state)
{
    (void)state;
    segue_selective_scan op = segue_selective_scan_init();
    op.A.dtype = segue_dtype_of(SEGUE_F64);
    assert_string_equal(selective_scan_cpu.accepts(&op.header, NULL),
                        "A: f64 is offered by the reference only");
    op.A.dtype = segue_dtype_of(SEGUE_BF16);
    op.h_out.dtype = segue_dtype_of(SEGUE_F64);
    assert_string_equal(selective_scan_cpu.accepts(&op.header, NULL),
                        "h_out: f64 is offered by the reference only");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_the_definition), cmocka_unit_test(workspace_is_for_any_run),
        cmocka_unit_test(steps_equal_prefill),    cmocka_unit_test(straight_from_tensors),
        cmocka_unit_test(one_token_where_it_is),  cmocka_unit_test(nan_stays_in_its_future),
        cmocka_unit_test(growth_overflows),       cmocka_unit_test(refuses_f64)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
