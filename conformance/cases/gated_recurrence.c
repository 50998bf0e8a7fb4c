/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for the gated recurrence. Each distribution says how large the logs of the decays are. Where y is divided by a sum,
 * keys and queries are positive, as kernel features are: else the sum cancels and says nothing. */
#include "case_facts.h"

#include <math.h>
#include <stdio.h>

enum {
    Q,
    K,
    V,
    G,
    GK,
    GAIN,
    D,
    Z,
    CU_SEQLENS,
    SLOT,
    S_IN,
    N_IN,
    S_OUT,
    N_OUT,
    Y,
    NORM = 26,
    GAIN_DOMAIN,
    HEAD_MAP
};
enum { CLAMP_EPS = 2, PER_FEATURE = 3, PLAIN = 5 }; /* of norm */

enum { BENIGN, EXACT, DECAY_ONE, DECAY_LOG, STRONG, RESET, STATIC, DRIFT, WIDE, MASKED, EMPTY };
/* static: decays constant over all tokens and D over a head, by views. masked: a third of the gains' logs is -inf. empty: rows of
 * features that are all 0, and none before a third of the tokens. */
static const char *const distributions[] = {
    "benign", "exact", "decay-one", "decay-log", "strong", "reset",
    "static", "drift", "wide",      "masked",    "empty",  NULL,
};

static const struct recipe { /* -log of a decay: log-uniform between low and high */
    double low, high;
} recipes[] = {
    [BENIGN] = { 1e-3, 0.3 },   [EXACT] = { 0, 0 },       [DECAY_ONE] = { 1e-6, 1e-3 },
    [DECAY_LOG] = { 1e-4, 10 }, [STRONG] = { 4, 25 },     [RESET] = { 1e-3, 0.1 },
    [STATIC] = { 1e-3, 0.5 },   [DRIFT] = { 1e-6, 1e-4 }, [WIDE] = { 1e-3, 3 },
    [MASKED] = { 1e-3, 0.3 },   [EMPTY] = { 1e-3, 0.3 },
};

static const double reset = -90; /* exp(-90) is far below f32's smallest */

/* Resets come every 97 tokens, a prime; shorter sequences have a shorter period. */
static int is_reset(const struct test_case *c, int64_t t)
{
    const int64_t tokens = descriptor_axis(&c->d, 't'), period = tokens > 194 ? 97 : tokens > 26 ? 13 : 3;
    return c->distribution == RESET && t % period == period - 1;
}

static int norm_of(const struct test_case *c)
{
    return (int)c->d.value[NORM];
}

static double draw_decay(const struct test_case *c, uint32_t field, const int64_t *index,
                         const struct dice *dice)
{
    const struct recipe *r = &recipes[c->distribution];
    const int both = c->d.present[G] && c->d.present[GK];
    if (is_reset(c, index[1])) return field == G || !c->d.present[G] ? reset : -1e-3;
    return -dice_log_uniform(dice, 0, r->low, r->high) / (both ? 2 : 1);
}

static double draw_gain(const struct test_case *c, const int64_t *index, const struct dice *dice)
{
    const int log = c->d.value[GAIN_DOMAIN] == 0;
    if (!log) return dice_uniform(dice, 0, 0.2, 1.5);
    if (c->distribution == MASKED && index[1] > 0 && dice_integer(dice, 1, 0, 2) == 0) return -INFINITY;
    return c->distribution == WIDE ? dice_uniform(dice, 0, -30, 3) : dice_uniform(dice, 0, -2, 1);
}

/* |S_T| <= 3 + 4 T and |y| <= K |S| + 4: below 2^24 for K T < 2 million. */
static double draw_integer(const struct test_case *c, uint32_t field, const struct dice *dice)
{
    if (field == G || field == GK) return 0;
    if (field == GAIN) return c->d.value[GAIN_DOMAIN] == 0 ? 0 : (double)dice_integer(dice, 0, 1, 2);
    if (field == S_IN) return (double)dice_integer(dice, 0, -3, 3);
    return (double)(field == Q || field == K ? dice_integer(dice, 0, -1, 1) : dice_integer(dice, 0, -2, 2));
}

static double signed_size(const struct dice *dice, double low, double high)
{
    const double size = dice_log_uniform(dice, 0, low, high);
    return dice_integer(dice, 1, 0, 1) ? size : -size;
}

/* The number that all elements of a row of features have in common: whether it is empty. */
static int is_empty(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    const int64_t tokens = descriptor_axis(&c->d, 't');
    const struct dice row = { { c->key[0], c->key[1] },
                              dice->field,
                              (uint64_t)((index[0] * 4099 + index[1]) * 67 + index[2]) };
    if (c->distribution != EMPTY) return 0;
    return (field == K && index[1] < tokens / 3) || dice_integer(&row, 9, 0, 3) == 0;
}

/* q, k and the sum of k. */
static double draw_feature(const struct test_case *c, uint32_t field, const int64_t *index,
                           const struct dice *dice)
{
    const int positive = norm_of(c) || c->distribution == EMPTY;
    if (field != N_IN && is_empty(c, field, index, dice)) return 0;
    if (c->distribution == DRIFT) return dice_uniform(dice, 0, 0.5, 1.5);
    if (c->distribution == WIDE)
        return positive ? dice_log_uniform(dice, 0, 0.02, 3) : signed_size(dice, 0.02, 10);
    return positive ? dice_uniform(dice, 0, 0.05, 1) : dice_normal(dice, 0);
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    if (c->distribution == EXACT) return draw_integer(c, field, dice);
    if (field == G || field == GK) return draw_decay(c, field, index, dice);
    if (field == GAIN) return draw_gain(c, index, dice);
    if (field == Q || field == K || field == N_IN) return draw_feature(c, field, index, dice);
    if (c->distribution == DRIFT && field != Z) return dice_uniform(dice, 0, 0.5, 1.5);
    if (c->distribution == WIDE && field == Z) return signed_size(dice, 0.01, 200);
    if (c->distribution == WIDE && field == V) return signed_size(dice, 0.02, 10);
    return dice_normal(dice, 0);
}

static int exact(const struct test_case *c)
{
    return c->distribution == EXACT;
}

static int want(int holds, char *why, const char *words)
{
    if (!holds) snprintf(why, DESCRIPTOR_WHY, "distribution: %s", words);
    return holds ? 0 : -1;
}

static int fits(const struct test_case *c, char *why)
{
    const int decays = c->d.present[G] || c->d.present[GK], writes = c->d.present[K], norm = norm_of(c);
    if (norm == PLAIN && !writes && !c->d.present[N_IN])
        return want(0, why, "wanted k or n_in where y is divided by n alone");
    if (norm == CLAMP_EPS && has_modifier(c, "nan-future")) /* nobody knows the larger of eps and NaN */
        return want(0, why, "nan-future: wanted a norm without a maximum");
    switch (c->distribution) {
    case BENIGN:
    case DRIFT:
    case WIDE: return 0;
    case EXACT:
        return want(!norm && !c->d.present[Z], why,
                    "exact: wanted no norm and no z, which leave integers integers");
    case MASKED:
        return want(c->d.present[GAIN] && c->d.value[GAIN_DOMAIN] == 0, why,
                    "masked: wanted gain in the log domain");
    case EMPTY: /* q . n = 0 where a kernel may not divide by it */
        return want(norm != PER_FEATURE && norm != PLAIN, why,
                    "empty: wanted a norm whose denominator is not 0 where q is");
    case STATIC: return want(decays || c->d.present[D], why, "static: wanted g, gk or D");
    case STRONG:
    case RESET: return want(decays && writes, why, "wanted g or gk, and k: nothing else is left");
    default: return want(decays, why, "wanted g or gk");
    }
}

static void views(struct test_case *c)
{
    if (c->distribution != STATIC) return;
    if (c->operands[G].facts) operand_hold(&c->operands[G], "b t");
    if (c->operands[GK].facts) operand_hold(&c->operands[GK], "b t");
    if (c->operands[D].facts) operand_hold(&c->operands[D], "v");
}

/* The first value of each is what a case has unless something else is asked for. Behind | : covered once only. */
static const struct factor factors[] = {
    { "dtypes", "f32 bf16 f16 bf16-g.f32 bf16-q.f32-k.f32 bf16-y.f32 bf16-S_in.bf16 f32-S_out.bf16 | f64" },
    { "T", "17 0 1 5 16 33 64 65" },
    { "K", "8 1 5 16 64 | 80" },
    { "V", "8 1 5 16 64 | 48" },
    { "variant", "-/H2.O2 -/H3 -/H4.J2 -/H2.O4.I2 head_map=mod/H4.J2.I2 head_map=mod/H2.J1.O6.I3" },
    { "variant", "q.k.v.y k.v q.y" },
    { "variant", "-/B2 -/B1 -/B3 cu_seqlens/S1 cu_seqlens/S3 cu_seqlens/S6" },
    { "variant", "- S_in S_out S_in.S_out slot.S_in.S_out/P7 slot.S_out/P12" },
    { "variant", "g gk - g.gk" },
    { "variant", "- gain gain.gain_domain=linear" },
    { "variant",
      "- norm=add_eps.eps=1e-3 norm=clamp_eps.eps=5e-1 norm=add_eps_per_feature.eps=1e-3 norm=guard.eps=5e-1 norm=plain" },
    { "variant", "- n_in n_out n_in.n_out" },
    { "variant", "- D" },
    { "variant", "- z" },
    { "variant", "- scale=125e-3" },
    { "layout", "btd bdt pad3 flip odd" },
    { "distribution", "benign exact decay-one decay-log strong reset static drift wide masked empty" },
    { "modifier", "- empty-middle gap slot-fresh slot-drop slot-padding nan-future" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* c k and c k +- 1 for chunks c of 16 and 64; both decays together */
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/B1.T31.H2.K8.V8/btd/decay-log",
    "gated_recurrence/fwd.q.k.v.gk.S_in.S_out.y/f32/B1.T32.H2.K8.V8/btd/decay-log",
    "gated_recurrence/fwd.q.k.v.g.gk.S_in.S_out.y/f32/B1.T49.H2.K8.V8/btd/decay-log",
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/B1.T127.H2.K8.V8/btd/decay-log",
    "gated_recurrence/fwd.q.k.v.gk.S_in.S_out.y/bf16/B1.T128.H1.K8.V8/btd/strong",
    "gated_recurrence/fwd.q.k.v.g.gk.S_in.S_out.y/f32/B1.T129.H1.K8.V8/btd/strong",
    "gated_recurrence/fwd.q.k.v.gk.S_in.S_out.y/f32/B1.T193.H1.K16.V8/btd/reset",
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/B1.T1000.H1.K4.V4/btd/decay-one",
    "gated_recurrence/fwd.q.k.v.S_in.n_in.S_out.n_out.y.norm=add_eps.eps=1e-6/f32/B1.T1000.H1.K4.V4/btd/drift",
    /* nothing to do, and still a state to hand on */
    "gated_recurrence/fwd.q.k.v.g.y/f32/B2.T0.H2.K8.V8",
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/B2.T0.H2.K8.V8",
    "gated_recurrence/fwd.k.v.S_out/bf16/B2.T0.H2.K8.V8",
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/B0.T5.H2.K8.V8",
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/T0.H2.K8.V8.S3/packed",
    "gated_recurrence/fwd.q.k.v.g.S_in.n_in.S_out.n_out.y.norm=add_eps.eps=1e-6/f32/T65.H2.K8.V8.S3/packed/benign.empty-middle",
    /* states only, and read only, whose decays still count; one after the other is bidirectional attention */
    "gated_recurrence/fwd.k.v.S_out.n_out.norm=add_eps/f32/B2.T33.H2.K8.V8",
    "gated_recurrence/fwd.k.v.gk.gain.S_in.S_out/f32/B2.T17.H4.J2.K16.V5/btd/masked",
    "gated_recurrence/fwd.q.S_in.n_in.y.norm=clamp_eps.eps=1e-3/f32/B2.T33.H2.K8.V8",
    "gated_recurrence/fwd.q.g.S_in.S_out.y/bf16/B2.T17.H2.O4.I1.K8.V8/btd/decay-log",
    "gated_recurrence/fwd.k.v.g.S_out/f32/T65.H2.K8.V8.S3/packed/benign.gap",
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/T65.H2.K8.V8.S3/packed/benign.cu-outside",
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/T65.H2.K8.V8.S3/packed/benign.empty-first.empty-last",
    /* slots (-1, w), (r, -1), (-1, -1) */
    "gated_recurrence/fwd.q.k.v.g.slot.S_in.n_in.S_out.n_out.y.norm=plain/f32/B3.T17.H2.K8.V8.P9/btd/benign.slot-fresh.slot-drop.slot-padding",
    "gated_recurrence/fwd.q.k.v.gk.slot.S_in.S_out.y/bf16-S_in.bf16/B3.T1.H2.K16.V16.P9/btd/benign.slot-fresh.slot-drop.slot-padding",
    "gated_recurrence/fwd.q.k.v.g.cu_seqlens.slot.S_in.S_out.y/f32/T65.H2.K8.V8.S3.P9/odd/benign.slot-padding",
    "gated_recurrence/fwd.q.k.v.g.slot.S_in.S_out.y/f32/T65.H2.K8.V8.S6.P12/packed/benign.slot-outside.cu-outside",
    "gated_recurrence/fwd.q.slot.S_in.y/f32/B3.T5.H2.K8.V8.P9/btd/benign.slot-padding",
    /* the future is NaN */
    "gated_recurrence/fwd.q.k.v.g.S_in.y/f32/B2.T129.H2.K8.V8/btd/benign.nan-future",
    "gated_recurrence/fwd.q.k.v.gk.gain.D.z.y.norm=guard.eps=5e-1/bf16/B2.T33.H2.K8.V8/btd/decay-log.nan-future",
    /* one token, what decoding does */
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/B1.T1.H4.K64.V64",
    "gated_recurrence/fwd.q.k.v.g.gain.D.z.S_in.S_out.y.gain_domain=linear/bf16-g.f32-gain.f32-D.f32/B2.T1.H4.J1.I1.K128.V64",
    "gated_recurrence/fwd.q.k.v.gk.S_in.n_in.S_out.n_out.y.norm=add_eps.eps=5e-1/f32/B2.T1.H2.K8.V8",
    "gated_recurrence/fwd.q.k.v.S_in.n_in.S_out.n_out.y.norm=add_eps_per_feature.eps=25e-2/f32/B2.T5.H2.K8.V8",
    /* sizes beyond a tile or a buffer of fixed size */
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/B1.T5.H1.K256.V17",
    "gated_recurrence/fwd.q.k.v.gk.S_in.S_out.y/bf16/B1.T17.H1.K80.V48/btd/decay-log",
    "gated_recurrence/fwd.q.k.v.g.y/f32/B1.T3.H1.K17.V257",
    "gated_recurrence/fwd.q.k.v.g.gk.S_in.S_out.y/f32/B1.T65.H1.K64.V64/btd/decay-log",
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/bf16/B1.T130.H1.K64.V64",
    "gated_recurrence/fwd.q.k.v.g.y/f32/B1.T3.H65.K2.V3",
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/T65.H1.K4.V4.S33/packed",
    /* more than 2^31 bytes between batch rows */
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/B3.T3.H2.K4.V4/far",
    "gated_recurrence/fwd.q.k.v.gk.z.S_in.S_out.y/bf16/B3.T3.H2.K4.V4/far/benign#1",
    "gated_recurrence/fwd.q.k.v.gk.z.S_in.S_out.y/bf16/B3.T3.H2.K4.V4/far/benign#2",
    "gated_recurrence/fwd.q.k.v.gk.z.S_in.S_out.y/bf16/B3.T3.H2.K4.V4/far/benign#3",
    /* D per head beside D per channel; a gate for more heads than there are states; log gain beside strong decay */
    "gated_recurrence/fwd.q.k.v.g.gain.D.S_in.S_out.y.gain_domain=linear/f32/B2.T33.H4.K8.V8/btd/static",
    "gated_recurrence/fwd.q.k.v.g.D.z.y.norm=add_eps.eps=1e-3/f32/B2.T33.H2.O4.I2.K8.V8",
    "gated_recurrence/fwd.q.k.v.g.gain.S_in.S_out.y/f32/B2.T33.H2.K8.V8/btd/wide",
    "gated_recurrence/fwd.q.k.v.g.gain.S_in.n_in.S_out.n_out.y.norm=add_eps.eps=1e-3/f32/B2.T33.H2.K8.V8/btd/masked",
    "gated_recurrence/fwd.q.k.v.S_in.n_in.S_out.n_out.y.norm=guard.eps=5e-1.scale=125e-3/f32/B2.T33.H2.K8.V8/btd/empty",
    "gated_recurrence/fwd.q.k.v.S_in.n_in.S_out.n_out.y.norm=add_eps.eps=1e-6.scale=125e-3/bf16/B2.T33.H2.K8.V8/btd/empty",
    "gated_recurrence/fwd.q.k.v.z.S_in.S_out.y/f32/B2.T33.H2.K8.V8/btd/wide",
    /* each operand of a dtype of its own */
    "gated_recurrence/fwd.q.k.v.gk.D.S_in.S_out.y/bf16-gk.f32-D.f32/B2.T17.H2.K16.V8",
    "gated_recurrence/fwd.q.k.v.g.gain.S_in.S_out.y/f32-g.f16-gain.bf16/B2.T17.H2.K8.V8",
    "gated_recurrence/fwd.q.k.v.g.z.S_in.S_out.y/f16-q.bf16-k.f32-y.f32-S_in.f16/B2.T17.H2.K8.V8",
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32-q.bf16-k.f16-y.bf16/B2.T17.H2.K8.V8",
    /* the longest sequence is exactly max_seqlen */
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y.max_seqlen=64/bf16/T64.H1.K8.V8/packed",
    NULL,
};

static const char *const smoke[] = {
    "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/B1.T127.K8.H2.V8/btd/decay-log",
    "gated_recurrence/fwd.k.v.g.S_out/f32/T65.K8.H2.V8.S3/packed/benign.gap",
    NULL,
};

extern const struct case_facts segue_case_gated_recurrence;
const struct case_facts segue_case_gated_recurrence = {
    .primitive = "gated_recurrence",
    .distributions = distributions,
    .fits = fits,
    .views = views,
    .draw = draw,
    .exact = exact,
    .count = 140,
    .smoke_count = 12,
    .work = "b t h k v",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
};
