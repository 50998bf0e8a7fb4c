/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "pattern.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "call.h"

struct axis_use {                          /* which indices of one axis the bad elements have */
    int64_t size, used, first, last, step; /* step: between all neighbours; 0 = it varies */
    unsigned char *at;                     /* [size] */
};

static void measure(struct axis_use *a)
{
    int64_t before = -1;
    a->used = a->step = 0, a->first = -1;
    for (int64_t i = 0; i < a->size; i++) {
        if (!a->at[i]) continue;
        if (a->first < 0) a->first = i;
        else if (a->used == 1) a->step = i - before;
        else if (i - before != a->step) a->step = 0;
        a->last = before = i;
        a->used++;
    }
}

/* "t", or the number of the axis where it has no letter. */
static void axis_label(char label[16], const segue_field_facts *f, int axis)
{
    const char *at = f->dims;
    for (int i = 0; i < axis && *at; i++) at += strcspn(at, " "), at += strspn(at, " ");
    if (*at >= 'a' && *at <= 'z') snprintf(label, 16, "%c", *at);
    else snprintf(label, 16, "axis %d", axis);
}

/* "d 3", "t from 96", "t 8 to 15", "every 64th t from 63", "d 1, 2 and 9"; nothing where it does not say much. */
static int print_axis(char *to, size_t room, const char *label, const struct axis_use *a)
{
    to[0] = 0;
    if (a->used == a->size) return 0;
    if (a->used == 1) return snprintf(to, room, "%s %" PRId64, label, a->first);
    if (a->step == 1 && a->last == a->size - 1) return snprintf(to, room, "%s from %" PRId64, label, a->first);
    if (a->step == 1) return snprintf(to, room, "%s %" PRId64 " to %" PRId64, label, a->first, a->last);
    if (a->step > 1 && a->used > 2) {
        const char *th = a->step == 2 ? "nd" : a->step == 3 ? "rd" : "th";
        return snprintf(to, room, "every %" PRId64 "%s %s from %" PRId64, a->step, th, label, a->first);
    }
    if (a->used > 3) return 0;
    int n = snprintf(to, room, "%s %" PRId64, label, a->first);
    for (int64_t i = a->first + 1, left = a->used - 1; i < a->size && n < (int)room; i++)
        if (a->at[i]) n += snprintf(to + n, room - (size_t)n, --left ? ", %" PRId64 : " and %" PRId64, i);
    return n;
}

/* Whether every element that could be bad and lies at used indices is. */
static int is_full(const struct axis_use *axes, const segue_tensor *view, const unsigned char *bad,
                   const unsigned char *all, int64_t count)
{
    for (struct walk w = walk_from(view); w.i < count; walk_on(&w)) {
        int in = 1;
        for (int axis = 0; axis < view->rank; axis++) in &= axes[axis].at[w.index[axis]];
        if (in && all[w.i] && !bad[w.i]) return 0;
    }
    return 1;
}

static void describe(char *to, size_t room, const segue_field_facts *facts, const segue_tensor *view,
                     const struct axis_use *axes, int full)
{
    char parts[160] = "";
    size_t used = 0;
    for (int axis = 0; axis < view->rank; axis++) {
        char part[80], label[16];
        axis_label(label, facts, axis);
        if (!print_axis(part, sizeof part, label, &axes[axis])) continue;
        used += (size_t)snprintf(parts + used, sizeof parts - used, "%s%s", used ? ", " : "", part);
        if (used >= sizeof parts) break;
    }
    if (!parts[0]) snprintf(to, room, full ? "everywhere" : "scattered");
    else if (full) snprintf(to, room, "all at %s", parts);
    else snprintf(to, room, "%s only", parts);
}

void pattern_print(char *to, size_t room, const segue_field_facts *facts, const segue_tensor *view,
                   const unsigned char *bad, const unsigned char *all)
{
    struct axis_use axes[SEGUE_MAX_RANK] = { 0 };
    int64_t count = 1, total = 0, found = 0;
    char where[200];
    int failed = 0;
    for (int axis = 0; axis < view->rank; axis++) {
        axes[axis].size = view->shape[axis];
        count *= view->shape[axis];
        if (!(axes[axis].at = calloc(view->shape[axis] > 0 ? (size_t)view->shape[axis] : 1, 1))) failed = 1;
    }
    for (struct walk w = walk_from(view); !failed && w.i < count; walk_on(&w)) {
        total += all[w.i] != 0;
        if (!bad[w.i]) continue;
        found++;
        for (int axis = 0; axis < view->rank; axis++) axes[axis].at[w.index[axis]] = 1;
    }
    to[0] = 0;
    if (!failed && found) {
        for (int axis = 0; axis < view->rank; axis++) measure(&axes[axis]);
        describe(where, sizeof where, facts, view, axes, is_full(axes, view, bad, all, count));
        snprintf(to, room, "%" PRId64 " of %" PRId64 " bad, %s", found, total, where);
    }
    for (int axis = 0; axis < view->rank; axis++) free(axes[axis].at);
}
