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
                                    .op_size = 536,
                                    .field_count = 5 };
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
    assert_int_equal(s.rules[0].condition, -1);
    assert_int_equal(s.rules[1].kind, RULE_AT_LEAST);
    assert_int_equal(s.rules[1].right.field, 3);
    assert_int_equal(s.rules[1].right.plus, -1);
    assert_int_equal(s.rules[2].condition, 1);
    assert_int_equal(s.rules[2].unless, 1);
    assert_int_equal(s.rules[3].unless, 0);
    assert_int_equal(s.rules[3].right.plus, 1);
    assert_int_equal(s.rules[3].right.letter, -1);
    assert_int_equal(s.rules[4].left.field, 3);
    assert_int_equal(s.rules[4].right.plus, 2);
    assert_int_equal(strncmp(s.rules[3].text, "b==1 if ids", (size_t)s.rules[3].text_length), 0);
}

static void presence(void **state)
{
    const segue_primitive_facts facts = facts_with("ids | h_out if late; no ids if h_out; late");
    struct shapes s;
    (void)state;
    assert_ok(segue_parse_shapes(&facts, &s, why));
    assert_int_equal(s.rules[0].kind, RULE_NEEDS);
    assert_int_equal(s.rules[0].operands, 1u << 1 | 1u << 2);
    assert_int_equal(s.rules[0].condition, 4);
    assert_int_equal(s.rules[1].kind, RULE_FORBIDS);
    assert_int_equal(s.rules[1].operands, 1u << 1);
    assert_int_equal(s.rules[2].kind, RULE_NEEDS);
    assert_int_equal(s.rules[2].condition, -1);
}

/* A description that does not parse is an error with words, never a rule that is dropped. */
static void nonsense(void **state)
{
    static const char *const rules[] = { "d %",           "d % g",     "d == ",         "d < g",
                                         "nobody if ids", "no nobody", "ids if nobody", "d == g ids",
                                         "== d",          "d == g; ;", "D == 1",        "no",
                                         "d == g +",      "ids |" };
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
        cmocka_unit_test(axes),     cmocka_unit_test(relations),     cmocka_unit_test(presence),
        cmocka_unit_test(nonsense), cmocka_unit_test(nonsense_axes), cmocka_unit_test(too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
