/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What all rows of a case share: its call, and the bounds of each accuracy class. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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

static void bounds_free(struct bounds *b)
{
    for (struct bounds *next; b->others; b->others = next) {
        next = b->others->others;
        b->others->others = NULL;
        bounds_free(b->others);
        free(b->others);
    }
    for (int k = 0; k < DESCRIPTOR_FIELDS; k++) {
        if (b->has[k]) bound_free(&b->of[k]);
        free(b->choice[k]);
    }
}

void study_free(struct study *s)
{
    for (int i = 0; i < s->bounds_count; i++) bounds_free(&s->bounds[i]);
    if (s->other) study_free(s->other);
    free(s->other);
    test_case_free(&s->other_case);
    call_free(&s->call);
    spare_free(&s->spare);
    memset(s, 0, sizeof *s);
}

/* Guards and patterns rotate: every kind meets every operand somewhere in a list. */
struct style study_style(const struct study *s)
{
    return (struct style){ .guard = s->hash % 3, .pattern = s->hash / 3 % 3, .poison = 0xff };
}

/* Numbers of every size: 0x5a and 0x7f are large, 0x3f is near one, 0x00 is what fresh memory holds. */
unsigned char study_poison(const struct study *s, uint32_t which)
{
    static const unsigned char table[] = { 0x5a, 0x00, 0x3f, 0x7f, 0x01 };
    return table[(s->hash / 9 + which) % sizeof table];
}

/* ---- bounds -------------------------------------------------------------------------------------- */

static int is_choice(const struct operand *o)
{
    return is_output(o) && !is_floating(o);
}

/* An element of an integer output as a kernel left it, or (a NULL) as the reference by itself has it. */
static int32_t chosen(const struct call *c, const struct answer *a, uint32_t field, int64_t k)
{
    if (a && a->value[field]) return (int32_t)a->value[field][k];
    return c->touched[field][k] & GAUGE_WRITTEN ? (int32_t)c->wanted[field][k] : 0;
}

/* 0, or -2 = no memory. */
static int tell_choices(const struct call *c, const struct answer *a, struct call_numbers *n,
                        struct bounds *out)
{
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        if (!is_choice(o)) continue;
        if (!(out->choice[i] = calloc((size_t)o->count + 1, sizeof *out->choice[i]))) return -2;
        for (int64_t k = 0; k < o->count; k++) out->choice[i][k] = chosen(c, a, i, k);
        if (gauge_answer(n->of[i], out->choice[i])) return -2;
    }
    return 0;
}

/* Of the choices of an answer; a NULL: of the reference's own, or of none where out->open says so. */
static int make_bounds(const struct study *s, uint32_t accuracy, const struct answer *a, struct bounds *out)
{
    const struct call *c = &s->call;
    struct call_numbers n;
    out->accuracy = accuracy;
    int result = call_numbers(c, GAUGE_ROUNDINGS, &n) ? -2 : out->open ? 0 : tell_choices(c, a, &n, out);
    if (!result) result = gauge_run(n.op, GAUGE_ROUNDINGS, accuracy);
    for (uint32_t i = 0; !result && i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        if (!is_output(o)) continue;
        if (out->choice[i] && !gauge_asked(n.of[i])) free(out->choice[i]), out->choice[i] = NULL;
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
    memset(b, 0, sizeof *b);
    const int result = make_bounds(s, accuracy, NULL, b);
    s->bounds_count++; /* what was made of it is freed */
    if (result || prove(s, b)) {
        snprintf(why, DESCRIPTOR_WHY, "the gauge of class %#x failed: %s", accuracy,
                 result == -1 ? "no reference" : "no memory");
        return NULL;
    }
    s->aside += milliseconds() - start;
    return b;
}

static int same_choices(const struct study *s, const struct bounds *b, const struct answer *a)
{
    for (uint32_t i = 0; i < s->c->primitive->field_count; i++)
        for (int64_t k = 0; b->choice[i] && k < s->call.operands[i].count; k++)
            if (s->call.touched[i][k] & GAUGE_WRITTEN && chosen(&s->call, a, i, k) != b->choice[i][k]) return 0;
    return !b->open;
}

static int has_choices(const struct bounds *b)
{
    int some = 0;
    for (int i = 0; i < DESCRIPTOR_FIELDS; i++) some |= b->choice[i] != NULL;
    return some;
}

/* More of an accuracy class: of an answer's choices, or (NULL) of none. What they prove, those of the own ones did. */
static const struct bounds *add_bounds(struct study *s, const struct bounds *first, const struct answer *a,
                                       char *why)
{
    const double start = milliseconds();
    struct bounds *b = &s->bounds[first - s->bounds], *more = calloc(1, sizeof *more);
    if (more) {
        more->others = b->others, b->others = more;
        more->vacuous = b->vacuous, more->open = !a;
        memcpy(more->why, b->why, sizeof more->why);
    }
    const int result = more ? make_bounds(s, b->accuracy, a, more) : -2;
    s->aside += milliseconds() - start;
    if (!result) return more;
    snprintf(why, DESCRIPTOR_WHY, "no memory for the gauge of a kernel's choices");
    return NULL;
}

const struct bounds *study_bounds_at(struct study *s, uint32_t accuracy, const struct answer *a, char *why)
{
    const struct bounds *first = study_bounds(s, accuracy, why), *b = first;
    while (b && !same_choices(s, b, a)) b = b->others;
    return b || !first ? b : add_bounds(s, first, a, why);
}

const struct bounds *study_bounds_open(struct study *s, uint32_t accuracy, char *why)
{
    const struct bounds *first = study_bounds(s, accuracy, why), *b = first;
    while (b && !b->open) b = b->others;
    return b || !first || !has_choices(first) ? (b ? b : first) : add_bounds(s, first, NULL, why);
}

/* ---- another call of the same form ----------------------------------------------------------------- */

/* Blocks of an integer operand in the opposite order: rows of slots stay pairs. */
static void reverse_blocks(struct operand *o, int64_t block)
{
    for (int64_t low = 0, high = o->count / block - 1; low < high; low++, high--)
        for (int64_t k = 0; k < block; k++) {
            const int32_t x = o->whole[low * block + k];
            o->whole[low * block + k] = o->whole[high * block + k];
            o->whole[high * block + k] = x;
        }
}

/* How many tokens, or keys, an operand's offsets cut up; -1 = it holds none. */
static int64_t total_of(const struct call *c, uint32_t field)
{
    if (field_named(c->primitive, "cu_seqlens") == field) return call_axis(c, 't');
    return field_named(c->primitive, "cu_seqlens_k") == field ? call_keys(c) : -1;
}

/* Sequences, slots and tags from the last to the first: as lawful as they were, and mostly others. */
static void reverse_integers(struct test_case *c, const struct call *own)
{
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        struct operand *o = &c->operands[i];
        if (!o->facts || !o->whole || !o->count) continue;
        reverse_blocks(o, axis_of(o->facts, 't') >= 0 ? 1 : o->count / o->view.shape[0]);
        const int64_t total = total_of(own, i);
        for (int64_t k = 0; k < o->count && total >= 0; k++) {
            const int64_t x = total - o->whole[k];
            o->whole[k] = x > INT32_MAX ? INT32_MAX : (int32_t)x; /* x >= -INT32_MAX: tokens are not negative */
        }
    }
}

static int make_other(struct study *s, char *why)
{
    struct descriptor d = s->c->d;
    char name[DESCRIPTOR_TEXT];
    snprintf(d.key, sizeof d.key, "%s", strcmp(d.key, "other") ? "other" : "another");
    if (descriptor_print(&d, name, sizeof name)) {
        snprintf(why, DESCRIPTOR_WHY, "a descriptor with another key is too long");
        return -1;
    }
    if (test_case_make(name, &s->other_case, why)) return -1;
    reverse_integers(&s->other_case, &s->call);
    return study_make(s->other, s->lab, &s->other_case, why);
}

int study_other(struct study *s, char *why)
{
    const double start = milliseconds();
    if (s->other) return 0;
    if (!(s->other = calloc(1, sizeof *s->other))) {
        snprintf(why, DESCRIPTOR_WHY, "no memory");
        return -1;
    }
    const int result = make_other(s, why);
    s->other->aside = 0;
    s->aside += milliseconds() - start;
    return result;
}
