/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Ops that are valid by themselves but are not what the plan was made for. */
#include "bad_input.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { DYNAMIC, FROZEN };
enum { WITHOUT = 800 };

/* A consistent op whose axes differ from the plan's in some letters. */
static const struct other_sizes {
    uint32_t primitive;
    const char *base, *sizes;
    char letter; /* the one that is reported */
    int frozen;
} other_sizes[] = {
#define SCAN SEGUE_SELECTIVE_SCAN
#define CONV SEGUE_CAUSAL_CONV1D
    { SCAN, "batch", "b3 t5 d6 g2 j3 n4 s3 p3", 'b', DYNAMIC },
    { SCAN, "batch", "b2 t6 d6 g2 j3 n4 s2 p2", 't', DYNAMIC },
    { SCAN, "batch", "b2 t5 d12 g2 j3 n4 s2 p2", 'd', FROZEN },
    { SCAN, "batch", "b2 t5 d6 g3 j3 n4 s2 p2", 'g', FROZEN },
    { SCAN, "batch", "b2 t5 d6 g2 j2 n4 s2 p2", 'j', FROZEN },
    { SCAN, "batch", "b2 t5 d6 g2 j3 n3 s2 p2", 'n', FROZEN },
    { SCAN, "batch", "b2 t5 d6 g2 j3 n5 s2 p2", 'n', FROZEN },
    { SCAN, "batch", "b2 t5 d6 g1 j3 n4 s2 p2", 'g', FROZEN },
    { SCAN, "packed", "b1 t7 d6 g2 j3 n4 s3 p4", 's', DYNAMIC },
    { SCAN, "packed", "b1 t7 d6 g2 j3 n4 s2 p5", 'p', DYNAMIC },
    { SCAN, "packed", "b1 t99 d6 g2 j3 n4 s2 p4", 't', DYNAMIC },
    { CONV, "batch", "b3 t5 d6 w4 l5 s3 p3", 'b', DYNAMIC },
    { CONV, "batch", "b2 t6 d6 w4 l5 s2 p2", 't', DYNAMIC },
    { CONV, "batch", "b2 t5 d7 w4 l5 s2 p2", 'd', FROZEN },
    { CONV, "batch", "b2 t5 d5 w4 l5 s2 p2", 'd', FROZEN },
    { CONV, "batch", "b2 t5 d6 w3 l5 s2 p2", 'w', FROZEN },
    { CONV, "batch", "b2 t5 d6 w5 l5 s2 p2", 'w', FROZEN },
    { CONV, "batch", "b2 t5 d6 w4 l4 s2 p2", 'l', FROZEN },
    { CONV, "batch", "b2 t5 d6 w4 l6 s2 p2", 'l', FROZEN },
    { CONV, "packed", "b1 t7 d6 w4 l5 s3 p4", 's', DYNAMIC },
    { CONV, "packed", "b1 t7 d6 w4 l5 s2 p5", 'p', DYNAMIC },
    { CONV, "ring", "b3 t3 d6 w4 l5 s3 p3", 'b', DYNAMIC },
    { CONV, "tags", "b2 t6 d6 w4 s2", 't', DYNAMIC },
    { SEGUE_GATED_RECURRENCE, "batch", "b2 t5 h2 o4 i2 j1 k4 v4 s2 p2", 'k', FROZEN },
    { SEGUE_GATED_RECURRENCE, "batch", "b2 t5 h2 o4 i1 j1 k3 v4 s2 p2", 'i', FROZEN },
    { SEGUE_LINEAR_ATTENTION, "packed", "b1 t7 c7 h2 k4 m4 f8 v5 s2 p4 map=8", 'f', FROZEN },
    { SEGUE_LINEAR_ATTENTION, "packed", "b1 t8 c8 h2 k4 m3 f6 v5 s2 p4 map=8", 'c', DYNAMIC },
    { SEGUE_LINEAR_ATTENTION, "all keys", "b2 t5 c8 h2 k4 v5 causal=0", 'c', DYNAMIC },
    { SEGUE_RETENTION, "batch", "b2 t5 h3 k4 v6 s2 p2 norm=1", 'v', FROZEN },
    { SEGUE_SSD, "batch", "b3 t5 h4 v3 g2 n5 s3 p3", 'b', DYNAMIC },
    { SEGUE_SSD, "packed", "b1 t7 h4 v3 g2 n5 s2 p5", 'p', DYNAMIC },
    { SEGUE_SSD, "batch", "b2 t5 h4 v3 g4 n5 s2 p2", 'g', FROZEN },
    { SEGUE_GATED_NORM, "batch", "b2 t5 h3 d3", 'h', FROZEN },
    { SEGUE_ROTARY, "tables", "b2 t6 h2 d6 r2 rotary_dim=4", 't', DYNAMIC },
    { SEGUE_ROTARY, "tables", "b2 t5 h2 d8 r2 rotary_dim=4", 'd', FROZEN },
    { SEGUE_ATTENTION_MERGE, "all", "r4 b2 t5 h2 v3", 'r', DYNAMIC },
    { SEGUE_ATTENTION_MERGE, "all", "r3 b2 t5 h3 v3", 'h', FROZEN },
    { SEGUE_LSH_BUCKETS, "hashed", "b2 t7 h2 k3 r2 f2 g2 pad_bucket=1", 't', DYNAMIC },
    { SEGUE_LSH_BUCKETS, "hashed", "b2 t6 h2 k3 r2 f3 g2 pad_bucket=1", 'f', FROZEN },
    { SEGUE_LSH_BUCKETS, "hashed", "b2 t6 h2 k3 r2 f2 g1 pad_bucket=1", 'g', FROZEN },
    { SEGUE_LSH_BUCKETS, "given", "b2 t6 h2 r3 bucket_stride=4", 'r', FROZEN },
    { SEGUE_UNMASK_SELECT, "budget", "b3 t6 c4 w2 mask_id=3 rule=3", 'b', DYNAMIC },
    { SEGUE_UNMASK_SELECT, "budget", "b2 t7 c4 w2 mask_id=3 rule=3", 't', DYNAMIC },
    { SEGUE_UNMASK_SELECT, "budget", "b2 t6 c5 w2 mask_id=3 rule=3", 'c', FROZEN },
    { SEGUE_ROW_SAMPLE, "all", "b2 t5 n5 v6 w2 z2 mask_id=3 noise=2 transition=1", 'n', DYNAMIC },
    { SEGUE_ROW_SAMPLE, "all", "b2 t6 n4 v6 w2 z2 mask_id=3 noise=2 transition=1", 't', DYNAMIC },
    { SEGUE_ROW_SAMPLE, "all", "b2 t5 n4 v7 w2 z2 mask_id=3 noise=2 transition=1", 'v', FROZEN },
    { SEGUE_ROW_SAMPLE, "all", "b2 t5 n4 v6 w2 z1 mask_id=3 noise=2 transition=1", 'z', FROZEN },
    { SEGUE_DIFFUSION_UNMASK, "budget", "b2 t6 n5 v6 c4 w2 z2 mask_id=3 noise=2 transition=1 rule=3", 'n',
      DYNAMIC },
    { SEGUE_DIFFUSION_UNMASK, "budget", "b2 t6 n4 v5 c4 w2 z2 mask_id=3 noise=2 transition=1 rule=3", 'v',
      FROZEN },
    { SEGUE_DIFFUSION_UNMASK, "budget", "b2 t6 n4 v6 c3 w2 z2 mask_id=3 noise=2 transition=1 rule=3", 'c',
      FROZEN },
    { SEGUE_ODE_CELL, "LTC", "b3 t5 d3 n4 m4 f3 c6 a5 s3 p3 constraint=1", 'b', DYNAMIC },
    { SEGUE_ODE_CELL, "LTC", "b2 t5 d4 n4 m4 f3 c6 a5 s2 p2 constraint=1", 'd', FROZEN },
    { SEGUE_ODE_CELL, "LTC", "b2 t5 d3 n4 m4 f2 c6 a5 s2 p2 constraint=1", 'f', FROZEN },
    { SEGUE_ODE_CELL, "LTC", "b2 t5 d3 n4 m4 f3 c7 a5 s2 p2 constraint=1", 'c', FROZEN },
    { SEGUE_ODE_CELL, "LTC", "b2 t5 d3 n4 m4 f3 c6 a4 s2 p2 constraint=1", 'a', FROZEN },
    { SEGUE_ODE_CELL, "packed", "b1 t7 d3 n4 m4 f3 c6 a5 s2 p5 constraint=1", 'p', DYNAMIC },
    { SEGUE_ODE_CELL, "CfC", "b2 t5 d3 n4 f3 e5 z7 i5 l3 u5 s2 p2 cell=1 time_sign=1 head_act=1", 'l', FROZEN },
    { SEGUE_ATTENTION, "indexed", "b2 t7 n3 e6 m3 c6 h2 j2 k4 v5", 't', DYNAMIC },
    { SEGUE_ATTENTION, "indexed", "b2 t6 n3 e7 m3 c6 h2 j2 k4 v5", 'e', DYNAMIC },
    { SEGUE_ATTENTION, "indexed", "b2 t6 n3 e6 m4 c6 h2 j2 k4 v5", 'm', DYNAMIC },
    { SEGUE_ATTENTION, "packed", "b1 t7 n7 e7 m10 c10 h4 j2 k4 v5 s2", 'c', DYNAMIC },
    { SEGUE_ATTENTION, "packed", "b1 t7 n7 e7 m9 c9 h4 j2 k4 v5 s3", 's', DYNAMIC },
    { SEGUE_ATTENTION, "packed", "b1 t7 n7 e7 m9 c9 h4 j1 k4 v5 s2", 'j', FROZEN },
    { SEGUE_LSH_ATTENTION, "hashed", "b2 t9 h2 k3 v4 r2 f2 g2 chunk=3 pad_bucket=1 scale=1", 't', DYNAMIC },
    { SEGUE_LSH_ATTENTION, "hashed", "b2 t6 h2 k3 v4 r1 f2 g2 chunk=3 pad_bucket=1 scale=1", 'r', FROZEN },
};

static const struct sample_kind *kind_of(const struct bad *bad)
{
    const struct sample_kind *kind = sample_kinds;
    while (kind->primitive != bad->base.facts->id || strcmp(kind->name, bad->base.name)) kind++;
    return kind;
}

static int64_t size_in(const char *sizes, char letter)
{
    return strtoll(strchr(sizes, letter) + 1, NULL, 10);
}

static void sizes(struct bad *bad)
{
    for (size_t i = 0; i < sizeof other_sizes / sizeof *other_sizes; i++) {
        const struct other_sizes *o = &other_sizes[i];
        struct sample_kind kind = *kind_of(bad);
        union sample_op op;
        if (o->primitive != bad->base.facts->id || strcmp(o->base, bad->base.name)) continue;
        struct expect e = expect(SEGUE_ERROR_OPERAND, bad_find(&bad->base, 0, has_letter, o->letter), "", "");
        snprintf(e.given, sizeof e.given, "axis %c is %" PRId64, o->letter, size_in(o->sizes, o->letter));
        snprintf(e.wanted, sizeof e.wanted, "wanted %s%" PRId64 " as in the plan", o->frozen ? "" : "at most ",
                 bad->base.size[o->letter - 'a']);
        kind.sizes = o->sizes;
        const struct sample s = sample_make(&kind);
        sample_op(&s, bad->arena, &op);
        refused(bad, &s, &op, BY_RUN, o->frozen ? "frozen axis changed" : "axis above the plan's bound", e);
    }
}

/* All operands of operand i's kind, where the kind shares a dtype, else i alone. */
static void dtype_to(struct bad *bad, int i, uint32_t dtype, const char *name)
{
    const int kind = (int)bad_field(bad, i)->kind, shared = kind == SEGUE_KIND_ACT || kind == SEGUE_KIND_STATE;
    union sample_op op = bad->good;
    struct expect e = expect(SEGUE_ERROR_OPERAND, i, "", "wanted f32 as in the plan");
    if (kind == SEGUE_KIND_I32 || (shared && bad_find(&bad->base, 0, has_kind, kind) != i)) return;
    for (int k = 0; k < (int)bad->base.facts->field_count; k++)
        if (bad->base.present >> k & 1 && (k == i || (shared && has_kind(bad_field(bad, k), kind))))
            sample_tensor(bad->base.facts, &op, k)->dtype = segue_dtype_of(dtype);
    snprintf(e.given, sizeof e.given, "dtype is %s", name);
    refused(bad, &bad->base, &op, BY_RUN, "dtype changed since the plan", e);
}

static void dtypes(struct bad *bad)
{
    for (int i = 0; i < (int)bad->base.facts->field_count; i++) {
        if (!(bad->fields >> i & 1)) continue;
        dtype_to(bad, i, SEGUE_F16, "f16");
        dtype_to(bad, i, SEGUE_BF16, "bf16");
    }
}

static int is_valid(struct bad *bad, const union sample_op *op)
{
    segue_support_facts facts = { .size = sizeof facts };
    return !segue_support(bad->dev, &op->header, &facts, NULL) && !(facts.reasons & SEGUE_REASON_INVALID);
}

/* kind.without with one operand more, or one less. */
static void leave_out(const struct sample_kind *kind, const char *name, int out, char text[WITHOUT])
{
    char word[80];
    snprintf(word, sizeof word, " %s ", name);
    snprintf(text, WITHOUT, "%s%s", kind->without, out ? word : "");
    char *at = out ? NULL : strstr(text, word);
    if (at) memset(at, ' ', strlen(word));
}

/* An optional operand dropped or added, where the op stays valid. */
static void presence(struct bad *bad)
{
    for (int i = 0; i < (int)bad->base.facts->field_count; i++) {
        const segue_field_facts *f = bad_field(bad, i);
        const int given = (int)(bad->base.present >> i & 1);
        struct sample_kind kind = *kind_of(bad);
        char without[WITHOUT];
        union sample_op op;
        if (f->role == SEGUE_ROLE_IN || f->role == SEGUE_ROLE_OUT || !sample_is_tensor(f)) continue;
        if (!given && f->kind == SEGUE_KIND_STATE) continue; /* such a base has no sizes for it */
        leave_out(&kind, f->name, given, without);
        kind.without = without;
        const struct sample s = sample_make(&kind);
        sample_op(&s, bad->arena, &op);
        if (!is_valid(bad, &op)) continue;
        refused(bad, &s, &op, BY_RUN, given ? "operand dropped since the plan" : "operand added since the plan",
                expect(SEGUE_ERROR_OPERAND, i, given ? "absent in this run" : "present in this run",
                       given ? "wanted it present" : "wanted it absent"));
    }
}

/* Another value of integer parameter i with which the op stays valid; the planned one if there is none. */
static int64_t other_value(struct bad *bad, int i, int64_t planned)
{
    const segue_field_facts *f = bad_field(bad, i);
    const int64_t tries[] = { (int64_t)f->max, (int64_t)f->min, planned + 1, planned - 1 };
    for (size_t k = 0; k < sizeof tries / sizeof *tries; k++) {
        union sample_op op = bad->good;
        memcpy(op.bytes + f->offset, &tries[k], 8);
        if (tries[k] != planned && is_valid(bad, &op)) return tries[k];
    }
    return planned;
}

static void parameters(struct bad *bad)
{
    for (int i = 0; i < (int)bad->base.facts->field_count; i++) {
        const segue_field_facts *f = bad_field(bad, i);
        struct expect e = expect(SEGUE_ERROR_OPERAND, i, "", "as in the plan");
        union sample_op op = bad->good;
        int64_t planned;
        double real;
        memcpy(&planned, op.bytes + f->offset, 8);
        memcpy(&real, op.bytes + f->offset, 8);
        if (f->role == SEGUE_ROLE_INT) {
            const int64_t value = other_value(bad, i, planned);
            if (value == planned) continue; /* other operands belong to any other */
            memcpy(op.bytes + f->offset, &value, 8);
            snprintf(e.given, sizeof e.given, "%s: %" PRId64 ", wanted %" PRId64, f->name, value, planned);
        } else if (f->role == SEGUE_ROLE_REAL) {
            const double value = real < f->max ? f->max : f->min;
            memcpy(op.bytes + f->offset, &value, 8);
            snprintf(e.given, sizeof e.given, "%s: %.17g, wanted %.17g", f->name, value, real);
        } else {
            continue;
        }
        refused(bad, &bad->base, &op, BY_RUN, "parameter changed since the plan", e);
    }
}

/* The outgoing state apart from, or in the place of, the one that came in: as planned, or not at all. */
static void alias(struct bad *bad, int in, int out)
{
    segue_plan *apart = bad->plan, *same = NULL;
    const char *name = bad_field(bad, out)->name;
    segue_diag why = { 0 };
    union sample_op op = bad->good;
    *sample_tensor(bad->base.facts, &op, out) = *sample_tensor(bad->base.facts, &op, in);
    refused(bad, &bad->base, &op, BY_RUN, "state moved since the plan",
            expect(SEGUE_ERROR_OPERAND, out, "in the place of the incoming", "wanted it apart"));
    if (segue_plan_create(bad->dev, &op.header, &same, &why)) {
        refused_call(bad, name, "state in place", why.code, &why, expect(SEGUE_OK, -1, "", ""));
        return;
    }
    sample_fill(&bad->base, bad->arena);
    const segue_status status = segue_plan_run(same, &bad->good.header, bad->stream, bad->workspace, &why);
    bad->plan = apart;
    refused_call(bad, name, "state moved since the plan", status, &why,
                 expect(SEGUE_ERROR_OPERAND, out, "apart from the incoming", "wanted it in its place"));
    segue_plan_destroy(same);
}

static void aliases(struct bad *bad)
{
    for (int i = 0; i < (int)bad->base.facts->field_count; i++) {
        const int in = bad_partner(bad, i);
        if (in >= 0 && bad->base.present >> in & bad->base.present >> i & 1) alias(bad, in, i);
    }
}

static void surrounding(struct bad *bad, const char *defect, segue_stream stream, segue_buffer workspace,
                        struct expect e)
{
    segue_diag why = { 0 };
    sample_fill(&bad->base, bad->arena);
    memcpy(bad->before, bad->arena, bad->base.arena_bytes);
    const segue_status status = segue_plan_run(bad->plan, &bad->good.header, stream, workspace, &why);
    if (memcmp(bad->arena, bad->before, bad->base.arena_bytes))
        snprintf(why.text, sizeof why.text, "memory was written");
    refused_call(bad, "segue_plan_run", defect, status, &why, e);
}

static void surroundings(struct bad *bad)
{
    static const uint32_t apis[] = { SEGUE_API_NONE, SEGUE_API_CUDA, SEGUE_API_HIP, SEGUE_API_OPENCL, 77 };
    segue_plan_facts need = { .size = sizeof need };
    const segue_buffer good = bad->workspace;
    struct expect e = expect(SEGUE_ERROR_WORKSPACE, -1, "", "");
    segue_plan_info(bad->plan, &need, NULL);
    for (size_t i = 0; i < sizeof apis / sizeof *apis; i++) {
        char given[TEXT];
        snprintf(given, sizeof given, "API %u", apis[i]);
        surrounding(bad, "stream of another API", (segue_stream){ .api = apis[i] }, good,
                    expect(SEGUE_ERROR_ARGUMENT, -1, given, "wanted one of"));
        segue_diag why = { 0 };
        const segue_status status =
            segue_run(bad->dev, &bad->good.header, (segue_stream){ .api = apis[i] }, &why);
        refused_call(bad, "segue_run", "stream of another API", status, &why,
                     expect(SEGUE_ERROR_ARGUMENT, -1, given, "wanted one of"));
    }
    if (!need.workspace_bytes) return; /* nothing to refuse */
    snprintf(e.wanted, sizeof e.wanted, "wanted %" PRIu64 " bytes", need.workspace_bytes);
    snprintf(e.given, sizeof e.given, "given NULL");
    surrounding(bad, "workspace NULL", bad->stream, (segue_buffer){ NULL, 0, good.bytes }, e);
    snprintf(e.given, sizeof e.given, "given %" PRIu64, need.workspace_bytes - 1);
    surrounding(bad, "workspace too small", bad->stream,
                (segue_buffer){ good.data, 0, need.workspace_bytes - 1 }, e);
    snprintf(e.given, sizeof e.given, "given 0");
    surrounding(bad, "workspace too small", bad->stream, (segue_buffer){ good.data, 0, 0 }, e);
    surrounding(bad, "workspace offset beyond its bytes", bad->stream,
                (segue_buffer){ good.data, UINT64_MAX, good.bytes }, e);
    if (need.workspace_alignment < 2) return;
    snprintf(e.wanted, sizeof e.wanted, "multiple of %" PRIu64, need.workspace_alignment);
    snprintf(e.given, sizeof e.given, "workspace");
    surrounding(bad, "workspace misaligned", bad->stream,
                (segue_buffer){ (char *)good.data + 1, 0, UINT64_MAX >> 1 }, e);
    surrounding(bad, "workspace misaligned", bad->stream,
                (segue_buffer){ good.data, need.workspace_alignment / 2, UINT64_MAX >> 1 }, e);
}

/* The other primitive's op. */
static void primitives(struct bad *bad)
{
    for (const struct sample_kind *kind = sample_kinds; kind->name; kind++) {
        union sample_op op;
        struct expect e = expect(SEGUE_ERROR_ARGUMENT, -1, "", "");
        if (kind->primitive == bad->base.facts->id) continue;
        const struct sample s = sample_make(kind);
        sample_op(&s, bad->arena, &op);
        snprintf(e.given, sizeof e.given, "op is %s", s.facts->name);
        snprintf(e.wanted, sizeof e.wanted, "wanted %s", bad->base.facts->name);
        refused(bad, &s, &op, BY_RUN, "op of another primitive", e);
    }
}

void bad_runs(struct bad *bad)
{
    const int first_base = bad->fields == bad->base.present;
    sizes(bad);
    dtypes(bad);
    presence(bad);
    aliases(bad);
    if (!first_base) return;
    parameters(bad);
    surroundings(bad);
    primitives(bad);
}
