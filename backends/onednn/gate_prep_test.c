/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The row of gate_prep against a plain loop in double, over random shapes, layouts, dtypes and gates. */
#include "row_testing.h"

extern const segue_row gate_prep_cpu;

enum { X, BIAS, A, A_LOG, LOWER_BOUND, DELTA, G, KEY, OPERANDS };

struct scene {
    segue_gate_prep op;
    struct watched w[OPERANDS];
    int64_t b, t, h, k;
};

static void make_scene(struct scene *c)
{
    static const int64_t widths[] = { 1, 1, 3, 16, 20, 600 };
    const int gate = (int)draw(7), which = (int)draw(3);
    *c = (struct scene){ .op = segue_gate_prep_init(),
                         .b = 1 + draw(3),
                         .t = draw(4) ? draw(10) : 40 + draw(40) };
    c->k = widths[draw(6)], c->h = 1 + draw(c->k == 1 && draw(2) ? 700 : 5);
    c->op.gate = gate, c->op.softplus = draw(3) != 0;
    c->op.divisor = 4, c->op.lower = -3, c->op.cap = 5;
    if (draw(2)) c->op.dt_min = 0.5, c->op.dt_max = 2;
    MAKE(&c->w[X], draw_dtype(), MAY_REPEAT, -6, 6, c->b, c->t, c->h, c->k);
    if (draw(2)) MAKE(&c->w[BIAS], draw_dtype(), MAY_REPEAT, -1, 1, c->h, c->k);
    if (gate == SEGUE_GATE_PREP_DELTA && which == 0) MAKE(&c->w[A], draw_dtype(), MAY_REPEAT, -4, 0, c->h);
    if (gate == SEGUE_GATE_PREP_BOUNDED || (gate == SEGUE_GATE_PREP_DELTA && which == 1))
        MAKE(&c->w[A_LOG], draw_dtype(), MAY_REPEAT, -1, 1, c->h);
    if (gate == SEGUE_GATE_PREP_HGRN2) MAKE(&c->w[LOWER_BOUND], draw_dtype(), MAY_REPEAT, 0, 1, c->h, c->k);
    const int outputs = 1 + (int)draw(3); /* g, the gate's other one, or both */
    const int other = gate == SEGUE_GATE_PREP_DELTA ? DELTA : gate == SEGUE_GATE_PREP_HGRN2 ? KEY : G;
    if (outputs & 1 || other == G) MAKE(&c->w[G], draw_dtype(), 0, -1, 1, c->b, c->t, c->h, c->k);
    if (outputs & 2 && other != G) MAKE(&c->w[other], draw_dtype(), 0, -1, 1, c->b, c->t, c->h, c->k);
    put_tensors(&c->op.header, c->w, OPERANDS);
}

static int has(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void compare(const struct scene *c, const char *name, const segue_tensor *t, const int64_t *i,
                    double want)
{
    if (!has(t)) return;
    const double got = get_at(t, i),
                 slack = rounding(segue_dtype_id(t->dtype), want) + 2e-6 * fabs(want) + 2e-7;
    if (!(fabs(got - want) <= slack))
        fail_msg("gate %d, %s[%d,%d,%d,%d] of k %d is %.9g, wanted %.9g", (int)c->op.gate, name, (int)i[0],
                 (int)i[1], (int)i[2], (int)i[3], (int)c->k, got, want);
}

static void check_gate(const struct scene *c, const int64_t *i)
{
    const segue_gate_prep *op = &c->op;
    const int64_t h = i[2], k = i[3];
    const double x = get_at(&op->x, i) + (has(&op->bias) ? GET(op->bias, h, k) : 0);
    const double slope = has(&op->A_log) ? exp(GET(op->A_log, h)) : 1,
                 l = has(&op->lower_bound) ? GET(op->lower_bound, h, k) : 0;
    const double step = fmin(fmax(op->softplus ? log1p(exp(x)) : x, op->dt_min), op->dt_max);
    const double gates[] = { [SEGUE_GATE_PREP_DELTA] = step * (has(&op->A) ? GET(op->A, h) : -slope),
                             [SEGUE_GATE_PREP_LOG_SIGMOID] = log(sigmoid(x)) / 4,
                             [SEGUE_GATE_PREP_HGRN2] = log(l + (1 - l) * sigmoid(x)),
                             [SEGUE_GATE_PREP_BOUNDED] = -3 * sigmoid(slope * x),
                             [SEGUE_GATE_PREP_RWKV7] = -exp(-0.5) * sigmoid(x),
                             [SEGUE_GATE_PREP_RWKV] = -exp(x),
                             [SEGUE_GATE_PREP_SOFT_CAP] = 5 * tanh(x / 5) };
    compare(c, "delta", &op->delta, i, step);
    compare(c, "g", &op->g, i, gates[op->gate]);
    compare(c, "key", &op->key, i, (1 - l) * sigmoid(-x));
}

static void against_loops(struct test_device *d, int rounds)
{
    for (int n = 0; n < rounds; n++) {
        struct scene c;
        make_scene(&c);
        for (int i = 0; i < OPERANDS; i++) snapshot(&c.w[i]);
        segue_gate_prep bound = c.op;
        segue_tensor *const along[] = { &bound.x, &bound.delta, &bound.g, &bound.key };
        const int64_t more_b = draw(3), more_t = draw(100);
        for (int i = 0; i < 4; i++) along[i]->shape[0] += more_b, along[i]->shape[1] += more_t;
        run_row(&gate_prep_cpu, d, &bound.header, &c.op.header);
        for (int64_t at = 0; at < c.b * c.t * c.h * c.k; at++)
            check_gate(
                &c, (const int64_t[]){ at / c.k / c.h / c.t, at / c.k / c.h % c.t, at / c.k % c.h, at % c.k });
        for (int i = 0; i < OPERANDS; i++) check_outside(&c.w[i], i >= DELTA);
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
            against_loops(&d, 80);
            test_close(&d);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_instruction_set) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
