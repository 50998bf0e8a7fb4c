/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The story: prefill, continue and fork, rewind, resume; then the verdict on each. */
#include "relay.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PREFILL, CONTINUE, FORK, REWIND, RESUME, ANSWERS };

struct story {
    struct relay_whole *w;
    const struct bench_device *const *ring;
    const struct relay_hooks *hooks;
    struct relay_pool a, b, c;
    struct relay_answer answers[ANSWERS]; /* FORK has none: it is in CONTINUE */
    char files[2][1024];                  /* behind the prompt, and behind the turn */
    uint64_t bytes[2];
    struct relay_line *lines;
};

/* ---- verdicts ------------------------------------------------------------------------------------------ */

/* Whether an element belongs to those rows and tokens; states have no tokens. */
static int is_inside(const struct relay_whole *w, const struct operand *o, int64_t i, int first_row, int rows,
                     const struct relay_line *line)
{
    int64_t index[SEGUE_MAX_RANK];
    index_of(&o->view, i, index);
    for (int k = 0; k < 26; k++) {
        const int axis = (w->tokens | w->rows) >> k & 1 ? plain_axis(o->facts, (char)('a' + k)) : -1;
        if (axis < 0) continue;
        if (w->tokens >> k & 1 && (index[axis] < line->low || index[axis] >= line->high)) return 0;
        if (w->rows >> k & 1 && (index[axis] < first_row || index[axis] >= first_row + rows)) return 0;
    }
    return 1;
}

/* The worst element of those rows and tokens of an operand; the first wrong operand gives the words. */
static int judge_operand(const struct relay_whole *w, uint32_t field, const struct bound *b, const double *got,
                         int first_row, int rows, struct relay_line *line)
{
    const struct operand *o = &w->call.operands[field];
    struct bound part = *b;
    struct verdict v;
    double *const worst = is_state(o) ? &line->state : &line->y;
    if (!(part.written = malloc((size_t)b->count + 1))) return descriptor_fail(line->why, "no memory to judge");
    for (int64_t i = 0; i < b->count; i++)
        part.written[i] = b->written[i] && is_inside(w, o, i, first_row, rows, line);
    judge(&part, got, &v);
    free(part.written);
    if (v.ratio > *worst) *worst = v.ratio;
    if (!v.bad || !line->ok) return 0;
    line->ok = 0;
    descriptor_fail(line->why, "%s is wrong: element %lld (%s) is %g, wanted %g, off by at most %g",
                    o->facts->name, (long long)v.at, o->facts->dims, got[v.at], b->value[v.at],
                    bound_of(b, v.at));
    return 0;
}

static void judge_rows(const struct relay_whole *w, const struct bound *states, const struct relay_answer *a,
                       int first_row, int rows, struct relay_line *line)
{
    for (uint32_t i = 0; i < w->call.primitive->field_count; i++) {
        const struct operand *o = &w->call.operands[i];
        if (is_output(o) &&
            judge_operand(w, i, is_state(o) ? &states[i] : &w->of[i], a->of[i], first_row, rows, line))
            line->ok = 0;
    }
}

/* ---- the way ------------------------------------------------------------------------------------------- */

static void saved(const struct story *s, int nth)
{
    if (s->hooks && s->hooks->saved) s->hooks->saved(s->hooks->user, s->files[nth], nth);
}

static void loaded(const struct story *s, struct relay_pool *p, const char *step)
{
    if (s->hooks && s->hooks->loaded) s->hooks->loaded(s->hooks->user, p, step);
}

static int do_prefill(struct story *s, struct relay_line *line)
{
    struct relay_whole *const w = s->w;
    line->high = RELAY_PROMPT;
    if (relay_pool_make(w, s->ring[0], &s->a, line->why) || relay_pool_begin(w, &s->a, line->why)) return -1;
    loaded(s, &s->a, line->step);
    if (relay_leg(w, &s->a, 1, 0, RELAY_PROMPT, 0, &s->answers[PREFILL], line->why) ||
        relay_pool_save(w, &s->a, 1, s->files[0], &s->bytes[0], line->why))
        return -1;
    saved(s, 0);
    return 0;
}

static int do_continue(struct story *s, struct relay_line *line)
{
    struct relay_whole *const w = s->w;
    line->bytes = s->bytes[0];
    if (relay_pool_make(w, s->ring[1], &s->b, line->why) ||
        relay_pool_load(w, &s->b, 1, s->files[0], line->why) || relay_pool_fork(w, &s->b, line->why))
        return -1;
    loaded(s, &s->b, line->step);
    if (relay_leg(w, &s->b, RELAY_ROWS, RELAY_PROMPT, RELAY_TURN, 0, &s->answers[CONTINUE], line->why) ||
        relay_pool_save(w, &s->b, RELAY_ROWS, s->files[1], &s->bytes[1], line->why))
        return -1;
    saved(s, 1);
    return 0;
}

static int do_fork(struct story *s, struct relay_line *line)
{
    (void)s, (void)line;
    return 0; /* it went with the step before */
}

static int do_rewind(struct story *s, struct relay_line *line)
{
    struct relay_whole *const w = s->w;
    line->bytes = s->bytes[0];
    if (relay_pool_load(w, &s->b, 1, s->files[0], line->why)) return -1;
    loaded(s, &s->b, line->step);
    return relay_leg(w, &s->b, 1, RELAY_PROMPT, RELAY_TURN, 0, &s->answers[REWIND], line->why);
}

static int do_resume(struct story *s, struct relay_line *line)
{
    struct relay_whole *const w = s->w;
    line->bytes = s->bytes[1];
    line->low = RELAY_TURN, line->high = RELAY_TOKENS;
    if (relay_pool_make(w, s->ring[2], &s->c, line->why) ||
        relay_pool_load(w, &s->c, RELAY_ROWS, s->files[1], line->why))
        return -1;
    loaded(s, &s->c, line->step);
    return relay_leg(w, &s->c, RELAY_ROWS, RELAY_TURN, RELAY_TOKENS, 1, &s->answers[RESUME], line->why);
}

static const struct step {
    const char *name;
    int from, to; /* in the ring */
    int (*run)(struct story *s, struct relay_line *line);
    int answer, first_row, rows;
    int states; /* at that cut; -1: behind all */
} steps[RELAY_LINES] = {
    { "prefill", 0, 0, do_prefill, PREFILL, 0, 1, 0 },
    { "continue", 0, 1, do_continue, CONTINUE, 0, 1, 1 },
    { "fork", 1, 1, do_fork, CONTINUE, 1, 1, 1 },
    { "rewind", 1, 1, do_rewind, REWIND, 0, 1, 1 },
    { "resume", 1, 2, do_resume, RESUME, 0, RELAY_ROWS, -1 },
};

/* Steps until one fails: its number, or how many there are. */
static int walk(struct story *s)
{
    for (int i = 0; i < RELAY_LINES; i++) {
        struct relay_line *line = &s->lines[i];
        *line = (struct relay_line){ .step = steps[i].name,
                                     .from = s->ring[steps[i].from],
                                     .to = s->ring[steps[i].to],
                                     .low = RELAY_PROMPT,
                                     .high = RELAY_TURN,
                                     .ok = 1 };
        if (i == PREFILL) line->low = 0;
        if (!steps[i].run(s, line)) continue;
        line->ok = 0;
        return i;
    }
    return RELAY_LINES;
}

/* The widest class of all who had a part: states are handed on in f32 even by those that compute in double. */
static uint32_t class_of(const struct story *s)
{
    uint32_t accuracy = SEGUE_ACCURACY_F32;
    for (int i = 0; i < ANSWERS; i++) accuracy |= s->answers[i].accuracy;
    return accuracy & ~(uint32_t)SEGUE_ACCURACY_F64;
}

static int make_files(struct story *s, char *why)
{
    const char *given = getenv("TMPDIR"), *folder = given && *given ? given : "/tmp";
    for (int i = 0; i < 2; i++) {
        char *const name = s->files[i];
        const int length = snprintf(name, sizeof s->files[i], "%s/segue-relay-XXXXXX", folder);
        const int file = length < (int)sizeof s->files[i] ? mkstemp(name) : -1;
        if (file < 0) {
            name[0] = 0;
            return descriptor_fail(why, "TMPDIR: no file for a state can be made in %s", folder);
        }
        close(file);
    }
    return 0;
}

int relay_run(struct relay_whole *w, const struct bench_device *const ring[3], const struct relay_hooks *hooks,
              struct relay_line out[RELAY_LINES])
{
    struct story s = { .w = w, .ring = ring, .hooks = hooks, .lines = out };
    char why[DESCRIPTOR_WHY] = "no memory for answers";
    int bad = make_files(&s, why), done = 0;
    for (int i = 0; !bad && i < ANSWERS; i++) bad = relay_answer_make(w, &s.answers[i]);
    if (!bad) done = walk(&s);
    const int count = done < RELAY_LINES ? done + 1 : done;
    if (!bad) bad = relay_whole_bounds(w, class_of(&s), why);
    for (int i = 0; !bad && i < done; i++)
        judge_rows(w, steps[i].states < 0 ? w->of : w->state[steps[i].states], &s.answers[steps[i].answer],
                   steps[i].first_row, steps[i].rows, &out[i]);
    if (bad) {
        out[0] = (struct relay_line){ .step = "prefill", .from = ring[0], .to = ring[0] };
        snprintf(out[0].why, sizeof out[0].why, "%s", why);
    }
    for (int i = 0; i < ANSWERS; i++) relay_answer_free(&s.answers[i]);
    relay_pool_free(&s.a), relay_pool_free(&s.b), relay_pool_free(&s.c);
    for (int i = 0; i < 2; i++)
        if (s.files[i][0]) unlink(s.files[i]);
    return bad ? 1 : count;
}
