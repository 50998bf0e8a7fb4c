/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One call in several: each piece of the tokens goes on from the state that the one before it left. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../grammar/case_facts.h"
#include "identity.h"

enum { PIECES = 4 };

struct chain {
    struct exam *e;
    const char *check;
    struct call whole;                /* the case with all its states present */
    struct slots *slots;              /* [sequences] of the first piece; NULL: the call has none */
    double *carry[DESCRIPTOR_FIELDS]; /* of outgoing states: what the last piece left */
};

static int state_dtype_is(const struct call *c, uint32_t dtype)
{
    for (uint32_t i = 0; i < c->primitive->field_count; i++)
        if (is_state(&c->operands[i]) && segue_dtype_id(c->operands[i].view.dtype) == dtype) return 1;
    return 0;
}

/* ---- how the tokens behind the first go on --------------------------------------------------------- */

/* Asks the primitive to set its integer operands for a call that begins behind `low` tokens, or for one of tokens low .. high - 1,
 * which then has so many keys: *keys. */
static int go_on(struct call *c, int64_t low, int64_t high, int64_t *keys)
{
    const struct case_facts *facts = case_facts_of(c->primitive->name);
    *keys = INT64_MAX;
    if (!facts || !(facts->piece || (facts->split && low > 0))) return 0;
    call_settle(c);
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        if (o->whole)
            *tensor_of(c->op, o->facts) = segue_tensor_of(o->whole, SEGUE_I32, o->view.rank, o->view.shape);
    }
    const int result = facts->piece ? (*keys = facts->piece(c->op, low, high)) < 0 : facts->split(c->op, low);
    call_settle(c);
    return result;
}

/* Makes a call that of its tokens low .. high - 1. 0; -1 = no memory. */
static int cut(struct call *c, int64_t low, int64_t high)
{
    int64_t keys;
    if (go_on(c, low, high, &keys)) return -1;
    if (keys < call_keys(c) && call_slice_keys(c, 0, keys)) return -1;
    return call_slice_tokens(c, low, high - low);
}

static int is_possible(const struct call *c, int64_t low, int64_t high)
{
    struct call copy;
    int64_t keys;
    const int possible = !call_copy(&copy, c) && !go_on(&copy, low, high, &keys);
    call_free(&copy);
    return possible;
}

int can_split(const struct exam *e)
{
    const struct call *c = &e->study->call;
    const int64_t t = call_axis(c, 't');
    if (is_packed(c) || t < 2) return 0;
    if (state_dtype_is(c, SEGUE_F16) || state_dtype_is(c, SEGUE_BF16)) return 0;
    return is_possible(c, 0, 1) && is_possible(c, 1, t);
}

static int is_taken(const struct call *c, int64_t row)
{
    for (int64_t s = 0; s < sequence_count(c); s++)
        if (slots_of(c, s).read == row || slots_of(c, s).write == row) return 1;
    return 0;
}

/* A sequence that stores nothing needs a row for its hand-over. 0; -1 = there is none. */
static int place_slots(struct chain *chain)
{
    const struct call *c = &chain->e->study->call;
    const int64_t count = sequence_count(c), rows = call_axis(c, 'p');
    int64_t next = 0;
    if (call_field(c, "slot") == c->primitive->field_count) return 0;
    if (!(chain->slots = calloc(count ? (size_t)count : 1, sizeof *chain->slots))) return -1;
    for (int64_t s = 0; s < count; s++) {
        struct slots q = slots_of(c, s);
        if (q.read >= 0 && q.write < 0) {
            while (next < rows && is_taken(c, next)) next++;
            if (next == rows) return -1;
            q.write = next++;
        }
        chain->slots[s] = q;
    }
    return 0;
}

/* Whether core takes the call for a lawful one. */
static int is_lawful(const struct exam *e, struct call *c)
{
    segue_support_facts facts = { .size = sizeof facts };
    call_settle(c);
    return !segue_support(e->lab->device.handle, c->op, &facts, NULL) &&
           !(facts.reasons & SEGUE_REASON_INVALID);
}

/* Puts in the states that the case lacks, as wide as the row computes. A call may have no use for some (a sum that it does not
 * divide by) or for any (all tokens see all others; tokens by themselves): then its pieces have nothing to hand over. */
static int add_states(struct chain *chain)
{
    const struct exam *e = chain->e;
    const segue_primitive_facts *p = e->study->c->primitive;
    struct descriptor d = e->study->c->d;
    char why[DESCRIPTOR_WHY];
    const int none = !state_dtype_is(&e->study->call, SEGUE_F32) && !state_dtype_is(&e->study->call, SEGUE_F64);
    int result = 0;
    for (uint32_t i = 0; i < p->field_count; i++) {
        const uint32_t role = p->fields[i].role;
        if (role != SEGUE_ROLE_STATE_IN && role != SEGUE_ROLE_STATE_OUT) continue;
        d.present[i] = 1;
        if (none) d.dtype[i] = e->row.accuracy & SEGUE_ACCURACY_F64 ? SEGUE_F64 : SEGUE_F32;
    }
    segue_op_header *op = descriptor_op(&d, why);
    if (!op) return -1;
    for (uint32_t i = 0; i < p->field_count; i++) {
        if (!d.present[i] || chain->whole.operands[i].facts) continue;
        if (call_add(&chain->whole, i, tensor_of(op, &p->fields[i]))) result = -1;
        else if (!is_lawful(e, &chain->whole)) call_drop(&chain->whole, i);
    }
    call_settle(&chain->whole);
    free(op);
    return result;
}

/* ---- pieces ---------------------------------------------------------------------------------------- */

static void set_slots(struct call *c, const struct chain *chain, int first, int last)
{
    const uint32_t field = call_field(c, "slot");
    for (int64_t s = 0; chain->slots && s < sequence_count(c); s++) {
        const struct slots q = chain->slots[s];
        int32_t *to = c->operands[field].whole + 2 * s;
        if (q.read < 0 && q.write < 0) continue; /* padding stays padding */
        to[0] = (int32_t)(first ? q.read : q.write);
        if (!last) to[1] = (int32_t)q.write; /* the last writes where the case does */
    }
}

static void set_states(struct call *c, const struct chain *chain, int first, int last)
{
    const struct call *whole = &chain->e->study->call;
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const uint32_t in = state_partner(c->primitive, i);
        if (in == c->primitive->field_count || !c->operands[in].facts) continue;
        if (first && !whole->operands[in].facts) call_drop(c, in);
        if (last && !whole->operands[i].facts) call_drop(c, i);
        if (first || !chain->carry[i]) continue; /* without elements */
        memcpy(c->operands[in].value, chain->carry[i], (size_t)c->operands[in].count * sizeof **chain->carry);
    }
}

/* Takes the outgoing states out of an answer. */
static void take_states(struct chain *chain, struct answer *a)
{
    for (uint32_t i = 0; i < chain->whole.primitive->field_count; i++) {
        if (!is_state(&chain->whole.operands[i]) || !a->value[i]) continue;
        free(chain->carry[i]);
        chain->carry[i] = a->value[i];
        a->value[i] = NULL;
    }
}

/* Tokens from low to high. 1 = it ran and agreed. */
static int run_piece(struct chain *chain, int64_t low, int64_t high, int last, const struct comparison *how)
{
    struct exam *e = chain->e;
    struct map m = map_all();
    struct answer a;
    struct call c;
    const struct setting s = { .check = chain->check };
    int agrees = 0;
    map_tokens(&m, &chain->whole, (struct window){ 0, high - low, low, 1 });
    if (call_copy(&c, &chain->whole) || cut(&c, low, high)) exam_break(e, "%s: no memory", chain->check);
    else {
        set_states(&c, chain, low == 0, last);
        set_slots(&c, chain, low == 0, last);
    }
    if (exam_goes_on(e) && !exam_prepare(e, &c) && exam_run(e, &c, &s, &a) == 1) {
        if (!last) take_states(chain, &a);
        agrees = exam_compare(e, &c, &a, &m, how);
        answer_free(&a);
    }
    call_free(&c);
    return agrees;
}

/* A state that is narrower than what the row computes in is rounded where it is handed over. */
static const struct bounds *bounds_of_hand_over(struct chain *chain)
{
    struct exam *e = chain->e;
    char why[DESCRIPTOR_WHY];
    if (!(e->row.accuracy & SEGUE_ACCURACY_F64) || !state_dtype_is(&chain->whole, SEGUE_F32)) return e->bounds;
    if (!e->handover && !(e->handover = study_bounds(e->study, SEGUE_ACCURACY_F32, why)))
        exam_break(e, "%s", why);
    return e->handover;
}

/* cuts: [pieces + 1], from 0 to t. */
static void run_chain(struct exam *e, const char *check, const int64_t *cuts, int pieces, const char *words)
{
    struct chain chain = { .e = e, .check = check };
    if (call_copy(&chain.whole, &e->study->call) || call_number(&chain.whole))
        exam_break(e, "%s: no memory", check);
    else if (!place_slots(&chain) && !add_states(&chain)) {
        const struct bounds *otherwise = bounds_of_hand_over(&chain);
        const struct comparison how = { .kind = CHECK_IDENTITY,
                                        .check = check,
                                        .words = words,
                                        .bounds = unless_declared(e, SEGUE_STEP_EXACT, otherwise) };
        for (int i = 0; i < pieces && exam_goes_on(e); i++)
            if (!run_piece(&chain, cuts[i], cuts[i + 1], i + 1 == pieces, &how)) break;
    }
    for (int i = 0; i < DESCRIPTOR_FIELDS; i++) free(chain.carry[i]);
    free(chain.slots);
    call_free(&chain.whole);
}

void identity_split(struct exam *e, const char *check)
{
    const int64_t t = call_axis(&e->study->call, 't'), at[] = { 1, t / 2, t - 1 };
    for (int i = 0; i < 3 && exam_goes_on(e); i++) {
        char words[64];
        const int64_t cuts[] = { 0, at[i], t };
        if (i > 0 && at[i] == at[i - 1]) continue;
        snprintf(words, sizeof words, "split at token %" PRId64, at[i]);
        run_chain(e, check, cuts, 2, words);
    }
}

void identity_decode(struct exam *e, const char *check)
{
    const int64_t t = call_axis(&e->study->call, 't'), steps = t - 1 < PIECES - 1 ? t - 1 : PIECES - 1;
    int64_t cuts[PIECES + 1] = { 0 };
    char words[96];
    for (int64_t i = 0; i <= steps; i++) cuts[i + 1] = t - steps + i;
    snprintf(words, sizeof words, "prefill of %" PRId64 " token%s, then %" PRId64 " single one%s", t - steps,
             t - steps == 1 ? "" : "s", steps, steps == 1 ? "" : "s");
    run_chain(e, check, cuts, (int)steps + 1, words);
}
