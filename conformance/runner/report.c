/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines and JUnit. */
#include "report.h"

#include "record.h"

#include <stdlib.h>
#include <sys/utsname.h>

const char *host_words(char *to, size_t room)
{
    struct utsname system;
    char *line = NULL, model[128] = "";
    size_t size = 0;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && !model[0] && getline(&line, &size, f) > 0) sscanf(line, "model name : %127[^\n]", model);
    if (f) fclose(f);
    free(line);
    if (uname(&system)) snprintf(to, room, "%s", model);
    else
        snprintf(to, room, "%s %s %s%s%s", system.sysname, system.release, system.machine, model[0] ? ", " : "",
                 model);
    return to;
}

/* ---- JSON ----------------------------------------------------------------------------------------------- */

static void print_line(json_t *line, FILE *to)
{
    if (line) json_dumpf(line, to, JSON_COMPACT);
    fputc('\n', to);
    json_decref(line);
}

static json_t *run_json(const struct run *r)
{
    char host[400];
    return json_pack("{s:{s:s, s:s, s:i, s:O?, s:s, s:o, s:s}}", "run", "list", r->cases->list, "sha256",
                     r->cases->sha256, "cases", (int)r->cases->count, "device", r->device, "version",
                     SEGUE_VERSION_STRING, "host", json_text(host_words(host, sizeof host)), "started",
                     r->started);
}

static json_t *summary_json(const struct run *r, const struct summary *s)
{
    json_t *statuses = json_object(), *classes = json_object(), *identities = json_object();
    char words[96];
    for (int i = 0; i < STATUS_COUNT; i++)
        if (s->statuses[i])
            json_object_set_new(statuses, status_name(i), json_integer((json_int_t)s->statuses[i]));
    for (size_t i = 0; i < s->class_count; i++)
        json_object_set_new(classes, accuracy_words(s->classes[i].accuracy, words, sizeof words),
                            json_pack("{s:i, s:f, s:f}", "results", (int)s->classes[i].results, "sigmas",
                                      s->classes[i].sigmas, "margin", s->classes[i].margin));
    for (int i = 0; i < SUMMARY_IDENTITIES && identity_name(i); i++)
        json_object_set_new(
            identities, identity_name(i),
            json_pack("{s:i, s:i}", "ran", (int)s->identities[i], "failed", (int)s->identities_failed[i]));
    return json_pack(
        "{s:{s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:i, s:i, s:i, s:s, s:s, s:f, s:s?, s:i, s:i, s:o}}", "summary",
        "passed", (int)s->counts[COUNTS_PASSED], "failed", (int)s->counts[COUNTS_FAILED], "skipped",
        (int)s->counts[COUNTS_SKIPPED], "cases", (int)s->cases, "results", (int)s->results, "statuses",
        statuses, "classes", classes, "primitives", (int)s->primitives, "rows", (int)s->rows, "delegated",
        (int)s->delegated, "variants", s->variants, "closing", r->trouble.closing, "seconds", r->seconds,
        "interrupted", r->interrupted, "judged", (int)s->judged, "run_again", (int)r->run_again, "identities",
        identities);
}

static json_t *result_json(const struct run *r, const struct record *record, const char *device)
{
    json_t *line = record_json(r->cases->items[record->item].name, device, &record->r);
    json_t *behind = record->behind_count ? json_array() : NULL;
    const char *name;
    for (size_t i = 0; behind && (name = run_behind(r, record, i)); i++)
        json_array_append_new(behind, json_text(name));
    if (line && behind) json_object_set(line, "behind", behind);
    json_decref(behind);
    return line;
}

void report_json(const struct run *r, const struct summary *s, FILE *to)
{
    const char *device = json_string_value(json_object_get(r->device, "name"));
    print_line(run_json(r), to);
    for (size_t i = 0; i < r->count; i++) print_line(result_json(r, &r->records[i], device ? device : ""), to);
    print_line(summary_json(r, s), to);
}

/* ---- JUnit ---------------------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 sequence at text that XML may hold; 0 = none. */
static size_t sequence(const unsigned char *text)
{
    const unsigned c = text[0];
    const size_t length = c < 0x80                ? 1
                          : c >= 0xc2 && c < 0xe0 ? 2
                          : c >= 0xe0 && c < 0xf0 ? 3
                          : c >= 0xf0 && c < 0xf5 ? 4
                                                  : 0;
    if (length == 1) return c >= ' ' || c == '\n' || c == '\t';
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    const unsigned second = length ? text[1] : 0;
    if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) || (c == 0xf0 && second < 0x90) ||
        (c == 0xf4 && second > 0x8f) || (c == 0xef && second == 0xbf && text[2] > 0xbd))
        return 0;
    return length;
}

void print_escaped(const char *text, FILE *to)
{
    static const struct {
        char from;
        const char *to;
    } words[] = { { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&#39;" } };
    while (*text) {
        const char *word = NULL;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (*text == words[i].from) word = words[i].to;
        const size_t length = sequence((const unsigned char *)text);
        if (word) fputs(word, to);
        else if (length) fwrite(text, 1, length, to);
        else fputc('?', to);
        text += length ? length : 1;
    }
}

static void attribute(const char *name, const char *value, FILE *to)
{
    fprintf(to, " %s=\"", name);
    print_escaped(value, to);
    fputc('"', to);
}

static void junit_case(const struct run *r, const struct record *record, FILE *to)
{
    const struct result *x = &record->r;
    const char *descriptor = r->cases->items[record->item].name;
    const char *kind = x->status == STATUS_HARNESS_ERROR || x->status == STATUS_VACUOUS ? "error" : "failure";
    char primitive[64], words[AGAIN_TEXT], name[DESCRIPTOR_TEXT + 80];
    snprintf(primitive, sizeof primitive, "%.*s", (int)strcspn(descriptor, "/"), descriptor);
    snprintf(name, sizeof name, "%s%s%s", descriptor, x->row[0] ? " " : "", x->row);
    fputs("  <testcase", to);
    attribute("classname", primitive, to);
    attribute("name", name, to);
    fprintf(to, " time=\"%.4f\"", x->ms / 1000);
    if (status_counts_as(x->status) == COUNTS_PASSED) {
        fputs("/>\n", to);
        return;
    }
    fputs(">", to);
    if (status_counts_as(x->status) == COUNTS_SKIPPED) {
        snprintf(words, sizeof words, "%s: %s", status_name(x->status), x->why);
        fputs("<skipped", to);
        attribute("message", words, to);
        fputs("/></testcase>\n", to);
        return;
    }
    element_words(x, words, sizeof words);
    fprintf(to, "<%s", kind);
    attribute("type", status_name(x->status), to);
    attribute("message", words[0] ? words : x->why, to);
    fputs(">", to);
    const char *const lines[] = { words, x->check, x->pattern, x->fault, x->why };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (lines[i][0]) print_escaped(lines[i], to), fputc('\n', to);
    fputs("again: ", to);
    print_escaped(run_again(r, record, words, sizeof words), to);
    fprintf(to, "\n</%s></testcase>\n", kind);
}

void report_junit(const struct run *r, const struct summary *s, FILE *to)
{
    const size_t errors = s->statuses[STATUS_HARNESS_ERROR] + s->statuses[STATUS_VACUOUS];
    const size_t more = r->interrupted != NULL; /* a testcase of its own: nobody takes the rest for the whole */
    char name[300], title[128];
    snprintf(name, sizeof name, "segue conform %s on %s", r->cases->list, run_title(r, title, sizeof title));
    fprintf(to, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n <testsuite");
    attribute("name", name, to);
    fprintf(
        to,
        " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"%.3f\" timestamp=\"%.19s\">\n",
        s->results + more, s->counts[COUNTS_FAILED] - errors, errors + more, s->counts[COUNTS_SKIPPED],
        r->seconds, r->started);
    for (size_t i = 0; i < r->count; i++) junit_case(r, &r->records[i], to);
    if (more)
        fprintf(to,
                "  <testcase classname=\"segue\" name=\"the whole run\"><error type=\"interrupted\" "
                "message=\"interrupted by %s: %zu of %zu cases have a result\"/></testcase>\n",
                r->interrupted, s->judged, s->cases);
    fputs(" </testsuite>\n</testsuites>\n", to);
}
