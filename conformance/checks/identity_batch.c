/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences of a batch, or packed ones: each alone, and in another order. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "identity.h"

int has_sequences(const struct exam *e)
{
    return sequence_count(&e->study->call) > 1;
}

static int has_slots(const struct call *c)
{
    return call_field(c, "slot") < c->primitive->field_count;
}

/* Whether packed sequences have offsets of their keys, too. */
static int has_keys(const struct call *c)
{
    return call_field(c, "cu_seqlens_k") < c->primitive->field_count;
}

/* Sequence s as a call of its own. */
static int alone(struct call *c, int64_t s, struct map *m)
{
    const struct sequence q = sequence_of(c, s);
    int failed = call_number(c);
    *m = map_all();
    if (is_packed(c)) {
        call_drop(c, field_named(c->primitive, "cu_seqlens"));
        failed |= call_slice_tokens(c, q.first, q.count);
        map_tokens(m, c, (struct window){ 0, q.count, q.first, 1 });
        if (has_keys(c)) {
            const struct sequence k = keys_of(c, s);
            call_drop(c, field_named(c->primitive, "cu_seqlens_k"));
            failed |= call_slice_keys(c, k.first, k.count);
        }
    } else {
        failed |= call_slice(c, 'b', s, 1);
        *map_axis(m, 'b') = (struct window){ 0, 1, s, 1 };
    }
    failed |= call_slice(c, 's', s, 1);
    if (has_slots(c)) return failed;
    *map_axis(m, 'p') = (struct window){ 0, 1, s, 1 };
    return failed | call_slice(c, 'p', s, 1);
}

void identity_separate(struct exam *e, const char *check)
{
    for (int64_t s = 0; s < sequence_count(&e->study->call) && exam_goes_on(e); s++) {
        struct call c;
        struct map m;
        char words[64];
        snprintf(words, sizeof words, "sequence %" PRId64 " alone", s);
        const struct comparison how = { .kind = CHECK_IDENTITY,
                                        .check = check,
                                        .words = words,
                                        .bounds = unless_declared(e, SEGUE_BATCH_INVARIANT, e->bounds) };
        if (!call_copy(&c, &e->study->call) && !alone(&c, s, &m)) run_and_compare(e, &c, &m, &how, NULL);
        else {
            exam_break(e, "%s: no memory", check);
            call_free(&c);
        }
    }
}

/* ---- another order -------------------------------------------------------------------------------- */

/* Every axis of that very letter, seen by a negative stride. */
static int reverse(struct call *c, char letter, struct map *m)
{
    const int64_t count = call_axis(c, letter);
    int failed = 0;
    if (count < 1) return 0;
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const int axis = c->operands[i].facts ? plain_axis(c->operands[i].facts, letter) : -1;
        if (axis >= 0) failed |= operand_reverse(&c->operands[i], axis);
    }
    *map_axis(m, letter) = (struct window){ 0, count, count - 1, -1 };
    return failed;
}

/* The pool is seen backwards: its rows have other numbers. */
static void renumber_slots(struct call *c)
{
    const uint32_t field = call_field(c, "slot");
    const int64_t rows = call_axis(c, 'p');
    if (field == c->primitive->field_count) return;
    struct operand *o = &c->operands[field];
    for (int64_t i = 0; i < o->count; i++)
        if (o->whole[i] >= 0 && o->whole[i] < rows) o->whole[i] = (int32_t)(rows - 1 - o->whole[i]);
}

/* What packed sequences are cut out of: tokens, or their keys. */
struct line {
    const char *offsets;
    int64_t all;
    int (*axis)(const struct call *c, const struct operand *o);
    struct sequence (*of)(const struct call *c, int64_t s);
};

static struct line line_of_tokens(const struct call *c)
{
    return (struct line){ "cu_seqlens", call_axis(c, 't'), call_token_axis, sequence_of };
}

static struct line line_of_keys(const struct call *c)
{
    return (struct line){ "cu_seqlens_k", call_keys(c), call_key_axis, keys_of };
}

/* Packed sequences lie one behind the other. */
static int is_orderly(const struct call *c, const struct line *line)
{
    const struct operand *o = &c->operands[call_field(c, line->offsets)];
    for (int64_t i = 0; i < o->count; i++)
        if (o->whole[i] < (i ? o->whole[i - 1] : 0) || o->whole[i] > line->all) return 0;
    return 1;
}

/* Packed sequences change places; start: [sequences] where each begins then. */
static int reorder(struct call *c, const struct line *line, int64_t *start)
{
    const int64_t count = sequence_count(c);
    struct operand *offsets = &c->operands[call_field(c, line->offsets)];
    int64_t at = offsets->whole[0], *from = calloc((size_t)line->all + 1, sizeof *from);
    int failed = !from;
    for (int64_t i = 0; !failed && i < line->all; i++) from[i] = i;
    for (int64_t s = count - 1; !failed && s >= 0; s--) {
        const struct sequence q = line->of(c, s);
        start[s] = at;
        for (int64_t i = 0; i < q.count; i++) from[at++] = q.first + i;
    }
    for (uint32_t i = 0; !failed && i < c->primitive->field_count; i++) {
        const int axis = line->axis(c, &c->operands[i]);
        if (axis >= 0) failed |= operand_permute(&c->operands[i], axis, from);
    }
    for (int64_t k = 0; !failed && k < count; k++) offsets->whole[k] = (int32_t)start[count - 1 - k];
    free(from);
    return failed;
}

static int reorder_all(struct call *c, int64_t *start)
{
    const struct line tokens = line_of_tokens(c), keys = line_of_keys(c);
    if (has_keys(c) && reorder(c, &keys, start)) return -1;
    return reorder(c, &tokens, start);
}

static void compare_reordered(struct exam *e, const struct call *c, const struct answer *a, struct map *m,
                              const int64_t *start, const struct comparison *how)
{
    for (int64_t s = 0; s < sequence_count(c); s++) {
        const struct sequence q = sequence_of(&e->study->call, s);
        map_tokens(m, c, (struct window){ start[s], start[s] + q.count, q.first, 1 });
        if (!exam_compare(e, c, a, m, how)) return;
    }
}

static void reverse_packed(struct exam *e, const struct comparison *how)
{
    const struct call *whole = &e->study->call;
    int64_t *start = calloc((size_t)sequence_count(whole) + 1, sizeof *start);
    const struct setting s = { .check = how->check };
    struct map m = map_all();
    struct answer a;
    struct call c;
    int failed = call_copy(&c, whole) || !start;
    if (!failed) failed = reorder_all(&c, start) | reverse(&c, 's', &m) | reverse(&c, 'p', &m);
    if (failed) exam_break(e, "%s: no memory", how->check);
    else {
        renumber_slots(&c);
        if (!exam_prepare(e, &c) && exam_run(e, &c, &s, &a) == 1) {
            compare_reordered(e, &c, &a, &m, start, how);
            answer_free(&a);
        }
    }
    call_free(&c);
    free(start);
}

void identity_reverse(struct exam *e, const char *check)
{
    const struct comparison how = { .kind = CHECK_IDENTITY,
                                    .check = check,
                                    .words = "the sequences in reverse order",
                                    .bounds = unless_declared(e, SEGUE_BATCH_INVARIANT, e->bounds) };
    const struct call *whole = &e->study->call;
    struct map m = map_all();
    struct call c;
    if (is_packed(whole)) {
        const struct line tokens = line_of_tokens(whole), keys = line_of_keys(whole);
        if (is_orderly(whole, &tokens) && (!has_keys(whole) || is_orderly(whole, &keys)))
            reverse_packed(e, &how);
        return;
    }
    if (!call_copy(&c, whole) && !call_number(&c) &&
        !(reverse(&c, 'b', &m) | reverse(&c, 's', &m) | reverse(&c, 'p', &m))) {
        renumber_slots(&c);
        run_and_compare(e, &c, &m, &how, NULL);
        return;
    }
    exam_break(e, "%s: no memory", check);
    call_free(&c);
}
