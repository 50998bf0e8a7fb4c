/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue explain: every kernel of a device for one call: chosen, or the one-line reason why not. */
#include "descriptor.h"
#include "survey.h"
#include "tool.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

struct word {
    uint32_t bit;
    const char *text;
};

static const struct word accuracies[] = {
    { SEGUE_ACCURACY_F64, "f64" },
    { SEGUE_ACCURACY_F32, "f32" },
    { SEGUE_ACCURACY_CHUNK_LOG, "chunk-log" },
    { SEGUE_ACCURACY_FAST, "fast" },
    { SEGUE_ACCURACY_TRANSFORM, "transform" },
    { SEGUE_ACCURACY_BF16_PRODUCT, "bf16-product" },
    { 0, NULL },
};

static const struct word determinisms[] = {
    { SEGUE_RUN_TO_RUN, "run-to-run" },
    { SEGUE_BATCH_INVARIANT, "batch-invariant" },
    { SEGUE_THREAD_INVARIANT, "thread-invariant" },
    { SEGUE_STEP_EXACT, "step-exact" },
    { 0, NULL },
};

static int usage(FILE *to)
{
    fputs(
        "usage: segue explain DESCRIPTOR [--device D] [--json | --plain]\n"
        "Prints every kernel that the device (cpu) has for a call: chosen, accepts, or why it declines. Composites\n"
        "have one more, lowered: a few other primitives, each by the row that stands behind it.\n"
        "  DESCRIPTOR  primitive/variant/dtypes/shape[/layout[/distribution]]\n"
        "              variant: fwd, then .operand for each optional one, .parameter=value\n"
        "              dtypes:  of the activations, then -operand.dtype where it differs\n"
        "              shape:   axes in capitals; layout: btd, bdt, pad3, packed, flip, far or odd\n"
        "Exit: 0 a kernel was chosen, 1 all decline, 2 the descriptor is wrong, 3 no such device.\n"
        "Examples: segue explain selective_scan/fwd/bf16/B1.T2048.D1536.N16 --device cpu\n"
        "          segue explain causal_conv1d/fwd.h_in.h_out.activation=silu/f32/B2.T64.D8.W4\n",
        to);
    return to == stdout ? EXIT_DONE : EXIT_USAGE;
}

static void join(char *to, size_t room, const struct word *words, uint32_t bits, const char *between,
                 const char *none)
{
    *to = 0;
    for (; words->text; words++)
        if (bits & words->bit)
            snprintf(to + strlen(to), room - strlen(to), "%s%s", *to ? between : "", words->text);
    if (!*to) snprintf(to, room, "%s", none);
}

struct row {
    segue_row_facts facts;
    int64_t workspace; /* -1: not known, since it declines */
};

static json_t *words_json(const struct word *words, uint32_t bits)
{
    json_t *all = json_array();
    for (; words->text; words++)
        if (bits & words->bit) json_array_append_new(all, json_string(words->text));
    return all;
}

static const char *verdict(const segue_row_facts *f)
{
    return f->flags & SEGUE_ROW_CHOSEN ? "chosen" : f->flags & SEGUE_ROW_ACCEPTS ? "accepts" : "declines";
}

static json_t *row_json(const struct row *r)
{
    const segue_row_facts *f = &r->facts;
    json_t *o =
        json_pack("{s:s, s:s, s:b, s:i, s:o, s:o, s:b, s:s, s:s}", "row", f->name, "verdict", verdict(f),
                  "delegated", (f->flags & SEGUE_ROW_DELEGATED) != 0, "priority", (int)f->priority, "accuracy",
                  words_json(accuracies, f->accuracy), "determinism", words_json(determinisms, f->determinism),
                  "capture", f->capture != SEGUE_CAPTURE_NONE, "reason", f->reason, "steps", f->steps);
    json_object_set_new(o, "workspace_bytes", r->workspace < 0 ? json_null() : json_integer(r->workspace));
    return o;
}

static void add_row(struct table *t, const struct row *r)
{
    const segue_row_facts *f = &r->facts;
    char text[768], accuracy[64], determinism[96];
    const int accepts = (f->flags & (SEGUE_ROW_CHOSEN | SEGUE_ROW_ACCEPTS)) != 0;
    join(accuracy, sizeof accuracy, accuracies, f->accuracy, "+", "no");
    join(determinism, sizeof determinism, determinisms, f->determinism, ", ", "not deterministic");
    if (accepts)
        snprintf(text, sizeof text, "%s%s class, %s, workspace %lld, %s%s%s",
                 f->flags & SEGUE_ROW_DELEGATED ? "delegated to the reference, " : "", accuracy, determinism,
                 (long long)r->workspace, f->capture == SEGUE_CAPTURE_NONE ? "no capture" : "capture",
                 f->steps[0] ? ": " : "", f->steps);
    else snprintf(text, sizeof text, "%s", f->reason[0] ? f->reason : "it does not say why");
    const char *const cells[TABLE_COLUMNS] = { f->name, verdict(f), text };
    table_add(t, f->flags & SEGUE_ROW_CHOSEN ? TONE_GOOD : accepts ? TONE_PLAIN : TONE_WARNING, cells);
}

/* The workspace is exact only for a plan, so each row that accepts makes one. */
static int64_t workspace_of(segue_device *dev, const segue_op_header *op, const char *row)
{
    segue_plan_facts facts = { .size = sizeof facts };
    segue_plan *plan = NULL;
    if (segue_plan_create_row(dev, op, row, &plan, NULL) != SEGUE_OK) return -1;
    const segue_status status = segue_plan_info(plan, &facts, NULL);
    segue_plan_destroy(plan);
    return status == SEGUE_OK ? (int64_t)facts.workspace_bytes : -1;
}

static int ask(segue_device *dev, const segue_op_header *op, struct row **rows, uint32_t *count,
               segue_diag *why)
{
    *count = 0;
    if (segue_explain(dev, op, NULL, count, why) != SEGUE_OK) return -1;
    const uint32_t room = *count;
    segue_row_facts *facts = calloc(*count + 1, sizeof *facts);
    *rows = calloc(*count + 1, sizeof **rows);
    for (uint32_t i = 0; facts && i < *count; i++) facts[i].size = sizeof *facts;
    const int failed = !facts || !*rows || segue_explain(dev, op, facts, count, why) != SEGUE_OK;
    if (*count > room) *count = room; /* it may count more when asked again */
    for (uint32_t i = 0; !failed && i < *count; i++) {
        (*rows)[i].facts = facts[i];
        (*rows)[i].workspace =
            facts[i].flags & (SEGUE_ROW_CHOSEN | SEGUE_ROW_ACCEPTS) ? workspace_of(dev, op, facts[i].name) : -1;
    }
    free(facts);
    return failed ? -1 : 0;
}

static int print(const char *descriptor, const char *device, const struct row *rows, uint32_t count,
                 const struct manners *m)
{
    int chosen = 0;
    struct table t = { 0 };
    json_t *all = json_array();
    for (uint32_t i = 0; i < count; i++) {
        chosen |= (rows[i].facts.flags & SEGUE_ROW_CHOSEN) != 0;
        if (m->json) json_array_append_new(all, row_json(&rows[i]));
        else add_row(&t, &rows[i]);
    }
    json_t *object = json_pack("{s:s, s:s, s:o}", "descriptor", descriptor, "device", device, "rows", all);
    if (m->json) json_dumpf(object, m->out, JSON_INDENT(1)), fputc('\n', m->out);
    else table_print(&t, m);
    json_decref(object);
    table_free(&t);
    if (!count) fprintf(stderr, "segue explain: %s has no kernel for this primitive\n", device);
    return chosen ? EXIT_DONE : EXIT_FAILED;
}

static segue_device *open_device(struct survey *s, const char *name, int *code)
{
    segue_device *dev = NULL;
    segue_diag why = { 0 };
    *code = survey_open(name, s, &why);
    if (*code == EXIT_DONE && segue_device_open(s->ctx, name, NULL, &dev, &why) == SEGUE_OK) return dev;
    const segue_plugin_facts *plugin = *code == EXIT_DONE ? survey_plugin(s, name) : NULL;
    if (*code == EXIT_DONE) *code = EXIT_NO_DEVICE;
    if (plugin && plugin->state == SEGUE_PLUGIN_REJECTED)
        fprintf(stderr, "segue explain: %s: plugin %s was rejected: %s\n", name, plugin->path, plugin->text);
    else fprintf(stderr, "segue explain: %s\n", why.text);
    return NULL;
}

static int explain(const char *descriptor, const char *device, const struct manners *m)
{
    char words[DESCRIPTOR_WHY];
    struct descriptor d;
    segue_op_header *op = descriptor_parse(descriptor, &d, words) ? NULL : descriptor_op(&d, words);
    if (!op) {
        fprintf(stderr, "segue explain: %s\n", words);
        return EXIT_USAGE;
    }
    struct survey s = { 0 };
    struct row *rows = NULL;
    uint32_t count = 0;
    segue_diag why = { 0 };
    int code;
    segue_device *dev = open_device(&s, device, &code);
    if (dev && ask(dev, op, &rows, &count, &why)) {
        fprintf(stderr, "segue explain: %s\n", why.text[0] ? why.text : "out of memory");
        code = why.code == SEGUE_ERROR_OPERAND ? EXIT_USAGE : EXIT_FAILED;
    } else if (dev) code = print(descriptor, device, rows, count, m);
    segue_device_close(dev);
    survey_close(&s);
    free(rows);
    free(op);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "device", required_argument, NULL, 'd' },
                                             SHARED_OPTIONS,
                                             { NULL, 0, NULL, 0 } };
    struct manners m = manners();
    const char *device = "cpu";
    argv[0] = (char[]){ "segue explain" }; /* what getopt_long calls us */
    for (int c; (c = getopt_long(argc, argv, "qh", options, NULL)) != -1;) {
        if (c == 'h') return finish(stdout, usage(stdout));
        if (c == 'd') device = optarg;
        else if (!shared_option(&m, c)) return usage(stderr);
    }
    if (optind + 1 != argc) {
        fprintf(stderr, "segue explain: wanted one descriptor, given %d\n", argc - optind);
        return usage(stderr);
    }
    keep_output(&m);
    const int code = explain(argv[optind], device, &m);
    return finish(m.out, code);
}
