/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for the gated norm: tiny and huge rows and gates, zeros, rows as large as eps, rows whose mean
 * is far larger than their deviation, weights that all heads share. Nothing is exact here: roots and
 * quotients round. */
#include "case_facts.h"

#include <stdio.h>

enum { X, Z, WEIGHT, BIAS, CU_SEQLENS, Y, KIND, GATE, NORM_BEFORE_GATE, EPS };

enum { BENIGN, WIDE, ZEROS, NEAR_EPS, OFFSET, SHARED };
static const char *const distributions[] = { "benign", "wide", "zeros", "near-eps", "offset", "shared", NULL };

/* What all elements of a row have in common. */
static struct dice dice_of_row(const struct test_case *c, const int64_t *index)
{
    const int64_t t = descriptor_axis(&c->d, 't'), h = descriptor_axis(&c->d, 'h');
    const uint64_t row = (uint64_t)((index[0] * t + index[1]) * h + index[2]);
    return (struct dice){ { c->key[0], c->key[1] }, Y, row };
}

static int is_half(const struct test_case *c, uint32_t field)
{
    return c->d.dtype[field] == SEGUE_F16;
}

/* Squares stay within f32; f16 ends at 65504. */
static double wide_x(const struct test_case *c, const struct dice *row, const struct dice *dice)
{
    const double low = is_half(c, X) ? 1e-3 : 1e-15, high = is_half(c, X) ? 1e4 : 1e12;
    return dice_log_uniform(row, 0, low, high) * dice_normal(dice, 0);
}

/* Where the norm comes first gates of any size; otherwise a row that they close altogether would leave only
 * what is flushed. */
static double wide_z(const struct test_case *c, const struct dice *dice)
{
    const double size = dice_log_uniform(dice, 0, 0.01, c->d.value[NORM_BEFORE_GATE] != 0 ? 200 : 20);
    return dice_integer(dice, 1, 0, 1) ? size : -size;
}

/* The mean square is a hundredth of eps to a hundred times it. */
static double near_eps(const struct test_case *c, const struct dice *row, const struct dice *dice)
{
    const double square = c->d.value[EPS] * dice_log_uniform(row, 0, 1e-2, 1e2);
    return dice_exp(dice_log(square) / 2) * dice_normal(dice, 0);
}

/* A mean of a thousand deviations: the mean square less the squared mean has lost them. 16-bit numbers
 * cannot hold that. */
static double offset(const struct test_case *c, const struct dice *row, const struct dice *dice)
{
    const int narrow = is_half(c, X) || c->d.dtype[X] == SEGUE_BF16;
    return (dice_integer(row, 0, 0, 1) ? 1 : -1) * (narrow ? 30 : 1000) + dice_normal(dice, 0);
}

static double draw_x(const struct test_case *c, const int64_t *index, const struct dice *dice)
{
    const struct dice row = dice_of_row(c, index);
    if (c->distribution == WIDE) return wide_x(c, &row, dice);
    if (c->distribution == NEAR_EPS) return near_eps(c, &row, dice);
    if (c->distribution == OFFSET) return offset(c, &row, dice);
    if (c->distribution == ZEROS && (dice_integer(&row, 0, 0, 2) == 0 || dice_integer(dice, 1, 0, 1))) return 0;
    return dice_normal(dice, 0);
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    if (field == X) return draw_x(c, index, dice);
    if (field == Z && c->distribution == WIDE) return wide_z(c, dice);
    if (field == WEIGHT) return 1 + dice_normal(dice, 0) / 2;
    return dice_normal(dice, 0);
}

static void views(struct test_case *c)
{
    if (c->distribution != SHARED) return;
    if (c->d.present[WEIGHT]) operand_hold(&c->operands[WEIGHT], "h");
    if (c->d.present[BIAS]) operand_hold(&c->operands[BIAS], "h");
}

static int fits(const struct test_case *c, char *why)
{
    const int tame = c->distribution == BENIGN || c->distribution == OFFSET || c->distribution == SHARED;
    if (c->d.value[EPS] == 0 && (!tame || c->d.value[KIND] == SEGUE_GATED_NORM_LAYER))
        return snprintf(why, DESCRIPTOR_WHY,
                        "distribution: %s: wanted an eps above 0: a row may have no mean square, or variance",
                        distributions[c->distribution]),
               -1;
    if (c->distribution == SHARED && !c->d.present[WEIGHT] && !c->d.present[BIAS])
        return snprintf(why, DESCRIPTOR_WHY, "distribution: shared: wanted a weight or a bias"), -1;
    return 0;
}

/* The first value of each is what a case has unless something else is asked for. Behind | : covered once
 * only. */
static const struct factor factors[] = {
    { "dtypes", "f32 bf16 bf16-x.f32-weight.f32 f16-weight.f32 f32-x.bf16-bias.f16 | f64" },
    { "T", "17 1 33 | 0" },
    { "H", "3 1 8" },
    { "D", "5 16 64 130" },
    { "variant", "-/B2 -/B1 -/B3 cu_seqlens/S1 cu_seqlens/S3" },
    { "variant", "z - z.gate=SIGMOID z.norm_before_gate=1 z.gate=SIGMOID.norm_before_gate=1" },
    { "variant", "weight - weight.bias bias" },
    { "variant", "- kind=LAYER" },
    { "variant", "- | eps=0 eps=0.5" },
    { "layout", "btd bdt pad3 flip odd" },
    { "distribution", "benign wide zeros near-eps offset shared" },
    { "modifier", "- nan-future gap empty-middle cu-outside" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* nothing but the norm; nothing to do; one number */
    "gated_norm/fwd/f32/B2.T17.H3.D16",
    "gated_norm/fwd.z.weight/f32/B2.T0.H3.D16",
    "gated_norm/fwd.z.weight.bias/f32/B2.T17.H2.D1",
    /* Mamba-2; RetNet and gated delta nets; the states' f32 numbers beside bf16 activations */
    "gated_norm/fwd.z.weight/f32/B2.T17.H2.D64",
    "gated_norm/fwd.z.weight.norm_before_gate=1/bf16-x.f32/B2.T17.H4.D32/btd/shared",
    "gated_norm/fwd.z.weight.gate=SIGMOID.norm_before_gate=1/f32/B2.T17.H4.D32/btd/wide",
    /* a weight and a bias that tell their order; heads that tell their statistics */
    "gated_norm/fwd.weight.bias.kind=LAYER/f32/B2.T17.H3.D16",
    "gated_norm/fwd.z.weight.bias/f32/B2.T17.H8.D5/btd/wide",
    /* a mean that swallows the variance; rows that eps decides; rows of zeros */
    "gated_norm/fwd.weight.bias.kind=LAYER/f32/B2.T17.H3.D64/btd/offset",
    "gated_norm/fwd.kind=LAYER/f32/B1.T33.H2.D130/bdt/offset",
    "gated_norm/fwd.z.weight.kind=LAYER.norm_before_gate=1/bf16/B2.T17.H3.D64/btd/offset",
    "gated_norm/fwd.z.weight/f32/B2.T17.H3.D64/btd/near-eps",
    "gated_norm/fwd.z.weight.bias.kind=LAYER/f32/B2.T17.H3.D16/btd/zeros",
    /* longer than a group of items, or many rows for one */
    "gated_norm/fwd.z.weight/f32/B1.T5.H1.D1029",
    "gated_norm/fwd.z.weight.bias.kind=LAYER/f32/B1.T2.H1.D1029",
    "gated_norm/fwd.z.weight/f32/B2.T65.H16.D3",
    "gated_norm/fwd.z.weight/bf16/B1.T1.H1.D1536",
    /* strides; each weight of a dtype of its own */
    "gated_norm/fwd.z.weight.bias/f32/B2.T33.H4.D48/bdt",
    "gated_norm/fwd.z.weight.bias.kind=LAYER/bf16-x.f32-weight.f16-bias.f32/B2.T17.H3.D37/odd",
    "gated_norm/fwd.z.weight/f32/B3.T5.H2.D3/far",
    "gated_norm/fwd.z.weight/f32/B3.T5.H2.D3/far/benign#1",
    "gated_norm/fwd.z.weight.kind=LAYER/f32/B2.T129.H2.D16/btd/benign.nan-future",
    NULL,
};

static const char *const smoke[] = {
    "gated_norm/fwd.z.weight/f32/B2.T17.H2.D64/btd/benign",
    "gated_norm/fwd.weight.bias.kind=LAYER/f32/B2.T17.H3.D64/btd/offset",
    NULL,
};

extern const struct case_facts segue_case_gated_norm;
const struct case_facts segue_case_gated_norm = {
    .primitive = "gated_norm",
    .distributions = distributions,
    .fits = fits,
    .views = views,
    .draw = draw,
    .count = 44,
    .smoke_count = 5,
    .work = "b t h d",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
};
