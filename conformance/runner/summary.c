/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "summary.h"

#include "record.h"
#include "verb.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- counting ------------------------------------------------------------------------------------------- */

static void count_class(struct summary *s, const struct record *record)
{
    const struct result *r = &record->r;
    struct class_summary *c = s->classes;
    if (status_counts_as(r->status) != COUNTS_PASSED) return;
    while (c < s->classes + s->class_count && c->accuracy != r->accuracy) c++;
    if (c == s->classes + SUMMARY_CLASSES) return;
    if (c == s->classes + s->class_count) {
        *c = (struct class_summary){ .accuracy = r->accuracy };
        s->class_count++;
    }
    c->results++;
    if (r->margin > c->margin) c->margin = r->margin;
    if (!c->worst || r->sigmas > c->sigmas) c->worst = record, c->sigmas = r->sigmas;
}

const char *identity_word(int i)
{
    const char *name = identity_name(i), *colon = name ? strchr(name, ':') : NULL;
    return colon ? colon + 1 : name;
}

static void count_identities(struct summary *s, const struct result *r)
{
    for (int i = 0; i < SUMMARY_IDENTITIES && identity_name(i); i++) {
        s->identities[i] += r->identities >> i & 1;
        s->identities_failed[i] += r->identities_failed >> i & 1;
    }
}

static size_t count_rows(const struct run *r)
{
    size_t rows = 0;
    for (size_t i = 0; i < r->count; i++) {
        int seen = !r->records[i].r.row[0] || r->records[i].r.status == STATUS_DELEGATED;
        for (size_t k = 0; k < i && !seen; k++) seen = !strcmp(r->records[k].r.row, r->records[i].r.row);
        rows += !seen;
    }
    return rows;
}

static void count_primitives(const struct run *r, struct summary *s)
{
    for (uint32_t id = 1; segue_describe(id); id++) {
        const char *name = segue_describe(id)->name;
        const size_t length = strlen(name);
        int passed = 0;
        for (size_t i = 0; i < r->count && !passed; i++) {
            const char *descriptor = r->cases->items[r->records[i].item].name;
            passed = status_counts_as(r->records[i].r.status) == COUNTS_PASSED &&
                     !strncmp(descriptor, name, length) && descriptor[length] == '/';
        }
        s->of_primitives++;
        s->primitives += passed != 0;
    }
}

/* The device's own way, in words of its labels: "2" threads, "avx512" of "isa avx512". */
static void own_way(const struct run *r, const char *label, size_t word, char *to, size_t room)
{
    const json_t *own = json_object_get(r->device, "own");
    const int threads = (int)json_integer_value(json_object_get(r->device, "threads"));
    *to = 0;
    if (word == 7 && !strncmp(label, "threads", word) && threads) snprintf(to, room, "%d", threads);
    for (size_t i = 0; !*to && i < json_array_size(own); i++) {
        const char *way = json_string_value(json_array_get(own, i));
        if (way && !strncmp(way, label, word + 1)) snprintf(to, room, "%s", way + word + 1);
    }
}

/* Labels "threads 1", "isa avx2" grouped by their first word: "threads 1 2 3; isa base avx2 avx512". */
static void join_variants(const struct run *r, char *to, size_t room)
{
    const json_t *variants = json_object_get(r->device, "variants");
    char own[32];
    size_t at = 0;
    for (size_t i = 0; i < json_array_size(variants) && at < room; i++) {
        const char *label = json_string_value(json_array_get(variants, i));
        const size_t word = label ? strcspn(label, " ") : 0;
        int first = word > 0;
        for (size_t k = 0; k < i && first; k++)
            first = strncmp(json_string_value(json_array_get(variants, k)), label, word + 1) != 0;
        if (!first) continue;
        at += (size_t)snprintf(to + at, room - at, "%s%.*s", at ? "; " : "", (int)word, label);
        own_way(r, label, word, own, sizeof own);
        for (size_t k = i; k < json_array_size(variants) && at < room; k++) {
            const char *other = json_string_value(json_array_get(variants, k));
            if (strncmp(other, label, word + 1)) continue;
            if (atoi(own) && atoi(own) < atoi(other + word)) { /* numbers in their order */
                at += (size_t)snprintf(to + at, room - at, " %s", own);
                own[0] = 0;
            }
            if (at < room) at += (size_t)snprintf(to + at, room - at, "%s", other + word);
        }
        if (at < room && own[0]) at += (size_t)snprintf(to + at, room - at, " %s", own);
    }
}

void summarize(const struct run *r, struct summary *out)
{
    memset(out, 0, sizeof *out);
    run_counts(r, out->counts);
    out->cases = r->cases->count;
    out->results = r->count;
    for (size_t i = 0; i < r->count; i++) {
        out->statuses[r->records[i].r.status]++;
        out->judged += !i || r->records[i].item != r->records[i - 1].item;
        count_class(out, &r->records[i]);
        count_identities(out, &r->records[i].r);
    }
    out->delegated = out->statuses[STATUS_DELEGATED];
    out->rows = count_rows(r);
    count_primitives(r, out);
    join_variants(r, out->variants, sizeof out->variants);
    out->exit_code =
        out->counts[COUNTS_FAILED] || !out->counts[COUNTS_PASSED] || r->interrupted ? EXIT_FAILED : EXIT_OK;
}

/* ---- words ---------------------------------------------------------------------------------------------- */

const char *time_words(double seconds, char *to, size_t room)
{
    if (seconds < 60) snprintf(to, room, "%.1f s", seconds);
    else snprintf(to, room, "%d m %d s", (int)seconds / 60, (int)seconds % 60);
    return to;
}

const char *number_words(double value, char *to, size_t room)
{
    const double size = fabs(value);
    if (size >= 1e-3 && size < 1e5) snprintf(to, room, "%.5g", value);
    else if (value == 0 || !isfinite(value)) snprintf(to, room, "%g", value);
    else snprintf(to, room, "%.4e", value);
    return to;
}

const char *element_words(const struct result *r, char *to, size_t room)
{
    char got[32], want[32], ratio[32], place[160];
    *to = 0;
    if (!r->operand[0]) return to;
    record_place(r, place, sizeof place);
    if (!r->rank) snprintf(to, room, "%s", place);
    else if (r->ratio == 0)
        snprintf(to, room, "%s: %s, wanted %s", place, number_words(r->got, got, sizeof got),
                 number_words(r->want, want, sizeof want));
    else {
        snprintf(ratio, sizeof ratio, r->ratio < 1e6 ? "%.3g" : "%.2e", r->ratio);
        snprintf(to, room, "%s: %s, wanted %s (%s x the bound)", place, number_words(r->got, got, sizeof got),
                 number_words(r->want, want, sizeof want), ratio);
    }
    return to;
}

static void print_part(const char *between, int *parts, const char *before, const char *text)
{
    if (!*text) return;
    printf("%s%s%s", *parts ? between : "   ", before, text);
    ++*parts;
}

static void print_failure(const struct run *r, const struct record *record, const char *between)
{
    const struct result *x = &record->r;
    char words[AGAIN_TEXT];
    int parts = 0;
    printf("%-6s %s", status_name(x->status), r->cases->items[record->item].name);
    print_part(between, &parts, "", element_words(x, words, sizeof words));
    print_part(between, &parts, "", x->check);
    print_part(between, &parts, "", x->pattern);
    print_part(between, &parts, "resembles fault ", x->fault);
    print_part(between, &parts, "", x->why);
    print_part(between, &parts, "row ", x->row);
    printf("%sagain: %s\n", *between == ';' && between[1] == ' ' ? ".  " : between + 1,
           run_again(r, record, words, sizeof words));
}

static void print_classes(const struct summary *s)
{
    char words[96];
    if (s->class_count) printf("largest |error| / sigma:");
    for (size_t i = 0; i < s->class_count; i++)
        printf("%s %s %.3g in %zu", i ? "," : "", accuracy_words(s->classes[i].accuracy, words, sizeof words),
               s->classes[i].sigmas, s->classes[i].results);
    if (s->class_count) printf("\n");
}

static void print_identities(const struct summary *s)
{
    int some = 0;
    for (int i = 0; i < SUMMARY_IDENTITIES && identity_name(i); i++) {
        if (!s->identities[i]) continue;
        printf("%s %s %zu", some++ ? "," : "identities:", identity_word(i), s->identities[i]);
        if (s->identities_failed[i]) printf(" (%zu failed)", s->identities_failed[i]);
    }
    if (some) printf("\n");
}

static void print_not_opened(const struct run *r)
{
    const json_t *labels = json_object_get(r->device, "not_opened");
    for (size_t i = 0; i < json_array_size(labels); i++)
        printf("%s%s",
               i ? ", " : "not to be had on this machine: ", json_string_value(json_array_get(labels, i)));
    if (json_array_size(labels)) printf("\n");
}

void summary_print(const struct run *r, const struct summary *s)
{
    char words[64];
    const char *between = isatty(STDOUT_FILENO) ? ";\n       " : "; "; /* a line each, or broken for the eye */
    for (size_t i = 0; i < r->count; i++)
        if (status_counts_as(r->records[i].r.status) == COUNTS_FAILED)
            print_failure(r, &r->records[i], between);
    if (!r->options->quiet) {
        print_classes(s);
        print_identities(s);
        print_not_opened(r);
        printf("%zu case%s, %zu result%s:", s->cases, s->cases == 1 ? "" : "s", s->results,
               s->results == 1 ? "" : "s");
        for (int status = 0, first = 1; status < STATUS_COUNT; status++)
            if (s->statuses[status])
                printf("%s %zu %s", first ? "" : ",", s->statuses[status], status_name(status)), first = 0;
        printf("\ncovers %zu of %zu primitives; %zu row%s; %zu delegated%s%s; %s\n", s->primitives,
               s->of_primitives, s->rows, s->rows == 1 ? "" : "s", s->delegated, s->variants[0] ? "; " : "",
               s->variants, time_words(r->seconds, words, sizeof words));
    }
    if (r->trouble.at_a_time)
        printf("at most %d at a time: beside others a child could not open the device: %.300s\n",
               r->trouble.at_a_time, r->trouble.opening);
    if (r->run_again && r->run_again < r->doubtful)
        printf("%zu of %zu failures were run again\n", r->run_again, r->doubtful);
    if (r->interrupted)
        printf("interrupted by %s: %zu of %zu cases have a result\n", r->interrupted, s->judged, s->cases);
    printf("%zu passed, %zu failed, %zu skipped\n", s->counts[COUNTS_PASSED], s->counts[COUNTS_FAILED],
           s->counts[COUNTS_SKIPPED]);
}
