/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for a whole unmasking step: what row_sample and unmask_select do by themselves their own cases ask; here the step in
 * between counts. */
#include "diffusion_draws.h"

/* ties: few values. twins: all rows of logits are alike but for a constant, so that confidences differ by roundings alone. extremes: as
 * of row_sample. */
enum { BENIGN, TIES, TWINS, EXTREMES };
static const char *const distributions[] = { "benign", "ties", "twins", "extremes", NULL };
/* edges, limits: other controls. known, none: tokens that are no mask. banned-all: all ids but one. */
static const char *const modifiers[] = { "edges", "limits", "known", "none", "banned-all", NULL };

enum { LOGITS }; /* the first field */

static int has(const struct test_case *c, const char *name)
{
    return c->d.present[field_named(c->primitive, name)];
}

static double draw_logit(const struct test_case *c, const int64_t *index, const struct dice *one)
{
    const segue_tensor *t = &c->operands[LOGITS].view;
    const struct dice row = dice_of_row(one, index, t);
    /* of id index[2] in batch row index[0] */
    const struct dice shared =
        dice_at(one, UINT64_C(0x90000000) + (uint64_t)(index[0] * t->shape[2] + index[2]));
    if (c->distribution == TIES) return (double)dice_integer(one, 0, -2, 2);
    if (c->distribution == TWINS) return 2 * dice_normal(&shared, 0) + (double)dice_integer(&row, 0, -9, 9);
    if (c->distribution == EXTREMES) return extreme_logit(FAR, 0, &row, one, index[2], t->shape[2]);
    return benign_logit(&row, one, index[2], t->shape[2]);
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    const char *name = c->primitive->fields[field].name;
    const struct control *control = control_named(name);
    if (control) return control_of(c, control, index[0]);
    if (field == LOGITS) return draw_logit(c, index, dice);
    if (!strcmp(name, "logits_u")) return free_logit(value_of(c, LOGITS, index), dice);
    return noise_of(c, param_of(c, strcmp(name, "draws") ? "select_noise" : "noise"), dice);
}

static int fits(const struct test_case *c, char *why)
{
    const int64_t rule = param_of(c, "rule"), confidence = param_of(c, "confidence");
    if (has_modifier(c, "banned-all") && !has(c, "banned"))
        return refuse_inputs(why, "banned-all: wanted banned");
    if (c->distribution == TIES && confidence == SEGUE_DIFFUSION_UNMASK_MARGIN)
        return refuse_inputs(why, "confidence=MARGIN: wanted scores that differ");
    if (c->distribution == EXTREMES && has(c, "logits_u") && !has(c, "tok"))
        return refuse_inputs(
            why, "extremes: wanted tok beside logits_u: far out scores are near ties, which it tells");
    if (rule == SEGUE_DIFFUSION_UNMASK_MASKGIT && confidence == SEGUE_DIFFUSION_UNMASK_NEGENT)
        return refuse_inputs(why, "MASKGIT: wanted a confidence above 0");
    return 0;
}

/* The first value of each is what a case has unless something else is asked for. Behind | : covered once only. */
static const struct factor factors[] = {
    { "dtypes", "f32 bf16 bf16-temperature.f32" },
    { "T", "9 3" },
    { "V", "33" },
    { "variant", "mask_id=300/B3 row.mask_id=300/B3.N4" },
    { "variant", "- lo.hi banned/Z7" },
    { "variant", "temperature temperature.top_p temperature.top_k logits_u.guidance" },
    { "variant", "seed.step.noise=PHILOX - draws.noise=UNIFORM" },
    { "variant", "tok.conf - conf" },
    { "variant", "- confidence=PROB_FINAL confidence=NEGENT" },
    { "variant",
      "steps_left.rule=TOPK tau.rule=THRESHOLD k.tau.carry.carry_out.rule=BUDGET p.rule=BERNOULLI k.temp.rule=GUMBEL_TOPK" },
    { "variant", "n_changed.n_left -" },
    { "layout", "btd pad3 odd" },
    { "distribution", "benign twins extremes" },
    { "modifier", "- edges limits known" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* nothing to do; plain; no mask left */
    "diffusion_unmask/fwd.steps_left.tok.conf.n_changed.n_left.mask_id=300.rule=TOPK/f32/B2.T0.V33",
    "diffusion_unmask/fwd.mask_id=300/f32/B2.T1.V33",
    "diffusion_unmask/fwd.tok.conf.n_changed.n_left.changed.mask_id=300/f32/B2.T9.V33.C4/btd/benign.none",
    /* LLaDA: a block, sampled, guided, all that changes in device memory */
    "diffusion_unmask/fwd.lo.hi.temperature.seed.step.steps_left.n_changed.n_left.mask_id=5.noise=PHILOX.rule=TOPK/bf16/B2.T17.V257",
    "diffusion_unmask/fwd.logits_u.lo.hi.temperature.guidance.banned.seed.step.steps_left.tok.conf.n_left.mask_id=300.noise=PHILOX.rule=TOPK/bf16/B3.T17.V257.Z7",
    "diffusion_unmask/fwd.temperature.seed.seq_id.pos.step.k.conf.mask_id=300.noise=PHILOX.confidence=RANDOM.rule=TOPK/f32/B3.T9.V33",
    /* Dream: rows before, filters, its confidences and rules */
    "diffusion_unmask/fwd.row.temperature.top_p.top_k.seed.k.temp.conf.n_changed.mask_id=300.noise=PHILOX.confidence=NEGENT.rule=GUMBEL_TOPK/f32/B3.T9.N9.V257",
    "diffusion_unmask/fwd.row.temperature.top_p.seed.p.n_changed.mask_id=300.noise=PHILOX.confidence=MARGIN.rule=BERNOULLI/bf16/B3.T9.N9.V257",
    "diffusion_unmask/fwd.temperature.seed.k.tau.carry.conf.n_changed.carry_out.mask_id=300.noise=PHILOX.confidence=PROB_FINAL.rule=BUDGET/f32/B3.T9.V33",
    /* Fast-dLLM, MaskGIT, MDLM, BD3-LM */
    "diffusion_unmask/fwd.tau.tok.conf.n_changed.n_left.mask_id=300.rule=THRESHOLD/f32/B3.T17.V257",
    "diffusion_unmask/fwd.temperature.seed.k.temp.n_changed.mask_id=300.noise=PHILOX.confidence=PROB_FINAL.rule=MASKGIT/f32/B3.T17.V33",
    "diffusion_unmask/fwd.seed.step.move.stay.tok.n_changed.mask_id=32.noise=PHILOX.transition=ABSORB/f32/B3.T17.V33",
    "diffusion_unmask/fwd.top_p.seed.step.n_changed.changed.mask_id=300.noise=PHILOX.nucleus=EXCLUDE_CROSSING.rule=FIRST_HIT/f32/B3.T17.V33.C2",
    /* choices that roundings decide: which of twins, with and without the candidates as outputs */
    "diffusion_unmask/fwd.k.conf.n_changed.changed.mask_id=300.rule=TOPK/f32/B3.T9.V33.C9/btd/twins",
    "diffusion_unmask/fwd.temperature.k.tok.n_changed.mask_id=300.confidence=PROB_FINAL.rule=TOPK/f32/B3.T9.V33/btd/twins",
    "diffusion_unmask/fwd.k.temp.draws_select.n_changed.mask_id=300.rule=GUMBEL_TOPK.select_noise=SELECT_GUMBEL/f32/B3.T9.V33/btd/twins",
    "diffusion_unmask/fwd.k.conf.n_changed.mask_id=300.rule=TOPK/f32/B3.T9.V33/btd/ties",
    /* controls at their ends */
    "diffusion_unmask/fwd.lo.hi.temperature.top_p.top_k.seed.seq_id.pos.step.steps_left.tok.conf.n_changed.n_left.mask_id=300.noise=PHILOX.rule=TOPK/f32/B3.T9.V33/btd/benign.edges",
    "diffusion_unmask/fwd.lo.hi.temperature.top_p.top_k.seed.seq_id.pos.step.k.tau.carry.conf.carry_out.mask_id=300.noise=PHILOX.rule=BUDGET/f32/B3.T9.V33/btd/benign.limits",
    "diffusion_unmask/fwd.banned.steps_left.tok.conf.n_changed.mask_id=300.rule=TOPK/f32/B2.T9.V33.Z33/btd/benign.banned-all",
    "diffusion_unmask/fwd.k.tok.conf.n_changed.mask_id=300.rule=TOPK/f16/B3.T9.V33/btd/extremes",
    NULL,
};

static const char *const smoke[] = {
    "diffusion_unmask/fwd.lo.hi.temperature.seed.step.steps_left.n_changed.n_left.mask_id=5.noise=PHILOX.rule=TOPK/bf16/B2.T17.V257",
    "diffusion_unmask/fwd.k.conf.n_changed.changed.mask_id=300.rule=TOPK/f32/B3.T9.V33.C9/btd/twins",
    NULL,
};

extern const struct case_facts segue_case_diffusion_unmask;
const struct case_facts segue_case_diffusion_unmask = {
    .primitive = "diffusion_unmask",
    .distributions = distributions,
    .modifiers = modifiers,
    .fits = fits,
    .draw = draw,
    .integers = integers_of_diffusion,
    .split = split_never,
    .count = 60,
    .smoke_count = 8,
    .work = "b t v",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
    .numbers = "seq_id pos",
};
