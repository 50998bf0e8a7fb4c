/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "inputs.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "dtype.h"

enum { MODIFIER_LETTERS = 31, CUT_TRIES = 64 };

/* ---- modifiers ------------------------------------------------------------------------------------ */

/* The next modifier of a distribution; NULL = no more. at: where the last one ended, at first the whole. */
static const char *next_modifier(const char *at, char name[MODIFIER_LETTERS + 1])
{
    if (!(at = strchr(at, '.'))) return NULL;
    const size_t length = strcspn(++at, ".");
    snprintf(name, MODIFIER_LETTERS + 1, "%.*s", (int)length, at);
    return at + length;
}

int has_modifier(const struct test_case *c, const char *name)
{
    char word[MODIFIER_LETTERS + 1];
    for (const char *at = c->d.distribution; (at = next_modifier(at, word));)
        if (!strcmp(word, name)) return 1;
    return 0;
}

static int is_there(const struct test_case *c, const char *operand)
{
    const uint32_t i = field_named(c->primitive, operand);
    return i < c->primitive->field_count && c->operands[i].facts;
}

static int64_t axis(const struct test_case *c, char letter)
{
    return descriptor_axis(&c->d, letter);
}

/* With cu-outside the first and the last sequence end before they begin, as far as another one is left. */
static int64_t reversed(const struct test_case *c)
{
    const int64_t most = axis(c, 's') - 1;
    return !has_modifier(c, "cu-outside") ? 0 : most < 2 ? most : 2;
}

/* How many sequences of a packed call have tokens. */
static int64_t filled(const struct test_case *c)
{
    return axis(c, 's') - reversed(c) - has_modifier(c, "empty-first") - has_modifier(c, "empty-middle") -
           has_modifier(c, "empty-last");
}

static int want(int holds, char *why, const char *modifier, const char *words)
{
    if (!holds) snprintf(why, DESCRIPTOR_WHY, "distribution: %s: wanted %s", modifier, words);
    return holds ? 0 : -1;
}

static int fits_packed(const struct test_case *c, const char *name, char *why)
{
    const int64_t least = !strcmp(name, "empty-middle") ? 3 : !strcmp(name, "gap") ? 1 : 2;
    const int64_t tokens = axis(c, 't') - (has_modifier(c, "gap") ? 2 : 0);
    if (want(is_there(c, "cu_seqlens"), why, name, "packed sequences (cu_seqlens)")) return -1;
    if (want(axis(c, 's') >= least && filled(c) > 0, why, name, "more sequences (S)")) return -1;
    return want(tokens >= filled(c), why, name, "a token for each other sequence (T)");
}

/* Each slot modifier takes a sequence of its own, and padding alone would leave nothing to compute. */
static int fits_slot(const struct test_case *c, const char *name, char *why)
{
    const int64_t count = axis(c, 's'), middle = count / 2;
    const int fresh = has_modifier(c, "slot-fresh"), drop = has_modifier(c, "slot-drop"),
              padding = has_modifier(c, "slot-padding");
    if (want(is_there(c, "slot"), why, name, "a pool of states (slot)")) return -1;
    const int apart = !(fresh && drop && count < 2) && !(drop && padding && middle == count - 1);
    return want(count >= 1 + padding && apart, why, name, "a sequence for each of the slot modifiers");
}

static int fits_slot_outside(const struct test_case *c, const char *name, char *why)
{
    const int other =
        has_modifier(c, "slot-fresh") || has_modifier(c, "slot-drop") || has_modifier(c, "slot-padding");
    if (want(is_there(c, "slot"), why, name, "a pool of states (slot)")) return -1;
    return want(!other && axis(c, 's') > 0, why, name, "a sequence, and no other slot modifier");
}

static int fits_cu_outside(const struct test_case *c, const char *name, char *why)
{
    const int other = has_modifier(c, "empty-first") || has_modifier(c, "empty-middle") ||
                      has_modifier(c, "empty-last") || has_modifier(c, "gap");
    if (want(is_there(c, "cu_seqlens"), why, name, "packed sequences (cu_seqlens)")) return -1;
    return want(!other && axis(c, 's') > 0 && axis(c, 't') >= filled(c), why, name,
                "a token for each sequence (T, S), no sequence made empty and no gap");
}

static int fits_future(const struct test_case *c, const char *name, char *why)
{
    return want(axis(c, 't') >= 2, why, name, "two tokens or more (T)");
}

static const struct {
    const char *name;
    int (*fits)(const struct test_case *c, const char *name, char *why);
} modifiers[] = {
    { "empty-first", fits_packed }, { "empty-middle", fits_packed },       { "empty-last", fits_packed },
    { "gap", fits_packed },         { "slot-fresh", fits_slot },           { "slot-drop", fits_slot },
    { "slot-padding", fits_slot },  { "slot-outside", fits_slot_outside }, { "cu-outside", fits_cu_outside },
    { "nan-future", fits_future },
};
enum { MODIFIERS = sizeof modifiers / sizeof *modifiers };

static int fits_modifier(const struct test_case *c, const struct case_facts *facts, const char *name, char *why)
{
    char known[DESCRIPTOR_WHY / 2] = "";
    for (int i = 0; i < MODIFIERS; i++) {
        if (!strcmp(modifiers[i].name, name)) return modifiers[i].fits(c, name, why);
        snprintf(known + strlen(known), sizeof known - strlen(known), " %s", modifiers[i].name);
    }
    for (int i = 0; facts && facts->modifiers && facts->modifiers[i]; i++) {
        if (!strcmp(facts->modifiers[i], name)) return 0;
        snprintf(known + strlen(known), sizeof known - strlen(known), " %s", facts->modifiers[i]);
    }
    snprintf(why, DESCRIPTOR_WHY, "distribution: modifiers are%s, given %s", known, *name ? name : "nothing");
    return -1;
}

int inputs_fit(const struct test_case *c, const struct case_facts *facts, char *why)
{
    char name[MODIFIER_LETTERS + 1];
    for (const char *at = c->d.distribution; (at = next_modifier(at, name));) {
        if (fits_modifier(c, facts, name, why)) return -1;
        char other[MODIFIER_LETTERS + 1];
        for (const char *rest = at; (rest = next_modifier(rest, other));)
            if (want(strcmp(name, other) != 0, why, name, "it once")) return -1;
    }
    if (is_there(c, "slot") && axis(c, 'p') < axis(c, 's')) {
        snprintf(why, DESCRIPTOR_WHY,
                 "slot: P is %" PRId64 ", wanted at least %" PRId64 ": a pool row a sequence", axis(c, 'p'),
                 axis(c, 's'));
        return -1;
    }
    return 0;
}

/* ---- integers ------------------------------------------------------------------------------------- */

/* count - 1 different cuts of 1 .. tokens - 1, in order: each place is taken with the odds that it is one of those left. */
static void lengths_of(int64_t tokens, int64_t count, const struct dice *dice, uint32_t draw, int64_t *ends)
{
    struct dice d = *dice;
    int64_t found = 0;
    for (int64_t t = 1; t < tokens && found + 1 < count; t++) {
        d.element = dice->element + (uint64_t)t;
        if (dice_integer(&d, draw, 1, tokens - t) <= count - 1 - found) ends[found++] = t;
    }
    while (found < count) ends[found++] = tokens; /* more sequences than tokens: the last ones stay empty */
}

/* Kernels that work in blocks treat a length by its rest: three sequences or more have no rest in common. */
static int rests_differ(const int64_t *ends, int64_t count)
{
    unsigned seen = 0;
    for (int64_t i = 0; i < count && i < 16; i++) {
        const unsigned rest = (unsigned)((ends[i] - (i ? ends[i - 1] : 0)) % 16);
        if (seen >> rest & 1) return 0;
        seen |= 1u << rest;
    }
    return 1;
}

/* Offsets of sequences that fill all tokens, seen from outside: those of the first and of the last sequence move out, so
 * that no token comes to belong to two. S1: -5 t+9. S2: t+9 -5 t+9. S3: 3 INT32_MIN t+9 1. */
static void move_outside(int64_t tokens, int64_t count, int32_t *offsets)
{
    const int32_t behind = (int32_t)tokens + 9;
    if (count == 1) offsets[0] = -5, offsets[1] = behind;
    else if (count == 2) offsets[0] = offsets[2] = behind, offsets[1] = -5;
    else {
        for (int64_t s = count - 2; s > 1; s--) offsets[s] = offsets[s - 1];
        offsets[0] = 3, offsets[1] = INT32_MIN;
        offsets[count - 1] = behind, offsets[count] = 1;
    }
}

int inputs_cut(const struct test_case *c, int64_t tokens, int64_t count, const struct dice *dice,
               int32_t *offsets)
{
    const int64_t some = filled(c), room = tokens - some;
    const int gap = has_modifier(c, "gap") && room >= 2; /* fits_packed() knows tokens; keys may be fewer */
    struct dice d = *dice;
    d.element = 0;
    const int64_t before = gap ? dice_integer(&d, 1, 1, (room + 1) / 2) : 0,
                  behind = gap ? dice_integer(&d, 2, 1, (room - before + 1) / 2) : 0;
    int64_t *ends = malloc((size_t)(count + 1) * sizeof *ends);
    if (!ends) return -1;
    uint32_t tries = 0;
    d.element = 1;
    do lengths_of(tokens - before - behind, some, &d, 3 + tries, ends);
    while (some >= 3 && !rests_differ(ends, some) && ++tries < CUT_TRIES);
    offsets[0] = (int32_t)before;
    for (int64_t s = 0, next = 0; s < count; s++) {
        const int empty = (s == 0 && has_modifier(c, "empty-first")) ||
                          (s == count / 2 && has_modifier(c, "empty-middle")) ||
                          (s == count - 1 && has_modifier(c, "empty-last"));
        offsets[s + 1] = empty || next >= some ? offsets[s] : (int32_t)(before + ends[next++]);
    }
    free(ends);
    if (has_modifier(c, "cu-outside")) move_outside(tokens, count, offsets);
    return 0;
}

/* Of the first sequence what is read, of the last what is written, of one between both. */
static void slots_outside(int64_t rows, int64_t count, int32_t *slot)
{
    slot[0] = (int32_t)rows;
    if (count > 1) slot[2 * count - 1] = count % 2 ? INT32_MIN : INT32_MAX;
    if (count > 2) slot[2] = -2, slot[3] = (int32_t)rows + 1;
}

int inputs_slots(const struct test_case *c, int64_t rows, int64_t count, const struct dice *dice, int32_t *slot)
{
    struct dice d = *dice;
    int64_t next = count, *order = malloc((size_t)(rows > 0 ? rows : 1) * sizeof *order);
    if (!order) return -1;
    for (int64_t i = 0; i < rows; i++) { /* Fisher and Yates, from the inside */
        d.element = (uint64_t)i;
        const int64_t k = dice_integer(&d, 0, 0, i);
        order[i] = order[k];
        order[k] = i;
    }
    for (int64_t s = 0; s < count; s++) {
        d.element = (uint64_t)s;
        const int elsewhere = next < rows && dice_integer(&d, 1, 0, 2) > 0;
        slot[2 * s] = (int32_t)order[s];
        slot[2 * s + 1] = (int32_t)(elsewhere ? order[next++] : order[s]);
    }
    if (has_modifier(c, "slot-fresh")) slot[0] = -1;
    if (has_modifier(c, "slot-drop")) slot[2 * (count - 1) + 1] = -1;
    if (has_modifier(c, "slot-padding")) slot[2 * (count / 2)] = slot[2 * (count / 2) + 1] = -1;
    if (has_modifier(c, "slot-outside")) slots_outside(rows, count, slot);
    free(order);
    return 0;
}

static int draw_whole(struct test_case *c, const struct case_facts *facts, uint32_t i, char *why)
{
    struct operand *o = &c->operands[i];
    const struct dice dice = { { c->key[0], c->key[1] }, i + 1, 0 };
    int failed = 0;
    if (!strcmp(o->facts->name, "cu_seqlens"))
        failed = inputs_cut(c, axis(c, 't'), o->view.shape[0] - 1, &dice, o->whole);
    else if (!strcmp(o->facts->name, "slot"))
        failed = inputs_slots(c, axis(c, 'p'), o->view.shape[0], &dice, o->whole);
    else if (facts && facts->integers) facts->integers(c, i, o->whole, &dice);
    else {
        snprintf(why, DESCRIPTOR_WHY, "%s: conformance/cases/%s.c does not say what integers it holds",
                 o->facts->name, c->primitive->name);
        return -1;
    }
    if (failed) snprintf(why, DESCRIPTOR_WHY, "%s: out of memory", o->facts->name);
    return failed;
}

/* ---- floating inputs ------------------------------------------------------------------------------ */

/* Number of an element, row-major; along an axis of stride 0 there is but one. */
static uint64_t element_of(const segue_tensor *t, const int64_t *index)
{
    uint64_t at = 0;
    for (int k = 0; k < t->rank; k++) at = at * (uint64_t)t->shape[k] + (t->stride[k] ? (uint64_t)index[k] : 0);
    return at;
}

/* The token from which on inputs are NaN. */
static int64_t first_nan(const struct test_case *c)
{
    const struct dice dice = { { c->key[0], c->key[1] }, 0, 0 };
    const int64_t tokens = axis(c, 't');
    return has_modifier(c, "nan-future") ? dice_integer(&dice, 0, 1, tokens - 1)
                                         : INT64_MAX; /* there may be more keys than queries */
}

double inputs_value(const struct test_case *c, const struct case_facts *facts, uint32_t field,
                    const int64_t *index)
{
    const struct operand *o = &c->operands[field];
    const struct dice dice = { { c->key[0], c->key[1] }, field + 1, element_of(&o->view, index) };
    int64_t one[SEGUE_MAX_RANK] = { 0 };
    for (int k = 0; k < o->view.rank; k++) one[k] = o->view.stride[k] ? index[k] : 0;
    const double x = facts && facts->draw ? facts->draw(c, field, one, &dice) : dice_normal(&dice, 0);
    return dtype_round(segue_dtype_id(o->view.dtype), x);
}

double value_of(const struct test_case *c, uint32_t field, const int64_t *index)
{
    return c->operands[field].facts ? inputs_value(c, case_facts_of(c->primitive->name), field, index) : 0;
}

static void draw_floats(struct test_case *c, const struct case_facts *facts, uint32_t i)
{
    struct operand *o = &c->operands[i];
    const segue_tensor *t = &o->view;
    const int time = token_axis(c->primitive, o->facts);
    const int64_t last = time >= 0 && t->stride[time] ? first_nan(c) : INT64_MAX;
    int64_t index[SEGUE_MAX_RANK] = { 0 };
    for (int64_t e = 0; e < o->count; e++) {
        o->value[e] = time >= 0 && index[time] >= last ? NAN : inputs_value(c, facts, i, index);
        for (int k = t->rank - 1; k >= 0 && ++index[k] == t->shape[k]; k--) index[k] = 0;
    }
}

int inputs_draw(struct test_case *c, const struct case_facts *facts, char *why)
{
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        struct operand *o = &c->operands[i];
        if (!o->facts || is_written_field(o->facts)) continue;
        const size_t room = (size_t)(o->count ? o->count : 1);
        const int integer = o->facts->kind == SEGUE_KIND_I32;
        if (integer) o->whole = calloc(room, sizeof *o->whole);
        else o->value = calloc(room, sizeof *o->value);
        if (!o->whole && !o->value) {
            snprintf(why, DESCRIPTOR_WHY, "%s: out of memory for %" PRId64 " elements", o->facts->name,
                     o->count);
            return -1;
        }
        if (!integer) draw_floats(c, facts, i);
        else if (draw_whole(c, facts, i, why)) return -1;
    }
    return 0;
}
