/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a child of `segue conform run` does. */
#include "record.h"
#include "suite_run.h"
#include "verb.h"

#include <stdio.h>

/* Other ways to open a CPU that lab_open() tries, without those that are the device's own. */
static json_t *not_opened(const struct lab *l)
{
    static const char *const ways[] = { "threads 1", "threads 3", "isa base", "isa avx2", "isa avx512" };
    json_t *labels = json_array();
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        int there = 0;
        for (int k = 0; k < l->own_count; k++) there |= !strcmp(l->own[k], ways[i]);
        for (int k = 0; k < l->variant_count; k++) there |= !strcmp(l->variants[k].label, ways[i]);
        if (!there) json_array_append_new(labels, json_text(ways[i]));
    }
    return labels;
}

/* tried: the other ways were asked for, and the device is one that has them. */
static json_t *facts_json(const struct lab *l, int tried)
{
    const segue_device_facts *f = &l->device.facts;
    json_t *variants = json_array(), *own = json_array();
    for (int i = 0; i < l->variant_count; i++) json_array_append_new(variants, json_text(l->variants[i].label));
    for (int i = 0; i < l->own_count; i++) json_array_append_new(own, json_text(l->own[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:b, s:I, s:i, s:o, s:o, s:o}", "name", json_text(f->name), "alias",
                     json_text(f->alias), "backend", json_text(f->backend), "description",
                     json_text(f->description), "stand_in", (f->flags & SEGUE_DEVICE_STAND_IN) != 0,
                     "memory_bytes", (json_int_t)f->memory_bytes, "threads", (int)f->threads, "variants",
                     variants, "own", own, "not_opened", tried ? not_opened(l) : json_array());
}

static int job_open(void *user, json_t **facts, char *why, size_t room)
{
    struct job *j = user;
    const struct run_options *o = j->run->options;
    const json_t *first =
        j->run->device; /* what the run has chosen, which need no longer be the first ready one */
    const char *wanted = o->device ? o->device : json_string_value(json_object_get(first, "name"));
    const int code = lab_open(j->lab, wanted, o->variants, why, room);
    const segue_device_facts *f = &j->lab->device.facts;
    if (code) return code;
    *facts =
        facts_json(j->lab, o->variants && f->api == SEGUE_API_CPU && f->threads > 0 && j->lab->variant_count);
    if (!child_found_another(first, *facts, why, room)) return EXIT_OK;
    lab_close(j->lab);
    return EXIT_NO_DEVICE;
}

static void job_close(void *user)
{
    lab_close(((struct job *)user)->lab);
}

struct told { /* of one case */
    const struct lab *lab;
    int spent;
};

/* After these the process cannot be trusted with another case. */
static int spends(const struct result *r)
{
    return r->status == STATUS_DEVICE_LOST || r->status == STATUS_HARNESS_ERROR || r->failed & CHECK_GUARD;
}

static void tell(void *user, const struct test_case *c, const struct result *r)
{
    struct told *t = user;
    t->spent |= spends(r);
    child_tells(record_json(c->name, t->lab->device.facts.name, r));
}

static void tell_broken(struct told *t, const char *descriptor, const char *why)
{
    struct result r = { .status = STATUS_HARNESS_ERROR };
    snprintf(r.why, sizeof r.why, "the case cannot be made: %.300s", why);
    child_tells(record_json(descriptor, t->lab->device.facts.name, &r));
}

static void tell_rows(struct lab *l, const struct test_case *c)
{
    struct lab_rows rows;
    lab_explain(&l->device, c->op, &rows, NULL);
    for (uint32_t i = 0; i < rows.count; i++)
        if (rows.of[i].flags & (SEGUE_ROW_CHOSEN | SEGUE_ROW_ACCEPTS))
            child_tells(json_pack("{s:o}", "accepts", json_text(rows.of[i].name)));
}

/* Whether the device has a row of that name for the case's primitive, whatever it says of the case. */
static void tell_row_known(struct lab *l, const struct test_case *c, const char *name)
{
    struct lab_rows rows;
    int known = 0;
    lab_explain(&l->device, c->op, &rows, NULL);
    for (uint32_t i = 0; i < rows.count; i++) known |= !strcmp(rows.of[i].name, name);
    if (known) child_tells(json_pack("{s:b}", "row_known", 1));
}

static int job_judge(void *user, const struct step *s)
{
    struct job *j = user;
    struct told t = { .lab = j->lab };
    struct test_case c;
    char why[DESCRIPTOR_WHY];
    const char *name = j->run->cases->items[s->item].name;
    const int failed = s->ask ? test_case_outline(name, &c, why) : test_case_make(name, &c, why);
    if (failed) tell_broken(&t, name, why);
    else if (s->ask) tell_rows(j->lab, &c);
    else {
        if (s->row[0] && !j->run->row_known) tell_row_known(j->lab, &c, s->row);
        check_case(j->lab, &c, s->row[0] ? s->row : NULL, tell, &t);
    }
    test_case_free(&c);
    return t.spent || segue_device_status(j->lab->device.handle, NULL) != SEGUE_OK;
}

struct work run_work(struct job *j)
{
    return (struct work){ .user = j, .open = job_open, .judge = job_judge, .close = job_close };
}
