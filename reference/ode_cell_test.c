/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_ode_cell_reference;

enum { B = 2, T = 4, D = 2, N = 3, F = 2, U = D + N, POOL = 4 };

static void run(const segue_ode_cell *op)
{
    run_row(&segue_row_ode_cell_reference, &op->header);
}

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9)) fail_msg("%.10g, wanted %.9f", got, want);
}

/* One neuron, one feature: values computed from the equations by other code. */
static struct {
    double x, elapsed, h, y, w, sigma, mu, E, sensory_w, sensory_sigma, sensory_mu, sensory_E, gleak, vleak, cm;
    double ff_w[2], f1, f2, a, b, w_tau, A;
} one;

static segue_ode_cell one_ltc(double elapsed, double h)
{
    segue_ode_cell op = segue_ode_cell_init();
    one.x = 0.9, one.h = h, one.elapsed = elapsed;
    one.w = 0.5, one.sigma = 4, one.mu = 0.5, one.E = 1;
    one.sensory_w = 0.7, one.sensory_sigma = 5, one.sensory_mu = 0.4, one.sensory_E = -1;
    one.gleak = 0.3, one.vleak = 0.1, one.cm = 0.5;
    op.x = F64(&one.x, 1, 1, 1), op.elapsed = F64(&one.elapsed, 1, 1), op.y = F64(&one.y, 1, 1, 1);
    op.h_in = op.h_out = F64(&one.h, 1, 1), op.gleak = F64(&one.gleak, 1), op.vleak = F64(&one.vleak, 1),
    op.cm = F64(&one.cm, 1);
    op.w = F64(&one.w, 1, 1), op.sigma = F64(&one.sigma, 1, 1), op.mu = F64(&one.mu, 1, 1),
    op.E = F64(&one.E, 1, 1);
    op.sensory_w = F64(&one.sensory_w, 1, 1), op.sensory_sigma = F64(&one.sensory_sigma, 1, 1),
    op.sensory_mu = F64(&one.sensory_mu, 1, 1), op.sensory_E = F64(&one.sensory_E, 1, 1);
    return op;
}

static segue_ode_cell one_cfc(int64_t cell, int64_t time_sign, int64_t head_act)
{
    segue_ode_cell op = segue_ode_cell_init();
    one.x = 5, one.h = 7, one.elapsed = 2;
    one.f1 = 0.3, one.f2 = -0.8, one.a = 0.6, one.b = 0.1, one.w_tau = 0, one.A = 1;
    memset(one.ff_w, 0, sizeof one.ff_w);
    op.x = F64(&one.x, 1, 1, 1), op.elapsed = F64(&one.elapsed, 1, 1), op.y = F64(&one.y, 1, 1, 1);
    op.h_in = op.h_out = F64(&one.h, 1, 1), op.cell = cell, op.time_sign = time_sign, op.head_act = head_act;
    op.ff1_w = F64(one.ff_w, 1, 2), op.ff1_b = F64(&one.f1, 1);
    if (cell == SEGUE_ODE_CELL_CFC_PURE) {
        op.w_tau = F64(&one.w_tau, 1), op.pure_A = F64(&one.A, 1);
        return op;
    }
    op.ff2_w = op.time_a_w = op.time_b_w = op.ff1_w;
    op.ff2_b = F64(&one.f2, 1), op.time_a_b = F64(&one.a, 1), op.time_b_b = F64(&one.b, 1);
    return op;
}

static void known_values(void **context)
{
    static const struct {
        int64_t cell, time_sign, head_act;
        double want;
    } cfc[] = {
        { SEGUE_ODE_CELL_CFC, 1, SEGUE_ODE_CELL_HEAD_TANH, -0.459434354 },
        { SEGUE_ODE_CELL_CFC, -1, SEGUE_ODE_CELL_HEAD_IDENTITY, 0.025286116 },
        { SEGUE_ODE_CELL_CFC, -1, SEGUE_ODE_CELL_HEAD_LECUN_TANH, 0.044932204 },
        { SEGUE_ODE_CELL_CFC_NO_GATE, 1, SEGUE_ODE_CELL_HEAD_TANH, -0.230510712 },
        { SEGUE_ODE_CELL_CFC_PURE, 0, 0, 0.835356509 },
    };
    (void)context;
    for (size_t i = 0; i < COUNT(cfc); i++) {
        const segue_ode_cell op = one_cfc(cfc[i].cell, cfc[i].time_sign, cfc[i].head_act);
        run(&op);
        near(one.y, cfc[i].want), near(one.h, cfc[i].want);
    }
    segue_ode_cell op = one_cfc(SEGUE_ODE_CELL_CFC_PURE, 0, 0);
    one.w_tau = -0.5, one.A = -2, run(&op);
    near(one.y, -2 + 2 * exp(-2 * 0.8) * 0.3);
    op = one_ltc(1, 0.2);
    run(&op);
    near(one.y, -0.453998897), near(one.h, -0.453998897);
    op = one_ltc(0.25, 0.2), run(&op);
    near(one.y, -0.083190149);
    memset(&op.elapsed, 0, sizeof op.elapsed), one.h = 0.2, run(&op);
    near(one.y, -0.453998897);
}

/* The closed form of one unfold. */
static double unfolded(double kappa, double h)
{
    const double act = one.w / (1 + exp(-one.sigma * (h - one.mu)));
    const double sensory = one.sensory_w / (1 + exp(-one.sensory_sigma * (one.x - one.sensory_mu)));
    return (kappa * h + one.gleak * one.vleak + act * one.E + sensory * one.sensory_E) /
           (kappa + one.gleak + act + sensory + 1e-8);
}

static void what_stands_for_kappa(void **context)
{
    (void)context;
    segue_ode_cell op = one_ltc(0.25, 0.2);
    op.unfolds = 1, run(&op);
    near(one.y, unfolded(one.cm / 0.25, 0.2));
    op = one_ltc(0.25, 0.2), op.unfolds = 2, op.kappa = SEGUE_ODE_CELL_CM_OVER_DT_PLUS1, run(&op);
    near(one.y, unfolded(one.cm / 0.625, unfolded(one.cm / 0.625, 0.2)));
    op = one_ltc(0.25, 0.2), op.unfolds = 2, op.kappa = SEGUE_ODE_CELL_CM_DIRECT, run(&op);
    near(one.y, unfolded(one.cm, unfolded(one.cm, 0.2)));
}

static void no_time_no_change(void **context)
{
    const double none[] = { 0, -0.0, -3, -INFINITY };
    double y[1];
    (void)context;
    for (size_t i = 0; i < COUNT(none); i++) {
        segue_ode_cell op = one_ltc(none[i], 0.2);
        run(&op);
        assert_true(one.y == 0.2 && one.h == 0.2);
        op = one_ltc(none[i], 0.2), one.cm = 0, op.h = F64(y, 1, 1, 1), run(&op);
        assert_true(one.y == 0.2 && one.h == 0.2 && y[0] == 0.2);
        op = one_ltc(none[i], 0.2), op.kappa = SEGUE_ODE_CELL_CM_DIRECT, run(&op);
        assert_true(one.y != 0.2);
    }
    segue_ode_cell op = one_ltc(NAN, 0.2);
    run(&op);
    assert_true(isnan(one.y) && isnan(one.h));
    op = one_ltc(0, 0.2), op.kappa = SEGUE_ODE_CELL_CM_OVER_DT_PLUS1, op.unfolds = 1, run(&op);
    near(one.y, unfolded(one.cm, 0.2));
    op = one_cfc(SEGUE_ODE_CELL_CFC, 1, SEGUE_ODE_CELL_HEAD_TANH), one.elapsed = 0, run(&op);
    near(one.y, tanh(0.3) + (tanh(-0.8) - tanh(0.3)) / (1 + exp(-0.1)));
}

static void hard_edges(void **context)
{
    (void)context;
    /* sigma (h - mu) = 1e4 and -1e4: the synapse is all there, or not at all */
    for (int below = 0; below < 2; below++) {
        segue_ode_cell op = one_ltc(1, below ? -2 : 2);
        one.sigma = 1e4, one.mu = below ? -1 : 1, one.sensory_sigma = -2e4;
        op.unfolds = 1, run(&op);
        near(one.y, below ? (-1 + 0.03) / (0.8 + 1e-8) : (1 + 0.03 + 0.5) / (1.3 + 1e-8));
    }
    /* a neuron that nothing reaches keeps its potential; without capacitance, too, it is at 0 */
    segue_ode_cell op = one_ltc(1, 0.2);
    one.w = one.sensory_w = one.gleak = 0, op.eps = 0, run(&op);
    near(one.y, 0.2);
    op = one_ltc(1, 0.2), one.w = one.sensory_w = one.gleak = one.cm = 0, run(&op);
    assert_true(one.y == 0);
}

static void constraints(void **context)
{
    (void)context;
    segue_ode_cell op = one_ltc(1, 0.2);
    one.w = -1, one.sensory_w = 2000, one.gleak = -2, one.cm = -1;
    op.unfolds = 1, op.constraint = SEGUE_ODE_CELL_CLIP, run(&op);
    one.w = 1e-5, one.sensory_w = 1000, one.gleak = 1e-5;
    near(one.y, unfolded(1e-6, 0.2));
    op = one_ltc(1, 0.2), one.w = -1, one.sensory_w = 2, one.gleak = -2, one.cm = -3, one.E = -1.5;
    op.unfolds = 1, op.constraint = SEGUE_ODE_CELL_SOFTPLUS, run(&op);
    one.w = log1p(exp(-1)), one.sensory_w = log1p(exp(2)), one.gleak = log1p(exp(-2));
    near(one.y, unfolded(log1p(exp(-3)), 0.2));
}

/* ---- calls with all axes ------------------------------------------------------------------------ */

static struct {
    double x[B * T * D], elapsed[B * T], h_in[POOL * N], h_out[POOL * N], y[B * T * F], h[B * T * N];
    double output_w[F], output_b[F], input_w[D], input_b[D], neuron[3][N], synapse[5][N * N], sensory[5][D * N];
    double backbone_w[4 * U], backbone_b[4], deep_w[2 * 4 * 4], deep_b[8], mask[N * 4], head_w[4][N * 4],
        head_b[4][N], w_tau[N], pure_A[N];
} data;

static segue_ode_cell whole(void)
{
    segue_ode_cell op = segue_ode_cell_init();
    fill(data.x, COUNT(data.x), 0, 2, 0), fill(data.elapsed, COUNT(data.elapsed), 5, 1, 0.6);
    fill(data.h_in, COUNT(data.h_in), 53, 2, 0);
    memset(data.h_out, 0xff, sizeof data.h_out), memset(data.y, 0xff, sizeof data.y),
        memset(data.h, 0xff, sizeof data.h);
    fill(data.output_w, F, 3, 1, 1), fill(data.output_b, F, 9, 1, 0);
    op.x = F64(data.x, B, T, D), op.elapsed = F64(data.elapsed, B, T), op.h_in = F64(data.h_in, B, N);
    op.h_out = F64(data.h_out, B, N), op.y = F64(data.y, B, T, F), op.h = F64(data.h, B, T, N);
    op.output_w = F64(data.output_w, F), op.output_b = F64(data.output_b, F);
    return op;
}

static segue_ode_cell whole_ltc(void)
{
    segue_ode_cell op = whole();
    segue_tensor *const neuron[] = { &op.gleak, &op.vleak, &op.cm };
    segue_tensor *const synapse[] = { &op.sigma, &op.mu, &op.w, &op.E, &op.A };
    segue_tensor *const sensory[] = { &op.sensory_sigma, &op.sensory_mu, &op.sensory_w, &op.sensory_E,
                                      &op.sensory_A };
    static const double scale[] = { 4, 0.5, 0.4, 2, 1 }, shift[] = { 5, 0.5, 0.5, 0, 1 };
    for (int i = 0; i < 3; i++) {
        fill(data.neuron[i], N, 11 + i, 0.5, 0.5);
        *neuron[i] = F64(data.neuron[i], N);
    }
    for (int i = 0; i < 5; i++) {
        fill(data.synapse[i], N * N, 17 + 3 * i, scale[i], shift[i]);
        fill(data.sensory[i], D * N, 31 + 3 * i, scale[i], shift[i]);
        *synapse[i] = F64(data.synapse[i], N, N), *sensory[i] = F64(data.sensory[i], D, N);
    }
    fill(data.input_w, D, 41, 1, 1), fill(data.input_b, D, 43, 1, 0);
    op.input_w = F64(data.input_w, D), op.input_b = F64(data.input_b, D);
    return op;
}

static segue_ode_cell whole_cfc(void)
{
    segue_ode_cell op = whole();
    segue_tensor *const w[] = { &op.ff1_w, &op.ff2_w, &op.time_a_w, &op.time_b_w };
    segue_tensor *const b[] = { &op.ff1_b, &op.ff2_b, &op.time_a_b, &op.time_b_b };
    for (int i = 0; i < 4; i++) {
        fill(data.head_w[i], N * 4, 3 + 5 * i, 2, 0), fill(data.head_b[i], N, 7 * i, 1, 0);
        *w[i] = F64(data.head_w[i], N, 4), *b[i] = F64(data.head_b[i], N);
    }
    fill(data.backbone_w, 4 * U, 71, 2, 0), fill(data.backbone_b, 4, 73, 1, 0);
    fill(data.deep_w, 32, 79, 2, 0), fill(data.deep_b, 8, 83, 1, 0), fill(data.mask, 4 * N, 89, 3, 0);
    op.backbone_w = F64(data.backbone_w, 4, U), op.backbone_b = F64(data.backbone_b, 4);
    op.deep_w = F64(data.deep_w, 2, 4, 4), op.deep_b = F64(data.deep_b, 2, 4), op.mask = F64(data.mask, N, 4);
    op.cell = SEGUE_ODE_CELL_CFC, op.time_sign = -1, op.head_act = SEGUE_ODE_CELL_HEAD_LECUN_TANH;
    return op;
}

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

/* A step of the LTC above from h [N], written another way. */
static void ltc_by_hand(const double *x, double elapsed, double *h)
{
    for (int unfold = 0; unfold < 6; unfold++) {
        double next[N];
        for (int i = 0; i < N; i++) {
            double num = 0, den = 1e-8;
            for (int j = 0; j < N + D; j++) {
                double(*const p)[N * N] = data.synapse;
                double(*const q)[D * N] = data.sensory;
                const int k = j < N ? j * N + i : (j - N) * N + i;
                const double *const at[5] = { j < N ? &p[0][k] : &q[0][k], j < N ? &p[1][k] : &q[1][k],
                                              j < N ? &p[2][k] : &q[2][k], j < N ? &p[3][k] : &q[3][k],
                                              j < N ? &p[4][k] : &q[4][k] };
                const double from = j < N ? h[j] : data.input_w[j - N] * x[j - N] + data.input_b[j - N];
                const double act = *at[4] * *at[2] * logistic(*at[0] * (from - *at[1]));
                num += act * *at[3], den += act;
            }
            const double kappa = data.neuron[2][i] * 6 / elapsed, leak = data.neuron[0][i];
            next[i] = (num + kappa * h[i] + leak * data.neuron[1][i]) / (den + kappa + leak);
        }
        memcpy(h, next, sizeof next);
    }
}

static double lecun(double x)
{
    return 1.7159 * tanh(0.666 * x);
}

static double dot(const double *a, const double *b, int count)
{
    double s = 0;
    for (int i = 0; i < count; i++) s += a[i] * b[i];
    return s;
}

static void cfc_by_hand(const double *x, double elapsed, double *h)
{
    double z[U], next[4], f[4];
    memcpy(z, x, D * sizeof *z), memcpy(z + D, h, N * sizeof *z);
    for (int e = 0; e < 4; e++) next[e] = lecun(data.backbone_b[e] + dot(data.backbone_w + e * U, z, U));
    for (int l = 0; l < 2; l++) {
        memcpy(z, next, sizeof next);
        for (int e = 0; e < 4; e++)
            next[e] = lecun(data.deep_b[l * 4 + e] + dot(data.deep_w + l * 16 + e * 4, z, 4));
    }
    for (int i = 0; i < N; i++) {
        double masked[4];
        for (int k = 0; k < 4; k++) {
            for (int u = 0; u < 4; u++)
                masked[u] = data.head_w[k][i * 4 + u] * (k < 2 ? data.mask[i * 4 + u] : 1);
            f[k] = data.head_b[k][i] + dot(masked, next, 4);
        }
        const double s = logistic(f[3] - f[2] * elapsed);
        h[i] = lecun(f[0]) * (1 - s) + lecun(f[1]) * s;
    }
}

/* Sequence by sequence, with the steps that it has. */
static void check(const segue_ode_cell *op, int row, int read, int count)
{
    double h[N] = { 0 };
    if (read >= 0) memcpy(h, data.h_in + read * N, sizeof h);
    for (int t = 0; t < count; t++) {
        const int at = row * T + t;
        (op->cell ? cfc_by_hand : ltc_by_hand)(data.x + at * D, data.elapsed[at], h);
        for (int i = 0; i < N; i++) assert_close(data.h[at * N + i], h[i]);
        for (int i = 0; i < F; i++)
            assert_close(data.y[at * F + i], data.output_w[i] * h[i] + data.output_b[i]);
    }
    for (int at = (row * T + count) * F; at < (row + 1) * T * F; at++) assert_true(isnan(data.y[at]));
    for (int at = (row * T + count) * N; at < (row + 1) * T * N; at++) assert_true(isnan(data.h[at]));
}

static void all_steps(void **context)
{
    segue_ode_cell (*const cells[])(void) = { whole_ltc, whole_cfc };
    (void)context;
    for (int c = 0; c < 2; c++) {
        segue_ode_cell op = cells[c]();
        run(&op);
        for (int b = 0; b < B; b++) {
            check(&op, b, b, T);
            for (int i = 0; i < N; i++) assert_close(data.h_out[b * N + i], data.h[((b + 1) * T - 1) * N + i]);
        }
        op = cells[c](), memset(&op.h_in, 0, sizeof op.h_in), run(&op);
        for (int b = 0; b < B; b++) check(&op, b, -1, T);
    }
}

static void lengths_and_slots(void **context)
{
    int32_t lengths[][B] = { { 0, T }, { 1, 3 }, { -7, 99 } }, slots[B][2] = { { 2, 0 }, { -1, 1 } },
            padding[B][2] = { { 1, -1 }, { -1, POOL } };
    (void)context;
    for (int c = 0; c < 3; c++) {
        segue_ode_cell op = whole_ltc();
        op.lengths = I32(lengths[c], B), run(&op);
        for (int b = 0; b < B; b++) check(&op, b, b, (int)clamped(lengths[c][b], T));
        if (c == 0) assert_same(data.h_out, data.h_in, N);
        if (c == 0) assert_same(data.h_out + N, data.h + (B * T - 1) * N, N);
    }
    segue_ode_cell op = whole_cfc();
    op.h_in = F64(data.h_in, POOL, N), op.h_out = F64(data.h_out, POOL, N), op.slot = I32(slots, B, 2),
    run(&op);
    assert_same(data.h_out, data.h + (T - 1) * N, N), assert_same(data.h_out + N, data.h + (2 * T - 1) * N, N);
    for (int i = 2 * N; i < POOL * N; i++) assert_true(isnan(data.h_out[i]));
    check(&op, 0, 2, T), check(&op, 1, -1, T);
    op = whole_cfc(), op.h_in = F64(data.h_in, POOL, N), op.h_out = F64(data.h_out, POOL, N);
    op.slot = I32(padding, B, 2), op.lengths = I32(lengths[1], B), run(&op);
    for (int i = 0; i < POOL * N; i++) assert_true(isnan(data.h_out[i]));
    for (int t = 0; t < T; t++)
        for (int i = 0; i < N; i++)
            assert_true(t < 3 ? data.h[(T + t) * N + i] == 0 : isnan(data.h[(T + t) * N + i]));
    for (int i = 0; i < T * F; i++) assert_true(i < 3 * F ? data.y[T * F + i] == 0 : isnan(data.y[T * F + i]));
    check(&op, 0, 1, 1);
}

/* Two sequences behind each other are what two batch rows were. */
static void packed(void **context)
{
    int32_t offsets[] = { 0, T, T, 99 };
    double y[COUNT(data.y)];
    (void)context;
    segue_ode_cell op = whole_ltc();
    memset(&op.h_in, 0, sizeof op.h_in), run(&op);
    memcpy(y, data.y, sizeof y);
    op = whole_ltc(), memset(&op.h_in, 0, sizeof op.h_in);
    segue_tensor *const along[] = { &op.x, &op.elapsed, &op.y, &op.h };
    for (int i = 0; i < 4; i++) along[i]->shape[0] = 1, along[i]->shape[1] = B * T;
    op.h_out = F64(data.h_out, 3, N), op.cu_seqlens = I32(offsets, 4), run(&op);
    assert_same(data.y, y, COUNT(y));
    for (int i = N; i < 2 * N; i++) assert_true(data.h_out[i] == 0); /* of no steps */
}

/* A list of all sources is no list; one that names a source twice has it twice, one outside is none. What is not listed is
 * not read. */
static void synapse_lists(void **context)
{
    int32_t all[N + 1], every[N * N], ptr[] = { -5, 2, 2, 99 }, src[] = { 1, 1, -1, 2, N, 0 };
    double y[COUNT(data.y)];
    (void)context;
    segue_ode_cell op = whole_ltc();
    run(&op), memcpy(y, data.y, sizeof y);
    for (int i = 0; i <= N; i++) all[i] = i * N;
    for (int i = 0; i < N * N; i++) every[i] = i % N;
    op = whole_ltc(), op.synapse_ptr = I32(all, N + 1), op.synapse_src = I32(every, N * N), run(&op);
    assert_same(data.y, y, COUNT(y));
    static const double times[N * N] = { 0, 0, 1, 2, 0, 0, 0, 0, 1 }; /* of source j, for neuron i */
    op = whole_ltc(), op.synapse_ptr = I32(ptr, N + 1), op.synapse_src = I32(src, 6);
    for (int i = 0; i < 5 * N * N; i++)
        if (times[i % (N * N)] == 0) data.synapse[i / (N * N)][i % (N * N)] = NAN;
    run(&op);
    memcpy(y, data.y, sizeof y);
    op = whole_ltc();
    for (int i = 0; i < N * N; i++) data.synapse[4][i] *= times[i];
    run(&op);
    for (int i = 0; i < (int)COUNT(y); i++) assert_close(y[i], data.y[i]);
    int32_t feature_ptr[] = { 0, 1, 1, 3 }, feature_src[] = { 1, D, 0 };
    op = whole_ltc(), op.sensory_ptr = I32(feature_ptr, N + 1), op.sensory_src = I32(feature_src, 3), run(&op);
    memcpy(y, data.y, sizeof y);
    op = whole_ltc();
    static const double once[D * N] = { 0, 0, 1, 1, 0, 0 };
    for (int i = 0; i < D * N; i++) data.sensory[4][i] *= once[i];
    run(&op);
    for (int i = 0; i < (int)COUNT(y); i++) assert_close(y[i], data.y[i]);
}

static void steps_equal_prefill(void **context)
{
    double y[COUNT(data.y)], h[B * N];
    segue_ode_cell (*const cells[])(void) = { whole_ltc, whole_cfc };
    (void)context;
    for (int c = 0; c < 2; c++) {
        segue_ode_cell op = cells[c]();
        run(&op);
        memcpy(y, data.y, sizeof y), memcpy(h, data.h_out, sizeof h);
        op = cells[c](), op.h_out = op.h_in; /* in place */
        for (int t = 0; t < T; t++) {
            segue_ode_cell now = op;
            segue_tensor *const along[] = { &now.x, &now.elapsed, &now.y, &now.h };
            for (int i = 0; i < 4; i++) *along[i] = segue_tensor_slice(*along[i], 1, t, 1);
            run(&now);
        }
        assert_same(data.y, y, COUNT(y)), assert_same(data.h_in, h, COUNT(h));
    }
}

static void backbones(void **context)
{
    const double z = 0.3 * 5 - 0.2 * 7; /* 0.1 */
    const double want[] = { 1.7159 * tanh(0.0666), tanh(z), z, z * (1 + erf(z / sqrt(2))) / 2,
                            z / (1 + exp(-z)) };
    double w[] = { 0.3, -0.2 }, unit = 2;
    (void)context;
    for (int a = 0; a < 5; a++)
        for (int sign = -1; sign < 2; sign += 2) {
            segue_ode_cell op = one_cfc(SEGUE_ODE_CELL_CFC_NO_GATE, 1, SEGUE_ODE_CELL_HEAD_IDENTITY);
            one.x *= sign, one.h *= sign, op.activation = a, op.backbone_w = F64(w, 1, 2);
            op.ff1_w = op.ff2_w = op.time_a_w = op.time_b_w = F64(&unit, 1, 1);
            memset(&op.ff1_b, 0, sizeof op.ff1_b), memset(&op.ff2_b, 0, sizeof op.ff2_b);
            memset(&op.time_a_b, 0, sizeof op.time_a_b), memset(&op.time_b_b, 0, sizeof op.time_b_b);
            const double g = sign > 0 ? want[a] : a == 2 ? 0 : a < 3 ? -want[a] : want[a] - z;
            run(&op);
            near(one.y, 2 * g * (1 + logistic(6 * g)));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),      cmocka_unit_test(what_stands_for_kappa),
        cmocka_unit_test(no_time_no_change), cmocka_unit_test(hard_edges),
        cmocka_unit_test(constraints),       cmocka_unit_test(all_steps),
        cmocka_unit_test(lengths_and_slots), cmocka_unit_test(packed),
        cmocka_unit_test(synapse_lists),     cmocka_unit_test(steps_equal_prefill),
        cmocka_unit_test(backbones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
