/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs for retention. Heads decay as RetNet's do, or not at all, or strongly. */
#include "case_facts.h"

#include <stdio.h>

enum { Q, K, V, G, Z, CU_SEQLENS, SLOT, S_IN, S_OUT, Y, SCALE, NORM };

/* small: values whose mean of squares is about eps. */
enum { BENIGN, EXACT, NO_DECAY, STRONG, SMALL, WIDE };
static const char *const distributions[] = { "benign", "exact", "no-decay", "strong", "small", "wide", NULL };

/* log(1 - 2^(-5 - h)), as RetNet has it; by its series. */
static double retnet(int64_t head)
{
    double x = 1, sum = 0;
    for (int64_t i = -5; i < head % 8; i++) x /= 2;
    for (int k = 12; k >= 1; k--) sum = x * (1.0 / k + sum);
    return -sum;
}

static double draw_integer(uint32_t field, const struct dice *dice)
{
    if (field == G) return 0;
    if (field == S_IN) return (double)dice_integer(dice, 0, -3, 3);
    return (double)(field == V ? dice_integer(dice, 0, -2, 2) : dice_integer(dice, 0, -1, 1));
}

static double draw_decay(const struct test_case *c, const int64_t *index, const struct dice *dice)
{
    if (c->distribution == NO_DECAY) return 0;
    return c->distribution == STRONG ? -dice_uniform(dice, 0, 1, 20) : retnet(index[0]);
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    if (c->distribution == EXACT) return draw_integer(field, dice);
    if (field == G) return draw_decay(c, index, dice);
    if (c->distribution == SMALL && (field == V || field == S_IN)) return 1e-3 * dice_normal(dice, 0);
    if (c->distribution != WIDE || field == S_IN) return dice_normal(dice, 0);
    const double size = dice_log_uniform(dice, 0, field == Z ? 0.01 : 0.02, field == Z ? 200 : 10);
    return dice_integer(dice, 1, 0, 1) ? size : -size;
}

static int exact(const struct test_case *c)
{
    return c->distribution == EXACT;
}

static int fits(const struct test_case *c, char *why)
{
    if (c->distribution != EXACT || (c->d.value[NORM] == 0 && !c->d.present[Z])) return 0;
    snprintf(why, DESCRIPTOR_WHY,
             "distribution: exact: wanted no norm and no z, which leave integers integers");
    return -1;
}

static const struct factor factors[] = {
    { "dtypes", "f32 bf16-g.f32 f16-g.f32 bf16 bf16-S_in.bf16 | f64" },
    { "T", "17 0 1 33 65" },
    { "H", "2 1 3" },
    { "K", "8 5 16" },
    { "V", "8 1 16" },
    { "variant", "-/B2 cu_seqlens/S1 cu_seqlens/S3" },
    { "variant", "- S_in S_out S_in.S_out slot.S_in.S_out/P7" },
    { "variant", "- norm=rms norm=rms.eps=25e-2" },
    { "variant", "- z" },
    { "variant", "- scale=125e-3" },
    { "layout", "btd bdt pad3 flip odd" },
    { "distribution", "benign exact no-decay strong small wide" },
    { "modifier", "- empty-middle gap slot-fresh slot-padding nan-future" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    "retention/fwd.z.S_in.S_out.norm=rms/bf16-g.f32/B1.T130.H2.K8.V16",
    "retention/fwd.S_in.S_out/f32/B1.T193.H2.K8.V8",
    "retention/fwd.S_in.S_out.norm=rms/f32/B2.T1.H4.K64.V64",
    "retention/fwd.z.S_in.S_out.norm=rms.scale=0.125/bf16-g.f32/B2.T5.H2.K16.V33",
    "retention/fwd.S_in.S_out.norm=rms/f32/B2.T0.H2.K8.V8",
    "retention/fwd.z.slot.S_in.S_out.norm=rms/f32/T65.H2.K8.V8.S3.P9/packed/benign.slot-fresh.slot-drop.slot-padding",
    "retention/fwd.S_in.S_out.norm=rms/f32/T65.H2.K8.V8.S3/packed/benign.cu-outside",
    "retention/fwd.z.norm=rms/f32/B3.T3.H2.K4.V4/far",
    NULL,
};

extern const struct case_facts segue_case_retention;
const struct case_facts segue_case_retention = {
    .primitive = "retention",
    .distributions = distributions,
    .fits = fits,
    .draw = draw,
    .exact = exact,
    .count = 40,
    .smoke_count = 4,
    .work = "b t h k v",
    .factors = factors,
    .mandatory = mandatory,
};
