/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of counts and the histogram. */
#include "html.h"

#include "record.h"

#include <math.h>
#include <stdlib.h>

enum { NAMES = 256, NAME = 96, PART_DTYPES = 2, PART_LAYOUT = 4, PART_DISTRIBUTION = 5 };

struct names { /* in their order, then "others" where there are more */
    char text[NAMES + 1][NAME];
    int known, count; /* count: with "others" */
};

static void add_name(struct names *n, const char *name)
{
    int i = 0;
    while (i < n->known && strcmp(n->text[i], name)) i++;
    if (i < n->known) return;
    if (n->known < NAMES) snprintf(n->text[n->known++], NAME, "%s", name);
    else snprintf(n->text[NAMES], NAME, "others");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* When all have been added. */
static void sort_names(struct names *n)
{
    qsort(n->text, (size_t)n->known, NAME, by_text);
    n->count = n->known + (n->text[NAMES][0] != 0);
}

static int place_of(const struct names *n, const char *name)
{
    const char *found = bsearch(name, n->text, (size_t)n->known, NAME, by_text);
    return found ? (int)((size_t)(found - n->text[0]) / NAME) : NAMES;
}

struct cell {
    unsigned passed, failed, skipped;
};

static void count_in(struct cell *c, enum status s)
{
    unsigned *const counts[] = {
        [COUNTS_PASSED] = &c->passed, [COUNTS_FAILED] = &c->failed, [COUNTS_SKIPPED] = &c->skipped
    };
    ++*counts[status_counts_as(s)];
}

static void print_cell(const struct cell *c, FILE *to)
{
    const unsigned judged = c->passed + c->failed;
    if (c->failed)
        fprintf(to, "<td class=\"bad\" title=\"%u of %u failed\">&#10007;&#160;%u/%u</td>", c->failed, judged,
                c->failed, judged);
    else if (judged)
        fprintf(to, "<td class=\"ok\" title=\"%u passed, %u skipped\">%u</td>", c->passed, c->skipped,
                c->passed);
    else if (c->skipped)
        fprintf(to, "<td class=\"skip\" title=\"%u skipped\">skip&#160;%u</td>", c->skipped, c->skipped);
    else fputs("<td class=\"none\">&#183;</td>", to);
}

/* ---- primitives and dtypes ------------------------------------------------------------------------------ */

static const char *kind_of(const char *descriptor, char *to, size_t room)
{
    char primitive[64], dtype[16];
    snprintf(to, room, "%s %s", descriptor_part(descriptor, 0, "/", primitive, sizeof primitive),
             descriptor_part(descriptor, PART_DTYPES, "-/", dtype, sizeof dtype));
    return to;
}

struct axes {
    struct names kinds, layouts, distributions;
};

static void collect_axes(const struct run *r, struct axes *a)
{
    char word[NAME];
    memset(a, 0, sizeof *a);
    for (size_t i = 0; i < r->count; i++) {
        const char *name = r->cases->items[r->records[i].item].name;
        add_name(&a->kinds, kind_of(name, word, sizeof word));
        add_name(&a->layouts, descriptor_part(name, PART_LAYOUT, "/", word, sizeof word));
        add_name(&a->distributions, descriptor_part(name, PART_DISTRIBUTION, ".#", word, sizeof word));
    }
    sort_names(&a->kinds);
    sort_names(&a->layouts);
    sort_names(&a->distributions);
}

static void print_columns(const struct names *n, FILE *to)
{
    for (int i = 0; i < n->count; i++) {
        fputs("<th>", to);
        print_escaped(n->text[i], to);
        fputs("</th>", to);
    }
}

static void print_kind(const struct run *r, const struct axes *a, int kind, FILE *to)
{
    struct cell layouts[NAMES + 1] = { 0 }, distributions[NAMES + 1] = { 0 };
    char word[NAME];
    for (size_t i = 0; i < r->count; i++) {
        const char *name = r->cases->items[r->records[i].item].name;
        if (place_of(&a->kinds, kind_of(name, word, sizeof word)) != kind) continue;
        const enum status s = r->records[i].r.status;
        count_in(&layouts[place_of(&a->layouts, descriptor_part(name, PART_LAYOUT, "/", word, sizeof word))],
                 s);
        count_in(&distributions[place_of(&a->distributions,
                                         descriptor_part(name, PART_DISTRIBUTION, ".#", word, sizeof word))],
                 s);
    }
    fputs("<tr><th>", to);
    print_escaped(a->kinds.text[kind], to);
    fputs("</th>", to);
    for (int i = 0; i < a->layouts.count; i++) print_cell(&layouts[i], to);
    fputs("<td class=\"gap\"></td>", to);
    for (int i = 0; i < a->distributions.count; i++) print_cell(&distributions[i], to);
    fputs("</tr>\n", to);
}

static void print_kinds(const struct run *r, FILE *to)
{
    struct axes *a = malloc(sizeof *a);
    if (!a) return;
    collect_axes(r, a);
    fprintf(
        to,
        "<section class=\"matrix\"><h2>Where it holds</h2><p class=\"note\">Results by primitive and dtype, against how "
        "operands lie in memory and what values they hold. A number is passed results, &#10007; those that failed, of "
        "all.</p><div class=\"scroll\"><table><thead><tr><th></th><th class=\"group\" colspan=\"%d\">layout</th>"
        "<th class=\"gap\"></th><th class=\"group\" colspan=\"%d\">values</th></tr>\n<tr><th></th>",
        a->layouts.count, a->distributions.count);
    print_columns(&a->layouts, to);
    fputs("<th class=\"gap\"></th>", to);
    print_columns(&a->distributions, to);
    fputs("</tr></thead><tbody>\n", to);
    for (int k = 0; k < a->kinds.count; k++) print_kind(r, a, k, to);
    fputs("</tbody></table></div></section>\n", to);
    free(a);
}

/* ---- kernels -------------------------------------------------------------------------------------------- */

static void print_kernels(const struct run *r, FILE *to)
{
    enum { KINDS = 6 };
    struct names *rows = calloc(1, sizeof *rows);
    if (!rows) return;
    for (size_t i = 0; i < r->count; i++)
        if (r->records[i].r.row[0]) add_name(rows, r->records[i].r.row);
    sort_names(rows);
    fputs(
        "<section class=\"matrix\"><h2>Kernels</h2><p class=\"note\">How many results of each kernel underwent which kind of "
        "check.</p><div class=\"scroll\"><table><thead><tr><th></th>",
        to);
    for (int k = 0; k < KINDS; k++) fprintf(to, "<th>%s</th>", check_name((enum check)(1u << k)));
    fputs("<th>other</th></tr></thead><tbody>\n", to);
    for (int row = 0; row < rows->count; row++) {
        struct cell cells[KINDS + 1] = { 0 };
        for (size_t i = 0; i < r->count; i++) {
            const struct result *x = &r->records[i].r;
            if (!x->row[0] || place_of(rows, x->row) != row) continue;
            const int skipped = status_counts_as(x->status) == COUNTS_SKIPPED;
            for (unsigned k = 0; k < KINDS; k++) {
                const unsigned ran = x->ran >> k & 1, failed = x->failed >> k & 1;
                cells[k].failed += failed;
                cells[k].skipped += ran && skipped;
                cells[k].passed += ran && !failed && !skipped;
            }
            /* a crash, a hang: no check came to say so */
            cells[KINDS].failed += !x->failed && status_counts_as(x->status) == COUNTS_FAILED;
        }
        fputs("<tr><th>", to);
        print_escaped(rows->text[row], to);
        fputs("</th>", to);
        for (int k = 0; k <= KINDS; k++) print_cell(&cells[k], to);
        fputs("</tr>\n", to);
    }
    fputs("</tbody></table></div></section>\n", to);
    free(rows);
}

void html_matrices(const struct run *r, FILE *to)
{
    if (!r->count) return;
    print_kinds(r, to);
    print_kernels(r, to);
}

/* ---- margins -------------------------------------------------------------------------------------------- */

void html_margins(const struct run *r, FILE *to)
{
    enum { BINS = 20, WIDTH = 720, HEIGHT = 150, FOOT = 24, HEAD = 16 };
    unsigned bins[BINS] = { 0 }, most = 1, passed = 0;
    for (size_t i = 0; i < r->count; i++) {
        const struct result *x = &r->records[i].r;
        if (status_counts_as(x->status) != COUNTS_PASSED || !isfinite(x->margin)) continue;
        const int bin = x->margin < 0 ? 0 : x->margin >= 1 ? BINS - 1 : (int)(x->margin * BINS);
        passed++;
        if (++bins[bin] > most) most = bins[bin];
    }
    if (!passed) return;
    fprintf(
        to,
        "<h2>Margins</h2><p class=\"note\">How much of its tightest limit each of the %u passed results used; beyond 1 it "
        "would have failed, from 0.5 on it is marked PASS_MARGIN.</p>\n"
        "<div class=\"scroll\"><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"histogram of margins\">\n",
        passed, WIDTH, HEAD + HEIGHT + FOOT);
    for (int i = 0; i < BINS; i++) {
        const double height = (double)bins[i] / most * HEIGHT, wide = (double)WIDTH / BINS, x = i * wide;
        if (!bins[i]) continue;
        fprintf(to,
                "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\"/>"
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%u</text>\n",
                i >= BINS / 2 ? "near" : "", x + 2, HEAD + HEIGHT - height, wide - 4, height, x + wide / 2,
                HEAD + HEIGHT - height - 4, bins[i]);
    }
    fprintf(to, "<line x1=\"0\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n", WIDTH, HEAD + HEIGHT, HEAD + HEIGHT);
    for (int i = 0; i <= 4; i++)
        fprintf(to, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">%.2g</text>\n", i * WIDTH / 4,
                HEAD + HEIGHT + 17,
                i == 0   ? "start"
                : i == 4 ? "end"
                         : "middle",
                i / 4.0);
    fputs("</svg></div>\n", to);
}
