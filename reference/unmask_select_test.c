/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "reference_testing.h"
#include "sampling.h"

extern const segue_row segue_row_unmask_select_reference;

enum { MASK = 50, MOST = 40 };
#define RULE(name) SEGUE_UNMASK_SELECT_##name

static double conf[MOST], draws[MOST];
static int32_t x[MOST], tok[MOST], out[MOST], changed[MOST], n_changed, n_left, carry_out;

static void run(const segue_unmask_select *op)
{
    assert_null(segue_row_unmask_select_reference.accepts(&op->header, NULL));
    run_row(&segue_row_unmask_select_reference, &op->header);
}

/* One row of t masks, candidates 0, 1, 2 ... */
static segue_unmask_select plain(int64_t rule, const double *confidence, int t)
{
    segue_unmask_select op = segue_unmask_select_init();
    for (int i = 0; i < MOST; i++) {
        x[i] = MASK, tok[i] = i, out[i] = -9, changed[i] = -9;
        conf[i] = i < t && confidence ? confidence[i] : 0;
    }
    n_changed = n_left = carry_out = -9;
    op.x = I32(x, 1, t), op.tok = I32(tok, 1, t), op.x_out = I32(out, 1, t);
    if (confidence) op.conf = F64(conf, 1, t);
    op.n_changed = I32(&n_changed, 1), op.n_left = I32(&n_left, 1), op.changed = I32(changed, 1, 3);
    op.mask_id = MASK, op.rule = rule;
    return op;
}

/* want: a letter a position, 'x' = chosen; of the first 30. */
static void chooses(const segue_unmask_select *op, const char *want)
{
    const int t = (int)op->x.shape[1];
    char got[MOST + 1] = "";
    int taken = 0, listed = 0;
    run(op);
    for (int i = 0; i < t; i++) {
        got[i] = out[i] == tok[i] && tok[i] != MASK ? 'x' : '.';
        assert_int_equal(out[i], got[i] == 'x' ? tok[i] : MASK);
        if (got[i] == 'x' && listed < 3) assert_int_equal(changed[listed++], i);
        taken += got[i] == 'x';
    }
    assert_string_equal(got, want);
    while (listed < 3) assert_int_equal(changed[listed++], -1);
    assert_int_equal(changed[3], -9);
    assert_int_equal(n_changed, taken);
    assert_int_equal(n_left, t - taken);
}

static void first_k(void **context)
{
    const double c[] = { .5, .9, .9, .5 }, odd[] = { NAN, -INFINITY, -3, INFINITY };
    int32_t k = 2;
    segue_unmask_select op = plain(RULE(TOPK), c, 4);
    (void)context;
    op.k = I32(&k, 1);
    chooses(&op, ".xx.");
    k = 3, chooses(&op, "xxx.");
    k = 1, chooses(&op, ".x..");
    k = 0, chooses(&op, "....");
    k = -5, chooses(&op, "....");
    k = 99, chooses(&op, "xxxx");
    op = plain(RULE(TOPK), odd, 4), op.k = I32(&k, 1);
    k = 1, chooses(&op, "...x");
    k = 2, chooses(&op, "..xx");
    k = 3, chooses(&op, "x.xx"); /* NaN is -infinity: by position */
    op = plain(RULE(ALL), NULL, 4);
    chooses(&op, "xxxx");
}

/* What a block's steps commit when each is told only how many are to come. */
static void splits(int n, int steps, const int32_t *want)
{
    double c[MOST] = { 0 };
    for (int i = 0; i < MOST; i++) c[i] = value(3, i);
    segue_unmask_select op = plain(RULE(TOPK), c, n);
    for (int s = 0; s < steps; s++) {
        int32_t left = steps - s;
        op.steps_left = I32(&left, 1), op.x_out = op.x;
        run(&op);
        assert_int_equal(n_changed, want[s]);
    }
    assert_int_equal(n_left, 0);
}

static void schedule(void **context)
{
    static const int32_t many[] = { 7, 7, 6, 6, 6 }, few[] = { 1, 1, 1, 0, 0 }, each[] = { 4, 4 };
    (void)context;
    splits(32, 5, many);
    splits(3, 5, few);
    splits(8, 2, each);
    int32_t left = 0;
    const double c[] = { 1, 2, 3 };
    segue_unmask_select op = plain(RULE(TOPK), c, 3);
    op.steps_left = I32(&left, 1);
    chooses(&op, "xxx");
}

static void threshold(void **context)
{
    const double c[] = { .5, .9, NAN, .7 };
    double tau = .7;
    segue_unmask_select op = plain(RULE(THRESHOLD), c, 4);
    (void)context;
    op.tau = F64(&tau, 1);
    chooses(&op, ".x.x");
    tau = .95, chooses(&op, ".x.."); /* one at least */
    op.k_min = 2, chooses(&op, ".x.x");
    op.k_min = 0, chooses(&op, "....");
    op.k_min = INT32_MAX, chooses(&op, "xxxx");
    op.k_min = 1;
    tau = NAN, chooses(&op, ".x..");
    tau = INFINITY, chooses(&op, ".x..");
    tau = 0, chooses(&op, "xx.x");
    tau = -INFINITY, chooses(&op, "xxxx"); /* NaN is -infinity */
}

static void budget(void **context)
{
    const double c[] = { .5, .9, .8, .7 };
    double tau = .75;
    int32_t k = 3, carry = 0;
    segue_unmask_select op = plain(RULE(BUDGET), c, 4);
    (void)context;
    op.tau = F64(&tau, 1), op.k = I32(&k, 1), op.carry = I32(&carry, 1), op.carry_out = I32(&carry_out, 1);
    chooses(&op, ".xx.");
    assert_int_equal(carry_out, 1);
    k = 1, chooses(&op, ".x..");
    assert_int_equal(carry_out, 0);
    carry = 1, chooses(&op, ".xx.");
    assert_int_equal(carry_out, 0);
    tau = NAN, chooses(&op, ".x..");
    assert_int_equal(carry_out, 1);
    k = carry = 0, chooses(&op, "....");
    assert_int_equal(carry_out, 0);
    k = carry = INT32_MAX, tau = 0, chooses(&op, "xxxx");
    assert_int_equal(carry_out, INT32_MAX - 4);
    k = -7, carry = -9, chooses(&op, "....");
    carry = 6, op.carry_out = I32(&carry, 1), chooses(&op, "xxxx"); /* in place */
    assert_int_equal(carry, 2);
}

static void bernoulli(void **context)
{
    double p = .5;
    segue_unmask_select op = plain(RULE(BERNOULLI), NULL, 4);
    (void)context;
    draws[0] = .5, draws[1] = .4999, draws[2] = .9, draws[3] = NAN;
    op.p = F64(&p, 1), op.noise = RULE(UNIFORM), op.draws = F64(draws, 1, 4);
    chooses(&op, ".x..");
    p = NAN, chooses(&op, "....");
    p = 0, chooses(&op, "....");
    p = 1, chooses(&op, "xxx.");
    op.noise = RULE(EXPONENTIAL), p = .5; /* u = exp(-E) */
    draws[0] = .69, draws[1] = .7, draws[2] = 20, draws[3] = 0;
    chooses(&op, ".xx.");
    op.noise = RULE(GUMBEL); /* E = exp(-G) */
    for (int i = 0; i < 3; i++) draws[i] = -log(draws[i]);
    draws[3] = 9, chooses(&op, ".xx.");
    op = plain(RULE(BERNOULLI), NULL, 30), op.p = F64(&p, 1);
    char want[31] = "";
    for (int i = 0; i < 30; i++) want[i] = u_of((counter_base){ 0, 0, (uint32_t)i, 0, 0 }) < .5 ? 'x' : '.';
    chooses(&op, want);
}

static void noisy(void **context)
{
    const double c[] = { .5, .9, .8, .7 };
    double temp = .1;
    int32_t k = 1;
    segue_unmask_select op = plain(RULE(GUMBEL_TOPK), c, 4);
    (void)context;
    draws[0] = 5, draws[1] = 0, draws[2] = 1.5, draws[3] = 0; /* scores 10, 9, 9.5, 7 */
    op.k = I32(&k, 1), op.temp = F64(&temp, 1), op.noise = RULE(GUMBEL), op.draws = F64(draws, 1, 4);
    chooses(&op, "x...");
    k = 2, chooses(&op, "x.x.");
    k = 3, chooses(&op, "xxx.");
    temp = 0, k = 1, chooses(&op, ".x..");
    temp = NAN, chooses(&op, ".x..");
    op.rule = RULE(MASKGIT), temp = .1; /* ln conf + temp G: -.19, -.11, -.07, -.36 */
    chooses(&op, "xxx.");
    k = 2, chooses(&op, ".xx.");
    k = 3, chooses(&op, "..x.");
    k = 0, chooses(&op, "xxxx");
    k = 4, chooses(&op, "....");
    k = 9, chooses(&op, "....");
}

/* Philox's G of the choice, by the definition. */
static void counted(void **context)
{
    double c[12] = { 0 }, temp = 1;
    int32_t k = 1, seed[2] = { 3, -4 }, seq = 8, step = 2, pos[12];
    segue_unmask_select op = plain(RULE(GUMBEL_TOPK), c, 12);
    (void)context;
    for (int i = 0; i < 12; i++) pos[i] = 70 + i;
    op.k = I32(&k, 1), op.temp = F64(&temp, 1), op.seed = I32(seed, 1, 2), op.seq_id = I32(&seq, 1);
    op.step = I32(&step, 1), op.pos = I32(pos, 1, 12);
    for (step = 2; step < 20; step++) {
        int best = 0;
        double w[12];
        for (int i = 0; i < 12; i++) {
            w[i] = w_of((counter_base){ 3, (uint32_t)-4, (uint32_t)pos[i], 8, (uint32_t)step },
                        PHILOX_CHOICE_GUMBEL, 0);
            if (w[i] < w[best]) best = i; /* the smallest exponential */
        }
        char want[13] = "............";
        want[best] = 'x';
        chooses(&op, want);
    }
}

static void first_hit(void **context)
{
    segue_unmask_select op = plain(RULE(FIRST_HIT), NULL, 4);
    int32_t hi = 3;
    (void)context;
    op.noise = RULE(UNIFORM), op.draws = F64(draws, 1, 4);
    draws[0] = .7, draws[1] = draws[2] = draws[3] = 0;
    chooses(&op, "..x.");
    draws[0] = .75, chooses(&op, "...x");
    draws[0] = 1, chooses(&op, "...x");
    draws[0] = -1, chooses(&op, "x...");
    draws[0] = NAN, chooses(&op, "x...");
    draws[0] = .7, tok[1] = -1; /* three are eligible */
    op.hi = I32(&hi, 1);
    run(&op); /* of them two in the window */
    assert_int_equal(out[2], tok[2]);
    assert_int_equal(n_changed, 1);
    assert_int_equal(n_left, 2);
    tok[0] = tok[2] = -1;
    run(&op);
    assert_int_equal(n_changed, 0);
}

/* Windows, candidates that are the mask or none, tokens that are there, in place. */
static void positions(void **context)
{
    enum { B = 3, T = 6 };
    int32_t lo[B] = { 1, -7, 4 }, hi[B] = { 4, 99, 2 }, k[B] = { 9, 2, 9 }, changes[B], left[B];
    segue_unmask_select op = plain(RULE(TOPK), NULL, 1);
    (void)context;
    for (int i = 0; i < B * T; i++) x[i] = i % T == 2 ? 5 : MASK, tok[i] = i % T == 3 ? MASK : i, conf[i] = i;
    tok[T + 5] = -1, conf[2] = NAN;
    op.x = op.x_out = I32(x, B, T), op.tok = I32(tok, B, T), op.conf = F64(conf, B, T);
    op.lo = I32(lo, B), op.hi = I32(hi, B), op.k = I32(k, B);
    op.n_changed = I32(changes, B), op.n_left = I32(left, B), op.changed = I32(changed, B, 2);
    run(&op);
    static const int32_t want[B * T] = { MASK, 1,     5,    MASK, MASK, MASK, MASK, MASK, 5,
                                         MASK, T + 4, MASK, MASK, MASK, 5,    MASK, MASK, MASK };
    assert_memory_equal(x, want, sizeof want);
    static const int32_t counts[3 * B] = { 1, 1, 0, 1, 4, 0 }, list[2 * B] = { 1, -1, 4, -1, -1, -1 };
    assert_memory_equal(changes, counts, sizeof changes);
    assert_memory_equal(left, counts + B, sizeof left); /* the mask token took a share of k */
    assert_memory_equal(changed, list, sizeof list);
    op.x = op.x_out = I32(x, B, 0), op.tok = I32(tok, B, 0), op.conf = F64(conf, B, 0);
    run(&op);
    assert_int_equal(changes[0], 0);
    assert_int_equal(changed[2], -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_k), cmocka_unit_test(schedule),  cmocka_unit_test(threshold),
        cmocka_unit_test(budget),  cmocka_unit_test(bernoulli), cmocka_unit_test(noisy),
        cmocka_unit_test(counted), cmocka_unit_test(first_hit), cmocka_unit_test(positions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
