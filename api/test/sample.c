/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sample.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define NOT_OFFERED " gv beta p a b u m_in m_out "

const struct sample_kind sample_kinds[] = {
    { SEGUE_SELECTIVE_SCAN, "batch", " cu_seqlens slot ", "b2 t5 d6 g2 j3 n4 s2 p2" },
    { SEGUE_SELECTIVE_SCAN, "packed", "", "b1 t7 d6 g2 j3 n4 s2 p4" },
    { SEGUE_CAUSAL_CONV1D, "batch", " cu_seqlens seq_idx cache_seqlens slot ", "b2 t5 d6 w4 l5 s2 p2" },
    { SEGUE_CAUSAL_CONV1D, "packed", " seq_idx cache_seqlens ", "b1 t7 d6 w4 l5 s2 p4" },
    { SEGUE_CAUSAL_CONV1D, "tags", " cu_seqlens cache_seqlens slot h_in h_out ", "b2 t5 d6 w4 s2" },
    { SEGUE_CAUSAL_CONV1D, "ring", " cu_seqlens seq_idx slot ", "b2 t3 d6 w4 l5 s2 p2" },
    /* Delta and DPLR writes, the bonus, the stabiliser: no row offers them yet. */
    { SEGUE_GATED_RECURRENCE, "batch", " cu_seqlens slot n_in n_out" NOT_OFFERED,
      "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
    { SEGUE_GATED_RECURRENCE, "packed", NOT_OFFERED, "b1 t7 h2 o4 i2 j1 k3 v4 s2 p4 norm=1 eps=9" },
    { SEGUE_LINEAR_ATTENTION, "batch", " W W_k bias cu_seqlens slot ", "b2 t5 c5 h2 k4 f4 v5 s2 p2" },
    { SEGUE_LINEAR_ATTENTION, "packed", "", "b1 t7 c7 h2 k4 m3 f6 v5 s2 p4 map=8" },
    { SEGUE_LINEAR_ATTENTION, "all keys", " W W_k bias cu_seqlens slot S_in S_out n_in n_out ",
      "b2 t5 c7 h2 k4 v5 causal=0" },
    { SEGUE_RETENTION, "batch", " cu_seqlens slot ", "b2 t5 h3 k4 v5 s2 p2 norm=1" },
    { SEGUE_RETENTION, "packed", "", "b1 t7 h3 k4 v5 s2 p4" },
    { SEGUE_SSD, "batch", " cu_seqlens slot ", "b2 t5 h4 v3 g2 n5 s2 p2" },
    { SEGUE_SSD, "packed", "", "b1 t7 h4 v3 g2 n5 s2 p4" },
    { SEGUE_GATED_LINEAR_ATTENTION, "batch", " cu_seqlens slot ", "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
    { SEGUE_GATED_LINEAR_ATTENTION, "packed", "", "b1 t7 h2 o4 i2 j1 k3 v4 s2 p4" },
    { SEGUE_FEATURE_MAP, "batch", " W bias cu_seqlens ", "b2 t5 h2 k4 f4" },
    { SEGUE_FEATURE_MAP, "packed", "", "b1 t7 h2 k4 m3 f6 s2 map=8" },
    { SEGUE_GATE_PREP, "delta", " A_log lower_bound key ", "b2 t5 h2 k3" },
    { SEGUE_GATE_PREP, "key", " A A_log delta ", "b2 t5 h2 k3 gate=2" },
    { SEGUE_GATE_PREP, "bounded", " A lower_bound delta key ", "b2 t5 h2 k3 gate=3" },
    { SEGUE_L2_NORM, "all", "", "b2 t5 h2 k3" },
    { SEGUE_GATED_NORM, "batch", " cu_seqlens ", "b2 t5 h2 d3" },
    { SEGUE_GATED_NORM, "packed", "", "b1 t7 h2 d3 s2" },
    { 0, NULL, NULL, NULL },
};

int sample_is_tensor(const segue_field_facts *f)
{
    return f->role <= SEGUE_ROLE_OPT_OUT;
}

int sample_is_written(const segue_field_facts *f)
{
    return f->role >= SEGUE_ROLE_STATE_OUT && f->role <= SEGUE_ROLE_OPT_OUT;
}

int sample_field(const segue_primitive_facts *facts, const char *name)
{
    for (uint32_t i = 0; i < facts->field_count; i++)
        if (!strcmp(facts->fields[i].name, name)) return (int)i;
    return -1;
}

segue_tensor *sample_tensor(const segue_primitive_facts *facts, union sample_op *op, int field)
{
    return (segue_tensor *)(op->bytes + facts->fields[field].offset);
}

/* The axis-th word of dims; "" behind the last. */
static const char *axis_word(const segue_field_facts *f, int axis)
{
    const char *p = f->dims;
    while (axis-- > 0) {
        p += strcspn(p, " ");
        p += strspn(p, " ");
    }
    return p;
}

int sample_rank(const segue_field_facts *f)
{
    int rank = 0;
    while (*axis_word(f, rank)) rank++;
    return rank;
}

char sample_letter(const segue_field_facts *f, int axis)
{
    const char c = *axis_word(f, axis);
    return islower((unsigned char)c) ? c : 0;
}

static int64_t axis_size(const struct sample *s, const segue_field_facts *f, int axis)
{
    const char *word = axis_word(f, axis);
    if (!islower((unsigned char)*word)) return strtoll(word, NULL, 10);
    return s->size[*word - 'a'] + (word[1] && word[1] != ' ' ? strtoll(word + 1, NULL, 10) : 0);
}

static int is_left_out(const struct sample_kind *kind, const char *name)
{
    char word[80];
    snprintf(word, sizeof word, " %s ", name);
    return strstr(kind->without, word) != NULL;
}

struct sample sample_make(const struct sample_kind *kind)
{
    struct sample s = { .facts = segue_describe(kind->primitive), .name = kind->name, .sizes = kind->sizes };
    for (const char *p = kind->sizes; *p; p += strcspn(p, " "), p += strspn(p, " "))
        if (p[1] >= '0' && p[1] <= '9') s.size[*p - 'a'] = strtoll(p + 1, NULL, 10);
    for (uint32_t i = 0; i < s.facts->field_count; i++) {
        const segue_field_facts *f = &s.facts->fields[i];
        if (!sample_is_tensor(f) || is_left_out(kind, f->name)) continue;
        size_t bytes = 4; /* f32 and i32 */
        for (int d = 0; d < sample_rank(f); d++) bytes *= (size_t)axis_size(&s, f, d);
        s.present |= (uint64_t)1 << i;
        s.at[i] = s.arena_bytes;
        s.room[i] = bytes + SAMPLE_SLACK;
        s.arena_bytes += (s.room[i] + 255) / 256 * 256;
    }
    return s;
}

/* Integers mean something, each name its own thing; k: element, n: how many there are. */
static int32_t offsets(const struct sample *s, int64_t k, int64_t n)
{
    return (int32_t)(k * s->size['t' - 'a'] / (n - 1));
}

static int32_t pool_rows(const struct sample *s, int64_t k, int64_t n)
{
    (void)n;
    return (int32_t)((k * 3 + 1) % s->size['p' - 'a']); /* read and write rows, all different */
}

static int32_t tags(const struct sample *s, int64_t k, int64_t n)
{
    (void)s, (void)n;
    return (int32_t)(k / 3);
}

static int32_t tokens_seen(const struct sample *s, int64_t k, int64_t n)
{
    (void)s, (void)n;
    return (int32_t)(7 + k);
}

static int32_t some(const struct sample *s, int64_t k, int64_t n)
{
    (void)s, (void)n;
    return k % 3 != 1;
}

static const struct {
    const char *name;
    int32_t (*value)(const struct sample *s, int64_t k, int64_t n);
} integers[] = { { "cu_seqlens", offsets },
                 { "slot", pool_rows },
                 { "seq_idx", tags },
                 { "cache_seqlens", tokens_seen },
                 { "keep", some } };

static void fill_integers(const struct sample *s, const char *name, int32_t *to, int64_t n)
{
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        for (int64_t k = 0; k < n && !strcmp(integers[i].name, name); k++) to[k] = integers[i].value(s, k, n);
}

void sample_fill(const struct sample *s, char *arena)
{
    memset(arena, SAMPLE_CANARY, s->arena_bytes);
    for (uint32_t i = 0; i < s->facts->field_count; i++) {
        const segue_field_facts *f = &s->facts->fields[i];
        const int64_t n = (int64_t)(s->room[i] - SAMPLE_SLACK) / 4;
        if (!(s->present >> i & 1) || sample_is_written(f)) continue;
        if (f->kind == SEGUE_KIND_I32) fill_integers(s, f->name, (int32_t *)(arena + s->at[i]), n);
        uint32_t random = 977 * (i + 1);
        for (int64_t k = 0; k < n && f->kind != SEGUE_KIND_I32; k++) {
            random = random * 1664525u + 1013904223u;
            const float value = (float)(int32_t)random / 2147483648.0f;
            ((float *)(arena + s->at[i]))[k] = !strcmp(f->name, "lower_bound") ? value * value : value;
        }
    }
}

static void set_parameters(const struct sample *s, union sample_op *op)
{
    for (const char *p = s->sizes; *p; p += strcspn(p, " "), p += strspn(p, " "))
        for (uint32_t i = 0; i < s->facts->field_count; i++) {
            const segue_field_facts *f = &s->facts->fields[i];
            const size_t n = strlen(f->name);
            if (strncmp(p, f->name, n) || p[n] != '=') continue;
            const double real = strtod(p + n + 1, NULL);
            const int64_t whole = (int64_t)real;
            memcpy(op->bytes + f->offset,
                   f->role == SEGUE_ROLE_INT ? (const void *)&whole : (const void *)&real, 8);
        }
}

void sample_op(const struct sample *s, char *arena, union sample_op *op)
{
    memset(op, 0, sizeof *op);
    segue_op_init(s->facts->id, &op->header, s->facts->op_size, NULL);
    set_parameters(s, op);
    for (uint32_t i = 0; i < s->facts->field_count; i++) {
        const segue_field_facts *f = &s->facts->fields[i];
        int64_t shape[SEGUE_MAX_RANK];
        if (!(s->present >> i & 1)) continue;
        for (int d = 0; d < sample_rank(f); d++) shape[d] = axis_size(s, f, d);
        *sample_tensor(s->facts, op, (int)i) =
            segue_tensor_of(arena ? arena + s->at[i] : NULL, f->kind == SEGUE_KIND_I32 ? SEGUE_I32 : SEGUE_F32,
                            sample_rank(f), shape);
    }
}
