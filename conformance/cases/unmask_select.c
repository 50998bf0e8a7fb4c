/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for unmask_select: equal confidences, confidences that differ by a rounding, that are none, that equal a threshold, and
 * controls that differ from row to row. */
#include "diffusion_draws.h"

/* ties: quarters, as thresholds are. equal: one value a row. near: in pairs that differ by a rounding. negative: as of NEGENT. extremes:
 * NaN, infinities, 0, negative. */
enum { BENIGN, TIES, EQUAL, NEAR, NEGATIVE, EXTREMES };
static const char *const distributions[] = { "benign", "ties", "equal", "near", "negative", "extremes", NULL };
/* edges, limits: other controls. known, none: tokens that are no mask. tok-none: no candidates. tok-mask: some are the mask itself. */
static const char *const modifiers[] = { "edges", "limits", "known", "none", "tok-none", "tok-mask", NULL };

static int has(const struct test_case *c, const char *name)
{
    return c->d.present[field_named(c->primitive, name)];
}

static double draw_conf(const struct test_case *c, const int64_t *index, const struct dice *one)
{
    static const double odd[] = { NAN, -INFINITY, INFINITY, 0, -0.5 };
    const struct dice row = dice_at(one, UINT64_C(0x80000000) + (uint64_t)index[0]),
                      pair = dice_at(one, UINT64_C(0x90000000) + (uint64_t)(index[0] * 65536 + index[1] / 2));
    const int64_t kind = dice_integer(one, 1, 0, 9);
    switch (c->distribution) {
    case TIES: return (double)dice_integer(one, 0, 1, 4) / 4;
    case EQUAL: return (double)dice_integer(&row, 0, 1, 7) / 8;
    case NEAR: return dice_uniform(&pair, 0, 0.1, 0.9) * (index[1] % 2 ? 1 + 0x1.8p-23 : 1);
    case NEGATIVE: return -dice_uniform(one, 0, 0.01, 6);
    case EXTREMES: return kind < 5 ? odd[kind] : dice_uniform(one, 0, 0.05, 1);
    default: return dice_uniform(one, 0, 0.05, 1);
    }
}

/* Draws of near pairs are alike: what differs are the roundings of the score. */
static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    const char *name = c->primitive->fields[field].name;
    const struct control *control = control_named(name);
    const struct dice pair = dice_at(dice, (uint64_t)(index[0] * 65536 + index[1] / 2));
    if (control) return control_of(c, control, index[0]);
    if (!strcmp(name, "conf")) return draw_conf(c, index, dice);
    return noise_of(c, param_of(c, "noise"), c->distribution == NEAR ? &pair : dice);
}

static int fits(const struct test_case *c, char *why)
{
    if (c->distribution != BENIGN && !has(c, "conf")) return refuse_inputs(why, "wanted conf, or benign");
    if (c->distribution == NEGATIVE && param_of(c, "rule") == SEGUE_UNMASK_SELECT_MASKGIT)
        return refuse_inputs(why, "negative: wanted no MASKGIT, which takes logs");
    if (has_modifier(c, "nan-future") && !has(c, "conf")) return refuse_inputs(why, "nan-future: wanted conf");
    return 0;
}

/* The first value of each is what a case has unless something else is asked for. Behind | : covered once only. */
static const struct factor factors[] = {
    { "dtypes", "f32 bf16-conf.bf16" },
    { "T", "33 1 9" },
    { "variant", "mask_id=5/B3 mask_id=5/B2" },
    { "variant", "- lo.hi" },
    { "variant", "conf.steps_left.rule=TOPK conf.tau.rule=THRESHOLD conf.k.tau.carry.carry_out.rule=BUDGET "
                 "conf.k.temp.seed.rule=GUMBEL_TOPK conf.k.temp.seed.rule=MASKGIT p.seed.rule=BERNOULLI" },
    { "variant", "n_changed.n_left - n_changed.n_left.changed/C4" },
    { "variant", "- seq_id.pos" },
    { "layout", "btd pad3 odd" },
    { "distribution", "benign ties extremes" },
    { "modifier", "- edges limits nan-future" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* nothing to do; nothing eligible; plain */
    "unmask_select/fwd.n_changed.n_left.changed.mask_id=5/f32/B2.T0.C3",
    "unmask_select/fwd.conf.k.n_changed.n_left.changed.mask_id=5.rule=TOPK/f32/B3.T9.C1",
    "unmask_select/fwd.conf.steps_left.n_changed.n_left.changed.mask_id=5.rule=TOPK/f32/B2.T9.C4/btd/benign.none",
    "unmask_select/fwd.conf.steps_left.n_changed.mask_id=5.rule=TOPK/f32/B2.T9/btd/benign.tok-none",
    "unmask_select/fwd.mask_id=5/f32/B2.T9",
    /* ties: positions rising; thresholds are met */
    "unmask_select/fwd.conf.k.n_changed.changed.mask_id=5.rule=TOPK/f32/B3.T130.C6/btd/ties",
    "unmask_select/fwd.conf.k.n_changed.changed.mask_id=5.rule=TOPK/f32/B3.T33.C6/btd/equal",
    "unmask_select/fwd.conf.k.changed.mask_id=5.rule=TOPK/f32/B3.T33.C6/btd/near",
    "unmask_select/fwd.conf.tau.n_changed.changed.mask_id=5.rule=THRESHOLD/f32/B3.T33.C6/btd/ties",
    "unmask_select/fwd.conf.tau.n_changed.mask_id=5.rule=THRESHOLD.k_min=4/f32/B3.T33/btd/ties.edges",
    "unmask_select/fwd.conf.tau.n_changed.mask_id=5.rule=THRESHOLD.k_min=0/f32/B3.T33/btd/benign.limits",
    "unmask_select/fwd.conf.k.tau.carry.n_changed.carry_out.mask_id=5.rule=BUDGET/f32/B3.T33/btd/ties",
    /* schedules and budgets at their ends */
    "unmask_select/fwd.conf.lo.hi.steps_left.n_changed.n_left.mask_id=5.rule=TOPK/f32/B3.T33/btd/benign.edges",
    "unmask_select/fwd.conf.lo.hi.steps_left.n_changed.n_left.mask_id=5.rule=TOPK/f32/B3.T33/btd/benign.limits",
    "unmask_select/fwd.conf.k.tau.carry.n_changed.carry_out.mask_id=5.rule=BUDGET/f32/B3.T33/btd/benign.edges",
    "unmask_select/fwd.conf.steps_left.tau.carry.n_changed.carry_out.mask_id=5.rule=BUDGET/f32/B3.T33/btd/extremes.limits",
    /* scores that roundings decide */
    "unmask_select/fwd.conf.k.temp.draws.n_changed.mask_id=5.rule=GUMBEL_TOPK.noise=GUMBEL/f32/B3.T33/btd/near",
    "unmask_select/fwd.conf.k.temp.draws.n_changed.mask_id=5.rule=MASKGIT.noise=UNIFORM/f32/B3.T33/btd/near",
    "unmask_select/fwd.conf.k.temp.seed.seq_id.pos.step.n_changed.mask_id=5.rule=GUMBEL_TOPK/f32/B3.T33/btd/benign.edges",
    "unmask_select/fwd.conf.k.temp.seed.step.n_changed.mask_id=5.rule=MASKGIT/f32/B3.T33/btd/extremes.limits",
    /* draws by position */
    "unmask_select/fwd.p.seed.seq_id.pos.step.n_changed.n_left.mask_id=5.rule=BERNOULLI/f32/B3.T33",
    "unmask_select/fwd.p.seed.step.n_changed.n_left.mask_id=5.rule=BERNOULLI/f32/B3.T33/btd/benign.edges",
    "unmask_select/fwd.p.draws.n_changed.mask_id=5.rule=BERNOULLI.noise=UNIFORM/f32/B3.T33/pad3",
    "unmask_select/fwd.p.draws.n_changed.mask_id=5.rule=BERNOULLI.noise=EXPONENTIAL/f16/B3.T33/btd/benign.known",
    "unmask_select/fwd.seed.seq_id.pos.step.n_changed.changed.mask_id=5.rule=FIRST_HIT/f32/B3.T33.C2",
    "unmask_select/fwd.draws.changed.mask_id=5.rule=FIRST_HIT.noise=GUMBEL/f32/B3.T33.C2/flip",
    "unmask_select/fwd.conf.steps_left.changed.mask_id=5.rule=TOPK/f32/B3.T33.C40/btd/negative",
    "unmask_select/fwd.conf.k.n_changed.n_left.changed.mask_id=5.rule=TOPK/f32/B3.T33.C5/btd/benign.tok-mask",
    "unmask_select/fwd.conf.k.mask_id=5.rule=TOPK/f32/B3.T9/far",
    "unmask_select/fwd.conf.tau.n_changed.mask_id=5.rule=THRESHOLD/bf16-tau.f32/B3.T33",
    NULL,
};

static const char *const smoke[] = {
    "unmask_select/fwd.conf.k.n_changed.changed.mask_id=5.rule=TOPK/f32/B3.T130.C6/btd/ties",
    "unmask_select/fwd.conf.k.temp.draws.n_changed.mask_id=5.rule=GUMBEL_TOPK.noise=GUMBEL/f32/B3.T33/btd/near",
    NULL,
};

extern const struct case_facts segue_case_unmask_select;
const struct case_facts segue_case_unmask_select = {
    .primitive = "unmask_select",
    .distributions = distributions,
    .modifiers = modifiers,
    .fits = fits,
    .draw = draw,
    .integers = integers_of_diffusion,
    .split = split_never,
    .count = 60,
    .smoke_count = 8,
    .work = "b t",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
    .numbers = "seq_id pos",
};
