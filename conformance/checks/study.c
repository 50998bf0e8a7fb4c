/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What all rows of a case share: its call, and the bounds of each accuracy class. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "exam.h"
#include "faults.h"

double milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

int study_make(struct study *out, struct lab *lab, const struct test_case *c, char *why)
{
    const double start = milliseconds();
    memset(out, 0, sizeof *out);
    out->lab = lab, out->c = c;
    out->hash = c->key[0] ^ c->key[1];
    int result = call_of_case(&out->call, c) ? -2 : call_look(&out->call);
    if (result)
        snprintf(why, DESCRIPTOR_WHY, "%s",
                 result == -2
                     ? "no memory for the case's values"
                     : "the suite was built without a reference of this primitive, or that left its operands");
    out->aside = milliseconds() - start;
    return result ? -1 : 0;
}

void study_free(struct study *s)
{
    for (int i = 0; i < s->bounds_count; i++)
        for (int k = 0; k < DESCRIPTOR_FIELDS; k++)
            if (s->bounds[i].has[k]) bound_free(&s->bounds[i].of[k]);
    call_free(&s->call);
    spare_free(&s->spare);
    memset(s, 0, sizeof *s);
}

/* Guards and patterns rotate: every kind meets every operand somewhere in a list. */
struct style study_style(const struct study *s)
{
    return (struct style){ .guard = s->hash % 3, .pattern = s->hash / 3 % 3, .poison = 0xff };
}

/* ---- bounds -------------------------------------------------------------------------------------- */

static int make_bounds(const struct study *s, uint32_t accuracy, struct bounds *out)
{
    const struct call *c = &s->call;
    struct call_numbers n;
    memset(out, 0, sizeof *out);
    out->accuracy = accuracy;
    int result = call_numbers(c, GAUGE_ROUNDINGS, &n) ? -2 : gauge_run(n.op, GAUGE_ROUNDINGS, accuracy);
    for (uint32_t i = 0; !result && i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        if (!is_output(o)) continue;
        if (bound_make(&out->of[i], n.of[i], o->count, segue_dtype_id(o->view.dtype), accuracy, s->c->exact))
            result = -2;
        else out->has[i] = 1;
    }
    call_numbers_free(&n);
    return result;
}

/* A case must be decidable, and must reject at least one wrong answer of those that it can have. */
static int prove(const struct study *s, struct bounds *b)
{
    const segue_primitive_facts *p = s->c->primitive;
    int applicable = 0, rejected = 0;
    for (uint32_t i = 0; i < p->field_count; i++) {
        int some = 0, of_them = 0;
        const struct bound *bound = &b->of[i];
        if (!b->has[i] || bound->used + bound->undecidable == 0) continue;
        if (!b->vacuous && bound_is_vacuous(bound)) {
            b->vacuous = 1;
            snprintf(b->why, sizeof b->why,
                     "%s: of %" PRId64 " elements %" PRId64 " are undecidable and %" PRId64
                     " have a sigma that is too large a share of their size: choose other inputs",
                     p->fields[i].name, bound->used + bound->undecidable, bound->undecidable, bound->noisy);
        }
        if (faults_proof(s->c, i, bound, &some, &of_them)) return -1;
        applicable += some, rejected += of_them;
    }
    if (!b->vacuous && applicable && !rejected) {
        b->vacuous = 1;
        snprintf(b->why, sizeof b->why, "none of %d planted wrong answers is rejected: choose other inputs",
                 applicable);
    }
    return 0;
}

const struct bounds *study_bounds(struct study *s, uint32_t accuracy, char *why)
{
    const double start = milliseconds();
    struct bounds *b = &s->bounds[s->bounds_count];
    for (int i = 0; i < s->bounds_count; i++)
        if (s->bounds[i].accuracy == accuracy) return &s->bounds[i];
    if (s->bounds_count == CLASSES) {
        snprintf(why, DESCRIPTOR_WHY, "rows of more than %d accuracy classes", CLASSES);
        return NULL;
    }
    const int result = make_bounds(s, accuracy, b);
    s->bounds_count++; /* what was made of it is freed */
    if (result || prove(s, b)) {
        snprintf(why, DESCRIPTOR_WHY, "the gauge of class %#x failed: %s", accuracy,
                 result == -1 ? "no reference" : "no memory");
        return NULL;
    }
    s->aside += milliseconds() - start;
    return b;
}
