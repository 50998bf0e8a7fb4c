/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for the selective scan. Each distribution says how large the steps delta and the rates |A| are; their product
 * is the decay's logarithm. Steps are drawn behind softplus and bias, then turned back into what the operand holds. */
#include "case_facts.h"

#include <math.h>
#include <stdio.h>

enum { U, DELTA, A, B, C, D, Z, DELTA_BIAS, CU_SEQLENS, SLOT, H_IN, H_OUT, Y, SOFTPLUS, MAX_SEQLEN };

enum { BENIGN, EXACT, DECAY_ONE, DECAY_LOG, DECAY_ZERO, RESET, DRIFT, CONSTANT_BC, WIDE, GROWING };
static const char *const distributions[] = {
    "benign", "exact",       "decay-one", "decay-log", "decay-zero", "reset",
    "drift",  "constant-bc", "wide",      "growing",   NULL,
};

static const struct recipe { /* log-uniform between low and high */
    double step_low, step_high, rate_low, rate_high;
} recipes[] = {
    [BENIGN] = { 1e-3, 1e-1, 0.8, 1.2 }, /* rates times 1 .. N, as Mamba begins */
    [EXACT] = { 0, 0, 0, 0 },            /* integers instead */
    [DECAY_ONE] = { 5e-3, 2e-2, 5e-4, 2e-3 },
    [DECAY_LOG] = { 1e-3, 1, 1e-2, 10 },
    [DECAY_ZERO] = { 0.5, 1, 5, 10 },
    [RESET] = { 1e-2, 1e-1, 0.95, 1.05 },
    [DRIFT] = { 1e-2, 3e-2, 1e-3, 1e-2 },
    [CONSTANT_BC] = { 1e-3, 1e-1, 0.8, 1.2 },
    [WIDE] = { 1e-3, 25, 1e-3, 1e-1 }, /* steps of softplus=0; with softplus what goes into it is drawn */
    [GROWING] = { 1e-2, 1e-1, 1, 40 }, /* rates divided by T: all steps together grow by e^4 at most */
};

/* Behind softplus 2e-9 to 25: its threshold of 20 and everything that is not its threshold. */
static const double wide_low = -20, wide_high = 25;

static const double reset_step = 90; /* exp(-90) is far below f32's smallest */

/* Resets come every 97 tokens, a prime; shorter sequences have a shorter period. */
static int is_reset(const struct test_case *c, int64_t t)
{
    const int64_t tokens = descriptor_axis(&c->d, 't'), period = tokens > 194 ? 97 : tokens > 26 ? 13 : 3;
    return c->distribution == RESET && t % period == period - 1;
}

/* What softplus makes the step of. */
static double before_softplus(double step)
{
    return step > 20 ? step : step + dice_log(1 - dice_exp(-step));
}

static double draw_delta(const struct test_case *c, const int64_t *index, const struct dice *dice)
{
    const struct recipe *r = &recipes[c->distribution];
    const double step =
        is_reset(c, index[1]) ? reset_step : dice_log_uniform(dice, 0, r->step_low, r->step_high);
    const int softplus = c->d.value[SOFTPLUS] != 0;
    const int negative = c->distribution == GROWING && !softplus && dice_integer(dice, 1, 0, 1);
    const double sum = !softplus                 ? (negative ? -step : step)
                       : c->distribution == WIDE ? dice_uniform(dice, 2, wide_low, wide_high)
                                                 : before_softplus(step);
    return sum - value_of(c, DELTA_BIAS, &index[2]);
}

/* Without softplus a bias much larger than the steps would leave only its rounding of them. */
static double draw_bias(const struct test_case *c, const struct dice *dice)
{
    const double size = c->d.value[SOFTPLUS] != 0 ? 0.5 : recipes[c->distribution].step_low / 4;
    return size * dice_normal(dice, 0);
}

static double draw_rate(const struct test_case *c, const int64_t *index, const struct dice *dice)
{
    const struct recipe *r = &recipes[c->distribution];
    const int64_t tokens = descriptor_axis(&c->d, 't');
    if (c->distribution == GROWING)
        return dice_log_uniform(dice, 0, r->rate_low, r->rate_high) / (double)(tokens > 1 ? tokens : 1);
    const int rising = c->distribution == BENIGN || c->distribution == CONSTANT_BC;
    return -dice_log_uniform(dice, 0, r->rate_low, r->rate_high) * (rising ? (double)(index[1] + 1) : 1);
}

/* |x_T| <= 3 + 6 T and |y| <= N |x| + 4: below 2^24 for N T < 2.7 million. */
static double draw_integer(uint32_t field, const struct dice *dice)
{
    static const struct {
        int low, high;
    } ranges[] = {
        [U] = { -2, 2 }, [DELTA] = { 0, 2 }, [A] = { 0, 0 },          [B] = { -1, 1 },   [C] = { -1, 1 },
        [D] = { -2, 2 }, [Z] = { 0, 0 },     [DELTA_BIAS] = { 0, 1 }, [H_IN] = { -3, 3 }
    };
    return (double)dice_integer(dice, 0, ranges[field].low, ranges[field].high);
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    if (c->distribution == EXACT) return draw_integer(field, dice);
    if (field == DELTA) return draw_delta(c, index, dice);
    if (field == DELTA_BIAS) return draw_bias(c, dice);
    if (field == A) return draw_rate(c, index, dice);
    if (c->distribution == DRIFT && field != Z) return dice_uniform(dice, 0, 0.5, 1.5);
    if (c->distribution == WIDE && field == Z) {
        const double size = dice_log_uniform(dice, 0, 0.01, 200);
        return dice_integer(dice, 1, 0, 1) ? size : -size;
    }
    const double x = dice_normal(dice, 0);
    return field == U && is_reset(c, index[1]) ? x / 64 : x; /* or the large steps drown everything else */
}

static int exact(const struct test_case *c)
{
    return c->distribution == EXACT;
}

static int fits(const struct test_case *c, char *why)
{
    if (c->distribution != EXACT || (c->d.value[SOFTPLUS] == 0 && !c->d.present[Z])) return 0;
    snprintf(why, DESCRIPTOR_WHY,
             "distribution: exact: wanted softplus=0 and no z, which leave integers integers");
    return -1;
}

static void views(struct test_case *c)
{
    if (c->distribution != CONSTANT_BC) return;
    operand_hold(&c->operands[B], "b t");
    operand_hold(&c->operands[C], "b t");
}

/* The first value of each is what a case has unless something else is asked for. Behind | : covered once only. */
static const struct factor factors[] = {
    { "dtypes",
      "f32 bf16 f16 bf16-A.f32 f16-delta.f32-A.f32 bf16-h_in.bf16 f16-A.f32-h_in.f16 f32-h_in.bf16 bf16-A.f32-D.f32 "
      "bf16-A.f32-delta_bias.f32 f32-delta.bf16 | f64" },
    { "T", "17 0 1 2 15 16 63 64 65 127 128 129 255 256 257 1000 | 4097" },
    { "D", "7 1 2 16 33 64" },
    { "N", "3 1 16 17 64" },
    { "G", "1 2 4 7 11 16" },
    { "J", "1 2 4 7 11 16" },
    { "variant", "-/B2 -/B1 -/B3 -/B5 cu_seqlens/S1 cu_seqlens/S3 cu_seqlens/S6" },
    { "variant", "- h_in h_out h_in.h_out slot.h_in.h_out/P12 slot.h_in.h_out/P7 slot.h_out/P12" },
    { "variant", "- D" },
    { "variant", "- z" },
    { "variant", "- delta_bias" },
    { "variant", "- softplus=0" },
    { "variant", "- max_seqlen=5000" },
    { "layout", "btd bdt pad3 flip odd" },
    { "distribution", "benign exact decay-one decay-log decay-zero reset drift constant-bc wide growing" },
    { "modifier",
      "- empty-first empty-middle empty-last gap cu-outside slot-fresh slot-drop slot-padding slot-outside nan-future" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* c k and c k +- 1 for chunks c of 16, 64, 256 */
    "selective_scan/fwd.h_in.h_out/f32/B2.T47.D7.N16/btd/decay-log",
    "selective_scan/fwd.h_in.h_out/f32/B2.T48.D7.N16/btd/decay-log",
    "selective_scan/fwd.h_in.h_out/f32/B2.T49.D7.N16/btd/decay-log",
    "selective_scan/fwd.h_in.h_out/f32/B2.T191.D7.N16/btd/decay-log",
    "selective_scan/fwd.h_in.h_out/f32/B2.T192.D7.N16/btd/decay-log",
    "selective_scan/fwd.h_in.h_out/f32/B2.T193.D7.N16/btd/decay-log",
    "selective_scan/fwd.h_in.h_out/bf16/B1.T511.D7.N16/btd/decay-log",
    "selective_scan/fwd.h_in.h_out/bf16/B1.T512.D7.N16/btd/decay-log",
    "selective_scan/fwd.h_in.h_out/bf16/B1.T513.D7.N16/btd/decay-log",
    "selective_scan/fwd.h_in.h_out/f32/B1.T4097.D7.N16/btd/decay-one",
    "selective_scan/fwd.h_in.h_out/f32/B1.T4097.D7.N16/btd/drift",
    /* nothing to do, and still a state to hand on */
    "selective_scan/fwd/f32/B2.T0.D7.N16",
    "selective_scan/fwd.h_in.h_out/f32/B2.T0.D7.N16",
    "selective_scan/fwd.h_out/bf16/B2.T0.D7.N16",
    "selective_scan/fwd.h_in.h_out/f32/B0.T5.D7.N16",
    "selective_scan/fwd.h_in.h_out/f32/T0.D7.N16.S3/packed",
    /* packed sequences without tokens */
    "selective_scan/fwd.h_in.h_out/f32/T65.D7.N16.S3/packed/benign.empty-first",
    "selective_scan/fwd.h_in.h_out/f32/T65.D7.N16.S3/packed/benign.empty-middle",
    "selective_scan/fwd.h_in.h_out/f32/T65.D7.N16.S3/packed/benign.empty-last",
    "selective_scan/fwd.h_in.h_out/bf16/T129.D7.N16.S6/packed/decay-log.empty-first.empty-middle.empty-last",
    "selective_scan/fwd.h_in.h_out/f32/T129.D7.N16.S3/packed/benign.gap",
    /* slots (-1, w), (r, -1), (-1, -1) */
    "selective_scan/fwd.slot.h_in.h_out/f32/B3.T33.D7.N16.P9/btd/benign.slot-fresh",
    "selective_scan/fwd.slot.h_in.h_out/f32/B3.T33.D7.N16.P9/btd/benign.slot-drop",
    "selective_scan/fwd.slot.h_in.h_out/f32/B3.T33.D7.N16.P9/btd/benign.slot-padding",
    "selective_scan/fwd.slot.h_in.h_out/bf16-h_in.bf16/B3.T1.D33.N16.P9/btd/benign.slot-fresh.slot-drop.slot-padding",
    "selective_scan/fwd.slot.h_in.h_out/f32/T65.D7.N16.S3.P9/packed/benign.slot-fresh.slot-drop.slot-padding",
    "selective_scan/fwd.slot.h_in.h_out/f32/T65.D7.N16.S3.P9/packed/benign.empty-first.slot-padding",
    /* the future is NaN */
    "selective_scan/fwd.h_in/f32/B2.T257.D7.N16/btd/benign.nan-future",
    "selective_scan/fwd.z.D/bf16/B2.T129.D7.N16/btd/decay-log.nan-future",
    /* one channel; a state at one batch row */
    "selective_scan/fwd.D.z.delta_bias.h_in.h_out/f32/B2.T65.D1.N16",
    "selective_scan/fwd.D.z.delta_bias.h_in.h_out/bf16/B2.T65.D1.N1",
    "selective_scan/fwd.h_in/f32/B1.T65.D16.N16/btd/decay-one",
    "selective_scan/fwd.h_out/f32/B1.T65.D16.N16/btd/decay-one",
    "selective_scan/fwd.h_in.h_out/f32/B1.T65.D16.N16/btd/decay-one",
    "selective_scan/fwd.h_in.h_out/f32/B1.T1.D16.N16",
    "selective_scan/fwd.D.z.delta_bias.h_in.h_out/bf16/B1.T1.D64.N16",
    "selective_scan/fwd.h_in.h_out/bf16-h_in.bf16/B1.T65.D16.N16/btd/decay-one",
    /* more than 2^31 bytes between batch rows */
    "selective_scan/fwd.h_in.h_out/f32/B3.T5.D3.N4/far",
    "selective_scan/fwd.h_in.h_out/bf16/B3.T5.D3.N4/far",
    "selective_scan/fwd.z.h_in.h_out/bf16/B3.T5.D3.N4/far/benign#1",
    "selective_scan/fwd.z.h_in.h_out/bf16/B3.T5.D3.N4/far/benign#2",
    "selective_scan/fwd.z.h_in.h_out/bf16/B3.T5.D3.N4/far/benign#3",
    "selective_scan/fwd.z.h_in.h_out/bf16/B3.T5.D3.N4/far/benign#4",
    /* groups */
    "selective_scan/fwd.h_out/f32/B2.T65.D16.N16.G4.J2",
    "selective_scan/fwd.h_out/bf16/B2.T65.D16.N16.G2.J8",
    "selective_scan/fwd/f32/B2.T65.D16.N16.G16.J16/btd/constant-bc",
    "selective_scan/fwd/f32/B2.T65.D16.N16.J16/btd/constant-bc",
    /* a gate that is not where the rows of u are */
    "selective_scan/fwd.z/f32/B2.T65.D16.N16/bdt",
    "selective_scan/fwd.D.z.delta_bias/bf16/B2.T65.D16.N16/bdt",
    /* Mamba's usual dtypes: weights of f32 beside 16-bit activations; each weight of a dtype of its own */
    "selective_scan/fwd.D.z.delta_bias.h_in.h_out/bf16-A.f32-D.f32-delta_bias.f32/B2.T65.D16.N16",
    "selective_scan/fwd.D.z.delta_bias.h_in.h_out/f16-A.f32-D.f32-delta_bias.f32/B2.T65.D16.N16",
    "selective_scan/fwd.D.delta_bias/f32-D.bf16-delta_bias.f16/B2.T17.D16.N16",
    "selective_scan/fwd.D.delta_bias/bf16-delta.f32-delta_bias.f32/B2.T17.D16.N16",
    "selective_scan/fwd.delta_bias/f32-delta.bf16-A.f16/B2.T17.D16.N16",
    /* integers out of range */
    "selective_scan/fwd.h_in.h_out/f32/T65.D7.N16.S3/packed/benign.cu-outside",
    "selective_scan/fwd.h_in.h_out/f32/T65.D7.N16.S2/packed/benign.cu-outside",
    "selective_scan/fwd.slot.h_in.h_out/f32/B3.T33.D7.N16.P9/btd/benign.slot-outside",
    "selective_scan/fwd.slot.h_in.h_out/f32/T65.D7.N16.S6.P12/packed/benign.slot-outside.cu-outside",
    /* the longest sequence is exactly max_seqlen */
    "selective_scan/fwd.max_seqlen=65/f32/T65.D7.N16/packed",
    "selective_scan/fwd.h_in.h_out.max_seqlen=64/bf16/T64.D7.N16/packed",
    /* steps from 2e-9 to 25 and gates up to 200, one step without a state to hide in; states that grow */
    "selective_scan/fwd/f32/B5.T1.D64.N1/btd/wide",
    "selective_scan/fwd.z/f32/B5.T1.D64.N1/btd/wide",
    "selective_scan/fwd.D.z.delta_bias.h_in.h_out/f32/B2.T65.D16.N16/btd/wide",
    "selective_scan/fwd.D.z.h_in.h_out/bf16-A.f32/B2.T65.D16.N16/btd/wide",
    /* some of y is beyond f16: infinite */
    "selective_scan/fwd.z.h_in.h_out/f16-A.f32/B2.T257.D16.N16/btd/wide",
    "selective_scan/fwd.h_in.h_out/f32/B2.T65.D16.N16/btd/growing",
    "selective_scan/fwd.h_in.h_out.softplus=0/f32/B2.T65.D16.N16/btd/growing",
    "selective_scan/fwd.softplus=0/bf16/B1.T1.D16.N4/btd/growing",
    /* sizes beyond a block or a buffer of fixed size */
    "selective_scan/fwd.D.z.delta_bias.h_in.h_out/f32/B1.T5.D129.N4",
    "selective_scan/fwd.D.z.delta_bias.h_in.h_out/bf16/B1.T2.D1536.N4",
    "selective_scan/fwd.h_in.h_out/f32/B1.T5.D3.N128",
    "selective_scan/fwd.h_in.h_out/f32/T129.D3.N4.S33/packed",
    "selective_scan/fwd.h_in.h_out/f32/B9.T5.D3.N4",
    "selective_scan/fwd.h_in.h_out/f32/B33.T2.D3.N4",
    "selective_scan/fwd/f32/B1.T5000.D2.N4",
    /* no operand has a stride of 1 */
    "selective_scan/fwd.D.z.delta_bias.h_in.h_out/f32/B2.T17.D7.N16/odd",
    "selective_scan/fwd.D.z.delta_bias.cu_seqlens.slot.h_in.h_out/f32/T65.D7.N16.S3.P9/odd",
    "selective_scan/fwd.D.z.delta_bias.slot.h_in.h_out/bf16-A.f32-D.f32-delta_bias.f32-h_in.bf16/B3.T17.D7.N16.P9/odd",
    NULL,
};

extern const struct case_facts segue_case_selective_scan;
const struct case_facts segue_case_selective_scan = {
    .primitive = "selective_scan",
    .distributions = distributions,
    .fits = fits,
    .views = views,
    .draw = draw,
    .exact = exact,
    .work = "b t d n",
    .factors = factors,
    .mandatory = mandatory,
};
