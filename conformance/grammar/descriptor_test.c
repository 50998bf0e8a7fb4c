/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "test_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void *build(const char *text)
{
    struct descriptor d;
    char why[DESCRIPTOR_WHY] = "";
    void *op = NULL;
    if (!descriptor_parse(text, &d, why)) op = descriptor_op(&d, why);
    if (!op) fail_msg("%s: %s", text, why);
    return op;
}

static void is(segue_tensor t, uint32_t dtype, int rank, const int64_t *shape, const int64_t *stride)
{
    assert_int_equal(segue_dtype_id(t.dtype), dtype);
    assert_int_equal(t.rank, rank);
    assert_memory_equal(t.shape, shape, sizeof *shape * (size_t)rank);
    assert_memory_equal(t.stride, stride, sizeof *stride * (size_t)rank);
}
#define IS(t, dtype, rank, shape, stride) is(t, dtype, rank, (const int64_t[])shape, (const int64_t[])stride)
#define L(...)      \
    {               \
        __VA_ARGS__ \
    }

static void scan(void **state)
{
    segue_selective_scan *s = build("selective_scan/fwd.h_in.h_out.softplus=0/bf16-A.f32/B2.T5.D7.N3");
    (void)state;
    IS(s->u, SEGUE_BF16, 3, L(2, 5, 7), L(35, 7, 1));
    IS(s->A, SEGUE_F32, 2, L(7, 3), L(3, 1));
    IS(s->B, SEGUE_BF16, 4, L(2, 5, 1, 3), L(15, 3, 3, 1)); /* g = 1 */
    IS(s->h_in, SEGUE_F32, 3, L(2, 7, 3), L(21, 3, 1));     /* p = s = b */
    assert_int_equal(s->u.bytes, 2 * 5 * 7 * 2);
    assert_int_equal(s->softplus, 0);
    assert_int_equal(s->z.dtype.bits, 0);
    assert_int_equal(s->header.primitive, SEGUE_SELECTIVE_SCAN);
    free(s);
}

static void conv(void **state)
{
    segue_causal_conv1d *c = build("causal_conv1d/fwd.h_in.h_out.activation=silu/f16-h_in.bf16/B2.T64.D8.W4");
    (void)state;
    IS(c->h_in, SEGUE_BF16, 3, L(2, 8, 3), L(24, 3, 1)); /* l = w - 1; states share their dtype */
    IS(c->h_out, SEGUE_BF16, 3, L(2, 8, 3), L(24, 3, 1));
    assert_int_equal(c->activation, SEGUE_CAUSAL_CONV1D_SILU);
    free(c);
    c = build("causal_conv1d/fwd.h_in/f32/B1.T4.D2.W1");
    IS(c->h_in, SEGUE_F32, 3, L(1, 2, 1), L(2, 1, 1)); /* at least 1 */
    free(c);
    c = build("causal_conv1d/fwd.h_in/f32/B1.T4.D2.W3.L9");
    IS(c->h_in, SEGUE_F32, 3, L(1, 2, 9), L(18, 9, 1)); /* as given */
    free(c);
}

/* Axes that conditions on parameters and sums of products tell. */
static void wanted_by_rules(void **state)
{
    segue_feature_map *f = build("feature_map/fwd.W.map=favor_pm/f32/B1.T3.H2.K4.M5");
    (void)state;
    IS(f->W, SEGUE_F32, 3, L(2, 5, 4), L(20, 4, 1));
    IS(f->y, SEGUE_F32, 4, L(1, 3, 2, 10), L(60, 20, 10, 1));
    free(f);
    f = build("feature_map/fwd.map=taylor2/bf16/B1.T3.H2.K4");
    IS(f->y, SEGUE_BF16, 4, L(1, 3, 2, 21), L(126, 42, 21, 1));
    free(f);
    f = build("feature_map/fwd.map=relu/bf16-y.f32/B1.T3.H2.K4");
    IS(f->y, SEGUE_F32, 4, L(1, 3, 2, 4), L(24, 8, 4, 1));
    free(f);
    segue_linear_attention *a = build("linear_attention/fwd.S_out.map=cosrew/f32/B2.T3.H2.K4.V5");
    IS(a->k, SEGUE_F32, 4, L(2, 3, 2, 4), L(24, 8, 4, 1)); /* c = t, since it is causal */
    IS(a->S_out, SEGUE_F32, 4, L(2, 2, 8, 5), L(80, 40, 5, 1));
    free(a);
    a = build("linear_attention/fwd.causal=0/f32/B2.T3.C9.H2.K4.V5");
    IS(a->v, SEGUE_F32, 4, L(2, 9, 2, 5), L(90, 10, 5, 1));
    free(a);
    segue_gated_recurrence *g = build("gated_recurrence/fwd.q.k.v.S_out.y/bf16/B2.T3.H4.K8.V5");
    IS(g->q, SEGUE_BF16, 4, L(2, 3, 1, 8), L(24, 8, 8, 1)); /* as few heads as the rules allow */
    IS(g->y, SEGUE_BF16, 4, L(2, 3, 4, 5), L(60, 20, 5, 1));
    IS(g->S_out, SEGUE_F32, 4, L(2, 4, 8, 5), L(160, 40, 5, 1));
    free(g);
}

static void layouts(void **state)
{
    segue_selective_scan *s = build("selective_scan/fwd/f32/B2.T5.D7.N3/bdt");
    (void)state;
    IS(s->u, SEGUE_F32, 3, L(2, 5, 7), L(35, 1, 5));
    IS(s->B, SEGUE_F32, 4, L(2, 5, 1, 3), L(15, 1, 15, 5));
    IS(s->A, SEGUE_F32, 2, L(7, 3), L(3, 1));
    free(s);
    s = build("selective_scan/fwd/f32/B2.T5.D7.N3/pad3/decay-log#k=17");
    IS(s->u, SEGUE_F32, 3, L(2, 5, 7), L(50, 10, 1));
    assert_int_equal(s->u.bytes, (50 + 40 + 7) * 4);
    free(s);
    s = build("selective_scan/fwd.h_out/f32/T5.D7.N3.S2/packed");
    IS(s->u, SEGUE_F32, 3, L(1, 5, 7), L(35, 7, 1)); /* b = 1 if cu_seqlens */
    IS(s->cu_seqlens, SEGUE_I32, 1, L(3), L(1));
    IS(s->h_out, SEGUE_F32, 3, L(2, 7, 3), L(21, 3, 1));
    free(s);
    s = build("selective_scan/fwd.slot.h_in.h_out/f32/B2.T5.D7.N3.P9");
    IS(s->slot, SEGUE_I32, 2, L(2, 2), L(2, 1));
    IS(s->h_in, SEGUE_F32, 3, L(9, 7, 3), L(21, 3, 1));
    free(s);
}

static void refusals(void **state)
{
    static const struct {
        const char *text, *words;
    } bad[] = {
        { "", "wanted primitive/variant/dtypes/shape" },
        { "selective_scan/fwd/f32", "wanted primitive/variant/dtypes/shape" },
        { "attention/fwd/f32/B1.N8.T6.C5.H4.J2.K8.V8", "shape: T: no operand of this call has that axis" },
        { "linear_attention/fwd.causal=0/f32/B1.T1.H1.K1.V1", "shape: axis C is missing; k is [b c h k]" },
        { "scan/fwd/f32/B1", "primitive: wanted one of selective_scan causal_conv1d gated_recurrence" },
        { "selective_scan/bwd/f32/B1.T1.D1.N1", "variant: wanted fwd, given bwd" },
        { "selective_scan//f32/B1.T1.D1.N1", "variant: wanted fwd, given nothing" },
        { "selective_scan/fwd.q/f32/B1.T1.D1.N1", "selective_scan has no operand or parameter q" },
        { "selective_scan/fwd.u/f32/B1.T1.D1.N1", "u is not optional" },
        { "selective_scan/fwd.z=1/f32/B1.T1.D1.N1", "z is an operand and takes no value" },
        { "selective_scan/fwd.softplus/f32/B1.T1.D1.N1", "wanted softplus=number" },
        { "selective_scan/fwd.softplus=x/f32/B1.T1.D1.N1", "softplus: wanted a number, given x" },
        { "selective_scan/fwd.softplus=2/f32/B1.T1.D1.N1", "softplus: wanted 0 to 1, given 2" },
        { "selective_scan/fwd.softplus=0.softplus=1/f32/B1.T1.D1.N1", "softplus is given twice" },
        { "selective_scan/fwd/f32-A.f16-A.bf16/B1.T1.D1.N1", "A is given twice" },
        { "selective_scan/fwd/f32-/B1.T1.D1.N1", "has no operand without a name" },
        { "selective_scan/fwd/f32/B1..T1.D1.N1", "such as T2048, given nothing" },
        { "selective_scan/fwd/f32/B1.T1.D1.N1.", "such as T2048, given nothing" },
        { "selective_scan/fwd/f32/B1.T1.D1.N1/btd/benign#a*", "given benign#a*" },
        { "selective_scan/fwd/f32/B1.T1.D1.N1/btd/benign#a'b", "given benign#a'b" },
        { "selective_scan/fwd/f8/B1.T1.D1.N1", "dtypes: wanted f32, f16, bf16 or f64, given f8" },
        { "selective_scan/fwd//B1.T1.D1.N1", "dtypes: wanted f32, f16, bf16 or f64, given nothing" },
        { "selective_scan/fwd/f32-q.f16/B1.T1.D1.N1", "has no operand q" },
        { "selective_scan/fwd/f32-A/B1.T1.D1.N1", "wanted A.f32" },
        { "selective_scan/fwd/f32/b1.T1.D1.N1", "shape: wanted an axis and its size, such as T2048, given b1" },
        { "selective_scan/fwd/f32/B1.T.D1.N1", "given T" },
        { "selective_scan/fwd/f32/B1.T1.D0.N1", "shape: D: wanted 1 to" },
        { "selective_scan/fwd/f32/B-1.T1.D1.N1", "given B-1" },
        { "selective_scan/fwd/f32/B1.T1.D1.N1.P3", "shape: P: no operand of this call has that axis" },
        { "causal_conv1d/fwd/f32/B1.T1.D1.W4.L9", "shape: L: no operand of this call has that axis" },
        { "selective_scan/fwd/f32-D.f16/B1.T1.D1.N1", "dtypes: D is not in this call" },
        { "selective_scan/fwd/f32-h_in.f16/B1.T1.D1.N1", "dtypes: h_in is not in this call" },
        { "selective_scan/fwd.softplus=0.5/f32/B1.T1.D1.N1", "softplus: wanted a whole number, given 0.5" },
        { "selective_scan/fwd.softplus=nan/f32/B1.T1.D1.N1", "softplus: wanted a whole number, given nan" },
        { "selective_scan/fwd/f32/B1.T1.D1.N1/btd/", "distribution: wanted a name" },
        { "selective_scan/fwd/f32/B1.B1.D1.N1", "shape: B is given twice" },
        { "selective_scan/fwd/f32/B1.T1.D1.N1.W4", "selective_scan has no axis W" },
        { "selective_scan/fwd/f32/B1.T1.D1", "shape: axis N is missing; A is [d n]" },
        { "selective_scan/fwd/f32/B1.T2147483647.D2147483647.N1", "shape: u is too large" },
        { "causal_conv1d/fwd.activation=gelu/f32/B1.T1.D1.W1", "activation: wanted a number, given gelu" },
        { "selective_scan/fwd/f32/B1.T1.D1.N1/row",
          "layout: wanted btd, bdt, pad3, packed, flip, far or odd, given row" },
        { "selective_scan/fwd/f32/B1.T1.D1.N1/btd/benign/x", "at most 6 parts" },
        { "selective_scan/fwd/f32/B1.T1.D1.N1/btd/a-name-that-is-longer-than-any-distribution-with-all-its-modifiers",
          "distribution: wanted at most" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct descriptor d;
        char why[DESCRIPTOR_WHY] = "";
        void *op = descriptor_parse(bad[i].text, &d, why) ? NULL : descriptor_op(&d, why);
        if (op || !strstr(why, bad[i].words))
            fail_msg("%s: wanted '%s', given '%s'", bad[i].text, bad[i].words, why);
    }
}

static void empty(void **state)
{
    static const char *const layouts[] = { "btd", "bdt", "pad3", "flip", "far", "odd" };
    (void)state;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        char text[128];
        snprintf(text, sizeof text, "selective_scan/fwd.h_in/f32/B2.T0.D7.N3/%s", layouts[i]);
        segue_selective_scan *s = build(text);
        assert_int_equal(s->u.shape[1], 0);
        assert_int_equal(s->u.bytes, 0);
        assert_int_equal(s->u.offset, 0);
        for (int k = 0; k < 3; k++) assert_true(s->u.stride[k] != 0); /* 0 would say: constant */
        assert_true(s->h_in.bytes >= 2 * 7 * 3 * 4);
        free(s);
    }
    segue_selective_scan *s = build("selective_scan/fwd.h_in/f32/B0.T5.D7.N3");
    IS(s->h_in, SEGUE_F32, 3, L(0, 7, 3), L(21, 3, 1)); /* p = s = b = 0 */
    assert_int_equal(s->h_in.bytes, 0);
    free(s);
    s = build("selective_scan/fwd/f32/T0.D7.N3.S0/packed");
    IS(s->cu_seqlens, SEGUE_I32, 1, L(1), L(1));
    free(s);
}

static void backwards_and_far(void **state)
{
    const int64_t row = (((int64_t)1 << 31) + 192) / 2;
    (void)state;
    segue_selective_scan *s = build("selective_scan/fwd/f32/B2.T5.D7.N3/flip");
    IS(s->u, SEGUE_F32, 3, L(2, 5, 7), L(35, -7, 1));
    assert_int_equal(s->u.offset, 4 * 7 * 4);
    assert_int_equal(s->u.bytes, 2 * 5 * 7 * 4);
    IS(s->B, SEGUE_F32, 4, L(2, 5, 1, 3), L(15, -3, 3, 1));
    IS(s->A, SEGUE_F32, 2, L(7, 3), L(3, 1));
    free(s);
    s = build("selective_scan/fwd.h_in/bf16/B3.T5.D7.N3/far");
    IS(s->u, SEGUE_BF16, 3, L(3, 5, 7), L(row, 7, 1));
    IS(s->y, SEGUE_BF16, 3, L(3, 5, 7), L(row, 7, 1));
    IS(s->delta, SEGUE_BF16, 3, L(3, 5, 7), L(35, 7, 1));
    IS(s->h_in, SEGUE_F32, 3, L(3, 7, 3), L(21, 3, 1));
    assert_true(s->u.bytes == 2 * ((uint64_t)2 * (uint64_t)row + 35) && s->u.bytes > (uint64_t)1 << 32);
    free(s);
    segue_causal_conv1d *c = build("causal_conv1d/fwd.seq_idx/f32/B2.T5.D7.W3/flip");
    IS(c->seq_idx, SEGUE_I32, 2, L(2, 5), L(5, 1)); /* integers stay */
    IS(c->x, SEGUE_F32, 3, L(2, 5, 7), L(35, -7, 1));
    free(c);
}

/* Which input is far, the key says; the output always is. */
static void far_by_key(void **state)
{
    static const struct {
        const char *text;
        int far; /* of u delta B C z */
    } cases[] = {
        { "selective_scan/fwd.z/bf16/B3.T5.D7.N3/far", 0 },
        { "selective_scan/fwd.z/bf16/B3.T5.D7.N3/far/benign#0", 0 },
        { "selective_scan/fwd.z/bf16/B3.T5.D7.N3/far/benign#1", 1 },
        { "selective_scan/fwd.z/bf16/B3.T5.D7.N3/far/benign#2", 2 },
        { "selective_scan/fwd.z/bf16/B3.T5.D7.N3/far/benign#3", 3 },
        { "selective_scan/fwd.z/bf16/B3.T5.D7.N3/far/benign#4", 4 },
        { "selective_scan/fwd/bf16/B3.T5.D7.N3/far/benign#4", 0 }, /* there is no z */
        { "selective_scan/fwd.z/bf16/B3.T5.D7.N3/far/benign#k", 0 },
    };
    const int64_t row = (((int64_t)1 << 31) + 192) / 2;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        segue_selective_scan *s = build(cases[i].text);
        const segue_tensor inputs[] = { s->u, s->delta, s->B, s->C, s->z };
        for (int k = 0; k < 5; k++) assert_int_equal(inputs[k].stride[0] == row, k == cases[i].far);
        assert_int_equal(s->y.stride[0], row);
        free(s);
    }
    segue_causal_conv1d *c = build("causal_conv1d/fwd.post_gate/bf16/B3.T5.D7.W3/far/benign#1");
    assert_int_equal(c->post_gate.stride[0], row); /* of x and post_gate; no weight, no integer counts */
    assert_int_equal(c->x.stride[0], 35);
    free(c);
}

static void odd(void **state)
{
    (void)state;
    segue_selective_scan *s = build("selective_scan/fwd.D.cu_seqlens.slot.h_in.h_out/f32/T5.D7.N3.S2.P4/odd");
    IS(s->u, SEGUE_F32, 3, L(1, 5, 7), L(70, 14, -2));
    assert_int_equal(s->u.offset, 12 * 4);
    assert_int_equal(s->u.bytes, 69 * 4);
    IS(s->y, SEGUE_F32, 3, L(1, 5, 7), L(70, 14, 2));
    IS(s->A, SEGUE_F32, 2, L(7, 3), L(-6, 2));
    IS(s->D, SEGUE_F32, 1, L(7), L(-2));
    IS(s->B, SEGUE_F32, 4, L(1, 5, 1, 3), L(30, 6, 6, 2));
    IS(s->cu_seqlens, SEGUE_I32, 1, L(3), L(2));
    IS(s->slot, SEGUE_I32, 2, L(2, 2), L(4, 2));
    IS(s->h_in, SEGUE_F32, 3, L(4, 7, 3), L(42, -6, 2));
    IS(s->h_out, SEGUE_F32, 3, L(4, 7, 3), L(42, 6, 2));
    free(s);
    segue_causal_conv1d *c = build("causal_conv1d/fwd.bias.seq_idx/bf16/B2.T5.D7.W3/odd");
    IS(c->weight, SEGUE_BF16, 2, L(7, 3), L(-6, 2));
    IS(c->bias, SEGUE_BF16, 1, L(7), L(-2));
    IS(c->seq_idx, SEGUE_I32, 2, L(2, 5), L(10, 2));
    free(c);
}

static void canonical(void **state)
{
    static const struct {
        const char *text, *name;
    } cases[] = {
        { "selective_scan/fwd/f32/B2.T5.D7.N3", "selective_scan/fwd/f32/B2.T5.D7.N3/btd/benign" },
        { "selective_scan/fwd.h_out.D.softplus=0.h_in/f32/N3.D7.T5.B2/pad3/decay-log.gap#k=17",
          "selective_scan/fwd.D.h_in.h_out.softplus=0/f32/B2.T5.D7.N3/pad3/decay-log.gap#k=17" },
        { "selective_scan/fwd.softplus=1.max_seqlen=0/f32/B2.T5.D7.N3.G1.J1",
          "selective_scan/fwd/f32/B2.T5.D7.N3/btd/benign" },
        { "selective_scan/fwd.slot.h_in/f32/B2.T5.D8.N3.G4.J2.P9.S2",
          "selective_scan/fwd.slot.h_in/f32/B2.T5.D8.N3.G4.J2.P9/btd/benign" },
        { "selective_scan/fwd.h_in/f32/B2.T5.D7.N3.P2", "selective_scan/fwd.h_in/f32/B2.T5.D7.N3/btd/benign" },
        { "selective_scan/fwd.cu_seqlens/f32/B1.T5.D7.N3.S1", "selective_scan/fwd/f32/T5.D7.N3/packed/benign" },
        { "selective_scan/fwd.cu_seqlens/f32/T5.D7.N3.S3/packed",
          "selective_scan/fwd/f32/T5.D7.N3.S3/packed/benign" },
        { "selective_scan/fwd.cu_seqlens/f32/T5.D7.N3.S3/pad3",
          "selective_scan/fwd.cu_seqlens/f32/T5.D7.N3.S3/pad3/benign" },
        { "selective_scan/fwd/f32-u.bf16/B1.T5.D7.N3",
          "selective_scan/fwd/bf16-delta.f32-A.f32/B1.T5.D7.N3/btd/benign" },
        { "selective_scan/fwd.h_in.h_out/bf16-h_out.bf16-A.f32-B.bf16/B1.T5.D7.N3",
          "selective_scan/fwd.h_in.h_out/bf16-A.f32-h_in.bf16/B1.T5.D7.N3/btd/benign" },
        { "selective_scan/fwd.h_out/f16-h_in.f16/B1.T5.D7.N3",
          "selective_scan/fwd.h_out/f16-h_out.f16/B1.T5.D7.N3/btd/benign" },
        { "selective_scan/fwd/f64/B0.T0.D7.N3", "selective_scan/fwd/f64/B0.T0.D7.N3/btd/benign" },
        { "causal_conv1d/fwd.activation=1.h_in/f16/B1.T5.D7.W4.L3",
          "causal_conv1d/fwd.h_in.activation=silu/f16/B1.T5.D7.W4/btd/benign" },
        { "causal_conv1d/fwd.h_in/f16/B1.T5.D7.W4.L9/flip",
          "causal_conv1d/fwd.h_in/f16/B1.T5.D7.W4.L9/flip/benign" },
        /* tied axes (n == t, e == t): which of them was given leaves no trace, nor do those that no operand has */
        { "attention/fwd/f32/B1.T4.C5.H4.J2.K8.V8", "attention/fwd/f32/B1.N4.H4.K8.M5.J2.V8/btd/benign" },
        { "attention/fwd/f32/B1.E4.M5.H4.J2.K8.V8", "attention/fwd/f32/B1.N4.H4.K8.M5.J2.V8/btd/benign" },
        { "attention/fwd.bias/f32/B1.N4.M5.H4.J2.K8.V8",
          "attention/fwd.bias/f32/B1.H4.K8.J2.V8.T4.C5/btd/benign" },
        /* a parameter without a default is always named */
        { "lsh_attention/fwd.scale=1.chunk=64.R/f32/B1.T8.H2.K4.V4.R2.F3",
          "lsh_attention/fwd.R.scale=1/f32/B1.T8.H2.K4.V4.R2.F3/btd/benign" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct descriptor d;
        char why[DESCRIPTOR_WHY] = "", name[DESCRIPTOR_TEXT] = "";
        if (descriptor_parse(cases[i].text, &d, why)) fail_msg("%s: %s", cases[i].text, why);
        assert_int_equal(descriptor_print(&d, name, sizeof name), 0);
        assert_string_equal(name, cases[i].name);
        assert_int_equal(descriptor_print(&d, name, strlen(name)), -1);
        assert_int_equal(descriptor_print(&d, NULL, 0), -1);
    }
}

static unsigned below(unsigned *seed, unsigned count)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % count;
}

/* A text whose parts are drawn and shuffled; some do not parse. */
static void random_text(unsigned *seed, char *to, size_t room)
{
    static const char *const dtypes[] = { "f32", "bf16", "f16-%s.f32", "bf16-%s.bf16", "f32-%s.f16-h_in.bf16" };
    static const char *const layouts[] = { "",        "/btd",  "/bdt", "/pad3",
                                           "/packed", "/flip", "/odd", "/far/decay#3" };
    const segue_primitive_facts *p = segue_describe(1 + below(seed, 2));
    char letters[] = "BTDNGJSP";
    if (p->id == SEGUE_CAUSAL_CONV1D) memcpy(letters, "BTDWLSP", 8);
    size_t n = (size_t)snprintf(to, room, "%s/fwd", p->name);
    for (unsigned i = below(seed, 6); i > 0; i--) {
        const segue_field_facts *f = &p->fields[below(seed, p->field_count)];
        if (f->role == SEGUE_ROLE_IN || f->role == SEGUE_ROLE_OUT) continue;
        n += (size_t)snprintf(to + n, room - n, ".%s", f->name);
        if (!is_tensor_field(f)) n += (size_t)snprintf(to + n, room - n, "=%u", below(seed, 2));
    }
    n += (size_t)snprintf(to + n, room - n, "/");
    n +=
        (size_t)snprintf(to + n, room - n, dtypes[below(seed, 5)], p->fields[below(seed, p->field_count)].name);
    n += (size_t)snprintf(to + n, room - n, "/");
    const unsigned count = (unsigned)strlen(letters), from = below(seed, count);
    for (unsigned i = 0; i < count; i++)
        if (below(seed, 3))
            n += (size_t)snprintf(to + n, room - n, "%s%c%u", to[n - 1] == '/' ? "" : ".",
                                  letters[(from + i) % count], below(seed, 4));
    snprintf(to + n, room - n, "%s", layouts[below(seed, 7)]);
}

/* Printing what was read and reading what was printed changes nothing. */
static void round_trip(void **state)
{
    unsigned seed = 7, good = 0;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[512], name[DESCRIPTOR_TEXT], again[DESCRIPTOR_TEXT], why[DESCRIPTOR_WHY];
        struct descriptor d, e;
        random_text(&seed, text, sizeof text);
        if (descriptor_parse(text, &d, why)) continue;
        good++;
        if (descriptor_print(&d, name, sizeof name)) fail_msg("%s: does not print", text);
        if (descriptor_parse(name, &e, why)) fail_msg("%s as %s: %s", text, name, why);
        if (memcmp(&d, &e, sizeof d)) fail_msg("%s as %s: reads as another call", text, name);
        if (descriptor_print(&e, again, sizeof again) || strcmp(name, again))
            fail_msg("%s: prints as %s, then as %s", text, name, again);
        segue_op_header *one = descriptor_op(&d, why), *two = descriptor_op(&e, why);
        assert_int_equal(!one, !two);
        if (one) assert_memory_equal(one, two, one->size);
        free(one);
        free(two);
    }
    assert_true(good > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wanted_by_rules),   cmocka_unit_test(scan),       cmocka_unit_test(conv),
        cmocka_unit_test(layouts),           cmocka_unit_test(refusals),   cmocka_unit_test(empty),
        cmocka_unit_test(backwards_and_far), cmocka_unit_test(far_by_key), cmocka_unit_test(odd),
        cmocka_unit_test(canonical),         cmocka_unit_test(round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
