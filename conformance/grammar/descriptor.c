/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* From text to struct descriptor; names are looked up in the primitive's description. What the rules tell anyway is
 * dropped, so that two texts that mean the same call give the same descriptor. */
#include "test_case.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "layout.h"

static const struct {
    const char *name;
    uint32_t dtype;
} dtype_names[] = { { "f32", SEGUE_F32 }, { "f16", SEGUE_F16 }, { "bf16", SEGUE_BF16 }, { "f64", SEGUE_F64 } };
enum { DTYPES = sizeof dtype_names / sizeof *dtype_names };

int descriptor_fail(char *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, DESCRIPTOR_WHY, format, args);
    va_end(args);
    return -1;
}

static int is_required(const segue_field_facts *f)
{
    return f->role == SEGUE_ROLE_IN || f->role == SEGUE_ROLE_OUT;
}

uint32_t field_named(const segue_primitive_facts *p, const char *name)
{
    uint32_t i = 0; /* most names differ in their first letter */
    while (i < p->field_count && (*p->fields[i].name != *name || strcmp(p->fields[i].name, name))) i++;
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
    return descriptor_fail(why, "primitive: wanted one of%s, given %s", known, text);
}

static void defaults(struct descriptor *d)
{
    for (uint32_t i = 0; i < d->primitive->field_count; i++) {
        const segue_field_facts *f = &d->primitive->fields[i];
        d->present[i] = is_tensor_field(f) && is_required(f);
        d->value[i] = f->initial;
        d->dtype[i] = f->kind == SEGUE_KIND_STATE ? SEGUE_F32 : f->kind == SEGUE_KIND_I32 ? SEGUE_I32 : 0;
    }
    for (int k = 0; k < 26; k++) d->axis[k] = AXIS_NOT_GIVEN;
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
    const double number = strtod(value, &end);
    if (end == value || *end)
        return descriptor_fail(why, "variant: %s: wanted a number, given %s", f->name, value);
    if (f->role == SEGUE_ROLE_INT && number != (double)(int64_t)(number > -1e15 && number < 1e15 ? number : 0))
        return descriptor_fail(why, "variant: %s: wanted a whole number, given %s", f->name, value);
    if (!(number >= f->min && number <= f->max))
        return descriptor_fail(why, "variant: %s: wanted %.17g to %.17g, given %s", f->name, f->min, f->max,
                               value);
    d->value[i] = number;
    return 0;
}

/* The next word up to a dot; a dot before a digit belongs to a number (".eps=0.5"). NULL = no more. */
static char *next_word(char **rest)
{
    char *word = *rest, *end = word;
    if (!word) return NULL;
    while (*end && (*end != '.' || isdigit((unsigned char)end[1]))) end++;
    *rest = *end ? end + 1 : NULL;
    *end = 0;
    return word;
}

/* fwd.h_in.softplus=0 */
static int variant(char *text, struct descriptor *d, char *why)
{
    char seen[DESCRIPTOR_FIELDS] = { 0 }, *rest = text, *word = next_word(&rest);
    if (strcmp(word, "fwd"))
        return descriptor_fail(why, "variant: wanted fwd, given %s", *word ? word : "nothing");
    while ((word = next_word(&rest))) {
        char *value = strchr(word, '=');
        if (value) *value++ = 0;
        const uint32_t i = field_named(d->primitive, word);
        if (i == d->primitive->field_count)
            return descriptor_fail(why,
                                   "variant: %s has no operand or parameter %s; segue describe %s lists them",
                                   d->primitive->name, word, d->primitive->name);
        const segue_field_facts *f = &d->primitive->fields[i];
        const int tensor = is_tensor_field(f);
        if (tensor && is_required(f))
            return descriptor_fail(why, "variant: %s is not optional: leave it out", word);
        if (tensor && value) return descriptor_fail(why, "variant: %s is an operand and takes no value", word);
        if (!tensor && !value)
            return descriptor_fail(why, "variant: %s is a parameter: wanted %s=number", word, word);
        const double before = d->value[i];
        if (value && parameter(d, i, value, why)) return -1;
        if (seen[i]++ && d->value[i] != before) return descriptor_fail(why, "variant: %s is given twice", word);
        if (!value) d->present[i] = 1;
    }
    return 0;
}

static uint32_t dtype_of(const char *name)
{
    for (int i = 0; i < DTYPES; i++)
        if (!strcmp(dtype_names[i].name, name)) return dtype_names[i].dtype;
    return 0;
}

const char *dtype_name(uint32_t dtype)
{
    for (int i = 0; i < DTYPES; i++)
        if (dtype_names[i].dtype == dtype) return dtype_names[i].name;
    return NULL;
}

/* Activations share one dtype, and so do states. 0 = no operand of this call takes it. */
static int set_dtype(struct descriptor *d, uint32_t field, uint32_t dtype)
{
    const uint32_t kind = d->primitive->fields[field].kind;
    const int shared = kind == SEGUE_KIND_ACT || kind == SEGUE_KIND_STATE;
    int taken = 0;
    for (uint32_t i = 0; i < d->primitive->field_count; i++)
        if (i == field || (shared && d->primitive->fields[i].kind == kind)) {
            d->dtype[i] = dtype;
            taken |= d->present[i];
        }
    return taken;
}

static int has_own_dtype(uint32_t kind)
{
    return kind == SEGUE_KIND_GATE || kind == SEGUE_KIND_WEIGHT || kind == SEGUE_KIND_MIXED;
}

uint32_t descriptor_dtype(const struct descriptor *d)
{
    const segue_primitive_facts *p = d->primitive;
    uint32_t first = 0;
    for (uint32_t i = 0; i < p->field_count; i++) {
        const uint32_t kind = p->fields[i].kind;
        if (kind == SEGUE_KIND_ACT) return d->dtype[i];
        if (!first && has_own_dtype(kind)) first = d->dtype[i];
    }
    return first ? first : SEGUE_F32;
}

/* What is not there follows the activations. */
static void normal_dtypes(struct descriptor *d)
{
    for (uint32_t i = 0; i < d->primitive->field_count; i++) {
        const uint32_t kind = d->primitive->fields[i].kind;
        if (!d->present[i] && has_own_dtype(kind)) d->dtype[i] = descriptor_dtype(d);
    }
}

/* bf16-A.f32-h_in.bf16 */
static int dtypes(char *text, struct descriptor *d, char *why)
{
    uint32_t seen[DESCRIPTOR_FIELDS] = { 0 };
    char *rest = text, *word = strsep(&rest, "-");
    const uint32_t first = dtype_of(word);
    if (!first)
        return descriptor_fail(why, "dtypes: wanted f32, f16, bf16 or f64, given %s", *word ? word : "nothing");
    for (uint32_t i = 0; i < d->primitive->field_count; i++)
        if (is_tensor_field(&d->primitive->fields[i]) && !d->dtype[i]) d->dtype[i] = first;
    while ((word = strsep(&rest, "-"))) {
        char *name = strchr(word, '.');
        if (name) *name++ = 0;
        const uint32_t i = field_named(d->primitive, word), dtype = name ? dtype_of(name) : 0;
        if (i == d->primitive->field_count || !is_tensor_field(&d->primitive->fields[i]))
            return descriptor_fail(why, "dtypes: %s has no operand %s", d->primitive->name,
                                   *word ? word : "without a name");
        if (!dtype)
            return descriptor_fail(why, "dtypes: wanted %s.f32, .f16, .bf16 or .f64, given %s", word,
                                   name ? name : "nothing");
        if (seen[i] && seen[i] != dtype) return descriptor_fail(why, "dtypes: %s is given twice", word);
        seen[i] = dtype;
        if (!set_dtype(d, i, dtype))
            return descriptor_fail(
                why, "dtypes: %s is not in this call: name it in the variant, or leave out its dtype", word);
    }
    normal_dtypes(d);
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
    char *end, *word, *rest = text;
    while (*text && (word = strsep(&rest, "."))) {
        const char letter = (char)(*word - 'A' + 'a');
        const long long size = isdigit((unsigned char)word[1]) ? strtoll(word + 1, &end, 10) : 0;
        if (*word < 'A' || *word > 'Z' || !isdigit((unsigned char)word[1]) || *end)
            return descriptor_fail(why, "shape: wanted an axis and its size, such as T2048, given %s",
                                   *word ? word : "nothing");
        if (!has_axis(d->primitive, letter))
            return descriptor_fail(why, "shape: %s has no axis %c", d->primitive->name, *word);
        const int least = strchr(d->primitive->dynamic, letter) ? 0 : 1;
        if (size < least || size > INT32_MAX)
            return descriptor_fail(why, "shape: %c: wanted %d to %d, given %s", *word, least, INT32_MAX,
                                   word + 1);
        if (d->axis[letter - 'a'] != AXIS_NOT_GIVEN)
            return descriptor_fail(why, "shape: %c is given twice", *word);
        d->axis[letter - 'a'] = size;
    }
    return 0;
}

/* Bit = letter: an axis of any operand; of those that are there. */
static uint32_t axes_of(const struct descriptor *d, int present)
{
    uint32_t set = 0;
    for (uint32_t i = 0; i < d->primitive->field_count; i++)
        for (const char *at = d->primitive->fields[i].dims; *at && (d->present[i] || !present); at++)
            if (*at >= 'a' && *at <= 'z') set |= 1u << (*at - 'a');
    return set;
}

/* Whatever the axes that were given tell. */
static void fill(struct descriptor *d)
{
    const uint32_t all = axes_of(d, 0);
    for (int found = 1; found;) {
        found = 0;
        for (int k = 0; k < 26; k++) {
            if (d->axis[k] != AXIS_NOT_GIVEN || !(all >> k & 1)) continue;
            d->axis[k] = descriptor_axis_by(d, (char)('a' + k), AXIS_BACKWARD);
            found |= d->axis[k] != AXIS_NOT_GIVEN;
        }
    }
}

/* Drops axes that the others tell, that way and in full: rules that contradict each other drop nothing. */
static void drop_told(struct descriptor *d, int how)
{
    for (char letter = 'a'; letter <= 'z'; letter++) {
        int64_t *axis = &d->axis[letter - 'a'];
        const int64_t given = *axis;
        if (given == AXIS_NOT_GIVEN) continue;
        *axis = AXIS_NOT_GIVEN;
        if (descriptor_axis_by(d, letter, how) != given || descriptor_axis(d, letter) != given) *axis = given;
    }
}

/* Whichever of several tied axes were given ("n == t", "e == t"), the same ones are left: of those that operands of this call
 * have, what the rules do not tell, first read from right to left as they are meant, then the other way, too. */
static int normal_shape(struct descriptor *d, char *why)
{
    int64_t given[26];
    const uint32_t used = axes_of(d, 1);
    memcpy(given, d->axis, sizeof given);
    fill(d);
    for (int k = 0; k < 26; k++)
        if (!(used >> k & 1)) d->axis[k] = AXIS_NOT_GIVEN;
    for (int k = 0; k < 26; k++)
        if (given[k] != AXIS_NOT_GIVEN && !(used >> k & 1) && descriptor_axis(d, (char)('a' + k)) != given[k])
            return descriptor_fail(why, "shape: %c: no operand of this call has that axis: leave it out",
                                   'A' + k);
    drop_told(d, AXIS_USUAL);
    drop_told(d, AXIS_USUAL | AXIS_BACKWARD);
    return 0;
}

static int layout(const char *text, struct descriptor *d, char *why)
{
    while (layout_names[d->layout] && strcmp(layout_names[d->layout], text)) d->layout++;
    if (!layout_names[d->layout])
        return descriptor_fail(why, "layout: wanted btd, bdt, pad3, packed, flip, far or odd, given %s", text);
    const uint32_t i = field_named(d->primitive, "cu_seqlens");
    if (i == d->primitive->field_count)
        return d->layout == LAYOUT_PACKED
                   ? descriptor_fail(why, "layout: %s takes no packed sequences", d->primitive->name)
                   : 0;
    if (d->layout == LAYOUT_PACKED) d->present[i] = 1;
    if (d->layout == LAYOUT_BTD && d->present[i]) d->layout = LAYOUT_PACKED; /* one name for one call */
    return 0;
}

static int distribution(char *text, struct descriptor *d, char *why)
{
    /* What a shell, a glob and a line of a list leave alone. */
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-=";
    char *key = strchr(text, '#');
    if (key) *key++ = 0;
    if (!*text) return descriptor_fail(why, "distribution: wanted a name such as benign, given nothing");
    if (strlen(text) >= sizeof d->distribution || (key && strlen(key) >= sizeof d->key))
        return descriptor_fail(
            why, "distribution: wanted at most %zu letters and a key of at most %zu, given %s",
            sizeof d->distribution - 1, sizeof d->key - 1, strlen(text) < 200 ? text : "more");
    if (text[strspn(text, plain)] || (key && key[strspn(key, plain)]))
        return descriptor_fail(why, "distribution: wanted letters, digits and . _ - =, given %s%s%s", text,
                               key ? "#" : "", key ? key : "");
    strcpy(d->distribution, text);
    strcpy(d->key, key ? key : "");
    return 0;
}

int descriptor_parse(const char *text, struct descriptor *out, char *why)
{
    enum { PARTS = 6, LEAST = 4 };
    char copy[DESCRIPTOR_TEXT], *parts[PARTS] = { NULL }, benign[] = "benign";
    struct descriptor d;
    int count = 0;
    memset(&d, 0, sizeof d);
    if (strlen(text) >= sizeof copy)
        return descriptor_fail(why, "wanted fewer than %zu letters, given %zu", sizeof copy, strlen(text));
    strcpy(copy, text);
    for (char *at = copy; at; count++) {
        if (count == PARTS)
            return descriptor_fail(why, "wanted at most %d parts between slashes, given more", PARTS);
        parts[count] = at;
        if ((at = strchr(at, '/'))) *at++ = 0;
    }
    if (count < LEAST)
        return descriptor_fail(
            why, "wanted primitive/variant/dtypes/shape[/layout[/distribution]], given %.300s", text);
    if (primitive(parts[0], &d, why)) return -1;
    if (d.primitive->field_count > DESCRIPTOR_FIELDS)
        return descriptor_fail(why, "%s has %u fields, this command knows %d", parts[0],
                               d.primitive->field_count, DESCRIPTOR_FIELDS);
    defaults(&d);
    if (variant(parts[1], &d, why) || layout(parts[4] ? parts[4] : "btd", &d, why)) return -1;
    if (dtypes(parts[2], &d, why) || shape(parts[3], &d, why) || normal_shape(&d, why)) return -1;
    if (distribution(parts[5] ? parts[5] : benign, &d, why)) return -1;
    memcpy(out, &d, sizeof d);
    return 0;
}
