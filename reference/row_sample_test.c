/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "reference_testing.h"
#include "sampling.h"

extern const segue_row segue_row_row_sample_reference;

enum { V = 5, MOST = 64 };
#define ROW(name) SEGUE_ROW_SAMPLE_##name

static double conf[MOST], lse[MOST], logp[MOST];
static int32_t tok[MOST];

static void run(const segue_row_sample *op)
{
    assert_null(segue_row_row_sample_reference.accepts(&op->header, NULL));
    run_row(&segue_row_row_sample_reference, &op->header);
}

/* One position with v logits. */
static segue_row_sample one(double *logits, int v)
{
    segue_row_sample op = segue_row_sample_init();
    for (int i = 0; i < MOST; i++) tok[i] = -9, conf[i] = lse[i] = logp[i] = 77;
    op.logits = F64(logits, 1, 1, v);
    op.tok = I32(tok, 1, 1), op.conf = F64(conf, 1, 1), op.lse = F64(lse, 1, 1), op.logp = F64(logp, 1, 1);
    return op;
}

static void greedy(void **context)
{
    double l[V] = { 0, 1, 3, 3, -2 };
    const double sum = 1 + exp(1) + 2 * exp(3) + exp(-2);
    segue_row_sample op = one(l, V);
    (void)context;
    run(&op);
    assert_int_equal(tok[0], 2); /* the smaller id */
    assert_close(conf[0], exp(3) / sum);
    assert_close(lse[0], log(sum));
    assert_close(logp[0], 3 - log(sum));
    op.confidence = ROW(MARGIN);
    run(&op);
    assert_close(conf[0], 0);
    op.confidence = ROW(NEGENT);
    run(&op);
    double entropy = 0;
    for (int i = 0; i < V; i++) entropy += exp(l[i]) / sum * log(exp(l[i]) / sum + 1e-10);
    assert_close(conf[0], entropy);
    op.confidence = ROW(RANDOM);
    run(&op);
    assert_true(conf[0] == u_of((counter_base){ 0, 0, 0, 0, 0 }));
}

/* Banned, NaN and -infinity are not there; +infinity is the largest number of f32, before the temperature, too. */
static void no_ordinary_numbers(void **context)
{
    double l[V] = { NAN, -INFINITY, 1, 5, 2 };
    int32_t banned[] = { 3, -1, 900, 3 };
    segue_row_sample op = one(l, V);
    (void)context;
    op.banned = I32(banned, 4);
    run(&op);
    assert_int_equal(tok[0], 4);
    assert_close(lse[0], log(exp(1) + exp(2)));
    assert_close(conf[0], exp(2) / (exp(1) + exp(2)));
    l[1] = 1e39, l[2] = INFINITY;
    run(&op);
    assert_int_equal(tok[0], 1);
    assert_close(conf[0], 0.5);
    assert_true(lse[0] == 0x1.fffffep127);
    double hot = INFINITY;
    op.temperature = F64(&hot, 1);
    run(&op);
    assert_int_equal(tok[0], 1);
    assert_close(lse[0], log(3));
    for (int i = 0; i < V; i++) l[i] = i == 3 ? 4 : i == 2 ? -1e39 : NAN;
    run(&op);
    assert_int_equal(tok[0], -1);
    assert_true(conf[0] == -INFINITY && lse[0] == -INFINITY && logp[0] == -INFINITY);
    op = one(l, 0);
    run(&op);
    assert_int_equal(tok[0], -1);
}

/* Raw confidence is that before the temperature, final the one behind it; 0, less and NaN neither divide nor add noise. */
static void temperature(void **context)
{
    double l[V] = { 0, 1, 2, 1.5, -2 }, e[V] = { 1e-9, 1, 1, 1, 1 }, at[] = { 0.5, 0, -1, NAN, 1e-6, 1e3 };
    segue_row_sample op = one(l, V);
    double raw = 0, half = 0;
    (void)context;
    for (int i = 0; i < V; i++) raw += exp(l[i]), half += exp(2 * l[i]);
    op.noise = ROW(EXPONENTIAL), op.draws = F64(e, 1, 1, V);
    for (int i = 0; i < 6; i++) {
        const int warm = at[i] > 0;
        op.temperature = F64(at + i, 1), op.confidence = ROW(PROB_RAW);
        run(&op);
        const int chosen = at[i] == 0.5 || at[i] == 1e3 ? 0 : 2;
        assert_int_equal(tok[0], chosen);
        assert_close(conf[0], exp(l[chosen]) / raw);
        op.confidence = ROW(PROB_FINAL);
        run(&op);
        if (at[i] == 0.5) assert_close(conf[0], 1 / half);
        if (at[i] == 1e-6) assert_close(conf[0], 1);
        if (!warm) assert_close(conf[0], exp(2) / raw);
        assert_close(exp(logp[0]), conf[0]);
    }
}

/* guided = u + (g + 1) (c - u) */
static void guided(void **context)
{
    double c[2] = { 1, 2 }, u[2] = { -1, 3 }, g = 0.5;
    segue_row_sample op = one(c, 2);
    (void)context;
    op.logits_u = F64(u, 1, 1, 2), op.guidance = F64(&g, 1);
    run(&op);
    assert_int_equal(tok[0], 0);
    assert_close(lse[0], log(exp(2) + exp(1.5)));
    g = 0;
    run(&op);
    assert_int_equal(tok[0], 1);
    assert_close(lse[0], log(exp(1) + exp(2)));
}

/* How many stay: lse says it, since all logits are ln of a probability. */
static void stays(segue_row_sample *op, double mass)
{
    run(op);
    assert_close(lse[0], log(mass));
}

static void filters(void **context)
{
    double l[] = { log(0.125), log(0.5), log(0.125), log(0.25) }, p = 0.5;
    int32_t k = 0;
    segue_row_sample op = one(l, 4);
    (void)context;
    op.top_p = F64(&p, 1);
    p = 0.51, stays(&op, 0.75);
    op.nucleus = ROW(EXCLUDE_CROSSING);
    p = 0.76, stays(&op, 0.75);
    p = 0.74, stays(&op, 0.5);
    p = 0.4, stays(&op, 0.5);
    p = -3, stays(&op, 0.5);
    p = NAN, stays(&op, 1);
    p = 1, stays(&op, 1);
    op.nucleus = ROW(INCLUDE_CROSSING);
    p = 0.49, stays(&op, 0.5);
    p = 0.76, stays(&op, 0.875); /* of equal ones the smaller id */
    p = 0, stays(&op, 0.5);
    p = -3, stays(&op, 0.5);
    op.top_k = I32(&k, 1);
    p = 1, k = 3, stays(&op, 1); /* with all that tie */
    k = 2, stays(&op, 0.75);
    k = 1, stays(&op, 0.5);
    k = 9, stays(&op, 1);
    k = -1, stays(&op, 1);
    op.topk_ties = ROW(EXACT_K), k = 3;
    stays(&op, 0.875);
    op.topk_ties = ROW(KEEP_ALL);
    p = 0.76, stays(&op, 0.875); /* what top_p took away does not come back */
    op.confidence = ROW(MARGIN), k = 1;
    run(&op);
    assert_close(conf[0], 1); /* one is left */
    op.confidence = ROW(PROB_RAW), k = 2, p = 1;
    run(&op);
    assert_close(conf[0], 0.5);
    op.confidence = ROW(PROB_FINAL);
    run(&op);
    assert_close(conf[0], 0.5 / 0.75);
    memset(l, 0, sizeof l), k = 0; /* quarters, exactly */
    p = 0.25, stays(&op, 2);
    op.nucleus = ROW(EXCLUDE_CROSSING);
    p = 0.5, stays(&op, 2);
    double e[] = { 3, 2, 1e-9, 1e-12 }; /* would be 3, or 2: of equal ones the first stay */
    op.noise = ROW(EXPONENTIAL), op.draws = F64(e, 1, 1, 4);
    run(&op);
    assert_int_equal(tok[0], 1);
    p = 1, k = 3, op.topk_ties = ROW(EXACT_K);
    run(&op);
    assert_int_equal(tok[0], 2);
}

/* A row of a token with p = 1e-9: the extreme draw makes it win, and nothing makes a banned one win. */
static void extreme_draws(void **context)
{
    double l[2] = { 0, log(1e-9) }, e[2] = { 0.7, 0x1p-64 };
    int32_t banned = 1;
    segue_row_sample op = one(l, 2);
    (void)context;
    op.noise = ROW(EXPONENTIAL), op.draws = F64(e, 1, 1, 2);
    run(&op);
    assert_int_equal(tok[0], 1);
    op.banned = I32(&banned, 1);
    run(&op);
    assert_int_equal(tok[0], 0);
    e[0] = INFINITY; /* G = -infinity: no draw of ours */
    run(&op);
    assert_int_equal(tok[0], -1);
    e[0] = 16.6355; /* the largest of ours */
    run(&op);
    assert_int_equal(tok[0], 0);
}

/* q(y) = move p(y), q(mask) = stay; the mask itself is banned from p. */
static void absorbing(void **context)
{
    double l[3] = { log(0.25), 9, log(0.75) }, u[3] = { 0.5, 0.5, 0.5 }, move = 0.4, stay = 0.6;
    segue_row_sample op = one(l, 3);
    (void)context;
    op.transition = ROW(ABSORB), op.mask_id = 1, op.move = F64(&move, 1), op.stay = F64(&stay, 1);
    op.noise = ROW(UNIFORM), op.draws = F64(u, 1, 1, 3);
    run(&op);
    assert_int_equal(tok[0], 1);
    assert_close(conf[0], 0.6);
    assert_close(logp[0], log(0.6));
    assert_close(lse[0], 0);
    move = 0.9, stay = 0.1;
    run(&op);
    assert_int_equal(tok[0], 2);
    assert_close(conf[0], 0.9 * 0.75);
    assert_close(logp[0], log(0.9 * 0.75));
    move = 0;
    run(&op);
    assert_int_equal(tok[0], 1);
    stay = 0;
    run(&op);
    assert_int_equal(tok[0], -1);
    stay = 0.99, move = 0.01, op.mask_id = 70; /* no id of the row: nothing is banned */
    run(&op);
    assert_int_equal(tok[0], 70);
    assert_close(lse[0], log(exp(9) + 1));
}

/* Which positions are open; logits of no other are read. */
static void positions(void **context)
{
    enum { B = 2, T = 5, N = 3 };
    double l[B * N * 2];
    int32_t x[B * T] = { 7, 7, 3, 7, 7, 7, 3, 7, 7, 7 }, lo[B] = { 1, -4 }, hi[B] = { 9, 3 };
    int32_t row[B * T] = { 0, 0, 1, 2, 3, 2, 1, -1, 0, 0 };
    static const int32_t want[B * T] = { 7, 1, 3, 0, 7, 1, 3, 7, 7, 7 };
    segue_row_sample op = one(l, 2);
    (void)context;
    for (int i = 0; i < B * N * 2; i++) l[i] = NAN;
    l[0] = 0, l[1] = 1;   /* row 0 of batch row 0 */
    l[4] = 2, l[5] = 1;   /* row 2 */
    l[10] = 0, l[11] = 1; /* row 2 of batch row 1 */
    op.logits = F64(l, B, N, 2), op.x = I32(x, B, T), op.row = I32(row, B, T), op.mask_id = 7;
    op.lo = I32(lo, B), op.hi = I32(hi, B);
    op.tok = I32(tok, B, T), op.conf = F64(conf, B, T), op.lse = F64(lse, B, T), op.logp = F64(logp, B, T);
    run(&op);
    for (int i = 0; i < B * T; i++) {
        const int open = i == 1 || i == 3 || i == 5;
        assert_int_equal(tok[i], want[i]);
        assert_true(open ? conf[i] > 0.5 && lse[i] > 0 : conf[i] == -INFINITY && lse[i] == -INFINITY);
    }
}

/* The same token alone, in a batch and in a shifted window; another row of the batch, position, step or seed gives others. */
static void counted(void **context)
{
    enum { B = 3, T = 8, W = 37 };
    static double l[B * T * W];
    int32_t seed[2 * B] = { 9, 1, 9, 1, 9, 2 }, seq[B] = { 4, 5, 4 }, pos[B * T], step[B] = { 6, 6, 6 },
                     all[B * T];
    segue_row_sample op = one(l, W);
    (void)context;
    for (int i = 0; i < B * T; i++) pos[i] = 100 + i % T;
    op.logits = F64(l, B, T, W), op.noise = ROW(PHILOX);
    op.seed = I32(seed, B, 2), op.seq_id = I32(seq, B), op.pos = I32(pos, B, T), op.step = I32(step, B);
    op.tok = I32(tok, B, T), op.conf = F64(conf, B, T), op.lse.dtype.bits = op.logp.dtype.bits = 0;
    run(&op);
    memcpy(all, tok, sizeof all);
    int same = 0;
    for (int i = 0; i < T; i++)
        same += (all[i] == all[T + i]) + (all[i] == all[2 * T + i]) + (i && all[i] == all[i - 1]);
    assert_true(same < 6);            /* of 23 */
    for (int i = 0; i < B * T; i++) { /* by the definition */
        const counter_base c = { (uint32_t)seed[i / T * 2], (uint32_t)seed[i / T * 2 + 1], (uint32_t)pos[i],
                                 (uint32_t)seq[i / T], 6 };
        double best = -INFINITY;
        int at = -1;
        for (int id = 0; id < W; id++) {
            const double g = -log(-log1p(-w_of(c, PHILOX_TOKEN, id)));
            if (g > best) best = g, at = id;
        }
        assert_int_equal(all[i], at);
    }
    op.logits = F64(l, 1, 2, W), op.seed = I32(seed + 4, 1, 2), op.seq_id = I32(seq + 2, 1);
    op.pos = I32(pos + 3, 1, 2), op.step = I32(step, 1);
    op.tok = I32(tok, 1, 2), op.conf = F64(conf, 1, 2);
    step[0] += 1 << 24;
    run(&op);
    assert_memory_equal(tok, all + 2 * T + 3, 2 * sizeof *tok);
    step[0]++;
    run(&op);
    assert_true(tok[0] != all[2 * T + 3] || tok[1] != all[2 * T + 4]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy),      cmocka_unit_test(no_ordinary_numbers),
        cmocka_unit_test(temperature), cmocka_unit_test(guided),
        cmocka_unit_test(filters),     cmocka_unit_test(extreme_draws),
        cmocka_unit_test(absorbing),   cmocka_unit_test(positions),
        cmocka_unit_test(counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
