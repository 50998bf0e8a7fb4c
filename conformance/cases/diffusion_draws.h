/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs that the primitives of text diffusion share. Operands go by their names; controls differ from one batch row to the next, so that
 * a kernel which takes row 0's for all is seen. */
#ifndef SEGUE_CONFORMANCE_DIFFUSION_DRAWS_H
#define SEGUE_CONFORMANCE_DIFFUSION_DRAWS_H

#include "case_facts.h"

#include <math.h>
#include <stdio.h>

enum { CONTROL_ROWS = 3, CONTROL_SETS = 4 };

/* Of a batch row: as usual, by the modifiers edges and limits; cold: of the temperature alone. */
struct control {
    const char *name;
    double row[CONTROL_SETS][CONTROL_ROWS];
};

static inline const struct control *control_named(const char *name)
{
    static const struct control controls[] = {
        { "temperature", { { 0.7, 0, 2.5 }, { 1e3, -1, 1 }, { 0.2, 2, 1 }, { 1e-6, 1e-3, 0.7 } } },
        { "top_p", { { 0.87, 0.43, 0.61 }, { 1, 0, 1.5 }, { NAN, 0.05, 0.99 } } },
        { "top_k", { { 3, 0, 7 }, { 1, 1000000, -5 }, { INT32_MAX, 2, INT32_MIN } } },
        { "guidance", { { 1.5, 0.25, 0 }, { 0, 7.5, -0.5 }, { -1, 1, 2 } } },
        { "move", { { 0.375, 1, 0.05 }, { 1, 0.5, 0.25 }, { 0.5, 0.01, 0.75 } } },
        { "stay", { { 0.625, 0, 0.95 }, { 0, 0.5, 0.75 }, { 0.5, 0.99, 0.25 } } },
        { "seq_id", { { 7, 100, -3 }, { INT32_MAX, 0, INT32_MIN }, { 1, 2, 0 } } },
        { "step", { { 3, 0x1000004, 11 }, { 0, -1, 0xffffff }, { 1, 0x1000000, 0x7fffffff } } },
        { "k", { { 2, 0, 5 }, { -3, 1000, 1 }, { 1, INT32_MAX, INT32_MIN } } },
        { "steps_left", { { 3, 1, 4 }, { 0, -2, 1000 }, { 2, INT32_MAX, INT32_MIN } } },
        { "tau", { { 0.5, 0.25, 0.75 }, { 0, 1, 1.5 }, { -INFINITY, NAN, INFINITY } } },
        { "p", { { 0.5, 0.25, 0.9 }, { 0, 1, 1.5 }, { NAN, -1, 0.01 } } },
        { "temp", { { 0.7, 0, 1.5 }, { -1, 10, 0.01 }, { 1, 0.1, 0 } } },
        { "carry", { { 1, 0, 3 }, { -4, INT32_MAX, 2 }, { 0, 2, INT32_MIN } } },
    };
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++)
        if (!strcmp(controls[i].name, name)) return &controls[i];
    return NULL;
}

static inline int set_of(const struct test_case *c)
{
    return has_modifier(c, "edges") ? 1 : has_modifier(c, "limits") ? 2 : 0;
}

static inline double control_of(const struct test_case *c, const struct control *k, int64_t b)
{
    const int cold = has_modifier(c, "cold") && !strcmp(k->name, "temperature");
    return k->row[cold ? 3 : set_of(c)][b % CONTROL_ROWS];
}

/* As the case has it: 0 where the operand is absent. */
static inline double control_value(const struct test_case *c, const char *name, int64_t b)
{
    const uint32_t field = field_named(c->primitive, name);
    return field < c->primitive->field_count ? value_of(c, field, &b) : 0;
}

static inline int64_t param_of(const struct test_case *c, const char *name)
{
    const uint32_t field = field_named(c->primitive, name);
    return field < c->primitive->field_count ? (int64_t)c->d.value[field] : 0;
}

static inline struct dice dice_at(const struct dice *d, uint64_t element)
{
    const struct dice at = { { d->key[0], d->key[1] }, d->field, element };
    return at;
}

/* ---- logits --------------------------------------------------------------------------------------- */

/* Of a row of logits: the same for all its ids. */
static inline struct dice dice_of_row(const struct dice *d, const int64_t *index, const segue_tensor *t)
{
    return dice_at(d, UINT64_C(0x80000000) + (uint64_t)(index[0] * t->shape[1] + index[1]));
}

enum { FAR = 100 }; /* exp overflows there; farther out roundings are too large for a share of top_p */

static inline double benign_logit(const struct dice *row, const struct dice *one, int64_t id, int64_t v)
{
    return 2 * dice_normal(one, 0) + (id == dice_integer(row, 0, 0, v - 1) ? 4 : 0);
}

/* Rows: far up, far down, some ids NaN and -infinity, one or (often) some +infinity, nothing but -infinity. */
static inline double extreme_logit(double far, int often, const struct dice *row, const struct dice *one,
                                   int64_t id, int64_t v)
{
    const int64_t kind = dice_integer(row, 1, 0, 4), odd = dice_integer(one, 2, 0, 5);
    const double l = benign_logit(row, one, id, v);
    if (kind < 2) return kind ? l - far : l + far;
    if (kind == 2) return odd == 0 ? NAN : odd == 1 ? -INFINITY : l;
    if (kind == 3) return (odd == 0 && often) || id == v - 1 ? INFINITY : l;
    return odd == 0 ? NAN : -INFINITY;
}

/* ---- noise ------------------------------------------------------------------------------------------ */

enum { UNIFORM_DRAWS = 2, EXPONENTIAL_DRAWS = 3, GUMBEL_DRAWS = 4 };

/* Away from what a narrow dtype rounds to 0 or 1, but for the modifier tiny. */
static inline double noise_of(const struct test_case *c, int64_t kind, const struct dice *d)
{
    const double u =
        has_modifier(c, "tiny") && dice_integer(d, 1, 0, 7) == 0 ? 1e-30 : dice_uniform(d, 0, 0.02, 0.98);
    return kind == UNIFORM_DRAWS ? u : kind == EXPONENTIAL_DRAWS ? -dice_log(u) : -dice_log(-dice_log(u));
}

/* ---- integers --------------------------------------------------------------------------------------- */

static inline int32_t narrow(double x)
{
    return x >= INT32_MAX ? INT32_MAX : x <= INT32_MIN ? INT32_MIN : (int32_t)x;
}

/* Without a condition: less of the same. */
static inline double free_logit(double logit, const struct dice *one)
{
    return isfinite(logit) ? 0.75 * logit + 0.25 * dice_normal(one, 0) : dice_normal(one, 0);
}

/* Two tokens in three are masked; known: none of row 0; none: of no row. */
static inline int32_t token_at(const struct test_case *c, int64_t b, const struct dice *d)
{
    const int32_t mask = (int32_t)param_of(c, "mask_id"), other = (int32_t)dice_integer(d, 1, 0, 30);
    const int known =
        has_modifier(c, "none") || (has_modifier(c, "known") && b == 0) || dice_integer(d, 0, 0, 2) == 0;
    return !known ? mask : other == mask ? other + 1 : other;
}

/* The usual window leaves some positions out, edges and limits are at the ends, empty and turned round. */
static inline int32_t window_end(const struct test_case *c, int64_t b, int64_t tokens, int high)
{
    const int64_t t = tokens,
                  low_[CONTROL_SETS][CONTROL_ROWS] = { { 1, 0, t / 2 }, { t - 2, 5, -7 }, { INT32_MIN, 2, t } },
                  high_[CONTROL_SETS][CONTROL_ROWS] = { { t - 1, t - 2, t + 4 },
                                                        { t + 5, 5, 3 },
                                                        { INT32_MAX, 1, t } };
    return (int32_t)(high ? high_ : low_)[set_of(c)][b % CONTROL_ROWS];
}

static inline int32_t seed_word(const struct test_case *c, const struct dice *d)
{
    static const int32_t ends[] = { -1, INT32_MIN, 0, INT32_MAX };
    if (has_modifier(c, "edges")) return ends[dice_integer(d, 0, 0, 3)];
    return (int32_t)dice_integer(d, 0, INT32_MIN, INT32_MAX);
}

static inline int32_t position_at(const struct test_case *c, int64_t b, int64_t t)
{
    if (has_modifier(c, "limits")) return (int32_t)(b % 2 ? INT32_MIN + t : INT32_MAX - t);
    return (int32_t)(100 * (b + 1) + t);
}

/* The row before (as of models that answer for the next token), or any where there are fewer; sometimes none. */
static inline int32_t row_at(int64_t t, int64_t rows, const struct dice *d)
{
    const int64_t kind = dice_integer(d, 0, 0, 9);
    if (kind < 2) return (int32_t)(kind ? rows : -1);
    return (int32_t)(t <= rows && kind < 8 ? t - 1 : dice_integer(d, 1, 0, rows ? rows - 1 : 0));
}

/* Some ids and some that are none; banned-all: all but one. */
static inline int32_t banned_at(const struct test_case *c, int64_t i, int64_t v, const struct dice *d)
{
    const struct dice all = dice_at(d, 0);
    if (!has_modifier(c, "banned-all")) return (int32_t)dice_integer(d, 0, -2, v + 1);
    return (int32_t)(i < v && i != dice_integer(&all, 0, 0, v - 1) ? i : -7);
}

/* The integer operands that row_sample and unmask_select share, and those of one of them. */
static inline int32_t integer_at(const struct test_case *c, uint32_t field, const int64_t *index,
                                 const struct dice *d)
{
    const char *name = c->primitive->fields[field].name;
    const struct control *control = control_named(name);
    const int64_t v = descriptor_axis(&c->d, 'v'), t = descriptor_axis(&c->d, 't');
    if (control) return narrow(control_of(c, control, index[0]));
    if (!strcmp(name, "x")) return token_at(c, index[0], d);
    if (!strcmp(name, "lo") || !strcmp(name, "hi")) return window_end(c, index[0], t, name[0] == 'h');
    if (!strcmp(name, "seed")) return seed_word(c, d);
    if (!strcmp(name, "pos")) return position_at(c, index[0], index[1]);
    if (!strcmp(name, "row")) return row_at(index[1], descriptor_axis(&c->d, 'n'), d);
    if (!strcmp(name, "banned")) return banned_at(c, index[0], v, d);
    /* candidates */
    if (has_modifier(c, "tok-none") || dice_integer(d, 0, 0, 7) == 0)
        return -1 - (int32_t)dice_integer(d, 1, 0, 3);
    if (has_modifier(c, "tok-mask") && dice_integer(d, 2, 0, 2) == 0) return (int32_t)param_of(c, "mask_id");
    return (int32_t)dice_integer(d, 3, 31, 1000);
}

static inline void integers_of_diffusion(const struct test_case *c, uint32_t field, int32_t *to,
                                         const struct dice *dice)
{
    const struct operand *o = &c->operands[field];
    for (int64_t i = 0; i < o->count; i++) {
        const int64_t inner = o->view.rank > 1 ? o->view.shape[1] : 1, index[2] = { i / inner, i % inner };
        const struct dice d = dice_at(dice, (uint64_t)i);
        to[i] = integer_at(c, field, index, &d);
    }
}

static inline int refuse_inputs(char *why, const char *words)
{
    snprintf(why, DESCRIPTOR_WHY, "distribution: %s", words);
    return -1;
}

#endif
