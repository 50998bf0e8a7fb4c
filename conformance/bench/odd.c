/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "odd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "grid.h"

/* ---- points -------------------------------------------------------------------------------------- */

static const struct form {
    const char *text; /* a descriptor: dtype, T, D, last axis, layout */
    int64_t shape[3]; /* T, D, N or W */
} scan = { "selective_scan/fwd.h_in.h_out/%s-A.f32/B1.T%d.D%d.N%d/%s", { 1024, 1536, 16 } },
  conv = { "causal_conv1d/fwd.bias.h_in.h_out/%s/B1.T%d.D%d.W%d/%s", { 1024, 1536, 4 } };

enum { T, D, N };

static const struct change {
    const struct form *form;
    int axis, odd, round;
    double bound;
} changes[] = {
    { &scan, D, 7, 8, 0.40 },   { &scan, D, 123, 128, 0.75 },   { &scan, N, 17, 16, 0.75 },
    { &scan, T, 63, 64, 0.75 }, { &scan, T, 65, 64, 0.75 },     { &scan, T, 1000, 1024, 0.75 },
    { &conv, D, 7, 8, 0.40 },   { &conv, D, 123, 128, 0.75 },   { &conv, T, 63, 64, 0.75 },
    { &conv, T, 65, 64, 0.75 }, { &conv, T, 1000, 1024, 0.75 },
};
static const char *const dtypes[] = { "f32", "bf16", "f16" };
static const struct {
    const char *name;
    double bound;
} layouts[] = { { "btd", 0.75 }, { "bdt", 0.50 }, { "pad3", 0.75 } };

enum { CHANGES = sizeof changes / sizeof *changes, KINDS = 3, ALL = CHANGES * KINDS * KINDS };

/* An order that is drawn once for all: a multiplier that shares no factor with ALL = 99 visits each point
 * once. */
static int shuffled(int i)
{
    return (i * 37 + 11) % ALL;
}

static double describe(const struct change *c, int value, const char *dtype, const char *layout, char *to)
{
    int64_t shape[3] = { c->form->shape[T], c->form->shape[D], c->form->shape[N] };
    shape[c->axis] = value;
    snprintf(to, DESCRIPTOR_TEXT, c->form->text, dtype, (int)shape[T], (int)shape[D], (int)shape[N], layout);
    return (double)shape[T] * (double)shape[D] * (double)shape[N];
}

static struct odd_point point_of(int number)
{
    struct odd_point p = { .change = number / KINDS / KINDS,
                           .dtype = number / KINDS % KINDS,
                           .layout = number % KINDS };
    const struct change *c = &changes[p.change];
    const char *const dtype = dtypes[p.dtype], *const layout = layouts[p.layout].name;
    p.odd_elements = describe(c, c->odd, dtype, layout, p.odd);
    p.round_elements = describe(c, c->round, dtype, layout, p.round);
    p.bound = c->bound < layouts[p.layout].bound ? c->bound : layouts[p.layout].bound;
    return p;
}

void odd_points(struct odd_point out[ODD_POINTS])
{
    int taken[ALL] = { 0 }, at = 0;
    for (int i = 0; i < ODD_POINTS; i++) taken[shuffled(i)] = 1;
    for (int i = 0; i < ALL && at < ODD_POINTS; i++)
        if (taken[i]) out[at++] = point_of(i);
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
    snprintf(cell[0], GRID_CELL, "%.79s", p->odd);
    snprintf(cell[1], GRID_CELL, "%c %d : %d", "TDN"[c->axis], c -> odd, c -> round);
    snprintf(cell[2], GRID_CELL, "%s", o->row);
    snprintf(cell[3], GRID_CELL, "%.3f", 1e-9 * o->rate);
    snprintf(cell[4], GRID_CELL, "%.3f", 1e-9 * o->round_rate);
    snprintf(cell[5], GRID_CELL, "%.3f", o->ratio);
    snprintf(cell[6], GRID_CELL, "%.2f", p->bound);
    snprintf(cell[7], GRID_CELL, "%s", o->ratio >= p->bound ? "yes" : "NO");
    return 0;
}

int odd_survey(const struct bench_device *device, const struct pace *pace, int list_only)
{
    static const char *const heads[] = { "point",      "odd : round", "row",    ">G/s",
                                         ">round G/s", ">ratio",      ">bound", "ok" };
    struct odd_point points[ODD_POINTS];
    struct grid g = { .heads = heads, .columns = sizeof heads / sizeof *heads };
    char why[DESCRIPTOR_WHY];
    int under = 0, broken = 0, declined = 0;
    odd_points(points);
    for (int i = 0; i < ODD_POINTS; i++) {
        struct odd_outcome o = { .row = "" };
        if (list_only) {
            puts(points[i].odd);
            continue;
        }
        const int code = odd_measure(device, &points[i], pace, &o, why);
        if (code) fprintf(stderr, "segue bench: %s: %s\n", points[i].odd, why);
        declined += code == STAGE_DECLINED;
        broken += code == STAGE_FAILED;
        if (!code) {
            under += !(o.ratio >= points[i].bound);
            broken += add(&g, &points[i], &o) != 0;
        }
    }
    if (!list_only) {
        grid_print_md(&g, stdout);
        fflush(stdout);
        fprintf(stderr, "segue bench: %d points, %d under their bound, %d failed, %d declined\n", ODD_POINTS,
                under, broken, declined);
    }
    const int nothing = !list_only && !g.rows;
    grid_free(&g);
    return under || broken || nothing ? BENCH_FAILED : BENCH_OK;
}
