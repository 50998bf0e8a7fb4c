/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Cases prove themselves: the eight wrong answers are rejected wherever they are other answers, and a case that cannot tell
 * right from wrong says so. */
#include "calibrate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../checks/faults.h"
#include "../grammar/dtype.h"

enum { CASES = 100, DTYPES = 3 };

struct proof { /* of one fault, over operands of cases */
    int applicable, rejected;
};

/* A state may fade until nothing of it is left in f32: then the answer without it is the same. */
static int is_another(const struct bound *right, const double *out)
{
    for (int64_t k = 0; k < right->count; k++)
        if (right->written[k] && !(fabs(out[k] - right->value[k]) <= 0x1p-20 * right->size)) return 1;
    return 0;
}

static int prove_operand(const struct test_case *c, uint32_t field, const struct bound *right, struct proof *of)
{
    double *out = malloc((right->count ? (size_t)right->count : 1) * sizeof *out);
    int result = out ? 0 : -1;
    for (int i = 0; i < FAULTS_OF_PROOF && result >= 0; i++) {
        struct verdict v;
        if ((result = faults[i].answer(c, field, right, out)) || !is_another(right, out)) continue;
        judge(right, out, &v);
        of[i].applicable++;
        of[i].rejected += !v.ok;
        if (!v.ok) continue;
        printf("  not rejected: %s of %s, %s: at most %.2f of the bound, rms %.2f\n", faults[i].name,
               c->primitive->fields[field].name, c->name, v.ratio, v.rms);
    }
    free(out);
    return result < 0 ? -1 : 0;
}

static int prove_case(struct bench *b, const struct test_case *c, struct proof *of, int *vacuous)
{
    struct study study;
    char why[DESCRIPTOR_WHY] = "";
    int result = study_make(&study, &b->right, c, why);
    const struct bounds *bounds = result ? NULL : study_bounds(&study, SEGUE_ACCURACY_F32, why);
    if (!bounds) result = -1;
    if (!result && bounds->vacuous) {
        *vacuous += 1;
        printf("  vacuous: %s: %s\n", c->name, bounds->why);
    }
    for (uint32_t i = 0; !result && i < c->primitive->field_count; i++)
        if (bounds->has[i]) result = prove_operand(c, i, &bounds->of[i], of);
    if (result) fprintf(stderr, "%s: %s\n", c->name, why);
    study_free(&study);
    return result;
}

int calibrate_proof(struct bench *b)
{
    static const uint32_t dtypes[DTYPES] = { SEGUE_F32, SEGUE_BF16, SEGUE_F16 };
    struct proof of[FAULTS_OF_PROOF] = { 0 };
    int cases = 0, vacuous = 0, missed = 0, result = 0;
    uint32_t primitives = 0;
    while (segue_describe(primitives + 1)) primitives++;
    printf("\nThe eight wrong answers on %d cases, each on every operand that it writes\n", CASES);
    for (; !result && cases < CASES; cases++) {
        struct test_case c;
        const char *primitive = segue_describe(1 + (uint32_t)cases % primitives)->name;
        result = sample_make(b, primitive, dtypes[(uint32_t)cases / primitives % DTYPES], 100000 + cases, &c);
        if (result) break;
        result = prove_case(b, &c, of, &vacuous);
        test_case_free(&c);
    }
    printf("%-20s %12s %10s\n", "wrong answer", "applicable", "rejected");
    for (int i = 0; i < FAULTS_OF_PROOF; i++) {
        printf("%-20s %12d %10d\n", faults[i].name, of[i].applicable, of[i].rejected);
        missed += of[i].applicable - of[i].rejected;
    }
    printf("%d cases, %d vacuous, %d wrong answers not rejected\n", cases, vacuous, missed);
    if (result) return -1;
    return vacuous || missed ? 1 : 0;
}

/* ---- cases that prove nothing ------------------------------------------------------------------- */

static double *input(struct test_case *c, const char *name)
{
    return c->operands[field_named(c->primitive, name)].value;
}

static int64_t count_of(const struct test_case *c, const char *name)
{
    return c->operands[field_named(c->primitive, name)].count;
}

/* Two taps that cancel all but the last digits of a constant. */
static void mere_rounding(struct test_case *c)
{
    static const char *const constant[] = { "x", "h_in" };
    for (int i = 0; i < 2; i++)
        for (int64_t k = 0; k < count_of(c, constant[i]); k++)
            input(c, constant[i])[k] = dtype_round(SEGUE_F32, 1 + (double)(k * 7919 % 5) * 0x1p-23);
    for (int64_t k = 0; k < count_of(c, "weight"); k++)
        input(c, "weight")[k] = dtype_round(SEGUE_F32, k % 2 ? 1.7 : -1.7);
}

/* States that grow by e in 30 tokens, in pairs that y subtracts from each other: what was a rounding is all that is left. */
static void chaotic(struct test_case *c)
{
    for (int64_t k = 0; k < count_of(c, "A"); k++)
        input(c, "A")[k] = dtype_round(SEGUE_F32, k % 2 ? 1.0 : 1 + 0x1p-20);
    for (int64_t k = 0; k < count_of(c, "delta"); k++)
        input(c, "delta")[k] = dtype_round(SEGUE_F32, 0.03 + (double)(k % 7) * 1e-3);
    for (int64_t k = 0; k < count_of(c, "B"); k++) input(c, "B")[k] = input(c, "B")[k - k % 2];
    for (int64_t k = 0; k < count_of(c, "C"); k++)
        input(c, "C")[k] = k % 2 ? -input(c, "C")[k - 1] : input(c, "C")[k];
}

struct seen {
    int vacuous, other;
    char why[448];
};

static void note(void *user, const struct test_case *c, const struct result *r)
{
    struct seen *s = user;
    (void)c;
    if (r->status == STATUS_VACUOUS) s->vacuous++;
    else s->other++;
    snprintf(s->why, sizeof s->why, "%s: %s", status_name(r->status), r->why);
}

int calibrate_vacuous(struct bench *b)
{
    static const struct {
        const char *what, *descriptor, *row;
        void (*spoil)(struct test_case *c);
    } cases[] = {
        { "nothing but roundings", "causal_conv1d/fwd.h_in/f32/B2.T64.D4.W2", "causal_conv1d_gather",
          mere_rounding },
        { "growing states that cancel", "selective_scan/fwd.softplus=0/f32/B2.T1000.D4.N4",
          "selective_scan_sequential", chaotic },
    };
    int result = 0;
    printf("\nCases that prove nothing\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct test_case c;
        struct seen seen = { 0 };
        char why[DESCRIPTOR_WHY];
        for (int spoilt = 0; spoilt < 2; spoilt++) {
            if (test_case_make(cases[i].descriptor, &c, why)) {
                fprintf(stderr, "%s: %s\n", cases[i].descriptor, why);
                return -1;
            }
            if (spoilt) cases[i].spoil(&c);
            check_case(&b->right, &c, cases[i].row, note, &seen);
            test_case_free(&c);
            if (seen.vacuous != spoilt || seen.other != 1) result = 1;
            printf("%-28s %-9s %s\n", cases[i].what, spoilt ? "spoilt" : "as drawn", seen.why);
        }
    }
    return result;
}
