/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "layout.h"

#include <stdlib.h>

#include "test_case.h"

const char *const layout_names[] = { "btd", "bdt", "pad3", "packed", "flip", "far", "odd", NULL };

/* A 32-bit count of bytes wraps between two rows; 192 keeps every dtype aligned and no row on a page's start. */
static const int64_t far_bytes = ((int64_t)1 << 31) + 192;

int axis_of(const segue_field_facts *f, char letter)
{
    int i = 0;
    for (const char *at = f->dims; *at; i++) {
        if (*at == letter) return i;
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return -1;
}

/* Whether a rule makes axis `one` as long as axis `other`: "m == c unless k_index". */
static int is_tied(const segue_primitive_facts *p, char one, char other)
{
    const char rule[] = { one, ' ', '=', '=', ' ', other, 0 };
    for (const char *at = strstr(p->rules, rule); at; at = strstr(at + 1, rule))
        if ((at == p->rules || at[-1] == ' ') && (!at[6] || at[6] == ' ' || at[6] == ';')) return 1;
    return 0;
}

int is_token_letter(const segue_primitive_facts *p, char letter)
{
    if (letter == 't') return 1;
    if (letter < 'a' || letter > 'z' || !strstr(p->rules, " == t")) return 0;
    if (is_tied(p, letter, 't')) return 1;
    for (char other = 'a'; other <= 'z'; other++)
        if (is_tied(p, letter, other) && is_tied(p, other, 't')) return 1;
    return 0;
}

int token_axis(const segue_primitive_facts *p, const segue_field_facts *f)
{
    int i = 0;
    for (const char *at = f->dims; *at; i++) {
        if (is_token_letter(p, *at)) return i;
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return -1;
}

void tensor_settle(segue_tensor *t)
{
    int64_t low = 0, high = 0;
    int empty = 0;
    for (int i = 0; i < t->rank; i++) {
        const int64_t reach = (t->shape[i] - 1) * t->stride[i];
        empty |= t->shape[i] < 1;
        if (reach < 0) low += reach;
        else high += reach;
    }
    t->offset = empty ? 0 : (uint64_t)-low * t->dtype.bits / 8;
    t->bytes = empty ? 0 : (uint64_t)(high - low + 1) * t->dtype.bits / 8;
}

static int has_rows_of_tokens(const struct descriptor *d, const segue_field_facts *f)
{
    return axis_of(f, 'b') >= 0 && token_axis(d->primitive, f) >= 0;
}

/* y of a scan. */
static int is_far_output(const struct descriptor *d, uint32_t field)
{
    uint32_t i = 0;
    const segue_field_facts *f = d->primitive->fields;
    while (i < d->primitive->field_count &&
           !(d->present[i] && is_written_field(&f[i]) && has_rows_of_tokens(d, &f[i])))
        i++;
    return i == field;
}

/* Number `key` of u, delta, B, C, z. */
static int is_far_input(const struct descriptor *d, uint32_t field)
{
    const long wanted = strtol(d->key, NULL, 10);
    uint32_t chosen = d->primitive->field_count;
    long number = 0;
    for (uint32_t i = 0; i < d->primitive->field_count; i++) {
        const segue_field_facts *f = &d->primitive->fields[i];
        if (!d->present[i] || is_written_field(f) || f->kind == SEGUE_KIND_I32 || !has_rows_of_tokens(d, f))
            continue;
        if (!number || number == wanted) chosen = i;
        number++;
    }
    return chosen == field;
}

static int has_channels(const segue_primitive_facts *p)
{
    for (uint32_t i = 0; i < p->field_count; i++)
        if (axis_of(&p->fields[i], 'd') >= 0) return 1;
    return 0;
}

/* No stride is 1; channels of inputs backwards. */
static void set_odd(segue_tensor *t, const segue_primitive_facts *p, const segue_field_facts *f)
{
    const int last = f->kind == SEGUE_KIND_I32 || has_channels(p) ? -1 : t->rank - 1;
    const int channels = is_written_field(f) ? -1 : axis_of(f, 'd') >= 0 ? axis_of(f, 'd') : last;
    for (int k = 0; k < t->rank; k++) t->stride[k] *= k == channels ? -2 : 2;
}

segue_tensor laid_out(const struct descriptor *d, uint32_t i, int rank, const int64_t *shape)
{
    const segue_field_facts *f = &d->primitive->fields[i];
    const int batch = axis_of(f, 'b'), time = token_axis(d->primitive, f);
    const int64_t gap = d->layout == LAYOUT_PAD3 && rank > 1 && f->kind != SEGUE_KIND_I32 ? 3 : 0;
    int order[SEGUE_MAX_RANK];
    segue_tensor t = segue_tensor_of(NULL, d->dtype[i], rank, shape);
    for (int k = 0; k < rank; k++) order[k] = k;
    if (d->layout == LAYOUT_BDT && time >= 0)
        for (int k = time; k < rank; k++) order[k] = k + 1 < rank ? k + 1 : time;
    int64_t distance = 1;
    for (int k = rank - 1; k >= 0; k--) {
        t.stride[order[k]] = distance;
        distance *= shape[order[k]] > 1 ? shape[order[k]] : 1;
        if (k == rank - 1) distance += gap;
    }
    if (d->layout == LAYOUT_FLIP && time >= 0 && f->kind != SEGUE_KIND_I32) t.stride[time] = -t.stride[time];
    if (d->layout == LAYOUT_ODD) set_odd(&t, d->primitive, f);
    if (d->layout == LAYOUT_FAR && (is_far_input(d, i) || is_far_output(d, i)))
        t.stride[batch] = far_bytes / (t.dtype.bits / 8);
    tensor_settle(&t);
    return t;
}
