/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs for gated linear attention: what gated_recurrence meets, as far as this primitive has it. */
#include "case_facts.h"

#include <stdio.h>

enum { Q, K, V, G, GK, CU_SEQLENS, SLOT, S_IN, S_OUT, Y, HEAD_MAP };

enum { BENIGN, EXACT, DECAY_LOG, STRONG, LIGHTNING, WIDE };
/* lightning: decays of a head, constant over all tokens. */
static const char *const distributions[] = {
    "benign", "exact", "decay-log", "strong", "lightning", "wide", NULL
};

static const struct recipe { /* -log of a decay: log-uniform between low and high */
    double low, high;
} recipes[] = {
    [BENIGN] = { 1e-3, 0.3 }, [EXACT] = { 0, 0 },        [DECAY_LOG] = { 1e-4, 10 },
    [STRONG] = { 4, 25 },     [LIGHTNING] = { 4e-3, 1 }, [WIDE] = { 1e-3, 3 },
};

/* |S_T| <= 3 + 2 T and |y| <= K |S|: below 2^24 for K T < 4 million. */
static double draw_integer(uint32_t field, const struct dice *dice)
{
    if (field == G || field == GK) return 0;
    if (field == S_IN) return (double)dice_integer(dice, 0, -3, 3);
    return (double)(field == V ? dice_integer(dice, 0, -2, 2) : dice_integer(dice, 0, -1, 1));
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    const struct recipe *r = &recipes[c->distribution];
    (void)index;
    if (c->distribution == EXACT) return draw_integer(field, dice);
    if (field == G || field == GK) return -dice_log_uniform(dice, 0, r->low, r->high);
    if (c->distribution != WIDE || field == S_IN) return dice_normal(dice, 0);
    const double size = dice_log_uniform(dice, 0, 0.02, 10);
    return dice_integer(dice, 1, 0, 1) ? size : -size;
}

static int exact(const struct test_case *c)
{
    return c->distribution == EXACT;
}

static int fits(const struct test_case *c, char *why)
{
    const int head = c->d.present[G], any = head || c->d.present[GK];
    if (c->distribution == LIGHTNING ? head : c->distribution <= EXACT || any) return 0;
    snprintf(why, DESCRIPTOR_WHY, "distribution: wanted %s", c->distribution == LIGHTNING ? "g" : "g or gk");
    return -1;
}

static void views(struct test_case *c)
{
    if (c->distribution == LIGHTNING) operand_hold(&c->operands[G], "b t");
}

static const struct factor factors[] = {
    { "dtypes", "f32 bf16 f16 bf16-g.f32 bf16-S_in.bf16 | f64" },
    { "T", "17 0 1 33 65" },
    { "K", "8 5 16" },
    { "V", "8 1 16" },
    { "variant", "-/H2.O2 -/H4.J2 -/H2.O4.I2 head_map=mod/H4.J2.I2 head_map=mod/H2.J1.O6.I3" },
    { "variant", "-/B2 cu_seqlens/S1 cu_seqlens/S3" },
    { "variant", "- S_in S_out S_in.S_out slot.S_in.S_out/P7" },
    { "variant", "g gk - g.gk" },
    { "variant", "- scale=125e-3" },
    { "layout", "btd bdt pad3 flip odd" },
    { "distribution", "benign exact decay-log strong lightning wide" },
    { "modifier", "- empty-middle gap slot-fresh slot-padding nan-future" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    "gated_linear_attention/fwd.g.S_in.S_out/f32/B1.T129.H2.K8.V8/btd/decay-log",
    "gated_linear_attention/fwd.gk.S_in.S_out/f32/B1.T64.H2.K8.V8/btd/strong",
    "gated_linear_attention/fwd.gk.S_in.S_out/bf16-gk.f32/B2.T1.H4.K64.V64",
    "gated_linear_attention/fwd.gk.S_in.S_out.scale=0.25/bf16/B1.T17.H2.K16.V32",
    "gated_linear_attention/fwd.g.S_in.S_out/f32/B2.T0.H2.K8.V8",
    "gated_linear_attention/fwd.g.slot.S_in.S_out/f32/T65.H2.K8.V8.S3.P9/packed/benign.slot-fresh.slot-drop.slot-padding",
    "gated_linear_attention/fwd.g.S_in.S_out/f32/T65.H2.K8.V8.S3/packed/benign.cu-outside",
    "gated_linear_attention/fwd.g.gk.S_in.S_out/f32/B3.T3.H2.K4.V4/far",
    "gated_linear_attention/fwd.g.S_in.S_out.max_seqlen=64/f32/T64.H1.K8.V8/packed",
    NULL,
};

extern const struct case_facts segue_case_gated_linear_attention;
const struct case_facts segue_case_gated_linear_attention = {
    .primitive = "gated_linear_attention",
    .distributions = distributions,
    .fits = fits,
    .views = views,
    .draw = draw,
    .exact = exact,
    .count = 40,
    .smoke_count = 4,
    .work = "b t h k v",
    .factors = factors,
    .mandatory = mandatory,
};
