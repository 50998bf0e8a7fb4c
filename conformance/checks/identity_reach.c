/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* NaN in some tokens: which outputs it reaches, the reference tells by marks. The others keep their bits. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "identity.h"

struct tokens { /* rows b of the batch (-1: all), from low to high - 1; and keys that are no tokens */
    int64_t b, low, high, first_key, last_key;
};

int has_tokens(const struct exam *e)
{
    return call_axis(&e->study->call, 't') > 0 && call_axis(&e->study->call, 'b') > 0;
}

int has_future(const struct exam *e)
{
    return has_tokens(e) && call_axis(&e->study->call, 't') > 1;
}

/* What is constant over an axis cannot be NaN at one of its indices only. */
static int is_constant(const struct operand *o, int axis)
{
    return o->view.shape[axis] > 1 && o->view.stride[axis] == 0;
}

/* 0, or -1 = no memory. */
static int poison_tokens(struct call *c, const struct tokens *which)
{
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        struct operand *o = &c->operands[i];
        const int token = call_token_axis(c, o), key = call_key_axis(c, o), time = token >= 0 ? token : key,
                  batch = o->facts ? axis_of(o->facts, 'b') : -1;
        const int64_t low = token >= 0 ? which->low : which->first_key,
                      high = token >= 0 ? which->high : which->last_key + 1;
        if (!o->value || time < 0 || is_constant(o, time) || (batch >= 0 && is_constant(o, batch))) continue;
        if (!(c->marked[i] = calloc((size_t)o->count + 1, 1))) return -1;
        for (struct walk w = walk_from(&o->view); w.i < o->count; walk_on(&w)) {
            if (w.index[time] < low || w.index[time] >= high) continue;
            if (which->b >= 0 && batch >= 0 && w.index[batch] != which->b) continue;
            o->value[w.i] = NAN;
            c->marked[i][w.i] = 1;
        }
    }
    return 0;
}

/* Where the reference gives NaN because of the marks, the device must too. */
static void must_reach(struct exam *e, const struct call *c, const struct answer *a,
                       const struct comparison *how)
{
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        for (int64_t k = 0; a->value[i] && k < o->count; k++) {
            if (!(c->touched[i][k] & GAUGE_WRITTEN) || !c->marked[i][k] || !isnan(c->wanted[i][k]) ||
                isnan(a->value[i][k]))
                continue;
            struct finding *f =
                exam_fail(e, how->kind, how->check, "%s: the element depends on it and is no NaN", how->words);
            snprintf(f->operand, sizeof f->operand, "%s", o->facts->name);
            f->rank = o->view.rank;
            index_of(&o->view, k, f->index);
            f->got = a->value[i][k], f->want = NAN;
            return;
        }
    }
}

static void run_poisoned(struct exam *e, const char *check, const struct tokens *which, int reach,
                         const char *words)
{
    const struct map all = map_all();
    const struct setting s = { .check = check };
    const struct comparison how = { .kind = CHECK_IDENTITY,
                                    .check = check,
                                    .words = words,
                                    .bounds = unless_declared(e, SEGUE_RUN_TO_RUN, e->bounds),
                                    .only_unmarked = 1 };
    struct answer a;
    struct call c;
    if (call_copy(&c, &e->study->call) || poison_tokens(&c, which)) exam_break(e, "%s: no memory", check);
    else if (!exam_prepare(e, &c) && exam_run(e, &c, &s, &a) == 1) {
        exam_compare(e, &c, &a, &all, &how);
        if (reach) must_reach(e, &c, &a, &how);
        answer_free(&a);
    }
    call_free(&c);
}

void identity_causality(struct exam *e, const char *check)
{
    const int64_t t = call_axis(&e->study->call, 't'), keys = call_keys(&e->study->call);
    const int64_t low = 1 + (int64_t)(e->study->hash / 9 % (uint64_t)(t - 1)), past = keys - (t - low);
    const struct tokens future = { -1, low, t, past < 0 ? 0 : past, keys - 1 };
    char words[96];
    snprintf(words, sizeof words, "with NaN in the tokens from %" PRId64 " on", future.low);
    run_poisoned(e, check, &future, 0, words);
}

void identity_reach(struct exam *e, const char *check)
{
    const struct call *c = &e->study->call;
    const int64_t at = (int64_t)(e->study->hash / 7 % (uint64_t)call_axis(c, 't')), keys = call_keys(c);
    const int64_t key = keys > 0 ? (int64_t)(e->study->hash / 3 % (uint64_t)keys) : -1;
    const struct tokens one = { (int64_t)(e->study->hash / 5 % (uint64_t)call_axis(c, 'b')), at, at + 1, key,
                                key };
    char words[96];
    snprintf(words, sizeof words, "with NaN in token %" PRId64 " of row %" PRId64, at, one.b);
    run_poisoned(e, check, &one, 1, words);
}
