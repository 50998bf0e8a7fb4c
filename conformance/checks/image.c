/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

#include <stdlib.h>

#include "../grammar/dtype.h"

enum {
    NEAR = 1 << 16,   /* spans that are closer become one */
    LARGE = 64 << 20, /* bytes of an operand that are copied whole, at most */
    KEPT = 64 << 20,  /* bytes of an allocation that is used again, at least */
    CACHE_LINE = 64
};

/* ---- where things lie --------------------------------------------------------------------------- */

static uint64_t element_size(const struct operand *o)
{
    return o->view.dtype.bits / 8;
}

static uint64_t guard_bytes(const struct style *s, uint64_t element)
{
    return s->guard == 0 ? element : s->guard == 1 ? 64 : 4096;
}

/* The next multiple of `to`; exact: that is none of 2 * to. */
static uint64_t aligned(uint64_t at, uint64_t to, int exact)
{
    at = (at + to - 1) / to * to;
    return exact && at % (2 * to) == 0 ? at + to : at;
}

static void lay_out(struct image *m, uint64_t workspace, uint64_t alignment)
{
    const struct call *c = m->call;
    uint64_t at = m->style.shift, guard = 64;
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        if (!o->facts || c->over[i]) continue;
        guard = guard_bytes(&m->style, element_size(o));
        at = m->style.aligned ? aligned(at + guard, CACHE_LINE, 0) : aligned(at + guard, element_size(o), 1);
        m->regions[i] = (struct region){ at, o->view.bytes };
        at += o->view.bytes + guard;
    }
    for (uint32_t i = 0; i < c->primitive->field_count; i++)
        if (c->over[i]) m->regions[i] = m->regions[c->over[i] - 1];
    at = aligned(at + guard, alignment, 1);
    m->workspace = (struct region){ at, workspace };
    m->bytes = at + workspace + guard + 2 * alignment; /* place_workspace() may move it on */
}

uint64_t image_bytes(const struct call *c, uint64_t workspace)
{
    struct image m = { .call = c, .style = { .guard = 2 } };
    lay_out(&m, workspace, 256);
    return m.bytes;
}

/* Allocations are multiples of 256 bytes: of what more, only their address tells. */
static void place_workspace(struct image *m, uint64_t alignment)
{
    const int handles = (m->device->facts.flags & SEGUE_DEVICE_HANDLE_MEMORY) != 0;
    const uint64_t base = (handles ? 0 : (uint64_t)(uintptr_t)m->memory.data) + m->memory.offset;
    m->workspace.at = aligned(base + m->workspace.at, alignment, 1) - base;
}

/* Adds low .. high, in ascending order. */
static int add_span(struct image *m, uint64_t low, uint64_t high)
{
    struct span *last = m->span_count ? &m->spans[m->span_count - 1] : NULL;
    if (high > m->bytes) high = m->bytes;
    if (last && low <= last->at + last->bytes + NEAR) {
        if (high > last->at + last->bytes) last->bytes = high - last->at;
        return 0;
    }
    if (m->span_count == m->span_room) {
        const size_t room = 2 * m->span_room + 4;
        struct span *more = realloc(m->spans, room * sizeof *more);
        if (!more) return -1;
        m->spans = more, m->span_room = room;
    }
    m->spans[m->span_count++] = (struct span){ low, high - low, 0 };
    return 0;
}

/* The rows of an operand that is too large to be copied whole: along the axis with the largest distance. */
static int add_rows(struct image *m, const struct region *r, const segue_tensor *t, uint64_t guard)
{
    uint64_t distance = 0, row;
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++) {
        const uint64_t stride = (uint64_t)llabs(t->stride[i]) * t->dtype.bits / 8;
        if (t->shape[i] > 1 && stride > distance) distance = stride, count = t->shape[i];
    }
    row = r->bytes - (uint64_t)(count - 1) * distance;
    for (int64_t k = 0; k < count; k++) {
        const uint64_t at = r->at + (uint64_t)k * distance;
        if (add_span(m, at < guard ? 0 : at - guard, at + row + guard)) return -1;
    }
    return 0;
}

static int find_spans(struct image *m)
{
    const struct call *c = m->call;
    m->span_count = 0, m->copied = 0;
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        const struct region *r = &m->regions[i];
        if (!o->facts || c->over[i]) continue;
        const uint64_t guard = guard_bytes(&m->style, element_size(o)) + 2 * CACHE_LINE;
        const uint64_t low = r->at < guard ? 0 : r->at - guard;
        if (r->bytes > LARGE ? add_rows(m, r, &o->view, guard) : add_span(m, low, r->at + r->bytes + guard))
            return -1;
    }
    const uint64_t low = m->workspace.at < 4096 ? 0 : m->workspace.at - 4096;
    if (add_span(m, low, m->bytes)) return -1;
    for (size_t i = 0; i < m->span_count; i++) m->spans[i].copy = m->copied, m->copied += m->spans[i].bytes;
    return 0;
}

unsigned char *image_byte(struct image *m, unsigned char *copy, uint64_t at)
{
    const struct span *s = &m->spans[m->last_span];
    if (at < s->at || at >= s->at + s->bytes) {
        size_t low = 0, high = m->span_count;
        while (high - low > 1) {
            const size_t middle = (low + high) / 2;
            *(m->spans[middle].at <= at ? &low : &high) = middle;
        }
        m->last_span = low;
        s = &m->spans[low];
    }
    return copy + s->copy + (at - s->at);
}

/* ---- what is in it before the run ---------------------------------------------------------------- */

static uint64_t pattern_word(uint32_t pattern, uint64_t at)
{
    if (pattern == 0) return UINT64_MAX;
    if (pattern == 1) return 0x7ff57fa57fa57fa5u; /* f64, f32 and bf16: signalling; f16: NaN */
    uint64_t x = at + 0x9e3779b97f4a7c15u;        /* splitmix64 (Steele, Lea, Flood 2014) */
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void fill_pattern(struct image *m)
{
    for (size_t s = 0; s < m->span_count; s++) {
        unsigned char *to = m->before + m->spans[s].copy;
        uint64_t at = m->spans[s].at;
        const uint64_t end = at + m->spans[s].bytes;
        for (uint64_t n; at < end; at += n, to += n) {
            const uint64_t word = pattern_word(m->style.pattern, at / 8) >> at % 8 * 8, left = end - at;
            n = 8 - at % 8 < left ? 8 - at % 8 : left;
            if (n == 8) memcpy(to, &word, 8);
            else memcpy(to, &word, n);
        }
    }
}

static void fill_input(struct image *m, uint32_t i)
{
    const struct operand *o = &m->call->operands[i];
    const unsigned char *touched = m->style.clean ? NULL : m->call->touched[i];
    const size_t size = element_size(o);
    const uint32_t dtype = segue_dtype_id(o->view.dtype);
    int64_t unread = 0;
    for (int64_t k = 0; touched && k < o->count; k++) unread += !(touched[k] & GAUGE_READ);
    /* A place may be seen as several elements (stride 0): those that are read come last. */
    for (int pass = !unread; pass < 2; pass++) {
        struct walk w = walk_from(&o->view);
        for (; w.i < o->count; walk_on(&w)) {
            const int read = !touched || touched[w.i] & GAUGE_READ;
            if (read != pass) continue;
            unsigned char *to = image_byte(m, m->before, m->regions[i].at + (uint64_t)w.at);
            if (o->whole) memcpy(to, &o->whole[w.i], size);
            else if (read) dtype_store(dtype, to, o->value[w.i]);
            else memset(to, 0xff, size);
        }
    }
}

static void fill_output(struct image *m, uint32_t i)
{
    const struct operand *o = &m->call->operands[i];
    for (struct walk w = walk_from(&o->view); w.i < o->count; walk_on(&w))
        memset(image_byte(m, m->before, m->regions[i].at + (uint64_t)w.at), m->style.poison, element_size(o));
}

static void fill(struct image *m)
{
    const struct call *c = m->call;
    fill_pattern(m);
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        if (is_output(&c->operands[i]) && !c->over[i]) fill_output(m, i);
        else if (c->operands[i].facts && !is_output(&c->operands[i])) fill_input(m, i);
    }
    memset(image_byte(m, m->before, m->workspace.at), m->style.poison, m->workspace.bytes);
}

static int bind_operands(struct image *m)
{
    const struct call *c = m->call;
    if (!(m->op = malloc(c->primitive->op_size))) return -1;
    memcpy(m->op, c->op, c->primitive->op_size);
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        if (!o->facts) continue;
        segue_tensor t = o->view;
        t.data = m->memory.data;
        t.offset += m->memory.offset + m->regions[i].at;
        t.bytes = m->memory.offset + m->regions[i].at + o->view.bytes;
        *tensor_of(m->op, o->facts) = t;
    }
    return 0;
}

void spare_free(struct spare *s)
{
    if (s->device) segue_memory_free(s->device->handle, s->memory);
    memset(s, 0, sizeof *s);
}

/* The spare allocation if it fits; else it makes way: two large ones may be more than there is. */
static segue_status take_memory(struct image *m)
{
    struct spare *s = m->spare;
    if (s && s->device == m->device && s->memory.bytes - s->memory.offset >= m->bytes && m->bytes > KEPT) {
        m->memory = s->memory;
        s->device = NULL;
        return SEGUE_OK;
    }
    if (s && m->bytes > KEPT) spare_free(s);
    return segue_memory_alloc(m->device->handle, m->bytes, &m->memory, &m->diag);
}

int image_make(struct image *out, struct spare *spare, const struct lab_device *device, const struct call *c,
               uint64_t workspace, uint64_t alignment, const struct style *style)
{
    memset(out, 0, sizeof *out);
    out->device = device, out->call = c, out->style = *style;
    if (!alignment) alignment = 1;
    lay_out(out, workspace, alignment);
    out->spare = spare;
    if (take_memory(out)) {
        memset(&out->memory, 0, sizeof out->memory);
        out->device = NULL;
        return -2;
    }
    place_workspace(out, alignment);
    if (find_spans(out)) return -1;
    out->before = malloc(out->copied);
    out->after = malloc(out->copied);
    if (!out->before || !out->after || bind_operands(out)) return -1;
    fill(out);
    return 0;
}

void image_free(struct image *m)
{
    if (m->device && m->spare && m->bytes > KEPT) {
        spare_free(m->spare);
        *m->spare = (struct spare){ m->device, m->memory };
    } else if (m->device) segue_memory_free(m->device->handle, m->memory);
    free(m->spans);
    free(m->before);
    free(m->after);
    free(m->op);
    memset(m, 0, sizeof *m);
}

segue_buffer image_workspace(const struct image *m)
{
    segue_buffer b = { m->memory.data, m->memory.offset + m->workspace.at, 0 };
    b.bytes = b.offset + m->workspace.bytes;
    return m->workspace.bytes ? b : (segue_buffer){ NULL, 0, 0 };
}

/* ---- to the device and back ---------------------------------------------------------------------- */

static segue_status copy_spans(struct image *m, uint32_t direction, unsigned char *host)
{
    segue_device *dev = m->device->handle;
    for (size_t i = 0; i < m->span_count; i++) {
        const struct span *s = &m->spans[i];
        const segue_buffer there = { m->memory.data, m->memory.offset + s->at, m->memory.bytes };
        const segue_buffer here = { host, s->copy, m->copied };
        const int up = direction == SEGUE_COPY_TO_DEVICE;
        const segue_status status = segue_memory_copy(dev, m->device->stream, direction, up ? there : here,
                                                      up ? here : there, s->bytes, &m->diag);
        if (status) return status;
    }
    return segue_stream_sync(dev, m->device->stream, &m->diag);
}

segue_status image_upload(struct image *m)
{
    return copy_spans(m, SEGUE_COPY_TO_DEVICE, m->before);
}

segue_status image_download(struct image *m)
{
    return copy_spans(m, SEGUE_COPY_FROM_DEVICE, m->after);
}

void image_read(struct image *m, uint32_t field, double *value, unsigned char *bytes)
{
    const struct operand *o = &m->call->operands[field];
    const size_t size = element_size(o);
    for (struct walk w = walk_from(&o->view); w.i < o->count; walk_on(&w)) {
        const unsigned char *from = image_byte(m, m->after, m->regions[field].at + (uint64_t)w.at);
        memcpy(bytes + (size_t)w.i * size, from, size);
        if (value) value[w.i] = dtype_load(segue_dtype_id(o->view.dtype), from);
    }
}
