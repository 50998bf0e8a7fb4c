/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* From text to struct descriptor; names are looked up in the primitive's description. */
#include "descriptor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static const struct dtype_name {
    const char *name;
    uint32_t dtype;
} dtype_names[] = {
    { "f32", SEGUE_F32 }, { "f16", SEGUE_F16 }, { "bf16", SEGUE_BF16 }, { "f64", SEGUE_F64 }, { NULL, 0 }
};

static const char *const layout_names[] = { "btd", "bdt", "pad3", "packed", NULL };

__attribute__((format(printf, 2, 3))) static int fail(char *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, DESCRIPTOR_WHY, format, args);
    va_end(args);
    return -1;
}

static int is_tensor(const segue_field_facts *f)
{
    return f->role < SEGUE_ROLE_INT;
}

static int is_required(const segue_field_facts *f)
{
    return f->role == SEGUE_ROLE_IN || f->role == SEGUE_ROLE_OUT;
}

/* The number of the field of that name; field_count = none. */
static uint32_t field_named(const segue_primitive_facts *p, const char *name)
{
    uint32_t i = 0;
    while (i < p->field_count && strcmp(p->fields[i].name, name)) i++;
    return i;
}

static int primitive(const char *text, struct descriptor *d, char *why)
{
    char known[DESCRIPTOR_WHY / 2] = "";
    for (uint32_t id = 1; segue_describe(id); id++) {
        const char *name = segue_describe(id)->name;
        if (!strcmp(name, text)) return d->primitive = segue_describe(id), 0;
        if (strlen(known) + strlen(name) + 2 < sizeof known) strcat(strcat(known, " "), name);
    }
    return fail(why, "primitive: wanted one of%s, given %s", known, text);
}

static void defaults(struct descriptor *d)
{
    for (uint32_t i = 0; i < d->primitive->field_count; i++) {
        const segue_field_facts *f = &d->primitive->fields[i];
        d->present[i] = is_tensor(f) && is_required(f);
        d->value[i] = f->initial;
        d->dtype[i] = f->kind == SEGUE_KIND_STATE ? SEGUE_F32 : f->kind == SEGUE_KIND_I32 ? SEGUE_I32 : 0;
    }
}

/* A number, or the name of one of the parameter's values. */
static int parameter(struct descriptor *d, uint32_t i, const char *value, char *why)
{
    const segue_field_facts *f = &d->primitive->fields[i];
    char *end;
    for (uint32_t e = 0; e < d->primitive->enum_count; e++) {
        const segue_enum_facts *named = &d->primitive->enums[e];
        if (!strcmp(named->param, f->name) && !strcasecmp(named->name, value))
            return d->value[i] = (double)named->value, 0;
    }
    d->value[i] = strtod(value, &end);
    if (end == value || *end) return fail(why, "variant: %s: wanted a number, given %s", f->name, value);
    if (d->value[i] < f->min || d->value[i] > f->max)
        return fail(why, "variant: %s: wanted %.17g to %.17g, given %s", f->name, f->min, f->max, value);
    return 0;
}

/* fwd.h_in.softplus=0 */
static int variant(char *text, struct descriptor *d, char *why)
{
    char *rest, *word = strtok_r(text, ".", &rest);
    if (!word || strcmp(word, "fwd"))
        return fail(why, "variant: wanted fwd, given %s", word ? word : "nothing");
    while ((word = strtok_r(NULL, ".", &rest))) {
        char *value = strchr(word, '=');
        if (value) *value++ = 0;
        const uint32_t i = field_named(d->primitive, word);
        if (i == d->primitive->field_count)
            return fail(why, "variant: %s has no operand or parameter %s; segue describe %s lists them",
                        d->primitive->name, word, d->primitive->name);
        const segue_field_facts *f = &d->primitive->fields[i];
        if (is_tensor(f) && is_required(f)) return fail(why, "variant: %s is not optional: leave it out", word);
        if (is_tensor(f) && value) return fail(why, "variant: %s is an operand and takes no value", word);
        if (!is_tensor(f) && !value)
            return fail(why, "variant: %s is a parameter: wanted %s=number", word, word);
        if (value && parameter(d, i, value, why)) return -1;
        if (!value) d->present[i] = 1;
    }
    return 0;
}

static uint32_t dtype_of(const char *name)
{
    const struct dtype_name *n = dtype_names;
    while (n->name && strcmp(n->name, name)) n++;
    return n->dtype;
}

/* Activations share one dtype, and so do states. */
static void set_dtype(struct descriptor *d, uint32_t field, uint32_t dtype)
{
    const uint32_t kind = d->primitive->fields[field].kind;
    const int shared = kind == SEGUE_KIND_ACT || kind == SEGUE_KIND_STATE;
    d->dtype[field] = dtype;
    for (uint32_t i = 0; shared && i < d->primitive->field_count; i++)
        if (d->primitive->fields[i].kind == kind) d->dtype[i] = dtype;
}

/* bf16-A.f32-h_in.bf16 */
static int dtypes(char *text, struct descriptor *d, char *why)
{
    char *rest, *word = strtok_r(text, "-", &rest);
    const uint32_t first = word ? dtype_of(word) : 0;
    if (!first) return fail(why, "dtypes: wanted f32, f16, bf16 or f64, given %s", word ? word : "nothing");
    for (uint32_t i = 0; i < d->primitive->field_count; i++)
        if (is_tensor(&d->primitive->fields[i]) && !d->dtype[i]) d->dtype[i] = first;
    while ((word = strtok_r(NULL, "-", &rest))) {
        char *name = strchr(word, '.');
        if (name) *name++ = 0;
        const uint32_t i = field_named(d->primitive, word), dtype = name ? dtype_of(name) : 0;
        if (i == d->primitive->field_count || !is_tensor(&d->primitive->fields[i]))
            return fail(why, "dtypes: %s has no operand %s", d->primitive->name, word);
        if (!dtype)
            return fail(why, "dtypes: wanted %s.f32, .f16, .bf16 or .f64, given %s", word,
                        name ? name : "nothing");
        set_dtype(d, i, dtype);
    }
    return 0;
}

static int has_axis(const segue_primitive_facts *p, char letter)
{
    for (uint32_t i = 0; i < p->field_count; i++)
        if (strchr(p->fields[i].dims, letter)) return 1;
    return 0;
}

/* B2.T4097.D7 */
static int shape(char *text, struct descriptor *d, char *why)
{
    char *rest, *end;
    for (char *word = strtok_r(text, ".", &rest); word; word = strtok_r(NULL, ".", &rest)) {
        const char letter = (char)(*word - 'A' + 'a');
        const long long size = strtoll(word + 1, &end, 10);
        if (*word < 'A' || *word > 'Z' || end == word + 1 || *end)
            return fail(why, "shape: wanted an axis and its size, such as T2048, given %s", word);
        if (!has_axis(d->primitive, letter))
            return fail(why, "shape: %s has no axis %c", d->primitive->name, *word);
        if (size < 1 || size > INT32_MAX)
            return fail(why, "shape: %c: wanted 1 to %d, given %s", *word, INT32_MAX, word + 1);
        if (d->axis[letter - 'a']) return fail(why, "shape: %c is given twice", *word);
        d->axis[letter - 'a'] = size;
    }
    return 0;
}

static int layout(const char *text, struct descriptor *d, char *why)
{
    while (layout_names[d->layout] && strcmp(layout_names[d->layout], text)) d->layout++;
    if (!layout_names[d->layout]) return fail(why, "layout: wanted btd, bdt, pad3 or packed, given %s", text);
    if (d->layout != LAYOUT_PACKED) return 0;
    const uint32_t i = field_named(d->primitive, "cu_seqlens");
    if (i == d->primitive->field_count)
        return fail(why, "layout: %s takes no packed sequences", d->primitive->name);
    d->present[i] = 1;
    return 0;
}

static int distribution(char *text, struct descriptor *d, char *why)
{
    char *key = strchr(text, '#');
    if (key) *key++ = 0;
    if (strlen(text) >= sizeof d->distribution || (key && strlen(key) >= sizeof d->key))
        return fail(why, "distribution: wanted at most %zu letters, given %s", sizeof d->distribution - 1,
                    text);
    strcpy(d->distribution, text);
    strcpy(d->key, key ? key : "");
    return 0;
}

int descriptor_parse(const char *text, struct descriptor *out, char *why)
{
    enum { PARTS = 6, LEAST = 4 };
    char copy[512], *parts[PARTS] = { NULL }, benign[] = "benign";
    struct descriptor d;
    int count = 0;
    memset(&d, 0, sizeof d);
    if (strlen(text) >= sizeof copy)
        return fail(why, "wanted fewer than %zu letters, given %zu", sizeof copy, strlen(text));
    strcpy(copy, text);
    for (char *at = copy; at; count++) {
        if (count == PARTS) return fail(why, "wanted at most %d parts between slashes, given more", PARTS);
        parts[count] = at;
        if ((at = strchr(at, '/'))) *at++ = 0;
    }
    if (count < LEAST)
        return fail(why, "wanted primitive/variant/dtypes/shape[/layout[/distribution]], given %s", text);
    if (primitive(parts[0], &d, why)) return -1;
    if (d.primitive->field_count > DESCRIPTOR_FIELDS)
        return fail(why, "%s has %u fields, this command knows %d", parts[0], d.primitive->field_count,
                    DESCRIPTOR_FIELDS);
    defaults(&d);
    if (variant(parts[1], &d, why) || dtypes(parts[2], &d, why) || shape(parts[3], &d, why)) return -1;
    if (layout(parts[4] ? parts[4] : "btd", &d, why) || distribution(parts[5] ? parts[5] : benign, &d, why))
        return -1;
    *out = d;
    return 0;
}
