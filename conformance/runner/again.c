/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Failures run again, each time in a fresh child: alone; where alone they always pass, behind what came before them. The
 * number of cases before is halved as long as the failure stays. Alone means that no other child runs: short memory, a
 * device that is shared, and time are what a second one takes. Behind others they run beside each other only where that
 * would be too much for one child at a time. */
#include "suite_run.h"

#include "../grammar/interruption.h"
#include "progress.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS_ONE_BY_ONE = 1024 }; /* of all series of a round, before the failures themselves */

struct doubt { /* about one failure */
    struct record *record;
    const struct step *before; /* what came before it in its child, at most BEFORE steps */
    size_t before_count;
    int tries, failed; /* alone */
    size_t few, many;  /* passes behind the last `few` of them, fails behind the last `many` */
    int open;          /* not told apart yet */
};

struct series { /* steps of one child: some that came before, then the failure itself */
    struct doubt *doubt;
    const struct step *first;
    size_t count, given;
    int child; /* -1: not begun */
    int failed;
};

struct round {
    const struct run *run;
    struct series *series;
    size_t count, begun, over, failed;
    struct progress *progress;
};

static int more(void *user)
{
    const struct round *o = user;
    return o->begun < o->count;
}

static struct series *series_of(struct round *o, int child)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->series[i].child == child) return &o->series[i];
    return NULL;
}

static int next(void *user, int child, struct step *out)
{
    struct round *o = user;
    struct series *s = series_of(o, child);
    if (!s && o->begun < o->count) s = &o->series[o->begun++], s->child = child;
    if (!s || s->given > s->count) return 0;
    const struct record *record = s->doubt->record;
    if (s->given < s->count) *out = s->first[s->given];
    else {
        *out = (struct step){ .item = record->item };
        memcpy(out->row, record->r.row, sizeof out->row);
    }
    s->given++;
    return 1;
}

static void opened(void *user, int child, const json_t *facts)
{
    (void)user, (void)child, (void)facts;
}

static int is_target(const struct series *s)
{
    return s && s->given > s->count;
}

static void heard(void *user, int child, const struct step *step, const json_t *result)
{
    struct series *s = series_of(user, child);
    struct result r;
    (void)step;
    if (is_target(s) && !record_read(result, &r) && status_counts_as(r.status) == COUNTS_FAILED) s->failed = 1;
}

static void ended(void *user, int child, const struct step *step, const struct death *why)
{
    struct round *o = user;
    struct series *s = series_of(o, child);
    (void)step;
    if (!is_target(s)) return;
    if (why) s->failed = 1;
    o->over++;
    o->failed += s->failed != 0;
}

static void ticked(void *user)
{
    struct round *o = user;
    progress_show(o->progress, o->over, o->failed);
}

static struct limits limits_of(const struct run *r, const struct series *series, size_t count)
{
    struct limits limits = r->options->limits;
    size_t before = 0;
    for (size_t i = 0; i < count; i++) before += series[i].count;
    if (before <= STEPS_ONE_BY_ONE) limits.jobs = 1;
    return limits;
}

/* All series, each in a child of its own. 0, or -1 where the device cannot be opened any more. */
static int run_round(struct run *r, struct series *series, size_t count)
{
    struct progress progress;
    struct round o = { .run = r, .series = series, .count = count, .progress = &progress };
    struct lab lab = { 0 };
    struct job job = { .run = r, .lab = &lab };
    struct trouble trouble;
    const struct work work = run_work(&job);
    const struct limits limits = limits_of(r, series, count);
    const struct duty duty = { .user = &o,
                               .more = more,
                               .next = next,
                               .opened = opened,
                               .heard = heard,
                               .ended = ended,
                               .ticked = ticked };
    for (size_t i = 0; i < count; i++) series[i].child = -1;
    progress_start(&progress, "failures run again", count, r->options->quiet);
    const int code = count ? children_run(&work, &duty, &limits, &trouble) : 0;
    progress_stop(&progress);
    r->seconds += progress.seconds;
    return code ? -1 : 0;
}

/* ---- verdicts ------------------------------------------------------------------------------------------- */

static void __attribute__((format(printf, 3, 4)))
settle(struct doubt *d, enum status status, const char *format, ...)
{
    struct result *r = &d->record->r;
    char why[sizeof r->why];
    va_list list;
    memcpy(why, r->why, sizeof why);
    const char *was = status_name(r->status);
    va_start(list, format);
    const size_t at = (size_t)vsnprintf(r->why, sizeof r->why, format, list);
    va_end(list);
    if (at < sizeof r->why)
        snprintf(r->why + at, sizeof r->why - at, " (%s%s%s)", was, why[0] ? ": " : "", why);
    r->status = status;
    d->open = 0;
}

static void settle_flaky(struct doubt *d)
{
    settle(d, STATUS_FLAKY, "failed %d of %d times", d->failed + 1, d->tries + 1);
}

/* A hang costs its whole time limit: once again is enough. */
static int retries_of(const struct run *r, const struct doubt *d)
{
    return d->record->r.status == STATUS_TIMEOUT && r->options->retries > 1 ? 1 : r->options->retries;
}

static int alone(struct run *r, struct doubt *doubts, size_t count)
{
    struct series *series = calloc(count * (size_t)r->options->retries, sizeof *series);
    size_t n = 0;
    if (!series) return -1;
    for (size_t i = 0; i < count; i++)
        for (int k = 0; k < retries_of(r, &doubts[i]); k++) series[n++].doubt = &doubts[i];
    const int lost = run_round(r, series, n);
    for (size_t i = 0; i < n && !lost; i++)
        series[i].doubt->tries++, series[i].doubt->failed += series[i].failed;
    for (size_t i = 0; i < count && !lost; i++) {
        struct doubt *d = &doubts[i];
        d->open = !d->failed && d->before_count;
        if (d->failed < d->tries && !d->open) settle_flaky(d);
    }
    free(series);
    return lost;
}

/* One series of every open doubt behind `length(doubt)` steps; says of each whether it failed. */
static int behind(struct run *r, struct doubt *doubts, size_t count, size_t (*length)(const struct doubt *),
                  void (*learn)(struct doubt *, size_t length, int failed))
{
    struct series series[CLASSIFIED] = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t steps = doubts[i].open ? length(&doubts[i]) : 0;
        if (steps)
            series[n++] = (struct series){ .doubt = &doubts[i],
                                           .first = doubts[i].before + doubts[i].before_count - steps,
                                           .count = steps };
    }
    if (n && run_round(r, series, n)) return -1;
    for (size_t i = 0; i < n; i++) learn(series[i].doubt, series[i].count, series[i].failed);
    return n ? 1 : 0;
}

static size_t all_of_them(const struct doubt *d)
{
    return d->before_count;
}

static void learn_whether(struct doubt *d, size_t length, int failed)
{
    d->many = length;
    if (!failed) settle_flaky(d);
}

static size_t half_of_them(const struct doubt *d)
{
    return d->many - d->few > 1 ? d->few + (d->many - d->few) / 2 : 0;
}

static void learn_how_many(struct doubt *d, size_t length, int failed)
{
    if (failed) d->many = length;
    else d->few = length;
}

/* The first of the fewest, and nothing else of them? */
static int single_culprits(struct run *r, struct doubt *doubts, size_t count)
{
    struct series series[CLASSIFIED] = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (doubts[i].open && doubts[i].many > 1)
            series[n++] = (struct series){ .doubt = &doubts[i],
                                           .first = doubts[i].before + doubts[i].before_count - doubts[i].many,
                                           .count = 1 };
    if (n && run_round(r, series, n)) return -1;
    for (size_t i = 0; i < n; i++)
        if (series[i].failed) {
            struct doubt *d = series[i].doubt;
            d->before_count -= d->many - 1; /* the culprit is the last one now */
            d->many = 1;
        }
    return 0;
}

static void settle_order(const struct run *r, struct doubt *d)
{
    d->record->behind = d->before + d->before_count - d->many;
    d->record->behind_count = d->many;
    settle(d, STATUS_ORDER, "fails only behind %zu other case%s, %s %s", d->many, d->many == 1 ? "" : "s",
           d->many == 1 ? "this:" : "from", r->cases->items[d->record->behind->item].name);
}

/* Solid by themselves: what the suite says of a case, not of an answer. */
static int is_doubtful(enum status s)
{
    return status_counts_as(s) == COUNTS_FAILED && s != STATUS_VACUOUS;
}

static size_t collect(struct run *r, struct doubt *doubts)
{
    size_t n = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct record *record = &r->records[i];
        if (!is_doubtful(record->r.status) || record->child < 0 || record->child >= r->child_count) continue;
        r->doubtful++;
        if (n == CLASSIFIED) continue;
        const size_t steps = record->place < BEFORE ? record->place : BEFORE;
        doubts[n++] = (struct doubt){ .record = record,
                                      .before = r->children[record->child].steps + record->place - steps,
                                      .before_count = steps };
    }
    return n;
}

static void classify(struct run *r, struct doubt *doubts, size_t count)
{
    if (!count || alone(r, doubts, count)) return;
    r->run_again = count;
    if (behind(r, doubts, count, all_of_them, learn_whether) < 0) return;
    for (int news = 1; news > 0;)
        if ((news = behind(r, doubts, count, half_of_them, learn_how_many)) < 0) return;
    if (single_culprits(r, doubts, count)) return;
    for (size_t i = 0; i < count; i++)
        if (doubts[i].open) settle_order(r, &doubts[i]);
}

void run_classify(struct run *r)
{
    struct doubt doubts[CLASSIFIED];
    if (r->options->retries < 1 || r->interrupted) return;
    classify(r, doubts, collect(r, doubts));
    r->interrupted = interruption_came();
}
