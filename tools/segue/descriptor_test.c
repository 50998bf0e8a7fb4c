/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "descriptor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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
        { "scan/fwd/f32/B1", "primitive: wanted one of selective_scan causal_conv1d, given scan" },
        { "selective_scan/bwd/f32/B1.T1.D1.N1", "variant: wanted fwd, given bwd" },
        { "selective_scan//f32/B1.T1.D1.N1", "variant: wanted fwd, given nothing" },
        { "selective_scan/fwd.q/f32/B1.T1.D1.N1", "selective_scan has no operand or parameter q" },
        { "selective_scan/fwd.u/f32/B1.T1.D1.N1", "u is not optional" },
        { "selective_scan/fwd.z=1/f32/B1.T1.D1.N1", "z is an operand and takes no value" },
        { "selective_scan/fwd.softplus/f32/B1.T1.D1.N1", "wanted softplus=number" },
        { "selective_scan/fwd.softplus=x/f32/B1.T1.D1.N1", "softplus: wanted a number, given x" },
        { "selective_scan/fwd.softplus=2/f32/B1.T1.D1.N1", "softplus: wanted 0 to 1, given 2" },
        { "selective_scan/fwd/f8/B1.T1.D1.N1", "dtypes: wanted f32, f16, bf16 or f64, given f8" },
        { "selective_scan/fwd//B1.T1.D1.N1", "dtypes: wanted f32, f16, bf16 or f64, given nothing" },
        { "selective_scan/fwd/f32-q.f16/B1.T1.D1.N1", "has no operand q" },
        { "selective_scan/fwd/f32-A/B1.T1.D1.N1", "wanted A.f32" },
        { "selective_scan/fwd/f32/b1.T1.D1.N1", "shape: wanted an axis and its size, such as T2048, given b1" },
        { "selective_scan/fwd/f32/B1.T.D1.N1", "given T" },
        { "selective_scan/fwd/f32/B0.T1.D1.N1", "shape: B: wanted 1 to" },
        { "selective_scan/fwd/f32/B1.B1.D1.N1", "shape: B is given twice" },
        { "selective_scan/fwd/f32/B1.T1.D1.N1.W4", "selective_scan has no axis W" },
        { "selective_scan/fwd/f32/B1.T1.D1", "shape: axis N is missing; A is [d n]" },
        { "selective_scan/fwd/f32/B1.T2147483647.D2147483647.N1", "shape: u is too large" },
        { "causal_conv1d/fwd.activation=gelu/f32/B1.T1.D1.W1", "activation: wanted a number, given gelu" },
        { "selective_scan/fwd/f32/B1.T1.D1.N1/row", "layout: wanted btd, bdt, pad3 or packed, given row" },
        { "selective_scan/fwd/f32/B1.T1.D1.N1/btd/benign/x", "at most 6 parts" },
        { "selective_scan/fwd/f32/B1.T1.D1.N1/btd/a-name-that-is-longer-than-any-distribution",
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan),
        cmocka_unit_test(conv),
        cmocka_unit_test(layouts),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
