/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Composites by their lowering: against their own definitions on the reference, and on a plugin that has rows for the steps
 * alone (or almost), what an engine is told and what is promised. */
#include "lowered_answers.h"

#include <segue/kit.h>

/* The same answer as the composite's own definition. */
static void as_defined(void **state)
{
    struct bench b = open_bench("reference");
    (void)state;
    for (const struct sample_kind *kind = lowered_kinds; kind->name; kind++) {
        const struct answer own = answer_of(&b, kind, NULL), lowered = answer_of(&b, kind, "lowered");
        assert_string_not_equal(own.facts.row, "lowered"); /* the reference has its own, which wins */
        assert_string_equal(lowered.facts.row, "lowered");
        assert_int_equal(lowered.facts.primitive, kind->primitive);
        compare(&lowered, &own);
        free(own.arena), free(lowered.arena);
    }
    close_bench(&b);
}

/* ---- a plugin with rows for the steps ---------------------------------------------------------------------- */

/* Its rows hand over to the reference, as a delegate row does, but count as its own; what they are asked is noted. */
static struct {
    int plans, runs[4], busy, decline, capturing, handles, lost, thief, red;
    uint32_t flags;
    uint64_t workspace_end[4];
} seen;

static segue_status count_one(const segue_host *host, uint32_t *count, segue_diag *diag)
{
    (void)host, (void)diag;
    *count = 1;
    return SEGUE_OK;
}

static segue_status info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    (void)host, (void)index, (void)diag;
    out->flags = SEGUE_DEVICE_READY | SEGUE_DEVICE_HOST_MEMORY | SEGUE_DEVICE_SYNCHRONOUS;
    if (seen.handles) out->flags |= SEGUE_DEVICE_HANDLE_MEMORY;
    return SEGUE_OK;
}

static segue_status open_steps(const segue_host *host, uint32_t index, const segue_device_options *options,
                               void **device, segue_diag *diag)
{
    (void)index, (void)options;
    const segue_device_options none = { .size = sizeof none };
    return host->reference->device_open(host->reference->self, 0, &none, device, diag);
}

static const segue_plugin *reference;

static void close_steps(void *device)
{
    reference->device_close(device);
}

static segue_status capturing(void *device, segue_stream stream, uint32_t *out, segue_diag *diag)
{
    (void)device, (void)stream, (void)diag;
    *out = (uint32_t)seen.capturing;
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)dev;
    return seen.decline && op->primitive == SEGUE_GATED_RECURRENCE ? "v: too wide for this test" : NULL;
}

static void release(void *data, const segue_kit_device *dev)
{
    dev->host->reference->plan_destroy(data);
    seen.plans--;
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    segue_plan_facts facts = { .size = sizeof facts };
    const segue_plugin *r = dev->host->reference;
    segue_status s = r->plan_create(dev->handle, op, NULL, &plan->data, why);
    if (s) return s;
    seen.plans++;
    r->plan_info(plan->data, &facts, why);
    plan->release = release;
    plan->workspace_bytes = facts.workspace_bytes + 64;
    plan->workspace_alignment = 128;
    if (op->primitive == SEGUE_GATED_RECURRENCE)
        memcpy(plan->state_stride, (const int64_t[SEGUE_MAX_RANK]){ 60, 15, 1, 5 }, sizeof plan->state_stride);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    const int which = op->primitive == SEGUE_GATED_RECURRENCE;
    seen.flags = op->flags;
    seen.workspace_end[which] = call->workspace.offset;
    seen.runs[which]++;
    if (which && seen.busy && seen.busy--)
        return segue_kit_fail(call->why, SEGUE_ERROR_BUSY, SEGUE_PHASE_RUN, 3,
                              "16 threads are launching this plan");
    if (which && seen.lost)
        return segue_kit_fail(call->why, SEGUE_ERROR_DEVICE_LOST, SEGUE_PHASE_RUN, 3, "gone");
    const segue_stream stream = { SEGUE_API_CPU, 0, NULL };
    return call->device->host->reference->plan_run(call->data, op, stream, call->workspace, call->why);
}

#define STEP(called, id, class, fixed)                                   \
    static const segue_row called = { .name = #called,                   \
                                      .primitive = id,                   \
                                      .since = 1,                        \
                                      .priority = 100,                   \
                                      .accuracy = class,                 \
                                      .capture = SEGUE_CAPTURE_POINTERS, \
                                      .determinism = fixed,              \
                                      .accepts = accepts,                \
                                      .prepare = prepare,                \
                                      .run = run };
STEP(gate_prep_step, SEGUE_GATE_PREP, SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_FAST,
     SEGUE_RUN_TO_RUN | SEGUE_STEP_EXACT)
STEP(gated_recurrence_step, SEGUE_GATED_RECURRENCE, SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_CHUNK_LOG,
     SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT)
STEP(feature_map_step, SEGUE_FEATURE_MAP, SEGUE_ACCURACY_F64, SEGUE_RUN_TO_RUN)
STEP(lsh_buckets_step, SEGUE_LSH_BUCKETS, SEGUE_ACCURACY_F32, SEGUE_RUN_TO_RUN)
STEP(attention_step, SEGUE_ATTENTION, SEGUE_ACCURACY_F32, SEGUE_RUN_TO_RUN)
STEP(attention_merge_step, SEGUE_ATTENTION_MERGE, SEGUE_ACCURACY_F32, SEGUE_RUN_TO_RUN)
static const segue_row gated_norm_step = { .name = "gated_norm_step",
                                           .primitive = SEGUE_GATED_NORM,
                                           .since = 1,
                                           .priority = 100,
                                           .accuracy = SEGUE_ACCURACY_F32,
                                           .determinism = SEGUE_RUN_TO_RUN,
                                           .prepare = prepare,
                                           .run = run };
STEP(retention_own, SEGUE_RETENTION, SEGUE_ACCURACY_F32, SEGUE_RUN_TO_RUN)

static const segue_kit_adapter adapter = { SEGUE_KIT_HOST_MEMORY, .count = count_one,
                                           .info = info,          .open = open_steps,
                                           .close = close_steps,  .stream_capturing = capturing };

SEGUE_KIT_PLUGIN(steps, .vendor = "Segue", .version = "0", .uuid = "5b1a2f4e-0c3d-4e5f-8a6b-7c8d9e0f1a2b",
                 .device = &adapter,
                 .rows = (const segue_row *const[]){ &gate_prep_step, &gated_recurrence_step, &feature_map_step,
                                                     &gated_norm_step, &lsh_buckets_step, &attention_step,
                                                     &attention_merge_step, NULL })
SEGUE_KIT_PLUGIN(both, .vendor = "Segue", .version = "0", .uuid = "5b1a2f4e-0c3d-4e5f-8a6b-7c8d9e0f1a2c",
                 .device = &adapter,
                 .rows = (const segue_row *const[]){ &gated_recurrence_step, &gated_norm_step, &retention_own,
                                                     &segue_row_delegate, NULL })

/* A plugin that does without the kit may call its rows what it likes. */
static segue_plugin honest, plain;

static segue_status explain_in_red(void *device, const segue_op_header *op, segue_row_facts *out,
                                   uint32_t *count, segue_diag *diag)
{
    const segue_status status = plain.explain(device, op, out, count, diag);
    if (seen.red && out && *count) snprintf(out[0].name, sizeof out[0].name, "\x1b[31mred\xff");
    return status;
}

/* Notes the reference, which closes the devices. */
static segue_status steps_entry(const segue_host *host, segue_plugin *out, segue_diag *diag)
{
    reference = host->reference;
    const segue_status status = SEGUE_PLUGIN_ENTRY(steps)(host, out, diag);
    plain = *out;
    out->explain = explain_in_red;
    return status;
}

static segue_status explain_as_thief(void *device, const segue_op_header *op, segue_row_facts *out,
                                     uint32_t *count, segue_diag *diag)
{
    const segue_status status = honest.explain(device, op, out, count, diag);
    if (seen.thief && out && *count) snprintf(out[0].name, sizeof out[0].name, "lowered");
    return status;
}

static segue_status info_as_thief(const void *plan, segue_plan_facts *out, segue_diag *diag)
{
    const segue_status status = honest.plan_info(plan, out, diag);
    if (seen.thief) snprintf(out->row, sizeof out->row, "lowered");
    return status;
}

static segue_status both_entry(const segue_host *host, segue_plugin *out, segue_diag *diag)
{
    reference = host->reference;
    const segue_status status = SEGUE_PLUGIN_ENTRY(both)(host, out, diag);
    honest = *out;
    out->explain = explain_as_thief;
    out->plan_info = info_as_thief;
    return status;
}

static struct bench open_with(const char *device, int handles)
{
    const segue_plugin_entry entries[] = { steps_entry, both_entry, NULL };
    const segue_context_options options = { .size = sizeof options,
                                            .flags = SEGUE_CONTEXT_NO_DISCOVERY,
                                            .entries = entries };
    struct bench b = { 0 };
    memset(&seen, 0, sizeof seen);
    seen.handles = handles;
    assert_ok(segue_context_create(&options, &b.ctx, why));
    assert_ok(segue_device_open(b.ctx, device, NULL, &b.dev, why));
    assert_ok(segue_stream_create(b.dev, &b.stream, why));
    return b;
}

static struct bench open_steps_bench(const char *device)
{
    return open_with(device, 0);
}

/* A plugin that knows no composite runs them all; every plan of a step goes with the composite's. */
static void without_the_composite(void **state)
{
    struct bench b = open_steps_bench("steps"), r = open_bench("reference");
    (void)state;
    for (const struct sample_kind *kind = lowered_kinds; kind->name; kind++) {
        const struct answer got = answer_of(&b, kind, NULL), want = answer_of(&r, kind, NULL);
        assert_string_equal(got.facts.row, "lowered");
        assert_int_equal(got.facts.flags, 0);
        compare(&got, &want);
        assert_int_equal(seen.plans, 0);
        free(got.arena), free(want.arena);
    }
    close_bench(&r);
    close_bench(&b);
}

static void facts_of_the_steps(void **state)
{
    struct bench b = open_steps_bench("steps");
    const struct answer ssd = answer_of(&b, kind_named(SEGUE_SSD, "all"), NULL);
    const struct answer norm = answer_of(&b, kind_named(SEGUE_RETENTION, "norm"), NULL);
    const struct answer map = answer_of(&b, kind_named(SEGUE_LINEAR_ATTENTION, "elu"), NULL);
    (void)state;
    assert_int_equal(ssd.facts.accuracy, SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_FAST | SEGUE_ACCURACY_CHUNK_LOG);
    assert_int_equal(ssd.facts.determinism, SEGUE_RUN_TO_RUN);
    assert_int_equal(ssd.facts.capture, SEGUE_CAPTURE_POINTERS);
    assert_int_equal(ssd.facts.workspace_alignment, 256);
    assert_int_equal(ssd.facts.state_stride[0], 60); /* [p h k v] of the step is [p h v n] of ssd */
    assert_int_equal(ssd.facts.state_stride[1], 15);
    assert_int_equal(ssd.facts.state_stride[2], 5);
    assert_int_equal(ssd.facts.state_stride[3], 1);
    assert_int_equal(norm.facts.capture, SEGUE_CAPTURE_NONE);
    assert_int_equal(norm.facts.state_stride[0], 0); /* no state came in or went out */
    assert_int_equal(map.facts.accuracy,
                     SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_CHUNK_LOG); /* f64 would be a lie */
    assert_int_equal(seen.workspace_end[1] % 256, 0);
    free(ssd.arena), free(norm.arena), free(map.arena);
    close_bench(&b);
}

static uint32_t explain(const struct bench *b, const struct sample_kind *kind, segue_row_facts rows[8])
{
    const struct sample s = sample_make(kind);
    union sample_op op;
    uint32_t count = 8;
    sample_op(&s, NULL, &op);
    for (int i = 0; i < 8; i++) rows[i].size = sizeof *rows;
    assert_ok(segue_explain(b->dev, &op.header, rows, &count, why));
    return count;
}

static segue_support_facts support(const struct bench *b, const struct sample_kind *kind)
{
    const struct sample s = sample_make(kind);
    segue_support_facts facts = { .size = sizeof facts };
    union sample_op op;
    sample_op(&s, NULL, &op);
    assert_ok(segue_support(b->dev, &op.header, &facts, why));
    return facts;
}

static void explained(void **state)
{
    struct bench b = open_steps_bench("steps");
    const struct sample_kind *kind = kind_named(SEGUE_SSD, "all");
    const struct sample s = sample_make(kind);
    segue_row_facts rows[8];
    segue_plan *plan = NULL;
    union sample_op op;
    (void)state;
    assert_int_equal(explain(&b, kind, rows), 1);
    assert_string_equal(rows[0].name, "lowered");
    assert_int_equal(rows[0].flags, SEGUE_ROW_ACCEPTS | SEGUE_ROW_CHOSEN);
    assert_string_equal(rows[0].steps,
                        "gate_prep by gate_prep_step, gated_recurrence by gated_recurrence_step");
    assert_string_equal(rows[0].reason, "");
    assert_int_equal(support(&b, kind).verdict, SEGUE_SUPPORT_YES);
    seen.red = 1;
    explain(&b, kind, rows);
    assert_string_equal(rows[0].steps, "gate_prep by ?[31mred?, gated_recurrence by ?[31mred?");
    seen.red = 0;
    seen.decline = 1;
    assert_int_equal(explain(&b, kind, rows), 1);
    assert_int_equal(rows[0].flags, 0);
    assert_string_equal(rows[0].reason, "step 2, gated_recurrence: v: too wide for this test");
    assert_string_equal(rows[0].steps, "");
    const segue_support_facts no = support(&b, kind);
    assert_int_equal(no.verdict, SEGUE_SUPPORT_NO);
    assert_int_equal(no.reasons, SEGUE_REASON_ROW);
    assert_string_equal(no.text, "step 2, gated_recurrence: v: too wide for this test");
    assert_int_equal(no.field, 1 + sample_field(s.facts, "x")); /* v is our x */
    sample_op(&s, NULL, &op);
    assert_refused(SEGUE_ERROR_UNSUPPORTED, "step 2, gated_recurrence", "too wide",
                   segue_plan_create(b.dev, &op.header, &plan, why));
    assert_refused(SEGUE_ERROR_UNSUPPORTED, "step 2, gated_recurrence", "too wide",
                   segue_plan_create_row(b.dev, &op.header, "lowered", &plan, why));
    assert_int_equal(seen.plans, 0); /* that of step 1 went */
    const struct sample_kind pool = { SEGUE_RETENTION, "pool", " cu_seqlens ", "b2 t5 h3 k4 v5 s2 p7 norm=1" };
    seen.decline = 0;
    const segue_support_facts padded =
        support(&b, &pool); /* a gate behind the norm would make NaN of padding's 0 */
    assert_int_equal(padded.verdict, SEGUE_SUPPORT_NO);
    assert_non_null(strstr(padded.text, "step 2, gated_norm: slot: padding must give 0"));
    assert_int_equal(padded.field, 1 + sample_field(segue_describe(SEGUE_RETENTION), "slot"));
    close_bench(&b);
}

/* The plugin's own row wins; a delegation loses; what neither takes is said for both. */
static void which_one(void **state)
{
    struct bench b = open_steps_bench("both");
    const struct sample_kind *own = kind_named(SEGUE_RETENTION, "all"),
                             *gla = kind_named(SEGUE_GATED_LINEAR_ATTENTION, "all"),
                             *ssd = kind_named(SEGUE_SSD, "all");
    segue_row_facts rows[8];
    (void)state;
    assert_int_equal(explain(&b, own, rows), 3);
    assert_int_equal(rows[0].flags, SEGUE_ROW_ACCEPTS | SEGUE_ROW_CHOSEN);
    assert_string_equal(rows[0].name, "retention_own");
    assert_string_equal(rows[2].name, "lowered");
    assert_int_equal(rows[2].flags, SEGUE_ROW_ACCEPTS);
    const struct answer a = answer_of(&b, own, NULL);
    assert_string_equal(a.facts.row, "retention_own");
    assert_int_equal(explain(&b, gla, rows), 2);
    assert_int_equal(rows[0].flags, SEGUE_ROW_ACCEPTS | SEGUE_ROW_DELEGATED);
    assert_int_equal(rows[1].flags, SEGUE_ROW_ACCEPTS | SEGUE_ROW_CHOSEN);
    const struct answer l = answer_of(&b, gla, NULL);
    assert_string_equal(l.facts.row, "lowered");
    const struct answer d = answer_of(&b, gla, "reference");
    assert_int_equal(d.facts.flags, SEGUE_PLAN_DELEGATED);
    compare(&l, &d);
    assert_int_equal(explain(&b, ssd, rows),
                     2); /* its gate_prep is a delegation: no better than one of the whole */
    assert_int_equal(rows[0].flags, SEGUE_ROW_ACCEPTS | SEGUE_ROW_CHOSEN | SEGUE_ROW_DELEGATED);
    assert_int_equal(rows[1].flags, SEGUE_ROW_ACCEPTS | SEGUE_ROW_DELEGATED);
    const struct answer n = answer_of(&b, ssd, NULL);
    assert_string_equal(n.facts.row, "reference");
    const struct answer m = answer_of(&b, ssd, "lowered");
    assert_int_equal(m.facts.flags, SEGUE_PLAN_DELEGATED);
    seen.decline = 1; /* now the delegation takes what the steps do not */
    const struct answer e = answer_of(&b, gla, NULL);
    assert_string_equal(e.facts.row, "reference");
    free(a.arena), free(l.arena), free(d.arena), free(m.arena), free(n.arena), free(e.arena);
    close_bench(&b);
}

struct live { /* a lowered plan and its op over an arena of its own */
    struct sample sample;
    union sample_op op;
    segue_plan *plan;
    segue_buffer workspace;
    char *arena;
};

static struct live make_live(const struct bench *b, const struct sample_kind *kind)
{
    struct live l = { .sample = sample_make(kind), .arena = new_arena() };
    segue_plan_facts facts = { .size = sizeof facts };
    sample_fill(&l.sample, l.arena);
    sample_op(&l.sample, l.arena, &l.op);
    assert_ok(segue_plan_create_row(b->dev, &l.op.header, "lowered", &l.plan, why));
    assert_ok(segue_plan_info(l.plan, &facts, why));
    assert_ok(segue_memory_alloc(b->dev, facts.workspace_bytes, &l.workspace, why));
    return l;
}

static void end_live(const struct bench *b, struct live *l)
{
    segue_plan_destroy(l->plan);
    segue_memory_free(b->dev, l->workspace);
    free(l->arena);
}

/* Fewer tokens and sequences than planned, then exactly as many; a trusted run; a run that is wrong. */
static void runs(void **state)
{
    struct bench b = open_steps_bench("steps"), r = open_bench("reference");
    struct sample_kind kind = *kind_named(SEGUE_LINEAR_ATTENTION, "all keys");
    struct live l = make_live(&b, &kind);
    (void)state;
    for (int i = 0; i < 3; i++) {
        kind.sizes = (const char *const[]){ "b1 t3 c9 h2 k4 v5 causal=0", "b2 t0 c4 h2 k4 v5 causal=0",
                                            "b2 t5 c9 h2 k4 v5 causal=0" }[i];
        const struct answer want = answer_of(&r, &kind, NULL);
        struct answer got = { .sample = sample_make(&kind), .arena = new_arena() };
        union sample_op op;
        sample_fill(&got.sample, got.arena);
        sample_op(&got.sample, got.arena, &op);
        op.header.flags = i == 2 ? SEGUE_RUN_TRUSTED : 0;
        assert_ok(segue_plan_run(l.plan, &op.header, b.stream, l.workspace, why));
        assert_int_equal(seen.flags, op.header.flags);
        compare(&got, &want);
        free(got.arena), free(want.arena);
    }
    ((segue_linear_attention *)&l.op)->v.dtype = segue_dtype_of(SEGUE_F16);
    assert_refused(SEGUE_ERROR_OPERAND, "v: dtype is f16", "wanted f32",
                   segue_plan_run(l.plan, &l.op.header, b.stream, l.workspace, why));
    end_live(&b, &l);
    close_bench(&r);
    close_bench(&b);
}

/* A step that is busy after the first is waited for; a first step that is busy is the caller's to repeat. */
static void busy(void **state)
{
    struct bench b = open_steps_bench("steps");
    struct live ssd = make_live(&b, kind_named(SEGUE_SSD, "all")),
                gla = make_live(&b, kind_named(SEGUE_GATED_LINEAR_ATTENTION, "all"));
    (void)state;
    seen.busy = 5;
    assert_ok(segue_plan_run(ssd.plan, &ssd.op.header, b.stream, ssd.workspace, why));
    assert_int_equal(seen.runs[0], 1);
    assert_int_equal(seen.runs[1], 6);
    seen.busy = 1;
    segue_diag why = { 0 };
    assert_int_equal(segue_plan_run(gla.plan, &gla.op.header, b.stream, gla.workspace, &why), SEGUE_ERROR_BUSY);
    assert_string_equal(why.text, "step 1, gated_recurrence: 16 threads are launching this plan");
    assert_int_equal(why.field, 1 + sample_field(gla.sample.facts, "v"));
    assert_ok(segue_plan_run(gla.plan, &gla.op.header, b.stream, gla.workspace, why));
    end_live(&b, &ssd), end_live(&b, &gla);
    close_bench(&b);
}

/* A row that may not be captured stands second: nothing of the composite may enter the graph. */
static void captured(void **state)
{
    struct bench b = open_steps_bench("steps");
    struct live norm = make_live(&b, kind_named(SEGUE_RETENTION, "norm")),
                ssd = make_live(&b, kind_named(SEGUE_SSD, "all"));
    (void)state;
    seen.capturing = 1;
    assert_refused(SEGUE_ERROR_CAPTURE, "lowered may not be captured", "wanted",
                   segue_plan_run(norm.plan, &norm.op.header, b.stream, norm.workspace, why));
    assert_int_equal(seen.runs[1], 0);
    assert_ok(segue_plan_run(ssd.plan, &ssd.op.header, b.stream, ssd.workspace, why));
    seen.capturing = 0;
    assert_ok(segue_plan_run(norm.plan, &norm.op.header, b.stream, norm.workspace, why));
    end_live(&b, &norm), end_live(&b, &ssd);
    close_bench(&b);
}

static void lost(void **state)
{
    struct bench b = open_steps_bench("steps");
    struct live ssd = make_live(&b, kind_named(SEGUE_SSD, "all"));
    (void)state;
    seen.lost = 1;
    assert_refused(SEGUE_ERROR_DEVICE_LOST, "step 2, gated_recurrence", "gone",
                   segue_plan_run(ssd.plan, &ssd.op.header, b.stream, ssd.workspace, why));
    assert_refused(SEGUE_ERROR_DEVICE_LOST, "was lost", "open it again", segue_device_status(b.dev, why));
    end_live(&b, &ssd);
    close_bench(&b);
}

/* segue_run, and rows that are not there. */
static void by_other_ways(void **state)
{
    struct bench b = open_steps_bench("steps"), r = open_bench("reference");
    const struct sample_kind *kind = kind_named(SEGUE_SSD, "packed");
    const struct answer want = answer_of(&r, kind, NULL);
    struct answer got = { .sample = sample_make(kind), .arena = new_arena() };
    segue_selective_scan scan = segue_selective_scan_init();
    union sample_op op;
    segue_plan *plan = NULL;
    (void)state;
    sample_fill(&got.sample, got.arena);
    sample_op(&got.sample, got.arena, &op);
    assert_ok(segue_run(b.dev, &op.header, b.stream, why));
    compare(&got, &want);
    assert_refused(SEGUE_ERROR_UNSUPPORTED, "no kernel for ssd", "steps",
                   segue_plan_create_row(b.dev, &op.header, "ssd_fast", &plan, why));
    scan.u = segue_tensor_of(NULL, F32(1, 2, 3)), scan.delta = scan.y = scan.u;
    scan.A = segue_tensor_of(NULL, F32(3, 2)), scan.B = segue_tensor_of(NULL, F32(1, 2, 1, 2)), scan.C = scan.B;
    assert_refused(SEGUE_ERROR_ARGUMENT, "no row 'lowered'", "selective_scan",
                   segue_plan_create_row(r.dev, &scan.header, "lowered", &plan, why));
    free(want.arena), free(got.arena);
    close_bench(&r);
    close_bench(&b);
}

/* Strides of an operand whose axes a step sees as one: what segue_run says of them does not depend on what it ran before. */
static void strides_that_do_not_merge(void **state)
{
    enum { T = 4, R = 2 };
    float x[T * 2] = { 1, 2, 3, 4, 4, 3, 2, 1 }, v[T * 3] = { 1 }, W[R * 2 * 2] = { 1, 0, 0, 1, 0, 1, 1, 0 },
                y[T * 3], lse[4 * R * T];
    struct bench b = open_steps_bench("steps");
    segue_lsh_attention op = segue_lsh_attention_init();
    (void)state;
    op.x = segue_tensor_of(x, F32(1, T, 1, 2));
    op.v = segue_tensor_of(v, F32(1, T, 1, 3));
    op.R = segue_tensor_of(W, F32(1, 2, R, 2));
    op.y = segue_tensor_of(y, F32(1, T, 1, 3));
    op.round_lse = segue_tensor_of(lse, F32(1, R, T, 1));
    op.chunk = 2;
    op.scale = 1;
    segue_lsh_attention apart = op;
    apart.round_lse.stride[1] = 2 * T;
    apart.round_lse.bytes = sizeof lse;
    for (int i = 0; i < 2; i++) {
        assert_refused(SEGUE_ERROR_UNSUPPORTED, "strides of axes r and t are 8 and 1",
                       "wanted the first 4 times", segue_run(b.dev, &apart.header, b.stream, why));
        assert_ok(segue_run(b.dev, &op.header, b.stream, why));
    }
    close_bench(&b);
}

/* Memory behind handles: the intermediates are (data, offset) of the one workspace. */
static void behind_handles(void **state)
{
    struct bench b = open_with("steps", 1), r = open_bench("reference");
    (void)state;
    for (const struct sample_kind *kind = lowered_kinds; kind->name; kind++) {
        const struct answer got = answer_of(&b, kind, NULL), want = answer_of(&r, kind, NULL);
        compare(&got, &want);
        free(got.arena), free(want.arena);
    }
    close_bench(&r);
    close_bench(&b);
}

static void the_name_is_taken(void **state)
{
    struct bench b = open_steps_bench("both");
    const struct sample s = sample_make(kind_named(SEGUE_RETENTION, "all"));
    segue_row_facts rows[8];
    segue_plan *plan = NULL;
    union sample_op op;
    uint32_t count = 8;
    (void)state;
    for (int i = 0; i < 8; i++) rows[i].size = sizeof *rows;
    sample_op(&s, NULL, &op);
    seen.thief = 1;
    assert_refused(SEGUE_ERROR_PLUGIN, "a row is called \"lowered\"", "wanted another name",
                   segue_explain(b.dev, &op.header, rows, &count, why));
    assert_refused(SEGUE_ERROR_PLUGIN, "a row is called \"lowered\"", "wanted another name",
                   segue_plan_create(b.dev, &op.header, &plan, why));
    assert_int_equal(seen.plans, 0);
    close_bench(&b);
}

/* SEGUE_CHECK judges what core makes for the steps; read when the first context is created. */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_defined),
        cmocka_unit_test(without_the_composite),
        cmocka_unit_test(facts_of_the_steps),
        cmocka_unit_test(explained),
        cmocka_unit_test(which_one),
        cmocka_unit_test(runs),
        cmocka_unit_test(busy),
        cmocka_unit_test(captured),
        cmocka_unit_test(lost),
        cmocka_unit_test(by_other_ways),
        cmocka_unit_test(strides_that_do_not_merge),
        cmocka_unit_test(behind_handles),
        cmocka_unit_test(the_name_is_taken),
    };
    setenv("SEGUE_CHECK", "1", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
