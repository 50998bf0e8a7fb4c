/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "lowered_answers.h"

#include <math.h>

enum { ARENA = 1 << 20, GUARD = 256 };

const struct sample_kind lowered_kinds[] = {
    { SEGUE_SSD, "all", " cu_seqlens slot ", "b2 t7 h4 v3 g2 n5 s2 p2" },
    { SEGUE_SSD, "packed", "", "b1 t9 h4 v3 g2 n5 s3 p7 dt_max=0.6 dt_min=0.2" },
    { SEGUE_SSD, "bare", " cu_seqlens slot D z dt_bias h_in h_out ", "b2 t7 h4 v3 g1 n5 softplus=0" },
    { SEGUE_SSD, "decode", " cu_seqlens slot ", "b3 t1 h4 v3 g4 n5 s3 p3" },
    { SEGUE_GATED_LINEAR_ATTENTION, "all", " cu_seqlens slot ", "b2 t7 h4 o8 i2 j2 k5 v3 s2 p2 scale=0.5" },
    { SEGUE_GATED_LINEAR_ATTENTION, "packed", " gk ", "b1 t9 h4 o8 i4 j2 k5 v3 s3 p7 head_map=1" },
    { SEGUE_GATED_LINEAR_ATTENTION, "bare", " g gk cu_seqlens slot S_in S_out ", "b2 t7 h2 o2 i2 j2 k5 v3" },
    { SEGUE_RETENTION, "all", " cu_seqlens slot ", "b2 t7 h3 k4 v5 s2 p2 norm=1 eps=0.01 scale=0.5" },
    { SEGUE_RETENTION, "plain", " cu_seqlens slot ", "b2 t7 h3 k4 v5 s2 p2" },
    { SEGUE_RETENTION, "packed", " z ", "b1 t9 h3 k4 v5 s3 p7" },
    { SEGUE_RETENTION, "packed, norm", " slot ", "b1 t9 h3 k4 v5 s3 p3 norm=1" },
    { SEGUE_RETENTION, "norm", " z cu_seqlens slot S_in S_out ", "b2 t7 h3 k4 v5 norm=1" },
    { SEGUE_LINEAR_ATTENTION, "elu", " W W_k bias cu_seqlens slot ", "b2 t7 c7 h2 k4 f4 v5 s2 p2" },
    { SEGUE_LINEAR_ATTENTION, "packed", " W W_k bias ",
      "b1 t9 c9 h2 k4 f4 v5 s3 p7 norm=2 eps=0.5 map=2 map_eps=0.1" },
    { SEGUE_LINEAR_ATTENTION, "favor", " W_k bias keep cu_seqlens slot ",
      "b2 t7 c7 h2 k4 m6 f6 v5 s2 p2 map=3 map_scale=0.7 map_eps=0.001 norm=3 scale=2" },
    { SEGUE_LINEAR_ATTENTION, "features", " bias keep cu_seqlens slot S_in S_out n_in n_out ",
      "b2 t7 c7 h2 k4 m3 v5 map=4 key_shift=2 shift=0.5" },
    { SEGUE_LINEAR_ATTENTION, "hedgehog", " W_k keep cu_seqlens slot ",
      "b2 t7 c7 h2 k4 m3 f6 v5 s2 p2 map=8 norm=4" },
    { SEGUE_LINEAR_ATTENTION, "taylor", " W W_k bias keep cu_seqlens slot n_in n_out ",
      "b2 t7 c7 h2 k3 f13 v5 s2 p2 map=9 norm=0" },
    { SEGUE_LINEAR_ATTENTION, "positions", " W W_k bias cu_seqlens slot ",
      "b2 t7 c7 h2 k3 f6 v5 s2 p2 map=10 position=3 length=20 eps=1" },
    { SEGUE_LINEAR_ATTENTION, "all keys", " W W_k bias cu_seqlens slot S_in S_out n_in n_out ",
      "b2 t5 c9 h2 k4 v5 causal=0" },
    { SEGUE_LINEAR_ATTENTION, "all keys, bare", " W W_k bias keep cu_seqlens slot S_in S_out n_in n_out ",
      "b2 t5 c9 h2 k4 v5 causal=0 norm=0 map=0" },
    { SEGUE_LINEAR_ATTENTION, "all keys, shifted", " keep bias cu_seqlens slot S_in S_out n_in n_out ",
      "b2 t5 c9 h2 k4 m3 v5 causal=0 map=3 key_shift=1 norm=5" },
    { SEGUE_LINEAR_ATTENTION, "all keys, packed", " W W_k bias slot S_in S_out n_in n_out ",
      "b1 t9 c9 h2 k4 v5 s3 causal=0" },
    { 0, NULL, NULL, NULL },
};

char *new_arena(void)
{
    return aligned_alloc(256, ARENA);
}

struct answer answer_of(const struct bench *b, const struct sample_kind *kind, const char *row)
{
    struct answer a = { .sample = sample_make(kind),
                        .facts = { .size = sizeof a.facts },
                        .arena = new_arena() };
    segue_plan *plan = NULL;
    union sample_op op;
    sample_fill(&a.sample, a.arena);
    sample_op(&a.sample, a.arena, &op);
    segue_diag why = { 0 };
    if (segue_plan_create_row(b->dev, &op.header, row, &plan, &why))
        fail_msg("%s %s, %s: %s", a.sample.facts->name, kind->name, row ? row : "the best", why.text);
    assert_ok(segue_plan_info(plan, &a.facts, why));
    char *work = aligned_alloc(256, (a.facts.workspace_bytes + 3 * GUARD) / 256 * 256);
    memset(work, SAMPLE_CANARY, a.facts.workspace_bytes + 2 * GUARD);
    const segue_buffer workspace = { work, GUARD, GUARD + a.facts.workspace_bytes };
    if (segue_plan_run(plan, &op.header, b->stream, workspace, &why))
        fail_msg("%s %s: %s", a.sample.facts->name, kind->name, why.text);
    for (size_t i = 0; i < GUARD; i++)
        assert_true((unsigned char)work[i] == SAMPLE_CANARY &&
                    (unsigned char)work[GUARD + a.facts.workspace_bytes + i] == SAMPLE_CANARY);
    free(work);
    segue_plan_destroy(plan);
    return a;
}

void compare(const struct answer *got, const struct answer *want)
{
    const struct sample *s = &got->sample;
    for (uint32_t i = 0; i < s->facts->field_count; i++) {
        const float *a = (const float *)(got->arena + s->at[i]), *b = (const float *)(want->arena + s->at[i]);
        const size_t n = (s->room[i] - SAMPLE_SLACK) / sizeof *a;
        if (!(s->present >> i & 1)) continue;
        assert_memory_equal((const char *)(a + n), (const char *)(b + n), SAMPLE_SLACK);
        if (!sample_is_written(&s->facts->fields[i])) {
            assert_memory_equal((const char *)a, (const char *)b, n * sizeof *a);
            continue;
        }
        for (size_t k = 0; k < n; k++)
            if (!(fabsf(a[k] - b[k]) <= 2e-6f * (1 + fabsf(b[k]))) && memcmp(&a[k], &b[k], 4))
                fail_msg("%s %s: %s[%zu] is %g, wanted %g", s->facts->name, s->name, s->facts->fields[i].name,
                         k, (double)a[k], (double)b[k]);
    }
}

const struct sample_kind *kind_named(uint32_t primitive, const char *name)
{
    const struct sample_kind *kind = lowered_kinds;
    while (kind->primitive != primitive || strcmp(kind->name, name)) kind++;
    return kind;
}
