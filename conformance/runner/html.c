/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "html.h"

#include "record.h"

#include <math.h>
#include <stdlib.h>

enum { SLOWEST = 5 };

const char *descriptor_part(const char *descriptor, int n, const char *ends, char *to, size_t room)
{
    for (; n && *descriptor; n--) {
        descriptor += strcspn(descriptor, "/");
        descriptor += *descriptor == '/';
    }
    size_t length = strcspn(descriptor, ends);
    if (length > strcspn(descriptor, "/")) length = strcspn(descriptor, "/");
    snprintf(to, room, "%.*s", (int)length, descriptor);
    return to;
}

const char *html_tone(enum status s)
{
    static const char *const tones[] = {
        [COUNTS_PASSED] = "ok", [COUNTS_FAILED] = "bad", [COUNTS_SKIPPED] = "skip"
    };
    return tones[status_counts_as(s)];
}

static const char *fact(const struct run *r, const char *name)
{
    const char *text = json_string_value(json_object_get(r->device, name));
    return text ? text : "";
}

/* ---- the head ------------------------------------------------------------------------------------------- */

static void print_number(const char *name, const char *tone, size_t value, FILE *to)
{
    fprintf(to, "<div><dd class=\"%s\">%zu</dd><dt>%s</dt></div>\n", value ? tone : "", value, name);
}

static void print_head(const struct run *r, const struct summary *s, FILE *to)
{
    char words[64], title[128];
    const size_t failed = s->counts[COUNTS_FAILED];
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n<title>",
          to);
    print_escaped(run_title(r, title, sizeof title), to);
    fprintf(to, ": %s</title>\n<style>", s->exit_code ? "failed" : "passed");
    for (int i = 0; html_style[i]; i++) fputs(html_style[i], to);
    fputs("</style></head>\n<body><main>\n<header><p class=\"eyebrow\">Segue conformance, ", to);
    print_escaped(r->cases->list, to);
    fputs("</p>\n<h1>", to);
    print_escaped(run_title(r, title, sizeof title), to);
    fputs("</h1>\n<p class=\"row\">", to);
    print_escaped(fact(r, "description"), to);
    fprintf(to, "</p>\n<p class=\"verdict %s\">", s->exit_code ? "bad" : "ok");
    if (failed) fprintf(to, "&#10007; %zu failed", failed);
    else if (r->interrupted) fputs("&#10007; nothing failed until then", to);
    else if (s->exit_code) fputs("&#10007; nothing passed", to);
    else fputs("&#10003; passed all that it supports", to);
    if (r->interrupted)
        fprintf(to, "; interrupted by %s, %zu of %zu cases have a result", r->interrupted, s->judged, s->cases);
    fputs("</p>\n<dl class=\"numbers\">\n", to);
    print_number("cases", "", s->cases, to);
    print_number(s->results == s->cases ? "results" : "results, one a kernel", "", s->results, to);
    print_number("passed", "ok", s->counts[COUNTS_PASSED], to);
    print_number("failed", "bad", failed, to);
    print_number("skipped", "skip", s->counts[COUNTS_SKIPPED], to);
    fprintf(
        to,
        "<div><dd>%zu of %zu</dd><dt>primitives</dt></div>\n<div><dd>%s</dd><dt>time</dt></div>\n</dl></header>\n",
        s->primitives, s->of_primitives, time_words(r->seconds, words, sizeof words));
}

/* ---- failures ------------------------------------------------------------------------------------------- */

static void paragraph(const char *before, const char *text, FILE *to)
{
    if (!*text) return;
    fprintf(to, "<p>%s", before);
    print_escaped(text, to);
    fputs("</p>", to);
}

static void print_failure(const struct run *r, const struct record *record, FILE *to)
{
    const struct result *x = &record->r;
    char words[AGAIN_TEXT];
    fprintf(to, "<tr class=\"what\"><td class=\"bad\">%s</td><td><p class=\"mono\">", status_name(x->status));
    print_escaped(r->cases->items[record->item].name, to);
    fputs("</p><p class=\"row\">", to);
    print_escaped(x->row[0] ? x->row : "kernel unknown", to);
    if (x->accuracy) fprintf(to, ", class %s", accuracy_words(x->accuracy, words, sizeof words));
    if (x->check[0]) fputs(", check ", to), print_escaped(x->check, to);
    fputs("</p></td><td>", to);
    paragraph("", element_words(x, words, sizeof words), to);
    paragraph("", x->pattern, to);
    paragraph("resembles the planted fault ", x->fault, to);
    paragraph("", x->why, to);
    fputs("</td></tr>\n<tr class=\"again\"><td></td><td colspan=\"2\"><code>", to);
    print_escaped(run_again(r, record, words, sizeof words), to);
    fputs("</code></td></tr>\n", to);
}

static void print_failures(const struct run *r, const struct summary *s, FILE *to)
{
    if (!s->counts[COUNTS_FAILED]) return;
    fputs(
        "<section class=\"failures\"><h2>Failures</h2><p class=\"note\">Each line below a failure repeats it.",
        to);
    if (r->run_again && r->run_again < r->doubtful)
        fprintf(to, " %zu of %zu failures were run again.", r->run_again, r->doubtful);
    fputs("</p><table><thead><tr><th>status</th><th>case</th><th>what was found</th></tr></thead><tbody>\n",
          to);
    for (size_t i = 0; i < r->count; i++)
        if (status_counts_as(r->records[i].r.status) == COUNTS_FAILED) print_failure(r, &r->records[i], to);
    fputs("</tbody></table></section>\n", to);
}

/* ---- accuracy, time, surroundings ----------------------------------------------------------------------- */

static void print_classes(const struct run *r, const struct summary *s, FILE *to)
{
    char words[96];
    if (!s->class_count) return;
    fputs(
        "<h2>Accuracy</h2><p class=\"note\">Per accuracy class that kernels declare: the largest error of a passed result in "
        "units of &#963;, one standard deviation of what correct kernels of that class answer.</p><div class=\"scroll\">"
        "<table><thead><tr><th>class</th><th class=\"n\">results</th><th class=\"n\">largest |error| / &#963;</th>"
        "<th class=\"n\">largest share of a limit</th><th>where</th></tr></thead><tbody>\n",
        to);
    for (size_t i = 0; i < s->class_count; i++) {
        const struct class_summary *c = &s->classes[i];
        fprintf(
            to,
            "<tr><td>%s</td><td class=\"n\">%zu</td><td class=\"n\">%.3g</td><td class=\"n\">%.3g</td><td class=\"mono\">",
            accuracy_words(c->accuracy, words, sizeof words), c->results, c->sigmas, c->margin);
        print_escaped(r->cases->items[c->worst->item].name, to);
        fputs("</td></tr>\n", to);
    }
    fputs("</tbody></table></div>\n", to);
}

static void print_identities(const struct summary *s, FILE *to)
{
    int some = 0;
    for (int i = 0; i < SUMMARY_IDENTITIES; i++) some |= s->identities[i] != 0;
    if (!some) return;
    fputs(
        "<h2>Identities</h2><p class=\"note\">Pairs of calls that must agree, and how many results underwent each.</p>"
        "<div class=\"scroll\"><table><thead><tr><th>identity</th><th class=\"n\">results</th>"
        "<th class=\"n\">failed</th></tr></thead><tbody>\n",
        to);
    for (int i = 0; i < SUMMARY_IDENTITIES && identity_name(i); i++)
        fprintf(to, "<tr><td>%s</td><td class=\"n\">%zu</td><td class=\"n %s\">%zu</td></tr>\n",
                identity_word(i), s->identities[i], s->identities_failed[i] ? "bad" : "",
                s->identities_failed[i]);
    fputs("</tbody></table></div>\n", to);
}

static int slower(const void *a, const void *b)
{
    const struct record *const *x = a, *const *y = b;
    return (*x)->r.ms < (*y)->r.ms ? 1 : (*x)->r.ms > (*y)->r.ms ? -1 : 0;
}

static void print_timing(const struct run *r, FILE *to)
{
    const struct record **all = calloc(r->count + 1, sizeof *all);
    double sum = 0;
    char words[64];
    if (!all) return;
    for (size_t i = 0; i < r->count; i++) all[i] = &r->records[i], sum += r->records[i].r.ms;
    qsort(all, r->count, sizeof *all, slower);
    fprintf(to,
            "<h2>Time</h2><p class=\"note\">%s of judging in %d processes at a time. The slowest cases:</p>"
            "<div class=\"scroll\"><table><tbody>\n",
            time_words(sum / 1000, words, sizeof words), r->options->limits.jobs);
    for (size_t i = 0; i < r->count && i < SLOWEST; i++) {
        fprintf(to, "<tr><td class=\"n\">%.0f&#160;ms</td><td class=\"mono\">", all[i]->r.ms);
        print_escaped(r->cases->items[all[i]->item].name, to);
        fputs("</td></tr>\n", to);
    }
    fputs("</tbody></table></div>\n", to);
    free(all);
}

static void print_fact(const char *name, const char *value, FILE *to)
{
    if (!*value) return;
    fprintf(to, "<dt>%s</dt><dd>", name);
    print_escaped(value, to);
    fputs("</dd>\n", to);
}

static void print_surroundings(const struct run *r, const struct summary *s, FILE *to)
{
    char words[400];
    fputs("<h2>What was run</h2><dl class=\"facts\">\n", to);
    print_fact("device", fact(r, "name"), to);
    print_fact("backend", fact(r, "backend"), to);
    print_fact("description", fact(r, "description"), to);
    print_fact("also as", s->variants, to);
    print_fact("host", host_words(words, sizeof words), to);
    print_fact("segue", SEGUE_VERSION_STRING, to);
    print_fact("started", r->started, to);
    print_fact("cases", r->cases->list, to);
    print_fact("SHA-256 of their names", r->cases->sha256, to);
    for (int i = 0, at = 0; i < STATUS_COUNT; i++)
        if (s->statuses[i] && at < (int)sizeof words - 40)
            at += snprintf(words + at, sizeof words - (size_t)at, "%s%zu %s", at ? ", " : "", s->statuses[i],
                           status_name(i));
    print_fact("results", s->results ? words : "", to);
    fputs("</dl>\n", to);
}

static void print_list(const struct run *r, FILE *to)
{
    fprintf(
        to,
        "<details><summary>All %zu results</summary><div class=\"scroll\"><table><thead><tr><th>status</th><th>case</th>"
        "<th>kernel</th><th class=\"n\">share of limit</th><th class=\"n\">sigmas</th><th class=\"n\">ms</th></tr></thead><tbody>\n",
        r->count);
    for (size_t i = 0; i < r->count; i++) {
        const struct result *x = &r->records[i].r;
        fprintf(to, "<tr><td class=\"%s\">%s</td><td class=\"mono\">", html_tone(x->status),
                status_name(x->status));
        print_escaped(r->cases->items[r->records[i].item].name, to);
        fputs("</td><td>", to);
        print_escaped(x->row, to);
        fprintf(to, "</td><td class=\"n\">%.2f</td><td class=\"n\">%.2f</td><td class=\"n\">%.1f</td></tr>\n",
                x->margin, x->sigmas, x->ms);
    }
    fputs("</tbody></table></div></details>\n", to);
}

void report_html(const struct run *r, const struct summary *s, FILE *to)
{
    print_head(r, s, to);
    print_failures(r, s, to);
    html_matrices(r, to);
    html_margins(r, to);
    print_classes(r, s, to);
    print_identities(s, to);
    print_timing(r, to);
    print_surroundings(r, s, to);
    print_list(r, to);
    fputs("</main></body></html>\n", to);
}
