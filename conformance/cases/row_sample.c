/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for row_sample: ties, scores that differ by a rounding, numbers that are none, controls that differ from row to row.
 * Shares of top_p lie away from the sums that they are compared with, by chance alone: sums are sparse. */
#include "diffusion_draws.h"

/* flat: all probabilities are about alike. peaked: one is all but 1. ties: few values. equal: one value a row. near: the two largest
 * scores differ by a rounding. extremes: rows far from 0, with NaN, infinities, nothing to choose from. */
enum { BENIGN, FLAT, PEAKED, TIES, EQUAL, NEAR, EXTREMES };
static const char *const distributions[] = { "benign", "flat", "peaked",   "ties",
                                             "equal",  "near", "extremes", NULL };
/* edges, limits: other controls. known, none: tokens that are no mask. banned-all: all ids but one. tiny: some draws are 1e-30.
 * cold: temperatures near 0. */
static const char *const modifiers[] = {
    "edges", "limits", "known", "none", "banned-all", "tiny", "cold", NULL
};

enum {
    BEHIND = 4
}; /* by how much the second of two near ones lies behind by its logit, if draws make up for it */

enum { LOGITS }; /* the first field */

static uint32_t field_of(const struct test_case *c, const char *name)
{
    return field_named(c->primitive, name);
}

static int has(const struct test_case *c, const char *name)
{
    return c->d.present[field_of(c, name)];
}

static int64_t vocabulary(const struct test_case *c)
{
    return descriptor_axis(&c->d, 'v');
}

/* The two best ids of a row, the same ones in every batch row: first < second. */
static void near_pair(const struct test_case *c, int64_t n, int64_t pair[2])
{
    const struct dice d = { { c->key[0], c->key[1] }, 1, UINT64_C(0x90000000) + (uint64_t)n };
    pair[0] = dice_integer(&d, 0, 0, vocabulary(c) / 2 - 1);
    pair[1] = dice_integer(&d, 1, vocabulary(c) / 2, vocabulary(c) - 1);
}

static int is_drawn(const struct test_case *c)
{
    return param_of(c, "noise") == GUMBEL_DRAWS;
}

/* The second one is larger by a rounding, or behind where the noise makes up for it. */
static double near_logit(const struct test_case *c, int64_t n, int64_t id, const struct dice *one)
{
    int64_t pair[2];
    near_pair(c, n, pair);
    if (id == pair[0]) return 5.1f;
    if (id == pair[1]) return is_drawn(c) ? 5.1f - BEHIND : 5.1f * (1 + 0x1p-23);
    return dice_uniform(one, 0, -3, -1);
}

/* In bf16 it is nearer than a rounding of a score only by chance: near wants f32. */
static double near_draw(const struct test_case *c, int64_t b, int64_t n, int64_t id)
{
    const double temperature = has(c, "temperature") ? control_value(c, "temperature", b) : 1;
    int64_t pair[2];
    near_pair(c, n, pair);
    if (id == pair[0]) return 0.5;
    return id == pair[1] ? 0.5 + BEHIND / (temperature > 0 ? temperature : 1) : -2;
}

static double draw_logit(const struct test_case *c, const int64_t *index, const struct dice *one)
{
    const struct dice row = dice_of_row(one, index, &c->operands[LOGITS].view);
    const int64_t v = vocabulary(c);
    if (c->distribution == FLAT) return 0.05 * dice_normal(one, 0);
    if (c->distribution == PEAKED)
        return index[2] == dice_integer(&row, 0, 0, v - 1) ? 3 : 0.3 * dice_normal(one, 0) - 17.7;
    if (c->distribution == TIES) return (double)dice_integer(one, 0, -2, 2);
    if (c->distribution == EQUAL) return (double)dice_integer(&row, 0, -6, 6) / 2;
    if (c->distribution == NEAR) return near_logit(c, index[1], index[2], one);
    if (c->distribution != EXTREMES) return benign_logit(&row, one, index[2], v);
    return extreme_logit(has(c, "top_p") || has(c, "guidance") ? FAR : 1e4, !has_modifier(c, "edges"), &row,
                         one, index[2], v);
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    const char *name = c->primitive->fields[field].name;
    const struct control *control = control_named(name);
    if (control) return control_of(c, control, index[0]);
    if (field == LOGITS) return draw_logit(c, index, dice);
    if (!strcmp(name, "logits_u")) return free_logit(value_of(c, LOGITS, index), dice);
    if (c->distribution == NEAR && is_drawn(c)) return near_draw(c, index[0], index[1], index[2]);
    return noise_of(c, param_of(c, "noise"), dice);
}

/* What is left of a difference of equal numbers proves nothing. */
static int fits_confidence(const struct test_case *c, char *why)
{
    const int64_t confidence = param_of(c, "confidence");
    const int tied = c->distribution == TIES || c->distribution == EQUAL || c->distribution == NEAR;
    if (tied && confidence == SEGUE_ROW_SAMPLE_MARGIN && has(c, "conf"))
        return refuse_inputs(why, "confidence=MARGIN: wanted scores that differ");
    if (c->distribution == PEAKED &&
        (has(c, "logp") || (has(c, "conf") && confidence == SEGUE_ROW_SAMPLE_NEGENT)))
        return refuse_inputs(why, "peaked: wanted no logp and no NEGENT, which are near 0 throughout");
    if (vocabulary(c) == 1 && (has(c, "logp") || (has(c, "conf") && confidence == SEGUE_ROW_SAMPLE_NEGENT)))
        return refuse_inputs(why, "one id: wanted no logp and no NEGENT, which are 0");
    return 0;
}

static int fits(const struct test_case *c, char *why)
{
    if (c->distribution == NEAR && (segue_dtype_id(c->operands[LOGITS].view.dtype) != SEGUE_F32 ||
                                    vocabulary(c) < 4 || has(c, "row") || has(c, "logits_u")))
        return refuse_inputs(why, "near: wanted logits in f32, four ids, no row and no logits_u");
    if (has_modifier(c, "banned-all") && !has(c, "banned"))
        return refuse_inputs(why, "banned-all: wanted banned");
    if ((has_modifier(c, "known") || has_modifier(c, "none")) && !has(c, "x"))
        return refuse_inputs(why, "known, none: wanted x");
    if (has_modifier(c, "tiny") && !has(c, "draws")) return refuse_inputs(why, "tiny: wanted draws");
    if (has_modifier(c, "cold") && (!has(c, "temperature") || c->distribution != BENIGN ||
                                    segue_dtype_id(c->operands[LOGITS].view.dtype) != SEGUE_F32))
        return refuse_inputs(
            why, "cold: wanted a temperature and benign logits in f32: roundings of equal ones would be large");
    return fits_confidence(c, why);
}

/* Tokens know nothing of each other, if the window is where it was. Positions are given. */
static int split(segue_op_header *header, int64_t tokens)
{
    segue_row_sample *op = (segue_row_sample *)header;
    segue_tensor *const ends[] = { &op->lo, &op->hi };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        int32_t *at = ends[i]->data;
        for (int64_t b = 0; at && b < ends[i]->shape[0]; b++) at[b] = narrow((double)at[b] - (double)tokens);
    }
    return 0;
}

/* The first value of each is what a case has unless something else is asked for. Behind | : covered once only. */
static const struct factor factors[] = {
    { "dtypes", "f32 bf16 bf16-temperature.f32" },
    { "T", "5 1 9" },
    { "V", "33 257 17" },
    { "variant", "-/B3 -/B2 row/B3.N4" },
    { "variant", "- x.mask_id=5" },
    { "variant", "- lo.hi" },
    { "variant", "temperature - temperature.top_p temperature.top_k top_p.nucleus=EXCLUDE_CROSSING "
                 "temperature.top_p.top_k.topk_ties=EXACT_K logits_u.guidance.temperature" },
    { "variant", "- banned/Z7" },
    { "variant", "seed.step.noise=PHILOX - seed.seq_id.pos.step.noise=PHILOX draws.noise=UNIFORM "
                 "draws.noise=EXPONENTIAL seed.move.stay.noise=PHILOX.transition=ABSORB" },
    { "variant",
      "conf conf.confidence=PROB_FINAL conf.confidence=MARGIN conf.confidence=NEGENT conf.confidence=RANDOM -" },
    { "variant", "- lse.logp lse" },
    { "layout", "btd pad3 flip odd" },
    { "distribution", "benign flat ties extremes" },
    { "modifier", "- edges limits known nan-future" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* nothing to do; one id; plain */
    "row_sample/fwd.conf.lse/f32/B2.T0.V33",
    "row_sample/fwd.conf.lse.logp/f32/B0.T5.V33",
    "row_sample/fwd.conf.lse/f32/B2.T5.V1",
    "row_sample/fwd.temperature.top_p.top_k.conf.lse.noise=PHILOX.confidence=PROB_FINAL/f32/B3.T5.V1",
    "row_sample/fwd/f32/B2.T5.V33",
    /* greedy: the first of equals, far up, by one rounding */
    "row_sample/fwd.conf.lse.logp/f32/B2.T9.V257/btd/ties",
    "row_sample/fwd.conf/bf16/B2.T9.V1000/btd/ties",
    "row_sample/fwd.conf.lse.logp/f32/B2.T5.V257/btd/equal",
    "row_sample/fwd.conf.lse.logp/f32/B2.T9.V257/btd/near",
    "row_sample/fwd.conf.lse.logp/f32/B3.T9.V33/btd/extremes",
    "row_sample/fwd.conf/f16/B2.T9.V257/odd/extremes",
    "row_sample/fwd.conf/f32/B2.T5.V257/btd/peaked",
    /* LLaDA: greedy, sampled, guided, with bans, a block */
    "row_sample/fwd.x.lo.hi.conf.mask_id=5/bf16/B2.T17.V1000",
    "row_sample/fwd.x.lo.hi.temperature.seed.step.conf.mask_id=5.noise=PHILOX/bf16/B2.T9.V1000",
    "row_sample/fwd.logits_u.x.lo.hi.guidance.banned.conf.mask_id=5/bf16-guidance.f32/B2.T9.V257.Z7",
    "row_sample/fwd.x.temperature.seed.conf.mask_id=5.noise=PHILOX.confidence=RANDOM/f32/B3.T5.V33",
    /* Dream: logits of the row before, both filters, its confidences */
    "row_sample/fwd.x.row.temperature.top_p.top_k.seed.conf.mask_id=5.noise=PHILOX.confidence=PROB_FINAL/f32/B3.T9.N9.V257",
    "row_sample/fwd.x.row.temperature.top_p.conf.mask_id=5.confidence=MARGIN/bf16/B3.T9.N9.V257",
    "row_sample/fwd.x.row.temperature.top_k.conf.mask_id=5.confidence=NEGENT/f32/B3.T9.N9.V257",
    "row_sample/fwd.temperature.top_p.top_k.conf.lse.confidence=PROB_FINAL/f32/B3.T5.V257/btd/ties",
    "row_sample/fwd.temperature.top_k.conf.lse.confidence=PROB_FINAL.topk_ties=EXACT_K/f32/B3.T5.V257/btd/ties",
    "row_sample/fwd.top_p.conf.lse.confidence=PROB_FINAL.nucleus=EXCLUDE_CROSSING/f32/B3.T5.V257/btd/ties",
    /* MDLM: the mask is an id, or lies behind them; the last step; ln q as noise finds it */
    "row_sample/fwd.x.seed.step.move.stay.conf.logp.mask_id=32.noise=PHILOX.transition=ABSORB/f32/B3.T9.V33",
    "row_sample/fwd.x.seed.step.move.stay.conf.logp.mask_id=33.noise=PHILOX.transition=ABSORB/f32/B3.T9.V33",
    "row_sample/fwd.x.draws.move.stay.conf.lse.logp.mask_id=5.noise=GUMBEL.confidence=PROB_FINAL.transition=ABSORB/f32/B3.T9.V33/btd/benign.edges",
    "row_sample/fwd.x.temperature.top_p.seed.move.stay.conf.logp.mask_id=40.noise=PHILOX.transition=ABSORB/bf16/B3.T5.V33/btd/benign.limits",
    /* controls at their ends */
    "row_sample/fwd.temperature.seed.seq_id.pos.step.conf.lse.logp.noise=PHILOX.confidence=PROB_FINAL/f32/B3.T5.V33/btd/benign.edges",
    "row_sample/fwd.temperature.seed.seq_id.pos.step.conf.lse.noise=PHILOX/f32/B3.T5.V257/btd/flat.limits",
    "row_sample/fwd.temperature.top_p.top_k.seed.conf.lse.noise=PHILOX.confidence=PROB_FINAL/f32/B3.T5.V33/btd/benign.cold",
    "row_sample/fwd.top_p.top_k.conf.lse.confidence=PROB_FINAL/f32/B3.T5.V33/btd/benign.edges",
    "row_sample/fwd.top_p.top_k.conf.lse.confidence=PROB_FINAL.nucleus=EXCLUDE_CROSSING.topk_ties=EXACT_K/f32/B3.T5.V33/btd/benign.limits",
    "row_sample/fwd.logits_u.guidance.conf/f32/B3.T5.V33/btd/benign.edges",
    "row_sample/fwd.logits_u.guidance.conf.lse/f32/B3.T5.V33/btd/extremes.limits",
    /* windows, rows and bans that leave little or nothing */
    "row_sample/fwd.x.lo.hi.conf.lse.mask_id=5/f32/B3.T9.V33/btd/benign.edges",
    "row_sample/fwd.x.lo.hi.conf.lse.mask_id=5/f32/B3.T9.V33/btd/benign.limits",
    "row_sample/fwd.x.conf.lse.mask_id=5/f32/B2.T9.V33/btd/benign.none",
    "row_sample/fwd.row.conf/f32/B2.T9.N3.V33",
    "row_sample/fwd.banned.seed.conf.lse.noise=PHILOX/f32/B2.T5.V33.Z33/btd/benign.banned-all",
    "row_sample/fwd.banned.conf/f32/B2.T5.V33.Z1",
    /* two scores that differ by roundings: by temperature, by noise */
    "row_sample/fwd.temperature.conf.lse.logp/f32/B3.T9.V257/btd/near",
    "row_sample/fwd.temperature.draws.conf.logp.noise=GUMBEL.confidence=PROB_FINAL/f32/B3.T9.V33/btd/near",
    "row_sample/fwd.draws.conf.logp.noise=GUMBEL/f32/B2.T9.V33/pad3/near",
    "row_sample/fwd.draws.conf.noise=EXPONENTIAL/f32/B2.T5.V257/btd/benign.tiny",
    "row_sample/fwd.draws.conf.noise=UNIFORM/f32/B2.T5.V257/btd/flat.tiny",
    /* dtypes of their own; far apart */
    "row_sample/fwd.logits_u.temperature.top_p.guidance.draws.conf.noise=UNIFORM/bf16-logits_u.f32-temperature.f32-top_p.f16-draws.f32/B3.T5.V33",
    "row_sample/fwd.temperature.seed.conf.noise=PHILOX/f32/B3.T3.V17/far",
    NULL,
};

static const char *const smoke[] = {
    "row_sample/fwd.conf.lse.logp/f32/B2.T9.V257/btd/ties",
    "row_sample/fwd.x.row.temperature.top_p.top_k.seed.conf.mask_id=5.noise=PHILOX.confidence=PROB_FINAL/f32/B3.T9.N9.V257",
    "row_sample/fwd.x.seed.step.move.stay.conf.logp.mask_id=32.noise=PHILOX.transition=ABSORB/f32/B3.T9.V33",
    "row_sample/fwd.temperature.draws.conf.logp.noise=GUMBEL.confidence=PROB_FINAL/f32/B3.T9.V33/btd/near",
    NULL,
};

extern const struct case_facts segue_case_row_sample;
const struct case_facts segue_case_row_sample = {
    .primitive = "row_sample",
    .distributions = distributions,
    .modifiers = modifiers,
    .fits = fits,
    .draw = draw,
    .integers = integers_of_diffusion,
    .split = split,
    .count = 110,
    .smoke_count = 12,
    .work = "b t v",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
    .numbers = "seq_id pos",
};
