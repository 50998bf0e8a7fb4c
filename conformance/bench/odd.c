/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "odd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../grammar/interruption.h"
#include "bench.h"
#include "grid.h"

/* ---- points -------------------------------------------------------------------------------------- */

enum { AXES = 4 };

static const struct form {
    const char *text; /* a descriptor: dtype, then axes, then layout */
    const char *axes; /* their letters */
    int64_t shape[AXES];
} scan = { "selective_scan/fwd.h_in.h_out/%s-A.f32/B1.%s/%s", "TDN", { 1024, 1536, 16 } },
  conv = { "causal_conv1d/fwd.bias.h_in.h_out/%s/B1.%s/%s", "TDW", { 1024, 1536, 4 } },
  by_key = { "gated_recurrence/fwd.q.k.v.gk.S_in.S_out.y/%s-gk.f32/B1.I8.J8.O8.%s/%s",
             "THKV",
             { 1024, 8, 64, 64 } },
  by_head = { "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/%s-g.f32/B1.I8.J8.O8.%s/%s",
              "THKV",
              { 1024, 8, 64, 64 } };

static const struct change { /* 0: as the form has it */
    const struct form *form;
    int odd[AXES], round[AXES];
    double bound;
} changes[] = {
    { &scan, { 0, 7 }, { 0, 8 }, 0.40 },
    { &scan, { 0, 123 }, { 0, 128 }, 0.75 },
    { &scan, { 0, 0, 17 }, { 0, 0, 16 }, 0.75 },
    { &scan, { 63 }, { 64 }, 0.75 },
    { &scan, { 65 }, { 64 }, 0.75 },
    { &scan, { 1000 }, { 1024 }, 0.75 },
    { &conv, { 0, 7 }, { 0, 8 }, 0.40 },
    { &conv, { 0, 123 }, { 0, 128 }, 0.75 },
    { &conv, { 63 }, { 64 }, 0.75 },
    { &conv, { 65 }, { 64 }, 0.75 },
    { &conv, { 1000 }, { 1024 }, 0.75 },
    { &by_key, { 1000, 0, 80, 48 }, { 1024, 0, 64, 64 }, 0.75 },
    { &by_key, { 0, 0, 80 }, { 0, 0, 64 }, 0.75 },
    { &by_key, { 0, 0, 0, 48 }, { 0, 0, 0, 64 }, 0.75 },
    { &by_key, { 1000 }, { 1024 }, 0.75 },
    { &by_head, { 1000, 0, 80, 48 }, { 1024, 0, 64, 64 }, 0.75 },
    { &by_head, { 0, 0, 80 }, { 0, 0, 64 }, 0.75 },
    { &by_head, { 0, 0, 0, 48 }, { 0, 0, 0, 64 }, 0.75 },
    { &by_head, { 1000 }, { 1024 }, 0.75 },
};
static const char *const dtypes[] = { "f32", "bf16", "f16" };
static const struct {
    const char *name;
    double bound;
} layouts[] = { { "btd", 0.75 }, { "bdt", 0.50 }, { "pad3", 0.75 } };

enum {
    DRAWN_CHANGES = 11,
    CHANGES = sizeof changes / sizeof *changes,
    KINDS = 3,
    ALL = DRAWN_CHANGES * KINDS * KINDS
};
_Static_assert((CHANGES - DRAWN_CHANGES) * KINDS == ODD_MATRIX, "a point for each dtype");

/* An order that is drawn once for all: a multiplier that shares no factor with ALL = 99 visits each point
 * once. */
static int shuffled(int i)
{
    return (i * 37 + 11) % ALL;
}

static double describe(const struct change *c, const int *values, const char *dtype, const char *layout,
                       char *to)
{
    char axes[80] = "";
    double elements = 1;
    for (int i = 0; c->form->axes[i]; i++) {
        const int64_t size = values[i] ? values[i] : c->form->shape[i];
        snprintf(axes + strlen(axes), sizeof axes - strlen(axes), "%s%c%d", i ? "." : "", c->form->axes[i],
                 (int)size);
        elements *= (double)size;
    }
    snprintf(to, DESCRIPTOR_TEXT, c->form->text, dtype, axes, layout);
    return elements;
}

/* "K 80 V 48 : 64 64" */
static void say_change(const struct change *c, char *to, size_t room)
{
    size_t used = 0;
    for (int i = 0; i < AXES; i++)
        if (c->odd[i]) used += (size_t)snprintf(to + used, room - used, "%c %d ", c->form->axes[i], c->odd[i]);
    used += (size_t)snprintf(to + used, room - used, ":");
    for (int i = 0; i < AXES; i++)
        if (c->odd[i]) used += (size_t)snprintf(to + used, room - used, " %d", c->round[i]);
}

static struct odd_point point_of(int change, int dtype, int layout)
{
    struct odd_point p = { .change = change, .dtype = dtype, .layout = layout };
    const struct change *c = &changes[change];
    p.odd_elements = describe(c, c->odd, dtypes[dtype], layouts[layout].name, p.odd);
    p.round_elements = describe(c, c->round, dtypes[dtype], layouts[layout].name, p.round);
    p.bound = c->bound < layouts[layout].bound ? c->bound : layouts[layout].bound;
    return p;
}

void odd_points(struct odd_point out[ODD_POINTS])
{
    int taken[ALL] = { 0 }, at = 0;
    for (int i = 0; i < ODD_DRAWN; i++) taken[shuffled(i)] = 1;
    for (int i = 0; i < ALL && at < ODD_DRAWN; i++)
        if (taken[i]) out[at++] = point_of(i / KINDS / KINDS, i / KINDS % KINDS, i % KINDS);
    for (int i = 0; i < ODD_MATRIX; i++) out[at++] = point_of(DRAWN_CHANGES + i / KINDS, i % KINDS, 0);
}

/* ---- measuring ----------------------------------------------------------------------------------- */

enum { PATIENCE = 4, REPEATS = 2 };

/* The best, not the median: whatever else the machine does makes a sample longer, and not the same one of
 * both. A ratio that is too small is given more samples, of both: it stays so if that is what the kernels
 * do. */
static int alternate(const struct odd_point *p, struct stage *odd, struct stage *round, const struct pace *pace,
                     struct odd_outcome *out, char *why)
{
    const int64_t odd_runs = runs_for(odd, pace->sample_seconds, why);
    const int64_t round_runs = odd_runs < 0 ? -1 : runs_for(round, pace->sample_seconds, why);
    if (round_runs < 0) return -1;
    out->rate = out->round_rate = out->ratio = 0;
    for (int i = 0; i < pace->samples || (out->ratio < p->bound && i < PATIENCE * pace->samples); i++) {
        const double ms = time_runs(odd, odd_runs, why);
        const double round_ms = ms < 0 ? -1 : time_runs(round, round_runs, why);
        if (round_ms < 0) return -1;
        out->rate = fmax(out->rate, 1e3 * p->odd_elements / ms);
        out->round_rate = fmax(out->round_rate, 1e3 * p->round_elements / round_ms);
        out->ratio = out->rate / out->round_rate;
    }
    return 0;
}

/* 0; STAGE_DECLINED or STAGE_FAILED with words. */
static int measure(const struct bench_device *device, const struct odd_point *p, const struct pace *pace,
                   struct odd_outcome *out, char *why)
{
    struct stage odd, round;
    int code = stage_open(&odd, device, p->odd, 1, NULL, why);
    if (code) return code;
    if (!(code = stage_open(&round, device, p->round, 1, NULL, why))) {
        snprintf(out->row, sizeof out->row, "%s", odd.facts.row);
        code = stage_check(&odd, why) || stage_check(&round, why) ||
                       alternate(p, &odd, &round, pace, out, why) || stage_check(&odd, why) ||
                       stage_check(&round, why)
                   ? STAGE_FAILED
                   : STAGE_READY;
        stage_close(&round);
    }
    stage_close(&odd);
    return code;
}

/* Where a sample was placed in memory and what others did with the caches meanwhile may hold for a whole
 * measurement: a point is under its bound if it is so every time, on operands of its own each time. */
int odd_measure(const struct bench_device *device, const struct odd_point *p, const struct pace *pace,
                struct odd_outcome *out, char *why)
{
    int code = measure(device, p, pace, out, why);
    out->measured = 1;
    for (int i = 0; !code && out->ratio < p->bound && i < REPEATS; i++) {
        fprintf(stderr, "segue bench: %s: ratio %.3f is under its bound %.2f, measured again\n", p->odd,
                out->ratio, p->bound);
        code = measure(device, p, pace, out, why);
        out->measured++;
    }
    return code;
}

static int add(struct grid *g, const struct odd_point *p, const struct odd_outcome *o)
{
    char(*cell)[GRID_CELL] = grid_add(g);
    if (!cell) return -1;
    const struct change *c = &changes[p->change];
    snprintf(cell[0], GRID_CELL, "%.110s", p->odd);
    say_change(c, cell[1], GRID_CELL);
    snprintf(cell[2], GRID_CELL, "%s", o->row);
    snprintf(cell[3], GRID_CELL, "%.3f", 1e-9 * o->rate);
    snprintf(cell[4], GRID_CELL, "%.3f", 1e-9 * o->round_rate);
    snprintf(cell[5], GRID_CELL, "%.3f", o->ratio);
    snprintf(cell[6], GRID_CELL, "%.2f", p->bound);
    snprintf(cell[7], GRID_CELL, "%s", o->ratio >= p->bound ? "yes" : "NO");
    return 0;
}

int odd_list(char *const *globs, int glob_count, int print)
{
    struct odd_point points[ODD_POINTS];
    int found = 0;
    odd_points(points);
    for (int i = 0; i < ODD_POINTS; i++) {
        if (!bench_matches(points[i].odd, globs, glob_count)) continue;
        found++;
        if (print) puts(points[i].odd);
    }
    return found;
}

int odd_survey(const struct bench_device *device, const struct pace *pace, char *const *globs, int glob_count,
               FILE *to)
{
    static const char *const heads[] = { "point",      "odd : round", "row",    ">G/s",
                                         ">round G/s", ">ratio",      ">bound", "ok" };
    struct odd_point points[ODD_POINTS];
    struct grid g = { .heads = heads, .columns = sizeof heads / sizeof *heads };
    char why[DESCRIPTOR_WHY];
    int under = 0, broken = 0, declined = 0, matched = 0;
    odd_points(points);
    for (int i = 0; i < ODD_POINTS && !interruption_came(); i++) {
        struct odd_outcome o = { .row = "" };
        if (!bench_matches(points[i].odd, globs, glob_count)) continue;
        matched++;
        const int code = odd_measure(device, &points[i], pace, &o, why);
        if (code) fprintf(stderr, "segue bench: %s: %s\n", points[i].odd, why);
        declined += code == STAGE_DECLINED;
        broken += code == STAGE_FAILED;
        if (!code) {
            under += !(o.ratio >= points[i].bound);
            broken += add(&g, &points[i], &o) != 0;
        }
    }
    grid_print_md(&g, to);
    fflush(to);
    fprintf(stderr, "segue bench: %d points, %d under their bound, %d failed, %d declined\n", matched, under,
            broken, declined);
    const int nothing = !g.rows;
    grid_free(&g);
    return under || broken || nothing || interruption_came() ? BENCH_FAILED : BENCH_OK;
}
