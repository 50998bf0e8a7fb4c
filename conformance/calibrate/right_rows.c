/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Correct kernels: how far they are from the reference in units of sigma. None may fail. */
#include "calibrate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TALLIES = 96, ROWS = 64, LABEL = 56 };

struct tally { /* of runs that have something in common */
    char what[LABEL], part[LABEL];
    double *sigmas; /* [count] the largest of each run */
    size_t count, room;
    double rms, scale, sign;
    int64_t alarms, exact, vacuous;
};

struct tallies {
    struct tally of[TALLIES];
    size_t count;
};

static struct tally *tally_of(struct tallies *all, const char *what, const char *part)
{
    size_t i = 0;
    while (i < all->count && (strcmp(all->of[i].what, what) || strcmp(all->of[i].part, part))) i++;
    if (i == TALLIES) return NULL;
    if (i == all->count) {
        all->count++;
        snprintf(all->of[i].what, LABEL, "%s", what);
        snprintf(all->of[i].part, LABEL, "%s", part);
    }
    return &all->of[i];
}

static int add_run(struct tally *t, double sigmas)
{
    if (t->count == t->room) {
        double *more = realloc(t->sigmas, (2 * t->room + 64) * sizeof *more);
        if (!more) return -1;
        t->sigmas = more;
        t->room = 2 * t->room + 64;
    }
    t->sigmas[t->count++] = sigmas;
    return 0;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const struct tally *t, double share)
{
    const size_t at = (size_t)(share * (double)t->count);
    return t->count ? t->sigmas[at < t->count ? at : t->count - 1] : 0;
}

static const char *class_name(uint32_t accuracy)
{
    return accuracy & SEGUE_ACCURACY_CHUNK_LOG ? "F32 + CHUNK_LOG"
           : accuracy == SEGUE_ACCURACY_F32    ? "F32"
                                               : "other";
}

struct run { /* all operands of one run of a row */
    struct verdict worst;
    int ok, judged;
};

static struct run judged(const struct study *study, const struct bounds *bounds, const struct reply *reply)
{
    struct run r = { .ok = 1 };
    for (uint32_t i = 0; i < study->c->primitive->field_count; i++) {
        struct verdict v;
        if (!bounds->has[i] || !bounds->of[i].used) continue;
        judge(&bounds->of[i], reply->value[i], &v);
        r.judged = 1;
        if (!v.ok) {
            r.ok = 0;
            fprintf(stderr,
                    "FALSE ALARM %s, %s: %s, %.2f sigma, %.2f x the bound, rms %.2f, scale %.2f, sign %.2f\n",
                    study->c->name, study->c->primitive->fields[i].name, v.rule, v.sigmas, v.ratio, v.rms,
                    v.scale, v.sign);
        }
        r.worst.sigmas = fmax(r.worst.sigmas, v.sigmas);
        r.worst.rms = fmax(r.worst.rms, v.rms);
        r.worst.scale = fmax(r.worst.scale, fabs(v.scale));
        r.worst.sign = fmax(r.worst.sign, fabs(v.sign));
    }
    return r;
}

static int note(struct tally *t, const struct test_case *c, const struct run *r)
{
    if (!t) return -1;
    t->alarms += !r->ok;
    if (c->exact) {
        t->exact++;
        return 0;
    }
    t->rms = fmax(t->rms, r->worst.rms);
    t->scale = fmax(t->scale, r->worst.scale);
    t->sign = fmax(t->sign, r->worst.sign);
    return add_run(t, r->worst.sigmas);
}

/* One case on every right row. */
static int try_case(struct bench *b, const struct test_case *c, struct tallies *classes, struct tallies *rows)
{
    segue_row_facts row[ROWS];
    struct study study;
    char why[DESCRIPTOR_WHY], distribution[LABEL];
    const uint32_t count = rows_of(&b->right, c, row, ROWS);
    int result = count ? study_make(&study, &b->right, c, why) : 1;
    if (!count) return 0;
    sample_distribution(c, distribution, sizeof distribution);
    for (uint32_t i = 0; !result && i < count; i++) {
        struct reply reply;
        const struct bounds *bounds = study_bounds(&study, row[i].accuracy, why);
        struct tally *t = tally_of(classes, class_name(row[i].accuracy), distribution);
        if (!bounds || !t) result = -1;
        if (!result && bounds->vacuous) {
            t->vacuous++;
            continue;
        }
        if (!result) result = row_answers(&b->right, &study, row[i].name, &reply);
        if (result) break;
        if (!(bounds = reply_bounds(&study, row[i].accuracy, &reply, why))) {
            reply_free(&reply);
            result = -1;
            break;
        }
        const struct run r = judged(&study, bounds, &reply);
        if (r.judged)
            result =
                note(t, c, &r) || note(tally_of(rows, row[i].name, dtype_name(descriptor_dtype(&c->d))), c, &r);
        reply_free(&reply);
    }
    if (result) fprintf(stderr, "%s: cannot be calibrated: %s\n", c->name, why);
    study_free(&study);
    return result ? -1 : 0;
}

static int64_t print(struct tallies *all, const char *what, const char *part)
{
    int64_t alarms = 0;
    printf("\n%-36s %-12s %6s %6s %6s %6s %6s %6s %6s %6s %6s %7s %7s\n", what, part, "runs", "p50", "p99",
           "p99.9", "max", "rms", "scale", "sign", "exact", "vacuous", "alarms");
    for (size_t i = 0; i < all->count; i++) {
        struct tally *t = &all->of[i];
        if (t->count) qsort(t->sigmas, t->count, sizeof *t->sigmas, by_size);
        printf("%-36s %-12s %6zu %6.2f %6.2f %6.2f %6.2f %6.2f %6.2f %6.2f %6lld %7lld %7lld\n", t->what,
               t->part, t->count, quantile(t, 0.5), quantile(t, 0.99), quantile(t, 0.999), quantile(t, 1),
               t->rms, t->scale, t->sign, (long long)t->exact, (long long)t->vacuous, (long long)t->alarms);
        alarms += t->alarms;
        free(t->sigmas);
    }
    return alarms;
}

/* Largest |error| / sigma of each class over everything. */
static void print_largest(const struct tallies *all)
{
    for (size_t i = 0; i < all->count; i++) {
        double largest = 0;
        size_t k = 0;
        while (k < i && strcmp(all->of[k].what, all->of[i].what)) k++;
        if (k < i) continue; /* told before */
        for (k = i; k < all->count; k++)
            if (!strcmp(all->of[k].what, all->of[i].what))
                for (size_t n = 0; n < all->of[k].count; n++) largest = fmax(largest, all->of[k].sigmas[n]);
        printf("class %s: largest |error| / sigma %.2f (limit 4)\n", all->of[i].what, largest);
    }
}

int calibrate_right(struct bench *b)
{
    static const uint32_t dtypes[] = { SEGUE_F32, SEGUE_BF16, SEGUE_F16 };
    struct tallies *all = calloc(2, sizeof *all);
    int result = all ? 0 : -1;
    printf("Correct kernels: the largest |error| / sigma of each run, %lld keys a primitive and dtype\n",
           (long long)b->keys);
    for (uint32_t id = 1; !result && segue_describe(id); id++)
        for (size_t i = 0; !result && i < sizeof dtypes / sizeof *dtypes; i++) {
            if (b->dtype && strcmp(b->dtype, dtype_name(dtypes[i]))) continue;
            for (int64_t k = 0; !result && k < b->keys; k++) {
                struct test_case c;
                result = sample_make(b, segue_describe(id)->name, dtypes[i], k, &c);
                if (result > 0)
                    fprintf(stderr, "no sample of %s in %s\n", segue_describe(id)->name, dtype_name(dtypes[i]));
                if (result) break;
                result = try_case(b, &c, &all[0], &all[1]);
                test_case_free(&c);
            }
        }
    if (all) {
        print_largest(&all[0]);
        const int64_t alarms = print(&all[0], "class", "distribution");
        print(&all[1], "row", "dtype");
        printf("%lld false alarms\n", (long long)alarms);
        if (alarms) result = result ? result : 1;
    }
    free(all);
    return result;
}
