/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for the short convolution: exact integers, wide magnitudes, taps that nearly cancel; tags and rings. */
#include "case_facts.h"

#include <stdio.h>

enum {
    X,
    WEIGHT,
    BIAS,
    PRE_GATE,
    POST_GATE,
    CU_SEQLENS,
    SEQ_IDX,
    CACHE_SEQLENS,
    SLOT,
    H_IN,
    H_OUT,
    Y,
    ACTIVATION
};

enum { BENIGN, EXACT, WIDE, CANCEL };
static const char *const distributions[] = { "benign", "exact", "wide", "cancel", NULL };
/* tags-padding: negative tags on the right of some rows. tags-hostile: any negative tags, also on the left and between
 * documents, and tags that are equal in 16 bits. count-negative: rings that have seen fewer than no tokens, which is none. */
static const char *const modifiers[] = { "tags-padding", "tags-hostile", "count-negative", NULL };

/* |y| <= (8 taps * 3 * 6 + 3) * 2. Zeros among the factors would hide what else is wrong. */
static double draw_integer(uint32_t field, const struct dice *dice)
{
    const int gate = field == PRE_GATE || field == POST_GATE;
    const int64_t size = dice_integer(dice, 0, field == BIAS ? 0 : 1, gate ? 2 : 3);
    return (double)(dice_integer(dice, 1, 0, 1) ? size : -size);
}

/* Signs at random. f16 ends at 65504: its products stay below that. */
static double draw_wide(const struct test_case *c, uint32_t field, const struct dice *dice)
{
    const int half = c->d.dtype[X] == SEGUE_F16 || (field == H_IN && c->d.dtype[H_IN] == SEGUE_F16);
    const int gate = field == PRE_GATE || field == POST_GATE;
    const double high = half ? (gate ? 3 : 30) : 1e3, low = half && gate ? 1.0 / 3 : 1e-3;
    const double size = dice_log_uniform(dice, 0, low, high);
    return dice_integer(dice, 1, 0, 1) ? size : -size;
}

/* What all tokens of a channel have in common. */
static double common(const struct test_case *c, int64_t channel)
{
    const struct dice of_channel = { { c->key[0], c->key[1] }, X + 1, (uint64_t)channel };
    return dice_uniform(&of_channel, 7, 1, 2);
}

/* Neighbouring tokens are nearly equal, neighbouring taps nearly opposite: a share of 2^-7 is left of their sum. */
static double draw_cancel(const struct test_case *c, uint32_t field, const int64_t *index,
                          const struct dice *dice)
{
    const double rest = 0x1p-7 * dice_normal(dice, 0);
    if (field == X) return common(c, index[2]) * (1 + rest);
    if (field == H_IN) return common(c, index[1]) * (1 + rest);
    if (field == WEIGHT) return (index[1] % 2 ? -1 : 1) * (1 + rest);
    if (field == BIAS) return rest;
    return 1 + rest;
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    if (c->distribution == EXACT) return draw_integer(field, dice);
    if (c->distribution == WIDE) return draw_wide(c, field, dice);
    if (c->distribution == CANCEL) return draw_cancel(c, field, index, dice);
    return dice_normal(dice, 0);
}

/* Runs of tags, a quarter of them of one token. In even rows a tag never comes again, in odd ones it soon does. The first is
 * 0 in every fourth row only: the incoming state has it, and a kernel that takes 0 for it must be seen. */
static void draw_tags(const struct test_case *c, int32_t *to, const struct dice *dice)
{
    const int64_t rows = descriptor_axis(&c->d, 'b'), tokens = descriptor_axis(&c->d, 't');
    for (int64_t b = 0; b < rows; b++) {
        int64_t left = 0, tag = b % 4 == 2 ? -1 : 0;
        for (int64_t t = 0; t < tokens; t++, left--) {
            const struct dice d = { { dice->key[0], dice->key[1] }, dice->field, (uint64_t)(b * tokens + t) };
            if (!left) {
                left = dice_integer(&d, 0, 0, 3) ? dice_integer(&d, 1, 1, 1 + tokens / 3) : 1;
                tag = b % 2 ? (tag + dice_integer(&d, 2, 1, 2)) % 3 : tag + 1;
            }
            to[b * tokens + t] = (int32_t)tag;
        }
        const struct dice row = { { dice->key[0], dice->key[1] }, dice->field, (uint64_t)b };
        const int never = rows > 1 && b == rows - 1, always = b == 0;
        if (!has_modifier(c, "tags-padding") || never || (!always && dice_integer(&row, 3, 0, 1))) continue;
        for (int64_t t = tokens - dice_integer(&row, 4, 1, tokens / 2); t < tokens; t++)
            to[b * tokens + t] = -1;
    }
}

/* Runs of tags; no two runs of padding without a document between, the first run of every other row is padding. */
static void draw_hostile_tags(const struct test_case *c, int32_t *to, const struct dice *dice)
{
    static const int32_t padding[] = { -7, INT32_MIN, -1, -65536 },
                         documents[] = { 0, 65536, 1, 65537, 3 * 65536, INT32_MAX };
    enum { PADDING = sizeof padding / sizeof *padding, DOCUMENTS = sizeof documents / sizeof *documents };
    const int64_t rows = descriptor_axis(&c->d, 'b'), tokens = descriptor_axis(&c->d, 't');
    for (int64_t b = 0; b < rows; b++) {
        int64_t left = 0, document = 0, pads = b;
        int32_t tag = 0;
        for (int64_t t = 0; t < tokens; t++, left--) {
            const struct dice d = { { dice->key[0], dice->key[1] }, dice->field, (uint64_t)(b * tokens + t) };
            if (!left) {
                const int pad = t ? tag >= 0 && dice_integer(&d, 0, 0, 2) == 0 : b % 2 == 0;
                if (!pad) document += dice_integer(&d, 1, 1, 2);
                tag = pad ? padding[pads++ % PADDING] : documents[document % DOCUMENTS];
                left = dice_integer(&d, 2, 1, 1 + tokens / 5);
            }
            to[b * tokens + t] = tag;
        }
    }
}

/* Tokens seen before: around the ring's length l, and far beyond it. */
static void draw_counts(const struct test_case *c, int32_t *to, const struct dice *dice)
{
    const int64_t l = descriptor_axis(&c->d, 'l'), count = c->operands[CACHE_SEQLENS].count;
    const int64_t choices[] = { 0, 1, l - 1, l, l + 1, 3 * l + 2, 1000003, ((int64_t)1 << 30) + 1 };
    for (int64_t s = 0; s < count; s++) {
        const struct dice d = { { dice->key[0], dice->key[1] }, dice->field, (uint64_t)s };
        to[s] = (int32_t)choices[dice_integer(&d, 0, 0, sizeof choices / sizeof *choices - 1)];
        if (has_modifier(c, "count-negative") && s % 2 == 0) to[s] = s % 4 ? INT32_MIN : -(int32_t)(l / 2) - 1;
    }
}

static void integers(const struct test_case *c, uint32_t field, int32_t *to, const struct dice *dice)
{
    if (field == SEQ_IDX && has_modifier(c, "tags-hostile")) draw_hostile_tags(c, to, dice);
    else if (field == SEQ_IDX) draw_tags(c, to, dice);
    else draw_counts(c, to, dice);
}

static int exact(const struct test_case *c)
{
    return c->distribution == EXACT;
}

static int fits(const struct test_case *c, char *why)
{
    if (c->distribution == EXACT && c->d.value[ACTIVATION] != SEGUE_CAUSAL_CONV1D_NONE)
        return snprintf(why, DESCRIPTOR_WHY,
                        "distribution: exact: wanted no activation, which leaves integers integers"),
               -1;
    if (has_modifier(c, "tags-padding") && (!c->d.present[SEQ_IDX] || descriptor_axis(&c->d, 't') < 2))
        return snprintf(why, DESCRIPTOR_WHY,
                        "distribution: tags-padding: wanted tags (seq_idx) and two tokens or more"),
               -1;
    if (has_modifier(c, "tags-hostile") &&
        (!c->d.present[SEQ_IDX] || has_modifier(c, "tags-padding") || descriptor_axis(&c->d, 't') < 2))
        return snprintf(
                   why, DESCRIPTOR_WHY,
                   "distribution: tags-hostile: wanted tags (seq_idx), two tokens or more, no tags-padding"),
               -1;
    if (has_modifier(c, "count-negative") && !c->d.present[CACHE_SEQLENS])
        return snprintf(why, DESCRIPTOR_WHY, "distribution: count-negative: wanted a ring (cache_seqlens)"), -1;
    return 0;
}

static int32_t *int_at(const segue_tensor *t, int64_t i)
{
    return (int32_t *)(void *)((char *)t->data + t->offset) + i * t->stride[0];
}

static int64_t offset_at(const segue_causal_conv1d *op, int64_t s)
{
    const int64_t value = *int_at(&op->cu_seqlens, s), tokens = op->x.shape[1];
    return value < 0 ? 0 : value > tokens ? tokens : value;
}

/* Behind a cut the ring has seen more tokens. What a state holds belongs to one tag only: no cut there. */
static int split(segue_op_header *header, int64_t tokens)
{
    segue_causal_conv1d *op = (segue_causal_conv1d *)header;
    if (op->seq_idx.dtype.bits) return -1;
    if (!op->cache_seqlens.dtype.bits) return 0;
    for (int64_t s = 0; s < op->cache_seqlens.shape[0]; s++) {
        int32_t *seen = int_at(&op->cache_seqlens, s);
        int64_t more = tokens;
        if (op->cu_seqlens.dtype.bits) {
            const int64_t first = offset_at(op, s), last = offset_at(op, s + 1),
                          end = tokens < last ? tokens : last;
            more = end > first ? end - first : 0;
        }
        *seen = (int32_t)((*seen < 0 ? 0 : *seen) + more);
    }
    return 0;
}

/* The first value of each is what a case has unless something else is asked for. Behind | : covered once only. */
static const struct factor factors[] = {
    { "dtypes",
      "f32 bf16 f16 bf16-weight.f32 bf16-h_in.bf16 f16-weight.f32-h_in.f16 f32-h_in.bf16 bf16-weight.f32-bias.f32 | f64" },
    { "T", "17 0 1 2 15 16 63 64 65 127 128 129 255 256 257 1000 | 4097" },
    { "D", "7 1 2 16 33 64" },
    { "W", "4 1 2 3 5 8" },
    { "L", "- 9" },
    { "variant", "-/B2 -/B1 -/B3 -/B5 seq_idx/B1 seq_idx/B3 cu_seqlens/S1 cu_seqlens/S3 cu_seqlens/S6" },
    { "variant", "- h_in h_out h_in.h_out cache_seqlens.h_in.h_out slot.h_in.h_out/P12 slot.h_out/P7 "
                 "cache_seqlens.slot.h_in.h_out/P12" },
    { "variant", "- bias" },
    { "variant", "- pre_gate" },
    { "variant", "- post_gate" },
    { "variant", "- activation=silu" },
    { "variant", "- max_seqlen=5000" },
    { "layout", "btd bdt pad3 flip odd" },
    { "distribution", "benign exact wide cancel" },
    { "modifier",
      "- empty-first empty-middle empty-last gap cu-outside slot-fresh slot-drop slot-padding slot-outside tags-padding "
      "tags-hostile count-negative nan-future" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* c k and c k +- 1 for chunks c of 16, 64, 256 */
    "causal_conv1d/fwd.bias.h_in.h_out/f32/B2.T47.D7.W4",
    "causal_conv1d/fwd.bias.h_in.h_out/f32/B2.T48.D7.W4",
    "causal_conv1d/fwd.bias.h_in.h_out/f32/B2.T49.D7.W4",
    "causal_conv1d/fwd.bias.h_in.h_out/f32/B2.T191.D7.W4",
    "causal_conv1d/fwd.bias.h_in.h_out/f32/B2.T192.D7.W4",
    "causal_conv1d/fwd.bias.h_in.h_out/f32/B2.T193.D7.W4",
    "causal_conv1d/fwd.bias.h_in.h_out/bf16/B1.T511.D7.W4",
    "causal_conv1d/fwd.bias.h_in.h_out/bf16/B1.T512.D7.W4",
    "causal_conv1d/fwd.bias.h_in.h_out/bf16/B1.T513.D7.W4",
    /* nothing to do, and still a state to hand on; a call shorter than the filter */
    "causal_conv1d/fwd/f32/B2.T0.D7.W4",
    "causal_conv1d/fwd.h_in.h_out/f32/B2.T0.D7.W4",
    "causal_conv1d/fwd.h_out/bf16/B2.T0.D7.W4",
    "causal_conv1d/fwd.h_in.h_out/f32/B0.T5.D7.W4",
    "causal_conv1d/fwd.h_in.h_out/f32/T0.D7.W4.S3/packed",
    "causal_conv1d/fwd.h_in.h_out/f32/B2.T2.D7.W8",
    "causal_conv1d/fwd.h_in.h_out/f32/B2.T2.D7.W4.L9",
    /* packed sequences without tokens */
    "causal_conv1d/fwd.h_in.h_out/f32/T65.D7.W4.S3/packed/benign.empty-first",
    "causal_conv1d/fwd.h_in.h_out/f32/T65.D7.W4.S3/packed/benign.empty-middle",
    "causal_conv1d/fwd.h_in.h_out/f32/T65.D7.W4.S3/packed/benign.empty-last",
    "causal_conv1d/fwd.h_in.h_out/bf16/T129.D7.W4.S6/packed/benign.empty-first.empty-middle.empty-last",
    "causal_conv1d/fwd.h_in.h_out/f32/T129.D7.W4.S3/packed/benign.gap",
    /* slots (-1, w), (r, -1), (-1, -1) */
    "causal_conv1d/fwd.slot.h_in.h_out/f32/B3.T33.D7.W4.P9/btd/benign.slot-fresh",
    "causal_conv1d/fwd.slot.h_in.h_out/f32/B3.T33.D7.W4.P9/btd/benign.slot-drop",
    "causal_conv1d/fwd.slot.h_in.h_out/f32/B3.T33.D7.W4.P9/btd/benign.slot-padding",
    "causal_conv1d/fwd.slot.h_in.h_out/bf16-h_in.bf16/B3.T1.D33.W4.P9/btd/benign.slot-fresh.slot-drop.slot-padding",
    "causal_conv1d/fwd.slot.h_in.h_out/f32/T65.D7.W4.S3.P9/packed/benign.slot-fresh.slot-drop.slot-padding",
    /* the future is NaN */
    "causal_conv1d/fwd.h_in/f32/B2.T257.D7.W4/btd/benign.nan-future",
    "causal_conv1d/fwd.pre_gate.post_gate/bf16/B2.T129.D7.W4/btd/benign.nan-future",
    /* one channel; a state at one batch row */
    "causal_conv1d/fwd.bias.h_in.h_out.activation=silu/f32/B2.T65.D1.W4",
    "causal_conv1d/fwd.bias.h_in.h_out.activation=silu/bf16/B2.T65.D1.W1",
    "causal_conv1d/fwd.h_in/f32/B1.T65.D16.W4",
    "causal_conv1d/fwd.h_out/f32/B1.T65.D16.W4",
    "causal_conv1d/fwd.h_in.h_out/f32/B1.T65.D16.W4",
    "causal_conv1d/fwd.h_in.h_out/f32/B1.T1.D16.W4",
    "causal_conv1d/fwd.bias.h_in.h_out.activation=silu/bf16/B1.T1.D64.W4.L4",
    /* more than 2^31 bytes between batch rows */
    "causal_conv1d/fwd.h_in.h_out/f32/B3.T5.D3.W4/far",
    "causal_conv1d/fwd.h_in.h_out/bf16/B3.T5.D3.W4/far",
    "causal_conv1d/fwd.pre_gate.post_gate.h_in.h_out/bf16/B3.T5.D3.W4/far/benign#1",
    "causal_conv1d/fwd.pre_gate.post_gate.h_in.h_out/bf16/B3.T5.D3.W4/far/benign#2",
    /* a ring of tokens; more tokens than it holds */
    "causal_conv1d/fwd.cache_seqlens.h_in.h_out/f32/B5.T1.D7.W4",
    "causal_conv1d/fwd.cache_seqlens.h_in.h_out/f32/B5.T2.D7.W4.L9",
    "causal_conv1d/fwd.cache_seqlens.h_in.h_out/bf16/B5.T33.D7.W4.L4",
    "causal_conv1d/fwd.cache_seqlens.slot.h_in.h_out/f32/B3.T3.D7.W4.L5.P9/btd/benign.slot-fresh",
    /* tags of documents */
    "causal_conv1d/fwd.bias.seq_idx/f32/B3.T65.D7.W4",
    "causal_conv1d/fwd.bias.seq_idx.h_in.h_out/f32/B3.T65.D7.W4/btd/benign.tags-padding",
    "causal_conv1d/fwd.seq_idx.h_in.h_out.activation=silu/bf16/B2.T17.D33.W8.L9/btd/benign",
    /* weights of f32 beside 16-bit activations; each weight of a dtype of its own */
    "causal_conv1d/fwd.bias.h_in.h_out.activation=silu/bf16-weight.f32-bias.f32/B2.T65.D16.W4",
    "causal_conv1d/fwd.bias.h_in.h_out.activation=silu/f16-weight.f32-bias.f32/B2.T65.D16.W4",
    "causal_conv1d/fwd.bias/bf16-bias.f32/B2.T17.D16.W4",
    "causal_conv1d/fwd.bias/f32-weight.f16-bias.bf16/B2.T17.D16.W4",
    /* integers out of range */
    "causal_conv1d/fwd.h_in.h_out/f32/T65.D7.W4.S3/packed/benign.cu-outside",
    "causal_conv1d/fwd.h_in.h_out/f32/T65.D7.W4.S2/packed/benign.cu-outside",
    "causal_conv1d/fwd.slot.h_in.h_out/f32/B3.T33.D7.W4.P9/btd/benign.slot-outside",
    "causal_conv1d/fwd.cache_seqlens.slot.h_in.h_out/f32/T65.D7.W4.S6.P12/packed/benign.slot-outside.cu-outside",
    "causal_conv1d/fwd.cache_seqlens.h_in.h_out/f32/B5.T2.D7.W4.L9/btd/benign.count-negative",
    "causal_conv1d/fwd.bias.seq_idx/f32/B3.T65.D7.W4/btd/benign.tags-hostile",
    "causal_conv1d/fwd.bias.seq_idx.h_in.h_out/f32/B5.T65.D7.W4/btd/benign.tags-hostile",
    /* the longest sequence is exactly max_seqlen */
    "causal_conv1d/fwd.max_seqlen=65/f32/T65.D7.W4/packed",
    "causal_conv1d/fwd.h_in.h_out.max_seqlen=64/bf16/T64.D7.W4/packed",
    /* sizes beyond a block or a buffer of fixed size */
    "causal_conv1d/fwd.bias.pre_gate.post_gate.h_in.h_out/f32/B1.T5.D129.W4",
    "causal_conv1d/fwd.bias.h_in.h_out.activation=silu/bf16/B1.T2.D1536.W4",
    "causal_conv1d/fwd.bias.h_in.h_out/f32/B2.T17.D7.W9",
    "causal_conv1d/fwd.h_in.h_out/f32/B2.T33.D7.W4.L17",
    "causal_conv1d/fwd.cache_seqlens.h_in.h_out/f32/B3.T5.D7.W4.L17",
    "causal_conv1d/fwd.h_in.h_out/f32/T129.D3.W4.S33/packed",
    "causal_conv1d/fwd.h_in.h_out/f32/B9.T5.D3.W4",
    "causal_conv1d/fwd.h_in.h_out/f32/B33.T2.D3.W4",
    "causal_conv1d/fwd/f32/B1.T5000.D2.W4",
    /* no operand has a stride of 1 */
    "causal_conv1d/fwd.bias.pre_gate.post_gate.h_in.h_out/f32/B2.T17.D7.W4/odd",
    "causal_conv1d/fwd.bias.cu_seqlens.cache_seqlens.slot.h_in.h_out/f32/T65.D7.W4.S3.P9/odd",
    "causal_conv1d/fwd.bias.seq_idx.h_in.h_out/bf16-weight.f32-bias.f32-h_in.bf16/B3.T17.D7.W4/odd",
    NULL,
};

/* What the choice of smoke by coverage alone leaves to chance: tokens of no sequence beside states, the incoming state's tag. */
static const char *const smoke[] = {
    "causal_conv1d/fwd.h_in.h_out/f32/T129.D7.W4.S3/packed/benign.gap",
    "causal_conv1d/fwd.bias.seq_idx.h_in.h_out/f32/B3.T65.D7.W4/btd/benign.tags-padding",
    NULL,
};

extern const struct case_facts segue_case_causal_conv1d;
const struct case_facts segue_case_causal_conv1d = {
    .primitive = "causal_conv1d",
    .distributions = distributions,
    .modifiers = modifiers,
    .fits = fits,
    .draw = draw,
    .integers = integers,
    .exact = exact,
    .work = "b t d w",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
    .split = split,
};
