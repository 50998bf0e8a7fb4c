/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bad_input.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_DEFECTS = 512, ARENA = 1 << 20, ROWS_WANTED = 400 };

static struct {
    const char *name;
    int rows;
} defects[MAX_DEFECTS];
static char *first_answers[64]; /* by sample kind */
static int rows, calls, failures, counting = 1;

void bad_count(const char *defect)
{
    int i = 0;
    if (!counting) return; /* a second device tries the same rows */
    while (defects[i].name && strcmp(defects[i].name, defect)) i++;
    defects[i].name = defect;
    defects[i].rows++;
    rows++;
}

struct expect expect(segue_status status, int field, const char *given, const char *wanted)
{
    struct expect e = { .status = status, .field = field };
    snprintf(e.given, sizeof e.given, "%s", given);
    snprintf(e.wanted, sizeof e.wanted, "%s", wanted);
    return e;
}

const segue_field_facts *bad_field(const struct bad *bad, int i)
{
    return &bad->base.facts->fields[i];
}

int bad_find(const struct sample *s, int from, int (*test)(const segue_field_facts *f, int argument),
             int argument)
{
    for (int i = from; i < (int)s->facts->field_count; i++)
        if (s->present >> i & 1 && test(&s->facts->fields[i], argument)) return i;
    return -1;
}

int has_letter(const segue_field_facts *f, int letter)
{
    for (int d = 0; d < sample_rank(f); d++)
        if (sample_letter(f, d) == letter) return 1;
    return 0;
}

int has_kind(const segue_field_facts *f, int kind)
{
    return (int)f->kind == kind;
}

/* x for x_out, by name and axes. */
static int named_partner(const segue_primitive_facts *facts, int out)
{
    for (int i = 0; i < out; i++) {
        const segue_field_facts *f = &facts->fields[i], *o = &facts->fields[out];
        const size_t n = strlen(f->name);
        if (sample_is_tensor(f) && !sample_is_written(f) && !strncmp(o->name, f->name, n) &&
            !strcmp(o->name + n, "_out") && !strcmp(o->dims, f->dims))
            return i;
    }
    return -1;
}

int bad_partner(const struct bad *bad, int out)
{
    int nth = 0;
    if (!sample_is_tensor(bad_field(bad, out)) || !sample_is_written(bad_field(bad, out))) return -1;
    if (bad_field(bad, out)->role != SEGUE_ROLE_STATE_OUT) return named_partner(bad->base.facts, out);
    for (int i = 0; i < out; i++) nth += bad_field(bad, i)->role == SEGUE_ROLE_STATE_OUT;
    for (int i = 0; i < (int)bad->base.facts->field_count; i++)
        if (bad_field(bad, i)->role == SEGUE_ROLE_STATE_IN && nth-- == 0) return i;
    return -1;
}

void bad_fail(const struct bad *bad, const char *what, const char *defect, const char *call, const char *why,
              const char *text)
{
    failures++;
    printf("FAIL %s %s/%s, %s, %s: %s: %s\n", bad->device, bad->base.facts->name, bad->base.name, what, defect,
           call, why);
    if (text) printf("     text: \"%s\"\n", text);
}

static const char *wrong(const struct bad *bad, segue_status status, const segue_diag *why,
                         const struct expect *want)
{
    static char text[700];
    const char *name = want->field >= 0 ? bad_field(bad, want->field)->name : NULL;
    const size_t length = name ? strlen(name) : 0;
    if (status != want->status)
        snprintf(text, sizeof text, "returned %s, wanted %s", segue_status_name(status),
                 segue_status_name(want->status));
    else if (why->code != status) snprintf(text, sizeof text, "diag.code is %d", why->code);
    else if (why->field != (uint32_t)(want->field + 1))
        snprintf(text, sizeof text, "diag.field is %u, wanted %d", why->field, want->field + 1);
    else if (name && (strncmp(why->text, name, length) || why->text[length] != ':'))
        snprintf(text, sizeof text, "text does not begin with \"%s:\"", name);
    else if (!strstr(why->text, want->given))
        snprintf(text, sizeof text, "given \"%s\" is not in the text", want->given);
    else if (!strstr(why->text, want->wanted))
        snprintf(text, sizeof text, "wanted \"%s\" is not in the text", want->wanted);
    else if (strcmp(segue_last_error(), why->text))
        snprintf(text, sizeof text, "segue_last_error() differs: %s", segue_last_error());
    else return NULL;
    return text;
}

static void run_good(struct bad *bad)
{
    segue_diag why = { 0 };
    sample_fill(&bad->base, bad->arena);
    if (segue_plan_run(bad->plan, &bad->good.header, bad->stream, bad->workspace, &why) ||
        segue_stream_sync(bad->dev, bad->stream, &why))
        bad_fail(bad, "all operands", "none", "the good call", "refused", why.text);
}

void still_good(struct bad *bad, const char *after)
{
    run_good(bad);
    if (memcmp(bad->arena, bad->answer, bad->base.arena_bytes))
        bad_fail(bad, "all operands", after, "the good call after it", "another answer", NULL);
}

static segue_status by_plan(struct bad *bad, const segue_op_header *op, segue_diag *why)
{
    static char nobody;
    segue_plan *out = (segue_plan *)&nobody;
    const segue_status status = segue_plan_create(bad->dev, op, &out, why);
    if (status && out != (segue_plan *)&nobody)
        bad_fail(bad, "handle", "failed call", "segue_plan_create", "*out was written", NULL);
    if (!status) segue_plan_destroy(out);
    return status;
}

static segue_status by_run(struct bad *bad, const segue_op_header *op, segue_diag *why)
{
    return segue_plan_run(bad->plan, op, bad->stream, bad->workspace, why);
}

static segue_status by_one_run(struct bad *bad, const segue_op_header *op, segue_diag *why)
{
    return segue_run(bad->dev, op, bad->stream, why);
}

static const struct {
    int by;
    const char *name;
    segue_status (*call)(struct bad *bad, const segue_op_header *op, segue_diag *why);
} entries[] = { { BY_PLAN, "segue_plan_create", by_plan },
                { BY_RUN, "segue_plan_run", by_run },
                { BY_ONE_RUN, "segue_run", by_one_run } };

static void check_support(struct bad *bad, const segue_op_header *op, const char *what, const char *defect,
                          const struct expect *want)
{
    segue_support_facts facts = { .size = sizeof facts };
    segue_diag why = { 0 };
    if (segue_support(bad->dev, op, &facts, &why))
        bad_fail(bad, what, defect, "segue_support", "failed", why.text);
    else if (facts.verdict != SEGUE_SUPPORT_NO || facts.reasons != SEGUE_REASON_INVALID)
        bad_fail(bad, what, defect, "segue_support", "no NO", facts.text);
    else if (facts.field != (uint32_t)(want->field + 1))
        bad_fail(bad, what, defect, "segue_support", "another field", facts.text);
}

void refused(struct bad *bad, const struct sample *sample, const union sample_op *op, int by,
             const char *defect, struct expect want)
{
    const char *what = want.field >= 0 ? bad_field(bad, want.field)->name : "call";
    bad_count(defect);
    sample_fill(sample, bad->before);
    for (size_t e = 0; e < sizeof entries / sizeof *entries; e++) {
        segue_diag why;
        memset(&why, 0x5a, sizeof why);
        if (!(by & entries[e].by)) continue;
        memcpy(bad->arena, bad->before, sample->arena_bytes);
        const segue_status status = entries[e].call(bad, &op->header, &why);
        const char *problem = wrong(bad, status, &why, &want);
        calls++;
        if (problem) bad_fail(bad, what, defect, entries[e].name, problem, status ? why.text : NULL);
        if (entries[e].call(bad, &op->header, NULL) != status)
            bad_fail(bad, what, defect, entries[e].name, "another status without diag", NULL);
        if (memcmp(bad->arena, bad->before, sample->arena_bytes))
            bad_fail(bad, what, defect, entries[e].name, "memory was written", NULL);
    }
    if (by & BY_PLAN) check_support(bad, &op->header, what, defect, &want);
    still_good(bad, defect);
}

void refused_call(struct bad *bad, const char *what, const char *defect, segue_status status,
                  const segue_diag *why, struct expect want)
{
    const char *problem = wrong(bad, status, why, &want);
    bad_count(defect);
    calls++;
    if (problem) bad_fail(bad, what, defect, "the call", problem, status ? why->text : NULL);
    still_good(bad, defect);
}

static void make_plan(struct bad *bad)
{
    segue_diag why = { 0 };
    segue_plan_facts need = { .size = sizeof need };
    sample_op(&bad->base, bad->arena, &bad->good);
    sample_fill(&bad->base, bad->arena);
    if (segue_plan_create(bad->dev, &bad->good.header, &bad->plan, &why) ||
        segue_plan_info(bad->plan, &need, &why) ||
        segue_memory_alloc(bad->dev, need.workspace_bytes, &bad->workspace, &why)) {
        printf("%s %s/%s: no good plan: %s\n", bad->device, bad->base.facts->name, bad->base.name, why.text);
        exit(1);
    }
    run_good(bad);
    memcpy(bad->answer, bad->arena, bad->base.arena_bytes);
}

/* Outputs were written, and nothing else. */
static void check_answer(struct bad *bad)
{
    sample_fill(&bad->base, bad->before);
    for (uint32_t i = 0; i < bad->base.facts->field_count; i++) {
        if (!(bad->base.present >> i & 1)) continue;
        const size_t at = bad->base.at[i], room = bad->base.room[i], bytes = room - SAMPLE_SLACK;
        const int same = !memcmp(bad->answer + at, bad->before + at, bytes);
        if (same == sample_is_written(bad_field(bad, (int)i)))
            bad_fail(bad, bad_field(bad, (int)i)->name, "none", "the good call", "written or not: wrong", NULL);
        if (memcmp(bad->answer + at + bytes, bad->before + at + bytes, SAMPLE_SLACK))
            bad_fail(bad, bad_field(bad, (int)i)->name, "none", "the good call", "wrote beyond", NULL);
    }
}

/* The first device's answers judge the others': implementations that share no code. */
static void check_against_first(struct bad *bad, char **first)
{
    if (!*first) {
        *first = malloc(ARENA);
        memcpy(*first, bad->answer, bad->base.arena_bytes);
        return;
    }
    for (uint32_t i = 0; i < bad->base.facts->field_count; i++) {
        const float *got = (const float *)(bad->answer + bad->base.at[i]),
                    *want = (const float *)(*first + bad->base.at[i]);
        const float near = bad_field(bad, (int)i)->kind == SEGUE_KIND_I32 ? -1 : 1e-5f;
        if (!(bad->base.present >> i & 1) || !sample_is_written(bad_field(bad, (int)i))) continue;
        for (size_t k = 0; k < (bad->base.room[i] - SAMPLE_SLACK) / sizeof *got; k++)
            if (memcmp(&got[k], &want[k], sizeof *got) &&
                !(fabsf(got[k] - want[k]) <= near * (1 + fabsf(want[k]))))
                bad_fail(bad, bad_field(bad, (int)i)->name, "none", "the good call",
                         "not the first device's answer", NULL);
    }
}

static void try_kind(struct bad *bad, const struct sample_kind *kind, uint64_t *tried)
{
    bad->base = sample_make(kind);
    bad->fields = bad->base.present & ~*tried;
    make_plan(bad);
    check_answer(bad);
    check_against_first(bad, &first_answers[kind - sample_kinds]);
    if (!*tried) bad_headers(bad), bad_rules(bad), bad_handles(bad);
    bad_operands(bad);
    bad_memory(bad);
    bad_runs(bad);
    bad_sizes(bad);
    *tried |= bad->base.present;
    segue_plan_destroy(bad->plan);
    segue_memory_free(bad->dev, bad->workspace);
}

static void try_device(struct bad *bad, const char *device)
{
    segue_diag why = { 0 };
    uint64_t tried[SAMPLE_FIELDS] = { 0 };
    bad->device = device;
    if (segue_device_open(bad->ctx, device, NULL, &bad->dev, &why) ||
        segue_stream_create(bad->dev, &bad->stream, &why)) {
        printf("%s: %s\n", device, why.text);
        exit(1);
    }
    for (const struct sample_kind *kind = sample_kinds; kind->name; kind++)
        try_kind(bad, kind, &tried[kind->primitive]);
    segue_stream_destroy(bad->dev, bad->stream);
    segue_device_close(bad->dev);
    counting = 0;
}

static int is_in_a_sample(const segue_primitive_facts *facts, uint32_t field)
{
    const struct sample_kind *none = &sample_not_offered;
    for (const struct sample_kind *kind = sample_kinds; kind->name; kind++)
        if (kind->primitive == facts->id && sample_make(kind).present >> field & 1) return 1;
    return facts->id == none->primitive && sample_goes_without(none, facts->fields[field].name);
}

/* What is in no sample was not tried. */
static void check_all_primitives(void)
{
    const segue_primitive_facts *facts;
    for (uint32_t id = 1; (facts = segue_describe(id)); id++)
        for (uint32_t i = 0; i < facts->field_count; i++) {
            if (!sample_is_tensor(&facts->fields[i]) || is_in_a_sample(facts, i)) continue;
            printf("FAIL %s: %s is in none of sample_kinds, wanted it in one\n", facts->name,
                   facts->fields[i].name);
            failures++;
        }
}

int main(int argc, char **argv)
{
    segue_diag why = { 0 };
    struct bad *bad = calloc(1, sizeof *bad);
    bad->arena = aligned_alloc(256, ARENA), bad->before = aligned_alloc(256, ARENA),
    bad->answer = aligned_alloc(256, ARENA);
    if (segue_context_create(NULL, &bad->ctx, &why)) return printf("%s\n", why.text), 1;
    check_all_primitives();
    for (int i = 1; i < argc; i++) try_device(bad, argv[i]);
    segue_context_destroy(bad->ctx);
    printf("%5s  defect\n", "rows");
    for (int i = 0; defects[i].name; i++) printf("%5d  %s\n", defects[i].rows, defects[i].name);
    printf("%d rows (operand x defect), wanted at least %d; %d refusals on %d devices; %d failures\n", rows,
           ROWS_WANTED, calls, argc - 1, failures);
    for (size_t i = 0; i < sizeof first_answers / sizeof *first_answers; i++) free(first_answers[i]);
    free(bad->arena), free(bad->before), free(bad->answer), free(bad);
    return failures || rows < ROWS_WANTED;
}
