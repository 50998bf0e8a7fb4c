/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One operand or parameter wrong at a time: presence, dtype, rank, flags, axes, range. */
#include "bad_input.h"

#include <inttypes.h>
#include <stdio.h>

/* The good op with one tensor to be spoilt. */
static segue_tensor *spoil(const struct bad *bad, union sample_op *op, int i)
{
    *op = bad->good;
    return sample_tensor(bad->base.facts, op, i);
}

static void absent(struct bad *bad, int i)
{
    static const char *const wants[] = {
        [SEGUE_ROLE_IN] = "wanted a tensor", [SEGUE_ROLE_OUT] = "wanted a tensor"
    };
    const segue_field_facts *f = bad_field(bad, i);
    union sample_op op;
    if (f->role == SEGUE_ROLE_IN || f->role == SEGUE_ROLE_OUT) {
        memset(spoil(bad, &op, i), 0, sizeof(segue_tensor));
        refused(bad, &bad->base, &op, BY_ALL, "required operand absent",
                expect(SEGUE_ERROR_OPERAND, i, "missing", wants[f->role]));
    }
    spoil(bad, &op, i)->dtype.bits = 0;
    refused(bad, &bad->base, &op, BY_ALL, "data without a dtype",
            expect(SEGUE_ERROR_OPERAND, i, "no dtype", "wanted"));
    spoil(bad, &op, i)->data = NULL;
    refused(bad, &bad->base, &op, BY_RUN | BY_ONE_RUN, "data NULL at run",
            expect(SEGUE_ERROR_OPERAND, i, "data is NULL", "wanted memory"));
}

static const struct wrong_dtype {
    segue_dtype dtype;
    const char *given;
    int floats, integers; /* wrong where these are wanted */
} wrong_dtypes[] = {
    { { SEGUE_CODE_INT, 32, 1 }, "i32", 1, 0 },
    { { SEGUE_CODE_FLOAT, 32, 1 }, "f32", 0, 1 },
    { { SEGUE_CODE_INT, 64, 1 }, "i64", 1, 1 },
    { { SEGUE_CODE_INT, 8, 1 }, "i8", 1, 1 },
    { { SEGUE_CODE_UINT, 32, 1 }, "code 1, 32 bits", 1, 1 },
    { { SEGUE_CODE_COMPLEX, 64, 1 }, "complex64", 1, 1 },
    { { SEGUE_CODE_FLOAT, 32, 2 }, "2 lanes", 1, 0 },
    { { SEGUE_CODE_INT, 32, 2 }, "2 lanes", 0, 1 },
    { { SEGUE_CODE_FLOAT, 32, 0 }, "0 lanes", 1, 0 },
    { { SEGUE_CODE_FLOAT, 8, 1 }, "code 2, 8 bits", 1, 1 },
    { { 9, 32, 1 }, "code 9, 32 bits", 1, 1 },
    { { 255, 255, 65535 }, "code 255, 255 bits", 1, 1 },
};

static void dtypes(struct bad *bad, int i)
{
    const int integer = bad_field(bad, i)->kind == SEGUE_KIND_I32;
    union sample_op op;
    for (size_t k = 0; k < sizeof wrong_dtypes / sizeof *wrong_dtypes; k++) {
        const struct wrong_dtype *w = &wrong_dtypes[k];
        if (!(integer ? w->integers : w->floats)) continue;
        spoil(bad, &op, i)->dtype = w->dtype;
        refused(bad, &bad->base, &op, BY_ALL, "dtype not offered",
                expect(SEGUE_ERROR_OPERAND, i, w->given, integer ? "wanted i32" : "wanted f32"));
    }
}

/* One of a kind that shares its dtype differs: the second of the kind is to blame. */
static void mixed_dtypes(struct bad *bad, int i)
{
    const int kind = (int)bad_field(bad, i)->kind, first = bad_find(&bad->base, 0, has_kind, kind);
    const int blame = i == first ? bad_find(&bad->base, first + 1, has_kind, kind) : i;
    union sample_op op;
    if ((kind != SEGUE_KIND_ACT && kind != SEGUE_KIND_STATE) || blame < 0) return;
    spoil(bad, &op, i)->dtype = segue_dtype_of(SEGUE_F16);
    refused(bad, &bad->base, &op, BY_ALL, "dtype unlike the others of its kind",
            expect(SEGUE_ERROR_OPERAND, blame, i == first ? "is f32" : "is f16",
                   i == first ? "wanted f16" : "wanted f32"));
}

static void ranks(struct bad *bad, int i)
{
    const int right = sample_rank(bad_field(bad, i)),
              tries[] = { 0, right - 1, right + 1, SEGUE_MAX_RANK + 1, 65535 };
    char given[TEXT], wanted[TEXT];
    union sample_op op;
    for (int k = right == 1 ? 1 : 0; k < 5; k++) {
        segue_tensor *t = spoil(bad, &op, i);
        t->rank = (uint16_t)tries[k];
        if (tries[k] == right + 1 && right < SEGUE_MAX_RANK) t->shape[right] = 1;
        snprintf(given, sizeof given, "rank is %d", tries[k]);
        snprintf(wanted, sizeof wanted, "wanted %d", right);
        refused(bad, &bad->base, &op, BY_ALL, tries[k] < right ? "rank too small" : "rank too large",
                expect(SEGUE_ERROR_OPERAND, i, given, wanted));
    }
    spoil(bad, &op, i)->flags = 3;
    refused(bad, &bad->base, &op, BY_ALL, "tensor flags set",
            expect(SEGUE_ERROR_OPERAND, i, "flags are 3", "wanted 0"));
}

static struct expect expect_axis(int field, int axis, int64_t given, const char *how, int64_t wanted)
{
    struct expect e = expect(SEGUE_ERROR_OPERAND, field, "", "");
    snprintf(e.given, sizeof e.given, "dimension %d is %" PRId64, axis, given);
    snprintf(e.wanted, sizeof e.wanted, "wanted %s%" PRId64, how, wanted);
    return e;
}

/* The axis of f that has the letter. */
static int axis_of(const segue_field_facts *f, char letter)
{
    int d = 0;
    while (sample_letter(f, d) != letter) d++;
    return d;
}

/* An axis of operand i that disagrees with the others: the first that has the letter binds it, the next one is
 * blamed. */
static void disagree(struct bad *bad, int i, int axis, int64_t by, const char *defect)
{
    const char letter = sample_letter(bad_field(bad, i), axis);
    const int first = bad_find(&bad->base, 0, has_letter, letter);
    const int blame = i == first ? bad_find(&bad->base, first + 1, has_letter, letter) : i;
    union sample_op op;
    segue_tensor *t = spoil(bad, &op, i);
    const int64_t right = t->shape[axis], given = right + by;
    if (!letter || blame < 0) return; /* a lone letter: the rules and the plan speak of it */
    int64_t shape[SEGUE_MAX_RANK];
    memcpy(shape, t->shape, sizeof shape);
    shape[axis] = given;
    *t = segue_tensor_of(t->data, segue_dtype_id(t->dtype), t->rank, shape);
    const segue_tensor *blamed = sample_tensor(bad->base.facts, &op, blame);
    const int there = axis_of(bad_field(bad, blame), letter);
    const int64_t its = blamed->shape[there];
    refused(bad, &bad->base, &op, BY_ALL, defect,
            expect_axis(blame, there, its, "", i == first ? its + by : right));
}

/* What no operand may have, whatever the others say. */
static void axis_range(struct bad *bad, int i, int axis)
{
    const segue_field_facts *f = bad_field(bad, i);
    const char letter = sample_letter(f, axis);
    const int dynamic = letter && strchr(bad->base.facts->dynamic, letter) != NULL;
    union sample_op op;
    segue_tensor *t = spoil(bad, &op, i);
    const int64_t right = t->shape[axis];
    const int64_t plus = letter ? right - bad->base.size[letter - 'a'] : 0,
                  least = letter ? plus + !dynamic : right;
    const char *how = letter ? "at least " : "";
    t->shape[axis] = -1;
    refused(bad, &bad->base, &op, BY_ALL, "axis negative", expect_axis(i, axis, -1, how, least));
    spoil(bad, &op, i)->shape[axis] = INT64_MIN;
    refused(bad, &bad->base, &op, BY_ALL, "axis negative", expect_axis(i, axis, INT64_MIN, how, least));
    if (letter && !least) return;
    spoil(bad, &op, i)->shape[axis] = 0;
    refused(bad, &bad->base, &op, BY_ALL, "axis zero", expect_axis(i, axis, 0, how, least));
    if (letter) return;
    spoil(bad, &op, i)->shape[axis] = right + 1;
    refused(bad, &bad->base, &op, BY_ALL, "fixed axis of another size",
            expect_axis(i, axis, right + 1, how, right));
}

static void axes(struct bad *bad, int i)
{
    for (int d = 0; d < sample_rank(bad_field(bad, i)); d++) {
        disagree(bad, i, d, 1, "axis one too large");
        disagree(bad, i, d, 1000, "axis far too large");
        if (bad->base
                .size[sample_letter(bad_field(bad, i), d) ? sample_letter(bad_field(bad, i), d) - 'a' : 0] > 1)
            disagree(bad, i, d, -1, "axis one too small");
        axis_range(bad, i, d);
    }
}

static int has_default(const segue_field_facts *f)
{
    return f->initial >= f->min && f->initial <= f->max;
}

static void integer(struct bad *bad, int i, int64_t value, const char *defect)
{
    const segue_primitive_facts *facts = bad->base.facts;
    const segue_field_facts *f = bad_field(bad, i);
    struct expect e = expect(SEGUE_ERROR_OPERAND, i, "", "");
    union sample_op op = bad->good;
    if (!has_default(f) && value == (int64_t)f->initial) return; /* unset() has tried it */
    memcpy(op.bytes + f->offset, &value, 8);
    snprintf(e.given, sizeof e.given, "%s: %" PRId64 ",", f->name, value);
    snprintf(e.wanted, sizeof e.wanted, "wanted %.0f to %.0f", f->min, f->max);
    refused(bad, &bad->base, &op, BY_ALL, defect, e);
    for (uint32_t k = 0; k < facts->enum_count; k++) {
        if (strcmp(facts->enums[k].param, f->name)) continue;
        snprintf(e.wanted, sizeof e.wanted, "%s = %" PRId64, facts->enums[k].name, facts->enums[k].value);
        refused(bad, &bad->base, &op, BY_ALL, "enumerators named in the text", e);
    }
}

static void real(struct bad *bad, int i, double value, const char *defect)
{
    const segue_field_facts *f = bad_field(bad, i);
    union sample_op op = bad->good;
    memcpy(op.bytes + f->offset, &value, 8);
    refused(bad, &bad->base, &op, BY_ALL, defect, expect(SEGUE_ERROR_OPERAND, i, f->name, "wanted"));
}

/* A parameter without a default, as segue_op_init left it. */
static void unset(struct bad *bad, int i)
{
    const segue_field_facts *f = bad_field(bad, i);
    const int64_t whole = (int64_t)f->initial;
    union sample_op op = bad->good;
    if (has_default(f)) return;
    memcpy(op.bytes + f->offset, f->role == SEGUE_ROLE_INT ? (const void *)&whole : (const void *)&f->initial,
           8);
    refused(bad, &bad->base, &op, BY_ALL, "required parameter not set",
            expect(SEGUE_ERROR_OPERAND, i, "required: wanted", f->doc));
}

static void parameter(struct bad *bad, int i)
{
    const segue_field_facts *f = bad_field(bad, i);
    unset(bad, i);
    if (f->role == SEGUE_ROLE_INT) {
        integer(bad, i, (int64_t)f->min - 1, "parameter below its range");
        integer(bad, i, (int64_t)f->max + 1, "parameter above its range");
        integer(bad, i, INT64_MIN, "parameter below its range");
        integer(bad, i, INT64_MAX, "parameter above its range");
    } else {
        real(bad, i, f->min - 1 - 2 * (f->min < 0 ? -f->min : f->min), "parameter below its range");
        real(bad, i, f->max + 1 + 2 * (f->max < 0 ? -f->max : f->max), "parameter above its range");
        real(bad, i, __builtin_nan(""), "parameter not a number");
    }
}

void bad_operands(struct bad *bad)
{
    static void (*const tensor_defects[])(struct bad *, int) = { absent, dtypes, mixed_dtypes, ranks, axes };
    const int first_base = bad->fields == bad->base.present;
    for (int i = 0; i < (int)bad->base.facts->field_count; i++) {
        if (!sample_is_tensor(bad_field(bad, i))) {
            if (first_base) parameter(bad, i);
            continue;
        }
        for (size_t k = 0; k < sizeof tensor_defects / sizeof *tensor_defects; k++)
            if (bad->fields >> i & 1) tensor_defects[k](bad, i);
    }
}
