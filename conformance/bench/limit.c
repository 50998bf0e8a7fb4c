/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "limit.h"

#include <stdio.h>
#include <stdlib.h>

#include "../grammar/test_case.h"

enum { FEW = 4 }; /* tokens and channels that are counted */

int work_tally(const struct descriptor *d, struct tally *out, char *why)
{
    segue_op_header *op = descriptor_op(d, why);
    *out = (struct tally){ 0 };
    if (!op) return -1;
    for (uint32_t i = 0; i < d->primitive->field_count; i++)
        if (is_written_field(&d->primitive->fields[i]) && d->present[i])
            tensor_of(op, &d->primitive->fields[i])->data = out;
    const int bad = tally_run(op);
    if (bad) snprintf(why, DESCRIPTOR_WHY, "the work of %s cannot be counted", d->primitive->name);
    free(op);
    return bad ? -1 : 0;
}

static double tensor_bytes(const segue_tensor *t)
{
    double bytes = t->dtype.bits / 8.0;
    for (int i = 0; i < t->rank; i++)
        if (t->stride[i]) bytes *= (double)t->shape[i];
    return bytes;
}

/* Cuts an axis; returns by what the work shrinks. */
static double cut(struct descriptor *d, char letter)
{
    int64_t *axis = &d->axis[letter - 'a'];
    const int64_t whole = *axis;
    if (whole <= FEW) return 1;
    *axis = FEW;
    return (double)whole / FEW;
}

int work_of(const struct descriptor *d, int layers, struct work *out, char *why)
{
    struct descriptor small = *d;
    struct tally t;
    const double scale = cut(&small, 't') * cut(&small, 'd') * layers;
    segue_op_header *op = descriptor_op(d, why);
    *out = (struct work){ .layers = layers, .tokens = (int)d->axis['t' - 'a'] };
    if (!op || work_tally(&small, &t, why)) {
        free(op);
        return -1;
    }
    out->slots = scale * (double)tally_slots(&t);
    out->functions = scale * (double)tally_functions(&t);
    for (uint32_t i = 0; i < d->primitive->field_count; i++) {
        const segue_field_facts *f = &d->primitive->fields[i];
        if (!is_tensor_field(f) || !d->present[i]) continue;
        const double bytes = layers * tensor_bytes(tensor_of(op, f));
        if (f->role == SEGUE_ROLE_STATE_OUT) out->state += bytes;
        else if (f->role == SEGUE_ROLE_STATE_IN) continue; /* the same bytes, updated in place */
        else if (is_written_field(f)) out->written += bytes;
        else out->read += bytes;
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
    if (rates) l.arithmetic_ms = 1e3 * (w->slots / rates->slots + w->functions / rates->exps);
    l.ms = l.bytes_ms;
    if (l.arithmetic_ms > l.bytes_ms) l.ms = l.arithmetic_ms, l.by = "exp+fma";
    return l;
}

int work_traffic(const struct work *w, const struct rates *rates, struct traffic *out)
{
    const int64_t read = (int64_t)(w->read / w->layers), written = (int64_t)(w->written / w->layers);
    const int64_t state = (int64_t)(w->state / w->layers);
    if (w->tokens == 1 && state) return traffic_open(out, rates, w->layers, read, 0, state);
    return traffic_open(out, rates, w->layers, read + state, written + state, 0);
}

double traffic_rate(const struct traffic *t)
{
    const int64_t block = 4 * BENCH_BLOCK;
    const double moved = (double)(t->read / block * block) + (double)(t->written / block * block) +
                         2.0 * (double)(t->state / block * block);
    return (double)t->layers * moved / t->best;
}
