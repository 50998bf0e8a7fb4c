/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for the merge of attention parts: parts that are empty and hold anything, logarithms far apart and far out. */
#include "case_facts.h"

#include <math.h>
#include <stdio.h>

enum { O, LSE, LOG_WEIGHT, Y, LSE_OUT, PLUS_INF_EMPTY };

/* spread: logarithms up to 1e4 apart, as those of rows that see only themselves. level: far from 0, close together. exact: one
 * part is there, the others are not. */
enum { BENIGN, EXACT, SPREAD, LEVEL };
static const char *const distributions[] = { "benign", "exact", "spread", "level", NULL };
/* empty: some parts are not there, of the first token none is. junk: these hold NaN and infinities. no-weight: where a weight
 * of 0 says so, too. */
static const char *const modifiers[] = { "empty", "junk", "no-weight", NULL };

/* What all parts of a row [b t h] have in common. */
static struct dice dice_of_row(const struct test_case *c, const int64_t *index)
{
    const int64_t t = descriptor_axis(&c->d, 't'), h = descriptor_axis(&c->d, 'h');
    return (struct dice){ { c->key[0], c->key[1] }, Y, (uint64_t)((index[1] * t + index[2]) * h + index[3]) };
}

static struct dice dice_of_part(const struct test_case *c, const int64_t *index)
{
    struct dice row = dice_of_row(c, index);
    row.field = LSE_OUT, row.element = row.element * 64 + (uint64_t)index[0];
    return row;
}

static int is_empty(const struct test_case *c, const int64_t *index)
{
    const struct dice row = dice_of_row(c, index), part = dice_of_part(c, index);
    if (c->distribution == EXACT) return index[0] != dice_integer(&row, 0, 0, descriptor_axis(&c->d, 'r') - 1);
    return (has_modifier(c, "empty") || has_modifier(c, "junk")) &&
           (index[2] == 0 || dice_integer(&part, 0, 0, 2) == 0);
}

static double draw_lse(const struct test_case *c, const int64_t *index, const struct dice *dice)
{
    const struct dice row = dice_of_row(c, index);
    if (is_empty(c, index))
        return c->d.value[PLUS_INF_EMPTY] != 0 && dice_integer(dice, 1, 0, 1) ? INFINITY : -INFINITY;
    if (c->distribution == EXACT) return (double)dice_integer(dice, 0, -9, 9);
    if (c->distribution == SPREAD) return dice_uniform(dice, 0, -1e4, 1e4);
    return 2 * dice_normal(dice, 0) + (c->distribution == LEVEL ? dice_uniform(&row, 1, -1e3, 1e3) : 0);
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    static const double junk[] = { NAN, INFINITY, -INFINITY, 3e38 };
    if (field == LSE) return draw_lse(c, index, dice);
    if (field == LOG_WEIGHT && has_modifier(c, "no-weight") && dice_integer(dice, 1, 0, 2) == 0)
        return -INFINITY;
    if (field == O && has_modifier(c, "junk") && is_empty(c, index)) return junk[dice_integer(dice, 2, 0, 3)];
    if (c->distribution == EXACT) return field == O ? (double)dice_integer(dice, 0, -9, 9) : 0;
    return dice_normal(dice, 0);
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
    if (has_modifier(c, "no-weight") && (!c->d.present[LOG_WEIGHT] || c->distribution == EXACT))
        return refuse(why, "no-weight: wanted log_weight, and another distribution than exact");
    if (has_modifier(c, "nan-future"))
        return refuse(why, "nan-future: which of NaN and a number is larger kernels differ in");
    if (descriptor_axis(&c->d, 'r') > 63) return refuse(why, "parts: wanted at most 63");
    return 0;
}

/* The first value of each is what a case has unless something else is asked for. Behind | : covered once only. */
static const struct factor factors[] = {
    { "dtypes", "f32 bf16 bf16-o.f32 | f16 f64" },
    { "T", "17 1 33" },
    { "H", "3 1 8" },
    { "V", "5 16 64" },
    { "R", "2 1 3 4 8" },
    { "variant", "-/B2 -/B1" },
    { "variant", "lse_out -" },
    { "variant", "- log_weight" },
    { "variant", "- plus_inf_empty=1" },
    { "layout", "btd pad3 flip odd bdt" },
    { "distribution", "benign spread level" },
    { "modifier", "- empty junk no-weight" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* nothing to do; no part; one number */
    "attention_merge/fwd.lse_out/f32/B2.T0.H3.R2.V5",
    "attention_merge/fwd.lse_out/f32/B2.T5.H3.R0.V5",
    "attention_merge/fwd.lse_out/f32/B1.T1.H1.R1.V1",
    /* one part is what it was; of several the one that is there */
    "attention_merge/fwd.lse_out/f32/B2.T17.H3.R1.V64/btd/exact",
    "attention_merge/fwd.lse_out/bf16/B2.T17.H3.R5.V16/btd/exact.junk",
    "attention_merge/fwd.log_weight.lse_out.plus_inf_empty=1/f32/B2.T17.H3.R8.V33/btd/exact.junk",
    /* as engines have them: ring steps, split KV, rounds of LSH, a cascade's two halves, LoLA's three parts */
    "attention_merge/fwd.lse_out/bf16-o.f32-lse.f32/B1.T33.H8.R4.V128/btd/benign.empty",
    "attention_merge/fwd.lse_out/bf16-o.f32-lse.f32/B1.T1.H32.R8.V128/btd/benign.junk",
    "attention_merge/fwd.lse_out/f32/B2.T33.H2.R4.V64/btd/spread.junk",
    "attention_merge/fwd.lse_out.plus_inf_empty=1/bf16-lse.f32/B1.T17.H8.R2.V64/btd/level.junk",
    "attention_merge/fwd.log_weight/f32/B1.T17.H4.R3.V64/btd/level.no-weight",
    "attention_merge/fwd.log_weight.lse_out/f16-log_weight.f32/B2.T17.H4.R3.V64/btd/spread.no-weight",
    /* far apart, far out; all parts alike */
    "attention_merge/fwd.lse_out/f32/B2.T33.H3.R8.V33/btd/spread",
    "attention_merge/fwd.lse_out/f32/B2.T33.H3.R8.V33/btd/level",
    "attention_merge/fwd.lse_out/f32/B2.T33.H3.R2.V16/btd/level.junk",
    /* wider than a group, strides, dtypes of their own, far */
    "attention_merge/fwd.lse_out/f32/B1.T2.H2.R3.V700/btd/benign.junk",
    "attention_merge/fwd.log_weight.lse_out/f32-o.bf16-lse.f16-log_weight.bf16/B2.T9.H3.R3.V7/odd/benign.junk",
    "attention_merge/fwd.log_weight.lse_out/f16-o.f32-lse.f32/B2.T9.H3.R3.V20/bdt/benign.junk",
    "attention_merge/fwd.lse_out/f32/B2.T3.H2.R3.V4/far/benign.junk",
    NULL,
};

static const char *const smoke[] = {
    "attention_merge/fwd.lse_out/bf16/B2.T17.H3.R5.V16/btd/exact.junk",
    "attention_merge/fwd.lse_out/f32/B2.T33.H2.R4.V64/btd/spread.junk",
    "attention_merge/fwd.lse_out.plus_inf_empty=1/bf16-lse.f32/B1.T17.H8.R2.V64/btd/level.junk",
    NULL,
};

extern const struct case_facts segue_case_attention_merge;
const struct case_facts segue_case_attention_merge = {
    .primitive = "attention_merge",
    .distributions = distributions,
    .modifiers = modifiers,
    .fits = fits,
    .draw = draw,
    .exact = exact,
    .count = 50,
    .smoke_count = 6,
    .work = "r b t h v",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
};
