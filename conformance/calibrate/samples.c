/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of the list with other keys, and rows that answer them. */
#include "calibrate.h"

#include <stdio.h>
#include <stdlib.h>

#include "../grammar/case_facts.h"

enum { MOST_WORK = 70000, ROWS = 64 }; /* a gauge costs about 0.1 us for each unit of work */

static int64_t work_of(const struct descriptor *d)
{
    const struct case_facts *facts = case_facts_of(d->primitive->name);
    int64_t work = 1;
    for (const char *axis = facts && facts->work ? facts->work : "b t d"; *axis; axis++)
        if (*axis != ' ') work *= descriptor_axis(d, *axis) > 0 ? descriptor_axis(d, *axis) : 0;
    return work;
}

/* Rows of f64 belong to the reference; NaN and huge strides have nothing to say about rounding. */
static int is_fit(const char *name, const char *primitive, uint32_t dtype)
{
    struct descriptor d;
    char why[DESCRIPTOR_WHY];
    if (descriptor_parse(name, &d, why) || strcmp(d.primitive->name, primitive)) return 0;
    if (descriptor_dtype(&d) != dtype || strstr(name, "f64") || strstr(name, "nan-future")) return 0;
    return d.layout != LAYOUT_FAR && work_of(&d) > 0 && work_of(&d) <= MOST_WORK;
}

int sample_make(struct bench *b, const char *primitive, uint32_t dtype, int64_t k, struct test_case *out)
{
    char name[DESCRIPTOR_TEXT + 32], why[DESCRIPTOR_WHY];
    int64_t count = 0, wanted;
    for (size_t i = 0; i < b->list.count; i++) count += is_fit(b->list.names[i], primitive, dtype);
    if (!count) return 1;
    wanted = k * 7919 % count; /* a prime: neighbouring keys are different cases */
    for (size_t i = 0; i < b->list.count; i++) {
        if (!is_fit(b->list.names[i], primitive, dtype) || wanted--) continue;
        const int length = (int)strcspn(b->list.names[i], "#");
        snprintf(name, sizeof name, "%.*s#%lld", length, b->list.names[i], (long long)k);
        break;
    }
    if (!test_case_make(name, out, why)) return 0;
    fprintf(stderr, "%s: %s\n", name, why);
    return -1;
}

void sample_distribution(const struct test_case *c, char *to, size_t room)
{
    snprintf(to, room, "%.*s", (int)strcspn(c->d.distribution, "."), c->d.distribution);
}

uint32_t rows_of(struct lab *lab, const struct test_case *c, segue_row_facts *rows, uint32_t room)
{
    uint32_t kept = 0;
    segue_diag diag;
    struct lab_rows all;
    if (lab_explain(&lab->device, c->op, &all, &diag)) fprintf(stderr, "%s: %s\n", c->name, diag.text);
    for (uint32_t i = 0; i < all.count && kept < room; i++)
        if ((all.of[i].flags & SEGUE_ROW_ACCEPTS) && !(all.of[i].flags & SEGUE_ROW_DELEGATED))
            rows[kept++] = all.of[i];
    return kept;
}

static segue_status run_plan(const struct lab_device *dev, const segue_plan *plan, struct image *image,
                             segue_diag *diag)
{
    segue_status s = image_upload(image);
    if (s) *diag = image->diag;
    if (!s) s = segue_plan_run(plan, image->op, dev->stream, image_workspace(image), diag);
    if (!s) s = segue_stream_sync(dev->handle, dev->stream, diag);
    if (!s && (s = image_download(image))) *diag = image->diag;
    return s;
}

static int read_reply(struct image *image, const struct call *call, struct reply *out)
{
    for (uint32_t i = 0; i < call->primitive->field_count; i++) {
        const struct operand *o = &call->operands[i];
        if (!is_output(o)) continue;
        const size_t room = o->count ? (size_t)o->count : 1;
        unsigned char *bytes = malloc(room * (o->view.dtype.bits / 8));
        out->value[i] = malloc(room * sizeof(double));
        if (bytes && out->value[i]) image_read(image, i, out->value[i], bytes);
        free(bytes);
        if (!bytes || !out->value[i]) return -1;
    }
    return 0;
}

int row_answers(struct lab *lab, struct study *study, const char *row, struct reply *out)
{
    const struct lab_device *dev = &lab->device;
    const struct style style = { .guard = 1, .poison = 0xff };
    segue_plan *plan = NULL;
    segue_plan_facts facts = { .size = sizeof facts };
    segue_diag diag = { .text = "no memory" };
    struct image image;
    memset(out, 0, sizeof *out);
    segue_status s = segue_plan_create_row(dev->handle, study->call.op, row, &plan, &diag);
    if (s == SEGUE_ERROR_UNSUPPORTED) return 1;
    if (!s) s = segue_plan_info(plan, &facts, &diag);
    if (!s) {
        s = image_make(&image, NULL, dev, &study->call, facts.workspace_bytes, facts.workspace_alignment,
                       &style);
        if (s == -2) diag = image.diag;
        if (!s) s = run_plan(dev, plan, &image, &diag);
        if (!s) s = read_reply(&image, &study->call, out);
        image_free(&image);
    }
    segue_plan_destroy(plan);
    if (!s) return 0;
    reply_free(out);
    if (s == SEGUE_ERROR_UNSUPPORTED) return 1;
    fprintf(stderr, "%s on row %s: %s\n", study->c->name, row, diag.text);
    return -1;
}

const struct bounds *reply_bounds(struct study *study, uint32_t accuracy, const struct reply *r, char *why)
{
    struct answer a = { 0 };
    memcpy(a.value, r->value, sizeof a.value);
    return study_bounds_at(study, accuracy, &a, why);
}

void reply_free(struct reply *r)
{
    for (int i = 0; i < DESCRIPTOR_FIELDS; i++) free(r->value[i]);
    memset(r, 0, sizeof *r);
}
