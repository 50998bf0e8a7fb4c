/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for SSD. Each distribution says how large the steps delta and the rates |A| are; steps are drawn behind softplus
 * and bias, then turned back into what the operand holds. */
#include "case_facts.h"

#include <stdio.h>

enum { X, DT, A, B, C, D, Z, DT_BIAS, CU_SEQLENS, SLOT, H_IN, H_OUT, Y, SOFTPLUS, DT_MIN, DT_MAX };

/* static: B and C constant over all tokens, D over a head, by views. */
enum { BENIGN, EXACT, DECAY_ONE, DECAY_LOG, STRONG, RESET, STATIC, WIDE };
static const char *const distributions[] = {
    "benign", "exact", "decay-one", "decay-log", "strong", "reset", "static", "wide", NULL,
};

static const struct recipe { /* log-uniform between low and high */
    double step_low, step_high, rate_low, rate_high;
} recipes[] = {
    [BENIGN] = { 1e-3, 1e-1, 1, 16 }, /* as Mamba-2 begins */
    [EXACT] = { 0, 0, 0, 0 },         /* integers instead */
    [DECAY_ONE] = { 5e-3, 2e-2, 5e-4, 2e-3 },
    [DECAY_LOG] = { 1e-3, 1, 1e-2, 10 },
    [STRONG] = { 0.7, 1.4, 5, 20 },
    [RESET] = { 1e-2, 1e-1, 0.95, 1.05 },
    [STATIC] = { 1e-3, 1e-1, 1, 16 },
    [WIDE] = { 1e-3, 25, 1e-3, 1e-1 },
};

static const double reset_step = 90; /* exp(-90) is far below f32's smallest */

static int is_reset(const struct test_case *c, int64_t t)
{
    const int64_t tokens = descriptor_axis(&c->d, 't'), period = tokens > 26 ? 13 : 3;
    return c->distribution == RESET && t % period == period - 1;
}

/* What softplus makes the step of. */
static double before_softplus(double step)
{
    return step > 20 ? step : step + dice_log(1 - dice_exp(-step));
}

static double draw_dt(const struct test_case *c, const int64_t *index, const struct dice *dice)
{
    const struct recipe *r = &recipes[c->distribution];
    const double step =
        is_reset(c, index[1]) ? reset_step : dice_log_uniform(dice, 0, r->step_low, r->step_high);
    const int softplus = c->d.value[SOFTPLUS] != 0;
    const double sum = !softplus                 ? step
                       : c->distribution == WIDE ? dice_uniform(dice, 2, -20, 25)
                                                 : before_softplus(step);
    return sum - value_of(c, DT_BIAS, &index[2]);
}

/* |h_T| <= 3 + 6 T and |y| <= N |h| + 4: below 2^24 for N T < 2.7 million. */
static double draw_integer(uint32_t field, const struct dice *dice)
{
    static const struct {
        int low, high;
    } ranges[] = { [X] = { -2, 2 }, [DT] = { 0, 2 }, [A] = { 0, 0 },       [B] = { -1, 1 },
                   [C] = { -1, 1 }, [D] = { -2, 2 }, [DT_BIAS] = { 0, 1 }, [H_IN] = { -3, 3 } };
    return (double)dice_integer(dice, 0, ranges[field].low, ranges[field].high);
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    const struct recipe *r = &recipes[c->distribution];
    const double bias =
        c->d.value[SOFTPLUS] != 0 ? 0.5 : r->step_low / 4; /* else little but its rounding were left */
    if (c->distribution == EXACT) return draw_integer(field, dice);
    if (field == DT) return draw_dt(c, index, dice);
    if (field == DT_BIAS) return bias * dice_normal(dice, 0);
    if (field == A) return -dice_log_uniform(dice, 0, r->rate_low, r->rate_high);
    if (c->distribution == WIDE && field == Z) {
        const double size = dice_log_uniform(dice, 0, 0.01, 200);
        return dice_integer(dice, 1, 0, 1) ? size : -size;
    }
    const double x = dice_normal(dice, 0);
    return field == X && is_reset(c, index[1]) ? x / 64 : x; /* or the large steps drown everything else */
}

static int exact(const struct test_case *c)
{
    return c->distribution == EXACT;
}

static int fits(const struct test_case *c, char *why)
{
    const int whole = c->d.value[DT_MIN] == 0 && c->d.value[DT_MAX] > 1e20;
    if (c->distribution != EXACT || (c->d.value[SOFTPLUS] == 0 && !c->d.present[Z] && whole)) return 0;
    snprintf(why, DESCRIPTOR_WHY,
             "distribution: exact: wanted softplus=0, no limits and no z, which leave integers integers");
    return -1;
}

static void views(struct test_case *c)
{
    if (c->distribution != STATIC) return;
    operand_hold(&c->operands[B], "b t");
    operand_hold(&c->operands[C], "b t");
    if (c->operands[D].facts) operand_hold(&c->operands[D], "v");
}

static const struct factor factors[] = {
    { "dtypes", "f32 bf16-dt.f32-A.f32 bf16 f16-A.f32 bf16-A.f32-h_in.bf16 | f64" },
    { "T", "17 0 1 33 65" },
    { "V", "8 1 16" },
    { "N", "8 5 16" },
    { "variant", "-/H2 -/H4.G2 -/H3.G3" },
    { "variant", "-/B2 cu_seqlens/S1 cu_seqlens/S3" },
    { "variant", "- h_in h_out h_in.h_out slot.h_in.h_out/P7" },
    { "variant", "- D" },
    { "variant", "- z" },
    { "variant", "- dt_bias" },
    { "variant", "- softplus=0" },
    { "variant", "- dt_max=3e-2 dt_min=1e-2.dt_max=5e-2" },
    { "layout", "btd bdt pad3 flip odd" },
    { "distribution", "benign exact decay-one decay-log strong reset static wide" },
    { "modifier", "- empty-middle gap slot-fresh slot-padding nan-future" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    "ssd/fwd.D.z.dt_bias.h_in.h_out/bf16-dt.f32-A.f32-D.f32-dt_bias.f32/B1.T130.H2.V8.N16",
    "ssd/fwd.h_in.h_out/f32/B1.T193.H2.V8.N8/btd/decay-log",
    "ssd/fwd.D.dt_bias.h_in.h_out.dt_min=0.01.dt_max=0.05/f32/B2.T1.H4.V16.N16",
    "ssd/fwd.D.z.dt_bias.h_in.h_out.dt_max=0.03/bf16/B2.T1.H4.V16.N16",
    "ssd/fwd.D.h_in.h_out.dt_min=0.02/f32/B2.T33.H2.V8.N8",
    "ssd/fwd.D.dt_bias.h_in.h_out/f32/B2.T33.H2.V8.N8/btd/static",
    "ssd/fwd.h_in.h_out/f32/B1.T5.H2.V64.N128",
    "ssd/fwd.h_in.h_out/f32/B2.T0.H2.V8.N8",
    "ssd/fwd.D.slot.h_in.h_out/f32/T65.H2.V8.N8.S3.P9/packed/benign.slot-fresh.slot-drop.slot-padding",
    "ssd/fwd.h_in.h_out/f32/T65.H2.V8.N8.S3/packed/benign.cu-outside",
    "ssd/fwd.D.z.dt_bias/f32/B3.T3.H2.V4.N4/far",
    "ssd/fwd.D.z.dt_bias.h_in.h_out/f32/B2.T33.H2.V8.N8/btd/wide",
    NULL,
};

extern const struct case_facts segue_case_ssd;
const struct case_facts segue_case_ssd = {
    .primitive = "ssd",
    .distributions = distributions,
    .fits = fits,
    .views = views,
    .draw = draw,
    .exact = exact,
    .count = 40,
    .smoke_count = 4,
    .work = "b t h v n",
    .factors = factors,
    .mandatory = mandatory,
};
