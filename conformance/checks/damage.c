/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that changed and must not have, in words. */
#include <inttypes.h>
#include <stdio.h>

#include "image.h"

static void print_index(char *to, size_t room, const segue_tensor *view, const int64_t *index)
{
    size_t used = (size_t)snprintf(to, room, "[");
    for (int i = 0; i < view->rank && used < room; i++)
        used += (size_t)snprintf(to + used, room - used, i ? ",%" PRId64 : "%" PRId64, index[i]);
    if (used < room) snprintf(to + used, room - used, "]");
}

/* What lies at a byte of an operand: the element that holds it, or those below and above it. */
struct spot {
    int64_t element, below, above; /* logical; -1 = none */
};

static struct spot spot_at(const struct operand *o, int64_t byte)
{
    const int64_t size = o->view.dtype.bits / 8;
    struct spot s = { -1, -1, -1 };
    int64_t low = INT64_MIN, high = INT64_MAX;
    for (struct walk w = walk_from(&o->view); w.i < o->count; walk_on(&w)) {
        if (w.at <= byte && byte < w.at + size) s.element = w.i;
        if (w.at <= byte && w.at > low) low = w.at, s.below = w.i;
        if (w.at > byte && w.at < high) high = w.at, s.above = w.i;
    }
    return s;
}

static void inside(const struct image *m, uint32_t i, uint64_t at, struct damage *out)
{
    const struct operand *o = &m->call->operands[i];
    const char *name = o->facts->name;
    const struct spot s = spot_at(o, (int64_t)(at - m->regions[i].at));
    int64_t index[SEGUE_MAX_RANK] = { 0 };
    char first[96] = "its start", second[96] = "its end";
    const int64_t main = s.element >= 0 ? s.element : s.below >= 0 ? s.below : s.above;
    out->has_index = main >= 0;
    if (main >= 0) index_of(&o->view, main, out->index);
    if (s.below >= 0) index_of(&o->view, s.below, index), print_index(first, sizeof first, &o->view, index);
    if (s.above >= 0) index_of(&o->view, s.above, index), print_index(second, sizeof second, &o->view, index);
    if (s.element < 0)
        snprintf(out->where, sizeof out->where, "hole of %s between %s and %s", name, first, second);
    else if (is_output(o) && m->call->touched[i][s.element] & GAUGE_WRITTEN)
        snprintf(out->where, sizeof out->where, "%s%s", name, first);
    else if (is_output(o))
        snprintf(out->where, sizeof out->where, "%s%s: the reference leaves it alone", name, first);
    else snprintf(out->where, sizeof out->where, "input %s%s", name, first);
}

static int is_inside(const struct region *r, uint64_t at)
{
    return at >= r->at && at - r->at < r->bytes;
}

/* In a guard: next to what. */
static void beside(const struct image *m, uint64_t at, struct damage *out)
{
    const uint32_t count = m->call->primitive->field_count;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i <= count; i++) {
        const struct region *r = i < count ? &m->regions[i] : &m->workspace;
        const char *name = i < count ? m->call->primitive->fields[i].name : "the workspace";
        if (i < count ? !m->call->operands[i].facts : !r->bytes) continue;
        const int before = at < r->at;
        const uint64_t far = before ? r->at - at : at - (r->at + r->bytes) + 1;
        if (far >= least) continue;
        least = far;
        out->field = i;
        snprintf(out->where, sizeof out->where, "%" PRIu64 " byte%s %s %s", far, far == 1 ? "" : "s",
                 before ? "before" : "behind", name);
    }
}

static void describe(const struct image *m, uint64_t at, struct damage *out)
{
    const uint32_t count = m->call->primitive->field_count;
    uint32_t found = count;
    out->field = count;
    if (is_inside(&m->workspace, at)) {
        snprintf(out->where, sizeof out->where, "byte %" PRIu64 " of the workspace", at - m->workspace.at);
        return;
    }
    for (uint32_t i = 0; i < count; i++) /* of a state in the place of another, the outgoing one */
        if (m->call->operands[i].facts && is_inside(&m->regions[i], at) && (found == count || m->call->over[i]))
            found = i;
    if (found == count) beside(m, at, out);
    else out->field = found, inside(m, found, at, out);
}

/* Takes what may change from `after` over to `before`. */
static void allow(struct image *m)
{
    const struct call *c = m->call;
    memcpy(image_byte(m, m->before, m->workspace.at), image_byte(m, m->after, m->workspace.at),
           m->workspace.bytes);
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        if (!is_output(o) || !c->touched[i]) continue;
        for (struct walk w = walk_from(&o->view); w.i < o->count; walk_on(&w)) {
            if (!(c->touched[i][w.i] & GAUGE_WRITTEN)) continue;
            const uint64_t at = m->regions[i].at + (uint64_t)w.at;
            memcpy(image_byte(m, m->before, at), image_byte(m, m->after, at), o->view.dtype.bits / 8);
        }
    }
}

int image_damage(struct image *m, int nothing, struct damage *out)
{
    uint64_t first = 0;
    int found = 0;
    memset(out, 0, sizeof *out);
    if (!nothing) allow(m);
    if (!memcmp(m->before, m->after, m->copied)) return 0;
    for (size_t s = 0; s < m->span_count; s++)
        for (uint64_t i = 0; i < m->spans[s].bytes; i++) {
            if (m->before[m->spans[s].copy + i] == m->after[m->spans[s].copy + i]) continue;
            if (!found++) first = m->spans[s].at + i;
            out->bytes++;
        }
    describe(m, first, out);
    return 1;
}
