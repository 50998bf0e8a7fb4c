/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../grammar/interruption.h"
#include "../grammar/output.h"
#include "bench.h"
#include "grid.h"

enum form { FORM_MD, FORM_CSV, FORM_JSON };

struct wishes {
    const char *device;
    uint32_t threads;
    enum form form;
    int list, rows, odd, quick, quiet;
    char **globs;
    int glob_count;
};

/* Odd points are many, and each is a ratio of neighbours: shorter samples do. */
static const struct pace usual = { 11, 0.030 }, quick = { 3, 0.001 };
static const struct pace odd_usual = { 25, 0.002 }, odd_quick = { 3, 0.0005 };

static int usage(FILE *to)
{
    fputs(
        "usage: segue bench [OPTION...] [GLOB...]\n"
        "How fast a device runs the calls of real models, and what share that is of what the machine allows.\n"
        "  GLOB         cases by their whole name; * crosses /. Without: all\n"
        "  --device D   cpu by default\n"
        "  --threads N  of a CPU device; default: as many as it takes itself\n"
        "  --rows       every kernel that accepts a case, not only the one that is chosen\n"
        "  --list       only the names of the cases\n"
        "  --md, --csv, --json   a table (default) at the end, comma-separated lines or one object a line as they come\n"
        "  --odd        instead: 64 odd shapes, each beside a round one, with the least ratio that is wanted\n"
        "  --quick      short and few samples: to see that it works, not how fast\n"
        "  -q, --quiet  no progress\n"
        "Fields: ms_min, ms_median, ms_max of so many samples (runs); limit_ms is the least time by limited_by (exp+fma:\n"
        "arithmetic, tiles: products of matrices, bytes: memory), measured in between; share = limit_ms / ms_median.\n"
        "Exit: 0 ok, 1 a wrong answer, a failure, interrupted, or no case that the device takes, 2 usage, 3 no device, 4 system.\n",
        to);
    return to == stdout ? BENCH_OK : BENCH_USAGE;
}

/* ---- output -------------------------------------------------------------------------------------- */

static const char *const heads[] = { "case",       "primitive",  "device",  "row",   "dtype",
                                     ">ms_min",    ">ms_median", ">ms_max", ">runs", ">limit_ms",
                                     "limited_by", ">share",     ">threads" };

static double share_of(const struct figure *f)
{
    return f->limit.ms / f->ms_median;
}

/* 0; -1 = a number that is none, or a name that is no UTF-8. */
static int print_json(const struct figure *f, FILE *to)
{
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:i, s:f, s:s, s:f, s:i}", "case", f->name,
                  "primitive", f->primitive, "device", f->device, "row", f->row, "dtype", f->dtype, "ms_min",
                  f->ms_min, "ms_median", f->ms_median, "ms_max", f->ms_max, "runs", f->runs, "limit_ms",
                  f->limit.ms, "limited_by", f->limit.by, "share", share_of(f), "threads", (int)f->threads);
    if (!o) return -1;
    json_dumpf(o, to, JSON_COMPACT | JSON_REAL_PRECISION(6));
    fputc('\n', to);
    fflush(to);
    json_decref(o);
    return 0;
}

static int add_row(struct grid *g, const struct figure *f)
{
    const char *const words[] = { f->name, f->primitive, f->device, f->row, f->dtype };
    const double ms[] = { f->ms_min, f->ms_median, f->ms_max };
    char(*cell)[GRID_CELL] = grid_add(g);
    if (!cell) return -1;
    for (int i = 0; i < 5; i++) snprintf(cell[i], GRID_CELL, "%s", words[i]);
    for (int i = 0; i < 3; i++) snprintf(cell[5 + i], GRID_CELL, "%.4f", ms[i]);
    snprintf(cell[8], GRID_CELL, "%d", f->runs);
    snprintf(cell[9], GRID_CELL, "%.4f", f->limit.ms);
    snprintf(cell[10], GRID_CELL, "%s", f->limit.by);
    snprintf(cell[11], GRID_CELL, "%.3f", share_of(f));
    snprintf(cell[12], GRID_CELL, "%u", f->threads);
    return 0;
}

/* ---- running ------------------------------------------------------------------------------------- */

struct session {
    const struct wishes *w;
    FILE *out; /* figures only */
    struct bench_device device;
    struct rates rates;
    int is_cpu;
    struct grid grid;
    int measured, broken;
};

static void measure(struct session *s, const struct bench_case *c, const char *row)
{
    char why[DESCRIPTOR_WHY] = "";
    struct figure f;
    if (!s->w->quiet) fprintf(stderr, "segue bench: %s%s%s\n", c->name, row ? " by " : "", row ? row : "");
    const int code =
        bench_measure(&s->device, s->is_cpu ? &s->rates : NULL, c, row, s->w->quick ? &quick : &usual, &f, why);
    if (code == STAGE_DECLINED) fprintf(stderr, "segue bench: %s: declined: %s\n", c->name, why);
    else if (code) fprintf(stderr, "segue bench: %s: %s\n", c->name, why);
    s->broken += code == STAGE_FAILED;
    if (code) return;
    s->measured++;
    if (!s->w->quiet && s->is_cpu)
        fprintf(stderr, "segue bench: %s: limits: exp+fma %.4f ms, bytes %.4f ms\n", c->name,
                f.limit.arithmetic_ms, f.limit.bytes_ms);
    if (s->w->form == FORM_JSON ? print_json(&f, s->out) : add_row(&s->grid, &f)) {
        fprintf(stderr, "segue bench: %s: the figure cannot be printed\n", c->name);
        s->broken++;
    } else if (s->w->form == FORM_CSV) {
        grid_print_csv_row(&s->grid, s->grid.rows - 1, s->out);
        fflush(s->out);
    }
}

/* Every row that accepts the case. */
static void measure_rows(struct session *s, const struct bench_case *c)
{
    struct descriptor d;
    char why[DESCRIPTOR_WHY] = "no memory";
    uint32_t count = 0;
    segue_row_facts *rows = NULL;
    segue_op_header *op = descriptor_parse(c->descriptor, &d, why) ? NULL : descriptor_op(&d, why);
    if (op && !segue_explain(s->device.handle, op, NULL, &count, NULL)) rows = calloc(count + 1, sizeof *rows);
    const uint32_t room = count;
    for (uint32_t i = 0; rows && i < count; i++) rows[i].size = sizeof *rows;
    if (!rows || segue_explain(s->device.handle, op, rows, &count, NULL)) {
        fprintf(stderr, "segue bench: %s: its kernels cannot be listed: %s\n", c->name, why);
        s->broken++;
        count = 0;
    }
    for (uint32_t i = 0; i < count && i < room && !interruption_came();
         i++) /* it may count more when asked again */
        if (rows[i].flags & (SEGUE_ROW_CHOSEN | SEGUE_ROW_ACCEPTS) && !(rows[i].flags & SEGUE_ROW_DELEGATED))
            measure(s, c, rows[i].name);
    free(rows), free(op);
}

/* All cases on the open device: an exit code. */
static int run_cases(struct session *s)
{
    const struct wishes *w = s->w;
    const int blind = s->is_cpu && rates_measure((int)s->device.facts.threads, &s->rates);
    if (blind) fputs("segue bench: no memory or threads to measure what the machine allows\n", stderr);
    else if (s->is_cpu && !w->quiet)
        fprintf(stderr,
                "segue bench: %d threads, %s: %.1f G exp/s, %.1f G fma/s, in tiles %.1f and %.1f in bf16\n",
                s->rates.threads, s->rates.isa, 1e-9 * s->rates.exps, 1e-9 * s->rates.slots,
                1e-9 * s->rates.tiles[0], 1e-9 * s->rates.tiles[1]);
    if (w->form == FORM_CSV) grid_print_csv_heads(&s->grid, s->out);
    for (const struct bench_case *c = bench_cases; !blind && !interruption_came() && c->name; c++) {
        if (!bench_matches(c->name, w->globs, w->glob_count)) continue;
        if (w->rows) measure_rows(s, c);
        else measure(s, c, NULL);
    }
    if (w->form == FORM_MD && s->grid.rows) grid_print_md(&s->grid, s->out);
    const char *came = interruption_came();
    if (came) fprintf(stderr, "segue bench: interrupted by %s\n", came);
    grid_free(&s->grid);
    return blind ? BENCH_ENVIRONMENT : s->broken || !s->measured || came ? BENCH_FAILED : BENCH_OK;
}

static int run(const struct wishes *w)
{
    struct session s = { .w = w, .grid = { .heads = heads, .columns = sizeof heads / sizeof *heads } };
    char why[DESCRIPTOR_WHY] = "";
    s.out = output_keep();
    int code = bench_device_open(&s.device, w->device, w->threads, why);
    if (code) {
        fprintf(stderr, "segue bench: %s\n", why);
        return code;
    }
    s.is_cpu = s.device.facts.api == SEGUE_API_CPU && s.device.facts.flags & SEGUE_DEVICE_HOST_MEMORY;
    if (w->form == FORM_MD) /* other forms have printed what there is */
        interruption_watch("segue bench: ends behind this case; once more: at once, without a table\n");
    if (w->odd)
        code = odd_survey(&s.device, w->quick ? &odd_quick : &odd_usual, w->globs, w->glob_count, s.out);
    else code = run_cases(&s);
    if (output_failed(s.out)) {
        fprintf(stderr, "segue bench: cannot write the output: %s\n", strerror(errno));
        code = BENCH_ENVIRONMENT;
    }
    bench_device_close(&s.device);
    return code;
}

/* The cases that match, printed where `print`. */
static int list(const struct wishes *w, int print)
{
    int found = 0;
    for (const struct bench_case *c = bench_cases; c->name; c++)
        if (bench_matches(c->name, w->globs, w->glob_count)) {
            found++;
            if (print) puts(c->name);
        }
    return found;
}

/* 0, -1 = wrong. */
static int read_threads(const char *text, uint32_t *out)
{
    char *end;
    const long n = strtol(text, &end, 10);
    if (end == text || *end || n < 1 || n > 4096) {
        fprintf(stderr, "segue bench: --threads %s, wanted a number from 1 to 4096\n", text);
        return -1;
    }
    *out = (uint32_t)n;
    return 0;
}

/* -1 = go on; otherwise an exit code. */
static int read_options(int argc, char **argv, struct wishes *w)
{
    static const struct option options[] = {
        { "device", required_argument, NULL, 'd' }, { "threads", required_argument, NULL, 't' },
        { "list", no_argument, NULL, 'l' },         { "rows", no_argument, NULL, 'r' },
        { "json", no_argument, NULL, 'J' },         { "csv", no_argument, NULL, 'C' },
        { "md", no_argument, NULL, 'M' },           { "odd", no_argument, NULL, 'o' },
        { "quick", no_argument, NULL, 'k' },        { "quiet", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
    };
    int c;
    while ((c = getopt_long(argc, argv, "qh", options, NULL)) != -1) switch (c) {
        case 'd': w->device = optarg; break;
        case 't':
            if (read_threads(optarg, &w->threads)) return BENCH_USAGE;
            break;
        case 'l': w->list = 1; break;
        case 'r': w->rows = 1; break;
        case 'J': w->form = FORM_JSON; break;
        case 'C': w->form = FORM_CSV; break;
        case 'M': w->form = FORM_MD; break;
        case 'o': w->odd = 1; break;
        case 'k': w->quick = 1; break;
        case 'q': w->quiet = 1; break;
        case 'h': return usage(stdout);
        default: return usage(stderr);
        }
    w->globs = argv + optind;
    w->glob_count = argc - optind;
    return -1;
}

int verb_bench(int argc, char **argv)
{
    struct wishes w = { .device = "cpu" };
    const int code = read_options(argc, argv, &w);
    if (code >= 0) return code;
    if (w.odd && (w.rows || w.form != FORM_MD)) {
        fputs("segue bench: --odd has its own points and its own table: no --rows, --json or --csv\n", stderr);
        return BENCH_USAGE;
    }
    if (!(w.odd ? odd_list(w.globs, w.glob_count, w.list) : list(&w, w.list))) {
        fprintf(stderr, "segue bench: no %s; segue bench %s--list names them all\n",
                w.odd ? "point matches" : "case matches", w.odd ? "--odd " : "");
        return BENCH_USAGE;
    }
    return w.list ? BENCH_OK : run(&w);
}
