/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong kernels by their values alone, in f32: how many sigmas they are off, and what other rules make of them. Guards,
 * poison and identities, which kill the rest, are the suite's. */
#include "calibrate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_ROWS = 128, MOST_CASES = 400, RULES = 5, LABEL = 64 };

static const char *const rule_names[RULES] = { "allclose 1.3e-6, 1e-5", "allclose 1e-2, 1e-2",
                                               "RMSE ratio < 0.005", "cosine > 0.999", "gauge" };

/* As numpy's: |got - want| <= absolute + relative |want|, also of infinities and NaN that agree. */
static int all_close(const struct bound *b, const double *got, double relative, double absolute)
{
    for (int64_t i = 0; i < b->count; i++) {
        const double want = b->value[i];
        if (!b->written[i] || got[i] == want || (isnan(got[i]) && isnan(want))) continue;
        if (!(fabs(got[i] - want) <= absolute + relative * fabs(want))) return 0;
    }
    return 1;
}

static int small_rmse(const struct bound *b, const double *got)
{
    double error = 0, size = 0;
    for (int64_t i = 0; i < b->count; i++) {
        if (!b->written[i]) continue;
        error += (got[i] - b->value[i]) * (got[i] - b->value[i]);
        size += b->value[i] * b->value[i];
    }
    return error <= 0.005 * 0.005 * size;
}

static int large_cosine(const struct bound *b, const double *got)
{
    double both = 0, mine = 0, theirs = 0;
    for (int64_t i = 0; i < b->count; i++) {
        if (!b->written[i]) continue;
        both += got[i] * b->value[i];
        mine += got[i] * got[i];
        theirs += b->value[i] * b->value[i];
    }
    return (mine == 0 && theirs == 0) || both >= 0.999 * sqrt(mine * theirs);
}

/* Bit k of the result: rule k accepts the operand. */
static unsigned accepted(const struct bound *b, const double *got, double *sigmas)
{
    struct verdict v;
    judge(b, got, &v);
    *sigmas =
        fmax(*sigmas, isinf(v.ratio) ? INFINITY : v.sigmas); /* NaN where a number is wanted is no distance */
    return (unsigned)all_close(b, got, 1.3e-6, 1e-5) | (unsigned)all_close(b, got, 1e-2, 1e-2) << 1 |
           (unsigned)small_rmse(b, got) << 2 | (unsigned)large_cosine(b, got) << 3 | (unsigned)v.ok << 4;
}

struct flaw { /* of a row */
    char row[LABEL];
    double sigmas[MOST_CASES]; /* of cases where its answer is another than the correct kernel's */
    int acts, cases;
    int kills[RULES], benign[RULES]; /* cases */
};

struct score { /* of the rules */
    struct flaw flaws[MOST_ROWS];
    int count, runs;
    int alarms[RULES]; /* runs of correct kernels */
};

static struct flaw *flaw_of(struct score *s, const char *row)
{
    int i = 0;
    while (i < s->count && strcmp(s->flaws[i].row, row)) i++;
    if (i == MOST_ROWS) return NULL;
    if (i == s->count) snprintf(s->flaws[s->count++].row, LABEL, "%s", row);
    return &s->flaws[i];
}

static int same(const struct study *study, const struct reply *a, const struct reply *b)
{
    for (int i = 0; i < DESCRIPTOR_FIELDS; i++)
        if (a->value[i] && study->call.operands[i].count &&
            memcmp(a->value[i], b->value[i], (size_t)study->call.operands[i].count * sizeof(double)))
            return 0;
    return 1;
}

/* All rules alike at what the row has chosen. */
static unsigned accepted_by(struct study *study, const struct reply *reply, double *sigmas)
{
    char why[DESCRIPTOR_WHY];
    unsigned accepts = (1u << RULES) - 1;
    const struct bounds *bounds = reply_bounds(study, SEGUE_ACCURACY_F32, reply, why);
    if (!bounds) return 0; /* no memory */
    for (uint32_t i = 0; i < study->c->primitive->field_count; i++)
        if (bounds->has[i] && bounds->of[i].used) accepts &= accepted(&bounds->of[i], reply->value[i], sigmas);
    return accepts;
}

static void note_wrong(struct flaw *f, unsigned accepts, double sigmas, int acts, int benign)
{
    f->cases++;
    if (acts && f->acts < MOST_CASES) f->sigmas[f->acts++] = sigmas;
    for (int k = 0; k < RULES; k++) {
        const int kill = !(accepts >> k & 1);
        f->kills[k] += kill;
        f->benign[k] += kill && benign;
    }
}

/* The correct rows of class F32; the first answer is kept as the one that a wrong row without its flaw would give. 1 = there is none. */
static int try_right(struct bench *b, struct study *study, struct score *s, struct reply *first)
{
    segue_row_facts rows[MOST_ROWS];
    const uint32_t count = rows_of(&b->right, study->c, rows, MOST_ROWS);
    int kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct reply reply;
        double sigmas = 0;
        if (rows[i].accuracy != SEGUE_ACCURACY_F32) continue;
        if (row_answers(&b->right, study, rows[i].name, &reply)) return -1;
        const unsigned accepts = accepted_by(study, &reply, &sigmas);
        s->runs++;
        for (int k = 0; k < RULES; k++) s->alarms[k] += !(accepts >> k & 1);
        if (!kept++) *first = reply;
        else reply_free(&reply);
    }
    return kept ? 0 : 1;
}

static int try_wrong(struct bench *b, struct study *study, struct score *s, const struct reply *right)
{
    segue_row_facts rows[MOST_ROWS];
    const uint32_t count = rows_of(&b->wrong, study->c, rows, MOST_ROWS);
    const int benign = !strncmp(study->c->d.distribution, "benign", 6);
    for (uint32_t i = 0; i < count; i++) {
        struct reply reply;
        double sigmas = 0;
        struct flaw *f = flaw_of(s, rows[i].name);
        const int result = row_answers(&b->wrong, study, rows[i].name, &reply);
        if (!f || result < 0) return -1;
        if (result) continue; /* refused late: a matter of status */
        const unsigned accepts = accepted_by(study, &reply, &sigmas);
        note_wrong(f, accepts, sigmas, !same(study, &reply, right), benign);
        reply_free(&reply);
    }
    return 0;
}

static int try_case(struct bench *b, const struct test_case *c, struct score *s)
{
    struct study study;
    struct reply right = { 0 };
    char why[DESCRIPTOR_WHY] = "";
    int result = study_make(&study, &b->right, c, why);
    const struct bounds *bounds = result ? NULL : study_bounds(&study, SEGUE_ACCURACY_F32, why);
    if (!bounds) result = -1;
    if (!result && !bounds->vacuous && !c->exact) {
        result = try_right(b, &study, s, &right);
        if (!result) result = try_wrong(b, &study, s, &right);
        reply_free(&right);
    }
    study_free(&study);
    if (result < 0) fprintf(stderr, "%s: %s\n", c->name, why);
    return result < 0 ? -1 : 0;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_flaws(struct score *s)
{
    printf("\n%-44s %6s %6s %10s %10s %6s\n", "wrong row", "cases", "acts", "smallest", "median", "killed");
    for (int i = 0; i < s->count; i++) {
        struct flaw *f = &s->flaws[i];
        qsort(f->sigmas, (size_t)f->acts, sizeof *f->sigmas, by_size);
        printf("%-44s %6d %6d", f->row, f->cases, f->acts);
        if (f->acts) printf(" %10.3g %10.3g", f->sigmas[0], f->sigmas[f->acts / 2]);
        else printf(" %10s %10s", "-", "-");
        printf(" %6d\n", f->kills[RULES - 1]);
    }
}

static void print_rules(const struct score *s)
{
    printf("\n%-24s %14s %22s %22s\n", "rule", "false alarms", "rows killed, benign", "rows killed, all");
    for (int k = 0; k < RULES; k++) {
        int benign = 0, all = 0;
        for (int i = 0; i < s->count; i++) benign += s->flaws[i].benign[k] > 0, all += s->flaws[i].kills[k] > 0;
        printf("%-24s %6d of %5d %13d of %4d %14d of %4d\n", rule_names[k], s->alarms[k], s->runs, benign,
               s->count, all, s->count);
    }
}

int calibrate_wrong(struct bench *b)
{
    struct score *s = calloc(1, sizeof *s);
    int result = s ? 0 : -1;
    const int64_t keys = b->keys < MOST_CASES ? b->keys : MOST_CASES;
    printf(
        "\nWrong kernels in f32, by values and states alone; |error| / sigma where the answer is another (limit 4)\n");
    for (uint32_t id = 1; !result && segue_describe(id); id++)
        for (int64_t k = 0; !result && k < keys; k++) {
            struct test_case c;
            if ((result = sample_make(b, segue_describe(id)->name, SEGUE_F32, k, &c))) break;
            result = try_case(b, &c, s);
            test_case_free(&c);
        }
    if (s) {
        print_flaws(s);
        print_rules(s);
        if (s->alarms[RULES - 1]) result = result ? result : 1;
    }
    free(s);
    return result;
}
