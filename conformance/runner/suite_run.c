/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* All cases once. Where a child dies and nobody knows in which kernel, the case is judged again kernel by kernel. */
#include "suite_run.h"

#include "../grammar/interruption.h"
#include "progress.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct pending { /* a case whose kernels are still to be judged one by one */
    struct record
        record; /* the death in an unknown one; status PASS: none, a lost device had left some kernels out */
};

struct round {
    struct run *run;
    size_t next_item;
    struct step *urgent; /* kernel by kernel */
    size_t urgent_count, urgent_next;
    struct pending *pending;
    size_t pending_count;
    struct progress progress;
    size_t failures;
};

/* Room for one more, in steps of a power of two; NULL = no memory, which the run remembers. */
static void *grow(struct run *r, void *list, size_t count, size_t size)
{
    if (count & (count + 1)) return list; /* room for 2^k - 1 */
    void *more = realloc(list, (2 * count + 1) * size);
    if (!more) r->no_memory = 1;
    return more;
}

static struct record *add_record(struct round *o, const struct record *record)
{
    struct run *r = o->run;
    struct record *records = grow(r, r->records, r->count, sizeof *records);
    if (!records) return NULL;
    r->records = records;
    r->records[r->count] = *record;
    o->failures += status_counts_as(record->r.status) == COUNTS_FAILED;
    return &r->records[r->count++];
}

static void remember(struct run *r, int child, const struct step *s)
{
    while (r->child_count <= child) {
        struct history *children = grow(r, r->children, (size_t)r->child_count, sizeof *children);
        if (!children) return;
        r->children = children;
        r->children[r->child_count++] = (struct history){ 0 };
    }
    struct history *h = &r->children[child];
    struct step *steps = grow(r, h->steps, h->count, sizeof *steps);
    if (!steps) return;
    h->steps = steps;
    h->steps[h->count++] = *s;
}

static void push_urgent(struct round *o, const struct step *s)
{
    struct step *urgent = grow(o->run, o->urgent, o->urgent_count, sizeof *urgent);
    if (!urgent) return;
    o->urgent = urgent;
    o->urgent[o->urgent_count++] = *s;
}

/* A record of the step that this child is in, or has just ended. */
static struct record blank(const struct round *o, int child, const struct step *s)
{
    const struct run *r = o->run;
    const size_t steps = child < r->child_count ? r->children[child].count : 0;
    return (struct record){ .item = s->item, .child = child, .place = steps ? steps - 1 : 0 };
}

/* ---- the duty ------------------------------------------------------------------------------------------- */

static int more(void *user)
{
    const struct round *o = user;
    return !o->run->no_memory && (o->urgent_next < o->urgent_count || o->next_item < o->run->cases->count);
}

static int next(void *user, int child, struct step *out)
{
    struct round *o = user;
    if (!more(user)) return 0;
    if (o->urgent_next < o->urgent_count) *out = o->urgent[o->urgent_next++];
    else {
        const struct chosen *c = &o->run->cases->items[o->next_item];
        *out = (struct step){ .item = o->next_item++ };
        memcpy(out->row, c->row, sizeof out->row);
    }
    remember(o->run, child, out);
    return 1;
}

static void opened(void *user, int child, const json_t *facts)
{
    struct round *o = user;
    (void)child;
    if (!o->run->device) o->run->device = json_deep_copy(facts);
}

static struct pending *pending_of(const struct round *o, size_t item)
{
    for (size_t i = 0; i < o->pending_count; i++)
        if (o->pending[i].record.item == item) return &o->pending[i];
    return NULL;
}

static int has_result(const struct run *r, size_t item, const char *row)
{
    int found = 0;
    for (size_t i = 0; i < r->count && !found; i++)
        found = r->records[i].item == item && !strcmp(r->records[i].r.row, row);
    return found;
}

static void heard(void *user, int child, const struct step *s, const json_t *result)
{
    struct round *o = user;
    struct record record = blank(o, child, s);
    const char *row = json_string_value(json_object_get(result, "accepts"));
    o->run->row_known |= json_is_true(json_object_get(result, "row_known"));
    if (s->ask && row && !has_result(o->run, s->item, row)) {
        struct step one = { .item = s->item };
        snprintf(one.row, sizeof one.row, "%s", row);
        push_urgent(o, &one);
    } else if (!s->ask && !record_read(result, &record.r)) add_record(o, &record);
}

/* What the child said of a case before it died in an unknown kernel: it is said again, kernel by kernel. */
static void forget(struct round *o, const struct record *like)
{
    struct run *r = o->run;
    size_t kept = 0;
    for (size_t i = 0; i < r->count; i++) {
        const struct record *x = &r->records[i];
        if (x->child != like->child || x->place != like->place) r->records[kept++] = *x;
        else o->failures -= status_counts_as(x->r.status) == COUNTS_FAILED;
    }
    r->count = kept;
}

/* Asks which kernels there are, to judge them one by one. 0 = no memory. */
static int judge_singly(struct round *o, const struct record *record)
{
    struct pending *list = grow(o->run, o->pending, o->pending_count, sizeof *list);
    if (!list) return 0;
    o->pending = list;
    o->pending[o->pending_count++] = (struct pending){ .record = *record };
    push_urgent(o, &(struct step){ .item = record->item, .ask = 1 });
    return 1;
}

static void died(struct round *o, struct record *record, const struct step *s, const struct death *why)
{
    record->r.status = why->status;
    snprintf(record->r.row, sizeof record->r.row, "%s", why->row);
    snprintf(record->r.why, sizeof record->r.why, "%s", why->why);
    if (s->ask) return; /* no kernel was named: what is pending stands */
    if (why->row[0] || o->pending_count >= CLASSIFIED || pending_of(o, s->item)) {
        add_record(o, record);
        return;
    }
    forget(o, record);
    judge_singly(o, record);
}

/* The step came to its end. */
static void finished(struct round *o, struct record *record, const struct step *s)
{
    const struct run *r = o->run;
    int found = 0, lost = 0;
    for (size_t i = 0; i < r->count; i++) {
        const struct record *x = &r->records[i];
        if (x->child != record->child || x->place != record->place) continue;
        found = 1;
        lost |= x->r.status == STATUS_DEVICE_LOST;
    }
    if (lost && !s->row[0] && o->pending_count < CLASSIFIED && !pending_of(o, s->item)) judge_singly(o, record);
    if (found) return;
    record->r.status = STATUS_HARNESS_ERROR;
    snprintf(record->r.why, sizeof record->r.why, "the suite has given no result");
    add_record(o, record);
}

static void ended(void *user, int child, const struct step *s, const struct death *why)
{
    struct round *o = user;
    struct record record = blank(o, child, s);
    if (why) died(o, &record, s, why);
    else if (!s->ask) finished(o, &record, s);
}

static void ticked(void *user)
{
    struct round *o = user;
    progress_show(&o->progress, o->next_item, o->failures);
}

/* ---- afterwards ----------------------------------------------------------------------------------------- */

/* Deaths of cases none of whose kernels failed by itself. */
static void settle_pending(struct round *o)
{
    const struct run *r = o->run;
    for (size_t i = 0; i < o->pending_count; i++) {
        const struct record *p = &o->pending[i].record;
        int failed = p->r.status == STATUS_PASS;
        for (size_t k = 0; k < r->count && !failed; k++)
            failed = r->records[k].item == p->item && status_counts_as(r->records[k].r.status) == COUNTS_FAILED;
        if (!failed) add_record(o, p);
    }
}

/* A death that no case had a part in counts as a failure all the same: of the case that came last. It is not run again: a
 * case tells nothing of how the device is closed behind it. */
static void settle_closing(struct round *o)
{
    const struct run *r = o->run;
    const struct trouble *t = &r->trouble;
    struct record record = { .child = -1 };
    if (!t->closing[0]) return;
    if (t->closing_child < r->child_count && r->children[t->closing_child].count) {
        const struct history *h = &r->children[t->closing_child];
        record.item = h->steps[h->count - 1].item;
    }
    record.r.status = t->closing_status;
    snprintf(record.r.why, sizeof record.r.why, "%.300s, behind this case", t->closing);
    add_record(o, &record);
}

/* Every case has a result, whatever happened. */
static void fill_gaps(struct round *o, int code)
{
    struct run *r = o->run;
    unsigned char *has = calloc(r->cases->count, 1);
    if (!has) r->no_memory = 1;
    for (size_t i = 0; has && i < r->count; i++) has[r->records[i].item] = 1;
    for (size_t i = 0; has && i < r->cases->count; i++) {
        if (has[i]) continue;
        struct record record = { .item = i, .child = -1 };
        record.r.status = code ? STATUS_DEVICE_LOST : STATUS_HARNESS_ERROR;
        if (code)
            snprintf(record.r.why, sizeof record.r.why, "the device cannot be opened any more: %.300s",
                     r->trouble.opening);
        else snprintf(record.r.why, sizeof record.r.why, "no result has come");
        add_record(o, &record);
    }
    free(has);
}

static int by_item(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    return x->item != y->item ? x->item < y->item ? -1 : 1 : strcmp(x->r.row, y->r.row);
}

int run_judge(struct run *r)
{
    struct round o = { .run = r };
    struct lab lab = { 0 };
    struct job job = { .run = r, .lab = &lab };
    const struct work work = run_work(&job);
    const struct duty duty = { .user = &o,
                               .more = more,
                               .next = next,
                               .opened = opened,
                               .heard = heard,
                               .ended = ended,
                               .ticked = ticked };
    const time_t now = time(NULL);
    struct tm utc;
    strftime(r->started, sizeof r->started, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    progress_start(&o.progress, "cases", r->cases->count, r->options->quiet);
    int code = children_run(&work, &duty, &r->options->limits, &r->trouble);
    progress_stop(&o.progress);
    r->interrupted = interruption_came();
    if (r->device || r->interrupted) {
        settle_pending(&o);
        settle_closing(&o);
        if (!r->interrupted) fill_gaps(&o, code);
        if (r->count) qsort(r->records, r->count, sizeof *r->records, by_item);
        code = 0;
    }
    r->seconds = o.progress.seconds;
    free(o.urgent);
    free(o.pending);
    return code;
}

void run_free(struct run *r)
{
    for (int i = 0; i < r->child_count; i++) free(r->children[i].steps);
    free(r->children);
    free(r->records);
    json_decref(r->device);
}

const char *run_device(const struct run *r)
{
    const char *name = json_string_value(json_object_get(r->device, "name"));
    const char *alias = json_string_value(json_object_get(r->device, "alias"));
    if (r->options->device) return r->options->device;
    return alias && *alias ? alias : name ? name : "";
}

const char *run_title(const struct run *r, char *to, size_t room)
{
    if (!json_is_true(json_object_get(r->device, "stand_in"))) return run_device(r);
    snprintf(to, room, "%s (stand-in driver, no hardware)", run_device(r));
    return to;
}

void run_counts(const struct run *r, size_t counts[3])
{
    memset(counts, 0, 3 * sizeof *counts);
    for (size_t i = 0; i < r->count; i++) counts[status_counts_as(r->records[i].r.status)]++;
}

const char *run_behind(const struct run *r, const struct record *record, size_t i)
{
    for (size_t k = 0; k < record->behind_count; k++)
        if (!k || record->behind[k].item != record->behind[k - 1].item)
            if (!i--) return r->cases->items[record->behind[k].item].name;
    return NULL;
}

/* What was given and what a verdict may hang on. */
static void print_options(const struct run_options *o, char *to, size_t room)
{
    size_t at = 0;
    *to = 0;
    if (o->seconds_given) at += (size_t)snprintf(to, room, " --seconds %d", o->limits.seconds);
    if (o->memory_given) at += (size_t)snprintf(to + at, room - at, " --memory %g", o->limits.gib);
    if (!o->variants) snprintf(to + at, room - at, " --no-variants");
}

/* Behind others: all of them in one process, in their order, on every row. */
static size_t print_behind(const struct run *r, const struct record *record, const char *options, char *to,
                           size_t room)
{
    size_t at = (size_t)snprintf(to, room, "segue conform run --jobs 1 --device %s%s", run_device(r), options);
    const char *name;
    for (size_t i = 0; at < room && (name = run_behind(r, record, i)); i++)
        at += (size_t)snprintf(to + at, room - at, " '%s'", name);
    if (at < room) at += (size_t)snprintf(to + at, room - at, " '%s'", r->cases->items[record->item].name);
    return at;
}

const char *run_again(const struct run *r, const struct record *record, char *to, size_t room)
{
    char options[96];
    print_options(r->options, options, sizeof options);
    if (record->behind_count && print_behind(r, record, options, to, room) < room) return to;
    snprintf(to, room, "segue conform run '%s' --device %s%s%s%s", r->cases->items[record->item].name,
             run_device(r), record->r.row[0] ? " --row " : "", record->r.row, options);
    return to;
}
