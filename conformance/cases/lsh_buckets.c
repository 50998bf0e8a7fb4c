/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for lsh_buckets. All numbers are small multiples of one unit, so that every score is exact in f32 in whatever order it is
 * summed up: buckets are wanted equal, ties included. */
#include "case_facts.h"

#include <stdio.h>

enum { X, ROTATIONS, SECOND, KEEP, BUCKET_IN, BUCKET, PERM, INVERSE, PAD_BUCKET, BUCKET_STRIDE };

/* ties: three values only. wide: scores near 1e5 that differ by 1. one: all tokens of a head are alike. zero: scores are 0 and -0. */
enum { BENIGN, TIES, WIDE, ONE, ZERO };
static const char *const distributions[] = { "benign", "ties", "wide", "one", "zero", NULL };
/* shared: heads have one rotation. outside: given buckets of other rounds, and of none. keep-none: a batch row without tokens. */
static const char *const modifiers[] = { "shared", "outside", "keep-none", NULL };

/* Where tokens are alike: of the same element of their head's first one. */
static struct dice of_head(const struct test_case *c, const int64_t *index)
{
    const int64_t *n = c->operands[X].view.shape;
    const struct dice d = { { c->key[0], c->key[1] },
                            X + 1,
                            (uint64_t)((index[0] * n[2] + index[2]) * n[3] + index[3]) };
    return d;
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    const struct dice alike = c->distribution == ONE && field == X ? of_head(c, index) : *dice;
    if (c->distribution == TIES) return (double)dice_integer(dice, 0, -1, 1);
    if (c->distribution == WIDE) return (double)dice_integer(dice, 0, -127, 127);
    if (c->distribution == ZERO && field == X) return dice_integer(dice, 0, 0, 1) ? 0.0 : -0.0;
    return (double)dice_integer(&alike, 0, -8, 8) / 8;
}

/* A quarter of the tokens is padding; any other number than 0 keeps. */
static void draw_keep(const struct test_case *c, int32_t *to, const struct dice *dice)
{
    static const int32_t kept[] = { 1, 1, -1, 256, INT32_MIN };
    const int64_t tokens = c->operands[KEEP].view.shape[1];
    for (int64_t i = 0; i < c->operands[KEEP].count; i++) {
        const struct dice d = { { dice->key[0], dice->key[1] }, dice->field, (uint64_t)i };
        const int padding = dice_integer(&d, 0, 0, 3) == 0 || (has_modifier(c, "keep-none") && i < tokens);
        to[i] = padding ? 0 : kept[dice_integer(&d, 1, 0, 4)];
    }
}

static void draw_buckets(const struct test_case *c, int32_t *to, const struct dice *dice)
{
    static const int32_t far[] = { INT32_MIN, -1, INT32_MAX };
    const int64_t *n = c->operands[BUCKET_IN].view.shape, stride = (int64_t)c->d.value[BUCKET_STRIDE];
    for (int64_t i = 0; i < c->operands[BUCKET_IN].count; i++) {
        const struct dice d = { { dice->key[0], dice->key[1] }, dice->field, (uint64_t)i };
        const int64_t first = i / n[3] % n[2] * stride;
        const int outside = has_modifier(c, "outside") && dice_integer(&d, 0, 0, 3) == 0;
        if (outside && dice_integer(&d, 1, 0, 1)) to[i] = far[dice_integer(&d, 2, 0, 2)];
        else
            to[i] = (int32_t)(first +
                              dice_integer(&d, 3, outside ? -stride : 0, outside ? 2 * stride : stride - 1));
    }
}

static void integers(const struct test_case *c, uint32_t field, int32_t *to, const struct dice *dice)
{
    if (field == KEEP) draw_keep(c, to, dice);
    else draw_buckets(c, to, dice);
}

static void views(struct test_case *c)
{
    if (!has_modifier(c, "shared")) return;
    operand_hold(&c->operands[ROTATIONS], "h");
    if (c->d.present[SECOND]) operand_hold(&c->operands[SECOND], "h");
}

static int refuse(char *why, const char *words)
{
    snprintf(why, DESCRIPTOR_WHY, "distribution: %s", words);
    return -1;
}

static int fits(const struct test_case *c, char *why)
{
    const int hashes = c->d.present[X];
    if (c->distribution != BENIGN && !hashes) return refuse(why, "wanted x and R, or benign");
    if (has_modifier(c, "nan-future") && !hashes) return refuse(why, "nan-future: wanted x and R");
    if (has_modifier(c, "shared") && !c->d.present[ROTATIONS]) return refuse(why, "shared: wanted R");
    if (has_modifier(c, "outside") && !c->d.present[BUCKET_IN]) return refuse(why, "outside: wanted bucket_in");
    if (has_modifier(c, "keep-none") && !c->d.present[KEEP]) return refuse(why, "keep-none: wanted keep");
    return 0;
}

/* The first value of each is what a case has unless something else is asked for. Behind | : covered once only. */
static const struct factor factors[] = {
    { "dtypes", "f32 bf16 | bf16-R.f32 f16 f64" },
    { "T", "33 1 17 130" },
    { "H", "2 1" },
    { "R", "2 1 3 | 8" },
    { "variant", "x.R/B2.K8.F4 x.R/B1.K16.F16 x.R.R_2/B2.K5.F3.G2 x.R.keep.pad_bucket=1/B2.K7.F5 "
                 "x.R.bucket_stride=90/B1.K33.F40 bucket_in.bucket_stride=24/B2" },
    { "variant", "bucket.inverse - bucket inverse" },
    { "layout", "btd pad3 flip odd" },
    { "distribution", "benign ties wide one" },
    { "modifier", "- shared nan-future outside" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* no tokens; one; nothing but perm */
    "lsh_buckets/fwd.x.R.bucket.inverse/f32/B2.T0.H2.K4.R2.F3",
    "lsh_buckets/fwd.bucket_in.bucket_stride=5/f32/B1.T0.H1.R1",
    "lsh_buckets/fwd.x.R.bucket.inverse/f32/B1.T1.H1.K1.R1.F1",
    "lsh_buckets/fwd.x.R/f32/B2.T65.H2.K16.R2.F8",
    /* ties: zeros of both signs, three values, all tokens alike */
    "lsh_buckets/fwd.x.R.bucket.inverse/f32/B1.T40.H2.K5.R2.F6/btd/zero",
    "lsh_buckets/fwd.x.R.bucket.inverse/f32/B2.T70.H2.K3.R2.F9/btd/ties",
    "lsh_buckets/fwd.x.R.bucket.inverse/bf16/B1.T70.H1.K2.R2.F40/btd/ties",
    "lsh_buckets/fwd.x.R.bucket.inverse/f32/B1.T300.H2.K4.R1.F4/btd/one",
    "lsh_buckets/fwd.x.R.R_2.bucket.inverse/f32/B1.T70.H2.K3.R2.F4.G5/btd/ties",
    /* sums of low precision */
    "lsh_buckets/fwd.x.R.bucket.inverse/bf16/B1.T130.H2.K64.R2.F16/btd/wide",
    "lsh_buckets/fwd.x.R.bucket/f16/B1.T40.H1.K100.R1.F12/btd/wide",
    "lsh_buckets/fwd.x.R.bucket.inverse/bf16-R.f32/B1.T33.H2.K17.R2.F33/pad3/wide.shared",
    /* long; many rounds; more buckets than tokens */
    "lsh_buckets/fwd.x.R.bucket.inverse/f32/B1.T4101.H1.K3.R2.F5/btd/ties",
    "lsh_buckets/fwd.x.R.R_2.bucket.inverse/f32/B1.T2050.H1.K4.R1.F9.G7",
    "lsh_buckets/fwd.x.R.bucket.inverse/f32/B2.T65.H2.K4.R8.F3",
    "lsh_buckets/fwd.x.R.bucket.inverse/f32/B1.T20.H1.K8.R2.F300",
    "lsh_buckets/fwd.x.R.R_2.bucket.inverse/bf16/B1.T40.H1.K6.R2.F16.G31/odd/benign.shared",
    /* padding: with a bucket, without one, a row of nothing else, room behind it */
    "lsh_buckets/fwd.x.R.keep.bucket.inverse.pad_bucket=1/f32/B2.T65.H2.K4.R3.F3/btd/ties",
    "lsh_buckets/fwd.x.R.R_2.keep.bucket.inverse.pad_bucket=1/f32/B2.T65.H1.K4.R2.F3.G2/btd/benign.keep-none",
    "lsh_buckets/fwd.x.R.keep.bucket.inverse/f32/B2.T65.H2.K4.R2.F3",
    "lsh_buckets/fwd.x.R.keep.bucket.inverse.pad_bucket=1.bucket_stride=12/bf16/B3.T33.H2.K4.R3.F4/flip/benign.keep-none",
    /* the smallest distance between rounds, and a large one */
    "lsh_buckets/fwd.x.R.bucket.inverse.bucket_stride=6/f32/B1.T40.H2.K4.R3.F3",
    "lsh_buckets/fwd.x.R.bucket.bucket_stride=100000/f32/B1.T40.H1.K4.R3.F3",
    /* buckets given */
    "lsh_buckets/fwd.bucket_in.bucket.inverse.bucket_stride=8/f32/B2.T65.H2.R3/btd/benign.outside",
    "lsh_buckets/fwd.bucket_in.bucket.inverse.bucket_stride=1/f32/B1.T40.H2.R4",
    "lsh_buckets/fwd.bucket_in.inverse.bucket_stride=3000/f32/B1.T200.H1.R2/odd/benign.outside",
    "lsh_buckets/fwd.bucket_in.bucket_stride=65536/f32/B1.T90.H1.R3",
    /* NaN in tokens: they are in bucket 0 */
    "lsh_buckets/fwd.x.R.bucket.inverse/f32/B2.T40.H2.K5.R2.F6/btd/benign.nan-future",
    "lsh_buckets/fwd.x.R.R_2.keep.bucket.inverse.pad_bucket=1/bf16/B2.T33.H1.K5.R2.F3.G4/odd/ties.nan-future",
    NULL,
};

static const char *const smoke[] = {
    "lsh_buckets/fwd.x.R.R_2.bucket.inverse/f32/B1.T70.H2.K3.R2.F4.G5/btd/ties",
    "lsh_buckets/fwd.x.R.keep.bucket.inverse.pad_bucket=1/f32/B2.T65.H2.K4.R3.F3/btd/ties",
    "lsh_buckets/fwd.bucket_in.bucket.inverse.bucket_stride=8/f32/B2.T65.H2.R3/btd/benign.outside",
    NULL,
};

extern const struct case_facts segue_case_lsh_buckets;
const struct case_facts segue_case_lsh_buckets = {
    .primitive = "lsh_buckets",
    .distributions = distributions,
    .modifiers = modifiers,
    .fits = fits,
    .views = views,
    .draw = draw,
    .integers = integers,
    .count = 55,
    .smoke_count = 6,
    .work = "b t h k r f",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
    .split = split_never,
};
