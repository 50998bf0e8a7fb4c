/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs for linear attention: every feature map with every denominator, as far as their quotient says something. */
#include "case_facts.h"

#include <stdio.h>

enum {
    Q,
    K,
    V,
    W,
    W_K,
    BIAS,
    KEEP,
    CU_SEQLENS,
    SLOT,
    S_IN,
    N_IN,
    S_OUT,
    N_OUT,
    Y,
    CAUSAL,
    MAP,
    MAP_SCALE,
    MAP_EPS,
    KEY_SHIFT,
    SHIFT,
    POSITION,
    LENGTH,
    NORM
};
enum { CLAMP_EPS = 2, PER_FEATURE = 3, PLAIN = 5 };                                       /* of norm */
enum { IDENTITY, ELU1, RELU, FAVOR_PLUS, FAVOR_PM, RFF, GELU, TAYLOR2 = 9, COSREW, EXP }; /* of map */
enum { GLOBAL = 1 };                                                                      /* of key_shift */

/* dense: keys and queries above 0 only, where relu has no zeros. */
enum { BENIGN, EXACT, DENSE, WIDE };
static const char *const distributions[] = { "benign", "exact", "dense", "wide", NULL };
/* keep-none: no key of the first row is kept. keep-tail: padding on the right only. */
static const char *const modifiers[] = { "keep-none", "keep-tail", NULL };

static double draw_integer(uint32_t field, const struct dice *dice)
{
    if (field == S_IN) return (double)dice_integer(dice, 0, -3, 3);
    return (double)(field == V ? dice_integer(dice, 0, -2, 2) : dice_integer(dice, 0, -1, 1));
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    const int feature = field == Q || field == K, map = (int)c->d.value[MAP];
    const int positive =
        field == N_IN || (feature && (c->distribution == DENSE || (map == IDENTITY && c->d.value[NORM] != 0)));
    (void)index;
    if (c->distribution == EXACT) return draw_integer(field, dice);
    if (positive) return dice_uniform(dice, 0, 0.05, 1);
    if (field == W || field == W_K) return 0.5 * dice_normal(dice, 0);
    if (c->distribution == WIDE && (field == V || feature)) {
        const double size = dice_log_uniform(dice, 0, 0.02, feature ? 3 : 10);
        return dice_integer(dice, 1, 0, 1) ? size : -size;
    }
    return dice_normal(dice, 0);
}

/* A quarter of the keys is padding; never the first one, which would leave nothing to divide by. */
static void integers(const struct test_case *c, uint32_t field, int32_t *to, const struct dice *dice)
{
    const int64_t rows = c->operands[field].view.shape[0], keys = c->operands[field].view.shape[1];
    const int tail = has_modifier(c, "keep-tail"), none = has_modifier(c, "keep-none");
    for (int64_t i = 0; i < rows * keys; i++) {
        const struct dice d = { { dice->key[0], dice->key[1] }, dice->field, (uint64_t)i };
        to[i] = i % keys == 0 || (tail ? i % keys < keys - keys / 4 : dice_integer(&d, 0, 0, 3) != 0);
        if (none && i < keys) to[i] = 0;
    }
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

/* Whether q . n stays away from 0, or may be 0. */
static int fits_norm(const struct test_case *c, char *why)
{
    const int map = (int)c->d.value[MAP], norm = (int)c->d.value[NORM];
    const int bare = norm == PER_FEATURE || norm == PLAIN;
    const int sparse = (map == RELU || map == COSREW) && c->distribution != DENSE && c->d.value[MAP_EPS] < 0.1;
    if (!norm) return 0;
    if (map == RFF) return refuse(why, "rff: wanted no norm: its features cancel");
    if (map == IDENTITY && c->distribution == WIDE)
        return refuse(why, "identity, wide: wanted no norm: its features cancel");
    if (map == GELU && c->d.value[MAP_EPS] < 0.2)
        return refuse(why, "gelu: wanted no norm, or map_eps of 0.2: its features cancel");
    if (bare && sparse)
        return refuse(why, "wanted dense, or a norm whose denominator is not 0 where all features are");
    if (norm == PLAIN && (has_modifier(c, "keep-none") || (c->d.present[KEEP] && c->d.present[CU_SEQLENS])))
        return refuse(why, "wanted a norm whose denominator is not 0 where no key is kept");
    if (norm == CLAMP_EPS && has_modifier(c, "nan-future"))
        return refuse(why, "nan-future: wanted a norm without a maximum");
    return 0;
}

static int fits(const struct test_case *c, char *why)
{
    const int map = (int)c->d.value[MAP], causal = c->d.value[CAUSAL] != 0;
    if (c->distribution == EXACT && (map != IDENTITY || c->d.value[NORM] != 0))
        return refuse(why, "exact: wanted map=identity and no norm, which leave integers integers");
    if ((has_modifier(c, "keep-none") || has_modifier(c, "keep-tail")) && !c->d.present[KEEP])
        return refuse(why, "wanted keep");
    if (has_modifier(c, "nan-future") && (!causal || (map != IDENTITY && map != RFF && map != GELU)))
        return refuse(why, "nan-future: wanted a causal call and a map without a maximum");
    /* Hundreds of positive features: y near 0 is a sum that cancels in a state, and not in a product of query and key. Rows that
     * work in blocks and do not declare CHUNK_LOG would be failed now and then (gauge/README.md, weighed). */
    if (map == TAYLOR2 && descriptor_axis(&c->d, 'k') > 8)
        return refuse(why, "taylor2: wanted at most 8 keys (K)");
    if (map == COSREW && c->d.value[LENGTH] == 0)
        return refuse(why, "cosrew: wanted length: else it is that of the call, and its parts are others");
    return fits_norm(c, why);
}

/* Positions count from the first token; what is the largest of all keys is another for fewer of them. */
static int split(segue_op_header *header, int64_t tokens)
{
    segue_linear_attention *op = (segue_linear_attention *)header;
    const int shifted = op->map == FAVOR_PLUS || op->map == FAVOR_PM;
    if (op->causal && shifted && op->key_shift == GLOBAL) return -1;
    if (op->map != COSREW) return 0;
    op->position += tokens;
    return op->causal ? 0 : -1;
}

static const struct factor factors[] = {
    { "dtypes", "f32 bf16 f16 bf16-S_in.bf16 | f64" },
    { "T", "17 0 1 33 65" },
    { "K", "8 5 16" },
    { "V", "8 1 16" },
    { "H", "2 1" },
    { "variant",
      "- map=identity map=relu W.map=favor_plus.map_eps=1e-4/M8 W.map=favor_pm/M5 W.map=rff/M4 W.map=gelu.map_eps=25e-2/M8 "
      "W.map=hedgehog_a.map_eps=1e-12/M4 W.bias.map=hedgehog_b/M4 map=taylor2 map=cosrew.length=5000 W.map=exp/M4" },
    { "variant", "- causal=0/C9 causal=0/C33" },
    { "variant", "-/B2 cu_seqlens/S1 cu_seqlens/S3" },
    { "variant", "- S_in.n_in S_out.n_out S_in.n_in.S_out.n_out slot.S_in.n_in.S_out.n_out/P7 S_in.S_out" },
    { "variant",
      "- norm=unnormalised norm=clamp_eps.eps=5e-1 norm=add_eps_per_feature.eps=1e-3 norm=guard.eps=5e-1 norm=plain" },
    { "variant", "- keep" },
    { "variant", "- W_k" },
    { "variant", "- key_shift=row key_shift=constant.shift=1" },
    { "layout", "btd bdt pad3 flip odd" },
    { "distribution", "benign exact dense wide" },
    { "modifier", "- empty-middle slot-fresh slot-padding nan-future keep-none keep-tail" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    "linear_attention/fwd.S_in.n_in.S_out.n_out/f32/B1.T130.H2.K8.V8",
    "linear_attention/fwd.S_in.n_in.S_out.n_out/bf16/B2.T1.H4.K32.V32",
    "linear_attention/fwd.causal=0/f32/B2.T5.H2.K8.C65.V8",
    "linear_attention/fwd.keep.causal=0/bf16/B2.T33.H2.K8.C33.V8/btd/benign.keep-tail",
    "linear_attention/fwd.keep.causal=0.norm=clamp_eps.eps=0.001/f32/B2.T9.H2.K8.C17.V8/btd/benign.keep-none",
    "linear_attention/fwd.causal=0/f32/B2.T0.H2.K8.C9.V8",
    "linear_attention/fwd.causal=0/f32/B2.T9.H2.K8.C0.V8",
    "linear_attention/fwd.cu_seqlens.causal=0/f32/T65.H2.K8.V8.S3/packed/benign.empty-middle",
    "linear_attention/fwd.W.causal=0.map=favor_plus.map_scale=0.6.map_eps=1e-4/f32/B2.T17.H2.K8.C33.V8.M16",
    "linear_attention/fwd.W.S_in.n_in.S_out.n_out.map=favor_plus.map_scale=0.6.key_shift=constant/f32/B2.T33.H2.K8.V8.M16",
    "linear_attention/fwd.W.cu_seqlens.map=favor_pm/f32/T65.H2.K8.V8.M8.S3/packed",
    "linear_attention/fwd.W.W_k.S_in.n_in.S_out.n_out.map=hedgehog_a.map_eps=1e-12/bf16/B2.T17.H2.K8.V8.M8",
    "linear_attention/fwd.S_in.n_in.S_out.n_out.map=taylor2.map_scale=0.5/f32/B1.T33.H2.K8.V8",
    "linear_attention/fwd.S_in.n_in.S_out.n_out.map=cosrew.length=100.position=20.norm=clamp_eps/f32/B2.T33.H2.K8.V8/btd/dense",
    "linear_attention/fwd.causal=0.map=cosrew.length=64.norm=clamp_eps.eps=1e-6/f32/B2.T17.H2.K8.C33.V8",
    "linear_attention/fwd.slot.S_in.n_in.S_out.n_out/f32/T65.H2.K8.V8.S3.P9/packed/benign.slot-fresh.slot-drop.slot-padding",
    "linear_attention/fwd/f32/B3.T3.H2.K4.V4/far",
    "linear_attention/fwd.causal=0/bf16/B3.T3.H2.K4.C5.V4/far/benign#1",
    "linear_attention/fwd.W.keep.map=gelu.map_eps=0.25/f32/B2.T33.H2.K8.V8.M4/btd/benign.nan-future",
    "linear_attention/fwd.map=identity/f32/B2.T33.H2.K8.V8/btd/dense.nan-future",
    NULL,
};

extern const struct case_facts segue_case_linear_attention;
const struct case_facts segue_case_linear_attention = {
    .primitive = "linear_attention",
    .distributions = distributions,
    .modifiers = modifiers,
    .fits = fits,
    .draw = draw,
    .integers = integers,
    .exact = exact,
    .count = 60,
    .smoke_count = 4,
    .work = "b c h k v",
    .factors = factors,
    .mandatory = mandatory,
    .split = split,
};
