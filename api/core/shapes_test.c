/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The parser of axes and rules: internal, so it is compiled into the test. */
#include "diag.c"
#include "shapes.c"

#include "core_testing.h"

static const segue_field_facts fields[] = {
    { "x", "b t d+1", "", 0, 0, 0, SEGUE_ROLE_IN, SEGUE_KIND_ACT, 16, 1 },
    { "ids", "s-2 3", "", 0, 0, 0, SEGUE_ROLE_OPT, SEGUE_KIND_I32, 144, 1 },
    { "h_out", "p d", "", 0, 0, 0, SEGUE_ROLE_STATE_OUT, SEGUE_KIND_STATE, 272, 1 },
    { "size", "", "", 0, 0, 9, SEGUE_ROLE_INT, SEGUE_KIND_NONE, 400, 1 },
    { "late", "d", "", 0, 0, 0, SEGUE_ROLE_OPT, SEGUE_KIND_ACT, 408, 2 },
    { "k", "b t d", "", 0, 0, 0, SEGUE_ROLE_OPT, SEGUE_KIND_ACT, 536, 2 },
    { "map", "", "", 0, 0, 9, SEGUE_ROLE_INT, SEGUE_KIND_NONE, 664, 2 },
    { "eps", "", "", 0, 0, 9, SEGUE_ROLE_REAL, SEGUE_KIND_NONE, 672, 2 },
};
static const segue_enum_facts enums[] = {
    { "map", "NONE", "", 0 }, { "map", "RFF", "", 1 }, { "size", "BIG", "", 5 }, { "map", "EXP", "", 7 }
};

/* An op of these fields. */
struct small_op {
    segue_op_header header;
    segue_tensor x, ids, h_out;
    int64_t size;
    segue_tensor late, k;
    int64_t map;
    double eps;
};

static segue_primitive_facts facts_with(const char *rules)
{
    return (segue_primitive_facts){ .name = "test",
                                    .title = "",
                                    .source = "",
                                    .dynamic = "b t s p",
                                    .rules = rules,
                                    .fields = fields,
                                    .id = 9,
                                    .revision = 1,
                                    .op_size = sizeof(struct small_op),
                                    .field_count = sizeof fields / sizeof *fields,
                                    .enums = enums,
                                    .enum_count = sizeof enums / sizeof *enums };
}

static void axes(void **state)
{
    const segue_primitive_facts facts = facts_with("");
    struct shapes s;
    (void)state;
    assert_ok(segue_parse_shapes(&facts, &s, why));
    assert_int_equal(s.rank[0], 3);
    assert_int_equal(s.axes[0][1].letter, 't' - 'a');
    assert_int_equal(s.axes[0][2].letter, 'd' - 'a');
    assert_int_equal(s.axes[0][2].plus, 1);
    assert_int_equal(s.axes[1][0].plus, -2);
    assert_int_equal(s.axes[1][1].letter, CONSTANT);
    assert_int_equal(s.axes[1][1].plus, 3);
    assert_int_equal(s.rank[3], 0);
    assert_int_equal(s.first_size, 408); /* the late field is of level 2 */
    assert_int_equal(s.dynamic, 1u << 1 | 1u << 19 | 1u << 18 | 1u << 15);
    assert_int_equal(s.rule_count, 0);
}

static void relations(void **state)
{
    const segue_primitive_facts facts =
        facts_with("d % g == 0; t >= size - 1; p == s unless ids ;b==1 if ids; size == d + 2");
    struct shapes s;
    (void)state;
    assert_ok(segue_parse_shapes(&facts, &s, why));
    assert_int_equal(s.rule_count, 5);
    assert_int_equal(s.rules[0].kind, RULE_DIVIDES);
    assert_int_equal(s.rules[0].right.letter, 'g' - 'a');
    assert_int_equal(s.rules[0].condition.fields, 0);
    assert_int_equal(s.rules[0].condition.parameter, -1);
    assert_int_equal(s.rules[1].kind, RULE_AT_LEAST);
    assert_int_equal(s.rules[1].right.field, 3);
    assert_int_equal(s.rules[1].right.plus, -1);
    assert_int_equal(s.rules[2].condition.fields, 1u << 1);
    assert_int_equal(s.rules[2].condition.unless, 1);
    assert_int_equal(s.rules[3].condition.unless, 0);
    assert_int_equal(s.rules[3].right.plus, 1);
    assert_int_equal(s.rules[3].right.letter, -1);
    assert_int_equal(s.rules[4].left.field, 3);
    assert_int_equal(s.rules[4].right.plus, 2);
    assert_int_equal(strncmp(s.rules[3].text, "b==1 if ids", (size_t)s.rules[3].text_length), 0);
}

/* "A % B == 0" of letters, parameters and numbers. */
static void multiples(void **state)
{
    const segue_primitive_facts facts = facts_with(
        "d % g == 0; size % 2 == 0 unless ids; t % size == 0; size % map == 0; size % d == 0; b % 2*3 == 0");
    struct shapes s;
    (void)state;
    assert_ok(segue_parse_shapes(&facts, &s, why));
    assert_int_equal(s.rule_count, 6);
    for (uint32_t i = 0; i < s.rule_count; i++) assert_int_equal(s.rules[i].kind, RULE_DIVIDES);
    assert_int_equal(s.rules[1].left.field, 3);
    assert_int_equal(s.rules[1].right.plus, 2);
    assert_int_equal(s.rules[1].condition.unless, 1);
    assert_int_equal(s.rules[2].left.letter, 't' - 'a');
    assert_int_equal(s.rules[2].right.field, 3);
    assert_int_equal(s.rules[3].right.field, 6);
    assert_int_equal(s.rules[4].right.letter, 'd' - 'a');
    assert_int_equal(s.rules[5].right.plus, 6);
    assert_true(divides(3, 9) && divides(3, 0) && divides(-3, 9) && divides(0, 0));
    assert_false(divides(3, 8) || divides(0, 8) || divides(0, -1));
    assert_true(divides(-1, INT64_MIN));
}

/* Right sides that are sums of products, and what they come to. */
static void sums(void **state)
{
    const segue_primitive_facts facts =
        facts_with("f == k*k + k + 1; f == 2*m; f == 3 * m * k - 2; t >= b - 1; f == size + 1; f == 2 * 3");
    int64_t dims[LETTERS];
    struct shapes s;
    (void)state;
    assert_ok(segue_parse_shapes(&facts, &s, why));
    assert_int_equal(s.rule_count, 6);
    for (int i = 0; i < LETTERS; i++) dims[i] = -1;
    dims['k' - 'a'] = 5;
    assert_int_equal(segue_axis_sum(&s.rules[0].right, dims), 31);
    assert_int_equal(segue_axis_sum(&s.rules[1].right, dims), -1); /* m is unknown */
    assert_int_equal(segue_axis_sum(&s.rules[2].right, dims), -1);
    dims['m' - 'a'] = 4;
    assert_int_equal(segue_axis_sum(&s.rules[1].right, dims), 8);
    assert_int_equal(segue_axis_sum(&s.rules[2].right, dims), 58);
    assert_int_equal(s.rules[3].right.letter, 'b' - 'a');
    assert_int_equal(s.rules[3].right.plus, -1);
    assert_int_equal(s.rules[3].right.product_count, 0);
    assert_int_equal(s.rules[4].right.field, 3);
    assert_int_equal(s.rules[4].right.plus, 1);
    assert_int_equal(segue_axis_sum(&s.rules[5].right, dims), 6);
    dims['k' - 'a'] = (int64_t)1 << 40; /* its square is no number */
    assert_int_equal(segue_axis_sum(&s.rules[0].right, dims), (int64_t)1 << 62);
}

static void presence(void **state)
{
    const segue_primitive_facts facts = facts_with(
        "ids | h_out if late; no ids if h_out; late; k if ids; k | ids unless late; no k | late unless ids");
    struct shapes s;
    (void)state;
    assert_ok(segue_parse_shapes(&facts, &s, why));
    assert_int_equal(s.rules[0].kind, RULE_NEEDS);
    assert_int_equal(s.rules[0].operands, 1u << 1 | 1u << 2);
    assert_int_equal(s.rules[0].condition.fields, 1u << 4);
    assert_int_equal(s.rules[1].kind, RULE_FORBIDS);
    assert_int_equal(s.rules[1].operands, 1u << 1);
    assert_int_equal(s.rules[2].kind, RULE_NEEDS);
    assert_int_equal(s.rules[2].condition.fields, 0);
    assert_int_equal(s.rules[3].kind, RULE_NEEDS); /* k is an axis elsewhere */
    assert_int_equal(s.rules[3].operands, 1u << 5);
    assert_int_equal(s.rules[4].operands, 1u << 5 | 1u << 1);
    assert_int_equal(s.rules[5].operands, 1u << 5 | 1u << 4);
    assert_int_equal(s.rules[5].condition.unless, 1);
}

/* Operands, parameters and values as conditions: the rule's condition against an op. */
static void conditions(void **state)
{
    static const struct {
        const char *text;
        uint64_t present;
        int64_t size, map;
        int holds;
    } cases[] = {
        { "d == 1 if ids", 1u << 1, 0, 0, 1 },
        { "d == 1 if ids", 1u << 2, 0, 0, 0 },
        { "d == 1 unless ids", 1u << 2, 0, 0, 1 },
        { "d == 1 if ids | size", 0, 3, 0, 1 },
        { "d == 1 if ids | size", 0, 0, 0, 0 },
        { "d == 1 unless ids | size", 0, 0, 0, 1 },
        { "d == 1 unless ids | size", 0, 3, 0, 0 },
        { "d == 1 if map == RFF", 0, 0, 1, 1 },
        { "d == 1 if map == RFF", 0, 0, 7, 0 },
        { "d == 1 if map==RFF|EXP", 0, 0, 7, 1 },
        { "d == 1 if map == NONE | EXP", 0, 0, 1, 0 },
        { "d == 1 unless map == NONE | EXP", 0, 0, 1, 1 },
        { "d == 1 unless map == NONE | EXP", 0, 0, 0, 0 },
        { "d == 1 if map == 9", 0, 0, 9, 1 },
        { "d == 1 if late | map == RFF", 1u << 4, 0, 0, 1 },
        { "d == 1 if late | map == RFF", 0, 0, 1, 1 },
        { "d == 1 if late | map == RFF", 0, 0, 7, 0 },
        { "d == 1 if size == BIG", 0, 5, 0, 1 },
        { "d == 1 if map == 1", 0, 0, -1, 0 }, /* values that no mask has */
        { "d == 1 if map == 1", 0, 0, 65, 0 },
        { "d == 1", 0, 0, 0, 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const segue_primitive_facts facts = facts_with(cases[i].text);
        const struct small_op op = { .size = cases[i].size, .map = cases[i].map };
        struct shapes s;
        assert_ok(segue_parse_shapes(&facts, &s, why));
        if (segue_condition_holds(&facts, &s.rules[0].condition, &op.header, cases[i].present) !=
            cases[i].holds)
            fail_msg("%s: size %d, map %d, present %x", cases[i].text, (int)cases[i].size, (int)cases[i].map,
                     (unsigned)cases[i].present);
    }
}

/* A description that does not parse is an error with words, never a rule that is dropped. */
static void nonsense(void **state)
{
    static const char *const rules[] = { "d %",
                                         "d % g",
                                         "d == ",
                                         "d < g",
                                         "nobody if ids",
                                         "no nobody",
                                         "ids if nobody",
                                         "d == g ids",
                                         "== d",
                                         "d == g; ;",
                                         "D == 1",
                                         "no",
                                         "d == g +",
                                         "ids |",
                                         "k if",
                                         "k < 5",
                                         "d == k * size",
                                         "d == k*k*k",
                                         "d == t*2",
                                         "d == k*k + m*m + g*g",
                                         "d*2 == k",
                                         "d % 2*k == 0",
                                         "d % 0 == 0",
                                         "d % 2 + 1 == 0",
                                         "d + 1 % 2 == 0",
                                         "6 % d == 0",
                                         "eps % 2 == 0",
                                         "d % eps == 0",
                                         "d % ids == 0",
                                         "d % 2 == 1",
                                         "d % size * 2 == 0",
                                         "no eps if ids",
                                         "d == k if map ==",
                                         "d == k if map == BIG",
                                         "d == k if map == RFF |",
                                         "d == k if ids == 1",
                                         "d == k if eps",
                                         "d == k if map == 64",
                                         "d == k if map == RFF | size",
                                         "d == size + k",
                                         "t == d*d + t",
                                         "d == k if map == RFF ids" };
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const segue_primitive_facts facts = facts_with(rules[i]);
        struct shapes s;
        segue_diag why = { 0 };
        if (segue_parse_shapes(&facts, &s, &why) != SEGUE_ERROR_INTERNAL)
            fail_msg("\"%s\" was taken for a rule", rules[i]);
        assert_non_null(strstr(why.text, "does not parse"));
    }
}

static void nonsense_axes(void **state)
{
    static const char *const dims[] = { "B t", "b t+", "b_", "a b c d e f g", "-1" };
    (void)state;
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        const segue_field_facts field = { "x", dims[i], "", 0, 0, 0, SEGUE_ROLE_IN, SEGUE_KIND_ACT, 16, 1 };
        segue_primitive_facts facts = facts_with("");
        struct shapes s;
        segue_diag why = { 0 };
        facts.fields = &field, facts.field_count = 1;
        if (segue_parse_shapes(&facts, &s, &why) != SEGUE_ERROR_INTERNAL)
            fail_msg("\"%s\" was taken for axes", dims[i]);
        assert_non_null(strstr(why.text, "do not parse"));
    }
}

static void too_many(void **state)
{
    char rules[400] = "";
    const segue_primitive_facts facts = facts_with(rules);
    struct shapes s;
    (void)state;
    for (int i = 0; i < MAX_RULES; i++) strcat(rules, "d == g;");
    assert_ok(segue_parse_shapes(&facts, &s, why));
    assert_int_equal(s.rule_count, MAX_RULES);
    strcat(rules, "d == g");
    assert_refused(SEGUE_ERROR_INTERNAL, "test:", "parse", segue_parse_shapes(&facts, &s, why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes),      cmocka_unit_test(relations),     cmocka_unit_test(presence),
        cmocka_unit_test(multiples), cmocka_unit_test(sums),          cmocka_unit_test(conditions),
        cmocka_unit_test(nonsense),  cmocka_unit_test(nonsense_axes), cmocka_unit_test(too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
