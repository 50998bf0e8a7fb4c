/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include <stdlib.h>

#include "../grammar/case_facts.h"

static void *copied(const void *from, int64_t count, size_t size)
{
    void *to = from ? malloc(count ? (size_t)count * size : 1) : NULL;
    if (to && count) memcpy(to, from, (size_t)count * size);
    return to;
}

static int copy_operand(struct operand *to, const struct operand *from)
{
    *to = *from;
    to->value = copied(from->value, from->count, sizeof *from->value);
    to->whole = copied(from->whole, from->count, sizeof *from->whole);
    return (from->value && !to->value) || (from->whole && !to->whole) ? -1 : 0;
}

static int copy(struct call *out, const segue_primitive_facts *p, const segue_op_header *op,
                const struct operand *operands)
{
    int failed = 0;
    memset(out, 0, sizeof *out);
    out->primitive = p;
    out->op = copied(op, 1, p->op_size);
    for (uint32_t i = 0; i < p->field_count; i++)
        if (copy_operand(&out->operands[i], &operands[i])) failed = 1;
    if (failed || !out->op) return -1;
    call_settle(out);
    return 0;
}

/* Letters that a rule ties to t in this very call: keys, where they are as many as queries. They grow as t grows. */
static uint32_t letters_as_long(const struct test_case *c)
{
    uint32_t letters = 0;
    for (char letter = 'a'; letter <= 'z'; letter++) {
        struct descriptor d = c->d;
        if (!is_token_letter(c->primitive, letter)) continue;
        d.axis['t' - 'a'] = descriptor_axis(&d, 't'); /* which may be told by another */
        if (letter != 't') d.axis[letter - 'a'] = AXIS_NOT_GIVEN;
        const int64_t before = descriptor_axis(&d, letter);
        d.axis['t' - 'a']++;
        if (letter == 't' || (before != AXIS_NOT_GIVEN && descriptor_axis(&d, letter) == before + 1))
            letters |= 1u << (letter - 'a');
    }
    return letters;
}

int call_of_case(struct call *out, const struct test_case *c)
{
    const int result = copy(out, c->primitive, c->op, c->operands);
    out->as_long = letters_as_long(c);
    return result;
}

int call_copy(struct call *out, const struct call *from)
{
    const int result = copy(out, from->primitive, from->op, from->operands);
    memcpy(out->over, from->over, sizeof out->over);
    out->as_long = from->as_long;
    return result;
}

static void forget(struct call *c)
{
    for (int i = 0; i < DESCRIPTOR_FIELDS; i++) {
        free(c->touched[i]);
        free(c->wanted[i]);
        c->touched[i] = NULL, c->wanted[i] = NULL;
        if (!is_output(&c->operands[i])) continue;
        free(c->marked[i]);
        c->marked[i] = NULL;
    }
}

void call_free(struct call *c)
{
    forget(c);
    for (int i = 0; i < DESCRIPTOR_FIELDS; i++) {
        free(c->operands[i].value);
        free(c->operands[i].whole);
        free(c->marked[i]);
    }
    free(c->op);
    memset(c, 0, sizeof *c);
}

/* ---- the reference ------------------------------------------------------------------------------ */

int call_numbers(const struct call *c, enum gauge_kind kind, struct call_numbers *out)
{
    memset(out, 0, sizeof *out);
    if (!(out->op = copied(c->op, 1, c->primitive->op_size))) return -1;
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        if (!o->facts) continue;
        segue_tensor t = segue_tensor_of(o->whole, segue_dtype_id(o->view.dtype), o->view.rank, o->view.shape);
        if (is_floating(o) || is_output(o)) {
            if (!(out->of[i] = gauge_numbers_new(kind, o->count))) return -1;
            for (int64_t k = 0; o->value && k < o->count; k++) gauge_set(out->of[i], k, o->value[k]);
            t.data = out->of[i];
            t.bytes = (uint64_t)o->count;
        }
        *tensor_of(out->op, o->facts) = t;
    }
    return 0;
}

void call_numbers_free(struct call_numbers *n)
{
    for (int i = 0; i < DESCRIPTOR_FIELDS; i++)
        if (n->of[i]) gauge_numbers_free(n->of[i]);
    free(n->op);
    memset(n, 0, sizeof *n);
}

static int keep(struct call *c, uint32_t i, const struct gauge_numbers *n)
{
    const struct operand *o = &c->operands[i];
    const size_t room = o->count ? (size_t)o->count : 1;
    const int output = is_output(o);
    c->touched[i] = malloc(room);
    if (output) c->wanted[i] = malloc(room * sizeof **c->wanted);
    if (output && !c->marked[i]) c->marked[i] = malloc(room);
    if (!c->touched[i] || (output && (!c->wanted[i] || !c->marked[i]))) return -2;
    for (int64_t k = 0; k < o->count; k++) {
        c->touched[i][k] = (unsigned char)gauge_touched(n, k);
        if (!output) continue;
        c->wanted[i][k] = gauge_value(n, k);
        c->marked[i][k] = gauge_marks(n, k) != 0;
    }
    return 0;
}

int call_look(struct call *c)
{
    struct call_numbers n;
    forget(c);
    int result = call_numbers(c, GAUGE_TOKENS, &n) ? -2 : 0;
    for (uint32_t i = 0; !result && i < c->primitive->field_count; i++)
        for (int64_t k = 0; n.of[i] && c->marked[i] && c->operands[i].value && k < c->operands[i].count; k++)
            gauge_mark(n.of[i], k, c->marked[i][k]);
    if (!result) result = gauge_run(n.op, GAUGE_TOKENS, 0);
    for (uint32_t i = 0; !result && i < c->primitive->field_count; i++)
        if (n.of[i]) result = keep(c, i, n.of[i]);
    call_numbers_free(&n);
    return result;
}

/* ---- edits -------------------------------------------------------------------------------------- */

void call_settle(struct call *c)
{
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const segue_field_facts *f = &c->primitive->fields[i];
        if (is_tensor_field(f)) *tensor_of(c->op, f) = c->operands[i].view;
    }
}

/* Keeps the elements from[0 .. count - 1] along an axis; values only. */
static int pick(struct operand *o, int axis, int64_t count, const int64_t *from, int64_t first, int64_t step)
{
    int64_t outer = 1, inner = 1;
    const int64_t old = o->view.shape[axis];
    for (int i = 0; i < axis; i++) outer *= o->view.shape[i];
    for (int i = axis + 1; i < o->view.rank; i++) inner *= o->view.shape[i];
    const size_t size = o->value ? sizeof *o->value : sizeof *o->whole, row = (size_t)inner * size;
    const char *source = o->value ? (const char *)o->value : (const char *)o->whole;
    o->count = outer * count * inner;
    if (!source) return 0;
    char *to = malloc(o->count ? (size_t)o->count * size : 1);
    if (!to) return -1;
    for (int64_t i = 0; i < outer; i++)
        for (int64_t k = 0; k < count; k++) {
            const int64_t at = from ? from[k] : first + k * step;
            memcpy(to + (size_t)(i * count + k) * row, source + (size_t)(i * old + at) * row, row);
        }
    if (o->value) free(o->value), o->value = (double *)(void *)to;
    else free(o->whole), o->whole = (int32_t *)(void *)to;
    return 0;
}

int operand_slice(struct operand *o, int axis, int64_t first, int64_t count)
{
    const int result = pick(o, axis, count, NULL, first, 1);
    o->view.shape[axis] = count;
    tensor_settle(&o->view);
    return result;
}

int operand_reverse(struct operand *o, int axis)
{
    const int64_t count = o->view.shape[axis];
    const int result = pick(o, axis, count, NULL, count - 1, -1);
    o->view.stride[axis] = -o->view.stride[axis];
    tensor_settle(&o->view);
    return result;
}

int operand_permute(struct operand *o, int axis, const int64_t *from)
{
    return pick(o, axis, o->view.shape[axis], from, 0, 1);
}

int plain_axis(const segue_field_facts *f, char letter)
{
    const char *at = strchr(f->dims, letter);
    return at && at[1] != '+' ? axis_of(f, letter) : -1;
}

int call_slice(struct call *c, char letter, int64_t first, int64_t count)
{
    int result = 0;
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        struct operand *o = &c->operands[i];
        const int axis = o->facts ? plain_axis(o->facts, letter) : -1;
        if (axis >= 0 && operand_slice(o, axis, first, count)) result = -1;
    }
    return result;
}

int call_slice_tokens(struct call *c, int64_t first, int64_t count)
{
    int result = 0;
    for (char letter = 'a'; letter <= 'z'; letter++)
        if (c->as_long >> (letter - 'a') & 1 && call_slice(c, letter, first, count)) result = -1;
    return result;
}

/* The letters of keys that are no tokens, without spaces. */
static void letters_of_keys(const struct call *c, char letters[27])
{
    const struct case_facts *facts = case_facts_of(c->primitive->name);
    for (const char *at = facts && facts->keys ? facts->keys : ""; *at; at++)
        if (*at != ' ' && !(c->as_long >> (*at - 'a') & 1)) *letters++ = *at;
    *letters = 0;
}

int call_slice_keys(struct call *c, int64_t first, int64_t count)
{
    char letters[27];
    int result = 0;
    letters_of_keys(c, letters);
    for (const char *at = letters; *at; at++)
        if (call_slice(c, *at, first, count)) result = -1;
    return result;
}

int call_key_axis(const struct call *c, const struct operand *o)
{
    char letters[27];
    letters_of_keys(c, letters);
    for (const char *at = letters; o->facts && *at; at++)
        if (plain_axis(o->facts, *at) >= 0) return plain_axis(o->facts, *at);
    return -1;
}

int64_t call_keys(const struct call *c)
{
    char letters[27];
    letters_of_keys(c, letters);
    return letters[0] ? call_axis(c, letters[strlen(letters) - 1]) : -1;
}

int call_token_axis(const struct call *c, const struct operand *o)
{
    for (char letter = 'a'; o->facts && letter <= 'z'; letter++)
        if (c->as_long >> (letter - 'a') & 1 && axis_of(o->facts, letter) >= 0)
            return axis_of(o->facts, letter);
    return -1;
}

void call_drop(struct call *c, uint32_t field)
{
    struct operand *o = &c->operands[field];
    free(o->value);
    free(o->whole);
    memset(o, 0, sizeof *o);
}

int call_add(struct call *c, uint32_t field, const segue_tensor *view)
{
    struct operand *o = &c->operands[field];
    call_drop(c, field);
    o->facts = &c->primitive->fields[field];
    o->view = *view;
    o->count = 1;
    for (int i = 0; i < view->rank; i++) o->count *= view->shape[i];
    if (is_output(o)) return 0;
    const size_t room = o->count ? (size_t)o->count : 1;
    if (is_floating(o)) o->value = calloc(room, sizeof *o->value);
    else o->whole = calloc(room, sizeof *o->whole);
    return o->value || o->whole ? 0 : -1;
}

/* "b t": the sizes of the axes. */
static int count_up(struct call *c, uint32_t field)
{
    int64_t shape[SEGUE_MAX_RANK] = { 0 };
    int rank = 0;
    for (const char *at = c->primitive->fields[field].dims; *at && rank < SEGUE_MAX_RANK; at++)
        if (*at != ' ') shape[rank++] = call_axis(c, *at);
    const segue_tensor view = segue_tensor_of(NULL, SEGUE_I32, rank, shape);
    if (call_add(c, field, &view)) return -1;
    struct operand *o = &c->operands[field];
    for (int64_t i = 0; i < o->count; i++) o->whole[i] = (int32_t)(i % shape[rank - 1]);
    return 0;
}

int call_number(struct call *c)
{
    const struct case_facts *facts = case_facts_of(c->primitive->name);
    const char *at = facts && facts->numbers ? facts->numbers : "";
    for (size_t n; *at; at += n + (at[n] == ' ')) {
        char name[32] = "";
        n = strcspn(at, " ");
        if (n < sizeof name) memcpy(name, at, n);
        const uint32_t field = field_named(c->primitive, name);
        if (field < c->primitive->field_count && !c->operands[field].facts && count_up(c, field)) return -1;
    }
    return 0;
}

int64_t call_axis(const struct call *c, char letter)
{
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        const int axis = o->facts ? axis_of(o->facts, letter) : -1;
        if (axis < 0) continue;
        const char *plus = strchr(o->facts->dims, letter) + 1; /* "s+1" */
        return o->view.shape[axis] - (*plus == '+' ? strtoll(plus + 1, NULL, 10) : 0);
    }
    for (char other = 'a'; letter == 't' && other <= 'z';
         other++) /* tokens by other names: "n == t", "e == t" */
        if (other != 't' && c->as_long >> (other - 'a') & 1 && call_axis(c, other) >= 0)
            return call_axis(c, other);
    return -1;
}

uint32_t call_field(const struct call *c, const char *name)
{
    const uint32_t i = field_named(c->primitive, name);
    return i < c->primitive->field_count && c->operands[i].facts ? i : c->primitive->field_count;
}

/* x for x_out, by name and axes. */
static uint32_t named_partner(const segue_primitive_facts *p, uint32_t field)
{
    const segue_field_facts *out = &p->fields[field];
    for (uint32_t i = 0; i < field; i++) {
        const segue_field_facts *f = &p->fields[i];
        const size_t n = strlen(f->name);
        if ((f->role == SEGUE_ROLE_IN || f->role == SEGUE_ROLE_OPT) && !strncmp(out->name, f->name, n) &&
            !strcmp(out->name + n, "_out") && !strcmp(out->dims, f->dims))
            return i;
    }
    return p->field_count;
}

uint32_t state_partner(const segue_primitive_facts *p, uint32_t field)
{
    int nth = 0;
    if (p->fields[field].role != SEGUE_ROLE_STATE_OUT) return named_partner(p, field);
    for (uint32_t i = 0; i < field; i++) nth += p->fields[i].role == SEGUE_ROLE_STATE_OUT;
    for (uint32_t i = 0; i < p->field_count; i++)
        if (p->fields[i].role == SEGUE_ROLE_STATE_IN && nth-- == 0) return i;
    return p->field_count;
}
