/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for the feature map: large and tiny numbers, padding, one projection for all heads, positions far out. Inputs
 * and projections are so large that exponents and angles say something, and no larger. */
#include "case_facts.h"

#include <stdio.h>

enum { X, W, BIAS, KEEP, CU_SEQLENS, Y, MAP, SCALE, EPS, SHIFT_MODE, SHIFT, POSITION, LENGTH };

enum { BENIGN, EXACT, WIDE, SHARED };
static const char *const distributions[] = { "benign", "exact", "wide", "shared", NULL };
/* keep-none: no token of the first row is kept. */
static const char *const modifiers[] = { "keep-none", NULL };

static int64_t map_of(const struct test_case *c)
{
    return (int64_t)c->d.value[MAP];
}

static int is_shifted(const struct test_case *c)
{
    return map_of(c) == SEGUE_FEATURE_MAP_FAVOR_PLUS || map_of(c) == SEGUE_FEATURE_MAP_FAVOR_PM;
}

/* k^power */
static double power_of_width(const struct test_case *c, double power)
{
    return dice_exp(power * dice_log((double)descriptor_axis(&c->d, 'k')));
}

/* How large elements of x may be: with a projection its sums must stay within what exp and sin can tell apart. */
static const struct {
    double low, high;
} wide[] = {
    [SEGUE_FEATURE_MAP_IDENTITY] = { 1e-4, 1e4 },  [SEGUE_FEATURE_MAP_ELU1] = { 0.01, 80 },
    [SEGUE_FEATURE_MAP_RELU] = { 1e-4, 1e4 },      [SEGUE_FEATURE_MAP_FAVOR_PLUS] = { 0.01, 4 },
    [SEGUE_FEATURE_MAP_FAVOR_PM] = { 0.01, 3 },    [SEGUE_FEATURE_MAP_RFF] = { 0.01, 200 },
    [SEGUE_FEATURE_MAP_GELU] = { 0.01, 30 },       [SEGUE_FEATURE_MAP_HEDGEHOG_A] = { 0.01, 30 },
    [SEGUE_FEATURE_MAP_HEDGEHOG_B] = { 0.01, 20 }, [SEGUE_FEATURE_MAP_TAYLOR2] = { 0.01, 100 },
    [SEGUE_FEATURE_MAP_COSREW] = { 1e-4, 1e4 },    [SEGUE_FEATURE_MAP_EXP] = { 0.01, 30 },
};

static double draw_x(const struct test_case *c, const struct dice *dice)
{
    const double unit = is_shifted(c) ? power_of_width(c, -0.25) : 1;
    if (c->distribution != WIDE) return unit * dice_normal(dice, 0);
    const double size = unit * dice_log_uniform(dice, 0, wide[map_of(c)].low, wide[map_of(c)].high);
    return dice_integer(dice, 1, 0, 1) ? size : -size;
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    (void)index;
    if (c->distribution == EXACT) return (double)dice_integer(dice, 0, -9, 9);
    if (field == X) return draw_x(c, dice);
    if (field == W && !is_shifted(c)) return dice_normal(dice, 0) * power_of_width(c, -0.5);
    return dice_normal(dice, 0);
}

/* A third of the tokens is padding; any other number than 0 keeps. */
static void integers(const struct test_case *c, uint32_t field, int32_t *to, const struct dice *dice)
{
    static const int32_t kept[] = { 1, 1, -1, 256, INT32_MIN };
    const int64_t rows = c->operands[field].view.shape[0], tokens = c->operands[field].view.shape[1];
    for (int64_t i = 0; i < rows * tokens; i++) {
        const struct dice d = { { dice->key[0], dice->key[1] }, dice->field, (uint64_t)i };
        const int padding = dice_integer(&d, 0, 0, 2) == 0 || (has_modifier(c, "keep-none") && i < tokens);
        to[i] = padding ? 0 : kept[dice_integer(&d, 1, 0, 4)];
    }
}

static void views(struct test_case *c)
{
    if (c->distribution != SHARED) return;
    operand_hold(&c->operands[W], "h");
    if (c->d.present[BIAS]) operand_hold(&c->operands[BIAS], "h");
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

/* Maps without a maximum over what else may be NaN. */
static int is_pointwise(const struct test_case *c)
{
    const int64_t map = map_of(c);
    return !c->d.present[W] || map == SEGUE_FEATURE_MAP_RFF || map == SEGUE_FEATURE_MAP_GELU ||
           (is_shifted(c) && c->d.value[SHIFT_MODE] == SEGUE_FEATURE_MAP_CONSTANT);
}

static int fits(const struct test_case *c, char *why)
{
    const int64_t map = map_of(c);
    if (c->distribution == EXACT && ((map != SEGUE_FEATURE_MAP_IDENTITY && map != SEGUE_FEATURE_MAP_RELU) ||
                                     c->d.value[SCALE] != 1 || c->d.value[EPS] != 0))
        return refuse(why,
                      "exact: wanted map=IDENTITY or RELU, no scale and no eps, which leave integers integers");
    if (c->distribution == SHARED && !c->d.present[W]) return refuse(why, "shared: wanted a projection (W)");
    if (has_modifier(c, "keep-none") && !c->d.present[KEEP]) return refuse(why, "keep-none: wanted keep");
    if (has_modifier(c, "nan-future") && !is_pointwise(c))
        return refuse(
            why,
            "nan-future: wanted a map without a maximum: which of NaN and a number is larger kernels differ in");
    if (map == SEGUE_FEATURE_MAP_COSREW && c->d.value[LENGTH] == 0 && c->d.present[CU_SEQLENS])
        return refuse(
            why, "packed sequences: wanted length: else it is that of the call, and its parts' are others");
    return 0;
}

/* Positions count from the first token. What is the largest of the sequence is another for fewer tokens, and so is a length
 * that the call itself gives. */
static int split(segue_op_header *header, int64_t tokens)
{
    segue_feature_map *op = (segue_feature_map *)header;
    if (op->shift_mode == SEGUE_FEATURE_MAP_GLOBAL) return -1;
    if (op->map == SEGUE_FEATURE_MAP_COSREW && (!op->length || op->cu_seqlens.dtype.bits)) return -1;
    if (op->map == SEGUE_FEATURE_MAP_COSREW) op->position += tokens;
    return 0;
}

/* The first value of each is what a case has unless something else is asked for. Behind | : covered once only. */
static const struct factor factors[] = {
    { "dtypes", "f32 bf16 bf16-y.f32 | f16 f64" },
    { "T", "17 1 33" },
    { "H", "3 1" },
    { "K", "5 16 33" },
    { "variant", "-/B2 -/B1 cu_seqlens/S3" },
    { "variant", "- map=RELU.eps=1e-3 W.map=FAVOR_PLUS.eps=1e-4/M13 W.map=FAVOR_PM.shift_mode=GLOBAL/M5 "
                 "W.map=HEDGEHOG_A.eps=1e-12/M16 W.map=RFF/M7 map=TAYLOR2 map=COSREW.length=40.position=3" },
    { "variant", "- keep" },
    { "variant", "- scale=5e-1" },
    { "layout", "btd pad3 flip odd" },
    { "distribution", "benign wide shared" },
    { "modifier", "- empty-middle gap cu-outside nan-future" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* nothing to do; one number */
    "feature_map/fwd.W.map=HEDGEHOG_A/f32/B2.T0.H3.K16.M16",
    "feature_map/fwd.W.map=FAVOR_PLUS.shift_mode=GLOBAL/f32/T0.H3.K16.M16.S3/packed",
    "feature_map/fwd/f32/B1.T1.H1.K1",
    "feature_map/fwd.W.map=EXP/f32/B1.T1.H1.K1.M1",
    "feature_map/fwd.map=TAYLOR2/f32/B1.T3.H2.K1",
    "feature_map/fwd.keep.map=IDENTITY/f16/B0.T3.H2.K5",
    /* as models have them: Performer's queries and keys, cosFormer, Based, Hedgehog */
    "feature_map/fwd.W.map=FAVOR_PLUS.scale=0.5.eps=0.0001/f32/B1.T17.H2.K16.M44/btd/shared",
    "feature_map/fwd.W.keep.map=FAVOR_PLUS.scale=0.5.eps=0.0001.shift_mode=GLOBAL/f32/B2.T17.H2.K16.M44/btd/shared",
    "feature_map/fwd.W.map=FAVOR_PM.scale=0.5.shift_mode=GLOBAL/f32/B2.T17.H2.K16.M22/btd/shared",
    "feature_map/fwd.W.keep.map=FAVOR_PLUS.scale=0.5.eps=0.01.shift_mode=GLOBAL/f32/B2.T17.H2.K7.M9/odd",
    "feature_map/fwd.map=COSREW/bf16/B2.T33.H2.K16",
    "feature_map/fwd.map=TAYLOR2.scale=0.5/bf16-y.f32/B1.T9.H2.K16",
    "feature_map/fwd.W.map=HEDGEHOG_A.eps=1e-12/bf16-y.f32/B1.T9.H2.K64.M64",
    "feature_map/fwd.W.bias.map=HEDGEHOG_B/bf16/B1.T9.H2.K32.M32/btd/shared",
    /* maxima of the sequence: several sequences, padding, none kept, larger than a tile */
    "feature_map/fwd.W.keep.cu_seqlens.map=FAVOR_PLUS.eps=0.01.shift_mode=GLOBAL/f32/T65.H2.K5.M8.S3/btd/benign.empty-middle",
    "feature_map/fwd.W.keep.map=FAVOR_PLUS.eps=0.01.shift_mode=GLOBAL/f32/B2.T33.H2.K5.M8/btd/wide.keep-none",
    "feature_map/fwd.W.keep.map=FAVOR_PM.shift_mode=GLOBAL/f32/B2.T130.H1.K5.M3/btd/benign",
    "feature_map/fwd.W.map=FAVOR_PLUS.eps=0.0001.shift_mode=GLOBAL/f32/B1.T300.H2.K4.M5",
    "feature_map/fwd.W.map=FAVOR_PLUS.eps=0.01.shift_mode=CONSTANT.shift=-1.5/f32/B2.T17.H2.K5.M8/btd/benign.nan-future",
    "feature_map/fwd.W.map=FAVOR_PM.shift_mode=CONSTANT.shift=0.5/f32/B2.T17.H2.K5.M8",
    /* angles of positions beyond what f32 holds; turns past the length */
    "feature_map/fwd.map=COSREW.position=2147483000.length=2147483647/f32/B1.T33.H1.K4",
    "feature_map/fwd.map=COSREW.position=16777217.length=7/f32/B2.T33.H1.K4/btd/wide",
    "feature_map/fwd.map=COSREW.length=33/f32/B1.T33.H3.K5/btd/benign.nan-future",
    "feature_map/fwd.keep.cu_seqlens.map=COSREW.position=5.length=64/f32/T65.H2.K4.S3/btd/benign.gap",
    /* integers */
    "feature_map/fwd.map=IDENTITY/f32/B2.T17.H2.K33/btd/exact",
    "feature_map/fwd.keep.map=RELU/bf16-y.f32/B2.T17.H2.K5/btd/exact",
    /* large arguments of exp, sin and erf; a NaN that stays where it is */
    "feature_map/fwd/f32/B2.T17.H3.K33/btd/wide",
    "feature_map/fwd.W.map=GELU/f32/B2.T17.H2.K16.M33/btd/wide",
    "feature_map/fwd.W.map=RFF/f32/B2.T17.H2.K16.M33/btd/wide",
    "feature_map/fwd.W.map=EXP/f32/B2.T17.H2.K16.M33/btd/wide",
    "feature_map/fwd.keep/f32/B2.T17.H3.K16/btd/benign.nan-future",
    /* more features than a group has items, more inputs than a tile; dtypes of their own; strides */
    "feature_map/fwd.W.map=FAVOR_PLUS.eps=0.0001/f32/B1.T2.H1.K4.M300",
    "feature_map/fwd.W.bias.map=HEDGEHOG_B/f32/B1.T2.H1.K100.M130",
    "feature_map/fwd.W.bias.map=HEDGEHOG_B.scale=0.25/f32-W.bf16-bias.f16/B2.T9.H2.K16.M12",
    "feature_map/fwd.W.bias.map=HEDGEHOG_B/bf16-y.f16-W.f32-bias.f16/B2.T9.H2.K7.M6/odd",
    "feature_map/fwd.W.map=RFF/f32/B3.T3.H2.K3.M2/far",
    NULL,
};

static const char *const smoke[] = {
    "feature_map/fwd.W.keep.map=FAVOR_PLUS.scale=0.5.eps=0.0001.shift_mode=GLOBAL/f32/B2.T17.H2.K16.M44/btd/shared",
    "feature_map/fwd.W.map=GELU/f32/B2.T17.H2.K16.M33/btd/wide",
    NULL,
};

extern const struct case_facts segue_case_feature_map;
const struct case_facts segue_case_feature_map = {
    .primitive = "feature_map",
    .distributions = distributions,
    .modifiers = modifiers,
    .fits = fits,
    .views = views,
    .draw = draw,
    .integers = integers,
    .exact = exact,
    .split = split,
    .count = 45,
    .smoke_count = 6,
    .work = "b t h k",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
};
