/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

static int never(const struct exam *e)
{
    (void)e;
    return 0;
}

static const struct identity identities[] = {
    { "identity:repeat", never, NULL },                        /* the same call again: in check_value.c */
    { "identity:split", can_split, identity_split },           /* tokens in two calls, the state handed over */
    { "identity:decode", can_split, identity_decode },         /* prefill, then single tokens */
    { "identity:causality", has_future, identity_causality },  /* the future is NaN */
    { "identity:reach", has_tokens, identity_reach },          /* one token is NaN */
    { "identity:parts", has_parts, identity_parts },           /* over some keys, over the others, joined */
    { "identity:separate", has_sequences, identity_separate }, /* each sequence alone */
    { "identity:reverse", has_sequences, identity_reverse },   /* the sequences in another order */
    { "identity:layout", always, identity_layout },            /* the same values lie elsewhere */
    { "identity:in-place", always, identity_in_place },        /* outgoing states over incoming ones */
    { "identity:bounds", always, identity_bounds },            /* a plan for more than what is run */
    { "identity:replan", always, identity_replan },            /* other values and addresses under one plan */
    { "identity:concurrent", can_be_concurrent, identity_concurrent }, /* one plan, two threads at once */
    { "identity:order", has_order, identity_order }, /* copied, run and read on two streams, behind events */
    { "identity:segue_run", is_chosen, identity_segue_run }, /* plan and workspace by the library */
    { "identity:threads", has_variants, identity_threads },  /* other numbers of threads */
    { "identity:isa", has_variants, identity_isa },          /* other instruction sets, by value */
};

enum { IDENTITIES = sizeof identities / sizeof *identities };

const char *identity_name(int i)
{
    return i >= 0 && i < IDENTITIES ? identities[i].check : NULL;
}

unsigned identity_bit(const char *check)
{
    for (int i = 0; i < IDENTITIES; i++)
        if (!strcmp(identities[i].check, check)) return 1u << i;
    return 0;
}

void check_identities(struct exam *e)
{
    for (int i = 0; i < IDENTITIES && exam_goes_on(e); i++)
        if (identities[i].applies(e)) identities[i].run(e, identities[i].check);
}

int run_and_compare(struct exam *e, struct call *c, const struct map *m, const struct comparison *how,
                    const struct style *style)
{
    struct answer a;
    const struct setting s = { .check = how->check, .style = style };
    const int ran = !exam_prepare(e, c) && exam_run(e, c, &s, &a) == 1;
    if (ran) exam_compare(e, c, &a, m, how), answer_free(&a);
    call_free(c);
    return ran;
}

/* ---- what sequences a call has -------------------------------------------------------------------- */

int is_packed(const struct call *c)
{
    return call_field(c, "cu_seqlens") < c->primitive->field_count;
}

int64_t sequence_count(const struct call *c)
{
    const int64_t count = call_axis(c, is_packed(c) ? 's' : 'b');
    return count < 0 ? 0 : count;
}

static int64_t clamped(int64_t x, int64_t last)
{
    return x < 0 ? 0 : x > last ? last : x;
}

static struct sequence between(const struct call *c, const char *offsets, int64_t s, int64_t all)
{
    const uint32_t packed = call_field(c, offsets);
    struct sequence q = { 0, all };
    if (packed == c->primitive->field_count) return q;
    const int32_t *at = c->operands[packed].whole;
    q.first = clamped(at[s], all);
    q.count = clamped(at[s + 1], all) - q.first;
    if (q.count < 0) q.count = 0;
    return q;
}

struct sequence sequence_of(const struct call *c, int64_t s)
{
    return between(c, "cu_seqlens", s, call_axis(c, 't'));
}

struct sequence keys_of(const struct call *c, int64_t s)
{
    return between(c, "cu_seqlens_k", s, call_keys(c));
}

struct slots slots_of(const struct call *c, int64_t s)
{
    const uint32_t field = call_field(c, "slot");
    const int64_t rows = call_axis(c, 'p');
    struct slots out = { s, s };
    if (field == c->primitive->field_count) return out;
    out.read = c->operands[field].whole[2 * s], out.write = c->operands[field].whole[2 * s + 1];
    if (out.read < 0 || out.read >= rows) out.read = -1;
    if (out.write < 0 || out.write >= rows) out.write = -1;
    return out;
}
