/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of ode_cell against plain loops in double, over random cells, options, layouts, dtypes and sequences; what their bits may
 * not depend on; synapses that do not exist, and arguments far out. */
#include "ode_cell_testing.h"

extern const segue_row ode_cell_ltc_cpu, ode_cell_cfc_cpu;

static const segue_row *row_of(const struct scene *c)
{
    return is_ltc(c) ? &ode_cell_ltc_cpu : &ode_cell_cfc_cpu;
}

/* ---- comparison ------------------------------------------------------------------------------------------ */

/* Whatever dtypes the operands have, arithmetic is f32: roundings of 64 steps and their sums. */
static void compare(const struct scene *c, const char *name, const segue_tensor *t, const int64_t *i,
                    double want)
{
    const double got = get_at(t, i), slack = rounding(segue_dtype_id(t->dtype), want) + 6e-5 * (1 + fabs(want));
    if (!(fabs(got - want) <= slack))
        fail_msg("cell %d, n %d, d %d, %s[%d,%d,%d] is %.9g, wanted %.9g", (int)c->op.cell, (int)c->n,
                 (int)c->d, name, (int)i[0], (int)i[1], t->rank > 2 ? (int)i[2] : 0, got, want);
}

struct span {
    int64_t b, first, last, read, write;
};

static struct span span_of(const struct scene *c, int64_t s)
{
    struct span q = { .b = s, .last = c->t, .read = s, .write = s };
    if (c->packed) {
        q.b = 0, q.first = clamp((int64_t)GET(c->op.cu_seqlens, s), 0, c->t);
        q.last = clamp((int64_t)GET(c->op.cu_seqlens, s + 1), q.first, c->t);
    }
    if (c->op.lengths.dtype.bits) q.last = clamp((int64_t)GET(c->op.lengths, s), 0, c->t);
    if (c->pooled) q.read = (int64_t)GET(c->op.slot, s, 0), q.write = (int64_t)GET(c->op.slot, s, 1);
    return q;
}

static void check_token(const struct scene *c, int64_t b, int64_t t, const double *h)
{
    const segue_ode_cell *op = &c->op;
    for (int64_t i = 0; i < c->f; i++) {
        const double w = op->output_w.dtype.bits ? GET(op->output_w, i) : 1;
        const double bias = op->output_b.dtype.bits ? GET(op->output_b, i) : 0;
        compare(c, "y", &op->y, (const int64_t[]){ b, t, i }, h ? w * h[i] + bias : 0);
    }
    for (int64_t i = 0; op->h.dtype.bits && i < c->n; i++)
        compare(c, "h", &op->h, (const int64_t[]){ b, t, i }, h ? h[i] : 0);
}

/* was: h_in before the run, which may have written over it. wrote: marks tokens and state rows that are written. */
static void check_sequence(const struct scene *c, int64_t s, const segue_tensor *was, char *wrote)
{
    const struct span q = span_of(c, s);
    const int padding = c->pooled && q.read < 0 && q.write < 0;
    double h[MOST] = { 0 };
    for (int64_t i = 0; was->dtype.bits && q.read >= 0 && i < c->n; i++) h[i] = GET(*was, q.read, i);
    for (int64_t t = q.first; t < q.last; t++) {
        const double D = c->op.elapsed.dtype.bits ? GET(c->op.elapsed, q.b, t) : 1;
        if (!padding && is_ltc(c)) step_ltc(c, q.b, t, D, h);
        else if (!padding) step_cfc(c, q.b, t, D, h);
        check_token(c, q.b, t, padding ? NULL : h);
        wrote[c->p + q.b * c->t + t] = 1;
    }
    if (q.write < 0 || !c->op.h_out.dtype.bits) return;
    wrote[q.write] = 1;
    for (int64_t i = 0; i < c->n; i++) compare(c, "h_out", &c->op.h_out, (const int64_t[]){ q.write, i }, h[i]);
}

static void check_untouched(const struct scene *c, const char *wrote)
{
    const segue_ode_cell *op = &c->op;
    for (int64_t p = 0; op->h_out.dtype.bits && op->h_out.data != op->h_in.data && p < c->p; p++)
        for (int64_t i = 0; !wrote[p] && i < c->n; i++)
            if (GET(op->h_out, p, i) != 7) fail_msg("state row %d was written", (int)p);
    for (int64_t k = 0; k < c->b * c->t; k++)
        for (int64_t i = 0; !wrote[c->p + k] && i < c->f; i++)
            if (GET(op->y, k / c->t, k % c->t, i) != 7) fail_msg("token %d was written", (int)k);
}

/* The same with more rows, tokens and states: the plan's bounds. */
static segue_ode_cell bound_of(const struct scene *c)
{
    segue_ode_cell bound = c->op;
    segue_tensor *const tokens[] = { &bound.x, &bound.elapsed, &bound.y, &bound.h };
    const int64_t more_b = c->packed ? 0 : draw(3), more_t = draw(20), more_s = c->packed ? draw(3) : more_b;
    for (int i = 0; i < 4; i++)
        if (tokens[i]->dtype.bits) tokens[i]->shape[0] += more_b, tokens[i]->shape[1] += more_t;
    bound.lengths.shape[0] += more_b, bound.cu_seqlens.shape[0] += more_s, bound.slot.shape[0] += more_s;
    bound.h_in.shape[0] += more_s, bound.h_out.shape[0] += more_s;
    return bound;
}

static void against_loops(struct test_device *d, int64_t cell)
{
    struct scene c;
    struct watched before = { 0 };
    make_scene(&c, cell);
    segue_tensor was = c.op.h_in;
    if (was.dtype.bits && !draw(2)) { /* in place */
        before = c.w[AT(h_in)];
        before.memory = malloc(before.size);
        memcpy(before.memory, c.w[AT(h_in)].memory, before.size);
        was.data = before.memory;
        c.op.h_out = c.op.h_in;
    }
    for (int i = 0; i < OPERANDS; i++) snapshot(&c.w[i]);
    const segue_ode_cell bound = bound_of(&c);
    run_row(row_of(&c), d, &bound.header, &c.op.header);
    char *wrote = calloc(1, (size_t)(c.p + c.b * c.t));
    for (int64_t s = 0; s < c.s; s++) check_sequence(&c, s, &was, wrote);
    check_untouched(&c, wrote);
    for (size_t i = 0; i < OPERANDS; i++)
        check_outside(&c.w[i], i == AT(y) || i == AT(h) || i == AT(h_out) || (i == AT(h_in) && before.memory));
    free(wrote), free(before.memory);
    drop_scene(&c);
}

static void every_instruction_set(void **state)
{
    (void)state;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++)
        for (uint32_t threads = 0; threads < 4; threads++) {
            struct test_device d;
            if (!test_open(&d, isa, threads)) continue;
            for (int n = 0; n < 160; n++) against_loops(&d, n % 4);
            test_close(&d);
        }
}

/* ---- bits ------------------------------------------------------------------------------------------------ */

struct run { /* what a call left */
    double y[1200], h_out[800];
};

static void run_plain(const struct scene *c, struct test_device *d, const segue_ode_cell *op, struct run *r)
{
    run_row(row_of(c), d, &op->header, &op->header);
    for (int64_t k = 0, at = 0; k < op->y.shape[0] * op->y.shape[1]; k++)
        for (int64_t i = 0; i < c->f; i++, at++)
            r->y[at] = GET(op->y, k / op->y.shape[1], k % op->y.shape[1], i);
    for (int64_t k = 0, at = 0; k < op->h_out.shape[0]; k++)
        for (int64_t i = 0; i < c->n; i++, at++) r->h_out[at] = GET(op->h_out, k, i);
}

/* A call with neither slots nor lengths, f32 states, of at most 9 rows and 9 tokens, 10 neurons. */
static void make_simple(struct scene *c, int64_t cell)
{
    do {
        make_scene(c, cell);
        if (!c->packed && !c->pooled && !c->op.lengths.dtype.bits && c->b * c->t * c->f <= 1200 && c->t > 1 &&
            c->p * c->n <= 800 && segue_dtype_id(c->op.h_in.dtype) == SEGUE_F32 && c->op.h_out.dtype.bits)
            return;
        drop_scene(c);
    } while (1);
}

static segue_ode_cell part_of(const segue_ode_cell *op, int axis, int64_t first, int64_t count)
{
    segue_ode_cell part = *op;
    segue_tensor *const all[] = { &part.x, &part.elapsed, &part.y, &part.h, &part.h_in, &part.h_out };
    for (int i = 0; i < (axis ? 4 : 6); i++) {
        if (!all[i]->dtype.bits) continue;
        all[i]->offset += (uint64_t)(first * all[i]->stride[axis] * (all[i]->dtype.bits / 8));
        all[i]->shape[axis] = count;
    }
    return part;
}

/* Step by step, row by row, with other threads: the same bits. */
static void same_bits(struct test_device *d, struct test_device *other, int64_t cell)
{
    static struct run whole, again, single;
    struct scene c;
    make_simple(&c, cell);
    const segue_ode_cell op = c.op;
    run_plain(&c, d, &op, &whole);
    run_plain(&c, other, &op, &again);
    assert_memory_equal(&whole, &again, sizeof whole);
    for (int64_t b = 0; b < c.b; b++) {
        const segue_ode_cell part = part_of(&op, 0, b, 1);
        run_plain(&c, d, &part, &single);
        assert_memory_equal(whole.y + b * c.t * c.f, single.y, (size_t)(c.t * c.f) * sizeof(double));
        assert_memory_equal(whole.h_out + b * c.n, single.h_out, (size_t)c.n * sizeof(double));
    }
    for (int64_t t = 0; t < c.t; t++) {
        segue_ode_cell part = part_of(&op, 1, t, 1);
        if (t) part.h_in = part.h_out;
        run_plain(&c, d, &part, &single);
        for (int64_t b = 0; b < c.b; b++)
            assert_memory_equal(whole.y + (b * c.t + t) * c.f, single.y + b * c.f,
                                (size_t)c.f * sizeof(double));
    }
    assert_memory_equal(whole.h_out, single.h_out, (size_t)(c.b * c.n) * sizeof(double));
    drop_scene(&c);
}

static void bits_depend_on_the_row_alone(void **state)
{
    (void)state;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++) {
        struct test_device one, three;
        if (!test_open(&one, isa, 1)) continue;
        assert_true(test_open(&three, isa, 3));
        for (int n = 0; n < 60; n++) same_bits(&one, &three, n % 4);
        test_close(&one), test_close(&three);
    }
}

/* ---- LTC far out ----------------------------------------------------------------------------------------- */

static void each_isa(void (*f)(struct test_device *d))
{
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++) {
        struct test_device d;
        if (!test_open(&d, isa, 2)) continue;
        f(&d);
        test_close(&d);
    }
}

/* Whether every synapse can have a slope and a midpoint of its own, in f32. */
static int holds_extremes(const segue_ode_cell *op)
{
    const segue_tensor *const both[] = { &op->sigma, &op->mu };
    int holds = op->y.shape[1] > 0;
    for (int i = 0; i < 2; i++)
        holds =
            holds && segue_dtype_id(both[i]->dtype) == SEGUE_F32 && both[i]->stride[0] && both[i]->stride[1];
    return holds;
}

/* Arguments up to infinity: each synapse is open, shut or half open. */
static void extreme_slopes(struct test_device *d)
{
    static const double slopes[] = { 1e4, -1e4, 150, -150, 1e30, -3e38, 0, 1e-30 };
    for (int n = 0; n < 400; n++) {
        struct scene c;
        make_scene(&c, SEGUE_ODE_CELL_LTC);
        if (!holds_extremes(&c.op)) {
            drop_scene(&c);
            continue;
        }
        for (int64_t k = 0; k < c.n * c.n; k++) {
            const int64_t at[] = { k / c.n, k % c.n };
            set_at(&c.op.sigma, at, slopes[draw(8)]), set_at(&c.op.mu, at, draw(2) ? 3 : draw(2) ? -3e4 : 3e38);
        }
        for (int i = 0; i < OPERANDS; i++) snapshot(&c.w[i]);
        run_row(row_of(&c), d, &c.op.header, &c.op.header);
        char *wrote = calloc(1, (size_t)(c.p + c.b * c.t));
        for (int64_t s = 0; s < c.s; s++) check_sequence(&c, s, &c.op.h_in, wrote);
        free(wrote);
        drop_scene(&c);
    }
}

static void extreme_slopes_saturate(void **state)
{
    (void)state;
    each_isa(extreme_slopes);
}

/* Neuron i hears from i - 1 alone; what is not listed is NaN, and so is the first state. */
static void chain(struct test_device *d)
{
    enum { N = 21, T = 3 };
    float row[N], square[N * N], out[T * N], state[2 * N], x[T], sensory[N];
    int32_t ptr[N + 1], src[N];
    segue_ode_cell op = segue_ode_cell_init();
    for (int i = 0; i < N; i++)
        row[i] = 0.5f, src[i] = i - 1, ptr[i] = i, state[i] = i ? 0.25f : NAN, sensory[i] = 0.5f;
    for (int i = 0; i < N * N; i++) square[i] = i % N == i / N + 1 ? 0.5f : NAN;
    for (int i = 0; i < T; i++) x[i] = 0.25f;
    ptr[N] = N;
    op.x = segue_tensor_of(x, SEGUE_F32, 3, (const int64_t[]){ 1, T, 1 });
    op.h_in = segue_tensor_of(state, SEGUE_F32, 2, (const int64_t[]){ 1, N });
    op.h_out = segue_tensor_of(state + N, SEGUE_F32, 2, (const int64_t[]){ 1, N });
    op.y = segue_tensor_of(out, SEGUE_F32, 3, (const int64_t[]){ 1, T, N });
    op.gleak = op.vleak = op.cm = segue_tensor_of(row, SEGUE_F32, 1, (const int64_t[]){ N });
    op.sigma = op.mu = op.w = op.E = segue_tensor_of(square, SEGUE_F32, 2, (const int64_t[]){ N, N });
    op.sensory_sigma = op.sensory_mu = op.sensory_w = op.sensory_E =
        segue_tensor_of(sensory, SEGUE_F32, 2, (const int64_t[]){ 1, N });
    op.synapse_ptr = segue_tensor_of(ptr, SEGUE_I32, 1, (const int64_t[]){ N + 1 });
    op.synapse_src = segue_tensor_of(src, SEGUE_I32, 1, (const int64_t[]){ N });
    op.unfolds = 2;
    run_row(&ode_cell_ltc_cpu, d, &op.header, &op.header);
    for (int i = 0; i < T * N; i++)
        if (isnan(out[i]) != (i % N <= 2 * (i / N + 1)))
            fail_msg("neuron %d at step %d is %g, where NaN has gone %d neurons far", i % N, i / N,
                     (double)out[i], 2 * (i / N + 1));
}

static void what_is_not_listed_is_not_there(void **state)
{
    (void)state;
    each_isa(chain);
}

/* ---- refusals -------------------------------------------------------------------------------------------- */

static void rows_say_why(void **state)
{
    struct scene c;
    (void)state;
    make_scene(&c, SEGUE_ODE_CELL_LTC);
    assert_null(ode_cell_ltc_cpu.accepts(&c.op.header, NULL));
    assert_string_equal(ode_cell_cfc_cpu.accepts(&c.op.header, NULL), "cell: this row computes CfC only");
    c.op.mu.dtype = segue_tensor_of(NULL, SEGUE_F64, 0, NULL).dtype;
    assert_string_equal(ode_cell_ltc_cpu.accepts(&c.op.header, NULL),
                        "mu: f64 is offered by the reference only");
    drop_scene(&c);
    make_scene(&c, SEGUE_ODE_CELL_CFC_PURE);
    assert_null(ode_cell_cfc_cpu.accepts(&c.op.header, NULL));
    assert_string_equal(ode_cell_ltc_cpu.accepts(&c.op.header, NULL), "cell: this row computes LTC only");
    c.op.ff1_w.shape[0] = (int64_t)1 << 40;
    assert_string_equal(ode_cell_cfc_cpu.accepts(&c.op.header, NULL),
                        "x: scratch memory has 2^40 numbers for neurons and features at most");
    drop_scene(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_set),
        cmocka_unit_test(bits_depend_on_the_row_alone),
        cmocka_unit_test(extreme_slopes_saturate),
        cmocka_unit_test(what_is_not_listed_is_not_there),
        cmocka_unit_test(rows_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
