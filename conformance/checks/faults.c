/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Some wrong answers are made of the right one; the others are what the reference answers to a call that was changed. */
#include "faults.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../grammar/dtype.h"
#include "call.h"

enum { TILE = 16, CHUNK = 64 };      /* tokens that kernels take at once */
static const double resembles = 0.1; /* how much nearer than the right answer a fault must be */

/* ---- what all answers end with ------------------------------------------------------------------ */

/* As a kernel would store them; what the reference leaves alone, and what is no number, stays right. 1: each is as near to
 * the right one as a rounding of the dtype could be, or as infinite, and so no other answer. */
static int finished(const struct bound *right, double *out)
{
    const double unit = dtype_unit(right->dtype), least = dtype_smallest(right->dtype) / 2;
    int differs = 0;
    for (int64_t i = 0; i < right->count; i++) {
        const double value = right->value[i];
        if (right->written[i] && isfinite(value)) {
            const int far = !(fabs(out[i] - value) <= unit * fabs(value) + least);
            out[i] = dtype_round(right->dtype, out[i]);
            differs |=
                far && out[i] != dtype_round(right->dtype, value); /* beyond the dtype all are infinite */
        } else out[i] = value;
    }
    return differs ? 0 : 1;
}

/* Row-major numbers along an axis: element i has index i / inner % size there. */
struct axis {
    int64_t size, inner;
};

/* -1 = the operand has no axis of that letter. */
static int find_axis(const struct operand *o, char letter, struct axis *out)
{
    const int at = axis_of(o->facts, letter);
    if (at < 0) return -1;
    *out = (struct axis){ o->view.shape[at], 1 };
    for (int k = at + 1; k < o->view.rank; k++) out->inner *= o->view.shape[k];
    return 0;
}

/* The axis of its tokens. */
static int find_tokens(const struct test_case *c, uint32_t field, struct axis *out)
{
    const struct operand *o = &c->operands[field];
    const int at = token_axis(c->primitive, o->facts);
    if (at < 0) return -1;
    *out = (struct axis){ o->view.shape[at], 1 };
    for (int k = at + 1; k < o->view.rank; k++) out->inner *= o->view.shape[k];
    return 0;
}

static int64_t index_along(const struct axis *a, int64_t i)
{
    return i / a->inner % a->size;
}

/* ---- made of the right answer ------------------------------------------------------------------- */

static int zeros(const struct test_case *c, uint32_t field, const struct bound *right, double *out)
{
    (void)c, (void)field;
    for (int64_t i = 0; i < right->count; i++) out[i] = 0;
    return finished(right, out);
}

static int one_token_late(const struct test_case *c, uint32_t field, const struct bound *right, double *out)
{
    struct axis t;
    if (find_tokens(c, field, &t) || t.size < 2) return 1;
    for (int64_t i = 0; i < right->count; i++) out[i] = index_along(&t, i) ? right->value[i - t.inner] : 0;
    return finished(right, out);
}

static int last_chunk_zero(const struct test_case *c, uint32_t field, const struct bound *right, double *out)
{
    struct axis t;
    if (find_tokens(c, field, &t) || t.size < 1) return 1;
    const int64_t first = (t.size - 1) / TILE * TILE;
    for (int64_t i = 0; i < right->count; i++) out[i] = index_along(&t, i) < first ? right->value[i] : 0;
    return finished(right, out);
}

/* Heads (of states, or those that are read), or channels where there are none. */
static int heads_swapped(const struct test_case *c, uint32_t field, const struct bound *right, double *out)
{
    struct axis d;
    const struct operand *o = &c->operands[field];
    if (find_axis(o, 'h', &d) && find_axis(o, 'o', &d) && find_axis(o, 'd', &d)) return 1;
    if (d.size < 2) return 1;
    for (int64_t i = 0; i < right->count; i++) {
        const int64_t at = index_along(&d, i);
        out[i] = right->value[at == 0 ? i + d.inner : at == 1 ? i - d.inner : i];
    }
    return finished(right, out);
}

static int scaled(const struct test_case *c, uint32_t field, const struct bound *right, double *out)
{
    (void)c, (void)field;
    for (int64_t i = 0; i < right->count; i++) out[i] = 0.999 * right->value[i];
    return finished(right, out);
}

static int mean(const struct test_case *c, uint32_t field, const struct bound *right, double *out)
{
    double sum = 0;
    int64_t count = 0;
    (void)c, (void)field;
    for (int64_t i = 0; i < right->count; i++)
        if (right->written[i] && isfinite(right->value[i])) sum += right->value[i], count++;
    for (int64_t i = 0; i < right->count; i++) out[i] = count ? sum / (double)count : 0;
    return finished(right, out);
}

/* ---- answers to another call -------------------------------------------------------------------- */

/* Changes a call; name: of the operand or parameter that it is about. 0; 1 = nothing to change; -1 = no memory. */
typedef int (*edit)(struct call *call, const char *name);

/* What the reference answers to the changed call, which has the same operands of the same shapes. */
static int answer_to(struct call *call, uint32_t field, const struct bound *right, double *out)
{
    call_settle(call);
    if (call_look(call)) return -1;
    if (!call->wanted[field] || call->operands[field].count != right->count) return 1;
    for (int64_t i = 0; i < right->count; i++)
        out[i] = call->touched[field][i] & GAUGE_WRITTEN ? call->wanted[field][i] : 0;
    return finished(right, out);
}

static int edited(const struct test_case *c, uint32_t field, const struct bound *right, double *out,
                  edit change, const char *name)
{
    struct call call;
    int result = call_of_case(&call, c);
    if (!result) result = change(&call, name);
    if (!result) result = answer_to(&call, field, right, out);
    call_free(&call);
    return result;
}

/* Element k of an axis becomes what from[k] was; -1 = zero. Shapes may change; strides no longer matter. */
static int collect(struct operand *o, int axis, int64_t count, const int64_t *from)
{
    int64_t inner = 1, outer = 1;
    const int64_t old = o->view.shape[axis];
    for (int k = axis + 1; k < o->view.rank; k++) inner *= o->view.shape[k];
    for (int k = 0; k < axis; k++) outer *= o->view.shape[k];
    o->count = outer * count * inner;
    o->view.shape[axis] = count;
    if (!o->value) return 0;
    double *to = calloc(o->count ? (size_t)o->count : 1, sizeof *to);
    if (!to) return -1;
    for (int64_t i = 0; i < outer * count; i++)
        if (from[i % count] >= 0)
            memcpy(to + i * inner, o->value + (i / count * old + from[i % count]) * inner,
                   (size_t)inner * sizeof *to);
    free(o->value);
    o->value = to;
    return 0;
}

/* The same with from[k] given by a rule. */
static int collect_by(struct operand *o, int axis, int64_t count, int64_t (*rule)(int64_t k, int64_t old))
{
    int64_t *from = malloc((count ? (size_t)count : 1) * sizeof *from);
    if (!from) return -1;
    for (int64_t k = 0; k < count; k++) from[k] = rule(k, o->view.shape[axis]);
    const int result = collect(o, axis, count, from);
    free(from);
    return result;
}

static int clear_states(struct call *call, const char *name)
{
    int found = 0;
    (void)name;
    for (uint32_t i = 0; i < call->primitive->field_count; i++) {
        struct operand *o = &call->operands[i];
        if (!o->facts || o->facts->role != SEGUE_ROLE_STATE_IN) continue;
        for (int64_t k = 0; k < o->count; k++) o->value[k] = 0;
        found = 1;
    }
    return found ? 0 : 1;
}

static int leave_out(struct call *call, const char *name)
{
    const uint32_t i = call_field(call, name);
    if (i == call->primitive->field_count) return 1;
    call_drop(call, i);
    return 0;
}

/* A parameter that asks for more than its plainest value. */
static int switch_off(struct call *call, const char *name)
{
    const uint32_t i = field_named(call->primitive, name);
    if (i == call->primitive->field_count || call->primitive->fields[i].role != SEGUE_ROLE_INT) return 1;
    int64_t *value = (int64_t *)(void *)((char *)call->op + call->primitive->fields[i].offset);
    if (!*value) return 1;
    *value = 0;
    return 0;
}

static int64_t modulo(int64_t k, int64_t old)
{
    return k % old;
}

/* Every group axis that the rules name ("d % g == 0") gets as many groups as there are channels, number d being that
 * of d % g. */
static int take_groups_modulo(struct call *call, const char *name)
{
    char whole, part;
    int found = 0;
    (void)name;
    for (const char *rule = call->primitive->rules; rule && *rule;
         rule = strchr(rule, ';') ? strchr(rule, ';') + 2 : "") {
        if (sscanf(rule, "%c %% %c == 0", &whole, &part) != 2) continue;
        const int64_t channels = call_axis(call, whole), groups = call_axis(call, part);
        for (uint32_t i = 0; i < call->primitive->field_count && groups > 1 && groups < channels; i++) {
            struct operand *o = &call->operands[i];
            const int axis = o->facts ? axis_of(o->facts, part) : -1;
            if (axis < 0) continue;
            if (collect_by(o, axis, channels, modulo)) return -1;
            found = 1;
        }
    }
    return found ? 0 : 1;
}

static int64_t next(int64_t k, int64_t old)
{
    return k + 1 < old ? k + 1 : k;
}

static int has_required(const segue_primitive_facts *p)
{
    for (uint32_t i = 0; i < p->field_count; i++)
        if (p->fields[i].role == SEGUE_ROLE_IN) return 1;
    return 0;
}

/* Every required input in time but the first; the first where there is no other. Of a primitive that requires none, all that
 * are there. */
static int read_ahead(struct call *call, const char *name)
{
    const uint32_t count = call->primitive->field_count;
    const uint32_t role = has_required(call->primitive) ? SEGUE_ROLE_IN : SEGUE_ROLE_OPT;
    uint32_t first = count;
    int others = 0;
    (void)name;
    for (uint32_t i = 0; i < count; i++) {
        struct operand *o = &call->operands[i];
        const int time = call_token_axis(call, o);
        if (time < 0 || o->facts->role != role || o->facts->kind == SEGUE_KIND_I32) continue;
        if (o->view.shape[time] < 2) return 1;
        if (first == count) {
            first = i;
            continue;
        }
        if (collect_by(o, time, o->view.shape[time], next)) return -1;
        others = 1;
    }
    if (others) return 0;
    if (first == count) return 1;
    struct operand *o = &call->operands[first];
    const int time = call_token_axis(call, o);
    return collect_by(o, time, o->view.shape[time], next);
}

static int64_t reversed(int64_t k, int64_t old)
{
    return old - 1 - k;
}

/* name: a letter of an axis that only weights have. */
static int turn_round(struct call *call, const char *name)
{
    int found = 0;
    for (uint32_t i = 0; i < call->primitive->field_count; i++) {
        struct operand *o = &call->operands[i];
        const int axis = o->facts && o->facts->kind == SEGUE_KIND_WEIGHT ? axis_of(o->facts, *name) : -1;
        if (axis < 0) continue;
        if (collect_by(o, axis, o->view.shape[axis], reversed)) return -1;
        found = 1;
    }
    return found ? 0 : 1;
}

/* Rows that nobody asked for are read as row 0. */
static int read_row_0(struct call *call, const char *name)
{
    const uint32_t i = call_field(call, name);
    int found = 0;
    for (int64_t k = 0; i < call->primitive->field_count && k < call->operands[i].count; k += 2)
        if (call->operands[i].whole[k] < 0) call->operands[i].whole[k] = 0, found = 1;
    return found ? 0 : 1;
}

static int count_one_more(struct call *call, const char *name)
{
    const uint32_t i = call_field(call, name);
    if (i == call->primitive->field_count) return 1;
    for (int64_t k = 0; k < call->operands[i].count; k++)
        if (call->operands[i].whole[k] < INT32_MAX) call->operands[i].whole[k]++;
    return 0;
}

/* ---- calls over fewer or more tokens ------------------------------------------------------------ */

static int has_integers_but(const struct call *call, const char *allowed)
{
    for (uint32_t i = 0; i < call->primitive->field_count; i++) {
        const struct operand *o = &call->operands[i];
        if (o->facts && o->facts->kind == SEGUE_KIND_I32 && strcmp(o->facts->name, allowed)) return 1;
    }
    return 0;
}

static int64_t or_zero(int64_t k, int64_t old)
{
    return k < old ? k : -1;
}

/* Zeros behind the last token, up to a whole tile. */
static int pad_tail(struct call *call, const char *name)
{
    const int64_t tokens = call_axis(call, 't'), all = (tokens + TILE - 1) / TILE * TILE;
    (void)name;
    if (tokens < 1 || all == tokens || has_integers_but(call, "slot")) return 1;
    for (uint32_t i = 0; i < call->primitive->field_count; i++) {
        struct operand *o = &call->operands[i];
        const int axis = call_token_axis(call, o);
        if (axis >= 0 && collect_by(o, axis, all, or_zero)) return -1;
    }
    return 0;
}

/* Tokens from `first` on alone give the answer; before them it is `before`[i], or the right one. */
static int answer_from(const struct test_case *c, uint32_t field, const struct bound *right, double *out,
                       int64_t first, int64_t count)
{
    struct axis t = { 1, 1 };
    struct call call;
    int result = call_of_case(&call, c);
    const int in_time =
        !result && call_token_axis(&call, &c->operands[field]) >= 0 && !find_tokens(c, field, &t);
    if (!result && first) clear_states(&call, NULL);
    if (!result) result = call_slice_tokens(&call, first, count);
    call_settle(&call);
    if (!result) result = call_look(&call) ? -1 : 0;
    for (int64_t i = 0, from = 0; !result && i < right->count; i++) {
        const int64_t at = in_time ? index_along(&t, i) : first;
        if (at < first) out[i] = right->value[i];
        else if (at >= first + count) out[i] = 0;
        else out[i] = call.wanted[field][from++];
    }
    call_free(&call);
    return result ? result : finished(right, out);
}

static int tail_skipped(const struct test_case *c, uint32_t field, const struct bound *right, double *out)
{
    const int64_t tokens = descriptor_axis(&c->d, 't');
    if (tokens <= CHUNK || tokens % CHUNK == 0) return 1;
    return answer_from(c, field, right, out, 0, tokens - tokens % CHUNK);
}

static int carry_lost(const struct test_case *c, uint32_t field, const struct bound *right, double *out,
                      int64_t at)
{
    const int64_t tokens = descriptor_axis(&c->d, 't');
    struct call view = { .primitive = c->primitive };
    memcpy(view.operands, c->operands, sizeof view.operands); /* to look at only */
    if (tokens <= at || has_integers_but(&view, "slot")) return 1;
    return answer_from(c, field, right, out, at, tokens - at);
}

static int state_of_padding(const struct test_case *c, uint32_t field, const struct bound *right, double *out)
{
    if (c->operands[field].facts->role != SEGUE_ROLE_STATE_OUT) return 1;
    return edited(c, field, right, out, pad_tail, NULL);
}

/* The same call with other values: its key is another one, its integers are not. */
static int of_another_key(const struct test_case *c, uint32_t field, const struct bound *right, double *out)
{
    struct descriptor d = c->d;
    struct test_case other;
    struct call call = { 0 };
    char name[DESCRIPTOR_TEXT], why[DESCRIPTOR_WHY];
    snprintf(d.key, sizeof d.key, "%s", strcmp(d.key, "stale") ? "stale" : "staler");
    if (descriptor_print(&d, name, sizeof name)) return 1;
    if (test_case_make(name, &other, why)) return -1; /* it only differs in its key */
    int result = call_of_case(&call, &other);
    for (uint32_t i = 0; !result && i < c->primitive->field_count; i++)
        if (c->operands[i].whole && call.operands[i].whole)
            memcpy(call.operands[i].whole, c->operands[i].whole,
                   (size_t)c->operands[i].count * sizeof(int32_t));
    if (!result) result = answer_to(&call, field, right, out);
    call_free(&call);
    test_case_free(&other);
    return result;
}

/* ---- the table ---------------------------------------------------------------------------------- */

#define EDITED(function, change, name)                                                                     \
    static int function(const struct test_case *c, uint32_t field, const struct bound *right, double *out) \
    {                                                                                                      \
        return edited(c, field, right, out, change, name);                                                 \
    }
EDITED(state_ignored, clear_states, NULL)
EDITED(group_modulo, take_groups_modulo, NULL)
EDITED(token_ahead, read_ahead, NULL)
EDITED(taps_reversed, turn_round, "w")
EDITED(softplus_missing, switch_off, "softplus")
EDITED(activation_missing, switch_off, "activation")
EDITED(z_ignored, leave_out, "z")
EDITED(skip_ignored, leave_out, "D")
EDITED(bias_ignored, leave_out, "bias")
EDITED(delta_bias_ignored, leave_out, "delta_bias")
EDITED(pre_gate_ignored, leave_out, "pre_gate")
EDITED(post_gate_ignored, leave_out, "post_gate")
EDITED(tags_ignored, leave_out, "seq_idx")
EDITED(slot_not_cleared, read_row_0, "slot")
EDITED(counter_off_by_one, count_one_more, "cache_seqlens")

static int carry_lost_64(const struct test_case *c, uint32_t field, const struct bound *right, double *out)
{
    return carry_lost(c, field, right, out, CHUNK);
}

static int carry_lost_128(const struct test_case *c, uint32_t field, const struct bound *right, double *out)
{
    return carry_lost(c, field, right, out, 2 * (int64_t)CHUNK);
}

/* One sequence through all tokens: outputs only, since states no longer mean the same. */
static int sequences_joined(const struct test_case *c, uint32_t field, const struct bound *right, double *out)
{
    if (c->operands[field].facts->role == SEGUE_ROLE_STATE_OUT) return 1;
    return edited(c, field, right, out, leave_out, "cu_seqlens");
}

const struct fault faults[] = {
    { "zeros", zeros },
    { "one-token-late", one_token_late },
    { "previous-key", of_another_key },
    { "state-ignored", state_ignored },
    { "last-chunk-zero", last_chunk_zero },
    { "heads-swapped", heads_swapped },
    { "times-0.999", scaled },
    { "mean", mean },
    { "group-modulo", group_modulo },
    { "token-ahead", token_ahead },
    { "softplus-missing", softplus_missing },
    { "activation-missing", activation_missing },
    { "z-ignored", z_ignored },
    { "D-ignored", skip_ignored },
    { "bias-ignored", bias_ignored },
    { "delta_bias-ignored", delta_bias_ignored },
    { "pre_gate-ignored", pre_gate_ignored },
    { "post_gate-ignored", post_gate_ignored },
    { "state-of-padded-tail", state_of_padding },
    { "tail-chunk-skipped", tail_skipped },
    { "carry-lost-at-64", carry_lost_64 },
    { "carry-lost-at-128", carry_lost_128 },
    { "taps-reversed", taps_reversed },
    { "tags-ignored", tags_ignored },
    { "sequences-joined", sequences_joined },
    { "slot-not-cleared", slot_not_cleared },
    { "counter-off-by-one", counter_off_by_one },
    { NULL, NULL },
};

int faults_proof(const struct test_case *c, uint32_t field, const struct bound *right, int *applicable,
                 int *rejected)
{
    double *out = malloc((right->count ? (size_t)right->count : 1) * sizeof *out);
    int result = out ? 0 : -1;
    *applicable = *rejected = 0;
    for (int i = 0; i < FAULTS_OF_PROOF && result >= 0; i++) {
        struct verdict v;
        result = faults[i].answer(c, field, right, out);
        if (result) continue;
        judge(right, out, &v);
        *applicable += 1;
        *rejected += !v.ok;
    }
    free(out);
    return result < 0 ? -1 : 0;
}

/* RMS over what the reference writes; what is no number counts as 0, since most often nothing was written there. */
static double distance(const struct bound *right, const double *got, const double *from)
{
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < right->count; i++) {
        if (!right->written[i] || !isfinite(right->value[i])) continue;
        const double error = (isfinite(got[i]) ? got[i] : 0) - (isfinite(from[i]) ? from[i] : 0);
        sum += error * error;
        count++;
    }
    return count ? sqrt(sum / (double)count) : 0;
}

const char *fault_nearest(const struct test_case *c, uint32_t field, const struct bound *right,
                          const double *got)
{
    double *out = malloc((right->count ? (size_t)right->count : 1) * sizeof *out);
    double least = resembles * distance(right, got, right->value);
    const char *name = "";
    for (const struct fault *f = faults; out && f->name; f++) {
        if (f->answer(c, field, right, out)) continue;
        const double far = distance(right, got, out);
        if (!(far < least)) continue;
        least = far;
        name = f->name;
    }
    free(out);
    return name;
}
