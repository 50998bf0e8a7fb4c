/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for LSH attention. x and rotations are small multiples of one unit, so that every bucket score is exact in f32 in whatever
 * order it is summed up: all kernels see the same buckets, ties included, and what is judged is the attention. */
#include "case_facts.h"

#include <math.h>
#include <stdio.h>

enum {
    X,
    V,
    ROTATIONS,
    SECOND,
    BUCKET_IN,
    KEEP,
    Y,
    LSE,
    ROUND_Y,
    ROUND_LSE,
    CHUNK,
    BEFORE,
    AFTER,
    CAUSAL,
    SAME_BUCKET,
    PAD_BUCKET,
    BUCKET_STRIDE
};

/* ties: three values only. peaked: scores in the hundreds. one: all tokens of a head are alike. zero: keys are 0 and -0. */
enum { BENIGN, TIES, PEAKED, ONE, ZERO };
static const char *const distributions[] = { "benign", "ties", "peaked", "one", "zero", NULL };
/* shared: heads have one rotation. outside: given buckets of other rounds, and of none. keep-none: a batch row without tokens.
 * keep-nan: the values of padding are NaN. spread: nearly every token has a given bucket of its own. */
static const char *const modifiers[] = { "shared", "outside", "keep-none", "keep-nan", "spread", NULL };

static struct dice dice_at(const struct test_case *c, int field, int64_t element)
{
    return (struct dice){ { c->key[0], c->key[1] }, (uint32_t)field + 1, (uint64_t)element };
}

/* A quarter of the tokens is padding; any other number than 0 keeps. */
static int32_t kept(const struct test_case *c, int64_t row, int64_t token)
{
    static const int32_t values[] = { 1, 1, -1, 256, INT32_MIN };
    const struct dice d = dice_at(c, KEEP, row * descriptor_axis(&c->d, 't') + token);
    if (dice_integer(&d, 0, 0, 3) == 0 || (has_modifier(c, "keep-none") && row == 0)) return 0;
    return values[dice_integer(&d, 1, 0, 4)];
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    const int64_t *n = c->operands[X].view.shape;
    const struct dice alike = dice_at(c, X, (index[0] * n[2] + index[2]) * n[3] + index[3]);
    if (field == V) {
        const int nan = has_modifier(c, "keep-nan") && !kept(c, index[0], index[1]);
        return nan ? NAN : dice_normal(dice, 0);
    }
    if (c->distribution == TIES) return (double)dice_integer(dice, 0, -1, 1);
    if (c->distribution == PEAKED && field == X) return (double)dice_integer(dice, 0, -127, 127);
    if (c->distribution == ZERO && field == X) return dice_integer(dice, 0, 0, 1) ? 0.0 : -0.0;
    return (double)dice_integer(c->distribution == ONE && field == X ? &alike : dice, 0, -8, 8) / 8;
}

static void draw_buckets(const struct test_case *c, int32_t *to)
{
    static const int32_t far[] = { INT32_MIN, -1, INT32_MAX };
    const int64_t *n = c->operands[BUCKET_IN].view.shape, stride = (int64_t)c->d.value[BUCKET_STRIDE];
    for (int64_t i = 0; i < c->operands[BUCKET_IN].count; i++) {
        const struct dice d = dice_at(c, BUCKET_IN, i);
        const int64_t first = i / n[3] % n[2] * stride;
        const int outside = has_modifier(c, "outside") && dice_integer(&d, 0, 0, 3) == 0;
        if (outside && dice_integer(&d, 1, 0, 1)) to[i] = far[dice_integer(&d, 2, 0, 2)];
        else if (has_modifier(c, "spread")) to[i] = (int32_t)(first + i % n[3] * 7 % stride);
        else
            to[i] = (int32_t)(first +
                              dice_integer(&d, 3, outside ? -stride : 0, outside ? 2 * stride : stride - 1));
    }
}

static void integers(const struct test_case *c, uint32_t field, int32_t *to, const struct dice *dice)
{
    const int64_t tokens = descriptor_axis(&c->d, 't');
    (void)dice;
    if (field == BUCKET_IN) draw_buckets(c, to);
    for (int64_t i = 0; field == KEEP && i < c->operands[KEEP].count; i++)
        to[i] = kept(c, i / tokens, i % tokens);
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
    const int64_t tokens = descriptor_axis(&c->d, 't'), chunk = (int64_t)c->d.value[CHUNK];
    if (tokens % chunk) return refuse(why, "wanted chunks that are full");
    if (has_modifier(c, "shared") && !c->d.present[ROTATIONS]) return refuse(why, "shared: wanted R");
    if (has_modifier(c, "outside") && !c->d.present[BUCKET_IN]) return refuse(why, "outside: wanted bucket_in");
    if (has_modifier(c, "spread") && !c->d.present[BUCKET_IN]) return refuse(why, "spread: wanted bucket_in");
    if ((has_modifier(c, "keep-none") || has_modifier(c, "keep-nan")) && !c->d.present[KEEP])
        return refuse(why, "wanted keep");
    if (has_modifier(c, "nan-future") && c->d.value[CAUSAL] == 0)
        return refuse(why, "nan-future: wanted a causal call");
    return 0;
}

/* The first value of each is what a case has unless something else is asked for. Behind | : covered once only. scale has no
 * default; T goes with chunk, since it is a multiple. */
static const struct factor factors[] = {
    { "dtypes", "f32 bf16 f16 | bf16-R.f32 f64" },
    { "variant", "scale=5e-1 scale=1 scale=2" },
    { "variant", "chunk=8/T32 chunk=4/T16 chunk=5/T35 chunk=16/T16 chunk=1/T9 chunk=3/T0 | -/T128" },
    { "variant", "R/B2.K8.F4 R/B1.K16.F8 R.R_2/B2.K5.F3.G2 R.keep.pad_bucket=1/B2.K7.F5 R.keep/B2.K8.F3 "
                 "bucket_in.bucket_stride=6/B2.K8 bucket_in.keep.bucket_stride=3/B1.K8" },
    { "R", "2 1 4" },
    { "H", "2 1" },
    { "V", "8 1 16" },
    { "variant", "lse.round_y.round_lse - lse round_y round_lse" },
    { "variant", "- chunks_before=0 chunks_after=1 chunks_before=0.chunks_after=1 chunks_before=2 "
                 "chunks_before=3.chunks_after=2" },
    { "variant", "- causal=0" },
    { "variant", "- same_bucket=1" },
    { "variant", "- key_eps=0 key_eps=1e-1" },
    { "variant", "- self_value=5e-1 self_value=-5e4" },
    { "layout", "btd pad3 flip odd" },
    { "distribution", "benign ties peaked one zero" },
    { "modifier", "- shared outside nan-future keep-none keep-nan spread" },
    { NULL, NULL },
};

#define ALL "lsh_attention/fwd.R.lse.round_y.round_lse"
static const char *const mandatory[] = {
    /* no tokens; one; one chunk; chunks of one */
    ALL ".chunk=4.scale=1/f32/B2.T0.H2.K4.V4.R2.F3",
    ALL ".chunk=1.scale=1/f32/B1.T1.H1.K1.V1.R1.F1",
    ALL ".chunk=24.scale=1/f32/B2.T24.H2.K8.V8.R2.F3",
    ALL ".chunk=1.chunks_before=3.scale=1/f32/B1.T33.H1.K8.V8.R2.F3",
    "lsh_attention/fwd.R.scale=1/f32/B1.T128.H2.K16.V16.R4.F8",
    "lsh_attention/fwd.R.scale=0.25/bf16/B1.T128.H2.K16.V16.R4.F8",
    /* ties: three values, all tokens alike, keys of 0 */
    ALL ".chunk=8.scale=1/f32/B2.T64.H2.K3.V4.R2.F6/btd/ties",
    ALL ".chunk=8.key_eps=0.scale=1/f32/B1.T32.H2.K4.V4.R2.F3/btd/one",
    ALL ".chunk=8.key_eps=0.scale=1/f32/B1.T32.H2.K4.V4.R2.F3/btd/zero",
    "lsh_attention/fwd.R.R_2.lse.round_y.round_lse.chunk=8.scale=1/f32/B2.T64.H2.K3.V4.R2.F4.G3/btd/ties",
    "lsh_attention/fwd.R.R_2.lse.chunk=8.scale=1/f32/B2.T64.H2.K6.V4.R3.F4.G3/pad3/benign.shared",
    /* large scores, of which most vanish */
    ALL ".chunk=8.causal=0.scale=1/f32/B2.T64.H2.K8.V8.R2.F4/btd/peaked",
    "lsh_attention/fwd.R.lse.chunk=8.scale=1/f16/B1.T64.H2.K8.V8.R2.F4/btd/peaked",
    /* around the end: once, twice, to the own chunk again; rounds run into each other */
    ALL ".chunk=8.chunks_before=2.scale=1/f32/B1.T16.H2.K8.V4.R1.F2",
    ALL ".chunk=8.chunks_before=2.chunks_after=3.causal=0.scale=1/f32/B1.T16.H2.K8.V4.R1.F2",
    ALL ".chunk=8.chunks_before=5.causal=0.scale=1/f32/B1.T16.H1.K8.V4.R2.F2",
    ALL ".chunk=16.chunks_before=1.scale=1/f32/B1.T16.H1.K8.V4.R1.F2",
    ALL ".chunk=8.chunks_before=0.scale=1/f32/B2.T32.H2.K8.V4.R2.F4",
    ALL ".chunk=8.chunks_before=1.chunks_after=1.causal=0.scale=1/f32/B2.T40.H2.K8.V4.R4.F4",
    /* only the own bucket; its copies in other rounds are others; a token alone */
    ALL ".chunk=8.causal=0.same_bucket=1.scale=1/f32/B2.T64.H2.K8.V4.R2.F4",
    ALL ".chunk=4.chunks_before=2.chunks_after=2.causal=0.same_bucket=1.scale=1/f32/B1.T16.H2.K8.V4.R4.F2",
    "lsh_attention/fwd.bucket_in.lse.round_y.round_lse.chunk=8.same_bucket=1.bucket_stride=64.scale=1/f32/B1.T64.H2.K8.V4.R2/btd/"
    "benign.spread",
    /* padding: with a bucket, without one, a row of nothing else, NaN in it */
    "lsh_attention/fwd.R.keep.lse.round_y.round_lse.chunk=8.pad_bucket=1.scale=1/f32/B2.T64.H2.K8.V4.R2.F4",
    "lsh_attention/fwd.R.keep.lse.round_y.round_lse.chunk=8.causal=0.pad_bucket=1.scale=1/f32/B2.T32.H2.K8.V4.R2.F4/btd/"
    "benign.keep-none",
    "lsh_attention/fwd.R.keep.lse.chunk=8.causal=0.scale=1/f32/B2.T32.H2.K8.V4.R2.F4/btd/benign.keep-nan",
    "lsh_attention/fwd.R.R_2.keep.lse.chunk=8.causal=0.same_bucket=1.pad_bucket=1.bucket_stride=40.scale=1/bf16/"
    "B2.T32.H2.K8.V4.R3.F4.G2/odd/benign.keep-nan",
    /* buckets given, some of them nowhere */
    "lsh_attention/fwd.bucket_in.lse.round_y.round_lse.chunk=8.bucket_stride=8.scale=1/f32/B2.T64.H2.K8.V4.R3/btd/benign.outside",
    "lsh_attention/fwd.bucket_in.keep.lse.chunk=8.same_bucket=1.bucket_stride=1.scale=1/f32/B2.T32.H2.K8.V4.R2",
    "lsh_attention/fwd.bucket_in.chunk=8.bucket_stride=100000.scale=1/bf16/B1.T64.H1.K8.V16.R4/flip",
    /* what a token may not see is NaN */
    "lsh_attention/fwd.bucket_in.lse.round_y.round_lse.chunk=8.bucket_stride=8.scale=1/f32/B2.T32.H2.K8.V4.R2/btd/benign.nan-future",
    ALL ".chunk=8.scale=1/f32/B2.T32.H2.K8.V4.R2.F4/btd/benign.nan-future",
    /* the self rule: as large as any other, and larger */
    ALL ".chunk=8.scale=1.self_value=0/f32/B2.T32.H2.K8.V4.R2.F4",
    ALL ".chunk=8.causal=0.scale=1.self_value=40/f32/B2.T32.H2.K8.V4.R2.F4",
    /* batch rows far apart */
    "lsh_attention/fwd.R.lse.chunk=8.scale=1/f32/B3.T8.H2.K4.V4.R2.F2/far",
    NULL,
};

static const char *const smoke[] = {
    ALL ".chunk=8.scale=1/f32/B2.T64.H2.K3.V4.R2.F6/btd/ties",
    ALL ".chunk=8.chunks_before=2.chunks_after=3.causal=0.scale=1/f32/B1.T16.H2.K8.V4.R1.F2",
    "lsh_attention/fwd.R.keep.lse.round_y.round_lse.chunk=8.pad_bucket=1.scale=1/f32/B2.T64.H2.K8.V4.R2.F4",
    NULL,
};

extern const struct case_facts segue_case_lsh_attention;
const struct case_facts segue_case_lsh_attention = {
    .primitive = "lsh_attention",
    .distributions = distributions,
    .modifiers = modifiers,
    .fits = fits,
    .views = views,
    .draw = draw,
    .integers = integers,
    .count = 60,
    .smoke_count = 4,
    .work = "b t h k r",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
    .split = split_never,
};
