/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for gate_prep: gates that saturate on both sides, softplus's threshold, bounds of 0 and 1, steps at the limits. */
#include "case_facts.h"

#include <stdio.h>

enum { X, BIAS, A, A_LOG, LOWER_BOUND, DELTA, G, KEY, GATE, SOFTPLUS, DT_MIN, DT_MAX };

/* threshold: around 20 and -20, where softplus changes its form. edges: lower bounds of 0 and 1. */
enum { BENIGN, EXACT, WIDE, THRESHOLD, EDGES };
static const char *const distributions[] = { "benign", "exact", "wide", "threshold", "edges", NULL };

static double draw_gate(const struct test_case *c, const struct dice *dice)
{
    const int sign = dice_integer(dice, 1, 0, 1) ? 1 : -1;
    if (c->distribution == WIDE) return sign * dice_log_uniform(dice, 0, 0.001, 80);
    if (c->distribution == THRESHOLD) return sign * dice_uniform(dice, 0, 18, 22);
    return 2 * dice_normal(dice, 0);
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    static const double edges[] = { 0, 0, 1, 1e-6, 0.9999, 0.5 };
    (void)index;
    if (c->distribution == EXACT)
        return (double)dice_integer(dice, 0, field == A ? -3 : -5, field == A ? 0 : 5);
    if (field == X) return draw_gate(c, dice);
    if (field == A) return -dice_log_uniform(dice, 0, 1e-3, 16);
    if (field == A_LOG) return dice_uniform(dice, 0, -2, 2.7);
    if (field == LOWER_BOUND)
        return c->distribution == EDGES ? edges[dice_integer(dice, 0, 0, 5)] : dice_uniform(dice, 0, 0, 1);
    return dice_normal(dice, 0) / 2;
}

static int exact(const struct test_case *c)
{
    return c->distribution == EXACT;
}

static int refuse(char *why, const char *words)
{
    snprintf(why, DESCRIPTOR_WHY, "distribution: %s", words);
    return -1;
}

static int fits(const struct test_case *c, char *why)
{
    const int64_t gate = (int64_t)c->d.value[GATE];
    if (c->distribution == EXACT && (gate != SEGUE_GATE_PREP_DELTA || c->d.value[SOFTPLUS] != 0 ||
                                     c->d.present[A_LOG] || c->d.value[DT_MIN] != 0))
        return refuse(
            why,
            "exact: wanted gate=DELTA with softplus=0, no A_log and no dt_min, which leave integers integers");
    if (c->distribution == EDGES && gate != SEGUE_GATE_PREP_HGRN2)
        return refuse(why, "edges: wanted gate=HGRN2, which has lower bounds");
    if (c->distribution == WIDE && gate == SEGUE_GATE_PREP_BOUNDED)
        return refuse(why,
                      "wide: wanted another gate than BOUNDED, whose slopes make gates wide by themselves");
    return 0;
}

/* The first value of each is what a case has unless something else is asked for. Behind | : covered once only. */
static const struct factor factors[] = {
    { "dtypes", "f32 bf16-g.f32 bf16 | f16 f64" },
    { "T", "17 1 33" },
    { "H", "3 1 40" },
    { "K", "1 5 16" },
    { "variant", "-/B2 -/B1" },
    { "variant",
      "delta.g.A g.A_log delta.g.A_log.dt_min=1e-3.dt_max=1e-1 g.gate=LOG_SIGMOID lower_bound.g.key.gate=HGRN2 "
      "A_log.g.gate=BOUNDED g.gate=RWKV g.gate=SOFT_CAP" },
    { "variant", "- bias" },
    { "layout", "btd pad3 flip odd" },
    { "distribution", "benign wide threshold edges" },
    { "modifier", "- nan-future" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* nothing to do; one number */
    "gate_prep/fwd.bias.A_log.delta.g/f32/B2.T0.H3.K1",
    "gate_prep/fwd.bias.A_log.delta.g/f32/B1.T1.H1.K1",
    /* Mamba: a step for each channel; Mamba-2 with its limits; gated delta nets, KDA */
    "gate_prep/fwd.bias.delta/bf16-bias.f32-delta.f32/B2.T17.H33.K1",
    "gate_prep/fwd.bias.A_log.delta.g.dt_min=0.001.dt_max=0.1/bf16-bias.f32-A_log.f32-delta.f32-g.f32/B2.T17.H24.K1",
    "gate_prep/fwd.bias.A_log.delta.g.dt_min=0.001.dt_max=0.1/f32/B2.T17.H3.K1/btd/wide",
    "gate_prep/fwd.bias.A.delta.g/f32/B2.T17.H5.K1/btd/threshold",
    "gate_prep/fwd.bias.A_log.g/f32/B2.T17.H4.K16",
    "gate_prep/fwd.bias.A_log.g.gate=BOUNDED/bf16-bias.f32-A_log.f32-g.f32/B2.T17.H4.K16",
    /* GLA, HGRN2, RWKV, xLSTM where they saturate */
    "gate_prep/fwd.g.gate=LOG_SIGMOID/f32/B2.T17.H2.K16/btd/threshold",
    "gate_prep/fwd.g.gate=LOG_SIGMOID/f32/B2.T17.H2.K16/btd/wide",
    "gate_prep/fwd.lower_bound.g.key.gate=HGRN2/f32/B2.T17.H2.K16/btd/edges",
    "gate_prep/fwd.lower_bound.g.key.gate=HGRN2/f32/B2.T17.H2.K16/btd/wide",
    "gate_prep/fwd.bias.g.gate=RWKV7/f32/B2.T17.H2.K16/btd/wide",
    "gate_prep/fwd.g.gate=RWKV/f32/B2.T17.H2.K16/btd/threshold",
    "gate_prep/fwd.g.gate=SOFT_CAP/f32/B2.T17.H4.K1/btd/wide",
    "gate_prep/fwd.g.gate=SOFT_CAP.cap=3/f32/B2.T17.H4.K1/btd/benign.nan-future",
    /* one output alone; parameters off their defaults */
    "gate_prep/fwd.bias.delta.dt_max=0.5/f32/B2.T17.H3.K5",
    "gate_prep/fwd.delta.g/f32/B2.T17.H3.K5",
    "gate_prep/fwd.lower_bound.key.gate=HGRN2/f32/B2.T17.H2.K16/btd/threshold",
    "gate_prep/fwd.lower_bound.g.key.gate=HGRN2/f32/B2.T1.H2.K16/btd/threshold",
    "gate_prep/fwd.g.gate=LOG_SIGMOID.divisor=1/f32/B2.T17.H2.K16/btd/wide",
    "gate_prep/fwd.A_log.g.gate=BOUNDED.lower=-1/f32/B2.T17.H2.K16",
    "gate_prep/fwd.bias.g.gate=RWKV7/bf16-g.f32/B2.T17.H3.K16",
    /* integers; no operand with a stride of 1; heads that lie apart; far */
    "gate_prep/fwd.bias.A.delta.g.softplus=0/f32/B2.T17.H3.K5/btd/exact",
    "gate_prep/fwd.bias.A.delta.g.softplus=0.dt_max=4/f32/B2.T17.H3.K1/btd/exact",
    "gate_prep/fwd.bias.lower_bound.g.key.gate=HGRN2/bf16-lower_bound.f32-g.f32/B2.T17.H3.K7/odd",
    "gate_prep/fwd.bias.A_log.delta.g/bf16-bias.f16-A_log.f32-delta.f16-g.f32/B2.T17.H5.K1/odd",
    "gate_prep/fwd.bias.A_log.delta.g/f32/B3.T5.H2.K3/far",
    /* longer than a block */
    "gate_prep/fwd.bias.A_log.g/f32/B1.T2.H3.K600",
    "gate_prep/fwd.bias.A_log.delta.g/f32/B1.T3.H1100.K1",
    "gate_prep/fwd.bias.A.delta.g/f32/B1.T1.H200.K4",
    NULL,
};

static const char *const smoke[] = {
    "gate_prep/fwd.bias.A_log.delta.g.dt_min=0.001.dt_max=0.1/f32/B2.T17.H3.K1/btd/wide",
    "gate_prep/fwd.lower_bound.g.key.gate=HGRN2/f32/B2.T17.H2.K16/btd/edges",
    NULL,
};

extern const struct case_facts segue_case_gate_prep;
const struct case_facts segue_case_gate_prep = {
    .primitive = "gate_prep",
    .distributions = distributions,
    .fits = fits,
    .draw = draw,
    .exact = exact,
    .count = 45,
    .smoke_count = 6,
    .work = "b t h k",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
};
