/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sample.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define NOT_OFFERED " gv beta p a b u m_in m_out "

#define PACKED_ONLY " cu_seqlens cu_seqlens_k "
#define ONE_LAYOUT " k_len q_pos k_pos q_index k_index o_index label "

const struct sample_kind sample_kinds[] = {
    { SEGUE_SELECTIVE_SCAN, "batch", " cu_seqlens slot ", "b2 t5 d6 g2 j3 n4 s2 p2" },
    { SEGUE_SELECTIVE_SCAN, "packed", "", "b1 t7 d6 g2 j3 n4 s2 p4" },
    { SEGUE_CAUSAL_CONV1D, "batch", " cu_seqlens seq_idx cache_seqlens slot ", "b2 t5 d6 w4 l5 s2 p2" },
    { SEGUE_CAUSAL_CONV1D, "packed", " seq_idx cache_seqlens ", "b1 t7 d6 w4 l5 s2 p4" },
    { SEGUE_CAUSAL_CONV1D, "tags", " cu_seqlens cache_seqlens slot h_in h_out ", "b2 t5 d6 w4 s2" },
    { SEGUE_CAUSAL_CONV1D, "ring", " cu_seqlens seq_idx slot ", "b2 t3 d6 w4 l5 s2 p2" },
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
    { SEGUE_ROTARY, "tables", "", "b2 t5 h2 d6 r2 rotary_dim=4" },
    { SEGUE_ROTARY, "angles", " pos cos sin ", "b2 t5 h2 d6 position=3 xpos_base=512" },
    { SEGUE_ATTENTION_MERGE, "all", "", "r3 b2 t5 h2 v3" },
    { SEGUE_LSH_BUCKETS, "hashed", " bucket_in ", "b2 t6 h2 k3 r2 f2 g2 pad_bucket=1" },
    { SEGUE_LSH_BUCKETS, "given", " x R R_2 keep ", "b2 t6 h2 r2 bucket_stride=4" },
    { SEGUE_UNMASK_SELECT, "budget", " steps_left p temp draws ", "b2 t6 c4 w2 mask_id=3 rule=3" },
    { SEGUE_UNMASK_SELECT, "shares", " k tau p carry carry_out ", "b2 t6 c4 w2 mask_id=3 rule=5 noise=4" },
    { SEGUE_UNMASK_SELECT, "chances", " k steps_left tau temp draws carry carry_out ",
      "b2 t6 c4 w2 mask_id=3 rule=4" },
    { SEGUE_ROW_SAMPLE, "all", "", "b2 t5 n4 v6 w2 z2 mask_id=3 noise=2 transition=1" },
    { SEGUE_DIFFUSION_UNMASK, "budget", " steps_left p temp draws_select ",
      "b2 t6 n4 v6 c4 w2 z2 mask_id=3 noise=2 transition=1 rule=3" },
    { SEGUE_DIFFUSION_UNMASK, "shares", " draws move stay k tau p carry carry_out ",
      "b2 t6 n4 v6 c4 w2 z2 mask_id=3 noise=1 rule=5 select_noise=4" },
    { SEGUE_DIFFUSION_UNMASK, "chances", " draws move stay k steps_left tau temp carry carry_out draws_select ",
      "b2 t6 n4 v6 c4 w2 z2 mask_id=3 rule=4" },
    { SEGUE_ODE_CELL, "LTC", " cu_seqlens slot " CFC GATE PURE, "b2 t5 d3 n4 m4 f3 c6 a5 s2 p2 constraint=1" },
    { SEGUE_ODE_CELL, "packed", " lengths " CFC GATE PURE, "b1 t7 d3 n4 m4 f3 c6 a5 s2 p4 constraint=1" },
    { SEGUE_ODE_CELL, "CfC", " cu_seqlens slot " LTC PURE,
      "b2 t5 d3 n4 f3 e5 z7 i5 l2 u5 s2 p2 cell=1 time_sign=1 head_act=1" },
    { SEGUE_ODE_CELL, "closed form", " cu_seqlens slot backbone_w backbone_b deep_w deep_b " LTC GATE,
      "b2 t5 d3 n4 f3 u7 s2 p2 cell=3" },
    { SEGUE_ATTENTION, "indexed", PACKED_ONLY " q_offset bias ", "b2 t6 n3 e6 m3 c6 h2 j2 k4 v5" },
    { SEGUE_ATTENTION, "packed", ONE_LAYOUT " q_offset ", "b1 t7 n7 e7 m9 c9 h4 j2 k4 v5 s2" },
    { SEGUE_ATTENTION, "offset", PACKED_ONLY ONE_LAYOUT " bias ", "b2 t5 n5 e5 m6 c6 h4 j2 k4 v5 align=1" },
    { SEGUE_LSH_ATTENTION, "hashed", " bucket_in ", "b2 t6 h2 k3 v4 r2 f2 g2 chunk=3 pad_bucket=1 scale=1" },
    { SEGUE_LSH_ATTENTION, "given", " R R_2 ", "b2 t6 h2 k3 v4 r2 chunk=3 bucket_stride=4 scale=1" },
    { 0, NULL, NULL, NULL },
};

/* Delta and DPLR writes, the bonus, the stabiliser. */
const struct sample_kind sample_not_offered = { SEGUE_GATED_RECURRENCE, "", NOT_OFFERED, "" };

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

int sample_goes_without(const struct sample_kind *kind, const char *name)
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
        if (!sample_is_tensor(f) || sample_goes_without(kind, f->name)) continue;
        size_t bytes = 4; /* f32 and i32 */
        for (int d = 0; d < sample_rank(f); d++) bytes *= (size_t)axis_size(&s, f, d);
        s.present |= (uint64_t)1 << i;
        s.at[i] = s.arena_bytes;
        s.room[i] = bytes + SAMPLE_SLACK;
        s.arena_bytes += (s.room[i] + 255) / 256 * 256;
    }
    return s;
}

/* Integers mean something, each name its own thing; k: element, n: how many there are, of: size of the letter. */
static int32_t parts(const struct sample *s, int64_t k, int64_t n, int64_t of)
{
    (void)s;
    return (int32_t)(k * of / (n - 1));
}

static int32_t within(const struct sample *s, int64_t k, int64_t n, int64_t of)
{
    (void)s, (void)n;
    return (int32_t)((k * 5 + 1) % of); /* all different, of what is no multiple of 5 */
}

static int32_t threes(const struct sample *s, int64_t k, int64_t n, int64_t of)
{
    (void)s, (void)n, (void)of;
    return (int32_t)(k / 3);
}

static int32_t seven_on(const struct sample *s, int64_t k, int64_t n, int64_t of)
{
    (void)s, (void)n, (void)of;
    return (int32_t)(7 + k);
}

static int32_t rising(const struct sample *s, int64_t k, int64_t n, int64_t of)
{
    (void)s, (void)n, (void)of;
    return (int32_t)k;
}

static int32_t few(const struct sample *s, int64_t k, int64_t n, int64_t of)
{
    (void)s, (void)n, (void)of;
    return (int32_t)(k + 2);
}

static int32_t all_or_less(const struct sample *s, int64_t k, int64_t n, int64_t of)
{
    (void)s, (void)n;
    return (int32_t)(of - k % 2);
}

static int32_t some(const struct sample *s, int64_t k, int64_t n, int64_t of)
{
    (void)s, (void)n, (void)of;
    return k % 3 != 1;
}

static int32_t masked(const struct sample *s, int64_t k, int64_t n, int64_t of)
{
    (void)s, (void)n, (void)of;
    return k % 3 == 1 ? 1 : 3; /* mask_id=3 */
}

static int32_t candidates(const struct sample *s, int64_t k, int64_t n, int64_t of)
{
    (void)s, (void)n, (void)of;
    return (int32_t)(k % 6 - 1); /* -1: none */
}

static int32_t buckets(const struct sample *s, int64_t k, int64_t n, int64_t of)
{
    (void)n;
    return (int32_t)(k / of % s->size['r' - 'a'] * 4 + k % 3); /* bucket_stride=4 */
}

static const struct {
    const char *name;
    int32_t (*value)(const struct sample *s, int64_t k, int64_t n, int64_t of);
    char letter; /* 0 = none */
} integers[] = {
    { "cu_seqlens", parts, 't' },
    { "cu_seqlens_k", parts, 'c' },
    { "synapse_ptr", parts, 'c' },
    { "sensory_ptr", parts, 'a' },
    { "synapse_src", within, 'm' },
    { "sensory_src", within, 'd' },
    { "slot", within, 'p' },
    { "row", within, 'n' },
    { "q_index", within, 't' },
    { "k_index", within, 't' },
    { "o_index", within, 't' },
    { "bucket_in", buckets, 't' },
    { "k_len", all_or_less, 'm' },
    { "hi", all_or_less, 't' },
    { "seq_idx", threes, 0 },
    { "label", threes, 0 },
    { "cache_seqlens", seven_on, 0 },
    { "keep", some, 0 },
    { "keep_q", some, 0 },
    { "q_pos", rising, 0 },
    { "k_pos", rising, 0 },
    { "pos", rising, 0 },
    { "lo", rising, 0 },
    { "banned", rising, 0 },
    { "seed", rising, 0 },
    { "seq_id", rising, 0 },
    { "step", rising, 0 },
    { "q_offset", few, 0 },
    { "lengths", few, 0 },
    { "top_k", few, 0 },
    { "k", few, 0 },
    { "steps_left", few, 0 },
    { "carry", few, 0 },
    { "x", masked, 0 },
    { "tok", candidates, 0 },
};

static void fill_integers(const struct sample *s, const char *name, int32_t *to, int64_t n)
{
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        const char letter = integers[i].letter;
        const int64_t of = letter ? s->size[letter - 'a'] : 0;
        for (int64_t k = 0; k < n && !strcmp(integers[i].name, name); k++)
            to[k] = integers[i].value(s, k, n, of);
    }
}

/* Probabilities, temperatures, times. */
static int is_positive(const char *name)
{
    static const char *const positive[] = { "lower_bound", "draws",        "temperature", "top_p",
                                            "move",        "stay",         "tau",         "p",
                                            "elapsed",     "draws_select", "temp" };
    for (size_t i = 0; i < sizeof positive / sizeof *positive; i++)
        if (!strcmp(positive[i], name)) return 1;
    return 0;
}

void sample_fill(const struct sample *s, char *arena)
{
    memset(arena, SAMPLE_CANARY, s->arena_bytes);
    for (uint32_t i = 0; i < s->facts->field_count; i++) {
        const segue_field_facts *f = &s->facts->fields[i];
        const int64_t n = (int64_t)(s->room[i] - SAMPLE_SLACK) / 4;
        if (!(s->present >> i & 1) || sample_is_written(f)) continue;
        if (f->kind == SEGUE_KIND_I32) fill_integers(s, f->name, (int32_t *)(arena + s->at[i]), n);
        const int positive = is_positive(f->name);
        uint32_t random = 977 * (i + 1);
        for (int64_t k = 0; k < n && f->kind != SEGUE_KIND_I32; k++) {
            random = random * 1664525u + 1013904223u;
            const float value = (float)(int32_t)random / 2147483648.0f;
            ((float *)(arena + s->at[i]))[k] = positive ? value * value : value;
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
