/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void make_call(const char *descriptor, struct call *out)
{
    struct test_case c;
    char why[DESCRIPTOR_WHY] = "";
    if (test_case_make(descriptor, &c, why)) fail_msg("%s", why);
    assert_int_equal(call_of_case(out, &c), 0);
    test_case_free(&c);
}

/* What an operand looks like in memory, by its values and its view. */
static void lay_out(const struct operand *o, double *memory, int64_t room)
{
    for (int64_t i = 0; i < room; i++) memory[i] = 1e9;
    for (struct walk w = walk_from(&o->view); w.i < o->count; walk_on(&w)) {
        const int64_t at = w.at / (o->view.dtype.bits / 8);
        assert_in_range(at, 0, room - 1);
        memory[at] = o->value[w.i];
    }
}

static void reversed_is_the_same_memory(void **context)
{
    struct call c;
    double before[256], after[256];
    (void)context;
    make_call("selective_scan/fwd/f32/B3.T5.D3.N4/pad3/benign", &c);
    struct operand *u = &c.operands[field_named(c.primitive, "u")];
    for (int axis = 0; axis < 3; axis++) {
        const double first = u->value[0];
        lay_out(u, before, 256);
        assert_int_equal(operand_reverse(u, axis), 0);
        lay_out(u, after, 256);
        assert_memory_equal(before, after, sizeof before);
        assert_true(u->value[0] != first && u->view.stride[axis] < 0);
    }
    call_free(&c);
}

static void slices_and_orders(void **context)
{
    static const int64_t from[] = { 2, 0, 1 };
    struct call c, copy;
    (void)context;
    make_call("selective_scan/fwd.h_in/bf16/B3.T5.D2.N4/btd/benign", &c);
    assert_int_equal(call_copy(&copy, &c), 0);
    const uint32_t u = field_named(c.primitive, "u"), A = field_named(c.primitive, "A"),
                   h = field_named(c.primitive, "h_in");
    assert_int_equal(call_slice(&copy, 't', 1, 3), 0);
    assert_int_equal(call_slice(&copy, 'b', 2, 1), 0);
    call_settle(&copy);
    assert_int_equal(call_axis(&copy, 't'), 3);
    assert_int_equal(copy.operands[u].count, 6);
    assert_int_equal(copy.operands[u].view.bytes, 12); /* no longer the three rows */
    assert_int_equal(tensor_of(copy.op, copy.operands[u].facts)->shape[1], 3);
    for (int i = 0; i < 6; i++) assert_true(copy.operands[u].value[i] == c.operands[u].value[2 * 10 + 2 + i]);
    assert_memory_equal(copy.operands[A].value, c.operands[A].value, 8 * sizeof(double));
    assert_int_equal(copy.operands[h].count, 24); /* its letter is p */
    assert_int_equal(operand_permute(&c.operands[h], 0, from), 0);
    for (int i = 0; i < 24; i++)
        assert_true(c.operands[h].value[i] == copy.operands[h].value[from[i / 8] * 8 + i % 8]);
    call_free(&copy);
    call_free(&c);
}

/* Offsets of packed sequences are one more than there are: no slice of s touches them. */
static void fields(void **context)
{
    struct call c;
    (void)context;
    make_call("selective_scan/fwd.cu_seqlens.slot.h_in/f32/T20.D2.N2.S3.P5/packed/benign", &c);
    const uint32_t offsets = call_field(&c, "cu_seqlens"), slot = call_field(&c, "slot"),
                   in = call_field(&c, "h_in");
    assert_int_equal(call_axis(&c, 's'), 3);
    assert_int_equal(call_axis(&c, 'w'), -1);
    assert_int_equal(call_slice(&c, 's', 1, 2), 0);
    assert_int_equal(c.operands[offsets].count, 4);
    assert_int_equal(c.operands[slot].count, 4);
    const uint32_t out = field_named(c.primitive, "h_out");
    assert_int_equal(call_field(&c, "h_out"), c.primitive->field_count);
    assert_int_equal(state_partner(c.primitive, out), in);
    assert_int_equal(state_partner(c.primitive, in), c.primitive->field_count);
    const segue_tensor view = c.operands[in].view;
    assert_int_equal(call_add(&c, out, &view), 0);
    assert_int_equal(call_field(&c, "h_out"), out);
    call_drop(&c, in);
    call_settle(&c);
    assert_int_equal(tensor_of(c.op, &c.primitive->fields[in])->dtype.bits, 0);
    assert_int_equal(tensor_of(c.op, &c.primitive->fields[out])->shape[0], 5);
    call_free(&c);
}

/* Keys are as many as queries where each token sees those before it only; else they stay whole. */
static void keys_go_with_queries(void **context)
{
    static const struct {
        const char *descriptor;
        int64_t keys; /* of tokens 1 to 3 */
    } cases[] = { { "linear_attention/fwd/f32/B1.T5.H1.K2.V2/btd/benign", 3 },
                  { "linear_attention/fwd.cu_seqlens.causal=0/f32/T5.H1.K2.V2/btd/benign", 3 },
                  { "linear_attention/fwd.causal=0/f32/B1.T5.C5.H1.K2.V2/btd/benign", 5 },
                  { "linear_attention/fwd.causal=0/f32/B1.T5.C7.H1.K2.V2/btd/benign", 7 } };
    (void)context;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct call c, copy;
        make_call(cases[i].descriptor, &c);
        const struct operand *q = &c.operands[call_field(&c, "q")], *k = &c.operands[call_field(&c, "k")];
        const int tied = cases[i].keys == 3;
        assert_int_equal(call_token_axis(&c, q), 1);
        assert_int_equal(call_token_axis(&c, k), tied ? 1 : -1);
        assert_int_equal(call_copy(&copy, &c), 0);
        assert_int_equal(call_slice_tokens(&copy, 1, 3), 0);
        assert_int_equal(call_axis(&copy, 't'), 3);
        assert_int_equal(call_axis(&copy, 'c'), cases[i].keys);
        const struct operand *sliced = &copy.operands[call_field(&copy, "k")];
        assert_true(sliced->value[0] == k->value[tied ? 2 : 0]);
        call_free(&copy);
        call_free(&c);
    }
}

/* What the reference reads and writes, and what depends on a mark. */
static void looks(void **context)
{
    struct call c;
    unsigned char marks[6] = { 0, 0, 1, 1, 0, 0 }; /* token 1 of 3 */
    (void)context;
    make_call("causal_conv1d/fwd/f32/B1.T3.D2.W2/btd/benign", &c);
    const uint32_t x = call_field(&c, "x"), y = call_field(&c, "y");
    assert_int_equal(call_look(&c), 0);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(c.touched[x][i] & GAUGE_READ, GAUGE_READ);
        assert_int_equal(c.touched[y][i] & GAUGE_WRITTEN, GAUGE_WRITTEN);
        assert_int_equal(c.marked[y][i], 0);
    }
    c.marked[x] = marks;
    assert_int_equal(call_look(&c), 0);
    c.marked[x] = NULL;
    for (int i = 0; i < 6; i++)
        assert_int_equal(c.marked[y][i], i >= 2); /* itself, and the next by the second tap */
    call_free(&c);
}

/* Tokens may lie along axes of other names ("n == t"), and keys along two ("m == c"). */
static void keys_are_cut(void **context)
{
    struct call c;
    (void)context;
    make_call("attention/fwd.bias/f32/B1.T3.C5.H2.K4.V2/btd/benign", &c);
    const uint32_t q = field_named(c.primitive, "q"), k = field_named(c.primitive, "k"),
                   bias = field_named(c.primitive, "bias"), y = field_named(c.primitive, "y");
    assert_true(call_axis(&c, 't') == 3 && call_keys(&c) == 5);
    assert_true(call_token_axis(&c, &c.operands[q]) == 1 && call_token_axis(&c, &c.operands[y]) == 1);
    assert_true(call_token_axis(&c, &c.operands[k]) == -1 && call_key_axis(&c, &c.operands[k]) == 1);
    const double kept = c.operands[k].value[4];
    assert_int_equal(call_slice_keys(&c, 1, 3), 0);
    assert_int_equal(call_slice_tokens(&c, 2, 1), 0);
    assert_true(c.operands[k].view.shape[1] == 3 && c.operands[k].value[0] == kept && call_keys(&c) == 3);
    assert_true(c.operands[bias].view.shape[2] == 1 && c.operands[bias].view.shape[3] == 3);
    assert_true(c.operands[q].view.shape[1] == 1 && c.operands[y].view.shape[1] == 1);
    call_free(&c);
    make_call("attention/fwd.chunk=2/f32/B1.T4.H2.J2.K4.V2/btd/benign",
              &c); /* as many keys as queries: tokens */
    assert_true(call_keys(&c) == -1 && call_token_axis(&c, &c.operands[k]) == 1);
    call_free(&c);
    make_call("selective_scan/fwd/f32/B1.T4.D2.N2/btd/benign", &c);
    assert_int_equal(call_keys(&c), -1);
    call_free(&c);
}

/* Rows and positions that have no number count from 0, also where only some of them are left. */
static void numbers_are_given(void **context)
{
    struct call c;
    (void)context;
    make_call("row_sample/fwd.seq_id/f32/B3.T4.V5/btd/benign", &c);
    const uint32_t seq_id = field_named(c.primitive, "seq_id"), pos = field_named(c.primitive, "pos");
    const int32_t own = c.operands[seq_id].whole[1];
    assert_int_equal(call_number(&c), 0);
    assert_int_equal(c.operands[seq_id].whole[1], own);
    assert_true(c.operands[pos].facts && c.operands[pos].count == 12 && c.operands[pos].view.shape[1] == 4);
    assert_true(call_slice(&c, 'b', 2, 1) == 0 && call_slice_tokens(&c, 1, 2) == 0);
    assert_true(c.operands[pos].count == 2 && c.operands[pos].whole[0] == 1 && c.operands[pos].whole[1] == 2);
    call_free(&c);
    make_call("row_sample/fwd/f32/B3.T4.V5/btd/benign", &c);
    assert_int_equal(call_number(&c), 0);
    assert_true(call_slice(&c, 'b', 2, 1) == 0 && c.operands[seq_id].whole[0] == 2);
    call_free(&c);
    make_call("selective_scan/fwd/f32/B1.T4.D2.N2/btd/benign", &c);
    assert_int_equal(call_number(&c), 0);
    call_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reversed_is_the_same_memory),
                                        cmocka_unit_test(slices_and_orders),
                                        cmocka_unit_test(fields),
                                        cmocka_unit_test(keys_go_with_queries),
                                        cmocka_unit_test(keys_are_cut),
                                        cmocka_unit_test(numbers_are_given),
                                        cmocka_unit_test(looks) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
