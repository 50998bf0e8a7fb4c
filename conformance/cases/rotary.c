/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for rotary embeddings: positions before the first token and up to 2^31, where an angle in f32 has no digits left;
 * one channel of a pair far larger than the other; tables that the batch shares. */
#include "case_facts.h"

#include <stdio.h>

enum {
    X,
    POS,
    COS,
    SIN,
    Y,
    PAIRING,
    ROTARY_DIM,
    FREQUENCIES,
    POSITION,
    XPOS_SHIFT,
    XPOS_INVERSE,
    BASE,
    XPOS_BASE
};

/* far: positions of both signs, most of them beyond a million. shared: tables that all batch rows read. exact: integers in
 * tables, or turned by no angle. */
enum { BENIGN, EXACT, WIDE, FAR, SHARED };
static const char *const distributions[] = { "benign", "exact", "wide", "far", "shared", NULL };

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    (void)index;
    if (c->distribution == EXACT) return (double)dice_integer(dice, 0, -9, 9);
    if (field != X) return dice_uniform(dice, 0, -1, 1);
    if (c->distribution != WIDE) return dice_normal(dice, 0);
    const double size = dice_log_uniform(dice, 0, 1e-3, 1e3);
    return dice_integer(dice, 1, 0, 1) ? size : -size;
}

static int32_t draw_position(const struct test_case *c, const struct dice *dice)
{
    static const int32_t far[] = { 1000003, 1 << 20, 16777217, 1234567890, INT32_MAX, 131072 };
    if (c->distribution == EXACT) return 0;
    if (c->distribution != FAR) return (int32_t)dice_integer(dice, 0, -100, 4096);
    const int32_t p = far[dice_integer(dice, 0, 0, 5)] - (int32_t)dice_integer(dice, 1, 0, 99);
    return dice_integer(dice, 2, 0, 1) ? p : -p;
}

/* No order: what a token's neighbours have says nothing. */
static void integers(const struct test_case *c, uint32_t field, int32_t *to, const struct dice *dice)
{
    const int64_t rows = c->operands[field].view.shape[0], tokens = c->operands[field].view.shape[1];
    for (int64_t i = 0; i < rows * tokens; i++) {
        const struct dice d = { { dice->key[0], dice->key[1] }, dice->field, (uint64_t)i };
        to[i] = draw_position(c, &d);
    }
}

static void views(struct test_case *c)
{
    if (c->distribution != SHARED) return;
    operand_hold(&c->operands[COS], "b");
    operand_hold(&c->operands[SIN], "b");
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
    const int has_scale = c->d.value[XPOS_BASE] > 0;
    if (c->distribution == EXACT && (has_scale || (!c->d.present[COS] && !c->d.present[POS])))
        return refuse(why, "exact: wanted tables, or pos, which is 0 then, and no xpos_base");
    if (c->distribution == FAR && !c->d.present[POS]) return refuse(why, "far: wanted pos");
    if (c->distribution == FAR && has_scale)
        return refuse(why, "far: wanted no xpos_base, whose scale would leave the range of f32");
    if (c->distribution == SHARED && !c->d.present[COS]) return refuse(why, "shared: wanted tables (cos, sin)");
    return 0;
}

static int split(segue_op_header *header, int64_t tokens)
{
    ((segue_rotary *)header)->position += tokens;
    return 0;
}

/* The first value of each is what a case has unless something else is asked for. Behind | : covered once only. */
static const struct factor factors[] = {
    { "dtypes", "f32 bf16 f16 | f64" },
    { "T", "17 1 33" },
    { "H", "3 1 8" },
    { "D", "16 6 80" },
    { "variant", "-/B2 -/B1" },
    { "variant", "- pairing=INTERLEAVED" },
    { "variant", "- rotary_dim=4 frequencies=RETNET xpos_base=512.xpos_shift=-9 xpos_base=512.xpos_inverse=1 "
                 "cos.sin.rotary_dim=6/R3 base=500000.position=100000" },
    { "variant", "- pos" },
    { "layout", "btd pad3 flip odd bdt" },
    { "distribution", "benign wide far shared" },
    { "modifier", "- nan-future" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* nothing to do; one number; one pair, of which RETNET knows no exponent */
    "rotary/fwd/f32/B2.T0.H3.D16",
    "rotary/fwd/f32/B1.T1.H1.D2",
    "rotary/fwd.pos.frequencies=RETNET/f32/B2.T17.H2.D2",
    /* GPT-NeoX, Llama, Falcon, GPT-J, RetNet and xPos as they have them; one token of a decode step */
    "rotary/fwd.rotary_dim=16/f32/B2.T17.H3.D64",
    "rotary/fwd.pos.base=500000/bf16/B2.T17.H8.D128",
    "rotary/fwd.pos.rotary_dim=32/f32/B3.T1.H4.D64",
    "rotary/fwd.pos.base=1000000/bf16/B3.T1.H32.D128/btd/far",
    "rotary/fwd.pairing=INTERLEAVED.rotary_dim=64/f16/B1.T33.H4.D256",
    "rotary/fwd.pairing=INTERLEAVED.frequencies=RETNET/f32/B2.T33.H2.D64",
    "rotary/fwd.pos.pairing=INTERLEAVED.xpos_shift=-17.xpos_base=512/f32/B2.T33.H3.D64",
    "rotary/fwd.pos.pairing=INTERLEAVED.xpos_shift=-17.xpos_inverse=1.xpos_base=512/f32/B2.T33.H3.D64/btd/wide",
    "rotary/fwd.position=1000000.xpos_inverse=1.xpos_base=250000/f32/B1.T17.H2.D16",
    "rotary/fwd.position=-20.xpos_base=32/f32/B1.T33.H2.D16",
    /* positions far out, by pos and by the parameter; frequencies that hardly turn, and that all turn alike */
    "rotary/fwd.pos/f32/B2.T33.H2.D128/btd/far",
    "rotary/fwd.pos.pairing=INTERLEAVED.frequencies=RETNET/f32/B2.T33.H2.D34/btd/far",
    "rotary/fwd.position=2147480000/f32/B1.T33.H2.D16",
    "rotary/fwd.position=-2147483647.base=10000000/f32/B1.T33.H2.D16",
    "rotary/fwd.pos.base=1/f32/B2.T17.H2.D16/btd/far",
    "rotary/fwd.pos.base=1e+30/f32/B2.T17.H2.D16/btd/far",
    /* tables: shared, of another dtype, turned and scaled; integers */
    "rotary/fwd.cos.sin.rotary_dim=64/bf16-cos.f32-sin.f32/B3.T17.H3.D64.R32/btd/shared",
    "rotary/fwd.cos.sin.pairing=INTERLEAVED.rotary_dim=10/f32-cos.f16-sin.bf16/B2.T17.H3.D33.R5/odd",
    "rotary/fwd.pos.cos.sin.rotary_dim=16.xpos_base=512/f32/B2.T17.H3.D16.R8",
    "rotary/fwd.cos.sin.rotary_dim=16/f32/B2.T17.H3.D20.R8/btd/exact",
    "rotary/fwd.cos.sin.pairing=INTERLEAVED.rotary_dim=16/bf16/B2.T17.H3.D20.R8/btd/exact",
    "rotary/fwd.pos/f32/B2.T17.H3.D64/btd/exact",
    /* more pairs than a group has items, an odd channel that passes, strides, far */
    "rotary/fwd.pos/f32/B1.T3.H2.D1030",
    "rotary/fwd.pos.pairing=INTERLEAVED.rotary_dim=518/bf16/B1.T3.H2.D700",
    "rotary/fwd.rotary_dim=2/f32/B2.T17.H3.D5/btd/benign.nan-future",
    "rotary/fwd.pos.rotary_dim=32/f32/B2.T17.H3.D33/bdt",
    "rotary/fwd.pos/f32/B3.T3.H2.D8/far",
    NULL,
};

static const char *const smoke[] = {
    "rotary/fwd.pos.base=1000000/bf16/B3.T1.H32.D128/btd/far",
    "rotary/fwd.pos.pairing=INTERLEAVED.xpos_shift=-17.xpos_inverse=1.xpos_base=512/f32/B2.T33.H3.D64/btd/wide",
    "rotary/fwd.cos.sin.rotary_dim=16/f32/B2.T17.H3.D20.R8/btd/exact",
    NULL,
};

extern const struct case_facts segue_case_rotary;
const struct case_facts segue_case_rotary = {
    .primitive = "rotary",
    .distributions = distributions,
    .fits = fits,
    .views = views,
    .draw = draw,
    .integers = integers,
    .exact = exact,
    .split = split,
    .count = 60,
    .smoke_count = 6,
    .work = "b t h d",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
};
