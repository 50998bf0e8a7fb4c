/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "axes.h"

#include <ctype.h>
#include <string.h>

enum { LETTERS = 26 };

static int has_axis(const struct descriptor *d, char letter)
{
    for (uint32_t i = 0; i < d->primitive->field_count; i++) {
        const char *dims = d->primitive->fields[i].dims;
        if (dims && strchr(dims, letter)) return 1;
    }
    return 0;
}

char axes_lead(const struct descriptor *d)
{
    return has_axis(d, 'h') ? 'h' : 'd';
}

/* Letters that "h % j == 0" and the like tie to the lead, over others too, as bits; the lead among them. */
static uint32_t tied(const struct descriptor *d)
{
    uint32_t set = 1u << (axes_lead(d) - 'a'), before = 0;
    while (set != before) {
        before = set;
        for (const char *at = d->primitive->rules; (at = strstr(at, " % ")); at++) {
            const char left = at[-1], right = at[3];
            if (!islower((unsigned char)left) || !islower((unsigned char)right)) continue;
            const uint32_t both = 1u << (left - 'a') | 1u << (right - 'a');
            if (set & both) set |= both;
        }
    }
    return set;
}

double axes_cut(struct descriptor *d, int64_t few)
{
    struct descriptor cut = *d;
    const int64_t whole = descriptor_axis(d, axes_lead(d));
    const uint32_t set = tied(d);
    if (whole <= few) return 1;
    for (int i = 0; i < LETTERS; i++) {
        const int64_t own = descriptor_axis(d, (char)('a' + i));
        if (!(set >> i & 1) || own <= 1) continue;
        if (own * few % whole) return 1;
        cut.axis[i] = own * few / whole;
    }
    *d = cut;
    return (double)whole / (double)few;
}

int axes_go_together(const struct descriptor *d, char letter)
{
    return tied(d) >> (letter - 'a') & 1 && descriptor_axis(d, letter) == descriptor_axis(d, axes_lead(d));
}

int axes_can_pick(const struct descriptor *d)
{
    const uint32_t set = tied(d);
    for (int i = 0; i < LETTERS; i++)
        if (set >> i & 1 && descriptor_axis(d, (char)('a' + i)) > 1 && !axes_go_together(d, (char)('a' + i)))
            return 0;
    return 1;
}
