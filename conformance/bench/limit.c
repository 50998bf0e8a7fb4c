/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "limit.h"

#include <stdio.h>
#include <stdlib.h>

#include "../grammar/test_case.h"
#include "axes.h"

enum { FEW = 4 }; /* tokens, and channels or heads, that are counted */

/* row: of `whole`, that those of d are; NULL: d has no rows of queries that were taken. */
static int tally_rows(const struct descriptor *whole, const struct descriptor *d, const int64_t *row,
                      struct tally *out, char *why)
{
    segue_op_header *op = descriptor_op(d, why);
    int32_t position[AXES_ROWS];
    *out = (struct tally){ 0 };
    if (!op) return -1;
    if (row) axes_place(whole, op, row, position);
    for (uint32_t i = 0; i < d->primitive->field_count; i++)
        if (is_written_field(&d->primitive->fields[i]) && d->present[i])
            tensor_of(op, &d->primitive->fields[i])->data = out;
    const int bad = tally_run(op);
    if (bad) snprintf(why, DESCRIPTOR_WHY, "the work of %s cannot be counted", d->primitive->name);
    free(op);
    return bad ? -1 : 0;
}

int work_tally(const struct descriptor *d, struct tally *out, char *why)
{
    return tally_rows(d, d, NULL, out, why);
}

static double tensor_bytes(const segue_tensor *t)
{
    double bytes = t->dtype.bits / 8.0;
    for (int i = 0; i < t->rank; i++)
        if (t->stride[i]) bytes *= (double)t->shape[i];
    return bytes;
}

/* From the tensor's data. */
static int64_t lowest_byte(const segue_tensor *t)
{
    int64_t at = 0;
    for (int i = 0; i < t->rank; i++)
        if (t->stride[i] < 0) at += (t->shape[i] - 1) * t->stride[i];
    return (int64_t)t->offset + at * t->dtype.bits / 8;
}

/* 0 = its bytes are not counted: a parameter, or a state that is updated where it lies. */
static int role_of(const segue_field_facts *f, enum traffic_role *role)
{
    if (!is_tensor_field(f) || f->role == SEGUE_ROLE_STATE_IN) return 0;
    *role = f->role == SEGUE_ROLE_STATE_OUT ? TRAFFIC_KEPT
            : is_written_field(f)           ? TRAFFIC_WRITTEN
                                            : TRAFFIC_READ;
    return 1;
}

/* Returns by what the work shrinks. Chunks are counted with those before them, which the first has not. */
static double cut_tokens(struct descriptor *d)
{
    const int64_t chunk = axes_chunk(d), few = chunk > 1 ? 2 * FEW * chunk : FEW;
    int64_t *axis = &d->axis['t' - 'a'];
    const int64_t whole = *axis;
    if (whole <= few) return 1;
    *axis = few;
    return (double)whole / (double)few;
}

/* Rows of queries, one from the middle of each part, since each has work of its own. Returns by what the work shrinks; 1 = all
 * are there. */
static double cut_rows(struct descriptor *d, int64_t row[AXES_ROWS])
{
    const int64_t whole = descriptor_axis(d, 'n');
    if (axes_places(d) < 0 || whole <= AXES_ROWS) return 1;
    for (int64_t i = 0; i < AXES_ROWS; i++) row[i] = whole * (2 * i + 1) / (2 * AXES_ROWS);
    axes_take_rows(d, AXES_ROWS);
    return (double)whole / AXES_ROWS;
}

int work_of(const struct descriptor *d, int layers, struct work *out, char *why)
{
    struct descriptor small = *d;
    struct tally t;
    int64_t row[AXES_ROWS];
    const double rows = cut_rows(&small, row),
                 scale = rows * cut_tokens(&small) * axes_cut(&small, FEW) * layers;
    segue_op_header *op = descriptor_op(d, why);
    *out = (struct work){ 0 };
    if (!op || tally_rows(d, &small, rows > 1 ? row : NULL, &t, why)) {
        free(op);
        return -1;
    }
    out->slots = scale * (double)tally_slots(&t);
    out->functions = scale * (double)tally_functions(&t);
    out->fused = scale * (double)t.fused;
    for (uint32_t i = 0; i < d->primitive->field_count; i++) {
        const segue_field_facts *f = &d->primitive->fields[i];
        enum traffic_role role;
        if (!d->present[i] || !role_of(f, &role)) continue;
        double *const sum[] = { &out->read, &out->written, &out->state };
        *sum[role] += layers * tensor_bytes(tensor_of(op, f));
    }
    free(op);
    return 0;
}

double work_bytes(const struct work *w)
{
    return w->read + w->written + 2 * w->state;
}

struct limit limit_of(const struct work *w, const struct rates *rates, double byte_rate)
{
    struct limit l = { .bytes_ms = 1e3 * work_bytes(w) / byte_rate, .by = "bytes" };
    const int bf16 = w->by_tiles == TILES_BF16 && rates && rates->tiles[1] > rates->tiles[0];
    if (rates && w->by_tiles) l.arithmetic_ms = 1e3 * w->fused / rates->tiles[bf16];
    else if (rates) l.arithmetic_ms = 1e3 * (w->slots / rates->slots + w->functions / rates->exps);
    l.ms = l.bytes_ms;
    if (l.arithmetic_ms > l.bytes_ms) l.ms = l.arithmetic_ms, l.by = w->by_tiles ? "tiles" : "exp+fma";
    return l;
}

static void add_operands(const struct stage *s, int layer, enum traffic_role role, struct traffic *out)
{
    for (uint32_t i = 0; i < s->d.primitive->field_count; i++) {
        const segue_field_facts *f = &s->d.primitive->fields[i];
        enum traffic_role own;
        if (!s->d.present[i] || !role_of(f, &own) || own != role) continue;
        const segue_tensor *t = tensor_of(s->op[layer], f);
        traffic_add(out, layer, role, (char *)t->data + lowest_byte(t), (int64_t)tensor_bytes(t));
    }
}

int work_traffic(const struct stage *s, const struct rates *rates, struct traffic *out)
{
    if (traffic_open(out, rates, s->layers)) return -1;
    for (int layer = 0; layer < s->layers; layer++) {
        add_operands(s, layer, TRAFFIC_READ, out);
        add_operands(s, layer, TRAFFIC_WRITTEN, out);
        add_operands(s, layer, TRAFFIC_KEPT, out);
    }
    return 0;
}
