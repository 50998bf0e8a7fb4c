/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for the L2 norm: tiny and huge rows, zeros, rows as long as eps, one element that outweighs
 * its row. Nothing is exact here: roots and quotients round. */
#include "case_facts.h"

#include <stdio.h>

enum { X, Y, EPS };

enum { BENIGN, WIDE, ZEROS, NEAR_EPS, PEAK };
static const char *const distributions[] = { "benign", "wide", "zeros", "near-eps", "peak", NULL };

/* What all elements of a row have in common. */
static struct dice dice_of_row(const struct test_case *c, const int64_t *index)
{
    const int64_t t = descriptor_axis(&c->d, 't'), h = descriptor_axis(&c->d, 'h');
    const uint64_t row = (uint64_t)((index[0] * t + index[1]) * h + index[2]);
    return (struct dice){ { c->key[0], c->key[1] }, Y, row };
}

/* Squares stay within f32; in f16 what is squared already ends at 65504. */
static double draw_wide(const struct test_case *c, const struct dice *row, const struct dice *dice)
{
    const int half = c->d.dtype[X] == SEGUE_F16;
    return dice_log_uniform(row, 0, half ? 1e-3 : 1e-15, half ? 1e4 : 1e15) * dice_normal(dice, 0);
}

/* The sum of squares is a hundredth of eps to a hundred times it: eps on the mean, or behind the root, is
 * seen. */
static double draw_near_eps(const struct test_case *c, const struct dice *row, const struct dice *dice)
{
    const double k = (double)descriptor_axis(&c->d, 'k'), share = dice_log_uniform(row, 0, 1e-2, 1e2);
    const double square = c->d.value[EPS] * share / k, size = dice_exp(dice_log(square) / 2);
    return size * dice_normal(dice, 0);
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    const struct dice row = dice_of_row(c, index);
    (void)field;
    if (c->distribution == WIDE) return draw_wide(c, &row, dice);
    if (c->distribution == NEAR_EPS) return draw_near_eps(c, &row, dice);
    if (c->distribution == ZEROS && (dice_integer(&row, 0, 0, 2) == 0 || dice_integer(dice, 1, 0, 1))) return 0;
    const int is_peak = index[3] == dice_integer(&row, 0, 0, descriptor_axis(&c->d, 'k') - 1);
    return dice_normal(dice, 0) * (c->distribution == PEAK && is_peak ? 300 : 1);
}

static int fits(const struct test_case *c, char *why)
{
    if (c->d.value[EPS] != 0 || (c->distribution != ZEROS && c->distribution != NEAR_EPS)) return 0;
    snprintf(why, DESCRIPTOR_WHY, "distribution: %s: wanted an eps above 0", distributions[c->distribution]);
    return -1;
}

/* The first value of each is what a case has unless something else is asked for. Behind | : covered once
 * only. */
static const struct factor factors[] = {
    { "dtypes", "f32 bf16 f16 | f64" },
    { "T", "17 1 33 | 0" },
    { "H", "3 1 8" },
    { "K", "5 16 64 130" },
    { "variant", "-/B2 -/B1 -/B3" },
    { "variant", "- eps=0 | eps=0.5" },
    { "layout", "btd bdt pad3 flip odd" },
    { "distribution", "benign wide zeros near-eps peak" },
    { "modifier", "- nan-future" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* nothing to do; one number; one row */
    "l2_norm/fwd/f32/B2.T0.H3.K16",
    "l2_norm/fwd/f32/B2.T17.H1.K1",
    "l2_norm/fwd/bf16/B1.T1.H1.K128",
    /* rows of zeros; of a length that eps decides */
    "l2_norm/fwd/f32/B2.T17.H3.K16/btd/zeros",
    "l2_norm/fwd/f32/B2.T17.H3.K64/btd/near-eps",
    "l2_norm/fwd/bf16/B2.T17.H3.K64/btd/near-eps",
    /* longer than a group of items, or many rows for one */
    "l2_norm/fwd/f32/B1.T5.H1.K1029/btd/peak",
    "l2_norm/fwd/f32/B2.T65.H16.K3/btd/wide",
    /* strides */
    "l2_norm/fwd/f32/B2.T33.H4.K48/bdt",
    "l2_norm/fwd/bf16/B2.T17.H3.K67/odd",
    "l2_norm/fwd/f32/B3.T5.H2.K3/far",
    "l2_norm/fwd/f32/B2.T129.H2.K16/btd/benign.nan-future",
    NULL,
};

static const char *const smoke[] = { "l2_norm/fwd/f32/B2.T17.H3.K64/btd/near-eps", NULL };

extern const struct case_facts segue_case_l2_norm;
const struct case_facts segue_case_l2_norm = {
    .primitive = "l2_norm",
    .distributions = distributions,
    .fits = fits,
    .draw = draw,
    .count = 28,
    .smoke_count = 4,
    .work = "b t h k",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
};
