/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ------------------------------------------------------------------------------------ */

struct gauge_numbers *gauge_numbers_new(enum gauge_kind kind, int64_t count)
{
    struct gauge_numbers *n = calloc(1, sizeof *n);
    const size_t room = count > 0 ? (size_t)count : 1;
    if (!n || count < 0) {
        free(n);
        return NULL;
    }
    n->kind = kind;
    n->count = count;
    n->value = calloc(room, sizeof *n->value);
    n->touched = calloc(room, sizeof *n->touched);
    n->marks = kind == GAUGE_TOKENS ? calloc(room, sizeof *n->marks) : NULL;
    if (n->value && n->touched && (n->marks || kind != GAUGE_TOKENS)) return n;
    gauge_numbers_free(n);
    return NULL;
}

void gauge_numbers_free(struct gauge_numbers *n)
{
    if (!n) return;
    free(n->value);
    free(n->touched);
    free(n->pattern);
    free(n->marks);
    free(n->answer);
    free(n);
}

int gauge_room(struct gauge_numbers *n)
{
    if (!n->pattern) n->pattern = calloc(n->count > 0 ? (size_t)n->count : 1, sizeof *n->pattern);
    return n->pattern ? 0 : -1;
}

void gauge_set(struct gauge_numbers *n, int64_t i, double value)
{
    static const struct gauge_pattern none;
    n->value[i] = value;
    n->touched[i] = 0;
    if (n->pattern) n->pattern[i] = none;
    if (n->marks) n->marks[i] = 0;
}

void gauge_mark(struct gauge_numbers *n, int64_t i, uint64_t marks)
{
    if (n->marks) n->marks[i] = marks;
}

int gauge_answer(struct gauge_numbers *n, const int32_t *got)
{
    const size_t bytes = (size_t)n->count * sizeof *got;
    free(n->answer);
    n->asked = 0;
    if (!(n->answer = malloc(bytes ? bytes : 1))) return -1;
    if (bytes) memcpy(n->answer, got, bytes);
    return 0;
}

int gauge_asked(const struct gauge_numbers *n)
{
    return n->asked;
}

double gauge_value(const struct gauge_numbers *n, int64_t i)
{
    return n->value[i];
}

uint64_t gauge_marks(const struct gauge_numbers *n, int64_t i)
{
    return n->marks ? n->marks[i] : 0;
}

unsigned gauge_touched(const struct gauge_numbers *n, int64_t i)
{
    return n->touched[i];
}

/* The random patterns are so many draws of one error, the one-sided ones are errors of their own. */
double gauge_variance(const struct gauge_pattern *p)
{
    double random = 0, sides = 0;
    for (int i = 0; i < GAUGE_RANDOM; i++)
        random += (double)p->fresh[i] * p->fresh[i] + (double)p->held[i] * p->held[i];
    for (int i = 0; i < GAUGE_SIDES; i++) sides += (double)p->side[i] * p->side[i];
    return random / GAUGE_RANDOM + sides;
}

double gauge_sigma(const struct gauge_numbers *n, int64_t i)
{
    const double variance = n->pattern ? gauge_variance(&n->pattern[i]) : 0;
    return isfinite(variance) ? GAUGE_UNIT * sqrt(variance) : INFINITY;
}

/* ---- classes and formats ------------------------------------------------------------------------ */

/* Measured: README.md. Everything but low-precision products shrinks with the unit roundoff of double. */
struct gauge_class gauge_class_of(uint32_t accuracy)
{
    const int wide = (accuracy & SEGUE_ACCURACY_F64) != 0;
    const double unit = wide ? 0x1p-53 / GAUGE_UNIT : 1;
    struct gauge_class c = { .add = unit, .product = unit, .exp = 2 * unit, .other = 4 * unit };
    c.range = wide ? 0x1p1022 : 0x1p127;
    c.flush = 0x1p-126 / GAUGE_UNIT;
    c.jump = wide;
    c.limit = accuracy & SEGUE_ACCURACY_BF16_PRODUCT ? 10 : 4;
    if (accuracy & SEGUE_ACCURACY_CHUNK_LOG) c.chunk = GAUGE_CHUNK, c.log = unit;
    if (accuracy & SEGUE_ACCURACY_FAST) c.exp_slope = 2 * unit;
    if (accuracy & SEGUE_ACCURACY_TRANSFORM) c.spread = 2 * unit;
    if (accuracy & SEGUE_ACCURACY_BF16_PRODUCT) c.product = 0x1p-8 / GAUGE_UNIT;
    return c;
}

const struct gauge_format *gauge_format_of(uint32_t dtype)
{
    static const struct gauge_format formats[] = {
        { SEGUE_F32, 24, -149, 0x1.ffffffp127, 0x1p-24 },
        { SEGUE_F16, 11, -24, 65520, 0x1p-11 },
        { SEGUE_BF16, 8, -133, 0x1.ffp127, 0x1p-8 },
        { SEGUE_F64, 53, -1074, INFINITY, 0x1p-53 },
    };
    const struct gauge_format *f = formats;
    while (f < formats + 3 && f->dtype != dtype) f++;
    return f;
}

/* ---- references --------------------------------------------------------------------------------- */

/* gauge_names.h is made by the build: one REFERENCE(id, primitive) for each reference/<primitive>.c. */
#if defined(GAUGE_X86)
#define ROUNDINGS(p) gauge_tangent_##p, gauge_tangent_avx2_##p, gauge_tangent_avx512_##p
#define REFERENCE(id, p)                                                             \
    int gauge_tokens_##p(const segue_op_header *, const struct gauge_class *);       \
    int gauge_tangent_##p(const segue_op_header *, const struct gauge_class *);      \
    int gauge_tangent_avx2_##p(const segue_op_header *, const struct gauge_class *); \
    int gauge_tangent_avx512_##p(const segue_op_header *, const struct gauge_class *);
#else
#define ROUNDINGS(p) gauge_tangent_##p
#define REFERENCE(id, p)                                                       \
    int gauge_tokens_##p(const segue_op_header *, const struct gauge_class *); \
    int gauge_tangent_##p(const segue_op_header *, const struct gauge_class *);
#endif
#include "gauge_names.h"
#undef REFERENCE

static const struct built {
    uint32_t id;
    gauge_unit tokens, roundings[GAUGE_LEVELS];
} references[] = {
#define REFERENCE(id, p) { id, gauge_tokens_##p, { ROUNDINGS(p) } },
#include "gauge_names.h"
#undef REFERENCE
    { 0, NULL, { NULL } },
};

/* Whether this processor, and the system under it, can run that code. */
static int can_run(int level)
{
#if defined(GAUGE_X86)
    if (level == 1) return __builtin_cpu_supports("avx2") != 0;
    if (level == 2) return __builtin_cpu_supports("avx512f") != 0;
#endif
    return level == 0;
}

int gauge_run_at(const segue_op_header *op, enum gauge_kind kind, uint32_t accuracy, int level)
{
    const struct gauge_class of = gauge_class_of(accuracy);
    const struct built *r = references;
    while (r->id && r->id != op->primitive) r++;
    if (!r->id || level < 0 || level >= GAUGE_LEVELS || !can_run(level)) return -1;
    return kind == GAUGE_TOKENS ? r->tokens(op, &of) : r->roundings[level](op, &of);
}

int gauge_run(const segue_op_header *op, enum gauge_kind kind, uint32_t accuracy)
{
    int level = GAUGE_LEVELS - 1;
    while (level && !can_run(level)) level--;
    return gauge_run_at(op, kind, accuracy, level);
}
