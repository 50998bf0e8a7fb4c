/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A figure counts only where the answer is right. All outputs must be finite; some channels, or heads and value columns,
 * spread over all of them, are answered by the reference over all tokens and judged by the gauge of the row's accuracy
 * class, states included. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../checks/call.h"
#include "../grammar/dtype.h"
#include "../gauge/judge.h"
#include "axes.h"
#include "stage.h"
#include "../grammar/test_case.h"

/* What a written operand has to be. */
struct answer {
    struct bound bound; /* of the sample's elements */
    uint64_t bits;      /* digest of what the first check found */
    int made, seen;
};

struct sample { /* the same call with few channels or heads, for the reference */
    struct stage *s;
    struct descriptor d;
    segue_op_header *op;
    struct gauge_numbers *numbers[DESCRIPTOR_FIELDS];
    int32_t position[STAGE_PICKS]; /* of rows of queries that were taken */
};

static int64_t elements(const segue_tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++) count *= t->shape[i];
    return count;
}

/* Where the sample's element number i of a field is in the whole operand: index[] by axis. */
static void locate(const struct sample *k, uint32_t field, int64_t i, int64_t index[SEGUE_MAX_RANK])
{
    const segue_field_facts *f = &k->d.primitive->fields[field];
    const segue_tensor *t = tensor_of(k->op, f);
    for (int a = t->rank - 1; a >= 0; a--) {
        index[a] = i % t->shape[a];
        i /= t->shape[a];
    }
    for (char letter = 'a'; letter <= 'z'; letter++) {
        const struct pick *p = &k->s->pick[letter - 'a'];
        const int a = p->count ? plain_axis(f, letter) : -1;
        if (a >= 0) index[a] = p->index[index[a]];
    }
}

/* The same call with what is picked of its axes. NULL with words. */
static segue_op_header *sample_op(struct sample *k, char *why)
{
    const struct pick *rows = &k->s->pick['n' - 'a'];
    for (int i = 0; i < 26; i++)
        if (k->s->pick[i].count && i != 'e' - 'a')
            k->d.axis[i] = k->s->pick[i].count; /* e: as the rules have it */
    if (rows->count) axes_take_rows(&k->d, rows->count);
    if (k->s->few) k->d.axis['t' - 'a'] = k->s->few;
    k->d.layout = LAYOUT_BTD;
    segue_op_header *op = descriptor_op(&k->d, why);
    if (op && rows->count) axes_place(&k->s->d, op, rows->index, k->position);
    return op;
}

static int prepare(struct sample *k, int layer)
{
    int64_t at[SEGUE_MAX_RANK];
    for (uint32_t i = 0; i < k->d.primitive->field_count; i++) {
        const segue_field_facts *f = &k->d.primitive->fields[i];
        if (!is_tensor_field(f) || !k->d.present[i] || !k->s->d.present[i]) continue;
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
            snprintf(why, DESCRIPTOR_WHY, "%s is wrong: element %lld is %g, wanted a finite number", name,
                     (long long)i, value);
            return 0;
        }
        for (int a = t->rank - 1; a >= 0 && ++index[a] == t->shape[a]; a--) index[a] = 0;
    }
    return 1;
}

/* FNV-1a over the elements, not over what lies between them. */
static uint64_t digest(const segue_tensor *t, const char *bytes)
{
    const int64_t count = elements(t), last = t->rank - 1, size = t->dtype.bits / 8;
    int64_t index[SEGUE_MAX_RANK] = { 0 };
    uint64_t sum = 0xcbf29ce484222325u, word = 0;
    for (int64_t i = 0; i < count; i += t->shape[last]) {
        int64_t at = (int64_t)t->offset;
        for (int a = 0; a < last; a++) at += index[a] * t->stride[a] * size;
        for (int64_t k = 0; k < t->shape[last]; k++) {
            memcpy(&word, bytes + at + k * t->stride[last] * size, (size_t)size);
            sum = (sum ^ word) * 0x100000001b3u;
            sum ^= sum >> 32; /* else high bits never reach low ones */
        }
        for (int64_t a = last - 1; a >= 0 && ++index[a] == t->shape[a]; a--) index[a] = 0;
    }
    return sum;
}

/* The reference's answers of a layer: once, since every check starts from the same operands. */
static int make_answers(struct stage *s, int layer, struct answer *answer, char *why)
{
    struct sample k = { .s = s, .d = s->d };
    k.op = sample_op(&k, why);
    int bad = !k.op;
    if (k.op && (bad = prepare(&k, layer) || gauge_run(k.op, GAUGE_ROUNDINGS, s->facts.accuracy)))
        snprintf(why, DESCRIPTOR_WHY, "the reference cannot answer for %s: no memory, or there is none",
                 k.d.primitive->name);
    for (uint32_t i = 0; !bad && i < k.d.primitive->field_count; i++) {
        if (!is_written_field(&k.d.primitive->fields[i]) || !k.d.present[i]) continue;
        const int64_t count = elements(tensor_of(k.op, &k.d.primitive->fields[i]));
        bad = bound_make(&answer[i].bound, k.numbers[i], count, k.d.dtype[i], s->facts.accuracy, 0);
        if (bad)
            snprintf(why, DESCRIPTOR_WHY, "no memory for what %s should be", k.d.primitive->fields[i].name);
        else answer[i].made = 1;
    }
    for (uint32_t i = 0; i < k.d.primitive->field_count; i++) gauge_numbers_free(k.numbers[i]);
    free(k.op);
    return bad ? -1 : 0;
}

/* bytes: the whole operand. */
static int judge_sample(struct stage *s, int layer, uint32_t field, const struct answer *answer,
                        const char *bytes, char *why)
{
    struct sample k = { .s = s, .d = s->d };
    const struct bound *bound = &answer->bound;
    const segue_field_facts *f = &k.d.primitive->fields[field];
    int64_t at[SEGUE_MAX_RANK];
    struct verdict v = { 0 };
    double *values = calloc((size_t)bound->count + 1, sizeof *values);
    k.op = sample_op(&k, why);
    int bad = !values || !k.op;
    if (!values) snprintf(why, DESCRIPTOR_WHY, "no memory to judge %s", f->name);
    for (int64_t e = 0; !bad && e < bound->count; e++) {
        locate(&k, field, e, at);
        values[e] = got(tensor_of(s->op[layer], f), bytes, at);
    }
    if (!bad) {
        judge(bound, values, &v);
        bad = !v.ok || bound_is_vacuous(bound);
        snprintf(why, DESCRIPTOR_WHY, "%s: the check proves nothing", f->name);
        if (bad && v.at >= 0) {
            char place[SEGUE_MAX_RANK * 22] = "";
            const int rank = tensor_of(k.op, f)->rank;
            locate(&k, field, v.at, at);
            for (int a = 0; a < rank; a++)
                snprintf(place + strlen(place), sizeof place - strlen(place), " %lld", (long long)at[a]);
            snprintf(why, DESCRIPTOR_WHY, "%s is wrong (%s): %g of its bound at%s (%s): %g, wanted %g", f->name,
                     v.rule ? v.rule : "proves nothing", v.margin, place, f->dims, values[v.at],
                     bound->value[v.at]);
        }
    }
    free(values), free(k.op);
    return bad ? -1 : 0;
}

static int check_output(struct stage *s, int layer, uint32_t field, struct answer *answer, char *why)
{
    const segue_field_facts *f = &s->d.primitive->fields[field];
    const segue_tensor *t = tensor_of(s->op[layer], f);
    char *bytes = fetch(s, t, why);
    if (!bytes) return -1;
    const uint64_t bits = digest(t, bytes);
    int bad = 0;
    if (answer->seen && bits == answer->bits) { /* it was right */
    } else if (answer->seen && s->facts.determinism & SEGUE_RUN_TO_RUN) {
        snprintf(why, DESCRIPTOR_WHY,
                 "%s is wrong (bits): two runs of the same call differ, the row promises not to", f->name);
        bad = -1;
    } else if (!all_finite(t, bytes, f->name, why)) bad = -1;
    else if (!s->few) bad = judge_sample(s, layer, field, answer, bytes, why);
    if (!bad) answer->bits = bits, answer->seen = 1;
    free(bytes);
    return bad;
}

/* What a shorter run of the same plan leaves. */
static int check_few(struct stage *s, char *why)
{
    const uint32_t fields = s->d.primitive->field_count;
    int bad = stage_run_few(s, why);
    for (uint32_t n = 0; !bad && n < (uint32_t)s->layers * fields; n++) {
        const int layer = (int)(n / fields);
        const segue_field_facts *f = &s->d.primitive->fields[n % fields];
        if (!is_written_field(f) || !s->d.present[n % fields]) continue;
        char *bytes = fetch(s, tensor_of(s->op[layer], f), why);
        bad = !bytes || judge_sample(s, layer, n % fields, &s->answer[n], bytes, why);
        free(bytes);
    }
    return bad ? -1 : 0;
}

int stage_check(struct stage *s, char *why)
{
    const uint32_t fields = s->d.primitive->field_count;
    int bad = stage_rewind(s, s->checks++ % 2 ? STAGE_HUGE : STAGE_NANS, why) || stage_run(s, 1, why);
    if (!bad && !s->answer && !(s->answer = calloc((size_t)s->layers * fields, sizeof *s->answer))) {
        snprintf(why, DESCRIPTOR_WHY, "no memory for the answers");
        return -1;
    }
    for (int layer = 0; !bad && layer < s->layers; layer++) {
        struct answer *const answer = s->answer + (uint32_t)layer * fields;
        for (uint32_t i = 0; !bad && i < fields; i++) {
            if (!is_written_field(&s->d.primitive->fields[i]) || !s->d.present[i]) continue;
            bad = (!answer[i].made && make_answers(s, layer, answer, why)) ||
                  check_output(s, layer, i, &answer[i], why);
        }
    }
    if (!bad && s->few) bad = check_few(s, why);
    return bad ? -1 : 0;
}

int stage_finite(struct stage *s, char *why)
{
    int bad = 0;
    for (int layer = 0; !bad && layer < s->layers; layer++)
        for (uint32_t i = 0; !bad && i < s->d.primitive->field_count; i++) {
            const segue_field_facts *f = &s->d.primitive->fields[i];
            if (!is_written_field(f) || !s->d.present[i]) continue;
            const segue_tensor *t = tensor_of(s->op[layer], f);
            char *bytes = fetch(s, t, why);
            bad = !bytes || !all_finite(t, bytes, f->name, why);
            free(bytes);
        }
    return bad ? -1 : 0;
}

void stage_forget(struct stage *s)
{
    const size_t count = s->answer ? (size_t)s->layers * s->d.primitive->field_count : 0;
    for (size_t i = 0; i < count; i++)
        if (s->answer[i].made) bound_free(&s->answer[i].bound);
    free(s->answer);
    s->answer = NULL;
}
