/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "axes.h"

#include <ctype.h>
#include <string.h>

#include "../grammar/test_case.h"

enum { LETTERS = 26 };

static int has_axis(const struct descriptor *d, char letter)
{
    for (uint32_t i = 0; i < d->primitive->field_count; i++) {
        const char *dims = d->primitive->fields[i].dims;
        if (dims && strchr(dims, letter)) return 1;
    }
    return 0;
}

/* Whether something that is written has it; of what is only read all features may go into each answer. */
static int answers_have(const struct descriptor *d, char letter)
{
    for (uint32_t i = 0; i < d->primitive->field_count; i++)
        if (is_written_field(&d->primitive->fields[i]) && strchr(d->primitive->fields[i].dims, letter))
            return 1;
    return 0;
}

char axes_lead(const struct descriptor *d)
{
    return has_axis(d, 'h') ? 'h' : answers_have(d, 'd') ? 'd' : 'b';
}

/* Letters that "h % j == 0" and the like tie to the lead, over others too, as bits; the lead among them. Sequences and their states
 * are those of the batch rows, where there are as many. */
static uint32_t tied(const struct descriptor *d)
{
    uint32_t set = 1u << (axes_lead(d) - 'a'), before = 0;
    for (const char *at = "sp"; axes_lead(d) == 'b' && *at; at++)
        if (descriptor_axis(d, *at) == descriptor_axis(d, 'b')) set |= 1u << (*at - 'a');
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

int64_t axes_shared_by(const struct descriptor *d, char letter)
{
    const int64_t own = descriptor_axis(d, letter), lead = descriptor_axis(d, axes_lead(d));
    if (!(tied(d) >> (letter - 'a') & 1) || own < 1 || (own == 1 && letter != axes_lead(d))) return 0;
    return lead % own ? 0 : lead / own;
}

int axes_can_pick(const struct descriptor *d)
{
    const uint32_t set = tied(d);
    for (int i = 0; i < LETTERS; i++)
        if (set >> i & 1 && descriptor_axis(d, (char)('a' + i)) > 1 && !axes_shared_by(d, (char)('a' + i)))
            return 0;
    return 1;
}

/* ---- rows of queries ----------------------------------------------------------------------------- */

static int named(const struct descriptor *d, const char *name)
{
    for (uint32_t i = 0; i < d->primitive->field_count; i++)
        if (!strcmp(d->primitive->fields[i].name, name)) return (int)i;
    return -1;
}

int64_t axes_chunk(const struct descriptor *d)
{
    const int chunk = named(d, "chunk");
    return chunk >= 0 && d->value[chunk] > 1 ? (int64_t)d->value[chunk] : 1;
}

/* Where the last query stands at the last key, nothing maps rows, and no other operand goes by slots. */
int axes_places(const struct descriptor *d)
{
    static const char *const maps[] = { "cu_seqlens", "k_len",   "q_offset", "q_pos",
                                        "q_index",    "k_index", "o_index",  "bias" };
    static const char *const params[] = { "align", "chunk" };
    const int places = named(d, "q_pos");
    if (places < 0) return -1;
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        if (named(d, maps[i]) < 0 || d->present[named(d, maps[i])]) return -1;
    for (size_t i = 0; i < sizeof params / sizeof *params; i++)
        if (named(d, params[i]) < 0 || d->value[named(d, params[i])] != 0) return -1;
    return places;
}

void axes_take_rows(struct descriptor *d, int64_t count)
{
    const int places = axes_places(d);
    d->present[places] = 1;
    d->dtype[places] = SEGUE_I32;
    d->axis['n' - 'a'] = count;
}

void axes_place(const struct descriptor *whole, segue_op_header *op, const int64_t *row, int32_t *room)
{
    segue_tensor *t = tensor_of(op, &whole->primitive->fields[named(whole, "q_pos")]);
    const int64_t before = descriptor_axis(whole, 'm') - descriptor_axis(whole, 'n');
    for (int64_t i = 0; i < t->shape[1]; i++) room[i] = (int32_t)(row[i] + before);
    *t = segue_tensor_of(room, SEGUE_I32, t->rank, t->shape);
    t->stride[0] = 0; /* all batch rows alike */
}
