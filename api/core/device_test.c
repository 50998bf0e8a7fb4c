/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Names of devices: who is meant by one, and that each that is given can be opened. Internal, so it is compiled into the
 * test; the loader and what else core has are stood in for. */
#include "os_posix.c"

#include "device.c"
#include "diag.c"
#include "object.c"

#include "core_testing.h"

void segue_load_all(struct candidates *all)
{
    (void)all;
}

segue_status segue_load_plugin(struct candidate *one, const segue_plugin *reference, segue_diag *diag)
{
    (void)one, (void)reference, (void)diag;
    return SEGUE_OK;
}

void segue_context_release(segue_context *ctx)
{
    (void)ctx;
}

void segue_cache_destroy(segue_device *dev)
{
    (void)dev;
}

static struct candidate listed[3]; /* id, alias and state are set */
static segue_context context = { .candidates = { listed, 3 } };

static void list(int i, const char *id, const char *alias, int32_t state)
{
    segue_plugin_facts *f = &listed[i].facts;
    *f = (segue_plugin_facts){ .state = state };
    snprintf(f->id, sizeof f->id, "%s", id);
    snprintf(f->alias, sizeof f->alias, "%s", alias);
}

static int found(const char *name)
{
    uint32_t index;
    const struct candidate *c = find_candidate(&context, name, &index);
    return c ? (int)(c - listed) : -1;
}

/* Nobody takes another's name by calling himself so. */
static void an_id_before_any_alias(void **state)
{
    (void)state;
    list(0, "thief", "acme", SEGUE_PLUGIN_FOUND);
    list(1, "acme", "npu", SEGUE_PLUGIN_FOUND);
    list(2, "late", "npu", SEGUE_PLUGIN_FOUND);
    assert_int_equal(found("acme"), 1);
    assert_int_equal(found("acme:0"), 1);
    assert_int_equal(found("npu"), 1); /* of two aliases the first */
    assert_int_equal(found("npu:0"), -1);
    assert_int_equal(found("thief"), 0);
    assert_int_equal(found("acm"), -1);
    assert_int_equal(found(""), -1);
    list(0, "", "", SEGUE_PLUGIN_REJECTED); /* no plugin at all: it has no name to be found by */
    assert_int_equal(found(""), -1);
}

/* One that can be opened before one that cannot, which is found for its reason. */
static void rejected_ones(void **state)
{
    (void)state;
    list(0, "acme", "", SEGUE_PLUGIN_REJECTED);
    list(1, "acme", "npu", SEGUE_PLUGIN_LOADED);
    list(2, "late", "npu", SEGUE_PLUGIN_REJECTED);
    assert_int_equal(found("acme"), 1);
    assert_int_equal(found("npu"), 1);
    assert_int_equal(found("late"), 2);
    list(1, "other", "npu", SEGUE_PLUGIN_REJECTED);
    assert_int_equal(found("acme"), 0);
    assert_int_equal(found("npu"), 1);
}

/* The longest id and the highest number still make a name that leads back. */
static void long_names(void **state)
{
    segue_device_facts facts = { .size = sizeof facts };
    uint32_t index = 0;
    (void)state;
    list(0, "an_id_of_twenty_letters_", "", SEGUE_PLUGIN_LOADED);
    list(1, "an_id_of_twenty_letters_and", "first", SEGUE_PLUGIN_LOADED);
    list(2, "an_id_of_twenty_letters", "", SEGUE_PLUGIN_LOADED);
    assert_ok(vet_facts(&listed[1], 255, &facts, why));
    assert_string_equal(facts.name, "an_id_of_twenty_letters_and:255");
    assert_ptr_equal(find_candidate(&context, facts.name, &index), &listed[1]);
    assert_int_equal(index, 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_before_any_alias),
        cmocka_unit_test(rejected_ones),
        cmocka_unit_test(long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
