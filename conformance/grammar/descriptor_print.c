/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* From struct descriptor to its one canonical text. */
#include "test_case.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "layout.h"

struct text {
    char *to;
    size_t room, length;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const size_t left = t->length < t->room ? t->room - t->length : 0;
    const int length = vsnprintf(left ? t->to + t->length : NULL, left, format, args);
    va_end(args);
    t->length += length > 0 ? (size_t)length : 0;
}

/* By name, or the shortest number that reads as the same. */
static void add_value(struct text *t, const struct descriptor *d, const segue_field_facts *f, double value)
{
    char number[40], *end = number;
    int digits = 1;
    for (uint32_t e = 0; e < d->primitive->enum_count; e++) {
        const segue_enum_facts *named = &d->primitive->enums[e];
        if (strcmp(named->param, f->name) || (double)named->value != value) continue;
        for (const char *at = named->name; *at; at++) add(t, "%c", tolower((unsigned char)*at));
        return;
    }
    if (f->role == SEGUE_ROLE_INT) {
        add(t, "%lld", (long long)value);
        return;
    }
    do snprintf(number, sizeof number, "%.*g", digits, value);
    while (strtod(number, &end) != value && digits++ < 17);
    add(t, "%s", number);
}

static void add_variant(struct text *t, const struct descriptor *d)
{
    const segue_primitive_facts *p = d->primitive;
    add(t, "/fwd");
    for (uint32_t i = 0; i < p->field_count; i++) {
        const segue_field_facts *f = &p->fields[i];
        const int implied = d->layout == LAYOUT_PACKED && i == field_named(p, "cu_seqlens");
        if (is_tensor_field(f)) {
            if (d->present[i] && f->role != SEGUE_ROLE_IN && f->role != SEGUE_ROLE_OUT && !implied)
                add(t, ".%s", f->name);
        } else if (d->value[i] != f->initial) {
            add(t, ".%s=", f->name);
            add_value(t, d, f, d->value[i]);
        }
    }
}

static void add_dtypes(struct text *t, const struct descriptor *d)
{
    const segue_primitive_facts *p = d->primitive;
    const uint32_t base = descriptor_dtype(d);
    int states_said = 0;
    add(t, "/%s", dtype_name(base));
    for (uint32_t i = 0; i < p->field_count; i++) {
        const segue_field_facts *f = &p->fields[i];
        const uint32_t follows = f->kind == SEGUE_KIND_STATE ? SEGUE_F32
                                 : f->kind == SEGUE_KIND_I32 ? SEGUE_I32
                                                             : base;
        const int state = f->kind == SEGUE_KIND_STATE;
        if (!is_tensor_field(f) || !d->present[i] || d->dtype[i] == follows || (state && states_said)) continue;
        states_said |= state;
        add(t, "-%s.%s", f->name, dtype_name(d->dtype[i]) ? dtype_name(d->dtype[i]) : "i32");
    }
}

/* Axes in order of first appearance in the description. */
static void add_shape(struct text *t, const struct descriptor *d)
{
    unsigned said = 0;
    const char *before = "/";
    for (uint32_t i = 0; i < d->primitive->field_count; i++)
        for (const char *at = d->primitive->fields[i].dims; *at; at++) {
            const int letter = islower((unsigned char)*at) ? *at - 'a' : -1;
            if (letter < 0 || said >> letter & 1) continue;
            said |= 1u << letter;
            if (d->axis[letter] == AXIS_NOT_GIVEN) continue;
            add(t, "%s%c%lld", before, 'A' + letter, (long long)d->axis[letter]);
            before = ".";
        }
    if (*before == '/') add(t, "/");
}

int descriptor_print(const struct descriptor *d, char *to, size_t room)
{
    struct text t = { to, room, 0 };
    add(&t, "%s", d->primitive->name);
    add_variant(&t, d);
    add_dtypes(&t, d);
    add_shape(&t, d);
    add(&t, "/%s/%s", layout_names[d->layout], d->distribution);
    if (d->key[0]) add(&t, "#%s", d->key);
    return t.length < room ? 0 : -1;
}
