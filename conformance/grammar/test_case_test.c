/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "test_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "dtype.h"
#include "inputs.h"

#include <cmocka.h>

static struct test_case make(const char *name)
{
    struct test_case c;
    char why[DESCRIPTOR_WHY] = "";
    if (test_case_make(name, &c, why)) fail_msg("%s: %s", name, why);
    return c;
}

static const struct operand *operand(const struct test_case *c, const char *name)
{
    const uint32_t i = field_named(c->primitive, name);
    assert_true(i < c->primitive->field_count && c->operands[i].facts);
    return &c->operands[i];
}

static void inputs_are_there(void **state)
{
    struct test_case c = make("selective_scan/fwd.h_in.h_out/bf16-A.f32/B2.T5.D3.N4/pad3");
    const struct operand *u = operand(&c, "u"), *h = operand(&c, "h_in"), *y = operand(&c, "y");
    (void)state;
    assert_string_equal(c.name, "selective_scan/fwd.h_in.h_out/bf16-A.f32/B2.T5.D3.N4/pad3/benign");
    assert_int_equal(u->count, 30);
    assert_int_equal(h->count, 24);
    assert_true(u->value && h->value && !y->value && !y->whole && !u->whole);
    assert_null(c.operands[field_named(c.primitive, "D")].facts);
    assert_null(c.operands[field_named(c.primitive, "softplus")].facts);
    assert_memory_equal(&u->view, tensor_of(c.op, u->facts), sizeof u->view);
    for (int i = 0; i < u->count; i++) assert_true(u->value[i] == dtype_round(SEGUE_BF16, u->value[i]));
    for (int64_t b = 0, e = 0; b < 2; b++) /* row-major over the shape, whatever the strides */
        for (int64_t t = 0; t < 5; t++)
            for (int64_t d = 0; d < 3; d++, e++)
                assert_true(u->value[e] == value_of(&c, 0, (int64_t[]){ b, t, d }));
    test_case_free(&c);
    test_case_free(&c);
}

/* Another spelling is the same case; another key, layout or size has other values; other operands stay as they are drawn. */
static void reproducible(void **state)
{
    struct test_case a = make("selective_scan/fwd.h_in/f32/B2.T50.D7.N3");
    struct test_case b = make("selective_scan/fwd.h_in/f32/D7.T50.B2.N3.G1/btd/benign");
    (void)state;
    for (uint32_t i = 0; i < a.primitive->field_count; i++)
        if (a.operands[i].value)
            assert_memory_equal(a.operands[i].value, b.operands[i].value,
                                sizeof(double) * (size_t)a.operands[i].count);
    test_case_free(&b);
    static const char *const others[] = { "selective_scan/fwd.h_in/f32/B2.T50.D7.N3/btd/benign#1",
                                          "selective_scan/fwd.h_in/f32/B2.T50.D7.N3/pad3" };
    for (int i = 0; i < 2; i++) {
        int same = 0;
        b = make(others[i]);
        for (int e = 0; e < 700; e++) same += operand(&a, "u")->value[e] == operand(&b, "u")->value[e];
        assert_true(same < 2);
        test_case_free(&b);
    }
    int same = 0;
    for (int e = 0; e < 300; e++) same += operand(&a, "B")->value[e] == operand(&a, "C")->value[e];
    assert_true(same < 2);
    test_case_free(&a);
}

/* ---- packed sequences ----------------------------------------------------------------------------- */

static void cut(int64_t tokens, int64_t count, const char *modifiers, int first, int middle, int last, int gap)
{
    char name[256];
    snprintf(name, sizeof name, "selective_scan/fwd/f32/T%d.D1.N1.S%d/packed/benign%s", (int)tokens, (int)count,
             modifiers);
    struct test_case c = make(name);
    const int32_t *cu = operand(&c, "cu_seqlens")->whole;
    unsigned rests = 0;
    int differ = 1, filled = 0;
    for (int64_t s = 0; s < count; s++) {
        const int empty = (first && s == 0) || (middle && s == count / 2) || (last && s == count - 1);
        const int32_t length = cu[s + 1] - cu[s];
        if (tokens >= count + 2 && (length <= 0) != empty)
            fail_msg("%s: sequence %d has %d tokens", name, (int)s, (int)length);
        assert_true(length >= 0);
        filled += !empty;
        if (!empty && rests >> (length % 16) & 1) differ = 0;
        if (!empty) rests |= 1u << length % 16;
    }
    if (filled >= 3 && filled < 7 && tokens > 60 && !differ) fail_msg("%s: lengths alike mod 16", name);
    assert_true(gap ? cu[0] > 0 && cu[count] < tokens : cu[0] == 0 && cu[count] == tokens);
    test_case_free(&c);
}

static void cuts(void **state)
{
    static const struct {
        const char *text;
        int first, middle, last, gap;
    } modifiers[] = {
        { "", 0, 0, 0, 0 },
        { ".empty-first", 1, 0, 0, 0 },
        { ".empty-middle", 0, 1, 0, 0 },
        { ".empty-last", 0, 0, 1, 0 },
        { ".gap", 0, 0, 0, 1 },
        { ".gap.empty-first.empty-last", 1, 0, 1, 1 },
        { ".empty-last.empty-middle.empty-first", 1, 1, 1, 0 },
    };
    static const int64_t tokens[] = { 8, 9, 17, 64, 65, 129, 1000, 4097 }, counts[] = { 4, 5, 6 };
    (void)state;
    for (int m = 0; m < 7; m++)
        for (int t = 0; t < 8; t++)
            for (int s = 0; s < 3; s++)
                cut(tokens[t], counts[s], modifiers[m].text, modifiers[m].first, modifiers[m].middle,
                    modifiers[m].last, modifiers[m].gap);
    cut(0, 3, "", 0, 0, 0, 0);
    cut(2, 3, "", 0, 0, 0, 0);
    cut(5, 1, "", 0, 0, 0, 0);
    cut(3, 1, ".gap", 0, 0, 0, 1);
    cut(4097, 2000, "", 0, 0, 0, 0);
}

/* ---- slots ---------------------------------------------------------------------------------------- */

static void check_slots(const char *name, int fresh, int drop, int padding)
{
    struct test_case c = make(name);
    const struct operand *o = operand(&c, "slot");
    const int64_t count = o->view.shape[0], rows = descriptor_axis(&c.d, 'p');
    int elsewhere = 0;
    for (int64_t s = 0; s < count; s++) {
        const int32_t r = o->whole[2 * s], w = o->whole[2 * s + 1];
        const int none = padding && s == count / 2;
        assert_true(r < rows && w < rows);
        assert_int_equal(r < 0, (fresh && s == 0) || none);
        assert_int_equal(w < 0, (drop && s == count - 1) || none);
        elsewhere += r != w;
        for (int64_t k = 0; k < count; k++)
            if (k != s) {
                assert_true(w < 0 || w != o->whole[2 * k + 1]);
                assert_true(w < 0 || w != o->whole[2 * k]);
                assert_true(r < 0 || r != o->whole[2 * k]);
            }
    }
    if (count > 20) assert_true(elsewhere > 0 && elsewhere < count);
    test_case_free(&c);
}

static void slots(void **state)
{
    (void)state;
    check_slots("selective_scan/fwd.slot.h_in/f32/B3.T2.D1.N1.P3", 0, 0, 0);
    check_slots("selective_scan/fwd.slot.h_in/f32/B1.T2.D1.N1.P1", 0, 0, 0);
    check_slots("selective_scan/fwd.slot.h_in/f32/B40.T2.D1.N1.P100", 0, 0, 0);
    check_slots("selective_scan/fwd.slot.h_in/f32/B40.T2.D1.N1.P50/btd/benign.slot-drop", 0, 1, 0);
    check_slots("selective_scan/fwd.slot.h_in/f32/B4.T2.D1.N1.P9/btd/benign.slot-fresh", 1, 0, 0);
    check_slots("selective_scan/fwd.slot.h_in/f32/B2.T2.D1.N1.P9/btd/benign.slot-padding", 0, 0, 1);
    check_slots(
        "selective_scan/fwd.slot.h_in/f32/T9.D1.N1.S3.P9/packed/benign.slot-padding.slot-drop.slot-fresh", 1, 1,
        1);
    check_slots("causal_conv1d/fwd.slot.h_in/f32/B3.T2.D1.W4.P9/btd/benign.slot-drop.slot-fresh", 1, 1, 0);
}

/* ---- integers out of range ------------------------------------------------------------------------ */

static int64_t clamped(int32_t offset, int64_t tokens)
{
    return offset < 0 ? 0 : offset > tokens ? tokens : offset;
}

/* Sequences without tokens at both ends, and every token in exactly one. */
static void check_cuts_outside(int64_t tokens, int64_t count)
{
    char name[128];
    snprintf(name, sizeof name, "selective_scan/fwd/f32/T%d.D1.N1.S%d/packed/benign.cu-outside", (int)tokens,
             (int)count);
    struct test_case c = make(name);
    const int32_t *cu = operand(&c, "cu_seqlens")->whole;
    int64_t next = 0;
    int below = 0, above = 0, falling = 0;
    for (int64_t s = 0; s <= count; s++) below += cu[s]<0, above += cu[s]> tokens;
    for (int64_t s = 0; s < count; s++) {
        const int64_t first = clamped(cu[s], tokens), end = clamped(cu[s + 1], tokens);
        falling += end < first;
        if (end <= first) continue;
        assert_int_equal(first, next);
        next = end;
    }
    assert_int_equal(next, tokens);
    assert_true(below > 0 && above > 0 && falling == (count > 2 ? 2 : count - 1));
    test_case_free(&c);
}

static void integers_outside(void **state)
{
    (void)state;
    for (int64_t count = 1; count < 7; count++) {
        check_cuts_outside(65, count);
        check_cuts_outside(1000, count);
    }
    struct test_case c = make("selective_scan/fwd.slot.h_in/f32/B3.T2.D1.N1.P9/btd/benign.slot-outside");
    const int32_t *slot = operand(&c, "slot")->whole;
    assert_int_equal(slot[0], 9); /* the first row that is none */
    assert_in_range(slot[1], 0, 8);
    assert_int_equal(slot[2], -2);
    assert_int_equal(slot[3], 10);
    assert_in_range(slot[4], 0, 8);
    assert_int_equal(slot[5], INT32_MIN);
    test_case_free(&c);
    c = make("causal_conv1d/fwd.cache_seqlens.h_in.h_out/f32/B5.T2.D1.W4.L9/btd/benign.count-negative");
    const int32_t *seen = operand(&c, "cache_seqlens")->whole;
    assert_true(seen[0] == -5 && seen[1] >= 0 && seen[2] == INT32_MIN && seen[3] >= 0 && seen[4] == -5);
    test_case_free(&c);
}

static void hostile_tags(void **state)
{
    struct test_case c = make("causal_conv1d/fwd.seq_idx/f32/B4.T400.D1.W4/btd/benign.tags-hostile");
    const int32_t *tag = operand(&c, "seq_idx")->whole;
    int inside = 0, alike = 0, seven = 0, least = 0;
    (void)state;
    for (int64_t b = 0; b < 4; b++) {
        const int32_t *row = tag + b * 400;
        assert_int_equal(row[0] < 0, b % 2 == 0);
        for (int64_t t = 1; t < 400; t++) {
            inside += row[t - 1] >= 0 && row[t] < 0;
            alike += row[t - 1] != row[t] && row[t - 1] >= 0 && row[t] >= 0 &&
                     (uint16_t)row[t - 1] == (uint16_t)row[t];
            seven += row[t] == -7, least += row[t] == INT32_MIN;
        }
    }
    assert_true(inside > 3 && alike > 0 && seven > 0 && least > 0);
    test_case_free(&c);
}

/* ---- NaN, constant views -------------------------------------------------------------------------- */

static void future(void **state)
{
    static const char *const names[] = {
        "selective_scan/fwd.z.D.h_in/f32/B2.T9.D3.N2/btd/benign.nan-future",
        "selective_scan/fwd.h_in.softplus=0/bf16/B2.T2.D3.N2/bdt/exact.nan-future",
        "selective_scan/fwd/f32/B2.T9.D3.N2/btd/constant-bc.nan-future",
        "causal_conv1d/fwd.pre_gate.bias.h_in/f16/T77.D3.W2.S3/packed/wide.nan-future",
    };
    (void)state;
    for (int n = 0; n < 4; n++) {
        struct test_case c = make(names[n]);
        int64_t first = -1;
        for (uint32_t i = 0; i < c.primitive->field_count; i++) {
            const struct operand *o = &c.operands[i];
            const int time = o->facts ? axis_of(o->facts, 't') : -1, held = time >= 0 && !o->view.stride[time];
            int64_t inner = 1;
            if (!o->value) continue;
            for (int k = time + 1; time >= 0 && k < o->view.rank; k++) inner *= o->view.shape[k];
            for (int64_t e = 0; e < o->count; e++) {
                const int64_t t = time >= 0 ? e / inner % o->view.shape[time] : 0;
                if (isnan(o->value[e]) && first < 0) first = t;
                assert_int_equal(isnan(o->value[e]) != 0, time >= 0 && !held && first >= 0 && t >= first);
            }
        }
        assert_in_range(first, 1, descriptor_axis(&c.d, 't') - 1);
        test_case_free(&c);
    }
}

/* Keys lie along c: their tokens, too, run backwards, come first or are NaN; and never because they are more than queries. */
static void keys(void **state)
{
    enum { QUERY, KEY };
    struct test_case c = make("linear_attention/fwd.causal=0/f32/B2.T5.C9.H2.K3.V4/flip");
    (void)state;
    assert_true(c.operands[QUERY].view.stride[1] == -6 && c.operands[KEY].view.stride[1] == -6);
    for (int64_t i = 0; i < c.operands[KEY].count; i++) assert_true(isfinite(c.operands[KEY].value[i]));
    test_case_free(&c);
    c = make("linear_attention/fwd.causal=0/f32/B2.T5.C9.H2.K3.V4/bdt");
    assert_true(c.operands[KEY].view.stride[1] == 1 && c.operands[KEY].view.stride[3] == 9);
    test_case_free(&c);
    c = make("linear_attention/fwd.causal=0/f32/B2.T5.C9.H2.K3.V4/odd");
    assert_true(c.operands[KEY].view.stride[3] == -2 && c.operands[KEY].view.stride[2] == 6);
    test_case_free(&c);
    c = make("linear_attention/fwd.map=identity.norm=0/f32/B1.T5.H1.K1.V1/btd/benign.nan-future");
    assert_true(isfinite(c.operands[KEY].value[0]) && isnan(c.operands[KEY].value[4]));
    for (int t = 0; t < 5; t++)
        assert_int_equal(isnan(c.operands[KEY].value[t]), isnan(c.operands[QUERY].value[t]));
    test_case_free(&c);
}

static void constant_views(void **state)
{
    struct test_case c = make("selective_scan/fwd/f32/B2.T5.D6.N3.G6.J2/flip/constant-bc");
    (void)state;
    const struct operand *B = operand(&c, "B"), *C = operand(&c, "C"), *u = operand(&c, "u");
    assert_memory_equal(B->view.stride, ((int64_t[]){ 0, 0, 3, 1 }), 4 * sizeof(int64_t));
    assert_memory_equal(C->view.stride, ((int64_t[]){ 0, 0, 3, 1 }), 4 * sizeof(int64_t));
    assert_memory_equal(&B->view, tensor_of(c.op, B->facts), sizeof B->view);
    assert_int_equal(B->view.bytes, 6 * 3 * 4);
    assert_int_equal(B->view.offset, 0);
    assert_true(u->view.stride[1] < 0);
    assert_int_equal(B->count, 2 * 5 * 6 * 3);
    for (int64_t e = 0; e < B->count; e++) assert_true(B->value[e] == B->value[e % 18]);
    assert_true(B->value[0] != B->value[1] && B->value[0] != B->value[3]);
    test_case_free(&c);
}

/* ---- distributions -------------------------------------------------------------------------------- */

static double step_of(const struct test_case *c, int64_t e)
{
    const struct operand *bias = &c->operands[field_named(c->primitive, "delta_bias")];
    const double x = operand(c, "delta")->value[e] + (bias->facts ? bias->value[e % bias->count] : 0);
    return c->d.value[field_named(c->primitive, "softplus")] != 0
               ? log1p(exp(x > 30 ? 30 : x)) + fmax(x - 30, 0)
               : x;
}

/* The smallest and largest log decay of all tokens, channels and states. */
static void decays(const char *name, double least, double most)
{
    struct test_case c = make(name);
    const struct operand *A = operand(&c, "A"), *delta = operand(&c, "delta");
    const int64_t channels = A->view.shape[0], states = A->view.shape[1];
    double low = INFINITY, high = -INFINITY;
    for (int64_t e = 0; e < delta->count; e++)
        for (int64_t n = 0; n < states; n++) {
            const double g = step_of(&c, e) * A->value[e % channels * states + n];
            low = fmin(low, g), high = fmax(high, g);
        }
    if (low < least || high > most || high >= 0) fail_msg("%s: log decays %g to %g", name, low, high);
    test_case_free(&c);
}

static void scan_distributions(void **state)
{
    (void)state;
    decays("selective_scan/fwd.delta_bias/f32/B2.T200.D5.N4/btd/benign", -0.49, -0.0007);
    decays("selective_scan/fwd.softplus=0/f32/B2.T200.D5.N4/btd/decay-one", -5e-5, -2e-6);
    decays("selective_scan/fwd.delta_bias.softplus=0/f32/B2.T200.D5.N4/btd/decay-one", -5e-5, -2e-6);
    decays("selective_scan/fwd/f32/B2.T200.D5.N4/btd/decay-log", -10.1, -0.99e-5);
    decays("selective_scan/fwd.delta_bias/f64/B2.T200.D5.N4/btd/decay-zero", -10.1, -2.4);
    decays("selective_scan/fwd/f32/B2.T200.D5.N4/btd/reset", -95, -0.009);
    decays("selective_scan/fwd/f32/B2.T200.D5.N4/btd/drift", -4e-4, -0.9e-5);
    struct test_case c = make("selective_scan/fwd/f32/B1.T200.D1.N1/btd/reset");
    for (int64_t t = 0; t < 200; t++) assert_int_equal(step_of(&c, t) > 80, t % 97 == 96);
    test_case_free(&c);
    c = make("selective_scan/fwd/f32/B1.T50.D1.N1/btd/reset");
    for (int64_t t = 0; t < 50; t++) assert_int_equal(step_of(&c, t) > 80, t % 13 == 12);
    test_case_free(&c);
    c = make("selective_scan/fwd.D.h_in/f32/B2.T50.D3.N2/btd/drift");
    for (int64_t e = 0; e < 300; e++) assert_true(operand(&c, "u")->value[e] > 0.4);
    for (int64_t e = 0; e < 12; e++) assert_true(operand(&c, "h_in")->value[e] > 0.4);
    test_case_free(&c);
    c = make("selective_scan/fwd.D.delta_bias.h_in.softplus=0/f16/B2.T50.D3.N2/btd/exact");
    assert_true(c.exact);
    for (uint32_t i = 0; i < c.primitive->field_count; i++)
        for (int64_t e = 0; c.operands[i].value && e < c.operands[i].count; e++)
            assert_true(c.operands[i].value[e] == rint(c.operands[i].value[e]) &&
                        fabs(c.operands[i].value[e]) <= 3);
    for (int64_t e = 0; e < 6; e++) assert_true(operand(&c, "A")->value[e] == 0);
    test_case_free(&c);
}

static void conv_distributions(void **state)
{
    struct test_case c = make("causal_conv1d/fwd.bias.pre_gate/f32/B2.T300.D3.W4/btd/wide");
    double low = INFINITY, high = 0;
    int negative = 0;
    (void)state;
    for (int64_t e = 0; e < 1800; e++) {
        const double x = operand(&c, "x")->value[e];
        low = fmin(low, fabs(x)), high = fmax(high, fabs(x)), negative += x < 0;
    }
    assert_true(low < 2e-3 && low >= 0.99e-3 && high > 500 && high <= 1001 && negative > 700 &&
                negative < 1100);
    assert_false(c.exact);
    test_case_free(&c);
    c = make("causal_conv1d/fwd.h_in/f32/B2.T300.D3.W4/btd/cancel");
    const struct operand *x = operand(&c, "x"), *w = operand(&c, "weight"), *h = operand(&c, "h_in");
    for (int64_t d = 0; d < 3; d++) {
        for (int64_t t = 4; t < 300; t++) { /* what is left of four products */
            double sum = 0, size = 0;
            for (int64_t k = 0; k < 4; k++) {
                const double p = x->value[(t - 3 + k) * 3 + d] * w->value[d * 4 + k];
                sum += p, size += fabs(p);
            }
            assert_true(fabs(sum) < size * 0.05);
        }
        assert_true(fabs(h->value[d * 3] / x->value[d] - 1) < 0.1); /* the past is like the present */
    }
    test_case_free(&c);
    c = make("causal_conv1d/fwd.bias.post_gate/bf16/B2.T30.D3.W4/btd/exact");
    for (int64_t e = 0; e < 12; e++) {
        const double v = operand(&c, "weight")->value[e];
        assert_true(c.exact && v == rint(v) && v != 0 && fabs(v) <= 3);
    }
    test_case_free(&c);
}

static void wide_and_growing(void **state)
{
    struct test_case c = make("selective_scan/fwd.z/f32/B2.T300.D3.N2/btd/wide");
    double low = 0, high = 0, gate = 0;
    (void)state;
    for (int64_t e = 0; e < 1800; e++) {
        const double x = operand(&c, "delta")->value[e], z = fabs(operand(&c, "z")->value[e]);
        low = fmin(low, x), high = fmax(high, x), gate = fmax(gate, z);
        assert_true(x >= -20 && x <= 25 && z >= 0.0099 && z <= 201);
    }
    assert_true(low < -18 && high > 23 && gate > 150);
    test_case_free(&c);
    for (int softplus = 0; softplus < 2; softplus++) {
        c = make(softplus ? "selective_scan/fwd/f32/B1.T300.D3.N2/btd/growing"
                          : "selective_scan/fwd.softplus=0/f32/B1.T300.D3.N2/btd/growing");
        double rate = 0, steps = 0;
        int negative = 0;
        for (int64_t e = 0; e < 6; e++) {
            assert_true(operand(&c, "A")->value[e] > 0);
            rate = fmax(rate, operand(&c, "A")->value[e]);
        }
        for (int64_t t = 0; t < 300; t++) {
            const double x = operand(&c, "delta")->value[3 * t];
            steps += softplus ? log1p(exp(x)) : fabs(x);
            negative += x < 0;
        }
        assert_true(rate * steps <= 4.01);
        if (!softplus) assert_in_range(negative, 100, 200);
        test_case_free(&c);
    }
}

static void tags(void **state)
{
    struct test_case c = make("causal_conv1d/fwd.seq_idx/f32/B4.T400.D1.W4");
    const int32_t *tag = operand(&c, "seq_idx")->whole;
    int single = 0, again = 0, risen = 0;
    (void)state;
    for (int64_t b = 0; b < 4; b++)
        for (int64_t t = 1; t < 399; t++) {
            const int32_t *at = tag + b * 400 + t;
            assert_true(*at >= 0);
            single += at[-1] != at[0] && at[0] != at[1];
            again += at[-1] != at[0] && at[-1] == at[1];
            if (b % 2 == 0) assert_true(at[1] >= at[0]), risen += at[1] > at[0];
        }
    assert_true(single > 0 && again > 0 && risen > 2);
    assert_true(tag[0] && tag[400] && !tag[800] && tag[1200]);
    test_case_free(&c);
    c = make("causal_conv1d/fwd.seq_idx/f32/B4.T40.D1.W4/btd/benign.tags-padding");
    tag = operand(&c, "seq_idx")->whole;
    assert_true(tag[39] < 0 && tag[3 * 40 + 39] >= 0 && tag[0] >= 0);
    for (int64_t e = 0; e < 159; e++) assert_true(tag[e] >= 0 || tag[e + 1] < 0 || e % 40 == 39);
    test_case_free(&c);
}

/* Rings of sequences that are cut behind 3 tokens. */
static void splits(void **state)
{
    struct test_case c = make("causal_conv1d/fwd.cache_seqlens.h_in.h_out/f32/B64.T5.D1.W4.L6");
    int32_t *seen = operand(&c, "cache_seqlens")->whole, before[64], kinds = 0;
    static const int32_t wanted[] = { 0, 1, 5, 6, 7, 20, 1000003, (1 << 30) + 1 };
    const struct case_facts *facts = case_facts_of("causal_conv1d");
    (void)state;
    memcpy(before, seen, sizeof before);
    for (int k = 0; k < 8; k++)
        for (int s = 0; s < 64; s++)
            if (seen[s] == wanted[k]) kinds |= 1 << k;
    assert_int_equal(kinds, 255);
    seen[0] = before[0] = -7; /* counts as 0 */
    segue_causal_conv1d *op = (segue_causal_conv1d *)c.op;
    op->cache_seqlens.data = seen;
    assert_int_equal(facts->split(c.op, 3), 0);
    for (int s = 0; s < 64; s++) assert_int_equal(seen[s], (s ? before[s] : 0) + 3);
    test_case_free(&c);

    c = make("causal_conv1d/fwd.cache_seqlens.h_in.h_out/f32/T50.D1.W4.S3/packed/benign.gap");
    op = (segue_causal_conv1d *)c.op;
    seen = operand(&c, "cache_seqlens")->whole;
    op->cache_seqlens.data = seen;
    const int32_t *cu = operand(&c, "cu_seqlens")->whole;
    op->cu_seqlens.data = operand(&c, "cu_seqlens")->whole;
    memcpy(before, seen, 3 * sizeof *before);
    const int32_t at = cu[1] + 1; /* within the second sequence */
    assert_int_equal(facts->split(c.op, at), 0);
    assert_int_equal(seen[0], before[0] + cu[1] - cu[0]);
    assert_int_equal(seen[1], before[1] + 1);
    assert_int_equal(seen[2], before[2]);
    test_case_free(&c);

    c = make("causal_conv1d/fwd.seq_idx/f32/B2.T5.D1.W4");
    assert_int_equal(facts->split(c.op, 3), -1);
    test_case_free(&c);
    assert_null(case_facts_of("selective_scan")->split);
    assert_null(case_facts_of("toy"));
}

static void refusals(void **state)
{
    static const struct {
        const char *text, *words;
    } bad[] = {
        { "selective_scan/fwd/f32/B1.T4.D1.N1/btd/decay-two", "selective_scan has benign exact decay-one" },
        { "selective_scan/fwd/f32/B1.T4.D1.N1/btd/benign.odd", "modifiers are empty-first" },
        { "selective_scan/fwd/f32/B1.T4.D1.N1/btd/benign.", "given nothing" },
        { "selective_scan/fwd/f32/B1.T4.D1.N1/btd/benign.tags-padding", "modifiers are empty-first" },
        { "selective_scan/fwd/f32/B1.T4.D1.N1/btd/benign.slot-fresh", "slot-fresh: wanted a pool of states" },
        { "selective_scan/fwd/f32/B1.T4.D1.N1/btd/benign.gap", "gap: wanted packed sequences" },
        { "selective_scan/fwd/f32/T4.D1.N1.S2/packed/benign.empty-middle",
          "empty-middle: wanted more sequences" },
        { "selective_scan/fwd/f32/T4.D1.N1.S2/packed/benign.empty-first.empty-last", "wanted more sequences" },
        { "selective_scan/fwd/f32/T4.D1.N1.S3/packed/benign.gap", "a token for each other sequence" },
        { "selective_scan/fwd/f32/T4.D1.N1.S3/packed/benign.empty-first.empty-first",
          "empty-first: wanted it once" },
        { "selective_scan/fwd/f32/B1.T1.D1.N1/btd/benign.nan-future", "nan-future: wanted two tokens" },
        { "selective_scan/fwd.slot.h_in/f32/B2.T4.D1.N1/btd/benign", "slot: P is 1, wanted at least 2" },
        { "selective_scan/fwd.slot.h_in/f32/B1.T4.D1.N1.P3/btd/benign.slot-padding", "a sequence for each" },
        { "selective_scan/fwd.slot.h_in/f32/B2.T4.D1.N1.P3/btd/benign.slot-padding.slot-drop",
          "a sequence for each" },
        { "selective_scan/fwd/f32/B1.T4.D1.N1/btd/exact", "exact: wanted softplus=0 and no z" },
        { "selective_scan/fwd.z.softplus=0/f32/B1.T4.D1.N1/btd/exact", "exact: wanted softplus=0 and no z" },
        { "causal_conv1d/fwd.activation=silu/f32/B1.T4.D1.W1/btd/exact", "exact: wanted no activation" },
        { "causal_conv1d/fwd/f32/B1.T4.D1.W1/btd/benign.tags-padding", "tags-padding: wanted tags" },
        { "selective_scan/fwd/f32/T4.D1.N1.S3/packed/benign.gap.cu-outside",
          "no sequence made empty and no gap" },
        { "selective_scan/fwd/f32/B1.T4.D1.N1/btd/benign.cu-outside", "cu-outside: wanted packed sequences" },
        { "selective_scan/fwd.slot.h_in/f32/B2.T4.D1.N1.P3/btd/benign.slot-fresh.slot-outside",
          "no other slot modifier" },
        { "selective_scan/fwd/f32/B1.T4.D1.N1/btd/benign.slot-outside", "slot-outside: wanted a pool" },
        { "causal_conv1d/fwd/f32/B1.T4.D1.W1/btd/benign.tags-hostile", "tags-hostile: wanted tags" },
        { "causal_conv1d/fwd.seq_idx/f32/B1.T4.D1.W1/btd/benign.tags-padding.tags-hostile", "no tags-padding" },
        { "causal_conv1d/fwd.h_in/f32/B1.T4.D1.W4/btd/benign.count-negative", "count-negative: wanted a ring" },
        { "selective_scan/fwd/f32/B1.T4.D1/btd/benign", "axis N is missing" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct test_case c;
        char why[DESCRIPTOR_WHY] = "";
        if (!test_case_make(bad[i].text, &c, why) || !strstr(why, bad[i].words))
            fail_msg("%s: wanted '%s', given '%s'", bad[i].text, bad[i].words, why);
        test_case_free(&c); /* legal */
        why[0] = 0;
        assert_int_equal(test_case_outline(bad[i].text, &c, why), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_are_there),
        cmocka_unit_test(reproducible),
        cmocka_unit_test(cuts),
        cmocka_unit_test(slots),
        cmocka_unit_test(integers_outside),
        cmocka_unit_test(hostile_tags),
        cmocka_unit_test(future),
        cmocka_unit_test(keys),
        cmocka_unit_test(constant_views),
        cmocka_unit_test(scan_distributions),
        cmocka_unit_test(conv_distributions),
        cmocka_unit_test(wide_and_growing),
        cmocka_unit_test(tags),
        cmocka_unit_test(splits),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
