/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The call that nothing interrupts, and how far a correct kernel may be from it. */
#include "relay.h"

#include <stdio.h>
#include <stdlib.h>

static const int64_t cuts[RELAY_CUTS] = { RELAY_PROMPT, RELAY_TURN, RELAY_TOKENS };

/* Letters of axes that are as long as that one because the rules say so: bits. */
static uint32_t tied_to(const struct descriptor *d, char lead)
{
    struct descriptor longer = *d;
    uint32_t set = 1u << (lead - 'a');
    longer.axis[lead - 'a']++;
    for (int i = 0; i < 26; i++)
        if (d->axis[i] == AXIS_NOT_GIVEN &&
            descriptor_axis(d, (char)('a' + i)) != descriptor_axis(&longer, (char)('a' + i)))
            set |= 1u << i;
    return set;
}

/* The number of the operand's axis among those letters; -1 = none. */
static int axis_among(const segue_field_facts *f, uint32_t letters)
{
    for (int i = 0; i < 26; i++) {
        const int axis = letters >> i & 1 ? plain_axis(f, (char)('a' + i)) : -1;
        if (axis >= 0) return axis;
    }
    return -1;
}

/* Up to the end of the prompt row 1 is row 0. */
static void twin(struct relay_whole *w)
{
    for (uint32_t i = 0; i < w->call.primitive->field_count; i++) {
        const struct operand *o = &w->call.operands[i];
        const int row = o->facts && o->value ? axis_among(o->facts, w->rows) : -1;
        const int token = row >= 0 ? axis_among(o->facts, w->tokens) : -1;
        int64_t index[SEGUE_MAX_RANK];
        for (int64_t k = 0; row >= 0 && k < o->count; k++) {
            int64_t from = 0;
            index_of(&o->view, k, index);
            if (!index[row] || (token >= 0 && index[token] >= RELAY_PROMPT)) continue;
            index[row] = 0;
            for (int a = 0; a < o->view.rank; a++) from = from * o->view.shape[a] + index[a];
            o->value[k] = o->value[from];
        }
    }
}

int relay_whole_make(struct relay_whole *out, const char *descriptor, char *why)
{
    memset(out, 0, sizeof *out);
    if (test_case_make(descriptor, &out->c, why)) return -1;
    out->tokens = tied_to(&out->c.d, 't');
    out->rows = tied_to(&out->c.d, 'b');
    if (call_of_case(&out->call, &out->c)) return descriptor_fail(why, "no memory for the call's values");
    if (call_axis(&out->call, 't') != RELAY_TOKENS || call_axis(&out->call, 'b') != RELAY_ROWS)
        return descriptor_fail(why, "the call has other axes than B%d.T%d", RELAY_ROWS, RELAY_TOKENS);
    twin(out);
    return 0;
}

int relay_piece(const struct relay_whole *w, int rows, int64_t low, int64_t high, struct call *out)
{
    if (call_copy(out, &w->call)) return -1;
    for (int i = 0; i < 26; i++) {
        if (w->tokens >> i & 1 && call_slice(out, (char)('a' + i), low, high - low)) return -1;
        if (w->rows >> i & 1 && call_slice(out, (char)('a' + i), 0, rows)) return -1;
    }
    call_settle(out);
    return 0;
}

static void free_bounds(struct relay_whole *w)
{
    for (int i = 0; i < DESCRIPTOR_FIELDS && w->accuracy; i++) {
        bound_free(&w->of[i]);
        bound_free(&w->state[0][i]);
        bound_free(&w->state[1][i]);
    }
    w->accuracy = 0;
}

/* Of the tokens up to the cut. */
static int make_bounds(struct relay_whole *w, int cut, uint32_t accuracy, char *why)
{
    struct bound *const to = cut == RELAY_CUTS - 1 ? w->of : w->state[cut];
    struct call c;
    struct call_numbers n = { 0 };
    int bad = relay_piece(w, RELAY_ROWS, 0, cuts[cut], &c) || call_numbers(&c, GAUGE_ROUNDINGS, &n);
    if (bad) descriptor_fail(why, "no memory for the uninterrupted run");
    else if ((bad = gauge_run(n.op, GAUGE_ROUNDINGS, accuracy) != 0))
        descriptor_fail(why, "the reference of %s cannot answer", w->call.primitive->name);
    for (uint32_t i = 0; !bad && i < c.primitive->field_count; i++) {
        const struct operand *o = &c.operands[i];
        if (!is_output(o) || (to != w->of && !is_state(o))) continue;
        bad = bound_make(&to[i], n.of[i], o->count, segue_dtype_id(o->view.dtype), accuracy, 0);
        if (bad) descriptor_fail(why, "no memory for what %s should be", o->facts->name);
        else if (bound_is_vacuous(&to[i]))
            bad = descriptor_fail(why, "%s: the call proves nothing: %lld of %lld elements are noise",
                                  o->facts->name, (long long)(to[i].noisy + to[i].undecidable),
                                  (long long)to[i].count);
    }
    call_numbers_free(&n);
    call_free(&c);
    return bad ? -1 : 0;
}

int relay_whole_bounds(struct relay_whole *w, uint32_t accuracy, char *why)
{
    int bad = 0;
    if (w->accuracy == accuracy) return 0;
    free_bounds(w);
    w->accuracy = accuracy;
    for (int cut = 0; !bad && cut < RELAY_CUTS; cut++) bad = make_bounds(w, cut, accuracy, why);
    if (bad) free_bounds(w);
    return bad;
}

void relay_whole_free(struct relay_whole *w)
{
    free_bounds(w);
    call_free(&w->call);
    test_case_free(&w->c);
}
