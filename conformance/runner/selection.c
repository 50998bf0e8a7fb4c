/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "selection.h"

#include "../grammar/cover.h"
#include "../grammar/test_case.h"
#include "record.h"
#include "verb.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdlib.h>

__attribute__((format(printf, 3, 4))) static int fail(char *why, int code, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(why, SELECTION_WHY, format, list);
    va_end(list);
    return code;
}

static int append(struct selection *s, const char *name, const char *row, char *why)
{
    struct chosen *items = realloc(s->items, (s->count + 1) * sizeof *items);
    if (items) s->items = items;
    if (!items || !(items[s->count].name = strdup(name)))
        return fail(why, EXIT_ENVIRONMENT, "no memory for the cases");
    snprintf(items[s->count++].row, sizeof items->row, "%s", row);
    return EXIT_OK;
}

/* Once each. */
static int choose(struct selection *s, const char *name, const char *row, char *why)
{
    for (size_t i = 0; i < s->count; i++)
        if (!strcmp(s->items[i].name, name) && !strcmp(s->items[i].row, row)) return EXIT_OK;
    return append(s, name, row, why);
}

/* take: append() or choose(). */
static int take_descriptor(struct selection *s, const char *text, const char *row, char *why,
                           int (*take)(struct selection *, const char *, const char *, char *))
{
    struct test_case c;
    char words[DESCRIPTOR_WHY];
    int code = EXIT_OK;
    if (test_case_outline(text, &c, words))
        code = fail(why, EXIT_USAGE, "%.300s: %s (segue conform list prints descriptors)", text, words);
    else code = take(s, c.name, row, why);
    test_case_free(&c);
    return code;
}

/* What a person has typed may be well spelled and still no valid call: core says so before anything is run. */
static int choose_typed(struct selection *s, const char *text, const char *row, char *why)
{
    char words[DESCRIPTOR_WHY];
    int code = take_descriptor(s, text, row, why, choose);
    if (code) return code;
    struct oracle *oracle = oracle_open(words);
    if (!oracle) code = fail(why, EXIT_ENVIRONMENT, "%s", words);
    else if (!oracle_accepts(oracle, text, words))
        code = fail(why, EXIT_USAGE, "%.300s is no valid call: %s", text, words);
    oracle_close(oracle);
    return code;
}

static int choose_glob(struct selection *s, const char *glob, const struct list *l, const struct wish *w,
                       char *why)
{
    int code = EXIT_OK, matches = 0;
    for (size_t i = 0; i < l->count && !code; i++)
        if (!fnmatch(glob, l->names[i], 0)) {
            matches = 1;
            code = choose(s, l->names[i], w->row ? w->row : "", why);
        }
    if (!code && !matches)
        code = fail(why, EXIT_USAGE, "'%.300s' matches none of the %zu cases of profile %s", glob, l->count,
                    w->profile ? w->profile : "smoke");
    return code;
}

static int is_glob(const char *word)
{
    return word[strcspn(word, "*?[")] != 0;
}

/* ---- failures ------------------------------------------------------------------------------------------- */

static int choose_failure(struct selection *s, const json_t *line, const struct wish *w, char *why)
{
    const char *name = json_string_value(json_object_get(line, "descriptor"));
    struct result r;
    if (!name || record_read(line, &r) || status_counts_as(r.status) != COUNTS_FAILED) return EXIT_OK;
    if (w->row && r.row[0] && strcmp(w->row, r.row)) return EXIT_OK;
    const json_t *behind = json_object_get(line, "behind");
    int code = EXIT_OK;
    for (size_t i = 0; i < json_array_size(behind) && !code; i++) {
        const char *before = json_string_value(json_array_get(behind, i));
        s->ordered = 1;
        if (before) code = take_descriptor(s, before, "", why, append);
    }
    if (code) return code;
    return take_descriptor(s, name, w->row ? w->row : r.row, why, json_array_size(behind) ? append : choose);
}

static int choose_failures(struct selection *s, const struct wish *w, char *why)
{
    FILE *f = fopen(w->failures, "r");
    char *text = NULL;
    size_t room = 0, number = 0;
    int code = EXIT_OK, ours = 0;
    if (!f) return fail(why, EXIT_ENVIRONMENT, "--failures %.300s: %s", w->failures, strerror(errno));
    while (!code && getline(&text, &room, f) > 0) {
        json_t *line = json_loads(text, 0, NULL);
        number++;
        ours |= json_is_object(json_object_get(line, "run"));
        if (!line) code = fail(why, EXIT_USAGE, "--failures %.300s: line %zu is no JSON", w->failures, number);
        else code = choose_failure(s, line, w, why);
        json_decref(line);
    }
    if (!code && ferror(f))
        code = fail(why, EXIT_ENVIRONMENT, "--failures %.300s: %s", w->failures, strerror(errno));
    if (!code && !ours)
        code = fail(why, EXIT_USAGE, "--failures %.300s: wanted what --json has written", w->failures);
    if (!code && !s->count)
        code = fail(why, EXIT_USAGE, "--failures %.300s: nothing failed there: nothing to run", w->failures);
    free(text);
    fclose(f);
    snprintf(s->list, sizeof s->list, "failures of an earlier run");
    return code;
}

/* ---- profiles ------------------------------------------------------------------------------------------- */

static int choose_from_profile(struct selection *s, const struct wish *w, char *why)
{
    struct list l = { 0 };
    char words[DESCRIPTOR_WHY];
    const char *profile = w->profile ? w->profile : "smoke", *row = w->row ? w->row : "";
    int code = EXIT_OK, globs = !w->word_count;
    for (int i = 0; i < w->word_count; i++) globs |= is_glob(w->words[i]);
    if (globs && list_read(profile, &l, words)) return fail(why, EXIT_ENVIRONMENT, "%s", words);
    for (size_t i = 0; i < l.count && !code && !w->word_count; i++) code = choose(s, l.names[i], row, why);
    for (int i = 0; i < w->word_count && !code; i++)
        if (is_glob(w->words[i])) code = choose_glob(s, w->words[i], &l, w, why);
        else code = choose_typed(s, w->words[i], row, why);
    list_free(&l);
    if (!code && !s->count) code = fail(why, EXIT_USAGE, "profile %s has no cases: nothing to run", profile);
    if (!w->word_count) snprintf(s->list, sizeof s->list, "%s", profile);
    else snprintf(s->list, sizeof s->list, "chosen%s%s", globs ? " from " : "", globs ? profile : "");
    return code;
}

static int digest(struct selection *s, char *why)
{
    struct list l = { .names = malloc(s->count * sizeof *l.names), .count = s->count };
    if (!l.names) return fail(why, EXIT_ENVIRONMENT, "no memory for the cases");
    for (size_t i = 0; i < s->count; i++) l.names[i] = s->items[i].name; /* lent */
    list_digest(&l, s->sha256);
    free(l.names);
    return EXIT_OK;
}

int selection_make(struct selection *out, const struct wish *w, char *why)
{
    memset(out, 0, sizeof *out);
    int code;
    if (w->profile && !strcmp(w->profile, "full"))
        code = fail(why, EXIT_USAGE, "--profile full does not exist yet: wanted smoke or core");
    else if (w->profile && strcmp(w->profile, "smoke") && strcmp(w->profile, "core"))
        code = fail(why, EXIT_USAGE, "--profile %.100s: wanted smoke or core", w->profile);
    else if (w->failures && (w->word_count || w->profile))
        code = fail(why, EXIT_USAGE,
                    "--failures names its cases itself: wanted no profile and no descriptors with it");
    else code = w->failures ? choose_failures(out, w, why) : choose_from_profile(out, w, why);
    if (!code) code = digest(out, why);
    if (code) selection_free(out);
    return code;
}

void selection_free(struct selection *s)
{
    for (size_t i = 0; i < s->count; i++) free(s->items[i].name);
    free(s->items);
    s->items = NULL;
    s->count = 0;
}
