/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for liquid cells. benign: the ranges that mlech26l/ncps initialises from. sharp: slopes from 1e2 to
 * 1e4 (LTC), gates far in saturation (CfC). stiff: conductances and capacitances over six decades, neurons without
 * leak or capacitance (LTC), elapsed times over six decades. wide: everything over two decades or more. */
#include "case_facts.h"

#include <math.h>
#include <stdio.h>

enum {
    X,
    ELAPSED,
    LENGTHS,
    H_IN = 5,
    OUTPUT_W = 9,
    OUTPUT_B,
    GLEAK,
    VLEAK,
    CM,
    SIGMA,
    MU,
    W,
    E,
    A,
    SYNAPSE_PTR,
    SYNAPSE_SRC,
    SENSORY_SIGMA,
    SENSORY_MU,
    SENSORY_W,
    SENSORY_E,
    SENSORY_A,
    SENSORY_PTR,
    SENSORY_SRC,
    INPUT_W,
    INPUT_B,
    BACKBONE_W,
    BACKBONE_B,
    DEEP_W,
    DEEP_B,
    MASK,
    TIME_A_W = 39,
    W_TAU = 43,
    PURE_A,
    CELL,
    UNFOLDS,
    KAPPA,
    CONSTRAINT,
    ACTIVATION,
    EPS = 53
};

enum { BENIGN, SHARP, STIFF, WIDE };
static const char *const distributions[] = { "benign", "sharp", "stiff", "wide", NULL };
/* elapsed-held: one for all rows and steps. elapsed-rows: one a row. elapsed-zeros: a third 0, a sixth negative.
 * elapsed-extreme: 1e-6 to 1e3. lists-outside: synapses of no neuron, offsets beyond the list and falling ones. */
static const char *const modifiers[] = { "elapsed-held",    "elapsed-rows",  "elapsed-zeros",
                                         "elapsed-extreme", "lists-outside", NULL };

static int is_ltc(const struct test_case *c)
{
    return c->d.value[CELL] == SEGUE_ODE_CELL_LTC;
}

static int64_t axis(const struct test_case *c, char letter)
{
    return descriptor_axis(&c->d, letter);
}

static double signed_size(const struct dice *dice, double low, double high)
{
    const double size = dice_log_uniform(dice, 0, low, high);
    return dice_integer(dice, 1, 0, 1) ? size : -size;
}

/* ---- integers ----------------------------------------------------------------------------------- */

/* The first row has what a model would pass; the others are at the ends of what is lawful, and beyond. */
static int32_t length_of(const struct test_case *c, int64_t b)
{
    const int32_t t = (int32_t)axis(c, 't'), odd[] = { 0, t, t + 5, -3, t - 1 };
    const struct dice d = { { c->key[0], c->key[1] }, LENGTHS + 1, (uint64_t)b };
    if (b == 1) return 0; /* a state that stays */
    if (b % 2 == 0 && t > 1) return (int32_t)dice_integer(&d, 0, 1, t - 1);
    return odd[dice_integer(&d, 0, 0, 4)];
}

/* Lists of uneven length, some of them empty. */
static void draw_offsets(const struct test_case *c, int64_t neurons, int64_t count, int32_t *to,
                         const struct dice *dice)
{
    for (int64_t i = 0; i <= neurons; i++) {
        const struct dice d = { { dice->key[0], dice->key[1] }, dice->field, (uint64_t)i };
        const int64_t even = i * count / neurons, least = i ? to[i - 1] : 0,
                      at = i == 0         ? 0
                           : i == neurons ? count
                                          : even + dice_integer(&d, 0, -count / neurons, count / neurons);
        to[i] = (int32_t)(at < least ? least : at > count ? count : at);
    }
    if (!has_modifier(c, "lists-outside")) return;
    if (neurons > 2) to[neurons / 2] = to[neurons / 2 - 1] - 1; /* no list before it, a longer one behind it */
    to[0] = -5, to[neurons] = (int32_t)count + 9;
}

static int32_t source(const struct test_case *c, int64_t sources, const struct dice *dice)
{
    const int32_t none[] = { -1, (int32_t)sources, INT32_MIN, INT32_MAX };
    if (has_modifier(c, "lists-outside") && dice_integer(dice, 0, 0, 3) == 0)
        return none[dice_integer(dice, 1, 0, 3)];
    return (int32_t)dice_integer(dice, 2, 0, sources - 1);
}

static void integers(const struct test_case *c, uint32_t field, int32_t *to, const struct dice *dice)
{
    const int of_features = field == SENSORY_PTR || field == SENSORY_SRC;
    if (field == SYNAPSE_PTR || field == SENSORY_PTR) {
        draw_offsets(c, axis(c, 'n'), axis(c, of_features ? 'a' : 'c'), to, dice);
        return;
    }
    for (int64_t i = 0; i < c->operands[field].count; i++) {
        const struct dice d = { { dice->key[0], dice->key[1] }, dice->field, (uint64_t)i };
        to[i] = field == LENGTHS ? length_of(c, i) : source(c, axis(c, of_features ? 'd' : 'n'), &d);
    }
}

/* ---- floating inputs ---------------------------------------------------------------------------- */

static double draw_elapsed(const struct test_case *c, const struct dice *dice)
{
    const int kind = has_modifier(c, "elapsed-zeros") ? (int)dice_integer(dice, 1, 0, 5) : 5;
    if (kind < 2) return 0;
    /* The pure form grows without bound as time runs backwards. */
    if (kind == 2) return dice_uniform(dice, 2, c->d.value[CELL] == SEGUE_ODE_CELL_CFC_PURE ? -0.05 : -0.5, 0);
    if (has_modifier(c, "elapsed-extreme")) return dice_log_uniform(dice, 0, 1e-6, 1e3);
    return c->distribution == STIFF ? dice_log_uniform(dice, 0, 1e-3, 1e3) : dice_log_uniform(dice, 0, 0.05, 3);
}

/* What a constraint keeps positive: without one it is. */
static double draw_conductance(const struct test_case *c, const struct dice *dice, double low, double high)
{
    const double size = dice_log_uniform(dice, 0, low, high);
    if (c->d.value[CONSTRAINT] == SEGUE_ODE_CELL_SOFTPLUS)
        return dice_uniform(dice, 1, -4, c->distribution == WIDE ? 25 : 2);
    if (c->d.value[CONSTRAINT] != SEGUE_ODE_CELL_CLIP) return size;
    const int64_t kind = dice_integer(dice, 1, 0, 15);
    return kind == 0 ? 3000 : kind < 4 ? -size : kind == 4 ? 1e-9 : size;
}

static double draw_neuron(const struct test_case *c, uint32_t field, const int64_t *index,
                          const struct dice *dice)
{
    const int stiff = c->distribution == STIFF, wide = c->distribution == WIDE;
    const int free = c->d.value[CONSTRAINT] == SEGUE_ODE_CELL_FREE;
    if (field == VLEAK) return dice_uniform(dice, 0, -0.2, 0.2) * (wide ? 10 : 1);
    if (field == GLEAK && stiff && free && index[0] % 5 == 3) return 0;
    if (field == CM && stiff && free && index[0] % 5 == 4) return 0;
    if (field == GLEAK) return draw_conductance(c, dice, stiff ? 1e-4 : 1e-3, wide ? 10 : 1);
    return stiff  ? draw_conductance(c, dice, 1e-3, 1e3)
           : wide ? draw_conductance(c, dice, 0.05, 10)
                  : draw_conductance(c, dice, 0.4, 0.6);
}

static double draw_slope(const struct test_case *c, const struct dice *dice)
{
    if (c->distribution == SHARP) return signed_size(dice, 1e2, 1e4);
    return c->distribution == WIDE ? signed_size(dice, 0.3, 30) : dice_uniform(dice, 0, 3, 8);
}

static double draw_synapse(const struct test_case *c, uint32_t field, const struct dice *dice)
{
    const int stiff = c->distribution == STIFF, wide = c->distribution == WIDE;
    const uint32_t of = field >= SENSORY_SIGMA ? field - SENSORY_SIGMA + SIGMA : field;
    if (of == SIGMA) return draw_slope(c, dice);
    if (of == MU) return wide ? dice_normal(dice, 0) : dice_uniform(dice, 0, 0.3, 0.8);
    if (of == W) return draw_conductance(c, dice, stiff ? 1e-3 : 1e-2, stiff || wide ? 10 : 1);
    if (of == E) return wide ? signed_size(dice, 0.1, 10) : dice_integer(dice, 0, 0, 1) ? 1 : -1;
    /* A: a wiring has 0 and 1 */
    return dice_integer(dice, 0, 0, 2) == 0 ? 0 : wide ? dice_uniform(dice, 1, 0.1, 2) : 1;
}

/* Of a matrix [... outputs inputs]: sums stay of the size of what they sum. */
static double draw_weight(const struct test_case *c, uint32_t field, const struct dice *dice)
{
    const segue_tensor *t = &c->operands[field].view;
    const double inputs = (double)t->shape[t->rank - 1], size = 1 / sqrt(inputs > 0 ? inputs : 1);
    if (field == TIME_A_W && c->distribution == SHARP) return 100 * size * dice_normal(dice, 0);
    return c->distribution == WIDE ? size * signed_size(dice, 0.05, 3) : size * dice_normal(dice, 0);
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    const int wide = c->distribution == WIDE;
    if (field == ELAPSED) return draw_elapsed(c, dice);
    if (field == X) return wide ? signed_size(dice, 0.01, 30) : dice_normal(dice, 0);
    if (field == H_IN) return 0.5 * dice_normal(dice, 0);
    if (field == OUTPUT_W || field == INPUT_W || field == PURE_A) return signed_size(dice, 0.5, 1.5);
    if (field >= GLEAK && field <= CM) return draw_neuron(c, field, index, dice);
    if (field >= SIGMA && field <= SENSORY_A) return draw_synapse(c, field, dice);
    if (field == MASK)
        return wide ? dice_normal(dice, 0) : (double)dice_integer(dice, 0, -1, 1); /* wirings have signs */
    if (field == W_TAU) return (c->distribution == SHARP ? 10 : 1) * dice_normal(dice, 0);
    if (c->operands[field].view.rank > 1 && field != DEEP_B) return draw_weight(c, field, dice);
    return 0.3 * dice_normal(dice, 0); /* biases */
}

static void views(struct test_case *c)
{
    if (!c->operands[ELAPSED].facts) return;
    if (has_modifier(c, "elapsed-held")) operand_hold(&c->operands[ELAPSED], "b t");
    if (has_modifier(c, "elapsed-rows")) operand_hold(&c->operands[ELAPSED], "t");
}

/* ---- what fits ---------------------------------------------------------------------------------- */

static int want(int holds, char *why, const char *words)
{
    if (!holds) snprintf(why, DESCRIPTOR_WHY, "%s", words);
    return holds ? 0 : -1;
}

static int fits(const struct test_case *c, char *why)
{
    const int plain = c->d.value[UNFOLDS] == 6 && c->d.value[KAPPA] == 0 && c->d.value[CONSTRAINT] == 0 &&
                      c->d.value[EPS] == 1e-8;
    const int timed = has_modifier(c, "elapsed-held") + has_modifier(c, "elapsed-rows") +
                      has_modifier(c, "elapsed-zeros") + has_modifier(c, "elapsed-extreme");
    if (want(is_ltc(c) || plain, why, "unfolds, kappa, constraint, eps: wanted cell LTC, no other has them") ||
        want(c->d.present[BACKBONE_W] || c->d.value[ACTIVATION] == 0, why, "activation: wanted a backbone") ||
        want(c->d.present[ELAPSED] || !timed, why, "distribution: elapsed-...: wanted elapsed") ||
        want(c->d.present[ELAPSED] || is_ltc(c) || c->distribution != STIFF, why,
             "distribution: stiff: wanted cell LTC or elapsed") ||
        want(timed <= 1 || !has_modifier(c, "elapsed-held") || !has_modifier(c, "elapsed-rows"), why,
             "distribution: elapsed-held: wanted no elapsed-rows"))
        return -1;
    if (has_modifier(c, "nan-future") &&
        want(c->d.value[ACTIVATION] != SEGUE_ODE_CELL_BACKBONE_RELU, why,
             "distribution: nan-future: wanted an activation without a maximum"))
        return -1;
    return want(!has_modifier(c, "lists-outside") || c->d.present[SYNAPSE_PTR] || c->d.present[SENSORY_PTR],
                why, "distribution: lists-outside: wanted synapse_ptr or sensory_ptr");
}

/* Behind a cut a row has so many steps fewer. */
static int split(segue_op_header *header, int64_t tokens)
{
    segue_ode_cell *op = (segue_ode_cell *)header;
    const int64_t t = op->x.shape[1];
    int32_t *length = op->lengths.data;
    if (!op->lengths.dtype.bits) return 0;
    for (int64_t b = 0; b < op->lengths.shape[0]; b++) {
        const int64_t all = length[b] < 0 ? 0 : length[b] > t ? t : length[b];
        length[b] = (int32_t)(all > tokens ? all - tokens : 0);
    }
    return 0;
}

/* ---- lists -------------------------------------------------------------------------------------- */

#define LTC "gleak.vleak.cm.sigma.mu.w.E.sensory_sigma.sensory_mu.sensory_w.sensory_E"
#define LISTS "synapse_ptr.synapse_src.sensory_ptr.sensory_src"
#define BACKBONE "backbone_w.backbone_b"
#define GATED "ff1_w.ff1_b.ff2_w.ff2_b.time_a_w.time_a_b.time_b_w.time_b_b"
#define TORCH "cell=cfc.time_sign=1.head_act=head_tanh"
#define KERAS "cell=cfc.time_sign=-1.head_act=head_identity"
#define NO_GATE "cell=cfc_no_gate.time_sign=-1.head_act=head_lecun_tanh"
#define PURE "ff1_w.ff1_b.w_tau.pure_A.cell=cfc_pure"

/* The first value of each is what a case has unless something else is asked for. */
static const struct factor factors[] = {
    { "dtypes", "f32 bf16 f16 f32-h_in.bf16 | f64" },
    { "T", "5 1 17 0" },
    { "D", "3 1 32" },
    { "variant", "-/N5.F5 -/N1.F1 -/N16.F3 -/N19.F19" },
    { "variant", LTC " " LTC ".A.sensory_A " LTC "." LISTS "/C40.A11 " BACKBONE "." GATED "." TORCH "/E8 " GATED
                     "." NO_GATE " " BACKBONE ".deep_w.deep_b." PURE "/E8.L1" },
    { "variant", "-/B2 -/B1 lengths/B3 cu_seqlens/S3" },
    { "variant", "- h_in.h_out h_in h_out slot.h_in.h_out/P7" },
    { "variant", "elapsed -" },
    { "variant", "- h" },
    { "variant", "- output_w.output_b" },
    { "variant", "- input_w.input_b" },
    { "variant", "- mask" },
    { "variant", "- kappa=cm_over_dt_plus1 kappa=cm_direct" },
    { "variant", "- constraint=softplus constraint=clip" },
    { "variant", "- unfolds=1 unfolds=3" },
    { "variant", "- activation=backbone_relu activation=backbone_silu" },
    { "layout", "btd bdt pad3 flip odd" },
    { "distribution", "benign sharp stiff wide" },
    { "modifier", "- elapsed-held elapsed-zeros elapsed-extreme lists-outside" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* what checkpoints are: ncps, raminmh/CfC and the first LTC; ncps in PyTorch and in Keras, raminmh/CfC in TensorFlow */
    "ode_cell/fwd.elapsed.h_in.h_out.output_w.output_b.A.sensory_A.input_w.input_b." LTC
    "/f32/B2.T17.D5.F3.N19",
    "ode_cell/fwd.h_in.h_out.h.output_w.output_b.A.sensory_A.input_w.input_b." LTC
    ".constraint=softplus/bf16/B2.T5.D5.F3.N16",
    "ode_cell/fwd.elapsed.h_in.h_out.input_w.input_b." LTC ".kappa=cm_over_dt_plus1/f32/B2.T5.D3.F5.N5",
    "ode_cell/fwd.h_in.h_out.input_w.input_b." LTC ".kappa=cm_direct.constraint=clip.eps=0/f32/B2.T5.D3.F5.N5",
    "ode_cell/fwd.elapsed.h_in.h_out." BACKBONE "." GATED "." TORCH "/f32/B2.T17.D32.F64.N64.E128",
    "ode_cell/fwd.elapsed.h_in.h_out." BACKBONE "." GATED "." KERAS
    ".activation=backbone_silu/f32/B2.T5.D3.F16.N16.E33",
    "ode_cell/fwd.elapsed.h_in.h_out.mask." GATED
    ".cell=cfc.time_sign=-1.head_act=head_lecun_tanh/f32/B2.T17.D3.F5.N5",
    /* a network at work, one step at a time */
    "ode_cell/fwd.h_in.h_out.A.sensory_A.input_w.input_b.output_w.output_b." LTC "/f32/B1.T1.D32.F8.N64",
    "ode_cell/fwd.elapsed.h_in.h_out." BACKBONE "." GATED "." TORCH "/bf16/B1.T1.D32.F64.N64.E128",
    "ode_cell/fwd.elapsed.slot.h_in.h_out." LTC
    "/f32/B3.T1.D3.F5.N5.P7/btd/benign.slot-fresh.slot-drop.slot-padding",
    /* many steps; what is left of the first state; more rows than a vector */
    "ode_cell/fwd.elapsed.h_in.h_out." LTC ".eps=5e-2/f32/B2.T5.D3.F5.N5/btd/benign.elapsed-rows",
    "ode_cell/fwd.elapsed.h_in.h_out.h." LTC ".unfolds=3/f32/B2.T65.D3.F5.N5/btd/stiff",
    "ode_cell/fwd.elapsed.h_in.h_out." PURE "/f32/B2.T65.D3.F5.N5",
    "ode_cell/fwd.elapsed.h_in.h_out." LTC ".unfolds=1/f32/B33.T2.D3.F5.N5",
    "ode_cell/fwd.elapsed.h_in.h_out." BACKBONE "." GATED "." TORCH
    ".activation=backbone_tanh/f32/B17.T5.D3.F5.N5.E8",
    "ode_cell/fwd.elapsed.h_in.h_out." BACKBONE ".deep_w.deep_b." GATED "." TORCH
    ".activation=backbone_gelu/f32/B2.T5.D3.F16.N16.E8.L2",
    /* sizes beside vectors and tiles */
    "ode_cell/fwd.elapsed.h_in.h_out." LTC ".unfolds=1/f32/B1.T2.D3.F100.N100",
    "ode_cell/fwd.elapsed.h_in.h_out." BACKBONE "." GATED "." KERAS "/f32/B1.T2.D3.F100.N100.E129",
    /* nothing to do, and still a state to hand on; no time, and still an output */
    "ode_cell/fwd.h_in.h_out." LTC "/f32/B2.T0.D3.F5.N5",
    "ode_cell/fwd.h_out." GATED "." TORCH "/bf16/B2.T0.D3.F5.N5",
    "ode_cell/fwd.h_in.h_out." LTC "/f32/B0.T5.D3.F5.N5",
    "ode_cell/fwd.elapsed.h_in.h_out.h.output_w.output_b." LTC "/f32/B3.T17.D3.F5.N5/btd/benign.elapsed-zeros",
    "ode_cell/fwd.elapsed.h_in.h_out." LTC "/f32/B2.T17.D3.F5.N5/btd/stiff.elapsed-zeros",
    "ode_cell/fwd.elapsed.h_in.h_out." BACKBONE "." GATED "." TORCH
    "/f32/B2.T17.D3.F5.N5.E8/btd/benign.elapsed-zeros",
    "ode_cell/fwd.elapsed.h_in.h_out." LTC ".A.sensory_A/f32/B2.T17.D3.F5.N5/btd/sharp.elapsed-extreme",
    /* a factor of 0 in front of the only source: NaN comes through */
    "ode_cell/fwd." LTC ".sensory_A.unfolds=1/f32/B2.T3.D1.F9",
    "ode_cell/fwd.elapsed.h_in.h_out." GATED "." NO_GATE "/f32/B2.T17.D3.F5.N5/btd/sharp.elapsed-extreme",
    /* steps behind the end of a row, and rows of none; sequences in one row; slots of all kinds */
    "ode_cell/fwd.elapsed.lengths.h_in.h_out.h." LTC "/f32/B5.T5.D3.F5.N5",
    "ode_cell/fwd.elapsed.lengths.h_in.h_out.h." BACKBONE "." GATED "." TORCH "/f32/B5.T17.D3.F5.N5.E8",
    "ode_cell/fwd.lengths.slot.h_in.h_out.h." LTC "/f32/B3.T5.D3.F5.N5.P7/btd/benign.slot-padding",
    "ode_cell/fwd.elapsed.h_in.h_out.h." LTC "/f32/T17.D3.F5.N5.S3/packed/benign.empty-middle",
    "ode_cell/fwd.elapsed.h_in.h_out." GATED "." TORCH "/f32/T17.D3.F5.N5.S3/packed/benign.gap",
    "ode_cell/fwd.elapsed.slot.h_in.h_out.h." GATED "." TORCH
    "/f32/T17.D3.F5.N5.S6.P9/packed/benign.slot-outside.cu-outside",
    /* lists: dense ones, none for most neurons, of neurons alone, beside A */
    "ode_cell/fwd.elapsed.h_in.h_out." LTC "." LISTS "/f32/B2.T5.D3.F19.N19.C361.A57",
    "ode_cell/fwd.elapsed.h_in.h_out." LTC "." LISTS "/f32/B2.T5.D3.F19.N19.C3.A2",
    "ode_cell/fwd.elapsed.h_in.h_out.A." LTC
    ".synapse_ptr.synapse_src/f32/B2.T5.D3.F16.N16.C60/btd/benign.lists-outside",
    /* the future is NaN */
    "ode_cell/fwd.elapsed.h_in." LTC "/f32/B2.T17.D3.F5.N5/btd/benign.nan-future",
    "ode_cell/fwd.elapsed.h_in." BACKBONE "." GATED "." TORCH "/bf16/B2.T17.D3.F5.N5.E8/btd/benign.nan-future",
    /* weights of other dtypes than activations; states of 16 bits; far apart; no stride of 1 */
    "ode_cell/fwd.elapsed.h_in.h_out." LTC
    "/bf16-elapsed.f32-gleak.f32-cm.f32-sigma.f32-mu.f32-w.f32-E.bf16-sensory_sigma.f16-sensory_w.f32/B2.T5.D3.F5.N5",
    "ode_cell/fwd.elapsed.h_in.h_out.h." BACKBONE "." GATED "." TORCH
    "/bf16-h.f32-elapsed.f32-backbone_w.f16-ff1_w.f32-ff2_w.f16-time_a_b.f32-h_in.bf16/B2.T5.D3.F5.N5.E8",
    "ode_cell/fwd.elapsed.h_in.h_out." LTC "/f32-h_in.f16/B2.T5.D3.F5.N5",
    "ode_cell/fwd.elapsed.h_in.h_out." LTC "/f32/B3.T2.D3.F5.N5/far",
    "ode_cell/fwd.elapsed.h_in.h_out." GATED "." TORCH "/bf16/B3.T2.D3.F5.N5/far/benign#1",
    "ode_cell/fwd.elapsed.lengths.h_in.h_out.h." BACKBONE ".deep_w.deep_b.mask." GATED "." KERAS
    "/f32/B2.T5.D3.F5.N5.E8.L1/odd",
    NULL,
};

static const char *const smoke[] = {
    "ode_cell/fwd.elapsed.h_in.h_out.output_w.output_b.A.sensory_A.input_w.input_b." LTC
    "/f32/B2.T17.D5.F3.N19",
    "ode_cell/fwd.elapsed.h_in.h_out." LTC "." LISTS "/f32/B2.T5.D3.F19.N19.C3.A2",
    NULL,
};

extern const struct case_facts segue_case_ode_cell;
const struct case_facts segue_case_ode_cell = {
    .primitive = "ode_cell",
    .distributions = distributions,
    .modifiers = modifiers,
    .fits = fits,
    .views = views,
    .draw = draw,
    .integers = integers,
    .count = 90,
    .smoke_count = 10,
    .work = "b t n n",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
    .split = split,
};
