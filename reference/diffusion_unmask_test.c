/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The step against row_sample and unmask_select, one behind the other, over operands and parameters drawn at random; and one that
 * was computed by hand. */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_diffusion_unmask_reference, segue_row_row_sample_reference,
    segue_row_unmask_select_reference;

enum { B = 3, T = 9, N = 6, V = 7, C = 4, MASK = 5 };

static struct outputs {
    int32_t tok[B * T], x_out[B * T], n_changed[B], n_left[B], changed[B * C], carry_out[B];
    double conf[B * T];
} whole, apart;

static struct {
    double logits[B * T * V], logits_u[B * T * V], temperature[B], top_p[B], guidance[B], draws[B * T * V],
        move[B], stay[B];
    double tau[B], p[B], temp[B], draws_select[B * T];
    int32_t x[B * T], row[B * T], lo[B], hi[B], top_k[B], banned[2], seed[2 * B], seq_id[B], pos[B * T],
        step[B], k[B];
    int32_t steps_left[B], carry[B];
} in;

static uint64_t dice = 1;

static int64_t draw(int64_t count)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((dice >> 33) % (uint64_t)count);
}

static double one_of(const double *from, int64_t count)
{
    return from[draw(count)];
}

static void fill_inputs(void)
{
    static const double odd[] = { NAN, -INFINITY, INFINITY, 1e39, -1e39 };
    static const double heat[] = { 0, -1, 1, .5, 2, NAN, 1e-6, 1e3, INFINITY },
                        kept[] = { .3, .5, .9, 1, 0, -1, NAN };
    static const double parts[] = { 0, .25, .5, .9, 1, NAN, -INFINITY, INFINITY };
    for (int i = 0; i < B * T * V; i++) {
        in.logits[i] = draw(40) ? (double)(draw(17) - 8) / 4 : one_of(odd, 5);
        in.logits_u[i] = (double)(draw(17) - 8) / 4;
        in.draws[i] = ((double)draw(4096) + .5) / 4096;
    }
    for (int i = 0; i < B * T; i++) {
        in.draws_select[i] = ((double)draw(64) + .5) / 64;
        in.x[i] = draw(4) ? MASK : (int32_t)draw(V);
        in.row[i] = (int32_t)draw(N + 2) - 1, in.pos[i] = (int32_t)draw(1000) - 5;
    }
    for (int b = 0; b < B; b++) {
        in.temperature[b] = one_of(heat, 9), in.top_p[b] = one_of(kept, 7),
        in.guidance[b] = (double)draw(5) / 2 - .5;
        in.move[b] = (double)draw(5) / 4, in.stay[b] = 1 - in.move[b];
        in.tau[b] = one_of(parts, 8), in.p[b] = one_of(parts, 8), in.temp[b] = one_of(heat, 7);
        in.lo[b] = (int32_t)draw(4) - 1, in.hi[b] = (int32_t)draw(T + 4) - 1,
        in.top_k[b] = (int32_t)draw(5) - 1;
        in.seq_id[b] = (int32_t)draw(3), in.step[b] = (int32_t)draw(9) - 4, in.carry[b] = (int32_t)draw(4) - 1;
        in.k[b] = (int32_t)draw(T + 2) - 1, in.steps_left[b] = (int32_t)draw(6) - 1;
    }
    for (int i = 0; i < 2 * B; i++) in.seed[i] = (int32_t)draw(1 << 30) * (draw(2) ? 1 : -1);
    in.banned[0] = (int32_t)draw(V + 2) - 1, in.banned[1] = 900;
}

/* The operands that the parameters need, the others by chance. */
static segue_diffusion_unmask drawn(struct outputs *out)
{
    segue_diffusion_unmask op = segue_diffusion_unmask_init();
    const int rows = draw(2) == 0;
    memset(out, 0x7f, sizeof *out);
    fill_inputs();
    op.logits = F64(in.logits, B, rows ? N : T, V), op.x = I32(in.x, B, T);
    if (rows) op.row = I32(in.row, B, T);
    op.mask_id = draw(4) ? MASK : V + 3;
    for (int i = 0; i < B * T; i++) in.x[i] = in.x[i] == MASK ? (int32_t)op.mask_id : in.x[i];
    op.noise = draw(5), op.confidence = draw(5), op.nucleus = draw(2), op.topk_ties = draw(2),
    op.transition = draw(2);
    op.rule = draw(8), op.k_min = draw(4), op.select_noise = 1 + draw(4);
    if (op.noise > 1) op.draws = F64(in.draws, B, T, V);
    if (draw(2)) op.logits_u = F64(in.logits_u, B, rows ? N : T, V), op.guidance = F64(in.guidance, B);
    if (op.transition) op.move = F64(in.move, B), op.stay = F64(in.stay, B);
    if (draw(2)) op.temperature = F64(in.temperature, B);
    if (draw(2)) op.top_p = F64(in.top_p, B);
    if (draw(2)) op.top_k = I32(in.top_k, B);
    if (draw(2)) op.banned = I32(in.banned, 2);
    if (draw(2)) op.lo = I32(in.lo, B);
    if (draw(2)) op.hi = I32(in.hi, B);
    if (draw(2)) op.seed = I32(in.seed, B, 2);
    if (draw(2)) op.seq_id = I32(in.seq_id, B);
    if (draw(2)) op.pos = I32(in.pos, B, T);
    if (draw(2)) op.step = I32(in.step, B);
    const int scheduled = draw(2) && op.rule != 6;
    if (op.rule == 1 || op.rule == 3 || op.rule == 5 || op.rule == 6) {
        if (scheduled) op.steps_left = I32(in.steps_left, B);
        else op.k = I32(in.k, B);
    }
    if (op.rule == 2 || op.rule == 3) op.tau = F64(in.tau, B);
    if (op.rule == 4) op.p = F64(in.p, B);
    if (op.rule == 5 || op.rule == 6) op.temp = F64(in.temp, B);
    if (op.rule == 3 && draw(2)) op.carry = I32(in.carry, B);
    if (op.rule == 3) op.carry_out = I32(out->carry_out, B);
    if (op.rule >= 4 && op.select_noise > 1) op.draws_select = F64(in.draws_select, B, T);
    else op.select_noise = 1;
    op.x_out = I32(out->x_out, B, T), op.tok = I32(out->tok, B, T), op.conf = F64(out->conf, B, T);
    op.n_changed = I32(out->n_changed, B), op.n_left = I32(out->n_left, B),
    op.changed = I32(out->changed, B, C);
    return op;
}

static void run_apart(const segue_diffusion_unmask *op)
{
    segue_row_sample sample = segue_row_sample_init();
    segue_unmask_select select = segue_unmask_select_init();
    memset(&apart, 0x7f, sizeof apart);
    sample.logits = op->logits, sample.logits_u = op->logits_u, sample.x = op->x, sample.row = op->row;
    sample.lo = op->lo, sample.hi = op->hi, sample.temperature = op->temperature, sample.top_p = op->top_p;
    sample.top_k = op->top_k, sample.guidance = op->guidance, sample.banned = op->banned,
    sample.seed = op->seed;
    sample.seq_id = op->seq_id, sample.pos = op->pos, sample.step = op->step, sample.draws = op->draws;
    sample.move = op->move, sample.stay = op->stay, sample.mask_id = op->mask_id, sample.noise = op->noise;
    sample.confidence = op->confidence, sample.nucleus = op->nucleus, sample.topk_ties = op->topk_ties;
    sample.transition = op->transition;
    sample.tok = select.tok = I32(apart.tok, B, T), sample.conf = select.conf = F64(apart.conf, B, T);
    select.x = op->x, select.lo = op->lo, select.hi = op->hi, select.k = op->k,
    select.steps_left = op->steps_left;
    select.tau = op->tau, select.p = op->p, select.temp = op->temp, select.carry = op->carry,
    select.seed = op->seed;
    select.seq_id = op->seq_id, select.pos = op->pos, select.step = op->step, select.draws = op->draws_select;
    select.mask_id = op->mask_id, select.rule = op->rule, select.k_min = op->k_min,
    select.noise = op->select_noise;
    select.x_out = I32(apart.x_out, B, T), select.n_changed = I32(apart.n_changed, B);
    select.n_left = I32(apart.n_left, B), select.changed = I32(apart.changed, B, C);
    if (op->rule == 3) select.carry_out = I32(apart.carry_out, B);
    run_row(&segue_row_row_sample_reference, &sample.header);
    run_row(&segue_row_unmask_select_reference, &select.header);
}

static void same_as_two(void **context)
{
    int64_t put = 0, closed = 0, first = 0;
    (void)context;
    for (int n = 0; n < 20000; n++) {
        const segue_diffusion_unmask op = drawn(&whole);
        run_row(&segue_row_diffusion_unmask_reference, &op.header);
        run_apart(&op);
        for (int i = 0; i < B * T; i++) {
            const double a = whole.conf[i], b = apart.conf[i];
            if (whole.tok[i] != apart.tok[i] || !(fabs(a - b) <= 1e-14 || a == b))
                fail_msg("op %d, position %d: %d, %.17g, wanted %d, %.17g", n, i, whole.tok[i], a, apart.tok[i],
                         b);
            put += whole.x_out[i] != in.x[i], closed += a == -INFINITY, first += whole.tok[i] == 0;
        }
        if (memcmp(&whole, &apart, offsetof(struct outputs, conf)))
            fail_msg("op %d: another choice, rule %d", n, (int)op.rule);
    }
    /* Of 540,000: that they agree says something. */
    assert_true(put > 60000 && closed > 100000 && closed < 450000 && first > 20000);
}

/* Conf and tok may stay away, x_out may be x, carry_out may be carry. */
static void in_place(void **context)
{
    (void)context;
    for (int n = 0; n < 2000; n++) {
        const segue_diffusion_unmask op = drawn(&whole);
        segue_diffusion_unmask bare = op;
        run_row(&segue_row_diffusion_unmask_reference, &op.header);
        bare.x_out = bare.x, bare.tok.dtype.bits = bare.conf.dtype.bits = 0;
        if (present(&op.carry)) bare.carry_out = bare.carry;
        run_row(&segue_row_diffusion_unmask_reference, &bare.header);
        assert_memory_equal(in.x, whole.x_out, sizeof in.x);
        if (present(&op.carry)) assert_memory_equal(in.carry, whole.carry_out, sizeof in.carry);
    }
}

/* Four masks, two of them to go, of greatest probability; one lies behind the window. */
static void by_hand(void **context)
{
    double l[5][3] = { { 1, 0, 9 }, { 0, 3, 0 }, { 0, 0, 0 }, { 4, 0, 0 }, { 9, 0, 0 } }, conf[5];
    int32_t x[5] = { 2, 1, 2, 2, 2 }, hi = 4, left = 2, tok[5], banned = 2;
    static const int32_t want[5] = { 0, 1, 2, 0, 2 }, candidates[5] = { 0, 1, 0, 0, 2 };
    segue_diffusion_unmask op = segue_diffusion_unmask_init();
    (void)context;
    op.logits = F64(l, 1, 5, 3), op.x = op.x_out = I32(x, 1, 5), op.hi = I32(&hi, 1),
    op.banned = I32(&banned, 1);
    op.steps_left = I32(&left, 1), op.tok = I32(tok, 1, 5), op.conf = F64(conf, 1, 5);
    op.mask_id = 2, op.rule = SEGUE_DIFFUSION_UNMASK_TOPK;
    run_row(&segue_row_diffusion_unmask_reference, &op.header);
    assert_memory_equal(x, want, sizeof x);
    assert_memory_equal(tok, candidates, sizeof tok);
    assert_close(conf[0], exp(1) / (exp(1) + 1));
    assert_close(conf[2], .5);
    assert_true(conf[1] == -INFINITY && conf[4] == -INFINITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(same_as_two), cmocka_unit_test(in_place),
                                        cmocka_unit_test(by_hand) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
