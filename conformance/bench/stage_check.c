/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A figure counts only where the answer is right. All outputs must be finite; some channels, spread over all of them, are
 * answered by the reference over all tokens and judged by the gauge of the row's accuracy class, states included. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../grammar/dtype.h"
#include "../gauge/judge.h"
#include "stage.h"
#include "../grammar/test_case.h"

enum { CHANNELS = 8 };

struct sample { /* the same call with few channels, for the reference */
    struct stage *s;
    struct descriptor d;
    segue_op_header *op;
    struct gauge_numbers *numbers[DESCRIPTOR_FIELDS];
    int64_t channels, all;
};

static int64_t elements(const segue_tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++) count *= t->shape[i];
    return count;
}

/* The channel of the whole call that stands for the sample's. */
static int64_t channel(const struct sample *k, int64_t d)
{
    return k->channels < 2 ? d : d * (k->all - 1) / (k->channels - 1);
}

/* Where the sample's element number i of a field is in the whole operand: index[] by axis. */
static void locate(const struct sample *k, uint32_t field, int64_t i, int64_t index[SEGUE_MAX_RANK])
{
    const segue_field_facts *f = &k->d.primitive->fields[field];
    const segue_tensor *t = tensor_of(k->op, f);
    const int axis = axis_of(f, 'd');
    for (int a = t->rank - 1; a >= 0; a--) {
        index[a] = i % t->shape[a];
        if (a == axis) index[a] = channel(k, index[a]);
        i /= t->shape[a];
    }
}

static int prepare(struct sample *k, int layer)
{
    int64_t at[SEGUE_MAX_RANK];
    for (uint32_t i = 0; i < k->d.primitive->field_count; i++) {
        const segue_field_facts *f = &k->d.primitive->fields[i];
        if (!is_tensor_field(f) || !k->d.present[i]) continue;
        segue_tensor *t = tensor_of(k->op, f);
        const segue_tensor *whole = tensor_of(k->s->op[layer], f);
        const int64_t count = elements(t);
        *t = segue_tensor_of(NULL, k->d.dtype[i], t->rank, t->shape);
        t->bytes = (uint64_t)count;
        if (!(t->data = k->numbers[i] = gauge_numbers_new(GAUGE_ROUNDINGS, count))) return -1;
        for (int64_t e = 0; e < count && !is_written_field(f); e++) {
            int64_t index = 0;
            locate(k, i, e, at);
            for (int a = 0; a < t->rank; a++) index = index * whole->shape[a] + at[a];
            gauge_set(k->numbers[i], e, stage_value(k->s, layer, i, index));
        }
    }
    return 0;
}

/* An output of the device, from its lowest byte; the caller frees it. */
static char *fetch(const struct stage *s, const segue_tensor *t, char *why)
{
    segue_diag diag = { 0 };
    char *bytes = malloc(t->bytes + 1);
    const segue_buffer from = { t->data, 0, t->bytes }, to = { bytes, 0, t->bytes };
    snprintf(why, DESCRIPTOR_WHY, "no memory for %llu bytes", (unsigned long long)t->bytes);
    if (bytes &&
        !segue_memory_copy(s->device->handle, s->device->stream, SEGUE_COPY_FROM_DEVICE, to, from, t->bytes,
                           &diag) &&
        !segue_stream_sync(s->device->handle, s->device->stream, &diag))
        return bytes;
    if (bytes) snprintf(why, DESCRIPTOR_WHY, "cannot read an output: %.300s", diag.text);
    free(bytes);
    return NULL;
}

static double got(const segue_tensor *t, const char *bytes, const int64_t *index)
{
    int64_t at = 0;
    for (int a = 0; a < t->rank; a++) at += index[a] * t->stride[a];
    return dtype_load(segue_dtype_id(t->dtype), bytes + t->offset + at * (t->dtype.bits / 8));
}

static int all_finite(const segue_tensor *t, const char *bytes, const char *name, char *why)
{
    const int64_t count = elements(t);
    int64_t index[SEGUE_MAX_RANK] = { 0 };
    for (int64_t i = 0; i < count; i++) {
        const double value = got(t, bytes, index);
        if (!isfinite(value)) {
            snprintf(why, DESCRIPTOR_WHY, "%s: element %lld is %g, wanted a finite number", name, (long long)i,
                     value);
            return 0;
        }
        for (int a = t->rank - 1; a >= 0 && ++index[a] == t->shape[a]; a--) index[a] = 0;
    }
    return 1;
}

static int judge_output(const struct sample *k, int layer, uint32_t field, char *why)
{
    const segue_field_facts *f = &k->d.primitive->fields[field];
    const segue_tensor *whole = tensor_of(k->s->op[layer], f);
    const int64_t count = elements(tensor_of(k->op, f));
    int64_t at[SEGUE_MAX_RANK];
    struct bound bound = { 0 };
    struct verdict v = { 0 };
    int bad = -1;
    char *bytes = fetch(k->s, whole, why);
    double *values = bytes ? calloc((size_t)count + 1, sizeof *values) : NULL;
    if (values && all_finite(whole, bytes, f->name, why) &&
        !bound_make(&bound, k->numbers[field], count, k->d.dtype[field], k->s->facts.accuracy, 0)) {
        for (int64_t e = 0; e < count; e++) {
            locate(k, field, e, at);
            values[e] = got(whole, bytes, at);
        }
        judge(&bound, values, &v);
        bad = v.ok && !bound_is_vacuous(&bound) ? 0 : -1;
        if (bad && v.at >= 0)
            snprintf(why, DESCRIPTOR_WHY,
                     "%s is wrong (%s): %g of its bound at element %lld of the sample, %g, wanted %g", f->name,
                     v.rule ? v.rule : "proves nothing", v.margin, (long long)v.at, values[v.at],
                     bound.value[v.at]);
    }
    bound_free(&bound);
    free(values), free(bytes);
    return bad;
}

static int check_layer(struct stage *s, int layer, char *why)
{
    struct sample k = { .s = s, .d = s->d };
    int bad = -1;
    k.all = k.d.axis['d' - 'a'];
    k.channels = k.d.axis['d' - 'a'] = k.all < CHANNELS ? k.all : CHANNELS;
    k.d.layout = LAYOUT_BTD;
    k.op = descriptor_op(&k.d, why);
    if (k.op && (prepare(&k, layer) || gauge_run(k.op, GAUGE_ROUNDINGS, s->facts.accuracy)))
        snprintf(why, DESCRIPTOR_WHY, "the reference cannot answer for %s: no memory, or there is none",
                 k.d.primitive->name);
    else if (k.op) bad = 0;
    for (uint32_t i = 0; !bad && i < k.d.primitive->field_count; i++)
        if (is_written_field(&k.d.primitive->fields[i]) && k.d.present[i])
            bad = judge_output(&k, layer, i, why);
    for (uint32_t i = 0; i < k.d.primitive->field_count; i++) gauge_numbers_free(k.numbers[i]);
    free(k.op);
    return bad;
}

int stage_check(struct stage *s, char *why)
{
    int bad = stage_run(s, 1, why);
    for (int layer = 0; !bad && layer < s->layers; layer++) bad = check_layer(s, layer, why);
    return bad;
}
